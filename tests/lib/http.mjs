// A small HTTP client for calls through nginx: a fresh connection each time, as cron services do.
import http from 'node:http';
import https from 'node:https';
import tls from 'node:tls';
import { atExit } from './clean.mjs';

// Status, headers, body, parsed JSON where it is some; status 0 with `error` when nothing came.
export function httpCall(origin, method, at, { headers = {}, body, ca, timeoutMs = 40_000, localAddress } = {}) {
  return new Promise((resolve) => {
    const began = Date.now();
    const url = new URL(origin);
    const request = (url.protocol === 'https:' ? https : http).request({
      host: url.hostname, port: url.port, method, path: at, ca, localAddress, agent: false, timeout: timeoutMs,
      headers: { ...(body !== undefined || method === 'POST' ? { 'content-length': Buffer.byteLength(body ?? '') } : {}), ...headers },
    });
    const fail = (e) => resolve({ status: 0, headers: {}, body: '', error: e.code ?? e.message, ms: Date.now() - began });
    request.once('error', fail);
    request.once('timeout', () => request.destroy(new Error('timeout')));
    request.once('response', (response) => {
      const parts = [];
      response.on('data', (part) => parts.push(part));
      response.once('error', fail);
      response.once('end', () => {
        const text = Buffer.concat(parts).toString();
        let json;
        try {
          json = JSON.parse(text);
        } catch {
          // The test says what it expects.
        }
        resolve({ status: response.statusCode, headers: response.headers, body: text, json, ms: Date.now() - began });
      });
    });
    request.end(body);
  });
}

// Raw bytes over TLS; the status codes of all answers that come back within `timeoutMs`.
export function rawStatuses(port, ca, bytes, timeoutMs = 1500) {
  return new Promise((resolve) => {
    const parts = [];
    const link = tls.connect({ port, host: '127.0.0.1', ca, servername: 'localhost' }, () => link.write(bytes));
    const end = () => {
      clearTimeout(timer);
      link.destroy();
      resolve([...Buffer.concat(parts).toString('latin1').matchAll(/^HTTP\/1\.\d (\d{3})/gm)].map(([, status]) => Number(status)));
    };
    const timer = setTimeout(end, timeoutMs);
    link.on('data', (part) => parts.push(part));
    link.once('end', end);
    link.once('error', end);
  });
}

// A server on a free port, until `stop` or the end of the program; it keeps no program alive.
export async function serve(host, take) {
  const server = http.createServer(take);
  await new Promise((resolve, reject) => server.once('error', reject).listen(0, host, resolve));
  server.unref();
  const stop = atExit(() => { server.closeAllConnections(); server.close(); });
  return { origin: `http://${host}:${server.address().port}`, stop };
}
