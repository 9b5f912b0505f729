// cronward doctor: each check is made to warn or fail for real, and says what to do about it.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { chmodSync, chownSync, copyFileSync, mkdirSync, readFileSync, statSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, beforeEach, test } from 'node:test';
import { tempFolder } from '../lib/clean.mjs';
import { startPgbouncer } from '../lib/pgbouncer.mjs';
import { Cluster } from '../lib/postgres.mjs';
import { account, cleanEnv, isRoot, run } from '../lib/process.mjs';
import { program, root } from '../lib/program.mjs';
import { startProxy } from '../lib/proxy.mjs';
import { ROUTE, Stand } from '../lib/stand.mjs';
import { certificates } from '../lib/tls.mjs';
import { until } from '../lib/wait.mjs';

const DAY_MS = 86_400_000;

const cluster = await Cluster.create();
const stand = await Stand.create({ cluster });
const folder = tempFolder('doctor');
after(async () => {
  await stand.end();
  await cluster.stop();
});
beforeEach(async () => {
  await stand.db.rows('TRUNCATE app_webhooks, webhook_deliveries, cron_locks, cron_job_executions');
});

// What it found, by check; the whole answer besides.
async function doctor({ env = {}, args = [], wrap = [] } = {}) {
  const [command, ...words] = [...wrap, program(), 'doctor', '--json', ...args];
  const done = await run(command, words, { env: cleanEnv(stand.env(env)) });
  const report = JSON.parse(done.stdout);
  assert.equal(done.code, report.ok ? 0 : 1, done.stdout + done.stderr);
  assert.equal(report.ok, report.failed === 0);
  return {
    ...report,
    of: (check) => report.findings.filter((one) => one.check === check),
    // The only finding of a check at this level, or the one that matches.
    one(check, level, pattern = /^/) {
      const found = report.findings.filter((one) => one.check === check && one.level === level && pattern.test(one.found));
      assert.equal(found.length, 1, `${check} ${level} ${pattern}: ${JSON.stringify(this.of(check))}`);
      assert.equal(typeof found[0].todo, level === 'ok' ? 'object' : 'string');
      return found[0];
    },
    none(check, level) {
      assert.deepEqual(this.of(check).filter((one) => one.level === level), []);
    },
  };
}

function file(name, text, { mode = 0o640, ageDays = 0 } = {}) {
  const at = path.join(folder, name);
  writeFileSync(at, text);
  chmodSync(at, mode);
  const when = new Date(Date.now() - ageDays * DAY_MS - 1000);
  utimesSync(at, when, when);
  return at;
}

// A secret as a generator makes it, the same in each run.
const strong = (name) => createHash('sha256').update(name).digest('base64url');

// The secrets of the environment, out of the way.
const unset = { CRON_SECRET: '', CRON_JOB_API_KEY: '' };
const another = { WORKER_SECRET_TOKEN: strong('worker') }; // what this test is not about

test('a healthy installation has nothing that fails, and everything is looked at', async () => {
  const found = await doctor();
  assert.deepEqual(found.findings.filter((one) => one.level === 'fail'), []);
  assert.deepEqual([...new Set(found.findings.map((one) => one.check))],
    ['settings', 'database', 'server', 'encryption', 'pooler', 'clock', 'schema', 'role', 'privileges', 'connections', 'transactions', 'vacuum',
      'locks', 'runs', 'jobs', 'secrets', 'keys', 'pools', 'files', 'front', 'allowlist', 'egress', 'names', 'proxies']);
  const plain = await stand.cli(['doctor']);
  assert.equal(plain.code, 0, plain.stdout);
  const lines = plain.stdout.trim().split('\n');
  for (const line of lines.slice(0, -2)) assert.match(line, /^(ok  |warn|fail)  [a-z]+ +\S/);
  for (const line of lines.filter((one) => /^(warn|fail)/.test(one))) assert.match(line, / → ./);
  assert.match(lines.at(-1), /^\d+ ok, \d+ to look at, 0 failed$/);
});

test('wrong words, and help', async () => {
  assert.equal((await stand.cli(['doctor', 'x'])).code, 2);
  assert.equal((await stand.cli(['doctor', '--nonsense'])).code, 2);
  assert.match((await stand.cli(['doctor', '--help'])).stdout, /--sockets[^]*Exit codes/);
});

