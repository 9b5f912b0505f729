// Jobs that wait for one another: dependencies and concurrency keys, through real runs.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, beforeEach, test } from 'node:test';
import { Jobs } from '../lib/jobs.mjs';

const jobs = await Jobs.create({ env: { RUN_BUDGET_S: '60' } });
after(() => jobs.end());
beforeEach(() => jobs.clear());

const enqueue = (list) => jobs.db.rows('SELECT * FROM enqueue_jobs($1::jsonb)', [JSON.stringify(list)]);

// The time at which the receiver had each job, by id.
const arrivals = () => new Map(jobs.receiver.requests.map(({ id }, n) => [id, n]));

function mustBeInOrder(list) {
  const at = arrivals();
  assert.equal(at.size, list.length);
  for (const { id, depends_on: before = [] } of list)
    for (const one of before) assert.ok(at.get(one) < at.get(id), `${one} before ${id}`);
}

test('1,000 jobs in chains and diamonds finish in dependency order, in one run', async () => {
  await jobs.http('ok', '/ok');
  const list = [];
  const add = (depends_on) => {
    list.push({ id: randomUUID(), job_type: 'ok', depends_on });
    return list.at(-1).id;
  };
  let last = add([]);
  for (let n = 1; n < 400; n++) last = add([last]);
  for (let n = 0; n < 100; n++) {
    const top = add([]);
    const sides = Array.from({ length: 4 }, () => add([top]));
    add(sides);
  }
  assert.equal(list.length, 1000);
  await enqueue([...list].reverse());
  assert.equal(await jobs.db.value(`SELECT count(*)::int FROM jobs WHERE status = 'blocked'`), 899);
  const reply = await jobs.run({ args: ['--budget', '60'] });
  assert.deepEqual([reply.succeeded, reply.failed, reply.run.more], [1000, 0, false]);
  mustBeInOrder(list);
  assert.deepEqual(await jobs.db.rows(`SELECT DISTINCT status, attempts, open_dependencies, lost FROM jobs`),
    [{ status: 'completed', attempts: 1, open_dependencies: 0, lost: 0 }]);
});

test('jobs whose dependency failed fail with that reason, or run all the same when asked to', async () => {
  await jobs.http('ok', '/ok');
  await jobs.http('gone', '/gone');
  const [bad, child, grandchild, anyway] = Array.from({ length: 4 }, () => randomUUID());
  await enqueue([
    { id: bad, job_type: 'gone' },
    { id: child, job_type: 'ok', depends_on: [bad] },
    { id: grandchild, job_type: 'ok', depends_on: [child] },
    { id: anyway, job_type: 'ok', depends_on: [bad, grandchild], on_dependency_failure: 'run' },
  ]);
  await jobs.run();
  assert.deepEqual((await Promise.all([bad, child, grandchild, anyway].map((id) => jobs.job(id)))).map(({ status }) => status),
    ['failed', 'failed', 'failed', 'completed']);
  assert.match((await jobs.job(child)).error_message, new RegExp(`its dependency ${bad} failed: HTTP 410`));
  assert.equal((await jobs.job(grandchild)).attempts, 0);
});

test('while something long is under way, what others free goes on at once', async () => {
  await jobs.http('ok', '/ok');
  await jobs.http('slow', '/slow/6000');
  const list = Array.from({ length: 20 }, () => ({ id: randomUUID(), job_type: 'ok', depends_on: [] }));
  for (let n = 1; n < list.length; n++) list[n].depends_on = [list[n - 1].id];
  await enqueue([{ job_type: 'slow' }, ...list]);
  await jobs.run();
  // Had each link waited for the long one, none but the first would have come before its end.
  assert.equal(await jobs.db.value(
    `SELECT count(*)::int FROM jobs WHERE job_type = 'ok' AND completed_at < (SELECT completed_at FROM jobs WHERE job_type = 'slow')`), 20);
});

test('no key has more under way than its limit, and none stands still', async () => {
  await jobs.http('slow', '/slow/10');
  const limits = { one: 1, two: 2, three: 3 };
  const keyOf = new Map();
  for (const [key, limit] of Object.entries(limits))
    for (const id of await jobs.addMany('slow', 60, { concurrency_key: key, concurrency_limit: limit })) keyOf.set(id, key);
  await jobs.addMany('slow', 60);
  const under = { one: 0, two: 0, three: 0 }, most = { ...under };
  const follow = (one, response) => {
    const key = keyOf.get(one.id);
    if (!key) return;
    most[key] = Math.max(most[key], ++under[key]);
    response.once('close', () => under[key]--);
  };
  jobs.receiver.on('request', follow);
  const reply = await jobs.run({ env: { JOB_MAX_CONCURRENT: '12' }, args: ['--budget', '60'] });
  jobs.receiver.off('request', follow);
  assert.equal(reply.succeeded, 240);
  assert.deepEqual(most, limits);
  assert.equal(await jobs.db.value('SELECT count(*)::int FROM job_slots'), 0);
});

test('finished jobs are told to those who subscribe, and to nobody else', async () => {
  await jobs.http('ok', '/ok');
  await jobs.http('gone', '/gone');
  await jobs.add('ok');
  await jobs.run();
  assert.equal(await jobs.db.value('SELECT count(*)::int FROM platform_events'), 0);
  await jobs.stand.endpoint('/ok/hook', { events: ['job.*'] });
  const ids = [await jobs.add('ok'), await jobs.add('gone')];
  await jobs.run();
  const events = await jobs.db.rows('SELECT event_type, payload FROM platform_events ORDER BY event_type');
  assert.deepEqual(events.map(({ event_type, payload }) => [event_type, payload.id]), [['job.completed', ids[0]], ['job.failed', ids[1]]]);
  assert.equal(await jobs.db.value('SELECT count(*)::int FROM webhook_deliveries'), 2);
});
