"""A real `logoutd serve` process in a folder of its own, and relying parties; both are stopped by their process ids."""

import http.client
import json
import os
import pathlib
import random
import resource
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).parent
BOOTSTRAP = "the-bootstrap-token-of-the-load-figures"
ALL_LOOPBACK = 'allow_http = true\nallow_networks = ["127.0.0.0/8"]'
# Of one request, in seconds: longer than anything here takes, so that a figure is a figure and not a limit.
PATIENCE = 600


class Folder:
    """A folder that is gone at the end, with all that was started in it stopped."""

    def __init__(self, parent):
        pathlib.Path(parent).mkdir(parents=True, exist_ok=True)
        self.path = pathlib.Path(tempfile.mkdtemp(prefix="load-", dir=parent)).resolve()
        self.started = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in reversed(self.started):
            stop(process)
        shutil.rmtree(self.path, ignore_errors=True)

    def start(self, *args, **options):
        process = subprocess.Popen(args, **options)
        self.started.append(process)
        return process


def stop(process):
    """Terminates a process; kills it if it has not ended after 20 seconds."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def free_port():
    """A port below those that outgoing connections take theirs from."""
    while True:
        port = random.randrange(20_000, 32_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


class Connection:
    """A connection that is kept open, and made anew when it was closed."""

    def __init__(self, port, token=None, patience=PATIENCE):
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=patience)
        self.token = token

    def ask(self, method, path, body=None, headers=()):
        """The status and the body; an OSError or HTTPException if there is no answer."""
        headers = dict(headers)
        if self.token is not None:
            headers.setdefault("Authorization", f"Bearer {self.token}")
        if body is not None and not isinstance(body, (bytes, str)):
            body = json.dumps(body)
            headers.setdefault("Content-Type", "application/json")
        try:
            self.connection.request(method, path, body, headers)
            response = self.connection.getresponse()
            return response.status, response.read()
        except (OSError, http.client.HTTPException):
            self.connection.close()
            raise

    def close(self):
        self.connection.close()


class RelyingParty:
    """A process that answers logout tokens as `mode` says: see relying_party.py."""

    def __init__(self, folder, mode):
        self.port = free_port()
        self.process = folder.start(sys.executable, HERE / "relying_party.py", mode, str(self.port), stdout=subprocess.PIPE)
        if not self.process.stdout.readline():
            raise RuntimeError("a relying party ended before it was ready")
        self.uri = f"http://127.0.0.1:{self.port}/backchannel-logout"

    def figures(self):
        """What it counted: connections open at once at the most, and requests."""
        return json.loads(Connection(self.port).ask("GET", "/figures")[1])


class Service:
    """`logoutd serve`. `settings` are sections of its configuration; `clients` a list of (id, uri, settings)."""

    def __init__(self, binary, folder, settings="", clients=(), descriptors=None):
        self.binary, self.folder, self.descriptors = binary, folder, descriptors
        self.server, self.management = free_port(), free_port()
        self.store = folder.path / "logoutd.db"
        self.config = folder.path / "config.toml"
        text = f"""
[issuer]
url = "https://op.example.com"
[server]
listen = "127.0.0.1:{self.server}"
[management]
listen = "127.0.0.1:{self.management}"
[store]
url = "sqlite://{self.store}"
[keys]
directory = "{folder.path}/keys"
algorithms = ["ES256"]
[egress]
{ALL_LOOPBACK}
[log]
level = "warn"
{settings}
"""
        for client_id, uri, more in clients:
            text += (f'[[clients]]\nclient_id = "{client_id}"\nbackchannel_logout_uri = "{uri}"\n'
                     f'id_token_signed_response_alg = "ES256"\ninitiators = "all"\n{more}\n')
        self.config.write_text(text)
        self.process = None

    def environment(self):
        # Settings of whoever runs this are not the service's.
        kept = {name: value for name, value in os.environ.items() if not name.startswith("LOGOUTD_")}
        return {**kept, "LOGOUTD_BOOTSTRAP_TOKEN": BOOTSTRAP}

    def start(self):
        limit = self.descriptors

        def lower():
            if limit is not None:
                resource.setrlimit(resource.RLIMIT_NOFILE, (limit, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))

        log = open(self.folder.path / "log", "ab")
        self.process = self.folder.start(
            str(self.binary), "serve", "--config", str(self.config),
            env=self.environment(), stderr=log, stdin=subprocess.DEVNULL, preexec_fn=lower,
        )
        log.close()
        # A busy machine may take its time; a service that hangs is noticed all the same.
        for _ in range(2_400):
            try:
                if Connection(self.management, patience=5).ask("GET", "/readyz")[0] == 200:
                    return self
            except (OSError, http.client.HTTPException):
                pass
            if self.process.poll() is not None:
                raise RuntimeError(f"the service ended: {(self.folder.path / 'log').read_text()[-2000:]}")
            time.sleep(0.05)
        raise RuntimeError("the service runs, and is not ready")

    def stop(self):
        stop(self.process)

    def token(self, name, *scopes):
        """A new API token's secret."""
        command = [str(self.binary), "tokens", "create", "--config", str(self.config), "--name", name, "--scope", ",".join(scopes)]
        done = subprocess.run(command, env=self.environment(), capture_output=True, text=True, check=True, timeout=PATIENCE)
        return done.stdout.strip()

    def operator(self, token=BOOTSTRAP, patience=PATIENCE):
        return Connection(self.management, token, patience)

    def source(self, token=BOOTSTRAP, patience=PATIENCE):
        return Connection(self.server, token, patience)

    def memory_peak(self):
        """The most memory that it has had (RSS) since `forget_memory_peak`, in MiB."""
        for line in pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
        raise RuntimeError("the service has ended")

    def forget_memory_peak(self):
        pathlib.Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")

    def cpu(self):
        """Seconds of the processors that it has used."""
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def store_bytes(self):
        """The store file and its log."""
        paths = [self.store, self.store.with_name(self.store.name + "-wal")]
        return sum(path.stat().st_size for path in paths if path.exists())

    def count(self, table, where="1", values=()):
        """Rows of a table, read from the store beside the service."""
        store = sqlite3.connect(f"file:{self.store}?mode=ro", uri=True, timeout=PATIENCE)
        try:
            return store.execute(f"SELECT count(*) FROM {table} WHERE {where}", values).fetchone()[0]
        finally:
            store.close()
