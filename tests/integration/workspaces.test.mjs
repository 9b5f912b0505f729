// Row-level security: members of a workspace read its jobs, their lines and edges, and that a key is
// set; strangers nothing; nobody but the service writes.  A cluster of its own, for roles are the
// whole cluster's, and those of Supabase's names change what migrate grants.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { cleanEnv, must, run } from '../lib/process.mjs';
import { Cluster, hasty } from '../lib/postgres.mjs';
import { program } from '../lib/program.mjs';
import { schemaOf } from '../lib/schema.mjs';

const A = '00000000-0000-7000-8000-00000000000a';
const B = '00000000-0000-7000-8000-00000000000b';
const ANN = '00000000-0000-4000-8000-0000000000aa'; // of A
const BOB = '00000000-0000-4000-8000-0000000000bb'; // of B
const BOTH = '00000000-0000-4000-8000-0000000000ab';
const SMALL = '00000000-0000-7000-8000-00000000000c';
const CARL = '00000000-0000-4000-8000-0000000000c0'; // of SMALL
const NOBODY = '00000000-0000-4000-8000-0000000000cc';
const READ = ['jobs', 'job_logs', 'job_dependencies', 'workspaces', 'workspace_members', 'my_workspace_settings'];
const HIDDEN = ['job_types', 'job_queues', 'job_slots', 'job_requests', 'job_limits', 'workspace_settings',
  'webhook_events', 'whatsapp_webhook_logs', 'event_handlers', 'email_queue', 'email_templates', 'inventory_items', 'inventory_reservations',
  'whatsapp_connections', 'whatsapp_configs', 'whatsapp_health', 'user_integrations', 'integration_items', 'integration_seen',
  'app_webhooks', 'webhook_deliveries', 'webhook_attempts', 'webhook_attempts_default', 'platform_events_archive', 'platform_notifications_archive',
  'audit_log', 'cron_denied', 'cron_job_executions', 'cron_locks', 'cronward_adopted', 'cronward_schema'];

const cluster = await Cluster.create(hasty);
after(() => cluster.stop());

// Roles: who owns, who inherits from the owner, who does not; and Supabase's.
await cluster.admin(`
  CREATE ROLE house LOGIN; CREATE ROLE heir LOGIN IN ROLE house; CREATE ROLE app LOGIN; CREATE ROLE reader LOGIN; CREATE ROLE helper LOGIN;
  CREATE ROLE anon NOLOGIN; CREATE ROLE authenticated NOLOGIN; CREATE ROLE service_role NOLOGIN BYPASSRLS;
  CREATE ROLE authenticator LOGIN NOINHERIT IN ROLE anon, authenticated, service_role`);

const as = (db, role) => db.url.replace('//cronward@', `//${role}@`);
const migrate = (db, ...args) => run(program(), ['migrate', ...args], { env: cleanEnv({ DATABASE_URL: as(db, 'house') }) });

async function database(sql = '') {
  const db = await cluster.database({ empty: true });
  // As Supabase sets up a project: what is new in public is granted to everybody.
  await db.rows(`ALTER DATABASE ${db.name} OWNER TO house; ALTER SCHEMA public OWNER TO house;
    GRANT USAGE ON SCHEMA public TO PUBLIC;
    ALTER DEFAULT PRIVILEGES FOR ROLE house IN SCHEMA public GRANT ALL ON TABLES TO anon, authenticated, service_role; ${sql}`);
  return db;
}

const db = await database();
before(async () => {
  const done = await migrate(db);
  assert.equal(done.code, 0, done.stderr);
  await db.rows(`
    GRANT ALL ON jobs, job_logs, job_dependencies, workspaces, workspace_members, workspace_settings, my_workspace_settings TO reader;
    GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO helper;
    INSERT INTO workspaces (id, name) VALUES ('${A}', 'a'), ('${B}', 'b');
    INSERT INTO workspace_members VALUES ('${A}', '${ANN}'), ('${B}', '${BOB}'), ('${A}', '${BOTH}'), ('${B}', '${BOTH}');
    INSERT INTO workspace_settings VALUES ('${A}', 'plain-key-of-a'), ('${B}', NULL);
    INSERT INTO jobs (workspace_id, job_type, unique_key) SELECT w.id, w.name, w.name || n FROM workspaces w, generate_series(1, 3) n;
    INSERT INTO jobs (job_type) VALUES ('of nobody');
    INSERT INTO job_logs (job_id, message) SELECT id, job_type FROM jobs;
    INSERT INTO job_dependencies (job_id, depends_on, is_open)
    SELECT x.id, y.id, false FROM jobs x JOIN jobs y ON x.unique_key IN ('a1', 'b1') AND y.unique_key IN ('a2', 'b2')`);
});

