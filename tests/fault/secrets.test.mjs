// Secrets are where they belong and nowhere else: after calls of all kinds, with secrets
// wherever a caller can put one, every place in which something is written down is searched.
//
// PostgreSQL is told to log everything, parameters included, which no default does.  What cannot be
// promised then is silence about statements of others: the application's own INSERT of a plain
// endpoint secret stands in such a log, so those are made before.  What is promised: cronward itself
// puts neither a caller's secret nor an opened one into any statement.
import assert from 'node:assert/strict';
import { createHmac, randomBytes } from 'node:crypto';
import { chownSync, readFileSync, readdirSync, renameSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, test } from 'node:test';
import { tempFolder } from '../lib/clean.mjs';
import { rawStatuses } from '../lib/http.mjs';
import { Needles } from '../lib/needles.mjs';
import { Pool } from '../lib/pool.mjs';
import { childrenOf, cleanEnv, isAlive, isRoot, killNow, must, run, start } from '../lib/process.mjs';
import { program } from '../lib/program.mjs';
import { Receiver } from '../lib/receiver.mjs';
import { Site } from '../lib/site.mjs';
import { report, size } from '../lib/sizes.mjs';
import { many, until } from '../lib/wait.mjs';
import { newSecret } from '../lib/webhooks.mjs';

const CALLS = size(400, 1000);
const ROUTES = ['/api/workers/webhookRetry', '/api/workers/notificationExpiry', '/api/workers/dataArchival'];
const OTHER_ACCOUNT = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', '--'];

const secretOf = (name) => `${name}-${randomBytes(20).toString('hex')}`;
const needles = new Needles();
const callers = Object.fromEntries(['CRON_JOB_API_KEY', 'CRON_SECRET', 'CRON_JOB_API_KEY_PREVIOUS', 'CRON_SECRET_PREVIOUS']
  .map((name) => [name, secretOf('caller')]));
for (const [name, secret] of Object.entries(callers)) needles.add(name, secret);
// Of those who send events, one of them a provider of our own, of who sends mail, and of those who are synced.
const others = Object.fromEntries(['PAYMENT_WEBHOOK_SECRET', 'ZED_WEBHOOK_SECRET', 'META_APP_SECRET', 'WHATSAPP_VERIFY_TOKEN', 'RESEND_API_KEY',
  'GITHUB_CLIENT_SECRET', 'NOTION_CLIENT_SECRET', 'SLACK_CLIENT_SECRET', 'GOOGLE_CLIENT_SECRET']
  .map((name) => [name, secretOf('other')]));
for (const [name, secret] of Object.entries(others)) needles.add(name, secret);

function newKey(id) {
  const bytes = randomBytes(32);
  needles.add(`the key ${id}`, bytes.toString('base64'), bytes);
  return `${id}:${bytes.toString('base64')}`;
}

function newEndpointSecret(name) {
  const secret = newSecret();
  needles.add(name, secret, Buffer.from(secret.slice(6), 'base64'));
  return secret;
}

const password = secretOf('password');
const vendorKey = secretOf('vendor');
needles.add('the key of a vendor', vendorKey);
needles.add('the password of the database', password);
const ring = [newKey('k2'), newKey('k1')];

// Calls come from one address, and many at once: the rate is for the test of the rate.
const site = await Site.start({ env: { ...callers, ...others, ENCRYPTION_KEYS: ring.join(','), RATE_LIMIT: '100r/s', RATE_BURST: '100', RUN_BUDGET_S: '1', MAX_WEBHOOK_RETRIES: '0' } });
after(() => site.end());
// Answers with all that it was sent, as badly written receivers do, and with its own secret.
const receiver = await Receiver.start({ host: '127.0.0.1' });

const endpoints = [newEndpointSecret('an endpoint\'s secret'), newEndpointSecret('another endpoint\'s secret')];
const previous = newEndpointSecret('an endpoint\'s previous secret');
const headerSecret = secretOf('header');
const tokens = ['access', 'refresh'].map((name) => secretOf(name));
for (const token of tokens) needles.add("a user's token", token);
receiver.says = (q) => [
  `<pre>${q.rawHeaders.join('\n')}</pre>`,
  JSON.stringify({ headers: q.headers, env: { WEBHOOK_SECRET: endpoints[0], old: previous } }).replaceAll('/', '\\/'),
].join('\n');
const POOLS = ['workers', 'api', 'inbound', 'async'];
const psql = (sql) => must('psql', ['-X', '-q', '-v', 'ON_ERROR_STOP=1', '-h', site.secrets.DATABASE_URL.match(/host=([^&]+)/)[1], '-p', '5432', '-U', 'postgres', '-d', 'cronward'],
  { input: sql, env: cleanEnv({ HOME: '/nonexistent' }) });

