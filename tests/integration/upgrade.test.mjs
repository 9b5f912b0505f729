// Upgrades: every earlier schema, with rows in it, becomes the very one of a fresh database.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { earlierSchemas, migrateTo, released, restore, schemaOf, sumsOf } from '../lib/schema.mjs';
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

const fresh = await bare();
const made = await fresh.cli(['migrate']);
assert.equal(made.code, 0, made.stderr);
const wanted = await schemaOf(fresh.db);

// { table: { columns, rows } } of all that is there; rows as text, in the order of that text.
async function rowsOf(db, tables) {
  tables ??= await db.rows(
    `SELECT c.relname AS name, string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum) AS columns
       FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
      WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
      GROUP BY 1 ORDER BY 1`);
  const rows = {};
  for (const { name, columns } of tables)
    rows[name] = (await db.rows(`SELECT row(${columns})::text AS row FROM "${name}" ORDER BY 1`)).map((one) => one.row);
  return { tables, rows };
}

for (const earlier of earlierSchemas()) {
  const { version, file } = earlier;
  test(`schema ${version} becomes that of a fresh database, keeps its rows and works`, async () => {
    const stand = await bare();
    await restore(stand.db, earlier);
    assert.equal(await stand.db.value('SELECT max(version) FROM cronward_schema'), version);
    const before = await rowsOf(stand.db);
    for (const [name, rows] of Object.entries(before.rows)) assert.ok(rows.length > 0, `${file} has no rows of ${name}`);

    const done = await stand.cli(['migrate']);
    assert.equal(done.code, 0, done.stderr);
    assert.equal(await schemaOf(stand.db), wanted);
    const after = await rowsOf(stand.db, before.tables);
    // What `migrate` itself writes is new; nothing that was there may be missing.
    for (const name of ['cronward_schema', 'audit_log'])
      after.rows[name] = after.rows[name].filter((row) => before.rows[name].includes(row));
    assert.deepEqual(after.rows, before.rows);

    await stand.db.rows(`UPDATE app_webhooks SET url = $1 || id`, [stand.receiver.url('/ok/')]);
    const open = await stand.openCount();
    assert.ok(open > 0, 'nothing is due');
    const run = await stand.cli(['run', 'webhook-retry']);
    assert.equal(run.code, 0, run.stderr);
    assert.equal(JSON.parse(run.stdout).succeeded, open);
    assert.equal(stand.receiver.requests.length, open);
    assert.equal(await stand.db.value(`SELECT status FROM cron_job_executions WHERE id = '55555555-5555-4555-8555-555555555555'`), 'abandoned');

    // A job that waited when there was no worker for it runs now, once its type is named.
    await stand.db.rows(`INSERT INTO jobs (job_type) VALUES ('report')`);
    await stand.db.rows(`CREATE FUNCTION report(job jsonb) RETURNS jsonb LANGUAGE sql AS 'SELECT job -> ''payload''';
      INSERT INTO job_types (job_type, processor, target) VALUES ('report', 'sql', 'report')`);
    const jobs = await stand.cli(['run', 'job-queue']);
    assert.equal(jobs.code, 0, jobs.stderr);
    assert.equal(await stand.db.value(`SELECT count(*)::int FROM jobs WHERE waits_until IS NOT NULL`), 0);
  });
}

test('steps that were released are as they were: databases have taken them', () => {
  assert.equal(sumsOf(earlierSchemas().at(-1).version), released());
});

// Those that were never released are gone through all the same: made by their own steps.
test('every version on the way becomes that of a fresh database', async () => {
  const last = await fresh.db.value('SELECT max(version) FROM cronward_schema');
  assert.ok(last > 1);
  for (let version = 1; version < last; version++) {
    const stand = await bare();
    await migrateTo(stand.db, version);
    const done = await stand.cli(['migrate']);
    assert.equal(done.code, 0, done.stderr);
    assert.equal(done.stdout.match(/^applied /gm).length, last - version);
    assert.equal(await schemaOf(stand.db), wanted, `from ${version}`);
  }
});

// Whoever wants the table after us waits behind us: runs would lose what they are to settle.
test('a step gives up soon where somebody holds a table, and is done by the next call', async () => {
  const stand = await bare();
  await migrateTo(stand.db, 1);
  await stand.db.session(async (sql) => {
    await sql('BEGIN');
    await sql(`INSERT INTO app_webhooks (url, secret) VALUES ('https://example.com', 'secret')`);
    const began = Date.now();
    const done = await stand.cli(['migrate']);
    assert.equal(done.code, 1);
    assert.match(done.stderr, /migration 0002_sealed_secrets: .*lock timeout/);
    assert.ok(Date.now() - began < 15_000);
    await sql('COMMIT');
  });
  assert.equal((await stand.cli(['migrate'])).code, 0);
  assert.equal(await schemaOf(stand.db), wanted);
});

test('a schema that differs would be seen', async () => {
  const stand = await bare();
  await stand.cli(['migrate']);
  assert.equal(await schemaOf(stand.db), wanted);
  await stand.db.rows('ALTER TABLE cron_denied ALTER COLUMN calls SET DEFAULT 1');
  assert.notEqual(await schemaOf(stand.db), wanted);
});
