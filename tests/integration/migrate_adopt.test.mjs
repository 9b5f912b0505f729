// `cronward migrate` on a database whose application has tables of cronward's names already: it
// compares, refuses and names every reason, or adds what is missing when it is told to.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { cleanEnv, killNow, start } from '../lib/process.mjs';
import { program } from '../lib/program.mjs';
import { random } from '../lib/random.mjs';
import { contentsOf, schemaOf } from '../lib/schema.mjs';
import { Stand } from '../lib/stand.mjs';
import { statements } from '../lib/statements.mjs';
import { until } from '../lib/wait.mjs';

const stands = [];
after(async () => {
  for (const stand of stands) await stand.end();
});

async function withTables(sql) {
  const stand = await Stand.create({ empty: true });
  stands.push(stand);
  await stand.db.rows(sql);
  return stand;
}

const schemas = (db) => db.value(`SELECT array_agg(nspname::text ORDER BY nspname) FROM pg_namespace WHERE nspname !~ '^pg_'`);

// Every statement of the program finds its tables, columns and types.
async function preparesEverything(db) {
  const all = statements();
  assert.ok(all.length > 20);
  await db.session(async (sql) => {
    for (const one of all) await sql(`PREPARE ${one.name} AS ${one.text}`);
  });
}

// Of another purpose altogether.
const OTHER = `
  CREATE TYPE job_state AS ENUM ('open', 'filled');
  CREATE TABLE jobs (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, title text NOT NULL, status job_state, payload text, created_at timestamp);
  INSERT INTO jobs (title, status, created_at) VALUES ('baker', 'open', '2026-01-01'), ('smith', 'filled', '2026-01-02');
  CREATE TABLE accounts (number integer PRIMARY KEY, name varchar(40) NOT NULL, balance numeric NOT NULL);
  INSERT INTO accounts VALUES (1, 'cash', 12.50);
  CREATE TABLE email_queue (id serial PRIMARY KEY, recipient text NOT NULL, attempts bigint NOT NULL DEFAULT 0, status text CHECK (status IN ('waiting', 'gone')));
  INSERT INTO email_queue (recipient) VALUES ('a@example.com');`;

test('tables of another purpose: each conflict is named, and nothing changes', async () => {
  const stand = await withTables(OTHER);
  const [before, places] = [await contentsOf(stand.db), await schemas(stand.db)];
  for (const args of [['migrate'], ['migrate', '--adopt'], ['migrate', '--dry-run'], ['migrate', '--adopt', '--dry-run']]) {
    const done = await stand.cli(args);
    assert.equal(done.code, 1);
    assert.equal(done.stdout, '');
    for (const line of [
      'accounts has PRIMARY KEY (number); cronward needs PRIMARY KEY (id)',
      'accounts.name is character varying(40); cronward needs text',
      'email_queue.attempts is bigint; cronward needs integer',
      'email_queue.id is integer; cronward needs uuid',
      'email_queue.recipient is NOT NULL and has no default',
      `email_queue.status: the constraint email_queue_status_check does not allow 'pending', 'processing', 'sent', 'failed'`,
      'email_queue.to_address is missing; cronward needs text NOT NULL, and has no value for the rows that are there',
      'jobs.created_at is timestamp without time zone; cronward needs timestamp with time zone',
      'jobs.id is bigint; cronward needs uuid',
      'jobs.job_type is missing',
      'jobs.payload is text; cronward needs jsonb',
      'jobs.status is public.job_state; cronward needs text',
      'jobs.title is NOT NULL and has no default',
      'nothing was changed',
    ]) assert.ok(done.stderr.includes(line), `${line}\n${done.stderr}`);
    assert.equal(await contentsOf(stand.db), before, 'schema and rows are what they were');
    assert.deepEqual(await schemas(stand.db), places);
  }
});

