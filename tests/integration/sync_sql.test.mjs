// The statements of sql/sync.sql, called as the engine calls them, but one by one and from several
// claimers at once: lanes, leases, pages, sweeps, tokens, and what the application changes meanwhile.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, beforeEach, test } from 'node:test';
import { Stand } from '../lib/stand.mjs';
import { statements } from '../lib/statements.mjs';
import { until } from '../lib/wait.mjs';

const START = '-62135596800000000';
const NO_ID = '00000000-0000-0000-0000-000000000000';
const LEASE_S = 40;

const stand = await Stand.create();
after(() => stand.end());
const { db } = stand;
const texts = Object.fromEntries(statements().map(({ name, text }) => [name, text]));

// A statement with the program's own settings, in a transaction of its own.
function call(name, values, session) {
  const within = async (sql) => {
    await sql('BEGIN');
    await sql(texts.db_settings, ['4000', '2000', 'off', 'on']);
    const rows = await sql(texts[name], values);
    await sql('COMMIT');
    return rows;
  };
  return session ? within(session) : db.session(within);
}

const now = () => db.value('SELECT clock_timestamp()::text');
const look = async (providers = null) => (await call('sync_look', [providers, null, null])).filter(({ queue }) => queue !== null);
async function claim({ limit = 1000, lanes, token = randomUUID(), fits = 3600, isSuspect = false, began, providers } = {}) {
  const found = lanes ?? await look(providers);
  return call('sync_claim', [limit, 30, token, await now(), found.map(({ queue }) => queue), found.map(({ priority }) => priority),
    found.map(({ at }) => at ?? START), found.map(({ id }) => id ?? NO_ID), fits, isSuspect, 10, began ?? await now()]);
}
const release = (rows) => call('sync_release', [rows.map(({ id }) => id), rows.map(({ claim_token: token }) => token)]);

// `how` is an object with what an item carries, or a function of the row; what is 0 is left out of the answer.
async function settle(rows, how, session) {
  const ends = rows.map((row) => (typeof how === 'function' ? how(row) : how));
  const column = (name, other = null) => ends.map((end) => end[name] ?? other);
  const results = ends.map(({ result }) => (result ? JSON.stringify(result) : null));
  const bulks = `[${ends.map(({ things }) => (things ? JSON.stringify(things) : 'null')).join(',')}]`;
  const [{ going, ...counts }] = await call('sync_settle', [rows.map(({ id }) => id), rows.map(({ claim_token: token }) => token), column('verdict', 'go_on'),
    column('retryMs', 0), column('error'), results, column('effect'), bulks, LEASE_S], session);
  const answer = Object.fromEntries(Object.entries(counts).filter(([, n]) => n > 0));
  if (going) answer.going = going.slice(1, -1).split(',').sort();
  return answer;
}
const page = (things, more = {}) => ({ effect: 'page', things, result: { cursor: { page: 'next' }, kind: 'issue', id: 'id', ...more } });

async function insert(more = {}, count = 1) {
  const columns = { user_id: randomUUID(), provider: 'github', access_token: 'cw1.k1.a', refresh_token: 'cw1.k1.r', ...more };
  const names = Object.keys(columns);
  return (await db.rows(
    `INSERT INTO user_integrations (${names.join(', ')}) SELECT ${names.map((_, i) => `$${i + 1}`).join(', ')} FROM generate_series(1, ${count}) RETURNING id`,
    Object.values(columns))).map(({ id }) => id);
}
// One that is claimed.
async function one(more) {
  await insert(more);
  return (await claim())[0];
}
const rowOf = (id) => db.one('SELECT * FROM user_integrations WHERE id = $1', [id]);
const waits = (id) => db.value('SELECT extract(epoch FROM waits_until - clock_timestamp())::float FROM user_integrations WHERE id = $1', [id]);
const items = async (id, kind = 'issue') => Object.fromEntries((await db.rows(
  'SELECT external_id AS id, data FROM integration_items WHERE integration_id = $1 AND kind = $2 ORDER BY 1', [id, kind])).map((row) => [row.id, row.data]));
