// Receivers that misbehave: each ends in the right row state, inside the budget, and does not slow
// the others.  Forbidden addresses see no connection, whatever form they take.
import assert from 'node:assert/strict';
import { after, beforeEach, test } from 'node:test';
import { memoryKb } from '../lib/process.mjs';
import { Receiver } from '../lib/receiver.mjs';
import { canary, Stand } from '../lib/stand.mjs';
import { strangerCertificate } from '../lib/tls.mjs';

const TIMEOUT_S = 2;
const stand = await Stand.create({ tls: true, env: { WEBHOOK_TIMEOUT_S: String(TIMEOUT_S), RUN_BUDGET_S: '8' } });
await stand.startPool({ size: 1 });
const trusted = await Receiver.start({ tls: true });
const stranger = await Receiver.start({ tls: true, certificate: strangerCertificate() });
const traps = [await canary('127.0.0.1'), await canary('::1').catch(() => undefined)].filter(Boolean);
after(() => stand.end());
beforeEach(async () => {
  await stand.db.rows('DELETE FROM app_webhooks');
  stand.receiver.forget();
});

// One delivery to this endpoint; its row afterwards, and how long the run took.
async function deliver(at, options = {}) {
  await stand.endpoint(at, options);
  const [id] = await stand.enqueue(1);
  const began = Date.now();
  const answer = await stand.call('webhook-retry');
  const row = await stand.delivery(id);
  const attempt = (await stand.db.rows('SELECT * FROM webhook_attempts WHERE delivery_id = $1', [id]))[0];
  return { row, attempt, answer, ms: Date.now() - began };
}

// at, status of the row, its HTTP status, what its error says
const misbehaviours = [
  ['/hang', 'pending', null, /time|timed/i],
  ['/reset', 'pending', null, /reset|closed|recv|receiv/i],
  ['/drip', 'pending', null, /time|timed/i],
  ['/half', 'pending', null, /./],
  ['/garbage', 'pending', null, /./],
  ['/flood', 'pending', null, /./],
  ['/longheader', 'pending', null, /./],
  ['/interim', 'pending', null, /./],
  ['/status/500', 'pending', 500, /HTTP 500/],
  ['/status/404', 'pending', 404, /HTTP 404/],
  ['/status/304', 'pending', 304, /HTTP 304/],
  ['/retryafter/60', 'pending', 429, /HTTP 429/],
  ['/gone', 'pending', 410, /HTTP 410/],
  ['/redirect/302', 'pending', 302, /HTTP 302/],
  ['/redirect/307', 'pending', 307, /HTTP 307/],
  ['/dirty', 'pending', 500, /HTTP 500: a/],
  ['/status/204', 'delivered', 204, null],
  ['/status/299', 'delivered', 299, null],
];
for (const [at, status, code, error] of misbehaviours) {
  test(`${at} leaves the row ${status}`, async () => {
    stand.receiver.redirectTo = `http://127.0.0.1:${traps[0].port}/`;
    const { row, attempt, ms } = await deliver(at);
    assert.equal(row.status, status);
    assert.equal(row.attempts, 1);
    assert.equal(row.last_status_code, code);
    if (error) assert.match(row.last_error, error);
    else assert.equal(row.last_error, null);
    assert.deepEqual([attempt.attempt, attempt.status_code], [1, code]);
    assert.equal(row.lease_until, null);
    assert.ok(ms < TIMEOUT_S * 1000 + 1000, `took ${ms} ms`);
    assert.equal(stand.receiver.requests.length, 1, 'asked once');
    assert.equal(traps.reduce((sum, trap) => sum + trap.connections, 0), 0, 'no redirect was followed');
  });
}

// A receiver that accepted and then goes on for ever has accepted: what counts is the status.
for (const at of ['/endless', '/gzip']) {
  test(`${at}: the body is cut off and costs no memory`, async () => {
    const before = memoryKb(stand.pool.processes()[0], 'VmHWM');
    const { row, ms } = await deliver(at);
    assert.equal(row.attempts, 1);
    assert.ok(['delivered', 'pending'].includes(row.status));
    assert.ok(ms < TIMEOUT_S * 1000 + 1000, `took ${ms} ms`);
    const grown = memoryKb(stand.pool.processes()[0], 'VmHWM') - before;
    assert.ok(grown < 16 * 1024, `grew by ${grown} kB`);
  });
}

test('a certificate that the settings trust is accepted, and its timings are recorded', async () => {
  const { row, attempt } = await deliver('/ok/tls', { receiver: trusted });
  assert.equal(row.status, 'delivered', row.last_error);
  assert.ok(attempt.tls_ms >= 0);
});

