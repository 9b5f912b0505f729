-- What operators did.

-- name: add
-- $1 actor, $2 action, $3 target, $4 detail (a JSON object; NULL: none).
INSERT INTO audit_log (actor, action, target, detail)
VALUES ($1::text, $2::text, $3::text, COALESCE($4::jsonb, '{}'))
RETURNING id;

-- name: begin
-- Of what goes batch after batch: written before the first one, counted up by each in its own transaction, so
-- that what it says is what was done, however the command ended.  $1 actor, $2 action, $3 table, $4 filter.
INSERT INTO audit_log (actor, action, target, detail)
VALUES ($1::text, $2::text, $3::text,
        jsonb_build_object('filter', $4::jsonb, 'count', 0, 'skipped', 0))
RETURNING id;
