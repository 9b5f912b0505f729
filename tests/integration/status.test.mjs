// cronward status: what it says, that its counts stop in time, and how it watches.
import assert from 'node:assert/strict';
import { after, beforeEach, test } from 'node:test';
import { tempFolder } from '../lib/clean.mjs';
import { Cluster } from '../lib/postgres.mjs';
import { cleanEnv, start } from '../lib/process.mjs';
import { program } from '../lib/program.mjs';
import { report, size } from '../lib/sizes.mjs';
import { ROUTE, Stand } from '../lib/stand.mjs';
import { Terminal } from '../lib/terminal.mjs';
import { until } from '../lib/wait.mjs';
import { readFileSync } from 'node:fs';
import path from 'node:path';

const WORKERS = [...Object.keys(ROUTE), 'job-queue', 'whatsapp-webhook-retry', 'retry-webhooks', 'process-email-queue', 'cleanup-reservations',
  'whatsapp-health-check', 'sync-integrations'];
const cluster = await Cluster.create();
const stand = await Stand.create({ cluster });
after(async () => {
  await stand.end();
  await cluster.stop();
});
beforeEach(async () => {
  await stand.db.rows(`TRUNCATE app_webhooks, webhook_deliveries, webhook_attempts, audit_log, cron_locks, cron_job_executions,
                                cron_denied, platform_notifications`);
  await stand.db.rows('DELETE FROM platform_events; DELETE FROM jobs; DELETE FROM job_queues');
  stand.receiver.forget();
});

async function status() {
  const done = await stand.cli(['status', '--json']);
  assert.equal(done.code, 0, done.stderr);
  return JSON.parse(done.stdout);
}
const text = async () => (await stand.cli(['status'])).stdout;
const worker = (found, name) => found.workers.find((one) => one.worker === name);
const queue = (found, name) => found.queues.find((one) => one.queue === name);

test('before anything has happened', async () => {
  const found = await status();
  assert.deepEqual(found.workers, WORKERS.map((name) => ({ worker: name, lastRun: null, running: false, lock: null })));
  assert.deepEqual(queue(found, 'webhook_deliveries'),
    { queue: 'webhook_deliveries', due: 0, waiting: 0, leased: 0, parked: 0, dead: 0, oldestDueS: null });
  assert.deepEqual(queue(found, 'jobs'), { queue: 'jobs', due: 0, waiting: 0, leased: 0, parked: 0, dead: 0, oldestDueS: null });
  assert.deepEqual([found.endpointsDisabled, found.deniedInLastHour, found.queuesPaused], [0, {}, []]);
  assert.match(await text(), /webhook-retry +never/);
});

test('last runs, the lock of one that runs, queues, endpoints, refused calls', async () => {
  await stand.endpoint('/ok/status');
  await stand.enqueue(3);
  assert.equal((await stand.cli(['run', 'webhook-retry'])).code, 0);
  const holder = await stand.db.value(`INSERT INTO cron_job_executions (id, job_name, caller) VALUES (gen_random_uuid(), 'data-archival', 'test') RETURNING id`);
  await stand.db.rows(`INSERT INTO cron_locks (name, holder, acquired_at, expires_at) VALUES ('data-archival', $1, now() - interval '5 s', now() + interval '1 hour')`, [holder]);
  await stand.enqueue(9);
  const order = 'SELECT id FROM webhook_deliveries WHERE next_retry_at IS NOT NULL ORDER BY id';
  for (const [at, change] of [
    ['0, 1', `next_retry_at = now() - interval '1 hour'`], ['1, 1', `next_retry_at = now() + interval '1 hour'`],
    ['2, 2', `lease_until = now() + interval '1 minute', status = 'processing'`], ['4, 1', `next_retry_at = 'infinity'`],
    ['5, 1', `next_retry_at = NULL, dead_at = now(), status = 'failed'`]]) {
    const [skip, count] = at.split(', ');
    await stand.db.rows(`UPDATE webhook_deliveries SET ${change} WHERE id IN (${order} OFFSET ${skip} LIMIT ${count})`);
  }
  await stand.db.rows(`INSERT INTO platform_notifications (user_id, title, expires_at) SELECT gen_random_uuid(), 't', now() + n * interval '1 minute' FROM unnest('{-2,-1,1}'::int[]) n`);
  await stand.endpoint('/status/500', { is_active: false });
  await stand.db.rows(
    `INSERT INTO cron_denied (route, minute, code, calls) VALUES ('/a', date_trunc('minute', now()), 'unauthorized', 4),
       ('/b', date_trunc('minute', now()) - interval '50 min', 'unauthorized', 5), ('/b', date_trunc('minute', now()), 'not_configured', 1),
       ('/a', date_trunc('minute', now()) - interval '2 h', 'unauthorized', 100)`);
  const found = await status();
  const retry = worker(found, 'webhook-retry');
  assert.deepEqual([retry.lastRun.outcome, retry.lastRun.counts.succeeded, retry.running, retry.lock], ['success', 3, false, null]);
  assert.match(retry.lastRun.caller, /^cli:/);
  const archival = worker(found, 'data-archival');
  assert.deepEqual([archival.lastRun, archival.running, archival.lock.holder, archival.lock.caller], [null, true, holder, 'test']);
  const { oldestDueS, ...counts } = queue(found, 'webhook_deliveries');
  assert.deepEqual(counts, { queue: 'webhook_deliveries', due: 4, waiting: 1, leased: 2, parked: 1, dead: 1 });
  assert.ok(oldestDueS >= 3600 && oldestDueS < 3700, oldestDueS);
  const notifications = queue(found, 'platform_notifications');
  assert.deepEqual([notifications.due, notifications.waiting, notifications.leased, notifications.dead], [2, 1, null, null]);
  assert.deepEqual([found.endpointsDisabled, found.deniedInLastHour], [1, { unauthorized: 9, not_configured: 1 }]);
  const shown = await text();
  assert.match(shown, /webhook-retry +success \d+ s ago in \d+ ms +- +processed 3, succeeded 3/);
  assert.match(shown, new RegExp(`data-archival +never +running for \\d+ s, run ${holder} of test`));
  assert.match(shown, /webhook_deliveries +4 +1 +2 +1 +1 +60 min/);
});

