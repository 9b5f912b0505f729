-- The job queue: what jobs needs beyond its first form, and the tables around it.
-- The functions that keep it are in 0009, 0013 and 0014, schedules in 0010, workspaces' rows in 0011.

-- jobs ------------------------------------------------------------------------------------------

SELECT cronward_add_column('jobs', 'timeout_s', 'integer', 'CHECK (timeout_s BETWEEN 1 AND 3600)');
SELECT cronward_add_column('jobs', 'concurrency_key', 'text');
SELECT cronward_add_column('jobs', 'concurrency_limit', 'integer',
	'NOT NULL DEFAULT 1 CHECK (concurrency_limit BETWEEN 1 AND 1000)');
SELECT cronward_add_column('jobs', 'open_dependencies', 'integer', 'NOT NULL DEFAULT 0');
SELECT cronward_add_column('jobs', 'is_awaited', 'boolean', 'NOT NULL DEFAULT false');
SELECT cronward_add_column('jobs', 'on_dependency_failure', 'text',
	$$NOT NULL DEFAULT 'fail' CHECK (on_dependency_failure IN ('fail', 'run'))$$);
SELECT cronward_add_column('jobs', 'awaits_callback', 'boolean', 'NOT NULL DEFAULT false');
SELECT cronward_add_column('jobs', 'performed_at', 'timestamptz');
SELECT cronward_add_column('jobs', 'cancel_requested_at', 'timestamptz');
SELECT cronward_add_column('jobs', 'dead_at', 'timestamptz');

-- All rows of a page are claimed one after the other, and their second versions must find room in it for
-- that to be HOT: of 60,000 jobs at a fillfactor of 70 only 20,749 did, and a drain took 32 us of the
-- server per job; at 50 28 us, and at 45 all did, and it took 25.5 us.  What is settled then takes the
-- place of the versions before, so the table ends up no larger.
ALTER TABLE jobs SET (fillfactor = 45);
-- What is settled is no HOT update: it enters the key and jobs_age anew, beside its first entry.  With
-- room for both in a page that took 8 % less than pages that are full, have to be cleared of what is
-- dead and split all the same.
DO $$
DECLARE index regclass;
BEGIN
	FOR index IN SELECT indexrelid FROM pg_index
	              WHERE indrelid = 'jobs'::regclass AND (indisprimary OR indexrelid = to_regclass('jobs_age')) LOOP
		EXECUTE format('ALTER INDEX %s SET (fillfactor = 50)', index);
	END LOOP;
END
$$;

COMMENT ON COLUMN jobs.attempts IS 'tries whose outcome was settled';
COMMENT ON COLUMN jobs.lost IS 'leases that ran out since the last settled try';
COMMENT ON COLUMN jobs.timeout_s IS 'of one try; NULL: the type''s, else JOB_TIMEOUT_S';
COMMENT ON COLUMN jobs.open_dependencies IS 'rows of job_dependencies that keep it blocked';
COMMENT ON COLUMN jobs.is_awaited IS 'other jobs depend, or depended, on it';
COMMENT ON COLUMN jobs.awaits_callback IS 'its processor has answered 202 and calls back before lease_until';
COMMENT ON COLUMN jobs.performed_at IS 'its work is committed, only its settling is not; such a job never runs again';
COMMENT ON COLUMN jobs.cancel_requested_at IS 'whoever runs it is to stop it and settle it as cancelled';
COMMENT ON COLUMN jobs.dead_at IS 'when it failed for good';

-- A claim finds the few lanes (queue and priority) that hold anything, then rows by time in each,
-- so it never walks over rows of a higher priority that are not due yet, nor over paused queues.
CREATE INDEX IF NOT EXISTS jobs_due ON jobs (queue, priority, waits_until, id) WHERE waits_until IS NOT NULL;
CREATE INDEX IF NOT EXISTS jobs_suspect ON jobs (lost, waits_until, id) WHERE lost > 0 AND waits_until IS NOT NULL;
-- No index or predicate mentions status, lease, token or progress: a claim is a HOT update.
CREATE UNIQUE INDEX IF NOT EXISTS jobs_unique_while_live ON jobs (unique_key)
	WHERE unique_key IS NOT NULL AND waits_until IS NOT NULL;
-- Jobs that found no slot of their key free stand in its line.
CREATE INDEX IF NOT EXISTS jobs_key_line ON jobs (concurrency_key, priority DESC, run_at, id)
	WHERE concurrency_key IS NOT NULL AND waits_until = 'infinity' AND open_dependencies = 0;
