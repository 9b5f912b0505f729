// What is in a mail: nothing of a row can end a header or add a receiver, templates fill in what the
// row leaves out, and what is wrong with one mail is said of it alone.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Mails } from '../lib/mail.mjs';
import { Resend } from '../lib/resend.mjs';

const mails = await Mails.ofFile(await Resend.start());
const { vendor } = mails;

// Each row fails with these words, and nothing of it is sent; those beside it are.
const wrong = [
  [{ to_address: '' }, /^to_address is empty$/],
  [{ to_address: 'nobody' }, /^to_address "nobody" has no @$/],
  [{ to_address: 'a@example.com\r\nBcc: b@example.com' }, /^to_address "a@example.com {2}Bcc: b@example.com" holds a control character behind its @$/],
  [{ to_address: 'A\r\nBcc: b@example.com\r\n <a@example.com>' }, /^to_address ".*" /],
  [{ to_address: 'a@example.com, b@example.com' }, /^to_address ".*" /],
  [{ to_address: 'a@example.com\n' }, /^to_address ".*" /],
  [{ reply_to: 'a@example.com\r\nBcc: b@example.com' }, /^reply_to ".*" /],
  [{ reply_to: 'nobody' }, /^reply_to "nobody" has no @$/],
  [{ subject: 'Hello\r\nBcc: b@example.com' }, /^subject holds a control character$/],
  [{ subject: 'Hello\nyou' }, /^subject holds a control character$/],
  [{ subject: 'x'.repeat(901) }, /^subject is longer than 900 bytes$/],
  [{ subject: '' }, /^it has no subject$/],
  [{ subject: null }, /^it has no subject$/],
  [{ text: null }, /^it has neither html nor text$/],
  [{ text: '', html: '' }, /^it has neither html nor text$/],
  [{ headers: { 'X-A': 'b\r\nBcc: b@example.com' } }, /^header "X-A" /],
  [{ headers: { 'X-A\r\nBcc': 'b@example.com' } }, /^the name of a header is not/],
  [{ headers: { 'X-A: b\r\nBcc': 'b@example.com' } }, /^the name of a header is not/],
  [{ headers: { bCC: 'b@example.com' } }, /^header "bCC" /],
  [{ headers: { 'Reply-To': 'b@example.com' } }, /^header "Reply-To" /],
  [{ headers: { 'X-A': 5 } }, /^header "X-A" is no text/],
  [{ headers: [1] }, /^headers are no JSON object/],
  [{ template: 'nothing' }, /^there is no template "nothing" in email_templates$/],
  [{ subject: null, template: 'odd', data: { who: 'A\r\nBcc: b@example.com' } }, /^template "odd", subject, line 1: \{\{who\}\} holds a line break/],
  [{ subject: null, template: 'odd', data: {} }, /^template "odd", subject, line 1: \{\{who\}\} is not in the data$/],
  [{ subject: null, template: 'odd', data: [] }, /^data is no object that can be read$/],
  [{ text: null, template: 'odd', data: { who: 'Ada' } }, /^template "odd", text, line 2: \{\{order\.number\}\} is not in the data$/],
  // What is too long is not even brought: a claim has to go into 1 GB.
  [{ text: 'x'.repeat(2 << 20), html: 'x'.repeat((2 << 20) + 1) }, /^html and text have more than 4 MB$/],
  [{ data: { who: '"'.repeat(150 << 10) } }, /^data has more than 256 KB$/],
  [{ headers: { 'X-A': 'x'.repeat(64 << 10) } }, /^headers have more than 64 KB$/],
  [{ template: 'long' }, /^template "long" has more than 1 MB$/],
  [{ subject: 'x'.repeat(1 << 20) }, /^subject is longer than 900 bytes$/],
];

