// A stand-in of Google Calendar: the events of an account's calendar, with pages and sync tokens;
// access tokens that are refreshed, the refresh token staying as it is.
import { stamp, Synced, Things, words } from './synced.mjs';

const EVENTS = '/calendar/v3/calendars/primary/events', REFRESH = '/token';
const ALLOWED = ['alwaysIncludeEmail', 'eventTypes', 'iCalUID', 'maxAttendees', 'maxResults', 'orderBy', 'pageToken', 'privateExtendedProperty', 'q', 'sharedExtendedProperty',
  'showDeleted', 'showHiddenInvitations', 'singleEvents', 'syncToken', 'timeMax', 'timeMin', 'timeZone', 'updatedMin', 'alt', 'fields', 'key', 'prettyPrint', 'quotaUser'];
const NOT_WITH_SYNC = ['iCalUID', 'orderBy', 'privateExtendedProperty', 'q', 'sharedExtendedProperty', 'timeMin', 'timeMax', 'updatedMin'];

const idOf = (n) => `event${String(n).padStart(6, '0')}`;
const event = ({ n, rev, at }, pad = 0) => `{"kind":"calendar#event","etag":"\\"${3_000_000_000 + n * 2 + rev}\\"","id":"${idOf(n)}","status":"confirmed","htmlLink":"https://www.google.example/calendar/event?eid=${n}","created":"2026-01-01T00:00:00.000Z","updated":"${stamp(at)}","summary":${words(n)},"creator":{"email":"me@example.com","self":true},"start":{"dateTime":"2026-02-01T10:00:00Z","timeZone":"UTC"},"end":{"dateTime":"2026-02-01T11:00:00Z","timeZone":"UTC"},"iCalUID":"${n}@google.example","sequence":${rev},"reminders":{"useDefault":true},"description":"${'x'.repeat(pad)}","eventType":"default"}`;
const cancelled = ({ n, rev }) => `{"kind":"calendar#event","etag":"\\"${3_000_000_000 + n * 2 + rev}\\"","id":"${idOf(n)}","status":"cancelled"}`;

const fail = (code, domain, reason, message, headers = {}) => ({ status: code, headers, body: JSON.stringify({ error: { errors: [{ domain, reason, message }], code, message } }) });
const gone = () => fail(410, 'calendar', 'fullSyncRequired', 'Sync token is no longer valid, a full sync is required.');
// They end in "=", which has to be encoded in an address.
const pack = (kind, ...numbers) => Buffer.from(`${kind}:${numbers.join(':')}${'\0'.repeat((4 - ((kind.length + numbers.join(':').length + 1) % 3)) % 3)}`).toString('base64');
const unpack = (kind, text) => {
  const [found, ...numbers] = Buffer.from(text, 'base64').toString().replaceAll('\0', '').split(':');
  return found === kind ? numbers.map(Number) : null;
};

export class Google extends Synced {
  prefixes = { access: 'ya29.', refresh: '1//', classic: 'ya29.' };
  burns = false;
  expires_s = 3599;

  // `pad`: so many letters more in each; `odd`: JSON of what is no event, on each first page.
  listsOf({ count = 10, events = count, pad = 0, odd = [] }, account) {
    Object.assign(account, { epoch: 1, odd });
    return { event: new Things('event', (one) => event(one, pad), events) };
  }

