-- What processors call, and what they tell of.

-- Settling -------------------------------------------------------------------------------------

-- The payload of job.completed and job.failed.  In PL/pgSQL, so that settling need not plan it where
-- nobody wants events.
CREATE OR REPLACE FUNCTION cronward_job_event(d jobs) RETURNS jsonb
LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
BEGIN
	RETURN jsonb_strip_nulls(jsonb_build_object(
			'id', d.id, 'type', d.job_type, 'queue', d.queue, 'workspace_id', d.workspace_id,
			'status', d.status, 'attempts', d.attempts, 'max_attempts', d.max_attempts,
			'created_at', d.created_at, 'completed_at', d.completed_at, 'error', d.error_message))
	    || jsonb_build_object('result', d.result);
END
$$;

-- The sql processor ------------------------------------------------------------------------------

-- How to call the function that job_types.target names, or why not.
CREATE OR REPLACE FUNCTION cronward_job_call(target text) RETURNS text
LANGUAGE plpgsql STABLE AS $$
DECLARE
	part text := $re$("([^"]|"")+"|[[:alpha:]_][[:alnum:]_$]*)$re$;
	f record;
BEGIN
	IF target !~ ('^(' || part || '\.)?' || part || '$') THEN
		RAISE EXCEPTION 'job_types.target "%" is no function''s name; allowed is name or schema.name', target
			USING ERRCODE = 'CW422';
	END IF;
	SELECT p.*, n.nspname INTO f
	  FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
	 WHERE p.oid = to_regprocedure(target || '(jsonb)');
	IF f.oid IS NULL THEN
		RAISE EXCEPTION 'there is no function %(jsonb), which job_types.target names', target
			USING ERRCODE = 'CW422',
			      HINT = COALESCE((SELECT 'there is ' || string_agg(p.oid::regprocedure::text, ', ') FROM pg_proc p
			                        WHERE p.proname = (SELECT name FROM unnest(parse_ident(target)) WITH ORDINALITY AS t (name, n)
			                                            ORDER BY n DESC LIMIT 1)), 'names are looked up in the search_path of cronward''s role');
	END IF;
	IF f.proname LIKE 'cronward\_%' THEN
		RAISE EXCEPTION 'job_types.target names %(jsonb), which is cronward''s own', target USING ERRCODE = 'CW422';
	END IF;
	IF f.prorettype <> 'jsonb'::regtype OR f.proretset OR f.prokind <> 'f' THEN
		RAISE EXCEPTION '%(jsonb) %; allowed is a function that returns jsonb', target,
			CASE f.prokind WHEN 'p' THEN 'is a procedure' WHEN 'a' THEN 'is an aggregate'
			ELSE 'returns ' || pg_get_function_result(f.oid) END
			USING ERRCODE = 'CW422';
	END IF;
	RETURN format('SELECT %I.%I($1)', f.nspname, f.proname);
END
$$;

-- Runs a claimed job's function, and writes down in the same transaction that it has: it takes
-- effect once, or not at all.  Whoever claims the job after us changes the token, so whichever of
-- the two commits first, the other one changes nothing.
CREATE OR REPLACE FUNCTION cronward_job_perform(job_id uuid, token uuid, target text, job jsonb) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
	path text := current_setting('search_path');
	result_max int := 1024 * 1024;
	is_performed boolean;
	answer jsonb;
BEGIN
	SELECT performed_at IS NOT NULL INTO is_performed FROM jobs WHERE id = job_id AND claim_token = token;
	IF is_performed THEN
		RETURN;
	END IF;
	IF is_performed IS NULL THEN
		RAISE EXCEPTION 'the claim of job % was lost before its function began', job_id USING ERRCODE = 'CW409';
	END IF;
	EXECUTE cronward_job_call(target) INTO answer USING job;
	-- The function may have changed it, or made a temporary table of that name, and jobs is to be the table
	-- that it was.
	PERFORM set_config('search_path', path || ', pg_temp', true);
	IF octet_length(answer::text) > result_max THEN
		RAISE EXCEPTION 'the result has % bytes; allowed are %', octet_length(answer::text), result_max
			USING ERRCODE = 'CW413';
	END IF;
	UPDATE jobs j SET result = answer, performed_at = clock_timestamp() WHERE j.id = job_id AND j.claim_token = token;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'the claim of job % was lost while its function ran, so all that it did is rolled back', job_id
			USING ERRCODE = 'CW409';
	END IF;
