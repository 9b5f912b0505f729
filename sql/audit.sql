-- What operators did.

-- name: add
-- $1 actor, $2 action, $3 target, $4 detail (a JSON object; NULL: none).
INSERT INTO audit_log (actor, action, target, detail)
VALUES ($1::text, $2::text, $3::text, COALESCE($4::jsonb, '{}'))
RETURNING id;
