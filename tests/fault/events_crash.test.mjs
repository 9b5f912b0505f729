// Inbound events of both tables while processes and servers die.  The database itself writes down what
// happens to rows, the receiver what arrives; the oracle judges.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { describe, test } from 'node:test';
import { Events } from '../lib/events.mjs';
import { mustHold } from '../lib/oracle.mjs';
import { Cluster } from '../lib/postgres.mjs';
import { cleanEnv, isAlive, killNow, start } from '../lib/process.mjs';
import { program } from '../lib/program.mjs';
import { random } from '../lib/random.mjs';
import { report, size } from '../lib/sizes.mjs';
import { Stand } from '../lib/stand.mjs';
import { until } from '../lib/wait.mjs';

const TABLES = ['webhook_events', 'whatsapp_webhook_logs'];
const RETRIES = 2;
// Shares of events, by their type.
const KINDS = { fn: 0.4, raises: 0.05, forward: 0.3, flaky: 0.15, bad: 0.05, nobody: 0.05 };

const moment = (ms) => {
  const end = Date.now() + ms;
  return until(() => Date.now() >= end, { everyMs: 5, timeoutMs: ms + 1000 });
};

// What the rows go through, told by the database: ends, waits, and claims that came too early.
const witness = (table) => `
  CREATE TRIGGER witness AFTER UPDATE ON ${table} FOR EACH ROW EXECUTE FUNCTION witness()`;
const witnesses = `
  CREATE TABLE calls (event uuid);
  CREATE FUNCTION note_it(event jsonb) RETURNS void LANGUAGE sql AS $$ INSERT INTO calls VALUES ((event ->> 'id')::uuid) $$;
  CREATE FUNCTION note_and_raise(event jsonb) RETURNS void LANGUAGE plpgsql AS
    $$ BEGIN INSERT INTO calls VALUES ((event ->> 'id')::uuid); RAISE EXCEPTION 'no'; END $$;
  CREATE TABLE ends (event uuid, status text);
  CREATE TABLE waits (event uuid, attempt int, seconds float8);
  CREATE TABLE early (event uuid, by interval);
  CREATE FUNCTION witness() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN
    IF OLD.waits_until IS NOT NULL AND NEW.waits_until IS NULL THEN
      INSERT INTO ends VALUES (NEW.id, NEW.status);
    END IF;
    IF NEW.attempts > OLD.attempts AND NEW.waits_until IS NOT NULL THEN
      INSERT INTO waits VALUES (NEW.id, NEW.attempts, extract(epoch FROM NEW.waits_until - clock_timestamp()));
    END IF;
    IF NEW.claim_token IS DISTINCT FROM OLD.claim_token AND NEW.claim_token IS NOT NULL AND OLD.waits_until > clock_timestamp() THEN
      INSERT INTO early VALUES (NEW.id, OLD.waits_until - clock_timestamp());
    END IF;
    RETURN NULL;
  END $$`;

class Crash {
  static async begin(t, count, { cluster } = {}) {
    const crash = new Crash();
    crash.stand = await Stand.create({ cluster, env: { EVENT_MAX_CONCURRENT: '16', MAX_RETRY_ATTEMPTS: String(RETRIES) } });
    t.after(async () => {
      await crash.stand.end();
      await cluster?.stop();
    });
    const { db, receiver, ledger } = crash.stand;
    Object.assign(crash, { db, receiver, ledger, count, sources: TABLES.map((table) => new Events(crash.stand, table)) });
    await db.rows(witnesses);
    for (const table of TABLES) await db.rows(witness(table));
    ledger.follow(receiver, { accepts: ({ path, id }) => (path.startsWith('/flaky') ? receiver.timesSeen(id) >= 2 : !path.startsWith('/status')) });
    const [events] = crash.sources;
    for (const [type, action] of [['fn', 'note_it'], ['raises', 'note_and_raise'], ['forward', receiver.url('slow/3')], ['flaky', receiver.url('flaky/2')], ['bad', receiver.url('status/500')]])
      await events.handler(action, { type_pattern: type });
    await crash.#fill();
    return crash;
  }

