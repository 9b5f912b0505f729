// Load on a URL, by wrk.
import { must } from '../lib/process.mjs';

const CONNECTIONS = 16;

export const loadSettings = `wrk -t1 -c${CONNECTIONS}`;

// Calls a second; every one must be answered with `status`.
export async function load(url, { headers = {}, seconds, status }) {
  // wrk tells 2xx from the rest and no more; one call shows what the rest is.
  const first = await fetch(url, { headers });
  await first.arrayBuffer();
  const heads = Object.entries(headers).flatMap(([name, value]) => ['-H', `${name}: ${value}`]);
  const out = await must('wrk', ['-t1', `-c${CONNECTIONS}`, `-d${seconds}s`, ...heads, url]);
  const [, calls, took] = /(\d+) requests in ([\d.]+)s/.exec(out).map(Number);
  const refused = Number(/Non-2xx or 3xx responses: (\d+)/.exec(out)?.[1] ?? 0);
  if (first.status !== status || refused !== (status < 400 ? 0 : calls) || out.includes('Socket errors'))
    throw new Error(`${url} was to answer each call with ${status}; the first one was ${first.status}; wrk says:\n${out}`);
  return calls / took;
}
