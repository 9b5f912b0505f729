// A stand-in of GitHub: an account's repositories, issues and notifications, with pages, ETags and
// limits as its documents have them; tokens that rotate, the old ones dying with the answer.
import { etagOf, stamp, Synced, Things, words } from './synced.mjs';

const PAGES = ['per_page', 'page'];
const ALLOWED = {
  '/user/repos': [...PAGES, 'visibility', 'affiliation', 'type', 'sort', 'direction', 'since', 'before'],
  '/issues': [...PAGES, 'filter', 'state', 'labels', 'sort', 'direction', 'since', 'collab', 'orgs', 'owned', 'pulls'],
  '/notifications': [...PAGES, 'all', 'participating', 'since', 'before'],
  '/user': [], '/rate_limit': [],
};
const REFRESH = '/login/oauth/access_token';

const person = '{"login":"octocat","id":583231,"avatar_url":"https://avatars.example/u/583231?v=4","type":"User","site_admin":false}';
const repository = ({ n, rev, at }) => `{"id":${1_000_000 + n},"node_id":"R_${n}","name":"repo-${n}","full_name":"octocat/repo-${n}","private":${n % 3 === 0},"owner":${person},"html_url":"https://github.example/octocat/repo-${n}","description":${words(n)},"fork":false,"size":${n * 7},"stargazers_count":${rev},"score":1.50,"language":null,"topics":["a","b-${n}"],"pushed_at":"${stamp(at)}","updated_at":"${stamp(at)}","permissions":{"admin":true,"push":true,"pull":true}}`;
const issue = ({ n, rev, at }) => `{"id":${5_000_000_000 + n},"node_id":"I_${n}","number":${n + 1},"title":${words(n)},"user":${person},"labels":[{"id":1,"name":"bug"}],"state":"${(n + rev) % 4 === 3 ? 'closed' : 'open'}","comments":${rev},"created_at":"2026-01-01T00:00:00Z","updated_at":"${stamp(at)}","closed_at":null,"body":${words(n + 1)}${n % 5 === 0 ? ',"pull_request":{"merged_at":null}' : ''}}`;
const thread = ({ n, rev, at }) => `{"id":"${9000 + n}","unread":${n % 5 !== 4},"reason":"subscribed","updated_at":"${stamp(at)}","last_read_at":null,"subject":{"title":${words(n)},"type":"Issue"},"repository":{"id":${n},"full_name":"octocat/repo-${n}"},"n":${rev}}`;

const fail = (status, message, headers = {}) => ({ status, headers, body: JSON.stringify({ message, documentation_url: 'https://docs.github.com/rest', status: String(status) }) });
const SECONDARY = 'You have exceeded a secondary rate limit. Please wait a few minutes before you try again.';
const epoch = () => Math.floor(Date.now() / 1000);

export class GitHub extends Synced {
  prefixes = { access: 'ghu_', refresh: 'ghr_', classic: 'ghp_' };
  burns = true;
  limit = { requests: 5000, window_s: 3600 };

  async reset() {
    await super.reset();
    this.poll_s = 60;
  }

  listsOf({ count = 10, repositories = count, issues = count, notifications = 0 }) {
    return {
      repository: new Things('repository', repository, repositories),
      issue: new Things('issue', issue, issues),
      notification: new Things('notification', thread, notifications),
    };
  }

  idOf(list, { n }) {
    return { repository: String(1_000_000 + n), issue: String(5_000_000_000 + n), notification: String(9000 + n) }[list.kind];
  }

  // Nobody sees notifications with a token of an app.
  kept(list, account) {
    return list.kind === 'notification' && !account.isClassic ? [] : list.live;
  }

  async pollEvery(seconds) {
    this.poll_s = seconds;
  }

  isRefresh({ path }) {
    return path === REFRESH;
  }

  refreshTokenOf({ body }) {
    return new URLSearchParams(body).get('refresh_token');
  }

  isClient({ body }) {
    const form = new URLSearchParams(body);
    return form.get('client_id') === this.client.client_id && form.get('client_secret') === this.client.client_secret;
  }

  routes() {
    return {
      'GET /user/repos': (one, url, { lists }) => this.#page(one, url, lists.repository, lists.repository.live, 100),
      'GET /issues': (one, url, { lists }) => this.#page(one, url, lists.issue, this.#issues(url, lists.issue), 100),
      'GET /notifications': (one, url, account) => (account.isClassic ? this.#notifications(one, url, account) : fail(403, 'Resource not accessible by integration')),
      'GET /user': () => ({ body: person }),
    };
  }

  #issues({ searchParams: query }, list) {
    const since = Date.parse(query.get('since') ?? 0), state = query.get('state') ?? 'open';
    return this.#since(list, since).filter(({ n, rev }) => state === 'all' || ((n + rev) % 4 === 3 ? 'closed' : 'open') === state);
  }

