// Events from outside: verified, stored once, answered; and what is refused, with why.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, beforeEach, test } from 'node:test';
import { callParams, decodeAnswer, encodeRequest, exchange, parseCgi } from '../lib/fcgi.mjs';
import { providerEnv, providers, send, signed, signers } from '../lib/inbound.mjs';
import { Stand } from '../lib/stand.mjs';
import { many, until } from '../lib/wait.mjs';

// With a small pool a run that is rung for ends when all is drained.
const env = { ...providerEnv(), POOL_INBOUND: '2', AWASH_WEBHOOK_SECRET: undefined, CBE_WEBHOOK_SECRET_PREVIOUS: 'the-secret-of-last-month' };
const stand = await Stand.create({ env: Object.fromEntries(Object.entries(env).filter(([, value]) => value)) });
const { db } = stand;
const pool = await stand.startPool({ size: 3 });
after(() => stand.end());
beforeEach(() => db.rows('TRUNCATE webhook_events, whatsapp_webhook_logs'));
// Somebody who never lets go of them holds the locks of the workers that are rung: what is stored stays.
await db.rows(`INSERT INTO cron_locks (name, holder, acquired_at, expires_at)
  SELECT 'inbound-' || name, gen_random_uuid(), clock_timestamp(), clock_timestamp() + interval '1 day' FROM unnest('{payments,whatsapp}'::text[]) name`);

const { payment, telebirr, cbe, whatsapp, standard, stripe, github } = providers;
const sha256 = (body) => createHash('sha256').update(body).digest('hex');
const events = () => db.rows('SELECT * FROM webhook_events ORDER BY created_at, id');
const event = () => db.one('SELECT * FROM webhook_events');
const stored = () => db.value('SELECT (SELECT count(*) FROM webhook_events)::int + (SELECT count(*) FROM whatsapp_webhook_logs)::int');

async function accepted(provider, body, options) {
  const answer = await send(pool, provider, body, options);
  assert.equal(answer.status, 200, `${provider.name}: ${answer.body}\n${pool.log().slice(-500)}`);
  assert.deepEqual(Object.keys(answer.json), ['success', 'received', 'duplicate', 'id']);
  assert.deepEqual([answer.json.success, answer.json.received], [true, true]);
  return answer.json;
}

function assertError(answer, status, code) {
  assert.deepEqual([answer.status, answer.json?.code], [status, code], answer.body);
  assert.equal(answer.json.success, false);
}

test('every scheme is accepted, and stored whole', async () => {
  for (const provider of Object.values(providers).filter(({ name }) => !['whatsapp', 'awash'].includes(name))) {
    const body = ` {"event_id": "e-1", "type": "payment.completed", "amount": 1.50, "amount": 2, "from": "${provider.name}"}\n`;
    const { id, duplicate } = await accepted(provider, body, { params: { CONTENT_TYPE: 'application/json' }, headers: { 'x-shop': 'ä' } });
    const row = await db.one('SELECT *, waits_until - created_at AS wait FROM webhook_events WHERE id = $1', [id]);
    assert.deepEqual([duplicate, row.provider, row.event_type, row.status, row.attempts, row.lost], [false, provider.name, 'payment.completed', 'pending', 0, 0]);
    assert.equal(row.body.toString(), body);
    assert.deepEqual(row.payload, { event_id: 'e-1', type: 'payment.completed', amount: 2, from: provider.name });
    assert.deepEqual([row.error_message, row.headers['content-type'], row.headers['x-shop']], [null, 'application/json', 'ä']);
    assert.ok(row.wait.minutes === 1);
  }
  assert.equal((await db.one(`SELECT event_id FROM webhook_events WHERE provider = 'telebirr'`)).event_id, 'e-1');
  assert.match((await db.one(`SELECT event_id FROM webhook_events WHERE provider = 'standard'`)).event_id, /^msg_/);
});

