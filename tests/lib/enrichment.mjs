// Enrichments against whoever plays Apollo.io: the project's own stand-in, and the referee.
import assert from 'node:assert/strict';
import { randomBytes, randomUUID } from 'node:crypto';
import { after, beforeEach, test } from 'node:test';
import { Stand } from './stand.mjs';

// Runs jobs on a stand of its own, where `vendor` answers.
export class Enrichments {
  static async create(vendor) {
    const all = new Enrichments();
    all.vendor = vendor;
    all.stand = await Stand.create({ env: { APOLLO_BASE_URL: vendor.origin, EGRESS_ALLOW: '127.0.0.1/32,127.0.0.2/32', VENDOR_TIMEOUT_S: '1', RUN_BUDGET_S: '10' } });
    all.db = all.stand.db;
    after(async () => {
      await vendor.stop();
      await all.stand.end();
    });
    beforeEach(async () => {
      await vendor.reset();
      await all.db.rows('TRUNCATE jobs, job_logs, accounts, contacts, workspace_settings');
      all.workspace = await all.newWorkspace();
    });
    return all;
  }

  async newWorkspace(key = this.vendor.credentials.api_key) {
    return this.db.value('INSERT INTO workspace_settings (workspace_id, apollo_api_key_encrypted) VALUES ($1, $2) RETURNING workspace_id', [randomUUID(), key]);
  }

  account({ domain = 'example.com', name = null, workspace = this.workspace } = {}) {
    return this.db.value('INSERT INTO accounts (workspace_id, domain, name) VALUES ($1, $2, $3) RETURNING id', [workspace, domain, name]);
  }

  contact({ email = 'ada@example.com', first = null, last = null } = {}) {
    return this.db.value('INSERT INTO contacts (workspace_id, email, first_name, last_name) VALUES ($1, $2, $3, $4) RETURNING id', [this.workspace, email, first, last]);
  }

  enqueue(type, payload, workspace = this.workspace) {
    return this.db.value('INSERT INTO jobs (workspace_id, job_type, payload) VALUES ($1, $2, $3) RETURNING id', [workspace, type, JSON.stringify(payload)]);
  }

  async run(env = {}) {
    const done = await this.stand.cli(['run', 'job-queue'], { env: { LOG_LEVEL: 'debug', ...env } });
    assert.notEqual(done.stdout, '', done.stderr);
    return done.stdout + done.stderr;
  }

  // One job for one account; what became of both.
  async enrich(payload = {}, { env, account } = {}) {
    const id = account ?? await this.account();
    const job = await this.enqueue('enrich_account', { account_id: id, ...payload });
    const said = await this.run(env);
    return { job: await this.job(job), account: await this.row('accounts', id), said };
  }

  job(id) {
    return this.db.one('SELECT *, extract(epoch FROM waits_until - clock_timestamp())::float AS wait_s FROM jobs WHERE id = $1', [id]);
  }

  row(table, id) {
    return this.db.one(`SELECT * FROM ${table} WHERE id = $1`, [id]);
  }

  logs(job) {
    return this.db.rows('SELECT level, message FROM job_logs WHERE job_id = $1 ORDER BY id', [job]);
  }

  makeDue() {
    return this.db.rows('UPDATE jobs SET waits_until = clock_timestamp() WHERE waits_until > clock_timestamp()');
  }

  // Nothing that the vendor does not allow, and nothing too early.
  async fair() {
    const requests = await this.vendor.requests();
    assert.deepEqual(requests.flatMap(({ violations }) => violations ?? []), []);
    assert.deepEqual(requests.filter(({ early_ms: early }) => early > 0).map(({ early_ms: early }) => early), []);
    return requests;
  }

  // The key stands in the settings alone.
  async secret(said = '') {
    const kept = await this.db.rows(`SELECT row_to_json(j)::text AS text FROM jobs j UNION ALL SELECT row_to_json(l)::text FROM job_logs l
      UNION ALL SELECT row_to_json(a)::text FROM accounts a UNION ALL SELECT row_to_json(c)::text FROM contacts c
      UNION ALL SELECT row_to_json(e)::text FROM cron_job_executions e`);
    assert.ok(!(JSON.stringify(kept) + said).includes(this.vendor.credentials.api_key), 'the key is repeated');
  }
}

