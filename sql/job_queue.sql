-- job-queue: what moves the rows of jobs.  What keeps them when others write is in the functions
-- and triggers of migrations 0009, 0012 and 0014: slots are freed and dependents go on by trigger,
-- whatever ends a job.
-- The forms are not free: see README.md in this folder before changing one.

-- name: look
-- The lanes (queue and priority) that hold something due, the most urgent first, those of one
-- priority in an order that changes, and the time that "due" now means; of $1 queues, NULL for all
-- that are not paused.  One row of NULLs where there is none.
-- 20,000 lanes are looked at, behind the lane $2 (queue) and $3 (priority), NULL from the start; where
-- that was not the last one, each row has it as behind_queue and behind_priority.
WITH lane AS MATERIALIZED (
	SELECT queue, priority, waits_until, n FROM cronward_job_lanes(20000, $2::text, $3::int)
)
SELECT l.queue, l.priority, t.at::text AS due_at, b.queue AS behind_queue, b.priority AS behind_priority
  FROM (SELECT clock_timestamp() AS at) t
  LEFT JOIN lane b ON b.n = 20000
  LEFT JOIN lane l
    ON l.waits_until <= t.at
   AND ($1::text[] IS NULL OR l.queue = ANY ($1::text[]))
   AND NOT EXISTS (SELECT 1 FROM job_queues q WHERE q.name = l.queue AND q.paused)
 ORDER BY l.priority DESC, random()
 LIMIT 1000;

