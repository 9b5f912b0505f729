// The whole product behind its own nginx, started by its own scripts.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { after, test } from 'node:test';
import tls from 'node:tls';
import { rawStatuses } from '../lib/http.mjs';
import { cleanEnv, run } from '../lib/process.mjs';
import { root } from '../lib/program.mjs';
import { Receiver } from '../lib/receiver.mjs';
import { Site } from '../lib/site.mjs';
import { full } from '../lib/sizes.mjs';
import { many, until } from '../lib/wait.mjs';
import { newSecret } from '../lib/webhooks.mjs';

const ROUTES = ['/api/workers/webhookRetry', '/api/workers/notificationExpiry', '/api/workers/dataArchival'];
const RETRY = ROUTES[0];

const site = await Site.start({ env: { RATE_LIMIT: '2000r/s', RATE_BURST: '2000' } });
const receiver = await Receiver.start({ host: '127.0.0.1' });
after(() => site.end());

function assertNginxError(answer, status, code) {
  assert.equal(answer.status, status, answer.body);
  assert.deepEqual([answer.json?.success, answer.json?.code, answer.json?.run], [false, code, null], answer.body);
  assert.match(answer.headers['content-type'], /^application\/json/);
  assert.equal(answer.headers['cache-control'], 'no-store');
}

const access = () => site.log('cronward.access.log').trim().split('\n').filter(Boolean).map((line) => JSON.parse(line));

test("the three commands of seed 000 work verbatim with the key from cronward.env", async () => {
  for (const route of ROUTES) {
    const script = `. ${site.var}/cronward.env
curl -X POST http://localhost:${site.portHttp}${route} \\
  -H "Authorization: Bearer $CRON_JOB_API_KEY"`;
    const done = await run('bash', ['-c', script], { env: cleanEnv({ no_proxy: '*' }) });
    assert.equal(done.code, 0, done.stderr);
    assert.ok(JSON.parse(done.stdout).run.id, done.stdout);
  }
});

test('an event is delivered through all of it', async () => {
  const secret = newSecret();
  await site.query('INSERT INTO app_webhooks (url, secret) VALUES ($1, $2)', [receiver.url('/ok/site', secret), secret]);
  await site.query(`INSERT INTO platform_events (event_type, payload) VALUES ('site.checked', '{}')`);
  const answer = await site.authorized('POST', RETRY);
  assert.deepEqual([answer.status, answer.json.succeeded], [200, 1], answer.body);
  assert.deepEqual(receiver.requests.map((one) => one.refusal), [undefined]);
});

test('GET, POST and a trailing slash are the same; there is no redirect', async () => {
  for (const route of ROUTES) {
    for (const [method, at] of [['GET', route], ['POST', route], ['POST', `${route}/`], ['GET', `${route}/?busy=200`]]) {
      const answer = await site.authorized(method, at);
      assert.equal(answer.status, 200, `${method} ${at}: ${answer.body}`);
    }
  }
});

test('replies are small and carry what they should; what nginx logs is not passed on', async () => {
  const answer = await site.authorized('POST', RETRY);
  assert.equal(answer.headers['cache-control'], 'no-store');
  assert.equal(Number(answer.headers['content-length']), Buffer.byteLength(answer.body));
  assert.match(answer.headers['strict-transport-security'], /^max-age=\d{7,}/);
  assert.equal(Object.keys(answer.headers).filter((name) => name.startsWith('x-cron')).length, 0);
  assert.equal(answer.headers.server, 'nginx');
  const size = Object.entries(answer.headers).reduce((sum, [k, v]) => sum + k.length + String(v).length + 4, answer.body.length + 20);
  assert.ok(size < 4096, `${size} bytes`);
});

