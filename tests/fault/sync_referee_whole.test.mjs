// The scenarios of syncs against servers that others wrote at full size: 200 users with four accounts
// each, one fault at a time.
import { test } from 'node:test';
import { noReferee } from '../lib/referee.mjs';
import { full } from '../lib/sizes.mjs';
import { refereeScenarios } from '../lib/sync_referee.mjs';

const why = noReferee || (full ? false : 'make faults runs them; in small they are in tests/integration');
if (why) test('syncs against the referee at full size', { skip: why }, () => {});
else await refereeScenarios(test, { users: 200, sizes: { github: 300, notion: 110, slack: 8, google: 600 }, apart: true });
