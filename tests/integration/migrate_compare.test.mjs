// What `cronward migrate` makes of tables that are there already: kinds, names, types, owners,
// schemas of the search_path, and what it needs to compare at all.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, describe, test } from 'node:test';
import { mustSync } from '../lib/process.mjs';
import { root } from '../lib/program.mjs';
import { contentsOf, earlierSchemas, migrateTo, restore, schemaOf } from '../lib/schema.mjs';
import { Stand } from '../lib/stand.mjs';

const stands = [];
const roles = [];
after(async () => {
  const cluster = stands[0]?.db.cluster;
  for (const stand of stands) await stand.end();
  for (const role of roles) await cluster.admin(`DROP ROLE ${role}`);
});

async function withTables(sql) {
  const stand = await Stand.create({ empty: true });
  stands.push(stand);
  await stand.db.rows(sql);
  return stand;
}

// A role that is nobody's superuser, and the settings that make cronward use it.
async function withRole(stand, name) {
  const role = `${name}_${randomBytes(4).toString('hex')}`;
  await stand.db.rows(`CREATE ROLE ${role} LOGIN`);
  roles.push(role);
  return { role, env: { DATABASE_URL: stand.db.url.replace('//cronward@', `//${role}@`) } };
}

// A schema of its own in a database that all cases share: far cheaper than a database.  `make` is
// executed there, and its env() makes cronward work there.
const shared = await withTables('SELECT 1');
let schemasMade = 0;
async function inSchema(make) {
  const name = `case_${schemasMade++}`;
  await shared.db.rows(`CREATE SCHEMA ${name}`);
  const within = (text) => shared.db.session(async (sql) => {
    await sql(`SET search_path = ${name}`);
    return sql(text);
  });
  await within(make);
  return {
    name,
    within,
    contents: () => contentsOf(shared.db, '-n', name),
    migrate: (...args) => shared.cli(['migrate', ...args], { env: { DATABASE_URL: `${shared.db.url}&options=-csearch_path%3D${name}` } }),
  };
}

const JOBS = `CREATE TABLE jobs (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), job_type text NOT NULL`;

// Each: what is there, and the one reason against it; SCHEMA is where it is.
const against = {
  'a view': ['CREATE VIEW jobs AS SELECT 1 AS id', 'jobs is a view; cronward needs a table'],
  'a materialized view': ['CREATE MATERIALIZED VIEW jobs AS SELECT 1 AS id', 'jobs is a materialized view; cronward needs a table'],
  'a sequence': ['CREATE SEQUENCE jobs', 'jobs is a sequence; cronward needs a table'],
  'an index': ['CREATE TABLE t (x int); CREATE INDEX jobs ON t (x)', 'jobs is an index; cronward needs a table'],
  'a partitioned table': ['CREATE TABLE jobs (id uuid PRIMARY KEY) PARTITION BY HASH (id)', 'jobs is a partitioned table; cronward needs a table'],
  'a foreign table': ['CREATE FOREIGN DATA WRAPPER w; CREATE SERVER s FOREIGN DATA WRAPPER w; CREATE FOREIGN TABLE jobs (id uuid) SERVER s',
    'jobs is a foreign table; cronward needs a table'],
  'a generated column': [`${JOBS}, status text GENERATED ALWAYS AS (job_type || '!') STORED)`, 'jobs.status is generated; cronward needs to write it'],
  'a domain': [`CREATE DOMAIN word AS text; ${JOBS}, status word)`, 'jobs.status is the domain SCHEMA.word; cronward needs text'],
  'a length': [`${JOBS}, status varchar(20))`, 'jobs.status is character varying(20); cronward needs text'],
  'a precision': [`${JOBS}, created_at timestamptz(3))`, 'jobs.created_at is timestamp(3) with time zone; cronward needs timestamp with time zone'],
  'an array': [`${JOBS}, status text[])`, 'jobs.status is text[]; cronward needs text'],
  'a column of another case': [`${JOBS}, "Status" text NOT NULL)`, 'jobs."Status" is NOT NULL and has no default, and cronward\'s inserts do not know it'],
  'no default': [`${JOBS}, status text NOT NULL)`, "ALTER TABLE SCHEMA.jobs ALTER COLUMN status SET DEFAULT 'pending'::text"],
  'no default of the key': ['CREATE TABLE jobs (id uuid PRIMARY KEY, job_type text NOT NULL)', 'ALTER COLUMN id SET DEFAULT gen_random_uuid()'],
  'no primary key': ['CREATE TABLE jobs (id uuid UNIQUE NOT NULL DEFAULT gen_random_uuid(), job_type text)', 'jobs has no primary key; cronward needs PRIMARY KEY (id)'],
  'a wider primary key': ['CREATE TABLE jobs (id uuid DEFAULT gen_random_uuid(), job_type text, PRIMARY KEY (id, job_type))',
    'jobs has PRIMARY KEY (id, job_type); cronward needs PRIMARY KEY (id)'],
  'a constraint on words': [`${JOBS}, status text CHECK (status = 'pending' OR status = 'completed'))`,
    "the constraint jobs_status_check does not allow 'blocked', 'processing', 'failed', 'cancelled'"],
  'a time that would make rows due': [`${JOBS}, waits_until timestamptz); INSERT INTO jobs (job_type, waits_until) VALUES ('mine', now())`, 'jobs.waits_until has values'],
  'a time that cannot be taken away': [`${JOBS}, waits_until timestamptz NOT NULL DEFAULT now())`, 'jobs.waits_until is NOT NULL; cronward needs NULL'],
  'the name of an index': [`${JOBS}, created_at timestamptz); CREATE TABLE x (y int); CREATE INDEX jobs_age ON x (y)`,
    'jobs: there is an index of the name jobs_age already; cronward needs that name for an index USING btree (created_at, id)'],
  'an index of that name on it': [`${JOBS}, created_at timestamptz); CREATE INDEX jobs_age ON jobs (job_type)`, 'there is an index of the name jobs_age already'],
  'a table that a crash empties': [JOBS.replace('TABLE', 'UNLOGGED TABLE') + ')', 'jobs is unlogged, so a crash would empty it; cronward needs ALTER TABLE SCHEMA.jobs SET LOGGED'],
  'a column whose name writes on the terminal': [`${JOBS}, "x\u001b[2J\r\ncronward: all is well" int NOT NULL)`,
    'jobs."x [2J  cronward: all is well" is NOT NULL and has no default'],
  'rows without what is needed': ['CREATE TABLE jobs (id uuid PRIMARY KEY DEFAULT gen_random_uuid()); INSERT INTO jobs DEFAULT VALUES', 'jobs.job_type is missing; cronward needs text NOT NULL'],
};