// Rows as they stand in a table, the rules of their life aside.
const asTheyStand = (table, sql, values) => stand.db.session(async (run) => {
  await run(`ALTER TABLE ${table} DISABLE TRIGGER USER`);
  await run(sql, values);
  await run(`ALTER TABLE ${table} ENABLE TRIGGER USER`);
});
const jobs = (sql, values) => asTheyStand('jobs', sql, values);

test('jobs: due, waiting, leased, parked and dead over all queues; those that are paused by name', async () => {
  await jobs(`INSERT INTO jobs (job_type, queue, priority, waits_until, lease_until, status, dead_at) VALUES
    ('x', 'a', 0, now() - interval '3 h', NULL, 'pending', NULL), ('x', 'a', 10, now() - interval '1 h', NULL, 'pending', NULL),
    ('x', 'b', 0, now() - interval '5 h', now() + interval '1 h', 'processing', NULL), ('x', 'b', 0, now() - interval '4 h', now() - interval '1 s', 'processing', NULL),
    ('x', 'c', 0, now() - interval '9 h', NULL, 'pending', NULL), ('x', 'c', 0, now() + interval '1 h', NULL, 'pending', NULL),
    ('x', 'a', 0, 'infinity', NULL, 'blocked', NULL), ('x', 'a', 0, NULL, NULL, 'completed', NULL), ('x', 'a', 0, NULL, NULL, 'failed', now())`);
  await stand.db.rows(`INSERT INTO job_queues (name, paused) VALUES ('c', true), ('a', false), (E'\x1b[31mred', true)`);
  const found = await status();
  const { oldestDueS, ...counts } = queue(found, 'jobs');
  assert.deepEqual(counts, { queue: 'jobs', due: 4, waiting: 1, leased: 1, parked: 1, dead: 1 });
  assert.ok(Math.abs(oldestDueS - 4 * 3600) < 60, `${oldestDueS} s: what nobody may take does not count`);
  assert.deepEqual(found.queuesPaused, ['\x1b[31mred', 'c']);
  const shown = await text();
  assert.match(shown, /jobs +4 +1 +1 +1 +1 +4 h/);
  assert.match(shown, /^queues of jobs that are paused: .*red, c$/m);
  assert.ok(!shown.includes('\x1b'));
});

