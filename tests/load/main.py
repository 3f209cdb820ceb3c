"""Runs the sections, each with one binary or with two in turn, and prints a table of each."""

import argparse
import importlib
import os
import pathlib
import signal
import sys
import time

from service import Folder

SECTIONS = ["bulk", "replay", "interim", "filters", "probes", "audit", "bytes", "guesses", "silent"]


def options():
    parser = argparse.ArgumentParser(
        prog="tests/load/run.sh",
        description="Load figures of logoutd. Tables in Markdown go to standard output, what is going on to standard error.",
    )
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=f"some of: {', '.join(SECTIONS)}; by default all")
    parser.add_argument("--bin", default="target/release/logoutd", type=pathlib.Path, help="the program (default: %(default)s)")
    parser.add_argument("--before", type=pathlib.Path, help="another one, measured in turn with it, to compare with")
    parser.add_argument("--small", action="store_true", help="small counts: shows that all works, and not how fast")
    parser.add_argument("--folder", default="target/tmp", type=pathlib.Path, help="where stores are put (default: %(default)s)")
    chosen = parser.parse_args()
    for section in chosen.sections:
        if section not in SECTIONS:
            parser.error(f"there is no section {section}; there are {', '.join(SECTIONS)}")
    for binary in filter(None, [chosen.bin, chosen.before]):
        if not os.access(binary, os.X_OK):
            parser.error(f"{binary} is no program: build it with cargo build --release, or name one with --bin")
    return chosen


def say(text):
    print(text, file=sys.stderr, flush=True)


def measured(section, binary, chosen):
    """The figures of a section with a binary: a dict of names and values, in order."""
    module = importlib.import_module(f"sections.{section}")
    started = time.monotonic()
    with Folder(chosen.folder) as folder:
        figures = module.measure(binary.resolve(), folder, chosen.small)
    say(f"{section} of {binary}: {time.monotonic() - started:.0f} s")
    return figures


def shown(value):
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:,.1f}" if abs(value) < 100 else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def ratio(before, after):
    numbers = isinstance(before, (int, float)) and isinstance(after, (int, float))
    return f"{after / before:.2f}" if numbers and before else ""


def table(section, before, after):
    """A row for each figure; with two binaries both, and the new one's to the old one's."""
    what = importlib.import_module(f"sections.{section}").__doc__.strip()
    lines = [f"### {section}", "", what, ""]
    if before is None:
        lines += ["| | |", "|---|---:|"] + [f"| {name} | {shown(value)} |" for name, value in after.items()]
    else:
        lines += ["| | before | after | after / before |", "|---|---:|---:|---:|"]
        for name in [*before, *(name for name in after if name not in before)]:
            old, new = before.get(name), after.get(name)
            lines.append(f"| {name} | {shown(old)} | {shown(new)} | {ratio(old, new)} |")
    return "\n".join(lines) + "\n"


def main():
    chosen = options()
    # Ctrl-C and a plain kill end it as an error does: what it started is stopped.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    failed = []
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.2f} before; {'small' if chosen.small else 'full'} counts\n", flush=True)
    for section in chosen.sections or SECTIONS:
        try:
            before = measured(section, chosen.before, chosen) if chosen.before else None
            after = measured(section, chosen.bin, chosen)
        except Exception as error:  # The others are measured all the same.
            say(f"{section} could not be measured: {type(error).__name__}: {error}")
            failed.append(section)
            continue
        print(table(section, before, after), flush=True)
    if failed:
        say(f"could not be measured: {', '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
