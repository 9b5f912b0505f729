-- What is asked of jobs one by one: enqueued once however often it is asked, tried again, cancelled.
-- What jobs are made of is in 0009, what follows from their end in 0014.

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

-- The lines of a job are read in their order, a page at a time.
CREATE INDEX IF NOT EXISTS job_logs_in_order ON job_logs (job_id, id);
DROP INDEX IF EXISTS job_logs_of_job;

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
