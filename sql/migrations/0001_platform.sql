-- Platform events and their webhooks, notifications, and the engine's own tables.
-- Forward only: a released migration is never edited.

-- A uuid that sorts by time (version 7, RFC 9562 5.7): new rows touch the same index pages.
CREATE OR REPLACE FUNCTION cronward_uuid() RETURNS uuid LANGUAGE sql VOLATILE PARALLEL SAFE AS $$
	SELECT encode(set_bit(set_bit(
		overlay(uuid_send(gen_random_uuid())
			PLACING substring(int8send((extract(epoch FROM clock_timestamp()) * 1000)::bigint) FROM 3)
			FROM 1 FOR 6),
		52, 1), 53, 1), 'hex')::uuid
$$;

-- Events ------------------------------------------------------------------------------------

CREATE TABLE IF NOT EXISTS platform_events (
	id uuid PRIMARY KEY DEFAULT cronward_uuid(),
	event_type text NOT NULL CHECK (event_type <> ''),
	payload jsonb NOT NULL,
	created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX IF NOT EXISTS platform_events_age ON platform_events (created_at, id);

CREATE TABLE IF NOT EXISTS platform_events_archive (
	id uuid PRIMARY KEY,
	event_type text NOT NULL,
	payload jsonb NOT NULL,
	created_at timestamptz NOT NULL,
	archived_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- What a receiver gets (Standard Webhooks 1.0.0).  A function of SQL, so it is inlined.
CREATE OR REPLACE FUNCTION cronward_event_body(event_type text, created_at timestamptz, payload jsonb) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE AS $$
	SELECT '{"type":' || to_json(event_type)::text || ',"timestamp":"'
	    || to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
	    || '","data":' || payload::text || '}'
$$;

-- Webhook endpoints ---------------------------------------------------------------------------

-- An entry is an event's exact name or a prefix that ends in ".*".
CREATE OR REPLACE FUNCTION cronward_event_patterns_are_valid(patterns text[]) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
	SELECT NOT EXISTS (SELECT 1 FROM unnest(patterns) p WHERE p IS NULL OR p !~ '^[^*]*[^*.](\.\*)?$')
$$;

CREATE TABLE IF NOT EXISTS app_webhooks (
	id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
	url text NOT NULL,
	secret text NOT NULL,
	previous_secret text,
	events text[] NOT NULL DEFAULT '{}'
		CONSTRAINT app_webhooks_events_are_names_or_prefixes CHECK (cronward_event_patterns_are_valid(events)),
	headers jsonb NOT NULL DEFAULT '{}'
		CONSTRAINT app_webhooks_headers_are_an_object CHECK (jsonb_typeof(headers) = 'object'),
	is_active boolean NOT NULL DEFAULT true,
	disabled_at timestamptz,
	disabled_reason text,
	first_failure_at timestamptz,
	created_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON COLUMN app_webhooks.events IS 'exact names, or prefixes ending in .*; empty: all events';
COMMENT ON COLUMN app_webhooks.first_failure_at IS 'since when every delivery has failed; NULL after a success';

-- Deliveries ----------------------------------------------------------------------------------

-- next_retry_at alone says whether a row waits for work: NULL, it is finished; infinity, it waits
-- for its endpoint to be enabled again; else it is due then, or, leased, taken until lease_until.
-- A claim changes no indexed column, so it is a HOT update; hence the fillfactor.
CREATE TABLE IF NOT EXISTS webhook_deliveries (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	webhook_id uuid NOT NULL REFERENCES app_webhooks ON DELETE CASCADE,
	event_id uuid NOT NULL,
	status text NOT NULL DEFAULT 'pending'
		CHECK (status IN ('pending', 'processing', 'delivered', 'failed')),
	priority smallint NOT NULL DEFAULT 0, -- every waiting row has one; deliveries go by time alone
	attempts integer NOT NULL DEFAULT 0,
	lost integer NOT NULL DEFAULT 0,
	next_retry_at timestamptz DEFAULT clock_timestamp(),
	lease_until timestamptz,
	claim_token uuid,
	last_status_code integer,
	last_error text,
	delivered_at timestamptz,
	dead_at timestamptz,
	created_at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000,
	autovacuum_analyze_scale_factor = 0.05);
COMMENT ON COLUMN webhook_deliveries.attempts IS 'tries whose outcome was settled';
COMMENT ON COLUMN webhook_deliveries.lost IS 'leases that ran out since the last settled try';

CREATE INDEX IF NOT EXISTS webhook_deliveries_due ON webhook_deliveries (next_retry_at, id) WHERE next_retry_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS webhook_deliveries_suspect ON webhook_deliveries (lost, next_retry_at, id)
	WHERE lost > 0 AND next_retry_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS webhook_deliveries_open_of_event ON webhook_deliveries (event_id) WHERE next_retry_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS webhook_deliveries_parked ON webhook_deliveries (webhook_id, id) WHERE next_retry_at = 'infinity';
CREATE INDEX IF NOT EXISTS webhook_deliveries_dead ON webhook_deliveries (dead_at, id) WHERE dead_at IS NOT NULL;

CREATE TABLE IF NOT EXISTS webhook_attempts (
	delivery_id bigint NOT NULL,
	attempt integer NOT NULL,
	at timestamptz NOT NULL DEFAULT clock_timestamp(),
	status_code integer,
	error text,
	name_lookup_ms integer,
	connect_ms integer,
	tls_ms integer,
	first_byte_ms integer,
	total_ms integer
);
CREATE INDEX IF NOT EXISTS webhook_attempts_of_delivery ON webhook_attempts (delivery_id);

-- One event, one delivery to every endpoint that wants it, in the transaction of the insert.
CREATE OR REPLACE FUNCTION cronward_events_fan_out() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO webhook_deliveries (webhook_id, event_id)
	SELECT w.id, e.id
	  FROM fresh e
	  JOIN app_webhooks w
	    ON w.events = '{}'
	    OR e.event_type = ANY (w.events)
	    OR EXISTS (SELECT 1 FROM unnest(w.events) p
	                WHERE p LIKE '%.*' AND starts_with(e.event_type, left(p, -1)))
	 ORDER BY e.created_at, e.id;
	RETURN NULL;
END
$$;
CREATE OR REPLACE TRIGGER platform_events_fan_out AFTER INSERT ON platform_events
	REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION cronward_events_fan_out();

-- Enabling an endpoint frees what waited for it.
CREATE OR REPLACE FUNCTION cronward_webhook_enabled() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	NEW.disabled_at := NULL;
	NEW.disabled_reason := NULL;
	NEW.first_failure_at := NULL;
	UPDATE webhook_deliveries SET next_retry_at = clock_timestamp()
	 WHERE webhook_id = NEW.id AND next_retry_at = 'infinity';
	RETURN NEW;
END
$$;
CREATE OR REPLACE TRIGGER app_webhooks_enabled BEFORE UPDATE OF is_active ON app_webhooks
	FOR EACH ROW WHEN (NEW.is_active AND NOT OLD.is_active) EXECUTE FUNCTION cronward_webhook_enabled();

-- Attempts go with their delivery, whoever deletes it.
CREATE OR REPLACE FUNCTION cronward_deliveries_gone() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	DELETE FROM webhook_attempts WHERE delivery_id = ANY (ARRAY(SELECT id FROM gone));
	RETURN NULL;
END
$$;
CREATE OR REPLACE TRIGGER webhook_deliveries_gone AFTER DELETE ON webhook_deliveries
	REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION cronward_deliveries_gone();

-- Who may insert an event or enable an endpoint need not read the endpoints' secrets.
DO $$
DECLARE name text;
BEGIN
	FOREACH name IN ARRAY ARRAY['cronward_events_fan_out', 'cronward_webhook_enabled', 'cronward_deliveries_gone'] LOOP
		EXECUTE format('ALTER FUNCTION %I() SECURITY DEFINER SET search_path = %I, pg_temp', name, current_schema());
	END LOOP;
END
$$;

-- Notifications -------------------------------------------------------------------------------

CREATE TABLE IF NOT EXISTS platform_notifications (
	id uuid PRIMARY KEY DEFAULT cronward_uuid(),
	user_id uuid NOT NULL,
	title text NOT NULL,
	expires_at timestamptz,
	status text NOT NULL DEFAULT 'unread' CHECK (status IN ('unread', 'read', 'dismissed')),
	dismissed_at timestamptz,
	created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX IF NOT EXISTS platform_notifications_expiry ON platform_notifications (expires_at, id)
	WHERE status <> 'dismissed' AND expires_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS platform_notifications_age ON platform_notifications (created_at, id);
CREATE INDEX IF NOT EXISTS platform_notifications_of_user ON platform_notifications (user_id);

CREATE TABLE IF NOT EXISTS platform_notifications_archive (
	id uuid PRIMARY KEY,
	user_id uuid NOT NULL,
	title text NOT NULL,
	expires_at timestamptz,
	status text NOT NULL,
	dismissed_at timestamptz,
	created_at timestamptz NOT NULL,
	archived_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- The engine's own ------------------------------------------------------------------------------

CREATE TABLE IF NOT EXISTS cron_job_executions (
	id uuid PRIMARY KEY,
	job_name text NOT NULL,
	status text NOT NULL DEFAULT 'running'
		CHECK (status IN ('running', 'success', 'partial', 'failure', 'abandoned')),
	started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
	completed_at timestamptz,
	duration_ms bigint,
	counts jsonb NOT NULL DEFAULT '{}',
	error_message text,
	caller text
);
CREATE INDEX IF NOT EXISTS cron_job_executions_running ON cron_job_executions (job_name) WHERE status = 'running';
CREATE INDEX IF NOT EXISTS cron_job_executions_by_job ON cron_job_executions (job_name, started_at);
CREATE INDEX IF NOT EXISTS cron_job_executions_age ON cron_job_executions (started_at, id);

CREATE TABLE IF NOT EXISTS cron_locks (
	name text PRIMARY KEY,
	holder uuid,
	fence bigint NOT NULL DEFAULT 1,
	acquired_at timestamptz NOT NULL,
	expires_at timestamptz NOT NULL
) WITH (fillfactor = 50);
COMMENT ON COLUMN cron_locks.holder IS 'the execution that holds it; NULL: free';

CREATE TABLE IF NOT EXISTS cron_denied (
	route text NOT NULL,
	minute timestamptz NOT NULL,
	code text NOT NULL,
	calls bigint NOT NULL,
	PRIMARY KEY (minute, route, code)
);

CREATE TABLE IF NOT EXISTS audit_log (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	at timestamptz NOT NULL DEFAULT clock_timestamp(),
	actor text NOT NULL,
	action text NOT NULL,
	target text NOT NULL,
	detail jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX IF NOT EXISTS audit_log_age ON audit_log (at, id);
