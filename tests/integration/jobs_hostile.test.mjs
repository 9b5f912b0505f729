// Rows and functions that no application should write: whatever is in one job, the others run.
import assert from 'node:assert/strict';
import { after, beforeEach, test } from 'node:test';
import { Jobs } from '../lib/jobs.mjs';
import { statements } from '../lib/statements.mjs';

const jobs = await Jobs.create();
const { db } = jobs;
const pool = await jobs.stand.startPool({ size: 1 });
after(() => jobs.end());
beforeEach(async () => {
  await jobs.clear();
  await jobs.type('fine', 'sql', 'fine');
});
await db.rows(`CREATE FUNCTION fine(job jsonb) RETURNS jsonb LANGUAGE sql AS $$ SELECT '1'::jsonb $$`);

const call = (method, url, body = '') => pool.call(method, url, { headers: { authorization: `Bearer ${jobs.token}` }, body });
const statuses = async () => Object.fromEntries((await db.rows('SELECT status, count(*)::int AS n FROM jobs GROUP BY status')).map((row) => [row.status, row.n]));
const tooLarge = (error) => error.code === 'CW400' && /^payload may have 8388608 bytes as text; it has /.test(error.message);

test('a payload that no claim could bring is refused, however small it is as it is stored', async () => {
  const numbers = (count) => `(SELECT jsonb_agg(1e131071::numeric) FROM generate_series(1, ${count}))`;
  await jobs.add('fine');
  await assert.rejects(db.rows(`INSERT INTO jobs (job_type, payload) VALUES ('fine', ${numbers(10_000)})`), tooLarge);
  for (const payload of [numbers(100), `to_jsonb(repeat('x', 8388607))`]) {
    await assert.rejects(db.rows(`INSERT INTO jobs (job_type, payload) VALUES ('fine', ${payload})`), tooLarge, payload);
    await assert.rejects(db.rows(`SELECT enqueue_job('fine', ${payload})`), tooLarge, payload);
    await assert.rejects(db.rows(`SELECT * FROM enqueue_jobs(jsonb_build_array('{"type": "fine"}'::jsonb, jsonb_build_object('type', 'fine', 'payload', ${payload})))`), tooLarge, payload);
    await assert.rejects(db.rows(`UPDATE jobs SET payload = ${payload}`), tooLarge, payload);
  }
  await db.rows(`INSERT INTO jobs (job_type, payload) VALUES ('fine', to_jsonb(repeat('x', 8388606)))`);
  assert.deepEqual([(await jobs.run()).succeeded, await statuses()], [2, { completed: 2 }]);
  await db.rows(`UPDATE jobs SET payload = to_jsonb(repeat('x', 9000000))`);
});

test('a job of any time that has passed runs', async () => {
  for (const at of ['4714-11-24 00:00:00+00 BC', '0044-03-15 BC', '0001-01-01', '1969-07-20', 'epoch', 'now']) {
    const { status, body } = await call('POST', '/api/jobs', JSON.stringify({ type: 'fine', run_at: at }));
    assert.equal(status, 201, body);
  }
  await db.rows(`INSERT INTO jobs (job_type, waits_until) VALUES ('fine', '4713-01-01 BC')`);
  const reply = await jobs.run();
  assert.deepEqual([reply.succeeded, reply.run.more, await statuses()], [7, false, { completed: 7 }]);
});

test('a job whose claim somebody has wiped out is taken again when its lease is over', async () => {
  await db.rows(`INSERT INTO jobs (job_type, status, lease_until) VALUES ('fine', 'processing', now() - interval '1 s')`);
  await db.rows(`INSERT INTO jobs (job_type, status, lost, lease_until) VALUES ('fine', 'processing', 2, now() - interval '1 s')`);
  const reply = await jobs.run();
  assert.deepEqual([reply.succeeded, reply.run.more, await statuses()], [2, false, { completed: 2 }]);
});

test('a job that has been tried as often as a number can say is settled, with those beside it', async () => {
  const id = await jobs.add('fine', { attempts: 2 ** 31 - 1 });
  await jobs.addMany('fine', 5);
  const reply = await jobs.run();
  assert.deepEqual([reply.succeeded, (await jobs.job(id)).attempts], [6, 2 ** 31 - 1]);
});

test('a temporary table that is named as the queue is, is the function\'s alone', async () => {
  await db.rows(`CREATE FUNCTION shadow(job jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
    BEGIN CREATE TEMP TABLE jobs ON COMMIT DROP AS SELECT * FROM jobs; UPDATE jobs SET payload = '2'; RETURN '{"is": "mine"}'; END $$`);
  await jobs.type('shadow', 'sql', 'shadow');
  const id = await jobs.add('shadow');
  await jobs.run();
  const row = await jobs.job(id);
  assert.deepEqual([row.status, row.result, row.payload, row.performed_at !== null], ['completed', { is: 'mine' }, {}, true]);
});