  // The receiver knows events by webhook-id, as their provider had sent one.
  async #fill() {
    for (const { table, type } of this.sources) {
      const list = Object.entries(KINDS).flatMap(([kind, share]) => Array.from({ length: Math.round(this.count * share / 2) }, () => ({ id: randomUUID(), kind })));
      await this.db.rows(
        `INSERT INTO ${table} (id, event_id, ${type}, headers, waits_until${table === 'webhook_events' ? ', provider' : ''})
         SELECT id, id, kind, jsonb_build_object('webhook-id', id), clock_timestamp()${table === 'webhook_events' ? `, 'p' || left(id::text, 1)` : ''}
           FROM jsonb_to_recordset($1::jsonb) AS r (id uuid, kind text)`, [JSON.stringify(list)]);
      this.ledger.enqueue(list.map(({ id }) => id));
    }
    this.count = this.ledger.enqueued.size;
  }

  startRuns() {
    return this.sources.map(({ worker }) => start(program(), ['run', worker, '--budget', '60'], { env: cleanEnv(this.stand.env()) }));
  }

  // In the middle of their work, or right behind its end.
  async amid(ms) {
    await until(() => this.db.value(`SELECT count(*) > 0 FROM (${this.#union('lease_until')}) e WHERE lease_until > clock_timestamp()`), { what: 'a claim', everyMs: 1 });
    await moment(ms);
  }

  #union(what) {
    return TABLES.map((table) => `SELECT ${what.replaceAll('TABLE', table)} FROM ${table}`).join(' UNION ALL ');
  }

  async expose(where) {
    this.ledger.expose((await this.db.rows(`SELECT id FROM (${this.#union('id::text, lease_until, waits_until')}) e WHERE ${where}`)).map(({ id }) => id));
  }

  async kill(children) {
    for (const child of children) killNow(child.pid);
    for (const child of children) await until(() => !isAlive(child.pid), { what: 'the process to be gone', everyMs: 1 });
    await this.stand.backendsGone();
    await until(() => this.receiver.inflight === 0, { what: 'its requests to end' });
    await this.expose('lease_until IS NOT NULL');
    await this.pass();
  }

  async pass() {
    await this.stand.expireLocks();
    for (const events of this.sources) await events.expireLeases();
    for (const events of this.sources) await events.makeDue();
  }

  openCount() {
    return this.db.value(`SELECT count(*)::int FROM (${this.#union('waits_until')}) e WHERE waits_until IS NOT NULL`);
  }

  async drain() {
    await until(async () => {
      const children = this.startRuns();
      for (const child of children) await until(() => !isAlive(child.pid), { what: 'the run to end', timeoutMs: 90_000 });
      for (const events of this.sources) await events.makeDue();
      return await this.openCount() === 0;
    }, { what: 'every event to end', timeoutMs: 240_000, everyMs: 100 });
  }

  async judge() {
    for (const { event, n } of await this.db.rows('SELECT event::text, count(*)::int AS n FROM calls GROUP BY event')) {
      assert.equal(n, 1, `a function took effect ${n} times for ${event}`);
      this.ledger.receive(event);
    }
    const rows = await this.db.rows(`
      SELECT id::text, attempts, lost, waits_until IS NOT NULL AS open, kind, archived, status, note,
             CASE WHEN status = 'processed' THEN 'done' WHEN status = 'failed' AND archived THEN 'dead' WHEN status = 'processing' THEN 'taken' ELSE 'waiting' END AS state
        FROM (SELECT id, attempts, lost, waits_until, event_type AS kind, archived, status, note FROM webhook_events
              UNION ALL SELECT id, attempts, lost, waits_until, eventtype, archived, status, note FROM whatsapp_webhook_logs) e`);
    for (const row of rows) if (row.kind === 'nobody' && row.note) this.ledger.receive(row.id);
    const verdict = mustHold(this.ledger, rows);
    const dead = rows.filter(({ kind }) => ['raises', 'bad'].includes(kind)).length;
    assert.deepEqual([verdict.enqueued, verdict.done, verdict.dead], [this.count, this.count - dead, dead]);
    assert.deepEqual(rows.filter((row) => row.state === 'dead' && row.attempts !== RETRIES + 1), []);
    assert.deepEqual(await this.db.rows('SELECT event FROM ends GROUP BY event HAVING count(*) > 1'), [], 'every event ends once');
    assert.equal(await this.db.value('SELECT count(*)::int FROM ends'), this.count);
    assert.deepEqual(await this.db.rows('SELECT * FROM early'), [], 'no retry came before its time');
    assert.deepEqual(await this.db.rows('SELECT * FROM waits WHERE seconds NOT BETWEEN 60 * 2 ^ (attempt - 1) - 1 AND 66 * 2 ^ (attempt - 1)'), []);
    return verdict;
  }
}

describe('events under fire', { concurrency: size(2, 1) }, () => {
  test('killed or frozen at random moments: every event ends once, each function takes effect once', async (t) => {
    const crash = await Crash.begin(t, size(1000, 20_000));
    const draw = random('events');
    const rounds = size(6, 120);
    for (let n = 0; n < rounds && await crash.openCount() > 0; n++) {
      const children = crash.startRuns();
      await crash.amid(draw.between(0, 80));
      if (n % 3 !== 2) {
        await crash.kill(children);
        continue;
      }
      // Others take what the frozen ones held; when these go on, they change nothing of it.
      for (const child of children) process.kill(child.pid, 'SIGSTOP');
      await crash.stand.backendsGone(); // a claim on its way still comes
      await crash.expose('lease_until IS NOT NULL');
      await crash.pass();
      const others = crash.startRuns();
      await crash.amid(draw.between(0, 80));
      for (const child of children) process.kill(child.pid, 'SIGCONT');
      for (const child of [...children, ...others]) await until(() => !isAlive(child.pid), { what: 'the run to end', timeoutMs: 90_000 });
      await crash.pass();
    }
    await crash.drain();
    const verdict = await crash.judge();
    report(t, 'SIGKILL and SIGSTOP, events', { rounds, events: verdict.enqueued, requests: verdict.requests, duplicates: verdict.duplicates });
  });

  test('PostgreSQL restarts and crashes under load: every event ends once', async (t) => {
    const cluster = await Cluster.create();
    const crash = await Crash.begin(t, size(400, 4000), { cluster });
    const draw = random('events restart');
    const restarts = size(1, 20);
    for (let n = 0; n < restarts; n++) {
      const children = crash.startRuns();
      await crash.amid(draw.between(0, 100));
      if (n % 2) await cluster.stop();
      else await cluster.crash();
      await cluster.start();
      await crash.expose('waits_until IS NOT NULL');
      for (const child of children) await until(() => !isAlive(child.pid), { what: 'the run to end', timeoutMs: 90_000 });
      await crash.pass();
    }
    await crash.drain();
    const verdict = await crash.judge();
    report(t, 'PostgreSQL restart, events', { restarts, events: verdict.enqueued, requests: verdict.requests, duplicates: verdict.duplicates });
  });
});
