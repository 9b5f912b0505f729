// Jobs that plug-ins carry out: what they say while they run, and what a bad one does to the others.
// build/plugins/act.so does what its payload says.
import assert from 'node:assert/strict';
import { chmodSync, cpSync, mkdtempSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, beforeEach, test } from 'node:test';
import { tempFolder } from '../lib/clean.mjs';
import { Jobs } from '../lib/jobs.mjs';
import { childrenOf, isAlive, killNow, must } from '../lib/process.mjs';
import { root } from '../lib/program.mjs';
import { until } from '../lib/wait.mjs';

await must('make', ['-s', 'plugins'], { cwd: root });
const folder = tempFolder('plugins');
cpSync(path.join(root, 'build/plugins'), folder, { recursive: true });
const jobs = await Jobs.create({ env: { PROCESSOR_DIR: folder, JOB_TIMEOUT_S: '2', RUN_BUDGET_S: '8' } });
after(() => jobs.end());
beforeEach(async () => {
  await jobs.clear();
  for (const name of ['act', 'noop', 'word_count', 'state']) await jobs.type(name, 'plugin', name);
});

const act = (what, more = {}) => jobs.add('act', { payload: { act: what, ...more } });
const row = (id) => jobs.job(id);
const call = () => jobs.stand.pool.call('POST', '/api/jobs/worker', { headers: { authorization: `Bearer ${jobs.token}` } });

test('a result, and what was said on the way', async () => {
  const id = await act('say');
  const echoed = await act('echo', { text: 'Grüße \u2028 "quoted" \\' });
  const reply = await jobs.run();
  assert.deepEqual([reply.processed, reply.succeeded], [2, 2]);
  assert.deepEqual((await row(echoed)).result, { act: 'echo', text: 'Grüße \u2028 "quoted" \\' });
  const lines = (await jobs.logs(id)).map(({ level, message, data }) => [level, message, data]);
  assert.deepEqual(lines.slice(0, 2), [['warn', 'attempt 1 of 5, no workspace', null], ['info', 'with data', { a: 1 }]]);
  assert.deepEqual(lines.slice(2, 5), [['info', 'printed', null], ['info', 'and again', null], ['warn', 'warned', null]]);
  assert.match(lines[5][1], /^completed in \d+ ms, try 1 of 5$/);
});

test('progress and lines are seen while the job runs', async () => {
  const id = await act('say', { ms: 1500 });
  const running = jobs.run();
  await until(async () => (await row(id)).progress === 40, { what: 'the progress' });
  await until(async () => (await jobs.logs(id)).length >= 2, { what: 'the lines' });
  assert.equal((await row(id)).status, 'processing');
  await running;
  assert.deepEqual([(await row(id)).status, (await row(id)).progress], ['completed', 100]);
});

test('lines that could not be written at once are all there when the job has ended', async () => {
  await jobs.db.rows('CREATE SEQUENCE lines');
  await jobs.db.rows(`
    CREATE FUNCTION refuse_first() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      IF nextval('lines') = 1 THEN
        PERFORM pg_sleep(0.7); -- by then the job has said the rest, and has ended
        RAISE EXCEPTION 'as if it were locked' USING ERRCODE = '55P03';
      END IF;
      RETURN NEW; END $$`);
  await jobs.db.rows('CREATE TRIGGER refuse_first BEFORE INSERT ON job_logs FOR EACH ROW EXECUTE FUNCTION refuse_first()');
  const id = await act('say', { ms: 300 });
  await jobs.run();
  await jobs.db.rows('DROP FUNCTION refuse_first() CASCADE');
  await jobs.db.rows('DROP SEQUENCE lines');
  const said = (await jobs.logs(id)).map(({ message }) => message);
  assert.deepEqual(said.slice(0, 5), ['attempt 1 of 5, no workspace', 'with data', 'printed', 'and again', 'warned']);
  assert.match(said[5], /^completed in/);
});

test('retries wait as they ask; what fails for good, fails for good', async () => {
  const [again, dead, scheduled] = [await act('retry', { wait: 17 }), await act('fail'), await act('retry', { wait: -1 })];
  await jobs.run();
  const waits = async (id) => jobs.db.value('SELECT extract(epoch FROM waits_until - updated_at)::float8 FROM jobs WHERE id = $1', [id]);
  assert.deepEqual([(await row(again)).status, (await row(again)).attempts, (await row(again)).error_message], ['pending', 1, 'come back in 17']);
  assert.ok(await waits(again) > 16.9 && await waits(again) < 20, String(await waits(again)));
  assert.ok(await waits(scheduled) > 59.9 && await waits(scheduled) < 67, String(await waits(scheduled)));
  assert.deepEqual([(await row(dead)).status, (await row(dead)).error_message], ['failed', 'no such luck']);
});

