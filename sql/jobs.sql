-- Jobs as people and their programs see them: the API's statements, and those of `cronward jobs`.
-- What a run does with them is in job_queue.sql.

-- name: enqueue
-- $1 Idempotency-Key (NULL: none), $2 SHA-256 of the body (hex), $3 a job or an array of jobs; the reply is
-- [{"id", "isNew"} ...] in its order.
SELECT reply, is_replay FROM cronward_enqueue_once($1::text, decode($2::text, 'hex'), $3::jsonb);

-- The lists below take $1 status, $2 job_type, $3 queue, $4 workspace, $5 unique_key, $6 created at
-- or after, $7 created before (NULL: any), $8 and $9 where the page before ended (microseconds, id;
-- NULL: nowhere), $10 rows of a page, $11 rows that are looked at.  The newest come first.  One row
-- more than a page says that there is another; is_hit false says where to go on when rows that do
-- not fit have used up $11, so that no filter, however rare what it looks for, reads a whole table.  Not
-- every time that a row may have is a number of microseconds: who says such a one gets the nearest.

-- name: list_age
-- By the index jobs_age.
WITH b AS MATERIALIZED (
	SELECT since, at, id FROM cronward_list_bounds($6::timestamptz, $7::timestamptz, $8::bigint, $9::uuid)
), f AS MATERIALIZED (
	SELECT id, created_at
	  FROM (SELECT id, created_at, status, job_type, queue, unique_key
	          FROM jobs
	         WHERE created_at >= (SELECT since FROM b) AND (created_at, id) < ((SELECT at FROM b), (SELECT id FROM b))
	         ORDER BY created_at DESC, id DESC
	         LIMIT $11::int) s
	 WHERE ($1::text IS NULL OR status = $1::text) AND ($2::text IS NULL OR job_type = $2::text)
	   AND ($3::text IS NULL OR queue = $3::text) AND $4::uuid IS NULL
	   AND ($5::text IS NULL OR unique_key = $5::text)
	 ORDER BY created_at DESC, id DESC
	 LIMIT $10::int + 1
)
SELECT id, cronward_us(created_at) AS at, true AS is_hit FROM f
UNION ALL
SELECT id, cronward_us(created_at), false
  FROM (SELECT id, created_at
          FROM jobs
         WHERE created_at >= (SELECT since FROM b) AND (created_at, id) < ((SELECT at FROM b), (SELECT id FROM b))
         ORDER BY created_at DESC, id DESC
        OFFSET $11::int - 1 LIMIT 1) s
 WHERE (SELECT count(*) FROM f) <= $10::int;

-- name: list_workspace
-- By the index jobs_of_workspace.
WITH b AS MATERIALIZED (
	SELECT since, at, id FROM cronward_list_bounds($6::timestamptz, $7::timestamptz, $8::bigint, $9::uuid)
), f AS MATERIALIZED (
	SELECT id, created_at
	  FROM (SELECT id, created_at, status, job_type, queue, unique_key
	          FROM jobs
	         WHERE workspace_id = $4::uuid
	           AND created_at >= (SELECT since FROM b) AND (created_at, id) < ((SELECT at FROM b), (SELECT id FROM b))
	         ORDER BY created_at DESC, id DESC
	         LIMIT $11::int) s
	 WHERE ($1::text IS NULL OR status = $1::text) AND ($2::text IS NULL OR job_type = $2::text)
	   AND ($3::text IS NULL OR queue = $3::text)
	   AND ($5::text IS NULL OR unique_key = $5::text)
	 ORDER BY created_at DESC, id DESC
	 LIMIT $10::int + 1
)
SELECT id, cronward_us(created_at) AS at, true AS is_hit FROM f
UNION ALL
SELECT id, cronward_us(created_at), false
  FROM (SELECT id, created_at
          FROM jobs
         WHERE workspace_id = $4::uuid
           AND created_at >= (SELECT since FROM b) AND (created_at, id) < ((SELECT at FROM b), (SELECT id FROM b))
         ORDER BY created_at DESC, id DESC
        OFFSET $11::int - 1 LIMIT 1) s
 WHERE (SELECT count(*) FROM f) <= $10::int;

