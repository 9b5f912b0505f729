-- Enqueueing: what may be said of a job, and rows that others put in.  Applications call enqueue_job and
-- enqueue_jobs; retry_job and cancel_job are in 0013.  What they refuse has SQLSTATE CW400 (it
-- could never be done so), CW404 (there is no such job) or CW409 (not as things are now).

-- What may be said of a job --------------------------------------------------------------------------

CREATE OR REPLACE FUNCTION cronward_job_priority(word text) RETURNS smallint LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
	SELECT CASE word WHEN 'high' THEN 10 WHEN 'normal' THEN 0 WHEN 'low' THEN -10 ELSE word::smallint END::smallint
$$;

-- The options of enqueue_jobs' objects; enqueue_job's have the same names.
CREATE OR REPLACE FUNCTION cronward_job_options() RETURNS text[] LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
	SELECT '{job_type,type,payload,queue,priority,run_at,max_attempts,unique_key,on_conflict,concurrency_key,concurrency_limit,depends_on,on_dependency_failure,timeout_s,workspace_id,id}'::text[]
$$;

-- Why a value is no integer from $2 to $3; NULL where it is one.
CREATE OR REPLACE FUNCTION cronward_job_number_fault(value jsonb, low integer, high integer) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
	SELECT CASE WHEN value #>> '{}' ~ '^[-+]?[0-9]{1,9}$' AND jsonb_typeof(value) IN ('number', 'string')
	                 AND (CASE WHEN value #>> '{}' ~ '^[-+]?[0-9]{1,9}$' THEN (value #>> '{}')::integer END) BETWEEN low AND high
	            THEN NULL
	            ELSE format('must be an integer from %s to %s; it is %s', low, high, left(value::text, 60)) END
$$;

-- Why a time-out is too long; NULL: it is not, or it is not known how long a run lasts.
CREATE OR REPLACE FUNCTION cronward_job_timeout_fault(timeout_s integer) RETURNS text LANGUAGE sql STABLE STRICT AS $$
	SELECT format('timeout_s is at most the %s seconds that a run lasts (RUN_BUDGET_S); it is %s, and longer work answers 202 and calls back',
			l.run_budget_s, timeout_s)
	  FROM job_limits l WHERE timeout_s > l.run_budget_s
$$;

-- Which job of enqueue_jobs a message is about: nothing is to be said where there is one alone.
CREATE OR REPLACE FUNCTION cronward_job_place(is_one boolean, n bigint) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
	SELECT CASE WHEN is_one THEN '' ELSE format('jobs[%s]: ', n) END
$$;

-- What is wrong with an object of enqueue_jobs, in a sentence; NULL: nothing is.  Called when an
-- insert has failed, to say it better; what the insert takes is taken whatever is said here.
CREATE OR REPLACE FUNCTION cronward_job_fault(job jsonb) RETURNS text LANGUAGE plpgsql STABLE AS $$
DECLARE
	uuid_form CONSTANT text := '^\{?[0-9a-f]{8}(-?[0-9a-f]{4}){3}-?[0-9a-f]{12}\}?$';
	option text;
	value jsonb;
	word text;
	shown text;
	fault text;
BEGIN
	IF jsonb_typeof(job) IS DISTINCT FROM 'object' THEN
		RETURN format('a job is an object, such as {"job_type": "mail", "payload": {}}; this is %s', left(COALESCE(job::text, 'NULL'), 60));
	END IF;
	job := jsonb_strip_nulls(job - 'payload');
	IF NOT job ?| ARRAY['job_type', 'type'] THEN
		RETURN 'job_type is missing';
	END IF;
	FOR option, value IN SELECT * FROM jsonb_each(job) LOOP
		word := value #>> '{}';
		shown := left(value::text, 60);
		fault := CASE
			WHEN option <> ALL (cronward_job_options()) THEN
				'is no option; there are ' || array_to_string(cronward_job_options(), ', ')
			WHEN option IN ('job_type', 'type', 'queue', 'unique_key', 'concurrency_key') THEN
				CASE WHEN jsonb_typeof(value) <> 'string' THEN 'must be a text of 1 to 200 characters; it is ' || shown
				     WHEN length(word) NOT BETWEEN 1 AND 200 THEN 'must be a text of 1 to 200 characters; it has ' || length(word) END
			WHEN option = 'priority' THEN
				CASE WHEN word NOT IN ('high', 'normal', 'low')
				     THEN 'must be high, normal or low, or ' || substr(cronward_job_number_fault(value, -32768, 32767), 9) END
			WHEN option IN ('max_attempts', 'concurrency_limit') THEN cronward_job_number_fault(value, 1, 1000)
			WHEN option = 'timeout_s' THEN cronward_job_number_fault(value, 1, 3600)
			WHEN option = 'on_conflict' AND word NOT IN ('keep', 'replace', 'reject') THEN 'must be keep, replace or reject; it is ' || shown
			WHEN option = 'on_dependency_failure' AND word NOT IN ('fail', 'run') THEN 'must be fail or run; it is ' || shown
			WHEN option IN ('id', 'workspace_id') AND (jsonb_typeof(value) <> 'string' OR word !~* uuid_form) THEN 'must be a UUID; it is ' || shown
			WHEN option = 'depends_on' AND jsonb_typeof(value) <> 'array' THEN 'must be a list of job ids; it is ' || shown
			WHEN option = 'depends_on' THEN
				(SELECT min('must be a list of job ids; one is ' || left(one::text, 60))
				   FROM jsonb_array_elements(value) one
				  WHERE jsonb_typeof(one) <> 'string' OR one #>> '{}' !~* uuid_form)
			END;
		IF fault IS NOT NULL THEN
			RETURN option || ' ' || fault;
		END IF;
	END LOOP;

	IF job->>'job_type' <> job->>'type' THEN
		RETURN 'job_type and type are two names of one option, and say two things';
	ELSIF job->>'on_conflict' <> 'keep' AND NOT job ? 'unique_key' THEN
		RETURN 'on_conflict says what becomes of the job that has the same unique_key, and there is no unique_key';
	ELSIF job ? 'concurrency_limit' AND NOT job ? 'concurrency_key' THEN
		RETURN 'concurrency_limit says how many jobs of one concurrency_key run at once, and there is no concurrency_key';
	ELSIF job->'depends_on' @> to_jsonb(job->>'id') THEN
		RETURN 'depends_on names the job itself';
	END IF;
	SELECT format('depends_on names %s twice', one) INTO fault
	  FROM jsonb_array_elements_text(job->'depends_on') one GROUP BY one HAVING count(*) > 1 LIMIT 1;
	IF FOUND THEN
		RETURN fault;
	END IF;
	IF job ? 'run_at' THEN
		BEGIN
			IF NOT isfinite((job->>'run_at')::timestamptz) THEN
				RETURN format('run_at must be a time that comes; it is %s', left(job->>'run_at', 60));
			END IF;
		EXCEPTION WHEN data_exception THEN
			RETURN format('run_at must be a time, such as 2026-01-31T12:00:00Z; it is %s', left((job->'run_at')::text, 60));
		END;
	END IF;
	RETURN cronward_job_timeout_fault((job->>'timeout_s')::integer);
END
$$;

-- job_types.defaults: what jobs of a type have that do not say it themselves.
CREATE OR REPLACE FUNCTION cronward_job_defaults_are_valid(defaults jsonb) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
	SELECT defaults - '{queue,priority,max_attempts,timeout_s}'::text[] = '{}'
	   AND CASE WHEN defaults ? 'queue' THEN jsonb_typeof(defaults->'queue') = 'string' AND length(defaults->>'queue') BETWEEN 1 AND 200 ELSE true END
	   AND CASE WHEN NOT defaults ? 'priority' OR defaults->>'priority' IN ('high', 'normal', 'low') THEN true
	            WHEN defaults->>'priority' ~ '^-?[0-9]{1,5}$' THEN (defaults->>'priority')::integer BETWEEN -32768 AND 32767
	            ELSE false END
	   AND CASE WHEN NOT defaults ? 'max_attempts' THEN true
	            WHEN defaults->>'max_attempts' ~ '^[0-9]{1,4}$' THEN (defaults->>'max_attempts')::integer BETWEEN 1 AND 1000
	            ELSE false END
	   AND CASE WHEN NOT defaults ? 'timeout_s' THEN true
	            WHEN defaults->>'timeout_s' ~ '^[0-9]{1,4}$' THEN (defaults->>'timeout_s')::integer BETWEEN 1 AND 3600
	            ELSE false END
$$;
ALTER TABLE job_types ADD CONSTRAINT job_types_defaults_are_options CHECK (cronward_job_defaults_are_valid(defaults));

-- Enqueueing -----------------------------------------------------------------------------------------

-- Says which job of an array is wrong, and how; does nothing where none is.  Ids are looked at all together:
-- 10,000 jobs that name ids are judged in half a second.
CREATE OR REPLACE FUNCTION cronward_jobs_refuse(all_jobs jsonb, is_one boolean) RETURNS void LANGUAGE plpgsql STABLE AS $$
DECLARE
	job jsonb;
	place integer := -1;
	fault text;
	bad record;
BEGIN
	IF jsonb_typeof(all_jobs) IS DISTINCT FROM 'array' THEN
		RETURN;
	END IF;
	FOR job IN SELECT * FROM jsonb_array_elements(all_jobs) LOOP
		place := place + 1;
		fault := cronward_job_fault(job);
		IF fault IS NOT NULL THEN
			RAISE EXCEPTION USING ERRCODE = 'CW400', MESSAGE = cronward_job_place(is_one, place) || fault;
		END IF;
	END LOOP;

	SELECT i.n, i.said, i.nth > 1 AS is_twice INTO bad
	  FROM (SELECT j.n - 1 AS n, j.job->>'id' AS said, (j.job->>'id')::uuid AS id,
	               row_number() OVER (PARTITION BY (j.job->>'id')::uuid ORDER BY j.n) AS nth
	          FROM jsonb_array_elements(all_jobs) WITH ORDINALITY j (job, n) WHERE j.job->>'id' IS NOT NULL) i
	 WHERE i.nth > 1 OR (SELECT true FROM jobs o WHERE o.id = i.id)
	 ORDER BY i.n LIMIT 1;
	IF FOUND THEN
		RAISE EXCEPTION USING ERRCODE = CASE WHEN bad.is_twice THEN 'CW400' ELSE 'CW409' END,
			MESSAGE = format('%sid %s is %s', cronward_job_place(is_one, bad.n), bad.said,
				CASE WHEN bad.is_twice THEN 'given twice' ELSE 'that of another job' END);
	END IF;
	SELECT j.n - 1 AS n, d.needed INTO bad
	  FROM jsonb_array_elements(all_jobs) WITH ORDINALITY j (job, n), jsonb_array_elements_text(NULLIF(j.job->'depends_on', 'null')) d (needed)
	 WHERE NOT d.needed::uuid IN (SELECT (o.job->>'id')::uuid FROM jsonb_array_elements(all_jobs) o (job) WHERE o.job->>'id' IS NOT NULL)
	   AND (SELECT true FROM jobs o WHERE o.id = d.needed::uuid) IS NULL
	 ORDER BY j.n LIMIT 1;
	IF FOUND THEN
		RAISE EXCEPTION USING ERRCODE = 'CW400', MESSAGE = format('%sdepends_on names %s, and there is no such job',
			cronward_job_place(is_one, bad.n), bad.needed);
	END IF;
END
$$;

-- The rows that the objects of an array become, in their order; `defaults` are those of types by name.  Ids count up from one random number
-- (RFC 9562, 6.2): one call for 5,000 jobs is a third faster than with a random number for each, and
-- their order is that of the array.  Stable, and given no volatile argument, it becomes a part of the statement.
CREATE OR REPLACE FUNCTION cronward_jobs_read(batch jsonb, seed uuid, defaults jsonb) RETURNS TABLE (
	n integer, id uuid, job_type text, payload jsonb, queue text, priority smallint, run_at timestamptz, waits_until timestamptz, max_attempts integer,
	unique_key text, concurrency_key text, concurrency_limit integer, on_dependency_failure text, timeout_s integer, workspace_id uuid)
LANGUAGE sql STABLE AS $$
	SELECT r.n::integer - 1, COALESCE(r.id, encode(s.head || int8send(s.tail + r.n), 'hex')::uuid), COALESCE(r.job_type, r.type),
	       COALESCE(r.payload, '{}'), COALESCE(r.queue, defaults->COALESCE(r.job_type, r.type)->>'queue', 'default'),
	       cronward_job_priority(COALESCE(r.priority, defaults->COALESCE(r.job_type, r.type)->>'priority', 'normal')),
	       COALESCE(r.run_at, now()), COALESCE(r.run_at, clock_timestamp()),
	       COALESCE(r.max_attempts, (defaults->COALESCE(r.job_type, r.type)->>'max_attempts')::integer, 5),
	       r.unique_key, r.concurrency_key, COALESCE(r.concurrency_limit, 1), COALESCE(r.on_dependency_failure, 'fail'),
	       r.timeout_s, r.workspace_id
	  FROM (SELECT substring(uuid_send(seed) FROM 1 FOR 8) AS head,
	               ('x' || right(seed::text, 4) || substring(seed::text FROM 25 FOR 8))::bit(48)::bigint
			+ '-9223372036854775808'::bigint AS tail OFFSET 0) s
	 CROSS JOIN ROWS FROM (jsonb_to_recordset(batch) AS (job_type text, type text, payload jsonb, queue text, priority text, run_at timestamptz,
	               max_attempts integer, unique_key text, concurrency_key text, concurrency_limit integer,
	               on_dependency_failure text, timeout_s integer, workspace_id uuid, id uuid)) WITH ORDINALITY
	       AS r (job_type, type, payload, queue, priority, run_at, max_attempts, unique_key, concurrency_key, concurrency_limit,
	             on_dependency_failure, timeout_s, workspace_id, id, n)
$$;

-- What a job does to the live one that has its unique_key.  `id` is that of the one or the other then;
-- NULL: there is no live one any more.
CREATE OR REPLACE FUNCTION cronward_job_meets_its_like(job jsonb, prefix text, OUT id uuid, OUT is_new boolean) LANGUAGE plpgsql AS $$
DECLARE
	kind CONSTANT text := COALESCE(job->>'job_type', job->>'type');
	needed CONSTANT uuid[] := ARRAY(SELECT jsonb_array_elements_text(NULLIF(job->'depends_on', 'null')))::uuid[];
	live record;
	new record;
BEGIN
	is_new := false;
	IF COALESCE(job->>'on_conflict', 'keep') = 'keep' THEN
		SELECT j.id INTO id FROM jobs j WHERE j.unique_key = job->>'unique_key' AND j.waits_until IS NOT NULL;
		RETURN;
	END IF;
	SELECT j.id, j.status, j.lease_until INTO live
	  FROM jobs j WHERE j.unique_key = job->>'unique_key' AND j.waits_until IS NOT NULL FOR NO KEY UPDATE;
	IF NOT FOUND THEN
		RETURN;
	ELSIF job->>'on_conflict' = 'reject' THEN
		RAISE EXCEPTION USING ERRCODE = 'CW409',
			MESSAGE = format('%sunique_key %s is that of job %s, which is %s', prefix, job->>'unique_key', live.id, live.status);
	END IF;
	SELECT * INTO new
	  FROM cronward_jobs_read(jsonb_build_array(job), cronward_uuid(),
			(SELECT jsonb_build_object(kind, t.defaults) FROM job_types t WHERE t.job_type = kind)) r;
	IF live.status = 'processing' OR live.lease_until IS NOT NULL THEN -- by cronward or by the application itself
		UPDATE jobs j SET unique_key = NULL, updated_at = clock_timestamp() WHERE j.id = live.id;
		INSERT INTO jobs (id, job_type, payload, queue, priority, run_at, waits_until, max_attempts, unique_key, concurrency_key,
		                  concurrency_limit, on_dependency_failure, timeout_s, workspace_id)
		VALUES (new.id, new.job_type, new.payload, new.queue, new.priority, new.run_at, new.waits_until, new.max_attempts, new.unique_key,
		        new.concurrency_key, new.concurrency_limit, new.on_dependency_failure, new.timeout_s, new.workspace_id);
		id := new.id;
		is_new := true;
	ELSE
		UPDATE jobs j
		   SET job_type = new.job_type, payload = new.payload, queue = new.queue, priority = new.priority, run_at = new.run_at,
		       waits_until = CASE WHEN j.open_dependencies > 0 THEN j.waits_until ELSE new.waits_until END,
		       max_attempts = new.max_attempts, timeout_s = new.timeout_s, concurrency_key = new.concurrency_key,
		       concurrency_limit = new.concurrency_limit, on_dependency_failure = new.on_dependency_failure,
		       workspace_id = new.workspace_id, attempts = 0, lost = 0, progress = 0, error_message = NULL, error_stack = NULL,
		       result = NULL, started_at = NULL, performed_at = NULL, cancel_requested_at = NULL,
		       updated_at = clock_timestamp()
		 WHERE j.id = live.id;
		DELETE FROM job_dependencies d WHERE d.job_id = live.id AND d.depends_on <> ALL (needed);
		id := live.id;
	END IF;
	IF needed <> '{}' THEN
		INSERT INTO job_dependencies (job_id, depends_on) SELECT cronward_job_meets_its_like.id, one FROM unnest(needed) one ON CONFLICT DO NOTHING;
	END IF;
END
$$;

-- Jobs from an array of objects, or from one object: `n` is the place in the array, from 0; `is_new` is
-- false where a live job of the same unique_key was kept or replaced.  Jobs of one array may depend on
-- each other by the ids that they are given there.  What is not said comes from job_types.defaults,
-- else it is what the table has.  All or none.
--
-- on_conflict says what a job does to a live one of the same unique_key.  keep: that one stays as it is,
-- and its id is the answer.  replace: if it has not begun, it becomes the new one and keeps its id; if it
-- is being processed, it gives up its key and ends as it may, and the new job stands beside it.
-- reject: CW409.
--
-- Keys are taken in the order of their text, so that two calls with the same keys do not stop each other;
-- where a live job ended while it was looked at, all is undone and tried again, in that order.
CREATE OR REPLACE FUNCTION enqueue_jobs(jobs jsonb) RETURNS TABLE (n integer, id uuid, is_new boolean) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
	is_one CONSTANT boolean := COALESCE(jsonb_typeof(jobs) = 'object', false);
	all_jobs CONSTANT jsonb := CASE WHEN is_one THEN jsonb_build_array(jobs) ELSE jobs END;
	seed uuid := cronward_uuid();
	defaults jsonb; -- of the types that have any; NULL: none has
	ids uuid[];
	are_new boolean[];
	fresh_ids uuid[] := '{}'; -- of what this statement has inserted
	is_odd boolean;
	has_keys boolean;
	has_edges boolean;
BEGIN
	IF jsonb_typeof(all_jobs) IS DISTINCT FROM 'array' THEN
		RAISE EXCEPTION USING ERRCODE = 'CW400', MESSAGE = 'jobs must be a list of objects, such as [{"job_type": "mail", "payload": {}}]';
	END IF;
	-- Odd is what the statements below would pass over in silence.
	SELECT bool_or(CASE WHEN jsonb_typeof(e) <> 'object' THEN true
	                    ELSE e - cronward_job_options() <> '{}' OR e ?& '{type,job_type}'
	                         OR e ? 'on_conflict' AND (NOT e ? 'unique_key' OR e->>'on_conflict' NOT IN ('keep', 'replace', 'reject'))
	                         OR e ? 'concurrency_limit' AND NOT e ? 'concurrency_key'
	                         OR e ? 'max_attempts' AND e->>'max_attempts' !~ '^([1-9][0-9]{0,2}|1000)$' END),
	       bool_or(e ? 'unique_key' OR e ? 'id'), bool_or(e ? 'depends_on')
	  INTO is_odd, has_keys, has_edges FROM jsonb_array_elements(all_jobs) e;
	IF has_keys AND NOT is_odd THEN
		SELECT count(e->>'id') > count(DISTINCT (e->>'id')::uuid) INTO is_odd FROM jsonb_array_elements(all_jobs) e;
	END IF;
	IF is_odd THEN
		PERFORM cronward_jobs_refuse(all_jobs, is_one);
	END IF;

	SELECT jsonb_object_agg(t.job_type, t.defaults) INTO defaults FROM job_types t WHERE t.defaults <> '{}';
	IF NOT (has_keys OR has_edges) THEN
		RETURN QUERY
		WITH r AS MATERIALIZED (
			SELECT * FROM cronward_jobs_read(all_jobs, seed, defaults)
		), i AS (
			INSERT INTO jobs (id, job_type, payload, queue, priority, run_at, waits_until, max_attempts, unique_key, concurrency_key,
			                  concurrency_limit, on_dependency_failure, timeout_s, workspace_id)
			SELECT id, job_type, payload, queue, priority, run_at, waits_until, max_attempts, unique_key, concurrency_key,
			       concurrency_limit, on_dependency_failure, timeout_s, workspace_id
			  FROM r
		)
		SELECT n, id, true FROM r;
		RETURN;
	END IF;

	FOR tries IN 1..10 LOOP
		BEGIN
			ids := '{}';
			are_new := '{}';
			FOR n, id, is_new IN
				WITH r AS MATERIALIZED (
					SELECT * FROM cronward_jobs_read(all_jobs, seed, defaults)
				), i AS (
					INSERT INTO jobs (id, job_type, payload, queue, priority, run_at, waits_until, max_attempts, unique_key, concurrency_key,
					                  concurrency_limit, on_dependency_failure, timeout_s, workspace_id)
					SELECT id, job_type, payload, queue, priority, run_at, waits_until, max_attempts, unique_key, concurrency_key,
					       concurrency_limit, on_dependency_failure, timeout_s, workspace_id
					  FROM r ORDER BY unique_key NULLS FIRST, n
					    ON CONFLICT DO NOTHING
					RETURNING id
				)
				SELECT n, id, id IN (SELECT id FROM i) FROM r ORDER BY unique_key NULLS FIRST, n
			LOOP
				IF NOT is_new THEN
					SELECT m.id, m.is_new INTO id, is_new
					  FROM cronward_job_meets_its_like(all_jobs->n, cronward_job_place(is_one, n)) m;
					IF id IS NULL THEN
						RAISE EXCEPTION USING ERRCODE = 'CW001', MESSAGE = n::text;
					END IF;
				ELSIF has_edges THEN
					fresh_ids[n + 1] := id;
				END IF;
				ids[n + 1] := id;
				are_new[n + 1] := is_new;
			END LOOP;
			IF has_edges THEN
				INSERT INTO job_dependencies (job_id, depends_on)
				SELECT fresh_ids[j.n], d::uuid
				  FROM jsonb_array_elements(all_jobs) WITH ORDINALITY j (job, n), jsonb_array_elements_text(NULLIF(j.job->'depends_on', 'null')) d
				 WHERE fresh_ids[j.n] IS NOT NULL;
			END IF;
			RETURN QUERY SELECT u.n::integer - 1, u.id, u.is_new FROM unnest(ids, are_new) WITH ORDINALITY u (id, is_new, n);
			RETURN;
		EXCEPTION WHEN SQLSTATE 'CW001' THEN
			n := SQLERRM::integer;
			fresh_ids := '{}';
			seed := cronward_uuid();
		END;
	END LOOP;
	PERFORM cronward_jobs_refuse(all_jobs, is_one);
	RAISE EXCEPTION USING ERRCODE = 'CW409', MESSAGE = format('%sunique_key %s is that of a job that you may not see',
		cronward_job_place(is_one, n), all_jobs->n->>'unique_key');
EXCEPTION WHEN data_exception OR integrity_constraint_violation OR SQLSTATE 'CW400' THEN
	PERFORM cronward_jobs_refuse(all_jobs, is_one);
	RAISE;
END
$$;

-- One job; see enqueue_jobs for what the options mean.  priority is a number or high, normal, low.
CREATE OR REPLACE FUNCTION enqueue_job(
	job_type text,
	payload jsonb DEFAULT '{}',
	queue text DEFAULT NULL,
	priority anycompatible DEFAULT NULL::integer,
	run_at timestamptz DEFAULT NULL,
	max_attempts integer DEFAULT NULL,
	unique_key text DEFAULT NULL,
	on_conflict text DEFAULT 'keep',
	concurrency_key text DEFAULT NULL,
	concurrency_limit integer DEFAULT NULL,
	depends_on uuid[] DEFAULT NULL,
	on_dependency_failure text DEFAULT NULL,
	timeout_s integer DEFAULT NULL,
	workspace_id uuid DEFAULT NULL,
	id uuid DEFAULT NULL
) RETURNS uuid LANGUAGE plpgsql AS $$
DECLARE
	word CONSTANT text := priority::text;
	defaults jsonb;
	made uuid;
BEGIN
	IF unique_key IS NULL AND depends_on IS NULL AND id IS NULL AND on_conflict = 'keep' AND timeout_s IS NULL
	   AND length(job_type) BETWEEN 1 AND 200 AND COALESCE(length(queue) BETWEEN 1 AND 200, true)
	   AND COALESCE(word IN ('high', 'normal', 'low') OR word ~ '^-?[0-9]{1,4}$', true)
	   AND COALESCE(isfinite(run_at), true) AND COALESCE(max_attempts BETWEEN 1 AND 1000, true)
	   AND COALESCE(length(concurrency_key) BETWEEN 1 AND 200 AND COALESCE(concurrency_limit BETWEEN 1 AND 1000, true), concurrency_limit IS NULL)
	   AND COALESCE(on_dependency_failure IN ('fail', 'run'), true) THEN
		SELECT t.defaults INTO defaults FROM job_types t WHERE t.job_type = enqueue_job.job_type;
		INSERT INTO jobs (job_type, payload, queue, priority, run_at, waits_until, max_attempts, concurrency_key, concurrency_limit,
		                  on_dependency_failure, workspace_id)
		VALUES (job_type, COALESCE(payload, '{}'), COALESCE(queue, defaults->>'queue', 'default'),
		        cronward_job_priority(COALESCE(word, defaults->>'priority', 'normal')),
		        COALESCE(run_at, now()), COALESCE(run_at, clock_timestamp()),
		        COALESCE(max_attempts, (defaults->>'max_attempts')::integer, 5),
		        concurrency_key, COALESCE(concurrency_limit, 1), COALESCE(on_dependency_failure, 'fail'), workspace_id)
		RETURNING jobs.id INTO made;
		RETURN made;
	END IF;
	SELECT e.id INTO made
	  FROM enqueue_jobs(jsonb_strip_nulls(jsonb_build_object(
			'job_type', job_type, 'queue', queue, 'priority', word, 'run_at', run_at, 'max_attempts', max_attempts,
			'unique_key', unique_key, 'on_conflict', NULLIF(on_conflict, 'keep'), 'concurrency_key', concurrency_key,
			'concurrency_limit', concurrency_limit, 'depends_on', depends_on, 'on_dependency_failure', on_dependency_failure,
			'timeout_s', timeout_s, 'workspace_id', workspace_id, 'id', id))
		|| jsonb_build_object('payload', COALESCE(payload, '{}'))) e;
	RETURN made;
END
$$;

-- Jobs that come in by a plain INSERT --------------------------------------------------------------------

-- Why a payload is too large; NULL: it is not.  A claim brings the payloads of many jobs, as text, and one
-- that cannot be brought would stop them all.  The text may be far longer than what is stored: of 10,000
-- times 1e131071 it is more than a gigabyte, which PostgreSQL does not even make.  What is stored in 500
-- bytes, not compressed, has no more than some megabytes.
CREATE OR REPLACE FUNCTION cronward_job_payload_fault(payload jsonb) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
	bytes integer;
BEGIN
	bytes := octet_length(payload::text);
	RETURN CASE WHEN bytes > 8 * 1024 * 1024 THEN format('payload may have 8388608 bytes as text; it has %s', bytes) END;
EXCEPTION WHEN program_limit_exceeded OR out_of_memory THEN
	RETURN 'payload may have 8388608 bytes as text; it has more than PostgreSQL can write';
END
$$;

-- Only what a plain row does not have; the rest waits from now on by the column's default.  The condition is
-- short, for each INSERT reads it anew (24 us of 60, when it had all that the function asks).
CREATE OR REPLACE FUNCTION cronward_job_comes() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
	fault text;
BEGIN
	fault := CASE
		WHEN length(NEW.job_type) NOT BETWEEN 1 AND 200 THEN format('job_type must have 1 to 200 characters; it has %s', length(NEW.job_type))
		WHEN length(NEW.queue) NOT BETWEEN 1 AND 200 THEN format('queue must have 1 to 200 characters; it has %s', length(NEW.queue))
		WHEN length(NEW.unique_key) NOT BETWEEN 1 AND 200 THEN format('unique_key must have 1 to 200 characters; it has %s', length(NEW.unique_key))
		WHEN length(NEW.concurrency_key) NOT BETWEEN 1 AND 200 THEN
			format('concurrency_key must have 1 to 200 characters; it has %s', length(NEW.concurrency_key))
		WHEN NEW.max_attempts NOT BETWEEN 1 AND 1000 THEN format('max_attempts must be from 1 to 1000; it is %s', NEW.max_attempts)
		WHEN NOT isfinite(NEW.run_at) THEN format('run_at must be a time that comes; it is %s', NEW.run_at)
		ELSE COALESCE(cronward_job_payload_fault(NEW.payload), cronward_job_timeout_fault(NEW.timeout_s))
		END;
	IF fault IS NOT NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'CW400', MESSAGE = fault;
	END IF;
	IF NEW.waits_until IS NULL OR NEW.lease_until IS NOT NULL THEN
		RETURN NEW;
	END IF;
	-- What has ended is history; what somebody else processes, or is to get dependencies, waits.
	NEW.waits_until := CASE
		WHEN NEW.status IN ('completed', 'failed', 'cancelled') THEN NULL
		WHEN NEW.status IN ('processing', 'blocked') THEN 'infinity'
		ELSE GREATEST(NEW.waits_until, NEW.run_at) END;
	RETURN NEW;
END
$$;
CREATE OR REPLACE TRIGGER jobs_come BEFORE INSERT ON jobs
	FOR EACH ROW WHEN (NEW.status <> 'pending' OR NEW.run_at > NEW.waits_until OR NEW.run_at IN ('-infinity', 'infinity') OR NEW.timeout_s IS NOT NULL
		OR '' IN (NEW.job_type, NEW.queue, NEW.unique_key, NEW.concurrency_key)
		OR length(concat(NEW.job_type, NEW.queue, NEW.unique_key, NEW.concurrency_key)) > 200
		OR pg_column_size(NEW.payload) > 500 OR pg_column_compression(NEW.payload) IS NOT NULL)
	EXECUTE FUNCTION cronward_job_comes();

-- Who gives a job another payload later on.
CREATE OR REPLACE FUNCTION cronward_job_payload_comes() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
	fault CONSTANT text := cronward_job_payload_fault(NEW.payload);
BEGIN
	IF fault IS NOT NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'CW400', MESSAGE = fault;
	END IF;
	RETURN NULL;
END
$$;
CREATE OR REPLACE TRIGGER jobs_get_payload AFTER UPDATE OF payload ON jobs
	FOR EACH ROW WHEN (NEW.waits_until IS NOT NULL
		AND (pg_column_size(NEW.payload) > 500 OR pg_column_compression(NEW.payload) IS NOT NULL))
	EXECUTE FUNCTION cronward_job_payload_comes();

-- Whose rights -----------------------------------------------------------------------------------------------

-- Who may write one row of a job's need not have rights to the others.  These act with their owner's
-- rights, whoever fires them; who may execute one may hang it on a table of his own (see 0007).
DO $$
DECLARE name text;
BEGIN
	FOREACH name IN ARRAY ARRAY['cronward_job_comes', 'cronward_job_payload_comes'] LOOP
		EXECUTE format('ALTER FUNCTION %I() SECURITY DEFINER SET search_path = %I, pg_temp', name, current_schema());
		EXECUTE format('REVOKE EXECUTE ON FUNCTION %I() FROM PUBLIC', name);
	END LOOP;
END
$$;
