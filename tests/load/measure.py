"""What sections measure with: latencies at a pace, and what a crowd of callers is answered."""

import http.client
import itertools
import threading
import time
from collections import Counter

from service import Connection

NO_ANSWER = (OSError, http.client.HTTPException)


def percentile(samples, share):
    """By nearest rank, of samples in any order."""
    ordered = sorted(samples)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else None


class Pace:
    """Calls `once(number)` so many times a second, each at its time whether or not the one before was answered in time: latency
    counts from when a call was due, so that a service that stands still shows in every call that would have come meanwhile.
    """

    def __init__(self, per_second, once):
        self.period, self.once = 1 / per_second, once
        self.samples, self.failures = [], Counter()
        self.stopped = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)

    def __enter__(self):
        self.started = time.monotonic()
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stopped.set()
        self.thread.join()

    def run(self):
        for number in itertools.count():
            due = self.started + number * self.period
            if self.stopped.wait(max(0.0, due - time.monotonic())):
                return
            try:
                status = self.once(number)
                if status >= 400:
                    self.failures[status] += 1
            except NO_ANSWER as error:
                self.failures[type(error).__name__] += 1
            self.samples.append((time.monotonic() - due) * 1000)

    def figures(self, name):
        """Milliseconds, and what was not answered well."""
        figures = {f"{name}: {label}, ms": percentile(self.samples, share)
                   for label, share in [("p50", 0.5), ("p99", 0.99), ("longest", 1.0)]}
        if self.failures:
            figures[f"{name}: failed"] = ", ".join(f"{count} × {what}" for what, count in sorted(self.failures.items(), key=str))
        return figures


def livez(service, per_second=50):
    """Asks for /livez."""
    connection = Connection(service.management)
    return Pace(per_second, lambda _: connection.ask("GET", "/livez")[0])


def event(kind, data, **attributes):
    number = next(event.numbers)
    return {"specversion": "1.0", "id": f"load-{number}", "source": "https://op.example.com/load",
            "type": f"session.{kind}", "data": data, **attributes}


event.numbers = itertools.count()


def report(connection, events, headers=()):
    """Reports an event, or a list as a batch."""
    media_type = "cloudevents-batch+json" if isinstance(events, list) else "cloudevents+json"
    return connection.ask("POST", "/events", events, {"Content-Type": f"application/{media_type}", **dict(headers)})


def others(service, client_id, per_second=20, token=None):
    """Reports other users' sessions singly: each begins, and ends with the next event."""
    connection = service.source() if token is None else service.source(token)

    def once(number):
        sid = f"other-{number // 2}"
        if number % 2 == 0:
            one = event("created", {"sid": sid, "sub": f"user-of-{sid}", "clients": [client_id]})
        else:
            one = event("terminated", {"sid": sid, "initiator": "rp-logout"})
        return report(connection, one)[0]

    return Pace(per_second, once)


def at_once(count, call):
    """`call(number)` in as many threads, started together: what each came to, and how long all took in seconds."""
    results, together = [None] * count, threading.Barrier(count + 1)

    def run(number):
        together.wait()
        try:
            results[number] = call(number)
        except NO_ANSWER as error:
            results[number] = type(error).__name__

    threads = [threading.Thread(target=run, args=[number], daemon=True) for number in range(count)]
    for thread in threads:
        thread.start()
    together.wait()
    started = time.monotonic()
    for thread in threads:
        thread.join()
    return results, time.monotonic() - started


def tally(results):
    """So many of each, as text."""
    return ", ".join(f"{count} × {what}" for what, count in sorted(Counter(results).items(), key=str))


def in_turn(count, call, pause=0.05):
    """`call(number)` one after another, as `at_once`."""
    results = []
    for number in range(count):
        try:
            results.append(call(number))
        except NO_ANSWER as error:
            results.append(type(error).__name__)
        time.sleep(pause)
    return results


def accepted(connection, events, at_a_time=1000):
    """Reports events in batches, again after a pause while the service is busy; an error if one is refused."""
    for start in range(0, len(events), at_a_time):
        batch = events[start:start + at_a_time]
        for _ in range(600):
            status, body = report(connection, batch)
            if status != 503:
                break
            time.sleep(0.5)
        if status not in (200, 202):
            raise RuntimeError(f"a batch was answered {status}: {body[:300]}")


def until(what, tries, pause=0.5):
    """Asks `what()` so many times at the most; the seconds until it was true, or None."""
    started = time.monotonic()
    for _ in range(tries):
        if what():
            return time.monotonic() - started
        time.sleep(pause)
    return None
