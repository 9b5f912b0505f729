// Callers that are curl on somebody's host: the very lines of the crontab, of the systemd unit and
// of the GitHub workflow, run as cron, systemd and a runner run them.
import assert from 'node:assert/strict';
import { chmodSync, existsSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, beforeEach, test } from 'node:test';
import { callersList, configured, eachOnce, holdLock, runsOf, shipped, shippedPath } from '../lib/callers.mjs';
import { tempFolder } from '../lib/clean.mjs';
import { cleanEnv, run } from '../lib/process.mjs';
import { Site } from '../lib/site.mjs';
import { until as waited } from '../lib/wait.mjs';

const list = await callersList();
const site = await Site.start({ env: configured });
after(() => site.end());
const query = (sql, values) => site.query(sql, values);
beforeEach(() => query('TRUNCATE cron_job_executions'));

const origin = `https://127.0.0.1:${site.portTls}`;
const trust = { CURL_CA_BUNDLE: `${site.var}/tls/cert.pem` };
const folder = tempFolder('callers');
const WRONG = 'wrong-wrong-wrong-wrong';
const secrets = [...new Set(list.map((one) => site.secrets[one.secret]))];
const once = eachOnce(list);

// A header file as it ships, with the site's secrets, or a wrong one, in their places.
function headerFile(name, wrong = false) {
  const file = path.join(folder, `${name.replace('/', '-')}-${wrong ? 'wrong' : 'right'}`);
  writeFileSync(file, shipped(name).replace(/\b(CRON_SECRET|CRON_JOB_API_KEY|WORKER_SECRET_TOKEN)$/m, (word) => (wrong ? WRONG : site.secrets[word])), { mode: 0o600 });
  return file;
}
const headerFiles = (name, wrong) => Object.fromEntries(Object.entries({ HEADER: 'header', WORKERS_HEADER: 'header-workers', JOBS_HEADER: 'header-jobs' })
  .map(([variable, file]) => [variable, headerFile(`${name}/${file}`, wrong)]));

function noSecret(...texts) {
  for (const text of texts) for (const secret of secrets) assert.ok(!text.includes(secret), text);
}

// A curl that writes down its arguments and what it reads, and does nothing.
function spy() {
  const bin = tempFolder('bin');
  writeFileSync(path.join(bin, 'curl'), `#!/bin/sh\nprintf '%s\\n' "$@" >>${bin}/arguments\ncat >>${bin}/input </dev/stdin\n`);
  chmodSync(path.join(bin, 'curl'), 0o755);
  return { bin, read: (name) => readFileSync(path.join(bin, name), 'utf8') };
}

// crontab: variables, then lines; cron cuts a command at its first percent sign.
const crontab = shipped('crontab/crontab').split('\n').filter((line) => line && !line.startsWith('#'));
const settings = Object.fromEntries(crontab.flatMap((line) => [.../^(\w+)=(.*)$/g[Symbol.matchAll](line)]).map(([, name, value]) => [name, value]));
const lines = crontab.map((line) => /^((?:[\d*/,-]+\s+){5})(.*)$/.exec(line)).filter(Boolean).map(([, , command]) => command);

function asCron(command, more = {}) {
  const [line, ...input] = command.split(/(?<!\\)%/);
  return run('/bin/sh', ['-c', line.replaceAll('\\%', '%')], {
    input: input.join('\n'), env: { HOME: folder, LOGNAME: 'root', SHELL: '/bin/sh', PATH: '/usr/bin:/bin', ...settings, APP_URL: origin, ...trust, ...more },
  });
}

test('crontab: each line rings its worker and says nothing', async () => {
  assert.equal(lines.length, list.length);
  for (const command of lines) {
    const done = await asCron(command, headerFiles('crontab'));
    assert.deepEqual([done.code, done.stdout, done.stderr], [0, '', '']);
  }
  assert.deepEqual(await runsOf(site), once);
});

test('crontab: all at second 0', async () => {
  const headers = headerFiles('crontab');
  const done = await Promise.all([...lines, ...lines].map((command) => asCron(command, headers)));
  assert.deepEqual(done.map((one) => [one.stdout, one.stderr]), done.map(() => ['', '']));
  assert.deepEqual(Object.keys(await runsOf(site)).sort(), Object.keys(once).sort());
});

