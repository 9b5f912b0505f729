// A stand-in of Slack: channels, messages of each, and members, with pages that may be short or empty;
// errors that are answers like others; tokens that rotate, the old ones dying with the answer.
import { Synced, Things, words } from './synced.mjs';

const REFRESH = '/api/oauth.v2.access';
const ALLOWED = {
  '/api/conversations.list': ['exclude_archived', 'types', 'limit', 'cursor'],
  '/api/conversations.history': ['channel', 'latest', 'oldest', 'inclusive', 'limit', 'cursor'],
  '/api/users.list': ['limit', 'cursor', 'include_locale'],
  '/api/auth.test': [],
};
const BEGAN = 1_767_225_600;

const channelId = (n) => `C${String(n).padStart(8, '0')}`;
// Every seventh is archived, of the others every fourth somebody else's, every fifth private.
const isArchived = ({ n }) => n % 7 === 6;
const isMember = ({ n }) => n % 4 !== 3;
const isPrivate = ({ n }) => n % 5 === 2;
const channel = (one) => `{"id":"${channelId(one.n)}","name":"channel-${one.n}","is_channel":true,"is_private":${isPrivate(one)},"is_archived":${isArchived(one)},"is_member":${isMember(one)},"is_general":${one.n === 0},"created":${BEGAN},"creator":"U0","topic":{"value":${words(one.n)},"creator":"","last_set":0},"num_members":${one.rev + 1}}`;
const member = (one) => `{"id":"U${String(one.n).padStart(8, '0')}","team_id":"T1","name":"user${one.n}","deleted":${one.n % 9 === 8},"real_name":${words(one.n)},"profile":{"email":"user${one.n}@example.com","status_text":"","n":${one.rev}},"is_bot":false,"updated":${BEGAN + one.rev}}`;
const seconds = (one) => Math.floor(one.at / 1000);
const ts = (one) => `${seconds(one)}.${String(one.n % 1_000_000).padStart(6, '0')}`;
const message = (one) => `{"type":"message","user":"U0","text":${words(one.n)},"ts":"${ts(one)}","reactions":[],"edited":${one.rev}}`;

const no = (error, extra = {}) => ({ body: JSON.stringify({ ok: false, error, ...extra }) });

export class Slack extends Synced {
  prefixes = { access: 'xoxe.xoxb-', refresh: 'xoxe-1-', classic: 'xoxb-' };
  burns = true;
  expires_s = 43_200;

  // `messages` in each channel that is joined; `isNarrow`: no private channels for this token.
  listsOf({ count = 10, channels = count, messages = count, members = count, isNarrow = false, isUneven = false }, account) {
    Object.assign(account, { isNarrow, isUneven, asked: 0, pages: 0 });
    const lists = { channel: new Things('channel', channel, channels), user: new Things('user', member, members) };
    for (const one of lists.channel.all) if (isMember(one) && !isArchived(one)) lists[channelId(one.n)] = new Things(channelId(one.n), message, messages, { keepsTime: true });
    return lists;
  }

  kept(list, account) {
    if (list.kind === 'channel') return this.#visible(account);
    if (list.kind === 'user') return list.live;
    const { n } = account.lists.channel.all.find((one) => channelId(one.n) === list.kind);
    const of = account.lists.channel.all[n];
    return of.gone || (account.isNarrow && isPrivate(of)) ? [] : list.live;
  }

  async holds(name) {
    for (const list of Object.values(this.accounts.get(name).lists)) if (!['channel', 'user'].includes(list.kind)) list.stored = 'message';
    return super.holds(name);
  }