test('the search finds what is there', () => {
  for (const name of readdirSync(path.join(site.state, 'secrets'))) {
    if (name in callers || name in others || name === 'ENCRYPTION_KEYS') assert.ok(needles.in(readFileSync(path.join(site.state, 'secrets', name))).length > 0, name);
  }
  assert.deepEqual(needles.in(`x${Buffer.from(callers.CRON_SECRET).toString('base64')}y`), ['CRON_SECRET (base64)']);
  assert.deepEqual(needles.in('nothing'), []);
});

test('an application stores endpoints: two plain, whose secrets the first run seals; and tokens, which a command seals', async () => {
  // Of accounts that nobody is asked about: these wait for their users.
  await site.query(`INSERT INTO user_integrations (user_id, provider, status, access_token, refresh_token)
    SELECT gen_random_uuid(), provider, 'needs_reauth', $1, $2 FROM unnest('{github,slack}'::text[]) provider`, tokens);
  await site.query(`WITH c AS (INSERT INTO whatsapp_connections (status) VALUES ('paused') RETURNING id) INSERT INTO whatsapp_configs SELECT id, $1 FROM c`, [tokens[0]]);
  await must(program(), ['seal', '--all'], { env: cleanEnv({ DATABASE_URL: site.secrets.DATABASE_URL, ENCRYPTION_KEYS: ring.join(' ') }) });
  assert.deepEqual(needles.in(JSON.stringify(await site.query('SELECT access_token, refresh_token FROM user_integrations UNION ALL SELECT accesstoken, NULL FROM whatsapp_configs'))), []);
  await site.query('INSERT INTO app_webhooks (url, secret, previous_secret, headers) VALUES ($1, $2, $3, $4), ($5, $6, NULL, DEFAULT)',
    [receiver.url('/echo/one'), endpoints[0], previous, JSON.stringify({ authorization: `Bearer ${headerSecret}` }), receiver.url('/ok/two', endpoints[1]), endpoints[1]]);
  const answer = await site.authorized('POST', ROUTES[0]);
  assert.equal(answer.status, 200, answer.body);
  const rows = await site.query('SELECT secret, previous_secret FROM app_webhooks');
  for (const row of rows) for (const value of [row.secret, row.previous_secret]) assert.ok(value === null || value.startsWith('cw1.k2.'), value);
  // From here on the server logs whatever it is told.
  await psql(`ALTER DATABASE cronward SET log_statement = 'all'; ALTER DATABASE cronward SET log_min_duration_statement = 0;
    ALTER DATABASE cronward SET log_error_verbosity = 'verbose'; ALTER DATABASE cronward SET log_min_error_statement = 'debug5';
    ALTER DATABASE cronward SET log_parameter_max_length = -1; ALTER DATABASE cronward SET log_parameter_max_length_on_error = -1;
    ALTER DATABASE cronward SET log_min_messages = 'notice';
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'cronward' AND pid <> pg_backend_pid();`);
});

const statuses = new Map();
const replies = [];

function keep(what, answer) {
  const code = `${answer.status}${answer.json?.code ? ` ${answer.json.code}` : ''}`;
  statuses.set(code, (statuses.get(code) ?? 0) + 1);
  const found = needles.in(`${answer.body}\n${JSON.stringify(answer.headers)}`);
  replies.push(...found.map((name) => `${what} ${code}: ${name}`));
  return answer;
}

