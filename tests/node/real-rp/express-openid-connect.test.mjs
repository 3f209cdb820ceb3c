// A session at a real relying party is alive; the event goes in; the session is dead.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import { Logoutd } from '../logoutd.mjs';
import { Op } from './op.mjs';
import { Browser, Rp } from './rp.mjs';

for (const alg of ['RS256', 'ES256']) {
  describe(`express-openid-connect, ${alg}`, () => {
    let op;
    let rp;
    let logoutd;

    before(async () => {
      op = await Op.start(alg);
      rp = await Rp.start(op, 'shop');
      const uri = `${rp.url}/backchannel-logout`;
      logoutd = await Logoutd.start(op, [{ clientId: 'shop', uri, settings: 'session_metadata = true' }]);
    });

    after(async () => {
      await logoutd?.stop();
      await rp?.stop();
      await op?.stop();
    });

    /** Logs a user in, and reports the session as an OP would. */
    async function login(user, session_metadata) {
      const browser = new Browser();
      await browser.login(rp, user);
      assert.equal(await browser.profile(rp), user, 'the login worked');
      const { sid, sub } = op.sessions.at(-1);
      const data = { sid, sub, clients: ['shop'], session_metadata };
      const { status, body } = await logoutd.report('session.created', data);
      assert.equal(status, 202, JSON.stringify(body));
      return { browser, sid, sub };
    }

    function assertDelivered({ status, body }) {
      assert.equal(status, 200, JSON.stringify(body));
      const states = body.deliveries.map(({ client_id, state }) => [client_id, state]);
      assert.deepEqual(states, [['shop', 'delivered']], logoutd.log);
      assert.equal(rp.logouts.at(-1), 204);
    }

    test('ends the session it is about, and no other', async () => {
      const alice = await login('alice', { org_id: 'org_abc123' });
      const bob = await login('bob');
      const ended = { sid: alice.sid, initiator: 'rp-logout' };
      assertDelivered(await logoutd.report('session.terminated', ended, { wait: 60 }));
      assert.equal(await alice.browser.profile(rp), null, "alice's session is dead");
      assert.equal(await bob.browser.profile(rp), 'bob', "bob's session lives");
    });

    test('ends every session of a user', async () => {
      const carol = await login('carol');
      const ended = { sub: 'carol', initiator: 'idp-logout' };
      assertDelivered(await logoutd.report('session.terminated', ended, { wait: 60 }));
      assert.equal(await carol.browser.profile(rp), null);
    });

    test('takes an event in binary mode', async () => {
      const dave = await login('dave');
      const ended = { sid: dave.sid, sub: dave.sub, initiator: 'rp-logout' };
      assertDelivered(await logoutd.report('session.terminated', ended, { wait: 60, binary: true }));
      assert.equal(await dave.browser.profile(rp), null);
    });

    test('leaves a session alone whose end this client does not want to hear of', async () => {
      const erin = await login('erin');
      const before = rp.logouts.length;
      const ended = { sid: erin.sid, initiator: 'password-changed' };
      const { status, body } = await logoutd.report('session.terminated', ended, { wait: 60 });
      assert.deepEqual([status, body.deliveries], [200, []]);
      assert.equal(rp.logouts.length, before);
      assert.equal(await erin.browser.profile(rp), 'erin');
    });
  });
}
