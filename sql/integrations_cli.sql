-- What `cronward integrations` asks.  No token leaves the database here, only whether there is one.

-- name: list
-- $1 provider, $2 status, $3 user, NULL means any; $4 limit; the newest first, by ids that sort by time.
SELECT id, user_id, provider, status,
       to_char(last_synced_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS synced_at,
       CASE WHEN lease_until > clock_timestamp() THEN 'running'
            ELSE to_char(waits_until AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') END AS due_at,
       attempts, last_error AS error,
       json_build_object(
           'id', id, 'userId', user_id, 'provider', provider, 'status', status,
           'hasAccessToken', COALESCE(access_token, '') <> '', 'hasRefreshToken', COALESCE(refresh_token, '') <> '',
           'tokenExpiresAt', cronward_time(token_expires_at), 'lastSyncedAt', cronward_time(last_synced_at),
           'dueAt', cronward_time(waits_until), 'isRunning', COALESCE(lease_until > clock_timestamp(), false),
           'isRefreshing', refresh_began_at IS NOT NULL, 'attempts', attempts, 'lost', lost, 'lastError', last_error,
           'createdAt', cronward_time(created_at))::text AS json
  FROM user_integrations
 WHERE ($1::text IS NULL OR provider = $1::text)
   AND ($2::text IS NULL OR status = $2::text)
   AND ($3::uuid IS NULL OR user_id = $3::uuid)
 ORDER BY id DESC
 LIMIT $4::int;

-- name: resync
-- One batch: $1 audit, $2 provider, $3 status, $4 user, $5 ids, $6 where the batch before ended, $7 its size,
-- $8 whether all is read anew.  That voids a claim under way, which knows the old cursor, but not one that is
-- refreshing the token, whose answer would be lost; else it goes on.  Of the cursor the names of parts stay: who
-- does not know that a channel was read does not see that it has been left, and its messages are to go.
-- What needs_reauth is tried once more.  Of each: why not, or NULL.
WITH c AS MATERIALIZED (
	SELECT id, CASE WHEN status = 'disconnected' THEN 'it is disconnected'
	                WHEN COALESCE(access_token, '') || COALESCE(refresh_token, '') = '' THEN 'it has no token'
	                WHEN (SELECT $8::boolean) AND refresh_began_at IS NOT NULL AND lease_until > clock_timestamp()
	                THEN 'its token is just being refreshed, try again' END AS refused
	  FROM user_integrations
	 WHERE ($2::text IS NULL OR provider = $2::text)
	   AND ($3::text IS NULL OR status = $3::text)
	   AND ($4::uuid IS NULL OR user_id = $4::uuid)
	   AND ($5::uuid[] IS NULL OR id = ANY ($5::uuid[]))
	   AND id > $6::uuid
	 ORDER BY id
	 LIMIT $7::int
	   FOR NO KEY UPDATE),
u AS (
	UPDATE user_integrations i
	   SET waits_until = clock_timestamp(), status = 'active', attempts = 0, lost = 0, last_error = NULL,
	       cursor = CASE WHEN NOT (SELECT $8::boolean) THEN i.cursor ELSE COALESCE((
			SELECT jsonb_build_object('streams', jsonb_object_agg(s.key, jsonb_build_object('parts', (
				SELECT jsonb_object_agg(p.key, '{}'::jsonb) FROM jsonb_each(s.value -> 'parts') p))))
			  FROM jsonb_each(CASE WHEN jsonb_typeof(i.cursor -> 'streams') = 'object' THEN i.cursor -> 'streams' END) s
			 WHERE CASE WHEN jsonb_typeof(s.value -> 'parts') = 'object' THEN s.value -> 'parts' <> '{}' END
			HAVING count(*) > 0), '{}') END,
	       claim_token = CASE WHEN (SELECT $8::boolean) THEN NULL ELSE i.claim_token END,
	       lease_until = CASE WHEN (SELECT $8::boolean) THEN NULL ELSE i.lease_until END,
	       updated_at = clock_timestamp()
	 WHERE i.id = ANY (ARRAY(SELECT id FROM c WHERE refused IS NULL))
	RETURNING i.id),
s AS (
	DELETE FROM integration_seen
	 WHERE (SELECT $8::boolean) AND integration_id = ANY (ARRAY(SELECT id FROM u))),
l AS (
	UPDATE audit_log
	   SET detail = detail || jsonb_build_object(
	           'count', (detail->>'count')::bigint + (SELECT count(*) FROM u),
	           'skipped', (detail->>'skipped')::bigint + (SELECT count(*) FROM c WHERE refused IS NOT NULL))
	 WHERE id = $1::bigint)
SELECT id, refused FROM c ORDER BY id;

-- name: disconnect
-- One batch, with the parameters of resync; $8 whether its items go, too, which is purge.  The cursor goes with
-- them; without, a new connection goes on where this one was.
WITH c AS MATERIALIZED (
	SELECT id
	  FROM user_integrations
	 WHERE ($2::text IS NULL OR provider = $2::text)
	   AND ($3::text IS NULL OR status = $3::text)
	   AND ($4::uuid IS NULL OR user_id = $4::uuid)
	   AND ($5::uuid[] IS NULL OR id = ANY ($5::uuid[]))
	   AND id > $6::uuid
	 ORDER BY id
	 LIMIT $7::int
	   FOR NO KEY UPDATE),
u AS (
	UPDATE user_integrations i
	   SET status = 'disconnected', access_token = NULL, refresh_token = NULL, token_expires_at = NULL,
	       refresh_began_at = NULL, waits_until = NULL, claim_token = NULL, lease_until = NULL,
	       cursor = CASE WHEN (SELECT $8::boolean) THEN '{}' ELSE i.cursor END,
	       attempts = 0, lost = 0, last_error = NULL, updated_at = clock_timestamp()
	 WHERE i.id = ANY (ARRAY(SELECT id FROM c))
	RETURNING i.id),
l AS (
	UPDATE audit_log
	   SET detail = detail || jsonb_build_object('count', (detail->>'count')::bigint + (SELECT count(*) FROM u))
	 WHERE id = $1::bigint)
SELECT id, NULL::text AS refused FROM c ORDER BY id;

-- name: purge
-- $1 audit, $2 the ids of a batch that is disconnected by now: a page that was being written while that waited
-- for it is seen here, and none comes behind it.  What an application has connected again keeps its items.
WITH c AS MATERIALIZED (
	SELECT id FROM user_integrations WHERE id = ANY ($2::uuid[]) AND status = 'disconnected' ORDER BY id FOR NO KEY UPDATE),
p AS (
	DELETE FROM integration_items WHERE integration_id = ANY (ARRAY(SELECT id FROM c)) RETURNING 1),
s AS (
	DELETE FROM integration_seen WHERE integration_id = ANY (ARRAY(SELECT id FROM c)))
UPDATE audit_log
   SET detail = detail || jsonb_build_object('items', COALESCE((detail->>'items')::bigint, 0) + (SELECT count(*) FROM p))
 WHERE id = $1::bigint;