CREATE INDEX IF NOT EXISTS jobs_dead ON jobs (dead_at, id) WHERE dead_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS jobs_of_workspace ON jobs (workspace_id, created_at, id) WHERE workspace_id IS NOT NULL;

-- Around them -----------------------------------------------------------------------------------

CREATE TABLE IF NOT EXISTS job_logs (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	job_id uuid NOT NULL,
	level text NOT NULL DEFAULT 'info' CHECK (level IN ('debug', 'info', 'warn', 'error')),
	message text NOT NULL,
	data jsonb,
	created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
-- The lines of a job are read in their order, a page at a time.
CREATE INDEX IF NOT EXISTS job_logs_in_order ON job_logs (job_id, id);

CREATE TABLE IF NOT EXISTS job_dependencies (
	job_id uuid NOT NULL,
	depends_on uuid NOT NULL,
	is_open boolean NOT NULL DEFAULT true,
	PRIMARY KEY (job_id, depends_on)
);
CREATE INDEX IF NOT EXISTS job_dependencies_of ON job_dependencies (depends_on, job_id);
COMMENT ON COLUMN job_dependencies.is_open IS 'depends_on has not ended yet';

CREATE TABLE IF NOT EXISTS job_types (
	job_type text PRIMARY KEY,
	processor text NOT NULL CHECK (processor IN ('http', 'sql', 'plugin', 'apollo')),
	target text NOT NULL,
	secret text,
	headers jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(headers) = 'object'),
	defaults jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(defaults) = 'object'),
	created_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON COLUMN job_types.target IS 'http: a URL; sql: a function; plugin: its name in PROCESSOR_DIR; apollo: account or contact';
COMMENT ON COLUMN job_types.secret IS 'http: signs the request; plain ones are sealed at first use when there is a key';
COMMENT ON COLUMN job_types.defaults IS 'queue, priority, max_attempts and timeout_s of jobs that do not say them';
INSERT INTO job_types (job_type, processor, target)
VALUES ('enrich_account', 'apollo', 'account'), ('enrich_contact', 'apollo', 'contact')
    ON CONFLICT DO NOTHING;

CREATE TABLE IF NOT EXISTS job_queues (
	name text PRIMARY KEY,
	paused boolean NOT NULL DEFAULT false,
	paused_at timestamptz,
	created_at timestamptz NOT NULL DEFAULT now()
);

-- A row is the right to run one job of a key: that no key passes its limit is the primary key's to
-- see to, whatever processes do.
CREATE TABLE IF NOT EXISTS job_slots (
	concurrency_key text NOT NULL,
	slot integer NOT NULL,
	job_id uuid NOT NULL,
	PRIMARY KEY (concurrency_key, slot)
);
CREATE UNIQUE INDEX IF NOT EXISTS job_slots_of_job ON job_slots (job_id);

-- What was answered to a POST with an Idempotency-Key.
CREATE TABLE IF NOT EXISTS job_requests (
	idempotency_key text PRIMARY KEY CHECK (length(idempotency_key) BETWEEN 1 AND 255),
	body_sha256 bytea NOT NULL,
	reply jsonb NOT NULL,
	created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX IF NOT EXISTS job_requests_age ON job_requests (created_at);

-- A run's limits, as the program last had them, so that enqueueing can refuse what could never run.
CREATE TABLE IF NOT EXISTS job_limits (
	is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only),
	run_budget_s integer NOT NULL
);

-- Of an application that has these, policies and all, they are left as they are.
CREATE TABLE IF NOT EXISTS workspaces ( -- rows are the application's
	id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
	name text,
	created_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE IF NOT EXISTS workspace_members ( -- rows are the application's
	workspace_id uuid NOT NULL,
	user_id uuid NOT NULL,
	PRIMARY KEY (workspace_id, user_id)
);
CREATE TABLE IF NOT EXISTS workspace_settings ( -- rows are the application's
	workspace_id uuid PRIMARY KEY,
	apollo_api_key_encrypted text
);
COMMENT ON COLUMN workspace_settings.apollo_api_key_encrypted IS 'plain or sealed; plain ones are sealed at first use when there is a key';

-- Somebody asked for a run while this one had the lock: whoever holds it runs once more.
SELECT cronward_add_column('cron_locks', 'is_rung', 'boolean', 'NOT NULL DEFAULT false');