test('a certificate of a stranger is refused before anything is sent', async () => {
  const { row } = await deliver('/ok/tls', { receiver: stranger });
  assert.deepEqual([row.status, row.last_status_code], ['pending', null]);
  assert.match(row.last_error, /certificate|SSL|TLS/i);
  assert.equal(stranger.requests.length, 0);
});

test('a port on which nobody listens is a failure like others', async () => {
  const { row } = await deliver('/', { url: 'http://127.0.0.2:1/' });
  assert.deepEqual([row.status, row.attempts], ['pending', 1]);
  assert.match(row.last_error, /connect|refused/i);
});

test('a name that nobody knows is a failure like others', async () => {
  const { row } = await deliver('/', { url: 'http://no-such-host.invalid/' });
  assert.deepEqual([row.status, row.attempts], ['pending', 1]);
  assert.match(row.last_error, /resolve/i);
});

const v4 = traps.find((trap) => !trap.host.includes(':'));
const v6 = traps.find((trap) => trap.host.includes(':'));
const p4 = v4.port;
const p6 = v6?.port ?? 1;
// Forms of addresses that nothing may ever reach; loopback ones lead to a canary.
const forbidden = [
  `http://127.0.0.1:${p4}/`, `http://127.1:${p4}/`, `http://127.0.1:${p4}/`, `http://2130706433:${p4}/`, `http://0x7f000001:${p4}/`,
  `http://0x7f.0.0.1:${p4}/`, `http://0177.0.0.1:${p4}/`, `http://017700000001:${p4}/`, `http://0:${p4}/`, `http://0.0.0.0:${p4}/`,
  `http://localhost:${p4}/`, `http://LOCALHOST:${p4}/`, `http://foo.localhost:${p4}/`, `http://localhost.:${p4}/`,
  `http://[::1]:${p6}/`, `http://[0:0:0:0:0:0:0:1]:${p6}/`, `http://[::]:${p6}/`, `http://[::ffff:127.0.0.1]:${p4}/`,
  `http://[::ffff:7f00:1]:${p4}/`, `http://[::127.0.0.1]:${p4}/`, `http://[64:ff9b::127.0.0.1]:${p4}/`, `http://[64:ff9b::7f00:1]/`,
  `http://[2002:7f00:1::]/`, `http://[2002:a00:1::]/`, 'http://[::ffff:10.0.0.1]/', 'http://[fe80::1]/', 'http://[fe80::1%25lo]/',
  'http://[fc00::1]/', 'http://[fd12:3456::1]/', 'http://[ff02::1]/', 'http://[2001:db8::1]/', 'http://[2001::1]/', 'http://[100::1]/',
  'http://10.0.0.1/', 'http://10.255.255.255/', 'http://172.16.0.1/', 'http://172.31.255.255/', 'http://192.168.0.1/',
  'http://169.254.169.254/latest/meta-data/', 'http://100.64.0.1/', 'http://100.127.255.255/', 'http://192.0.0.1/', 'http://192.0.2.1/',
  'http://198.18.0.1/', 'http://198.51.100.1/', 'http://203.0.113.1/', 'http://224.0.0.1/', 'http://239.255.255.250/',
  'http://240.0.0.1/', 'http://255.255.255.255/', `http://127.0.0.3:${p4}/`, `https://127.0.0.1:${p4}/`,
];
test(`${forbidden.length} forms of forbidden addresses: dead letters with a reason, and no connection`, async () => {
  for (const [i, url] of forbidden.entries()) await stand.endpoint(`/forbidden/${i}`, { url });
  await stand.enqueue(1);
  await stand.call('webhook-retry');
  const rows = await stand.db.rows(
    `SELECT url, d.status, d.attempts, d.last_error, d.next_retry_at FROM webhook_deliveries d
       JOIN app_webhooks w ON w.id = d.webhook_id ORDER BY url`);
  assert.equal(rows.length, forbidden.length);
  // Some forms fail to parse or to resolve before there is an address to forbid: never a success.
  assert.deepEqual(rows.filter((row) => row.status === 'delivered'), []);
  const open = rows.filter((row) => row.status !== 'failed');
  for (const row of open) assert.match(row.last_error ?? '', /resolve/i, `${row.url}: ${row.last_error}`);
  for (const row of rows) assert.ok(row.last_error?.length > 5, row.url);
  assert.equal(traps.reduce((sum, trap) => sum + trap.connections, 0), 0);
});

