// Syncs while processes die at any moment, in the middle of a refresh too, and PostgreSQL crashes: no
// thing is lost or kept twice, and no token that was used is lost.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Integrations, PROVIDERS } from '../lib/integrations.mjs';
import { Cluster } from '../lib/postgres.mjs';
import { isAlive, killNow } from '../lib/process.mjs';
import { random } from '../lib/random.mjs';
import { full, report, size } from '../lib/sizes.mjs';
import { usersOf } from '../lib/sync.mjs';
import { until } from '../lib/wait.mjs';

const REFRESH = { github: 'login', notion: 'oauth', slack: 'oauth', google_calendar: 'token' };

const moment = (ms) => {
  const end = Date.now() + ms;
  return until(() => Date.now() >= end, { everyMs: 5, timeoutMs: ms + 1000 });
};

async function begin(t, options) {
  const all = await Integrations.create(options);
  t.after(async () => {
    await all.end();
    await options?.cluster?.stop();
  });
  return all;
}

async function kill(all, child) {
  killNow(child.pid);
  await until(() => !isAlive(child.pid), { what: 'the process to be gone', everyMs: 1 });
  await all.stand.backendsGone();
  await all.expire();
}

// Refreshes that take so long, after they were done.
const slowRefreshes = (all, ms) => Promise.all(PROVIDERS.map((provider) => all.vendor(provider).fault({ fault: 'slow', ms, accepted: true, match: REFRESH[provider], count: 1e6 })));

async function expireSome(all, draw, share) {
  const rows = await all.db.rows(`SELECT id, provider FROM user_integrations WHERE status = 'active' AND refresh_token IS NOT NULL`);
  for (const { id, provider } of rows) if (draw.fraction() < share) await all.vendor(provider).act({ action: 'expire', account: id });
}

// All is done that can be; whoever has to connect again has lost an answer, and that once.
async function judge(all, t, what, more, { mayOverlap, triesMax = 1, lostMax = 1 } = {}) {
  await all.pass({ passes: true });
  const tokens = await all.mustHaveTokens();
  assert.equal(tokens.lost, 0, 'whoever is active has the tokens of today');
  const dead = await all.db.rows(`SELECT id, provider, last_error FROM user_integrations WHERE status = 'needs_reauth'`);
  for (const { id, provider, last_error: error } of dead) {
    assert.notEqual(provider, 'google_calendar', error);
    assert.match(error, /refresh was lost/);
    const { lateRefreshes: tries } = await all.vendor(provider).counts(id);
    assert.ok(tries >= 1 && tries <= triesMax, `a token that is dead was tried ${tries} times`);
  }
  assert.equal((await all.events()).length, dead.length, 'an event for each');
  assert.ok(dead.length <= lostMax * tokens.refreshed, `${dead.length} answers of ${tokens.refreshed} were lost`);
  const gone = new Set(dead.map(({ id }) => id));
  const items = await all.mustBeEqual(all.rows.filter(({ id }) => !gone.has(id)));
  const { requests } = await all.mustBeFair({ mayBeEarly: true, mayOverlap });
  report(t, what, { ...more, integrations: all.rows.length, items, requests, refreshes: tokens.refreshed, 'to connect again': dead.length });
}

