-- Inbound events: what moves the rows of webhook_events and of whatsapp_webhook_logs, by one text.  What
-- understands an application that writes them itself is in the triggers of migration 0015.
-- The forms are not free: see README.md in this folder before changing one.
--
-- A lane is a provider, with 1 for a priority where its rows were never tried and 0 where they were.
-- webhook and whatsapp are for the workers that try again what is due; webhook_new and whatsapp_new for those
-- that process events as they come: a minute before they are due, never tried, never lost.

-- source: webhook table=webhook_events lane=e.provider provider=d.provider type=event_type
-- source: webhook error=error_message retried=retry_count retry_at=next_retry_at also=
-- source: webhook ahead='0s'::interval kinds=(VALUES(1),(0)) lost_max=2 alone_from=2
-- source: webhook_new table=webhook_events lane=e.provider provider=d.provider type=event_type
-- source: webhook_new error=error_message retried=retry_count retry_at=next_retry_at also=
-- source: webhook_new ahead='1min'::interval kinds=(VALUES(1)) lost_max=1 alone_from=1000000000
-- source: whatsapp table=whatsapp_webhook_logs lane='whatsapp'::text provider='whatsapp'::text type=eventtype
-- source: whatsapp error=processingerror retried=retrycount retry_at=nextretryat also=processed=(x.verdict='done'),
-- source: whatsapp ahead='0s'::interval kinds=(VALUES(1),(0)) lost_max=2 alone_from=2
-- source: whatsapp_new table=whatsapp_webhook_logs lane='whatsapp'::text provider='whatsapp'::text type=eventtype
-- source: whatsapp_new error=processingerror retried=retrycount retry_at=nextretryat also=processed=(x.verdict='done'),
-- source: whatsapp_new ahead='1min'::interval kinds=(VALUES(1)) lost_max=1 alone_from=1000000000

-- name: look
-- The lanes that hold something due, those that were never tried first, in an order that changes, and
-- the time that "due" now means; of $1 providers, NULL for all.  One row of NULLs where there is none.
-- 500 providers are looked at, behind $2, NULL from the start; where that was not the last one, each row
-- has it as behind_queue; behind_priority is $3.
WITH RECURSIVE p AS (
	(SELECT {lane} AS queue, 1 AS n
	   FROM {table} e
	  WHERE e.waits_until IS NOT NULL AND {lane} >= COALESCE($2::text, '') AND {lane} IS DISTINCT FROM $2::text
	  ORDER BY {lane}, (e.attempts = 0), e.waits_until, e.id LIMIT 1)
	UNION ALL
	SELECT x.queue, p.n + 1
	  FROM p
	 CROSS JOIN LATERAL (
		SELECT {lane} AS queue
		  FROM {table} e
		 WHERE e.waits_until IS NOT NULL AND {lane} > p.queue
		 ORDER BY {lane}, (e.attempts = 0), e.waits_until, e.id LIMIT 1) x
	 WHERE p.n < 500
), l AS MATERIALIZED (
	SELECT p.queue, k.priority, f.waits_until
	  FROM p
	 CROSS JOIN {kinds} k (priority)
	 CROSS JOIN LATERAL (
		SELECT e.waits_until
		  FROM {table} e
		 WHERE e.waits_until IS NOT NULL AND {lane} = p.queue AND (e.attempts = 0) = (k.priority = 1)
		 ORDER BY e.waits_until, e.id LIMIT 1) f
	 WHERE $1::text[] IS NULL OR p.queue = ANY ($1::text[])
)
SELECT l.queue, l.priority, t.at::text AS due_at, b.queue AS behind_queue, b.priority AS behind_priority
  FROM (SELECT clock_timestamp() + {ahead} AS at) t
  LEFT JOIN (SELECT p.queue, COALESCE($3::int, 0) AS priority FROM p WHERE p.n = 500) b ON true
  LEFT JOIN l ON l.waits_until <= t.at
 ORDER BY l.priority DESC, random()
 LIMIT 1000;

