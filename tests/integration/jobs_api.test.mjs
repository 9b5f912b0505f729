// /api/jobs and /api/queues: enqueueing, lists, one job and what keeps it, its logs, retry and cancel.
import assert from 'node:assert/strict';
import { after, beforeEach, test } from 'node:test';
import { Jobs } from '../lib/jobs.mjs';
import { random } from '../lib/random.mjs';
import { size } from '../lib/sizes.mjs';
import { many } from '../lib/wait.mjs';

const jobs = await Jobs.create();
const { db } = jobs;
const pool = await jobs.stand.startPool({ size: 3 });
after(() => jobs.end());
beforeEach(async () => {
  await jobs.clear();
  await db.rows('TRUNCATE job_requests, audit_log');
});

const secret = { authorization: `Bearer ${jobs.token}` };
const NOBODY = '0198a000-0000-7000-8000-000000000000';

// A call with the secret; `body` as JSON unless it is a text.
function call(method, url, body, headers = {}) {
  const text = body === undefined || typeof body === 'string' || Buffer.isBuffer(body) ? body ?? '' : JSON.stringify(body);
  return pool.call(method, url, { headers: { ...secret, ...headers }, body: text });
}

async function must(status, method, url, body, headers) {
  const answer = await call(method, url, body, headers);
  assert.equal(answer.status, status, `${method} ${url}: ${answer.body}`);
  if (status >= 400) {
    const code = { 400: 'bad_request', 404: 'not_found', 405: 'method_not_allowed', 409: 'conflict', 413: 'too_large' }[status];
    assert.deepEqual([answer.json.success, answer.json.code, typeof answer.json.error], [false, code, 'string']);
  } else {
    assert.equal(answer.json.success, true);
  }
  return answer.json;
}

const count = () => db.value('SELECT count(*)::int FROM jobs');
const audit = () => db.rows('SELECT actor, action, target, detail FROM audit_log ORDER BY id');
const explain = async (id) => (await must(200, 'GET', `/api/jobs/${id}`)).job.explain;

test('one job or an array of them is enqueued', async () => {
  const one = await must(201, 'POST', '/api/jobs', { type: 'mail', payload: { to: 'a' }, priority: 'high', queue: 'q', max_attempts: 2 });
  assert.deepEqual([typeof one.id, one.isNew], ['string', true]);
  const row = await jobs.job(one.id);
  assert.deepEqual([row.job_type, row.payload, row.priority, row.queue, row.max_attempts, row.status], ['mail', { to: 'a' }, 10, 'q', 2, 'pending']);
  const two = await must(201, 'POST', '/api/jobs', ' [{"type": "a", "unique_key": "k"}, {"job_type": "b"}, {"type": "a", "unique_key": "k"}]');
  assert.deepEqual(two.jobs.map(({ isNew }) => isNew), [true, true, false]);
  assert.equal(two.jobs[0].id, two.jobs[2].id);
  assert.deepEqual((await must(201, 'POST', '/api/jobs', [])).jobs, []);
  assert.equal(await count(), 3);
});

test('jobs of one array may depend on one another', async () => {
  const [a, b] = [NOBODY.replace(/0$/, '1'), NOBODY.replace(/0$/, '2')];
  await must(201, 'POST', '/api/jobs', [{ type: 'x', id: b, depends_on: [a] }, { type: 'x', id: a }]);
  assert.deepEqual([(await jobs.job(a)).status, (await jobs.job(b)).status], ['pending', 'blocked']);
});

