// Starting, watching and ending processes.
import { spawn, spawnSync, execFileSync } from 'node:child_process';
import { closeSync, existsSync, openSync, readFileSync, readdirSync } from 'node:fs';
import { atExit } from './clean.mjs';
import { until } from './wait.mjs';

export const isRoot = process.getuid() === 0;
const SIGNALLED = 128;

// The account for what refuses to run as root; undefined when we are not root.
export const account = isRoot ? findAccount() : undefined;

function findAccount() {
  for (const name of ['postgres', 'nobody']) {
    const id = spawnSync('id', [name], { encoding: 'utf8' });
    const found = /uid=(\d+)\S* gid=(\d+)/.exec(id.stdout ?? '');
    if (found) return { name, uid: Number(found[1]), gid: Number(found[2]) };
  }
  throw new Error('found no unprivileged account');
}

// The minimal environment: nothing of the developer's own settings reaches the program.
export function cleanEnv(extra = {}) {
  return { PATH: process.env.PATH, HOME: '/nonexistent', LC_ALL: 'C.UTF-8', ...extra };
}

// A long-lived child.  It dies with us even when we are killed (setpriv --pdeathsig), its output
// goes to the file `log`, and `lowered` makes it run under the unprivileged account.
export function start(command, args, { env = cleanEnv(), log, lowered = false, deathSignal = 'KILL', cwd } = {}) {
  const who = lowered && account
    ? [`--reuid=${account.uid}`, `--regid=${account.gid}`, '--clear-groups'] : [];
  const out = log ? openSync(log, 'a') : 'ignore';
  const child = spawn('setpriv', [...who, '--pdeathsig', deathSignal, '--', command, ...args],
    { env, cwd, stdio: ['ignore', out, out] });
  if (log) closeSync(out);
  child.unref(); // a test file ends when its tests have; what it started must not hold it
  const undo = atExit(() => child.exitCode === null && child.signalCode === null && child.kill('SIGKILL'));
  const ended = new Promise((resolve) => child.once('exit', (code, signal) => {
    undo();
    resolve({ code, signal });
  }));
  return {
    pid: child.pid,
    // Whoever waits for its end keeps us alive meanwhile.
    get ended() {
      if (this.running) child.ref();
      return ended;
    },
    get running() {
      return child.exitCode === null && child.signalCode === null;
    },
    signal: (name) => child.kill(name),
    // Asks it to end, and insists after `graceMs`.
    async stop(signal = 'SIGTERM', graceMs = 15_000) {
      if (this.running) child.kill(signal);
      const late = until(() => !this.running, { timeoutMs: graceMs }).catch(() => child.kill('SIGKILL'));
      await Promise.race([this.ended, late]);
      return this.ended;
    },
  };
}

// A command that ends by itself: exit code (128 + n for signal n) and what it printed.
export function run(command, args = [], { env = cleanEnv(), input = '', timeoutMs = 60_000, cwd, lowered = false } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args,
      { env, cwd, ...(lowered && account ? { uid: account.uid, gid: account.gid } : {}) });
    const undo = atExit(() => child.kill('SIGKILL'));
    const chunks = { stdout: [], stderr: [] };
    let timedOut = false;
    const timer = setTimeout(() => { timedOut = true; child.kill('SIGKILL'); }, timeoutMs);
    for (const name of ['stdout', 'stderr']) child[name].on('data', (part) => chunks[name].push(part));
    child.stdin.on('error', () => {});
    child.stdin.end(input);
    child.once('error', reject);
    child.once('close', (code, signal) => {
      clearTimeout(timer);
      undo();
      resolve({
        pid: child.pid,
        code: code ?? SIGNALLED + signalNumber(signal),
        signal,
        timedOut,
        stdout: Buffer.concat(chunks.stdout).toString(),
        stderr: Buffer.concat(chunks.stderr).toString(),
      });
    });
  });
}

function signalNumber(name) {
  return { SIGABRT: 6, SIGKILL: 9, SIGSEGV: 11, SIGTERM: 15 }[name] ?? 0;
}

// A command that must succeed; its output.
export async function must(command, args, options) {
  const done = await run(command, args, options);
  if (done.code !== 0)
    throw new Error(`${command} ${args.join(' ')} ended ${done.code}: ${done.stderr || done.stdout}`);
  return done.stdout;
}

export function mustSync(command, args, options = {}) {
  return execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], ...options });
}

// Whether ${pid} is there and not a zombie.
export function isAlive(pid) {
  return stateOf(pid) !== undefined && stateOf(pid) !== 'Z';
}

export function stateOf(pid) {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/^.*\) /s, '')[0];
  } catch {
    return undefined;
  }
}

export function childrenOf(pid) {
  const list = `/proc/${pid}/task/${pid}/children`;
  if (existsSync(list)) {
    try {
      return readFileSync(list, 'utf8').trim().split(' ').filter(Boolean).map(Number);
    } catch {
      return [];
    }
  }
  return readdirSync('/proc').filter((name) => /^\d+$/.test(name)).map(Number).filter((child) => parentOf(child) === pid);
}

// Children that run `name` by now: one that was forked a moment ago is still its parent's program,
// with its parent's signal handlers.
export function childrenNamed(pid, name) {
  return childrenOf(pid).filter(isAlive).filter((child) => {
    try {
      return readFileSync(`/proc/${child}/comm`, 'utf8').trim() === name;
    } catch {
      return false;
    }
  });
}

function parentOf(pid) {
  try {
    return Number(readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/^.*\) /s, '').split(' ')[1]);
  } catch {
    return undefined;
  }
}

// A field of /proc/PID/status in kB: VmHWM, RssAnon, VmRSS.
export function memoryKb(pid, field = 'RssAnon') {
  const found = new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  return Number(found?.[1]);
}

export function openFiles(pid) {
  return readdirSync(`/proc/${pid}/fd`).length;
}

// A signal to a process that may have gone by itself; whether it was still there.
export function killNow(pid, signal = 'SIGKILL') {
  try {
    process.kill(pid, signal);
    return true;
  } catch (e) {
    if (e.code !== 'ESRCH') throw e;
    return false;
  }
}