// An application's own queues, of much the same form.
const ALIKE = `
  CREATE TABLE owners (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), name text NOT NULL);
  INSERT INTO owners (name) VALUES ('somebody');
  CREATE TABLE jobs (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), job_type text NOT NULL, payload jsonb, status text NOT NULL DEFAULT 'pending',
    "createdBy" text, created_at timestamptz NOT NULL DEFAULT now());
  INSERT INTO jobs (job_type, payload, status, "createdBy") VALUES ('report', '{"n": 1}', 'completed', 'me'), ('report', '{"n": 2}', 'pending', 'you');
  CREATE TABLE accounts (id uuid PRIMARY KEY, owner_id uuid NOT NULL REFERENCES owners, name text NOT NULL, plan text NOT NULL);
  INSERT INTO accounts SELECT gen_random_uuid(), id, 'first', 'free' FROM owners;
  CREATE TABLE email_queue (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), to_address text NOT NULL, subject text NOT NULL, html text,
    status text NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'processing', 'sent', 'failed', 'bounced')),
    attempts integer NOT NULL DEFAULT 0, scheduled_for timestamptz DEFAULT now(), opened boolean NOT NULL DEFAULT false);
  INSERT INTO email_queue (to_address, subject, status) SELECT n || '@example.com', 'hello', CASE WHEN n > 5 THEN 'sent' ELSE 'pending' END FROM generate_series(1, 10) n;`;

// What the application does all day, and what it sees of its rows.
const OWN_WORK = `
  INSERT INTO jobs (job_type, payload, "createdBy") VALUES ('report', '{"n": 3}', 'me');
  UPDATE jobs SET status = 'completed' WHERE payload @> '{"n": 2}';
  INSERT INTO accounts SELECT gen_random_uuid(), id, 'second', 'paid' FROM owners;
  INSERT INTO email_queue (to_address, subject, html, opened) VALUES ('b@example.com', 'hi', '<p>hi</p>', true);
  UPDATE email_queue SET status = 'bounced' WHERE to_address = '1@example.com'`;
const OWN_VIEW = `
  SELECT (SELECT json_agg(row(id, job_type, payload, status, "createdBy", created_at) ORDER BY id) FROM jobs) AS jobs,
         (SELECT json_agg(row(id, owner_id, name, plan) ORDER BY id) FROM accounts) AS accounts,
         (SELECT json_agg(row(id, to_address, subject, html, status, attempts, scheduled_for, opened) ORDER BY id) FROM email_queue) AS email_queue`;

test('tables that only lack columns: refused with the statements, adopted when told, and nobody is harmed', async () => {
  const stand = await withTables(ALIKE);
  const before = await contentsOf(stand.db);
  const refused = await stand.cli(['migrate']);
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /--adopt/);
  assert.match(refused.stderr, /nothing was changed/);
  for (const line of [
    'ALTER TABLE public.accounts ADD COLUMN enrichment jsonb;',
    `ALTER TABLE public.email_queue ADD COLUMN max_attempts integer DEFAULT 3 NOT NULL;`,
    `ALTER TABLE public.jobs ADD COLUMN queue text DEFAULT 'default'::text NOT NULL;`,
    'ALTER TABLE public.jobs ADD COLUMN waits_until timestamp with time zone, ALTER COLUMN waits_until SET DEFAULT clock_timestamp();',
  ]) assert.ok(refused.stdout.split('\n').includes(line), `${line}\n${refused.stdout}`);
  assert.equal(await contentsOf(stand.db), before);

  const rehearsed = await stand.cli(['migrate', '--adopt', '--dry-run']);
  assert.equal(rehearsed.code, 0, rehearsed.stderr);
  assert.ok(rehearsed.stdout.startsWith(refused.stdout));
  assert.match(rehearsed.stdout, /would apply 0001 platform\n/);
  assert.equal(await contentsOf(stand.db), before);

  const seen = await stand.db.one(OWN_VIEW);
  const adopted = await stand.cli(['migrate', '--adopt']);
  assert.equal(adopted.code, 0, adopted.stderr);
  assert.ok(adopted.stdout.startsWith(refused.stdout), 'what it says is what it does');
  assert.match(adopted.stdout, /applied 0003 application_tables\n/);
  assert.deepEqual(await stand.db.one(OWN_VIEW), seen);
  await stand.db.rows(OWN_WORK);
  await preparesEverything(stand.db);

  // Nothing that was there is due; what comes from now on is.
  const due = (table) => stand.db.value(`SELECT count(waits_until)::int FROM ${table}`);
  assert.deepEqual([await due('jobs'), await due('email_queue')], [1, 1]);
  await stand.db.rows(`INSERT INTO jobs (job_type) VALUES ('cronward'); INSERT INTO email_queue (to_address, subject) VALUES ('c@example.com', 's')`);

  const acts = await stand.db.rows(`SELECT actor, target, detail FROM audit_log WHERE action = 'migrate.adopt'`);
  assert.equal(acts.length, 1);
  assert.equal(acts[0].target, 'accounts, email_queue, jobs');
  assert.match(acts[0].actor, /^cli:./);
  assert.deepEqual(acts[0].detail.statements.map((one) => `${one};`), refused.stdout.trim().split('\n'));
  const again = await stand.cli(['migrate']);
  assert.equal(again.code, 0, again.stderr);
  assert.match(again.stdout, /^schema is at version \d+\n$/);
});

