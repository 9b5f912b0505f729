// Dependencies, kept by triggers: whatever ends a job, its dependents go on or fail with it, and no
// cycle comes in, whoever else is at work.  Jobs are ended here by plain SQL.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { beforeEach, test } from 'node:test';
import { random } from '../lib/random.mjs';
import { manySessions } from '../lib/sessions.mjs';
import { until } from '../lib/wait.mjs';

const { stand, db, pool, rows } = await manySessions();
beforeEach(() => db.rows('TRUNCATE jobs, job_dependencies, job_logs, job_slots'));

const enqueue = (jobs) => rows('SELECT * FROM enqueue_jobs($1)', [JSON.stringify(jobs)]);
const job = (id) => db.one('SELECT * FROM jobs WHERE id = $1', [id]);
const end = (id, status = 'completed', error = null) => rows(
  `UPDATE jobs SET status = $2, waits_until = NULL, completed_at = clock_timestamp(), error_message = $3,
          dead_at = CASE WHEN $2 = 'failed' THEN clock_timestamp() END WHERE id = $1`, [id, status, error]);
const depend = (a, b, sql = rows) => sql('INSERT INTO job_dependencies (job_id, depends_on) VALUES ($1, $2)', [a, b]);
const refusal = (code, pattern) => (e) => {
  assert.equal(e.code, code, e.message);
  assert.match(e.message, pattern);
  return true;
};

// Jobs a, b, … as { name: [names that it depends on] }; the ids by name.
async function workflow(graph, more = {}) {
  const ids = Object.fromEntries(Object.keys(graph).map((name) => [name, randomUUID()]));
  await enqueue(Object.entries(graph).map(([name, on]) => ({ type: name, id: ids[name], depends_on: on.map((one) => ids[one]), ...more[name] })));
  return ids;
}
const states = async () => Object.fromEntries((await rows('SELECT job_type, status FROM jobs')).map((row) => [row.job_type, row.status]));

// What must hold of every job at any time.
async function mustBeConsistent() {
  const bad = await rows(`
    SELECT j.id, j.status, j.waits_until, j.open_dependencies, o.n
      FROM jobs j CROSS JOIN LATERAL (SELECT count(*)::int AS n FROM job_dependencies d WHERE d.job_id = j.id AND d.is_open) o
     WHERE j.waits_until IS NOT NULL AND (j.open_dependencies <> o.n OR (j.status = 'blocked') <> (o.n > 0) OR (o.n > 0) <> (j.waits_until = 'infinity'))
        OR EXISTS (SELECT FROM job_dependencies d WHERE d.depends_on = j.id AND d.is_open AND j.waits_until IS NULL)`);
  assert.deepEqual(bad, []);
}

test('a diamond: who waits for two is free when both have ended, and not before', async () => {
  const ids = await workflow({ top: [], left: ['top'], right: ['top'], last: ['left', 'right'] });
  assert.deepEqual(await states(), { top: 'pending', left: 'blocked', right: 'blocked', last: 'blocked' });
  await end(ids.top);
  assert.deepEqual(await states(), { top: 'completed', left: 'pending', right: 'pending', last: 'blocked' });
  await end(ids.left);
  assert.equal((await job(ids.last)).open_dependencies, 1);
  await end(ids.left); // twice counts once
  await rows(`UPDATE jobs SET waits_until = now() WHERE id = $1`, [ids.left]);
  await end(ids.left);
  assert.equal((await job(ids.last)).status, 'blocked');
  await end(ids.right);
  const last = await job(ids.last);
  assert.deepEqual([last.status, last.open_dependencies, last.waits_until], ['pending', 0, last.run_at]);
  await mustBeConsistent();
});

test('who is free, and not yet due, waits for its time', async () => {
  const ids = await workflow({ top: [], later: ['top'] }, { later: { run_at: new Date(Date.now() + 3_600_000).toISOString() } });
  await end(ids.top);
  const later = await job(ids.later);
  assert.deepEqual([later.status, later.waits_until], ['pending', later.run_at]);
  assert.ok(later.waits_until > new Date());
});

