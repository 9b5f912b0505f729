// Syncs against servers that others wrote: they check each request against what the vendors publish.
// The project's own stand-ins, with many accounts, put more to the worker (sync_scenarios.test.mjs).
import { test } from 'node:test';
import { noReferee } from '../lib/referee.mjs';
import { refereeScenarios } from '../lib/sync_referee.mjs';

if (noReferee) test('the referee', { skip: noReferee }, () => {});
else await refereeScenarios(test, { users: 2, sizes: { github: 110, notion: 110, slack: 4, google: 520 }, apart: false });
