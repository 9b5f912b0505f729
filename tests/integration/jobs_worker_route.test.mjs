// /api/jobs/worker: health, runs of some queues; and POST /api/jobs?run=1 with the bell behind it.
import assert from 'node:assert/strict';
import { after, beforeEach, test } from 'node:test';
import { Jobs } from '../lib/jobs.mjs';
import { size } from '../lib/sizes.mjs';
import { many, until } from '../lib/wait.mjs';

const jobs = await Jobs.create({ env: { CRONWARD_REGION: 'iad1', CRONWARD_ENV: 'staging' } });
const { db } = jobs;
const pool = await jobs.stand.startPool({ size: 4 });
after(() => jobs.end());
await db.rows(`CREATE FUNCTION nothing(job jsonb) RETURNS jsonb LANGUAGE sql AS $$SELECT '{"done": true}'::jsonb$$`);
await db.rows(`CREATE FUNCTION slowly(job jsonb) RETURNS jsonb LANGUAGE sql AS $$SELECT jsonb_build_object('slept', pg_sleep(1) IS NOT NULL)$$`);
beforeEach(async () => {
  await until(async () => await db.value(`SELECT count(*)::int FROM cron_locks WHERE holder IS NOT NULL`) === 0, { what: 'the lock to be free', timeoutMs: 20_000 });
  await jobs.clear();
  await db.rows('TRUNCATE cron_job_executions, cron_locks');
  await jobs.type('nothing', 'sql', 'nothing');
  await jobs.type('slowly', 'sql', 'slowly');
});

const secret = { authorization: `Bearer ${jobs.token}` };
const ROUTE = '/api/jobs/worker';

async function must(status, method, url, { body, headers = {} } = {}) {
  const answer = await pool.call(method, url, { headers: { ...secret, ...headers }, body: body ? JSON.stringify(body) : '' });
  assert.equal(answer.status, status, `${method} ${url}: ${answer.body}`);
  return answer;
}
const executions = () => db.value(`SELECT count(*)::int FROM cron_job_executions WHERE job_name = 'job-queue'`);
const completed = () => db.value(`SELECT count(*)::int FROM jobs WHERE status = 'completed'`);
const under = (name) => db.value(`SELECT count(*)::int FROM jobs WHERE job_type = $1 AND status = 'processing'`, [name]);

test('POST runs the worker and answers as the seed has it', async () => {
  await jobs.addMany('nothing', 3);
  const { json, headers } = await must(200, 'POST', ROUTE);
  assert.deepEqual(Object.keys(json), ['success', 'processed', 'succeeded', 'failed', 'message', 'run']);
  assert.deepEqual([json.success, json.processed, json.succeeded, json.failed, json.run.worker], [true, 3, 3, 0, 'job-queue']);
  assert.deepEqual([headers['x-cron-worker'], headers['x-cron-outcome'], headers['x-cron-items']], ['job-queue', 'success', '3']);
});

test('GET is health in the shape of the seed, and runs nothing', async () => {
  await jobs.addMany('nothing', 2);
  await jobs.add('nothing', { status: 'failed', waits_until: null, dead_at: '2026-01-01' });
  const { json } = await must(200, 'GET', ROUTE);
  assert.deepEqual(Object.keys(json), ['status', 'worker_exists', 'worker_id', 'timestamp', 'environment', 'queue']);
  assert.deepEqual([json.status, json.worker_exists, json.environment], ['healthy', true, { region: 'iad1', env: 'staging' }]);
  assert.match(json.worker_id, /^job-queue/);
  assert.ok(Math.abs(new Date(json.timestamp) - Date.now()) < 60_000);
  const { oldest_due_age_s: age, ...counts } = json.queue;
  assert.deepEqual(counts, { pending: 2, processing: 0, failed: 1, blocked: 0 });
  assert.ok(age >= 0 && age < 60);
  assert.deepEqual([await executions(), await completed()], [0, 0]);
  assert.equal((await must(200, 'GET', `${ROUTE}/`)).json.status, 'healthy');
});

