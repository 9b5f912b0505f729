// Calls a second through nginx: /healthz and a refused secret, against a FastCGI program that
// prints a constant from a pool of the same size behind the same nginx configuration.
import { randomBytes } from 'node:crypto';
import path from 'node:path';
import { program, root } from '../lib/program.mjs';
import { cronwardEnv } from './cronward.mjs';
import { clusterStart, templateMake } from './database.mjs';
import { load, loadSettings } from './load.mjs';
import { undisturbed } from './machine.mjs';
import { Front, siteSettings } from './front.mjs';

const POOL = 4;

export async function gateway({ results, rounds, quick }) {
  const seconds = quick ? 1 : 3;
  const cluster = await clusterStart(results, 'PostgreSQL of the gateway');
  const database = await templateMake(cluster, async () => {});
  const secret = randomBytes(32).toString('base64url');
  const env = cronwardEnv(database, { CRON_JOB_API_KEY: secret });
  const fronts = {
    cronward: await Front.start('cronward', [program(), 'serve'], { env, size: POOL }),
    constant: await Front.start('constant', [path.join(root, 'build/bench/constant')], { size: POOL }),
  };
  const calls = {
    health: { target: '/healthz', status: { cronward: 200, constant: 200 } },
    wrong: {
      target: '/api/workers/webhookRetry',
      headers: { authorization: `Bearer ${randomBytes(32).toString('base64url')}` },
      status: { cronward: 401, constant: 200 },
    },
  };
  const rates = {};
  for (let round = 0; round < rounds; round++) {
    for (const [call, { target, headers, status }] of Object.entries(calls)) {
      for (const [name, front] of Object.entries(fronts)) {
        const rate = await undisturbed(() => load(front.url + target, { headers, seconds, status: status[name] }));
        (rates[`${call} ${name}`] ??= []).push(rate);
      }
    }
    results.round(Object.fromEntries(Object.entries(rates).map(([name, values]) => [name, values.at(-1)])));
  }
  const reference = 'libfcgi constant';
  results.ratio({
    what: 'GET /healthz through nginx',
    ours: rates['health cronward'], reference, theirs: rates['health constant'], unit: '/s', target: { least: 0.9 },
  });
  results.ratio({
    what: 'a wrong secret through nginx',
    ours: rates['wrong cronward'], reference, theirs: rates['wrong constant'], unit: '/s', target: { least: 0.8 },
  });
  results.settings('nginx site of the gateway', `${JSON.stringify(siteSettings)}, else nginx/ as it is; plain HTTP`);
  results.settings('pools of the gateway', `${POOL} processes each, spawn-fcgi and multiwatch -r 1000000 -t 1`);
  results.settings('load of the gateway', `${loadSettings}, ${seconds} s a measurement`);
  for (const front of Object.values(fronts)) await front.stop();
  await cluster.stop();
}
