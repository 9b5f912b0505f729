// Every statement that runs against a growing table has an index that serves it: no sequential
// scan on 100,000 rows of a queue, whether the table was analyzed or not, and however much of it is finished.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Stand } from '../lib/stand.mjs';
import { statements } from '../lib/statements.mjs';

const ROWS = 100_000;
// Of what is no queue.
const LESS = 30_000;
const all = statements();
const stand = await Stand.create();
after(() => stand.end());

// Tables that stay small: one row per endpoint, worker, adopted table, migration, type or queue of
// jobs, kind of events, template, or workspace; and the catalogs.
const small = new Set(['app_webhooks', 'cron_locks', 'cronward_adopted', 'cronward_schema', 'email_templates', 'event_handlers', 'job_limits', 'job_queues', 'job_types', 'workspace_settings']);

async function fill() {
  await stand.db.rows(`INSERT INTO app_webhooks (url, secret) SELECT 'http://127.0.0.2/ok/' || n, 'secret' FROM generate_series(1, 20) n`);
  await stand.db.rows('ALTER TABLE platform_events DISABLE TRIGGER USER');
  await stand.db.rows(`INSERT INTO platform_events (event_type, payload, created_at) SELECT 'plan.' || n % 50, '{}', now() - n * interval '1 minute' FROM generate_series(1, ${ROWS}) n`);
  await stand.db.rows('ALTER TABLE platform_events ENABLE TRIGGER USER');
  await stand.db.rows(
    `INSERT INTO webhook_deliveries (webhook_id, event_id, next_retry_at)
     SELECT (ARRAY(SELECT id FROM app_webhooks))[1 + (row_number() OVER ()) % 20], id, now() - interval '1 minute' FROM platform_events`);
  // Every partition of attempts: what was before, the weeks ahead, and what no week holds.
  for (const at of ['now()', `now() + interval '1 week' * (1 + n % 5)`, `now() + interval '1 year' + n * interval '1 minute'`])
    await stand.db.rows(`INSERT INTO webhook_attempts (delivery_id, attempt, at) SELECT id, 1, ${at} FROM (SELECT id, row_number() OVER () AS n FROM webhook_deliveries LIMIT ${LESS}) d`);
  await stand.db.rows(
    `INSERT INTO platform_notifications (user_id, title, expires_at, created_at)
     SELECT gen_random_uuid(), 't', now() + (n - ${LESS / 2}) * interval '1 minute', now() - n * interval '1 minute' FROM generate_series(1, ${LESS}) n`);
  await stand.db.rows(
    `INSERT INTO cron_job_executions (id, job_name, status, started_at)
     SELECT gen_random_uuid(), 'webhook-retry', 'success', now() - n * interval '1 minute' FROM generate_series(1, ${LESS}) n`);
  await stand.db.rows(`INSERT INTO audit_log (at, actor, action, target) SELECT now() - n * interval '1 minute', 'a', 'b', 'c' FROM generate_series(1, ${LESS}) n`);
  await stand.db.rows(`INSERT INTO cron_denied SELECT '/x', now() - n * interval '1 minute', 'unauthorized', 1 FROM generate_series(1, ${LESS}) n`);
  await stand.db.rows(`INSERT INTO platform_events_archive SELECT id, event_type, payload, created_at, created_at FROM platform_events LIMIT ${LESS}`);
  await stand.db.rows(
    `INSERT INTO platform_notifications_archive (id, user_id, title, status, created_at, archived_at)
     SELECT gen_random_uuid(), gen_random_uuid(), 't', 'read', now(), now() - n * interval '1 minute' FROM generate_series(1, ${LESS}) n`);
  // One in ten stands in the line of a key, one in a thousand was lost.
  await stand.db.rows('ALTER TABLE jobs DISABLE TRIGGER USER');
  await stand.db.rows(
    `INSERT INTO jobs (job_type, queue, priority, concurrency_key, waits_until, lost, created_at)
     SELECT 'x', 'q' || n % 3, n % 2 * 10, CASE WHEN n % 10 = 0 THEN 'key' || n % 500 END,
            CASE WHEN n % 10 = 0 THEN 'infinity' ELSE now() - interval '1 minute' END, (n % 1000 = 1)::int * 2, now() - n * interval '1 minute'
       FROM generate_series(1, ${ROWS}) n`);
  await stand.db.rows('ALTER TABLE jobs ENABLE TRIGGER USER');
  await stand.db.rows(`INSERT INTO job_logs (job_id, message) SELECT id, 'm' FROM jobs LIMIT ${LESS}`);
  await stand.db.rows(`INSERT INTO job_slots SELECT 'other' || n % 15000, n / 15000, gen_random_uuid() FROM generate_series(1, ${LESS}) n`);
  await stand.db.rows(`ALTER TABLE job_dependencies DISABLE TRIGGER USER; INSERT INTO job_dependencies (job_id, depends_on, is_open) SELECT id, gen_random_uuid(), false FROM jobs LIMIT ${LESS}; ALTER TABLE job_dependencies ENABLE TRIGGER USER`);
  await stand.db.rows(`INSERT INTO job_requests (idempotency_key, body_sha256, reply, created_at) SELECT 'k' || n, '', '{}', now() - n * interval '1 minute' FROM generate_series(1, ${LESS}) n`);
  for (const table of ['accounts', 'contacts']) await stand.db.rows(`INSERT INTO ${table} (workspace_id) SELECT gen_random_uuid() FROM generate_series(1, ${LESS})`);
  await stand.db.rows(`INSERT INTO job_schedules (name, cron, job_type) SELECT 's' || n, '@daily', 'x' FROM generate_series(1, 20000) n`);
  await stand.db.rows(`UPDATE job_schedules SET next_at = now() + (random() - 0.1) * interval '1 day'`);
  // One in ten was tried, one in a thousand lost.
  const event = `(n % 10 = 0)::int, (n % 1000 = 1)::int * 2, now() - interval '1 minute', now() - n * interval '1 minute' FROM generate_series`;
  await stand.db.rows(`INSERT INTO webhook_events (provider, event_id, attempts, lost, waits_until, created_at) SELECT 'p' || n % 3, n, ${event}(1, ${ROWS}) n`);
  await stand.db.rows(`INSERT INTO whatsapp_webhook_logs (event_id, attempts, lost, waits_until, created_at) SELECT n, ${event}(1, ${ROWS / 5}) n`);
  await stand.db.rows(`INSERT INTO event_handlers (provider, action) SELECT 'p' || n, 'f' FROM generate_series(1, 20) n`);
  // One connection in ten is not active, one in a thousand was lost.
  await stand.db.rows(
    `INSERT INTO whatsapp_connections (status, lost, waits_until)
     SELECT CASE WHEN n % 10 = 0 THEN 'closed' ELSE 'active' END, (n % 1000 = 1)::int * 2, now() - interval '1 minute' FROM generate_series(1, ${LESS}) n`);
  await stand.db.rows(`INSERT INTO whatsapp_configs SELECT id, 'cw1.k1.sealed' FROM whatsapp_connections`);
  await stand.db.rows(`INSERT INTO whatsapp_health (connection_id, status, lastcheck) SELECT id, 'healthy', now() - (row_number() OVER ()) * interval '1 minute' FROM whatsapp_connections`);
  // Accounts of four vendors, one in a thousand lost; one that has half of all items, and a pass under way.
  await stand.db.rows(
    `INSERT INTO user_integrations (user_id, provider, access_token, refresh_token, lost, waits_until)
     SELECT gen_random_uuid(), (ARRAY['github', 'notion', 'slack', 'google_calendar'])[1 + n % 4], 'cw1.k1.a', 'cw1.k1.r', (n % 1000 = 1)::int * 2, now() - interval '1 minute'
       FROM generate_series(1, ${LESS}) n`);
  await stand.db.rows(
    `INSERT INTO integration_items SELECT CASE WHEN n % 2 = 0 THEN (SELECT min(id::text)::uuid FROM user_integrations) ELSE id END, 'issue', n::text, '{}'
       FROM (SELECT id, row_number() OVER () AS n FROM user_integrations, generate_series(1, 4)) i WHERE n <= ${ROWS}`);
  await stand.db.rows(`INSERT INTO integration_seen SELECT id, 'issue', '', 1, ARRAY['1', '3'] FROM user_integrations`);
  // One mail in ten has a batch, of ten, and waits for its first; one in a thousand was lost.
  await stand.db.rows('ALTER TABLE email_queue DISABLE TRIGGER USER');
  await stand.db.rows(
    `INSERT INTO email_queue (id, to_address, priority, batch_id, waits_until, lost, created_at)
     SELECT ('00000000-0000-0000-0000-' || lpad(n::text, 12, '0'))::uuid, 'a@example.com', n % 3,
            CASE WHEN n % 100 < 10 THEN ('00000000-0000-0000-0000-' || lpad((n - n % 10)::text, 12, '0'))::uuid END,
            CASE WHEN n % 100 BETWEEN 1 AND 9 THEN 'infinity' ELSE now() - interval '1 minute' END, (n % 1000 = 10)::int * 2, now() - n * interval '1 minute'
       FROM generate_series(1, ${ROWS}) n`);
  await stand.db.rows('ALTER TABLE email_queue ENABLE TRIGGER USER');
  for (const table of ['inventory_items', 'inventory_reservations']) await stand.db.rows(`ALTER TABLE ${table} DISABLE TRIGGER USER`);
  await stand.db.rows(`INSERT INTO inventory_items (sku, on_hand) SELECT 's' || n, 1000 FROM generate_series(1, 20000) n`);
  await stand.db.rows(
    `INSERT INTO inventory_reservations (item_id, quantity, expires_at, created_at)
     SELECT (ARRAY(SELECT id FROM inventory_items))[1 + n % 20000], 1, now() + (n - ${ROWS / 2}) * interval '1 minute', now() - n * interval '1 minute'
       FROM generate_series(1, ${ROWS}) n`);
}

