// The bench: runs its parts one after the other and prints one table of ratios.
// It fails only when something could not run; a missed target is for people to judge.
import { deliveries } from './deliveries.mjs';
import { flat } from './flat.mjs';
import { gateway } from './gateway.mjs';
import { enqueue } from './job_enqueue.mjs';
import { jobs } from './jobs.mjs';
import { disturbances, machine } from './machine.mjs';
import { memory } from './memory.mjs';
import { Results } from './results.mjs';
import { sets } from './sets.mjs';
import { sync } from './sync.mjs';
import { timing } from './timing.mjs';

const parts = { deliveries, jobs, enqueue, sync, gateway, sets, flat, memory, timing };
const quick = process.env.BENCH_QUICK === '1';
const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !parts[name]);
if (unknown.length > 0) {
  console.error(`bench: no such part: ${unknown.join(', ')}; there are ${Object.keys(parts).join(', ')}`);
  process.exit(2);
}

const results = new Results();
const bench = { results, quick, rounds: quick ? 2 : 5 };
console.log(`${await machine()}\n${bench.rounds} interleaved rounds, medians${quick ? '; BENCH_QUICK: small sizes, figures mean little' : ''}`);
for (const [name, part] of Object.entries(parts)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  console.log(`\n${name}`);
  try {
    await part(bench);
  } catch (e) {
    results.broken(name, e);
  }
}
const disturbed = disturbances();
if (disturbed) results.remark(disturbed);
results.print();
process.exit(results.isBroken ? 1 : 0);