describe('what stands in the way is named, and nothing changes', { concurrency: 2 }, () => {
  for (const [what, [sql, reason]] of Object.entries(against)) {
    test(what, async () => {
      const place = await inSchema(sql);
      const before = await place.contents();
      const done = await place.migrate('--adopt');
      assert.equal(done.code, 1, done.stdout);
      const reasons = done.stderr.trim().split('\n');
      assert.equal(reasons.length, 2, done.stderr);
      assert.ok(reasons[0].includes(reason.replace('SCHEMA', place.name)), done.stderr);
      assert.match(reasons[1], /^cronward: nothing was changed: .*\(jobs\)$/);
      assert.equal(await place.contents(), before);
    });
  }
});

// Each is no obstacle; `check` is what must hold afterwards.
const beside = {
  'tables of another case': ['CREATE TABLE "Jobs" (x int); CREATE TABLE "EMAIL_QUEUE" (y int)', [], `SELECT to_regclass('"Jobs"') <> to_regclass('jobs')`],
  'an empty table gets what it needs': ['CREATE TABLE jobs (id uuid PRIMARY KEY DEFAULT gen_random_uuid())', ['--adopt'],
    `SELECT attnotnull FROM pg_attribute WHERE attrelid = 'jobs'::regclass AND attname = 'job_type'`],
  'words that are more than ours': [`${JOBS}, status text DEFAULT 'new' CHECK (status IN ('new', 'pending', 'blocked', 'processing', 'completed', 'failed', 'cancelled')))`, ['--adopt'], 'SELECT true'],
  'a constraint that is none on words': [`${JOBS}, status text CHECK (length(status) < 20))`, ['--adopt'], 'SELECT true'],
  'columns and a table of odd names': [`${JOBS}, "a ""quoted"" % column" int NOT NULL DEFAULT 1); CREATE TABLE "odd ""name""" (x int)`, ['--adopt'], 'SELECT true'],
  'a column that was dropped': [`${JOBS}, status bigint); ALTER TABLE jobs DROP COLUMN status`, ['--adopt'],
    `SELECT atttypid = 'text'::regtype FROM pg_attribute WHERE attrelid = 'jobs'::regclass AND attname = 'status'`],
  'our own index': [`${JOBS}, created_at timestamptz NOT NULL DEFAULT now()); CREATE INDEX jobs_age ON jobs (created_at, id)`, ['--adopt'], 'SELECT true'],
};

describe('what is no obstacle', { concurrency: 2 }, () => {
  for (const [what, [sql, options, check]] of Object.entries(beside)) {
    test(what, async () => {
      const place = await inSchema(sql);
      const done = await place.migrate(...options);
      assert.equal(done.code, 0, done.stderr);
      assert.deepEqual((await place.within(check)).map((row) => Object.values(row)), [[true]]);
    });
  }
});

