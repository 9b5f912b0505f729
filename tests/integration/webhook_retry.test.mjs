// webhook-retry: what is due is delivered once, signed, counted and recorded; what fails is tried
// again by the schedule and then given up.
import assert from 'node:assert/strict';
import { after, beforeEach, test } from 'node:test';
import { mustHold } from '../lib/oracle.mjs';
import { Stand } from '../lib/stand.mjs';
import { newSecret, refusal } from '../lib/webhooks.mjs';

const stand = await Stand.create();
await stand.startPool({ size: 2 });
after(() => stand.end());

// Each test starts with no endpoint, so nothing fans out that it did not ask for.
beforeEach(async () => {
  await stand.db.rows('DELETE FROM app_webhooks');
  await stand.db.rows('DELETE FROM platform_events');
  await stand.db.rows('UPDATE cron_locks SET holder = NULL');
  stand.receiver.forget();
});

async function drain(options) {
  const answer = await stand.call('webhook-retry', options);
  assert.equal(answer.status, 200, answer.body);
  return answer.json;
}

// Seconds until the next try, as the row has it, by the clock of its attempt.
async function waitOf(id) {
  return stand.db.value(
    `SELECT extract(epoch FROM d.next_retry_at - max(a.at))::float AS s FROM webhook_deliveries d
       JOIN webhook_attempts a ON a.delivery_id = d.id WHERE d.id = $1 GROUP BY d.next_retry_at`, [id]);
}

function assertBetween(value, low, high, what) {
  assert.ok(value >= low && value <= high, `${what}: ${value} is not within ${low}-${high}`);
}

test('an event is delivered: signed, with the type, time and data of the event', async () => {
  const endpoint = await stand.endpoint('/ok/basic');
  const [id] = await stand.enqueue(1, { type: 'order.created', payload: { text: 'Grüße ✓', list: [1, null] } });
  const reply = await drain();
  assert.deepEqual([reply.retried, reply.succeeded, reply.failed], [1, 1, 0]);

  const [request] = stand.receiver.requests;
  assert.equal(request.refusal, undefined);
  assert.equal(request.method, 'POST');
  assert.equal(request.id, id);
  assert.match(request.headers['content-type'], /^application\/json/);
  const body = JSON.parse(request.body);
  const event = await stand.db.one('SELECT * FROM platform_events');
  assert.deepEqual(Object.keys(body), ['type', 'timestamp', 'data']);
  assert.equal(body.type, 'order.created');
  assert.deepEqual(body.data, event.payload);
  assert.equal(new Date(body.timestamp).getTime(), event.created_at.getTime());

  const row = await stand.delivery(id);
  assert.equal(row.status, 'delivered');
  assert.deepEqual([row.attempts, row.lost, row.last_status_code, row.next_retry_at, row.lease_until], [1, 0, 200, null, null]);
  assert.ok(row.delivered_at);
  const attempt = await stand.db.one('SELECT * FROM webhook_attempts WHERE delivery_id = $1', [id]);
  assert.deepEqual([attempt.attempt, attempt.status_code, attempt.error], [1, 200, null]);
  for (const column of ['connect_ms', 'first_byte_ms', 'total_ms']) assert.ok(attempt[column] >= 0, column);
  assert.equal((await stand.db.one('SELECT first_failure_at FROM app_webhooks WHERE id = $1', [endpoint.id])).first_failure_at, null);
});

test("the reply has the seed's keys first, and a run with its execution row", async () => {
  await stand.endpoint('/ok/reply');
  await stand.enqueue(3);
  const answer = await stand.call('webhook-retry');
  assert.deepEqual(Object.keys(answer.json), ['retried', 'succeeded', 'failed', 'message', 'run']);
  assert.equal(answer.json.message, '3 webhooks retried');
  const { run } = answer.json;
  assert.deepEqual([run.worker, run.more], ['webhook-retry', false]);
  const execution = await stand.execution(run.id);
  assert.deepEqual([execution.job_name, execution.status, execution.counts.processed], ['webhook-retry', 'success', 3]);
  assert.ok(execution.completed_at >= execution.started_at);
  assert.ok(execution.caller.includes('127.0.0.1'));
  assert.equal(answer.headers['x-cron-worker'], 'webhook-retry');
  assert.equal(answer.headers['x-cron-run'], run.id);
  assert.equal(answer.headers['x-cron-outcome'], 'success');
  assert.equal(answer.headers['x-cron-items'], '3');
  assert.equal(answer.headers['cache-control'], 'no-store');
  assert.equal(Number(answer.headers['content-length']), Buffer.byteLength(answer.body));
});

