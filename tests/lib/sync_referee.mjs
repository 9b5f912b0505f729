// What holds for syncs where a referee plays the vendors, whose one account many integrations share.
import assert from 'node:assert/strict';
import { after, beforeEach } from 'node:test';
import { Integrations, PROVIDERS } from './integrations.mjs';
import { startReferees } from './referee_accounts.mjs';
import { report } from './sizes.mjs';

const FAULTS = [{ fault: '429', retry_after: 1 }, { fault: '500' }, { fault: '503' }, { fault: 'reset' }, { fault: 'invalid-json' }, { fault: 'truncate' }, { fault: 'slow', ms: 500 },
  { fault: 'empty' }, { fault: 'html' }, { fault: 'html', status: 200 }, { fault: 'timeout', ms: 5000 }, { fault: 'huge', bytes: 16 * 1024 * 1024 }];
const OWN = { github: [{ fault: 'primary-limit', retry_after: 1 }, { fault: 'secondary-limit', retry_after: 1 }, { fault: 'secondary-limit-bare' }], slack: [{ fault: 'error', error: 'internal_error' }],
  notion: [{ fault: '529', retry_after: 1 }], google: [{ fault: '403' }, { fault: '429', retry_after: null }] };

// `users` with an account at each vendor; `apart`: one fault at a time, which takes its time.
export async function refereeScenarios(test, { users, sizes, apart }) {
  const all = await Integrations.create({ vendors: await startReferees(), env: { VENDOR_TIMEOUT_S: '2' } });
  after(() => all.end());
  beforeEach(async () => {
    await all.reset();
    for (const [name, count] of Object.entries(sizes)) await all.vendors[name].act({ action: 'seed', count });
  });
  const add = (count, more = {}) => all.add(Array.from({ length: count * 4 }, (_, n) => ({ provider: PROVIDERS[n % 4], ...more })));
  const equal = async () => {
    await all.mustBeFair();
    return all.mustBeEqual();
  };

  test('many integrations of one account: all from nothing, then nothing new, then what has changed', async (t) => {
    await add(users);
    await all.add([{ provider: 'github', classic: true }]);
    const replies = await all.pass({ budget: 20, passes: true });
    const items = await equal();
    const before = await all.versions();
    await all.pass({ passes: true });
    assert.deepEqual(await all.versions(), before, 'not one item is written where nothing has changed');
    const { github, notion, slack, google } = all.vendors;
    await github.act({ action: 'touch' });
    await notion.act({ action: 'edit', index: 3 });
    await slack.act({ action: 'message', text: 'Grüße ✓' });
    for (const index of [1, 2, 3]) await google.act({ action: 'change', index, cancel: index === 2 });
    await all.pass({ passes: true });
    // As if GitHub's minute between two looks at notifications were over.
    await all.db.rows(`UPDATE user_integrations SET cursor = cursor #- '{streams,notification,not_before}'`);
    await all.pass({ passes: true });
    await equal();
    await google.act({ action: 'expire-sync-tokens' });
    await all.pass({ passes: true });
    await equal();
    report(t, 'referee', { integrations: all.rows.length, items, runs: replies.length, requests: (await all.counts()).requests });
  });

  // Each vendor meets these faults, one behind the other.
  const endures = async (faultsOf) => {
    await add(1);
    for (const [name, vendor] of Object.entries(all.vendors))
      for (const [n, fault] of (faultsOf[name] ?? []).entries()) await vendor.fault({ after: n === 0 ? 1 : 0, ...fault });
    await all.pass({ passes: true });
    const { early, faults: met } = await all.counts();
    assert.equal(early, 0);
    await equal();
    assert.ok(met > 0, 'no fault was met');
  };
  const everywhere = (...faults) => Object.fromEntries(Object.keys(all.vendors).map((name) => [name, faults]));
  const groups = apart ? FAULTS.map((fault) => everywhere(fault)) : [everywhere(FAULTS[0], FAULTS[4]), everywhere(FAULTS[1])];
  const own = Object.entries(OWN);
  groups.push(...(apart ? own.flatMap(([name, faults]) => faults.map((fault) => ({ [name]: [fault] }))) : [Object.fromEntries(own.map(([name, faults]) => [name, faults.slice(0, 1)]))]));
  for (const group of groups) test(`${JSON.stringify(group)}: it ends complete`, () => endures(group));

  test('tokens that have expired are refreshed, and what is revoked has to connect again', async () => {
    const ids = await add(1);
    for (const name of ['github', 'slack', 'google']) await all.vendors[name].fault({ fault: 'token-expired' });
    await all.run();
    await equal();
    for (const id of ids) assert.deepEqual([(await all.row(id)).status, (await all.row(id)).last_error], ['active', null]);
    await all.vendors.google.act({ action: 'revoke' });
    await all.vendors.notion.fault({ fault: 'token-expired' });
    await all.pass();
    const rows = await all.db.rows('SELECT provider FROM user_integrations WHERE status = $1 ORDER BY provider', ['needs_reauth']);
    assert.deepEqual(rows.map(({ provider }) => provider), ['google_calendar', 'notion']);
    assert.equal((await all.events()).length, 2);
    await all.mustBeFair();
  });
}
