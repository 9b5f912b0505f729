// Seed 001, statement by statement: its curl commands and SQL as they are printed there, with hosts,
// tokens and ids in their places and nothing else changed, and its TypeScript as what it sends.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Apollo } from '../lib/apollo.mjs';
import { cleanEnv, run } from '../lib/process.mjs';
import { Site } from '../lib/site.mjs';
import { until } from '../lib/wait.mjs';

const apollo = await Apollo.start({ host: '127.0.0.1' });
const site = await Site.start({ env: { APOLLO_BASE_URL: apollo.origin, CRONWARD_REGION: 'iad1', CRONWARD_ENV: 'production' } });
after(() => site.end());
after(() => apollo.stop());

const token = site.secrets.WORKER_SECRET_TOKEN;
const rows = (sql, values) => site.query(sql, values);
const one = async (sql, values) => (await rows(sql, values))[0];
const workspace = '00000000-0000-7000-8000-000000000001';
const account = '00000000-0000-7000-8000-000000000002';

// A command in a shell, its placeholders filled in; the reply, parsed.
async function shell(command) {
  const filled = command.replaceAll('http://localhost:3000', `http://localhost:${site.portHttp}`)
    .replaceAll('https://your-app.vercel.app', `https://127.0.0.1:${site.portTls}`)
    .replaceAll(/dev-secret-token|YOUR_PRODUCTION_TOKEN|YOUR_TOKEN/g, token);
  const done = await run('bash', ['-c', filled], { env: cleanEnv({ no_proxy: '*', CURL_CA_BUNDLE: `${site.var}/tls/cert.pem` }) });
  assert.equal(done.code, 0, done.stderr);
  return JSON.parse(done.stdout);
}
// The seed's statements name their job and workspace by words.
const filled = (sql, job) => sql.replaceAll('job-uuid', job).replaceAll('workspace-uuid', workspace);

const TRIGGER = `
curl -X POST http://localhost:3000/api/jobs/worker \\
  -H "Authorization: Bearer dev-secret-token"`;
const TRIGGER_PRODUCTION = `
curl -X POST https://your-app.vercel.app/api/jobs/worker \\
  -H "Authorization: Bearer YOUR_PRODUCTION_TOKEN"`;
const STATUS = `
curl https://your-app.vercel.app/api/jobs/worker \\
  -H "Authorization: Bearer YOUR_TOKEN"`;
const TRIGGER_BY_HAND = `
curl -X POST https://your-app.vercel.app/api/jobs/worker \\
     -H "Authorization: Bearer YOUR_TOKEN"`;

function looksLikeARun(reply) {
  assert.deepEqual(Object.keys(reply), ['success', 'processed', 'succeeded', 'failed', 'message', 'run']);
  assert.equal(reply.success, true);
  assert.equal(typeof reply.message, 'string');
  assert.ok(reply.run.id && reply.run.worker === 'job-queue');
}

before(async () => {
  await rows(`INSERT INTO workspaces (id) VALUES ('${workspace}');`);
  await rows(`INSERT INTO workspace_settings (workspace_id, apollo_api_key_encrypted) VALUES ($1, $2)`, [workspace, apollo.credentials.api_key]);
  await rows(`INSERT INTO accounts (id, workspace_id, domain) VALUES ($1, $2, 'example.com')`, [account, workspace]);
});

// What its supabase-js call sends: an insert of these columns, and the row back.
const insert = (type, payload) => one(
  `INSERT INTO jobs (workspace_id, job_type, payload, status) VALUES ($1, $2, $3, 'pending') RETURNING *`, [workspace, type, JSON.stringify(payload)]);
const jobOf = (id) => one('SELECT * FROM jobs WHERE id = $1', [id]);

