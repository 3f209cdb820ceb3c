"""200 requests of 1 MiB at once: each is an event whose lists name as many clients as fit, none of which is registered. The most memory
that the service has had, and whether it answered everybody.
"""

import json
import time

from measure import at_once, event, livez, report, tally
from service import RelyingParty, Service

MIB = 1024 * 1024


def body():
    """An event of almost 1 MiB, as text."""
    names = [f"c{number}" for number in range(120_000)]
    one = event("terminated", {"sid": "s", "sub": "alice", "initiator": "rp-logout", "exclude_clients": []})
    room = MIB - len(json.dumps(one)) - 16
    used = 0
    for count, name in enumerate(names):
        used += len(name) + 4
        if used > room:
            break
    one["data"]["exclude_clients"] = names[:count]
    return json.dumps(one)


def measure(binary, folder, small):
    callers = 40 if small else 200
    rp = RelyingParty(folder, "ok")
    service = Service(binary, folder, clients=[("other", rp.uri, "")]).start()
    text = body()
    idle = service.memory_peak()
    with livez(service) as health:
        answers, seconds = at_once(callers, lambda _: report(service.source(), text)[0])
        time.sleep(1)
    return {
        "requests": callers,
        "bytes of each": len(text),
        "answers": tally(answers),
        "all are answered after, s": seconds,
        "memory (RSS) before, the most, MiB": idle,
        "memory (RSS), the most, MiB": service.memory_peak(),
        **health.figures("/livez"),
    }