test('a failure takes along all that depends on it, but for those that run anyway and what depends on them', async () => {
  const ids = await workflow({ top: [], child: ['top'], grandchild: ['child'], anyway: ['child'], after: ['anyway'], other: [], both: ['other', 'grandchild'] },
    { anyway: { on_dependency_failure: 'run' } });
  await end(ids.top, 'failed', 'HTTP 500');
  assert.deepEqual(await states(), { top: 'failed', child: 'failed', grandchild: 'failed', anyway: 'pending', after: 'blocked', other: 'pending', both: 'failed' });
  const child = await job(ids.child);
  assert.equal(child.error_message, `its dependency ${ids.top} failed: HTTP 500`);
  assert.ok(child.dead_at && child.completed_at);
  assert.deepEqual([child.attempts, child.open_dependencies], [0, 0]);
  assert.equal((await job(ids.grandchild)).error_message, `its dependency ${ids.child} failed: ${ids.top} failed: HTTP 500`);
  assert.deepEqual((await rows('SELECT level, message FROM job_logs WHERE job_id = $1', [ids.child])),
    [{ level: 'error', message: `failed for good: its dependency ${ids.top} failed: HTTP 500` }]);
  await end(ids.other);
  await mustBeConsistent();
});

test('whoever cancels or deletes a job ends what depends on it as well', async () => {
  const a = await workflow({ a: [], b: ['a'] });
  assert.equal((await rows('SELECT cancel_job($1) AS status', [a.a]))[0].status, 'cancelled');
  assert.equal((await job(a.b)).error_message, `its dependency ${a.a} was cancelled`);
  const c = await workflow({ c: [], d: ['c'], e: ['c'] }, { e: { on_dependency_failure: 'run' } });
  await rows('DELETE FROM jobs WHERE id = $1', [c.c]);
  assert.equal((await job(c.d)).error_message, `its dependency ${c.c} was deleted`);
  assert.equal((await job(c.e)).status, 'pending');
  const f = await workflow({ f: [], g: ['f'] });
  await rows(`UPDATE jobs SET status = 'completed' WHERE id = $1`, [f.f]); // as an application would
  assert.equal((await job(f.g)).status, 'pending');
  await mustBeConsistent();
});

test('a failure is told to those who subscribe', async () => {
  await stand.endpoint('/ok', { events: ['job.failed'] });
  try {
    const ids = await workflow({ a: [], b: ['a'] });
    await end(ids.a, 'failed', 'e');
    const events = await rows(`SELECT event_type, payload->>'id' AS id, payload->>'status' AS status FROM platform_events`);
    assert.deepEqual(events, [{ event_type: 'job.failed', id: ids.b, status: 'failed' }]);
  } finally {
    await rows('DELETE FROM app_webhooks');
  }
});

test('who depends on what has ended already is free, or fails, at once', async () => {
  const [done, failed] = [randomUUID(), randomUUID()];
  await enqueue([{ type: 'done', id: done }, { type: 'failed', id: failed }]);
  await end(done);
  await end(failed, 'failed', 'e');
  const [a, b, c] = await Promise.all([[[done], 'fail'], [[done, failed], 'fail'], [[failed], 'run']].map(([on, way]) =>
    db.value('SELECT enqueue_job(\'x\', depends_on => $1, on_dependency_failure => $2)', [on, way])));
  assert.deepEqual([(await job(a)).status, (await job(b)).status, (await job(c)).status], ['pending', 'failed', 'pending']);
  assert.equal((await job(b)).error_message, `its dependency ${failed} failed: e`);
  await mustBeConsistent();
});

test('dependents of pruned jobs are not blocked, and pruning fires nothing', async () => {
  const ids = await workflow({ a: [], b: ['a'], c: ['b'] });
  await end(ids.a);
  await rows('DELETE FROM jobs WHERE id = $1', [ids.a]);
  assert.deepEqual(await states(), { b: 'pending', c: 'blocked' });
  await assert.rejects(rows('SELECT enqueue_job(\'x\', depends_on => $1)', [[ids.a]]), refusal('CW400', /there is no such job/));
  await end(ids.b, 'failed', 'e');
  await rows('SELECT * FROM retry_jobs(\'{}\')');
  assert.deepEqual(await states(), { b: 'pending', c: 'blocked' });
  await mustBeConsistent();
});

test('an edge that is taken away keeps nobody', async () => {
  const ids = await workflow({ a: [], b: [], c: ['a', 'b'] });
  await rows('DELETE FROM job_dependencies WHERE depends_on = $1', [ids.a]);
  assert.equal((await job(ids.c)).status, 'blocked');
  await rows('DELETE FROM job_dependencies WHERE depends_on = $1', [ids.b]);
  assert.equal((await job(ids.c)).status, 'pending');
  await mustBeConsistent();
});