test('a setting that does not parse is told in the program\'s own words, and the rest is looked at', async () => {
  const found = await doctor({ env: { RUN_BUDGET_S: 'x', EGRESS_ALLOW: '' } });
  assert.match(found.one('settings', 'fail').found, /^RUN_BUDGET_S: "x" is not a whole number; allowed: 1-3600/);
  found.one('schema', 'ok');
});

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
  assert.match(guest.one('connections', 'fail').found, /18 processes.* 5$/);
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

test('types of jobs: functions and plug-ins that are missing', async () => {
  (await doctor()).one('jobs', 'ok', /^every type has/);
  await stand.db.rows(`INSERT INTO job_types (job_type, processor, target) VALUES ('lost', 'sql', 'nowhere'), ('odd', 'sql', 'a b('), ('built', 'plugin', 'thing'),
    ('posted', 'http', 'app.example.com/jobs'), ('fine', 'http', 'HTTPS://app.example.com/jobs'), ('enriched', 'apollo', 'lead')`);
  let found = await doctor();
  assert.equal(found.one('jobs', 'fail', /lost/).found, 'the type lost names the function nowhere(jsonb), which is not there');
  assert.match(found.one('jobs', 'fail', /built/).found, /plug-in thing, and PROCESSOR_DIR is unset/);
  assert.equal(found.one('jobs', 'fail', /posted/).found, 'the target of the type posted is app.example.com/jobs, which is no http or https URL');
  assert.equal(found.one('jobs', 'fail', /enriched/).found, 'the target of the type enriched is lead, which is neither account nor contact');
  await stand.db.rows(`DELETE FROM job_types WHERE job_type IN ('posted', 'fine', 'enriched')`);
  const plugins = path.join(folder, 'plugins');
  mkdirSync(plugins, { mode: 0o755 });
  found = await doctor({ env: { PROCESSOR_DIR: plugins } });
  assert.match(found.one('jobs', 'fail', /built/).found, /thing\.so cannot be read$/);
  writeFileSync(path.join(plugins, 'thing.so'), '');
  await stand.db.rows(`CREATE FUNCTION nowhere(job jsonb) RETURNS jsonb LANGUAGE sql AS 'SELECT job'`);
  (await doctor({ env: { PROCESSOR_DIR: plugins } })).none('jobs', 'fail');
  await stand.db.rows(`DELETE FROM job_types WHERE job_type IN ('lost', 'odd', 'built'); DROP FUNCTION nowhere`);
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
  for (const args of [['run', 'job-queue'], ['jobs', 'list'], ['run', 'webhook-retry'], ['run', 'notification-expiry'], ['run', 'data-archival'], ['dead', 'list'], ['dead', 'replay', '--all'],
    ['run', 'webhook-retry'], ['dead', 'purge', '--all'], ['status'], ['locks', 'list']]) {
    const done = await stand.cli(args, { env });
    assert.equal(done.code, 0, `${args.join(' ')}: ${done.stderr}`);
  }
  const pool = await stand.startPool({ size: 1, env });
  assert.equal((await pool.call('POST', ROUTE['data-archival'])).status, 401);
  await pool.stop();
  assert.equal(await stand.db.value(`SELECT sum(calls)::int FROM cron_denied`), 1);
  assert.deepEqual(await stand.db.rows('SELECT status, count(*)::int AS n FROM jobs GROUP BY 1'), [{ status: 'completed', n: 3 }]);
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
  const found = await doctor({ env: { POOL_WORKERS: '164', POOL_API: '20' } });
  found.one('connections', 'warn', /^190 processes, 6 more for a run of jobs/);
  assert.match((await doctor({ env: { POOL_WORKERS: '256' } })).one('connections', 'fail').found, /266 processes/);

  // Who may not see what others do sees that they are there: our own are enough to be one too many.
  await cluster.admin('CREATE ROLE guest LOGIN');
  const limit = await stand.db.value(`SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int`);
  const few = limit - 1 - 4 - 4 - 2 - 6; // of all: itself, three other pools, a run of jobs
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
  await stand.db.rows(`INSERT INTO platform_notifications (user_id, title) SELECT gen_random_uuid(), 't' FROM generate_series(1, 20000)`);
  await stand.db.rows('DELETE FROM platform_notifications');
  const found = await until(async () => {
    const one = await doctor();
    return one.of('vacuum').some((line) => /dead rows/.test(line.found)) && one;
  }, { what: 'the statistics', everyMs: 100 });
  assert.match(found.one('vacuum', 'warn', /autovacuum of webhook_deliveries/).todo, /RESET \(autovacuum_enabled\)/);
  assert.match(found.one('vacuum', 'warn', /dead rows/).found, /^platform_notifications has 2\d{4} dead rows/);
  for (const table of ['webhook_deliveries', 'platform_notifications'])
    await stand.db.rows(`ALTER TABLE ${table} RESET (autovacuum_enabled)`);
});

