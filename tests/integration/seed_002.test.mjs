// Seed 002: each of its commands and statements, with nothing but host and secret in their places; and
// the route of its phase 2.3, which retries webhooks, called as it calls the health check's.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { holdLock } from '../lib/callers.mjs';
import { httpCall } from '../lib/http.mjs';
import { Meta } from '../lib/meta.mjs';
import { cleanEnv, must, run } from '../lib/process.mjs';
import { program } from '../lib/program.mjs';
import { Site } from '../lib/site.mjs';

const HEALTH = 'whatsapp-health-check';
const RETRY = 'whatsapp-webhook-retry';
const meta = await Meta.start({ host: '127.0.0.1' });
const site = await Site.start({ env: { META_BASE_URL: meta.origin, META_APP_ID: meta.app.id, META_APP_SECRET: meta.app.secret } });
after(() => site.end());
after(() => meta.stop());
const rows = (sql, values) => site.query(sql, values);

async function shell(command, secret = site.secrets.CRON_SECRET) {
  const filled = command.replace('http://localhost:3000', `http://localhost:${site.portHttp}`).replace('https://your-domain.com', `https://127.0.0.1:${site.portTls}`)
    .replace(/3a8f2e1b9c4d7a6f5e2b8c1d9a7f4e6b|YOUR_CRON_SECRET/, secret);
  const done = await run('bash', ['-c', filled], { env: cleanEnv({ no_proxy: '*', CURL_CA_BUNDLE: `${site.var}/tls/cert.pem` }) });
  assert.equal(done.code, 0, done.stderr);
  return JSON.parse(done.stdout);
}
// The other job, called as it calls the one that it has.
const retry = (command) => shell(command.replace('whatsapp-health-check', 'webhook-retry'));

const TRIGGER = `
curl -X POST http://localhost:3000/api/v1/jobs/whatsapp-health-check \\
  -H "x-cron-secret: 3a8f2e1b9c4d7a6f5e2b8c1d9a7f4e6b"`;
const STATUS = `
curl "http://localhost:3000/api/v1/jobs/whatsapp-health-check?secret=YOUR_CRON_SECRET"`;
const status = (isRunning, jobType) => ({ success: true, isRunning, jobType });
const count = async (job) => (await rows('SELECT count(*)::int AS n FROM cron_job_executions WHERE job_name = $1', [job]))[0].n;

// Three connections: one is well, one expires within 7 days, one was revoked (subcode 460).
const days = (n) => Math.floor(Date.now() / 1000) + n * 86_400;
for (const [token, facts] of [['EAAwell0000000000000000001', { expires_at: days(60) }], ['EAAsoon0000000000000000002', { expires_at: days(3) }], ['EAAdead0000000000000000003', { dead: 460 }]]) {
  const number = `10685321886130${token.at(-1)}`;
  meta.add({ token, number, ...facts });
  await rows(`WITH c AS (INSERT INTO whatsapp_connections (wabaId, phoneNumberId) VALUES ('1234567890123456', $1) RETURNING id)
    INSERT INTO whatsapp_configs (connection_id, accessToken) SELECT id, $2 FROM c`, [number, token]);
}

test('the health check: "Manual testing", its reply, and what its queries then show', async () => {
  const began = Date.now();
  const reply = await shell(TRIGGER);
  assert.deepEqual([reply.success, reply.message, reply.run.worker], [true, 'WhatsApp health check completed', HEALTH]);
  const [, ms] = /^whatsapp-health-check-(\d{13})$/.exec(reply.jobId);
  assert.ok(Math.abs(Number(ms) - began) < 10_000, reply.jobId);

  const history = await rows(`
-- View health check history
SELECT * FROM whatsapp_health
ORDER BY lastCheck DESC
LIMIT 10;`);
  assert.deepEqual(history.map((row) => row.status).sort(), ['error', 'healthy', 'warning']);
  for (const row of history) assert.ok(row.latencyms >= 0 && row.lastcheck instanceof Date && (row.errorcode === null) === (row.status === 'healthy'), JSON.stringify(row));
  const connections = await rows(`
-- View connection status
SELECT id, wabaId, healthStatus, lastHealthCheckAt
FROM whatsapp_connections
ORDER BY lastHealthCheckAt DESC;`);
  assert.deepEqual(connections.map((row) => row.healthstatus).sort(), ['error', 'healthy', 'warning']);
  for (const row of connections) assert.deepEqual([row.wabaid, row.lasthealthcheckat instanceof Date], ['1234567890123456', true]);
});