test('the access log is JSON with worker, run, outcome and items, and holds no secret', async () => {
  const secret = site.key;
  await site.authorized('POST', `${RETRY}?secret=${secret}`, { headers: { referer: `https://x/?secret=${secret}`, 'user-agent': 'cron-job.org' } });
  await site.call('POST', `${RETRY}?secret=${secret}`, { headers: { 'x-cron-secret': 'wrong' } });
  await site.authorized('POST', `${RETRY}?secret=${secret}`, { body: 'x'.repeat(70_000) });
  await site.call('GET', `/nowhere?secret=${secret}`, { headers: { referer: `https://x/?secret=${secret}` } });
  await until(() => access().some((line) => line.path === '/nowhere'));
  const done = access().find((line) => line.path === RETRY && line.status === 200);
  assert.deepEqual([done.worker, done.outcome, typeof done.items], ['webhook-retry', 'success', 'string']);
  assert.match(done.run, /^[0-9a-f-]{36}$/);
  assert.ok(access().some((line) => line.outcome === 'denied' && line.status === 401));
  for (const name of ['cronward.access.log', 'cronward.error.log', 'nginx.log', 'workers.log', 'api.log', 'async.log', 'inbound.log', 'postgres.log', 'migrate.log', 'config.log'])
    for (const one of Object.values(site.secrets).filter((value) => !value.startsWith('postgresql'))) assert.ok(!site.log(name).includes(one), name);
});

test('no process shows a secret in its environment or arguments', async () => {
  for (const pool of ['workers', 'api', 'inbound', 'async'])
    for (const pid of [site.pid(pool), ...site.processes(pool)])
      for (const file of ['environ', 'cmdline']) {
        const text = readFileSync(`/proc/${pid}/${file}`, 'latin1');
        assert.ok(!text.includes(site.key) && !text.includes(site.secrets.CRON_SECRET), `${pool} ${pid} ${file}`);
      }
});

