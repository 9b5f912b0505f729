-- What is asked of jobs that are there, and of one request: enqueued once however often it is asked, tried
-- again, cancelled.  What jobs are made of is in 0009, what follows from their end in 0014.

-- RFC 3339 in UTC, as every reply has it; infinity is 'infinity'.
CREATE OR REPLACE FUNCTION cronward_time(at timestamptz) RETURNS text LANGUAGE sql STABLE PARALLEL SAFE AS $$
	SELECT CASE WHEN isfinite(at) THEN to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') ELSE at::text END
$$;

-- Microseconds since 1970, as cursors have them, of a time that a cursor can say or the nearest to it.
CREATE OR REPLACE FUNCTION cronward_us(at timestamptz) RETURNS bigint LANGUAGE sql STABLE PARALLEL SAFE AS $$
	SELECT (extract(epoch FROM LEAST(GREATEST(at, '4713-01-01 BC'), '294247-01-01')) * 1000000)::bigint
$$;

CREATE OR REPLACE FUNCTION cronward_time_of_us(us bigint) RETURNS timestamptz LANGUAGE sql STABLE PARALLEL SAFE AS $$
	SELECT timestamptz 'epoch' + us / 1000000 * interval '1 second' + us % 1000000 * interval '1 microsecond'
$$;

-- Where a list of jobs begins and ends: created from `since` on, and before (`at`, `id`), which is the end
-- of the page before (us and row_id; NULL: none) or `before`, whichever is earlier.
CREATE OR REPLACE FUNCTION cronward_list_bounds(after timestamptz, before timestamptz, us bigint, row_id uuid)
RETURNS TABLE (since timestamptz, at timestamptz, id uuid) LANGUAGE sql STABLE PARALLEL SAFE ROWS 1 AS $$
	SELECT COALESCE(after, '4713-01-01 00:00:00+00 BC'), COALESCE(LEAST(c.at, before), 'infinity'),
	       CASE WHEN c.at >= before OR c.at IS NULL THEN '00000000-0000-0000-0000-000000000000' ELSE row_id END
	  FROM (SELECT cronward_time_of_us(us) AS at) c
$$;

-- Enqueues ${jobs}, an array or one; the reply is [{"id", "isNew"} ...] in its order.  With a key (NULL: none)
-- it is done once: asked again with the same body (its digest) the first reply comes back.  Two that
-- come at once wait for each other at the key's row, which is there before any work is done.
CREATE OR REPLACE FUNCTION cronward_enqueue_once(request_key text, digest bytea, jobs jsonb, OUT reply jsonb, OUT is_replay boolean)
LANGUAGE plpgsql AS $$
DECLARE
	was bytea;
BEGIN
	is_replay := false;
	IF request_key IS NOT NULL THEN
		INSERT INTO job_requests AS r (idempotency_key, body_sha256, reply) VALUES (request_key, digest, '[]')
		    ON CONFLICT (idempotency_key) DO NOTHING;
		IF NOT FOUND THEN
			SELECT r.body_sha256, r.reply INTO was, reply FROM job_requests r WHERE r.idempotency_key = request_key;
			IF was <> digest THEN
				RAISE EXCEPTION 'This Idempotency-Key was used with another body' USING ERRCODE = 'CW409';
			END IF;
			is_replay := true;
			RETURN;
		END IF;
	END IF;
	IF jsonb_typeof(jobs) = 'array' AND jsonb_array_length(jobs) > 10000 THEN
		RAISE EXCEPTION 'An array may hold up to 10000 jobs; this one has %', jsonb_array_length(jobs) USING ERRCODE = 'CW400';
	END IF;
	-- Who speaks JSON means a text when he writes one: a number or an object is a slip.
	IF jobs @? '$[*] ? (@.type.type() <> "string" || @.job_type.type() <> "string" || @.queue.type() <> "string"
	                    || @.unique_key.type() <> "string" || @.concurrency_key.type() <> "string")' THEN
		PERFORM cronward_jobs_refuse(CASE jsonb_typeof(jobs) WHEN 'array' THEN jobs ELSE jsonb_build_array(jobs) END,
		                             jsonb_typeof(jobs) <> 'array');
	END IF;
	SELECT COALESCE(jsonb_agg(jsonb_build_object('id', e.id, 'isNew', e.is_new) ORDER BY e.n), '[]')
	  INTO reply FROM enqueue_jobs(jobs) e;
	IF request_key IS NOT NULL THEN
		UPDATE job_requests r SET reply = cronward_enqueue_once.reply WHERE r.idempotency_key = request_key;
	END IF;
