-- The columns that hold sealed secrets: what is plain, what is sealed with an older key, and
-- putting what was sealed in its place.  A row is told by its version (xmin) and never by the
-- secret that it holds, so that none stands in a statement.  What is longer than any secret, sealed
-- or plain, is cut where it still is too long: it is refused all the same, and a column of such
-- values would not fit into memory.  sql/README.md has the forms.

-- name: webhook_secret_plain
SELECT id, left(secret, 90000) AS value, xmin::text AS version
  FROM app_webhooks
 WHERE ($1::uuid IS NULL OR id > $1::uuid) AND NOT starts_with(secret, 'cw1.')
 ORDER BY id
 LIMIT $2::int;

-- name: webhook_secret_stale
-- $3: what a value begins with that is sealed with the newest key.
SELECT id, left(secret, 90000) AS value, xmin::text AS version
  FROM app_webhooks
 WHERE ($1::uuid IS NULL OR id > $1::uuid) AND starts_with(secret, 'cw1.') AND NOT starts_with(secret, $3::text)
 ORDER BY id
 LIMIT $2::int;

-- name: webhook_secret_put
UPDATE app_webhooks w
   SET secret = r.value
  FROM unnest($1::uuid[], $2::text[], $3::text[]) AS r (id, version, value)
 WHERE w.id = ANY ($1::uuid[]) AND w.id = r.id AND w.xmin::text = r.version
RETURNING w.id;

-- name: webhook_secret_keys
-- The keys in use; '' stands for plain, '?' for what has not the form of a sealed value.
SELECT COALESCE(substring(secret FROM '^cw1\.([A-Za-z0-9_-]{1,32})\.'),
                CASE WHEN starts_with(secret, 'cw1.') THEN '?' ELSE '' END) AS key_id, count(*) AS count
  FROM app_webhooks
 GROUP BY 1;

-- name: webhook_previous_plain
SELECT id, left(previous_secret, 90000) AS value, xmin::text AS version
  FROM app_webhooks
 WHERE ($1::uuid IS NULL OR id > $1::uuid) AND previous_secret <> '' AND NOT starts_with(previous_secret, 'cw1.')
 ORDER BY id
 LIMIT $2::int;

-- name: webhook_previous_stale
SELECT id, left(previous_secret, 90000) AS value, xmin::text AS version
  FROM app_webhooks
 WHERE ($1::uuid IS NULL OR id > $1::uuid) AND starts_with(previous_secret, 'cw1.') AND NOT starts_with(previous_secret, $3::text)
 ORDER BY id
 LIMIT $2::int;

-- name: webhook_previous_put
UPDATE app_webhooks w
   SET previous_secret = r.value
  FROM unnest($1::uuid[], $2::text[], $3::text[]) AS r (id, version, value)
 WHERE w.id = ANY ($1::uuid[]) AND w.id = r.id AND w.xmin::text = r.version
RETURNING w.id;

-- name: webhook_previous_keys
SELECT COALESCE(substring(previous_secret FROM '^cw1\.([A-Za-z0-9_-]{1,32})\.'),
                CASE WHEN starts_with(previous_secret, 'cw1.') THEN '?' ELSE '' END) AS key_id,
       count(*) AS count
  FROM app_webhooks
 WHERE previous_secret <> ''
 GROUP BY 1;

-- name: job_type_secret_plain
SELECT job_type AS id, left(secret, 90000) AS value, xmin::text AS version
  FROM job_types
 WHERE ($1::text IS NULL OR job_type > $1::text) AND secret <> '' AND NOT starts_with(secret, 'cw1.')
 ORDER BY job_type
 LIMIT $2::int;

-- name: job_type_secret_stale
SELECT job_type AS id, left(secret, 90000) AS value, xmin::text AS version
  FROM job_types
 WHERE ($1::text IS NULL OR job_type > $1::text) AND starts_with(secret, 'cw1.') AND NOT starts_with(secret, $3::text)
 ORDER BY job_type
 LIMIT $2::int;

-- name: job_type_secret_put
UPDATE job_types t
   SET secret = r.value
  FROM unnest($1::text[], $2::text[], $3::text[]) AS r (id, version, value)
 WHERE t.job_type = ANY ($1::text[]) AND t.job_type = r.id AND t.xmin::text = r.version
RETURNING t.job_type AS id;

