// The statements of sql/job_queue.sql, called as the engine calls them, but one by one and from
// several claimers at once: lanes, leases, slots of keys, and how a job ends.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, beforeEach, test } from 'node:test';
import { Stand } from '../lib/stand.mjs';
import { statements } from '../lib/statements.mjs';

const START = -62135596800000000n;
const NO_ID = '00000000-0000-0000-0000-000000000000';
const PAST_TIMEOUT_S = 10;
const CALLBACK_S = 3600;

const stand = await Stand.create();
after(() => stand.end());
const { db } = stand;
const texts = Object.fromEntries(statements().map(({ name, text }) => [name, text]));
const settings = texts.db_settings;

// A statement with the program's own settings, in a transaction of its own.
async function call(name, values, session) {
  const within = async (sql) => {
    await sql('BEGIN');
    await sql(settings, ['4000', '2000', null, 'on']);
    const rows = await sql(texts[`job_queue_${name}`], values);
    await sql('COMMIT');
    return rows;
  };
  return session ? within(session) : db.session(within);
}

const look = async (queues = null) => (await call('look', [queues, null, null])).filter(({ queue }) => queue !== null);

// Claims from all lanes there are, or those that are given, from their start.
async function claim({ limit = 1000, lanes, token = randomUUID(), fits = 3600, isSuspect = false, types = {}, enriched = [], session } = {}) {
  const found = lanes ?? await look();
  return call('claim', [limit, PAST_TIMEOUT_S, token, await db.value('SELECT clock_timestamp()::text'),
    found.map(({ queue }) => queue), found.map(({ priority }) => priority),
    found.map(({ at }) => String(at ?? START)), found.map(({ id }) => id ?? NO_ID), fits, isSuspect, 30, JSON.stringify(types), enriched], session);
}

const suspect = async ({ queues = null, ...more } = {}) => claim({ limit: 1, lanes: await look(queues), isSuspect: true, ...more });
const bury = async () => call('bury', [await db.value('SELECT clock_timestamp()::text')]);
const heal = async () => (await call('heal', []))[0];
const release = (rows) => call('release', [rows.map(({ id }) => id), rows.map(({ claim_token: token }) => token)]);

// `how` is a verdict, or an object with what an item carries; it may be a function of the row.
async function settle(rows, how = 'done') {
  const ends = rows.map((row) => {
    const end = typeof how === 'function' ? how(row) : how;
    return typeof end === 'string' ? { verdict: end } : end;
  });
  const column = (name, other = null) => ends.map((end) => end[name] ?? other);
  const [counts] = await call('settle', [rows.map(({ id }) => id), rows.map(({ claim_token: token }) => token), column('verdict'),
    column('retryMs', 0), column('status'), column('error'), column('stack'), column('result'), column('effect'), column('subject'),
    column('tookMs'), CALLBACK_S]);
  return Object.fromEntries(Object.entries(counts).filter(([, n]) => n > 0));
}

async function insert(more = {}, count = 1) {
  const columns = { job_type: 'x', ...more };
  const names = Object.keys(columns);
  return (await db.rows(
    `INSERT INTO jobs (${names.join(', ')}) SELECT ${names.map((_, i) => `$${i + 1}`).join(', ')} FROM generate_series(1, ${count}) RETURNING id`,
    Object.values(columns))).map(({ id }) => id);
}

const job = (id) => db.one('SELECT * FROM jobs WHERE id = $1', [id]);
const logs = (id) => db.rows('SELECT level, message, data FROM job_logs WHERE job_id = $1 ORDER BY id', [id]);
const expire = () => db.rows(`UPDATE jobs SET lease_until = clock_timestamp() - interval '1 s' WHERE lease_until IS NOT NULL`);
const slots = () => db.rows('SELECT concurrency_key AS key, slot, job_id FROM job_slots ORDER BY 1, 2');

