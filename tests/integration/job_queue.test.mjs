// job-queue: how jobs live, whatever carries them out.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, beforeEach, test } from 'node:test';
import { Jobs } from '../lib/jobs.mjs';
import { until } from '../lib/wait.mjs';

const jobs = await Jobs.create();
after(() => jobs.end());
beforeEach(() => jobs.clear());

const within = (value, least, most, what) => assert.ok(value >= least && value <= most, `${what}: ${value}, not ${least} to ${most}`);

test('a job whose type nobody knows fails clearly, and uses up no try', async () => {
  const id = await jobs.add('nobody_knows_it');
  const reply = await jobs.run();
  assert.deepEqual([reply.success, reply.processed, reply.succeeded, reply.failed], [true, 1, 0, 1]);
  const job = await jobs.job(id);
  assert.deepEqual([job.status, job.attempts, job.waits_until], ['failed', 0, null]);
  assert.match(job.error_message, /no job type "nobody_knows_it": insert it into job_types/);
  const logs = await jobs.logs(id);
  assert.deepEqual(logs.map(({ level }) => level), ['error']);
});

test('nothing due is a success, and what comes later stays', async () => {
  const id = await jobs.add('later', { waits_until: '2999-01-01' });
  const reply = await jobs.run();
  assert.deepEqual([reply.processed, reply.message, reply.run.more], [0, '0 jobs processed', false]);
  assert.equal((await jobs.job(id)).status, 'pending');
});

test('a job that succeeds has its result, its times and its log', async () => {
  await jobs.http('ok', '/ok/it');
  const id = await jobs.add('ok', { payload: { a: [1, 2] } });
  assert.equal((await jobs.run()).message, '1 job processed');
  const job = await jobs.job(id);
  assert.deepEqual([job.status, job.attempts, job.progress, job.result, job.error_message], ['completed', 1, 100, 'ok', null]);
  assert.ok(job.started_at <= job.completed_at && job.waits_until === null && job.lease_until === null && job.claim_token === null);
  assert.match((await jobs.logs(id))[0].message, /^completed in \d+ ms, try 1 of 5$/);
  const sent = JSON.parse(jobs.receiver.requests[0].body);
  assert.deepEqual([sent.id, sent.type, sent.attempt, sent.payload], [id, 'ok', 1, { a: [1, 2] }]);
});

test('a job is tried five times, 60, 120, 240 and 480 s apart, then it has failed', async () => {
  await jobs.http('bad', '/status/500');
  const id = await jobs.add('bad');
  for (const [i, wait] of [60, 120, 240, 480].entries()) {
    await jobs.run();
    const { status, attempts } = await jobs.job(id);
    assert.deepEqual([status, attempts], ['pending', i + 1]);
    within(await jobs.db.value(`SELECT extract(epoch FROM waits_until - updated_at)::float8 FROM jobs`), wait, wait * 1.1 + 0.1, 'the wait');
    await jobs.makeDue();
  }
  await jobs.run();
  const job = await jobs.job(id);
  assert.deepEqual([job.status, job.attempts, job.waits_until], ['failed', 5, null]);
  assert.match(job.error_message, /^HTTP 500/);
  assert.ok(job.dead_at && job.completed_at);
  const logs = await jobs.logs(id);
  assert.deepEqual(logs.map(({ level }) => level), ['warn', 'warn', 'warn', 'warn', 'error']);
  assert.match(logs[0].message, /HTTP 500.*; next try in 6\d s/);
  assert.match(logs[4].message, /^failed for good: HTTP 500/);
});

test('no more than JOB_MAX_CONCURRENT are under way at once', async () => {
  await jobs.http('slow', '/slow/100');
  await jobs.addMany('slow', 20);
  assert.equal((await jobs.run()).succeeded, 20);
  assert.equal(jobs.receiver.inflightMax, 5);
  jobs.receiver.inflightMax = 0;
  await jobs.addMany('slow', 6);
  await jobs.run({ env: { JOB_MAX_CONCURRENT: '2' } });
  assert.equal(jobs.receiver.inflightMax, 2);
});