-- name: claim
-- Leases up to $1 rows that were due at $4, each for its own time-out and $2 seconds more, under
-- the token $3, from the lanes $5 (queues) and $6 (priorities), behind each lane's cursor ($7
-- microseconds, $8 id).  The lanes are walked in the order in which they are given, and no further
-- than the limit.  Jobs whose time-out is longer than $9 seconds are left: they would not end in
-- time.  $11 is the time-out of jobs that say none, $12 those of their types, $13 the types whose
-- processors need the context of an enrichment.
--
-- A row whose lease ran out once is taken again here, with the slot of its key that it still has; a
-- row that lost two is taken where $10 says so, of the same queues, one and no other: if it is what
-- kills the process, it takes no neighbour with it.  A claim that is repeated with its token, since
-- its answer was lost, finds its own rows again.  $10 is asked for in a subselect: of a branch that
-- the planner knows to be dead PostgreSQL still checks the privileges of the policies that it left out.
--
-- Jobs with a key take the lowest free slots in the order of the line (k, f, t).  A job that finds
-- all slots below its limit taken is put aside, and comes back when one of them is freed: the slots
-- that it saw are locked (h), so that none can be freed unseen while it is on its way into the
-- line.  One that lost a race for a slot stays as it was, and is met again.  A claim that takes slots
-- commits for sure (y): were it lost in a crash of the server, others would take the slots of what is
-- under way still.
WITH c AS MATERIALIZED (
	(SELECT j.*, l.lane
	   FROM unnest($5::text[], $6::int[], $7::bigint[], $8::uuid[])
	        WITH ORDINALITY AS l (queue, priority, at, id, lane)
	  CROSS JOIN LATERAL (
		SELECT ctid AS place, id, waits_until, concurrency_key, concurrency_limit
		  FROM jobs
		 WHERE queue = l.queue AND priority = l.priority::smallint
		   AND waits_until <= $4::timestamptz
		   AND (waits_until, id) > (timestamptz 'epoch' + l.at * interval '1 microsecond', l.id)
		   AND (lease_until IS NULL OR lease_until < (SELECT clock_timestamp()) OR claim_token = $3::uuid)
		   AND lost + (lease_until IS NOT NULL AND claim_token IS DISTINCT FROM $3::uuid AND NOT awaits_callback)::int < 2
		   AND COALESCE(timeout_s, ($12::jsonb ->> job_type)::int, $11::int) <= $9::int
		 ORDER BY waits_until, id
		 LIMIT $1::int
		   FOR NO KEY UPDATE SKIP LOCKED) j
	  WHERE NOT (SELECT $10::boolean)
	  LIMIT $1::int)
	UNION ALL
	(SELECT j.*, 1 AS lane
	   FROM (
		SELECT ctid AS place, id, waits_until, concurrency_key, concurrency_limit
		  FROM jobs
		 WHERE lost > 0 AND waits_until <= $4::timestamptz
		   AND (lease_until IS NULL OR lease_until < (SELECT clock_timestamp()) OR claim_token = $3::uuid)
		   AND lost + (lease_until IS NOT NULL AND claim_token IS DISTINCT FROM $3::uuid AND NOT awaits_callback)::int >= 2
		   AND queue = ANY ($5::text[])
		   AND COALESCE(timeout_s, ($12::jsonb ->> job_type)::int, $11::int) <= $9::int
		 ORDER BY lost, waits_until, id
		 LIMIT 1
		   FOR NO KEY UPDATE SKIP LOCKED) j
	  WHERE (SELECT $10::boolean))
), k AS MATERIALIZED (
	SELECT id, concurrency_key, concurrency_limit,
	       row_number() OVER (PARTITION BY concurrency_key ORDER BY lane, waits_until, id) AS turn
	  FROM c
	 WHERE concurrency_key IS NOT NULL AND NOT EXISTS (SELECT 1 FROM job_slots s WHERE s.job_id = c.id)
), f AS MATERIALIZED (
	SELECT w.concurrency_key, g.slot, row_number() OVER (PARTITION BY w.concurrency_key ORDER BY g.slot) AS turn
	  FROM (SELECT concurrency_key, max(concurrency_limit) AS most, count(*) AS jobs FROM k GROUP BY concurrency_key) w
	 CROSS JOIN LATERAL (
		SELECT n AS slot
		  FROM generate_series(1, w.most) n
		 WHERE NOT EXISTS (SELECT 1 FROM job_slots s WHERE s.concurrency_key = w.concurrency_key AND s.slot = n)
		 LIMIT w.jobs) g
), t AS (
	INSERT INTO job_slots (concurrency_key, slot, job_id)
	SELECT k.concurrency_key, f.slot, k.id
	  FROM k JOIN f ON f.concurrency_key = k.concurrency_key AND f.turn = k.turn AND f.slot <= k.concurrency_limit
	 ORDER BY k.concurrency_key, f.slot
	    ON CONFLICT DO NOTHING
	RETURNING concurrency_key, slot, job_id
), y AS MATERIALIZED (
	SELECT set_config('synchronous_commit', 'on', true) FROM t LIMIT 1
), h AS MATERIALIZED (
	SELECT concurrency_key, slot
	  FROM job_slots
	 WHERE concurrency_key = ANY (ARRAY(SELECT concurrency_key FROM k))
	   FOR KEY SHARE SKIP LOCKED
), p AS MATERIALIZED (
	SELECT n.concurrency_key, n.concurrency_limit
	  FROM (SELECT DISTINCT concurrency_key, concurrency_limit FROM k) n
	 WHERE n.concurrency_limit <= (
		SELECT count(*)
		  FROM (SELECT concurrency_key, slot FROM h UNION ALL SELECT concurrency_key, slot FROM t) s
		 WHERE s.concurrency_key = n.concurrency_key AND s.slot <= n.concurrency_limit)
), m AS MATERIALIZED (
	SELECT place, lane, waits_until,
	       CASE WHEN concurrency_key IS NULL THEN false
	            WHEN NOT id IN (SELECT id FROM k) THEN false
	            WHEN id IN (SELECT job_id FROM t) AND (SELECT count(*) FROM y) > 0 THEN false
	            WHEN (concurrency_key, concurrency_limit) IN (SELECT concurrency_key, concurrency_limit FROM p) THEN true
	            END AS is_parked
	  FROM c
)
UPDATE jobs d
   SET status = CASE WHEN m.is_parked THEN 'pending' ELSE 'processing' END,
       waits_until = CASE WHEN m.is_parked THEN 'infinity' ELSE d.waits_until END,
       lost = d.lost + (d.lease_until IS NOT NULL AND d.claim_token IS DISTINCT FROM $3::uuid AND NOT d.awaits_callback)::int,
       claim_token = CASE WHEN NOT m.is_parked THEN $3::uuid END,
       lease_until = CASE WHEN NOT m.is_parked THEN clock_timestamp() + make_interval(secs =>
			$2::int + COALESCE(d.timeout_s, ($12::jsonb ->> d.job_type)::int, $11::int)) END,
       started_at = CASE WHEN m.is_parked THEN d.started_at ELSE clock_timestamp() END,
       updated_at = clock_timestamp()
  FROM m
 WHERE d.ctid = ANY (ARRAY(SELECT place FROM m)) AND d.ctid = m.place AND m.is_parked IS NOT NULL
