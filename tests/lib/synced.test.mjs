// The stand-ins see what they are there to see: a request before its time, two at once, what is not
// allowed, a token that is dead; and what they list is what they hold.
import assert from 'node:assert/strict';
import { after, beforeEach, test } from 'node:test';
import { startApart } from './apart.mjs';

const vendors = await startApart('github', 'notion', 'slack', 'google');
after(() => vendors.github.stop());
beforeEach(() => Promise.all(Object.values(vendors).map((vendor) => vendor.reset())));

const AGENT = { 'user-agent': 'test/1.0.0', accept: 'application/json', 'x-github-api-version': '2022-11-28', 'notion-version': '2025-09-03' };
const LIST = { github: '/issues?per_page=100&state=all', slack: '/api/users.list?limit=100', google: '/calendar/v3/calendars/primary/events?maxResults=100' };
const form = (fields) => ({ method: 'POST', body: new URLSearchParams(fields).toString(), headers: { 'content-type': 'application/x-www-form-urlencoded' } });

async function ask(name, at, token, { headers, ...options } = {}) {
  const answer = await fetch(vendors[name].origin + at, { ...options, headers: { ...AGENT, ...(token && { authorization: `Bearer ${token}` }), ...headers } });
  const text = await answer.text();
  return { status: answer.status, headers: answer.headers, json: text ? JSON.parse(text) : undefined };
}

const search = (token, more) => ask('notion', '/v1/search', token, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ filter: { property: 'object', value: 'page' }, ...more }) });
const list = (name, token) => (name === 'notion' ? search(token) : ask(name, LIST[name], token));

// Where the next page is, and what this one holds.
const next = {
  github: ({ headers, json }) => [json, /<([^>]*)>; rel="next"/.exec(headers.get('link') ?? '')?.[1].slice(vendors.github.origin.length)],
  slack: ({ json }) => [json.members, json.response_metadata.next_cursor && `${LIST.slack}&cursor=${encodeURIComponent(json.response_metadata.next_cursor)}`],
  google: ({ json }) => [json.items, json.nextPageToken && `${LIST.google}&pageToken=${encodeURIComponent(json.nextPageToken)}`],
};

for (const name of Object.keys(LIST))
  test(`${name}: pages make up the list that it holds`, async () => {
    const { access_token: token } = await vendors[name].add('one', { count: 250, channels: 0, isUneven: name === 'slack' });
    await vendors[name].add('other', { count: 3 });
    const found = [];
    for (let at = LIST[name]; at;) {
      const [things, then] = next[name](await ask(name, at, token));
      found.push(...things);
      at = then;
    }
    const held = JSON.parse(await vendors[name].holds('one')).filter(({ kind }) => ['issue', 'user', 'event'].includes(kind));
    assert.deepEqual(new Map(found.map((thing) => [String(thing.id), thing])), new Map(held.map(({ id, data }) => [id, data])));
    assert.equal(found.length, 250);
  });

test('notion: a cursor is an id, and unknown once that is gone', async () => {
  const { access_token: token } = await vendors.notion.add('one', { pages: 120 });
  const { json } = await search(token);
  assert.equal((await search(token, { start_cursor: json.next_cursor })).json.results.length, 20);
  const at = JSON.parse(await vendors.notion.holds('one')).findIndex(({ id }) => id === json.next_cursor);
  await vendors.notion.act({ action: 'remove', index: at });
  assert.equal((await search(token, { start_cursor: json.next_cursor })).status, 400);
});

for (const name of Object.keys(vendors)) {
  test(`${name}: who comes before the time, or twice at once, is seen`, async () => {
    const { access_token: token } = await vendors[name].add('one');
    const { access_token: other } = await vendors[name].add('other');
    await vendors[name].fault({ fault: '429', retry_after: 30, account: 'one' });
    assert.equal((await list(name, other)).status, 200);
    assert.equal((await list(name, token)).status, 429);
    await list(name, token);
    await vendors[name].fault({ fault: 'slow', ms: 200, count: 2 });
    await Promise.all([list(name, other), list(name, other)]);
    const [of, ofOther] = [await vendors[name].counts('one'), await vendors[name].counts('other')];
    assert.deepEqual([of.requests, of.early, of.overlaps, ofOther.requests, ofOther.early, ofOther.overlaps], [2, 1, 0, 3, 0, 1]);
  });

  test(`${name}: a limit ends when it says`, async () => {
    const { access_token: token } = await vendors[name].add('one', { limit: { requests: 2, window_s: 60 } });
    const answers = [await list(name, token), await list(name, token), await list(name, token)];
    assert.deepEqual(answers.map(({ status }) => status), [200, 200, { github: 403, google: 403 }[name] ?? 429]);
    assert.equal((await vendors[name].counts('one')).limited, 1);
  });

  test(`${name}: what is not allowed, and who is not known`, async () => {
    const { access_token: token } = await vendors[name].add('one');
    assert.equal((await ask(name, '/nothing', token)).status, 400);
    assert.equal((await vendors[name].violationsSeen()).length, 1);
    await list(name, `${token}x`);
    assert.equal((await vendors[name].counts()).strangers, 1);
  });
}

test('a refresh token dies with its answer, but not with Google, and a lost answer is an answer', async () => {
  const paths = { github: '/login/oauth/access_token', slack: '/api/oauth.v2.access', google: '/token' };
  for (const [name, at] of Object.entries(paths)) {
    const { client } = vendors[name], { access_token: access, refresh_token: refresh } = await vendors[name].add('one');
    const again = (fields = client) => ask(name, at, undefined, form({ grant_type: 'refresh_token', refresh_token: refresh, ...fields }));
    assert.ok(!(await again({ ...client, client_secret: 'x' })).json.access_token);
    await vendors[name].fault({ fault: 'reset', accepted: true });
    await assert.rejects(again());
    const answer = (await again()).json;
    assert.equal(Boolean(answer.access_token), name === 'google', JSON.stringify(answer));
    const old = await list(name, access);
    assert.ok(old.status === 401 || old.json.ok === false, 'the old access token is dead');
    const { refreshes, lateRefreshes } = await vendors[name].counts('one');
    assert.deepEqual([name, refreshes, lateRefreshes], [name, name === 'google' ? 2 : 1, name === 'google' ? 0 : 1]);
    assert.equal((await vendors[name].tokens('one')).used, 0);
  }
});
