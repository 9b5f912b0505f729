// A stand-in of cron-job.org's REST API: what its documents and its source say of jobs, limits and
// errors, and faults on demand.
import { serve } from './http.mjs';

const DAY = 100;

// What the service makes of a job that says nothing but its URL.
const defaults = () => ({
  enabled: false, title: '', saveResponses: false, url: '', lastStatus: 0, lastDuration: 0, lastExecution: 0, nextExecution: null,
  type: 0, requestTimeout: -1, redirectSuccess: false, folderId: 0, requestMethod: 0,
  schedule: { timezone: 'UTC', expiresAt: 0, hours: [], mdays: [], minutes: [], months: [], wdays: [] },
  auth: { enable: false, user: '', password: '' },
  notification: { onFailure: false, onFailureCount: 1, onSuccess: false, onDisable: false, onSslCertExpiry: false, onSslCertExpirySeconds: 604800 },
  extendedData: { headers: {}, body: '' },
});
const groups = ['schedule', 'auth', 'notification'];
const readOnly = new Set(['jobId', 'type', 'lastStatus', 'lastDuration', 'lastExecution', 'nextExecution']);

export class CronJobOrg {
  jobs = new Map();
  requests = []; // { method, path, headers, body, at, status }
  #next = 1000;
  #faults = [];
  dayLimit = DAY;
  nodes = ['192.0.2.67', '2001:db8::1'];

  static async start({ host = '127.0.0.2', key = 'the-key-of-an-account-0123456789' } = {}) {
    const service = new CronJobOrg();
    service.key = key;
    Object.assign(service, await serve(host, (q, s) => service.#take(q, s)));
    return service;
  }

  // A job that somebody made by hand; its id.
  add(job) {
    const id = this.#next++;
    this.jobs.set(id, this.#merge({ jobId: id, ...defaults() }, job));
    return id;
  }

  // The next request that `matches` (method and path as text) meets `fault`: a status, or
  // { status, headers, body, hang, afterwards }; `afterwards`: what was asked for is done all the same.
  fail(matches, fault, times = 1) {
    for (let i = 0; i < times; i++) this.#faults.push({ matches, fault: typeof fault === 'number' ? { status: fault } : fault });
  }

  forget() {
    this.requests = [];
    this.#faults = [];
  }

  changes() {
    return this.requests.filter((one) => one.method !== 'GET');
  }

  #take(request, response) {
    const parts = [];
    request.on('data', (part) => parts.push(part));
    request.on('end', () => {
      const one = { method: request.method, path: request.url, headers: request.headers, body: Buffer.concat(parts).toString(), at: Date.now() };
      this.requests.push(one);
      const line = `${one.method} ${one.path}`;
      const at = this.#faults.findIndex(({ matches }) => (matches instanceof RegExp ? matches.test(line) : line === matches));
      const fault = at >= 0 ? this.#faults.splice(at, 1)[0].fault : undefined;
      if (fault?.hang) return;
      const answer = fault && !fault.afterwards ? fault : this.#answer(one);
      const { status, headers = {}, body = '' } = fault ?? answer;
      one.status = status;
      response.writeHead(status, { 'content-type': 'application/json', ...headers });
      response.end(typeof body === 'string' ? body : JSON.stringify(body));
    });
  }

  // Errors have no body there.
  #answer({ method, path, headers, body, at }) {
    if (path === '/executor-nodes.json') return { status: 200, body: { ipAddresses: this.nodes } };
    if (headers.authorization !== `Bearer ${this.key}`) return { status: 401 };
    if (this.#tooMany(method, at) || this.requests.filter((one) => one.status !== 401).length > this.dayLimit) return { status: 429 };
    // Whatever else is sent counts as nothing.
    const sent = headers['content-type'] === 'application/json' && body ? JSON.parse(body) : {};
    const id = Number(/^\/jobs\/(\d+)$/.exec(path)?.[1]);
    if (method === 'GET' && path === '/jobs') return { status: 200, body: { jobs: [...this.jobs.values()].map(listed), someFailed: false } };
    if (method === 'PUT' && path === '/jobs') {
      if (!sent.job?.url) return { status: 400 };
      return { status: 200, body: { jobId: this.add(sent.job) } };
    }
    if (!this.jobs.has(id)) return { status: 404 };
    if (method === 'GET') return { status: 200, body: { jobDetails: asPhp(this.jobs.get(id)) } };
    if (method !== 'PATCH' || !sent.job) return { status: 400 };
    this.#merge(this.jobs.get(id), sent.job);
    return { status: 200, body: {} };
  }

  // Of the documents: 1 creation a second, 5 a minute; 5 of each other kind a second.
  #tooMany(method, at) {
    const within = (ms) => this.requests.filter((one) => one.method === method && (one.status ?? 200) === 200 && one.at > at - ms).length;
    return method === 'PUT' ? within(1000) > 1 || within(60_000) > 5 : within(1000) > 5;
  }

  // Headers are taken as a whole, other groups member by member.
  #merge(job, change) {
    for (const [name, value] of Object.entries(change)) {
      if (readOnly.has(name)) continue;
      if (groups.includes(name)) Object.assign(job[name], value);
      else if (name === 'extendedData') Object.assign(job.extendedData, value);
      else job[name] = value;
    }
    return job;
  }
}

// The list leaves the details out.
function listed(job) {
  const { auth, notification, extendedData, ...rest } = job;
  return rest;
}

// An object without members is an array to PHP.
function asPhp(job) {
  const { headers, body } = job.extendedData;
  return { ...job, extendedData: { headers: Object.keys(headers).length > 0 ? headers : [], body } };
}
