// A command on a terminal: a pseudo-terminal that `script` (bsdutils, essential in Debian) opens.
import { spawn } from 'node:child_process';
import { atExit } from './clean.mjs';
import { cleanEnv } from './process.mjs';
import { until, within } from './wait.mjs';

const quote = (word) => `'${word.replaceAll("'", "'\\''")}'`;

export class Terminal {
  #child;
  #ended;
  output = '';

  // `env` is all that the command gets to see; it follows `before` (shell words) on a terminal of
  // `rows` lines.
  constructor(command, args, env = {}, { rows = 50, columns = 200, before = ':', after = ':' } = {}) {
    const line = `stty rows ${rows} columns ${columns}; ${before}; ${[command, ...args].map(quote).join(' ')}; code=$?; ${after}; exit $code`;
    this.#child = spawn('script', ['-qec', line, '/dev/null'],
      { env: cleanEnv({ TERM: 'xterm', SHELL: '/bin/bash', ...env }), stdio: ['pipe', 'pipe', 'inherit'] });
    const undo = atExit(() => this.#child.kill('SIGKILL'));
    this.#child.stdout.on('data', (part) => { this.output += part; });
    this.#child.stdin.on('error', () => {});
    this.#ended = new Promise((resolve) => this.#child.once('close', (code) => {
      undo();
      resolve(code);
    }));
  }

  // Keys; '\x03' is Ctrl-C.
  type(keys) {
    this.#child.stdin.write(keys);
  }

  // Waits until the output from `from` on matches.
  async shows(pattern, { from = 0, timeoutMs = 10_000 } = {}) {
    await until(() => pattern.test(this.output.slice(from)), { what: `${pattern} in ${JSON.stringify(this.output.slice(-2000))}`, timeoutMs });
  }

  // The exit code.
  ended(timeoutMs = 15_000) {
    return within(timeoutMs, this.#ended, 'the end of a command on a terminal');
  }
}
