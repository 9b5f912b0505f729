// The sql processor: jobs as functions of the database's, each exactly once.
import assert from 'node:assert/strict';
import { after, beforeEach, test } from 'node:test';
import { startPgbouncer } from '../lib/pgbouncer.mjs';
import { cleanEnv, isAlive, killNow, start } from '../lib/process.mjs';
import { program } from '../lib/program.mjs';
import { random } from '../lib/random.mjs';
import { report, size } from '../lib/sizes.mjs';
import { Stand } from '../lib/stand.mjs';
import { statements } from '../lib/statements.mjs';
import { until } from '../lib/wait.mjs';

const GATE = 4711; // an advisory lock that functions wait at
const stand = await Stand.create();
const { db } = stand;
after(() => stand.end());

// A function of that name, and a type of the same; `more` are keys of its defaults.
async function type(name, body, more = {}) {
  await db.rows(`CREATE OR REPLACE FUNCTION ${name}(job jsonb) RETURNS jsonb LANGUAGE plpgsql AS $f$ BEGIN ${body} END $f$`);
  await known(name, name, more);
}

async function known(name, target, more = {}) {
  await db.rows(`INSERT INTO job_types (job_type, processor, target, defaults) VALUES ($1, 'sql', $2, $3)
    ON CONFLICT (job_type) DO UPDATE SET target = EXCLUDED.target, defaults = EXCLUDED.defaults`, [name, target, more]);
}

const enqueue = (name, payload = {}) =>
  db.value('INSERT INTO jobs (job_type, payload) VALUES ($1, $2) RETURNING id', [name, payload]);
const jobOf = (id) => db.one('SELECT * FROM jobs WHERE id = $1', [id]);
const logsOf = (id) => db.rows('SELECT level, message, data FROM job_logs WHERE job_id = $1 ORDER BY id', [id]);

// A run to its end: its reply.
async function runJobs(env = {}) {
  const done = await stand.cli(['run', 'job-queue'], { env });
  assert.ok(done.code < 2, `${done.code}: ${done.stderr}`);
  assert.doesNotMatch(done.stderr, /lost_leases|unsettled/);
  return JSON.parse(done.stdout);
}

// The job, after a run.
async function ran(name, payload, env) {
  const id = await enqueue(name, payload);
  await runJobs(env);
  return jobOf(id);
}

// Holds the gate while `work` goes on.
function gated(work) {
  return db.session(async (sql) => {
    await sql('SELECT pg_advisory_lock($1)', [GATE]);
    try {
      return await work();
    } finally {
      await sql('SELECT pg_advisory_unlock($1)', [GATE]);
    }
  });
}

// What a dead process held is due at once, and counts as if it had been lost for the first time.
async function forgetTheDead() {
  await stand.expireLocks();
  await db.rows(`UPDATE jobs SET lease_until = clock_timestamp() - interval '1 s', lost = 0 WHERE lease_until IS NOT NULL`);
}

const spawnRun = (env = {}) => start(program(), ['run', 'job-queue'], { env: cleanEnv(stand.env(env)) });

async function kill(worker) {
  killNow(worker.pid);
  await until(() => !isAlive(worker.pid), { what: 'the process to be gone', everyMs: 1 });
  await stand.backendsGone();
}

await db.rows('CREATE TABLE effects (job_id uuid, began timestamptz, ended timestamptz)');
await db.rows('CREATE SEQUENCE calls');
beforeEach(async () => {
  await stand.expireLocks();
  await db.rows('TRUNCATE jobs, job_logs, effects');
});

test('a function gets the job as it is, and its result is the job\'s', async () => {
  await type('echo', `RETURN jsonb_build_object('got', job);`);
  const job = await ran('echo', { account: 'é', n: 1 });
  assert.deepEqual([job.status, job.attempts, job.progress, job.error_message], ['completed', 1, 100, null]);
  const { got } = job.result;
  assert.deepEqual({ ...got, run_at: 0, created_at: 0 }, {
    id: job.id, type: 'echo', queue: 'default', attempt: 1, max_attempts: 5, workspace_id: null, payload: { account: 'é', n: 1 }, run_at: 0, created_at: 0,
  });
  assert.ok(job.performed_at <= job.completed_at);
  assert.match((await logsOf(job.id))[0].message, /^completed in \d+ ms, try 1 of 5$/);
});

