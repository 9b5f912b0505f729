// A stand-in of Apollo.io's enrichments: what its documents say of requests, answers and limits,
// and faults on demand.  The same orders as a referee's: {fault, count, retry_after, ms, match, …}.
import { serve } from './http.mjs';

const KEY = 'the-key-of-a-team-0123456789';
const PERSON = ['first_name', 'last_name', 'name', 'email', 'hashed_email', 'organization_name', 'domain', 'id', 'linkedin_url',
  'reveal_personal_emails', 'reveal_phone_number', 'webhook_url', 'run_waterfall_email', 'run_waterfall_phone'];
const ORGANIZATION = ['domain', 'linkedin_url', 'name', 'website'];
const ORGANIZATIONS = '/api/v1/organizations/enrich', PEOPLE = '/api/v1/people/match';

const organization = () => ({ id: '5e66b6381e05b4008c8331b8', name: 'Example', website_url: 'http://www.example.com', phone: null, languages: [],
  founded_year: 2015, annual_revenue: 1.5e8, primary_domain: 'example.com', keywords: ['sales', 'ünïcode'], technology_names: [] });
const person = () => ({ id: '64a7ff0cc4dfae00013df1a5', first_name: 'Ada', last_name: 'Example', email: 'ada@example.com', twitter_url: null,
  employment_history: [{ organization_id: null, organization_name: 'Example', current: true }], organization: organization() });

export class Apollo {
  credentials = { api_key: KEY };

  static async start({ host = '127.0.0.2' } = {}) {
    const apollo = new Apollo();
    await apollo.reset();
    Object.assign(apollo, await serve(host, (q, s) => apollo.#take(q, s)));
    return apollo;
  }

  async reset() {
    this.all = [];
    this.faults = [];
    this.left = undefined; // of the minute's window; undefined: no limit is told
    this.notBefore = 0;
    this.change = (answer) => answer;
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
        fault: null, early_ms: Math.max(0, this.notBefore - Date.now()) };
      one.violations = violations(one, url);
      this.all.push(one);
      const fault = this.#next(one);
      if (fault?.retry_after) this.notBefore = Date.now() + fault.retry_after * 1000;
      one.fault = fault?.fault ?? null;
      play(fault, () => this.#answer(one, url), request, response);
      response.on('finish', () => { one.status = response.statusCode; });
    });
  }

  #next(one) {
    const at = this.faults.findIndex(({ match }) => !match || one.path.includes(match));
    if (at < 0) return undefined;
    const fault = this.faults[at];
    if (--fault.count <= 0) this.faults.splice(at, 1);
    return fault;
  }

  #answer(one, url) {
    if (one.violations.length > 0) return { status: 400, body: { violations: one.violations } };
    if (one.headers['x-api-key'] !== KEY)
      return { status: 401, headers: { 'content-type': 'text/plain; charset=utf-8' }, body: 'Invalid API key. See https://docs.apollo.io/reference/authentication for how to authenticate.' };
    const limits = this.#limits();
    if (limits.over) return limits.over;
    return { ...this.change(this.#find(one, url)), headers: limits.headers };
  }

  #limits() {
    const headers = { 'x-rate-limit-hourly': '', 'x-rate-limit-24-hour': '' };
    if (this.left === undefined) return { headers };
    if (this.left === 0) return { over: { status: 429, headers: { 'x-minute-requests-left': '0' }, body: { message: 'The maximum number of api calls is used up.' } } };
    this.left--;
    return { headers: { ...headers, 'x-rate-limit-minute': '1000', 'x-minute-requests-left': String(this.left) } };
  }

  #find(one, url) {
    const asked = one.path === PEOPLE ? JSON.parse(one.body) : Object.fromEntries(url.searchParams);
    if (!Object.values(asked).some((value) => typeof value === 'string' && value)) return { status: 422, body: { error: "Required parameter 'domain' missing" } };
    if (JSON.stringify(asked).includes('nomatch')) return { body: one.path === PEOPLE ? { person: null } : {} };
    if (one.path === PEOPLE) return { body: { person: { ...person(), ...(asked.email && { email: asked.email }) }, request_id: 7 } };
    return { body: { organization: { ...organization(), ...(asked.domain && { primary_domain: asked.domain }) } } };
  }
}

// What the documents do not allow.
function violations({ method, path, headers, body }, url) {
  const found = [];
  const operation = { [`GET ${ORGANIZATIONS}`]: ORGANIZATION, [`POST ${PEOPLE}`]: PERSON }[`${method} ${path}`];
  if (!operation) return [`no such operation: ${method} ${path}`];
  if (!/^[\w-]+\/\d+\.\d+\.\d+/.test(headers['user-agent'] ?? '')) found.push('no user agent');
  if (url.searchParams.has('api_key') || body.includes('api_key')) found.push('the key belongs into a header');
  for (const name of url.searchParams.keys())
    if (path === PEOPLE || !operation.includes(name)) found.push(`no such parameter: ${name}`);
  if (/^www\.|@|\//.test(url.searchParams.get('domain') ?? '')) found.push('a domain has neither www. nor @ nor a path');
  if (method !== 'POST') return found;
  if (headers['content-type'] !== 'application/json') found.push('the body is not said to be JSON');
  for (const [name, value] of Object.entries(JSON.parse(body)))
    if (!operation.includes(name) || !['string', 'boolean'].includes(typeof value)) found.push(`no such field: ${name}`);
  return found;
}

function write(response, { status = 200, headers = {}, body }) {
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  response.end(typeof body === 'string' ? body : JSON.stringify(body));
}

function error(status, { retry_after: after }) {
  const headers = status === 429 && after !== null ? { 'retry-after': String(after ?? 1), 'x-minute-requests-left': '0' } : {};
  if (status === 401) return { status, headers: { 'content-type': 'text/plain' }, body: 'Invalid API key.' };
  if (status === 403) return { status, body: { error: 'This API key is not authorized to access it.', error_code: 'API_INACCESSIBLE' } };
  if (status === 429) return { status, headers, body: { message: 'The maximum number of api calls is used up.' } };
  if (status < 400) return { status, headers: { location: '/elsewhere' }, body: '' };
  return { status, body: { error: status >= 500 ? 'Internal server error' : 'Invalid request' } };
}

function play(fault, answer, request, response) {
  const kinds = {
    timeout: () => {},
    reset: () => request.socket.resetAndDestroy(),
    slow: () => {
      const timer = setTimeout(() => write(response, answer()), fault.ms ?? 2000);
      response.once('close', () => clearTimeout(timer));
    },
    truncate: () => {
      const text = JSON.stringify(answer().body);
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': text.length + 100 });
      response.write(text, () => request.socket.destroy());
    },
    'invalid-json': () => write(response, { body: '{"organization": {"id": "5e66"' }),
    empty: () => write(response, { body: '' }),
    html: () => write(response, { status: fault.status ?? 503, headers: { 'content-type': 'text/html' }, body: '<html><body><h1>Service Unavailable</h1></body></html>' }),
    huge: () => write(response, { body: ' '.repeat(fault.bytes ?? 4 * 1024 * 1024) }),
    echo: () => write(response, { status: 500, body: { error: `you sent ${JSON.stringify(request.headers)}` } }),
  };
  if (!fault) write(response, answer());
  else if (kinds[fault.fault]) kinds[fault.fault]();
  else write(response, error(Number(fault.fault), fault));
}
