// Syncs of many users' accounts with four vendors that are as they should be, and as they are.  The
// same at full size is tests/fault/sync_whole.test.mjs; against servers that others wrote,
// sync_referee.test.mjs.
import assert from 'node:assert/strict';
import { after, beforeEach, test } from 'node:test';
import { Integrations, PROVIDERS } from '../lib/integrations.mjs';
import { endures, isFair, MISCHANCES, syncsAll } from '../lib/sync.mjs';

const all = await Integrations.create();
after(() => all.end());
beforeEach(() => all.reset());

const few = { github: { repositories: 250, issues: 120 }, notion: { pages: 110, sources: 3 }, slack: { channels: 2, messages: 250, members: 30 }, google_calendar: { events: 800 } };
const oneOfEach = (more = {}) => all.add(PROVIDERS.map((provider) => ({ provider, ...few[provider], ...more })));
const byProvider = async () => Object.fromEntries((await all.db.rows('SELECT *, extract(epoch FROM waits_until - clock_timestamp())::float AS wait_s FROM user_integrations')).map((row) => [row.provider, row]));

test('all from nothing in short runs, then nothing new, then changes, then what only reading all finds', (t) => syncsAll(t, all, { users: 6, most: 300, budget: 1, slowMs: 80 }));

test('one account of 4,000 things keeps nobody waiting', () => isFair(all, { small: 24, huge: 4000 }));

test('whatever happens to four requests of a hundred: it ends complete', async (t) => {
  for (let n = 0; n < 3; n++) await oneOfEach({ issues: 2000 });
  await endures(t, all, { what: 'a storm', faults: MISCHANCES });
});

test('tokens that have expired are refreshed once, stored sealed, and used', async () => {
  const ids = await oneOfEach();
  // Two know when, two learn it.
  await all.db.rows(`UPDATE user_integrations SET token_expires_at = CASE WHEN provider IN ('github', 'google_calendar') THEN now() - interval '1 min' END`);
  for (const [n, { provider }] of all.rows.entries()) await all.vendor(provider).act({ action: 'expire', account: ids[n] });
  const reply = await all.run();
  await all.mustBeEqual();
  await all.mustBeFair();
  for (const { id, provider } of all.rows) {
    const { refreshes, lateRefreshes, refused } = await all.vendor(provider).counts(id);
    const isKnown = ['github', 'google_calendar'].includes(provider);
    assert.deepEqual([provider, refreshes, lateRefreshes, refused], [provider, 1, 0, isKnown ? 0 : 1]);
    const row = await all.row(id);
    assert.deepEqual([row.status, row.last_error, row.refresh_began_at], ['active', null, null]);
    assert.match(row.access_token, /^cw1\.k1\./);
    assert.match(row.refresh_token, /^cw1\.k1\./);
    if (provider !== 'notion') assert.ok(row.token_expires_at > new Date(Date.now() + 3_000_000), `${provider}: ${row.token_expires_at}`);
  }
  assert.deepEqual([reply.successCount, reply.failureCount], [4, 0]);
  assert.deepEqual(await all.events(), []);
});

test('tokens that were revoked: the user has to connect again, said once, and then it goes on', async () => {
  const ids = await oneOfEach();
  for (const [n, { provider }] of all.rows.entries()) await all.vendor(provider).act({ action: 'revoke', account: ids[n] });
  await all.run();
  for (const row of Object.values(await byProvider())) {
    assert.deepEqual([row.status, row.waits_until, row.refresh_began_at], ['needs_reauth', null, null], row.provider);
    assert.match(row.last_error, /^[A-Z][a-z A-Z]+: its (access|refresh) token is not accepted.* \(HTTP \d+.*\); it has to be connected again$/, row.provider);
  }
  const counts = await all.mustBeFair();
  assert.equal((await all.events()).length, 4);
  await all.run();
  assert.equal((await all.events()).length, 4, 'once');
  assert.deepEqual(await all.counts(), counts, 'and nobody is asked any more');
  for (const { id, provider } of all.rows) {
    const { access_token: access, refresh_token: refresh } = await all.vendor(provider).add(id, few[provider]);
    await all.db.rows('UPDATE user_integrations SET access_token = $2, refresh_token = $3 WHERE id = $1', [id, access, refresh]);
  }
  await all.run();
  await all.mustBeEqual();
  for (const row of Object.values(await byProvider())) assert.deepEqual([row.status, row.last_error], ['active', null], row.provider);
});

test('a refresh whose answer is lost: who burns tokens is asked once more and given up, Google goes on', async () => {
  const ids = await oneOfEach();
  for (const [n, { provider }] of all.rows.entries()) {
    const vendor = all.vendor(provider);
    await vendor.act({ action: 'expire', account: ids[n] });
    await vendor.fault({ fault: 'reset', accepted: true, match: { github: 'login', notion: 'oauth', slack: 'oauth', google_calendar: 'token' }[provider] });
  }
  await all.pass({ passes: true });
  const rows = await byProvider();
  assert.equal(rows.google_calendar.status, 'active');
  for (const provider of ['github', 'notion', 'slack']) {
    assert.equal(rows[provider].status, 'needs_reauth', provider);
    assert.match(rows[provider].last_error, /refresh was lost/);
  }
  await all.mustBeEqual(all.rows.filter(({ provider }) => provider === 'google_calendar'));
  await all.mustBeFair();
  assert.equal((await all.events()).length, 3);
  assert.equal(await all.db.value(`SELECT sum((counts->>'refreshes_lost')::int)::int FROM cron_job_executions`), 3);
});

