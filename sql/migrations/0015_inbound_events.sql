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

-- No index or predicate mentions status, lease or token: a claim is a HOT update.  What was never tried
-- has lanes of its own: whoever processes events as they come never walks over a backlog of failed ones.
CREATE INDEX IF NOT EXISTS webhook_events_due ON webhook_events (provider, (attempts = 0), waits_until, id) WHERE waits_until IS NOT NULL;
CREATE INDEX IF NOT EXISTS webhook_events_suspect ON webhook_events (lost, waits_until, id) WHERE lost > 0 AND waits_until IS NOT NULL;
CREATE INDEX IF NOT EXISTS webhook_events_dead ON webhook_events (dead_at, id) WHERE dead_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS webhook_events_age ON webhook_events (created_at, id);
CREATE INDEX IF NOT EXISTS whatsapp_webhook_logs_due ON whatsapp_webhook_logs ((attempts = 0), waits_until, id) WHERE waits_until IS NOT NULL;
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

-- What is done with events of that provider and type: the first that fits; no row where nothing does.
CREATE OR REPLACE FUNCTION cronward_event_handler(of_provider text, of_type text) RETURNS SETOF event_handlers
LANGUAGE sql STABLE ROWS 1 AS $$
	SELECT h.*
	  FROM event_handlers h
	 WHERE h.is_active AND h.provider IN (lower(of_provider), '*') AND cronward_event_fits(of_type, h.type_pattern)
	 ORDER BY h.position, h.id
	 LIMIT 1
$$;

-- How a function's name looks, in a regular expression.
CREATE OR REPLACE FUNCTION cronward_event_function_form() RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
	SELECT '^(' || part || '\.)?' || part || '$' FROM (SELECT $re$("([^"]|"")+"|[[:alpha:]_][[:alnum:]_$]*)$re$ AS part) p
$$;

-- What of a handler can be wrong before any event has come.  Whether its function is there is asked when it
-- is to run: a handler may come first.
CREATE OR REPLACE FUNCTION cronward_event_handler_comes() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
	fault text := CASE
		WHEN NEW.provider <> lower(NEW.provider) OR NEW.provider ~ '\s' OR (NEW.provider LIKE '%*%' AND NEW.provider <> '*')
			THEN format('provider is "%s"; allowed is a provider''s name in lower case, or * for any', NEW.provider)
		WHEN replace(NEW.type_pattern, '.*', '') LIKE '%*%' AND NEW.type_pattern <> '*' OR NEW.type_pattern ~ '\.\*.' OR NEW.type_pattern = '.*'
			THEN format('type_pattern is "%s"; allowed are a type, a prefix that ends in .*, and * for any', NEW.type_pattern)
		WHEN NOT (NEW.action ~* '^https?://[^[:space:]/?#]' AND NEW.action !~ '[[:space:][:cntrl:]]' AND length(NEW.action) <= 2048)
		     AND NEW.action !~ cronward_event_function_form()
			THEN format('action is "%s"; allowed are the name of a function (name or schema.name) and a URL of up to 2048 characters (http or https)', left(NEW.action, 200))
		WHEN jsonb_typeof(NEW.headers) <> 'object' OR jsonb_path_exists(NEW.headers, '$.* ? (@.type() <> "string")')
			THEN 'headers must be a JSON object of texts'
		END;
BEGIN
	IF fault IS NOT NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'CW400', MESSAGE = 'event_handlers: ' || fault;
	END IF;
	RETURN NEW;
END
$$;
CREATE OR REPLACE TRIGGER event_handlers_come BEFORE INSERT OR UPDATE OF provider, type_pattern, action, headers ON event_handlers
	FOR EACH ROW EXECUTE FUNCTION cronward_event_handler_comes();

-- How to call the function that a handler's action names, or why not.
CREATE OR REPLACE FUNCTION cronward_event_call(action text) RETURNS text
LANGUAGE plpgsql STABLE AS $$
DECLARE
	f record;
