// job_schedules: recurring jobs.  One job per slot, whoever calls how often and is killed where.
import assert from 'node:assert/strict';
import { after, beforeEach, test } from 'node:test';
import { cleanEnv, killNow, start } from '../lib/process.mjs';
import { program } from '../lib/program.mjs';
import { random } from '../lib/random.mjs';
import { Stand } from '../lib/stand.mjs';
import { statements } from '../lib/statements.mjs';
import { until } from '../lib/wait.mjs';

const stand = await Stand.create();
after(() => stand.end());

// The queue is paused: what schedules make stays as they made it.
beforeEach(async () => {
  await stand.db.rows('TRUNCATE jobs, job_logs, job_schedules, job_queues, job_types');
  await stand.db.rows(`INSERT INTO job_queues (name, paused) SELECT name, true FROM unnest('{default,fast,slow}'::text[]) AS name`);
  await stand.db.rows(`INSERT INTO job_types (job_type, processor, target) VALUES ('report', 'sql', 'pg_typeof')`);
});

async function run(options = {}) {
  const { code, stderr } = await stand.cli(['run', 'job-queue'], options);
  assert.equal(code, 0, stderr);
}

// A schedule whose next slot was due so long ago, a time of PostgreSQL's; columns as given.
async function add(name, { cron = '* * * * *', next_at, ...more } = {}) {
  const columns = { name, cron, job_type: 'report', ...more };
  const names = Object.keys(columns);
  await stand.db.rows(`INSERT INTO job_schedules (${names.join(', ')}) VALUES (${names.map((_, i) => `$${i + 1}`).join(', ')})`, Object.values(columns));
  if (next_at) await stand.db.rows(`UPDATE job_schedules SET next_at = ${next_at} WHERE name = $1`, [name]);
}

const schedule = (name) => stand.db.one('SELECT * FROM job_schedules WHERE name = $1', [name]);
const jobsOf = (name) => stand.db.rows('SELECT * FROM jobs WHERE schedule = $1 ORDER BY slot', [name]);
const slotsOf = async (name) => (await jobsOf(name)).map((job) => job.slot.toISOString());
const anHourAgo = `date_trunc('hour', clock_timestamp()) - interval '1 hour'`;
const iso = (sql) => stand.db.value(`SELECT to_char((${sql}) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`);

async function refused(sql, values, message) {
  await assert.rejects(stand.db.rows(sql, values), (e) => {
    assert.match(e.message, message);
    return true;
  });
}

test('a schedule that changes between being read and being written is left to the next look', async () => {
  const { text: enqueue } = statements().find(({ name }) => name === 'job_schedules_enqueue');
  const made = async ({ next_at, since_at }) => (await stand.db.one(enqueue,
    [['race'], [next_at], [since_at], [4102444800], [null], [1], [1577836800]])).made;
  const read = () => stand.db.one('SELECT next_at::text, since_at::text FROM job_schedules');
  await add('race', { next_at: anHourAgo });
  const before = await read();
  await stand.db.rows(`UPDATE job_schedules SET next_at = next_at - interval '1 minute'`);
  assert.equal(await made(before), 0, 'somebody has moved it on');
  await stand.db.rows(`UPDATE job_schedules SET next_at = $1::timestamptz, since_at = since_at - interval '1 minute'`, [before.next_at]);
  assert.equal(await made(before), 0, 'somebody has made it another one');
  assert.equal(await made(await read()), 1);
});

test('a new schedule waits for its next slot, which a job then stands for', async () => {
  await add('fresh', { cron: '0 0 1 1 *' });
  await add('old', { cron: '0 0 1 1 *', payload: '{"a": 1}', queue: 'slow', priority: 7, max_attempts: 3, timeout_s: 5, workspace_id: '00000000-0000-0000-0000-000000000007',
    concurrency_key: 'k', concurrency_limit: 4, next_at: `date_trunc('year', now())` });
  await run();
  const fresh = await schedule('fresh');
  assert.equal(fresh.next_at.toISOString(), await iso(`date_trunc('year', now()) + interval '1 year'`));
  assert.deepEqual([fresh.last_slot_at, fresh.last_job_id, fresh.last_error, (await jobsOf('fresh')).length], [null, null, null, 0]);
  const old = await schedule('old');
  const [job, ...others] = await jobsOf('old');
  assert.equal(others.length, 0);
  assert.deepEqual([old.last_job_id, old.last_slot_at, old.next_at], [job.id, job.slot, fresh.next_at]);
  assert.equal(job.slot.toISOString(), await iso(`date_trunc('year', now())`));
  assert.deepEqual([job.job_type, job.payload, job.queue, job.priority, job.max_attempts, job.timeout_s, job.workspace_id, job.concurrency_key, job.concurrency_limit, job.status, job.run_at],
    ['report', { a: 1 }, 'slow', 7, 3, 5, '00000000-0000-0000-0000-000000000007', 'k', 4, 'pending', job.slot]);
  await run();
  assert.equal((await jobsOf('old')).length, 1);
});

