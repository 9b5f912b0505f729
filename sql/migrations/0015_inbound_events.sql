-- Events that others send us: what came, whole, and what is to be done with it.  Both tables carry
-- what the flow needs (waits_until, lease_until, claim_token, lost, attempts), under the same names.

CREATE TABLE IF NOT EXISTS webhook_events (
	id uuid PRIMARY KEY DEFAULT cronward_uuid(),
	provider text NOT NULL,
	event_id text NOT NULL,
	event_type text NOT NULL DEFAULT '',
	payload jsonb,
	body bytea,
	headers jsonb NOT NULL DEFAULT '{}',
	status text NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'processing', 'processed', 'failed')),
	retry_count integer NOT NULL DEFAULT 0,
	next_retry_at timestamptz,
	archived boolean NOT NULL DEFAULT false,
	error_message text,
	note text,
	attempts integer NOT NULL DEFAULT 0,
	lost integer NOT NULL DEFAULT 0,
	waits_until timestamptz,
	lease_until timestamptz,
	claim_token uuid,
	performed_at timestamptz,
	processed_at timestamptz,
	dead_at timestamptz,
	created_at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000,
	autovacuum_analyze_scale_factor = 0.05);
COMMENT ON COLUMN webhook_events.payload IS 'the body, where it is JSON that can be stored as such';
COMMENT ON COLUMN webhook_events.body IS 'as it came, byte by byte; NULL: payload is all there is';
COMMENT ON COLUMN webhook_events.retry_count IS 'tries after the first processing';
COMMENT ON COLUMN webhook_events.note IS 'how it was processed where that is no matter of course: nobody handles its type';
COMMENT ON COLUMN webhook_events.performed_at IS 'its handler''s work is committed, only its settling is not; it never runs again';

CREATE TABLE IF NOT EXISTS whatsapp_webhook_logs (
	id uuid PRIMARY KEY DEFAULT cronward_uuid(),
	event_id text,
	eventtype text NOT NULL DEFAULT '',
	payload jsonb,
	body bytea,
	headers jsonb NOT NULL DEFAULT '{}',
	status text NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'processing', 'processed', 'failed')),
	processed boolean NOT NULL DEFAULT false,
	processingerror text,
	retrycount integer NOT NULL DEFAULT 0,
	nextretryat timestamptz,
	archived boolean NOT NULL DEFAULT false,
	note text,
	attempts integer NOT NULL DEFAULT 0,
	lost integer NOT NULL DEFAULT 0,
	waits_until timestamptz,
	lease_until timestamptz,
	claim_token uuid,
	performed_at timestamptz,
	processed_at timestamptz,
	dead_at timestamptz,
	created_at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000,
	autovacuum_analyze_scale_factor = 0.05);
CREATE UNIQUE INDEX IF NOT EXISTS webhook_events_once ON webhook_events (provider, event_id);
CREATE UNIQUE INDEX IF NOT EXISTS whatsapp_webhook_logs_once ON whatsapp_webhook_logs (event_id);

-- No index or predicate mentions status, lease or token: a claim is a HOT update.
CREATE INDEX IF NOT EXISTS webhook_events_due ON webhook_events (provider, waits_until, id) WHERE waits_until IS NOT NULL;
CREATE INDEX IF NOT EXISTS webhook_events_suspect ON webhook_events (lost, waits_until, id) WHERE lost > 0 AND waits_until IS NOT NULL;
CREATE INDEX IF NOT EXISTS webhook_events_dead ON webhook_events (dead_at, id) WHERE dead_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS webhook_events_age ON webhook_events (created_at, id);
CREATE INDEX IF NOT EXISTS whatsapp_webhook_logs_due ON whatsapp_webhook_logs (waits_until, id) WHERE waits_until IS NOT NULL;
CREATE INDEX IF NOT EXISTS whatsapp_webhook_logs_suspect ON whatsapp_webhook_logs (lost, waits_until, id) WHERE lost > 0 AND waits_until IS NOT NULL;
CREATE INDEX IF NOT EXISTS whatsapp_webhook_logs_dead ON whatsapp_webhook_logs (dead_at, id) WHERE dead_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS whatsapp_webhook_logs_age ON whatsapp_webhook_logs (created_at, id);

-- What is to be done ------------------------------------------------------------------------------------