-- name: list_few
-- Of those that wait or run, or, where $1 says so, those that failed, which are few among many that
-- have ended: all of them, by the index jobs_due or jobs_dead, unless they are more than $11: then a
-- row with is_hit false, and another list is asked.  $1 is asked for in subselects as job_queue's claim
-- does it.
WITH s AS MATERIALIZED (
	(SELECT id, created_at, status, job_type, queue, workspace_id, unique_key
	   FROM jobs
	  WHERE waits_until IS NOT NULL AND (SELECT $1::text <> 'failed')
	  ORDER BY queue, priority, waits_until, id
	  LIMIT $11::int + 1)
	UNION ALL
	(SELECT id, created_at, status, job_type, queue, workspace_id, unique_key
	   FROM jobs
	  WHERE dead_at IS NOT NULL AND (SELECT $1::text = 'failed')
	  ORDER BY dead_at, id
	  LIMIT $11::int + 1)
), f AS MATERIALIZED (
	SELECT id, created_at
	  FROM s
	 WHERE status = $1::text AND ($2::text IS NULL OR job_type = $2::text)
	   AND ($3::text IS NULL OR queue = $3::text) AND ($4::uuid IS NULL OR workspace_id = $4::uuid)
	   AND ($5::text IS NULL OR unique_key = $5::text)
	   AND ($6::timestamptz IS NULL OR created_at >= $6::timestamptz)
	   AND ($7::timestamptz IS NULL OR created_at < $7::timestamptz)
	   AND ($8::bigint IS NULL OR (created_at, id) < (cronward_time_of_us($8::bigint), $9::uuid))
	 ORDER BY created_at DESC, id DESC
	 LIMIT $10::int + 1
)
SELECT id, cronward_us(created_at) AS at, true AS is_hit
  FROM f WHERE (SELECT count(*) FROM s) <= $11::int
UNION ALL
SELECT NULL, NULL, false WHERE (SELECT count(*) FROM s) > $11::int;