test('slots between making a schedule and the first run count', async () => {
  await add('late', { cron: '* * * * *' });
  await stand.db.rows(`UPDATE job_schedules SET since_at = date_trunc('minute', clock_timestamp()) - interval '3 min'`);
  await run();
  const slots = await slotsOf('late');
  assert.equal(slots.length, 1);
  assert.equal((await schedule('late')).next_at.getTime() - Date.parse(slots[0]), 60_000);
});

test("what a schedule does not say comes from its type's defaults", async () => {
  await stand.db.rows(`UPDATE job_types SET defaults = '{"queue": "slow", "priority": "high", "max_attempts": 2}'`);
  await add('a', { next_at: anHourAgo });
  await add('b', { next_at: anHourAgo, queue: 'fast', priority: -5, max_attempts: 9 });
  await run();
  const [a] = await jobsOf('a');
  const [b] = await jobsOf('b');
  assert.deepEqual([a.queue, a.priority, a.max_attempts], ['slow', 10, 2]);
  assert.deepEqual([b.queue, b.priority, b.max_attempts], ['fast', -5, 9]);
});

test('missed slots: skipped, the last one, or all up to a number', async () => {
  const at = { cron: '*/10 * * * *', next_at: anHourAgo };
  await add('last', { ...at });
  await add('all', { ...at, missed: 'all', missed_max: 1000 });
  await add('some', { ...at, missed: 'all', missed_max: 3 });
  await add('skip', { ...at, missed: 'skip' });
  await add('on time', { cron: '* * * * *', missed: 'skip', next_at: anHourAgo });
  const before = await stand.db.value('SELECT clock_timestamp()');
  await run();
  const passed = await stand.db.value('SELECT clock_timestamp()');
  const due = Math.floor(passed / 600_000) - Math.floor((Math.floor(passed / 3_600_000) - 1) * 6) + 1;
  const all = await slotsOf('all');
  assert.ok(all.length === due || before.getMinutes() % 10 !== passed.getMinutes() % 10, `${all.length} of ${due}`);
  assert.deepEqual(await slotsOf('last'), all.slice(-1));
  assert.deepEqual(await slotsOf('some'), all.slice(-3));
  // Only those that were seen in time: within 90 seconds.
  const skipped = await slotsOf('skip');
  assert.ok(skipped.every((slot) => passed - Date.parse(slot) < 92_000), `${skipped}`);
  const onTime = await slotsOf('on time');
  assert.ok([1, 2].includes(onTime.length), `${onTime}`);
  assert.ok(onTime.every((slot) => passed - Date.parse(slot) < 92_000 + (passed - before)), `${onTime}`);
  for (const name of ['last', 'all', 'some', 'skip'])
    assert.equal((await schedule(name)).next_at.getTime(), Date.parse(all.at(-1)) + 600_000, name);
});

test('clocks that are set forward and back', async () => {
  const zone = { time_zone: 'Europe/Berlin', missed: 'all', missed_max: 1000 };
  const slots = async (name, cron, from, to) => {
    await add(name, { cron, ...zone, next_at: `timestamptz '${from}'` });
    await run();
    return (await slotsOf(name)).filter((slot) => slot < to).map((slot) => slot.slice(5, 16));
  };
  assert.deepEqual(await slots('gap', '30 2 * 3 *', '2025-03-29T00:00:00Z', '2025-03-31T12'), ['03-29T01:30', '03-30T01:00', '03-31T00:30']);
  assert.deepEqual(await slots('repeat', '30 2 * 10 *', '2025-10-25T00:00:00Z', '2025-10-27T12'), ['10-25T00:30', '10-26T00:30', '10-27T01:30']);
  assert.deepEqual(await slots('each', '*/30 2 26 10 *', '2025-10-25T00:00:00Z', '2025-10-27T12'), ['10-26T00:00', '10-26T00:30', '10-26T01:00', '10-26T01:30']);
});

