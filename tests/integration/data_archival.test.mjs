// data-archival: nothing leaves its table but into its archive, unless deletion was asked for.
import assert from 'node:assert/strict';
import { after, beforeEach, test } from 'node:test';
import { Stand } from '../lib/stand.mjs';
import { load } from '../lib/wait.mjs';

const stand = await Stand.create();
await stand.startPool({ size: 1 });
after(() => stand.end());
beforeEach(() => stand.db.rows(
  `TRUNCATE platform_events, platform_events_archive, platform_notifications, platform_notifications_archive,
            webhook_deliveries, webhook_attempts, app_webhooks, audit_log, cron_denied`));

function addEvents(count, days) {
  return stand.db.rows(
    `INSERT INTO platform_events (event_type, payload, created_at)
     SELECT 'old.' || n, jsonb_build_object('n', n), clock_timestamp() - $2 * interval '1 day' FROM generate_series(1, $1::int) n`,
    [count, days]);
}

function addNotifications(count, days) {
  return stand.db.rows(
    `INSERT INTO platform_notifications (user_id, title, created_at)
     SELECT gen_random_uuid(), 't' || n, clock_timestamp() - $2 * interval '1 day' FROM generate_series(1, $1::int) n`, [count, days]);
}

const count = (table) => stand.db.value(`SELECT count(*)::int FROM ${table}`);

test('what is older than RETENTION_DAYS moves into the archives, unchanged', async () => {
  await addEvents(30, 91);
  await addEvents(20, 89);
  await addNotifications(10, 120);
  await addNotifications(5, 1);
  const before = await stand.db.rows(`SELECT id, event_type, payload, created_at FROM platform_events WHERE event_type LIKE 'old.%' AND created_at < now() - interval '90 days' ORDER BY id`);
  const answer = await stand.call('data-archival');
  assert.equal(answer.status, 200, answer.body);
  assert.deepEqual(Object.keys(answer.json), ['archived_events', 'archived_notifications', 'retention_days', 'message', 'run']);
  assert.deepEqual([answer.json.archived_events, answer.json.archived_notifications, answer.json.retention_days], [30, 10, 90]);
  assert.deepEqual([await count('platform_events'), await count('platform_notifications')], [20, 5]);
  const archived = await stand.db.rows('SELECT id, event_type, payload, created_at FROM platform_events_archive ORDER BY id');
  assert.deepEqual(archived, before);
  assert.equal(await count('platform_notifications_archive'), 10);
});

test('an event with open deliveries stays until they are finished', async () => {
  await stand.endpoint('/status/500');
  await addEvents(2, 100);
  await stand.db.rows(`UPDATE webhook_deliveries SET status = 'delivered', next_retry_at = NULL WHERE id = (SELECT min(id) FROM webhook_deliveries)`);
  assert.equal((await stand.call('data-archival')).json.archived_events, 1);
  assert.equal(await count('platform_events'), 1);
  await stand.db.rows(`UPDATE webhook_deliveries SET status = 'failed', next_retry_at = NULL`);
  assert.equal((await stand.call('data-archival')).json.archived_events, 1);
});

test('ARCHIVE_MODE=delete keeps nothing', async () => {
  await addEvents(7, 91);
  await addNotifications(3, 91);
  const done = await stand.cli(['run', 'data-archival'], { env: { ARCHIVE_MODE: 'delete' } });
  assert.equal(done.code, 0, done.stderr);
  for (const table of ['platform_events', 'platform_events_archive', 'platform_notifications', 'platform_notifications_archive'])
    assert.equal(await count(table), 0, table);
});