test('tables of other schemas on the search_path are neither compared nor touched', async () => {
  const stand = await withTables(`CREATE SCHEMA "Own"; CREATE SCHEMA other; CREATE TABLE other.jobs (x int); CREATE TABLE public.accounts (y int)`);
  const env = { DATABASE_URL: `${stand.db.url}&options=-csearch_path%3D%22Own%22,other,public` };
  const done = await stand.cli(['migrate'], { env });
  assert.equal(done.code, 0, done.stderr);
  assert.equal(await stand.db.value(`SELECT count(*)::int FROM information_schema.columns WHERE table_schema IN ('other', 'public')`), 2);
  assert.ok(await stand.db.value(`SELECT to_regclass('"Own".jobs') IS NOT NULL AND to_regclass('"Own".webhook_deliveries') IS NOT NULL`));
  // And in a schema of an odd name a table is compared all the same.
  const odd = await withTables(`CREATE SCHEMA "Own"; CREATE TABLE "Own".jobs (id bigint PRIMARY KEY)`);
  const refused = await odd.cli(['migrate'], { env: { DATABASE_URL: `${odd.db.url}&options=-csearch_path%3D%22Own%22,public` } });
  assert.match(refused.stderr, /jobs\.id is bigint; cronward needs uuid/);
});

test('a schema apart is the way out of a conflict', async () => {
  const stand = await withTables('CREATE TABLE jobs (id bigint PRIMARY KEY, title text); CREATE TABLE audit_log (line text)');
  const { role, env } = await withRole(stand, 'apart');
  await stand.db.rows(`CREATE SCHEMA cronward AUTHORIZATION ${role}; ALTER ROLE ${role} SET search_path = cronward`);
  const before = await contentsOf(stand.db, '-n', 'public');
  const done = await stand.cli(['migrate'], { env });
  assert.equal(done.code, 0, done.stderr);
  // The application, whose search_path is its own, asks for deliveries by the schema's name.
  await stand.db.rows(`INSERT INTO cronward.app_webhooks (url, secret) VALUES ($1, 'a plain secret')`, [stand.receiver.url('/ok/apart')]);
  await stand.db.rows(`INSERT INTO cronward.platform_events (event_type, payload) VALUES ('order.paid', '{}')`);
  const run = await stand.cli(['run', 'webhook-retry'], { env });
  assert.equal(JSON.parse(run.stdout).succeeded, 1, run.stderr);
  assert.equal((await stand.cli(['run', 'data-archival'], { env })).code, 0);
  assert.equal(await contentsOf(stand.db, '-n', 'public'), before);
});

