// whatsapp-webhook-retry: the same over whatsapp_webhook_logs, with the words of seed 002.
import assert from 'node:assert/strict';
import { after, beforeEach, test } from 'node:test';
import { Events } from '../lib/events.mjs';
import { Stand } from '../lib/stand.mjs';

const ROUTE = '/api/v1/jobs/webhook-retry';
const stand = await Stand.create();
const { db } = stand;
const events = new Events(stand, 'whatsapp_webhook_logs');
after(() => stand.end());
await db.rows('CREATE TABLE effects (event jsonb)');
await events.fn('fails', `RAISE EXCEPTION 'try %', event ->> 'attempt';`);
await events.fn('works', 'INSERT INTO effects VALUES (event);');
const pool = await stand.startPool({ size: 1 });
beforeEach(() => events.clear());

const call = (method, query = '', headers = {}) =>
  pool.call(method, ROUTE + query, { headers: { 'x-cron-secret': stand.cronSecret, ...headers } });
const seed = () => db.rows('SELECT id, eventType, processed, processingError\nFROM whatsapp_webhook_logs\nWHERE processed = false\nLIMIT 10;');

test('tries, waits and the end of them', async () => {
  await events.handler('fails', { provider: 'whatsapp', type_pattern: 'messages' });
  const id = await events.put({ type: 'messages' });
  assert.equal((await events.run()).processed, 0, 'before its minute is over');
  for (const [n, minutes] of [1, 2, 4, 8, 16].entries()) {
    const row = await events.tried(id);
    const waits = await db.value(`SELECT date_part('epoch', nextretryat - clock_timestamp()) / 60 FROM whatsapp_webhook_logs`);
    assert.ok(waits > minutes * 0.97 && waits <= minutes * 1.1, `${waits}`);
    assert.deepEqual([row.status, row.processed, row.processingerror, row.retrycount, row.archived], ['failed', false, `try ${n + 1}`, n, false]);
  }
  const row = await events.tried(id);
  assert.deepEqual([row.status, row.processed, row.processingerror, row.retrycount, row.archived, row.nextretryat],
    ['failed', false, 'try 6; given up after 5 retries', 5, true, null]);
  assert.deepEqual(await seed(), [{ id, eventtype: 'messages', processed: false, processingerror: 'try 6; given up after 5 retries' }]);
});

test('what works is processed; what nobody handles, with a note', async () => {
  await events.handler('fails', { provider: 'telebirr' });
  await events.handler('works', { provider: 'whatsapp', type_pattern: 'messages' });
  const [one, other] = [await events.put({ type: 'messages', event_id: 'w1', payload: { a: 1 } }), await events.put({ type: 'account_update' })];
  await events.makeDue();
  assert.equal((await events.run()).succeeded, 2);
  const given = await db.value('SELECT event FROM effects');
  assert.deepEqual([given.id, given.provider, given.event_id, given.type, given.payload], [one, 'whatsapp', 'w1', 'messages', { a: 1 }]);
  assert.deepEqual([(await events.row(one)).processed, (await events.row(one)).note], [true, null]);
  assert.deepEqual([(await events.row(other)).processed, (await events.row(other)).note], [true, 'no handler for provider "whatsapp" and type "account_update"']);
  assert.deepEqual(await seed(), []);
});

test('rows that the application writes itself, by processed, processingerror, retrycount and nextretryat', async () => {
  const put = (columns, values) => db.value(`INSERT INTO whatsapp_webhook_logs (eventtype, payload${columns}) VALUES ('messages', '{}'${values}) RETURNING id`);
  const waits = (id) => db.value(`SELECT round(date_part('epoch', waits_until - clock_timestamp()) / 60)::int FROM whatsapp_webhook_logs WHERE id = $1`, [id]);
  const [fresh, failed, again, done] = [
    await put('', ''), await put(', processingerror', `, 'boom'`),
    await put(', processingerror, retrycount, nextretryat', `, 'boom', 2, now() + interval '4 min'`), await put(', processed', ', true'),
  ];
  assert.deepEqual([await waits(fresh), await waits(failed), await waits(again), await waits(done)], [1, 0, 4, null]);
  const state = async (id) => (({ status, processed, attempts, archived }) => [status, processed, attempts, archived])(await events.row(id));
  assert.deepEqual([await state(fresh), await state(failed), await state(again), await state(done)],
    [['pending', false, 0, false], ['failed', false, 1, false], ['failed', false, 3, false], ['processed', true, 0, false]]);
  const set = async (what) => {
    await db.rows(`UPDATE whatsapp_webhook_logs SET ${what} WHERE id = $1`, [fresh]);
    return [...await state(fresh), await waits(fresh)];
  };
  assert.deepEqual(await set(`processingerror = 'no phone'`), ['failed', false, 1, false, 0]);
  assert.deepEqual(await set(`retrycount = retrycount + 1, nextretryat = now() + interval '2 min'`), ['failed', false, 2, false, 2]);
  assert.deepEqual(await set(`processed = true, processingerror = NULL`), ['processed', true, 2, false, null]);
  assert.deepEqual(await set(`processed = false, retrycount = 0, nextretryat = NULL`), ['pending', false, 0, false, 1]);
  assert.deepEqual(await set(`status = 'processed'`), ['processed', true, 0, false, null]);
  assert.deepEqual(await set(`status = 'failed', archived = true`), ['failed', false, 1, true, null]);
  assert.deepEqual(await set(`archived = false`), ['failed', false, 1, false, 0]);
});

test('the reply', async () => {
  await events.handler('works');
  await events.put();
  await events.makeDue();
  const answer = await call('POST');
  const reply = JSON.parse(answer.body);
  assert.deepEqual(Object.keys(reply), ['success', 'jobId', 'message', 'processed', 'succeeded', 'failed', 'run']);
  assert.match(reply.jobId, /^whatsapp-webhook-retry-\d{13}$/);
  const began = await db.value(`SELECT (date_part('epoch', started_at) * 1000)::bigint FROM cron_job_executions WHERE id = $1`, [reply.run.id]);
  assert.ok(Math.abs(Number(reply.jobId.slice(-13)) - Number(began)) < 1000);
  assert.deepEqual([reply.success, reply.message, reply.processed, reply.succeeded, reply.failed], [true, '1 event processed', 1, 1, 0]);
});
