// The scenarios of syncs at full size: 200 users with four accounts each, one fault at a time.
import { after, beforeEach, test } from 'node:test';
import { Integrations, PROVIDERS } from '../lib/integrations.mjs';
import { full } from '../lib/sizes.mjs';
import { endures, isFair, MISCHANCES, syncsAll } from '../lib/sync.mjs';

if (!full) test('syncs at full size', { skip: 'make faults runs them; in small they are in tests/integration' }, () => {});
else {
  const all = await Integrations.create();
  after(() => all.end());
  beforeEach(() => all.reset());

  test('200 users, 1 to 2,000 things each', (t) => syncsAll(t, all, { users: 200, most: 2000, budget: 5 }));
  test('one account of 20,000 things keeps nobody waiting', () => isFair(all, { small: 50, huge: 20_000 }));
  for (const fault of MISCHANCES)
    test(`${JSON.stringify(fault)}`, async (t) => {
      await all.add(Array.from({ length: 40 }, (_, n) => ({ provider: PROVIDERS[n % 4], count: 600, channels: 6, pages: 350 })));
      await endures(t, all, { what: `${JSON.stringify(fault)}`, faults: [fault], percent: 8 });
    });
}
