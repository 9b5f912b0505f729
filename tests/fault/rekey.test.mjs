// Sealing all and sealing anew are cut short again and again, run beside each other, and beside an
// application that changes its secrets: none is lost, none is half done, and the next run ends it.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { open } from '../../deploy/examples/seal.mjs';
import { cleanEnv, killNow, start } from '../lib/process.mjs';
import { program } from '../lib/program.mjs';
import { random } from '../lib/random.mjs';
import { report, size } from '../lib/sizes.mjs';
import { Stand } from '../lib/stand.mjs';
import { load, until } from '../lib/wait.mjs';

const ROWS = size(6000, 100_000);
const KILLS = size(3, 60);
const COLUMNS = ['secret', 'previous_secret'];
const newKey = (id) => `${id}:${randomBytes(32).toString('base64')}`;

// Endpoints, each with a secret and a previous one that tell whose they are.
async function fill(stand) {
  await stand.db.rows(
    `INSERT INTO app_webhooks (url, secret, previous_secret, events)
     SELECT 'https://example.com/' || n, 'secret ' || n, 'previous ' || n, '{none}' FROM generate_series(1, $1::int) n`, [ROWS]);
}

// What every secret is now, opened by the code that README shows; and how many begin with `prefix`.
async function lookAt(stand, keys, changed, prefix) {
  const rows = await stand.db.rows('SELECT id, url, secret, previous_secret FROM app_webhooks');
  let fresh = 0;
  for (const row of rows) {
    const n = row.url.split('/').pop();
    const wanted = { secret: changed.get(row.id) ?? `secret ${n}`, previous_secret: `previous ${n}` };
    for (const column of COLUMNS) {
      const value = row[column];
      const plain = value.startsWith('cw1.') ? open(keys, { table: 'app_webhooks', column, row: row.id }, value) : value;
      assert.equal(plain, wanted[column], `${column} of ${row.id}`);
      fresh += value.startsWith(prefix);
    }
  }
  assert.equal(rows.length, ROWS);
  return fresh;
}

// Runs the command and kills it once it has done something, `kills` times or until half is done.
async function killAgainAndAgain(stand, args, env, prefix, kills) {
  const done = () => stand.db.value(
    `SELECT count(*)::int FROM app_webhooks, unnest(ARRAY[secret, previous_secret]) value WHERE starts_with(value, $1)`, [prefix]);
  let killed = 0;
  for (let before = 0; killed < kills && before < ROWS; before = await done()) {
    const child = start(program(), args, { env: cleanEnv(stand.env(env)) });
    await until(async () => !child.running || await done() > before, { what: 'a batch to be done', everyMs: 1, timeoutMs: 60_000 });
    if (!child.running) break;
    killNow(child.pid);
    await child.ended;
    await stand.backendsGone();
    killed++;
  }
  return killed;
}

test(`seal --all and rekey, killed at any moment: ${ROWS} endpoints keep their secrets, and the next run ends it`, async (t) => {
  const stand = await Stand.create();
  t.after(() => stand.end());
  const [k1, k2] = [newKey('k1'), newKey('k2')];
  await fill(stand);
  const kills = { seal: 0, rekey: 0 };
  for (const [name, args, keys] of [['seal', ['seal', '--all'], k1], ['rekey', ['rekey'], `${k2},${k1}`]]) {
    const prefix = `cw1.${keys.slice(0, 2)}.`;
    kills[name] = await killAgainAndAgain(stand, args, { ENCRYPTION_KEYS: keys }, prefix, KILLS);
    assert.ok(kills[name] > 0);
    const half = await lookAt(stand, keys, new Map(), prefix);
    assert.ok(half > 0 && half < 2 * ROWS, `${half} of ${2 * ROWS} were done when it was killed`);
    const done = await stand.cli(args, { env: { ENCRYPTION_KEYS: keys }, timeoutMs: 120_000 });
    assert.equal(done.code, 0, done.stderr);
    assert.equal(await lookAt(stand, keys.split(',')[0], new Map(), prefix), 2 * ROWS);
  }
  report(t, 'seal --all and rekey killed', { secrets: 2 * ROWS, 'kills of seal --all': kills.seal, 'kills of rekey': kills.rekey });
});

test('two rekeys and a seal --all at once, beside an application that changes its secrets', async (t) => {
  const stand = await Stand.create();
  t.after(() => stand.end());
  const [k1, k2] = [newKey('k1'), newKey('k2')];
  const keys = `${k2},${k1}`;
  await fill(stand);
  await stand.cli(['seal', '--all'], { env: { ENCRYPTION_KEYS: k1 }, timeoutMs: 120_000 });
  const ids = (await stand.db.rows('SELECT id FROM app_webhooks')).map(({ id }) => id);
  const draw = random('application');
  const changed = new Map();
  const stop = load(t, 1, async () => {
    const [id, secret] = [draw.pick(ids), `changed ${changed.size}`];
    await stand.db.rows('UPDATE app_webhooks SET secret = $2 WHERE id = $1', [id, secret]);
    changed.set(id, secret);
  });
  const runs = await Promise.all([['rekey'], ['rekey'], ['seal', '--all']].map(
    (args) => stand.cli(args, { env: { ENCRYPTION_KEYS: keys }, timeoutMs: 120_000 })));
  await stop();
  // Two that meet may each tell the other's rows as changed meanwhile; nothing fails otherwise.
  for (const done of runs) {
    assert.ok(done.code === 0 || /were changed meanwhile: run this again/.test(done.stdout), done.stderr + done.stdout);
    assert.equal(done.stderr, '');
  }
  await lookAt(stand, keys, changed, 'cw1.');
  for (const args of [['rekey'], ['seal', '--all']])
    assert.equal((await stand.cli(args, { env: { ENCRYPTION_KEYS: keys }, timeoutMs: 120_000 })).code, 0);
  assert.equal(await lookAt(stand, k2, changed, 'cw1.k2.'), 2 * ROWS);
  report(t, 'rekey beside rekey, seal --all and an application', { secrets: 2 * ROWS, 'changed meanwhile': changed.size });
});
