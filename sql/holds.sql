-- cleanup-reservations: ends holds that are over, and gives back what they kept.

-- name: expire
-- The sweep's form (see include/engine/sweep.h); $3 is not needed here.  It waits for nobody: a hold
-- that is being committed or released at this moment is passed over, and so is one whose item
-- somebody has locked, for reserve_item ends holds itself where pieces are wanted.  What is given
-- back is what was ended, and of the items as they are once locked, not as the statement found them.
WITH own AS MATERIALIZED (
	SELECT set_config('cronward.holds', 'counted', true) AS holds
), c AS MATERIALIZED (
	SELECT id, item_id, expires_at
	  FROM inventory_reservations
	 WHERE status = 'active' AND expires_at <= $2::timestamptz
	   AND (expires_at, id) > (timestamptz 'epoch' + $4::bigint * interval '1 microsecond', $5::uuid)
	   AND $3::int IS NOT NULL
	 ORDER BY expires_at, id
	 LIMIT $1::int
	   FOR NO KEY UPDATE SKIP LOCKED
), items AS MATERIALIZED (
	SELECT id
	  FROM inventory_items
	 WHERE id = ANY (ARRAY(SELECT DISTINCT item_id FROM c))
	 ORDER BY id
	   FOR NO KEY UPDATE SKIP LOCKED
), moved AS (
	UPDATE inventory_reservations r
	   SET status = 'expired', ended_at = clock_timestamp()
	 WHERE r.id = ANY (ARRAY(SELECT id FROM c WHERE item_id = ANY (ARRAY(SELECT id FROM items))))
	   AND (SELECT holds FROM own) = 'counted'
	RETURNING r.id, r.item_id, r.quantity
), given AS (
	UPDATE inventory_items i
	   SET reserved = GREATEST(i.reserved - g.quantity, 0)
	  FROM (SELECT item_id, sum(quantity) AS quantity FROM moved GROUP BY item_id) g
	 WHERE i.id = ANY (ARRAY(SELECT id FROM items)) AND i.id = g.item_id
)
SELECT (SELECT count(*) FROM moved) AS moved, (SELECT count(*) FROM c) AS seen,
       (extract(epoch FROM last.expires_at) * 1000000)::bigint AS cursor_at, last.id AS cursor_id
  FROM (SELECT) one
  LEFT JOIN (SELECT expires_at, id FROM c ORDER BY expires_at DESC, id DESC LIMIT 1) last ON true;