const versions = () => db.rows('SELECT external_id, xmin::text, xmax::text, ctid::text FROM integration_items ORDER BY 1');
const expire = () => db.rows(`UPDATE user_integrations SET lease_until = clock_timestamp() - interval '1 s' WHERE lease_until IS NOT NULL`);

beforeEach(() => db.rows('TRUNCATE user_integrations, integration_items, integration_seen, app_webhooks, platform_events, webhook_deliveries'));

test('lanes: providers by priority, those that are asked for, what is due and can be synced', async () => {
  await insert();
  await insert({ provider: 'slack', priority: 5 });
  await insert({ provider: 'notion', waits_until: '2100-01-01' });
  await insert({ provider: 'google_calendar', status: 'disconnected' });
  await insert({ provider: 'google_calendar', access_token: null, refresh_token: null });
  assert.deepEqual((await look()).map(({ queue, priority }) => `${queue} ${priority}`), ['slack 5', 'github 0']);
  assert.deepEqual((await look(['github', 'notion'])).map(({ queue }) => queue), ['github']);
  const [none] = await call('sync_look', [['notion'], null, null]);
  assert.equal(none.queue, null);
  assert.ok(Date.parse(none.due_at) > 0);
  const rows = await claim();
  assert.deepEqual(rows.map(({ provider, lane }) => [provider, lane]).sort(), [['github', 2], ['slack', 1]]);
  assert.deepEqual(await claim(), [], 'what is leased is nobody else\'s');
});

test('a claim: what step reads, what is too long, what was synced since the run began', async () => {
  const [odd] = await insert({ token_expires_at: 'infinity', access_token: 'x'.repeat(100_000), cursor: JSON.stringify({ x: 'y'.repeat(1_100_000) }) });
  const [soon] = await insert({ token_expires_at: new Date(Date.now() + 100_000), cursor: '{"at":"issue"}', refresh_began_at: new Date() });
  const began = await now();
  await insert({ last_synced_at: new Date(Date.now() + 1000) });
  const [refreshes] = await insert({ access_token: null });
  const [ends] = await insert({ refresh_token: null });
  const rows = Object.fromEntries((await claim({ began })).map((row) => [row.id, row]));
  assert.deepEqual(Object.keys(rows).sort(), [odd, soon, refreshes, ends].sort());
  assert.deepEqual([rows[refreshes].access_token, rows[ends].refresh_token], [null, null]);
  assert.deepEqual([rows[odd].expires_in_s, rows[odd].cursor, rows[odd].access_token.length, rows[odd].is_refresh_lost], [null, null, 90_000, false]);
  assert.ok(rows[soon].expires_in_s > 90 && rows[soon].expires_in_s <= 100);
  assert.deepEqual([JSON.parse(rows[soon].cursor), rows[soon].timeout_s, rows[soon].attempts, rows[soon].is_refresh_lost], [{ at: 'issue' }, 10, 0, true]);
  assert.deepEqual(await claim({ fits: 9 }), []);
});

test('a claim ends with 4 MB of cursors', async () => {
  await insert({}, 8);
  await db.rows(`UPDATE user_integrations SET cursor = jsonb_build_object('x', (SELECT string_agg(md5(id::text || n), '') FROM generate_series(1, 10000) n))`);
  const first = await claim();
  assert.ok(first.length >= 4 && first.length < 8, `${first.length}`);
  assert.equal(first.length + (await claim()).length, 8);
});

