// Tokens of users' accounts and the secrets of our clients are in requests to their vendors and, sealed,
// in their rows, and nowhere else: with vendors that repeat all that they were sent, and PostgreSQL
// told to log everything, every place in which something is written down is searched.
import assert from 'node:assert/strict';
import { readFileSync, readdirSync, statSync } from 'node:fs';
import path from 'node:path';
import { after, test } from 'node:test';
import { tempFolder } from '../lib/clean.mjs';
import { Integrations, PROVIDERS } from '../lib/integrations.mjs';
import { Needles } from '../lib/needles.mjs';
import { sharedCluster } from '../lib/postgres.mjs';
import { cleanEnv, isAlive, isRoot, killNow, run } from '../lib/process.mjs';
import { program } from '../lib/program.mjs';
import { report, size } from '../lib/sizes.mjs';
import { until } from '../lib/wait.mjs';

const OTHER_ACCOUNT = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', '--'];
const REFRESH = { github: 'login', notion: 'oauth', slack: 'oauth', google_calendar: 'token' };
const EVERYTHING = { log_statement: "'all'", log_min_duration_statement: 0, log_error_verbosity: "'verbose'", log_min_error_statement: "'debug5'",
  log_parameter_max_length: -1, log_parameter_max_length_on_error: -1, log_min_messages: "'notice'" };

const cluster = await sharedCluster();
const all = await Integrations.create({ cluster });
after(() => all.end());
// Where PostgreSQL's log and its journal were when this began.
const began = { log: statSync(cluster.logFile).size, journal: await journal() };
const logged = () => readFileSync(cluster.logFile).subarray(began.log);
function journal() {
  return all.db.value('SELECT pg_walfile_name(pg_current_wal_insert_lsn())');
}

const needles = new Needles();
// What an application wrote down plainly stands in the journal of its database until that is reused.
const written = new Set(), known = new Set();
let outputs = '';

// What is found in what was written into the journal since, and is still there.
async function inJournal() {
  const folder = path.join(path.dirname(cluster.logFile), 'data/pg_wal'), end = await journal();
  return readdirSync(folder).filter((name) => name >= began.journal && name <= end).flatMap((name) => needles.in(readFileSync(path.join(folder, name))));
}

async function learn(isWritten = false) {
  for (const { id, provider } of all.rows) {
    const { access, refresh, generation } = await all.vendor(provider).tokens(id);
    for (const [what, token] of Object.entries({ access, refresh })) {
      const name = `${what} token ${generation} of ${provider} ${id}`;
      if (!token || known.has(token)) continue;
      known.add(token);
      needles.add(name, token);
      if (isWritten) written.add(name);
    }
  }
}

// An answer of each vendor repeats what it was sent, then all goes its way.
async function rounds(answers) {
  for (const { status, isRefresh } of answers) {
    for (const { id, provider } of all.rows) {
      await all.vendor(provider).act({ action: 'expire', account: id });
      await all.vendor(provider).fault({ fault: 'echo', status, match: isRefresh ? REFRESH[provider] : undefined });
    }
    await all.makeAllDue();
    for (let run = 0; run < 2; run++) {
      await all.run({ mayFail: true });
      await learn();
      all.said += JSON.stringify(await all.db.rows('SELECT last_error FROM user_integrations'));
      await all.makeAllDue();
    }
    await all.each((vendor) => vendor.clearFaults());
  }
}

