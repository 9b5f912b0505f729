-- The schema of version 17, with rows: a test upgrades it.  Made by tests/schemas/next.mjs.
COMMENT ON SCHEMA "public" IS 'standard public schema';
CREATE FUNCTION "public"."cancel_job"("job" "uuid") RETURNS "text"
    LANGUAGE "plpgsql"
    AS $$
DECLARE
	found jobs := (SELECT j FROM jobs j WHERE j.id = job FOR NO KEY UPDATE);
BEGIN
	IF found.id IS NULL THEN
		RAISE EXCEPTION 'There is no job %', job USING ERRCODE = 'CW404';
	ELSIF found.status = 'cancelled' THEN
		RETURN found.status;
	ELSIF found.waits_until IS NULL THEN
		RAISE EXCEPTION 'Job % cannot be cancelled: it is %', job, found.status USING ERRCODE = 'CW409';
	ELSIF found.lease_until IS NOT NULL THEN
		UPDATE jobs j SET cancel_requested_at = COALESCE(j.cancel_requested_at, clock_timestamp()), updated_at = clock_timestamp()
		 WHERE j.id = job;
		RETURN found.status;
	END IF;
	UPDATE jobs j
	   SET status = 'cancelled', waits_until = NULL, cancel_requested_at = clock_timestamp(),
	       completed_at = clock_timestamp(), updated_at = clock_timestamp()
	 WHERE j.id = job;
	INSERT INTO job_logs (job_id, message) VALUES (job, 'cancelled before it was begun');
	RETURN 'cancelled';
END
$$;
CREATE FUNCTION "public"."commit_reservation"("reservation" "uuid") RETURNS boolean
    LANGUAGE "plpgsql"
    AS $$
DECLARE
	hold inventory_reservations;
	stock inventory_items;
BEGIN
	SELECT * INTO hold FROM inventory_reservations WHERE id = reservation FOR NO KEY UPDATE;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'there is no hold %', COALESCE(reservation::text, 'NULL') USING ERRCODE = 'CW404';
	ELSIF hold.status = 'committed' THEN
		RETURN false;
	ELSIF hold.status = 'released' THEN
		RAISE EXCEPTION 'hold % was released, its % pieces are given back', reservation, hold.quantity USING ERRCODE = 'CW409';
	ELSIF hold.status <> 'active' OR hold.expires_at <= clock_timestamp() THEN
		RAISE EXCEPTION 'hold % of % pieces expired at %', reservation, hold.quantity, hold.expires_at
			USING ERRCODE = 'CW409', HINT = 'reserve again';
	END IF;
	SELECT * INTO stock FROM inventory_items WHERE id = hold.item_id FOR NO KEY UPDATE;
	IF COALESCE(stock.on_hand, 0) < hold.quantity THEN
		RAISE EXCEPTION 'of item % there are only % on hand, hold % is of %', COALESCE(stock.sku, hold.item_id::text),
			COALESCE(stock.on_hand, 0), reservation, hold.quantity USING ERRCODE = 'CW409';
	END IF;
	PERFORM set_config('cronward.holds', 'counted', true);
	UPDATE inventory_items SET on_hand = on_hand - hold.quantity, reserved = GREATEST(reserved - hold.quantity, 0)
	 WHERE id = hold.item_id;
	UPDATE inventory_reservations SET status = 'committed', ended_at = clock_timestamp() WHERE id = reservation;
	PERFORM set_config('cronward.holds', '', true);
	RETURN true;
END
$$;
COMMENT ON FUNCTION "public"."commit_reservation"("reservation" "uuid") IS 'sells what a hold keeps; false where it was committed before, an error where it is over';
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
CREATE FUNCTION "public"."cronward_close"(VARIADIC "names" "text"[]) RETURNS "void"
    LANGUAGE "plpgsql"
    AS $$
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
CREATE FUNCTION "public"."cronward_cron_problem"("cron" "text") RETURNS "text"
    LANGUAGE "plpgsql" IMMUTABLE STRICT PARALLEL SAFE
    SET "search_path" TO 'pg_catalog', 'pg_temp'
    AS $_$
DECLARE
	labels CONSTANT text[] := '{minute,hour,day-of-month,month,day-of-week}';
	allowed CONSTANT text[] := '{0-59,0-23,1-31,1-12 or JAN-DEC,0-7 or SUN-SAT}';
	least CONSTANT int[] := '{0,0,1,1,0}';
	most CONSTANT int[] := '{59,23,31,12,7}';
	months CONSTANT text[] := '{JAN,FEB,MAR,APR,MAY,JUN,JUL,AUG,SEP,OCT,NOV,DEC}';
	days CONSTANT text[] := '{SUN,MON,TUE,WED,THU,FRI,SAT}';
	macros CONSTANT text[] := '{@yearly,@annually,@monthly,@weekly,@daily,@midnight,@hourly}';
	trimmed text := btrim(cron, E' \t');
	words text[];
	part text;
	found text[];
	side text;
	ends numeric[];
	is_good boolean;
BEGIN
	IF octet_length(cron) > 256 THEN
		RETURN 'cron: longer than 256 bytes';
	END IF;
	IF lower(trimmed COLLATE "C") = ANY (macros) THEN
		RETURN NULL;
	END IF;
	words := CASE WHEN trimmed = '' THEN '{}' ELSE regexp_split_to_array(trimmed, '[ \t]+') END;
	IF cardinality(words) IS DISTINCT FROM 5 THEN
		RETURN format('cron: found %s of 5 fields (minute hour day-of-month month day-of-week); '
			'%s are allowed as well', cardinality(words), array_to_string(macros, ' '));
	END IF;
	FOR i IN 1..5 LOOP
		FOREACH part IN ARRAY string_to_array(words[i], ',') LOOP
			found := regexp_match(part, '^(?:(\*)|([0-9]+|[A-Za-z]{3})(?:-([0-9]+|[A-Za-z]{3}))?)(?:/([0-9]+))?$');
			is_good := found IS NOT NULL AND COALESCE(found[4]::numeric BETWEEN 1 AND most[i], true);
			ends := '{}';
			FOREACH side IN ARRAY array_remove(COALESCE(found[2:3], '{}'), NULL) LOOP
				ends := ends || CASE
					WHEN side ~ '^[0-9]' THEN side::numeric
					WHEN i = 4 THEN array_position(months, upper(side COLLATE "C"))
					WHEN i = 5 THEN array_position(days, upper(side COLLATE "C")) - 1 END;
				is_good := is_good AND COALESCE(ends[cardinality(ends)] BETWEEN least[i] AND most[i], false);
			END LOOP;
			CONTINUE WHEN is_good AND COALESCE(ends[1] <= ends[2], true);
			RETURN format('cron: %s%s: allowed are * and %s, ranges (a-b), lists (a,b) and steps '
				'(*/n, a-b/n, a/n; n from 1 to %s)', labels[i],
				CASE WHEN part ~ '^[!-~]{1,40}$' THEN ' "' || part || '"' ELSE '' END, allowed[i], most[i]);
		END LOOP;
	END LOOP;
	RETURN NULL;
END
$_$;
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
CREATE FUNCTION "public"."cronward_dependencies_come"() RETURNS "trigger"
    LANGUAGE "plpgsql" SECURITY DEFINER
    SET "search_path" TO 'public', 'pg_temp'
    AS $_$
DECLARE
	bad record;
	cycle uuid[];
	is_followed boolean := false;
BEGIN
	SELECT job_id, depends_on INTO bad FROM fresh ORDER BY job_id <> depends_on LIMIT 1;
	IF NOT FOUND THEN
		RETURN NULL;
	ELSIF bad.job_id = bad.depends_on THEN
		RAISE EXCEPTION USING ERRCODE = 'CW400', MESSAGE = format('job %s cannot depend on itself', bad.job_id);
	END IF;
	FOR round IN 1..2 LOOP
		IF NOT is_followed THEN
			PERFORM FROM (SELECT d.job_id, d.depends_on FROM job_dependencies d WHERE d.depends_on = ANY (ARRAY(SELECT job_id FROM fresh))
			              EXCEPT SELECT job_id, depends_on FROM fresh LIMIT 1) others;
			IF FOUND THEN
				is_followed := true;
				PERFORM pg_advisory_xact_lock(17239, 4);
			END IF;
		END IF;
		EXIT WHEN round = 2;
		PERFORM FROM jobs
		  WHERE id = ANY (ARRAY(SELECT job_id FROM fresh
		                        UNION
		                        SELECT f.depends_on FROM fresh f WHERE NOT (SELECT j.is_awaited FROM jobs j WHERE j.id = f.depends_on)))
		  ORDER BY id FOR NO KEY UPDATE;
		PERFORM FROM jobs WHERE id = ANY (ARRAY(SELECT depends_on FROM fresh)) ORDER BY id FOR SHARE;
	END LOOP;
	SELECT f.job_id, f.depends_on, j.id AS job, p.id AS needed, j.status INTO bad
	  FROM fresh f LEFT JOIN LATERAL (SELECT * FROM jobs WHERE id = f.job_id OFFSET 0) j ON true
	  LEFT JOIN LATERAL (SELECT id FROM jobs WHERE id = f.depends_on OFFSET 0) p ON true
	 WHERE j.id IS NULL OR p.id IS NULL OR j.waits_until IS NULL OR j.lease_until IS NOT NULL OR j.status = 'processing'
	 LIMIT 1;
	IF NOT FOUND THEN
		NULL;
	ELSIF bad.needed IS NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'CW400', MESSAGE = format('job %s cannot depend on %s: there is no such job', bad.job_id, bad.depends_on);
	ELSIF bad.job IS NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'CW400', MESSAGE = format('job %s cannot depend on %s: there is no job %1$s', bad.job_id, bad.depends_on);
	ELSE
		RAISE EXCEPTION USING ERRCODE = 'CW409',
			MESSAGE = format('job %s cannot depend on %s any more: it is %s', bad.job_id, bad.depends_on, bad.status);
	END IF;
	IF is_followed THEN
		WITH RECURSIVE up (id) AS (
			SELECT depends_on FROM fresh
			UNION
			SELECT d.depends_on FROM up JOIN job_dependencies d ON d.job_id = up.id
		)
		SELECT cronward_dependency_cycle(array_agg(d.job_id), array_agg(d.depends_on)) INTO cycle
		  FROM job_dependencies d WHERE d.job_id = ANY (ARRAY(SELECT id FROM up UNION SELECT job_id FROM fresh));
	ELSIF EXISTS (SELECT job_id FROM fresh INTERSECT SELECT depends_on FROM fresh LIMIT 1) THEN
		SELECT cronward_dependency_cycle(array_agg(job_id), array_agg(depends_on)) INTO cycle FROM fresh;
	END IF;
	IF cycle IS NOT NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'CW400', MESSAGE = 'dependencies go round in a cycle: ' || CASE WHEN cardinality(cycle) > 12
			THEN array_to_string(cycle[:10], ' depends on ') || format(' depends on … (%s jobs)', cardinality(cycle) - 1)
			ELSE array_to_string(cycle, ' depends on ') END;
	END IF;
	UPDATE jobs j
	   SET is_awaited = j.is_awaited OR o.is_needed,
	       open_dependencies = j.open_dependencies + o.edges,
	       status = CASE WHEN o.edges > 0 THEN 'blocked' ELSE j.status END,
	       waits_until = CASE WHEN o.edges > 0 THEN 'infinity' ELSE j.waits_until END
	  FROM (SELECT (SELECT ctid FROM jobs WHERE id = e.id) AS place, sum(edge)::integer AS edges, bool_or(is_needed) AS is_needed
	          FROM (SELECT job_id AS id, is_open::integer AS edge, false AS is_needed FROM fresh
	                UNION ALL SELECT depends_on, 0, true FROM fresh) e GROUP BY e.id) o
	 WHERE j.ctid = o.place AND (o.edges > 0 OR o.is_needed AND NOT j.is_awaited);
	PERFORM cronward_jobs_end_for_others(ARRAY(SELECT depends_on FROM fresh));
	RETURN NULL;
END
$_$;
CREATE FUNCTION "public"."cronward_dependencies_go"() RETURNS "trigger"
    LANGUAGE "plpgsql" SECURITY DEFINER
    SET "search_path" TO 'public', 'pg_temp'
    AS $$
BEGIN
	PERFORM FROM gone WHERE is_open LIMIT 1;
	IF FOUND THEN
		PERFORM FROM jobs WHERE id = ANY (ARRAY(SELECT job_id FROM gone WHERE is_open)) ORDER BY id FOR NO KEY UPDATE;
		UPDATE jobs j
		   SET open_dependencies = GREATEST(j.open_dependencies - o.edges, 0),
		       status = CASE WHEN j.status = 'blocked' AND j.open_dependencies <= o.edges THEN 'pending' ELSE j.status END,
		       waits_until = CASE WHEN j.waits_until = 'infinity' AND j.open_dependencies <= o.edges THEN j.run_at ELSE j.waits_until END,
		       updated_at = clock_timestamp()
		  FROM (SELECT job_id, count(*)::integer AS edges FROM gone WHERE is_open GROUP BY job_id) o
		 WHERE j.id = ANY (ARRAY(SELECT job_id FROM gone WHERE is_open)) AND j.id = o.job_id AND j.waits_until IS NOT NULL;
	END IF;
	RETURN NULL;
END
$$;
CREATE FUNCTION "public"."cronward_dependency_cycle"("job_ids" "uuid"[], "needed" "uuid"[]) RETURNS "uuid"[]
    LANGUAGE "plpgsql" IMMUTABLE
    AS $$
DECLARE
	names uuid[];
	waits integer[]; -- how many prerequisites a node still has
	first integer[]; -- where in `dependents` those of a node begin
	dependents integer[];
	of_edge integer[];
	ready integer[] := '{}';
	count_ready integer := 0;
	done integer := 0;
	node integer;
	path integer[] := '{}';
BEGIN
	SELECT array_agg(u.id ORDER BY u.id) INTO names FROM (SELECT unnest(job_ids) AS id UNION SELECT unnest(needed)) u;
	IF names IS NULL THEN
		RETURN NULL;
	END IF;
	WITH node AS MATERIALIZED (
		SELECT id, n::integer FROM unnest(names) WITH ORDINALITY AS u (id, n)
	)
	SELECT array_agg(j.n ORDER BY p.n), array_agg(p.n ORDER BY p.n) INTO dependents, of_edge
	  FROM unnest(job_ids, needed) AS e (job_id, depends_on) JOIN node j ON j.id = e.job_id JOIN node p ON p.id = e.depends_on;
	waits := array_fill(0, ARRAY[cardinality(names)]);
	first := array_fill(0, ARRAY[cardinality(names)]);
	FOR edge IN REVERSE cardinality(dependents)..1 LOOP
		waits[dependents[edge]] := waits[dependents[edge]] + 1;
		first[of_edge[edge]] := edge;
	END LOOP;
	FOR i IN 1..cardinality(names) LOOP
		IF waits[i] = 0 THEN
			count_ready := count_ready + 1;
			ready[count_ready] := i;
		END IF;
	END LOOP;
	WHILE done < count_ready LOOP
		done := done + 1;
		node := ready[done];
		FOR edge IN first[node]..cardinality(dependents) LOOP
			EXIT WHEN first[node] = 0 OR of_edge[edge] <> node;
			waits[dependents[edge]] := waits[dependents[edge]] - 1;
			IF waits[dependents[edge]] = 0 THEN
				count_ready := count_ready + 1;
				ready[count_ready] := dependents[edge];
			END IF;
		END LOOP;
	END LOOP;
	IF done = cardinality(names) THEN
		RETURN NULL;
	END IF;
	-- Each node that is left has a prerequisite that is left, so going from one to the next comes round.
	FOR edge IN 1..cardinality(dependents) LOOP
		IF waits[dependents[edge]] > 0 AND waits[of_edge[edge]] > 0 THEN
			first[dependents[edge]] := of_edge[edge];
			node := of_edge[edge];
		END IF;
	END LOOP;
	ready := array_fill(0, ARRAY[cardinality(names)]);
	count_ready := 0;
	WHILE ready[node] = 0 LOOP
		count_ready := count_ready + 1;
		ready[node] := count_ready;
		path[count_ready] := node;
		node := first[node];
	END LOOP;
	path := path[ready[node]:] || node;
	RETURN ARRAY(SELECT names[i] FROM unnest(path) WITH ORDINALITY AS p (i, n) ORDER BY n);
END
$$;
CREATE FUNCTION "public"."cronward_dependents_go_on"("ended" "uuid"[], "has_failed" boolean, "reason" "text") RETURNS "void"
    LANGUAGE "plpgsql"
    AS $$
DECLARE
	failing uuid[];
BEGIN
	PERFORM FROM job_dependencies WHERE depends_on = ANY (ended) AND is_open LIMIT 1;
	IF NOT FOUND THEN
		RETURN;
	END IF;
	IF has_failed THEN
		failing := ARRAY(
			WITH RECURSIVE f (id) AS (
				SELECT d.job_id FROM job_dependencies d
				 WHERE d.depends_on = ANY (ended) AND d.is_open
				   AND (SELECT j.on_dependency_failure = 'fail' AND j.waits_until IS NOT NULL FROM jobs j WHERE j.id = d.job_id)
				UNION
				SELECT d.job_id FROM f JOIN job_dependencies d ON d.depends_on = f.id AND d.is_open
				 WHERE (SELECT j.on_dependency_failure = 'fail' AND j.waits_until IS NOT NULL FROM jobs j WHERE j.id = d.job_id))
			SELECT id FROM f);
	END IF;
	PERFORM FROM jobs
	  WHERE id = ANY (ARRAY(SELECT job_id FROM job_dependencies WHERE depends_on = ANY (failing || ended) AND is_open))
	  ORDER BY id FOR NO KEY UPDATE;
	-- All edges out of what ends here, and what they lead to, which is locked: so its address stays.
	WITH closed AS (
		UPDATE job_dependencies SET is_open = false WHERE depends_on = ANY (failing || ended) AND is_open
		RETURNING job_id, depends_on
	), open AS MATERIALIZED (
		SELECT job_id, count(*)::integer AS edges, min(depends_on::text) AS depends_on, job_id IN (SELECT unnest(failing)) AS fails
		  FROM closed GROUP BY job_id
	), gone AS (
		UPDATE jobs j
		   SET open_dependencies = GREATEST(j.open_dependencies - o.edges, 0),
		       status = CASE WHEN o.fails THEN 'failed' WHEN j.status = 'blocked' AND j.open_dependencies <= o.edges THEN 'pending' ELSE j.status END,
		       waits_until = CASE WHEN o.fails THEN NULL
		                          WHEN j.waits_until = 'infinity' AND j.open_dependencies <= o.edges THEN j.run_at ELSE j.waits_until END,
		       error_message = CASE WHEN NOT o.fails THEN j.error_message
		                            WHEN o.depends_on = ended[1]::text THEN left(format('its dependency %s %s', ended[1], reason), 1024)
		                            ELSE left(format('its dependency %s failed: %s %s', o.depends_on, ended[1], reason), 1024) END,
		       completed_at = CASE WHEN o.fails THEN clock_timestamp() ELSE j.completed_at END,
		       dead_at = CASE WHEN o.fails THEN clock_timestamp() ELSE j.dead_at END,
		       updated_at = clock_timestamp()
		  FROM (SELECT *, (SELECT ctid FROM jobs WHERE id = job_id) AS place FROM open) o
		 WHERE j.ctid = o.place AND j.waits_until IS NOT NULL
		RETURNING j.id, j.error_message, o.fails
	)
	INSERT INTO job_logs (job_id, level, message)
	SELECT id, 'error', 'failed for good: ' || error_message FROM gone WHERE fails;
	PERFORM FROM app_webhooks WHERE failing <> '{}' AND (events = '{}' OR events && '{job.failed,job.*}') LIMIT 1;
	IF FOUND THEN
		INSERT INTO platform_events (event_type, payload)
		SELECT 'job.failed', cronward_job_event(j) FROM jobs j WHERE j.id = ANY (failing) AND j.status = 'failed';
	END IF;
END
$$;
CREATE FUNCTION "public"."cronward_enqueue_once"("request_key" "text", "digest" "bytea", "jobs" "jsonb", OUT "reply" "jsonb", OUT "is_replay" boolean) RETURNS "record"
    LANGUAGE "plpgsql"
    AS $_$
DECLARE
	was bytea;
BEGIN
	is_replay := false;
	IF request_key IS NOT NULL THEN
		INSERT INTO job_requests AS r (idempotency_key, body_sha256, reply) VALUES (request_key, digest, '[]')
		    ON CONFLICT (idempotency_key) DO NOTHING;
		IF NOT FOUND THEN
			SELECT r.body_sha256, r.reply INTO was, reply FROM job_requests r WHERE r.idempotency_key = request_key;
			IF was <> digest THEN
				RAISE EXCEPTION 'This Idempotency-Key was used with another body' USING ERRCODE = 'CW409';
			END IF;
			is_replay := true;
			RETURN;
		END IF;
	END IF;
	IF jsonb_typeof(jobs) = 'array' AND jsonb_array_length(jobs) > 10000 THEN
		RAISE EXCEPTION 'An array may hold up to 10000 jobs; this one has %', jsonb_array_length(jobs) USING ERRCODE = 'CW400';
	END IF;
	-- Who speaks JSON means a text when he writes one: a number or an object is a slip.
	IF jobs @? '$[*] ? (@.type.type() <> "string" || @.job_type.type() <> "string" || @.queue.type() <> "string"
	                    || @.unique_key.type() <> "string" || @.concurrency_key.type() <> "string")' THEN
		PERFORM cronward_jobs_refuse(CASE jsonb_typeof(jobs) WHEN 'array' THEN jobs ELSE jsonb_build_array(jobs) END,
		                             jsonb_typeof(jobs) <> 'array');
	END IF;
	SELECT COALESCE(jsonb_agg(jsonb_build_object('id', e.id, 'isNew', e.is_new) ORDER BY e.n), '[]')
	  INTO reply FROM enqueue_jobs(jobs) e;
	IF request_key IS NOT NULL THEN
		UPDATE job_requests r SET reply = cronward_enqueue_once.reply WHERE r.idempotency_key = request_key;
	END IF;
