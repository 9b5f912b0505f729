// Jobs of every sort while processes and servers die.  The database itself writes down what happens
// to rows, the receiver what arrives and how much of each key is under way; the oracle judges.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { cpSync } from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import { tempFolder } from '../lib/clean.mjs';
import { Jobs } from '../lib/jobs.mjs';
import { mustHold } from '../lib/oracle.mjs';
import { Cluster } from '../lib/postgres.mjs';
import { cleanEnv, isAlive, killNow, must, start } from '../lib/process.mjs';
import { program, root } from '../lib/program.mjs';
import { random } from '../lib/random.mjs';
import { report, size } from '../lib/sizes.mjs';
import { until } from '../lib/wait.mjs';

const JOBS = size(3000, 50_000);
const KEYS = { single: 1, triple: 3 };

// Not in the tree: whose files they are must be clear to whoever loads them.
await must('make', ['-s', 'plugins'], { cwd: root });
const plugins = tempFolder('plugins');
cpSync(path.join(root, 'build/plugins'), plugins, { recursive: true });

const moment = (ms) => {
  const end = Date.now() + ms;
  return until(() => Date.now() >= end, { everyMs: 5, timeoutMs: ms + 1000 });
};

// What the rows go through, told by the database: ends, waits, and claims that came too early.
const witness = `
  CREATE TABLE done_by_sql (job uuid);
  CREATE FUNCTION note_it(job jsonb) RETURNS jsonb LANGUAGE sql AS
    $$ INSERT INTO done_by_sql VALUES ((job->>'id')::uuid) RETURNING to_jsonb(job) $$;
  CREATE TABLE ends (job uuid, status text);
  CREATE TABLE waits (job uuid, attempt int, seconds float8);
  CREATE TABLE early (job uuid, by interval);
  CREATE FUNCTION witness() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN
    IF OLD.waits_until IS NOT NULL AND NEW.waits_until IS NULL THEN
      INSERT INTO ends VALUES (NEW.id, NEW.status);
    END IF;
    IF NEW.attempts > OLD.attempts AND NEW.status = 'pending' THEN
      INSERT INTO waits VALUES (NEW.id, NEW.attempts, extract(epoch FROM NEW.waits_until - clock_timestamp()));
    END IF;
    IF NEW.claim_token IS DISTINCT FROM OLD.claim_token AND NEW.claim_token IS NOT NULL AND OLD.waits_until > clock_timestamp() THEN
      INSERT INTO early VALUES (NEW.id, OLD.waits_until - clock_timestamp());
    END IF;
    RETURN NULL;
  END $$;
  CREATE TRIGGER witness AFTER UPDATE ON jobs FOR EACH ROW EXECUTE FUNCTION witness()`;

class Crash {
  keyOf = new Map();
  under = {};
  most = {};
  overruns = [];