describe('commands', () => {
  for (const [what, command] of Object.entries({ 'trigger, local': TRIGGER, 'trigger, production': TRIGGER_PRODUCTION, 'trigger by hand': TRIGGER_BY_HAND }))
    test(what, async () => looksLikeARun(await shell(command)));

  test('status: the shape of the seed, and no run', async () => {
    const count = async () => (await one(`SELECT count(*)::int AS n FROM cron_job_executions WHERE job_name = 'job-queue'`)).n;
    const ran = await count();
    const reply = await shell(STATUS);
    assert.deepEqual(Object.keys(reply).slice(0, 5), ['status', 'worker_exists', 'worker_id', 'timestamp', 'environment']);
    assert.deepEqual([reply.status, reply.worker_exists, reply.environment], ['healthy', true, { region: 'iad1', env: 'production' }]);
    assert.equal(typeof reply.worker_id, 'string');
    assert.match(reply.timestamp, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/);
    assert.ok(Math.abs(Date.parse(reply.timestamp) - Date.now()) < 60_000);
    for (const name of ['pending', 'processing', 'failed']) assert.equal(typeof reply.queue[name], 'number');
    assert.equal(await count(), ran);
  });

  test('a wrong token runs nothing', async () => {
    const done = await run('bash', ['-c', TRIGGER.replace('localhost:3000', `localhost:${site.portHttp}`)], { env: cleanEnv({ no_proxy: '*' }) });
    assert.equal(JSON.parse(done.stdout).code, 'unauthorized');
  });
});

test('create, trigger, check: its test job is enriched', async () => {
  const job = await insert('enrich_account', { account_id: account, domain: 'example.com' });
  assert.deepEqual([job.status, job.queue, job.attempts, job.max_attempts, job.progress], ['pending', 'default', 0, 5, 0]);
  looksLikeARun(await shell(TRIGGER));
  const updated = await jobOf(job.id);
  assert.equal(updated.status, 'completed', updated.error_message);
  assert.ok(updated.started_at && updated.completed_at && updated.result);
  assert.ok((await one('SELECT enriched_at FROM accounts WHERE id = $1', [account])).enriched_at);
  // "Stored encrypted": a plain key is sealed at its first use.
  await until(async () => (await one('SELECT apollo_api_key_encrypted AS key FROM workspace_settings')).key.startsWith('cw1.'), { what: 'the key to be sealed' });
});

test('a type of its own: registered, created, carried out', async () => {
  await rows(`CREATE FUNCTION my_job(job jsonb) RETURNS jsonb LANGUAGE sql AS $$ SELECT '{"success": true}'::jsonb $$`);
  await rows(`INSERT INTO job_types (job_type, processor, target) VALUES ('my_job_type', 'sql', 'my_job')`);
  const job = await insert('my_job_type', { your: 'data' });
  await shell(TRIGGER);
  const { status, result } = await jobOf(job.id);
  assert.deepEqual([status, result], ['completed', { success: true }]);
});

// Attempt 1 immediate, then after 60, 120, 240 and 480 s; after 5 attempts 'failed'.
test('retries: the table of the seed', async () => {
  await rows(`CREATE FUNCTION never(job jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'not today'; END $$`);
  await rows(`INSERT INTO job_types (job_type, processor, target) VALUES ('never', 'sql', 'never')`);
  const { id } = await insert('never', {});
  for (const [attempt, wait] of [60, 120, 240, 480, null].entries()) {
    await shell(TRIGGER);
    const job = await one(`SELECT *, extract(epoch FROM waits_until - clock_timestamp())::float AS wait FROM jobs WHERE id = $1`, [id]);
    assert.deepEqual([job.attempts, job.status], [attempt + 1, wait ? 'pending' : 'failed']);
    assert.match(job.error_message, /not today/);
    if (!wait) continue;
    // Up to 10 % are added, and some time has passed since.
    assert.ok(job.wait > wait - 15 && job.wait <= wait * 1.1, `attempt ${attempt + 1} waits ${job.wait} s`);
    await rows('UPDATE jobs SET waits_until = clock_timestamp() WHERE id = $1', [id]);
  }
});

