// Events from outside through the product's own nginx: under load, while PostgreSQL is restarted, and
// what nginx does about them.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, test } from 'node:test';
import { tempFolder } from '../lib/clean.mjs';
import { signed } from '../lib/inbound.mjs';
import { isAlive, killNow, start } from '../lib/process.mjs';
import { root } from '../lib/program.mjs';
import { Site } from '../lib/site.mjs';
import { report, size } from '../lib/sizes.mjs';
import { many, until } from '../lib/wait.mjs';

const RATE = 500;
const SECONDS = size(3, 60);
// What the requests are measured against: a figure at the full size, in check that nothing stood still.
const P99_MS = size(1000, 50);

const site = await Site.start();
after(() => site.end());
const telebirr = { name: 'telebirr', scheme: 'hmac-sha256-hex', at: '/api/payments/webhook/telebirr', secret: site.secrets.TELEBIRR_WEBHOOK_SECRET };
const send = (body, { at = telebirr.at, ...options } = {}) => site.call('POST', at, { headers: signed(telebirr, body), body, ...options });
const value = async (sql) => Object.values((await site.query(sql))[0])[0];
const access = () => site.log('cronward.access.log').trim().split('\n').filter(Boolean).map((line) => JSON.parse(line));

// Each event that was handled, however often.
await site.query('CREATE TABLE handled (event_id text)');
await site.query(`CREATE FUNCTION take_event(event jsonb) RETURNS void LANGUAGE sql AS $$INSERT INTO handled VALUES (event->>'event_id')$$`);
await site.query(`CREATE FUNCTION take_slowly(event jsonb) RETURNS void LANGUAGE sql AS $$SELECT pg_sleep(0.3); SELECT take_event(event)$$`);
await site.query(`INSERT INTO event_handlers (provider, type_pattern, action) VALUES ('telebirr', 'payment.slow', 'take_slowly'), ('telebirr', 'payment.*', 'take_event')`);

// Sends signed events, one each 1/RATE s on 64 connections, until it is ended: then wrk's figures, and
// the status and the id or code of each answer.
function load(seconds) {
  const folder = tempFolder('wrk');
  const [events, answers, log] = ['events', 'answers', 'log'].map((name) => path.join(folder, name));
  const lines = Array.from({ length: RATE * seconds }, (_, i) => {
    const body = JSON.stringify({ event_id: `load-${i}`, type: i % 100 === 0 ? 'payment.slow' : 'payment.completed', amount: i });
    return `${telebirr.at} ${signed(telebirr, body)['x-webhook-signature']} ${body}\n`;
  });
  writeFileSync(events, lines.join(''));
  const wrk = start('wrk', ['-t1', '-c64', `-d${seconds}s`, '-s', path.join(root, 'tests/fault/inbound.lua'), `https://127.0.0.1:${site.portTls}`],
    { env: { ...process.env, EVENTS: events, ANSWERS: answers, PACE_US: String(1e6 / RATE) }, log });
  return async () => {
    await wrk.stop('SIGINT');
    const told = readFileSync(log, 'utf8');
    const all = readFileSync(answers, 'utf8').trim().split('\n').map((line) => line.split(' '));
    return { ...JSON.parse(/^\{.*\}$/m.exec(told)?.[0] ?? assert.fail(told)), answers: all };
  };
}

async function restartPostgres() {
  const pid = site.pid('postgres');
  // At the full size by its immediate shutdown, which is a crash.
  killNow(pid, size('SIGINT', 'SIGQUIT'));
  await until(() => !isAlive(pid), { what: 'PostgreSQL to end', timeoutMs: 30_000 });
  await site.local('up');
}