test("what Meta sends goes into a table of its own, and its bytes are the event's id", async () => {
  const body = JSON.stringify({ object: 'whatsapp_business_account', entry: [{ id: '1', changes: [{ field: 'messages', value: { messages: [{ id: 'wamid.1' }] } }] }] });
  const first = await accepted(whatsapp, body);
  const row = await db.one('SELECT * FROM whatsapp_webhook_logs');
  assert.deepEqual([row.id, row.event_id, row.eventtype, row.status, row.processed, row.processingerror], [first.id, `sha256:${sha256(body)}`, 'messages', 'pending', false, null]);
  assert.deepEqual([row.body.toString(), row.payload.object], [body, 'whatsapp_business_account']);
  assert.deepEqual(await accepted(whatsapp, body), { ...first, duplicate: true });
  await accepted(whatsapp, body.replace('"messages":[', '"statuses":['));
  assert.deepEqual((await db.rows('SELECT eventtype FROM whatsapp_webhook_logs ORDER BY created_at')).map((one) => one.eventtype), ['messages', 'messages.status']);
  await accepted(whatsapp, 'no json');
  assert.match((await db.one('SELECT processingerror FROM whatsapp_webhook_logs WHERE payload IS NULL')).processingerror, /not JSON/);
  assert.equal((await events()).length, 0);
});

test('a bad signature: 401, a log line that says why, and nothing stored', async () => {
  const body = '{"event_id":"e"}';
  const right = signers['hmac-sha256-hex'](telebirr.secret, body)['x-webhook-signature'];
  const wrong = {
    'of another body': [telebirr, { 'x-webhook-signature': signers['hmac-sha256-hex'](telebirr.secret, '{}')['x-webhook-signature'] }],
    'of another provider': [telebirr, signers['hmac-sha256-hex'](payment.secret, body)],
    none: [telebirr, { 'x-webhook-signature': undefined }],
    cut: [telebirr, { 'x-webhook-signature': right.slice(2) }],
    'too old': [stripe, signers.stripe(stripe.secret, body, { at: Math.floor(Date.now() / 1000) - 302 })],
    'too new': [standard, signers.standard(standard.secret, body, { at: Math.floor(Date.now() / 1000) + 302 })],
    'of Meta': [whatsapp, { 'x-hub-signature-256': `sha256=${right}` }],
    "of a worker's caller": [telebirr, { 'x-webhook-signature': undefined, authorization: `Bearer ${stand.key}`, 'x-cron-secret': stand.cronSecret }],
  };
  for (const [what, [provider, headers]] of Object.entries(wrong)) {
    const before = pool.log().length;
    const given = Object.fromEntries(Object.entries({ ...signed(provider, body), ...headers }).filter(([, value]) => value));
    const answer = await pool.call('POST', provider.at, { headers: given, body });
    assertError(answer, 401, 'unauthorized');
    const line = await until(() => /^.*event=call.*$/m.exec(pool.log().slice(before))?.[0], { what: 'the log line' });
    assert.match(line, new RegExp(`status=401 code=unauthorized provider=${provider.name} why="[^"]+"`), what);
    for (const value of Object.values(given)) assert.ok(value.length < 12 || !pool.log().slice(before).includes(value), `${what}: a header's value is in the log`);
  }
  assert.equal(await stored(), 0);
});

test('the same id is stored once, whatever the body says', async () => {
  for (const [provider, body] of [
    [payment, '{"event_id":"a","n":N}'], [payment, '{"eventId":"b","n":N}'], [stripe, '{"id":"evt_1","type":"charge.failed","n":N}'],
  ]) {
    const first = await accepted(provider, body.replace('N', '1'));
    assert.equal(first.duplicate, false);
    for (const n of ['1', '2']) assert.deepEqual(await accepted(provider, body.replace('N', n)), { ...first, duplicate: true }, body);
  }
  const first = await accepted(standard, '{"n":1}', { id: 'msg_1' });
  assert.deepEqual(await accepted(standard, '{"n":2}', { id: 'msg_1' }), { ...first, duplicate: true });
  // The same id of another provider is another event.
  assert.equal((await accepted(telebirr, '{"event_id":"a"}')).duplicate, false);
  assert.equal(await stored(), 5);
});