test('a page: rows, cursor and a lease anew, and nothing twice', async () => {
  const row = await one();
  const things = [{ id: 7, t: 'seven' }, { id: 'a:b', t: 'text' }, { id: 12345678901234567890n.toString(), t: 'long' }, { id: 7, t: 'seven again' },
    { id: 8.5 }, 'no object', { t: 'no id' }, { id: null }, { id: { x: 1 } }, { id: '' }, { id: 'x'.repeat(1001) }, null, [{ id: 1 }]];
  const before = (await rowOf(row.id)).lease_until;
  assert.deepEqual(await settle([row], page(things)), { go_on: 1, going: [row.id], items_changed: 4, items_skipped: 9 });
  assert.deepEqual(await items(row.id), { 7: { id: 7, t: 'seven again' }, 8.5: { id: 8.5 }, '12345678901234567890': things[2], 'a:b': things[1] });
  const now1 = await rowOf(row.id);
  assert.deepEqual([now1.cursor, now1.claim_token, now1.status, now1.last_synced_at], [{ page: 'next' }, row.claim_token, 'active', null]);
  assert.ok(now1.lease_until > before);
  // The answer was lost, and it is sent again; then the same is listed by a later pass.
  const seen = await versions();
  assert.deepEqual(await settle([row], page(things)), { go_on: 1, going: [row.id], items_skipped: 9 });
  assert.deepEqual(await settle([row], page([things[1], { t: 'seven again', id: 7 }, { id: 9 }])), { go_on: 1, going: [row.id], items_changed: 1 });
  assert.deepEqual((await versions()).filter(({ external_id: id }) => id !== '9'), seen, 'not a byte of it was written');
  assert.deepEqual(await settle([row], page([{ id: 9, t: 'new' }])), { go_on: 1, going: [row.id], items_changed: 1 });
  assert.deepEqual(await settle([row], { ...page([{ id: 10 }]), verdict: 'done' }), { done: 1, items_changed: 1 });
  const done = await rowOf(row.id);
  assert.deepEqual([done.claim_token, done.lease_until, done.attempts, done.last_error], [null, null, 0, null]);
  assert.ok(done.last_synced_at);
  assert.ok(await waits(row.id) > 55 && await waits(row.id) <= 60);
});

test('pages of several items in one settlement, each to its own; parts and what is gone', async () => {
  await insert({}, 3);
  const rows = await claim();
  const [a, b, c] = rows;
  await db.rows(`INSERT INTO integration_items VALUES ($1, 'issue', 'C1:2', '{}'), ($2, 'issue', '2', '{}'), ($1, 'issue', '2', '{}')`, [a.id, b.id]);
  const pages = { [a.id]: page([{ id: 1 }, { id: 2, status: 'cancelled', x: 1 }], { part: 'C1', gone: { status: 'cancelled' } }),
    [b.id]: page([{ ts: '1.5', status: 'cancelled' }], { id: 'ts' }), [c.id]: { effect: 'turn', verdict: 'park' } };
  assert.deepEqual(await settle(rows, ({ id }) => pages[id]), { go_on: 2, park: 1, going: [a.id, b.id].sort(), items_changed: 2, items_deleted: 1 });
  assert.deepEqual(await items(a.id), { 2: {}, 'C1:1': { id: 1 } });
  assert.deepEqual(await items(b.id), { 2: {}, 1.5: { ts: '1.5', status: 'cancelled' } });
  assert.ok(await waits(c.id) <= 0);
});

test('who has lost the claim writes nothing, and its neighbour does', async () => {
  await insert({}, 2);
  const rows = await claim();
  const [lost, kept] = rows;
  await expire();
  const [again] = (await claim({ limit: 1, lanes: [{ queue: 'github', priority: 0 }] }));
  const stale = rows.find(({ id }) => id === again.id);
  const other = stale === lost ? kept : lost;
  assert.deepEqual(await settle([stale, other], page([{ id: 1 }], { is_whole: true, page: 1 })), { go_on: 1, going: [other.id], items_changed: 1 });
  assert.deepEqual(await items(stale.id), {});
  assert.deepEqual((await rowOf(stale.id)).cursor, {});
  assert.equal(await db.value('SELECT count(*)::int FROM integration_seen WHERE integration_id = $1', [stale.id]), 0);
  await release([stale]);
  assert.equal((await rowOf(stale.id)).claim_token, again.claim_token);
  for (const end of [{ verdict: 'dead', effect: 'reauth', error: 'no' }, { effect: 'tokens', result: { tokens: { access: 'cw1.k1.stale' } } }, { verdict: 'done' }])
    assert.deepEqual(await settle([stale], end), {});
  assert.deepEqual([(await rowOf(stale.id)).status, (await rowOf(stale.id)).access_token], ['active', 'cw1.k1.a']);
  assert.equal(await db.value('SELECT count(*)::int FROM platform_events'), 0);
});

