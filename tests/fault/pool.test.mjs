// The pool: every process ends when told, comes back when killed, and is replaced without a 502.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isAlive, killNow } from '../lib/process.mjs';
import { random } from '../lib/random.mjs';
import { Receiver } from '../lib/receiver.mjs';
import { Site } from '../lib/site.mjs';
import { report, size } from '../lib/sizes.mjs';
import { ROUTE, Stand } from '../lib/stand.mjs';
import { load, many, until } from '../lib/wait.mjs';

const tally = (answers) => {
  const counts = {};
  for (const { status } of answers) counts[status] = (counts[status] ?? 0) + 1;
  return counts;
};

test('SIGTERM under load: each process exits within 1 s after its running call, no call is lost', async (t) => {
  const stand = await Stand.create();
  t.after(() => stand.end());
  const pool = await stand.startPool({ size: 4 });
  const draw = random('sigterm');
  const stop = load(t, 6, () => pool.call('GET', '/healthz'));
  const terms = size(150, 300);
  const took = [];
  for (let n = 0; n < terms; n++) {
    const pid = draw.pick(await until(() => pool.processes().length > 0 && pool.processes(), { what: 'a process', everyMs: 1 }));
    const began = Date.now();
    killNow(pid, 'SIGTERM');
    await until(() => !isAlive(pid), { what: `process ${pid} to exit`, timeoutMs: 5000, everyMs: 1 });
    took.push(Date.now() - began);
  }
  const counts = tally(await stop());
  await pool.whenFull();
  assert.deepEqual(Object.keys(counts), ['200'], JSON.stringify(counts));
  assert.ok(Math.max(...took) <= 1000, `one took ${Math.max(...took)} ms`);
  report(t, 'SIGTERM under load', { terms: took.length, calls: counts[200], 'slowest exit': `${Math.max(...took)} ms` });
});

test('SIGTERM in a run: it settles, hands back, answers, and exits', async (t) => {
  const stand = await Stand.create();
  t.after(() => stand.end());
  await stand.endpoint('/slow/300');
  const pool = await stand.startPool({ size: 1 });
  const rounds = size(3, 20);
  const took = [];
  for (let n = 0; n < rounds; n++) {
    await stand.enqueue(200);
    const seen = stand.receiver.requests.length;
    const call = stand.call('webhook-retry');
    await until(() => stand.receiver.requests.length > seen, { what: 'the run to send' });
    const [pid] = pool.processes();
    process.kill(pid, 'SIGTERM');
    const answer = await call;
    const answered = Date.now();
    assert.equal(answer.status, 200, answer.body);
    assert.equal(answer.json.run.more, true);
    await until(() => !isAlive(pid), { what: 'the process to exit', timeoutMs: 3000, everyMs: 1 });
    took.push(Date.now() - answered);
    assert.equal(await stand.takenCount(), 0);
    assert.equal((await stand.execution(answer.json.run.id)).status, 'success');
    await pool.whenFull();
  }
  assert.ok(Math.max(...took) <= 1000, `${Math.max(...took)} ms`);
  report(t, 'SIGTERM in a run', { rounds, 'slowest exit after the answer': `${Math.max(...took)} ms` });
});

test('100 kills in 10 s: the pool is full again within 2 s', async (t) => {
  const stand = await Stand.create();
  t.after(() => stand.end());
  const pool = await stand.startPool({ size: 7 });
  const draw = random('storm');
  const [kills, seconds] = size([50, 5], [100, 10]);
  const supervisor = pool.pid;
  const stop = load(t, 4, () => pool.call('GET', '/healthz'));
  const began = Date.now();
  let victim;
  for (let n = 0; n < kills; n++) {
    await until(() => Date.now() >= began + (n * seconds * 1000) / kills, { everyMs: 5 });
    victim = draw.pick(pool.processes());
    if (victim) killNow(victim);
  }
  const last = Date.now();
  await until(() => !victim || !isAlive(victim), { what: 'the last victim to be gone', everyMs: 1 });
  await pool.whenFull(2000);
  const fullAfter = Date.now() - last;
  const counts = tally(await stop());
  assert.ok(isAlive(supervisor) && pool.pid === supervisor, 'the supervisor has not given up');
  assert.deepEqual([...new Set((await many(20, 4, () => pool.call('GET', '/healthz'))).map((answer) => answer.status))], [200]);
  const failed = counts[0] ?? 0;
  assert.ok(failed <= kills, `${failed} calls failed with ${kills} kills`);
  report(t, 'kill storm', { kills, 'full again after': `${fullAfter} ms`, calls: counts[200], failed });
});

test('rolling restarts under load through nginx: no 502', async (t) => {
  const site = await Site.start({ env: { RATE_LIMIT: '9000r/s', RATE_BURST: '9000' } });
  t.after(() => site.end());
  const receiver = await Receiver.start({ host: '127.0.0.1' });
  await site.query(`INSERT INTO app_webhooks (url, secret) VALUES ($1, 'a plain secret')`, [receiver.url('/slow/20')]);
  const restarts = size(8, 20);
  let answered = 0;
  const stopReads = load(t, 4, async () => {
    const answer = await site.call('GET', '/readyz');
    answered++;
    return answer;
  });
  const stopRuns = load(t, 1, async () => {
    await site.query(`INSERT INTO platform_events (event_type, payload) SELECT 'rolling', '{}' FROM generate_series(1, 20)`);
    return site.authorized('POST', `${ROUTE['webhook-retry']}?busy=200`);
  });
  for (let n = 0; n < restarts; n++) {
    for (const pool of ['api', 'workers']) {
      const before = site.processes(pool);
      process.kill(site.pid(pool), 'SIGUSR2');
      await until(() => {
        const now = site.processes(pool);
        return now.length === before.length && now.every((pid) => !before.includes(pid));
      }, { what: `pool ${pool} to be replaced`, timeoutMs: 15_000 });
      const soFar = answered;
      await until(() => answered >= soFar + 20, { what: '20 more answers' });
    }
  }
  const reads = tally(await stopReads());
  const runs = tally(await stopRuns());
  assert.deepEqual(Object.keys(reads), ['200'], JSON.stringify(reads));
  assert.deepEqual(Object.keys(runs), ['200'], JSON.stringify(runs));
  await site.authorized('POST', ROUTE['webhook-retry']);
  const [left] = await site.query(`SELECT count(*)::int AS n FROM webhook_deliveries WHERE status <> 'delivered'`);
  assert.equal(left.n, 0);
  assert.equal(new Set(receiver.requests.map((one) => one.id)).size, receiver.requests.length, 'nothing twice');
  report(t, 'rolling restarts', { restarts: restarts * 2, reads: reads[200], runs: runs[200], deliveries: receiver.requests.length, 502: 0 });
});