test('a path to no schema, or to another than ours, is one clear line', async () => {
  const stand = await withTables('CREATE SCHEMA other');
  const path = (names) => ({ env: { DATABASE_URL: `${stand.db.url}&options=-csearch_path%3D${names}` } });
  assert.match((await stand.cli(['migrate'], path('nowhere'))).stderr, /no schema of the search_path \("nowhere"\) exists/);
  assert.equal((await stand.cli(['migrate'])).code, 0);
  await stand.db.rows('DELETE FROM cronward_schema WHERE version > 1');
  const done = await stand.cli(['migrate'], path('other,public'));
  assert.equal(done.code, 1);
  assert.match(done.stderr, /cronward's tables are in schema public, new ones would go to other: put public first/);
});

test('a role without CREATE on the database: not needed where nothing is compared, asked for where it is', async () => {
  const stand = await withTables('SELECT 1');
  const { role, env } = await withRole(stand, 'plain');
  await stand.db.rows(`CREATE SCHEMA AUTHORIZATION ${role}`);
  const done = await stand.cli(['migrate'], { env });
  assert.equal(done.code, 0, done.stderr);

  const second = await withTables('SELECT 1');
  const other = await withRole(second, 'asked');
  await second.db.rows(`CREATE SCHEMA AUTHORIZATION ${other.role}; SET ROLE ${other.role}; CREATE TABLE ${other.role}.accounts (id uuid PRIMARY KEY); RESET ROLE`);
  const refused = await second.cli(['migrate', '--adopt'], { env: other.env });
  assert.equal(refused.code, 1);
  assert.equal(refused.stderr.trim().split('\n').length, 1);
  const grant = /GRANT CREATE ON DATABASE \S+ TO \S+$/m.exec(refused.stderr)?.[0];
  assert.ok(grant, refused.stderr);
  await second.db.rows(grant);
  const adopted = await second.cli(['migrate', '--adopt'], { env: other.env });
  assert.equal(adopted.code, 0, adopted.stderr);
});

test('tables of another role, and rows that a policy hides, are named with what would help', async () => {
  const stand = await withTables('CREATE TABLE accounts (id uuid PRIMARY KEY); CREATE TABLE contacts (id uuid PRIMARY KEY)');
  const { role, env } = await withRole(stand, 'guest');
  await stand.db.rows(`GRANT CREATE ON DATABASE ${stand.db.name} TO ${role}; GRANT CREATE ON SCHEMA public TO ${role};
    ALTER TABLE contacts OWNER TO ${role}; ALTER TABLE contacts ENABLE ROW LEVEL SECURITY; ALTER TABLE contacts FORCE ROW LEVEL SECURITY`);
  const refused = await stand.cli(['migrate', '--adopt'], { env });
  assert.match(refused.stderr, new RegExp(`accounts belongs to cronward; to change it, cronward needs GRANT cronward TO ${role}\n`));
  assert.match(refused.stderr, /contacts has row-level security .*; cronward needs ALTER TABLE public\.contacts NO FORCE ROW LEVEL SECURITY\n/);
  await stand.db.rows(`ALTER TABLE accounts OWNER TO ${role}; ALTER TABLE contacts NO FORCE ROW LEVEL SECURITY`);
  const done = await stand.cli(['migrate', '--adopt'], { env });
  assert.equal(done.code, 0, done.stderr);
});

test('a database that has our tables, and no record of it, is taken as it is', async () => {
  const stand = await withTables('SELECT 1');
  await restore(stand.db, earlierSchemas()[0]);
  await stand.db.rows('DROP TABLE cronward_schema, webhook_attempts');
  // Of rows that wait nobody knows whose they are.
  assert.match((await stand.cli(['migrate', '--adopt'])).stderr, /webhook_deliveries\.next_retry_at has values/);
  await stand.db.rows('UPDATE webhook_deliveries SET next_retry_at = NULL');
  const rows = () => stand.db.rows('SELECT id, status, attempts FROM webhook_deliveries ORDER BY id');
  const before = await rows();
  const done = await stand.cli(['migrate', '--adopt']);
  assert.equal(done.code, 0, done.stderr);
  assert.deepEqual(await rows(), before);
  await stand.db.rows('UPDATE app_webhooks SET url = $1', [stand.receiver.url('/ok/kept')]);
  await stand.enqueue(3);
  assert.equal(JSON.parse((await stand.cli(['run', 'webhook-retry'])).stdout).succeeded, 3);
});

test('a later step adds its column once, and refuses one of another type', async () => {
  const stand = await withTables('SELECT 1');
  await stand.cli(['migrate']);
  const add = (type) => stand.db.rows(`SELECT cronward_add_column('jobs', 'Odd name', '${type}', 'DEFAULT 7 NOT NULL')`);
  await add('int');
  await add('integer');
  assert.equal(await stand.db.value(`SELECT "Odd name" FROM jobs RIGHT JOIN (SELECT) one ON true`), null);
  await stand.db.rows(`INSERT INTO jobs (job_type) VALUES ('x')`);
  assert.equal(await stand.db.value('SELECT "Odd name" FROM jobs'), 7);
  await assert.rejects(add('bigint'), /jobs\."Odd name" is integer; cronward needs bigint/);
});

test('the build knows every table that the migrations make', async () => {
  const stand = await withTables('SELECT 1');
  await stand.cli(['migrate']);
  const known = new Set(mustSync('sh', ['-c', 'awk -f sql/embed_migrations.awk sql/migrations/*.sql'], { cwd: root })
    .match(/(?<=^MIGRATION_TABLE\(\d+, ")\w+/gm));
  const made = await stand.db.rows(
    `SELECT relname AS name, relispartition AS is_part FROM pg_class
      WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND relname <> 'cronward_schema'`);
  assert.deepEqual(made.filter((one) => !one.is_part && !known.has(one.name)), []);
  assert.deepEqual([...known].filter((name) => !made.some((one) => one.name === name)), []);
});

test('what a database alone at an earlier version has is its own: nothing is compared', async () => {
  const fresh = await withTables('SELECT 1');
  await fresh.cli(['migrate']);
  const wanted = await schemaOf(fresh.db);
  const stand = await withTables('SELECT 1');
  const { role, env } = await withRole(stand, 'later');
  await stand.db.rows(`GRANT CREATE ON SCHEMA public TO ${role}`);
  await migrateTo(stand.db, 2, `SET LOCAL ROLE ${role};`);
  const done = await stand.cli(['migrate'], { env });
  assert.equal(done.code, 0, done.stderr);
  assert.equal(await schemaOf(stand.db), wanted);
  assert.equal((await stand.cli(['run', 'data-archival'], { env })).code, 0);
});