test('a whole pass: what no page has listed is swept, with what hangs on it, and nothing else', async () => {
  const row = await one({ provider: 'slack' });
  const [other] = await insert();
  const things = (from, to) => Array.from({ length: to - from + 1 }, (_, i) => ({ id: `C${from + i}` }));
  const whole = (list, number, more = {}) => page(list, { kind: 'channel', is_whole: true, page: number, ...more });
  const sweep = (more) => ({ effect: 'sweep', result: { cursor: {}, kind: 'channel', page: 2, ...more } });
  await settle([row], page(things(1, 6), { kind: 'channel' }));
  await db.rows(`INSERT INTO integration_items SELECT $1, 'message', c || ':' || n, '{}' FROM unnest('{C1,C2,C20}'::text[]) c, generate_series(1, 2) n`, [row.id]);
  await db.rows(`INSERT INTO integration_items VALUES ($1, 'channel', 'C2', '{}'), ($2, 'user', 'C2', '{}')`, [other, row.id]);
  await db.rows(`INSERT INTO integration_seen VALUES ($1, 'message', 'C2', 1, '{}'), ($1, 'message', 'C20', 1, '{}')`, [row.id]);
  assert.deepEqual(await settle([row], sweep()), { go_on: 1, going: [row.id] }, 'no pass was noted, so nothing is known to be gone');
  // A pass that did not end, and had more pages.
  for (const number of [1, 2, 3]) await settle([row], whole(things(1, 6), number));
  await settle([row], whole(things(1, 1), 1));
  assert.deepEqual(await settle([row], sweep()), { go_on: 1, going: [row.id] }, 'one of its pages was not noted');
  assert.deepEqual(await settle([row], sweep({ page: 0 })), { go_on: 1, going: [row.id] });
  await settle([row], whole([...things(3, 4), { id: 'C5', gone: true }], 2, { gone: { gone: true } }));
  assert.deepEqual(await settle([row], sweep({ parts_kind: 'message' })), { go_on: 1, going: [row.id], items_deleted: 4 });
  assert.deepEqual(Object.keys(await items(row.id, 'channel')), ['C1', 'C3', 'C4']);
  assert.deepEqual(Object.keys(await items(row.id, 'message')), ['C1:1', 'C1:2', 'C20:1', 'C20:2']);
  assert.deepEqual([Object.keys(await items(other, 'channel')), Object.keys(await items(row.id, 'user'))], [['C2'], ['C2']]);
  assert.deepEqual(await db.rows('SELECT kind, part FROM integration_seen'), [{ kind: 'message', part: 'C20' }]);
  assert.deepEqual(await settle([row], sweep({ parts_kind: 'message' })), { go_on: 1, going: [row.id] }, 'once more, since its answer was lost');
  // Of a part, and of one that is empty.
  await settle([row], page([{ id: 1 }], { kind: 'message', part: 'C1', is_whole: true, page: 1 }));
  assert.deepEqual(await settle([row], { effect: 'sweep', result: { kind: 'message', part: 'C1', page: 1 } }), { go_on: 1, going: [row.id], items_deleted: 1 });
  await settle([row], { effect: 'page', result: { kind: 'message', part: 'C1', is_whole: true, page: 1 } });
  assert.deepEqual(await settle([row], { effect: 'sweep', result: { kind: 'message', part: 'C1', page: 1 }, verdict: 'done' }), { done: 1, items_deleted: 1 });
  assert.deepEqual(Object.keys(await items(row.id, 'message')), ['C20:1', 'C20:2']);
});