// Each kind of call, with a secret that is good where it belongs and astray where it does not.
const KINDS = {
  'a good call': (s) => site.call('POST', `${ROUTES[0]}?busy=200`, { headers: { authorization: `Bearer ${s}` } }),
  'the other form': (s, i) => site.call('GET', `${ROUTES[i % 3]}?busy=200`, { headers: { 'x-cron-secret': s } }),
  'busy or not': (s) => site.call('POST', ROUTES[0], { headers: { authorization: `Bearer ${s}` } }),
  'respond-async': (s) => site.call('POST', ROUTES[1], { headers: { authorization: `Bearer ${s}`, prefer: 'respond-async' } }),
  'in the query': (s, i) => site.call('GET', `${ROUTES[i % 3]}?secret=${s}`, { headers: i % 2 ? {} : { 'x-cron-secret': s } }),
  'in the query of a state': (s, i) => site.call('GET', `/api/v1/jobs/${['webhook-retry', 'whatsapp-health-check'][i % 2]}?secret=${s}`),
  'as a parameter that does not parse': (s) => site.call('GET', `${ROUTES[1]}?${s}=%zz&busy=${s}`, { headers: { 'x-cron-secret': s } }),
  'as a value that is not allowed': (s, i) => site.call('GET', `${i % 2 ? `${ROUTES[1]}?busy=` : '/api/cron/sync-integrations?interval='}${s}`, { headers: { 'x-cron-secret': s } }),
  'in the path': (s, i) => site.call('GET', ['/', '/api/workers/', '/api/cron/executions/', '/api/', `${ROUTES[0]}/`][i % 5] + s, { headers: { 'x-cron-secret': s } }),
  'in the path, escaped': (s) => site.call('GET', `/api/workers/%3Fsecret%3D${s}`),
  'in the referer and a cookie': (s) => site.call('POST', ROUTES[2], { headers: { referer: `https://x/?secret=${s}`, cookie: `a=${s}`, authorization: `Bearer ${s}` } }),
  'in the user agent': (s, i) => site.call('POST', `${ROUTES[1]}?busy=200`, { headers: { 'user-agent': i % 2 ? s : `ring/1 (${'x'.repeat(i % 120)}${s})`, authorization: `Bearer ${s}` } }),
  'in the user agent alone': (s) => site.call('POST', ROUTES[1], { headers: { 'user-agent': `curl -H x-cron-secret:${s}` } }),
  'basic': (s) => site.call('POST', ROUTES[0], { headers: { authorization: `Basic ${Buffer.from(`cron:${s}`).toString('base64')}` } }),
  'two that differ': (s) => site.call('POST', ROUTES[0], { headers: { authorization: `Bearer ${s}`, 'x-cron-secret': secretOf('wrong') } }),
  'with a letter too many': (s) => site.call('POST', ROUTES[0], { headers: { authorization: `Bearer ${s}x` } }),
  'in the body': (s) => site.call('POST', ROUTES[1], { body: JSON.stringify({ secret: s }), headers: { authorization: `Bearer ${s}`, 'content-type': s } }),
  'in a body that is too large': (s) => site.call('POST', ROUTES[1], { body: s.repeat(2000), headers: { authorization: `Bearer ${s}` } }),
  'by a method that is none': (s) => site.call('DELETE', `${ROUTES[0]}?secret=${s}`, { headers: { authorization: `Bearer ${s}`, 'x-forwarded-for': s } }),
  'from an address that is not listed': (s) => site.call('POST', `${ROUTES[0]}?secret=${s}`, { localAddress: '127.0.0.9', headers: { authorization: `Bearer ${s}` } }),
  'over plain HTTP': (s) => site.call('POST', `${ROUTES[1]}?secret=${s}`, { plain: true, headers: { authorization: `Bearer ${s}` } }),
  'an event': async (s, i) => {
    const [secret, route] = i % 2 ? [others.ZED_WEBHOOK_SECRET, '/api/payments/webhook/zed'] : [others.PAYMENT_WEBHOOK_SECRET, '/api/payments/webhook'];
    const body = JSON.stringify({ event_id: `e${i}`, type: 'secrets.checked' });
    return site.call('POST', route, { body, headers: { 'x-webhook-signature': createHmac('sha256', secret).update(body).digest('hex'), authorization: `Bearer ${secret}`, 'user-agent': secret } });
  },
  'an event with its secret for a signature': (s, i) => site.call('POST', ['/api/payments/webhook', '/api/payments/webhook/zed', '/api/whatsapp/webhook'][i % 3],
    { body: JSON.stringify(others), headers: { 'x-webhook-signature': Object.values(others)[i % 3], 'x-hub-signature-256': `sha256=${others.META_APP_SECRET}` } }),
  "Meta's question": (s, i) => site.call('GET', `/api/whatsapp/webhook?hub.mode=subscribe&hub.challenge=1&hub.verify_token=${others.WHATSAPP_VERIFY_TOKEN}${'x'.repeat(i % 2)}`),
  'a page': (s) => site.call('GET', `/readyz?secret=${s}`, { headers: { authorization: `Bearer ${s}` } }),
};

