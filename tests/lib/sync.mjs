// What holds for syncs whoever answers and however many there are: small in `make check`, whole in
// `make faults`.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { PROVIDERS } from './integrations.mjs';
import { random } from './random.mjs';
import { report } from './sizes.mjs';

const MORE = 1.2; // times the necessary requests, at most

// Users with an account at each vendor, of 1 to `most` items, few of them large.
export function usersOf(count, most, draw) {
  const list = [];
  for (let n = 0; n < count; n++) {
    const user = randomUUID(), isSealed = n % 2 === 0;
    const many = () => Math.max(1, Math.round(most ** draw.fraction()));
    const messages = many(), channels = Math.min(messages, draw.between(1, 12));
    list.push(
      { user, isSealed, provider: 'github', repositories: many(), issues: many(), notifications: n % 4 === 3 ? many() : 0, classic: n % 4 === 3 },
      // Three requests a second are all that Notion allows.
      { user, isSealed, provider: 'notion', pages: Math.min(many(), 400), sources: draw.between(0, 20) },
      { user, isSealed, provider: 'slack', channels, messages: Math.ceil(messages / channels), members: many(), isNarrow: n % 5 === 2, isUneven: n % 3 === 1 },
      { user, isSealed, provider: 'google_calendar', events: many() });
  }
  return list;
}

const short = ({ items, requests, bytes, same }) => ({ items, requests, KB: Math.round(bytes / 1024), same });

// All from nothing in short runs, then nothing new, then what has changed, been added and deleted.
export async function syncsAll(t, all, { users, most, budget, slowMs }) {
  const draw = random('sync scenarios');
  await all.add(usersOf(users, most, draw));
  await all.vendors.github.pollEvery(0);
  // With room for few at once, and answers that take their time, one run is not enough.
  if (slowMs) await all.each((vendor) => vendor.storm({ percent: 100, faults: [{ fault: 'slow', ms: slowMs }] }));
  const replies = await all.pass({ budget, env: { SYNC_MAX_CONCURRENT: '4' } });
  await all.each((vendor) => vendor.storm(null));
  for (const { run } of replies) assert.ok(run.durationMs < (budget + 2) * 1000, `a run took ${run.durationMs} ms of ${budget} s`);
  // One that was not cut off has left nothing that was due: what rests for a moment is the next one's.
  const cut = replies.slice(0, -1).filter(({ run }, n) => n === 0 || run.durationMs >= budget * 1000);
  assert.ok(cut.length > 0 && cut.every(({ run }) => run.more), `it says when there is more: ${JSON.stringify(replies.map(({ run }) => [run.durationMs, run.more]))}`);
  const items = await all.mustBeEqual();
  const first = await all.mustBeFair();
  report(t, 'first sync', { integrations: all.rows.length, runs: replies.length, ...short({ items, ...first }) });

  // The same again.
  const before = await all.versions();
  await all.forget();
  await all.pass();
  assert.deepEqual(await all.versions(), before, 'not one item is written where nothing has changed');
  const same = await all.mustBeFair();
  for (const provider of PROVIDERS) await mustBeSlim(all, provider, await all.counts(provider), 0);
  report(t, 'nothing new', short({ items, ...same }));

  // What has changed.
  const changes = await change(all, draw);
  await all.forget();
  await all.pass();
  await all.mustBeEqual();
  const changed = await all.mustBeFair();
  for (const provider of PROVIDERS) await mustBeSlim(all, provider, await all.counts(provider), changes[provider]);
  const after = await all.versions();
  report(t, 'what has changed', { changes: JSON.stringify(changes), ...short({ items: after.items, ...changed }) });

  // What no vendor tells of is found by reading the whole.
  await forgetQuietly(all);
  const { code, stderr } = await all.stand.cli(['integrations', 'resync', '--all', '--whole']);
  assert.equal(code, 0, stderr);
  await all.pass();
  await all.mustBeEqual();
  await all.mustBeFair();
  const notes = await all.db.rows('SELECT DISTINCT kind FROM integration_seen ORDER BY 1');
  assert.deepEqual(notes.map(({ kind }) => kind), ['channel', 'repository', 'user'], 'of lists that are always whole alone');
  return all.versions();
}

// Of what has not changed GitHub sends at most the latest of a list that is read by time, and the last page
// of one that is always whole where that is full; Google sends nothing; a search of Notion always sends a page,
// and Slack all but messages.
async function mustBeSlim(all, provider, { things, same, requests }, most) {
  let latest = 0;
  if (provider === 'github')
    for (const { id } of all.rows.filter((row) => row.provider === provider)) {
      const { repository } = await all.vendor(provider).sizes(id);
      latest += 2 + (repository > 0 && repository % 100 === 0 ? 100 : 0);
    }
  if (['github', 'google_calendar'].includes(provider)) assert.ok(things <= most + latest, `${provider}: ${things} things in ${requests} requests, ${same} of them 304, where ${most} had changed`);
}

