// Enqueueing: whole lists by enqueue_jobs against graphile-worker's addJobs, and single jobs by
// enqueue_job against a bare INSERT into a table of the same columns that has its primary key and
// nothing else.  The same rows by the same client, pg, on one connection each.
import { makeWorkerUtils } from 'graphile-worker';
import pg from 'pg';
import { clusterStart } from './database.mjs';
import { undisturbed } from './machine.mjs';

const JOBS_PER_CALL = 5000;

// What a team's job looks like, 100 bytes of it.
const jobOf = (n) => ({ type: 'noop', payload: { order: n, name: 'somebody@example.com', note: 'x'.repeat(40) } });

async function rateOf(count, work) {
  const began = process.hrtime.bigint();
  await work();
  return count / (Number(process.hrtime.bigint() - began) / 1e9);
}

function connect(database) {
  const pool = new pg.Pool({ connectionString: database.url, max: 1 });
  // graphile-worker warns of a pool without: a lost connection shows in the next query.
  pool.on('error', () => {});
  pool.on('connect', (client) => client.on('error', () => {}));
  return pool;
}

async function mustHold(pool, table, count) {
  const { rows: [{ n }] } = await pool.query(`SELECT count(*)::int AS n FROM ${table}`);
  if (n !== count) throw new Error(`${table} has ${n} rows, not ${count}`);
}

export async function enqueue({ results, rounds, quick }) {
  const [bulk, single] = quick ? [5000, 500] : [60_000, 5000];
  const jobs = Array.from({ length: bulk }, (_, n) => jobOf(n));
  const lists = Array.from({ length: Math.ceil(bulk / JOBS_PER_CALL) }, (_, n) => jobs.slice(n * JOBS_PER_CALL, (n + 1) * JOBS_PER_CALL));
  const cluster = await clusterStart(results, 'PostgreSQL of enqueueing');
  const [ours, theirs] = [await cluster.database(), await cluster.database({ empty: true })];
  const [pool, peerPool] = [connect(ours), connect(theirs)];
  const utils = await makeWorkerUtils({ pgPool: peerPool });
  await utils.migrate();
  await pool.query('CREATE TABLE bare (LIKE jobs INCLUDING DEFAULTS, PRIMARY KEY (id))');

  const call = (sql) => async () => {
    for (let n = 0; n < single; n++) await pool.query(sql, ['noop', JSON.stringify(jobs[n].payload)]);
  };
  const contestants = {
    bulk: [pool, 'jobs', bulk, async () => {
      for (const list of lists) await pool.query('SELECT n, id, is_new FROM enqueue_jobs($1)', [JSON.stringify(list)]);
    }],
    peer: [peerPool, 'graphile_worker._private_jobs', bulk, async () => {
      for (const list of lists) await utils.addJobs(list.map(({ type, payload }) => ({ identifier: type, payload })));
    }],
    single: [pool, 'jobs', single, call('SELECT enqueue_job($1, $2)')],
    plain: [pool, 'jobs', single, call('INSERT INTO jobs (job_type, payload) VALUES ($1, $2) RETURNING id')],
    bare: [pool, 'bare', single, call('INSERT INTO bare (job_type, payload) VALUES ($1, $2) RETURNING id')],
  };
  const rates = Object.fromEntries(Object.keys(contestants).map((name) => [name, []]));
  // The first round is not counted: code is compiled, plans are made.
  for (let round = 0; round <= rounds; round++) {
    for (const [name, [where, table, count, work]] of Object.entries(contestants)) {
      await where.query(`TRUNCATE ${table}`);
      await where.query('CHECKPOINT');
      const rate = await undisturbed(() => rateOf(count, work));
      await mustHold(where, table, count);
      if (round > 0) rates[name].push(rate);
    }
    if (round > 0) results.round(Object.fromEntries(Object.entries(rates).map(([name, values]) => [name, values.at(-1)])));
  }

  results.ratio({
    what: `${bulk.toLocaleString('en-US')} jobs by enqueue_jobs, ${JOBS_PER_CALL.toLocaleString('en-US')} a call`, ours: rates.bulk,
    reference: 'graphile-worker 0.17 addJobs', theirs: rates.peer, unit: '/s', target: { least: 2 },
  });
  const micros = (list) => list.map((rate) => 1e6 / rate);
  const one = { reference: 'bare INSERT, same columns', theirs: micros(rates.bare), unit: 'us', target: { most: 1.2 } };
  results.ratio({ ...one, what: 'one job by enqueue_job, committed', ours: micros(rates.single) });
  results.ratio({ ...one, what: 'one job by INSERT INTO jobs, committed', ours: micros(rates.plain) });
  await utils.release();
  await pool.end();
  await peerPool.end();
  await cluster.stop();
}
