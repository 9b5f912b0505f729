// Sealed secrets: sealed at first use, opened for signing, bound to their row, rekeyed online; and a
// key that is missing costs no delivery a try.
import assert from 'node:assert/strict';
import { createDecipheriv, randomBytes, randomUUID } from 'node:crypto';
import { after, beforeEach, test } from 'node:test';
import { memoryKb } from '../lib/process.mjs';
import { program } from '../lib/program.mjs';
import { newSecret } from '../lib/webhooks.mjs';
import { Stand } from '../lib/stand.mjs';
import { Terminal } from '../lib/terminal.mjs';

const newKey = (id) => ({ id, bytes: randomBytes(32) });
const ringOf = (...keys) => keys.map((key) => `${key.id}:${key.bytes.toString('base64')}`).join(',');
const k1 = newKey('k1');
const k2 = newKey('2026-11_b');

const stand = await Stand.create();
after(() => stand.end());
await stand.startPool({ size: 1, env: { ENCRYPTION_KEYS: ringOf(k1) } });

beforeEach(async () => {
  await stand.db.rows('DELETE FROM app_webhooks');
  await stand.db.rows('DELETE FROM platform_events');
  stand.receiver.forget();
});

// Written from the format in include/base/seal.h, not from the program.
function open(key, { table = 'app_webhooks', column = 'secret', row }, sealed) {
  const [version, id, text] = sealed.split('.');
  assert.equal(version, 'cw1');
  assert.equal(id, key.id);
  const bytes = Buffer.from(text, 'base64');
  const decipher = createDecipheriv('aes-256-gcm', key.bytes, bytes.subarray(0, 12));
  decipher.setAAD(Buffer.from(['cw1', id, table, column, row].join('\n')));
  decipher.setAuthTag(bytes.subarray(-16));
  return decipher.update(bytes.subarray(12, -16), undefined, 'utf8') + decipher.final('utf8');
}

const secretsOf = (id) => stand.db.one('SELECT secret, previous_secret FROM app_webhooks WHERE id = $1', [id]);
const seal = (secret, row, more = {}) => stand.cli(['seal', '--table', 'app_webhooks', '--column', more.column ?? 'secret', '--row', row],
  { input: secret, env: { ENCRYPTION_KEYS: ringOf(...(more.keys ?? [k1])) } });

for (const [what, keys, code] of [['a line', 'typed-secret\r', 0], ['Ctrl-C', 'typed-sec\x03', 1]]) {
  test(`a secret that is typed is not shown, and ${what} gives the terminal back`, async () => {
    const row = '6f1c1cf4-6b1c-4f0e-9c39-5f3c1d1f8a10';
    const terminal = new Terminal(program(), ['seal', '--table', 'app_webhooks', '--column', 'secret', '--row', row],
      { ENCRYPTION_KEYS: ringOf(k1) }, { before: 'stty -g | sed s/^/before=/', after: 'stty -g | sed s/^/after=/' });
    await terminal.shows(/secret: /);
    terminal.type(keys);
    assert.equal(await terminal.ended(), code);
    assert.ok(!terminal.output.includes('typed'));
    assert.equal(/after=(\S+)/.exec(terminal.output)?.[1], /before=(\S+)/.exec(terminal.output)[1]);
    if (code === 0) assert.equal(open(k1, { row }, /cw1\.\S+/.exec(terminal.output)[0]), 'typed-secret');
    else assert.match(terminal.output, /cronward: stopped/);
  });
}

async function deliver(count = 1) {
  const ids = await stand.enqueue(count);
  const answer = await stand.call('webhook-retry');
  assert.equal(answer.status, 200, answer.body);
  return { ids, ...answer.json };
}