const badUrls = [
  'file:///etc/passwd', 'ftp://127.0.0.2/x', 'gopher://127.0.0.2/x', 'dict://127.0.0.2/x', 'ldap://127.0.0.2/', 'smtp://127.0.0.2/',
  'telnet://127.0.0.2/', 'javascript:alert(1)', 'data:text/plain,x', 'HTTP+UNIX://x/', '//127.0.0.2/', '/etc/passwd', '', ' ', 'http://',
  'http:///path', 'not a url', 'http://user:password@127.0.0.2/', 'http://user@127.0.0.2/', 'http://127.0.0.2:0/', 'http://127.0.0.2:99999/',
  'http://127.0.0.2/\r\nX-Injected: 1', 'http://127.0.0.2/\nx', 'http://127.0.0.2/\tx', 'http://127.0.0.2/\u0001', 'http://127.0.0.2 /x',
  'http://[::1', 'http://[::ffff:127.0.0.2', 'http://exa mple.com/', `http://${'a'.repeat(300)}.example/`,
];
test(`${badUrls.length} URLs that are none of ours: dead letters with a reason that shows no password`, async () => {
  for (const [i, url] of badUrls.entries()) await stand.endpoint(`/bad/${i}`, { url });
  await stand.enqueue(1);
  const before = stand.receiver.connections;
  await stand.call('webhook-retry');
  const rows = await stand.db.rows(
    'SELECT url, d.status, d.last_error FROM webhook_deliveries d JOIN app_webhooks w ON w.id = d.webhook_id');
  assert.equal(rows.length, badUrls.length);
  for (const row of rows) {
    assert.notEqual(row.status, 'delivered', row.url);
    if (row.status !== 'failed') assert.match(row.last_error, /resolve|connect|refused/i, `${JSON.stringify(row.url)} waits: ${row.last_error}`);
    assert.ok(row.last_error && !row.last_error.includes('password'), row.last_error);
  }
  assert.equal(stand.receiver.connections, before);
  assert.equal(stand.receiver.requests.length, 0);
});

test('a proxy in the environment is not used', async () => {
  const proxy = traps[0].connections;
  await stand.endpoint('/ok/proxy');
  await stand.enqueue(1);
  const url = `http://127.0.0.1:${p4}/`;
  const done = await stand.cli(['run', 'webhook-retry'], { env: { http_proxy: url, HTTP_PROXY: url, ALL_PROXY: url, all_proxy: url } });
  assert.equal(JSON.parse(done.stdout).succeeded, 1, done.stdout);
  assert.equal(traps[0].connections, proxy);
});

test('the reply of a receiver is kept short and clean', async () => {
  const { row } = await deliver('/dirty');
  assert.ok(row.last_error.length <= 1024);
  // eslint-disable-next-line no-control-regex
  assert.ok(!/[\u0000-\u001f]/.test(row.last_error), JSON.stringify(row.last_error));
});

test('bodies with any text that JSON can hold arrive unchanged', async () => {
  await stand.endpoint('/ok/text');
  const texts = ['\u2028\u2029', '"\\/\b\f\n\r\t', 'é€😀', '\u001f', '<script>', `${'x'.repeat(100_000)}`, 'a\u00a0b', "'; DROP TABLE x; --", '%s%n%d'];
  for (const text of texts) await stand.enqueue(1, { payload: { text } });
  await stand.call('webhook-retry');
  const got = stand.receiver.requests.map((one) => JSON.parse(one.body).data.text);
  assert.deepEqual(new Set(got), new Set(texts));
  assert.deepEqual(stand.receiver.requests.filter((one) => one.refusal), []);
});

test('the others are not slowed by all of these together', async () => {
  for (const at of ['/hang', '/drip', '/reset', '/flood', '/endless', '/interim', '/retryafter/60']) await stand.endpoint(at);
  for (let i = 0; i < 4; i++) await stand.endpoint(`/ok/good/${i}`, { receiver: i % 2 ? trusted : stand.receiver });
  const quick = await Receiver.start();
  for (let i = 0; i < 4; i++) await stand.endpoint(`/ok/quick/${i}`, { receiver: quick });
  await stand.enqueue(60);
  const began = Date.now();
  const answer = await stand.call('webhook-retry');
  const took = Date.now() - began;
  assert.ok(took < 14_000, `the run took ${took} ms, its budget is 8 s and the hard end 5 s later`);
  assert.equal(answer.status, 200);
  // A host of its own: all it was owed, and early.
  assert.equal(quick.requests.length, 240);
  const last = Math.max(...quick.requests.map((one) => one.at)) - began;
  assert.ok(last < 3000, `the last quick delivery came after ${last} ms`);
  assert.equal(await stand.db.value(`SELECT count(*)::int FROM webhook_deliveries WHERE status = 'processing' OR lease_until IS NOT NULL`), 0);
  quick.stop();
});
