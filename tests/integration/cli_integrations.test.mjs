// The command line: `cronward integrations …`.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, beforeEach, test } from 'node:test';
import { Stand } from '../lib/stand.mjs';
import { until } from '../lib/wait.mjs';

const TOKEN = 'gho_that_nobody_may_see';
const stand = await Stand.create();
const { db } = stand;
after(() => stand.end());
beforeEach(() => db.rows('TRUNCATE user_integrations, integration_items, integration_seen, audit_log'));

const integrations = (...args) => stand.cli(['integrations', ...args]);
async function told(...args) {
  const done = await integrations(...args);
  assert.deepEqual([done.code, done.stderr], [0, ''], args.join(' '));
  return done.stdout;
}
const listed = async (...args) => JSON.parse(await told('list', '--json', ...args));

// One that was synced a while ago and waits, with an item and the record of a whole pass under way.
async function integration({ provider = 'github', user = randomUUID(), status = 'active', ...more } = {}) {
  const columns = { user_id: user, provider, status, access_token: TOKEN, refresh_token: TOKEN, cursor: { at: 'issue' }, ...more };
  const names = Object.keys(columns);
  const id = await db.value(`INSERT INTO user_integrations (${names}) VALUES (${names.map((_, i) => `$${i + 1}`)}) RETURNING id`, Object.values(columns));
  await db.rows(`UPDATE user_integrations SET waits_until = waits_until + interval '1 h', last_synced_at = now(), last_error = 'GitHub does not answer' WHERE id = $1`, [id]);
  await db.rows(`INSERT INTO integration_items (integration_id, kind, external_id, data) VALUES ($1, 'issue', '1', '{}')`, [id]);
  await db.rows(`INSERT INTO integration_seen (integration_id, kind, page, ids) VALUES ($1, 'issue', 1, '{1}')`, [id]);
  return id;
}
const rowOf = (id) => db.one(`SELECT *, waits_until <= clock_timestamp() AS is_due, lease_until > clock_timestamp() AS is_leased,
  (SELECT count(*)::int FROM integration_items WHERE integration_id = i.id) AS items, (SELECT count(*)::int FROM integration_seen WHERE integration_id = i.id) AS seen
  FROM user_integrations i WHERE id = $1`, [id]);
const lease = (id) => db.rows(`UPDATE user_integrations SET claim_token = gen_random_uuid(), lease_until = clock_timestamp() + interval '1 min' WHERE id = $1`, [id]);
const acts = async () => (await db.rows('SELECT action, target, detail FROM audit_log ORDER BY id')).map(({ action, target, detail }) => [action, target, detail]);

test('help, and wrong words', async () => {
  assert.deepEqual((await told('--help')).split('\n').filter((line) => line.length > 80), [], 'a terminal is 80 wide');
  const id = randomUUID();
  for (const args of [[], ['nonsense'], ['list', id], ['list', '--limit', '0'], ['list', '--provider', 'gitlab'], ['list', '--status', 'dead'], ['list', '--user', 'x'],
    ['list', '--all'], ['list', '--whole'], ['resync'], ['resync', 'x'], ['resync', '--whole'], ['resync', id, '--all'], ['resync', '--all', '--provider', 'github'],
    ['resync', id, '--user', id], ['resync', '--all', '--purge'], ['disconnect'], ['disconnect', '--all'], ['disconnect', '--provider', 'github'],
    ['disconnect', id, '--user', id], ['disconnect', id, '--provider', 'github'], ['disconnect', '--purge']]) {
    const done = await integrations(...args);
    assert.deepEqual([done.code, done.stdout], [2, ''], args.join(' '));
    assert.match(done.stderr, /^cronward integrations: .*\nTry `cronward integrations --help`/, args.join(' '));
  }
  assert.deepEqual(await acts(), []);
});

