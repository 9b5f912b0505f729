// whatsapp-health-check: its route, and what it does.
import assert from 'node:assert/strict';
import { randomBytes, randomUUID } from 'node:crypto';
import { beforeEach, test } from 'node:test';
import { holdLock } from '../lib/callers.mjs';
import { Health, JOB, scenarios } from '../lib/health.mjs';
import { Meta } from '../lib/meta.mjs';
import { statements } from '../lib/statements.mjs';
import { until } from '../lib/wait.mjs';

const ROUTE = '/api/v1/jobs/whatsapp-health-check';
const vendor = await Meta.start();
const health = await Health.ofFile(vendor);
const { stand, db } = health;
const pool = await stand.startPool({ size: 1 });
beforeEach(() => db.rows('TRUNCATE cron_job_executions, cron_locks'));

const call = async (method, query = '', headers = { 'x-cron-secret': stand.cronSecret }) => {
  const answer = await pool.call(method, ROUTE + query, { headers });
  return { status: answer.status, ...JSON.parse(answer.body) };
};
const runs = () => db.value('SELECT count(*)::int FROM cron_job_executions WHERE job_name = $1', [JOB]);

test('POST runs it, with the words of the seed', async () => {
  const { status, ...reply } = await call('POST');
  assert.deepEqual([status, Object.keys(reply).slice(0, 3), Object.keys(reply).at(-1)], [200, ['success', 'jobId', 'message'], 'run']);
  assert.deepEqual([reply.success, reply.message, reply.run.worker], [true, 'WhatsApp health check completed', JOB]);
  assert.match(reply.jobId, /^whatsapp-health-check-\d{13}$/);
  assert.equal(await runs(), 1);
});

test('GET tells whether it runs, and runs it where Vercel asks or ?run=1', async () => {
  const state = { status: 200, success: true, jobType: JOB };
  assert.deepEqual(await call('GET'), { ...state, isRunning: false });
  const free = await holdLock((...query) => db.rows(...query), JOB);
  assert.deepEqual(await call('GET', `?secret=${stand.cronSecret}`, {}), { ...state, isRunning: true });
  const { status, code, error } = await call('POST');
  assert.deepEqual([status, code], [429, 'busy']);
  assert.match(error, /^Job already running, skipping/);
  const skipped = await call('POST', '?busy=200');
  assert.deepEqual([skipped.status, skipped.success, skipped.jobId, skipped.skipped, skipped.run], [200, true, `${JOB}-0`, true, null]);
  await free();
  assert.equal(await runs(), 0);
  assert.equal((await call('GET', '?run=1')).run.worker, JOB);
  assert.equal((await call('GET', '', { 'x-cron-secret': stand.cronSecret, 'x-vercel-cron-schedule': '0 2 * * *' })).run.worker, JOB);
  assert.equal(await runs(), 2);
});

test('without the secret it tells nothing and does nothing; in the address it is for the status alone', async () => {
  for (const [method, query, headers] of [['POST', '', {}], ['GET', '', {}], ['POST', `?secret=${stand.cronSecret}`, {}], ['GET', `?run=1&secret=${stand.cronSecret}`, {}],
    ['GET', '?secret=wrong-wrong-wrong-wrong', {}], ['POST', '', { 'x-cron-secret': stand.key }]])
    assert.deepEqual(await call(method, query, headers).then(({ status, code }) => [status, code]), [401, 'unauthorized'], `${method} ${query}`);
  assert.equal(await runs(), 0);
});

scenarios(test, health);

async function addMany(count, more = {}) {
  const names = Object.keys(more).map((name) => `, ${name}`).join(''), values = Object.values(more);
  await db.rows(`INSERT INTO whatsapp_connections (phonenumberid${names}) SELECT $1${values.map((_, i) => `, $${i + 2}`).join('')} FROM generate_series(1, ${count})`,
    [vendor.credentials.phone_number_id, ...values]);
  await db.rows('INSERT INTO whatsapp_configs SELECT id, $1 FROM whatsapp_connections', [vendor.credentials.access_token]);
}
const counts = () => db.one(
  `SELECT count(*)::int AS rows, count(DISTINCT connection_id)::int AS connections, count(*) FILTER (WHERE status <> 'unknown')::int AS known FROM whatsapp_health`);