CREATE TABLE IF NOT EXISTS event_handlers (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	provider text NOT NULL CHECK (provider <> ''),
	type_pattern text NOT NULL DEFAULT '*' CHECK (type_pattern <> ''),
	action text NOT NULL CHECK (action <> ''),
	position integer NOT NULL DEFAULT 0,
	is_active boolean NOT NULL DEFAULT true,
	secret text,
	headers jsonb NOT NULL DEFAULT '{}',
	timeout_s integer CHECK (timeout_s BETWEEN 1 AND 30),
	created_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE event_handlers IS 'what is done with inbound events: of those that fit, the first by position, then id';
COMMENT ON COLUMN event_handlers.provider IS 'as in the address, lower case: telebirr, whatsapp; * is any';
COMMENT ON COLUMN event_handlers.type_pattern IS 'a type, a prefix that ends in .*, or * for any';
COMMENT ON COLUMN event_handlers.action IS 'a function f(event jsonb) returns void, or the URL of an application';
COMMENT ON COLUMN event_handlers.secret IS 'what forwarded events are signed with (Standard Webhooks), plain or sealed';
COMMENT ON COLUMN event_handlers.headers IS 'sent with forwarded events besides their own';

-- Whether ${type} fits ${pattern}.
CREATE OR REPLACE FUNCTION cronward_event_fits(type text, pattern text) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
	SELECT pattern = '*' OR pattern = type OR (pattern LIKE '%.*' AND starts_with(type, left(pattern, -1)))
$$;

-- Rows that the application writes itself ---------------------------------------------------------------

-- When a row as it stands is due: what never failed a minute after it came, so that whoever stored it
-- may process it first; what failed, when it says; what is archived or done, never.
CREATE OR REPLACE FUNCTION cronward_event_due(status text, archived boolean, next_retry_at timestamptz) RETURNS timestamptz
LANGUAGE sql VOLATILE AS $$
	SELECT CASE WHEN archived OR status = 'processed' THEN NULL
	            WHEN status = 'failed' THEN COALESCE(next_retry_at, clock_timestamp())
	            ELSE COALESCE(next_retry_at, clock_timestamp() + interval '1 minute') END
$$;

CREATE OR REPLACE FUNCTION cronward_webhook_event_comes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	NEW.waits_until := cronward_event_due(NEW.status, NEW.archived, NEW.next_retry_at);
	IF NEW.status = 'failed' AND NEW.attempts = 0 THEN
		NEW.attempts := LEAST(GREATEST(NEW.retry_count, 0), 1000000) + 1;
	END IF;
	RETURN NEW;
END
$$;
CREATE OR REPLACE TRIGGER webhook_events_come BEFORE INSERT ON webhook_events
	FOR EACH ROW WHEN (NEW.waits_until IS NULL) EXECUTE FUNCTION cronward_webhook_event_comes();
-- Its own code, which knows nothing of ours, has processed a row, or wants it tried again.
CREATE OR REPLACE TRIGGER webhook_events_are_changed BEFORE UPDATE ON webhook_events
	FOR EACH ROW WHEN ((OLD.status <> NEW.status OR OLD.archived <> NEW.archived OR OLD.next_retry_at IS DISTINCT FROM NEW.next_retry_at)
		AND OLD.waits_until IS NOT DISTINCT FROM NEW.waits_until AND OLD.claim_token IS NOT DISTINCT FROM NEW.claim_token
		AND OLD.lease_until IS NOT DISTINCT FROM NEW.lease_until)
	EXECUTE FUNCTION cronward_webhook_event_comes();

CREATE OR REPLACE FUNCTION cronward_whatsapp_log_comes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF TG_OP = 'INSERT' OR OLD.processed <> NEW.processed THEN
		NEW.status := CASE WHEN NEW.processed THEN 'processed' WHEN NEW.processingerror IS NOT NULL OR NEW.retrycount > 0 THEN 'failed'
		                   WHEN NEW.status = 'processed' THEN 'pending' ELSE NEW.status END;
	ELSIF NEW.processingerror IS NOT NULL AND NEW.nextretryat IS DISTINCT FROM OLD.nextretryat AND NOT NEW.processed THEN
		NEW.status := 'failed';
	END IF;
	NEW.waits_until := cronward_event_due(NEW.status, NEW.archived, NEW.nextretryat);
	IF NEW.status = 'failed' AND NEW.attempts = 0 THEN
		NEW.attempts := LEAST(GREATEST(NEW.retrycount, 0), 1000000) + 1;
	END IF;
	RETURN NEW;
END
$$;
CREATE OR REPLACE TRIGGER whatsapp_webhook_logs_come BEFORE INSERT ON whatsapp_webhook_logs
	FOR EACH ROW WHEN (NEW.waits_until IS NULL) EXECUTE FUNCTION cronward_whatsapp_log_comes();
CREATE OR REPLACE TRIGGER whatsapp_webhook_logs_are_changed BEFORE UPDATE ON whatsapp_webhook_logs
	FOR EACH ROW WHEN ((OLD.processed <> NEW.processed OR OLD.status <> NEW.status OR OLD.archived <> NEW.archived
		OR OLD.nextretryat IS DISTINCT FROM NEW.nextretryat)
		AND OLD.waits_until IS NOT DISTINCT FROM NEW.waits_until AND OLD.claim_token IS NOT DISTINCT FROM NEW.claim_token
		AND OLD.lease_until IS NOT DISTINCT FROM NEW.lease_until)
	EXECUTE FUNCTION cronward_whatsapp_log_comes();