test('health is degraded when a job that could run waits for more than five minutes', async () => {
  const status = async () => (await must(200, 'GET', ROUTE)).json;
  await jobs.add('nothing', { waits_until: '2999-01-01' });
  await jobs.add('nothing', { waits_until: 'infinity' });
  const old = await jobs.add('nothing', { queue: 'q', priority: 5 });
  const { json: { queue: { oldest_due_age_s: before } } } = await must(200, 'GET', ROUTE);
  assert.ok(before < 60);
  await db.rows(`UPDATE jobs SET waits_until = clock_timestamp() - interval '299 s' WHERE id = $1`, [old]);
  assert.equal((await status()).status, 'healthy');
  await db.rows(`UPDATE jobs SET waits_until = clock_timestamp() - interval '302 s' WHERE id = $1`, [old]);
  const told = await status();
  assert.equal(told.status, 'degraded');
  assert.ok(told.queue.oldest_due_age_s >= 301);
  // One that runs, or whose queue is paused, does not wait for us.
  await db.rows(`UPDATE jobs SET status = 'processing', claim_token = gen_random_uuid(), lease_until = clock_timestamp() + interval '1 minute' WHERE id = $1`, [old]);
  assert.deepEqual([(await status()).status, (await status()).queue.processing], ['healthy', 1]);
  await db.rows(`UPDATE jobs SET lease_until = clock_timestamp() - interval '1 s' WHERE id = $1`, [old]);
  assert.equal((await status()).status, 'degraded');
  await pool.call('POST', '/api/queues/q/pause', { headers: secret });
  assert.equal((await status()).status, 'healthy');
});

test('health is cheap beside many finished jobs', async () => {
  const finished = size(100_000, 1_000_000);
  await db.rows(`INSERT INTO jobs (job_type, status, waits_until) SELECT 'x', 'completed', NULL FROM generate_series(1, ${finished})`);
  await db.rows(`INSERT INTO jobs (job_type, queue, priority, waits_until) SELECT 'x', 'q' || n % 20, n % 5, clock_timestamp() - interval '1 s' FROM generate_series(1, 30000) n`);
  await db.rows('ANALYZE jobs');
  await must(200, 'GET', ROUTE);
  const times = [];
  for (let n = 0; n < 9; n++) times.push((await must(200, 'GET', ROUTE)).ms);
  const median = times.sort((a, b) => a - b)[4];
  console.log(`health beside ${finished} finished and 30000 due: median ${median} ms`);
  assert.ok(median < 100, `${times}`);
  assert.equal((await must(200, 'GET', ROUTE)).json.queue.pending, 5000, 'counts are bounded');
  await db.rows('TRUNCATE jobs');
});

test('GET runs with Vercel\'s header or ?run=1, and says what else it does not understand', async () => {
  for (const [url, headers] of [[ROUTE, { 'x-vercel-cron-schedule': '* * * * *' }], [`${ROUTE}?run=1`, {}]]) {
    await jobs.add('nothing');
    const { json } = await must(200, 'GET', url, { headers });
    assert.deepEqual([json.success, json.processed], [true, 1]);
  }
  assert.equal(await executions(), 2);
  assert.equal((await must(400, 'GET', `${ROUTE}?run=yes`)).json.code, 'bad_request');
  for (const method of ['GET', 'POST']) {
    const answer = await pool.call(method, ROUTE, { headers: { authorization: 'Bearer not-the-secret-at-all' } });
    assert.deepEqual([answer.status, answer.json.code], [401, 'unauthorized']);
  }
});

test('?queue= says which queues a run serves, once or often', async () => {
  const left = async () => (await db.rows(`SELECT queue FROM jobs WHERE status = 'pending' ORDER BY queue`)).map(({ queue }) => queue);
  for (const queue of ['a', 'b', 'c', 'd', 'x,y', 'quote"{}\\']) await jobs.add('nothing', { queue });
  assert.equal((await must(200, 'POST', `${ROUTE}?queue=nobody`)).json.processed, 0);
  assert.equal((await must(200, 'POST', `${ROUTE}?queue=a`)).json.processed, 1);
  assert.equal((await must(200, 'GET', `${ROUTE}?run=1&queue=b,c`)).json.processed, 2);
  assert.equal((await must(200, 'POST', `${ROUTE}?queue=d&queue=${encodeURIComponent('quote"{}\\')}`)).json.processed, 2);
  assert.deepEqual(await left(), ['x,y']);
  for (const bad of ['queue=', 'queue=a,', 'queue=,', 'queue=%00', 'queue=%01', 'queue=%ff', `queue=${'x'.repeat(201)}`, `queue=${Array(101).fill('a')}`])
    assert.equal((await must(400, 'POST', `${ROUTE}?${bad}`)).json.code, 'bad_request', bad);
  assert.equal((await must(200, 'POST', ROUTE)).json.processed, 1);
});

