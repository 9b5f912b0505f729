// Inbound events: who handles what, functions that run exactly once, and applications that write the
// rows themselves.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, beforeEach, test } from 'node:test';
import { Events } from '../lib/events.mjs';
import { cleanEnv, isAlive, killNow, start } from '../lib/process.mjs';
import { program } from '../lib/program.mjs';
import { Stand } from '../lib/stand.mjs';
import { statements } from '../lib/statements.mjs';
import { until } from '../lib/wait.mjs';

const GATE = 4712; // an advisory lock that functions wait at
const stand = await Stand.create();
const { db } = stand;
const events = new Events(stand);
after(() => stand.end());
await db.rows('CREATE TABLE effects (by text, event jsonb)');
for (const name of ['one', 'two']) await events.fn(name, `INSERT INTO effects VALUES ('${name}', event);`);
beforeEach(async () => {
  await stand.expireLocks();
  await events.clear();
  await db.rows('TRUNCATE effects');
});

const effects = () => db.rows('SELECT by, event FROM effects ORDER BY event ->> \'event_id\'');
const refuses = (promise, message) => assert.rejects(promise, (error) => error.code === 'CW400' && message.test(error.message));

// Holds the gate while `work` goes on.
function gated(work) {
  return db.session(async (sql) => {
    await sql('SELECT pg_advisory_lock($1)', [GATE]);
    try {
      return await work();
    } finally {
      await sql('SELECT pg_advisory_unlock($1)', [GATE]);
    }
  });
}

test('the first handler that fits: by position, then by age; by provider, then by type', async () => {
  await events.handler('two', { provider: 'telebirr', type_pattern: 'payment.paid', position: 5 });
  await events.handler('one', { provider: 'telebirr', type_pattern: 'payment.*' });
  await events.handler('two', { provider: 'telebirr', type_pattern: 'payment.*' });
  await events.handler('one', { provider: '*', type_pattern: 'refund.*', is_active: false });
  await events.handler('two', { provider: '*', type_pattern: 'refund.*' });
  await events.handler('one', { provider: 'cbe', position: 9 });
  const rows = [
    ['telebirr', 'payment.paid', 'one'], ['telebirr', 'payment.', 'one'], ['telebirr', 'refund.made', 'two'],
    ['TeleBirr', 'payment.late', 'one'], ['cbe', 'refund.made', 'two'], ['cbe', '', 'one'], ['cbe', 'payment.paid', 'one'],
  ];
  for (const [n, [provider, type]] of rows.entries()) await events.put({ provider, type, event_id: `e${n}` });
  const alone = await events.put({ provider: 'telebirr', type: 'payments', event_id: 'e9' });
  await events.makeDue();
  assert.deepEqual([(await events.run()).succeeded], [8]);
  assert.deepEqual((await effects()).map((one) => one.by), rows.map(([, , by]) => by));
  const row = await events.row(alone);
  assert.deepEqual([row.status, row.note, row.attempts], ['processed', 'no handler for provider "telebirr" and type "payments"', 1]);
});

test('what a function is given', async () => {
  await events.handler('one');
  const payload = { amount: 12.5, 'ключ': ['𝄞', null] };
  const id = await events.put({ event_id: 'e1', payload, headers: { 'x-a': 'b' } });
  const text = await events.put({ event_id: 'e2', payload: null, body: Buffer.from('no "JSON" \\u0000 at all é') });
  await events.put({ event_id: 'e3', payload: null, body: Buffer.from([0, 255, 1, ...Buffer.alloc(100, 'x')]) });
  await events.put({ event_id: 'e4', payload: null });
  await events.makeDue();
  await events.run();
  const [whole, read, binary, empty] = (await effects()).map((one) => one.event);
  const { created_at } = await events.row(id);
  assert.deepEqual(whole, { id, provider: 'telebirr', event_id: 'e1', type: 'payment.paid', attempt: 1, headers: { 'x-a': 'b' }, payload,
    received_at: created_at.toISOString() });
  assert.deepEqual([read.id, read.payload, read.body], [text, null, 'no "JSON" \\u0000 at all é']);
  assert.deepEqual([binary.body, Buffer.from(binary.body_base64, 'base64').subarray(0, 4)], [undefined, Buffer.from([0, 255, 1, 120])]);
  assert.deepEqual(['body' in empty, 'body_base64' in empty], [false, false]);
});

test('a function may return anything, and may stand in a schema', async () => {
  await db.rows('CREATE SCHEMA "The Shop"');
  await events.fn('"The Shop"."on Event"', `INSERT INTO effects VALUES ('shop', event); RETURN NEXT 1; RETURN NEXT 2;`, 'SETOF int');
  await events.handler('"The Shop"."on Event"');
  assert.equal((await events.tried(await events.put())).status, 'processed');
  assert.deepEqual((await effects()).map((one) => one.by), ['shop']);
});

