// Jobs a second through one run of job-queue, against graphile-worker, pg-boss and a bare loop of the
// same statements; the same beside a million finished jobs and under an old snapshot; and how soon a
// job begins that was posted with ?run=1.
//
// No job does anything: they are carried out by the no-op plug-in of deploy/examples, through the
// interface that is public.  Time is counted as for deliveries.
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { tempFolder } from '../lib/clean.mjs';
import { must } from '../lib/process.mjs';
import { program, root } from '../lib/program.mjs';
import { statements } from '../lib/statements.mjs';
import { cronwardEnv, cronwardRun, cronwardSettings, lastRunMs } from './cronward.mjs';
import { clusterStart, databaseCopy, templateMake } from './database.mjs';
import { Front } from './front.mjs';
import { undisturbed } from './machine.mjs';
import { RECEIVER_ADDRESS } from './receiver.mjs';
import { median, rounded } from './results.mjs';

const WARMUP_JOBS = 5000;
const BARE_BATCH = 1000;
const PARTS = 8;
const LATENCY_PAUSE_MS = 20;

const settings = { PROCESSOR_DIR: path.join(root, 'build/bench/processors') };

// worker.graphile.org/docs/performance; then the combination that was fastest for deliveries.
const graphile = {
  concurrentJobs: 24,
  maxPoolSize: 25,
  localQueue: { size: 500 },
  completeJobBatchDelay: 0,
  failJobBatchDelay: 0,
  preparedStatements: true,
};
const graphileTuned = { ...graphile, localQueue: { size: 5000 }, completeJobBatchDelay: 20, failJobBatchDelay: 20 };
const boss = { batch: 500, loops: 2 };

export async function jobs(bench) {
  await drains(bench);
  await finished(bench);
  await oldSnapshot(bench);
  await latency(bench);
}

async function drains({ results, rounds, quick }) {
  const count = quick ? 6000 : 60_000;
  const cluster = await clusterStart(results, 'PostgreSQL of jobs');
  const template = await templateMake(cluster, (query) => jobsFill(query, count));
  const files = statementFiles();
  const rates = { cronward: [], graphile: [], tuned: [], boss: [], bare: [] };
  const peerMs = async (options) => {
    const database = await cluster.database({ empty: true });
    const out = await undisturbed(() => peer({ url: database.url, jobs: count, warmup: WARMUP_JOBS, ...options }));
    await database.drop();
    return Number(out);
  };
  const onCopy = async (work) => {
    const database = await databaseCopy(template);
    const ms = await undisturbed(() => work(database));
    await mustBeDone(database, count);
    await database.drop();
    return ms;
  };
  const contestants = {
    cronward: () => onCopy(async (database) => {
      await cronwardRun(database, 'job-queue', settings);
      return lastRunMs(database, 'job-queue');
    }),
    graphile: () => peerMs({ what: 'graphile', worker: graphile }),
    tuned: () => peerMs({ what: 'graphile', worker: graphileTuned }),
    boss: () => peerMs({ what: 'boss', ...boss }),
    bare: () => onCopy(async (database) => Number((await must(path.join(root, 'build/bench/bare_jobs'),
      [database.url, ...files, String(BARE_BATCH)])).split(' ')[1])),
  };
  for (let round = 0; round < rounds; round++) {
    for (const [name, drain] of Object.entries(contestants)) rates[name].push(count / (await drain()) * 1000);
    results.round(Object.fromEntries(Object.entries(rates).map(([name, values]) => [name, values.at(-1)])));
  }
  const ours = { what: `${count.toLocaleString('en-US')} jobs that do nothing`, ours: rates.cronward, unit: '/s' };
  results.ratio({ ...ours, reference: 'graphile-worker 0.17, as documented', theirs: rates.graphile, target: { least: 2.5 } });
  results.ratio({ ...ours, reference: 'the same, larger batches', theirs: rates.tuned });
  results.ratio({ ...ours, reference: 'pg-boss 10, fetch and complete by 500', theirs: rates.boss, target: { least: 2.5 } });
  results.ratio({ ...ours, reference: 'bare loop of the same statements', theirs: rates.bare, target: { least: 0.8 } });
  results.settings('cronward of jobs', { ...cronwardSettings, ...settings, '--budget': 3600 });
  results.settings('graphile-worker of jobs', `${JSON.stringify(graphile)}, warmed up with ${WARMUP_JOBS} jobs`);
  results.settings('graphile-worker of jobs, larger batches', JSON.stringify(graphileTuned));
  results.settings('pg-boss', `${JSON.stringify(boss)}, supervise and schedule off, warmed up with ${WARMUP_JOBS} jobs`);
  results.settings('bare_jobs', `batches of ${BARE_BATCH}`);
  await cluster.stop();
}

