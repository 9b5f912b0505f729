// README says what is: its settings are the program's, its commands work, its files exist.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { after, test } from 'node:test';
import { callersList } from '../lib/callers.mjs';
import { cleanEnv, must, run } from '../lib/process.mjs';
import { program, root } from '../lib/program.mjs';
import { Site } from '../lib/site.mjs';
import { Stand } from '../lib/stand.mjs';
import { until } from '../lib/wait.mjs';

const readme = readFileSync(path.join(root, 'README.md'), 'utf8');
const stand = await Stand.create();
const site = await Site.start();
after(() => site.end());
after(async () => {
  // A role is the whole cluster's.
  await stand.db.rows('DROP OWNED BY shop; DROP ROLE shop').catch(() => {});
  await stand.end();
});
const blocksOf = (text, language) => [...text.matchAll(new RegExp(`^\`\`\`${language}\\n([^]*?)^\`\`\`$`, 'gm'))].map(([, block]) => block);

test('the table of settings is what `cronward config --markdown` prints', async () => {
  const printed = await must(program(), ['config', '--markdown'], { env: cleanEnv() });
  assert.ok(readme.includes(printed.trim()), 'run `cronward config --markdown` and put its output into README.md');
});

test('settings that the text names exist, or are called not needed', async () => {
  const printed = await must(program(), ['config', '--markdown'], { env: cleanEnv() });
  const known = new Set([...printed.matchAll(/`([A-Z_]+)`/g)].map(([, name]) => name));
  const others = new Set(['DESTDIR', 'PREFIX', 'SECRET', 'SOCKET', 'USER', 'GROUP', 'APP_URL', 'NAME_PREVIOUS', 'NAME_FILE', 'REDIS_URL', 'DATABASE_PASSWORD']);
  const named = [...readme.matchAll(/\b([A-Z]+(?:_[A-Z]+)+)\b/g)].map(([, name]) => name);
  assert.deepEqual([...new Set(named)].filter((name) => !known.has(name) && !others.has(name) && !/^(PORT_|RATE_|ASAN_)|_WEBHOOK_(SECRET|SCHEME|HEADER)/.test(name)), []);
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
  const blocks = blocksOf(readme, 'sql');
  assert.ok(blocks.length > 4);
  for (const sql of blocks) {
    const psql = await run('psql', ['-Xq', '-v', 'ON_ERROR_STOP=1', stand.db.url], { env: cleanEnv(), input: sql });
    assert.deepEqual([psql.code, psql.stderr], [0, ''], sql);
  }
  assert.ok((await stand.rows()).length > 0);
  const ran = await stand.cli(['run', 'job-queue']);
  assert.equal(ran.code, 0, ran.stderr);
  assert.deepEqual(await stand.db.rows(`SELECT status, count(*)::int AS n FROM jobs GROUP BY 1 ORDER BY 1`), [{ status: 'completed', n: 7 }, { status: 'pending', n: 1 }],
    'all but the one of the next hour, the three of the workflow among them');
});

test('the role that it trusts can enqueue, in every way', async () => {
  await stand.db.session(async (sql) => {
    await sql('SET ROLE shop');
    const [{ id }] = await sql(`SELECT enqueue_job('invoice', '{"invoice": 1}', unique_key => 'u', concurrency_key => 'c') AS id`);
    assert.deepEqual(await sql(`SELECT enqueue_job('invoice', '{"invoice": 2}', unique_key => 'u') AS id`), [{ id }], 'kept');
    await sql(`SELECT enqueue_job('invoice', '{"invoice": 3}', unique_key => 'u', on_conflict => 'replace')`);
    await sql(`SELECT enqueue_job('invoice', '{}', depends_on => ARRAY[$1::uuid], timeout_s => 5)`, [id]);
    await sql(`SELECT * FROM enqueue_jobs('[{"job_type": "invoice"}, {"job_type": "invoice", "priority": "low"}]')`);
    await sql(`INSERT INTO jobs (job_type, run_at) VALUES ('invoice', now() + interval '1 hour')`);
    await assert.rejects(sql(`DELETE FROM jobs`), /permission denied/);
  });
});

