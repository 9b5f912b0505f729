// Retention: no table grows for ever, each goes by its own setting, none waits for another.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { after, beforeEach, test } from 'node:test';
import { tempFolder } from '../lib/clean.mjs';
import { start } from '../lib/process.mjs';
import { program } from '../lib/program.mjs';
import { size } from '../lib/sizes.mjs';
import { Stand } from '../lib/stand.mjs';
import { until } from '../lib/wait.mjs';

const stand = await Stand.create();
after(() => stand.end());

const UUID = 'gen_random_uuid()';
const ago = (days) => `now() - interval '${days} days'`;

// Every table that grows: the setting, its default, and the row whose end was ${days} ago.
const grows = {
  platform_events: { setting: 'RETENTION_DAYS', days: 90, add: (at) => `(event_type, payload, created_at) VALUES ('x', '{}', ${at})` },
  platform_events_archive: { setting: 'ARCHIVE_RETENTION_DAYS', days: 0, add: (at) => `(id, event_type, payload, created_at, archived_at) VALUES (${UUID}, 'x', '{}', ${ago(4000)}, ${at})` },
  platform_notifications: { setting: 'RETENTION_DAYS', days: 90, add: (at) => `(user_id, title, created_at) VALUES (${UUID}, 'x', ${at})` },
  platform_notifications_archive: { setting: 'ARCHIVE_RETENTION_DAYS', days: 0, add: (at) => `(id, user_id, title, status, created_at, archived_at) VALUES (${UUID}, ${UUID}, 'x', 'read', ${ago(4000)}, ${at})` },
  webhook_deliveries: { setting: 'DELIVERY_RETENTION_DAYS', days: 90, add: (at) => `(webhook_id, event_id, status, next_retry_at, created_at, delivered_at) SELECT id, ${UUID}, 'delivered', NULL, ${at}, ${at} FROM app_webhooks` },
  webhook_attempts: { setting: 'DELIVERY_RETENTION_DAYS', days: 90, add: (at) => `(delivery_id, attempt, at) SELECT max(id), 1, ${at} FROM webhook_deliveries` },
  jobs: { setting: 'JOB_RETENTION_DAYS', days: 30, add: (at) => `(job_type, status, waits_until, created_at, completed_at) VALUES ('x', 'completed', NULL, ${at} - interval '1 hour', ${at})` },
  job_logs: { setting: 'JOB_LOG_RETENTION_DAYS', days: 30, add: (at) => `(job_id, message, created_at) VALUES (${UUID}, 'x', ${at})` },
  email_queue: { setting: 'EMAIL_RETENTION_DAYS', days: 30, add: (at) => `(to_address, status, waits_until, created_at, scheduled_for) VALUES ('a@example.com', 'sent', NULL, ${at}, ${at})` },
  webhook_events: { setting: 'EVENT_RETENTION_DAYS', days: 30, add: (at) => `(provider, event_id, status, created_at, processed_at) VALUES ('x', ${UUID}, 'processed', ${at} - interval '1 hour', ${at})` },
  whatsapp_webhook_logs: { setting: 'WHATSAPP_LOG_RETENTION_DAYS', days: 30, add: (at) => `(processed, created_at, processed_at) VALUES (true, ${at} - interval '1 hour', ${at})` },
  inventory_reservations: { setting: 'RESERVATION_RETENTION_DAYS', days: 0, add: (at) => `(item_id, quantity, status, created_at, ended_at) SELECT id, 1, 'committed', ${at} - interval '1 hour', ${at} FROM inventory_items` },
  cron_job_executions: { setting: 'EXECUTION_RETENTION_DAYS', days: 30, add: (at) => `(id, job_name, status, started_at) VALUES (${UUID}, 'x', 'success', ${at})` },
  whatsapp_health: { setting: 'WHATSAPP_HEALTH_RETENTION_DAYS', days: 90, add: (at) => `(connection_id, status, lastcheck) VALUES (${UUID}, 'healthy', ${at})` },
  cron_denied: { setting: 'EXECUTION_RETENTION_DAYS', days: 30, add: (at) => `VALUES ('/x', ${at}, 'unauthorized', 1)` },
  audit_log: { setting: 'AUDIT_RETENTION_DAYS', days: 365, add: (at) => `(at, actor, action, target) VALUES (${at}, 'a', 'b', 'c')` },
};

