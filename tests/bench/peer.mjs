// The peer: graphile-worker doing the same signed POSTs with undici.
//
//	node peer.mjs '{"url": DATABASE, "endpoints": [{url, secret}], "bodies": FILE, "warmup": JOBS, …}'
//
// One job a line of the file; job n goes to endpoint n modulo their number.  One process does all:
// it drains jobs to warm up (code compiled, database and receiver connected), then those that
// count, and prints the milliseconds from the runner's start to the last completion's commit.
// Its jobs carry body and endpoint, so that it need not ask the database for either.
import { createHmac } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { Logger, makeWorkerUtils, runOnce } from 'graphile-worker';
import pg from 'pg';
import { Pool } from 'undici';

const JOBS_PER_INSERT = 5000;
const TIMEOUT_MS = 10_000;

const options = JSON.parse(process.argv[2]);
const bodies = readFileSync(options.bodies, 'utf8').trimEnd().split('\n');
const endpoints = options.endpoints.map(({ url, secret }) => {
  const { origin, pathname } = new URL(url);
  return {
    pool: new Pool(origin, options.undici),
    path: pathname,
    key: Buffer.from(secret.slice('whsec_'.length), 'base64'),
  };
});
const pgPool = new pg.Pool({ connectionString: options.url, max: options.worker.maxPoolSize });
const preset = { worker: options.worker };
const logger = new Logger(() => () => {});

async function deliver({ id, endpoint, body }) {
  const { pool, path, key } = endpoints[endpoint];
  const timestamp = Math.floor(Date.now() / 1000);
  const signature = createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64');
  const reply = await pool.request({
    path,
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      'user-agent': 'cronward/bench',
      'webhook-id': id,
      'webhook-timestamp': String(timestamp),
      'webhook-signature': `v1,${signature}`,
    },
    body,
    headersTimeout: TIMEOUT_MS,
    bodyTimeout: TIMEOUT_MS,
  });
  await reply.body.dump();
  if (reply.statusCode !== 200) throw new Error(`the receiver answered ${reply.statusCode}`);
}

async function fill(utils, lines) {
  for (let from = 0; from < lines.length; from += JOBS_PER_INSERT) {
    await utils.addJobs(lines.slice(from, from + JOBS_PER_INSERT).map((body, i) => (
      { identifier: 'deliver', payload: { id: String(from + i + 1), endpoint: (from + i) % endpoints.length, body } })));
  }
  await pgPool.query('VACUUM ANALYZE');
  await pgPool.query('CHECKPOINT');
}

async function drain() {
  const began = process.hrtime.bigint();
  await runOnce({ pgPool, preset, logger, taskList: { deliver } });
  const ms = Number(process.hrtime.bigint() - began) / 1e6;
  const { rows: [{ left }] } = await pgPool.query('SELECT count(*)::int AS left FROM graphile_worker._private_jobs');
  if (left !== 0) throw new Error(`${left} jobs are left`);
  return ms;
}

const utils = await makeWorkerUtils({ pgPool, preset });
await utils.migrate();
await fill(utils, Array.from({ length: options.warmup }, (_, i) => bodies[i % bodies.length]));
await drain();
await fill(utils, bodies);
console.log((await drain()).toFixed(3));
await utils.release();
await pgPool.end();
await Promise.all(endpoints.map(({ pool }) => pool.close()));
