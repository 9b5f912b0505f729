// What machines can see without running anything: node tests/lint.mjs [name…].  Ends with
// "N passed, N failed".
import { readFileSync, readdirSync, statSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { knownNames, missingSettings, namingFiles, plantedNames, unloggedRoutes, wrongNames } from './lib/names.mjs';
import { run, must } from './lib/process.mjs';
import { root } from './lib/program.mjs';
import { many } from './lib/wait.mjs';

const FUNCTION_LINES_MAX = 70;
const FILE_LINES_MAX = 500;
const env = { ...process.env };
// The build of the fuzz targets: what clang has to say is the same.
const clang = ['CC=clang', 'B=build/fuzz', 'SAN=fuzzer-no-link,address,undefined'];
const shell = (command, args) => run(command, args, { cwd: root, env, timeoutMs: 600_000 });

function filesUnder(folder, ...endings) {
  let names;
  try {
    names = readdirSync(path.join(root, folder));
  } catch {
    return [];
  }
  return names.filter((name) => name !== 'node_modules').sort().flatMap((name) => {
    const at = `${folder}/${name}`;
    if (statSync(path.join(root, at)).isDirectory()) return filesUnder(at, ...endings);
    return endings.some((ending) => name.endsWith(ending)) ? [at] : [];
  });
}

const headers = filesUnder('include', '.h');
const sources = filesUnder('src', '.c', '.h');
const testSources = ['tests/unit', 'tests/fuzz', 'tests/fault', 'tests/bench'].flatMap((at) => filesUnder(at, '.c', '.h'));
const allC = [...headers, ...sources, ...testSources];
const modules = ['tests', 'deploy'].flatMap((at) => filesUnder(at, '.mjs'));
const scenarios = modules.filter((at) => at.endsWith('.test.mjs'));

const textOf = (at) => readFileSync(path.join(root, at), 'utf8');
const linesOf = (at) => textOf(at).split('\n').length - 1;

// C without its comments and the insides of its texts, line for line.
function codeOf(at) {
  return textOf(at)
    .replace(/\/\*[^]*?\*\/|\/\/[^\n]*|"(?:\\.|[^"\\\n])*"/g, (part) => (part[0] === '"' ? '""' : part.replace(/[^\n]/g, ' ')));
}

// "file:line: text" of each line of the code that matches.
function grep(files, pattern, read = codeOf) {
  return files.flatMap((at) => read(at).split('\n')
    .flatMap((line, i) => (pattern.test(line) ? [`${at}:${i + 1}: ${line.trim()}`] : [])));
}

async function failedOutput(command, args) {
  const done = await shell(command, args);
  return done.code === 0 ? [] : [`${command} ended ${done.code}`, done.stdout.trim(), done.stderr.trim()];
}

