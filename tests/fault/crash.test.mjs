// Processes and servers die at random moments while deliveries run; the oracle judges what is left.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { mustHold } from '../lib/oracle.mjs';
import { Cluster } from '../lib/postgres.mjs';
import { killNow } from '../lib/process.mjs';
import { startProxy } from '../lib/proxy.mjs';
import { random } from '../lib/random.mjs';
import { full, report, size } from '../lib/sizes.mjs';
import { Stand } from '../lib/stand.mjs';
import { until } from '../lib/wait.mjs';

const ITEMS = 2000;
const ENDPOINTS = 8;
const settings = { WEBHOOK_TIMEOUT_S: '1', RUN_BUDGET_S: '15' };

// 2,000 deliveries to eight endpoints of one receiver that takes 5 ms for each.
async function begin(t, options = {}) {
  const stand = await Stand.create({ env: settings, ...options });
  t.after(async () => {
    await stand.end();
    await options.cluster?.stop();
  });
  stand.ledger.follow(stand.receiver);
  for (let i = 0; i < ENDPOINTS; i++) await stand.endpoint(`/slow/5/${i}`);
  await stand.enqueue(ITEMS / ENDPOINTS);
  await stand.startPool({ size: 2, name: 'crash' });
  return stand;
}

const moment = (ms) => {
  const end = Date.now() + ms;
  return until(() => Date.now() >= end, { everyMs: 5, timeoutMs: ms + 1000 });
};

// Calls until one runs; the seconds from now to its start, by the database's clock.
async function secondsUntilRun(stand) {
  const from = await stand.db.value('SELECT clock_timestamp()');
  const answer = await until(async () => {
    const one = await stand.call('webhook-retry');
    assert.ok([200, 429].includes(one.status), `${one.status} ${one.body}`);
    return one.status === 200 && one;
  }, { what: 'the worker to run again', timeoutMs: 40_000, everyMs: 200 });
  return ((await stand.execution(answer.json.run.id)).started_at - from) / 1000;
}

