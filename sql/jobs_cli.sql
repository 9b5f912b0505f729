-- What `cronward jobs` asks besides the statements of jobs.sql.

-- name: enqueue
-- $1 a job (an object with job_type, see enqueue_jobs), $2 who asks.
WITH d AS MATERIALIZED (
	SELECT id, is_new FROM enqueue_jobs($1::jsonb)
), a AS (
	INSERT INTO audit_log (actor, action, target, detail)
	SELECT $2::text, 'job.enqueue', id::text, jsonb_build_object('is_new', is_new) FROM d
)
SELECT id, is_new, EXISTS (SELECT FROM job_types t WHERE t.job_type = $1::jsonb ->> 'job_type') AS is_known FROM d;

-- name: retry
-- $1 ids, $2 who asks.  Of each that is there: whether, or why not.
WITH d AS MATERIALIZED (
	SELECT job_id, refused FROM cronward_jobs_retry($1::uuid[])
), a AS (
	INSERT INTO audit_log (actor, action, target)
	SELECT $2::text, 'job.retry', job_id::text FROM d WHERE refused IS NULL
)
SELECT job_id AS id, refused FROM d;

-- name: last_logs
-- The last $2 lines of job $1, as the API has them, the oldest first.
SELECT COALESCE(json_agg(json_build_object('id', id, 'level', level, 'message', message, 'data', data,
                                           'created_at', cronward_time(created_at)) ORDER BY id), '[]')::text AS json
  FROM (SELECT id, level, message, data, created_at
          FROM job_logs
         WHERE (job_id, id) >= ($1::uuid, 0) AND (job_id, id) <= ($1::uuid, 9223372036854775807)
         ORDER BY job_id DESC, id DESC
         LIMIT $2::int) l;

-- name: queues
-- Queues that hold jobs which have not ended, and those that were ever paused: what is due, due later,
-- waits for another job or for its key, and runs.  $1 jobs of each are counted at most.
WITH RECURSIVE lane AS (
	(SELECT queue, 1 AS n
	   FROM jobs
	  WHERE waits_until IS NOT NULL
	  ORDER BY queue, priority, waits_until, id LIMIT 1)
	UNION ALL
	SELECT x.queue, l.n + 1
	  FROM lane l
	 CROSS JOIN LATERAL (
		SELECT queue
		  FROM jobs
		 WHERE waits_until IS NOT NULL AND queue > l.queue
		 ORDER BY queue, priority, waits_until, id LIMIT 1) x
	 WHERE l.n < 1000
), t AS MATERIALIZED (
	SELECT clock_timestamp() AS now
), c AS MATERIALIZED (
	SELECT q.name, count(s.waits_until) > $1::int AS is_cut,
	       count(*) FILTER (WHERE s.waits_until <= t.now AND COALESCE(s.lease_until <= t.now, true)) AS due,
	       count(*) FILTER (WHERE s.waits_until > t.now AND s.waits_until < 'infinity' AND COALESCE(s.lease_until <= t.now, true)) AS later,
	       count(*) FILTER (WHERE s.waits_until = 'infinity') AS waiting,
	       count(*) FILTER (WHERE s.lease_until > t.now) AS running,
	       extract(epoch FROM t.now - min(s.waits_until) FILTER (WHERE s.waits_until <= t.now AND COALESCE(s.lease_until <= t.now, true)))::bigint AS age_s
	  FROM (SELECT queue AS name FROM lane UNION SELECT name FROM job_queues) q
	 CROSS JOIN t
	  LEFT JOIN LATERAL (
		SELECT waits_until, lease_until
		  FROM jobs j
		 WHERE j.queue = q.name AND j.waits_until IS NOT NULL
		 ORDER BY j.queue, j.priority, j.waits_until, j.id
		 LIMIT $1::int + 1) s ON true
	 GROUP BY q.name, t.now
)
SELECT c.name AS queue, CASE WHEN p.paused THEN cronward_time(p.paused_at) END AS paused_since,
       c.due || f.more AS due, c.later || f.more AS later, c.waiting || f.more AS waiting, c.running || f.more AS running,
       c.age_s AS oldest_due_age_s,
       json_build_object('name', c.name, 'paused', COALESCE(p.paused, false), 'paused_at', cronward_time(p.paused_at),
                         'due', c.due, 'later', c.later, 'waiting', c.waiting, 'running', c.running,
                         'is_cut', c.is_cut, 'oldest_due_age_s', c.age_s)::text AS json
  FROM c
 CROSS JOIN LATERAL (SELECT CASE WHEN c.is_cut THEN '+' ELSE '' END AS more) f
  LEFT JOIN job_queues p ON p.name = c.name
 ORDER BY c.name;

-- name: types
-- What carries out which type; of secrets that they are there, of headers their names.
SELECT job_type, processor, target, NULLIF(defaults, '{}')::text AS defaults,
       CASE WHEN secret IS NOT NULL THEN 'set' END AS secret,
       (SELECT string_agg(k, ', ' ORDER BY k) FROM jsonb_object_keys(headers) k) AS headers,
       json_build_object('job_type', job_type, 'processor', processor, 'target', target, 'defaults', defaults,
                         'has_secret', secret IS NOT NULL,
                         'headers', ARRAY(SELECT k FROM jsonb_object_keys(headers) k ORDER BY k))::text AS json
  FROM job_types
 ORDER BY job_type;

-- name: schedules
-- Recurring jobs, with the next slot of each (infinity: none comes; NULL: the next run finds it).
SELECT name, cron, time_zone, job_type, CASE WHEN is_active THEN missed ELSE 'inactive' END AS missed,
       CASE WHEN is_active THEN cronward_time(next_at) END AS next_at,
       cronward_time(last_slot_at) AS last_slot_at, last_error,
       json_build_object('name', name, 'cron', cron, 'time_zone', time_zone, 'job_type', job_type, 'payload', payload,
                         'queue', queue, 'priority', priority, 'max_attempts', max_attempts, 'timeout_s', timeout_s,
                         'workspace_id', workspace_id, 'unique_key', unique_key, 'concurrency_key', concurrency_key,
                         'concurrency_limit', concurrency_limit, 'missed', missed, 'missed_max', missed_max,
                         'is_active', is_active, 'next_at', cronward_time(next_at), 'last_slot_at', cronward_time(last_slot_at),
                         'last_job_id', last_job_id, 'last_error', last_error)::text AS json
  FROM job_schedules
 ORDER BY name;