test('what a plug-in has started ends with its try, and it reaches no other process', async () => {
  const id = await act('escape');
  await jobs.run();
  assert.match((await row(id)).error_message, /^timed out after 2 s/);
  const { pid, all, parent } = (await jobs.logs(id))[0].data;
  assert.deepEqual([all, parent], [-1, -1]);
  await until(() => !isAlive(pid), { what: `process ${pid} to be gone` });
});

test('a crash, a hang, a flood, a bomb of forks: each is that job\'s alone', async () => {
  const others = await jobs.addMany('act', 300, { payload: { act: 'echo' } });
  const more = await jobs.addMany('noop', 300);
  const harm = {};
  for (const name of ['segv', 'abort', 'exit', 'mute', 'scribble', 'garbage', 'flood', 'odd', 'badjson', 'hang', 'spew', 'bomb'])
    harm[name] = await act(name);
  const late = await jobs.addMany('act', 300, { payload: { act: 'echo' } });
  const reply = await jobs.run({ env: { RUN_BUDGET_S: '20' } });
  assert.equal(reply.processed, 912);
  assert.equal(await jobs.db.value(`SELECT count(*)::int FROM jobs WHERE status = 'completed' AND id = ANY ($1)`, [[...others, ...more, ...late]]), 900);
  const said = {
    segv: /signal 11 \(Segmentation fault\)/, abort: /signal 6 \(Aborted\)/, exit: /ended with exit status 3/, mute: /closed its connection/,
    scribble: /wrote into memory that is not the plug-in's own/, hang: /^timed out after 2 s$/, spew: /^timed out after 2 s$/, bomb: /^timed out after 2 s$/,
  };
  for (const [name, pattern] of Object.entries(said)) {
    const job = await row(harm[name]);
    assert.deepEqual([name, job.status, job.attempts], [name, 'pending', 1]);
    assert.match(job.error_message, pattern);
  }
  for (const name of ['garbage', 'flood']) assert.equal((await row(harm[name])).status, 'completed', name);
  assert.match((await row(harm.odd)).error_message, /process\(\) returned 77/);
  assert.match((await row(harm.badjson)).error_message, /is not JSON that PostgreSQL stores/);
  const lines = await jobs.logs(harm.flood);
  assert.ok(lines.length <= 1003, String(lines.length));
  assert.ok(lines.every(({ message }) => Buffer.byteLength(message) <= 8192));
  assert.match((await row(harm.abort)).error_stack, /last words/);
});

test('a plug-in that cannot be used costs no try, and says what to do', async () => {
  cpSync(path.join(folder, 'act.so'), path.join(folder, 'open.so'));
  chmodSync(path.join(folder, 'open.so'), 0o666);
  symlinkSync('act.so', path.join(folder, 'link.so'));
  writeFileSync(path.join(folder, 'text.so'), 'no shared object');
  const wrong = {
    nowhere: /nowhere\.so: there is no such file; put it there, or correct job_types\.target/, link: /is a symbolic link/, open: /may be written by everybody/,
    text: /text\.so/, old: /compiled for version 2 .* compile it anew/, empty: /exports no cronward_processor/, unready: /its setup\(\) failed: the model is not there/,
    fatal: /while it was loaded, its process was killed by signal 6/, '../act': /the name of a plug-in is/,
  };
  const ids = {};
  for (const name of Object.keys(wrong)) ids[name] = await jobs.add(await jobs.type(`type ${name}`, 'plugin', name));
  const fine = await act('echo');
  await jobs.run();
  for (const [name, pattern] of Object.entries(wrong)) {
    const job = await row(ids[name]);
    assert.deepEqual([name, job.status, job.attempts], [name, 'pending', 0]);
    assert.match(`${job.error_message} ${(await jobs.logs(ids[name])).map(({ message }) => message).join('\n')}`, pattern);
    assert.ok(job.waits_until > new Date(), name);
  }
  assert.equal((await row(fine)).status, 'completed');
});

test('without PROCESSOR_DIR plug-ins are held, and say so', async () => {
  const id = await act('echo');
  await jobs.run({ env: { PROCESSOR_DIR: '' } });
  assert.deepEqual([(await row(id)).status, (await row(id)).attempts], ['pending', 0]);
  await jobs.makeDue();
  await jobs.run();
  assert.equal((await row(id)).status, 'completed');
});

test('a running job is cancelled, and its process is gone', async () => {
  const id = await act('hang');
  await jobs.db.rows(`UPDATE jobs SET timeout_s = 8 WHERE id = $1`, [id]);
  const running = jobs.run({ env: { RUN_BUDGET_S: '10' } });
  await until(async () => (await row(id)).status === 'processing', { what: 'the job to run' });
  await jobs.db.rows('UPDATE jobs SET cancel_requested_at = clock_timestamp() WHERE id = $1', [id]);
  await running;
  assert.deepEqual([(await row(id)).status, (await row(id)).attempts <= 1], ['cancelled', true]);
});