// at, then what the job is afterwards: status, tries, error, and what a second run makes of it
const failures = [
  [{ fault: '401' }, 'failed', /refuses the key of workspace \S+ \(HTTP 401: Invalid API key.*put a valid one into workspace_settings\.apollo_api_key_encrypted/],
  [{ fault: '403' }, 'failed', /does not let the key of workspace \S+ ask for an organization \(HTTP 403: This API key is not authorized.*that endpoint/],
  [{ fault: '400' }, 'failed', /refuses what was asked by domain \(HTTP 400: Invalid request\)/],
  [{ fault: '402' }, 'failed', /\(HTTP 402: Invalid request\)/],
  [{ fault: '404' }, 'failed', /no such record or address \(HTTP 404: Invalid request\); is APOLLO_BASE_URL right/],
  [{ fault: '422' }, 'failed', /refuses what was asked by domain \(HTTP 422: Invalid request\)/],
  [{ fault: '302' }, 'failed', /answers with a redirect, which is not followed \(HTTP 302\); is APOLLO_BASE_URL right/],
  [{ fault: '500' }, 'again', /^Apollo\.io: HTTP 500: Internal server error$/],
  [{ fault: '502' }, 'again', /HTTP 502/],
  [{ fault: '503' }, 'again', /HTTP 503/],
  [{ fault: 'html' }, 'again', /^Apollo\.io: HTTP 503$/],
  [{ fault: 'timeout', ms: 3000 }, 'again', /^Apollo\.io: timed out after 1 s \(no answer from the receiver\)$/],
  [{ fault: 'reset' }, 'again', /^Apollo\.io: the connection /],
  [{ fault: 'html', status: 200 }, 'once', /the answer is no JSON object; it may have been paid for/],
  [{ fault: 'empty' }, 'once', /the answer is empty; it may have been paid for/],
  [{ fault: 'invalid-json' }, 'once', /the answer is no JSON object; it may have been paid for/],
  [{ fault: 'huge' }, 'once', /the answer is longer than 512 KB; it may have been paid for/],
  [{ fault: 'truncate' }, 'once', /closed in the middle of the reply; it may have been paid for/],
];

// What holds whoever answers.
export function scenarios(all) {
  test('an account is enriched: the answer is the result, and stands in the row', async () => {
    const { job, account, said } = await all.enrich();
    assert.deepEqual([job.status, job.attempts], ['completed', 1], job.error_message);
    assert.equal(job.result.primary_domain, 'example.com');
    assert.ok(job.result.name);
    assert.deepEqual(account.enrichment, job.result);
    assert.ok(account.enriched_at >= job.started_at);
    const [request] = await all.fair();
    assert.deepEqual([request.method, request.path, request.search], ['GET', '/api/v1/organizations/enrich', '?domain=example.com']);
    assert.equal(request.headers['x-api-key'], all.vendor.credentials.api_key);
    const logs = await all.logs(job.id);
    assert.deepEqual(logs.map(({ message }) => message.replace(/ in \d+ ms/, '')), ['asks Apollo.io for the organization by domain',
      `Apollo.io knows the organization: written to account ${account.id}`, 'completed, try 1 of 5']);
    await all.secret(said);
  });

  test('a contact is enriched, and what is known of a person stands in no URL', async () => {
    const id = await all.contact({ first: 'Ada' });
    const job = await all.enqueue('enrich_contact', { contact_id: id, last_name: 'Ünïcode "x"', organization_name: null });
    const said = await all.run();
    const row = await all.job(job);
    assert.equal(row.status, 'completed', row.error_message);
    assert.equal(row.result.email, 'ada@example.com');
    assert.deepEqual((await all.row('contacts', id)).enrichment, row.result);
    const [request] = await all.fair();
    assert.deepEqual([request.method, request.path, request.search], ['POST', '/api/v1/people/match', '']);
    assert.deepEqual(JSON.parse(request.body), { email: 'ada@example.com', first_name: 'Ada', last_name: 'Ünïcode "x"' });
    assert.ok(!(said + JSON.stringify(await all.logs(job))).includes('ada@'), 'nor in a log');
    await all.secret(said);
  });

  for (const [what, search] of [['https://www.Example.com/about?x=1#y', '?domain=example.com'], ['somebody@mail.example.com', '?domain=mail.example.com'], [' EXAMPLE.com. ', '?domain=example.com']])
    test(`a domain is cleaned: ${what}`, async () => {
      assert.equal((await all.enrich({ domain: what })).job.status, 'completed');
      assert.equal((await all.fair())[0].search, search);
    });

  test('no match is an answer: the job is done, and the row stays as it is', async () => {
    const contact = await all.contact({ email: 'nomatch@example.com' });
    const job = await all.enqueue('enrich_contact', { contact_id: contact });
    const { job: other, account } = await all.enrich({ domain: 'nomatch.example' });
    for (const row of [await all.job(job), other]) {
      assert.deepEqual([row.status, row.attempts, row.result], ['completed', 1, { matched: false }]);
      assert.match((await all.logs(row.id)).map(({ message }) => message).join('\n'), /Apollo\.io knows no (organization|person) by this (domain|email)/);
    }
    assert.deepEqual([account.enrichment, account.enriched_at, (await all.row('contacts', contact)).enrichment], [null, null, null]);
    await all.fair();
  });

  for (const [fault, wanted, error] of failures)
    test(`${JSON.stringify(fault)}: ${{ failed: 'failed for good', again: 'tried again', once: 'asked once more, and not oftener' }[wanted]}`, async () => {
      await all.vendor.fault({ ...fault, count: 2 });
      const { job, account, said } = await all.enrich();
      assert.match(job.error_message, error);
      assert.deepEqual([job.status, job.attempts], [wanted === 'failed' ? 'failed' : 'pending', 1]);
      assert.equal(account.enrichment, null);
      await all.secret(said);
      if (wanted === 'failed') return;
      assert.ok(job.wait_s > 55 && job.wait_s < 67, `again in ${job.wait_s} s`);
      await all.makeDue();
      await all.run();
      const second = await all.job(job.id);
      assert.equal(second.status, wanted === 'once' ? 'failed' : 'pending', second.error_message);
      await all.makeDue();
      await all.run();
      assert.equal((await all.job(job.id)).status, wanted === 'once' ? 'failed' : 'completed');
      // libcurl sends once more by itself where a connection that it kept turns out to be dead.
      assert.equal((await all.fair()).length, wanted === 'once' ? 2 : 3);
    });

  test('a slow answer is waited for', async () => {
    await all.vendor.fault({ fault: 'slow', ms: 500 });
    assert.equal((await all.enrich()).job.status, 'completed');
  });

  test('429: nobody loses a try, nobody asks before its time, and then all are enriched', async () => {
    await all.vendor.fault({ fault: '429', retry_after: 2, count: 4 });
    const jobs = [];
    for (let i = 0; i < 20; i++) jobs.push(await all.enqueue('enrich_account', { account_id: await all.account({ domain: `d${i}.example` }) }));
    const said = await all.run();
    const rows = await Promise.all(jobs.map((id) => all.job(id)));
    assert.deepEqual([...new Set(rows.map(({ status, attempts }) => `${status} ${attempts}`))], ['pending 0']);
    const requests = await all.vendor.requests();
    assert.ok(requests.length <= 4, `${requests.length} requests where one would have said it`);
    assert.equal(rows.filter(({ error_message: text }) => /^Apollo\.io's rate limit for this key \(HTTP 429: The maximum number of api calls/.test(text)).length, requests.length);
    assert.equal(rows.filter(({ error_message: text }) => /^held back, not sent: Apollo\.io's rate limit for this key lasts \d s more$/.test(text)).length, 20 - requests.length);
    for (const { wait_s: wait } of rows) assert.ok(wait > 0 && wait < 3, `again in ${wait} s`);
    await all.secret(said);
    // What is left of the faults does not count any more; time passes for the rows.
    await all.vendor.reset();
    await all.makeDue();
    await all.run();
    assert.equal(await all.db.value(`SELECT count(*)::int FROM jobs WHERE status = 'completed' AND attempts = 1`), 20);
    assert.equal((await all.fair()).length, 20);
    assert.equal(await all.db.value('SELECT count(*)::int FROM accounts WHERE enrichment IS NOT NULL'), 20);
  });

  test('a limit is that of one key and one kind of question', async () => {
    await all.vendor.fault({ fault: '429', retry_after: 30, match: 'organizations', count: 100 });
    const account = await all.enqueue('enrich_account', { account_id: await all.account() });
    const contact = await all.enqueue('enrich_contact', { contact_id: await all.contact() });
    await all.run({ JOB_MAX_CONCURRENT: '1' });
    const held = await all.job(account);
    assert.deepEqual([held.status, (await all.job(contact)).status], ['pending', 'completed']);
    assert.ok(held.wait_s > 28 && held.wait_s < 34, `again in ${held.wait_s} s`);
  });

  test('401 for a key that is wrong by itself, and a key with spaces around it works', async () => {
    const wrong = await all.newWorkspace('not the key of anybody');
    const account = await all.account({ workspace: wrong });
    const job = await all.enqueue('enrich_account', { account_id: account }, wrong);
    await all.db.rows('UPDATE workspace_settings SET apollo_api_key_encrypted = $1 WHERE workspace_id = $2', [` ${all.vendor.credentials.api_key}\n`, all.workspace]);
    assert.equal((await all.enrich()).job.status, 'completed');
    const row = await all.job(job);
    assert.deepEqual([row.status, row.attempts], ['failed', 1]);
    assert.match(row.error_message, new RegExp(`refuses the key of workspace ${wrong} \\(HTTP 401: Invalid API key\\.`));
    assert.ok(!row.error_message.includes('of anybody'));
  });

  test('a key is sealed at first use; one whose sealing key is missing holds the job back without a try', async () => {
    const env = { ENCRYPTION_KEYS: `k1:${randomBytes(32).toString('base64')}` };
    const first = await all.enrich({}, { env });
    assert.equal(first.job.status, 'completed');
    assert.match(await all.db.value('SELECT apollo_api_key_encrypted FROM workspace_settings'), /^cw1\.k1\./);
    const { job } = await all.enrich({ domain: 'other.example' }, { env: { ENCRYPTION_KEYS: '' } });
    assert.deepEqual([job.status, job.attempts], ['pending', 0]);
    assert.match(job.error_message, /workspace_settings\.apollo_api_key_encrypted is sealed with the key k1, which is not in ENCRYPTION_KEYS/);
    await all.makeDue();
    await all.run(env);
    assert.equal((await all.job(job.id)).status, 'completed');
    await all.secret();
  });
}
