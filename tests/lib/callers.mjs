// What the tests of deploy/callers share: the list that all of its files are compared with, the
// files themselves, and calls made by curl in the form of a caller.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { cleanEnv, must, run } from './process.mjs';
import { program, root } from './program.mjs';

const MINUTE = 60_000;

// { worker, method, path, schedule, secret } of each call that a cron service is to make.
export async function callersList() {
  return JSON.parse(await must(program(), ['callers', 'list', '--json'], { env: cleanEnv() }));
}

// The URL of a call without the host, as files have it; and what they call it.
export const rung = (one) => `${one.path}${one.path.includes('?') ? '&' : '?'}busy=200`;
export const nameOf = (one) => [one.worker, ...one.path.split('?interval=').slice(1)].join('-');

// How many runs of each worker there are when each call of the list has been made: { worker: runs }.
export function eachOnce(list) {
  const runs = {};
  for (const one of list) runs[one.worker] = (runs[one.worker] ?? 0) + 1;
  return runs;
}

// The secret of a route's, as the site has it.
export const secretOf = (site, one) => site.secrets[one.secret];

// What a site needs so that every worker is configured.
export const configured = { RESEND_API_KEY: 're_that_nobody_asks', EMAIL_FROM: 'shop@example.com' };

export function shippedPath(at) {
  return path.join(root, 'deploy/callers', at);
}

export function shipped(at) {
  return readFileSync(shippedPath(at), 'utf8');
}

// The first `count` times of a crontab's five fields from `from` on, in UTC.  Enough for the forms
// that workers have: numbers, lists and steps over everything.
export function cronTimes(schedule, count, from = Date.UTC(2026, 10, 22)) {
  const [minutes, hours, mdays, months, wdays] = schedule.split(' ').map((field) => (n) => field.split(',').some((item) => {
    const [what, step] = item.split('/');
    return what === '*' ? n % Number(step ?? 1) === 0 : n === Number(what);
  }));
  const times = [];
  for (let at = from; times.length < count; at += MINUTE) {
    const d = new Date(at);
    if (minutes(d.getUTCMinutes()) && hours(d.getUTCHours()) && mdays(d.getUTCDate()) && months(d.getUTCMonth() + 1) && wdays(d.getUTCDay()))
      times.push(at);
  }
  return times;
}

// A call by curl itself: `options` are lines of its configuration file, so that secrets stay out of
// arguments.  { code, status, connects, redirects, ms, version, headers, body, size }.
export async function curl(url, options, { env = {} } = {}) {
  const mark = '\n--- of curl ---\n';
  const quote = (text) => `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`;
  const lines = [`url = ${quote(url)}`, 'silent', 'include', ...options.map((option) => (Array.isArray(option) ? `${option[0]} = ${quote(option[1])}` : option)),
    `write-out = ${quote(`${mark.replaceAll('\n', '\\n')}%{http_code} %{num_connects} %{num_redirects} %{time_total} %{http_version} %{remote_ip}`).replaceAll('\\\\n', '\\n')}`];
  const done = await run('curl', ['-q', '-K', '-'], { input: `${lines.join('\n')}\n`, env: cleanEnv({ no_proxy: '*', ...env }) });
  const at = done.stdout.lastIndexOf(mark);
  const [status, connects, redirects, seconds, version, address] = done.stdout.slice(at + mark.length).split(' ');
  const whole = done.stdout.slice(0, Math.max(at, 0));
  const end = whole.indexOf('\r\n\r\n');
  const body = end < 0 ? '' : whole.slice(end + 4);
  let json;
  try {
    json = JSON.parse(body);
  } catch {
    // The test says what it expects.
  }
  return { code: done.code, status: Number(status), connects: Number(connects), redirects: Number(redirects), ms: Number(seconds) * 1000, version, address,
    headers: whole.slice(0, Math.max(end, 0)), body, json, size: Buffer.byteLength(whole) };
}

// Makes it look as if a run of this worker were under way, until the answer is called.
export async function holdLock(query, worker) {
  await query(
    `INSERT INTO cron_locks (name, holder, acquired_at, expires_at)
     VALUES ($1, gen_random_uuid(), clock_timestamp(), clock_timestamp() + interval '1 hour')
     ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, acquired_at = excluded.acquired_at, expires_at = excluded.expires_at`, [worker]);
  return () => query('UPDATE cron_locks SET holder = NULL, expires_at = clock_timestamp() WHERE name = $1', [worker]);
}

// Every worker has been rung once since `before`: { worker: runs }.
export async function runsOf(site) {
  const rows = await site.query('SELECT job_name, count(*)::int AS n FROM cron_job_executions GROUP BY 1');
  return Object.fromEntries(rows.map((row) => [row.job_name, row.n]));
}