test('a retried job waits for those of its dependencies that live', async () => {
  const ids = await workflow({ a: [], b: ['a'], c: ['b'] });
  await end(ids.a, 'failed', 'e');
  const retried = await rows('SELECT * FROM retry_jobs(\'{}\')');
  assert.deepEqual([retried.length, await states()], [3, { a: 'pending', b: 'blocked', c: 'blocked' }]);
  await mustBeConsistent();
  for (const [name, next] of [['a', 'b'], ['b', 'c']]) {
    await end(ids[name]);
    assert.equal((await job(ids[next])).status, 'pending');
  }
  // As an application would: the last one alone, all before it being done.
  await end(ids.c, 'failed', 'e');
  await rows(`UPDATE jobs SET status = 'pending' WHERE id = $1`, [ids.c]);
  assert.equal((await job(ids.c)).status, 'pending');
  await mustBeConsistent();
});

test('what cannot be depended on, and who cannot depend any more', async () => {
  const ids = await workflow({ a: [], b: [], c: [], d: [] });
  const none = randomUUID();
  await assert.rejects(depend(ids.a, ids.a), refusal('CW400', /^job \S+ cannot depend on itself$/));
  await assert.rejects(depend(ids.a, none), refusal('CW400', new RegExp(`^job ${ids.a} cannot depend on ${none}: there is no such job$`)));
  await assert.rejects(depend(none, ids.a), refusal('CW400', new RegExp(`there is no job ${none}$`)));
  await end(ids.b);
  await assert.rejects(depend(ids.b, ids.a), refusal('CW409', new RegExp(`^job ${ids.b} cannot depend on ${ids.a} any more: it is completed$`)));
  await rows(`UPDATE jobs SET status = 'processing', claim_token = gen_random_uuid(), lease_until = now() + interval '1 minute' WHERE id = $1`, [ids.c]);
  await rows(`UPDATE jobs SET status = 'processing' WHERE id = $1`, [ids.d]);
  for (const id of [ids.c, ids.d]) await assert.rejects(depend(id, ids.a), refusal('CW409', /it is processing$/));
});

test('a cycle is refused, with the jobs that it goes through', async () => {
  const ids = await workflow({ a: [], b: ['a'], c: ['b'], d: ['c', 'a'] });
  await assert.rejects(depend(ids.a, ids.d), refusal('CW400', /^dependencies go round in a cycle: \S+( depends on \S+){2,4}$/));
  await assert.rejects(depend(ids.a, ids.b), (e) => {
    const [, ...round] = /: (\S+) depends on (\S+) depends on (\S+)$/.exec(e.message);
    assert.equal(round[0], round[2]);
    assert.deepEqual(new Set(round), new Set([ids.a, ids.b]));
    return true;
  });
  const [x, y] = [randomUUID(), randomUUID()];
  await assert.rejects(enqueue([{ type: 'x', id: x, depends_on: [y] }, { type: 'y', id: y, depends_on: [x] }]), refusal('CW400', /in a cycle/));
  // Through an edge of before within one statement, and over an edge that is closed.
  await end(ids.a);
  await rows(`UPDATE jobs SET status = 'pending' WHERE id = $1`, [ids.a]);
  await assert.rejects(depend(ids.a, ids.c), refusal('CW400', /in a cycle/));
  await depend(ids.d, ids.b);
  await mustBeConsistent();
});

// Two sessions, each with one edge of a cycle: one gets through.
for (const [what, graph, first, second] of [
  ['two jobs that nobody knows yet', { a: [], b: [] }, ['a', 'b'], ['b', 'a']],
  ['jobs with nothing in common but edges of before', { a: [], x: ['a'], b: [], y: ['b'] }, ['a', 'y'], ['b', 'x']],
]) {
  test(`a cycle that two sessions close at once is refused: ${what}`, async () => {
    for (let round = 0; round < 5; round++) {
      const ids = await workflow(graph);
      await db.session((one) => db.session(async (two) => {
        const [{ pid }] = await two('SELECT pg_backend_pid() AS pid');
        await one('BEGIN');
        await two('BEGIN');
        await depend(ids[first[0]], ids[first[1]], one);
        const other = depend(ids[second[0]], ids[second[1]], two).then(() => undefined, (e) => e);
        await until(() => db.value(`SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = $1`, [pid]), { what: 'the second to wait for the first' });
        await one('COMMIT');
        refusal('CW400', /^dependencies go round in a cycle/)(await other);
        await two('ROLLBACK');
      }));
      await mustBeConsistent();
    }
  });
}

