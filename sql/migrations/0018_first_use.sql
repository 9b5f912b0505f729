-- What the first use of events, mail and holds has asked for.

SELECT cronward_add_column('email_queue', 'is_sound', 'boolean', 'NOT NULL DEFAULT false');
COMMENT ON COLUMN email_queue.is_sound IS 'it was composed by a process that lived: it is not what kills those who take it';

-- Supabase grants every new table to those who come over the web.  Closes tables to them, and
-- opens them to the service, but for what was adopted, and for what has row-level security: who has
-- switched that on has said himself who may do what.
CREATE OR REPLACE FUNCTION cronward_close(VARIADIC names text[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	theirs text[] := COALESCE(NULLIF(current_setting('cronward.adopting', true), ''), '{}')::text[]
	              || ARRAY(SELECT a.name FROM cronward_adopted a);
	visitors text := (SELECT string_agg(quote_ident(rolname), ', ') FROM pg_roles WHERE rolname IN ('anon', 'authenticated'));
	place regclass;
BEGIN
	FOR place IN
		SELECT c.oid FROM unnest(names) AS t(name) JOIN pg_class c ON c.oid = to_regclass(quote_ident(t.name))
		 WHERE t.name <> ALL (theirs) AND NOT c.relrowsecurity
	LOOP
		IF visitors IS NOT NULL THEN
			EXECUTE format('REVOKE ALL ON %s FROM %s', place, visitors);
		END IF;
		IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'service_role') THEN
			EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO service_role', place);
		END IF;
	END LOOP;
END
$$;

-- What stands in email_queue is sent, secrets of endpoints stand in app_webhooks, and the rest is the
-- record of what was done.  Events, notifications, accounts and contacts are the application's to show
-- or hide.
SELECT cronward_close('webhook_events', 'whatsapp_webhook_logs', 'event_handlers', 'email_queue', 'email_templates',
	'inventory_items', 'inventory_reservations', 'app_webhooks', 'webhook_deliveries', 'webhook_attempts',
	'webhook_attempts_default', 'platform_events_archive', 'platform_notifications_archive', 'audit_log', 'cron_denied',
	'cron_job_executions', 'cron_locks', 'cronward_adopted', 'cronward_schema');
