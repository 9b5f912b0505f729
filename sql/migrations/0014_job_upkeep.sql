-- Which lanes there are; what follows from the end of a job and from what is done to its row:
-- dependencies, slots of keys, and what others write.

-- Lanes ---------------------------------------------------------------------------------------------------

-- The queues and priorities that hold jobs which have not ended, in their order, behind the lane
-- ${behind_queue} and ${behind_priority} (NULL: from the start), ${most} of them at most: each with the
-- time of its earliest and its number among them.  The first entry of a lane in the index is its
-- earliest, so that two looks into the index tell of a lane all that is asked.
CREATE OR REPLACE FUNCTION cronward_job_lanes(most integer, behind_queue text DEFAULT NULL, behind_priority integer DEFAULT NULL)
RETURNS TABLE (queue text, priority smallint, waits_until timestamptz, n integer) LANGUAGE sql STABLE ROWS 20 AS $$
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

-- Dependencies -------------------------------------------------------------------------------------------

-- A cycle among the edges "$1[n] depends on $2[n]", as ids, the first one again at its end; NULL: there
-- is none.  Takes away what depends on nothing until nothing is left, or what is left goes round.
CREATE OR REPLACE FUNCTION cronward_dependency_cycle(job_ids uuid[], needed uuid[]) RETURNS uuid[] LANGUAGE plpgsql IMMUTABLE AS $$
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

-- Jobs have ended, however: their dependents are free of them, or, of one, fail with it.  Who fails takes its own
-- dependents along, all in one statement, however long the chain; the triggers that this fires find
-- nothing open any more.  Edges are counted as they are closed, so what ends twice is counted once.
CREATE OR REPLACE FUNCTION cronward_dependents_go_on(ended uuid[], has_failed boolean, reason text) RETURNS void LANGUAGE plpgsql AS $$
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

-- The same for those of some jobs that have ended by now: what was completed all together, the rest one by
-- one, for each has a reason of its own.
CREATE OR REPLACE FUNCTION cronward_jobs_end_for_others(ids uuid[]) RETURNS void LANGUAGE plpgsql AS $$
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

-- What one statement ends is gathered row by row and goes on at its end, all together: 500 prerequisites of
-- one job count down once and not 500 times, and dependents are locked in one order.  Anybody can set what it is
-- gathered in, so only what has really ended is looked at.
CREATE OR REPLACE FUNCTION cronward_job_ends() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	PERFORM FROM job_dependencies WHERE depends_on = NEW.id AND is_open LIMIT 1;
	IF FOUND THEN
		PERFORM set_config('cronward.ended', concat(current_setting('cronward.ended', true), ' ', NEW.id), true);
	END IF;
	RETURN NULL;
END
$$;
CREATE OR REPLACE TRIGGER jobs_end AFTER UPDATE ON jobs
	FOR EACH ROW WHEN (OLD.is_awaited AND OLD.waits_until IS NOT NULL AND NEW.waits_until IS NULL)
	EXECUTE FUNCTION cronward_job_ends();

CREATE OR REPLACE FUNCTION cronward_jobs_have_ended() RETURNS trigger LANGUAGE plpgsql AS $$
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
CREATE OR REPLACE TRIGGER jobs_have_ended AFTER UPDATE ON jobs
	FOR EACH STATEMENT EXECUTE FUNCTION cronward_jobs_have_ended();

-- Who deletes a live job fails or frees its dependents, and frees its slot; what has ended has done
-- both, so pruning fires nothing.
CREATE OR REPLACE FUNCTION cronward_job_is_deleted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	PERFORM cronward_dependents_go_on(ARRAY[OLD.id], true, 'was deleted');
	DELETE FROM job_slots WHERE job_id = OLD.id;
	RETURN NULL;