test('what an application had before is never pruned; what came later is', async () => {
  const stand = await withTables(ALIKE);
  await stand.db.rows(`INSERT INTO jobs (job_type, status, created_at) VALUES ('theirs', 'completed', now() - interval '400 days')`);
  assert.equal((await stand.cli(['migrate', '--adopt'])).code, 0);
  // As if that had been a year ago: mail had no time of its own, and got that of its adoption.
  await stand.db.rows(`
    UPDATE cronward_adopted SET at = at - interval '365 days';
    UPDATE email_queue SET created_at = created_at - interval '365 days', scheduled_for = created_at - interval '365 days';
    INSERT INTO jobs (job_type, status, waits_until, created_at, updated_at)
    VALUES ('ours', 'completed', NULL, now() - interval '100 days', now() - interval '100 days');
    INSERT INTO email_queue (to_address, subject, status, waits_until, created_at, scheduled_for)
    VALUES ('ours@example.com', 's', 'sent', NULL, now() - interval '100 days', now() - interval '100 days')`);
  assert.equal((await stand.cli(['run', 'data-archival'])).code, 0);
  assert.deepEqual((await stand.db.rows('SELECT job_type FROM jobs ORDER BY 1')).map((row) => row.job_type), ['report', 'report', 'theirs']);
  assert.equal(await stand.db.value('SELECT count(*)::int FROM email_queue'), 10);
});

test('jobs that an application had before are never run, retried or changed', async () => {
  const stand = await withTables(ALIKE);
  assert.equal((await stand.cli(['migrate', '--adopt'])).code, 0);
  await stand.db.rows(`UPDATE jobs SET status = 'failed' WHERE payload @> '{"n": 2}'; UPDATE jobs SET status = 'pending' WHERE payload @> '{"n": 2}'`);
  const old = await stand.db.rows('SELECT * FROM jobs ORDER BY id');
  assert.ok(old.every((row) => row.waits_until === null));
  await stand.db.rows(`INSERT INTO jobs (job_type, "createdBy") VALUES ('report', 'me')`);
  const run = await stand.cli(['run', 'job-queue']);
  assert.match(run.stdout, /"processed": ?1,/, run.stderr);
  assert.deepEqual(await stand.db.rows('SELECT * FROM jobs WHERE id = ANY ($1) ORDER BY id', [old.map((row) => row.id)]), old);
});

