-- Recurring jobs: a row of job_schedules enqueues a job whenever its cron expression comes round.

-- What is wrong with a cron expression, in the words of the program's own parser (src/base/cron.c);
-- NULL: nothing.  Both accept the very same texts, and a test holds one against the other.
CREATE OR REPLACE FUNCTION cronward_cron_problem(cron text) RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
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
$$;

-- What is wrong with a time zone; NULL: nothing.  Names of IANA's alone, as they are written there:
-- PostgreSQL takes abbreviations, any case and forms such as "FOO-3" besides, for which there is no
-- file.  In such a form there is a digit, and a name of one part might be an abbreviation, so those
-- that there are stand here; nothing has been added to either since 1993.
CREATE OR REPLACE FUNCTION cronward_time_zone_problem(zone text) RETURNS text
LANGUAGE plpgsql STABLE STRICT PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
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
$$;

-- next_at alone says when a schedule is looked at again: NULL, with the next run, which computes it;
-- infinity, never.  since_at says from when on its slots count, and tells a schedule that was changed
-- from what it was: a run that has read the old one changes nothing.
CREATE TABLE IF NOT EXISTS job_schedules (
	name text PRIMARY KEY CONSTRAINT job_schedules_name_is_short CHECK (length(name) BETWEEN 1 AND 200),
	cron text NOT NULL,
	time_zone text NOT NULL DEFAULT 'UTC',
	job_type text NOT NULL CONSTRAINT job_schedules_type_is_short CHECK (length(job_type) BETWEEN 1 AND 200),
	payload jsonb NOT NULL DEFAULT '{}',
	queue text CONSTRAINT job_schedules_queue_is_short CHECK (length(queue) BETWEEN 1 AND 200),
	priority smallint,
	max_attempts integer CONSTRAINT job_schedules_attempts_are_some CHECK (max_attempts BETWEEN 1 AND 1000),
	timeout_s integer CONSTRAINT job_schedules_timeout_is_sane CHECK (timeout_s BETWEEN 1 AND 3600),
	workspace_id uuid,
	unique_key text CONSTRAINT job_schedules_unique_key_is_short CHECK (length(unique_key) BETWEEN 1 AND 200),
	concurrency_key text CONSTRAINT job_schedules_key_is_short CHECK (length(concurrency_key) BETWEEN 1 AND 200),
	concurrency_limit integer NOT NULL DEFAULT 1
		CONSTRAINT job_schedules_limit_is_sane CHECK (concurrency_limit BETWEEN 1 AND 1000),
	missed text NOT NULL DEFAULT 'last'
		CONSTRAINT job_schedules_missed_is_known CHECK (missed IN ('skip', 'last', 'all')),
	missed_max integer NOT NULL DEFAULT 10
		CONSTRAINT job_schedules_missed_max_is_sane CHECK (missed_max BETWEEN 1 AND 1000),
	is_active boolean NOT NULL DEFAULT true,
	next_at timestamptz,
	last_slot_at timestamptz,
	last_job_id uuid,
	last_error text,
	since_at timestamptz NOT NULL DEFAULT clock_timestamp(),
	created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON COLUMN job_schedules.cron IS 'minute hour day-of-month month day-of-week, in time_zone; or @daily and the like';
COMMENT ON COLUMN job_schedules.payload IS '{{slot}}, {{slot_unix}} and {{name}} in its strings are replaced';
COMMENT ON COLUMN job_schedules.queue IS 'as priority, max_attempts and timeout_s: NULL: the type''s default';
COMMENT ON COLUMN job_schedules.unique_key IS 'a slot that comes while a job of this key lives is passed over';
COMMENT ON COLUMN job_schedules.missed IS 'slots that no run saw in time: skip them; the last one; all, the latest missed_max of them';
COMMENT ON COLUMN job_schedules.next_at IS 'the next slot; NULL: to be computed; infinity: none comes';
COMMENT ON COLUMN job_schedules.last_error IS 'why the last due slot made no job; it is tried again with each run';
COMMENT ON COLUMN job_schedules.since_at IS 'slots after this count: when it was made, changed or activated';

-- Those not yet computed come first.
CREATE INDEX IF NOT EXISTS job_schedules_due ON job_schedules ((COALESCE(next_at, '-infinity'::timestamptz)), name)
	WHERE is_active;

-- Fires for those columns alone, so the engine, which sets others, is not checked.
CREATE OR REPLACE FUNCTION cronward_job_schedules_check() RETURNS trigger LANGUAGE plpgsql AS $$
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
DO $$
BEGIN
	EXECUTE format('ALTER FUNCTION cronward_job_schedules_check() SECURITY DEFINER SET search_path = %I, pg_temp', current_schema());
END
$$;
REVOKE EXECUTE ON FUNCTION cronward_job_schedules_check() FROM PUBLIC;
CREATE OR REPLACE TRIGGER job_schedules_check BEFORE INSERT OR UPDATE OF cron, time_zone, is_active ON job_schedules
	FOR EACH ROW EXECUTE FUNCTION cronward_job_schedules_check();

-- A job that a schedule made says which and for when: no two for one slot, whatever calls twice.
SELECT cronward_add_column('jobs', 'schedule', 'text');
SELECT cronward_add_column('jobs', 'slot', 'timestamptz');
COMMENT ON COLUMN jobs.schedule IS 'the schedule that made it; NULL: none';
COMMENT ON COLUMN jobs.slot IS 'the time of that schedule that it stands for';
CREATE UNIQUE INDEX IF NOT EXISTS jobs_one_per_slot ON jobs (schedule, slot) WHERE schedule IS NOT NULL;
