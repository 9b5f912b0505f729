-- What `cronward callers` asks.

-- name: requests_today
-- How many requests went to cron-job.org since 00:00 UTC, as far as audit_log knows: its limit is
-- one of a day, and it does not say what is left.
SELECT COALESCE(sum((detail ->> 'requests')::bigint), 0) AS requests
  FROM audit_log
 WHERE at >= date_trunc('day', clock_timestamp(), 'UTC')
   AND action IN ('callers.read', 'callers.apply')
   AND target = 'cron-job.org';
