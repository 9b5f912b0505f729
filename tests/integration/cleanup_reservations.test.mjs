// Holds on stock: taken, sold, given back and expired by our functions or by an application that
// writes the tables itself; `reserved` is the sum of the active ones whoever wrote.
import assert from 'node:assert/strict';
import { after, beforeEach, test } from 'node:test';
import { Stand } from '../lib/stand.mjs';
import { until } from '../lib/wait.mjs';

const stand = await Stand.create();
after(() => stand.end());
beforeEach(() => stand.db.rows('TRUNCATE inventory_reservations, inventory_items'));

const ID = '00000000-0000-4000-8000-000000000000';

const item = (onHand = 10, sku = 'lamp') => stand.db.value('INSERT INTO inventory_items (sku, on_hand) VALUES ($1, $2) RETURNING id', [sku, onHand]);
const reserve = (id, quantity, minutes = 15, sql = stand.db) => sql.value('SELECT reserve_item($1, $2, $3)', [id, quantity, minutes]);
const stock = async (id) => {
  const row = await stand.db.one('SELECT on_hand, reserved FROM inventory_items WHERE id = $1', [id]);
  return [row.on_hand, row.reserved];
};
const status = (hold) => stand.db.value('SELECT status FROM inventory_reservations WHERE id = $1', [hold]);
const late = () => stand.db.rows(`UPDATE inventory_reservations SET expires_at = clock_timestamp() - interval '1 s' WHERE status = 'active'`);

async function clean() {
  const done = await stand.cli(['run', 'cleanup-reservations']);
  assert.equal(done.code, 0, done.stderr);
  const { run: { more }, ...reply } = JSON.parse(done.stdout);
  assert.equal(more, false);
  return reply;
}

function refused(statement, values, code, message) {
  return assert.rejects(stand.db.rows(statement, values), (e) => {
    assert.equal(e.code, code, e.message);
    assert.match(e.message, message);
    return true;
  });
}

test('no more is held than there is, and who asks for too much is told what is left', async () => {
  const lamp = await item(10);
  await reserve(lamp, 7);
  await refused('SELECT reserve_item($1, 4)', [lamp], 'CW409', /^of item lamp there are 3 left, 4 were asked for$/);
  await reserve(lamp, 3);
  assert.deepEqual(await stock(lamp), [10, 10]);
  await refused('SELECT reserve_item($1, 2147483647)', [lamp], 'CW409', /0 left, 2147483647 were/);
  await refused('SELECT reserve_item($1, 1)', [ID], 'CW404', new RegExp(ID));
  for (const quantity of [0, -1, null]) await refused('SELECT reserve_item($1, $2)', [lamp, quantity], 'CW400', /quantity is .*, allowed is 1 or more/);
  for (const minutes of [0, 525601, null]) await refused('SELECT reserve_item($1, 1, $2)', [lamp, minutes], 'CW400', /minutes is .*, allowed is 1 to 525600/);
  assert.equal(await stand.db.value(`SELECT count(*)::int FROM inventory_reservations WHERE expires_at BETWEEN now() + interval '14 min' AND now() + interval '15 min'`), 2);
});

test('a hold is sold or given back once; a repeat changes nothing and says so', async () => {
  const lamp = await item(10);
  const [sold, back, over] = [await reserve(lamp, 3), await reserve(lamp, 2), await reserve(lamp, 1)];
  for (const first of [true, false]) assert.equal(await stand.db.value('SELECT commit_reservation($1)', [sold]), first);
  for (const first of [true, false]) assert.equal(await stand.db.value('SELECT release_reservation($1)', [back]), first);
  assert.deepEqual(await stock(lamp), [7, 1]);
  await refused('SELECT release_reservation($1)', [sold], 'CW409', /was committed, its 3 pieces are sold/);
  await refused('SELECT commit_reservation($1)', [back], 'CW409', /was released/);
  await late();
  await refused('SELECT commit_reservation($1)', [over], 'CW409', /of 1 pieces expired at /);
  await clean();
  await refused('SELECT commit_reservation($1)', [over], 'CW409', /of 1 pieces expired at /);
  assert.equal(await stand.db.value('SELECT release_reservation($1)', [over]), false);
  assert.deepEqual(await stock(lamp), [7, 0]);
  for (const f of ['commit', 'release']) await refused(`SELECT ${f}_reservation($1)`, [ID], 'CW404', new RegExp(ID));
  await reserve(lamp, 5);
  await stand.db.rows('UPDATE inventory_items SET on_hand = 4');
  await refused(`SELECT commit_reservation(id) FROM inventory_reservations WHERE status = 'active'`, [], 'CW409', /only 4 on hand, hold .* is of 5/);
});

