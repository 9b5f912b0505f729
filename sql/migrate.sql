-- Which schema is here.

-- name: table
SELECT to_regclass('cronward_schema') IS NOT NULL AS is_there,
       current_setting('server_encoding') AS encoding;

-- name: version
SELECT COALESCE(max(version), 0) AS version FROM cronward_schema;