async function behindTriggers(sql) {
  await db.rows('ALTER TABLE jobs DISABLE TRIGGER USER');
  await db.rows(sql);
  await db.rows('ALTER TABLE jobs ENABLE TRIGGER USER');
}

beforeEach(() => db.rows('TRUNCATE jobs, job_logs, job_dependencies, job_slots, job_queues, app_webhooks, platform_events, webhook_deliveries'));

test('lanes: the most urgent first, without what is paused, not due or not asked for', async () => {
  await insert({ queue: 'a', priority: 0 }, 3);
  await insert({ queue: 'b', priority: 10 });
  await insert({ queue: 'b', priority: -10 });
  await insert({ queue: 'later', run_at: '2100-01-01' });
  await insert({ queue: 'still', priority: 5 });
  await db.rows(`INSERT INTO job_queues (name, paused) VALUES ('still', true), ('a', false)`);
  assert.deepEqual((await look()).map(({ queue, priority }) => `${queue} ${priority}`), ['b 10', 'a 0', 'b -10']);
  assert.deepEqual((await look(['a', 'still'])).map(({ queue }) => queue), ['a']);
  const [none] = await call('look', [['nobody'], null, null]);
  assert.equal(none.queue, null);
  assert.ok(Date.parse(none.due_at) > 0);
});

test('lanes of one priority take turns', async () => {
  for (const queue of ['a', 'b', 'c', 'd']) await insert({ queue });
  const first = new Set();
  for (let i = 0; i < 60 && first.size < 4; i++) first.add((await look())[0].queue);
  assert.equal(first.size, 4);
});

test('a claim walks the lanes in their order, no further than its limit, each behind its cursor', async () => {
  const low = await insert({ queue: 'a', priority: 0 }, 5);
  const high = await insert({ queue: 'b', priority: 10 }, 5);
  const lanes = await look();
  const first = await claim({ limit: 7, lanes });
  assert.deepEqual(first.filter(({ lane }) => lane === 1).map(({ id }) => id).sort(), [...high].sort());
  const fromLow = first.filter(({ lane }) => lane === 2);
  assert.deepEqual(fromLow.map(({ id }) => id).sort(), low.slice(0, 2).sort());
  const last = fromLow.reduce((a, b) => (BigInt(a.cursor_at) > BigInt(b.cursor_at) || (a.cursor_at === b.cursor_at && a.id > b.id) ? a : b));
  await release(first);
  const behind = await claim({ lanes: [{ ...lanes[1], at: last.cursor_at, id: last.id }] });
  assert.deepEqual(behind.map(({ id }) => id).sort(), low.slice(2).sort());
});

test('a claim says all that a processor asks, and leases for the time-out and 10 s more', async () => {
  const [own] = await insert({ timeout_s: 7, payload: '{"a":1}' });
  const [typed] = await insert({ job_type: 'typed' });
  const [plain] = await insert({ job_type: 'plain' });
  const rows = await claim({ types: { typed: 12 } });
  assert.equal(rows.length, 3);
  const timeouts = Object.fromEntries(rows.map((row) => [row.id, row.timeout_s]));
  assert.deepEqual(timeouts, { [own]: 7, [typed]: 12, [plain]: 30 });
  for (const { id, timeout_s: timeout } of rows) {
    const { lease, status } = await db.one('SELECT extract(epoch FROM lease_until - started_at)::float8 AS lease, status FROM jobs WHERE id = $1', [id]);
    assert.ok(Math.abs(lease - timeout - 10) < 1, `${lease} for ${timeout}`);
    assert.equal(status, 'processing');
  }
  const row = rows.find(({ id }) => id === own);
  assert.deepEqual(row.payload, { a: 1 });
  assert.deepEqual([row.is_parked, row.awaits_callback, row.is_performed, row.is_cancelled, row.frees], [false, false, false, false, false]);
});

