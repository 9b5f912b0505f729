-- Who may read which jobs: members of a workspace its own, and nobody may write.
--
-- Row-level security does not bind the tables' owner, roles that inherit from it, and roles with
-- BYPASSRLS (Supabase's service_role): those are the service.  Nothing is forced upon the owner, so
-- the engine's own statements carry no condition more.  A service of another role has what it is
-- granted, once cronward_trust() says so.

-- The user on whose behalf this session asks; NULL: nobody.  Claims, where there are any, decide
-- alone, so that no setting that a session kept from its last user speaks for a visitor.  Parsing
-- them is the one thing here that can fail, hence the block, and hence no parallel plans.
CREATE OR REPLACE FUNCTION cronward_user_id() RETURNS uuid
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	claims text := NULLIF(current_setting('request.jwt.claims', true), '');
BEGIN
	IF claims IS NOT NULL THEN
		RETURN (claims::pg_catalog.jsonb ->> 'sub')::pg_catalog.uuid;
	END IF;
	RETURN NULLIF(current_setting('app.user_id', true), '')::pg_catalog.uuid;
EXCEPTION WHEN OTHERS THEN
	RETURN NULL;
END
$$;

CREATE INDEX IF NOT EXISTS workspace_members_of_user ON workspace_members (user_id, workspace_id);

-- Memberships are an array, so that they are asked for once in a statement and rows then found through
-- an index; IN (SELECT …) would be a filter over every row.  workspace_settings has no condition at
-- all: nobody but the service reads keys, whatever is granted.  An application whose own table of
-- this name was adopted has its own policies, and may call this instead of them.
CREATE OR REPLACE FUNCTION cronward_isolate(place regclass) RETURNS void
LANGUAGE plpgsql SET client_min_messages = warning AS $$
DECLARE
	mine text := 'ANY (ARRAY(SELECT m.workspace_id FROM workspace_members m WHERE m.user_id = (SELECT cronward_user_id())))';
	name text := (SELECT relname FROM pg_class WHERE oid = place);
	condition text := CASE name
		WHEN 'jobs' THEN 'workspace_id = ' || mine
		WHEN 'job_logs' THEN 'EXISTS (SELECT FROM jobs j WHERE j.id = job_logs.job_id)'
		WHEN 'job_dependencies' THEN 'EXISTS (SELECT FROM jobs j WHERE j.id = job_dependencies.job_id)'
			|| ' AND EXISTS (SELECT FROM jobs j WHERE j.id = job_dependencies.depends_on)'
		WHEN 'workspaces' THEN 'id = ' || mine
		WHEN 'workspace_members' THEN 'user_id = (SELECT cronward_user_id())'
		WHEN 'workspace_settings' THEN 'false' END;
BEGIN
	IF condition IS NULL THEN
		RAISE EXCEPTION '% is none of jobs, job_logs, job_dependencies, workspaces, workspace_members, workspace_settings', place;
	END IF;
	EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', place);
	EXECUTE format('DROP POLICY IF EXISTS cronward_members ON %s', place);
	EXECUTE format('CREATE POLICY cronward_members ON %s FOR SELECT USING (%s)', place, condition);
END
$$;

-- Lets a role that is neither owner nor heir work on all rows, as far as it is granted to: an
-- application that enqueues, or cronward itself as a role that owns nothing.
CREATE OR REPLACE FUNCTION cronward_trust(role regrole) RETURNS void
LANGUAGE plpgsql SET client_min_messages = warning AS $$
DECLARE
	name text := left('cronward_trusts_' || role::text, 63);
	place regclass;
BEGIN
	FOR place IN
		SELECT to_regclass(t) FROM unnest(ARRAY['jobs', 'job_logs', 'job_dependencies', 'workspaces', 'workspace_members',
		                                        'workspace_settings']) t WHERE to_regclass(t) IS NOT NULL
	LOOP
		EXECUTE format('DROP POLICY IF EXISTS %I ON %s', name, place);
		EXECUTE format('CREATE POLICY %I ON %s TO %s USING (true) WITH CHECK (true)', name, place, role);
	END LOOP;
END
$$;

-- What members may know of their settings: that there is a key.  A view looks with its owner's
-- rights; the barrier keeps functions in a query from seeing rows that it leaves out.
CREATE OR REPLACE VIEW my_workspace_settings WITH (security_barrier) AS
	SELECT s.workspace_id, s.apollo_api_key_encrypted IS NOT NULL AS has_apollo_api_key
	  FROM workspace_settings s
	 WHERE s.workspace_id = ANY (ARRAY(SELECT m.workspace_id FROM workspace_members m
	                                    WHERE m.user_id = (SELECT cronward_user_id())));

-- Isolates what is not an application's.  Supabase grants every new table to those who come over the
-- web: row-level security knows no TRUNCATE, and the queue's other tables are none of their business.
DO $$
DECLARE
	theirs text[] := COALESCE(NULLIF(current_setting('cronward.adopting', true), ''), '{}')::text[]
	              || ARRAY(SELECT a.name FROM cronward_adopted a);
	visitors text := (SELECT string_agg(quote_ident(rolname), ', ') FROM pg_roles WHERE rolname IN ('anon', 'authenticated'));
	t record;
BEGIN
	FOR t IN
		SELECT to_regclass(x.name) AS place, x.is_isolated, x.is_read
		  FROM (VALUES ('jobs', true, true), ('job_logs', true, true), ('job_dependencies', true, true),
		               ('workspaces', true, true), ('workspace_members', true, true), ('workspace_settings', true, false),
		               ('my_workspace_settings', false, true), ('job_types', false, false), ('job_queues', false, false),
		               ('job_slots', false, false), ('job_requests', false, false), ('job_limits', false, false),
		               ('job_schedules', false, false)) AS x(name, is_isolated, is_read)
		 WHERE to_regclass(x.name) IS NOT NULL AND x.name <> ALL (theirs)
	LOOP
		IF t.is_isolated THEN
			PERFORM cronward_isolate(t.place);
		END IF;
		IF visitors IS NOT NULL THEN
			EXECUTE format('REVOKE ALL ON %s FROM %s', t.place, visitors);
		END IF;
		IF t.is_read AND visitors ~ 'authenticated' THEN
			EXECUTE format('GRANT SELECT ON %s TO authenticated', t.place);
		END IF;
		IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'service_role') THEN
			EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO service_role', t.place);
		END IF;
	END LOOP;
END
$$;
