// The command line: `cronward jobs …`.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, beforeEach, test } from 'node:test';
import { cleanEnv, run } from '../lib/process.mjs';
import { program } from '../lib/program.mjs';
import { Stand } from '../lib/stand.mjs';
import { until } from '../lib/wait.mjs';

const stand = await Stand.create();
const { db } = stand;
after(() => stand.end());
beforeEach(async () => {
  await db.rows('TRUNCATE jobs, job_logs, job_dependencies, job_slots, job_queues, audit_log');
  await db.rows(`DELETE FROM job_types WHERE processor <> 'apollo'`);
});

// The command's standard output; it must have gone well.
async function jobs(...args) {
  const done = await stand.cli(['jobs', ...args]);
  assert.equal(done.code, 0, `${args.join(' ')}: ${done.stderr}`);
  return done.stdout;
}

async function refused(code, pattern, ...args) {
  const done = await stand.cli(['jobs', ...args]);
  assert.equal(done.code, code, `${args.join(' ')}: ${done.stdout}${done.stderr}`);
  assert.match(done.stderr, pattern, args.join(' '));
  return done;
}

const enqueue = async (...args) => (await jobs('enqueue', ...args)).trim();
const jobOf = (id) => db.one('SELECT * FROM jobs WHERE id = $1', [id]);
const acts = () => db.rows('SELECT action, target, detail FROM audit_log ORDER BY id');

// A job that has failed for good: nobody knows its type.
async function failed(type = 'nobody_knows_it', ...options) {
  const id = await enqueue(type, ...options);
  await stand.cli(['run', 'job-queue']);
  assert.equal((await jobOf(id)).status, 'failed');
  return id;
}

test('help, and wrong words: one line on standard error, and code 2', async () => {
  for (const args of [['--help'], ['list', '--help'], ['enqueue', '-h']]) assert.match(await jobs(...args), /^Usage: cronward jobs list \[FILTER\]/);
  assert.deepEqual((await jobs('--help')).split('\n').filter((line) => line.length > 80), [], 'a terminal is 80 wide');
  assert.match((await stand.cli(['dead', 'show', randomUUID()])).stderr, /jobs have such, see `cronward jobs`/);
  const id = randomUUID();
  for (const args of [[], ['nonsense'], ['list', 'x'], ['list', '--limit', '0'], ['list', '--limit', '100001'], ['list', '--status', 'dead'],
    ['list', '--workspace', 'x'], ['list', '--priority', '1'], ['list', '--nonsense'], ['list', '--type'], ['list', '--created-after', 'never'],
    ['show'], ['show', 'x'], ['show', id, id], ['logs'], ['enqueue'], ['enqueue', 'a', '{}', 'x'], ['enqueue', 'a', '{'], ['enqueue', 'a', ''],
    ['enqueue', 'a', '"\\u0000"'], ['enqueue', 'a', '--priority', 'urgent'], ['enqueue', 'a', '--max-attempts', '0'], ['enqueue', 'a', '--run-at', 'never'],
    ['enqueue', 'a', '--on-conflict', 'keep out'], ['enqueue', 'a', '--depends-on', 'x'], ['retry'], ['retry', id, '--status', 'failed'],
    ['retry', '--status', 'cancelled'], ['retry', '--limit', '1'], ['retry', id, '--limit', '1'], ['retry', '--type', 'x', '--limit', '0'], ['retry', 'x'], ['cancel'], ['cancel', 'x'], ['pause'], ['pause', 'a', 'b'],
    ['queues', 'x'], ['types', '--type', 'x']]) {
    const done = await refused(2, /^cronward jobs: |^cronward jobs \w+: /, ...args);
    assert.equal(done.stdout, '', args.join(' '));
  }
  for (const [args, pattern] of [[['list', '--created-after', 'soon'], /"soon"; a TIME is such as 2026-/], [['retry', '--failed-before', 'soon'], /"soon"; a TIME is such as 2026-/], [['lst'], /there is no 'lst'; allowed are list, .*\nTry `cronward jobs --help`/], [['list', '--nope'], /'--nope'\nTry `cronward jobs --help`/]])
    await refused(2, pattern, ...args);
  const bytes = await run('sh', ['-c', 'exec "$0" jobs enqueue "$(printf "\\377")"', program()], { env: cleanEnv(stand.env()) });
  assert.deepEqual([bytes.code, bytes.stdout], [2, '']);
  assert.match(bytes.stderr, /not UTF-8/);
});

