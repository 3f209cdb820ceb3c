"""Two relying parties answer `HTTP/1.1 103 E` without end, with 16 sessions of each ended. For 20 seconds: the CPU of the service,
`/livez` 50 times a second, and other users' sessions reported singly, 20 events a second. Then how long attempts took
(`delivery.timeout` is 5 s).
"""

import json
import time

from measure import accepted, event, livez, others
from service import RelyingParty, Service


def measure(binary, folder, small):
    seconds = 8 if small else 20
    hostile = [RelyingParty(folder, "interim") for _ in range(2)]
    healthy = RelyingParty(folder, "ok")
    names = [f"interim-{number}" for number in range(len(hostile))]
    clients = [(name, rp.uri, "") for name, rp in zip(names, hostile)] + [("other", healthy.uri, "")]
    service = Service(binary, folder, clients=clients).start()
    with livez(service) as health, others(service, "other") as meanwhile:
        accepted(service.source(), [
            event("terminated", {"sid": f"{name}-{number}", "sub": "alice", "initiator": "rp-logout", "clients": [name]})
            for name in names for number in range(16)
        ])
        before = service.cpu()
        time.sleep(seconds)
        used = service.cpu() - before
    took = attempts(service, names)
    return {
        "CPU of the service, % of a core": 100 * used / seconds,
        **meanwhile.figures("another event"),
        **health.figures("/livez"),
        "attempts made": len(took),
        "an attempt, the longest, ms": max(took, default=None),
        "requests that the two got": sum(rp.figures()["requests"] for rp in hostile),
    }


def attempts(service, names):
    """The durations of the attempts of these clients' deliveries, in milliseconds."""
    operator = service.operator()
    took = []
    for name in names:
        deliveries = json.loads(operator.ask("GET", f"/api/v2/deliveries?client_id={name}&take=100")[1])["deliveries"]
        for delivery in deliveries:
            body = operator.ask("GET", f"/api/v2/deliveries/{delivery['id']}")[1]
            took += [attempt["duration_ms"] for attempt in json.loads(body)["attempts"]]
    return took