test('the most urgent go first, those of one priority in the order of their time', async () => {
  await jobs.http('ok', '/ok');
  for (const [n, priority] of [0, -10, 10, 5, 0, 10].entries()) await jobs.add('ok', { payload: { n }, priority });
  await jobs.run({ env: { JOB_MAX_CONCURRENT: '1' } });
  assert.deepEqual(jobs.receiver.requests.map(({ body }) => JSON.parse(body).payload.n), [2, 5, 3, 0, 4, 1]);
});

test('a paused queue rests, whatever waits in it, and goes on when it is resumed', async () => {
  await jobs.http('ok', '/ok');
  await jobs.db.rows(`INSERT INTO job_queues (name, paused) VALUES ('mail', true)`);
  await jobs.addMany('ok', 3, { queue: 'mail', priority: 100 });
  await jobs.addMany('ok', 2);
  assert.equal((await jobs.run()).succeeded, 2);
  await jobs.db.rows(`UPDATE job_queues SET paused = false`);
  assert.equal((await jobs.run()).succeeded, 3);
});

test('a run may be told which queues to serve', async () => {
  await jobs.http('ok', '/ok');
  for (const queue of ['mail', 'a, "b"', 'default']) await jobs.addMany('ok', 2, { queue });
  assert.equal((await jobs.run({ args: ['--queue', 'mail', '--queue', 'a, "b"'] })).succeeded, 4);
  assert.equal(await jobs.db.value(`SELECT queue FROM jobs WHERE status = 'pending' LIMIT 1`), 'default');
  const wrong = await jobs.stand.cli(['run', 'webhook-retry', '--queue', 'mail']);
  assert.equal(wrong.code, 2);
  assert.match(wrong.stderr, /--queue is for job-queue, webhook-retry has no queues/);
});

test('queues of one priority are served in turn', async () => {
  await jobs.http('slow', '/slow/20');
  await jobs.addMany('slow', 60, { queue: 'heap' });
  await jobs.addMany('slow', 3, { queue: 'small' });
  const run = jobs.run({ env: { JOB_MAX_CONCURRENT: '1' } });
  await until(async () => await jobs.db.value(`SELECT count(*)::int FROM jobs WHERE queue = 'small' AND status = 'completed'`) === 3,
    { what: 'the small queue to be served' });
  const left = await jobs.db.value(`SELECT count(*)::int FROM jobs WHERE queue = 'heap' AND status <> 'completed'`);
  await run;
  assert.ok(left > 20, `${left} of the heap were left`);
});

test('a job past its time-out is stopped, and that is a failed try', async () => {
  await jobs.http('hang', '/hang');
  const own = await jobs.add('hang', { timeout_s: 1 });
  await jobs.type('hang_by_type', 'http', jobs.receiver.url('/hang'), { defaults: { timeout_s: 2 } });
  const types = await jobs.add('hang_by_type');
  const began = Date.now();
  await jobs.run();
  within(Date.now() - began, 2000, 4000, 'ms');
  for (const [id, seconds] of [[own, 1], [types, 2]]) {
    const job = await jobs.job(id);
    assert.deepEqual([job.status, job.attempts], ['pending', 1]);
    assert.match(job.error_message, new RegExp(`timed out after ${seconds} s`));
  }
});

test('a job that wants more time than a run has gets a run\'s time; a shorter run leaves it alone', async () => {
  await jobs.http('hang', '/hang');
  await jobs.db.rows('DELETE FROM job_limits'); // as before the first run, or with another RUN_BUDGET_S
  const id = await jobs.add('hang', { timeout_s: 600 });
  await jobs.run({ env: { RUN_BUDGET_S: '7' }, args: ['--budget', '1'] });
  assert.deepEqual([(await jobs.job(id)).status, (await jobs.job(id)).attempts], ['pending', 0]);
  await jobs.run({ env: { RUN_BUDGET_S: '7' } });
  const job = await jobs.job(id);
  assert.deepEqual([job.status, job.attempts], ['pending', 1]);
  assert.match(job.error_message, /timed out after 7 s/);
});

