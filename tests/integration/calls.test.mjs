// Calls that are wrong, each with the contract's status and code, straight at the pool's socket.
// What nginx refuses is in site.test.mjs.
import assert from 'node:assert/strict';
import { chmodSync, renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, test } from 'node:test';
import { tempFolder } from '../lib/clean.mjs';
import { callParams, encodeRequest, exchange, parseCgi, decodeAnswer } from '../lib/fcgi.mjs';
import { Pool } from '../lib/pool.mjs';
import { random } from '../lib/random.mjs';
import { ROUTE, Stand } from '../lib/stand.mjs';
import { many, until } from '../lib/wait.mjs';

const stand = await Stand.create();
const pool = await stand.startPool({ size: 3 });
after(() => stand.end());

const RETRY = ROUTE['webhook-retry'];
const workers = Object.values(ROUTE);

function assertError(answer, status, code) {
  assert.equal(answer.status, status, answer.body);
  assert.equal(answer.json?.code, code, answer.body);
  assert.deepEqual([answer.json.success, typeof answer.json.error], [false, 'string']);
  assert.ok('run' in answer.json);
  assert.match(answer.headers['content-type'], /^application\/json/);
  assert.equal(answer.headers['cache-control'], 'no-store');
  assert.equal(Number(answer.headers['content-length']), Buffer.byteLength(answer.body));
  assert.ok(answer.body.length < 4096);
  assert.equal(answer.stderr, '', 'nothing goes through the error stream: nginx would log it with the query');
}

const executions = () => stand.db.value('SELECT count(*)::int FROM cron_job_executions');

test('GET and POST run a worker alike, with either header, in any case of the scheme', async () => {
  for (const route of workers) {
    for (const method of ['GET', 'POST']) {
      for (const headers of [
        { authorization: `Bearer ${stand.key}` }, { authorization: `bearer ${stand.key}` }, { authorization: `BEARER ${stand.key}` },
        { 'x-cron-secret': stand.key }, { authorization: `Bearer ${stand.key}`, 'x-cron-secret': stand.key },
      ]) {
        const answer = await pool.call(method, route, { headers });
        assert.equal(answer.status, 200, `${method} ${route} ${JSON.stringify(headers)}: ${answer.body}`);
      }
    }
  }
});

test('a trailing slash is the same route, and there is no redirect', async () => {
  const answer = await pool.call('POST', `${RETRY}/`, { headers: { authorization: `Bearer ${stand.key}` } });
  assert.deepEqual([answer.status, answer.json.retried], [200, 0]);
});

test('an empty body is valid with any Content-Type, and so is a body that nobody reads', async () => {
  for (const [type, body] of [['application/json', ''], ['text/plain', ''], ['', ''], ['application/json', '{}'], ['x/y', 'anything']]) {
    const answer = await pool.call('POST', RETRY,
      { headers: { authorization: `Bearer ${stand.key}` }, body, params: { CONTENT_TYPE: type } });
    assert.equal(answer.status, 200, `${type} ${body}: ${answer.body}`);
  }
});

