// What the package and `make install` bring: units, manual pages, files and their modes.
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { appendFileSync, chmodSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { before, test } from 'node:test';
import { tempFolder } from '../lib/clean.mjs';
import { fcgiCall } from '../lib/fcgi.mjs';
import { installTree, makeDeb, version } from '../lib/package.mjs';
import { childrenNamed, cleanEnv, must, run, start } from '../lib/process.mjs';
import { program, root } from '../lib/program.mjs';
import { until } from '../lib/wait.mjs';

const EXPOSURE_MAX = 1.5;
const env = cleanEnv({ PATH: `${process.env.PATH}:/usr/sbin:/sbin` });
const pools = ['workers', 'api', 'inbound', 'async'];

let deb;
let unpacked;
let tree;

before(async () => {
  deb = await makeDeb();
  unpacked = tempFolder('deb');
  await must('dpkg-deb', ['-x', deb, unpacked]);
  await must('dpkg-deb', ['-e', deb, path.join(unpacked, 'DEBIAN')]);
  tree = await installTree(program());
});

const settings = async () => [...(await must(program(), ['config', '--markdown'], { env })).matchAll(/^\| `([A-Z_]+)`/gm)].map(([, name]) => name);

// The files of the package: path to mode and owner.
async function listing() {
  const lines = (await must('dpkg-deb', ['-c', deb], { env })).trim().split('\n');
  return new Map(lines.map((line) => line.split(/\s+/)).map(([mode, owner, , , , at]) => [at.slice(1), { mode, owner }]));
}

test('the package has one version, root\'s files and sound modes', async () => {
  const files = await listing();
  assert.equal((await must('dpkg-deb', ['-f', deb, 'Version'])).trim(), version);
  for (const [at, { mode, owner }] of files) {
    assert.equal(owner, 'root/root', at);
    assert.match(mode, /^(d|-)rw[x-]r-[x-]r-[x-]$/, at);
  }
  for (const at of ['/usr/bin/cronward', '/usr/sbin/cronwardctl', '/usr/lib/cronward/pool', '/usr/lib/cronward/setup'])
    assert.equal(files.get(at)?.mode, '-rwxr-xr-x', at);
  for (const at of ['/etc/cronward/cronward.env', '/etc/nginx/sites-available/cronward', '/etc/nginx/cronward/allow.conf',
    '/usr/lib/systemd/system/cronward.target', '/usr/lib/systemd/system/cronward@.service', '/usr/lib/systemd/system/cronward@.socket',
    '/usr/lib/tmpfiles.d/cronward.conf', '/usr/share/man/man1/cronward.1.gz', '/usr/share/man/man8/cronwardctl.8.gz',
    '/usr/share/doc/cronward/copyright', '/usr/include/cronward/processor.h', '/usr/share/doc/cronward/examples/processor/word_count.c', '/usr/share/doc/cronward/callers/README.md'])
    assert.equal(files.get(at)?.mode, '-rw-r--r--', at);
});

test('it brings no secret, nor a path of where it was built', async () => {
  const files = [...(await listing()).keys()];
  assert.deepEqual(files.filter((at) => /\/(secrets|credentials|tls)\/|\.(new|key|pem)$/.test(at)), []);
  const found = await run('grep', ['-rlF', root, unpacked], { env });
  assert.equal(found.stdout, '');
  const lines = readFileSync(path.join(unpacked, 'etc/cronward/cronward.env'), 'utf8').split('\n');
  assert.deepEqual(lines.filter((line) => line && !line.startsWith('#')), []);
});

test('what operators edit is a conffile, all of it', async () => {
  const conffiles = readFileSync(path.join(unpacked, 'DEBIAN/conffiles'), 'utf8').trim().split('\n').sort();
  const inEtc = [...(await listing()).keys()].filter((at) => at.startsWith('/etc/') && !at.endsWith('/')).sort();
  assert.deepEqual(conffiles, inEtc);
});

test('lintian finds neither errors nor warnings', async () => {
  const done = await run('lintian', ['--allow-root', '--fail-on', 'error,warning', deb], { env, timeoutMs: 120_000 });
  assert.equal(done.code, 0, done.stdout + done.stderr);
});

test('a package of another version than the Makefile\'s is not built', async () => {
  const done = await run(path.join(root, 'deploy/make-deb'), ['9.9.9'], { env });
  assert.equal(done.code, 1);
  assert.match(done.stderr, new RegExp(`Makefile says version 9\\.9\\.9, deploy/debian/changelog ${version.replaceAll('.', '\\.')}`));
});

test('without git, the package is made of all that was not made itself', async () => {
  const tree = tempFolder('tree');
  const made = ['build', 'var', '.git', 'tests/node_modules'];
  await must('bash', ['-c', 'set -o pipefail; from=$1 to=$2; shift 2; tar -C "$from" "$@" -c . | tar -C "$to" -x', 'bash', root, tree, ...made.map((at) => `--exclude=./${at}`), '--exclude=node_modules']);
  const list = async (at) => (await must('find', ['.', '-path', './debian', '-prune', '-o', '-type', 'f', '-print'], { cwd: at })).trim().split('\n').sort();
  const wanted = await list(tree);
  assert.ok(wanted.includes('./Makefile') && wanted.includes('./src/main.c'));
  for (const at of made) await must('install', ['-D', '/dev/null', path.join(tree, at, 'made')]);
  // What would compile it says what it was given.
  const bin = tempFolder('bin');
  writeFileSync(path.join(bin, 'dpkg-buildpackage'), '#!/bin/sh\ncp -a . ../given && touch ../cronward.deb\n', { mode: 0o755 });
  const said = await must(path.join(tree, 'deploy/make-deb'), [version], { env: { ...env, PATH: `${bin}:${env.PATH}` } });
  assert.equal(said, `${tree}/build/deb/cronward.deb\n`);
  assert.deepEqual(await list(path.join(tree, 'build/deb/given')), wanted);
});

test('hardening-check says yes to the program, made either way', async () => {
  for (const at of [program(), path.join(unpacked, 'usr/bin/cronward')]) {
    const done = await run('hardening-check', [at], { env });
    const lines = done.stdout.trim().split('\n').slice(1);
    assert.equal(done.code, 0, done.stdout);
    assert.equal(lines.length, 7);
    // It knows that protection by the loop around alloca() and arrays of variable length alone,
    // and there are none of these here; the test below looks for it in another way.
    for (const line of lines.filter((one) => !/Stack clash protection: unknown/.test(one))) assert.match(line, /: yes/, at);
  }
});

test('every object is compiled with protection against stack clashes', async () => {
  const info = await must('readelf', ['--debug-dump=info', '--wide', program()], { env });
  const producers = [...info.matchAll(/DW_AT_producer .*: (GNU C17.*)$/gm)].map(([, text]) => text);
  assert.ok(producers.length > 30, String(producers.length));
  assert.deepEqual(producers.filter((text) => !text.includes('-fstack-clash-protection')), []);
  const compiled = readFileSync(path.join(path.dirname(deb), 'build.log'), 'utf8').split('\n').filter((line) => / -c -o /.test(line));
  assert.ok(compiled.length > 30, String(compiled.length));
  assert.deepEqual(compiled.filter((line) => !line.includes('-fstack-clash-protection') || !line.includes('-fstack-protector-strong')), []);
});

const unitsEnv = () => ({ ...env, SYSTEMD_UNIT_PATH: `${tree.at}/lib/systemd/system:`, MANPATH: `${tree.at}/share/man:` });
const unitNames = ['cronward.target', ...pools.flatMap((pool) => [`cronward@${pool}.service`, `cronward@${pool}.socket`])];

test('systemd-analyze verify has nothing to say about the units', async () => {
  const done = await run('systemd-analyze', ['verify', ...unitNames], { env: unitsEnv() });
  assert.equal(done.stdout + done.stderr, '');
  assert.equal(done.code, 0);
});

test(`no service is exposed to more than ${EXPOSURE_MAX}`, async () => {
  for (const unit of unitNames.filter((name) => name.endsWith('.service'))) {
    const done = await run('systemd-analyze', ['security', '--offline=true', '--no-pager', `--threshold=${EXPOSURE_MAX * 10}`, unit], { env: unitsEnv() });
    const level = Number(/Overall exposure level for \S+: ([\d.]+)/.exec(done.stdout)?.[1]);
    assert.ok(level <= EXPOSURE_MAX, `${unit}: ${level}\n${done.stdout}${done.stderr}`);
    assert.equal(done.code, 0, done.stderr);
  }
});

test('the sockets are for nginx alone, and root alone writes their folder', () => {
  const socket = readFileSync(path.join(tree.at, 'lib/systemd/system/cronward@.socket'), 'utf8');
  for (const line of ['ListenStream=/run/cronward/%i.sock', 'SocketUser=cronward', 'SocketGroup=www-data', 'SocketMode=0660', 'Backlog=2048'])
    assert.ok(socket.includes(`\n${line}\n`), line);
  assert.match(readFileSync(path.join(tree.at, 'lib/tmpfiles.d/cronward.conf'), 'utf8'), /^d \/run\/cronward 0751 root www-data -$/m);
});

test('the manual page has every command, every option and every setting', async () => {
  const page = (await must('man', ['-l', path.join(tree.at, 'share/man/man1/cronward.1')],
    { env: { ...env, MANWIDTH: '200', MAN_KEEP_FORMATTING: '', TERM: 'dumb' } })).replace(/.\x08/g, '').replaceAll('‐', '-');
  const commands = [...(await must(program(), ['help'], { env })).matchAll(/^ {2}([a-z]+) +(\S.*)$/gm)];
  assert.ok(commands.length >= 7);
  for (const [, command, summary] of commands) {
    assert.match(page, new RegExp(`^ +${command} - `, 'm'), command);
    assert.ok(page.includes(summary), summary);
    const help = await must(program(), [command, '--help'], { env });
    for (const [option] of help.matchAll(/--[a-z][a-z-]*/g)) assert.ok(page.includes(option), `${command} ${option}`);
  }
  for (const name of await settings()) assert.match(page, new RegExp(`^ +${name}$`, 'm'), name);
});

for (const page of ['man1/cronward.1', 'man8/cronwardctl.8'])
  test(`no formatter complains about ${page}`, async () => {
    const at = path.join(tree.at, 'share/man', page);
    const groff = await run('groff', ['-ww', '-man', '-Tutf8', '-z', at], { env });
    const man = await run('man', ['--warnings', '-E', 'UTF-8', '-l', '-Tutf8', '-Z', at], { env: { ...env, MANWIDTH: '80' } });
    const mandoc = await run('mandoc', ['-Tlint', at], { env });
    assert.equal(groff.stderr + man.stderr + mandoc.stdout + mandoc.stderr, '');
    assert.deepEqual([groff.code, man.code, mandoc.code], [0, 0, 0]);
  });

test('the sample of settings names what exists, and works when it is taken at its word', async () => {
  const sample = readFileSync(path.join(tree.sysconf, 'cronward/cronward.env'), 'utf8');
  const samples = Object.fromEntries([...sample.matchAll(/^#([A-Z_]+)=(.*)$/gm)].map(([, name, value]) => [name, value]));
  const known = await settings();
  assert.ok(Object.keys(samples).length > 5);
  assert.deepEqual(Object.keys(samples).filter((name) => !known.includes(name)), []);
  const done = await run(program(), ['config'], { env: { ...env, ...samples } });
  assert.equal(done.code, 0, done.stderr);
});

test('logs that a pool holds open are rotated without a line lost', async () => {
  const folder = tempFolder('logs');
  const log = path.join(folder, 'api.log');
  const config = path.join(folder, 'logrotate.conf');
  writeFileSync(config, readFileSync(path.join(tree.at, 'share/doc/cronward/examples/logrotate'), 'utf8').replace('/var/log/cronward/', `${folder}/`));
  chmodSync(config, 0o644);
  const pool = start('sh', ['-c', 'echo one >&2; kill -STOP $$; echo two >&2'], { env, log });
  await until(() => readFileSync(log, 'utf8') === 'one\n');
  await must('logrotate', ['--force', '--state', path.join(folder, 'state'), config], { env });
  assert.equal(readFileSync(`${log}.1`, 'utf8'), 'one\n');
  pool.signal('SIGCONT');
  await pool.ended;
  assert.equal(readFileSync(log, 'utf8'), 'two\n');
});

test('make install keeps what operators edited, and renews what they did not', async () => {
  const at = tempFolder('installed');
  const { sysconf } = await installTree(program(), at);
  const site = path.join(sysconf, 'nginx/sites-available/cronward');
  const reference = path.join(at, 'share/doc/cronward/nginx-site');
  const edited = ['cronward/cronward.env', 'nginx/cronward/allow.conf', 'nginx/cronward/realip.conf'].map((name) => path.join(sysconf, name));
  for (const file of edited) appendFileSync(file, '# mine\n');
  // A site as an older version made it.
  for (const file of [site, reference]) appendFileSync(file, '# of the version before\n');
  const again = await installTree(program(), at);
  assert.equal(again.said, '');
  assert.doesNotMatch(readFileSync(site, 'utf8'), /version before/);
  for (const file of edited) assert.match(readFileSync(file, 'utf8'), /# mine\n$/, file);

  appendFileSync(site, '# mine\n');
  const kept = await installTree(program(), at);
  assert.match(kept.said, new RegExp(`kept ${site}, which was edited; what it would be now: ${reference}`));
  assert.match(readFileSync(site, 'utf8'), /# mine\n$/);
  assert.doesNotMatch(readFileSync(reference, 'utf8'), /# mine/);
});

test('make install under another prefix names that prefix, and everybody can read it', async () => {
  const unit = readFileSync(path.join(tree.at, 'lib/systemd/system/cronward@.service'), 'utf8');
  assert.ok(unit.includes(`\nExecStart=${tree.at}/lib/cronward/pool %i\n`));
  assert.ok(unit.includes(`\nEnvironmentFile=${tree.sysconf}/cronward/cronward.env\n`));
  for (const at of ['bin/cronward', 'sbin/cronwardctl', 'lib/cronward/pool', 'lib/cronward/setup']) {
    assert.equal(statSync(path.join(tree.at, at)).mode & 0o777, 0o755, at);
    if (at !== 'bin/cronward') assert.doesNotMatch(readFileSync(path.join(tree.at, at), 'utf8'), /@[A-Z]{2,}@/, at);
  }
  assert.equal(readFileSync(path.join(tree.at, 'include/cronward/processor.h'), 'utf8'), readFileSync(path.join(root, 'include/cronward/processor.h'), 'utf8'));
  assert.deepEqual(readdirSync(path.join(tree.at, 'lib/cronward/processors')), []);
  const closed = await must('find', [tree.at, '-mindepth', '1', '!', '-perm', '0755', '!', '(', '-type', 'f', '-perm', '0644', ')'], { env });
  assert.equal(closed, '');
});

// `pool NAME` on a socket, as a unit would start it; the secret lies where it looks for secrets.
function startPool(name, { more = {}, at = tree } = {}) {
  const folder = tempFolder('pool');
  const socket = path.join(folder, 'sock');
  const log = path.join(folder, 'log');
  const pool = start('spawn-fcgi', ['-n', '-s', socket, '-M', '0660', '--', path.join(at.at, 'lib/cronward/pool'), name],
    { env: { ...env, ...more }, log, deathSignal: 'TERM' });
  return { pool, socket, log: () => readFileSync(log, 'utf8') };
}

test('a pool has the size of its setting, and the secrets that lie in their folder', async () => {
  const at = await installTree(program());
  const secrets = path.join(at.sysconf, 'cronward/secrets');
  await must('mkdir', ['-p', secrets]);
  writeFileSync(path.join(secrets, 'CRON_SECRET'), 'a-secret-of-this-test-alone\n');
  writeFileSync(path.join(secrets, 'CRON_SECRET.new'), 'half of a secr');
  // A provider of events that nobody has heard of, while his secret is rotated; and one that shares none yet.
  writeFileSync(path.join(secrets, 'SHOP_WEBHOOK_SECRET'), 'the-new-secret-of-a-shop\n');
  writeFileSync(path.join(secrets, 'SHOP_WEBHOOK_SECRET_PREVIOUS'), 'the-old-secret-of-a-shop\n');
  writeFileSync(path.join(secrets, 'CBE_WEBHOOK_SECRET'), '');
  const { pool, socket, log } = startPool('api', { more: { POOL_API: '3' }, at });
  await until(() => childrenNamed(pool.pid, 'cronward').length === 3, { what: 'three processes' });
  // Known, and refused for want of a database only.
  const headers = (secret) => ({ headers: { authorization: `Bearer ${secret}` } });
  const url = '/api/workers/webhookRetry';
  assert.equal((await fcgiCall(socket, 'POST', url, headers('another-secret-altogether'))).json.code, 'unauthorized', log());
  assert.notEqual((await fcgiCall(socket, 'POST', url, headers('a-secret-of-this-test-alone'))).json.code, 'unauthorized', log());
  const event = async (provider, secret) => (await fcgiCall(socket, 'POST', `/api/payments/webhook/${provider}`,
    { body: '{}', headers: { 'x-webhook-signature': createHmac('sha256', secret).update('{}').digest('hex') } })).json.error;
  for (const secret of ['the-new-secret-of-a-shop', 'the-old-secret-of-a-shop']) assert.match(await event('shop', secret), /database/i, log());
  assert.equal(await event('shop', 'another-secret-altogether'), 'Unauthorized');
  assert.match(await event('cbe', ''), /secret is not configured/);
  assert.doesNotMatch(log(), /CBE_WEBHOOK_SECRET/);
  await pool.stop();
});

test('a pool says what is wrong with its settings, or its name, and ends', async () => {
  const wrong = startPool('api', { more: { POOL_API: 'many' } });
  assert.equal((await wrong.pool.ended).code, 1);
  assert.match(wrong.log(), /POOL_API: "many" is not a whole number; allowed: 1-256/);
  const unknown = startPool('nobody');
  assert.equal((await unknown.pool.ended).code, 2);
  assert.match(unknown.log(), /there is no setting POOL_NOBODY; pools are workers, api, inbound and async/);
});
