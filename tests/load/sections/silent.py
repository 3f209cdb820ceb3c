"""A thousand connections to `server.listen` on which nothing is said, to a service that is started with `ulimit -S -n 1024`. Then: is
management answered, does an operator's change get through, and is an event taken from somebody who connects now, each tried over new
connections with 5 seconds of patience?
"""

import contextlib
import os
import resource
import socket
import time

from measure import event, in_turn, report, tally
from service import RelyingParty, Service


def measure(binary, folder, small):
    tries = 5 if small else 20
    room = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if room < 2_000:
        raise RuntimeError(f"ulimit -n is {room}: 2000 are needed")
    rp = RelyingParty(folder, "ok")
    service = Service(binary, folder, clients=[("other", rp.uri, "")], descriptors=1024).start()
    with contextlib.ExitStack() as open_ones:
        silent = connect(service.server, 1_000, open_ones)
        time.sleep(2)

        def ask(path):
            with contextlib.closing(service.operator(patience=5)) as operator:
                return operator.ask("GET", path)[0]

        def end(number):
            with contextlib.closing(service.source(patience=5)) as source:
                return report(source, event("terminated", {
                    "sid": f"s-{number}", "sub": "alice", "initiator": "rp-logout", "clients": ["other"]}))[0]

        figures = {
            "silent connections": silent,
            "descriptors of the service": descriptors(service),
            "/livez": tally(in_turn(tries, lambda _: ask("/livez"))),
            "/readyz": tally(in_turn(tries, lambda _: ask("/readyz"))),
            "GET /api/v2/clients": tally(in_turn(tries, lambda _: ask("/api/v2/clients"))),
            "POST /events": tally(in_turn(tries, end)),
        }
        time.sleep(3)
        figures["deliveries made"] = rp.figures()["requests"]
    return figures


def connect(port, count, open_ones):
    """So many connections, as far as they are taken; how many that were."""
    taken = refused = 0
    while taken < count and refused < 10:
        try:
            open_ones.enter_context(socket.create_connection(("127.0.0.1", port), timeout=10))
            taken += 1
        except OSError:
            refused += 1
    return taken


def descriptors(service):
    return len(os.listdir(f"/proc/{service.process.pid}/fd"))
