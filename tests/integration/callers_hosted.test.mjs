// Calls in the form of the hosted services: cron-job.org's executor and EasyCron, by their pages.
// The service's own program is curl's library with these options; here it is curl.
import assert from 'node:assert/strict';
import { after, beforeEach, test } from 'node:test';
import { callersList, configured, curl, eachOnce, holdLock, runsOf, secretOf, shipped } from '../lib/callers.mjs';
import { CronJobOrg } from '../lib/cron_job_org.mjs';
import { cleanEnv, run } from '../lib/process.mjs';
import { program } from '../lib/program.mjs';
import { Receiver } from '../lib/receiver.mjs';
import { Site } from '../lib/site.mjs';
import { until } from '../lib/wait.mjs';

const BUDGET_S = 2;
const CJO_SIZE_MAX = 4096; // headers and body; what old copies of it take, and the contract's promise
const list = await callersList();
const site = await Site.start({ env: { ...configured, RUN_BUDGET_S: String(BUDGET_S), WEBHOOK_TIMEOUT_S: '2', PLAIN_HTTP: 'refuse' } });
const receiver = await Receiver.start({ host: '127.0.0.1' });
after(() => site.end());
const query = (sql, values) => site.query(sql, values);
beforeEach(() => query('TRUNCATE cron_job_executions, webhook_deliveries, webhook_attempts'));

const FORMS = {
  // An empty POST is a form to curl; no certificate is looked at; IPv4; nothing is kept.
  'cron-job.org': {
    options: ['insecure', 'ipv4', ['max-time', '30'], ['user-agent', 'Mozilla/4.0 (compatible; cron-job.org; http://cron-job.org/abuse/)'], ['data', '']],
    header: (secret) => `Authorization: Bearer ${secret}`,
  },
  easycron: {
    options: ['insecure', ['max-time', '30'], ['user-agent', 'Mozilla/5.0 (compatible; easycron)'], ['data', ''], ['header', 'Content-Type:']],
    header: (secret) => `x-cron-secret: ${secret}`,
  },
};

const origin = `https://cron.example.com:${site.portTls}`;
const here = ['resolve', `cron.example.com:${site.portTls}:127.0.0.1`];
// The URLs as the page has them.
const urlsOf = (name) => [...shipped(`${name}/README.md`).matchAll(/^\| ([\w-]+) \| `https:\/\/cron\.example\.com([^`]+)`/gm)]
  .map(([, worker, at]) => ({ worker, url: origin + at }));
const secretFor = (url) => secretOf(site, list.find((one) => url.includes(one.path.split('?')[0])) ?? list[0]);
const ring = (form, url, { secret = secretFor(url), more = [] } = {}) => curl(url, [here, ...form.options, ['header', form.header(secret)], ...more]);

for (const [name, form] of Object.entries(FORMS)) {
  const urls = urlsOf(name);

  test(`${name}: each URL of its page runs its worker, over a connection of its own, without a redirect`, async () => {
    assert.deepEqual(urls.map((one) => one.worker), list.map((one) => one.worker));
    for (const { worker, url } of urls) {
      const answer = await ring(form, url);
      assert.deepEqual([answer.code, answer.status, answer.json?.run?.worker], [0, 200, worker], answer.body);
      assert.deepEqual([answer.connects, answer.redirects, answer.address], [1, 0, '127.0.0.1']);
      assert.match(answer.headers, /^content-length: \d+\r?$/im);
      assert.match(answer.headers, /^cache-control: no-store\r?$/im);
      assert.ok(answer.size < CJO_SIZE_MAX, `${answer.size} bytes`);
    }
    assert.deepEqual(await runsOf(site), eachOnce(list));
  });

  test(`${name}: all jobs of a minute at second 0, twice each: every one succeeds, each worker runs`, async () => {
    const answers = await Promise.all([...urls, ...urls].map(({ url }) => ring(form, url)));
    assert.deepEqual(answers.map((answer) => answer.status), answers.map(() => 200), answers.map((answer) => answer.body).join('\n'));
    assert.deepEqual(answers.map((answer) => answer.connects), answers.map(() => 1));
    assert.deepEqual(Object.keys(await runsOf(site)).sort(), Object.keys(eachOnce(list)).sort());
  });

  test(`${name}: a worker that runs already is no failure; without busy=200 it would be`, async () => {
    const { worker, url } = urls.find((one) => one.worker === 'cleanup-reservations');
    const free = await holdLock(query, worker);
    const busy = await ring(form, url);
    const counted = await ring(form, url.replace('?busy=200', ''));
    await free();
    assert.deepEqual([busy.status, busy.json.skipped, counted.status, counted.json.code], [200, true, 429, 'busy']);
    assert.ok(busy.size < CJO_SIZE_MAX && counted.size < CJO_SIZE_MAX);
    assert.deepEqual(await runsOf(site), {});
  });

  test(`${name}: a wrong secret is 401, in few bytes, and runs nothing`, async () => {
    const answer = await ring(form, urls[0].url, { secret: 'wrong-wrong-wrong-wrong' });
    assert.deepEqual([answer.status, answer.json.code], [401, 'unauthorized']);
    assert.ok(answer.size < CJO_SIZE_MAX);
    assert.deepEqual(await runsOf(site), {});
  });

  test(`${name}: more work than time, at receivers that hang: answered within the budget, in few bytes`, async () => {
    await query('DELETE FROM app_webhooks');
    await query(`INSERT INTO app_webhooks (url, secret) VALUES ($1, 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw')`, [receiver.url('/hang/for/ever')]);
    await query(`INSERT INTO platform_events (event_type, payload) SELECT 'size.checked', '{}' FROM generate_series(1, 500)`);
    const answer = await ring(form, urls[0].url);
    assert.deepEqual([answer.code, answer.status], [0, 200], answer.body);
    assert.equal(answer.json.run.more, true);
    assert.ok(answer.ms < (BUDGET_S + 5) * 1000, `${answer.ms} ms`);
    assert.ok(answer.size < CJO_SIZE_MAX, `${answer.size} bytes`);
    await query('DELETE FROM app_webhooks');
  });
}

