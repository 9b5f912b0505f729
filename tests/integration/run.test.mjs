// Runs: one at a time, all of them beside each other, behind their reply, and after a dead one.
import assert from 'node:assert/strict';
import { after, beforeEach, test } from 'node:test';
import { memoryKb } from '../lib/process.mjs';
import { ROUTE, Stand } from '../lib/stand.mjs';
import { many, until } from '../lib/wait.mjs';

const stand = await Stand.create();
// The default size: workers, and four more.
const pool = await stand.startPool({ size: Object.keys(ROUTE).length + 4 });
after(() => stand.end());
beforeEach(async () => {
  await stand.db.rows('DELETE FROM app_webhooks');
  await stand.db.rows('DELETE FROM cron_job_executions');
  stand.receiver.forget();
});

const executions = () => stand.db.rows('SELECT * FROM cron_job_executions ORDER BY started_at');

// A run of webhook-retry that lasts about `ms`; resolves when it holds the lock.
async function longRun(ms, options) {
  await stand.endpoint(`/slow/${ms}`);
  await stand.enqueue(1);
  const answer = stand.call('webhook-retry', options);
  await until(() => stand.receiver.requests.length > 0, { what: 'the run to send' });
  return answer;
}

test('20 calls at the same moment: one runs, 19 are busy at once', async () => {
  await stand.endpoint('/slow/1500');
  await stand.enqueue(1);
  const answers = await many(20, 20, () => stand.call('webhook-retry'));
  const ran = answers.filter((answer) => answer.status === 200);
  const busy = answers.filter((answer) => answer.status === 429);
  assert.deepEqual([ran.length, busy.length], [1, 19]);
  for (const answer of busy) {
    assert.equal(answer.json.code, 'busy');
    assert.equal(answer.json.error, 'Job already running, skipping');
    assert.ok(Number(answer.headers['retry-after']) > 0);
    assert.match(answer.json.startedAt, /^\d{4}-\d\d-\d\dT/);
    assert.equal(answer.headers['x-cron-outcome'], 'busy');
    assert.ok(answer.ms < 1000, `busy took ${answer.ms} ms`);
  }
  assert.equal(stand.receiver.requests.length, 1);
  assert.equal((await executions()).length, 1, 'busy calls are no executions');
});

test('?busy=200 makes a busy call 200 with zeros and "skipped"', async () => {
  const first = longRun(1000);
  await until(() => stand.receiver.requests.length > 0);
  const answers = await many(5, 5, () => stand.call('webhook-retry', { query: '?busy=200' }));
  for (const answer of answers) {
    assert.equal(answer.status, 200);
    assert.deepEqual([answer.json.retried, answer.json.succeeded, answer.json.failed, answer.json.skipped], [0, 0, 0, true]);
    assert.deepEqual(Object.keys(answer.json).slice(0, 4), ['retried', 'succeeded', 'failed', 'message']);
    assert.equal(answer.headers['x-cron-outcome'], 'busy');
  }
  assert.equal((await first).json.skipped, undefined);
});

test('all workers rung at once on the default pool: none waits for another', async () => {
  await stand.endpoint('/slow/2000');
  await stand.enqueue(1);
  const answers = await Promise.all(Object.keys(ROUTE).map((worker) => stand.call(worker)));
  assert.deepEqual(answers.map((answer) => answer.status), [200, 200, 200]);
  assert.ok(answers[0].ms >= 2000);
  for (const answer of answers.slice(1)) assert.ok(answer.ms < 1000, `${answer.ms} ms beside the long one`);
});

test("a dead run's lock is taken over when it expires, and its execution says abandoned", async () => {
  const { id } = await stand.db.one(
    `INSERT INTO cron_job_executions (id, job_name) VALUES (gen_random_uuid(), 'webhook-retry') RETURNING id`);
  await stand.db.rows(
    `INSERT INTO cron_locks (name, holder, acquired_at, expires_at) VALUES ('webhook-retry', $1, clock_timestamp(), clock_timestamp() + interval '2 s')
     ON CONFLICT (name) DO UPDATE SET holder = $1, acquired_at = clock_timestamp(), expires_at = EXCLUDED.expires_at`, [id]);
  assert.equal((await stand.call('webhook-retry')).status, 429);
  const answer = await until(async () => {
    const one = await stand.call('webhook-retry');
    return one.status === 200 && one;
  }, { what: 'the lock to expire', timeoutMs: 5000, everyMs: 100 });
  const dead = await stand.execution(id);
  assert.equal(dead.status, 'abandoned');
  assert.ok(dead.completed_at && dead.error_message);
  assert.equal((await stand.execution(answer.json.run.id)).status, 'success');
});

test('the fence grows with each run, and the lock is free afterwards', async () => {
  const fence = () => stand.db.one(`SELECT fence, holder FROM cron_locks WHERE name = 'notification-expiry'`);
  await stand.call('notification-expiry');
  const first = await fence();
  await stand.call('notification-expiry');
  const second = await fence();
  assert.ok(second.fence > first.fence);
  assert.equal(second.holder, null);
});