// Work done by a role, with settings as a pooler sets them: for one transaction.
function asking(role, settings, work, where = db) {
  return where.session(async (sql) => {
    await sql('BEGIN');
    for (const [name, value] of Object.entries(settings)) await sql('SELECT set_config($1, $2, true)', [name, value]);
    await sql(`SET LOCAL ROLE ${role}`);
    return work(sql);
  });
}
const claims = (sub, role = 'authenticated') => ({ 'request.jwt.claims': JSON.stringify({ sub, role, aud: 'authenticated' }) });
const counts = (role, settings) => asking(role, settings, async (sql) =>
  (await sql(`SELECT ${READ.map((table) => `(SELECT count(*)::int FROM ${table}) AS ${table}`)}`))[0]);
const list = ([jobs, job_logs, job_dependencies, workspaces, workspace_members, my_workspace_settings]) =>
  ({ jobs, job_logs, job_dependencies, workspaces, workspace_members, my_workspace_settings });

describe('who reads what', () => {
  const wanted = {
    'a member, by the setting of his application': ['reader', { 'app.user_id': ANN }, [3, 3, 1, 1, 1, 1]],
    'a member of two workspaces': ['reader', { 'app.user_id': BOTH }, [6, 6, 4, 2, 2, 2]],
    'a stranger': ['reader', { 'app.user_id': NOBODY }, [0, 0, 0, 0, 0, 0]],
    'nobody': ['reader', {}, [0, 0, 0, 0, 0, 0]],
    "a member, by Supabase's claims": ['authenticated', claims(ANN), [3, 3, 1, 1, 1, 1]],
    'another member': ['authenticated', claims(BOB), [3, 3, 1, 1, 1, 1]],
    'a user of no workspace': ['authenticated', claims(NOBODY), [0, 0, 0, 0, 0, 0]],
    'claims without a user': ['authenticated', { 'request.jwt.claims': '{"role":"authenticated"}' }, [0, 0, 0, 0, 0, 0]],
    'claims of nobody beside a setting that was left behind': ['authenticated', { 'request.jwt.claims': '{}', 'app.user_id': ANN }, [0, 0, 0, 0, 0, 0]],
    'empty claims, and a setting': ['authenticated', { 'request.jwt.claims': '', 'app.user_id': ANN }, [3, 3, 1, 1, 1, 1]],
    'the service role of Supabase': ['service_role', { 'request.jwt.claims': '{"role":"service_role"}' }, [7, 7, 4, 2, 4, 0]],
    'the owner': ['house', {}, [7, 7, 4, 2, 4, 0]],
    'who inherits from the owner': ['heir', claims(ANN), [7, 7, 4, 2, 4, 1]],
  };
  for (const [who, [role, settings, expected]] of Object.entries(wanted))
    test(who, async () => assert.deepEqual(await counts(role, settings), list(expected)));

  test('and each row is of the right workspace', async () => {
    const seen = await asking('authenticated', claims(ANN), async (sql) => ({
      jobs: await sql('SELECT DISTINCT workspace_id AS id FROM jobs'),
      logs: await sql('SELECT DISTINCT message FROM job_logs'),
      edges: await sql('SELECT x.unique_key AS x, y.unique_key AS y FROM job_dependencies d JOIN jobs x ON x.id = d.job_id JOIN jobs y ON y.id = d.depends_on'),
      places: await sql('SELECT id FROM workspaces'),
      members: await sql('SELECT user_id FROM workspace_members'),
      settings: await sql('SELECT * FROM my_workspace_settings'),
    }));
    assert.deepEqual(seen, {
      jobs: [{ id: A }], logs: [{ message: 'a' }], edges: [{ x: 'a1', y: 'a2' }], places: [{ id: A }], members: [{ user_id: ANN }],
      settings: [{ workspace_id: A, has_apollo_api_key: true }],
    });
    assert.deepEqual(await asking('authenticated', claims(BOB), (sql) => sql('SELECT * FROM my_workspace_settings')),
      [{ workspace_id: B, has_apollo_api_key: false }]);
  });

  test("a key's value is nobody's to read, whatever is granted", async () => {
    assert.deepEqual(await asking('reader', { 'app.user_id': ANN }, (sql) => sql('SELECT * FROM workspace_settings')), []);
    await assert.rejects(asking('authenticated', claims(ANN), (sql) => sql('SELECT * FROM workspace_settings')), /permission denied/);
    assert.equal((await asking('service_role', {}, (sql) => sql('SELECT * FROM workspace_settings'))).length, 2);
  });
});

