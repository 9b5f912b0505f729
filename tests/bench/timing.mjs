// Whether the time of a refusal tells how much of a secret was right.  For reading, not pass or
// fail: what the scheduler does is larger than what is looked for.
import { randomBytes } from 'node:crypto';
import path from 'node:path';
import { must } from '../lib/process.mjs';
import { Pool } from '../lib/pool.mjs';
import { root } from '../lib/program.mjs';
import { cronwardEnv } from './cronward.mjs';
import { clusterStart, templateMake } from './database.mjs';
import { rounded } from './results.mjs';

export async function timing({ results, quick }) {
  const count = quick ? 5000 : 100_000;
  const cluster = await clusterStart(results, 'PostgreSQL of timing');
  const database = await templateMake(cluster, async () => {});
  const secret = randomBytes(32).toString('base64url');
  const pool = await Pool.start({ env: cronwardEnv(database, { CRON_JOB_API_KEY: secret }), size: 1, name: 'timing' });
  const found = JSON.parse(await must(path.join(root, 'build/bench/secret_timing'),
    [pool.socket, '/api/workers/webhookRetry', secret, String(count)], { timeoutMs: 600_000 }));
  for (const [which, { firstRight, allWrong, difference, t }] of Object.entries(found)) {
    results.remark(`wrong secrets over the FastCGI socket, ${which === 'all' ? 'all calls' : 'without the slowest hundredth'}: `
      + `first byte right ${rounded(firstRight.mean)} ns (n ${firstRight.count.toLocaleString('en-US')}, sd ${rounded(firstRight.deviation)}), `
      + `all wrong ${rounded(allWrong.mean)} ns (n ${allWrong.count.toLocaleString('en-US')}, sd ${rounded(allWrong.deviation)}), `
      + `difference ${rounded(difference)} ns, Welch t ${t.toFixed(2)}`);
  }
  await pool.stop();
  await cluster.stop();
}