RETURNING d.id, m.lane, (date_part('epoch', m.waits_until) * 1000000)::bigint AS cursor_at, m.is_parked,
       d.is_awaited OR d.concurrency_key IS NOT NULL AS frees,
       COALESCE(d.timeout_s, ($12::jsonb ->> d.job_type)::int, $11::int) AS timeout_s,
       d.job_type, d.workspace_id, d.queue, d.payload, d.attempts, d.max_attempts,
       trunc(date_part('epoch', d.run_at) * 1000) AS run_at,
       trunc(date_part('epoch', d.created_at) * 1000) AS created_at,
       d.claim_token, d.awaits_callback, d.performed_at IS NOT NULL AS is_performed,
       d.cancel_requested_at IS NOT NULL AS is_cancelled,
       CASE WHEN d.job_type = ANY ($13::text[]) AND NOT m.is_parked
            THEN cronward_enrichment_context(d.job_type, d.workspace_id, d.payload) END AS context;

-- name: bury
-- Dead-letters what was lost five times: it killed, or outlived, every process that took it.
WITH c AS MATERIALIZED (
	SELECT id
	  FROM jobs
	 WHERE lost >= 4 AND waits_until <= $1::timestamptz
	   AND lost + (lease_until IS NOT NULL AND NOT awaits_callback)::int >= 5
	   AND (lease_until IS NULL OR lease_until < (SELECT clock_timestamp()))
	 ORDER BY lost, waits_until, id
	 LIMIT 1000
	   FOR NO KEY UPDATE SKIP LOCKED
), w AS MATERIALIZED (
	SELECT EXISTS (SELECT 1 FROM app_webhooks WHERE events = '{}' OR events && '{job.failed,job.*}') AS failed
), u AS (
	UPDATE jobs d
	   SET status = 'failed', waits_until = NULL, lost = 5, lease_until = NULL, claim_token = NULL,
	       awaits_callback = false,
	       completed_at = clock_timestamp(), dead_at = clock_timestamp(), updated_at = clock_timestamp(),
	       error_message = 'poison: its lease ran out 5 times, the process that held it died or hung'
	 WHERE d.id = ANY (ARRAY(SELECT id FROM c))
	RETURNING d.id, d.error_message, CASE WHEN (SELECT failed FROM w) THEN cronward_job_event(d) END AS event
), l AS (
	INSERT INTO job_logs (job_id, level, message)
	SELECT id, 'error', 'failed for good: ' || error_message FROM u
), e AS (
	INSERT INTO platform_events (event_type, payload)
	SELECT 'job.failed', event FROM u WHERE event IS NOT NULL
)
SELECT id FROM u;

