// `cronward migrate`: from nothing, twice, two at once, and never over a newer schema.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, test } from 'node:test';
import { Stand } from '../lib/stand.mjs';

const stands = [];
after(async () => {
  for (const stand of stands) await stand.end();
});

async function bare() {
  const stand = await Stand.create({ empty: true });
  stands.push(stand);
  return stand;
}

const tables = (db) => db.rows(`SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' ORDER BY 1`);

test('a fresh database gets the schema; again, nothing changes', async () => {
  const stand = await bare();
  const first = await stand.cli(['migrate']);
  assert.equal(first.code, 0, first.stderr);
  assert.match(first.stdout, /platform/);
  const names = (await tables(stand.db)).map((row) => row.table_name);
  for (const name of ['platform_events', 'app_webhooks', 'webhook_deliveries', 'webhook_attempts', 'platform_notifications',
    'platform_events_archive', 'platform_notifications_archive', 'cron_job_executions', 'cron_locks', 'cron_denied', 'audit_log'])
    assert.ok(names.includes(name), name);
  const second = await stand.cli(['migrate']);
  assert.equal(second.code, 0, second.stderr);
  assert.deepEqual((await tables(stand.db)).map((row) => row.table_name), names);
});

test('five at once: each step is done once, all succeed', async () => {
  for (let round = 0; round < 3; round++) {
    const stand = await bare();
    const done = await Promise.all(Array.from({ length: 5 }, () => stand.cli(['migrate'])));
    assert.deepEqual(done.map((one) => one.code), [0, 0, 0, 0, 0], done.map((one) => one.stderr).join());
    const told = done.flatMap((one) => one.stdout.match(/platform/g) ?? []);
    assert.equal(told.length, 1, 'one of them tells of the step');
    const versions = await stand.db.rows('SELECT version FROM cronward_schema ORDER BY 1');
    assert.deepEqual(versions.map((row) => row.version), [...new Set(versions.map((row) => row.version))]);
  }
});

test('a schema newer than the program is refused, and nothing changes', async () => {
  const stand = await bare();
  await stand.cli(['migrate']);
  await stand.db.rows(`INSERT INTO cronward_schema (version, name) VALUES (9999, 'from_the_future')`);
  const done = await stand.cli(['migrate']);
  assert.notEqual(done.code, 0);
  assert.match(done.stderr, /newer/);
  assert.equal(done.stderr.trim().split('\n').length, 1);
});

test('a migration that fails leaves nothing behind', async () => {
  const stand = await bare();
  // A type of an application's with this name stands in the way of the table.
  await stand.db.rows(`CREATE TYPE cron_locks AS ENUM ('mine')`);
  const done = await stand.cli(['migrate']);
  assert.equal(done.code, 1);
  assert.match(done.stderr, /migration 0001_platform: .*cron_locks/);
  assert.deepEqual(await tables(stand.db), []);
  await stand.db.rows('DROP TYPE cron_locks');
  assert.equal((await stand.cli(['migrate'])).code, 0);
});

test('a rehearsal says which steps there are, and changes nothing', async () => {
  const stand = await bare();
  const done = await stand.cli(['migrate', '--dry-run']);
  assert.equal(done.code, 0, done.stderr);
  assert.match(done.stdout, /^would apply 0001 platform\n(would apply \d{4} \w+\n)*.*nothing was changed\n$/);
  assert.deepEqual(await tables(stand.db), []);
  await stand.cli(['migrate']);
  assert.doesNotMatch((await stand.cli(['migrate', '--dry-run'])).stdout, /would/);
});

test('each step is on record, with who took it', async () => {
  const stand = await bare();
  const done = await stand.cli(['migrate']);
  const steps = done.stdout.match(/(?<=^applied ).*$/gm);
  const acts = await stand.db.rows('SELECT actor, action, target FROM audit_log ORDER BY id');
  assert.deepEqual(acts.map((act) => act.target), steps);
  for (const { actor, action } of acts) assert.match(`${actor} ${action}`, /^cli:\S+ migrate$/);
});

test('a database that is not there is one clear line', async () => {
  const stand = await bare();
  const done = await stand.cli(['migrate'], { env: { DATABASE_URL: 'postgresql:///nothing?host=/nonexistent' } });
  assert.notEqual(done.code, 0);
  assert.equal(done.stderr.trim().split('\n').length, 1, done.stderr);
});

