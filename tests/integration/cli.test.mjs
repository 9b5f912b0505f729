// The command line: run, dead, config and their help.
import assert from 'node:assert/strict';
import { after, beforeEach, test } from 'node:test';
import { Stand } from '../lib/stand.mjs';
import { cleanEnv, run, start } from '../lib/process.mjs';
import { program } from '../lib/program.mjs';
import { Terminal } from '../lib/terminal.mjs';
import { until } from '../lib/wait.mjs';

const stand = await Stand.create();
after(() => stand.end());
beforeEach(async () => {
  await stand.db.rows('TRUNCATE app_webhooks, webhook_deliveries, webhook_attempts, audit_log');
  await stand.db.rows('DELETE FROM platform_events');
  stand.receiver.forget();
});

const env = { MAX_WEBHOOK_RETRIES: '0' };

// Dead letters: `count` of them at an endpoint that answers 500.
async function bury(count, options = {}) {
  const endpoint = await stand.endpoint(options.at ?? '/status/500', options.columns);
  const ids = await stand.enqueue(count, options);
  const done = await stand.cli(['run', 'webhook-retry'], { env });
  assert.equal(done.code, 0, done.stderr);
  return { endpoint, ids };
}

const deadIds = async () => (await stand.db.rows('SELECT id::text FROM webhook_deliveries WHERE dead_at IS NOT NULL ORDER BY id')).map((row) => row.id);
const audit = () => stand.db.rows(`SELECT * FROM audit_log WHERE action <> 'run' ORDER BY id`);

test('what cannot be written is a failure: nobody is to keep an empty secret for a sealed one', async () => {
  const seal = ['seal', '--table', 'app_webhooks', '--column', 'secret', '--row', '6f1c1cf4-6b1c-4f0e-9c39-5f3c1d1f8a10'];
  const done = await run('sh', ['-c', 'echo secret | "$@" >/dev/full', 'sh', program(), ...seal],
    { env: cleanEnv({ ENCRYPTION_KEYS: `k1:${Buffer.alloc(32, 7).toString('base64')}` }) });
  assert.equal(done.code, 1);
  assert.equal(done.stderr, 'cronward: standard output: No space left on device\n');
});

test('help is everywhere, on standard output, with exit code 0', async () => {
  for (const args of [['--help'], ['help'], ['serve', '--help'], ['migrate', '--help'], ['run', '--help'], ['config', '--help'], ['dead', '--help'],
    ['status', '--help'], ['locks', '--help'], ['help', 'dead']]) {
    const done = await stand.cli(args);
    assert.equal(done.code, 0, args.join(' '));
    assert.match(done.stdout, /cronward/, args.join(' '));
    assert.equal(done.stderr, '');
  }
  assert.match((await stand.cli(['--version'])).stdout, /\d+\.\d+\.\d+/);
});

test('wrong words: one line on standard error, and a code of its own', async () => {
  for (const args of [[], ['nonsense'], ['run'], ['run', 'nonsense'], ['run', 'webhook-retry', 'too'], ['run', 'webhook-retry', '--budget', '0'],
    ['run', 'webhook-retry', '--budget', '3601'], ['run', 'webhook-retry', '--budget', 'x'], ['run', 'webhook-retry', '--nonsense'], ['dead'],
    ['dead', 'nonsense'], ['dead', 'replay'], ['dead', 'purge'], ['dead', 'show'], ['dead', 'show', 'x'], ['dead', 'show', '1', '2'],
    ['dead', 'list', '--limit', '0'], ['dead', 'list', '--limit', 'x'], ['dead', 'list', '--webhook', 'x'], ['dead', 'replay', '1', '--all'],
    ['config', 'x'], ['migrate', 'x'], ['migrate', '--nonsense']]) {
    const done = await stand.cli(args);
    assert.ok(done.code !== 0 && done.code < 128, `${args.join(' ')} ended ${done.code}`);
    assert.notEqual(done.stderr, '', args.join(' '));
    assert.equal(done.stdout, '', args.join(' '));
  }
});

test("run prints the call's reply, and its execution names who ran it", async () => {
  await stand.endpoint('/ok/cli');
  await stand.enqueue(2);
  const done = await stand.cli(['run', 'webhook-retry']);
  assert.equal(done.code, 0, done.stderr);
  const reply = JSON.parse(done.stdout);
  assert.deepEqual([reply.retried, reply.succeeded, reply.run.worker], [2, 2, 'webhook-retry']);
  const execution = await stand.execution(reply.run.id);
  assert.equal(execution.status, 'success');
  assert.ok(execution.caller.length > 0);
  const act = await stand.db.one(`SELECT * FROM audit_log WHERE action = 'run'`);
  assert.deepEqual([act.actor, act.target, act.detail.run], [execution.caller, 'webhook-retry', reply.run.id]);
});