describe('odd settings are nobody, and never an error', () => {
  const odd = {
    'no JSON': 'hello', 'half of it': '{"sub":"', 'an array': `["${ANN}"]`, 'a text': `"${ANN}"`, 'a number': '{"sub": 7}', 'an object': `{"sub": {"sub": "${ANN}"}}`,
    'a user inside of another claim': `{"user_metadata": {"sub": "${ANN}"}}`, 'no uuid': '{"sub": "ann"}', 'null': '{"sub": null}', 'an empty user': '{"sub": ""}',
    'a NUL': '{"sub": "\\u0000"}', 'a lone surrogate': '{"sub": "\\ud800"}', 'blanks': '   ', 'as deep as the stack': '['.repeat(100_000),
    'a uuid and more': `{"sub": "${ANN} OR true"}`, 'a name in capitals': `{"SUB": "${ANN}"}`,
  };
  for (const [what, value] of Object.entries(odd)) {
    test(`claims: ${what}`, async () => {
      assert.deepEqual(await asking('authenticated', { 'request.jwt.claims': value }, (sql) => sql('SELECT cronward_user_id() AS id')), [{ id: null }]);
      assert.deepEqual(await counts('authenticated', { 'request.jwt.claims': value }), list([0, 0, 0, 0, 0, 0]));
    });
  }
  for (const value of ['', ' ', 'ann', `${ANN}0`, `'${ANN}'`, '{}'])
    test(`app.user_id: ${JSON.stringify(value)}`, async () => assert.deepEqual(await counts('reader', { 'app.user_id': value }), list([0, 0, 0, 0, 0, 0])));
  test('of two keys of one name the last counts, as in every reader of JSON', async () => {
    assert.deepEqual(await asking('authenticated', { 'request.jwt.claims': `{"sub": "${ANN}", "sub": "${BOB}"}` }, (sql) => sql('SELECT cronward_user_id() AS id')), [{ id: BOB }]);
  });
});