// Tables whose rows go with something else than a setting; each has a test below.
const goes = {
  job_dependencies: 'with either of its jobs',
  job_requests: 'after a day',
  job_slots: 'with the lease of its job; each run of job-queue sees to what is left over',
};

// Tables that do not, and why.
const stays = {
  app_webhooks: 'one row per endpoint, and the operator deletes it',
  accounts: "the application's own data",
  contacts: "the application's own data",
  job_types: 'one row per type, and the operator deletes it',
  job_queues: 'one row per queue that was ever paused',
  job_limits: 'one row',
  event_handlers: 'one row per handler, and the operator deletes it',
  email_templates: 'one row per template, and the operator deletes it',
  inventory_items: "the shop's own data",
  job_schedules: 'one row per schedule, and the operator deletes it',
  workspaces: "the application's own data",
  whatsapp_connections: 'one row per connection, and the application deletes it',
  whatsapp_configs: 'one row per connection, and goes with it',
  user_integrations: 'one row per connected account, and the application deletes it',
  integration_items: 'what vendors list; what they list no more goes with a sync',
  integration_seen: 'a row per page of lists that are read whole; goes with the pass, or with the page',
  workspace_members: "the application's own data",
  workspace_settings: "the application's own data",
  cron_locks: 'one row per worker',
  cronward_adopted: 'one row per table of an application',
  cronward_schema: 'one row per migration',
};

// Partitions are part of their table.
const tables = async () => (await stand.db.rows(
  `SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition ORDER BY 1`))
  .map((row) => row.relname);
// Each run leaves an execution and an act on record.
const ours = { cron_job_executions: `WHERE job_name = 'x'`, audit_log: `WHERE actor = 'a'` };
const left = (table) => stand.db.value(`SELECT count(*)::int FROM ${table} ${ours[table] ?? ''}`);

await stand.db.rows(`INSERT INTO inventory_items (sku, on_hand) VALUES ('x', 100)`);
beforeEach(async () => {
  await stand.db.rows(`TRUNCATE ${Object.keys(grows).join(', ')}, app_webhooks`);
  await stand.endpoint('/ok/retention', { events: ['nothing'] });
});

async function archive(env = {}, args = []) {
  const done = await stand.cli(['run', 'data-archival', ...args], { env });
  assert.equal(done.code, 0, done.stderr);
  const reply = JSON.parse(done.stdout);
  return { ...reply, ...(await stand.execution(reply.run.id)).counts };
}

test('every table either does not grow, for a reason, or is pruned', async () => {
  assert.deepEqual(await tables(), [...Object.keys(grows), ...Object.keys(goes), ...Object.keys(stays)].sort());
});

test('a table that nobody thought of would be seen', async () => {
  await stand.db.rows('CREATE TABLE forgotten (id int)');
  assert.notDeepEqual(await tables(), [...Object.keys(grows), ...Object.keys(goes), ...Object.keys(stays)].sort());
  await stand.db.rows('DROP TABLE forgotten');
});

for (const [table, { setting, days, add }] of Object.entries(grows)) {
  test(`${table}: what is older than ${setting} goes, what is younger stays`, async () => {
    const fill = async (limit) => {
      for (const at of [ago(limit + 9), ago(limit + 8), ago(limit - 1)]) {
        // An attempt is nothing without its delivery.
        if (table === 'webhook_attempts') await stand.db.rows(`INSERT INTO webhook_deliveries ${grows.webhook_deliveries.add(at)}`);
        await stand.db.rows(`INSERT INTO ${table} ${add(at)}`);
      }
    };
    await fill(20);
    await archive({ [setting]: '20', ARCHIVE_MODE: 'delete' });
    assert.equal(await left(table), 1, 'as the setting says');
    await stand.db.rows(`TRUNCATE ${Object.keys(grows).join(', ')}`);
    await fill(days || 4000);
    await archive({ ARCHIVE_MODE: 'delete' });
    assert.equal(await left(table), days ? 1 : 3, 'as its default says');
  });
}

