// Bare Debian 12 machines: a throw-away root each, with processes, mounts, hostname and network of its
// own, and nothing in it but what debootstrap's minbase holds.  What is installed there comes from an
// apt archive of ours (build/chroot/archive), fetched once, so that a test needs no network.
//
// systemd cannot run in there; lib/systemctl stands in for it.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync, mkdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import { atExit, tempFolder } from './clean.mjs';
import { cleanEnv, isRoot, run } from './process.mjs';
import { root as project } from './program.mjs';
import { until, within } from './wait.mjs';

const folder = path.join(project, 'build/chroot');
const script = path.join(project, 'tests/lib/chroot');
const hostEnv = cleanEnv({ PATH: `${process.env.PATH}:/usr/sbin:/sbin` });
const sudo = isRoot ? [] : ['sudo', '-n', '--'];
// As a login shell of root's or sudo has it.
const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
// An archive of this age is fetched anew: packages get their security updates.
const AGE_MAX_MS = 14 * 86_400_000;

const asRoot = (command, args, options) =>
  run([...sudo, command][0], [...sudo.slice(1), ...(sudo.length > 0 ? [command] : []), ...args], { env: hostEnv, ...options });

// Why there can be no such root here; undefined where there can.
export async function whyNot() {
  const missing = [];
  for (const name of ['debootstrap', 'unshare', 'nsenter'])
    if ((await run('which', [name], { env: hostEnv })).code !== 0) missing.push(name);
  if (missing.length > 0) return `${missing.join(', ')} is missing`;
  if (!isRoot && (await asRoot('true', []).catch(() => ({ code: 1 }))).code !== 0)
    return 'a chroot needs root, or sudo without a password';
  const tried = await asRoot('unshare', ['--pid', '--fork', '--mount', '--net', '--uts', '--ipc', '--', 'mount', '-t', 'tmpfs', 'none', '/mnt']);
  return tried.code === 0 ? undefined : `no namespaces here: ${tried.stderr.trim()}`;
}

// What is installed in there: by README's and the Dockerfile's commands, and what those bring along.
function packages() {
  const listed = readFileSync(path.join(project, 'deploy/packages'), 'utf8').split('\n')
    .map((line) => line.split(/\s+/)).filter(([purpose]) => ['run', 'build'].includes(purpose)).map(([, name]) => name);
  const dockerfile = readFileSync(path.join(project, 'deploy/docker/Dockerfile'), 'utf8').replace(/\\\n/g, '');
  const inImages = [...dockerfile.matchAll(/apt-get install --yes --no-install-recommends ([^&\n]*)/g)].flatMap(([, names]) => names.trim().split(/ +/));
  return [...new Set([...listed, ...inImages, 'adduser', 'logrotate', 'sudo', 'systemd-standalone-tmpfiles'])].sort();
}

// The base, and an archive of what tests install on it; nothing is fetched when they are there.
export async function makeBase() {
  const wanted = packages();
  const stamp = path.join(folder, `stamp-${createHash('sha256').update(wanted.join(' ')).digest('hex').slice(0, 12)}`);
  mkdirSync(folder, { recursive: true });
  if (existsSync(stamp) && Date.now() - Number(readFileSync(stamp, 'utf8')) < AGE_MAX_MS) return;
  const done = await asRoot('flock', [path.join(folder, 'lock'), script, 'base', folder, ...wanted], { timeoutMs: 300_000 });
  if (done.code !== 0) throw new Error(`no Debian base: ${done.stderr || done.stdout}`);
  await asRoot('find', [folder, '-maxdepth', '1', '-name', 'stamp-*', '-delete']);
  writeFileSync(stamp, String(Date.now()));
}