-- name: rows
-- The jobs $1, the newest first, without what may be long: payload, result, error_stack.  "at" is when
-- it is due, began or ended.
SELECT j.id, j.status, j.job_type, j.queue, j.priority, j.attempts, j.max_attempts,
       to_char(CASE WHEN j.waits_until IS NULL THEN COALESCE(j.completed_at, j.dead_at)
                    WHEN j.lease_until IS NOT NULL THEN j.started_at
                    WHEN isfinite(j.waits_until) THEN j.waits_until END AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS at,
       left(j.error_message, 1000) AS error_message,
       json_build_object(
           'id', j.id, 'workspace_id', j.workspace_id, 'job_type', j.job_type, 'status', j.status,
           'queue', j.queue, 'priority', j.priority, 'attempts', j.attempts, 'max_attempts', j.max_attempts,
           'progress', j.progress, 'run_at', cronward_time(j.run_at), 'waits_until', cronward_time(j.waits_until),
           'started_at', cronward_time(j.started_at),
           'completed_at', cronward_time(j.completed_at), 'error_message', left(j.error_message, 1000),
           'unique_key', j.unique_key, 'concurrency_key', j.concurrency_key, 'schedule', j.schedule,
           'created_at', cronward_time(j.created_at), 'updated_at', cronward_time(j.updated_at))::text AS json
  FROM jobs j
 WHERE j.id = ANY ($1::uuid[])
 ORDER BY j.created_at DESC, j.id DESC;

-- name: show
-- Job $1, all of it but its claim token, and why it is where it is.  A live lease belongs to the run
-- that has the lock, if that began before the job did.
WITH j AS MATERIALIZED (
	SELECT * FROM jobs WHERE id = $1::uuid
), n AS MATERIALIZED (
	SELECT clock_timestamp() AS now
), k AS MATERIALIZED (
	SELECT s.job_id, s.slot FROM job_slots s WHERE s.concurrency_key = (SELECT concurrency_key FROM j) ORDER BY s.slot LIMIT 1000
), q AS MATERIALIZED (
	SELECT q.name, q.paused_at FROM job_queues q WHERE q.name = (SELECT queue FROM j) AND q.paused
), r AS MATERIALIZED (
	SELECT id, status, started_at, completed_at FROM cron_job_executions WHERE job_name = 'job-queue' ORDER BY started_at DESC LIMIT 1
), x AS MATERIALIZED (
	SELECT CASE
	       WHEN j.waits_until IS NULL AND j.status IN ('completed', 'failed', 'cancelled') THEN j.status
	       WHEN j.waits_until IS NULL THEN 'not_queued'
	       WHEN j.lease_until IS NULL AND j.waits_until = 'infinity' AND j.open_dependencies = 0 AND j.status IN ('processing', 'blocked') THEN 'not_queued'
	       WHEN j.lease_until IS NOT NULL AND j.cancel_requested_at IS NOT NULL THEN 'cancelling'
	       WHEN j.lease_until <= n.now THEN 'lease_over'
	       WHEN j.lease_until IS NOT NULL AND j.awaits_callback THEN 'awaiting_callback'
	       WHEN j.lease_until IS NOT NULL THEN 'running'
	       WHEN j.open_dependencies > 0 THEN 'blocked'
	       WHEN j.waits_until < 'infinity' AND j.waits_until > n.now THEN 'not_due'
	       WHEN j.concurrency_key IS NOT NULL AND (SELECT count(*) FROM k WHERE k.slot <= j.concurrency_limit) >= j.concurrency_limit THEN 'key_held'
	       WHEN EXISTS (SELECT FROM q) THEN 'queue_paused'
	       WHEN NOT EXISTS (SELECT FROM job_types t WHERE t.job_type = j.job_type) THEN 'type_unknown'
	       ELSE 'due' END AS state
	  FROM j, n
)
SELECT json_build_object('success', true, 'job', json_build_object(
           'id', j.id, 'workspace_id', j.workspace_id, 'job_type', j.job_type, 'payload', j.payload, 'status', j.status,
           'queue', j.queue, 'priority', j.priority, 'attempts', j.attempts, 'max_attempts', j.max_attempts, 'lost', j.lost,
           'run_at', cronward_time(j.run_at), 'started_at', cronward_time(j.started_at), 'completed_at', cronward_time(j.completed_at),
           'progress', j.progress, 'result', j.result, 'error_message', j.error_message, 'error_stack', j.error_stack,
           'unique_key', j.unique_key, 'concurrency_key', j.concurrency_key, 'concurrency_limit', j.concurrency_limit,
           'depends_on', ARRAY(SELECT d.depends_on FROM job_dependencies d WHERE d.job_id = j.id ORDER BY d.depends_on LIMIT 1000),
           'open_dependencies', j.open_dependencies, 'on_dependency_failure', j.on_dependency_failure, 'timeout_s', j.timeout_s,
           'schedule', j.schedule, 'slot', cronward_time(j.slot),
           'waits_until', cronward_time(j.waits_until), 'lease_until', cronward_time(j.lease_until),
           'awaits_callback', j.awaits_callback, 'performed_at', cronward_time(j.performed_at),
           'cancel_requested_at', cronward_time(j.cancel_requested_at), 'dead_at', cronward_time(j.dead_at),
           'created_at', cronward_time(j.created_at), 'updated_at', cronward_time(j.updated_at),
           'explain', json_build_object('state', x.state, 'reason', CASE x.state
               WHEN 'completed' THEN format('It completed at %s, try %s of %s', cronward_time(j.completed_at), j.attempts, j.max_attempts)
               WHEN 'failed' THEN format('It failed for good at %s: %s', cronward_time(COALESCE(j.dead_at, j.completed_at)), COALESCE(j.error_message, 'no reason was given'))
               WHEN 'cancelled' THEN format('It was cancelled at %s', cronward_time(j.completed_at))
               WHEN 'not_queued' THEN CASE WHEN j.waits_until IS NULL THEN 'It was there before cronward, or was taken out of the queue: nothing runs it'
                   ELSE format('It was inserted as %s, which leaves it to whoever did that; UPDATE jobs SET waits_until = now() hands it over', j.status) END
               WHEN 'cancelling' THEN format('It was asked to stop at %s, and is stopped by whoever runs it', cronward_time(j.cancel_requested_at))
               WHEN 'lease_over' THEN format('It was under way when its lease ran out at %s; the next run takes it again', cronward_time(j.lease_until))
               WHEN 'awaiting_callback' THEN format('Its processor works on it and is to call back by %s', cronward_time(j.lease_until))
               WHEN 'running' THEN format('It is under way; its lease lasts until %s', cronward_time(j.lease_until))
               WHEN 'blocked' THEN format('It waits for %s other %s', j.open_dependencies, CASE j.open_dependencies WHEN 1 THEN 'job' ELSE 'jobs' END)
               WHEN 'not_due' THEN format('It is not due until %s', cronward_time(j.waits_until))
                   || CASE WHEN j.attempts > 0 THEN format(': try %s of %s failed', j.attempts, j.max_attempts) ELSE '' END
                   || COALESCE(': ' || left(j.error_message, 1000), '')
               WHEN 'key_held' THEN format('Its key is held by as many jobs as may run at once: %s', j.concurrency_limit)
               WHEN 'queue_paused' THEN format('Its queue is paused since %s', cronward_time((SELECT paused_at FROM q)))
               WHEN 'type_unknown' THEN 'No row of job_types names its type: the next run fails it'
               ELSE 'It is due and waits for the next run' END,
           'detail', CASE x.state
               WHEN 'blocked' THEN json_build_object('blocked_by', (
                   SELECT json_agg(json_build_object('id', o.id, 'status', o.status))
                     FROM (SELECT p.id, p.status FROM job_dependencies d JOIN jobs p ON p.id = d.depends_on
                            WHERE d.job_id = j.id AND d.is_open ORDER BY p.id LIMIT 100) o))
               WHEN 'key_held' THEN json_build_object('key', j.concurrency_key, 'limit', j.concurrency_limit,
                   'held_by', (SELECT json_agg(k.job_id ORDER BY k.slot) FROM k))
               WHEN 'not_due' THEN json_build_object('due_at', cronward_time(j.waits_until), 'last_error', left(j.error_message, 1000))
               WHEN 'queue_paused' THEN json_build_object('queue', j.queue, 'paused_at', cronward_time((SELECT paused_at FROM q)))
               WHEN 'type_unknown' THEN json_build_object('job_type', j.job_type)
               WHEN 'due' THEN json_build_object('due_at', cronward_time(j.waits_until), 'last_run', (
                   SELECT json_build_object('id', r.id, 'status', r.status, 'started_at', cronward_time(r.started_at), 'completed_at', cronward_time(r.completed_at)) FROM r))
               WHEN 'failed' THEN json_build_object('failed_at', cronward_time(COALESCE(j.dead_at, j.completed_at)), 'error', left(j.error_message, 1000))
               WHEN 'completed' THEN json_build_object('completed_at', cronward_time(j.completed_at))
               WHEN 'cancelled' THEN json_build_object('cancelled_at', cronward_time(j.completed_at))
               WHEN 'not_queued' THEN json_build_object('status', j.status)
               ELSE json_build_object('lease_until', cronward_time(j.lease_until), 'run', (
                   SELECT l.holder FROM cron_locks l
                    WHERE l.name = 'job-queue' AND l.holder IS NOT NULL AND l.expires_at > n.now AND l.acquired_at <= j.started_at)) END)))::text AS json
  FROM j, n, x;

-- name: logs
-- Lines of job $1 behind line $2, the oldest first, $3 of them; no row where nobody knows the job.
SELECT json_build_object('success', true,
           'logs', COALESCE(json_agg(json_build_object('id', l.id, 'level', l.level, 'message', l.message, 'data', l.data,
                                                       'created_at', cronward_time(l.created_at)) ORDER BY l.id) FILTER (WHERE l.n <= $3::int), '[]'),
           'nextCursor', CASE WHEN count(*) > $3::int THEN max(l.id) FILTER (WHERE l.n <= $3::int)::text END)::text AS json
  FROM (SELECT * , row_number() OVER (ORDER BY id) AS n
          FROM (SELECT id, level, message, data, created_at
                  FROM job_logs WHERE job_id = $1::uuid AND id > $2::bigint ORDER BY job_id, id LIMIT $3::int + 1) p) l
HAVING count(*) > 0 OR EXISTS (SELECT FROM jobs WHERE id = $1::uuid);

-- What changes something leaves a row in audit_log in the same transaction; $2 is who asked.

-- name: retry
WITH d AS MATERIALIZED (
	SELECT retry_job($1::uuid) AS status
), a AS (
	INSERT INTO audit_log (actor, action, target) SELECT $2::text, 'job.retry', $1::uuid::text FROM d
)
SELECT status FROM d;

-- name: cancel
WITH d AS MATERIALIZED (
	SELECT cancel_job($1::uuid) AS status
), a AS (
	INSERT INTO audit_log (actor, action, target, detail)
	SELECT $2::text, 'job.cancel', $1::uuid::text, jsonb_build_object('status', status) FROM d
)
SELECT status FROM d;

-- name: retry_many
-- One batch of those that failed: $1 job_type, $2 queue, $3 workspace, $4 failed at or after, $5
-- before, $6 what the error holds (NULL: any), $7 and $8 where the batch before ended (text, id), $9
-- its size, $10 rows that are looked at, $11 who asked.  last_at is NULL when all were looked at.
WITH s AS MATERIALIZED (
	SELECT id, dead_at, job_type, queue, workspace_id, error_message
	  FROM jobs
	 WHERE dead_at IS NOT NULL AND dead_at >= COALESCE($4::timestamptz, '-infinity')
	   AND dead_at < COALESCE($5::timestamptz, 'infinity')
	   AND (dead_at, id) > (COALESCE($7::timestamptz, '-infinity'), COALESCE($8::uuid, '00000000-0000-0000-0000-000000000000'))
	 ORDER BY dead_at, id
	 LIMIT $10::int
), c AS MATERIALIZED (
	SELECT id, dead_at
	  FROM s
	 WHERE ($1::text IS NULL OR job_type = $1::text) AND ($2::text IS NULL OR queue = $2::text)
	   AND ($3::uuid IS NULL OR workspace_id = $3::uuid)
	   AND ($6::text IS NULL OR strpos(error_message, $6::text) > 0)
	 ORDER BY dead_at, id
	 LIMIT $9::int
), d AS MATERIALIZED (
	SELECT count(*) FILTER (WHERE refused IS NULL) AS retried, count(*) FILTER (WHERE refused IS NOT NULL) AS skipped
	  FROM cronward_jobs_retry(ARRAY(SELECT id FROM c))
), z AS (
	(SELECT dead_at, id FROM c WHERE (SELECT count(*) FROM c) = $9::int ORDER BY dead_at DESC, id DESC LIMIT 1)
	UNION ALL
	(SELECT dead_at, id FROM s WHERE (SELECT count(*) FROM s) = $10::int AND (SELECT count(*) FROM c) < $9::int
	  ORDER BY dead_at DESC, id DESC LIMIT 1)
), a AS (
	INSERT INTO audit_log (actor, action, target, detail)
	SELECT $11::text, 'job.retry', 'jobs', jsonb_build_object('count', d.retried, 'skipped', d.skipped, 'filter', jsonb_strip_nulls(
	           jsonb_build_object('type', $1::text, 'queue', $2::text, 'workspace', $3::uuid, 'failed_after', $4::timestamptz,
	                              'failed_before', $5::timestamptz, 'error', $6::text)))
	  FROM d WHERE d.retried + d.skipped > 0
)
SELECT d.retried, d.skipped, z.dead_at::text AS last_at, z.id AS last_id FROM d LEFT JOIN z ON true;

-- name: pause
-- Queue $1 pauses ($2 true) or goes on; a queue need not have had a job to be paused.
WITH q AS (
	INSERT INTO job_queues AS q (name, paused, paused_at)
	VALUES ($1::text, $2::boolean, CASE WHEN $2::boolean THEN clock_timestamp() END)
	    ON CONFLICT (name) DO UPDATE
	   SET paused = EXCLUDED.paused,
	       paused_at = CASE WHEN NOT EXCLUDED.paused THEN NULL WHEN q.paused THEN q.paused_at ELSE EXCLUDED.paused_at END
	RETURNING name, paused, paused_at
), a AS (
	INSERT INTO audit_log (actor, action, target)
	SELECT $3::text, CASE WHEN paused THEN 'queue.pause' ELSE 'queue.resume' END, name FROM q
)
SELECT json_build_object('success', true, 'queue', json_build_object(
           'name', name, 'paused', paused, 'paused_at', cronward_time(paused_at)))::text AS json
  FROM q;

-- name: callback_state
-- What a call back of job $1 under claim $2 meets; no row: that claim is over.
SELECT j.attempts, j.max_attempts, j.cancel_requested_at IS NOT NULL AS is_cancelled,
       (extract(epoch FROM clock_timestamp() - j.started_at) * 1000)::bigint AS took_ms
  FROM jobs j
 WHERE j.id = $1::uuid AND j.claim_token = $2::uuid AND j.lease_until IS NOT NULL;

-- name: callback_progress
-- Job $1 under claim $2 is at $3 percent (NULL: it does not say); message $4 and data $5 go to its
-- log.  Who was to call back gets $6 s more.  What was to be cancelled says so and is left alone.
WITH u AS (
	UPDATE jobs j
	   SET progress = COALESCE($3::int, j.progress),
	       lease_until = CASE WHEN j.awaits_callback THEN clock_timestamp() + $6::int * interval '1 second' ELSE j.lease_until END,
	       waits_until = CASE WHEN j.awaits_callback THEN clock_timestamp() + $6::int * interval '1 second' ELSE j.waits_until END,
	       updated_at = clock_timestamp()
	 WHERE j.id = $1::uuid AND j.claim_token = $2::uuid AND j.lease_until IS NOT NULL AND j.cancel_requested_at IS NULL
	RETURNING j.id, j.progress, j.lease_until
), l AS (
	INSERT INTO job_logs (job_id, message, data)
	SELECT id, COALESCE($4::text, 'progress'), $5::jsonb FROM u WHERE $4::text IS NOT NULL OR $5::jsonb IS NOT NULL
)
SELECT progress, cronward_time(lease_until) AS lease_until, false AS is_cancelled FROM u
UNION ALL
SELECT NULL, NULL, true
  FROM jobs j
 WHERE j.id = $1::uuid AND j.claim_token = $2::uuid AND j.lease_until IS NOT NULL AND j.cancel_requested_at IS NOT NULL;

-- name: health
-- How the queue does; counts go up to $1.  The oldest that is due and could run, by the first entries
-- of each lane in the index.
WITH t AS MATERIALIZED (
	SELECT clock_timestamp() AS at
), o AS (
	SELECT min(f.waits_until) AS at
	  FROM cronward_job_lanes(1000) l
	 CROSS JOIN LATERAL (
		SELECT j.waits_until
		  FROM jobs j
		 WHERE j.queue = l.queue AND j.priority = l.priority AND j.waits_until <= (SELECT at FROM t)
		   AND (j.lease_until IS NULL OR j.lease_until <= (SELECT at FROM t))
		 ORDER BY j.waits_until, j.id LIMIT 1) f
	 WHERE NOT EXISTS (SELECT 1 FROM job_queues q WHERE q.name = l.queue AND q.paused)
), s AS MATERIALIZED (
	SELECT status FROM jobs WHERE waits_until IS NOT NULL ORDER BY queue, priority, waits_until, id LIMIT $1::int
), d AS MATERIALIZED (
	SELECT count(*) AS failed FROM (SELECT FROM jobs WHERE dead_at IS NOT NULL ORDER BY dead_at, id LIMIT $1::int) x
)
SELECT cronward_time(t.at) AS now, (extract(epoch FROM t.at - o.at))::bigint AS oldest_due_age_s,
       (SELECT count(*) FROM s WHERE status = 'pending') AS pending,
       (SELECT count(*) FROM s WHERE status = 'blocked') AS blocked,
       (SELECT count(*) FROM s WHERE status = 'processing') AS processing,
       d.failed,
       (SELECT id FROM cron_job_executions WHERE job_name = 'job-queue' ORDER BY started_at DESC LIMIT 1) AS run
  FROM t, o, d;