describe('syncs under fire', { concurrency: size(4, 1) }, () => {
  test('SIGKILL at random moments of a sync: it goes on where it was', async (t) => {
    const all = await begin(t), draw = random('sync kill');
    await all.add(usersOf(size(4, 40), size(300, 2000), draw));
    let kills = 0;
    for (; kills < size(5, 80) && await all.unfinished(new Date(0)) > 0; kills++) {
      const child = all.startRun();
      await moment(draw.between(30, 350));
      await kill(all, child);
    }
    const { requests } = await all.counts();
    await judge(all, t, 'SIGKILL, syncs', { kills });
    await all.forget();
    await all.db.rows(`UPDATE user_integrations SET cursor = '{}'`);
    await all.pass();
    const { requests: necessary } = await all.counts();
    // Each kill costs what was in the air.
    assert.ok(requests <= necessary + kills * 32, `${requests} requests of ${necessary}`);
  });

  test('SIGKILL in the middle of refreshes: what was used is stored, what was lost is said', async (t) => {
    const all = await begin(t), draw = random('refresh kill');
    await all.add(Array.from({ length: size(16, 160) }, (_, n) => ({ provider: PROVIDERS[n % 4], count: 5, channels: 2 })));
    await all.pass();
    await slowRefreshes(all, 40);
    const rounds = size(4, 40);
    for (let round = 0; round < rounds; round++) {
      await expireSome(all, draw, 0.5);
      await all.makeAllDue();
      const child = all.startRun();
      await moment(draw.between(40, 250));
      await kill(all, child);
      await all.mustHaveTokens();
    }
    // Whoever is killed while it finds out has to find out again.
    await judge(all, t, 'SIGKILL, refreshes', { kills: rounds }, { triesMax: rounds });
  });

  test('two processes at once, and one that stood still meanwhile: no token is refreshed twice', async (t) => {
    const all = await begin(t), draw = random('refresh twice');
    await all.add(Array.from({ length: size(16, 80) }, (_, n) => ({ provider: PROVIDERS[n % 4], count: 5, channels: 2 })));
    await all.pass();
    await slowRefreshes(all, 60);
    // Locks are cleared, leases hold: each row is one process's.
    await all.forget();
    await expireSome(all, draw, 1);
    await all.makeAllDue();
    const pair = [all.startRun()];
    await until(async () => (await all.counts()).refused > 0, { what: 'the first to be under way', everyMs: 2 });
    await all.stand.expireLocks();
    pair.push(all.startRun());
    await Promise.all(pair.map((child) => child.ended));
    await all.pass();
    for (const { id, provider } of all.rows) {
      const { refreshes, lateRefreshes } = await all.vendor(provider).counts(id);
      assert.deepEqual([provider, refreshes, lateRefreshes], [provider, 1, 0]);
    }
    await all.mustBeFair();
    // Leases run out too while their holder stands still; what it does then counts for nothing.
    const rounds = size(1, 20);
    for (let round = 0; round < rounds; round++) {
      await expireSome(all, draw, 1);
      await all.makeAllDue();
      const frozen = all.startRun();
      await moment(draw.between(40, 200));
      killNow(frozen.pid, 'SIGSTOP');
      await all.stand.backendsGone();
      await all.expire();
      await all.run({ mayFail: true });
      killNow(frozen.pid, 'SIGCONT');
      await frozen.ended;
      await all.mustHaveTokens();
    }
    // What another one has used up meanwhile, it may ask with once more: it cannot know.
    await judge(all, t, 'frozen holders, refreshes', { rounds }, { mayOverlap: true, triesMax: 2 * rounds });
  });

  test('PostgreSQL crashes and restarts in the middle: nothing is lost, no token that was used', { skip: full ? false : 'make faults runs it' }, async (t) => {
    const cluster = await Cluster.create();
    const all = await begin(t, { cluster }), draw = random('sync restart');
    await cluster.admin('CHECKPOINT');
    await all.add(usersOf(30, 2000, draw));
    const rounds = 20;
    for (let round = 0; round < rounds; round++) {
      await expireSome(all, draw, 0.5);
      await all.makeAllDue();
      const child = all.startRun();
      await moment(draw.between(100, 500));
      if (round % 3 === 2) await cluster.stop();
      else await cluster.crash();
      await cluster.start();
      await all.mustHaveTokens();
      await until(() => !isAlive(child.pid), { what: 'the run to end', timeoutMs: 90_000 });
      await all.expire();
      await all.mustHaveTokens();
    }
    // Who lives on stores what it was told once there is a server again.
    await judge(all, t, 'PostgreSQL restart, syncs', { rounds }, { triesMax: rounds, lostMax: 0.01 });
  });
});
