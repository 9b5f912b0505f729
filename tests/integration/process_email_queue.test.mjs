// Mail through Resend: what is sent when, under which key, and what answers mean.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { Mails, scenarios } from '../lib/mail.mjs';
import { cleanEnv, killNow, start } from '../lib/process.mjs';
import { program } from '../lib/program.mjs';
import { Resend } from '../lib/resend.mjs';
import { statements } from '../lib/statements.mjs';
import { until } from '../lib/wait.mjs';

const vendor = await Resend.start();
const mails = await Mails.ofFile(vendor);
scenarios(test, mails);

const at = (expression) => mails.db.value(`SELECT ${expression}`);
const tos = async () => (await vendor.sent()).map(({ to }) => to[0].replace(/\d+/, ''));

test('without a key or a sender nothing is touched, and the call says which is missing', async () => {
  await mails.add();
  const before = await mails.rows();
  for (const [env, wanted] of [[{ RESEND_API_KEY: '' }, 'RESEND_API_KEY is not set'], [{ RESEND_API_KEY: 'short' }, 'RESEND_API_KEY is shorter than 8 characters'], [{ EMAIL_FROM: '' }, 'EMAIL_FROM is not set']]) {
    const { error } = await mails.run(env, { mayFail: true });
    assert.match(error, new RegExp(wanted));
  }
  const pool = await mails.stand.startPool({ size: 1, env: { EMAIL_FROM: '' } });
  const answer = await pool.call('GET', '/api/cron/process-email-queue', { headers: { authorization: `Bearer ${mails.stand.cronSecret}` } });
  assert.deepEqual([answer.status, answer.json.code, answer.json.error], [503, 'not_configured', 'EMAIL_FROM is not set']);
  await pool.stop();
  assert.deepEqual([await mails.rows(), await vendor.requests()], [before, []]);
  assert.equal(await at('(SELECT count(*)::int FROM cron_job_executions WHERE started_at > now() - interval \'1 s\' AND status = \'running\')'), 0);
});

test('the route answers with the counts of the seed', async () => {
  await mails.addMany(3);
  await mails.add({ to_address: 'nobody' });
  const pool = await mails.stand.startPool({ size: 1 });
  const answer = await pool.call('GET', '/api/cron/process-email-queue', { headers: { authorization: `Bearer ${mails.stand.cronSecret}` } });
  await pool.stop();
  assert.equal(answer.status, 200, answer.body);
  assert.deepEqual(Object.entries(answer.json).slice(0, 4), [['success', true], ['processed', 4], ['succeeded', 3], ['failed', 1]]);
  mails.said += pool.log();
});

test('EMAIL_RUN_MAX counts mails; the urgent ones go first', async () => {
  await mails.addMany(7, { to_address: 'low%@example.com', priority: -5 });
  await mails.addMany(7, { to_address: 'high%@example.com', priority: 10 });
  await mails.addMany(7, { to_address: 'mid%@example.com' });
  const seen = [];
  let before = 0;
  for (const processed of [5, 5, 5, 5, 1]) {
    const reply = await mails.run({ EMAIL_RUN_MAX: '5', EMAIL_BATCH_SIZE: '3' });
    assert.deepEqual([reply.processed, reply.run.more], [processed, processed === 5]);
    seen.push((await tos()).slice(before).sort().join(' ').replaceAll('@example.com', ''));
    before += processed;
  }
  assert.deepEqual(seen, ['high high high high high', 'high high mid mid mid', 'low mid mid mid mid', 'low low low low low', 'low']);
});

test('a batch that was made before the cap was lowered goes whole and stops nobody, but takes nobody along', async () => {
  await vendor.fault({ fault: '500' });
  await mails.addMany(6);
  await mails.run();
  await mails.makeDue();
  await mails.addMany(5);
  assert.equal((await mails.run({ EMAIL_RUN_MAX: '5' })).succeeded, 6);
  assert.equal((await mails.run({ EMAIL_RUN_MAX: '5' })).succeeded, 5);
});

