-- What `cronward doctor` asks.

-- name: clock
SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now_ms;

-- name: server
SELECT current_setting('server_version_num')::int AS version_num, current_setting('server_version') AS version,
       current_setting('server_encoding') AS encoding, pg_is_in_recovery() AS is_standby,
       current_setting('synchronous_commit') AS synchronous_commit, current_setting('fsync') AS fsync,
       current_setting('full_page_writes') AS full_page_writes, current_setting('autovacuum') AS autovacuum;

-- name: connections
-- What this role may have here, and what others hold.  -1 is no limit.  What a backend of another
-- role's is, members of pg_read_all_stats alone see; those that nobody logged in to are no clients.
SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int AS server_max,
       (SELECT rolconnlimit FROM pg_roles WHERE rolname = current_user) AS role_max,
       (SELECT datconnlimit FROM pg_database WHERE datname = current_database()) AS database_max,
       (SELECT count(*) FROM pg_stat_activity
         WHERE COALESCE(backend_type = 'client backend', usename IS NOT NULL)
           AND application_name IS DISTINCT FROM 'cronward') AS others;

-- name: role
SELECT rolname AS role, rolsuper AS is_superuser FROM pg_roles WHERE rolname = current_user;

-- name: privileges
-- What the program does to each table, and may not.
SELECT t.name, string_agg(p.privilege, ', ') AS missing, quote_ident(current_user) AS role
  FROM (VALUES ('app_webhooks', '{SELECT,UPDATE}'::text[]),
               ('audit_log', '{SELECT,INSERT,UPDATE,DELETE}'),
               ('cron_denied', '{SELECT,INSERT,UPDATE,DELETE}'),
               ('cron_job_executions', '{SELECT,INSERT,UPDATE,DELETE}'),
               ('cron_locks', '{SELECT,INSERT,UPDATE}'),
               ('accounts', '{SELECT,UPDATE}'),
               ('contacts', '{SELECT,UPDATE}'),
               ('cronward_adopted', '{SELECT}'),
               ('cronward_schema', '{SELECT}'),
               ('email_queue', '{SELECT,UPDATE,DELETE}'),
               ('email_templates', '{SELECT}'),
               ('event_handlers', '{SELECT,UPDATE}'),
               ('integration_items', '{SELECT,INSERT,UPDATE,DELETE}'),
               ('integration_seen', '{SELECT,INSERT,UPDATE,DELETE}'),
               ('inventory_items', '{SELECT,UPDATE}'),
               ('inventory_reservations', '{SELECT,UPDATE,DELETE}'),
               ('job_dependencies', '{SELECT,INSERT,UPDATE,DELETE}'),
               ('job_limits', '{SELECT,INSERT,UPDATE}'),
               ('job_logs', '{SELECT,INSERT,DELETE}'),
               ('job_queues', '{SELECT,INSERT,UPDATE}'),
               ('job_requests', '{SELECT,INSERT,UPDATE,DELETE}'),
               ('job_schedules', '{SELECT,UPDATE}'),
               ('job_slots', '{SELECT,INSERT,UPDATE,DELETE}'),
               ('job_types', '{SELECT,UPDATE}'),
               ('jobs', '{SELECT,INSERT,UPDATE,DELETE}'),
               ('platform_events', '{SELECT,INSERT,UPDATE,DELETE}'),
               ('platform_events_archive', '{SELECT,INSERT,UPDATE,DELETE}'),
               ('platform_notifications', '{SELECT,UPDATE,DELETE}'),
               ('platform_notifications_archive', '{SELECT,INSERT,UPDATE,DELETE}'),
               ('user_integrations', '{SELECT,UPDATE}'),
               ('webhook_attempts', '{SELECT,INSERT}'),
               ('webhook_attempts_default', '{SELECT,UPDATE,DELETE}'),
               ('webhook_deliveries', '{SELECT,UPDATE,DELETE}'),
               ('webhook_events', '{SELECT,INSERT,UPDATE,DELETE}'),
               ('whatsapp_configs', '{SELECT,UPDATE}'),
               ('whatsapp_connections', '{SELECT,UPDATE}'),
               ('whatsapp_health', '{SELECT,INSERT,DELETE}'),
               ('whatsapp_webhook_logs', '{SELECT,INSERT,UPDATE,DELETE}'),
               ('workspace_settings', '{SELECT,UPDATE}')) AS t(name, privileges),
       unnest(t.privileges) AS p(privilege)
 WHERE to_regclass(t.name) IS NOT NULL AND NOT has_table_privilege(to_regclass(t.name), p.privilege)
 GROUP BY t.name;

