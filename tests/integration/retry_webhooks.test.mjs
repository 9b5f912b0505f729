// retry-webhooks: when events are tried again, how often, and when they are given up.
import assert from 'node:assert/strict';
import { after, beforeEach, test } from 'node:test';
import { Events } from '../lib/events.mjs';
import { Stand } from '../lib/stand.mjs';

const ROUTE = '/api/cron/retry-webhooks';
const stand = await Stand.create();
const { db } = stand;
const events = new Events(stand);
after(() => stand.end());
await events.fn('fails', `RAISE EXCEPTION 'try %', event ->> 'attempt';`);
await events.fn('works', 'PERFORM 1;');
const pool = await stand.startPool({ size: 1 });
const claims = await events.watchClaims();
beforeEach(async () => {
  await events.clear();
  await db.rows('TRUNCATE claims');
});

const call = (method, query = '', headers = {}) =>
  pool.call(method, ROUTE + query, { headers: { authorization: `Bearer ${stand.cronSecret}`, ...headers } });
// Minutes that a row waits, from when it was settled; with the jitter of at most a tenth.
const waits = async (id) => db.value(
  `SELECT date_part('epoch', waits_until - clock_timestamp()) / 60 FROM webhook_events WHERE id = $1`, [id]);
const isAbout = (minutes, wanted) => assert.ok(minutes > wanted * 0.97 && minutes <= wanted * 1.1, `${minutes} min, wanted ${wanted}`);

test('a first processing and five retries, after 1, 2, 4, 8 and 16 minutes, then archived with the reason', async () => {
  await events.handler('fails');
  const id = await events.put();
  for (const [n, minutes] of [1, 2, 4, 8, 16].entries()) {
    const row = await events.tried(id);
    isAbout(await waits(id), minutes);
    assert.equal(row.status, 'failed');
    assert.equal(row.error, `try ${n + 1}`);
    assert.deepEqual([row.attempts, row.retry_count, row.archived, row.dead_at], [n + 1, n, false, null]);
    assert.deepEqual(row.next_retry_at, row.waits_until);
  }
  const row = await events.tried(id);
  assert.deepEqual([row.status, row.archived, row.attempts, row.retry_count], ['failed', true, 6, 5]);
  assert.equal(row.error, 'try 6; given up after 5 retries');
  assert.deepEqual([row.waits_until, row.next_retry_at, row.lease_until], [null, null, null]);
  assert.ok(row.dead_at);
  assert.equal((await events.run()).processed, 0);
});

test('the settings of the schedule', async () => {
  await events.handler('fails');
  const id = await events.put();
  const env = { INITIAL_RETRY_DELAY_MINUTES: '3', MAX_RETRY_DELAY_MINUTES: '5', MAX_RETRY_ATTEMPTS: '2' };
  await events.tried(id, env);
  isAbout(await waits(id), 3);
  await events.tried(id, env);
  isAbout(await waits(id), 5);
  assert.equal((await events.tried(id, env)).error, 'try 3; given up after 2 retries');
  const once = await events.put();
  assert.equal((await events.tried(once, { MAX_RETRY_ATTEMPTS: '1' })).archived, false);
  assert.equal((await events.tried(once, { MAX_RETRY_ATTEMPTS: '1' })).error, 'try 2; given up after 1 retry');
});

test('an event that works in the end is processed, and its retries are counted', async () => {
  await events.handler('fails', { position: 1 });
  const id = await events.put();
  await events.tried(id);
  await events.tried(id);
  await events.handler('works');
  const row = await events.tried(id);
  assert.deepEqual([row.status, row.attempts, row.retry_count, row.error, row.waits_until, row.next_retry_at, row.archived],
    ['processed', 3, 2, null, null, null, false]);
  assert.ok(row.processed_at);
});

test('what came less than a minute ago is left to those that process events as they come', async () => {
  await events.handler('works');
  const id = await events.put();
  assert.deepEqual([(await events.run()).processed, (await events.row(id)).status], [0, 'pending']);
  assert.equal((await events.tried(id)).status, 'processed');
});