test('the health check: "Cron daemon", Vercel\'s GET, its status, 401 and 429', async () => {
  const CRONTAB = `
0 2 * * * curl -X POST https://your-domain.com/api/v1/jobs/whatsapp-health-check \\
  -H "x-cron-secret: YOUR_CRON_SECRET"`;
  const ran = await count(HEALTH);
  assert.equal((await shell(CRONTAB.replace('0 2 * * * ', ''))).run.worker, HEALTH);
  // "path": "/api/v1/jobs/whatsapp-health-check", "schedule": "0 2 * * *".
  const vercel = await httpCall(`http://127.0.0.1:${site.portHttp}`, 'GET', '/api/v1/jobs/whatsapp-health-check',
    { headers: { authorization: `Bearer ${site.secrets.CRON_SECRET}`, 'user-agent': 'vercel-cron/1.0', 'x-vercel-cron-schedule': '0 2 * * *' } });
  assert.deepEqual([vercel.status, vercel.json.run.worker], [200, HEALTH]);
  assert.equal(await count(HEALTH), ran + 2);
  assert.deepEqual(await shell(STATUS), status(false, HEALTH));
  for (const command of [TRIGGER, STATUS]) assert.deepEqual(await shell(command, 'wrong-wrong-wrong-wrong').then(({ code, error }) => [code, error]), ['unauthorized', 'Unauthorized']);
  await holdLock(rows, HEALTH);
  assert.deepEqual(await shell(STATUS), status(true, HEALTH));
  assert.match((await shell(TRIGGER)).error, /^Job already running, skipping/);
  // In place of `redis-cli DEL "job-lock:whatsapp-health-check"`.
  await must(program(), ['locks', 'clear', '--force', HEALTH], { env: cleanEnv({ DATABASE_URL: site.secrets.DATABASE_URL }) });
  assert.equal((await shell(TRIGGER)).success, true);
  assert.equal(await count(HEALTH), ran + 3);
});

test('"No tokens being validated": its queries find what there is; its secrets open the routes', async () => {
  assert.deepEqual(await rows("SELECT COUNT(*) FROM whatsapp_connections WHERE status = 'active'"), [{ count: '3' }]);
  assert.deepEqual(await rows('SELECT COUNT(*) FROM whatsapp_configs WHERE accessToken IS NOT NULL'), [{ count: '3' }]);
  // "Check tokens are encrypted": plain ones were sealed by the first check.
  assert.deepEqual(await rows("SELECT DISTINCT split_part(accesstoken, '.', 1) AS form FROM whatsapp_configs"), [{ form: 'cw1' }]);
  for (const command of [`CRON_SECRET=$(node -e "console.log(require('crypto').randomBytes(32).toString('hex'))")`, 'CRON_SECRET=$(openssl rand -hex 32)']) {
    const made = await must('bash', ['-c', `${command}; printf %s "$CRON_SECRET"`], { env: cleanEnv() });
    assert.match(made, /^[0-9a-f]{64}$/);
  }
});

test('what failed is found by its query, and tried again by its command', async () => {
  await rows(`CREATE FUNCTION notice(event jsonb) RETURNS void LANGUAGE sql AS $$ SELECT 1 / (event #>> '{payload,n}')::int $$`);
  await rows(`INSERT INTO event_handlers (provider, action) VALUES ('whatsapp', 'notice')`);
  await rows(`INSERT INTO whatsapp_webhook_logs (eventtype, payload, processingerror)
    SELECT 'messages', jsonb_build_object('n', n), 'away' FROM generate_series(0, 2) n`);
  const QUERY = `
-- View webhook logs for failures
SELECT id, eventType, processed, processingError
FROM whatsapp_webhook_logs
WHERE processed = false
LIMIT 10;`;
  const before = await rows(QUERY);
  assert.deepEqual(before.map((row) => [row.eventtype, row.processed, row.processingerror]), Array(3).fill(['messages', false, 'away']));

  const began = Date.now();
  const { success, jobId, message, processed, succeeded, failed, run: ran } = await retry(TRIGGER);
  assert.deepEqual([success, processed, succeeded, failed, ran.worker], [true, 3, 2, 1, RETRY]);
  assert.equal(typeof message, 'string');
  const [, ms] = /^whatsapp-webhook-retry-(\d{13})$/.exec(jobId);
  assert.ok(Math.abs(Number(ms) - began) < 10_000, jobId);

  const [left, ...others] = await rows(QUERY);
  assert.deepEqual(others, []);
  assert.match(left.processingerror, /division by zero/);
});

test('its status: the shape of the seed, with the secret in the address, and no run', async () => {
  const ran = await count(RETRY);
  assert.deepEqual(await retry(STATUS), status(false, RETRY));
  const free = await holdLock(rows, RETRY);
  assert.deepEqual(await retry(STATUS), status(true, RETRY));
  // "Error: Job already running, skipping (429)".
  const busy = await retry(TRIGGER);
  await free();
  assert.deepEqual([busy.success, busy.code], [false, 'busy']);
  assert.match(busy.error, /Job already running, skipping/);
  assert.equal(await count(RETRY), ran);
});

test('the secret in the address opens the status and nothing else, and is in no log', async () => {
  const secret = site.secrets.CRON_SECRET;
  const at = `/api/v1/jobs/webhook-retry?secret=${secret}`;
  for (const route of [at, at.replace('webhook-retry', HEALTH)]) {
    assert.equal((await site.call('POST', route)).json.code, 'unauthorized');
    assert.equal((await site.call('GET', `${route}&run=1`)).json.code, 'unauthorized');
  }
  assert.equal((await site.call('GET', `/api/cron/retry-webhooks?secret=${secret}`)).json.code, 'unauthorized');
  assert.equal((await site.call('GET', at.replace(secret, 'wrong-wrong-wrong-wrong'))).json.code, 'unauthorized');
  for (const name of ['cronward.access.log', 'cronward.error.log', 'nginx.log', 'workers.log', 'api.log']) assert.ok(!site.log(name).includes(secret), name);
});
