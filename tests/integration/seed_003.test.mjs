// Seed 003, statement by statement: its environment and its SQL as they are printed there, its curl
// commands with nothing but host and secret in their places, and what it says of each worker.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { cleanEnv, run } from '../lib/process.mjs';
import { Resend } from '../lib/resend.mjs';
import { Site } from '../lib/site.mjs';
import { Stand } from '../lib/stand.mjs';

// "Environment Variables", required and optional.
const VARIABLES = `
# Required for all cron endpoints
CRON_SECRET="your-strong-random-secret"

# Required for email worker
RESEND_API_KEY="re_your_resend_api_key"
EMAIL_FROM="noreply@yourdomain.com"

# Required for webhook worker
PAYMENT_WEBHOOK_SECRET="your-webhook-secret"

# Provider-specific webhook secrets
TELEBIRR_WEBHOOK_SECRET="your-telebirr-secret"
CBE_WEBHOOK_SECRET="your-cbe-secret"
AWASH_WEBHOOK_SECRET="your-awash-secret"
`;
const env = Object.fromEntries([...VARIABLES.matchAll(/^(\w+)="(.*)"$/gm)].map(([, name, value]) => [name, value]));

// "Processes up to 10 webhooks per run", "up to 20 emails per run".
const resend = await Resend.start({ host: '127.0.0.1' });
resend.credentials = { api_key: env.RESEND_API_KEY };
after(() => resend.stop());
const site = await Site.start({ env: { ...env, RESEND_BASE_URL: resend.origin, STRIPE_WEBHOOK_SECRET: 'whsec_of-a-provider-more', EVENT_RETRY_RUN_MAX: '10', EMAIL_RUN_MAX: '20' } });
after(() => site.end());
const stand = await Stand.create();
after(() => stand.end());
const rows = (sql, values) => site.query(sql, values);
const one = async (sql, values) => (await rows(sql, values))[0];

