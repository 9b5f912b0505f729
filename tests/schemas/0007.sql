-- The schema of version 7, with rows: a test upgrades it.  Made by tests/schemas/next.mjs.
COMMENT ON SCHEMA "public" IS 'standard public schema';
CREATE FUNCTION "public"."cronward_add_column"("place" "regclass", "name" "text", "type" "regtype", "more" "text" DEFAULT ''::"text") RETURNS "void"
    LANGUAGE "plpgsql"
    AS $$
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
CREATE FUNCTION "public"."cronward_attempts_overdue"("before" timestamp with time zone, "batch" integer) RETURNS integer
    LANGUAGE "plpgsql"
    AS $_$
DECLARE
	part text;
	gone integer;
	sum integer := 0;
BEGIN
	FOR part IN
		SELECT p.name FROM cronward_attempts_partitions() p JOIN pg_class c ON c.oid = p.name
		 WHERE p.until <= before AND pg_has_role(c.relowner, 'USAGE')
		 ORDER BY p.until
	LOOP
		EXECUTE format('DELETE FROM %1$s WHERE ctid = ANY (ARRAY(SELECT ctid FROM %1$s ORDER BY delivery_id LIMIT %2$s))',
			part, batch - sum);
		GET DIAGNOSTICS gone = ROW_COUNT;
		sum := sum + gone;
		EXIT WHEN sum = batch;
	END LOOP;
	RETURN sum;
END
$_$;
CREATE FUNCTION "public"."cronward_attempts_partitions"() RETURNS TABLE("name" "regclass", "since" timestamp with time zone, "until" timestamp with time zone)
    LANGUAGE "sql" STABLE
    SET "TimeZone" TO 'UTC'
    SET "DateStyle" TO 'ISO'
    AS $_$
	SELECT c.oid::regclass,
	       COALESCE(substring(b.bound FROM $r$FROM \('([^']+)$r$)::timestamptz, '-infinity'),
	       COALESCE(substring(b.bound FROM $r$TO \('([^']+)$r$)::timestamptz, 'infinity')
	  FROM pg_inherits i
	  JOIN pg_class c ON c.oid = i.inhrelid
	 CROSS JOIN LATERAL (SELECT pg_get_expr(c.relpartbound, c.oid) AS bound) b
	 WHERE i.inhparent = 'webhook_attempts'::regclass AND b.bound <> 'DEFAULT'
$_$;
CREATE FUNCTION "public"."cronward_attempts_upkeep"("today" timestamp with time zone, "before" timestamp with time zone, OUT "dropped" integer, OUT "is_more" boolean) RETURNS "record"
    LANGUAGE "plpgsql"
    SET "TimeZone" TO 'UTC'
    SET "DateStyle" TO 'ISO'
    SET "lock_timeout" TO '200ms'
    AS $$
DECLARE
	parent record;
	week timestamptz;
	part text;
BEGIN
	dropped := 0;
	is_more := false;
	SELECT c.relnamespace::regnamespace AS schema, c.relrowsecurity, pg_has_role(c.relowner, 'USAGE') AS is_ours
	  INTO parent FROM pg_class c WHERE c.oid = 'webhook_attempts'::regclass;
	IF NOT parent.is_ours THEN
		RETURN;
	END IF;
	FOR week IN
		SELECT w.at
		  FROM generate_series(date_trunc('week', today), date_trunc('week', today) + interval '35 days',
		                       interval '7 days') AS w (at)
		 WHERE NOT EXISTS (SELECT FROM cronward_attempts_partitions() p
		                    WHERE p.since < w.at + interval '7 days' AND p.until > w.at)
		   AND NOT EXISTS (SELECT FROM webhook_attempts_default d
		                    WHERE d.at >= w.at AND d.at < w.at + interval '7 days')
	LOOP
		part := format('%s.%I', parent.schema, 'webhook_attempts_' || to_char(week, 'YYYYMMDD'));
		BEGIN
			EXECUTE format('CREATE TABLE %s (LIKE webhook_attempts INCLUDING DEFAULTS INCLUDING CONSTRAINTS '
				'INCLUDING INDEXES)', part);
			IF parent.relrowsecurity THEN
				EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', part);
			END IF;
			EXECUTE format('ALTER TABLE webhook_attempts ATTACH PARTITION %s FOR VALUES FROM (%L) TO (%L)',
				part, week, week + interval '7 days');
		EXCEPTION WHEN lock_not_available OR deadlock_detected OR query_canceled OR check_violation
			OR duplicate_table THEN
			NULL;
		END;
	END LOOP;
	FOR part IN SELECT p.name FROM cronward_attempts_partitions() p WHERE p.until <= before ORDER BY p.until LOOP
		is_more := dropped > 0;
		EXIT WHEN is_more;
		BEGIN
			EXECUTE format('DROP TABLE %s', part);
			dropped := 1;
		EXCEPTION
			WHEN dependent_objects_still_exist THEN
				NULL;
			WHEN lock_not_available OR deadlock_detected OR query_canceled THEN
				EXIT;
		END;
	END LOOP;
END
$$;
CREATE FUNCTION "public"."cronward_deliveries_gone"() RETURNS "trigger"
    LANGUAGE "plpgsql" SECURITY DEFINER
    SET "search_path" TO 'public', 'pg_temp'
    AS $$
BEGIN
	IF current_setting('cronward.prunes', true) IS DISTINCT FROM 'on' THEN
		DELETE FROM webhook_attempts WHERE delivery_id = ANY (ARRAY(SELECT id FROM gone));
	ELSIF to_regclass('webhook_attempts_first') IS NOT NULL THEN
		DELETE FROM webhook_attempts_first WHERE delivery_id = ANY (ARRAY(SELECT id FROM gone));
	END IF;
	RETURN NULL;