async function ringAll(kinds, count, lanes) {
  const secrets = Object.values(callers);
  await many(count, lanes, async (i) => {
    const what = kinds[i % kinds.length];
    keep(what, await KINDS[what](secrets[Math.floor(i / kinds.length) % secrets.length], i));
  });
}

test(`${CALLS} calls and more, of all kinds`, async (t) => {
  const insert = (n) => site.query(`INSERT INTO platform_events (event_type, payload) SELECT 'secrets.checked', '{}' FROM generate_series(1, ${n})`);
  await insert(20);
  await ringAll(Object.keys(KINDS), CALLS - 150, 6);
  // Busy: a run that takes its time.
  await site.query('UPDATE app_webhooks SET url = $1 WHERE url LIKE $2', [receiver.url('/slow/900'), '%/ok/two']);
  await insert(1);
  const slow = KINDS['a good call'](callers.CRON_JOB_API_KEY);
  await until(async () => (await site.query('SELECT count(*)::int AS n FROM cron_locks WHERE holder IS NOT NULL'))[0].n > 0, { what: 'the run to begin' });
  await ringAll(['busy or not'], 10, 3);
  keep('slow', await slow);
  // The rate, from an address of its own.
  await many(500, 100, async (i) => keep('rate', await site.call('GET', `/healthz?secret=${callers.CRON_SECRET}&i=${i}`, { plain: true, localAddress: '127.0.0.77' })));
  // What is no HTTP, or not quite.
  for (const secret of Object.values(callers))
    for (const bytes of [`${secret} / HTTP/1.1\r\n\r\n`, `${secret.toUpperCase().replaceAll(/[^A-Z]/g, 'Q')} / HTTP/1.1\r\nHost: x\r\n\r\n`, `GET /${secret} HTTP/9.9\r\nHost: x\r\n\r\n`,
      `GET /${secret}\0 HTTP/1.1\r\nHost: x\r\n\r\n`, `POST ${ROUTES[0]} HTTP/1.1\r\nHost: ${secret}\r\nAuthorization: Bearer ${secret}\r\nContent-Length: x${secret}\r\n\r\n`,
      `GET /../../${secret} HTTP/1.1\r\nHost: x\r\n\r\n`, `GET ${ROUTES[0]}?secret=${secret} HTTP/1.1\r\nHost: x\r\nX-Cron-Secret: ${secret}\r\nX-Big: ${'y'.repeat(9000)}\r\n\r\n`])
      (await rawStatuses(site.portTls, site.ca, bytes)).forEach((status) => keep('malformed', { status, body: '', headers: {} }));
  // A pool that stands still (504), one that is gone (502), a database that is gone (503).
  const still = site.processes('workers');
  for (const pid of still) killNow(pid, 'SIGSTOP');
  await Promise.all(Array.from({ length: 4 }, async () => keep('frozen', await KINDS['in the query'](callers.CRON_SECRET, 0))));
  for (const pid of still) killNow(pid, 'SIGCONT');
  const [workers, postgres] = [site.pid('workers'), site.pid('postgres')];
  killNow(workers, 'SIGTERM');
  await until(() => !isAlive(workers), { what: 'the pool to end' });
  await ringAll(['a good call', 'in the query', 'in the query of a state', 'in the referer and a cookie'], 24, 4);
  killNow(postgres, 'SIGINT');
  await until(() => !isAlive(postgres), { what: 'PostgreSQL to end', timeoutMs: 30_000 });
  for (let i = 0; i < 8; i++) keep('no database', await site.call('GET', `/api/cron/executions/00000000-0000-4000-8000-00000000000${i}`, { headers: { authorization: `Bearer ${callers.CRON_JOB_API_KEY}` } }));
  await site.local('up');
  await ringAll(['a good call', 'in the user agent'], 20, 2);
  const total = [...statuses.values()].reduce((sum, n) => sum + n, 0);
  assert.ok(total >= CALLS, `${total} calls`);
  for (const wanted of ['200', '202', '400 bad_request', '401 unauthorized', '403 address_denied', '404 not_found', '405 method_not_allowed', '413 too_large', '429 busy',
    '429 rate_limited', '502 unavailable', '503 database_unavailable', '504 unavailable'])
    assert.ok(statuses.has(wanted), `no call ended ${wanted}: ${[...statuses.keys()].join(', ')}`);
  assert.deepEqual(replies, [], 'secrets are in replies');
  report(t, 'Calls that were searched for secrets', { calls: total, kinds: Object.keys(KINDS).length, endings: statuses.size });
});

