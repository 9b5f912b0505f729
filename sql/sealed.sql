-- The columns that hold sealed secrets: what is plain, what is sealed with an older key, and
-- putting what was sealed in its place.  A row is told by its version (xmin) and never by the
-- secret that it holds, so that none stands in a statement.  What is longer than any secret, sealed
-- or plain, is cut where it still is too long: it is refused all the same, and a column of such
-- values would not fit into memory.  What is empty is no secret.  sql/README.md has the forms.

-- source: webhook_secret table=app_webhooks column=secret id=id type=uuid
-- source: webhook_previous table=app_webhooks column=previous_secret id=id type=uuid
-- source: job_type_secret table=job_types column=secret id=job_type type=text
-- source: apollo_key table=workspace_settings column=apollo_api_key_encrypted id=workspace_id type=uuid
-- source: event_handler_secret table=event_handlers column=secret id=id type=bigint
-- source: whatsapp_token table=whatsapp_configs column=accesstoken id=connection_id type=uuid
-- source: integration_access table=user_integrations column=access_token id=id type=uuid
-- source: integration_refresh table=user_integrations column=refresh_token id=id type=uuid

-- name: plain
SELECT {id} AS id, left({column}, 90000) AS value, xmin::text AS version
  FROM {table}
 WHERE ($1::{type} IS NULL OR {id} > $1::{type}) AND {column} <> '' AND NOT starts_with({column}, 'cw1.')
 ORDER BY {id}
 LIMIT $2::int;

-- name: stale
-- $3: what a value begins with that is sealed with the newest key.
SELECT {id} AS id, left({column}, 90000) AS value, xmin::text AS version
  FROM {table}
 WHERE ($1::{type} IS NULL OR {id} > $1::{type}) AND starts_with({column}, 'cw1.') AND NOT starts_with({column}, $3::text)
 ORDER BY {id}
 LIMIT $2::int;

-- name: put
-- In user_integrations new tokens void a claim under way and are due at once, by a trigger, but not the same
-- one in other words.  Locked in the order of ids, in which sync.sql locks.
WITH s AS MATERIALIZED (
	SELECT set_config('cronward.sealing', 'on', true) AS is_on
), l AS MATERIALIZED (
	SELECT {id} AS id FROM {table} WHERE {id} = ANY ($1::{type}[]) ORDER BY {id} FOR NO KEY UPDATE
)
UPDATE {table} t
   SET {column} = r.value
  FROM unnest($1::{type}[], $2::text[], $3::text[]) AS r (id, version, value), s
 WHERE t.{id} = ANY (ARRAY(SELECT id FROM l)) AND t.{id} = r.id AND t.xmin::text = r.version AND s.is_on = 'on'
RETURNING t.{id} AS id;

-- name: keys
-- The keys in use; '' stands for plain, '?' for what has not the form of a sealed value.
SELECT COALESCE(substring({column} FROM '^cw1\.([A-Za-z0-9_-]{1,32})\.'),
                CASE WHEN starts_with({column}, 'cw1.') THEN '?' ELSE '' END) AS key_id,
       count(*) AS count
  FROM {table}
 WHERE {column} <> ''
 GROUP BY 1;
