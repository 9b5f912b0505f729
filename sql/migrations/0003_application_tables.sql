-- Tables that an application is likeliest to have already: work that waits, and what it enriches.
-- `cronward migrate` compares what is there with these forms; the workers come with their issues.

-- For later steps, whose columns an application may have given to its table in the meantime.
CREATE OR REPLACE FUNCTION cronward_add_column(place regclass, name text, type regtype, more text DEFAULT '') RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
	found text := (SELECT format_type(atttypid, atttypmod) FROM pg_attribute
	                WHERE attrelid = place AND attname = name AND attnum > 0 AND NOT attisdropped);
BEGIN
	IF found IS NULL THEN
		EXECUTE format('ALTER TABLE %s ADD COLUMN %I %s %s', place, name, type, more);
	ELSIF found <> format_type(type, NULL) THEN
		RAISE EXCEPTION '%.% is %; cronward needs %', place, quote_ident(name), found, type;
	END IF;
END
$$;

-- waits_until alone says whether a row waits for work: NULL, it does not; infinity, it waits for
-- something else to happen; else it is due then, or, leased, taken until lease_until.  No table of
-- an application's has it, so of rows that were there before cronward none is ever due; run_at and
-- next_attempt_at are for people.
CREATE TABLE IF NOT EXISTS jobs (
	id uuid PRIMARY KEY DEFAULT cronward_uuid(),
	workspace_id uuid,
	job_type text NOT NULL,
	payload jsonb NOT NULL DEFAULT '{}',
	status text NOT NULL DEFAULT 'pending'
		CHECK (status IN ('pending', 'blocked', 'processing', 'completed', 'failed', 'cancelled')),
	queue text NOT NULL DEFAULT 'default',
	priority smallint NOT NULL DEFAULT 0, -- higher first
	attempts integer NOT NULL DEFAULT 0,
	max_attempts integer NOT NULL DEFAULT 5,
	lost integer NOT NULL DEFAULT 0,
	run_at timestamptz NOT NULL DEFAULT now(),
	waits_until timestamptz DEFAULT clock_timestamp(),
	lease_until timestamptz,
	claim_token uuid,
	started_at timestamptz,
	completed_at timestamptz,
	progress integer NOT NULL DEFAULT 0,
	result jsonb,
	error_message text,
	error_stack text,
	unique_key text,
	created_at timestamptz NOT NULL DEFAULT now(),
	updated_at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000,
	autovacuum_analyze_scale_factor = 0.05);
CREATE INDEX IF NOT EXISTS jobs_age ON jobs (created_at, id);

CREATE TABLE IF NOT EXISTS accounts ( -- rows are the application's
	id uuid PRIMARY KEY DEFAULT cronward_uuid(),
	workspace_id uuid,
	domain text,
	name text,
	enrichment jsonb,
	enriched_at timestamptz
);

CREATE TABLE IF NOT EXISTS contacts ( -- rows are the application's
	id uuid PRIMARY KEY DEFAULT cronward_uuid(),
	workspace_id uuid,
	email text,
	first_name text,
	last_name text,
	enrichment jsonb,
	enriched_at timestamptz
);

CREATE TABLE IF NOT EXISTS email_queue (
	id uuid PRIMARY KEY DEFAULT cronward_uuid(),
	to_address text NOT NULL,
	subject text,
	html text,
	text text,
	template text,
	data jsonb NOT NULL DEFAULT '{}',
	status text NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'processing', 'sent', 'failed')),
	priority smallint NOT NULL DEFAULT 0,
	attempts integer NOT NULL DEFAULT 0,
	max_attempts integer NOT NULL DEFAULT 3,
	lost integer NOT NULL DEFAULT 0,
	scheduled_for timestamptz NOT NULL DEFAULT now(),
	next_attempt_at timestamptz,
	waits_until timestamptz DEFAULT clock_timestamp(),
	lease_until timestamptz,
	claim_token uuid,
	provider_id text,
	last_error text,
	created_at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000,
	autovacuum_analyze_scale_factor = 0.05);
CREATE INDEX IF NOT EXISTS email_queue_age ON email_queue (created_at, id);
