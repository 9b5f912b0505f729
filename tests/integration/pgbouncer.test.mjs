// Everything works through PgBouncer 1.18 in transaction mode, with fewer backends than processes.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { mustHold } from '../lib/oracle.mjs';
import { startPgbouncer } from '../lib/pgbouncer.mjs';
import { ROUTE, Stand } from '../lib/stand.mjs';
import { many, until } from '../lib/wait.mjs';

const stand = await Stand.create({ empty: true });
const bouncer = await startPgbouncer(stand.db, { poolSize: 2 });
stand.settings = { DATABASE_URL: bouncer.url };
after(async () => {
  await stand.end();
  await bouncer.stop();
});

test('migrations, two at once', async () => {
  const done = await Promise.all([stand.cli(['migrate']), stand.cli(['migrate'])]);
  assert.deepEqual(done.map((one) => one.code), [0, 0], done.map((one) => one.stderr).join());
});

test('a comparison with tables that are there leaves the backend as it was', async () => {
  const other = await Stand.create({ empty: true });
  after(() => other.end());
  await other.db.rows('CREATE TABLE jobs (id bigint PRIMARY KEY); CREATE TABLE accounts (id uuid PRIMARY KEY)');
  const pooler = await startPgbouncer(other.db, { poolSize: 1 });
  after(() => pooler.stop());
  other.settings = { DATABASE_URL: pooler.url };
  assert.match((await other.cli(['migrate', '--adopt'])).stderr, /jobs\.id is bigint; cronward needs uuid/);
  await other.db.rows('DROP TABLE jobs');
  // The same backend: its search_path and time-outs are its own again.
  const done = await Promise.all([other.cli(['migrate', '--adopt']), other.cli(['migrate', '--adopt'])]);
  assert.deepEqual(done.map((one) => one.code), [0, 0], done.map((one) => one.stderr).join());
  assert.equal(await other.db.value(`SELECT count(*)::int FROM pg_namespace WHERE nspname = 'cronward_scratch'`), 0);
  assert.equal((await other.cli(['run', 'webhook-retry'])).code, 0);
});

test('all workers at once, 8 processes on 2 backends', async () => {
  await stand.startPool({ size: 8 });
  stand.ledger.follow(stand.receiver, { accepts: (one) => one.path.startsWith('/ok') });
  for (let i = 0; i < 3; i++) await stand.endpoint(`/ok/bouncer/${i}`);
  await stand.endpoint('/status/500');
  await stand.enqueue(500);
  await stand.db.rows(
    `INSERT INTO platform_notifications (user_id, title, expires_at, created_at)
     SELECT gen_random_uuid(), 't', now() - interval '1 s', now() - (n % 2) * interval '91 days' FROM generate_series(1, 4000) n`);
  await stand.db.rows(`INSERT INTO platform_events_archive (id, event_type, payload, created_at) SELECT gen_random_uuid(), 'x', '{}', now()`);
  const answers = await Promise.all(Object.keys(ROUTE).map((worker) => stand.call(worker)));
  assert.deepEqual(answers.map((answer) => answer.status), [200, 200, 200], answers.map((answer) => answer.body).join());
  assert.deepEqual([answers[0].json.succeeded, answers[0].json.failed], [1500, 500]);
  assert.equal(answers[1].json.expired + answers[2].json.archived_notifications >= 4000, true);
  const verdict = mustHold(stand.ledger, await stand.rows());
  assert.deepEqual([verdict.done, verdict.waiting, verdict.duplicates], [1500, 500, 0]);
});

test('calls side by side: one runs, the others are busy, none fails', async () => {
  const answers = await many(200, 16, (i) => stand.call(Object.keys(ROUTE)[i % 3]));
  assert.deepEqual(answers.filter((answer) => ![200, 429].includes(answer.status)).map((answer) => answer.body), []);
});

test('respond-async, readiness and dead letters', async () => {
  const answer = await stand.call('webhook-retry', { headers: { prefer: 'respond-async' } });
  assert.equal(answer.status, 202, answer.body);
  await until(async () => (await stand.execution(answer.json.run.id)).status !== 'running');
  assert.equal((await stand.pool.call('GET', '/readyz')).status, 200);
  await stand.db.rows(`UPDATE webhook_deliveries SET attempts = 5, next_retry_at = clock_timestamp() WHERE status = 'pending'`);
  await stand.call('webhook-retry');
  const list = await stand.cli(['dead', 'list', '--json', '--limit', '1000']);
  assert.equal(JSON.parse(list.stdout).length, 500, list.stderr);
  assert.equal((await stand.cli(['dead', 'purge', '--all'])).code, 0);
});

test('a killed process leaves no session state behind', async () => {
  await stand.endpoint('/slow/200');
  await stand.enqueue(100);
  for (let i = 0; i < 5; i++) {
    const answer = stand.call('webhook-retry');
    const seen = stand.receiver.requests.length;
    await until(() => stand.receiver.requests.length > seen, { what: 'a delivery' });
    for (const pid of stand.pool.processes()) process.kill(pid, 'SIGKILL');
    await answer;
    await stand.pool.whenFull();
    await stand.expireLocks();
    await stand.expireLeases();
  }
  assert.equal(await stand.db.value(
    `SELECT count(*)::int FROM pg_locks JOIN pg_database d ON d.oid = database WHERE locktype = 'advisory' AND datname = current_database()`), 0);
  assert.equal((await stand.call('webhook-retry')).status, 200);
});
