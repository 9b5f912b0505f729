// A stand-in of Apollo.io's enrichments: what its documents say of requests, answers and limits,
// and its faults.
import { Vendor } from './vendor.mjs';

const KEY = 'the-key-of-a-team-0123456789';
const PERSON = ['first_name', 'last_name', 'name', 'email', 'hashed_email', 'organization_name', 'domain', 'id', 'linkedin_url',
  'reveal_personal_emails', 'reveal_phone_number', 'webhook_url', 'run_waterfall_email', 'run_waterfall_phone'];
const ORGANIZATION = ['domain', 'linkedin_url', 'name', 'website'];
const ORGANIZATIONS = '/api/v1/organizations/enrich', PEOPLE = '/api/v1/people/match';

const organization = () => ({ id: '5e66b6381e05b4008c8331b8', name: 'Example', website_url: 'http://www.example.com', phone: null, languages: [],
  founded_year: 2015, annual_revenue: 1.5e8, primary_domain: 'example.com', keywords: ['sales', 'ünïcode'], technology_names: [] });
const person = () => ({ id: '64a7ff0cc4dfae00013df1a5', first_name: 'Ada', last_name: 'Example', email: 'ada@example.com', twitter_url: null,
  employment_history: [{ organization_id: null, organization_name: 'Example', current: true }], organization: organization() });

export class Apollo extends Vendor {
  credentials = { api_key: KEY };

  async reset() {
    await super.reset();
    this.left = undefined; // of the minute's window; undefined: no limit is told
    this.change = (answer) => answer;
  }

  answer(one, url) {
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

  violations(one, url) {
    return violations(one, url);
  }

  error(status, fault) {
    return error(status, fault);
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

function error(status, { retry_after: after }) {
  const headers = status === 429 && after !== null ? { 'retry-after': String(after ?? 1), 'x-minute-requests-left': '0' } : {};
  if (status === 401) return { status, headers: { 'content-type': 'text/plain' }, body: 'Invalid API key.' };
  if (status === 403) return { status, body: { error: 'This API key is not authorized to access it.', error_code: 'API_INACCESSIBLE' } };
  if (status === 429) return { status, headers, body: { message: 'The maximum number of api calls is used up.' } };
  if (status < 400) return { status, headers: { location: '/elsewhere' }, body: '' };
  return { status, body: { error: status >= 500 ? 'Internal server error' : 'Invalid request' } };
}