test('enqueue: the id on standard output, all options in the row, and the act on record', async () => {
  const first = await enqueue('a', '{"n": 12345678901234567890}');
  const workspace = randomUUID();
  const id = randomUUID();
  assert.equal(await enqueue('b', '[1]', '--queue', 'q', '--priority', 'high', '--run-at', '2030-01-02T03:04:05Z', '--max-attempts', '2',
    '--unique-key', 'u', '--concurrency-key', 'k', '--concurrency-limit', '3', '--depends-on', first, '--on-dependency-failure', 'run',
    '--timeout-s', '7', '--workspace', workspace, '--id', id), id);
  const job = await jobOf(id);
  assert.deepEqual([job.job_type, job.payload, job.queue, job.priority, job.run_at.toISOString(), job.max_attempts, job.unique_key],
    ['b', [1], 'q', 10, '2030-01-02T03:04:05.000Z', 2, 'u']);
  assert.deepEqual([job.concurrency_key, job.concurrency_limit, job.on_dependency_failure, job.timeout_s, job.workspace_id, job.status],
    ['k', 3, 'run', 7, workspace, 'blocked']);
  assert.equal(await db.value(`SELECT payload ->> 'n' FROM jobs WHERE id = $1`, [first]), '12345678901234567890');
  assert.deepEqual((await acts()).map((act) => [act.action, act.target]), [['job.enqueue', first], ['job.enqueue', id]]);

  const again = await stand.cli(['jobs', 'enqueue', 'b', '--unique-key', 'u', '--json']);
  assert.deepEqual([again.code, JSON.parse(again.stdout)], [0, { id, isNew: false }]);
  assert.match(again.stderr, /live job with this unique_key/);
  await refused(1, /unique_key/, 'enqueue', 'b', '--unique-key', 'u', '--on-conflict', 'reject');
  assert.match((await stand.cli(['jobs', 'enqueue', 'nobody_knows_it'])).stderr, /^cronward jobs: no row of job_types has this type; .*\n$/);
  assert.equal((await stand.cli(['jobs', 'enqueue', 'enrich_account'])).stderr, '');
  const piped = await stand.cli(['jobs', 'enqueue', 'c', '-'], { input: '{"secret": "no argument"}\n' });
  assert.deepEqual((await jobOf(piped.stdout.trim())).payload, { secret: 'no argument' });
  assert.deepEqual((await jobOf(await enqueue('d', '--priority', '-7'))).payload, {});
});

test('list: the newest first, filtered, as a table and as the API has it', async () => {
  assert.equal(await jobs('list', '--json'), '[]\n');
  const ids = [];
  for (const [type, queue] of [['a', 'x'], ['b', 'x'], ['a', 'y']]) ids.unshift(await enqueue(type, '--queue', queue));
  const lines = (await jobs('list')).trimEnd().split('\n');
  assert.match(lines[0], /^id +status +type +queue +priority +tries +at +error$/);
  assert.deepEqual(lines.slice(1).map((line) => line.split(/ +/)[0]), ids);
  assert.match(lines[1], / pending +a +y +0 +0\/5 +\d{4}-\d\d-\d\dT[\d:]{8}Z +-$/);
  const listed = async (...args) => JSON.parse(await jobs('list', '--json', ...args)).map((job) => job.id);
  assert.deepEqual(await listed(), ids);
  assert.deepEqual(await listed('--type', 'a'), [ids[0], ids[2]]);
  assert.deepEqual(await listed('--queue', 'x', '--limit', '1'), [ids[1]]);
  assert.deepEqual(await listed('--status', 'pending', '--type', 'b'), [ids[1]]);
  assert.deepEqual(await listed('--status', 'failed'), []);
  assert.deepEqual(await listed('--workspace', randomUUID()), []);
  assert.deepEqual(await listed('--created-before', '2020-01-01'), []);
  const [job] = JSON.parse(await jobs('list', '--json', '--limit', '1'));
  assert.deepEqual([job.job_type, job.status, job.attempts, job.unique_key], ['a', 'pending', 0, null]);
});