test('with the default budget the hard end comes before 30 s', async () => {
  const printed = await run(program(), ['config', '--markdown'], { env: cleanEnv() });
  const budget = Number(/^\| `RUN_BUDGET_S` \| (\d+) \|/m.exec(printed.stdout)[1]);
  assert.ok(budget + 5 < 30);
});

test('who verifies certificates finds that this name is not on ours: the form does not', async () => {
  const { url } = urlsOf('cron-job.org')[0];
  const options = FORMS['cron-job.org'].options.filter((option) => option !== 'insecure');
  const answer = await curl(url, [here, ...options, ['cacert', `${site.var}/tls/cert.pem`]]);
  assert.equal(answer.code, 60);
});

test('plain HTTP is refused, not redirected: a job with http:// fails and shows why', async () => {
  const answer = await curl(`http://127.0.0.1:${site.portHttp}${list[0].path}?busy=200`,
    [...FORMS['cron-job.org'].options, ['header', `Authorization: Bearer ${site.key}`]]);
  assert.deepEqual([answer.status, answer.json.code, answer.redirects], [403, 'https_required', 0]);
});

test('a slash at the end is the same route, and no redirect that nobody would follow', async () => {
  const answer = await ring(FORMS['cron-job.org'], `${origin}${list[0].path}/?busy=200`);
  assert.deepEqual([answer.status, answer.redirects], [200, 0]);
});

test('the jobs that the command makes are rung as they stand: method, URL, headers, body, time-out', async (t) => {
  const service = await CronJobOrg.start();
  t.after(() => service.stop());
  const env = cleanEnv({ DATABASE_URL: site.secrets.DATABASE_URL, CRON_SECRET: site.secrets.CRON_SECRET, CRON_JOB_API_KEY: site.key,
    WORKER_SECRET_TOKEN: site.secrets.WORKER_SECRET_TOKEN, APP_URL: origin, CRON_JOB_ORG_API_KEY: service.key,
    CRON_JOB_ORG_BASE_URL: service.origin, EGRESS_ALLOW: '127.0.0.2/32' });
  // One of each secret, and one more: the service creates five jobs a minute.
  const these = list.filter((one) => ['webhook-retry', 'job-queue', 'retry-webhooks', 'process-email-queue'].includes(one.worker));
  const done = await run(program(), ['callers', 'cron-job.org', '--apply', ...these.flatMap((one) => ['--only', one.worker])], { env });
  assert.equal(done.code, 0, done.stderr);
  const methods = ['GET', 'POST', 'OPTIONS', 'HEAD', 'PUT', 'DELETE', 'TRACE', 'CONNECT', 'PATCH'];
  const jobs = [...service.jobs.values()];
  const answers = await Promise.all(jobs.map((job) => curl(job.url, [here, 'insecure', 'ipv4', ['max-time', String(job.requestTimeout)],
    ['request', methods[job.requestMethod]], ['data', job.extendedData.body], ['user-agent', 'Mozilla/4.0 (compatible)'],
    ...Object.entries(job.extendedData.headers).map(([key, value]) => ['header', `${key}: ${value}`])])));
  assert.deepEqual(answers.map((answer) => answer.status), jobs.map(() => 200), answers.map((answer) => answer.body).join('\n'));
  assert.deepEqual(answers.map((answer) => answer.json.run.worker).sort(), these.map((one) => one.worker).sort());
  assert.ok(answers.every((answer) => answer.size < CJO_SIZE_MAX));
});

test('the access log has each call with its worker and outcome, and no secret', async () => {
  await ring(FORMS['cron-job.org'], urlsOf('cron-job.org')[0].url);
  const lines = () => site.log('cronward.access.log').trim().split('\n').map((line) => JSON.parse(line));
  await until(() => lines().some((line) => line.worker === list[0].worker && line.outcome === 'success'));
  assert.ok(!site.log('cronward.access.log').includes(site.key));
});
