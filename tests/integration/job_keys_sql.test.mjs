// Keys by SQL: one live job per unique_key, whoever enqueues at once; and slots of concurrency keys,
// which no way to end or take a lease can lose.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { beforeEach, test } from 'node:test';
import { random } from '../lib/random.mjs';
import { manySessions } from '../lib/sessions.mjs';
import { many, until } from '../lib/wait.mjs';

const { db, rows } = await manySessions();
beforeEach(() => db.rows('TRUNCATE jobs, job_dependencies, job_slots'));

const job = (id) => db.one('SELECT * FROM jobs WHERE id = $1', [id]);
const enqueue = (jobs) => rows('SELECT * FROM enqueue_jobs($1) ORDER BY n', [JSON.stringify(jobs)]);
const keyed = async (options = {}, query = rows) => (await query('SELECT * FROM enqueue_jobs($1)', [JSON.stringify({ type: 'a', unique_key: 'k', ...options })]))[0];
const lease = (id, interval = '1 minute') => rows(
  `UPDATE jobs SET status = 'processing', claim_token = gen_random_uuid(), lease_until = clock_timestamp() + $2::interval WHERE id = $1`, [id, interval]);
const end = (id, status = 'completed') => rows(
  `UPDATE jobs SET status = $2, waits_until = NULL, lease_until = NULL, claim_token = NULL WHERE id = $1`, [id, status]);
const conflict = (pattern) => (e) => {
  assert.equal(e.code, 'CW409', e.message);
  assert.match(e.message, pattern);
  return true;
};

// unique_key ---------------------------------------------------------------------------------------

test('keep: the live job stays as it is, and its id is the answer', async () => {
  const first = await keyed({ payload: { n: 1 } });
  assert.equal(first.is_new, true);
  assert.deepEqual(await keyed({ payload: { n: 2 } }), { n: 0, id: first.id, is_new: false });
  assert.equal(await db.value(`SELECT enqueue_job('a', '{"n": 3}', unique_key => 'k')`), first.id);
  assert.deepEqual((await job(first.id)).payload, { n: 1 });
  await lease(first.id);
  assert.equal((await keyed()).id, first.id, 'one that is processed is live');
  await end(first.id);
  const next = await keyed();
  assert.ok(next.is_new && next.id !== first.id, 'one that has ended is not');
});

test('replace: a job that has not begun becomes the new one, with all its tries', async () => {
  const { id } = await keyed({ payload: { n: 1 }, priority: 5, concurrency_key: 'c', concurrency_limit: 3 });
  await rows(`UPDATE jobs SET attempts = 3, error_message = 'e', waits_until = now() + interval '8 min' WHERE id = $1`, [id]);
  const at = new Date(Date.now() + 3_600_000);
  assert.deepEqual(await keyed({ type: 'b', payload: { n: 2 }, queue: 'q', max_attempts: 2, run_at: at.toISOString(), on_conflict: 'replace' }), { n: 0, id, is_new: false });
  const row = await job(id);
  assert.deepEqual([row.job_type, row.payload, row.queue, row.priority, row.max_attempts, row.attempts, row.error_message, row.concurrency_key, row.run_at, row.waits_until],
    ['b', { n: 2 }, 'q', 0, 2, 0, null, null, at, at]);
  await keyed({ on_conflict: 'replace' });
  assert.ok(await db.value('SELECT waits_until <= clock_timestamp() FROM jobs'));
});

test('replace: the new one is not done because the old one was, nor stopped because that was to be', async () => {
  const { id } = await keyed({ payload: { n: 1 } });
  // As a run leaves a job that it had to hand back when its function had just committed, or to stop.
  await rows(`UPDATE jobs SET performed_at = now(), started_at = now(), result = '1', cancel_requested_at = now() WHERE id = $1`, [id]);
  await keyed({ payload: { n: 2 }, on_conflict: 'replace' });
  const { payload, performed_at, started_at, result, cancel_requested_at } = await job(id);
  assert.deepEqual([payload, performed_at, started_at, result, cancel_requested_at], [{ n: 2 }, null, null, null, null]);
});

