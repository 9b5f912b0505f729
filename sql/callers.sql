-- What `cronward callers` asks.

-- name: requests_today
-- How many requests went to cron-job.org since 00:00 UTC, as far as audit_log knows: its limit is
-- one of a day, and it does not say what is left.
-- The ORDER BY keeps it on the index.
SELECT COALESCE(sum((detail ->> 'requests')::bigint), 0) AS requests
  FROM (SELECT action, target, detail
          FROM audit_log
         WHERE at >= (SELECT date_trunc('day', clock_timestamp(), 'UTC'))
         ORDER BY at, id) today
 WHERE action IN ('callers.read', 'callers.apply', 'callers.correct')
   AND target = 'cron-job.org';
