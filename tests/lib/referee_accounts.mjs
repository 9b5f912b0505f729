// A referee's one account of a vendor, as integrations are tested with it: what it holds is read page by
// page from the referee itself, as anybody could.
import { Referee } from './referee.mjs';

const HEADERS = { 'user-agent': 'test/1.0.0', accept: 'application/json' };

class Account {
  constructor(referee) {
    const { client_id, client_secret } = referee.credentials;
    Object.assign(this, { referee, origin: referee.origin, client: { client_id, client_secret: client_secret ?? 'not-told-to-anybody' }, prefixes: {}, classics: new Set(), held: new Map() });
  }

  // Each row has the same account, with lists that `seed` makes; notifications are for tokens that are classic.
  async add(id, { classic = false } = {}) {
    const { access_token: access, token, classic_token: other, refresh_token: refresh = null } = (await this.referee.ask('GET', '_control')).credentials;
    if (classic) this.classics.add(id);
    return { access_token: classic ? other : access ?? token, refresh_token: classic ? null : refresh, expires_in: 3600 };
  }

  async reset() {
    this.held.clear();
    await this.referee.reset();
  }

  // The referee remembers a thousand requests.
  async counts() {
    const requests = await this.referee.requests();
    return { requests: requests.filter(({ operation }) => !/refresh|oauth/.test(operation ?? '')).length, faults: requests.filter(({ fault }) => fault).length, overlaps: 0, refreshOverlaps: 0, strangers: 0,
      bytes: 0, things: 0, same: requests.filter(({ status }) => status === 304).length, early: requests.filter(({ early_ms: ms }) => ms > 0).length };
  }

  async forget() {
    await this.referee.ask('DELETE', '_requests');
  }

  // It counts them all, and remembers the last.
  async violationsSeen() {
    const { violations, mismatches } = (await this.referee.ask('GET', '_health')).vendors[this.referee.vendor];
    const last = (await this.referee.requests()).flatMap(({ method, path, violations: found }) => found.map((text) => `${method} ${path}: ${text}`));
    return [...last, ...(violations > 0 ? [`${violations} violations`] : []), ...mismatches.map((one) => JSON.stringify(one))];
  }

  async fault(fault) {
    await this.referee.fault(fault);
  }

  async act(action) {
    this.held.clear();
    return this.referee.act(action);
  }

  async stop() {
    await this.referee.stop();
  }

  async get(path, token, more = {}, options = {}) {
    const answer = await fetch(this.origin + path, { headers: { ...HEADERS, authorization: `Bearer ${token}`, ...more }, ...options });
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
    return { headers: answer.headers, json: await answer.json() };
  }

  // The same for all, until an order changes it.
  async holds(id) {
    const classic = this.classics.has(id), { access_token: token } = await this.add(id, { classic });
    if (!this.held.has(classic)) this.held.set(classic, JSON.stringify(await this.list(token, classic)));
    return this.held.get(classic);
  }
}

const kept = (kind, id, list) => list.map((data) => ({ kind, id: String(id(data)), data }));

class GitHub extends Account {
  async list(token, classic) {
    const read = async (path) => {
      const list = [];
      for (let at = path; at;) {
        const { headers, json } = await this.get(at, token, { 'x-github-api-version': '2022-11-28' });
        list.push(...json);
        at = /<([^>]*)>; rel="next"/.exec(headers.get('link') ?? '')?.[1].slice(this.origin.length);
      }
      return list;
    };
    const id = (one) => one.id;
    return [...kept('repository', id, await read('/user/repos?per_page=100')), ...kept('issue', id, await read('/issues?filter=all&state=all&per_page=100')),
      ...(classic ? kept('notification', id, await read('/notifications?all=true&per_page=50')) : [])];
  }
}

class Notion extends Account {
  async list(token) {
    const list = [];
    for (const [kind, value] of [['page', 'page'], ['database', 'data_source']])
      for (let cursor; cursor !== null;) {
        const { json } = await this.get('/v1/search', token, { 'notion-version': '2025-09-03', 'content-type': 'application/json' },
          { method: 'POST', body: JSON.stringify({ filter: { property: 'object', value }, page_size: 100, ...(cursor && { start_cursor: cursor }) }) });
        list.push(...kept(kind, (one) => one.id, json.results));
        cursor = json.next_cursor;
      }
    return list;
  }
}

class Slack extends Account {
  async list(token) {
    const read = async (method, name, query) => {
      const list = [];
      let cursor = '';
      do {
        const { json } = await this.get(`/api/${method}?limit=500${query}${cursor && `&cursor=${encodeURIComponent(cursor)}`}`, token);
        if (!json.ok) throw new Error(json.error);
        list.push(...json[name]);
        cursor = json.response_metadata.next_cursor;
      } while (cursor);
      return list;
    };
    const channels = await read('conversations.list', 'channels', '&types=public_channel,private_channel');
    const list = [...kept('channel', (one) => one.id, channels), ...kept('user', (one) => one.id, await read('users.list', 'members', ''))];
    for (const { id } of channels.filter(({ is_member: isMember, is_archived: isArchived }) => isMember && !isArchived))
      list.push(...kept('message', ({ ts }) => `${id}:${ts}`, await read('conversations.history', 'messages', `&channel=${id}`)));
    return list;
  }
}

class Google extends Account {
  async list(token) {
    const list = [];
    let page = '';
    do {
      const { json } = await this.get(`/calendar/v3/calendars/primary/events?maxResults=500${page && `&pageToken=${encodeURIComponent(page)}`}`, token);
      list.push(...kept('event', (one) => one.id, json.items));
      page = json.nextPageToken ?? '';
    } while (page);
    return list;
  }
}

// { github, notion, slack, google }, played by one process.
export async function startReferees() {
  const all = await Referee.startAll('github', 'notion', 'slack', 'google');
  return { github: new GitHub(all.github), notion: new Notion(all.notion), slack: new Slack(all.slack), google: new Google(all.google) };
}
