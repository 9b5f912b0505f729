// Attempts live in partitions by week: made ahead, dropped as a whole, and never in anybody's way.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, beforeEach, test } from 'node:test';
import { Ledger } from '../lib/ledger.mjs';
import { mustHold } from '../lib/oracle.mjs';
import { startPgbouncer } from '../lib/pgbouncer.mjs';
import { migrateTo, schemaOf } from '../lib/schema.mjs';
import { olderProgram } from '../lib/older.mjs';
import { Stand } from '../lib/stand.mjs';
import { load, until } from '../lib/wait.mjs';

const DAY_MS = 86_400_000;
const WEEK_MS = 7 * DAY_MS;
const BEFORE_PARTITIONS = 4;

const stand = await Stand.create();
await stand.startPool({ size: 2 });
const others = [];
after(async () => {
  for (const other of others) await other.end();
  await stand.end();
});

async function another(version) {
  const other = await Stand.create({ empty: true });
  others.push(other);
  if (version) await migrateTo(other.db, version);
  return other;
}

// The weeks' partitions, oldest first; times in ms.
const weeks = async (db = stand.db) => (await db.rows(
  `SELECT name::text, extract(epoch FROM since) * 1000 AS since, extract(epoch FROM until) * 1000 AS until
     FROM cronward_attempts_partitions() ORDER BY until`)).map(({ name, since, until: end }) => ({ name, since: Number(since), until: Number(end) }));
const count = (table, db = stand.db) => db.value(`SELECT count(*)::int FROM ${table}`);
const upkeep = (today, before = '-infinity', db = stand.db) => db.one('SELECT * FROM cronward_attempts_upkeep($1, $2)', [today, before]);

// Monday, 00:00 UTC; 5 January 1970 was one.
const monday = (ms) => ms - ((ms - 4 * DAY_MS) % WEEK_MS + WEEK_MS) % WEEK_MS;
const day = (ms) => new Date(ms).toISOString().slice(0, 10).replaceAll('-', '');

// A partition that ended about so many weeks ago, with rows, beside the weeks that are there.
async function addWeek(weeksAgo, rows = 0, db = stand.db) {
  const since = monday(Date.now()) - (weeksAgo + 1) * WEEK_MS;
  const name = `webhook_attempts_${day(since)}`;
  await db.rows(`CREATE TABLE ${name} PARTITION OF webhook_attempts
    FOR VALUES FROM ('${new Date(since).toISOString()}') TO ('${new Date(since + WEEK_MS).toISOString()}')`);
  await db.rows(`INSERT INTO webhook_attempts (delivery_id, attempt, at) SELECT n, 1, $1::timestamptz + n * interval '1 ms' FROM generate_series(1, $2::int) n`,
    [new Date(since).toISOString(), rows]);
  return name;
}

async function archive(env = {}, on = stand) {
  const done = await on.cli(['run', 'data-archival'], { env });
  assert.equal(done.code, 0, done.stderr);
  return (await on.execution(JSON.parse(done.stdout).run.id)).counts;
}

// As it is some weeks after the migration: the first partition is gone, this week's is there.
beforeEach(async () => {
  await stand.db.rows(`TRUNCATE webhook_attempts, webhook_deliveries, platform_events, app_webhooks`);
  await stand.db.rows('DROP TABLE IF EXISTS webhook_attempts_first');
  for (const { name } of await weeks()) await stand.db.rows(`DROP TABLE ${name}`);
  await upkeep(new Date());
});

function mustBeWhole(found, from) {
  assert.equal(found[0].since, monday(from));
  for (const [i, week] of found.entries()) {
    assert.equal(week.since, monday(week.since), `${week.name} begins on a Monday, 00:00 UTC`);
    assert.equal(week.until - week.since, WEEK_MS, week.name);
    assert.equal(week.since, i ? found[i - 1].until : week.since, `${week.name} follows the one before`);
    assert.ok(week.name.endsWith(day(week.since)), week.name);
  }
}

