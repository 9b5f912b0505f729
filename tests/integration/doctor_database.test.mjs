// cronward doctor on databases: the way there, the server, its roles and what they may do, connections,
// transactions, vacuum and poolers; each check is made to warn or fail for real.
import assert from 'node:assert/strict';
import { chmodSync, chownSync, copyFileSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { tempFolder } from '../lib/clean.mjs';
import { examined } from '../lib/doctor.mjs';
import { providerEnv, providers, send } from '../lib/inbound.mjs';
import { startPgbouncer } from '../lib/pgbouncer.mjs';
import { Cluster } from '../lib/postgres.mjs';
import { account, isRoot } from '../lib/process.mjs';
import { root } from '../lib/program.mjs';
import { startProxy } from '../lib/proxy.mjs';
import { Resend } from '../lib/resend.mjs';
import { ROUTE } from '../lib/stand.mjs';
import { certificates } from '../lib/tls.mjs';
import { until } from '../lib/wait.mjs';

const { cluster, stand, doctor } = await examined();

test('a database that is away is one failure, and the other checks run', async () => {
  const found = await doctor({ env: { DATABASE_URL: 'postgresql:///x?host=/nonexistent' } });
  assert.deepEqual(found.findings.filter((one) => one.level === 'fail').map((one) => one.check), ['database']);
  assert.ok(found.of('secrets').length > 0 && found.of('proxies').length > 0);
  for (const check of ['server', 'schema', 'locks', 'clock', 'names']) assert.deepEqual(found.of(check), []);
});

test('a database that is lost on the way is one failure, and the other checks run', async () => {
  // Whoever looks at the locks loses his connection.
  await stand.db.rows('ALTER TABLE cron_locks RENAME TO hidden');
  await stand.db.rows(`CREATE VIEW cron_locks AS SELECT * FROM hidden UNION ALL
    SELECT 'x', gen_random_uuid(), 0, now(), now(), false WHERE pg_terminate_backend(pg_backend_pid())`);
  const found = await doctor();
  await stand.db.rows('DROP VIEW cron_locks');
  await stand.db.rows('ALTER TABLE hidden RENAME TO cron_locks');
  assert.deepEqual(found.findings.filter((one) => one.level === 'fail').map((one) => one.check), ['locks']);
  assert.match(found.one('locks', 'fail').todo, /left out from here/);
  assert.deepEqual([...found.of('runs'), ...found.of('names')], []);
  found.one('keys', 'warn');
  assert.ok(found.of('secrets').length > 0 && found.of('proxies').length > 0);
});

test('the way to the database: a socket, loopback, elsewhere in the clear, TLS', async () => {
  const encryption = async (url, options) => doctor({ env: { DATABASE_URL: url }, ...options });
  assert.match((await encryption(stand.db.url)).one('encryption', 'ok').found, /is on this host/);
  const proxy = await startProxy(path.join(cluster.socketFolder, '.s.PGSQL.5432'));
  const near = await encryption(`postgresql://cronward@127.0.0.1:${proxy.port}/${stand.db.name}`);
  assert.match(near.one('encryption', 'ok').found, /127\.0\.0\.1 is on this host/);
  proxy.stop();

  const keys = tempFolder('ssl');
  const [cert, key] = ['certFile', 'keyFile'].map((name) => path.join(keys, path.basename(certificates()[name])));
  copyFileSync(certificates().certFile, cert);
  copyFileSync(certificates().keyFile, key);
  chmodSync(key, 0o600);
  if (account) for (const at of [cert, key]) chownSync(at, account.uid, account.gid);
  const secure = await Cluster.create({ listen_addresses: '127.0.0.101', ssl: 'on', ssl_cert_file: cert, ssl_key_file: key });
  try {
    const found = await encryption('postgresql://cronward@127.0.0.101/postgres?sslmode=require');
    assert.match(found.one('encryption', 'ok').found, /is TLS/);
  } finally {
    await secure.stop();
  }
});

test('the way to the database: elsewhere, in the clear', { skip: !isRoot && 'wants a network of its own' }, async () => {
  // A network that knows one address, which is not loopback's; behind it the server's socket.
  const relay = `import net from 'node:net';
    net.createServer((c) => { const s = net.connect(process.argv[1]); c.pipe(s).pipe(c); c.on('error', () => s.destroy()); s.on('error', () => c.destroy()); })
      .listen(5432, '192.0.2.1', () => console.error('ready'));`;
  const script = `ip link set lo up && ip address add 192.0.2.1/32 dev lo || exit 9
    coproc node --input-type=module -e "$0" "$1" 2>&1
    read -r _ <&"\${COPROC[0]}"
    "\${@:2}"
    code=$?
    kill "$COPROC_PID"
    exit $code`;
  const found = await doctor({
    env: { DATABASE_URL: `postgresql://cronward@192.0.2.1/${stand.db.name}?sslmode=disable` },
    wrap: ['unshare', '-n', 'bash', '-c', script, relay, path.join(cluster.socketFolder, '.s.PGSQL.5432')] });
  assert.match(found.one('encryption', 'warn').found, /192\.0\.2\.1 in the clear/);
});

test('the schema: missing, older, newer', async () => {
  const empty = await cluster.database({ empty: true });
  assert.equal((await doctor({ env: { DATABASE_URL: empty.url } })).one('schema', 'fail').todo, 'cronward migrate');
  await empty.drop();
  const wanted = await stand.db.value('SELECT max(version) FROM cronward_schema');
  const last = await stand.db.one('DELETE FROM cronward_schema WHERE version = $1 RETURNING *', [wanted]);
  const older = await doctor();
  assert.match(older.one('schema', 'fail').found, new RegExp(`at version ${wanted - 1}, this program needs ${wanted}`));
  const columns = Object.keys(last);
  const put = (version) => stand.db.rows(
    `INSERT INTO cronward_schema (${columns}) VALUES (${columns.map((_, i) => `$${i + 1}`)})`, columns.map((name) => (name === 'version' ? version : last[name])));
  await put(wanted);
  await put(wanted + 1);
  assert.match((await doctor()).one('schema', 'warn').found, new RegExp(`at version ${wanted + 1}`));
  await stand.db.rows('DELETE FROM cronward_schema WHERE version = $1', [wanted + 1]);
  (await doctor()).one('schema', 'ok');
});

test('the server: encoding, durability, and what the role may not do', async () => {
  await cluster.admin(`CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0`);
  const latin = await doctor({ env: { DATABASE_URL: cluster.url('latin') } });
  assert.match(latin.one('server', 'fail').found, /encoding is LATIN1/);
  await cluster.admin('DROP DATABASE latin WITH (FORCE)');
  await cluster.admin('ALTER ROLE cronward SET synchronous_commit = off');
  assert.match((await doctor()).one('server', 'warn').found, /^synchronous_commit is off/);
  await cluster.admin('ALTER ROLE cronward RESET synchronous_commit');

  await cluster.admin('CREATE ROLE guest LOGIN CONNECTION LIMIT 5');
  await stand.db.rows('GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO guest');
  await stand.db.rows('REVOKE DELETE, UPDATE ON webhook_deliveries FROM guest');
  const guest = await doctor({ env: { DATABASE_URL: stand.db.url.replace('cronward@', 'guest@') } });
  const missing = guest.one('privileges', 'fail', /^no /);
  assert.match(missing.found, /no (UPDATE, DELETE|DELETE, UPDATE) on webhook_deliveries/);
  assert.match(missing.todo, /^GRANT .* ON webhook_deliveries TO guest$/);
  assert.match(guest.one('connections', 'fail').found, /24 processes.* 5$/);
  assert.match(guest.one('transactions', 'ok').found, /as far as this role sees/);
  await stand.db.rows('REVOKE ALL ON ALL TABLES IN SCHEMA public FROM guest');
  await cluster.admin('DROP ROLE guest');
});

test('who may plant functions where names are looked up is told', async () => {
  assert.equal((await doctor()).findings.filter((one) => one.check === 'privileges' && one.level !== 'ok').length, 0);
  await cluster.admin('CREATE ROLE "an App" LOGIN; CREATE ROLE ours; GRANT cronward TO ours');
  await stand.db.rows('GRANT CREATE ON SCHEMA public TO PUBLIC');
  await stand.db.rows('GRANT CREATE ON SCHEMA public TO "an App"');
  await stand.db.rows('GRANT CREATE ON SCHEMA public TO ours');
  const found = (await doctor()).one('privileges', 'warn');
  assert.match(found.found, /^"an App", PUBLIC may make functions in schema public/);
  await stand.db.rows(found.todo.replace(/, or a schema .*/, ''));
  assert.equal((await doctor()).findings.filter((one) => one.check === 'privileges' && one.level !== 'ok').length, 0);
  await stand.db.rows('REVOKE ALL ON SCHEMA public FROM ours');
  await cluster.admin('DROP ROLE "an App"; DROP ROLE ours');
});

test('a superuser is one too many', async () => {
  await cluster.admin('CREATE ROLE almighty LOGIN SUPERUSER');
  const asked = await doctor({ env: { DATABASE_URL: stand.db.url.replace('cronward@', 'almighty@') } });
  assert.match(asked.one('role', 'warn').found, /^almighty is a superuser/);
  await cluster.admin('DROP ROLE almighty');
});

test('a role with the privileges that doctor asks for, and no more, can do everything', async () => {
  await cluster.admin('CREATE ROLE least LOGIN');
  const asked = readFileSync(path.join(root, 'sql/doctor.sql'), 'utf8').matchAll(/\('(\w+)', '\{([A-Z,]+)\}'/g);
  let tables = 0;
  for (const [, table, privileges] of asked) {
    await stand.db.rows(`GRANT ${privileges} ON ${table} TO least`);
    tables++;
  }
  assert.ok(tables >= 12);
  const env = { DATABASE_URL: stand.db.url.replace('cronward@', 'least@'), MAX_WEBHOOK_RETRIES: '0' };
  const hidden = (await doctor({ env })).one('privileges', 'fail');
  assert.equal(hidden.found, 'row-level security hides rows of job_dependencies, job_logs, jobs, workspace_settings from "least"');
  assert.match(hidden.todo, /, as the tables' owner$/);
  await stand.db.rows(hidden.todo.replace(/, as .*/, ''));
  const found = await doctor({ env });
  found.one('privileges', 'ok');
  found.one('role', 'ok');
  assert.equal(found.one('privileges', 'warn').todo, 'GRANT cronward TO "least"', 'a word of SQL');
  await stand.endpoint('/ok/least');
  await stand.endpoint('/status/500');
  await stand.enqueue(4);
  await stand.db.rows(`INSERT INTO platform_events (event_type, payload, created_at) VALUES ('old.one', '{}', now() - interval '1 year')`);
  await stand.db.rows(
    `INSERT INTO platform_notifications (user_id, title, expires_at, created_at) SELECT gen_random_uuid(), 't', now(), now() - n * interval '1 year' FROM generate_series(0, 1) n`);
  await stand.db.rows(`CREATE FUNCTION least_work(job jsonb) RETURNS jsonb LANGUAGE sql AS 'SELECT ''{}''::jsonb'`);
  await stand.db.rows(`INSERT INTO job_types (job_type, processor, target) VALUES ('least', 'sql', 'least_work')`);
  await stand.db.rows(`INSERT INTO job_schedules (name, cron, job_type, since_at)
     SELECT 'least', to_char(now() AT TIME ZONE 'UTC' - interval '30 min', 'FMMI FMHH24') || ' * * *', 'least', now() - interval '1 hour'`);
  await stand.db.rows(`SELECT enqueue_job('least', '{}', concurrency_key => 'k', depends_on => ARRAY[enqueue_job('least', '{}', concurrency_key => 'k')])`);
  const enqueue = await stand.cli(['jobs', 'enqueue', 'least', '--depends-on', await stand.db.value('SELECT id FROM jobs WHERE is_awaited')], { env });
  assert.equal(enqueue.code, 0, enqueue.stderr);
  await stand.db.rows(`CREATE FUNCTION least_event(event jsonb) RETURNS void LANGUAGE sql AS 'SELECT'`);
  await stand.db.rows(`INSERT INTO event_handlers (provider, action) VALUES ('*', 'least_event')`);
  await stand.db.rows(`INSERT INTO webhook_events (provider, event_id, status) SELECT 'least', n, 'failed' FROM generate_series(1, 2) n`);
  await stand.db.rows(`INSERT INTO whatsapp_webhook_logs (event_id, status, created_at) VALUES ('1', 'failed', now()), ('2', 'processed', now() - interval '1 year')`);
  await stand.db.rows(`INSERT INTO inventory_items (sku, on_hand) VALUES ('least', 9)`);
  await stand.db.rows(`SELECT reserve_item(id, 1) FROM inventory_items; UPDATE inventory_reservations SET expires_at = now() - interval '1 s'`);
  await stand.db.rows(`INSERT INTO email_queue (to_address, subject, text, status, dead_at) SELECT 'a@example.com', 'Hi', 'Hi', 'failed', now() FROM generate_series(1, 2)`);
  const kinds = ['deliveries', 'events', 'whatsapp', 'mail'];
  const vendor = await Resend.start();
  Object.assign(env, providerEnv(), { RESEND_BASE_URL: vendor.origin, RESEND_API_KEY: vendor.credentials.api_key, EMAIL_FROM: 'a@example.com', EGRESS_ALLOW: '127.0.0.1/32,127.0.0.2/32' });
  for (const args of [['run', 'job-queue'], ['jobs', 'list'], ['run', 'webhook-retry'], ['run', 'notification-expiry'], ['run', 'retry-webhooks'], ['run', 'whatsapp-webhook-retry'],
    ['run', 'cleanup-reservations'], ['run', 'data-archival'], ['dead', 'list'], ['dead', 'count'], ['dead', 'replay', '--kind', 'mail', '--all'], ['run', 'process-email-queue'], ['dead', 'replay', '--all'],
    ['dead', 'show', await stand.db.value('SELECT id FROM webhook_events LIMIT 1')], ['dead', 'show', await stand.db.value('SELECT id FROM email_queue LIMIT 1')],
    ['run', 'webhook-retry'], ...kinds.map((kind) => ['dead', 'purge', '--kind', kind, '--all']), ['status'], ['locks', 'list']]) {
    const done = await stand.cli(args, { env });
    assert.equal(done.code, 0, `${args.join(' ')}: ${done.stderr}`);
  }
  const pool = await stand.startPool({ size: 1, env });
  assert.equal((await pool.call('POST', ROUTE['data-archival'])).status, 401);
  for (const provider of [providers.telebirr, providers.whatsapp]) assert.equal((await send(pool, provider, '{"event_id": "least"}')).status, 200, pool.log());
  await until(async () => (await stand.db.value(`SELECT count(*)::int FROM webhook_events WHERE status = 'processed'`)) === 3);
  await pool.stop();
  await vendor.stop();
  assert.equal(await stand.db.value(`SELECT sum(calls)::int FROM cron_denied`), 1);
  assert.deepEqual(await stand.db.rows('SELECT status, count(*)::int AS n FROM jobs GROUP BY 1'), [{ status: 'completed', n: 4 }]);
  assert.deepEqual(await stand.db.rows('SELECT status, count(*)::int AS n FROM email_queue GROUP BY 1'), [{ status: 'sent', n: 2 }]);
  // An application may hide rows of any table.
  await stand.db.rows('ALTER TABLE webhook_events ENABLE ROW LEVEL SECURITY');
  const [more] = (await doctor({ env })).of('privileges').filter((one) => one.level === 'fail');
  assert.match(more.found, /hides rows of webhook_events from "least"/);
  await stand.db.rows(more.todo.replace(/, as .*/, ''));
  (await doctor({ env })).none('privileges', 'fail');
  await stand.db.rows('ALTER TABLE webhook_events DISABLE ROW LEVEL SECURITY; DROP POLICY cronward ON webhook_events');
  await stand.db.rows('DROP OWNED BY least');
  await cluster.admin('DROP ROLE least');
});

test('a standby, and a database that is read-only', async () => {
  const other = await Cluster.create();
  const db = await other.database({ empty: true });
  try {
    await other.admin(`ALTER DATABASE ${db.name} SET default_transaction_read_only = on`);
    let found = (await doctor({ env: { DATABASE_URL: db.url } })).one('database', 'fail');
    assert.match(found.found, /read-only/);
    assert.match(found.todo, /name the primary/);
    await other.admin(`ALTER DATABASE ${db.name} RESET default_transaction_read_only`);
    await other.becomeStandby();
    found = await doctor({ env: { DATABASE_URL: db.url } });
    assert.match(found.one('database', 'fail').found, /read-only|hot standby/);
    found = await doctor({ env: { DATABASE_URL: `${db.url}&target_session_attrs=any` } });
    assert.match(found.one('server', 'fail').found, /this is a standby/);
  } finally {
    await other.stop();
  }
});

test('connections: others leave too few for the pools', async () => {
  const found = await doctor({ env: { POOL_WORKERS: '162', POOL_API: '20' } });
  found.one('connections', 'warn', /^188 processes, 8 more for runs of jobs and syncs/);
  assert.match((await doctor({ env: { POOL_WORKERS: '256' } })).one('connections', 'fail').found, /266 processes/);

  // Who may not see what others do sees that they are there: our own are enough to be one too many.
  await cluster.admin('CREATE ROLE guest LOGIN');
  const limit = await stand.db.value(`SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int`);
  const few = limit - 1 - 4 - 4 - 2 - 8; // of all: itself, three other pools, runs of jobs and syncs
  assert.ok(few < 256);
  const guest = await doctor({ env: { POOL_WORKERS: String(few), DATABASE_URL: stand.db.url.replace('cronward@', 'guest@') } });
  assert.match(guest.one('connections', 'warn').found, /and [1-9]\d* connections of others/);
  await cluster.admin('DROP ROLE guest');
});

// faketime keeps its clock where all processes can write, or does not start.
const hasSharedMemory = ((statSync('/dev/shm', { throwIfNoEntry: false })?.mode ?? 0) & 0o002) !== 0;

test('transactions that stay open, plain and prepared', { skip: !hasSharedMemory && '/dev/shm is not for everybody here' }, async () => {
  // Its clock runs sixty times too fast, so a minute is a second.
  const fast = await Cluster.create({ max_prepared_transactions: '2' }, { wrap: ['faketime', '-f', '+0 x60'] });
  const db = await fast.database({ empty: true });
  const look = () => doctor({ env: { DATABASE_URL: db.url } });
  try {
    await db.session(async (sql) => {
      await sql('BEGIN');
      const [{ pid }] = await sql('SELECT pg_backend_pid() AS pid');
      await db.session(async (other) => {
        await other('BEGIN');
        await other('SELECT txid_current()');
        await other(`PREPARE TRANSACTION 'forgotten'`);
      });
      await until(() => db.value(`SELECT clock_timestamp() - prepared > interval '61 s' FROM pg_prepared_xacts`), { what: 'a minute' });
      const found = await look();
      const open = found.one('transactions', 'warn', /has been open/);
      assert.match(open.found, /"test" has been open for \d+ s \(idle in transaction\)/);
      assert.match(open.todo, new RegExp(`pg_terminate_backend\\(${pid}\\)`));
      assert.match(found.one('transactions', 'warn', /prepared/).found, /^"forgotten" of cronward/);
      await sql('ROLLBACK');
    });
    await db.rows(`ROLLBACK PREPARED 'forgotten'`);
    (await look()).one('transactions', 'ok');
  } finally {
    await db.drop();
    await fast.stop();
  }
});

test('dead rows that stay, and a vacuum that is off', async () => {
  await stand.db.rows('ALTER TABLE webhook_deliveries SET (autovacuum_enabled = off)');
  await stand.db.rows('ALTER TABLE platform_notifications SET (autovacuum_enabled = off)');
  // A connection that ends tells the statistics at once, one that stays after ten seconds.
  await stand.db.session(async (sql) => {
    await sql(`INSERT INTO platform_notifications (user_id, title) SELECT gen_random_uuid(), 't' FROM generate_series(1, 20000)`);
    await sql('DELETE FROM platform_notifications');
  });
  const found = await until(async () => {
    const one = await doctor();
    return one.of('vacuum').some((line) => /dead rows/.test(line.found)) && one;
  }, { what: 'the statistics', everyMs: 100 });
  assert.match(found.one('vacuum', 'warn', /autovacuum of webhook_deliveries/).todo, /RESET \(autovacuum_enabled\)/);
  assert.match(found.one('vacuum', 'warn', /dead rows/).found, /^platform_notifications has 2\d{4} dead rows/);
  for (const table of ['webhook_deliveries', 'platform_notifications'])
    await stand.db.rows(`ALTER TABLE ${table} RESET (autovacuum_enabled)`);
});

for (const [mode, level, pattern] of [['transaction', 'ok', /transaction mode/], ['session', 'warn', /session mode/],
  ['statement', 'fail', /statement mode/]]) {
  test(`PgBouncer in ${mode} mode`, async () => {
    const bouncer = await startPgbouncer(stand.db, { mode, poolSize: 3 });
    try {
      const found = await doctor({ env: { DATABASE_URL: bouncer.url } });
      assert.match(found.one('pooler', level).found, pattern);
      found.one('schema', 'ok');
    } finally {
      await bouncer.stop();
    }
  });
}
