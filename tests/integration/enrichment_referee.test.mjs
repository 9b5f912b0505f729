// Enrichments against a server that others wrote: it checks each request against what Apollo.io
// publishes.  The project's own stand-in puts the same scenarios to the processor without it.
import { test } from 'node:test';
import { Enrichments, scenarios } from '../lib/enrichment.mjs';
import { noReferee, Referee } from '../lib/referee.mjs';

if (noReferee) test('the referee', { skip: noReferee }, () => {});
else scenarios(await Enrichments.create(await Referee.start('apollo')));