test('nothing of the program is in the process but what it needs', async () => {
  const id = await act('tell');
  await jobs.run({ env: { LANG: 'C.UTF-8', TZ: 'UTC' } });
  const { fds, core, env } = (await row(id)).result;
  assert.deepEqual([fds, core], [[0, 1, 2, 3], 0]);
  assert.deepEqual(env.filter((name) => !['PATH', 'TZ', 'LANG'].includes(name)), []);
});

test('processes are kept from run to run, end with their parent, and leave no zombie', async () => {
  await jobs.stand.startPool({ size: 1 });
  const first = await act('tell');
  assert.equal((await call()).status, 200);
  const { pid } = (await row(first)).result;
  const [parent] = jobs.stand.pool.processes();
  assert.deepEqual(childrenOf(parent), [pid]);
  const again = await act('tell');
  assert.equal((await call()).status, 200);
  assert.deepEqual([(await row(again)).result.pid, (await row(again)).result.jobs], [pid, 2]);
  killNow(pid);
  await until(() => !childrenOf(parent).includes(pid), { what: 'the process to be reaped while nobody calls' });
  const third = await act('tell');
  assert.equal((await call()).status, 200);
  const { pid: other, jobs: done } = (await row(third)).result;
  assert.deepEqual([done, other === pid], [1, false]);
  killNow(parent);
  await until(() => !isAlive(other), { what: 'the process to end with its parent' });
  await jobs.stand.pool.whenFull();
  await jobs.stand.pool.stop();
  jobs.stand.pool = undefined;
});

test('a process that is told to end lets the jobs under way finish, and begins no more', async () => {
  const env = { JOB_MAX_CONCURRENT: '2' };
  await jobs.stand.startPool({ size: 1, env });
  const warm = await jobs.addMany('act', 4, { payload: { act: 'doze', ms: 30 } });
  assert.equal((await call()).status, 200);
  const ids = await jobs.addMany('act', 6, { payload: { act: 'doze', ms: 1500 } });
  const [parent] = jobs.stand.pool.processes();
  const calling = call();
  await until(() => childrenOf(parent).length === 2, { what: 'two processes of plug-ins' });
  await until(async () => (await jobs.db.value(`SELECT count(*)::int FROM jobs WHERE status = 'processing'`)) >= 2, { what: 'two jobs to run' });
  const children = childrenOf(parent);
  killNow(parent, 'SIGTERM');
  const reply = await calling;
  assert.equal(reply.status, 200);
  const counts = await jobs.db.rows('SELECT status, attempts, count(*)::int FROM jobs WHERE NOT id = ANY ($1) GROUP BY 1, 2 ORDER BY 1', [warm]);
  const done = counts.find(({ status }) => status === 'completed')?.count ?? 0;
  assert.ok(done >= 1 && done <= 2, JSON.stringify(counts));
  assert.deepEqual(counts.find(({ status }) => status === 'pending'), { status: 'pending', attempts: 0, count: ids.length - done });
  await until(() => !children.some(isAlive), { what: 'the processes to end' });
  await jobs.stand.pool.whenFull();
  await jobs.stand.pool.stop();
  jobs.stand.pool = undefined;
});

test('the example counts words', async () => {
  const id = await jobs.add('word_count', { payload: { text: 'three words, really' } });
  const none = await jobs.add('word_count', { payload: {} });
  await jobs.run();
  assert.deepEqual((await row(id)).result, { words: 3, longest: 6 });
  assert.deepEqual([(await row(none)).status, (await row(none)).error_message], ['failed', 'the payload has no text: {"text": "…"}']);
});

test('C++ plug-ins keep their state; an exception that nobody catches fails the try', async () => {
  const thrown = await jobs.add('state', { payload: { throw: true } });
  await jobs.run();
  assert.match((await row(thrown)).error_message, /signal 6/);
  const id = await jobs.add('state');
  await jobs.run();
  assert.equal((await row(id)).result, 1);
});

test('the header compiles by itself as C99, C17 and C++11, with every warning', async () => {
  const temp = mkdtempSync(path.join(folder, 'header-'));
  for (const name of ['a.c', 'a.cc']) writeFileSync(path.join(temp, name), '#include <cronward/processor.h>\n');
  const warnings = ['-Wall', '-Wextra', '-Wpedantic', '-Wshadow', '-Werror', '-fsyntax-only', `-I${path.join(root, 'include')}`];
  for (const compiler of ['gcc', 'clang'])
    for (const standard of ['c99', 'c17']) await must(compiler, [`-std=${standard}`, ...warnings, path.join(temp, 'a.c')]);
  for (const compiler of ['g++', 'clang++'])
    for (const standard of ['c++11', 'c++20']) await must(compiler, [`-std=${standard}`, ...warnings, path.join(temp, 'a.cc')]);
});