-- name: hidden
-- Tables whose rows row-level security hides from this role: no policy lets it work on all of them.
-- Of one that it could not escape but for FORCE, the owner has to take that back; of those that are
-- usually not isolated, cronward_trust() knows nothing.
SELECT string_agg(c.relname, ', ' ORDER BY c.relname) AS names, quote_ident(current_user) AS role,
       CASE WHEN pg_has_role(c.relowner, 'USAGE')
            THEN string_agg(format('ALTER TABLE %s NO FORCE ROW LEVEL SECURITY', c.oid::regclass), '; ' ORDER BY c.relname)
            WHEN t.is_known
            THEN format('SELECT cronward_trust(%L), as the tables'' owner', quote_ident(current_user))
            ELSE string_agg(format('CREATE POLICY cronward ON %s TO %I USING (true) WITH CHECK (true)', c.oid::regclass, current_user), '; '
                            ORDER BY c.relname) || ', as the tables'' owner' END AS todo
  FROM pg_class c
  JOIN (VALUES ('jobs', true), ('job_logs', true), ('job_dependencies', true), ('workspace_settings', true), ('accounts', false),
               ('contacts', false), ('webhook_deliveries', false), ('platform_events', false), ('webhook_events', false),
               ('whatsapp_webhook_logs', false), ('whatsapp_connections', false), ('whatsapp_configs', false),
               ('whatsapp_health', false), ('user_integrations', false), ('integration_items', false),
               ('integration_seen', false), ('event_handlers', false), ('email_queue', false), ('email_templates', false),
               ('inventory_items', false), ('inventory_reservations', false)) t (name, is_known) ON c.oid = to_regclass(t.name)
 WHERE has_table_privilege(c.oid, 'SELECT')
   AND row_security_active(c.oid)
   AND NOT EXISTS (SELECT FROM pg_policy p
                    WHERE p.polrelid = c.oid AND p.polpermissive AND p.polcmd = '*' AND pg_get_expr(p.polqual, p.polrelid) = 'true'
                      AND EXISTS (SELECT FROM unnest(p.polroles) r WHERE CASE WHEN r = 0 THEN true ELSE pg_has_role(r, 'USAGE') END))
 GROUP BY pg_has_role(c.relowner, 'USAGE'), t.is_known;

-- name: owner
-- Only the owner of a partitioned table makes and drops its partitions.
SELECT c.relowner::regrole::text AS owner, pg_has_role(c.relowner, 'USAGE') AS is_ours, quote_ident(current_user) AS role
  FROM pg_class c
 WHERE c.oid = to_regclass('webhook_attempts');

-- name: strangers
-- Who else may make functions and operators in the schemas where names are looked up: one that fits
-- its arguments better than PostgreSQL's own is called in its place, with this role's rights.
SELECT quote_ident(n.nspname) AS schema,
       string_agg(COALESCE(quote_ident(r.rolname), 'PUBLIC'), ', ' ORDER BY r.rolname) AS who
  FROM pg_namespace n
 CROSS JOIN LATERAL aclexplode(n.nspacl) a
  LEFT JOIN pg_roles r ON r.oid = a.grantee
 WHERE n.nspname = ANY (current_schemas(false)) AND a.privilege_type = 'CREATE' AND a.grantee <> n.nspowner
   AND CASE WHEN a.grantee = 0 THEN true
            ELSE NOT r.rolsuper AND NOT pg_has_role(r.rolname, current_user, 'MEMBER') END
 GROUP BY n.nspname
 ORDER BY n.nspname;

-- name: transactions
-- The oldest ones that keep dead rows of this database from being removed; those of other roles
-- show their age to members of pg_read_all_stats alone.
SELECT a.pid, COALESCE(NULLIF(a.application_name, ''), a.usename::text, a.backend_type, '?') AS who,
       COALESCE(a.state, a.backend_type, '?') AS state,
       extract(epoch FROM clock_timestamp() - a.xact_start)::bigint AS age_s
  FROM pg_stat_activity a
 WHERE a.datname = current_database() AND a.pid <> pg_backend_pid()
   AND a.backend_type <> 'autovacuum worker' AND a.xact_start < clock_timestamp() - interval '60 s'
 ORDER BY a.xact_start
 LIMIT 5;

-- name: prepared
SELECT gid, owner, extract(epoch FROM clock_timestamp() - prepared)::bigint AS age_s
  FROM pg_prepared_xacts
 WHERE database = current_database() AND prepared < clock_timestamp() - interval '60 s'
 ORDER BY prepared
 LIMIT 5;

-- name: sees_all
SELECT pg_has_role(current_user, 'pg_read_all_stats', 'USAGE') AS sees_all, current_user AS role;

-- name: vacuum
SELECT s.relname AS name, s.n_live_tup AS live, s.n_dead_tup AS dead,
       EXISTS (SELECT FROM unnest(c.reloptions) o WHERE o ~ '^autovacuum_enabled=(f|of|n|0)') AS is_off
  FROM pg_stat_user_tables s
  JOIN pg_class c ON c.oid = s.relid
 WHERE s.relid IN (to_regclass('webhook_deliveries'), to_regclass('platform_notifications'), to_regclass('jobs'),
                   to_regclass('webhook_events'), to_regclass('whatsapp_webhook_logs'), to_regclass('email_queue'),
                   to_regclass('whatsapp_connections'), to_regclass('user_integrations'), to_regclass('integration_items'),
                   to_regclass('inventory_items'), to_regclass('inventory_reservations'), to_regclass('cron_locks'));

