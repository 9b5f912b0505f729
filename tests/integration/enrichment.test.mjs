// Enrichments through Apollo.io: what is asked, what answers mean, and what is wrong before anything
// is asked.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { Apollo } from '../lib/apollo.mjs';
import { Enrichments, scenarios } from '../lib/enrichment.mjs';
import { cleanEnv, killNow, start } from '../lib/process.mjs';
import { program } from '../lib/program.mjs';
import { until } from '../lib/wait.mjs';

const all = await Enrichments.create(await Apollo.start());
scenarios(all);

const uuid = '0198a000-0000-7000-8000-00000000000a';
const accounts = [
  [[], /^the payload is no object; allowed is \{"account_id": …\}$/],
  ['text', /^the payload is no object/],
  [null, /^the payload is no object/],
  [{}, /^payload\.account_id is missing; allowed is the id of a row of accounts$/],
  [{ account_id: 'x' }, /^payload\.account_id is no uuid; allowed is the id of a row of accounts$/],
  [{ account_id: 5 }, /^payload\.account_id is no uuid/],
  [{ account_id: { a: 1 } }, /^payload\.account_id is no uuid/],
  [{ account_id: uuid }, new RegExp(`^there is no account ${uuid} in workspace `)],
];
for (const [payload, wanted] of accounts)
  test(`payload ${JSON.stringify(payload)}: fails for good, clearly, and nothing is asked`, async () => {
    const job = await all.enqueue('enrich_account', payload);
    await all.run();
    const row = await all.job(job);
    assert.deepEqual([row.status, row.attempts], ['failed', 1]);
    assert.match(row.error_message, wanted);
    assert.deepEqual(await all.vendor.requests(), []);
  });

for (const [more, wanted] of [
  [{ domain: 5 }, /^payload\.domain is no text; allowed is a text or null$/],
  [{ domain: 'no domain' }, /^the domain "no domain" is none; allowed is one such as example\.com$/],
  [{ linkedin_url: ['x'] }, /^payload\.linkedin_url is no text/],
  [{ name: 'x'.repeat(1001) }, /^name is longer than 1000 bytes/],
])
  test(`payload with ${JSON.stringify(more).slice(0, 60)}: fails for good, and nothing is asked`, async () => {
    const { job } = await all.enrich(more);
    assert.equal(job.status, 'failed');
    assert.match(job.error_message, wanted);
    assert.deepEqual(await all.vendor.requests(), []);
  });

test('a row that says too little is not asked about', async () => {
  const { job } = await all.enrich({ domain: '' }, { account: await all.account({ domain: null }) });
  assert.match(job.error_message, /^neither the payload nor the account says enough to ask Apollo\.io by: it takes a domain, website, linkedin_url or name$/);
  const contact = await all.enqueue('enrich_contact', { contact_id: await all.contact({ email: null, first: 'Ada', last: 'Example' }) });
  await all.run();
  assert.match((await all.job(contact)).error_message, /it takes an email, a linkedin_url, an id, or a name with a domain or organization_name$/);
  assert.deepEqual(await all.vendor.requests(), []);
});

test('an account of another workspace is as good as none', async () => {
  const other = await all.newWorkspace();
  const account = await all.account({ workspace: other });
  const { job } = await all.enrich({ account_id: account });
  assert.equal(job.status, 'failed');
  assert.equal(job.error_message, `there is no account ${account} in workspace ${all.workspace}`);
  assert.deepEqual(await all.vendor.requests(), []);
});

test('a workspace without a key, and a job without a workspace, fail clearly', async () => {
  for (const key of [null, '']) {
    await all.db.rows('UPDATE workspace_settings SET apollo_api_key_encrypted = $1', [key]);
    const { job } = await all.enrich();
    assert.deepEqual([job.status, job.attempts], ['failed', 1]);
    assert.match(job.error_message, /^workspace \S+ has no key for Apollo\.io; put one into workspace_settings\.apollo_api_key_encrypted$/);
  }
  const job = await all.enqueue('enrich_account', { account_id: uuid }, null);
  const unset = await all.enqueue('enrich_account', { account_id: await all.account({ workspace: uuid }) }, uuid);
  await all.run();
  assert.equal((await all.job(job)).error_message, 'the job has no workspace_id, so there is no key to ask with');
  assert.match((await all.job(unset)).error_message, /has no key for Apollo\.io/);
  assert.deepEqual(await all.vendor.requests(), []);
});

