// The project's nginx site in front of a pool, started as the product starts it; the same for the
// program and for the constant that it is compared with.
import { chmodSync, cpSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { tempFolder } from '../lib/clean.mjs';
import { freePort } from '../lib/ports.mjs';
import { cleanEnv, isRoot, must, start } from '../lib/process.mjs';
import { root } from '../lib/program.mjs';
import { certificates } from '../lib/tls.mjs';
import { until } from '../lib/wait.mjs';

// nginx' limit per address would answer a load test with 429.
export const siteSettings = { RATE: '1000000r/s', BURST: '1000000' };

const pools = ['workers', 'api', 'inbound', 'async'];

export class Front {
  #parts = [];

  // One pool of `size` processes of `command` behind all four upstreams.
  static async start(name, command, { env = {}, size }) {
    const front = new Front();
    const folder = tempFolder(name);
    const socket = path.join(folder, 'sock');
    front.#parts.push(start('spawn-fcgi', ['-n', '-s', socket, '-M', '0660', '--',
      '/usr/bin/multiwatch', '-f', String(size), '-r', '1000000', '-t', '1', '--', ...command],
    { env: cleanEnv(env), log: path.join(folder, 'pool.log'), deathSignal: 'TERM' }));
    await until(() => existsSync(socket), { what: `the pool of ${name}` });
    for (const pool of pools) symlinkSync(socket, path.join(folder, `${pool}.sock`));
    await front.#nginx(folder);
    return front;
  }

  async #nginx(folder) {
    const port = await freePort();
    const { certFile, keyFile } = certificates();
    const values = {
      ...siteSettings, SOCKETS: folder, RUN: folder, TEMP: folder, LOGS: folder, SERVER_NAME: 'localhost',
      LISTEN_TLS: `listen 127.0.0.1:${await freePort()} ssl;`, LISTEN_HTTP: `listen 127.0.0.1:${port};`,
      PLAIN_ROUTES: 'routes', CERTIFICATE: certFile, CERTIFICATE_KEY: keyFile, READ_TIMEOUT: '30s',
      USER: isRoot ? 'user root;' : '',
    };
    const conf = path.join(folder, 'conf');
    mkdirSync(conf);
    cpSync(path.join(root, 'nginx/cronward'), path.join(conf, 'cronward'), { recursive: true });
    for (const template of ['nginx.conf', 'cronward.conf']) {
      writeFileSync(path.join(conf, template), await must(path.join(root, 'nginx/fill'),
        Object.entries(values).map(([key, value]) => `${key}=${value}`),
        { input: readFileSync(path.join(root, 'nginx', `${template}.in`)) }));
    }
    chmodSync(folder, 0o755);
    this.#parts.push(start('/usr/sbin/nginx', ['-p', folder, '-c', path.join(conf, 'nginx.conf'), '-e', path.join(folder, 'error.log')],
      { log: path.join(folder, 'nginx.log'), deathSignal: 'TERM' }));
    this.url = `http://127.0.0.1:${port}`;
    await until(async () => (await fetch(`${this.url}/healthz`)).ok, { what: 'the site' });
  }

  async stop() {
    for (const part of this.#parts.reverse()) await part.stop();
  }
}