END
$$;
CREATE OR REPLACE TRIGGER jobs_are_deleted AFTER DELETE ON jobs
	FOR EACH ROW WHEN (OLD.waits_until IS NOT NULL AND (OLD.is_awaited OR OLD.lease_until IS NOT NULL AND OLD.concurrency_key IS NOT NULL))
	EXECUTE FUNCTION cronward_job_is_deleted();

-- New edges.  Jobs are locked in the order of their ids, those that are depended on already in a way
-- that many may share.  A cycle needs a dependent that others depend on; where those others are not of
-- this statement, their edges may be followed by somebody else's at this moment, so that is looked at one
-- after the other.  Whoever makes the first edge to a job has its row in common with who makes it depend.
CREATE OR REPLACE FUNCTION cronward_dependencies_come() RETURNS trigger LANGUAGE plpgsql AS $$
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
$$;
CREATE OR REPLACE TRIGGER job_dependencies_come AFTER INSERT ON job_dependencies
	REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION cronward_dependencies_come();

-- An open edge that somebody deletes keeps nobody any more.
CREATE OR REPLACE FUNCTION cronward_dependencies_go() RETURNS trigger LANGUAGE plpgsql AS $$
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
CREATE OR REPLACE TRIGGER job_dependencies_go AFTER DELETE ON job_dependencies
	REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION cronward_dependencies_go();

-- Slots of keys --------------------------------------------------------------------------------------------

-- Whatever ends a lease gives back its slot.
CREATE OR REPLACE FUNCTION cronward_job_lets_go() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	DELETE FROM job_slots WHERE job_id = OLD.id;
	RETURN NULL;
END
$$;
CREATE OR REPLACE TRIGGER jobs_let_go AFTER UPDATE ON jobs
	FOR EACH ROW WHEN (OLD.concurrency_key IS NOT NULL AND OLD.lease_until IS NOT NULL AND NEW.lease_until IS NULL)
	EXECUTE FUNCTION cronward_job_lets_go();

-- As many of a key's line come forward as slots were freed.
CREATE OR REPLACE FUNCTION cronward_slots_go() RETURNS trigger LANGUAGE plpgsql AS $$
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
CREATE OR REPLACE TRIGGER job_slots_go AFTER DELETE ON job_slots
	REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION cronward_slots_go();

-- Rows that others change ------------------------------------------------------------------------------------

-- An application that knows the columns of its own, and sets the status (retry or cancel from its own
-- pages) or run_at, is understood.  What is under a lease ends only by its lease: it can be asked to stop.
-- Where that has run out, a new run_at says when a run takes it again and counts what was lost.
-- Rows from before cronward came are the application's alone.
CREATE OR REPLACE FUNCTION cronward_job_is_changed() RETURNS trigger LANGUAGE plpgsql AS $$
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
CREATE OR REPLACE TRIGGER jobs_are_changed AFTER UPDATE ON jobs
	FOR EACH ROW WHEN ((OLD.status <> NEW.status OR OLD.run_at <> NEW.run_at)
		AND OLD.waits_until IS NOT DISTINCT FROM NEW.waits_until AND OLD.claim_token IS NOT DISTINCT FROM NEW.claim_token
		AND OLD.lease_until IS NOT DISTINCT FROM NEW.lease_until)
	EXECUTE FUNCTION cronward_job_is_changed();

-- Whose rights -----------------------------------------------------------------------------------------------

-- As in 0009.
DO $$
DECLARE name text;
BEGIN
	FOREACH name IN ARRAY ARRAY['cronward_job_ends', 'cronward_jobs_have_ended', 'cronward_job_is_deleted', 'cronward_dependencies_come',
		'cronward_dependencies_go', 'cronward_job_lets_go', 'cronward_slots_go', 'cronward_job_is_changed'] LOOP
		EXECUTE format('ALTER FUNCTION %I() SECURITY DEFINER SET search_path = %I, pg_temp', name, current_schema());
		EXECUTE format('REVOKE EXECUTE ON FUNCTION %I() FROM PUBLIC', name);
	END LOOP;
END
$$;
