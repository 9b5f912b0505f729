// Checks of WhatsApp's tokens against a server that others wrote: it checks each request against what
// Meta publishes.  The project's own stand-in puts the same scenarios to the worker without it.
import { test } from 'node:test';
import { Health, scenarios } from '../lib/health.mjs';
import { noReferee, Referee } from '../lib/referee.mjs';

if (noReferee) test('the referee', { skip: noReferee }, () => {});
else scenarios(test, await Health.ofFile(await Referee.start('meta')));
