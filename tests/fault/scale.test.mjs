// Size does not matter: a million old rows cost the process no more memory than a thousand, and
// thousands of requests and deliveries leave nothing behind.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { memoryKb, openFiles } from '../lib/process.mjs';
import { report, size } from '../lib/sizes.mjs';
import { ROUTE, Stand } from '../lib/stand.mjs';
import { many } from '../lib/wait.mjs';

const SMALL = 1000;
const LARGE = size(100_000, 1_000_000);
const GROWTH_MAX_KB = 1024;

const oldEvents = (stand, count) => stand.db.rows(
  `INSERT INTO platform_events (event_type, payload, created_at)
   SELECT 'old', jsonb_build_object('n', n, 'text', repeat('x', 200)), now() - interval '91 days' FROM generate_series(1, $1::int) n`, [count]);
const expired = (stand, count) => stand.db.rows(
  `INSERT INTO platform_notifications (user_id, title, expires_at)
   SELECT gen_random_uuid(), 't', now() - interval '1 s' FROM generate_series(1, $1::int) n`, [count]);

for (const [worker, fill, key] of [['data-archival', oldEvents, 'archived_events'], ['notification-expiry', expired, 'expired']]) {
  test(`${worker}: ${LARGE} rows need no more memory than ${SMALL}`, async (t) => {
    const stand = await Stand.create({ env: { RUN_BUDGET_S: '3600' } });
    t.after(() => stand.end());
    const pool = await stand.startPool({ size: 1 });
    await fill(stand, SMALL);
    assert.equal((await stand.call(worker)).json[key], SMALL);
    const [pid] = pool.processes();
    const before = memoryKb(pid);
    await fill(stand, LARGE);
    const answer = await stand.call(worker, { timeoutMs: 600_000 });
    assert.equal(answer.json[key], LARGE);
    const grown = memoryKb(pid) - before;
    assert.ok(grown <= GROWTH_MAX_KB, `grew by ${grown} kB`);
    if (worker === 'data-archival')
      assert.equal(await stand.db.value('SELECT count(*)::int FROM platform_events_archive'), SMALL + LARGE);
    report(t, `${worker} of many rows`, { rows: LARGE, seconds: (answer.ms / 1000).toFixed(1), 'memory grown': `${grown} kB`, 'RssAnon': `${memoryKb(pid)} kB` });
  });
}

test('requests and deliveries leave nothing behind in a process', async (t) => {
  const stand = await Stand.create({ env: { PROCESS_REQUESTS_MAX: '0', LOG_LEVEL: 'error', RUN_BUDGET_S: '60' } });
  t.after(() => stand.end());
  const pool = await stand.startPool({ size: 1 });
  await stand.endpoint('/ok/memory');
  const [deliveries, requests] = size([5000, 5000], [20_000, 10_000]);
  const [pid] = pool.processes();
  const headers = { authorization: `Bearer ${stand.key}` };
  const kinds = [
    () => pool.call('GET', '/healthz'),
    () => pool.call('GET', '/readyz'),
    () => pool.call('POST', ROUTE['webhook-retry'], { headers: { authorization: 'Bearer of-nothing-good-at-all' }, body: 'x'.repeat(500) }),
    () => pool.call('GET', '/api/cron/executions/00000000-0000-4000-8000-000000000000', { headers }),
  ];
  const calls = (count) => many(count, 4, (i) => kinds[i % kinds.length]());
  const deliver = async (count) => {
    await stand.enqueue(count);
    assert.equal((await stand.call('webhook-retry', { timeoutMs: 90_000 })).json.succeeded, count);
  };
  // malloc's own memory settles within a few runs.
  for (let i = 0; i < 8; i++) await deliver(deliveries / 10);
  await calls(requests / 2);
  const before = memoryKb(pid);
  const files = openFiles(pid);
  await calls(requests / 2);
  assert.ok(memoryKb(pid) - before <= 16, `requests alone: grew by ${memoryKb(pid) - before} kB`);
  for (let i = 0; i < 2; i++) await deliver(deliveries / 10);
  const grown = memoryKb(pid) - before;
  assert.ok(grown <= 256, `grew by ${grown} kB`);
  assert.ok(memoryKb(pid) < 12 * 1024, `${memoryKb(pid)} kB of anonymous memory`);
  assert.ok(openFiles(pid) <= files, `${openFiles(pid)} descriptors, ${files} before`);
  report(t, 'a process after much work', { requests, deliveries, RssAnon: `${memoryKb(pid)} kB`, grown: `${grown} kB` });
});
