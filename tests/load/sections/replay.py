"""The event of `bulk` is reported again with `Prefer: wait=1`, twice at once. Its deliveries wait: the five clients are disabled.
Meanwhile other users' sessions are reported singly, 20 events a second, and `/livez` is asked 50 times a second.
"""

import json

from measure import at_once, livez, others, report, tally, until
from sections.bulk import CLIENTS, CROWD, end_of_crowd, service_with_crowd
from service import RelyingParty


def measure(binary, folder, small):
    sessions = 1_000 if small else 20_000
    rp = RelyingParty(folder, "ok")
    service = service_with_crowd(binary, folder, sessions, rp.uri, "enabled = false")
    end = end_of_crowd()
    report(service.source(), end)
    stored = until(lambda: service.count("deliveries", CROWD) >= sessions * len(CLIENTS), 1200)

    service.forget_memory_peak()
    bodies = []

    def replay(_):
        status, body = report(service.source(), end, {"Prefer": "wait=1"})
        bodies.append(body)
        return status

    with livez(service) as health, others(service, "other") as meanwhile:
        answers, seconds = at_once(2, replay)
    listed = [len(json.loads(body).get("deliveries", [])) for body in bodies]
    return {
        "deliveries stored": service.count("deliveries", CROWD) if stored is None else sessions * len(CLIENTS),
        "the two are answered": tally(answers),
        "deliveries in an answer": max(listed, default=None),
        "both are answered after, s": seconds,
        **meanwhile.figures("another event"),
        **health.figures("/livez"),
        "memory (RSS), the most, MiB": service.memory_peak(),
    }
