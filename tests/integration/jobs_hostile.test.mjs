// Rows and functions that no application should write: whatever is in one job, the others run.
import assert from 'node:assert/strict';
import { after, beforeEach, test } from 'node:test';
import { Jobs } from '../lib/jobs.mjs';

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