test('what was caught is the same event again, whatever headers that nobody signed are sent with it', async () => {
  const more = { 'x-event-id': 'X', 'x-webhook-id': 'X', 'x-github-delivery': 'X', 'x-github-event': 'issues', 'webhook-id': 'X', 'content-type': 'text/x', 'idempotency-key': 'X' };
  for (const [provider, body, keep] of [
    [payment, '{"n":1}'], [payment, '{"id":"order-7","n":1}'], [telebirr, '{"id":"order-7","type":"paid"}'], [cbe, '{"event_id":"a"}'], [github, '{"action":"opened"}'],
    [stripe, '{"id":"evt_1","type":"t"}'], [stripe, '{}'], [whatsapp, '{}'], [standard, '{}', ['webhook-id']],
  ]) {
    const headers = { ...signed(provider, body), 'x-github-event': provider === github ? 'issues' : '' };
    const caught = { ...headers, ...Object.fromEntries(Object.entries(more).filter(([name]) => !keep?.includes(name))) };
    const [first, again] = [await pool.call('POST', provider.at, { headers, body }), await pool.call('POST', provider.at, { headers: caught, body })];
    assert.deepEqual([first.status, first.json.duplicate], [200, false], body);
    assert.deepEqual(again.json, { ...first.json, duplicate: true }, `${provider.name} ${body}`);
  }
  assert.equal((await db.one(`SELECT event_type FROM webhook_events WHERE provider = 'github'`)).event_type, 'issues');
});

test('an id that is a guess: the same body is the same event, another body another one', async () => {
  const body = (n) => `{"id":"order-7","type":"order.paid","n":${n}}`;
  const [one, two] = [await accepted(payment, body(1)), await accepted(payment, body(2))];
  assert.deepEqual([one.duplicate, two.duplicate], [false, false]);
  assert.deepEqual([await accepted(payment, body(1)), await accepted(payment, body(2))], [{ ...one, duplicate: true }, { ...two, duplicate: true }]);
  assert.deepEqual((await events()).map((row) => row.event_id), ['order-7', `order-7#${sha256(body(2)).slice(0, 12)}`]);
  // Where the body was thrown away the payload tells.
  await db.rows('UPDATE webhook_events SET body = NULL');
  assert.deepEqual(await accepted(payment, body(1)), { ...one, duplicate: true });
  assert.deepEqual(await accepted(payment, body(3)), await accepted(payment, body(3)).then((again) => ({ ...again, duplicate: false })));
  assert.equal((await events()).length, 3);
});

test('without any id the body tells', async () => {
  for (const body of ['{"id":"x"}', '{"id":7,"type":"t"}', '[]', '"text"', '{"event_id":""}', `{"event_id":${JSON.stringify({})}}`]) {
    const first = await accepted(payment, body);
    assert.deepEqual(await accepted(payment, body), { ...first, duplicate: true });
    assert.equal((await db.one('SELECT event_id FROM webhook_events WHERE id = $1', [first.id])).event_id, `sha256:${sha256(body)}`);
  }
});

test('the same event from 60 callers at once is stored once', async () => {
  for (const body of ['{"event_id":"e"}', '{"id":"g","type":"t"}', '{"no":"id"}']) {
    const answers = await many(60, 30, () => accepted(payment, body));
    assert.equal(new Set(answers.map(({ id }) => id)).size, 1);
    assert.equal(answers.filter(({ duplicate }) => !duplicate).length, 1);
  }
  // Two bodies with one guessed id.
  const answers = await many(60, 30, (i) => accepted(payment, `{"id":"h","type":"t","n":${i % 2}}`));
  assert.equal(new Set(answers.map(({ id }) => id)).size, 2);
  assert.equal(answers.filter(({ duplicate }) => !duplicate).length, 2);
});

