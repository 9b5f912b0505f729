// How turns of accounts end that are not done: a vendor that is down or limits all, a wait that is long,
// settings that are missing, tokens that change under a run; and what is counted.  Whole syncs are in
// sync_scenarios.test.mjs.
import assert from 'node:assert/strict';
import { after, beforeEach, test } from 'node:test';
import { Integrations, PROVIDERS } from '../lib/integrations.mjs';
import { until } from '../lib/wait.mjs';

const all = await Integrations.create();
after(() => all.end());
beforeEach(async () => {
  await all.reset();
  await all.db.rows('TRUNCATE cron_job_executions, platform_events CASCADE');
});

const { github } = all.vendors;
const counts = async () => (await all.db.one('SELECT counts, status FROM cron_job_executions ORDER BY started_at DESC LIMIT 1'));
const githubs = (count, more = {}) => all.add(Array.from({ length: count }, () => ({ provider: 'github', repositories: 2, issues: 2, ...more })));
const asked = async () => (await github.requests()).length;

test('what a run has done is counted, users and integrations each once', async () => {
  const user = '00000000-0000-4000-8000-000000000001';
  await all.add(PROVIDERS.map((provider) => ({ provider, user, count: 3, pages: 5, sources: 2, channels: 2, messages: 3, members: 2, events: 5 })));
  await githubs(2, { repositories: 30, issues: 230 });
  const { run, durationMs, ...reply } = await all.run();
  assert.deepEqual(reply, { message: 'Sync completed', usersProcessed: 3, providersSync: 6, successCount: 6, failureCount: 0 });
  assert.equal(durationMs, run.durationMs);
  const items = await all.mustBeEqual();
  const { counts: first, status } = await counts();
  assert.equal(status, 'success');
  assert.deepEqual({ ...first, pages: undefined }, { processed: 6, succeeded: 6, failed: 0, users: 3, integrations: 6, github: 3, notion: 1, slack: 1, google_calendar: 1,
    github_failed: 0, notion_failed: 0, slack_failed: 0, google_calendar_failed: 0, pages: undefined, unchanged: 0, items_changed: items, items_deleted: 0, items_skipped: 0,
    refreshed: 0, refreshes_lost: 0, reauth: 0, limited: 0 });
  await all.makeAllDue();
  await all.run();
  const { counts: second } = await counts();
  assert.deepEqual([second.integrations, second.items_changed, second.unchanged], [6, 0, 3], 'GitHub sends no page of repositories again');
  await all.makeAllDue();
  await all.run();
  assert.equal((await counts()).counts.unchanged, 6, 'nor of issues');
});

