// `make check`: builds and runs everything, several parts at a time where they do not disturb each
// other, and ends with one line: N passed, N failed.
//
// A part's count is the "N passed, N failed" that it ends with; a part without one counts as one,
// passed or failed by its exit code.  What is left out because its build failed counts as failed.
import { spawn } from 'node:child_process';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { root } from './lib/program.mjs';

const make = process.env.MAKE ?? 'make';
// The lanes share two cores; make's own -j would only get in the way of what is timed.
const san = 'SAN=address,undefined';
// More lanes than cores: integration, chroot and fault wait for most of their time.
const LANES = 4;

// Faults whose figures are times or memory, and need the machine for themselves; longest first, as two
// of them that wait for most of their time leave each other a core.
const MEASURED = ['crash', 'rotation', 'pool', 'mutations', 'scale'];
const faults = readdirSync(`${root}/tests/fault`).filter((name) => name.endsWith('.test.mjs')).map((name) => `tests/fault/${name}`);
const isMeasured = (file) => MEASURED.some((name) => file === `tests/fault/${name}.test.mjs`);

// In the order in which they start, longest first.  `after`: parts that must have succeeded.
// `alone`: nothing else runs beside it.
const parts = {
  'build': { command: [make, 'all', 'poison', 'build/release/demo-receiver', 'fault-programs', 'plugins'] },
  'chroot': { command: ['node', 'tests/run.mjs', 'chroot'] },
  'build clang': { command: [make, 'fuzz-programs'] },
  'integration': { command: ['node', 'tests/run.mjs', 'integration'], after: ['build'] },
  'build sanitized': { command: [make, san, 'all', 'unit-programs'] },
  'lint': { command: ['node', 'tests/lint.mjs'], after: ['build', 'build clang'] },
  'fault': { command: ['env', 'CRONWARD_TEST_LANES=2', 'node', 'tests/run.mjs', 'fault', ...faults.filter((file) => !isMeasured(file))], after: ['build', 'build sanitized'] },
  'unit': { command: ['node', 'tests/unit.mjs', 'build/address-undefined/tests/unit'], after: ['build', 'build sanitized'] },
  'fuzz corpus': { command: [make, 'fuzz-replay'], after: ['build clang'] },
  'oracle': { command: ['node', 'tests/run.mjs', 'lib'], after: ['build'] },
  'package': { command: [make, 'deb'] },
  'fault measured': { command: ['env', 'CRONWARD_TEST_LANES=2', 'node', 'tests/run.mjs', 'fault', ...MEASURED.map((name) => `tests/fault/${name}.test.mjs`)], after: ['build', 'build sanitized'], alone: true },
};

const results = {};

function execute(name, { command }) {
  const began = Date.now();
  return new Promise((resolve) => {
    // A make that called us would lend its job server; the parts are makes of their own.
    const { MAKEFLAGS, MFLAGS, MAKELEVEL, ...env } = process.env;
    const child = spawn(command[0], command.slice(1), { cwd: root, env, stdio: ['ignore', 'pipe', 'pipe'] });
    const output = [];
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (part) => output.push(part));
    child.once('close', (code) => {
      const text = Buffer.concat(output).toString();
      const counts = [...text.matchAll(/^(\d+) passed, (\d+) failed$/gm)].pop();
      resolve({
        ok: code === 0,
        passed: counts ? Number(counts[1]) : Number(code === 0),
        failed: counts ? Number(counts[2]) || Number(code !== 0) : Number(code !== 0),
        seconds: (Date.now() - began) / 1000,
        text,
      });
    });
  });
}

function tell(name, { ok, passed, failed, seconds, text }) {
  writeFileSync(`${root}/build/check/${name.replaceAll(' ', '-')}.log`, text);
  if (!ok) console.log(text);
  console.log(`${ok ? 'ok' : 'NOT OK'}  ${name}: ${passed} passed, ${failed} failed, ${seconds.toFixed(0)} s`);
}

// What may start now: its predecessors are done, and nobody who needs to be alone is running.
function next(waiting, running) {
  return waiting.find((name) => {
    const { after = [], alone } = parts[name];
    return after.every((one) => results[one]) && (!alone || running.size === 0);
  });
}

async function runAll(lanes) {
  const waiting = Object.keys(parts);
  const running = new Map();
  while (waiting.length > 0 || running.size > 0) {
    const busyAlone = [...running.keys()].some((name) => parts[name].alone);
    const name = running.size < lanes && !busyAlone ? next(waiting, running) : undefined;
    if (!name) {
      await Promise.race(running.values());
      continue;
    }
    waiting.splice(waiting.indexOf(name), 1);
    const missing = (parts[name].after ?? []).filter((one) => !results[one].ok);
    const work = missing.length > 0
      ? Promise.resolve({ ok: false, passed: 0, failed: 1, seconds: 0, text: `left out: ${missing.join(', ')} failed` })
      : execute(name, parts[name]);
    running.set(name, work.then((result) => {
      results[name] = result;
      tell(name, result);
      running.delete(name);
    }));
  }
}

mkdirSync(`${root}/build/check`, { recursive: true });
await runAll(LANES);
const sum = (key) => Object.values(results).reduce((total, result) => total + result[key], 0);
console.log(`${sum('passed')} passed, ${sum('failed')} failed`);
process.exit(sum('failed') > 0 ? 1 : 0);
