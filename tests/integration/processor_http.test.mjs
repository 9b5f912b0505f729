// Jobs that are posted to a URL: what is sent, what the reply means, and receivers that misbehave.
import assert from 'node:assert/strict';
import { createHmac, randomBytes } from 'node:crypto';
import { after, beforeEach, test } from 'node:test';
import { Receiver } from '../lib/receiver.mjs';
import { canary, Stand } from '../lib/stand.mjs';
import { newSecret, refusal } from '../lib/webhooks.mjs';

const stand = await Stand.create({ env: { JOB_TIMEOUT_S: '2', RUN_BUDGET_S: '8' } });
const trap = await canary('127.0.0.1');
after(() => stand.end());

beforeEach(async () => {
  await stand.db.rows('TRUNCATE jobs, job_logs');
  await stand.db.rows(`DELETE FROM job_types WHERE processor = 'http'`);
  stand.receiver.forget();
});

const typed = (at, { name = 'post', url = stand.receiver.url(at), secret = null, headers = {}, defaults = {} } = {}) =>
  stand.db.rows('INSERT INTO job_types (job_type, processor, target, secret, headers, defaults) VALUES ($1, $2, $3, $4, $5, $6)',
    [name, 'http', url, secret, headers, defaults]);
const enqueue = (columns = {}) => {
  const all = { job_type: 'post', ...columns };
  const names = Object.keys(all);
  return stand.db.value(`INSERT INTO jobs (${names.join(', ')}) VALUES (${names.map((_, i) => `$${i + 1}`).join(', ')}) RETURNING id`, Object.values(all));
};
const run = async (env = {}) => {
  const done = await stand.cli(['run', 'job-queue'], { env });
  assert.notEqual(done.stdout, '', done.stderr);
  return done;
};
const rowOf = (id) => stand.db.one('SELECT * FROM jobs WHERE id = $1', [id]);
const waitOf = (id) => stand.db.value('SELECT extract(epoch FROM waits_until - clock_timestamp())::float FROM jobs WHERE id = $1', [id]);
const makeDue = () => stand.db.rows('UPDATE jobs SET waits_until = clock_timestamp() WHERE waits_until > clock_timestamp()');
const jobsOf = async (...ids) => Promise.all(ids.map(rowOf));

// One job of the type `post` at this path; its row after one run.
async function post(at, options = {}, columns = {}, env = {}) {
  await typed(at, options);
  const id = await enqueue(columns);
  const { stdout, stderr } = await run(env);
  return { id, row: await rowOf(id), said: stdout + stderr };
}

test('what is sent: the job in words, signed, under one id over all tries', async () => {
  const secret = newSecret();
  const payload = { text: 'Grüße ✓ "quoted" \\ \u2028', number: 12345678901234, deep: [[{}]] };
  await typed('/status/500', { name: 'odd "type"\n', secret });
  const id = await enqueue({ job_type: 'odd "type"\n', payload, queue: 'a queue', workspace_id: '0198a000-0000-7000-8000-00000000000a' });
  await run();
  await makeDue();
  await run();
  const requests = stand.receiver.requests;
  assert.equal(requests.length, 2);
  for (const [i, request] of requests.entries()) {
    assert.equal(request.method, 'POST');
    assert.equal(refusal(secret, request.headers, Buffer.from(request.body)), undefined);
    assert.equal(request.headers['webhook-id'], id);
    assert.equal(request.headers['idempotency-key'], id);
    assert.equal(request.headers['cronward-attempt'], String(i + 1));
    assert.equal(request.headers['content-type'], 'application/json');
    const body = JSON.parse(request.body);
    assert.deepEqual(Object.keys(body), ['id', 'type', 'queue', 'attempt', 'max_attempts', 'workspace_id', 'run_at', 'created_at', 'payload']);
    assert.deepEqual([body.id, body.type, body.queue, body.attempt, body.max_attempts], [id, 'odd "type"\n', 'a queue', i + 1, 5]);
    assert.deepEqual(body.payload, payload);
    assert.equal(new Date(body.created_at).getTime(), (await rowOf(id)).created_at.getTime());
  }
  assert.match((await rowOf(id)).error_message, /^HTTP 500: as asked$/);
});

