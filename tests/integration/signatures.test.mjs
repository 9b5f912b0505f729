// Signatures of inbound events against those who make them: npm's standardwebhooks, stripe and
// @octokit/webhooks-methods, and Node's own HMAC.  What they sign we take, what we sign they take,
// and nobody takes what was changed on the way.
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import path from 'node:path';
import { test } from 'node:test';
import { sign as octokitSign, verify as octokitVerify } from '@octokit/webhooks-methods';
import { Webhook } from 'standardwebhooks';
import Stripe from 'stripe';
import { must } from '../lib/process.mjs';
import { program } from '../lib/program.mjs';
import { random } from '../lib/random.mjs';
import { report } from '../lib/sizes.mjs';

const MESSAGES = 60;
const MUTANTS = 1000;
const AGE_MAX_S = 300;
const now = Math.floor(Date.now() / 1000);
const batch = path.join(path.dirname(program()), 'tests/fault/signatures');

// What the program says to each question.
async function ask(questions) {
  const input = questions.map((one) => `${JSON.stringify({ ...one, body: Buffer.from(one.body).toString('base64') })}\n`).join('');
  const answers = (await must(batch, [], { input, timeoutMs: 120_000 })).split('\n').slice(0, -1);
  assert.equal(answers.length, questions.length);
  return answers;
}

const rejects = (check) => {
  try {
    return check() !== true;
  } catch {
    return true;
  }
};
const hmac = (secret, body, form) => createHmac('sha256', secret).update(body).digest(form);
const standard = (secret) => (secret.startsWith('whsec_') ? new Webhook(secret) : new Webhook(secret, { format: 'raw' }));

// How each scheme is made and verified by others: `header` is where the signature is, `from` and
// `until` of it what must not change by a letter.
const schemes = {
  'hmac-sha256-hex': {
    header: 'x-webhook-signature', from: 0, letters: '0123456789abcdef',
    sign: ({ secret, body }) => hmac(secret, body, 'hex'),
    verify: ({ secret, body }, signature) => hmac(secret, body, 'hex') === signature,
  },
  'hmac-sha256-base64': {
    header: 'x-webhook-signature', from: 0, letters: 'ABCxyz0189+/',
    sign: ({ secret, body }) => hmac(secret, body, 'base64'),
    verify: ({ secret, body }, signature) => hmac(secret, body, 'base64') === signature,
  },
  standard: {
    header: 'webhook-signature', from: 3, letters: 'ABCxyz0189+/', timed: true,
    sign: ({ secret, body, id, at }) => standard(secret).sign(id, new Date(at * 1000), body),
    verify: ({ secret, body, id, at }, signature) => {
      standard(secret).verify(body, { 'webhook-id': id, 'webhook-timestamp': String(at), 'webhook-signature': signature }, { jsonParse: false });
      return true;
    },
  },
  stripe: {
    header: 'stripe-signature', from: `t=${now},v1=`.length, letters: '0123456789abcdef', timed: true,
    sign: ({ secret, body, at }) => Stripe.webhooks.generateTestHeaderString({ payload: body, secret, timestamp: at }),
    verify: ({ secret, body }, signature) => Stripe.webhooks.signature.verifyHeader(body, signature, secret, AGE_MAX_S),
  },
  meta: {
    header: 'x-hub-signature-256', from: 7, letters: '0123456789abcdef',
    sign: ({ secret, body }) => octokitSign(secret, body),
    verify: ({ secret, body }, signature) => octokitVerify(secret, body, signature),
  },
};

const LETTERS = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789';
const word = (draw, length) => Array.from({ length }, () => draw.pick(LETTERS)).join('');
const secretOf = (draw, scheme) => (scheme === 'standard' && draw.below(3) > 0 ? `whsec_${draw.bytes(3 * draw.between(8, 21)).toString('base64')}`
  : `${scheme === 'stripe' ? 'whsec_' : ''}${word(draw, draw.between(16, 90))}`);
const bodyOf = (draw) => draw.pick([
  () => JSON.stringify({ id: word(draw, 12), type: 'payment.completed', amount: draw.below(1e6), note: draw.pick(['', 'ብር', 'naïve\n\t"quoted"', '😀']) }),
  () => word(draw, draw.between(1, 3000)),
  () => '.'.repeat(draw.between(1, 5)) + draw.below(1e9),
  () => `${now}.{"a": 1}\r\n`,
])();
const messageOf = (draw, scheme) => ({ scheme, secret: secretOf(draw, scheme), body: bodyOf(draw), id: `msg_${word(draw, 20)}`, at: now - draw.between(0, AGE_MAX_S / 3) });

const headersOf = ({ scheme, id, at }, signature) => [
  ['content-type', 'application/json'], [schemes[scheme].header, signature], ['webhook-id', id], ['webhook-timestamp', String(at)],
];
const question = (message, signature, changes = {}) => ({
  scheme: message.scheme, secret: message.secret, now, body: message.body, headers: headersOf(message, signature), ...changes,
});