test('an event whose lease ran out is tried again, and its try is not counted', async () => {
  await events.handler('works');
  const id = await events.put();
  await events.makeDue();
  await db.rows(`UPDATE webhook_events SET status = 'processing', lease_until = clock_timestamp() + interval '1 minute', claim_token = gen_random_uuid()`);
  assert.equal((await events.run()).processed, 0);
  await events.expireLeases();
  assert.equal((await events.run()).succeeded, 1);
  assert.deepEqual([(await events.row(id)).attempts, (await events.row(id)).lost], [1, 0]);
});

test('an event that was lost twice is taken alone, one that was lost five times is given up', async () => {
  await events.handler('works');
  const [twice, often, well] = [await events.put(), await events.put(), await events.put()];
  await events.makeDue();
  await db.rows('UPDATE webhook_events SET lost = 2 WHERE id = $1', [twice]);
  await db.rows(`UPDATE webhook_events SET lost = 4, status = 'processing', lease_until = clock_timestamp() - interval '1 s', claim_token = gen_random_uuid() WHERE id = $1`, [often]);
  await db.rows('TRUNCATE claims');
  assert.equal((await events.run()).processed, 2);
  assert.deepEqual([(await events.row(twice)).status, (await events.row(well)).status], ['processed', 'processed']);
  assert.deepEqual(await claims(), [[well], [twice]]);
  const poison = await events.row(often);
  assert.deepEqual([poison.status, poison.archived, poison.lost], ['failed', true, 5]);
  assert.match(poison.error, /^poison/);
});

test('EVENT_RETRY_RUN_MAX, EVENT_RETRY_BATCH_SIZE and EVENT_MAX_CONCURRENT', async () => {
  await events.handler('works');
  for (let i = 0; i < 25; i++) await events.put();
  await events.makeDue();
  const capped = await events.run({ EVENT_RETRY_RUN_MAX: '10' });
  assert.deepEqual([capped.processed, capped.run.more], [10, true]);
  await db.rows('TRUNCATE claims');
  const rest = await events.run({ EVENT_RETRY_BATCH_SIZE: '4' });
  assert.deepEqual([rest.processed, rest.run.more], [15, false]);
  assert.equal((await claims())[0].length, 4);
  await db.rows('UPDATE event_handlers SET action = $1', [stand.receiver.url('slow/20')]);
  for (let i = 0; i < 9; i++) await events.put();
  await events.makeDue();
  assert.equal((await events.run({ EVENT_MAX_CONCURRENT: '3' })).succeeded, 9);
  assert.equal(stand.receiver.inflightMax, 3);
});

test('an event whose handler may take longer than the run still has is left to another one', async () => {
  await events.handler('works', { provider: 'cbe', timeout_s: 10 });
  await events.handler('works', { provider: 'awash', timeout_s: 1 });
  const [long, short] = [await events.put({ provider: 'cbe' }), await events.put({ provider: 'awash' })];
  await events.makeDue();
  assert.equal((await events.run({}, ['--budget', '5'])).processed, 1);
  assert.deepEqual(await claims(), [[short]]);
  assert.deepEqual([(await events.row(long)).status, (await events.row(short)).status], ['pending', 'processed']);
  assert.equal((await events.run()).processed, 1);
});

test('the reply, to both methods', async () => {
  await events.handler('works', { provider: 'telebirr' });
  await events.handler('fails', { provider: 'cbe' });
  for (const provider of ['telebirr', 'telebirr', 'cbe']) await events.put({ provider });
  await events.makeDue();
  const answer = await call('GET');
  const reply = JSON.parse(answer.body);
  assert.equal(answer.status, 200);
  assert.deepEqual(Object.keys(reply), ['success', 'processed', 'succeeded', 'failed', 'run']);
  assert.deepEqual([reply.success, reply.processed, reply.succeeded, reply.failed], [true, 3, 2, 1]);
  assert.deepEqual(JSON.parse((await call('POST')).body).processed, 0);
  assert.equal((await call('GET', '', { authorization: 'Bearer no' })).status, 401);
});

test('many providers, each with what is due', async () => {
  await events.handler('works');
  await db.rows(`INSERT INTO webhook_events (provider, event_id, waits_until) SELECT 'p' || n, n, clock_timestamp() - interval '1 s' FROM generate_series(1, 1100) n`);
  assert.equal((await events.run({ EVENT_MAX_CONCURRENT: '20' })).succeeded, 1100);
});