-- name: heal
-- At a run's start: what nothing should have left behind.  Slots whose job is not leased are freed,
-- and with them, by trigger, the next in line; and of lines in front of free slots as many as fit
-- in come back.  20,000 keys with a line are looked at.
WITH RECURSIVE line AS (
	(SELECT concurrency_key, concurrency_limit, 1 AS n
	   FROM jobs
	  WHERE concurrency_key IS NOT NULL AND waits_until = 'infinity' AND open_dependencies = 0
	  ORDER BY concurrency_key, priority DESC, run_at, id LIMIT 1)
	UNION ALL
	SELECT x.concurrency_key, x.concurrency_limit, l.n + 1
	  FROM line l
	 CROSS JOIN LATERAL (
		SELECT concurrency_key, concurrency_limit
		  FROM jobs
		 WHERE concurrency_key > l.concurrency_key AND waits_until = 'infinity' AND open_dependencies = 0
		 ORDER BY concurrency_key, priority DESC, run_at, id LIMIT 1) x
	 WHERE l.n < 20000
), f AS MATERIALIZED (
	SELECT j.id
	  FROM (SELECT concurrency_key, concurrency_limit - (
			SELECT count(*) FROM job_slots s
			 WHERE s.concurrency_key = l.concurrency_key AND s.slot <= l.concurrency_limit) AS places
	          FROM line l) l
	 CROSS JOIN LATERAL (
		SELECT id
		  FROM jobs
		 WHERE concurrency_key = l.concurrency_key AND waits_until = 'infinity' AND open_dependencies = 0
		 ORDER BY concurrency_key, priority DESC, run_at, id
		 LIMIT l.places
		   FOR NO KEY UPDATE SKIP LOCKED) j
	 WHERE l.places > 0
), o AS MATERIALIZED (
	SELECT ctid
	  FROM job_slots s
	 WHERE (SELECT j.lease_until FROM jobs j WHERE j.id = s.job_id) IS NULL
	 ORDER BY concurrency_key, slot
	 LIMIT 20000
	   FOR UPDATE SKIP LOCKED
), d AS (
	DELETE FROM job_slots WHERE ctid = ANY (ARRAY(SELECT ctid FROM o)) RETURNING job_id
), u AS (
	UPDATE jobs d
	   SET waits_until = run_at, updated_at = clock_timestamp()
	 WHERE d.id = ANY (ARRAY(SELECT id FROM f))
	RETURNING d.id
)
SELECT (SELECT count(*) FROM d) AS slots, (SELECT count(*) FROM u) AS jobs;

