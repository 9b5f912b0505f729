-- data-archival: moves what is older than its retention out of the way, and prunes histories.
-- Each statement has the sweep's form (include/engine/sweep.h): ($1 limit, $2 the run's start,
-- $3 days, $4 cursor at, $5 cursor id) -> moved, seen, cursor_at, cursor_id.  Rows that are locked
-- here keep their address (ctid) to the end of the statement: a tenth faster than by their ids.

-- name: events_archive
-- An event whose deliveries are not all finished stays.  The row leaves its table only in the
-- statement that puts it into the archive.  The sub-select, unlike NOT EXISTS, is never turned
-- into a join over all open deliveries.
WITH c AS MATERIALIZED (
	SELECT ctid, id, created_at,
	       (SELECT true FROM webhook_deliveries d
	         WHERE d.event_id = e.id AND d.next_retry_at IS NOT NULL LIMIT 1) AS is_open
	  FROM platform_events e
	 WHERE created_at < $2::timestamptz - make_interval(days => $3::int)
	   AND (created_at, id) > (timestamptz 'epoch' + $4::bigint * interval '1 microsecond', $5::uuid)
	 ORDER BY created_at, id
	 LIMIT $1::int
	   FOR UPDATE SKIP LOCKED
), moved AS (
	DELETE FROM platform_events e
	 WHERE e.ctid = ANY (ARRAY(SELECT ctid FROM c WHERE is_open IS NULL))
	RETURNING e.id, e.event_type, e.payload, e.created_at
), kept AS (
	INSERT INTO platform_events_archive AS a (id, event_type, payload, created_at)
	SELECT id, event_type, payload, created_at FROM moved
	    ON CONFLICT (id) DO UPDATE
	   SET event_type = EXCLUDED.event_type, payload = EXCLUDED.payload, created_at = EXCLUDED.created_at
)
SELECT (SELECT count(*) FROM moved) AS moved, (SELECT count(*) FROM c) AS seen,
       (extract(epoch FROM last.created_at) * 1000000)::bigint AS cursor_at, last.id AS cursor_id
  FROM (SELECT) one
  LEFT JOIN (SELECT created_at, id FROM c ORDER BY created_at DESC, id DESC LIMIT 1) last ON true;

-- name: events_delete
WITH c AS MATERIALIZED (
	SELECT ctid, id, created_at,
	       (SELECT true FROM webhook_deliveries d
	         WHERE d.event_id = e.id AND d.next_retry_at IS NOT NULL LIMIT 1) AS is_open
	  FROM platform_events e
	 WHERE created_at < $2::timestamptz - make_interval(days => $3::int)
	   AND (created_at, id) > (timestamptz 'epoch' + $4::bigint * interval '1 microsecond', $5::uuid)
	 ORDER BY created_at, id
	 LIMIT $1::int
	   FOR UPDATE SKIP LOCKED
), moved AS (
	DELETE FROM platform_events e
	 WHERE e.ctid = ANY (ARRAY(SELECT ctid FROM c WHERE is_open IS NULL))
	RETURNING e.id
)
SELECT (SELECT count(*) FROM moved) AS moved, (SELECT count(*) FROM c) AS seen,
       (extract(epoch FROM last.created_at) * 1000000)::bigint AS cursor_at, last.id AS cursor_id
  FROM (SELECT) one
  LEFT JOIN (SELECT created_at, id FROM c ORDER BY created_at DESC, id DESC LIMIT 1) last ON true;