test('only what is marked in the contract must be given; all else has defaults', async () => {
  const stand = await bare();
  await stand.cli(['migrate']);
  await stand.db.rows(`INSERT INTO app_webhooks (url, secret) VALUES ('https://example.com/hook', 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw')`);
  await stand.db.rows(`INSERT INTO platform_events (event_type, payload) VALUES ('order.paid', '{"order": 42}')`);
  await stand.db.rows(`INSERT INTO platform_notifications (user_id, title) VALUES (gen_random_uuid(), 'hello')`);
  await stand.db.rows('INSERT INTO webhook_deliveries (webhook_id, event_id) SELECT w.id, e.id FROM app_webhooks w, platform_events e');
  assert.equal((await stand.rows()).length, 2);
  const types = await stand.db.rows(
    `SELECT table_name || '.' || column_name AS name, data_type AS type FROM information_schema.columns WHERE table_schema = 'public'`);
  const typeOf = Object.fromEntries(types.map((row) => [row.name, row.type]));
  const wanted = {
    'platform_events.id': 'uuid', 'platform_events.payload': 'jsonb', 'app_webhooks.events': 'ARRAY', 'app_webhooks.headers': 'jsonb',
    'app_webhooks.is_active': 'boolean', 'webhook_deliveries.id': 'bigint', 'webhook_deliveries.priority': 'smallint',
    'platform_notifications.expires_at': 'timestamp with time zone', 'cron_job_executions.counts': 'jsonb', 'cron_locks.fence': 'bigint',
  };
  for (const [name, type] of Object.entries(wanted)) assert.equal(typeOf[name], type, name);
});

test('functions with the rights of cronward are fired by its tables alone', async () => {
  const stand = await bare();
  assert.equal((await stand.cli(['migrate'])).code, 0);
  const role = `app_${randomBytes(4).toString('hex')}`;
  const definers = await stand.db.rows(`SELECT proname AS name FROM pg_proc WHERE prosecdef AND proname LIKE 'cronward\\_%' ORDER BY 1`);
  assert.deepEqual(definers.map((row) => row.name), ['cronward_deliveries_gone', 'cronward_dependencies_come', 'cronward_dependencies_go',
    'cronward_event_handler_comes', 'cronward_events_fan_out', 'cronward_hold_ends', 'cronward_holds_change',
    'cronward_integration_is_changed', 'cronward_integrations_go', 'cronward_job_comes', 'cronward_job_ends', 'cronward_job_is_changed', 'cronward_job_is_deleted',
    'cronward_job_lets_go', 'cronward_job_payload_comes', 'cronward_job_schedules_check', 'cronward_jobs_have_ended', 'cronward_slots_go', 'cronward_stock_changes',
    'cronward_webhook_enabled', 'cronward_webhook_event_comes', 'cronward_whatsapp_goes', 'cronward_whatsapp_log_comes', 'cronward_whatsapp_token_changes']);
  const endpoint = await stand.endpoint('/ok', { is_active: false });
  await stand.db.rows(`CREATE ROLE ${role}; GRANT INSERT ON platform_events TO ${role}; GRANT SELECT, UPDATE ON app_webhooks TO ${role}; GRANT SELECT, DELETE ON webhook_deliveries TO ${role}`);
  try {
    await stand.db.session(async (sql) => {
      await sql(`SET ROLE ${role}`);
      await sql('CREATE TEMP TABLE mine (id uuid)');
      for (const { name } of definers)
        await assert.rejects(sql(`CREATE TRIGGER mine AFTER INSERT ON mine EXECUTE FUNCTION ${name}()`), /permission denied for function/);
      await sql(`INSERT INTO platform_events (event_type, payload) VALUES ('app.did', '{}')`);
      await sql(`UPDATE app_webhooks SET is_active = true WHERE id = '${endpoint.id}'`);
      assert.equal((await sql('SELECT count(*)::int AS n FROM webhook_deliveries'))[0].n, 1);
      await sql('DELETE FROM webhook_deliveries');
    });
  } finally {
    await stand.db.rows(`DROP OWNED BY ${role}; DROP ROLE ${role}`);
  }
});
