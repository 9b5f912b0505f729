// The process is killed at one system call after the other while it claims, sends and settles, and
// each call fails once: whatever the moment, the oracle holds afterwards.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mustHold } from '../lib/oracle.mjs';
import { cleanEnv, run } from '../lib/process.mjs';
import { program } from '../lib/program.mjs';
import { report, size } from '../lib/sizes.mjs';
import { Stand } from '../lib/stand.mjs';

const CALLS = ['sendto', 'recvfrom', 'connect', 'close', 'poll', 'write', 'epoll_wait', 'socket', 'openat', 'read', 'mmap', 'fcntl'];
// What these calls really fail with; each error of one may cost the run its time-outs.
const FAILURES = {
  sendto: ['ECONNRESET', 'EINTR'], recvfrom: ['ECONNRESET', 'EINTR', 'EIO'], connect: ['ECONNREFUSED', 'EAGAIN'], socket: ['EMFILE'],
  openat: ['EMFILE', 'EIO'], read: ['EIO', 'EINTR'], fcntl: ['EINTR'], epoll_wait: ['EINTR'], poll: ['EINTR', 'ENOMEM'],
};
const CALLS_MAX = 400; // of one kind in one run of one item

// Runs webhook-retry under strace with one injection; whether it took place.
async function injected(stand, call, what, n) {
  const done = await run('strace', ['-f', '-qq', '-o', '/dev/null', '-e', `trace=${call}`, '-e', `inject=${call}:${what}:when=${n}`,
    program(stand.build), 'run', 'webhook-retry', '--budget', '2'], { env: cleanEnv(stand.env()), timeoutMs: 60_000 });
  return done;
}

async function recover(stand) {
  await stand.backendsGone();
  const held = await stand.db.rows('SELECT id::text FROM webhook_deliveries WHERE lease_until IS NOT NULL');
  stand.ledger.expose(held.map((row) => row.id));
  await stand.expireLocks();
  await stand.expireLeases();
  await stand.makeDue();
}

async function begin(t, build) {
  const stand = await Stand.create({ build, env: { WEBHOOK_TIMEOUT_S: '1', LOG_LEVEL: 'error', MAX_WEBHOOK_RETRIES: '100' } });
  t.after(() => stand.end());
  stand.ledger.follow(stand.receiver);
  await stand.endpoint('/ok/sweep');
  return stand;
}

test('killed at the n-th system call of each kind, for each n: nothing is lost', async (t) => {
  const stand = await begin(t, 'release');
  let kills = 0;
  let runs = 0;
  for (const call of size(['sendto', 'recvfrom'], CALLS)) {
    for (let n = 1; n < CALLS_MAX; n++) {
      await stand.enqueue(2);
      const done = await injected(stand, call, 'signal=SIGKILL', n);
      runs++;
      await recover(stand);
      if (done.code < 128 && done.signal === null) break;
      kills++;
      // Rows that were lost again and again would be called poison, and rightly so.
      await stand.db.rows('UPDATE webhook_deliveries SET lost = least(lost, 1)');
    }
  }
  const last = await stand.cli(['run', 'webhook-retry']);
  assert.equal(last.code, 0, last.stderr);
  await stand.makeDue();
  await stand.cli(['run', 'webhook-retry']);
  const verdict = mustHold(stand.ledger, await stand.rows());
  assert.equal(verdict.done, verdict.enqueued);
  assert.ok(kills > 5, `${kills} kills`);
  report(t, 'killed at every system call', { runs, kills, items: verdict.enqueued, duplicates: verdict.duplicates });
});

test('every system call of each kind fails once, with each error: no crash, no wrong "done"', async (t) => {
  const stand = await begin(t, 'release');
  let runs = 0;
  for (const call of size(['sendto'], Object.keys(FAILURES))) {
    for (const error of FAILURES[call].slice(0, size(1, 9))) {
      for (let n = 1; n < CALLS_MAX; n += size(2, 1)) {
        await stand.enqueue(1);
        const before = stand.receiver.requests.length;
        const done = await injected(stand, call, `error=${error}`, n);
        runs++;
        assert.ok(done.code < 128, `${call} ${error} at ${n}: ended ${done.code} ${done.stderr}`);
        await recover(stand);
        // Past the last call of its kind nothing happens any more.
        if (n > 40 || (done.code === 0 && stand.receiver.requests.length > before && n > size(8, 20))) break;
      }
    }
  }
  for (let i = 0; i < 3; i++) {
    await stand.cli(['run', 'webhook-retry']);
    await stand.makeDue();
  }
  const verdict = mustHold(stand.ledger, await stand.rows());
  assert.equal(verdict.done, verdict.enqueued);
  report(t, 'every system call fails once', { runs, items: verdict.enqueued, duplicates: verdict.duplicates });
});

