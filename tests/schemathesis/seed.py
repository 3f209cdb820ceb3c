"""Fetches the OpenAPI document of a service that starts, puts clients, sessions and deliveries into it, and writes their
ids to files, a quoted id in each line.

Usage: seed.py FOLDER PID, with LOGOUTD_URL (its management API) and LOGOUTD_TOKEN in the environment. PID is the process of
the service: it is waited for as long as that runs.
"""

import json
import os
import pathlib
import sys
import time
import urllib.error
import urllib.request

URL = os.environ["LOGOUTD_URL"]
TOKEN = os.environ["LOGOUTD_TOKEN"]
# Operations end sessions and remove clients, so that many are needed.
SESSIONS = 400
CLIENTS = 100


def ask(method, path, body=None, media_type="application/json"):
    request = urllib.request.Request(
        URL + path,
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {TOKEN}", "Content-Type": media_type},
    )
    with urllib.request.urlopen(request, timeout=600) as response:
        return json.load(response)


def wait_until_ready(pid):
    while runs(pid):
        try:
            return ask("GET", "/readyz")
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.1)
    sys.exit("the service ended before it was ready")


def runs(pid):
    try:
        # The state of a process that has ended, and whose parent has not asked for its status yet, is Z.
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def event(number, kind, data):
    return {
        "specversion": "1.0",
        "id": f"seed-{number}",
        "source": "https://op.example.com/seed",
        "type": f"session.{kind}",
        "data": data,
    }


def main(folder, pid):
    wait_until_ready(pid)
    document = ask("GET", "/api/v2/openapi.json")
    (pathlib.Path(folder) / "openapi.json").write_text(json.dumps(document))

    clients = [f"app-{number}" for number in range(CLIENTS)]
    for client_id in clients:
        uri = "http://127.0.0.1:9/backchannel-logout"
        ask("POST", "/api/v2/clients", {"client_id": client_id, "name": client_id, "backchannel_logout_uri": uri,
                                        "id_token_signed_response_alg": "ES256"})

    sids = [f"session-{number}" for number in range(SESSIONS)]
    subs = [f"auth0|{number}" for number in range(SESSIONS // 4)]
    created = [
        event(number, "created", {"sid": sid, "sub": subs[number % len(subs)], "clients": ["shop"],
                                  "session_metadata": {"org_id": f"org-{number}"}})
        for number, sid in enumerate(sids)
    ]
    ended = [
        event(SESSIONS + number, "terminated", {"sid": sid, "initiator": "rp-logout"})
        for number, sid in enumerate(sids[: SESSIONS // 4])
    ]
    ask("POST", "/events", created, "application/cloudevents-batch+json")
    ask("POST", "/events", ended, "application/cloudevents-batch+json")

    deliveries = [delivery["id"] for delivery in ask("GET", "/api/v2/deliveries?take=100")["deliveries"]]
    jobs = [ask("POST", "/api/v2/deliveries/redeliver", {"client_id": client_id})["id"] for client_id in clients[:3]]
    kids = [key["kid"] for key in ask("GET", "/api/v2/keys/signing")]
    logs = [entry["log_id"] for entry in ask("GET", "/api/v2/logs?per_page=100")]
    for name, ids in [("sids", sids), ("subs", subs), ("clients", [*clients, "shop"]), ("deliveries", deliveries),
                      ("jobs", jobs), ("kids", kids), ("logs", logs)]:
        (pathlib.Path(folder) / name).write_text("".join(f'"{it}"\n' for it in ids))


main(sys.argv[1], int(sys.argv[2]))
