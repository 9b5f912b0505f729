-- Events that others send us are stored, and nothing else, before they are answered.

-- source: webhook table=webhook_events once=provider,event_id type=event_type fault=error_message
-- source: whatsapp table=whatsapp_webhook_logs once=event_id type=eventtype fault=processingerror

-- name: store
-- Stores the event $2 of provider $1: $3 its type, $4 the body where it is JSON, else $5 in base64 and
-- $6 what is wrong with it, $7 headers.  It is due in a minute to those who try again what failed; the
-- worker that is rung takes it at once.  No row: an event with this id is there, see known.  All in one
-- statement would take five times as long, most of it for planning what hardly ever happens.
INSERT INTO {table} ({once}, {type}, payload, body, {fault}, headers, waits_until)
SELECT {once}, $3::text, $4::text::jsonb, COALESCE(convert_to($4::text, 'UTF8'), decode($5::text, 'base64')), $6::text,
       $7::text::jsonb, clock_timestamp() + interval '1 minute'
  FROM (VALUES ($1::text, $2::text)) AS e(provider, event_id)
    ON CONFLICT ({once}) DO NOTHING
RETURNING id, false AS is_duplicate, true AS is_fresh;

-- name: known
-- What store has found to be there, with the same values, $8 the body's digest and $9 whether the id is a
-- guess.  Where it is, another body is another event, which is stored under its id and digest.  A body
-- that was thrown away is known by its payload.  is_fresh: nobody has tried it yet; whoever stored it may
-- have gone before he rang.  No row: it is gone again, or came just now; store again.
WITH known AS MATERIALIZED (
	SELECT t.id, t.status = 'pending' AND t.attempts = 0 AS is_fresh,
	       CASE WHEN NOT $9::bool THEN true
	            WHEN t.body IS NULL THEN t.payload IS NOT DISTINCT FROM $4::text::jsonb
	            ELSE encode(sha256(t.body), 'hex') = $8::text END AS is_it
	  FROM {table} t JOIN (VALUES ($1::text, $2::text)) AS e(provider, event_id) USING ({once})
), other AS MATERIALIZED (
	SELECT $1::text AS provider, $2::text || '#' || left($8::text, 12) AS event_id WHERE EXISTS (SELECT FROM known WHERE NOT is_it)
), stored AS (
	INSERT INTO {table} ({once}, {type}, payload, body, {fault}, headers, waits_until)
	SELECT {once}, $3::text, $4::text::jsonb, COALESCE(convert_to($4::text, 'UTF8'), decode($5::text, 'base64')), $6::text,
	       $7::text::jsonb, clock_timestamp() + interval '1 minute'
	  FROM other
	    ON CONFLICT ({once}) DO NOTHING
	RETURNING id
)
SELECT id, true AS is_duplicate, is_fresh FROM known WHERE is_it
UNION ALL SELECT id, false, true FROM stored
UNION ALL SELECT t.id, true, t.status = 'pending' AND t.attempts = 0 FROM {table} t JOIN other USING ({once}) WHERE NOT EXISTS (SELECT FROM stored);
