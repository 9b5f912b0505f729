// Mail against whoever plays Resend: the project's own stand-in, and the referee.
import assert from 'node:assert/strict';
import { after, afterEach, beforeEach } from 'node:test';
import { makeRowsDue, expireRowLeases, Stand } from './stand.mjs';

export const FROM = 'Shop <shop@shop.example>';

export class Mails {
  // Runs the worker on a stand of its own, where `vendor` answers.
  static async create(vendor, { env = {}, cluster } = {}) {
    const mails = new Mails();
    mails.vendor = vendor;
    mails.said = '';
    mails.added = 0;
    mails.stand = await Stand.create({ cluster, env: { RESEND_BASE_URL: vendor.origin, RESEND_API_KEY: vendor.credentials.api_key, EMAIL_FROM: FROM,
      EGRESS_ALLOW: '127.0.0.1/32,127.0.0.2/32', VENDOR_TIMEOUT_S: '1', RUN_BUDGET_S: '10', ...env } });
    mails.db = mails.stand.db;
    return mails;
  }

  // For a whole file: a clean table and vendor before each test, and what holds after each.
  static async ofFile(vendor, options) {
    const mails = await Mails.create(vendor, options);
    after(async () => {
      await vendor.stop();
      await mails.stand.end();
    });
    beforeEach(async () => {
      await vendor.reset();
      await mails.db.rows('TRUNCATE email_queue');
      mails.said = '';
      mails.added = 0;
      mails.isForgiven = false;
    });
    afterEach(() => mails.fair());
    return mails;
  }

  async add(more = {}) {
    return (await this.addMany(1, more))[0];
  }

  // Columns of email_queue; '%' in to_address is the mail's number among all of the test.
  async addMany(count, more = {}) {
    const columns = { to_address: 'a%@example.com', subject: 'Hello', text: 'Hello.', ...more };
    const names = Object.keys(columns);
    const rows = await this.db.rows(
      `INSERT INTO email_queue (${names.join(', ')})
       SELECT ${names.map((name, i) => (name === 'to_address' ? `replace($${i + 2}, '%', (n + ${this.added})::text)` : `$${i + 2}`)).join(', ')} FROM generate_series(1, $1::int) n
       RETURNING id`,
      [count, ...Object.values(columns).map((value) => (value && typeof value === 'object' && !(value instanceof Date) ? JSON.stringify(value) : value))]);
    this.added += count;
    return rows.map(({ id }) => id);
  }

  // One run by the command line; its reply.
  async run(env = {}, { mayFail = false, args = [] } = {}) {
    const done = await this.stand.cli(['run', 'process-email-queue', ...args], { env: { LOG_LEVEL: 'debug', ...env } });
    this.said += done.stdout + done.stderr;
    if (!mayFail) assert.equal(done.code, 0, done.stderr);
    return done.stdout ? JSON.parse(done.stdout) : { error: done.stderr };
  }

  row(id) {
    return this.db.one(`SELECT *, CASE WHEN waits_until < 'infinity' THEN extract(epoch FROM waits_until - clock_timestamp())::float END AS wait_s FROM email_queue WHERE id = $1`, [id]);
  }

  rows() {
    return this.db.rows('SELECT * FROM email_queue ORDER BY id');
  }

  counts() {
    return this.db.rows('SELECT status, count(*)::int AS n FROM email_queue GROUP BY status ORDER BY status')
      .then((rows) => Object.fromEntries(rows.map(({ status, n }) => [status, n])));
  }

  // Lets time pass for rows.
  makeDue() {
    return makeRowsDue(this.db, 'email_queue', 'waits_until');
  }

  async expire() {
    await expireRowLeases(this.db, 'email_queue');
    await this.stand.expireLocks();
  }

  // Nothing that the vendor does not allow, nothing too early, no key with two bodies, and the key of
  // the account nowhere but in requests.
  async fair({ mayBeEarly = false } = {}) {
    const requests = await this.vendor.requests();
    assert.deepEqual(requests.flatMap(({ violations }) => violations ?? []), []);
    if (!mayBeEarly) assert.deepEqual(requests.filter(({ early_ms: early }) => early > 0).map(({ early_ms: early }) => early), []);
    const bodies = new Map();
    for (const { headers, path, body } of requests) {
      const key = headers['idempotency-key'];
      if (!this.isForgiven) assert.equal(bodies.get(key) ?? path + body, path + body, `one key, two bodies: ${key}`);
      bodies.set(key, path + body);
    }
    const kept = await this.db.rows('SELECT row_to_json(m)::text AS text FROM email_queue m UNION ALL SELECT row_to_json(e)::text FROM cron_job_executions e');
    assert.ok(!(JSON.stringify(kept) + this.said).includes(this.vendor.credentials.api_key), 'the key of the account is repeated');
    return requests;
  }