-- name: job_type_secret_keys
SELECT COALESCE(substring(secret FROM '^cw1\.([A-Za-z0-9_-]{1,32})\.'),
                CASE WHEN starts_with(secret, 'cw1.') THEN '?' ELSE '' END) AS key_id,
       count(*) AS count
  FROM job_types
 WHERE secret <> ''
 GROUP BY 1;

-- name: apollo_key_plain
SELECT workspace_id AS id, left(apollo_api_key_encrypted, 90000) AS value, xmin::text AS version
  FROM workspace_settings
 WHERE ($1::uuid IS NULL OR workspace_id > $1::uuid) AND apollo_api_key_encrypted <> '' AND NOT starts_with(apollo_api_key_encrypted, 'cw1.')
 ORDER BY workspace_id
 LIMIT $2::int;

-- name: apollo_key_stale
SELECT workspace_id AS id, left(apollo_api_key_encrypted, 90000) AS value, xmin::text AS version
  FROM workspace_settings
 WHERE ($1::uuid IS NULL OR workspace_id > $1::uuid) AND starts_with(apollo_api_key_encrypted, 'cw1.') AND NOT starts_with(apollo_api_key_encrypted, $3::text)
 ORDER BY workspace_id
 LIMIT $2::int;

-- name: apollo_key_put
UPDATE workspace_settings t
   SET apollo_api_key_encrypted = r.value
  FROM unnest($1::uuid[], $2::text[], $3::text[]) AS r (id, version, value)
 WHERE t.workspace_id = ANY ($1::uuid[]) AND t.workspace_id = r.id AND t.xmin::text = r.version
RETURNING t.workspace_id AS id;

-- name: apollo_key_keys
SELECT COALESCE(substring(apollo_api_key_encrypted FROM '^cw1\.([A-Za-z0-9_-]{1,32})\.'),
                CASE WHEN starts_with(apollo_api_key_encrypted, 'cw1.') THEN '?' ELSE '' END) AS key_id,
       count(*) AS count
  FROM workspace_settings
 WHERE apollo_api_key_encrypted <> ''
 GROUP BY 1;

-- name: event_handler_secret_plain
SELECT id, left(secret, 90000) AS value, xmin::text AS version
  FROM event_handlers
 WHERE ($1::bigint IS NULL OR id > $1::bigint) AND secret <> '' AND NOT starts_with(secret, 'cw1.')
 ORDER BY id
 LIMIT $2::int;

-- name: event_handler_secret_stale
SELECT id, left(secret, 90000) AS value, xmin::text AS version
  FROM event_handlers
 WHERE ($1::bigint IS NULL OR id > $1::bigint) AND starts_with(secret, 'cw1.') AND NOT starts_with(secret, $3::text)
 ORDER BY id
 LIMIT $2::int;

-- name: event_handler_secret_put
UPDATE event_handlers h
   SET secret = r.value
  FROM unnest($1::bigint[], $2::text[], $3::text[]) AS r (id, version, value)
 WHERE h.id = ANY ($1::bigint[]) AND h.id = r.id AND h.xmin::text = r.version
RETURNING h.id;

-- name: event_handler_secret_keys
SELECT COALESCE(substring(secret FROM '^cw1\.([A-Za-z0-9_-]{1,32})\.'),
                CASE WHEN starts_with(secret, 'cw1.') THEN '?' ELSE '' END) AS key_id,
       count(*) AS count
  FROM event_handlers
 WHERE secret <> ''
 GROUP BY 1;

-- name: whatsapp_token_plain
SELECT connection_id AS id, left(accesstoken, 90000) AS value, xmin::text AS version
  FROM whatsapp_configs
 WHERE ($1::uuid IS NULL OR connection_id > $1::uuid) AND accesstoken <> '' AND NOT starts_with(accesstoken, 'cw1.')
 ORDER BY connection_id
 LIMIT $2::int;

-- name: whatsapp_token_stale
SELECT connection_id AS id, left(accesstoken, 90000) AS value, xmin::text AS version
  FROM whatsapp_configs
 WHERE ($1::uuid IS NULL OR connection_id > $1::uuid) AND starts_with(accesstoken, 'cw1.') AND NOT starts_with(accesstoken, $3::text)
 ORDER BY connection_id
 LIMIT $2::int;

-- name: whatsapp_token_put
UPDATE whatsapp_configs t
   SET accesstoken = r.value
  FROM unnest($1::uuid[], $2::text[], $3::text[]) AS r (id, version, value)
 WHERE t.connection_id = ANY ($1::uuid[]) AND t.connection_id = r.id AND t.xmin::text = r.version
