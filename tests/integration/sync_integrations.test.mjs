// sync-integrations: its route, and what it does.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, beforeEach, test } from 'node:test';
import { holdLock } from '../lib/callers.mjs';
import { Integrations } from '../lib/integrations.mjs';
import { Stand } from '../lib/stand.mjs';
import { until } from '../lib/wait.mjs';

const JOB = 'sync-integrations';
const ROUTE = '/api/cron/sync-integrations';
const stand = await Stand.create({ env: { ENCRYPTION_KEYS: `k1:${randomBytes(32).toString('base64')}` } });
const { db } = stand;
after(() => stand.end());
const all = await Integrations.create();
after(() => all.end());
const pool = await stand.startPool({ size: 1 });
beforeEach(() => db.rows('TRUNCATE cron_job_executions, cron_locks'));

const call = async (method, query = '', headers = { authorization: `Bearer ${stand.cronSecret}` }) => {
  const answer = await pool.call(method, ROUTE + query, { headers });
  return { status: answer.status, ...JSON.parse(answer.body) };
};
const runs = () => db.value('SELECT count(*)::int FROM cron_job_executions WHERE job_name = $1', [JOB]);
const NOTHING = { message: 'Sync completed', usersProcessed: 0, providersSync: 0, successCount: 0, failureCount: 0 };

test('POST and GET run it, of one interval or of all, with the keys of the seed', async () => {
  for (const [n, query] of ['', '?interval=15min', '?interval=30min', '?interval=30min&busy=200'].entries()) {
    const { status, durationMs, run, ...reply } = await call(n % 2 ? 'GET' : 'POST', query);
    assert.deepEqual([status, reply, run.worker], [200, NOTHING, JOB], query);
    assert.deepEqual([typeof durationMs, durationMs], ['number', run.durationMs]);
  }
  assert.equal(await runs(), 4);
});

test('an interval that is none is refused with what is allowed', async () => {
  for (const query of ['interval=', 'interval=15', 'interval=60min', 'interval=15MIN', 'interval=15min,30min', 'interval=%7Bgithub%7D']) {
    const { status, code, error } = await call('POST', `?${query}`);
    assert.deepEqual([status, code, error], [400, 'bad_request', 'The parameter interval may only be 15min or 30min, or be left out'], query);
  }
  assert.equal((await call('POST', '?interval=15min&interval=30min')).code, 'bad_request');
  assert.equal(await runs(), 0);
});

test('the command line takes the same intervals, and only for it', async () => {
  const done = await stand.cli(['run', JOB, '--interval', '15min']);
  assert.equal(JSON.parse(done.stdout).message, 'Sync completed', done.stderr);
  for (const [args, says] of [
    [[JOB, '--interval', '20min'], /The parameter interval may only be 15min or 30min/],
    [['webhook-retry', '--interval', '15min'], /--interval is for sync-integrations, webhook-retry has no intervals/],
    [[JOB, '--queue', 'github'], /--queue is for job-queue, sync-integrations has no queues/]]) {
    const wrong = await stand.cli(['run', ...args]);
    assert.equal(wrong.code, 2, args.join(' '));
    assert.match(wrong.stderr, says);
  }
});

test('a run under way is told, or skipped with zeros', async () => {
  const free = await holdLock((...query) => db.rows(...query), JOB);
  const { status, code } = await call('POST');
  assert.deepEqual([status, code], [429, 'busy']);
  const skipped = await call('GET', '?busy=200');
  assert.deepEqual([skipped.status, skipped.skipped, skipped.run, skipped.durationMs], [200, true, null, 0]);
  for (const name of Object.keys(NOTHING)) assert.equal(skipped[name], NOTHING[name], name);
  // The only process takes another call when it has rung.
  await call('POST', '?interval=none');
  await free();
  assert.equal(await runs(), 0);
});

test('without the secret it does nothing', async () => {
  for (const [query, headers] of [['', {}], [`?secret=${stand.cronSecret}`, {}], ['?interval=15min', { authorization: `Bearer ${stand.key}` }]])
    for (const method of ['POST', 'GET']) assert.deepEqual(await call(method, query, headers).then(({ status, code }) => [status, code]), [401, 'unauthorized'], query);
  assert.equal(await runs(), 0);
});

