// whatsapp-health-check: its route, and what it does.
import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import { holdLock } from '../lib/callers.mjs';
import { Health, JOB, scenarios } from '../lib/health.mjs';
import { Meta } from '../lib/meta.mjs';

const ROUTE = '/api/v1/jobs/whatsapp-health-check';
const vendor = await Meta.start();
const health = await Health.ofFile(vendor);
const { stand, db } = health;
const pool = await stand.startPool({ size: 1 });
beforeEach(() => db.rows('TRUNCATE cron_job_executions, cron_locks'));

const call = async (method, query = '', headers = { 'x-cron-secret': stand.cronSecret }) => {
  const answer = await pool.call(method, ROUTE + query, { headers });
  return { status: answer.status, ...JSON.parse(answer.body) };
};
const runs = () => db.value('SELECT count(*)::int FROM cron_job_executions WHERE job_name = $1', [JOB]);

test('POST runs it, with the words of the seed', async () => {
  const { status, ...reply } = await call('POST');
  assert.deepEqual([status, Object.keys(reply).slice(0, 3), Object.keys(reply).at(-1)], [200, ['success', 'jobId', 'message'], 'run']);
  assert.deepEqual([reply.success, reply.message, reply.run.worker], [true, 'WhatsApp health check completed', JOB]);
  assert.match(reply.jobId, /^whatsapp-health-check-\d{13}$/);
  assert.equal(await runs(), 1);
});

test('GET tells whether it runs, and runs it where Vercel asks or ?run=1', async () => {
  const state = { status: 200, success: true, jobType: JOB };
  assert.deepEqual(await call('GET'), { ...state, isRunning: false });
  const free = await holdLock((...query) => db.rows(...query), JOB);
  assert.deepEqual(await call('GET', `?secret=${stand.cronSecret}`, {}), { ...state, isRunning: true });
  const { status, code, error } = await call('POST');
  assert.deepEqual([status, code], [429, 'busy']);
  assert.match(error, /^Job already running, skipping/);
  const skipped = await call('POST', '?busy=200');
  assert.deepEqual([skipped.status, skipped.success, skipped.jobId, skipped.skipped, skipped.run], [200, true, `${JOB}-0`, true, null]);
  await free();
  assert.equal(await runs(), 0);
  assert.equal((await call('GET', '?run=1')).run.worker, JOB);
  assert.equal((await call('GET', '', { 'x-cron-secret': stand.cronSecret, 'x-vercel-cron-schedule': '0 2 * * *' })).run.worker, JOB);
  assert.equal(await runs(), 2);
});

test('without the secret it tells nothing and does nothing; in the address it is for the status alone', async () => {
  for (const [method, query, headers] of [['POST', '', {}], ['GET', '', {}], ['POST', `?secret=${stand.cronSecret}`, {}], ['GET', `?run=1&secret=${stand.cronSecret}`, {}],
    ['GET', '?secret=wrong-wrong-wrong-wrong', {}], ['POST', '', { 'x-cron-secret': stand.key }]])
    assert.deepEqual(await call(method, query, headers).then(({ status, code }) => [status, code]), [401, 'unauthorized'], `${method} ${query}`);
  assert.equal(await runs(), 0);
});

scenarios(test, health);