// What the Makefile would give the compiler.
async function flags() {
  const printed = await must('make', ['-s', 'print-flags'], { cwd: root, env });
  return printed.trim().split('\n').map((line) => line.match(/'[^']*'|\S+/g).map((word) => word.replaceAll("'", '')));
}

async function headersAlone(compiler) {
  await must('make', ['-s', 'build/release/sql_list.h', 'build/release/migration_list.h'], { cwd: root, env });
  const [cpp, warn] = await flags();
  // A header has nothing to say about macros and helpers that it defines and does not use.
  const args = [...cpp, ...warn, '-Wno-unused-function', '-fsyntax-only', '-x', 'c'];
  const found = await many(headers.length, os.cpus().length,
    (i) => failedOutput(compiler, [...args, ...(compiler === 'clang' ? ['-Wno-pragma-once-outside-header'] : []), headers[i]]));
  return found.flat();
}

async function functionLengths() {
  const printed = await must('ctags', ['--languages=C', '--kinds-C=f', '--fields=+ne', '--output-format=json', '-f', '-', ...allC],
    { cwd: root, env });
  return printed.split('\n').filter(Boolean).map((line) => JSON.parse(line)).filter((tag) => tag.end)
    .filter((tag) => tag.end - tag.line + 1 > FUNCTION_LINES_MAX)
    .map((tag) => `${tag.path}:${tag.line}: ${tag.name} has ${tag.end - tag.line + 1} lines`);
}

// The floors of the house: what a folder's files may include.
const floors = {
  base: ['base'],
  db: ['base', 'db'],
  http: ['base', 'http'],
  engine: ['base', 'db', 'http', 'engine'],
  vendors: ['base', 'http', 'vendors'],
  processors: ['base', 'db', 'http', 'engine', 'vendors', 'processors', 'cronward'],
  workers: ['base', 'db', 'http', 'engine', 'vendors', 'processors', 'workers'],
  gateway: ['base', 'db', 'http', 'engine', 'vendors', 'processors', 'workers', 'gateway'],
};

function callsUpward() {
  return [...headers, ...sources].flatMap((at) => {
    const allowed = floors[at.split('/')[1]];
    if (!allowed) return [];
    return [...textOf(at).matchAll(/^#include "(\w+)\/[^"]+"/gm)].filter(([, floor]) => !allowed.includes(floor))
      .map(([line]) => `${at}: ${line}`);
  });
}

// What has a header of its own is a part of a worker, and is tested with it.
const isPart = (name) => headers.includes(`include/workers/${name}.h`);

function unlistedWorkers() {
  const list = sources.includes('src/workers/workers.c') ? textOf('src/workers/workers.c') : '';
  // A worker is known by the list alone.
  return filesUnder('src/workers', '.c').map((at) => path.basename(at, '.c')).filter((name) => !isPart(name))
    .filter((name) => !new RegExp(`&worker_${name}\\b`).test(list)).map((name) => `src/workers/${name}.c is not in workers.c`);
}

function untestedWorkers() {
  const tests = filesUnder('tests/integration', '.test.mjs').map((at) => path.basename(at, '.test.mjs'));
  return filesUnder('src/workers', '.c').map((at) => path.basename(at, '.c'))
    .filter((name) => name !== 'workers' && !isPart(name) && !tests.includes(name)).map((name) => `${name} has no tests/integration/${name}.test.mjs`);
}

let asked;

// A check of names: what there is comes from a build of our own, as others may be at work on theirs.
function withNames(check) {
  return async () => {
    asked ??= must('make', ['-s', ...clang, 'all'], { cwd: root, env, timeoutMs: 600_000 })
      .then(() => knownNames(path.join(root, 'build/fuzz/cronward')));
    return check(await asked);
  };
}

const checks = {
  'headers alone, gcc': () => headersAlone('gcc'),
  'headers alone, clang': () => headersAlone('clang'),
  'clang build': () => failedOutput('make', [...clang, 'all']),
  'clang-format': () => failedOutput('clang-format', ['--dry-run', '-Werror', ...allC]),
  'clang-tidy': () => failedOutput('make', ['-k', ...clang, 'tidy']),
  'cppcheck': async () => {
    await must('mkdir', ['-p', 'build/cppcheck'], { cwd: root });
    return failedOutput('cppcheck', ['--quiet', '--enable=warning,performance,portability', '--error-exitcode=1',
      '--inline-suppr', '--std=c11', '--library=posix', '--suppress=missingIncludeSystem',
      '--suppress=getpwuidCalled', // threads cancel statements, and ask for no accounts
      '--cppcheck-build-dir=build/cppcheck', '-D_GNU_SOURCE', '-Iinclude', '-Ibuild/release', 'src']);
  },
  'shellcheck': async () => {
    const scripts = (await must('git', ['-C', root, 'grep', '-lE', '^#!.*\\b(ba)?sh\\b']).catch(() => '')).split('\n').filter(Boolean);
    return scripts.length === 0 ? [] : failedOutput('shellcheck', ['-x', ...scripts]);
  },
  'banned calls': () => grep(allC, /\b(strcpy|strcat|v?sprintf|strtok|atoi|atol|gets|alloca)\s*\(/),
  'PQexec and PQsend in src/db alone': () => grep(sources.filter((at) => !at.startsWith('src/db/')), /\bPQ(exec|send)\w*\s*\(/),
  'SQL text in sql/ alone': () => grep([...sources, ...headers], /"\s*(SELECT|INSERT INTO|UPDATE|DELETE FROM|WITH \w+ AS)\b/, textOf),
  'calls go down only': callsUpward,
  'function length': functionLengths,
  'file length': () => allC.filter((at) => linesOf(at) > FILE_LINES_MAX).map((at) => `${at} has ${linesOf(at)} lines`),
  'every worker is listed': unlistedWorkers,
  'every worker has a test': untestedWorkers,
  'no goto beside AUTO': () => sources.filter((at) => /\bAUTO\(/.test(codeOf(at)) && /\bgoto\b/.test(codeOf(at))),
  'what pages name exists': withNames((known) => namingFiles().flatMap((at) => wrongNames(at, textOf(at), known))),
  'a wrong name would be seen': withNames((known) => plantedNames.filter(([at, text]) => wrongNames(at, text, known).length === 0)
    .map(([at, text]) => `not seen in ${at}: ${text}`)),
  'every setting is in README and in the manual': withNames((known) => ['README.md', 'cronward.1'].flatMap((page, i) =>
    missingSettings(i === 0 ? textOf(page) : known.man, known).map((name) => `${name} is not in ${page}`))),
  "nginx logs every route's path": withNames((known) => unloggedRoutes(textOf('nginx/cronward.conf.in'), known)),
  'no TODO': () => grep(allC, /\b(TODO|FIXME|XXX)\b/, textOf),
  "nothing that Debian 12's Node 18 has not": () => grep(modules,
    /\.(toSorted|toReversed|toSpliced)\(|\b(Array\.fromAsync|Object\.groupBy|Map\.groupBy|Promise\.withResolvers|import\.meta\.(dirname|filename))\b/, textOf),
  'no bare sleep in tests': () => [
    ...grep(scenarios, /\b(setTimeout|setInterval|timers\/promises|sleep)\b/, textOf),
    ...grep(testSources, /\b(u|nano)?sleep\s*\(/),
  ],
};

const wanted = process.argv.slice(2);
let passed = 0;
let failed = 0;
for (const [name, check] of Object.entries(checks)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  const found = await Promise.resolve().then(check).catch((e) => [e.message]);
  if (found.length === 0) {
    passed++;
    console.log(`ok ${name}`);
  } else {
    failed++;
    console.log(`not ok ${name}\n${found.filter(Boolean).join('\n')}`);
  }
}
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed > 0 ? 1 : 0);
