// Auth0's Deploy CLI, unchanged, against logoutd over TLS: what it exports of clients it imports again, and nothing
// is changed by it.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';

import { Logoutd } from '../logoutd.mjs';

const CLI = createRequire(import.meta.url).resolve('auth0-deploy-cli');
const CLIENT = new URL('../../../fixtures/auth0/client.json', import.meta.url);

describe("Auth0's Deploy CLI", () => {
  let logoutd;
  let folder;

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'logoutd-deploy-'));
    logoutd = await Logoutd.withTls(`
[[clients]]
client_id = "from-the-file"
backchannel_logout_uri = "https://rp.example.com/file"
id_token_signed_response_alg = "ES256"

[[clients]]
client_id = "named-in-the-file"
client_name = "Named"
backchannel_logout_uri = "https://rp.example.com/named"
id_token_signed_response_alg = "ES256"
initiators = "all"
session_metadata = ["org_id"]
token = { ttl = "90s", typ = "JWT" }
`);
  });

  after(async () => {
    await logoutd?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  /** Asks the management API; the answer's JSON. */
  function api(method, path, body) {
    const options = {
      method,
      ca: readFileSync(logoutd.tls.certificate),
      headers: { authorization: `Bearer ${logoutd.token}`, 'content-type': 'application/json' },
    };
    return new Promise((resolve, reject) => {
      const asked = request(`https://localhost:${logoutd.management}/api/v2${path}`, options, async (response) => {
        let text = '';
        for await (const chunk of response) text += chunk;
        resolve({ status: response.statusCode, body: text ? JSON.parse(text) : null });
      });
      asked.on('error', reject);
      asked.end(body && JSON.stringify(body));
    });
  }

  /** Runs the tool; its exit code and what it printed. */
  function cli(...args) {
    const env = {
      ...process.env,
      AUTH0_DOMAIN: `localhost:${logoutd.management}`,
      AUTH0_ACCESS_TOKEN: logoutd.token,
      AUTH0_INCLUDED_ONLY: '["clients"]',
      AUTH0_ALLOW_DELETE: 'true',
      NODE_EXTRA_CA_CERTS: logoutd.tls.certificate,
    };
    return new Promise((resolve) => {
      execFile(process.execPath, [CLI, ...args], { env }, (error, stdout, stderr) =>
        resolve({ code: error ? (error.code ?? 1) : 0, output: stdout + stderr }),
      );
    });
  }

  async function ok(...args) {
    const { code, output } = await cli(...args);
    assert.equal(code, 0, `${args.join(' ')}:\n${output}\n${logoutd.log}`);
  }

  async function clients() {
    const { status, body } = await api('GET', '/clients');
    assert.equal(status, 200);
    return body;
  }

  test('what it exports it imports again, and nothing is changed, not even of clients of the file', async () => {
    const real = JSON.parse(readFileSync(CLIENT, 'utf8'));
    real.jwt_configuration.alg = 'ES256';
    // What is linked by an id of another resource the tool looks up there.
    for (const member of ['express_configuration', 'my_organization_configuration', 'external_client_id']) delete real[member];
    const created = await api('POST', '/clients', real);
    assert.equal(created.status, 201, JSON.stringify(created.body));
    const bare = await api('POST', '/clients', { name: 'Bare', jwt_configuration: { alg: 'ES256' } });
    assert.equal(bare.status, 201);

    const before = await clients();
    assert.equal(before.length, 4);
    await ok('export', '--format', 'directory', '--output_folder', folder);
    const files = readdirSync(join(folder, 'clients')).filter((name) => name.endsWith('.json'));
    assert.deepEqual(files.sort(), ['Bare.json', 'Named.json', 'Real.json', 'from-the-file.json']);
    await ok('import', '--input_file', folder);
    assert.deepEqual(await clients(), before);

    const { body: logs } = await api('GET', '/logs?type=sapi&per_page=100');
    const patches = logs.filter((it) => it.details.request.method === 'PATCH');
    assert.equal(patches.length, 4, 'it writes each client back');
    assert.deepEqual(patches.flatMap((it) => it.details.changed ?? []), []);
  });

  test('what was changed in its files is changed, and of a client of the file it is refused', async () => {
    const edit = (name, change) => {
      const path = join(folder, 'clients', `${name}.json`);
      const client = JSON.parse(readFileSync(path, 'utf8'));
      change(client);
      writeFileSync(path, JSON.stringify(client));
    };
    edit('Real', (client) => {
      delete client.client_metadata.a;
      client.oidc_logout.backchannel_logout_urls = ['https://real.example.com/moved'];
    });
    await ok('import', '--input_file', folder);
    const real = (await clients()).find((client) => client.client_id === 'real');
    assert.deepEqual(real.client_metadata, { b: '2' });
    assert.equal(real.backchannel_logout_uri, 'https://real.example.com/moved');

    const before = await clients();
    // Both names of the URL are in the file, and only one says where it is now.
    edit('Real', (client) => {
      delete client.backchannel_logout_uri;
    });
    edit('Named', (client) => {
      client.enabled = false;
    });
    const { code, output } = await cli('import', '--input_file', folder);
    assert.notEqual(code, 0);
    assert.match(output, /Problem updating clients .*named-in-the-file/s);
    assert.match(output, /kept in the configuration file/);
    assert.deepEqual(await clients(), before);
  });
});