export class Chroot {
  // `binds`: { '/in/there': '/out/here' }.  `net`: a Chroot whose network this one shares.
  static async start({ host = 'cronward.test', binds = {}, net } = {}) {
    const made = new Chroot();
    const at = tempFolder('root');
    const args = ['enter', folder, at, net ? String(net.pid) : 'own', host,
      ...Object.entries(binds).map(([inside, outside]) => `${outside}:${inside}`)];
    const [command, ...rest] = [...sudo, script, ...args];
    // It ends when we let go of its standard input, whichever way that comes about.
    made.child = spawn(command, rest, { env: hostEnv, stdio: ['pipe', 'pipe', 'pipe'] });
    const said = [];
    for (const stream of [made.child.stdout, made.child.stderr]) stream.on('data', (part) => said.push(part));
    made.child.stdin.on('error', () => {});
    made.ended = new Promise((resolve) => made.child.once('close', resolve));
    made.undo = atExit(() => made.child.stdin.destroy());
    const ready = until(() => {
      made.pid = Number(/^ready (\d+)$/m.exec(Buffer.concat(said).toString())?.[1]);
      return made.pid;
    }, { what: 'the chroot to be ready', timeoutMs: 30_000 });
    const died = made.ended.then(() => { throw new Error(`no chroot: ${Buffer.concat(said)}`); });
    died.catch(() => {});
    await Promise.race([ready, died]);
    for (const one of [made.child, made.child.stdin, made.child.stdout, made.child.stderr]) one.unref?.();
    return made;
  }

  // The words of a command that runs in there, for those who start it themselves.
  enter(command, { env = {}, user, cwd = '/' } = {}) {
    const who = user ? ['setpriv', `--reuid=${user}`, `--regid=${user}`, '--init-groups', '--'] : [];
    const words = Object.entries({ PATH, HOME: user ? '/' : '/root', ...env }).map(([name, value]) => `${name}=${value}`);
    return [...sudo, 'nsenter', '--target', String(this.pid), '--pid', '--mount', '--net', '--uts', '--ipc', '--root',
      `--wd=${cwd === '/' ? `/proc/${this.pid}/root` : `/proc/${this.pid}/root${cwd}`}`, 'env', '-i', ...words, ...who, ...command];
  }

  // A shell's text in there; what `run` of lib/process answers.
  run(text, { env, user, cwd, input, timeoutMs = 120_000, shell = ['bash', '-c'] } = {}) {
    const [command, ...rest] = this.enter([...shell, text], { env, user, cwd });
    return run(command, rest, { env: hostEnv, input, timeoutMs });
  }

  async must(text, options) {
    const done = await this.run(text, options);
    if (done.code !== 0)
      throw new Error(`in the chroot: ${text}\nended ${done.code}${done.timedOut ? ', too late' : ''}:\n${done.stdout}${done.stderr}`);
    return done.stdout;
  }

  // A program of this machine's that has only the network in common with the root; ends with us.
  // `line` is given each line that it prints; the answer comes with the first.
  async neighbour(command, args, line) {
    const [first, ...rest] = [...sudo, 'nsenter', `--net=/proc/${this.pid}/ns/net`, command, ...args];
    const child = spawn(first, rest, { env: hostEnv, stdio: ['pipe', 'pipe', 'inherit'] });
    atExit(() => child.stdin.destroy());
    let open = '';
    let lines = 0;
    child.stdout.on('data', (part) => {
      const parts = (open + part).split('\n');
      open = parts.pop();
      for (const text of parts) if (lines++ > 0) line(text);
    });
    await until(() => lines > 0, { what: `${command} to be ready` });
    for (const one of [child, child.stdin, child.stdout]) one.unref();
  }

  async write(at, text, mode = 0o644) {
    await this.must(`mkdir -p "$(dirname "$1")" && cat >"$1" && chmod ${mode.toString(8)} "$1"`.replaceAll('$1', at), { input: text });
  }

  async read(at) {
    return await this.must(`cat ${at}`);
  }

  async has(at) {
    return (await this.run(`test -e ${at} || test -L ${at}`)).code === 0;
  }

  async end() {
    this.undo();
    await within(15_000, this.ended, 'the end of a chroot');
  }
}