// Adds, changes and deletes at a third of the accounts; how many things have to be sent then: what has
// changed, and repositories whole where one of them has.
async function change(all, draw) {
  const changes = Object.fromEntries(PROVIDERS.map((provider) => [provider, 0]));
  const kinds = { github: ['repository', 'issue', 'notification'], notion: ['page', 'data_source'], slack: ['channel', 'user'], google_calendar: ['event'] };
  for (const { id, provider } of all.rows) {
    if (draw.below(3) > 0) continue;
    const vendor = all.vendor(provider), sizes = await vendor.sizes(id);
    for (const kind of kinds[provider]) {
      // Those whole, and once more the page by which that was found.
      if (kind === 'repository') changes[provider] += sizes[kind] + Math.min(sizes[kind], 100);
      if (sizes[kind] > 2) {
        await vendor.act({ action: 'change', account: id, kind, index: draw.below(sizes[kind]) });
        changes[provider]++;
      }
      // Of these a deletion is told, or the list is always the whole.
      if (sizes[kind] > 2 && ['repository', 'user', 'event'].includes(kind)) {
        await vendor.act({ action: 'remove', account: id, kind, index: draw.below(sizes[kind]) });
        changes[provider]++;
      }
      if (kind === 'page' && sizes[kind] > 4) {
        await vendor.act({ action: 'trash', account: id, kind, index: draw.below(sizes[kind]) });
        changes[provider]++;
      }
      await vendor.act({ action: 'grow', account: id, kind, count: 2 });
      changes[provider] += 2;
    }
    if (provider === 'slack' && Object.keys(sizes).some((kind) => kind.startsWith('C'))) {
      await vendor.act({ action: 'message', account: id });
      changes[provider]++;
    }
  }
  return changes;
}

// Deletes what only a whole reading finds.
async function forgetQuietly(all) {
  for (const { id, provider } of all.rows) {
    const vendor = all.vendor(provider), sizes = await vendor.sizes(id);
    const kind = { github: 'issue', notion: 'page', slack: Object.keys(sizes).find((name) => name.startsWith('C')) }[provider];
    if (sizes[kind] > 1) await vendor.act({ action: 'remove', account: id, kind, index: sizes[kind] - 1 });
  }
}

// A huge account beside small ones, with room for few at once: the small ones are done first.
export async function isFair(all, { small, huge }) {
  const [big] = await all.add([{ provider: 'github', repositories: 0, issues: huge }]);
  // Notion's have to pause between two requests, whoever else is there.
  const others = PROVIDERS.filter((provider) => provider !== 'notion');
  await all.add(Array.from({ length: small }, (_, n) => ({ provider: others[n % others.length], count: 20, channels: 2, messages: 10 })));
  await all.db.rows(`UPDATE user_integrations SET waits_until = clock_timestamp() - interval '1 h' WHERE id = $1`, [big]);
  await all.pass({ budget: 2, env: { SYNC_MAX_CONCURRENT: '2' } });
  const late = await all.db.rows(`SELECT provider, last_synced_at FROM user_integrations WHERE id <> $1 AND last_synced_at >= (SELECT last_synced_at FROM user_integrations WHERE id = $1)`, [big]);
  assert.deepEqual(late, [], 'a small one waited for the huge one');
  await all.mustBeEqual();
  await all.mustBeFair();
}

// What may happen to any request.
export const MISCHANCES = [{ fault: '429', retry_after: 1 }, { fault: '429', retry_after: null }, { fault: '500' }, { fault: '503' }, { fault: 'slow', ms: 300 }, { fault: 'reset' }, { fault: 'truncate' },
  { fault: 'invalid-json' }, { fault: 'empty' }, { fault: 'html' }, { fault: 'html', status: 200 }, { fault: 'timeout' }];

// However the vendors fail: it ends complete, with few more requests than are necessary.
export async function endures(t, all, { what, budget = 10, ...order }) {
  const storm = { percent: 4, ...order };
  await all.each((vendor) => vendor.storm(storm));
  const replies = await all.pass({ budget, passes: true, env: { VENDOR_TIMEOUT_S: '1' } });
  await all.each((vendor) => vendor.storm(null));
  for (const { run } of replies) assert.ok(run.durationMs < (budget + 3) * 1000, `a run took ${run.durationMs} ms of ${budget} s`);
  await all.mustBeEqual();
  const stormy = await all.mustBeFair({ mayBeEarly: Boolean(order.mayBeEarly) });
  await all.forget();
  await readAnew(all);
  const calm = await all.counts();
  await all.forget();
  assert.ok(stormy.requests < calm.requests * MORE, `${stormy.requests} requests where ${calm.requests} were necessary`);
  report(t, what, { runs: replies.length, faults: stormy.faults, requests: stormy.requests, necessary: calm.requests });
}

// All from nothing, undisturbed.
export async function readAnew(all) {
  await all.db.rows(`UPDATE user_integrations SET cursor = '{}'`);
  await all.pass();
}
