// Enqueueing by SQL: enqueue_job, enqueue_jobs and a plain INSERT, what they take and what they
// refuse; and an application's own UPDATE of a job.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { beforeEach, test } from 'node:test';
import { manySessions } from '../lib/sessions.mjs';
import { many } from '../lib/wait.mjs';

const { db, rows } = await manySessions();
beforeEach(async () => {
  await db.rows(`TRUNCATE jobs, job_dependencies, job_slots, job_limits; DELETE FROM job_types WHERE processor <> 'apollo'`);
  await db.rows('INSERT INTO job_limits (run_budget_s) VALUES (20)');
});

const enqueue = (jobs, query = db.rows.bind(db)) => query('SELECT * FROM enqueue_jobs($1) ORDER BY n', [JSON.stringify(jobs)]);
const job = (id) => db.one('SELECT * FROM jobs WHERE id = $1', [id]);
const count = (where = 'true') => db.value(`SELECT count(*)::int FROM jobs WHERE ${where}`);
// An error of the functions: its SQLSTATE, and the whole message or a pattern.
const refusal = (code, message) => (e) => {
  assert.equal(e.code, code, e.message);
  if (message instanceof RegExp) assert.match(e.message, message);
  else assert.equal(e.message, message);
  return true;
};

test('a job with nothing but a type is due now, with what the table has', async () => {
  const id = await db.value(`SELECT enqueue_job('mail')`);
  const row = await job(id);
  assert.deepEqual([row.job_type, row.payload, row.status, row.queue, row.priority, row.attempts, row.max_attempts, row.timeout_s],
    ['mail', {}, 'pending', 'default', 0, 0, 5, null]);
  assert.ok(await db.value('SELECT waits_until <= clock_timestamp() AND waits_until >= run_at FROM jobs'));
});

test('every option arrives', async () => {
  const first = await db.value(`SELECT enqueue_job('first')`);
  const [id, workspace] = [randomUUID(), randomUUID()];
  const at = new Date(Date.now() + 3_600_000);
  const said = await db.value(
    `SELECT enqueue_job('mail', '{"a": null}', queue => 'q', priority => -7, run_at => $1, max_attempts => 3, unique_key => 'u', on_conflict => 'reject',
       concurrency_key => 'c', concurrency_limit => 4, depends_on => $2, on_dependency_failure => 'run', timeout_s => 20, workspace_id => $3, id => $4)`,
    [at, [first], workspace, id]);
  assert.equal(said, id);
  const row = await job(id);
  assert.deepEqual([row.payload, row.queue, row.priority, row.run_at, row.max_attempts, row.unique_key, row.concurrency_key, row.concurrency_limit,
    row.on_dependency_failure, row.timeout_s, row.workspace_id, row.status, row.open_dependencies],
  [{ a: null }, 'q', -7, at, 3, 'u', 'c', 4, 'run', 20, workspace, 'blocked', 1]);
});

test('priority is a number or a word, as a literal, a parameter or a value of either type', async () => {
  for (const [priority, values, wanted] of [['10', [], 10], [`'high'`, [], 10], [`'normal'`, [], 0], [`'low'`, [], -10], [`'-32768'`, [], -32768], ['32767', [], 32767],
    ['$1', ['low'], -10], ['$1', [3], 3], ['$1::int', [4], 4], ['$1::smallint', [5], 5], ['NULL', [], 0]])
    assert.equal((await job(await db.value(`SELECT enqueue_job('mail', priority => ${priority})`, values))).priority, wanted, priority);
  for (const bad of [`'urgent'`, '32768', `'1.5'`, `''`])
    await assert.rejects(db.rows(`SELECT enqueue_job('mail', priority => ${bad})`), refusal('CW400', /^priority must be high, normal or low, or an integer from -32768 to 32767; it is /));
});

