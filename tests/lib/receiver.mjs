// Receivers of webhooks: servers on loopback that record every request and behave well or badly.
// What a request meets is the first part of its path: /ok/any/thing, /status/500, /slow/250/x.
//
// They listen on 127.0.0.2, which EGRESS_ALLOW names, so that 127.0.0.1 stays forbidden ground
// where a canary can sit.
import { EventEmitter } from 'node:events';
import http from 'node:http';
import https from 'node:https';
import net from 'node:net';
import { gzipSync } from 'node:zlib';
import { atExit } from './clean.mjs';
import { certificates } from './tls.mjs';
import { refusal } from './webhooks.mjs';

export const RECEIVER_HOST = '127.0.0.2';
export const EGRESS_ALLOW = '127.0.0.2/32';

const KB = 1024;
const BOMB_BYTES = 200 * KB * KB;
const FLOOD_LINES = 200_000;

let bomb;

// name -> (request, response, rest of the path, receiver).  Each may take its time or never end.
const behaviours = {
  ok: (q, s) => s.end('ok'),
  // Answers an error with what `says` makes of the request.
  echo: (q, s, rest, receiver) => { s.statusCode = 500; s.end(receiver.says(q)); },
  status: (q, s, [code]) => { s.statusCode = Number(code); s.end('as asked'); },
  // Answers this status with what `says` makes of the request.
  say: (q, s, [code], receiver) => { s.statusCode = Number(code); s.end(receiver.says(q)); },
  gone: (q, s) => { s.statusCode = 410; s.end(); },
  hang: () => {},
  reset: (q) => q.socket.resetAndDestroy(),
  slow: (q, s, [ms]) => later(s, Number(ms), () => s.end('slow')),
  // 500 until the n-th request of the same webhook-id.
  flaky: (q, s, [n], receiver) => {
    s.statusCode = receiver.timesSeen(q.headers['webhook-id']) < Number(n) ? 500 : 200;
    s.end();
  },
  drip: (q, s) => { s.writeHead(200, { 'content-length': '100000' }); repeat(s, 100, () => s.write('.')); },
  endless: (q, s) => {
    s.writeHead(200);
    const more = () => { while (!s.destroyed && s.write(Buffer.alloc(64 * KB, 'x'))); };
    s.on('drain', more);
    more();
  },
  gzip: (q, s) => {
    bomb ??= gzipSync(Buffer.alloc(BOMB_BYTES));
    s.writeHead(200, { 'content-encoding': 'gzip' });
    s.end(bomb);
  },
  // 200,000 header lines, then one of 2 MB.
  flood: (q) => raw(q, `HTTP/1.1 200 OK\r\n${'X-Flood: 0123456789\r\n'.repeat(FLOOD_LINES)}\r\n`),
  longheader: (q) => raw(q, `HTTP/1.1 200 OK\r\nX-Long: ${'y'.repeat(2 * KB * KB)}\r\n\r\n`),
  // Interim answers for ever.
  interim: (q) => {
    const link = q.socket;
    repeat(link, 1, () => link.write('HTTP/1.1 100 Continue\r\n\r\n'.repeat(100)));
  },
  half: (q) => raw(q, 'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf'),
  garbage: (q) => raw(q, '\0\x01\x02 this is no HTTP\r\n\r\n'),
  redirect: (q, s, [code], receiver) => { s.writeHead(Number(code), { location: receiver.redirectTo }); s.end(); },
  // 429 or 503 with a Retry-After in seconds, as a date, or as nonsense.
  retryafter: (q, s, [seconds, code = '429']) => { s.writeHead(Number(code), { 'retry-after': seconds }); s.end(); },
  retrydate: (q, s, [seconds]) => {
    s.writeHead(429, { 'retry-after': new Date(Date.now() + Number(seconds) * 1000).toUTCString() });
    s.end();
  },
  // A body that no text column takes: NUL and bytes that are no UTF-8.
  dirty: (q, s) => { s.statusCode = 500; s.end(Buffer.from([0x61, 0, 0xff, 0xfe, 0xc0, 0x80, 0x62])); },
};

