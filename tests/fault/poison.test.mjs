// A row that kills every process that touches it is given up; its neighbours lose no attempt.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { after, test } from 'node:test';
import { Mails } from '../lib/mail.mjs';
import { mustHold } from '../lib/oracle.mjs';
import { program } from '../lib/program.mjs';
import { Resend } from '../lib/resend.mjs';
import { report, size } from '../lib/sizes.mjs';
import { Stand } from '../lib/stand.mjs';

const NEIGHBOURS = size(200, 1000);

test('poison is dead-lettered after five lost leases, 1,000 others are delivered', async (t) => {
  assert.ok(existsSync(program('poison')), 'make poison');
  const stand = await Stand.create({ build: 'poison', env: { WEBHOOK_TIMEOUT_S: '1' } });
  after(() => stand.end());
  stand.ledger.follow(stand.receiver);
  await stand.endpoint('/ok/neighbour');
  await stand.enqueue(NEIGHBOURS / 2);
  const [poison] = await stand.enqueue(1, { payload: { text: 'cronward-test-abort' } });
  await stand.enqueue(NEIGHBOURS / 2);
  await stand.startPool({ size: 1 });

  let aborts = 0;
  for (let runs = 0; runs < 20 && await stand.openCount() > 0; runs++) {
    const [pid] = stand.pool.processes();
    const answer = await stand.call('webhook-retry');
    if (answer.status === 200) continue;
    aborts++;
    await stand.killAndExpose([pid]);
    await stand.pool.whenFull();
    await stand.expireLocks();
    await stand.expireLeases();
  }
  const row = await stand.delivery(poison);
  assert.equal(row.status, 'failed');
  assert.match(row.last_error, /poison/);
  assert.deepEqual([aborts, row.lost, row.attempts], [5, 5, 0]);
  const verdict = mustHold(stand.ledger, await stand.rows());
  assert.deepEqual([verdict.done, verdict.dead], [NEIGHBOURS, 1]);
  const others = await stand.db.rows('SELECT DISTINCT attempts, lost FROM webhook_deliveries WHERE id <> $1', [poison]);
  assert.deepEqual(others, [{ attempts: 1, lost: 0 }]);
  assert.equal(await stand.db.value(`SELECT count(*)::int FROM cron_job_executions WHERE status = 'abandoned'`), 5);
  report(t, 'poison', { neighbours: NEIGHBOURS, aborts, duplicates: verdict.duplicates });
});

test('a mail that kills whoever composes it is given up; those that were to go with it are sent, once', async (t) => {
  const vendor = await Resend.start();
  const mails = await Mails.create(vendor);
  after(async () => {
    await vendor.stop();
    await mails.stand.end();
  });
  mails.stand.build = 'poison';
  await mails.addMany(9);
  const poison = await mails.add({ subject: 'cronward-test-abort' });
  await mails.addMany(9);
  let aborts = 0;
  for (let runs = 0; runs < 20 && await mails.db.value(`SELECT count(*)::int FROM email_queue WHERE status IN ('pending', 'processing')`) > 0; runs++) {
    const before = await mails.db.value(`SELECT count(*)::int FROM cron_job_executions WHERE status = 'success'`);
    await mails.run({}, { mayFail: true });
    if (await mails.db.value(`SELECT count(*)::int FROM cron_job_executions WHERE status = 'success'`) === before) aborts++;
    await mails.expire();
  }
  const row = await mails.row(poison);
  assert.deepEqual([row.status, row.lost], ['failed', 5]);
  assert.match(row.last_error, /^poison/);
  assert.deepEqual(await mails.counts(), { failed: 1, sent: 18 });
  const sent = await mails.once();
  assert.equal(sent.length, 18);
  report(t, 'a poisonous mail', { 'with it': 18, aborts, sent: sent.length });
});