  #visible({ lists, isNarrow }) {
    return lists.channel.live.filter((one) => !(isNarrow && isPrivate(one)));
  }

  idOf(list, one) {
    return list.kind === 'channel' ? channelId(one.n) : list.kind === 'user' ? `U${String(one.n).padStart(8, '0')}` : `${list.kind}:${ts(one)}`;
  }

  isRefresh({ path }) {
    return path === REFRESH;
  }

  refreshTokenOf({ body }) {
    return new URLSearchParams(body).get('refresh_token');
  }

  isClient({ headers, body }) {
    const form = new URLSearchParams(body);
    const [id, secret] = headers.authorization ? Buffer.from(headers.authorization.slice(6), 'base64').toString().split(':') : [form.get('client_id'), form.get('client_secret')];
    return id === this.client.client_id && secret === this.client.client_secret;
  }

  routes() {
    const both = (path, take) => ({ [`GET ${path}`]: take, [`POST ${path}`]: take });
    return {
      ...both('/api/conversations.list', (one, url, account) => this.#channels(args(one, url), account)),
      ...both('/api/conversations.history', (one, url, account) => this.#history(args(one, url), account)),
      ...both('/api/users.list', (one, url, account) => this.#page(args(one, url), account, account.lists.user, account.lists.user.live, 'members')),
      ...both('/api/auth.test', () => ({ body: '{"ok":true,"team":"Stand-in","user":"bot"}' })),
    };
  }

  #channels(query, account) {
    const types = (query.get('types') ?? 'public_channel').split(',');
    if (types.includes('private_channel') && account.isNarrow) return no('missing_scope', { needed: 'groups:read', provided: 'channels:read' });
    const all = this.#visible(account).filter((one) => types.includes(isPrivate(one) ? 'private_channel' : 'public_channel'))
      .filter((one) => query.get('exclude_archived') !== 'true' || !isArchived(one));
    return this.#page(query, account, account.lists.channel, all, 'channels');
  }

  #history(query, account) {
    const of = account.lists.channel.live.find((one) => channelId(one.n) === query.get('channel'));
    if (!of || (account.isNarrow && isPrivate(of))) return no('channel_not_found');
    if (!isMember(of)) return no('not_in_channel');
    const list = account.lists[channelId(of.n)], oldest = query.get('oldest') ?? '0';
    const all = list ? list.latest.filter((one) => isAfter(ts(one), oldest)) : [];
    return this.#page(query, account, list, all, 'messages');
  }

  // A cursor says where to go on, never comes twice, and ends in "=".  An uneven account gets pages that are short, and empty ones.
  #page(query, account, list, all, name) {
    const from = query.get('cursor') ? Number(/^next:(\d+):\d{6}$/.exec(Buffer.from(query.get('cursor'), 'base64').toString())?.[1] ?? NaN) : 0;
    if (Number.isNaN(from)) return no('invalid_cursor');
    let limit = Math.min(Number(query.get('limit') ?? 100), name === 'messages' ? 999 : 1000);
    if (account.isUneven) limit = [limit, Math.ceil(limit / 2), 0][account.asked++ % 3];
    const shown = all.slice(from, from + limit), at = from + shown.length;
    const next = at < all.length ? Buffer.from(`next:${String(at).padStart(7, '0')}:${String(++account.pages % 1_000_000).padStart(6, '0')}`).toString('base64') : '';
    const more = name === 'messages' ? `"has_more":${Boolean(next)},` : '';
    return { body: `{"ok":true,"${name}":[${list ? list.text(shown) : ''}],${more}"response_metadata":{"next_cursor":"${next}"}}`, things: shown.length };
  }

  limited(waitS) {
    return { status: 429, headers: { 'retry-after': String(waitS) }, body: '{"ok":false,"error":"ratelimited"}', isTold: true };
  }

  unauthorized(account) {
    return no(!account ? 'invalid_auth' : account.isRevoked ? 'token_revoked' : 'token_expired');
  }

  strangeClient() {
    return no('bad_client_secret');
  }

  deadRefresh() {
    return no('invalid_refresh_token');
  }

  refreshed({ access_token: access, refresh_token: refresh }) {
    return { body: JSON.stringify({ ok: true, app_id: 'A1', access_token: access, expires_in: this.expires_s, refresh_token: refresh, token_type: 'bot', scope: 'channels:history,channels:read,users:read', team: { id: 'T1' }, enterprise: null }) };
  }

  departures({ method, path, headers, body }, url) {
    const found = [];
    if (path === REFRESH) {
      if (method !== 'POST' || url.search) found.push('a refresh is posted, with nothing in the query');
      if (headers['content-type'] !== 'application/x-www-form-urlencoded') found.push('a refresh is no form');
      if (new URLSearchParams(body).get('grant_type') !== 'refresh_token') found.push('a refresh without its grant_type');
      return found;
    }
    if (!ALLOWED[path] || !['GET', 'POST'].includes(method)) return [`no such operation: ${method} ${path}`];
    const query = args({ method, body }, url);
    for (const [name, value] of query) {
      if (!ALLOWED[path].includes(name)) found.push(`no such parameter: ${name}`);
      if (name === 'limit' && !(Number(value) >= 1 && Number(value) <= (path.endsWith('history') ? 999 : 1000))) found.push(`limit=${value}`);
      if (['oldest', 'latest'].includes(name) && !/^\d+(\.\d{6})?$/.test(value)) found.push(`${name}=${value}`);
    }
    return found;
  }

  error(status, { fault, retry_after: after = 1, error = 'internal_error' }) {
    if (fault === 'error') return no(error, error === 'missing_scope' ? { needed: 'channels:history', provided: 'channels:read' } : {});
    if (status === 429) return { status, headers: after === null ? {} : { 'retry-after': String(after) }, body: '{"ok":false,"error":"ratelimited"}' };
    if (status < 400) return { status, headers: { location: '/elsewhere' }, body: '' };
    return status >= 500 ? { status, body: '{"ok":false,"error":"internal_error"}' } : no('invalid_arguments');
  }

  actions({ lists }, { channel: id }) {
    const messages = () => lists[id ?? Object.keys(lists).find((kind) => kind.startsWith('C'))];
    return { message: () => ts(messages().grow(1, Date.now())[0]) };
  }
}

const args = ({ method, body }, url) => (method === 'POST' ? new URLSearchParams(body) : url.searchParams);

// Texts of numbers with six digits behind the point, which are too many for a double.
function isAfter(a, b) {
  const [first, second] = [a, b].map((text) => text.split('.').map((part, i) => (i ? part.padEnd(6, '0') : part.padStart(12, '0'))).join('.'));
  return first > second;
}