test('what is wrong with a job is said, and nothing is enqueued', async () => {
  const wrong = [
    ['', /JSON/], ['{', /JSON/], ['"a"', /object.*array/], ['7', /object/], ['null', /object/], ['{}', /type/], ['[{}]', /jobs\[0\]/],
    ['{"type":"a"} x', /JSON/], ['{"type":"\\u0000"}', /JSON/], ['{"type":"\\ud800"}', /JSON/], [Buffer.from('{"type":"\xff"}', 'latin1'), /JSON/],
    [`${'['.repeat(5000)}`, /JSON/], ['{"type":"a","nope":1}', /nope/], ['[{"type":"a"},7]', /jobs\[1\]/],
    [{ type: {} }, /type/], [[{ type: 'a' }, { type: 7 }], /jobs\[1\]: type/], [{ type: 'a', unique_key: {} }, /unique_key/], [{ type: 'a', queue: [1] }, /queue/],
    [{ type: 'a', priority: 99999 }, /priority/], [{ type: 'a', priority: 'urgent' }, /priority/], [{ type: 'a', max_attempts: 0 }, /max_attempts/],
    [{ type: '' }, /type/], [{ type: 'a'.repeat(201) }, /type/], [{ type: 'a', queue: '' }, /queue/],
    [{ type: 'a', run_at: 'tomorrow-ish' }, /run_at/], [{ type: 'a', run_at: '2026-02-31T00:00:00Z' }, /run_at/],
    [{ type: 'a', timeout_s: 100_000 }, /timeout_s/], [{ type: 'a', depends_on: [NOBODY] }, /depends_on/], [{ type: 'a', depends_on: 'x' }, /depends_on/],
    [{ type: 'a', id: 'x' }, /id/], [{ type: 'a', on_conflict: 'burn' }, /on_conflict/], [{ type: 'a', payload: 1, workspace_id: 'w' }, /workspace_id|payload/],
    [Array(10_001).fill({ type: 'a' }), /10000/],
  ];
  for (const [body, why] of wrong) {
    const { status, json } = await call('POST', '/api/jobs', body);
    assert.deepEqual([status, json.code], [400, 'bad_request'], JSON.stringify(body).slice(0, 100));
    assert.match(json.error, why);
  }
  assert.equal(await count(), 0);
  assert.equal((await must(400, 'POST', '/api/jobs?run=2', { type: 'a' })).code, 'bad_request');
  assert.equal((await must(400, 'POST', '/api/jobs?rum=1', { type: 'a' })).code, 'bad_request');
});

test('a conflict is a 409 with the words of whoever found it', async () => {
  const first = await must(201, 'POST', '/api/jobs', { type: 'a', unique_key: 'u' });
  assert.match((await must(409, 'POST', '/api/jobs', { type: 'a', unique_key: 'u', on_conflict: 'reject' })).error, new RegExp(first.id));
  await must(409, 'POST', '/api/jobs', { type: 'a', id: first.id });
});

test('bodies up to 8 MB are taken, longer ones and other methods are not', async () => {
  const big = { type: 'a', payload: { text: 'x'.repeat(7_900_000) } };
  const { id } = await must(201, 'POST', '/api/jobs', big);
  assert.equal((await must(200, 'GET', `/api/jobs/${id}`)).job.payload.text.length, 7_900_000);
  await must(413, 'POST', '/api/jobs', `{"type":"a","payload":"${'x'.repeat(8 * 1024 * 1024)}"}`);
  await must(413, 'POST', '/api/jobs/retry', `{"error":"${'x'.repeat(65_536)}"}`);
  for (const [method, url] of [['DELETE', '/api/jobs'], ['GET', '/api/jobs/retry/retry'], ['POST', `/api/jobs/${id}`], ['GET', `/api/queues/a/pause`]])
    await must(405, method, url);
  for (const url of ['/api/jobs/a/b', '/api/jobs/a/logs/b', '/api/queues', '/api/queues/a', '/api/queues//pause']) await must(404, 'GET', url);
});

test('nothing is answered without the secret, and refused calls are counted', async () => {
  const routes = [['POST', '/api/jobs'], ['GET', '/api/jobs'], ['POST', '/api/jobs/retry'], ['GET', `/api/jobs/${NOBODY}`], ['GET', `/api/jobs/${NOBODY}/logs`],
    ['POST', `/api/jobs/${NOBODY}/retry`], ['POST', `/api/jobs/${NOBODY}/cancel`], ['POST', '/api/queues/q/pause'], ['POST', '/api/queues/q/resume']];
  for (const [method, url] of routes)
    for (const headers of [{}, { authorization: 'Bearer not-the-secret-of-this' }, { authorization: `Bearer ${jobs.stand.key}` }]) {
      const answer = await pool.call(method, url, { headers, body: '{"type":"a"}' });
      assert.deepEqual([answer.status, answer.json.code, answer.headers['www-authenticate']], [401, 'unauthorized', 'Bearer'], `${method} ${url}`);
    }
  assert.equal(await count(), 0);
});