// Commands of the program with every secret in their environment: the worst way, and a way that works.
const commandEnv = () => cleanEnv({
  DATABASE_URL: `${site.secrets.DATABASE_URL}&password=${password}`, ...callers, ENCRYPTION_KEYS: ring.join(' '), EGRESS_ALLOW: '127.0.0.0/8', MAX_WEBHOOK_RETRIES: '0',
  APP_URL: 'https://cron.example.com', CRON_JOB_ORG_API_KEY: vendorKey, CRON_JOB_ORG_BASE_URL: receiver.origin,
});
const outputs = [];

async function command(args, options = {}) {
  const done = await run(program(), args, { env: commandEnv(), ...options });
  outputs.push(...needles.in(`${done.stdout}${done.stderr}`).map((name) => `cronward ${args.join(' ')}: ${name}`));
  return done;
}

test('receivers that repeat what they were sent, secrets included: none is kept', async () => {
  await site.query(`INSERT INTO platform_events (event_type, payload) VALUES ('echo.checked', '{}')`);
  await until(async () => {
    assert.equal((await site.authorized('POST', `${ROUTES[0]}?busy=200`)).status, 200);
    return (await site.query(`SELECT 1 FROM webhook_attempts WHERE error LIKE 'HTTP 500:%webhook-signature%'`)).length > 0;
  }, { what: 'an answer that repeats the request', everyMs: 50 });
  const kept = JSON.stringify(await site.query('SELECT a.*, d.last_error FROM webhook_attempts a JOIN webhook_deliveries d ON d.id = a.delivery_id'));
  assert.doesNotMatch(kept, /v1,[A-Za-z0-9+/]{20}/, 'a signature was stored');
  assert.ok(!kept.includes(headerSecret), 'a header of the endpoint was stored');
  assert.match(kept, /v1,\*{44}/);
});

test('no command prints a secret, not of settings that work and not of settings that do not', async () => {
  const help = (await run(program(), ['--help'], { env: cleanEnv() })).stdout;
  const all = [...help.matchAll(/^ {2}(\w+) {2,}/gm)].map(([, name]) => name);
  assert.ok(all.includes('seal') && all.includes('config'));
  const dead = (await site.query(`SELECT id FROM webhook_deliveries WHERE status = 'failed' AND next_retry_at IS NULL LIMIT 1`))[0]?.id ?? 1;
  for (const args of [['config'], ['dead', 'list'], ['dead', 'show', String(dead)], ['locks', 'list'], ['locks', 'list', '--json'], ['seal', '--all'], ['rekey'],
    ['rekey', '--dry-run'], ['run', 'webhook-retry'], ['status'], ['status', '--json'], ['integrations', 'list'], ['integrations', 'list', '--json'], ['run', 'whatsapp-health-check'], ['doctor'], ['migrate'], ['callers', 'list'], ['callers', 'cron-job.org'], ['callers', 'cron-job.org', '--apply']]) {
    if (!all.includes(args[0])) continue;
    const done = await command(args);
    if (args[0] !== 'callers' && args[0] !== 'doctor') assert.equal(done.code, 0, `${args.join(' ')}: ${done.stderr}`);
  }
  const row = (await site.query('SELECT id, secret FROM app_webhooks WHERE previous_secret IS NOT NULL'))[0];
  const place = ['--table', 'app_webhooks', '--column', 'secret', '--row', row.id];
  assert.equal((await command(['seal', ...place], { input: endpoints[0] })).code, 0);
  assert.equal((await command(['seal', ...place, '--check'], { input: row.secret })).code, 0);
  await command(['seal', ...place, '--check'], { input: `${row.secret.slice(0, -8)}AAAAAAA=` });
  const key = ring[0].slice(3);
  const broken = {
    ENCRYPTION_KEYS: [`k1:${key.slice(1)}`, `${key}`, `k1 :${key}`, `k1:${key},k1:${key}`, `${key}:k1`, `k1:${key}\x01`, `k1:${key} k2`, `k1:${key},,:${key}x`],
    DATABASE_URL: [`postgresql://me:${password}@[::1/x`, `postgresql://me:${password}%zz@h/x`, `host=h password=${password} nonsense`, `postgresql://me:${password}/a@h/x`, `postgresql://me:${password}@h:y/x`,
      `postgresql://me:${password}@/cronward?host=/nonexistent`, `${password}`],
    CRON_SECRET: [`${callers.CRON_SECRET}\x01`, callers.CRON_SECRET.repeat(200), `${callers.CRON_SECRET}\n${callers.CRON_SECRET}`],
    CRON_JOB_ORG_API_KEY: [`${vendorKey}\x01`],
    CRON_JOB_ORG_BASE_URL: ['http://127.0.0.1:1'],
    RETENTION_DAYS: ['never'],
  };
  for (const [name, values] of Object.entries(broken))
    for (const value of values)
      for (const args of [['config'], ['rekey', '--dry-run'], ['run', 'webhook-retry'], ['migrate'], ['doctor'], ['callers', 'cron-job.org']])
        if (all.includes(args[0])) await command(args, { env: { ...commandEnv(), [name]: value } });
  assert.deepEqual(outputs, []);
});

