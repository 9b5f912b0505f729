// A test stand: a database of its own, a receiver, and a pool started on them when asked for.
import { randomBytes } from 'node:crypto';
import { canary, EGRESS_ALLOW, Receiver } from './receiver.mjs';
import { Ledger, deliveryRows } from './ledger.mjs';
import { Pool } from './pool.mjs';
import { sharedCluster } from './postgres.mjs';
import { cleanEnv, isAlive, killNow, run } from './process.mjs';
import { program, sanitizerEnv } from './program.mjs';
import { certificates } from './tls.mjs';
import { until } from './wait.mjs';
import { newSecret } from './webhooks.mjs';

export const ROUTE = {
  'webhook-retry': '/api/workers/webhookRetry',
  'notification-expiry': '/api/workers/notificationExpiry',
  'data-archival': '/api/workers/dataArchival',
};

export class Stand {
  key = randomBytes(24).toString('hex');
  cronSecret = randomBytes(24).toString('hex');
  ledger = new Ledger();
  build = 'release';

  // `t` is the test or anything with after(); all that is made here ends with it.
  static async create({ env = {}, build = 'release', tls = false, cluster, empty = false } = {}) {
    const stand = new Stand();
    stand.build = build;
    stand.tls = tls;
    stand.db = await (cluster ?? await sharedCluster()).database({ empty });
    stand.receiver = await Receiver.start();
    stand.settings = env;
    return stand;
  }

  // What the program is told: the stand's defaults, what the test wants, and nothing else.
  env(more = {}) {
    return {
      DATABASE_URL: this.db.url,
      CRON_JOB_API_KEY: this.key,
      CRON_SECRET: this.cronSecret,
      EGRESS_ALLOW,
      ...(this.tls ? { EGRESS_CA_FILE: certificates().caFile } : {}),
      ...(this.build === 'sanitized' ? sanitizerEnv : {}),
      ...this.settings,
      ...more,
    };
  }

  async startPool({ size = 2, env = {}, build = this.build, name } = {}) {
    this.pool = await Pool.start({ env: this.env(env), size, build, name });
    return this.pool;
  }

  // A worker's call straight at the pool, as nginx would pass it on.
  call(worker, { method = 'POST', query = '', headers = {}, pool = this.pool, ...options } = {}) {
    return pool.call(method, ROUTE[worker] + query,
      { headers: { authorization: `Bearer ${this.key}`, ...headers }, ...options });
  }

  cli(args, { env = {}, ...options } = {}) {
    return run(program(this.build), args, { env: cleanEnv(this.env(env)), ...options });
  }

  // An endpoint at this path of the receiver; `more` are columns of app_webhooks.
  async endpoint(at, { url, receiver = this.receiver, secret = newSecret(), ...more } = {}) {
    const columns = { url: url ?? receiver.url(at, secret), secret, ...more };
    const names = Object.keys(columns);
    const id = await this.db.value(
      `INSERT INTO app_webhooks (${names.join(', ')}) VALUES (${names.map((_, i) => `$${i + 1}`).join(', ')}) RETURNING id`,
      Object.values(columns));
    return { id, secret, url: columns.url, at };
  }

  // `count` events; their deliveries (ids as text) go into the ledger.
  async enqueue(count = 1, { type = 'test.happened', payload = {} } = {}) {
    const before = await this.db.value('SELECT COALESCE(max(id), 0) FROM webhook_deliveries');
    await this.db.rows(
      `INSERT INTO platform_events (event_type, payload)
       SELECT $2, $3::jsonb || jsonb_build_object('n', n) FROM generate_series(1, $1::int) n`,
      [count, type, JSON.stringify(payload)]);
    const made = await this.db.rows('SELECT id::text FROM webhook_deliveries WHERE id > $1 ORDER BY id', [before]);
    const ids = made.map((row) => row.id);
    this.ledger.enqueue(ids);
    return ids;
  }

  rows() {
    return this.db.rows(deliveryRows);
  }

  delivery(id) {
    return this.db.one('SELECT * FROM webhook_deliveries WHERE id = $1', [id]);
  }

  // The statements below let time pass for rows, so that a test need not.  They touch only what a
  // process that is certainly dead has left behind, or what waits for its time.
  makeDue() {
    return makeRowsDue(this.db, 'webhook_deliveries', 'next_retry_at');
  }

  expireLeases() {
    return expireRowLeases(this.db, 'webhook_deliveries');
  }

  async expireLocks() {
    await this.db.rows(
      `UPDATE cron_locks SET expires_at = clock_timestamp() - interval '1 s' WHERE holder IS NOT NULL`);
  }

  // Kills processes and writes down what they had in their hands: claimed, and not settled by the
  // time that their connections were gone.
  async killAndExpose(pids) {
    for (const pid of pids) killNow(pid);
    for (const pid of pids) await until(() => !isAlive(pid), { what: `process ${pid} to be gone`, everyMs: 1 });
    await this.backendsGone();
    const held = await this.db.rows(`SELECT id::text FROM webhook_deliveries WHERE lease_until IS NOT NULL`);
    this.ledger.expose(held.map((row) => row.id));
    return held.length;
  }

  // A settle that was on its way may still commit after its sender has died.
  async backendsGone() {
    await until(async () => await this.db.value(
      `SELECT count(*)::int FROM pg_stat_activity
        WHERE datname = current_database() AND state <> 'idle' AND backend_type = 'client backend'
          AND pid <> pg_backend_pid()`) === 0,
    { what: "the dead process' backends to end", everyMs: 2 });
  }

  // Runs the worker until nothing is open any more, letting waits pass; the number of runs.
  async drain({ runsMax = 50 } = {}) {
    for (let runs = 1; runs <= runsMax; runs++) {
      const answer = await this.call('webhook-retry');
      if (answer.status !== 200) throw new Error(`a run ended ${answer.status}: ${answer.body}`);
      await this.makeDue();
      if (await this.openCount() === 0) return runs;
    }
    throw new Error(`after ${runsMax} runs ${await this.openCount()} deliveries are still open`);
  }

  openCount() {
    return this.db.value(`SELECT count(*)::int FROM webhook_deliveries WHERE next_retry_at IS NOT NULL`);
  }

  takenCount() {
    return this.db.value(`SELECT count(*)::int FROM webhook_deliveries WHERE lease_until IS NOT NULL OR status = 'processing'`);
  }

  execution(id) {
    return this.db.one('SELECT * FROM cron_job_executions WHERE id = $1', [id]);
  }

  async end() {
    await this.pool?.stop();
    this.receiver.stop();
    await this.db.drop();
  }
}

export { canary };

// Those that wait for a time, and are nobody's, wait no longer.
export async function makeRowsDue(db, table, column) {
  await db.rows(
    `UPDATE ${table} SET ${column} = clock_timestamp()
      WHERE ${column} > clock_timestamp() AND ${column} < 'infinity' AND lease_until IS NULL`);
}

export async function expireRowLeases(db, table) {
  await db.rows(`UPDATE ${table} SET lease_until = clock_timestamp() - interval '1 s' WHERE lease_until IS NOT NULL`);
}