test('accounts are synced and tokens refreshed, with vendors that repeat what they were sent', async (t) => {
  for (const [name, { client }] of Object.entries(all.vendors)) needles.add(`client secret of ${name}`, client.client_secret);
  needles.add('the key', all.key.bytes.toString('base64'), all.key.bytes);
  await all.add(PROVIDERS.map((provider, n) => ({ provider, isSealed: n % 2 === 0, count: 4, channels: 2 })));
  await learn(true);
  assert.ok((await inJournal()).length > 0, 'the search finds what an application has written');
  for (const [name, value] of Object.entries(EVERYTHING)) await cluster.admin(`ALTER DATABASE ${all.db.name} SET ${name} TO ${value}`);
  await all.pass();
  await rounds(size([{ status: 401 }, { status: 500, isRefresh: true }],
    [200, 302, 400, 401, 403, 404, 429, 500, 503].flatMap((status) => [{ status }, { status, isRefresh: true }])));
  const { refreshes } = await all.counts();
  assert.ok(refreshes >= 4, `${refreshes} refreshes`);
  assert.match(logged().toString(), /\$1 = /, 'PostgreSQL did not log parameters');
  report(t, 'Tokens that were searched for', { tokens: needles.names.length, refreshes });
});

test('a process at work shows none to anybody, and leaves no core', async () => {
  for (const provider of PROVIDERS) await all.vendor(provider).fault({ fault: 'timeout', count: 100 });
  await all.db.rows(`UPDATE user_integrations SET waits_until = clock_timestamp() WHERE waits_until IS NOT NULL`);
  const folder = tempFolder('core');
  const before = (await all.counts()).requests;
  const script = 'ulimit -c unlimited; cd "$1"; "$2" run sync-integrations >out 2>err & echo $! >pid; wait $!';
  const child = run('bash', ['-c', script, '-', folder, program()], { env: cleanEnv(all.stand.env()) });
  await until(async () => (await all.counts()).requests > before, { what: 'requests to be under way' });
  const pid = Number(readFileSync(path.join(folder, 'pid'), 'utf8'));
  for (const file of ['environ', 'cmdline', 'comm', 'stat', 'status', 'maps'])
    assert.deepEqual(needles.in(isRoot ? readFileSync(`/proc/${pid}/${file}`) : ''), [], file);
  if (isRoot)
    for (const file of ['environ', 'mem']) {
      const done = await run(OTHER_ACCOUNT[0], [...OTHER_ACCOUNT.slice(1), 'head', '-c', '1', `/proc/${pid}/${file}`]);
      assert.ok(done.code !== 0 && done.stdout === '', `another account reads ${file}`);
    }
  killNow(pid, 'SIGABRT');
  await until(() => !isAlive(pid), { what: 'the process to die' });
  await child;
  assert.deepEqual(readdirSync(folder).filter((name) => /core/.test(name)), []);
  assert.deepEqual(needles.inFiles(folder).found, []);
  await all.expire();
});

test('no command prints one, no log, no row and no file holds one', async () => {
  const [row] = all.rows;
  for (const args of [['config'], ['status'], ['status', '--json'], ['doctor'], ['dead', 'list'], ['locks', 'list'], ['integrations', 'list'], ['integrations', 'list', '--json'],
    ['integrations', 'resync', row.id], ['integrations', 'disconnect', row.id], ['rekey'], ['rekey', '--dry-run'], ['seal', '--all']]) {
    const done = await all.stand.cli(args);
    outputs += `${args.join(' ')}\n${done.stdout}${done.stderr}`;
  }
  assert.deepEqual(needles.in(outputs + all.said), []);
  const tables = await all.db.rows(`SELECT n.nspname AS schema, c.relname AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'v', 'm') AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')`);
  const found = [];
  for (const { schema, name } of tables)
    for (const { text } of await all.db.rows(`SELECT t::text AS text FROM "${schema}"."${name}" t`)) found.push(...needles.in(text).map((one) => `${name}: ${one}`));
  assert.deepEqual(found, []);
  assert.deepEqual(needles.in(logged()), [], 'the log of PostgreSQL');
  await all.db.rows('CHECKPOINT');
  const data = path.join(path.dirname(cluster.logFile), 'data'), oid = await all.db.value('SELECT oid::int FROM pg_database WHERE datname = current_database()');
  const files = needles.inFiles(path.join(data, 'base', String(oid)));
  assert.ok(files.files > 100);
  files.found.push(...await inJournal());
  const isWritten = (one) => [...written].some((name) => one.includes(`${name} (`));
  assert.deepEqual(files.found.filter((one) => !isWritten(one)), []);
});
