// The whole product as `make up` starts it, by the product's own scripts: nginx, four pools and a
// private PostgreSQL under a folder of their own.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import pg from 'pg';
import { atExit, tempFolder } from './clean.mjs';
import { httpCall } from './http.mjs';
import { freePort } from './ports.mjs';
import { childrenNamed, cleanEnv, isAlive, run } from './process.mjs';
import { program, root } from './program.mjs';
import { until } from './wait.mjs';

export class Site {
  // `env`: settings of the program and of deploy/local (RATE_LIMIT, RATE_BURST, PLAIN_HTTP, …).
  static async start({ env = {}, build = 'release', up = 'up' } = {}) {
    const site = new Site();
    site.var = tempFolder('var');
    site.portTls = await freePort();
    site.portHttp = await freePort();
    site.env = cleanEnv({
      PATH: `${process.env.PATH}:/usr/sbin:/sbin`,
      HOME: site.var,
      VAR: site.var,
      PORT_TLS: String(site.portTls),
      PORT_HTTP: String(site.portHttp),
      CRONWARD: program(build),
      ...env,
    });
    atExit(() => spawnSync(path.join(root, 'deploy/local'), ['purge'], { env: site.env, stdio: 'ignore', timeout: 60_000 }));
    await site.local(up);
    site.readSecrets();
    return site;
  }

  // A command of deploy/local; what it printed.
  async local(command, { env = {}, mayFail = false } = {}) {
    const done = await run(path.join(root, 'deploy/local'), [command],
      { env: { ...this.env, ...env }, timeoutMs: 150_000, cwd: root });
    if (done.code !== 0 && !mayFail)
      throw new Error(`deploy/local ${command} ended ${done.code}:\n${done.stdout}${done.stderr}`);
    return mayFail ? done : done.stdout;
  }

  // As a shell that sources var/cronward.env has them.
  readSecrets() {
    const text = readFileSync(path.join(this.var, 'cronward.env'), 'utf8');
    const values = [...text.matchAll(/^export (\w+)='?([^'\n]*)'?$/gm)];
    this.secrets = Object.fromEntries(values.map(([, name, value]) => [name, value]));
    this.key = this.secrets.CRON_JOB_API_KEY;
  }

  get ca() {
    return readFileSync(path.join(this.var, 'tls/cert.pem'));
  }

  get state() {
    const link = path.join(this.var, 'state');
    return existsSync(link) ? readlinkSync(link) : this.var;
  }

  // The pid of one of postgres, workers, api, inbound, async, nginx.
  pid(name) {
    return Number(readFileSync(path.join(this.state, 'pid', name), 'utf8').split(' ')[0]);
  }

  processes(pool) {
    return childrenNamed(this.pid(pool), 'cronward');
  }

  // Gives a file of nginx's what `edit` makes of its text; what puts it back.  Over when nginx has taken it:
  // no process is left that has read the file of before.
  async change(name, edit) {
    const file = path.join(this.state, 'nginx/cronward', name);
    const text = readFileSync(file, 'utf8');
    const write = async (wanted) => {
      const before = childrenNamed(this.pid('nginx'), 'nginx');
      writeFileSync(file, wanted);
      process.kill(this.pid('nginx'), 'SIGHUP');
      await until(() => !before.some(isAlive), { what: `nginx to take ${name}` });
    };
    await write(edit(text));
    return () => write(text);
  }

  log(name) {
    const file = path.join(this.var, 'log', name);
    return existsSync(file) ? readFileSync(file, 'utf8') : '';
  }

  // Through TLS unless `plain`.
  call(method, at, { plain = false, ...options } = {}) {
    return plain ? httpCall(`http://127.0.0.1:${this.portHttp}`, method, at, options)
      : httpCall(`https://127.0.0.1:${this.portTls}`, method, at, { ca: this.ca, ...options });
  }

  authorized(method, at, { headers = {}, ...options } = {}) {
    return this.call(method, at, { headers: { authorization: `Bearer ${this.key}`, ...headers }, ...options });
  }

  async query(sql, values) {
    const client = new pg.Client({ connectionString: this.secrets.DATABASE_URL.replace('postgresql:///', 'postgresql://x/') });
    await client.connect();
    try {
      return (await client.query(sql, values)).rows;
    } finally {
      await client.end();
    }
  }

  async end() {
    await this.local('purge');
  }
}