describe('crash', { concurrency: size(4, 2) }, () => {
  test('SIGKILL at random moments: nothing is lost, nothing stays taken', async (t) => {
    const stand = await begin(t);
    const draw = random('sigkill');
    const kills = size(12, 200);
    let held = 0;
    for (let n = 0; n < kills; n++) {
      if (await stand.openCount() === 0) await stand.enqueue(ITEMS / ENDPOINTS);
      const call = stand.call('webhook-retry');
      await moment(draw.between(0, 700));
      held = Math.max(held, await stand.killAndExpose(stand.pool.processes()));
      await call;
      await stand.pool.whenFull();
      if (n === kills - 1) break;
      await stand.expireLocks();
      await stand.expireLeases();
    }
    // The last one is waited out: lock and leases end by themselves.
    const seconds = await secondsUntilRun(stand);
    assert.ok(seconds <= 20, `the worker ran again after ${seconds} s`);
    await until(async () => {
      const answer = await stand.call('webhook-retry');
      return answer.status === 200 && await stand.openCount() === 0;
    }, { what: 'every delivery to end', timeoutMs: 90_000, everyMs: 500 });
    const verdict = mustHold(stand.ledger, await stand.rows());
    assert.equal(verdict.done, verdict.enqueued, 'no innocent row became a dead letter');
    const abandoned = await stand.db.value(`SELECT count(*)::int FROM cron_job_executions WHERE status = 'abandoned'`);
    assert.equal(await stand.db.value(`SELECT count(*)::int FROM cron_job_executions WHERE status = 'running'`), 0);
    report(t, 'SIGKILL', { kills, items: verdict.enqueued, requests: verdict.requests, duplicates: verdict.duplicates,
      'held at most': held, abandoned, 'runs again after': `${seconds.toFixed(1)} s` });
  });

  test('pg_terminate_backend at random moments: nothing is lost and nothing sent twice', async (t) => {
    const stand = await begin(t);
    const draw = random('terminate');
    let terminated = 0;
    while (terminated < size(12, 200)) {
      if (await stand.openCount() < ITEMS / 4) await stand.enqueue(ITEMS / ENDPOINTS);
      const call = stand.call('webhook-retry');
      let answer;
      call.then((one) => { answer = one; });
      while (!answer) {
        await moment(draw.between(10, 150));
        terminated += await stand.db.terminateOthers();
      }
      // Its first statement may be the one that is hit; then it says so, and nothing has happened.
      assert.ok([200, 503].includes(answer.status), `${answer.status} ${answer.body}`);
    }
    await stand.drain();
    const verdict = mustHold(stand.ledger, await stand.rows());
    assert.deepEqual([verdict.done, verdict.duplicates], [verdict.enqueued, 0]);
    report(t, 'pg_terminate_backend', { terminated, items: verdict.enqueued, requests: verdict.requests, duplicates: 0 });
  });

  test('PostgreSQL restarts and crashes under load: no settled delivery is lost', async (t) => {
    const cluster = await Cluster.create();
    const stand = await begin(t, { cluster });
    const draw = random('restart');
    const restarts = size(3, 20);
    const back = [];
    for (let n = 0; n < restarts; n++) {
      if (await stand.openCount() < ITEMS / 4) await stand.enqueue(ITEMS / ENDPOINTS);
      const call = stand.call('webhook-retry');
      await moment(draw.between(50, 900));
      // Whatever was claimed may be sent again: a claim's commit is asynchronous.
      if (n % 2) await cluster.stop();
      else await cluster.crash();
      await cluster.start();
      const ready = Date.now();
      const open = await stand.db.rows('SELECT id::text FROM webhook_deliveries WHERE next_retry_at IS NOT NULL');
      stand.ledger.expose(open.map((row) => row.id));
      await until(async () => (await stand.pool.call('GET', '/readyz')).status === 200, { what: 'readiness', timeoutMs: 10_000 });
      back.push(Date.now() - ready);
      const answer = await call;
      assert.ok([200, 500, 503].includes(answer.status), `${answer.status} ${answer.body}`);
      await stand.pool.whenFull();
      await stand.expireLocks();
      await stand.expireLeases();
    }
    await stand.drain();
    const verdict = mustHold(stand.ledger, await stand.rows());
    assert.equal(verdict.done, verdict.enqueued);
    // In the air, and landed but not yet settled; not the whole backlog.
    assert.ok(verdict.duplicates <= restarts * 600, `${verdict.duplicates} duplicates`);
    assert.ok(Math.max(...back) <= 5000, `ready again after ${Math.max(...back)} ms`);
    report(t, 'PostgreSQL restart', { restarts, items: verdict.enqueued, requests: verdict.requests, duplicates: verdict.duplicates,
      'ready again after at most': `${Math.max(...back)} ms` });
  });

  test('a database that stops answering: the process is free in time, each row is settled once', async (t) => {
    const stand = await Stand.create({ env: { WEBHOOK_TIMEOUT_S: '1', RUN_BUDGET_S: '4' } });
    t.after(() => stand.end());
    const proxy = await startProxy(`${stand.db.cluster.socketFolder}/.s.PGSQL.5432`);
    t.after(() => proxy.stop());
    stand.settings.DATABASE_URL = `postgresql://cronward@127.0.0.1:${proxy.port}/${stand.db.name}?sslmode=disable&gssencmode=disable`;
    stand.ledger.follow(stand.receiver);
    await stand.endpoint('/slow/50');
    await stand.startPool({ size: 1 });
    const took = [];
    for (const wait of size([200], [0, 100, 200, 400, 1000])) {
      await stand.enqueue(300);
      const began = Date.now();
      const call = stand.call('webhook-retry');
      await moment(wait);
      proxy.blackhole();
      const answer = await call;
      took.push(Date.now() - began);
      assert.ok([200, 503].includes(answer.status), answer.body);
      proxy.heal();
      await until(async () => (await stand.pool.call('GET', '/readyz')).status === 200, { what: 'readiness', timeoutMs: 15_000 });
      await stand.backendsGone();
      const open = await stand.db.rows('SELECT id::text FROM webhook_deliveries WHERE lease_until IS NOT NULL');
      stand.ledger.expose(open.map((row) => row.id));
      await stand.expireLocks();
      await stand.expireLeases();
    }
    await stand.drain();
    const verdict = mustHold(stand.ledger, await stand.rows());
    assert.equal(verdict.done, verdict.enqueued);
    // The budget of 4 s, the hard end 5 s later, 3 s for a last attempt to connect, and a little.
    assert.ok(Math.max(...took) < 12_500, `answered after ${took} ms`);
    report(t, 'database black hole', { holes: took.length, items: verdict.enqueued, duplicates: verdict.duplicates,
      'answered after at most': `${Math.max(...took)} ms` });
  });

  test('answers lost after the receiver acted: the same id comes again, every try is counted', async (t) => {
    const stand = await Stand.create({ env: settings });
    t.after(() => stand.end());
    await stand.startPool({ size: 1 });
    stand.ledger.follow(stand.receiver, { accepts: () => false });
    await stand.endpoint('/reset');
    await stand.enqueue(size(100, 500));
    for (let n = 0; n < 6; n++) {
      assert.equal((await stand.call('webhook-retry')).status, 200);
      await stand.makeDue();
    }
    const rows = await stand.rows();
    const verdict = mustHold(stand.ledger, rows);
    assert.deepEqual([verdict.dead, verdict.duplicates], [verdict.enqueued, 0]);
    assert.ok(rows.every((row) => row.attempts === 6 && stand.ledger.requests.get(row.id) === 6));
    report(t, 'answers lost', { items: verdict.enqueued, requests: verdict.requests });
  });
});

