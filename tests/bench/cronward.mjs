// The program under measurement.
import { cleanEnv, must } from '../lib/process.mjs';
import { program } from '../lib/program.mjs';
import { RECEIVER_ADDRESS } from './receiver.mjs';

const BUDGET_S = 3600;

// The settings of the bench; all others are the program's defaults.
export const cronwardSettings = { EGRESS_ALLOW: `${RECEIVER_ADDRESS}/32` };

export function cronwardEnv(database, more = {}) {
  return cleanEnv({ DATABASE_URL: database.url, ...cronwardSettings, ...more });
}

// One run of a worker to its end: what the program printed, and the process' wall time.
export async function cronwardRun(database, worker, more = {}) {
  const began = process.hrtime.bigint();
  await must(program(), ['run', worker, '--budget', String(BUDGET_S)],
    { env: cronwardEnv(database, more), timeoutMs: BUDGET_S * 1000 });
  return { wallMs: Number(process.hrtime.bigint() - began) / 1e6 };
}

// From the row that a run writes before its work to the one that ends it, on the server's clock.
export async function lastRunMs(database, worker) {
  return database.value(`SELECT extract(epoch FROM completed_at - started_at)::float8 * 1000
                           FROM cron_job_executions
                          WHERE job_name = $1 AND status = 'success' ORDER BY started_at DESC LIMIT 1`, [worker]);
}