test('a long run renews its lock', async () => {
  const running = longRun(6500, { timeoutMs: 30_000 });
  await until(() => stand.receiver.requests.length > 0);
  const before = await stand.db.value(`SELECT expires_at FROM cron_locks WHERE name = 'webhook-retry'`);
  await until(async () => await stand.db.value(`SELECT expires_at FROM cron_locks WHERE name = 'webhook-retry'`) > before,
    { what: 'a renewal', timeoutMs: 6000 });
  assert.equal((await running).status, 200);
});

test('respond-async: 202 at once, the run goes on, its execution can be polled', async () => {
  await stand.endpoint('/slow/1200');
  await stand.enqueue(1);
  const answer = await stand.call('webhook-retry', { headers: { prefer: 'respond-async' } });
  assert.equal(answer.status, 202, answer.body);
  assert.ok(answer.ms < 1000, `the reply took ${answer.ms} ms`);
  assert.match(answer.headers.location, /^\/api\/cron\/executions\/[0-9a-f-]{36}$/);
  assert.equal(answer.headers['preference-applied'], 'respond-async');
  const poll = () => pool.call('GET', answer.headers.location, { headers: { authorization: `Bearer ${stand.key}` } });
  assert.equal((await poll()).json.status, 'running');
  assert.equal((await stand.call('webhook-retry')).status, 429, 'it holds its lock');
  const done = await until(async () => {
    const one = await poll();
    return one.json.status !== 'running' && one;
  }, { what: 'the run to end' });
  assert.deepEqual([done.json.status, done.json.counts.succeeded], ['success', 1]);
});

test('other preferences are nobody\'s business', async () => {
  for (const prefer of ['wait=10', 'respond-asyncx', 'x=respond-async', '"respond-async"', ''])
    assert.equal((await stand.call('notification-expiry', { headers: { prefer } })).status, 200, prefer);
  for (const prefer of ['respond-async', 'Respond-Async, wait=5', 'wait=5,respond-async', 'respond-async; x=1']) {
    const answer = await stand.call('notification-expiry', { headers: { prefer } });
    assert.equal(answer.status, 202, prefer);
    await until(async () => (await stand.execution(answer.json.run.id)).status === 'success');
  }
});

test('the execution row is there before the work, and tells who called', async () => {
  const running = longRun(800, { headers: { 'user-agent': 'cron-job.org' } });
  await until(() => stand.receiver.requests.length > 0);
  const [row] = await executions();
  assert.deepEqual([row.status, row.completed_at], ['running', null]);
  assert.match(row.caller, /127\.0\.0\.1 cron-job\.org/);
  await running;
});

test('what a call waited in the queue comes off its budget', async (t) => {
  const short = await Stand.create({ env: { RUN_BUDGET_S: '4', WEBHOOK_TIMEOUT_S: '1' } });
  t.after(() => short.end());
  await short.startPool({ size: 1 });
  await short.endpoint('/slow/300');
  await short.enqueue(400);
  const answer = await short.call('webhook-retry', { params: { REQUEST_MSEC: (Date.now() / 1000 - 3).toFixed(3) } });
  assert.equal(answer.status, 200);
  assert.ok(answer.ms < 2600, `took ${answer.ms} ms though 3 of 4 s had gone`);
  assert.equal(answer.json.run.more, true);
});

test('a process that has served a set number of calls is replaced, and loses none', async (t) => {
  const short = await Stand.create({ env: { PROCESS_REQUESTS_MAX: '5' } });
  t.after(() => short.end());
  await short.startPool({ size: 2 });
  const before = short.pool.processes();
  const answers = await many(200, 8, () => short.pool.call('GET', '/healthz'));
  assert.deepEqual([...new Set(answers.map((answer) => answer.status))], [200]);
  await short.pool.whenFull();
  assert.ok(short.pool.processes().every((pid) => !before.includes(pid)));
});

test('a process that is idle costs little', async () => {
  for (const pid of pool.processes()) assert.ok(memoryKb(pid) < 12 * 1024, `${memoryKb(pid)} kB`);
});

test('callers that hang up early lose nothing', async () => {
  await stand.endpoint('/ok/gone');
  const ids = await stand.enqueue(50);
  await many(10, 10, () => stand.call('webhook-retry', { timeoutMs: 20 }));
  await until(async () => (await stand.db.value(`SELECT count(*)::int FROM webhook_deliveries WHERE id = ANY($1) AND status = 'delivered'`, [ids])) === 50,
    { what: 'the deliveries' });
  await until(async () => (await executions()).every((row) => row.status === 'success'), { what: 'the runs to end' });
  assert.equal((await stand.call('webhook-retry')).status, 200);
});
