// The routes of jobs behind the product's own nginx: which pool answers what, what is logged, limits.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { Site } from '../lib/site.mjs';
import { until } from '../lib/wait.mjs';

const site = await Site.start({ env: { RATE_LIMIT: '2000r/s', RATE_BURST: '2000' } });
after(() => site.end());

const token = site.secrets.WORKER_SECRET_TOKEN || site.secrets.CRON_SECRET;
const secret = { authorization: `Bearer ${token}` };
const call = (method, at, { headers = {}, ...options } = {}) => site.call(method, at, { headers: { ...secret, ...headers }, ...options });
const access = () => site.log('cronward.access.log').trim().split('\n').filter(Boolean).map((line) => JSON.parse(line));

// The access log's line of this call.
async function logged(method, at, options) {
  const before = access().length;
  const answer = await call(method, at, options);
  const line = await until(() => access()[before], { what: 'a line in the access log' });
  return { ...answer, line, pool: line.upstream.match(/(\w+)\.sock/)?.[1] };
}

test('each call goes to the pool that is there for it, and no id is logged', async () => {
  await site.query(`CREATE FUNCTION nothing(job jsonb) RETURNS jsonb LANGUAGE sql AS 'SELECT NULL::jsonb'`);
  await site.query(`INSERT INTO job_types (job_type, processor, target) VALUES ('nothing', 'sql', 'nothing')`);
  const { json } = await logged('POST', '/api/jobs', { body: '{"type": "nothing"}' });
  const vercel = { 'x-vercel-cron-schedule': '* * * * *' };
  const job = `/api/jobs/${json.id}`;
  for (const [method, at, status, pool, shown, headers] of [
    ['POST', '/api/jobs', 201, 'api', '/api/jobs'], ['POST', '/api/jobs?run=1', 201, 'workers', '/api/jobs'], ['GET', '/api/jobs?limit=1', 200, 'api', '/api/jobs'],
    ['GET', job, 200, 'api', '/api/jobs/*'], ['GET', `${job}/logs`, 200, 'api', '/api/jobs/*/logs'], ['POST', `${job}/retry`, 409, 'api', '/api/jobs/*/retry'],
    ['POST', `${job}/cancel`, [200, 409], 'api', '/api/jobs/*/cancel'], ['POST', '/api/jobs/retry', 200, 'api', '/api/jobs/retry'],
    ['POST', `${job}/progress`, 401, 'api', '/api/jobs/*/progress'], ['POST', `${job}/complete/`, 401, 'api', '/api/jobs/*/complete'], ['POST', `${job}/fail`, 401, 'api', '/api/jobs/*/fail'],
    ['POST', '/api/queues/a%20queue%20of%20ours/pause', 200, 'api', '/api/queues/*/pause'], ['POST', '/api/queues/a%20queue%20of%20ours/resume', 200, 'api', '/api/queues/*/resume'],
    ['GET', '/api/jobs/worker', 200, 'api', '/api/jobs/worker'], ['GET', '/api/jobs/worker/', 200, 'api', '/api/jobs/worker/'], ['GET', '/api/jobs/worker?run=1', 200, 'workers', '/api/jobs/worker'],
    ['GET', '/api/jobs/worker', 200, 'workers', '/api/jobs/worker', vercel], ['POST', '/api/jobs/worker', 200, 'workers', '/api/jobs/worker'],
    ['POST', '/api/jobs/worker', 202, 'async', '/api/jobs/worker', { prefer: 'respond-async' }],
  ]) {
    const isNew = at.startsWith('/api/jobs') && method === 'POST' && /^\/api\/jobs(\?|$)/.test(at);
    const answer = await until(async () => {
      const one = await logged(method, at, { headers, body: isNew ? '{"type": "nothing"}' : undefined });
      return one.status !== 429 && one;
    }, { what: 'the worker to be free' });
    assert.ok([status].flat().includes(answer.status), `${method} ${at}: ${answer.status} ${answer.body}`);
    assert.deepEqual([answer.pool, answer.line.path], [pool, shown], `${method} ${at}`);
  }
  await until(async () => (await site.query(`SELECT FROM jobs WHERE status = 'pending'`)).length === 0, { what: 'the jobs to be run' });
  const log = site.log('cronward.access.log');
  assert.ok(!log.includes(json.id) && !log.includes(token) && !log.includes('of ours'));
});

test('jobs may be 8 MB long, and no other route takes so much', async () => {
  const body = (bytes) => `{"type":"nothing","payload":"${'x'.repeat(bytes - 31)}"}`;
  const big = await call('POST', '/api/jobs', { body: body(8 * 1024 * 1024 - 10) });
  assert.equal(big.status, 201, big.body.slice(0, 300));
  const bigger = await call('POST', '/api/jobs', { body: body(8 * 1024 * 1024 + 100) });
  assert.deepEqual([bigger.status, bigger.json.code], [413, 'too_large']);
  for (const at of ['/api/queues/q/pause', '/api/jobs/worker']) {
    const answer = await call('POST', at, { body: 'x'.repeat(70_000) });
    assert.deepEqual([answer.status, answer.json.code], [413, 'too_large'], at);
  }
});

test('an address that is not on the list may not run jobs, but may enqueue them', async () => {
  const undo = await site.change('allow.conf', () => 'allow 192.0.2.1;\ndeny all;\n');
  for (const [method, at] of [['POST', '/api/jobs/worker'], ['POST', '/api/jobs/worker/'], ['GET', '/api/jobs/worker?run=1']]) {
    const answer = await call(method, at);
    assert.deepEqual([answer.status, answer.json.code], [403, 'address_denied']);
  }
  assert.equal((await call('POST', '/api/jobs', { body: '{"type":"nothing"}' })).status, 201);
  assert.equal((await call('GET', '/api/jobs')).status, 200);
  await undo();
});