test('a job waits for its time, by function and by plain INSERT', async () => {
  await db.rows(`SELECT enqueue_job('a', run_at => now() + interval '1 hour')`);
  await enqueue([{ type: 'b', run_at: new Date(Date.now() + 3_600_000).toISOString() }]);
  await db.rows(`INSERT INTO jobs (job_type, run_at) VALUES ('c', now() + interval '1 hour')`);
  assert.equal(await count('waits_until = run_at AND waits_until > now()'), 3);
});

test('it is the transaction of the caller', async () => {
  await db.session(async (sql) => {
    await sql('BEGIN');
    await sql(`SELECT enqueue_job('a')`);
    await sql(`SELECT enqueue_jobs('[{"type": "b"}]')`);
    assert.equal(await count(), 0);
    await sql('ROLLBACK');
  });
  assert.equal(await count(), 0);
});

test('what a type has as its defaults, jobs have that do not say it', async () => {
  await db.rows(`INSERT INTO job_types (job_type, processor, target, defaults)
                 VALUES ('slow', 'http', 'http://127.0.0.2/', '{"queue": "heavy", "priority": "low", "max_attempts": 2, "timeout_s": 15}')`);
  const [one, said] = [await db.value(`SELECT enqueue_job('slow')`), await db.value(`SELECT enqueue_job('slow', queue => 'q', priority => 1, max_attempts => 9)`)];
  const [{ id: bulk }, { id: other }] = await enqueue([{ type: 'slow' }, { job_type: 'mail' }]);
  const seen = async (id) => Object.values(await db.one('SELECT queue, priority, max_attempts, timeout_s FROM jobs WHERE id = $1', [id]));
  assert.deepEqual([await seen(one), await seen(bulk), await seen(said), await seen(other)],
    [['heavy', -10, 2, null], ['heavy', -10, 2, null], ['q', 1, 9, null], ['default', 0, 5, null]]);
});

test('defaults of a type that could never be used are refused', async () => {
  for (const bad of ['{"prio": 1}', '{"queue": ""}', '{"queue": 5}', '{"priority": "urgent"}', '{"priority": 40000}', '{"max_attempts": 0}', '{"max_attempts": "x"}', '{"timeout_s": 3601}'])
    await assert.rejects(db.rows(`INSERT INTO job_types (job_type, processor, target, defaults) VALUES ('bad', 'sql', 'f', $1)`, [bad]),
      /job_types_defaults_are_options/, bad);
});

test('thousands in one call: in their order, each with its id', async () => {
  const jobs = Array.from({ length: 5000 }, (_, n) => ({ type: n % 3 ? 'a' : 'b', payload: { n } }));
  const made = await enqueue(jobs);
  assert.deepEqual(made.map(({ n, is_new: isNew }) => [n, isNew]), jobs.map((_, n) => [n, true]));
  const due = await db.rows(`SELECT id, (payload->>'n')::int AS n FROM jobs ORDER BY waits_until, id`);
  assert.deepEqual(due, made.map(({ n, id }) => ({ id, n })));
  const versions = new Set(made.map(({ id }) => `${id[14]}${'89ab'.includes(id[19])}`));
  assert.deepEqual([...versions], ['7true']);
});

test('ids of calls at the same moment differ', async () => {
  await many(40, 16, () => enqueue(Array.from({ length: 200 }, () => ({ type: 'a' })), rows));
  assert.equal(await count(), 8000);
});

test('an empty list is nothing, one object is one job', async () => {
  assert.deepEqual(await enqueue([]), []);
  const made = await enqueue({ job_type: 'mail', payload: [1] });
  assert.deepEqual(made.map(({ n, is_new: isNew }) => [n, isNew]), [[0, true]]);
  assert.deepEqual((await job(made[0].id)).payload, [1]);
});

