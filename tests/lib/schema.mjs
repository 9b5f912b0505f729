// Earlier schemas, made by their own steps, with the rows of tests/schemas in them, and whether two
// databases have the very same one.
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { binary } from './postgres.mjs';
import { cleanEnv, must } from './process.mjs';
import { root } from './program.mjs';

export const folder = path.join(root, 'tests/schemas');
const migrations = path.join(root, 'sql/migrations');

// The earlier schemas of which there are rows: { version, file }, oldest first.
export function earlierSchemas() {
  return readdirSync(folder).filter((name) => /^\d{4}\.sql$/.test(name)).sort()
    .map((name) => ({ version: Number(name.slice(0, 4)), file: path.join(folder, name) }));
}

// pg_dump's text without what differs between two runs of it or two releases of PostgreSQL.
export async function dump(db, ...options) {
  const text = await must(binary('pg_dump'),
    ['-h', db.cluster.socketFolder, '-U', 'cronward', '-d', db.name, '--no-owner', '--no-privileges', ...options],
    { env: cleanEnv() });
  return text.split('\n').filter((line) => !/^(--|\\(un)?restrict|SET \w+ = .*;$|SELECT pg_catalog\.set_config|$)/.test(line)).join('\n') + '\n';
}

// The definitions alone.  When which steps were taken is no part of them, nor which weeks have a
// partition, nor the parentheses of a trigger's condition: of ORs within ORs PostgreSQL writes fewer once
// it has read its own text.
export async function schemaOf(db) {
  const text = await dump(db, '--schema-only', '--exclude-table=webhook_attempts_first', '--exclude-table=webhook_attempts_2*');
  return text.replace(/^CREATE TRIGGER .*$/gm, (line) => line.replace(/[()]/g, ''));
}

// Schema and rows as statements.
export const contentsOf = (db, ...options) => dump(db, '--inserts', '--quote-all-identifiers', ...options);

// The schema of an earlier version, made by the steps themselves.
export async function migrateTo(db, version, as = '') {
  const steps = stepsTo(version);
  await db.session(async (sql) => {
    await sql(`BEGIN; ${as}
      CREATE TABLE cronward_schema (version integer PRIMARY KEY, name text NOT NULL, applied_at timestamptz NOT NULL DEFAULT clock_timestamp())`);
    for (const name of steps) {
      await sql('INSERT INTO cronward_schema (version, name) VALUES ($1, $2)', [Number(name.slice(0, 4)), name.slice(5, -4)]);
      await sql(readFileSync(path.join(migrations, name), 'utf8'));
    }
    await sql('COMMIT');
  });
}

// An earlier schema with its rows, in an empty database: they are as they were, whatever triggers would
// make of them today.
export async function restore(db, { version, file }) {
  await migrateTo(db, version);
  await db.session(async (sql) => {
    await sql('SET session_replication_role = replica');
    await sql(readFileSync(file, 'utf8'));
  });
}

// The rows of a database as restore() takes them; what the steps themselves bring is not among them.
export const rowsOf = (db) => dump(db, '--data-only', '--column-inserts', '--on-conflict-do-nothing', '--load-via-partition-root',
  '--exclude-table=cronward_schema', '--exclude-table=email_templates');

// "SHA-256  NAME" of each step up to `version`, as sha256sum prints it.
export function sumsOf(version) {
  return stepsTo(version).map((name) => `${createHash('sha256').update(readFileSync(path.join(migrations, name))).digest('hex')}  ${name}\n`).join('');
}

export const released = () => readFileSync(path.join(folder, 'released'), 'utf8');

function stepsTo(version) {
  return readdirSync(migrations).filter((name) => name.endsWith('.sql') && Number(name.slice(0, 4)) <= version).sort();
}