  // The mails that the vendor has accepted, each once; what is 'sent' is among them, under its id.
  async once() {
    const sent = await this.vendor.sent(), byId = new Map(sent.map((mail) => [mail.id, mail]));
    const count = new Map();
    for (const { to } of sent) count.set([to].flat()[0], (count.get([to].flat()[0]) ?? 0) + 1);
    assert.deepEqual([...count].filter(([, n]) => n > 1), [], 'mails were sent twice');
    for (const row of await this.rows()) {
      if (row.status === 'sent') assert.equal([byId.get(row.provider_id)?.to].flat()[0], row.to_address, `${row.id} is said to be sent`);
      else if (row.dead_at) assert.ok(row.last_error, `${row.id} failed without a reason`);
    }
    return sent;
  }
}

// at, then what a mail is afterwards: `again` tried again, `held` without a try, `failed` for good
const failures = [
  [{ fault: '500' }, 'again', /^Resend: HTTP 500 internal_server_error: An unexpected error occurred\.$/],
  [{ fault: '503' }, 'again', /^Resend: HTTP 503 application_error/],
  [{ fault: 'html' }, 'again', /^Resend: HTTP 503$/],
  [{ fault: 'timeout', ms: 3000 }, 'again', /^Resend: timed out after 1 s/],
  [{ fault: 'reset' }, 'again', /^Resend: the connection /],
  [{ fault: 'truncate' }, 'again', /^Resend: .*closed in the middle of the reply/],
  [{ fault: 'invalid-json' }, 'again', /^Resend: HTTP 200, and the answer is no JSON object$/],
  [{ fault: 'html', status: 200 }, 'again', /^Resend: HTTP 200, and the answer is no JSON object$/],
  [{ fault: 'empty' }, 'again', /^Resend: HTTP 200, and the answer is empty$/],
  [{ fault: '400' }, 'failed', /^Resend refuses it: HTTP 400 validation_error: The request could not be processed\.$/],
  [{ fault: '422' }, 'failed', /^Resend refuses it: HTTP 422 validation_error: The request could not be processed\.$/],
  [{ fault: '451' }, 'failed', /^Resend refuses it: HTTP 451/],
  [{ fault: '401' }, 'held', /does not accept RESEND_API_KEY, EMAIL_FROM or RESEND_BASE_URL: HTTP 401 missing_api_key/],
  [{ fault: '403' }, 'held', /HTTP 403 invalid_api_key/],
  [{ fault: '404' }, 'held', /HTTP 404 not_found/],
  [{ fault: '302' }, 'held', /HTTP 302/],
];