function processesOf(pid) {
  return [pid, ...childrenOf(pid).filter(isAlive).flatMap(processesOf)];
}

function proc(pid, file) {
  try {
    return readFileSync(`/proc/${pid}/${file}`);
  } catch {
    return Buffer.alloc(0);
  }
}

test('no process shows a secret to anybody, nor lets another account look into it', async (t) => {
  const watching = start(program(), ['status', '--watch'], { env: commandEnv(), log: path.join(tempFolder('watch'), 'log') });
  t.after(() => watching.stop('SIGTERM', 2000));
  await until(() => proc(watching.pid, 'comm').toString().trim() === 'cronward' && needles.in(proc(watching.pid, 'environ')).length === 0, { what: 'the environment to be wiped' });
  const pids = [...['postgres', 'nginx', ...POOLS].flatMap((name) => processesOf(site.pid(name))), watching.pid];
  assert.ok(pids.length > 15, `${pids.length} processes`);
  const found = pids.flatMap((pid) => ['environ', 'cmdline', 'comm', 'stat', 'status', 'maps'].flatMap((file) =>
    needles.in(proc(pid, file)).map((name) => `${proc(pid, 'comm').toString().trim()} ${pid} ${file}: ${name}`)));
  assert.deepEqual(found, []);
  const own = [...POOLS.flatMap((name) => site.processes(name)), watching.pid];
  assert.ok(own.length > 8);
  for (const pid of own) {
    assert.equal(proc(pid, 'comm').toString().trim(), 'cronward');
    // Not even their own account may: they cannot be dumped.
    if (isRoot) assert.equal(statSync(`/proc/${pid}/environ`).uid, 0, `process ${pid} can be looked into`);
  }
  if (!isRoot) return;
  for (const pid of pids)
    for (const file of ['environ', 'mem', 'maps']) {
      const done = await run(OTHER_ACCOUNT[0], [...OTHER_ACCOUNT.slice(1), 'head', '-c', '1', `/proc/${pid}/${file}`]);
      assert.ok(done.code !== 0 && done.stdout === '', `another account reads ${file} of ${proc(pid, 'comm')}`);
    }
});

test('a process that dies of a signal leaves no core', async (t) => {
  const folder = tempFolder('core');
  const cores = () => readdirSync(folder).filter((name) => /core/.test(name));
  // What this machine does with one that may leave a core.
  const control = await run('bash', ['-c', 'ulimit -c unlimited; cd "$1"; tail -f /dev/null & kill -ABRT $!; wait $!', '-', folder]);
  t.diagnostic(`a plain program ${/core dumped/.test(control.stderr) ? 'leaves' : 'does not leave'} a core here`);
  const before = cores().length;
  const pool = await Pool.start({ env: commandEnv(), size: 2, wrap: ['bash', '-c', 'ulimit -c unlimited; cd "$1"; shift; exec "$@"', '-', folder] });
  t.after(() => pool.stop());
  assert.equal((await pool.call('POST', `${ROUTES[1]}?busy=200`, { headers: { 'x-cron-secret': callers.CRON_JOB_API_KEY } })).status, 200);
  for (const pid of pool.processes()) {
    killNow(pid, 'SIGABRT');
    await until(() => !isAlive(pid), { what: 'the process to die' });
  }
  const script = 'ulimit -c unlimited; cd "$1"; "$2" status --watch >out & until grep -q . out; do :; done; kill -ABRT $!; wait $!';
  const cli = await run('bash', ['-c', script, '-', folder, program()], { env: commandEnv() });
  assert.match(cli.stderr, /Aborted/);
  assert.doesNotMatch(cli.stderr, /core dumped/);
  assert.equal(cores().length, before, `${cores()}`);
  assert.deepEqual(needles.in(pool.log()), []);
});

