// README says what is: its settings are the program's, its commands work, its files exist.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { after, test } from 'node:test';
import { cleanEnv, must, run } from '../lib/process.mjs';
import { program, root } from '../lib/program.mjs';
import { Stand } from '../lib/stand.mjs';

const readme = readFileSync(path.join(root, 'README.md'), 'utf8');
const stand = await Stand.create();
after(() => stand.end());

test('the table of settings is what `cronward config --markdown` prints', async () => {
  const printed = await must(program(), ['config', '--markdown'], { env: cleanEnv() });
  assert.ok(readme.includes(printed.trim()), 'run `cronward config --markdown` and put its output into README.md');
});

test('settings that the text names exist, or are called not needed', async () => {
  const printed = await must(program(), ['config', '--markdown'], { env: cleanEnv() });
  const known = new Set([...printed.matchAll(/`([A-Z_]+)`/g)].map(([, name]) => name));
  const others = new Set(['DESTDIR', 'PREFIX', 'SECRET', 'SOCKET', 'USER', 'GROUP', 'APP_URL', 'NAME_PREVIOUS', 'NAME_FILE', 'REDIS_URL', 'DATABASE_PASSWORD']);
  const named = [...readme.matchAll(/\b([A-Z]+(?:_[A-Z]+)+)\b/g)].map(([, name]) => name);
  assert.deepEqual([...new Set(named)].filter((name) => !known.has(name) && !others.has(name) && !/^(PORT_|RATE_|ASAN_)/.test(name)), []);
});

test('every command of the program that README names exists', async () => {
  const commands = new Set([...readme.matchAll(/`?cronward ([a-z]+)/g)].map(([, name]) => name)
    .filter((name) => !['serves', 'is', 'on', 'on', 'runs'].includes(name)));
  for (const name of commands) {
    const done = await run(program(), [name, '--help'], { env: cleanEnv() });
    assert.equal(done.code, 0, `cronward ${name}: ${done.stderr}`);
  }
});

test('every make target that README names exists', async () => {
  const targets = new Set([...readme.matchAll(/\bmake ([a-z-]+)/g)].map(([, name]) => name).filter((name) => !['it', 'and', 'sure'].includes(name)));
  const database = await run('make', ['-pnq', '-C', root], { env: { ...process.env }, timeoutMs: 30_000 });
  for (const name of targets) assert.match(database.stdout, new RegExp(`^${name}:`, 'm'), `make ${name}`);
});

test('files and folders that README names exist', () => {
  const named = [...readme.matchAll(/`((?:src|include|sql|nginx|deploy|tests|\.ci)\/[\w./-]*)`/g)].map(([, at]) => at);
  assert.ok(named.length > 3);
  // x stands for a name of the reader's.
  assert.deepEqual(named.filter((at) => !/\/x\./.test(at) && !existsSync(path.join(root, at))), []);
});

test('its SQL runs as it stands, and the deliveries that it promises are there', async () => {
  const blocks = [...readme.matchAll(/```sql\n([^]*?)```/g)].map(([, sql]) => sql);
  assert.ok(blocks.length > 0);
  for (const sql of blocks) await stand.db.rows(sql);
  assert.ok((await stand.rows()).length > 0);
});

test('folders have a README of their own', () => {
  for (const folder of ['nginx', 'deploy', 'sql', 'tests'])
    assert.ok(existsSync(path.join(root, folder, 'README.md')), folder);
});
