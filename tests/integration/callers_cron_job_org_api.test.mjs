// `cronward callers cron-job.org` against a stand-in of the service's API.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, beforeEach, test } from 'node:test';
import { rung } from '../lib/callers.mjs';
import { tempFolder } from '../lib/clean.mjs';
import { CronJobOrg } from '../lib/cron_job_org.mjs';
import { cleanEnv, start } from '../lib/process.mjs';
import { program } from '../lib/program.mjs';
import { Stand } from '../lib/stand.mjs';
import { Terminal } from '../lib/terminal.mjs';
import { until } from '../lib/wait.mjs';

const APP = 'https://cron.example.com';
const stand = await Stand.create();
const service = await CronJobOrg.start();
after(() => stand.end());
after(() => service.stop());
beforeEach(async () => {
  service.forget();
  service.jobs.clear();
  service.dayLimit = 100;
  await stand.db.rows('TRUNCATE audit_log');
});

const env = { APP_URL: APP, CRON_JOB_ORG_API_KEY: service.key, CRON_JOB_ORG_BASE_URL: service.origin };
const all = JSON.parse((await stand.cli(['callers', 'list', '--json'])).stdout);
// The service creates five jobs a minute, so these stand for all: each secret, and schedules of each kind.
const list = all.filter((one) => ['webhook-retry', 'data-archival', 'job-queue', 'process-email-queue'].includes(one.worker));
const only = list.flatMap((one) => ['--only', one.worker]);
const callers = (...args) => stand.cli(['callers', 'cron-job.org', ...(args.includes('--only') ? [] : only), ...args], { env });
const COUNT = list.length;
// WORKER_SECRET_TOKEN is unset here, and CRON_SECRET in its place.
const secretOf = (one) => (one.secret === 'CRON_JOB_API_KEY' ? stand.key : stand.cronSecret);
const ours = () => [...service.jobs.values()].filter((job) => job.url.startsWith(`${APP}/`));
const url = (one) => `${APP}${rung(one)}`;
const audit = () => stand.db.rows('SELECT * FROM audit_log ORDER BY id');

function noSecret(...outputs) {
  for (const { stdout, stderr } of outputs)
    for (const secret of [stand.key, stand.cronSecret, service.key]) assert.ok(!`${stdout}${stderr}`.includes(secret), stdout + stderr);
}

async function applied(...args) {
  const done = await callers('--apply', ...args);
  assert.equal(done.code, 0, done.stderr + done.stdout);
  return done;
}

const every = (max, step, first = 0) => Array.from({ length: Math.ceil((max + 1 - first) / step) }, (_, i) => first + i * step);
const schedules = {
  '*/5 * * * *': { minutes: every(59, 5), hours: [-1] },
  '0 0 * * *': { minutes: [0], hours: [0] },
  '* * * * *': { minutes: [-1], hours: [-1] },
  '*/2 * * * *': { minutes: every(59, 2), hours: [-1] },
};

test('the plan names every worker and changes nothing', async () => {
  const done = await stand.cli(['callers', 'cron-job.org'], { env });
  assert.equal(done.code, 0, done.stderr);
  for (const one of all) {
    assert.match(done.stdout, new RegExp(`^create +${[one.worker, ...one.path.split('?interval=').slice(1)].join(' ')}$`, 'm'));
    assert.ok(done.stdout.includes(`${url(one)}  ${one.schedule} UTC`), done.stdout);
  }
  assert.match(done.stdout, new RegExp(`--apply does it with ${all.length} requests`));
  assert.deepEqual(service.changes(), []);
  assert.equal(service.jobs.size, 0);
  assert.equal(service.requests.length, 1);
  noSecret(done);
});

