-- Dead letters: deliveries with dead_at set.  A filter's NULL means any.

-- name: times
-- $1 since, $2 until, as the operator wrote them; until is now at the latest.
SELECT $1::timestamptz::text AS since, LEAST($2::timestamptz, clock_timestamp())::text AS until;

-- name: list
-- $1 webhook, $2 event type, $3 since, $4 until, $5 limit; the newest first.
SELECT d.id, to_char(d.dead_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS dead_at,
       d.attempts, d.last_status_code AS status, COALESCE(e.event_type, a.event_type) AS event_type,
       d.webhook_id, w.url, d.last_error AS error,
       json_build_object(
           'id', d.id,
           'deadAt', to_char(d.dead_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
           'attempts', d.attempts, 'lost', d.lost, 'lastStatusCode', d.last_status_code,
           'lastError', d.last_error, 'eventId', d.event_id,
           'eventType', COALESCE(e.event_type, a.event_type),
           'webhookId', d.webhook_id, 'url', w.url) AS json
  FROM webhook_deliveries d
  JOIN app_webhooks w ON w.id = d.webhook_id
  LEFT JOIN platform_events e ON e.id = d.event_id
  LEFT JOIN platform_events_archive a ON a.id = d.event_id
 WHERE d.dead_at IS NOT NULL AND d.status = 'failed'
   AND ($1::uuid IS NULL OR d.webhook_id = $1::uuid)
   AND ($2::text IS NULL OR COALESCE(e.event_type, a.event_type) = $2::text)
   AND ($3::timestamptz IS NULL OR d.dead_at >= $3::timestamptz)
   AND d.dead_at <= $4::timestamptz
 ORDER BY d.dead_at DESC, d.id DESC
 LIMIT $5::int;

-- name: show
-- Delivery $1 with its event and endpoint; the endpoint's secrets and headers stay out of sight.
SELECT d.id, d.status, d.attempts, d.lost, d.created_at, d.next_retry_at, d.dead_at, d.delivered_at,
       d.last_status_code, d.last_error,
       d.event_id, COALESCE(e.event_type, a.event_type) AS event_type,
       COALESCE(e.created_at, a.created_at) AS event_created_at, a.archived_at AS event_archived_at,
       COALESCE(e.payload, a.payload) AS event_payload,
       d.webhook_id, w.url AS webhook_url, w.is_active AS webhook_is_active,
       w.disabled_at AS webhook_disabled_at, w.disabled_reason AS webhook_disabled_reason
  FROM webhook_deliveries d
  JOIN app_webhooks w ON w.id = d.webhook_id
  LEFT JOIN platform_events e ON e.id = d.event_id
  LEFT JOIN platform_events_archive a ON a.id = d.event_id
 WHERE d.id = $1::bigint;

-- name: attempts
-- All tries of delivery $1, with how long each part took.
SELECT attempt, to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS at,
       status_code AS status, name_lookup_ms, connect_ms, tls_ms, first_byte_ms, total_ms, error
  FROM webhook_attempts
 WHERE delivery_id = $1::bigint
 ORDER BY attempt, webhook_attempts.at;

-- name: audit
-- Written before the first batch, counted up by each batch in its own transaction, so what it
-- says is what was done, however the command ended.  $1 actor, $2 action, $3 filter.
INSERT INTO audit_log (actor, action, target, detail)
VALUES ($1::text, $2::text, 'webhook_deliveries',
        jsonb_build_object('filter', $3::jsonb, 'count', 0, 'skipped', 0))
RETURNING id;

-- name: replay
-- One batch: $1 audit, $2 webhook, $3 event type, $4 since, $5 until, $6 ids, $7 and $8 where the
-- batch before ended, $9 its size.  Without its event a delivery has nothing to send: skipped.
WITH c AS MATERIALIZED (
	SELECT d.id, d.dead_at, COALESCE(e.id, a.id) IS NOT NULL AS has_event
	  FROM webhook_deliveries d
	  LEFT JOIN platform_events e ON e.id = d.event_id
	  LEFT JOIN platform_events_archive a ON a.id = d.event_id
	 WHERE d.dead_at IS NOT NULL AND d.status = 'failed'
	   AND ($2::uuid IS NULL OR d.webhook_id = $2::uuid)
	   AND ($3::text IS NULL OR COALESCE(e.event_type, a.event_type) = $3::text)
	   AND ($4::timestamptz IS NULL OR d.dead_at >= $4::timestamptz)
	   AND d.dead_at <= $5::timestamptz
	   AND ($6::bigint[] IS NULL OR d.id = ANY ($6::bigint[]))
	   AND (d.dead_at, d.id) > ($7::timestamptz, $8::bigint)
	 ORDER BY d.dead_at, d.id
	 LIMIT $9::int
	   FOR NO KEY UPDATE OF d),
u AS (
	UPDATE webhook_deliveries d
	   SET status = 'pending', attempts = 0, lost = 0, next_retry_at = clock_timestamp(),
	       dead_at = NULL, lease_until = NULL, claim_token = NULL
	 WHERE d.id = ANY (ARRAY(SELECT id FROM c WHERE has_event))
	RETURNING 1),
n AS (SELECT (SELECT count(*) FROM c) AS found, (SELECT count(*) FROM u) AS done),
l AS (
	UPDATE audit_log
	   SET detail = detail || jsonb_build_object(
	           'count', (detail->>'count')::bigint + n.done,
	           'skipped', (detail->>'skipped')::bigint + n.found - n.done)
	  FROM n
	 WHERE id = $1::bigint)
SELECT n.found, n.done, last.dead_at::text AS last_at, last.id AS last_id
  FROM n LEFT JOIN (SELECT dead_at, id FROM c ORDER BY dead_at DESC, id DESC LIMIT 1) last ON true;

-- name: purge
-- One batch, with the parameters of replay.  A trigger deletes the attempts.
WITH c AS MATERIALIZED (
	SELECT d.id, d.dead_at
	  FROM webhook_deliveries d
	  LEFT JOIN platform_events e ON e.id = d.event_id
	  LEFT JOIN platform_events_archive a ON a.id = d.event_id
	 WHERE d.dead_at IS NOT NULL AND d.status = 'failed'
	   AND ($2::uuid IS NULL OR d.webhook_id = $2::uuid)
	   AND ($3::text IS NULL OR COALESCE(e.event_type, a.event_type) = $3::text)
	   AND ($4::timestamptz IS NULL OR d.dead_at >= $4::timestamptz)
	   AND d.dead_at <= $5::timestamptz
	   AND ($6::bigint[] IS NULL OR d.id = ANY ($6::bigint[]))
	   AND (d.dead_at, d.id) > ($7::timestamptz, $8::bigint)
	 ORDER BY d.dead_at, d.id
	 LIMIT $9::int
	   FOR UPDATE OF d),
u AS (
	DELETE FROM webhook_deliveries d
	 WHERE d.id = ANY (ARRAY(SELECT id FROM c))
	RETURNING 1),
n AS (SELECT (SELECT count(*) FROM c) AS found, (SELECT count(*) FROM u) AS done),
l AS (
	UPDATE audit_log
	   SET detail = detail || jsonb_build_object('count', (detail->>'count')::bigint + n.done)
	  FROM n
	 WHERE id = $1::bigint)
SELECT n.found, n.done, last.dead_at::text AS last_at, last.id AS last_id
  FROM n LEFT JOIN (SELECT dead_at, id FROM c ORDER BY dead_at DESC, id DESC LIMIT 1) last ON true;
