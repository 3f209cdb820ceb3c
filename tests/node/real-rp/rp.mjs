// The real relying party: an Express application with express-openid-connect, as its users write it.

import express from 'express';
import openid from 'express-openid-connect';
import createMemoryStore from 'memorystore';

const { auth, requiresAuth } = openid;
const MemoryStore = createMemoryStore(auth);

export class Rp {
  /** Starts a relying party of `op`, on a port of its own. */
  static async start(op, clientId) {
    const rp = new Rp();
    const application = express();
    rp.server = await new Promise((resolve) => {
      const server = application.listen(0, '127.0.0.1', () => resolve(server));
    });
    rp.url = `http://127.0.0.1:${rp.server.address().port}`;
    rp.logouts = [];
    application.use('/backchannel-logout', (request, response, next) => {
      response.on('finish', () => rp.logouts.push(response.statusCode));
      next();
    });
    application.use(
      auth({
        issuerBaseURL: op.issuer,
        baseURL: rp.url,
        clientID: clientId,
        clientSecret: 'the-secret-of-this-test',
        secret: 'the-cookie-secret-of-this-test-0123456789',
        authRequired: false,
        idTokenSigningAlg: op.alg,
        authorizationParams: { response_type: 'code', scope: 'openid' },
        routes: { login: false },
        backchannelLogout: { store: new MemoryStore({ checkPeriod: 0 }) },
      }),
    );
    application.get('/login/:user', (request, response) =>
      response.oidc.login({ returnTo: '/profile', authorizationParams: { login_hint: request.params.user } }),
    );
    application.get('/profile', requiresAuth(), (request, response) =>
      response.json({ sub: request.oidc.user.sub }),
    );
    return rp;
  }

  async stop() {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}

/** A browser: it keeps cookies and follows redirects. */
export class Browser {
  cookies = new Map();

  /** Logs `user` in at the relying party, by way of its OP. */
  async login(rp, user) {
    let url = `${rp.url}/login/${user}`;
    for (let hop = 0; hop < 10; hop += 1) {
      const response = await this.get(url);
      if (response.status !== 302) return response;
      url = new URL(response.headers.get('location'), url).href;
    }
    throw new Error(`too many redirects, the last to ${url}`);
  }

  /** Who is logged in at the relying party; null if nobody is. */
  async profile(rp) {
    const response = await this.get(`${rp.url}/profile`);
    return response.status === 200 ? (await response.json()).sub : null;
  }

  async get(url) {
    const cookie = [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    const response = await fetch(url, { redirect: 'manual', headers: { cookie, accept: 'text/html' } });
    for (const line of response.headers.getSetCookie()) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(line);
      if (value === '' || /expires=Thu, 01 Jan 1970/i.test(line)) this.cookies.delete(name);
      else this.cookies.set(name, value);
    }
    return response;
  }
}