test('replace: its dependencies are those that are said now', async () => {
  const [a, b] = (await enqueue([{ type: 'x' }, { type: 'y' }])).map(({ id }) => id);
  const { id } = await keyed({ depends_on: [a] });
  await keyed({ on_conflict: 'replace', depends_on: [b] });
  assert.deepEqual((await rows('SELECT depends_on FROM job_dependencies WHERE job_id = $1', [id])).map((row) => row.depends_on), [b]);
  assert.deepEqual([(await job(id)).status, (await job(id)).open_dependencies], ['blocked', 1]);
  await keyed({ on_conflict: 'replace' });
  assert.equal((await job(id)).status, 'pending');
});

test('replace: one that is processed gives up its key, and the new one stands beside it', async () => {
  const { id } = await keyed({ payload: { n: 1 } });
  await lease(id);
  const next = await keyed({ payload: { n: 2 }, on_conflict: 'replace' });
  assert.ok(next.is_new && next.id !== id);
  const old = await job(id);
  assert.deepEqual([old.unique_key, old.status, old.payload], [null, 'processing', { n: 1 }]);
  assert.equal((await keyed()).id, next.id);
});

test('replace: nor is one taken back that the application itself processes', async () => {
  const { id } = await keyed();
  await db.rows(`UPDATE jobs SET status = 'processing' WHERE id = $1`, [id]);
  const next = await keyed({ on_conflict: 'replace' });
  assert.ok(next.is_new && next.id !== id);
  const old = await job(id);
  assert.deepEqual([old.unique_key, old.status, old.waits_until], [null, 'processing', Infinity]);
});

test('reject: CW409, which says who has the key', async () => {
  const { id } = await keyed();
  await assert.rejects(keyed({ on_conflict: 'reject' }), conflict(new RegExp(`^unique_key k is that of job ${id}, which is pending$`)));
  await assert.rejects(enqueue([{ type: 'b' }, { type: 'a', unique_key: 'k', on_conflict: 'reject' }]), conflict(/^jobs\[1\]: unique_key k/));
  await lease(id);
  await assert.rejects(rows(`SELECT enqueue_job('a', unique_key => 'k', on_conflict => 'reject')`), conflict(/which is processing$/));
  assert.equal(await db.value('SELECT count(*)::int FROM jobs'), 1, 'all or none');
  await end(id, 'failed');
  assert.ok((await keyed({ on_conflict: 'reject' })).is_new);
});

test('the same key twice in one list', async () => {
  const same = (more) => ['x', 'y', 'z'].map((text) => ({ type: 'a', unique_key: 'k', payload: { text }, ...more }));
  const kept = await enqueue(same({}));
  assert.deepEqual([new Set(kept.map(({ id }) => id)).size, kept.map((one) => one.is_new)], [1, [true, false, false]]);
  assert.deepEqual((await job(kept[0].id)).payload, { text: 'x' });
  const replaced = await enqueue(same({ on_conflict: 'replace' }));
  assert.deepEqual(replaced.map((one) => [one.id, one.is_new]), kept.map(({ id }) => [id, false]));
  assert.deepEqual((await job(kept[0].id)).payload, { text: 'z' });
  await end(kept[0].id);
  await assert.rejects(enqueue(same({ on_conflict: 'reject' })), conflict(/^jobs\[1\]: unique_key k/));
});

test('many sessions at once with one key: one job', async () => {
  for (const way of ['keep', 'replace']) {
    const made = await many(64, 16, () => keyed({ on_conflict: way, unique_key: `at once ${way}` }));
    assert.equal(made.filter((one) => one.is_new).length, 1, way);
    assert.equal(new Set(made.map(({ id }) => id)).size, 1, way);
  }
  const answers = await many(32, 16, () => keyed({ on_conflict: 'reject', unique_key: 'at once reject' }).then(() => 'made', (e) => e.code));
  assert.deepEqual([answers.filter((one) => one === 'made').length, answers.filter((one) => one === 'CW409').length], [1, 31]);
  assert.equal(await db.value('SELECT count(*)::int FROM jobs'), 3);
});