test('a sweep of very many takes several statements, each by whoever claims it then', async () => {
  let row = await one({ provider: 'slack', cursor: '{"at": "message"}' });
  const fill = (kind, part, count) => db.rows(`INSERT INTO integration_items SELECT $1, $2, $3 || lpad(n::text, 6, '0'), '{}' FROM generate_series(1, ${count}) n`, [row.id, kind, part]);
  const swept = async (result, verdict) => {
    const end = await settle([row], { effect: 'sweep', result: { cursor: { at: 'user' }, page: 1, ...result }, verdict });
    const { cursor, status, last_synced_at: synced } = await rowOf(row.id);
    if (end.park) [row] = await claim();
    return [end, cursor, status, synced === null];
  };
  // Of a channel that was left two messages are listed still, the last ones.
  await fill('message', 'C1:', 60_000);
  await db.rows(`INSERT INTO integration_seen VALUES ($1, 'message', 'C1', 1, '{C1:049999,C1:060000}')`, [row.id]);
  const messages = { kind: 'message', part: 'C1' };
  assert.deepEqual(await swept(messages, 'done'), [{ park: 1, items_deleted: 49_999 }, { at: 'message', swept: 'C1:050001' }, 'active', true]);
  assert.deepEqual(await swept(messages, 'done'), [{ done: 1, items_deleted: 9999 }, { at: 'user' }, 'active', false]);
  assert.deepEqual(Object.keys(await items(row.id, 'message')), ['C1:049999', 'C1:060000']);
  assert.equal(await db.value('SELECT count(*)::int FROM integration_seen'), 0);
  // A channel is gone with its messages: they go first.
  row = await one({ provider: 'slack', cursor: '{"at": "channel"}' });
  await fill('message', 'C1:', 60_000);
  await fill('channel', 'C', 1);
  await db.rows(`UPDATE integration_items SET external_id = 'C1' WHERE kind = 'channel'`);
  await db.rows(`INSERT INTO integration_seen VALUES ($1, 'channel', '', 1, '{}')`, [row.id]);
  const channels = { kind: 'channel', parts_kind: 'message' };
  assert.deepEqual(await swept(channels), [{ park: 1, items_deleted: 50_000 }, { at: 'channel', swept: '' }, 'active', true]);
  assert.deepEqual(await swept(channels), [{ go_on: 1, going: [row.id], items_deleted: 10_001 }, { at: 'user' }, 'active', true]);
});

test('notes that are kept: a page is noted in its place, and a sweep goes by all pages there are', async () => {
  const row = await one();
  const list = (ids, number) => page(ids.map((id) => ({ id })), { is_whole: true, keeps: true, page: number });
  const sweep = (number) => ({ effect: 'sweep', result: { kind: 'issue', is_whole: true, keeps: true, page: number } });
  const notes = async () => (await db.rows('SELECT page, ids FROM integration_seen ORDER BY page')).map(({ page: number, ids }) => `${number}: ${ids}`);
  for (const [number, ids] of [[1, [1, 2]], [2, [3, 4]], [3, [5, 6]]]) await settle([row], list(ids, number));
  assert.deepEqual(await settle([row], sweep(3)), { go_on: 1, going: [row.id] });
  assert.deepEqual(await notes(), ['1: 1,2', '2: 3,4', '3: 5,6']);
  // One page has changed, and two things have come to it from others or from nowhere.
  await settle([row], list([7, 4], 2));
  assert.deepEqual(await notes(), ['1: 1,2', '2: 4,7', '3: 5,6'], 'those of later pages stay');
  assert.deepEqual(await settle([row], sweep(3)), { go_on: 1, going: [row.id], items_deleted: 1 });
  assert.deepEqual(Object.keys(await items(row.id)), ['1', '2', '4', '5', '6', '7']);
  // What a page lists stays, its things change.
  const version = () => db.value('SELECT xmin::text || ctid FROM integration_seen WHERE page = 1');
  const before = await version();
  await settle([row], page([{ id: 2 }, { id: 1, t: 'new' }], { is_whole: true, keeps: true, page: 1 }));
  assert.equal(await version(), before);
  // Two pages are left, of which the last has changed.
  await settle([row], list([7, 8], 2));
  assert.deepEqual(await settle([row], sweep(2)), { go_on: 1, going: [row.id], items_deleted: 3 });
  assert.deepEqual(await notes(), ['1: 1,2', '2: 7,8']);
  assert.deepEqual(await settle([row], sweep(2)), { go_on: 1, going: [row.id] }, 'once more, since its answer was lost');
  assert.deepEqual(Object.keys(await items(row.id)), ['1', '2', '7', '8']);
  await settle([row], list([], 1));
  assert.deepEqual(await settle([row], sweep(1)), { go_on: 1, going: [row.id], items_deleted: 4 });
});

