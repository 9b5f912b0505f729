// Secrets, passwords and keys are replaced while calls and deliveries go on: nobody who follows
// README's order is refused, and what is retired opens nothing any more.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { chmodSync, mkdirSync, readFileSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { after, test } from 'node:test';
import { mustHold } from '../lib/oracle.mjs';
import { Cluster } from '../lib/postgres.mjs';
import { Pool } from '../lib/pool.mjs';
import { SecretFiles } from '../lib/secret-files.mjs';
import { report, size } from '../lib/sizes.mjs';
import { Stand } from '../lib/stand.mjs';
import { load, until } from '../lib/wait.mjs';

// WAYS.length at least.
const ROTATIONS = size(6, 20);
const CALLS = size(3000, 10_000);
const CLIENTS = 8;
const RETIRED_WITHIN_MS = 1000;
// What the program waits for a file that is being written.
const QUIET_MS = 100;
const WAYS = ['rename', 'rewrite', 'halves', 'link', 'volume'];

const stand = await Stand.create();
after(() => stand.end());

const secretOf = (name) => `${name}-${randomBytes(20).toString('hex')}`;

// A route that asks for the secret and for nothing else: 404 to who is let in.
async function opens(pool, secret, options = {}) {
  const answer = await pool.call('GET', '/api/cron/executions/none', { headers: { authorization: `Bearer ${secret}` }, ...options });
  if (![404, 401, 503].includes(answer.status)) throw new Error(`${answer.status} ${answer.body} ${answer.error}`);
  return answer.status === 404;
}

const asking = (files, env = {}) => stand.env({
  CRON_SECRET: '', CRON_JOB_API_KEY: '', CRON_JOB_API_KEY_FILE: files.path('key'), CRON_JOB_API_KEY_PREVIOUS_FILE: files.path('previous'), ...env,
});

// Callers that ring again and again, each with the secret that it has been given.
class Callers {
  calls = 0;
  refused = [];
  #going = true;

