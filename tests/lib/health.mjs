// Checks of WhatsApp's tokens against whoever plays Meta: the project's own stand-in, and the referee.
import assert from 'node:assert/strict';
import { after, afterEach, beforeEach } from 'node:test';
import { expireRowLeases, Stand } from './stand.mjs';

export const JOB = 'whatsapp-health-check';

export class Health {
  // Runs the worker on a stand of its own, where `vendor` answers.
  static async create(vendor, { env = {}, cluster, empty } = {}) {
    const health = new Health();
    health.vendor = vendor;
    health.said = '';
    health.stand = await Stand.create({ cluster, empty, env: { META_BASE_URL: vendor.origin, EGRESS_ALLOW: '127.0.0.1/32,127.0.0.2/32', VENDOR_TIMEOUT_S: '1', ...env } });
    health.db = health.stand.db;
    return health;
  }

  // For a whole file: clean tables and vendor before each test, and what holds after each.
  static async ofFile(vendor, options) {
    const health = await Health.create(vendor, options);
    after(async () => {
      await vendor.stop();
      await health.stand.end();
    });
    beforeEach(async () => {
      await vendor.reset();
      await health.db.rows('TRUNCATE whatsapp_connections, whatsapp_configs, whatsapp_health');
      health.said = '';
    });
    afterEach(() => health.fair());
    return health;
  }

  // A connection and its token, the vendor's own unless said; null for none.
  async add({ token = this.vendor.credentials.access_token, number = this.vendor.credentials.phone_number_id, account = this.vendor.credentials.waba_id, ...more } = {}) {
    const columns = { phonenumberid: number, wabaid: account, ...more };
    const names = Object.keys(columns);
    const id = await this.db.value(`INSERT INTO whatsapp_connections (${names.join(', ')}) VALUES (${names.map((_, i) => `$${i + 1}`).join(', ')}) RETURNING id`, Object.values(columns));
    if (token !== null) await this.db.rows('INSERT INTO whatsapp_configs (connection_id, accesstoken) VALUES ($1, $2)', [id, token]);
    return id;
  }

  // One run by the command line; its reply.
  async run(env = {}, { mayFail = false, args = [] } = {}) {
    const done = await this.stand.cli(['run', JOB, ...args], { env: { LOG_LEVEL: 'debug', ...env } });
    this.said += done.stdout + done.stderr;
    if (!mayFail) assert.equal(done.code, 0, done.stderr);
    return done.stdout ? JSON.parse(done.stdout) : { error: done.stderr };
  }

  row(id) {
    return this.db.one('SELECT *, extract(epoch FROM waits_until - clock_timestamp())::float AS wait_s FROM whatsapp_connections WHERE id = $1', [id]);
  }

  // The rows of its checks, the oldest first.
  checks(id) {
    return this.db.rows('SELECT * FROM whatsapp_health WHERE connection_id = $1 ORDER BY id', [id]);
  }

  // [healthstatus, status, errorcode, errorsubcode, errormessage], of its last check.
  async last(id) {
    const { healthstatus: health } = await this.row(id), check = (await this.checks(id)).at(-1);
    return [health, check.status, check.errorcode, check.errorsubcode, check.errormessage];
  }

  async expire() {
    await expireRowLeases(this.db, 'whatsapp_connections');
    await this.stand.expireLocks();
  }

  // Nothing that Meta does not allow, and no token but where it belongs.
  async fair() {
    const requests = await this.vendor.requests();
    assert.deepEqual(requests.flatMap(({ violations }) => violations ?? []), []);
    const kept = await this.db.rows('SELECT row_to_json(h)::text AS text FROM whatsapp_health h UNION ALL SELECT row_to_json(e)::text FROM cron_job_executions e UNION ALL SELECT row_to_json(c)::text FROM whatsapp_connections c');
    const all = JSON.stringify(kept) + this.said;
    for (const { access_token: token, app_access_token: app } of [this.vendor.credentials])
      for (const secret of [token, app, app.split('|')[1]]) assert.ok(!all.includes(secret), 'a token is repeated');
    return requests;
  }
}

