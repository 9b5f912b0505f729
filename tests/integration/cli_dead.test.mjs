// The command line: `cronward dead` for events and mail.  (Deliveries are in cli.test.mjs.)
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, beforeEach, test } from 'node:test';
import { Resend } from '../lib/resend.mjs';
import { Stand } from '../lib/stand.mjs';

const vendor = await Resend.start();
const stand = await Stand.create({ env: { RESEND_BASE_URL: vendor.origin, RESEND_API_KEY: vendor.credentials.api_key, EMAIL_FROM: 'shop@example.com',
  EGRESS_ALLOW: '127.0.0.1/32,127.0.0.2/32', MAX_RETRY_ATTEMPTS: '0' } });
const { db } = stand;
after(() => stand.end());
after(() => vendor.stop());
beforeEach(() => db.rows('TRUNCATE webhook_events, whatsapp_webhook_logs, email_queue, email_templates, event_handlers, audit_log'));

const KINDS = {
  events: { table: 'webhook_events', error: 'error_message', columns: { provider: 'telebirr', event_id: () => randomUUID(), event_type: 'payment.failed', retry_count: 5, archived: true } },
  whatsapp: { table: 'whatsapp_webhook_logs', error: 'processingerror', columns: { event_id: () => randomUUID(), eventtype: 'messages', retrycount: 5, archived: true } },
  mail: { table: 'email_queue', error: 'last_error', columns: { to_address: 'ann@example.com', template: 'welcome' } },
};

// A row that was given up; `more` are columns of its table.  Its id.
async function dead(kind, more = {}) {
  const { table, error, columns } = KINDS[kind];
  const row = { status: 'failed', attempts: 6, lost: 1, dead_at: new Date(), [error]: 'it said no', ...columns, ...more };
  const names = Object.keys(row);
  const { id } = await db.one(`INSERT INTO ${table} (${names}) VALUES (${names.map((_, i) => `$${i + 1}`)}) RETURNING id`,
    Object.values(row).map((value) => (typeof value === 'function' ? value() : value)));
  return id;
}

const row = (kind, id) => db.one(`SELECT *, waits_until <= clock_timestamp() AS is_due FROM ${KINDS[kind].table} WHERE id = $1`, [id]);
const acts = () => db.rows('SELECT action, target, detail FROM audit_log ORDER BY id');

// The command's standard output; it must have gone well.
async function cli(...args) {
  const done = await stand.cli(['dead', ...args]);
  assert.equal(done.code, 0, `${args.join(' ')}: ${done.stdout}${done.stderr}`);
  return done.stdout;
}

async function refused(code, pattern, ...args) {
  const done = await stand.cli(['dead', ...args]);
  assert.deepEqual([done.code, done.stdout], [code, ''], `${args.join(' ')}: ${done.stderr}`);
  assert.match(done.stderr, pattern, args.join(' '));
}

const list = async (kind, ...args) => JSON.parse(await cli('list', '--kind', kind, '--json', ...args));
const shown = (text) => Object.fromEntries(text.trimEnd().split('\n').map((line) => [line.split(' ', 1)[0], line.replace(/^\S+ +/, '')]));

