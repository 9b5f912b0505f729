// The peers of jobs: graphile-worker and pg-boss with jobs that do nothing.
//
//	node peer_jobs.mjs '{"what": "graphile", "url": DATABASE, "jobs": N, "warmup": N, "worker": {…}}'
//	node peer_jobs.mjs '{"what": "boss", "url": DATABASE, "jobs": N, "warmup": N, "batch": N, "loops": N}'
//	node peer_jobs.mjs '{"what": "graphile-latency", "url": DATABASE, "jobs": N, "pauseMs": N, "worker": {…}}'
//
// The first two drain jobs to warm up, then those that count, and print the milliseconds from the
// first question for work to the last completion's commit.  The third adds one job after the other to
// a worker that listens, and prints a list: milliseconds from the call of addJob to the task's start.
import { Logger, makeWorkerUtils, run, runOnce } from 'graphile-worker';
import pg from 'pg';
import PgBoss from 'pg-boss';
import { setTimeout as pause } from 'node:timers/promises';

const JOBS_PER_INSERT = 5000;
const QUEUE = 'noop';

const options = JSON.parse(process.argv[2]);
const logger = new Logger(() => () => {});

const elapsed = async (work) => {
  const began = process.hrtime.bigint();
  await work();
  return Number(process.hrtime.bigint() - began) / 1e6;
};

async function inParts(count, add) {
  for (let from = 0; from < count; from += JOBS_PER_INSERT)
    await add(Array.from({ length: Math.min(JOBS_PER_INSERT, count - from) }, (_, i) => ({ n: from + i + 1 })));
}

async function tidy(pool) {
  await pool.query('VACUUM ANALYZE');
  await pool.query('CHECKPOINT');
}

async function mustBeEmpty(pool, sql) {
  const { rows: [{ left }] } = await pool.query(sql);
  if (left !== 0) throw new Error(`${left} jobs are left`);
}

async function graphile() {
  const pgPool = new pg.Pool({ connectionString: options.url, max: options.worker.maxPoolSize });
  const preset = { worker: options.worker };
  const utils = await makeWorkerUtils({ pgPool, preset });
  await utils.migrate();
  const drain = async (count) => {
    await inParts(count, (payloads) => utils.addJobs(payloads.map((payload) => ({ identifier: QUEUE, payload }))));
    await tidy(pgPool);
    const ms = await elapsed(() => runOnce({ pgPool, preset, logger, taskList: { [QUEUE]: () => {} } }));
    await mustBeEmpty(pgPool, 'SELECT count(*)::int AS left FROM graphile_worker._private_jobs');
    return ms;
  };
  await drain(options.warmup);
  console.log((await drain(options.jobs)).toFixed(3));
  await utils.release();
  await pgPool.end();
}

async function boss() {
  const queue = new PgBoss({ connectionString: options.url, max: options.loops + 1, supervise: false, schedule: false });
  const pgPool = new pg.Pool({ connectionString: options.url, max: 1 });
  queue.on('error', (e) => { throw e; });
  await queue.start();
  await queue.createQueue(QUEUE);
  const work = async () => {
    for (;;) {
      const jobs = await queue.fetch(QUEUE, { batchSize: options.batch });
      if (jobs.length === 0) return;
      await queue.complete(QUEUE, jobs.map(({ id }) => id));
    }
  };
  const drain = async (count) => {
    await inParts(count, (payloads) => queue.insert(payloads.map((data) => ({ name: QUEUE, data }))));
    await tidy(pgPool);
    const ms = await elapsed(() => Promise.all(Array.from({ length: options.loops }, work)));
    await mustBeEmpty(pgPool, `SELECT count(*)::int AS left FROM pgboss.job WHERE name = '${QUEUE}' AND state <> 'completed'`);
    return ms;
  };
  await drain(options.warmup);
  console.log((await drain(options.jobs)).toFixed(3));
  await queue.stop({ graceful: false });
  await pgPool.end();
}

async function graphileLatency() {
  const pgPool = new pg.Pool({ connectionString: options.url, max: options.worker.maxPoolSize });
  const preset = { worker: options.worker };
  const begun = [];
  let begins;
  const runner = await run({ pgPool, preset, logger, noHandleSignals: true, taskList: { [QUEUE]: () => begins(performance.now()) } });
  for (let i = 0; i < options.jobs; i++) {
    const at = new Promise((resolve) => { begins = resolve; });
    const asked = performance.now();
    await runner.addJob(QUEUE, { n: i });
    begun.push((await at) - asked);
    await pause(options.pauseMs);
  }
  console.log(JSON.stringify(begun));
  await runner.stop();
  await pgPool.end();
}

await { graphile, boss, 'graphile-latency': graphileLatency }[options.what]();
process.exit(0);
