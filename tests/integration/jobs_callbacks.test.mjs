// POST /api/jobs/{id}/progress, /complete and /fail: what a processor reports that answered 202.
import assert from 'node:assert/strict';
import { after, beforeEach, test } from 'node:test';
import { Jobs } from '../lib/jobs.mjs';
import { random } from '../lib/random.mjs';
import { many } from '../lib/wait.mjs';

const jobs = await Jobs.create({ env: { JOB_CALLBACK_S: '60' } });
const { db } = jobs;
let pool = await jobs.stand.startPool({ size: 3 });
after(() => jobs.end());
beforeEach(async () => {
  await jobs.clear();
  await jobs.http('long', '/status/202');
});

const NOBODY = '0198a000-0000-7000-8000-000000000000';

function call(job, verb, body, { token = job.token, headers = {}, to = pool } = {}) {
  return to.call('POST', `/api/jobs/${job.id}/${verb}`,
    { headers: { ...(token ? { authorization: `Bearer ${token}` } : {}), ...headers }, body: body === undefined ? '' : typeof body === 'string' ? body : JSON.stringify(body) });
}

async function must(status, job, verb, body, options) {
  const answer = await call(job, verb, body, options);
  assert.equal(answer.status, status, `${verb}: ${answer.body}`);
  return answer.json;
}

// A job that its processor has answered 202 for, and the token that came with it.
async function accepted(more = {}) {
  const id = await jobs.add('long', more);
  await jobs.run();
  const request = jobs.receiver.requests.findLast((one) => JSON.parse(one.body).id === id);
  const row = await jobs.job(id);
  assert.deepEqual([row.status, row.awaits_callback], ['processing', true]);
  return { id, token: request.headers['cronward-callback-token'], claim: row.claim_token };
}

const logs = async (job) => (await jobs.logs(job.id)).map(({ level, message, data }) => [level, message, data]);

test('progress is written, logged, and gives more time', async () => {
  const job = await accepted();
  await db.rows(`UPDATE jobs SET lease_until = clock_timestamp() + interval '5 s', waits_until = clock_timestamp() + interval '5 s'`);
  const reply = await must(200, job, 'progress', { progress: 40, message: 'half of it', data: { rows: [1, 2] } });
  assert.deepEqual([reply.success, reply.progress], [true, 40]);
  const row = await jobs.job(job.id);
  assert.equal(row.progress, 40);
  assert.ok(row.lease_until - Date.now() > 50_000 && +row.lease_until - +row.waits_until < 100, 'the lease is longer');
  assert.ok(Math.abs(new Date(reply.lease_until) - row.lease_until) < 2);
  assert.deepEqual((await logs(job)).at(-1), ['info', 'half of it', { rows: [1, 2] }]);
  const before = (await logs(job)).length;
  // A sign of life alone, and a number alone, leave no line.
  assert.equal((await must(200, job, 'progress')).progress, 40);
  assert.equal((await must(200, job, 'progress', { progress: 41 })).progress, 41);
  assert.equal((await logs(job)).length, before);
  assert.equal((await must(200, job, 'progress', { data: [null] })).progress, 41);
  assert.deepEqual((await logs(job)).at(-1), ['info', 'progress', [null]]);
});

