-- Accounts of users at GitHub, Notion, Slack and Google Calendar, and what is in them: sync-integrations
-- keeps integration_items equal to what each vendor lists.

CREATE TABLE IF NOT EXISTS user_integrations ( -- rows are the application's
	id uuid PRIMARY KEY DEFAULT cronward_uuid(),
	user_id uuid NOT NULL,
	provider text NOT NULL CHECK (provider IN ('github', 'notion', 'slack', 'google_calendar')),
	status text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'needs_reauth', 'disconnected')),
	access_token text,
	refresh_token text,
	token_expires_at timestamptz,
	cursor jsonb NOT NULL DEFAULT '{}',
	last_synced_at timestamptz,
	last_error text,
	priority smallint NOT NULL DEFAULT 0, -- higher first
	attempts integer NOT NULL DEFAULT 0,
	lost integer NOT NULL DEFAULT 0,
	waits_until timestamptz DEFAULT clock_timestamp(),
	lease_until timestamptz,
	claim_token uuid,
	refresh_began_at timestamptz,
	created_at timestamptz NOT NULL DEFAULT now(),
	updated_at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 45, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000,
	autovacuum_analyze_scale_factor = 0.05);
COMMENT ON COLUMN user_integrations.access_token IS 'plain or sealed; plain ones are sealed at first use; new ones begin at once, and make what needs_reauth active';
COMMENT ON COLUMN user_integrations.refresh_token IS 'plain or sealed; NULL: the access token is used until it is not accepted';
COMMENT ON COLUMN user_integrations.token_expires_at IS 'of the access token; NULL: not known';
COMMENT ON COLUMN user_integrations.cursor IS 'how far it was read; {}: all is read anew';
COMMENT ON COLUMN user_integrations.attempts IS 'how often in a row it failed, or was told to wait, with no page in between';
COMMENT ON COLUMN user_integrations.refresh_began_at IS 'a new access token was asked for and has not been stored: the answer may have been lost, and the refresh token with it';

-- No index or predicate mentions status, lease or token: a claim is a HOT update, and so is a page.
CREATE INDEX IF NOT EXISTS user_integrations_due ON user_integrations (provider, priority, waits_until, id) WHERE waits_until IS NOT NULL;
CREATE INDEX IF NOT EXISTS user_integrations_suspect ON user_integrations (lost, waits_until, id) WHERE lost > 0 AND waits_until IS NOT NULL;
CREATE INDEX IF NOT EXISTS user_integrations_of_user ON user_integrations (user_id, provider);
CREATE INDEX IF NOT EXISTS user_integrations_plain_access ON user_integrations (id)
	WHERE access_token <> '' AND NOT starts_with(access_token, 'cw1.');
CREATE INDEX IF NOT EXISTS user_integrations_plain_refresh ON user_integrations (id)
	WHERE refresh_token <> '' AND NOT starts_with(refresh_token, 'cw1.');

-- No foreign key: it would be looked at for every item, and a page is written under its integration's lock.
CREATE TABLE IF NOT EXISTS integration_items (
	integration_id uuid NOT NULL,
	kind text COLLATE "C" NOT NULL,
	external_id text COLLATE "C" NOT NULL,
	data jsonb NOT NULL,
	updated_at timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (integration_id, kind, external_id)
) WITH (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 1000, autovacuum_analyze_scale_factor = 0.05);
COMMENT ON COLUMN integration_items.external_id IS 'the vendor''s; where it is one of its own only within a part, such as a message of a channel, PART:ID';
COMMENT ON COLUMN integration_items.data IS 'as the vendor lists it, whole';
COMMENT ON COLUMN integration_items.updated_at IS 'when data last changed; what is listed again as it was stays untouched';

CREATE TABLE IF NOT EXISTS integration_seen (
	integration_id uuid NOT NULL,
	kind text COLLATE "C" NOT NULL,
	part text COLLATE "C" NOT NULL DEFAULT '',
	page integer NOT NULL,
	ids text[] NOT NULL,
	PRIMARY KEY (integration_id, kind, part, page)
);
COMMENT ON TABLE integration_seen IS 'what a list that is read whole has listed, a row for each page: what is in none of them by the end is gone; of lists that are always read whole, it stays and is written again with its page';

DO $$
BEGIN
	ALTER TABLE integration_items ALTER COLUMN data SET COMPRESSION lz4;
	ALTER TABLE integration_seen ALTER COLUMN ids SET COMPRESSION lz4;
EXCEPTION WHEN feature_not_supported THEN
	NULL; -- a server that was built without
END
$$;

-- Rows that the application writes itself ---------------------------------------------------------------