test('what is no JSON that can be stored is stored as bytes, with what is wrong', async () => {
  const bodies = {
    'a form': ['a=1&b=2', /no value/], 'U+0000': ['{"event_id":"z","a":"\\u0000"}', /u0000/], 'half a pair': ['{"a":"\\ud800"}', /surrogate/],
    'a huge exponent': ['{"a":1e2000}', /exponent/], 'a long number': [`{"a":${'9'.repeat(1001)}}`, /too long/], 'no UTF-8': [Buffer.from('{"a":"\xff"}', 'latin1'), /UTF-8/],
    'NUL bytes': [Buffer.from([0, 1, 2, 0, 255]), /no value/], 'too deep': ['['.repeat(300) + ']'.repeat(300), /deep/], 'cut off': ['{"a":', /missing/],
  };
  for (const [what, [body, why]] of Object.entries(bodies)) {
    const { id } = await accepted(payment, body);
    const row = await db.one('SELECT * FROM webhook_events WHERE id = $1', [id]);
    assert.deepEqual([row.event_id, row.payload, row.status, row.event_type], [`sha256:${sha256(body)}`, null, 'pending', ''], what);
    assert.match(row.error_message, why);
    assert.deepEqual(row.body, Buffer.from(body), what);
  }
  // What only PostgreSQL does not take.
  await db.rows(`CREATE FUNCTION picky() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN IF NEW.payload ? 'poison' THEN RAISE 'cannot' USING ERRCODE = '22P02'; END IF; RETURN NEW; END$$`);
  await db.rows('CREATE TRIGGER picky BEFORE INSERT ON webhook_events FOR EACH ROW EXECUTE FUNCTION picky()');
  const { id } = await accepted(payment, '{"poison":1,"event_id":"p"}');
  await db.rows('DROP TRIGGER picky ON webhook_events');
  const row = await db.one('SELECT * FROM webhook_events WHERE id = $1', [id]);
  assert.deepEqual([row.payload, row.body.toString(), row.event_id], [null, '{"poison":1,"event_id":"p"}', 'p']);
  assert.match(row.error_message, /cannot/);
});

test('what the server wants to be asked again is asked again', async () => {
  await db.rows(`CREATE SEQUENCE asked; CREATE FUNCTION busy() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN IF nextval('asked') < 3 THEN RAISE 'busy' USING ERRCODE = '40001'; END IF; RETURN NEW; END$$`);
  await db.rows('CREATE TRIGGER busy BEFORE INSERT ON webhook_events FOR EACH ROW EXECUTE FUNCTION busy()');
  const { duplicate } = await accepted(payment, '{"event_id":"again"}');
  await db.rows('DROP TRIGGER busy ON webhook_events');
  assert.deepEqual([duplicate, await db.value('SELECT last_value FROM asked')], [false, 3]);
});

test('numbers are kept as they are, and long texts too', async () => {
  await accepted(payment, `{"a":1e999,"b":${'9'.repeat(900)},"c":18446744073709551617,"event_id":"n"}`);
  assert.deepEqual(await db.one(`SELECT payload->>'c' AS c, length(payload->>'b') AS b FROM webhook_events`), { c: '18446744073709551617', b: 900 });
});

test('a body of 4 MB is taken, JSON or not, and not a byte more', async () => {
  const size = 4 * 1024 * 1024;
  for (const body of [`{"event_id":"big","a":[${'[],'.repeat((size - 30) / 3 | 0)}[]]}`, Buffer.alloc(size, 255)]) {
    const { id } = await accepted(payment, body);
    assert.equal(await db.value('SELECT length(body) FROM webhook_events WHERE id = $1', [id]), Buffer.byteLength(body));
  }
  assertError(await send(pool, payment, Buffer.alloc(size + 1, 32)), 413, 'too_large');
});