test('what is not finished stays, however old, and what ended late counts from its end', async () => {
  for (const status of ['pending', 'blocked', 'processing', 'completed', 'failed', 'cancelled'])
    await stand.db.rows(`INSERT INTO jobs (job_type, status, waits_until, created_at, updated_at) VALUES ('x', $1, NULL, ${ago(100)}, ${ago(100)})`, [status]);
  await stand.db.rows(`INSERT INTO jobs (job_type, status, waits_until, created_at, completed_at) VALUES ('late', 'completed', NULL, ${ago(100)}, ${ago(1)})`);
  await stand.db.rows(`INSERT INTO jobs (job_type, status, created_at, updated_at) VALUES ('waits', 'failed', ${ago(100)}, ${ago(100)})`);
  await stand.db.rows(`UPDATE jobs SET waits_until = now() WHERE job_type = 'waits'`); // an INSERT would have taken it for history
  const mail = (address, status, scheduled, next) => stand.db.rows(
    `INSERT INTO email_queue (to_address, status, created_at, scheduled_for, next_attempt_at, waits_until) VALUES ($1, $2, ${ago(100)}, ${scheduled}, ${next}, NULL)`, [address, status]);
  for (const status of ['pending', 'processing', 'sent', 'failed']) await mail('a@example.com', status, ago(100), 'NULL');
  await mail('late@example.com', 'sent', ago(1), 'NULL');
  await mail('later@example.com', 'failed', ago(100), ago(2));
  await mail('waits@example.com', 'failed', ago(100), 'NULL');
  await stand.db.rows(`UPDATE email_queue SET waits_until = now() WHERE to_address ~ 'waits'`);
  const done = await archive();
  assert.deepEqual([done.pruned_jobs, done.pruned_email], [3, 2]);
  const texts = async (sql) => (await stand.db.rows(sql)).map((row) => row.text).sort();
  assert.deepEqual(await texts(`SELECT job_type || ' ' || status AS text FROM jobs`),
    ['late completed', 'waits failed', 'x blocked', 'x pending', 'x processing']);
  assert.deepEqual(await texts(`SELECT split_part(to_address, '@', 1) || ' ' || status AS text FROM email_queue`),
    ['a pending', 'a processing', 'late sent', 'later failed', 'waits failed']);
});

test('an event, a mail or a hold that is not over stays, however old; it counts from its end, and what an application had before stays', async () => {
  const event = (status, more, values) => stand.db.rows(
    `INSERT INTO webhook_events (provider, event_id, event_type, status, created_at, waits_until${more}) VALUES ('x', ${UUID}, $1, split_part($1, ' ', 1), ${ago(100)}, 'infinity'${values})`, [status]);
  for (const status of ['pending', 'failed', 'processed', 'processing']) await event(status, '', '');
  await event('failed for somebody', '', '');
  await event('failed given up', ', archived, dead_at', `, true, ${ago(40)}`);
  await event('failed given up late', ', archived, dead_at', `, true, ${ago(1)}`);
  await event('processed late', ', processed_at', `, ${ago(1)}`);
  await stand.db.rows(`UPDATE webhook_events SET waits_until = NULL WHERE event_type ~ 'processed|given up|somebody'`);
  await stand.db.rows(`INSERT INTO whatsapp_webhook_logs (eventtype, processed, archived, created_at, processed_at, dead_at) VALUES ('done', true, false, ${ago(100)}, ${ago(40)}, NULL),
     ('given up', false, true, ${ago(100)}, NULL, ${ago(40)}), ('waits', false, false, ${ago(100)}, NULL, NULL)`);
  for (const [status, created, ended] of [['active', 100], ['expired', 100], ['released', 100, 1], ['released', 100, 90]])
    await stand.db.rows(`INSERT INTO inventory_reservations (item_id, quantity, status, created_at, ended_at) SELECT id, 1, $1, ${ago(created)}, ${ended ? ago(ended) : 'NULL'} FROM inventory_items`, [status]);
  const [leader] = await stand.db.rows(`INSERT INTO email_queue (to_address, created_at) VALUES ('leader@example.com', ${ago(100)}), ('next@example.com', ${ago(100)}) RETURNING id`);
  await stand.db.rows(`UPDATE email_queue SET batch_id = $1, status = 'processing', waits_until = CASE WHEN id = $1 THEN now() ELSE 'infinity'::timestamptz END WHERE batch_id IS NULL AND created_at < ${ago(99)}`, [leader.id]);
  for (const [address, end, at] of [['sent late', 'sent', 1], ['dead late', 'dead', 1], ['sent', 'sent', 40], ['dead', 'dead', 40]])
    await stand.db.rows(`INSERT INTO email_queue (to_address, status, created_at, scheduled_for, ${end}_at) VALUES ($1, $2, ${ago(100)}, ${ago(100)}, ${ago(at)})`, [address, end === 'sent' ? 'sent' : 'failed']);
  const done = await archive({ RESERVATION_RETENTION_DAYS: '20' });
  assert.deepEqual([done.pruned_webhook_events, done.pruned_whatsapp_logs, done.pruned_reservations, done.pruned_email], [2, 2, 2, 2]);
  const texts = async (sql) => (await stand.db.rows(sql)).map((row) => row.text).sort();
  assert.deepEqual(await texts('SELECT event_type AS text FROM webhook_events'), ['failed', 'failed for somebody', 'failed given up late', 'pending', 'processed late', 'processing']);
  assert.deepEqual(await texts('SELECT eventtype AS text FROM whatsapp_webhook_logs'), ['waits']);
  assert.deepEqual(await texts('SELECT status AS text FROM inventory_reservations'), ['active', 'released']);
  assert.deepEqual(await texts('SELECT to_address AS text FROM email_queue'), ['dead late', 'leader@example.com', 'next@example.com', 'sent late']);
  // What an application had before.
  await stand.db.rows(`INSERT INTO cronward_adopted (name, at) SELECT t, now() FROM unnest('{webhook_events,whatsapp_webhook_logs,inventory_reservations}'::text[]) t`);
  for (const table of ['webhook_events', 'whatsapp_webhook_logs', 'inventory_reservations']) {
    await stand.db.rows(`TRUNCATE ${table}`);
    await stand.db.rows(`INSERT INTO ${table} ${grows[table].add(ago(100))}`);
  }
  const again = await archive({ RESERVATION_RETENTION_DAYS: '20' });
  assert.deepEqual([again.pruned_webhook_events, again.pruned_whatsapp_logs, again.pruned_reservations], [0, 0, 0]);
  await stand.db.rows(`DELETE FROM cronward_adopted WHERE name ~ 'webhook|inventory'`);
});