test('the same Idempotency-Key enqueues once and gets the first reply again', async () => {
  const key = { 'idempotency-key': '"8e03978e-40d5-43e8-bc93-6894a57f9324"' };
  const first = await call('POST', '/api/jobs', { type: 'a' }, key);
  assert.deepEqual([first.status, first.headers['idempotency-replayed']], [201, undefined]);
  const again = await call('POST', '/api/jobs', { type: 'a' }, key);
  assert.deepEqual([again.status, again.body, again.headers['idempotency-replayed']], [201, first.body, 'true']);
  assert.match((await must(409, 'POST', '/api/jobs', { type: 'b' }, key)).error, /another body/);
  assert.equal(await count(), 1);
  // What failed is not kept: the same key may be used for the body as it should have been.
  const other = { 'idempotency-key': 'other' };
  await must(400, 'POST', '/api/jobs', { type: '' }, other);
  await must(201, 'POST', '/api/jobs', { type: 'a' }, other);
  for (const bad of ['', 'a b', 'é', 'x'.repeat(256), 'a\u0001']) await must(400, 'POST', '/api/jobs', { type: 'a' }, { 'idempotency-key': bad });
  await must(201, 'POST', '/api/jobs', { type: 'a' }, { 'idempotency-key': 'x'.repeat(255) });
});

test('fifty calls at once with one key enqueue once', async () => {
  const body = Array.from({ length: 20 }, (_, n) => ({ type: 'a', payload: { n } }));
  const answers = await many(50, 50, () => call('POST', '/api/jobs', body, { 'idempotency-key': 'at-once' }));
  assert.deepEqual([...new Set(answers.map(({ status }) => status))], [201], JSON.stringify(answers.find(({ status }) => status !== 201)));
  assert.equal(new Set(answers.map((one) => one.body)).size, 1);
  assert.equal(answers.filter((one) => one.headers['idempotency-replayed'] === undefined).length, 1);
  assert.equal(await count(), 20);
});

test('10,000 mutated bodies: each is a 201 or a 4xx that says why', async () => {
  const draw = random('bodies');
  // Its bytes, one character each.
  const valid = Buffer.from(JSON.stringify([{ type: 'a', queue: 'q', priority: 'high', run_at: '2026-01-01T00:00:00Z', max_attempts: 3, unique_key: 'u',
    on_conflict: 'keep', concurrency_key: 'c', concurrency_limit: 2, payload: { 'ä': [1, 2.5e3, null, true, '\\u00e9'] }, timeout_s: 5 }])).toString('latin1');
  const pieces = ['"', '{', '}', '[', ']', ',', ':', '\\', '\0', '\\u0000', '\\ud800', '1e999', '-', 'null', 'true', '99999999999999999999', '\xff', '\xc3\xa9', ' ', "'", '"id":"x",', '"depends_on":[],'];
  const mutate = () => {
    let text = valid;
    for (let n = draw.between(1, 4); n > 0; n--) {
      const at = draw.below(text.length + 1);
      text = text.slice(0, at) + draw.pick([draw.pick(pieces), String.fromCharCode(draw.below(256)), '']) + text.slice(at + draw.below(6));
    }
    return Buffer.from(text, 'latin1');
  };
  const seen = new Map();
  await many(size(10_000, 50_000), 3, async () => {
    const body = mutate();
    const answer = await call('POST', '/api/jobs', body);
    seen.set(answer.status, (seen.get(answer.status) ?? 0) + 1);
    assert.ok([201, 400, 409].includes(answer.status), `${answer.status} ${answer.body} for ${body.toString('latin1')}`);
    if (answer.status !== 201) assert.ok(answer.json.error.length > 10);
  });
  assert.ok(seen.get(201) > 0 && seen.get(400) > 0, JSON.stringify([...seen]));
});

test('a walk by cursor sees each of 10,000 jobs once, the newest first, whatever comes meanwhile', async () => {
  // Many of one instant, so that only the id tells them apart.
  await db.rows(`INSERT INTO jobs (job_type, created_at) SELECT 'walk', timestamptz '2026-01-01 00:00:00.123456Z' + (n / 7) * interval '1 ms' FROM generate_series(1, 10000) n`);
  const seen = new Set();
  let last = '9999';
  for (let url = '/api/jobs?limit=200'; url;) {
    const page = await must(200, 'GET', url);
    for (const { id, created_at: at } of page.jobs) {
      assert.ok(!seen.has(id), `twice: ${id}`);
      assert.ok(at <= last, `${at} behind ${last}`);
      seen.add(id);
      last = at;
    }
    if (seen.size === 1000) await db.rows(`INSERT INTO jobs (job_type) SELECT 'later' FROM generate_series(1, 100)`);
    url = page.nextCursor ? `/api/jobs?limit=200&cursor=${page.nextCursor}` : null;
  }
  assert.equal(seen.size, 10_000);
});

