// Mail while the vendor fails in every way, before it has accepted and after, our process is killed
// and PostgreSQL crashes: each mail is sent once by the vendor's record, or has failed with a reason,
// and no idempotency key is used for two bodies.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Mails } from '../lib/mail.mjs';
import { Cluster } from '../lib/postgres.mjs';
import { cleanEnv, isAlive, killNow, start } from '../lib/process.mjs';
import { program } from '../lib/program.mjs';
import { random } from '../lib/random.mjs';
import { Resend } from '../lib/resend.mjs';
import { report, size } from '../lib/sizes.mjs';
import { until } from '../lib/wait.mjs';

const MAILS = size(500, 5000);
const BAD = 10, BLOCKED = 5;

const moment = (ms) => {
  const end = Date.now() + ms;
  return until(() => Date.now() >= end, { everyMs: 5, timeoutMs: ms + 1000 });
};

// Each as often as it stands here; with `accepted` the vendor has sent the mails.
const mischances = [
  { fault: '500' }, { fault: '500', accepted: true }, { fault: '503' }, { fault: 'html' },
  { fault: 'timeout' }, { fault: 'timeout', accepted: true },
  { fault: 'reset' }, { fault: 'reset' }, { fault: 'reset', accepted: true }, { fault: 'reset', accepted: true },
  { fault: 'truncate' }, { fault: 'truncate' }, { fault: 'invalid-json' }, { fault: 'invalid-json' },
  { fault: 'empty', accepted: true }, { fault: 'slow', ms: 300 }, { fault: 'slow', ms: 300 }, { fault: '429', retry_after: 1 }, { fault: '409' },
];

class Crash {
  static async begin(t) {
    const crash = new Crash();
    crash.cluster = await Cluster.create();
    crash.vendor = await Resend.start();
    crash.mails = await Mails.create(crash.vendor, { cluster: crash.cluster, env: { EMAIL_BATCH_SIZE: '10' } });
    crash.db = crash.mails.db;
    // A server that crashes forgets where sequences stand in a database that was copied just before.
    await crash.cluster.admin('CHECKPOINT');
    t.after(async () => {
      await crash.vendor.stop();
      await crash.mails.stand.end();
      await crash.cluster.stop();
    });
    crash.draw = random('mail');
    crash.faults = 0;
    crash.vendor.mischance = () => {
      if (crash.draw.between(1, 100) > 35) return undefined;
      crash.faults++;
      return mischances[crash.draw.between(0, mischances.length - 1)];
    };
    return crash;
  }

  async fill() {
    const { mails } = this;
    await mails.addMany(BAD, { to_address: 'bad%' });
    await mails.addMany(Math.round(MAILS * 0.6));
    await mails.addMany(BLOCKED, { to_address: 'a%@blocked.example' });
    await mails.addMany(Math.round(MAILS * 0.2), { priority: 5, template: 'notification', subject: null, text: null,
      data: { app: 'Shop', name: 'Ada', title: 'A & B', message: 'x', url: 'https://shop.example' } });
    await mails.addMany(Math.round(MAILS * 0.05), { max_attempts: 5 });
    await mails.addMany(MAILS - mails.added);
  }

  startRun() {
    return start(program(), ['run', 'process-email-queue', '--budget', '60'], { env: cleanEnv(this.mails.stand.env()) });
  }

  async kill(child) {
    killNow(child.pid);
    await until(() => !isAlive(child.pid), { what: 'the process to be gone', everyMs: 1 });
    await this.mails.stand.backendsGone();
    await this.pass();
  }

  async pass() {
    await this.mails.expire();
    await this.mails.makeDue();
  }

  openCount() {
    return this.db.value('SELECT count(*)::int FROM email_queue WHERE waits_until IS NOT NULL');
  }

  async judge() {
    const sent = await this.mails.once(), accepted = new Set(sent.map(({ to }) => to[0]));
    // Who comes after a kill does not know what the vendor has said before.
    const requests = await this.mails.fair({ mayBeEarly: true });
    const rows = await this.mails.rows();
    assert.equal(rows.length, MAILS);
    assert.deepEqual(rows.filter(({ status }) => !['sent', 'failed'].includes(status)), []);
    const failed = rows.filter(({ status }) => status === 'failed');
    assert.ok(failed.every(({ dead_at: dead }) => dead));
    for (const { to_address: to, last_error: error } of failed) {
      if (accepted.has(to)) assert.match(error, /it is not known whether it was sent/, to);
      if (to.startsWith('bad')) assert.match(error, /^to_address "bad\d+" has no @$/);
    }
    assert.equal(failed.filter(({ to_address: to }) => to.startsWith('bad')).length, BAD);
    assert.equal(failed.filter(({ to_address: to }) => to.endsWith('@blocked.example')).length, BLOCKED);
    assert.ok(failed.length < MAILS / 2, `${failed.length} have failed`);
    return { mails: MAILS, sent: rows.length - failed.length, failed: failed.length, 'of them accepted': failed.filter(({ to_address: to }) => accepted.has(to)).length,
      requests: requests.length, faults: this.faults, repeats: requests.length - new Set(requests.map(({ headers }) => headers['idempotency-key'])).size };
  }
}

test('a vendor that fails, processes that die, a server that crashes: no mail twice', async (t) => {
  const crash = await Crash.begin(t);
  await crash.fill();
  const kills = size(6, 80);
  let killed = 0;
  for (let n = 0; n < kills; n++) {
    const child = crash.startRun();
    await moment(crash.draw.between(40, 300));
    if (n === kills / 2) {
      await crash.cluster.crash();
      await crash.cluster.start();
      await moment(200);
    }
    if (isAlive(child.pid)) killed++;
    await crash.kill(child);
  }
  let runs = 0;
  await until(async () => {
    runs++;
    await crash.mails.run({}, { mayFail: true, args: ['--budget', '60'] });
    await crash.pass();
    return await crash.openCount() === 0;
  }, { what: 'every mail to end', timeoutMs: 200_000 });
  report(t, 'mail under fire', { ...await crash.judge(), kills: killed, runs });
});
