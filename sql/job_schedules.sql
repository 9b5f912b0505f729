-- Recurring jobs: which schedules are due, and making their jobs.  What slots are due is computed in
-- between, by src/workers/job_schedules.c.

-- name: due
-- ($1 limit, $2 cursor at, $3 cursor name): schedules behind the cursor whose next slot has come, or
-- is not known.  Nothing is locked: what enqueues looks again.  An infinite since_at has no seconds, and
-- one row that cannot be read would stop all.
SELECT s.name, s.cron, s.time_zone, s.missed, s.missed_max, s.next_at::text AS next_at, s.since_at::text AS since_at,
       COALESCE(s.next_at, '-infinity')::text AS cursor_at,
       CASE WHEN isfinite(s.next_at) THEN ceil(extract(epoch FROM s.next_at))::bigint
            ELSE floor(extract(epoch FROM GREATEST(LEAST(s.since_at, '9999-12-31'), 'epoch')))::bigint + 1 END AS from_s,
       floor(extract(epoch FROM clock_timestamp()))::bigint AS now_s,
       t.job_type IS NULL AS is_unknown, s.job_type
  FROM job_schedules s
  LEFT JOIN job_types t ON t.job_type = s.job_type
 WHERE s.is_active
   AND COALESCE(s.next_at, '-infinity'::timestamptz) <= (SELECT clock_timestamp())
   AND (COALESCE(s.next_at, '-infinity'::timestamptz), s.name) > ($2::timestamptz, $3::text)
 ORDER BY COALESCE(s.next_at, '-infinity'::timestamptz), s.name
 LIMIT $1::int;

-- name: enqueue
-- ($1 names, $2 next_at and $3 since_at as they were read, $4 the next slots in s: NULL, as it was;
-- -1: none comes, $5 errors; $6 of which of these and $7 for when, in s, a job is due).  A schedule
-- that is not as it was read, or that somebody has in hand, is left alone, its jobs and all; so of
-- two that read the same one, one makes its jobs.
WITH r AS MATERIALIZED (
	SELECT * FROM unnest($1::text[], $2::timestamptz[], $3::timestamptz[], $4::bigint[], $5::text[])
		WITH ORDINALITY AS r(name, was_at, since_at, next_s, error, n)
), l AS MATERIALIZED (
	SELECT r.n, r.next_s, r.error, s.*
	  FROM job_schedules s JOIN r ON s.name = r.name
	 WHERE s.name = ANY ($1::text[]) AND s.is_active
	   AND s.since_at = r.since_at AND s.next_at IS NOT DISTINCT FROM r.was_at
	   AND (r.next_s IS NOT NULL OR s.last_error IS DISTINCT FROM r.error)
	   FOR NO KEY UPDATE OF s SKIP LOCKED
), made AS (
	INSERT INTO jobs (workspace_id, job_type, payload, queue, priority, max_attempts, timeout_s, unique_key,
	                  concurrency_key, concurrency_limit, run_at, schedule, slot)
	SELECT l.workspace_id, l.job_type,
	       replace(replace(replace(l.payload::text, '{{slot_unix}}', d.slot_s::text),
	                       '{{slot}}', to_char(to_timestamp(d.slot_s) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')),
	               '{{name}}', substr(to_json(l.name)::text, 2, length(to_json(l.name)::text) - 2))::jsonb,
	       COALESCE(l.queue, t.defaults ->> 'queue', 'default'),
	       COALESCE(l.priority, cronward_job_priority(t.defaults ->> 'priority'), 0),
	       COALESCE(l.max_attempts, (t.defaults ->> 'max_attempts')::int, 5),
	       l.timeout_s, l.unique_key, l.concurrency_key, l.concurrency_limit,
	       to_timestamp(d.slot_s), l.name, to_timestamp(d.slot_s)
	  FROM unnest($6::int[], $7::bigint[]) AS d(n, slot_s)
	  JOIN l ON l.n = d.n
	  LEFT JOIN job_types t ON t.job_type = l.job_type
	 ORDER BY d.slot_s, d.n
	    ON CONFLICT DO NOTHING
	RETURNING id, schedule, slot
), last AS (
	SELECT DISTINCT ON (schedule) schedule, slot, id FROM made ORDER BY schedule, slot DESC
), moved AS (
	UPDATE job_schedules s
	   SET next_at = CASE WHEN l.next_s IS NULL THEN s.next_at WHEN l.next_s < 0 THEN 'infinity' ELSE to_timestamp(l.next_s) END,
	       last_slot_at = COALESCE(last.slot, s.last_slot_at),
	       last_job_id = COALESCE(last.id, s.last_job_id),
	       last_error = l.error
	  FROM l LEFT JOIN last ON last.schedule = l.name
	 WHERE s.name = l.name AND s.name = ANY ($1::text[])
	RETURNING 1
)
SELECT (SELECT count(*) FROM made) AS made, (SELECT count(*) FROM moved) AS moved;

-- name: next
-- In how many ms the next slot comes; no row: none that is known.  What is due by now has been seen.
SELECT ceil(extract(epoch FROM next_at - clock_timestamp()) * 1000)::bigint AS in_ms
  FROM job_schedules
 WHERE is_active
   AND COALESCE(next_at, '-infinity'::timestamptz) > (SELECT clock_timestamp())
   AND COALESCE(next_at, '-infinity'::timestamptz) < 'infinity'
 ORDER BY COALESCE(next_at, '-infinity'::timestamptz), name
 LIMIT 1;