test('filters hold alone and together, for whatever index serves them', async () => {
  const w = [NOBODY.replace(/0$/, 'a'), NOBODY.replace(/0$/, 'b')];
  await db.rows(
    `INSERT INTO jobs (job_type, queue, workspace_id, unique_key, created_at, status, waits_until, dead_at)
     SELECT 't' || n % 3, 'q' || n % 2, ($1::uuid[])[1 + n % 2], CASE WHEN n < 20 THEN 'u' || n END,
            timestamptz '2026-03-01Z' + n * interval '1 minute', s.status,
            CASE WHEN s.status IN ('pending', 'blocked', 'processing') THEN clock_timestamp() + interval '1 hour' END,
            CASE WHEN s.status = 'failed' THEN clock_timestamp() END
       FROM generate_series(0, 599) n, LATERAL (SELECT ('{pending,completed,failed,cancelled,blocked,processing}'::text[])[1 + n % 6] AS status) s`, [w]);
  const where = {
    status: [(v) => `status = '${v}'`, 'pending', 'completed', 'failed', 'cancelled', 'blocked', 'processing'],
    type: [(v) => `job_type = '${v}'`, 't1'],
    queue: [(v) => `queue = '${v}'`, 'q1'],
    workspace: [(v) => `workspace_id = '${v}'`, w[1]],
    unique_key: [(v) => `unique_key = '${v}'`, 'u7'],
    created_after: [(v) => `created_at >= '${v}'`, '2026-03-01T02:00:00Z'],
    created_before: [(v) => `created_at < '${v}'`, '2026-03-01T05:00:00+01:00'],
  };
  const draw = random('filters');
  for (let n = 0; n < 150; n++) {
    const chosen = Object.entries(where).filter(() => draw.fraction() < 0.3).map(([name, [condition, ...values]]) => {
      const value = draw.pick(values);
      return { query: `${name}=${encodeURIComponent(value)}`, sql: condition(value) };
    });
    const wanted = (await db.rows(`SELECT id FROM jobs WHERE ${['true', ...chosen.map(({ sql }) => sql)].join(' AND ')} ORDER BY created_at DESC, id DESC`)).map(({ id }) => id);
    const found = [];
    for (let cursor = ''; cursor !== null;) {
      const page = await must(200, 'GET', `/api/jobs?limit=37&${[...chosen.map(({ query }) => query), ...(cursor ? [`cursor=${cursor}`] : [])].join('&')}`);
      found.push(...page.jobs.map(({ id }) => id));
      cursor = page.nextCursor;
    }
    assert.deepEqual(found, wanted, chosen.map(({ query }) => query).join('&'));
  }
});

test('a rare job among many others is found page by page, each bounded', async () => {
  await db.rows(`INSERT INTO jobs (job_type, status, waits_until, created_at) SELECT CASE n WHEN 45000 THEN 'rare' ELSE 'common' END, 'completed', NULL, now() - n * interval '1 s' FROM generate_series(1, 50000) n`);
  const found = [];
  let pages = 0;
  for (let cursor = ''; cursor !== null; pages++) {
    const page = await must(200, 'GET', `/api/jobs?type=rare${cursor ? `&cursor=${cursor}` : ''}`);
    found.push(...page.jobs);
    cursor = page.nextCursor;
  }
  assert.deepEqual([found.length, found[0].job_type, pages], [1, 'rare', 3]);
  // So many that wait that the list of all of them is not made.
  await db.rows(`INSERT INTO jobs (job_type, created_at) SELECT 'waiting', now() - n * interval '1 s' FROM generate_series(1, 21000) n`);
  const page = await must(200, 'GET', '/api/jobs?status=pending&limit=200');
  assert.equal(page.jobs.length, 200);
  assert.deepEqual([...new Set(page.jobs.map(({ status }) => status))], ['pending']);
});

