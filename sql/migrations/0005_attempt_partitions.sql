-- Attempts by week, so that old ones are dropped as a whole (sql/README.md has the figures).  The
-- table so far becomes the partition of all that was before next week: it is read once, to prove
-- that, and not rewritten.

-- Settles wait behind this: rather fail, and be called again, than hold up deliveries for long.
SET LOCAL lock_timeout = '5s';

ALTER TABLE webhook_attempts RENAME TO webhook_attempts_first;
ALTER INDEX webhook_attempts_of_delivery RENAME TO webhook_attempts_first_of_delivery;
CREATE TABLE webhook_attempts (LIKE webhook_attempts_first INCLUDING DEFAULTS INCLUDING CONSTRAINTS)
	PARTITION BY RANGE (at);
CREATE INDEX webhook_attempts_of_delivery ON webhook_attempts (delivery_id);

-- What no week holds: empty as long as data-archival is called once a month.
CREATE TABLE webhook_attempts_default PARTITION OF webhook_attempts DEFAULT;
CREATE INDEX webhook_attempts_default_age ON webhook_attempts_default (at);

DO $$
DECLARE
	old pg_class;
	acl record;
	week timestamptz := date_trunc('week', now(), 'UTC') + interval '7 days';
	attach constant text := 'ALTER TABLE webhook_attempts ATTACH PARTITION webhook_attempts_first '
		'FOR VALUES FROM (MINVALUE) TO (%L)';
BEGIN
	BEGIN
		EXECUTE format(attach, week);
	EXCEPTION WHEN check_violation THEN -- an attempt of the future
		SELECT date_trunc('week', max(at), 'UTC') + interval '7 days' INTO week FROM webhook_attempts_first;
		EXECUTE format(attach, week);
	END;
	-- Whoever could use the table still can, and nobody else.
	SELECT * INTO old FROM pg_class WHERE oid = 'webhook_attempts_first'::regclass;
	IF old.relrowsecurity THEN
		ALTER TABLE webhook_attempts ENABLE ROW LEVEL SECURITY;
		ALTER TABLE webhook_attempts_default ENABLE ROW LEVEL SECURITY;
	END IF;
	FOR acl IN
		SELECT privilege_type, is_grantable,
		       CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END AS grantee
		  FROM aclexplode(old.relacl) WHERE grantee <> old.relowner
	LOOP
		EXECUTE format('GRANT %s ON webhook_attempts, webhook_attempts_default TO %s%s', acl.privilege_type, acl.grantee,
			CASE WHEN acl.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END);
	END LOOP;
	IF pg_get_userbyid(old.relowner) <> current_user THEN
		EXECUTE format('ALTER TABLE webhook_attempts OWNER TO %s', old.relowner::regrole);
		EXECUTE format('ALTER TABLE webhook_attempts_default OWNER TO %s', old.relowner::regrole);
	END IF;
END
$$;

CREATE FUNCTION cronward_attempts_partitions() RETURNS TABLE (name regclass, since timestamptz, until timestamptz)
LANGUAGE sql STABLE SET timezone = 'UTC' SET datestyle = 'ISO' AS $$
	SELECT c.oid::regclass,
	       COALESCE(substring(b.bound FROM $r$FROM \('([^']+)$r$)::timestamptz, '-infinity'),
	       COALESCE(substring(b.bound FROM $r$TO \('([^']+)$r$)::timestamptz, 'infinity')
	  FROM pg_inherits i
	  JOIN pg_class c ON c.oid = i.inhrelid
	 CROSS JOIN LATERAL (SELECT pg_get_expr(c.relpartbound, c.oid) AS bound) b
	 WHERE i.inhparent = 'webhook_attempts'::regclass AND b.bound <> 'DEFAULT'
$$;

-- Makes this week's partition and the next five where they are missing, and drops one that ended by
-- ${before}; dropped says how many it dropped, is_more whether to call again.  What is in the way
-- is left for the next time and does no harm: rows of a week without a partition go to the default
-- one.  Attaching lets settles pass; dropping makes them wait for it, so it waits for nobody long.
-- Only the owner can do it; for others it does nothing, and everything goes to the default one.
CREATE FUNCTION cronward_attempts_upkeep(today timestamptz, before timestamptz, OUT dropped integer, OUT is_more boolean)
LANGUAGE plpgsql SET timezone = 'UTC' SET datestyle = 'ISO' SET lock_timeout = '200ms' AS $$
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

-- Deletes up to ${batch} rows of weeks that should be gone by now, and says how many: somebody was in
-- the way each time, a nightly dump or a view upon a partition.
CREATE FUNCTION cronward_attempts_overdue(before timestamptz, batch integer) RETURNS integer
LANGUAGE plpgsql AS $$
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
$$;

-- Attempts go with their delivery, whoever deletes it.  What data-archival prunes is as old as its
-- attempts, which go with their week, or, from the default partition, by their own age.
CREATE OR REPLACE FUNCTION cronward_deliveries_gone() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF current_setting('cronward.prunes', true) IS DISTINCT FROM 'on' THEN
		DELETE FROM webhook_attempts WHERE delivery_id = ANY (ARRAY(SELECT id FROM gone));
	ELSIF to_regclass('webhook_attempts_first') IS NOT NULL THEN
		DELETE FROM webhook_attempts_first WHERE delivery_id = ANY (ARRAY(SELECT id FROM gone));
	END IF;
	RETURN NULL;
END
$$;
DO $$
BEGIN
	EXECUTE format('ALTER FUNCTION cronward_deliveries_gone() SECURITY DEFINER SET search_path = %I, pg_temp', current_schema());
END
$$;

SELECT cronward_attempts_upkeep(now(), '-infinity');