test('lists of the same keys in any order, and jobs that end meanwhile: one live job per key, no deadlock', async () => {
  const draw = random('lists of keys');
  const keys = Array.from({ length: 20 }, (_, n) => `key ${n}`);
  const shuffled = () => keys.map((key) => [draw.fraction(), key]).sort(([a], [b]) => a - b).map(([, key]) => key);
  await many(60, 12, async (n) => {
    if (n % 3 === 2) return rows(`UPDATE jobs SET status = 'completed', waits_until = NULL WHERE id IN (SELECT id FROM jobs WHERE waits_until IS NOT NULL ORDER BY id LIMIT 5 FOR NO KEY UPDATE SKIP LOCKED)`);
    const made = await enqueue(shuffled().map((key) => ({ type: 'a', unique_key: key, on_conflict: n % 2 ? 'keep' : 'replace' })));
    assert.equal(made.length, keys.length);
    return assert.deepEqual(made.map((one) => one.n), keys.map((_, i) => i));
  });
  const live = await rows('SELECT unique_key, count(*)::int AS n FROM jobs WHERE waits_until IS NOT NULL GROUP BY 1 HAVING count(*) > 1');
  assert.deepEqual(live, []);
});

test('who enqueues a key that another transaction has just taken waits for its end', async () => {
  for (const how of ['COMMIT', 'ROLLBACK']) {
    await db.session((one) => db.session(async (two) => {
      const [{ pid }] = await two('SELECT pg_backend_pid() AS pid');
      await one('BEGIN');
      const first = await keyed({ unique_key: how }, one);
      const other = keyed({ unique_key: how }, two);
      await until(() => db.value(`SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = $1`, [pid]), { what: 'the second to wait' });
      await one(how);
      const second = await other;
      assert.deepEqual([second.is_new, second.id === first.id], how === 'COMMIT' ? [false, true] : [true, false]);
    }));
  }
});

test('a key that a job of somebody else has, whom one may not see', async () => {
  const role = `member_${process.pid}`;
  const [user, workspace] = [randomUUID(), randomUUID()];
  await keyed();
  await rows('INSERT INTO workspace_members (workspace_id, user_id) VALUES ($1, $2)', [workspace, user]);
  await rows(`CREATE ROLE ${role}; GRANT SELECT, INSERT ON jobs TO ${role}; GRANT SELECT (job_type, defaults) ON job_types TO ${role};
              GRANT SELECT ON workspace_members TO ${role}; CREATE POLICY ins ON jobs FOR INSERT TO ${role} WITH CHECK (true)`);
  try {
    await db.session(async (sql) => {
      await sql(`SET ROLE ${role}; SET app.user_id = '${user}'`);
      assert.ok((await keyed({ workspace_id: workspace, unique_key: 'own' }, sql)).is_new);
      await assert.rejects(keyed({ workspace_id: workspace }, sql), conflict(/^unique_key k is that of a job that you may not see$/));
    });
  } finally {
    await rows(`DROP POLICY ins ON jobs; DROP OWNED BY ${role}; DROP ROLE ${role}`);
  }
});

test('a retried job does not take the key of a live one', async () => {
  const { id } = await keyed();
  await end(id, 'failed');
  const { id: live } = await keyed();
  await assert.rejects(rows('SELECT retry_job($1)', [id]), conflict(/unique_key/));
  await end(id, 'completed');
  await assert.rejects(rows('SELECT retry_job($1, true)', [id]), conflict(new RegExp(`job ${live} is live and has its unique_key, k`)));
  await assert.rejects(rows(`UPDATE jobs SET status = 'pending' WHERE id = $1`, [id]), (e) => e.code === '23505');
});

// concurrency_key ------------------------------------------------------------------------------------

// Jobs of a key: the first has its slot and a lease, the others stand in line.
async function line(count, more = {}) {
  const made = (await enqueue(Array.from({ length: count }, () => ({ type: 'a', concurrency_key: 'c', ...more })))).map(({ id }) => id);
  await lease(made[0]);
  await rows('INSERT INTO job_slots VALUES (\'c\', 1, $1)', [made[0]]);
  await rows(`UPDATE jobs SET waits_until = 'infinity' WHERE id = ANY ($1)`, [made.slice(1)]);
  return made;
}
const inLine = async () => (await rows(`SELECT id FROM jobs WHERE waits_until = 'infinity' ORDER BY priority DESC, run_at, id`)).map(({ id }) => id);
const slots = () => rows('SELECT slot, job_id FROM job_slots');

