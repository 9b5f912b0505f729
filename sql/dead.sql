-- Dead letters: rows with dead_at set that nobody has made due again since.  Those of each kind are
-- listed, replayed and purged by statements that take the same values in the same order: $n whose
-- they are (endpoint, provider, address), of what type they are (or from which template), since,
-- until; NULL means any.

-- name: times
-- $1 since, $2 until, as the operator wrote them; until is now at the latest.
SELECT $1::timestamptz::text AS since, LEAST($2::timestamptz, clock_timestamp())::text AS until;

-- name: find
-- In which kinds' tables the rows with the ids $1 lie; those of a delivery are no uuids.
SELECT string_agg(DISTINCT kind, ', ') AS kinds, count(DISTINCT kind) AS count
  FROM (SELECT 'events' AS kind FROM webhook_events WHERE id = ANY ($1::uuid[])
        UNION ALL
        SELECT 'whatsapp' FROM whatsapp_webhook_logs WHERE id = ANY ($1::uuid[])
        UNION ALL
        SELECT 'mail' FROM email_queue WHERE id = ANY ($1::uuid[])) f;

-- name: deliveries_list
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

-- name: deliveries_replay
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

-- name: deliveries_purge
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

-- name: deliveries_count
-- Those that died from $1 to $2, $3 at most, and when the last one did.
SELECT count(*) AS dead, to_char(max(dead_at) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS last_at
  FROM (SELECT d.dead_at
          FROM webhook_deliveries d
         WHERE d.dead_at IS NOT NULL AND d.status = 'failed'
           AND ($1::timestamptz IS NULL OR d.dead_at >= $1::timestamptz)
           AND d.dead_at <= $2::timestamptz
         ORDER BY d.dead_at DESC, d.id DESC
         LIMIT $3::int) x;

-- What the application has made due again itself still has dead_at, and waits_until.
-- source: events table=webhook_events whose=r.provider type=r.event_type error=r.error_message
-- source: events first=r.provider first_as=provider first_json=provider
-- source: events type_as=event_type type_json=eventType what=r.event_id what_as=event_id what_json=eventId
-- source: events more=archived=false,retry_count=0,next_retry_at=NULL
-- source: whatsapp table=whatsapp_webhook_logs whose='whatsapp' type=r.eventtype error=r.processingerror
-- source: whatsapp first='whatsapp' first_as=provider first_json=provider
-- source: whatsapp type_as=event_type type_json=eventType what=r.event_id what_as=event_id what_json=eventId
-- source: whatsapp more=archived=false,retrycount=0,nextretryat=NULL
-- source: mail table=email_queue whose=substring(r.to_address,'([^<>]*)>?$') type=r.template error=r.last_error
-- source: mail first=r.to_address first_as=to_address first_json=to
-- source: mail type_as=template type_json=template what=r.subject what_as=subject what_json=subject
-- source: mail more=batch_id=NULL,is_single=true,next_attempt_at=NULL,unsure_since=NULL

-- name: list
-- $1 whose, $2 type, $3 since, $4 until, $5 limit; the newest first.
SELECT r.id, to_char(r.dead_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS dead_at,
       r.attempts, {first} AS {first_as}, {type} AS {type_as}, {what} AS {what_as}, {error} AS error,
       json_build_object(
           'id', r.id,
           'deadAt', to_char(r.dead_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
           'createdAt', to_char(r.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
           'attempts', r.attempts, 'lost', r.lost, 'lastError', {error},
           '{first_json}', {first}, '{type_json}', {type}, '{what_json}', {what}) AS json
  FROM {table} r
 WHERE r.dead_at IS NOT NULL AND r.status = 'failed' AND r.waits_until IS NULL
   AND ($1::text IS NULL OR lower({whose}) = lower($1::text))
   AND ($2::text IS NULL OR {type} = $2::text)
   AND ($3::timestamptz IS NULL OR r.dead_at >= $3::timestamptz)
   AND r.dead_at <= $4::timestamptz
 ORDER BY r.dead_at DESC, r.id DESC
 LIMIT $5::int;

-- name: replay
-- One batch: $1 audit, $2 whose, $3 type, $4 since, $5 until, $6 ids, $7 and $8 where the batch before
-- ended, $9 its size.  As if never tried; setting waits_until keeps the table's triggers out.
WITH c AS MATERIALIZED (
	SELECT r.id, r.dead_at
	  FROM {table} r
	 WHERE r.dead_at IS NOT NULL AND r.status = 'failed' AND r.waits_until IS NULL
	   AND ($2::text IS NULL OR lower({whose}) = lower($2::text))
	   AND ($3::text IS NULL OR {type} = $3::text)
	   AND ($4::timestamptz IS NULL OR r.dead_at >= $4::timestamptz)
	   AND r.dead_at <= $5::timestamptz
	   AND ($6::uuid[] IS NULL OR r.id = ANY ($6::uuid[]))
	   AND (r.dead_at, r.id) > ($7::timestamptz, $8::uuid)
	 ORDER BY r.dead_at, r.id
	 LIMIT $9::int
	   FOR NO KEY UPDATE),
u AS (
	UPDATE {table}
	   SET status = 'pending', attempts = 0, lost = 0, waits_until = clock_timestamp(),
	       dead_at = NULL, lease_until = NULL, claim_token = NULL, {more}
	 WHERE id = ANY (ARRAY(SELECT id FROM c))
	RETURNING 1),
n AS (SELECT (SELECT count(*) FROM c) AS found, (SELECT count(*) FROM u) AS done),
l AS (
	UPDATE audit_log
	   SET detail = detail || jsonb_build_object('count', (detail->>'count')::bigint + n.done)
	  FROM n
	 WHERE id = $1::bigint)
SELECT n.found, n.done, last.dead_at::text AS last_at, last.id AS last_id
  FROM n LEFT JOIN (SELECT dead_at, id FROM c ORDER BY dead_at DESC, id DESC LIMIT 1) last ON true;

-- name: purge
-- One batch, with the parameters of replay.
WITH c AS MATERIALIZED (
	SELECT r.id, r.dead_at
	  FROM {table} r
	 WHERE r.dead_at IS NOT NULL AND r.status = 'failed' AND r.waits_until IS NULL
	   AND ($2::text IS NULL OR lower({whose}) = lower($2::text))
	   AND ($3::text IS NULL OR {type} = $3::text)
	   AND ($4::timestamptz IS NULL OR r.dead_at >= $4::timestamptz)
	   AND r.dead_at <= $5::timestamptz
	   AND ($6::uuid[] IS NULL OR r.id = ANY ($6::uuid[]))
	   AND (r.dead_at, r.id) > ($7::timestamptz, $8::uuid)
	 ORDER BY r.dead_at, r.id
	 LIMIT $9::int
	   FOR UPDATE),
u AS (
	DELETE FROM {table}
	 WHERE id = ANY (ARRAY(SELECT id FROM c))
	RETURNING 1),
n AS (SELECT (SELECT count(*) FROM c) AS found, (SELECT count(*) FROM u) AS done),
l AS (
	UPDATE audit_log
	   SET detail = detail || jsonb_build_object('count', (detail->>'count')::bigint + n.done)
	  FROM n
	 WHERE id = $1::bigint)
SELECT n.found, n.done, last.dead_at::text AS last_at, last.id AS last_id
  FROM n LEFT JOIN (SELECT dead_at, id FROM c ORDER BY dead_at DESC, id DESC LIMIT 1) last ON true;

-- name: count
-- As deliveries_count.
SELECT count(*) AS dead, to_char(max(dead_at) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS last_at
  FROM (SELECT r.dead_at
          FROM {table} r
         WHERE r.dead_at IS NOT NULL AND r.status = 'failed' AND r.waits_until IS NULL
           AND ($1::timestamptz IS NULL OR r.dead_at >= $1::timestamptz)
           AND r.dead_at <= $2::timestamptz
         ORDER BY r.dead_at DESC, r.id DESC
         LIMIT $3::int) x;
