// What tests of the job queue have in common: types, jobs, runs, and time that passes for rows.
import assert from 'node:assert/strict';
import { expireRowLeases, makeRowsDue, Stand } from './stand.mjs';
import { newSecret } from './webhooks.mjs';

export class Jobs {
  static async create({ env = {}, ...options } = {}) {
    const jobs = new Jobs();
    jobs.token = 'a-token-for-tests-0123456789';
    jobs.stand = await Stand.create({ env: { WORKER_SECRET_TOKEN: jobs.token, ...env }, ...options });
    jobs.db = jobs.stand.db;
    jobs.receiver = jobs.stand.receiver;
    return jobs;
  }

  end() {
    return this.stand.end();
  }

  // A type that is posted to this path of the receiver, signed; `more` are columns of job_types.
  async http(name, at, { secret = newSecret(), ...more } = {}) {
    await this.type(name, 'http', this.receiver.url(at, secret), { secret, ...more });
    return name;
  }

  async type(name, processor, target, more = {}) {
    const columns = { job_type: name, processor, target, ...more };
    const names = Object.keys(columns);
    await this.db.rows(
      `INSERT INTO job_types (${names.join(', ')}) VALUES (${names.map((_, i) => `$${i + 1}`).join(', ')})
       ON CONFLICT (job_type) DO UPDATE SET processor = EXCLUDED.processor, target = EXCLUDED.target, secret = EXCLUDED.secret`,
      Object.values(columns));
    return name;
  }

  // The id of a new job; `more` are columns of jobs.
  async add(type, more = {}) {
    return (await this.addMany(type, 1, more))[0];
  }

  async addMany(type, count, more = {}) {
    const names = ['job_type', ...Object.keys(more)];
    const made = await this.db.rows(
      `INSERT INTO jobs (${names.join(', ')})
       SELECT ${names.map((_, i) => `$${i + 2}`).join(', ')} FROM generate_series(1, $1::int) RETURNING id`,
      [count, type, ...Object.values(more)]);
    return made.map((row) => row.id);
  }

  job(id) {
    return this.db.one('SELECT * FROM jobs WHERE id = $1', [id]);
  }

  logs(id) {
    return this.db.rows('SELECT level, message, data FROM job_logs WHERE job_id = $1 ORDER BY id', [id]);
  }

  // One run by the command line; its reply.
  async run({ env = {}, args = [], mayFail = false } = {}) {
    const ended = await this.stand.cli(['run', 'job-queue', ...args], { env, timeoutMs: 120_000 });
    if (!mayFail) assert.equal(ended.code, 0, ended.stderr);
    return JSON.parse(ended.stdout);
  }

  // Lets the waits of rows pass, so that a test need not.
  makeDue() {
    return makeRowsDue(this.db, 'jobs', 'waits_until');
  }

  // Only while no process is alive that holds any.
  expireLeases() {
    return expireRowLeases(this.db, 'jobs');
  }

  async clear() {
    await this.db.rows('TRUNCATE jobs, job_logs, job_dependencies, job_slots, job_types, job_queues');
    this.receiver.forget();
    this.receiver.inflightMax = 0;
  }
}
