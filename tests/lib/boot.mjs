// A machine within this one whose PID 1 is systemd; see lib/boot.
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { atExit, tempFolder } from './clean.mjs';
import { cleanEnv, isRoot, run } from './process.mjs';
import { root as project } from './program.mjs';
import { until, within } from './wait.mjs';

const env = cleanEnv({ PATH: `${process.env.PATH}:/usr/sbin:/sbin` });
const sudo = isRoot ? [] : ['sudo', '-n', '--'];
const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

export class Machine {
  // Rejects with what stood in its way.
  static async boot() {
    const made = new Machine();
    const [command, ...args] = [...sudo, path.join(project, 'tests/lib/boot'), path.join(tempFolder('boot'), 'machine')];
    const child = spawn(command, args, { env, stdio: ['pipe', 'pipe', 'pipe'] });
    const said = [];
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (part) => said.push(part));
    child.stdin.on('error', () => {});
    made.ended = new Promise((resolve) => child.once('close', resolve));
    made.undo = atExit(() => child.stdin.destroy());
    const died = made.ended.then(() => { throw new Error(Buffer.concat(said).toString().trim()); });
    died.catch(() => {});
    await Promise.race([died, until(() => {
      made.pid = Number(/^ready (\d+)$/m.exec(Buffer.concat(said).toString())?.[1]);
      return made.pid;
    }, { what: 'systemd to be ready', timeoutMs: 40_000 })]);
    for (const one of [child, child.stdin, child.stdout, child.stderr]) one.unref();
    return made;
  }

  // A shell's text in there; what `run` of lib/process answers.
  run(text, { input, timeoutMs = 60_000 } = {}) {
    const [command, ...args] = [...sudo, 'nsenter', '--target', String(this.pid), '--pid', '--mount', '--net', '--uts', '--ipc', '--cgroup',
      '--root', `--wd=/proc/${this.pid}/root`, 'env', '-i', `PATH=${PATH}`, 'HOME=/root', 'LC_ALL=C.UTF-8', 'bash', '-c', text];
    return run(command, args, { env, input, timeoutMs });
  }

  async must(text, options) {
    const done = await this.run(text, options);
    if (done.code !== 0)
      throw new Error(`in the machine: ${text}\nended ${done.code}${done.timedOut ? ', too late' : ''}:\n${done.stdout}${done.stderr}`);
    return done.stdout.trim();
  }

  // A file of this machine's, or the text of one.
  async write(at, { file, text = readFileSync(file) }) {
    await this.must(`mkdir -p "$(dirname ${at})" && cat >${at}`, { input: text });
  }

  async end() {
    this.undo();
    await within(20_000, this.ended, 'the end of the machine');
  }
}