test('list: filters, order, limit, and no token', async () => {
  const user = randomUUID();
  const ids = [await integration(), await integration({ provider: 'slack', user }), await integration({ provider: 'notion', user, status: 'needs_reauth', refresh_token: null })];
  await lease(ids[1]);
  assert.deepEqual((await listed()).map((one) => one.id), [...ids].reverse());
  assert.deepEqual((await listed('--limit', '1')).map((one) => one.id), [ids[2]]);
  assert.deepEqual((await listed('--provider', 'github')).map((one) => one.id), [ids[0]]);
  assert.deepEqual((await listed('--status', 'needs_reauth')).map((one) => one.id), [ids[2]]);
  const [notion, slack] = await listed('--user', user);
  assert.deepEqual([slack.userId, slack.isRunning, slack.hasAccessToken, slack.hasRefreshToken, slack.lastError], [user, true, true, true, 'GitHub does not answer']);
  assert.deepEqual([notion.status, notion.isRunning, notion.dueAt, notion.hasRefreshToken], ['needs_reauth', false, null, false]);
  assert.match(await told('list'), new RegExp(`${ids[1]} +${user} +slack +active +\\S+Z +running `));
  assert.ok(!(await told('list') + JSON.stringify(await listed())).includes(TOKEN));
  assert.deepEqual(await listed('--user', randomUUID()), []);
  const bare = await db.value(`INSERT INTO user_integrations (user_id, provider) VALUES (gen_random_uuid(), 'notion') RETURNING id`);
  assert.match(await told('list', '--limit', '1'), new RegExp(`^${bare} .* no token is stored for it$`, 'm'));
  await db.rows(`UPDATE user_integrations SET access_token = 'x' WHERE id = $1`, [bare]);
  const [{ lastError: error, dueAt: due }] = await listed('--limit', '1');
  assert.deepEqual([error, due !== null], [null, true]);
});

test('resync: due now and on from where it was; --whole from the beginning, and the claim under way is void', async () => {
  const [kept, whole, other] = [await integration(), await integration({ provider: 'slack' }), await integration()];
  for (const id of [kept, whole]) await lease(id);
  assert.equal(await told('resync', kept.toUpperCase(), kept), 'made due 1\n');
  assert.equal(await told('resync', '--provider', 'slack', '--whole'), 'made due 1\n');
  const state = async (id) => (({ is_due, is_leased, cursor, last_error, items, seen }) => [is_due, is_leased, cursor, last_error, items, seen])(await rowOf(id));
  assert.deepEqual(await state(kept), [true, true, { at: 'issue' }, null, 1, 1]);
  assert.deepEqual(await state(whole), [true, null, {}, null, 1, 0]);
  assert.deepEqual((await state(other)).slice(0, 2), [false, null]);
  assert.equal(await told('resync', '--all'), 'made due 3\n');
  assert.deepEqual(await acts(), [
    ['integrations.resync', 'user_integrations', { filter: { ids: [kept] }, count: 1, skipped: 0 }],
    ['integrations.resync', 'user_integrations', { filter: { provider: 'slack', whole: true }, count: 1, skipped: 0 }],
    ['integrations.resync', 'user_integrations', { filter: { all: true }, count: 3, skipped: 0 }]]);
});

test('resync --whole: a channel that was left before is known by its name, and its messages go', async () => {
  const streams = { message: { whole_at: 1, parts: { C1: { since: '1.000000' }, C2: {} }, drop: [] }, channel: { whole_at: 1 }, user: 'x' };
  const [slack, odd] = [await integration({ provider: 'slack', cursor: { at: 'user', streams } }), await integration({ cursor: { streams: [1] } })];
  assert.equal(await told('resync', slack, odd, '--whole'), 'made due 2\n');
  assert.deepEqual([(await rowOf(slack)).cursor, (await rowOf(odd)).cursor], [{ streams: { message: { parts: { C1: {}, C2: {} } } } }, {}]);
});

test('resync: what was refused is tried once more when that is said; what is disconnected is not, and why', async () => {
  const [refused, off, bare] = [await integration({ status: 'needs_reauth' }), await integration({ status: 'disconnected' }), await integration({ access_token: null, refresh_token: '' })];
  assert.equal(await told('resync', '--provider', 'github'), 'made due 0, skipped 1\n');
  assert.equal((await rowOf(refused)).status, 'needs_reauth');
  const nobody = randomUUID();
  const done = await integrations('resync', refused, off, bare, nobody);
  assert.deepEqual([done.code, done.stdout], [1, 'made due 1, skipped 2\n']);
  for (const line of [`${off} is not synced: it is disconnected`, `${bare} is not synced: it has no token`, "1 of the 4 ids are no integration's"]) assert.ok(done.stderr.includes(line), done.stderr);
  const row = await rowOf(refused);
  assert.deepEqual([row.status, row.is_due], ['active', true]);
  assert.deepEqual([(await rowOf(off)).status, (await rowOf(off)).waits_until], ['disconnected', null]);
});