test('large payloads are claimed by few', async () => {
  await jobs.db.rows(`CREATE TABLE claims (bytes bigint)`);
  await jobs.db.rows(`
    CREATE FUNCTION note_claim() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      INSERT INTO claims SELECT sum(octet_length(payload::text)) FROM claimed WHERE claim_token IS NOT NULL HAVING count(*) > 0;
      RETURN NULL; END $$`);
  await jobs.db.rows(`CREATE TRIGGER note_claim AFTER UPDATE ON jobs REFERENCING NEW TABLE AS claimed
    FOR EACH STATEMENT EXECUTE FUNCTION note_claim()`);
  await jobs.addMany('nobody_knows_it', 200, { payload: { x: 'x'.repeat(500_000) } });
  assert.equal((await jobs.run()).processed, 200);
  const { most, all } = await jobs.db.one('SELECT max(bytes)::int AS most, sum(bytes)::int AS all FROM claims');
  await jobs.db.rows('DROP FUNCTION note_claim() CASCADE');
  assert.ok(all > 100_000_000 && most < 10_000_000, `${most} bytes in a claim, of ${all}`);
});

test('while it runs a job has a lease of its time-out and 10 s', async () => {
  await jobs.http('slow', '/slow/700');
  await jobs.add('slow', { timeout_s: 7 });
  const run = jobs.run();
  const leased = await until(() => jobs.db.rows(
    `SELECT status, extract(epoch FROM lease_until - started_at)::float8 AS s FROM jobs WHERE lease_until IS NOT NULL`).then((rows) => rows[0]),
  { what: 'a lease', everyMs: 10 });
  assert.equal(leased.status, 'processing');
  within(leased.s, 16.9, 17.1, 'the lease');
  await run;
});

test('a job that is found processing with an expired lease is taken again, alone after two losses, buried after five', async () => {
  await jobs.http('ok', '/ok');
  const leave = (lost) => jobs.add('ok', { status: 'processing', lost, lease_until: '2020-01-01', claim_token: '00000000-0000-4000-8000-000000000001' });
  const fine = [await leave(0), await leave(1), await leave(3)], poison = await leave(4);
  await jobs.run();
  for (const id of fine) assert.deepEqual((({ status, attempts, lost }) => [status, attempts, lost])(await jobs.job(id)), ['completed', 1, 0]);
  const dead = await jobs.job(poison);
  assert.deepEqual([dead.status, dead.attempts], ['failed', 0]);
  assert.match(dead.error_message, /poison/);
});

test('a job that is due only after the run began is run all the same, before the run ends', async () => {
  await jobs.http('slow', '/slow/1500');
  await jobs.http('ok', '/ok');
  await jobs.add('slow');
  const run = jobs.run();
  await until(() => jobs.receiver.requests.length === 1, { what: 'the first job to be under way' });
  const late = await jobs.add('ok');
  await until(async () => (await jobs.job(late)).status === 'completed', { what: 'the late one', timeoutMs: 1000 });
  assert.equal((await run).succeeded, 2);
});

test('JOB_POLL_INTERVAL_S keeps a run looking inside its budget', async () => {
  await jobs.http('ok', '/ok');
  const began = Date.now();
  const run = jobs.run({ env: { JOB_POLL_INTERVAL_S: '1' }, args: ['--budget', '4'] });
  await until(async () => await jobs.db.value(`SELECT count(*)::int FROM cron_job_executions WHERE status = 'running'`) === 1, { what: 'the run' });
  const id = await jobs.add('ok');
  await until(async () => (await jobs.job(id)).status === 'completed', { what: 'the job of a later look', timeoutMs: 3000 });
  assert.equal((await run).succeeded, 1);
  within(Date.now() - began, 3900, 6000, 'ms of the run');
});

