// Auth0's own management SDK, unchanged, against logoutd over TLS.
//
// Node reads NODE_EXTRA_CA_CERTS when it starts: the calls are made by a process of their own, which is told
// where logoutd is and prints what it got.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createServer } from 'node:http';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { decodeJwt } from 'jose';

import { Logoutd } from '../logoutd.mjs';

const CALL = fileURLToPath(new URL('./call.mjs', import.meta.url));

describe("Auth0's ManagementClient", () => {
  let logoutd;
  let rp;

  before(async () => {
    rp = await Receiver.start();
    logoutd = await Logoutd.withTls(`
[[clients]]
client_id = "from-the-file"
backchannel_logout_uri = "${rp.url}/file"
id_token_signed_response_alg = "ES256"
`);
  });

  after(async () => {
    await logoutd?.stop();
    await rp?.stop();
  });

  /** Makes one call of the SDK: what it resolves to, or the error it throws. */
  async function call(method, ...args) {
    return callAs({ token: logoutd.token }, method, ...args);
  }

  /** The same, with these of the SDK's options to say who calls. */
  async function callAs(credentials, method, ...args) {
    const env = { ...process.env, NODE_EXTRA_CA_CERTS: logoutd.tls.certificate };
    const input = [`localhost:${logoutd.management}`, JSON.stringify(credentials), method, JSON.stringify(args)];
    const { stdout } = await promisify(execFile)(process.execPath, [CALL, ...input], { env });
    return JSON.parse(stdout);
  }

  async function ok(method, ...args) {
    const { value, error } = await call(method, ...args);
    assert.equal(error, undefined, `${method}: ${JSON.stringify(error)}\n${logoutd.log}`);
    return value;
  }

  async function begin(data) {
    const { status, body } = await logoutd.report('session.created', data);
    assert.equal(status, 202, JSON.stringify(body));
  }

  test('organisation metadata set through the SDK is in the token of the client that includes it', async () => {
    const client = await ok('clients.create', {
      name: 'Shop',
      app_type: 'regular_web',
      jwt_configuration: { alg: 'ES256' },
      oidc_logout: {
        backchannel_logout_urls: [`${rp.url}/shop`],
        backchannel_logout_initiators: { mode: 'custom', selected_initiators: ['rp-logout', 'idp-logout', 'session-revoked'] },
        backchannel_logout_session_metadata: { include: true },
      },
    });
    const bare = await ok('clients.create', {
      name: 'Without metadata',
      jwt_configuration: { alg: 'ES256' },
      oidc_logout: { backchannel_logout_urls: [`${rp.url}/bare`], backchannel_logout_initiators: { mode: 'all' } },
    });
    await begin({ sid: 's-org', sub: 'auth0|alice', clients: [client.client_id, bare.client_id] });

    const metadata = { org_id: 'org_abc123', org_slug: 'acme', org_name: 'Acme Inc.' };
    const updated = await ok('sessions.update', 's-org', { session_metadata: metadata });
    assert.deepEqual(updated.session_metadata, metadata);
    const read = await ok('sessions.get', 's-org');
    assert.equal(read.id, 's-org');
    assert.equal(read.user_id, 'auth0|alice');
    assert.deepEqual(new Set(read.clients.map((it) => it.client_id)), new Set([client.client_id, bare.client_id]));

    await ok('sessions.revoke', 's-org');
    const token = await rp.token('/shop');
    assert.equal(token.aud, client.client_id);
    assert.deepEqual(token.session_metadata, metadata);
    assert.equal((await rp.token('/bare')).session_metadata, undefined);

    const gone = await call('sessions.get', 's-org');
    assert.equal(gone.error.name, 'NotFoundError');
    assert.equal(gone.error.body.errorCode, 'inexistent_session');
  });

  test("a session is deleted, and a user's are listed page by page and deleted", async () => {
    for (const n of [1, 2, 3]) await begin({ sid: `s-${n}`, sub: 'auth0|bob/x y' });
    await ok('sessions.delete', 's-1');
    const sessions = await ok('iterate:users.sessions.list', 'auth0|bob/x y', { take: 1 });
    assert.deepEqual(sessions.map((it) => it.id), ['s-2', 's-3']);
    await ok('users.sessions.delete', 'auth0|bob/x y');
    assert.deepEqual((await ok('iterate:users.sessions.list', 'auth0|bob/x y')), []);

    for (const n of [4, 5]) await begin({ sid: `s-${n}`, sub: 'auth0|bob/x y' });
    await ok('users.revokeAccess', 'auth0|bob/x y', { session_id: 's-4', preserve_refresh_tokens: true });
    assert.deepEqual((await ok('iterate:users.sessions.list', 'auth0|bob/x y')).map((it) => it.id), ['s-5']);
    await ok('users.revokeAccess', 'auth0|bob/x y');
    assert.deepEqual((await ok('iterate:users.sessions.list', 'auth0|bob/x y')), []);
  });

  test('clients are created, paged, updated and deleted', async () => {
    const ids = [];
    for (let n = 0; n < 5; n += 1) {
      const { client_id } = await ok('clients.create', { name: `Page ${n}`, app_type: 'spa', jwt_configuration: { alg: 'ES256' } });
      ids.push(client_id);
    }
    const spa = { app_type: 'spa', per_page: 2 };
    const listed = await ok('iterate:clients.list', spa);
    assert.deepEqual(new Set(listed.map((it) => it.client_id)), new Set(ids));
    assert.ok((await ok('iterate:clients.list')).length >= 6);

    const [id] = ids;
    const subscribed = await ok('clients.update', id, { oidc_logout: { backchannel_logout_urls: [`${rp.url}/spa`] } });
    assert.deepEqual(subscribed.oidc_logout.backchannel_logout_urls, [`${rp.url}/spa`]);
    const some = await ok('clients.get', id, { fields: 'client_id,oidc_logout', include_fields: true });
    assert.deepEqual(Object.keys(some).sort(), ['client_id', 'oidc_logout']);
    const unsubscribed = await ok('clients.update', id, { oidc_logout: { backchannel_logout_urls: [] } });
    assert.equal(unsubscribed.oidc_logout, undefined);
    for (const it of ids) await ok('clients.delete', it);
    const gone = await call('clients.get', id);
    assert.equal(gone.error.name, 'NotFoundError');
    assert.equal((await ok('iterate:clients.list', spa)).length, 0);

    const readOnly = await call('clients.update', 'from-the-file', { name: 'x' });
    assert.equal(readOnly.error.statusCode, 409);
    const bad = await call('clients.create', { name: 'Bad', oidc_logout: { backchannel_logout_urls: ['ftp://rp'] } });
    assert.equal(bad.error.name, 'BadRequestError');
    assert.match(bad.error.body.message, /^oidc_logout\.backchannel_logout_urls\[0\]: must be an https URI/);
  });

  test('signing keys are listed, rotated and revoked', async () => {
    const keys = await ok('keys.signing.list');
    assert.ok(keys.some((key) => key.current));
    const [current] = keys.filter((key) => key.current);
    assert.match(current.cert, /^-----BEGIN CERTIFICATE-----/);
    assert.equal((await ok('keys.signing.get', current.kid)).kid, current.kid);
    const rotated = await ok('keys.signing.rotate');
    assert.ok(rotated.kid && rotated.cert);
    const revoked = await ok('keys.signing.revoke', current.kid);
    assert.equal(revoked.kid, current.kid);
    const jwks = await (await fetch(`${logoutd.url}/.well-known/jwks.json`)).json();
    assert.ok(!jwks.keys.some((key) => key.kid === current.kid), 'a revoked key is out of the JWKS');
  });

  test('the outcome of each delivery is in the logs', async () => {
    const refused = await ok('clients.create', {
      name: 'Refuses',
      jwt_configuration: { alg: 'ES256' },
      oidc_logout: { backchannel_logout_urls: [`${rp.url}/refuse`] },
    });
    const ended = { sid: 's-log', sub: 'carol', initiator: 'rp-logout', clients: ['from-the-file', refused.client_id] };
    const { status } = await logoutd.report('session.terminated', ended, { wait: 60 });
    assert.equal(status, 200);
    const logs = await ok('iterate:logs.list', { per_page: 50 });
    const outcomes = logs.filter((it) => it.details?.session_id === 's-log' || it.details?.request?.backchannel_logout_uri?.endsWith('/refuse'));
    const [success] = outcomes.filter((it) => it.type === 'oidc_backchannel_logout_succeeded');
    const [failure] = outcomes.filter((it) => it.type === 'oidc_backchannel_logout_failed');
    assert.equal(success.details.request.backchannel_logout_uri, `${rp.url}/file`);
    assert.equal(success.details.response.statusCode, 200);
    assert.equal(failure.details.request.backchannel_logout_uri, `${rp.url}/refuse`);
    assert.equal(failure.details.response.statusCode, 400);
    assert.equal(failure.details.initiator, 'rp-logout');
    assert.equal(failure.client_id, refused.client_id);
    assert.equal((await ok('logs.get', failure.log_id)).type, 'oidc_backchannel_logout_failed');
    const found = await ok('iterate:logs.list', { search: 'type:fslo client_name:refu' });
    assert.deepEqual(found.map((it) => it.log_id), [failure.log_id]);
    assert.ok(logs.some((it) => it.type === 'sapi'), 'changes through the API are there too');
  });

  test('an API token logs in with its id and secret', async () => {
    const token = logoutd.createToken('read:logs');
    const credentials = { clientId: token.id, clientSecret: token.token };
    const { value, error } = await callAs(credentials, 'logs.list', { per_page: 1 });
    assert.equal(error, undefined, `${JSON.stringify(error)}\n${logoutd.log}`);
    assert.ok(value);
    const denied = await callAs(credentials, 'clients.list');
    assert.equal(denied.error.name, 'ForbiddenError');
    const wrong = await callAs({ ...credentials, clientSecret: 'wrong' }, 'logs.list');
    assert.match(JSON.stringify(wrong.error), /API token is not valid/);
  });

  test('a token without the scope, and none that is known, are refused as at Auth0', async () => {
    const saved = logoutd.token;
    try {
      logoutd.token = 'not-a-token';
      const { error } = await call('sessions.get', 's-1');
      assert.equal(error.name, 'UnauthorizedError');
    } finally {
      logoutd.token = saved;
    }
  });
});

/** A relying party that takes every token, but at /refuse. */
class Receiver {
  static async start() {
    const receiver = new Receiver();
    receiver.tokens = new Map();
    receiver.server = createServer(async (request, response) => {
      let body = '';
      for await (const chunk of request) body += chunk;
      receiver.tokens.set(request.url, decodeJwt(new URLSearchParams(body).get('logout_token')));
      response.writeHead(request.url === '/refuse' ? 400 : 200).end();
    });
    await new Promise((resolve) => receiver.server.listen(0, '127.0.0.1', resolve));
    receiver.url = `http://127.0.0.1:${receiver.server.address().port}`;
    return receiver;
  }

  /** The claims of the last token that came to this path, once one has. */
  async token(path) {
    for (let attempt = 0; attempt < 2_400; attempt += 1) {
      if (this.tokens.has(path)) return this.tokens.get(path);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error(`no token came to ${path}`);
  }

  async stop() {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}