test('a mail goes at its time, and a time that is moved counts', async () => {
  const early = await mails.add({ scheduled_for: new Date(Date.now() + 3_600_000) });
  const late = await mails.add();
  await mails.db.rows(`UPDATE email_queue SET scheduled_for = now() + interval '1 day' WHERE id = $1`, [late]);
  assert.equal((await mails.run()).processed, 0);
  await mails.db.rows('UPDATE email_queue SET scheduled_for = now() WHERE id = $1', [early]);
  assert.equal((await mails.run()).processed, 1);
  assert.deepEqual([(await mails.row(early)).status, (await mails.row(late)).status], ['sent', 'pending']);
  assert.ok((await mails.row(late)).wait_s > 86_000);
});

test('what the application ends, or takes for itself, is nobody\'s any more; what it deletes is gone', async () => {
  const [ended, taken, gone, other] = await mails.addMany(4);
  await mails.db.rows(`UPDATE email_queue SET status = 'failed' WHERE id = $1`, [ended]);
  await mails.db.rows(`UPDATE email_queue SET status = 'processing' WHERE id = $1`, [taken]);
  await mails.db.rows('DELETE FROM email_queue WHERE id = $1', [gone]);
  await mails.run();
  assert.deepEqual((await vendor.sent()).map(({ to }) => to), [['a4@example.com']]);
  await mails.db.rows(`UPDATE email_queue SET status = 'pending' WHERE id = $1`, [taken]);
  await mails.run();
  assert.deepEqual(await Promise.all([ended, taken, other].map(async (id) => (await mails.row(id)).status)), ['failed', 'sent', 'sent']);
});

test('a mail that has failed and is pending again is tried anew, alone', async () => {
  await mails.addMany(3, { to_address: 'a%@blocked.example' });
  const other = await mails.add({ to_address: 'a%@blocked.example', max_attempts: 1 });
  await mails.run();
  assert.deepEqual(await mails.counts(), { failed: 4 });
  assert.match((await mails.row(other)).last_error, /^Resend refuses it: HTTP 422 validation_error: Invalid `to` field: a4@blocked\.example is on the suppression list\.$/);
  await mails.db.rows(`UPDATE email_queue SET to_address = replace(to_address, 'blocked', 'fine'), status = 'pending'`);
  mails.isForgiven = true; // the vendor has never accepted the first
  await mails.run();
  assert.deepEqual(await mails.counts(), { sent: 4 });
  assert.deepEqual((await mails.rows()).map(({ attempts, dead_at: dead }) => [attempts, dead]), Array(4).fill([1, null]));
  assert.ok((await vendor.requests()).slice(-4).every(({ path }) => path === '/emails'));
});

test('a mail that was sent and is pending again is sent once more, under another key', async () => {
  const [id] = await mails.addMany(2);
  const alone = await mails.add({ max_attempts: 4 });
  await mails.run();
  for (let times = 1; times <= 2; times++) {
    await mails.db.rows(`UPDATE email_queue SET status = 'pending' WHERE id = ANY ($1)`, [[id, alone]]);
    await mails.run();
  }
  assert.deepEqual((await vendor.requests()).slice(-4).map(({ headers }) => headers['idempotency-key']).sort(),
    [id, alone].flatMap((one) => [`cronward-${one}-1`, `cronward-${one}-2`]).sort());
  assert.deepEqual([(await vendor.sent()).length, await mails.counts()], [7, { sent: 3 }]);
});

test('a batch fails twice and is refused then: of the mail that fails alone it is not known whether it was sent', async () => {
  await vendor.fault({ fault: '500', count: 2 });
  const [id] = await mails.addMany(1);
  await mails.addMany(1, { to_address: 'a%@blocked.example' });
  for (let tries = 1; tries <= 2; tries++) {
    await mails.run();
    await mails.makeDue();
  }
  vendor.mischance = ({ path }) => (path === '/emails' ? { fault: '500', accepted: true } : undefined);
  await mails.run();
  assert.deepEqual([(await vendor.sent()).length, (await mails.row(id)).status], [1, 'failed']);
  assert.match((await mails.row(id)).last_error, /^Resend: HTTP 500 .*; given up after 3 tries; it is not known whether it was sent$/);
});