const good = { type: 'mail', payload: {} };
for (const [bad, message] of [
  [{ ...good, prio: 1 }, /^prio is no option; there are job_type, type, payload, /],
  [{ payload: {} }, 'job_type is missing'],
  [{ ...good, type: null }, 'job_type is missing'],
  [{ ...good, job_type: 'other' }, 'job_type and type are two names of one option, and say two things'],
  [{ job_type: '' }, 'job_type must be a text of 1 to 200 characters; it has 0'],
  [{ type: 'x'.repeat(201) }, 'type must be a text of 1 to 200 characters; it has 201'],
  [{ ...good, queue: 'x'.repeat(201) }, 'queue must be a text of 1 to 200 characters; it has 201'],
  [{ ...good, unique_key: '' }, 'unique_key must be a text of 1 to 200 characters; it has 0'],
  [{ ...good, concurrency_key: 'ß'.repeat(201) }, 'concurrency_key must be a text of 1 to 200 characters; it has 201'],
  [{ ...good, priority: 'urgent' }, 'priority must be high, normal or low, or an integer from -32768 to 32767; it is "urgent"'],
  [{ ...good, priority: 99999 }, /^priority must be /],
  [{ ...good, run_at: 'soon' }, 'run_at must be a time, such as 2026-01-31T12:00:00Z; it is "soon"'],
  [{ ...good, run_at: 'infinity' }, 'run_at must be a time that comes; it is infinity'],
  [{ ...good, run_at: '-infinity' }, 'run_at must be a time that comes; it is -infinity'],
  [{ ...good, max_attempts: 0 }, 'max_attempts must be an integer from 1 to 1000; it is 0'],
  [{ ...good, max_attempts: 1.5 }, 'max_attempts must be an integer from 1 to 1000; it is 1.5'],
  [{ ...good, max_attempts: 'many' }, 'max_attempts must be an integer from 1 to 1000; it is "many"'],
  [{ ...good, on_conflict: 'replace' }, /^on_conflict says what becomes of the job that has the same unique_key, and there is no/],
  [{ ...good, unique_key: 'k', on_conflict: 'drop' }, 'on_conflict must be keep, replace or reject; it is "drop"'],
  [{ ...good, concurrency_limit: 3 }, /^concurrency_limit says how many .* there is no concurrency_key$/],
  [{ ...good, concurrency_key: 'k', concurrency_limit: 1001 }, 'concurrency_limit must be an integer from 1 to 1000; it is 1001'],
  [{ ...good, timeout_s: 0 }, 'timeout_s must be an integer from 1 to 3600; it is 0'],
  [{ ...good, timeout_s: 21 }, /^timeout_s is at most the 20 seconds that a run lasts \(RUN_BUDGET_S\); it is 21/],
  [{ ...good, workspace_id: 'here' }, 'workspace_id must be a UUID; it is "here"'],
  [{ ...good, id: 5 }, 'id must be a UUID; it is 5'],
  [{ ...good, on_dependency_failure: 'wait' }, 'on_dependency_failure must be fail or run; it is "wait"'],
  [{ ...good, depends_on: 'x' }, /^depends_on must be a list of job ids; it is "x"$/],
  [{ ...good, depends_on: ['x'] }, 'depends_on must be a list of job ids; one is "x"'],
  [{ ...good, id: '00000000-0000-4000-8000-000000000001', depends_on: ['00000000-0000-4000-8000-000000000001'] }, 'depends_on names the job itself'],
  [{ ...good, depends_on: ['00000000-0000-4000-8000-000000000001'] }, 'depends_on names 00000000-0000-4000-8000-000000000001, and there is no such job'],
  ['mail', /^a job is an object, such as .*; this is "mail"$/],
  [null, /^a job is an object/],
]) {
  test(`refused by name and place: ${JSON.stringify(bad).slice(0, 70)}`, async () => {
    const placed = message instanceof RegExp ? new RegExp(`^jobs\\[2\\]: ${message.source.replace(/^\^/, '')}`) : `jobs[2]: ${message}`;
    await assert.rejects(enqueue([good, good, bad]), refusal('CW400', placed));
    if (bad && typeof bad === 'object') await assert.rejects(enqueue(bad), refusal('CW400', message));
    assert.equal(await count(), 0, 'all or none');
  });
}