describe('nobody but the service writes', () => {
  const acts = {
    'INSERT of its own': `INSERT INTO jobs (workspace_id, job_type) VALUES ('${A}', 'x')`,
    'INSERT of a foreign one': `INSERT INTO jobs (workspace_id, job_type) VALUES ('${B}', 'x')`,
    'INSERT of a line': `INSERT INTO job_logs (job_id, message) SELECT id, 'x' FROM jobs LIMIT 1`,
    'INSERT of a member': `INSERT INTO workspace_members VALUES ('${B}', '${ANN}')`,
    'INSERT of a workspace': `INSERT INTO workspaces (name) VALUES ('x')`,
    'INSERT of a key': `INSERT INTO workspace_settings VALUES ('${A}', 'x') ON CONFLICT (workspace_id) DO UPDATE SET apollo_api_key_encrypted = 'x'`,
    'INSERT of an edge': `INSERT INTO job_dependencies (job_id, depends_on) SELECT id, id FROM jobs LIMIT 1`,
  };
  // The reader was granted everything; a policy is what stops him.
  for (const [what, act] of Object.entries(acts)) {
    test(`${what}`, async () => {
      await assert.rejects(asking('reader', { 'app.user_id': ANN }, (sql) => sql(act)), /row-level security|violates|permission denied/, what);
      await assert.rejects(asking('authenticated', claims(ANN), (sql) => sql(act)), /permission denied/);
    });
  }
  for (const table of ['jobs', 'job_logs', 'job_dependencies', 'workspaces', 'workspace_members', 'workspace_settings']) {
    test(`UPDATE, DELETE and TRUNCATE of ${table}`, async () => {
      const column = { jobs: "status = 'cancelled'", job_logs: "message = 'x'", job_dependencies: 'is_open = true', workspaces: "name = 'x'",
        workspace_members: `workspace_id = '${B}'`, workspace_settings: "apollo_api_key_encrypted = 'x'" }[table];
      for (const act of [`UPDATE ${table} SET ${column}`, `DELETE FROM ${table}`]) {
        await asking('reader', { 'app.user_id': ANN }, async (sql) => assert.deepEqual(await sql(`${act} RETURNING 1`), []));
        await assert.rejects(asking('authenticated', claims(ANN), (sql) => sql(act)), /permission denied/);
      }
      for (const role of ['anon', 'authenticated'])
        await assert.rejects(asking(role, claims(ANN), (sql) => sql(`TRUNCATE ${table} CASCADE`)), /permission denied/);
    });
  }

  test('what is not for everybody is closed to who comes over the web', async () => {
    for (const table of HIDDEN)
      for (const role of ['anon', 'authenticated'])
        await assert.rejects(asking(role, claims(ANN), (sql) => sql(`SELECT 1 FROM ${table}`)), /permission denied/, table);
    for (const table of READ) await assert.rejects(asking('anon', claims(ANN), (sql) => sql(`SELECT 1 FROM ${table}`)), /permission denied/, table);
  });
});

describe('what is hidden does not show through', () => {
  const asReader = (work) => asking('reader', { 'app.user_id': ANN }, work);

  test('a key that a foreign job has is refused as one that nobody has', async () => {
    const refusals = [];
    for (const key of ['b1', 'nobody has it'])
      await asReader((sql) => sql('INSERT INTO jobs (job_type, unique_key) VALUES ($1, $2)', ['x', key])).catch((error) => refusals.push(`${error.code} ${error.message}`));
    assert.equal(refusals.length, 2);
    assert.equal(refusals[0], refusals[1]);
    await assert.rejects(asReader((sql) => sql(`INSERT INTO jobs (job_type, unique_key) VALUES ('x', 'b1') ON CONFLICT DO NOTHING`)), /row-level security/);
  });

  test('an error in a condition tells of no foreign row', async () => {
    await asReader(async (sql) => {
      // Divides by zero for every row of B, if it ever sees one.
      assert.equal((await sql(`SELECT id FROM jobs WHERE 1 / (CASE WHEN job_type = 'b' THEN 0 ELSE 1 END) = 1`)).length, 3);
      assert.equal((await sql(`SELECT workspace_id FROM my_workspace_settings WHERE (CASE WHEN has_apollo_api_key THEN 1 ELSE 0 END) / 1 = 1`)).length, 1);
    });
    await asking('reader', { 'app.user_id': BOB }, async (sql) => {
      assert.deepEqual(await sql(`SELECT 1 / (CASE WHEN has_apollo_api_key THEN 0 ELSE 1 END) AS n FROM my_workspace_settings WHERE 1 / (CASE WHEN has_apollo_api_key THEN 0 ELSE 1 END) = 1`), [{ n: 1 }]);
    });
  });

  test('a function that cost nothing and tells all it sees is asked of its own rows alone', async () => {
    await db.rows(`CREATE SCHEMA spy AUTHORIZATION reader`);
    await asReader(async (sql) => {
      await sql(`CREATE FUNCTION spy.tell(text) RETURNS boolean LANGUAGE plpgsql COST 0.0000001 AS $$ BEGIN RAISE NOTICE 'saw %', $1; PERFORM set_config('spy.saw', current_setting('spy.saw', true) || $1, true); RETURN true; END $$`);
      await sql(`SELECT set_config('spy.saw', '', true)`);
      await sql('SELECT * FROM jobs WHERE spy.tell(job_type)');
      await sql('SELECT * FROM job_logs WHERE spy.tell(message)');
      await sql('SELECT * FROM my_workspace_settings WHERE spy.tell(workspace_id::text)');
      assert.deepEqual(await sql(`SELECT current_setting('spy.saw') AS saw`), [{ saw: `aaaaaa${A}` }]);
    });
  });

  test('a foreign id, asked for by itself, is as one that is not there', async () => {
    const foreign = await db.value(`SELECT id FROM jobs WHERE unique_key = 'b1'`);
    await asReader(async (sql) => {
      for (const text of ['SELECT 1 FROM jobs WHERE id = $1', 'SELECT 1 FROM job_logs WHERE job_id = $1', 'SELECT 1 FROM jobs WHERE id = $1 FOR UPDATE', 'SELECT 1 FROM job_dependencies WHERE depends_on = $1 OR job_id = $1'])
        assert.deepEqual(await sql(text, [foreign]), [], text);
    });
  });
});