// A shop that has received events, kept stock and read its users' accounts itself.
const SHOP = `
  CREATE TABLE user_integrations (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), user_id uuid NOT NULL, provider text NOT NULL, status text NOT NULL DEFAULT 'active',
    access_token text, refresh_token text, token_expires_at timestamptz, scopes text NOT NULL);
  INSERT INTO user_integrations (user_id, provider, status, access_token, scopes) VALUES (gen_random_uuid(), 'github', 'active', 'a', 'repo'), (gen_random_uuid(), 'slack', 'needs_reauth', 'b', '');
  CREATE TABLE webhook_events (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), provider text NOT NULL, event_id text NOT NULL, event_type text NOT NULL DEFAULT '',
    payload jsonb, status text NOT NULL DEFAULT 'pending', retry_count integer NOT NULL DEFAULT 0, next_retry_at timestamptz, archived boolean NOT NULL DEFAULT false,
    error_message text, created_at timestamptz NOT NULL DEFAULT now());
  INSERT INTO webhook_events (provider, event_id, status, next_retry_at) VALUES ('telebirr', '1', 'pending', NULL), ('telebirr', '2', 'failed', now()), ('cbe', '1', 'processed', NULL);
  CREATE TABLE whatsapp_webhook_logs (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), eventtype text NOT NULL DEFAULT '', payload jsonb, processed boolean NOT NULL DEFAULT false,
    processingerror text, retrycount integer NOT NULL DEFAULT 0, nextretryat timestamptz, archived boolean NOT NULL DEFAULT false, created_at timestamptz NOT NULL DEFAULT now());
  INSERT INTO whatsapp_webhook_logs (eventtype, processed, nextretryat) VALUES ('messages', false, now()), ('messages', true, NULL);
  CREATE TABLE inventory_items (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), sku text, on_hand integer NOT NULL DEFAULT 0, reserved integer NOT NULL DEFAULT 0, colour text);
  INSERT INTO inventory_items (sku, on_hand, reserved) VALUES ('lamp', 10, 7);
  CREATE TABLE inventory_reservations (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), item_id uuid NOT NULL REFERENCES inventory_items, quantity integer NOT NULL,
    status text NOT NULL DEFAULT 'active', expires_at timestamptz NOT NULL DEFAULT now() + interval '15 minutes', "userId" text);
  INSERT INTO inventory_reservations (item_id, quantity, status, expires_at) SELECT id, q, s, now() + m * interval '1 minute' FROM inventory_items, (VALUES (2, 'active', 5), (3, 'active', -5), (4, 'committed', -9)) v (q, s, m)`;

test('events that a shop had before are never due; its stock is its own to count', async () => {
  const stand = await withTables(SHOP);
  const done = await stand.cli(['migrate', '--adopt']);
  assert.equal(done.code, 0, done.stderr);
  await preparesEverything(stand.db);
  for (const table of ['webhook_events', 'whatsapp_webhook_logs']) assert.equal(await stand.db.value(`SELECT count(waits_until)::int FROM ${table}`), 0, table);
  const old = await stand.db.rows('SELECT * FROM webhook_events ORDER BY id');
  for (const worker of ['retry-webhooks', 'whatsapp-webhook-retry']) assert.match((await stand.cli(['run', worker])).stdout, /"processed": ?0,/);
  assert.deepEqual(await stand.db.rows('SELECT * FROM webhook_events ORDER BY id'), old);
  // The index by which an event is stored once is there, and what comes from now on is due.
  await assert.rejects(stand.db.rows(`INSERT INTO webhook_events (provider, event_id) VALUES ('cbe', '1')`), /webhook_events_once/);
  await stand.db.rows(`INSERT INTO webhook_events (provider, event_id) VALUES ('cbe', '2'); INSERT INTO whatsapp_webhook_logs (eventtype, event_id) VALUES ('messages', 'x')`);
  for (const table of ['webhook_events', 'whatsapp_webhook_logs']) assert.equal(await stand.db.value(`SELECT count(waits_until)::int FROM ${table}`), 1, table);

  // Accounts that it reads itself stay its own, until somebody connects one anew, or connects another.
  const accounts = async () => (await stand.db.rows('SELECT access_token AS token FROM user_integrations WHERE waits_until IS NOT NULL ORDER BY 1')).map(({ token }) => token);
  assert.deepEqual(await accounts(), []);
  await stand.db.rows(`UPDATE user_integrations SET access_token = access_token || '2'; INSERT INTO user_integrations (user_id, provider, access_token, scopes) VALUES (gen_random_uuid(), 'github', 'c', 'repo')`);
  assert.deepEqual(await accounts(), ['b2', 'c']);

  const stock = async () => Object.values(await stand.db.one('SELECT on_hand, reserved FROM inventory_items'));
  assert.deepEqual(await stock(), [10, 7]);
  assert.match((await stand.cli(['run', 'cleanup-reservations'])).stdout, /"processed": ?1,/);
  assert.deepEqual(await stock(), [10, 4], 'what the hold kept, and no more: the rest is for something that the shop knows');
  // It sells as it has always sold.
  await stand.db.rows(`UPDATE inventory_reservations SET status = 'committed' WHERE quantity = 2; UPDATE inventory_items SET on_hand = on_hand - 2, reserved = reserved - 2`);
  assert.deepEqual(await stock(), [8, 2]);
  const hold = await stand.db.value('SELECT reserve_item(id, 6) FROM inventory_items');
  await assert.rejects(stand.db.rows('SELECT reserve_item(id, 1) FROM inventory_items'), /there are 0 left/);
  await stand.db.rows('SELECT commit_reservation($1)', [hold]);
  assert.deepEqual(await stock(), [2, 2]);
  await assert.rejects(stand.db.rows(`UPDATE inventory_reservations SET status = 'committed' WHERE quantity = 3`), /is expired, it cannot become committed/);
});