test('what one statement ends goes on together, each in its way', async () => {
  const names = Array.from({ length: 40 }, (_, n) => `n${n}`);
  const ids = await workflow({ ...Object.fromEntries(names.map((name) => [name, []])), all: names, good: names.slice(0, 20), bad: names.slice(20), anyway: names },
    { anyway: { on_dependency_failure: 'run' } });
  await rows(`UPDATE jobs SET status = CASE WHEN job_type = 'n39' THEN 'failed' ELSE 'completed' END, waits_until = NULL, error_message = 'e' WHERE job_type ~ '^n[0-9]+$'`);
  const { all, good, bad, anyway } = await states();
  assert.deepEqual([all, good, bad, anyway], ['failed', 'pending', 'failed', 'pending']);
  assert.equal((await job(ids.bad)).error_message, `its dependency ${ids.n39} failed: e`);
  await mustBeConsistent();
});

test('nobody ends a job of others by naming it', async () => {
  const ids = await workflow({ a: [], b: ['a'], c: [] });
  await db.session(async (sql) => {
    await sql(`SELECT set_config('cronward.ended', $1, false)`, [ids.a]);
    await sql(`UPDATE jobs SET priority = 1 WHERE job_type = 'c'`);
  });
  assert.deepEqual(await states(), { a: 'pending', b: 'blocked', c: 'pending' });
});

test('ordinary workflows wait for nobody, though they depend on one job', async () => {
  const { a } = await workflow({ a: [], b: ['a'] });
  await db.session((one) => db.session(async (two) => {
    await two(`SET lock_timeout = '5s'`);
    await one('BEGIN');
    await one('SELECT enqueue_job(\'x\', depends_on => $1)', [[a]]);
    await two('SELECT enqueue_job(\'y\', depends_on => $1)', [[a]]);
    await one('COMMIT');
  }));
  await end(a);
  assert.deepEqual(await states(), { a: 'completed', b: 'pending', x: 'pending', y: 'pending' });
});

test('an end and a new dependent at once: whichever is first, nobody waits for ever', async () => {
  for (const endsFirst of [true, false]) {
    const { a } = await workflow({ a: [] });
    await db.session((one) => db.session(async (two) => {
      const ends = (sql) => sql(`UPDATE jobs SET status = 'completed', waits_until = NULL WHERE id = $1`, [a]);
      const comes = (sql) => sql('SELECT enqueue_job(\'x\', depends_on => $1) AS id', [[a]]);
      await one('BEGIN');
      await (endsFirst ? ends : comes)(one);
      const [{ pid }] = await two('SELECT pg_backend_pid() AS pid');
      const other = (endsFirst ? comes : ends)(two);
      await until(() => db.value(`SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = $1`, [pid]), { what: 'the second to wait' });
      await one('COMMIT');
      await other;
    }));
    assert.equal((await states()).x, 'pending', `ends first: ${endsFirst}`);
    await mustBeConsistent();
    await db.rows('TRUNCATE jobs, job_dependencies');
  }
});

// Chains of ten, diamonds of four in layers, and some edges by chance.
function graph(draw, count) {
  const list = [];
  for (let n = 0; n < count; n++) {
    const on = new Set();
    const low = n - (n % 100); // a hundred belong together
    if (n % 100 < 50) { if (n % 10 !== 0) on.add(n - 1); } else {
      const layer = Math.floor((n % 100 - 50) / 5);
      if (layer > 0) for (let k = 0; k < 5; k++) on.add(low + 50 + (layer - 1) * 5 + k);
    }
    if (n > low && draw.between(0, 3) === 0) on.add(low + draw.between(0, n - low - 1));
    list.push({ type: `n${n}`, id: randomUUID(), on: [...on] });
  }
  return list.map(({ on, ...one }) => ({ ...one, depends_on: on.map((n) => list[n].id) }));
}