test('plain secrets are sealed at first use, and sign as before', async () => {
  const endpoint = await stand.endpoint('/ok/first', { previous_secret: newSecret() });
  const before = await secretsOf(endpoint.id);
  assert.equal((await deliver()).succeeded, 1);
  assert.equal(stand.receiver.requests[0].refusal, undefined);
  const sealed = await secretsOf(endpoint.id);
  assert.equal(open(k1, { row: endpoint.id }, sealed.secret), before.secret);
  assert.equal(open(k1, { row: endpoint.id, column: 'previous_secret' }, sealed.previous_secret), before.previous_secret);
  assert.equal((await deliver()).succeeded, 1);
  assert.equal(stand.receiver.requests[1].refusal, undefined, 'the sealed one signs the same');
  assert.deepEqual(await secretsOf(endpoint.id), sealed, 'and is not sealed again');
});

test('2,500 endpoints are sealed by one run, each with a nonce of its own', async () => {
  await stand.db.rows(`INSERT INTO app_webhooks (url, secret, events)
    SELECT 'https://example.com/', 'secret number ' || n, '{none}' FROM generate_series(1, 2500) n`);
  await stand.call('webhook-retry');
  const rows = await stand.db.rows('SELECT id, secret FROM app_webhooks');
  const nonces = new Set(rows.map(({ secret }) => secret.split('.')[2].slice(0, 16)));
  assert.equal(nonces.size, 2500);
  const opened = new Set(rows.map(({ id, secret }) => open(k1, { row: id }, secret)));
  assert.equal(opened.size, 2500);
});

test('a row with the lowest id there is, is sealed and rekeyed like any other', async () => {
  const id = '00000000-0000-0000-0000-000000000000';
  const { secret } = await stand.endpoint('/ok/nil', { id });
  await stand.call('webhook-retry');
  assert.equal(open(k1, { row: id }, (await secretsOf(id)).secret), secret);
  assert.equal((await stand.cli(['rekey'], { env: { ENCRYPTION_KEYS: ringOf(k2, k1) } })).code, 0);
  assert.equal(open(k2, { row: id }, (await secretsOf(id)).secret), secret);
});

test('a value that only looks sealed is told apart, and nothing of it shown', async () => {
  await stand.endpoint('/ok/look', { secret: 'cw1.my secret.words' });
  const done = await stand.cli(['rekey', '--dry-run'], { env: { ENCRYPTION_KEYS: ringOf(k1) } });
  assert.match(done.stdout, /^\? +missing +app_webhooks\.secret +1$/m);
  assert.ok(!done.stdout.includes('my secret'));
});

test('rotating in SQL moves a sealed secret to previous_secret, where it still opens', async () => {
  const endpoint = await stand.endpoint('/ok/rotate');
  await deliver();
  await stand.db.rows('UPDATE app_webhooks SET previous_secret = secret, secret = $2 WHERE id = $1', [endpoint.id, newSecret()]);
  assert.equal((await deliver()).succeeded, 1);
  assert.equal(stand.receiver.requests.at(-1).refusal, undefined, 'the receiver still knows the old one alone');
});

test('a rotation that is taken back moves a sealed secret to secret, where it opens as well', async () => {
  const endpoint = await stand.endpoint('/ok/back', { previous_secret: newSecret() });
  const plain = (await secretsOf(endpoint.id)).secret;
  await stand.db.rows('UPDATE app_webhooks SET previous_secret = secret, secret = $2 WHERE id = $1', [endpoint.id, newSecret()]);
  assert.equal((await stand.cli(['seal', '--all'], { env: { ENCRYPTION_KEYS: ringOf(k1) } })).code, 0);
  const { previous_secret: sealed } = await secretsOf(endpoint.id);
  assert.equal(open(k1, { row: endpoint.id, column: 'previous_secret' }, sealed), plain);
  await stand.db.rows('UPDATE app_webhooks SET secret = previous_secret, previous_secret = NULL WHERE id = $1', [endpoint.id]);
  assert.equal((await deliver()).succeeded, 1);
  assert.equal(stand.receiver.requests.at(-1).refusal, undefined);
  assert.equal((await stand.cli(['rekey'], { env: { ENCRYPTION_KEYS: ringOf(k2, k1) } })).code, 0);
  assert.equal(open(k2, { row: endpoint.id }, (await secretsOf(endpoint.id)).secret), plain);
});

