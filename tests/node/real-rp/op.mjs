// A small OpenID Provider: it logs in whoever the login hint names, and signs ID Tokens with the key that
// logoutd is given too. It sends no logout tokens: that is logoutd's part.

import { createServer } from 'node:http';
import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { exportJWK, SignJWT } from 'jose';

const KEYS = {
  RS256: () => generateKeyPairSync('rsa', { modulusLength: 2048 }),
  ES256: () => generateKeyPairSync('ec', { namedCurve: 'P-256' }),
};

export class Op {
  /** Starts an OP that signs with `alg`, on a port of its own. */
  static async start(alg) {
    const op = new Op();
    op.alg = alg;
    op.kid = `op-${alg.toLowerCase()}`;
    const { privateKey, publicKey } = KEYS[alg]();
    op.privateKey = privateKey;
    op.jwk = { ...(await exportJWK(publicKey)), kid: op.kid, alg, use: 'sig' };
    op.codes = new Map();
    op.sessions = [];
    op.server = createServer((request, response) => op.handle(request, response));
    await new Promise((resolve) => op.server.listen(0, '127.0.0.1', resolve));
    op.issuer = `http://127.0.0.1:${op.server.address().port}`;
    return op;
  }

  /** The private key as logoutd takes it. */
  pem() {
    return this.privateKey.export({ type: 'pkcs8', format: 'pem' });
  }

  async handle(request, response) {
    const url = new URL(request.url, this.issuer);
    const routes = {
      '/.well-known/openid-configuration': () => this.discovery(),
      '/jwks': () => ({ keys: [this.jwk] }),
      '/token': async () => this.token(new URLSearchParams(await text(request))),
    };
    if (url.pathname === '/authorize') {
      response.writeHead(302, { location: this.authorize(url.searchParams) }).end();
    } else if (routes[url.pathname]) {
      const body = await routes[url.pathname]();
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    } else {
      response.writeHead(404).end();
    }
  }

  discovery() {
    return {
      issuer: this.issuer,
      authorization_endpoint: `${this.issuer}/authorize`,
      token_endpoint: `${this.issuer}/token`,
      jwks_uri: `${this.issuer}/jwks`,
      response_types_supported: ['code'],
      subject_types_supported: ['public'],
      id_token_signing_alg_values_supported: [this.alg],
      token_endpoint_auth_methods_supported: ['client_secret_basic', 'client_secret_post'],
      backchannel_logout_supported: true,
      backchannel_logout_session_supported: true,
    };
  }

  authorize(query) {
    const code = randomUUID();
    const session = { sub: query.get('login_hint'), sid: randomUUID(), client_id: query.get('client_id') };
    this.sessions.push(session);
    this.codes.set(code, { ...session, nonce: query.get('nonce') });
    const back = new URL(query.get('redirect_uri'));
    back.searchParams.set('code', code);
    back.searchParams.set('state', query.get('state'));
    return back.href;
  }

  async token(form) {
    const { sub, sid, nonce, client_id } = this.codes.get(form.get('code'));
    this.codes.delete(form.get('code'));
    const idToken = await new SignJWT({ sid, ...(nonce ? { nonce } : {}) })
      .setProtectedHeader({ alg: this.alg, kid: this.kid, typ: 'JWT' })
      .setIssuer(this.issuer)
      .setSubject(sub)
      .setAudience(client_id)
      .setIssuedAt()
      .setExpirationTime('1h')
      .sign(this.privateKey);
    return { access_token: randomUUID(), token_type: 'Bearer', expires_in: 3600, id_token: idToken };
  }

  async stop() {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}

async function text(request) {
  let body = '';
  for await (const chunk of request) body += chunk;
  return body;
}
