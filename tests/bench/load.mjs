// Load on a URL: wrk where it is installed, else undici.
import { spawnSync } from 'node:child_process';
import { must } from '../lib/process.mjs';
import { Pool } from 'undici';

const CONNECTIONS = 16;
const hasWrk = spawnSync('wrk', ['-v']).error === undefined;

export function loadSettings() {
  return `${hasWrk ? 'wrk -t1' : 'undici'}, ${CONNECTIONS} connections`;
}

// Calls a second; every one must be answered with `status`.
export async function load(url, { headers = {}, seconds, status }) {
  const { calls, right, took } = await (hasWrk ? wrk : undici)(url, headers, seconds, status);
  if (calls === 0 || right !== calls) throw new Error(`${url}: ${calls - right} of ${calls} calls were not answered with ${status}`);
  return calls / took;
}

// wrk counts 2xx and the rest, no single statuses; a first call shows what the rest is.
async function wrk(url, headers, seconds, status) {
  const first = await fetch(url, { headers });
  await first.arrayBuffer();
  const heads = Object.entries(headers).flatMap(([name, value]) => ['-H', `${name}: ${value}`]);
  const out = await must('wrk', ['-t1', `-c${CONNECTIONS}`, `-d${seconds}s`, ...heads, url]);
  const [, calls, took] = /(\d+) requests in ([\d.]+)s/.exec(out);
  const others = Number(/Non-2xx or 3xx responses: (\d+)/.exec(out)?.[1] ?? 0);
  const isBroken = first.status !== status || out.includes('Socket errors');
  const right = isBroken ? 0 : status < 400 ? calls - others : others;
  return { calls: Number(calls), right, took: Number(took) };
}

async function undici(url, headers, seconds, status) {
  const { origin, pathname } = new URL(url);
  const pool = new Pool(origin, { connections: CONNECTIONS });
  const began = Date.now();
  const counted = { calls: 0, right: 0 };
  const lane = async () => {
    while (Date.now() - began < seconds * 1000) {
      const reply = await pool.request({ path: pathname, method: 'GET', headers });
      await reply.body.dump();
      counted.calls++;
      counted.right += reply.statusCode === status;
    }
  };
  await Promise.all(Array.from({ length: CONNECTIONS }, lane));
  const took = (Date.now() - began) / 1000;
  await pool.close();
  return { ...counted, took };
}