test('with ?run=1 a job begins within milliseconds of being enqueued', async () => {
  const waits = [];
  for (let n = 0; n < 15; n++) {
    const { json } = await must(201, 'POST', '/api/jobs?run=1', { body: { type: 'nothing' } });
    const row = await until(async () => {
      const found = await jobs.job(json.id);
      return found.status === 'completed' && found;
    }, { what: 'the job to be completed', everyMs: 2 });
    waits.push(row.started_at - row.created_at);
    await until(async () => await db.value(`SELECT count(*)::int FROM cron_locks WHERE holder IS NOT NULL`) === 0, { what: 'the run to end', everyMs: 2 });
  }
  const median = waits.sort((a, b) => a - b)[7];
  console.log(`from enqueueing to its beginning: median ${median} ms of ${waits}`);
  assert.ok(median < 150, `${waits}`);
});

test('the reply does not wait for the run', async () => {
  const answer = await must(201, 'POST', '/api/jobs?run=1', { body: { type: 'slowly' } });
  assert.ok(answer.ms < 900, `${answer.ms}`);
  await until(async () => await completed() === 1, { what: 'the job' });
  // Nor does the time that the log tells.
  const line = await until(() => /^.*route=\/api\/jobs method=POST .*behind_ms=[1-9]\d{3}.*$/m.exec(pool.log())?.[0], { what: 'the log line' });
  assert.ok(Number(/ ms=(\d+)/.exec(line)[1]) < 900, line);
});

test('who comes while a run is under way rings, and the job runs behind it, whoever runs', async () => {
  const runs = {
    'a call': () => must(200, 'POST', ROUTE),
    'a call that is not waited for': () => must(202, 'POST', ROUTE, { headers: { prefer: 'respond-async' } }),
    'an enqueueing': () => must(201, 'POST', '/api/jobs?run=1', { body: { type: 'nothing' } }),
    'the command line': () => jobs.run(),
  };
  for (const [who, run] of Object.entries(runs)) {
    await jobs.db.rows('TRUNCATE jobs, cron_job_executions');
    await jobs.add('slowly');
    const running = run();
    await until(async () => await under('slowly') === 1, { what: `${who} to run` });
    const { json } = await must(201, 'POST', '/api/jobs?run=1', { body: { type: 'nothing', queue: 'other' } });
    await running;
    await until(async () => (await jobs.job(json.id)).status === 'completed', { what: `the job behind ${who}` });
    await until(async () => await db.value(`SELECT count(*)::int FROM cron_locks WHERE holder IS NOT NULL OR is_rung`) === 0, { what: 'silence' });
    assert.ok(await executions() <= 2, `${who}: ${await executions()} runs`);
  }
});

test('a bell that nobody hears any more is no harm: the lock of a dead run is taken', async () => {
  await db.rows(`INSERT INTO cron_locks (name, holder, acquired_at, expires_at, is_rung) VALUES ('job-queue', gen_random_uuid(), clock_timestamp() - interval '1 h', clock_timestamp() - interval '1 s', true)`);
  await must(201, 'POST', '/api/jobs?run=1', { body: { type: 'nothing' } });
  await until(async () => await completed() === 1, { what: 'the job' });
});

test('500 enqueueings at once with ?run=1: all are completed, and nobody calls again', async () => {
  const answers = await many(500, 50, () => pool.call('POST', '/api/jobs?run=1', { headers: secret, body: '{"type":"nothing"}' }));
  assert.deepEqual([...new Set(answers.map(({ status }) => status))], [201]);
  await until(async () => await completed() === 500, { what: 'all jobs to be completed', timeoutMs: 30_000, everyMs: 50 });
  await until(async () => await db.value(`SELECT count(*)::int FROM cron_locks WHERE holder IS NOT NULL OR is_rung`) === 0, { what: 'silence', timeoutMs: 20_000 });
  console.log(`500 jobs in ${await executions()} runs`);
});

test('what does not enqueue does not run', async () => {
  await jobs.add('nothing');
  await must(400, 'POST', '/api/jobs?run=1', { body: { type: '' } });
  await must(201, 'POST', '/api/jobs', { body: { type: 'nothing' } });
  assert.deepEqual([await executions(), await completed()], [0, 0]);
});
