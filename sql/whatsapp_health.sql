-- whatsapp-health-check: what moves the rows of whatsapp_connections.  What the application changes
-- meanwhile is seen to by the triggers of migration 0019.
--
-- Every run checks each active connection once: due is what was due when the run began, as its lock
-- says, and what has been checked is due again from then on, which is later.
-- The forms are not free: see README.md in this folder before changing one.

-- name: heal
-- At a run's start: $1 of the connections that were there before cronward came wait from now on.
WITH c AS MATERIALIZED (
	SELECT id
	  FROM whatsapp_connections
	 WHERE waits_until IS NULL AND status = 'active'
	 ORDER BY id
	 LIMIT $1::int
	   FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE whatsapp_connections d
   SET waits_until = LEAST(d.created_at, (SELECT acquired_at FROM cron_locks WHERE name = 'whatsapp-health-check'), clock_timestamp())
 WHERE d.id = ANY (ARRAY(SELECT id FROM c))
RETURNING d.id;

-- name: look
-- The priorities that hold something due, the most urgent first, and the time that "due" means: lanes of
-- the one queue that there is, whatsapp ($1 queues to serve, NULL: all).  One row of NULLs where there is
-- none.  1,000 are looked at, behind the lane $2 and $3, NULL from the start; where that was not the last
-- one, each row has it as behind_queue and behind_priority.
WITH RECURSIVE lane AS (
	(SELECT priority, waits_until, 1 AS n
	   FROM whatsapp_connections
	  WHERE waits_until IS NOT NULL AND priority > CASE WHEN $2::text IS NULL THEN -32769 ELSE $3::int END
	  ORDER BY priority, waits_until, id LIMIT 1)
	UNION ALL
	SELECT x.priority, x.waits_until, l.n + 1
	  FROM lane l
	 CROSS JOIN LATERAL (
		SELECT priority, waits_until
		  FROM whatsapp_connections
		 WHERE waits_until IS NOT NULL AND priority > l.priority
		 ORDER BY priority, waits_until, id LIMIT 1) x
	 WHERE l.n < 1000
)
SELECT CASE WHEN l.priority IS NOT NULL THEN 'whatsapp' END AS queue, l.priority, t.at::text AS due_at,
       CASE WHEN b.priority IS NOT NULL THEN 'whatsapp' END AS behind_queue, b.priority AS behind_priority
  FROM (SELECT COALESCE((SELECT acquired_at FROM cron_locks WHERE name = 'whatsapp-health-check' AND holder IS NOT NULL), clock_timestamp()) AS at) t
  LEFT JOIN lane b ON b.n = 1000
  LEFT JOIN lane l ON l.waits_until <= t.at AND ($1::text[] IS NULL OR 'whatsapp' = ANY ($1::text[]))
 ORDER BY l.priority DESC;

-- name: claim
-- Leases up to $1 connections that were due at $4, for their time-out ($11 seconds) and $2 seconds more,
-- under the token $3, from the lanes $5 and $6 (priorities), behind each lane's cursor ($7 microseconds,
-- $8 id); none where the time-out is longer than $9 seconds, for it would not end in time, nor where
-- Meta is not to be asked any more ($12 is false).  $10 asks for one that was lost twice, and no other.
WITH c AS MATERIALIZED (
	(SELECT j.*, l.lane
	   FROM unnest($5::text[], $6::int[], $7::bigint[], $8::uuid[])
	        WITH ORDINALITY AS l (queue, priority, at, id, lane)
	  CROSS JOIN LATERAL (
		SELECT id, waits_until
		  FROM whatsapp_connections
		 WHERE priority = l.priority::smallint
		   AND waits_until <= $4::timestamptz
		   AND (waits_until, id) > (timestamptz 'epoch' + l.at * interval '1 microsecond', l.id)
		   AND (lease_until IS NULL OR lease_until < (SELECT clock_timestamp()) OR claim_token = $3::uuid)
		   AND LEAST(lost, 1000) + (lease_until IS NOT NULL AND claim_token IS DISTINCT FROM $3::uuid)::int < 2
		   AND status = 'active'
		   AND (SELECT $11::int <= $9::int AND $12::boolean)
		 ORDER BY waits_until, id
		 LIMIT $1::int
		   FOR NO KEY UPDATE SKIP LOCKED) j
	  WHERE NOT (SELECT $10::boolean)
	  LIMIT $1::int)
	UNION ALL
	(SELECT j.*, 1 AS lane
	   FROM (
		SELECT id, waits_until
		  FROM whatsapp_connections
		 WHERE lost > 0 AND waits_until <= $4::timestamptz
		   AND (lease_until IS NULL OR lease_until < (SELECT clock_timestamp()) OR claim_token = $3::uuid)
		   AND LEAST(lost, 1000) + (lease_until IS NOT NULL AND claim_token IS DISTINCT FROM $3::uuid)::int >= 2
		   AND status = 'active'
		   AND (SELECT $11::int <= $9::int AND $12::boolean)
		 ORDER BY lost, waits_until, id
		 LIMIT 1
		   FOR NO KEY UPDATE SKIP LOCKED) j
	  WHERE (SELECT $10::boolean))
)
UPDATE whatsapp_connections d
   SET lost = LEAST(d.lost, 1000) + (d.lease_until IS NOT NULL AND d.claim_token IS DISTINCT FROM $3::uuid)::int,
       claim_token = $3::uuid,
       lease_until = clock_timestamp() + make_interval(secs => $2::int + $11::int)
  FROM c
 WHERE d.id = ANY (ARRAY(SELECT id FROM c)) AND d.id = c.id