test('a vendor that answers nobody is left alone by the rest of the run, and only what was tried has failed', async () => {
  await githubs(60);
  await all.add([{ provider: 'google_calendar', events: 3 }]);
  await github.fault({ fault: '503', count: 1000 });
  const reply = await all.run({ env: { SYNC_MAX_CONCURRENT: '4' } });
  const requests = await asked();
  assert.ok(requests >= 10 && requests < 20, `${requests} requests`);
  assert.equal(reply.successCount, 1);
  assert.ok(reply.failureCount > 0 && reply.failureCount <= requests, `${reply.failureCount} have failed`);
  const rows = await all.db.rows(`SELECT attempts, last_error, extract(epoch FROM waits_until - clock_timestamp())::float AS wait_s FROM user_integrations WHERE provider = 'github'`);
  const tried = rows.filter(({ attempts }) => attempts > 0);
  assert.equal(tried.length, reply.failureCount);
  for (const { last_error: error, attempts, wait_s: wait } of rows) {
    assert.match(error, attempts > 0 ? /^GitHub: (it answers nobody \()?HTTP 503.*; again in \d+ s$/ : /^GitHub: it answers nobody \(HTTP 503.*\); again in \d+ s$/);
    assert.ok(wait > 50 && wait < 70, `${wait} s`);
  }
  await github.clearFaults();
  await all.pass({ passes: true });
  await all.mustBeEqual();
  assert.equal(await all.db.value('SELECT count(*)::int FROM user_integrations WHERE attempts > 0 OR last_error IS NOT NULL'), 0);
});

test('one that is to wait for long is put aside, is no failure, and stops nobody', async () => {
  const [told, untold, free] = await githubs(3);
  await github.fault({ fault: '429', retry_after: 600, account: told });
  await github.fault({ fault: 'secondary-limit-bare', account: untold });
  const reply = await all.run();
  assert.deepEqual([reply.providersSync, reply.failureCount], [3, 0]);
  assert.equal((await counts()).counts.limited, 2);
  const [long, bare, done] = [await all.row(told), await all.row(untold), await all.row(free)];
  assert.match(long.last_error, /^GitHub: HTTP 429.*; again in 1[01] min$/);
  assert.ok(long.wait_s > 590 && long.wait_s < 670, `${long.wait_s}`);
  assert.match(bare.last_error, /^GitHub: HTTP 403.*; again in \d+ s$/);
  assert.ok(bare.wait_s > 55 && bare.wait_s < 70, `${bare.wait_s}`);
  assert.deepEqual([long.status, bare.status, done.last_error], ['active', 'active', null]);
  // Who is not told how long waits longer each time.
  await github.fault({ fault: 'secondary-limit-bare', account: untold });
  await all.db.rows('UPDATE user_integrations SET waits_until = clock_timestamp() WHERE id = $1', [untold]);
  await all.run();
  assert.ok((await all.row(untold)).wait_s > 110);
});

test('what is refused fails, waits longer each time, and succeeds when it is not any more', async () => {
  const [id] = await githubs(1);
  for (const wait of [60, 120, 240]) {
    await github.fault({ fault: '422' });
    const reply = await all.run();
    assert.deepEqual([reply.successCount, reply.failureCount], [0, 1]);
    const row = await all.row(id);
    assert.match(row.last_error, /^GitHub: HTTP 422: .*; again in \d+ (s|min)$/);
    assert.ok(row.wait_s > wait - 5 && row.wait_s < wait * 1.1 + 1, `${row.wait_s} s, not ${wait}`);
    await all.makeAllDue();
  }
  assert.equal((await counts()).status, 'failure');
  await all.run();
  const { attempts, last_error: error } = await all.row(id);
  assert.deepEqual([attempts, error], [0, null]);
});

test('refreshes that a vendor refuses, in words that nobody knows, close it for nobody else', async () => {
  await githubs(12, { expiresInS: 1 });
  const [id] = await githubs(1);
  await github.fault({ fault: '404', match: 'access_token', count: 1000 });
  const reply = await all.run({ env: { SYNC_MAX_CONCURRENT: '4' } });
  assert.deepEqual([reply.successCount, reply.failureCount], [1, 12]);
  assert.equal((await all.row(id)).last_error, null);
  assert.equal(await all.db.value(`SELECT count(*)::int FROM user_integrations WHERE last_error LIKE 'GitHub: its access token could not be refreshed: HTTP 404%'`), 12);
});

test('a refresh that surely used up nothing is none that was lost: what is refused after it is told as that', async () => {
  for (const [fault, env, isLost] of [[{ fault: 500 }, {}, false], [null, { GITHUB_OAUTH_BASE_URL: 'http://127.0.0.2:1' }, false], [{ fault: 'html' }, {}, true], [{ fault: 'reset' }, {}, true]]) {
    await all.reset();
    const [id] = await githubs(1, { expiresInS: 1 });
    if (fault) await github.fault({ ...fault, match: 'access_token', count: 9 });
    await all.run({ budget: 1, env });
    const { last_error: failed, refresh_began_at: began } = await all.row(id);
    assert.match(failed, isLost ? /^GitHub: its access token could not be refreshed, and its refresh token may be used up: / : /^GitHub: its access token could not be refreshed: /);
    assert.equal(began !== null, isLost, failed);
    await github.clearFaults();
    await github.act({ action: 'revoke', account: id });
    await all.makeAllDue();
    await all.run();
    const { status, last_error: error } = await all.row(id);
    assert.equal(status, 'needs_reauth');
    assert.match(error, isLost ? /^GitHub: the answer to a refresh was lost, / : /^GitHub: its refresh token is not accepted /);
    assert.deepEqual((await all.events()).map(({ payload }) => payload.error), [error]);
    assert.equal((await counts()).counts.refreshes_lost, isLost ? 1 : 0);
  }
});

test('a token that has expired, and no settings to refresh it with: it waits for them, and says which', async () => {
  const [id] = await githubs(1);
  await github.act({ action: 'expire' });
  const unset = { GITHUB_CLIENT_ID: '', GITHUB_CLIENT_SECRET: '' };
  await all.run({ env: unset });
  const { status, last_error: error } = await all.row(id);
  assert.deepEqual([status, error], ['active', 'GitHub: its access token has expired, and GITHUB_CLIENT_ID and GITHUB_CLIENT_SECRET are not set']);
  await all.makeAllDue();
  await all.run({ env: { GITHUB_CLIENT_SECRET: 'x'.repeat(40) } });
  const wrong = await all.row(id);
  assert.equal(wrong.status, 'active');
  assert.match(wrong.last_error, /^GitHub: its access token has expired, and GITHUB_CLIENT_ID and GITHUB_CLIENT_SECRET are not accepted: .*incorrect_client_credentials/);
  assert.equal(wrong.refresh_began_at, null, 'nothing was used up');
  assert.deepEqual(await all.events(), []);
  await all.makeAllDue();
  await github.fault({ fault: 500, match: 'access_token', count: 9 });
  await all.run();
  assert.match((await all.row(id)).last_error, /^GitHub: its access token could not be refreshed: HTTP 500/);
  await github.clearFaults();
  await all.makeAllDue();
  await all.run();
  await all.mustBeEqual();
  assert.equal((await counts()).counts.refreshed, 1);
});

test('new tokens while it is read with the old ones: what was under way is not written, and it begins anew', async () => {
  const [id] = await githubs(1, { repositories: 3 });
  await github.fault({ fault: 'slow', ms: 700, match: 'issues' });
  const running = all.run();
  await until(() => all.db.value('SELECT count(*)::int FROM integration_items'), { what: 'the repositories' });
  await all.db.rows(`UPDATE user_integrations SET status = 'disconnected' WHERE id = $1`, [id]);
  await running;
  const { status, lease_until: lease, waits_until: waits } = await all.row(id);
  assert.deepEqual([status, lease, waits], ['disconnected', null, null]);
  assert.equal(await all.db.value('SELECT count(*)::int FROM integration_items'), 3, 'no issue');
  assert.equal((await counts()).counts.processed, 0);
  await all.db.rows(`UPDATE user_integrations SET status = 'active' WHERE id = $1`, [id]);
  await all.run();
  await all.mustBeEqual();
});

test('tokens that do not open wait for their key', async () => {
  const [id] = await githubs(1, { isSealed: true });
  const other = { ENCRYPTION_KEYS: `k2:${Buffer.alloc(32, 7).toString('base64')}` };
  await all.run({ env: other });
  const { status, last_error: error } = await all.row(id);
  assert.equal(status, 'active');
  assert.match(error, /^GitHub: .*k1/);
  assert.equal(await asked(), 0);
  await all.makeAllDue();
  await all.run();
  await all.mustBeEqual();
});

test('without a key nothing is begun: new tokens could not be stored', async () => {
  await githubs(1);
  const { error } = await all.run({ env: { ENCRYPTION_KEYS: '' }, mayFail: true });
  assert.match(error, /there is no key to seal tokens with: set ENCRYPTION_KEYS_FILE or ENCRYPTION_KEYS/);
  assert.equal(await asked(), 0);
});

test('after fifty pages it is the turn of others, and then it goes on', async () => {
  const [id] = await all.add([{ provider: 'github', repositories: 0, issues: 5300 }]);
  await all.run();
  assert.equal(await all.mustBeEqual(), 5300);
  const { counts: done } = await counts();
  assert.deepEqual([done.integrations, done.processed], [1, 1]);
  assert.equal((await all.row(id)).lost, 0);
});

test('accounts with vendors that we do not know are left alone', async () => {
  await githubs(1);
  await all.db.rows('ALTER TABLE user_integrations DROP CONSTRAINT user_integrations_provider_check');
  await all.db.rows(`INSERT INTO user_integrations (user_id, provider, access_token) VALUES (gen_random_uuid(), 'linear', 'a token of theirs')`);
  assert.equal((await all.run()).providersSync, 1);
  const { attempts, last_error: error, claim_token: claim } = await all.db.one(`SELECT * FROM user_integrations WHERE provider = 'linear'`);
  assert.deepEqual([attempts, error, claim], [0, null, null]);
});