test('a vendor that is down is left alone after ten checks in a row; the rest is as it was, and the next run begins with it', async () => {
  await addMany(100, { healthstatus: 'warning' });
  await vendor.fault({ fault: '500', count: 1000 });
  const reply = await health.run({ WHATSAPP_HEALTH_MAX_CONCURRENT: '8' });
  const { rows, connections, known } = await counts();
  assert.ok(rows >= 10 && rows < 10 + 8, `${rows} checks`);
  assert.deepEqual([connections, known, reply.checked, reply.unknown, reply.run.more], [rows, 0, rows, rows, true]);
  assert.equal((await vendor.requests()).length, rows);
  assert.deepEqual(await db.rows('SELECT DISTINCT healthstatus, lasthealthcheckat, claim_token, lost FROM whatsapp_connections'), [{ healthstatus: 'warning', lasthealthcheckat: null, claim_token: null, lost: 0 }]);
  assert.match(health.said, /vendor_closed.*Meta is left alone/);
  await vendor.reset();
  await vendor.fault({ fault: '429', after: 2 * 40 });
  assert.equal((await health.run({ WHATSAPP_HEALTH_MAX_CONCURRENT: '1' })).healthy, 40);
  assert.equal(await db.value(`SELECT count(*)::int FROM whatsapp_health WHERE status = 'healthy' AND connection_id IN (SELECT connection_id FROM whatsapp_health WHERE status = 'unknown' AND errorcode = '2')`), 0);
});

test('single failures among others end nothing', async () => {
  await addMany(60);
  for (let n = 0; n < 6; n++) await vendor.fault({ fault: 'reset', after: n * 12 });
  const reply = await health.run({ WHATSAPP_HEALTH_MAX_CONCURRENT: '4' });
  assert.deepEqual([reply.checked, reply.run.more], [60, false]);
  assert.ok(reply.unknown >= 1 && reply.unknown <= 6, `${reply.unknown} unknown`);
});

test('an account with many numbers that is over its limit keeps no other from being checked', async () => {
  await addMany(30);
  await vendor.fault({ fault: 'business-rate-limit', minutes: 5, count: 12 });
  const reply = await health.run({ WHATSAPP_HEALTH_MAX_CONCURRENT: '1' });
  assert.deepEqual([reply.checked, reply.unknown, reply.healthy, reply.run.more], [30, 12, 18, false]);
});

for (const [what, begin] of [
  ["the application's limit", () => vendor.fault({ fault: '429', after: 10 })],
  ['what the application may use, used up', async () => { vendor.appUsage = 100; }],
])
  test(`${what}: everything is left alone, and nothing is marked`, async () => {
    await addMany(100, { healthstatus: 'error' });
    await begin();
    const reply = await health.run({ WHATSAPP_HEALTH_MAX_CONCURRENT: '4' });
    assert.ok((await vendor.requests()).length <= 10 + 4 + 1, `${(await vendor.requests()).length} requests`);
    assert.ok(reply.unknown >= 1 && reply.errors === 0 && reply.run.more, JSON.stringify(reply));
    const waits = await db.rows(`SELECT c.healthstatus, c.waits_until > clock_timestamp() AS waits, h.errorcode FROM whatsapp_connections c JOIN whatsapp_health h ON h.connection_id = c.id WHERE h.status = 'unknown'`);
    for (const { healthstatus: now, errorcode: code } of waits) assert.deepEqual([now, ['4', 'rate'].includes(code)], ['error', true], code);
    assert.equal(await db.value(`SELECT count(*)::int FROM whatsapp_connections WHERE healthstatus = 'error' AND lasthealthcheckat IS NULL`), 100 - reply.healthy);
  });