const down = /^Meta: /;
// What Meta can be made to answer, and what a connection that was healthy before is then: unknown leaves
// it what it was.
const faults = [
  [{ fault: '500' }, 'unknown', '2', /code 2: An unexpected error has occurred/],
  [{ fault: '503' }, 'unknown', '2', down],
  [{ fault: '429' }, 'unknown', '4', /the application's rate limit is reached \(HTTP 429, code 4, subcode 2446079\)/],
  [{ fault: 'business-rate-limit', minutes: 5 }, 'unknown', '80007', /the account's rate limit is reached/],
  [{ fault: 'timeout', ms: 3000 }, 'unknown', 'no_answer', /^Meta: timed out after (1 s|\d+ ms)/],
  [{ fault: 'reset' }, 'unknown', 'no_answer', /^Meta: the connection /],
  [{ fault: 'truncate' }, 'unknown', 'no_answer', /closed in the middle of the reply/],
  [{ fault: 'invalid-json' }, 'unknown', 'garbled', /^Meta: HTTP 200, and the answer is no JSON object$/],
  [{ fault: 'html' }, 'unknown', 'http_503', /^Meta: HTTP 503, which is not Meta's way to say anything$/],
  [{ fault: 'html', status: 403 }, 'unknown', 'http_403', down],
  [{ fault: 'html', status: 200 }, 'unknown', 'garbled', down],
  [{ fault: 'empty' }, 'unknown', 'garbled', /and the answer is empty$/],
  [{ fault: 'huge', bytes: 1 << 20 }, 'unknown', 'garbled', /longer than 64 KB$/],
  [{ fault: '302' }, 'unknown', '', down],
  [{ fault: '401' }, 'error', '190', /^the token is not valid \(HTTP 401, code 190\): Invalid OAuth access token/],
  [{ fault: '403' }, 'error', '200', /^the token lacks a permission \(HTTP 403, code 200, subcode 1349174\)/],
];

// What holds whoever answers.
export function scenarios(test, health) {
  const { vendor } = health;

  test('a token that works: what is asked, and what is written', async () => {
    const id = await health.add(), began = new Date();
    const reply = await health.run();
    assert.deepEqual(Object.keys(reply), ['success', 'jobId', 'message', 'checked', 'healthy', 'warnings', 'errors', 'unknown', 'run']);
    assert.deepEqual([reply.success, reply.message, reply.checked, reply.healthy, reply.warnings, reply.errors, reply.unknown],
      [true, 'WhatsApp health check completed', 1, 1, 0, 0, 0]);
    assert.equal(reply.run.more, false);
    const row = await health.row(id), [check, ...others] = await health.checks(id);
    assert.deepEqual([row.healthstatus, row.claim_token, row.attempts], ['healthy', null, 0]);
    assert.ok(row.lasthealthcheckat >= began);
    assert.deepEqual([check.status, check.errorcode, check.errormessage, others], ['healthy', null, null, []]);
    assert.ok(check.latencyms >= 0 && check.latencyms < 1000, `${check.latencyms} ms`);
    const { access_token: token, phone_number_id: number } = vendor.credentials;
    assert.deepEqual((await vendor.requests()).map(({ method, path, headers }) => [method, path, headers.authorization]),
      [['GET', '/v23.0/debug_token', `Bearer ${token}`], ['GET', `/v23.0/${number}`, `Bearer ${token}`]]);
    assert.deepEqual((await health.db.one(`SELECT counts FROM cron_job_executions WHERE id = $1`, [reply.run.id])).counts,
      { processed: 1, succeeded: 1, failed: 0, checked: 1, healthy: 1, warnings: 0, errors: 0, unknown: 0 });
  });

  test('without a phone number the account is asked for, and each run checks again', async () => {
    const id = await health.add({ number: null });
    for (const n of [1, 2]) {
      assert.equal((await health.run()).healthy, 1);
      assert.equal((await health.checks(id)).length, n);
    }
    assert.deepEqual((await vendor.requests()).map(({ path }) => path.split('/').at(-1)), ['debug_token', vendor.credentials.waba_id, 'debug_token', vendor.credentials.waba_id]);
  });

  test('a token that Meta does not know, a number that it does not see, and what is wrong with the row', async () => {
    const bad = [
      [await health.add({ token: 'EAAnobodyknowsthistoken' }), '190', null, /^the token is not valid/],
      [await health.add({ number: '99' }), '100', 33, /^there is no such number or account, or not for this token \(HTTP 400, code 100, subcode 33\)/],
      [await health.add({ token: null }), 'no_token', null, /no access token is stored/],
      [await health.add({ token: '' }), 'no_token', null, /no access token is stored/],
      [await health.add({ token: 'EAA\r\nx-injected: 1' }), 'no_token', null, /what no token has/],
      [await health.add({ token: `EAA${'x'.repeat(3000)}` }), 'no_token', null, /too long/],
      [await health.add({ number: '1/../me?fields=x' }), 'no_id', null, /phonenumberid is no id of Meta's/],
      [await health.add({ number: '', account: 'mine' }), 'no_id', null, /wabaid is no id of Meta's/],
    ];
    const good = await health.add();
    const reply = await health.run();
    assert.deepEqual([reply.checked, reply.errors, reply.healthy], [9, 8, 1]);
    for (const [id, code, subcode, says] of bad) {
      const [now, status, errorcode, errorsubcode, text] = await health.last(id);
      assert.deepEqual([now, status, errorcode, errorsubcode], ['error', 'error', code, subcode], text);
      assert.match(text, says);
      assert.ok((await health.row(id)).lasthealthcheckat);
    }
    assert.equal((await health.row(good)).healthstatus, 'healthy');
  });

  test('a token that has expired is an error', async () => {
    const id = await health.add();
    await vendor.fault({ fault: 'token-expired' });
    await health.run();
    const [now, status, code, subcode, text] = await health.last(id);
    assert.deepEqual([now, status, code, subcode], ['error', 'error', '190', 463], text);
    assert.match(text, /^the token has expired \(HTTP 401, code 190, subcode 463\)/);
  });

  for (const [fault, wanted, wantedCode, says] of faults)
    test(`${JSON.stringify(fault)}: ${wanted === 'unknown' ? 'the old status stays, and the row says why' : wanted}`, async () => {
      const before = new Date('2026-01-02T03:04:05Z'), id = await health.add({ healthstatus: 'warning', lasthealthcheckat: before });
      await vendor.fault({ ...fault, count: 2 });
      const reply = await health.run();
      const [now, status, code, , text] = await health.last(id);
      assert.deepEqual([now, status], [wanted === 'unknown' ? 'warning' : wanted, wanted], text);
      if (wantedCode !== '') assert.equal(code, wantedCode);
      assert.match(text, says);
      assert.deepEqual([reply.checked, reply.unknown, reply.errors], [1, Number(wanted === 'unknown'), Number(wanted === 'error')]);
      const row = await health.row(id);
      assert.deepEqual([row.lasthealthcheckat.getTime() === before.getTime(), row.attempts, row.claim_token], wanted === 'unknown' ? [true, 1, null] : [false, 0, null]);
    });

  test('once Meta is back, the next run is as if nothing had been', async () => {
    const id = await health.add();
    await vendor.fault({ fault: '500' });
    assert.equal((await health.run()).unknown, 1);
    assert.equal((await health.run()).healthy, 1);
    assert.deepEqual([(await health.row(id)).attempts, (await health.checks(id)).map(({ status }) => status)], [0, ['unknown', 'healthy']]);
  });

  test('a limit of the account\'s: it is left alone for as long as Meta says', async () => {
    const id = await health.add();
    await vendor.fault({ fault: 'business-rate-limit', minutes: 5 });
    await health.run();
    const { wait_s: wait } = await health.row(id);
    assert.ok(wait > 290 && wait <= 300, `${wait} s`);
    assert.equal((await health.run()).checked, 0);
    assert.equal((await vendor.requests()).length, 1);
  });

  test('slow is a warning, which the next check takes back', async () => {
    const id = await health.add();
    await vendor.fault({ fault: 'slow', ms: 400 });
    assert.equal((await health.run({ WHATSAPP_HEALTH_SLOW_MS: '300' })).warnings, 1);
    const [now, status, code, , text] = await health.last(id);
    assert.deepEqual([now, status, code], ['warning', 'warning', 'slow']);
    assert.match(text, /^Meta took [45]\d\d ms to answer$/);
    await health.run();
    assert.deepEqual(await health.last(id), ['healthy', 'healthy', null, null, null]);
  });

  test('the application that Meta does not take: each token is asked about by itself', async () => {
    const ids = [await health.add(), await health.add()];
    const reply = await health.run({ META_APP_ID: '1234567890', META_APP_SECRET: 'another-secret-than-that' });
    assert.equal(reply.healthy, 2);
    for (const id of ids) assert.deepEqual(await health.last(id), ['healthy', 'healthy', null, null, null]);
    assert.match(health.said, /app_token_refused.*META_APP_ID and META_APP_SECRET/);
    assert.ok(!health.said.includes('another-secret-than-that'));
  });
}
