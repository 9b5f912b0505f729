// Deliveries a second: one run of webhook-retry against graphile-worker and against bare libcurl.
//
// All three post the same bodies to the same receiver, 64 in the air.  Time begins when the first
// work is asked for and ends when the last completion is committed: starting the process and
// connecting to the database are left out for all, and graphile-worker has warmed up before.
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { tempFolder } from '../lib/clean.mjs';
import { must } from '../lib/process.mjs';
import { root } from '../lib/program.mjs';
import { newSecret } from '../lib/webhooks.mjs';
import { cronwardRun, cronwardSettings, lastRunMs } from './cronward.mjs';
import { bodiesOfDeliveries, clusterStart, databaseCopy, endpointsFill, eventsFill, templateMake } from './database.mjs';
import { undisturbed } from './machine.mjs';
import { Receiver } from './receiver.mjs';

const ENDPOINTS = 8;
const IN_THE_AIR = 64;
const WARMUP_JOBS = 5000;

// worker.graphile.org/docs/performance, with the concurrency of the comparison: a pool of one
// more than the concurrency, a local queue of 500, completions batched without delay.
const peerWorker = {
  concurrentJobs: IN_THE_AIR,
  maxPoolSize: IN_THE_AIR + 1,
  localQueue: { size: 500 },
  completeJobBatchDelay: 0,
  failJobBatchDelay: 0,
  preparedStatements: true,
};
// What was found to be fastest for this load on two cores: larger batches both ways.
const peerWorkerTuned = { ...peerWorker, localQueue: { size: 5000 }, completeJobBatchDelay: 20, failJobBatchDelay: 20 };
// As many connections as can be in use at once; pipelining POSTs made it slower.
const peerUndici = { connections: IN_THE_AIR / ENDPOINTS, pipelining: 1 };

export async function deliveries({ results, rounds, quick }) {
  const count = quick ? 4000 : 20_000;
  const cluster = await clusterStart(results, 'PostgreSQL of deliveries');
  const receiver = await Receiver.start(ENDPOINTS, results);
  const endpoints = receiver.urls.map((url) => ({ url, secret: newSecret() }));
  const template = await templateMake(cluster, (query) => endpointsFill(query, endpoints));
  const bodies = path.join(tempFolder('bodies'), 'lines');
  const rates = { cronward: [], peer: [], tuned: [], bare: [] };

  const peerMs = async (worker) => {
    const database = await cluster.database({ empty: true });
    const options = { url: database.url, endpoints, bodies, warmup: WARMUP_JOBS, worker, undici: peerUndici };
    const out = await undisturbed(() => receiver.expecting(count + WARMUP_JOBS, () => must(process.execPath,
      [path.join(root, 'tests/bench/peer.mjs'), JSON.stringify(options)], { timeoutMs: 600_000 })));
    await database.drop();
    return Number(out);
  };
  const contestants = {
    cronward: async () => {
      const database = await databaseCopy(template);
      await fill(database, count, bodies);
      await undisturbed(() => receiver.expecting(count, () =>
        cronwardRun(database, 'webhook-retry', { WEBHOOK_MAX_CONCURRENT: String(IN_THE_AIR) })));
      await mustBeDelivered(database, count);
      const ms = await lastRunMs(database, 'webhook-retry');
      await database.drop();
      return ms;
    },
    peer: () => peerMs(peerWorker),
    tuned: () => peerMs(peerWorkerTuned),
    bare: async () => Number(await undisturbed(() => receiver.expecting(count, () =>
      must(path.join(root, 'build/bench/bare_curl'), [bodies, String(IN_THE_AIR), ...receiver.urls])))),
  };
  for (let round = 0; round < rounds; round++) {
    for (const [name, drain] of Object.entries(contestants)) rates[name].push(count / (await drain()) * 1000);
    results.round(Object.fromEntries(Object.entries(rates).map(([name, values]) => [name, values.at(-1)])));
  }

  const what = `${count.toLocaleString('en-US')} deliveries, ${ENDPOINTS} endpoints, ${IN_THE_AIR} in the air`;
  const ours = { what, ours: rates.cronward, unit: '/s' };
  results.ratio({ ...ours, reference: 'graphile-worker 0.17 + undici, as documented', theirs: rates.peer, target: { least: 2.5 } });
  results.ratio({ ...ours, reference: 'the same, best found for this load', theirs: rates.tuned });
  results.ratio({ ...ours, reference: 'bare curl_multi', theirs: rates.bare, target: { least: 0.65 } });
  results.settings('cronward of deliveries', { ...cronwardSettings, WEBHOOK_MAX_CONCURRENT: IN_THE_AIR, '--budget': 3600 });
  results.settings('graphile-worker', `${JSON.stringify(peerWorker)}, undici ${JSON.stringify(peerUndici)}, warmed up with ${WARMUP_JOBS} jobs`);
  results.settings('graphile-worker, best found', JSON.stringify(peerWorkerTuned));
  results.settings('bare_curl', 'libcurl defaults, NOSIGNAL, easy handles reused');
  await receiver.stop();
  await cluster.stop();
}

async function fill(database, count, bodies) {
  await database.session(async (query) => {
    await eventsFill(query, count / ENDPOINTS);
    await query('VACUUM ANALYZE');
    const rows = await query(bodiesOfDeliveries);
    writeFileSync(bodies, rows.map(({ body }) => `${body}\n`).join(''));
    await query('CHECKPOINT');
  });
}

async function mustBeDelivered(database, count) {
  const found = await database.one(`
    SELECT (SELECT count(*) FROM webhook_deliveries WHERE status = 'delivered' AND next_retry_at IS NULL) AS delivered,
           (SELECT count(*) FROM webhook_attempts WHERE status_code = 200) AS attempts`);
  if (found.delivered !== count || found.attempts !== count)
    throw new Error(`${found.delivered} of ${count} delivered, ${found.attempts} attempts`);
}