test('crontab: what fails is mailed with the reply, and is not repeated; the secret is not in it', async () => {
  const refused = () => site.log('cronward.access.log').split('\n').filter((line) => line.includes('"status":401,')).length;
  const before = refused();
  const done = await asCron(lines[0], headerFiles('crontab', true));
  assert.match(done.stdout, /"code":\s*"unauthorized"/);
  await waited(() => refused() > before, { what: "nginx's log" });
  assert.equal(refused(), before + 1);
  assert.match(done.stderr, /401/);
  assert.ok(!`${done.stdout}${done.stderr}`.includes(WRONG));
  const away = await asCron(lines[0], { ...headerFiles('crontab'), APP_URL: 'https://127.0.0.1:1' });
  assert.match(away.stderr, /curl: \(7\)/);
  noSecret(away.stdout, away.stderr);
});

test('crontab: a run under way is no failure', async () => {
  const free = await holdLock(query, list[0].worker);
  const done = await asCron(lines[0], headerFiles('crontab'));
  await free();
  assert.deepEqual([done.code, done.stdout, done.stderr], [0, '', '']);
});

test('crontab: the secret is in no argument', async () => {
  const { bin, read } = spy();
  for (const command of lines) await asCron(command, { ...headerFiles('crontab'), PATH: `${bin}:/usr/bin:/bin` });
  noSecret(read('arguments'));
  assert.match(read('arguments'), /^35$/m);
});

test("crontab: the page's lines make the header files that ship, with the secrets, for root alone", async () => {
  const made = tempFolder('made');
  for (const name of ['CRON_SECRET', 'CRON_JOB_API_KEY', 'WORKER_SECRET_TOKEN']) writeFileSync(path.join(made, name), `${site.secrets[name]}\n`);
  for (const [, line] of shipped('crontab/README.md').matchAll(/^sudo sh -c '(.*)'$/gm)) {
    const done = await run('/bin/sh', ['-c', line.replace('/etc/cronward/secrets/', `${made}/`).replace('/etc/cronward/header', `${made}/header`)]);
    assert.deepEqual([done.code, done.stdout, done.stderr], [0, '', '']);
  }
  for (const name of ['header', 'header-workers', 'header-jobs']) {
    assert.equal(readFileSync(path.join(made, name), 'utf8'), readFileSync(headerFile(`crontab/${name}`), 'utf8'));
    assert.equal(statSync(path.join(made, name)).mode & 0o777, 0o600);
  }
});

// systemd: the command of the service, with the specifiers and variables that it uses.
const unit = shipped('systemd/cronward-ring@.service');
const instances = readdirSync(shippedPath('systemd')).filter((at) => at.endsWith('.timer'))
  .map((at) => /^Unit=cronward-ring@(.+)\.service$/m.exec(shipped(`systemd/${at}`))[1]);

// The last that a unit and its drop-ins say of a credential counts.
function asSystemd(instance, wrong = false, env = {}) {
  const dropIn = shippedPath(`systemd/cronward-ring@${instance}.service.d/secret.conf`);
  const text = unit + (existsSync(dropIn) ? readFileSync(dropIn, 'utf8') : '');
  const file = [...text.matchAll(/^LoadCredential=header:\/etc\/cronward\/([\w-]+)$/gm)].at(-1)[1];
  const credentials = tempFolder('credentials');
  writeFileSync(path.join(credentials, 'header'), readFileSync(headerFile(`systemd/${file}`, wrong)), { mode: 0o400 });
  const environment = { ...Object.fromEntries([...shipped('systemd/ring.env').matchAll(/^(\w+)=(.*)$/gm)].map(([, name, value]) => [name, value])), APP_URL: origin };
  const words = /^ExecStart=(.*)$/m.exec(unit)[1].split(' ').map((word) => word.replaceAll('%I', instance.replaceAll('-', '/').replaceAll(/\\x(..)/g, (_, code) => String.fromCharCode(parseInt(code, 16)))).replaceAll('%d', credentials)
    .replaceAll(/\$\{(\w+)\}/g, (_, name) => environment[name]));
  return { done: run(words[0], words.slice(1), { env: { ...environment, ...trust, ...env } }), words };
}

test('systemd: the command rings the worker of each timer and leaves its reply for the journal', async () => {
  assert.equal(instances.length, list.length);
  for (const instance of instances) {
    const { done, words } = asSystemd(instance);
    const { code, stdout, stderr } = await done;
    assert.deepEqual([code, stderr], [0, ''], stdout);
    assert.ok(JSON.parse(stdout).run.id);
    noSecret(words.join(' '), stdout);
  }
  assert.deepEqual(await runsOf(site), once);
});