  constructor(t, pool, secret) {
    this.list = Array.from({ length: CLIENTS }, () => ({ secret, calls: 0 }));
    const all = Promise.all(this.list.map((one) => this.#ring(pool, one)));
    all.catch(() => {});
    this.end = async () => {
      this.#going = false;
      await all;
    };
    t.after(this.end);
  }

  async #ring(pool, one) {
    while (this.#going) {
      const { secret } = one;
      const runs = ++this.calls % 25 === 0;
      const answer = await pool.call(runs ? 'POST' : 'GET', runs ? '/api/workers/notificationExpiry?busy=200' : '/api/cron/executions/none',
        { headers: this.calls % 2 ? { authorization: `Bearer ${secret}` } : { 'x-cron-secret': secret } });
      if (answer.status !== (runs ? 200 : 404)) this.refused.push(`${answer.status} ${answer.error ?? ''} ${answer.body} (${secret}, call ${this.calls})`);
      one.calls++;
    }
  }

  async more(count) {
    const wanted = this.calls + count;
    await until(() => this.calls >= wanted, { what: `${count} calls`, timeoutMs: 60_000, everyMs: 1 });
  }

  // Each changes when it likes; none still has a call on its way with what it had.
  async change(secret) {
    for (const one of this.list) {
      one.secret = secret;
      await this.more(5);
    }
    const marks = this.list.map((one) => one.calls);
    await until(() => this.list.every((one, i) => one.calls > marks[i]), { what: 'the last calls with the old secret', everyMs: 1 });
  }
}

// Old to PREVIOUS, new to NAME: in one go where the way has no other.
async function announce(files, way, old, fresh, step) {
  if (way !== 'volume') await files[way](step === 1 ? 'previous' : 'key', `${step === 1 ? old : fresh}\n`);
  else if (step === 1) files.volume({ key: old, previous: old });
  else files.volume({ key: fresh, previous: old });
}

function retire(files, way, fresh, i) {
  if (way === 'volume') files.volume({ key: fresh });
  else if (i % 2) files.remove('previous');
  else files.rewrite('previous', '');
}

// How long after `since` a process still let the secret in, at most; every process was asked.
async function acceptedFor(pool, secret, since) {
  let lastMs = 0;
  const end = Date.now() + 5 * RETIRED_WITHIN_MS;
  for (;;) {
    const answers = await pool.ofEach(async () => ({ at: Date.now() - since, open: await opens(pool, secret) }));
    assert.ok(answers.length > 0);
    const open = answers.filter((answer) => answer.open);
    if (open.length === 0) return lastMs;
    lastMs = Math.max(...open.map((answer) => answer.at));
    assert.ok(Date.now() < end, `the retired secret is still accepted after ${lastMs} ms`);
  }
}

test(`${CALLS} calls during ${ROTATIONS} rotations: none is refused, and each retired secret is, within a second and for ever`, async (t) => {
  const files = new SecretFiles();
  let current = secretOf('caller');
  files.rename('key', current);
  // Processes are renewed all the time, so each state of the files is one that a process starts with.
  const pool = await Pool.start({ env: asking(files, { PROCESS_REQUESTS_MAX: '250' }), size: 3 });
  t.after(() => pool.stop());
  const callers = new Callers(t, pool, current);
  const retired = [];
  let slowestMs = 0;
  for (let i = 0; i < ROTATIONS; i++) {
    const way = WAYS[i % WAYS.length];
    const fresh = secretOf('caller');
    const wanted = Math.ceil(CALLS * (i + 1) / ROTATIONS);
    for (const step of [1, 2]) {
      await announce(files, way, current, fresh, step);
      await callers.more(60);
    }
    await callers.change(fresh);
    retire(files, way, fresh, i);
    slowestMs = Math.max(slowestMs, await acceptedFor(pool, current, Date.now()));
    assert.ok(slowestMs <= RETIRED_WITHIN_MS, `${way}: accepted ${slowestMs} ms after its retirement`);
    retired.push(current);
    current = fresh;
    if (callers.calls < wanted) await callers.more(wanted - callers.calls);
  }
  await callers.end();
  // A pause of the writer that long is a state of the file, and callers are told so.
  assert.ok(callers.refused.length === 0 || files.halfMs >= QUIET_MS, `half written for ${files.halfMs} ms at most: ${callers.refused.join('\n')}`);
  assert.ok(callers.calls >= CALLS);
  for (const secret of retired)
    assert.deepEqual([...new Set(await pool.ofEach(() => opens(pool, secret)))], [false], 'a retired secret was accepted later');
  const before = pool.processes();
  pool.signal('SIGUSR2');
  await until(() => pool.processes().every((pid) => !before.includes(pid)) && pool.processes().length === pool.size, { what: 'new processes', everyMs: 5 });
  for (const secret of retired) assert.equal(await opens(pool, secret), false, 'a retired secret was accepted by a new process');
  assert.equal(await opens(pool, current), true);
  report(t, 'Rotation of callers\' secrets', { calls: callers.calls, rotations: ROTATIONS, refused: callers.refused.length,
    'accepted after retirement for ms': slowestMs });
});

for (const way of WAYS.filter((one) => one !== 'volume')) {
  test(`replaced without a predecessor (${way}): the new secret opens at once, the old one opens nothing within a second`, async (t) => {
    const files = new SecretFiles();
    const [old, fresh] = [secretOf('old'), secretOf('new')];
    files.rename('key', old);
    const pool = await Pool.start({ env: asking(files), size: 3 });
    t.after(() => pool.stop());
    assert.deepEqual(await pool.ofEach(() => opens(pool, old)), [true, true, true]);
    await files[way]('key', fresh);
    const since = Date.now();
    assert.deepEqual(await pool.ofEach(() => opens(pool, fresh)), [true, true, true]);
    assert.ok(await acceptedFor(pool, old, since) <= RETIRED_WITHIN_MS);
    // A change of the time alone is none.
    utimesSync(files.path('key'), new Date(0), new Date(0));
    assert.deepEqual(await pool.ofEach(async () => [await opens(pool, fresh), await opens(pool, old)]), Array(3).fill([true, false]));
  });
}

test('a file that is empty, broken, half written or away locks nobody out and lets nobody in', async (t) => {
  const files = new SecretFiles();
  const secret = secretOf('caller');
  const put = (text) => files.rewrite('key', text);
  const clear = () => files.remove('key');
  files.rename('key', secret);
  // Without the right of root to read what it may not read.
  const pool = await Pool.start({ env: asking(files), size: 1, wrap: ['setpriv', '--bounding-set=-dac_override,-dac_read_search', '--'] });
  t.after(() => pool.stop());
  assert.equal(await opens(pool, secret), true);
  const states = {
    'empty': () => put(''),
    'spaces and line ends': () => put(' \n\n'),
    'with a NUL': () => put('0123456789\0abcdefghij'),
    'of two lines': () => put(`${secretOf('a')}\n${secretOf('b')}\n`),
    'too long for a header': () => put('x'.repeat(5000)),
    'larger than any secret': () => put('x'.repeat(200_000)),
    'away': clear,
    'a folder': () => { clear(); mkdirSync(files.path('key')); },
    'a link to itself': () => { clear(); symlinkSync('key', files.path('key')); },
    'a link to nothing': () => { clear(); symlinkSync('nothing', files.path('key')); },
    'unreadable': () => { clear(); put(secretOf('never')); chmodSync(files.path('key'), 0); },
  };
  for (const [what, make] of Object.entries(states)) {
    make();
    const given = what === 'unreadable' ? undefined : tryRead(files.path('key'));
    assert.equal(await opens(pool, secret), true, what);
    // What the file holds is no secret: not whole, not in parts, not trimmed.
    for (const text of ['', ' ', given?.slice(0, 4096).replaceAll(/[\0\n]/g, ' '), given?.slice(0, 4096).split(/[\0\n]/)[0]].filter((one) => one !== undefined))
      assert.equal(await opens(pool, text), false, `${what}: ${text.slice(0, 20)}`);
    clear();
    put(secret);
    assert.equal(await opens(pool, secret), true, `good again after ${what}`);
  }
  // Neither half of what is written in two goes is a secret, nor is the old one lost meanwhile.
  const fresh = secretOf('fresh');
  const half = fresh.slice(0, Math.ceil(fresh.length / 2));
  const asked = load(t, 1, async () => [await opens(pool, secret), await opens(pool, half)]);
  await files.halves('key', fresh);
  const answers = await asked();
  assert.equal(await opens(pool, fresh), true);
  // Until the file has come to rest, the old one is in force; whoever had to wait for that may be late.
  if (files.halfMs < QUIET_MS) assert.deepEqual(answers.filter((answer, i) => answer[1] || (!answer[0] && i < answers.length - 2)), []);
  // Its length is the operator's word: shorter than 16 characters is closed, to everybody.
  put('fifteen-letters');
  for (const one of ['fifteen-letters', fresh, secret]) {
    const answer = await pool.call('GET', '/api/cron/executions/none', { headers: { authorization: `Bearer ${one}` } });
    assert.deepEqual([answer.status, answer.json.code], [503, 'not_configured'], one);
  }
  put(fresh);
  assert.equal(await opens(pool, fresh), true);
  assert.ok(!pool.log().includes(secret) && !pool.log().includes(fresh));
});

function tryRead(file) {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}

test('the password of the database changes there and in its file: the next connection has it, without a restart', async (t) => {
  const cluster = await Cluster.create();
  const db = await cluster.database();
  t.after(async () => {
    await db.drop();
    await cluster.stop();
  });
  const files = new SecretFiles();
  let password = secretOf('password');
  const change = (text) => cluster.admin(`ALTER ROLE caller PASSWORD '${text}'`);
  const [{ hba_file: hba }] = await cluster.admin('SHOW hba_file');
  writeFileSync(hba, `local all caller scram-sha-256\n${readFileSync(hba, 'utf8')}`);
  await cluster.admin('CREATE ROLE caller LOGIN IN ROLE cronward');
  await change(password);
  await cluster.admin('SELECT pg_reload_conf()');
  files.rename('password', `${password}\n`);
  const pool = await Pool.start({
    env: stand.env({ DATABASE_URL: db.url.replace('cronward@', 'caller@'), DATABASE_PASSWORD_FILE: files.path('password') }), size: 2,
  });
  t.after(() => pool.stop());
  const before = pool.processes();
  // The first call after the server has cut a connection may be the one that learns of it.
  const ready = async () => (await pool.call('GET', '/readyz')).status === 200;
  const works = async () => await ready() || ready();
  assert.deepEqual(await pool.ofEach(works), [true, true]);
  const hangUp = async () => {
    await db.terminateOthers();
    await until(async () => await db.terminateOthers() === 0, { what: 'the connections to end' });
  };
  const old = [];
  const rotations = size(4, 20);
  for (let i = 0; i < rotations; i++) {
    old.push(password);
    password = secretOf('password');
    await change(password);
    await files[WAYS[i % 4]]('password', `${password}\n`);
    // Connections that are there go on; those that come have the new one.
    assert.ok(await ready());
    await hangUp();
    assert.deepEqual(await pool.ofEach(works), [true, true], `${WAYS[i % 4]}, half written for ${files.halfMs} ms at most\n${pool.log().slice(-600)}`);
  }
  for (const breakIt of [() => files.rewrite('password', ''), () => files.remove('password'), () => { files.remove('password'); mkdirSync(files.path('password')); }]) {
    breakIt();
    assert.ok(await ready(), 'nothing is asked of the file while the connections live');
    await hangUp();
    const answer = await pool.call('POST', '/api/workers/notificationExpiry', { headers: { authorization: `Bearer ${stand.key}` } });
    assert.equal(answer.status, 503, answer.body);
    files.remove('password');
    files.rewrite('password', password);
    assert.deepEqual(await pool.ofEach(works), [true, true]);
  }
  assert.deepEqual(pool.processes(), before, 'nobody was restarted');
  for (const one of [...old, password]) assert.ok(!pool.log().includes(one), 'a password is in the log');
  report(t, 'Rotation of the database\'s password', { rotations, restarts: 0 });
});

test(`${ROTATIONS} rotations of the encryption keys under deliveries: each is signed right, none is dead, none is lost`, async (t) => {
  const sealed = await Stand.create({ env: { WEBHOOK_BATCH_SIZE: '20', WEBHOOK_MAX_CONCURRENT: '8' } });
  t.after(() => sealed.end());
  sealed.ledger.follow(sealed.receiver);
  const files = new SecretFiles();
  const ringOf = (...ids) => ids.map((id) => `${id}:${keys[id]}\n`).join('');
  const keys = Object.fromEntries(Array.from({ length: ROTATIONS + 1 }, (_, i) => [`k${i}`, randomBytes(32).toString('base64')]));
  const env = { ENCRYPTION_KEYS_FILE: files.path('keys') };
  files.rename('keys', ringOf('k0'));
  await sealed.startPool({ size: 3, env });
  const secrets = [];
  const endpoint = async (i) => secrets.push((await sealed.endpoint(`/ok/${i}`)).secret);
  for (let i = 0; i < 5; i++) await endpoint(i);
  let runs = 0;
  const end = load(t, 2, async () => {
    await sealed.enqueue(5);
    const answer = await sealed.call('webhook-retry', { query: '?busy=200' });
    assert.equal(answer.status, 200, answer.body);
    runs++;
  });
  const more = async (count) => {
    const wanted = runs + count;
    await until(() => runs >= wanted, { what: `${count} runs`, timeoutMs: 60_000 });
  };
  const rekey = async (...args) => {
    const done = await sealed.cli(['rekey', ...args], { env });
    assert.equal(done.code, 0, done.stderr);
    return done.stdout;
  };
  for (let i = 1; i <= ROTATIONS; i++) {
    const [old, fresh] = [`k${i - 1}`, `k${i}`];
    await files[WAYS[i % 4]]('keys', ringOf(fresh, old));
    // Beside it an endpoint that is new, and plain.
    await endpoint(i + 4);
    await more(2);
    await rekey();
    assert.match(await rekey('--dry-run'), new RegExp(`key ${old} seals nothing any more`));
    await files[WAYS[(i + 1) % 4]]('keys', ringOf(fresh));
    await more(2);
  }
  await end();
  await sealed.makeDue();
  await sealed.drain();
  const verdict = mustHold(sealed.ledger, await sealed.rows());
  assert.deepEqual([verdict.dead, verdict.waiting, verdict.done], [0, 0, verdict.enqueued]);
  assert.deepEqual(sealed.receiver.requests.map((one) => one.refusal).filter(Boolean), []);
  const values = await sealed.db.rows(`SELECT secret FROM app_webhooks`);
  assert.ok(values.every((row) => row.secret.startsWith(`cw1.k${ROTATIONS}.`)));
  for (const text of [...secrets, ...Object.values(keys)]) assert.ok(!sealed.pool.log().includes(text));
  report(t, 'Rotation of encryption keys', { deliveries: verdict.done, rotations: ROTATIONS, runs, dead: verdict.dead,
    'requests beyond one': verdict.requests - verdict.done });
});