test('no file holds a secret but those that are for it', () => {
  const secrets = path.join(site.state, 'secrets');
  const data = path.join(site.state, 'postgres');
  const own = (file) => file === secrets || file === path.join(site.var, 'cronward.env') || file === path.join(site.var, 'state');
  const log = path.join(site.var, 'log');
  const logs = needles.inFiles(log);
  assert.deepEqual(logs.found, []);
  const sizes = readdirSync(log).map((name) => [name, statSync(path.join(log, name)).size]);
  for (const name of ['cronward.access.log', 'workers.log', 'api.log', 'async.log', 'postgres.log']) assert.ok(sizes.find(([one]) => one === name)[1] > 0, `${name} is empty`);
  const said = readFileSync(path.join(log, 'postgres.log'), 'utf8');
  assert.match(said, /parameters: \$1 = /, 'PostgreSQL did not log parameters');
  const rest = [site.var, ...(site.state === site.var ? [] : [site.state])]
    .map((folder) => needles.inFiles(folder, (file) => own(file) || file === data));
  assert.deepEqual(rest.flatMap((one) => one.found), []);
  // The files of the database: what an application wrote plainly is in its journal until that is
  // reused; what callers prove and what seals never went there.
  const files = needles.inFiles(data);
  assert.ok(files.files > 100);
  assert.deepEqual(files.found.filter((one) => !/endpoint's (previous )?secret \(|user's token \(/.test(one)), []);
});

test('no row of any table holds a secret', async () => {
  const tables = await site.query(`SELECT n.nspname AS schema, c.relname AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'v', 'm') AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')`);
  assert.ok(tables.length > 9);
  const found = [];
  let rows = 0;
  for (const { schema, name } of tables)
    for (const row of await site.query(`SELECT t::text AS text FROM "${schema}"."${name}" t`)) {
      rows++;
      found.push(...needles.in(row.text).map((one) => `${schema}.${name}: ${one}`));
    }
  assert.ok(rows > 100, `${rows} rows`);
  const events = await site.query("SELECT provider, count(*)::int AS n FROM webhook_events WHERE headers::text LIKE '%x-webhook-signature%' GROUP BY 1 ORDER BY 1");
  assert.deepEqual(events.map((one) => one.provider), ['payment', 'zed'], JSON.stringify(events));
  assert.ok(events.every((one) => one.n > CALLS / 100), JSON.stringify(events));
  assert.deepEqual([...new Set(found)], []);
  const running = await site.query('SELECT query, application_name FROM pg_stat_activity');
  assert.deepEqual(needles.in(JSON.stringify(running)), []);
});

test('a secret that is rotated in its file stays when the site is brought up again, and reaches shells', async () => {
  const file = path.join(site.state, 'secrets/CRON_JOB_API_KEY');
  const fresh = secretOf('caller');
  writeFileSync(`${file}.new`, `${fresh}\n`, { mode: 0o440 });
  const { uid, gid } = statSync(file);
  chownSync(`${file}.new`, uid, gid);
  renameSync(`${file}.new`, file);
  const ask = async (secret) => (await site.call('POST', `${ROUTES[1]}?busy=200`, { headers: { 'x-cron-secret': secret } })).status;
  assert.deepEqual([await ask(fresh), await ask(callers.CRON_JOB_API_KEY), await ask(callers.CRON_JOB_API_KEY_PREVIOUS)], [200, 401, 200]);
  // The environment brings none this time: what was given before is kept, and the empty one retires.
  const env = Object.fromEntries(Object.keys(callers).map((name) => [name, '']));
  await site.local('up', { env });
  site.readSecrets();
  assert.equal(site.key, fresh);
  assert.deepEqual([await ask(fresh), await ask(callers.CRON_JOB_API_KEY), await ask(callers.CRON_JOB_API_KEY_PREVIOUS)], [200, 401, 401]);
});
