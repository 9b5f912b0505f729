-- What `cronward status` shows.  It is asked every few seconds of tables with millions of rows, so
-- every count is that of at most $1 + 1 entries at one end of an index: more than $1 is shown as
-- "$1+".  The ORDER BY is what keeps the planner on the index; a bare LIMIT looks cheap by a scan.

-- name: workers
-- $1 names.  The last run that ended, and who holds the lock.
SELECT w.name, last.id, last.status,
       to_char(last.started_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS started_at,
       extract(epoch FROM clock_timestamp() - last.started_at)::bigint AS ago_s,
       last.duration_ms, last.counts, last.error_message, last.caller,
       l.holder, l.fence, l.expires_at > clock_timestamp() AS holder_is_live,
       to_char(l.acquired_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS held_since,
       extract(epoch FROM clock_timestamp() - l.acquired_at)::bigint AS held_s, r.caller AS held_by
  FROM unnest($1::text[]) WITH ORDINALITY AS w(name, place)
  LEFT JOIN LATERAL (
	SELECT id, status, started_at, duration_ms, counts, error_message, caller
	  FROM cron_job_executions
	 WHERE job_name = w.name AND status <> 'running'
	 ORDER BY started_at DESC LIMIT 1) last ON true
  LEFT JOIN cron_locks l ON l.name = w.name AND l.holder IS NOT NULL
  LEFT JOIN LATERAL (SELECT caller FROM cron_job_executions WHERE id = l.holder LIMIT 1) r ON true
 ORDER BY w.place;

-- name: queues
-- Rows whose time has come are the first of their index, those that are leased among them; of jobs,
-- the first of each lane, a queue and priority.  A queue that is paused has no oldest.
WITH lane AS MATERIALIZED (
	SELECT queue, priority FROM cronward_job_lanes(1000)
), job AS MATERIALIZED (
	SELECT f.is_leased
	  FROM lane l
	 CROSS JOIN LATERAL (
		SELECT COALESCE(j.lease_until > clock_timestamp(), false) AS is_leased
		  FROM jobs j
		 WHERE j.queue = l.queue AND j.priority = l.priority AND j.waits_until <= (SELECT clock_timestamp())
		 ORDER BY j.waits_until, j.id LIMIT $1::int + 1) f
	 LIMIT $1::int + 1
), head AS MATERIALIZED (
	SELECT next_retry_at, COALESCE(lease_until > clock_timestamp(), false) AS is_leased
	  FROM webhook_deliveries
	 WHERE next_retry_at <= (SELECT clock_timestamp())
	 ORDER BY next_retry_at, id LIMIT $1::int + 1)
SELECT 'webhook_deliveries' AS name,
       (SELECT count(*) FROM head WHERE NOT is_leased) AS due,
       (SELECT count(*) FROM head) > $1::int AS due_is_more,
       (SELECT count(*) FROM head WHERE is_leased) AS leased,
       (SELECT count(*) FROM (
		SELECT FROM webhook_deliveries
		 WHERE next_retry_at > (SELECT clock_timestamp()) AND next_retry_at < 'infinity'
		 ORDER BY next_retry_at, id LIMIT $1::int + 1) x) AS waiting,
       (SELECT count(*) FROM (
		SELECT FROM webhook_deliveries
		 WHERE next_retry_at = 'infinity'
		 ORDER BY webhook_id, id LIMIT $1::int + 1) x) AS parked,
       (SELECT count(*) FROM (
		SELECT FROM webhook_deliveries
		 WHERE dead_at IS NOT NULL
		 ORDER BY dead_at, id LIMIT $1::int + 1) x) AS dead,
       (SELECT extract(epoch FROM clock_timestamp() - min(next_retry_at))::bigint
          FROM head WHERE NOT is_leased) AS oldest_s
UNION ALL
SELECT 'platform_notifications', x.due, x.due > $1::int, NULL,
       (SELECT count(*) FROM (
		SELECT FROM platform_notifications
		 WHERE status <> 'dismissed' AND expires_at > (SELECT clock_timestamp())
		 ORDER BY expires_at, id LIMIT $1::int + 1) y),
       NULL, NULL, x.oldest_s
  FROM (SELECT count(*) AS due, extract(epoch FROM clock_timestamp() - min(expires_at))::bigint AS oldest_s
          FROM (SELECT expires_at FROM platform_notifications
                 WHERE status <> 'dismissed' AND expires_at <= (SELECT clock_timestamp())
                 ORDER BY expires_at, id LIMIT $1::int + 1) y) x
UNION ALL
SELECT 'inventory_reservations', x.due, x.due > $1::int, NULL,
       (SELECT count(*) FROM (
		SELECT FROM inventory_reservations
		 WHERE status = 'active' AND expires_at > (SELECT clock_timestamp())
		 ORDER BY expires_at, id LIMIT $1::int + 1) y),
       NULL, NULL, x.oldest_s
  FROM (SELECT count(*) AS due, extract(epoch FROM clock_timestamp() - min(expires_at))::bigint AS oldest_s
          FROM (SELECT expires_at FROM inventory_reservations
                 WHERE status = 'active' AND expires_at <= (SELECT clock_timestamp())
                 ORDER BY expires_at, id LIMIT $1::int + 1) y) x
UNION ALL
SELECT 'jobs', (SELECT count(*) FROM job WHERE NOT is_leased), (SELECT count(*) FROM job) > $1::int,
       (SELECT count(*) FROM job WHERE is_leased),
       (SELECT count(*) FROM (
		SELECT FROM lane l
		 CROSS JOIN LATERAL (
			SELECT FROM jobs j
			 WHERE j.queue = l.queue AND j.priority = l.priority
			   AND j.waits_until > (SELECT clock_timestamp()) AND j.waits_until < 'infinity'
			 ORDER BY j.waits_until, j.id LIMIT $1::int + 1) f
		 LIMIT $1::int + 1) x),
       (SELECT count(*) FROM (
		SELECT FROM lane l
		 CROSS JOIN LATERAL (
			SELECT FROM jobs j
			 WHERE j.queue = l.queue AND j.priority = l.priority AND j.waits_until = 'infinity'
			 ORDER BY j.waits_until, j.id LIMIT $1::int + 1) f
		 LIMIT $1::int + 1) x),
       (SELECT count(*) FROM (SELECT FROM jobs WHERE dead_at IS NOT NULL ORDER BY dead_at, id LIMIT $1::int + 1) x),
       (SELECT extract(epoch FROM clock_timestamp() - min(f.waits_until))::bigint
          FROM lane l
         CROSS JOIN LATERAL (
		SELECT j.waits_until
		  FROM jobs j
		 WHERE j.queue = l.queue AND j.priority = l.priority AND j.waits_until <= (SELECT clock_timestamp())
		   AND (j.lease_until IS NULL OR j.lease_until <= (SELECT clock_timestamp()))
		 ORDER BY j.waits_until, j.id LIMIT 1) f
         WHERE NOT EXISTS (SELECT FROM job_queues q WHERE q.name = l.queue AND q.paused));

-- name: integrations
-- By lanes, a provider and a priority; what was synced is due again a minute later, for whoever calls next.
-- WhatsApp's connections are in no queue: each run checks them all.
WITH RECURSIVE lane AS (
	(SELECT provider, priority, 1 AS n
	   FROM user_integrations
	  WHERE waits_until IS NOT NULL
	  ORDER BY provider, priority, waits_until, id LIMIT 1)
	UNION ALL
	SELECT x.provider, x.priority, l.n + 1
	  FROM lane l
	 CROSS JOIN LATERAL (
		SELECT provider, priority
		  FROM user_integrations
		 WHERE waits_until IS NOT NULL AND (provider, priority) > (l.provider, l.priority)
		 ORDER BY provider, priority, waits_until, id LIMIT 1) x
	 WHERE l.n < 500
), l AS MATERIALIZED (
	SELECT provider, priority FROM lane
), head AS MATERIALIZED (
	SELECT f.is_leased, f.waits_until
	  FROM l
	 CROSS JOIN LATERAL (
		SELECT i.waits_until, COALESCE(i.lease_until > clock_timestamp(), false) AS is_leased
		  FROM user_integrations i
		 WHERE i.provider = l.provider AND i.priority = l.priority AND i.waits_until <= (SELECT clock_timestamp())
		 ORDER BY i.waits_until, i.id LIMIT $1::int + 1) f
	 LIMIT $1::int + 1
)
SELECT 'user_integrations' AS name, (SELECT count(*) FROM head WHERE NOT is_leased) AS due,
       (SELECT count(*) FROM head) > $1::int AS due_is_more,
       (SELECT count(*) FROM head WHERE is_leased) AS leased,
       (SELECT count(*) FROM (
		SELECT FROM l
		 CROSS JOIN LATERAL (
			SELECT FROM user_integrations i
			 WHERE i.provider = l.provider AND i.priority = l.priority
			   AND i.waits_until > (SELECT clock_timestamp()) AND i.waits_until < 'infinity'
			 ORDER BY i.waits_until, i.id LIMIT $1::int + 1) f
		 LIMIT $1::int + 1) x) AS waiting,
       NULL::bigint AS parked, NULL::bigint AS dead,
       (SELECT extract(epoch FROM clock_timestamp() - min(waits_until))::bigint FROM head WHERE NOT is_leased) AS oldest_s;

-- name: rest
-- Endpoints that get nothing, queues that are paused, and the calls refused in the last hour by code.
SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS at,
       (SELECT count(*) FROM (SELECT FROM app_webhooks WHERE NOT is_active LIMIT $1::int + 1) x) AS disabled,
       (SELECT COALESCE(jsonb_agg(name), '[]')
          FROM (SELECT name FROM job_queues WHERE paused ORDER BY name LIMIT 100) x) AS paused,
       (SELECT COALESCE(jsonb_object_agg(code, calls), '{}')
          FROM (SELECT code, sum(calls) AS calls
                  FROM (SELECT code, calls FROM cron_denied
                         WHERE minute >= (SELECT date_trunc('minute', clock_timestamp() - interval '1 hour'))
                         ORDER BY minute DESC, route DESC, code DESC LIMIT $1::int) hour
                 GROUP BY code) x) AS denied;