const patterns = [
  [[], ['a', 'order.created', 'x.y.z']],
  [['order.created'], ['order.created']],
  [['order.*'], ['order.created', 'order.item.added']],
  [['order.item.*', 'user.created'], ['order.item.added', 'user.created']],
];
for (const [events, wanted] of patterns) {
  test(`an endpoint with events {${events}} gets {${wanted}}`, async () => {
    await stand.endpoint('/ok/fan', { events });
    for (const type of ['a', 'order', 'order.created', 'order.item.added', 'orders.created', 'user.created', 'x.y.z'])
      await stand.enqueue(1, { type });
    const made = await stand.db.rows(
      'SELECT event_type FROM webhook_deliveries d JOIN platform_events e ON e.id = d.event_id ORDER BY 1');
    const types = made.map((row) => row.event_type);
    if (events.length === 0) assert.equal(types.length, 7);
    else assert.deepEqual(types, wanted);
  });
}

test('patterns that would match nothing sensible are refused by the table', async () => {
  for (const events of [['*'], ['order*'], ['order.*.created'], ['.*'], [''], [null]])
    await assert.rejects(stand.endpoint('/ok/bad', { events }), /events_are_names_or_prefixes/, JSON.stringify(events));
});

test('one event reaches each endpoint that wants it, in the transaction of the insert', async () => {
  await stand.endpoint('/ok/one');
  await stand.endpoint('/ok/two');
  await stand.endpoint('/ok/three', { is_active: false });
  await stand.db.session(async (sql) => {
    await sql('BEGIN');
    await sql(`INSERT INTO platform_events (event_type, payload) VALUES ('rolled.back', '{}')`);
    await sql('ROLLBACK');
  });
  assert.equal((await stand.rows()).length, 0);
  await stand.enqueue(1);
  assert.equal((await stand.rows()).length, 3);
  const reply = await drain();
  assert.equal(reply.succeeded, 2);
  assert.deepEqual(stand.receiver.requests.map((one) => one.path).sort(), ['/ok/one', '/ok/two']);
});

test("a disabled endpoint's deliveries wait without burning attempts, and go when it is enabled", async () => {
  const { id: webhook } = await stand.endpoint('/ok/later', { is_active: false });
  const [id] = await stand.enqueue(1);
  await drain();
  const parked = await stand.db.one('SELECT attempts, next_retry_at::text AS at FROM webhook_deliveries WHERE id = $1', [id]);
  assert.deepEqual(parked, { attempts: 0, at: 'infinity' });
  assert.equal(stand.receiver.requests.length, 0);
  await stand.db.rows('UPDATE app_webhooks SET is_active = true WHERE id = $1', [webhook]);
  assert.equal((await drain()).succeeded, 1);
});

test('both secrets sign while one is rotated', async () => {
  const previous = newSecret();
  const { secret } = await stand.endpoint('/ok/rotation', { previous_secret: previous });
  await stand.enqueue(1);
  await drain();
  const [{ headers, body }] = stand.receiver.requests;
  assert.equal(headers['webhook-signature'].split(' ').length, 2);
  assert.equal(refusal(secret, headers, body), undefined);
  assert.equal(refusal(previous, headers, body), undefined);
  assert.equal(refusal(newSecret(), headers, body), 'no signature fits');
});

test('a secret that is plain text signs as it stands', async () => {
  const { secret } = await stand.endpoint('/ok/plain', { secret: 'an old plain secret' });
  await stand.enqueue(1);
  assert.equal((await drain()).succeeded, 1);
  const [{ headers, body }] = stand.receiver.requests;
  assert.equal(refusal(secret, headers, body), undefined);
});

test("an endpoint's own headers are sent; those that could forge are not", async () => {
  await stand.endpoint('/ok/headers', { headers: JSON.stringify({ 'x-team': 'Grün', authorization: 'Bearer t' }) });
  await stand.enqueue(1);
  assert.equal((await drain()).succeeded, 1);
  assert.equal(Buffer.from(stand.receiver.requests[0].headers['x-team'], 'latin1').toString(), 'Grün');
  assert.equal(stand.receiver.requests[0].headers.authorization, 'Bearer t');
});