test('of a full page every claim is a HOT update', async () => {
  await insert({ payload: JSON.stringify({ note: 'x'.repeat(40) }) }, 5000);
  const lanes = await look();
  await db.session(async (sql) => {
    await sql('BEGIN');
    await sql(settings, ['4000', '2000', null, 'on']);
    await sql(texts.job_queue_claim, [5000, 10, randomUUID(), await db.value('SELECT clock_timestamp()::text'), lanes.map(({ queue }) => queue),
      lanes.map(({ priority }) => priority), [String(START)], [NO_ID], 3600, false, 30, '{}', []]);
    const [counted] = await sql(`SELECT n_tup_upd AS all, n_tup_hot_upd AS hot FROM pg_stat_xact_user_tables WHERE relname = 'jobs'`);
    await sql('COMMIT');
    assert.equal(counted.all, 5000);
    assert.equal(counted.hot, 5000);
  });
});

test('no two claimers get the same job', async () => {
  await insert({}, 400);
  const claims = await Promise.all(Array.from({ length: 4 }, () => claim({ limit: 150 })));
  const ids = claims.flat().map(({ id }) => id);
  assert.equal(ids.length, 400);
  assert.equal(new Set(ids).size, 400);
});

test('an expired lease is taken again and counted as lost; a claim that is repeated finds its own', async () => {
  await insert();
  const [first] = await claim();
  assert.deepEqual(await claim(), []);
  const [again] = await claim({ token: first.claim_token });
  assert.equal(again.id, first.id);
  assert.equal((await job(first.id)).lost, 0);
  await expire();
  const [second] = await claim();
  assert.equal(second.id, first.id);
  assert.equal((await job(first.id)).lost, 1);
  assert.deepEqual(await settle([first]), {}, 'the late one changes nothing');
  assert.deepEqual(await settle([second]), { done: 1 });
  assert.equal((await job(first.id)).lost, 0);
});

test('what was not tried is handed back unharmed, and by whoever holds it alone', async () => {
  const [id] = await insert();
  const [late] = await claim();
  await expire();
  const [holder] = await claim();
  const held = await job(id);
  await release([late]);
  assert.deepEqual(await job(id), held, 'the late one changes nothing');
  await release([holder]);
  const { status, claim_token: token, lease_until: lease, attempts, lost } = await job(id);
  assert.deepEqual([status, token, lease, attempts, lost], ['pending', null, null, 0, 1]);
  assert.deepEqual((await claim()).map((row) => row.id), [id]);
});

test('what was lost twice is claimed alone, and buried the fifth time', async () => {
  await db.rows(`INSERT INTO app_webhooks (url, secret, events) VALUES ('http://127.0.0.2/', 's', '{job.failed}')`);
  const [id] = await insert({ queue: 'q' });
  await claim();
  await expire();
  await claim();
  await expire();
  assert.deepEqual(await claim(), []);
  assert.deepEqual(await suspect({ queues: ['other'] }), []);
  await db.rows(`INSERT INTO job_queues (name, paused) VALUES ('q', true)`);
  assert.deepEqual(await suspect(), []);
  await db.rows('UPDATE job_queues SET paused = false');
  for (const lost of [2, 3, 4]) {
    assert.deepEqual(await bury(), []);
    assert.deepEqual((await suspect({ queues: ['q'] })).map((row) => row.id), [id]);
    assert.equal((await job(id)).lost, lost);
    await expire();
  }
  assert.deepEqual(await bury(), [{ id }]);
  const dead = await job(id);
  assert.deepEqual([dead.status, dead.waits_until, dead.lease_until, dead.attempts], ['failed', null, null, 0]);
  assert.match(dead.error_message, /^poison: /);
  assert.match((await logs(id)).at(-1).message, /^failed for good: poison/);
  assert.equal(await db.value(`SELECT count(*) FROM platform_events WHERE event_type = 'job.failed' AND payload->>'id' = $1`, [id]), 1);
});