  static async begin(t, options = {}) {
    const crash = new Crash();
    crash.jobs = await Jobs.create({ env: { JOB_MAX_CONCURRENT: '16', JOB_TIMEOUT_S: '1', PROCESSOR_DIR: plugins }, ...options });
    t.after(async () => {
      await crash.jobs.end();
      await options.cluster?.stop();
    });
    crash.db = crash.jobs.db;
    crash.ledger = crash.jobs.stand.ledger;
    await crash.db.rows(witness);
    crash.ledger.follow(crash.jobs.receiver, { accepts: ({ path, id }) => crash.#accepts(path, id) });
    crash.jobs.receiver.on('request', (one, response) => crash.#watch(one.id, response));
    await crash.jobs.http('post', '/slow/3');
    await crash.jobs.http('keyed', '/slow/5');
    await crash.jobs.http('flaky', '/flaky/2');
    await crash.jobs.http('bad', '/status/500');
    await crash.jobs.type('sql', 'sql', 'note_it');
    await crash.jobs.type('plugin', 'plugin', 'act');
    return crash;
  }

  #accepts(path, id) {
    return path.startsWith('/flaky') ? this.jobs.receiver.timesSeen(id) >= 2 : !path.startsWith('/status');
  }

  // Work of a key is under way until its answer is out, or its caller is gone.
  #watch(id, response) {
    const key = this.keyOf.get(id);
    if (!key) return;
    this.under[key] = (this.under[key] ?? 0) + 1;
    this.most[key] = Math.max(this.most[key] ?? 0, this.under[key]);
    if (this.under[key] > KEYS[key]) this.overruns.push(`${key}: ${this.under[key]}`);
    response.once('close', () => this.under[key]--);
  }

  async fill(count) {
    const list = [];
    const add = (share, type, more = () => ({})) => {
      for (let n = 0; n < Math.round(count * share); n++) list.push({ id: randomUUID(), job_type: type, ...more(n) });
    };
    add(0.3, 'post', (n) => ({ priority: (n % 3) * 10, queue: n % 2 ? 'default' : 'other' }));
    add(0.2, 'sql');
    add(0.1, 'plugin', (n) => ({ payload: { act: 'echo', n } }));
    add(0.1, 'flaky');
    add(0.02, 'bad', () => ({ max_attempts: 2 }));
    for (const [key, limit] of Object.entries(KEYS)) {
      add(0.05, 'keyed', () => ({ concurrency_key: key, concurrency_limit: limit }));
      for (const one of list) if (one.concurrency_key === key) this.keyOf.set(one.id, key);
    }
    // Chains of five, of jobs that are posted and jobs that are called, in turn.
    add(0.18, 'post', (n) => (n % 5 === 0 ? {} : { after: true, job_type: n % 2 ? 'sql' : 'post' }));
    for (const [n, one] of list.entries())
      if (one.after) {
        one.depends_on = [list[n - 1].id];
        delete one.after;
      }
    this.count = list.length;
    this.afterOf = new Map(list.flatMap(({ id, depends_on }) => (depends_on ? [[id, depends_on[0]]] : [])));
    await this.db.rows('SELECT enqueue_jobs($1::jsonb)', [JSON.stringify(list)]);
    this.ledger.enqueue(list.map(({ id }) => id));
  }

  startRun() {
    return start(program(), ['run', 'job-queue', '--budget', '60'], { env: cleanEnv(this.jobs.stand.env()) });
  }

  // A process dies; what it held is written down, and found again as if its leases had run out.
  async kill(child) {
    killNow(child.pid);
    await until(() => !isAlive(child.pid), { what: 'the process to be gone', everyMs: 1 });
    await this.jobs.stand.backendsGone();
    await until(() => this.jobs.receiver.inflight === 0, { what: 'its requests to end' });
    const held = await this.db.rows('SELECT id::text FROM jobs WHERE lease_until IS NOT NULL');
    this.ledger.expose(held.map(({ id }) => id));
    return held.length;
  }

  async pass() {
    await this.jobs.stand.expireLocks();
    await this.jobs.expireLeases();
  }

  openCount() {
    return this.db.value('SELECT count(*)::int FROM jobs WHERE waits_until IS NOT NULL');
  }

  async drain() {
    await until(async () => {
      await this.jobs.run({ args: ['--budget', '60'], mayFail: true });
      await this.jobs.makeDue();
      return await this.openCount() === 0;
    }, { what: 'every job to end', timeoutMs: 240_000, everyMs: 200 });
  }

  async judge() {
    for (const { job, n } of await this.db.rows('SELECT job::text, count(*)::int AS n FROM done_by_sql GROUP BY job')) {
      assert.equal(n, 1, `a function ran ${n} times for ${job}`);
      this.ledger.receive(job);
    }
    // What a plug-in does is seen in its result alone.
    for (const { id } of await this.db.rows(`SELECT id::text FROM jobs WHERE job_type = 'plugin' AND result = payload`)) this.ledger.receive(id);
    const rows = await this.db.rows(`
      SELECT id::text, attempts, lost, waits_until IS NOT NULL AS open,
             CASE status WHEN 'completed' THEN 'done' WHEN 'failed' THEN 'dead' WHEN 'processing' THEN 'taken' ELSE 'waiting' END AS state,
             (SELECT count(*)::int FROM job_logs l WHERE l.job_id = j.id AND l.message ~ '^(completed|failed for good)|; next try in') AS logged
        FROM jobs j`);
    const verdict = mustHold(this.ledger, rows);
    const bad = Math.round(this.count * 0.02);
    assert.deepEqual([verdict.enqueued, verdict.done, verdict.dead], [this.count, this.count - bad, bad]);
    assert.deepEqual(await this.db.rows('SELECT job FROM ends GROUP BY job HAVING count(*) > 1'), [], 'every job ends once');
    assert.equal(await this.db.value('SELECT count(*)::int FROM ends'), this.count);
    assert.deepEqual(await this.db.rows('SELECT * FROM early'), [], 'no retry came before its time');
    assert.deepEqual(await this.db.rows('SELECT * FROM waits WHERE seconds NOT BETWEEN 60 * 2 ^ (attempt - 1) - 1 AND 66 * 2 ^ (attempt - 1)'), []);
    assert.deepEqual(this.overruns, [], 'no limit of a key was passed');
    assert.deepEqual(await this.db.rows(`
      SELECT d.job_id FROM job_dependencies d JOIN jobs j ON j.id = d.job_id JOIN jobs p ON p.id = d.depends_on
       WHERE j.started_at < p.completed_at OR d.is_open`), [], 'dependency order');
    assert.equal(await this.db.value('SELECT count(*)::int FROM job_slots'), 0);
    return verdict;
  }
}

describe('jobs under fire', { concurrency: size(2, 1) }, () => {
  test('SIGKILL at random moments: every job ends once, no limit is passed', async (t) => {
    const crash = await Crash.begin(t);
    const draw = random('jobs');
    await crash.fill(JOBS);
    const kills = size(15, 150);
    let most = 0, n = 0;
    for (; n < kills && await crash.openCount() > 0; n++) {
      const child = crash.startRun();
      await moment(draw.between(20, 400));
      most = Math.max(most, await crash.kill(child));
      await crash.pass();
      await crash.jobs.makeDue();
    }
    await crash.drain();
    const verdict = await crash.judge();
    report(t, 'SIGKILL, jobs', { kills: n, jobs: verdict.enqueued, requests: verdict.requests, duplicates: verdict.duplicates,
      'held at most': most, 'most of the keys': JSON.stringify(crash.most) });
  });

  test('locks and leases that run out by themselves: the next run goes on, within the limits', async (t) => {
    const crash = await Crash.begin(t);
    await crash.fill(1000);
    const child = crash.startRun();
    await until(() => crash.jobs.receiver.requests.length > 50, { what: 'the run to be under way' });
    await crash.kill(child);
    await crash.drain();
    const verdict = await crash.judge();
    report(t, 'leases that run out, jobs', { jobs: verdict.enqueued, duplicates: verdict.duplicates });
  });

  test('PostgreSQL restarts and crashes under load: every job ends once', async (t) => {
    const cluster = await Cluster.create();
    const crash = await Crash.begin(t, { cluster });
    const draw = random('jobs restart');
    await crash.fill(2000);
    const restarts = size(4, 20);
    for (let n = 0; n < restarts; n++) {
      const child = crash.startRun();
      await moment(draw.between(100, 700));
      if (n % 2) await cluster.stop();
      else await cluster.crash();
      await cluster.start();
      const held = await crash.db.rows('SELECT id::text FROM jobs WHERE waits_until IS NOT NULL');
      crash.ledger.expose(held.map(({ id }) => id));
      await until(() => !isAlive(child.pid), { what: 'the run to end', timeoutMs: 90_000 });
      await crash.pass();
      await crash.jobs.makeDue();
    }
    await crash.drain();
    const verdict = await crash.judge();
    report(t, 'PostgreSQL restart, jobs', { restarts, jobs: verdict.enqueued, requests: verdict.requests, duplicates: verdict.duplicates });
  });
});