-- name: notifications_archive
WITH c AS MATERIALIZED (
	SELECT ctid, id, created_at
	  FROM platform_notifications
	 WHERE created_at < $2::timestamptz - make_interval(days => $3::int)
	   AND (created_at, id) > (timestamptz 'epoch' + $4::bigint * interval '1 microsecond', $5::uuid)
	 ORDER BY created_at, id
	 LIMIT $1::int
	   FOR UPDATE SKIP LOCKED
), moved AS (
	DELETE FROM platform_notifications n
	 WHERE n.ctid = ANY (ARRAY(SELECT ctid FROM c))
	RETURNING n.id, n.user_id, n.title, n.expires_at, n.status, n.dismissed_at, n.created_at
), kept AS (
	INSERT INTO platform_notifications_archive
	       (id, user_id, title, expires_at, status, dismissed_at, created_at)
	SELECT id, user_id, title, expires_at, status, dismissed_at, created_at FROM moved
	    ON CONFLICT (id) DO UPDATE
	   SET user_id = EXCLUDED.user_id, title = EXCLUDED.title, expires_at = EXCLUDED.expires_at,
	       status = EXCLUDED.status, dismissed_at = EXCLUDED.dismissed_at, created_at = EXCLUDED.created_at
)
SELECT (SELECT count(*) FROM moved) AS moved, (SELECT count(*) FROM c) AS seen,
       (extract(epoch FROM last.created_at) * 1000000)::bigint AS cursor_at, last.id AS cursor_id
  FROM (SELECT) one
  LEFT JOIN (SELECT created_at, id FROM c ORDER BY created_at DESC, id DESC LIMIT 1) last ON true;

-- name: notifications_delete
WITH c AS MATERIALIZED (
	SELECT ctid, id, created_at
	  FROM platform_notifications
	 WHERE created_at < $2::timestamptz - make_interval(days => $3::int)
	   AND (created_at, id) > (timestamptz 'epoch' + $4::bigint * interval '1 microsecond', $5::uuid)
	 ORDER BY created_at, id
	 LIMIT $1::int
	   FOR UPDATE SKIP LOCKED
), moved AS (
	DELETE FROM platform_notifications n
	 WHERE n.ctid = ANY (ARRAY(SELECT ctid FROM c))
	RETURNING n.id
)
SELECT (SELECT count(*) FROM moved) AS moved, (SELECT count(*) FROM c) AS seen,
       (extract(epoch FROM last.created_at) * 1000000)::bigint AS cursor_at, last.id AS cursor_id
  FROM (SELECT) one
  LEFT JOIN (SELECT created_at, id FROM c ORDER BY created_at DESC, id DESC LIMIT 1) last ON true;

-- name: events_archive_prune
-- A dead letter that was asked for again needs its event still.
WITH c AS MATERIALIZED (
	SELECT ctid, id, archived_at,
	       (SELECT true FROM webhook_deliveries d
	         WHERE d.event_id = a.id AND d.next_retry_at IS NOT NULL LIMIT 1) AS is_open
	  FROM platform_events_archive a
	 WHERE archived_at < $2::timestamptz - make_interval(days => $3::int)
	   AND (archived_at, id) > (timestamptz 'epoch' + $4::bigint * interval '1 microsecond', $5::uuid)
	 ORDER BY archived_at, id
	 LIMIT $1::int
	   FOR UPDATE SKIP LOCKED
), moved AS (
	DELETE FROM platform_events_archive a
	 WHERE a.ctid = ANY (ARRAY(SELECT ctid FROM c WHERE is_open IS NULL))
	RETURNING a.id
)
SELECT (SELECT count(*) FROM moved) AS moved, (SELECT count(*) FROM c) AS seen,
       (extract(epoch FROM last.archived_at) * 1000000)::bigint AS cursor_at, last.id AS cursor_id
  FROM (SELECT) one
  LEFT JOIN (SELECT archived_at, id FROM c ORDER BY archived_at DESC, id DESC LIMIT 1) last ON true;

-- name: notifications_archive_prune
WITH c AS MATERIALIZED (
	SELECT ctid, id, archived_at
	  FROM platform_notifications_archive a
	 WHERE archived_at < $2::timestamptz - make_interval(days => $3::int)
	   AND (archived_at, id) > (timestamptz 'epoch' + $4::bigint * interval '1 microsecond', $5::uuid)
	 ORDER BY archived_at, id
	 LIMIT $1::int
	   FOR UPDATE SKIP LOCKED
), moved AS (
	DELETE FROM platform_notifications_archive a
	 WHERE a.ctid = ANY (ARRAY(SELECT ctid FROM c))
	RETURNING a.id
)
SELECT (SELECT count(*) FROM moved) AS moved, (SELECT count(*) FROM c) AS seen,
       (extract(epoch FROM last.archived_at) * 1000000)::bigint AS cursor_at, last.id AS cursor_id
  FROM (SELECT) one
  LEFT JOIN (SELECT archived_at, id FROM c ORDER BY archived_at DESC, id DESC LIMIT 1) last ON true;