test('NULL is a result, and a name may have a schema and need quotes', async () => {
  await db.rows('CREATE SCHEMA "Other place"; CREATE FUNCTION "Other place"."F 1"(job jsonb) RETURNS jsonb LANGUAGE sql AS $$ SELECT NULL::jsonb $$');
  await known('quoted', '"Other place"."F 1"');
  const job = await ran('quoted');
  assert.deepEqual([job.status, job.result, job.performed_at !== null], ['completed', null, true]);
});

test('an error is on the row with its detail, hint and context, and is tried again', async () => {
  await type('fails', `RAISE EXCEPTION 'no such account' USING DETAIL = 'it has no domain', HINT = 'give it one';`);
  const job = await ran('fails');
  assert.deepEqual([job.status, job.attempts, job.performed_at], ['pending', 1, null]);
  assert.equal(job.error_message, 'no such account; it has no domain; hint: give it one');
  assert.match(job.error_stack, /^PL\/pgSQL function fails\(jsonb\) line 1 at RAISE\n/);
  const waits = (job.waits_until - Date.now()) / 1000;
  assert.ok(waits > 50 && waits < 70, `${waits} s`);
});

test('other errors say their SQLSTATE; a serialization failure is one like any other', async () => {
  await type('serial', `RAISE EXCEPTION 'try again' USING ERRCODE = '40001';`);
  assert.equal((await ran('serial')).error_message, 'try again (SQLSTATE 40001)');
  await type('divides', `RETURN 1 / 0;`);
  const job = await ran('divides');
  assert.deepEqual([job.status, job.error_message], ['pending', 'division by zero (SQLSTATE 22012)']);
});

test('what a constraint finds at the commit undoes everything', async () => {
  await db.rows('CREATE TABLE late (n int UNIQUE DEFERRABLE INITIALLY DEFERRED)');
  await type('late_fails', `INSERT INTO late VALUES (1), (1); INSERT INTO effects (job_id) VALUES ((job ->> 'id')::uuid); RETURN '1';`);
  const job = await ran('late_fails');
  assert.match(job.error_message, /^duplicate key value .*\(SQLSTATE 23505\)$/);
  assert.deepEqual([job.status, job.result, job.performed_at], ['pending', null, null]);
  assert.equal(await db.value('SELECT count(*) FROM effects'), 0);
});

test('a time-out is one, says where the function was, and undoes what it did', async () => {
  await type('sleeps', `INSERT INTO effects (job_id) VALUES ((job ->> 'id')::uuid); PERFORM pg_sleep(60); RETURN '1';`, { timeout_s: 1 });
  const job = await ran('sleeps');
  assert.deepEqual([job.status, job.attempts, job.error_message], ['pending', 1, 'timed out after 1 s']);
  assert.match(job.error_stack, /function sleeps\(jsonb\)/);
  assert.equal(await db.value('SELECT count(*) FROM effects'), 0);
});

test('a function that catches its time-out loses its connection, and can write nothing more', async () => {
  await type('deaf', `LOOP BEGIN PERFORM pg_sleep(60); EXCEPTION WHEN query_canceled THEN NULL; END; END LOOP;`, { timeout_s: 1 });
  const job = await ran('deaf');
  assert.deepEqual([job.status, job.error_message], ['pending', 'timed out after 1 s, and could not be stopped']);
  await db.terminateOthers();
});

test('a function that waits for a lock is not cut off after half a second', async () => {
  await type('waits', `PERFORM pg_advisory_xact_lock(${GATE}); RETURN '1';`);
  const id = await enqueue('waits');
  const run = await gated(async () => {
    const running = runJobs();
    await until(() => db.value(`SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event = 'advisory' AND query_start < clock_timestamp() - interval '1.2 s'`),
      { what: 'a second of waiting' });
    return { running };
  });
  await run.running;
  assert.equal((await jobOf(id)).status, 'completed');
});