test('events, mail and holds: due, waiting, leased and dead over all providers and priorities', async (t) => {
  t.after(() => stand.db.rows('TRUNCATE webhook_events, whatsapp_webhook_logs, email_queue, inventory_items, user_integrations CASCADE'));
  const row = (hours, lease, deadAt, more = '') => `(${hours === null ? 'NULL' : `now() + interval '${hours} h'`}, ${lease ? `now() + interval '${lease}'` : 'NULL'}, ${deadAt}${more})`;
  for (const [table, names, ...rows] of [
    ['webhook_events', ', status, provider, event_id, attempts, archived', row(-1, '', 'NULL', `, 'pending', 'a', '1', 0, false`), row(-2, '', 'NULL', `, 'failed', 'a', '2', 1, false`),
      row(-9, '1 min', 'NULL', `, 'failed', 'b', '3', 1, false`), row(-5, '-1 min', 'NULL', `, 'processing', 'c', '4', 0, false`), row(1, '', 'NULL', `, 'failed', 'b', '5', 1, false`),
      row(null, '', 'now()', `, 'failed', 'b', '6', 6, true`), row(null, '', 'NULL', `, 'processed', 'b', '7', 1, false`)],
    ['whatsapp_webhook_logs', ', status, event_id, attempts', row(-3, '', 'NULL', `, 'pending', '1', 0`), row(1, '', 'NULL', `, 'failed', '2', 1`)],
    ['email_queue', ', status, to_address, priority', row(-1, '', 'NULL', `, 'pending', 'a@example.com', 10`), row(-4, '', 'NULL', `, 'pending', 'a@example.com', 0`),
      row(-6, '1 min', 'NULL', `, 'processing', 'a@example.com', 0`), row(2, '', 'NULL', `, 'pending', 'a@example.com', 0`)]])
    await asTheyStand(table, `INSERT INTO ${table} (waits_until, lease_until, dead_at${names}) VALUES ${rows}`);
  await stand.db.rows(`INSERT INTO email_queue (to_address, status, dead_at) SELECT 'a@example.com', 'failed', now() FROM generate_series(1, 10001)`);
  await stand.db.rows(`INSERT INTO user_integrations (user_id, provider, priority, access_token, waits_until, lease_until)
    SELECT gen_random_uuid(), p, n, 'x', now() + h * interval '1 hour', now() + l * interval '1 min'
      FROM (VALUES ('github', 0, -1, NULL), ('slack', 5, -8, NULL), ('slack', 0, -9, 1), ('notion', 0, 1, NULL), ('notion', 0, NULL, NULL)) v (p, n, h, l)`);
  const item = await stand.db.value(`INSERT INTO inventory_items (sku, on_hand) VALUES ('x', 9) RETURNING id`);
  await stand.db.rows(`INSERT INTO inventory_reservations (item_id, quantity, status, expires_at) SELECT $1, 1, s, now() + h * interval '1 hour'
    FROM (VALUES ('active', -1), ('active', -7), ('active', 1), ('expired', -9)) v (s, h)`, [item]);
  const found = await status();
  const seen = (name) => {
    const { queue: _, oldestDueS, ...counts } = queue(found, name);
    return { ...counts, hours: oldestDueS === null ? null : Math.floor(oldestDueS / 3600) };
  };
  assert.deepEqual(seen('webhook_events'), { due: 3, waiting: 1, leased: 1, parked: null, dead: 1, hours: 5 });
  assert.deepEqual(seen('whatsapp_webhook_logs'), { due: 1, waiting: 1, leased: 0, parked: null, dead: 0, hours: 3 });
  assert.deepEqual(seen('user_integrations'), { due: 2, waiting: 1, leased: 1, parked: null, dead: null, hours: 8 });
  assert.deepEqual(seen('email_queue'), { due: 2, waiting: 1, leased: 1, parked: null, dead: '10000+', hours: 4 });
  assert.deepEqual(seen('inventory_reservations'), { due: 2, waiting: 1, leased: null, parked: null, dead: null, hours: 7 });
  assert.match(await text(), /^email_queue +2 +1 +1 +- +10000\+ +4 h$/m);
});

test('a million finished jobs, and 10,000 due, make it no slower', async (t) => {
  const rows = size(200_000, 1_000_000);
  await jobs(`INSERT INTO jobs (job_type, queue, priority, status, waits_until, completed_at, dead_at)
    SELECT 'x', 'q' || n % 7, n % 3, CASE WHEN n % 50 = 0 THEN 'failed' ELSE 'completed' END, NULL, now(), CASE WHEN n % 50 = 0 THEN now() END FROM generate_series(1, $1::int) n`, [rows]);
  await jobs(`INSERT INTO jobs (job_type, queue, priority, waits_until) SELECT 'x', 'q' || n % 7, n % 3, now() - n * interval '1 ms' FROM generate_series(1, 10000) n`);
  await status();
  const began = performance.now();
  const found = queue(await status(), 'jobs');
  const ms = Math.round(performance.now() - began);
  report(t, 'status beside finished jobs', { rows, ms });
  assert.deepEqual([found.due, found.dead], [10_000, Math.min(rows / 50, 10_001) > 10_000 ? '10000+' : rows / 50]);
  assert.ok(ms < 1000, `${ms} ms`);
});