test('disconnect: tokens are forgotten, the claim under way is void, items stay unless --purge', async () => {
  const user = randomUUID();
  const [one, other, its, last] = [await integration(), await integration({ status: 'needs_reauth' }), await integration({ user }), await integration({ user, provider: 'slack' })];
  await lease(one);
  assert.equal(await told('disconnect', one), 'disconnected 1\n');
  assert.equal(await told('disconnect', other, '--purge'), 'disconnected 1\n');
  const state = async (id) => (({ status, access_token, refresh_token, waits_until, claim_token, cursor, items, seen }) =>
    [status, access_token, refresh_token, waits_until, claim_token, cursor, items, seen])(await rowOf(id));
  assert.deepEqual(await state(one), ['disconnected', null, null, null, null, { at: 'issue' }, 1, 1]);
  assert.deepEqual(await state(other), ['disconnected', null, null, null, null, {}, 0, 0]);
  assert.equal(await told('disconnect', '--user', user, '--provider', 'slack'), 'disconnected 1\n');
  assert.deepEqual([(await rowOf(its)).status, (await rowOf(last)).status], ['active', 'disconnected']);
  assert.deepEqual((await acts()).map(([action, , detail]) => [action, detail.count, detail.items]), [['integrations.disconnect', 1, undefined], ['integrations.disconnect', 1, 1], ['integrations.disconnect', 1, undefined]]);
  // An application connects it again.
  await db.rows(`UPDATE user_integrations SET access_token = 'new', status = 'active' WHERE id = $1`, [one]);
  assert.equal((await rowOf(one)).is_due, true);
  const nobody = await integrations('disconnect', randomUUID());
  assert.deepEqual([nobody.code, nobody.stdout], [1, 'disconnected 0\n']);
});

test('disconnect --purge: a page that is being written just then goes, too', async () => {
  const id = await integration();
  await db.session(async (sql) => {
    await sql('BEGIN');
    await sql('SELECT FROM user_integrations WHERE id = $1 FOR NO KEY UPDATE', [id]);
    await sql(`INSERT INTO integration_items (integration_id, kind, external_id, data) VALUES ($1, 'issue', '2', '{}')`, [id]);
    const done = told('disconnect', id, '--purge');
    await until(() => db.value(`SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '/* integrations_cli_disconnect */%'`), { what: 'it to wait' });
    await sql('COMMIT');
    assert.equal(await done, 'disconnected 1\n');
  });
  const { items, seen } = await rowOf(id);
  assert.deepEqual([items, seen, (await acts())[0][2].items], [0, 0, 2]);
});

test('resync --whole: a refresh under way is not lost', async () => {
  const id = await integration({ refresh_began_at: new Date() });
  await lease(id);
  const done = await integrations('resync', id, '--whole');
  assert.deepEqual([done.code, done.stdout], [1, 'made due 0, skipped 1\n']);
  assert.match(done.stderr, /its token is just being refreshed, try again/);
  assert.equal((await rowOf(id)).is_leased, true);
  assert.equal(await told('resync', id), 'made due 1\n');
  await db.rows('UPDATE user_integrations SET lease_until = NULL, claim_token = NULL WHERE id = $1', [id]);
  assert.equal(await told('resync', id, '--whole'), 'made due 1\n');
});

test('many at once: batch after batch, and one with many items', async () => {
  await db.rows(`INSERT INTO user_integrations (user_id, provider, access_token) SELECT gen_random_uuid(), 'notion', 'x' FROM generate_series(1, 2500)`);
  assert.equal(await told('resync', '--provider', 'notion', '--whole'), 'made due 2500\n');
  const id = await integration();
  await db.rows(`INSERT INTO integration_items (integration_id, kind, external_id, data) SELECT $1, 'issue', 'i' || n, '{}' FROM generate_series(1, 20000) n`, [id]);
  assert.equal(await told('disconnect', id, '--purge'), 'disconnected 1\n');
  assert.equal((await rowOf(id)).items, 0);
});