END
$$;

-- A connection's state as it was when it was made, for the next job's function.
CREATE OR REPLACE FUNCTION cronward_session_discard() RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
	RESET SESSION AUTHORIZATION;
	RESET ROLE;
	RESET ALL;
	UNLISTEN *;
	PERFORM pg_advisory_unlock_all();
	EXECUTE 'CLOSE ALL';
	DEALLOCATE ALL;
	DISCARD TEMP;
	DISCARD SEQUENCES;
END
$$;
-- It takes back roles and settings: not for those who were given theirs, as PostgREST's callers are.
REVOKE EXECUTE ON FUNCTION cronward_session_discard() FROM PUBLIC;
DO $$
DECLARE
	visitors text := (SELECT string_agg(quote_ident(rolname), ', ') FROM pg_roles WHERE rolname IN ('anon', 'authenticated'));
BEGIN
	IF visitors IS NOT NULL THEN
		EXECUTE format('REVOKE EXECUTE ON FUNCTION cronward_session_discard() FROM %s', visitors);
	END IF;
END
$$;

-- For a job's function to say how far it is.  A notice leaves at once, what it writes only when it
-- commits; INFO is sent whatever client_min_messages is.
CREATE OR REPLACE FUNCTION job_progress(percent integer, message text DEFAULT NULL) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
	RAISE INFO USING MESSAGE = COALESCE(message, 'progress'), ERRCODE = 'CW101',
		DETAIL = COALESCE(LEAST(GREATEST(percent, 0), 100)::text, '');
END
$$;

-- The same for a line of its log; level is debug, info, warn or error.
CREATE OR REPLACE FUNCTION job_log(level text, message text, data jsonb DEFAULT NULL) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
	IF level IS NULL OR level NOT IN ('debug', 'info', 'warn', 'error') THEN
		RAISE EXCEPTION 'job_log(): level is %; allowed are debug, info, warn and error', COALESCE(quote_literal(level), 'NULL')
			USING ERRCODE = 'CW400';
	END IF;
	RAISE INFO USING MESSAGE = COALESCE(message, ''), ERRCODE = 'CW102', HINT = level, DETAIL = COALESCE(data::text, '');
END
$$;

-- Enrichments ------------------------------------------------------------------------------------

-- What an enrichment needs besides its payload: the workspace's key as it is stored, and the row
-- that the payload names, if it is that workspace's; "found" says what the row's enrichment is of.
-- Asked within a claim, so whatever a payload is, it raises nothing, and long texts are cut where
-- they still are too long.
CREATE OR REPLACE FUNCTION cronward_enrichment_context(job_type text, workspace_id uuid, payload jsonb) RETURNS jsonb
LANGUAGE sql STABLE AS $$
	SELECT jsonb_build_object(
		'key', (SELECT left(s.apollo_api_key_encrypted, 90000) FROM workspace_settings s WHERE s.workspace_id = $2),
		'row', CASE n.target
			WHEN 'account' THEN (
				SELECT jsonb_build_object('id', a.id, 'domain', left(a.domain, 2000), 'name', left(a.name, 2000),
					'enriched_at', to_char(a.enriched_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
					'found', left(a.enrichment ->> 'primary_domain', 2000))
				  FROM accounts a
				 WHERE a.id = CASE WHEN n.account ~* n.form THEN n.account::uuid END AND a.workspace_id = $2)
			WHEN 'contact' THEN (
				SELECT jsonb_build_object('id', c.id, 'email', left(c.email, 2000),
					'first_name', left(c.first_name, 2000), 'last_name', left(c.last_name, 2000),
					'enriched_at', to_char(c.enriched_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
					'found', left(c.enrichment ->> 'email', 2000))
				  FROM contacts c
				 WHERE c.id = CASE WHEN n.contact ~* n.form THEN n.contact::uuid END AND c.workspace_id = $2)
		END)
	  FROM (SELECT (SELECT t.target FROM job_types t WHERE t.job_type = $1) AS target,
	               $3 ->> 'account_id' AS account, $3 ->> 'contact_id' AS contact,
	               '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$' AS form) n
$$;

-- Plain keys are looked for by each run, and are few.
CREATE INDEX IF NOT EXISTS workspace_settings_plain ON workspace_settings (workspace_id)
	WHERE apollo_api_key_encrypted <> '' AND NOT starts_with(apollo_api_key_encrypted, 'cw1.');