test('what a list does not understand is refused, by name', async () => {
  for (const [query, why] of [['status=done', /status/], ['limit=0', /limit.*1-200/], ['limit=201', /limit/], ['limit=x', /limit/], ['limit=', /limit/],
    ['workspace=7', /workspace/], ['type=', /type/], [`type=${'x'.repeat(201)}`, /type/], ['type=%01', /type/], ['type=%ff', /type/], ['created_after=yesterday', /created_after/],
    ['created_after=2026-01-01T00:00:00+01:00', /%2B/], ['created_before=infinity', /created_before/], ['created_before=2026-13-01', /./], ['cursor=abc', /cursor/],
    [`cursor=${'A'.repeat(31)}+`, /cursor/], [`cursor=${'A'.repeat(33)}`, /cursor/], ['stauts=failed', /parameter 1/], ['type=a&type=b', /more than once/], ['limit=1&limit=1', /more than once/]])
    assert.match((await must(400, 'GET', `/api/jobs?${query}`)).error, why, query);
  // Any 24 bytes are a place; one that is out of time's range is said to be.
  const draw = random('cursors');
  for (let n = 0; n < 500; n++) {
    const { status } = await call('GET', `/api/jobs?cursor=${draw.bytes(24).toString('base64url')}`);
    assert.ok(status === 200 || status === 400, `${status}`);
  }
});