// "Test each worker manually".
const COMMANDS = `
# Email queue
curl -H "Authorization: Bearer YOUR_CRON_SECRET" \\
  https://yourdomain.com/api/cron/process-email-queue

# Webhook retry
curl -H "Authorization: Bearer YOUR_CRON_SECRET" \\
  https://yourdomain.com/api/cron/retry-webhooks

# Inventory cleanup
curl -H "Authorization: Bearer YOUR_CRON_SECRET" \\
  https://yourdomain.com/api/cron/cleanup-reservations
`;
const commands = Object.fromEntries([...COMMANDS.matchAll(/^# (.*)\n(curl [^]*?)\n(?=\n|$)/gm)].map(([, name, command]) => [name, command]));

async function shell(command, secret = env.CRON_SECRET) {
  const filled = command.replace('https://yourdomain.com', `https://127.0.0.1:${site.portTls}`).replace('YOUR_CRON_SECRET', secret);
  const done = await run('bash', ['-c', filled], { env: cleanEnv({ no_proxy: '*', CURL_CA_BUNDLE: `${site.var}/tls/cert.pem` }) });
  assert.equal(done.code, 0, done.stderr);
  return JSON.parse(done.stdout);
}
// The seed's own keys, first and in its order.
function counts(reply, worker) {
  assert.deepEqual(Object.keys(reply), ['success', 'processed', 'succeeded', 'failed', 'run'], JSON.stringify(reply));
  assert.equal(reply.run.worker, worker);
  const { success, processed, succeeded, failed } = reply;
  return { success, processed, succeeded, failed };
}
const nothing = { success: true, processed: 0, succeeded: 0, failed: 0 };
const WORKERS = { 'Email queue': 'process-email-queue', 'Webhook retry': 'retry-webhooks', 'Inventory cleanup': 'cleanup-reservations' };

describe('commands', () => {
  for (const [name, worker] of Object.entries(WORKERS)) {
    test(`${name}: its command, with nothing due`, async () => assert.deepEqual(counts(await shell(commands[name]), worker), nothing));

    test(`${name}: "unauthorized access returns 401"`, async () => {
      const reply = await shell(commands[name], 'a-wrong-secret-of-somebody');
      assert.deepEqual([reply.success, reply.code, reply.run], [false, 'unauthorized', null]);
    });
  }

  // Ten events of the eight that are fine and two that are not, and two more for the next run.
  test('"Response Format": the very reply, and what is over the batch goes with the next run', async () => {
    await rows(`CREATE FUNCTION book(event jsonb) RETURNS void LANGUAGE plpgsql AS $$ BEGIN
      IF event #>> '{payload,n}' IN ('3', '7') THEN RAISE EXCEPTION 'not this one'; END IF; END $$`);
    await rows(`INSERT INTO event_handlers (provider, action) VALUES ('telebirr', 'book')`);
    await rows(`INSERT INTO webhook_events (provider, event_id, payload, status, next_retry_at)
      SELECT 'telebirr', n, jsonb_build_object('n', n), 'failed', now() - make_interval(secs => 20 - n) FROM generate_series(1, 12) n`);
    const first = await shell(commands['Webhook retry']);
    assert.deepEqual(counts(first, 'retry-webhooks'), { success: true, processed: 10, succeeded: 8, failed: 2 });
    assert.equal(first.run.more, true);
    assert.deepEqual(counts(await shell(commands['Webhook retry']), 'retry-webhooks'), { success: true, processed: 2, succeeded: 2, failed: 0 });
  });

  test('mail: up to 20 per run, from EMAIL_FROM, with the key; "scheduled emails" wait; "transactional email templates included"', async () => {
    for (const name of ['welcome', 'verification', 'password_reset', 'receipt', 'notification'])
      assert.ok((await one('SELECT html, text FROM email_templates WHERE name = $1', [name])).text, name);
    await rows(`INSERT INTO email_queue (to_address, template, data)
      SELECT 'a' || n || '@example.com', 'welcome', '{"app": "Minalesh", "name": "Ada", "url": "https://yourdomain.com/"}' FROM generate_series(1, 22) n`);
    await rows(`INSERT INTO email_queue (to_address, subject, text, scheduled_for) VALUES ('later@example.com', 'Later', 'Later.', now() + interval '1 hour')`);
    const first = await shell(commands['Email queue']);
    assert.deepEqual(counts(first, 'process-email-queue'), { success: true, processed: 20, succeeded: 20, failed: 0 });
    assert.equal(first.run.more, true);
    assert.deepEqual(counts(await shell(commands['Email queue']), 'process-email-queue'), { success: true, processed: 2, succeeded: 2, failed: 0 });
    const sent = await resend.sent();
    assert.deepEqual([sent.length, new Set(sent.map((mail) => mail.from))], [22, new Set([env.EMAIL_FROM])]);
    assert.ok(sent.every((mail) => mail.subject === 'Welcome to Minalesh'));
    assert.deepEqual(await rows(`SELECT status, count(*)::int AS n FROM email_queue GROUP BY 1 ORDER BY 1`), [{ status: 'pending', n: 1 }, { status: 'sent', n: 22 }]);
  });

  test('expired reservations are released, and the quantity is there again', async () => {
    const { id } = await one(`INSERT INTO inventory_items (sku, on_hand) VALUES ('mug', 50) RETURNING id`);
    await rows(`SELECT reserve_item($1, 4) FROM generate_series(1, 10)`, [id]);
    // "Default 15-minute reservation timeout".
    const { minutes } = await one(`SELECT extract(epoch FROM min(expires_at) - now()) / 60 AS minutes FROM inventory_reservations`);
    assert.ok(minutes > 14.8 && minutes <= 15.01, minutes);
    await assert.rejects(rows('SELECT reserve_item($1, 11)', [id]), /left/, '"Prevents overselling"');
    await rows(`UPDATE inventory_reservations SET expires_at = now() - interval '1 second'`);
    assert.deepEqual(counts(await shell(commands['Inventory cleanup']), 'cleanup-reservations'), { success: true, processed: 10, succeeded: 10, failed: 0 });
    assert.deepEqual(await one('SELECT on_hand, reserved FROM inventory_items'), { on_hand: 50, reserved: 0 });
  });

  test('each run is on record: "All operations logged for audit trail"', async () => {
    for (const worker of Object.values(WORKERS))
      assert.ok((await one(`SELECT count(*)::int AS n FROM cron_job_executions WHERE job_name = $1 AND status IN ('success', 'partial')`, [worker])).n > 0, worker);
  });
});

describe('"Environment Variables": as they are printed', () => {
  for (const [name, code] of [['', 'unauthorized'], ['/telebirr', 'unauthorized'], ['/awash', 'unauthorized'],
    // 15 characters are no secret; and who is not in the seed.
    ['/cbe', 'not_configured'], ['/stripe', 'unauthorized'], ['/chapa', 'not_configured']])
    test(`/api/payments/webhook${name}: ${code} for who signs nothing`, async () =>
      assert.equal((await site.call('POST', `/api/payments/webhook${name}`, { body: '{}' })).json?.code, code));
});

describe('"Database Queries": as they are printed', () => {
  const rows = (sql, values) => stand.db.rows(sql, values);
  before(async () => {
    await rows(`INSERT INTO email_queue (to_address, status) SELECT 'a@example.com', s FROM unnest(ARRAY['pending', 'pending', 'sent', 'failed']) s`);
    await rows(`INSERT INTO webhook_events (provider, event_id, status, retry_count, archived) VALUES
      ('a', '1', 'pending', 0, false), ('a', '2', 'failed', 0, false), ('a', '3', 'failed', 3, false), ('a', '4', 'processed', 1, false), ('a', '5', 'failed', 5, true)`);
    const [item] = await rows(`INSERT INTO inventory_items (sku, on_hand, reserved) VALUES ('held', 9, 5) RETURNING id`);
    await rows(`INSERT INTO inventory_reservations (item_id, quantity, status, expires_at)
      SELECT $1, 1, s, now() + m * interval '1 minute' FROM (VALUES ('active', -1), ('active', -2), ('active', 5), ('expired', -9), ('committed', -9), ('released', -9)) v(s, m)`, [item.id]);
  });
  const byStatus = (found) => Object.fromEntries(found.map(({ status, ...counts }) => [status, counts]));

  test('email queue status', async () => {
    assert.deepEqual(byStatus(await rows(`
SELECT status, COUNT(*) as count
FROM email_queue
GROUP BY status;`)), { pending: { count: 2 }, sent: { count: 1 }, failed: { count: 1 } });
  });

  test('webhook retry status, and those that were given up are not in it', async () => {
    const found = byStatus(await rows(`
SELECT status, COUNT(*) as count, AVG(retry_count) as avg_retries
FROM webhook_events
WHERE archived = false
GROUP BY status;`));
    assert.deepEqual(Object.fromEntries(Object.entries(found).map(([status, one]) => [status, [one.count, Number(one.avg_retries)]])),
      { pending: [1, 0], failed: [2, 1.5], processed: [1, 1] });
  });

  test('expired reservations', async () => {
    assert.deepEqual(await rows(`
SELECT COUNT(*) as expired_count
FROM inventory_reservations
WHERE status = 'active' AND expires_at < NOW();`), [{ expired_count: 2 }]);
  });
});