  idOf(list, { n }) {
    return idOf(n);
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
    return { [`GET ${EVENTS}`]: (one, url, account) => this.#events(url.searchParams, account) };
  }

  // A page token says where to go on, whence, and what had changed when the first page was made.
  #events(query, account) {
    const list = account.lists.event, size = Math.min(Number(query.get('maxResults') ?? 250), 2500);
    const synced = query.has('syncToken') ? unpack('sync', query.get('syncToken')) : null;
    if (query.has('syncToken')) {
      const mixed = NOT_WITH_SYNC.find((name) => query.has(name));
      if (mixed || query.get('showDeleted') === 'false') return fail(400, 'calendar', 'invalid', `Sync token cannot be used with ${mixed ?? 'showDeleted=false'}.`);
      if (synced?.[0] !== account.epoch) return gone();
    }
    const since = synced ? synced[1] : -1;
    const [from, until] = query.has('pageToken') ? unpack('page', query.get('pageToken')) ?? [NaN] : [0, list.rev];
    if (Number.isNaN(from)) return fail(400, 'global', 'invalid', 'Invalid page token value.');
    const fits = (one) => (synced ? one.seq > since : !one.gone);
    const shown = [];
    let at = from;
    for (; at < list.all.length && shown.length < size; at++) if (fits(list.all[at])) shown.push(list.all[at]);
    const more = list.all.slice(at).some(fits);
    const items = [...shown.map((one) => (one.gone ? cancelled(one) : list.one(one))), ...(from === 0 ? account.odd : [])].join(',');
    const token = more ? `"nextPageToken":"${pack('page', at, until)}"` : `"nextSyncToken":"${pack('sync', account.epoch, until)}"`;
    return { body: `{"kind":"calendar#events","etag":"\\"x\\"","summary":"me@example.com","updated":"2026-01-02T00:00:00.000Z","timeZone":"UTC","accessRole":"owner",${token},"items":[${items}]}`, things: shown.length };
  }

  limited(waitS, account, isAll) {
    return fail(403, 'usageLimits', isAll ? 'rateLimitExceeded' : 'userRateLimitExceeded', 'Rate Limit Exceeded');
  }

  unauthorized() {
    return fail(401, 'global', 'authError', 'Invalid Credentials', { 'www-authenticate': 'Bearer realm="https://accounts.google.com/", error="invalid_token"' });
  }

  strangeClient() {
    return { status: 401, body: JSON.stringify({ error: 'invalid_client', error_description: 'Unauthorized' }) };
  }

  deadRefresh() {
    return { status: 400, body: JSON.stringify({ error: 'invalid_grant', error_description: 'Token has been expired or revoked.' }) };
  }

  refreshed({ access_token: access }) {
    return { body: JSON.stringify({ access_token: access, expires_in: this.expires_s, scope: 'https://www.googleapis.com/auth/calendar.readonly', token_type: 'Bearer' }) };
  }

  departures({ method, path, headers, body }, url) {
    const found = [];
    if (path === REFRESH) {
      if (method !== 'POST' || url.search) found.push('a refresh is posted, with nothing in the query');
      if (headers['content-type'] !== 'application/x-www-form-urlencoded') found.push('a refresh is no form');
      if (new URLSearchParams(body).get('grant_type') !== 'refresh_token') found.push('a refresh without its grant_type');
      return found;
    }
    if (method !== 'GET' || path !== EVENTS) return [`no such operation: ${method} ${path}`];
    for (const [name, value] of url.searchParams) {
      if (!ALLOWED.includes(name)) found.push(`no such parameter: ${name}`);
      if (name === 'maxResults' && !(Number(value) >= 1 && Number(value) <= 2500)) found.push(`maxResults=${value}`);
    }
    return found;
  }

  error(status, { fault, retry_after: after = null, reason }, one) {
    if (one.isRefresh) return { status, body: JSON.stringify({ error: status >= 500 ? 'internal_failure' : 'invalid_request' }) };
    const told = after === null ? {} : { 'retry-after': String(after) };
    if (fault === 'limit' || status === 403) return fail(403, 'usageLimits', reason ?? 'userRateLimitExceeded', 'User Rate Limit Exceeded', told);
    if (status === 429) return fail(429, 'usageLimits', reason ?? 'rateLimitExceeded', 'Rate Limit Exceeded', told);
    if (status === 410) return gone();
    if (status < 400) return { status, headers: { location: '/elsewhere' }, body: '' };
    return fail(status, 'global', { 401: 'authError', 404: 'notFound' }[status] ?? 'backendError', { 401: 'Invalid Credentials', 404: 'Not Found' }[status] ?? 'Backend Error');
  }

  actions(account, { index, cancel }) {
    return {
      // Whatever was said before about where a sync is to go on.
      'expire-sync-tokens': () => { account.epoch++; },
      change: () => (cancel ? account.lists.event.remove(index ?? 0) : account.lists.event.change(index ?? 0)).n,
    };
  }
}