BEGIN
	IF action !~ cronward_event_function_form() THEN
		RAISE EXCEPTION 'event_handlers.action "%" is neither a URL nor a function''s name; allowed is name or schema.name', action
			USING ERRCODE = 'CW422';
	END IF;
	SELECT p.*, n.nspname INTO f
	  FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
	 WHERE p.oid = to_regprocedure(action || '(jsonb)');
	IF f.oid IS NULL THEN
		RAISE EXCEPTION 'there is no function %(jsonb), which event_handlers.action names', action
			USING ERRCODE = 'CW422',
			      HINT = COALESCE((SELECT 'there is ' || string_agg(p.oid::regprocedure::text, ', ') FROM pg_proc p
			                        WHERE p.proname = (SELECT name FROM unnest(parse_ident(action)) WITH ORDINALITY AS t (name, n)
			                                            ORDER BY n DESC LIMIT 1)), 'names are looked up in the search_path of cronward''s role');
	END IF;
	IF f.proname LIKE 'cronward\_%' THEN
		RAISE EXCEPTION 'event_handlers.action names %(jsonb), which is cronward''s own', action USING ERRCODE = 'CW422';
	END IF;
	IF f.prokind <> 'f' THEN
		RAISE EXCEPTION '%(jsonb) is %; allowed is a function', action,
			CASE f.prokind WHEN 'p' THEN 'a procedure' WHEN 'a' THEN 'an aggregate' ELSE 'a window function' END
			USING ERRCODE = 'CW422';
	END IF;
	RETURN format('SELECT %I.%I($1)', f.nspname, f.proname);
END
$$;

-- What a handler's function is given.  What came and is no JSON has a body: as text, or in base64.
CREATE OR REPLACE FUNCTION cronward_event_describe(id uuid, provider text, event_id text, type text, attempts integer, received_at timestamptz,
	headers jsonb, payload jsonb, body bytea) RETURNS jsonb
