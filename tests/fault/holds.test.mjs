// 200 customers at once want 50 pieces: they take holds, sell, give back and forget them, while the
// cleaner runs and is killed. At no moment is more promised or sold than there was.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import pg from 'pg';
import { Cluster } from '../lib/postgres.mjs';
import { cleanEnv, start } from '../lib/process.mjs';
import { program } from '../lib/program.mjs';
import { random } from '../lib/random.mjs';
import { report, size } from '../lib/sizes.mjs';
import { Stand } from '../lib/stand.mjs';

const CUSTOMERS = 200;
const PIECES = 50;
const ROUNDS = size(3, 60);

// One moment, as one snapshot sees it.
const MOMENT = `
  SELECT i.on_hand, i.reserved, h.held::int, h.sold::int
    FROM inventory_items i, LATERAL (
      SELECT COALESCE(sum(quantity) FILTER (WHERE status = 'active'), 0) AS held,
             COALESCE(sum(quantity) FILTER (WHERE status = 'committed'), 0) AS sold
        FROM inventory_reservations WHERE item_id = i.id) h`;

function assertMoment({ on_hand, reserved, held, sold }) {
  assert.equal(reserved, held, 'reserved is the sum of the active holds');
  assert.equal(on_hand + sold, PIECES, 'what is sold is there no longer');
  assert.ok(held + sold <= PIECES, `${held} held and ${sold} sold of ${PIECES}`);
}

// How a hold ends: by our functions, or by an application's own statements; null: it is forgotten.
// Few are sold, or the shop would be empty at once.
const COMMITS = ['SELECT commit_reservation($1)', `UPDATE inventory_reservations SET status = 'committed' WHERE id = $1 AND status = 'active'`,
  `UPDATE inventory_reservations SET status = 'committed' WHERE id = $1`];
const RELEASES = ['SELECT release_reservation($1)', `UPDATE inventory_reservations SET status = 'released' WHERE id = $1 AND status = 'active'`];

async function customer(client, item, dice, seen) {
  for (let round = 0; round < ROUNDS; round++) {
    try {
      const hold = (await client.query('SELECT reserve_item($1, $2) AS id', [item, dice.between(1, 3)])).rows[0].id;
      seen.held++;
      const end = dice.fraction() < 0.1 ? dice.pick(COMMITS) : dice.fraction() < 0.5 ? dice.pick(RELEASES) : null;
      // Who buys is given time to, most often, however slow the machine is.
      const lastsMs = COMMITS.includes(end) ? dice.between(0, 2000) : dice.between(0, 40);
      await client.query(`UPDATE inventory_reservations SET expires_at = clock_timestamp() + $2 * interval '1 ms' WHERE id = $1 AND status = 'active'`, [hold, lastsMs]);
      if (end) await client.query(end, [hold]);
    } catch (e) {
      if (e.code !== 'CW409') throw e;
      seen.refused++;
    }
  }
}

test('200 customers, 50 pieces, a cleaner that is killed: never oversold, and the figures are right at every moment', async (t) => {
  const cluster = await Cluster.create({ max_connections: String(CUSTOMERS + 40) });
  const stand = await Stand.create({ cluster, env: { LOG_LEVEL: 'error' } });
  const clients = await Promise.all(Array.from({ length: CUSTOMERS }, async () => {
    const client = new pg.Client({ connectionString: stand.db.url });
    await client.connect();
    return client;
  }));
  t.after(async () => {
    await Promise.all(clients.map((client) => client.end()));
    await stand.end();
    await cluster.stop();
  });
  const item = await stand.db.value(`INSERT INTO inventory_items (sku, on_hand) VALUES ('ticket', ${PIECES}) RETURNING id`);
  const seen = { held: 0, refused: 0, moments: 0, cleanings: 0, kills: 0 };
  const dice = random('holds');
  let isOpen = true;
  const cleaner = (async () => {
    while (isOpen || seen.kills === 0) {
      const run = start(program(), ['run', 'cleanup-reservations'], { env: cleanEnv(stand.env()) });
      if (seen.cleanings % 2 === 0) {
        const wait = dice.between(5, 40) + performance.now();
        while (run.running && performance.now() < wait) await new Promise(setImmediate);
        run.signal('SIGKILL');
      }
      const { signal } = await run.ended;
      seen[signal === null ? 'cleanings' : 'kills']++;
      if (signal !== null) seen.cleanings++;
      await stand.expireLocks();
    }
  })();
  const watcher = (async () => {
    for (; isOpen; seen.moments++) assertMoment(await stand.db.one(MOMENT));
  })();
  try {
    await Promise.all([watcher, Promise.all(clients.map((client, n) => customer(client, item, random(`customer ${n}`), seen))).finally(() => isOpen = false)]);
  } finally {
    isOpen = false;
    await cleaner;
  }
  await stand.backendsGone();
  await stand.expireLocks();
  await stand.db.rows(`UPDATE inventory_reservations SET expires_at = clock_timestamp() WHERE status = 'active'`);
  assert.equal((await stand.cli(['run', 'cleanup-reservations'])).code, 0);
  const last = await stand.db.one(MOMENT);
  assertMoment(last);
  assert.equal(last.reserved, 0);
  const ends = Object.fromEntries((await stand.db.rows('SELECT status, count(*)::int AS n FROM inventory_reservations GROUP BY 1 ORDER BY 1')).map((row) => [row.status, row.n]));
  assert.ok(ends.expired > 0 && ends.released > 0 && ends.committed > 0, JSON.stringify(ends));
  report(t, 'holds of 200 customers on 50 pieces', { ...seen, ...ends });
});