test('two events of one id in a shop\'s table: refused with a reason, and nothing is changed', async () => {
  const stand = await withTables(`${SHOP}; INSERT INTO webhook_events (provider, event_id) VALUES ('telebirr', '1')`);
  const before = await contentsOf(stand.db);
  const done = await stand.cli(['migrate', '--adopt']);
  assert.equal(done.code, 1);
  assert.match(done.stderr, /could not create unique index "webhook_events_once"/);
  assert.equal(await contentsOf(stand.db), before);
});

test('statements pasted by hand do the same as --adopt', async () => {
  const [byHand, byUs] = [await withTables(ALIKE), await withTables(ALIKE)];
  await byHand.db.rows((await byHand.cli(['migrate'])).stdout);
  const done = await byHand.cli(['migrate']);
  assert.equal(done.code, 0, done.stderr);
  assert.equal((await byUs.cli(['migrate', '--adopt'])).code, 0);
  assert.equal(await schemaOf(byHand.db), await schemaOf(byUs.db));
});

test('tables that fit are taken as they are, without --adopt', async () => {
  const made = await withTables('SELECT 1');
  assert.equal((await made.cli(['migrate'])).code, 0);
  // The very definitions of cronward, one with a column more, in a database that cronward never saw.
  const stand = await withTables(`
    CREATE TABLE accounts (id uuid PRIMARY KEY, workspace_id uuid, domain text, name text, enrichment jsonb, enriched_at timestamptz, more text NOT NULL);
    INSERT INTO accounts (id, more) VALUES (gen_random_uuid(), 'mine')`);
  const before = await stand.db.rows('SELECT * FROM accounts');
  const done = await stand.cli(['migrate']);
  assert.equal(done.code, 0, done.stderr);
  assert.doesNotMatch(done.stdout, /ALTER/);
  assert.deepEqual(await stand.db.rows('SELECT * FROM accounts'), before);
  await preparesEverything(stand.db);
  const acts = await stand.db.rows(`SELECT action, target FROM audit_log WHERE action LIKE 'migrate%' ORDER BY id`);
  assert.deepEqual(acts[0], { action: 'migrate', target: '0001 platform' });
});

test('a step that fails takes the adopted columns with it', async () => {
  const stand = await withTables(`${ALIKE}; CREATE TYPE cron_locks AS ENUM ('in the way')`);
  const before = await contentsOf(stand.db);
  const done = await stand.cli(['migrate', '--adopt']);
  assert.equal(done.code, 1);
  assert.match(done.stderr, /0001_platform.*cron_locks/);
  assert.equal(await contentsOf(stand.db), before);
});

test('an application that holds its table keeps us from waiting in front of it for long', async () => {
  const stand = await withTables(ALIKE);
  await stand.db.session(async (sql) => {
    await sql('BEGIN');
    await sql('SELECT * FROM jobs');
    const began = Date.now();
    const done = await stand.cli(['migrate', '--adopt']);
    assert.equal(done.code, 1);
    assert.match(done.stderr, /lock timeout.*nothing was changed/);
    assert.ok(Date.now() - began < 15_000);
    await sql('COMMIT');
  });
  assert.equal((await stand.cli(['migrate', '--adopt'])).code, 0);
});

