-- sync-integrations: what moves the rows of user_integrations, and writes what their vendors list.  What
-- the application changes meanwhile is seen to by the triggers of migration 0020.
--
-- An item goes on page after page under one claim: each settlement writes a page, where to go on behind it,
-- and the lease anew, together or not at all, and only for who still has the token.
-- The forms are not free: see README.md in this folder before changing one.

-- name: look
-- The lanes (provider and priority) that hold something due, the most urgent first, and the time that
-- "due" now means; of the providers $1, NULL for all.  One row of NULLs where there is none.
-- 1,000 are looked at, behind the lane $2 and $3, NULL from the start; where that was not the last one, each
-- row has it as behind_queue and behind_priority.
WITH RECURSIVE lane AS (
	(SELECT provider, priority, waits_until, 1 AS n
	   FROM user_integrations
	  WHERE waits_until IS NOT NULL
	    AND (provider, priority) > (COALESCE($2::text, ''), COALESCE($3::int, 0)::smallint)
	  ORDER BY provider, priority, waits_until, id LIMIT 1)
	UNION ALL
	SELECT x.provider, x.priority, x.waits_until, l.n + 1
	  FROM lane l
	 CROSS JOIN LATERAL (
		SELECT provider, priority, waits_until
		  FROM user_integrations
		 WHERE waits_until IS NOT NULL AND (provider, priority) > (l.provider, l.priority)
		 ORDER BY provider, priority, waits_until, id LIMIT 1) x
	 WHERE l.n < 1000
)
SELECT l.provider AS queue, l.priority, t.at::text AS due_at, b.provider AS behind_queue, b.priority AS behind_priority
  FROM (SELECT clock_timestamp() AS at) t
  LEFT JOIN lane b ON b.n = 1000
  LEFT JOIN lane l ON l.waits_until <= t.at AND ($1::text[] IS NULL OR l.provider = ANY ($1::text[]))
 ORDER BY l.priority DESC, random();

-- name: claim
-- Leases up to $1 rows that were due at $4, for their time-out ($11 seconds) and $2 seconds more, under the
-- token $3, from the lanes $5 (providers) and $6 (priorities), behind each lane's cursor ($7 microseconds,
-- $8 id), in the order in which they are given; none where the time-out is longer than $9 seconds, for it
-- would not end in time.  What was synced since the run began ($12) is left to the next one.  Leases that ran
-- out, and the repeat of a claim with its token, are as in job_queue.sql; $10 asks for one row that was lost
-- twice, and no other.
--
-- A claim ends with the row that makes 4 MB of cursors and tokens.  What nobody can use is not brought: of a
-- token no more than is refused all the same, of a cursor beyond 1 MB nothing, and all is read anew.
WITH c AS MATERIALIZED (
	(SELECT j.*, l.lane
	   FROM unnest($5::text[], $6::int[], $7::bigint[], $8::uuid[])
	        WITH ORDINALITY AS l (queue, priority, at, id, lane)
	  CROSS JOIN LATERAL (
		SELECT ctid AS place, id, waits_until,
		       LEAST(pg_column_size(cursor) * 4, 1048576) + COALESCE(octet_length(left(access_token, 90000)), 0)
		       + COALESCE(octet_length(left(refresh_token, 90000)), 0) AS bytes
		  FROM user_integrations
		 WHERE provider = l.queue AND priority = l.priority::smallint
		   AND waits_until <= $4::timestamptz
		   AND (waits_until, id) > (timestamptz 'epoch' + l.at * interval '1 microsecond', l.id)
		   AND (lease_until IS NULL OR lease_until < (SELECT clock_timestamp()) OR claim_token = $3::uuid)
		   AND LEAST(lost, 1000) + (lease_until IS NOT NULL AND claim_token IS DISTINCT FROM $3::uuid)::int < 2
		   AND status = 'active' AND (last_synced_at IS NULL OR last_synced_at < $12::timestamptz)
		   AND (SELECT $11::int <= $9::int)
		 ORDER BY waits_until, id
		 LIMIT $1::int
		   FOR NO KEY UPDATE SKIP LOCKED) j
	  WHERE NOT (SELECT $10::boolean)
	  LIMIT $1::int)
	UNION ALL
	(SELECT j.*, 1 AS lane
	   FROM (
		SELECT ctid AS place, id, waits_until, 0 AS bytes
		  FROM user_integrations
		 WHERE lost > 0 AND waits_until <= $4::timestamptz
		   AND (lease_until IS NULL OR lease_until < (SELECT clock_timestamp()) OR claim_token = $3::uuid)
		   AND LEAST(lost, 1000) + (lease_until IS NOT NULL AND claim_token IS DISTINCT FROM $3::uuid)::int >= 2
		   AND provider = ANY ($5::text[])
		   AND status = 'active' AND (last_synced_at IS NULL OR last_synced_at < $12::timestamptz)
		   AND (SELECT $11::int <= $9::int)
		 ORDER BY lost, waits_until, id
		 LIMIT 1
		   FOR NO KEY UPDATE SKIP LOCKED) j
	  WHERE (SELECT $10::boolean))
), m AS MATERIALIZED (
	SELECT *
	  FROM (SELECT c.*, sum(bytes) OVER (ORDER BY lane, waits_until, id) - bytes AS before FROM c) c
	 WHERE before < 4 * 1024 * 1024
)
UPDATE user_integrations d
   SET lost = LEAST(d.lost, 1000) + (d.lease_until IS NOT NULL AND d.claim_token IS DISTINCT FROM $3::uuid)::int,
       claim_token = $3::uuid,
       lease_until = clock_timestamp() + make_interval(secs => $2::int + $11::int)
  FROM m
 WHERE d.ctid = ANY (ARRAY(SELECT place FROM m)) AND d.ctid = m.place