const wrongSecrets = (key) => {
  const flipped = String.fromCharCode(key.charCodeAt(0) ^ 1) + key.slice(1);
  return [
    {}, { authorization: '' }, { authorization: 'Bearer' }, { authorization: 'Bearer ' }, { authorization: 'Basic eDp5' },
    { authorization: key }, { authorization: `Token ${key}` }, { authorization: `Bearer${key}` }, { authorization: `Bearer ${key}x` },
    { authorization: `Bearer x${key}` }, { authorization: `Bearer ${key.slice(0, -1)}` }, { authorization: `Bearer ${flipped}` },
    { authorization: `Bearer ${key.slice(0, -1)}\u00e9` }, { authorization: `Bearer ${'é'.repeat(200)}` },
    { authorization: `Bearer ${'a'.repeat(4096)}` }, { authorization: `Bearer ${'a'.repeat(30_000)}` },
    { authorization: `Bearer ${key} ${key}` }, { authorization: `Bearer ${key.toUpperCase()}` },
    { 'x-cron-secret': flipped }, { 'x-cron-secret': '' },
    { authorization: `Bearer ${key}`, 'x-cron-secret': flipped }, { authorization: `Bearer ${flipped}`, 'x-cron-secret': key },
    { authorization: `Bearer ${stand.cronSecret}` },
  ];
};
test('wrong, missing, differing, overlong and non-ASCII secrets: 401, the same words each time', async () => {
  const before = await executions();
  const bodies = new Set();
  for (const route of workers) {
    for (const headers of wrongSecrets(stand.key)) {
      const answer = await pool.call('POST', route, { headers });
      assertError(answer, 401, 'unauthorized');
      assert.equal(answer.headers['www-authenticate'], 'Bearer');
      assert.equal(answer.headers['x-cron-outcome'], 'denied');
      bodies.add(answer.body);
    }
  }
  assert.equal(bodies.size, 1);
  assert.equal(await executions(), before);
});

test('two Authorization headers that differ are refused; the same twice is not', async () => {
  const twice = (first, second) => exchange(pool.socket, encodeRequest(
    [...callParams('POST', RETRY, { headers: { authorization: `Bearer ${first}` } }), ['HTTP_AUTHORIZATION', `Bearer ${second}`]]));
  const other = 'a-secret-of-somebody-else';
  for (const [first, second, status] of [[stand.key, other, 401], [other, stand.key, 401], [stand.key, stand.key, 200]]) {
    const got = await twice(first, second);
    assert.equal(parseCgi(decodeAnswer(got.bytes).stdout).status, status);
  }
});

test('random secrets of all lengths: none is accepted', async () => {
  const draw = random('secrets');
  const statuses = await many(1000, 3, async (i) => {
    const secret = draw.bytes(i * 4 % 4097).toString('latin1').replaceAll('\0', '0');
    return (await pool.call('POST', RETRY, { headers: { 'x-cron-secret': secret } })).status;
  });
  assert.deepEqual([...new Set(statuses)], [401]);
});

test('?secret= opens no worker route', async () => {
  assertError(await pool.call('POST', `${RETRY}?secret=${stand.key}`), 401, 'unauthorized');
});

test('paths that are no routes: 404', async () => {
  for (const at of ['/', '/api', '/api/workers', '/api/workers/', '/api/workers/webhookretry', '/api/workers/webhookRetry/x', `/x${RETRY}`,
    '//api/workers/webhookRetry', '/api/workers/%77ebhookRetry', '/api/workers/webhookRetry%00', '/api/workers/../workers/webhookRetry',
    '/healthz/x', `/${'a'.repeat(300)}`, `/${'a'.repeat(9000)}`, '/api/cron/executions', '/api/cron/executions/', '', '/\u0001', '/é']) {
    assertError(await pool.call('GET', at, { headers: { authorization: `Bearer ${stand.key}` } }), 404, 'not_found');
  }
});

test('other methods: 405 with Allow, and nothing runs', async () => {
  const before = await executions();
  for (const method of ['PUT', 'DELETE', 'PATCH', 'OPTIONS', 'HEAD', 'TRACE', 'CONNECT', 'get', 'POSTS', 'X'.repeat(300), '', 'GET ']) {
    const answer = await pool.call(method, RETRY, { headers: { authorization: `Bearer ${stand.key}` } });
    assert.equal(answer.status, 405, method);
    assert.equal(answer.headers.allow, 'GET, POST');
    assertError(answer, 405, 'method_not_allowed');
  }
  const health = await pool.call('POST', '/healthz');
  assert.deepEqual([health.status, health.headers.allow], [405, 'GET']);
  assert.equal(await executions(), before);
});