test('enqueue_job refuses the same, without a place', async () => {
  for (const [call, message] of [
    [`enqueue_job('')`, 'job_type must be a text of 1 to 200 characters; it has 0'],
    [`enqueue_job(NULL)`, 'job_type is missing'],
    [`enqueue_job('a', timeout_s => 30)`, /^timeout_s is at most the 20 seconds/],
    [`enqueue_job('a', max_attempts => 0)`, 'max_attempts must be an integer from 1 to 1000; it is 0'],
    [`enqueue_job('a', concurrency_limit => 2)`, /^concurrency_limit says/],
    [`enqueue_job('a', on_conflict => 'reject')`, /^on_conflict says/],
    [`enqueue_job('a', run_at => 'infinity')`, /^run_at must be a time that comes/],
    [`enqueue_job('a', depends_on => ARRAY[gen_random_uuid()])`, /^depends_on names .*, and there is no such job$/],
  ]) await assert.rejects(db.rows(`SELECT ${call}`), refusal('CW400', message), call);
  assert.equal(await count(), 0);
});

test('no list, or none at all', async () => {
  for (const bad of ['5', '"x"', 'null']) await assert.rejects(db.rows('SELECT * FROM enqueue_jobs($1)', [bad]), refusal('CW400', /^jobs must be a list/));
  await assert.rejects(db.rows('SELECT * FROM enqueue_jobs(NULL)'), refusal('CW400', /^jobs must be a list/));
});

test('ids that are taken, or given twice', async () => {
  const id = randomUUID();
  await assert.rejects(enqueue([{ ...good, id }, { ...good, id }]), refusal('CW400', `jobs[1]: id ${id} is given twice`));
  await enqueue([{ ...good, id }]);
  await assert.rejects(enqueue([good, { ...good, id }]), refusal('CW409', `jobs[1]: id ${id} is that of another job`));
  await assert.rejects(db.rows(`SELECT enqueue_job('a', id => $1)`, [id]), refusal('CW409', `id ${id} is that of another job`));
  await assert.rejects(enqueue([{ ...good, id, unique_key: 'k' }]), refusal('CW409', `jobs[0]: id ${id} is that of another job`));
  assert.equal(await count(), 1);
});

test('an error of the application\'s own constraint is its own', async () => {
  await db.rows(`ALTER TABLE jobs ADD CONSTRAINT own CHECK (job_type <> 'never')`);
  try {
    await assert.rejects(enqueue([{ type: 'never' }]), refusal('23514', /"own"/));
  } finally {
    await db.rows('ALTER TABLE jobs DROP CONSTRAINT own');
  }
});

test('a plain INSERT is held to the same limits', async () => {
  for (const [columns, values, message] of [
    ['queue', `''`, 'queue must have 1 to 200 characters; it has 0'],
    ['queue', `repeat('x', 201)`, 'queue must have 1 to 200 characters; it has 201'],
    ['unique_key', `repeat('x', 201)`, 'unique_key must have 1 to 200 characters; it has 201'],
    ['concurrency_key', `''`, 'concurrency_key must have 1 to 200 characters; it has 0'],
    ['timeout_s', '21', /^timeout_s is at most the 20 seconds/],
    ['run_at', `'infinity'`, /^run_at must be a time that comes/],
    ['run_at', `'-infinity'`, /^run_at must be a time that comes/],
  ]) await assert.rejects(db.rows(`INSERT INTO jobs (job_type, ${columns}) VALUES ('a', ${values})`), refusal('CW400', message), columns);
  await assert.rejects(db.rows(`INSERT INTO jobs (job_type) VALUES (repeat('x', 201))`), refusal('CW400', /^job_type must have/));
  await db.rows(`INSERT INTO jobs (job_type, queue, timeout_s) VALUES (repeat('x', 200), repeat('y', 200), 20)`);
  assert.equal(await count('waits_until <= clock_timestamp()'), 1);
});

