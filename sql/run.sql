-- A run's lock and its execution row.

-- name: begin
-- Takes the lock unless a live run holds it, closes what dead runs left behind, and writes the
-- execution row, all or nothing.  Asked again with the same id it changes nothing and answers
-- the same.  No row: somebody else holds the lock.
WITH taken AS (
	INSERT INTO cron_locks AS l (name, holder, acquired_at, expires_at)
	VALUES ($1::text, $2::uuid, clock_timestamp(), clock_timestamp() + make_interval(secs => $4::int))
	    ON CONFLICT (name) DO UPDATE
	   SET holder = EXCLUDED.holder,
	       fence = l.fence + (l.holder IS DISTINCT FROM EXCLUDED.holder)::int,
	       acquired_at = EXCLUDED.acquired_at,
	       expires_at = EXCLUDED.expires_at
	 WHERE l.holder IS NULL OR l.holder = EXCLUDED.holder OR l.expires_at <= clock_timestamp()
	RETURNING fence, clock_timestamp() AS began_at
), abandoned AS (
	UPDATE cron_job_executions
	   SET status = 'abandoned', completed_at = clock_timestamp(),
	       duration_ms = (extract(epoch FROM clock_timestamp() - started_at) * 1000)::bigint,
	       error_message = 'the process ended before the run did'
	 WHERE job_name = $1::text AND status = 'running' AND id <> $2::uuid AND EXISTS (SELECT FROM taken)
), began AS (
	INSERT INTO cron_job_executions (id, job_name, caller)
	SELECT $2::uuid, $1::text, $3::text FROM taken
	    ON CONFLICT (id) DO NOTHING
)
SELECT fence,
       to_char(began_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS started_at,
       (extract(epoch FROM began_at) * 1000)::bigint AS began_ms
  FROM taken;

-- name: holder
-- Since when the lock is held.  A statement of its own: the snapshot of the one that was refused
-- may be older than the lock.
SELECT to_char(acquired_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS since
  FROM cron_locks
 WHERE name = $1::text AND holder IS NOT NULL;

-- name: renew
-- No row: the lock is no longer ours.
UPDATE cron_locks
   SET expires_at = least(clock_timestamp() + make_interval(secs => $4::int),
                          acquired_at + make_interval(secs => $5::int))
 WHERE name = $1::text AND holder = $2::uuid AND fence = $3::bigint
RETURNING fence;

-- name: ring
-- Whoever has brought work and found the lock held leaves word.  No row: nobody holds it any more, or
-- nobody did just now.  The row's own lock puts ring and end in an order: end sees the word, or ring
-- sees that it ended.  Word that was left before and not yet heard will do: whoever hears it begins
-- later than now.
WITH left_now AS (
	UPDATE cron_locks SET is_rung = true
	 WHERE name = $1::text AND holder IS NOT NULL AND expires_at > clock_timestamp() AND NOT is_rung
	RETURNING name
)
SELECT name FROM left_now
UNION ALL
SELECT name FROM cron_locks
 WHERE name = $1::text AND holder IS NOT NULL AND expires_at > clock_timestamp() AND is_rung;

-- name: end
-- Frees the lock first, as begin takes it first: two that meet wait for each other in one order.
WITH freed AS (
	UPDATE cron_locks SET holder = NULL, expires_at = clock_timestamp()
	 WHERE name = $1::text AND holder = $2::uuid AND fence = $3::bigint
	RETURNING name
)
UPDATE cron_job_executions
   SET status = $4::text, counts = $5::jsonb, error_message = $6::text, completed_at = clock_timestamp(),
       duration_ms = (extract(epoch FROM clock_timestamp() - started_at) * 1000)::bigint
 WHERE id = $2::uuid AND status = 'running' AND (SELECT count(*) FROM freed) >= 0;

-- name: is_rung
-- Whether word was left.  Asked behind the end of a run: whoever comes later finds the lock free, or
-- held by a run that will be asked in its turn.
SELECT name FROM cron_locks WHERE name = $1::text AND is_rung AND holder IS NULL;

-- name: unring
-- Behind the beginning of the run $2, which finds by itself what was brought until now; so word that a
-- dead run has left is heard, too.  One that was narrowed does not find all, and leaves the word to its end.
UPDATE cron_locks SET is_rung = false WHERE name = $1::text AND is_rung AND holder = $2::uuid RETURNING name;
