// Inbound events that an application gets: bytes and headers as they came, ours besides, and what
// becomes of its answers.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { once } from 'node:events';
import { after, beforeEach, test } from 'node:test';
import { Events } from '../lib/events.mjs';
import { canary, RECEIVER_HOST } from '../lib/receiver.mjs';
import { Stand } from '../lib/stand.mjs';
import { newSecret, refusal } from '../lib/webhooks.mjs';

const stand = await Stand.create();
const { db, receiver } = stand;
const events = new Events(stand);
// An application that keeps what it gets, to the byte.
const got = [];
const application = createServer({ maxHeaderSize: 64 * 1024 }, async (q, s) => {
  const parts = [];
  for await (const part of q) parts.push(part);
  got.push({ headers: q.headers, raw: q.rawHeaders, body: Buffer.concat(parts), method: q.method });
  s.end('ok');
});
application.listen(0, RECEIVER_HOST);
await once(application, 'listening');
// Bodies are the same however this database writes bytes where nobody says how.
await db.rows("DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET bytea_output = escape', current_database()); END $$");
const url = `http://${RECEIVER_HOST}:${application.address().port}/hook`;
after(async () => {
  application.close();
  application.closeAllConnections();
  await stand.end();
});
beforeEach(async () => {
  await events.clear();
  got.length = 0;
});

// What an event with `more` becomes at `action`.
async function forwarded(action, more = {}, handler = {}, env = {}) {
  await db.rows('TRUNCATE event_handlers');
  await events.handler(action, handler);
  return events.tried(await events.put(more), env);
}

test('the body goes byte by byte, with the headers that it came with and ours', async () => {
  const body = Buffer.from([0, 1, 2, 0xff, 0x5c, 0x78, 0x0a, ...Buffer.from('{"a": 1 }')]);
  const headers = {
    'content-type': 'application/x-telebirr; charset=utf-8', 'user-agent': 'Telebirr/1', 'x-telebirr-signature': 'abc=', 'x-latin': 'caf\u00e9',
    'webhook-id': 'theirs', 'webhook-signature': 'v1,theirs', host: 'other.example', 'content-length': '3', connection: 'close', 'accept-encoding': 'br',
    'cronward-provider': 'forged', 'cronward-signature': 'v1,forged', cookie: 'c', 'x-cron-secret': 's', 'x-broken': 'a\u0001b', 'bad name': 'x', 'x-number': 7,
  };
  const row = await forwarded(url, { event_id: 'evt 1%\n', type: 'payment.paid', body, headers: JSON.stringify(headers) }, { headers: '{"authorization": "Bearer app-token"}' });
  assert.deepEqual([row.status, row.error], ['processed', null]);
  assert.deepEqual([got[0].method, got[0].body.equals(body)], ['POST', true]);
  const h = got[0].headers;
  assert.deepEqual(
    [h['content-type'], h['user-agent'], h['x-telebirr-signature'], Buffer.from(h['x-latin'], 'latin1').toString(), h['webhook-id'], h['webhook-signature']],
    ['application/x-telebirr; charset=utf-8', 'Telebirr/1', 'abc=', 'caf\u00e9', 'theirs', 'v1,theirs']);
  assert.deepEqual([h['cronward-event-id'], h['cronward-provider'], h['cronward-event-type'], h['cronward-attempt'], h['idempotency-key'], h.authorization],
    ['evt%201%25%0A', 'telebirr', 'payment.paid', '1', row.id, 'Bearer app-token']);
  assert.deepEqual([h.host, h['content-length'], h['x-broken'], h['bad name'], h['x-number'], h['accept-encoding'], h['cronward-signature'], h.cookie, h['x-cron-secret']],
    [new URL(url).host, String(body.length), ...Array(7).fill(undefined)]);
  assert.equal(got[0].raw.filter((name) => name.toLowerCase() === 'cronward-provider').length, 1);
});

test('64 headers of 16 KB, and a row without a body', async () => {
  const headers = Object.fromEntries(Array.from({ length: 64 }, (_, n) => [`x-${n}`, 'v'.repeat(245)]));
  await forwarded(url, { payload: { a: [1, 'é'] }, headers: JSON.stringify({ ...headers, authorization: 'theirs' }) }, { secret: newSecret(), headers: JSON.stringify({ 'x-app': 'y'.repeat(3000) }) });
  assert.equal(got.length, 1);
  for (const name of [...Object.keys(headers), 'x-app', 'cronward-signature']) assert.ok(got[0].headers[name], name);
  assert.deepEqual([JSON.parse(got[0].body), got[0].headers['content-type'], got[0].headers.authorization], [{ a: [1, 'é'] }, 'application/json', undefined]);
});