test('the weeks ahead are there for a month, without gaps', async () => {
  const found = await weeks();
  mustBeWhole(found, Date.now());
  assert.equal(found.length, 6);
  assert.ok(found.at(-1).until > Date.now() + 31 * DAY_MS);
  const fresh = await another();
  assert.equal((await fresh.cli(['migrate'])).code, 0);
  const [first, ...ahead] = await weeks(fresh.db);
  assert.deepEqual([first.name, first.since, first.until], ['webhook_attempts_first', -Infinity, ahead[0].since]);
  mustBeWhole(ahead, Date.now() + WEEK_MS);
});

for (const [zone, style] of [['UTC', 'ISO'], ['Pacific/Auckland', 'SQL, DMY'], ['America/Los_Angeles', 'German'], ['Asia/Kathmandu', 'Postgres, MDY'], ['Africa/Cairo', 'ISO']])
  test(`a database in ${zone} (${style}), at a week's boundary and at changes of its clock`, async () => {
    const other = await another();
    await other.db.cluster.admin(`ALTER DATABASE ${other.db.name} SET timezone = '${zone}'`);
    await other.db.cluster.admin(`ALTER DATABASE ${other.db.name} SET datestyle = '${style}'`);
    assert.equal(await other.db.value('SHOW timezone'), zone);
    const done = await other.cli(['migrate']);
    assert.equal(done.code, 0, done.stderr);
    // Across the last Sundays of March and October and the first of April and November.
    const start = Date.parse('2027-03-15T00:00:00Z');
    for (let at = start; at < start + 40 * WEEK_MS; at += WEEK_MS)
      for (const ms of [at - 1, at, at + 1]) await upkeep(new Date(ms).toISOString(), '-infinity', other.db);
    const found = (await weeks(other.db)).filter((week) => week.since >= start - WEEK_MS);
    mustBeWhole(found, start - WEEK_MS);
    assert.equal(found.length, 40 + 6);
    // The very moments of a boundary.
    const boundary = found[3].since;
    for (const [ms, name] of [[boundary - 0.001, found[2].name], [boundary, found[3].name]])
      assert.equal(await other.db.value(
        `INSERT INTO webhook_attempts (delivery_id, attempt, at) VALUES (1, 1, timestamptz 'epoch' + $1 * interval '1 ms') RETURNING tableoid::regclass::text`, [ms]), name);
    assert.equal((await upkeep('2027-03-22T00:00:00Z', new Date(found[0].until - 1).toISOString(), other.db)).dropped, 1, 'the first');
    assert.equal((await upkeep('2027-03-22T00:00:00Z', new Date(found[0].until - 1).toISOString(), other.db)).dropped, 1);
    assert.ok((await archive({}, other)).dropped_attempt_weeks === 0);
  });

test('weeks that are over are dropped by one run, the one that is not stays, and the run says so', async () => {
  const old = [await addWeek(16, 100), await addWeek(15, 100), await addWeek(14, 100)];
  const young = await addWeek(11, 100);
  const counts = await archive();
  assert.deepEqual([counts.dropped_attempt_weeks, counts.pruned_attempts], [3, 0]);
  const names = (await weeks()).map((week) => week.name);
  assert.ok(old.every((name) => !names.includes(name)) && names.includes(young));
  assert.equal(await count('webhook_attempts'), 100);
  assert.equal((await archive({ DELIVERY_RETENTION_DAYS: '84' })).dropped_attempt_weeks, 0, 'it ended 77 to 84 days ago');
  assert.equal((await archive({ DELIVERY_RETENTION_DAYS: '77' })).dropped_attempt_weeks, 1);
});