// Takes and ends jobs that are free, at random, until none is left; ids in the order of their ends.
async function settleAll(draw, lanes, failing = () => false) {
  const ended = [];
  let deadlocks = 0;
  await Promise.all(Array.from({ length: lanes }, async () => {
    for (;;) {
      const client = await pool.connect();
      try {
        const found = (await client.query(
          `WITH c AS (SELECT id FROM jobs WHERE status = 'pending' AND waits_until <= clock_timestamp() ORDER BY random() LIMIT $1 FOR NO KEY UPDATE SKIP LOCKED)
           UPDATE jobs j SET status = CASE WHEN j.job_type = ANY ($2) THEN 'failed' ELSE 'completed' END, waits_until = NULL, result = to_jsonb(clock_timestamp())
             FROM c WHERE j.id = c.id RETURNING j.id`, [draw.between(1, 4), failing()])).rows;
        if (found.length === 0 && (await client.query(`SELECT FROM jobs WHERE waits_until IS NOT NULL LIMIT 1`)).rows.length === 0) return;
        ended.push(...found.map(({ id }) => id));
      } catch (e) {
        if (e.code !== '40P01') throw e; // as settle does: once more
        deadlocks++;
      } finally {
        client.release();
      }
    }
  }));
  return { ended, deadlocks };
}

test('1,000 jobs in chains and diamonds, ended by several sessions at once: each after all that it depends on', { timeout: 120_000 }, async (t) => {
  const draw = random('workflow');
  const list = graph(draw, 1000);
  await enqueue([...list].reverse());
  await mustBeConsistent();
  const { ended, deadlocks } = await settleAll(draw, 6, () => []);
  t.diagnostic(`${deadlocks} deadlocks, each tried again`);
  assert.equal(new Set(ended).size, 1000);
  assert.equal(ended.length, 1000, 'none twice');
  // In the order in which the database has them: a job began after the ends of all that it needs.
  assert.deepEqual(await rows(`SELECT d.job_id FROM job_dependencies d JOIN jobs j ON j.id = d.job_id JOIN jobs p ON p.id = d.depends_on
                                WHERE (p.result #>> '{}')::timestamptz >= (j.result #>> '{}')::timestamptz`), []);
  assert.deepEqual(await rows(`SELECT DISTINCT status, open_dependencies FROM jobs`), [{ status: 'completed', open_dependencies: 0 }]);
  await mustBeConsistent();
});

test('the same with failures: who fails takes along exactly what depends on it', { timeout: 120_000 }, async (t) => {
  const draw = random('failing workflow');
  const list = graph(draw, 1000);
  const byId = new Map(list.map((one) => [one.id, one]));
  const bad = list.filter(() => draw.between(0, 30) === 0);
  await enqueue(list);
  const { deadlocks } = await settleAll(draw, 6, () => bad.map(({ type }) => type));
  t.diagnostic(`${bad.length} fail by themselves, ${deadlocks} deadlocks`);
  const fails = new Map();
  const mustFail = (id) => {
    if (!fails.has(id)) fails.set(id, bad.includes(byId.get(id)) || byId.get(id).depends_on.some(mustFail));
    return fails.get(id);
  };
  const found = await rows('SELECT id, status, error_message FROM jobs');
  for (const { id, status } of found) assert.equal(status, mustFail(id) ? 'failed' : 'completed');
  for (const { id, status, error_message: message } of found.filter((row) => row.status === 'failed' && row.error_message)) {
    const [, on] = /^its dependency (\S+) failed/.exec(message);
    assert.ok(byId.get(id).depends_on.includes(on) && mustFail(on), `${id} ${status}: ${message}`);
  }
  await mustBeConsistent();
});

test('a chain of 5,000 fails in one statement, and does not go down step by step', { timeout: 60_000 }, async () => {
  const list = Array.from({ length: 5000 }, () => ({ type: 'link', id: randomUUID() }));
  await enqueue(list.map((one, n) => (n === 0 ? one : { ...one, depends_on: [list[n - 1].id] })));
  await db.session(async (sql) => {
    await sql(`SET max_stack_depth = '150kB'`);
    await sql(`UPDATE jobs SET status = 'failed', waits_until = NULL WHERE id = $1`, [list[0].id]);
  });
  assert.deepEqual(await rows('SELECT status, count(*)::int AS n FROM jobs GROUP BY 1'), [{ status: 'failed', n: 5000 }]);
  await mustBeConsistent();
});