-- name: attempts_drop
-- Makes the partitions of the weeks ahead, and drops one week of attempts a call.
SELECT dropped AS moved, CASE WHEN is_more THEN $1::int ELSE 0 END AS seen, 0 AS cursor_at, '' AS cursor_id
  FROM cronward_attempts_upkeep($2::timestamptz, $2::timestamptz - make_interval(days => $3::int))
 WHERE $4::bigint IS NOT NULL AND $5::text IS NOT NULL;

-- name: attempts_prune
-- What no week holds.  Rows that share the last moment of a batch come again with the next one.
WITH c AS MATERIALIZED (
	SELECT ctid, at
	  FROM webhook_attempts_default
	 WHERE at < $2::timestamptz - make_interval(days => $3::int)
	   AND at >= timestamptz 'epoch' + $4::bigint * interval '1 microsecond' AND $5::text IS NOT NULL
	 ORDER BY at
	 LIMIT $1::int
	   FOR UPDATE SKIP LOCKED
), moved AS (
	DELETE FROM webhook_attempts_default x WHERE x.ctid = ANY (ARRAY(SELECT ctid FROM c)) RETURNING 1
)
SELECT (SELECT count(*) FROM moved) AS moved, (SELECT count(*) FROM c) AS seen,
       (extract(epoch FROM (SELECT max(at) FROM c)) * 1000000)::bigint AS cursor_at, '' AS cursor_id;

-- name: attempts_overdue
-- Weeks that could not be dropped for a week.
SELECT gone AS moved, gone AS seen, 0 AS cursor_at, '' AS cursor_id
  FROM cronward_attempts_overdue($2::timestamptz - make_interval(days => $3::int + 7), $1::int) AS gone
 WHERE $4::bigint IS NOT NULL AND $5::text IS NOT NULL;

-- name: deliveries_prune
-- Finished deliveries; their attempts go by week (migration 0005), or with them where the weeks are
-- not ours to drop.  Walks the primary key, for ids grow with time, and is through at the first row
-- that is young enough: no further index has to be paid for by every settle.  Rows are not locked
-- first: that would double its time and add a third to its WAL.
WITH c AS MATERIALIZED (
	SELECT id, created_at, next_retry_at IS NULL AS is_finished,
	       COALESCE(delivered_at, dead_at, created_at) AS ended_at
	  FROM webhook_deliveries
	 WHERE id > $5::bigint AND $4::bigint IS NOT NULL
	   AND (SELECT set_config('cronward.prunes', CASE WHEN pg_has_role(relowner, 'USAGE') THEN 'on' ELSE 'off' END, true)
	          FROM pg_class WHERE oid = 'webhook_attempts'::regclass) IS NOT NULL
	 ORDER BY id
	 LIMIT $1::int
), moved AS (
	DELETE FROM webhook_deliveries d
	 WHERE d.id = ANY (ARRAY(SELECT id FROM c WHERE is_finished
	                            AND ended_at < $2::timestamptz - make_interval(days => $3::int)))
	   AND d.next_retry_at IS NULL
	RETURNING d.id
)
SELECT (SELECT count(*) FROM moved) AS moved,
       CASE WHEN last.created_at < $2::timestamptz - make_interval(days => $3::int)
            THEN (SELECT count(*) FROM c) ELSE 0 END AS seen,
       0 AS cursor_at, last.id AS cursor_id
  FROM (SELECT) one
  LEFT JOIN (SELECT created_at, id FROM c ORDER BY id DESC LIMIT 1) last ON true;

