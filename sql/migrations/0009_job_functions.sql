-- What keeps jobs: enqueueing, dependencies, slots of keys, and rows that others write.  Applications
-- call enqueue_job and enqueue_jobs; retry_job and cancel_job are in 0013.  What they refuse has SQLSTATE
-- CW400 (it could never be done so), CW404 (there is no such job) or CW409 (not as things are now).

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

-- What is wrong with an object of enqueue_jobs, in a sentence; NULL: nothing is.  Called when an
-- insert has failed, to say it better; what the insert takes is taken whatever is said here.
CREATE OR REPLACE FUNCTION cronward_job_fault(job jsonb) RETURNS text LANGUAGE plpgsql STABLE AS $$
DECLARE
	option text;
	value jsonb;
	word text;
	fault text;
	budget_s integer;
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
		fault := CASE
			WHEN option <> ALL (cronward_job_options()) THEN
				'is no option; there are ' || array_to_string(cronward_job_options(), ', ')
			WHEN option IN ('job_type', 'type', 'queue', 'unique_key', 'concurrency_key') THEN
				CASE WHEN jsonb_typeof(value) <> 'string' OR length(word) NOT BETWEEN 1 AND 200
				     THEN format('must be a text of 1 to 200 characters; it %s', CASE WHEN jsonb_typeof(value) = 'string'
						THEN 'has ' || length(word) ELSE 'is ' || left(value::text, 60) END) END
			WHEN option = 'priority' THEN
				CASE WHEN word NOT IN ('high', 'normal', 'low')
				     THEN 'must be high, normal or low, or ' || substr(cronward_job_number_fault(value, -32768, 32767), 9) END
			WHEN option IN ('max_attempts', 'concurrency_limit') THEN cronward_job_number_fault(value, 1, 1000)
			WHEN option = 'timeout_s' THEN cronward_job_number_fault(value, 1, 3600)
			WHEN option = 'on_conflict' THEN
				CASE WHEN word NOT IN ('keep', 'replace', 'reject')
				     THEN format('must be keep, replace or reject; it is %s', left(value::text, 60)) END
			WHEN option = 'on_dependency_failure' THEN
				CASE WHEN word NOT IN ('fail', 'run') THEN format('must be fail or run; it is %s', left(value::text, 60)) END
			WHEN option IN ('id', 'workspace_id') THEN
				CASE WHEN jsonb_typeof(value) <> 'string' OR word !~* '^\{?[0-9a-f]{8}(-?[0-9a-f]{4}){3}-?[0-9a-f]{12}\}?$'
				     THEN format('must be a UUID; it is %s', left(value::text, 60)) END
			WHEN option = 'depends_on' THEN
				CASE WHEN jsonb_typeof(value) <> 'array' THEN format('must be a list of job ids; it is %s', left(value::text, 60))
				     ELSE (SELECT min(format('must be a list of job ids; one is %s', left(one::text, 60)))
				             FROM jsonb_array_elements(value) one
				            WHERE jsonb_typeof(one) <> 'string' OR one #>> '{}' !~* '^\{?[0-9a-f]{8}(-?[0-9a-f]{4}){3}-?[0-9a-f]{12}\}?$') END
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
	IF job ? 'timeout_s' THEN
		SELECT run_budget_s INTO budget_s FROM job_limits;
	END IF;
	IF (job->>'timeout_s')::integer > budget_s THEN
		RETURN format('timeout_s is at most the %s seconds that a run lasts (RUN_BUDGET_S); it is %s, and longer work answers 202 and calls back',
			budget_s, job->>'timeout_s');
	END IF;
	RETURN NULL;
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
	prefix text := '';
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
			RAISE EXCEPTION USING ERRCODE = 'CW400', MESSAGE = CASE WHEN is_one THEN '' ELSE format('jobs[%s]: ', place) END || fault;
		END IF;
	END LOOP;

	SELECT i.n, i.said, i.nth > 1 AS is_twice INTO bad
	  FROM (SELECT j.n - 1 AS n, j.job->>'id' AS said, (j.job->>'id')::uuid AS id,
	               row_number() OVER (PARTITION BY (j.job->>'id')::uuid ORDER BY j.n) AS nth
	          FROM jsonb_array_elements(all_jobs) WITH ORDINALITY j (job, n) WHERE j.job->>'id' IS NOT NULL) i
	 WHERE i.nth > 1 OR (SELECT true FROM jobs o WHERE o.id = i.id)
	 ORDER BY i.n LIMIT 1;
	IF FOUND THEN
		prefix := CASE WHEN is_one THEN '' ELSE format('jobs[%s]: ', bad.n) END;
		IF bad.is_twice THEN
			RAISE EXCEPTION USING ERRCODE = 'CW400', MESSAGE = format('%sid %s is given twice', prefix, bad.said);
		END IF;
		RAISE EXCEPTION USING ERRCODE = 'CW409', MESSAGE = format('%sid %s is that of another job', prefix, bad.said);
	END IF;
	SELECT j.n - 1 AS n, d.needed INTO bad
	  FROM jsonb_array_elements(all_jobs) WITH ORDINALITY j (job, n), jsonb_array_elements_text(NULLIF(j.job->'depends_on', 'null')) d (needed)
	 WHERE NOT d.needed::uuid IN (SELECT (o.job->>'id')::uuid FROM jsonb_array_elements(all_jobs) o (job) WHERE o.job->>'id' IS NOT NULL)
	   AND (SELECT true FROM jobs o WHERE o.id = d.needed::uuid) IS NULL
	 ORDER BY j.n LIMIT 1;
	IF FOUND THEN
		RAISE EXCEPTION USING ERRCODE = 'CW400', MESSAGE = format('%sdepends_on names %s, and there is no such job',
			CASE WHEN is_one THEN '' ELSE format('jobs[%s]: ', bad.n) END, bad.needed);
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
	IF live.lease_until IS NOT NULL THEN
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
					  FROM cronward_job_meets_its_like(all_jobs->n, CASE WHEN is_one THEN '' ELSE format('jobs[%s]: ', n) END) m;
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
		CASE WHEN is_one THEN '' ELSE format('jobs[%s]: ', n) END, all_jobs->n->>'unique_key');
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
	budget_s integer;
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
		ELSE cronward_job_payload_fault(NEW.payload)
		END;
	IF fault IS NULL AND NEW.timeout_s IS NOT NULL THEN
		SELECT run_budget_s INTO budget_s FROM job_limits;
		IF NEW.timeout_s > budget_s THEN
			fault := format('timeout_s is at most the %s seconds that a run lasts (RUN_BUDGET_S); it is %s, and longer work answers 202 and calls back',
				budget_s, NEW.timeout_s);
		END IF;
	END IF;
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