test(`${RATE} events a second through nginx while PostgreSQL is restarted: what is answered 200 is stored, and handled once`, async (t) => {
  const began = Date.now();
  const end = load(SECONDS + 60);
  const stored = () => value('SELECT count(*)::int FROM webhook_events');
  const more = (count) => until(async () => await stored() > count, { what: `more than ${count} events`, timeoutMs: 30_000 });
  await more(RATE / 2);
  await restartPostgres();
  await more(await stored() + RATE / 2);
  await until(() => Date.now() >= began + SECONDS * 1000, { what: 'the end', timeoutMs: (SECONDS + 1) * 1000 });
  const { answers, p50, p99, max, requests, us, lost } = await end();
  const counts = answers.reduce((sum, [status, word]) => ({ ...sum, [status === '200' ? status : word]: (sum[status === '200' ? status : word] ?? 0) + 1 }), {});
  assert.deepEqual(Object.keys(counts).sort(), ['200', 'database_unavailable'], JSON.stringify(counts));
  assert.equal(lost, 0);
  // What was acknowledged, and what was stored although the connection went away before anybody knew.
  const ids = answers.filter(([status]) => status === '200').map(([, id]) => id);
  assert.equal(new Set(ids).size, ids.length);
  const found = await site.query('SELECT count(*)::int AS n FROM webhook_events WHERE id = ANY ($1::uuid[])', [ids]);
  assert.equal(found[0].n, ids.length, 'an event that was acknowledged is not there');
  // What was claimed when the server went is due again when its lease is over.
  await site.query(`UPDATE webhook_events SET lease_until = clock_timestamp(), waits_until = clock_timestamp() WHERE waits_until IS NOT NULL AND claim_token IS NOT NULL`);
  await until(async () => {
    await site.query(`UPDATE webhook_events SET waits_until = clock_timestamp() WHERE waits_until > clock_timestamp() AND lease_until IS NULL`);
    await site.call('POST', '/api/cron/retry-webhooks', { headers: { authorization: `Bearer ${site.secrets.CRON_SECRET}` } });
    return await value(`SELECT count(*)::int FROM webhook_events WHERE status <> 'processed'`) === 0;
  }, { what: 'all events to be processed', timeoutMs: 60_000, everyMs: 100 });
  // What was under way when wrk ended is there by now.
  const there = await stored();
  assert.ok(there >= ids.length && there <= requests + 64, `${there} stored, ${ids.length} acknowledged, ${requests} sent`);
  assert.deepEqual(await site.query(`SELECT count(*)::int AS handled, count(DISTINCT event_id)::int AS events FROM handled`), [{ handled: there, events: there }]);
  const runs = await value(`SELECT count(*)::int FROM cron_job_executions WHERE job_name = 'inbound-payments'`);
  report(t, 'Events while PostgreSQL restarts', {
    'events/s': Math.round(requests / us * 1e6), p50: `${(p50 / 1000).toFixed(1)} ms`, p99: `${(p99 / 1000).toFixed(1)} ms`, max: `${Math.round(max / 1000)} ms`,
    acknowledged: ids.length, 'refused (503)': counts.database_unavailable, 'acknowledged and lost': ids.length - found[0].n, 'handled twice': 0, runs,
  });
  assert.ok(requests / us * 1e6 > size(0, 0.95) * RATE, `${requests} requests in ${us / 1e6} s`);
  assert.ok(p99 / 1000 < P99_MS, `p99 ${p99 / 1000} ms`);
});

test("nginx takes 4 MB, logs no provider's address that may be a secret, and its own errors have the shape of ours", async () => {
  const big = await send(`{"event_id":"big","a":"${'x'.repeat(4 * 1024 * 1024 - 30)}"}`);
  assert.equal(big.status, 200, big.body.slice(0, 300));
  const bigger = await send(Buffer.alloc(4 * 1024 * 1024 + 1, 32));
  assert.deepEqual([bigger.status, bigger.json?.code], [413, 'too_large']);
  const secret = 'a-secret-that-went-astray';
  for (const at of [`/api/payments/webhook/${secret}`, `/api/payments/webhook/x/${secret}`, `/api/whatsapp/webhook?hub.verify_token=${secret}`]) await send('{}', { at });
  const challenge = `/api/whatsapp/webhook?hub.mode=subscribe&hub.challenge=42&hub.verify_token=${site.secrets.WHATSAPP_VERIFY_TOKEN}`;
  const echoed = await site.call('GET', challenge);
  assert.deepEqual([echoed.status, echoed.body, echoed.headers['content-type'], echoed.headers['x-content-type-options']], [200, '42', 'text/plain; charset=utf-8', 'nosniff']);
  const paths = await until(() => {
    const lines = access().filter((line) => line.path.startsWith('/api/')).slice(-6).map((line) => line.path);
    return lines.slice(-2).every((at) => at === '/api/whatsapp/webhook') && lines;
  }, { what: 'the access log' });
  assert.deepEqual([...new Set(paths)].sort(), ['/api/payments/webhook/*', '/api/whatsapp/webhook']);
  const logs = ['cronward.access.log', 'cronward.error.log', 'nginx.log', 'inbound.log'].map((name) => site.log(name)).join('');
  for (const word of [secret, site.secrets.WHATSAPP_VERIFY_TOKEN, telebirr.secret]) assert.ok(!logs.includes(word));
});

test('events have a rate of their own, far above that of callers', async () => {
  const answers = await many(200, 60, (i) => send(`{"event_id":"rate-${i}"}`));
  assert.deepEqual([...new Set(answers.map(({ status }) => status))], [200]);
});
