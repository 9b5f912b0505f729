// Runs the unit test programs of a folder, one by one: node tests/unit.mjs build/…/tests/unit.
// Each gets a migrated database of its own in DATABASE_URL.  cmocka speaks TAP; a program that
// dies counts as one failure.
import { existsSync, readdirSync, statSync } from 'node:fs';
import path from 'node:path';
import { cleanEnv, run } from './lib/process.mjs';
import { Cluster, hasty } from './lib/postgres.mjs';
import { program, sanitizerEnv } from './lib/program.mjs';

const PROGRAM_TIMEOUT_MS = 120_000;

function programsOf(folder) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder).filter((name) => name.startsWith('test_') && !path.extname(name)).sort()
    .map((name) => path.join(folder, name)).filter((file) => statSync(file).mode & 0o111);
}

const cluster = await Cluster.create(hasty);
let passed = 0;
let failed = 0;
for (const file of programsOf(process.argv[2])) {
  const db = await cluster.database({ empty: !existsSync(program()) });
  const done = await run(file, [], {
    env: cleanEnv({ ...sanitizerEnv, CMOCKA_MESSAGE_OUTPUT: 'TAP', DATABASE_URL: db.url, TMPDIR: process.env.TMPDIR ?? '/tmp' }),
    timeoutMs: PROGRAM_TIMEOUT_MS,
  });
  const good = (done.stdout.match(/^ok /gm) ?? []).length;
  const bad = (done.stdout.match(/^not ok /gm) ?? []).length;
  passed += good;
  failed += bad || (done.code !== 0 ? 1 : 0);
  const fine = bad === 0 && done.code === 0;
  console.log(`${fine ? 'ok' : 'not ok'} ${path.basename(file)}: ${good} passed, ${bad} failed${done.timedOut ? ', took too long' : ''}`);
  if (!fine) console.log(`${done.stdout}\n${done.stderr}\nended ${done.code}`);
  await db.drop();
}
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed > 0 ? 1 : 0);