function seqScans(node, found = []) {
  if (node['Node Type'] === 'Seq Scan' && !small.has(node['Relation Name']) && !node['Relation Name'].startsWith('pg_')) found.push(node['Relation Name']);
  for (const child of node.Plans ?? []) seqScans(child, found);
  return found;
}

// The keys of a column are counted for whoever asks, and of all of it.
const countsAll = (name) => /^sealed_\w+_keys$/.test(name);

// The plan as the program gets it: parameters unknown, its own settings in force.
async function plan({ name, params, text }) {
  return stand.db.session(async (sql) => {
    const wishes = all.find((one) => one.name === 'db_settings');
    await sql('BEGIN');
    await sql(wishes.text, ['4000', '500', null, 'on']);
    await sql('SET LOCAL plan_cache_mode = force_generic_plan');
    await sql(`PREPARE ${name} AS ${text}`);
    const [explained] = await sql(`EXPLAIN (FORMAT JSON) EXECUTE ${name}${params ? `(${Array(params).fill('NULL').join(', ')})` : ''}`);
    await sql('ROLLBACK');
    return explained['QUERY PLAN'][0].Plan;
  });
}

async function assertPlans(state) {
  const bad = [];
  assert.ok(all.length >= 20);
  for (const statement of all.filter(({ name }) => !countsAll(name))) {
    const found = seqScans(await plan(statement));
    if (found.length > 0) bad.push(`${statement.name}: ${found}`);
  }
  assert.deepEqual(bad, [], state);
}

