-- The locks of runs, for operators.

-- name: list
-- A holder is live while its lock has not expired: its run renews it.  The sub-select keeps the
-- executions from being joined as a whole.
SELECT l.name,
       CASE WHEN l.holder IS NULL THEN 'free'
            WHEN l.expires_at > clock_timestamp() THEN 'live'
            ELSE 'expired' END AS state,
       l.fence, l.holder, e.status AS run, e.caller,
       CASE WHEN l.holder IS NOT NULL
            THEN to_char(l.acquired_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') END AS since,
       CASE WHEN l.holder IS NOT NULL
            THEN to_char(l.expires_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') END AS expires
  FROM cron_locks l
  LEFT JOIN LATERAL (SELECT status, caller FROM cron_job_executions WHERE id = l.holder LIMIT 1) e ON true
 ORDER BY l.name;

-- name: clear
-- Frees lock $1 from holder $2 with fence $3, and writes down that $5 did it, both or neither.
-- The fence grows, so whatever the old holder still sends about the lock changes nothing.  No
-- row: it has another holder by now, or a live one and $4 (force) is false.
WITH held AS MATERIALIZED (
	SELECT name, holder, fence, acquired_at, expires_at > clock_timestamp() AS is_live
	  FROM cron_locks
	 WHERE name = $1::text AND holder = $2::uuid AND fence = $3::bigint
	   AND ($4::bool OR expires_at <= clock_timestamp())
	   FOR UPDATE),
cleared AS (
	UPDATE cron_locks l
	   SET holder = NULL, fence = l.fence + 1, expires_at = clock_timestamp()
	 WHERE l.name = (SELECT name FROM held)
	RETURNING l.fence),
logged AS (
	INSERT INTO audit_log (actor, action, target, detail)
	SELECT $5::text, 'locks.clear', name,
	       jsonb_build_object('holder', holder, 'fence', fence, 'since', acquired_at, 'live', is_live)
	  FROM held)
SELECT fence FROM cleared;