test('a payload is a template: slot, slot_unix and name, in strings at any depth', async () => {
  const name = 'a "quoted" \\ näme\n{{slot}}';
  await add(name, { cron: '0 0 1 1 *', next_at: `timestamptz '2024-01-01T00:00:00Z'`, missed: 'last',
    payload: JSON.stringify({ day: 'of {{slot}}', deep: [{ '{{name}}': '{{slot_unix}}/{{slot_unix}}' }], big: 12345678901234567890n.toString(), n: 1.5, not: '{{other}} {slot} {{ slot }}' }) });
  await run();
  const [job] = await jobsOf(name);
  const year = new Date().getUTCFullYear();
  const unix = Date.parse(`${year}-01-01T00:00:00Z`) / 1000;
  assert.deepEqual(job.payload, { day: `of ${year}-01-01T00:00:00Z`, deep: [{ [name]: `${unix}/${unix}` }], big: '12345678901234567890', n: 1.5, not: '{{other}} {slot} {{ slot }}' });
});

test('an inactive schedule makes nothing; what it slept through is not missed', async () => {
  await add('asleep', { is_active: false, next_at: anHourAgo, missed: 'all' });
  await run();
  assert.deepEqual(await slotsOf('asleep'), []);
  await stand.db.rows('UPDATE job_schedules SET is_active = true');
  const { since_at: since } = await schedule('asleep');
  await run();
  assert.ok((await slotsOf('asleep')).every((slot) => Date.parse(slot) > since));
  assert.ok((await schedule('asleep')).next_at > since);
});

test('a change of cron or time zone computes the next slot anew', async () => {
  await add('changing', { cron: '0 12 1 1 *' });
  await run();
  const next = async () => (await schedule('changing')).next_at?.toISOString().slice(5, 16);
  assert.equal(await next(), '01-01T12:00');
  for (const [set, wanted] of [[`cron = '30 6 2 1 *'`, '01-02T06:30'], [`time_zone = 'Asia/Kathmandu'`, '01-02T00:45'], [`time_zone = 'UTC'`, '01-02T06:30']]) {
    await stand.db.rows(`UPDATE job_schedules SET ${set}`);
    assert.equal(await next(), undefined);
    await run();
    assert.equal(await next(), wanted);
  }
  await stand.db.rows(`UPDATE job_schedules SET cron = cron, time_zone = time_zone, payload = '{}', queue = 'x'`);
  assert.equal(await next(), '01-02T06:30');
});

