"""300,000 deliveries in the store, one of them with the initiator that is asked for again and again, 64 times at once with two tokens
(`GET /api/v2/deliveries?initiator=…`), for 15 seconds. Meanwhile events are reported with an API token, 20 a second. "Alone": the
same before it.
"""

import time

from measure import NO_ANSWER, accepted, at_once, event, others, tally
from service import RelyingParty, Service

REQUESTS = 64


def measure(binary, folder, small):
    deliveries, seconds = (20_000, 4) if small else (300_000, 15)
    rp = RelyingParty(folder, "ok")
    names = [f"waiting-{number}" for number in range(10)]
    clients = [(name, rp.uri, "enabled = false") for name in names] + [("other", rp.uri, "")]
    service = Service(binary, folder, '[access]\nrate_limit = "off"', clients).start()
    fill(service, names, deliveries)
    token = service.token("source", "create:events")
    # Callers take turns at lists: two of them leave no connection free that lists are read by.
    readers = [service.token(f"reader-{number}", "read:deliveries") for number in range(2)]

    with others(service, "other", token=token) as alone:
        time.sleep(5)
    lists = []

    def ask(number):
        operator = service.operator(readers[number % len(readers)])
        while time.monotonic() < end:
            started = time.monotonic()
            try:
                status = operator.ask("GET", "/api/v2/deliveries?initiator=mfa-phone-unenrolled")[0]
            except NO_ANSWER as error:
                status = type(error).__name__
            lists.append((status, (time.monotonic() - started) * 1000))

    end = time.monotonic() + seconds
    with others(service, "other", token=token) as meanwhile:
        _, took = at_once(REQUESTS, ask)
    return {
        "deliveries in the store": service.count("deliveries"),
        **alone.figures("POST /events, alone"),
        **meanwhile.figures("POST /events"),
        "lists answered": tally(status for status, _ in lists),
        "lists answered, a second": len(lists) / took,
        "a list, the longest, ms": max(took for _, took in lists),
    }


def fill(service, names, deliveries):
    """So many deliveries that wait, and among the first of them one with a rare initiator."""
    source = service.source()
    data = {"sub": "alice", "clients": names}
    accepted(source, [event("terminated", {"sid": "rare", **data, "clients": names[:1], "initiator": "mfa-phone-unenrolled"})])
    for start in range(0, deliveries // len(names), 1000):
        accepted(source, [
            event("terminated", {"sid": f"waiting-{number}", **data, "initiator": "rp-logout"})
            for number in range(start, min(start + 1000, deliveries // len(names)))
        ], 500)