-- name: jobs_prune
-- Only rows that go are locked: an application may have old ones that never end.  What it had before
-- cronward came is its own.  What a job that waits has depended on stays as long as that one does.
WITH c AS MATERIALIZED (
	SELECT id, created_at, COALESCE(completed_at, updated_at, created_at) AS ended_at,
	       CASE WHEN is_awaited THEN (SELECT true FROM job_dependencies d
	                                   WHERE d.depends_on = jobs.id
	                                     AND (SELECT true FROM jobs w WHERE w.id = d.job_id AND w.waits_until IS NOT NULL)
	                                   LIMIT 1) END AS is_needed
	  FROM jobs
	 WHERE created_at < $2::timestamptz - make_interval(days => $3::int)
	   AND created_at >= COALESCE((SELECT a.at FROM cronward_adopted a WHERE a.name = 'jobs'), '-infinity')
	   AND (created_at, id) > (timestamptz 'epoch' + $4::bigint * interval '1 microsecond', $5::uuid)
	 ORDER BY created_at, id
	 LIMIT $1::int
), l AS MATERIALIZED (
	SELECT ctid
	  FROM jobs
	 WHERE id = ANY (ARRAY(SELECT id FROM c
	                        WHERE ended_at < $2::timestamptz - make_interval(days => $3::int) AND is_needed IS NULL))
	   AND status IN ('completed', 'failed', 'cancelled') AND waits_until IS NULL
	   FOR UPDATE SKIP LOCKED
), moved AS (
	DELETE FROM jobs j WHERE j.ctid = ANY (ARRAY(SELECT ctid FROM l)) RETURNING j.id
)
SELECT (SELECT count(*) FROM moved) AS moved, (SELECT count(*) FROM c) AS seen,
       (extract(epoch FROM last.created_at) * 1000000)::bigint AS cursor_at, last.id AS cursor_id
  FROM (SELECT) one
  LEFT JOIN (SELECT created_at, id FROM c ORDER BY created_at DESC, id DESC LIMIT 1) last ON true;

-- name: job_logs_prune
-- By the primary key, as deliveries: ids grow with time, and no line has to pay for an index by age.
WITH c AS MATERIALIZED (
	SELECT id, created_at
	  FROM job_logs
	 WHERE id > $5::bigint AND $4::bigint IS NOT NULL
	 ORDER BY id
	 LIMIT $1::int
), moved AS (
	DELETE FROM job_logs l
	 WHERE l.id = ANY (ARRAY(SELECT id FROM c
	                          WHERE created_at < $2::timestamptz - make_interval(days => $3::int)
	                            AND created_at >= COALESCE((SELECT a.at FROM cronward_adopted a WHERE a.name = 'job_logs'), '-infinity')))
	RETURNING l.id
)
SELECT (SELECT count(*) FROM moved) AS moved,
       CASE WHEN last.created_at < $2::timestamptz - make_interval(days => $3::int)
            THEN (SELECT count(*) FROM c) ELSE 0 END AS seen,
       0 AS cursor_at, last.id AS cursor_id
  FROM (SELECT) one
  LEFT JOIN (SELECT created_at, id FROM c ORDER BY id DESC LIMIT 1) last ON true;

-- name: job_dependencies_prune
-- Edges of jobs that are gone, whoever took them, all of the table once.  An open one whose
-- prerequisite is gone stays: it is what says why its job waits.  The cursor is a pair.
WITH c AS MATERIALIZED (
	SELECT ctid, job_id, depends_on,
	       (SELECT true FROM jobs j WHERE j.id = d.job_id) AS has_job,
	       (SELECT true FROM jobs j WHERE j.id = d.depends_on) OR d.is_open AS has_reason
	  FROM job_dependencies d
	 WHERE (job_id, depends_on) > (split_part($5::text, ' ', 1)::uuid, split_part($5::text, ' ', 2)::uuid)
	   AND $2::timestamptz IS NOT NULL AND $3::int IS NOT NULL AND $4::bigint IS NOT NULL
	 ORDER BY job_id, depends_on
	 LIMIT $1::int
), l AS MATERIALIZED (
	SELECT ctid
	  FROM job_dependencies
	 WHERE ctid = ANY (ARRAY(SELECT ctid FROM c WHERE has_job IS NULL OR has_reason IS NOT TRUE))
	   FOR UPDATE SKIP LOCKED
), moved AS (
	DELETE FROM job_dependencies d WHERE d.ctid = ANY (ARRAY(SELECT ctid FROM l)) RETURNING 1
)
SELECT (SELECT count(*) FROM moved) AS moved, (SELECT count(*) FROM c) AS seen,
       0 AS cursor_at, last.job_id || ' ' || last.depends_on AS cursor_id
  FROM (SELECT) one
  LEFT JOIN (SELECT job_id, depends_on FROM c ORDER BY job_id DESC, depends_on DESC LIMIT 1) last ON true;

