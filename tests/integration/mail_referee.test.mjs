// Mail against a server that others wrote: it checks each request against what Resend publishes.
// The project's own stand-in puts the same scenarios to the worker without it.
import { test } from 'node:test';
import { Mails, scenarios } from '../lib/mail.mjs';
import { noReferee, Referee } from '../lib/referee.mjs';

if (noReferee) test('the referee', { skip: noReferee }, () => {});
else scenarios(test, await Mails.ofFile(await Referee.start('resend')));
