// Writes tests/schemas/NNNN.sql, rows of the schema of build/release: those of the newest earlier one,
// migrated, and what ROWS.sql inserts into the tables that are new; and `released`, by which it is seen
// that the steps up to there are never edited again.
//   node tests/schemas/next.mjs ROWS.sql
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { earlierSchemas, folder, restore, rowsOf, sumsOf } from '../lib/schema.mjs';
import { Stand } from '../lib/stand.mjs';

const stand = await Stand.create({ empty: true });
const newest = earlierSchemas().at(-1);
if (newest) await restore(stand.db, newest);
const done = await stand.cli(['migrate']);
if (done.code !== 0) throw new Error(done.stderr);
await stand.db.rows(readFileSync(process.argv[2], 'utf8'));
const version = await stand.db.value('SELECT max(version) FROM cronward_schema');
const file = path.join(folder, `${String(version).padStart(4, '0')}.sql`);
writeFileSync(file, `-- Rows of a database at schema ${version}: a test upgrades it.  Made by tests/schemas/next.mjs.\n${await rowsOf(stand.db)}`);
writeFileSync(path.join(folder, 'released'), sumsOf(version));
await stand.end();
console.log(file);