-- name: claim
-- Leases up to $1 rows that were due at $4, each for its own time-out and $2 seconds more, under the
-- token $3, from the lanes $5 (providers) and $6 (priorities), behind each lane's cursor ($7 microseconds,
-- $8 id), in the order in which they are given.  Events whose handler's time-out is longer than $9 seconds
-- are left: they would not end in time.  $10: one row that was lost twice is wanted, one and no other, as
-- job_queue.sql has it.  $11 is the time-out of handlers that say none.
--
-- A body is brought where it is to be forwarded; a claim ends with the row whose body makes 4 MB of
-- them.  What was not taken for that is met again.
WITH c AS MATERIALIZED (
	(SELECT j.*, l.lane
	   FROM unnest($5::text[], $6::int[], $7::bigint[], $8::uuid[])
	        WITH ORDINALITY AS l (queue, priority, at, id, lane)
	  CROSS JOIN LATERAL (
		SELECT e.ctid AS place, e.id, e.waits_until, h.id AS handler, h.action, h.secret, h.headers, h.timeout_s,
		       CASE WHEN h.action ~* '^https?://' THEN COALESCE(octet_length(e.body), 10000) ELSE 0 END AS bytes
		  FROM {table} e
		  LEFT JOIN LATERAL cronward_event_handler({lane}, e.{type}) h ON true
		 WHERE {lane} = l.queue AND (e.attempts = 0) = (l.priority = 1)
		   AND e.waits_until <= $4::timestamptz
		   AND (e.waits_until, e.id) > (timestamptz 'epoch' + l.at * interval '1 microsecond', l.id)
		   AND (e.lease_until IS NULL OR e.lease_until < (SELECT clock_timestamp()) OR e.claim_token = $3::uuid)
		   AND e.lost + (e.lease_until IS NOT NULL AND e.claim_token IS DISTINCT FROM $3::uuid)::int < {lost_max}
		   AND COALESCE(h.timeout_s, $11::int) <= $9::int
		 ORDER BY e.waits_until, e.id
		 LIMIT $1::int
		   FOR NO KEY UPDATE OF e SKIP LOCKED) j
	  WHERE NOT (SELECT $10::boolean)
	  LIMIT $1::int)
	UNION ALL
	(SELECT j.*, 1 AS lane
	   FROM (
		SELECT e.ctid AS place, e.id, e.waits_until, h.id AS handler, h.action, h.secret, h.headers, h.timeout_s, 0 AS bytes
		  FROM {table} e
		  LEFT JOIN LATERAL cronward_event_handler({lane}, e.{type}) h ON true
		 WHERE e.lost > 0 AND e.waits_until <= $4::timestamptz
		   AND (e.lease_until IS NULL OR e.lease_until < (SELECT clock_timestamp()) OR e.claim_token = $3::uuid)
		   AND e.lost + (e.lease_until IS NOT NULL AND e.claim_token IS DISTINCT FROM $3::uuid)::int >= {alone_from}
		   AND {lane} = ANY ($5::text[])
		   AND COALESCE(h.timeout_s, $11::int) <= $9::int
		 ORDER BY e.lost, e.waits_until, e.id
		 LIMIT 1
		   FOR NO KEY UPDATE OF e SKIP LOCKED) j
	  WHERE (SELECT $10::boolean))
), m AS MATERIALIZED (
	SELECT *
	  FROM (SELECT c.*, sum(bytes) OVER (ORDER BY lane, waits_until, id) - bytes AS before FROM c) c
	 WHERE before < 4 * 1024 * 1024
)
UPDATE {table} d
   SET status = 'processing',
       lost = d.lost + (d.lease_until IS NOT NULL AND d.claim_token IS DISTINCT FROM $3::uuid)::int,
       claim_token = $3::uuid,
       lease_until = clock_timestamp() + make_interval(secs => $2::int + COALESCE(m.timeout_s, $11::int))
  FROM m
 WHERE d.ctid = ANY (ARRAY(SELECT place FROM m)) AND d.ctid = m.place