// 10,000 due ones beside what has ended before, with its lines of history.
async function finished({ results, rounds, quick }) {
  const due = quick ? 2000 : 10_000;
  const ended = quick ? 20_000 : 1_000_000;
  const cluster = await clusterStart(results, 'PostgreSQL of finished jobs');
  const templates = {
    empty: await templateMake(cluster, (query) => jobsFill(query, due)),
    full: await templateMake(cluster, (query) => jobsFill(query, due, ended)),
  };
  const ms = { empty: [], full: [] };
  for (let round = 0; round < rounds; round++) {
    for (const [name, template] of Object.entries(templates)) {
      const database = await databaseCopy(template);
      await cluster.admin('CHECKPOINT');
      await undisturbed(() => cronwardRun(database, 'job-queue', settings));
      ms[name].push(await lastRunMs(database, 'job-queue'));
      await mustBeDone(database, due + (name === 'full' ? ended : 0));
      await database.drop();
    }
    results.round({ empty: ms.empty.at(-1), full: ms.full.at(-1) });
  }
  results.ratio({
    what: `${due.toLocaleString('en-US')} jobs beside ${ended.toLocaleString('en-US')} finished ones`,
    ours: ms.full, reference: 'in an empty table', theirs: ms.empty, unit: 'ms', target: { most: 1.3 },
  });
  await cluster.stop();
}

// Jobs a second in the last eighth of a run against its first, by when they were completed.
async function oldSnapshot({ results, rounds, quick }) {
  const count = quick ? 16_000 : 200_000;
  const cluster = await clusterStart(results, 'PostgreSQL of jobs under an old snapshot');
  const template = await templateMake(cluster, (query) => jobsFill(query, count));
  const rates = { first: [], last: [], all: [] };
  for (let round = 0; round < rounds; round++) {
    const database = await databaseCopy(template);
    await database.session(async (query) => {
      await query('BEGIN ISOLATION LEVEL REPEATABLE READ');
      await query('SELECT count(*) FROM jobs');
      await undisturbed(() => cronwardRun(database, 'job-queue', settings));
      await query('ROLLBACK');
    });
    await mustBeDone(database, count);
    const found = await eighths(database, count);
    for (const [name, value] of Object.entries(found)) rates[name].push(value);
    await database.drop();
    results.round(found);
  }
  results.ratio({
    what: `jobs under an old snapshot, last eighth of ${count.toLocaleString('en-US')}`,
    ours: rates.last, reference: 'first eighth', theirs: rates.first, unit: '/s', target: { least: 0.85 },
  });
  results.remark(`jobs under an old snapshot: over the whole run ${rates.all.map(rounded).join(', ')} /s`);
  await cluster.stop();
}

// From the call that enqueues to the first byte of the job's work: for cronward a POST through nginx
// and an http job whose receiver is in this process, for graphile-worker addJob() and a task in its own.
async function latency({ results, rounds, quick }) {
  const count = quick ? 20 : 200;
  const cluster = await clusterStart(results, 'PostgreSQL of latency');
  const ms = { cronward: [], graphile: [] };
  for (let round = 0; round < rounds; round++) {
    ms.cronward.push(...await cronwardLatency(cluster, count));
    const database = await cluster.database({ empty: true });
    ms.graphile.push(...JSON.parse(await undisturbed(() => peer({
      what: 'graphile-latency', url: database.url, jobs: count, pauseMs: LATENCY_PAUSE_MS, worker: { concurrentJobs: 5, maxPoolSize: 6 } }))));
    await database.drop();
    results.round(Object.fromEntries(Object.entries(ms).map(([name, all]) => [name, median(all.slice(-count))])));
  }
  const p99 = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length * 0.99)];
  results.ratio({ what: 'POST /api/jobs?run=1 to the start, median', ours: [median(ms.cronward)],
    reference: 'graphile-worker 0.17, addJob', theirs: [median(ms.graphile)], unit: 'ms' });
  results.ratio({ what: 'the same, p99', ours: [p99(ms.cronward)], reference: 'the same', theirs: [p99(ms.graphile)], unit: 'ms' });
  results.settings('graphile-worker of latency', 'concurrentJobs 5, no local queue: it is the fastest for single jobs');
  await cluster.stop();
}

