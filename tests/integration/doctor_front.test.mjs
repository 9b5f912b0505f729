// cronward doctor in front of nginx: what it sees of the real site, and of servers that are wrong.
import assert from 'node:assert/strict';
import http from 'node:http';
import net from 'node:net';
import path from 'node:path';
import { after, test } from 'node:test';
import tls from 'node:tls';
import { atExit } from '../lib/clean.mjs';
import { freePort } from '../lib/ports.mjs';
import { cleanEnv, run } from '../lib/process.mjs';
import { program } from '../lib/program.mjs';
import { Site } from '../lib/site.mjs';
import { certificates, strangerCertificate } from '../lib/tls.mjs';

const site = await Site.start();
after(() => site.end());

async function look(url, { env = {}, args = [] } = {}) {
  const done = await run(program(), ['doctor', '--json', ...args], {
    env: cleanEnv({ ...site.secrets, APP_URL: url, EGRESS_CA_FILE: path.join(site.var, 'tls/cert.pem'), ...env }) });
  const report = JSON.parse(done.stdout);
  assert.equal(done.code, report.ok ? 0 : 1, done.stdout);
  const of = (check) => report.findings.filter((one) => one.check === check);
  return {
    of,
    one(level, pattern, check = 'front') {
      const found = of(check).filter((one) => one.level === level && pattern.test(one.found));
      assert.equal(found.length, 1, `${level} ${pattern}: ${JSON.stringify(of(check), null, 1)}`);
      return found[0];
    },
    bad: (check) => of(check).filter((one) => one.level !== 'ok').map((one) => one.found),
  };
}

const secure = `https://127.0.0.1:${site.portTls}`;

// Changes a file of the site's until the answer is called.
const change = (name, from, to) => site.change(name, (text) => {
  assert.ok(text.includes(from), `${name} has no ${from}`);
  return text.replace(from, to);
});

test('the site as make up starts it has nothing wrong, and nothing ran', async () => {
  const args = ['--sockets', path.join(site.state, 'run/fcgi'), '--allow', path.join(site.state, 'nginx/cronward/allow.conf')];
  const found = await look(`${secure}/`, { args });
  for (const check of ['settings', 'database', 'pools', 'front', 'allowlist', 'encryption', 'connections']) assert.deepEqual(found.bad(check), [], check);
  found.one('ok', /^10 worker routes are closed/);
  found.one('ok', /good for another 36\d days/);
  found.one('ok', /serves no worker route/);
  found.one('ok', /is on the allowlist/);
  found.one('ok', /X-Forwarded-For changes nothing/);
  assert.equal(found.of('pools').filter((one) => /answers$/.test(one.found)).length, 4);
  assert.deepEqual(await site.query('SELECT count(*)::int AS n FROM cron_job_executions'), [{ n: 0 }]);
});

test('plain HTTP is told, and so is a certificate that nobody trusts', async () => {
  const plain = await look(`http://127.0.0.1:${site.portHttp}`);
  assert.match(plain.one('warn', /plain HTTP/).todo, /APP_URL=https/);
  const stranger = await look(secure, { env: { EGRESS_CA_FILE: '' } });
  assert.match(stranger.one('fail', /certificate not accepted/).todo, /EGRESS_CA_FILE/);
});

test('a host that is not on the allowlist, and a proxy that is believed', async () => {
  let undo = await change('allow.conf', 'allow 127.0.0.1', 'allow 192.0.2.1');
  let found = await look(secure);
  assert.deepEqual(found.bad('front'), []);
  found.one('ok', /is not on the allowlist/);
  found.one('ok', /X-Forwarded-For changes nothing/);
  await undo();
  undo = await change('realip.conf', 'real_ip_recursive on;', 'real_ip_recursive on;\nset_real_ip_from 127.0.0.1;');
  found = await look(secure);
  assert.match(found.one('warn', /X-Forwarded-For .* is believed/).todo, /set_real_ip_from/);
  await undo();
});