test('counts end at 10000, however many rows there are', async (t) => {
  const rows = size(30_000, 1_000_000);
  const { id } = await stand.endpoint('/ok/many');
  await stand.db.rows(
    `INSERT INTO webhook_deliveries (webhook_id, event_id, status, next_retry_at, dead_at)
     SELECT $1, gen_random_uuid(), CASE n % 5 WHEN 4 THEN 'failed' WHEN 3 THEN 'delivered' ELSE 'pending' END,
            CASE n % 5 WHEN 0 THEN now() - n * interval '1 ms' WHEN 1 THEN now() + interval '1 day' WHEN 2 THEN 'infinity'::timestamptz END,
            CASE n % 5 WHEN 4 THEN now() END
       FROM generate_series(1, $2::int * 5 / 2) n`, [id, rows]);
  const began = performance.now();
  const found = queue(await status(), 'webhook_deliveries');
  report(t, 'status of rows waiting', { rows, ms: Math.round(performance.now() - began) });
  assert.deepEqual([found.due, found.waiting, found.leased, found.parked, found.dead], ['10000+', '10000+', 0, '10000+', '10000+']);
  assert.match(await text(), /webhook_deliveries +10000\+ +10000\+ +0 +10000\+ +10000\+/);
});

test('--watch elsewhere than on a terminal: block after block, through a restart of the database, until SIGINT', { timeout: 60_000 }, async () => {
  const log = path.join(tempFolder('watch'), 'log');
  const child = start(program(), ['status', '--watch', '1'], { env: cleanEnv(stand.env()), log });
  const blocks = () => (readFileSync(log, 'utf8').match(/^worker +last run/gm) ?? []).length;
  await until(() => blocks() >= 2);
  await cluster.stop();
  await until(() => /trying again/.test(readFileSync(log, 'utf8')), { what: 'word of the database' });
  await cluster.start();
  const before = blocks();
  await until(() => blocks() > before, { what: 'the status behind the restart' });
  child.signal('SIGINT');
  assert.equal((await child.ended).code, 0);
  assert.doesNotMatch(readFileSync(log, 'utf8'), /\x1b/);
});

test('--watch --json: a document on each line', async () => {
  const log = path.join(tempFolder('watch'), 'log');
  const child = start(program(), ['status', '--json', '--watch=1'], { env: cleanEnv(stand.env()), log });
  await until(() => readFileSync(log, 'utf8').split('\n').length >= 3);
  child.signal('SIGTERM');
  assert.equal((await child.ended).code, 0);
  for (const line of readFileSync(log, 'utf8').trim().split('\n')) assert.equal(JSON.parse(line).workers.length, WORKERS.length);
});

for (const [name, key] of [['q', 'q'], ['Ctrl-C', '\x03']]) {
  test(`--watch on a terminal is drawn over, ends with ${name}, and gives the terminal back`, async () => {
    const terminal = new Terminal(program(), ['status', '--watch', '1'], stand.env(),
      { before: 'stty -g | sed s/^/before=/', after: 'stty -g | sed s/^/after=/' });
    await terminal.shows(/every 1 s; q ends[^]*webhook-retry[^]*every 1 s; q ends[^]*webhook-retry/);
    terminal.type('x\x1a\x1c'); // nor do Ctrl-Z and Ctrl-\\ end it
    terminal.type(key);
    assert.equal(await terminal.ended(), 0);
    const out = terminal.output;
    assert.ok(out.indexOf('\x1b[?1049h') < out.indexOf('webhook-retry'), 'the alternate screen comes first');
    assert.ok(out.lastIndexOf('\x1b[?1049l') > out.lastIndexOf('webhook-retry'), 'and goes last');
    assert.equal(out.split('\x1b[H').length - 1 >= 2, true, 'drawn over, not scrolled');
    assert.equal(/after=(\S+)/.exec(out)[1], /before=(\S+)/.exec(out)[1]);
  });
}

test('on a terminal that is too small, what does not fit is left out', async () => {
  const terminal = new Terminal(program(), ['status', '--watch', '1'], stand.env(), { rows: 5 });
  await terminal.shows(/\x1b\[J/);
  terminal.type('q');
  assert.equal(await terminal.ended(), 0);
  assert.doesNotMatch(terminal.output, /webhook_deliveries/);
});

test('without a database; and wrong words', async () => {
  const away = await stand.cli(['status'], { env: { DATABASE_URL: 'postgresql:///x?host=/nonexistent' } });
  assert.deepEqual([away.code, away.stderr.trim().split('\n').length], [1, 1]);
  for (const args of [['x'], ['--watch', '0'], ['--watch=x'], ['--nonsense']])
    assert.equal((await stand.cli(['status', ...args])).code, 2, args.join(' '));
});
