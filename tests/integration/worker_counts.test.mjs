// What each worker of the shop says of its runs: in the reply, on record, and in `cronward status`.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Resend } from '../lib/resend.mjs';
import { Stand } from '../lib/stand.mjs';

const vendor = await Resend.start();
const stand = await Stand.create({ env: { RESEND_BASE_URL: vendor.origin, RESEND_API_KEY: vendor.credentials.api_key, EMAIL_FROM: 'shop@example.com',
  EGRESS_ALLOW: '127.0.0.1/32,127.0.0.2/32' } });
const { db } = stand;
after(() => stand.end());
after(() => vendor.stop());

// Of each worker three that end well, and two that do not where that can be.
before(async () => {
  await db.rows(`CREATE FUNCTION book(event jsonb) RETURNS void LANGUAGE sql AS $$ SELECT 1 / (event #>> '{payload,n}')::int $$`);
  await db.rows(`INSERT INTO event_handlers (provider, action) VALUES ('*', 'book')`);
  const payloads = `SELECT n, jsonb_build_object('n', GREATEST(n, 0)) FROM generate_series(-1, 3) n`;
  await db.rows(`INSERT INTO webhook_events (provider, status, event_id, payload) SELECT 'telebirr', 'failed', e.* FROM (${payloads}) e`);
  await db.rows(`INSERT INTO whatsapp_webhook_logs (status, event_id, payload) SELECT 'failed', e.* FROM (${payloads}) e`);
  await db.rows(`INSERT INTO email_queue (to_address, subject, text) SELECT CASE WHEN n > 0 THEN 'a' || n || '@example.com' ELSE 'nobody' END, 'Hi', 'Hi' FROM generate_series(-1, 3) n`);
  await db.rows(`INSERT INTO inventory_items (sku, on_hand) VALUES ('mug', 9); SELECT reserve_item(id, 1) FROM inventory_items, generate_series(1, 3);
    UPDATE inventory_reservations SET expires_at = now() - interval '1 s'`);
});

for (const [worker, failed, queue, left] of [['retry-webhooks', 2, 'webhook_events', { due: 0, waiting: 2, dead: 0 }],
  ['whatsapp-webhook-retry', 2, 'whatsapp_webhook_logs', { due: 0, waiting: 2, dead: 0 }],
  ['process-email-queue', 2, 'email_queue', { due: 0, waiting: 0, dead: 2 }], ['cleanup-reservations', 0, 'inventory_reservations', { due: 0, waiting: 0, dead: null }]])
  test(worker, async () => {
    const wanted = { processed: 3 + failed, succeeded: 3, failed };
    const of = (names, found) => Object.fromEntries(Object.keys(names).map((name) => [name, found[name]]));
    const done = await stand.cli(['run', worker]);
    const reply = JSON.parse(done.stdout);
    assert.deepEqual(of(wanted, reply), wanted, done.stdout + done.stderr);
    assert.deepEqual(of(wanted, (await stand.execution(reply.run.id)).counts), wanted);
    const status = JSON.parse((await stand.cli(['status', '--json'])).stdout);
    assert.deepEqual(of(wanted, status.workers.find((one) => one.worker === worker).lastRun.counts), wanted);
    assert.deepEqual(of(left, status.queues.find((one) => one.queue === queue)), left);
  });
