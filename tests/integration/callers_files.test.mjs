// The files of deploy/callers ring every worker, at its time, at its path; nothing more.
import assert from 'node:assert/strict';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { callersList, cronTimes, nameOf, shipped, shippedPath } from '../lib/callers.mjs';
import { cleanEnv, run } from '../lib/process.mjs';
import { root } from '../lib/program.mjs';

const list = await callersList();
const names = readdirSync(shippedPath('.'), { withFileTypes: true }).filter((entry) => entry.isDirectory()).map((entry) => entry.name);
// GitHub calls no more often than every 5 minutes.
const atGitHub = (schedule) => (/^\*(\/[234])? /.test(schedule) ? '*/5 * * * *' : schedule);
// What a page or file calls the secret that goes with a call.
const headers = { HEADER: 'CRON_SECRET', WORKERS_HEADER: 'CRON_JOB_API_KEY', JOBS_HEADER: 'WORKER_SECRET_TOKEN' };
const kept = { cronward_secret: 'CRON_SECRET', cronward_workers_secret: 'CRON_JOB_API_KEY', cronward_jobs_secret: 'WORKER_SECRET_TOKEN' };
const escape = (text) => text.replaceAll(/[.*+?^${}()|[\]\\/]/g, '\\$&');

// Each file's calls as [path, schedule]; no file leaves out what keeps a run under way from being a failure.
const unrung = (url) => /^(.*)[?&]busy=200$/.exec(url)[1];
const tableOf = (at) => [...shipped(at).matchAll(/^\| ([\w-]+) \| `https:\/\/cron\.example\.com([^`]+[?&]busy=200)` \| `([^`]+)` \|$/gm)];
const callsOf = {
  'cron-job.org/README.md': (at) => tableOf(at).map(([, , url, schedule]) => [unrung(url), schedule]),
  'easycron/README.md': (at) => tableOf(at).map(([, , url, schedule]) => [unrung(url), schedule]),
  // The function adds busy=200, and hands on what stands behind the route.
  'vercel/vercel.json': (at) => JSON.parse(shipped(at)).crons.map((one) => [one.path.replace('/api/cronward?route=', '').replace('&', '?'), one.schedule]),
  'vercel/vercel.rewrite.json': (at) => JSON.parse(shipped(at)).crons.map((one) => [unrung(one.path), one.schedule]),
  'github-actions/cronward.yml': (at) => [...shipped(at).matchAll(/^ +ring '([^']+)' '?([^\s']+)'? (\w+)$/gm)].map(([, schedule, route, secret]) => [route, schedule, secret]),
  'crontab/crontab': (at) => [...shipped(at).matchAll(/^((?:\S+ ){4}\S+) .*"@\$(\w+)" "\$APP_URL([^"]+)"\)/gm)]
    .map(([, schedule, header, url]) => [unrung(url), schedule, headers[header]]),
  'supabase/cronward.sql': (at) => [...shipped(at).matchAll(/^ +\('[\w-]+', '([^']+)', '([^']+)', '(\w+)'\)/gm)]
    .map(([, schedule, url, name]) => [unrung(url), schedule, kept[name]]),
};
// Those that say which secret goes with a call.
const named = ['github-actions/cronward.yml', 'crontab/crontab', 'supabase/cronward.sql'];

for (const [at, calls] of Object.entries(callsOf))
  test(`${at} rings every worker by its schedule${named.includes(at) ? ', with its secret' : ''}`, () => {
    const wanted = list.map((one) => [one.path, at.startsWith('github') ? atGitHub(one.schedule) : one.schedule, ...(named.includes(at) ? [one.secret] : [])]).sort();
    assert.deepEqual(calls(at).sort(), wanted);
  });

test('tables name the worker of each URL', () => {
  for (const at of ['cron-job.org/README.md', 'easycron/README.md'])
    for (const [, worker, url] of tableOf(at)) assert.equal(list.find((one) => one.path === unrung(url))?.worker, worker, at);
});

test('GitHub is told the same times that the step knows', () => {
  const text = shipped('github-actions/cronward.yml');
  const crons = [...text.matchAll(/^ +- cron: '([^']+)'$/gm)].map(([, schedule]) => schedule);
  assert.deepEqual([...crons].sort(), [...new Set(list.map((one) => atGitHub(one.schedule)))].sort());
  assert.match(shipped('github-actions/README.md').replaceAll('\n', ' '), /no more often than every 5 minutes/);
});

test('every caller has a page: what to do, and how to see that it works', () => {
  assert.deepEqual(names.sort(), ['cron-job.org', 'crontab', 'easycron', 'github-actions', 'supabase', 'systemd', 'vercel']);
  for (const name of names) {
    const page = shipped(`${name}/README.md`);
    assert.match(page, /\*\*See that it works\*\*/, name);
    assert.ok(page.split('\n').length < 60, `${name}: a page of a few lines`);
    assert.match(shipped('README.md'), new RegExp(`^\\| \`${escape(name)}/\` \\|`, 'm'), name);
  }
});