describe('a service that is neither owner nor heir', () => {
  test('is bound as all are, until it is given a policy; then it enqueues', async () => {
    const insert = (sql) => sql(`INSERT INTO jobs (workspace_id, job_type) VALUES ('${B}', 'helped') RETURNING status`);
    await assert.rejects(asking('helper', {}, insert), /row-level security/);
    await db.rows(`SELECT cronward_trust('helper'); REVOKE ALL ON workspace_members FROM helper`);
    assert.deepEqual(await asking('helper', {}, insert), [{ status: 'pending' }]);
    const seen = (table) => asking('helper', {}, async (sql) => (await sql(`SELECT count(*)::int AS n FROM ${table}`))[0].n);
    assert.deepEqual([await seen('jobs'), await seen('job_logs')], [7, 7]);
    assert.doesNotMatch(await asking('helper', {}, async (sql) => JSON.stringify(await sql('EXPLAIN SELECT * FROM jobs'))), /workspace_members/, 'at no price');
    await db.rows(`SELECT cronward_trust('helper')`);
    assert.equal((await counts('reader', { 'app.user_id': ANN })).jobs, 3, 'and its policy is nobody else\'s');
  });
});

describe('plans', () => {
  before(async () => {
    await db.rows(`
      INSERT INTO jobs (workspace_id, job_type, status, waits_until) SELECT CASE WHEN n % 2 = 0 THEN '${A}' ELSE '${B}' END::uuid, 'bulk', 'completed', NULL FROM generate_series(1, 100000) n;
      INSERT INTO jobs (workspace_id, job_type) SELECT '${SMALL}', 'few' FROM generate_series(1, 200);
      INSERT INTO workspace_members VALUES ('${SMALL}', '${CARL}');
      INSERT INTO job_logs (job_id, message) SELECT id, 'bulk' FROM jobs WHERE job_type = 'bulk'`);
    await db.rows('VACUUM ANALYZE jobs, job_logs');
  });
  const plan = (role, settings, text, options = '') => asking(role, settings, async (sql) =>
    (await sql(`EXPLAIN (COSTS OFF${options}) ${text}`)).map((row) => row['QUERY PLAN']).join('\n'));

  test('the owner\'s statements carry no condition more', async () => {
    for (const text of ['SELECT * FROM jobs WHERE waits_until <= now() FOR NO KEY UPDATE SKIP LOCKED', 'UPDATE jobs SET progress = 1 WHERE id = gen_random_uuid()', 'SELECT * FROM job_logs'])
      for (const role of ['house', 'heir', 'service_role']) assert.doesNotMatch(await plan(role, {}, text), /cronward_user_id|workspace_members|SubPlan|InitPlan/);
    assert.match(await plan('reader', {}, 'SELECT * FROM job_logs'), /SubPlan[^]*workspace_members/, 'as it would show');
  });

  test('a page of a member\'s list comes from the index of his workspace', async (t) => {
    const page = (where) => plan('reader', { 'app.user_id': CARL }, `SELECT id, status FROM jobs ${where} ORDER BY created_at DESC, id DESC LIMIT 50`, ', ANALYZE');
    const seen = await page(`WHERE workspace_id = '${SMALL}'`);
    assert.match(seen, /jobs_of_workspace/);
    assert.doesNotMatch(await page(''), /Seq Scan on jobs/);
    t.diagnostic(seen.match(/Execution Time.*/)[0]);
  });

  test('the user is asked for once, however many rows there are', async (t) => {
    const all = `SELECT status, count(*) FROM jobs WHERE workspace_id = '${A}' GROUP BY status`;
    const seen = await plan('reader', { 'app.user_id': ANN }, all, ', ANALYZE');
    assert.doesNotMatch(seen, /SubPlan/);
    for (const [, loops] of seen.matchAll(/(?:Result|workspace_members).*loops=(\d+)/g)) assert.equal(loops, '1', seen);
    const time = (role, settings) => asking(role, settings, async (sql) => {
      const took = [];
      for (let n = 0; n < 5; n++) {
        const began = process.hrtime.bigint();
        await sql(all);
        took.push(Number(process.hrtime.bigint() - began) / 1e6);
      }
      return took.sort((x, y) => x - y)[2];
    });
    const [theirs, ours] = [await time('reader', { 'app.user_id': ANN }), await time('house', {})];
    t.diagnostic(`50,000 of 100,000 jobs counted: a member ${theirs.toFixed(1)} ms, the owner ${ours.toFixed(1)} ms`);
    assert.ok(theirs < ours * 5 + 20, `${theirs} ms, the owner ${ours} ms`);
  });

  test('the lines of one job come from their index, and its job from its key', async () => {
    const seen = await plan('reader', { 'app.user_id': ANN }, `SELECT * FROM job_logs WHERE job_id = '${A}' ORDER BY created_at DESC`);
    assert.match(seen, /Scan using job_logs_\w+/);
    assert.match(seen, /jobs_pkey|jobs_of_workspace/);
    assert.doesNotMatch(seen, /Seq Scan on job/);
  });
});