test('a type without a secret is posted unsigned, with the headers of the type', async () => {
  const { row } = await post('/ok', { headers: { Authorization: 'Bearer of-the-receiver', 'x-empty': '' } });
  assert.equal(row.status, 'completed');
  const [{ headers }] = stand.receiver.requests;
  assert.equal(headers.authorization, 'Bearer of-the-receiver');
  assert.deepEqual(Object.keys(headers).filter((name) => name.startsWith('webhook-')), []);
});

for (const [headers, wanted] of [
  [{ 'Webhook-Signature': 'v1,x' }, /the type's header "Webhook-Signature" is not its to set/],
  [{ 'idempotency-KEY': 'mine' }, /the type's header "idempotency-KEY" is not its to set/],
  [{ 'cronward-callback-token': 'mine' }, /is not its to set/],
  [{ 'x-number': 5 }, /the type's header "x-number" is no text/],
  [{ 'x-lines': 'a\r\nb: c' }, /the type's headers: a header value holds a control character/],
])
  test(`headers that cannot be: ${JSON.stringify(headers)}`, async () => {
    const { row } = await post('/ok', { headers });
    assert.deepEqual([row.status, row.attempts], ['failed', 1]);
    assert.match(row.error_message, wanted);
    assert.equal(stand.receiver.requests.length, 0);
  });

const long = 'x'.repeat(100_000);
const results = [
  ['{"a": 1.50, "b": [true, null]}', { a: 1.5, b: [true, null] }],
  ['[1, 2]', [1, 2]],
  ['"text"', 'text'],
  ['12345678901234567890123', 1.2345678901234568e22],
  ['  ', null],
  ['', null],
  ['done, thanks\n', 'done, thanks\n'],
  ['<html>ok</html>', '<html>ok</html>'],
  ['{"a": 1e99999}', '{"a": 1e99999}'],
  ['{"a": "\\u0000"}', '{"a": "\\u0000"}'],
  ['{"a": "\\ud800"}', '{"a": "\\ud800"}'],
  [Buffer.from([0x61, 0, 0xff, 0xfe, 0xc0, 0x80, 0x62]), 'a?????b'],
  [`{"a": "${long}"}`, `{"a": "${long}"}`.slice(0, 65536)],
  ['['.repeat(5000) + ']'.repeat(5000), '['.repeat(5000) + ']'.repeat(5000)],
];
test('the reply is the result: JSON as it is, anything else as a text', async () => {
  const ids = [];
  for (const [i] of results.entries()) {
    await typed(`/say/200/${i}`, { name: `post${i}` });
    ids.push(await enqueue({ job_type: `post${i}` }));
  }
  stand.receiver.says = (q) => results[Number(q.url.split('/').at(-1))][0];
  const said = await run();
  const rows = await jobsOf(...ids);
  for (const [i, [, wanted]] of results.entries()) {
    assert.equal(rows[i].status, 'completed', `${i}: ${rows[i].error_message} ${said.stderr}`);
    assert.deepEqual(rows[i].result, wanted, `result ${i}`);
  }
});

const tokenOf = (secret, job, claim) => {
  const key = createHmac('sha256', secret).update('cronward-callback-key').digest();
  return `${claim}.${createHmac('sha256', key).update(`cronward-callback\n${job}\n${claim}`).digest('base64url')}`;
};

test('202 leaves the job to a callback, with a token that is bound to its claim', async () => {
  await typed('/status/202');
  const id = await enqueue();
  await run({ APP_URL: 'https://cron.example.com', JOB_CALLBACK_S: '600' });
  const row = await rowOf(id);
  assert.deepEqual([row.status, row.awaits_callback, row.attempts, row.result], ['processing', true, 0, null]);
  const left = await stand.db.value('SELECT extract(epoch FROM lease_until - clock_timestamp())::float FROM jobs WHERE id = $1', [id]);
  assert.ok(left > 590 && left <= 600, `${left} s to call back`);
  const [{ headers }] = stand.receiver.requests;
  assert.equal(headers['cronward-callback-token'], tokenOf(stand.cronSecret, id, row.claim_token));
  assert.equal(headers['cronward-callback-url'], `https://cron.example.com/api/jobs/${id}`);
  await run();
  assert.equal(stand.receiver.requests.length, 1, 'it is not posted again while it is waited for');

  await stand.db.rows(`UPDATE jobs SET lease_until = clock_timestamp() - interval '1 s', waits_until = clock_timestamp() - interval '1 s'`);
  await run();
  const late = await rowOf(id);
  assert.deepEqual([late.status, late.attempts], ['pending', 1]);
  assert.match(late.error_message, /nobody called back in time/);
});

// What a receiver does with what it was given.
const callBack = async (id, what, body, token = stand.receiver.requests.at(-1).headers['cronward-callback-token']) => {
  const { status, json } = await stand.pool.call('POST', `/api/jobs/${id}/${what}`, { headers: { 'cronward-callback-token': token, 'content-type': 'application/json' }, body: Buffer.from(JSON.stringify(body)) });
  return { ...json, status };
};

test('202, progress, complete: the end is the receiver\'s to say', async () => {
  await stand.startPool({ size: 1 });
  await typed('/status/202');
  const id = await enqueue();
  await run({ JOB_CALLBACK_S: '30' });
  const before = await rowOf(id);
  assert.equal((await callBack(id, 'progress', { progress: 40, message: 'half of it' })).status, 200);
  const row = await rowOf(id);
  assert.deepEqual([row.status, row.progress], ['processing', 40]);
  assert.ok(row.lease_until > before.lease_until, 'progress extends the lease');
  assert.equal((await callBack(id, 'complete', { result: { sent: [1, 'ü'] } })).status, 200);
  const done = await rowOf(id);
  assert.deepEqual([done.status, done.attempts, done.result], ['completed', 1, { sent: [1, 'ü'] }]);
  assert.equal((await callBack(id, 'complete', { result: 2 })).status, 409, 'once');
  assert.deepEqual((await rowOf(id)).result, { sent: [1, 'ü'] });
});

test('a token is good for its claim alone: not after the lease, nor for another job, nor changed', async () => {
  await typed('/status/202');
  const [id, other] = [await enqueue(), await enqueue()];
  await run();
  const tokens = Object.fromEntries(stand.receiver.requests.map(({ headers }) => [headers['idempotency-key'], headers['cronward-callback-token']]));
  assert.equal((await callBack(id, 'complete', {}, tokens[other])).status, 401);
  assert.equal((await callBack(id, 'complete', {}, tokens[id].replace(/.$/, (c) => (c === 'A' ? 'E' : 'A')))).status, 401);
  assert.equal((await callBack(id, 'complete', {}, '')).status, 401);
  await stand.db.rows(`UPDATE jobs SET lease_until = clock_timestamp() - interval '1 s', waits_until = clock_timestamp() - interval '1 s'`);
  await run();
  await makeDue();
  await run();
  assert.equal((await callBack(id, 'complete', {}, tokens[id])).status, 409);
  const [row] = await jobsOf(id);
  assert.deepEqual([row.status, row.attempts], ['processing', 1]);
  const fresh = stand.receiver.requests.findLast(({ headers }) => headers['idempotency-key'] === id).headers;
  assert.equal(fresh['cronward-attempt'], '2');
  assert.equal((await callBack(id, 'fail', { error: 'no paper' }, fresh['cronward-callback-token'])).status, 200);
  const failed = await rowOf(id);
  assert.deepEqual([failed.status, failed.attempts, failed.error_message], ['pending', 2, 'no paper']);
});

test('the token is made from WORKER_SECRET_TOKEN, each try has another, and without APP_URL there is no URL', async () => {
  const secret = randomBytes(24).toString('hex');
  await typed('/status/500');
  const id = await enqueue();
  await run({ WORKER_SECRET_TOKEN: secret });
  await makeDue();
  await run({ WORKER_SECRET_TOKEN: secret });
  const tokens = stand.receiver.requests.map(({ headers }) => headers['cronward-callback-token']);
  assert.equal(new Set(tokens).size, 2);
  assert.ok(stand.receiver.requests.every(({ headers }) => !('cronward-callback-url' in headers)));
  assert.equal((await rowOf(id)).attempts, 2);
});

test('202 where nobody could call back, for want of a secret, is as good as 200', async () => {
  const { row } = await post('/status/202', {}, {}, { CRON_SECRET: '', WORKER_SECRET_TOKEN: '' });
  assert.deepEqual([row.status, row.result], ['completed', 'as asked']);
  assert.ok(!('cronward-callback-token' in stand.receiver.requests[0].headers));
});

for (const [at, from, to] of [
  ['/retryafter/7200', 7200, 7920], ['/retryafter/7200/503', 7200, 7920], ['/retryafter/7200/500', 7200, 7920],
  ['/retryafter/5', 60, 66], ['/retryafter/9999999', 86400, 95040], ['/retryafter/soon', 60, 66], ['/retrydate/3000', 2990, 3300],
])
  test(`Retry-After is kept: ${at}`, async () => {
    const { id, row } = await post(at);
    assert.deepEqual([row.status, row.attempts], ['pending', 1]);
    const wait = await waitOf(id);
    assert.ok(wait > from - 5 && wait < to + 1, `again in ${wait} s`);
  });

test('410 fails for good; other 4xx are tried again like any failure', async () => {
  const codes = [410, 400, 401, 404, 408, 422, 429];
  const ids = [];
  for (const code of codes) {
    await typed(`/status/${code}`, { name: `post${code}` });
    ids.push(await enqueue({ job_type: `post${code}` }));
  }
  await run();
  const rows = await jobsOf(...ids);
  assert.deepEqual(rows.map(({ status }) => status), ['failed', ...Array(6).fill('pending')]);
  for (const [i, row] of rows.entries()) {
    assert.equal(row.error_message, `HTTP ${codes[i]}: as asked`);
    assert.equal(row.attempts, 1);
  }
});

test('tries are used up by the schedule of the seed, then the job is a dead letter', async () => {
  await typed('/status/500');
  const id = await enqueue();
  for (const wanted of [60, 120, 240, 480]) {
    await run();
    const wait = await waitOf(id);
    assert.ok(wait > wanted - 5 && wait < wanted * 1.1 + 1, `${wait} s where ${wanted} s are right`);
    await makeDue();
  }
  await run();
  const row = await rowOf(id);
  assert.deepEqual([row.status, row.attempts, row.waits_until], ['failed', 5, null]);
  assert.ok(row.dead_at);
  const logs = await stand.db.rows('SELECT level, message FROM job_logs WHERE job_id = $1 ORDER BY id', [id]);
  assert.equal(logs.length, 5);
  assert.match(logs.at(-1).message, /failed for good: HTTP 500/);
});

test('a redirect is a failure, and its target is not asked', async () => {
  stand.receiver.redirectTo = `http://127.0.0.1:${trap.port}/`;
  const { row } = await post('/redirect/307');
  assert.equal(row.status, 'pending');
  assert.match(row.error_message, /^HTTP 307 \(redirects are not followed\)/);
  assert.equal(trap.connections, 0);
});

test('addresses that are not public, and what is no address, fail for good and see no connection', async () => {
  const targets = [[`http://127.0.0.1:${trap.port}/`, /address 127\.0\.0\.1 is not public/], ['ftp://192.0.2.1/', /neither http nor https/],
    ['http://user:pass@192.0.2.1/', /holds credentials/], ['', /there is no URL/], [`http://x/${'a'.repeat(5000)}`, /longer than 2048/]];
  const ids = [];
  for (const [i, [url]] of targets.entries()) {
    await typed('', { name: `post${i}`, url });
    ids.push(await enqueue({ job_type: `post${i}` }));
  }
  await run();
  for (const [i, row] of (await jobsOf(...ids)).entries()) {
    assert.equal(row.status, 'failed', row.error_message);
    assert.match(row.error_message, targets[i][1]);
  }
  assert.equal(trap.connections, 0);
});

const hostile = [
  ['/hang', /timed out/], ['/reset', /./], ['/drip', /timed out/], ['/half', /closed in the middle/], ['/garbage', /./],
  ['/flood', /headers of the reply/], ['/longheader', /header/], ['/interim', /./], ['/dirty', /^HTTP 500: a/],
];
test('receivers that misbehave end in a row that says so, inside the budget', async () => {
  const ids = [];
  for (const [i, [at]] of hostile.entries()) {
    await typed(at, { name: `post${i}` });
    ids.push(await enqueue({ job_type: `post${i}` }));
  }
  const began = Date.now();
  await run({ JOB_MAX_CONCURRENT: '20' });
  assert.ok(Date.now() - began < 9000, `${Date.now() - began} ms`);
  for (const [i, row] of (await jobsOf(...ids)).entries()) {
    assert.deepEqual([row.status, row.attempts], ['pending', 1], `${hostile[i][0]}: ${row.error_message}`);
    assert.match(row.error_message, hostile[i][1], hostile[i][0]);
  }
});

test('a reply without end is cut at 64 KB and is a result all the same', async () => {
  const { row } = await post('/endless');
  assert.deepEqual([row.status, row.result], ['completed', 'x'.repeat(65536)]);
});

test('what a receiver repeats of secrets is in no row, no log and no output', async () => {
  const secret = newSecret(), token = randomBytes(20).toString('hex');
  stand.receiver.says = (q) => JSON.stringify({ you: q.headers, and: secret });
  const { id, said, row } = await post('/echo', { secret, headers: { authorization: `Bearer ${token}` } }, {}, { LOG_LEVEL: 'debug' });
  const [{ headers }] = stand.receiver.requests;
  assert.match(row.error_message, /^HTTP 500: \{"you":/);
  const logs = await stand.db.rows('SELECT message, data::text FROM job_logs');
  const all = JSON.stringify([row, logs, said, await stand.db.rows('SELECT * FROM cron_job_executions')]);
  for (const hidden of [secret.slice(6), token, headers['webhook-signature'].slice(3), headers['cronward-callback-token'], stand.cronSecret])
    assert.ok(!all.includes(hidden), `${hidden} is repeated for job ${id}`);
});

const keyRing = () => `k1:${randomBytes(32).toString('base64')}`;

test('a plain secret is sealed at first use, and signs as before', async () => {
  const secret = newSecret(), env = { ENCRYPTION_KEYS: keyRing() };
  for (let i = 0; i < 2; i++) {
    if (i === 0) await typed('/ok', { secret });
    await enqueue();
    await run(env);
    assert.match(await stand.db.value(`SELECT secret FROM job_types WHERE job_type = 'post'`), /^cw1\.k1\./);
    assert.equal(refusal(secret, stand.receiver.requests[i].headers, Buffer.from(stand.receiver.requests[i].body)), undefined);
  }
});

test('a key that is missing holds jobs back without a try; a secret that is none fails them', async () => {
  await typed('/ok', { secret: newSecret() });
  const env = { ENCRYPTION_KEYS: keyRing() };
  await stand.cli(['seal', '--all'], { env });
  const id = await enqueue();
  await run({ ENCRYPTION_KEYS: '' });
  const held = await rowOf(id);
  assert.deepEqual([held.status, held.attempts], ['pending', 0]);
  assert.match(held.error_message, /sealed with the key k1, which is not in ENCRYPTION_KEYS/);
  await makeDue();
  await run(env);
  assert.deepEqual([(await rowOf(id)).status, (await rowOf(id)).attempts], ['completed', 1]);

  await typed('/ok', { name: 'wrong', secret: 'whsec_!' });
  const wrong = await enqueue({ job_type: 'wrong' });
  await run();
  assert.deepEqual([(await rowOf(wrong)).status, (await rowOf(wrong)).error_message],
    ['failed', "the type's secret is neither whsec_ and base64 nor a short text"]);
});

test('200 jobs: each is posted once, and no more at a time than is set', async () => {
  const receiver = await Receiver.start();
  await typed('', { url: receiver.url('/slow/20') });
  await stand.db.rows(`INSERT INTO jobs (job_type, payload) SELECT 'post', jsonb_build_object('n', n) FROM generate_series(1, 200) n`);
  await run({ JOB_MAX_CONCURRENT: '8' });
  assert.equal(await stand.db.value(`SELECT count(*)::int FROM jobs WHERE status = 'completed' AND attempts = 1`), 200);
  assert.equal(new Set(receiver.requests.map(({ id, headers }) => id ?? headers['idempotency-key'])).size, 200);
  assert.ok(receiver.inflightMax <= 8, `${receiver.inflightMax} at once`);
  receiver.stop();
});