END
$$;
CREATE FUNCTION "public"."cronward_event_body"("event_type" "text", "created_at" timestamp with time zone, "payload" "jsonb") RETURNS "text"
    LANGUAGE "sql" STABLE PARALLEL SAFE
    AS $$
	SELECT '{"type":' || to_json(event_type)::text || ',"timestamp":"'
	    || to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
	    || '","data":' || payload::text || '}'
$$;
CREATE FUNCTION "public"."cronward_event_patterns_are_valid"("patterns" "text"[]) RETURNS boolean
    LANGUAGE "sql" IMMUTABLE PARALLEL SAFE
    AS $_$
	SELECT NOT EXISTS (SELECT 1 FROM unnest(patterns) p WHERE p IS NULL OR p !~ '^[^*]*[^*.](\.\*)?$')
$_$;
CREATE FUNCTION "public"."cronward_events_fan_out"() RETURNS "trigger"
    LANGUAGE "plpgsql" SECURITY DEFINER
    SET "search_path" TO 'public', 'pg_temp'
    AS $$
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
CREATE FUNCTION "public"."cronward_uuid"() RETURNS "uuid"
    LANGUAGE "sql" PARALLEL SAFE
    AS $$
	SELECT encode(set_bit(set_bit(
		overlay(uuid_send(gen_random_uuid())
			PLACING substring(int8send((extract(epoch FROM clock_timestamp()) * 1000)::bigint) FROM 3)
			FROM 1 FOR 6),
		52, 1), 53, 1), 'hex')::uuid
$$;
CREATE FUNCTION "public"."cronward_webhook_enabled"() RETURNS "trigger"
    LANGUAGE "plpgsql" SECURITY DEFINER
    SET "search_path" TO 'public', 'pg_temp'
    AS $$
BEGIN
	NEW.disabled_at := NULL;
	NEW.disabled_reason := NULL;
	NEW.first_failure_at := NULL;
	UPDATE webhook_deliveries SET next_retry_at = clock_timestamp()
	 WHERE webhook_id = NEW.id AND next_retry_at = 'infinity';
	RETURN NEW;
