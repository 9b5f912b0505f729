-- Which schema is here.

-- name: table
SELECT to_regclass('cronward_schema') IS NOT NULL AS is_there,
       current_setting('server_encoding') AS encoding;

-- name: version
SELECT COALESCE(max(version), 0) AS version FROM cronward_schema;

-- name: patience
-- How long a statement of this transaction waits for a lock; it may itself take its time.
SELECT set_config('lock_timeout', $1::text, true), set_config('statement_timeout', '0', true);

-- name: lock
-- One at a time, for the transaction: a session's lock would stay with PgBouncer.  17239 is "CW",
-- our place among the advisory locks of a database that others use, too.
SELECT pg_advisory_xact_lock(17239, 1);

-- name: place
-- The schema that new tables go to, where ours are (NULL: nowhere yet), which of the names $1 are
-- taken there, and what it takes to compare them.
SELECT here.schema, here.is_same, to_json(current_setting('search_path'))::text AS path,
       (SELECT c.relnamespace::regnamespace::text FROM pg_class c WHERE c.oid = to_regclass('cronward_schema')) AS home,
       here.taken::text AS taken, array_to_string(here.taken, ', ') AS taken_text, here.taken <> '{}' AS is_taken,
       has_database_privilege(current_database(), 'CREATE') AS may_compare,
       format('GRANT CREATE ON DATABASE %I TO %I', current_database(), current_user) AS grant_text
  FROM (SELECT current_schema() AS schema,
               COALESCE((SELECT n.nspname = current_schema() FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                          WHERE c.oid = to_regclass('cronward_schema')), true) AS is_same,
               ARRAY(SELECT c.relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                      WHERE n.nspname = current_schema() AND c.relname = ANY ($1::text[]) ORDER BY 1) AS taken) here;