async function cronwardLatency(cluster, count) {
  const database = await cluster.database();
  const secret = 'a-secret-of-the-bench-alone';
  let begins;
  const server = createServer((request, reply) => {
    begins(performance.now());
    request.resume().on('end', () => reply.writeHead(200).end());
  });
  await new Promise((resolve) => { server.listen(0, RECEIVER_ADDRESS, resolve); });
  await database.rows(`INSERT INTO job_types (job_type, processor, target) VALUES ('noop', 'http', $1)`,
    [`http://${RECEIVER_ADDRESS}:${server.address().port}/`]);
  const front = await Front.start('latency', [program(), 'serve'], { env: cronwardEnv(database, { WORKER_SECRET_TOKEN: secret }), size: 4 });
  const found = await undisturbed(async () => {
    const all = [];
    for (let i = 0; i < count; i++) {
      const at = new Promise((resolve) => { begins = resolve; });
      const asked = performance.now();
      const reply = await fetch(`${front.url}/api/jobs?run=1`, {
        method: 'POST', headers: { authorization: `Bearer ${secret}`, 'content-type': 'application/json' }, body: '{"job_type":"noop"}' });
      if (!reply.ok) throw new Error(`POST /api/jobs answered ${reply.status}: ${await reply.text()}`);
      await reply.arrayBuffer();
      all.push((await at) - asked);
      await pause(LATENCY_PAUSE_MS);
    }
    return all;
  });
  await front.stop();
  await new Promise((resolve) => { server.close(resolve); server.closeAllConnections(); });
  await database.drop();
  return found;
}

async function jobsFill(query, due, ended = 0) {
  await query(`INSERT INTO job_types (job_type, processor, target) VALUES ('noop', 'plugin', 'noop')`);
  if (ended > 0) {
    await query('ALTER TABLE jobs DISABLE TRIGGER USER');
    await query(`INSERT INTO jobs (job_type, payload, status, waits_until, attempts, progress, started_at, completed_at, created_at)
                 SELECT 'noop', jsonb_build_object('n', n), 'completed', NULL, 1, 100, now(), now(), now() - interval '1 hour'
                   FROM generate_series(1, $1::int) n`, [ended]);
    await query('ALTER TABLE jobs ENABLE TRIGGER USER');
    await query(`INSERT INTO job_logs (job_id, message) SELECT id, 'completed in 0 ms, try 1 of 5' FROM jobs`);
  }
  await query(`INSERT INTO jobs (job_type, payload) SELECT 'noop', jsonb_build_object('n', n) FROM generate_series(1, $1::int) n`, [due]);
  await query('VACUUM ANALYZE');
  await query('CHECKPOINT');
}

async function mustBeDone(database, count) {
  const found = await database.one(`
    SELECT (SELECT count(*) FROM jobs WHERE status = 'completed' AND waits_until IS NULL AND attempts = 1) AS jobs,
           (SELECT count(*) FROM job_logs WHERE message LIKE 'completed in %') AS lines`);
  if (found.jobs !== count || found.lines !== count) throw new Error(`${found.jobs} of ${count} jobs completed, ${found.lines} lines`);
}

// A settle completes all its jobs at nearly one time.
async function eighths(database, count) {
  const settles = await database.rows(`
    SELECT extract(epoch FROM max(completed_at))::float8 AS at, sum(count(*)) OVER (ORDER BY max(completed_at))::int AS rows
      FROM jobs GROUP BY xmin ORDER BY rows`);
  const rate = (from, to) => (to.rows - from.rows) / (to.at - from.at);
  const firstEnd = settles.find(({ rows }) => rows >= count / PARTS);
  const lastStart = settles.find(({ rows }) => rows >= count - count / PARTS);
  return { first: rate(settles[0], firstEnd), last: rate(lastStart, settles.at(-1)), all: rate(settles[0], settles.at(-1)) };
}

const peer = (options) => must(process.execPath, [path.join(root, 'tests/bench/peer_jobs.mjs'), JSON.stringify(options)], { timeoutMs: 600_000 });

// The program's statements as files, in the order of bare_jobs' arguments.
function statementFiles() {
  const all = statements();
  const folder = tempFolder('statements');
  return ['db_settings', 'job_queue_claim', 'job_queue_settle'].map((name) => {
    const file = path.join(folder, name);
    writeFileSync(file, all.find((one) => one.name === name).text);
    return file;
  });
}