test('finished deliveries and their attempts, executions, refusals and acts are pruned by their own age', async () => {
  await stand.endpoint('/ok/prune');
  await stand.enqueue(4);
  await stand.call('webhook-retry');
  await stand.db.rows(`UPDATE webhook_deliveries SET created_at = now() - interval '91 days', delivered_at = now() - interval '91 days' WHERE id IN (SELECT id FROM webhook_deliveries ORDER BY id LIMIT 3)`);
  await stand.db.rows(
    `UPDATE webhook_deliveries SET status = 'pending', next_retry_at = now() + interval '1 day' WHERE id = (SELECT min(id) FROM webhook_deliveries)`);
  const old = await stand.db.value(
    `INSERT INTO cron_job_executions (id, job_name, status, started_at) VALUES (gen_random_uuid(), 'webhook-retry', 'success', now() - interval '31 days') RETURNING id`);
  await stand.db.rows(`INSERT INTO audit_log (at, actor, action, target) VALUES (now() - interval '366 days', 'a', 'b', 'c'), (now(), 'a', 'b', 'c')`);
  await stand.db.rows(`INSERT INTO cron_denied VALUES ('/x', date_trunc('minute', now() - interval '31 days'), 'unauthorized', 1), ('/x', date_trunc('minute', now()), 'unauthorized', 1)`);
  await stand.call('data-archival');
  assert.equal(await count('webhook_deliveries'), 2, 'an open one and a young one stay');
  assert.equal(await count('webhook_attempts'), 2);
  assert.equal(await stand.db.value('SELECT count(*)::int FROM cron_job_executions WHERE id = $1', [old]), 0);
  assert.equal(await count('audit_log'), 1);
  assert.equal(await count('cron_denied'), 1);
});

test('a cap per run and small batches: the rest stays for the next, nothing twice', async () => {
  await addEvents(250, 91);
  const env = { DATA_ARCHIVAL_RUN_MAX: '100', DATA_ARCHIVAL_BATCH_SIZE: '30' };
  for (const [wanted, more] of [[100, true], [100, true], [50, false]]) {
    const reply = JSON.parse((await stand.cli(['run', 'data-archival'], { env })).stdout);
    assert.deepEqual([reply.archived_events, reply.run.more], [wanted, more]);
  }
  assert.equal(await count('platform_events_archive'), 250);
});

test('an id that is in the archive already is no obstacle', async () => {
  await addEvents(3, 91);
  await stand.db.rows('INSERT INTO platform_events_archive (id, event_type, payload, created_at) SELECT id, event_type, payload, created_at FROM platform_events LIMIT 1');
  assert.equal((await stand.call('data-archival')).json.archived_events, 3);
  assert.deepEqual([await count('platform_events'), await count('platform_events_archive')], [0, 3]);
});

test('live rows can be written while it runs, and no statement waits long', async (t) => {
  await addEvents(60_000, 91);
  let slowest = 0;
  const stop = load(t, 1, async () => {
    const began = Date.now();
    await stand.db.rows(`INSERT INTO platform_events (event_type, payload) VALUES ('live', '{}')`);
    await stand.db.rows(`UPDATE platform_events SET payload = '{"touched": true}' WHERE event_type = 'live' AND id = (SELECT id FROM platform_events WHERE event_type = 'live' LIMIT 1)`);
    slowest = Math.max(slowest, Date.now() - began);
  });
  const done = await stand.cli(['run', 'data-archival'], { env: { DATA_ARCHIVAL_BATCH_SIZE: '2000' } });
  await stop();
  assert.equal(JSON.parse(done.stdout).archived_events, 60_000, done.stderr);
  assert.ok(slowest < 1000, `a writer waited ${slowest} ms`);
  assert.equal(await stand.db.value(`SELECT count(*)::int FROM platform_events_archive WHERE event_type = 'live'`), 0);
});

test('a row that somebody holds stays, and is archived next time', async () => {
  await addEvents(5, 91);
  await stand.db.session(async (sql) => {
    await sql('BEGIN');
    await sql('SELECT 1 FROM platform_events LIMIT 1 FOR UPDATE');
    assert.equal((await stand.call('data-archival')).json.archived_events, 4);
    await sql('ROLLBACK');
  });
  assert.equal((await stand.call('data-archival')).json.archived_events, 1);
  assert.equal(await count('platform_events_archive'), 5);
});