test('a key never passes its limit; what finds no slot stands in line and is freed by an end', async () => {
  const ids = await insert({ concurrency_key: 'k', concurrency_limit: 2 }, 5);
  const rows = await claim();
  const running = rows.filter((row) => !row.is_parked);
  assert.deepEqual(running.map(({ id }) => id).sort(), ids.slice(0, 2).sort());
  assert.equal(rows.filter((row) => row.is_parked).length, 3);
  assert.deepEqual((await slots()).map(({ slot }) => slot), [1, 2]);
  assert.equal(await db.value(`SELECT count(*) FROM jobs WHERE waits_until = 'infinity' AND status = 'pending' AND claim_token IS NULL`), 3);
  assert.deepEqual(await claim(), []);
  await settle(running.slice(0, 1), { verdict: 'retry', retryMs: 60_000, error: 'no' });
  const next = await claim();
  assert.deepEqual(next.map((row) => row.is_parked), [false]);
  assert.ok(ids.slice(2).includes(next[0].id));
  await release(next);
  assert.equal((await slots()).length, 1);
  const freed = await claim();
  assert.equal(freed.filter((row) => !row.is_parked).length, 1);
  assert.equal((await slots()).length, 2);
});

test('each job obeys its own limit of a key', async () => {
  const [narrow] = await insert({ concurrency_key: 'k', concurrency_limit: 1, run_at: '2020-01-01' });
  const wide = await insert({ concurrency_key: 'k', concurrency_limit: 3 }, 4);
  const rows = await claim();
  assert.deepEqual(rows.filter((row) => !row.is_parked).map(({ id }) => id).sort(), [narrow, ...wide.slice(0, 2)].sort());
  assert.deepEqual((await slots()).find(({ slot }) => slot === 1).job_id, narrow);
});

test('a retaken lease keeps its slot', async () => {
  const [id] = await insert({ concurrency_key: 'k' });
  await insert({ concurrency_key: 'k' });
  await claim();
  await expire();
  const again = await claim();
  assert.deepEqual(again.map((row) => [row.id, row.is_parked]), [[id, false]]);
  assert.deepEqual((await slots()).map((row) => row.job_id), [id]);
});

test('a suspect needs a slot as well', async () => {
  const [first] = await insert({ concurrency_key: 'k' });
  await claim();
  const [second] = await insert({ concurrency_key: 'k', lost: 2 });
  const [parked] = await suspect();
  assert.deepEqual([parked.id, parked.is_parked], [second, true]);
  await settle(await db.rows('SELECT id, claim_token FROM jobs WHERE id = $1', [first]));
  const [row] = await suspect();
  assert.deepEqual([row.id, row.is_parked], [second, false]);
});

test('several claimers and settlers at once: no key above its limit, and none forgotten', { timeout: 60_000 }, async () => {
  const limits = { a: 1, b: 2, c: 5 };
  for (const [key, limit] of Object.entries(limits)) await insert({ concurrency_key: key, concurrency_limit: limit }, 60);
  await insert({}, 60);
  const above = [];
  let done = 0;
  const work = () => db.session(async (sql) => {
    for (let empty = 0; empty < 5 && done < 240;) {
      const lanes = await look();
      const rows = lanes.length === 0 ? [] : (await claim({ limit: 20, lanes, session: sql })).filter((row) => !row.is_parked);
      // What is leased now is certainly being run: it is settled only below.
      above.push(...await sql(`SELECT concurrency_key AS key, count(*)::int AS n FROM jobs
                                WHERE lease_until IS NOT NULL AND concurrency_key IS NOT NULL GROUP BY 1`));
      const { done: settled = 0 } = rows.length > 0 ? await settle(rows) : {};
      done += settled;
      empty = rows.length > 0 ? 0 : empty + 1;
    }
  });
  while (done < 240) {
    const before = done;
    await Promise.all([work(), work(), work()]);
    assert.ok(done > before, `stuck at ${done}: ${(await slots()).length} ${JSON.stringify(await db.rows('SELECT status, waits_until, concurrency_key, count(*) FROM jobs GROUP BY 1, 2, 3'))}`);
  }
  assert.deepEqual(above.filter(({ key, n }) => n > limits[key]), []);
  assert.ok(above.some(({ key, n }) => key === 'c' && n > 1));
  assert.deepEqual(await slots(), []);
  assert.equal(await db.value(`SELECT count(*) FROM jobs WHERE status = 'completed'`), 240);
});

