// A raw FastCGI client: talks straight to a pool's socket, as nginx does, and as nobody should.
import net from 'node:net';

export const TYPE = { BEGIN: 1, ABORT: 2, END: 3, PARAMS: 4, STDIN: 5, STDOUT: 6, STDERR: 7 };
const RECORD_MAX = 65_528;

export function record(type, content = Buffer.alloc(0), id = 1) {
  const head = Buffer.from([1, type, id >> 8, id & 255, content.length >> 8, content.length & 255, 0, 0]);
  return Buffer.concat([head, content]);
}

// A stream of records, ended by an empty one.
function stream(type, content) {
  const parts = [];
  for (let at = 0; at < content.length; at += RECORD_MAX)
    parts.push(record(type, content.subarray(at, at + RECORD_MAX)));
  return Buffer.concat([...parts, record(type)]);
}

function lengthOf(n) {
  if (n < 128) return Buffer.from([n]);
  const four = Buffer.alloc(4);
  four.writeUInt32BE((n | 0x80000000) >>> 0);
  return four;
}

export function encodeParams(params) {
  return Buffer.concat(params.flatMap(([name, value]) => {
    const [n, v] = [Buffer.from(name), Buffer.from(value)];
    return [lengthOf(n.length), lengthOf(v.length), n, v];
  }));
}

// The bytes of a whole request.  Role 1 is the responder; no flag: the connection ends with it.
export function encodeRequest(params, body = Buffer.alloc(0)) {
  return Buffer.concat([
    record(TYPE.BEGIN, Buffer.from([0, 1, 0, 0, 0, 0, 0, 0])),
    stream(TYPE.PARAMS, encodeParams(params)),
    stream(TYPE.STDIN, body),
  ]);
}

// The parameters that nginx/ passes for such a call.  `headers` with their HTTP names.
export function callParams(method, url, { headers = {}, body = Buffer.alloc(0), params = {} } = {}) {
  const mark = url.indexOf('?');
  const at = mark < 0 ? url : url.slice(0, mark);
  const all = {
    REQUEST_METHOD: method,
    DOCUMENT_URI: at,
    QUERY_STRING: mark < 0 ? '' : url.slice(mark + 1),
    CONTENT_TYPE: '',
    CONTENT_LENGTH: body.length || method === 'POST' ? String(body.length) : '',
    SERVER_PROTOCOL: 'HTTP/1.1',
    REMOTE_ADDR: '127.0.0.1',
    REQUEST_MSEC: (Date.now() / 1000).toFixed(3),
    HTTP_PROXY: '',
  };
  for (const [name, value] of Object.entries(headers))
    all[`HTTP_${name.toUpperCase().replaceAll('-', '_')}`] = value;
  return Object.entries({ ...all, ...params });
}

// Splits what came back into records' contents; `ended` tells whether END was there.
export function decodeAnswer(bytes) {
  const out = [];
  const err = [];
  let ended = false;
  for (let at = 0; at + 8 <= bytes.length;) {
    const length = bytes.readUInt16BE(at + 4);
    const content = bytes.subarray(at + 8, at + 8 + length);
    if (bytes[at + 1] === TYPE.STDOUT) out.push(content);
    if (bytes[at + 1] === TYPE.STDERR) err.push(content);
    if (bytes[at + 1] === TYPE.END) ended = true;
    at += 8 + length + bytes[at + 6];
  }
  return { stdout: Buffer.concat(out), stderr: Buffer.concat(err).toString(), ended };
}

// CGI text to status, headers (lower case) and body.
export function parseCgi(stdout) {
  const split = stdout.indexOf('\r\n\r\n');
  const headers = {};
  if (split < 0) return { status: 0, headers, body: stdout.toString() };
  for (const line of stdout.subarray(0, split).toString().split('\r\n')) {
    const colon = line.indexOf(':');
    headers[line.slice(0, colon).toLowerCase()] = line.slice(colon + 1).trim();
  }
  const body = stdout.subarray(split + 4).toString();
  return { status: Number.parseInt(headers.status ?? '200', 10), headers, body };
}

// Sends raw bytes and gathers the answer until the other side closes or `timeoutMs` is over.
// With `halfClose` the peer reads an end behind them, as from a client that has gone.
export function exchange(socket, bytes, { timeoutMs = 30_000, halfClose = false } = {}) {
  return new Promise((resolve) => {
    const parts = [];
    const began = Date.now();
    const link = net.connect({ path: socket, allowHalfOpen: true });
    let settled = false;
    const settle = (error) => {
      if (settled) return;
      settled = true;
      clearTimeout(timer);
      link.destroy();
      resolve({ bytes: Buffer.concat(parts), error, ms: Date.now() - began });
    };
    const timer = setTimeout(() => settle('timeout'), timeoutMs);
    link.on('data', (part) => parts.push(part));
    link.once('end', () => settle());
    link.once('close', () => settle());
    link.once('error', (e) => settle(e.code));
    link.write(bytes);
    if (halfClose) link.end();
  });
}

// One call.  `json` is the parsed body, undefined when it is none; status 0: no answer came.
export async function fcgiCall(socket, method, url, options = {}) {
  const body = Buffer.from(options.body ?? '');
  const got = await exchange(socket, encodeRequest(callParams(method, url, { ...options, body }), body), options);
  const { stdout, stderr, ended } = decodeAnswer(got.bytes);
  const answer = parseCgi(stdout);
  let json;
  try {
    json = JSON.parse(answer.body);
  } catch {
    // Not every answer is JSON; the test says what it expects.
  }
  return { ...answer, json, stderr, ended, error: got.error, ms: got.ms };
}