test('the sockets admit nobody but nginx and the pools', async () => {
  const { statSync } = await import('node:fs');
  const folder = path.dirname(readFileSync(path.join(site.state, 'nginx/cronward.conf'), 'utf8').match(/unix:([^"]+)workers\.sock/)[1] + 'x');
  assert.equal(statSync(folder).mode & 0o007, 0);
  for (const pool of ['workers', 'api', 'inbound', 'async']) assert.equal(statSync(path.join(folder, `${pool}.sock`)).mode & 0o777, 0o660);
});

test("nginx's own errors have the contract's shape", async () => {
  assertNginxError(await site.authorized('POST', RETRY, { body: 'x'.repeat(70_000) }), 413, 'too_large');
  assertNginxError(await site.call('TRACE', RETRY), 405, 'method_not_allowed');
  assertNginxError(await site.call('GET', RETRY, { headers: { 'x-big': 'x'.repeat(9000) } }), 400, 'bad_request');
  assertNginxError(await site.call('GET', `/${'a'.repeat(9000)}`), 400, 'bad_request');
  assertNginxError(await site.call('GET', '/%00'), 400, 'bad_request');
  assertNginxError(await site.call('GET', '/../../etc/passwd'), 400, 'bad_request');
});

test("the program's errors pass unchanged", async () => {
  const wrong = await site.call('POST', RETRY, { headers: { authorization: 'Bearer wrong-wrong-wrong-wrong' } });
  assert.deepEqual([wrong.status, wrong.json.code, wrong.headers['www-authenticate']], [401, 'unauthorized', 'Bearer']);
  const lost = await site.call('GET', '/nowhere');
  assert.deepEqual([lost.status, lost.json.code], [404, 'not_found']);
  const method = await site.authorized('PUT', RETRY);
  assert.deepEqual([method.status, method.json.code, method.headers.allow], [405, 'method_not_allowed', 'GET, POST']);
});

test('requests that two readers could read in two ways run nothing', async () => {
  const key = site.key;
  const head = (lines) => `POST ${RETRY} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`;
  const auth = `Authorization: Bearer ${key}`;
  const probes = [
    [head(['Host: x', auth, 'Content-Length: 0', 'Content-Length: 5']), 'two lengths'],
    [`${head(['Host: x', auth, 'Content-Length: 4', 'Transfer-Encoding: chunked'])}0\r\n\r\nGET /healthz HTTP/1.1\r\nHost: x\r\n\r\n`, 'length and chunked'],
    [head(['Host: x', 'Host: y', auth, 'Content-Length: 0']), 'two hosts'],
    [`${head(['Host: x', auth, 'Transfer-Encoding : chunked'])}0\r\n\r\n`, 'a space before the colon'],
    [`${head(['Host: x', auth, 'Transfer-Encoding: xchunked'])}0\r\n\r\n`, 'an unknown coding'],
    [head(['Host: x', `X-A: a\0b`, auth, 'Content-Length: 0']), 'a NUL'],
    [`POST ${RETRY} HTTP/9.9\r\nHost: x\r\n${auth}\r\nContent-Length: 0\r\n\r\n`, 'HTTP/9.9'],
    [head(['Host: x', auth, 'Authorization: Bearer another-secret-altogether', 'Content-Length: 0']), 'two Authorization headers'],
    [head(['Host: x', `X_Cron_Secret: ${key}`, 'Content-Length: 0']), 'underscores'],
    [head(['Host: x', `X.Cron.Secret: ${key}`, 'Content-Length: 0']), 'dots'],
    [head(['Host: x', auth, 'Content-Length: +0']), 'a signed length'],
  ];
  const before = (await site.query('SELECT count(*)::int AS n FROM cron_job_executions'))[0].n;
  for (const [bytes, what] of probes) {
    const statuses = await rawStatuses(site.portTls, site.ca, bytes);
    assert.ok(statuses.length <= 1, `${what}: ${statuses}`);
    assert.ok(statuses.every((status) => status >= 400), `${what}: ${statuses}`);
  }
  assert.equal((await site.query('SELECT count(*)::int AS n FROM cron_job_executions'))[0].n, before);
});

test('a Proxy header does not become a setting', async () => {
  receiver.forget();
  await site.query(`INSERT INTO platform_events (event_type, payload) VALUES ('proxy.checked', '{}')`);
  const answer = await site.authorized('POST', RETRY, { headers: { proxy: 'http://127.0.0.1:1/' } });
  assert.equal(answer.json.succeeded, 1);
});

test('TLS 1.2 and 1.3 with an ECDSA certificate; nothing older', async () => {
  const connect = (version) => new Promise((resolve) => {
    const link = tls.connect({ port: site.portTls, host: '127.0.0.1', ca: site.ca, servername: 'localhost', minVersion: version, maxVersion: version,
      ciphers: 'ALL:@SECLEVEL=0' }, () => {
      resolve({ version: link.getProtocol(), cipher: link.getCipher().standardName ?? link.getCipher().name });
      link.destroy();
    });
    link.once('error', (e) => resolve({ error: e.code ?? e.message }));
  });
  assert.equal((await connect('TLSv1.2')).version, 'TLSv1.2');
  assert.match((await connect('TLSv1.2')).cipher, /ECDSA/);
  assert.equal((await connect('TLSv1.3')).version, 'TLSv1.3');
  for (const old of ['TLSv1', 'TLSv1.1']) assert.ok((await connect(old)).error, old);
});

test('respond-async goes to a pool of its own, and its execution is answered beside a busy one', async () => {
  await site.query('UPDATE app_webhooks SET url = $1', [receiver.url('/slow/800')]);
  await site.query(`INSERT INTO platform_events (event_type, payload) VALUES ('async.checked', '{}')`);
  const answer = await site.authorized('POST', RETRY, { headers: { prefer: 'respond-async' } });
  assert.equal(answer.status, 202, answer.body);
  assert.ok(answer.ms < 800, `${answer.ms} ms`);
  const poll = await site.authorized('GET', answer.headers.location);
  assert.equal(poll.json.status, 'running');
  await until(async () => (await site.authorized('GET', answer.headers.location)).json.status === 'success', { what: 'the run to end' });
  assert.ok(site.log('async.log').includes(answer.json.run.id));
  assert.ok(!site.log('workers.log').includes(answer.json.run.id));
});

test('every worker and a burst of pages rung at the same moment: none waits for another', async () => {
  await site.query(`INSERT INTO platform_events (event_type, payload) VALUES ('burst.checked', '{}')`);
  await site.query('UPDATE app_webhooks SET url = $1', [receiver.url('/slow/1500')]);
  const [workers, reads] = await Promise.all([
    Promise.all(ROUTES.map((route) => site.authorized('POST', route))),
    many(60, 60, (i) => site.call('GET', i % 2 ? '/healthz' : '/readyz')),
  ]);
  assert.deepEqual(workers.map((answer) => answer.status), [200, 200, 200]);
  assert.ok(workers[1].ms < 1200 && workers[2].ms < 1200, workers.map((answer) => answer.ms).join());
  assert.deepEqual([...new Set(reads.map((answer) => answer.status))], [200]);
});

test('an address that is not on the list may not call workers, but may read', async () => {
  const undo = await site.change('allow.conf', () => 'allow 192.0.2.1;\ndeny all;\n');
  for (const at of [RETRY, `${RETRY}/`, '/api/workers/dataArchival', '/api/cron/executions/x'])
    assertNginxError(await site.authorized('POST', at), 403, 'address_denied');
  assert.equal((await site.call('GET', '/healthz')).status, 200);
  await undo();
  assert.equal((await site.authorized('POST', RETRY)).status, 200);
});

// The rules of hazards that a configuration must follow, over what nginx really reads.
const config = (await site.local('nginx-config'));
const rules = {
  'a call is passed on once': (t) => /fastcgi_next_upstream off;/.test(t) && !/fastcgi_next_upstream (?!off;)/.test(t),
  'no failed call puts a pool aside': (t) => [...t.matchAll(/^\s*server\s+"?unix:[^;]*;/gm)].every(([line]) => /max_fails=0/.test(line)),
  'no connection to a pool is kept': (t) => !/fastcgi_keep_conn on/.test(t) && !/^\s*keepalive \d/m.test(t),
  'httpoxy is answered': (t) => /fastcgi_param HTTP_PROXY "";/.test(t),
  'no $tcpinfo': (t) => !/\$tcpinfo/.test(t),
  'TLS 1.2 and 1.3 alone': (t) => [...t.matchAll(/ssl_protocols ([^;]+);/g)].every(([, v]) => v === 'TLSv1.2 TLSv1.3') && /ssl_protocols/.test(t),
  'no request line, query, URI with query or referer in a log': (t) =>
    [...t.matchAll(/log_format\s+[^;]+;/g)].every(([f]) => !/\$(request\b|request_uri|args|query_string|http_referer|http_authorization|http_x_cron_secret)/.test(f)),
  'the error log stays above messages with request lines': (t) => [...t.matchAll(/error_log [^;]*cronward[^;]*;/g)].every(([l]) => /emerg;$/.test(l)),
  'bodies are limited': (t) => /client_max_body_size 64k;/.test(t),
  'slow callers are cut off': (t) => /client_header_timeout 5s;/.test(t) && /client_body_timeout 5s;/.test(t),
  'refused by rate is 429': (t) => /limit_req_status 429;/.test(t) && /limit_req zone=/.test(t),
  'a burst of at least 60': (t) => [...t.matchAll(/burst=(\d+)/g)].every(([, n]) => Number(n) >= 60),
  'underscores in headers are dropped': (t) => !/underscores_in_headers on/.test(t),
  'no version is shown': (t) => /server_tokens off;/.test(t),
  'the program outlasts no read timeout': (t) => [...t.matchAll(/fastcgi_read_timeout (\d+)s;/g)].every(([, s]) => Number(s) >= 25 + 5),
  'worker routes have an allowlist that ends in deny': (t) => /deny all;/.test(t),
  'four upstreams': (t) => ['workers', 'api', 'inbound', 'async'].every((name) => new RegExp(`upstream cronward_${name} `).test(t)),
  'no redirect': (t) => !/return 30\d/.test(t) && !/\brewrite\b/.test(t),
  'errors of the program pass': (t) => !/fastcgi_intercept_errors on/.test(t),
  'nothing but the pools is served': (t) => !/\b(root|alias|proxy_pass|autoindex on)\b\s/.test(t.replaceAll(/proxy_temp_path[^;]*;/g, '')),
  'HSTS': (t) => /Strict-Transport-Security/.test(t),
  'wait in the queue is told': (t) => /fastcgi_param REQUEST_MSEC \$msec;/.test(t),
};
for (const [name, holds] of Object.entries(rules)) {
  test(`nginx -T: ${name}`, () => {
    const text = config.replaceAll(/^\s*#.*$/gm, '').replaceAll(/[ \t]+/g, ' ');
    assert.ok(text.length > 2000);
    assert.ok(holds(text), name);
  });
}

test('nginx -t is clean', async () => {
  const done = await run('nginx', ['-e', 'stderr', '-t', '-p', path.join(site.state, 'nginx'), '-c', path.join(site.state, 'nginx/nginx.conf')],
    { env: cleanEnv({ PATH: site.env.PATH }) });
  assert.equal(done.code, 0, done.stderr);
  assert.ok(!/warn|emerg/.test(done.stderr), done.stderr);
});

test('calls beyond the rate are 429 rate_limited with Retry-After; a burst of 60 passes', async (t) => {
  const other = await Site.start({ env: { RATE_LIMIT: '1r/s', RATE_BURST: '60', PLAIN_HTTP: 'refuse' } });
  t.after(() => other.end());
  const answers = await many(90, 30, () => other.call('GET', '/healthz'));
  const passed = answers.filter((answer) => answer.status === 200);
  const limited = answers.filter((answer) => answer.status === 429);
  assert.equal(passed.length + limited.length, 90);
  assert.ok(passed.length >= 60, `${passed.length} passed`);
  assert.ok(limited.length >= 10);
  assertNginxError(limited[0], 429, 'rate_limited');
  assert.ok(Number(limited[0].headers['retry-after']) > 0);

  // The same site refuses worker routes over plain HTTP.
  for (const at of [...ROUTES, '/api/cron/executions/x', '/api/jobs'])
    assertNginxError(await other.call('POST', at, { plain: true, localAddress: '127.0.0.9', headers: { authorization: `Bearer ${other.key}` } }), 403, 'https_required');
  assert.equal((await other.query('SELECT count(*)::int AS n FROM cron_job_executions'))[0].n, 0);
});

test('a pool that is gone: 502 unavailable with Retry-After, the other pools unharmed', async () => {
  process.kill(site.pid('async'), 'SIGTERM');
  await until(async () => (await site.authorized('POST', RETRY, { headers: { prefer: 'respond-async' } })).status === 502, { what: 'the pool to end', everyMs: 50 });
  const answer = await site.authorized('POST', RETRY, { headers: { prefer: 'respond-async' } });
  assertNginxError(answer, 502, 'unavailable');
  assert.ok(Number(answer.headers['retry-after']) > 0);
  assert.equal((await site.authorized('POST', RETRY)).status, 200);
  await site.local('up');
  assert.equal((await site.authorized('POST', RETRY, { headers: { prefer: 'respond-async' } })).status, 202);
});

// Takes 16 s, so only at full size.
if (full) test('a pool that hangs: 504 unavailable', async (t) => {
  const other = await Site.start({ env: { RUN_BUDGET_S: '1', RATE_LIMIT: '2000r/s', RATE_BURST: '2000' } });
  t.after(() => other.end());
  for (const pid of other.processes('api')) process.kill(pid, 'SIGSTOP');
  const answer = await other.call('GET', '/readyz');
  for (const pid of other.processes('api')) process.kill(pid, 'SIGCONT');
  assertNginxError(answer, 504, 'unavailable');
});

test('up again changes nothing; down and up lose nothing', async () => {
  const rows = () => site.query('SELECT (SELECT count(*)::int FROM platform_events) AS events, (SELECT count(*)::int FROM webhook_attempts) AS attempts');
  const before = await rows();
  const pids = ['postgres', 'workers', 'nginx'].map((name) => site.pid(name));
  await site.local('up');
  assert.deepEqual(['postgres', 'workers', 'nginx'].map((name) => site.pid(name)), pids);
  const key = site.key;
  await site.local('down');
  assert.equal((await site.call('GET', '/healthz')).status, 0);
  await site.local('up');
  site.readSecrets();
  assert.equal(site.key, key);
  assert.deepEqual(await rows(), before);
  assert.equal((await site.authorized('POST', RETRY)).status, 200);
});

test('the demo delivers real requests, twice, and down and up keep its rows', async (t) => {
  const demo = await Site.start({ up: 'demo', env: { DEMO_RECEIVER: path.join(root, 'build/release/demo-receiver') } });
  t.after(() => demo.end());
  const seen = () => demo.log('receiver.log').split('\n').filter((line) => line.startsWith('verified')).length;
  const first = seen();
  assert.ok(first > 0);
  const output = await demo.local('demo');
  assert.ok(seen() > first);
  for (const word of ['"retried"', '"expired"', '"archived_events"', '"processed":3,"succeeded":3', '"processed":2,"succeeded":1,"failed":1', '"jobId"', '"not_configured"', 'that is right: no mail goes out',
    '"processed":2,"succeeded":2,"failed":0', '"duplicate":false', '"duplicate":true', '"unauthorized"', 'booked 42 in 1 row', `https://127.0.0.1:${demo.portTls}`]) assert.ok(output.includes(word), word);
  const count = () => demo.query('SELECT count(*)::int AS n FROM webhook_deliveries');
  const before = await count();
  await demo.local('down');
  await demo.local('up');
  assert.deepEqual(await count(), before);
});
