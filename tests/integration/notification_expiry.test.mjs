// notification-expiry: dismisses what has expired, and nothing else.
import assert from 'node:assert/strict';
import { after, beforeEach, test } from 'node:test';
import { Stand } from '../lib/stand.mjs';

const stand = await Stand.create();
await stand.startPool({ size: 1 });
after(() => stand.end());
beforeEach(() => stand.db.rows('TRUNCATE platform_notifications'));

function add(count, expires, status = 'unread') {
  return stand.db.rows(
    `INSERT INTO platform_notifications (user_id, title, expires_at, status)
     SELECT gen_random_uuid(), 'n ' || n, ${expires}, $2 FROM generate_series(1, $1::int) n`, [count, status]);
}

function counts() {
  return stand.db.rows('SELECT status, count(*)::int AS n, count(dismissed_at)::int AS dated FROM platform_notifications GROUP BY 1 ORDER BY 1');
}

test('unread and read ones that expired are dismissed with the time; others stay', async () => {
  await add(3, `clock_timestamp() - interval '1 s'`);
  await add(2, `clock_timestamp() - interval '90 days'`, 'read');
  await add(4, `clock_timestamp() + interval '1 hour'`);
  await add(5, 'NULL');
  await add(1, `clock_timestamp() - interval '1 s'`, 'dismissed');
  const answer = await stand.call('notification-expiry');
  assert.equal(answer.status, 200);
  assert.deepEqual(Object.keys(answer.json), ['expired', 'message', 'run']);
  assert.deepEqual([answer.json.expired, answer.json.run.more], [5, false]);
  assert.deepEqual(await counts(), [{ status: 'dismissed', n: 6, dated: 5 }, { status: 'unread', n: 9, dated: 0 }]);
  assert.equal((await stand.call('notification-expiry')).json.expired, 0);
});

test('it goes on, batch after batch, until nothing is due', async () => {
  await add(5003, `clock_timestamp() - interval '1 s'`);
  const answer = await stand.call('notification-expiry');
  assert.deepEqual([answer.json.expired, answer.headers['x-cron-items']], [5003, '5003']);
});

test('a cap per run leaves the rest, and says so', async () => {
  await add(2500, `clock_timestamp() - interval '1 s'`);
  const env = { NOTIFICATION_EXPIRY_RUN_MAX: '1000', NOTIFICATION_EXPIRY_BATCH_SIZE: '300' };
  for (const [wanted, more] of [[1000, true], [1000, true], [500, false]]) {
    const reply = JSON.parse((await stand.cli(['run', 'notification-expiry'], { env })).stdout);
    assert.deepEqual([reply.expired, reply.run.more], [wanted, more]);
  }
});

test('a row that somebody holds is passed over and not waited for', async () => {
  await add(10, `clock_timestamp() - interval '1 s'`);
  await stand.db.session(async (sql) => {
    await sql('BEGIN');
    await sql('SELECT 1 FROM platform_notifications LIMIT 1 FOR UPDATE');
    const began = Date.now();
    assert.equal((await stand.call('notification-expiry')).json.expired, 9);
    assert.ok(Date.now() - began < 2000);
    await sql('ROLLBACK');
  });
  assert.equal((await stand.call('notification-expiry')).json.expired, 1);
});