test('systemd: a refused call fails the unit and shows the reply', async () => {
  const { code, stdout, stderr } = await asSystemd(instances[0], true).done;
  assert.equal(code, 22);
  assert.match(`${stdout}${stderr}`, /unauthorized/);
  assert.ok(!`${stdout}${stderr}`.includes(WRONG));
});

test("systemd: the tries fit into the unit's time", () => {
  const [, one, retries] = /--max-time (\d+) --retry (\d+)/.exec(unit);
  // curl waits 1 s, then 2 s between tries.
  assert.ok(Number(/^TimeoutStartSec=(\d+)$/m.exec(unit)[1]) > Number(one) * (Number(retries) + 1) + 3);
});

// GitHub: the step's script, under the shell that it asks for.
const workflow = shipped('github-actions/cronward.yml').split('\n');
const from = workflow.findIndex((line) => /^ +run: \|$/.test(line));
const indent = /^ +/.exec(workflow[from + 1])[0];
const until = workflow.findIndex((line, i) => i > from && line !== '' && !line.startsWith(indent));
const script = path.join(folder, 'step.sh');
writeFileSync(script, `${workflow.slice(from + 1, until < 0 ? undefined : until).map((line) => line.slice(indent.length)).join('\n')}\n`);
const asRunner = (env) => run('bash', ['--noprofile', '--norc', '-eo', 'pipefail', script],
  { env: cleanEnv({ CI: 'true', APP_URL: origin, CRON_SECRET: site.secrets.CRON_SECRET, CRON_JOB_API_KEY: site.key,
    WORKER_SECRET_TOKEN: site.secrets.WORKER_SECRET_TOKEN, SCHEDULE: '', ...trust, ...env }) });

test('GitHub: started by hand, it rings every worker and shows the replies', async () => {
  const done = await asRunner({});
  assert.equal(done.code, 0, done.stderr);
  for (const one of list) assert.ok(done.stdout.includes(`POST ${one.path}\n`) && done.stdout.includes(`"worker":"${one.worker}"`), done.stdout);
  noSecret(done.stdout, done.stderr);
  assert.deepEqual(await runsOf(site), once);
});

test('GitHub: on schedule, it rings the workers of that schedule', async () => {
  // GitHub calls no more often than every 5 minutes.
  const at = (one) => (/^\*(\/[234])? /.test(one.schedule) ? '*/5 * * * *' : one.schedule);
  for (const schedule of new Set(list.map(at))) {
    await query('TRUNCATE cron_job_executions');
    const done = await asRunner({ SCHEDULE: schedule });
    assert.equal(done.code, 0, done.stderr);
    assert.deepEqual(await runsOf(site), eachOnce(list.filter((one) => at(one) === schedule)));
  }
});

test('GitHub: a call that fails makes the run red, after the others were made', async () => {
  const done = await asRunner({ CRON_SECRET: WRONG, CRON_JOB_API_KEY: WRONG, WORKER_SECRET_TOKEN: WRONG });
  assert.equal(done.code, 1);
  assert.equal(done.stdout.match(/unauthorized/g).length, list.length);
  assert.ok(!`${done.stdout}${done.stderr}`.includes(WRONG));
});

test('GitHub: a secret or address that is missing is said, and nothing is called', async () => {
  for (const name of ['APP_URL', 'CRON_SECRET', 'CRON_JOB_API_KEY', 'WORKER_SECRET_TOKEN']) {
    const done = await asRunner({ [name]: '' });
    assert.notEqual(done.code, 0);
    assert.match(done.stderr, new RegExp(`${name}: is not set`));
  }
  assert.deepEqual(await runsOf(site), {});
});

test('GitHub: a slash behind APP_URL does no harm, and a run under way is no failure', async () => {
  const free = await holdLock(query, list[0].worker);
  const done = await asRunner({ APP_URL: `${origin}/` });
  await free();
  assert.equal(done.code, 0, done.stdout + done.stderr);
  assert.match(done.stdout, /"skipped":true/);
});

test('GitHub: the secret goes through standard input and is in no argument', async () => {
  const { bin, read } = spy();
  const done = await asRunner({ PATH: `${bin}:${process.env.PATH}` });
  assert.equal(done.code, 0, done.stderr);
  noSecret(read('arguments'));
  assert.deepEqual(read('input').trim().split('\n').sort(), list.map((one) => `Authorization: Bearer ${site.secrets[one.secret]}`).sort());
  for (const word of ['-m', '35', '--fail-with-body', '--retry']) assert.ok(read('arguments').split('\n').includes(word), word);
});