test('attempts of a delivery that is younger than the retention stay visible', async () => {
  await stand.endpoint('/status/500');
  const old = await addWeek(14, 1);
  for (const ago of [12, 11, 10]) await addWeek(ago, 0);
  const [id] = await stand.enqueue(1);
  await stand.db.rows(`UPDATE webhook_deliveries SET created_at = now() - interval '89 days', status = 'failed', next_retry_at = NULL, dead_at = now() - interval '80 days', attempts = 3`);
  await stand.db.rows(`INSERT INTO webhook_attempts (delivery_id, attempt, at) SELECT $1, n, now() - interval '89 days' + (n - 1) * interval '3 days' FROM generate_series(1, 3) n`, [id]);
  assert.ok((await archive()).dropped_attempt_weeks >= 1);
  assert.ok((await weeks()).every(({ name }) => name !== old));
  const shown = (await stand.cli(['dead', 'show', id])).stdout;
  assert.deepEqual([...shown.matchAll(/^\s*(\d+)\s+20\d\d-/gm)].map(([, attempt]) => attempt), ['1', '2', '3'], shown);
});

test('dead purge and every other delete take attempts along, wherever they are', async () => {
  await stand.endpoint('/ok/gone');
  const past = await addWeek(3, 0);
  const ids = await stand.enqueue(3);
  for (const at of [`timestamptz '${past.slice(-8)} 12:00+00'`, 'now()', `now() + interval '8 days'`, `now() + interval '1 year'`])
    await stand.db.rows(`INSERT INTO webhook_attempts (delivery_id, attempt, at) SELECT id, 1, ${at} FROM webhook_deliveries`);
  assert.equal(await count('webhook_attempts_default'), 3);
  await stand.db.rows(`UPDATE webhook_deliveries SET status = 'failed', next_retry_at = NULL, dead_at = now()`);
  assert.equal((await stand.cli(['dead', 'purge', ids[0]])).code, 0);
  assert.equal(await count('webhook_attempts'), 8);
  await stand.db.rows('DELETE FROM webhook_deliveries WHERE id = $1', [ids[1]]);
  assert.equal(await count('webhook_attempts'), 4);
  await stand.db.rows('DELETE FROM app_webhooks');
  assert.equal(await count('webhook_attempts'), 0);
});

test('somebody reads for long: nothing is dropped, deliveries go on, the next run drops', async () => {
  await addWeek(14, 10);
  await stand.db.rows(`DROP TABLE ${(await weeks()).at(-1).name}`);
  await stand.endpoint('/ok/locked');
  await stand.db.session(async (sql) => {
    await sql('BEGIN');
    await sql('SELECT count(*) FROM webhook_attempts');
    assert.equal((await archive()).dropped_attempt_weeks, 0);
    assert.equal((await weeks()).length, 6);
    await stand.enqueue(5);
    assert.equal((await stand.call('webhook-retry')).json.succeeded, 5);
    await sql('ROLLBACK');
  });
  assert.equal((await archive()).dropped_attempt_weeks, 1);
  mustBeWhole(await weeks(), Date.now());
  assert.equal((await weeks()).length, 6);
});

test('somebody reads at each run: what was to be dropped a week ago is deleted', async () => {
  const env = { DELIVERY_RETENTION_DAYS: '91' }; // weeks that ended 91 to 97 and 105 to 111 days ago
  const overdue = await addWeek(15, 700);
  const due = await addWeek(13, 50);
  await stand.db.session(async (sql) => {
    await sql('BEGIN');
    await sql('SELECT count(*) FROM webhook_attempts');
    const counts = await archive({ ...env, DATA_ARCHIVAL_BATCH_SIZE: '200' });
    assert.deepEqual([counts.dropped_attempt_weeks, counts.pruned_attempts], [0, 700]);
    await sql('ROLLBACK');
  });
  assert.deepEqual([await count(overdue), await count(due)], [0, 50]);
  await stand.db.rows(`INSERT INTO webhook_attempts (delivery_id, attempt, at) SELECT n, 1, timestamptz '${overdue.slice(-8)} 12:00+00' FROM generate_series(1, 10) n`);
  const counts = await archive(env);
  assert.deepEqual([counts.dropped_attempt_weeks, counts.pruned_attempts], [2, 0], 'what is dropped is not deleted before');
});