-- name: job_requests_prune
-- What shares the last moment of a batch comes again with the next one.
WITH c AS MATERIALIZED (
	SELECT ctid, created_at
	  FROM job_requests
	 WHERE created_at < $2::timestamptz - make_interval(days => $3::int)
	   AND created_at >= timestamptz 'epoch' + $4::bigint * interval '1 microsecond' AND $5::text IS NOT NULL
	 ORDER BY created_at
	 LIMIT $1::int
	   FOR UPDATE SKIP LOCKED
), moved AS (
	DELETE FROM job_requests x WHERE x.ctid = ANY (ARRAY(SELECT ctid FROM c)) RETURNING 1
)
SELECT (SELECT count(*) FROM moved) AS moved, (SELECT count(*) FROM c) AS seen,
       (extract(epoch FROM (SELECT max(created_at) FROM c)) * 1000000)::bigint AS cursor_at, '' AS cursor_id;

-- name: executions_prune
WITH c AS MATERIALIZED (
	SELECT id, started_at
	  FROM cron_job_executions
	 WHERE started_at < $2::timestamptz - make_interval(days => $3::int)
	   AND (started_at, id) > (timestamptz 'epoch' + $4::bigint * interval '1 microsecond', $5::uuid)
	 ORDER BY started_at, id
	 LIMIT $1::int
), moved AS (
	DELETE FROM cron_job_executions x
	 WHERE x.id = ANY (ARRAY(SELECT id FROM c)) AND x.status <> 'running'
	RETURNING x.id
)
SELECT (SELECT count(*) FROM moved) AS moved, (SELECT count(*) FROM c) AS seen,
       (extract(epoch FROM last.started_at) * 1000000)::bigint AS cursor_at, last.id AS cursor_id
  FROM (SELECT) one
  LEFT JOIN (SELECT started_at, id FROM c ORDER BY started_at DESC, id DESC LIMIT 1) last ON true;

-- name: audit_prune
WITH c AS MATERIALIZED (
	SELECT id, at
	  FROM audit_log
	 WHERE at < $2::timestamptz - make_interval(days => $3::int)
	   AND at >= COALESCE((SELECT a.at FROM cronward_adopted a WHERE a.name = 'audit_log'), '-infinity')
	   AND (at, id) > (timestamptz 'epoch' + $4::bigint * interval '1 microsecond', $5::bigint)
	 ORDER BY at, id
	 LIMIT $1::int
), moved AS (
	DELETE FROM audit_log x WHERE x.id = ANY (ARRAY(SELECT id FROM c)) RETURNING x.id
)
SELECT (SELECT count(*) FROM moved) AS moved, (SELECT count(*) FROM c) AS seen,
       (extract(epoch FROM last.at) * 1000000)::bigint AS cursor_at, last.id AS cursor_id
  FROM (SELECT) one
  LEFT JOIN (SELECT at, id FROM c ORDER BY at DESC, id DESC LIMIT 1) last ON true;

