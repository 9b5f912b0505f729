// Seed 003, statement by statement: its SQL as it is printed there.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Stand } from '../lib/stand.mjs';

const stand = await Stand.create();
after(() => stand.end());
const rows = (sql, values) => stand.db.rows(sql, values);

describe('"Database Queries": as they are printed', () => {
  before(async () => {
    await rows(`INSERT INTO email_queue (to_address, status) SELECT 'a@example.com', s FROM unnest(ARRAY['pending', 'pending', 'sent', 'failed']) s`);
    await rows(`INSERT INTO webhook_events (provider, event_id, status, retry_count, archived) VALUES
      ('a', '1', 'pending', 0, false), ('a', '2', 'failed', 0, false), ('a', '3', 'failed', 3, false), ('a', '4', 'processed', 1, false), ('a', '5', 'failed', 5, true)`);
    const [item] = await rows(`INSERT INTO inventory_items (sku, on_hand, reserved) VALUES ('held', 9, 5) RETURNING id`);
    await rows(`INSERT INTO inventory_reservations (item_id, quantity, status, expires_at)
      SELECT $1, 1, s, now() + m * interval '1 minute' FROM (VALUES ('active', -1), ('active', -2), ('active', 5), ('expired', -9), ('committed', -9), ('released', -9)) v(s, m)`, [item.id]);
  });
  const byStatus = (found) => Object.fromEntries(found.map(({ status, ...counts }) => [status, counts]));

  test('email queue status', async () => {
    assert.deepEqual(byStatus(await rows(`
SELECT status, COUNT(*) as count
FROM email_queue
GROUP BY status;`)), { pending: { count: 2 }, sent: { count: 1 }, failed: { count: 1 } });
  });

  test('webhook retry status, and those that were given up are not in it', async () => {
    const found = byStatus(await rows(`
SELECT status, COUNT(*) as count, AVG(retry_count) as avg_retries
FROM webhook_events
WHERE archived = false
GROUP BY status;`));
    assert.deepEqual(Object.fromEntries(Object.entries(found).map(([status, one]) => [status, [one.count, Number(one.avg_retries)]])),
      { pending: [1, 0], failed: [2, 1.5], processed: [1, 1] });
  });

  test('expired reservations', async () => {
    assert.deepEqual(await rows(`
SELECT COUNT(*) as expired_count
FROM inventory_reservations
WHERE status = 'active' AND expires_at < NOW();`), [{ expired_count: 2 }]);
  });
});
