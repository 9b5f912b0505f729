-- The sql processor, on connections of its own.

-- name: call
-- $1 job, $2 claim token, $3 job_types.target, $4 what its function is given.
SELECT cronward_job_perform($1::uuid, $2::uuid, $3::text, $4::jsonb);

-- name: discard
-- A connection as it was when it was made.
SELECT cronward_session_discard();
