-- What every unit brings along, since a unit may meet any backend: time-outs of this transaction.
-- A NULL for synchronous_commit leaves what the role or the server has set.

-- name: settings
SELECT set_config('statement_timeout', $1::text, true),
       set_config('lock_timeout', $2::text, true),
       set_config('idle_in_transaction_session_timeout', $2::text, true),
       set_config('synchronous_commit', $3::text, true),
       set_config('jit', 'off', true);