test('what does not fit a kind is refused, and it is said what would', async () => {
  const [event, mail] = [await dead('events'), await dead('mail')];
  for (const [pattern, ...args] of [
    [/--kind is 'letters'; allowed are deliveries, events, whatsapp and mail/, 'list', '--kind', 'letters'],
    [/--provider is no filter of deliveries; allowed are --webhook, --type, --since and --until; --kind says/, 'list', '--provider', 'telebirr'],
    [/--webhook is no filter of events; allowed are --provider, --type,/, 'purge', '--kind', 'events', '--webhook', randomUUID()],
    [/--type is no filter of mail; allowed are --to, --template,/, 'replay', '--kind', 'mail', '--type', 'x'],
    [/--to is no filter of whatsapp/, 'list', '--to', 'a@example.com', '--kind', 'whatsapp'],
    [/'7' is no id of mail: those are uuids/, 'show', '--kind', 'mail', '7'],
    [/is no id of deliveries: those are whole numbers/, 'show', '--kind', 'deliveries', event],
    [/is no id of deliveries/, 'replay', '7', event],
    [/'7' is no id of an event or mail/, 'replay', event, '7'],
    [/these ids are of events, mail; one kind at a time/, 'purge', mail, event],
    [/either ids, or --all, or a filter/, 'replay', '--kind', 'events'],
    [/either ids, or --all, or a filter/, 'purge', '--kind', 'mail', '--to', 'a@example.com', mail],
    [/either ids, or --all, or a filter/, 'replay', event, '--provider', 'telebirr'],
    [/replay takes no --limit/, 'replay', '--kind', 'mail', '--all', '--limit', '1'],
    [/show takes no --type/, 'show', '--type', 'x', event],
    [/count takes no --kind/, 'count', '--kind', 'mail'],
    [/count takes no ids/, 'count', event],
    [/--since and --until take a time/, 'count', '--since', 'whenever']]) await refused(2, pattern, ...args);
  await refused(1, /no event and no mail has the id .*; jobs have such, see `cronward jobs`/, 'replay', randomUUID());
  await refused(1, /there is no mail /, 'show', '--kind', 'mail', event);
  assert.deepEqual([(await list('events')).length, (await list('mail')).length, await acts()], [1, 1, []]);
});

test('list: the newest first, by what there is of the kind, as a table or as JSON', async () => {
  const ago = (days) => new Date(Date.now() - days * 86_400_000);
  const b = await dead('events', { dead_at: ago(1), provider: 'cbe' });
  const a = await dead('events', { dead_at: ago(2), event_type: 'payment.done' });
  const c = await dead('events', { dead_at: ago(0) });
  await dead('events', { status: 'processed' });
  const revived = await dead('events');
  await db.rows('UPDATE webhook_events SET waits_until = now() WHERE id = $1', [revived]);
  const ids = async (...args) => (await list(...args)).map((one) => one.id);
  assert.deepEqual(await ids('events'), [c, b, a]);
  assert.deepEqual(await ids('events', '--provider', 'telebirr'), [c, a]);
  assert.deepEqual(await ids('events', '--provider', 'CBE', '--type', 'payment.failed'), [b]);
  assert.deepEqual(await ids('events', '--type', 'payment.done'), [a]);
  assert.deepEqual(await ids('events', '--limit', '1'), [c]);
  assert.deepEqual(await ids('events', '--since', ago(1.5).toISOString(), '--until', ago(0.5).toISOString()), [b]);
  const [one] = await list('events', '--limit', '1');
  assert.deepEqual([one.provider, one.eventType, one.attempts, one.lost, one.lastError], ['telebirr', 'payment.failed', 6, 1, 'it said no']);

  const whatsapp = await dead('whatsapp', { processingerror: 'a\u001b[31m\u009b31m' });
  assert.deepEqual(await ids('whatsapp', '--type', 'messages', '--provider', 'whatsapp'), [whatsapp]);
  assert.deepEqual(await ids('whatsapp', '--type', 'statuses'), []);
  const table = (await cli('list', '--kind', 'whatsapp')).split('\n');
  assert.match(table[0], /^id +dead_at +attempts +provider +event_type +event_id +error$/);
  assert.doesNotMatch(table.join(''), /[\u0000-\u001f\u007f-\u009f]/);

  const mails = [await dead('mail', { dead_at: ago(0) }), await dead('mail', { to_address: 'Ann B <Ann@Example.com>', template: 'receipt', dead_at: ago(1) }),
    await dead('mail', { to_address: 'joann@example.com', template: null, subject: 'Hi', dead_at: ago(2) })];
  assert.deepEqual(await ids('mail', '--to', 'ann@example.com'), mails.slice(0, 2));
  assert.deepEqual(await ids('mail', '--template', 'receipt'), [mails[1]]);
  assert.deepEqual((await list('mail')).map((mail) => [mail.to, mail.template, mail.subject]),
    [['ann@example.com', 'welcome', null], ['Ann B <Ann@Example.com>', 'receipt', null], ['joann@example.com', null, 'Hi']]);
});

