// Events as they come: processed behind the reply by workers that nobody rings from outside.
import assert from 'node:assert/strict';
import { after, beforeEach, test } from 'node:test';
import { Events } from '../lib/events.mjs';
import { providerEnv, providers, send } from '../lib/inbound.mjs';
import { Stand } from '../lib/stand.mjs';
import { many, until } from '../lib/wait.mjs';

const GATE = 4713; // an advisory lock that functions wait at
const stand = await Stand.create({ env: { ...providerEnv(), POOL_INBOUND: '4' } });
const { db } = stand;
const events = new Events(stand);
const meta = new Events(stand, 'whatsapp_webhook_logs');
const pool = await stand.startPool({ size: 4 });
after(() => stand.end());
await db.rows('CREATE TABLE effects (event jsonb, at timestamptz DEFAULT clock_timestamp())');
await events.fn('works', 'INSERT INTO effects VALUES (event);');
await events.fn('fails', `RAISE EXCEPTION 'no';`);
await events.fn('waits', `PERFORM pg_advisory_xact_lock_shared(${GATE});`);
const silence = () => until(async () => (await db.value('SELECT count(*)::int FROM cron_locks WHERE holder IS NOT NULL OR is_rung')) === 0, { what: 'silence' });
beforeEach(async () => {
  await silence();
  await events.clear();
  await meta.clear();
  await db.rows('TRUNCATE effects, cron_job_executions');
});

const runs = (name = 'inbound-payments') => db.value('SELECT count(*)::int FROM cron_job_executions WHERE job_name = $1', [name]);
const left = (table = 'webhook_events') => db.value(`SELECT count(*)::int FROM ${table} WHERE status IN ('pending', 'processing')`);
const body = (type, more = {}) => JSON.stringify({ event_id: `e-${Math.random()}`, type, ...more });

async function come(provider, text) {
  const answer = await send(pool, provider, text);
  assert.equal(answer.status, 200, answer.body);
  return JSON.parse(answer.body).id;
}

test('an event is processed behind the reply, by its own table\'s worker, and what a dead process has left with it', async () => {
  await events.handler('works');
  const forgotten = await events.put({ provider: 'cbe' });
  const [id, log] = [await come(providers.telebirr, body('payment.paid', { amount: 7 })), await come(providers.whatsapp, '{"entry":[{"changes":[{"field":"messages"}]}]}')];
  await until(async () => (await left()) + (await left('whatsapp_webhook_logs')) === 0, { what: 'all settled' });
  const given = (await db.rows(`SELECT event FROM effects ORDER BY event ->> 'provider'`)).map((one) => one.event);
  assert.deepEqual(given.map((one) => [one.id, one.provider, one.type, one.attempt]),
    [[forgotten, 'cbe', 'payment.paid', 1], [id, 'telebirr', 'payment.paid', 1], [log, 'whatsapp', 'messages', 1]]);
  assert.deepEqual([(await events.row(id)).status, (await meta.row(log)).processed], ['processed', true]);
  assert.deepEqual([await runs(), await runs('inbound-whatsapp')], [1, 1]);
});

test('each is processed once, by about a run a second and not one for each event', async () => {
  await events.handler('works');
  const began = Date.now();
  for (let n = 0; n < 10; n++) {
    await come(providers.cbe, body('payment.paid'));
    await until(async () => (await left()) === 0, { what: 'its end', everyMs: 5 });
  }
  await many(190, 20, () => come(providers.cbe, body('payment.paid')));
  await until(async () => (await left()) === 0, { what: 'all settled' });
  const seconds = (Date.now() - began) / 1000;
  assert.deepEqual(await db.one(`SELECT count(*)::int AS n, count(DISTINCT event ->> 'id')::int AS events FROM effects`), { n: 200, events: 200 });
  assert.ok(await runs() <= 2 + seconds, `${await runs()} runs in ${seconds} s`);
});

test('one that takes long keeps nobody waiting', async () => {
  await events.handler('waits', { provider: 'telebirr' });
  await events.handler('works', { provider: 'cbe' });
  await db.session(async (sql) => {
    await sql('SELECT pg_advisory_lock($1)', [GATE]);
    const slow = await come(providers.telebirr, body('payment.paid'));
    await until(async () => (await events.row(slow)).status === 'processing', { what: 'its begin' });
    // Beyond the second that a run goes on looking.
    await until(() => db.value(`SELECT count(*) > 0 FROM cron_job_executions WHERE status = 'running' AND started_at < clock_timestamp() - interval '1.2 s'`), { what: 'a second' });
    const quick = await come(providers.cbe, body('payment.paid'));
    await until(async () => (await events.row(quick)).status === 'processed', { what: 'the other one', timeoutMs: 2000 });
    assert.equal((await events.row(slow)).status, 'processing');
    await sql('SELECT pg_advisory_unlock($1)', [GATE]);
  });
  await until(async () => (await left()) === 0, { what: 'all settled' });
});

test('what fails, is held, was lost or is late is left to those that try again', async () => {
  await events.handler('fails', { provider: 'telebirr' });
  const failed = await come(providers.telebirr, body('payment.paid'));
  await until(async () => (await events.row(failed)).status === 'failed', { what: 'its failure' });
  assert.equal((await events.row(failed)).attempts, 1);
  // A lease that ran out; one that waits for its second try; one of the application's, not yet processed.
  await events.handler('works', { provider: 'cbe' });
  const lost = await events.put({ provider: 'cbe' });
  await db.rows(`UPDATE webhook_events SET status = 'processing', claim_token = gen_random_uuid(), lease_until = clock_timestamp() - interval '1 s', waits_until = clock_timestamp() - interval '1 s' WHERE id = $1`, [lost]);
  const again = await events.put({ provider: 'cbe', attempts: 1 });
  await db.rows(`UPDATE webhook_events SET waits_until = clock_timestamp() - interval '1 s' WHERE id = $1`, [again]);
  const later = await events.put({ provider: 'cbe' });
  await db.rows(`UPDATE webhook_events SET waits_until = clock_timestamp() + interval '70 s' WHERE id = $1`, [later]);
  const fresh = await come(providers.cbe, body('payment.paid'));
  await until(async () => (await events.row(fresh)).status === 'processed', { what: 'the new one' });
  await silence();
  assert.deepEqual([(await events.row(lost)).status, (await events.row(again)).attempts, (await events.row(later)).attempts], ['processing', 1, 0]);
  await events.makeDue();
  assert.equal((await events.run()).succeeded, 3);
});