END
$_$;
CREATE FUNCTION "public"."cronward_enrichment_context"("job_type" "text", "workspace_id" "uuid", "payload" "jsonb") RETURNS "jsonb"
    LANGUAGE "sql" STABLE
    AS $_$
	SELECT jsonb_build_object(
		'key', (SELECT left(s.apollo_api_key_encrypted, 90000) FROM workspace_settings s WHERE s.workspace_id = $2),
		'row', CASE n.target
			WHEN 'account' THEN (
				SELECT jsonb_build_object('id', a.id, 'domain', left(a.domain, 2000), 'name', left(a.name, 2000),
					'enriched_at', to_char(a.enriched_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
					'found', left(a.enrichment ->> 'primary_domain', 2000))
				  FROM accounts a
				 WHERE a.id = CASE WHEN n.account ~* n.form THEN n.account::uuid END AND a.workspace_id = $2)
			WHEN 'contact' THEN (
				SELECT jsonb_build_object('id', c.id, 'email', left(c.email, 2000),
					'first_name', left(c.first_name, 2000), 'last_name', left(c.last_name, 2000),
					'enriched_at', to_char(c.enriched_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
					'found', left(c.enrichment ->> 'email', 2000))
				  FROM contacts c
				 WHERE c.id = CASE WHEN n.contact ~* n.form THEN n.contact::uuid END AND c.workspace_id = $2)
		END)
	  FROM (SELECT (SELECT t.target FROM job_types t WHERE t.job_type = $1) AS target,
	               $3 ->> 'account_id' AS account, $3 ->> 'contact_id' AS contact,
	               '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$' AS form) n
$_$;
CREATE FUNCTION "public"."cronward_event_body"("event_type" "text", "created_at" timestamp with time zone, "payload" "jsonb") RETURNS "text"
    LANGUAGE "sql" STABLE PARALLEL SAFE
    AS $$
	SELECT '{"type":' || to_json(event_type)::text || ',"timestamp":"'
	    || to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
	    || '","data":' || payload::text || '}'
$$;
CREATE FUNCTION "public"."cronward_event_call"("action" "text") RETURNS "text"
    LANGUAGE "plpgsql" STABLE
    AS $_$
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
$_$;
CREATE FUNCTION "public"."cronward_event_comes"() RETURNS "trigger"
    LANGUAGE "plpgsql" SECURITY DEFINER
    SET "search_path" TO 'public', 'pg_temp'
    AS $$
DECLARE
	retries integer;
	retry_at timestamptz;
	says_status boolean := false;
	says_processed boolean;
	says_error boolean;
BEGIN
	IF TG_OP = 'UPDATE' AND NEW.waits_until IS NULL
	   AND NEW.created_at < (SELECT a.at FROM cronward_adopted a WHERE a.name = TG_ARGV[0]) THEN
		RETURN NEW;
	END IF;
	IF TG_ARGV[0] = 'webhook_events' THEN
		retries := NEW.retry_count;
		retry_at := NEW.next_retry_at;
	ELSE
		retries := NEW.retrycount;
		retry_at := NEW.nextretryat;
		IF TG_OP = 'UPDATE' THEN
			says_status := OLD.status IS DISTINCT FROM NEW.status;
			says_processed := OLD.processed IS DISTINCT FROM NEW.processed;
			says_error := NEW.processingerror IS NOT NULL AND (OLD.processingerror IS DISTINCT FROM NEW.processingerror
				OR OLD.nextretryat IS DISTINCT FROM NEW.nextretryat OR OLD.retrycount IS DISTINCT FROM NEW.retrycount);
		ELSE
			says_processed := NEW.processed IS TRUE;
			says_status := NEW.status IN ('failed', 'processing') OR (NEW.status = 'processed' AND NOT says_processed);
			says_error := NEW.processingerror IS NOT NULL OR retries > 0;
		END IF;
		IF says_processed AND NEW.processed THEN
			NEW.status := 'processed';
		ELSIF says_processed THEN
			NEW.status := CASE WHEN NEW.processingerror IS NOT NULL OR retries > 0 THEN 'failed' ELSE 'pending' END;
		ELSIF says_status THEN
			NEW.processed := NEW.status = 'processed';
		ELSIF says_error AND NOT NEW.processed THEN
			NEW.status := 'failed';
		END IF;
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
		NEW.attempts := GREATEST(NEW.attempts, cronward_event_tries(NEW.status, retries));
	ELSIF NEW.lease_until IS NULL OR NEW.lease_until <= clock_timestamp() THEN
		NEW.lease_until := NULL;
		NEW.claim_token := NULL;
		NEW.lost := 0;
		IF NEW.status <> 'processed' THEN
			NEW.attempts := cronward_event_tries(NEW.status, retries);
		END IF;
	END IF;
	NEW.waits_until := cronward_event_due(NEW.status, NEW.archived, retry_at);
	RETURN NEW;
END
$$;
CREATE FUNCTION "public"."cronward_event_describe"("id" "uuid", "provider" "text", "event_id" "text", "type" "text", "attempts" integer, "received_at" timestamp with time zone, "headers" "jsonb", "payload" "jsonb", "body" "bytea") RETURNS "jsonb"
    LANGUAGE "plpgsql" STABLE
    AS $$
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
CREATE FUNCTION "public"."cronward_event_due"("status" "text", "is_archived" boolean, "next_retry_at" timestamp with time zone) RETURNS timestamp with time zone
    LANGUAGE "sql"
    AS $$
	SELECT CASE WHEN is_archived OR status = 'processed' THEN NULL
	            WHEN status = 'processing' THEN clock_timestamp() + interval '1 hour'
	            WHEN next_retry_at IS NOT NULL THEN GREATEST(next_retry_at, timestamptz 'epoch')
	            WHEN status = 'failed' THEN clock_timestamp()
	            WHEN status = 'pending' THEN clock_timestamp() + interval '1 minute' END
$$;
CREATE FUNCTION "public"."cronward_event_fits"("type" "text", "pattern" "text") RETURNS boolean
    LANGUAGE "sql" IMMUTABLE PARALLEL SAFE
    AS $$
	SELECT pattern = '*' OR pattern = type OR (pattern LIKE '%.*' AND starts_with(type, left(pattern, -1)))
$$;
CREATE FUNCTION "public"."cronward_event_function_form"() RETURNS "text"
    LANGUAGE "sql" IMMUTABLE PARALLEL SAFE
    AS $_$
	SELECT '^(' || part || '\.)?' || part || '$' FROM (SELECT $re$("([^"]|"")+"|[[:alpha:]_][[:alnum:]_$]*)$re$ AS part) p
$_$;
CREATE TABLE "public"."event_handlers" (
    "id" bigint NOT NULL,
    "provider" "text" NOT NULL,
    "type_pattern" "text" DEFAULT '*'::"text" NOT NULL,
    "action" "text" NOT NULL,
    "position" integer DEFAULT 0 NOT NULL,
    "is_active" boolean DEFAULT true NOT NULL,
    "secret" "text",
    "headers" "jsonb" DEFAULT '{}'::"jsonb" NOT NULL,
    "timeout_s" integer,
    "created_at" timestamp with time zone DEFAULT "now"() NOT NULL,
    CONSTRAINT "event_handlers_action_check" CHECK (("action" <> ''::"text")),
    CONSTRAINT "event_handlers_provider_check" CHECK (("provider" <> ''::"text")),
    CONSTRAINT "event_handlers_timeout_s_check" CHECK ((("timeout_s" >= 1) AND ("timeout_s" <= 30))),
    CONSTRAINT "event_handlers_type_pattern_check" CHECK (("type_pattern" <> ''::"text"))
);
COMMENT ON TABLE "public"."event_handlers" IS 'what is done with inbound events: of those that fit, the first by position, then id';
COMMENT ON COLUMN "public"."event_handlers"."provider" IS 'as in the address, lower case: telebirr, whatsapp; * is any';
COMMENT ON COLUMN "public"."event_handlers"."type_pattern" IS 'a type, a prefix that ends in .*, or * for any';
COMMENT ON COLUMN "public"."event_handlers"."action" IS 'a function f(event jsonb) returns void, or the URL of an application';
COMMENT ON COLUMN "public"."event_handlers"."secret" IS 'what forwarded events are signed with (Standard Webhooks), plain or sealed';
COMMENT ON COLUMN "public"."event_handlers"."headers" IS 'sent with forwarded events besides their own';
CREATE FUNCTION "public"."cronward_event_handler"("of_provider" "text", "of_type" "text") RETURNS SETOF "public"."event_handlers"
    LANGUAGE "sql" STABLE ROWS 1
    AS $$
	SELECT h.*
	  FROM event_handlers h
	 WHERE h.is_active AND h.provider IN (lower(of_provider), '*') AND cronward_event_fits(of_type, h.type_pattern)
	 ORDER BY h.position, h.id
	 LIMIT 1
$$;
CREATE FUNCTION "public"."cronward_event_handler_comes"() RETURNS "trigger"
    LANGUAGE "plpgsql" SECURITY DEFINER
    SET "search_path" TO 'public', 'pg_temp'
    AS $_$
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
$_$;
CREATE FUNCTION "public"."cronward_event_patterns_are_valid"("patterns" "text"[]) RETURNS boolean
    LANGUAGE "sql" IMMUTABLE PARALLEL SAFE
    AS $_$
	SELECT NOT EXISTS (SELECT 1 FROM unnest(patterns) p WHERE p IS NULL OR p !~ '^[^*]*[^*.](\.\*)?$')
$_$;
CREATE FUNCTION "public"."cronward_event_perform"("source" "regclass", "id" "uuid", "token" "uuid", "action" "text", "event" "jsonb") RETURNS "void"
    LANGUAGE "plpgsql"
    AS $_$
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
$_$;
CREATE FUNCTION "public"."cronward_event_tries"("status" "text", "retries" integer) RETURNS integer
    LANGUAGE "sql" IMMUTABLE PARALLEL SAFE
    AS $$
	SELECT CASE WHEN status = 'failed' OR retries > 0 THEN LEAST(GREATEST(COALESCE(retries, 0), 0), 1000000) + 1 ELSE 0 END
$$;
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
CREATE FUNCTION "public"."cronward_held"("item" "uuid") RETURNS integer
    LANGUAGE "sql" STABLE
    AS $$
	SELECT COALESCE(sum(quantity), 0)::integer FROM inventory_reservations WHERE item_id = item AND status = 'active'
$$;
CREATE FUNCTION "public"."cronward_hold_ends"() RETURNS "trigger"
    LANGUAGE "plpgsql" SECURITY DEFINER
    SET "search_path" TO 'public', 'pg_temp'
    AS $$
BEGIN
	IF OLD.status <> 'active' THEN
		RAISE EXCEPTION 'hold % of % pieces is %, it cannot become %', OLD.id, OLD.quantity, OLD.status, NEW.status
			USING ERRCODE = 'CW409', HINT = 'reserve again';
	END IF;
	NEW.ended_at := clock_timestamp();
	RETURN NEW;
END
$$;
CREATE FUNCTION "public"."cronward_holds_change"() RETURNS "trigger"
    LANGUAGE "plpgsql" SECURITY DEFINER
    SET "search_path" TO 'public', 'pg_temp'
    AS $$
BEGIN
	IF current_setting('cronward.holds', true) = 'counted' THEN
		RETURN NULL;
	ELSIF TG_OP = 'INSERT' THEN
		PERFORM cronward_stock_count(ARRAY(SELECT item_id FROM now_rows WHERE status = 'active'));
	ELSIF TG_OP = 'DELETE' THEN
		PERFORM cronward_stock_count(ARRAY(SELECT item_id FROM old_rows WHERE status = 'active'));
	ELSE
		PERFORM cronward_stock_count(ARRAY(
			SELECT item_id FROM old_rows WHERE status = 'active' UNION SELECT item_id FROM now_rows WHERE status = 'active'));
		-- What was sold is there no longer.
		UPDATE inventory_items i SET on_hand = i.on_hand - s.sold
		  FROM (SELECT n.item_id, sum(n.quantity) AS sold FROM old_rows o JOIN now_rows n USING (id)
		         WHERE o.status = 'active' AND n.status = 'committed' GROUP BY n.item_id) s
		 WHERE i.id = s.item_id;
	END IF;
	RETURN NULL;
END
$$;
CREATE FUNCTION "public"."cronward_isolate"("place" "regclass") RETURNS "void"
    LANGUAGE "plpgsql"
    SET "client_min_messages" TO 'warning'
    AS $$
DECLARE
	mine text := 'ANY (ARRAY(SELECT m.workspace_id FROM workspace_members m WHERE m.user_id = (SELECT cronward_user_id())))';
	name text := (SELECT relname FROM pg_class WHERE oid = place);
	condition text := CASE name
		WHEN 'jobs' THEN 'workspace_id = ' || mine
		WHEN 'job_logs' THEN 'EXISTS (SELECT FROM jobs j WHERE j.id = job_logs.job_id)'
		WHEN 'job_dependencies' THEN 'EXISTS (SELECT FROM jobs j WHERE j.id = job_dependencies.job_id)'
			|| ' AND EXISTS (SELECT FROM jobs j WHERE j.id = job_dependencies.depends_on)'
		WHEN 'workspaces' THEN 'id = ' || mine
		WHEN 'workspace_members' THEN 'user_id = (SELECT cronward_user_id())'
		WHEN 'workspace_settings' THEN 'false' END;
BEGIN
	IF condition IS NULL THEN
		RAISE EXCEPTION '% is none of jobs, job_logs, job_dependencies, workspaces, workspace_members, workspace_settings', place;
	END IF;
	EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', place);
	EXECUTE format('DROP POLICY IF EXISTS cronward_members ON %s', place);
	EXECUTE format('CREATE POLICY cronward_members ON %s FOR SELECT USING (%s)', place, condition);
END
$$;
CREATE FUNCTION "public"."cronward_job_call"("target" "text") RETURNS "text"
    LANGUAGE "plpgsql" STABLE
    AS $_$
DECLARE
	part text := $re$("([^"]|"")+"|[[:alpha:]_][[:alnum:]_$]*)$re$;
	f record;
BEGIN
	IF target !~ ('^(' || part || '\.)?' || part || '$') THEN
		RAISE EXCEPTION 'job_types.target "%" is no function''s name; allowed is name or schema.name', target
			USING ERRCODE = 'CW422';
	END IF;
	SELECT p.*, n.nspname INTO f
	  FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
	 WHERE p.oid = to_regprocedure(target || '(jsonb)');
	IF f.oid IS NULL THEN
		RAISE EXCEPTION 'there is no function %(jsonb), which job_types.target names', target
			USING ERRCODE = 'CW422',
			      HINT = COALESCE((SELECT 'there is ' || string_agg(p.oid::regprocedure::text, ', ') FROM pg_proc p
			                        WHERE p.proname = (SELECT name FROM unnest(parse_ident(target)) WITH ORDINALITY AS t (name, n)
			                                            ORDER BY n DESC LIMIT 1)), 'names are looked up in the search_path of cronward''s role');
	END IF;
	IF f.proname LIKE 'cronward\_%' THEN
		RAISE EXCEPTION 'job_types.target names %(jsonb), which is cronward''s own', target USING ERRCODE = 'CW422';
	END IF;
	IF f.prorettype <> 'jsonb'::regtype OR f.proretset OR f.prokind <> 'f' THEN
		RAISE EXCEPTION '%(jsonb) %; allowed is a function that returns jsonb', target,
			CASE f.prokind WHEN 'p' THEN 'is a procedure' WHEN 'a' THEN 'is an aggregate'
			ELSE 'returns ' || pg_get_function_result(f.oid) END
			USING ERRCODE = 'CW422';
	END IF;
	RETURN format('SELECT %I.%I($1)', f.nspname, f.proname);
END
$_$;
CREATE FUNCTION "public"."cronward_job_comes"() RETURNS "trigger"
    LANGUAGE "plpgsql" SECURITY DEFINER
    SET "search_path" TO 'public', 'pg_temp'
    AS $$
DECLARE
	fault text;
BEGIN
	fault := CASE
		WHEN length(NEW.job_type) NOT BETWEEN 1 AND 200 THEN format('job_type must have 1 to 200 characters; it has %s', length(NEW.job_type))
		WHEN length(NEW.queue) NOT BETWEEN 1 AND 200 THEN format('queue must have 1 to 200 characters; it has %s', length(NEW.queue))
		WHEN length(NEW.unique_key) NOT BETWEEN 1 AND 200 THEN format('unique_key must have 1 to 200 characters; it has %s', length(NEW.unique_key))
		WHEN length(NEW.concurrency_key) NOT BETWEEN 1 AND 200 THEN
			format('concurrency_key must have 1 to 200 characters; it has %s', length(NEW.concurrency_key))
		WHEN NEW.max_attempts NOT BETWEEN 1 AND 1000 THEN format('max_attempts must be from 1 to 1000; it is %s', NEW.max_attempts)
		WHEN NOT isfinite(NEW.run_at) THEN format('run_at must be a time that comes; it is %s', NEW.run_at)
		ELSE COALESCE(cronward_job_payload_fault(NEW.payload), cronward_job_timeout_fault(NEW.timeout_s))
		END;
	IF fault IS NOT NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'CW400', MESSAGE = fault;
	END IF;
	IF NEW.waits_until IS NULL OR NEW.lease_until IS NOT NULL THEN
		RETURN NEW;
	END IF;
	-- What has ended is history; what somebody else processes, or is to get dependencies, waits.
	NEW.waits_until := CASE
		WHEN NEW.status IN ('completed', 'failed', 'cancelled') THEN NULL
		WHEN NEW.status IN ('processing', 'blocked') THEN 'infinity'
		ELSE GREATEST(NEW.waits_until, NEW.run_at) END;
	RETURN NEW;
END
$$;
CREATE FUNCTION "public"."cronward_job_defaults_are_valid"("defaults" "jsonb") RETURNS boolean
    LANGUAGE "sql" IMMUTABLE PARALLEL SAFE
    AS $_$
	SELECT defaults - '{queue,priority,max_attempts,timeout_s}'::text[] = '{}'
	   AND CASE WHEN defaults ? 'queue' THEN jsonb_typeof(defaults->'queue') = 'string' AND length(defaults->>'queue') BETWEEN 1 AND 200 ELSE true END
	   AND CASE WHEN NOT defaults ? 'priority' OR defaults->>'priority' IN ('high', 'normal', 'low') THEN true
	            WHEN defaults->>'priority' ~ '^-?[0-9]{1,5}$' THEN (defaults->>'priority')::integer BETWEEN -32768 AND 32767
	            ELSE false END
	   AND CASE WHEN NOT defaults ? 'max_attempts' THEN true
	            WHEN defaults->>'max_attempts' ~ '^[0-9]{1,4}$' THEN (defaults->>'max_attempts')::integer BETWEEN 1 AND 1000
	            ELSE false END
	   AND CASE WHEN NOT defaults ? 'timeout_s' THEN true
	            WHEN defaults->>'timeout_s' ~ '^[0-9]{1,4}$' THEN (defaults->>'timeout_s')::integer BETWEEN 1 AND 3600
	            ELSE false END
$_$;
CREATE FUNCTION "public"."cronward_job_ends"() RETURNS "trigger"
    LANGUAGE "plpgsql" SECURITY DEFINER
    SET "search_path" TO 'public', 'pg_temp'
    AS $$
BEGIN
	PERFORM FROM job_dependencies WHERE depends_on = NEW.id AND is_open LIMIT 1;
	IF FOUND THEN
		PERFORM set_config('cronward.ended', concat(current_setting('cronward.ended', true), ' ', NEW.id), true);
	END IF;
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
    "timeout_s" integer,
    "concurrency_key" "text",
    "concurrency_limit" integer DEFAULT 1 NOT NULL,
    "open_dependencies" integer DEFAULT 0 NOT NULL,
    "is_awaited" boolean DEFAULT false NOT NULL,
    "on_dependency_failure" "text" DEFAULT 'fail'::"text" NOT NULL,
    "awaits_callback" boolean DEFAULT false NOT NULL,
    "performed_at" timestamp with time zone,
    "cancel_requested_at" timestamp with time zone,
    "dead_at" timestamp with time zone,
    "schedule" "text",
    "slot" timestamp with time zone,
    CONSTRAINT "jobs_concurrency_limit_check" CHECK ((("concurrency_limit" >= 1) AND ("concurrency_limit" <= 1000))),
    CONSTRAINT "jobs_on_dependency_failure_check" CHECK (("on_dependency_failure" = ANY (ARRAY['fail'::"text", 'run'::"text"]))),
    CONSTRAINT "jobs_status_check" CHECK (("status" = ANY (ARRAY['pending'::"text", 'blocked'::"text", 'processing'::"text", 'completed'::"text", 'failed'::"text", 'cancelled'::"text"]))),
    CONSTRAINT "jobs_timeout_s_check" CHECK ((("timeout_s" >= 1) AND ("timeout_s" <= 3600)))
)
WITH ("autovacuum_vacuum_scale_factor"='0.02', "autovacuum_vacuum_threshold"='1000', "autovacuum_analyze_scale_factor"='0.05', "fillfactor"='45');
COMMENT ON COLUMN "public"."jobs"."attempts" IS 'tries whose outcome was settled';
COMMENT ON COLUMN "public"."jobs"."lost" IS 'leases that ran out since the last settled try';
COMMENT ON COLUMN "public"."jobs"."timeout_s" IS 'of one try; NULL: the type''s, else JOB_TIMEOUT_S';
COMMENT ON COLUMN "public"."jobs"."open_dependencies" IS 'rows of job_dependencies that keep it blocked';
COMMENT ON COLUMN "public"."jobs"."is_awaited" IS 'other jobs depend, or depended, on it';
COMMENT ON COLUMN "public"."jobs"."awaits_callback" IS 'its processor has answered 202 and calls back before lease_until';
COMMENT ON COLUMN "public"."jobs"."performed_at" IS 'its work is committed, only its settling is not; such a job never runs again';
COMMENT ON COLUMN "public"."jobs"."cancel_requested_at" IS 'whoever runs it is to stop it and settle it as cancelled';
COMMENT ON COLUMN "public"."jobs"."dead_at" IS 'when it failed for good';
COMMENT ON COLUMN "public"."jobs"."schedule" IS 'the schedule that made it; NULL: none';
COMMENT ON COLUMN "public"."jobs"."slot" IS 'the time of that schedule that it stands for';
CREATE FUNCTION "public"."cronward_job_event"("d" "public"."jobs") RETURNS "jsonb"
    LANGUAGE "plpgsql" STABLE PARALLEL SAFE
    AS $$
BEGIN
	RETURN jsonb_strip_nulls(jsonb_build_object(
			'id', d.id, 'type', d.job_type, 'queue', d.queue, 'workspace_id', d.workspace_id,
			'status', d.status, 'attempts', d.attempts, 'max_attempts', d.max_attempts,
			'created_at', d.created_at, 'completed_at', d.completed_at, 'error', d.error_message))
	    || jsonb_build_object('result', d.result);
END
$$;
CREATE FUNCTION "public"."cronward_job_fault"("job" "jsonb") RETURNS "text"
    LANGUAGE "plpgsql" STABLE
    AS $_$
DECLARE
	uuid_form CONSTANT text := '^\{?[0-9a-f]{8}(-?[0-9a-f]{4}){3}-?[0-9a-f]{12}\}?$';
	option text;
	value jsonb;
	word text;
	shown text;
	fault text;
