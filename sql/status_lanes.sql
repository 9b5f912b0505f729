-- What `cronward status` shows of queues that are walked by lanes: of events by provider, of mail by
-- priority.  The forms are those of status.sql.  Of a batch of mail all but one wait at infinity; they
-- are on their way with that one, and in no count but that of dead ones.

-- source: events table=webhook_events lane=e.provider kind=(e.attempts=0) kinds=(VALUES(true),(false))
-- source: whatsapp table=whatsapp_webhook_logs lane='whatsapp'::text kind=(e.attempts=0) kinds=(VALUES(true),(false))
-- source: mail table=email_queue lane=e.priority kind=true::boolean kinds=(VALUES(true))

-- name: queue
-- $1 of each count at most, and one more, as in status.sql; of 500 lanes.
WITH RECURSIVE lane AS (
	(SELECT {lane} AS name, 1 AS n
	   FROM {table} e
	  WHERE e.waits_until IS NOT NULL
	  ORDER BY {lane}, {kind}, e.waits_until, e.id LIMIT 1)
	UNION ALL
	SELECT x.name, l.n + 1
	  FROM lane l
	 CROSS JOIN LATERAL (
		SELECT {lane} AS name
		  FROM {table} e
		 WHERE e.waits_until IS NOT NULL AND {lane} > l.name
		 ORDER BY {lane}, {kind}, e.waits_until, e.id LIMIT 1) x
	 WHERE l.n < 500
), l AS MATERIALIZED (
	SELECT lane.name, k.kind FROM lane CROSS JOIN {kinds} k (kind)
), head AS MATERIALIZED (
	SELECT f.is_leased
	  FROM l
	 CROSS JOIN LATERAL (
		SELECT COALESCE(e.lease_until > clock_timestamp(), false) AS is_leased
		  FROM {table} e
		 WHERE {lane} = l.name AND {kind} = l.kind AND e.waits_until <= (SELECT clock_timestamp())
		 ORDER BY e.waits_until, e.id LIMIT $1::int + 1) f
	 LIMIT $1::int + 1
)
SELECT '{table}' AS name, (SELECT count(*) FROM head WHERE NOT is_leased) AS due,
       (SELECT count(*) FROM head) > $1::int AS due_is_more,
       (SELECT count(*) FROM head WHERE is_leased) AS leased,
       (SELECT count(*) FROM (
		SELECT FROM l
		 CROSS JOIN LATERAL (
			SELECT FROM {table} e
			 WHERE {lane} = l.name AND {kind} = l.kind
			   AND e.waits_until > (SELECT clock_timestamp()) AND e.waits_until < 'infinity'
			 ORDER BY e.waits_until, e.id LIMIT $1::int + 1) f
		 LIMIT $1::int + 1) x) AS waiting,
       NULL::bigint AS parked,
       (SELECT count(*) FROM (
		SELECT FROM {table}
		 WHERE dead_at IS NOT NULL AND status = 'failed' AND waits_until IS NULL
		 ORDER BY dead_at, id LIMIT $1::int + 1) x) AS dead,
       (SELECT extract(epoch FROM clock_timestamp() - min(f.waits_until))::bigint
          FROM l
         CROSS JOIN LATERAL (
		SELECT e.waits_until
		  FROM {table} e
		 WHERE {lane} = l.name AND {kind} = l.kind AND e.waits_until <= (SELECT clock_timestamp())
		   AND (e.lease_until IS NULL OR e.lease_until <= (SELECT clock_timestamp()))
		 ORDER BY e.waits_until, e.id LIMIT 1) f) AS oldest_s;