test('a body over 64 KB: 413, whether or not it says so', async () => {
  const headers = { authorization: `Bearer ${stand.key}` };
  for (const size of [65_537, 1_048_576])
    assertError(await pool.call('POST', RETRY, { headers, body: Buffer.alloc(size, 'x') }), 413, 'too_large');
  assert.equal((await pool.call('POST', RETRY, { headers, body: Buffer.alloc(65_536, 'x') })).status, 200);
  assertError(await pool.call('POST', RETRY, { headers, params: { CONTENT_LENGTH: '99999999999' } }), 413, 'too_large');
});

test('a body that is not as long as it says: 400, and nothing runs', async () => {
  const before = await executions();
  const headers = { authorization: `Bearer ${stand.key}` };
  for (const [body, length] of [['abc', '6'], ['abcdef', '3'], ['abc', 'three'], ['abc', '-3'], ['abc', ''], ['', '1'], ['abc', '3.0'], ['abc', '+3']])
    assertError(await pool.call('POST', RETRY, { headers, body, params: { CONTENT_LENGTH: length } }), 400, 'bad_request');
  assert.equal(await executions(), before);
});

test('garbage in the query: 400 that says what is wrong; unknown parameters are nobody\'s business', async () => {
  const headers = { authorization: `Bearer ${stand.key}` };
  for (const query of ['?busy=%', '?busy=%zz', '?%zz=1', '?busy=%00', '?busy=1', '?busy=200&busy=200', '?busy=200&busy=1', '?busy=',
    `?${'a'.repeat(2000)}`, `?${'a=b&'.repeat(100)}`]) {
    const answer = await pool.call('POST', RETRY + query, { headers });
    assertError(answer, 400, 'bad_request');
    assert.ok(answer.json.error.length > 20, answer.json.error);
  }
  for (const query of ['?', '?&&', '?x=y', '?cjo=1700000000', '?busy=200', '?=', '?x=%C3%A9+z'])
    assert.equal((await pool.call('POST', RETRY + query, { headers })).status, 200, query);
});