test('a refresh: its intent, then its tokens; an old refresh token stays where none came', async () => {
  const row = await one();
  const durable = async (effect, result) => db.session(async (sql) => {
    await sql('BEGIN');
    await sql(texts.db_settings, ['4000', '2000', 'off', 'on']);
    await sql(texts.sync_settle, [[row.id], [row.claim_token], ['go_on'], [0], [null], [result && JSON.stringify(result)], [effect], '[null]', LEASE_S]);
    const [{ how }] = await sql(`SELECT current_setting('synchronous_commit') AS how`);
    await sql('COMMIT');
    return how;
  });
  assert.equal(await durable('turn'), 'off');
  assert.equal(await durable('intent'), 'on');
  assert.ok((await rowOf(row.id)).refresh_began_at);
  await durable('kept');
  assert.equal((await rowOf(row.id)).refresh_began_at, null);
  await durable('intent');
  assert.equal(await durable('tokens', { tokens: { access: 'cw1.k1.a2', refresh: 'cw1.k1.r2', expires_in_s: 3600 } }), 'on');
  const got = await rowOf(row.id);
  assert.deepEqual([got.access_token, got.refresh_token, got.refresh_began_at, got.claim_token], ['cw1.k1.a2', 'cw1.k1.r2', null, row.claim_token]);
  assert.ok(got.token_expires_at - Date.now() > 3_500_000);
  await durable('tokens', { tokens: { access: 'cw1.k1.a3', expires_in_s: 0 } });
  const last = await rowOf(row.id);
  assert.deepEqual([last.access_token, last.refresh_token, last.token_expires_at], ['cw1.k1.a3', 'cw1.k1.r2', null]);
});

test('how turns end that brought nothing: retry, limited, down, hold', async () => {
  const row = await one();
  const end = async (how, wanted) => {
    const [claimed] = (await db.value('SELECT claim_token IS NULL FROM user_integrations')) ? (await db.rows('UPDATE user_integrations SET waits_until = clock_timestamp()'), await claim()) : [row];
    const answer = await settle([claimed], how);
    const { attempts, last_error: error, claim_token: token, status } = await rowOf(row.id);
    assert.deepEqual([answer, attempts, error, token, status], [wanted[0], ...wanted.slice(1), null, 'active']);
    return waits(row.id);
  };
  const near = (seconds, wanted) => assert.ok(seconds > wanted - 2 && seconds <= wanted, `${seconds} s, wanted ${wanted}`);
  near(await end({ verdict: 'retry', retryMs: 60_000, error: `it broke ${'x'.repeat(1100)}` }, [{ retry: 1 }, 1, `it broke ${'x'.repeat(991)}`]), 60);
  near(await end({ verdict: 'park', effect: 'limited', retryMs: 30_000, error: 'too many' }, [{ park: 1 }, 2, 'too many']), 30);
  near(await end({ verdict: 'park', effect: 'down', retryMs: 61_000, error: 'GitHub does not answer' }, [{ park: 1 }, 2, 'GitHub does not answer']), 61);
  await db.rows(`UPDATE user_integrations SET last_synced_at = clock_timestamp() - interval '80 min'`);
  near(await end({ verdict: 'hold', retryMs: 60_000, error: 'GITHUB_CLIENT_ID is not set' }, [{ hold: 1 }, 2, 'GITHUB_CLIENT_ID is not set']), 600);
  const [claimed] = (await db.rows('UPDATE user_integrations SET waits_until = clock_timestamp()'), await claim());
  await settle([claimed], page([{ id: 1 }]));
  assert.deepEqual([(await rowOf(row.id)).attempts, (await rowOf(row.id)).last_error], [0, 'GITHUB_CLIENT_ID is not set']);
});