test('a token is sealed by its first check; one that does not open marks nothing, and works again with its key', async () => {
  const [one, other] = ['k1', 'k2'].map((id) => `${id}:${randomBytes(32).toString('base64')}`);
  const id = await health.add({ healthstatus: 'warning' });
  const token = () => db.value('SELECT accesstoken FROM whatsapp_configs WHERE connection_id = $1', [id]);
  assert.equal((await health.run({ ENCRYPTION_KEYS: one })).healthy, 1);
  assert.match(await token(), /^cw1\.k1\./);
  const { lasthealthcheckat: at } = await health.row(id), requests = (await vendor.requests()).length;
  const reply = await health.run({ ENCRYPTION_KEYS: other });
  assert.deepEqual([reply.unknown, reply.errors], [1, 0]);
  const [now, status, code, , text] = await health.last(id);
  assert.deepEqual([now, status, code], ['healthy', 'unknown', 'sealed']);
  assert.match(text, /whatsapp_configs\.accesstoken.*k1|k1/);
  assert.deepEqual((await health.row(id)).lasthealthcheckat, at);
  assert.equal((await vendor.requests()).length, requests);
  assert.equal((await health.run({ ENCRYPTION_KEYS: `${other},${one}` })).healthy, 1);
});

// Runs it, and lets `change` happen while an answer is on its way.
async function meanwhile(change) {
  const before = vendor.all.length;
  vendor.delayMs = 150;
  const running = health.run();
  await until(() => vendor.all.length > before);
  await change();
  const reply = await running;
  vendor.delayMs = 0;
  return reply;
}

test('a token that is changed while it is checked: what was found says nothing of the new one', async () => {
  const bad = 'EAAexpiredxxxxxxxxxxxx';
  vendor.add({ token: bad, dead: 463 });
  const id = await health.add({ token: bad });
  const { access_token: good } = vendor.credentials;
  const reply = await meanwhile(() => db.rows('UPDATE whatsapp_configs SET accesstoken = $2 WHERE connection_id = $1', [id, good]));
  assert.deepEqual([reply.checked, await health.checks(id), (await health.row(id)).healthstatus], [0, [], null]);
  assert.equal((await health.run()).healthy, 1);
});

test('what is closed, or gets another number, while it is checked', async () => {
  const id = await health.add();
  await meanwhile(() => db.rows(`UPDATE whatsapp_connections SET status = 'closed'`));
  assert.deepEqual([(await health.row(id)).waits_until, await health.checks(id)], [null, []]);
  assert.equal((await health.run()).checked, 0, 'what is not active is not checked');
  await db.rows(`UPDATE whatsapp_connections SET status = 'active'`);
  const reply = await meanwhile(() => db.rows(`UPDATE whatsapp_connections SET phonenumberid = '99'`));
  assert.deepEqual([reply.checked, await health.checks(id)], [0, []]);
  assert.equal((await health.run()).errors, 1);
  await db.rows('DELETE FROM whatsapp_connections');
  assert.equal(await db.value('SELECT count(*)::int FROM whatsapp_configs'), 0, 'the token goes with it');
  assert.equal((await health.checks(id)).length, 1, 'the record of its checks stays');
});

test('connections that were there before cronward came are checked, too; those that are not active are not', async () => {
  const ids = [await health.add(), await health.add({ status: 'pending' })];
  await db.rows('UPDATE whatsapp_connections SET waits_until = NULL');
  assert.equal((await health.run()).checked, 1);
  assert.deepEqual([(await health.checks(ids[0])).length, (await health.checks(ids[1])).length], [1, 0]);
  // A statement of a run has 4 s, which is too little for a million.
  await db.rows(`INSERT INTO whatsapp_connections (phonenumberid) SELECT '1' FROM generate_series(1, 10000)`);
  await db.rows(`UPDATE whatsapp_connections SET waits_until = NULL`);
  const heal = statements().find(({ name }) => name === 'whatsapp_health_heal').text;
  assert.equal((await db.rows(heal, [10])).length, 10);
  assert.equal((await health.run()).checked, 10_001);
});

test('a connection that the application holds locked keeps no other from being checked', async () => {
  const held = await health.add();
  await health.add();
  await db.rows('UPDATE whatsapp_connections SET waits_until = NULL');
  await db.session(async (query) => {
    await query('BEGIN');
    await query('SELECT FROM whatsapp_connections WHERE id = $1 FOR UPDATE', [held]);
    assert.equal((await health.run()).checked, 1);
    await query('ROLLBACK');
  });
  assert.equal((await health.run()).checked, 2);
});