END
$$;
CREATE TABLE "public"."accounts" (
    "id" "uuid" DEFAULT "public"."cronward_uuid"() NOT NULL,
    "workspace_id" "uuid",
    "domain" "text",
    "name" "text",
    "enrichment" "jsonb",
    "enriched_at" timestamp with time zone
);
CREATE TABLE "public"."app_webhooks" (
    "id" "uuid" DEFAULT "gen_random_uuid"() NOT NULL,
    "url" "text" NOT NULL,
    "secret" "text" NOT NULL,
    "previous_secret" "text",
    "events" "text"[] DEFAULT '{}'::"text"[] NOT NULL,
    "headers" "jsonb" DEFAULT '{}'::"jsonb" NOT NULL,
    "is_active" boolean DEFAULT true NOT NULL,
    "disabled_at" timestamp with time zone,
    "disabled_reason" "text",
    "first_failure_at" timestamp with time zone,
    "created_at" timestamp with time zone DEFAULT "now"() NOT NULL,
    CONSTRAINT "app_webhooks_events_are_names_or_prefixes" CHECK ("public"."cronward_event_patterns_are_valid"("events")),
    CONSTRAINT "app_webhooks_headers_are_an_object" CHECK (("jsonb_typeof"("headers") = 'object'::"text"))
);
COMMENT ON COLUMN "public"."app_webhooks"."secret" IS 'plain, or sealed by cronward (cw1.…)';
COMMENT ON COLUMN "public"."app_webhooks"."events" IS 'exact names, or prefixes ending in .*; empty: all events';
COMMENT ON COLUMN "public"."app_webhooks"."first_failure_at" IS 'since when every delivery has failed; NULL after a success';
CREATE TABLE "public"."audit_log" (
    "id" bigint NOT NULL,
    "at" timestamp with time zone DEFAULT "clock_timestamp"() NOT NULL,
    "actor" "text" NOT NULL,
    "action" "text" NOT NULL,
    "target" "text" NOT NULL,
    "detail" "jsonb" DEFAULT '{}'::"jsonb" NOT NULL
);
ALTER TABLE "public"."audit_log" ALTER COLUMN "id" ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME "public"."audit_log_id_seq"
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE "public"."contacts" (
    "id" "uuid" DEFAULT "public"."cronward_uuid"() NOT NULL,
    "workspace_id" "uuid",
    "email" "text",
    "first_name" "text",
    "last_name" "text",
    "enrichment" "jsonb",
    "enriched_at" timestamp with time zone
);
CREATE TABLE "public"."cron_denied" (
    "route" "text" NOT NULL,
    "minute" timestamp with time zone NOT NULL,
    "code" "text" NOT NULL,
    "calls" bigint NOT NULL
);
CREATE TABLE "public"."cron_job_executions" (
    "id" "uuid" NOT NULL,
    "job_name" "text" NOT NULL,
    "status" "text" DEFAULT 'running'::"text" NOT NULL,
    "started_at" timestamp with time zone DEFAULT "clock_timestamp"() NOT NULL,
    "completed_at" timestamp with time zone,
    "duration_ms" bigint,
    "counts" "jsonb" DEFAULT '{}'::"jsonb" NOT NULL,
    "error_message" "text",
    "caller" "text",
    CONSTRAINT "cron_job_executions_status_check" CHECK (("status" = ANY (ARRAY['running'::"text", 'success'::"text", 'partial'::"text", 'failure'::"text", 'abandoned'::"text"])))
);
CREATE TABLE "public"."cron_locks" (
    "name" "text" NOT NULL,
    "holder" "uuid",
    "fence" bigint DEFAULT 1 NOT NULL,
    "acquired_at" timestamp with time zone NOT NULL,
    "expires_at" timestamp with time zone NOT NULL
)
WITH ("fillfactor"='50');
COMMENT ON COLUMN "public"."cron_locks"."holder" IS 'the execution that holds it; NULL: free';
CREATE TABLE "public"."cronward_adopted" (
    "name" "text" NOT NULL,
    "at" timestamp with time zone DEFAULT "clock_timestamp"() NOT NULL
);
CREATE TABLE "public"."cronward_schema" (
    "version" integer NOT NULL,
    "name" "text" NOT NULL,
    "applied_at" timestamp with time zone DEFAULT "clock_timestamp"() NOT NULL
);
CREATE TABLE "public"."email_queue" (
    "id" "uuid" DEFAULT "public"."cronward_uuid"() NOT NULL,
    "to_address" "text" NOT NULL,
    "subject" "text",
    "html" "text",
    "text" "text",
    "template" "text",
    "data" "jsonb" DEFAULT '{}'::"jsonb" NOT NULL,
    "status" "text" DEFAULT 'pending'::"text" NOT NULL,
    "priority" smallint DEFAULT 0 NOT NULL,
    "attempts" integer DEFAULT 0 NOT NULL,
    "max_attempts" integer DEFAULT 3 NOT NULL,
    "lost" integer DEFAULT 0 NOT NULL,
    "scheduled_for" timestamp with time zone DEFAULT "now"() NOT NULL,
    "next_attempt_at" timestamp with time zone,
    "waits_until" timestamp with time zone DEFAULT "clock_timestamp"(),
    "lease_until" timestamp with time zone,
    "claim_token" "uuid",
    "provider_id" "text",
    "last_error" "text",
    "created_at" timestamp with time zone DEFAULT "now"() NOT NULL,
    CONSTRAINT "email_queue_status_check" CHECK (("status" = ANY (ARRAY['pending'::"text", 'processing'::"text", 'sent'::"text", 'failed'::"text"])))
)
WITH ("fillfactor"='70', "autovacuum_vacuum_scale_factor"='0.02', "autovacuum_vacuum_threshold"='1000', "autovacuum_analyze_scale_factor"='0.05');
CREATE TABLE "public"."jobs" (
    "id" "uuid" DEFAULT "public"."cronward_uuid"() NOT NULL,
    "workspace_id" "uuid",
    "job_type" "text" NOT NULL,
    "payload" "jsonb" DEFAULT '{}'::"jsonb" NOT NULL,
    "status" "text" DEFAULT 'pending'::"text" NOT NULL,
    "queue" "text" DEFAULT 'default'::"text" NOT NULL,
    "priority" smallint DEFAULT 0 NOT NULL,
    "attempts" integer DEFAULT 0 NOT NULL,
    "max_attempts" integer DEFAULT 5 NOT NULL,
    "lost" integer DEFAULT 0 NOT NULL,
    "run_at" timestamp with time zone DEFAULT "now"() NOT NULL,
    "waits_until" timestamp with time zone DEFAULT "clock_timestamp"(),
    "lease_until" timestamp with time zone,
    "claim_token" "uuid",
    "started_at" timestamp with time zone,
    "completed_at" timestamp with time zone,
    "progress" integer DEFAULT 0 NOT NULL,
    "result" "jsonb",
    "error_message" "text",
    "error_stack" "text",
    "unique_key" "text",
    "created_at" timestamp with time zone DEFAULT "now"() NOT NULL,
    "updated_at" timestamp with time zone DEFAULT "now"() NOT NULL,
    CONSTRAINT "jobs_status_check" CHECK (("status" = ANY (ARRAY['pending'::"text", 'blocked'::"text", 'processing'::"text", 'completed'::"text", 'failed'::"text", 'cancelled'::"text"])))
)
WITH ("fillfactor"='70', "autovacuum_vacuum_scale_factor"='0.02', "autovacuum_vacuum_threshold"='1000', "autovacuum_analyze_scale_factor"='0.05');
CREATE TABLE "public"."platform_events" (
    "id" "uuid" DEFAULT "public"."cronward_uuid"() NOT NULL,
    "event_type" "text" NOT NULL,
    "payload" "jsonb" NOT NULL,
    "created_at" timestamp with time zone DEFAULT "now"() NOT NULL,
    CONSTRAINT "platform_events_event_type_check" CHECK (("event_type" <> ''::"text"))
);
CREATE TABLE "public"."platform_events_archive" (
    "id" "uuid" NOT NULL,
    "event_type" "text" NOT NULL,
    "payload" "jsonb" NOT NULL,
    "created_at" timestamp with time zone NOT NULL,
    "archived_at" timestamp with time zone DEFAULT "clock_timestamp"() NOT NULL
);
CREATE TABLE "public"."platform_notifications" (
    "id" "uuid" DEFAULT "public"."cronward_uuid"() NOT NULL,
    "user_id" "uuid" NOT NULL,
    "title" "text" NOT NULL,
    "expires_at" timestamp with time zone,
    "status" "text" DEFAULT 'unread'::"text" NOT NULL,
    "dismissed_at" timestamp with time zone,
    "created_at" timestamp with time zone DEFAULT "now"() NOT NULL,
    CONSTRAINT "platform_notifications_status_check" CHECK (("status" = ANY (ARRAY['unread'::"text", 'read'::"text", 'dismissed'::"text"])))
);
CREATE TABLE "public"."platform_notifications_archive" (
    "id" "uuid" NOT NULL,
    "user_id" "uuid" NOT NULL,
    "title" "text" NOT NULL,
    "expires_at" timestamp with time zone,
    "status" "text" NOT NULL,
    "dismissed_at" timestamp with time zone,
    "created_at" timestamp with time zone NOT NULL,
    "archived_at" timestamp with time zone DEFAULT "clock_timestamp"() NOT NULL
);
CREATE TABLE "public"."webhook_attempts" (
    "delivery_id" bigint NOT NULL,
    "attempt" integer NOT NULL,
    "at" timestamp with time zone DEFAULT "clock_timestamp"() NOT NULL,
    "status_code" integer,
    "error" "text",
    "name_lookup_ms" integer,
    "connect_ms" integer,
    "tls_ms" integer,
    "first_byte_ms" integer,
    "total_ms" integer
)
PARTITION BY RANGE ("at");
CREATE TABLE "public"."webhook_attempts_20261123" (
    "delivery_id" bigint NOT NULL,
    "attempt" integer NOT NULL,
    "at" timestamp with time zone DEFAULT "clock_timestamp"() NOT NULL,
    "status_code" integer,
    "error" "text",
    "name_lookup_ms" integer,
    "connect_ms" integer,
    "tls_ms" integer,
    "first_byte_ms" integer,
    "total_ms" integer
);
CREATE TABLE "public"."webhook_attempts_20261130" (
    "delivery_id" bigint NOT NULL,
    "attempt" integer NOT NULL,
    "at" timestamp with time zone DEFAULT "clock_timestamp"() NOT NULL,
    "status_code" integer,
    "error" "text",
    "name_lookup_ms" integer,
    "connect_ms" integer,
    "tls_ms" integer,
    "first_byte_ms" integer,
    "total_ms" integer
);
CREATE TABLE "public"."webhook_attempts_20261207" (
    "delivery_id" bigint NOT NULL,
    "attempt" integer NOT NULL,
    "at" timestamp with time zone DEFAULT "clock_timestamp"() NOT NULL,
    "status_code" integer,
    "error" "text",
    "name_lookup_ms" integer,
    "connect_ms" integer,
    "tls_ms" integer,
    "first_byte_ms" integer,
    "total_ms" integer
);
CREATE TABLE "public"."webhook_attempts_20261214" (
    "delivery_id" bigint NOT NULL,
    "attempt" integer NOT NULL,
    "at" timestamp with time zone DEFAULT "clock_timestamp"() NOT NULL,
    "status_code" integer,
    "error" "text",
    "name_lookup_ms" integer,
    "connect_ms" integer,
    "tls_ms" integer,
    "first_byte_ms" integer,
    "total_ms" integer
);
CREATE TABLE "public"."webhook_attempts_20261221" (
    "delivery_id" bigint NOT NULL,
    "attempt" integer NOT NULL,
    "at" timestamp with time zone DEFAULT "clock_timestamp"() NOT NULL,
    "status_code" integer,
    "error" "text",
    "name_lookup_ms" integer,
    "connect_ms" integer,
    "tls_ms" integer,
    "first_byte_ms" integer,
    "total_ms" integer
);
CREATE TABLE "public"."webhook_attempts_default" (
    "delivery_id" bigint NOT NULL,
    "attempt" integer NOT NULL,
    "at" timestamp with time zone DEFAULT "clock_timestamp"() NOT NULL,
    "status_code" integer,
    "error" "text",
    "name_lookup_ms" integer,
    "connect_ms" integer,
    "tls_ms" integer,
    "first_byte_ms" integer,
    "total_ms" integer
);
CREATE TABLE "public"."webhook_attempts_first" (
    "delivery_id" bigint NOT NULL,
    "attempt" integer NOT NULL,
    "at" timestamp with time zone DEFAULT "clock_timestamp"() NOT NULL,
    "status_code" integer,
    "error" "text",
    "name_lookup_ms" integer,
    "connect_ms" integer,
    "tls_ms" integer,
    "first_byte_ms" integer,
    "total_ms" integer
);
CREATE TABLE "public"."webhook_deliveries" (
    "id" bigint NOT NULL,
    "webhook_id" "uuid" NOT NULL,
    "event_id" "uuid" NOT NULL,
    "status" "text" DEFAULT 'pending'::"text" NOT NULL,
    "priority" smallint DEFAULT 0 NOT NULL,
    "attempts" integer DEFAULT 0 NOT NULL,
    "lost" integer DEFAULT 0 NOT NULL,
    "next_retry_at" timestamp with time zone DEFAULT "clock_timestamp"(),
    "lease_until" timestamp with time zone,
    "claim_token" "uuid",
    "last_status_code" integer,
    "last_error" "text",
    "delivered_at" timestamp with time zone,
    "dead_at" timestamp with time zone,
    "created_at" timestamp with time zone DEFAULT "now"() NOT NULL,
    CONSTRAINT "webhook_deliveries_status_check" CHECK (("status" = ANY (ARRAY['pending'::"text", 'processing'::"text", 'delivered'::"text", 'failed'::"text"])))
)
WITH ("fillfactor"='70', "autovacuum_vacuum_scale_factor"='0.02', "autovacuum_vacuum_threshold"='1000', "autovacuum_analyze_scale_factor"='0.05');
COMMENT ON COLUMN "public"."webhook_deliveries"."attempts" IS 'tries whose outcome was settled';
COMMENT ON COLUMN "public"."webhook_deliveries"."lost" IS 'leases that ran out since the last settled try';
ALTER TABLE "public"."webhook_deliveries" ALTER COLUMN "id" ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME "public"."webhook_deliveries_id_seq"
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
ALTER TABLE ONLY "public"."webhook_attempts" ATTACH PARTITION "public"."webhook_attempts_20261123" FOR VALUES FROM ('2026-11-23 00:00:00+00') TO ('2026-11-30 00:00:00+00');
ALTER TABLE ONLY "public"."webhook_attempts" ATTACH PARTITION "public"."webhook_attempts_20261130" FOR VALUES FROM ('2026-11-30 00:00:00+00') TO ('2026-12-07 00:00:00+00');
ALTER TABLE ONLY "public"."webhook_attempts" ATTACH PARTITION "public"."webhook_attempts_20261207" FOR VALUES FROM ('2026-12-07 00:00:00+00') TO ('2026-12-14 00:00:00+00');
ALTER TABLE ONLY "public"."webhook_attempts" ATTACH PARTITION "public"."webhook_attempts_20261214" FOR VALUES FROM ('2026-12-14 00:00:00+00') TO ('2026-12-21 00:00:00+00');
ALTER TABLE ONLY "public"."webhook_attempts" ATTACH PARTITION "public"."webhook_attempts_20261221" FOR VALUES FROM ('2026-12-21 00:00:00+00') TO ('2026-12-28 00:00:00+00');
ALTER TABLE ONLY "public"."webhook_attempts" ATTACH PARTITION "public"."webhook_attempts_default" DEFAULT;
ALTER TABLE ONLY "public"."webhook_attempts" ATTACH PARTITION "public"."webhook_attempts_first" FOR VALUES FROM (MINVALUE) TO ('2026-11-23 00:00:00+00');
INSERT INTO "public"."accounts" VALUES ('00000000-0000-7000-8000-00000000c001', '00000000-0000-7000-8000-00000000b001', 'example.com', 'Example', NULL, NULL);
INSERT INTO "public"."app_webhooks" VALUES ('11111111-1111-4111-8111-111111111111', 'http://127.0.0.2:9/all', 'whsec_dGhlIHNlY3JldCBvZiBhbiBlYXJsaWVyIHNjaGVtYQ==', NULL, '{}', '{"x-from": "schema 1"}', true, NULL, NULL, NULL, '2026-01-02 03:04:05+00');
INSERT INTO "public"."app_webhooks" VALUES ('22222222-2222-4222-8222-222222222222', 'http://127.0.0.2:9/orders', 'a plain old secret', 'an even older secret', '{order.*}', '{}', true, NULL, NULL, NULL, '2026-01-02 03:04:05+00');
INSERT INTO "public"."audit_log" OVERRIDING SYSTEM VALUE VALUES (1, '2026-02-01 00:10:00+00', 'cli:operator', 'dead.replay', '1', '{"count": 1}');
INSERT INTO "public"."audit_log" OVERRIDING SYSTEM VALUE VALUES (2, '2026-11-22 12:38:00.06073+00', 'cli:root', 'migrate', '0002 sealed_secrets', '{}');
INSERT INTO "public"."audit_log" OVERRIDING SYSTEM VALUE VALUES (3, '2026-11-22 12:38:00.154473+00', 'cli:root', 'migrate', '0003 application_tables', '{}');
INSERT INTO "public"."audit_log" OVERRIDING SYSTEM VALUE VALUES (4, '2026-11-22 12:38:00.175213+00', 'cli:root', 'migrate', '0004 archive_age', '{}');
INSERT INTO "public"."audit_log" OVERRIDING SYSTEM VALUE VALUES (5, '2026-11-22 12:38:00.313515+00', 'cli:root', 'migrate', '0005 attempt_partitions', '{}');
INSERT INTO "public"."audit_log" OVERRIDING SYSTEM VALUE VALUES (6, '2026-11-22 12:38:00.336533+00', 'cli:root', 'migrate', '0006 adopted_tables', '{}');
INSERT INTO "public"."audit_log" OVERRIDING SYSTEM VALUE VALUES (7, '2026-11-22 12:38:00.345865+00', 'cli:root', 'migrate', '0007 trigger_functions', '{}');
INSERT INTO "public"."contacts" VALUES ('00000000-0000-7000-8000-00000000d001', '00000000-0000-7000-8000-00000000b001', 'a@example.com', 'Ada', NULL, NULL, NULL);
INSERT INTO "public"."cron_denied" VALUES ('/api/workers/webhookRetry', '2026-02-01 00:00:00+00', 'unauthorized', 12);
INSERT INTO "public"."cron_job_executions" VALUES ('44444444-4444-4444-8444-444444444444', 'webhook-retry', 'partial', '2026-02-01 00:00:00+00', '2026-02-01 00:00:02+00', 2000, '{"failed": 1, "retried": 2, "succeeded": 1}', NULL, '127.0.0.1');
INSERT INTO "public"."cron_job_executions" VALUES ('55555555-5555-4555-8555-555555555555', 'webhook-retry', 'running', '2026-02-01 00:05:00+00', NULL, NULL, '{}', NULL, '127.0.0.1');
INSERT INTO "public"."cron_locks" VALUES ('webhook-retry', '55555555-5555-4555-8555-555555555555', 7, '2026-02-01 00:05:00+00', '2026-02-01 00:05:15+00');
INSERT INTO "public"."cron_locks" VALUES ('data-archival', NULL, 3, '2026-02-01 00:00:00+00', '2026-02-01 00:00:01+00');
INSERT INTO "public"."cronward_adopted" VALUES ('audit_log', '2026-11-20 12:00:00+00');
INSERT INTO "public"."cronward_schema" VALUES (1, 'platform', '2026-11-22 08:21:11.809501+00');
INSERT INTO "public"."cronward_schema" VALUES (2, 'sealed_secrets', '2026-11-22 12:38:00.048615+00');
INSERT INTO "public"."cronward_schema" VALUES (3, 'application_tables', '2026-11-22 12:38:00.069989+00');
INSERT INTO "public"."cronward_schema" VALUES (4, 'archive_age', '2026-11-22 12:38:00.161736+00');
INSERT INTO "public"."cronward_schema" VALUES (5, 'attempt_partitions', '2026-11-22 12:38:00.185711+00');
INSERT INTO "public"."cronward_schema" VALUES (6, 'adopted_tables', '2026-11-22 12:38:00.320464+00');
INSERT INTO "public"."cronward_schema" VALUES (7, 'trigger_functions', '2026-11-22 12:38:00.345619+00');
INSERT INTO "public"."email_queue" VALUES ('00000000-0000-7000-8000-00000000e001', 'a@example.com', 'Hello', NULL, 'Hello.', NULL, '{}', 'sent', 0, 0, 3, 0, '2026-11-22 12:38:00.362942+00', NULL, NULL, NULL, NULL, NULL, NULL, '2026-11-22 12:38:00.362942+00');
INSERT INTO "public"."email_queue" VALUES ('00000000-0000-7000-8000-00000000e002', 'b@example.com', 'Hello', NULL, 'Hello.', NULL, '{}', 'pending', 0, 0, 3, 0, '2026-11-22 12:38:00.362942+00', NULL, '2026-11-20 12:00:00+00', NULL, NULL, NULL, NULL, '2026-11-22 12:38:00.362942+00');
INSERT INTO "public"."jobs" VALUES ('00000000-0000-7000-8000-00000000a001', '00000000-0000-7000-8000-00000000b001', 'report', '{"n": 1}', 'completed', 'default', 0, 1, 5, 0, '2026-11-22 12:38:00.362942+00', NULL, NULL, NULL, NULL, '2026-11-20 10:00:00+00', 0, NULL, NULL, NULL, NULL, '2026-11-20 09:00:00+00', '2026-11-22 12:38:00.362942+00');
INSERT INTO "public"."jobs" VALUES ('00000000-0000-7000-8000-00000000a002', NULL, 'report', '{"n": 2}', 'failed', 'default', 0, 5, 5, 0, '2026-11-22 12:38:00.362942+00', NULL, NULL, NULL, NULL, '2026-11-20 11:00:00+00', 0, NULL, NULL, NULL, NULL, '2026-11-20 09:30:00+00', '2026-11-22 12:38:00.362942+00');
INSERT INTO "public"."jobs" VALUES ('00000000-0000-7000-8000-00000000a003', NULL, 'report', '{"n": 3}', 'pending', 'slow', 10, 0, 5, 0, '2026-11-20 12:00:00+00', '2026-11-20 12:00:00+00', NULL, NULL, NULL, NULL, 0, NULL, NULL, NULL, 'report 3', '2026-11-22 12:38:00.362942+00', '2026-11-22 12:38:00.362942+00');
INSERT INTO "public"."platform_events" VALUES ('0190a000-0000-7000-8000-000000000001', 'order.paid', '{"order": 42}', '2026-02-01 00:00:00+00');
INSERT INTO "public"."platform_events" VALUES ('0190a000-0000-7000-8000-000000000002', 'order.shipped', '{"text": "Grüße, \"quoted\"", "order": 43}', '2026-02-01 00:00:01+00');
INSERT INTO "public"."platform_events" VALUES ('0190a000-0000-7000-8000-000000000003', 'user.joined', '{}', '2026-02-01 00:00:02+00');
INSERT INTO "public"."platform_events_archive" VALUES ('0190a000-0000-7000-8000-00000000000a', 'order.old', '{"order": 1}', '2025-01-01 00:00:00+00', '2025-06-01 00:00:00+00');
INSERT INTO "public"."platform_notifications" VALUES ('0190a000-0000-7000-8000-0000000000b1', '33333333-3333-4333-8333-333333333333', 'unread', '2100-01-01 00:00:00+00', 'unread', NULL, '2026-02-01 00:00:00+00');
INSERT INTO "public"."platform_notifications" VALUES ('0190a000-0000-7000-8000-0000000000b2', '33333333-3333-4333-8333-333333333333', 'expired', '2026-02-02 00:00:00+00', 'dismissed', '2026-02-02 00:05:00+00', '2026-02-01 00:00:00+00');
INSERT INTO "public"."platform_notifications_archive" VALUES ('0190a000-0000-7000-8000-0000000000ba', '33333333-3333-4333-8333-333333333333', 'old', NULL, 'read', NULL, '2025-01-01 00:00:00+00', '2025-06-01 00:00:00+00');
INSERT INTO "public"."webhook_attempts_first" VALUES (1, 1, '2026-02-01 00:00:01+00', 500, 'HTTP status 500', 0, 1, NULL, 5, 6);
INSERT INTO "public"."webhook_attempts_first" VALUES (1, 2, '2026-02-01 00:00:02+00', 200, NULL, 0, 1, NULL, 5, 6);
INSERT INTO "public"."webhook_attempts_first" VALUES (2, 1, '2026-02-01 00:00:01+00', 500, 'HTTP status 500', 0, 1, NULL, 5, 6);
INSERT INTO "public"."webhook_attempts_first" VALUES (2, 2, '2026-02-01 00:00:02+00', 500, 'HTTP status 500', 0, 1, NULL, 5, 6);
INSERT INTO "public"."webhook_attempts_first" VALUES (2, 3, '2026-02-01 00:00:03+00', 500, 'HTTP status 500', 0, 1, NULL, 5, 6);
INSERT INTO "public"."webhook_attempts_first" VALUES (2, 4, '2026-02-01 00:00:04+00', 500, 'HTTP status 500', 0, 1, NULL, 5, 6);
INSERT INTO "public"."webhook_attempts_first" VALUES (2, 5, '2026-02-01 00:00:05+00', 500, 'HTTP status 500', 0, 1, NULL, 5, 6);
INSERT INTO "public"."webhook_attempts_first" VALUES (2, 6, '2026-02-01 00:00:06+00', 500, 'HTTP status 500', 0, 1, NULL, 5, 6);
INSERT INTO "public"."webhook_deliveries" OVERRIDING SYSTEM VALUE VALUES (3, '11111111-1111-4111-8111-111111111111', '0190a000-0000-7000-8000-000000000002', 'pending', 0, 0, 0, '2026-02-01 00:00:00+00', NULL, NULL, NULL, NULL, NULL, NULL, '2026-02-01 00:00:00+00');
INSERT INTO "public"."webhook_deliveries" OVERRIDING SYSTEM VALUE VALUES (4, '22222222-2222-4222-8222-222222222222', '0190a000-0000-7000-8000-000000000002', 'pending', 0, 0, 0, '2026-02-01 00:00:00+00', NULL, NULL, NULL, NULL, NULL, NULL, '2026-02-01 00:00:00+00');
INSERT INTO "public"."webhook_deliveries" OVERRIDING SYSTEM VALUE VALUES (5, '11111111-1111-4111-8111-111111111111', '0190a000-0000-7000-8000-000000000003', 'pending', 0, 0, 0, '2026-02-01 00:00:00+00', NULL, NULL, NULL, NULL, NULL, NULL, '2026-02-01 00:00:00+00');
INSERT INTO "public"."webhook_deliveries" OVERRIDING SYSTEM VALUE VALUES (1, '11111111-1111-4111-8111-111111111111', '0190a000-0000-7000-8000-000000000001', 'delivered', 0, 2, 0, NULL, NULL, NULL, 200, NULL, '2026-02-01 00:01:00+00', NULL, '2026-02-01 00:00:00+00');
INSERT INTO "public"."webhook_deliveries" OVERRIDING SYSTEM VALUE VALUES (2, '22222222-2222-4222-8222-222222222222', '0190a000-0000-7000-8000-000000000001', 'failed', 0, 6, 0, NULL, NULL, NULL, 500, 'HTTP status 500', NULL, '2026-02-01 00:02:00+00', '2026-02-01 00:00:00+00');
SELECT pg_catalog.setval('"public"."audit_log_id_seq"', 7, true);
SELECT pg_catalog.setval('"public"."webhook_deliveries_id_seq"', 5, true);
ALTER TABLE ONLY "public"."accounts"
    ADD CONSTRAINT "accounts_pkey" PRIMARY KEY ("id");
