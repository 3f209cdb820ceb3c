// logoutd as a process: the binary that LOGOUTD_BIN names, with a folder and ports of its own.

import { spawn, execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const TOKEN = 'the-bootstrap-token-of-this-test';

export class Logoutd {
  /** Imports the OP's key, and starts logoutd as the issuer of its logout tokens for these clients. */
  static async start(op, clients) {
    const binary = process.env.LOGOUTD_BIN;
    if (!binary) throw new Error('LOGOUTD_BIN must name the logoutd binary; tests/run.sh sets it');
    const logoutd = new Logoutd();
    logoutd.folder = mkdtempSync(join(tmpdir(), 'logoutd-real-rp-'));
    const config = join(logoutd.folder, 'config.toml');
    const pem = join(logoutd.folder, 'op.pem');
    const [server, management] = [await freePort(), await freePort()];
    writeFileSync(pem, op.pem(), { mode: 0o600 });
    writeFileSync(config, configuration(op, clients, logoutd.folder, server, management));
    execFileSync(
      binary,
      ['keys', 'import', pem, '--kid', op.kid, '--alg', op.alg, '--activate-now', '--config', config],
      { stdio: ['ignore', 'ignore', 'inherit'] },
    );

    logoutd.url = `http://127.0.0.1:${server}`;
    logoutd.log = '';
    logoutd.process = spawn(binary, ['serve', '--config', config], {
      env: { ...process.env, LOGOUTD_BIN: undefined, LOGOUTD_BOOTSTRAP_TOKEN: TOKEN },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    logoutd.process.stderr.on('data', (chunk) => {
      logoutd.log += chunk;
    });
    await logoutd.ready(`http://127.0.0.1:${management}/readyz`);
    return logoutd;
  }

  async ready(url) {
    for (let attempt = 0; attempt < 200; attempt += 1) {
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

function configuration(op, clients, folder, server, management) {
  const tables = clients.map(
    ({ clientId, uri, settings = '' }) => `
[[clients]]
client_id = "${clientId}"
backchannel_logout_uri = "${uri}"
id_token_signed_response_alg = "${op.alg}"
${settings}`,
  );
  return `
issuer.url = "${op.issuer}"
issuer.jwks_uri = "${op.issuer}/jwks"
server.listen = "127.0.0.1:${server}"
management.listen = "127.0.0.1:${management}"
store.url = "sqlite://${folder}/logoutd.db"
keys = { directory = "${folder}/keys", algorithms = ["${op.alg}"], rotate_every = "0" }
egress = { allow_http = true, allow_networks = ["127.0.0.0/8"] }
${tables.join('\n')}`;
}

async function freePort() {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}
