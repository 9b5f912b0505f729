// The program as it was: what runs beside the new one while an upgrade is under way.
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import path from 'node:path';
import { must, run } from './process.mjs';
import { root } from './program.mjs';

// The last commit with schema 1.
const COMMIT = '3b0a690c32d0b08b761e8c1ffb5b32cb8e6e4753';
const FIRST_MIGRATION = 'sql/migrations/0001_platform.sql';
const folder = path.join(root, 'build/older');
const { MAKEFLAGS, MFLAGS, MAKELEVEL, ...env } = process.env;

// { program, what }: from history where it is there, else these sources with the first migration
// alone.  Built once, kept in build/.
export async function olderProgram() {
  mkdirSync(folder, { recursive: true });
  const known = await run('git', ['-C', root, 'cat-file', '-e', `${COMMIT}^{commit}`], { env }).catch(() => ({ code: 1 }));
  return known.code === 0 && !process.env.CRONWARD_TEST_NO_HISTORY ? fromHistory() : fromSources();
}

async function fromHistory() {
  const at = path.join(folder, COMMIT);
  const program = path.join(at, 'build/release/cronward');
  if (!existsSync(program)) {
    const fresh = `${at}.${process.pid}`;
    mkdirSync(fresh);
    await must('sh', ['-c', 'git -C "$1" archive "$2" | tar -x -C "$3"', 'sh', root, COMMIT, fresh], { env });
    await must('make', ['-s', '-j2', '-C', fresh, 'all'], { env, timeoutMs: 200_000 });
    rmSync(at, { recursive: true, force: true });
    renameSync(fresh, at);
  }
  return { program, what: `commit ${COMMIT.slice(0, 7)}` };
}

async function fromSources() {
  const build = 'build/older/sources';
  await must('make', ['-s', '-j2', `B=${build}`, `MIGRATIONS=${FIRST_MIGRATION}`, 'all'], { cwd: root, env, timeoutMs: 200_000 });
  return { program: path.join(root, build, 'cronward'), what: 'these sources with schema 1' };
}
