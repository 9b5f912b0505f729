-- What every unit brings along, since a unit may meet any backend.

-- name: settings
-- Time-outs of this transaction; a NULL for synchronous_commit leaves what the role or the server
-- has set.  Every statement that wants an order has an index that gives it: without sorts the
-- planner takes it also on a table that was never analyzed, where it expects few rows and would
-- rather fetch and sort all that is due.
SELECT set_config('statement_timeout', $1::text, true),
       set_config('lock_timeout', $2::text, true),
       set_config('idle_in_transaction_session_timeout', $2::text, true),
       set_config('synchronous_commit', $3::text, true),
       set_config('enable_sort', 'off', true),
       set_config('jit', 'off', true);