test('a call of one interval that meets a run of the other is followed by a run of all', async (t) => {
  const free = await holdLock((...query) => db.rows(...query), JOB);
  assert.equal((await call('POST', '?interval=30min&busy=200')).skipped, true);
  await until(() => db.value('SELECT is_rung FROM cron_locks WHERE name = $1', [JOB]), { what: 'the bell' });
  await db.rows('UPDATE cron_locks SET is_rung = false');
  // Nobody is there to hear it any more when the second call rings: it begins the run by itself.  The
  // trigger lets it ring only when the lock is free.
  await db.rows(`CREATE FUNCTION wait_to_ring() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_advisory_xact_lock(1); RETURN NULL; END';
    CREATE TRIGGER wait_to_ring BEFORE UPDATE OF is_rung ON cron_locks EXECUTE FUNCTION wait_to_ring()`);
  t.after(() => db.rows('DROP FUNCTION wait_to_ring CASCADE'));
  await db.session(async (query) => {
    await query('SELECT pg_advisory_lock(1)');
    assert.equal((await call('POST', '?interval=15min')).status, 429);
    await until(() => db.value(`SELECT count(*)::int FROM pg_locks WHERE locktype = 'advisory' AND NOT granted`), { what: 'the ring' });
    await free();
    assert.equal(await runs(), 0);
  });
  await until(async () => await runs() === 1, { what: 'a run' });
});

const isSynced = (id) => all.db.value('SELECT last_synced_at IS NOT NULL FROM user_integrations WHERE id = $1', [id]);

// GitHub's account, which takes a while, and Notion's.
async function twoAccounts(ms) {
  await all.reset();
  const ids = await all.add([{ provider: 'github', repositories: 3, issues: 3 }, { provider: 'notion', pages: 3 }]);
  await all.vendors.github.fault({ fault: 'slow', ms });
  return ids;
}
const untilAsked = (id) => until(() => all.db.value('SELECT lease_until IS NOT NULL FROM user_integrations WHERE id = $1', [id]), { what: 'the first run', everyMs: 10 });

test('an account of the other interval is synced behind the reply of the run that was in the way, whoever rang', async () => {
  const both = await all.stand.startPool({ size: 2 });
  const ring = (query) => both.call('POST', `${ROUTE}?busy=200${query}`, { headers: { authorization: `Bearer ${all.stand.cronSecret}` } });
  for (const second of ['&interval=30min', '']) {
    const [github, notion] = await twoAccounts(1000);
    const first = ring('&interval=15min');
    await untilAsked(github);
    assert.equal(JSON.parse((await ring(second)).body).skipped, true);
    const { usersProcessed, providersSync, successCount } = JSON.parse((await first).body);
    assert.deepEqual([usersProcessed, providersSync, successCount], [1, 1, 1], 'GitHub alone');
    await until(() => isSynced(notion), { what: `Notion, for "${second}"` });
    assert.equal(await all.db.value(`SELECT count(*)::int FROM integration_items WHERE kind = 'page' AND integration_id = $1`, [notion]), 3);
    await until(() => all.db.value('SELECT holder IS NULL FROM cron_locks WHERE name = $1', [JOB]), { what: 'its end' });
  }
});

test('what was rung while all were synced asks for nothing more; a run of one interval does not take it for heard', async () => {
  for (const [args, wanted] of [[[], 1], [['--interval', '15min'], 2]]) {
    const [github] = await twoAccounts(300);
    // Word that a dead run has left.
    await all.db.rows('UPDATE cron_locks SET is_rung = true WHERE name = $1', [JOB]);
    const run = all.run({ args });
    if (wanted === 1) {
      await untilAsked(github);
      await all.db.rows('UPDATE cron_locks SET is_rung = true WHERE name = $1', [JOB]);
    }
    await run;
    assert.equal(await all.db.value('SELECT count(*)::int FROM cron_job_executions WHERE job_name = $1', [JOB]), wanted, args.join(' '));
  }
});
