"""200 callers at once have a client's logout endpoint tried (`POST /api/v2/clients/{id}/test`), which answers after a second. How many
requests the relying party had to answer at the same time.
"""

from measure import at_once, tally
from service import RelyingParty, Service


def measure(binary, folder, small):
    callers = 40 if small else 200
    rp = RelyingParty(folder, "slow")
    service = Service(binary, folder, clients=[("tested", rp.uri, "")]).start()
    answers, seconds = at_once(callers, lambda _: service.operator().ask("POST", "/api/v2/clients/tested/test")[0])
    counted = rp.figures()
    return {
        "callers": callers,
        "answers": tally(answers),
        "all are answered after, s": seconds,
        "requests at the relying party": counted["requests"],
        "of these at the same time, the most": counted["most_at_once"],
    }
