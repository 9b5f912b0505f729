-- What every unit brings along, since a unit may meet any backend.

-- name: backend
SELECT pg_backend_pid() AS pid;

-- name: settings
-- Time-outs of this transaction; a NULL for synchronous_commit leaves what the role or the server
-- has set.  Every statement that wants an order has an index that gives it: without sorts the
-- planner takes it also on a table that was never analyzed, where it expects few rows and would
-- rather fetch and sort all that is due.  Sweeps are kept from sequential scans, too: a table
-- that was just analyzed with few distinct values looks as if any scan would find a match at once.
SELECT set_config('statement_timeout', $1::text, true),
       set_config('lock_timeout', $2::text, true),
       set_config('idle_in_transaction_session_timeout', $2::text, true),
       set_config('synchronous_commit', $3::text, true),
       set_config('enable_sort', 'off', true),
       set_config('enable_seqscan', $4::text, true),
       set_config('jit', 'off', true);

-- name: settings_foreign
-- For an application's own code: its time-out, and that what it says is heard.  All else is as the
-- role has it.
SELECT set_config('statement_timeout', $1::text, true),
       set_config('idle_in_transaction_session_timeout', $1::text, true),
       set_config('client_min_messages', 'notice', true);
