// A pool of processes exactly as the product starts it: spawn-fcgi opens the socket, multiwatch
// keeps the processes alive.
import { chmodSync, existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { tempFolder } from './clean.mjs';
import { fcgiCall } from './fcgi.mjs';
import { childrenNamed, cleanEnv, killNow, start } from './process.mjs';
import { program } from './program.mjs';
import { until } from './wait.mjs';

const TOLD_AGAIN_MS = 300;

export class Pool {
  #supervisor;

  // `env` is all that the program gets to see; `wrap` is a command that starts the one behind it.
  static async start({ env, size = 2, build = 'release', name = 'pool', wrap = [] }) {
    const pool = new Pool();
    const folder = tempFolder(name);
    pool.size = size;
    pool.socket = path.join(folder, 'sock');
    pool.logFile = path.join(folder, 'log');
    const [command, ...args] = [...wrap, 'spawn-fcgi', '-n', '-s', pool.socket, '-M', '0660', '--', '/usr/bin/multiwatch', '-f', String(size),
      '-r', '1000000', '-t', '1', '--', program(build), 'serve'];
    pool.#supervisor = start(command, args, { env: cleanEnv(env), log: pool.logFile, deathSignal: 'TERM' });
    chmodSync(folder, 0o711);
    await pool.whenFull();
    return pool;
  }

  get pid() {
    return this.#supervisor.pid;
  }

  // The processes that serve now.
  processes() {
    return childrenNamed(this.pid, 'cronward');
  }

  async whenFull(timeoutMs = 10_000) {
    await until(() => {
      if (!this.#supervisor.running) throw new Error(`the pool ended:\n${this.log()}`);
      return existsSync(this.socket) && this.processes().length === this.size;
    }, { what: `a pool of ${this.size}`, timeoutMs, everyMs: 2 });
  }

  call(method, url, options) {
    return fcgiCall(this.socket, method, url, options);
  }

  // What `ask` gives from each process: meanwhile the others stand still.  One that ends by itself
  // is asked in its successor, or not at all.
  async ofEach(ask) {
    const answers = [];
    for (const pid of this.processes()) {
      const now = this.processes();
      const others = now.filter((one) => one !== pid);
      if (others.length === now.length) continue;
      try {
        for (const one of others) killNow(one, 'SIGSTOP');
        answers.push(await ask(pid));
      } finally {
        for (const one of others) killNow(one, 'SIGCONT');
      }
    }
    return answers;
  }

  log() {
    return existsSync(this.logFile) ? readFileSync(this.logFile, 'utf8') : '';
  }

  signal(name) {
    this.#supervisor.signal(name);
  }

  // Drains: multiwatch tells its children to end and waits for them.  As the unit does, it is told again
  // until it has ended: a child that it has just started misses what it is told before it is cronward.
  async stop(graceMs = 40_000) {
    const again = setInterval(() => this.signal('SIGTERM'), TOLD_AGAIN_MS);
    try {
      return await this.#supervisor.stop('SIGTERM', graceMs);
    } finally {
      clearInterval(again);
    }
  }
}