test('headers are kept but for those that prove or frame; a signature twice is refused', async () => {
  const body = '{"event_id":"h"}';
  const twice = (more) => exchange(pool.socket, encodeRequest([...callParams('POST', payment.at, {
    headers: signed(payment, body, { headers: { 'x-a': '1', authorization: 'Bearer x', cookie: 'c', 'x-cron-secret': 's', connection: 'close', 'proxy-authorization': 'p', 'user-agent': 'shop/1' } }),
    body: Buffer.from(body), params: { CONTENT_TYPE: 'text/json' },
  }), ...more], Buffer.from(body))).then((got) => parseCgi(decodeAnswer(got.bytes).stdout).status);
  assert.equal(await twice([['HTTP_X_A', '2'], ['HTTP_X_EVENT_ID', 'first'], ['HTTP_X_EVENT_ID', 'second']]), 200);
  const row = await event();
  const { 'x-webhook-signature': signature, ...rest } = row.headers;
  assert.equal(signature, signed(payment, body)['x-webhook-signature']);
  assert.deepEqual(rest, { 'content-type': 'text/json', 'user-agent': 'shop/1', 'x-a': '1, 2', 'x-event-id': 'first, second' });
  assert.equal(await twice([['HTTP_X_WEBHOOK_SIGNATURE', signature]]), 401);
});

test('without a usable secret 503, with a name that nobody has 404; nothing is stored', async () => {
  const body = '{"event_id":"x"}';
  for (const at of ['/api/payments/webhook/awash', '/api/payments/webhook/nobody', '/api/payments/webhook/a1_b'])
    assertError(await send(pool, payment, body, { at }), 503, 'not_configured');
  await until(() => /code=not_configured provider=a1_b /.test(pool.log()), { what: 'the name of the provider in the log' });
  for (const name of ['Telebirr', '1a', '_a', 'a-b', 'a.b', 'x'.repeat(32), 'ä', '{provider}'])
    assertError(await send(pool, payment, body, { at: `/api/payments/webhook/${name}` }), 404, 'not_found');
  for (const at of ['/api/payments/webhook/telebirr/x', '/api/whatsapp/webhook/x', '/api/payments'])
    assertError(await send(pool, payment, body, { at }), 404, 'not_found');
  assert.equal(await stored(), 0);
  assert.equal((await accepted(payment, body, { at: '/api/payments/webhook/payment/' })).duplicate, false);
});

test('wrong methods, empty and encoded bodies are refused with clear words', async () => {
  assertError(await send(pool, payment, ''), 400, 'bad_request');
  for (const [encoding, status] of [['gzip', 400], ['identity, gzip', 400], ['br', 400], ['identity', 200], ['Identity', 200], ['', 200]]) {
    const answer = await send(pool, payment, '{"event_id":"c"}', { headers: { 'content-encoding': encoding } });
    assert.equal(answer.status, status, `${encoding}: ${answer.body}`);
    if (status === 400) assert.match(answer.json.error, /Content-Encoding/);
  }
  for (const [method, at, allow] of [['GET', payment.at, 'POST'], ['PUT', telebirr.at, 'POST'], ['DELETE', whatsapp.at, 'GET, POST'], ['HEAD', whatsapp.at, 'GET, POST']]) {
    const answer = await pool.call(method, at, { headers: signed(payment, '') });
    assert.deepEqual([answer.status, answer.headers.allow], [405, allow], `${method} ${at}`);
  }
});

test('both secrets of a rotation are good', async () => {
  assert.equal((await accepted(cbe, '{"event_id":"new"}')).duplicate, false);
  assert.equal((await accepted(cbe, '{"event_id":"old"}', { secret: env.CBE_WEBHOOK_SECRET_PREVIOUS })).duplicate, false);
  assertError(await send(pool, cbe, '{}', { secret: 'the-secret-of-two-months-ago' }), 401, 'unauthorized');
});