test('a completed job has its result, and its end means what every end means', async () => {
  const first = await accepted({ concurrency_key: 'key' });
  const next = await jobs.add('long', { concurrency_key: 'key' });
  const dependent = await db.value('SELECT id FROM enqueue_jobs($1)', [JSON.stringify({ type: 'long', depends_on: [first.id] })]);
  await jobs.run();
  assert.equal((await jobs.job(next)).waits_until, Infinity);
  await db.rows(`INSERT INTO app_webhooks (url, secret, events) VALUES ('http://127.0.0.2/hook', 'secret', '{job.*}')`);
  assert.deepEqual(await must(200, first, 'complete', { result: { rows: 7 } }), { success: true, id: first.id, status: 'completed' });
  const row = await jobs.job(first.id);
  assert.deepEqual([row.status, row.result, row.progress, row.attempts, row.lease_until, row.waits_until, row.claim_token, row.awaits_callback],
    ['completed', { rows: 7 }, 100, 1, null, null, null, false]);
  assert.match((await logs(first)).at(-1)[1], /^completed in \d+ ms, try 1 of 5$/);
  assert.equal(await db.value('SELECT count(*)::int FROM job_slots'), 0, 'the slot is free');
  assert.ok((await jobs.job(next)).waits_until < new Date('2100-01-01'), 'the line moves');
  assert.equal((await jobs.job(dependent)).status, 'pending', 'dependents go on');
  assert.equal(await db.value(`SELECT count(*)::int FROM platform_events WHERE event_type = 'job.completed'`), 1);
  await db.rows('DELETE FROM app_webhooks');
});

test('a result may be anything, or nothing', async () => {
  for (const [body, result] of [[undefined, null], [{}, null], [{ result: null }, null], [{ result: 'text' }, 'text'], [{ result: [1.5, 'é'] }, [1.5, 'é']], [{ result: false }, false], [{ result: 'x'.repeat(900_000) }, 'x'.repeat(900_000)]]) {
    const job = await accepted();
    await must(200, job, 'complete', body);
    assert.deepEqual((await jobs.job(job.id)).result, result);
  }
});

test('a failure is tried again as every failure is, or as the processor says', async () => {
  const wait = (job) => db.value(`SELECT extract(epoch FROM waits_until - clock_timestamp())::float8 FROM jobs WHERE id = $1`, [job.id]);
  const job = await accepted();
  const reply = await must(200, job, 'fail', { error: 'out of disk', stack: 'at a\nat b' });
  assert.equal(reply.status, 'pending');
  assert.ok(reply.retry_in_s >= 60 && reply.retry_in_s <= 66);
  const row = await jobs.job(job.id);
  assert.deepEqual([row.status, row.attempts, row.error_message, row.error_stack, row.lease_until], ['pending', 1, 'out of disk', 'at a\nat b', null]);
  assert.ok(await wait(job) > 55);
  assert.match((await logs(job)).at(-1)[1], /^out of disk; next try in 6\d s$/);
  const later = await accepted();
  assert.ok((await must(200, later, 'fail', { error: 'e', retry_after_s: 3600 })).retry_in_s >= 3600);
  assert.ok(await wait(later) > 3500);
  const final = await accepted();
  assert.deepEqual(await must(200, final, 'fail', { error: 'no such thing', retry: false }), { success: true, id: final.id, status: 'failed' });
  const dead = await jobs.job(final.id);
  assert.deepEqual([dead.status, dead.attempts, dead.waits_until, dead.error_message], ['failed', 1, null, 'no such thing']);
  assert.ok(dead.dead_at);
  const last = await accepted({ max_attempts: 1 });
  assert.equal((await must(200, last, 'fail')).status, 'failed');
  assert.match((await jobs.job(last.id)).error_message, /reported a failure/);
});

test('a token is good for its claim alone, and its time ends with the claim', async () => {
  const [one, two] = [await accepted(), await accepted()];
  await must(401, one, 'complete', {}, { token: two.token });
  await must(200, one, 'complete', {});
  for (const verb of ['progress', 'complete', 'fail']) {
    const reply = await must(409, one, verb, {});
    assert.deepEqual([reply.success, reply.code], [false, 'conflict']);
    assert.match(reply.error, /is over/);
  }
  await must(200, two, 'fail', { error: 'e' });
  await jobs.makeDue();
  await jobs.run();
  const again = { id: two.id, token: jobs.receiver.requests.at(-1).headers['cronward-callback-token'] };
  assert.notEqual(again.token, two.token);
  for (const verb of ['progress', 'complete', 'fail']) await must(409, two, verb, {});
  await must(200, again, 'complete', {});
  assert.equal((await jobs.job(two.id)).attempts, 2);
});