test('a function that raises, and what it did, is undone', async () => {
  await events.fn('raises', `INSERT INTO effects VALUES ('raises', event); RAISE EXCEPTION 'no stock' USING DETAIL = 'of 7', HINT = 'wait';`);
  await events.handler('raises');
  const row = await events.tried(await events.put());
  assert.deepEqual([row.status, row.error, row.performed_at], ['failed', 'no stock; of 7; hint: wait', null]);
  assert.deepEqual(await effects(), []);
});

test('a function that takes too long is stopped', async () => {
  await events.fn('slow', `INSERT INTO effects VALUES ('slow', event); PERFORM pg_sleep(60);`);
  await events.handler('slow', { timeout_s: 1 });
  const row = await events.tried(await events.put());
  assert.deepEqual([row.status, row.error], ['failed', 'timed out after 1 s']);
  assert.deepEqual(await effects(), []);
});

test('a function that is missing, or is none, is tried again until it is there', async () => {
  const errors = {
    nowhere: /^there is no function nowhere\(jsonb\), which event_handlers\.action names; names are looked up in/,
    of_text: /^there is no function of_text\(jsonb\).*there is of_text\(text\)/,
    a_procedure: /^a_procedure\(jsonb\) is a procedure; allowed is a function$/,
    cronward_event_call: /^there is no function/,
  };
  await db.rows('CREATE FUNCTION of_text(t text) RETURNS int LANGUAGE sql AS $$ SELECT 1 $$');
  await db.rows('CREATE PROCEDURE a_procedure(event jsonb) LANGUAGE plpgsql AS $$ BEGIN NULL; END $$');
  for (const [action, error] of Object.entries(errors)) {
    await db.rows('TRUNCATE event_handlers');
    await events.handler(action);
    const row = await events.tried(await events.put());
    assert.match(row.error, error);
    assert.deepEqual([row.status, row.archived, row.attempts], ['failed', false, 1]);
  }
  await db.rows('TRUNCATE event_handlers, webhook_events');
  await events.handler('comes_later');
  const id = await events.put();
  await events.tried(id);
  await events.fn('comes_later', `INSERT INTO effects VALUES ('later', event);`);
  assert.deepEqual([(await events.tried(id)).status, (await effects()).length], ['processed', 1]);
});

test('handlers are refused at once where they could never work', async () => {
  await refuses(events.handler('one', { provider: 'TeleBirr' }), /provider is "TeleBirr"; allowed is/);
  for (const pattern of ['pay*', '*.paid', 'pay.*.x', '.*', 'a.*.*'])
    await refuses(events.handler('one', { type_pattern: pattern }), /type_pattern is/);
  for (const action of ['no function', 'a.b.c', 'http://', 'https://a b', 'ftp://x', 'f(jsonb)'])
    await refuses(events.handler(action), /action is ".*"; allowed are/);
  await refuses(events.handler('one', { headers: '["x"]' }), /headers must be/);
  await refuses(events.handler('one', { headers: '{"x": 1}' }), /headers must be/);
  const id = await events.handler('HTTPS://shop.example.com/hook', { type_pattern: 'a.b.*', headers: '{"x": "1"}' });
  await refuses(db.rows(`UPDATE event_handlers SET action = 'x y' WHERE id = $1`, [id]), /action is/);
});

test('killed between the commit of its work and its settling, an event is completed without running again', async (t) => {
  await events.handler('one');
  const id = await events.put();
  await events.makeDue();
  await db.rows(`CREATE FUNCTION waits_at_the_gate() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_advisory_xact_lock(${GATE}); RETURN NEW; END $$`);
  await db.rows(`CREATE TRIGGER gate BEFORE UPDATE ON webhook_events FOR EACH ROW WHEN (NEW.status = 'processed') EXECUTE FUNCTION waits_at_the_gate()`);
  await gated(async () => {
    const worker = start(program(), ['run', 'retry-webhooks'], { env: cleanEnv(stand.env()) });
    t.after(() => worker.stop('SIGKILL'));
    await until(async () => (await events.row(id)).performed_at, { what: 'its commit' });
    killNow(worker.pid);
    await until(() => !isAlive(worker.pid), { what: 'its end', everyMs: 1 });
    await db.terminateOthers(); // its settling is on its way already
    await stand.backendsGone();
  });
  await db.rows('DROP TRIGGER gate ON webhook_events');
  assert.equal((await events.row(id)).status, 'processing');
  await stand.expireLocks();
  await events.expireLeases();
  await events.run();
  assert.deepEqual([(await events.row(id)).status, (await effects()).length], ['processed', 1]);
});

