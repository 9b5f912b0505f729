// cronward locks: who holds what, and freeing it by hand.
import assert from 'node:assert/strict';
import { after, beforeEach, test } from 'node:test';
import { cleanEnv, start } from '../lib/process.mjs';
import { program } from '../lib/program.mjs';
import { Stand } from '../lib/stand.mjs';
import { until } from '../lib/wait.mjs';

const stand = await Stand.create();
after(() => stand.end());
beforeEach(async () => {
  await stand.db.rows('TRUNCATE app_webhooks, webhook_deliveries, webhook_attempts, audit_log, cron_locks, cron_job_executions');
  await stand.db.rows('DELETE FROM platform_events');
  stand.receiver.forget();
});

const list = async () => {
  const done = await stand.cli(['locks', 'list', '--json']);
  assert.equal(done.code, 0, done.stderr);
  return JSON.parse(done.stdout);
};
const lock = (name) => stand.db.one('SELECT * FROM cron_locks WHERE name = $1', [name]);
const audit = () => stand.db.rows(`SELECT actor, action, target, detail FROM audit_log WHERE action <> 'run' ORDER BY id`);

// A lock as a run has it, `seconds` away from its expiry; the run's id.
async function hold(name, seconds, fence = 7) {
  const id = await stand.db.value(`INSERT INTO cron_job_executions (id, job_name, caller) VALUES (gen_random_uuid(), $1, 'test') RETURNING id`, [name]);
  await stand.db.rows(
    `INSERT INTO cron_locks (name, holder, fence, acquired_at, expires_at)
     VALUES ($1, $2, $3, clock_timestamp() - interval '9 s', clock_timestamp() + $4 * interval '1 s')`, [name, id, fence, seconds]);
  return id;
}

test('list: none, free, live and expired ones, as a table and as JSON', async () => {
  assert.deepEqual(await list(), []);
  const live = await hold('data-archival', 60);
  const dead = await hold('notification-expiry', -60);
  await stand.db.rows(`INSERT INTO cron_locks (name, fence, acquired_at, expires_at) VALUES ('webhook-retry', 3, now(), now())`);
  const found = await list();
  assert.deepEqual(found.map((one) => [one.name, one.state, one.holder, one.fence, one.run, one.caller]),
    [['data-archival', 'live', live, 7, 'running', 'test'], ['notification-expiry', 'expired', dead, 7, 'running', 'test'],
      ['webhook-retry', 'free', null, 3, null, null]]);
  for (const time of [found[0].since, found[0].expiresAt]) assert.ok(Math.abs(Date.parse(time) - Date.now()) < 120_000, time);
  const table = (await stand.cli(['locks', 'list'])).stdout.trim().split('\n');
  assert.equal(table.length, 4);
  assert.match(table[1], new RegExp(`^data-archival +live +7 +${live} +running +test +\\d{4}-`));
});

test('clear: an expired lock is free with a higher fence, the run stays as it is, audit_log has it', async () => {
  const id = await hold('data-archival', -1);
  const done = await stand.cli(['locks', 'clear', 'data-archival']);
  assert.equal(done.code, 0, done.stderr);
  const row = await lock('data-archival');
  assert.deepEqual([row.holder, row.fence], [null, 8]);
  assert.equal((await stand.execution(id)).status, 'running');
  const [act, ...more] = await audit();
  assert.deepEqual([more, act.action, act.target, act.detail.holder, act.detail.fence, act.detail.live],
    [[], 'locks.clear', 'data-archival', id, 7, false]);
  assert.match(act.actor, /^cli:./);
  const again = await stand.cli(['locks', 'clear', 'data-archival']);
  assert.deepEqual([again.code, (await audit()).length], [0, 1], 'a free lock needs nothing');
});

test('clear: an unknown name changes nothing, not even the others', async () => {
  await hold('data-archival', -1);
  const done = await stand.cli(['locks', 'clear', 'data-archival', 'nonsense']);
  assert.equal(done.code, 1);
  assert.match(done.stderr, /no lock 'nonsense'.*data-archival/);
  assert.equal((await lock('data-archival')).fence, 7);
  assert.deepEqual(await audit(), []);
});

test('clear: a live run keeps its lock unless --force, which says so', async () => {
  const id = await hold('data-archival', 60);
  const refused = await stand.cli(['locks', 'clear', 'data-archival']);
  assert.equal(refused.code, 3);
  assert.match(refused.stderr, /live run.*--force.*another one may begin/s);
  assert.deepEqual([(await lock('data-archival')).holder, await audit()], [id, []]);
  assert.equal((await stand.cli(['locks', 'clear', '--force', 'data-archival'])).code, 0);
  assert.equal((await lock('data-archival')).holder, null);
  assert.equal((await audit())[0].detail.live, true);
});

test('a run that lost its lock by force ends, and cannot free the lock of the one behind it', async () => {
  await stand.endpoint('/slow/300');
  await stand.enqueue(2000);
  const child = start(program(), ['run', 'webhook-retry', '--budget', '60'], { env: cleanEnv(stand.env()) });
  await until(() => stand.receiver.requests.length >= 5);
  const [held] = await list();
  assert.equal(held.state, 'live');
  assert.equal((await stand.cli(['locks', 'clear', 'webhook-retry', '--force'])).code, 0);
  const other = await stand.db.value(
    `UPDATE cron_locks SET holder = gen_random_uuid(), fence = fence + 1, acquired_at = clock_timestamp(),
            expires_at = clock_timestamp() + interval '1 hour' WHERE name = 'webhook-retry' RETURNING holder`);
  const { code } = await child.ended;
  assert.equal(code, 1);
  const execution = await stand.execution(held.holder);
  assert.equal(execution.status, 'failure');
  assert.match(execution.error_message, /lost its lock/);
  assert.equal((await lock('webhook-retry')).holder, other);
  assert.equal(await stand.takenCount(), 0, 'what it had claimed was handed back');
});

test('wrong words', async () => {
  for (const args of [[], ['nonsense'], ['list', 'x'], ['list', '--force'], ['clear'], ['clear', '--json', 'x'], ['list', '--nonsense']]) {
    const done = await stand.cli(['locks', ...args]);
    assert.deepEqual([done.code, done.stdout], [2, ''], args.join(' '));
    assert.notEqual(done.stderr, '');
  }
});