test('a plain INSERT with another status: what has ended is never run, what others process neither', async () => {
  for (const status of ['completed', 'failed', 'cancelled', 'processing', 'blocked', 'pending'])
    await db.rows('INSERT INTO jobs (job_type, status) VALUES ($1, $1)', [status]);
  const rows = await db.rows(`SELECT status, CASE WHEN isfinite(waits_until) THEN 'due' ELSE waits_until::text END AS waits FROM jobs ORDER BY status`);
  assert.deepEqual(rows.map((row) => [row.status, row.waits]), [['blocked', 'infinity'], ['cancelled', null], ['completed', null], ['failed', null],
    ['pending', 'due'], ['processing', 'infinity']]);
});

// An application that knows status and run_at, and nothing of the engine's columns.
test("an application's own retry: as new, and due", async () => {
  for (const status of ['failed', 'cancelled', 'completed']) {
    const id = await db.value(`INSERT INTO jobs (job_type, status, attempts, dead_at, completed_at, performed_at, lost, error_message)
                               VALUES ('a', $1, 5, now(), now(), now(), 3, 'e') RETURNING id`, [status]);
    await db.rows(`UPDATE jobs SET status = 'pending' WHERE id = $1`, [id]);
    const row = await job(id);
    assert.deepEqual([row.status, row.attempts, row.lost, row.dead_at, row.completed_at, row.performed_at], ['pending', 0, 0, null, null, null], status);
    assert.ok(await db.value('SELECT waits_until <= clock_timestamp() FROM jobs WHERE id = $1', [id]));
  }
});

test("an application's own cancel, end and new time", async () => {
  const [a, b, c] = (await enqueue([good, good, good])).map(({ id }) => id);
  await db.rows(`UPDATE jobs SET status = 'cancelled' WHERE id = $1`, [a]);
  await db.rows(`UPDATE jobs SET status = 'failed' WHERE id = $1`, [b]);
  await db.rows(`UPDATE jobs SET run_at = now() + interval '1 hour' WHERE id = $1`, [c]);
  assert.deepEqual([(await job(a)).waits_until, (await job(b)).waits_until], [null, null]);
  assert.ok((await job(b)).dead_at);
  assert.equal(await count('waits_until = run_at AND run_at > now()'), 1);
  await assert.rejects(db.rows(`UPDATE jobs SET run_at = '-infinity' WHERE id = $1`, [c]), refusal('CW400', /^run_at must/));
});

test('what is under a lease can only be asked to stop; what has lost it can be set', async () => {
  const [{ id }] = await enqueue([good]);
  const lease = (interval) => db.rows(
    `UPDATE jobs SET status = 'processing', claim_token = gen_random_uuid(), lease_until = clock_timestamp() + $2::interval, cancel_requested_at = NULL WHERE id = $1`, [id, interval]);
  await lease('1 minute');
  await assert.rejects(db.rows(`UPDATE jobs SET status = 'pending' WHERE id = $1`, [id]), refusal('CW409', `job ${id} is being processed: it can be cancelled, and not be set pending`));
  await db.rows(`UPDATE jobs SET status = 'cancelled' WHERE id = $1`, [id]);
  const asked = await job(id);
  assert.deepEqual([asked.status, asked.cancel_requested_at !== null, asked.lease_until !== null], ['processing', true, true]);
  await lease('-1 minute');
  for (const time of ["now() + interval '1 hour'", 'now()']) {
    await db.rows(`UPDATE jobs SET run_at = ${time} WHERE id = $1`, [id]);
    assert.equal(await count(`status = 'processing' AND lease_until IS NOT NULL AND claim_token IS NOT NULL AND waits_until = run_at`), 1,
      'a run takes it again then, and sees that it was lost');
  }
  await db.rows(`UPDATE jobs SET status = 'pending' WHERE id = $1`, [id]);
  const free = await job(id);
  assert.deepEqual([free.status, free.lease_until, free.claim_token], ['pending', null, null]);
});