test('heal frees what nobody holds, and lines in front of free slots', async () => {
  await insert({ concurrency_key: 'k', concurrency_limit: 2 }, 4);
  await claim();
  await behindTriggers(`UPDATE jobs SET status = 'completed', waits_until = NULL, lease_until = NULL, claim_token = NULL WHERE lease_until IS NOT NULL`);
  assert.equal((await slots()).length, 2);
  assert.equal((await heal()).slots, 2);
  assert.equal((await slots()).length, 0);
  assert.equal((await claim()).filter((row) => !row.is_parked).length, 2);
  await behindTriggers(`UPDATE jobs SET waits_until = 'infinity', status = 'pending', lease_until = NULL, claim_token = NULL WHERE waits_until IS NOT NULL`);
  await db.rows('TRUNCATE job_slots');
  assert.deepEqual(await heal(), { slots: 0, jobs: 2 });
  assert.equal((await look()).length, 1);
  assert.deepEqual(await heal(), { slots: 0, jobs: 0 });
});

test('done: result, progress and one line; settled twice it changes nothing', async () => {
  const [id, kept] = await insert({ error_message: 'before' }, 2);
  await db.rows(`UPDATE jobs SET result = '{"own": 1}', performed_at = now() WHERE id = $1`, [kept]);
  const rows = await claim();
  const how = (row) => ({ verdict: 'done', tookMs: 3, result: row.id === id ? '{"n": 1}' : null });
  assert.deepEqual(await settle(rows, how), { done: 2 });
  const row = await job(id);
  assert.deepEqual([row.status, row.attempts, row.progress, row.result, row.error_message, row.waits_until, row.claim_token, row.dead_at],
    ['completed', 1, 100, { n: 1 }, null, null, null, null]);
  assert.ok(row.completed_at >= row.started_at);
  const other = await job(kept);
  assert.deepEqual([other.result, other.performed_at instanceof Date], [{ own: 1 }, true]);
  assert.deepEqual(await logs(id), [{ level: 'info', message: 'completed in 3 ms, try 1 of 5', data: null }]);
  assert.deepEqual(await settle(rows, 'dead'), {});
  assert.equal((await job(id)).status, 'completed');
  assert.equal((await logs(id)).length, 1);
});

test('retry, dead, refuse, hold and park: the row, its next time and its line', async () => {
  const ids = await insert({}, 5);
  const order = ['retry', 'dead', 'refuse', 'hold', 'park'];
  const verdictOf = (row) => order[[...ids].indexOf(row.id)];
  const rows = await claim();
  const counts = await settle(rows, (row) => ({ verdict: verdictOf(row), retryMs: 60_000, status: 500, error: 'HTTP 500: no', stack: 'at x', tookMs: 9 }));
  assert.deepEqual(counts, { retry: 1, dead: 1, refuse: 1, hold: 1, park: 1 });
  const [retry, dead, refuse, hold, park] = await Promise.all(ids.map(job));
  assert.deepEqual([retry.status, retry.attempts, retry.error_message, retry.error_stack], ['pending', 1, 'HTTP 500: no', 'at x']);
  assert.ok(Math.abs(retry.waits_until - Date.now() - 60_000) < 30_000);
  assert.deepEqual(await logs(retry.id), [{ level: 'warn', message: 'HTTP 500: no; next try in 60 s', data: { try: 1, http_status: 500, took_ms: 9 } }]);
  assert.deepEqual([dead.status, dead.attempts, dead.waits_until], ['failed', 1, null]);
  assert.ok(dead.dead_at && dead.completed_at);
  assert.equal((await logs(dead.id))[0].message, 'failed for good: HTTP 500: no');
  assert.deepEqual([refuse.status, refuse.attempts], ['failed', 0]);
  assert.deepEqual([hold.status, hold.attempts], ['pending', 0]);
  assert.deepEqual([park.status, park.attempts, park.waits_until], ['pending', 0, Infinity]);
  assert.deepEqual(await logs(park.id), []);
});