-- name: health_prune
WITH c AS MATERIALIZED (
	SELECT id, lastcheck
	  FROM whatsapp_health
	 WHERE lastcheck < $2::timestamptz - make_interval(days => $3::int)
	   AND lastcheck >= COALESCE((SELECT a.at FROM cronward_adopted a WHERE a.name = 'whatsapp_health'), '-infinity')
	   AND (lastcheck, id) > (timestamptz 'epoch' + $4::bigint * interval '1 microsecond', $5::bigint)
	 ORDER BY lastcheck, id
	 LIMIT $1::int
), moved AS (
	DELETE FROM whatsapp_health x WHERE x.id = ANY (ARRAY(SELECT id FROM c)) RETURNING x.id
)
SELECT (SELECT count(*) FROM moved) AS moved, (SELECT count(*) FROM c) AS seen,
       (extract(epoch FROM last.lastcheck) * 1000000)::bigint AS cursor_at, last.id AS cursor_id
  FROM (SELECT) one
  LEFT JOIN (SELECT lastcheck, id FROM c ORDER BY lastcheck DESC, id DESC LIMIT 1) last ON true;

-- name: denied_prune
-- Whole minutes; there are few rows in one.
WITH c AS MATERIALIZED (
	SELECT minute
	  FROM cron_denied
	 WHERE minute < $2::timestamptz - make_interval(days => $3::int)
	   AND minute > timestamptz 'epoch' + $4::bigint * interval '1 microsecond' AND $5::text IS NOT NULL
	 ORDER BY minute
	 LIMIT $1::int
), moved AS (
	DELETE FROM cron_denied x WHERE x.minute = ANY (ARRAY(SELECT minute FROM c)) RETURNING x.minute
)
SELECT (SELECT count(*) FROM moved) AS moved, (SELECT count(*) FROM c) AS seen,
       (extract(epoch FROM (SELECT max(minute) FROM c)) * 1000000)::bigint AS cursor_at, '0' AS cursor_id;

-- What has ended.  Mail that the application ended does not say when; it was not before the times that it
-- was meant for.
-- source: webhook_events table=webhook_events ended=GREATEST(created_at,processed_at,dead_at)
-- source: webhook_events old=true over=(status='processed'OR(archived))AND(waits_until)ISNULL
-- source: whatsapp_logs table=whatsapp_webhook_logs ended=GREATEST(created_at,processed_at,dead_at)
-- source: whatsapp_logs old=true over=(status='processed'OR(archived))AND(waits_until)ISNULL
-- source: email table=email_queue ended=GREATEST(created_at,scheduled_for,next_attempt_at,sent_at,dead_at)
-- source: email old=true over=status=ANY('{sent,failed}')AND(waits_until)ISNULL
-- source: reservations table=inventory_reservations ended=COALESCE(ended_at,created_at)
-- source: reservations old=status<>'active' over=status<>'active'

-- name: prune
-- Only rows that go are locked.  What waits for a retry, or for somebody, stays, and what was there before
-- cronward came.
WITH c AS MATERIALIZED (
	SELECT id, created_at, {ended} AS ended_at
	  FROM {table}
	 WHERE {old} AND created_at < $2::timestamptz - make_interval(days => $3::int)
	   AND created_at >= COALESCE((SELECT a.at FROM cronward_adopted a WHERE a.name = '{table}'), '-infinity')
	   AND (created_at, id) > (timestamptz 'epoch' + $4::bigint * interval '1 microsecond', $5::uuid)
	 ORDER BY created_at, id
	 LIMIT $1::int
), l AS MATERIALIZED (
	SELECT ctid
	  FROM {table}
	 WHERE id = ANY (ARRAY(SELECT id FROM c
	                        WHERE ended_at < $2::timestamptz - make_interval(days => $3::int)))
	   AND {over}
	   FOR UPDATE SKIP LOCKED
), moved AS (
	DELETE FROM {table} e WHERE e.ctid = ANY (ARRAY(SELECT ctid FROM l)) RETURNING e.id
)
SELECT (SELECT count(*) FROM moved) AS moved, (SELECT count(*) FROM c) AS seen,
       (extract(epoch FROM last.created_at) * 1000000)::bigint AS cursor_at, last.id AS cursor_id
  FROM (SELECT) one
  LEFT JOIN (SELECT created_at, id FROM c ORDER BY created_at DESC, id DESC LIMIT 1) last ON true;