test('what was lost twice goes alone, five times is left for a day; a page that was written wipes the count', async () => {
  const [id] = await insert();
  const lost = () => db.value('SELECT lost FROM user_integrations');
  for (let n = 0; n < 2; n++) {
    assert.equal((await claim()).length, 1);
    await expire();
  }
  assert.deepEqual(await claim(), []);
  const [row] = await claim({ isSuspect: true, limit: 1 });
  assert.equal(await lost(), 2);
  await settle([row], { effect: 'intent' });
  assert.equal(await lost(), 2, 'that it was begun says nothing');
  await settle([row], page([{ id: 1 }]));
  assert.equal(await lost(), 0);
  // Whatever somebody has written there, no claim fails of it.
  await db.rows(`UPDATE user_integrations SET lost = 2147483647, lease_until = clock_timestamp() - interval '1 s'`);
  assert.equal((await claim()).length + (await claim({ isSuspect: true, limit: 1 })).length, 1);
  await db.rows(`UPDATE user_integrations SET lost = 4, lease_until = clock_timestamp() - interval '1 s'`);
  assert.deepEqual(await call('sync_bury', [await now()]), [{ id }]);
  const buried = await rowOf(id);
  assert.deepEqual([buried.status, buried.lost, buried.claim_token], ['active', 0, null]);
  assert.match(buried.last_error, /^poison: /);
  assert.ok(await waits(id) > 86_000);
});

test('handed back: what had no turn keeps its place, what had one waits since then', async () => {
  await insert({}, 2);
  const rows = await claim();
  const places = () => db.rows('SELECT id FROM user_integrations ORDER BY waits_until');
  const first = rows.find(({ id }) => id < rows.find((row) => row.id !== id).id);
  await settle([first], page([{ id: 1 }]));
  await release(rows);
  assert.equal((await places())[1].id, first.id);
  const again = await claim();
  assert.equal(again.length, 2, 'both are due, and free');
  await settle(again, ({ id }) => ({ retryMs: id === first.id ? 5000 : 0 }));
  await release(again);
  assert.ok(await waits(first.id) > 4, 'what was told to rest is not early in the next run');
  assert.equal((await claim()).length, 1);
});

test('handed back with a refresh that was intended: it was not sent, unless somebody had it who died', async () => {
  const row = await one();
  const began = async () => (await rowOf(row.id)).refresh_began_at !== null;
  await settle([row], { effect: 'intent' });
  await release([row]);
  assert.equal(await began(), false);
  const [again] = await claim();
  await settle([again], { effect: 'intent' });
  await settle([again], {});
  await release([again]);
  assert.equal(await began(), true, 'it was sent, and nobody knows what became of it');
  await settle(await claim(), { effect: 'intent' });
  await expire();
  await release(await claim());
  assert.equal(await began(), true);
});

test('needs_reauth once, with an event that is delivered; new tokens make it active', async () => {
  const endpoint = await stand.endpoint('/ok', { events: '{integration.*}' });
  const row = await one({ token_expires_at: '2026-01-01' });
  const dead = { verdict: 'dead', effect: 'reauth', error: 'the token was revoked' };
  assert.deepEqual(await settle([row], dead), { dead: 1 });
  assert.deepEqual(await settle([row], dead), {});
  const { status, waits_until: at, last_error: error } = await rowOf(row.id);
  assert.deepEqual([status, at, error], ['needs_reauth', null, 'the token was revoked']);
  const events = await db.rows('SELECT event_type, payload FROM platform_events');
  assert.deepEqual(events, [{ event_type: 'integration.needs_reauth',
    payload: { id: row.id, user_id: row.user_id, provider: 'github', error: 'the token was revoked' } }]);
  assert.equal(await db.value('SELECT count(*)::int FROM webhook_deliveries WHERE webhook_id = $1', [endpoint.id]), 1);
  assert.deepEqual(await look(), []);
  await db.rows(`UPDATE user_integrations SET access_token = 'new', refresh_token = 'newer'`);
  const back = await rowOf(row.id);
  assert.deepEqual([back.status, back.last_error, back.token_expires_at], ['active', null, null]);
  assert.equal((await claim())[0].access_token, 'new');
});