LANGUAGE plpgsql STABLE AS $$
DECLARE
	event jsonb := jsonb_build_object('id', id, 'provider', provider, 'event_id', event_id, 'type', type, 'attempt', attempts + 1,
		'received_at', to_char(received_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'), 'headers', headers, 'payload', payload);
BEGIN
	IF payload IS NULL AND body IS NOT NULL THEN
		BEGIN
			event := event || jsonb_build_object('body', convert_from(body, 'UTF8'));
		EXCEPTION WHEN character_not_in_repertoire OR untranslatable_character THEN
			event := event || jsonb_build_object('body_base64', translate(encode(body, 'base64'), E'\n', ''));
		END;
	END IF;
	RETURN event;
END
$$;

-- Runs the function of a claimed event's handler, and writes down in the same transaction that it has: it
-- takes effect once, or not at all.  Whoever claims the event after us changes the token, so whichever of
-- the two commits first, the other one changes nothing.  A function that has set its event's status to
-- failed wants it tried again, and is not done.
CREATE OR REPLACE FUNCTION cronward_event_perform(source regclass, id uuid, token uuid, action text, event jsonb) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
	place text := (SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = source);
	is_performed boolean;
	changed bigint;
BEGIN
	EXECUTE format('SELECT performed_at IS NOT NULL FROM %s WHERE id = $1 AND claim_token = $2', place) INTO is_performed USING id, token;
	IF is_performed THEN
		RETURN;
	END IF;
	IF is_performed IS NULL THEN
		RAISE EXCEPTION 'the claim of event % was lost before its function began', id USING ERRCODE = 'CW409';
	END IF;
	EXECUTE cronward_event_call(action) USING event;
	EXECUTE format('UPDATE %s SET performed_at = CASE WHEN status <> ''failed'' THEN pg_catalog.clock_timestamp() END
			 WHERE id OPERATOR(pg_catalog.=) $1 AND claim_token OPERATOR(pg_catalog.=) $2', place) USING id, token;
	GET DIAGNOSTICS changed = ROW_COUNT;
	IF changed OPERATOR(pg_catalog.=) 0 THEN
		RAISE EXCEPTION 'the claim of event % was lost while its function ran, so all that it did is rolled back', id
			USING ERRCODE = 'CW409';
	END IF;
END
$$;

-- Rows that the application writes itself ---------------------------------------------------------------

-- When a row as it stands is due: what never failed a minute after it came, so that whoever stored it
-- may process it first; what failed, when it says; what the application has in its own hands, when it has
-- had it for an hour; what has another status of the application's, only when it says when; what is archived
-- or done, never.
CREATE OR REPLACE FUNCTION cronward_event_due(status text, is_archived boolean, next_retry_at timestamptz) RETURNS timestamptz
LANGUAGE sql VOLATILE AS $$
	SELECT CASE WHEN is_archived OR status = 'processed' THEN NULL
	            WHEN status = 'processing' THEN clock_timestamp() + interval '1 hour'
	            WHEN next_retry_at IS NOT NULL THEN GREATEST(next_retry_at, timestamptz 'epoch')
	            WHEN status = 'failed' THEN clock_timestamp()
	            WHEN status = 'pending' THEN clock_timestamp() + interval '1 minute' END
$$;

-- Tries that were settled, of what the application has counted as tries after the first.
CREATE OR REPLACE FUNCTION cronward_event_tries(status text, retries integer) RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
	SELECT CASE WHEN status = 'failed' OR retries > 0 THEN LEAST(GREATEST(COALESCE(retries, 0), 0), 1000000) + 1 ELSE 0 END
$$;

-- An application that knows the columns of its own, and sets status, retry_count, next_retry_at or archived
-- (or, of WhatsApp's, processed, processingerror, retrycount and nextretryat), is understood: its own code
-- has processed a row, has failed to, or somebody wants it tried again.  What is under a lease keeps it, and
-- counts its tries itself: how that try ends and what was said meanwhile are put together when it is
-- settled.  Rows from before cronward came are the application's alone.
CREATE OR REPLACE FUNCTION cronward_webhook_event_comes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF TG_OP = 'UPDATE' THEN
		IF NEW.waits_until IS NULL AND NEW.created_at < (SELECT a.at FROM cronward_adopted a WHERE a.name = 'webhook_events') THEN
			RETURN NEW;
		END IF;
		IF NEW.status IN ('pending', 'failed') AND NEW.archived IS NOT TRUE THEN
			NEW.performed_at := NULL;
			NEW.processed_at := NULL;
			NEW.dead_at := NULL;
		END IF;
	END IF;
	IF NEW.status = 'processed' THEN
		NEW.processed_at := COALESCE(NEW.processed_at, clock_timestamp());
		NEW.dead_at := NULL;
	ELSIF NEW.archived THEN
		NEW.dead_at := COALESCE(NEW.dead_at, clock_timestamp());
	END IF;
	IF TG_OP = 'INSERT' THEN
		NEW.attempts := GREATEST(NEW.attempts, cronward_event_tries(NEW.status, NEW.retry_count));
	ELSIF NEW.lease_until IS NULL OR NEW.lease_until <= clock_timestamp() THEN
		NEW.lease_until := NULL;
		NEW.claim_token := NULL;
		NEW.lost := 0;
		IF NEW.status <> 'processed' THEN
			NEW.attempts := cronward_event_tries(NEW.status, NEW.retry_count);
		END IF;
	END IF;
	NEW.waits_until := cronward_event_due(NEW.status, NEW.archived, NEW.next_retry_at);
	RETURN NEW;
END
$$;
CREATE OR REPLACE TRIGGER webhook_events_come BEFORE INSERT ON webhook_events
	FOR EACH ROW WHEN (NEW.waits_until IS NULL) EXECUTE FUNCTION cronward_webhook_event_comes();
CREATE OR REPLACE TRIGGER webhook_events_are_changed BEFORE UPDATE ON webhook_events
	FOR EACH ROW WHEN ((OLD.status IS DISTINCT FROM NEW.status OR OLD.archived IS DISTINCT FROM NEW.archived
		OR OLD.retry_count IS DISTINCT FROM NEW.retry_count OR OLD.next_retry_at IS DISTINCT FROM NEW.next_retry_at)
		AND OLD.waits_until IS NOT DISTINCT FROM NEW.waits_until AND OLD.claim_token IS NOT DISTINCT FROM NEW.claim_token
		AND OLD.lease_until IS NOT DISTINCT FROM NEW.lease_until)
	EXECUTE FUNCTION cronward_webhook_event_comes();

-- The same.  Of status and processed, what was changed decides; an error that is written to what is not
-- processed has failed it.
CREATE OR REPLACE FUNCTION cronward_whatsapp_log_comes() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
	says_status boolean := false;
	says_processed boolean := NEW.processed IS TRUE;
	says_error boolean := NEW.processingerror IS NOT NULL;
BEGIN
	IF TG_OP = 'UPDATE' THEN
		IF NEW.waits_until IS NULL AND NEW.created_at < (SELECT a.at FROM cronward_adopted a WHERE a.name = 'whatsapp_webhook_logs') THEN
			RETURN NEW;
		END IF;
		says_status := OLD.status IS DISTINCT FROM NEW.status;
		says_processed := OLD.processed IS DISTINCT FROM NEW.processed;
		says_error := NEW.processingerror IS NOT NULL AND (OLD.processingerror IS DISTINCT FROM NEW.processingerror
			OR OLD.nextretryat IS DISTINCT FROM NEW.nextretryat OR OLD.retrycount IS DISTINCT FROM NEW.retrycount);
	ELSE
		says_status := NEW.status IN ('failed', 'processing') OR (NEW.status = 'processed' AND NOT says_processed);
		says_error := says_error OR NEW.retrycount > 0;
	END IF;
	IF says_processed AND NEW.processed THEN
		NEW.status := 'processed';
	ELSIF says_processed THEN
		NEW.status := CASE WHEN NEW.processingerror IS NOT NULL OR NEW.retrycount > 0 THEN 'failed' ELSE 'pending' END;
	ELSIF says_status THEN
		NEW.processed := NEW.status = 'processed';
	ELSIF says_error AND NOT NEW.processed THEN
		NEW.status := 'failed';
	END IF;
	IF TG_OP = 'UPDATE' AND NEW.status IN ('pending', 'failed') AND NEW.archived IS NOT TRUE THEN
		NEW.performed_at := NULL;
		NEW.processed_at := NULL;
		NEW.dead_at := NULL;
	END IF;
	IF NEW.status = 'processed' THEN
		NEW.processed_at := COALESCE(NEW.processed_at, clock_timestamp());
		NEW.dead_at := NULL;
	ELSIF NEW.archived THEN
		NEW.dead_at := COALESCE(NEW.dead_at, clock_timestamp());
	END IF;
	IF TG_OP = 'INSERT' THEN
		NEW.attempts := GREATEST(NEW.attempts, cronward_event_tries(NEW.status, NEW.retrycount));
	ELSIF NEW.lease_until IS NULL OR NEW.lease_until <= clock_timestamp() THEN
		NEW.lease_until := NULL;
		NEW.claim_token := NULL;
		NEW.lost := 0;
		IF NEW.status <> 'processed' THEN
			NEW.attempts := cronward_event_tries(NEW.status, NEW.retrycount);
		END IF;
	END IF;
	NEW.waits_until := cronward_event_due(NEW.status, NEW.archived, NEW.nextretryat);
	RETURN NEW;
END
$$;
CREATE OR REPLACE TRIGGER whatsapp_webhook_logs_come BEFORE INSERT ON whatsapp_webhook_logs
	FOR EACH ROW WHEN (NEW.waits_until IS NULL) EXECUTE FUNCTION cronward_whatsapp_log_comes();
CREATE OR REPLACE TRIGGER whatsapp_webhook_logs_are_changed BEFORE UPDATE ON whatsapp_webhook_logs
	FOR EACH ROW WHEN ((OLD.processed IS DISTINCT FROM NEW.processed OR OLD.status IS DISTINCT FROM NEW.status
		OR OLD.archived IS DISTINCT FROM NEW.archived OR OLD.retrycount IS DISTINCT FROM NEW.retrycount
		OR OLD.nextretryat IS DISTINCT FROM NEW.nextretryat OR OLD.processingerror IS DISTINCT FROM NEW.processingerror)
		AND OLD.waits_until IS NOT DISTINCT FROM NEW.waits_until AND OLD.claim_token IS NOT DISTINCT FROM NEW.claim_token
		AND OLD.lease_until IS NOT DISTINCT FROM NEW.lease_until)
	EXECUTE FUNCTION cronward_whatsapp_log_comes();

-- Whose rights ------------------------------------------------------------------------------------------

-- Whoever writes events needs no rights to what their triggers look at.
DO $$
DECLARE name text;
BEGIN
	FOREACH name IN ARRAY ARRAY['cronward_webhook_event_comes', 'cronward_whatsapp_log_comes', 'cronward_event_handler_comes'] LOOP
		EXECUTE format('ALTER FUNCTION %I() SECURITY DEFINER SET search_path = %I, pg_temp', name, current_schema());
		EXECUTE format('REVOKE EXECUTE ON FUNCTION %I() FROM PUBLIC', name);
	END LOOP;
END
$$;

-- As in 0011: Supabase grants every new table to those who come over the web.
DO $$
DECLARE
	theirs text[] := COALESCE(NULLIF(current_setting('cronward.adopting', true), ''), '{}')::text[]
	              || ARRAY(SELECT a.name FROM cronward_adopted a);
	visitors text := (SELECT string_agg(quote_ident(rolname), ', ') FROM pg_roles WHERE rolname IN ('anon', 'authenticated'));
	name text;
BEGIN
	FOREACH name IN ARRAY ARRAY['webhook_events', 'whatsapp_webhook_logs', 'event_handlers'] LOOP
		CONTINUE WHEN name = ANY (theirs);
		IF visitors IS NOT NULL THEN
			EXECUTE format('REVOKE ALL ON %I FROM %s', name, visitors);
		END IF;
		IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'service_role') THEN
			EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO service_role', name);
		END IF;
	END LOOP;
END
$$;