test('count: how many there are of each kind, and since when', async () => {
  await dead('events', { dead_at: '2030-01-02T03:04:05Z' });
  for (const at of ['2020-01-02T03:04:05Z', '2020-01-01T00:00:00Z']) await dead('mail', { dead_at: at });
  await db.rows(`INSERT INTO whatsapp_webhook_logs (event_id, status, archived, dead_at) SELECT n, 'failed', true, '2020-02-02Z' FROM generate_series(1, 10001) n`);
  assert.deepEqual(JSON.parse(await cli('count', '--json')), [
    { kind: 'deliveries', dead: 0, isMore: false, lastDeadAt: null }, { kind: 'events', dead: 0, isMore: false, lastDeadAt: null },
    { kind: 'whatsapp', dead: 10000, isMore: true, lastDeadAt: '2020-02-02T00:00:00Z' }, { kind: 'mail', dead: 2, isMore: false, lastDeadAt: '2020-01-02T03:04:05Z' }]);
  assert.match(await cli('count', '--until', '2020-01-01T12:00:00Z'),
    /^kind +dead +last_dead_at\ndeliveries +0 +-\nevents +0 +-\nwhatsapp +0 +-\nmail +1 +2020-01-01T00:00:00Z\n$/);
  assert.match(await cli('count', '--since', '2020-01-01T12:00:00Z'), /whatsapp +10000\+ .*\nmail +1 /);
});