-- name: compare
-- Tables of an application's against their twins, which the migrations have just made in
-- current_schema(): what stands in the way (is_conflict), else what ALTER TABLE would add.
-- $1 the application's schema, $2 the tables, $3 those whose rows are the application's alone.
-- What may be NULL stays NULL in rows that are there: a time that makes work due is not theirs.
WITH pair AS (
	SELECT t.oid AS theirs, o.oid AS ours, t.relpersistence AS lasts, t.relkind AS kind, o.relkind AS kind_wanted, t.relowner AS owner,
	       pg_has_role(t.relowner, 'USAGE') AS may_alter, t.relname = ANY ($3::text[]) AS is_theirs_alone,
	       t.relname, quote_ident(t.relname) AS name, format('%I.%I', n.nspname, t.relname) AS place
	  FROM pg_namespace n
	  JOIN pg_class t ON t.relnamespace = n.oid AND t.relname = ANY ($2::text[])
	  JOIN pg_class o ON o.relname = t.relname
	                 AND o.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = current_schema())
	 WHERE n.nspname = $1::text
), kinds (kind, what) AS (
	VALUES ('r'::"char", 'a table'), ('p', 'a partitioned table'), ('v', 'a view'), ('m', 'a materialized view'),
	       ('f', 'a foreign table'), ('S', 'a sequence'), ('i', 'an index'), ('I', 'a partitioned index'), ('c', 'a type')
), twin AS (
	SELECT * FROM pair WHERE kind = kind_wanted
), col AS (
	SELECT w.theirs, a.attrelid = w.ours AS is_ours, a.attnum, a.attname, w.name || '.' || quote_ident(a.attname) AS name,
	       w.place, w.is_theirs_alone, w.may_alter, format_type(a.atttypid, a.atttypmod) AS type, y.typtype = 'd' AS is_domain,
	       a.attnotnull, a.attidentity, a.attgenerated, pg_get_expr(d.adbin, d.adrelid) AS value,
	       a.attidentity <> '' OR d.adbin IS NOT NULL AS has_value
	  FROM twin w
	  JOIN pg_attribute a ON a.attrelid IN (w.theirs, w.ours) AND a.attnum > 0 AND NOT a.attisdropped
	  JOIN pg_type y ON y.oid = a.atttypid
	  LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
), missing AS (
	SELECT o.*, CASE WHEN o.attnotnull AND NOT o.has_value AND o.may_alter
	                 THEN query_to_xml(format('SELECT 1 FROM %s LIMIT 1', o.place), true, true, '')::text <> ''
	                 ELSE false END AS cannot_hold
	  FROM col o
	 WHERE o.is_ours AND NOT EXISTS (SELECT FROM col t WHERE t.theirs = o.theirs AND NOT t.is_ours AND t.attname = o.attname)
), shared AS (
	SELECT t.*, o.type AS type_wanted, o.attgenerated AS generated_wanted, o.attnotnull AS notnull_wanted,
	       o.has_value AS has_value_wanted,
	       CASE WHEN NOT o.attnotnull AND o.has_value AND o.may_alter
	            THEN query_to_xml(format('SELECT 1 FROM %s WHERE %I IS NOT NULL LIMIT 1', o.place, o.attname), true, true, '')::text <> ''
	            ELSE false END AS holds_value,
	       replace(o.value, 'cronward_uuid()', 'gen_random_uuid()') AS value_wanted
	  FROM col t JOIN col o ON o.theirs = t.theirs AND o.is_ours AND o.attname = t.attname
	 WHERE NOT t.is_ours
), choice AS ( -- columns that hold one of a few words
	SELECT w.theirs, k.conrelid = w.ours AS is_ours, k.conname, a.attname, w.name || '.' || quote_ident(a.attname) AS name,
	       pg_get_constraintdef(k.oid) AS def
	  FROM twin w
	  JOIN pg_constraint k ON k.conrelid IN (w.theirs, w.ours) AND k.contype = 'c' AND cardinality(k.conkey) = 1
	  JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = k.conkey[1]
	 WHERE pg_get_constraintdef(k.oid) ~ '= (ANY|'')'
), finding (theirs, rank, is_conflict, text) AS (
	SELECT p.theirs, -3, true, format('%s is %s; cronward needs %s', p.name, k.what, w.what)
	  FROM pair p JOIN kinds k ON k.kind = p.kind JOIN kinds w ON w.kind = p.kind_wanted
	 WHERE p.kind <> p.kind_wanted
	UNION ALL
	SELECT theirs, -2, true, format('%s belongs to %I; to change it, cronward needs GRANT %2$I TO %3$I', name, pg_get_userbyid(owner), current_user)
	  FROM twin WHERE NOT may_alter
	UNION ALL
	SELECT theirs, -2, true, format('%s is unlogged, so a crash would empty it; cronward needs ALTER TABLE %s SET LOGGED', name, place)
	  FROM twin WHERE lasts <> 'p'
	UNION ALL
	SELECT theirs, -1, true, format('%s has row-level security that would hide rows from %I; cronward needs ALTER TABLE %s NO FORCE ROW LEVEL SECURITY', name, current_user, place)
	  FROM twin WHERE may_alter AND row_security_active(theirs)
	UNION ALL
	SELECT w.theirs, 0, true, format('%s has %s; cronward needs PRIMARY KEY (%s)', w.name,
	       COALESCE('PRIMARY KEY (' || theirs.key || ')', 'no primary key'), ours.key)
	  FROM twin w
	  JOIN LATERAL (SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attname) AS key FROM pg_constraint k
	                  JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = ANY (k.conkey)
	                 WHERE k.conrelid = w.ours AND k.contype = 'p') ours ON ours.key IS NOT NULL
	  JOIN LATERAL (SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attname) AS key FROM pg_constraint k
	                  JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = ANY (k.conkey)
	                 WHERE k.conrelid = w.theirs AND k.contype = 'p') theirs ON theirs.key IS DISTINCT FROM ours.key
	 WHERE NOT (w.is_theirs_alone AND EXISTS ( -- where cronward inserts nothing, another key will do
		SELECT FROM pg_index i
		 WHERE i.indrelid = w.theirs AND i.indisunique AND i.indpred IS NULL AND i.indexprs IS NULL AND i.indisvalid
		   AND (SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attname) FROM pg_attribute a
		         WHERE a.attrelid = w.theirs AND a.attnum = ANY ((i.indkey::smallint[])[0:i.indnkeyatts - 1])) = ours.key))
	UNION ALL
	SELECT theirs, attnum, true, format('%s is %s%s; cronward needs %s', name, CASE WHEN is_domain THEN 'the domain ' ELSE '' END, type, type_wanted)
	  FROM shared WHERE type <> type_wanted
	UNION ALL
	SELECT theirs, attnum, true, format('%s is generated; cronward needs to write it', name)
	  FROM shared WHERE attgenerated <> '' AND generated_wanted = ''
	UNION ALL
	SELECT theirs, attnum, true, format('%s is NOT NULL; cronward needs NULL there for what waits for nothing: ALTER TABLE %s ALTER COLUMN %I DROP NOT NULL', name, place, attname)
	  FROM shared WHERE attnotnull AND NOT notnull_wanted AND has_value_wanted AND NOT is_theirs_alone AND type = type_wanted
	UNION ALL
	SELECT theirs, attnum, true, format('%s has values; cronward takes a row with one for work that waits, so it needs NULL in all that are there', name)
	  FROM shared WHERE holds_value AND type = type_wanted
	UNION ALL
	SELECT theirs, attnum, true, format('%s is NOT NULL and has no default, and cronward''s inserts leave it out; it needs ALTER TABLE %s ALTER COLUMN %I SET DEFAULT %s', name, place, attname, value_wanted)
	  FROM shared WHERE attnotnull AND NOT has_value AND notnull_wanted AND has_value_wanted AND value_wanted IS NOT NULL AND NOT is_theirs_alone AND type = type_wanted
	UNION ALL
	SELECT t.theirs, t.attnum, true, format('%s is NOT NULL and has no default, and cronward''s inserts do not know it; it needs ALTER TABLE %s ALTER COLUMN %I SET DEFAULT … or DROP NOT NULL', t.name, t.place, t.attname)
	  FROM col t
	 WHERE NOT t.is_ours AND t.attnotnull AND NOT t.has_value AND NOT t.is_theirs_alone
	   AND NOT EXISTS (SELECT FROM col o WHERE o.theirs = t.theirs AND o.is_ours AND o.attname = t.attname)
	UNION ALL
	SELECT t.theirs, 2000, true, format('%s: the constraint %I does not allow %s; cronward needs to store it', t.name, t.conname, lacking.words)
	  FROM choice o
	  JOIN choice t ON t.theirs = o.theirs AND NOT t.is_ours AND t.attname = o.attname
	  JOIN LATERAL (SELECT string_agg(word[1], ', ') AS words FROM regexp_matches(o.def, '(''[^'']+'')::text', 'g') word
	                 WHERE position(word[1] IN t.def) = 0) lacking ON lacking.words IS NOT NULL
	 WHERE o.is_ours
	UNION ALL
	SELECT w.theirs, 2001, true, format('%s: there is %s of the name %I already; cronward needs that name for an index%s', w.name, k.what, t.relname,
	       regexp_replace(substring(pg_get_indexdef(i.indexrelid) FROM ' USING .*'), ' WITH \([^)]*\)', ''))
	  FROM twin w
	  JOIN pg_index i ON i.indrelid = w.ours
	  JOIN pg_class o ON o.oid = i.indexrelid
	  JOIN pg_class t ON t.relname = o.relname AND t.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = $1::text)
	  JOIN kinds k ON k.kind = t.relkind
	  LEFT JOIN pg_index j ON j.indexrelid = t.oid
	 WHERE NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = i.indexrelid)
	   AND (j.indrelid IS DISTINCT FROM w.theirs
	        -- How full its pages are is nobody's business.
	        OR regexp_replace(substring(pg_get_indexdef(j.indexrelid) FROM ' USING .*'), ' WITH \([^)]*\)', '')
	           <> regexp_replace(substring(pg_get_indexdef(i.indexrelid) FROM ' USING .*'), ' WITH \([^)]*\)', ''))
	UNION ALL
	SELECT theirs, 3000 + attnum, true, format('%s is missing; cronward needs %s NOT NULL, and has no value for the rows that are there: add it and fill it', name, type)
	  FROM missing WHERE cannot_hold
	UNION ALL
	SELECT theirs, 3000 + attnum, false, format('ALTER TABLE %s ADD COLUMN %I %s%s', place, attname, type,
	       CASE WHEN attidentity <> '' THEN ' GENERATED BY DEFAULT AS IDENTITY'
	            WHEN attgenerated <> '' THEN ' GENERATED ALWAYS AS (' || value || ') STORED'
	            WHEN attnotnull THEN COALESCE(' DEFAULT ' || value, '') || ' NOT NULL'
	            ELSE COALESCE(format(', ALTER COLUMN %I SET DEFAULT ', attname) || value, '') END)
	  FROM missing WHERE NOT cannot_hold
)
SELECT f.is_conflict, f.text
  FROM finding f JOIN pair p ON p.theirs = f.theirs
 ORDER BY p.relname, f.rank, f.text;

-- name: adopting
-- Tells the steps of this transaction which tables $1 are an application's.
SELECT set_config('cronward.adopting', $1::text, true);

-- name: adopted
-- Remembers the tables $1, which were an application's until now.
INSERT INTO cronward_adopted (name) SELECT unnest($1::text[]) ON CONFLICT (name) DO NOTHING;

-- name: audit
-- $1 actor, $2 action, $3 target, $4 the statements that changed tables of an application's (NULL: none).
INSERT INTO audit_log (actor, action, target, detail)
VALUES ($1::text, $2::text, $3::text,
        CASE WHEN $4::text[] IS NULL THEN '{}' ELSE jsonb_build_object('statements', $4::text[]) END);