test('a value of another row does not open: the delivery waits and uses up no try', async () => {
  const a = await stand.endpoint('/ok/a');
  await deliver();
  const b = await stand.endpoint('/ok/b', { secret: (await secretsOf(a.id)).secret });
  await stand.db.rows('DELETE FROM app_webhooks WHERE id = $1', [a.id]);
  stand.receiver.forget();
  const done = await deliver();
  assert.deepEqual([done.retried, done.succeeded, done.failed], [1, 0, 1]);
  assert.equal(stand.receiver.requests.length, 0);
  const row = await stand.delivery(done.ids[0]);
  assert.deepEqual([row.status, row.attempts, row.lost, row.dead_at], ['pending', 0, 0, null]);
  assert.match(row.last_error, /app_webhooks\.secret of row .* does not open/);
  assert.ok(!row.last_error.includes(b.secret));
  const wait = await stand.db.value('SELECT extract(epoch FROM next_retry_at - clock_timestamp())::float FROM webhook_deliveries WHERE id = $1', [row.id]);
  assert.ok(wait > 50 && wait < 67, `again after ${wait} s`);
  assert.equal(await stand.db.value('SELECT count(*)::int FROM webhook_attempts WHERE delivery_id = $1', [row.id]), 0);
});

test('what does not open is tried again the later the older it is, within the hour', async () => {
  await stand.endpoint('/ok/garbage', { secret: 'cw1.k1.AAAA' });
  const ids = await stand.enqueue(4);
  const ages = ["interval '-1 day'", "interval '40 minutes'", "interval '30 days'", "'infinity'::timestamptz"];
  for (const [i, age] of ages.entries())
    await stand.db.rows(`UPDATE webhook_deliveries SET created_at = ${age.startsWith("'") ? age : `clock_timestamp() - ${age}`} WHERE id = $1`, [ids[i]]);
  assert.equal((await stand.call('webhook-retry')).json.failed, 4);
  for (const [i, wanted] of [60, 300, 3600, 60].entries()) {
    const wait = await stand.db.value('SELECT extract(epoch FROM next_retry_at - clock_timestamp())::float FROM webhook_deliveries WHERE id = $1', [ids[i]]);
    assert.ok(wait > wanted - 10 && wait < wanted + 10, `${wait} s where ${wanted} s are right`);
  }
});

test('values that are too long to be secrets or addresses are refused and cost no memory', async () => {
  const long = 4_000_000, count = 40;
  for (const prefix of ['', 'cw1.k1.', 'whsec_'])
    await stand.db.rows(`INSERT INTO app_webhooks (url, secret, previous_secret) SELECT 'http://receiver.test/', $1 || repeat('A', $2), repeat('x', $2) FROM generate_series(1, $3)`,
      [prefix, long, count]);
  await stand.endpoint('/ok', { url: `http://receiver.test/${'a'.repeat(long)}` });
  await stand.enqueue(1);
  const [pid] = stand.pool.processes();
  const before = memoryKb(pid, 'VmHWM');
  const { json } = await stand.call('webhook-retry');
  const grown = memoryKb(pid, 'VmHWM') - before;
  assert.deepEqual([json.retried, json.failed, json.run.more], [3 * count + 1, 3 * count + 1, false]);
  assert.ok(grown < 64 * 1024, `${count} times ${long} bytes: ${grown} kB`);
  const errors = await stand.db.rows(`SELECT error, count(*)::int FROM (SELECT regexp_replace(last_error, ' of row [^ ]+', '') AS error FROM webhook_deliveries) d
    GROUP BY 1 ORDER BY 2, 1`);
  assert.deepEqual(errors.map((row) => [row.error, row.count]), [
    ['the URL is longer than 2048 bytes', 1],
    ['app_webhooks.secret is longer than any sealed secret', count],
    ["the endpoint's secret is neither whsec_ and base64 nor a short text", 2 * count],
  ]);
});