test('a list goes over many pages, and finds what is rare among many', async () => {
  await db.rows(`INSERT INTO jobs (job_type, created_at) SELECT CASE n WHEN 24000 THEN 'rare' ELSE 'many' END, now() - n * interval '1 s' FROM generate_series(1, 25000) n`);
  assert.equal(JSON.parse(await jobs('list', '--json', '--limit', '2500')).length, 2500);
  const all = JSON.parse(await jobs('list', '--json', '--limit', '100000')).map((job) => job.id);
  assert.deepEqual([all.length, new Set(all).size], [25000, 25000]);
  assert.equal(JSON.parse(await jobs('list', '--json', '--type', 'rare')).length, 1);
  assert.equal(JSON.parse(await jobs('list', '--json', '--type', 'rare', '--status', 'pending')).length, 1);
});

test('show and logs: all of it, why it is where it is, and what was said', async () => {
  const id = await failed();
  await db.rows(`INSERT INTO job_logs (job_id, level, message, data) SELECT $1, 'info', E'line\\x1b ' || n, '{"n": 12345678901234567890}' FROM generate_series(1, 1500) n`, [id]);
  const shown = await jobs('show', id);
  assert.match(shown, new RegExp(`^id +${id}$`, 'm'));
  assert.match(shown, /^status +failed$/m);
  assert.match(shown, /^state +failed$/m);
  assert.match(shown, /^reason +It failed for good at .*there is no job type "nobody_knows_it"/m);
  assert.match(shown, /^at +level +message$/m);
  assert.match(shown, /line {2}1500 {2}\{"n":/);
  assert.doesNotMatch(shown, /line {2}1480 |\x1b|claim_token/);
  const json = JSON.parse(await jobs('show', id, '--json'));
  assert.deepEqual([json.success, json.job.id, json.job.explain.state, json.logs.length], [true, id, 'failed', 20]);

  const lines = (await jobs('logs', id)).trimEnd().split('\n');
  assert.equal(lines.length, 1001);
  assert.match(lines[1], /failed for good/);
  assert.equal(JSON.parse(await jobs('logs', id, '--limit', '1501', '--json')).length, 1501);
  assert.equal((await jobs('logs', id, '--limit', '2')).trimEnd().split('\n').length, 3);
  for (const what of ['show', 'logs']) {
    const missing = await refused(1, /^cronward jobs: there is no job /, what, randomUUID());
    assert.equal(missing.stdout, '');
  }
});

test('retry by ids: each, or why not', async () => {
  const one = await failed();
  const other = await failed();
  const waiting = await enqueue('a', '--run-at', '2030-01-01T00:00:00Z');
  const nobody = randomUUID();
  const done = await refused(1, new RegExp(`${waiting} cannot be tried again: it has not ended; with run_at = now\\(\\) .*\n.*there is no job ${nobody}\n`), 'retry', one, waiting, nobody, other.toUpperCase());
  assert.equal(done.stdout, 'retried 2\n');
  await db.rows('UPDATE jobs SET run_at = now() WHERE id = $1', [waiting]);
  assert.match(await jobs('show', waiting), /^reason +(It is due|No row of job_types)/m, 'what the message says is true');
  assert.deepEqual([(await jobOf(one)).status, (await jobOf(other)).status, (await jobOf(one)).error_message], ['pending', 'pending', null]);
  assert.deepEqual((await acts()).filter((act) => act.action === 'job.retry').map((act) => act.target).sort(), [one, other].sort());
  assert.equal(await jobs('cancel', one), `${one} is cancelled\n`);
  assert.equal(await jobs('retry', one), 'retried 1\n');
});

test('retry by filter: those that failed, batch after batch', async () => {
  await db.rows(`INSERT INTO jobs (job_type, queue, status, waits_until, dead_at, error_message)
    SELECT CASE WHEN n % 2 = 0 THEN 'even' ELSE 'odd' END, 'q' || n % 3, 'failed', NULL, now() - n * interval '1 s', 'HTTP ' || 500 + n % 2
      FROM generate_series(1, 2400) n`);
  await db.rows(`UPDATE jobs SET dead_at = COALESCE(dead_at, now())`);
  assert.equal(await jobs('retry', '--type', 'even', '--queue', 'q0', '--error', 'HTTP 501'), 'retried 0\n');
  assert.equal(await jobs('retry', '--type', 'even', '--error', 'HTTP 500'), 'retried 1200\n');
  assert.equal(await jobs('retry', '--status', 'failed', '--failed-before', '2020-01-01'), 'retried 0\n');
  assert.equal(await jobs('retry', '--type', 'odd', '--limit', '7'), 'retried 7\n');
  assert.equal(await db.value(`SELECT count(*) FROM jobs WHERE job_type = 'odd' AND status = 'pending'`), 7);
  assert.equal(await jobs('retry', '--type', 'odd', '--limit', '1100'), 'retried 1100\n', 'more than a batch');
  assert.equal(await jobs('retry', '--status', 'failed'), 'retried 93\n');
  assert.equal(await db.value(`SELECT count(*) FROM jobs WHERE status = 'pending' AND attempts = 0 AND dead_at IS NULL`), 2400);
  const counts = (await acts()).map((act) => act.detail.count);
  assert.equal(counts.reduce((a, b) => a + b), 2400);
});

test('cancel: what waits at once, what runs by whoever runs it, what is over not at all', async () => {
  await db.rows(`CREATE OR REPLACE FUNCTION naps(job jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN PERFORM job_progress(1), pg_sleep(60); RETURN '1'; END $$`);
  await db.rows(`INSERT INTO job_types (job_type, processor, target) VALUES ('naps', 'sql', 'naps')`);
  const id = await enqueue('naps');
  const running = stand.cli(['run', 'job-queue']);
  await until(async () => (await jobOf(id)).progress === 1, { what: 'its begin' });
  assert.match(await jobs('show', id), /^state +running$/m);
  assert.equal(await jobs('cancel', id), `${id} is under way, and will be stopped\n`);
  await running;
  assert.equal((await jobOf(id)).status, 'cancelled');
  const gone = await failed();
  const waiting = await enqueue('a');
  const done = await refused(1, /it is failed\n.*[Tt]here is no job/s, 'cancel', gone, randomUUID(), waiting);
  assert.equal(done.stdout, `${waiting} is cancelled\n`);
});

test('pause and resume: a paused queue keeps its jobs, and says so', async () => {
  assert.match(await jobs('pause', 'slow'), /paused: +slow\n/);
  const id = await enqueue('nobody_knows_it', '--queue', 'slow');
  await stand.cli(['run', 'job-queue']);
  assert.equal((await jobOf(id)).status, 'pending');
  assert.match(await jobs('show', id), /^state +queue_paused$/m);
  const [queue] = JSON.parse(await jobs('queues', '--json'));
  assert.deepEqual([queue.name, queue.paused, queue.due, queue.is_cut], ['slow', true, 1, false]);
  assert.match(await jobs('resume', 'slow'), /resumed: +slow\n/);
  await stand.cli(['run', 'job-queue']);
  assert.equal((await jobOf(id)).status, 'failed');
  assert.deepEqual((await acts()).filter((act) => act.action.startsWith('queue')).map((act) => [act.action, act.target]), [['queue.pause', 'slow'], ['queue.resume', 'slow']]);
});

test('queues: what is due, later, waits and runs; a count has an end', async () => {
  assert.equal(await jobs('queues', '--json'), '[]\n');
  const first = await enqueue('a', '--queue', 'x');
  await enqueue('a', '--queue', 'x', '--run-at', '2030-01-01T00:00:00Z');
  await enqueue('a', '--queue', 'x', '--depends-on', first);
  await db.rows(`UPDATE jobs SET waits_until = now() - interval '90 s', run_at = now() - interval '90 s' WHERE id = $1`, [first]);
  await db.rows(`INSERT INTO jobs (job_type, queue) SELECT 'a', 'y' FROM generate_series(1, 10050) n`);
  await db.rows(`INSERT INTO jobs (job_type, queue, status, waits_until, lease_until, claim_token) VALUES ('a', 'z', 'processing', now(), now() + interval '1 min', gen_random_uuid())`);
  const [x, y, z] = JSON.parse(await jobs('queues', '--json'));
  assert.deepEqual([x.name, x.due, x.later, x.waiting, x.running, x.is_cut], ['x', 1, 1, 1, 0, false]);
  assert.ok(x.oldest_due_age_s >= 90 && x.oldest_due_age_s < 120);
  assert.deepEqual([y.name, y.is_cut], ['y', true]);
  assert.deepEqual([z.name, z.due, z.running], ['z', 0, 1]);
  assert.match(await jobs('queues'), /^queue +paused_since +due +later +waiting +running +oldest_due_age_s\nx +- +1 .*\ny +- +10001\+ /);
});

test('types: what carries them out, and no secret', async () => {
  await db.rows(`INSERT INTO job_types (job_type, processor, target, secret, headers, defaults)
    VALUES ('hook', 'http', 'https://example.com/', 'a-secret-of-sixteen', '{"authorization": "Bearer abcdef"}', '{"timeout_s": 5}')`);
  const text = await jobs('types');
  assert.match(text, /^job_type +processor +target +defaults +secret +headers\n/);
  assert.match(text, /^hook +http +https:\/\/example\.com\/ +\{"timeout_s": 5\} +set +authorization$/m);
  const json = await jobs('types', '--json');
  assert.doesNotMatch(text + json, /a-secret|abcdef/);
  assert.deepEqual(JSON.parse(json).find((one) => one.job_type === 'hook'),
    { job_type: 'hook', processor: 'http', target: 'https://example.com/', defaults: { timeout_s: 5 }, has_secret: true, headers: ['authorization'] });
});

test('schedules: those that are active with their next slot', async () => {
  await db.rows(`INSERT INTO job_schedules (name, cron, time_zone, job_type, missed) VALUES ('nightly', '30 2 * * *', 'Europe/Berlin', 'naps', 'all')`);
  await db.rows(`INSERT INTO job_schedules (name, cron, job_type, is_active) VALUES ('off', '@daily', 'naps', false)`);
  await stand.cli(['run', 'job-queue']);
  const lines = (await jobs('schedules')).trimEnd().split('\n');
  assert.match(lines[0], /^name +cron +time_zone +job_type +missed +next_at +last_slot_at +last_error$/);
  assert.match(lines[1], /^nightly +30 2 \* \* \* +Europe\/Berlin +naps +all +\d{4}-\d\d-\d\dT0[01]:30:00\.000Z +-/);
  assert.match(lines[2], /^off +@daily +UTC +naps +inactive +- +-/);
  assert.deepEqual(JSON.parse(await jobs('schedules', '--json')).map((one) => [one.name, one.is_active, one.missed]), [['nightly', true, 'all'], ['off', false, 'last']]);
});