test('who does not call back in time has failed, and is told so', async () => {
  const job = await accepted();
  await db.rows(`UPDATE jobs SET lease_until = clock_timestamp() - interval '1 s', waits_until = clock_timestamp() - interval '1 s'`);
  await jobs.run();
  assert.deepEqual([(await jobs.job(job.id)).attempts, (await jobs.job(job.id)).status], [1, 'pending']);
  await must(409, job, 'complete', { result: 'late' });
  assert.equal((await jobs.job(job.id)).result, null);
});

test('wrong tokens, and jobs that nobody knows, are refused alike and counted', async () => {
  const job = await accepted();
  const bodies = new Set();
  const refuse = async (other, options) => {
    for (const verb of ['progress', 'complete', 'fail']) {
      const answer = await call(other, verb, { error: 'x' }, options);
      assert.equal(answer.status, 401, answer.body);
      assert.equal(answer.headers['www-authenticate'], 'Bearer');
      bodies.add(answer.body);
    }
  };
  const [claim, mac] = job.token.split('.');
  const flipped = `${claim}.${mac[0] === 'A' ? 'B' : 'A'}${mac.slice(1)}`;
  for (const token of [null, 'x', jobs.token, claim, mac, `${claim}.`, `.${mac}`, flipped, `${job.token}x`, job.token.slice(0, -1), `${NOBODY}.${mac}`, job.token.toUpperCase(), 'é'.repeat(80), 'a'.repeat(8000)])
    await refuse(job, { token });
  for (const id of [NOBODY, 'x', 'worker', '%00', `${job.id}0`]) await refuse({ id, token: job.token });
  await refuse(job, { token: null, headers: { authorization: job.token } });
  await refuse(job, { headers: { 'cronward-callback-token': flipped } });
  await refuse(job, { token: null, headers: { 'x-cron-secret': jobs.token } });
  assert.equal(bodies.size, 1);
  const draw = random('tokens');
  await many(2000, 3, async () => {
    const token = draw.pick([draw.bytes(draw.below(100)).toString('base64url'), `${claim}.${draw.bytes(32).toString('base64url')}`, `${draw.bytes(36).toString('latin1').replaceAll('\0', '0')}.${mac}`]);
    assert.equal((await call(job, 'complete', '', { token })).status, 401);
  });
  const denied = async () => db.value(`SELECT COALESCE(sum(calls), 0)::int FROM cron_denied WHERE route = '/api/jobs/{id}/complete' AND code = 'unauthorized'`);
  await pool.stop();
  assert.ok(await denied() > 2000, 'refused calls are counted');
  pool = await jobs.stand.startPool({ size: 3 });
});

test('the token may stand in the header that it came with, and the id in capitals', async () => {
  const [one, two] = [await accepted(), await accepted()];
  await must(200, one, 'progress', { progress: 1 }, { token: null, headers: { 'cronward-callback-token': one.token } });
  await must(200, one, 'complete', {}, { headers: { 'cronward-callback-token': one.token } });
  await must(200, { ...two, id: two.id.toUpperCase() }, 'complete', {});
});

