// What tests of inbound events share: handlers, rows as the gateway stores them, runs.
import assert from 'node:assert/strict';

const TABLES = {
  webhook_events: { worker: 'retry-webhooks', type: 'event_type', error: 'error_message', retried: 'retry_count', retryAt: 'next_retry_at' },
  whatsapp_webhook_logs: { worker: 'whatsapp-webhook-retry', type: 'eventtype', error: 'processingerror', retried: 'retrycount', retryAt: 'nextretryat' },
};

export class Events {
  constructor(stand, table = 'webhook_events') {
    Object.assign(this, TABLES[table], { stand, db: stand.db, table });
  }

  // A function f(event jsonb); `returns` and what stands between BEGIN and END.
  async fn(name, body, returns = 'void') {
    await this.db.rows(`CREATE OR REPLACE FUNCTION ${name}(event jsonb) RETURNS ${returns} LANGUAGE plpgsql AS $f$ BEGIN ${body} END $f$`);
    return name;
  }

  handler(action, { provider = '*', type_pattern = '*', ...more } = {}) {
    const columns = { provider, type_pattern, action, ...more };
    const names = Object.keys(columns);
    return this.db.value(`INSERT INTO event_handlers (${names.join(', ')}) VALUES (${names.map((_, i) => `$${i + 1}`).join(', ')}) RETURNING id`, Object.values(columns));
  }

  // As the gateway stores one, a minute before it is due for those that try again.
  put({ provider = 'telebirr', event_id = `e${Math.random()}`, type = 'payment.paid', payload = {}, ...more } = {}) {
    const columns = { event_id, [this.type]: type, payload: payload === null ? null : JSON.stringify(payload), ...more };
    if (this.table === 'webhook_events') columns.provider = provider;
    const names = Object.keys(columns);
    return this.db.value(
      `INSERT INTO ${this.table} (waits_until, ${names.join(', ')})
       VALUES (clock_timestamp() + interval '1 minute', ${names.map((_, i) => `$${i + 1}`).join(', ')}) RETURNING id`, Object.values(columns));
  }

  row(id) {
    return this.db.one(`SELECT *, ${this.type} AS type, ${this.error} AS error, ${this.retried} AS retried, ${this.retryAt} AS retry_at FROM ${this.table} WHERE id = $1`, [id]);
  }

  // Lets the waits of all that wait pass, as nobody's leases have run out.
  makeDue() {
    return this.db.rows(
      `UPDATE ${this.table} SET waits_until = clock_timestamp() - interval '1 ms'
        WHERE waits_until > clock_timestamp() AND waits_until < 'infinity' AND lease_until IS NULL`);
  }

  // What a dead process held is due at once.
  expireLeases() {
    return this.db.rows(`UPDATE ${this.table} SET lease_until = clock_timestamp() - interval '1 s' WHERE lease_until IS NOT NULL`);
  }

  // A run of the worker that tries again, to its end: its reply.
  async run(env = {}, args = []) {
    const done = await this.stand.cli(['run', this.worker, ...args], { env });
    assert.ok(done.code < 2, `${done.code}: ${done.stderr}`);
    assert.doesNotMatch(done.stderr, /lost_leases|unsettled/);
    return JSON.parse(done.stdout);
  }

  // From now on the database writes down which rows are claimed together; the answer tells so far.
  async watchClaims() {
    await this.db.rows(`CREATE TABLE claims (n serial, ids uuid[]);
      CREATE FUNCTION note_claim() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        INSERT INTO claims (ids) SELECT array_agg(n.id) FROM now_rows n JOIN old_rows o USING (id) WHERE n.claim_token IS DISTINCT FROM o.claim_token HAVING bool_and(n.claim_token IS NOT NULL);
        RETURN NULL; END $$;
      CREATE TRIGGER claims AFTER UPDATE ON ${this.table} REFERENCING OLD TABLE AS old_rows NEW TABLE AS now_rows FOR EACH STATEMENT EXECUTE FUNCTION note_claim()`);
    return async () => (await this.db.rows('SELECT ids::text[] FROM claims ORDER BY n')).map(({ ids }) => ids);
  }

  // The row, tried once.
  async tried(id, env) {
    await this.makeDue();
    await this.run(env);
    return this.row(id);
  }

  async clear() {
    await this.db.rows(`TRUNCATE ${this.table}, event_handlers`);
  }
}