test('limits of an account are kept to, and stop nobody else', async () => {
  await oneOfEach({ events: 1100 });
  const free = await oneOfEach();
  for (const { id, provider } of all.rows) await all.vendor(provider).setLimit(id, free.includes(id) ? null : { requests: 4, window_s: 1 });
  const replies = await all.pass({ passes: true });
  const { limited } = await all.mustBeFair();
  await all.mustBeEqual();
  assert.ok(limited >= 3, `${limited} were told to wait`);
  assert.equal(replies.at(-1).failureCount, 0);
});

test('sync tokens that are not known any more: all is read again, and what went meanwhile is gone', async () => {
  const [id] = await all.add([{ provider: 'google_calendar', events: 600 }]);
  await all.pass();
  const google = all.vendor('google_calendar');
  for (const index of [3, 599]) await google.act({ action: 'remove', account: id, index });
  await google.act({ action: 'expire-sync-tokens', account: id });
  await all.forget();
  const before = await all.db.value(`SELECT xmin::text FROM integration_items WHERE external_id = 'event000007'`);
  await all.pass();
  assert.equal(await all.mustBeEqual(), 598);
  assert.equal((await all.mustBeFair()).requests, 4, '410, then three pages');
  assert.equal(await all.db.value(`SELECT xmin::text FROM integration_items WHERE external_id = 'event000007'`), before, 'what is the same stays');
  assert.equal((await all.row(id)).last_error, null);
});

test('a page that is too long is asked for in smaller ones', async () => {
  await all.add([{ provider: 'google_calendar', events: 300, pad: 20_000 }]);
  await all.pass();
  assert.equal(await all.mustBeEqual(), 300);
  assert.ok((await all.mustBeFair()).requests <= 5);
});

test('what has no id, or comes twice, is passed over and harms no other; what PostgreSQL cannot hold is replaced; a page that cannot be kept is said', async () => {
  const twice = '{"id":"event000001","status":"confirmed","a":1}';
  const [odd] = await all.add([{ provider: 'google_calendar', events: 5, odd: ['1', 'null', '[]', '"event000001"', '{}', '{"id":null}', '{"id":{}}', '{"id":""}', `{"id":"${'x'.repeat(5000)}"}`] }]);
  const [doubled] = await all.add([{ provider: 'google_calendar', events: 5, odd: [twice, twice] }]);
  const [never] = await all.add([{ provider: 'google_calendar', events: 5, odd: ['{"id":"event","n":1e2000}'] }]);
  const [typed] = await all.add([{ provider: 'google_calendar', events: 5, odd: ['{"id":"odd","status":"confirmed","summary":"a\\u0000b \\ud83d \\ud83d\\ude00"}'] }]);
  await oneOfEach({ pages: 3 });
  // So short that a page that fails is not asked for again in this run.
  await all.run({ budget: 1 });
  await all.mustBeEqual(all.rows.slice(4));
  assert.deepEqual([(await all.row(odd)).last_error, (await all.row(doubled)).last_error], [null, null]);
  assert.deepEqual((await all.db.rows('SELECT external_id FROM integration_items WHERE integration_id = $1 ORDER BY 1', [odd])).slice(0, 5).map((row) => row.external_id),
    [0, 1, 2, 3, 4].map((n) => `event00000${n}`));
  assert.equal(await all.db.value('SELECT count(*)::int FROM integration_items WHERE integration_id = $1', [doubled]), 5);
  assert.equal(await all.db.value(`SELECT data ->> 'summary' FROM integration_items WHERE integration_id = $1 AND external_id = 'odd'`, [typed]), 'a\ufffdb \ufffd \ud83d\ude00');
  const { status, last_error: error, attempts } = await all.row(never);
  assert.equal(status, 'active');
  assert.ok(error && attempts === 1, error);
});

test('an interval is of its vendors alone; notifications are not asked for more often than GitHub wants', async () => {
  await oneOfEach();
  const [classic] = await all.add([{ provider: 'github', repositories: 3, issues: 3, notifications: 120, classic: true }]);
  const reply = await all.run({ args: ['--interval', '15min'] });
  assert.deepEqual([reply.usersProcessed, reply.providersSync, reply.successCount, reply.failureCount], [2, 2, 2, 0]);
  assert.deepEqual(await Promise.all(['notion', 'slack', 'google'].map(async (name) => (await all.vendors[name].counts()).requests)), [0, 0, 0]);
  await all.run({ args: ['--interval', '30min'] });
  await all.mustBeEqual();
  await all.pass();
  const asked = (await all.vendors.github.requests()).filter(({ path, of }) => path === '/notifications' && of === classic);
  assert.deepEqual(asked.map(({ early_ms: early }) => early), [0, 0, 0], 'three pages, once');
  await all.mustBeFair();
});