test('a missing key is named, costs nothing, and is made good by its coming back', async () => {
  const endpoint = await stand.endpoint('/ok/missing');
  await deliver();
  const pools = [
    [{}, /sealed with the key k1, which is not in ENCRYPTION_KEYS/],
    [{ ENCRYPTION_KEYS: ringOf(k2) }, /sealed with the key k1, which is not in ENCRYPTION_KEYS/],
    [{ ENCRYPTION_KEYS: ringOf(newKey('k1')) }, /does not open: it was sealed with another key of that id/],
  ];
  const [id] = await stand.enqueue(1);
  for (const [env, wanted] of pools) {
    const done = await stand.cli(['run', 'webhook-retry'], { env });
    assert.equal(done.code, 0, done.stderr);
    assert.deepEqual(JSON.parse(done.stdout).failed, 1);
    assert.match((await stand.delivery(id)).last_error, wanted);
    await stand.makeDue();
  }
  assert.equal((await stand.call('webhook-retry')).json.succeeded, 1);
  assert.deepEqual([(await stand.delivery(id)).attempts, (await stand.delivery(id)).last_error], [1, null]);
  assert.equal(stand.receiver.requests.at(-1).refusal, undefined);
  assert.equal((await stand.db.one('SELECT first_failure_at AS at FROM app_webhooks WHERE id = $1', [endpoint.id])).at, null, 'says nothing about the endpoint');
});

test('seal: one value from standard input, for one place, checked by --check', async () => {
  const id = '0198a000-0000-7000-8000-00000000000A';
  const secret = newSecret();
  const done = await seal(`${secret}\n`, id);
  assert.equal(done.code, 0, done.stderr);
  assert.equal(open(k1, { row: id.toLowerCase() }, done.stdout.trim()), secret);
  const check = (row, text, keys = [k1]) => stand.cli(['seal', '--check', '--table', 'app_webhooks', '--column', 'secret', '--row', row],
    { input: text, env: { ENCRYPTION_KEYS: ringOf(...keys) } });
  assert.match((await check(id, done.stdout)).stdout, /^opens with the key k1\n$/);
  assert.equal((await check(id.replace('A', 'B'), done.stdout)).code, 1);
  assert.match((await check(id, done.stdout, [k2])).stderr, /k1, which is not in ENCRYPTION_KEYS/);
  assert.match((await check(id, secret)).stderr, /has not the form cw1\.KEYID\.BASE64/);
});

test('seal: wrong usage says what is right, and shows no secret', async () => {
  const secret = newSecret();
  const id = '0198a000-0000-7000-8000-00000000000a';
  for (const [args, wanted, code = 2] of [
    [[], /wants --all, or --table, --column and --row/],
    [[secret], /standard input/],
    [['--all', '--row', id], /--all goes with --dry-run alone/],
    [['--dry-run'], /--dry-run goes with --all/],
    [['--table', 'app_webhooks', '--column', 'url', '--row', id], /app_webhooks\.url holds no sealed secrets; these do: app_webhooks\.secret/],
    [['--table', 'app_webhooks', '--column', 'secret', '--row', '7'], /'7', which is no uuid/],
  ]) {
    const done = await stand.cli(['seal', ...args], { input: secret, env: { ENCRYPTION_KEYS: ringOf(k1) } });
    assert.equal(done.code, code, done.stderr);
    assert.match(done.stderr, wanted);
    assert.ok(!(done.stdout + done.stderr).includes(secret));
  }
  for (const [input, keys, wanted] of [['', ringOf(k1), /1-65536 bytes, not 0/], ['x'.repeat(65537), ringOf(k1), /1-65536 bytes, not 65537/],
    ['a\0b', ringOf(k1), /holds a NUL/], [secret, '', /there is no key to seal with: set ENCRYPTION_KEYS_FILE/]]) {
    const done = await stand.cli(['seal', '--table', 'app_webhooks', '--column', 'secret', '--row', id], { input, env: { ENCRYPTION_KEYS: keys } });
    assert.equal(done.code, 1);
    assert.match(done.stderr, wanted);
    assert.equal(done.stdout, '', 'never an empty secret');
  }
});