test('the claim asks for a context whatever the payload is', async () => {
  const account = await all.account();
  const odd = [null, 'null', '5', '"text"', '[]', '{}', '{"account_id": null}', '{"account_id": []}', `{"account_id": "${account}\\n"}`, `{"account_id": " ${account}"}`,
    `{"account_id": "{${account}}"}`, '{"account_id": "zzzzzzzz-zzzz-zzzz-zzzz-zzzzzzzzzzzz"}', `{"account_id": "${'0'.repeat(100_000)}"}`];
  for (const payload of odd)
    for (const type of ['enrich_account', 'enrich_contact', 'of nobody', null])
      for (const workspace of [all.workspace, randomUUID(), null]) {
        const context = await all.db.value('SELECT cronward_enrichment_context($1, $2, $3)', [type, workspace, payload]);
        assert.equal(context.row, null, payload);
        assert.equal(context.key, workspace === all.workspace ? all.vendor.credentials.api_key : null);
      }
  const row = await all.db.value('SELECT cronward_enrichment_context($1, $2, $3)', ['enrich_account', all.workspace, `{"account_id": "${account.toUpperCase()}"}`]);
  assert.equal(row.row.id, account);
});

test('a key that no header can carry is said to be none, and not shown', async () => {
  await all.db.rows('UPDATE workspace_settings SET apollo_api_key_encrypted = $1', ['two\r\nx-lines: yes']);
  const { job, said } = await all.enrich();
  assert.match(job.error_message, /^the key of workspace \S+ cannot be sent: a header value holds a control character$/);
  assert.ok(!JSON.stringify([job, said]).includes('x-lines'));
});

test('what the row knows fills what the payload leaves out, and the payload goes before it', async () => {
  const account = await all.account({ domain: 'row.example', name: 'Row & Co' });
  await all.enrich({ name: 'Payload', linkedin_url: 'http://www.linkedin.com/company/x' }, { account });
  assert.equal((await all.fair())[0].search, '?domain=row.example&name=Payload&linkedin_url=http%3A%2F%2Fwww.linkedin.com%2Fcompany%2Fx');
});

test('a job type of another name enriches as well; a target that is none says so', async () => {
  await all.db.rows(`INSERT INTO job_types (job_type, processor, target) VALUES ('look up', 'apollo', 'account'), ('wrong', 'apollo', 'company') ON CONFLICT DO NOTHING`);
  const account = await all.account();
  const [good, wrong] = [await all.enqueue('look up', { account_id: account }), await all.enqueue('wrong', { account_id: account })];
  await all.run();
  assert.equal((await all.job(good)).status, 'completed');
  assert.equal((await all.job(wrong)).error_message, 'the target of job type wrong is "company"; allowed are account and contact');
});

test('what was enriched after a job was made is not paid for again', async () => {
  const account = await all.account();
  const early = await all.enqueue('enrich_account', { account_id: account });
  const other = await all.enqueue('enrich_account', { account_id: account, domain: 'new.example' });
  await all.db.rows(`UPDATE jobs SET waits_until = 'infinity' WHERE id = ANY ($1::uuid[])`, [[early, other]]);
  assert.ok((await all.enrich({}, { account })).job.result.name);
  await all.makeDue();
  await all.run();
  const left = await all.job(early);
  assert.deepEqual([left.status, left.result.asked], ['completed', false]);
  assert.match((await all.logs(early))[0].message, /^nothing was asked: the account was enriched at \S+, after this job was made$/);
  assert.equal((await all.job(other)).result.primary_domain, 'new.example');
  assert.deepEqual((await all.fair()).map(({ search }) => search).sort(), ['?domain=example.com', '?domain=new.example'], 'another domain is another question');
  assert.ok((await all.enrich({}, { account })).job.result.name, 'a job that is made later asks anew');
});

test('429 without Retry-After: a minute, or what the windows say', async () => {
  await all.vendor.fault({ fault: '429', retry_after: null });
  const { job } = await all.enrich();
  assert.deepEqual([job.status, job.attempts], ['pending', 0]);
  assert.ok(job.wait_s > 55 && job.wait_s < 67, `again in ${job.wait_s} s`);
});

