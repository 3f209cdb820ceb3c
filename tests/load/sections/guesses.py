"""Somebody comes with wrong tokens from an address until it is refused as too often (429), and goes on, 100 a second. What is answered
meanwhile to the callers behind the same address: to one with the bootstrap token, and to ones whose API tokens are right and were
never used before.
"""

from measure import Pace, in_turn, tally
from service import BOOTSTRAP, Connection, RelyingParty, Service


def guess(service, count):
    """What so many wrong tokens are answered, one after another."""
    connection = Connection(service.management)

    def once(number):
        connection.token = f"wrong-{number}"
        return connection.ask("GET", "/api/v2/clients")[0]

    return in_turn(count, once, pause=0)


def measure(binary, folder, small):
    asked = 10 if small else 50
    rp = RelyingParty(folder, "ok")
    service = Service(binary, folder, clients=[("other", rp.uri, "")]).start()
    tokens = [service.token(f"token-{number}", "create:events", "read:clients") for number in range(asked)]
    used = service.token("in use", "create:events", "read:clients")
    Connection(service.management, used).ask("GET", "/api/v2/clients")

    guesses, later = guess(service, 300), []
    connection = Connection(service.management)

    def go_on(number):
        connection.token = f"another-{number}"
        later.append(connection.ask("GET", "/api/v2/clients")[0])
        return 200

    def ask(token):
        return Connection(service.management, token).ask("GET", "/api/v2/clients")[0]

    with Pace(100, go_on):
        unused = in_turn(asked, lambda number: ask(tokens[number]))
        bootstrap = in_turn(asked, lambda _: ask(BOOTSTRAP))
        in_use = in_turn(asked, lambda _: ask(used))
    # Which tokens were in use is forgotten.
    service.stop()
    service.start()
    guess(service, 300)
    restarted = in_turn(asked, lambda _: ask(used))
    return {
        "the first 300 guesses are answered": tally(guesses),
        "guesses meanwhile": tally(later),
        "API tokens never used before": tally(unused),
        "the bootstrap token": tally(bootstrap),
        "an API token in use": tally(in_use),
        "the same after a restart and 300 guesses": tally(restarted),
    }