test('seal --all, rekey: everything, once, told by key, and on record', async () => {
  const plain = [];
  const before = await stand.db.value('SELECT COALESCE(max(id), 0) FROM audit_log');
  for (let i = 0; i < 3; i++) plain.push(await stand.endpoint(`/ok/all${i}`, { previous_secret: i === 0 ? newSecret() : i === 1 ? '' : null }));
  const dry = await stand.cli(['seal', '--all', '--dry-run'], { env: { ENCRYPTION_KEYS: ringOf(k1) } });
  assert.match(dry.stdout, /plain +- +app_webhooks\.secret +3/);
  assert.deepEqual((await secretsOf(plain[0].id)).secret, plain[0].secret, 'a dry run changes nothing');

  const sealed = await stand.cli(['seal', '--all'], { env: { ENCRYPTION_KEYS: ringOf(k1) } });
  assert.equal(sealed.code, 0, sealed.stderr);
  assert.match(sealed.stdout, /app_webhooks\.secret: 3 sealed\napp_webhooks\.previous_secret: 1 sealed\n/);
  assert.match((await stand.cli(['seal', '--all'], { env: { ENCRYPTION_KEYS: ringOf(k1) } })).stdout, /app_webhooks\.secret: 0 sealed/);

  const rekeyed = await stand.cli(['rekey'], { env: { ENCRYPTION_KEYS: ringOf(k2, k1) } });
  assert.equal(rekeyed.code, 0, rekeyed.stderr);
  assert.match(rekeyed.stdout, /app_webhooks\.secret: 3 sealed anew\napp_webhooks\.previous_secret: 1 sealed anew\n/);
  assert.match(rekeyed.stdout, /key k1 seals nothing any more: it may leave ENCRYPTION_KEYS/);
  for (const one of plain) assert.equal(open(k2, { row: one.id }, (await secretsOf(one.id)).secret), one.secret);
  assert.match((await stand.cli(['rekey'], { env: { ENCRYPTION_KEYS: ringOf(k2, k1) } })).stdout, /app_webhooks\.secret: 0 sealed anew/);

  const acts = await stand.db.rows(`SELECT actor, action, detail->>'key' AS key FROM audit_log WHERE action IN ('seal', 'rekey') AND id > $1 ORDER BY id`, [before]);
  assert.deepEqual(acts.map(({ action, key }) => `${action} ${key}`), ['seal k1', 'seal k1', `rekey ${k2.id}`, `rekey ${k2.id}`]);
  assert.match(acts[0].actor, /^cli:./);
});

// Named like no row of app_webhooks: quotes, backslashes, commas, braces, a line end, characters of two bytes.
const odd = 'type "of", \\ {many}\nNULL ü';