RETURNING d.id, m.lane, (date_part('epoch', m.waits_until) * 1000000)::bigint AS cursor_at,
       false AS is_parked, false AS frees, COALESCE(m.timeout_s, $11::int) AS timeout_s,
       {provider} AS provider, d.event_id, d.{type} AS type, d.attempts, d.claim_token,
       d.performed_at IS NOT NULL AS is_performed,
       m.handler, m.action, left(m.secret, 90000) AS secret,
       CASE WHEN pg_column_size(m.headers) > 16384 THEN 'too long' ELSE NULLIF(m.headers, '{}')::text END AS headers,
       CASE WHEN m.action ~* '^https?://' THEN
            CASE WHEN pg_column_size(d.headers) > 65536 THEN 'too long' ELSE NULLIF(d.headers, '{}')::text END END AS came_with,
       CASE WHEN m.action ~* '^https?://' THEN encode(d.body, 'hex') END AS body,
       CASE WHEN m.action ~* '^https?://' AND d.body IS NULL THEN d.payload END AS payload;

-- name: bury
-- Gives up on what was lost five times: it killed, or outlived, every process that took it.
WITH c AS MATERIALIZED (
	SELECT id
	  FROM {table}
	 WHERE lost >= 4 AND waits_until <= $1::timestamptz
	   AND lost + (lease_until IS NOT NULL)::int >= 5
	   AND (lease_until IS NULL OR lease_until < (SELECT clock_timestamp()))
	 ORDER BY lost, waits_until, id
	 LIMIT 1000
	   FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE {table} d
   SET status = 'failed', archived = true, waits_until = NULL, {retry_at} = NULL, lost = 5,
       lease_until = NULL, claim_token = NULL, dead_at = clock_timestamp(),
       {error} = 'poison: its lease ran out 5 times, the process that held it died or hung'
 WHERE d.id = ANY (ARRAY(SELECT id FROM c))
RETURNING d.id;

-- name: settle
-- Writes how items ended ($1 ids, $2 tokens, $3 verdicts, $4 ms to the next try, $5 errors, $6 effects).
-- Only rows that still carry their token change.  $7: retries after which an event is given up.
--
-- What was said of a row meanwhile, by the application or by its handler itself, counts: what it has set to
-- processed is done, however we heard of it; what it has set to failed is to be tried again, when it
-- says, though its handler answered that all was well; what it has archived is not tried again.
-- What has performed_at is done: its connection was lost, and its work had just been committed.  What was
-- changed since this statement began is left to the next claim.
--
-- What is held waits the longer the older it is, up to an hour; a minute more where it was never tried,
-- for whoever processes events as they come is a minute ahead.
WITH r AS MATERIALIZED (
	SELECT r.id, r.token, r.retry_ms, r.error, r.effect, r.verdict AS heard, p.*,
	       CASE WHEN r.verdict IN ('retry', 'dead', 'hold') AND (p.is_performed OR p.status = 'processed') THEN 'done'
	            WHEN r.verdict IN ('retry', 'hold') AND p.archived THEN 'dead'
	            WHEN r.verdict = 'done' AND p.status = 'failed' THEN
			CASE WHEN p.archived OR p.attempts >= $7::int THEN 'dead' ELSE 'retry' END
	            ELSE r.verdict END AS verdict
	  FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::bigint[], $5::text[], $6::text[])
	    AS r (id, token, verdict, retry_ms, error, effect)
	 CROSS JOIN LATERAL (
		SELECT status, archived IS TRUE AS archived, attempts, waits_until, created_at, performed_at IS NOT NULL AS is_performed
		  FROM {table} WHERE id = r.id) p
), x AS MATERIALIZED (
	SELECT r.*, r.heard = 'done' AND r.verdict <> 'done' AS is_theirs,
	       CASE WHEN r.verdict IN ('done', 'dead') THEN NULL
	            WHEN r.heard = 'done' THEN GREATEST(r.waits_until, clock_timestamp())
	            WHEN r.verdict = 'hold' THEN clock_timestamp() + (r.attempts = 0)::int * interval '1 minute' + GREATEST(
			r.retry_ms * interval '1 millisecond',
			(clock_timestamp() - GREATEST(LEAST(r.created_at, clock_timestamp()),
				clock_timestamp() - interval '8 hours')) / 8)
	            ELSE clock_timestamp() + r.retry_ms * interval '1 millisecond' END AS next_at
	  FROM r
), u AS (
	UPDATE {table} d
	   SET status = CASE WHEN x.verdict = 'done' THEN 'processed'
	                     WHEN x.verdict = 'hold' AND d.attempts = 0 THEN 'pending' ELSE 'failed' END,
	       {also}
	       waits_until = x.next_at,
	       {retry_at} = CASE WHEN x.verdict = 'hold' AND d.attempts = 0 THEN d.{retry_at} ELSE x.next_at END,
	       {retried} = CASE WHEN x.verdict = 'hold' THEN d.{retried} ELSE LEAST(d.attempts, 2147483646) END,
	       attempts = LEAST(d.attempts, 2147483646) + (x.verdict <> 'hold')::int,
	       lost = 0, lease_until = NULL, claim_token = NULL,
	       archived = d.archived OR x.verdict = 'dead',
	       {error} = CASE WHEN x.verdict = 'done' THEN NULL
	                      WHEN x.is_theirs AND x.verdict = 'dead' AND NOT x.archived
	                      THEN COALESCE(d.{error}, 'its handler set it to failed') || '; given up after ' || $7::int || CASE $7::int WHEN 1 THEN ' retry' ELSE ' retries' END
	                      WHEN x.is_theirs THEN d.{error}
	                      WHEN x.verdict = 'hold' THEN 'not tried: ' || x.error
	                      ELSE x.error END,
	       note = CASE WHEN x.verdict = 'done' AND x.effect = 'unhandled'
	                   THEN format('no handler for provider "%s" and type "%s"', {provider}, d.{type}) END,
	       processed_at = CASE WHEN x.verdict = 'done' THEN COALESCE(d.processed_at, clock_timestamp()) END,
	       dead_at = CASE WHEN x.verdict = 'dead' THEN clock_timestamp() END
	  FROM x
	 WHERE d.id = ANY (ARRAY(SELECT id FROM x)) AND d.id = x.id
	   AND CASE WHEN d.claim_token = x.token THEN d.status = x.status AND (d.archived IS TRUE) = x.archived
	            AND (d.performed_at IS NOT NULL) = x.is_performed ELSE false END
	RETURNING x.verdict
)
SELECT count(*) FILTER (WHERE verdict = 'done') AS done,
       count(*) FILTER (WHERE verdict = 'retry') AS retry,
       count(*) FILTER (WHERE verdict = 'dead') AS dead,
       count(*) FILTER (WHERE verdict = 'hold') AS hold
  FROM u;

-- name: release
-- Hands back what was claimed and not tried ($1 ids, $2 tokens): no attempt is counted.
UPDATE {table} d
   SET status = CASE WHEN d.status <> 'processing' THEN d.status WHEN d.attempts = 0 THEN 'pending' ELSE 'failed' END,
       lease_until = NULL, claim_token = NULL
  FROM unnest($1::uuid[], $2::uuid[]) AS r (id, token)
 WHERE d.id = ANY ($1::uuid[]) AND d.id = r.id
   AND CASE WHEN d.claim_token = r.token THEN true ELSE false END;

-- name: perform
-- $1 event, $2 claim token, $3 event_handlers.action: runs its function, on a connection of its own.
SELECT cronward_event_perform('{table}'::regclass, e.id, $2::uuid, $3::text,
	cronward_event_describe(e.id, {lane}, e.event_id, e.{type}, e.attempts, e.created_at, e.headers, e.payload, e.body))
  FROM {table} e
 WHERE e.id = $1::uuid AND e.claim_token = $2::uuid;
