// Two sizes of one test: what `make check` has time for, and what `make faults` runs.
import { appendFileSync } from 'node:fs';
import { seed } from './random.mjs';

export const full = process.env.FAULTS === '1';

export function size(check, faults) {
  return full ? faults : check;
}

// A line of the table that `make faults` ends with, and of the test's own output.
export function report(t, what, figures) {
  const text = Object.entries(figures).map(([key, value]) => `${key} ${value}`).join(', ');
  t.diagnostic(`${what}: ${text}; seed ${seed}`);
  if (process.env.CRONWARD_TEST_TABLE)
    appendFileSync(process.env.CRONWARD_TEST_TABLE, JSON.stringify({ what, figures: text }) + '\n');
}