before(fill, { timeout: 120_000 });

test('the build knows every statement', () => {
  assert.ok(all.length >= 20, `${all.length}`);
  for (const one of all) assert.ok(one.text.startsWith(`/* ${one.name} */`), one.name);
});

test('a statement without an index would be seen', async () => {
  const planted = { name: 'planted', params: 1, text: 'SELECT id FROM webhook_deliveries WHERE last_error = $1::text' };
  assert.deepEqual(seqScans(await plan(planted)), ['webhook_deliveries']);
});

test('no sequential scan on a table that was never analyzed', () => assertPlans('never analyzed'));

test('no sequential scan after ANALYZE, all rows waiting', async () => {
  await stand.db.rows('ANALYZE');
  await assertPlans('analyzed');
});

test('no sequential scan with 90 % of the rows finished', async () => {
  await stand.db.rows(`UPDATE webhook_deliveries SET status = 'delivered', next_retry_at = NULL WHERE id % 10 <> 0`);
  await stand.db.rows('ALTER TABLE jobs DISABLE TRIGGER USER');
  await stand.db.rows(`UPDATE jobs SET status = 'completed', waits_until = NULL WHERE id::text !~ '[37]$' AND lost = 0`);
  await stand.db.rows('ALTER TABLE jobs ENABLE TRIGGER USER');
  await stand.db.rows(`UPDATE whatsapp_webhook_logs SET status = 'processed', waits_until = NULL WHERE id::text !~ '[37]$' AND lost = 0`);
  await stand.db.rows(`UPDATE email_queue SET status = 'sent', waits_until = NULL, batch_id = NULL WHERE id::text !~ '7.$' AND lost = 0`);
  await stand.db.rows(`UPDATE platform_notifications SET status = 'dismissed' WHERE user_id::text < 'e'`);
  await stand.db.rows(`UPDATE inventory_reservations SET status = 'expired' WHERE id::text !~ '[37]$'`);
  await stand.db.rows('ANALYZE');
  await assertPlans('90 % finished');
});