for (const [scheme, { sign, verify }] of Object.entries(schemes)) {
  test(`${scheme}: what others sign we take, with the secret and with the one before it`, async () => {
    const draw = random(`theirs ${scheme}`);
    const messages = Array.from({ length: MESSAGES }, () => messageOf(draw, scheme));
    const signatures = await Promise.all(messages.map((one) => sign(one)));
    const questions = messages.flatMap((one, i) => [question(one, signatures[i]),
      question(one, signatures[i], { secret: secretOf(draw, scheme), previous: one.secret })]);
    const answers = await ask(questions);
    assert.deepEqual(answers.flatMap((said, i) => (said === 'ok' ? [] : [[said, questions[i]]])).slice(0, 3), []);
  });

  test(`${scheme}: what we sign others take, and refuse when it was changed`, async () => {
    const draw = random(`ours ${scheme}`);
    const messages = Array.from({ length: MESSAGES }, () => messageOf(draw, scheme));
    const signatures = await ask(messages.map((one) => ({ ...one, now: one.at })));
    for (const [i, one] of messages.entries()) {
      assert.equal(await verify(one, signatures[i]), true, signatures[i]);
      assert.equal(signatures[i], await sign(one));
    }
    const [one] = messages;
    for (const changed of [{ ...one, body: `${one.body} ` }, { ...one, secret: secretOf(draw, scheme) }]) {
      // Of Octokit's an answer, of the others an exception.
      const taken = scheme === 'meta' ? await verify(changed, signatures[0]) : !rejects(() => verify(changed, signatures[0]));
      assert.equal(taken, false);
    }
  });
}

// Mutants -------------------------------------------------------------------------------------------

function changeLetter(draw, text, from, until, letters) {
  const at = draw.between(from, until - 1);
  const others = [...letters].filter((one) => one.toLowerCase() !== text[at].toLowerCase());
  return text.slice(0, at) + draw.pick(others) + text.slice(at + 1);
}

// Ways to change a message that was signed; each gives what else the question is to hold, or
// undefined where this message cannot be changed so.
const mutations = {
  'a letter of the signature': (draw, m, s, { from, letters, header }) =>
    ({ headers: headersWith(m, header, changeLetter(draw, s, from, from + 42, letters)) }),
  'a letter more': (draw, m, s, { from, letters, header }) => {
    const at = draw.between(from, s.length);
    return { headers: headersWith(m, header, s.slice(0, at) + draw.pick(letters) + s.slice(at)) };
  },
  'a letter less': (draw, m, s, { from, header }) => {
    const at = draw.between(from, from + 42);
    return { headers: headersWith(m, header, s.slice(0, at) + s.slice(at + 1)) };
  },
  'a foreign letter': (draw, m, s, { from, header }) =>
    ({ headers: headersWith(m, header, changeLetter(draw, s, from, from + 42, ' -_~!.%gGé\u0001')) }),
  'cut off': (draw, m, s, { header }) => ({ headers: headersWith(m, header, s.slice(0, draw.between(0, s.length - 2))) }),
  'the signature of another message': async (draw, m, s, { sign, header }) =>
    ({ headers: headersWith(m, header, await sign({ ...m, body: bodyOf(draw) + draw.below(1e9) })) }),
  'the signature of another scheme': async (draw, m, s, { header }) => {
    const [other] = Object.entries(schemes).filter(([name]) => !name.startsWith('hmac') && name !== m.scheme).slice(draw.below(2));
    return { headers: headersWith(m, header, await other[1].sign({ ...m, scheme: other[0] })) };
  },
  'no signature': (draw, m, s, { header }) => ({ headers: headersOf(m, s).filter(([name]) => name !== header) }),
  'two signatures': (draw, m, s, { header }) => ({ headers: [...headersOf(m, s), [header, draw.pick([s, 'x'])]] }),
  'the signature in another header': (draw, m, s, { header }) => ({ headers: headersOf(m, s).map(([name, value]) => [name === header ? `x-${header}` : name, value]) }),
  'a bit of the body': (draw, m) => {
    const body = Buffer.from(m.body);
    body[draw.below(body.length)] ^= 1 << draw.below(8);
    return { body };
  },
  'a body that is longer': (draw, m) => ({ body: draw.pick([`${m.body}\n`, ` ${m.body}`, `${m.body}\0`, `${m.body}${m.body}`]) }),
  'a body that is shorter': (draw, m) => ({ body: Buffer.from(m.body).subarray(0, draw.below(Buffer.from(m.body).length)) }),
  'a letter of the secret': (draw, m) => {
    const from = m.secret.startsWith('whsec_') ? 6 : 0;
    return { secret: changeLetter(draw, m.secret, from, m.secret.length, LETTERS) };
  },
  'the secret in another letter case': (draw, m) => {
    const at = [...m.secret].findLastIndex((one) => /[a-z]/.test(one));
    return at < 6 ? undefined : { secret: m.secret.slice(0, at) + m.secret[at].toUpperCase() + m.secret.slice(at + 1) };
  },
  'the secret of another': (draw, m) => ({ secret: secretOf(draw, m.scheme), previous: secretOf(draw, m.scheme) }),
  'another timestamp': (draw, m, s, { timed }) => {
    if (!timed) return undefined;
    const at = m.at + draw.pick([-60, -1, 1, 60]) * draw.between(1, 3);
    return { headers: headersOf({ ...m, at }, s.replace(`t=${m.at}`, `t=${at}`)) };
  },
  'an old timestamp that is signed': async (draw, m, s, { timed, sign }) => {
    if (!timed) return undefined;
    const at = now - AGE_MAX_S - draw.between(1, draw.pick([2, 600, 1e6, 1e9]));
    return { headers: headersOf({ ...m, at }, await sign({ ...m, at })) };
  },
  'a timestamp to come that is signed': async (draw, m, s, { timed, sign }) => {
    if (!timed) return undefined;
    const at = now + AGE_MAX_S + draw.between(1, draw.pick([2, 600, 1e6, 1e9]));
    return { headers: headersOf({ ...m, at }, await sign({ ...m, at })) };
  },
  'a timestamp in another form': (draw, m, s, { timed }) => {
    if (!timed) return undefined;
    const at = draw.pick([`0${m.at}`, ` ${m.at}`, `${m.at} `, `+${m.at}`, `-${m.at}`, `${m.at}.0`, `${m.at}e0`, `0x${m.at.toString(16)}`, '', 'now', `${m.at}000`, '9'.repeat(40)]);
    return { headers: headersOf({ ...m, at }, s.replace(`t=${m.at}`, `t=${at}`)) };
  },
  'another id': (draw, m, s) => (m.scheme === 'standard' ? { headers: headersOf({ ...m, id: draw.pick([`${m.id}x`, m.id.slice(1), `${m.id}.`, '', m.id.toUpperCase()]) }, s) } : undefined),
  'what is signed, parted elsewhere': (draw, m, s) => (m.scheme === 'standard'
    ? { headers: headersOf({ ...m, id: `${m.id}.${m.at}`, at: m.body.split('.')[0] }, s), body: m.body.split('.').slice(1).join('.') } : undefined),
};