-- Dependencies -------------------------------------------------------------------------------------------

-- A cycle among the edges "$1[n] depends on $2[n]", as ids, the first one again at its end; NULL: there
-- is none.  Takes away what depends on nothing until nothing is left, or what is left goes round.
CREATE OR REPLACE FUNCTION cronward_dependency_cycle(job_ids uuid[], needed uuid[]) RETURNS uuid[] LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
	names uuid[];
	waits integer[]; -- how many prerequisites a node still has
	first integer[]; -- where in `dependents` those of a node begin
	dependents integer[];
	of_edge integer[];
	ready integer[] := '{}';
	count_ready integer := 0;
	done integer := 0;
	node integer;
	path integer[] := '{}';
BEGIN
	SELECT array_agg(u.id ORDER BY u.id) INTO names FROM (SELECT unnest(job_ids) AS id UNION SELECT unnest(needed)) u;
	IF names IS NULL THEN
		RETURN NULL;
	END IF;
	WITH node AS MATERIALIZED (
		SELECT id, n::integer FROM unnest(names) WITH ORDINALITY AS u (id, n)
	)
	SELECT array_agg(j.n ORDER BY p.n), array_agg(p.n ORDER BY p.n) INTO dependents, of_edge
	  FROM unnest(job_ids, needed) AS e (job_id, depends_on) JOIN node j ON j.id = e.job_id JOIN node p ON p.id = e.depends_on;
	waits := array_fill(0, ARRAY[cardinality(names)]);
	first := array_fill(0, ARRAY[cardinality(names)]);
	FOR edge IN REVERSE cardinality(dependents)..1 LOOP
		waits[dependents[edge]] := waits[dependents[edge]] + 1;
		first[of_edge[edge]] := edge;
	END LOOP;
	FOR i IN 1..cardinality(names) LOOP
		IF waits[i] = 0 THEN
			count_ready := count_ready + 1;
			ready[count_ready] := i;
		END IF;
	END LOOP;
	WHILE done < count_ready LOOP
		done := done + 1;
		node := ready[done];
		FOR edge IN first[node]..cardinality(dependents) LOOP
			EXIT WHEN first[node] = 0 OR of_edge[edge] <> node;
			waits[dependents[edge]] := waits[dependents[edge]] - 1;
			IF waits[dependents[edge]] = 0 THEN
				count_ready := count_ready + 1;
				ready[count_ready] := dependents[edge];
			END IF;
		END LOOP;
	END LOOP;
	IF done = cardinality(names) THEN
		RETURN NULL;
	END IF;
	-- Each node that is left has a prerequisite that is left, so going from one to the next comes round.
	FOR edge IN 1..cardinality(dependents) LOOP
		IF waits[dependents[edge]] > 0 AND waits[of_edge[edge]] > 0 THEN
			first[dependents[edge]] := of_edge[edge];
			node := of_edge[edge];
		END IF;
	END LOOP;
	ready := array_fill(0, ARRAY[cardinality(names)]);
	count_ready := 0;
	WHILE ready[node] = 0 LOOP
		count_ready := count_ready + 1;
		ready[node] := count_ready;
		path[count_ready] := node;
		node := first[node];
	END LOOP;
	path := path[ready[node]:] || node;
	RETURN ARRAY(SELECT names[i] FROM unnest(path) WITH ORDINALITY AS p (i, n) ORDER BY n);