test('progress and logs are seen while the function runs', async () => {
  await type('speaks', `
    PERFORM job_progress(40, 'half of it');
    PERFORM job_progress(41);
    PERFORM job_progress(4100);
    PERFORM job_log('warn', 'odd', '{"row": 7}');
    SET LOCAL client_min_messages = 'error';
    PERFORM job_log('debug', 'fine');
    SET LOCAL client_min_messages = 'notice';
    RAISE NOTICE 'noticed' USING DETAIL = 'd';
    RAISE WARNING E'warned\\nof % \\x01', 'it';
    RAISE INFO 'forged' USING ERRCODE = 'CW102', HINT = 'fatal', DETAIL = '{"no';
    RAISE INFO 'forged' USING ERRCODE = 'CW101', DETAIL = '4 %';
    PERFORM job_log('info', 'long', to_jsonb(repeat('x', 100000)));
    PERFORM pg_advisory_xact_lock(${GATE});
    RETURN '1';`);
  const id = await enqueue('speaks');
  const run = await gated(async () => {
    const running = runJobs();
    await until(async () => (await logsOf(id)).length >= 8, { what: 'its lines' });
    const job = await jobOf(id);
    assert.deepEqual([job.status, job.progress], ['processing', 100]);
    return { running };
  });
  await run.running;
  assert.equal((await jobOf(id)).status, 'completed');
  assert.deepEqual((await logsOf(id)).slice(0, -1).map(({ level, message, data }) => [level, message, data]), [
    ['info', 'half of it', null],
    ['warn', 'odd', { row: 7 }],
    ['debug', 'fine', null],
    ['info', 'noticed', { detail: 'd' }],
    ['warn', 'warned of it  ', null],
    ['info', 'forged', { dropped_bytes: 4 }],
    ['info', 'forged', null],
    ['info', 'long', { dropped_bytes: 100002 }],
  ]);
});

test('a level that there is not is refused, with those that are allowed', async () => {
  await type('shouts', `PERFORM job_log('fatal', 'x'); RETURN '1';`);
  assert.match((await ran('shouts')).error_message, /level is 'fatal'; allowed are debug, info, warn and error/);
});

test('a job that is cancelled while it runs is stopped, and what it did is undone', async () => {
  await type('long', `INSERT INTO effects (job_id) VALUES ((job ->> 'id')::uuid); PERFORM job_progress(1); PERFORM pg_sleep(60); RETURN '1';`);
  const id = await enqueue('long');
  const running = runJobs();
  await until(async () => (await jobOf(id)).progress === 1, { what: 'its begin' });
  const asked = Date.now();
  await db.rows('UPDATE jobs SET cancel_requested_at = clock_timestamp() WHERE id = $1', [id]);
  await running;
  const job = await jobOf(id);
  assert.deepEqual([job.status, job.attempts, job.result], ['cancelled', 0, null]);
  assert.ok(Date.now() - asked < 8000);
  assert.equal(await db.value('SELECT count(*) FROM effects'), 0);
});

test('what was cancelled too late is done', async () => {
  await type('quick', `UPDATE jobs SET cancel_requested_at = clock_timestamp() WHERE id = (job ->> 'id')::uuid; RETURN '1';`);
  assert.equal((await ran('quick')).status, 'completed');
});