test('what is over is given back, what is not stays; the reply is the shop’s', async () => {
  const [lamp, sofa] = [await item(10), await item(10, 'sofa')];
  for (const id of [lamp, lamp, sofa]) await reserve(id, 2);
  await late();
  const [kept, sold] = [await reserve(lamp, 1), await reserve(sofa, 1)];
  await stand.db.rows('SELECT commit_reservation($1)', [sold]);
  const query = `SELECT COUNT(*) as expired_count
FROM inventory_reservations
WHERE status = 'active' AND expires_at < NOW();`;
  assert.equal(await stand.db.value(query), 3);
  assert.deepEqual(await clean(), { success: true, processed: 3, succeeded: 3, failed: 0 });
  assert.equal(await stand.db.value(query), 0);
  assert.deepEqual([await stock(lamp), await stock(sofa), await status(kept)], [[10, 1], [9, 0], 'active']);
  assert.equal(await stand.db.value(`SELECT count(*)::int FROM inventory_reservations WHERE status = 'expired' AND ended_at IS NOT NULL`), 3);
  assert.equal((await clean()).processed, 0);
});

test('nobody is refused for holds that are over and not yet cleaned up', async () => {
  const lamp = await item(5);
  const old = await reserve(lamp, 5);
  await late();
  await reserve(lamp, 4);
  assert.deepEqual([await stock(lamp), await status(old)], [[5, 4], 'expired']);
});

test('a hold that somebody is committing, and an item that somebody has locked, are passed over', async () => {
  const [lamp, sofa] = [await item(10), await item(10, 'sofa')];
  const [committing, same, other] = [await reserve(lamp, 1), await reserve(lamp, 2), await reserve(sofa, 3)];
  await late();
  await stand.db.session(async (sql) => {
    await sql('BEGIN');
    await sql(`UPDATE inventory_reservations SET status = 'committed' WHERE id = $1`, [committing]);
    assert.equal((await clean()).processed, 1);
    await sql('COMMIT');
  });
  assert.deepEqual([await status(same), await status(other)], ['active', 'expired']);
  assert.equal((await clean()).processed, 1);
  assert.deepEqual([await stock(lamp), await stock(sofa), await status(committing)], [[9, 0], [10, 0], 'committed']);
});

test('two who sell one hold sell it once, and the cleaner waits for neither', async () => {
  const lamp = await item(10);
  const [hold, over] = [await reserve(lamp, 3), await reserve(lamp, 2)];
  await stand.db.rows(`UPDATE inventory_reservations SET expires_at = clock_timestamp() WHERE id = $1`, [over]);
  const { second } = await stand.db.session(async (sql) => {
    await sql('BEGIN');
    await sql('SELECT commit_reservation($1)', [hold]);
    const waiting = stand.db.value('SELECT commit_reservation($1)', [hold]);
    await until(() => stand.db.value(`SELECT count(*) = 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`), { what: 'the second to wait' });
    await sql('COMMIT');
    return { second: await waiting };
  });
  assert.deepEqual([second, await stock(lamp)], [false, [7, 2]]);
  // Of who is about to sell, the hold alone is locked.
  await stand.db.session(async (sql) => {
    await sql('BEGIN');
    await sql('SELECT FROM inventory_reservations WHERE id = $1 FOR NO KEY UPDATE', [over]);
    assert.equal((await clean()).processed, 0);
    await sql('COMMIT');
  });
  assert.deepEqual([(await clean()).processed, await stock(lamp)], [1, [7, 0]]);
});

