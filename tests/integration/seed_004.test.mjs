// Seed 004, what it has of syncing: its commands with nothing but host and secret in their places, its
// schedules as Vercel calls them, and its reply.
import assert from 'node:assert/strict';
import { after, beforeEach, test } from 'node:test';
import { callersList, holdLock } from '../lib/callers.mjs';
import { httpCall } from '../lib/http.mjs';
import { cleanEnv, must, run } from '../lib/process.mjs';
import { Site } from '../lib/site.mjs';
import { until } from '../lib/wait.mjs';

const JOB = 'sync-integrations';
const site = await Site.start();
after(() => site.end());
const rows = (sql, values) => site.query(sql, values);
beforeEach(() => rows('TRUNCATE cron_job_executions'));
const runs = async () => (await rows('SELECT count(*)::int AS n FROM cron_job_executions WHERE job_name = $1', [JOB]))[0].n;

const COMMANDS = `
# Sync all providers
curl -X POST https://your-domain.com/api/cron/sync-integrations \\
  -H "Authorization: Bearer $CRON_SECRET"

# Sync only GitHub (15min interval)
curl -X POST "https://your-domain.com/api/cron/sync-integrations?interval=15min" \\
  -H "Authorization: Bearer $CRON_SECRET"

# Sync Notion, Slack, Calendar (30min interval)
curl -X POST "https://your-domain.com/api/cron/sync-integrations?interval=30min" \\
  -H "Authorization: Bearer $CRON_SECRET"
`;
const commands = [...COMMANDS.matchAll(/^# .*\n(curl [^]*?)\n(?=\n|$)/gm)].map(([, command]) => command);

// In a shell that has the secret.
async function shell(script, secret = site.secrets.CRON_SECRET) {
  const filled = script.replace('https://your-domain.com', `https://127.0.0.1:${site.portTls}`).replace('http://localhost:3000', `http://localhost:${site.portHttp}`);
  const done = await run('bash', ['-c', filled], { env: cleanEnv({ no_proxy: '*', CURL_CA_BUNDLE: `${site.var}/tls/cert.pem`, CRON_SECRET: secret }) });
  assert.equal(done.code, 0, done.stderr);
  return done.stdout;
}
const call = async (...args) => JSON.parse(await shell(...args));

test('"Manual testing": each command runs it, and the reply has the keys of "Response", in its order', async () => {
  assert.equal(commands.length, 3);
  for (const command of commands) {
    const reply = await call(command);
    assert.deepEqual(Object.keys(reply), ['message', 'usersProcessed', 'providersSync', 'successCount', 'failureCount', 'durationMs', 'run'], command);
    const { durationMs, run: ran, ...counts } = reply;
    assert.deepEqual([counts, ran.worker], [{ message: 'Sync completed', usersProcessed: 0, providersSync: 0, successCount: 0, failureCount: 0 }, JOB]);
    assert.ok(Number.isInteger(durationMs) && durationMs >= 0);
  }
  assert.equal(await runs(), 3);
  assert.equal((await call(commands[0], 'wrong-wrong-wrong-wrong')).code, 'unauthorized');
});

test('"Vercel Cron Configuration": both crons, by GET with its headers, by the schedules of `callers list`', async () => {
  const { crons } = JSON.parse(`{
  "crons": [
    {
      "path": "/api/cron/sync-integrations?interval=15min",
      "schedule": "*/15 * * * *"
    },
    {
      "path": "/api/cron/sync-integrations?interval=30min",
      "schedule": "*/30 * * * *"
    }
  ]
}`);
  assert.deepEqual((await callersList()).filter((one) => one.worker === JOB).map(({ path, schedule }) => ({ path, schedule })), crons);
  const ring = ({ path, schedule }) => httpCall(`http://127.0.0.1:${site.portHttp}`, 'GET', path,
    { headers: { authorization: `Bearer ${site.secrets.CRON_SECRET}`, 'user-agent': 'vercel-cron/1.0', 'x-vercel-cron-schedule': schedule } });
  for (const cron of crons) assert.deepEqual(await ring(cron).then(({ status, json }) => [status, json.run.worker]), [200, JOB]);
  assert.equal(await runs(), 2);
});

test('both at the same second: the one that comes second leaves word, and whoever ends the first does another run', async () => {
  const free = await holdLock(rows, JOB);
  assert.equal((await call(commands[2])).code, 'busy');
  await until(async () => (await rows('SELECT is_rung FROM cron_locks WHERE name = $1', [JOB]))[0].is_rung, { what: 'the bell' });
  await free();
  await rows('UPDATE cron_locks SET is_rung = false');
  // Nobody holds the lock, nor will anybody look: a call does not wait for one that is not there.
  assert.equal((await call(commands[1])).message, 'Sync completed');
});

test('"Local Development": a round of its script; its secret opens the route', async () => {
  // Without the loop, and the fifteen minutes in it.
  const SCRIPT = `
  echo "Running sync..."
  curl -X POST http://localhost:3000/api/cron/sync-integrations \\
    -H "Authorization: Bearer $CRON_SECRET"
  echo ""
`;
  const [said, reply] = (await shell(SCRIPT)).split('\n');
  assert.deepEqual([said, JSON.parse(reply).message], ['Running sync...', 'Sync completed']);
  assert.match(await must('openssl', ['rand', '-base64', '32'], { env: cleanEnv() }), /^[\w+/]{43}=\n$/);
});