// Jobs that ended, or wait, so many days ago, and what each depends on; both names are job types.
async function workflow(jobs, edges) {
  await stand.db.rows('TRUNCATE job_dependencies');
  for (const [type, { days, waits = false }] of Object.entries(jobs))
    await stand.db.rows(`INSERT INTO jobs (job_type, created_at, run_at) VALUES ($1, ${ago(days)}, ${waits ? 'now() + interval \'9 days\'' : ago(days)})`, [type]);
  for (const [job, on] of edges)
    await stand.db.rows(`INSERT INTO job_dependencies (job_id, depends_on) SELECT x.id, y.id FROM jobs x, jobs y WHERE x.job_type = $1 AND y.job_type = $2`, [job, on]);
  await stand.db.rows(`UPDATE job_dependencies d SET is_open = false FROM jobs j WHERE j.id = d.depends_on AND j.job_type = ANY ($1)`,
    [Object.keys(jobs).filter((type) => !jobs[type].waits)]);
  for (const [type, { days, waits = false }] of Object.entries(jobs))
    await stand.db.rows(`UPDATE jobs SET is_awaited = EXISTS (SELECT FROM job_dependencies WHERE depends_on = id)${waits ? '' : `, status = 'completed', waits_until = NULL, completed_at = ${ago(days)}`} WHERE job_type = $1`, [type]);
}
const edgesLeft = async () => (await stand.db.rows(
  `SELECT COALESCE(x.job_type, 'gone') || ' on ' || COALESCE(y.job_type, 'gone') || CASE WHEN is_open THEN ', open' ELSE '' END AS text
     FROM job_dependencies d LEFT JOIN jobs x ON x.id = d.job_id LEFT JOIN jobs y ON y.id = d.depends_on ORDER BY 1`)).map((row) => row.text);
const typesLeft = async () => (await stand.db.rows('SELECT job_type FROM jobs ORDER BY 1')).map((row) => row.job_type);

test('what a job that waits has depended on stays with it; what depends on nothing goes, and edges with their jobs', async () => {
  await workflow({ done: { days: 50 }, early: { days: 90 }, late: { days: 70, waits: true }, next: { days: 60, waits: true }, plain: { days: 80 }, ended: { days: 45 } },
    [['late', 'early'], ['next', 'late'], ['next', 'early'], ['ended', 'done']]);
  const open = await stand.db.rows('SELECT job_type, status, open_dependencies, waits_until FROM jobs WHERE waits_until IS NOT NULL ORDER BY 1');
  const done = await archive();
  assert.deepEqual([done.pruned_jobs, await typesLeft()], [3, ['early', 'late', 'next']]);
  assert.deepEqual(await edgesLeft(), ['late on early', 'next on early', 'next on late, open']);
  assert.deepEqual(await stand.db.rows('SELECT job_type, status, open_dependencies, waits_until FROM jobs WHERE waits_until IS NOT NULL ORDER BY 1'), open);
  // When those have ended, all of it goes.
  await stand.db.rows(`UPDATE job_dependencies SET is_open = false; UPDATE jobs SET status = 'completed', waits_until = NULL, completed_at = ${ago(40)}`);
  await archive();
  await archive(); // edges are looked at in turn with jobs
  assert.deepEqual([await typesLeft(), await edgesLeft()], [[], []]);
});

