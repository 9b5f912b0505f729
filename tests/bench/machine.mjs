// What the figures are made on, and whether anybody else is using it.
import { readFileSync } from 'node:fs';
import os from 'node:os';
import { setTimeout as pause } from 'node:timers/promises';
import { run } from '../lib/process.mjs';

const QUIET_IDLE = 0.93;
const LOOK_MS = 250;
const WAIT_MS = 20_000;

const seen = { measurements: 0, disturbed: 0 };

export async function machine() {
  const cpus = os.cpus();
  const memoryGb = Math.round(os.totalmem() / 2 ** 30);
  const versions = [
    ['PostgreSQL', 'psql', ['--version'], /([\d.]+)/],
    ['nginx', '/usr/sbin/nginx', ['-v'], /nginx\/([\d.]+)/],
    ['libcurl', 'curl-config', ['--version'], /libcurl ([\d.]+)/],
  ].map(async ([name, command, args, pattern]) => {
    const { stdout, stderr } = await run(command, args).catch(() => ({ stdout: '', stderr: '' }));
    return `${name} ${pattern.exec(stdout + stderr)?.[1] ?? 'not found'}`;
  });
  return `${cpus.length} cores (${cpus[0].model.trim()}), ${memoryGb} GB, Linux ${os.release()}; `
    + `${(await Promise.all(versions)).join(', ')}, Node ${process.version.slice(1)}`;
}

// What `measure` answers, called when nobody else works on this machine.  Contestants use
// different numbers of processes, so others' work slows one more than the other.
export async function undisturbed(measure) {
  const end = Date.now() + WAIT_MS;
  let isQuiet = await isIdle();
  while (!isQuiet && Date.now() < end) isQuiet = await isIdle();
  seen.measurements++;
  seen.disturbed += !isQuiet;
  return measure();
}

// For the end of the table: nothing where there was nothing.
export function disturbances() {
  return seen.disturbed === 0 ? undefined
    : `${seen.disturbed} of ${seen.measurements} measurements began while others used the machine; they count, and mean less.`;
}

async function isIdle() {
  const before = ticks();
  await pause(LOOK_MS);
  const passed = ticks().map((value, i) => value - before[i]);
  const [, , , idle, ioWait] = passed;
  return (idle + ioWait) / passed.reduce((sum, value) => sum + value, 0) >= QUIET_IDLE;
}

// The first line of /proc/stat: user, nice, system, idle, iowait, …
function ticks() {
  return readFileSync('/proc/stat', 'utf8').split('\n')[0].split(/ +/).slice(1, 9).map(Number);
}