test('what the application changes voids the claim; sealing and rekeying do not', async () => {
  const row = await one({ access_token: 'plain', refresh_token: 'plain too', refresh_began_at: new Date(), attempts: 3 });
  for (const [column, before, sealed] of [['access', 'plain', 'cw1.k1.a'], ['refresh', 'plain too', 'cw1.k1.r'], ['access', 'cw1.k1.a', 'cw1.k2.a']]) {
    const list = sealed.startsWith('cw1.k2') ? await call('sealed_integration_access_stale', [null, 10, 'cw1.k2.']) : await call(`sealed_integration_${column}_plain`, [null, 10]);
    assert.deepEqual(list.map(({ id, value }) => [id, value]), [[row.id, before]]);
    const version = list[0].version;
    assert.equal((await call(`sealed_integration_${column}_put`, [[row.id], ['1'], ['cw1.k1.no']])).length, 0);
    assert.equal((await call(`sealed_integration_${column}_put`, [[row.id], [version], [sealed]])).length, 1);
  }
  assert.deepEqual(await call('sealed_integration_access_keys', []), [{ key_id: 'k2', count: 1 }]);
  const sealed = await rowOf(row.id);
  assert.deepEqual([sealed.claim_token, sealed.attempts, sealed.refresh_token], [row.claim_token, 3, 'cw1.k1.r']);
  assert.ok(sealed.refresh_began_at);

  for (const change of [`access_token = 'mine', waits_until = '2050-01-01'`, `access_token = 'theirs'`, `refresh_token = 'theirs'`, `cursor = '{"x":1}'`, `status = 'disconnected'`, `status = 'active'`]) {
    await db.rows(`UPDATE user_integrations SET claim_token = $1, lease_until = clock_timestamp() + interval '1 min', waits_until = '2100-01-01'`, [row.claim_token]);
    await db.rows(`UPDATE user_integrations SET ${change}`);
    const changed = await rowOf(row.id);
    assert.deepEqual([changed.claim_token, changed.lease_until, changed.attempts], [null, null, 0], change);
    if (change.includes('disconnected')) assert.equal(changed.waits_until, null);
    else if (change.includes('waits_until')) assert.equal(changed.waits_until.getUTCFullYear(), 2050);
    else assert.ok(await waits(row.id) <= 0, change);
    assert.deepEqual(await settle([row], page([{ id: 1 }])), {}, change);
  }
  assert.deepEqual(await items(row.id), {});
  assert.equal((await rowOf(row.id)).refresh_began_at, null);
  const [again] = await claim();
  await db.rows(`UPDATE user_integrations SET access_token = 'theirs', priority = 3, last_error = 'x'`);
  assert.equal((await rowOf(row.id)).claim_token, again.claim_token, 'what is the same is no change');
});

test('items go with their integration, also those of a page that is written just then', async () => {
  await insert({}, 2);
  const rows = await claim();
  const [gone, stays] = rows;
  await settle(rows, page([{ id: 1 }], { is_whole: true, page: 1 }));
  await db.session(async (sql) => {
    await sql('BEGIN');
    await sql('DELETE FROM user_integrations WHERE id = $1', [gone.id]);
    const written = settle(rows, page([{ id: 2 }], { is_whole: true, page: 2 }));
    await until(() => db.value(`SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`), { what: 'it to wait', everyMs: 5 });
    await sql('COMMIT');
    assert.deepEqual((await written).going, [stays.id]);
  });
  for (const table of ['integration_items', 'integration_seen'])
    assert.deepEqual((await db.rows(`SELECT DISTINCT integration_id AS id FROM ${table}`)).map(({ id }) => id), [stays.id], table);
});

test('two settlements of the same rows, in whatever order, never wait for each other', async () => {
  await insert({}, 40);
  const rows = await claim();
  const both = await Promise.all([rows, [...rows].reverse(), rows, [...rows].reverse()].map((list, n) =>
    db.session(async (sql) => {
      let written = 0;
      for (let i = 0; i < 5; i++) written += (await settle(list, page([{ id: 1, n, i }]), sql)).items_changed;
      return written;
    })));
  assert.deepEqual(both, [200, 200, 200, 200]);
});