test('whatever a row tries, it fails with a reason, its neighbours are sent, and nobody else gets mail', async () => {
  await mails.db.rows(`INSERT INTO email_templates (name, subject, html, text) VALUES ('odd', 'Hello {{who}}', '<b title="{{who}}">{{who}}</b>', E'Hello\\n{{order.number}}'), ('long', 's', NULL, repeat('x', 1048577))`);
  const ids = [];
  for (const [more] of wrong) ids.push(await mails.add(more));
  const good = await mails.addMany(3, { to_address: 'good%@example.com' });
  const reply = await mails.run({ EMAIL_BATCH_SIZE: '100' });
  assert.deepEqual([reply.processed, reply.succeeded, reply.failed], [wrong.length + 3, 3, wrong.length]);
  for (const [i, [, error]] of wrong.entries()) {
    const row = await mails.row(ids[i]);
    assert.match(row.last_error, error);
    assert.deepEqual([row.status, row.attempts, row.provider_id, row.batch_id], ['failed', 0, null, null], row.last_error);
  }
  for (const id of good) assert.equal((await mails.row(id)).status, 'sent');
  assert.deepEqual((await mails.once()).map(({ to }) => to[0].replace(/\d+/, '')), Array(3).fill('good@example.com'));
  assert.equal((await vendor.requests()).length, 1);
});

test('a template gives what the row leaves out: escaped in html, plain elsewhere', async () => {
  const data = { who: `<i>"A" & 'B'</i>`, order: { number: 17 } };
  await mails.add({ template: 'odd', subject: null, text: null, data });
  await mails.add({ template: 'odd', subject: 'Own {{who}}', text: 'own', data: { who: '{{order.number}}', order: { number: 1 } } });
  await mails.run({ EMAIL_BATCH_SIZE: '1' });
  const sent = (await mails.vendor.sent()).sort((a, b) => a.subject.localeCompare(b.subject)).map(({ subject, html, text }) => ({ subject, html, text }));
  assert.deepEqual(sent, [
    { subject: `Hello <i>"A" & 'B'</i>`, text: 'Hello\n17',
      html: '<b title="&lt;i&gt;&quot;A&quot; &amp; &#39;B&#39;&lt;/i&gt;">&lt;i&gt;&quot;A&quot; &amp; &#39;B&#39;&lt;/i&gt;</b>' },
    { subject: 'Own {{who}}', text: 'own', html: '<b title="{{order.number}}">{{order.number}}</b>' },
  ]);
});

test('rows of any size and shape do no harm', async () => {
  const deep = `${'{"a":'.repeat(3000)}1${'}'.repeat(3000)}`;
  const ids = [
    await mails.add({ text: 'x'.repeat(3_000_000) }),
    await mails.add({ template: 'odd', data: deep }),
    await mails.add({ template: 'odd', data: '{"who": 123456789012345678901234567890, "order": {"number": 1.5}}' }),
    await mails.add({ text: '\u0001\u001f"\\\u2028' }),
  ];
  await mails.addMany(3);
  await mails.run();
  const rows = await Promise.all(ids.map((id) => mails.row(id)));
  assert.deepEqual(rows.map(({ status, last_error: text }) => [status, text]),
    [['sent', null], ['failed', 'data is no object that can be read'], ['sent', null], ['sent', null]]);
  assert.equal((await mails.once()).length, 6);
});

test('each template that comes along asks for the fields that its table names, in html and text alike', async () => {
  const named = await mails.db.value(`SELECT col_description('email_templates'::regclass, 1)`);
  const templates = [...named.matchAll(/(\w+): (app[^;]*)/g)].map(([, name, fields]) => [name, fields.split(', ')]);
  assert.deepEqual(templates.map(([name]) => name), ['welcome', 'verification', 'password_reset', 'receipt', 'notification']);
  const cases = templates.flatMap(([name, fields]) => [undefined, ...fields].map((missing) => [name, fields.filter((field) => field !== missing), missing]));
  const ids = [];
  for (const [template, fields] of cases)
    ids.push(await mails.add({ template, subject: null, text: null, data: Object.fromEntries(fields.map((field) => [field, `& ${field} 7`])) }));
  await mails.run({ EMAIL_BATCH_SIZE: '100' });
  for (const [i, [name, , missing]] of cases.entries())
    if (missing) assert.match((await mails.row(ids[i])).last_error, new RegExp(`^template "${name}", \\w+, line \\d+: \\{\\{${missing}\\}\\} is not in the data$`));
  const sent = await mails.once();
  assert.equal(sent.length, templates.length);
  for (const [i, [, fields]] of templates.entries()) {
    for (const field of fields) {
      assert.ok(sent[i].html.includes(`&amp; ${field} 7`) && !sent[i].html.includes(`& ${field} 7`), sent[i].html);
      assert.ok(sent[i].text.includes(`& ${field} 7`), sent[i].text);
    }
    assert.doesNotMatch(sent[i].subject + sent[i].html + sent[i].text, /\{\{|\}\}|@[a-z]+@/);
  }
});