// What holds whoever answers.
export function scenarios(test, mails) {
  const { vendor } = mails;

  test('one mail: what is sent, and what its row says then', async () => {
    const id = await mails.add({ to_address: 'Ada Ünïcode <ada@example.com>', subject: 'Grüße ✓', html: '<p>Hello &amp; "you"</p>', text: 'Hello\nyou',
      reply_to: 'help@shop.example', headers: { 'List-Unsubscribe': '<https://shop.example/u?a=1&b=2>' } });
    const { processed, succeeded, failed, success } = await mails.run();
    assert.deepEqual([success, processed, succeeded, failed], [true, 1, 1, 0]);
    const row = await mails.row(id), [request] = await vendor.requests(), [mail] = await vendor.sent();
    assert.deepEqual([row.status, row.attempts, row.provider_id, row.last_error, row.waits_until], ['sent', 1, mail.id, null, null]);
    assert.ok(row.sent_at);
    assert.deepEqual([request.method, request.path], ['POST', '/emails']);
    assert.equal(request.headers['idempotency-key'], `cronward-${id}`);
    assert.deepEqual(JSON.parse(request.body), { from: FROM, to: ['Ada Ünïcode <ada@example.com>'], subject: 'Grüße ✓', html: '<p>Hello &amp; "you"</p>',
      text: 'Hello\nyou', reply_to: 'help@shop.example', headers: { 'List-Unsubscribe': '<https://shop.example/u?a=1&b=2>' } });
  });

  test('many mails go in batches, each under the key of its batch, and each row gets its own id', async () => {
    await mails.addMany(45);
    assert.equal((await mails.run()).succeeded, 45);
    assert.deepEqual((await vendor.requests()).map(({ path, body }) => [path, JSON.parse(body).length]).sort((a, b) => b[1] - a[1]),
      [['/emails/batch', 20], ['/emails/batch', 20], ['/emails/batch', 5]]);
    assert.equal((await mails.once()).length, 45);
    assert.deepEqual(await mails.db.rows('SELECT DISTINCT status, attempts, batch_id, unsure_since FROM email_queue'), [{ status: 'sent', attempts: 1, batch_id: null, unsure_since: null }]);
  });

  for (const [fault, wanted, error] of failures)
    test(`${JSON.stringify(fault)}: ${{ again: 'tried again, under the same key', held: 'held without a try, and the run says why', failed: 'failed for good' }[wanted]}`, async () => {
      await vendor.fault({ ...fault, count: wanted === 'again' ? 1 : 9 });
      const id = await mails.add();
      const { error: said } = await mails.run({}, { mayFail: wanted === 'held' });
      const row = await mails.row(id);
      assert.match(row.last_error, error);
      assert.deepEqual([row.status, row.attempts], { again: ['pending', 1], held: ['pending', 0], failed: ['failed', 1] }[wanted]);
      if (wanted === 'failed') return assert.ok(row.dead_at && row.waits_until === null);
      assert.ok(row.wait_s > 55 && row.wait_s < 67, `again in ${row.wait_s} s`);
      if (wanted === 'held') {
        assert.match(said, error);
        assert.equal((await vendor.requests()).length, 1, 'nothing more is sent');
        return;
      }
      await mails.makeDue();
      await mails.run();
      assert.deepEqual([(await mails.row(id)).status, (await mails.once()).length], ['sent', 1]);
    });

  test('three tries, one and two minutes apart, then it has failed', async () => {
    await vendor.fault({ fault: '500', count: 3 });
    const ids = [await mails.add({ to_address: 'one@example.com' }), await mails.add({ to_address: 'other@example.com' })];
    for (const [tries, low, high] of [[1, 59, 67], [2, 119, 133]]) {
      assert.equal((await mails.run()).failed, 2);
      const rows = await Promise.all(ids.map((id) => mails.row(id)));
      const wait = rows.map(({ wait_s: s }) => s).find((s) => s !== null);
      assert.ok(wait > low && wait < high, `again in ${wait} s`);
      for (const row of rows) assert.deepEqual([row.status, row.attempts], ['pending', tries]);
      await mails.makeDue();
    }
    await mails.run();
    for (const id of ids) {
      const row = await mails.row(id);
      assert.deepEqual([row.status, row.attempts, row.waits_until], ['failed', 3, null]);
      assert.match(row.last_error, /^Resend: HTTP 500 .*; given up after 3 tries; it is not known whether it was sent$/);
    }
    assert.equal(new Set((await vendor.requests()).map(({ headers }) => headers['idempotency-key'])).size, 1);
  });

  test('a batch that is refused goes on as single mails, of which one is refused in its own words', async () => {
    await vendor.fault({ fault: '422', match: 'batch' });
    await vendor.fault({ fault: '422' });
    await mails.addMany(4);
    const reply = await mails.run();
    assert.deepEqual([reply.processed, reply.succeeded, reply.failed], [4, 3, 1]);
    const failed = (await mails.rows()).filter(({ status }) => status === 'failed');
    assert.deepEqual(failed.map(({ attempts, last_error: text }) => [attempts, text]), [[1, 'Resend refuses it: HTTP 422 validation_error: The request could not be processed.']]);
    assert.deepEqual((await vendor.requests()).map(({ path }) => path), ['/emails/batch', '/emails', '/emails', '/emails', '/emails']);
    assert.equal((await mails.once()).length, 3);
  });

  test('429: waits as long as it says, uses up no try, and goes on in the same run', async () => {
    await vendor.fault({ fault: '429', retry_after: 1 });
    await mails.addMany(3);
    const reply = await mails.run();
    assert.equal(reply.succeeded, 3);
    assert.deepEqual((await mails.rows()).map(({ attempts }) => attempts), [1, 1, 1]);
    assert.equal((await mails.once()).length, 3);
  });

  test('429 for a quota: everything waits an hour or for the next run, and this one ends at once', async () => {
    await vendor.fault({ fault: '429', name: 'daily_quota_exceeded', count: 9 });
    await mails.addMany(10);
    const { run } = await mails.run({ EMAIL_BATCH_SIZE: '1' });
    assert.ok(run.durationMs < 5000 && run.more, JSON.stringify(run));
    assert.ok((await vendor.requests()).length <= 2, 'one is enough to see it, two begin together');
    const rows = await mails.db.rows(`SELECT status, attempts, waits_until > now() + interval '59 min' AS is_held, last_error FROM email_queue`);
    for (const { status, attempts, is_held: isHeld, last_error: text } of rows) {
      assert.deepEqual([status, attempts], ['pending', 0]);
      if (isHeld) assert.match(text, /^Resend's quota is used up \(HTTP 429 daily_quota_exceeded: .*\); again in 3600 s$/);
    }
    assert.ok(rows.some(({ is_held: isHeld }) => isHeld));
  });

  test('what is wrong with one mail of a batch spoils no other', async () => {
    await mails.add({ to_address: 'no address' });
    await mails.addMany(3);
    await mails.add({ to_address: 'x@example.com', template: 'there is none' });
    const reply = await mails.run();
    assert.deepEqual([reply.processed, reply.succeeded, reply.failed], [5, 3, 2]);
    assert.deepEqual((await mails.rows()).filter(({ status }) => status === 'failed').map(({ attempts, last_error: text }) => [attempts, text]),
      [[0, 'to_address "no address" has no @'], [0, 'there is no template "there is none" in email_templates']]);
    assert.equal((await mails.once()).length, 3);
    assert.equal((await vendor.requests()).length, 1);
  });
}