-- name: settle
-- Writes how items ended ($1 ids, $2 tokens, $3 verdicts, $4 ms to the next try, $5 HTTP status, $6
-- errors, $7 stacks, $8 results, $9 effects and $10 their subjects, $11 ms that it took): row, log
-- line, what the result is written to besides, and the event where an endpoint wants it, together.
-- Only rows that still carry their token change.  $12: seconds within which who answered 202 is to
-- call back.  What is held waits the longer the older it is, up to an hour, as webhook_retry has
-- it; what was to be cancelled while it ran and has to be tried again is due at once, for the
-- claim that then finds the mark.
-- What has performed_at is done, whatever was heard of it: its connection was lost or it was to be
-- stopped, and its work had just been committed.  Committed only since this statement began, it is
-- left alone, and the next claim completes it.
WITH r AS MATERIALIZED (
	SELECT id, token, retry_ms, http, error, stack, result, effect, subject, took_ms,
	       CASE WHEN verdict IN ('retry', 'dead', 'cancel') AND EXISTS (
			SELECT 1 FROM jobs p WHERE p.id = r.id AND p.performed_at IS NOT NULL) THEN 'done' ELSE verdict END AS verdict
	  FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::bigint[], $5::int[], $6::text[], $7::text[],
	              $8::text[], $9::text[], $10::uuid[], $11::int[])
	    AS r (id, token, verdict, retry_ms, http, error, stack, result, effect, subject, took_ms)
), w AS MATERIALIZED (
	SELECT EXISTS (SELECT 1 FROM app_webhooks WHERE events = '{}' OR events && '{job.completed,job.*}') AS completed,
	       EXISTS (SELECT 1 FROM app_webhooks WHERE events = '{}' OR events && '{job.failed,job.*}') AS failed
), u AS (
	UPDATE jobs d
	   SET status = CASE r.verdict WHEN 'done' THEN 'completed' WHEN 'dead' THEN 'failed' WHEN 'refuse' THEN 'failed'
	                WHEN 'cancel' THEN 'cancelled' WHEN 'await' THEN 'processing' ELSE 'pending' END,
	       waits_until = CASE WHEN r.verdict IN ('done', 'dead', 'refuse', 'cancel') THEN NULL
	                          WHEN r.verdict = 'await' THEN clock_timestamp() + $12::int * interval '1 second'
	                          WHEN d.cancel_requested_at IS NOT NULL THEN clock_timestamp()
	                          WHEN r.verdict = 'park' THEN 'infinity'
	                          WHEN r.verdict = 'hold' THEN clock_timestamp() + GREATEST(
					r.retry_ms * interval '1 millisecond',
					(clock_timestamp() - GREATEST(LEAST(d.created_at, clock_timestamp()),
						clock_timestamp() - interval '8 hours')) / 8)
	                          ELSE clock_timestamp() + r.retry_ms * interval '1 millisecond' END,
	       lease_until = CASE WHEN r.verdict = 'await' THEN clock_timestamp() + $12::int * interval '1 second' END,
	       claim_token = CASE WHEN r.verdict = 'await' THEN d.claim_token END,
	       awaits_callback = r.verdict = 'await',
	       attempts = LEAST(d.attempts, 2147483646) + (r.verdict IN ('done', 'retry', 'dead'))::int,
	       lost = 0,
	       progress = CASE WHEN r.verdict = 'done' THEN 100 ELSE d.progress END,
	       result = CASE WHEN r.verdict = 'done' THEN COALESCE(r.result::jsonb, d.result) ELSE d.result END,
	       error_message = CASE WHEN r.verdict = 'done' THEN NULL ELSE COALESCE(r.error, d.error_message) END,
	       error_stack = CASE WHEN r.verdict IN ('retry', 'dead', 'refuse') THEN r.stack
	                          WHEN r.verdict <> 'done' THEN d.error_stack END,
	       completed_at = CASE WHEN r.verdict IN ('done', 'dead', 'refuse', 'cancel') THEN clock_timestamp() END,
	       dead_at = CASE WHEN r.verdict IN ('dead', 'refuse') THEN clock_timestamp() END,
	       updated_at = clock_timestamp()
	  FROM r
	 WHERE d.id = ANY (ARRAY(SELECT id FROM r)) AND d.id = r.id
	   AND CASE WHEN d.claim_token = r.token THEN r.verdict <> 'await' OR NOT d.awaits_callback ELSE false END
	   AND (d.performed_at IS NULL OR r.verdict NOT IN ('retry', 'dead', 'cancel'))
	RETURNING d.id, r.verdict, r.effect, r.subject,
	       CASE WHEN r.verdict IN ('done', 'cancel', 'await') THEN 'info'
	            WHEN r.verdict IN ('retry', 'hold') THEN 'warn' ELSE 'error' END AS level,
	       CASE r.verdict
	            WHEN 'done' THEN 'completed' || COALESCE(' in ' || r.took_ms || ' ms', '')
			|| ', try ' || d.attempts || ' of ' || d.max_attempts
	            WHEN 'retry' THEN COALESCE(r.error, 'failed') || CASE WHEN d.cancel_requested_at IS NULL
			THEN '; next try in ' || (r.retry_ms + 500) / 1000 || ' s' ELSE '; it is to be cancelled' END
	            WHEN 'hold' THEN 'not tried: ' || COALESCE(r.error, 'it is our fault')
	            WHEN 'await' THEN 'accepted; a call back is due within ' || $12::int || ' s'
	            WHEN 'cancel' THEN 'cancelled' || COALESCE(' after ' || r.took_ms || ' ms', '')
	            WHEN 'park' THEN NULL
	            ELSE 'failed for good: ' || COALESCE(r.error, 'no reason was given') END AS message,
	       CASE WHEN r.verdict <> 'done' THEN jsonb_strip_nulls(jsonb_build_object(
			'try', d.attempts + (r.verdict = 'await' OR r.verdict = 'cancel' AND r.took_ms IS NOT NULL)::int, 'http_status', r.http, 'took_ms', r.took_ms)) END AS data,
	       CASE WHEN r.verdict = 'done' THEN CASE WHEN (SELECT completed FROM w) THEN cronward_job_event(d) END
	            WHEN r.verdict IN ('dead', 'refuse') AND (SELECT failed FROM w) THEN cronward_job_event(d) END AS event
), l AS (
	INSERT INTO job_logs (job_id, level, message, data)
	SELECT id, level, message, data FROM u WHERE message IS NOT NULL
), e AS (
	INSERT INTO platform_events (event_type, payload)
	SELECT CASE verdict WHEN 'done' THEN 'job.completed' ELSE 'job.failed' END, event FROM u WHERE event IS NOT NULL
), a AS (
	UPDATE accounts a
	   SET enrichment = r.result::jsonb, enriched_at = clock_timestamp()
	  FROM r
	 WHERE a.id = ANY (ARRAY(SELECT subject FROM u WHERE verdict = 'done' AND effect = 'account'))
	   AND a.id = r.subject AND r.id = ANY (ARRAY(SELECT id FROM u WHERE verdict = 'done' AND effect = 'account'))
), b AS (
	UPDATE contacts a
	   SET enrichment = r.result::jsonb, enriched_at = clock_timestamp()
	  FROM r
	 WHERE a.id = ANY (ARRAY(SELECT subject FROM u WHERE verdict = 'done' AND effect = 'contact'))
	   AND a.id = r.subject AND r.id = ANY (ARRAY(SELECT id FROM u WHERE verdict = 'done' AND effect = 'contact'))
)
SELECT count(*) FILTER (WHERE verdict = 'done') AS done,
       count(*) FILTER (WHERE verdict = 'retry') AS retry,
       count(*) FILTER (WHERE verdict = 'dead') AS dead,
       count(*) FILTER (WHERE verdict = 'refuse') AS refuse,
       count(*) FILTER (WHERE verdict = 'park') AS park,
       count(*) FILTER (WHERE verdict = 'hold') AS hold,
       count(*) FILTER (WHERE verdict = 'await') AS await,
       count(*) FILTER (WHERE verdict = 'cancel') AS cancel
  FROM u;

