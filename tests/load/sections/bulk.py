"""One event ends 20,000 sessions of a user, and names 5 clients whose tokens must have a `sid`: 100,000 deliveries. Meanwhile other
users' sessions are reported singly, 20 events a second, and `/livez` is asked 50 times a second. "Alone": the same before it.
"""

import threading
import time

from measure import accepted, event, livez, others, report, until
from service import RelyingParty, Service

CLIENTS = [f"crowd-{number}" for number in range(5)]
CROWD = "client_id LIKE 'crowd-%'"


def service_with_crowd(binary, folder, sessions, uri, settings=""):
    """A service with so many live sessions of one user, and five clients that may be named when they end."""
    crowd = [(name, uri, f"backchannel_logout_session_required = true\n{settings}") for name in CLIENTS]
    service = Service(binary, folder, clients=[*crowd, ("other", uri, "")]).start()
    accepted(service.source(), [event("created", {"sid": f"crowd-{number}", "sub": "crowd"}) for number in range(sessions)])
    return service


def end_of_crowd():
    return event("terminated", {"sub": "crowd", "initiator": "password-changed", "clients": CLIENTS})


def measure(binary, folder, small):
    sessions = 1_000 if small else 20_000
    rp = RelyingParty(folder, "ok")
    service = service_with_crowd(binary, folder, sessions, rp.uri)
    figures = {}

    with livez(service) as health, others(service, "other") as alone:
        time.sleep(5)
    figures |= alone.figures("another event, alone") | health.figures("/livez, alone")

    service.forget_memory_peak()
    expected = sessions * len(CLIENTS)
    answered = {}

    def end():
        started = time.monotonic()
        status, body = report(service.source(), end_of_crowd())
        answered.update(status=status, after=time.monotonic() - started, body=body)

    with livez(service) as health, others(service, "other") as meanwhile:
        ending = threading.Thread(target=end, daemon=True)
        ending.start()
        stored = until(lambda: service.count("deliveries", CROWD) >= expected or answered.get("status", 0) >= 400, 1200)
        ending.join()
        # Delivery of what is stored has begun.
        time.sleep(5)
        delivered = service.count("deliveries", f"{CROWD} AND state = 'delivered'")
    figures["the event is answered"] = str(answered["status"])
    figures["the event is answered after, s"] = answered["after"]
    figures["all of its deliveries are stored after, s"] = stored
    figures["deliveries stored"] = service.count("deliveries", CROWD)
    figures["deliveries made 5 s later"] = delivered
    figures |= meanwhile.figures("another event") | health.figures("/livez")
    figures["memory (RSS), the most, MiB"] = service.memory_peak()
    return figures