// Everything below is printed in the seed.
describe('SQL', () => {
  let failed;
  before(async () => {
    ({ id: failed } = await one(`SELECT id FROM jobs WHERE job_type = 'never'`));
    // A job of six minutes, as its callback would leave it.
    await rows(`INSERT INTO jobs (workspace_id, job_type, status, waits_until, started_at, completed_at)
      VALUES ('${workspace}', 'slow', 'completed', NULL, now() - interval '7 minutes', now() - interval '1 minute')`);
  });

  test('job logs, newest first', async () => {
    const logs = await rows(filled(`
SELECT * FROM job_logs
WHERE job_id = 'job-uuid'
ORDER BY created_at DESC;`, failed));
    assert.ok(logs.length >= 5);
    assert.ok(logs.every((line, i) => i === 0 || line.created_at <= logs[i - 1].created_at));
    for (const name of ['id', 'job_id', 'level', 'message', 'data', 'created_at']) assert.ok(name in logs[0]);
    assert.equal(logs[0].level, 'error');
  });

  test('jobs by status', async () => {
    const counts = await rows(filled(`
-- Jobs by status
SELECT status, COUNT(*) as count
FROM jobs
WHERE workspace_id = 'workspace-uuid'
GROUP BY status;`));
    assert.deepEqual(Object.fromEntries(counts.map((row) => [row.status, Number(row.count)])), { completed: 3, failed: 1 });
  });

  test('failed jobs of the last 24 hours', async () => {
    const found = await rows(`
-- Failed jobs (last 24 hours)
SELECT *
FROM jobs
WHERE status = 'failed'
  AND created_at > NOW() - INTERVAL '24 hours'
ORDER BY created_at DESC;`);
    assert.deepEqual(found.map((row) => row.id), [failed]);
  });

  test('slow jobs', async () => {
    const found = await rows(`
-- Slow jobs (> 5 minutes)
SELECT id, job_type, started_at, completed_at,
       EXTRACT(EPOCH FROM (completed_at - started_at)) as duration_seconds
FROM jobs
WHERE status = 'completed'
  AND EXTRACT(EPOCH FROM (completed_at - started_at)) > 300
ORDER BY duration_seconds DESC;`);
    assert.deepEqual(found.map((row) => [row.job_type, Number(row.duration_seconds)]), [['slow', 360]]);
  });

  test('logs and error of a job that failed', async () => {
    const logs = await rows(filled(`
   SELECT * FROM job_logs
   WHERE job_id = 'job-uuid'
   ORDER BY created_at DESC;`, failed));
    assert.ok(logs.some((line) => line.message.includes('not today')));
    const { error_message: message, error_stack: stack } = await one(filled(`
   SELECT error_message, error_stack FROM jobs WHERE id = 'job-uuid';`, failed));
    assert.match(message, /not today/);
    assert.match(stack, /never/);
  });

  test('members see their own, and cronward all: "RLS Policies"', async () => {
    const enabled = await rows(`SELECT relname FROM pg_class WHERE relrowsecurity AND relname IN ('jobs', 'job_logs', 'workspace_settings') ORDER BY 1`);
    assert.deepEqual(enabled.map((row) => row.relname), ['job_logs', 'jobs', 'workspace_settings']);
  });
});

describe('jobs failing immediately: each common issue says which it is', () => {
  const failure = async (type, payload) => {
    const { id } = await insert(type, payload);
    await shell(TRIGGER);
    const job = await jobOf(id);
    return `${job.status}: ${job.error_message}`;
  };
  test('invalid payload', async () => assert.match(await failure('enrich_account', { domain: 'example.com' }), /^failed: .*account_id/));
  test('account not found', async () =>
    assert.match(await failure('enrich_account', { account_id: workspace, domain: 'example.com' }), /^failed: .*account/i));
  test('missing Apollo API key', async () => {
    await rows('UPDATE workspace_settings SET apollo_api_key_encrypted = NULL');
    assert.match(await failure('enrich_account', { account_id: account, domain: 'other.example.com' }), /^failed: .*(apollo_api_key|key)/i);
  });
});