END
$$;

-- Jobs have ended, however: their dependents are free of them, or, of one, fail with it.  Who fails takes its own
-- dependents along, all in one statement, however long the chain; the triggers that this fires find
-- nothing open any more.  Edges are counted as they are closed, so what ends twice is counted once.
CREATE OR REPLACE FUNCTION cronward_dependents_go_on(ended uuid[], has_failed boolean, reason text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	failing uuid[];
BEGIN
	PERFORM FROM job_dependencies WHERE depends_on = ANY (ended) AND is_open LIMIT 1;
	IF NOT FOUND THEN
		RETURN;
	END IF;
	IF has_failed THEN
		failing := ARRAY(
			WITH RECURSIVE f (id) AS (
				SELECT d.job_id FROM job_dependencies d
				 WHERE d.depends_on = ANY (ended) AND d.is_open
				   AND (SELECT j.on_dependency_failure = 'fail' AND j.waits_until IS NOT NULL FROM jobs j WHERE j.id = d.job_id)
				UNION
				SELECT d.job_id FROM f JOIN job_dependencies d ON d.depends_on = f.id AND d.is_open
				 WHERE (SELECT j.on_dependency_failure = 'fail' AND j.waits_until IS NOT NULL FROM jobs j WHERE j.id = d.job_id))
			SELECT id FROM f);
	END IF;
	PERFORM FROM jobs
	  WHERE id = ANY (ARRAY(SELECT job_id FROM job_dependencies WHERE depends_on = ANY (failing || ended) AND is_open))
	  ORDER BY id FOR NO KEY UPDATE;

	-- All edges out of what ends here, and what they lead to, which is locked: so its address stays.
	WITH closed AS (
		UPDATE job_dependencies SET is_open = false WHERE depends_on = ANY (failing || ended) AND is_open
		RETURNING job_id, depends_on
	), open AS MATERIALIZED (
		SELECT job_id, count(*)::integer AS edges, min(depends_on::text) AS depends_on, job_id IN (SELECT unnest(failing)) AS fails
		  FROM closed GROUP BY job_id
	), gone AS (
		UPDATE jobs j
		   SET open_dependencies = GREATEST(j.open_dependencies - o.edges, 0),
		       status = CASE WHEN o.fails THEN 'failed' WHEN j.status = 'blocked' AND j.open_dependencies <= o.edges THEN 'pending' ELSE j.status END,
		       waits_until = CASE WHEN o.fails THEN NULL
		                          WHEN j.waits_until = 'infinity' AND j.open_dependencies <= o.edges THEN j.run_at ELSE j.waits_until END,
		       error_message = CASE WHEN NOT o.fails THEN j.error_message
		                            WHEN o.depends_on = ended[1]::text THEN left(format('its dependency %s %s', ended[1], reason), 1024)
		                            ELSE left(format('its dependency %s failed: %s %s', o.depends_on, ended[1], reason), 1024) END,
		       completed_at = CASE WHEN o.fails THEN clock_timestamp() ELSE j.completed_at END,
		       dead_at = CASE WHEN o.fails THEN clock_timestamp() ELSE j.dead_at END,
		       updated_at = clock_timestamp()
		  FROM (SELECT *, (SELECT ctid FROM jobs WHERE id = job_id) AS place FROM open) o
		 WHERE j.ctid = o.place AND j.waits_until IS NOT NULL
		RETURNING j.id, j.error_message, o.fails
	)
	INSERT INTO job_logs (job_id, level, message)
	SELECT id, 'error', 'failed for good: ' || error_message FROM gone WHERE fails;

	PERFORM FROM app_webhooks WHERE failing <> '{}' AND (events = '{}' OR events && '{job.failed,job.*}') LIMIT 1;
	IF FOUND THEN
		INSERT INTO platform_events (event_type, payload)
		SELECT 'job.failed', cronward_job_event(j) FROM jobs j WHERE j.id = ANY (failing) AND j.status = 'failed';
	END IF;
END
$$;

-- What one statement ends is gathered row by row and goes on at its end, all together: 500 prerequisites of
-- one job count down once and not 500 times, and dependents are locked in one order.  Anybody can set what it is
-- gathered in, so only what has really ended is looked at.
CREATE OR REPLACE FUNCTION cronward_job_ends() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	PERFORM FROM job_dependencies WHERE depends_on = NEW.id AND is_open LIMIT 1;
	IF FOUND THEN
		PERFORM set_config('cronward.ended', concat(current_setting('cronward.ended', true), ' ', NEW.id), true);
	END IF;
	RETURN NULL;
END
$$;
CREATE OR REPLACE TRIGGER jobs_end AFTER UPDATE ON jobs
	FOR EACH ROW WHEN (OLD.is_awaited AND OLD.waits_until IS NOT NULL AND NEW.waits_until IS NULL)
	EXECUTE FUNCTION cronward_job_ends();

CREATE OR REPLACE FUNCTION cronward_jobs_have_ended() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
	ended uuid[] := string_to_array(ltrim(current_setting('cronward.ended', true)), ' ');
	job record;
BEGIN
	IF ended IS NULL OR ended = '{}' THEN
		RETURN NULL;
	END IF;
	PERFORM set_config('cronward.ended', '', true);
	PERFORM cronward_dependents_go_on(ARRAY(SELECT id FROM jobs WHERE id = ANY (ended) AND waits_until IS NULL AND status = 'completed'), false, '');
	FOR job IN SELECT id, status, error_message FROM jobs WHERE id = ANY (ended) AND waits_until IS NULL AND status <> 'completed' ORDER BY id LOOP
		PERFORM cronward_dependents_go_on(ARRAY[job.id], true,
			CASE job.status WHEN 'cancelled' THEN 'was cancelled' ELSE 'failed: ' || COALESCE(job.error_message, 'no reason was given') END);
	END LOOP;
	RETURN NULL;
END
$$;
CREATE OR REPLACE TRIGGER jobs_have_ended AFTER UPDATE ON jobs
	FOR EACH STATEMENT EXECUTE FUNCTION cronward_jobs_have_ended();

-- Who deletes a live job fails or frees its dependents, and frees its slot; what has ended has done
-- both, so pruning fires nothing.
CREATE OR REPLACE FUNCTION cronward_job_is_deleted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	PERFORM cronward_dependents_go_on(ARRAY[OLD.id], true, 'was deleted');
	DELETE FROM job_slots WHERE job_id = OLD.id;
	RETURN NULL;
END
$$;
CREATE OR REPLACE TRIGGER jobs_are_deleted AFTER DELETE ON jobs
	FOR EACH ROW WHEN (OLD.waits_until IS NOT NULL AND (OLD.is_awaited OR OLD.lease_until IS NOT NULL AND OLD.concurrency_key IS NOT NULL))
	EXECUTE FUNCTION cronward_job_is_deleted();

-- New edges.  Jobs are locked in the order of their ids, those that are depended on already in a way
-- that many may share.  A cycle needs a dependent that others depend on; where those others are not of
-- this statement, their edges may be followed by somebody else's at this moment, so that is looked at one
-- after the other.  Whoever makes the first edge to a job has its row in common with who makes it depend.
CREATE OR REPLACE FUNCTION cronward_dependencies_come() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
	bad record;
	ended record;
	cycle uuid[];
	is_followed boolean := false;
BEGIN
	SELECT job_id, depends_on INTO bad FROM fresh ORDER BY job_id <> depends_on LIMIT 1;
	IF NOT FOUND THEN
		RETURN NULL;
	ELSIF bad.job_id = bad.depends_on THEN
		RAISE EXCEPTION USING ERRCODE = 'CW400', MESSAGE = format('job %s cannot depend on itself', bad.job_id);
	END IF;
	FOR round IN 1..2 LOOP
		IF NOT is_followed THEN
			PERFORM FROM (SELECT d.job_id, d.depends_on FROM job_dependencies d WHERE d.depends_on = ANY (ARRAY(SELECT job_id FROM fresh))
			              EXCEPT SELECT job_id, depends_on FROM fresh LIMIT 1) others;
			IF FOUND THEN
				is_followed := true;
				PERFORM pg_advisory_xact_lock(17239, 4);
			END IF;
		END IF;
		EXIT WHEN round = 2;
		PERFORM FROM jobs
		  WHERE id = ANY (ARRAY(SELECT job_id FROM fresh
		                        UNION
		                        SELECT f.depends_on FROM fresh f WHERE NOT (SELECT j.is_awaited FROM jobs j WHERE j.id = f.depends_on)))
		  ORDER BY id FOR NO KEY UPDATE;
		PERFORM FROM jobs WHERE id = ANY (ARRAY(SELECT depends_on FROM fresh)) ORDER BY id FOR SHARE;
	END LOOP;

	SELECT f.job_id, f.depends_on, j.id AS job, p.id AS needed, j.status, j.waits_until IS NOT NULL AND j.lease_until IS NULL AS may_wait INTO bad
	  FROM fresh f LEFT JOIN LATERAL (SELECT * FROM jobs WHERE id = f.job_id OFFSET 0) j ON true
	  LEFT JOIN LATERAL (SELECT id FROM jobs WHERE id = f.depends_on OFFSET 0) p ON true
	 WHERE j.id IS NULL OR p.id IS NULL OR j.waits_until IS NULL OR j.lease_until IS NOT NULL
	 LIMIT 1;
	IF NOT FOUND THEN
		NULL;
	ELSIF bad.needed IS NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'CW400', MESSAGE = format('job %s cannot depend on %s: there is no such job', bad.job_id, bad.depends_on);
	ELSIF bad.job IS NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'CW400', MESSAGE = format('job %s cannot depend on %s: there is no job %1$s', bad.job_id, bad.depends_on);
	ELSE
		RAISE EXCEPTION USING ERRCODE = 'CW409',
			MESSAGE = format('job %s cannot depend on %s any more: it is %s', bad.job_id, bad.depends_on, bad.status);
	END IF;

	IF is_followed THEN
		WITH RECURSIVE up (id) AS (
			SELECT depends_on FROM fresh
			UNION
			SELECT d.depends_on FROM up JOIN job_dependencies d ON d.job_id = up.id
		)
		SELECT cronward_dependency_cycle(array_agg(d.job_id), array_agg(d.depends_on)) INTO cycle
		  FROM job_dependencies d WHERE d.job_id = ANY (ARRAY(SELECT id FROM up UNION SELECT job_id FROM fresh));
	ELSIF EXISTS (SELECT job_id FROM fresh INTERSECT SELECT depends_on FROM fresh LIMIT 1) THEN
		SELECT cronward_dependency_cycle(array_agg(job_id), array_agg(depends_on)) INTO cycle FROM fresh;
	END IF;
	IF cycle IS NOT NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'CW400', MESSAGE = 'dependencies go round in a cycle: ' || CASE WHEN cardinality(cycle) > 12
			THEN array_to_string(cycle[:10], ' depends on ') || format(' depends on … (%s jobs)', cardinality(cycle) - 1)
			ELSE array_to_string(cycle, ' depends on ') END;
	END IF;

	UPDATE jobs j
	   SET is_awaited = j.is_awaited OR o.is_needed,
	       open_dependencies = j.open_dependencies + o.edges,
	       status = CASE WHEN o.edges > 0 THEN 'blocked' ELSE j.status END,
	       waits_until = CASE WHEN o.edges > 0 THEN 'infinity' ELSE j.waits_until END
	  FROM (SELECT (SELECT ctid FROM jobs WHERE id = e.id) AS place, sum(edge)::integer AS edges, bool_or(is_needed) AS is_needed
	          FROM (SELECT job_id AS id, is_open::integer AS edge, false AS is_needed FROM fresh
	                UNION ALL SELECT depends_on, 0, true FROM fresh) e GROUP BY e.id) o
	 WHERE j.ctid = o.place AND (o.edges > 0 OR o.is_needed AND NOT j.is_awaited);

	FOR ended IN
		SELECT p.* FROM (SELECT DISTINCT depends_on FROM fresh) f
		 CROSS JOIN LATERAL (SELECT id, status, error_message FROM jobs WHERE id = f.depends_on AND waits_until IS NULL OFFSET 0) p
	LOOP
		PERFORM cronward_dependents_go_on(ARRAY[ended.id], ended.status <> 'completed',
			CASE ended.status WHEN 'cancelled' THEN 'was cancelled' ELSE 'failed: ' || COALESCE(ended.error_message, 'no reason was given') END);
	END LOOP;
	RETURN NULL;
END
$$;
CREATE OR REPLACE TRIGGER job_dependencies_come AFTER INSERT ON job_dependencies
	REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION cronward_dependencies_come();

-- An open edge that somebody deletes keeps nobody any more.
CREATE OR REPLACE FUNCTION cronward_dependencies_go() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	PERFORM FROM gone WHERE is_open LIMIT 1;
	IF FOUND THEN
		PERFORM FROM jobs WHERE id = ANY (ARRAY(SELECT job_id FROM gone WHERE is_open)) ORDER BY id FOR NO KEY UPDATE;
		UPDATE jobs j
		   SET open_dependencies = GREATEST(j.open_dependencies - o.edges, 0),
		       status = CASE WHEN j.status = 'blocked' AND j.open_dependencies <= o.edges THEN 'pending' ELSE j.status END,
		       waits_until = CASE WHEN j.waits_until = 'infinity' AND j.open_dependencies <= o.edges THEN j.run_at ELSE j.waits_until END,
		       updated_at = clock_timestamp()
		  FROM (SELECT job_id, count(*)::integer AS edges FROM gone WHERE is_open GROUP BY job_id) o
		 WHERE j.id = ANY (ARRAY(SELECT job_id FROM gone WHERE is_open)) AND j.id = o.job_id AND j.waits_until IS NOT NULL;
	END IF;
	RETURN NULL;
END
$$;
CREATE OR REPLACE TRIGGER job_dependencies_go AFTER DELETE ON job_dependencies
	REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION cronward_dependencies_go();

-- Slots of keys --------------------------------------------------------------------------------------------

-- Whatever ends a lease gives back its slot.
CREATE OR REPLACE FUNCTION cronward_job_lets_go() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	DELETE FROM job_slots WHERE job_id = OLD.id;
	RETURN NULL;
END
$$;
CREATE OR REPLACE TRIGGER jobs_let_go AFTER UPDATE ON jobs
	FOR EACH ROW WHEN (OLD.concurrency_key IS NOT NULL AND OLD.lease_until IS NOT NULL AND NEW.lease_until IS NULL)
	EXECUTE FUNCTION cronward_job_lets_go();

-- As many of a key's line come forward as slots were freed.
CREATE OR REPLACE FUNCTION cronward_slots_go() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	UPDATE jobs
	   SET waits_until = run_at, updated_at = clock_timestamp()
	 WHERE id = ANY (ARRAY(
		SELECT l.id
		  FROM (SELECT concurrency_key, count(*) AS slots FROM gone GROUP BY concurrency_key ORDER BY concurrency_key) k
		 CROSS JOIN LATERAL (
			SELECT j.id FROM jobs j
			 WHERE j.concurrency_key = k.concurrency_key AND j.waits_until = 'infinity' AND j.open_dependencies = 0
			 ORDER BY j.priority DESC, j.run_at, j.id
			 LIMIT k.slots
			   FOR NO KEY UPDATE SKIP LOCKED) l));
	RETURN NULL;
END
$$;
CREATE OR REPLACE TRIGGER job_slots_go AFTER DELETE ON job_slots
	REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION cronward_slots_go();

-- Running again -----------------------------------------------------------------------------------------

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

-- retry_job(job) of 0013 for jobs that failed or were cancelled; by force also one that is completed runs
-- again.  Its status afterwards.
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

-- Rows that others change ------------------------------------------------------------------------------------

-- An application that knows the columns of its own, and sets the status (retry or cancel from its own
-- pages) or run_at, is understood.  What is under a lease ends only by its lease: it can be asked to stop.
-- Rows from before cronward came are the application's alone.
CREATE OR REPLACE FUNCTION cronward_job_is_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF NEW.waits_until IS NULL AND NEW.created_at < (SELECT a.at FROM cronward_adopted a WHERE a.name = 'jobs') THEN
		RETURN NULL;
	END IF;
	IF NEW.run_at = '-infinity' THEN
		RAISE EXCEPTION USING ERRCODE = 'CW400', MESSAGE = 'run_at must be a time that comes; it is -infinity';
	END IF;
	IF NEW.lease_until > clock_timestamp() THEN
		IF NEW.status IN ('cancelled', 'failed') THEN
			UPDATE jobs j SET status = OLD.status, cancel_requested_at = COALESCE(j.cancel_requested_at, clock_timestamp()) WHERE j.id = NEW.id;
		ELSIF NEW.status NOT IN ('processing', OLD.status) THEN
			RAISE EXCEPTION USING ERRCODE = 'CW409',
				MESSAGE = format('job %s is being processed: it can be cancelled, and not be set %s', NEW.id, NEW.status);
		END IF;
	ELSIF NEW.status IN ('completed', 'failed', 'cancelled') THEN
		UPDATE jobs j
		   SET waits_until = NULL, lease_until = NULL, claim_token = NULL, awaits_callback = false, open_dependencies = 0,
		       completed_at = COALESCE(j.completed_at, clock_timestamp()),
		       dead_at = CASE WHEN j.status = 'failed' THEN COALESCE(j.dead_at, clock_timestamp()) END
		 WHERE j.id = NEW.id;
	ELSIF NEW.waits_until IS NULL AND NEW.status = 'pending' THEN
		PERFORM cronward_jobs_revive(ARRAY[NEW.id]);
		IF NEW.run_at > clock_timestamp() THEN
			UPDATE jobs j SET run_at = NEW.run_at, waits_until = CASE WHEN j.open_dependencies > 0 THEN j.waits_until ELSE NEW.run_at END WHERE j.id = NEW.id;
		END IF;
	ELSIF NEW.waits_until IS NOT NULL THEN
		UPDATE jobs j
		   SET status = CASE WHEN j.open_dependencies > 0 THEN 'blocked' ELSE NEW.status END,
		       waits_until = CASE WHEN j.open_dependencies > 0 OR NEW.status IN ('processing', 'blocked') THEN 'infinity'
		                          ELSE NEW.run_at END,
		       lease_until = NULL, claim_token = NULL, awaits_callback = false
		 WHERE j.id = NEW.id;
	END IF;
	RETURN NULL;
END
$$;
CREATE OR REPLACE TRIGGER jobs_are_changed AFTER UPDATE ON jobs
	FOR EACH ROW WHEN ((OLD.status <> NEW.status OR OLD.run_at <> NEW.run_at)
		AND OLD.waits_until IS NOT DISTINCT FROM NEW.waits_until AND OLD.claim_token IS NOT DISTINCT FROM NEW.claim_token
		AND OLD.lease_until IS NOT DISTINCT FROM NEW.lease_until)
	EXECUTE FUNCTION cronward_job_is_changed();

-- Whose rights -----------------------------------------------------------------------------------------------

-- Who may write one row of a job's need not have rights to the others.  These act with their owner's
-- rights, whoever fires them; who may execute one may hang it on a table of his own (see 0007).
DO $$
DECLARE name text;
BEGIN
	FOREACH name IN ARRAY ARRAY['cronward_job_comes', 'cronward_job_ends', 'cronward_jobs_have_ended', 'cronward_job_is_deleted', 'cronward_dependencies_come',
		'cronward_dependencies_go', 'cronward_job_payload_comes', 'cronward_job_lets_go', 'cronward_slots_go', 'cronward_job_is_changed'] LOOP
		EXECUTE format('ALTER FUNCTION %I() SECURITY DEFINER SET search_path = %I, pg_temp', name, current_schema());
		EXECUTE format('REVOKE EXECUTE ON FUNCTION %I() FROM PUBLIC', name);
	END LOOP;
END
$$;