const ends = {
  'settled as done': (id) => end(id),
  'settled as failed': (id) => end(id, 'failed'),
  'handed back': (id) => rows(`UPDATE jobs SET status = 'pending', lease_until = NULL, claim_token = NULL, waits_until = now() + interval '1 min' WHERE id = $1`, [id]),
  'deleted': (id) => rows('DELETE FROM jobs WHERE id = $1', [id]),
  'set by the application, when its lease was over': async (id) => {
    await lease(id, '-1 minute');
    await rows(`UPDATE jobs SET status = 'failed' WHERE id = $1`, [id]);
  },
};
for (const [how, act] of Object.entries(ends)) {
  test(`a lease that ends frees its slot and one of the line: ${how}`, async () => {
    const [first, second, third] = await line(3);
    await act(first);
    assert.deepEqual(await slots(), []);
    assert.deepEqual(await inLine(), [third]);
    const free = await job(second);
    assert.deepEqual([free.status, free.waits_until], ['pending', free.run_at]);
  });
}

test('the most urgent of the line comes first, then the oldest; another key has nothing from it', async () => {
  const [first, second, third] = await line(3);
  const urgent = await db.value(`SELECT enqueue_job('a', concurrency_key => 'c', priority => 'high')`);
  const other = await db.value(`SELECT enqueue_job('a', concurrency_key => 'd')`);
  await rows(`UPDATE jobs SET waits_until = 'infinity' WHERE id = ANY ($1)`, [[urgent, other]]);
  await end(first);
  assert.deepEqual((await inLine()).sort(), [second, third, other].sort());
  await rows('INSERT INTO job_slots VALUES (\'c\', 1, $1), (\'c\', 2, gen_random_uuid()), (\'c\', 3, gen_random_uuid())', [urgent]);
  await rows(`DELETE FROM job_slots WHERE concurrency_key = 'c'`);
  assert.deepEqual(await inLine(), [other]);
});

test('a blocked job does not stand in line', async () => {
  const needed = await db.value(`SELECT enqueue_job('x')`);
  const [first] = await line(1);
  const blocked = await db.value(`SELECT enqueue_job('a', concurrency_key => 'c', depends_on => $1)`, [[needed]]);
  await end(first);
  assert.equal((await job(blocked)).status, 'blocked');
  assert.deepEqual(await inLine(), [blocked]);
});

test('a lease that is renewed or taken again keeps its slot', async () => {
  const [first] = await line(2);
  await rows(`UPDATE jobs SET claim_token = gen_random_uuid(), lease_until = clock_timestamp() + interval '1 hour' WHERE id = $1`, [first]);
  assert.deepEqual(await slots(), [{ slot: 1, job_id: first }]);
  assert.equal((await inLine()).length, 1);
});

test('many slots freed at once, by several sessions: each frees its own, and none twice', async () => {
  const made = (await enqueue(Array.from({ length: 60 }, () => ({ type: 'a', concurrency_key: 'c', concurrency_limit: 20 })))).map(({ id }) => id);
  const running = made.slice(0, 20);
  await rows(`UPDATE jobs SET status = 'processing', claim_token = gen_random_uuid(), lease_until = now() + interval '1 min' WHERE id = ANY ($1)`, [running]);
  await rows(`INSERT INTO job_slots SELECT 'c', n, id FROM unnest($1::uuid[]) WITH ORDINALITY u (id, n)`, [running]);
  await rows(`UPDATE jobs SET waits_until = 'infinity' WHERE lease_until IS NULL`);
  await many(10, 5, (n) => rows(
    `UPDATE jobs SET status = 'completed', waits_until = NULL, lease_until = NULL, claim_token = NULL WHERE id = ANY ($1)`, [running.slice(n * 2, n * 2 + 2)]));
  assert.deepEqual(await slots(), []);
  assert.equal((await inLine()).length, 20);
  assert.equal(await db.value(`SELECT count(*)::int FROM jobs WHERE waits_until <= clock_timestamp()`), 20);
});
