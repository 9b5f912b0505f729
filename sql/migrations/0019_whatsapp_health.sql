-- The tokens that WhatsApp is used with, and what their checks have found.
--
-- Every run of whatsapp-health-check checks each active connection once, so waits_until says no more than
-- how long Meta is to be left alone about one; NULL: it is not active, or came before cronward did and the
-- next run begins with it.

CREATE TABLE IF NOT EXISTS whatsapp_connections ( -- rows are the application's
	id uuid PRIMARY KEY DEFAULT cronward_uuid(),
	wabaid text,
	phonenumberid text,
	status text NOT NULL DEFAULT 'active',
	healthstatus text CHECK (healthstatus IN ('healthy', 'warning', 'error')),
	lasthealthcheckat timestamptz,
	priority smallint NOT NULL DEFAULT 0,
	attempts integer NOT NULL DEFAULT 0,
	lost integer NOT NULL DEFAULT 0,
	waits_until timestamptz DEFAULT clock_timestamp(),
	lease_until timestamptz,
	claim_token uuid,
	created_at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000,
	autovacuum_analyze_scale_factor = 0.05);
COMMENT ON COLUMN whatsapp_connections.wabaid IS 'Meta''s id of the WhatsApp Business account';
COMMENT ON COLUMN whatsapp_connections.phonenumberid IS 'Meta''s id of the phone number; NULL: the token is tried on the account';
COMMENT ON COLUMN whatsapp_connections.status IS 'the application''s; only what is active is checked';
COMMENT ON COLUMN whatsapp_connections.healthstatus IS 'what the last check has found that Meta answered';
COMMENT ON COLUMN whatsapp_connections.lasthealthcheckat IS 'when that was; a check that Meta did not answer changes neither';
COMMENT ON COLUMN whatsapp_connections.attempts IS 'checks in a row that found out nothing';