const forged = [
  { 'x-a': 'one\r\nx-injected: 1' }, { 'x-a': 'one\nx-injected: 1' }, { 'x-injected: 1\r\nx-a': 'v' }, { 'x a': 'v' },
  { '': 'v' }, { 'webhook-id': '1' }, { 'Content-Length': '1' }, { 'x-a': 5 }, { 'x-a': 'tab\u0001' },
];
for (const headers of forged) {
  test(`headers ${JSON.stringify(headers)} make a dead letter and no request`, async () => {
    await stand.endpoint('/ok/forged', { headers: JSON.stringify(headers) });
    const [id] = await stand.enqueue(1);
    await drain();
    const row = await stand.delivery(id);
    assert.deepEqual([row.status, row.next_retry_at], ['failed', null]);
    assert.match(row.last_error, /header/);
    assert.equal(stand.receiver.requests.length, 0);
  });
}

test('a secret that cannot sign makes a dead letter that does not show it', async () => {
  await stand.endpoint('/ok/secret', { secret: 'whsec_not base64!' });
  const [id] = await stand.enqueue(1);
  await drain();
  const row = await stand.delivery(id);
  assert.equal(row.status, 'failed');
  assert.match(row.last_error, /secret/);
  assert.ok(!row.last_error.includes('not base64!'));
});

test('failures wait 2, 4, 8, 16, 32 s and up to a tenth more, then the delivery is dead', async () => {
  await stand.endpoint('/status/500');
  const [id] = await stand.enqueue(1);
  for (let n = 1; n <= 5; n++) {
    const reply = await drain();
    assert.deepEqual([reply.retried, reply.failed], [1, 1], `try ${n}`);
    assertBetween(await waitOf(id), 2 ** n - 0.1, 2 ** n * 1.1 + 0.2, `wait after failure ${n}`);
    await stand.makeDue();
  }
  await drain();
  const row = await stand.delivery(id);
  assert.deepEqual([row.status, row.attempts, row.next_retry_at, row.last_status_code], ['failed', 6, null, 500]);
  assert.ok(row.dead_at);
  assert.match(row.last_error, /HTTP 500: as asked/);
  assert.equal((await drain()).retried, 0);
  assert.equal(await stand.db.value('SELECT count(*)::int FROM webhook_attempts WHERE delivery_id = $1', [id]), 6);
});

test('a schedule of its own replaces the base, its last wait repeated', async () => {
  const done = await stand.cli(['run', 'webhook-retry'], { env: { WEBHOOK_RETRY_SCHEDULE: '5s,1m,2h', MAX_WEBHOOK_RETRIES: '4' } });
  assert.equal(done.code, 0, done.stderr);
  await stand.endpoint('/status/503');
  const [id] = await stand.enqueue(1);
  for (const wait of [5, 60, 7200, 7200]) {
    await stand.cli(['run', 'webhook-retry'], { env: { WEBHOOK_RETRY_SCHEDULE: '5s,1m,2h', MAX_WEBHOOK_RETRIES: '4' } });
    assertBetween(await waitOf(id), wait - 0.1, wait * 1.1 + 0.2, 'wait');
    await stand.makeDue();
  }
  await stand.cli(['run', 'webhook-retry'], { env: { WEBHOOK_RETRY_SCHEDULE: '5s,1m,2h', MAX_WEBHOOK_RETRIES: '4' } });
  assert.deepEqual([(await stand.delivery(id)).status, (await stand.delivery(id)).attempts], ['failed', 5]);
});

const retryAfter = [
  ['/retryafter/120', 120, 132.5], ['/retryafter/0', 1.9, 2.5], ['/retryafter/1', 1.9, 2.5], ['/retrydate/90', 87, 100.5],
  ['/retryafter/999999', 86_400, 95_041], ['/retryafter/nonsense', 1.9, 2.5], ['/retryafter/-5', 1.9, 2.5],
  ['/retryafter/30/503', 30, 33.5], ['/retrydate/-50', 1.9, 2.5],
];
for (const [at, low, high] of retryAfter) {
  test(`${at} is tried again after ${low} to ${high} s`, async () => {
    await stand.endpoint(at);
    const [id] = await stand.enqueue(1);
    await drain();
    const row = await stand.delivery(id);
    assert.deepEqual([row.status, row.attempts], ['pending', 1]);
    assertBetween(await waitOf(id), low, high, 'wait');
  });
}

