"""A caller whose API token lacks the scope asks for a change of a client again and again (403), over 4 connections for 5 seconds. What
the store has grown by since.
"""

import time

from measure import at_once, tally, until
from service import RelyingParty, Service


def measure(binary, folder, small):
    seconds = 2 if small else 5
    rp = RelyingParty(folder, "ok")
    service = Service(binary, folder, clients=[("shop", rp.uri, "")]).start()
    token = service.token("reader", "read:clients")
    rows, size = service.count("audit_log"), service.store_bytes()
    answers = []

    def ask(number):
        connection = service.operator()
        connection.token = token
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            answers.append(connection.ask("PATCH", f"/api/v2/clients/shop-{number}", {"name": "Shop"})[0])

    at_once(4, ask)
    settle(service)
    return {
        "answers": tally(answers),
        "entries of the audit trail": (written := service.count("audit_log") - rows),
        "answers for each entry": len(answers) / written if written else None,
        "the store has grown, KiB": (service.store_bytes() - size) / 1024,
    }


def settle(service):
    """Entries may be written later than they are answered: until none has come for two seconds."""
    seen = [-1]

    def still():
        seen.append(service.count("audit_log"))
        return seen[-1] == seen[-2]

    until(still, 30, pause=2)