-- name: release
-- Hands back what was claimed and not tried ($1 ids, $2 tokens): no attempt is counted.
UPDATE jobs d
   SET status = 'pending', lease_until = NULL, claim_token = NULL, updated_at = clock_timestamp()
  FROM unnest($1::uuid[], $2::uuid[]) AS r (id, token)
 WHERE d.id = ANY ($1::uuid[]) AND d.id = r.id
   AND CASE WHEN d.claim_token = r.token THEN true ELSE false END;

-- name: note
-- What tries have to say while they are under way ($1 ids, $2 tokens, $3 levels, $4 messages, $5
-- data, $6 percent), in the order of the arrays; a message of NULL is progress alone.
WITH r AS MATERIALIZED (
	SELECT r.*
	  FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::int[])
	       WITH ORDINALITY AS r (id, token, level, message, data, progress, n)
	 WHERE EXISTS (SELECT 1 FROM jobs d WHERE d.id = r.id AND d.claim_token = r.token)
), p AS MATERIALIZED (
	SELECT DISTINCT ON (id) id, token, progress FROM r WHERE progress IS NOT NULL ORDER BY id, n DESC
), u AS (
	UPDATE jobs d
	   SET progress = p.progress, updated_at = clock_timestamp()
	  FROM p
	 WHERE d.id = ANY (ARRAY(SELECT id FROM p)) AND d.id = p.id
	   AND CASE WHEN d.claim_token = p.token THEN true ELSE false END
)
INSERT INTO job_logs (job_id, level, message, data)
SELECT id, COALESCE(level, 'info'), message, data::jsonb FROM r WHERE message IS NOT NULL ORDER BY n;

-- name: cancelled
-- Those of $1 (with tokens $2), under way, that are to be stopped.
SELECT d.id
  FROM jobs d
 WHERE d.id = ANY ($1::uuid[]) AND d.claim_token = ANY ($2::uuid[]) AND d.cancel_requested_at IS NOT NULL;

-- name: types
-- What carries out which type; the time-out of its defaults where they say a possible one.
SELECT job_type, processor, target, left(secret, 90000) AS secret, NULLIF(headers, '{}')::text AS headers,
       CASE WHEN defaults ->> 'timeout_s' ~ '^[0-9]{1,4}$' THEN (defaults ->> 'timeout_s')::int END AS timeout_s
  FROM job_types
 ORDER BY job_type;

-- name: limits
-- Keeps the budget of a run ($1 seconds) where enqueueing can see it; writes only what is new.
INSERT INTO job_limits (run_budget_s)
SELECT $1::int WHERE NOT EXISTS (SELECT 1 FROM job_limits WHERE run_budget_s = $1::int)
    ON CONFLICT (is_only) DO UPDATE SET run_budget_s = EXCLUDED.run_budget_s;