test('show: an event with the handler that it would get, a kind found by its id, nothing that proves who sends', async () => {
  await db.rows(`INSERT INTO event_handlers (provider, type_pattern, action, position, is_active) VALUES
    ('telebirr', 'payment.*', 'nobody', 0, false), ('*', '*', 'anything', 2, true), ('telebirr', 'payment.*', 'on_payment', 1, true), ('cbe', '*', 'cbe', 0, true)`);
  const id = await dead('events', { payload: JSON.stringify({ amount: 7, long: 'x'.repeat(10_000) }),
    headers: { 'x-telebirr-signature': 'c0ffee', authorization: 'Bearer c0ffee', 'x-api-key': 'c0ffee', 'user-agent': 'tele\u009bbirr', 'webhook-id': 'evt_1' } });
  const out = await cli('show', id.toUpperCase());
  const one = shown(out);
  assert.match(one.handler_now, /^on_payment \(event_handlers \d+, telebirr payment\.\*\)$/);
  assert.match(one.payload, /^\{"long": "x+… of 100\d\d characters$/);
  assert.deepEqual([one.id, one.provider, one.event_type, one.status, one.attempts, one.retry_count, one.error], [id, 'telebirr', 'payment.failed', 'failed', '6', '5', 'it said no']);
  assert.ok(one.headers.includes('evt_1') && !out.includes('c0ffee'));
  assert.doesNotMatch(out.replaceAll('\n', ''), /[\u0000-\u001f\u007f-\u009f]/);
  assert.ok(Buffer.byteLength(out) < 10_000);

  const bytes = Buffer.concat([Buffer.from('no \u001bJSON '), Buffer.from([0, 0xff, 0x9b]), Buffer.alloc(1000, 'b')]);
  const other = shown(await cli('show', await dead('whatsapp', { payload: null, body: bytes, headers: '[1]' })));
  assert.match(other.handler_now, /^anything /);
  assert.equal(other.body, `no  JSON \\000\\377\\233${'b'.repeat(256 - 12)}`);
  assert.deepEqual([other.body_bytes, other.provider], [String(bytes.length), 'whatsapp']);
  await db.rows('DELETE FROM event_handlers');
  assert.match(await cli('show', '--kind', 'events', id), /^handler_now +none: /m);
});

test('show: a mail with its data, what its template is now, and what was said of it', async () => {
  await db.rows(`INSERT INTO email_templates (name, subject, text) VALUES ('welcome', 'Welcome, {{name}}', 'Hi')`);
  const id = await dead('mail', { data: { name: 'Ann', notes: 'y'.repeat(9000) }, text: 'T\u009bxt', html: 'z'.repeat(9000), headers: { 'X-Auth-Token': 'c0ffee', 'X-Tag': 'a' }, last_error: 'HTTP 422: no such\u001b[2J domain' });
  const out = await cli('show', id);
  const one = shown(out);
  assert.match(one.template_now, /Welcome, \{\{name\}\}$/);
  assert.match(one.data, /"name": "Ann".*… of 90\d\d characters$/);
  assert.match(one.html, /^z{8000}… of 9000 characters$/);
  assert.deepEqual([one.to_address, one.last_error, one.text, one.max_attempts], ['ann@example.com', 'HTTP 422: no such [2J domain', 'T xt', '3']);
  assert.match(one.headers, /^\{ ?"X-Auth-Token" : "\(hidden\)", "X-Tag" : "a" ?\}$/);
  assert.match(await cli('show', await dead('mail', { template: 'gone' })), /^template_now +not in email_templates$/m);
});

test('replay: as if never tried, once, and the act is on record', async () => {
  const handled = await dead('events', { provider: 'cbe', performed_at: new Date(0) });
  const events = [await dead('events', { next_retry_at: new Date(0) }), await dead('events')].sort();
  assert.equal(await cli('replay', events[1].toUpperCase(), ...events), 'replayed 2\n');
  for (const id of events) {
    const one = await row('events', id);
    assert.deepEqual([one.status, one.attempts, one.retry_count, one.lost, one.archived, one.dead_at, one.next_retry_at, one.performed_at, one.is_due],
      ['pending', 0, 0, 0, false, null, null, null, true]);
  }
  assert.equal(await cli('replay', '--kind', 'events', '--provider', 'cbe'), 'replayed 1\n');
  assert.equal((await row('events', handled)).performed_at.getTime(), 0, 'what its handler did stays done');
  const again = await stand.cli(['dead', 'replay', ...events]);
  assert.deepEqual([again.code, again.stdout], [1, 'replayed 0\n']);
  assert.match(again.stderr, /2 of the 2 ids are no dead letters/);

  const whatsapp = await dead('whatsapp');
  assert.equal(await cli('replay', '--kind', 'whatsapp', '--all'), 'replayed 1\n');
  const log = await row('whatsapp', whatsapp);
  assert.deepEqual([log.status, log.processed, log.attempts, log.retrycount, log.nextretryat, log.archived, log.dead_at, log.is_due], ['pending', false, 0, 0, null, false, null, true]);

  const leader = randomUUID();
  const mail = await dead('mail', { batch_id: leader, unsure_since: new Date(0), to_address: 'Bo <bo@example.com>' });
  const other = await dead('mail');
  await dead('mail', { to_address: 'bo@example.com' });
  await db.rows(`UPDATE email_queue SET status = 'processing' WHERE to_address = 'bo@example.com'`); // the application's own process has it
  assert.equal(await cli('replay', '--kind', 'mail', '--to', 'BO@example.com'), 'replayed 1\n');
  const sent = await row('mail', mail);
  assert.deepEqual([sent.status, sent.attempts, sent.lost, sent.batch_id, sent.is_single, sent.dead_at, sent.provider_id, sent.unsure_since, sent.is_due], ['pending', 0, 0, null, true, null, null, null, true]);
  assert.equal((await row('mail', other)).status, 'failed');
  assert.deepEqual(await acts(), [
    { action: 'dead.replay', target: 'webhook_events', detail: { filter: { ids: events }, count: 2, skipped: 0 } },
    { action: 'dead.replay', target: 'webhook_events', detail: { filter: { provider: 'cbe' }, count: 1, skipped: 0 } },
    { action: 'dead.replay', target: 'webhook_events', detail: { filter: { ids: events }, count: 0, skipped: 0 } },
    { action: 'dead.replay', target: 'whatsapp_webhook_logs', detail: { filter: { all: true }, count: 1, skipped: 0 } },
    { action: 'dead.replay', target: 'email_queue', detail: { filter: { to: 'BO@example.com' }, count: 1, skipped: 0 } }]);
});

// Runs the worker of a kind; its reply.
async function run(worker) {
  const done = await stand.cli(['run', worker]);
  assert.ok(done.code < 2, done.stderr);
  return JSON.parse(done.stdout);
}

test('what died of its worker, replayed: an event goes to the handler of now, a mail goes out, each once', async () => {
  await db.rows(`CREATE TABLE booked (id text); CREATE FUNCTION broken(event jsonb) RETURNS void LANGUAGE plpgsql AS $$ BEGIN RAISE 'not today'; END $$;
    CREATE FUNCTION book(event jsonb) RETURNS void LANGUAGE sql AS $$ INSERT INTO booked VALUES (event ->> 'event_id') $$`);
  await db.rows(`INSERT INTO event_handlers (provider, action) VALUES ('*', 'broken')`);
  await db.rows(`INSERT INTO webhook_events (provider, event_id, status) VALUES ('telebirr', 'e1', 'failed')`);
  await db.rows(`INSERT INTO whatsapp_webhook_logs (event_id, eventtype, status) VALUES ('w1', 'messages', 'failed')`);
  await db.rows(`INSERT INTO email_queue (to_address, template) VALUES ('a@example.com', 'gone'), ('b@example.com', 'gone')`);
  for (const worker of ['retry-webhooks', 'whatsapp-webhook-retry', 'process-email-queue']) await run(worker);
  assert.deepEqual(JSON.parse(await cli('count', '--json')).map(({ dead: count }) => count), [0, 1, 1, 2]);
  const [event] = await list('events');
  const [log] = await list('whatsapp');
  assert.match(event.lastError, /not today/);
  assert.match(await cli('show', log.id), /^handler_now +broken /m);
  assert.match(await cli('show', (await list('mail'))[0].id), /^template_now +not in email_templates$/m);

  await db.rows(`UPDATE event_handlers SET action = 'book'`);
  await db.rows(`INSERT INTO email_templates (name, subject, text) VALUES ('gone', 'Here again', 'Hi')`);
  for (const kind of ['events', 'whatsapp', 'mail']) await cli('replay', '--kind', kind, '--since', 'yesterday');
  for (let n = 0; n < 2; n++) for (const worker of ['retry-webhooks', 'whatsapp-webhook-retry', 'process-email-queue']) await run(worker);
  assert.deepEqual((await db.rows('SELECT id FROM booked ORDER BY id')).map((one) => one.id), ['e1', 'w1']);
  assert.deepEqual((await vendor.sent()).map((mail) => [mail.to].flat()[0]).sort(), ['a@example.com', 'b@example.com']);
  assert.deepEqual((await db.rows(`SELECT status, last_error FROM email_queue`)), Array(2).fill({ status: 'sent', last_error: null }));
  assert.deepEqual([(await row('events', event.id)).status, (await row('whatsapp', log.id)).processed], ['processed', true]);
});

test('purge: batch after batch, of the kind alone, and nothing that lives', async () => {
  await db.rows(`INSERT INTO email_queue (to_address, status, dead_at) SELECT 'a@example.com', 'failed', '2020-01-01' FROM generate_series(1, 2100)`);
  const living = await db.value(`INSERT INTO email_queue (to_address) VALUES ('a@example.com') RETURNING id`);
  const [kept, event] = [await dead('mail'), await dead('events')];
  assert.equal(await cli('purge', '--kind', 'mail', '--to', 'a@example.com'), 'purged 2100\n');
  assert.deepEqual((await db.rows('SELECT id FROM email_queue')).map((mail) => mail.id).sort(), [living, kept].sort());
  assert.equal((await stand.cli(['dead', 'purge', living])).code, 1, 'a living mail cannot be purged');
  for (const kind of ['mail', 'whatsapp', 'deliveries']) await cli('purge', '--kind', kind, '--all');
  assert.deepEqual((await list('events')).map((one) => one.id), [event]);
  assert.equal(await cli('purge', event), 'purged 1\n');
  assert.deepEqual((await acts()).map((act) => [act.action, act.target, act.detail.count]), [['dead.purge', 'email_queue', 2100], ['dead.purge', 'email_queue', 0],
    ['dead.purge', 'email_queue', 1], ['dead.purge', 'whatsapp_webhook_logs', 0], ['dead.purge', 'webhook_deliveries', 0], ['dead.purge', 'webhook_events', 1]]);
});
