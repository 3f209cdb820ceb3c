// logoutd as a process: the binary that LOGOUTD_BIN names, with a folder and ports of its own.

import { spawn, execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const TOKEN = 'the-bootstrap-token-of-this-test';

export class Logoutd {
  /** Imports the OP's key, and starts logoutd as the issuer of its logout tokens for these clients. */
  static async start(op, clients) {
    const logoutd = await Logoutd.prepare();
    const pem = join(logoutd.folder, 'op.pem');
    writeFileSync(pem, op.pem(), { mode: 0o600 });
    logoutd.configure(`
issuer.url = "${op.issuer}"
issuer.jwks_uri = "${op.issuer}/jwks"
keys = { directory = "${logoutd.folder}/keys", algorithms = ["${op.alg}"], rotate_every = "0" }
${clients.map((client) => table({ ...client, alg: op.alg })).join('\n')}`);
    execFileSync(
      logoutd.binary,
      ['keys', 'import', pem, '--kid', op.kid, '--alg', op.alg, '--activate-now', '--config', logoutd.config],
      { stdio: ['ignore', 'ignore', 'inherit'] },
    );
    await logoutd.serve();
    return logoutd;
  }

  /** Starts logoutd with keys of its own, and with TLS for operators; `settings` are added to its configuration. */
  static async withTls(settings = '') {
    const logoutd = await Logoutd.prepare();
    logoutd.tls = certificate(logoutd.folder);
    logoutd.configure(`
issuer.url = "https://op.example.com"
keys = { directory = "${logoutd.folder}/keys", algorithms = ["ES256", "RS256"] }
management.tls = { certificate = "${logoutd.tls.certificate}", key = "${logoutd.tls.key}" }
${settings}`);
    await logoutd.serve();
    return logoutd;
  }

  static async prepare() {
    const logoutd = new Logoutd();
    logoutd.binary = process.env.LOGOUTD_BIN;
    if (!logoutd.binary) throw new Error('LOGOUTD_BIN must name the logoutd binary; tests/run.sh sets it');
    logoutd.folder = mkdtempSync(join(tmpdir(), 'logoutd-node-'));
    logoutd.config = join(logoutd.folder, 'config.toml');
    logoutd.token = TOKEN;
    [logoutd.server, logoutd.management] = [await freePort(), await freePort()];
    logoutd.url = `http://127.0.0.1:${logoutd.server}`;
    return logoutd;
  }

  configure(settings) {
    const common = `
server.listen = "127.0.0.1:${this.server}"
management.listen = "127.0.0.1:${this.management}"
store.url = "sqlite://${this.folder}/logoutd.db"
egress = { allow_http = true, allow_networks = ["127.0.0.0/8"] }`;
    // Tables come last.
    writeFileSync(this.config, common + settings);
  }

  async serve() {
    this.log = '';
    this.process = spawn(this.binary, ['serve', '--config', this.config], {
      env: { ...process.env, LOGOUTD_BIN: undefined, LOGOUTD_BOOTSTRAP_TOKEN: TOKEN },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    this.process.stderr.on('data', (chunk) => {
      this.log += chunk;
    });
    await this.ready(`${this.url}/.well-known/jwks.json`);
  }

  /** Makes an API token with this scope, from the shell: its `id`, and its secret as `token`. */
  createToken(scope) {
    const args = ['tokens', 'create', '--json', '--name', 'a test', '--scope', scope, '--config', this.config];
    return JSON.parse(execFileSync(this.binary, args, { stdio: ['ignore', 'pipe', 'ignore'] }));
  }

  /** Asks until it answers, or has ended: so often that a busy machine gets there. */
  async ready(url) {
    for (let attempt = 0; attempt < 6_000; attempt += 1) {
      if (this.process.exitCode !== null) break;
      const response = await fetch(url).catch(() => null);
      if (response?.status === 200) return;
      await sleep(50);
    }
    throw new Error(`logoutd did not become ready:\n${this.log}`);
  }

  /** Reports an event; with `wait`, the answer tells the outcome of its deliveries. */
  async report(type, data, { wait = 0, binary = false } = {}) {
    const attributes = { specversion: '1.0', id: crypto.randomUUID(), source: 'https://op.example.com', type };
    const headers = { authorization: `Bearer ${TOKEN}` };
    if (wait) headers.prefer = `wait=${wait}`;
    let body;
    if (binary) {
      for (const [name, value] of Object.entries(attributes)) headers[`ce-${name}`] = value;
      headers['content-type'] = 'application/json';
      body = JSON.stringify(data);
    } else {
      headers['content-type'] = 'application/cloudevents+json';
      body = JSON.stringify({ ...attributes, data });
    }
    const response = await fetch(`${this.url}/events`, { method: 'POST', headers, body });
    return { status: response.status, body: await response.json() };
  }

  async stop() {
    if (this.process.exitCode === null) {
      this.process.kill('SIGTERM');
      await once(this.process, 'exit');
    }
    rmSync(this.folder, { recursive: true, force: true });
  }
}

function table({ clientId, uri, alg, settings = '' }) {
  return `
[[clients]]
client_id = "${clientId}"
backchannel_logout_uri = "${uri}"
id_token_signed_response_alg = "${alg}"
${settings}`;
}

/** A certificate for localhost that signs itself. */
function certificate(folder) {
  const [path, key] = [join(folder, 'tls.pem'), join(folder, 'tls-key.pem')];
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'];
  const made = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '30'];
  execFileSync('openssl', ['req', '-x509', ...made, ...subject, '-keyout', key, '-out', path], {
    stdio: ['ignore', 'ignore', 'ignore'],
  });
  chmodSync(key, 0o600);
  return { certificate: path, key };
}

async function freePort() {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}
