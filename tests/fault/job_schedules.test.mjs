// A run that makes the jobs of schedules is killed at one system call after the other, and each call
// fails once: afterwards every slot has one job.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cleanEnv, run } from '../lib/process.mjs';
import { program } from '../lib/program.mjs';
import { report, size } from '../lib/sizes.mjs';
import { Stand } from '../lib/stand.mjs';
import { many } from '../lib/wait.mjs';

const SCHEDULES = 3;
const SLOTS = 2; // of each, in each turn
const CALLS_MAX = 400;
const LANES = 6;

async function begin(t) {
  const stand = await Stand.create({ env: { LOG_LEVEL: 'error' } });
  t.after(() => stand.end());
  await stand.db.rows(`INSERT INTO job_queues (name, paused) VALUES ('default', true)`);
  await stand.db.rows(`INSERT INTO job_types (job_type, processor, target) VALUES ('report', 'sql', 'f')`);
  await stand.db.rows(
    `INSERT INTO job_schedules (name, cron, job_type, missed, missed_max)
     SELECT 's' || n, n || ' * 1 1 *', 'report', 'all', ${SLOTS} FROM generate_series(1, ${SCHEDULES}) n`);
  return stand;
}

// One turn: due, a run with one injection, and one without; whether the first was hit.
async function turn(stand, call, what, n) {
  await stand.db.rows('TRUNCATE jobs');
  await stand.db.rows(`UPDATE job_schedules SET next_at = '2015-01-01T00:00:00Z'`);
  const done = await run('strace', ['-f', '-qq', '-o', '/dev/null', '-e', `trace=${call}`, '-e', `inject=${call}:${what}:when=${n}`,
    program(), 'run', 'job-queue', '--budget', '2'], { env: cleanEnv(stand.env()), timeoutMs: 60_000 });
  await stand.backendsGone();
  const made = await jobs(stand);
  // All of a statement or nothing.
  assert.ok([0, SCHEDULES * SLOTS].includes(made.jobs), `${call} ${n}: ${made.jobs} jobs`);
  assert.equal(made.due, made.jobs === 0 ? SCHEDULES : 0);
  await stand.expireLocks();
  const after = await stand.cli(['run', 'job-queue']);
  assert.equal(after.code, 0, after.stderr);
  assert.deepEqual(await jobs(stand), { jobs: SCHEDULES * SLOTS, slots: SCHEDULES * SLOTS, due: 0 });
  return { done, made: made.jobs };
}

const jobs = (stand) => stand.db.one(
  `SELECT count(*)::int AS jobs, count(DISTINCT (schedule, slot))::int AS slots,
          (SELECT count(*)::int FROM job_schedules WHERE next_at <= clock_timestamp()) AS due FROM jobs`);

test('killed at the n-th system call of each kind, for each n: one job per slot', async (t) => {
  const stand = await begin(t);
  let kills = 0;
  const seen = { before: 0, after: 0 };
  for (const call of size(['sendto', 'recvfrom'], ['sendto', 'recvfrom', 'poll', 'openat', 'read', 'close', 'mmap', 'write']))
    for (let n = 1; n < CALLS_MAX; n++) {
      const { done, made } = await turn(stand, call, 'signal=SIGKILL', n);
      if (done.code < 128 && done.signal === null) break;
      kills++;
      seen[made === 0 ? 'before' : 'after']++;
    }
  assert.ok(seen.before > 2 && seen.after > 2, JSON.stringify(seen));
  report(t, 'schedules, killed at every system call', { kills, 'jobs not yet made': seen.before, 'jobs made': seen.after });
});

test('every system call fails once: one job per slot', async (t) => {
  // A run whose call fails waits for its time-outs, most of the time: one on each stand, side by side.
  const stands = await Promise.all(Array.from({ length: LANES }, () => begin(t)));
  const turns = size([['sendto', 'ECONNRESET']],
    [['sendto', 'ECONNRESET'], ['sendto', 'EINTR'], ['recvfrom', 'ECONNRESET'], ['recvfrom', 'EIO'], ['connect', 'ECONNREFUSED'], ['openat', 'EMFILE'], ['openat', 'EIO'], ['read', 'EIO'], ['poll', 'ENOMEM']])
    .flatMap(([call, error]) => Array.from({ length: size(6, 40) }, (_, i) => [call, error, i + 1]));
  await many(turns.length, LANES, async (i) => {
    const [call, error, n] = turns[i];
    const stand = stands.pop();
    const { done } = await turn(stand, call, `error=${error}`, n);
    assert.ok(done.code < 128, `${call} ${error} at ${n}: ended ${done.code} ${done.stderr}`);
    stands.push(stand);
  });
  const runs = turns.length;
  report(t, 'schedules, every system call fails once', { runs });
});