test('10,000 jobs of which the last is wrong are judged in time', async () => {
  const id = (n) => `00000000-0000-0000-0000-${String(n).padStart(12, '0')}`;
  const good = Array.from({ length: 9999 }, (_, n) => ({ type: 'fine', id: id(n) }));
  const round = good.map((job, n) => ({ ...job, depends_on: [id((n + 1) % good.length)] }));
  for (const [wrong, what] of [
    [[...good, { type: 'fine', nope: 1 }], /jobs\[9999\]: nope/],
    [[...good, { type: 'fine', id: `{${id(7)}}` }], /jobs\[9999\]: id .* is given twice/],
    [[...good, { type: 'fine', depends_on: [id(10_000)] }], /jobs\[9999\]: depends_on .* no such job/],
    [round, /cycle/]]) {
    const { status, json } = await call('POST', '/api/jobs', JSON.stringify(wrong));
    assert.deepEqual([status, json.code], [400, 'bad_request'], json.error);
    assert.match(json.error, what);
  }
  assert.deepEqual(await statuses(), {});
});

test('a queue for each of many customers, with nothing due in it, keeps no other from running', async () => {
  await db.rows(`INSERT INTO jobs (job_type, queue, run_at) SELECT 'fine', 'c' || n, now() + interval '1 day' FROM generate_series(1, 50000) n`);
  await jobs.addMany('fine', 3, { queue: 'a' });
  await jobs.addMany('fine', 3, { queue: 'c4' });
  await jobs.addMany('fine', 3, { queue: 'z' });
  const reply = await jobs.run();
  assert.deepEqual([reply.succeeded, reply.run.more, await statuses()], [9, false, { completed: 9, pending: 50_000 }]);
});

test('a look sees so many lanes, and says behind which the next one goes on', async () => {
  await db.rows(`INSERT INTO jobs (job_type, queue, priority) SELECT 'fine', 'c' || lpad((n / 2)::text, 5, '0'), n % 2 FROM generate_series(0, 44999) n`);
  const text = statements().find(({ name }) => name === 'job_queue_look').text;
  const seen = [];
  for (let at = { behind_queue: null, behind_priority: null }; seen.length === 0 || at.behind_queue; seen.push(at))
    [at] = await db.rows(text, [['c22499'], at.behind_queue, at.behind_priority]);
  assert.deepEqual(seen.map((row) => [row.queue, row.behind_queue, row.behind_priority]), [[null, 'c09999', 1], [null, 'c19999', 1], ['c22499', null, null]]);
});

test('schedules of no time at all, or of payloads beyond all measure, stop nobody', async () => {
  await db.rows(`INSERT INTO job_schedules (name, cron, job_type, since_at) SELECT at, '* * * * *', 'fine', at::timestamptz
                   FROM unnest('{infinity,-infinity,4713-01-01 BC,294276-12-31}'::text[]) at`);
  await db.rows(`INSERT INTO job_schedules (name, cron, job_type, payload, since_at) SELECT 'numbers', '* * * * *', 'fine', jsonb_agg(1e131071::numeric), now() - interval '1 hour' FROM generate_series(1, 100)`);
  await db.rows(`INSERT INTO job_schedules (name, cron, job_type, payload, since_at) SELECT repeat('n', 200), '* * * * *', 'fine', to_jsonb(repeat('{{name}}', 50000)), now() - interval '1 hour'`);
  await db.rows(`INSERT INTO job_schedules (name, cron, job_type, since_at) VALUES ('sound', '* * * * *', 'fine', now() - interval '1 hour')`);
  await jobs.add('fine');
  const reply = await jobs.run();
  const made = await db.rows('SELECT schedule FROM jobs WHERE schedule IS NOT NULL ORDER BY 1');
  assert.deepEqual([reply.succeeded, made.map((row) => row.schedule)], [4, ['-infinity', '4713-01-01 BC', 'sound']]);
  const failed = await db.rows('SELECT left(name, 7) AS name, last_error FROM job_schedules WHERE last_error IS NOT NULL ORDER BY 1');
  assert.deepEqual(failed.map((row) => row.name), ['nnnnnnn', 'numbers']);
  for (const { last_error: error } of failed) assert.match(error, /payload may have 8388608 bytes/);
  await db.rows('TRUNCATE job_schedules');
});

test('jobs that say they were made at no time, or in the year 294276, are listed like others', async () => {
  await db.rows(`INSERT INTO jobs (job_type, created_at) SELECT 'fine', unnest('{infinity,-infinity,294276-12-31,4713-01-01 BC}'::timestamptz[])`);
  await jobs.addMany('fine', 3);
  for (const [query, found] of [['', 5], ['?status=pending', 7], ['?status=pending&limit=2', 2]]) {
    const { status, json, body } = await call('GET', `/api/jobs${query}`);
    assert.deepEqual([status, json.jobs?.length], [200, found], query + body);
  }
});