test('what is held waits the longer the older it is', async () => {
  await insert({ created_at: '2020-01-01' });
  await settle(await claim(), { verdict: 'hold', retryMs: 60_000, error: 'no key' });
  const minutes = await db.value('SELECT extract(epoch FROM waits_until - clock_timestamp())::float8 / 60 FROM jobs');
  assert.ok(minutes > 58 && minutes <= 60, `${minutes}`);
});

test('await keeps token and slot till the call back is due; then it is claimed again, and not as lost', async () => {
  const [id] = await insert({ concurrency_key: 'k' });
  const rows = await claim();
  assert.deepEqual(await settle(rows, { verdict: 'await', status: 202 }), { await: 1 });
  const row = await job(id);
  assert.deepEqual([row.status, row.awaits_callback, row.claim_token, row.attempts], ['processing', true, rows[0].claim_token, 0]);
  assert.ok(Math.abs(row.lease_until - Date.now() - CALLBACK_S * 1000) < 30_000);
  assert.equal(Number(row.waits_until), Number(row.lease_until));
  assert.deepEqual((await logs(id)).map(({ level, data }) => [level, data.try, data.http_status]), [['info', 1, 202]], 'the try that is under way');
  assert.equal((await slots()).length, 1);
  assert.deepEqual(await look(), []);
  assert.deepEqual(await settle(rows, { verdict: 'await' }), {}, 'twice');
  await db.rows(`UPDATE jobs SET lease_until = clock_timestamp() - interval '1 s', waits_until = clock_timestamp() - interval '1 s'`);
  const [again] = await claim();
  assert.deepEqual([again.id, again.awaits_callback], [id, true]);
  assert.equal((await job(id)).lost, 0);
  assert.deepEqual(await settle([again], { verdict: 'retry', retryMs: 1000, error: 'nobody called back' }), { retry: 1 });
  const after202 = await job(id);
  assert.deepEqual([after202.awaits_callback, after202.attempts, after202.lease_until], [false, 1, null]);
  assert.equal((await slots()).length, 0);
});

test('cancel: the run finds the mark, and settles it; a try that failed meanwhile is due at once', async () => {
  const [one, two] = await insert({}, 2);
  const rows = await claim();
  const marks = () => call('cancelled', [rows.map(({ id }) => id), rows.map(({ claim_token: token }) => token)]);
  assert.deepEqual(await marks(), []);
  await db.rows('UPDATE jobs SET cancel_requested_at = clock_timestamp()');
  assert.deepEqual((await marks()).map(({ id }) => id).sort(), [one, two].sort());
  assert.deepEqual(await settle(rows, (row) => (row.id === one ? 'cancel' : { verdict: 'retry', retryMs: 60_000, error: 'no' })), { cancel: 1, retry: 1 });
  const row = await job(one);
  assert.deepEqual([row.status, row.attempts, row.waits_until], ['cancelled', 0, null]);
  assert.ok(row.completed_at);
  const [again] = await claim();
  assert.deepEqual([again.id, again.is_cancelled], [two, true]);
});