test('what others wrote into rows cannot drive a terminal', async () => {
  const hostile = 'a\u001b[31m\u009b31mz';
  await stand.db.rows(`INSERT INTO cron_locks (name, holder, acquired_at, expires_at) VALUES ($1, gen_random_uuid(), now(), now())`, [hostile]);
  await stand.db.rows(`INSERT INTO cron_job_executions (id, job_name, status, error_message, caller) VALUES (gen_random_uuid(), 'data-archival', 'failure', $1, $1)`, [hostile]);
  for (const args of [['doctor'], ['doctor', '--json'], ['status'], ['status', '--json'], ['locks', 'list'], ['locks', 'list', '--json']]) {
    const { stdout } = await stand.cli(args);
    assert.match(stdout, /31m.*z/, args.join(' '));
    assert.doesNotMatch(stdout.replaceAll('\n', ''), /[\u0000-\u001f\u007f-\u009f]/, args.join(' '));
  }
});

test('locks beyond their expiry and runs that nobody does', async () => {
  const id = await stand.db.value(`INSERT INTO cron_job_executions (id, job_name) VALUES (gen_random_uuid(), 'data-archival') RETURNING id`);
  await stand.db.rows(`INSERT INTO cron_locks (name, holder, acquired_at, expires_at) VALUES ('data-archival', $1, now(), now() + interval '1 hour')`, [id]);
  let found = await doctor();
  found.one('locks', 'ok');
  found.one('runs', 'ok');
  await stand.expireLocks();
  found = await doctor();
  assert.match(found.one('locks', 'warn').todo, /cronward locks clear data-archival/);
  assert.match(found.one('runs', 'warn').found, new RegExp(`^run ${id} of data-archival`));
  assert.equal((await stand.cli(['run', 'data-archival'])).code, 0);
  found = await doctor();
  found.one('locks', 'ok');
  found.one('runs', 'ok');
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

test("the host's clock", async () => {
  const at = (offset) => doctor({ wrap: ['faketime', '-f', offset] });
  assert.match((await at('+5s')).one('clock', 'warn').found, /\b[45]\.\d s ahead/);
  assert.match((await at('-5s')).one('clock', 'warn').found, /\b[45]\.\d s behind/);
  assert.match((await at('+10m')).one('clock', 'fail').found, /timestamps of signatures/);
});

test('secrets: unset, short, of an example, weak, alike', async () => {
  const found = async (env) => {
    const one = await doctor({ env: { ...unset, ...another, ...env } });
    for (const value of Object.values(env).filter(Boolean)) assert.ok(!JSON.stringify(one.findings).includes(value), 'a value is shown');
    return one;
  };
  (await found({})).one('secrets', 'fail', /^CRON_JOB_API_KEY is unset: \d+ routes answer 503/);
  const instead = await found({ CRON_SECRET: strong('a'), WORKER_SECRET_TOKEN: '' });
  instead.none('secrets', 'fail');
  for (const name of ['CRON_JOB_API_KEY', 'WORKER_SECRET_TOKEN']) instead.one('secrets', 'ok', new RegExp(`^${name} is unset; CRON_SECRET takes its place$`));
  const short = (await found({ CRON_JOB_API_KEY: 'k9w2xq7rt4' })).one('secrets', 'fail', /^CRON_JOB_API_KEY/);
  assert.match(short.found, /shorter than 16 characters/);
  for (const known of ['changeme-changeme-changeme-changeme', 'Your-Secret-Key-0123456789-abcdefghij', 'dev-secret-token-please-9876543210x'])
    assert.match((await found({ CRON_JOB_API_KEY: known })).one('secrets', 'fail').found, /words of an example/);
  const issued = (await found({ CRON_SECRET: strong('a'), CRON_JOB_ORG_API_KEY: 'your-api-key-from-the-settings' })).one('secrets', 'fail');
  assert.match(issued.todo, /who issued it/);
  assert.match((await found({ CRON_JOB_API_KEY: strong('b').slice(0, 20) })).one('secrets', 'warn').found, /shorter than 32/);
  assert.match((await found({ CRON_JOB_API_KEY: 'qz'.repeat(20) })).one('secrets', 'warn').found, /different characters/);
  assert.match((await found({ CRON_JOB_API_KEY: strong('c'), CRON_SECRET: strong('c') })).one('secrets', 'warn').found, /are the same/);
});

test('secrets in files: who may read them, how old they are, a rotation without an end', async () => {
  const key = (options) => file('key', strong('key'), options);
  const found = (options, env = {}) => doctor({ env: { ...unset, ...another, CRON_JOB_API_KEY_FILE: key(options), ...env } });
  assert.match((await found({ ageDays: 12 })).one('secrets', 'ok', /from a file/).found, /from a file, 12 days old/);
  assert.match((await found({ ageDays: 91 })).one('secrets', 'warn').found, /91 days old/);
  assert.match((await found({ mode: 0o644 })).one('secrets', 'fail').found, /CRON_JOB_API_KEY_FILE: everybody on this host may read/);
  assert.match((await found({ mode: 0o660 })).one('secrets', 'warn').found, /group .* may write/);
  const before = (ageDays, text = strong('before')) => ({ CRON_JOB_API_KEY_PREVIOUS_FILE: file('before', text, { ageDays }) });
  assert.match((await found({ ageDays: 3 }, before(200))).one('secrets', 'ok', /rotated/).found, /for 3 days/);
  assert.match((await found({ ageDays: 8 }, before(200))).one('secrets', 'warn').found, /PREVIOUS is still accepted, after 8 days/);
  assert.match((await found({}, before(0, strong('key')))).one('secrets', 'warn').found, /nothing was rotated/);
  assert.match((await found({}, { CRON_JOB_API_KEY_PREVIOUS: strong('e') })).one('secrets', 'warn').found, /both are accepted/);
  const password = file('password', 'unused', { mode: 0o604 });
  assert.match((await found({}, { DATABASE_PASSWORD_FILE: password })).one('secrets', 'fail').found, /^DATABASE_PASSWORD_FILE: everybody/);
});

test('the key ring: none, plain values, an older key, a key that is gone', async () => {
  const ring = (...ids) => ids.map((id) => `${id}:${createHash('sha256').update(id).digest('base64')}`).join('\n');
  const keys = (text, options) => ({ ENCRYPTION_KEYS_FILE: file('keys', text, { mode: 0o600, ...options }) });
  await stand.endpoint('/ok/keys');
  (await doctor()).one('keys', 'warn', /there are no keys/);
  let found = await doctor({ env: keys(ring('k1'), { ageDays: 40 }) });
  assert.match(found.one('keys', 'ok').found, /holds k1, .* 40 days old/);
  assert.equal(found.one('keys', 'warn', /app_webhooks\.secret: 1 still plain/).todo, 'cronward seal --all');
  assert.equal((await stand.cli(['seal', '--all'], { env: keys(ring('k1')) })).code, 0);
  found = await doctor({ env: keys(ring('k1')) });
  found.none('keys', 'warn');
  found.one('keys', 'ok', /app_webhooks\.secret: 1 sealed with key "k1"/);
  assert.equal((await doctor({ env: keys(ring('k2', 'k1')) })).one('keys', 'warn').todo, 'cronward rekey');
  assert.match((await doctor({ env: keys(ring('k2')) })).one('keys', 'fail').found, /"k1", which is not in the ring/);
  // To make new ones would lose what is sealed: nobody is told so when the old ones are only damaged.
  for (const damaged of ['', 'k1:abc']) {
    found = await doctor({ env: keys(damaged) });
    found.one('settings', 'fail', /^ENCRYPTION_KEYS_FILE: /);
    found.none('keys', 'warn');
  }
  const another = `k1:${createHash('sha256').update('another').digest('base64')}`;
  assert.match((await doctor({ env: keys(another) })).one('keys', 'fail').found, /^1 of the first 1 values: .* another key of that id/);
  assert.match((await doctor({ env: keys(ring('k1'), { mode: 0o644 }) })).one('secrets', 'fail').found, /^ENCRYPTION_KEYS_FILE: everybody/);
});

test('a name that is almost a setting', async () => {
  assert.match((await doctor({ env: { POOL_WORKES: '9' } })).one('settings', 'warn').found, /^POOL_WORKES is no setting; POOL_WORKERS is one$/);
  for (const name of ['POOL_WORKERS', 'POOL', 'WORKERS', 'POOLS_OF_WORKERS']) (await doctor({ env: { [name]: '9' } })).none('settings', 'warn');
});

test('pools: too small, sockets that answer, nobody behind a socket, one that says nothing', { timeout: 60_000 }, async () => {
  assert.match((await doctor({ env: { POOL_WORKERS: '3' } })).one('pools', 'warn', /POOL_WORKERS is 3/).todo, /POOL_WORKERS/);
  assert.doesNotMatch(JSON.stringify(await doctor({ env: { POOL_WORKERS: 'seven' } })), /POOL_WORKERS is|processes for worker calls/);
  const pool = await stand.startPool({ size: 1 });
  const sockets = path.join(folder, 'sockets');
  mkdirSync(sockets);
  for (const name of ['workers', 'api']) symlinkSync(pool.socket, path.join(sockets, `${name}.sock`));
  let found = await doctor({ args: ['--sockets', sockets] });
  for (const name of ['workers', 'api']) found.one('pools', 'ok', new RegExp(`${name}.sock answers`));
  for (const name of ['inbound', 'async']) assert.match(found.one('pools', 'fail', new RegExp(name)).found, /No such file/);
  const [child] = pool.processes();
  process.kill(child, 'SIGSTOP');
  found = await doctor({ args: ['--sockets', sockets] });
  process.kill(child, 'SIGCONT');
  assert.match(found.one('pools', 'fail', /workers\.sock/).found, /none is answered within 2 s/);
  await pool.stop();
  found = await doctor({ args: ['--sockets', sockets] });
  found.one('pools', 'fail', /workers\.sock: /);
  assert.match((await doctor({ wrap: ['prlimit', '--nofile=100:100'] })).one('files', 'warn').found, /may open 100 files/);
});

test('the allowlist', async () => {
  const found = async (text) => doctor({ args: ['--allow', file('allow.conf', text, { mode: 0o644 })] });
  const known = ['116.203.134.67', '116.203.129.16', '23.88.105.37', '128.140.8.200'].map((one) => `allow ${one};\n`);
  assert.match((await found(`# allow all;\n${known.join('')}allow 127.0.0.1; deny all;`)).one('allowlist', 'ok').found, /names 5 addresses/);
  assert.match((await found('allow all;\ndeny all;\n')).one('allowlist', 'warn').found, /every address/);
  assert.match((await found('allow 192.0.2.1;\n')).one('allowlist', 'warn').found, /no "deny all"/);
  assert.match((await found(`${known.slice(1).join('')}deny all;`)).one('allowlist', 'warn').found, /lacks 116\.203\.134\.67/);
  assert.match((await found(`${known.join('')}allow 195.201.26.157;\ndeny all;`)).one('allowlist', 'warn').found, /no longer calls from/);
  assert.match((await doctor({ args: ['--allow', path.join(folder, 'none')] })).one('allowlist', 'warn').found, /No such file/);
});

test('egress: ranges that open too much, certificates, names, proxies', async () => {
  const egress = (ranges) => doctor({ env: { EGRESS_ALLOW: ranges } });
  for (const [ranges, pattern] of [['127.0.0.0/8', /this host's own services/], ['::1', /this host's own/], ['169.254.169.254', /169\.254\.169\.254/],
    ['0.0.0.0/0', /everything/], ['::/0', /everything/], ['fe80::/10', /link-local/]])
    assert.match((await egress(ranges)).one('egress', 'warn').found, pattern, ranges);
  (await egress('10.0.0.0/8,fd00::/8')).one('egress', 'ok');
  const none = file('none.pem', 'no certificate\n');
  assert.match((await doctor({ env: { EGRESS_CA_FILE: none } })).one('egress', 'fail').found, /holds no certificate/);

  await stand.endpoint('/x', { url: 'http://127.0.0.9:1/x' });
  assert.match((await egress('10.0.0.0/8')).one('names', 'warn').found, /private addresses alone/);
  (await egress('127.0.0.9')).one('names', 'ok');
  await stand.db.rows(`UPDATE app_webhooks SET url = 'https://no-such-name.invalid/x'`);
  assert.match((await doctor()).one('names', 'warn').found, /does not resolve/);
  assert.match((await doctor({ env: { https_proxy: 'http://127.0.0.1:1' } })).one('proxies', 'warn').found, /^https_proxy is set/);
});