test('a function that is missing or has another form fails for good, and says how', async () => {
  await db.rows('CREATE FUNCTION says_text(job jsonb) RETURNS text LANGUAGE sql AS $$ SELECT $q$x$q$ $$');
  await db.rows('CREATE FUNCTION takes_text(job text) RETURNS jsonb LANGUAGE sql AS $$ SELECT $q$1$q$::jsonb $$');
  await db.rows('CREATE FUNCTION says_rows(job jsonb) RETURNS SETOF jsonb LANGUAGE sql AS $$ SELECT $q$1$q$::jsonb $$');
  await db.rows('CREATE PROCEDURE proceeds(job jsonb) LANGUAGE sql AS $$ SELECT 1 $$');
  await db.rows('CREATE FUNCTION cronward_sneaks(job jsonb) RETURNS jsonb LANGUAGE sql AS $$ SELECT job $$');
  for (const [target, why] of [
    ['nowhere', /^there is no function nowhere\(jsonb\), which job_types\.target names; names are looked up in the search_path/],
    ['no_schema.f', /^there is no function no_schema\.f\(jsonb\)/],
    ['takes_text', /^there is no function takes_text\(jsonb\), .*; there is takes_text\(text\)$/],
    ['says_text', /^says_text\(jsonb\) returns text; allowed is a function that returns jsonb$/],
    ['says_rows', /^says_rows\(jsonb\) returns SETOF jsonb; allowed/],
    ['proceeds', /^proceeds\(jsonb\) is a procedure; allowed/],
    ['cronward_sneaks', /^job_types\.target names cronward_sneaks\(jsonb\), which is cronward's own$/],
    ['echo(jsonb), echo', /^job_types\.target "echo\(jsonb\), echo" is no function's name; allowed is name or schema\.name$/],
    ['"a";DROP', /is no function's name/],
    ['', /is no function's name/],
    ['a.b.c', /is no function's name/],
  ]) {
    await known('wrong', target);
    const job = await ran('wrong');
    assert.deepEqual([job.status, job.attempts], ['failed', 0], target);
    assert.match(job.error_message, why, target);
  }
});

test('a result of more than 1 MB is none, and undoes what was done', async () => {
  await type('large', `INSERT INTO effects (job_id) VALUES ((job ->> 'id')::uuid); RETURN to_jsonb(repeat('x', (job #>> '{payload,n}')::int));`);
  const job = await ran('large', { n: 1048575 });
  assert.match(job.error_message, /^the result has 1048577 bytes; allowed are 1048576 /);
  assert.equal(await db.value('SELECT count(*) FROM effects'), 0);
  assert.equal((await ran('large', { n: 1048574 })).status, 'completed');
});

test('what a function leaves behind in its session is gone for the next one', async () => {
  await type('messy', `
    PERFORM set_config('my.secret', 'x', false), set_config('work_mem', '1MB', false);
    CREATE TEMP TABLE left_behind (n int);
    PERFORM pg_advisory_lock(1), pg_sleep(0);
    RETURN to_jsonb(pg_backend_pid());`);
  await type('looks', `RETURN jsonb_build_array(pg_backend_pid(), current_setting('my.secret', true), to_regclass('left_behind'), current_setting('work_mem'),
    (SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'advisory'));`);
  const messy = await enqueue('messy');
  const looks = await enqueue('looks');
  await runJobs({ JOB_MAX_CONCURRENT: '1' });
  const [pid, ...seen] = (await jobOf(looks)).result;
  assert.equal((await jobOf(messy)).status, 'completed');
  assert.equal((await jobOf(messy)).result, pid, 'the same connection');
  assert.deepEqual(seen, ['', null, '4MB', 0]);
  assert.equal(await db.value(`SELECT has_function_privilege('public', 'cronward_session_discard()', 'EXECUTE')`), false);
});

test('where a function looks for names is its own affair', async () => {
  await type('wanders', `PERFORM set_config('search_path', 'pg_catalog', (job #>> '{payload,local}')::boolean); RETURN '1';`);
  const ids = [await enqueue('wanders', { local: false }), await enqueue('wanders', { local: true }), await enqueue('echo')];
  await runJobs({ JOB_MAX_CONCURRENT: '1' });
  for (const id of ids) assert.equal((await jobOf(id)).status, 'completed');
});

test('never more than JOB_MAX_CONCURRENT at once', async () => {
  await type('spans', `
    INSERT INTO effects VALUES ((job ->> 'id')::uuid, clock_timestamp()); PERFORM pg_sleep(0.03);
    UPDATE effects SET ended = clock_timestamp() WHERE job_id = (job ->> 'id')::uuid; RETURN '1';`);
  for (let i = 0; i < 40; i++) await enqueue('spans');
  assert.equal((await runJobs({ JOB_MAX_CONCURRENT: '3' })).succeeded, 40);
  assert.equal(await db.value(`SELECT max((SELECT count(*) FROM effects b WHERE b.began <= a.began AND b.ended > a.began)) FROM effects a`), 3);
  assert.equal(await db.value(`SELECT count(*) FROM pg_stat_activity WHERE application_name = 'cronward' AND datname = current_database()`), 0);
});

test('a connection that is lost fails the try, not the run', async () => {
  await type('dies', `PERFORM job_progress(1); PERFORM pg_sleep(60); RETURN '1';`);
  const id = await enqueue('dies');
  const running = runJobs();
  await until(async () => (await jobOf(id)).progress === 1, { what: 'its begin' });
  await enqueue('echo');
  await db.rows(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%cronward_job_perform%' AND pid <> pg_backend_pid()`);
  await running;
  const job = await jobOf(id);
  assert.deepEqual([job.status, job.attempts], ['pending', 1]);
  assert.match(job.error_message, /^the connection was lost while its function ran/);
});

test('killed between the commit of its work and its settling, a job is completed without running again', async (t) => {
  await type('once', `PERFORM nextval('calls'); INSERT INTO effects (job_id) VALUES ((job ->> 'id')::uuid); RETURN '"done"';`);
  const id = await enqueue('once');
  const before = await db.value(`SELECT nextval('calls')`);
  await db.rows(`CREATE FUNCTION waits_at_the_gate() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_advisory_xact_lock(${GATE}); RETURN NEW; END $$`);
  await db.rows(`CREATE TRIGGER gate BEFORE UPDATE ON jobs FOR EACH ROW WHEN (NEW.status = 'completed') EXECUTE FUNCTION waits_at_the_gate()`);
  await gated(async () => {
    const worker = spawnRun();
    t.after(() => worker.stop('SIGKILL'));
    await until(async () => (await jobOf(id)).performed_at, { what: 'its commit' });
    killNow(worker.pid);
    await until(() => !isAlive(worker.pid), { what: 'its end', everyMs: 1 });
    await db.terminateOthers(); // its settling is on its way already
    await stand.backendsGone();
  });
  await db.rows('DROP TRIGGER gate ON jobs');
  assert.deepEqual([(await jobOf(id)).status, (await jobOf(id)).attempts], ['processing', 0]);
  await forgetTheDead();
  await runJobs();
  const job = await jobOf(id);
  assert.deepEqual([job.status, job.attempts, job.result], ['completed', 1, 'done']);
  assert.equal(await db.value('SELECT count(*) FROM effects'), 1);
  assert.equal(await db.value(`SELECT nextval('calls')`) - before, 2);
});

const settle = statements().find((one) => one.name === 'job_queue_settle').text;

// A job under way; what settles it with ${verdict}, as one whose connection was lost or that was stopped.
async function underWay() {
  const { id, claim_token: token } = await db.one(`INSERT INTO jobs (job_type, status, claim_token, lease_until)
    VALUES ('once', 'processing', gen_random_uuid(), now() + interval '1 min') RETURNING id, claim_token`);
  return {
    id,
    settle: (verdict) => db.rows(settle, [[id], [token], [verdict], [60000], [null], ['lost'], [null], [null], [null], [null], [5], 900]),
  };
}

test('what is committed is done, whatever was heard of it', async () => {
  for (const verdict of ['retry', 'dead', 'cancel']) {
    const job = await underWay();
    await db.rows(`UPDATE jobs SET performed_at = now(), result = '"kept"' WHERE id = $1`, [job.id]);
    assert.equal((await job.settle(verdict))[0].done, 1, verdict);
    const { status, result, error_message: error } = await jobOf(job.id);
    assert.deepEqual([status, result, error], ['completed', 'kept', null], verdict);
  }
});

test('what is committed while it is settled otherwise is left for the next claim', async () => {
  const job = await underWay();
  const settling = await db.session(async (sql) => {
    await sql('BEGIN');
    await sql('UPDATE jobs SET performed_at = now() WHERE id = $1', [job.id]);
    const waiting = job.settle('dead');
    await until(() => db.value(`SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%job_queue_settle%'`), { what: 'it to wait' });
    await sql('COMMIT');
    return { waiting };
  });
  const [counts] = await settling.waiting;
  assert.deepEqual([counts.done, counts.dead, (await jobOf(job.id)).status], [0, 0, 'processing']);
});

test('a claim that is lost while the function runs undoes it', async () => {
  await type('late', `PERFORM job_progress(1); PERFORM pg_advisory_xact_lock(${GATE}); INSERT INTO effects (job_id) VALUES ((job ->> 'id')::uuid); RETURN '1';`);
  const id = await enqueue('late');
  const run = await gated(async () => {
    const running = stand.cli(['run', 'job-queue']);
    await until(async () => (await jobOf(id)).progress === 1, { what: 'its begin' });
    await db.rows('UPDATE jobs SET claim_token = gen_random_uuid() WHERE id = $1', [id]);
    return { running };
  });
  await run.running;
  assert.equal(await db.value('SELECT count(*) FROM effects'), 0);
  const job = await jobOf(id);
  assert.deepEqual([job.status, job.result, job.performed_at], ['processing', null, null]);
});

test('killed again and again, each job takes effect exactly once', { timeout: 300_000 }, async (t) => {
  const dice = random('sql kills');
  const jobs = size(500, 5000);
  const kills = size(50, 300);
  await type('adds', `INSERT INTO effects (job_id) VALUES ((job ->> 'id')::uuid); PERFORM pg_sleep(0.004); RETURN job -> 'id';`);
  await db.rows(`INSERT INTO jobs (job_type) SELECT 'adds' FROM generate_series(1, $1::int)`, [jobs]);
  let held = 0;
  let unsettled = 0;
  for (let i = 0; i < kills; i++) {
    const worker = spawnRun();
    t.after(() => worker.stop('SIGKILL'));
    const end = Date.now() + dice.between(30, 130);
    await until(() => Date.now() >= end, { everyMs: 1 });
    await kill(worker);
    const met = await db.one('SELECT count(*)::int AS held, count(performed_at)::int AS unsettled FROM jobs WHERE lease_until IS NOT NULL');
    held += met.held;
    unsettled += met.unsettled;
    await forgetTheDead();
  }
  await runJobs();
  assert.deepEqual(await db.rows('SELECT status, count(*)::int AS n FROM jobs GROUP BY status'), [{ status: 'completed', n: jobs }]);
  assert.deepEqual(await db.one('SELECT count(*)::int AS rows, count(DISTINCT job_id)::int AS jobs FROM effects'), { rows: jobs, jobs });
  assert.equal(await db.value(`SELECT count(*) FROM jobs WHERE result #>> '{}' IS DISTINCT FROM id::text`), 0);
  assert.ok(held > 0);
  report(t, 'sql jobs, killed', { jobs, kills, held, 'committed and not settled': unsettled, rows: jobs });
});

test('through PgBouncer in transaction mode', async (t) => {
  const bouncer = await startPgbouncer(db, { poolSize: 5 });
  t.after(() => bouncer.stop());
  const env = { DATABASE_URL: bouncer.url, JOB_MAX_CONCURRENT: '3' };
  for (let i = 0; i < 100; i++) await enqueue('adds');
  const failing = await enqueue('fails');
  const sleeping = await enqueue('sleeps');
  const long = await enqueue('long');
  const running = runJobs(env);
  await until(async () => (await jobOf(long)).progress === 1, { what: 'its begin' });
  await db.rows('UPDATE jobs SET cancel_requested_at = clock_timestamp() WHERE id = $1', [long]);
  assert.equal((await running).succeeded, 100);
  assert.equal(await db.value('SELECT count(*) FROM effects'), 100);
  assert.match((await jobOf(failing)).error_message, /^no such account/);
  assert.equal((await jobOf(sleeping)).error_message, 'timed out after 1 s');
  assert.equal((await jobOf(long)).status, 'cancelled');
});
