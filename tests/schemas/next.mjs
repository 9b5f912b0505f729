// Writes tests/schemas/NNNN.sql, the schema of build/release with rows in it: the newest earlier
// one, migrated, and what ROWS.sql inserts into the tables that are new.
//   node tests/schemas/next.mjs ROWS.sql
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { earlierSchemas, contentsOf, folder, restore } from '../lib/schema.mjs';
import { Stand } from '../lib/stand.mjs';

const stand = await Stand.create({ empty: true });
const newest = earlierSchemas().at(-1);
if (newest) await restore(stand.db, newest.file);
const done = await stand.cli(['migrate']);
if (done.code !== 0) throw new Error(done.stderr);
await stand.db.rows(readFileSync(process.argv[2], 'utf8'));
const version = await stand.db.value('SELECT max(version) FROM cronward_schema');
const file = path.join(folder, `${String(version).padStart(4, '0')}.sql`);
writeFileSync(file, `-- The schema of version ${version}, with rows: a test upgrades it.  Made by tests/schemas/next.mjs.\n${await contentsOf(stand.db)}`);
await stand.end();
console.log(file);
