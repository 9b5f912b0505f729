-- What the gateway asks and tells besides its runs.

-- name: execution
-- One run by its id; times as RFC 3339 in UTC.
SELECT id, job_name AS worker, status,
       to_char(started_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS started_at,
       to_char(completed_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS completed_at,
       duration_ms, counts, error_message, caller
  FROM cron_job_executions
 WHERE id = $1::uuid;

-- name: is_running
-- Whether a live run holds the lock of the worker $1.
SELECT EXISTS (SELECT FROM cron_locks
                WHERE name = $1::text AND holder IS NOT NULL AND expires_at > clock_timestamp()) AS is_running;

-- name: denied_flush
-- Adds counts of refused calls: $1 route, $2 age of the count in ms, $3 code, $4 calls.
-- In the order of the key, so that two processes never wait for each other in a circle.
INSERT INTO cron_denied (route, minute, code, calls)
SELECT r.route, date_trunc('minute', n.now - r.age_ms * interval '1 millisecond'), r.code, sum(r.calls)
  FROM unnest($1::text[], $2::bigint[], $3::text[], $4::bigint[]) AS r(route, age_ms, code, calls),
       (SELECT clock_timestamp() AS now) n
 GROUP BY 1, 2, 3
 ORDER BY 2, 1, 3
    ON CONFLICT (minute, route, code) DO UPDATE SET calls = cron_denied.calls + EXCLUDED.calls;
