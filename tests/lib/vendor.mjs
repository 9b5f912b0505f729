// What stand-ins of vendors have in common: requests are recorded and checked, faults are played on
// demand.  The same orders as a referee's: {fault, count, after, retry_after, ms, match, …}, and
// with `accepted` a fault comes after the vendor has done what was asked.
//
// A stand-in of its own has violations(one, url), answer(one, url) and error(status, fault).  One that
// knows more than one account says in earlyMs(one) and waits(one, seconds) whom a limit concerns.
import { serve } from './http.mjs';

export class Vendor {
  static async start({ host = '127.0.0.2' } = {}) {
    const vendor = new this();
    await vendor.reset();
    Object.assign(vendor, await serve(host, (q, s) => vendor.#take(q, s)));
    return vendor;
  }

  async reset() {
    this.all = [];
    this.faults = [];
    this.notBefore = 0;
  }

  async fault(fault) {
    this.faults.push({ count: 1, ...fault, fault: String(fault.fault) });
  }

  // { method, path, headers, body, violations, fault, status, early_ms }
  async requests() {
    return this.all;
  }

  #take(request, response) {
    const parts = [];
    request.on('error', () => {});
    request.on('data', (part) => parts.push(part));
    request.on('end', () => {
      const url = new URL(request.url, this.origin);
      const one = { method: request.method, path: url.pathname, search: url.search, headers: request.headers, body: Buffer.concat(parts).toString(),
        fault: null };
      this.begins(one, response);
      one.early_ms = this.earlyMs(one);
      one.violations = this.violations(one, url);
      this.all.push(one);
      const fault = this.next(one);
      if (fault?.retry_after) this.waits(one, fault.retry_after);
      one.fault = fault?.fault ?? null;
      this.#play(fault, one, () => this.#check(one, url), request, response);
      response.on('finish', () => { one.status = response.statusCode; });
    });
  }

  begins() {}

  earlyMs() {
    return Math.max(0, this.notBefore - Date.now());
  }

  waits(one, seconds) {
    this.notBefore = Date.now() + seconds * 1000;
  }

  next(one) {
    const at = this.faults.findIndex(({ match }) => !match || one.path.includes(match));
    if (at < 0) return undefined;
    const fault = this.faults[at];
    if (fault.after > 0) {
      fault.after--;
      return undefined;
    }
    if (--fault.count <= 0) this.faults.splice(at, 1);
    return fault;
  }

  #check(one, url) {
    return one.violations.length > 0 ? { status: 400, body: { violations: one.violations } } : this.answer(one, url);
  }

  #play(fault, one, make, request, response) {
    const made = fault?.accepted ? make() : undefined;
    const answer = () => made ?? make();
    const kinds = {
      timeout: () => {},
      reset: () => request.socket.resetAndDestroy(),
      slow: () => {
        const timer = setTimeout(() => write(response, answer()), fault.ms ?? 2000);
        response.once('close', () => clearTimeout(timer));
      },
      truncate: () => {
        const text = textOf(answer());
        response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) + 100 });
        response.write(text || ' ', () => request.socket.destroy());
      },
      'invalid-json': () => {
        write(response, { body: `${textOf(answer()).slice(0, 20)}{"unterminated": "` });
      },
      empty: () => write(response, { body: '' }),
      html: () => write(response, { status: fault.status ?? 503, headers: { 'content-type': 'text/html' }, body: '<html><body><h1>Service Unavailable</h1></body></html>' }),
      huge: () => write(response, { body: ' '.repeat(fault.bytes ?? 4 * 1024 * 1024) }),
      echo: () => {
        const sent = `you sent ${JSON.stringify(request.headers)} ${one.body}`;
        write(response, { status: fault.status ?? 500, body: { ok: false, error: sent, message: sent, error_description: sent } });
      },
    };
    if (!fault) write(response, answer());
    else if (kinds[fault.fault]) kinds[fault.fault]();
    else write(response, this.error(Number(fault.fault), fault, one));
  }
}

function textOf({ body = '' }) {
  return typeof body === 'string' ? body : JSON.stringify(body);
}

function write(response, answer) {
  const { status = 200, headers = {} } = answer;
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  response.end(textOf(answer));
}
