-- webhook-retry: claim, settle and release of webhook_deliveries.
-- The forms are not free: see README.md in this folder before changing one.

-- name: claim
-- Leases up to $1 rows that were due at $4, for $2 seconds, under the token $3, behind the cursor
-- ($5 microseconds, $6 id), passing over endpoints at the origins $7.  A row whose lease ran out once is
-- taken again here; a row that lost two is left to claim_suspect.  A claim that is repeated with
-- its token, since its answer was lost, finds its own rows again.  What is too long for an address
-- or a secret is refused when it is cut, too; whole, a batch of such rows would not fit into memory.
WITH c AS MATERIALIZED (
	SELECT id
	  FROM webhook_deliveries
	 WHERE next_retry_at <= $4::timestamptz
	   AND (next_retry_at, id) > (timestamptz 'epoch' + $5::bigint * interval '1 microsecond', $6::bigint)
	   AND (lease_until IS NULL OR lease_until < (SELECT clock_timestamp()) OR claim_token = $3::uuid)
	   AND lost + (lease_until IS NOT NULL AND claim_token <> $3::uuid)::int < 2
	   AND ($7::text[] = '{}' OR (
		SELECT NOT EXISTS (SELECT 1 FROM unnest($7::text[]) AS o (origin)
		                    WHERE starts_with(lower(x.url), o.origin)
		                      AND substr(x.url, length(o.origin) + 1, 1) IN ('', '/', '?', '#'))
		  FROM app_webhooks x WHERE x.id = webhook_id))
	 ORDER BY next_retry_at, id
	 LIMIT $1::int
	   FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE webhook_deliveries d
   SET status = 'processing',
       lost = d.lost + (d.lease_until IS NOT NULL AND d.claim_token <> $3::uuid)::int,
       claim_token = $3::uuid,
       lease_until = clock_timestamp() + make_interval(secs => $2::int)
  FROM app_webhooks w
 WHERE d.id = ANY (ARRAY(SELECT id FROM c)) AND w.id = d.webhook_id
RETURNING d.id, d.webhook_id AS owner, left(w.url, 3000) AS target,
       (extract(epoch FROM d.next_retry_at) * 1000000)::bigint AS cursor_at,
       d.attempts, w.is_active, left(w.secret, 90000) AS secret,
       left(w.previous_secret, 90000) AS previous_secret,
       CASE WHEN pg_column_size(w.headers) > 16384 THEN 'too long' ELSE NULLIF(w.headers, '{}')::text END AS headers,
       COALESCE((SELECT cronward_event_body(e.event_type, e.created_at, e.payload)
                   FROM platform_events e WHERE e.id = d.event_id),
                (SELECT cronward_event_body(e.event_type, e.created_at, e.payload)
                   FROM platform_events_archive e WHERE e.id = d.event_id)) AS body;

-- name: claim_suspect
-- One row whose lease ran out twice or more, alone, for $1 seconds, under the token $2, due at $3:
-- if it is what kills the process, it takes no neighbour with it.
WITH c AS MATERIALIZED (
	SELECT id
	  FROM webhook_deliveries
	 WHERE lost > 0 AND next_retry_at <= $3::timestamptz
	   AND (lease_until IS NULL OR lease_until < (SELECT clock_timestamp()) OR claim_token = $2::uuid)
	   AND lost + (lease_until IS NOT NULL AND claim_token <> $2::uuid)::int >= 2
	 ORDER BY lost, next_retry_at, id
	 LIMIT 1
	   FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE webhook_deliveries d
   SET status = 'processing',
       lost = d.lost + (d.lease_until IS NOT NULL AND d.claim_token <> $2::uuid)::int,
       claim_token = $2::uuid,
       lease_until = clock_timestamp() + make_interval(secs => $1::int)
  FROM app_webhooks w
 WHERE d.id = ANY (ARRAY(SELECT id FROM c)) AND w.id = d.webhook_id
RETURNING d.id, d.webhook_id AS owner, left(w.url, 3000) AS target,
       (extract(epoch FROM d.next_retry_at) * 1000000)::bigint AS cursor_at,
       d.attempts, w.is_active, left(w.secret, 90000) AS secret,
       left(w.previous_secret, 90000) AS previous_secret,
       CASE WHEN pg_column_size(w.headers) > 16384 THEN 'too long' ELSE NULLIF(w.headers, '{}')::text END AS headers,
       COALESCE((SELECT cronward_event_body(e.event_type, e.created_at, e.payload)
                   FROM platform_events e WHERE e.id = d.event_id),
                (SELECT cronward_event_body(e.event_type, e.created_at, e.payload)
                   FROM platform_events_archive e WHERE e.id = d.event_id)) AS body;

-- name: bury
-- Dead-letters what was lost five times: it killed, or outlived, every process that took it.
WITH c AS MATERIALIZED (
	SELECT id
	  FROM webhook_deliveries
	 WHERE lost >= 4 AND next_retry_at <= $1::timestamptz
	   AND lost + (lease_until IS NOT NULL)::int >= 5
	   AND (lease_until IS NULL OR lease_until < (SELECT clock_timestamp()))
	 ORDER BY lost, next_retry_at, id
	 LIMIT 1000
	   FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE webhook_deliveries d
   SET status = 'failed', next_retry_at = NULL, dead_at = clock_timestamp(), lost = 5,
       lease_until = NULL, claim_token = NULL,
       last_error = 'poison: its lease ran out 5 times, the process that held it died or hung'
 WHERE d.id = ANY (ARRAY(SELECT id FROM c))
RETURNING d.id;

-- name: is_left
SELECT (SELECT id FROM webhook_deliveries
         WHERE next_retry_at <= $1::timestamptz
         ORDER BY next_retry_at, id LIMIT 1) IS NOT NULL AS is_left;

-- name: settle
-- Writes how items ended ($1 ids, $2 tokens, $3 endpoints, $4 verdicts, $5 ms to the next try,
-- $6 HTTP status, $7 errors, $8-$12 timings): row, attempt and the endpoint's health together.
-- Only rows that still carry their token change.  $13: hours of nothing but failures after which
-- an endpoint is disabled, 0 for never.  An endpoint with anything but successes is locked here,
-- so that enabling it at this moment cannot miss a row that is being parked.  What is held waits
-- the longer the older it is, up to an hour: it uses up no try, and a heap of it, all due again in
-- the next run, would be in the way of what came after.
WITH r AS MATERIALIZED (
	SELECT *
	  FROM unnest($1::bigint[], $2::uuid[], $3::uuid[], $4::text[], $5::bigint[], $6::int[], $7::text[],
	              $8::int[], $9::int[], $10::int[], $11::int[], $12::int[])
	    AS r (id, token, owner, verdict, retry_ms, status, error,
	          name_lookup_ms, connect_ms, tls_ms, first_byte_ms, total_ms)
), h AS MATERIALIZED (
	SELECT owner, bool_or(verdict = 'done') AS is_well, bool_or(verdict IN ('retry', 'dead')) AS has_failed,
	       bool_or(status IS NOT DISTINCT FROM 410) AS is_gone
	  FROM r
	    -- An end that came too late says nothing about its endpoint either.  Successes are many
	    -- and at worst forgive a failure, so they are not looked up.
	 WHERE verdict = 'done'
	    OR EXISTS (SELECT 1 FROM webhook_deliveries d WHERE d.id = r.id AND d.claim_token = r.token)
	 GROUP BY owner
), w AS (
	UPDATE app_webhooks w
	   SET (first_failure_at, is_active, disabled_at, disabled_reason) = (
		SELECT CASE WHEN h.is_well THEN NULL
		            WHEN h.has_failed THEN COALESCE(w.first_failure_at, clock_timestamp())
		            ELSE w.first_failure_at END,
		       w.is_active AND NOT is_over,
		       CASE WHEN w.is_active AND is_over THEN clock_timestamp() ELSE w.disabled_at END,
		       CASE WHEN NOT (w.is_active AND is_over) THEN w.disabled_reason
		            WHEN h.is_gone THEN 'the receiver answered 410 Gone'
		            ELSE 'nothing but failures for ' || $13::int || ' hours' END
		  FROM (SELECT h.is_gone OR (NOT h.is_well AND h.has_failed AND $13::int > 0 AND COALESCE(
				w.first_failure_at < clock_timestamp() - make_interval(hours => $13::int), false))
			AS is_over) d)
	  FROM h
	 WHERE w.id = ANY (ARRAY(SELECT owner FROM h)) AND w.id = h.owner
	   AND (NOT h.is_well OR h.is_gone OR w.first_failure_at IS NOT NULL)
	RETURNING w.id, w.is_active
), u AS (
	UPDATE webhook_deliveries d
	   SET status = CASE r.verdict WHEN 'done' THEN 'delivered' WHEN 'dead' THEN 'failed' ELSE 'pending' END,
	       next_retry_at = CASE WHEN r.verdict IN ('done', 'dead') THEN NULL
	                            WHEN r.owner = ANY (ARRAY(SELECT id FROM w WHERE NOT is_active)) THEN 'infinity'
	                            WHEN r.verdict = 'hold' THEN clock_timestamp() + GREATEST(
					r.retry_ms * interval '1 millisecond',
					(clock_timestamp() - GREATEST(LEAST(d.created_at, clock_timestamp()),
						clock_timestamp() - interval '8 hours')) / 8)
	                            ELSE clock_timestamp() + r.retry_ms * interval '1 millisecond' END,
	       attempts = d.attempts + (r.verdict NOT IN ('park', 'hold'))::int,
	       lost = 0, lease_until = NULL, claim_token = NULL,
	       last_status_code = CASE WHEN r.verdict IN ('park', 'hold') THEN d.last_status_code ELSE r.status END,
	       last_error = CASE WHEN r.verdict = 'park' THEN d.last_error ELSE r.error END,
	       delivered_at = CASE WHEN r.verdict = 'done' THEN clock_timestamp() END,
	       dead_at = CASE WHEN r.verdict = 'dead' THEN clock_timestamp() END
	  FROM r
	 WHERE d.id = ANY (ARRAY(SELECT id FROM r)) AND d.id = r.id
	   AND CASE WHEN d.claim_token = r.token THEN true ELSE false END
	RETURNING d.id, d.attempts, r.verdict, r.status, r.error,
	          r.name_lookup_ms, r.connect_ms, r.tls_ms, r.first_byte_ms, r.total_ms
), a AS (
	INSERT INTO webhook_attempts (delivery_id, attempt, status_code, error,
	                              name_lookup_ms, connect_ms, tls_ms, first_byte_ms, total_ms)
	SELECT id, attempts, status, error, name_lookup_ms, connect_ms, tls_ms, first_byte_ms, total_ms
	  FROM u WHERE verdict NOT IN ('park', 'hold')
)
SELECT count(*) FILTER (WHERE verdict = 'done') AS done,
       count(*) FILTER (WHERE verdict = 'retry') AS retry,
       count(*) FILTER (WHERE verdict = 'dead') AS dead,
       count(*) FILTER (WHERE verdict = 'park') AS park,
       count(*) FILTER (WHERE verdict = 'hold') AS hold
  FROM u;

-- name: release
-- Hands back what was claimed and not tried ($1 ids, $2 tokens): no attempt is counted.
UPDATE webhook_deliveries d
   SET status = 'pending', lease_until = NULL, claim_token = NULL
  FROM unnest($1::bigint[], $2::uuid[]) AS r (id, token)
 WHERE d.id = ANY ($1::bigint[]) AND d.id = r.id
   AND CASE WHEN d.claim_token = r.token THEN true ELSE false END;