RETURNING t.connection_id AS id;

-- name: whatsapp_token_keys
SELECT COALESCE(substring(accesstoken FROM '^cw1\.([A-Za-z0-9_-]{1,32})\.'),
                CASE WHEN starts_with(accesstoken, 'cw1.') THEN '?' ELSE '' END) AS key_id,
       count(*) AS count
  FROM whatsapp_configs
 WHERE accesstoken <> ''
 GROUP BY 1;

-- name: integration_access_plain
SELECT id, left(access_token, 90000) AS value, xmin::text AS version
  FROM user_integrations
 WHERE ($1::uuid IS NULL OR id > $1::uuid) AND access_token <> '' AND NOT starts_with(access_token, 'cw1.')
 ORDER BY id
 LIMIT $2::int;

-- name: integration_access_stale
SELECT id, left(access_token, 90000) AS value, xmin::text AS version
  FROM user_integrations
 WHERE ($1::uuid IS NULL OR id > $1::uuid) AND starts_with(access_token, 'cw1.') AND NOT starts_with(access_token, $3::text)
 ORDER BY id
 LIMIT $2::int;

-- name: integration_access_put
-- New tokens void a claim under way and are due at once, by a trigger, but not the same one in other words.
-- Locked in the order in which sync.sql locks.
WITH s AS MATERIALIZED (
	SELECT set_config('cronward.sealing', 'on', true) AS is_on
), l AS MATERIALIZED (
	SELECT id FROM user_integrations WHERE id = ANY ($1::uuid[]) ORDER BY id FOR NO KEY UPDATE
)
UPDATE user_integrations i
   SET access_token = r.value
  FROM unnest($1::uuid[], $2::text[], $3::text[]) AS r (id, version, value), s
 WHERE i.id = ANY (ARRAY(SELECT id FROM l)) AND i.id = r.id AND i.xmin::text = r.version AND s.is_on = 'on'
RETURNING i.id;

-- name: integration_access_keys
SELECT COALESCE(substring(access_token FROM '^cw1\.([A-Za-z0-9_-]{1,32})\.'),
                CASE WHEN starts_with(access_token, 'cw1.') THEN '?' ELSE '' END) AS key_id,
       count(*) AS count
  FROM user_integrations
 WHERE access_token <> ''
 GROUP BY 1;

-- name: integration_refresh_plain
SELECT id, left(refresh_token, 90000) AS value, xmin::text AS version
  FROM user_integrations
 WHERE ($1::uuid IS NULL OR id > $1::uuid) AND refresh_token <> '' AND NOT starts_with(refresh_token, 'cw1.')
 ORDER BY id
 LIMIT $2::int;

-- name: integration_refresh_stale
SELECT id, left(refresh_token, 90000) AS value, xmin::text AS version
  FROM user_integrations
 WHERE ($1::uuid IS NULL OR id > $1::uuid) AND starts_with(refresh_token, 'cw1.') AND NOT starts_with(refresh_token, $3::text)
 ORDER BY id
 LIMIT $2::int;

-- name: integration_refresh_put
-- New tokens void a claim under way and are due at once, by a trigger, but not the same one in other words.
-- Locked in the order in which sync.sql locks.
WITH s AS MATERIALIZED (
	SELECT set_config('cronward.sealing', 'on', true) AS is_on
), l AS MATERIALIZED (
	SELECT id FROM user_integrations WHERE id = ANY ($1::uuid[]) ORDER BY id FOR NO KEY UPDATE
)
UPDATE user_integrations i
   SET refresh_token = r.value
  FROM unnest($1::uuid[], $2::text[], $3::text[]) AS r (id, version, value), s
 WHERE i.id = ANY (ARRAY(SELECT id FROM l)) AND i.id = r.id AND i.xmin::text = r.version AND s.is_on = 'on'
RETURNING i.id;

-- name: integration_refresh_keys
SELECT COALESCE(substring(refresh_token FROM '^cw1\.([A-Za-z0-9_-]{1,32})\.'),
                CASE WHEN starts_with(refresh_token, 'cw1.') THEN '?' ELSE '' END) AS key_id,
       count(*) AS count
  FROM user_integrations
 WHERE refresh_token <> ''
 GROUP BY 1;
