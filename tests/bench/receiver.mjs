// The receiver of all deliveries: one nginx on loopback, one server block and port an endpoint,
// that answers 200 at once and counts.
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { tempFolder } from '../lib/clean.mjs';
import { freePort } from '../lib/ports.mjs';
import { start } from '../lib/process.mjs';
import { until } from '../lib/wait.mjs';

export const RECEIVER_ADDRESS = '127.0.0.1';

const settings = {
  worker_processes: 1,
  worker_connections: 1024,
  access_log: 'off',
  keepalive_requests: 10_000_000,
  keepalive_timeout: '300s',
};

export function nginxStart(folder, conf) {
  mkdirSync(path.join(folder, 'logs'), { recursive: true });
  return start('/usr/sbin/nginx', ['-p', folder, '-c', conf, '-e', path.join(folder, 'logs/error')],
    { log: path.join(folder, 'logs/output'), deathSignal: 'TERM' });
}

export class Receiver {
  #status;
  #server;

  static async start(endpoints, results) {
    const receiver = new Receiver();
    const ports = [];
    for (let i = 0; i < endpoints; i++) ports.push(await freePort());
    const statusPort = await freePort();
    const folder = tempFolder('receiver');
    const conf = path.join(folder, 'nginx.conf');
    writeFileSync(conf, nginxConf(folder, ports, statusPort));
    receiver.#server = nginxStart(folder, conf);
    receiver.#status = `http://${RECEIVER_ADDRESS}:${statusPort}/`;
    receiver.urls = ports.map((port) => `http://${RECEIVER_ADDRESS}:${port}/hook`);
    await until(() => receiver.#requests(), { what: 'the receiver' });
    results.settings('receiver (nginx)', { ...settings, servers: endpoints, answer: '200 "ok"' });
    return receiver;
  }

  // What `work` answers, after seeing that it made exactly `count` requests.
  async expecting(count, work) {
    const before = await this.#requests();
    const answer = await work();
    const came = (await this.#requests()) - before - 1; // the question itself is one
    if (came !== count) throw new Error(`${came} requests reached the receiver, not ${count}`);
    return answer;
  }

  async #requests() {
    const text = await (await fetch(this.#status, { headers: { connection: 'close' } })).text();
    return Number(/requests\s+\d+ \d+ (\d+)/.exec(text)[1]);
  }

  stop() {
    return this.#server.stop();
  }
}

function nginxConf(folder, ports, statusPort) {
  return nginxText(folder, [
    `server { listen ${RECEIVER_ADDRESS}:${statusPort}; location / { stub_status; } }`,
    ...ports.map((port) => `server { listen ${RECEIVER_ADDRESS}:${port} backlog=1024; location / { return 200 "ok"; } }`),
  ]);
}

// The configuration of an nginx that has nothing to do but answer; `more` stands in its http block.
export function nginxText(folder, more) {
  const temp = ['client_body', 'fastcgi', 'proxy', 'scgi', 'uwsgi'].map((what) => `${what}_temp_path ${folder}/${what};`);
  return `
    daemon off;
    worker_processes ${settings.worker_processes};
    pid ${folder}/pid;
    events { worker_connections ${settings.worker_connections}; }
    http {
      access_log ${settings.access_log};
      keepalive_requests ${settings.keepalive_requests};
      keepalive_timeout ${settings.keepalive_timeout};
      ${[...temp, ...more].join('\n')}
    }
  `;
}