test('seal --all, rekey, --row: the secrets of job types, by name, of event handlers, by number, the keys of workspaces, and tokens', async () => {
  const [workspace, bare] = [randomUUID(), randomUUID()];
  await stand.db.rows(`INSERT INTO job_types (job_type, processor, target, secret) SELECT n, 'http', 'http://receiver.test/', 'secret of ' || n FROM unnest($1::text[]) n`, [[odd, 'plain.name']]);
  await stand.db.rows(`INSERT INTO job_types (job_type, processor, target, secret) VALUES ('unsigned', 'http', 'http://receiver.test/', '')`);
  await stand.db.rows('INSERT INTO workspace_settings VALUES ($1, $2), ($3, NULL)', [workspace, 'the key of a workspace', bare]);
  const handler = await stand.db.value(`INSERT INTO event_handlers (provider, action, secret) VALUES ('cbe', 'https://receiver.test/', 'the secret of a handler') RETURNING id::text`);
  const connection = await stand.db.value(`INSERT INTO whatsapp_connections (phonenumberid) VALUES ('1') RETURNING id`);
  await stand.db.rows(`INSERT INTO whatsapp_configs VALUES ($1, 'the token of a number'), ($2, NULL)`, [connection, bare]);
  const tokenOf = () => stand.db.value('SELECT accesstoken FROM whatsapp_configs WHERE connection_id = $1', [connection]);
  const integration = await stand.db.value(`INSERT INTO user_integrations (user_id, provider, access_token, refresh_token) VALUES (gen_random_uuid(), 'github', 'an access token', 'a refresh token') RETURNING id`);
  const tokensOf = async (key) => Object.entries(await stand.db.one('SELECT access_token, refresh_token FROM user_integrations'))
    .map(([column, sealed]) => open(key, { table: 'user_integrations', column, row: integration }, sealed));
  const inConfig = { table: 'whatsapp_configs', column: 'accesstoken', row: connection };
  const typeOf = (name) => stand.db.value('SELECT secret FROM job_types WHERE job_type = $1', [name]);
  const keyOf = () => stand.db.value('SELECT apollo_api_key_encrypted FROM workspace_settings WHERE workspace_id = $1', [workspace]);
  const inType = (name) => ({ table: 'job_types', row: name });
  const inHandler = { table: 'event_handlers', row: handler };
  const handlerOf = () => stand.db.value('SELECT secret FROM event_handlers');
  const inSettings = { table: 'workspace_settings', column: 'apollo_api_key_encrypted', row: workspace };

  const sealed = await stand.cli(['seal', '--all'], { env: { ENCRYPTION_KEYS: ringOf(k1) } });
  assert.equal(sealed.code, 0, sealed.stderr);
  assert.match(sealed.stdout, /job_types\.secret: 2 sealed\nworkspace_settings\.apollo_api_key_encrypted: 1 sealed\n/);
  assert.equal(open(k1, inType(odd), await typeOf(odd)), `secret of ${odd}`);
  assert.equal(open(k1, inSettings, await keyOf()), 'the key of a workspace');
  assert.equal(await typeOf('unsigned'), '');
  assert.equal(open(k1, inHandler, await handlerOf()), 'the secret of a handler');
  assert.equal(open(k1, inConfig, await tokenOf()), 'the token of a number');
  assert.deepEqual(await tokensOf(k1), ['an access token', 'a refresh token']);

  assert.equal((await stand.cli(['rekey'], { env: { ENCRYPTION_KEYS: ringOf(k2, k1) } })).code, 0);
  assert.equal(open(k2, inType(odd), await typeOf(odd)), `secret of ${odd}`);
  assert.equal(open(k2, inType('plain.name'), await typeOf('plain.name')), 'secret of plain.name');
  assert.equal(open(k2, inSettings, await keyOf()), 'the key of a workspace');
  assert.equal(open(k2, inHandler, await handlerOf()), 'the secret of a handler');
  assert.equal(open(k2, inConfig, await tokenOf()), 'the token of a number');
  assert.deepEqual(await tokensOf(k2), ['an access token', 'a refresh token']);

  const doctor = (await stand.cli(['doctor'], { env: { ENCRYPTION_KEYS: ringOf(k1, k2) }, timeoutMs: 60_000 })).stdout;
  assert.match(doctor, /job_types\.secret: 2 sealed with key "2026-11_b", not with the newest/);
  assert.match(doctor, /workspace_settings\.apollo_api_key_encrypted: 1 sealed with key "2026-11_b", not with the newest/);

  const one = await stand.cli(['seal', '--table', 'job_types', '--column', 'secret', '--row', odd], { input: 'by hand', env: { ENCRYPTION_KEYS: ringOf(k1) } });
  assert.equal(open(k1, inType(odd), one.stdout.trim()), 'by hand');
  const two = await stand.cli(['seal', '--table', 'event_handlers', '--column', 'secret', '--row', handler], { input: 'by hand', env: { ENCRYPTION_KEYS: ringOf(k1) } });
  assert.equal(open(k1, inHandler, two.stdout.trim()), 'by hand');
  for (const row of ['', 'x'.repeat(1024)])
    assert.match((await stand.cli(['seal', '--table', 'job_types', '--column', 'secret', '--row', row], { input: 'x', env: { ENCRYPTION_KEYS: ringOf(k1) } })).stderr, /--row is a name of 1-200 characters/);

  await stand.db.rows('UPDATE job_types SET secret = $1 WHERE job_type = $2', [await typeOf(odd), 'plain.name']);
  const moved = await stand.cli(['rekey'], { env: { ENCRYPTION_KEYS: ringOf(k1, k2) } });
  assert.equal(moved.code, 1, 'a value of another type does not open');
  assert.match(moved.stderr, /job_types\.secret of row plain\.name: .*does not open/);
  for (const table of ['job_types', 'event_handlers', 'workspace_settings', 'whatsapp_configs', 'whatsapp_connections', 'user_integrations']) await stand.db.rows(`DELETE FROM ${table}`);
});