test('while the database is away: 503 that says when to come again; a bad signature is told all the same', async () => {
  const body = '{"event_id":"away"}';
  await db.cluster.admin(`ALTER DATABASE ${db.name} WITH ALLOW_CONNECTIONS false`);
  await until(async () => (await db.terminateOthers()) === 0, { what: 'the connections to end' });
  const answer = await send(pool, payment, body);
  assertError(answer, 503, 'database_unavailable');
  assert.ok(Number(answer.headers['retry-after']) > 0);
  assertError(await send(pool, payment, body, { secret: 'not-the-secret-at-all' }), 401, 'unauthorized');
  await db.cluster.admin(`ALTER DATABASE ${db.name} WITH ALLOW_CONNECTIONS true`);
  assert.equal((await accepted(payment, body)).duplicate, false);
  assert.equal((await event()).event_id, 'away');
});

test('what is stored is rung for, behind the reply; a duplicate that was tried rings nobody', async () => {
  await db.rows('DELETE FROM cron_locks');
  const runs = (name) => db.value('SELECT count(*)::int FROM cron_job_executions WHERE job_name = $1', [name]);
  for (const [provider, worker, table] of [[payment, 'inbound-payments', 'webhook_events'], [whatsapp, 'inbound-whatsapp', 'whatsapp_webhook_logs']]) {
    const silence = () => until(async () => (await db.value('SELECT count(*)::int FROM cron_locks WHERE holder IS NOT NULL OR is_rung')) === 0, { what: 'silence' });
    await silence();
    const before = await runs(worker);
    await accepted(provider, '{"ring":1}');
    await until(async () => (await runs(worker)) > before, { what: `a run of ${worker}` });
    await silence();
    // One that nobody has tried is rung for again: whoever stored it may have gone before he rang.
    const become = (status, attempts) => db.rows(`UPDATE ${table} SET status = $1, attempts = $2, waits_until = NULL`, [status, attempts]);
    await become('pending', 0);
    const again = await runs(worker);
    assert.equal((await accepted(provider, '{"ring":1}')).duplicate, true);
    await until(async () => (await runs(worker)) > again, { what: `another run of ${worker}` });
    await silence();
    await become('failed', 1);
    const behind = await runs(worker);
    assert.equal((await accepted(provider, '{"ring":1}')).duplicate, true);
    await accepted(provider === payment ? whatsapp : payment, '{"other":1}');
    await silence();
    assert.equal(await runs(worker), behind);
  }
});

test("Meta's challenge is echoed to who knows the token, and to nobody else", async () => {
  const token = env.WHATSAPP_VERIFY_TOKEN;
  const ask = (query) => pool.call('GET', `${whatsapp.at}?${query}`);
  const whole = `hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token=${token}`;
  const answer = await ask(whole);
  assert.deepEqual([answer.status, answer.body, answer.headers['content-type']], [200, '1158201444', 'text/plain; charset=utf-8']);
  assert.equal((await ask(`hub.mode=subscribe&hub.challenge=aZ9&hub.verify_token=${token.replaceAll('-', '%2D')}`)).body, 'aZ9');
  assert.equal((await ask(`hub.mode=subscribe&hub.verify_token=${token}&hub.challenge=${'7'.repeat(256)}`)).status, 200);
  for (const wrong of ['', 'hub.mode=subscribe&hub.challenge=1', whole.replace(token, `${token}x`), whole.replace(token, ''), whole.replace('subscribe', 'unsubscribe'),
    whole.replace('hub.mode=subscribe&', ''), `secret=${token}&hub.mode=subscribe&hub.challenge=1`, whole.replace(token, stand.cronSecret)])
    assertError(await ask(wrong), 401, 'unauthorized');
  for (const odd of ['', '%3Cscript%3E', 'a%0Db', 'a%0Ab', 'a%20b', 'a-b', '%C3%A4', '%00', '7'.repeat(257)]) {
    const one = await ask(whole.replace('1158201444', odd));
    assertError(one, 400, 'bad_request');
    assert.ok(odd === '' || !one.body.includes(decodeURIComponent(odd)));
  }
  assertError(await ask(`${whole}&hub.challenge=2`), 400, 'bad_request');
  assertError(await ask(`${whole}&hub.verify_token=${token}`), 400, 'bad_request');
  assert.ok(!pool.log().includes(token) && !pool.log().includes('subscribe&'), 'the query is in the log');
});

