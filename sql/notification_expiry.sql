-- notification-expiry: dismisses what has expired.

-- name: expire
-- The sweep's form (see include/engine/sweep.h); $3 is not needed here.
WITH c AS MATERIALIZED (
	SELECT ctid, id, expires_at
	  FROM platform_notifications
	 WHERE status <> 'dismissed' AND expires_at <= $2::timestamptz
	   AND (expires_at, id) > (timestamptz 'epoch' + $4::bigint * interval '1 microsecond', $5::uuid)
	   AND $3::int IS NOT NULL
	 ORDER BY expires_at, id
	 LIMIT $1::int
	   FOR NO KEY UPDATE SKIP LOCKED
), moved AS (
	UPDATE platform_notifications n
	   SET status = 'dismissed', dismissed_at = clock_timestamp()
	 WHERE n.ctid = ANY (ARRAY(SELECT ctid FROM c))
	RETURNING n.id
)
SELECT (SELECT count(*) FROM moved) AS moved, (SELECT count(*) FROM c) AS seen,
       (extract(epoch FROM last.expires_at) * 1000000)::bigint AS cursor_at, last.id AS cursor_id
  FROM (SELECT) one
  LEFT JOIN (SELECT expires_at, id FROM c ORDER BY expires_at DESC, id DESC LIMIT 1) last ON true;