ALTER TABLE ONLY "public"."app_webhooks"
    ADD CONSTRAINT "app_webhooks_pkey" PRIMARY KEY ("id");
ALTER TABLE ONLY "public"."audit_log"
    ADD CONSTRAINT "audit_log_pkey" PRIMARY KEY ("id");
ALTER TABLE ONLY "public"."contacts"
    ADD CONSTRAINT "contacts_pkey" PRIMARY KEY ("id");
ALTER TABLE ONLY "public"."cron_denied"
    ADD CONSTRAINT "cron_denied_pkey" PRIMARY KEY ("minute", "route", "code");
ALTER TABLE ONLY "public"."cron_job_executions"
    ADD CONSTRAINT "cron_job_executions_pkey" PRIMARY KEY ("id");
ALTER TABLE ONLY "public"."cron_locks"
    ADD CONSTRAINT "cron_locks_pkey" PRIMARY KEY ("name");
ALTER TABLE ONLY "public"."cronward_adopted"
    ADD CONSTRAINT "cronward_adopted_pkey" PRIMARY KEY ("name");
ALTER TABLE ONLY "public"."cronward_schema"
    ADD CONSTRAINT "cronward_schema_pkey" PRIMARY KEY ("version");
ALTER TABLE ONLY "public"."email_queue"
    ADD CONSTRAINT "email_queue_pkey" PRIMARY KEY ("id");
