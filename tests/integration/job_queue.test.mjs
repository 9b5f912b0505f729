// job-queue: how jobs live, whatever carries them out.
import assert from 'node:assert/strict';
import { after, beforeEach, test } from 'node:test';
import { Stand } from '../lib/stand.mjs';

const stand = await Stand.create();
after(() => stand.end());

beforeEach(async () => {
  await stand.db.rows('TRUNCATE jobs, job_logs, job_dependencies, job_slots');
});

const run = async (options) => {
  const { code, stdout, stderr } = await stand.cli(['run', 'job-queue', ...(options?.args ?? [])], options);
  assert.ok(code === 0 || options?.mayFail, `${code}: ${stderr}`);
  return stdout;
};

test('a job whose type nobody knows fails clearly, and uses up no try', async () => {
  const { id } = await stand.db.one(`INSERT INTO jobs (job_type, payload) VALUES ('nobody_knows_it', '{"a": 1}') RETURNING id`);
  await run({ mayFail: true });
  const job = await stand.db.one('SELECT * FROM jobs WHERE id = $1', [id]);
  assert.equal(job.status, 'failed');
  assert.equal(job.attempts, 0);
  assert.match(job.error_message, /no job type "nobody_knows_it": insert it into job_types/);
  const logs = await stand.db.rows('SELECT * FROM job_logs WHERE job_id = $1', [id]);
  assert.equal(logs.length, 1);
  assert.equal(logs[0].level, 'error');
});

test('nothing due is a success', async () => {
  await stand.db.rows(`INSERT INTO jobs (job_type, run_at, waits_until) VALUES ('later', now() + interval '1 hour', now() + interval '1 hour')`);
  assert.match(await run(), /success/);
  assert.equal(await stand.db.value(`SELECT status FROM jobs`), 'pending');
});