// Frozen longer than its lease, then awake: it must not change what others have done since.
test('a frozen process changes nothing when it wakes', async (t) => {
  const stand = await begin(t);
  const draw = random('frozen');
  const rounds = size(3, 50);
  for (let n = 0; n < rounds; n++) {
    if (n > 0) await stand.enqueue(ITEMS / ENDPOINTS);
    const call = stand.call('webhook-retry', { timeoutMs: 60_000 });
    await moment(draw.between(50, 500));
    const frozen = stand.pool.processes();
    for (const pid of frozen) process.kill(pid, 'SIGSTOP');
    t.after(() => frozen.forEach((pid) => killNow(pid, 'SIGCONT')));
    // A backend that cannot get rid of its answer holds its rows; an operator would end it.
    await stand.backendsGone().catch(() => stand.db.terminateOthers());
    const held = await stand.db.rows('SELECT id::text FROM webhook_deliveries WHERE lease_until IS NOT NULL');
    stand.ledger.expose(held.map((row) => row.id));
    await stand.expireLocks();
    await stand.expireLeases();
    // Another process does all of it meanwhile.
    const done = await stand.cli(['run', 'webhook-retry', '--budget', '60']);
    assert.equal(done.code, 0, done.stderr);
    const before = await stand.db.rows(`SELECT id, attempts, delivered_at FROM webhook_deliveries WHERE status = 'delivered' ORDER BY id`);
    for (const pid of frozen) process.kill(pid, 'SIGCONT');
    await call;
    const after = await stand.db.rows(`SELECT id, attempts, delivered_at FROM webhook_deliveries WHERE id = ANY($1) ORDER BY id`,
      [before.map((row) => row.id)]);
    assert.deepEqual(after, before);
  }
  await stand.drain();
  const verdict = mustHold(stand.ledger, await stand.rows());
  assert.equal(verdict.done, verdict.enqueued);
  report(t, 'frozen process', { rounds, items: verdict.enqueued, requests: verdict.requests, duplicates: verdict.duplicates });
});


// The same without any help from the test: the lock and the leases run out by themselves, so the
// process that wakes can see by its own clock that its items are no longer its own.
if (full) test('a process that was frozen for longer than its leases sends nothing that was waiting', async (t) => {
  const stand = await begin(t);
  const call = stand.call('webhook-retry', { timeoutMs: 90_000 });
  await moment(150);
  const frozen = stand.pool.processes();
  for (const pid of frozen) process.kill(pid, 'SIGSTOP');
  t.after(() => frozen.forEach((pid) => killNow(pid, 'SIGCONT')));
  await stand.backendsGone().catch(() => stand.db.terminateOthers());
  const held = await stand.db.rows('SELECT id::text FROM webhook_deliveries WHERE lease_until IS NOT NULL');
  stand.ledger.expose(held.map((row) => row.id));
  await until(async () => {
    const done = await stand.cli(['run', 'webhook-retry', '--budget', '60']);
    return done.code === 0 && await stand.openCount() === 0;
  }, { what: 'another process to deliver all of it', timeoutMs: 60_000, everyMs: 500 });
  for (const pid of frozen) process.kill(pid, 'SIGCONT');
  await call;
  const verdict = mustHold(stand.ledger, await stand.rows());
  assert.equal(verdict.done, verdict.enqueued);
  // What it had in the air, and what had landed; not the backlog that it had claimed.
  assert.ok(verdict.duplicates <= 200, `${verdict.duplicates} duplicates of ${held.length} held`);
  report(t, 'frozen past its leases', { held: held.length, requests: verdict.requests, duplicates: verdict.duplicates });
});