test('--apply creates a job for each worker as it has to be; the second time nothing is to be done', async () => {
  const began = Date.now();
  const done = await applied();
  assert.ok(Date.now() - began >= 2000, 'one creation a second');
  assert.deepEqual(service.requests.map((one) => one.status), Array(1 + COUNT).fill(200));
  assert.equal(ours().length, list.length);
  for (const one of list) {
    const job = ours().find((candidate) => candidate.url === url(one));
    assert.deepEqual({ ...job.schedule }, { timezone: 'UTC', expiresAt: 0, mdays: [-1], months: [-1], wdays: [-1], ...schedules[one.schedule] });
    assert.deepEqual(job.extendedData, { headers: { Authorization: `Bearer ${secretOf(one)}` }, body: '' });
    assert.deepEqual([job.enabled, job.requestMethod, job.requestTimeout, job.redirectSuccess, job.saveResponses, job.auth.enable],
      [true, 1, 30, false, true, false]);
    assert.ok(job.notification.onFailure && job.notification.onDisable && job.notification.onSslCertExpiry);
    assert.ok(job.title.includes(one.worker));
  }
  for (const one of service.requests) {
    assert.equal(one.headers.authorization, `Bearer ${service.key}`);
    assert.match(one.headers['user-agent'], /^cronward\//);
  }
  service.forget();
  const again = await applied();
  assert.match(again.stdout, /Nothing is to be done/);
  for (const one of list) assert.match(again.stdout, new RegExp(`^unchanged +${one.worker} `, 'm'));
  assert.deepEqual(service.changes(), []);
  noSecret(done, again);
});

test('what has drifted is told field by field, and only that is changed', async () => {
  await applied();
  const [first, second] = ours();
  first.schedule.hours = [3, 4];
  first.schedule.timezone = 'Europe/Berlin';
  first.enabled = false;
  first.title = 'Renamed by hand';
  first.folderId = 7;
  first.extendedData.headers = { 'X-Own': 'kept', authorization: `Bearer ${'old-secret-'.repeat(3)}`, 'X-Cron-Secret': 'stale-stale-stale-stale' };
  second.requestTimeout = -1;
  second.notification.onFailure = false;
  second.redirectSuccess = 0; // what the service makes of a flag that was patched
  const before = structuredClone([first, second]);
  service.forget();
  const plan = await callers();
  assert.equal(plan.code, 0, plan.stderr);
  for (const line of ['enabled: false -> true', 'schedule: */5 3,4 * * * Europe/Berlin -> */5 * * * * UTC', 'secret: differs', 'requestTimeout: -1 -> 30',
    'onFailure: false -> true']) assert.ok(plan.stdout.includes(line), `${line}\n${plan.stdout}`);
  assert.ok(!plan.stdout.includes('old-secret') && !plan.stdout.includes('stale'), plan.stdout);
  assert.deepEqual([first, second], before);
  const done = await applied();
  assert.deepEqual(service.changes().map((one) => one.method), ['PATCH', 'PATCH']);
  const sent = service.changes().map((one) => Object.keys(JSON.parse(one.body).job).sort());
  assert.deepEqual(sent, [['enabled', 'extendedData', 'schedule'], ['notification', 'requestTimeout']]);
  assert.deepEqual(first.extendedData.headers, { 'X-Own': 'kept', Authorization: `Bearer ${stand.key}` });
  assert.deepEqual([first.title, first.folderId, first.enabled, first.schedule.timezone], ['Renamed by hand', 7, true, 'UTC']);
  assert.match((await applied()).stdout, /Nothing is to be done/);
  noSecret(plan, done);
});

test('a rotated secret: every job that it is for is told so, and none shows it', async () => {
  await applied();
  service.forget();
  const file = path.join(tempFolder('key'), 'key');
  const next = 'the-next-secret-of-all-callers-42';
  writeFileSync(file, `${next}\n`);
  const rotated = { ...env, CRON_JOB_API_KEY: '', CRON_JOB_API_KEY_FILE: file, CRON_JOB_API_KEY_PREVIOUS: stand.key };
  const done = await stand.cli(['callers', 'cron-job.org', ...only, '--apply'], { env: rotated });
  assert.equal(done.code, 0, done.stderr);
  const its = list.filter((one) => one.secret === 'CRON_JOB_API_KEY');
  assert.equal(done.stdout.match(/secret: differs/g).length, its.length);
  for (const one of list)
    assert.equal(ours().find((job) => job.url === url(one)).extendedData.headers.Authorization, `Bearer ${its.includes(one) ? next : secretOf(one)}`);
  assert.ok(!done.stdout.includes(next));
  noSecret(done);
});

test('jobs of other sites are left alone; those of ours that ring nothing only with --disable-missing', async () => {
  const foreign = service.add({ url: 'https://elsewhere.example.com/api/workers/webhookRetry?token=hush-hush', enabled: true });
  const lookalike = service.add({ url: `${APP}.evil.example/api/workers/webhookRetry`, enabled: true });
  const shorter = service.add({ url: `${APP.slice(0, -1)}/api/workers/webhookRetry`, enabled: true });
  const page = service.add({ url: `${APP}/healthz`, enabled: true });
  const stale = service.add({ url: `${APP}/api/workers/goneLongAgo?secret=hush-hush`, enabled: true });
  const off = service.add({ url: `${APP}/api/workers/alsoGone`, enabled: false });
  const rings = service.add({ url: `${APP.toUpperCase().replace('HTTPS', 'https')}/api/workers/webhookRetry/?secret=hush-hush`, enabled: true, title: 'mine' });
  const twice = service.add({ url: `${APP}/api/workers/webhookRetry`, enabled: true });
  const before = structuredClone([foreign, lookalike, shorter, page, stale, off, twice].map((id) => service.jobs.get(id)));
  const done = await applied();
  assert.match(done.stdout, /5 other jobs are left alone/);
  assert.match(done.stdout, /\/api\/workers\/goneLongAgo: rings no worker; --disable-missing would/);
  assert.match(done.stdout, /\/api\/workers\/webhookRetry: another job rings it already/);
  assert.ok(!done.stdout.includes('hush'), done.stdout);
  assert.deepEqual([foreign, lookalike, shorter, page, stale, off, twice].map((id) => service.jobs.get(id)), before);
  assert.deepEqual([service.jobs.get(rings).url, service.jobs.get(rings).title], [url(list[0]), 'mine'], 'the older of two is taken over');
  assert.equal(ours().length, COUNT + 4, 'nothing was made a second time');
  await applied('--disable-missing');
  assert.deepEqual([stale, twice].map((id) => service.jobs.get(id).enabled), [false, false]);
  assert.deepEqual([foreign, lookalike, shorter, page].map((id) => service.jobs.get(id).enabled), [true, true, true, true]);
  assert.match((await applied('--disable-missing')).stdout, /Nothing is to be done/);
});

test('of calls that share a path, a job makes the one that its query says, else the first', async () => {
  const sync = all.filter((one) => one.worker === 'sync-integrations');
  const at = (query) => service.add({ url: `${APP}/api/cron/sync-integrations${query}`, enabled: true });
  const plan = async () => (await callers('--only', 'sync-integrations')).stdout.split('\n').filter((line) => /^\w/.test(line)).slice(0, -1);
  const [half, plain] = [at('?busy=200&interval=30min#x'), at('')];
  assert.deepEqual(await plan(), [`update     sync-integrations 15min  (job ${plain})`, `update     sync-integrations 30min  (job ${half})`]);
  const right = sync.map((one) => service.add({ url: url(one), enabled: true }));
  at('?interval=30min5');
  assert.deepEqual((await plan()).slice(0, 2), right.map((id, i) => `update     sync-integrations ${i ? 30 : 15}min  (job ${id})`));
  assert.match((await callers('--only', 'sync-integrations')).stdout, /sync-integrations: another job rings it already/);
});

test('--only: no other job is made or looked at', async () => {
  await applied('--only', 'data-archival');
  assert.deepEqual(ours().map((job) => job.url), [url(list.find((one) => one.worker === 'data-archival'))]);
  service.forget();
  await applied('--only', 'webhook-retry', '--only', 'cleanup-reservations');
  assert.equal(ours().length, 3);
  assert.deepEqual(service.requests.map((one) => one.method), ['GET', 'PUT', 'PUT']);
});

test('a job that is refused stops no other; the same command does the rest', async () => {
  service.fail('PUT /jobs', 400);
  const done = await callers('--apply');
  assert.equal(done.code, 1);
  assert.match(done.stderr, /webhook-retry: cron-job.org refuses it \(400\)/);
  assert.match(done.stderr, new RegExp(`${COUNT - 1} of ${COUNT} changes are done`));
  assert.equal(ours().length, COUNT - 1);
  await applied();
  assert.deepEqual(ours().map((job) => job.url).sort(), list.map(url).sort());
  noSecret(done);
});

test('what was planned and not sent is not gone, and what was sent twice is', async () => {
  const gone = () => stand.db.value(`SELECT sum((detail ->> 'requests')::int)::int FROM audit_log`);
  service.fail('PUT /jobs', 401);
  assert.match((await callers('--apply')).stderr, new RegExp(`0 of ${COUNT} changes are done`));
  assert.deepEqual([service.requests.length, await gone()], [2, 2]);
  service.fail('PUT /jobs', { status: 429, headers: { 'retry-after': '1' } });
  await applied('--only', 'webhook-retry');
  assert.deepEqual([service.requests.length, await gone()], [5, 5]);
});

test('a creation whose answer was lost is not repeated, but found', async () => {
  service.fail('PUT /jobs', { status: 500, afterwards: true });
  const done = await callers('--apply');
  assert.equal(done.code, 1);
  assert.match(done.stderr, /answered 500/);
  assert.equal(ours().length, COUNT);
  assert.match((await applied()).stdout, /Nothing is to be done/);
  assert.equal(ours().length, COUNT);
});

for (const [what, fault, says] of [
  ['401', 401, /refuses CRON_JOB_ORG_API_KEY \(401\)/],
  ['403', 403, /from this address \(403\)/],
  ['500', 500, /answered 500/],
  ['a redirect', { status: 302, headers: { location: 'https://elsewhere.example.com/' } }, /answered 302/],
  ['no JSON', { status: 200, body: '<html>' }, /cannot be used: it is no JSON object/],
  ['half of a JSON text', { status: 200, body: '{"jobs": [' }, /it is no JSON object/],
  ['JSON of another kind', { status: 200, body: [1] }, /it is no JSON object/],
  ['no list', { status: 200, body: { jobs: null } }, /the list of jobs is missing/],
  ['a list that is incomplete', { status: 200, body: { jobs: [], someFailed: true } }, /incomplete/],
  ['a job without an id', { status: 200, body: { jobs: [{ url: 'https://x/' }] } }, /no jobId/],
  ['a job without a URL', { status: 200, body: { jobs: [{ jobId: 3, url: null }] } }, /no url/],
  ['429 until tomorrow', { status: 429, headers: { 'retry-after': '40000' } }, /no more requests for now \(429, Retry-After: 40000\)/],
]) {
  test(`the list answers ${what}: one line says so, nothing is changed`, async () => {
    service.fail('GET /jobs', fault);
    const done = await callers('--apply');
    assert.equal(done.code, 1);
    assert.match(done.stderr, says);
    assert.equal(done.stderr.trim().split('\n').length, 1, done.stderr);
    assert.equal(done.stdout, '');
    assert.deepEqual(service.changes(), []);
    noSecret(done);
  });
}

test('details that cannot be read: nothing is changed', async () => {
  await applied();
  service.forget();
  service.fail(/^GET \/jobs\/\d/, { status: 200, body: { jobDetails: {} } });
  const done = await callers('--apply');
  assert.equal(done.code, 1);
  assert.match(done.stderr, /the job has no jobId or no url/);
  assert.deepEqual(service.changes(), []);
});

test('a refused key in the middle ends it: no other request goes out', async () => {
  service.fail('PUT /jobs', 401);
  const done = await callers('--apply');
  assert.equal(done.code, 1);
  assert.match(done.stderr, new RegExp(`0 of ${COUNT} changes are done`));
  assert.equal(service.changes().length, 1);
});

test('429 with Retry-After is waited for, and then all is done', async () => {
  service.fail('PUT /jobs', { status: 429, headers: { 'retry-after': '3' } });
  const done = await applied();
  assert.match(done.stderr, /waiting 3 s for cron-job.org: it answered 429/);
  const [refused, next] = service.changes();
  assert.ok(next.at - refused.at >= 2900, `${next.at - refused.at} ms`);
  assert.equal(ours().length, COUNT);
});

test('SIGINT while it waits: it ends at once, says how far it came, and is continued', async () => {
  service.fail('PUT /jobs', 429, 2); // without a word for how long: two seconds, then a minute
  const log = path.join(tempFolder('log'), 'log');
  const child = start(program(), ['callers', 'cron-job.org', ...only, '--apply'], { env: cleanEnv(stand.env(env)), log });
  await until(() => readFileSync(log, 'utf8').includes('it answered 429'), { what: 'the wait' });
  const began = Date.now();
  child.signal('SIGINT');
  const { code } = await child.ended;
  assert.equal(code, 1);
  assert.ok(Date.now() - began < 2000);
  assert.match(readFileSync(log, 'utf8'), new RegExp(`webhook-retry: stopped[^]*0 of ${COUNT} changes are done`));
  assert.equal(service.changes().length, 2);
  await applied();
  assert.equal(ours().length, COUNT);
});

test('on a terminal the wait counts down on one line, and Ctrl-C ends it', async () => {
  service.fail('PUT /jobs', { status: 429, headers: { 'retry-after': '30' } });
  const terminal = new Terminal(program(), ['callers', 'cron-job.org', ...only, '--apply'], stand.env(env));
  await terminal.shows(/waiting 30 s for cron-job.org: it answered 429[^\n]*\r[^\n]*waiting 29 s/);
  terminal.type('\x03');
  assert.equal(await terminal.ended(), 1);
  assert.match(terminal.output, /\r\x1b\[K[^\n]*webhook-retry: stopped/);
  assert.ok(!terminal.output.includes(service.key) && !terminal.output.includes(stand.key));
});

test('what the day has left is known: a plan that needs more is not begun', async () => {
  const count = (requests) => stand.db.rows(
    `INSERT INTO audit_log (actor, action, target, detail) VALUES ('cli:test', 'callers.read', 'cron-job.org', jsonb_build_object('requests', $1::int))`, [requests]);
  await count(99 - COUNT + 1);
  let done = await callers('--apply');
  assert.equal(done.code, 1);
  assert.match(done.stderr, new RegExp(`takes ${COUNT} more requests, and ${COUNT - 1} are left`));
  assert.deepEqual(service.changes(), []);
  await count(COUNT - 1);
  done = await callers();
  assert.equal(done.code, 1);
  assert.match(done.stderr, /comparing takes 1 more requests, and 0 are left/);
  assert.equal(service.requests.length, 1, 'the second one asked nothing');
  await applied('--daily-limit', '5000');
  // Yesterday's do not count.
  await stand.db.rows(`UPDATE audit_log SET at = at - interval '1 day'`);
  assert.equal((await callers()).code, 0);
});

test('audit_log has who did what and with how many requests, and no secret', async () => {
  await callers();
  await applied();
  const acts = await audit();
  assert.deepEqual(acts.map((act) => [act.action, act.target, act.detail.requests]),
    [['callers.read', 'cron-job.org', 1], ['callers.read', 'cron-job.org', 1], ['callers.apply', 'cron-job.org', COUNT]]);
  assert.deepEqual(acts[2].detail.create, list.map((one) => one.worker));
  assert.ok(acts.every((act) => act.actor.startsWith('cli:')));
  for (const secret of [stand.key, service.key]) assert.ok(!JSON.stringify(acts).includes(secret));
});

test('allowlist: lines that nginx takes, asked for without the key', async () => {
  const done = await stand.cli(['callers', 'allowlist'], { env: { ...env, DATABASE_URL: '', CRON_JOB_ORG_API_KEY: '' } });
  assert.equal(done.code, 0, done.stderr);
  assert.match(done.stdout, /^# cron-job\.org, \d{4}-\d\d-\d\d\nallow 192\.0\.2\.67;\nallow 2001:db8::1;\n$/);
  assert.equal(service.requests[0].headers.authorization, undefined);
});

test('allowlist: what is no address, or no list, is not printed', async () => {
  for (const body of [{ ipAddresses: ['192.0.2.1', '192.0.2.2; allow all'] }, { ipAddresses: ['all'] }, { ipAddresses: ['0.0.0.0/0'] }, { ipAddresses: [7] },
    { ipAddresses: [] }, {}, [], '<html>']) {
    service.fail('GET /executor-nodes.json', { status: 200, body });
    const done = await stand.cli(['callers', 'allowlist'], { env });
    assert.deepEqual([done.code, done.stdout], [1, ''], JSON.stringify(body));
    assert.match(done.stderr, /cron-job.org's reply cannot be used/);
  }
  const plain = await stand.cli(['callers', 'allowlist'], { env: { ...env, CRON_JOB_ORG_BASE_URL: 'http://api.example.com' } });
  assert.deepEqual([plain.code, plain.stdout], [1, '']);
});

test('settings that are missing or would show a secret are named, and nothing is asked', async () => {
  for (const [wrong, says] of [
    [{ APP_URL: '' }, /APP_URL is not set/],
    [{ APP_URL: 'http://cron.example.com' }, /APP_URL: plain http/],
    [{ APP_URL: 'http://127.0.0.1.example.com' }, /APP_URL: plain http/],
    [{ CRON_JOB_ORG_BASE_URL: 'http://api.example.com' }, /CRON_JOB_ORG_BASE_URL: plain http/],
    [{ CRON_JOB_ORG_API_KEY: '' }, /CRON_JOB_ORG_API_KEY is not set/],
    [{ CRON_JOB_ORG_API_KEY: 'short' }, /CRON_JOB_ORG_API_KEY is not set or too short/],
    [{ CRON_JOB_API_KEY: 'short' }, /CRON_JOB_API_KEY is not set, too short/],
    [{ CRON_JOB_API_KEY: '', CRON_SECRET: '' }, /CRON_SECRET is not set/],
    [{ EGRESS_ALLOW: '' }, /is not public/],
  ]) {
    const done = await stand.cli(['callers', 'cron-job.org', '--apply'], { env: { ...env, ...wrong } });
    assert.equal(done.code, 1, JSON.stringify(wrong));
    assert.match(done.stderr, says);
    noSecret(done);
  }
  assert.equal(service.requests.length, 0);
});

test('wrong words are refused with what is allowed', async () => {
  for (const args of [[], ['nonsense'], ['list', 'x'], ['list', '--apply'], ['allowlist', 'x'], ['cron-job.org', 'x'], ['cron-job.org', '--only', 'x'], ['cron-job.org', '--only'],
    ['cron-job.org', '--daily-limit', '0'], ['cron-job.org', '--json']]) {
    const done = await stand.cli(['callers', ...args], { env });
    assert.equal(done.code, 2, args.join(' '));
    assert.equal(done.stdout, '');
  }
  assert.equal((await stand.cli(['callers', 'cron-job.org', '--help'])).code, 0);
});