-- What has no token, or is not active, waits for nothing; and what is active should have one.
CREATE OR REPLACE FUNCTION cronward_integration_comes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	NEW.waits_until := NULL;
	IF NEW.status = 'active' THEN
		NEW.last_error := COALESCE(NEW.last_error, 'no token is stored for it');
	END IF;
	RETURN NEW;
END
$$;
CREATE OR REPLACE TRIGGER user_integrations_come BEFORE INSERT ON user_integrations
	FOR EACH ROW WHEN (NEW.status <> 'active' OR COALESCE(NEW.access_token, '') || COALESCE(NEW.refresh_token, '') = '')
	EXECUTE FUNCTION cronward_integration_comes();

-- Other tokens, another status or cursor: a claim under way is void, for what it would write was true of what
-- was there before, and it begins anew, at once unless waits_until is changed with it.  Sealing and rekeying put
-- the same token in other words, and say so by the setting cronward.sealing.  What was active before cronward came,
-- and is not yet ours to sync (waits_until NULL), is not by a change either.
CREATE OR REPLACE FUNCTION cronward_integration_is_changed() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
	has_new_token boolean := (NEW.access_token IS DISTINCT FROM OLD.access_token AND NEW.access_token <> '')
		OR (NEW.refresh_token IS DISTINCT FROM OLD.refresh_token AND NEW.refresh_token <> '');
BEGIN
	IF current_setting('cronward.sealing', true) = 'on'
	   OR (OLD.waits_until IS NULL AND OLD.status = 'active'
	       AND OLD.created_at < (SELECT a.at FROM cronward_adopted a WHERE a.name = 'user_integrations')) THEN
		RETURN NEW;
	END IF;
	IF has_new_token THEN
		NEW.refresh_began_at := NULL;
		IF OLD.status = 'needs_reauth' AND NEW.status = 'needs_reauth' THEN
			NEW.status := 'active';
		END IF;
		-- That was the old one's.
		IF NEW.access_token IS DISTINCT FROM OLD.access_token AND NEW.token_expires_at = OLD.token_expires_at THEN
			NEW.token_expires_at := NULL;
		END IF;
	END IF;
	NEW.waits_until := CASE WHEN NEW.status = 'active' AND COALESCE(NEW.access_token, '') || COALESCE(NEW.refresh_token, '') <> ''
	                        THEN CASE WHEN NEW.waits_until IS DISTINCT FROM OLD.waits_until THEN NEW.waits_until
	                             ELSE clock_timestamp() END END;
	NEW.claim_token := NULL;
	NEW.lease_until := NULL;
	NEW.attempts := 0;
	NEW.lost := 0;
	NEW.last_error := CASE WHEN NEW.status = 'active' AND NEW.waits_until IS NULL THEN 'no token is stored for it' END;
	NEW.updated_at := clock_timestamp();
	RETURN NEW;
END
$$;
CREATE OR REPLACE TRIGGER user_integrations_are_changed BEFORE UPDATE ON user_integrations
	FOR EACH ROW WHEN (OLD.lease_until IS NOT DISTINCT FROM NEW.lease_until AND OLD.claim_token IS NOT DISTINCT FROM NEW.claim_token
		AND (OLD.status IS DISTINCT FROM NEW.status OR OLD.provider IS DISTINCT FROM NEW.provider
			OR OLD.access_token IS DISTINCT FROM NEW.access_token OR OLD.refresh_token IS DISTINCT FROM NEW.refresh_token
			OR OLD.cursor IS DISTINCT FROM NEW.cursor))
	EXECUTE FUNCTION cronward_integration_is_changed();

-- Items go with their integration, whoever deletes it.
CREATE OR REPLACE FUNCTION cronward_integrations_go() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	DELETE FROM integration_items WHERE integration_id = ANY (ARRAY(SELECT id FROM gone));
	DELETE FROM integration_seen WHERE integration_id = ANY (ARRAY(SELECT id FROM gone));
	RETURN NULL;
END
$$;
CREATE OR REPLACE TRIGGER user_integrations_go AFTER DELETE ON user_integrations
	REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION cronward_integrations_go();

-- Whose rights ------------------------------------------------------------------------------------------

-- Whoever writes integrations needs no rights to what is kept of them.
DO $$
DECLARE name text;
BEGIN
	FOREACH name IN ARRAY ARRAY['cronward_integration_is_changed', 'cronward_integrations_go'] LOOP
		EXECUTE format('ALTER FUNCTION %I() SECURITY DEFINER SET search_path = %I, pg_temp', name, current_schema());
		EXECUTE format('REVOKE EXECUTE ON FUNCTION %I() FROM PUBLIC', name);
	END LOOP;
END
$$;

SELECT cronward_close('user_integrations', 'integration_items', 'integration_seen');