test('one week that cannot be dropped does not keep the others', async () => {
  const kept = await addWeek(16, 10);
  await addWeek(15, 10);
  await addWeek(14, 10);
  await stand.db.rows(`CREATE VIEW of_an_application AS SELECT * FROM ${kept}`);
  assert.equal((await archive()).dropped_attempt_weeks, 2);
  assert.equal((await archive()).dropped_attempt_weeks, 0);
  await stand.db.rows('DROP VIEW of_an_application');
  assert.equal((await archive()).dropped_attempt_weeks, 1);
});

test('rows that no week holds are kept by the default partition, and pruned by their age', async () => {
  await stand.endpoint('/ok/default');
  for (const { name } of await weeks()) await stand.db.rows(`DROP TABLE ${name}`);
  await stand.enqueue(4);
  assert.equal((await stand.call('webhook-retry')).json.succeeded, 4);
  assert.equal(await count('webhook_attempts_default'), 4);
  // This week and the week after next have rows there: the other weeks get their partitions.
  await stand.db.rows(`INSERT INTO webhook_attempts (delivery_id, attempt, at) VALUES (0, 1, now() + interval '14 days')`);
  await stand.db.rows(
    `INSERT INTO webhook_attempts (delivery_id, attempt, at)
     SELECT 0, 1, date_trunc('minute', now()) - interval '95 days' + n / 100 * interval '1 minute' FROM generate_series(1, 2000) n`);
  const counts = await archive({ DATA_ARCHIVAL_BATCH_SIZE: '300' });
  assert.deepEqual([counts.pruned_attempts, counts.dropped_attempt_weeks], [2000, 0]);
  const at = (n) => monday(Date.now()) + n * WEEK_MS;
  assert.deepEqual((await weeks()).map((week) => week.since), [at(1), at(3), at(4), at(5)]);
  assert.equal(await count('webhook_attempts_default'), 5);
  await stand.enqueue(2);
  assert.equal((await stand.call('webhook-retry')).json.succeeded, 2, 'and deliveries go on');
});

test('a pruned delivery leaves its attempts to their week, but none in what was before', async () => {
  const other = await another(BEFORE_PARTITIONS);
  await other.db.rows(`INSERT INTO app_webhooks (url, secret) VALUES ('http://127.0.0.2/', 'secret-of-sixteen')`);
  await other.db.rows(
    `INSERT INTO webhook_deliveries (webhook_id, event_id, status, next_retry_at, created_at, delivered_at)
     SELECT id, gen_random_uuid(), 'delivered', NULL, now() - interval '95 days', now() - interval '95 days' FROM app_webhooks, generate_series(1, 50)`);
  await other.db.rows(`INSERT INTO webhook_attempts (delivery_id, attempt, at) SELECT id, n, now() - interval '95 days' FROM webhook_deliveries, generate_series(1, 3) n`);
  assert.equal((await other.cli(['migrate'])).code, 0);
  assert.equal(await count('webhook_attempts_first', other.db), 150);
  assert.equal((await archive({}, other)).pruned_deliveries, 50);
  assert.equal(await count('webhook_attempts', other.db), 0);
});