test('410 disables the endpoint with a reason, and its deliveries wait', async () => {
  const { id: webhook } = await stand.endpoint('/gone');
  const ids = await stand.enqueue(3);
  await drain();
  const endpoint = await stand.db.one('SELECT * FROM app_webhooks WHERE id = $1', [webhook]);
  assert.equal(endpoint.is_active, false);
  assert.ok(endpoint.disabled_at);
  assert.match(endpoint.disabled_reason, /410/);
  const parked = await stand.db.value(
    `SELECT count(*)::int FROM webhook_deliveries WHERE id = ANY($1) AND next_retry_at = 'infinity' AND status = 'pending'`, [ids]);
  assert.equal(parked, 3);
  const sent = stand.receiver.requests.length;
  await drain();
  assert.equal(stand.receiver.requests.length, sent, 'nothing more is sent to it');
});

test('nothing but failures for WEBHOOK_DISABLE_AFTER_HOURS disables; a success in between does not', async () => {
  const failing = await stand.endpoint('/status/500');
  const recovered = await stand.endpoint('/ok/recovered');
  await stand.db.rows(`UPDATE app_webhooks SET first_failure_at = clock_timestamp() - interval '121 hours'`);
  const ids = await stand.enqueue(1);
  await drain();
  const states = Object.fromEntries((await stand.db.rows('SELECT * FROM app_webhooks')).map((row) => [row.id, row]));
  assert.equal(states[failing.id].is_active, false);
  assert.match(states[failing.id].disabled_reason, /120 hours/);
  assert.deepEqual([states[recovered.id].is_active, states[recovered.id].first_failure_at], [true, null]);
  assert.equal(await stand.db.value(`SELECT count(*)::int FROM webhook_deliveries WHERE id = ANY($1) AND next_retry_at = 'infinity'`, [ids]), 1);
});

test('a run never takes a row twice, though its wait ends during the run', async () => {
  await stand.endpoint('/status/500');
  await stand.endpoint('/slow/3000');
  const ids = await stand.enqueue(1);
  const reply = await drain();
  assert.equal(reply.retried, 2);
  assert.equal(stand.receiver.to('/status').length, 1, 'the 2 s wait was over long before the run was');
  await stand.db.rows('DELETE FROM webhook_deliveries WHERE id = ANY($1)', [ids]);
});

test('a cap per run leaves the rest, and says so', async () => {
  await stand.endpoint('/ok/cap');
  await stand.enqueue(25);
  const env = { WEBHOOK_RUN_MAX: '10', WEBHOOK_BATCH_SIZE: '4' };
  for (const [wanted, more] of [[10, true], [10, true], [5, false]]) {
    const done = await stand.cli(['run', 'webhook-retry'], { env });
    const reply = JSON.parse(done.stdout);
    assert.deepEqual([reply.retried, reply.run.more], [wanted, more]);
  }
});

test('batches are rows per claim: one run takes them all', async () => {
  await stand.endpoint('/ok/batches');
  const ids = await stand.enqueue(1000);
  const done = await stand.cli(['run', 'webhook-retry'], { env: { WEBHOOK_BATCH_SIZE: '7' } });
  assert.equal(JSON.parse(done.stdout).succeeded, 1000);
  assert.equal(stand.receiver.requests.length, 1000);
  assert.equal(new Set(stand.receiver.requests.map((one) => one.id)).size, 1000);
  assert.deepEqual(new Set(stand.receiver.requests.map((one) => one.id)), new Set(ids));
});

test('the budget ends a run in time; what was not tried is unharmed', async () => {
  await stand.endpoint('/slow/500');
  const ids = await stand.enqueue(200);
  const began = Date.now();
  const done = await stand.cli(['run', 'webhook-retry', '--budget', '2'],
    { env: { WEBHOOK_TIMEOUT_S: '1', WEBHOOK_HOST_CONCURRENT: '8' } });
  assert.ok(Date.now() - began < 4500, `took ${Date.now() - began} ms`);
  const reply = JSON.parse(done.stdout);
  assert.equal(reply.run.more, true);
  assert.ok(reply.succeeded > 0 && reply.succeeded < 200);
  const rows = await stand.db.rows('SELECT status, attempts, lost, lease_until FROM webhook_deliveries WHERE id = ANY($1)', [ids]);
  const untried = rows.filter((row) => row.status === 'pending');
  assert.equal(untried.length, 200 - reply.succeeded);
  assert.ok(untried.every((row) => row.attempts === 0 && row.lost === 0 && row.lease_until === null));
});