CREATE TABLE IF NOT EXISTS whatsapp_configs ( -- rows are the application's
	connection_id uuid PRIMARY KEY,
	accesstoken text,
	updated_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON COLUMN whatsapp_configs.accesstoken IS 'plain or sealed; plain ones are sealed by the next check where there is a key';

CREATE TABLE IF NOT EXISTS whatsapp_health (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	connection_id uuid NOT NULL,
	status text NOT NULL CHECK (status IN ('healthy', 'warning', 'error', 'unknown')),
	lastcheck timestamptz NOT NULL DEFAULT clock_timestamp(),
	latencyms integer,
	errorcode text,
	errorsubcode integer,
	errormessage text
);
COMMENT ON TABLE whatsapp_health IS 'one row for each check of a connection';
COMMENT ON COLUMN whatsapp_health.status IS 'unknown: Meta did not say, and the connection''s healthstatus stayed as it was';
COMMENT ON COLUMN whatsapp_health.latencyms IS 'of the slowest of Meta''s answers; NULL: there was none';
COMMENT ON COLUMN whatsapp_health.errorcode IS 'Meta''s code, or a word of ours: expires, quality, rate, slow, no_token, …';

-- No index or predicate mentions lease or token, nor what we write besides: a claim is a HOT update.
CREATE INDEX IF NOT EXISTS whatsapp_connections_due ON whatsapp_connections (priority, waits_until, id) WHERE waits_until IS NOT NULL;
CREATE INDEX IF NOT EXISTS whatsapp_connections_suspect ON whatsapp_connections (lost, waits_until, id) WHERE lost > 0 AND waits_until IS NOT NULL;
CREATE INDEX IF NOT EXISTS whatsapp_connections_new ON whatsapp_connections (id) WHERE waits_until IS NULL AND status = 'active';
CREATE INDEX IF NOT EXISTS whatsapp_configs_plain ON whatsapp_configs (connection_id)
	WHERE accesstoken <> '' AND NOT starts_with(accesstoken, 'cw1.');
-- For the pruning of old rows, and for a connection's last ones.
CREATE INDEX IF NOT EXISTS whatsapp_health_age ON whatsapp_health (lastcheck, id);
CREATE INDEX IF NOT EXISTS whatsapp_health_connection ON whatsapp_health (connection_id, lastcheck);

-- Rows that the application writes itself ---------------------------------------------------------------

-- What is checked just now is no longer what it was, so what is found says nothing of it: the claim is void.
CREATE OR REPLACE FUNCTION cronward_whatsapp_is_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	NEW.waits_until := CASE WHEN NEW.status = 'active' THEN clock_timestamp() END;
	NEW.lease_until := NULL;
	NEW.claim_token := NULL;
	NEW.lost := 0;
	NEW.attempts := 0;
	RETURN NEW;
END
$$;
CREATE OR REPLACE TRIGGER whatsapp_connections_come BEFORE INSERT ON whatsapp_connections
	FOR EACH ROW WHEN (NEW.status IS DISTINCT FROM 'active') EXECUTE FUNCTION cronward_whatsapp_is_changed();
CREATE OR REPLACE TRIGGER whatsapp_connections_are_changed BEFORE UPDATE ON whatsapp_connections
	FOR EACH ROW WHEN (OLD.status IS DISTINCT FROM NEW.status OR OLD.wabaid IS DISTINCT FROM NEW.wabaid
		OR OLD.phonenumberid IS DISTINCT FROM NEW.phonenumberid)
	EXECUTE FUNCTION cronward_whatsapp_is_changed();

CREATE OR REPLACE FUNCTION cronward_whatsapp_token_changes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	UPDATE whatsapp_connections
	   SET waits_until = clock_timestamp(), lease_until = NULL, claim_token = NULL, lost = 0, attempts = 0
	 WHERE id = NEW.connection_id AND (claim_token IS NOT NULL OR waits_until > clock_timestamp());
	RETURN NULL;
END
$$;
-- Sealing, and sealing anew with another key, change no token.
CREATE OR REPLACE TRIGGER whatsapp_configs_are_changed AFTER UPDATE ON whatsapp_configs
	FOR EACH ROW WHEN (OLD.accesstoken IS DISTINCT FROM NEW.accesstoken
		AND (NEW.accesstoken IS NULL OR NOT starts_with(NEW.accesstoken, 'cw1.')
		     OR starts_with(OLD.accesstoken, 'cw1.') AND split_part(OLD.accesstoken, '.', 2) = split_part(NEW.accesstoken, '.', 2)))
	EXECUTE FUNCTION cronward_whatsapp_token_changes();

-- A token does not outlive what it is for; the record of its checks does.
CREATE OR REPLACE FUNCTION cronward_whatsapp_goes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	DELETE FROM whatsapp_configs WHERE connection_id = OLD.id;
	RETURN NULL;
END
$$;
DO $$
BEGIN
	-- What goes with what in an application's tables, it says itself.
	IF ARRAY['whatsapp_connections', 'whatsapp_configs'] &&
	   (COALESCE(NULLIF(current_setting('cronward.adopting', true), ''), '{}')::text[] || ARRAY(SELECT a.name FROM cronward_adopted a)) THEN
		RETURN;
	END IF;
	CREATE OR REPLACE TRIGGER whatsapp_connections_go AFTER DELETE ON whatsapp_connections
		FOR EACH ROW EXECUTE FUNCTION cronward_whatsapp_goes();
END
$$;

-- Whoever writes one of these tables needs no rights to the other.
DO $$
DECLARE name text;
BEGIN
	FOREACH name IN ARRAY ARRAY['cronward_whatsapp_token_changes', 'cronward_whatsapp_goes'] LOOP
		EXECUTE format('ALTER FUNCTION %I() SECURITY DEFINER SET search_path = %I, pg_temp', name, current_schema());
		EXECUTE format('REVOKE EXECUTE ON FUNCTION %I() FROM PUBLIC', name);
	END LOOP;
END
$$;

SELECT cronward_close('whatsapp_connections', 'whatsapp_configs', 'whatsapp_health');