END
$$;

-- Jobs that have ended, and that the caller has locked, are as new; those that depend on live jobs
-- are blocked by them again.
CREATE OR REPLACE FUNCTION cronward_jobs_revive(ended uuid[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM FROM jobs
	  WHERE id = ANY (ARRAY(SELECT depends_on FROM job_dependencies WHERE job_id = ANY (ended))) AND waits_until IS NOT NULL
	  ORDER BY id FOR SHARE;
	UPDATE job_dependencies d
	   SET is_open = NOT d.is_open
	 WHERE d.job_id = ANY (ended)
	   AND d.is_open <> (d.depends_on = ANY (ended) OR COALESCE((SELECT p.waits_until IS NOT NULL FROM jobs p WHERE p.id = d.depends_on), false));
	UPDATE jobs j
	   SET status = CASE WHEN o.edges > 0 THEN 'blocked' ELSE 'pending' END,
	       waits_until = CASE WHEN o.edges > 0 THEN 'infinity' ELSE clock_timestamp() END,
	       open_dependencies = o.edges, run_at = clock_timestamp(), attempts = 0, lost = 0, progress = 0,
	       lease_until = NULL, claim_token = NULL, awaits_callback = false, cancel_requested_at = NULL,
	       started_at = NULL, completed_at = NULL, performed_at = NULL, dead_at = NULL,
	       result = NULL, error_message = NULL, error_stack = NULL, updated_at = clock_timestamp()
	  FROM unnest(ended) e (id)
	 CROSS JOIN LATERAL (SELECT count(*)::integer AS edges FROM job_dependencies d WHERE d.job_id = e.id AND d.is_open OFFSET 0) o
	 WHERE j.id = ANY (ended) AND j.id = e.id;
END
$$;

-- Gives jobs that failed, or were cancelled, all their tries again, from now on.  Answers for each of
-- ${ids} that is there, with the reason why not where it is refused:
--  - one that has not ended, or is completed;
--  - one whose unique_key a live job has by now (of several dead ones the youngest gets it);
--  - one whose dependency failed or was cancelled, unless that is tried again as well, or the job was
--    said to run anyway.
-- It waits for those of its dependencies that live again.
CREATE OR REPLACE FUNCTION cronward_jobs_retry(ids uuid[]) RETURNS TABLE (job_id uuid, refused text)
LANGUAGE plpgsql AS $$
DECLARE
	chosen uuid[];
	bad uuid[];
	whys text[];
BEGIN
	-- In one order, so that two of these never wait for each other in a circle; and what they depend
	-- on, so that none of it ends while it is decided whether to wait for it.
	PERFORM FROM jobs j WHERE j.id = ANY (ids) ORDER BY j.id FOR NO KEY UPDATE;
	PERFORM FROM jobs j
	  WHERE j.id = ANY (ARRAY(SELECT d.depends_on FROM job_dependencies d WHERE d.job_id = ANY (ids)))
	  ORDER BY j.id FOR SHARE;

	WITH RECURSIVE a AS MATERIALIZED (
		SELECT j.id, j.on_dependency_failure = 'run' AS runs_anyway,
		       CASE WHEN j.waits_until IS NOT NULL THEN 'it has not ended; with run_at = now() one that waits runs at once'
		            WHEN j.status NOT IN ('failed', 'cancelled') THEN 'it is ' || j.status
		            WHEN j.unique_key IS NULL THEN NULL
		            WHEN EXISTS (SELECT FROM jobs o WHERE o.unique_key = j.unique_key AND o.waits_until IS NOT NULL)
		            THEN 'a live job has its unique_key by now'
		            WHEN EXISTS (SELECT FROM jobs o
		                          WHERE o.id = ANY (ids) AND o.unique_key = j.unique_key AND o.waits_until IS NULL
		                            AND o.status IN ('failed', 'cancelled') AND (o.created_at, o.id) > (j.created_at, j.id))
		            THEN 'a younger job with its unique_key is tried again' END AS why
		  FROM jobs j
		 WHERE j.id = ANY (ids)
	), no AS (
		SELECT a.id, a.why FROM a WHERE a.why IS NOT NULL
		UNION
		SELECT a.id, 'its dependency ' || p.id || ' is ' || p.status || ', and is to be tried again first'
		  FROM a
		  JOIN job_dependencies d ON d.job_id = a.id
		  JOIN jobs p ON p.id = d.depends_on
		 WHERE a.why IS NULL AND NOT a.runs_anyway AND p.waits_until IS NULL AND p.status IN ('failed', 'cancelled')
		   AND NOT p.id = ANY (ids)
		UNION
		SELECT a.id, 'its dependency ' || p.id || ' is ' || p.status || ', and is to be tried again first'
		  FROM no
		  JOIN job_dependencies d ON d.depends_on = no.id
		  JOIN a ON a.id = d.job_id
		  JOIN jobs p ON p.id = no.id
		 WHERE a.why IS NULL AND NOT a.runs_anyway AND p.waits_until IS NULL AND p.status IN ('failed', 'cancelled')
	), one AS (
		SELECT no.id, min(no.why) AS why FROM no GROUP BY no.id
	)
	SELECT array_agg(a.id) FILTER (WHERE one.id IS NULL),
	       array_agg(a.id) FILTER (WHERE one.id IS NOT NULL), array_agg(one.why) FILTER (WHERE one.id IS NOT NULL)
	  INTO chosen, bad, whys
	  FROM a LEFT JOIN one ON one.id = a.id;

	PERFORM cronward_jobs_revive(COALESCE(chosen, '{}'));
	INSERT INTO job_logs (job_id, message) SELECT c.id, 'tried again, with all its tries' FROM unnest(chosen) AS c (id);
	RETURN QUERY SELECT c.id, NULL::text FROM unnest(chosen) AS c (id)
	             UNION ALL SELECT b.id, b.why FROM unnest(bad, whys) AS b (id, why);
EXCEPTION WHEN unique_violation THEN
	RAISE EXCEPTION 'A job with the same unique_key was enqueued at this very moment' USING ERRCODE = 'CW409';
END
$$;

-- The same for one job, by whoever may change it; its status afterwards.
CREATE OR REPLACE FUNCTION retry_job(job uuid) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
	why text := (SELECT r.refused FROM cronward_jobs_retry(ARRAY[job]) r);
	status_now text := (SELECT j.status FROM jobs j WHERE j.id = job);
BEGIN
	IF status_now IS NULL THEN
		RAISE EXCEPTION 'There is no job %', job USING ERRCODE = 'CW404';
	ELSIF why IS NOT NULL THEN
		RAISE EXCEPTION 'Job % cannot be tried again: %', job, why USING ERRCODE = 'CW409';
	END IF;
	RETURN status_now;
END
$$;

-- The same; by force also one that is completed runs again.
CREATE OR REPLACE FUNCTION retry_job(job uuid, force boolean) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	was record;
	other uuid;
BEGIN
	SELECT j.status, j.waits_until, j.unique_key INTO was FROM jobs j WHERE j.id = job FOR NO KEY UPDATE;
	IF was.status IS DISTINCT FROM 'completed' OR was.waits_until IS NOT NULL OR force IS NOT TRUE THEN
		RETURN retry_job(job);
	END IF;
	SELECT j.id INTO other FROM jobs j WHERE j.unique_key = was.unique_key AND j.waits_until IS NOT NULL;
	IF FOUND THEN
		RAISE EXCEPTION USING ERRCODE = 'CW409',
			MESSAGE = format('Job %s cannot be run again: job %s is live and has its unique_key, %s', job, other, was.unique_key);
	END IF;
	PERFORM cronward_jobs_revive(ARRAY[job]);
	RETURN (SELECT j.status FROM jobs j WHERE j.id = job);
END
$$;

-- Tries up to max_count failed jobs again, those first that failed first.  A filter takes any of type,
-- queue, workspace, after and before (when they failed) and error (a part of the message).  Answers for
-- each with the reason why not where it is refused, as the API's POST /api/jobs/retry does.
CREATE OR REPLACE FUNCTION retry_jobs(filter jsonb DEFAULT '{}', max_count integer DEFAULT 1000) RETURNS TABLE (job uuid, refused text)
LANGUAGE plpgsql AS $$
DECLARE
	wrong text;
	since timestamptz;
	til timestamptz;
	workspace uuid;
	chosen uuid[];
BEGIN
	wrong := CASE WHEN jsonb_typeof(filter) IS DISTINCT FROM 'object' THEN 'a filter is an object'
		WHEN max_count IS NULL OR max_count NOT BETWEEN 1 AND 10000 THEN format('max_count must be from 1 to 10000; it is %s', COALESCE(max_count::text, 'NULL'))
		WHEN filter - '{type,queue,workspace,after,before,error}'::text[] <> '{}' THEN
			format('a filter has type, queue, workspace, after, before and error; it does not have %s',
				(SELECT min(k) FROM jsonb_object_keys(filter - '{type,queue,workspace,after,before,error}'::text[]) k)) END;
	IF wrong IS NOT NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'CW400', MESSAGE = wrong;
	END IF;
	BEGIN
		since := COALESCE((filter->>'after')::timestamptz, '-infinity');
		til := COALESCE((filter->>'before')::timestamptz, 'infinity');
		workspace := (filter->>'workspace')::uuid;
	EXCEPTION WHEN data_exception THEN
		RAISE EXCEPTION USING ERRCODE = 'CW400', MESSAGE = 'after and before must be times, workspace a UUID: ' || SQLERRM;
	END;
	chosen := ARRAY(
		SELECT j.id
		  FROM jobs j
		 WHERE j.dead_at IS NOT NULL AND j.dead_at >= since AND j.dead_at < til
		   AND (filter->>'type' IS NULL OR j.job_type = filter->>'type')
		   AND (filter->>'queue' IS NULL OR j.queue = filter->>'queue')
		   AND (workspace IS NULL OR j.workspace_id = workspace)
		   AND (filter->>'error' IS NULL OR strpos(j.error_message, filter->>'error') > 0)
		 ORDER BY j.dead_at, j.id
		 LIMIT max_count);
	RETURN QUERY SELECT * FROM cronward_jobs_retry(chosen);
END
$$;

-- Cancels a job that waits; one under way is marked, and whoever runs it stops it within about a
-- second, or, where nobody does any more, the next run settles it.  Its status afterwards: cancelled
-- or processing.
CREATE OR REPLACE FUNCTION cancel_job(job uuid) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
	found jobs := (SELECT j FROM jobs j WHERE j.id = job FOR NO KEY UPDATE);
BEGIN
	IF found.id IS NULL THEN
		RAISE EXCEPTION 'There is no job %', job USING ERRCODE = 'CW404';
	ELSIF found.status = 'cancelled' THEN
		RETURN found.status;
	ELSIF found.waits_until IS NULL THEN
		RAISE EXCEPTION 'Job % cannot be cancelled: it is %', job, found.status USING ERRCODE = 'CW409';
	ELSIF found.lease_until IS NOT NULL THEN
		UPDATE jobs j SET cancel_requested_at = COALESCE(j.cancel_requested_at, clock_timestamp()), updated_at = clock_timestamp()
		 WHERE j.id = job;
		RETURN found.status;
	END IF;
	UPDATE jobs j
	   SET status = 'cancelled', waits_until = NULL, cancel_requested_at = clock_timestamp(),
	       completed_at = clock_timestamp(), updated_at = clock_timestamp()
	 WHERE j.id = job;
	INSERT INTO job_logs (job_id, message) VALUES (job, 'cancelled before it was begun');
	RETURN 'cancelled';
END
$$;