test('settles under load while weeks are made and dropped: nothing fails, no deadlock', async (t) => {
  stand.ledger = new Ledger();
  stand.ledger.follow(stand.receiver, { accepts: (one) => one.path.startsWith('/ok') });
  for (let i = 0; i < 4; i++) await stand.endpoint(`/ok/busy/${i}`);
  const deadlocks = () => stand.db.value('SELECT deadlocks::int FROM pg_stat_database WHERE datname = current_database()');
  const before = await deadlocks();
  const stop = load(t, 1, async () => {
    await stand.enqueue(250);
    const answer = await stand.call('webhook-retry');
    assert.equal(answer.status, 200, answer.body);
    return [answer.json.succeeded, answer.json.failed];
  });
  let dropped = 0;
  for (let i = 0; i < 12; i++) {
    for (const ago of [15, 14]) await until(() => addWeek(ago, 500).then(() => true), { what: 'a week to be made' });
    await stand.db.rows(`DROP TABLE ${(await weeks()).at(-1).name}`); // to be made anew
    const purged = stand.cli(['dead', 'purge', '--all']);
    dropped += (await archive({ DELIVERY_RETENTION_DAYS: '90' })).dropped_attempt_weeks;
    assert.equal((await purged).code, 0);
    await until(async () => {
      dropped += (await archive()).dropped_attempt_weeks;
      return dropped === 2 * (i + 1);
    }, { what: 'both weeks to be dropped' });
  }
  const answers = await stop();
  assert.equal(answers.reduce((sum, [succeeded]) => sum + succeeded, 0), answers.length * 1000);
  assert.ok(answers.length >= 5 && answers.every(([, failed]) => failed === 0), JSON.stringify(answers));
  await stand.backendsGone();
  assert.equal(await deadlocks(), before);
  assert.equal(await count('webhook_attempts'), answers.length * 1000);
  assert.equal(mustHold(stand.ledger, await stand.rows()).duplicates, 0);
});

test('an upgrade under load: the attempts so far stay where they are, and no delivery fails', async (t) => {
  const other = await another(BEFORE_PARTITIONS);
  // A program is not older than its schema, but for the moment between migrating and restarting.
  const older = await olderProgram();
  await other.startPool({ size: 2, build: older.program });
  for (let i = 0; i < 4; i++) await other.endpoint(`/ok/upgrade/${i}`);
  await other.db.rows(`INSERT INTO webhook_attempts (delivery_id, attempt, at) SELECT 0, 1, now() - n * interval '1 s' FROM generate_series(1, 200000) n`);
  const file = await other.db.value(`SELECT pg_relation_filepath('webhook_attempts')`);
  const stop = load(t, 1, async () => {
    await other.enqueue(250);
    return (await other.call('webhook-retry')).json;
  });
  const seen = other.receiver.requests.length;
  await until(() => other.receiver.requests.length > seen + 500, { what: 'deliveries' });
  const done = await other.cli(['migrate']);
  assert.equal(done.code, 0, done.stderr);
  const during = other.receiver.requests.length;
  await until(() => other.receiver.requests.length > during + 500, { what: 'deliveries afterwards' });
  const answers = await stop();
  assert.ok(answers.every((one) => one.failed === 0), JSON.stringify(answers));
  const delivered = answers.reduce((sum, one) => sum + one.succeeded, 0);
  assert.equal(delivered, answers.length * 1000);
  assert.equal(await count('webhook_attempts', other.db), 200_000 + delivered);
  assert.equal(await other.db.value(`SELECT pg_relation_filepath('webhook_attempts_first')`), file, 'nothing was rewritten');
});