describe('an application that has workspaces already', () => {
  // As such applications are made: keys of their own, policies of their own, enums and foreign keys.
  const THEIRS = `
    SET ROLE house;
    CREATE TABLE workspaces (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), name text NOT NULL, slug text UNIQUE, created_at timestamptz NOT NULL DEFAULT now());
    CREATE TABLE workspace_members (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), workspace_id uuid NOT NULL REFERENCES workspaces ON DELETE CASCADE,
      user_id uuid NOT NULL, role text NOT NULL DEFAULT 'member', UNIQUE (workspace_id, user_id));
    CREATE TABLE workspace_settings (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), workspace_id uuid NOT NULL UNIQUE REFERENCES workspaces, apollo_api_key_encrypted text, theme text);
    ALTER TABLE workspaces ENABLE ROW LEVEL SECURITY;
    ALTER TABLE workspace_members ENABLE ROW LEVEL SECURITY;
    CREATE POLICY everybody ON workspaces FOR SELECT USING (true);
    CREATE POLICY own ON workspace_members USING (user_id = NULLIF(current_setting('app.user_id', true), '')::uuid) WITH CHECK (true);
    GRANT ALL ON workspaces, workspace_members, workspace_settings TO app;
    INSERT INTO workspaces (id, name) VALUES ('${A}', 'a'), ('${B}', 'b');
    INSERT INTO workspace_members (workspace_id, user_id) VALUES ('${A}', '${ANN}'), ('${B}', '${BOB}');
    INSERT INTO workspace_settings (workspace_id, theme) VALUES ('${A}', 'dark');
    RESET ROLE`;
  const OWN = `SELECT (SELECT count(*)::int FROM workspaces) AS workspaces, (SELECT count(*)::int FROM workspace_members) AS members, (SELECT count(*)::int FROM workspace_settings) AS settings`;

  test('is taken as it is: its tables, policies, grants and rows stay, and jobs are isolated by its members', async () => {
    const theirs = await database(THEIRS);
    const policies = () => theirs.rows(`SELECT tablename, policyname, cmd, qual FROM pg_policies WHERE tablename LIKE 'workspace%' ORDER BY 1, 2`);
    const grants = () => theirs.rows(`SELECT relname, relrowsecurity, relacl::text FROM pg_class WHERE relname ~ '^workspace(s|_members|_settings)$' ORDER BY 1`);
    const seen = [await policies(), await grants(), await asking('app', { 'app.user_id': ANN }, (sql) => sql(OWN), theirs)];
    const done = await migrate(theirs);
    assert.equal(done.code, 0, done.stderr);
    assert.deepEqual([await policies(), await grants(), await asking('app', { 'app.user_id': ANN }, (sql) => sql(OWN), theirs)], seen);
    assert.deepEqual(seen[2], [{ workspaces: 2, members: 1, settings: 1 }]);
    await theirs.rows(`GRANT SELECT ON jobs TO app; INSERT INTO jobs (workspace_id, job_type) VALUES ('${A}', 'a'), ('${B}', 'b')`);
    assert.deepEqual(await asking('app', { 'app.user_id': ANN }, (sql) => sql('SELECT job_type FROM jobs'), theirs), [{ job_type: 'a' }]);
    await asking('app', { 'app.user_id': BOB }, (sql) => sql(`INSERT INTO workspace_members (workspace_id, user_id) VALUES ('${A}', '${BOB}')`), theirs);
  });

  test('a table of jobs that was adopted keeps being read by its application; one call isolates it', async () => {
    const theirs = await database(`SET ROLE house; CREATE TABLE jobs (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), workspace_id uuid, job_type text NOT NULL, job_id uuid, depends_on uuid);
      INSERT INTO jobs (workspace_id, job_type) VALUES ('${A}', 'a'), ('${B}', 'b'); GRANT ALL ON jobs TO app; RESET ROLE`);
    const done = await migrate(theirs, '--adopt');
    assert.equal(done.code, 0, done.stderr);
    const read = (settings) => asking('app', settings, async (sql) => (await sql('SELECT job_type FROM jobs ORDER BY 1')).map((row) => row.job_type), theirs);
    assert.deepEqual(await read({}), ['a', 'b']);
    await asking('app', {}, (sql) => sql(`INSERT INTO jobs (job_type) VALUES ('c')`), theirs);
    // The next steps, too, leave it alone.
    assert.equal((await migrate(theirs)).code, 0);
    await theirs.rows(`SELECT cronward_isolate('jobs'); INSERT INTO workspace_members VALUES ('${A}', '${ANN}'); GRANT SELECT ON workspace_members TO app`);
    assert.deepEqual([await read({}), await read({ 'app.user_id': ANN })], [[], ['a']]);
    // A column of theirs that is named as one of ours decides nothing.
    await theirs.rows(`INSERT INTO job_logs (job_id, message) SELECT id, job_type FROM jobs; GRANT SELECT ON job_logs TO app`);
    const lines = await asking('app', { 'app.user_id': ANN }, async (sql) => (await sql('SELECT message FROM job_logs')).map((row) => row.message), theirs);
    assert.deepEqual(lines, ['a']);
    await theirs.rows(`SELECT cronward_isolate('jobs')`);
    await assert.rejects(theirs.rows(`SELECT cronward_isolate('accounts')`), /accounts is none of jobs, job_logs/);
  });

  test('row-level security that would bind cronward itself is named, and nothing changes', async () => {
    const theirs = await database(`${THEIRS}; ALTER TABLE workspace_members FORCE ROW LEVEL SECURITY`);
    const before = await schemaOf(theirs);
    const done = await migrate(theirs);
    assert.equal(done.code, 1);
    assert.match(done.stderr, /workspace_members has row-level security that would hide rows from house; cronward needs ALTER TABLE public\.workspace_members NO FORCE/);
    assert.equal(await schemaOf(theirs), before);
  });

  test('without any key on what cronward looks up, it is refused', async () => {
    const theirs = await database(`SET ROLE house; CREATE TABLE workspace_settings (id uuid PRIMARY KEY, workspace_id uuid, apollo_api_key_encrypted text); RESET ROLE`);
    const done = await migrate(theirs);
    assert.equal(done.code, 1);
    assert.match(done.stderr, /workspace_settings has PRIMARY KEY \(id\); cronward needs PRIMARY KEY \(workspace_id\)/);
  });
});

test('where there is none of Supabase\'s roles, nothing is granted to anybody', async () => {
  const plain = await Cluster.create(hasty);
  try {
    const empty = await plain.database({ empty: true });
    await must(program(), ['migrate'], { env: cleanEnv({ DATABASE_URL: empty.url }) });
    assert.equal(await empty.value(`SELECT count(*)::int FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relacl IS NOT NULL`), 0);
    await empty.drop();
  } finally {
    await plain.stop();
  }
});