test('a job is told whole, but for its claim token', async () => {
  const { id } = await must(201, 'POST', '/api/jobs', { type: 'x', payload: { deep: [{ n: 1e20 }] }, unique_key: 'u' });
  const token = NOBODY.replace(/^0/, 'e');
  await db.rows(`UPDATE jobs SET claim_token = $2, result = '{"a": 1}', error_message = 'e', error_stack = 's' WHERE id = $1`, [id, token]);
  const answer = await call('GET', `/api/jobs/${id}`);
  const { job } = answer.json;
  const columns = await db.rows(`SELECT attname FROM pg_attribute WHERE attrelid = 'jobs'::regclass AND attnum > 0 AND NOT attisdropped`);
  for (const { attname } of columns) assert.equal(attname in job, !['claim_token', 'is_awaited'].includes(attname), attname);
  assert.ok(!answer.body.includes(token));
  assert.deepEqual([job.payload, job.result, job.unique_key, job.error_stack], [{ deep: [{ n: 1e20 }] }, { a: 1 }, 'u', 's']);
  for (const name of ['run_at', 'created_at', 'updated_at', 'waits_until']) assert.match(job[name], /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  await must(404, 'GET', `/api/jobs/${NOBODY}`);
  for (const odd of ['x', "'; DROP TABLE jobs; --", '%00', 'é', '..', `${id}x`]) await must(404, 'GET', `/api/jobs/${odd}`);
});

test('explain says why a job does not run, for each reason', async () => {
  await jobs.type('known', 'http', 'http://127.0.0.2/');
  const add = (more) => jobs.add('known', more);
  const state = async (id, wanted, reason) => {
    const told = await explain(id);
    assert.equal(told.state, wanted, JSON.stringify(told));
    assert.match(told.reason, reason);
    return told.detail;
  };
  const due = await add({});
  assert.equal((await state(due, 'due', /waits for the next run/)).last_run, null);
  await jobs.run();
  const again = await add({});
  const { last_run: lastRun } = await state(again, 'due', /waits/);
  assert.match(lastRun.status, /success|failure|partial/);
  const later = await add({ run_at: '2999-01-01', waits_until: '2999-01-01' });
  assert.equal((await state(later, 'not_due', /2999-01-01T00:00:00/)).due_at, '2999-01-01T00:00:00.000Z');
  await db.rows(`UPDATE jobs SET attempts = 2, error_message = 'HTTP 500', waits_until = clock_timestamp() + interval '1 hour' WHERE id = $1`, [later]);
  assert.equal((await state(later, 'not_due', /try 2 of 5 failed: HTTP 500$/)).last_error, 'HTTP 500');
  await state(await jobs.add('unknown'), 'type_unknown', /job_types/);
  await must(200, 'POST', '/api/queues/halted/pause');
  assert.equal((await state(await add({ queue: 'halted' }), 'queue_paused', /paused since \d{4}/)).queue, 'halted');
  const { id: blocked } = await must(201, 'POST', '/api/jobs', { type: 'known', depends_on: [later] });
  assert.deepEqual((await state(blocked, 'blocked', /1 other job/)).blocked_by, [{ id: later, status: 'pending' }]);
  const holder = await add({ concurrency_key: 'key' });
  await db.rows(`INSERT INTO job_slots VALUES ('key', 1, $1)`, [holder]);
  const line = await add({ concurrency_key: 'key' });
  assert.deepEqual(await state(line, 'key_held', /at once: 1/), { key: 'key', limit: 1, held_by: [holder] });
  await db.rows(`UPDATE jobs SET waits_until = 'infinity' WHERE id = $1`, [line]);
  assert.deepEqual((await state(line, 'key_held', /key/)).held_by, [holder]);
  const leased = (interval, more = '') => `UPDATE jobs SET status = 'processing', claim_token = gen_random_uuid(), started_at = clock_timestamp(), lease_until = clock_timestamp() + interval '${interval}' ${more} WHERE id = $1`;
  const running = await add({});
  await db.rows(leased('1 minute'), [running]);
  assert.equal((await state(running, 'running', /lease lasts until/)).run, null);
  await db.rows(`INSERT INTO cron_locks (name, holder, acquired_at, expires_at) VALUES ('job-queue', $1, clock_timestamp() - interval '1 minute', clock_timestamp() + interval '1 minute')
    ON CONFLICT (name) DO UPDATE SET holder = EXCLUDED.holder, acquired_at = EXCLUDED.acquired_at, expires_at = EXCLUDED.expires_at`, [NOBODY]);
  assert.equal((await state(running, 'running', /under way/)).run, NOBODY);
  await db.rows(`UPDATE cron_locks SET holder = NULL`);
  const awaited = await add({});
  await db.rows(leased('1 minute', ', awaits_callback = true'), [awaited]);
  await state(awaited, 'awaiting_callback', /call back by/);
  await must(200, 'POST', `/api/jobs/${awaited}/cancel`);
  await state(awaited, 'cancelling', /asked to stop/);
  const lost = await add({});
  await db.rows(leased('-1 s'), [lost]);
  await state(lost, 'lease_over', /ran out/);
  const [done, dead] = [await add({}), await add({})];
  await db.rows(`UPDATE jobs SET status = 'completed', attempts = 1, waits_until = NULL, completed_at = clock_timestamp() WHERE id = $1`, [done]);
  await db.rows(`UPDATE jobs SET status = 'failed', waits_until = NULL, dead_at = clock_timestamp(), error_message = 'it broke' WHERE id = $1`, [dead]);
  await state(done, 'completed', /try 1 of 5/);
  assert.equal((await state(dead, 'failed', /it broke/)).error, 'it broke');
  await must(200, 'POST', `/api/jobs/${again}/cancel`);
  await state(again, 'cancelled', /was cancelled at/);
  for (const status of ['processing', 'blocked']) {
    const foreign = await db.value(`INSERT INTO jobs (job_type, status) VALUES ('known', $1) RETURNING id`, [status]);
    assert.deepEqual(await state(foreign, 'not_queued', new RegExp(`inserted as ${status}, .*waits_until = now\\(\\)`)), { status });
    await db.rows('UPDATE jobs SET waits_until = now() WHERE id = $1', [foreign]);
    await jobs.run();
    await state(foreign, 'not_due', /try 1 of 5 failed/);
  }
});

test('logs come in their order, page by page', async () => {
  const id = await jobs.add('x');
  await db.rows(`INSERT INTO job_logs (job_id, level, message, data) SELECT $1, 'info', 'line ' || n, jsonb_build_object('n', n) FROM generate_series(1, 450) n`, [id]);
  await db.rows(`INSERT INTO job_logs (job_id, message) VALUES (gen_random_uuid(), 'of another')`);
  const seen = [];
  for (let cursor = ''; cursor !== null;) {
    const page = await must(200, 'GET', `/api/jobs/${id}/logs?limit=200${cursor ? `&cursor=${cursor}` : ''}`);
    seen.push(...page.logs);
    cursor = page.nextCursor;
  }
  assert.deepEqual(seen.map(({ data }) => data.n), Array.from({ length: 450 }, (_, n) => n + 1));
  assert.deepEqual(Object.keys(seen[0]), ['id', 'level', 'message', 'data', 'created_at']);
  assert.deepEqual((await must(200, 'GET', `/api/jobs/${await jobs.add('x')}/logs`)).logs, []);
  await must(404, 'GET', `/api/jobs/${NOBODY}/logs`);
  for (const query of ['limit=0', 'limit=1001', 'cursor=x', 'cursor=-1', 'page=2']) await must(400, 'GET', `/api/jobs/${id}/logs?${query}`);
});

test('what failed or was cancelled is tried again, with all its tries', async () => {
  const id = await jobs.add('x', { status: 'failed', waits_until: null });
  await db.rows(`UPDATE jobs SET attempts = 5, dead_at = clock_timestamp(), error_message = 'e' WHERE id = $1`, [id]);
  assert.deepEqual(await must(200, 'POST', `/api/jobs/${id}/retry`), { success: true, id, status: 'pending', cancel_requested: false });
  const row = await jobs.job(id);
  assert.deepEqual([row.status, row.attempts, row.dead_at, row.error_message], ['pending', 0, null, null]);
  assert.ok(row.waits_until <= new Date(Date.now() + 1000));
  assert.match((await must(409, 'POST', `/api/jobs/${id}/retry`)).error, /not ended/);
  await db.rows(`UPDATE jobs SET status = 'completed', waits_until = NULL WHERE id = $1`, [id]);
  assert.match((await must(409, 'POST', `/api/jobs/${id}/retry`)).error, /completed/);
  await must(404, 'POST', `/api/jobs/${NOBODY}/retry`);
  await must(404, 'POST', '/api/jobs/seven/retry');
  await must(400, 'POST', `/api/jobs/${id}/retry`, { force: true });
  const told = await audit();
  assert.deepEqual(told.map(({ action, target }) => [action, target]), [['job.retry', id]]);
  assert.match(told[0].actor, /^api: 127\.0\.0\.1/);
});

test('a retry minds the unique key and the dependencies', async () => {
  const dead = { status: 'failed', waits_until: null };
  const old = await jobs.add('x', { ...dead, unique_key: 'u' });
  await jobs.add('x', { unique_key: 'u' });
  assert.match((await must(409, 'POST', `/api/jobs/${old}/retry`)).error, /unique_key/);
  const { jobs: [first, second] } = await must(201, 'POST', '/api/jobs', [{ type: 'x', id: NOBODY }, { type: 'x', depends_on: [NOBODY] }]);
  await db.rows(`UPDATE jobs SET status = 'failed' WHERE id = $1`, [first.id]);
  assert.deepEqual((await db.rows('SELECT status FROM jobs WHERE id = ANY ($1)', [[first.id, second.id]])).map(({ status }) => status), ['failed', 'failed']);
  assert.match((await must(409, 'POST', `/api/jobs/${second.id}/retry`)).error, new RegExp(`dependency ${first.id} is failed`));
  await must(200, 'POST', `/api/jobs/${first.id}/retry`);
  assert.equal((await must(200, 'POST', `/api/jobs/${second.id}/retry`)).status, 'blocked');
  await db.rows(`UPDATE jobs SET status = 'completed' WHERE id = $1`, [first.id]);
  assert.equal((await jobs.job(second.id)).status, 'pending');
});

test('a waiting job is cancelled, a running one is asked to stop, an ended one is left alone', async () => {
  const id = await jobs.add('x', { waits_until: '2999-01-01' });
  assert.deepEqual(await must(200, 'POST', `/api/jobs/${id}/cancel`), { success: true, id, status: 'cancelled', cancel_requested: false });
  const row = await jobs.job(id);
  assert.deepEqual([row.status, row.waits_until, row.completed_at !== null], ['cancelled', null, true]);
  assert.equal((await must(200, 'POST', `/api/jobs/${id}/cancel`)).status, 'cancelled');
  const running = await jobs.add('x');
  await db.rows(`UPDATE jobs SET status = 'processing', claim_token = gen_random_uuid(), lease_until = clock_timestamp() + interval '1 minute' WHERE id = $1`, [running]);
  for (let n = 0; n < 2; n++) {
    const reply = await must(200, 'POST', `/api/jobs/${running}/cancel`);
    assert.deepEqual([reply.status, reply.cancel_requested], ['processing', true]);
  }
  assert.ok((await jobs.job(running)).cancel_requested_at);
  const done = await jobs.add('x', { status: 'completed', waits_until: null });
  assert.match((await must(409, 'POST', `/api/jobs/${done}/cancel`)).error, /completed/);
  await must(404, 'POST', `/api/jobs/${NOBODY}/cancel`);
  assert.equal((await audit()).filter(({ action }) => action === 'job.cancel').length, 4);
});

test('all that failed and fit are tried again, and no others', async () => {
  await db.rows(
    `INSERT INTO jobs (job_type, queue, status, waits_until, dead_at, error_message)
     SELECT 't' || n % 2, 'q' || n % 5, 'failed', NULL, timestamptz '2026-01-01Z' + n * interval '1 minute', CASE WHEN n % 3 = 0 THEN 'HTTP 500: oh' ELSE 'timed out' END
       FROM generate_series(0, 2999) n`);
  const left = () => db.value(`SELECT count(*)::int FROM jobs WHERE status = 'failed'`);
  assert.deepEqual(await must(200, 'POST', '/api/jobs/retry', { type: 't1', queue: 'q3', error: 'HTTP 5' }), { success: true, retried: 100, skipped: 0, more: false });
  assert.equal(await left(), 2900);
  assert.deepEqual(await must(200, 'POST', '/api/jobs/retry', { failed_after: '2026-01-01T00:00:00Z', failed_before: '2026-01-01T01:00:00Z' }), { success: true, retried: 58, skipped: 0, more: false });
  const limited = await must(200, 'POST', '/api/jobs/retry', { limit: 700, status: 'failed' });
  assert.deepEqual([limited.retried, limited.more], [700, true]);
  const rest = await must(200, 'POST', '/api/jobs/retry', { limit: 10_000 });
  assert.deepEqual([rest.retried, rest.more, await left()], [2142, false, 0]);
  assert.equal((await must(200, 'POST', '/api/jobs/retry')).retried, 0);
  const told = await audit();
  assert.equal(told.reduce((sum, { detail }) => sum + detail.count, 0), 3000);
  assert.deepEqual(told[0].detail.filter, { type: 't1', queue: 'q3', error: 'HTTP 5' });
  for (const [body, why] of [[{ status: 'completed' }, /failed/], [{ limit: 0 }, /limit/], [{ limit: 10_001 }, /limit/], [{ limit: '5' }, /limit/], [{ type: 7 }, /type/],
    [{ workspace: 'w' }, /workspace/], [{ failed_after: 'noon' }, /failed_after/], [{ error: '' }, /error/], [{ typ: 'a' }, /typ/], [[], /object/], ['7', /object/], ['{', /JSON/]])
    assert.match((await must(400, 'POST', '/api/jobs/retry', body)).error, why);
});

test('of a bulk retry those that cannot be tried again are skipped', async () => {
  const dead = { status: 'failed', waits_until: null, dead_at: '2026-01-01' };
  await jobs.addMany('x', 3, { ...dead, unique_key: 'u' });
  await jobs.add('x', dead);
  assert.deepEqual(await must(200, 'POST', '/api/jobs/retry', {}), { success: true, retried: 2, skipped: 2, more: false });
  assert.equal(await db.value(`SELECT count(*)::int FROM jobs WHERE unique_key = 'u' AND waits_until IS NOT NULL`), 1);
});

test('a queue pauses and goes on, and need not have had a job', async () => {
  const { queue } = await must(200, 'POST', '/api/queues/mail.out/pause');
  assert.deepEqual([queue.name, queue.paused], ['mail.out', true]);
  assert.equal((await must(200, 'POST', '/api/queues/mail.out/pause')).queue.paused_at, queue.paused_at);
  assert.deepEqual((await must(200, 'POST', '/api/queues/mail.out/resume')).queue, { name: 'mail.out', paused: false, paused_at: null });
  await must(200, 'POST', '/api/queues/é x/pause');
  await must(400, 'POST', `/api/queues/${'x'.repeat(201)}/pause`);
  await must(400, 'POST', '/api/queues/\u0001/pause');
  assert.deepEqual((await audit()).map(({ action, target }) => `${action} ${target}`),
    ['queue.pause mail.out', 'queue.pause mail.out', 'queue.resume mail.out', 'queue.pause é x']);
});

test('what goes wrong in the database stays inside', async () => {
  await db.rows('ALTER TABLE job_queues RENAME TO elsewhere');
  try {
    const answer = await call('POST', '/api/queues/q/pause');
    assert.deepEqual([answer.status, answer.json.code], [503, 'not_configured']);
    await db.rows(`CREATE FUNCTION boom() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE 'host 10.1.2.3 says no'; END$$`);
    await db.rows('CREATE TRIGGER boom BEFORE INSERT ON audit_log FOR EACH ROW EXECUTE FUNCTION boom()');
    const inside = await call('POST', `/api/jobs/${await jobs.add('x')}/cancel`);
    assert.deepEqual([inside.status, inside.json.code], [500, 'internal']);
    assert.ok(!inside.body.includes('10.1.2.3'));
  } finally {
    await db.rows('ALTER TABLE elsewhere RENAME TO job_queues');
    await db.rows('DROP TRIGGER IF EXISTS boom ON audit_log');
  }
});