test('run on a terminal: progress and a line for people beside the JSON', async () => {
  await stand.endpoint('/slow/300');
  await stand.enqueue(3);
  const terminal = new Terminal(program(), ['run', 'webhook-retry'], stand.env());
  assert.equal(await terminal.ended(), 0);
  assert.match(terminal.output, /webhook-retry: \d+ done, \d+ of them failed, \d+ s/);
  assert.match(terminal.output, /\{"retried":3,/);
  assert.match(terminal.output, /webhook-retry: success in \d+ ms: 3 done, 0 of them failed\r?\n/);
});

test('run of a worker that runs already: a code of its own, and nothing is done', async () => {
  await stand.db.rows(
    `INSERT INTO cron_locks (name, holder, acquired_at, expires_at) VALUES ('data-archival', gen_random_uuid(), clock_timestamp(), clock_timestamp() + interval '15 s')`);
  const done = await stand.cli(['run', 'data-archival']);
  assert.ok(done.code > 0 && done.code < 128);
  assert.equal(JSON.parse(done.stdout).code, 'busy');
  assert.match(done.stderr, /already running/);
  await stand.expireLocks();
  assert.equal((await stand.cli(['run', 'data-archival'])).code, 0);
});

test('run without a database: one line, and a code', async () => {
  const done = await stand.cli(['run', 'webhook-retry'], { env: { DATABASE_URL: 'postgresql:///x?host=/nonexistent' } });
  assert.notEqual(done.code, 0);
  assert.equal(done.stderr.trim().split('\n').length, 1, done.stderr);
});

test('SIGTERM ends a run in order: settled, handed back, its lock free', async () => {
  await stand.endpoint('/slow/400');
  const ids = await stand.enqueue(300);
  const child = start(program(), ['run', 'webhook-retry'], { env: { PATH: process.env.PATH, ...stand.env() } });
  await until(() => stand.receiver.requests.length >= 5);
  const began = Date.now();
  child.signal('SIGTERM');
  const { code } = await child.ended;
  assert.equal(code, 0);
  assert.ok(Date.now() - began < 2000, `took ${Date.now() - began} ms`);
  const rows = await stand.db.rows('SELECT status, attempts, lease_until FROM webhook_deliveries WHERE id = ANY($1)', [ids]);
  assert.ok(rows.every((row) => row.lease_until === null));
  assert.equal(rows.filter((row) => row.status === 'delivered').length, stand.receiver.requests.length);
  assert.equal(rows.filter((row) => row.status === 'pending' && row.attempts === 0).length, 300 - stand.receiver.requests.length);
  assert.equal(await stand.db.value(`SELECT holder FROM cron_locks WHERE name = 'webhook-retry'`), null);
});

test('dead list: the newest first, with filters, as a table or as JSON', async () => {
  const a = await bury(3, { type: 'order.failed' });
  const b = await bury(2, { type: 'user.failed', at: '/status/501', columns: { events: ['user.failed'] } });
  const list = async (...args) => JSON.parse((await stand.cli(['dead', 'list', '--json', ...args])).stdout);
  const all = await list();
  assert.equal(all.length, 3 + 4);
  const newestFirst = await stand.db.rows('SELECT id::text FROM webhook_deliveries WHERE dead_at IS NOT NULL ORDER BY dead_at DESC, id DESC');
  assert.deepEqual(all.map((one) => String(one.id)), newestFirst.map((row) => row.id));
  assert.equal((await list('--webhook', b.endpoint.id)).length, 2);
  assert.equal((await list('--type', 'order.failed')).length, 3);
  assert.equal((await list('--limit', '2')).length, 2);
  assert.equal((await list('--since', 'tomorrow')).length, 0);
  assert.equal((await list('--until', 'yesterday')).length, 0);
  assert.equal((await list('--since', 'yesterday', '--until', 'tomorrow')).length, 7);
  const table = (await stand.cli(['dead', 'list'])).stdout;
  for (const id of a.ids) assert.ok(table.includes(id));
  const wrong = await stand.cli(['dead', 'list', '--since', 'whenever']);
  assert.notEqual(wrong.code, 0);
  assert.match(wrong.stderr, /^cronward dead: --since/);
});

test('dead show: the delivery, its event, its endpoint and all attempts, without the secret', async () => {
  const { endpoint, ids } = await bury(1, { type: 'order.failed', payload: { note: 'see me' } });
  const done = await stand.cli(['dead', 'show', ids[0]]);
  assert.equal(done.code, 0, done.stderr);
  for (const text of [ids[0], endpoint.id, endpoint.url, 'order.failed', 'see me', 'HTTP 500']) assert.ok(done.stdout.includes(text), text);
  assert.ok(!done.stdout.includes(endpoint.secret));
  const none = await stand.cli(['dead', 'show', '999999999']);
  assert.notEqual(none.code, 0);
});

test('dead replay: one, by endpoint, by type, by time, all; each goes out again, and audit_log says who', async () => {
  const { endpoint, ids } = await bury(5, { type: 'order.failed' });
  await stand.db.rows('UPDATE app_webhooks SET url = $1', [stand.receiver.url('/ok/again')]);
  let done = await stand.cli(['dead', 'replay', ids[0], ids[1]]);
  assert.equal(done.code, 0, done.stderr);
  assert.deepEqual(await deadIds(), ids.slice(2));
  const row = await stand.delivery(ids[0]);
  assert.deepEqual([row.status, row.dead_at], ['pending', null]);
  done = await stand.cli(['dead', 'replay', '--webhook', endpoint.id, '--type', 'order.failed', '--since', 'yesterday']);
  assert.equal(done.code, 0, done.stderr);
  assert.deepEqual(await deadIds(), []);
  stand.receiver.forget();
  await stand.cli(['run', 'webhook-retry'], { env });
  assert.deepEqual(new Set(stand.receiver.requests.map((one) => one.id)), new Set(ids), 'with the same ids');
  const acts = await audit();
  assert.ok(acts.length >= 2);
  for (const act of acts) {
    assert.ok(act.actor.length > 0);
    assert.match(act.action, /replay/);
  }
});

test('a replayed delivery has all its tries again', async () => {
  const { ids } = await bury(1);
  await stand.cli(['dead', 'replay', '--all']);
  const two = { MAX_WEBHOOK_RETRIES: '1' };
  await stand.cli(['run', 'webhook-retry'], { env: two });
  assert.equal((await stand.delivery(ids[0])).status, 'pending', 'the first of two tries does not bury it');
  await stand.makeDue();
  await stand.cli(['run', 'webhook-retry'], { env: two });
  assert.equal((await stand.delivery(ids[0])).status, 'failed');
});

test("a replay whose event is gone is skipped, and one of a disabled endpoint waits", async () => {
  const { endpoint, ids } = await bury(2);
  await stand.db.rows('DELETE FROM platform_events WHERE id = (SELECT event_id FROM webhook_deliveries WHERE id = $1)', [ids[0]]);
  await stand.db.rows('UPDATE app_webhooks SET is_active = false WHERE id = $1', [endpoint.id]);
  assert.equal((await stand.cli(['dead', 'replay', '--all'])).code, 0);
  assert.deepEqual(await deadIds(), [ids[0]]);
  await stand.cli(['run', 'webhook-retry'], { env });
  assert.equal(await stand.db.value(`SELECT next_retry_at = 'infinity' FROM webhook_deliveries WHERE id = $1`, [ids[1]]), true);
});

test('a value that is not UTF-8 is refused before anything is written down', async () => {
  await bury(1);
  const shell = `exec "$0" dead purge --type "$(printf '\\377')"`;
  const done = await run('bash', ['-c', shell, program()], { env: cleanEnv(stand.env()) });
  assert.equal(done.code, 2);
  assert.match(done.stderr, /not UTF-8/);
  assert.deepEqual([(await deadIds()).length, (await audit()).length], [1, 0]);
});

test('what a receiver wrote cannot drive a terminal, as JSON neither', async () => {
  const { ids } = await bury(1);
  const hostile = 'a\u001b[31m\u007f\u0085\u009b31mz';
  await stand.db.rows('UPDATE webhook_deliveries SET last_error = $2 WHERE id = $1', [ids[0], hostile]);
  const json = (await stand.cli(['dead', 'list', '--json'])).stdout;
  assert.doesNotMatch(json.replaceAll('\n', ''), /[\u0000-\u001f\u007f-\u009f]/);
  assert.equal(JSON.parse(json)[0].lastError, hostile);
  for (const args of [['list'], ['show', ids[0]]])
    assert.doesNotMatch((await stand.cli(['dead', ...args])).stdout.replaceAll('\n', ''), /[\u0000-\u001f\u007f-\u009f]/);
});

test('dead purge: gone with their attempts, and audit_log has it; living ones are not touched', async () => {
  const { ids } = await bury(4);
  await stand.db.rows('UPDATE app_webhooks SET url = $1', [stand.receiver.url('/ok/living')]);
  const living = await stand.enqueue(1);
  assert.equal((await stand.cli(['dead', 'purge', ids[0]])).code, 0);
  assert.deepEqual(await deadIds(), ids.slice(1));
  await stand.cli(['dead', 'purge', living[0]]);
  assert.equal((await stand.delivery(living[0])).status, 'pending', 'a living delivery cannot be purged');
  assert.equal((await stand.cli(['dead', 'purge', '--all'])).code, 0);
  assert.deepEqual(await deadIds(), []);
  assert.deepEqual((await stand.rows()).map((row) => row.id), living);
  assert.equal(await stand.db.value('SELECT count(*)::int FROM webhook_attempts'), 0);
  assert.ok((await audit()).some((act) => /purge/.test(act.action)));
});