test('bodies that do not fit are refused by name, and change nothing', async () => {
  const job = await accepted();
  const wrong = {
    progress: [['{', /JSON/], ['[]', /object/], [{ progress: 101 }, /0-100/], [{ progress: -1 }, /0-100/], [{ progress: 1.5 }, /0-100/], [{ progress: '4' }, /0-100/],
      [{ percent: 4 }, /percent/], [{ message: '' }, /message/], [{ message: 7 }, /message/], [{ message: 'x'.repeat(4001) }, /message/], ['{"data":"\\u0000"}', /JSON/]],
    complete: [['7', /object/], [{ results: 1 }, /results/], [`{"result":${'['.repeat(300)}${']'.repeat(300)}}`, /JSON/]],
    fail: [[{ error: '' }, /error/], [{ error: 7 }, /error/], [{ error: 'e', retry: 'no' }, /retry/], [{ retry_after_s: -1 }, /retry_after_s/], [{ retry_after_s: 86_401 }, /retry_after_s/], [{ retry_after_s: 1.5 }, /retry_after_s/]],
  };
  for (const [verb, cases] of Object.entries(wrong)) {
    for (const [body, why] of cases) {
      const reply = await must(400, job, verb, body);
      assert.match(reply.error, why);
    }
  }
  await must(413, job, 'complete', { result: 'x'.repeat(1_048_576) });
  const { status, progress, attempts } = await jobs.job(job.id);
  assert.deepEqual([status, progress, attempts], ['processing', 0, 0]);
  assert.equal((await pool.call('GET', `/api/jobs/${job.id}/complete`, { headers: { authorization: `Bearer ${job.token}` } })).status, 405);
});

test('a job that was cancelled says so, and its end cancels it', async () => {
  for (const verb of ['complete', 'fail']) {
    const job = await accepted();
    const cancelled = await pool.call('POST', `/api/jobs/${job.id}/cancel`, { headers: { authorization: `Bearer ${jobs.token}` } });
    assert.deepEqual([cancelled.status, cancelled.json.cancel_requested], [200, true]);
    const told = await must(409, job, 'progress', { progress: 50 });
    assert.deepEqual([told.code, told.cancel_requested], ['conflict', true]);
    assert.equal((await jobs.job(job.id)).progress, 0);
    const ended = await must(409, job, verb, {});
    assert.deepEqual([ended.code, ended.cancel_requested], ['conflict', true]);
    const row = await jobs.job(job.id);
    assert.deepEqual([row.status, row.result, row.lease_until, row.waits_until], ['cancelled', null, null, null]);
    await must(409, job, 'progress', {});
  }
});

test('of twenty ends at once one counts', async () => {
  const job = await accepted();
  const answers = await many(20, 20, (i) => call(job, i % 2 ? 'complete' : 'fail', i % 2 ? { result: i } : { error: `e${i}` }));
  assert.deepEqual(answers.map(({ status }) => status).sort(), [200, ...Array(19).fill(409)]);
  assert.equal((await jobs.job(job.id)).attempts, 1);
});

test('a call back that comes before its 202 is settled counts', async () => {
  // The processor is quicker than our own statement: it calls back while its request is still open.
  await jobs.http('quick', '/slow/300');
  const id = await jobs.add('quick');
  const running = jobs.run();
  const request = await new Promise((resolve) => { jobs.receiver.once('request', resolve); });
  const job = { id, token: request.headers['cronward-callback-token'] };
  await must(200, job, 'progress', { progress: 10 });
  await must(200, job, 'complete', { result: 'early' });
  await running;
  const row = await jobs.job(id);
  assert.deepEqual([row.status, row.result, row.attempts], ['completed', 'early', 1]);
});

test('a rotation of the secret leaves the tokens that are out there', async () => {
  const job = await accepted();
  const rotated = await jobs.stand.startPool({ size: 1, name: 'rotated', env: { WORKER_SECRET_TOKEN: 'the-next-token-of-the-tests', WORKER_SECRET_TOKEN_PREVIOUS: jobs.token } });
  await must(200, job, 'complete', {}, { to: rotated });
  await rotated.stop();
  const closed = await jobs.stand.startPool({ size: 1, name: 'closed', env: { WORKER_SECRET_TOKEN: '', CRON_SECRET: '' } });
  const answer = await call(job, 'complete', {}, { to: closed });
  assert.deepEqual([answer.status, answer.json.code], [503, 'not_configured']);
  await closed.stop();
  jobs.stand.pool = pool;
});