test('what is wrong is refused when it is inserted, in clear words', async () => {
  const insert = (columns, values) => [`INSERT INTO job_schedules (name, job_type, ${columns}) VALUES ('x', 'report', ${values})`, []];
  for (const [columns, values, message] of [
    ['cron', `'61 * * * *'`, /^cron: minute "61": allowed are \* and 0-59, ranges \(a-b\), lists \(a,b\) and steps/],
    ['cron', `'* * *'`, /^cron: found 3 of 5 fields \(minute hour day-of-month month day-of-week\); @yearly/],
    ['cron', `'0 0 * * MOON'`, /^cron: day-of-week "MOON": allowed are \* and 0-7 or SUN-SAT/],
    ['cron', `'@reboot'`, /^cron: found 1 of 5 fields/],
    ['cron', 'NULL', /null value in column "cron"/],
    ['cron, time_zone', `'@daily', 'Europe/Atlantis'`, /^time_zone: PostgreSQL knows no zone "Europe\/Atlantis"; allowed are names of IANA's/],
    ['cron, time_zone', `'@daily', 'Mars/Olympus'`, /^time_zone: allowed are names of IANA's/],
    ['cron, time_zone', `'@daily', 'CEST'`, /^time_zone: allowed are names of IANA's/],
    ['cron, time_zone', `'@daily', 'europe/berlin'`, /^time_zone: allowed are/],
    ['cron, time_zone', `'@daily', 'Foo/Bar5'`, /^time_zone: allowed are/],
    ['cron, time_zone', `'@daily', '../etc/passwd'`, /^time_zone: allowed are/],
    ['cron, missed', `'@daily', 'sometimes'`, /job_schedules_missed_is_known/],
    ['cron, missed_max', `'@daily', 1001`, /job_schedules_missed_max_is_sane/],
    ['cron, missed_max', `'@daily', 0`, /job_schedules_missed_max_is_sane/],
    ['cron, timeout_s', `'@daily', 0`, /job_schedules_timeout_is_sane/],
  ]) await refused(...insert(columns, values), message);
  await add('x');
  await refused(`UPDATE job_schedules SET cron = '* * * * 9'`, [], /^cron: day-of-week "9"/);
  assert.equal((await schedule('x')).cron, '* * * * *');
});

test('an error of one schedule is its own, and over when it is mended', async () => {
  for (let n = 0; n < 40; n++) await add(`good ${n}`, { next_at: anHourAgo });
  await add('unknown type', { job_type: 'nobody_knows_it', next_at: anHourAgo });
  await add('too long', { timeout_s: 3000, next_at: anHourAgo });
  await add('no such zone', { next_at: anHourAgo });
  await add('no such date', { cron: '0 0 30 2 *' });
  // As from a database whose zones are newer than this host's.
  await stand.db.rows(`ALTER TABLE job_schedules DISABLE TRIGGER USER`);
  await stand.db.rows(`UPDATE job_schedules SET time_zone = 'Mars/Olympus' WHERE name = 'no such zone'`);
  await stand.db.rows(`ALTER TABLE job_schedules ENABLE TRIGGER USER`);
  await run();
  assert.equal(await stand.db.value(`SELECT count(*)::int FROM jobs WHERE schedule LIKE 'good %'`), 40);
  assert.equal(await stand.db.value(`SELECT count(*)::int FROM job_schedules WHERE name LIKE 'good %' AND last_error IS NULL AND last_job_id IS NOT NULL`), 40);
  assert.equal((await schedule('unknown type')).last_error, 'job_types has no row "nobody_knows_it"');
  assert.match((await schedule('too long')).last_error, /timeout_s/);
  assert.match((await schedule('no such zone')).last_error, /^time zone Mars\/Olympus: cannot read \/usr\/share\/zoneinfo/);
  const never = await schedule('no such date');
  assert.deepEqual([never.last_error, never.next_at], ['cron: no such date comes up to the year 2199', Infinity]);
  // Nothing is written while nothing changes.
  const versions = () => stand.db.rows(`SELECT name, xmin::text FROM job_schedules WHERE last_error IS NOT NULL ORDER BY name`);
  const before = await versions();
  await run();
  assert.deepEqual(await versions(), before);
  await stand.db.rows(`INSERT INTO job_types (job_type, processor, target) VALUES ('nobody_knows_it', 'sql', 'f')`);
  await stand.db.rows(`UPDATE job_schedules SET timeout_s = 1 WHERE name = 'too long'`);
  await stand.db.rows(`UPDATE job_schedules SET time_zone = 'UTC' WHERE name = 'no such zone'`);
  await stand.db.rows(`UPDATE job_schedules SET cron = '@yearly' WHERE name = 'no such date'`);
  await run();
  assert.deepEqual(await stand.db.rows('SELECT name FROM job_schedules WHERE last_error IS NOT NULL'), []);
  for (const name of ['unknown type', 'too long']) assert.equal((await jobsOf(name)).length, 1, name);
});

test('a unique_key passes slots over while a job of it lives', async () => {
  await add('one at a time', { unique_key: 'only', next_at: anHourAgo, missed: 'all', missed_max: 5 });
  await run();
  assert.equal((await jobsOf('one at a time')).length, 1);
  await stand.db.rows(`UPDATE job_schedules SET next_at = ${anHourAgo}`);
  await run();
  assert.equal((await jobsOf('one at a time')).length, 1);
});

test('slots that were made once are not made again, whatever next_at is set to', async () => {
  await add('again', { cron: '0 * * * *', next_at: anHourAgo, missed: 'all', missed_max: 1000 });
  await run();
  const slots = await slotsOf('again');
  for (let n = 0; n < 3; n++) {
    await stand.db.rows(`UPDATE job_schedules SET next_at = ${anHourAgo}`);
    await run();
  }
  assert.deepEqual((await slotsOf('again')).slice(0, slots.length), slots);
  assert.ok((await slotsOf('again')).length <= slots.length + 1);
});

test('10,000 due schedules in one run of seconds', async (t) => {
  await stand.db.rows(
    `INSERT INTO job_schedules (name, cron, time_zone, job_type, payload)
     SELECT 's' || n, n % 60 || ' * 1 1 *', (ARRAY['UTC', 'Europe/Berlin', 'Asia/Kathmandu', 'America/New_York'])[1 + n % 4], 'report', '{"at": "{{slot}}"}'
       FROM generate_series(1, 10000) n`);
  await stand.db.rows(`UPDATE job_schedules SET next_at = '2015-01-01T00:00:00Z'`);
  const began = Date.now();
  await run();
  const took = Date.now() - began;
  t.diagnostic(`10,000 schedules in ${took} ms`);
  assert.deepEqual(await stand.db.one('SELECT count(*)::int AS jobs, count(DISTINCT schedule)::int AS schedules FROM jobs'), { jobs: 10000, schedules: 10000 });
  assert.equal(await stand.db.value('SELECT count(*)::int FROM job_schedules WHERE next_at <= clock_timestamp()'), 0);
  assert.ok(took < 15_000, `${took} ms`);
});

test('one job per slot: 20 callers at once, the lock taken from each, and some killed', async (t) => {
  const SCHEDULES = 5000;
  const EACH = 4;
  const draw = random('schedules');
  // One slot an hour; the next one is years away, so the clock does not matter.
  await stand.db.rows(
    `INSERT INTO job_schedules (name, cron, job_type, missed, missed_max)
     SELECT 's' || n, n % 60 || ' ' || n % 24 || ' 1 1 *', 'report', 'all', ${EACH} FROM generate_series(1, ${SCHEDULES}) n`);
  await stand.db.rows(`UPDATE job_schedules SET next_at = '2015-01-01T00:00:00Z'`);
  let kills = 0;
  let runs = 0;
  const due = () => stand.db.value('SELECT count(*)::int FROM job_schedules WHERE next_at <= clock_timestamp()');
  const lane = async () => {
    while (await due() > 0) {
      const child = start(program(), ['run', 'job-queue'], { env: cleanEnv(stand.env()) });
      const end = Date.now() + draw.below(300);
      await until(() => !child.running || Date.now() >= end, { what: 'a moment to kill', everyMs: 3 });
      if (child.running && runs % 3 !== 0) {
        killNow(child.pid);
        kills++;
      }
      await until(() => !child.running, { what: 'a run to end', timeoutMs: 30_000 });
      runs++;
    }
  };
  let going = true;
  const thief = (async () => {
    while (going) await stand.expireLocks();
  })();
  await Promise.all(Array.from({ length: 20 }, lane));
  going = false;
  await thief;
  t.diagnostic(`${runs} runs, ${kills} killed`);
  assert.ok(kills > 5, `${kills} kills`);
  const seen = await stand.db.one(
    `SELECT count(*)::int AS jobs, count(DISTINCT (schedule, slot))::int AS slots, count(DISTINCT schedule)::int AS schedules, min(n)::int AS least, max(n)::int AS most
       FROM jobs JOIN (SELECT schedule, count(*) AS n FROM jobs GROUP BY 1) each USING (schedule)`);
  assert.deepEqual(seen, { jobs: SCHEDULES * EACH, slots: SCHEDULES * EACH, schedules: SCHEDULES, least: EACH, most: EACH });
});

test('a run that goes on makes the jobs of slots that come meanwhile, and runs them', async (t) => {
  const other = await Stand.create();
  t.after(() => other.end());
  await other.db.rows(`CREATE FUNCTION report(job jsonb) RETURNS jsonb LANGUAGE sql AS $$ SELECT job -> 'payload' $$`);
  // A job begins only where its time-out fits into the run.
  await other.db.rows(`INSERT INTO job_types (job_type, processor, target, defaults) VALUES ('report', 'sql', 'report', '{"timeout_s": 2}')`);
  await other.db.rows(`INSERT INTO job_schedules (name, cron, job_type, payload) VALUES ('meanwhile', '* * * * *', 'report', '{"at": "{{slot}}"}')`);
  // A clock that stands a few seconds before a full minute, and never behind the true one, by which columns
  // have their defaults.
  const ahead = (60 + 56 - await other.db.value('SELECT extract(second FROM clock_timestamp())::float8')) % 60;
  await other.db.rows(`CREATE FUNCTION public.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS $$ SELECT pg_catalog.clock_timestamp() + interval '${ahead} s' $$`);
  await other.db.rows(`ALTER DATABASE ${other.db.name} SET search_path = public, pg_catalog`);
  await other.db.rows(`UPDATE job_schedules SET since_at = pg_catalog.clock_timestamp() + interval '${ahead} s'`);
  const ended = await other.cli(['run', 'job-queue', '--budget', '8'], { env: { JOB_POLL_INTERVAL_S: '1' } });
  assert.equal(ended.code, 0, ended.stderr);
  const [job, ...more] = await other.db.rows(`SELECT *, to_char(slot AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS slot_text FROM jobs`);
  const execution = await other.db.one(`SELECT * FROM cron_job_executions WHERE job_name = 'job-queue'`);
  assert.equal(more.length, 0);
  assert.deepEqual([job.status, job.result], ['completed', { at: job.slot_text }]);
  assert.ok(execution.started_at < job.slot, 'the run began before the slot');
  assert.ok(job.completed_at - job.slot < 4000, `${job.completed_at - job.slot} ms after its slot`);
  assert.equal(JSON.parse(ended.stdout).run.more, false);
});
