// Mail through Resend: what is sent when, under which key, and what answers mean.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Mails, scenarios } from '../lib/mail.mjs';
import { Resend } from '../lib/resend.mjs';

const vendor = await Resend.start();
const mails = await Mails.ofFile(vendor);
scenarios(test, mails);