test('a handler with a secret signs, under names of our own', async () => {
  for (const body of [Buffer.from('{"n":1}'), Buffer.from([0, 255, 254])]) {
    const secret = newSecret();
    const row = await forwarded(url, { body, headers: '{"webhook-id": "theirs", "idempotency-key": "theirs"}' }, { secret });
    const { headers, body: seen } = got.pop();
    const theirs = Object.fromEntries(['id', 'timestamp', 'signature'].map((name) => [`webhook-${name}`, headers[`cronward-${name}`]]));
    assert.equal(refusal(secret, theirs, seen), undefined);
    assert.match(refusal(newSecret(), theirs, seen), /no signature fits/);
    assert.deepEqual([headers['cronward-id'], headers['webhook-id'], headers['idempotency-key']], [row.id, 'theirs', 'theirs']);
  }
});

test('a secret is sealed at first use; one that does not open holds the event, and counts no try', async () => {
  const ring = (id, byte) => `${id}:${Buffer.alloc(32, byte).toString('base64')}`;
  const row = await forwarded(url, {}, { secret: 'a plain one' }, { ENCRYPTION_KEYS: ring('k1', 1) });
  assert.equal(row.status, 'processed');
  assert.match(await db.value('SELECT secret FROM event_handlers'), /^cw1\.k1\./);
  const held = await events.tried(await events.put(), { ENCRYPTION_KEYS: ring('k2', 2) });
  assert.deepEqual([held.status, held.attempts, held.retry_count, held.next_retry_at], ['pending', 0, 0, null]);
  assert.match(held.error, /^not tried: .*key/);
  const waits = await db.value(`SELECT date_part('epoch', waits_until - clock_timestamp()) FROM webhook_events WHERE id = $1`, [held.id]);
  assert.ok(waits > 115 && waits < 135, `${waits} s: a minute more than those that process events as they come look ahead`);
  assert.equal((await events.tried(held.id, { ENCRYPTION_KEYS: ring('k1', 1) })).status, 'processed');
});

test('answers', async () => {
  receiver.says = () => 'out of order';
  const waits = (id) => db.value(`SELECT date_part('epoch', waits_until - clock_timestamp()) / 60 FROM webhook_events WHERE id = $1`, [id]);
  const cases = [
    ['status/204', 'processed', null], ['say/500', 'failed', /^HTTP 500: out of order$/, 1], ['say/401', 'failed', /^HTTP 401: out of order$/, 1],
    ['redirect/302', 'failed', /^HTTP 302 \(redirects are not followed\)/, 1], ['retryafter/600', 'failed', /^HTTP 429/, 10],
    ['retryafter/5/503', 'failed', /^HTTP 503/, 1], ['reset', 'failed', /reset|closed|empty/i, 1], ['dirty', 'failed', /^HTTP 500: a/, 1],
  ];
  for (const [at, status, error, minutes] of cases) {
    const row = await forwarded(receiver.url(at));
    assert.deepEqual([row.status, row.archived], [status, false], at);
    if (error) assert.match(row.error, error, at);
    if (!minutes) continue;
    const waited = await waits(row.id);
    assert.ok(waited > minutes * 0.97 && waited <= minutes * 1.1, `${at}: ${waited}`);
  }
  const gone = await forwarded(receiver.url('gone'));
  assert.deepEqual([gone.status, gone.archived, gone.error, gone.attempts], ['failed', true, 'HTTP 410', 1]);
  const late = await forwarded(receiver.url('hang'), {}, { timeout_s: 1 });
  assert.deepEqual([late.status, /time/i.test(late.error)], ['failed', true], late.error);
});

test('what an application repeats of secrets is not kept', async () => {
  const secret = newSecret();
  receiver.says = (q) => `got ${JSON.stringify(q.headers)} and ${secret}`;
  const row = await forwarded(receiver.url('say/500'), {}, { secret, headers: '{"x-token": "an-app-token-of-ours"}' });
  for (const hidden of [secret, secret.slice(6), 'an-app-token-of-ours']) assert.ok(!row.error.includes(hidden), row.error);
});

test('the address guard, and headers that are not a handler\'s to set', async () => {
  const forbidden = await canary();
  const guarded = await forwarded(`http://127.0.0.1:${forbidden.port}/x`);
  assert.deepEqual([guarded.status, guarded.attempts, forbidden.connections], ['failed', 1, 0]);
  assert.match(guarded.error, /127\.0\.0\.1/);
  for (const name of ['webhook-id', 'content-length', 'cronward-attempt', 'Idempotency-Key']) {
    const row = await forwarded(url, {}, { headers: JSON.stringify({ [name]: 'x' }) });
    assert.deepEqual([row.status, row.error], ['failed', `the handler's header "${name}" is not its to set`]);
  }
  assert.equal((await forwarded(url, {}, { secret: 'whsec_?' })).error, "the handler's secret is neither whsec_ and base64 nor a short text");
  assert.deepEqual(got, []);
});