test('an application that writes the tables itself is counted, in whatever order it writes', async () => {
  const lamp = await item(10);
  const ask = (q) => stand.db.value('INSERT INTO inventory_reservations (item_id, quantity) VALUES ($1, $2) RETURNING id', [lamp, q]);
  const end = (id, how) => stand.db.rows('UPDATE inventory_reservations SET status = $2 WHERE id = $1', [id, how]);
  const [a, b, c, d] = [await ask(1), await ask(2), await ask(3), await ask(4)];
  assert.deepEqual(await stock(lamp), [10, 10]);
  await end(a, 'committed');
  assert.deepEqual(await stock(lamp), [9, 9]);
  // It moves the figures besides, before or after.
  await end(b, 'committed');
  await stand.db.rows('UPDATE inventory_items SET on_hand = on_hand - 2, reserved = reserved - 2');
  assert.deepEqual(await stock(lamp), [7, 7]);
  await stand.db.rows('UPDATE inventory_items SET reserved = reserved - 3');
  await end(c, 'released');
  assert.deepEqual(await stock(lamp), [7, 4]);
  await stand.db.rows('DELETE FROM inventory_reservations WHERE id = $1', [d]);
  assert.deepEqual(await stock(lamp), [7, 0]);
  assert.equal(await stand.db.value('SELECT count(*)::int FROM inventory_reservations WHERE ended_at IS NOT NULL'), 3);
});

test('its figures of before are not counted twice, and a hold that is over does not come back', async () => {
  const lamp = await stand.db.value(`INSERT INTO inventory_items (sku, on_hand, reserved) VALUES ('lamp', 10, 3) RETURNING id`);
  const hold = await stand.db.value(
    `INSERT INTO inventory_reservations (item_id, quantity, expires_at) VALUES ($1, 3, now() - interval '1 min') RETURNING id`, [lamp]);
  assert.deepEqual(await stock(lamp), [10, 3]);
  assert.equal((await clean()).processed, 1);
  assert.deepEqual(await stock(lamp), [10, 0]);
  for (const how of ['committed', 'active'])
    await refused('UPDATE inventory_reservations SET status = $2 WHERE id = $1', [hold, how], 'CW409', /of 3 pieces is expired, it cannot become/);
});

test('who may write holds and no more has them counted all the same', async (t) => {
  const role = `writer_${stand.db.name}`;
  const lamp = await item(10);
  await stand.db.rows(`CREATE ROLE ${role}; GRANT SELECT, INSERT, UPDATE ON inventory_reservations TO ${role}`);
  t.after(() => stand.db.rows(`DROP OWNED BY ${role}; DROP ROLE ${role}`));
  await stand.db.session(async (sql) => {
    await sql(`SET ROLE ${role}`);
    await sql('INSERT INTO inventory_reservations (item_id, quantity) VALUES ($1, 4), ($1, 1)', [lamp]);
    await sql(`UPDATE inventory_reservations SET status = 'committed' WHERE quantity = 4`);
    await assert.rejects(sql('SELECT reserve_item($1, 1)', [lamp]), /permission denied/);
    await assert.rejects(sql('SELECT on_hand FROM inventory_items'), /permission denied/);
  });
  assert.deepEqual(await stock(lamp), [6, 1]);
});

test('it goes on, batch after batch, over holds of many items', async () => {
  await stand.db.rows(`INSERT INTO inventory_items (sku, on_hand) SELECT 's' || n, 100 FROM generate_series(1, 50) n`);
  await stand.db.rows(`INSERT INTO inventory_reservations (item_id, quantity, expires_at) SELECT id, 1, now() - n * interval '1 s' FROM inventory_items, generate_series(1, 60) n`);
  assert.deepEqual(await stand.db.one('SELECT min(reserved), max(reserved) FROM inventory_items'), { min: 60, max: 60 });
  assert.equal((await clean()).processed, 3000);
  assert.deepEqual(await stand.db.one('SELECT min(reserved), max(reserved) FROM inventory_items'), { min: 0, max: 0 });
});