const headersWith = (message, header, signature) => headersOf(message, signature).map(([name, value]) => [name, name === header ? signature : value]);

for (const [scheme, how] of Object.entries(schemes)) {
  test(`${scheme}: ${MUTANTS} mutants of signatures, bodies, timestamps and secrets are all refused`, async (t) => {
    const draw = random(`mutants ${scheme}`);
    const kinds = Object.keys(mutations);
    const questions = [];
    const controls = [];
    const counts = {};
    while (questions.length < MUTANTS) {
      const message = messageOf(draw, scheme);
      const signature = await how.sign(message);
      const kind = kinds[controls.length % kinds.length];
      const changed = await mutations[kind](draw, message, signature, how);
      controls.push(question(message, signature));
      if (!changed) continue;
      counts[kind] = (counts[kind] ?? 0) + 1;
      questions.push({ ...question(message, signature), ...changed, kind });
    }
    // Whatever was changed was right before.
    const before = await ask(controls);
    assert.ok(before.every((said) => said === 'ok'), before.find((said) => said !== 'ok'));
    const answers = await ask(questions);
    const taken = questions.filter((_, i) => answers[i] === 'ok');
    assert.deepEqual(taken.slice(0, 3), [], `${taken.length} of ${MUTANTS} were taken`);
    for (const [kind, count] of Object.entries(counts)) assert.ok(count >= MUTANTS / kinds.length / 2, `${kind}: ${count}`);
    assert.ok(Object.keys(counts).length >= 16, JSON.stringify(counts));
    assert.ok(new Set(answers).size >= (how.timed ? 6 : 3), [...new Set(answers)].join('; '));
    report(t, `mutants of ${scheme}`, { refused: `${answers.length - taken.length} of ${answers.length}`, kinds: Object.keys(counts).length });
  });
}

test('a mutant that differs in nothing would be seen', async () => {
  const message = messageOf(random('planted'), 'standard');
  assert.deepEqual(await ask([question(message, schemes.standard.sign(message))]), ['ok']);
});

test('GitHub\'s and Standard Webhooks\' own examples', async () => {
  const github = { scheme: 'meta', secret: "It's a Secret to Everybody", now, body: 'Hello, World!' };
  const hub = 'sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17';
  const other = { scheme: 'standard', secret: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw', now: 1614265330, body: '{"test": 2432232314}' };
  const headers = [['webhook-id', 'msg_p5jXN8AQM9LWM0D4loKWxJek'], ['webhook-timestamp', '1614265330'], ['webhook-signature', 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=']];
  assert.deepEqual(await ask([{ ...github, headers: [['x-hub-signature-256', hub]] }, { ...github, id: '' }, { ...other, headers }]), ['ok', hub, 'ok']);
});
