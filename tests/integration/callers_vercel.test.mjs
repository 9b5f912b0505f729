// Vercel Cron: the function that ships, in a Node process of its own, with requests as Vercel makes
// them; and the rewrite, done by a proxy of a few lines.
import assert from 'node:assert/strict';
import { renameSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import path from 'node:path';
import { after, before, beforeEach, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { callersList, configured, eachOnce, holdLock, runsOf, shipped, shippedPath } from '../lib/callers.mjs';
import { httpCall } from '../lib/http.mjs';
import { freePort } from '../lib/ports.mjs';
import { cleanEnv, run } from '../lib/process.mjs';
import { Site } from '../lib/site.mjs';
import { until } from '../lib/wait.mjs';

const list = await callersList();
// Each process is asked until it knows the new secret: more calls at a time than nginx lets through.
const site = await Site.start({ env: { ...configured, RATE_BURST: '500' } });
after(() => site.end());
const query = (sql, values) => site.query(sql, values);
beforeEach(() => query('TRUNCATE cron_job_executions'));

const origin = `https://127.0.0.1:${site.portTls}`;
const once = eachOnce(list);
const { crons, functions } = JSON.parse(shipped('vercel/vercel.json'));

// What Vercel sends along.
const headersOf = (schedule, secret) => ({
  ...(secret ? { authorization: `Bearer ${secret}` } : {}),
  'user-agent': 'vercel-cron/1.0', 'x-vercel-cron-schedule': schedule, host: 'project.vercel.app', 'x-forwarded-for': '76.76.21.21',
});

// The function's answer to GET of this path; the request goes through standard input.
async function invoke(at, { secret = site.secrets.CRON_SECRET, env = {}, schedule = '*/5 * * * *' } = {}) {
  const script = `
    const { GET } = await import(${JSON.stringify(pathToFileURL(shippedPath('vercel/api/cronward.mjs')).href)});
    let text = ''; for await (const part of process.stdin) text += part;
    const { url, headers } = JSON.parse(text);
    const answer = await GET(new Request(url, { headers }));
    console.log(JSON.stringify({ status: answer.status, headers: Object.fromEntries(answer.headers), body: await answer.text() }));`;
  const done = await run(process.execPath, ['--input-type=module', '-e', script], {
    input: JSON.stringify({ url: `https://project.vercel.app${at}`, headers: headersOf(schedule, secret) }),
    env: cleanEnv({ NODE_EXTRA_CA_CERTS: `${site.var}/tls/cert.pem`, APP_URL: origin, CRON_SECRET: site.secrets.CRON_SECRET,
      CRON_JOB_API_KEY: site.key, WORKER_SECRET_TOKEN: site.secrets.WORKER_SECRET_TOKEN, ...env }),
  });
  assert.equal(done.code, 0, done.stderr);
  for (const name of ['CRON_SECRET', 'CRON_JOB_API_KEY', 'WORKER_SECRET_TOKEN']) assert.ok(!`${done.stdout}${done.stderr}`.includes(site.secrets[name]));
  const answer = JSON.parse(done.stdout);
  return { ...answer, json: JSON.parse(answer.body) };
}

test('the function: each cron job of vercel.json runs its worker by POST, and the reply comes back', async () => {
  for (const { path: at, schedule } of crons) {
    const answer = await invoke(at, { schedule });
    assert.equal(answer.status, 200, answer.body);
    assert.ok(answer.json.run.id);
    assert.match(answer.headers['content-type'], /^application\/json/);
    assert.equal(answer.headers['cache-control'], 'no-store');
  }
  assert.deepEqual(await runsOf(site), once);
  const lines = site.log('cronward.access.log').trim().split('\n').map((line) => JSON.parse(line));
  assert.ok(lines.filter((line) => line.worker).every((line) => line.method === 'POST'));
});

test('the function: a call made twice, or over another, is no failure', async () => {
  const free = await holdLock(query, list[0].worker);
  const answer = await invoke(crons[0].path);
  await free();
  assert.deepEqual([answer.status, answer.json.skipped], [200, true]);
});

test('the function: who does not show the secret rings nothing', async () => {
  for (const secret of ['', 'wrong-wrong-wrong-wrong', `${site.secrets.CRON_SECRET}x`, site.secrets.CRON_SECRET.slice(1)]) {
    const answer = await invoke(crons[0].path, { secret });
    assert.deepEqual([answer.status, answer.json.code], [401, 'unauthorized']);
  }
  assert.deepEqual(await runsOf(site), {});
});

test("the function: cronward's refusal is passed on as it is", async () => {
  const other = 'another-secret-than-that-of-cronward';
  const answer = await invoke(crons[0].path, { secret: other, env: { CRON_SECRET: other, CRON_JOB_API_KEY: '' } });
  assert.deepEqual([answer.status, answer.json.code], [401, 'unauthorized']);
  const lost = await invoke('/api/cronward?route=/api/workers/nothing');
  assert.deepEqual([lost.status, lost.json.code], [404, 'not_found']);
});

test('the function: no route but a path below /api of APP_URL', async () => {
  for (const route of ['', '/', '//evil.example/api/x', 'https://evil.example/api/x', '/api/../healthz', '/api/x?y', '/api/%2e%2e/x', '/healthz', '/api//x', '\\api\\x'])
    assert.equal((await invoke(`/api/cronward?route=${encodeURIComponent(route)}`)).status, 400, route);
});

test('the function: what else the path says reaches the route', async (t) => {
  const seen = [];
  const server = http.createServer((q, s) => { seen.push(`${q.method} ${q.url}`); s.writeHead(302, { location: '/elsewhere' }).end('{}'); });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  const answer = await invoke('/api/cronward?route=/api/cron/sync-integrations&interval=15min', { env: { APP_URL: `http://127.0.0.1:${server.address().port}/` } });
  assert.deepEqual(seen, ['POST /api/cron/sync-integrations?interval=15min&busy=200']);
  assert.equal(answer.status, 302, 'no redirect is followed');
});

test('the function: settings that are missing, and a host that is away, are said in the shape of the contract', async () => {
  for (const name of ['APP_URL', 'CRON_SECRET']) {
    const answer = await invoke(crons[0].path, { env: { [name]: '' } });
    assert.deepEqual([answer.status, answer.json.code, answer.json.run], [503, 'not_configured', null]);
  }
  const answer = await invoke(crons[0].path, { env: { APP_URL: `https://127.0.0.1:${await freePort()}` } });
  assert.deepEqual([answer.status, answer.json.code, answer.json.success], [502, 'unavailable', false]);
});

test('the function: it gives cronward longer than a run takes, and Vercel gives it longer still', () => {
  const ms = Number(/TIMEOUT_MS = ([\d_]+)/.exec(shipped('vercel/api/cronward.mjs'))[1].replaceAll('_', ''));
  assert.ok(ms > 30_000 && ms < functions['api/cronward.mjs'].maxDuration * 1000);
});

// The rewrite: the project's host passes what comes to the other one, path parameters filled in.
const rewrite = JSON.parse(shipped('vercel/vercel.rewrite.json'));
let front;
before(async () => {
  const ca = site.ca;
  const server = http.createServer((q, s) => {
    const url = new URL(q.url, 'http://x');
    const rule = rewrite.rewrites.map(({ source, destination }) => ({ destination, match: new RegExp(`^${source.replace(/:(\w+)/g, '(?<$1>[^/]+)')}$`).exec(url.pathname) }))
      .find(({ match }) => match);
    if (!rule) return s.writeHead(404).end();
    const target = rule.destination.replace('https://cron.example.com', origin).replace(/:([a-z]\w*)/g, (_, name) => rule.match.groups[name]) + url.search;
    const { host, ...headers } = q.headers;
    const onward = https.request(target, { method: q.method, headers: { ...headers, 'x-forwarded-host': host }, ca, agent: false }, (answer) => {
      s.writeHead(answer.statusCode, answer.headers);
      answer.pipe(s);
    });
    onward.on('error', () => s.writeHead(502).end());
    q.pipe(onward);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  server.unref();
  front = `http://127.0.0.1:${server.address().port}`;
});

// Vercel knows one secret alone, so the others get its value, as the page says.
async function equalSecrets() {
  for (const name of ['CRON_JOB_API_KEY', 'WORKER_SECRET_TOKEN']) {
    const file = path.join(site.state, 'secrets', name);
    writeFileSync(`${file}.new`, `${site.secrets.CRON_SECRET}\n`);
    renameSync(`${file}.new`, file);
  }
  // Each process sees for itself that a file has changed.
  for (const at of list.filter((one) => one.secret !== 'CRON_SECRET').map((one) => one.path))
    await until(async () => (await Promise.all(Array.from({ length: 30 }, () => site.call('GET', `${at}?busy=200&run=1`, { headers: { authorization: `Bearer ${site.secrets.CRON_SECRET}` } }))))
      .every((answer) => answer.status === 200), { what: `${at} to take CRON_SECRET` });
  await query('TRUNCATE cron_job_executions');
}

test('the rewrite: each cron job runs its worker by GET, as Vercel calls', async () => {
  await equalSecrets();
  for (const { path: at, schedule } of rewrite.crons) {
    const answer = await httpCall(front, 'GET', at, { headers: headersOf(schedule, site.secrets.CRON_SECRET) });
    assert.equal(answer.status, 200, answer.body);
    assert.ok(answer.json.run.id);
  }
  assert.deepEqual(await runsOf(site), once);
});

test('the rewrite: without the secret, and for other paths, nothing', async () => {
  assert.equal((await httpCall(front, 'GET', rewrite.crons[0].path, { headers: headersOf('*/5 * * * *') })).status, 401);
  assert.equal((await httpCall(front, 'GET', '/healthz', { headers: headersOf('*/5 * * * *', site.secrets.CRON_SECRET) })).status, 404);
  assert.deepEqual(await runsOf(site), {});
});

test('the rewrite: all at once', async () => {
  const answers = await Promise.all([...rewrite.crons, ...rewrite.crons].map(({ path: at, schedule }) =>
    httpCall(front, 'GET', at, { headers: headersOf(schedule, site.secrets.CRON_SECRET) })));
  assert.deepEqual(answers.map((answer) => answer.status), answers.map(() => 200));
});