BEGIN
	IF jsonb_typeof(job) IS DISTINCT FROM 'object' THEN
		RETURN format('a job is an object, such as {"job_type": "mail", "payload": {}}; this is %s', left(COALESCE(job::text, 'NULL'), 60));
	END IF;
	job := jsonb_strip_nulls(job - 'payload');
	IF NOT job ?| ARRAY['job_type', 'type'] THEN
		RETURN 'job_type is missing';
	END IF;
	FOR option, value IN SELECT * FROM jsonb_each(job) LOOP
		word := value #>> '{}';
		shown := left(value::text, 60);
		fault := CASE
			WHEN option <> ALL (cronward_job_options()) THEN
				'is no option; there are ' || array_to_string(cronward_job_options(), ', ')
			WHEN option IN ('job_type', 'type', 'queue', 'unique_key', 'concurrency_key') THEN
				CASE WHEN jsonb_typeof(value) <> 'string' THEN 'must be a text of 1 to 200 characters; it is ' || shown
				     WHEN length(word) NOT BETWEEN 1 AND 200 THEN 'must be a text of 1 to 200 characters; it has ' || length(word) END
			WHEN option = 'priority' THEN
				CASE WHEN word NOT IN ('high', 'normal', 'low')
				     THEN 'must be high, normal or low, or ' || substr(cronward_job_number_fault(value, -32768, 32767), 9) END
			WHEN option IN ('max_attempts', 'concurrency_limit') THEN cronward_job_number_fault(value, 1, 1000)
			WHEN option = 'timeout_s' THEN cronward_job_number_fault(value, 1, 3600)
			WHEN option = 'on_conflict' AND word NOT IN ('keep', 'replace', 'reject') THEN 'must be keep, replace or reject; it is ' || shown
			WHEN option = 'on_dependency_failure' AND word NOT IN ('fail', 'run') THEN 'must be fail or run; it is ' || shown
			WHEN option IN ('id', 'workspace_id') AND (jsonb_typeof(value) <> 'string' OR word !~* uuid_form) THEN 'must be a UUID; it is ' || shown
			WHEN option = 'depends_on' AND jsonb_typeof(value) <> 'array' THEN 'must be a list of job ids; it is ' || shown
			WHEN option = 'depends_on' THEN
				(SELECT min('must be a list of job ids; one is ' || left(one::text, 60))
				   FROM jsonb_array_elements(value) one
				  WHERE jsonb_typeof(one) <> 'string' OR one #>> '{}' !~* uuid_form)
			END;
		IF fault IS NOT NULL THEN
			RETURN option || ' ' || fault;
		END IF;
	END LOOP;
	IF job->>'job_type' <> job->>'type' THEN
		RETURN 'job_type and type are two names of one option, and say two things';
	ELSIF job->>'on_conflict' <> 'keep' AND NOT job ? 'unique_key' THEN
		RETURN 'on_conflict says what becomes of the job that has the same unique_key, and there is no unique_key';
	ELSIF job ? 'concurrency_limit' AND NOT job ? 'concurrency_key' THEN
		RETURN 'concurrency_limit says how many jobs of one concurrency_key run at once, and there is no concurrency_key';
	ELSIF job->'depends_on' @> to_jsonb(job->>'id') THEN
		RETURN 'depends_on names the job itself';
	END IF;
	SELECT format('depends_on names %s twice', one) INTO fault
	  FROM jsonb_array_elements_text(job->'depends_on') one GROUP BY one HAVING count(*) > 1 LIMIT 1;
	IF FOUND THEN
		RETURN fault;
	END IF;
	IF job ? 'run_at' THEN
		BEGIN
			IF NOT isfinite((job->>'run_at')::timestamptz) THEN
				RETURN format('run_at must be a time that comes; it is %s', left(job->>'run_at', 60));
			END IF;
		EXCEPTION WHEN data_exception THEN
			RETURN format('run_at must be a time, such as 2026-01-31T12:00:00Z; it is %s', left((job->'run_at')::text, 60));
		END;
	END IF;
	RETURN cronward_job_timeout_fault((job->>'timeout_s')::integer);
END
$_$;
CREATE FUNCTION "public"."cronward_job_is_changed"() RETURNS "trigger"
    LANGUAGE "plpgsql" SECURITY DEFINER
    SET "search_path" TO 'public', 'pg_temp'
    AS $$
BEGIN
	IF NEW.waits_until IS NULL AND NEW.created_at < (SELECT a.at FROM cronward_adopted a WHERE a.name = 'jobs') THEN
		RETURN NULL;
	END IF;
	IF NEW.run_at = '-infinity' THEN
		RAISE EXCEPTION USING ERRCODE = 'CW400', MESSAGE = 'run_at must be a time that comes; it is -infinity';
	END IF;
	IF NEW.lease_until > clock_timestamp() THEN
		IF NEW.status IN ('cancelled', 'failed') THEN
			UPDATE jobs j SET status = OLD.status, cancel_requested_at = COALESCE(j.cancel_requested_at, clock_timestamp()) WHERE j.id = NEW.id;
		ELSIF NEW.status NOT IN ('processing', OLD.status) THEN
			RAISE EXCEPTION USING ERRCODE = 'CW409',
				MESSAGE = format('job %s is being processed: it can be cancelled, and not be set %s', NEW.id, NEW.status);
		END IF;
	ELSIF NEW.status IN ('completed', 'failed', 'cancelled') THEN
		UPDATE jobs j
		   SET waits_until = NULL, lease_until = NULL, claim_token = NULL, awaits_callback = false, open_dependencies = 0,
		       completed_at = COALESCE(j.completed_at, clock_timestamp()),
		       dead_at = CASE WHEN j.status = 'failed' THEN COALESCE(j.dead_at, clock_timestamp()) END
		 WHERE j.id = NEW.id;
	ELSIF NEW.waits_until IS NULL AND NEW.status = 'pending' THEN
		PERFORM cronward_jobs_revive(ARRAY[NEW.id]);
		IF NEW.run_at > clock_timestamp() THEN
			UPDATE jobs j SET run_at = NEW.run_at, waits_until = CASE WHEN j.open_dependencies > 0 THEN j.waits_until ELSE NEW.run_at END WHERE j.id = NEW.id;
		END IF;
	ELSIF NEW.lease_until IS NOT NULL AND NEW.status = OLD.status THEN
		UPDATE jobs j SET waits_until = NEW.run_at WHERE j.id = NEW.id;
	ELSIF NEW.waits_until IS NOT NULL THEN
		UPDATE jobs j
		   SET status = CASE WHEN j.open_dependencies > 0 THEN 'blocked' ELSE NEW.status END,
		       waits_until = CASE WHEN j.open_dependencies > 0 OR NEW.status IN ('processing', 'blocked') THEN 'infinity'
		                          ELSE NEW.run_at END,
		       lease_until = NULL, claim_token = NULL, awaits_callback = false
		 WHERE j.id = NEW.id;
	END IF;
	RETURN NULL;
END
$$;
CREATE FUNCTION "public"."cronward_job_is_deleted"() RETURNS "trigger"
    LANGUAGE "plpgsql" SECURITY DEFINER
    SET "search_path" TO 'public', 'pg_temp'
    AS $$
BEGIN
	PERFORM cronward_dependents_go_on(ARRAY[OLD.id], true, 'was deleted');
	DELETE FROM job_slots WHERE job_id = OLD.id;
	RETURN NULL;
END
$$;
CREATE FUNCTION "public"."cronward_job_lanes"("most" integer, "behind_queue" "text" DEFAULT NULL::"text", "behind_priority" integer DEFAULT NULL::integer) RETURNS TABLE("queue" "text", "priority" smallint, "waits_until" timestamp with time zone, "n" integer)
    LANGUAGE "sql" STABLE ROWS 20
    AS $$
	WITH RECURSIVE lane AS (
		(SELECT queue, priority, waits_until, 1 AS n
		   FROM jobs
		  WHERE waits_until IS NOT NULL AND (queue, priority) > (COALESCE(behind_queue, ''), COALESCE(behind_priority, -32768)::smallint)
		  ORDER BY queue, priority, waits_until, id LIMIT 1)
		UNION ALL
		SELECT x.queue, x.priority, x.waits_until, l.n + 1
		  FROM lane l
		 CROSS JOIN LATERAL (
			SELECT queue, priority, waits_until
			  FROM jobs
			 WHERE waits_until IS NOT NULL AND (queue, priority) > (l.queue, l.priority)
			 ORDER BY queue, priority, waits_until, id LIMIT 1) x
		 WHERE l.n < most
	)
	SELECT queue, priority, waits_until, n FROM lane
$$;
CREATE FUNCTION "public"."cronward_job_lets_go"() RETURNS "trigger"
    LANGUAGE "plpgsql" SECURITY DEFINER
    SET "search_path" TO 'public', 'pg_temp'
    AS $$
BEGIN
	DELETE FROM job_slots WHERE job_id = OLD.id;
	RETURN NULL;
END
$$;
CREATE FUNCTION "public"."cronward_job_meets_its_like"("job" "jsonb", "prefix" "text", OUT "id" "uuid", OUT "is_new" boolean) RETURNS "record"
    LANGUAGE "plpgsql"
    AS $$
DECLARE
	kind CONSTANT text := COALESCE(job->>'job_type', job->>'type');
	needed CONSTANT uuid[] := ARRAY(SELECT jsonb_array_elements_text(NULLIF(job->'depends_on', 'null')))::uuid[];
	live record;
	new record;
BEGIN
	is_new := false;
	IF COALESCE(job->>'on_conflict', 'keep') = 'keep' THEN
		SELECT j.id INTO id FROM jobs j WHERE j.unique_key = job->>'unique_key' AND j.waits_until IS NOT NULL;
		RETURN;
	END IF;
	SELECT j.id, j.status, j.lease_until INTO live
	  FROM jobs j WHERE j.unique_key = job->>'unique_key' AND j.waits_until IS NOT NULL FOR NO KEY UPDATE;
	IF NOT FOUND THEN
		RETURN;
	ELSIF job->>'on_conflict' = 'reject' THEN
		RAISE EXCEPTION USING ERRCODE = 'CW409',
			MESSAGE = format('%sunique_key %s is that of job %s, which is %s', prefix, job->>'unique_key', live.id, live.status);
	END IF;
	SELECT * INTO new
	  FROM cronward_jobs_read(jsonb_build_array(job), cronward_uuid(),
			(SELECT jsonb_build_object(kind, t.defaults) FROM job_types t WHERE t.job_type = kind)) r;
	IF live.status = 'processing' OR live.lease_until IS NOT NULL THEN -- by cronward or by the application itself
		UPDATE jobs j SET unique_key = NULL, updated_at = clock_timestamp() WHERE j.id = live.id;
		INSERT INTO jobs (id, job_type, payload, queue, priority, run_at, waits_until, max_attempts, unique_key, concurrency_key,
		                  concurrency_limit, on_dependency_failure, timeout_s, workspace_id)
		VALUES (new.id, new.job_type, new.payload, new.queue, new.priority, new.run_at, new.waits_until, new.max_attempts, new.unique_key,
		        new.concurrency_key, new.concurrency_limit, new.on_dependency_failure, new.timeout_s, new.workspace_id);
		id := new.id;
		is_new := true;
	ELSE
		UPDATE jobs j
		   SET job_type = new.job_type, payload = new.payload, queue = new.queue, priority = new.priority, run_at = new.run_at,
		       waits_until = CASE WHEN j.open_dependencies > 0 THEN j.waits_until ELSE new.waits_until END,
		       max_attempts = new.max_attempts, timeout_s = new.timeout_s, concurrency_key = new.concurrency_key,
		       concurrency_limit = new.concurrency_limit, on_dependency_failure = new.on_dependency_failure,
		       workspace_id = new.workspace_id, attempts = 0, lost = 0, progress = 0, error_message = NULL, error_stack = NULL,
		       result = NULL, started_at = NULL, performed_at = NULL, cancel_requested_at = NULL,
		       updated_at = clock_timestamp()
		 WHERE j.id = live.id;
		DELETE FROM job_dependencies d WHERE d.job_id = live.id AND d.depends_on <> ALL (needed);
		id := live.id;
	END IF;
	IF needed <> '{}' THEN
		INSERT INTO job_dependencies (job_id, depends_on) SELECT cronward_job_meets_its_like.id, one FROM unnest(needed) one ON CONFLICT DO NOTHING;
	END IF;
END
$$;
CREATE FUNCTION "public"."cronward_job_number_fault"("value" "jsonb", "low" integer, "high" integer) RETURNS "text"
    LANGUAGE "sql" IMMUTABLE PARALLEL SAFE
    AS $_$
	SELECT CASE WHEN value #>> '{}' ~ '^[-+]?[0-9]{1,9}$' AND jsonb_typeof(value) IN ('number', 'string')
	                 AND (CASE WHEN value #>> '{}' ~ '^[-+]?[0-9]{1,9}$' THEN (value #>> '{}')::integer END) BETWEEN low AND high
	            THEN NULL
	            ELSE format('must be an integer from %s to %s; it is %s', low, high, left(value::text, 60)) END
$_$;
CREATE FUNCTION "public"."cronward_job_options"() RETURNS "text"[]
    LANGUAGE "sql" IMMUTABLE PARALLEL SAFE
    AS $$
	SELECT '{job_type,type,payload,queue,priority,run_at,max_attempts,unique_key,on_conflict,concurrency_key,concurrency_limit,depends_on,on_dependency_failure,timeout_s,workspace_id,id}'::text[]
$$;
CREATE FUNCTION "public"."cronward_job_payload_comes"() RETURNS "trigger"
    LANGUAGE "plpgsql" SECURITY DEFINER
    SET "search_path" TO 'public', 'pg_temp'
    AS $$
DECLARE
	fault CONSTANT text := cronward_job_payload_fault(NEW.payload);
BEGIN
	IF fault IS NOT NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'CW400', MESSAGE = fault;
	END IF;
	RETURN NULL;
END
$$;
CREATE FUNCTION "public"."cronward_job_payload_fault"("payload" "jsonb") RETURNS "text"
    LANGUAGE "plpgsql" IMMUTABLE
    AS $$
DECLARE
	bytes integer;
BEGIN
	bytes := octet_length(payload::text);
	RETURN CASE WHEN bytes > 8 * 1024 * 1024 THEN format('payload may have 8388608 bytes as text; it has %s', bytes) END;
EXCEPTION WHEN program_limit_exceeded OR out_of_memory THEN
	RETURN 'payload may have 8388608 bytes as text; it has more than PostgreSQL can write';
END
$$;
CREATE FUNCTION "public"."cronward_job_perform"("job_id" "uuid", "token" "uuid", "target" "text", "job" "jsonb") RETURNS "void"
    LANGUAGE "plpgsql"
    AS $$
DECLARE
	path text := current_setting('search_path');
	result_max int := 1024 * 1024;
	is_performed boolean;
	answer jsonb;
BEGIN
	SELECT performed_at IS NOT NULL INTO is_performed FROM jobs WHERE id = job_id AND claim_token = token;
	IF is_performed THEN
		RETURN;
	END IF;
	IF is_performed IS NULL THEN
		RAISE EXCEPTION 'the claim of job % was lost before its function began', job_id USING ERRCODE = 'CW409';
	END IF;
	EXECUTE cronward_job_call(target) INTO answer USING job;
	-- The function may have changed it, or made a temporary table of that name, and jobs is to be the table
	-- that it was.
	PERFORM set_config('search_path', path || ', pg_temp', true);
	IF octet_length(answer::text) > result_max THEN
		RAISE EXCEPTION 'the result has % bytes; allowed are %', octet_length(answer::text), result_max
			USING ERRCODE = 'CW413';
	END IF;
	UPDATE jobs j SET result = answer, performed_at = clock_timestamp() WHERE j.id = job_id AND j.claim_token = token;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'the claim of job % was lost while its function ran, so all that it did is rolled back', job_id
			USING ERRCODE = 'CW409';
	END IF;
END
$$;
CREATE FUNCTION "public"."cronward_job_place"("is_one" boolean, "n" bigint) RETURNS "text"
    LANGUAGE "sql" IMMUTABLE PARALLEL SAFE
    AS $$
	SELECT CASE WHEN is_one THEN '' ELSE format('jobs[%s]: ', n) END
$$;
CREATE FUNCTION "public"."cronward_job_priority"("word" "text") RETURNS smallint
    LANGUAGE "sql" IMMUTABLE PARALLEL SAFE
    AS $$
	SELECT CASE word WHEN 'high' THEN 10 WHEN 'normal' THEN 0 WHEN 'low' THEN -10 ELSE word::smallint END::smallint
$$;
CREATE FUNCTION "public"."cronward_job_schedules_check"() RETURNS "trigger"
    LANGUAGE "plpgsql" SECURITY DEFINER
    SET "search_path" TO 'public', 'pg_temp'
    AS $$
DECLARE
	problem text := COALESCE(cronward_cron_problem(NEW.cron), cronward_time_zone_problem(NEW.time_zone));
BEGIN
	IF problem IS NOT NULL THEN
		RAISE EXCEPTION '%', problem USING ERRCODE = 'CW400';
	END IF;
	IF TG_OP = 'UPDATE' THEN
		IF NEW.cron IS DISTINCT FROM OLD.cron OR NEW.time_zone IS DISTINCT FROM OLD.time_zone
		OR NEW.is_active AND NOT OLD.is_active THEN
			NEW.next_at := NULL;
			NEW.since_at := clock_timestamp();
			NEW.last_error := NULL;
		END IF;
	END IF;
	RETURN NEW;
END
$$;
CREATE FUNCTION "public"."cronward_job_timeout_fault"("timeout_s" integer) RETURNS "text"
    LANGUAGE "sql" STABLE STRICT
    AS $$
	SELECT format('timeout_s is at most the %s seconds that a run lasts (RUN_BUDGET_S); it is %s, and longer work answers 202 and calls back',
			l.run_budget_s, timeout_s)
	  FROM job_limits l WHERE timeout_s > l.run_budget_s
$$;
CREATE FUNCTION "public"."cronward_jobs_end_for_others"("ids" "uuid"[]) RETURNS "void"
    LANGUAGE "plpgsql"
    AS $$
DECLARE
	job record;
BEGIN
	PERFORM cronward_dependents_go_on(ARRAY(SELECT id FROM jobs WHERE id = ANY (ids) AND waits_until IS NULL AND status = 'completed'), false, '');
	FOR job IN SELECT id, status, error_message FROM jobs WHERE id = ANY (ids) AND waits_until IS NULL AND status <> 'completed' ORDER BY id LOOP
		PERFORM cronward_dependents_go_on(ARRAY[job.id], true,
			CASE job.status WHEN 'cancelled' THEN 'was cancelled' ELSE 'failed: ' || COALESCE(job.error_message, 'no reason was given') END);
	END LOOP;
END
$$;
CREATE FUNCTION "public"."cronward_jobs_have_ended"() RETURNS "trigger"
    LANGUAGE "plpgsql" SECURITY DEFINER
    SET "search_path" TO 'public', 'pg_temp'
    AS $$
DECLARE
	ended uuid[] := string_to_array(ltrim(current_setting('cronward.ended', true)), ' ');
BEGIN
	IF ended <> '{}' THEN
		PERFORM set_config('cronward.ended', '', true);
		PERFORM cronward_jobs_end_for_others(ended);
	END IF;
	RETURN NULL;
END
$$;
CREATE FUNCTION "public"."cronward_jobs_read"("batch" "jsonb", "seed" "uuid", "defaults" "jsonb") RETURNS TABLE("n" integer, "id" "uuid", "job_type" "text", "payload" "jsonb", "queue" "text", "priority" smallint, "run_at" timestamp with time zone, "waits_until" timestamp with time zone, "max_attempts" integer, "unique_key" "text", "concurrency_key" "text", "concurrency_limit" integer, "on_dependency_failure" "text", "timeout_s" integer, "workspace_id" "uuid")
    LANGUAGE "sql" STABLE
    AS $$
	SELECT r.n::integer - 1, COALESCE(r.id, encode(s.head || int8send(s.tail + r.n), 'hex')::uuid), COALESCE(r.job_type, r.type),
	       COALESCE(r.payload, '{}'), COALESCE(r.queue, defaults->COALESCE(r.job_type, r.type)->>'queue', 'default'),
	       cronward_job_priority(COALESCE(r.priority, defaults->COALESCE(r.job_type, r.type)->>'priority', 'normal')),
	       COALESCE(r.run_at, now()), COALESCE(r.run_at, clock_timestamp()),
	       COALESCE(r.max_attempts, (defaults->COALESCE(r.job_type, r.type)->>'max_attempts')::integer, 5),
	       r.unique_key, r.concurrency_key, COALESCE(r.concurrency_limit, 1), COALESCE(r.on_dependency_failure, 'fail'),
	       r.timeout_s, r.workspace_id
	  FROM (SELECT substring(uuid_send(seed) FROM 1 FOR 8) AS head,
	               ('x' || right(seed::text, 4) || substring(seed::text FROM 25 FOR 8))::bit(48)::bigint
			+ '-9223372036854775808'::bigint AS tail OFFSET 0) s
	 CROSS JOIN ROWS FROM (jsonb_to_recordset(batch) AS (job_type text, type text, payload jsonb, queue text, priority text, run_at timestamptz,
	               max_attempts integer, unique_key text, concurrency_key text, concurrency_limit integer,
	               on_dependency_failure text, timeout_s integer, workspace_id uuid, id uuid)) WITH ORDINALITY
	       AS r (job_type, type, payload, queue, priority, run_at, max_attempts, unique_key, concurrency_key, concurrency_limit,
	             on_dependency_failure, timeout_s, workspace_id, id, n)
$$;
CREATE FUNCTION "public"."cronward_jobs_refuse"("all_jobs" "jsonb", "is_one" boolean) RETURNS "void"
    LANGUAGE "plpgsql" STABLE
    AS $$
DECLARE
	job jsonb;
	place integer := -1;
	fault text;
	bad record;
BEGIN
	IF jsonb_typeof(all_jobs) IS DISTINCT FROM 'array' THEN
		RETURN;
	END IF;
	FOR job IN SELECT * FROM jsonb_array_elements(all_jobs) LOOP
		place := place + 1;
		fault := cronward_job_fault(job);
		IF fault IS NOT NULL THEN
			RAISE EXCEPTION USING ERRCODE = 'CW400', MESSAGE = cronward_job_place(is_one, place) || fault;
		END IF;
	END LOOP;
	SELECT i.n, i.said, i.nth > 1 AS is_twice INTO bad
	  FROM (SELECT j.n - 1 AS n, j.job->>'id' AS said, (j.job->>'id')::uuid AS id,
	               row_number() OVER (PARTITION BY (j.job->>'id')::uuid ORDER BY j.n) AS nth
	          FROM jsonb_array_elements(all_jobs) WITH ORDINALITY j (job, n) WHERE j.job->>'id' IS NOT NULL) i
	 WHERE i.nth > 1 OR (SELECT true FROM jobs o WHERE o.id = i.id)
	 ORDER BY i.n LIMIT 1;
	IF FOUND THEN
		RAISE EXCEPTION USING ERRCODE = CASE WHEN bad.is_twice THEN 'CW400' ELSE 'CW409' END,
			MESSAGE = format('%sid %s is %s', cronward_job_place(is_one, bad.n), bad.said,
				CASE WHEN bad.is_twice THEN 'given twice' ELSE 'that of another job' END);
	END IF;
	SELECT j.n - 1 AS n, d.needed INTO bad
	  FROM jsonb_array_elements(all_jobs) WITH ORDINALITY j (job, n), jsonb_array_elements_text(NULLIF(j.job->'depends_on', 'null')) d (needed)
	 WHERE NOT d.needed::uuid IN (SELECT (o.job->>'id')::uuid FROM jsonb_array_elements(all_jobs) o (job) WHERE o.job->>'id' IS NOT NULL)
	   AND (SELECT true FROM jobs o WHERE o.id = d.needed::uuid) IS NULL
	 ORDER BY j.n LIMIT 1;
	IF FOUND THEN
		RAISE EXCEPTION USING ERRCODE = 'CW400', MESSAGE = format('%sdepends_on names %s, and there is no such job',
			cronward_job_place(is_one, bad.n), bad.needed);
	END IF;
END
$$;
CREATE FUNCTION "public"."cronward_jobs_retry"("ids" "uuid"[]) RETURNS TABLE("job_id" "uuid", "refused" "text")
    LANGUAGE "plpgsql"
    AS $$
DECLARE
	chosen uuid[];
	bad uuid[];
	whys text[];
BEGIN
	-- In one order, so that two of these never wait for each other in a circle; and what they depend
	-- on, so that none of it ends while it is decided whether to wait for it.
	PERFORM FROM jobs j WHERE j.id = ANY (ids) ORDER BY j.id FOR NO KEY UPDATE;
	PERFORM FROM jobs j
	  WHERE j.id = ANY (ARRAY(SELECT d.depends_on FROM job_dependencies d WHERE d.job_id = ANY (ids)))
	  ORDER BY j.id FOR SHARE;
	WITH RECURSIVE a AS MATERIALIZED (
		SELECT j.id, j.on_dependency_failure = 'run' AS runs_anyway,
		       CASE WHEN j.waits_until IS NOT NULL THEN 'it has not ended; with run_at = now() one that waits runs at once'
		            WHEN j.status NOT IN ('failed', 'cancelled') THEN 'it is ' || j.status
		            WHEN j.unique_key IS NULL THEN NULL
		            WHEN EXISTS (SELECT FROM jobs o WHERE o.unique_key = j.unique_key AND o.waits_until IS NOT NULL)
		            THEN 'a live job has its unique_key by now'
		            WHEN EXISTS (SELECT FROM jobs o
		                          WHERE o.id = ANY (ids) AND o.unique_key = j.unique_key AND o.waits_until IS NULL
		                            AND o.status IN ('failed', 'cancelled') AND (o.created_at, o.id) > (j.created_at, j.id))
		            THEN 'a younger job with its unique_key is tried again' END AS why
		  FROM jobs j
		 WHERE j.id = ANY (ids)
	), no AS (
		SELECT a.id, a.why FROM a WHERE a.why IS NOT NULL
		UNION
		SELECT a.id, 'its dependency ' || p.id || ' is ' || p.status || ', and is to be tried again first'
		  FROM a
		  JOIN job_dependencies d ON d.job_id = a.id
		  JOIN jobs p ON p.id = d.depends_on
		 WHERE a.why IS NULL AND NOT a.runs_anyway AND p.waits_until IS NULL AND p.status IN ('failed', 'cancelled')
		   AND NOT p.id = ANY (ids)
		UNION
		SELECT a.id, 'its dependency ' || p.id || ' is ' || p.status || ', and is to be tried again first'
		  FROM no
		  JOIN job_dependencies d ON d.depends_on = no.id
		  JOIN a ON a.id = d.job_id
		  JOIN jobs p ON p.id = no.id
		 WHERE a.why IS NULL AND NOT a.runs_anyway AND p.waits_until IS NULL AND p.status IN ('failed', 'cancelled')
	), one AS (
		SELECT no.id, min(no.why) AS why FROM no GROUP BY no.id
	)
	SELECT array_agg(a.id) FILTER (WHERE one.id IS NULL),
	       array_agg(a.id) FILTER (WHERE one.id IS NOT NULL), array_agg(one.why) FILTER (WHERE one.id IS NOT NULL)
	  INTO chosen, bad, whys
	  FROM a LEFT JOIN one ON one.id = a.id;
	PERFORM cronward_jobs_revive(COALESCE(chosen, '{}'));
	INSERT INTO job_logs (job_id, message) SELECT c.id, 'tried again, with all its tries' FROM unnest(chosen) AS c (id);
	RETURN QUERY SELECT c.id, NULL::text FROM unnest(chosen) AS c (id)
	             UNION ALL SELECT b.id, b.why FROM unnest(bad, whys) AS b (id, why);
EXCEPTION WHEN unique_violation THEN
	RAISE EXCEPTION 'A job with the same unique_key was enqueued at this very moment' USING ERRCODE = 'CW409';
END
$$;
CREATE FUNCTION "public"."cronward_jobs_revive"("ended" "uuid"[]) RETURNS "void"
    LANGUAGE "plpgsql"
    AS $$
BEGIN
	PERFORM FROM jobs
	  WHERE id = ANY (ARRAY(SELECT depends_on FROM job_dependencies WHERE job_id = ANY (ended))) AND waits_until IS NOT NULL
	  ORDER BY id FOR SHARE;
	UPDATE job_dependencies d
	   SET is_open = NOT d.is_open
	 WHERE d.job_id = ANY (ended)
	   AND d.is_open <> (d.depends_on = ANY (ended) OR COALESCE((SELECT p.waits_until IS NOT NULL FROM jobs p WHERE p.id = d.depends_on), false));
	UPDATE jobs j
	   SET status = CASE WHEN o.edges > 0 THEN 'blocked' ELSE 'pending' END,
	       waits_until = CASE WHEN o.edges > 0 THEN 'infinity' ELSE clock_timestamp() END,
	       open_dependencies = o.edges, run_at = clock_timestamp(), attempts = 0, lost = 0, progress = 0,
	       lease_until = NULL, claim_token = NULL, awaits_callback = false, cancel_requested_at = NULL,
	       started_at = NULL, completed_at = NULL, performed_at = NULL, dead_at = NULL,
	       result = NULL, error_message = NULL, error_stack = NULL, updated_at = clock_timestamp()
	  FROM unnest(ended) e (id)
	 CROSS JOIN LATERAL (SELECT count(*)::integer AS edges FROM job_dependencies d WHERE d.job_id = e.id AND d.is_open OFFSET 0) o
	 WHERE j.id = ANY (ended) AND j.id = e.id;
END
$$;
CREATE FUNCTION "public"."cronward_list_bounds"("after" timestamp with time zone, "before" timestamp with time zone, "us" bigint, "row_id" "uuid") RETURNS TABLE("since" timestamp with time zone, "at" timestamp with time zone, "id" "uuid")
    LANGUAGE "sql" STABLE ROWS 1 PARALLEL SAFE
    AS $$
	SELECT COALESCE(after, '4713-01-01 00:00:00+00 BC'), COALESCE(LEAST(c.at, before), 'infinity'),
	       CASE WHEN c.at >= before OR c.at IS NULL THEN '00000000-0000-0000-0000-000000000000' ELSE row_id END
	  FROM (SELECT cronward_time_of_us(us) AS at) c
$$;
CREATE FUNCTION "public"."cronward_mail_comes"() RETURNS "trigger"
    LANGUAGE "plpgsql"
    AS $$
BEGIN
	IF NEW.status <> 'pending' THEN
		NEW.waits_until := NULL;
		NEW.lease_until := NULL;
		NEW.claim_token := NULL;
		NEW.batch_id := NULL;
	ELSE
		NEW.waits_until := GREATEST(NEW.scheduled_for, NEW.next_attempt_at, clock_timestamp());
	END IF;
	RETURN NEW;
END
$$;
CREATE FUNCTION "public"."cronward_mail_is_changed"() RETURNS "trigger"
    LANGUAGE "plpgsql"
    AS $$
BEGIN
	IF OLD.claim_token IS NOT NULL AND NEW.status = 'pending' THEN
		NEW.status := OLD.status;
	ELSIF NEW.status IS DISTINCT FROM OLD.status THEN
		NEW.lease_until := NULL;
		NEW.claim_token := NULL;
		NEW.batch_id := NULL;
		NEW.waits_until := CASE WHEN NEW.status = 'pending' THEN GREATEST(NEW.scheduled_for, clock_timestamp()) END;
		IF NEW.status = 'pending' THEN
			NEW.resends := OLD.resends + (OLD.status = 'sent')::integer;
			NEW.attempts := 0;
			NEW.lost := 0;
			NEW.is_single := true;
			NEW.unsure_since := NULL;
			NEW.next_attempt_at := NULL;
			NEW.dead_at := NULL;
			NEW.sent_at := NULL;
		END IF;
	ELSIF NEW.status = 'pending' AND OLD.waits_until IS NOT NULL AND NEW.unsure_since IS NULL THEN
		NEW.batch_id := NULL;
		NEW.waits_until := GREATEST(NEW.scheduled_for, NEW.next_attempt_at, clock_timestamp());
	END IF;
	RETURN NEW;
END
$$;
CREATE FUNCTION "public"."cronward_session_discard"() RETURNS "void"
    LANGUAGE "plpgsql"
    AS $$
BEGIN
	RESET SESSION AUTHORIZATION;
	RESET ROLE;
	RESET ALL;
	UNLISTEN *;
	PERFORM pg_advisory_unlock_all();
	EXECUTE 'CLOSE ALL';
	DEALLOCATE ALL;
	DISCARD TEMP;
	DISCARD SEQUENCES;
END
$$;
CREATE FUNCTION "public"."cronward_slots_go"() RETURNS "trigger"
    LANGUAGE "plpgsql" SECURITY DEFINER
    SET "search_path" TO 'public', 'pg_temp'
    AS $$
BEGIN
	UPDATE jobs
	   SET waits_until = run_at, updated_at = clock_timestamp()
	 WHERE id = ANY (ARRAY(
		SELECT l.id
		  FROM (SELECT concurrency_key, count(*) AS slots FROM gone GROUP BY concurrency_key ORDER BY concurrency_key) k
		 CROSS JOIN LATERAL (
			SELECT j.id FROM jobs j
			 WHERE j.concurrency_key = k.concurrency_key AND j.waits_until = 'infinity' AND j.open_dependencies = 0
			 ORDER BY j.priority DESC, j.run_at, j.id
			 LIMIT k.slots
			   FOR NO KEY UPDATE SKIP LOCKED) l));
	RETURN NULL;
END
$$;
CREATE FUNCTION "public"."cronward_stock_changes"() RETURNS "trigger"
    LANGUAGE "plpgsql" SECURITY DEFINER
    SET "search_path" TO 'public', 'pg_temp'
    AS $$
BEGIN
	IF current_setting('cronward.holds', true) = 'counted' THEN
		RETURN NEW;
	END IF;
	IF OLD.on_hand - NEW.on_hand = OLD.reserved - NEW.reserved AND NEW.on_hand < OLD.on_hand THEN
		NEW.on_hand := OLD.on_hand;
	END IF;
	NEW.reserved := cronward_held(NEW.id);
	RETURN NEW;
END
$$;
CREATE FUNCTION "public"."cronward_stock_count"("items" "uuid"[]) RETURNS "void"
    LANGUAGE "plpgsql"
    AS $$
BEGIN
	PERFORM FROM inventory_items WHERE id = ANY (items) ORDER BY id FOR NO KEY UPDATE;
	PERFORM set_config('cronward.holds', 'counted', true);
	UPDATE inventory_items SET reserved = cronward_held(id) WHERE id = ANY (items) AND reserved <> cronward_held(id);
	PERFORM set_config('cronward.holds', '', true);
END
$$;
CREATE FUNCTION "public"."cronward_time"("at" timestamp with time zone) RETURNS "text"
    LANGUAGE "sql" STABLE PARALLEL SAFE
    AS $$
	SELECT CASE WHEN isfinite(at) THEN to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') ELSE at::text END
$$;
CREATE FUNCTION "public"."cronward_time_of_us"("us" bigint) RETURNS timestamp with time zone
    LANGUAGE "sql" STABLE PARALLEL SAFE
    AS $$
	SELECT timestamptz 'epoch' + us / 1000000 * interval '1 second' + us % 1000000 * interval '1 microsecond'
$$;
CREATE FUNCTION "public"."cronward_time_zone_problem"("zone" "text") RETURNS "text"
    LANGUAGE "plpgsql" STABLE STRICT PARALLEL RESTRICTED
    SET "search_path" TO 'pg_catalog', 'pg_temp'
    AS $_$
BEGIN
	IF zone = 'UTC' THEN
		RETURN NULL;
	END IF;
	IF zone ~ '^(Africa|America|Antarctica|Arctic|Asia|Atlantic|Australia|Brazil|Canada|Chile|Etc|Europe|Indian|Mexico|Pacific|US)(/[A-Z][A-Za-z_-]+){1,2}$'
	AND (zone !~ '[A-Z]{3}' OR zone ~ '^(Etc/(GMT|UCT|UTC)|Australia/(ACT|LHI|NSW))$') AND octet_length(zone) <= 64
	OR zone ~ '^Etc/GMT(0|[+-][0-9]|[+-]1[0-2]|-1[34])$'
	OR zone = ANY ('{CET,CST6CDT,Cuba,EET,EST,EST5EDT,Egypt,Eire,GB,GB-Eire,GMT,GMT+0,GMT-0,GMT0,Greenwich,HST,Hongkong,Iceland,Iran,Israel,Jamaica,Japan,Kwajalein,Libya,MET,MST,MST7MDT,NZ,NZ-CHAT,Navajo,PRC,PST8PDT,Poland,Portugal,ROC,ROK,Singapore,Turkey,UCT,Universal,W-SU,WET,Zulu}') THEN
		PERFORM now() AT TIME ZONE zone;
		RETURN NULL;
	END IF;
	RETURN 'time_zone: allowed are names of IANA''s such as UTC or Europe/Berlin';
EXCEPTION WHEN invalid_parameter_value THEN
	RETURN format('time_zone: PostgreSQL knows no zone "%s"; allowed are names of IANA''s such as UTC or Europe/Berlin', zone);
END
$_$;
CREATE FUNCTION "public"."cronward_trust"("role" "regrole") RETURNS "void"
    LANGUAGE "plpgsql"
    SET "client_min_messages" TO 'warning'
    AS $$
DECLARE
	name text := left('cronward_trusts_' || role::text, 63);
	place regclass;
BEGIN
	FOR place IN
		SELECT to_regclass(t) FROM unnest(ARRAY['jobs', 'job_logs', 'job_dependencies', 'workspaces', 'workspace_members',
		                                        'workspace_settings']) t WHERE to_regclass(t) IS NOT NULL
	LOOP
		EXECUTE format('DROP POLICY IF EXISTS %I ON %s', name, place);
		EXECUTE format('CREATE POLICY %I ON %s TO %s USING (true) WITH CHECK (true)', name, place, role);
	END LOOP;
END
$$;
CREATE FUNCTION "public"."cronward_us"("at" timestamp with time zone) RETURNS bigint
    LANGUAGE "sql" STABLE PARALLEL SAFE
    AS $$
	SELECT (extract(epoch FROM LEAST(GREATEST(at, '4713-01-01 BC'), '294247-01-01')) * 1000000)::bigint
$$;
CREATE FUNCTION "public"."cronward_user_id"() RETURNS "uuid"
    LANGUAGE "plpgsql" STABLE
    SET "search_path" TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
	claims text := NULLIF(current_setting('request.jwt.claims', true), '');
BEGIN
	IF claims IS NOT NULL THEN
		RETURN (claims::pg_catalog.jsonb ->> 'sub')::pg_catalog.uuid;
	END IF;
	RETURN NULLIF(current_setting('app.user_id', true), '')::pg_catalog.uuid;
EXCEPTION WHEN OTHERS THEN
	RETURN NULL;
END
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
CREATE FUNCTION "public"."enqueue_job"("job_type" "text", "payload" "jsonb" DEFAULT '{}'::"jsonb", "queue" "text" DEFAULT NULL::"text", "priority" "anycompatible" DEFAULT NULL::integer, "run_at" timestamp with time zone DEFAULT NULL::timestamp with time zone, "max_attempts" integer DEFAULT NULL::integer, "unique_key" "text" DEFAULT NULL::"text", "on_conflict" "text" DEFAULT 'keep'::"text", "concurrency_key" "text" DEFAULT NULL::"text", "concurrency_limit" integer DEFAULT NULL::integer, "depends_on" "uuid"[] DEFAULT NULL::"uuid"[], "on_dependency_failure" "text" DEFAULT NULL::"text", "timeout_s" integer DEFAULT NULL::integer, "workspace_id" "uuid" DEFAULT NULL::"uuid", "id" "uuid" DEFAULT NULL::"uuid") RETURNS "uuid"
    LANGUAGE "plpgsql"
    AS $_$
DECLARE
	word CONSTANT text := priority::text;
	defaults jsonb;
	made uuid;
BEGIN
	IF unique_key IS NULL AND depends_on IS NULL AND id IS NULL AND on_conflict = 'keep' AND timeout_s IS NULL
	   AND length(job_type) BETWEEN 1 AND 200 AND COALESCE(length(queue) BETWEEN 1 AND 200, true)
	   AND COALESCE(word IN ('high', 'normal', 'low') OR word ~ '^-?[0-9]{1,4}$', true)
	   AND COALESCE(isfinite(run_at), true) AND COALESCE(max_attempts BETWEEN 1 AND 1000, true)
	   AND COALESCE(length(concurrency_key) BETWEEN 1 AND 200 AND COALESCE(concurrency_limit BETWEEN 1 AND 1000, true), concurrency_limit IS NULL)
	   AND COALESCE(on_dependency_failure IN ('fail', 'run'), true) THEN
		SELECT t.defaults INTO defaults FROM job_types t WHERE t.job_type = enqueue_job.job_type;
		INSERT INTO jobs (job_type, payload, queue, priority, run_at, waits_until, max_attempts, concurrency_key, concurrency_limit,
		                  on_dependency_failure, workspace_id)
		VALUES (job_type, COALESCE(payload, '{}'), COALESCE(queue, defaults->>'queue', 'default'),
		        cronward_job_priority(COALESCE(word, defaults->>'priority', 'normal')),
		        COALESCE(run_at, now()), COALESCE(run_at, clock_timestamp()),
		        COALESCE(max_attempts, (defaults->>'max_attempts')::integer, 5),
		        concurrency_key, COALESCE(concurrency_limit, 1), COALESCE(on_dependency_failure, 'fail'), workspace_id)
		RETURNING jobs.id INTO made;
		RETURN made;
	END IF;
	SELECT e.id INTO made
	  FROM enqueue_jobs(jsonb_strip_nulls(jsonb_build_object(
			'job_type', job_type, 'queue', queue, 'priority', word, 'run_at', run_at, 'max_attempts', max_attempts,
			'unique_key', unique_key, 'on_conflict', NULLIF(on_conflict, 'keep'), 'concurrency_key', concurrency_key,
			'concurrency_limit', concurrency_limit, 'depends_on', depends_on, 'on_dependency_failure', on_dependency_failure,
			'timeout_s', timeout_s, 'workspace_id', workspace_id, 'id', id))
		|| jsonb_build_object('payload', COALESCE(payload, '{}'))) e;
	RETURN made;
END
$_$;
CREATE FUNCTION "public"."enqueue_jobs"("jobs" "jsonb") RETURNS TABLE("n" integer, "id" "uuid", "is_new" boolean)
    LANGUAGE "plpgsql"
    AS $_$
#variable_conflict use_column
DECLARE
	is_one CONSTANT boolean := COALESCE(jsonb_typeof(jobs) = 'object', false);
	all_jobs CONSTANT jsonb := CASE WHEN is_one THEN jsonb_build_array(jobs) ELSE jobs END;
	seed uuid := cronward_uuid();
	defaults jsonb; -- of the types that have any; NULL: none has
	ids uuid[];
	are_new boolean[];
	fresh_ids uuid[] := '{}'; -- of what this statement has inserted
	is_odd boolean;
	has_keys boolean;
	has_edges boolean;
BEGIN
	IF jsonb_typeof(all_jobs) IS DISTINCT FROM 'array' THEN
		RAISE EXCEPTION USING ERRCODE = 'CW400', MESSAGE = 'jobs must be a list of objects, such as [{"job_type": "mail", "payload": {}}]';
	END IF;
	-- Odd is what the statements below would pass over in silence.
	SELECT bool_or(CASE WHEN jsonb_typeof(e) <> 'object' THEN true
	                    ELSE e - cronward_job_options() <> '{}' OR e ?& '{type,job_type}'
	                         OR e ? 'on_conflict' AND (NOT e ? 'unique_key' OR e->>'on_conflict' NOT IN ('keep', 'replace', 'reject'))
	                         OR e ? 'concurrency_limit' AND NOT e ? 'concurrency_key'
	                         OR e ? 'max_attempts' AND e->>'max_attempts' !~ '^([1-9][0-9]{0,2}|1000)$' END),
	       bool_or(e ? 'unique_key' OR e ? 'id'), bool_or(e ? 'depends_on')
	  INTO is_odd, has_keys, has_edges FROM jsonb_array_elements(all_jobs) e;
	IF has_keys AND NOT is_odd THEN
		SELECT count(e->>'id') > count(DISTINCT (e->>'id')::uuid) INTO is_odd FROM jsonb_array_elements(all_jobs) e;
	END IF;
	IF is_odd THEN
		PERFORM cronward_jobs_refuse(all_jobs, is_one);
	END IF;
	SELECT jsonb_object_agg(t.job_type, t.defaults) INTO defaults FROM job_types t WHERE t.defaults <> '{}';
	IF NOT (has_keys OR has_edges) THEN
		RETURN QUERY
		WITH r AS MATERIALIZED (
			SELECT * FROM cronward_jobs_read(all_jobs, seed, defaults)
		), i AS (
			INSERT INTO jobs (id, job_type, payload, queue, priority, run_at, waits_until, max_attempts, unique_key, concurrency_key,
			                  concurrency_limit, on_dependency_failure, timeout_s, workspace_id)
			SELECT id, job_type, payload, queue, priority, run_at, waits_until, max_attempts, unique_key, concurrency_key,
			       concurrency_limit, on_dependency_failure, timeout_s, workspace_id
			  FROM r
		)
		SELECT n, id, true FROM r;
		RETURN;
	END IF;
	FOR tries IN 1..10 LOOP
		BEGIN
			ids := '{}';
			are_new := '{}';
			FOR n, id, is_new IN
				WITH r AS MATERIALIZED (
					SELECT * FROM cronward_jobs_read(all_jobs, seed, defaults)
				), i AS (
					INSERT INTO jobs (id, job_type, payload, queue, priority, run_at, waits_until, max_attempts, unique_key, concurrency_key,
					                  concurrency_limit, on_dependency_failure, timeout_s, workspace_id)
					SELECT id, job_type, payload, queue, priority, run_at, waits_until, max_attempts, unique_key, concurrency_key,
					       concurrency_limit, on_dependency_failure, timeout_s, workspace_id
					  FROM r ORDER BY unique_key NULLS FIRST, n
					    ON CONFLICT DO NOTHING
					RETURNING id
				)
				SELECT n, id, id IN (SELECT id FROM i) FROM r ORDER BY unique_key NULLS FIRST, n
			LOOP
				IF NOT is_new THEN
					SELECT m.id, m.is_new INTO id, is_new
					  FROM cronward_job_meets_its_like(all_jobs->n, cronward_job_place(is_one, n)) m;
					IF id IS NULL THEN
						RAISE EXCEPTION USING ERRCODE = 'CW001', MESSAGE = n::text;
					END IF;
				ELSIF has_edges THEN
					fresh_ids[n + 1] := id;
				END IF;
				ids[n + 1] := id;
				are_new[n + 1] := is_new;
			END LOOP;
			IF has_edges THEN
				INSERT INTO job_dependencies (job_id, depends_on)
				SELECT fresh_ids[j.n], d::uuid
				  FROM jsonb_array_elements(all_jobs) WITH ORDINALITY j (job, n), jsonb_array_elements_text(NULLIF(j.job->'depends_on', 'null')) d
				 WHERE fresh_ids[j.n] IS NOT NULL;
			END IF;
			RETURN QUERY SELECT u.n::integer - 1, u.id, u.is_new FROM unnest(ids, are_new) WITH ORDINALITY u (id, is_new, n);
			RETURN;
		EXCEPTION WHEN SQLSTATE 'CW001' THEN
			n := SQLERRM::integer;
			fresh_ids := '{}';
			seed := cronward_uuid();
		END;
	END LOOP;
	PERFORM cronward_jobs_refuse(all_jobs, is_one);
	RAISE EXCEPTION USING ERRCODE = 'CW409', MESSAGE = format('%sunique_key %s is that of a job that you may not see',
		cronward_job_place(is_one, n), all_jobs->n->>'unique_key');
EXCEPTION WHEN data_exception OR integrity_constraint_violation OR SQLSTATE 'CW400' THEN
	PERFORM cronward_jobs_refuse(all_jobs, is_one);
	RAISE;
END
$_$;
CREATE FUNCTION "public"."job_log"("level" "text", "message" "text", "data" "jsonb" DEFAULT NULL::"jsonb") RETURNS "void"
    LANGUAGE "plpgsql"
    AS $$
BEGIN
	IF level IS NULL OR level NOT IN ('debug', 'info', 'warn', 'error') THEN
		RAISE EXCEPTION 'job_log(): level is %; allowed are debug, info, warn and error', COALESCE(quote_literal(level), 'NULL')
			USING ERRCODE = 'CW400';
	END IF;
	RAISE INFO USING MESSAGE = COALESCE(message, ''), ERRCODE = 'CW102', HINT = level, DETAIL = COALESCE(data::text, '');
END
$$;
CREATE FUNCTION "public"."job_progress"("percent" integer, "message" "text" DEFAULT NULL::"text") RETURNS "void"
    LANGUAGE "plpgsql"
    AS $$
BEGIN
	RAISE INFO USING MESSAGE = COALESCE(message, 'progress'), ERRCODE = 'CW101',
		DETAIL = COALESCE(LEAST(GREATEST(percent, 0), 100)::text, '');
END
$$;
CREATE FUNCTION "public"."release_reservation"("reservation" "uuid") RETURNS boolean
    LANGUAGE "plpgsql"
    AS $$
DECLARE
	hold inventory_reservations;
BEGIN
	SELECT * INTO hold FROM inventory_reservations WHERE id = reservation FOR NO KEY UPDATE;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'there is no hold %', COALESCE(reservation::text, 'NULL') USING ERRCODE = 'CW404';
	ELSIF hold.status = 'committed' THEN
		RAISE EXCEPTION 'hold % was committed, its % pieces are sold', reservation, hold.quantity USING ERRCODE = 'CW409';
	ELSIF hold.status <> 'active' THEN
		RETURN false;
	END IF;
	PERFORM set_config('cronward.holds', 'counted', true);
	UPDATE inventory_items SET reserved = GREATEST(reserved - hold.quantity, 0) WHERE id = hold.item_id;
	UPDATE inventory_reservations SET status = 'released', ended_at = clock_timestamp() WHERE id = reservation;
	PERFORM set_config('cronward.holds', '', true);
	RETURN true;
END
$$;
COMMENT ON FUNCTION "public"."release_reservation"("reservation" "uuid") IS 'gives back what a hold keeps; false where that was done before, an error where it is committed';
CREATE FUNCTION "public"."reserve_item"("item" "uuid", "quantity" integer, "minutes" integer DEFAULT 15) RETURNS "uuid"
    LANGUAGE "plpgsql"
    AS $$
#variable_conflict use_column
DECLARE
	stock inventory_items;
	asked bigint := reserve_item.quantity;
	over bigint;
	hold uuid;
BEGIN
	IF asked IS NULL OR asked < 1 THEN
		RAISE EXCEPTION 'quantity is %, allowed is 1 or more', COALESCE(asked::text, 'NULL') USING ERRCODE = 'CW400';
	ELSIF minutes IS NULL OR minutes NOT BETWEEN 1 AND 525600 THEN
		RAISE EXCEPTION 'minutes is %, allowed is 1 to 525600 (a year)', COALESCE(minutes::text, 'NULL') USING ERRCODE = 'CW400';
	END IF;
	SELECT * INTO stock FROM inventory_items WHERE id = item FOR NO KEY UPDATE;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'there is no item %', COALESCE(item::text, 'NULL') USING ERRCODE = 'CW404';
	END IF;
	PERFORM set_config('cronward.holds', 'counted', true);
	-- Nobody is refused for the sake of holds that are over and that the cleaner has not come to yet.
	IF COALESCE(stock.on_hand, 0) - COALESCE(stock.reserved, 0) < asked THEN
		WITH late AS MATERIALIZED (
			SELECT id FROM inventory_reservations
			 WHERE item_id = item AND status = 'active' AND expires_at <= (SELECT clock_timestamp())
			   FOR NO KEY UPDATE SKIP LOCKED
		), ended AS (
			UPDATE inventory_reservations SET status = 'expired', ended_at = clock_timestamp()
			 WHERE id = ANY (ARRAY(SELECT id FROM late)) RETURNING quantity
		)
		SELECT COALESCE(sum(quantity), 0) INTO over FROM ended;
		stock.reserved := GREATEST(COALESCE(stock.reserved, 0) - over, 0);
	END IF;
	IF COALESCE(stock.on_hand, 0) - COALESCE(stock.reserved, 0) < asked THEN
		RAISE EXCEPTION 'of item % there are % left, % were asked for', COALESCE(stock.sku, item::text),
			GREATEST(COALESCE(stock.on_hand, 0) - COALESCE(stock.reserved, 0), 0), asked USING ERRCODE = 'CW409';
	END IF;
	UPDATE inventory_items SET reserved = COALESCE(stock.reserved, 0) + asked WHERE id = item;
	INSERT INTO inventory_reservations (item_id, quantity, expires_at)
	VALUES (item, asked, clock_timestamp() + make_interval(mins => minutes)) RETURNING id INTO hold;
	PERFORM set_config('cronward.holds', '', true);
	RETURN hold;
END
$$;
COMMENT ON FUNCTION "public"."reserve_item"("item" "uuid", "quantity" integer, "minutes" integer) IS 'holds pieces of an item for some minutes, never more than are left: the hold''s id';
CREATE FUNCTION "public"."retry_job"("job" "uuid") RETURNS "text"
    LANGUAGE "plpgsql"
    AS $$
DECLARE
	why text := (SELECT r.refused FROM cronward_jobs_retry(ARRAY[job]) r);
	status_now text := (SELECT j.status FROM jobs j WHERE j.id = job);
BEGIN
	IF status_now IS NULL THEN
		RAISE EXCEPTION 'There is no job %', job USING ERRCODE = 'CW404';
	ELSIF why IS NOT NULL THEN
		RAISE EXCEPTION 'Job % cannot be tried again: %', job, why USING ERRCODE = 'CW409';
	END IF;
	RETURN status_now;
END
$$;
CREATE FUNCTION "public"."retry_job"("job" "uuid", "force" boolean) RETURNS "text"
    LANGUAGE "plpgsql"
    AS $$
DECLARE
	was record;
	other uuid;
BEGIN
	SELECT j.status, j.waits_until, j.unique_key INTO was FROM jobs j WHERE j.id = job FOR NO KEY UPDATE;
	IF was.status IS DISTINCT FROM 'completed' OR was.waits_until IS NOT NULL OR force IS NOT TRUE THEN
		RETURN retry_job(job);
	END IF;
	SELECT j.id INTO other FROM jobs j WHERE j.unique_key = was.unique_key AND j.waits_until IS NOT NULL;
	IF FOUND THEN
		RAISE EXCEPTION USING ERRCODE = 'CW409',
			MESSAGE = format('Job %s cannot be run again: job %s is live and has its unique_key, %s', job, other, was.unique_key);
	END IF;
	PERFORM cronward_jobs_revive(ARRAY[job]);
	RETURN (SELECT j.status FROM jobs j WHERE j.id = job);
END
$$;
CREATE FUNCTION "public"."retry_jobs"("filter" "jsonb" DEFAULT '{}'::"jsonb", "max_count" integer DEFAULT 1000) RETURNS TABLE("job" "uuid", "refused" "text")
    LANGUAGE "plpgsql"
    AS $$
DECLARE
	wrong text;
	since timestamptz;
	til timestamptz;
	workspace uuid;
	chosen uuid[];
BEGIN
	wrong := CASE WHEN jsonb_typeof(filter) IS DISTINCT FROM 'object' THEN 'a filter is an object'
		WHEN max_count IS NULL OR max_count NOT BETWEEN 1 AND 10000 THEN format('max_count must be from 1 to 10000; it is %s', COALESCE(max_count::text, 'NULL'))
		WHEN filter - '{type,queue,workspace,after,before,error}'::text[] <> '{}' THEN
			format('a filter has type, queue, workspace, after, before and error; it does not have %s',
				(SELECT min(k) FROM jsonb_object_keys(filter - '{type,queue,workspace,after,before,error}'::text[]) k)) END;
	IF wrong IS NOT NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'CW400', MESSAGE = wrong;
	END IF;
	BEGIN
		since := COALESCE((filter->>'after')::timestamptz, '-infinity');
		til := COALESCE((filter->>'before')::timestamptz, 'infinity');
		workspace := (filter->>'workspace')::uuid;
	EXCEPTION WHEN data_exception THEN
		RAISE EXCEPTION USING ERRCODE = 'CW400', MESSAGE = 'after and before must be times, workspace a UUID: ' || SQLERRM;
	END;
	chosen := ARRAY(
		SELECT j.id
		  FROM jobs j
		 WHERE j.dead_at IS NOT NULL AND j.dead_at >= since AND j.dead_at < til
		   AND (filter->>'type' IS NULL OR j.job_type = filter->>'type')
		   AND (filter->>'queue' IS NULL OR j.queue = filter->>'queue')
		   AND (workspace IS NULL OR j.workspace_id = workspace)
		   AND (filter->>'error' IS NULL OR strpos(j.error_message, filter->>'error') > 0)
		 ORDER BY j.dead_at, j.id
		 LIMIT max_count);
	RETURN QUERY SELECT * FROM cronward_jobs_retry(chosen);
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
    "expires_at" timestamp with time zone NOT NULL,
    "is_rung" boolean DEFAULT false NOT NULL
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
    "reply_to" "text",
    "headers" "jsonb" DEFAULT '{}'::"jsonb" NOT NULL,
    "batch_id" "uuid",
    "is_single" boolean DEFAULT false NOT NULL,
    "sent_at" timestamp with time zone,
    "dead_at" timestamp with time zone,
    "unsure_since" timestamp with time zone,
    "is_sound" boolean DEFAULT false NOT NULL,
    "resends" integer DEFAULT 0 NOT NULL,
    CONSTRAINT "email_queue_status_check" CHECK (("status" = ANY (ARRAY['pending'::"text", 'processing'::"text", 'sent'::"text", 'failed'::"text"])))
)
WITH ("fillfactor"='70', "autovacuum_vacuum_scale_factor"='0.02', "autovacuum_vacuum_threshold"='1000', "autovacuum_analyze_scale_factor"='0.05');
COMMENT ON COLUMN "public"."email_queue"."reply_to" IS 'where answers go; NULL: to whom it is from';
COMMENT ON COLUMN "public"."email_queue"."headers" IS 'more headers, such as {"List-Unsubscribe": "<https://…>"}';
COMMENT ON COLUMN "public"."email_queue"."batch_id" IS 'names the request that it goes out with; one row of a batch has a finite waits_until, and its lease stands for all';
COMMENT ON COLUMN "public"."email_queue"."is_single" IS 'goes out alone: the request that it was part of was refused, or it is tried anew after it had ended';
COMMENT ON COLUMN "public"."email_queue"."unsure_since" IS 'since when it may have been sent: a request with it was not answered; NULL: it was not';
COMMENT ON COLUMN "public"."email_queue"."is_sound" IS 'it was composed by a process that lived: it is not what kills those who take it';
COMMENT ON COLUMN "public"."email_queue"."resends" IS 'how often it was made pending again after it had been sent: each makes another mail of it, of another idempotency key';
CREATE TABLE "public"."email_templates" (
    "name" "text" NOT NULL,
    "subject" "text" NOT NULL,
    "html" "text",
    "text" "text",
    "updated_at" timestamp with time zone DEFAULT "now"() NOT NULL,
    CONSTRAINT "email_templates_check" CHECK ((("html" IS NOT NULL) OR ("text" IS NOT NULL))),
    CONSTRAINT "email_templates_name_check" CHECK (("name" <> ''::"text"))
);
COMMENT ON TABLE "public"."email_templates" IS '{{field}} stands for a value of email_queue.data: escaped in html, as it is in subject and text';
COMMENT ON COLUMN "public"."email_templates"."name" IS 'fields of those that come along: welcome: app, name, url; verification: app, name, url, expires; password_reset: app, name, url, expires; receipt: app, name, number, date, items, total, url; notification: app, name, title, message, url';
ALTER TABLE "public"."event_handlers" ALTER COLUMN "id" ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME "public"."event_handlers_id_seq"
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE "public"."inventory_items" (
    "id" "uuid" DEFAULT "public"."cronward_uuid"() NOT NULL,
    "sku" "text",
    "on_hand" integer DEFAULT 0 NOT NULL,
    "reserved" integer DEFAULT 0 NOT NULL,
    CONSTRAINT "inventory_items_on_hand_check" CHECK (("on_hand" >= 0)),
    CONSTRAINT "inventory_items_reserved_check" CHECK (("reserved" >= 0))
)
WITH ("fillfactor"='70');
COMMENT ON COLUMN "public"."inventory_items"."on_hand" IS 'pieces that are there; a hold that is committed takes its own away';
COMMENT ON COLUMN "public"."inventory_items"."reserved" IS 'the sum of its active holds; on_hand - reserved can be promised to others';
CREATE TABLE "public"."inventory_reservations" (
    "id" "uuid" DEFAULT "public"."cronward_uuid"() NOT NULL,
    "item_id" "uuid" NOT NULL,
    "quantity" integer NOT NULL,
    "status" "text" DEFAULT 'active'::"text" NOT NULL,
    "expires_at" timestamp with time zone DEFAULT ("now"() + '00:15:00'::interval) NOT NULL,
    "created_at" timestamp with time zone DEFAULT "now"() NOT NULL,
    "ended_at" timestamp with time zone,
    CONSTRAINT "inventory_reservations_quantity_check" CHECK (("quantity" > 0)),
    CONSTRAINT "inventory_reservations_status_check" CHECK (("status" = ANY (ARRAY['active'::"text", 'committed'::"text", 'released'::"text", 'expired'::"text"])))
)
WITH ("autovacuum_vacuum_scale_factor"='0.02', "autovacuum_vacuum_threshold"='1000');
COMMENT ON COLUMN "public"."inventory_reservations"."status" IS 'active, or how it ended: committed (sold), released (given back), expired';
CREATE TABLE "public"."job_dependencies" (
    "job_id" "uuid" NOT NULL,
    "depends_on" "uuid" NOT NULL,
    "is_open" boolean DEFAULT true NOT NULL
);
COMMENT ON COLUMN "public"."job_dependencies"."is_open" IS 'depends_on has not ended yet';
CREATE TABLE "public"."job_limits" (
    "is_only" boolean DEFAULT true NOT NULL,
    "run_budget_s" integer NOT NULL,
    CONSTRAINT "job_limits_is_only_check" CHECK ("is_only")
);
CREATE TABLE "public"."job_logs" (
    "id" bigint NOT NULL,
    "job_id" "uuid" NOT NULL,
    "level" "text" DEFAULT 'info'::"text" NOT NULL,
    "message" "text" NOT NULL,
    "data" "jsonb",
    "created_at" timestamp with time zone DEFAULT "clock_timestamp"() NOT NULL,
    CONSTRAINT "job_logs_level_check" CHECK (("level" = ANY (ARRAY['debug'::"text", 'info'::"text", 'warn'::"text", 'error'::"text"])))
);
ALTER TABLE "public"."job_logs" ALTER COLUMN "id" ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME "public"."job_logs_id_seq"
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE "public"."job_queues" (
    "name" "text" NOT NULL,
    "paused" boolean DEFAULT false NOT NULL,
    "paused_at" timestamp with time zone,
    "created_at" timestamp with time zone DEFAULT "now"() NOT NULL
);
CREATE TABLE "public"."job_requests" (
    "idempotency_key" "text" NOT NULL,
    "body_sha256" "bytea" NOT NULL,
    "reply" "jsonb" NOT NULL,
    "created_at" timestamp with time zone DEFAULT "clock_timestamp"() NOT NULL,
    CONSTRAINT "job_requests_idempotency_key_check" CHECK ((("length"("idempotency_key") >= 1) AND ("length"("idempotency_key") <= 255)))
);
CREATE TABLE "public"."job_schedules" (
    "name" "text" NOT NULL,
    "cron" "text" NOT NULL,
    "time_zone" "text" DEFAULT 'UTC'::"text" NOT NULL,
    "job_type" "text" NOT NULL,
    "payload" "jsonb" DEFAULT '{}'::"jsonb" NOT NULL,
    "queue" "text",
    "priority" smallint,
    "max_attempts" integer,
    "timeout_s" integer,
    "workspace_id" "uuid",
    "unique_key" "text",
    "concurrency_key" "text",
    "concurrency_limit" integer DEFAULT 1 NOT NULL,
    "missed" "text" DEFAULT 'last'::"text" NOT NULL,
    "missed_max" integer DEFAULT 10 NOT NULL,
    "is_active" boolean DEFAULT true NOT NULL,
    "next_at" timestamp with time zone,
    "last_slot_at" timestamp with time zone,
    "last_job_id" "uuid",
    "last_error" "text",
    "since_at" timestamp with time zone DEFAULT "clock_timestamp"() NOT NULL,
    "created_at" timestamp with time zone DEFAULT "clock_timestamp"() NOT NULL,
    CONSTRAINT "job_schedules_attempts_are_some" CHECK ((("max_attempts" >= 1) AND ("max_attempts" <= 1000))),
    CONSTRAINT "job_schedules_key_is_short" CHECK ((("length"("concurrency_key") >= 1) AND ("length"("concurrency_key") <= 200))),
    CONSTRAINT "job_schedules_limit_is_sane" CHECK ((("concurrency_limit" >= 1) AND ("concurrency_limit" <= 1000))),
    CONSTRAINT "job_schedules_missed_is_known" CHECK (("missed" = ANY (ARRAY['skip'::"text", 'last'::"text", 'all'::"text"]))),
    CONSTRAINT "job_schedules_missed_max_is_sane" CHECK ((("missed_max" >= 1) AND ("missed_max" <= 1000))),
    CONSTRAINT "job_schedules_name_is_short" CHECK ((("length"("name") >= 1) AND ("length"("name") <= 200))),
    CONSTRAINT "job_schedules_queue_is_short" CHECK ((("length"("queue") >= 1) AND ("length"("queue") <= 200))),
    CONSTRAINT "job_schedules_timeout_is_sane" CHECK ((("timeout_s" >= 1) AND ("timeout_s" <= 3600))),
    CONSTRAINT "job_schedules_type_is_short" CHECK ((("length"("job_type") >= 1) AND ("length"("job_type") <= 200))),
    CONSTRAINT "job_schedules_unique_key_is_short" CHECK ((("length"("unique_key") >= 1) AND ("length"("unique_key") <= 200)))
);
COMMENT ON COLUMN "public"."job_schedules"."cron" IS 'minute hour day-of-month month day-of-week, in time_zone; or @daily and the like';
COMMENT ON COLUMN "public"."job_schedules"."payload" IS '{{slot}}, {{slot_unix}} and {{name}} in its strings are replaced';
COMMENT ON COLUMN "public"."job_schedules"."queue" IS 'as priority, max_attempts and timeout_s: NULL: the type''s default';
COMMENT ON COLUMN "public"."job_schedules"."unique_key" IS 'a slot that comes while a job of this key lives is passed over';
COMMENT ON COLUMN "public"."job_schedules"."missed" IS 'slots that no run saw in time: skip them; the last one; all, the latest missed_max of them';
COMMENT ON COLUMN "public"."job_schedules"."next_at" IS 'the next slot; NULL: to be computed; infinity: none comes';
COMMENT ON COLUMN "public"."job_schedules"."last_error" IS 'why the last due slot made no job; it is tried again with each run';
COMMENT ON COLUMN "public"."job_schedules"."since_at" IS 'slots after this count: when it was made, changed or activated';
CREATE TABLE "public"."job_slots" (
    "concurrency_key" "text" NOT NULL,
    "slot" integer NOT NULL,
    "job_id" "uuid" NOT NULL
);
CREATE TABLE "public"."job_types" (
    "job_type" "text" NOT NULL,
    "processor" "text" NOT NULL,
    "target" "text" NOT NULL,
    "secret" "text",
    "headers" "jsonb" DEFAULT '{}'::"jsonb" NOT NULL,
    "defaults" "jsonb" DEFAULT '{}'::"jsonb" NOT NULL,
    "created_at" timestamp with time zone DEFAULT "now"() NOT NULL,
    CONSTRAINT "job_types_defaults_are_options" CHECK ("public"."cronward_job_defaults_are_valid"("defaults")),
    CONSTRAINT "job_types_defaults_check" CHECK (("jsonb_typeof"("defaults") = 'object'::"text")),
    CONSTRAINT "job_types_headers_check" CHECK (("jsonb_typeof"("headers") = 'object'::"text")),
    CONSTRAINT "job_types_processor_check" CHECK (("processor" = ANY (ARRAY['http'::"text", 'sql'::"text", 'plugin'::"text", 'apollo'::"text"])))
);
COMMENT ON COLUMN "public"."job_types"."target" IS 'http: a URL; sql: a function; plugin: its name in PROCESSOR_DIR; apollo: account or contact';
COMMENT ON COLUMN "public"."job_types"."secret" IS 'http: signs the request; plain ones are sealed at first use when there is a key';
COMMENT ON COLUMN "public"."job_types"."defaults" IS 'queue, priority, max_attempts and timeout_s of jobs that do not say them';
CREATE TABLE "public"."workspace_members" (
    "workspace_id" "uuid" NOT NULL,
    "user_id" "uuid" NOT NULL
);
CREATE TABLE "public"."workspace_settings" (
    "workspace_id" "uuid" NOT NULL,
    "apollo_api_key_encrypted" "text"
);
COMMENT ON COLUMN "public"."workspace_settings"."apollo_api_key_encrypted" IS 'plain or sealed; plain ones are sealed at first use when there is a key';
CREATE VIEW "public"."my_workspace_settings" WITH ("security_barrier"='true') AS
 SELECT "s"."workspace_id",
    ("s"."apollo_api_key_encrypted" IS NOT NULL) AS "has_apollo_api_key"
   FROM "public"."workspace_settings" "s"
  WHERE ("s"."workspace_id" = ANY (ARRAY( SELECT "m"."workspace_id"
           FROM "public"."workspace_members" "m"
          WHERE ("m"."user_id" = ( SELECT "public"."cronward_user_id"() AS "cronward_user_id")))));
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
CREATE TABLE "public"."webhook_events" (
    "id" "uuid" DEFAULT "public"."cronward_uuid"() NOT NULL,
    "provider" "text" NOT NULL,
    "event_id" "text" NOT NULL,
    "event_type" "text" DEFAULT ''::"text" NOT NULL,
    "payload" "jsonb",
    "body" "bytea",
    "headers" "jsonb" DEFAULT '{}'::"jsonb" NOT NULL,
    "status" "text" DEFAULT 'pending'::"text" NOT NULL,
    "retry_count" integer DEFAULT 0 NOT NULL,
    "next_retry_at" timestamp with time zone,
    "archived" boolean DEFAULT false NOT NULL,
    "error_message" "text",
    "note" "text",
    "attempts" integer DEFAULT 0 NOT NULL,
    "lost" integer DEFAULT 0 NOT NULL,
    "waits_until" timestamp with time zone,
    "lease_until" timestamp with time zone,
    "claim_token" "uuid",
    "performed_at" timestamp with time zone,
    "processed_at" timestamp with time zone,
    "dead_at" timestamp with time zone,
    "created_at" timestamp with time zone DEFAULT "now"() NOT NULL,
    CONSTRAINT "webhook_events_status_check" CHECK (("status" = ANY (ARRAY['pending'::"text", 'processing'::"text", 'processed'::"text", 'failed'::"text"])))
)
WITH ("fillfactor"='70', "autovacuum_vacuum_scale_factor"='0.02', "autovacuum_vacuum_threshold"='1000', "autovacuum_analyze_scale_factor"='0.05');
COMMENT ON COLUMN "public"."webhook_events"."payload" IS 'the body, where it is JSON that can be stored as such';
COMMENT ON COLUMN "public"."webhook_events"."body" IS 'as it came, byte by byte; NULL: payload is all there is';
COMMENT ON COLUMN "public"."webhook_events"."retry_count" IS 'tries after the first processing';
COMMENT ON COLUMN "public"."webhook_events"."note" IS 'how it was processed where that is no matter of course: nobody handles its type';
COMMENT ON COLUMN "public"."webhook_events"."performed_at" IS 'its handler''s work is committed, only its settling is not; it never runs again';
CREATE TABLE "public"."whatsapp_webhook_logs" (
    "id" "uuid" DEFAULT "public"."cronward_uuid"() NOT NULL,
    "event_id" "text",
    "eventtype" "text" DEFAULT ''::"text" NOT NULL,
    "payload" "jsonb",
    "body" "bytea",
    "headers" "jsonb" DEFAULT '{}'::"jsonb" NOT NULL,
    "status" "text" DEFAULT 'pending'::"text" NOT NULL,
    "processed" boolean DEFAULT false NOT NULL,
    "processingerror" "text",
    "retrycount" integer DEFAULT 0 NOT NULL,
    "nextretryat" timestamp with time zone,
    "archived" boolean DEFAULT false NOT NULL,
    "note" "text",
    "attempts" integer DEFAULT 0 NOT NULL,
    "lost" integer DEFAULT 0 NOT NULL,
    "waits_until" timestamp with time zone,
    "lease_until" timestamp with time zone,
    "claim_token" "uuid",
    "performed_at" timestamp with time zone,
    "processed_at" timestamp with time zone,
    "dead_at" timestamp with time zone,
    "created_at" timestamp with time zone DEFAULT "now"() NOT NULL,
    CONSTRAINT "whatsapp_webhook_logs_status_check" CHECK (("status" = ANY (ARRAY['pending'::"text", 'processing'::"text", 'processed'::"text", 'failed'::"text"])))
)
WITH ("fillfactor"='70', "autovacuum_vacuum_scale_factor"='0.02', "autovacuum_vacuum_threshold"='1000', "autovacuum_analyze_scale_factor"='0.05');
CREATE TABLE "public"."workspaces" (
    "id" "uuid" DEFAULT "gen_random_uuid"() NOT NULL,
    "name" "text",
    "created_at" timestamp with time zone DEFAULT "now"() NOT NULL
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
INSERT INTO "public"."audit_log" OVERRIDING SYSTEM VALUE VALUES (8, '2026-11-22 18:19:40.360125+00', 'cli:root', 'migrate', '0008 job_queue', '{}');
INSERT INTO "public"."audit_log" OVERRIDING SYSTEM VALUE VALUES (9, '2026-11-22 18:19:40.385998+00', 'cli:root', 'migrate', '0009 job_enqueue', '{}');
INSERT INTO "public"."audit_log" OVERRIDING SYSTEM VALUE VALUES (10, '2026-11-22 18:19:40.448677+00', 'cli:root', 'migrate', '0010 job_schedules', '{}');
INSERT INTO "public"."audit_log" OVERRIDING SYSTEM VALUE VALUES (11, '2026-11-22 18:19:40.476835+00', 'cli:root', 'migrate', '0011 workspaces', '{}');
INSERT INTO "public"."audit_log" OVERRIDING SYSTEM VALUE VALUES (12, '2026-11-22 18:19:40.508616+00', 'cli:root', 'migrate', '0012 processors', '{}');
INSERT INTO "public"."audit_log" OVERRIDING SYSTEM VALUE VALUES (13, '2026-11-22 18:19:40.52449+00', 'cli:root', 'migrate', '0013 job_control', '{}');
INSERT INTO "public"."audit_log" OVERRIDING SYSTEM VALUE VALUES (14, '2026-11-22 18:19:40.560497+00', 'cli:root', 'migrate', '0014 job_upkeep', '{}');
INSERT INTO "public"."audit_log" OVERRIDING SYSTEM VALUE VALUES (15, '2026-11-22 20:32:54.409419+00', 'cli:root', 'migrate', '0015 inbound_events', '{}');
INSERT INTO "public"."audit_log" OVERRIDING SYSTEM VALUE VALUES (16, '2026-11-22 20:32:54.428474+00', 'cli:root', 'migrate', '0016 mail', '{}');
INSERT INTO "public"."audit_log" OVERRIDING SYSTEM VALUE VALUES (17, '2026-11-22 20:32:54.441959+00', 'cli:root', 'migrate', '0017 holds', '{}');
INSERT INTO "public"."contacts" VALUES ('00000000-0000-7000-8000-00000000d001', '00000000-0000-7000-8000-00000000b001', 'a@example.com', 'Ada', NULL, NULL, NULL);
INSERT INTO "public"."cron_denied" VALUES ('/api/workers/webhookRetry', '2026-02-01 00:00:00+00', 'unauthorized', 12);
INSERT INTO "public"."cron_job_executions" VALUES ('44444444-4444-4444-8444-444444444444', 'webhook-retry', 'partial', '2026-02-01 00:00:00+00', '2026-02-01 00:00:02+00', 2000, '{"failed": 1, "retried": 2, "succeeded": 1}', NULL, '127.0.0.1');
INSERT INTO "public"."cron_job_executions" VALUES ('55555555-5555-4555-8555-555555555555', 'webhook-retry', 'running', '2026-02-01 00:05:00+00', NULL, NULL, '{}', NULL, '127.0.0.1');
INSERT INTO "public"."cron_locks" VALUES ('webhook-retry', '55555555-5555-4555-8555-555555555555', 7, '2026-02-01 00:05:00+00', '2026-02-01 00:05:15+00', false);
INSERT INTO "public"."cron_locks" VALUES ('data-archival', NULL, 3, '2026-02-01 00:00:00+00', '2026-02-01 00:00:01+00', false);
INSERT INTO "public"."cronward_adopted" VALUES ('audit_log', '2026-11-20 12:00:00+00');
INSERT INTO "public"."cronward_schema" VALUES (1, 'platform', '2026-11-22 08:21:11.809501+00');
INSERT INTO "public"."cronward_schema" VALUES (2, 'sealed_secrets', '2026-11-22 12:38:00.048615+00');
INSERT INTO "public"."cronward_schema" VALUES (3, 'application_tables', '2026-11-22 12:38:00.069989+00');
INSERT INTO "public"."cronward_schema" VALUES (4, 'archive_age', '2026-11-22 12:38:00.161736+00');
INSERT INTO "public"."cronward_schema" VALUES (5, 'attempt_partitions', '2026-11-22 12:38:00.185711+00');
INSERT INTO "public"."cronward_schema" VALUES (6, 'adopted_tables', '2026-11-22 12:38:00.320464+00');
INSERT INTO "public"."cronward_schema" VALUES (7, 'trigger_functions', '2026-11-22 12:38:00.345619+00');
INSERT INTO "public"."cronward_schema" VALUES (8, 'job_queue', '2026-11-22 18:19:40.00873+00');
INSERT INTO "public"."cronward_schema" VALUES (9, 'job_enqueue', '2026-11-22 18:19:40.369968+00');
INSERT INTO "public"."cronward_schema" VALUES (10, 'job_schedules', '2026-11-22 18:19:40.400623+00');
INSERT INTO "public"."cronward_schema" VALUES (11, 'workspaces', '2026-11-22 18:19:40.455153+00');
INSERT INTO "public"."cronward_schema" VALUES (12, 'processors', '2026-11-22 18:19:40.488062+00');
INSERT INTO "public"."cronward_schema" VALUES (13, 'job_control', '2026-11-22 18:19:40.519549+00');
INSERT INTO "public"."cronward_schema" VALUES (14, 'job_upkeep', '2026-11-22 18:19:40.540609+00');
INSERT INTO "public"."cronward_schema" VALUES (15, 'inbound_events', '2026-11-22 20:32:54.377348+00');
INSERT INTO "public"."cronward_schema" VALUES (16, 'mail', '2026-11-22 20:32:54.414294+00');
INSERT INTO "public"."cronward_schema" VALUES (17, 'holds', '2026-11-22 20:32:54.430577+00');
INSERT INTO "public"."email_queue" VALUES ('00000000-0000-7000-8000-00000000e001', 'a@example.com', 'Hello', NULL, 'Hello.', NULL, '{}', 'sent', 0, 0, 3, 0, '2026-11-22 12:38:00.362942+00', NULL, NULL, NULL, NULL, NULL, NULL, '2026-11-22 12:38:00.362942+00', NULL, '{}', NULL, false, NULL, NULL, NULL, false, 0);
INSERT INTO "public"."email_queue" VALUES ('00000000-0000-7000-8000-00000000e002', 'b@example.com', 'Hello', NULL, 'Hello.', NULL, '{}', 'pending', 0, 0, 3, 0, '2026-11-22 12:38:00.362942+00', NULL, '2026-11-20 12:00:00+00', NULL, NULL, NULL, NULL, '2026-11-22 12:38:00.362942+00', NULL, '{}', NULL, false, NULL, NULL, NULL, false, 0);
INSERT INTO "public"."email_queue" VALUES ('00000000-0000-7000-8000-00000000e003', 'c@example.com', 'Later', NULL, 'Later.', NULL, '{}', 'pending', 0, 0, 3, 0, '2100-01-01 00:00:00+00', NULL, '2026-11-22 18:19:40.634991+00', NULL, NULL, NULL, NULL, '2026-11-22 18:19:40.576341+00', NULL, '{}', NULL, false, NULL, NULL, NULL, false, 0);
INSERT INTO "public"."email_queue" VALUES ('00000000-0000-7000-8000-00000000e004', 'd@example.com', NULL, NULL, NULL, 'welcome', '{"app": "Example", "url": "https://shop.example/", "name": "Dan"}', 'sent', 0, 0, 3, 0, '2026-11-20 12:00:00+00', NULL, NULL, NULL, NULL, 'mail-4', NULL, '2026-11-20 12:00:00+00', NULL, '{}', NULL, false, '2026-11-20 12:00:01+00', NULL, NULL, false, 0);
INSERT INTO "public"."email_queue" VALUES ('00000000-0000-7000-8000-00000000e005', 'e@example.com', 'Later still', NULL, 'Later.', NULL, '{}', 'pending', 0, 0, 3, 0, '2100-01-01 00:00:00+00', NULL, '2100-01-01 00:00:00+00', NULL, NULL, NULL, NULL, '2026-11-20 12:00:00+00', 'help@example.com', '{"List-Unsubscribe": "<https://shop.example/u>"}', NULL, false, NULL, NULL, NULL, false, 0);
INSERT INTO "public"."email_templates" VALUES ('welcome', 'Welcome to {{app}}', '<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="supported-color-schemes" content="light dark">
<title>Welcome to {{app}}</title>
<style>
:root { color-scheme: light dark; supported-color-schemes: light dark; }
@media (max-width: 480px) {
	.pad { padding: 28px 22px !important; }
	.out { padding: 16px 10px !important; }
}
@media (prefers-color-scheme: dark) {
	.page { background-color: #14171a !important; }
	.card { background-color: #1e2327 !important; border-color: #333a41 !important; }
	.ink { color: #e6e9ec !important; }
	.pale { color: #a3adb8 !important; }
	.line { border-color: #333a41 !important; }
	.link { color: #8ab4f8 !important; }
}
</style>
</head>
<body class="page" style="margin:0;padding:0;background-color:#f4f5f7;-webkit-text-size-adjust:100%">
<div style="display:none;max-height:0;overflow:hidden;opacity:0;font-size:1px;line-height:1px;color:#f4f5f7">Your account is ready.</div>
<table class="page" role="presentation" width="100%" cellpadding="0" cellspacing="0" border="0" bgcolor="#f4f5f7" style="background-color:#f4f5f7">
<tr><td class="out" align="center" style="padding:32px 16px">
<!--[if mso]><table role="presentation" width="600" align="center" cellpadding="0" cellspacing="0" border="0"><tr><td><![endif]-->
<table role="presentation" width="100%" cellpadding="0" cellspacing="0" border="0" style="max-width:600px;margin:0 auto">
<tr><td class="pale" style="padding:0 4px 14px;font-family:-apple-system,''Segoe UI'',Roboto,Helvetica,Arial,sans-serif;font-size:15px;line-height:20px;font-weight:600;color:#52606d">{{app}}</td></tr>
<tr><td>
<table class="card" role="presentation" width="100%" cellpadding="0" cellspacing="0" border="0" bgcolor="#ffffff" style="background-color:#ffffff;border:1px solid #e4e7eb;border-radius:8px">
<tr><td class="pad ink" style="padding:36px 40px;font-family:-apple-system,''Segoe UI'',Roboto,Helvetica,Arial,sans-serif;font-size:16px;line-height:25px;color:#1f2933;word-wrap:break-word;overflow-wrap:anywhere">
<h1 class="ink" style="margin:0 0 18px;font-size:22px;line-height:30px;font-weight:600;color:#1f2933">Welcome, {{name}}</h1>
<p style="margin:0">It is good to have you here. Your account at {{app}} is ready, and everything else begins with the button below.</p>
<table role="presentation" cellpadding="0" cellspacing="0" border="0" style="margin:26px 0 24px">
<tr><td align="center" bgcolor="#1f5fbf" style="border-radius:6px;background-color:#1f5fbf">
<a href="{{url}}" style="display:inline-block;padding:12px 24px;font-family:-apple-system,''Segoe UI'',Roboto,Helvetica,Arial,sans-serif;font-size:16px;line-height:22px;font-weight:600;color:#ffffff;text-decoration:none;border:1px solid #1f5fbf;border-radius:6px">Get started</a>
</td></tr>
</table>
<p class="pale" style="margin:0;font-size:14px;line-height:21px;color:#52606d">You get this mail because somebody made an account at {{app}} with this address.</p>
</td></tr>
</table>
</td></tr>
<tr><td class="pale" style="padding:16px 4px 0;font-family:-apple-system,''Segoe UI'',Roboto,Helvetica,Arial,sans-serif;font-size:13px;line-height:19px;color:#52606d;word-wrap:break-word;overflow-wrap:anywhere">
If the button does not work, open this address:<br><a class="link" href="{{url}}" style="color:#1f5fbf;word-break:break-all">{{url}}</a>
</td></tr>
</table>
<!--[if mso]></td></tr></table><![endif]-->
</td></tr>
</table>
</body>
</html>
', 'Welcome, {{name}}
It is good to have you here. Your account at {{app}} is ready, and
everything else begins here:
{{url}}
You get this mail because somebody made an account at {{app}} with this
address.
{{app}}
', '2026-11-22 20:32:54.412764+00');
INSERT INTO "public"."email_templates" VALUES ('verification', 'Confirm your address for {{app}}', '<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="supported-color-schemes" content="light dark">
<title>Confirm your address for {{app}}</title>
<style>
:root { color-scheme: light dark; supported-color-schemes: light dark; }
@media (max-width: 480px) {
	.pad { padding: 28px 22px !important; }
	.out { padding: 16px 10px !important; }
}
@media (prefers-color-scheme: dark) {
	.page { background-color: #14171a !important; }
	.card { background-color: #1e2327 !important; border-color: #333a41 !important; }
	.ink { color: #e6e9ec !important; }
	.pale { color: #a3adb8 !important; }
	.line { border-color: #333a41 !important; }
	.link { color: #8ab4f8 !important; }
}
</style>
</head>
<body class="page" style="margin:0;padding:0;background-color:#f4f5f7;-webkit-text-size-adjust:100%">
<div style="display:none;max-height:0;overflow:hidden;opacity:0;font-size:1px;line-height:1px;color:#f4f5f7">One click, and your address is confirmed.</div>
<table class="page" role="presentation" width="100%" cellpadding="0" cellspacing="0" border="0" bgcolor="#f4f5f7" style="background-color:#f4f5f7">
<tr><td class="out" align="center" style="padding:32px 16px">
<!--[if mso]><table role="presentation" width="600" align="center" cellpadding="0" cellspacing="0" border="0"><tr><td><![endif]-->
<table role="presentation" width="100%" cellpadding="0" cellspacing="0" border="0" style="max-width:600px;margin:0 auto">
<tr><td class="pale" style="padding:0 4px 14px;font-family:-apple-system,''Segoe UI'',Roboto,Helvetica,Arial,sans-serif;font-size:15px;line-height:20px;font-weight:600;color:#52606d">{{app}}</td></tr>
<tr><td>
<table class="card" role="presentation" width="100%" cellpadding="0" cellspacing="0" border="0" bgcolor="#ffffff" style="background-color:#ffffff;border:1px solid #e4e7eb;border-radius:8px">
<tr><td class="pad ink" style="padding:36px 40px;font-family:-apple-system,''Segoe UI'',Roboto,Helvetica,Arial,sans-serif;font-size:16px;line-height:25px;color:#1f2933;word-wrap:break-word;overflow-wrap:anywhere">
<h1 class="ink" style="margin:0 0 18px;font-size:22px;line-height:30px;font-weight:600;color:#1f2933">Confirm your address</h1>
<p style="margin:0 0 16px">Hello {{name}},</p>
<p style="margin:0">Please confirm that this address is yours, so that {{app}} can reach you by mail.</p>
<table role="presentation" cellpadding="0" cellspacing="0" border="0" style="margin:26px 0 24px">
<tr><td align="center" bgcolor="#1f5fbf" style="border-radius:6px;background-color:#1f5fbf">
<a href="{{url}}" style="display:inline-block;padding:12px 24px;font-family:-apple-system,''Segoe UI'',Roboto,Helvetica,Arial,sans-serif;font-size:16px;line-height:22px;font-weight:600;color:#ffffff;text-decoration:none;border:1px solid #1f5fbf;border-radius:6px">Confirm address</a>
</td></tr>
</table>
<p class="pale" style="margin:0;font-size:14px;line-height:21px;color:#52606d">The link works for {{expires}}. If you did not sign up at {{app}}, there is nothing you need to do.</p>
</td></tr>
</table>
</td></tr>
<tr><td class="pale" style="padding:16px 4px 0;font-family:-apple-system,''Segoe UI'',Roboto,Helvetica,Arial,sans-serif;font-size:13px;line-height:19px;color:#52606d;word-wrap:break-word;overflow-wrap:anywhere">
If the button does not work, open this address:<br><a class="link" href="{{url}}" style="color:#1f5fbf;word-break:break-all">{{url}}</a>
</td></tr>
</table>
<!--[if mso]></td></tr></table><![endif]-->
</td></tr>
</table>
</body>
</html>
', 'Hello {{name}},
Please confirm that this address is yours, so that {{app}} can reach you
by mail:
{{url}}
The link works for {{expires}}. If you did not sign up at {{app}}, there
is nothing you need to do.
{{app}}
', '2026-11-22 20:32:54.412764+00');
INSERT INTO "public"."email_templates" VALUES ('password_reset', 'Choose a new password for {{app}}', '<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="supported-color-schemes" content="light dark">
<title>Choose a new password for {{app}}</title>
<style>
:root { color-scheme: light dark; supported-color-schemes: light dark; }
@media (max-width: 480px) {
	.pad { padding: 28px 22px !important; }
	.out { padding: 16px 10px !important; }
}
@media (prefers-color-scheme: dark) {
	.page { background-color: #14171a !important; }
	.card { background-color: #1e2327 !important; border-color: #333a41 !important; }
	.ink { color: #e6e9ec !important; }
	.pale { color: #a3adb8 !important; }
	.line { border-color: #333a41 !important; }
	.link { color: #8ab4f8 !important; }
}
</style>
</head>
<body class="page" style="margin:0;padding:0;background-color:#f4f5f7;-webkit-text-size-adjust:100%">
<div style="display:none;max-height:0;overflow:hidden;opacity:0;font-size:1px;line-height:1px;color:#f4f5f7">This is where you choose a new password.</div>
<table class="page" role="presentation" width="100%" cellpadding="0" cellspacing="0" border="0" bgcolor="#f4f5f7" style="background-color:#f4f5f7">
<tr><td class="out" align="center" style="padding:32px 16px">
<!--[if mso]><table role="presentation" width="600" align="center" cellpadding="0" cellspacing="0" border="0"><tr><td><![endif]-->
<table role="presentation" width="100%" cellpadding="0" cellspacing="0" border="0" style="max-width:600px;margin:0 auto">
<tr><td class="pale" style="padding:0 4px 14px;font-family:-apple-system,''Segoe UI'',Roboto,Helvetica,Arial,sans-serif;font-size:15px;line-height:20px;font-weight:600;color:#52606d">{{app}}</td></tr>
<tr><td>
<table class="card" role="presentation" width="100%" cellpadding="0" cellspacing="0" border="0" bgcolor="#ffffff" style="background-color:#ffffff;border:1px solid #e4e7eb;border-radius:8px">
<tr><td class="pad ink" style="padding:36px 40px;font-family:-apple-system,''Segoe UI'',Roboto,Helvetica,Arial,sans-serif;font-size:16px;line-height:25px;color:#1f2933;word-wrap:break-word;overflow-wrap:anywhere">
<h1 class="ink" style="margin:0 0 18px;font-size:22px;line-height:30px;font-weight:600;color:#1f2933">Choose a new password</h1>
<p style="margin:0 0 16px">Hello {{name}},</p>
<p style="margin:0">We got a request for a new password for your account at {{app}}. You can choose one here.</p>
<table role="presentation" cellpadding="0" cellspacing="0" border="0" style="margin:26px 0 24px">
<tr><td align="center" bgcolor="#1f5fbf" style="border-radius:6px;background-color:#1f5fbf">
<a href="{{url}}" style="display:inline-block;padding:12px 24px;font-family:-apple-system,''Segoe UI'',Roboto,Helvetica,Arial,sans-serif;font-size:16px;line-height:22px;font-weight:600;color:#ffffff;text-decoration:none;border:1px solid #1f5fbf;border-radius:6px">Choose a password</a>
</td></tr>
</table>
<p class="pale" style="margin:0;font-size:14px;line-height:21px;color:#52606d">The link works for {{expires}}. If you did not ask for it, your password stays as it is, and there is nothing you need to do. Nobody from {{app}} will ever ask you for this link.</p>
</td></tr>
</table>
</td></tr>
<tr><td class="pale" style="padding:16px 4px 0;font-family:-apple-system,''Segoe UI'',Roboto,Helvetica,Arial,sans-serif;font-size:13px;line-height:19px;color:#52606d;word-wrap:break-word;overflow-wrap:anywhere">
If the button does not work, open this address:<br><a class="link" href="{{url}}" style="color:#1f5fbf;word-break:break-all">{{url}}</a>
</td></tr>
</table>
<!--[if mso]></td></tr></table><![endif]-->
</td></tr>
</table>
</body>
</html>
', 'Hello {{name}},
We got a request for a new password for your account at {{app}}. You can
choose one here:
{{url}}
The link works for {{expires}}. If you did not ask for it, your password
stays as it is, and there is nothing you need to do. Nobody from {{app}}
will ever ask you for this link.
{{app}}
', '2026-11-22 20:32:54.412764+00');
INSERT INTO "public"."email_templates" VALUES ('receipt', 'Receipt {{number}} from {{app}}', '<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="supported-color-schemes" content="light dark">
<title>Receipt {{number}} from {{app}}</title>
<style>
:root { color-scheme: light dark; supported-color-schemes: light dark; }
@media (max-width: 480px) {
	.pad { padding: 28px 22px !important; }
	.out { padding: 16px 10px !important; }
}
@media (prefers-color-scheme: dark) {
	.page { background-color: #14171a !important; }
	.card { background-color: #1e2327 !important; border-color: #333a41 !important; }
	.ink { color: #e6e9ec !important; }
	.pale { color: #a3adb8 !important; }
	.line { border-color: #333a41 !important; }
	.link { color: #8ab4f8 !important; }
}
</style>
</head>
<body class="page" style="margin:0;padding:0;background-color:#f4f5f7;-webkit-text-size-adjust:100%">
<div style="display:none;max-height:0;overflow:hidden;opacity:0;font-size:1px;line-height:1px;color:#f4f5f7">{{total}}, paid on {{date}}. Thank you.</div>
<table class="page" role="presentation" width="100%" cellpadding="0" cellspacing="0" border="0" bgcolor="#f4f5f7" style="background-color:#f4f5f7">
<tr><td class="out" align="center" style="padding:32px 16px">
<!--[if mso]><table role="presentation" width="600" align="center" cellpadding="0" cellspacing="0" border="0"><tr><td><![endif]-->
<table role="presentation" width="100%" cellpadding="0" cellspacing="0" border="0" style="max-width:600px;margin:0 auto">
<tr><td class="pale" style="padding:0 4px 14px;font-family:-apple-system,''Segoe UI'',Roboto,Helvetica,Arial,sans-serif;font-size:15px;line-height:20px;font-weight:600;color:#52606d">{{app}}</td></tr>
<tr><td>
<table class="card" role="presentation" width="100%" cellpadding="0" cellspacing="0" border="0" bgcolor="#ffffff" style="background-color:#ffffff;border:1px solid #e4e7eb;border-radius:8px">
<tr><td class="pad ink" style="padding:36px 40px;font-family:-apple-system,''Segoe UI'',Roboto,Helvetica,Arial,sans-serif;font-size:16px;line-height:25px;color:#1f2933;word-wrap:break-word;overflow-wrap:anywhere">
<h1 class="ink" style="margin:0 0 18px;font-size:22px;line-height:30px;font-weight:600;color:#1f2933">Thank you, {{name}}</h1>
<p style="margin:0 0 20px">This is your receipt from {{app}}.</p>
<table role="presentation" width="100%" cellpadding="0" cellspacing="0" border="0">
<tr>
<td class="pale line" valign="top" style="font-family:-apple-system,''Segoe UI'',Roboto,Helvetica,Arial,sans-serif;font-size:15px;line-height:23px;padding:10px 16px 10px 0;border-top:1px solid #e4e7eb;color:#52606d;white-space:nowrap">Receipt</td>
<td class="ink line" valign="top" align="right" style="font-family:-apple-system,''Segoe UI'',Roboto,Helvetica,Arial,sans-serif;font-size:15px;line-height:23px;padding:10px 0;border-top:1px solid #e4e7eb;color:#1f2933">{{number}}</td>
</tr>
<tr>
<td class="pale line" valign="top" style="font-family:-apple-system,''Segoe UI'',Roboto,Helvetica,Arial,sans-serif;font-size:15px;line-height:23px;padding:10px 16px 10px 0;border-top:1px solid #e4e7eb;color:#52606d;white-space:nowrap">Date</td>
<td class="ink line" valign="top" align="right" style="font-family:-apple-system,''Segoe UI'',Roboto,Helvetica,Arial,sans-serif;font-size:15px;line-height:23px;padding:10px 0;border-top:1px solid #e4e7eb;color:#1f2933">{{date}}</td>
</tr>
<tr>
<td class="ink line" colspan="2" style="font-family:-apple-system,''Segoe UI'',Roboto,Helvetica,Arial,sans-serif;font-size:15px;line-height:23px;padding:14px 0;border-top:1px solid #e4e7eb;color:#1f2933;white-space:pre-line">{{items}}</td>
</tr>
<tr>
<td class="ink line" valign="top" style="font-family:-apple-system,''Segoe UI'',Roboto,Helvetica,Arial,sans-serif;font-size:15px;line-height:23px;padding:12px 16px 0 0;border-top:2px solid #cbd2d9;font-weight:600;color:#1f2933">Total</td>
<td class="ink line" valign="top" align="right" style="font-family:-apple-system,''Segoe UI'',Roboto,Helvetica,Arial,sans-serif;font-size:15px;line-height:23px;padding:12px 0 0;border-top:2px solid #cbd2d9;font-weight:600;color:#1f2933">{{total}}</td>
</tr>
</table>
<table role="presentation" cellpadding="0" cellspacing="0" border="0" style="margin:26px 0 24px">
<tr><td align="center" bgcolor="#1f5fbf" style="border-radius:6px;background-color:#1f5fbf">
<a href="{{url}}" style="display:inline-block;padding:12px 24px;font-family:-apple-system,''Segoe UI'',Roboto,Helvetica,Arial,sans-serif;font-size:16px;line-height:22px;font-weight:600;color:#ffffff;text-decoration:none;border:1px solid #1f5fbf;border-radius:6px">View the order</a>
</td></tr>
</table>
<p class="pale" style="margin:0;font-size:14px;line-height:21px;color:#52606d">Please keep this mail: it is your proof of payment.</p>
</td></tr>
</table>
</td></tr>
<tr><td class="pale" style="padding:16px 4px 0;font-family:-apple-system,''Segoe UI'',Roboto,Helvetica,Arial,sans-serif;font-size:13px;line-height:19px;color:#52606d;word-wrap:break-word;overflow-wrap:anywhere">
If the button does not work, open this address:<br><a class="link" href="{{url}}" style="color:#1f5fbf;word-break:break-all">{{url}}</a>
</td></tr>
</table>
<!--[if mso]></td></tr></table><![endif]-->
</td></tr>
</table>
</body>
</html>
', 'Thank you, {{name}}
This is your receipt from {{app}}.
Receipt: {{number}}
Date:    {{date}}
{{items}}
Total:   {{total}}
The order: {{url}}
Please keep this mail: it is your proof of payment.
{{app}}
', '2026-11-22 20:32:54.412764+00');
INSERT INTO "public"."email_templates" VALUES ('notification', '{{title}}', '<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="supported-color-schemes" content="light dark">
<title>{{title}}</title>
<style>
:root { color-scheme: light dark; supported-color-schemes: light dark; }
@media (max-width: 480px) {
	.pad { padding: 28px 22px !important; }
	.out { padding: 16px 10px !important; }
}
@media (prefers-color-scheme: dark) {
	.page { background-color: #14171a !important; }
	.card { background-color: #1e2327 !important; border-color: #333a41 !important; }
	.ink { color: #e6e9ec !important; }
	.pale { color: #a3adb8 !important; }
	.line { border-color: #333a41 !important; }
	.link { color: #8ab4f8 !important; }
}
</style>
</head>
<body class="page" style="margin:0;padding:0;background-color:#f4f5f7;-webkit-text-size-adjust:100%">
<div style="display:none;max-height:0;overflow:hidden;opacity:0;font-size:1px;line-height:1px;color:#f4f5f7">{{message}}</div>
<table class="page" role="presentation" width="100%" cellpadding="0" cellspacing="0" border="0" bgcolor="#f4f5f7" style="background-color:#f4f5f7">
<tr><td class="out" align="center" style="padding:32px 16px">
<!--[if mso]><table role="presentation" width="600" align="center" cellpadding="0" cellspacing="0" border="0"><tr><td><![endif]-->
<table role="presentation" width="100%" cellpadding="0" cellspacing="0" border="0" style="max-width:600px;margin:0 auto">
<tr><td class="pale" style="padding:0 4px 14px;font-family:-apple-system,''Segoe UI'',Roboto,Helvetica,Arial,sans-serif;font-size:15px;line-height:20px;font-weight:600;color:#52606d">{{app}}</td></tr>
<tr><td>
<table class="card" role="presentation" width="100%" cellpadding="0" cellspacing="0" border="0" bgcolor="#ffffff" style="background-color:#ffffff;border:1px solid #e4e7eb;border-radius:8px">
<tr><td class="pad ink" style="padding:36px 40px;font-family:-apple-system,''Segoe UI'',Roboto,Helvetica,Arial,sans-serif;font-size:16px;line-height:25px;color:#1f2933;word-wrap:break-word;overflow-wrap:anywhere">
<h1 class="ink" style="margin:0 0 18px;font-size:22px;line-height:30px;font-weight:600;color:#1f2933">{{title}}</h1>
<p style="margin:0 0 16px">Hello {{name}},</p>
<p style="margin:0;white-space:pre-line">{{message}}</p>
<table role="presentation" cellpadding="0" cellspacing="0" border="0" style="margin:26px 0 24px">
<tr><td align="center" bgcolor="#1f5fbf" style="border-radius:6px;background-color:#1f5fbf">
<a href="{{url}}" style="display:inline-block;padding:12px 24px;font-family:-apple-system,''Segoe UI'',Roboto,Helvetica,Arial,sans-serif;font-size:16px;line-height:22px;font-weight:600;color:#ffffff;text-decoration:none;border:1px solid #1f5fbf;border-radius:6px">Open {{app}}</a>
</td></tr>
</table>
<p class="pale" style="margin:0;font-size:14px;line-height:21px;color:#52606d">You get this mail because you have an account at {{app}}.</p>
</td></tr>
</table>
</td></tr>
<tr><td class="pale" style="padding:16px 4px 0;font-family:-apple-system,''Segoe UI'',Roboto,Helvetica,Arial,sans-serif;font-size:13px;line-height:19px;color:#52606d;word-wrap:break-word;overflow-wrap:anywhere">
If the button does not work, open this address:<br><a class="link" href="{{url}}" style="color:#1f5fbf;word-break:break-all">{{url}}</a>
</td></tr>
</table>
<!--[if mso]></td></tr></table><![endif]-->
</td></tr>
</table>
</body>
</html>
', '{{title}}
Hello {{name}},
{{message}}
{{url}}
You get this mail because you have an account at {{app}}.
{{app}}
', '2026-11-22 20:32:54.412764+00');
INSERT INTO "public"."event_handlers" OVERRIDING SYSTEM VALUE VALUES (1, 'telebirr', 'payment.*', 'https://shop.example/events', 1, true, NULL, '{}', NULL, '2026-11-22 20:32:54.447438+00');
INSERT INTO "public"."event_handlers" OVERRIDING SYSTEM VALUE VALUES (2, '*', '*', 'public.keep_event', 9, true, NULL, '{}', NULL, '2026-11-22 20:32:54.447438+00');
INSERT INTO "public"."inventory_items" VALUES ('00000000-0000-7000-8000-000000012002', 'chair', 0, 0);
INSERT INTO "public"."inventory_items" VALUES ('00000000-0000-7000-8000-000000012001', 'lamp', 10, 2);
INSERT INTO "public"."inventory_reservations" VALUES ('00000000-0000-7000-8000-000000013001', '00000000-0000-7000-8000-000000012001', 2, 'active', '2100-01-01 00:00:00+00', '2026-11-20 12:00:00+00', NULL);
INSERT INTO "public"."inventory_reservations" VALUES ('00000000-0000-7000-8000-000000013002', '00000000-0000-7000-8000-000000012001', 3, 'expired', '2026-11-20 12:15:00+00', '2026-11-20 12:00:00+00', '2026-11-20 12:15:01+00');
INSERT INTO "public"."job_dependencies" VALUES ('01a2047c-3cbc-7d11-8000-15b81bad9115', '01a2047c-3cb8-74fd-8000-e2b8dd10c5e5', true);
INSERT INTO "public"."job_limits" VALUES (true, 20);
INSERT INTO "public"."job_logs" OVERRIDING SYSTEM VALUE VALUES (1, '00000000-0000-7000-8000-00000000a001', 'info', 'completed in 3 ms, try 1 of 5', '{"pages": 3}', '2026-11-22 18:19:40.620151+00');
INSERT INTO "public"."job_queues" VALUES ('closed', true, '2026-11-20 12:00:00+00', '2026-11-22 18:19:40.576341+00');
INSERT INTO "public"."job_requests" VALUES ('once', '\x44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a', '{"id": "00000000-0000-7000-8000-00000000a001"}', '2026-11-22 18:19:40.633067+00');
INSERT INTO "public"."job_schedules" VALUES ('yearly', '0 2 1 1 *', 'UTC', 'report', '{}', NULL, NULL, NULL, NULL, NULL, NULL, NULL, 1, 'last', 10, true, '2100-01-01 02:00:00+00', NULL, NULL, NULL, '2026-11-22 18:19:40.633292+00', '2026-11-22 18:19:40.633292+00');
INSERT INTO "public"."job_slots" VALUES ('reports', 0, '00000000-0000-7000-8000-00000000a00f');
INSERT INTO "public"."job_types" VALUES ('enrich_account', 'apollo', 'account', NULL, '{}', '{}', '2026-11-22 18:19:40.000346+00');
INSERT INTO "public"."job_types" VALUES ('enrich_contact', 'apollo', 'contact', NULL, '{}', '{}', '2026-11-22 18:19:40.000346+00');
INSERT INTO "public"."job_types" VALUES ('mail', 'http', 'https://shop.example/mail', 'whsec_dGhlIHNlY3JldCBvZiBhbiBlYXJsaWVyIHNjaGVtYQ==', '{"x-from": "schema 14"}', '{}', '2026-11-22 18:19:40.576341+00');
INSERT INTO "public"."jobs" VALUES ('00000000-0000-7000-8000-00000000a001', '00000000-0000-7000-8000-00000000b001', 'report', '{"n": 1}', 'completed', 'default', 0, 1, 5, 0, '2026-11-22 12:38:00.362942+00', NULL, NULL, NULL, NULL, '2026-11-20 10:00:00+00', 0, NULL, NULL, NULL, NULL, '2026-11-20 09:00:00+00', '2026-11-22 12:38:00.362942+00', NULL, NULL, 1, 0, false, 'fail', false, NULL, NULL, NULL, NULL, NULL);
INSERT INTO "public"."jobs" VALUES ('00000000-0000-7000-8000-00000000a002', NULL, 'report', '{"n": 2}', 'failed', 'default', 0, 5, 5, 0, '2026-11-22 12:38:00.362942+00', NULL, NULL, NULL, NULL, '2026-11-20 11:00:00+00', 0, NULL, NULL, NULL, NULL, '2026-11-20 09:30:00+00', '2026-11-22 12:38:00.362942+00', NULL, NULL, 1, 0, false, 'fail', false, NULL, NULL, NULL, NULL, NULL);
INSERT INTO "public"."jobs" VALUES ('00000000-0000-7000-8000-00000000a003', NULL, 'report', '{"n": 3}', 'pending', 'slow', 10, 0, 5, 0, '2026-11-20 12:00:00+00', '2026-11-20 12:00:00+00', NULL, NULL, NULL, NULL, 0, NULL, NULL, NULL, 'report 3', '2026-11-22 12:38:00.362942+00', '2026-11-22 12:38:00.362942+00', NULL, NULL, 1, 0, false, 'fail', false, NULL, NULL, NULL, NULL, NULL);
INSERT INTO "public"."jobs" VALUES ('01a2047c-3cb8-74fd-8000-e2b8dd10c5e5', NULL, 'report', '{"n": 4}', 'pending', 'default', 0, 0, 5, 0, '2026-11-22 18:19:40.576341+00', '2026-11-22 18:19:40.602766+00', NULL, NULL, NULL, NULL, 0, NULL, NULL, NULL, 'first', '2026-11-22 18:19:40.576341+00', '2026-11-22 18:19:40.576341+00', NULL, NULL, 1, 0, true, 'fail', false, NULL, NULL, NULL, NULL, NULL);
INSERT INTO "public"."jobs" VALUES ('01a2047c-3cbc-7d11-8000-15b81bad9115', NULL, 'report', '{"n": 5}', 'blocked', 'default', 0, 0, 5, 0, '2026-11-22 18:19:40.576341+00', 'infinity', NULL, NULL, NULL, NULL, 0, NULL, NULL, NULL, NULL, '2026-11-22 18:19:40.576341+00', '2026-11-22 18:19:40.576341+00', NULL, 'reports', 1, 1, false, 'fail', false, NULL, NULL, NULL, NULL, NULL);
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
INSERT INTO "public"."webhook_events" VALUES ('00000000-0000-7000-8000-000000010001', 'telebirr', 'evt-1', 'payment.paid', '{"order": 42}', '\x7b226f72646572223a2034327d', '{"content-type": "application/json"}', 'pending', 0, NULL, false, NULL, NULL, 0, 0, '2026-11-22 20:33:54.450923+00', NULL, NULL, NULL, NULL, NULL, '2026-11-20 12:00:00+00');
INSERT INTO "public"."webhook_events" VALUES ('00000000-0000-7000-8000-000000010002', 'cbe', 'evt-1', 'payment.failed', '{"order": 43}', NULL, '{}', 'failed', 2, '2100-01-01 00:00:00+00', false, 'no order 43', NULL, 3, 0, '2100-01-01 00:00:00+00', NULL, NULL, NULL, NULL, NULL, '2026-11-20 12:00:00+00');
INSERT INTO "public"."webhook_events" VALUES ('00000000-0000-7000-8000-000000010003', 'cbe', 'evt-2', 'payment.paid', '{"order": 44}', NULL, '{}', 'processed', 0, NULL, false, NULL, NULL, 0, 0, NULL, NULL, NULL, NULL, '2026-11-22 20:32:54.451382+00', NULL, '2026-11-20 12:00:00+00');
INSERT INTO "public"."whatsapp_webhook_logs" VALUES ('00000000-0000-7000-8000-000000011001', 'wamid.1', 'messages', '{"entry": []}', NULL, '{}', 'pending', false, NULL, 0, NULL, false, NULL, 0, 0, '2026-11-22 20:33:54.452401+00', NULL, NULL, NULL, NULL, NULL, '2026-11-20 12:00:00+00');
INSERT INTO "public"."whatsapp_webhook_logs" VALUES ('00000000-0000-7000-8000-000000011002', 'wamid.2', 'statuses', '{"entry": []}', NULL, '{}', 'processed', true, NULL, 0, NULL, false, NULL, 0, 0, NULL, NULL, NULL, NULL, '2026-11-22 20:32:54.452736+00', NULL, '2026-11-20 12:00:00+00');
INSERT INTO "public"."workspace_members" VALUES ('00000000-0000-7000-8000-00000000b001', '33333333-3333-4333-8333-333333333333');
INSERT INTO "public"."workspace_settings" VALUES ('00000000-0000-7000-8000-00000000b001', 'a plain key');
INSERT INTO "public"."workspaces" VALUES ('00000000-0000-7000-8000-00000000b001', 'Example', '2026-11-22 18:19:40.576341+00');
SELECT pg_catalog.setval('"public"."audit_log_id_seq"', 17, true);
SELECT pg_catalog.setval('"public"."event_handlers_id_seq"', 2, true);
SELECT pg_catalog.setval('"public"."job_logs_id_seq"', 1, true);
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
ALTER TABLE ONLY "public"."email_templates"
    ADD CONSTRAINT "email_templates_pkey" PRIMARY KEY ("name");
ALTER TABLE ONLY "public"."event_handlers"
    ADD CONSTRAINT "event_handlers_pkey" PRIMARY KEY ("id");
ALTER TABLE ONLY "public"."inventory_items"
    ADD CONSTRAINT "inventory_items_pkey" PRIMARY KEY ("id");
ALTER TABLE ONLY "public"."inventory_items"
    ADD CONSTRAINT "inventory_items_sku_key" UNIQUE ("sku");
ALTER TABLE ONLY "public"."inventory_reservations"
    ADD CONSTRAINT "inventory_reservations_pkey" PRIMARY KEY ("id");
ALTER TABLE ONLY "public"."job_dependencies"
    ADD CONSTRAINT "job_dependencies_pkey" PRIMARY KEY ("job_id", "depends_on");
ALTER TABLE ONLY "public"."job_limits"
    ADD CONSTRAINT "job_limits_pkey" PRIMARY KEY ("is_only");
ALTER TABLE ONLY "public"."job_logs"
    ADD CONSTRAINT "job_logs_pkey" PRIMARY KEY ("id");
ALTER TABLE ONLY "public"."job_queues"
    ADD CONSTRAINT "job_queues_pkey" PRIMARY KEY ("name");
ALTER TABLE ONLY "public"."job_requests"
    ADD CONSTRAINT "job_requests_pkey" PRIMARY KEY ("idempotency_key");
ALTER TABLE ONLY "public"."job_schedules"
    ADD CONSTRAINT "job_schedules_pkey" PRIMARY KEY ("name");
ALTER TABLE ONLY "public"."job_slots"
    ADD CONSTRAINT "job_slots_pkey" PRIMARY KEY ("concurrency_key", "slot");
ALTER TABLE ONLY "public"."job_types"
    ADD CONSTRAINT "job_types_pkey" PRIMARY KEY ("job_type");
ALTER TABLE ONLY "public"."jobs"
    ADD CONSTRAINT "jobs_pkey" PRIMARY KEY ("id") WITH ("fillfactor"='50');
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
ALTER TABLE ONLY "public"."webhook_events"
    ADD CONSTRAINT "webhook_events_pkey" PRIMARY KEY ("id");
ALTER TABLE ONLY "public"."whatsapp_webhook_logs"
    ADD CONSTRAINT "whatsapp_webhook_logs_pkey" PRIMARY KEY ("id");
ALTER TABLE ONLY "public"."workspace_members"
    ADD CONSTRAINT "workspace_members_pkey" PRIMARY KEY ("workspace_id", "user_id");
ALTER TABLE ONLY "public"."workspace_settings"
    ADD CONSTRAINT "workspace_settings_pkey" PRIMARY KEY ("workspace_id");
ALTER TABLE ONLY "public"."workspaces"
    ADD CONSTRAINT "workspaces_pkey" PRIMARY KEY ("id");
CREATE INDEX "app_webhooks_plain_previous_secret" ON "public"."app_webhooks" USING "btree" ("id") WHERE (("previous_secret" <> ''::"text") AND (NOT "starts_with"("previous_secret", 'cw1.'::"text")));
CREATE INDEX "app_webhooks_plain_secret" ON "public"."app_webhooks" USING "btree" ("id") WHERE (NOT "starts_with"("secret", 'cw1.'::"text"));
CREATE INDEX "audit_log_age" ON "public"."audit_log" USING "btree" ("at", "id");
CREATE INDEX "cron_job_executions_age" ON "public"."cron_job_executions" USING "btree" ("started_at", "id");
CREATE INDEX "cron_job_executions_by_job" ON "public"."cron_job_executions" USING "btree" ("job_name", "started_at");
CREATE INDEX "cron_job_executions_running" ON "public"."cron_job_executions" USING "btree" ("job_name") WHERE ("status" = 'running'::"text");
CREATE INDEX "email_queue_age" ON "public"."email_queue" USING "btree" ("created_at", "id");
CREATE INDEX "email_queue_batch" ON "public"."email_queue" USING "btree" ("batch_id") WHERE ("batch_id" IS NOT NULL);
CREATE INDEX "email_queue_dead" ON "public"."email_queue" USING "btree" ("dead_at", "id") WHERE ("dead_at" IS NOT NULL);
CREATE INDEX "email_queue_due" ON "public"."email_queue" USING "btree" ("priority", "waits_until", "id") WHERE ("waits_until" IS NOT NULL);
CREATE INDEX "email_queue_suspect" ON "public"."email_queue" USING "btree" ("lost", "waits_until", "id") WHERE (("lost" > 0) AND ("waits_until" IS NOT NULL));
CREATE INDEX "inventory_reservations_active" ON "public"."inventory_reservations" USING "btree" ("expires_at", "id") WHERE ("status" = 'active'::"text");
CREATE INDEX "inventory_reservations_age" ON "public"."inventory_reservations" USING "btree" ("created_at", "id") WHERE ("status" <> 'active'::"text");
CREATE INDEX "inventory_reservations_of_item" ON "public"."inventory_reservations" USING "btree" ("item_id", "expires_at") INCLUDE ("quantity") WHERE ("status" = 'active'::"text");
CREATE INDEX "job_dependencies_of" ON "public"."job_dependencies" USING "btree" ("depends_on", "job_id");
CREATE INDEX "job_logs_in_order" ON "public"."job_logs" USING "btree" ("job_id", "id");
CREATE INDEX "job_requests_age" ON "public"."job_requests" USING "btree" ("created_at");
CREATE INDEX "job_schedules_due" ON "public"."job_schedules" USING "btree" (COALESCE("next_at", '-infinity'::timestamp with time zone), "name") WHERE "is_active";
CREATE UNIQUE INDEX "job_slots_of_job" ON "public"."job_slots" USING "btree" ("job_id");
CREATE INDEX "jobs_age" ON "public"."jobs" USING "btree" ("created_at", "id") WITH ("fillfactor"='50');
CREATE INDEX "jobs_dead" ON "public"."jobs" USING "btree" ("dead_at", "id") WHERE ("dead_at" IS NOT NULL);
CREATE INDEX "jobs_due" ON "public"."jobs" USING "btree" ("queue", "priority", "waits_until", "id") WHERE ("waits_until" IS NOT NULL);
CREATE INDEX "jobs_key_line" ON "public"."jobs" USING "btree" ("concurrency_key", "priority" DESC, "run_at", "id") WHERE (("concurrency_key" IS NOT NULL) AND ("waits_until" = 'infinity'::timestamp with time zone) AND ("open_dependencies" = 0));
CREATE INDEX "jobs_of_workspace" ON "public"."jobs" USING "btree" ("workspace_id", "created_at", "id") WHERE ("workspace_id" IS NOT NULL);
CREATE UNIQUE INDEX "jobs_one_per_slot" ON "public"."jobs" USING "btree" ("schedule", "slot") WHERE ("schedule" IS NOT NULL);
CREATE INDEX "jobs_suspect" ON "public"."jobs" USING "btree" ("lost", "waits_until", "id") WHERE (("lost" > 0) AND ("waits_until" IS NOT NULL));
CREATE UNIQUE INDEX "jobs_unique_while_live" ON "public"."jobs" USING "btree" ("unique_key") WHERE (("unique_key" IS NOT NULL) AND ("waits_until" IS NOT NULL));
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
CREATE INDEX "webhook_events_age" ON "public"."webhook_events" USING "btree" ("created_at", "id");
CREATE INDEX "webhook_events_dead" ON "public"."webhook_events" USING "btree" ("dead_at", "id") WHERE ("dead_at" IS NOT NULL);
CREATE INDEX "webhook_events_due" ON "public"."webhook_events" USING "btree" ("provider", (("attempts" = 0)), "waits_until", "id") WHERE ("waits_until" IS NOT NULL);
CREATE UNIQUE INDEX "webhook_events_once" ON "public"."webhook_events" USING "btree" ("provider", "event_id");
CREATE INDEX "webhook_events_suspect" ON "public"."webhook_events" USING "btree" ("lost", "waits_until", "id") WHERE (("lost" > 0) AND ("waits_until" IS NOT NULL));
CREATE INDEX "whatsapp_webhook_logs_age" ON "public"."whatsapp_webhook_logs" USING "btree" ("created_at", "id");
CREATE INDEX "whatsapp_webhook_logs_dead" ON "public"."whatsapp_webhook_logs" USING "btree" ("dead_at", "id") WHERE ("dead_at" IS NOT NULL);
CREATE INDEX "whatsapp_webhook_logs_due" ON "public"."whatsapp_webhook_logs" USING "btree" ((("attempts" = 0)), "waits_until", "id") WHERE ("waits_until" IS NOT NULL);
CREATE UNIQUE INDEX "whatsapp_webhook_logs_once" ON "public"."whatsapp_webhook_logs" USING "btree" ("event_id");
CREATE INDEX "whatsapp_webhook_logs_suspect" ON "public"."whatsapp_webhook_logs" USING "btree" ("lost", "waits_until", "id") WHERE (("lost" > 0) AND ("waits_until" IS NOT NULL));
CREATE INDEX "workspace_members_of_user" ON "public"."workspace_members" USING "btree" ("user_id", "workspace_id");
CREATE INDEX "workspace_settings_plain" ON "public"."workspace_settings" USING "btree" ("workspace_id") WHERE (("apollo_api_key_encrypted" <> ''::"text") AND (NOT "starts_with"("apollo_api_key_encrypted", 'cw1.'::"text")));
ALTER INDEX "public"."webhook_attempts_of_delivery" ATTACH PARTITION "public"."webhook_attempts_20261123_delivery_id_idx";
ALTER INDEX "public"."webhook_attempts_of_delivery" ATTACH PARTITION "public"."webhook_attempts_20261130_delivery_id_idx";
ALTER INDEX "public"."webhook_attempts_of_delivery" ATTACH PARTITION "public"."webhook_attempts_20261207_delivery_id_idx";
ALTER INDEX "public"."webhook_attempts_of_delivery" ATTACH PARTITION "public"."webhook_attempts_20261214_delivery_id_idx";
ALTER INDEX "public"."webhook_attempts_of_delivery" ATTACH PARTITION "public"."webhook_attempts_20261221_delivery_id_idx";
ALTER INDEX "public"."webhook_attempts_of_delivery" ATTACH PARTITION "public"."webhook_attempts_default_delivery_id_idx";
ALTER INDEX "public"."webhook_attempts_of_delivery" ATTACH PARTITION "public"."webhook_attempts_first_of_delivery";
CREATE TRIGGER "app_webhooks_enabled" BEFORE UPDATE OF "is_active" ON "public"."app_webhooks" FOR EACH ROW WHEN (("new"."is_active" AND (NOT "old"."is_active"))) EXECUTE FUNCTION "public"."cronward_webhook_enabled"();
CREATE TRIGGER "email_queue_comes" BEFORE INSERT ON "public"."email_queue" FOR EACH ROW WHEN ((("new"."status" <> 'pending'::"text") OR ("new"."scheduled_for" > "new"."waits_until") OR ("new"."next_attempt_at" > "new"."waits_until"))) EXECUTE FUNCTION "public"."cronward_mail_comes"();
CREATE TRIGGER "email_queue_is_changed" BEFORE UPDATE ON "public"."email_queue" FOR EACH ROW WHEN (((("old"."status" IS DISTINCT FROM "new"."status") OR ("old"."scheduled_for" <> "new"."scheduled_for")) AND (NOT ("old"."waits_until" IS DISTINCT FROM "new"."waits_until")) AND (NOT ("old"."claim_token" IS DISTINCT FROM "new"."claim_token")) AND (NOT ("old"."lease_until" IS DISTINCT FROM "new"."lease_until")) AND (NOT ("old"."batch_id" IS DISTINCT FROM "new"."batch_id")))) EXECUTE FUNCTION "public"."cronward_mail_is_changed"();
CREATE TRIGGER "event_handlers_come" BEFORE INSERT OR UPDATE OF "provider", "type_pattern", "action", "headers" ON "public"."event_handlers" FOR EACH ROW EXECUTE FUNCTION "public"."cronward_event_handler_comes"();
CREATE TRIGGER "inventory_items_change" BEFORE UPDATE ON "public"."inventory_items" FOR EACH ROW WHEN (("new"."reserved" <> "old"."reserved")) EXECUTE FUNCTION "public"."cronward_stock_changes"();
CREATE TRIGGER "inventory_reservations_change" AFTER UPDATE ON "public"."inventory_reservations" REFERENCING OLD TABLE AS "old_rows" NEW TABLE AS "now_rows" FOR EACH STATEMENT EXECUTE FUNCTION "public"."cronward_holds_change"();
CREATE TRIGGER "inventory_reservations_come" AFTER INSERT ON "public"."inventory_reservations" REFERENCING NEW TABLE AS "now_rows" FOR EACH STATEMENT EXECUTE FUNCTION "public"."cronward_holds_change"();
CREATE TRIGGER "inventory_reservations_end" BEFORE UPDATE ON "public"."inventory_reservations" FOR EACH ROW WHEN (((("old"."status" = ANY (ARRAY['expired'::"text", 'released'::"text"])) AND ("new"."status" = ANY (ARRAY['active'::"text", 'committed'::"text"]))) OR (("old"."status" = 'active'::"text") AND ("new"."status" <> 'active'::"text") AND ("new"."ended_at" IS NULL)))) EXECUTE FUNCTION "public"."cronward_hold_ends"();
CREATE TRIGGER "inventory_reservations_go" AFTER DELETE ON "public"."inventory_reservations" REFERENCING OLD TABLE AS "old_rows" FOR EACH STATEMENT EXECUTE FUNCTION "public"."cronward_holds_change"();
CREATE TRIGGER "job_dependencies_come" AFTER INSERT ON "public"."job_dependencies" REFERENCING NEW TABLE AS "fresh" FOR EACH STATEMENT EXECUTE FUNCTION "public"."cronward_dependencies_come"();
CREATE TRIGGER "job_dependencies_go" AFTER DELETE ON "public"."job_dependencies" REFERENCING OLD TABLE AS "gone" FOR EACH STATEMENT EXECUTE FUNCTION "public"."cronward_dependencies_go"();
CREATE TRIGGER "job_schedules_check" BEFORE INSERT OR UPDATE OF "cron", "time_zone", "is_active" ON "public"."job_schedules" FOR EACH ROW EXECUTE FUNCTION "public"."cronward_job_schedules_check"();
CREATE TRIGGER "job_slots_go" AFTER DELETE ON "public"."job_slots" REFERENCING OLD TABLE AS "gone" FOR EACH STATEMENT EXECUTE FUNCTION "public"."cronward_slots_go"();
CREATE TRIGGER "jobs_are_changed" AFTER UPDATE ON "public"."jobs" FOR EACH ROW WHEN (((("old"."status" <> "new"."status") OR ("old"."run_at" <> "new"."run_at")) AND (NOT ("old"."waits_until" IS DISTINCT FROM "new"."waits_until")) AND (NOT ("old"."claim_token" IS DISTINCT FROM "new"."claim_token")) AND (NOT ("old"."lease_until" IS DISTINCT FROM "new"."lease_until")))) EXECUTE FUNCTION "public"."cronward_job_is_changed"();
CREATE TRIGGER "jobs_are_deleted" AFTER DELETE ON "public"."jobs" FOR EACH ROW WHEN ((("old"."waits_until" IS NOT NULL) AND ("old"."is_awaited" OR (("old"."lease_until" IS NOT NULL) AND ("old"."concurrency_key" IS NOT NULL))))) EXECUTE FUNCTION "public"."cronward_job_is_deleted"();
CREATE TRIGGER "jobs_come" BEFORE INSERT ON "public"."jobs" FOR EACH ROW WHEN ((("new"."status" <> 'pending'::"text") OR ("new"."run_at" > "new"."waits_until") OR ("new"."run_at" = ANY (ARRAY['-infinity'::timestamp with time zone, 'infinity'::timestamp with time zone])) OR ("new"."timeout_s" IS NOT NULL) OR ((''::"text" = "new"."job_type") OR (''::"text" = "new"."queue") OR (''::"text" = "new"."unique_key") OR (''::"text" = "new"."concurrency_key")) OR ("length"("concat"("new"."job_type", "new"."queue", "new"."unique_key", "new"."concurrency_key")) > 200) OR ("pg_column_size"("new"."payload") > 500) OR ("pg_column_compression"("new"."payload") IS NOT NULL))) EXECUTE FUNCTION "public"."cronward_job_comes"();
CREATE TRIGGER "jobs_end" AFTER UPDATE ON "public"."jobs" FOR EACH ROW WHEN (("old"."is_awaited" AND ("old"."waits_until" IS NOT NULL) AND ("new"."waits_until" IS NULL))) EXECUTE FUNCTION "public"."cronward_job_ends"();
CREATE TRIGGER "jobs_get_payload" AFTER UPDATE OF "payload" ON "public"."jobs" FOR EACH ROW WHEN ((("new"."waits_until" IS NOT NULL) AND (("pg_column_size"("new"."payload") > 500) OR ("pg_column_compression"("new"."payload") IS NOT NULL)))) EXECUTE FUNCTION "public"."cronward_job_payload_comes"();
CREATE TRIGGER "jobs_have_ended" AFTER UPDATE ON "public"."jobs" FOR EACH STATEMENT EXECUTE FUNCTION "public"."cronward_jobs_have_ended"();
CREATE TRIGGER "jobs_let_go" AFTER UPDATE ON "public"."jobs" FOR EACH ROW WHEN ((("old"."concurrency_key" IS NOT NULL) AND ("old"."lease_until" IS NOT NULL) AND ("new"."lease_until" IS NULL))) EXECUTE FUNCTION "public"."cronward_job_lets_go"();
CREATE TRIGGER "platform_events_fan_out" AFTER INSERT ON "public"."platform_events" REFERENCING NEW TABLE AS "fresh" FOR EACH STATEMENT EXECUTE FUNCTION "public"."cronward_events_fan_out"();
CREATE TRIGGER "webhook_deliveries_gone" AFTER DELETE ON "public"."webhook_deliveries" REFERENCING OLD TABLE AS "gone" FOR EACH STATEMENT EXECUTE FUNCTION "public"."cronward_deliveries_gone"();
CREATE TRIGGER "webhook_events_are_changed" BEFORE UPDATE ON "public"."webhook_events" FOR EACH ROW WHEN (((("old"."status" IS DISTINCT FROM "new"."status") OR ("old"."archived" IS DISTINCT FROM "new"."archived") OR ("old"."retry_count" IS DISTINCT FROM "new"."retry_count") OR ("old"."next_retry_at" IS DISTINCT FROM "new"."next_retry_at")) AND (NOT ("old"."waits_until" IS DISTINCT FROM "new"."waits_until")) AND (NOT ("old"."claim_token" IS DISTINCT FROM "new"."claim_token")) AND (NOT ("old"."lease_until" IS DISTINCT FROM "new"."lease_until")))) EXECUTE FUNCTION "public"."cronward_event_comes"('webhook_events');
CREATE TRIGGER "webhook_events_come" BEFORE INSERT ON "public"."webhook_events" FOR EACH ROW WHEN (("new"."waits_until" IS NULL)) EXECUTE FUNCTION "public"."cronward_event_comes"('webhook_events');
CREATE TRIGGER "whatsapp_webhook_logs_are_changed" BEFORE UPDATE ON "public"."whatsapp_webhook_logs" FOR EACH ROW WHEN (((("old"."processed" IS DISTINCT FROM "new"."processed") OR ("old"."status" IS DISTINCT FROM "new"."status") OR ("old"."archived" IS DISTINCT FROM "new"."archived") OR ("old"."retrycount" IS DISTINCT FROM "new"."retrycount") OR ("old"."nextretryat" IS DISTINCT FROM "new"."nextretryat") OR ("old"."processingerror" IS DISTINCT FROM "new"."processingerror")) AND (NOT ("old"."waits_until" IS DISTINCT FROM "new"."waits_until")) AND (NOT ("old"."claim_token" IS DISTINCT FROM "new"."claim_token")) AND (NOT ("old"."lease_until" IS DISTINCT FROM "new"."lease_until")))) EXECUTE FUNCTION "public"."cronward_event_comes"('whatsapp_webhook_logs');
CREATE TRIGGER "whatsapp_webhook_logs_come" BEFORE INSERT ON "public"."whatsapp_webhook_logs" FOR EACH ROW WHEN (("new"."waits_until" IS NULL)) EXECUTE FUNCTION "public"."cronward_event_comes"('whatsapp_webhook_logs');
ALTER TABLE ONLY "public"."inventory_reservations"
    ADD CONSTRAINT "inventory_reservations_item_id_fkey" FOREIGN KEY ("item_id") REFERENCES "public"."inventory_items"("id");
ALTER TABLE ONLY "public"."webhook_deliveries"
    ADD CONSTRAINT "webhook_deliveries_webhook_id_fkey" FOREIGN KEY ("webhook_id") REFERENCES "public"."app_webhooks"("id") ON DELETE CASCADE;
CREATE POLICY "cronward_members" ON "public"."job_dependencies" FOR SELECT USING (((EXISTS ( SELECT
   FROM "public"."jobs" "j"
  WHERE ("j"."id" = "job_dependencies"."job_id"))) AND (EXISTS ( SELECT
   FROM "public"."jobs" "j"
  WHERE ("j"."id" = "job_dependencies"."depends_on")))));
CREATE POLICY "cronward_members" ON "public"."job_logs" FOR SELECT USING ((EXISTS ( SELECT
   FROM "public"."jobs" "j"
  WHERE ("j"."id" = "job_logs"."job_id"))));
CREATE POLICY "cronward_members" ON "public"."jobs" FOR SELECT USING (("workspace_id" = ANY (ARRAY( SELECT "m"."workspace_id"
   FROM "public"."workspace_members" "m"
  WHERE ("m"."user_id" = ( SELECT "public"."cronward_user_id"() AS "cronward_user_id"))))));
CREATE POLICY "cronward_members" ON "public"."workspace_members" FOR SELECT USING (("user_id" = ( SELECT "public"."cronward_user_id"() AS "cronward_user_id")));
CREATE POLICY "cronward_members" ON "public"."workspace_settings" FOR SELECT USING (false);
CREATE POLICY "cronward_members" ON "public"."workspaces" FOR SELECT USING (("id" = ANY (ARRAY( SELECT "m"."workspace_id"
   FROM "public"."workspace_members" "m"
  WHERE ("m"."user_id" = ( SELECT "public"."cronward_user_id"() AS "cronward_user_id"))))));
ALTER TABLE "public"."job_dependencies" ENABLE ROW LEVEL SECURITY;
ALTER TABLE "public"."job_logs" ENABLE ROW LEVEL SECURITY;
ALTER TABLE "public"."jobs" ENABLE ROW LEVEL SECURITY;
ALTER TABLE "public"."workspace_members" ENABLE ROW LEVEL SECURITY;
ALTER TABLE "public"."workspace_settings" ENABLE ROW LEVEL SECURITY;
ALTER TABLE "public"."workspaces" ENABLE ROW LEVEL SECURITY;