test('JOB_RUN_MAX caps a run, and says that there is more', async () => {
  await jobs.http('ok', '/ok');
  await jobs.addMany('ok', 30);
  const reply = await jobs.run({ env: { JOB_RUN_MAX: '12' } });
  assert.deepEqual([reply.processed, reply.run.more], [12, true]);
  assert.deepEqual([(await jobs.run()).processed, await jobs.db.value(`SELECT count(*)::int FROM jobs WHERE status = 'completed'`)], [18, 30]);
});

test('the budget ends a run; what was claimed and not begun is handed back unharmed', async () => {
  await jobs.http('slow', '/slow/400');
  await jobs.addMany('slow', 60);
  const reply = await jobs.run({ args: ['--budget', '2'] });
  assert.ok(reply.run.more && reply.processed >= 20 && reply.processed <= 40, JSON.stringify(reply));
  assert.deepEqual(await jobs.db.rows(`SELECT DISTINCT attempts, lost, lease_until, claim_token FROM jobs WHERE status = 'pending'`),
    [{ attempts: 0, lost: 0, lease_until: null, claim_token: null }]);
  assert.equal(await jobs.db.value(`SELECT count(*)::int FROM jobs WHERE status = 'processing'`), 0);
});

test('a job that takes longer than what is left waits for the next run; shorter ones are still begun', async () => {
  await jobs.http('ok', '/ok');
  const long = await jobs.add('ok', { timeout_s: 20, priority: 10 });
  const short = await jobs.add('ok', { timeout_s: 1 });
  const reply = await jobs.run({ args: ['--budget', '3'] });
  assert.deepEqual([reply.succeeded, reply.run.more], [1, true]);
  assert.deepEqual([(await jobs.job(long)).status, (await jobs.job(short)).status], ['pending', 'completed']);
  assert.equal((await jobs.run()).succeeded, 1);
});

test('what does not fit into a run any more ends it no sooner: what others free goes on', async () => {
  await jobs.http('ok', '/ok');
  const long = await jobs.add('ok', { timeout_s: 20, priority: 10 });
  const suspect = await jobs.add('ok', { timeout_s: 20, lost: 3, priority: 10 });
  const ids = Array.from({ length: 10 }, () => randomUUID());
  await jobs.db.rows('SELECT enqueue_jobs($1::jsonb)',
    [JSON.stringify(ids.map((id, n) => ({ id, job_type: 'ok', timeout_s: 1, depends_on: n ? [ids[n - 1]] : [] })))]);
  const reply = await jobs.run({ args: ['--budget', '4'] });
  assert.deepEqual([reply.succeeded, reply.failed, reply.run.more], [10, 0, true]);
  assert.ok(reply.run.durationMs < 3000, `${reply.run.durationMs} ms`);
  assert.deepEqual([(await jobs.job(long)).status, (await jobs.job(suspect)).status], ['pending', 'pending']);
  assert.equal((await jobs.run()).succeeded, 2);
});

test('a job under way is stopped when somebody cancels it', async () => {
  await jobs.http('hang', '/hang');
  const id = await jobs.add('hang', { timeout_s: 20 });
  const run = jobs.run();
  await until(() => jobs.receiver.requests.length === 1, { what: 'the job to be under way' });
  await jobs.db.rows(`UPDATE jobs SET cancel_requested_at = clock_timestamp() WHERE id = $1`, [id]);
  const began = Date.now();
  await until(async () => (await jobs.job(id)).status === 'cancelled', { what: 'the job to be stopped', timeoutMs: 5000 });
  assert.ok(Date.now() - began < 3500, 'within some seconds');
  assert.equal((await jobs.job(id)).attempts, 0);
  await run;
});