ALTER TABLE ONLY "public"."jobs"
    ADD CONSTRAINT "jobs_pkey" PRIMARY KEY ("id");
ALTER TABLE ONLY "public"."platform_events_archive"
    ADD CONSTRAINT "platform_events_archive_pkey" PRIMARY KEY ("id");
ALTER TABLE ONLY "public"."platform_events"
    ADD CONSTRAINT "platform_events_pkey" PRIMARY KEY ("id");
ALTER TABLE ONLY "public"."platform_notifications_archive"
    ADD CONSTRAINT "platform_notifications_archive_pkey" PRIMARY KEY ("id");
ALTER TABLE ONLY "public"."platform_notifications"
    ADD CONSTRAINT "platform_notifications_pkey" PRIMARY KEY ("id");
ALTER TABLE ONLY "public"."webhook_deliveries"
    ADD CONSTRAINT "webhook_deliveries_pkey" PRIMARY KEY ("id");
CREATE INDEX "app_webhooks_plain_previous_secret" ON "public"."app_webhooks" USING "btree" ("id") WHERE (("previous_secret" <> ''::"text") AND (NOT "starts_with"("previous_secret", 'cw1.'::"text")));
CREATE INDEX "app_webhooks_plain_secret" ON "public"."app_webhooks" USING "btree" ("id") WHERE (NOT "starts_with"("secret", 'cw1.'::"text"));
CREATE INDEX "audit_log_age" ON "public"."audit_log" USING "btree" ("at", "id");
CREATE INDEX "cron_job_executions_age" ON "public"."cron_job_executions" USING "btree" ("started_at", "id");
CREATE INDEX "cron_job_executions_by_job" ON "public"."cron_job_executions" USING "btree" ("job_name", "started_at");
CREATE INDEX "cron_job_executions_running" ON "public"."cron_job_executions" USING "btree" ("job_name") WHERE ("status" = 'running'::"text");
CREATE INDEX "email_queue_age" ON "public"."email_queue" USING "btree" ("created_at", "id");
CREATE INDEX "jobs_age" ON "public"."jobs" USING "btree" ("created_at", "id");
CREATE INDEX "platform_events_age" ON "public"."platform_events" USING "btree" ("created_at", "id");
CREATE INDEX "platform_events_archive_age" ON "public"."platform_events_archive" USING "btree" ("archived_at", "id");
CREATE INDEX "platform_notifications_age" ON "public"."platform_notifications" USING "btree" ("created_at", "id");
CREATE INDEX "platform_notifications_archive_age" ON "public"."platform_notifications_archive" USING "btree" ("archived_at", "id");
CREATE INDEX "platform_notifications_expiry" ON "public"."platform_notifications" USING "btree" ("expires_at", "id") WHERE (("status" <> 'dismissed'::"text") AND ("expires_at" IS NOT NULL));
CREATE INDEX "platform_notifications_of_user" ON "public"."platform_notifications" USING "btree" ("user_id");
CREATE INDEX "webhook_attempts_of_delivery" ON ONLY "public"."webhook_attempts" USING "btree" ("delivery_id");
CREATE INDEX "webhook_attempts_20261123_delivery_id_idx" ON "public"."webhook_attempts_20261123" USING "btree" ("delivery_id");
CREATE INDEX "webhook_attempts_20261130_delivery_id_idx" ON "public"."webhook_attempts_20261130" USING "btree" ("delivery_id");
CREATE INDEX "webhook_attempts_20261207_delivery_id_idx" ON "public"."webhook_attempts_20261207" USING "btree" ("delivery_id");
CREATE INDEX "webhook_attempts_20261214_delivery_id_idx" ON "public"."webhook_attempts_20261214" USING "btree" ("delivery_id");
CREATE INDEX "webhook_attempts_20261221_delivery_id_idx" ON "public"."webhook_attempts_20261221" USING "btree" ("delivery_id");
CREATE INDEX "webhook_attempts_default_age" ON "public"."webhook_attempts_default" USING "btree" ("at");
CREATE INDEX "webhook_attempts_default_delivery_id_idx" ON "public"."webhook_attempts_default" USING "btree" ("delivery_id");
CREATE INDEX "webhook_attempts_first_of_delivery" ON "public"."webhook_attempts_first" USING "btree" ("delivery_id");
CREATE INDEX "webhook_deliveries_dead" ON "public"."webhook_deliveries" USING "btree" ("dead_at", "id") WHERE ("dead_at" IS NOT NULL);
CREATE INDEX "webhook_deliveries_due" ON "public"."webhook_deliveries" USING "btree" ("next_retry_at", "id") WHERE ("next_retry_at" IS NOT NULL);
CREATE INDEX "webhook_deliveries_open_of_event" ON "public"."webhook_deliveries" USING "btree" ("event_id") WHERE ("next_retry_at" IS NOT NULL);
CREATE INDEX "webhook_deliveries_parked" ON "public"."webhook_deliveries" USING "btree" ("webhook_id", "id") WHERE ("next_retry_at" = 'infinity'::timestamp with time zone);
CREATE INDEX "webhook_deliveries_suspect" ON "public"."webhook_deliveries" USING "btree" ("lost", "next_retry_at", "id") WHERE (("lost" > 0) AND ("next_retry_at" IS NOT NULL));
ALTER INDEX "public"."webhook_attempts_of_delivery" ATTACH PARTITION "public"."webhook_attempts_20261123_delivery_id_idx";
ALTER INDEX "public"."webhook_attempts_of_delivery" ATTACH PARTITION "public"."webhook_attempts_20261130_delivery_id_idx";
ALTER INDEX "public"."webhook_attempts_of_delivery" ATTACH PARTITION "public"."webhook_attempts_20261207_delivery_id_idx";
ALTER INDEX "public"."webhook_attempts_of_delivery" ATTACH PARTITION "public"."webhook_attempts_20261214_delivery_id_idx";
ALTER INDEX "public"."webhook_attempts_of_delivery" ATTACH PARTITION "public"."webhook_attempts_20261221_delivery_id_idx";
ALTER INDEX "public"."webhook_attempts_of_delivery" ATTACH PARTITION "public"."webhook_attempts_default_delivery_id_idx";
ALTER INDEX "public"."webhook_attempts_of_delivery" ATTACH PARTITION "public"."webhook_attempts_first_of_delivery";
CREATE TRIGGER "app_webhooks_enabled" BEFORE UPDATE OF "is_active" ON "public"."app_webhooks" FOR EACH ROW WHEN (("new"."is_active" AND (NOT "old"."is_active"))) EXECUTE FUNCTION "public"."cronward_webhook_enabled"();
CREATE TRIGGER "platform_events_fan_out" AFTER INSERT ON "public"."platform_events" REFERENCING NEW TABLE AS "fresh" FOR EACH STATEMENT EXECUTE FUNCTION "public"."cronward_events_fan_out"();
CREATE TRIGGER "webhook_deliveries_gone" AFTER DELETE ON "public"."webhook_deliveries" REFERENCING OLD TABLE AS "gone" FOR EACH STATEMENT EXECUTE FUNCTION "public"."cronward_deliveries_gone"();
ALTER TABLE ONLY "public"."webhook_deliveries"
    ADD CONSTRAINT "webhook_deliveries_webhook_id_fkey" FOREIGN KEY ("webhook_id") REFERENCES "public"."app_webhooks"("id") ON DELETE CASCADE;