test('a connection that is lost fails the try; a claim that is lost undoes it', async () => {
  await events.fn('waits', `INSERT INTO effects VALUES ('waits', event); PERFORM pg_advisory_xact_lock_shared(${GATE});`);
  await events.handler('waits');
  const [lost, taken] = [await events.put({ event_id: 'lost' }), await events.put({ event_id: 'taken' })];
  await events.makeDue();
  const running = await gated(async () => {
    const run = stand.cli(['run', 'retry-webhooks']);
    await until(() => db.value(`SELECT count(*) = 2 FROM pg_stat_activity WHERE wait_event = 'advisory' AND datname = current_database()`), { what: 'both to wait' });
    await db.rows(`UPDATE webhook_events SET claim_token = gen_random_uuid() WHERE id = $1`, [taken]);
    await db.rows(
      `SELECT pg_terminate_backend(l.pid) FROM pg_locks l JOIN pg_stat_activity a USING (pid)
        WHERE a.datname = current_database() AND a.wait_event = 'advisory' ORDER BY a.query_start LIMIT 1`);
    return { run };
  });
  await running.run;
  const [one, other] = [await events.row(lost), await events.row(taken)];
  assert.equal(other.status, 'processing');
  assert.deepEqual((await effects()).filter((e) => e.event.event_id === 'taken'), []);
  assert.ok(one.status === 'processed' || /^the connection was lost while its function ran/.test(one.error), one.error);
});

const statement = (name, values) => db.rows(statements().find((one) => one.name === `events_webhook_${name}`).text, values);

// A row under way, settled as `verdict` by who has its token, or another one.
async function settled(id, verdict, { error = null, retriesMax = 5, token } = {}) {
  token ??= (await events.row(id)).claim_token;
  const [counts] = await statement('settle', [`{${id}}`, `{${token}}`, `{${verdict}}`, '{60000}', error ? `{"${error}"}` : '{NULL}', '{NULL}', retriesMax]);
  return { ...await events.row(id), counts };
}

async function underWay(more = {}) {
  const id = await events.put();
  await db.rows(`UPDATE webhook_events SET status = 'processing', claim_token = gen_random_uuid(), lease_until = clock_timestamp() + interval '1 min' WHERE id = $1`, [id]);
  const names = Object.keys(more);
  if (names.length) await db.rows(`UPDATE webhook_events SET ${names.map((name, i) => `${name} = $${i + 2}`).join(', ')} WHERE id = $1`, [id, ...Object.values(more)]);
  return id;
}

test('who has lost his claim neither settles nor hands back', async () => {
  for (const attempts of [0, 2]) {
    const id = await underWay({ attempts });
    const before = await events.row(id);
    await statement('release', [`{${id}}`, `{${randomUUID()}}`]);
    assert.deepEqual(await events.row(id), before);
    const { counts, ...row } = await settled(id, 'done', { token: randomUUID() });
    assert.deepEqual([row, counts.done], [before, 0]);
    await statement('release', [`{${id}}`, `{${before.claim_token}}`]);
    const { status, claim_token: token, lease_until: lease, ...after } = await events.row(id);
    assert.deepEqual([status, token, lease, after.attempts], [attempts ? 'failed' : 'pending', null, null, attempts]);
  }
});

test('what the application has said of an event meanwhile counts when its try is settled', async () => {
  const said = [{ status: 'processed' }, { performed_at: new Date() }];
  for (const [verdict, more] of ['retry', 'dead', 'hold', 'done'].flatMap((one) => said.map((more) => [one, more]))) {
    const row = await settled(await underWay(more), verdict, { error: 'timed out' });
    assert.deepEqual([row.status, row.waits_until, row.error, row.lease_until], ['processed', null, null, null], verdict);
  }
  const soon = new Date(Date.now() + 7 * 60_000);
  const again = await settled(await underWay({ status: 'failed', next_retry_at: soon, error_message: 'no stock', retry_count: 1 }), 'done');
  assert.deepEqual([again.status, again.waits_until, again.next_retry_at, again.error, again.attempts, again.counts.retry],
    ['failed', soon, soon, 'no stock', 1, 1]);
  const over = await settled(await underWay({ status: 'failed', next_retry_at: soon, error_message: 'no stock', attempts: 5 }), 'done');
  assert.deepEqual([over.status, over.archived, over.waits_until, over.error], ['failed', true, null, 'no stock; given up after 5 retries']);
  const archived = await settled(await underWay({ archived: true }), 'retry', { error: 'boom' });
  assert.deepEqual([archived.status, archived.archived, archived.waits_until, archived.error], ['failed', true, null, 'boom']);
  const held = await settled(await underWay({ attempts: 1 }), 'hold', { error: 'no key' });
  assert.deepEqual([held.status, held.attempts, held.next_retry_at, held.error], ['failed', 1, held.waits_until, 'not tried: no key']);
  const reset = await settled(await underWay({ status: 'pending' }), 'done');
  assert.deepEqual([reset.status, reset.waits_until], ['processed', null]);
});