test('a window that is used up is not tried: no 429 at all', async () => {
  all.vendor.left = 3;
  const jobs = [];
  for (let i = 0; i < 8; i++) jobs.push(await all.enqueue('enrich_account', { account_id: await all.account({ domain: `d${i}.example` }) }));
  await all.run({ JOB_MAX_CONCURRENT: '1' });
  assert.deepEqual((await all.fair()).map(({ status }) => status), [200, 200, 200]);
  const rows = await Promise.all(jobs.map((id) => all.job(id)));
  assert.equal(rows.filter(({ status }) => status === 'completed').length, 3);
  for (const { status, attempts, wait_s: wait } of rows.filter((row) => row.status !== 'completed')) {
    assert.deepEqual([status, attempts], ['pending', 0]);
    assert.ok(wait > 50 && wait < 67, `again in ${wait} s`);
  }
});

test('a vendor that repeats the key in its error is not quoted', async () => {
  await all.vendor.fault({ fault: 'echo' });
  const { job, said } = await all.enrich();
  assert.match(job.error_message, /^Apollo\.io: HTTP 500: you sent /);
  await all.secret(said);
});

const shapes = [
  [{ organization: { id: null, name: 5, phone: {}, deep: [[[null]]] } }, 'completed'],
  [{ organization: 'a text' }, 'pending'],
  [{ organization: [] }, 'pending'],
  [[], 'pending'],
  ['text', 'pending'],
  [{ organization: { text: 'a\0b' } }, 'pending'],
  [{ organization: JSON.parse('['.repeat(400) + ']'.repeat(400)) }, 'pending'],
  [{ organization: { a: JSON.parse('['.repeat(400) + ']'.repeat(400)) } }, 'pending'],
];
for (const [i, [body, wanted]] of shapes.entries())
  test(`an answer of another shape is bounded and safe: ${i}`, async () => {
    all.vendor.change = (answer) => ({ ...answer, body });
    const neighbour = await all.enqueue('enrich_contact', { contact_id: randomUUID() });
    const { job } = await all.enrich();
    assert.equal(job.status, wanted, job.error_message);
    if (wanted === 'completed') assert.deepEqual(job.result, body.organization);
    else assert.match(job.error_message, /^Apollo\.io: the answer is .*; it may have been paid for, so it is asked once more and not oftener$/);
    assert.equal((await all.job(neighbour)).status, 'failed', 'its neighbours are settled');
  });

test('a process that is killed in the middle: asked again, since nobody knows the answer, and settled once', async () => {
  const account = await all.account();
  const job = await all.enqueue('enrich_account', { account_id: account });
  await all.vendor.fault({ fault: 'timeout' });
  const running = start(program(), ['run', 'job-queue'], { env: cleanEnv(all.stand.env({ VENDOR_TIMEOUT_S: '10' })) });
  await until(async () => (await all.logs(job)).length === 1, { what: 'the note that it asks' });
  killNow(running.pid);
  await all.stand.backendsGone();
  await all.db.rows(`UPDATE jobs SET lease_until = clock_timestamp() - interval '1 s'`);
  await all.stand.expireLocks();
  await all.run();
  const row = await all.job(job);
  assert.deepEqual([row.status, row.attempts], ['completed', 1]);
  assert.deepEqual((await all.row('accounts', account)).enrichment, row.result);
  assert.deepEqual((await all.logs(job)).map(({ message }) => message.replace(/ in \d+ ms| \S+$/, '')),
    ['asks Apollo.io for the organization by', 'asks Apollo.io for the organization by', 'Apollo.io knows the organization: written to account', 'completed, try 1 of 5'],
    'the log says that it was asked twice');
  assert.equal((await all.fair()).length, 2);
});

test('an account that is deleted meanwhile costs nothing but the answer', async () => {
  const account = await all.account();
  const job = await all.enqueue('enrich_account', { account_id: account });
  await all.vendor.fault({ fault: 'slow', ms: 600 });
  const running = all.run();
  await until(async () => (await all.vendor.requests()).length > 0, { what: 'the question' });
  await all.db.rows('DELETE FROM accounts');
  await running;
  assert.equal((await all.job(job)).status, 'completed');
});