test('an execution can be read with its worker\'s secret, and with no other', async () => {
  const { json } = await stand.call('webhook-retry');
  const at = `/api/cron/executions/${json.run.id}`;
  const answer = await pool.call('GET', at, { headers: { authorization: `Bearer ${stand.key}` } });
  assert.equal(answer.status, 200, answer.body);
  assert.deepEqual([answer.json.id, answer.json.worker, answer.json.status, answer.json.counts.processed], [json.run.id, 'webhook-retry', 'success', 0]);
  assert.match(answer.json.startedAt, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  assertError(await pool.call('GET', at), 401, 'unauthorized');
  assertError(await pool.call('GET', at, { headers: { authorization: `Bearer ${stand.cronSecret}` } }), 401, 'unauthorized');
  for (const id of ['00000000-0000-4000-8000-000000000000', 'x', "' OR 1=1 --", `${json.run.id}/x`])
    assertError(await pool.call('GET', `/api/cron/executions/${id}`, { headers: { authorization: `Bearer ${stand.key}` } }), 404, 'not_found');
  assertError(await pool.call('POST', at, { headers: { authorization: `Bearer ${stand.key}` } }), 405, 'method_not_allowed');
});

test('health touches nothing, readiness asks the database', async () => {
  assert.equal((await pool.call('GET', '/healthz')).status, 200);
  assert.equal((await pool.call('GET', '/readyz')).status, 200);
});

test('a call that waited too long in the queue: 503 unavailable, and nothing runs', async () => {
  const before = await executions();
  const answer = await stand.call('webhook-retry', { params: { REQUEST_MSEC: (Date.now() / 1000 - 6).toFixed(3) } });
  assertError(answer, 503, 'unavailable');
  assert.ok(Number(answer.headers['retry-after']) > 0);
  assert.equal(await executions(), before);
  assert.equal((await pool.call('GET', '/healthz', { params: { REQUEST_MSEC: (Date.now() / 1000 - 6).toFixed(3) } })).status, 200);
});

for (const [what, env, closed, open] of [
  ['unset secrets', { CRON_JOB_API_KEY: '', CRON_SECRET: '' }, true, ''],
  ['a short secret', { CRON_JOB_API_KEY: 'short', CRON_SECRET: '' }, true, 'short'],
  ['15 characters', { CRON_JOB_API_KEY: '123456789012345', CRON_SECRET: '' }, true, '123456789012345'],
  ['16 characters', { CRON_JOB_API_KEY: '1234567890123456', CRON_SECRET: '' }, false, '1234567890123456'],
  ['only CRON_SECRET', { CRON_JOB_API_KEY: '', CRON_SECRET: 'fallback-is-long-enough' }, false, 'fallback-is-long-enough'],
  ['a short key beside a good CRON_SECRET', { CRON_JOB_API_KEY: 'short', CRON_SECRET: 'fallback-is-long-enough' }, true, 'short'],
]) {
  test(`${what}: the routes are ${closed ? 'closed with 503 not_configured' : 'open to that secret'}`, async (t) => {
    const other = await Pool.start({ env: stand.env(env), size: 1 });
    t.after(() => other.stop());
    const answer = await other.call('POST', RETRY, { headers: { authorization: `Bearer ${open}` } });
    if (closed) {
      assertError(answer, 503, 'not_configured');
      assertError(await other.call('POST', RETRY), 503, 'not_configured');
      assert.match(other.log(), /CRON_JOB_API_KEY|CRON_SECRET/, 'the start-up log says why');
      if (open) assert.ok(!other.log().includes(`${open} `) || open === 'short', 'and not what it was');
    } else {
      assert.equal(answer.status, 200, answer.body);
    }
  });
}

test('secrets in files rotate without a restart; the previous one stays good while it is named', async (t) => {
  const folder = tempFolder('secrets');
  const file = (name) => path.join(folder, name);
  const put = (name, text) => {
    writeFileSync(`${file(name)}.new`, text);
    chmodSync(`${file(name)}.new`, 0o644);
    renameSync(`${file(name)}.new`, file(name));
  };
  put('key', 'the-first-secret-of-all\n');
  put('previous', 'an-even-older-secret\n');
  const other = await Pool.start({
    env: { ...stand.env({ CRON_JOB_API_KEY: '', CRON_SECRET: '' }), CRON_JOB_API_KEY_FILE: file('key'), CRON_JOB_API_KEY_PREVIOUS_FILE: file('previous') },
    size: 2,
  });
  t.after(() => other.stop());
  const status = async (secret) => (await other.call('POST', RETRY, { headers: { authorization: `Bearer ${secret}` }, query: '?busy=200' })).status;
  assert.equal(await status('the-first-secret-of-all'), 200);
  assert.equal(await status('an-even-older-secret'), 200);
  put('previous', 'the-first-secret-of-all\n');
  put('key', 'the-second-secret-of-all\n');
  for (let i = 0; i < 4; i++) {
    assert.notEqual(await status('the-second-secret-of-all'), 401);
    assert.notEqual(await status('the-first-secret-of-all'), 401);
    assert.equal(await status('an-even-older-secret'), 401, 'retired at once');
  }
});

test('20 rotations under calls: none is refused', async (t) => {
  const folder = tempFolder('secrets');
  const put = (name, text) => {
    writeFileSync(path.join(folder, `${name}.new`), text, { mode: 0o644 });
    renameSync(path.join(folder, `${name}.new`), path.join(folder, name));
  };
  put('key', 'secret-number-0-of-many');
  put('previous', 'secret-number-0-of-many');
  const other = await Pool.start({
    env: { ...stand.env({ CRON_JOB_API_KEY: '', CRON_SECRET: '' }),
      CRON_JOB_API_KEY_FILE: path.join(folder, 'key'), CRON_JOB_API_KEY_PREVIOUS_FILE: path.join(folder, 'previous') },
    size: 2,
  });
  t.after(() => other.stop());
  let current = 'secret-number-0-of-many';
  const refused = [];
  for (let i = 1; i <= 20; i++) {
    put('previous', current);
    put('key', `secret-number-${i}-of-many`);
    const answers = await many(20, 2, async (n) => {
      const secret = n % 2 ? current : `secret-number-${i}-of-many`;
      return other.call('GET', '/api/cron/executions/00000000-0000-4000-8000-000000000000', { headers: { authorization: `Bearer ${secret}` } });
    });
    refused.push(...answers.filter((answer) => answer.status !== 404));
    current = `secret-number-${i}-of-many`;
  }
  assert.deepEqual(refused.map((answer) => answer.body), []);
});

test('a database that cannot be reached: 503 database_unavailable with Retry-After, liveness unharmed', async (t) => {
  const other = await Pool.start({ env: stand.env({ DATABASE_URL: 'postgresql://nobody@/nothing?host=/nonexistent&password=hush-hush-hush' }), size: 1 });
  t.after(() => other.stop());
  const answer = await stand.call('webhook-retry', { pool: other });
  assertError(answer, 503, 'database_unavailable');
  assert.ok(Number(answer.headers['retry-after']) > 0);
  assert.ok(!answer.body.includes('nonexistent'), 'the outside learns no host names');
  assertError(await other.call('GET', '/readyz'), 503, 'database_unavailable');
  assert.equal((await other.call('GET', '/healthz')).status, 200);
  assert.ok(!other.log().includes('hush-hush-hush'), 'no password in the log');
});

test('a defect of ours: 500 internal, with the run in the reply and the reason in the log alone', async (t) => {
  const broken = await Stand.create();
  t.after(() => broken.end());
  await broken.startPool({ size: 1 });
  await broken.endpoint('/ok/never');
  await broken.enqueue(1);
  await broken.db.rows('ALTER TABLE webhook_attempts ADD CONSTRAINT hush_hush CHECK (attempt < 0)');
  const answer = await broken.call('webhook-retry');
  assertError(answer, 500, 'internal');
  assert.ok(answer.json.run.id);
  assert.ok(!answer.body.includes('hush_hush'), 'the outside learns nothing of the schema');
  assert.match(broken.pool.log(), new RegExp(`${answer.json.run.id}.*23514`));
  const execution = await broken.execution(answer.json.run.id);
  assert.equal(execution.status, 'failure');
  assert.ok(execution.error_message);
});

test('a schema that is older than the program: readiness says so', async (t) => {
  const bare = await Stand.create({ empty: true });
  t.after(() => bare.end());
  await bare.startPool({ size: 1 });
  assertError(await bare.pool.call('GET', '/readyz'), 503, 'not_configured');
});

test('refused calls are counted per route and minute, in at most one write per process and 10 s', async () => {
  await stand.db.rows('DELETE FROM cron_denied');
  for (let i = 0; i < 30; i++) await pool.call('POST', RETRY, { headers: { authorization: 'Bearer wrong' } });
  await until(async () => await stand.db.value(
    `SELECT COALESCE(sum(calls), 0)::int FROM cron_denied WHERE route = $1 AND code = 'unauthorized'`, [RETRY]) >= 30,
  { what: 'refusals to be written', timeoutMs: 15_000, everyMs: 100 });
});

test('no secret is in the log, the environment or the arguments of any process', async () => {
  await pool.call('POST', `${RETRY}?secret=${stand.key}`, { headers: { authorization: `Bearer ${stand.key}wrong` } });
  assert.ok(!pool.log().includes(stand.key));
  const { readFileSync } = await import('node:fs');
  for (const pid of pool.processes()) {
    assert.ok(!readFileSync(`/proc/${pid}/environ`, 'utf8').includes(stand.key), 'wiped from the environment');
    assert.ok(!readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(stand.key));
  }
});

test('each call has one line in the log', () => {
  const lines = pool.log().split('\n').filter((line) => line.includes('event=call'));
  assert.ok(lines.length > 100);
  for (const line of lines) assert.match(line, /^ts=\S+ level=\w+ pid=\d+ event=call route=\S+ (method=(\w+|"[^"]*") )?status=\d+ code=/);
});