RETURNING d.id, m.lane, (date_part('epoch', m.waits_until) * 1000000)::bigint AS cursor_at, $11::int AS timeout_s,
       false AS is_parked, false AS frees, d.claim_token, d.user_id, d.provider,
       left(d.access_token, 90000) AS access_token, left(d.refresh_token, 90000) AS refresh_token,
       CASE WHEN isfinite(d.token_expires_at) THEN floor(date_part('epoch', d.token_expires_at - clock_timestamp()))::bigint
            WHEN d.token_expires_at = '-infinity' THEN -1 END AS expires_in_s,
       CASE WHEN pg_column_size(d.cursor) <= 1048576 THEN
            CASE WHEN octet_length(d.cursor::text) <= 1048576 THEN d.cursor::text END END AS cursor,
       d.attempts, d.refresh_began_at IS NOT NULL AS is_refresh_lost;

-- name: bury
-- What was lost five times killed, or outlived, every process that took it.  An integration is not given up
-- for that: it is left alone for a day.
WITH c AS MATERIALIZED (
	SELECT id
	  FROM user_integrations
	 WHERE lost >= 4 AND waits_until <= $1::timestamptz
	   AND LEAST(lost, 1000) + (lease_until IS NOT NULL)::int >= 5
	   AND (lease_until IS NULL OR lease_until < (SELECT clock_timestamp()))
	 ORDER BY lost, waits_until, id
	 LIMIT 1000
	   FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE user_integrations d
   SET waits_until = clock_timestamp() + interval '24 hours', lost = 0, lease_until = NULL, claim_token = NULL,
       updated_at = clock_timestamp(),
       last_error = 'poison: its lease ran out 5 times, the process that held it died or hung; it is left alone for a day'
 WHERE d.id = ANY (ARRAY(SELECT id FROM c))
RETURNING d.id;

-- name: settle
-- Writes how turns ended ($1 ids, $2 tokens, $3 verdicts, $4 ms to the next try, $5 errors, $6 results, $7
-- effects), and what they brought: $8, a JSON array whose element i is the page of item i, an array, or
-- null.  What goes on has its lease renewed, for $9 seconds from now, and rests for its ms.  Only what still has its token, and
-- is active, changes: rows are locked first, in the order of their ids, so that two settlements never wait for
-- each other, and everything else is done for those that were found.
--
-- A result is a JSON object: "cursor", where to go on; and by effect
--   page    "kind", "id" (the member of each thing that is its external_id), "part" (in front of it),
--           "gone" (things that contain this are deleted); "is_whole" and "page" (its number): its ids
--           are noted for the sweep, and the notes of later pages, of a pass that did not end, go
--           unless "keeps": then what is noted of a page holds until the page is written again.
--           What is no object, or has no id, is passed over; of two of one id the last one counts.
--   sweep   "kind", "part": what the first "page" pages did not list is deleted, and of kind "parts_kind"
--           what is part of it; nothing where one of these pages was not noted.  The notes go, of what
--           "keeps" those of later pages alone.  50,000 things are looked at, and as many parts deleted: where
--           there are more, "swept" in the cursor that is there says where to go on, and the row is handed
--           back ('park'), to whoever takes it next and finds that the same sweep is due.
--   intent  a refresh is about to be sent.  kept: it was not, or has failed, and the refresh token is as
--           before.  tokens: {"tokens": {"access", "refresh", "expires_in_s"}}, sealed, are stored; without
--           a new refresh token the old one stays.  Intents and tokens commit for sure.
--   limited the vendor said to wait; counted as a try, so that who is not told how long waits longer.
-- Things that are stored as they are stay untouched: they are looked at first, for a conflict that changes
-- nothing would lock, and so write, each of them.
--
-- A dead one needs its user, and an event says so; no answer to a refresh is waited for any more.  What is
-- held waits the longer, the longer it was not synced, up to an hour.
WITH r AS MATERIALIZED (
	SELECT n, id, token, verdict, retry_ms, left(error, 1000) AS error, COALESCE(effect, '') AS effect, result,
	       result ->> 'kind' AS kind, result ->> 'id' AS member, COALESCE(result ->> 'part', '') AS part,
	       result -> 'gone' AS gone, (result ->> 'is_whole')::boolean IS TRUE AS is_whole,
	       (result ->> 'keeps')::boolean IS TRUE AS keeps, COALESCE((result ->> 'page')::int, 0) AS page
	  FROM (SELECT n, id, token, verdict, retry_ms, error, result::jsonb AS result, effect
	          FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::bigint[], $5::text[], $6::text[], $7::text[])
	               WITH ORDINALITY AS r (id, token, verdict, retry_ms, error, result, effect, n)) r
), l AS MATERIALIZED (
	SELECT r.*, d.user_id, d.provider, CASE WHEN r.effect = 'sweep' THEN d.cursor ->> 'swept' END AS swept, clock_timestamp() AS now
	  FROM user_integrations d JOIN r ON r.id = d.id
	 WHERE d.id = ANY ($1::uuid[]) AND CASE WHEN d.claim_token = r.token THEN d.status = 'active' ELSE false END
	 ORDER BY d.id
	   FOR NO KEY UPDATE OF d
), y AS MATERIALIZED (
	SELECT set_config('synchronous_commit', 'on', true) FROM l WHERE effect IN ('intent', 'tokens') LIMIT 1
), b AS MATERIALIZED (
	SELECT l.id, l.kind, l.member, l.gone, CASE WHEN l.part <> '' THEN l.part || ':' ELSE '' END AS prefix, b.things
	  FROM l JOIN jsonb_array_elements($8::jsonb) WITH ORDINALITY AS b (things, n) ON b.n = l.n
	 WHERE l.effect = 'page' AND jsonb_typeof(b.things) = 'array'
), t AS MATERIALIZED (
	SELECT DISTINCT ON (b.id, x.external_id) b.id, b.kind, x.external_id, x.thing, COALESCE(x.thing @> b.gone, false) AS is_gone
	  FROM b
	 CROSS JOIN LATERAL (
		SELECT e.thing, e.place, b.prefix || (e.thing -> b.member #>> '{}') AS external_id, jsonb_typeof(e.thing -> b.member) AS type
		  FROM jsonb_array_elements(b.things) WITH ORDINALITY AS e (thing, place)
		 WHERE jsonb_typeof(e.thing) = 'object') x
	 WHERE x.type IN ('string', 'number') AND octet_length(x.external_id) - octet_length(b.prefix) BETWEEN 1 AND 1000
	 ORDER BY b.id, x.external_id, x.place DESC
), f AS (
	INSERT INTO integration_items AS i (integration_id, kind, external_id, data, updated_at)
	SELECT t.id, t.kind, t.external_id, t.thing, clock_timestamp()
	  FROM t
	  LEFT JOIN LATERAL (
		SELECT o.data = t.thing AS is_same FROM integration_items o
		 WHERE o.integration_id = t.id AND o.kind = t.kind AND o.external_id = t.external_id
		 LIMIT 1) o ON true
	 WHERE NOT t.is_gone AND o.is_same IS NOT TRUE
	    ON CONFLICT (integration_id, kind, external_id) DO UPDATE
	   SET data = EXCLUDED.data, updated_at = EXCLUDED.updated_at
	 WHERE i.data IS DISTINCT FROM EXCLUDED.data
	RETURNING 1
), s AS MATERIALIZED (
	SELECT l.id, l.kind, l.part, l.page, l.keeps, l.parts_kind, l.low, l.high, (
		SELECT o.external_id FROM integration_items o
		 WHERE o.integration_id = l.id AND o.kind = l.kind
		   AND o.external_id COLLATE "C" >= l.low AND o.external_id COLLATE "C" < l.high
		 ORDER BY o.external_id OFFSET 50000 / l.sweeps LIMIT 1) AS upto
	  FROM (SELECT id, kind, part, page, keeps, result ->> 'parts_kind' AS parts_kind,
		       GREATEST(CASE WHEN part <> '' THEN part || ':' ELSE '' END COLLATE "C", swept COLLATE "C") AS low,
		       CASE WHEN part <> '' THEN part || ';' ELSE chr(1114111) END AS high, count(*) OVER () AS sweeps
	          FROM l WHERE effect = 'sweep' AND page > 0) l
	 CROSS JOIN LATERAL (
		SELECT count(*) AS noted FROM integration_seen n
		 WHERE n.integration_id = l.id AND n.kind = l.kind AND n.part = l.part AND n.page BETWEEN 1 AND l.page) n
	 WHERE n.noted = l.page
), w AS MATERIALIZED (
	SELECT s.id, s.kind, s.parts_kind, g.external_id
	  FROM s
	 CROSS JOIN LATERAL (
		SELECT o.external_id FROM integration_items o
		 WHERE o.integration_id = s.id AND o.kind = s.kind
		   AND o.external_id COLLATE "C" >= s.low AND o.external_id COLLATE "C" < COALESCE(s.upto, s.high)
		EXCEPT
		SELECT x.id
		  FROM integration_seen n
		 CROSS JOIN LATERAL unnest(n.ids) AS x (id)
		 WHERE n.integration_id = s.id AND n.kind = s.kind AND n.part = s.part AND n.page <= s.page
		   AND x.id COLLATE "C" >= s.low AND x.id COLLATE "C" < COALESCE(s.upto, s.high)) g
), o AS MATERIALIZED (
	SELECT o.place
	  FROM w
	 CROSS JOIN LATERAL (
		SELECT o.ctid AS place FROM integration_items o
		 WHERE o.integration_id = w.id AND o.kind = w.parts_kind
		   AND o.external_id COLLATE "C" >= w.external_id || ':' AND o.external_id COLLATE "C" < w.external_id || ';'
		OFFSET 0) o
	 LIMIT 50000
), k AS MATERIALIZED (
	-- Sweeps that do not get through, and where they go on; what has parts left is to be found again.
	SELECT s.id, CASE WHEN o.are_left AND s.parts_kind IS NOT NULL THEN s.low ELSE s.upto END AS swept,
	       o.are_left AND s.parts_kind IS NOT NULL AS has_parts_left
	  FROM s, (SELECT count(*) = 50000 AS are_left FROM o) o
	 WHERE s.upto IS NOT NULL OR (o.are_left AND s.parts_kind IS NOT NULL)
), g AS (
	DELETE FROM integration_items i
	 WHERE i.ctid = ANY (ARRAY(
		SELECT o.place
		  FROM (SELECT id, kind, external_id FROM t WHERE is_gone
			UNION ALL
			SELECT id, kind, external_id FROM w WHERE id <> ALL (ARRAY(SELECT id FROM k WHERE has_parts_left))) x
		 CROSS JOIN LATERAL (
			SELECT o.ctid AS place FROM integration_items o
			 WHERE o.integration_id = x.id AND o.kind = x.kind AND o.external_id = x.external_id
			 LIMIT 1) o
		UNION ALL
		SELECT place FROM o))
	RETURNING 1
), a AS (
	DELETE FROM integration_seen n
	 WHERE n.ctid = ANY (ARRAY(
		SELECT o.place
		  FROM (SELECT id, kind, part, CASE WHEN keeps THEN page ELSE -1 END AS page FROM s
			 WHERE id <> ALL (ARRAY(SELECT id FROM k))
			UNION ALL
			SELECT id, parts_kind, external_id, -1 FROM w WHERE parts_kind IS NOT NULL
			UNION ALL
			SELECT id, kind, part, page FROM l WHERE effect = 'page' AND is_whole AND NOT keeps) x
		 CROSS JOIN LATERAL (
			SELECT o.ctid AS place FROM integration_seen o
			 WHERE o.integration_id = x.id AND o.kind = x.kind AND o.part = x.part AND o.page > x.page
			OFFSET 0) o))
), p AS (
	INSERT INTO integration_seen AS n (integration_id, kind, part, page, ids)
	SELECT l.id, l.kind, l.part, l.page, COALESCE(x.ids, '{}')
	  FROM l
	  LEFT JOIN (SELECT id, array_agg(external_id ORDER BY external_id) AS ids FROM t WHERE NOT is_gone GROUP BY id) x ON x.id = l.id
	 WHERE l.effect = 'page' AND l.is_whole
	    ON CONFLICT (integration_id, kind, part, page) DO UPDATE SET ids = EXCLUDED.ids
	 WHERE n.ids IS DISTINCT FROM EXCLUDED.ids
), e AS (
	INSERT INTO platform_events (event_type, payload)
	SELECT 'integration.needs_reauth', jsonb_build_object('id', id, 'user_id', user_id, 'provider', provider, 'error', error)
	  FROM l WHERE verdict = 'dead'
), u AS (
	UPDATE user_integrations d
	   SET status = CASE WHEN l.verdict = 'dead' THEN 'needs_reauth' ELSE d.status END,
	       cursor = CASE WHEN l.goes_on_at IS NOT NULL THEN d.cursor || jsonb_build_object('swept', l.goes_on_at)
	                     WHEN jsonb_typeof(l.result -> 'cursor') = 'object' THEN l.result -> 'cursor' ELSE d.cursor END,
	       waits_until = CASE l.verdict WHEN 'go_on' THEN CASE WHEN l.retry_ms > 0 THEN clock_timestamp() + l.retry_ms * interval '1 millisecond'
					ELSE d.waits_until END
	                          WHEN 'done' THEN clock_timestamp() + interval '1 minute'
	                          WHEN 'dead' THEN NULL
	                          WHEN 'hold' THEN clock_timestamp() + GREATEST(
					l.retry_ms * interval '1 millisecond',
					(clock_timestamp() - GREATEST(LEAST(COALESCE(d.last_synced_at, d.created_at), clock_timestamp()),
						clock_timestamp() - interval '8 hours')) / 8)
	                          ELSE clock_timestamp() + l.retry_ms * interval '1 millisecond' END,
	       lease_until = CASE WHEN l.verdict = 'go_on' THEN clock_timestamp() + $9::int * interval '1 second' END,
	       claim_token = CASE WHEN l.verdict = 'go_on' THEN d.claim_token END,
	       attempts = CASE WHEN l.verdict = 'retry' OR l.effect = 'limited' THEN LEAST(d.attempts, 1000000) + 1
	                       WHEN l.verdict = 'done' OR l.effect IN ('page', 'sweep') THEN 0 ELSE d.attempts END,
	       lost = CASE WHEN l.verdict = 'go_on' AND l.effect NOT IN ('page', 'sweep') THEN d.lost ELSE 0 END,
	       access_token = CASE WHEN l.effect = 'tokens' THEN COALESCE(l.result #>> '{tokens,access}', d.access_token) ELSE d.access_token END,
	       refresh_token = CASE WHEN l.effect = 'tokens' THEN COALESCE(l.result #>> '{tokens,refresh}', d.refresh_token)
	                            ELSE d.refresh_token END,
	       token_expires_at = CASE WHEN l.effect = 'tokens'
	                               THEN clock_timestamp() + NULLIF((l.result #>> '{tokens,expires_in_s}')::bigint, 0) * interval '1 second'
	                               ELSE d.token_expires_at END,
	       refresh_began_at = CASE WHEN l.effect = 'intent' THEN l.now
	                               WHEN l.effect IN ('tokens', 'kept') OR l.verdict = 'dead' THEN NULL ELSE d.refresh_began_at END,
	       last_synced_at = CASE WHEN l.verdict = 'done' THEN clock_timestamp() ELSE d.last_synced_at END,
	       last_error = CASE l.verdict WHEN 'done' THEN NULL WHEN 'go_on' THEN d.last_error ELSE COALESCE(l.error, d.last_error) END,
	       updated_at = l.now
	  FROM (SELECT l.id, CASE WHEN k.id IS NULL THEN l.verdict ELSE 'park' END AS verdict, l.retry_ms, l.error, l.effect, l.result,
	               l.now, k.swept AS goes_on_at
	          FROM l LEFT JOIN k ON k.id = l.id) l
	 WHERE d.id = ANY (ARRAY(SELECT id FROM l)) AND d.id = l.id AND (SELECT count(*) FROM y) >= 0
	RETURNING d.id, l.verdict
)
SELECT count(*) FILTER (WHERE verdict = 'done') AS done,
       count(*) FILTER (WHERE verdict = 'retry') AS retry,
       count(*) FILTER (WHERE verdict = 'dead') AS dead,
       count(*) FILTER (WHERE verdict = 'park') AS park,
       count(*) FILTER (WHERE verdict = 'hold') AS hold,
       count(*) FILTER (WHERE verdict = 'go_on') AS go_on,
       (array_agg(id) FILTER (WHERE verdict = 'go_on'))::text AS going,
       (SELECT count(*) FROM f) AS items_changed,
       (SELECT count(*) FROM g) AS items_deleted,
       (SELECT COALESCE(sum(jsonb_array_length(things)), 0)::bigint FROM b) - (SELECT count(*) FROM t) AS items_skipped
  FROM u;

-- name: release
-- Hands back what was claimed and has not come to an end ($1 ids, $2 tokens): no try is counted.  What had
-- a turn meanwhile waits since its end, behind those that had none, or for as long as it is to rest.  Where a
-- refresh was intended last, it was not sent; behind a lost lease nobody knows that.
WITH l AS MATERIALIZED (
	SELECT d.id
	  FROM user_integrations d JOIN unnest($1::uuid[], $2::uuid[]) AS r (id, token) ON d.id = r.id
	 WHERE d.id = ANY ($1::uuid[]) AND CASE WHEN d.claim_token = r.token THEN true ELSE false END
	 ORDER BY d.id
	   FOR NO KEY UPDATE OF d
)
UPDATE user_integrations d
   SET lease_until = NULL, claim_token = NULL,
       waits_until = GREATEST(d.waits_until, LEAST(d.updated_at, clock_timestamp())),
       refresh_began_at = CASE WHEN d.lost > 0 OR d.refresh_began_at <> d.updated_at THEN d.refresh_began_at END
 WHERE d.id = ANY (ARRAY(SELECT id FROM l));