test('five at once adopt once', async () => {
  const stand = await withTables(ALIKE);
  const done = await Promise.all(Array.from({ length: 5 }, () => stand.cli(['migrate', '--adopt'])));
  assert.deepEqual(done.map((one) => one.code), [0, 0, 0, 0, 0], done.map((one) => one.stderr).join());
  assert.equal(done.filter((one) => one.stdout.includes('ALTER TABLE')).length, 1);
  assert.equal(await stand.db.value(`SELECT count(*)::int FROM audit_log WHERE action = 'migrate.adopt'`), 1);
});

// Calls `strike` in the middle of `migrate --adopt`: the first time where it waits for a table, which
// is behind the comparison, then at random moments until one comes too late.  The number of hits.
async function strikeAtRandom(stand, name, begin, strike) {
  const draw = random(name);
  const blocked = () => stand.db.value(
    `SELECT count(*) > 0 FROM pg_locks WHERE NOT granted AND relation = 'jobs'::regclass AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`);
  let hits = 0;
  await stand.db.session(async (sql) => {
    await sql('BEGIN');
    await sql('SELECT * FROM jobs');
    const work = begin();
    await until(blocked, { what: 'it to wait for the table', everyMs: 2 });
    await strike(work, () => sql('COMMIT'));
    hits++;
  });
  for (; hits < 12; hits++) {
    const work = begin();
    const end = Date.now() + draw.between(0, 250);
    await until(() => Date.now() >= end, { everyMs: 1 });
    if (!await strike(work, async () => {})) break;
  }
  return hits;
}

const isDone = (stand) => stand.db.value(`SELECT to_regclass('cronward_schema') IS NOT NULL`);

test('killed at any moment, it leaves all or nothing, and no schema of its own', async (t) => {
  const stand = await withTables(ALIKE);
  const before = await schemaOf(stand.db);
  const hits = await strikeAtRandom(stand, 'adopt killed',
    () => start(program(), ['migrate', '--adopt'], { env: cleanEnv(stand.env()) }),
    async (child, letGo) => {
      killNow(child.pid);
      await child.ended;
      await letGo();
      await stand.backendsGone();
      assert.deepEqual(await schemas(stand.db), ['information_schema', 'public']);
      if (await isDone(stand)) return false;
      assert.equal(await schemaOf(stand.db), before);
      return true;
    });
  t.diagnostic(`${hits} kills`);
  assert.equal((await stand.cli(['migrate', '--adopt'])).code, 0);
});

test('a connection that is lost on the way: one clear line, all or nothing', async (t) => {
  const stand = await withTables(ALIKE);
  const before = await schemaOf(stand.db);
  const hits = await strikeAtRandom(stand, 'adopt lost', () => stand.cli(['migrate', '--adopt']), async (work, letGo) => {
    await stand.db.terminateOthers();
    const done = await work;
    await letGo();
    if (done.code === 0) return false;
    assert.equal(done.code, 1);
    // What the server says while PQconnectdb is at work libpq prints itself: no receiver can be set before.
    const said = done.stderr.trim().split('\n').filter((line) => !line.startsWith('FATAL:  terminating connection'));
    assert.equal(said.length, 1, done.stderr);
    if (await isDone(stand)) return false; // lost behind its commit
    assert.equal(await schemaOf(stand.db), before);
    return true;
  });
  t.diagnostic(`${hits} times`);
  assert.equal((await stand.cli(['migrate', '--adopt'])).code, 0);
});

test('who comes while another migration is under way waits for it', async () => {
  const stand = await withTables('SELECT 1');
  await stand.db.session(async (sql) => {
    await sql('SELECT pg_advisory_lock(17239, 1)');
    const work = stand.cli(['migrate'], { timeoutMs: 90_000 });
    await until(() => stand.db.value(`SELECT count(*)::int FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`),
      { what: 'it to wait' });
    assert.equal(await stand.db.value(`SELECT to_regclass('jobs') IS NULL`), true);
    await sql('SELECT pg_advisory_unlock(17239, 1)');
    assert.equal((await work).code, 0);
  });
});