test('edges of jobs that an application deleted go, but for one that says why a job waits', async () => {
  await workflow({ a: { days: 1 }, b: { days: 1, waits: true }, c: { days: 1, waits: true }, d: { days: 1, waits: true } },
    [['b', 'a'], ['c', 'b'], ['d', 'c'], ['d', 'a']]);
  await stand.db.session(async (sql) => {
    await sql('ALTER TABLE jobs DISABLE TRIGGER USER');
    await sql(`DELETE FROM jobs WHERE job_type IN ('a', 'b')`);
    await sql('ALTER TABLE jobs ENABLE TRIGGER USER');
  });
  assert.equal((await archive()).pruned_job_dependencies, 2);
  assert.deepEqual(await edgesLeft(), ['c on gone, open', 'd on c, open']);
  await stand.db.rows('TRUNCATE job_dependencies');
});

test('edges are all looked at, however small the batch', async () => {
  await stand.db.rows(`ALTER TABLE job_dependencies DISABLE TRIGGER USER; TRUNCATE job_dependencies;
    INSERT INTO job_dependencies (job_id, depends_on) SELECT x.id, gen_random_uuid() FROM (SELECT gen_random_uuid() AS id FROM generate_series(1, 60)) x, generate_series(1, 50);
    ALTER TABLE job_dependencies ENABLE TRIGGER USER`);
  assert.equal((await archive({ DATA_ARCHIVAL_BATCH_SIZE: '7' })).pruned_job_dependencies, 3000);
  assert.deepEqual(await edgesLeft(), []);
});

test('an Idempotency-Key is remembered for a day', async () => {
  await stand.db.rows(`INSERT INTO job_requests (idempotency_key, body_sha256, reply, created_at) SELECT 'k' || n, '', '{}', now() - n * interval '1 hour' FROM generate_series(1, 40) n`);
  assert.equal((await archive({ DATA_ARCHIVAL_BATCH_SIZE: '3' })).pruned_job_requests, 17);
  assert.equal(await stand.db.value(`SELECT max(now() - created_at) < interval '24 hours 1 minute' FROM job_requests`), true);
  await stand.db.rows('TRUNCATE job_requests');
});

const LINES = size(100_000, 1_000_000);

test(`lines that an application had before stay; ${LINES} lines go in bounded time`, async (t) => {
  await stand.db.rows(`INSERT INTO job_logs (job_id, message, created_at) SELECT ${UUID}, 'completed in 3 ms, try 1 of 5', ${ago(100)} + n * interval '1 s' FROM generate_series(1, ${LINES}) n`);
  await stand.db.rows(`INSERT INTO cronward_adopted (name, at) SELECT 'job_logs', min(created_at) + interval '8.5 s' FROM job_logs`);
  const began = Date.now();
  assert.equal((await archive({}, ['--budget=60'])).pruned_job_logs, LINES - 9);
  t.diagnostic(`${LINES} lines in ${Date.now() - began} ms`);
  assert.equal(await left('job_logs'), 9);
  await stand.db.rows(`DELETE FROM cronward_adopted WHERE name = 'job_logs'`);
});

test('JOB_RETENTION_DAYS, JOB_LOG_RETENTION_DAYS, EMAIL_RETENTION_DAYS and those of inbound events 0 keep for ever', async () => {
  const tables = ['jobs', 'job_logs', 'email_queue', 'webhook_events', 'whatsapp_webhook_logs'];
  for (const table of tables) await stand.db.rows(`INSERT INTO ${table} ${grows[table].add(ago(4000))}`);
  await archive(Object.fromEntries(tables.map((table) => [grows[table].setting, '0'])));
  for (const table of tables) assert.equal(await left(table), 1, table);
});

