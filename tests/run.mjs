// Runs the tests of a folder with `node --test`: node tests/run.mjs integration|fault|lib|chroot [file…].
// One PostgreSQL is started for all of them, its template migrated once; chroots bring their own.
// Ends with a line "N passed, N failed"; a file that dies counts as one failure.
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { atExit, tempFolder } from './lib/clean.mjs';
import { Cluster, hasty } from './lib/postgres.mjs';
import { program, root } from './lib/program.mjs';
import { seed } from './lib/random.mjs';
import { full } from './lib/sizes.mjs';

const FILE_TIMEOUT_MS = full ? 3_600_000 : 240_000;
// A bare Debian is fetched and filled first.
const CHROOT_TIMEOUT_MS = 420_000;

// What takes longest begins first, so that no lane is left with it at the end.
const LONGEST = ['systemd', 'callers_cron_job_org_api', 'site', 'migrate_adopt', 'doctor_database', 'doctor', 'migrate_compare'];

function filesOf(folder) {
  const names = readdirSync(path.join(root, 'tests', folder)).filter((name) => name.endsWith('.test.mjs')).sort();
  const longest = LONGEST.map((name) => `${name}.test.mjs`).filter((name) => names.includes(name));
  return [...new Set([...longest, ...names])].map((name) => path.join(root, 'tests', folder, name));
}

// One file; its output as node's spec reporter prints it, its counts from the TAP beside.
function runFile(file, env) {
  const name = path.relative(root, file);
  const out = path.join(root, 'build/check', `${name.replaceAll('/', '-')}`);
  mkdirSync(path.dirname(out), { recursive: true });
  const began = Date.now();
  return new Promise((resolve) => {
    const child = spawn(process.execPath, ['--test', '--test-reporter=spec', '--test-reporter-destination=stdout',
      '--test-reporter=tap', `--test-reporter-destination=${out}.tap`, file], { env, stdio: ['ignore', 'pipe', 'pipe'] });
    const undo = atExit(() => child.kill('SIGKILL'));
    const parts = [];
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (part) => parts.push(part));
    let late = false;
    const timeoutMs = folder === 'chroot' ? Math.max(CHROOT_TIMEOUT_MS, FILE_TIMEOUT_MS) : FILE_TIMEOUT_MS;
    const timer = setTimeout(() => { late = true; child.kill('SIGKILL'); }, timeoutMs);
    child.once('close', (code) => {
      clearTimeout(timer);
      undo();
      const text = Buffer.concat(parts).toString();
      const counts = countsOf(`${out}.tap`);
      // A file that died outside of its tests is a failure of its own.
      if ((code !== 0 || late) && counts.failed === 0) counts.failed = 1;
      resolve({ name, code, text: late ? `${text}\n${name}: took longer than ${timeoutMs / 1000} s\n` : text,
        seconds: (Date.now() - began) / 1000, ...counts });
    });
  });
}

function countsOf(tap) {
  const text = existsSync(tap) ? readFileSync(tap, 'utf8') : '';
  const count = (key) => Number(new RegExp(`^# ${key} (\\d+)$`, 'm').exec(text)?.[1] ?? 0);
  return { passed: count('pass'), failed: count('fail') + count('cancelled'), skipped: count('skipped') };
}

async function runAll(files, lanes, env) {
  const results = [];
  const waiting = [...files];
  const lane = async () => {
    for (let file = waiting.shift(); file; file = waiting.shift()) {
      const result = await runFile(file, env);
      results.push(result);
      process.stdout.write(`== ${result.name} (${result.seconds.toFixed(1)} s)\n${result.text}`);
    }
  };
  await Promise.all(Array.from({ length: lanes }, lane));
  return results;
}

function printTable(file) {
  if (!existsSync(file)) return;
  const lines = readFileSync(file, 'utf8').trim().split('\n').map((line) => JSON.parse(line));
  const width = Math.max(...lines.map((line) => line.what.length));
  console.log('\nWhat the fault runs saw');
  for (const { what, figures } of lines) console.log(`${what.padEnd(width)}  ${figures}`);
}

const [folder, ...named] = process.argv.slice(2);
const files = named.length > 0 ? named.map((name) => path.resolve(name)) : filesOf(folder);
const table = path.join(tempFolder(), 'table');

// Faults are judged on a server as it is by default.
const cluster = folder === 'chroot' ? undefined : await Cluster.create(folder === 'fault' ? {} : hasty);
if (cluster && existsSync(program())) await cluster.makeTemplate();
const env = {
  ...process.env,
  ...(cluster && { CRONWARD_TEST_PG: cluster.socketFolder }),
  CRONWARD_TEST_SEED: String(seed),
  CRONWARD_TEST_TABLE: table,
};
// Fault tests measure; beside each other they would measure each other.
const lanes = Number(process.env.CRONWARD_TEST_LANES ?? { integration: 3, chroot: 2 }[folder] ?? 1);
const results = await runAll(files, lanes, env);
await cluster?.stop();

const sum = (key) => results.reduce((total, result) => total + result[key], 0);
if (full) printTable(table);
for (const result of results.filter((one) => one.failed > 0)) console.log(`not ok ${result.name}`);
if (sum('skipped') > 0) console.log(`${sum('skipped')} skipped`);
console.log(`${sum('passed')} passed, ${sum('failed')} failed`);
process.exit(sum('failed') > 0 ? 1 : 0);