test('pools that find no schema', async () => {
  await site.query('ALTER TABLE cronward_schema RENAME TO hidden');
  const found = await look(secure);
  await site.query('ALTER TABLE hidden RENAME TO cronward_schema');
  found.one('fail', /^\/readyz answers 503 not_configured/);
});

// A server on one port, TLS and plain HTTP, that answers as `answer(path, isTls, headers)` says.
async function front(answer, certificate = certificates()) {
  const web = http.createServer((request, response) => {
    const [status, body, headers = {}] = answer(request.url, request.socket.encrypted === true, request.headers);
    request.resume();
    response.writeHead(status, { connection: 'close', ...headers });
    response.end(body);
  });
  const secured = tls.createServer({ key: certificate.key, cert: certificate.cert }, (socket) => web.emit('connection', socket));
  const server = net.createServer((socket) => {
    socket.on('error', () => {});
    socket.once('readable', () => {
      const first = socket.read();
      if (!first) return;
      socket.unshift(first);
      (first[0] === 0x16 ? secured : web).emit('connection', socket);
    });
  });
  secured.on('tlsClientError', () => {});
  const port = await freePort();
  await new Promise((resolve) => server.listen(port, '127.0.0.1', resolve));
  server.unref();
  atExit(() => server.close());
  return `https://127.0.0.1:${port}`;
}

const HSTS = { 'strict-transport-security': 'max-age=63072000' };
const REFUSED = [403, '{"code":"https_required"}'];
const healthy = (at, isTls) => {
  if (!isTls) return REFUSED;
  if (at === '/healthz') return [200, '{"status":"ok"}', HSTS];
  if (at === '/readyz') return [200, '{"status":"ready"}', HSTS];
  return [401, '{"code":"unauthorized"}', HSTS];
};

const wrongs = [
  ['routes that are open', (at, isTls) => (isTls && at.startsWith('/api/') ? [200, '{}'] : healthy(at, isTls)),
    'fail', /^\/api\/workers\/webhookRetry answers 200 without a secret/],
  ['something else at the routes', (at, isTls) => (isTls && at.startsWith('/api/') ? [404, 'not here'] : healthy(at, isTls)),
    'fail', /^\/api\/workers\/dataArchival answers 404/],
  ['401 of somebody else', (at, isTls) => (isTls && at.startsWith('/api/') ? [401, 'no'] : healthy(at, isTls)),
    'fail', /^\/api\/workers\/webhookRetry answers 401 +, where 401 unauthorized is right/],
  ['too many calls', (at, isTls) => (isTls && at.startsWith('/api/') ? [429, '{"code":"rate_limited"}'] : healthy(at, isTls)),
    'warn', /^\/api\/workers\/webhookRetry: this host has made too many calls/],
  ['a server that is not cronward', () => [200, '<html>'], 'fail', /healthz answers 200, and not as cronward/],
  ['pools that are not ready', (at, isTls) => (at === '/readyz' ? [503, '{"code":"not_configured"}'] : healthy(at, isTls)),
    'fail', /^\/readyz answers 503 not_configured/],
  ['no HSTS', (at, isTls) => healthy(at, isTls).slice(0, 2), 'warn', /no Strict-Transport-Security/],
  ['routes over plain HTTP', (at) => healthy(at, true), 'fail', /^http:.* answers 401: callers may send their secrets in the clear/],
  ['a redirect from plain HTTP', (at, isTls) => (isTls ? healthy(at, isTls) : [301, '', { location: 'https://x/' }]),
    'warn', /redirects worker routes/],
  ['a certificate that ends soon', healthy, 'warn', /certificate ends in \d days/],
];

for (const [name, answer, level, pattern] of wrongs) {
  test(`wrong: ${name}`, async () => {
    const found = await look(await front(answer), { env: { EGRESS_CA_FILE: certificates().caFile } });
    assert.equal(typeof found.one(level, pattern).todo, 'string');
  });
}

test('wrong: nobody listens, or a stranger does', async () => {
  assert.match((await look(`https://127.0.0.1:${await freePort()}`)).one('fail', /could not connect/).todo, /nginx running/);
  (await look(await front(healthy, strangerCertificate()))).one('fail', /certificate not accepted/);
});