test("an application's own tables: its connections are checked once they are adopted, and its tokens are sealed", async (t) => {
  const theirs = await Health.create(vendor, { empty: true });
  t.after(() => theirs.stand.end());
  await theirs.db.rows(`CREATE TABLE whatsapp_connections (id uuid PRIMARY KEY, "wabaId" text, wabaid text, phonenumberid text, status text NOT NULL, name text NOT NULL);
    CREATE TABLE whatsapp_configs (id int PRIMARY KEY, connection_id uuid NOT NULL UNIQUE REFERENCES whatsapp_connections, accesstoken text NOT NULL)`);
  const { access_token: token, phone_number_id: number } = vendor.credentials, [active, closed] = [randomUUID(), randomUUID()];
  await theirs.db.rows(`INSERT INTO whatsapp_connections (id, phonenumberid, status, name) VALUES ($1, $3, 'active', 'a'), ($2, $3, 'closed', 'b')`, [active, closed, number]);
  await theirs.db.rows('INSERT INTO whatsapp_configs VALUES (1, $1, $3), (2, $2, $3)', [active, closed, token]);
  const migrated = await theirs.stand.cli(['migrate', '--adopt'], { timeoutMs: 60_000 });
  assert.equal(migrated.code, 0, migrated.stderr);
  const reply = await theirs.run({ ENCRYPTION_KEYS: `k1:${randomBytes(32).toString('base64')}` });
  assert.deepEqual([reply.checked, reply.healthy, reply.run.more], [1, 1, false]);
  assert.deepEqual(await theirs.db.rows('SELECT id, healthstatus FROM whatsapp_connections ORDER BY name'), [{ id: active, healthstatus: 'healthy' }, { id: closed, healthstatus: null }]);
  assert.equal(await theirs.db.value(`SELECT count(*)::int FROM whatsapp_configs WHERE accesstoken LIKE 'cw1.k1.%'`), 2);
});

test('where the settings are at fault the run says so, and marks nothing', async () => {
  const id = await health.add({ healthstatus: 'healthy' });
  const { error } = await health.run({ META_BASE_URL: 'http://127.0.0.3:9', EGRESS_ALLOW: '127.0.0.2/32' }, { mayFail: true });
  assert.match(error, /META_BASE_URL cannot be asked: .*127\.0\.0\.3/);
  assert.deepEqual((await health.last(id)).slice(0, 3), ['healthy', 'unknown', 'ours']);
});

test('what is more urgent goes first', async () => {
  await addMany(20);
  const urgent = await health.add({ priority: 5 });
  await vendor.fault({ fault: '429', after: 2 });
  await health.run({ WHATSAPP_HEALTH_MAX_CONCURRENT: '1' });
  assert.equal(await db.value(`SELECT connection_id FROM whatsapp_health WHERE status = 'healthy'`), urgent);
});

test('a connection that was lost five times is left alone for a day, and its row says why', async () => {
  const id = await health.add({ lost: 4, lease_until: new Date(Date.now() - 1000), claim_token: randomUUID() });
  assert.equal((await health.run()).checked, 0);
  const { wait_s: wait, lost } = await health.row(id);
  assert.ok(wait > 86_000 && lost === 0, `${wait} s, lost ${lost}`);
  assert.deepEqual((await health.last(id)).slice(0, 3), [null, 'unknown', 'poison']);
});

test('the queries of the seed', async () => {
  await health.add();
  await health.run();
  const [check] = await db.rows(`SELECT * FROM whatsapp_health
ORDER BY lastCheck DESC
LIMIT 10;`);
  assert.equal(check.status, 'healthy');
  const [connection] = await db.rows(`SELECT id, wabaId, healthStatus, lastHealthCheckAt
FROM whatsapp_connections
ORDER BY lastHealthCheckAt DESC;`);
  assert.deepEqual([connection.wabaid, connection.healthstatus], [vendor.credentials.waba_id, 'healthy']);
  for (const query of [`SELECT COUNT(*) FROM whatsapp_connections WHERE status = 'active'`, 'SELECT COUNT(*) FROM whatsapp_configs WHERE accessToken IS NOT NULL'])
    assert.equal(await db.value(query), 1);
});