-- name: locks
SELECT name, holder, extract(epoch FROM clock_timestamp() - expires_at)::bigint AS late_s
  FROM cron_locks
 WHERE holder IS NOT NULL AND expires_at <= clock_timestamp()
 ORDER BY name;

-- name: runs
-- Runs that nobody does any more.
SELECT e.id, e.job_name, extract(epoch FROM clock_timestamp() - e.started_at)::bigint AS age_s
  FROM cron_job_executions e
 WHERE e.status = 'running'
   AND NOT EXISTS (SELECT FROM cron_locks l
                    WHERE l.name = e.job_name AND l.holder = e.id AND l.expires_at > clock_timestamp())
 ORDER BY e.job_name
 LIMIT 5;

-- name: endpoint
SELECT url FROM app_webhooks WHERE is_active ORDER BY id LIMIT 1;

-- name: job_types
-- Types whose function is missing, those of plug-ins, and those whose target is none of its processor's
-- ("fault").  A function's name of another form than most is left to the job that it fails.
SELECT job_type, target, processor = 'plugin' AS is_plugin,
       CASE processor WHEN 'http' THEN 'no http or https URL' WHEN 'apollo' THEN 'neither account nor contact' END AS fault
  FROM job_types
 WHERE processor = 'plugin'
    OR processor = 'http' AND target !~* '^https?://'
    OR processor = 'apollo' AND target NOT IN ('account', 'contact')
    OR processor = 'sql'
       AND CASE WHEN target ~ '^([a-zA-Z_][a-zA-Z0-9_$]*\.)?[a-zA-Z_][a-zA-Z0-9_$]*$'
                THEN to_regprocedure(target || '(jsonb)') IS NULL ELSE false END
 ORDER BY job_type
 LIMIT 20;

-- name: event_handlers
-- Handlers whose function is missing.
SELECT id, provider, action
  FROM event_handlers
 WHERE is_active AND action !~* '^https?://'
   AND CASE WHEN action ~ cronward_event_function_form() THEN to_regprocedure(action || '(jsonb)') IS NULL ELSE true END
 ORDER BY id
 LIMIT 20;

-- name: event_providers
-- Who has sent something and has no handler at all.
WITH RECURSIVE p AS (
	(SELECT provider AS name, 1 AS n FROM webhook_events ORDER BY provider, event_id LIMIT 1)
	UNION ALL
	SELECT x.provider, p.n + 1
	  FROM p
	 CROSS JOIN LATERAL (
		SELECT provider FROM webhook_events WHERE provider > p.name ORDER BY provider, event_id LIMIT 1) x
	 WHERE p.n < 1000
)
SELECT x.name AS provider,
       format('INSERT INTO event_handlers (provider, action) VALUES (%L, ''a function, or a URL'')', lower(x.name)) AS todo
  FROM (SELECT name FROM p
        UNION
        SELECT 'whatsapp' FROM (SELECT FROM whatsapp_webhook_logs ORDER BY created_at, id LIMIT 1) one) x
 WHERE NOT EXISTS (SELECT FROM event_handlers h WHERE h.is_active AND h.provider IN (lower(x.name), '*'))
 ORDER BY x.name
 LIMIT 20;

-- name: integrations
-- Of each provider, of the first 100000: those whose tokens can be refreshed at all, those that wait for new ones,
-- those that have failed five times in a row, and whether any has a token.  The ORDER BY keeps it to one walk along
-- an index.
SELECT provider, count(*) FILTER (WHERE status = 'active' AND refresh_token <> '') AS refreshed,
       count(*) FILTER (WHERE status = 'needs_reauth') AS reauth,
       count(*) FILTER (WHERE status = 'active' AND attempts >= 5) AS failing,
       count(*) FILTER (WHERE access_token <> '' OR refresh_token <> '') AS with_token
  FROM (SELECT provider, status, attempts, access_token, refresh_token FROM user_integrations ORDER BY id LIMIT 100000) i
 GROUP BY provider
 ORDER BY provider;

-- name: whatsapp
-- Of the first 100000: those of which Meta has said that their tokens do not work.
SELECT count(*) FILTER (WHERE status = 'active' AND healthstatus = 'error') AS errors
  FROM (SELECT status, healthstatus FROM whatsapp_connections ORDER BY id LIMIT 100000) c;

-- name: mail
-- Mails that wait, up to 1000.
SELECT LEAST(count(*), 1000) AS waits, count(*) > 1000 AS is_more
  FROM (SELECT FROM email_queue WHERE waits_until IS NOT NULL ORDER BY priority, waits_until, id LIMIT 1001) x;