test('files that a page names are there, and each file is named', () => {
  for (const name of names) {
    const page = shipped(`${name}/README.md`);
    const files = readdirSync(shippedPath(name), { recursive: true }).map(String).filter((at) => at !== 'README.md' && !['', '.d'].includes(path.extname(at)) && at !== 'api');
    for (const file of files) assert.ok(page.includes(path.basename(file)) || /cronward-ring-.*\.timer$/.test(file), `${name}/${file}`);
    for (const [, at] of page.matchAll(/`([\w./@-]+\.(?:json|mjs|yml|sql|service))`/g))
      assert.ok(at.startsWith('app/') || existsSync(path.join(shippedPath(name), at)), `${name}: ${at}`);
  }
});

// systemd: what the timers start, and when.
const timers = readdirSync(shippedPath('systemd')).filter((at) => at.endsWith('.timer'));
const field = (text, name) => new RegExp(`^${name}=(.*)$`, 'm').exec(text)?.[1];

test('systemd: a timer for each worker, named after it, for its route', () => {
  assert.deepEqual(timers.sort(), list.map((one) => `cronward-ring-${nameOf(one)}.timer`).sort());
  for (const one of list) {
    const unit = field(shipped(`systemd/cronward-ring-${nameOf(one)}.timer`), 'Unit');
    assert.equal(unit, `cronward-ring@${one.path.slice(1).replaceAll('-', '\\x2d').replaceAll('/', '-').replace('?', '\\x3f').replace('=', '\\x3d')}.service`);
    // A drop-in of the instance's where the secret is another one.
    const dropIn = shippedPath(`systemd/${unit}.d/secret.conf`);
    assert.equal(existsSync(dropIn), one.secret !== 'CRON_SECRET', unit);
  }
  // The page takes them all by pattern, in this folder.
  for (const pattern of ['cronward-ring-*.timer /etc', 'enable --now cronward-ring-*.timer', 'cp -r cronward-ring@*.service.d /etc'])
    assert.ok(shipped('systemd/README.md').includes(pattern), pattern);
});

test('systemd: the units verify without a word', async () => {
  const files = readdirSync(shippedPath('systemd')).filter((at) => /\.(timer|service)$/.test(at)).map((at) => shippedPath(`systemd/${at}`));
  const done = await run('systemd-analyze', ['verify', ...files], { env: cleanEnv() });
  assert.deepEqual([done.code, done.stdout, done.stderr], [0, '', '']);
});

test('systemd: timers elapse when crontab lines would', async () => {
  for (const one of list) {
    const when = field(shipped(`systemd/cronward-ring-${nameOf(one)}.timer`), 'OnCalendar');
    // Counted from just before the first.
    const done = await run('systemd-analyze', ['calendar', '--base-time=2026-11-21 23:59:59 UTC', '--iterations=6', when], { env: cleanEnv({ TZ: 'UTC' }) });
    assert.equal(done.code, 0, done.stderr);
    const elapses = [...done.stdout.matchAll(/(?:Next elapse|Iter\S* #\d+): \w+ (\S+) (\S+) UTC/g)].map(([, day, time]) => Date.parse(`${day}T${time}Z`));
    assert.deepEqual(elapses, cronTimes(one.schedule, 6), `${one.worker}\n${done.stdout}`);
  }
});

test('systemd: the service that calls is shut in', async () => {
  const done = await run('systemd-analyze', ['security', '--offline=true', '--threshold=15', shippedPath('systemd/cronward-ring@.service')], { env: cleanEnv() });
  assert.equal(done.code, 0, done.stdout.split('\n').at(-2));
});

test('nothing shipped holds a secret or a real address', () => {
  for (const at of readdirSync(shippedPath('.'), { recursive: true }).map(String)) {
    if (path.extname(at) === '' && !/(header|header-workers|header-jobs|crontab)$/.test(at)) continue;
    const file = shippedPath(at);
    let text;
    try {
      text = readFileSync(file, 'utf8');
    } catch {
      continue; // a folder
    }
    assert.ok(!/Bearer (?!CRON_SECRET|CRON_JOB_API_KEY|WORKER_SECRET_TOKEN|\$|%s|'|`|\$\{)\S/.test(text), at);
    for (const [, host] of text.matchAll(/https:\/\/([\w.-]+)/g)) assert.ok(['cron.example.com', 'openapi.vercel.sh'].includes(host), `${at}: ${host}`);
  }
});

test('the rewrite goes to the same path of the other host', () => {
  const { rewrites } = JSON.parse(shipped('vercel/vercel.rewrite.json'));
  for (const one of list)
    assert.ok(rewrites.some(({ source, destination }) => new RegExp(`^${escape(source).replace(':worker', '[^/]+')}$`).test(one.path.split('?')[0])
      && destination === `https://cron.example.com${source}`), one.path);
});

test('the folder is named where deploy/ is described', () => {
  assert.match(readFileSync(path.join(root, 'deploy/README.md'), 'utf8'), /`callers\/`/);
});