test('no more are in the air to one host than WEBHOOK_HOST_CONCURRENT, nor in all than WEBHOOK_MAX_CONCURRENT', async () => {
  await stand.endpoint('/slow/20');
  await stand.enqueue(200);
  stand.receiver.inflightMax = 0;
  await stand.cli(['run', 'webhook-retry'], { env: { WEBHOOK_HOST_CONCURRENT: '5' } });
  assertBetween(stand.receiver.inflightMax, 3, 5, 'in the air to the host');
  await stand.enqueue(200);
  stand.receiver.inflightMax = 0;
  await stand.cli(['run', 'webhook-retry'], { env: { WEBHOOK_MAX_CONCURRENT: '3', WEBHOOK_HOST_CONCURRENT: '100' } });
  assertBetween(stand.receiver.inflightMax, 2, 3, 'in the air in all');
});

test('an event that was deleted makes a dead letter; one that was archived is delivered', async () => {
  await stand.endpoint('/ok/archived');
  const [gone, moved] = await stand.enqueue(2);
  const events = await stand.db.rows('SELECT id, event_id FROM webhook_deliveries WHERE id = ANY($1)', [[gone, moved]]);
  const eventOf = (id) => events.find((row) => String(row.id) === id).event_id;
  await stand.db.rows(
    `WITH m AS (DELETE FROM platform_events WHERE id = $1 RETURNING *)
     INSERT INTO platform_events_archive (id, event_type, payload, created_at) SELECT id, event_type, payload, created_at FROM m`,
    [eventOf(moved)]);
  await stand.db.rows('DELETE FROM platform_events WHERE id = $1', [eventOf(gone)]);
  await drain();
  assert.equal((await stand.delivery(moved)).status, 'delivered');
  const row = await stand.delivery(gone);
  assert.equal(row.status, 'failed');
  assert.match(row.last_error, /deleted/);
});

test('a mixed run is partial, one of nothing but failures a failure, an empty one a success', async () => {
  assert.equal((await stand.call('webhook-retry')).headers['x-cron-outcome'], 'success');
  await stand.endpoint('/ok/mixed');
  await stand.endpoint('/status/500');
  await stand.enqueue(1);
  const mixed = await stand.call('webhook-retry');
  assert.deepEqual([mixed.status, mixed.headers['x-cron-outcome']], [200, 'partial']);
  await stand.makeDue();
  const failed = await stand.call('webhook-retry');
  assert.deepEqual([failed.status, failed.headers['x-cron-outcome'], failed.json.failed], [200, 'failure', 1]);
  assert.equal((await stand.execution(failed.json.run.id)).status, 'failure');
});

test('10,000 signatures hold before an independent verifier, and the ledger balances', async () => {
  stand.ledger.follow(stand.receiver);
  for (let i = 0; i < 4; i++) await stand.endpoint(`/ok/many/${i}`);
  const ids = await stand.enqueue(2500, { payload: { text: '"\\\u0000'.replace('\u0000', 'é'), n: 1 } });
  await drain();
  assert.equal(stand.receiver.requests.length, 10_000);
  assert.deepEqual(stand.receiver.requests.filter((one) => one.refusal), []);
  stand.ledger.enqueued = new Set(ids);
  const verdict = mustHold(stand.ledger, await stand.rows());
  assert.deepEqual([verdict.done, verdict.duplicates], [10_000, 0]);
});

test('an endpoint with more headers than any request carries costs its own deliveries alone', async () => {
  await stand.endpoint('/ok/healthy');
  const headers = Object.fromEntries(Array.from({ length: 50_000 }, (_, i) => [`x-${i}-${Math.imul(i, 2654435761)}`, String(i)]));
  const { id } = await stand.endpoint('/ok/headers', { headers: JSON.stringify(headers) });
  await stand.enqueue(20);
  const done = await drain();
  assert.deepEqual([done.succeeded, done.failed, done.run.more], [20, 20, false]);
  const [row] = await stand.db.rows('SELECT status, last_error FROM webhook_deliveries WHERE webhook_id = $1 LIMIT 1', [id]);
  assert.equal(row.status, 'failed');
  assert.match(row.last_error, /headers are too long/);
});
