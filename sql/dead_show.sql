-- What `cronward dead show` tells of one row, whether it is dead or not.  Of payloads and texts the
-- first 8000 characters, of a body that is no JSON the first 256 bytes, of headers that prove who
-- sends that they are there.

-- name: delivery
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

-- name: mail
-- Mail $1, and what its template is now.
SELECT r.id, r.status, r.attempts, r.max_attempts, r.lost, r.priority, r.created_at, r.scheduled_for,
       r.waits_until, r.dead_at, r.sent_at, r.last_error, r.provider_id, r.batch_id, r.is_single,
       r.unsure_since, r.to_address, r.reply_to, headers.shown AS headers, r.template,
       CASE WHEN r.template IS NOT NULL AND t.name IS NULL THEN 'not in email_templates'
            ELSE 'of ' || t.updated_at || ': ' || t.subject END AS template_now,
       data.shown AS data, r.subject, plain.shown AS text, html.shown AS html
  FROM email_queue r
  LEFT JOIN email_templates t ON t.name = r.template
 CROSS JOIN LATERAL (SELECT left(v, 8000) || CASE WHEN length(v) > 8000 THEN '… of ' || length(v) || ' characters' ELSE '' END
                       FROM (SELECT r.data::text) x(v)) data(shown)
 CROSS JOIN LATERAL (SELECT left(r.text, 8000) || CASE WHEN length(r.text) > 8000 THEN '… of ' || length(r.text) || ' characters' ELSE '' END) plain(shown)
 CROSS JOIN LATERAL (SELECT left(r.html, 8000) || CASE WHEN length(r.html) > 8000 THEN '… of ' || length(r.html) || ' characters' ELSE '' END) html(shown)
 CROSS JOIN LATERAL (
	SELECT CASE WHEN r.headers <> '{}' THEN
	       (SELECT json_object_agg(key, CASE WHEN key ~* '(auth|cookie|secret|token|api-?key|password|signature)' THEN '"(hidden)"' ELSE value END ORDER BY key)::text
	          FROM jsonb_each(CASE WHEN jsonb_typeof(r.headers) = 'object' THEN r.headers ELSE '{}' END)) END) headers(shown)
 WHERE r.id = $1::uuid;

-- source: events table=webhook_events provider=r.provider type=r.event_type retry_count=r.retry_count
-- source: events next_retry_at=r.next_retry_at error=r.error_message
-- source: whatsapp table=whatsapp_webhook_logs provider='whatsapp' type=r.eventtype retry_count=r.retrycount
-- source: whatsapp next_retry_at=r.nextretryat error=r.processingerror

-- name: event
-- Event $1, and the handler that would be taken now.
SELECT r.id, {provider} AS provider, {type} AS event_type, r.event_id, r.status, r.archived, r.attempts,
       {retry_count} AS retry_count, r.lost, r.created_at, {next_retry_at} AS next_retry_at, r.waits_until,
       r.dead_at, r.performed_at, r.processed_at, {error} AS error, r.note,
       COALESCE(h.action || ' (event_handlers ' || h.id || ', ' || h.provider || ' ' || h.type_pattern || ')',
                'none: it would be processed without anything being done') AS handler_now,
       headers.shown AS headers, payload.shown AS payload, octet_length(r.body) AS body_bytes,
       CASE WHEN r.payload IS NULL THEN encode(substring(r.body, 1, 256), 'escape') END AS body
  FROM {table} r
  LEFT JOIN LATERAL cronward_event_handler({provider}, {type}) h ON true
 CROSS JOIN LATERAL (SELECT left(v, 8000) || CASE WHEN length(v) > 8000 THEN '… of ' || length(v) || ' characters' ELSE '' END
                       FROM (SELECT r.payload::text) x(v)) payload(shown)
 CROSS JOIN LATERAL (
	SELECT CASE WHEN r.headers <> '{}' THEN
	       (SELECT json_object_agg(key, CASE WHEN key ~* '(auth|cookie|secret|token|api-?key|password|signature)' THEN '"(hidden)"' ELSE value END ORDER BY key)::text
	          FROM jsonb_each(CASE WHEN jsonb_typeof(r.headers) = 'object' THEN r.headers ELSE '{}' END)) END) headers(shown)
 WHERE r.id = $1::uuid;