test('a handler that sets its own event to failed is tried again when it says', async () => {
  await events.fn('declines', `UPDATE webhook_events SET status = 'failed', error_message = 'later', next_retry_at = now() + interval '9 min' WHERE id = (event ->> 'id')::uuid;`);
  await events.handler('declines');
  const id = await events.put();
  const row = await events.tried(id);
  assert.deepEqual([row.status, row.error, row.performed_at, row.attempts], ['failed', 'later', null, 1]);
  await db.rows('TRUNCATE event_handlers');
  await events.handler('one');
  assert.deepEqual([(await events.tried(id)).status, (await effects()).length], ['processed', 1]);
});

test('rows that the application inserts', async () => {
  await events.handler('one');
  const put = (columns, values) => db.value(`INSERT INTO webhook_events (provider, event_id, ${columns}) VALUES ('cbe', gen_random_uuid(), ${values}) RETURNING id`);
  const [fresh, failed, due, done, archived, theirs] = [
    await put('payload', `'{}'`),
    await put('status, retry_count, next_retry_at', `'failed', 2, now() + interval '4 min'`),
    await put('status', `'failed'`),
    await put('status', `'processed'`),
    await put('status, archived', `'failed', true`),
    await put('status', `'processing'`),
  ];
  const waits = async (id) => db.value(`SELECT round(date_part('epoch', waits_until - clock_timestamp()) / 60)::int FROM webhook_events WHERE id = $1`, [id]);
  assert.deepEqual([await waits(fresh), await waits(failed), await waits(due), await waits(done), await waits(archived), await waits(theirs)],
    [1, 4, 0, null, null, 60]);
  assert.deepEqual([(await events.row(fresh)).attempts, (await events.row(failed)).attempts, (await events.row(due)).attempts], [0, 3, 1]);
  assert.ok((await events.row(archived)).dead_at);
  assert.deepEqual([(await events.run()).processed, (await events.row(due)).status], [1, 'processed']);
});

test('rows that the application changes', async () => {
  const id = await events.put();
  const set = async (what) => {
    await db.rows(`UPDATE webhook_events SET ${what} WHERE id = $1`, [id]);
    return events.row(id);
  };
  let row = await set(`status = 'failed', retry_count = 1, next_retry_at = now() + interval '2 min', error_message = 'x'`);
  assert.deepEqual([row.attempts, row.waits_until], [2, row.next_retry_at]);
  row = await set(`retry_count = retry_count + 1, next_retry_at = now() + interval '4 min'`);
  assert.deepEqual([row.attempts, row.waits_until], [3, row.next_retry_at]);
  row = await set(`archived = true`);
  assert.deepEqual([row.waits_until, row.dead_at !== null], [null, true]);
  row = await set(`archived = false, status = 'pending', retry_count = 0, next_retry_at = NULL`);
  assert.deepEqual([row.attempts, row.dead_at], [0, null]);
  assert.ok(row.waits_until > new Date());
  row = await set(`status = 'processed'`);
  assert.deepEqual([row.waits_until, row.processed_at !== null], [null, true]);
  row = await set(`status = 'failed', next_retry_at = '-infinity'`);
  assert.deepEqual([row.waits_until, row.processed_at], [new Date(0), null]);
  await db.rows(`UPDATE webhook_events SET status = 'processing', lost = 2, claim_token = gen_random_uuid(), lease_until = clock_timestamp() - interval '1 s', waits_until = now() WHERE id = $1`, [id]);
  row = await set(`status = 'failed', retry_count = 2`);
  assert.deepEqual([row.lease_until, row.claim_token, row.lost, row.attempts], [null, null, 0, 3]);
  await events.handler('one');
  assert.deepEqual([(await events.run()).succeeded, (await events.row(id)).status], [1, 'processed']);
});

test('bodies of 4 MB are forwarded whole, a few at a time', async () => {
  await events.handler(stand.receiver.url('ok/large'));
  const body = Buffer.alloc(4 * 1024 * 1024, 'x');
  for (let i = 0; i < 4; i++) await events.put({ body });
  await events.makeDue();
  const claims = await events.watchClaims();
  assert.equal((await events.run({ EVENT_RETRY_BATCH_SIZE: '1000' })).succeeded, 4);
  assert.deepEqual(stand.receiver.to('/ok/large').map((one) => one.bytes), Array(4).fill(body.length));
  assert.deepEqual((await claims()).map((ids) => ids.length), [1, 1, 1, 1]);
});