test('an archived event that a delivery waits for stays in the archive', async () => {
  await stand.db.rows(`INSERT INTO platform_events_archive ${grows.platform_events_archive.add(ago(50))}`);
  await stand.db.rows(`INSERT INTO webhook_deliveries (webhook_id, event_id) SELECT w.id, e.id FROM app_webhooks w, platform_events_archive e`);
  assert.equal((await archive({ ARCHIVE_RETENTION_DAYS: '10' })).pruned_events_archive, 0);
  await stand.db.rows(`UPDATE webhook_deliveries SET status = 'delivered', next_retry_at = NULL`);
  assert.equal((await archive({ ARCHIVE_RETENTION_DAYS: '10' })).pruned_events_archive, 1);
});

test('rows that somebody holds are passed over, and nobody waits', async () => {
  const held = ['platform_events_archive', 'platform_notifications_archive', 'jobs', 'email_queue', 'webhook_events', 'whatsapp_webhook_logs'];
  for (const table of held) await stand.db.rows(`INSERT INTO ${table} ${grows[table].add(ago(200))}`);
  await stand.db.session(async (sql) => {
    await sql('BEGIN');
    for (const table of held) await sql(`SELECT 1 FROM ${table} FOR UPDATE`);
    await archive({ ARCHIVE_RETENTION_DAYS: '10' });
    for (const table of held) assert.equal(await left(table), 1, table);
    await sql('ROLLBACK');
  });
  await archive({ ARCHIVE_RETENTION_DAYS: '10' });
  for (const table of held) assert.equal(await left(table), 0, table);
});

test('a table that is far behind starves none, and the run ends in time', async () => {
  await stand.db.rows(
    `INSERT INTO platform_events_archive (id, event_type, payload, created_at, archived_at)
     SELECT ${UUID}, 'x', '{}', ${ago(900)}, ${ago(400)} + n * interval '1 ms' FROM generate_series(1, 60000) n`);
  for (const table of Object.keys(grows).filter((name) => name !== 'platform_events_archive' && name !== 'webhook_attempts'))
    await stand.db.rows(`INSERT INTO ${table} ${grows[table].add(ago(400))}`);
  // So small that one second is not enough for all.
  const done = await archive({ ARCHIVE_RETENTION_DAYS: '10', RESERVATION_RETENTION_DAYS: '10', DATA_ARCHIVAL_BATCH_SIZE: '1', ARCHIVE_MODE: 'delete' }, ['--budget=1']);
  assert.equal(done.run.more, true);
  const rest = await left('platform_events_archive');
  assert.ok(rest > 0 && rest < 60_000, `${rest} are left`);
  for (const table of Object.keys(grows).filter((name) => name !== 'platform_events_archive')) assert.equal(await left(table), 0, table);
});

test('SIGTERM ends a run between two batches: what was done stays done, the rest is for the next', async () => {
  await stand.db.rows(
    `INSERT INTO jobs (job_type, status, waits_until, created_at, completed_at)
     SELECT 'x', 'completed', NULL, ${ago(40)} + n * interval '1 ms', ${ago(40)} FROM generate_series(1, 30000) n`);
  const log = path.join(tempFolder('stopped'), 'log');
  const child = start(program(), ['run', 'data-archival', '--budget=60'],
    { log, env: { PATH: process.env.PATH, ...stand.env({ DATA_ARCHIVAL_BATCH_SIZE: '5', LOG_LEVEL: 'error' }) } });
  await until(async () => await left('jobs') < 30_000, { what: 'it to begin', everyMs: 5 });
  const began = Date.now();
  child.signal('SIGTERM');
  assert.equal((await child.ended).code, 0);
  assert.ok(Date.now() - began < 2000, `it took ${Date.now() - began} ms`);
  const { run } = JSON.parse(readFileSync(log, 'utf8'));
  const { status, counts } = await stand.execution(run.id);
  assert.deepEqual([run.more, status], [true, 'success']);
  const rest = await left('jobs');
  assert.ok(rest > 0);
  assert.equal(counts.pruned_jobs, 30_000 - rest);
  assert.equal((await archive()).pruned_jobs, rest);
});

test('a cap is for what is archived; histories are pruned all the same', async () => {
  for (let n = 0; n < 3; n++) for (const table of ['platform_events', 'jobs', 'audit_log']) await stand.db.rows(`INSERT INTO ${table} ${grows[table].add(ago(400))}`);
  const done = await archive({ DATA_ARCHIVAL_RUN_MAX: '1' });
  assert.deepEqual([done.archived_events, done.pruned_jobs, done.pruned_audit, done.run.more], [1, 3, 3, true]);
  assert.equal(done.processed, 1);
});