test('a mail that had been sent without our knowing, and failed, is not sent again when it is tried anew', async () => {
  await vendor.fault({ fault: 'reset', accepted: true });
  await vendor.fault({ fault: '500', count: 2 });
  const id = await mails.add();
  for (let tries = 1; tries <= 3; tries++) {
    await mails.run();
    await mails.makeDue();
  }
  assert.match((await mails.row(id)).last_error, /; given up after 3 tries; it is not known whether it was sent$/);
  await mails.db.rows(`UPDATE email_queue SET status = 'pending'`);
  await mails.run();
  assert.deepEqual([(await mails.row(id)).status, (await mails.once()).length], ['sent', 1]);
});

test('a batch loses its leader, or another one, while nobody knows whether it was sent: no mail twice', async () => {
  await vendor.fault({ fault: 'reset', accepted: true });
  await vendor.fault({ fault: 'reset' });
  const ids = await mails.addMany(10);
  await mails.run({ EMAIL_BATCH_SIZE: '5' });
  assert.deepEqual(await mails.counts(), { pending: 10 });
  // Of each batch its leader; then of what is left the last.
  await mails.db.rows(`DELETE FROM email_queue WHERE waits_until < 'infinity'`);
  await mails.db.rows('DELETE FROM email_queue WHERE id = $1', [ids[9]]);
  mails.isForgiven = true;
  await mails.run();
  const rows = await mails.rows();
  assert.equal((await mails.once()).length, 8, 'five, and the three that are left of those that were not accepted');
  for (const { status, last_error: error, to_address: to } of rows) {
    assert.equal((await vendor.sent()).filter((mail) => mail.to[0] === to).length, 1, to);
    if (status === 'failed') assert.match(error, /^it may have been sent with what it held before: .* \(HTTP 409 invalid_idempotent_request: /);
  }
  assert.deepEqual(await mails.counts(), { failed: 4, sent: 3 });
});

test('what is in the air stays there, whatever the application makes of its rows', async () => {
  await vendor.fault({ fault: 'slow', ms: 500 });
  const [first, ...others] = await mails.addMany(5);
  const running = mails.run();
  await until(async () => (await vendor.requests()).length > 0, { what: 'the request', everyMs: 2 });
  await mails.db.rows(`UPDATE email_queue SET status = 'pending', scheduled_for = now() + interval '1 hour'`);
  assert.deepEqual(await mails.counts(), { processing: 5 });
  await mails.db.rows('DELETE FROM email_queue WHERE id = $1', [first]);
  await mails.db.rows(`UPDATE email_queue SET status = 'failed' WHERE id = $1`, [others[0]]);
  await running;
  assert.deepEqual([await mails.counts(), (await mails.once()).length], [{ failed: 1, sent: 3 }, 5]);
  await mails.run();
  assert.equal((await vendor.requests()).length, 1);
});

test('a mail that is changed while nobody knows whether it was sent fails and says so; no second mail', async () => {
  await vendor.fault({ fault: 'truncate' });
  const id = await mails.add();
  await mails.run();
  await mails.db.rows(`UPDATE email_queue SET text = 'other', scheduled_for = now() + interval '1 hour'`);
  await mails.makeDue();
  mails.isForgiven = true;
  await mails.run();
  const row = await mails.row(id);
  assert.equal(row.status, 'failed');
  assert.match(row.last_error, /^it may have been sent with what it held before/);
  assert.equal((await mails.once()).length, 1);
});

test('a mail of a batch that may have been sent stays in it, though its time is moved', async () => {
  await vendor.fault({ fault: 'reset', accepted: true });
  const [, id] = await mails.addMany(3);
  await mails.run();
  await mails.db.rows(`UPDATE email_queue SET scheduled_for = now() + interval '1 hour' WHERE id = $1`, [id]);
  await mails.makeDue();
  await mails.run();
  assert.deepEqual([await mails.counts(), (await mails.once()).length], [{ sent: 3 }, 3]);
});

test('a request that is still under way at the vendor is asked for again whole, and no try is used up', async () => {
  await vendor.fault({ fault: '409' });
  await mails.addMany(3);
  await mails.run();
  const rows = await mails.rows();
  assert.deepEqual(rows.map((row) => [row.status, row.attempts, row.batch_id, row.unsure_since !== null]), Array(3).fill(['pending', 0, rows[0].batch_id, true]));
  const waits = await at(`extract(epoch FROM min(waits_until) - clock_timestamp())::float FROM email_queue`);
  assert.ok(waits > 3 && waits < 7, `${waits}`);
  await mails.makeDue();
  await mails.run();
  assert.deepEqual([await mails.counts(), (await mails.once()).length], [{ sent: 3 }, 3]);
});

// As if processes had died with it in their hands: each lease runs out.
async function lose(times) {
  await mails.db.rows(`UPDATE email_queue SET lost = $1 - 1, lease_until = now() - interval '1 s', claim_token = gen_random_uuid(), status = 'processing', waits_until = now()
                        WHERE waits_until < 'infinity'`, [times]);
}

test('what was lost twice goes alone and last; what was lost five times has failed, and says what is not known', async () => {
  await vendor.fault({ fault: '500' });
  await mails.addMany(4);
  await mails.run();
  await lose(3);
  await mails.add({ to_address: 'new@example.com' });
  await mails.run();
  assert.deepEqual(await mails.counts(), { sent: 5 });
  assert.deepEqual((await vendor.requests()).map(({ path }) => path), ['/emails/batch', '/emails', '/emails/batch']);
  await mails.db.rows('TRUNCATE email_queue');
  await vendor.reset();
  await vendor.fault({ fault: '500' });
  await mails.addMany(4);
  await mails.run();
  await lose(5);
  await mails.addMany(2);
  await mails.run();
  assert.deepEqual(await mails.counts(), { failed: 4, sent: 2 });
  const texts = (await mails.rows()).filter(({ status }) => status === 'failed').map(({ last_error: text }) => text);
  assert.deepEqual([...new Set(texts)], ['poison: its lease ran out 5 times, the process that held it died or hung; it is not known whether it was sent']);
});

test('23 hours later the key may be forgotten: what may have been sent is not sent again', async () => {
  await vendor.fault({ fault: 'reset', accepted: true });
  await vendor.fault({ fault: '500' });
  await mails.addMany(2);
  const [single] = [await mails.add({ max_attempts: 4 })];
  await mails.run();
  await mails.db.rows(`UPDATE email_queue SET unsure_since = unsure_since - interval '23 hours'`);
  await mails.makeDue();
  const reply = await mails.run();
  assert.deepEqual([reply.processed, reply.failed, await mails.counts()], [3, 3, { failed: 3 }]);
  const row = await mails.row(single);
  assert.match(row.last_error, /^it is not known whether it was sent: /);
  assert.equal((await vendor.requests()).length, 2);
});

test('a limit of 5 a second is kept to without being hit', async () => {
  vendor.limit = 5;
  await mails.addMany(14, { max_attempts: 4 });
  const { succeeded, run } = await mails.run();
  assert.equal(succeeded, 14);
  assert.equal(vendor.tooMany, 0);
  assert.ok(run.durationMs > 1500 && run.durationMs < 7000, `${run.durationMs} ms`);
});

test('the five templates that come along, with all that they ask for', async () => {
  const fields = (await at(`(SELECT col_description('email_templates'::regclass, 1))`)).matchAll(/(\w+): ([a-z, ]+)(?:;|$)/g);
  const data = { app: 'Shop & Co', name: `O'Neill <b>`, url: 'https://shop.example/?a=1&b=2', expires: '24 hours', number: '17', date: 'today', items: 'one\ntwo', total: '19.90 €', title: 'News', message: 'text' };
  const names = [];
  for (const [, name, list] of fields) {
    const own = Object.fromEntries(list.trim().split(/, ?/).map((field) => [field, data[field]]));
    names.push(name);
    await mails.db.rows('INSERT INTO email_queue (to_address, template, data) VALUES ($1, $2, $3)', [`${name}@example.com`, name, JSON.stringify(own)]);
  }
  assert.deepEqual(names.sort(), await mails.db.rows(`SELECT name FROM email_templates ORDER BY name`).then((rows) => rows.map(({ name }) => name).filter((name) => names.includes(name))));
  assert.deepEqual(names, ['notification', 'password_reset', 'receipt', 'verification', 'welcome']);
  const reply = await mails.run();
  assert.equal(reply.succeeded, 5, JSON.stringify(await mails.rows()));
  for (const { subject, html, text } of await mails.once()) {
    assert.ok(subject && !/[\r\n]|&amp;|\{\{/.test(subject), subject);
    assert.ok(html.includes('O&#39;Neill &lt;b&gt;') && !html.includes('O\'Neill') && !html.includes('{{'), html);
    assert.ok(text.includes('O\'Neill <b>') && text.includes('https://shop.example/?a=1&b=2') && !text.includes('{{'), text);
  }
});

// A run that is killed while the vendor, who accepts it, is at its first request.
async function killInTheAir({ requests = 1, ...fault } = {}) {
  await vendor.fault({ fault: 'slow', ms: 500, ...fault });
  const running = start(program(), ['run', 'process-email-queue'], { env: cleanEnv(mails.stand.env()) });
  await until(async () => (await vendor.requests()).length >= requests, { what: 'the request', everyMs: 2 });
  killNow(running.pid);
  await mails.stand.backendsGone();
}

test('what went alone goes alone until it is known what became of it, also when it was held meanwhile', async () => {
  const id = await mails.add();
  await killInTheAir();
  await mails.add();
  await mails.expire();
  await vendor.fault({ fault: '409', count: 2 });
  await mails.run();
  assert.deepEqual((await mails.rows()).map(({ status, attempts, lost }) => [status, attempts, lost]), Array(2).fill(['pending', 0, 0]));
  await mails.add();
  await mails.makeDue();
  await mails.run();
  assert.deepEqual([await mails.counts(), (await mails.once()).length], [{ sent: 3 }, 3]);
  assert.equal((await vendor.requests()).filter(({ headers }) => headers['idempotency-key'] === `cronward-${id}`).length, 3);
  assert.ok((await vendor.requests()).every(({ path }) => path === '/emails'));
});

test('who has lost his claim neither settles nor hands back; a batch that is handed back stays one', async () => {
  const [leader] = await mails.addMany(3), token = randomUUID();
  await mails.db.rows(`UPDATE email_queue SET status = 'processing', claim_token = $1, batch_id = $2, lease_until = CASE WHEN id = $2 THEN now() + interval '1 min' END,
                              waits_until = CASE WHEN id = $2 THEN waits_until ELSE 'infinity' END`, [token, leader]);
  const before = await mails.rows();
  const statement = (name, ...values) => mails.db.rows(statements().find((one) => one.name === `mail_${name}`).text, values);
  await statement('release', [leader], [randomUUID()]);
  await statement('settle', [leader], [randomUUID()], [leader], ['done'], [null], [null], ['{"sent": {}, "refused": {}}'], [null]);
  assert.deepEqual(await mails.rows(), before);
  await statement('release', [leader], [token]);
  for (const row of await mails.rows())
    assert.deepEqual([row.status, row.claim_token, row.lease_until, row.batch_id, row.waits_until === Infinity], ['pending', null, null, leader, row.id !== leader]);
});

test('a process that is killed with a request in the air: the next one repeats it, and nothing is sent twice', async () => {
  await mails.addMany(8);
  await killInTheAir();
  assert.deepEqual(await mails.db.rows('SELECT count(*)::int AS n, count(batch_id)::int AS bound, count(lease_until)::int AS leased FROM email_queue'), [{ n: 8, bound: 8, leased: 1 }]);
  await mails.expire();
  await mails.run();
  assert.deepEqual([await mails.counts(), (await mails.once()).length, (await vendor.requests()).length], [{ sent: 8 }, 8, 2]);
});

test('a batch that was lost twice in the air, and three times before it was composed again, stays one: no mail twice', async () => {
  await mails.addMany(4);
  for (const requests of [1, 2]) {
    await killInTheAir({ requests, accepted: true });
    await mails.expire();
  }
  await lose(5);
  await mails.run();
  assert.deepEqual([await mails.counts(), (await mails.once()).length], [{ failed: 4 }, 4]);
});
