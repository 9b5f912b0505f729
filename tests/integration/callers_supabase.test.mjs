// Supabase: the SQL that ships, in a PostgreSQL whose pg_cron, pg_net and Vault are stand-ins with
// the signatures of the real ones that write down what they were told; and the calls as pg_net's
// worker makes them.
import assert from 'node:assert/strict';
import { after, beforeEach, test } from 'node:test';
import { callersList, configured, cronTimes, curl, eachOnce, nameOf, runsOf, shipped } from '../lib/callers.mjs';
import { sharedCluster } from '../lib/postgres.mjs';
import { Site } from '../lib/site.mjs';

const PG_NET_DEFAULT_MS = 5000;
const list = await callersList();
const site = await Site.start({ env: configured });
const db = await (await sharedCluster()).database({ empty: true });
after(() => db.drop());
after(() => site.end());
const origin = `https://127.0.0.1:${site.portTls}`;

await db.rows(`
  CREATE SCHEMA cron; CREATE SCHEMA net; CREATE SCHEMA vault;
  CREATE TABLE cron.job (jobid bigint GENERATED ALWAYS AS IDENTITY, schedule text NOT NULL, command text NOT NULL, jobname text UNIQUE);
  CREATE FUNCTION cron.schedule(job_name text, schedule text, command text) RETURNS bigint LANGUAGE sql AS $$
    INSERT INTO cron.job (jobname, schedule, command) VALUES (job_name, schedule, command)
    ON CONFLICT (jobname) DO UPDATE SET schedule = excluded.schedule, command = excluded.command RETURNING jobid $$;
  CREATE TABLE net.http_request_queue (id bigint GENERATED ALWAYS AS IDENTITY, method text, url text, headers jsonb, body bytea, timeout_milliseconds int);
  CREATE FUNCTION net.http_post(url text, body jsonb DEFAULT '{}', params jsonb DEFAULT '{}', headers jsonb DEFAULT '{"Content-Type": "application/json"}',
    timeout_milliseconds int DEFAULT ${PG_NET_DEFAULT_MS}) RETURNS bigint LANGUAGE plpgsql AS $$
    DECLARE given text := headers ->> 'Content-Type'; made bigint;
    BEGIN
      IF given IS DISTINCT FROM 'application/json' THEN RAISE 'Content-Type header must be "application/json"'; END IF;
      IF body IS NULL THEN RAISE 'body must not be null'; END IF;
      INSERT INTO net.http_request_queue (method, url, headers, body, timeout_milliseconds)
      VALUES ('POST', url, headers, convert_to(body::text, 'UTF8'), timeout_milliseconds) RETURNING id INTO made;
      RETURN made;
    END $$;
  CREATE TABLE vault.secrets (id uuid DEFAULT gen_random_uuid(), name text UNIQUE, secret text);
  CREATE VIEW vault.decrypted_secrets AS SELECT id, name, '(sealed)' AS secret, secret AS decrypted_secret FROM vault.secrets;
  CREATE FUNCTION vault.create_secret(new_secret text, new_name text DEFAULT NULL) RETURNS uuid LANGUAGE sql AS
    'INSERT INTO vault.secrets (secret, name) VALUES (new_secret, new_name) RETURNING id';
  CREATE FUNCTION vault.update_secret(secret_id uuid, new_secret text) RETURNS void LANGUAGE sql AS
    'UPDATE vault.secrets SET secret = new_secret WHERE id = secret_id';`);
// The page's own lines, with values in their places.
for (const [sql] of shipped('supabase/README.md').matchAll(/^select vault\.create_secret\(.*\);$/gm))
  await db.rows(sql.replace('https://cron.example.com', origin).replace(/'(CRON_SECRET|CRON_JOB_API_KEY|WORKER_SECRET_TOKEN)'/, (_, name) => `'${site.secrets[name]}'`));
await db.rows(shipped('supabase/cronward.sql'));
beforeEach(async () => {
  await site.query('TRUNCATE cron_job_executions');
  await db.rows('TRUNCATE net.http_request_queue');
});

// What pg_cron does at a job's time, and then pg_net's worker: libcurl, following redirects.
async function tick(job) {
  await db.rows(job.command);
  const [row] = await db.rows(`DELETE FROM net.http_request_queue RETURNING method, url, headers, convert_from(body, 'UTF8') AS body, timeout_milliseconds AS ms`);
  const answer = await curl(row.url, ['location', ['cacert', `${site.var}/tls/cert.pem`], ['max-time', String(row.ms / 1000)], ['data', row.body],
    ...Object.entries(row.headers).map(([name, value]) => ['header', `${name}: ${value}`]), ['header', 'User-Agent: pg_net/0.19.5']]);
  return { row, answer };
}
const jobs = () => db.rows('SELECT * FROM cron.job ORDER BY jobid');

test('a job for each worker, by its schedule; again changes nothing', async () => {
  const before = await jobs();
  assert.deepEqual(before.map((job) => [job.jobname, job.schedule]).sort(), list.map((one) => [`cronward-${nameOf(one)}`, one.schedule]).sort());
  await db.rows(shipped('supabase/cronward.sql'));
  assert.deepEqual(await jobs(), before);
  // By GMT, which is what the list says.
  for (const job of before) assert.equal(cronTimes(job.schedule, 1)[0], Date.UTC(2026, 10, 22, job.jobname === 'cronward-whatsapp-health-check' ? 2 : 0));
});

test('each job rings its worker: POST, a JSON body, 30 s, no redirect', async () => {
  for (const job of await jobs()) {
    const { row, answer } = await tick(job);
    assert.deepEqual([row.method, row.body, row.ms], ['POST', '{}', 30_000]);
    assert.deepEqual(Object.keys(row.headers).sort(), ['Authorization', 'Content-Type']);
    assert.deepEqual([answer.status, answer.redirects, answer.connects], [200, 0, 1], answer.body);
    assert.ok(list.some((one) => job.jobname === `cronward-${nameOf(one)}` && one.worker === answer.json.run.worker), job.jobname);
    assert.ok(answer.ms < PG_NET_DEFAULT_MS, 'what has little to do is done within its own default, too');
  }
  assert.deepEqual(await runsOf(site), eachOnce(list));
});

test('all at the same moment, twice: every one is answered 200', async () => {
  const all = await jobs();
  const rows = [];
  for (const job of [...all, ...all]) {
    await db.rows(job.command);
    rows.push(...await db.rows('DELETE FROM net.http_request_queue RETURNING url, headers'));
  }
  const answers = await Promise.all(rows.map((row) => curl(row.url, [['cacert', `${site.var}/tls/cert.pem`], ['max-time', '30'], ['data', '{}'],
    ...Object.entries(row.headers).map(([name, value]) => ['header', `${name}: ${value}`])])));
  assert.deepEqual(answers.map((answer) => answer.status), answers.map(() => 200));
});

test('the jobs hold neither secret nor address: both come from Vault, and a rotation there is enough', async () => {
  for (const job of await jobs()) for (const word of [...list.map((one) => site.secrets[one.secret]), origin]) assert.ok(!job.command.includes(word));
  const rotate = /`(select vault\.update_secret[^`]+)`/.exec(shipped('supabase/README.md').replaceAll('\n', ' '))[1];
  const job = (await jobs()).find((one) => one.jobname === 'cronward-retry-webhooks');
  await db.rows(rotate.replace("'…'", `'wrong-wrong-wrong-wrong'`));
  assert.equal((await tick(job)).answer.status, 401);
  await db.rows(rotate.replace("'…'", `'${site.secrets.CRON_SECRET}'`));
  assert.equal((await tick(job)).answer.status, 200);
});