test('an upgrade keeps grants, row-level security and a row of the future', async () => {
  const other = await another(BEFORE_PARTITIONS);
  const role = `reader_${randomBytes(4).toString('hex')}`;
  await other.db.rows(`CREATE ROLE ${role}; GRANT SELECT ON webhook_attempts TO ${role}; GRANT INSERT ON webhook_attempts TO PUBLIC; ALTER TABLE webhook_attempts ENABLE ROW LEVEL SECURITY`);
  await other.db.rows(`INSERT INTO webhook_attempts (delivery_id, attempt, at) VALUES (1, 1, now() + interval '20 days')`);
  try {
    const done = await other.cli(['migrate']);
    assert.equal(done.code, 0, done.stderr);
    assert.deepEqual(await other.db.one(
      `SELECT has_table_privilege($1, 'webhook_attempts', 'SELECT') AS reads, has_table_privilege($1, 'webhook_attempts', 'INSERT') AS writes,
              has_table_privilege($1, 'webhook_attempts', 'DELETE') AS deletes`, [role]), { reads: true, writes: true, deletes: false });
    await upkeep(new Date(Date.now() + 10 * WEEK_MS), '-infinity', other.db);
    assert.equal(await other.db.value(`SELECT count(*)::int FROM pg_class WHERE relname LIKE 'webhook\\_attempts%' AND relkind IN ('r', 'p') AND NOT relrowsecurity`), 0);
    const [first, ...ahead] = await weeks(other.db);
    assert.ok(first.until > Date.now() + 20 * DAY_MS && ahead[0].since === first.until);
    await other.db.session(async (sql) => {
      await sql(`SET ROLE ${role}`);
      assert.deepEqual(await sql('SELECT count(*)::int AS n FROM webhook_attempts'), [{ n: 0 }], 'its rows stay hidden');
      assert.deepEqual(await sql(`SELECT dropped FROM cronward_attempts_upkeep(now() + interval '50 weeks', 'infinity')`), [{ dropped: 0 }], 'who does not own it drops nothing');
    });
    assert.equal((await weeks(other.db)).length, ahead.length + 1);
  } finally {
    await other.db.rows(`DROP OWNED BY ${role}; DROP ROLE ${role}`);
  }
});

test('a role that does not own the weeks deletes attempts with their deliveries', async () => {
  const role = `keeper_${randomBytes(4).toString('hex')}`;
  const env = { DATABASE_URL: stand.db.url.replace('//cronward@', `//${role}@`), DELIVERY_RETENTION_DAYS: '7' };
  const old = await addWeek(2, 0);
  await stand.endpoint('/ok/keeper', { is_active: false });
  await stand.enqueue(3);
  await stand.db.rows(`UPDATE webhook_deliveries SET created_at = timestamptz '${old.slice(-8)} 12:00+00', delivered_at = timestamptz '${old.slice(-8)} 12:00+00', status = 'delivered', next_retry_at = NULL WHERE id <> (SELECT max(id) FROM webhook_deliveries)`);
  await stand.db.rows(`INSERT INTO webhook_attempts (delivery_id, attempt, at) SELECT id, 1, COALESCE(delivered_at, now()) FROM webhook_deliveries`);
  await stand.db.rows(`CREATE ROLE ${role} LOGIN; GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO ${role}`);
  try {
    const counts = await archive(env);
    assert.deepEqual([counts.pruned_deliveries, counts.dropped_attempt_weeks], [2, 0]);
    assert.equal(await count('webhook_attempts'), 1);
    assert.equal((await archive({ DELIVERY_RETENTION_DAYS: '7' })).dropped_attempt_weeks, 1, 'the owner drops what is left');
  } finally {
    await stand.db.rows(`DROP OWNED BY ${role}; DROP ROLE ${role}`);
  }
});

test('through PgBouncer weeks are made and dropped, too', async (t) => {
  const bouncer = await startPgbouncer(stand.db, { poolSize: 2 });
  t.after(() => bouncer.stop());
  await addWeek(14, 100);
  await stand.db.rows(`DROP TABLE ${(await weeks()).at(-1).name}`);
  assert.equal((await archive({ DATABASE_URL: bouncer.url })).dropped_attempt_weeks, 1);
  mustBeWhole(await weeks(), Date.now());
  assert.equal((await weeks()).length, 6);
});

test('an upgraded schema is that of a fresh database', async () => {
  const [fresh, upgraded] = [await another(), await another(BEFORE_PARTITIONS)];
  for (const one of [fresh, upgraded]) assert.equal((await one.cli(['migrate'])).code, 0);
  assert.equal(await schemaOf(upgraded.db), await schemaOf(fresh.db));
});
