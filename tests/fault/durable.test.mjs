// A crash of the server the moment after: an event that was answered 200 is there, and which mails a
// request on its way has is known.  The server writes nothing to its disk but what a commit waits for.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { providerEnv, providers, send } from '../lib/inbound.mjs';
import { Mails } from '../lib/mail.mjs';
import { Cluster, hasty } from '../lib/postgres.mjs';
import { cleanEnv, isAlive, killNow, start } from '../lib/process.mjs';
import { program } from '../lib/program.mjs';
import { Resend } from '../lib/resend.mjs';
import { until } from '../lib/wait.mjs';

// What was written and not flushed outlives the server, if not the machine.
const cluster = await Cluster.create({ ...hasty, wal_writer_delay: '10s' });
const vendor = await Resend.start();
const mails = await Mails.create(vendor, { cluster, env: providerEnv() });
after(async () => {
  await vendor.stop();
  await mails.stand.end();
  await cluster.stop();
});

async function crash() {
  await cluster.crash();
  await cluster.start();
}

test('an event that was answered 200 is stored', async () => {
  const pool = await mails.stand.startPool({ size: 1 });
  // Whoever rings would commit, and so write what was not waited for.
  await mails.db.rows('ALTER TABLE cron_locks RENAME TO away');
  await cluster.admin('CHECKPOINT');
  const answer = await send(pool, providers.telebirr, '{"event_id":"e1","type":"payment.paid"}');
  await crash();
  assert.equal(answer.status, 200, answer.body);
  assert.deepEqual(await mails.db.rows('SELECT id, event_id FROM webhook_events'), [{ id: answer.json.id, event_id: 'e1' }]);
  await mails.db.rows('ALTER TABLE away RENAME TO cron_locks');
  await pool.stop();
});

test('a batch that was on its way stays what it was, however batches are made now', async () => {
  await vendor.fault({ fault: 'slow', ms: 500 });
  await mails.addMany(8);
  await cluster.admin('CHECKPOINT');
  const running = start(program(), ['run', 'process-email-queue'], { env: cleanEnv(mails.stand.env()) });
  await until(async () => (await vendor.requests()).length > 0, { what: 'the request', everyMs: 2 });
  killNow(running.pid);
  await until(() => !isAlive(running.pid), { what: 'the process to be gone', everyMs: 1 });
  await crash();
  assert.deepEqual(await mails.db.rows('SELECT count(*)::int AS n, count(batch_id)::int AS bound FROM email_queue'), [{ n: 8, bound: 8 }]);
  await mails.expire();
  await mails.run({ EMAIL_BATCH_SIZE: '3' });
  await mails.fair();
  assert.deepEqual([await mails.counts(), (await mails.once()).length], [{ sent: 8 }, 8]);
});
