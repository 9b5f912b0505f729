// Seed 002, what it has of webhooks: its query of the logs, and the route that retries, called as it
// calls a job's.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { holdLock } from '../lib/callers.mjs';
import { cleanEnv, run } from '../lib/process.mjs';
import { Site } from '../lib/site.mjs';

const JOB = 'whatsapp-webhook-retry';
const site = await Site.start();
after(() => site.end());
const rows = (sql, values) => site.query(sql, values);

// Its commands are those of the health check; the job is another one.
async function shell(command) {
  const filled = command.replace('http://localhost:3000', `http://localhost:${site.portHttp}`).replace('whatsapp-health-check', 'webhook-retry')
    .replace(/3a8f2e1b9c4d7a6f5e2b8c1d9a7f4e6b|YOUR_CRON_SECRET/, site.secrets.CRON_SECRET);
  const done = await run('bash', ['-c', filled], { env: cleanEnv({ no_proxy: '*' }) });
  assert.equal(done.code, 0, done.stderr);
  return JSON.parse(done.stdout);
}

const TRIGGER = `
curl -X POST http://localhost:3000/api/v1/jobs/whatsapp-health-check \\
  -H "x-cron-secret: 3a8f2e1b9c4d7a6f5e2b8c1d9a7f4e6b"`;
const STATUS = `
curl "http://localhost:3000/api/v1/jobs/whatsapp-health-check?secret=YOUR_CRON_SECRET"`;
const status = (isRunning) => ({ success: true, isRunning, jobType: JOB });

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
  const { success, jobId, message, processed, succeeded, failed, run: ran } = await shell(TRIGGER);
  assert.deepEqual([success, processed, succeeded, failed, ran.worker], [true, 3, 2, 1, JOB]);
  assert.equal(typeof message, 'string');
  const [, ms] = /^whatsapp-webhook-retry-(\d{13})$/.exec(jobId);
  assert.ok(Math.abs(Number(ms) - began) < 10_000, jobId);

  const [left, ...others] = await rows(QUERY);
  assert.deepEqual(others, []);
  assert.match(left.processingerror, /division by zero/);
});

test('its status: the shape of the seed, with the secret in the address, and no run', async () => {
  const count = async () => (await rows('SELECT count(*)::int AS n FROM cron_job_executions WHERE job_name = $1', [JOB]))[0].n;
  const ran = await count();
  assert.deepEqual(await shell(STATUS), status(false));
  const free = await holdLock(rows, JOB);
  assert.deepEqual(await shell(STATUS), status(true));
  // "Error: Job already running, skipping (429)".
  const busy = await shell(TRIGGER);
  await free();
  assert.deepEqual([busy.success, busy.code], [false, 'busy']);
  assert.match(busy.error, /Job already running, skipping/);
  assert.equal(await count(), ran);
});

test('the secret in the address opens the status and nothing else, and is in no log', async () => {
  const secret = site.secrets.CRON_SECRET;
  const at = `/api/v1/jobs/webhook-retry?secret=${secret}`;
  assert.equal((await site.call('POST', at)).json.code, 'unauthorized');
  assert.equal((await site.call('GET', `${at}&run=1`)).json.code, 'unauthorized');
  assert.equal((await site.call('GET', `/api/cron/retry-webhooks?secret=${secret}`)).json.code, 'unauthorized');
  assert.equal((await site.call('GET', at.replace(secret, 'wrong-wrong-wrong-wrong'))).json.code, 'unauthorized');
  for (const name of ['cronward.access.log', 'cronward.error.log', 'nginx.log', 'workers.log', 'api.log']) assert.ok(!site.log(name).includes(secret), name);
});