function later(response, ms, fn) {
  const timer = setTimeout(fn, ms);
  response.once('close', () => clearTimeout(timer));
}

function repeat(stream, everyMs, fn) {
  const timer = setInterval(() => (stream.destroyed ? clearInterval(timer) : fn()), everyMs);
  stream.once('close', () => clearInterval(timer));
}

function raw(request, text) {
  request.socket.end(text, 'latin1');
}

export class Receiver extends EventEmitter {
  #server;
  #secrets = new Map(); // path -> secret
  #seen = new Map(); // webhook-id -> times
  requests = []; // { id, path, at, type, refusal, bytes, body }
  connections = 0;
  inflight = 0;
  inflightMax = 0;
  says = () => 'an error';
  redirectTo = 'http://10.0.0.1/';

  static async start({ tls = false, certificate, host = RECEIVER_HOST, keepBodies = true, port = 0 } = {}) {
    const receiver = new Receiver();
    receiver.keepBodies = keepBodies;
    const handler = (q, s) => receiver.#take(q, s);
    receiver.#server = tls
      ? https.createServer({ ...(certificate ?? certificates()) }, handler) : http.createServer(handler);
    receiver.#server.on('connection', (link) => {
      receiver.connections++;
      link.on('error', () => {}); // peers come and go
    });
    receiver.#server.on('tlsClientError', () => {});
    await new Promise((resolve, reject) => {
      receiver.#server.once('error', reject);
      receiver.#server.listen(port, host, resolve);
    });
    receiver.port = receiver.#server.address().port;
    receiver.origin = `${tls ? 'https' : 'http'}://${host}:${receiver.port}`;
    receiver.#server.unref();
    receiver.stop = atExit(() => {
      receiver.#server.closeAllConnections();
      receiver.#server.close();
    });
    return receiver;
  }

  // The URL that meets this behaviour; its requests are verified with `secret`.
  url(at, secret) {
    const full = at.startsWith('/') ? at : `/${at}`;
    if (secret) this.#secrets.set(full, secret);
    return this.origin + full;
  }

  timesSeen(id) {
    return this.#seen.get(id) ?? 0;
  }

  forget() {
    this.requests = [];
    this.#seen.clear();
  }

  to(at) {
    return this.requests.filter((one) => one.path === at || one.path.startsWith(`${at}/`));
  }

  #take(request, response) {
    const parts = [];
    this.inflightMax = Math.max(this.inflightMax, ++this.inflight);
    response.once('close', () => this.inflight--);
    request.on('error', () => {});
    response.on('error', () => {});
    request.on('data', (part) => parts.push(part));
    request.on('end', () => {
      this.#record(request, Buffer.concat(parts), response);
      const [, name, ...rest] = request.url.split('/');
      const behave = behaviours[name] ?? behaviours.ok;
      behave(request, response, rest, this);
    });
  }

  // Only whole requests count: one that broke off never reached the application behind us.
  #record(request, body, response) {
    const id = request.headers['webhook-id'];
    const secret = this.#secrets.get(request.url);
    this.#seen.set(id, this.timesSeen(id) + 1);
    const entry = {
      id,
      path: request.url,
      method: request.method,
      headers: request.headers,
      at: Date.now(),
      refusal: secret ? refusal(secret, request.headers, body) : undefined,
      bytes: body.length,
      body: this.keepBodies ? body.toString() : undefined,
    };
    this.requests.push(entry);
    this.emit('request', entry, response);
  }
}

// Counts connections and answers nothing: where no connection may ever arrive.
export async function canary(host = '127.0.0.1') {
  const seen = { connections: 0 };
  const server = net.createServer((link) => {
    seen.connections++;
    link.on('error', () => {});
    link.end('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n');
  });
  await new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, host, resolve);
  });
  server.unref();
  seen.port = server.address().port;
  seen.host = host.includes(':') ? `[${host}]` : host;
  seen.stop = atExit(() => server.close());
  return seen;
}