test('rekey: what cannot be opened is told, and the rest is done', async () => {
  const [good, bad] = [await stand.endpoint('/ok/good'), await stand.endpoint('/ok/bad')];
  await stand.cli(['seal', '--all'], { env: { ENCRYPTION_KEYS: ringOf(k1) } });
  const lost = newKey('lost');
  await stand.db.rows('UPDATE app_webhooks SET secret = $2 WHERE id = $1', [bad.id, (await seal(bad.secret, bad.id, { keys: [lost] })).stdout.trim()]);
  const done = await stand.cli(['rekey'], { env: { ENCRYPTION_KEYS: ringOf(k2, k1) } });
  assert.equal(done.code, 1);
  assert.match(done.stderr, new RegExp(`app_webhooks\\.secret of row ${bad.id}: .*the key lost, which is not in ENCRYPTION_KEYS`));
  assert.match(done.stdout, /app_webhooks\.secret: 1 sealed anew, 1 failed/);
  assert.match(done.stdout, /lost +missing +app_webhooks\.secret +1/);
  assert.equal(open(k2, { row: good.id }, (await secretsOf(good.id)).secret), good.secret);
  assert.equal((await stand.cli(['rekey'], { env: {} })).code, 1, 'without any key');
});

test('seal --all beside an application that changes its secrets: the newest value wins', async () => {
  await stand.db.rows(`INSERT INTO app_webhooks (url, secret, events)
    SELECT 'https://example.com/' || n, 'old ' || n, '{none}' FROM generate_series(1, 3000) n`);
  const sealing = stand.cli(['seal', '--all'], { env: { ENCRYPTION_KEYS: ringOf(k1) } });
  await stand.db.rows(`UPDATE app_webhooks SET secret = 'new ' || substr(url, 21) WHERE right(url, 1) IN ('3', '7')`);
  assert.equal((await sealing).code, 0);
  await stand.cli(['seal', '--all'], { env: { ENCRYPTION_KEYS: ringOf(k1) } });
  for (const { id, url, secret } of await stand.db.rows('SELECT id, url, secret FROM app_webhooks')) {
    const n = url.slice(20);
    assert.equal(open(k1, { row: id }, secret), `${/[37]$/.test(n) ? 'new' : 'old'} ${n}`);
  }
});