test('a job that was cancelled while its process died is not run again', async () => {
  await jobs.http('ok', '/ok');
  const id = await jobs.add('ok', { status: 'processing', lease_until: '2020-01-01', cancel_requested_at: '2020-01-01',
    claim_token: '00000000-0000-4000-8000-000000000001' });
  await jobs.run();
  assert.equal((await jobs.job(id)).status, 'cancelled');
  assert.equal(jobs.receiver.requests.length, 0);
});

test('what was performed is settled, and never performed again', async () => {
  await jobs.http('ok', '/ok');
  const id = await jobs.add('ok', { performed_at: '2020-01-01', result: { sum: 3 } });
  await jobs.run();
  const job = await jobs.job(id);
  assert.deepEqual([job.status, job.result, job.attempts], ['completed', { sum: 3 }, 1]);
  assert.equal(jobs.receiver.requests.length, 0);
});

test('SIGTERM drains: what is under way ends, the rest is handed back', async () => {
  await jobs.http('slow', '/slow/500');
  await jobs.addMany('slow', 20);
  await jobs.stand.startPool({ size: 1 });
  const call = jobs.stand.pool.call('POST', '/api/jobs/worker', { headers: { authorization: `Bearer ${jobs.token}` } });
  await until(() => jobs.receiver.inflight === 5, { what: 'jobs under way' });
  for (const pid of jobs.stand.pool.processes()) process.kill(pid, 'SIGTERM');
  const answer = await call;
  assert.equal(answer.status, 200, answer.body);
  assert.ok(answer.json.succeeded >= 5 && answer.json.run.more);
  assert.equal(await jobs.db.value(`SELECT count(*)::int FROM jobs WHERE lease_until IS NOT NULL`), 0);
});

test('with many connections at work, what ends on any of them is seen at once', async () => {
  await jobs.db.rows(`CREATE OR REPLACE FUNCTION slow_one(job jsonb) RETURNS jsonb LANGUAGE sql AS $$ SELECT to_jsonb(pg_sleep(3)::text) $$`);
  await jobs.db.rows(`CREATE OR REPLACE FUNCTION quick_one(job jsonb) RETURNS jsonb LANGUAGE sql AS $$ SELECT job->'id' $$`);
  for (const name of ['slow_one', 'quick_one']) await jobs.type(name, 'sql', name);
  await jobs.addMany('slow_one', 68, { priority: 10 });
  await jobs.addMany('quick_one', 120);
  assert.equal((await jobs.run({ env: { JOB_MAX_CONCURRENT: '70' } })).succeeded, 188);
  const took = await jobs.db.value(`SELECT extract(epoch FROM max(performed_at) - min(performed_at))::float8 FROM jobs WHERE job_type = 'quick_one'`);
  assert.ok(took < 1, `120 quick jobs took ${took} s`);
});

test('jobs with large payloads are under way together all the same', async () => {
  await jobs.db.rows(`CREATE OR REPLACE FUNCTION slow_one(job jsonb) RETURNS jsonb LANGUAGE sql AS $$ SELECT to_jsonb(pg_sleep(2)::text) $$`);
  await jobs.type('slow_one', 'sql', 'slow_one');
  await jobs.addMany('slow_one', 60, { payload: { x: 'x'.repeat(1_500_000) } });
  assert.equal((await jobs.run({ env: { JOB_MAX_CONCURRENT: '20' } })).succeeded, 60);
  // The first claim, of 40, does not know yet how large they are.
  const together = await jobs.db.value(`
    SELECT count(*) FILTER (WHERE started_at < first)::int
      FROM (SELECT started_at, min(performed_at) OVER () AS first FROM (SELECT * FROM jobs ORDER BY started_at OFFSET 40) x) later`);
  assert.ok(together > 12, `${together} of 20 began before the first of them ended`);
});