const STATUS = '/api/v1/jobs/webhook-retry';

test('the GET of whatsapp-webhook-retry tells whether it runs, with its secret in the query, too', async () => {
  const secret = stand.cronSecret;
  const ask = (query, headers = {}, method = 'GET') => pool.call(method, `${STATUS}${query}`, { headers });
  const bearer = { authorization: `Bearer ${secret}` };
  const idle = { success: true, isRunning: false, jobType: 'whatsapp-webhook-retry' };
  for (const [query, headers] of [[`?secret=${secret}`, {}], ['', bearer], ['', { 'x-cron-secret': secret }], [`?secret=${secret}&secret=${secret}`, bearer], [`?a=b&secret=${encodeURIComponent(secret)}`, { 'x-cron-secret': secret }]]) {
    const answer = await ask(query, headers);
    assert.deepEqual([answer.status, answer.json], [200, idle], query);
    assert.equal(answer.headers['x-cron-worker'], 'whatsapp-webhook-retry');
  }
  // All forms must agree, and a query runs nothing.
  for (const [query, headers, method] of [
    ['?secret=', {}], [`?secret=${secret}x`, {}], ['?secret=x', bearer], [`?secret=${secret}`, { authorization: 'Bearer x' }], [`?secret=${secret}&secret=x`, {}], [`?Secret=${secret}`, {}],
    [`?secret=${secret}&run=1`, {}], [`?secret=${secret}&run=`, {}], [`?secret=${secret}`, { 'x-vercel-cron-schedule': '* * * * *' }], [`?secret=${secret}`, {}, 'POST'], [`?secret=${stand.key}`, {}],
  ]) assertError(await ask(query, headers, method), 401, 'unauthorized');
  for (const at of ['/api/cron/retry-webhooks', '/api/workers/webhookRetry', '/api/jobs/worker', '/api/jobs'])
    assertError(await pool.call('GET', `${at}?secret=${secret}`), 401, 'unauthorized');
  assertError(await ask('?run=2', bearer), 400, 'bad_request');
  // Both ways to run it by GET; a parameter that is no form there is none that disagrees.
  for (const [query, headers] of [['?run=1', bearer], ['', { ...bearer, 'x-vercel-cron-schedule': '* * * * *' }], ['?run=1&secret=x', bearer]])
    assert.equal((await ask(query, headers)).json.run?.worker, 'whatsapp-webhook-retry', query);
  const lock = (expires) => db.rows(
    `INSERT INTO cron_locks (name, holder, acquired_at, expires_at) VALUES ('whatsapp-webhook-retry', gen_random_uuid(), clock_timestamp(), clock_timestamp() + $1::interval)
     ON CONFLICT (name) DO UPDATE SET holder = EXCLUDED.holder, expires_at = EXCLUDED.expires_at`, [expires]);
  await lock('15 s');
  assert.deepEqual((await ask(`?secret=${secret}`)).json, { ...idle, isRunning: true });
  await lock('-1 s');
  assert.deepEqual((await ask(`?secret=${secret}`)).json, idle);
  assert.ok(!pool.log().includes(secret), 'the secret is in the log');
});

// A process writes down what it has counted before it ends.
test('refused calls are counted by route and code', async () => {
  await pool.stop();
  const counts = await db.rows(`SELECT route, code, sum(calls)::int AS calls FROM cron_denied WHERE route ~ 'webhook' GROUP BY 1, 2 ORDER BY 1, 2`);
  const unauthorized = (route) => counts.find((one) => one.route === route && one.code === 'unauthorized')?.calls ?? 0;
  assert.ok(unauthorized('/api/payments/webhook/{provider}') >= 7, JSON.stringify(counts));
  assert.ok(unauthorized('/api/payments/webhook') >= 1 && unauthorized('/api/whatsapp/webhook') >= 9 && unauthorized(STATUS) >= 11);
});