const sectionOf = (name) => new RegExp(`^## ${name}\\n([^]*?)^## `, 'm').exec(readme)[1];

// The replies of a block's calls, in a shell as the text before it has it.
async function replies(block) {
  const done = await run('bash', ['-ec', `. ${site.var}/cronward.env\n${block.replaceAll('localhost:3000', `localhost:${site.portHttp}`).replaceAll(/^curl/gm, 'echo\ncurl')}`],
    { env: cleanEnv({ no_proxy: '*' }) });
  assert.equal(done.code, 0, done.stderr);
  return done.stdout.trim().split('\n').map((line) => JSON.parse(line));
}

test('the calls by hand that it has for a cron service ring every worker', async () => {
  const [block] = blocksOf(sectionOf('Point a cron service at it'), '');
  const answers = await replies(block);
  const list = await callersList();
  assert.deepEqual(answers.map((one) => one.run?.worker ?? one.code).sort(),
    list.map((one) => (one.worker === 'process-email-queue' ? 'not_configured' : one.worker)).sort());
});

test('an event that is signed as it says is stored, and booked once by its function', async () => {
  const section = sectionOf('Events that others send you');
  await site.query(blocksOf(section, 'sql')[0]);
  const [block, ...others] = blocksOf(section, 'sh');
  assert.equal(others.length, 0);
  const [first] = await replies(block);
  const [second] = await replies(block);
  assert.deepEqual([first.success, first.duplicate, second.duplicate, second.id], [true, false, true, first.id]);
  await until(async () => (await site.query('SELECT status FROM webhook_events'))[0].status === 'processed', { what: 'the event' });
  const [{ headers }] = await site.query('SELECT headers FROM webhook_events');
  assert.deepEqual([headers['content-type'], headers['x-webhook-signature'].length], ['application/json', 64]);
  assert.deepEqual(await site.query('SELECT * FROM payments'), [{ event_id: 'evt_1', amount: '42' }]);
});

test('the commands of its section Jobs do what they say', async () => {
  const section = sectionOf('Jobs');
  await site.query(blocksOf(section, 'sql')[0]);
  const [block, ...others] = blocksOf(section, 'sh');
  assert.equal(others.length, 0);
  const [made, ran, health, list] = await replies(block);
  assert.deepEqual([made.success, made.isNew], [true, true]);
  assert.ok(ran.success || ran.skipped, JSON.stringify(ran)); // the doorbell may have been quicker
  assert.equal(health.status, 'healthy');
  assert.equal(list.success, true);
  await until(async () => (await site.query(`SELECT status FROM jobs WHERE id = $1`, [made.id]))[0].status === 'completed', { what: 'the job' });
  const due = await site.query(`SELECT status, count(*)::int AS n FROM jobs GROUP BY 1 ORDER BY 1`);
  assert.deepEqual(due, [{ status: 'completed', n: 5 }, { status: 'pending', n: 1 }]);
});

for (const page of ['src/processors/README.md', 'src/workers/README.md']) test(`the SQL of ${page} runs as it stands`, async () => {
  const text = readFileSync(path.join(root, page), 'utf8');
  for (const sql of blocksOf(text, 'sql')) await stand.db.rows(sql);
  assert.equal((await stand.cli(['run', 'job-queue'])).code, 0);
  const job = await stand.db.one(`SELECT status, progress, result, error_message FROM jobs WHERE job_type = 'totals'`);
  assert.deepEqual([job.status, job.error_message, typeof job.result?.jobs], ['completed', null, 'number']);
  for (const [, at] of text.matchAll(/`((?:src|include|deploy)\/[\w./-]+)`/g)) assert.ok(existsSync(path.join(root, at)), at);
});

test('folders have a README of their own', () => {
  for (const folder of ['nginx', 'deploy', 'sql', 'tests', 'src/processors'])
    assert.ok(existsSync(path.join(root, folder, 'README.md')), folder);
});
