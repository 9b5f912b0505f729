// A stand-in of Notion: pages and data sources as a search finds them.
import { createHash } from 'node:crypto';
import { Synced, Things, words } from './synced.mjs';

const SEARCH = '/v1/search', REFRESH = '/v1/oauth/token';
const KINDS = { page: 'page', data_source: 'database' };

const uuid = (kind, n) => createHash('md5').update(`${kind}${n}`).digest('hex').replace(/^(.{8})(.{4}).(.{3}).(.{3})(.{12}).*/, '$1-$2-4$3-8$4-$5');
const user = `{"object":"user","id":"${uuid('user', 0)}"}`;
const common = ({ at, inTrash }) => `"created_time":"2026-01-01T00:00:00.000Z","last_edited_time":"${new Date(at).toISOString()}","created_by":${user},"last_edited_by":${user},"cover":null,"icon":null,"archived":${Boolean(inTrash)},"in_trash":${Boolean(inTrash)},"public_url":null`;
const page = (one) => `{"object":"page","id":"${one.id}",${common(one)},"parent":{"type":"workspace","workspace":true},"properties":{"Name":{"id":"title","type":"title","title":[{"type":"text","text":{"content":${words(one.n)},"link":null},"plain_text":${words(one.n)},"href":null}]},"Count":{"id":"c%3A1","type":"number","number":${one.rev}}}}`;
const source = (one) => `{"object":"data_source","id":"${one.id}",${common(one)},"title":[{"type":"text","plain_text":${words(one.n)}}],"description":[],"parent":{"type":"database_id","database_id":"${uuid('database', one.n)}"},"properties":{"Name":{"id":"title","name":"Name","type":"title","title":{}},"n":{"id":"n","number":${one.rev}}}}`;

const fail = (status, code, message, headers = {}) => ({ status, headers, body: JSON.stringify({ object: 'error', status, code, message, request_id: uuid('request', Date.now()) }) });

// Things that know their ids.
class Objects extends Things {
  grow(count, at) {
    const added = super.grow(count, at);
    for (const one of added) one.id = uuid(this.kind, one.n);
    return added;
  }
}

export class Notion extends Synced {
  prefixes = { access: 'ntn_', refresh: 'nrt_', classic: 'ntn_' };
  burns = true;
  // Three a second, with some in between that come closer.
  limit = { requests: 15, window_s: 3 };

  listsOf({ count = 10, pages = count, sources = Math.ceil(count / 10) }) {
    const lists = { page: new Objects('page', page, pages), data_source: new Objects('data_source', source, sources) };
    lists.data_source.stored = KINDS.data_source;
    return lists;
  }

  idOf(list, { id }) {
    return id;
  }

  kept(list) {
    return list.live.filter(({ inTrash }) => !inTrash);
  }

  isRefresh({ path }) {
    return path === REFRESH;
  }

  refreshTokenOf({ body }) {
    return parsed(body).refresh_token;
  }

  isClient({ headers }) {
    return headers.authorization === `Basic ${Buffer.from(`${this.client.client_id}:${this.client.client_secret}`).toString('base64')}`;
  }

  routes() {
    return { [`POST ${SEARCH}`]: (one, url, account) => this.#search(parsed(one.body), account) };
  }

  // A cursor is the id of what comes next.
  #search({ filter, sort, start_cursor: start, page_size: size = 100 }, { lists }) {
    const wanted = filter ? [lists[filter.value]] : Object.values(lists);
    let all = wanted.length === 1 ? wanted[0].latest : wanted.flatMap((list) => list.latest).sort((a, b) => b.at - a.at);
    if (sort?.direction === 'ascending') all = [...all].reverse();
    const from = start ? all.findIndex(({ id }) => id === start) : 0;
    if (from < 0) return fail(400, 'validation_error', 'The start_cursor provided is invalid: it is not a cursor of this search.');
    const shown = all.slice(from, from + size), next = all[from + size];
    const render = (one) => lists[lists.page.all[one.n] === one ? 'page' : 'data_source'].one(one);
    return { body: `{"object":"list","results":[${shown.map(render).join(',')}],"next_cursor":${next ? `"${next.id}"` : null},"has_more":${Boolean(next)},"type":"page_or_data_source","page_or_data_source":{},"request_id":"${uuid('request', from)}"}`, things: shown.length };
  }

  limited(waitS) {
    return { ...fail(429, 'rate_limited', 'You have been rate limited. Please try again in a few minutes.', { 'retry-after': String(waitS) }), isTold: true };
  }

  unauthorized() {
    return fail(401, 'unauthorized', 'API token is invalid.');
  }

  strangeClient() {
    return { status: 401, body: JSON.stringify({ error: 'invalid_client' }) };
  }

  deadRefresh() {
    return { status: 400, body: JSON.stringify({ error: 'invalid_grant' }) };
  }

  refreshed({ access_token: access, refresh_token: refresh }) {
    return { body: JSON.stringify({ access_token: access, token_type: 'bearer', refresh_token: refresh, bot_id: uuid('bot', 0), workspace_name: 'Stand-in' }) };
  }

  departures({ method, path, headers, body }) {
    const found = [];
    const json = parsed(body);
    if (method !== 'POST' || ![SEARCH, REFRESH].includes(path)) return [`no such operation: ${method} ${path}`];
    if (!/^application\/json/.test(headers['content-type'] ?? '')) found.push('the body is not said to be JSON');
    if (path === REFRESH) return json.grant_type === 'refresh_token' ? found : [...found, 'a refresh without its grant_type'];
    if (!['2025-09-03', '2026-03-11'].includes(headers['notion-version'])) found.push(`version ${headers['notion-version']}`);
    for (const name of Object.keys(json)) if (!['query', 'filter', 'sort', 'start_cursor', 'page_size'].includes(name)) found.push(`no such field: ${name}`);
    if (json.filter && (json.filter.property !== 'object' || !KINDS[json.filter.value])) found.push(`filter ${JSON.stringify(json.filter)}`);
    if (json.sort && json.sort.timestamp !== 'last_edited_time') found.push(`sort ${JSON.stringify(json.sort)}`);
    if (json.page_size !== undefined && !(json.page_size >= 1 && json.page_size <= 100)) found.push(`page_size ${json.page_size}`);
    if (json.start_cursor !== undefined && !/^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$/.test(json.start_cursor)) found.push('start_cursor is no UUID');
    return found;
  }

  error(status, { retry_after: after = 1 }) {
    const told = after === null ? {} : { 'retry-after': String(after) };
    if (status === 429) return fail(429, 'rate_limited', 'You have been rate limited. Please try again in a few minutes.', told);
    if (status === 529) return fail(529, 'service_overload', 'Notion is overloaded. Please try again later.', told);
    if (status < 400) return { status, headers: { location: '/elsewhere' }, body: '' };
    const codes = { 400: 'validation_error', 401: 'unauthorized', 403: 'restricted_resource', 404: 'object_not_found', 409: 'conflict_error', 500: 'internal_server_error', 503: 'service_unavailable', 504: 'gateway_timeout' };
    return fail(status, codes[status] ?? 'internal_server_error', 'The request could not be completed.');
  }

  actions({ lists }, { index = 0, kind = 'page' }) {
    return {
      edit: () => lists[kind].change(index).id,
      // Still found, and said to be in the trash.
      trash: () => {
        lists[kind].all[index].inTrash = true;
        return lists[kind].change(index).id;
      },
    };
  }
}

function parsed(text) {
  try {
    return JSON.parse(text) ?? {};
  } catch {
    return {};
  }
}
