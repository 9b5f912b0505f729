// How the checks of WhatsApp's tokens end: every outcome, all in one run, as the application and without.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Health } from '../lib/health.mjs';
import { Meta } from '../lib/meta.mjs';

const vendor = await Meta.start();
const health = await Health.ofFile(vendor);
const asApp = { META_APP_ID: vendor.app.id, META_APP_SECRET: vendor.app.secret };
const inDays = (days) => Math.floor(Date.now() / 1000 + days * 86400);

// Facts of a token; what its connection becomes, code, subcode and words of the row.
const ends = [
  [{}, 'healthy', null, null, null],
  [{ expires_at: inDays(8) }, 'healthy', null, null, null],
  [{ expires_at: inDays(6.9) }, 'warning', 'expires', null, /^the token expires at 20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.000Z$/],
  [{ data_access_expires_at: inDays(6.9) }, 'warning', 'data_access_expires', null, /^its access to data expires at 20/],
  [{ quality: 'YELLOW' }, 'warning', 'quality', null, /^the quality of the phone number is rated YELLOW$/],
  [{ quality: 'RED' }, 'warning', 'quality', null, /RED$/],
  [{ quality: 'NA' }, 'healthy', null, null, null],
  [{ usage: 80 }, 'warning', 'rate', null, /^the account has used 80 % of its rate limit$/],
  [{ usage: 79 }, 'healthy', null, null, null],
  [{ expires_at: inDays(1), quality: 'RED', usage: 99 }, 'warning', 'expires', null, /^the token expires at .*Z; the quality of the phone number is rated RED; the account has used 99 % of its rate limit$/],
  [{ dead: 463 }, 'error', '190', 463, /^the token has expired \(/],
  [{ dead: 460 }, 'error', '190', 460, /^the password of its user was changed \(/],
  [{ dead: 467 }, 'error', '190', 467, /^the token was taken back \(/],
  [{ dead: 458 }, 'error', '190', 458, /^the application was removed \(/],
  [{ dead: 1 }, 'error', '190', 1, /^the token is not valid \(/],
  [{ denied: true }, 'error', '200', null, /^the token lacks a permission \(HTTP 403, code 200\)/],
  [{ number: '77' }, 'error', '100', 33, /^there is no such number or account, or not for this token \(HTTP 400, code 100, subcode 33\)/],
  [{ throttled: 2 }, 'unknown', '80007', null, /^Meta: the account's rate limit is reached \(HTTP 400, code 80007\)/],
];

for (const [whose, env] of [['the application\'s', asApp], ['the token\'s own', {}]])
  test(`every outcome, asked in ${whose} name`, async () => {
    const ids = [];
    for (const [i, [{ number, ...facts }]] of ends.entries()) {
      const token = `EAAoutcome${i}x000000000000`, own = String(5000 + i);
      vendor.add({ token, number: own, account: String(9000 + i), ...facts });
      ids.push(await health.add({ token, number: number ?? own, account: String(9000 + i), healthstatus: 'warning' }));
    }
    const reply = await health.run(env);
    for (const [i, [facts, wanted, code, subcode, says]] of ends.entries()) {
      const [now, status, errorcode, errorsubcode, text] = await health.last(ids[i]), what = `${JSON.stringify(facts)}: ${text}`;
      assert.deepEqual([now, status, errorcode, errorsubcode], [wanted === 'unknown' ? 'warning' : wanted, wanted, code, subcode], what);
      if (says) assert.match(text, says, what);
      else assert.equal(text, null, what);
    }
    const count = (wanted) => ends.filter(([, status]) => status === wanted).length;
    assert.deepEqual([reply.checked, reply.healthy, reply.warnings, reply.errors, reply.unknown], [ends.length, count('healthy'), count('warning'), count('error'), count('unknown')]);
    const bearers = new Set((await health.vendor.requests()).filter(({ path }) => path.endsWith('/debug_token')).map(({ headers }) => headers.authorization));
    assert.equal(bearers.size, whose === 'the application\'s' ? 1 : ends.length);
    const wait = (await health.row(ids.at(-1))).wait_s;
    assert.ok(wait > 110 && wait <= 120, `left alone for ${wait} s`);
    for (const [i] of ends.entries()) assert.ok(!health.said.includes(`EAAoutcome${i}x`));
    assert.doesNotMatch(JSON.stringify(await health.db.rows('SELECT errormessage FROM whatsapp_health')), /EAAoutcome\d+x/);
  });