test('events only where an endpoint subscribes', async () => {
  const end = async (verdict) => {
    await insert();
    await settle(await claim(), verdict);
    return db.value('SELECT count(*) FROM platform_events');
  };
  for (const verdict of ['done', 'dead', 'refuse']) assert.equal(await end(verdict), 0, verdict);
  await db.rows(`INSERT INTO app_webhooks (url, secret, events) VALUES ('http://127.0.0.2/', 's', '{order.*,job.failed}')`);
  assert.equal(await end('done'), 0);
  assert.equal(await end('retry'), 0);
  assert.equal(await end('cancel'), 0);
  assert.equal(await end({ verdict: 'dead', error: 'no' }), 1);
  const { payload } = await db.one('SELECT payload FROM platform_events');
  assert.deepEqual([payload.type, payload.status, payload.error, payload.attempts], ['x', 'failed', 'no', 1]);
  assert.equal(await db.value('SELECT count(*) FROM webhook_deliveries'), 1);
  await db.rows(`UPDATE app_webhooks SET events = '{job.*}'`);
  assert.equal(await end({ verdict: 'done', result: '{"n":1}' }), 2);
  const { payload: done } = await db.one(`SELECT payload FROM platform_events WHERE event_type = 'job.completed'`);
  assert.deepEqual(done.result, { n: 1 });
});

test('effects: an enrichment is written to its account or contact, and to no other', async () => {
  const [account, other] = (await db.rows('INSERT INTO accounts (name) VALUES (\'a\'), (\'b\') RETURNING id')).map(({ id }) => id);
  const contact = await db.value('INSERT INTO contacts (email) VALUES (\'c\') RETURNING id');
  const [first, second] = await insert({}, 2);
  await insert();
  await settle(await claim(), (row) => (row.id === first ? { verdict: 'done', effect: 'account', subject: account, result: '{"a":1}' }
    : row.id === second ? { verdict: 'done', effect: 'contact', subject: contact, result: '{"c":1}' }
      : { verdict: 'dead', effect: 'account', subject: other, result: '{"b":1}', error: 'no' }));
  const found = await db.rows('SELECT id, enrichment, enriched_at IS NOT NULL AS at FROM accounts UNION ALL SELECT id, enrichment, enriched_at IS NOT NULL FROM contacts');
  assert.deepEqual(Object.fromEntries(found.map(({ id, enrichment, at }) => [id, [enrichment, at]])),
    { [account]: [{ a: 1 }, true], [other]: [null, false], [contact]: [{ c: 1 }, true] });
});

test('notes: lines in their order and the last progress, from whoever holds the job', async () => {
  const [id] = await insert();
  const [row] = await claim();
  const note = (token, lines) => call('note', [lines.map(() => id), lines.map(() => token), lines.map(({ level = null }) => level),
    lines.map(({ message = null }) => message), lines.map(({ data = null }) => data), lines.map(({ progress = null }) => progress)]);
  await note(row.claim_token, [{ message: 'one', level: 'debug' }, { progress: 10 }, { message: 'two', data: '{"a":1}', progress: 20 }, { message: 'three' }]);
  await note(randomUUID(), [{ message: 'stranger', progress: 99 }]);
  assert.equal((await job(id)).progress, 20);
  assert.deepEqual(await logs(id), [{ level: 'debug', message: 'one', data: null }, { level: 'info', message: 'two', data: { a: 1 } },
    { level: 'info', message: 'three', data: null }]);
});

test('types with the time-out of their defaults; limits are written where they differ', async () => {
  await db.rows(`INSERT INTO job_types (job_type, processor, target, defaults)
                 VALUES ('t1', 'http', 'https://x/', '{"timeout_s": 7}'), ('t2', 'http', 'https://x/', '{}')`);
  const types = await call('types', []);
  assert.deepEqual(types.filter(({ job_type: name }) => /^t/.test(name)).map((row) => row.timeout_s), [7, null]);
  const version = () => db.one('SELECT xmin::text, run_budget_s FROM job_limits');
  await call('limits', [21]);
  const before = await version();
  await call('limits', [21]);
  assert.deepEqual(await version(), before);
  await call('limits', [22]);
  assert.equal((await version()).run_budget_s, 22);
});
