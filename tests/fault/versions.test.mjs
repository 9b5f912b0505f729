// An upgrade: the old program and the new one work side by side on one database, calls go back and
// forth between them, some die, and the migration comes in the middle, all under load.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { olderProgram } from '../lib/older.mjs';
import { mustHold } from '../lib/oracle.mjs';
import { Pool } from '../lib/pool.mjs';
import { cleanEnv, must } from '../lib/process.mjs';
import { program } from '../lib/program.mjs';
import { report, size } from '../lib/sizes.mjs';
import { Stand } from '../lib/stand.mjs';
import { until } from '../lib/wait.mjs';

const ITEMS = size(3000, 20_000);
const ENDPOINTS = 10;
const SENT_FIRST = 10; // requests of a run before it is disturbed

// Who takes over, and how the other one ends.
const switches = [
  { to: 'new', by: 'drain' },
  { to: 'old', by: 'kill' },
  { to: 'new', by: 'drain', migrates: true },
  { to: 'old', by: 'drain' },
  { to: 'new', by: 'kill' },
];
const PER_PHASE = Math.ceil(ITEMS / switches.length / ENDPOINTS / 4); // events, four times

async function begin(t, programs) {
  const stand = await Stand.create({ empty: true, env: { WEBHOOK_TIMEOUT_S: '2', RUN_BUDGET_S: '15' } });
  t.after(() => stand.end());
  await must(programs.old, ['migrate'], { env: cleanEnv(stand.env()) });
  stand.ledger.follow(stand.receiver);
  for (let i = 0; i < ENDPOINTS; i++) await stand.endpoint(`/slow/5/${i}`);
  return stand;
}

const version = (stand) => stand.db.value('SELECT max(version) FROM cronward_schema');
const readiness = async (pool) => (await pool.call('GET', '/readyz')).status;

// More work while the pools change.
async function feed(stand) {
  for (let n = 0; n < 3; n++) await stand.enqueue(PER_PHASE);
}

// One run of ${from}, disturbed: the answers of both.
async function takeOver(stand, from, to, { by, migrates }) {
  await stand.enqueue(PER_PHASE);
  const seen = stand.receiver.requests.length;
  const call = stand.call('webhook-retry', { pool: from });
  const feeding = feed(stand);
  await until(() => stand.receiver.requests.length >= seen + SENT_FIRST, { what: 'the run to send', timeoutMs: 20_000 });
  const answers = [];
  if (migrates) {
    const done = await stand.cli(['migrate']);
    assert.equal(done.code, 0, done.stderr);
    assert.match(done.stdout, /applied/);
  }
  if (by === 'kill') {
    await stand.killAndExpose(from.processes());
    await call;
    await from.stop();
    await stand.expireLocks();
    await stand.expireLeases();
  } else {
    // Both are called while the one is told to end.
    const beside = stand.call('webhook-retry', { pool: to });
    const [answer] = await Promise.all([call, from.stop()]);
    answers.push(answer, await beside);
  }
  await feeding;
  return answers;
}

test('two versions side by side while an upgrade is under way: nothing is lost, nothing is done twice', { timeout: 900_000 }, async (t) => {
  const older = await olderProgram();
  t.diagnostic(`the old program is ${older.what}`);
  const programs = { old: older.program, new: program() };
  const stand = await begin(t, programs);
  assert.equal(await version(stand), 1);
  const start = (which) => Pool.start({ env: stand.env(), size: 2, build: programs[which], name: which });

  let from = await start('old');
  t.after(() => from.stop());
  for (const one of switches) {
    const to = await start(one.to);
    const current = await version(stand);
    // The new program says what is to be done; the old one takes a newer schema for good.
    assert.equal(await readiness(to), one.to === 'new' && current === 1 ? 503 : 200);
    for (const answer of await takeOver(stand, from, to, one))
      assert.ok([200, 429].includes(answer.status), `${answer.status} ${answer.body}`);
    from = to;
  }
  assert.ok(await version(stand) > 1);
  assert.equal(await readiness(from), 200);
  stand.pool = from;
  await stand.drain();

  const verdict = mustHold(stand.ledger, await stand.rows());
  assert.ok(verdict.enqueued >= ITEMS, `${verdict.enqueued} items`);
  assert.equal(verdict.done, verdict.enqueued);
  report(t, 'two versions', { switches: switches.length, items: verdict.enqueued, requests: verdict.requests, kills: verdict.kills,
    lost: verdict.enqueued - verdict.done, doubled: verdict.duplicates, 'old program': older.what });
});