  #notifications(one, url, { lists }) {
    const all = this.#since(lists.notification, Date.parse(url.searchParams.get('since') ?? 0));
    const answer = this.#page(one, url, lists.notification, all.filter(({ n }) => url.searchParams.get('all') === 'true' || n % 5 !== 4), 50);
    return { ...answer, headers: { ...answer.headers, 'x-poll-interval': String(this.poll_s) } };
  }

  // Times are whole seconds here.
  #since(list, since) {
    const end = list.latest.findIndex(({ at }) => Math.floor(at / 1000) * 1000 < since);
    return end < 0 ? list.latest : list.latest.slice(0, end);
  }

  #page(one, url, list, all, max) {
    const size = Math.min(Number(url.searchParams.get('per_page') ?? (max === 50 ? 50 : 30)), max), at = Number(url.searchParams.get('page') ?? 1);
    const last = Math.max(1, Math.ceil(all.length / size)), shown = all.slice((at - 1) * size, at * size);
    const link = (page, rel) => {
      const next = new URL(url);
      next.searchParams.set('page', page);
      return `<${this.origin}${next.pathname}${next.search}>; rel="${rel}"`;
    };
    const links = [...(at > 1 ? [link(at - 1, 'prev')] : []), ...(at < last ? [link(at + 1, 'next'), link(last, 'last')] : []), ...(at > 1 ? [link(1, 'first')] : [])];
    const headers = { etag: etagOf(list, shown), ...(links.length > 0 && { link: links.join(', ') }) };
    if (one.headers['if-none-match'] === headers.etag) return { status: 304, headers, body: '' };
    return { headers, body: `[${list.text(shown)}]`, things: shown.length };
  }

  finish(answer, { limit, left }) {
    if (!limit) return answer;
    return { ...answer, headers: { ...answer.headers, 'x-ratelimit-limit': String(limit.requests), 'x-ratelimit-remaining': String(Math.max(0, left ?? limit.requests)), 'x-ratelimit-resource': 'core' } };
  }

  limited(waitS) {
    const reset = epoch() + waitS;
    return { ...fail(403, 'API rate limit exceeded for user ID 1.', { 'x-ratelimit-limit': '5000', 'x-ratelimit-remaining': '0', 'x-ratelimit-used': '5000', 'x-ratelimit-reset': String(reset), 'x-ratelimit-resource': 'core' }),
      isTold: true, wait_s: Math.max(0, reset - Date.now() / 1000) };
  }

  unauthorized() {
    return fail(401, 'Bad credentials');
  }

  strangeClient() {
    return this.#oauth({ error: 'incorrect_client_credentials', error_description: 'The client_id and/or client_secret passed are incorrect.' });
  }

  deadRefresh() {
    return this.#oauth({ error: 'bad_refresh_token', error_description: 'The refresh token passed is incorrect or expired.' });
  }

  refreshed({ access_token: access, refresh_token: refresh }) {
    return this.#oauth({ access_token: access, expires_in: this.expires_s, refresh_token: refresh, refresh_token_expires_in: 15_811_200, scope: '', token_type: 'bearer' });
  }

  #oauth(body) {
    return { body: JSON.stringify(body) };
  }

  departures({ method, path, headers, body }, url) {
    const found = [];
    if (!headers['user-agent']) found.push('no user agent');
    if (path === REFRESH) {
      if (method !== 'POST' || url.search) found.push('a refresh is posted, with nothing in the query');
      if (headers.accept !== 'application/json') found.push('a refresh does not accept JSON');
      if (headers['content-type'] !== 'application/x-www-form-urlencoded') found.push('a refresh is no form');
      if (new URLSearchParams(body).get('grant_type') !== 'refresh_token') found.push('a refresh without its grant_type');
      return found;
    }
    if (method !== 'GET' || !ALLOWED[path]) return [`no such operation: ${method} ${path}`];
    if (!/^\d{4}-\d{2}-\d{2}$/.test(headers['x-github-api-version'] ?? '')) found.push('no version');
    for (const [name, value] of url.searchParams) {
      if (!ALLOWED[path].includes(name)) found.push(`no such parameter: ${name}`);
      if (name === 'since' && !/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/.test(value)) found.push(`since=${value}`);
      if (PAGES.includes(name) && !(Number(value) >= 1)) found.push(`${name}=${value}`);
      if (name === 'per_page' && Number(value) > (path === '/notifications' ? 50 : 100)) found.push(`per_page=${value}`);
    }
    return found;
  }

  error(status, { fault, retry_after: after = 1 }, one) {
    if (fault === 'primary-limit') {
      const says = this.limited(after);
      this.waits(one, says.wait_s);
      return says;
    }
    const told = after === null ? {} : { 'retry-after': String(after) };
    if (fault === 'secondary-limit') return fail(403, SECONDARY, told);
    if (fault === 'secondary-limit-bare') {
      this.waits(one, 60);
      return fail(403, SECONDARY, { 'x-ratelimit-remaining': '4000' });
    }
    if (status === 429) return fail(429, SECONDARY, told);
    if (status < 400) return { status, headers: { location: one.search ? `${one.path}${one.search}` : '/elsewhere' }, body: '' };
    return fail(status, { 401: 'Bad credentials', 403: 'Resource not accessible by integration', 404: 'Not Found', 422: 'Validation Failed' }[status] ?? 'Server Error');
  }

  // As the referee's: the first of each list is another now.
  actions({ lists }) {
    return { touch: () => Object.values(lists).forEach((list) => list.all.length > 0 && list.change(0)) };
  }
}