RETURNING d.id, c.lane, (date_part('epoch', c.waits_until) * 1000000)::bigint AS cursor_at,
       false AS is_parked, false AS frees, $11::int AS timeout_s,
       left(d.wabaid, 100) AS wabaid, left(d.phonenumberid, 100) AS phonenumberid,
       (SELECT left(g.accesstoken, 90000) FROM whatsapp_configs g WHERE g.connection_id = d.id AND g.accesstoken <> '' LIMIT 1) AS token;

-- name: bury
-- What was lost five times killed, or outlived, every process that took it: it is left alone for a day.
WITH c AS MATERIALIZED (
	SELECT id
	  FROM whatsapp_connections
	 WHERE lost >= 4 AND waits_until <= $1::timestamptz
	   AND LEAST(lost, 1000) + (lease_until IS NOT NULL)::int >= 5
	   AND (lease_until IS NULL OR lease_until < (SELECT clock_timestamp()))
	 ORDER BY lost, waits_until, id
	 LIMIT 1000
	   FOR NO KEY UPDATE SKIP LOCKED
), u AS (
	UPDATE whatsapp_connections d
	   SET waits_until = clock_timestamp() + interval '1 day', lost = 0, lease_until = NULL, claim_token = NULL,
	       attempts = LEAST(d.attempts, 2147483646) + 1
	 WHERE d.id = ANY (ARRAY(SELECT id FROM c))
	RETURNING d.id
), h AS (
	INSERT INTO whatsapp_health (connection_id, status, errorcode, errormessage)
	SELECT id, 'unknown', 'poison', 'poison: its lease ran out 5 times, the process that held it died or hung; again in a day' FROM u
)
SELECT id FROM u;

-- name: settle
-- Writes how checks ended ($1 ids, $2 tokens, $3 verdicts, $4 ms for which Meta is to be left alone about
-- them, $5 errors, $6 results), and a row of each.  A result is {"status", "latency", "code", "subcode"};
-- what found out nothing leaves the connection's health as it was.
WITH r AS MATERIALIZED (
	SELECT r.id, r.token, r.verdict, r.retry_ms, r.error, x.latency, x.code, x.subcode,
	       CASE WHEN r.verdict = 'done' THEN x.status ELSE 'unknown' END AS status
	  FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::bigint[], $5::text[], $6::text[]) AS r (id, token, verdict, retry_ms, error, result)
	 CROSS JOIN LATERAL jsonb_to_record(COALESCE(r.result, '{}')::jsonb) AS x (status text, latency int, code text, subcode int)
), u AS (
	UPDATE whatsapp_connections d
	   SET healthstatus = CASE WHEN r.verdict = 'done' THEN r.status ELSE d.healthstatus END,
	       lasthealthcheckat = CASE WHEN r.verdict = 'done' THEN clock_timestamp() ELSE d.lasthealthcheckat END,
	       attempts = CASE r.verdict WHEN 'done' THEN 0 WHEN 'retry' THEN LEAST(d.attempts, 2147483646) + 1 ELSE d.attempts END,
	       waits_until = clock_timestamp() + COALESCE(r.retry_ms, 0) * interval '1 millisecond',
	       lost = 0, lease_until = NULL, claim_token = NULL
	  FROM r
	 WHERE d.id = ANY ($1::uuid[]) AND d.id = r.id
	   AND CASE WHEN d.claim_token = r.token THEN true ELSE false END
	RETURNING d.id, r.verdict, r.status, r.latency, r.code, r.subcode, r.error
), h AS (
	INSERT INTO whatsapp_health (connection_id, status, lastcheck, latencyms, errorcode, errorsubcode, errormessage)
	SELECT id, status, clock_timestamp(), latency, code, subcode, error FROM u
)
SELECT count(*) FILTER (WHERE verdict = 'done') AS done,
       count(*) FILTER (WHERE verdict = 'retry') AS retry,
       count(*) FILTER (WHERE verdict = 'dead') AS dead,
       count(*) FILTER (WHERE verdict = 'park') AS park,
       count(*) FILTER (WHERE verdict = 'hold') AS hold,
       count(*) AS checked,
       count(*) FILTER (WHERE status = 'healthy') AS healthy,
       count(*) FILTER (WHERE status = 'warning') AS warnings,
       count(*) FILTER (WHERE status = 'error') AS errors,
       count(*) FILTER (WHERE status = 'unknown') AS unknown
  FROM u;

-- name: release
-- Hands back what was claimed and not tried ($1 ids, $2 tokens): nothing is counted.
UPDATE whatsapp_connections d
   SET lease_until = NULL, claim_token = NULL
  FROM unnest($1::uuid[], $2::uuid[]) AS r (id, token)
 WHERE d.id = ANY ($1::uuid[]) AND d.id = r.id
   AND CASE WHEN d.claim_token = r.token THEN true ELSE false END;
