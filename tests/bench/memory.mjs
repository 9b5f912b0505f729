// The anonymous memory of one pool process over its requests, deliveries among them.
import { randomBytes } from 'node:crypto';
import { memoryKb } from '../lib/process.mjs';
import { Pool } from '../lib/pool.mjs';
import { newSecret } from '../lib/webhooks.mjs';
import { cronwardEnv, cronwardSettings } from './cronward.mjs';
import { clusterStart, endpointsFill, eventsFill, templateMake } from './database.mjs';
import { Receiver } from './receiver.mjs';
import { rounded } from './results.mjs';

const ENDPOINTS = 8;
const KB_PER_MB = 1024;
// The process must live through all requests.
const settings = { PROCESS_REQUESTS_MAX: '0' };

export async function memory({ results, quick }) {
  const requests = quick ? 1000 : 10_000;
  const deliveries = 2 * requests;
  const step = requests / 10;
  const cluster = await clusterStart(results, 'PostgreSQL of memory');
  const receiver = await Receiver.start(ENDPOINTS, results);
  const database = await templateMake(cluster, (query) =>
    endpointsFill(query, receiver.urls.map((url) => ({ url, secret: newSecret() }))));
  const secret = randomBytes(32).toString('base64url');
  const pool = await Pool.start({ env: cronwardEnv(database, { CRON_JOB_API_KEY: secret, ...settings }), size: 1, name: 'memory' });
  const pid = await serving(pool);

  // A tenth of the deliveries, then a tenth of the requests, and look.
  const kb = [];
  for (let done = 0; done < requests; done += step) {
    await database.session((query) => eventsFill(query, deliveries / 10 / ENDPOINTS));
    const { json } = await pool.call('POST', '/api/workers/webhookRetry', { headers: bearer(secret) });
    if (json?.succeeded !== deliveries / 10) throw new Error(`a call delivered ${JSON.stringify(json)}`);
    for (let i = 1; i < step; i++) await anyCall(pool, i, secret);
    kb.push(memoryKb(pid));
  }
  // malloc's heap takes its last step late; whether there is a leak behind it, more calls tell.
  for (let i = requests; i < 5 * requests; i++) await anyCall(pool, i, secret);
  const afterMany = memoryKb(pid);
  if (await serving(pool) !== pid) throw new Error('the process was replaced on the way');
  results.figure({
    what: `RssAnon after ${requests.toLocaleString('en-US')} requests, ${deliveries.toLocaleString('en-US')} deliveries`,
    value: kb.at(-1) / KB_PER_MB, unit: 'MB', target: { most: 12 },
  });
  results.figure({
    what: 'RssAnon, growth in the second half of them',
    value: kb.at(-1) - kb[kb.length / 2 - 1], unit: 'kB', target: { most: 0 },
  });
  results.figure({
    what: `RssAnon, growth in ${(4 * requests).toLocaleString('en-US')} requests more`,
    value: afterMany - kb.at(-1), unit: 'kB',
  });
  results.remark(`RssAnon at each tenth: ${kb.map(rounded).join(', ')} kB`);
  results.settings('cronward of memory', { ...cronwardSettings, ...settings });
  await pool.stop();
  await receiver.stop();
  await cluster.stop();
}

async function serving(pool) {
  const { status } = await pool.call('GET', '/readyz');
  const processes = pool.processes();
  if (status !== 200 || processes.length !== 1) throw new Error(`readyz answered ${status}, ${processes.length} processes`);
  return processes[0];
}

function bearer(secret) {
  return { authorization: `Bearer ${secret}` };
}

// All sorts of calls, in turn.
async function anyCall(pool, i, secret) {
  const calls = [
    ['GET', '/healthz', {}, 200],
    ['GET', '/readyz', {}, 200],
    ['POST', '/api/workers/webhookRetry', bearer(`${secret}x`), 401],
    ['GET', '/nowhere', {}, 404],
    ['POST', '/api/workers/notificationExpiry', bearer(secret), 200],
  ];
  const [method, target, headers, wanted] = calls[i % calls.length];
  const { status } = await pool.call(method, target, { headers });
  if (status !== wanted) throw new Error(`${method} ${target} answered ${status}`);
}