test('rows from before cronward came are the application\'s alone', async () => {
  await db.rows(`INSERT INTO jobs (job_type, status, waits_until, created_at) VALUES ('old', 'failed', NULL, now() - interval '1 year')`);
  await db.rows(`INSERT INTO cronward_adopted (name) VALUES ('jobs')`);
  try {
    await db.rows(`UPDATE jobs SET status = 'pending' WHERE job_type = 'old'`);
    await db.rows(`UPDATE jobs SET run_at = now() + interval '1 hour' WHERE job_type = 'old'`);
    const [row] = await db.rows('SELECT status, waits_until FROM jobs');
    assert.deepEqual(row, { status: 'pending', waits_until: null });
    await db.rows(`UPDATE jobs SET status = 'completed' WHERE job_type = 'old'`);
    assert.equal(await count(`status = 'completed' AND waits_until IS NULL`), 1);
  } finally {
    await db.rows(`DELETE FROM cronward_adopted`);
  }
});

test('retry_job by force runs what was completed again, and needs force for it', async () => {
  const id = await db.value(`INSERT INTO jobs (job_type, status, result) VALUES ('a', 'completed', '1') RETURNING id`);
  await assert.rejects(db.rows('SELECT retry_job($1, false)', [id]), refusal('CW409', /completed/));
  assert.equal(await db.value('SELECT retry_job($1, true)', [id]), 'pending');
  assert.equal((await job(id)).result, null);
  await assert.rejects(db.rows('SELECT retry_job($1, true)', [id]), refusal('CW409', /not ended/));
  await assert.rejects(db.rows('SELECT retry_job($1, true)', [randomUUID()]), refusal('CW404', /There is no job/));
});

test('retry_jobs takes those that its filter takes, the oldest first, no more than asked', async () => {
  const workspace = randomUUID();
  await db.rows(`INSERT INTO jobs (job_type, queue, status, dead_at, error_message, workspace_id)
                 SELECT 't' || n % 2, 'q' || n % 3, 'failed', now() - n * interval '1 hour', 'HTTP 50' || n % 4, CASE WHEN n = 5 THEN $1::uuid END
                   FROM generate_series(0, 11) n`, [workspace]);
  const taken = async (filter, most = 1000) => {
    const rows = await db.session(async (sql) => {
      await sql('BEGIN');
      const answer = await sql('SELECT j.job_type, j.queue, r.refused FROM retry_jobs($1, $2) r JOIN jobs j ON j.id = r.job', [JSON.stringify(filter), most]);
      await sql('ROLLBACK');
      return answer;
    });
    assert.ok(rows.every((row) => row.refused === null));
    return rows.length;
  };
  assert.equal(await taken({}), 12);
  assert.equal(await taken({ type: 't1' }), 6);
  assert.equal(await taken({ type: 't1', queue: 'q0' }), 2);
  assert.equal(await taken({ workspace }), 1);
  assert.equal(await taken({ error: 'HTTP 503' }), 3);
  assert.equal(await taken({ after: new Date(Date.now() - 3.5 * 3_600_000).toISOString() }), 4);
  assert.equal(await taken({ before: new Date(Date.now() - 3.5 * 3_600_000).toISOString() }), 8);
  assert.equal(await taken({}, 5), 5);
  for (const [filter, most, message] of [[{ status: 'x' }, 5, /does not have status/], [[], 5, /is an object/], [{ after: 'x' }, 5, /must be times/], [{}, 0, /from 1 to 10000/]])
    await assert.rejects(db.rows('SELECT * FROM retry_jobs($1, $2)', [JSON.stringify(filter), most]), refusal('CW400', message));
  assert.equal((await db.rows('SELECT * FROM retry_jobs(\'{}\', 3)')).length, 3);
  assert.deepEqual((await db.rows('SELECT dead_at IS NULL AS is_alive FROM jobs ORDER BY created_at, error_message')).filter((row) => row.is_alive).length, 3);
  assert.equal(await count(`status = 'failed' AND dead_at < now() - interval '8.5 hours'`), 0);
});
