// Schedules against others: npm's cron-parser, an oracle that walks minute by minute, and the
// database's own judgement of what may be inserted.
import assert from 'node:assert/strict';
import path from 'node:path';
import { after, test } from 'node:test';
import { CronExpressionParser } from 'cron-parser';
import { must } from '../lib/process.mjs';
import { program } from '../lib/program.mjs';
import { random } from '../lib/random.mjs';
import { report, size } from '../lib/sizes.mjs';
import { Stand } from '../lib/stand.mjs';

const EXPRESSIONS = size(2000, 100_000);
const NEXT = 4;
const FROM = Date.UTC(2000, 0) / 1000;
const TO = Date.UTC(2099, 0) / 1000;
const batch = path.join(path.dirname(program()), 'tests/fault/cron_batch');

const FIELDS = [[0, 59], [0, 23], [1, 31], [1, 12], [0, 7]];
const NAMES = { 3: 'JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC'.split(' '), 4: 'SUN MON TUE WED THU FRI SAT'.split(' ') };
// Of both halves of the year, by half an hour, by a day, and none.
const ZONES = ['Europe/Berlin', 'America/New_York', 'Australia/Lord_Howe', 'Pacific/Apia', 'Asia/Kathmandu', 'Australia/Sydney', 'Europe/Dublin', 'America/Sao_Paulo', 'Asia/Kolkata'];

const stand = await Stand.create();
after(() => stand.end());

// What the program says to [zone, seconds, slots wanted, expression]s: { error } or { text, slots }.
async function ask(questions) {
  const printed = await must(batch, [], { input: questions.map((one) => `${one.join('\t')}\n`).join(''), timeoutMs: 120_000 });
  return printed.split('\n').slice(0, questions.length).map((line) => {
    const [kind, text, slots] = line.split('\t');
    return kind === 'ok' ? { text, slots: slots.split(' ').filter(Boolean).map(Number) } : { error: text };
  });
}

// Expressions -------------------------------------------------------------------------------------

function number(draw, field, low = FIELDS[field][0], high = FIELDS[field][1]) {
  const value = draw.between(low, high);
  const name = NAMES[field]?.[value - FIELDS[field][0]];
  if (!name || draw.below(3) > 0) return [value, String(value)];
  return [value, draw.pick([name, name.toLowerCase(), name[0] + name.slice(1).toLowerCase()])];
}

function item(draw, field) {
  const [low, high] = FIELDS[field];
  const step = () => `/${draw.between(1, Math.min(high, 12))}`;
  const [from, text] = number(draw, field);
  switch (draw.below(6)) {
    case 0: return `*${step()}`;
    case 1: return `${text}-${number(draw, field, from, high)[1]}`;
    case 2: return `${number(draw, field, low, from)[1]}-${text}${step()}`;
    case 3: return `${text}${step()}`;
    default: return text;
  }
}

function field(draw, at) {
  if (draw.below([6, 3, 2, 2, 2][at]) === 0 || (at >= 2 && draw.below(2) === 0)) return '*';
  return Array.from({ length: draw.below(3) === 0 ? draw.between(2, 4) : 1 }, () => item(draw, at)).join(',');
}

const expression = (draw) => FIELDS.map((_, at) => field(draw, at)).join(' ');

// Time zones, as the engine of this JavaScript has them -------------------------------------------

const formats = new Map();
const offsets = new Map();

// Local time minus UTC, in seconds.
function offsetAt(zone, s) {
  const quarter = Math.floor(s / 900);
  const key = `${zone} ${quarter}`;
  if (!offsets.has(key)) {
    if (!formats.has(zone))
      formats.set(zone, new Intl.DateTimeFormat('en-US', { timeZone: zone, hourCycle: 'h23', year: 'numeric', month: 'numeric', day: 'numeric', hour: 'numeric', minute: 'numeric', second: 'numeric' }));
    const parts = Object.fromEntries(formats.get(zone).formatToParts(new Date(quarter * 900_000)).map((part) => [part.type, Number(part.value)]));
    offsets.set(key, Date.UTC(parts.year, parts.month - 1, parts.day, parts.hour, parts.minute, parts.second) / 1000 - quarter * 900);
  }
  return offsets.get(key);
}

// The instants between two at which the offset changes.
function changes(zone, from, to) {
  const found = [];
  for (let day = Math.floor(from / 900) * 900; day < to; day += 86400) {
    if (offsetAt(zone, day) === offsetAt(zone, day + 86400)) continue;
    for (let s = day; s < day + 86400; s += 900)
      if (offsetAt(zone, s) !== offsetAt(zone, s + 900)) found.push(s + 900);
  }
  return found.filter((s) => s < to);
}

// The oracle: what include/base/cron_next.h says, minute by minute --------------------------------

function setOf(text, at) {
  const [low, high] = FIELDS[at];
  const value = (word) => (NAMES[at]?.includes(word.toUpperCase()) ? NAMES[at].indexOf(word.toUpperCase()) + low : Number(word));
  const set = new Set();
  for (const part of text.split(',')) {
    const [range, step] = part.split('/');
    const [from, to] = range === '*' ? [low, at === 4 ? 6 : high] : range.split('-').map(value);
    for (let n = from; n <= (to ?? (step ? high : from)); n += Number(step ?? 1)) set.add(at === 4 ? n % 7 : n);
  }
  return set;
}

function reader(text) {
  const words = text.split(' ');
  const [minutes, hours, mdays, months, wdays] = words.map(setOf);
  const both = words[2].startsWith('*') || words[4].startsWith('*');
  return {
    starMinute: words[0].startsWith('*') || minutes.size === 60,
    starHour: words[1].startsWith('*') || hours.size === 24,
    names(local) {
      const t = new Date(local * 1000);
      const [mday, wday] = [mdays.has(t.getUTCDate()), wdays.has(t.getUTCDay())];
      return minutes.has(t.getUTCMinutes()) && hours.has(t.getUTCHours()) && months.has(t.getUTCMonth() + 1) && (both ? mday && wday : mday || wday);
    },
  };
}

// All slots of (from, to], which no change precedes by less than a day.
function walk(zone, text, from, to) {
  const cron = reader(text);
  const slots = [];
  const seen = new Set();
  for (let s = Math.floor(from / 60) * 60 - 2 * 86400; s <= to; s += 60) {
    const local = s + offsetAt(zone, s);
    const expected = s - 60 + offsetAt(zone, s - 60) + 60;
    let isSlot = cron.names(local) && (cron.starMinute || cron.starHour || !seen.has(local));
    for (let missing = expected; missing < local; missing += 60) isSlot ||= !cron.starHour && cron.names(missing);
    seen.add(local);
    if (isSlot && s > from) slots.push(s);
  }
  return slots;
}

// -------------------------------------------------------------------------------------------------

// cron-parser adds both days up whenever neither field is "*" alone; as Vixie cron has it, a field
// that begins with "*" narrows the other.
const isAddedUp = (text) => {
  const words = text.split(' ');
  return words[2] !== '*' && words[4] !== '*' && (words[2].startsWith('*') || words[4].startsWith('*'));
};

// It refuses lists that name a number twice.
function withoutRepeats(text) {
  return text.split(' ').map((word, at) => {
    const numbers = word.split(',').flatMap((part) => [...setOf(part, at)]);
    const set = new Set(numbers);
    return set.size === numbers.length ? word : [...set].sort((a, b) => a - b).join();
  }).join(' ');
}

function theirs(text, zone, after) {
  let cron;
  try {
    cron = CronExpressionParser.parse(withoutRepeats(text), { currentDate: new Date(after * 1000), tz: zone });
  } catch (e) {
    return { refused: e.message };
  }
  const slots = [];
  try {
    while (slots.length < NEXT) slots.push(cron.next().getTime() / 1000);
  } catch (e) {
    return { slots, gaveUp: e.message };
  }
  return { slots };
}

test(`${EXPRESSIONS} expressions and instants: the slots that cron-parser finds`, async (t) => {
  const draw = random('differential');
  const questions = [];
  const years = Array.from({ length: 8 }, () => Date.UTC(draw.between(2000, 2098), 0) / 1000);
  const near = new Map(ZONES.map((zone) => [zone, years.flatMap((year) => changes(zone, year, year + 366 * 86400))]));
  while (questions.length < EXPRESSIONS) {
    const text = expression(draw);
    if (isAddedUp(text)) continue;
    const zone = draw.below(2) === 0 ? 'UTC' : draw.pick(ZONES);
    // Some in the day and a half before clocks change.
    const at = draw.below(3) === 0 && near.get(zone)?.length > 0 ? draw.pick(near.get(zone)) - draw.below(36 * 3600) : draw.between(FROM, TO);
    questions.push([zone, at, NEXT, text]);
  }
  const answers = await ask(questions);
  const wrong = [];
  const seen = { slots: 0, never: 0, 'given up by cron-parser': 0, 'at a change of clocks': 0 };
  for (const [i, [zone, from, , text]] of questions.entries()) {
    const { slots, error } = answers[i];
    const other = theirs(text, zone, from);
    if (error) {
      wrong.push(`${text}: ${error}`);
      continue;
    }
    // It refuses a day that none of the months has, and looks some years ahead.
    if (other.refused) {
      if (slots.length > 0) wrong.push(`${text}: cron-parser says ${other.refused}`);
      seen.never++;
      continue;
    }
    if (other.gaveUp) seen['given up by cron-parser']++;
    for (let n = 0; n < other.slots.length; n++) {
      if (slots[n] === other.slots[n]) {
        seen.slots++;
        continue;
      }
      const first = Math.min(slots[n] ?? Infinity, other.slots[n]);
      if (zone !== 'UTC' && changes(zone, first - 5400, first + 5400).length > 0) seen['at a change of clocks']++;
      else wrong.push(`${zone}, ${text}, after ${questions[i][1]}: ${slots[n]}, and not ${other.slots[n]}`);
      break;
    }
  }
  assert.deepEqual(wrong.slice(0, 20), [], `${wrong.length} differ`);
  assert.ok(seen.slots > EXPRESSIONS * NEXT * 0.9, JSON.stringify(seen));
  assert.ok(seen['at a change of clocks'] < EXPRESSIONS / 50, JSON.stringify(seen));
  report(t, 'schedules against cron-parser', { expressions: EXPRESSIONS, ...seen });
});

const WALKS = size(300, 20_000);

test(`${WALKS} instants around changes of clocks: the slots of an oracle that walks by the minute`, async (t) => {
  const draw = random('walks');
  const zones = ['Europe/Berlin', 'America/New_York', 'Australia/Lord_Howe', 'Australia/Sydney', 'Europe/Dublin'];
  const around = new Map(zones.map((zone) => [zone, changes(zone, Date.UTC(2031, 0) / 1000, Date.UTC(2036, 0) / 1000)]));
  around.set('Pacific/Apia', [Date.UTC(2011, 11, 30, 10) / 1000]);
  const questions = [];
  for (let i = 0; i < WALKS; i++) {
    const zone = draw.pick([...around.keys()]);
    const words = expression(draw).split(' ');
    // Hours that changes meet, and days that are near.
    if (draw.below(2) === 0) words[1] = draw.pick(['1', '2', '3', '1-3', '2,3', '*/2', '0', '0,1', '2-3/1']);
    if (draw.below(3) > 0) words[2] = words[3] = words[4] = '*';
    questions.push([zone, draw.pick(around.get(zone)) - draw.between(0, 40 * 3600), 200, words.join(' ')]);
  }
  const answers = await ask(questions);
  const wrong = [];
  let slots = 0;
  for (const [i, [zone, from, , text]] of questions.entries()) {
    const until = from + 60 * 3600;
    const found = answers[i].slots.filter((s) => s <= until);
    const wanted = walk(zone, text, from, until).slice(0, 200);
    slots += wanted.length;
    if (found.join() !== wanted.join()) wrong.push(`${zone}, ${text}, after ${from}: ${found.slice(0, 9)}, and not ${wanted.slice(0, 9)}`);
  }
  assert.deepEqual(wrong.slice(0, 20), [], `${wrong.length} differ`);
  assert.ok(slots > WALKS * 5, `${slots}`);
  report(t, 'schedules where clocks change', { instants: WALKS, slots });
});

const at = (text) => Date.parse(text) / 1000;

for (const [zone, text, from, wanted] of [
  ['Europe/Berlin', '30 2 * * *', '2026-03-28T12:00Z', ['2026-03-29T01:00Z', '2026-03-30T00:30Z']],
  ['Europe/Berlin', '0,15,30 2 * * *', '2026-03-28T12:00Z', ['2026-03-29T01:00Z', '2026-03-30T00:00Z']],
  ['Europe/Berlin', '*/20 2 * * *', '2026-03-28T12:00Z', ['2026-03-29T01:00Z', '2026-03-30T00:00Z']],
  ['Europe/Berlin', '30 * * * *', '2026-03-29T00:00Z', ['2026-03-29T00:30Z', '2026-03-29T01:30Z']],
  ['Europe/Berlin', '0 */2 * * *', '2026-03-28T23:00Z', ['2026-03-29T02:00Z', '2026-03-29T04:00Z']],
  ['Europe/Berlin', '30 2 * * *', '2026-10-24T12:00Z', ['2026-10-25T00:30Z', '2026-10-26T01:30Z']],
  ['Europe/Berlin', '*/30 2 * * *', '2026-10-24T12:00Z', ['2026-10-25T00:00Z', '2026-10-25T00:30Z', '2026-10-25T01:00Z', '2026-10-25T01:30Z', '2026-10-26T01:00Z']],
  ['Europe/Berlin', '30 * * * *', '2026-10-24T23:50Z', ['2026-10-25T00:30Z', '2026-10-25T01:30Z', '2026-10-25T02:30Z']],
  ['America/New_York', '0 2 * * *', '2026-03-07T12:00Z', ['2026-03-08T07:00Z', '2026-03-09T06:00Z']],
  ['America/New_York', '59 1 * * *', '2026-10-31T12:00Z', ['2026-11-01T05:59Z', '2026-11-02T06:59Z']],
  ['Australia/Lord_Howe', '15 2 * * *', '2026-10-03T00:00Z', ['2026-10-03T15:30Z', '2026-10-04T15:15Z']],
  ['Australia/Lord_Howe', '45 1 * * *', '2026-04-04T00:00Z', ['2026-04-04T14:45Z', '2026-04-05T15:15Z']],
  ['Australia/Lord_Howe', '*/15 * * * *', '2026-04-04T14:40Z', ['2026-04-04T14:45Z', '2026-04-04T15:00Z', '2026-04-04T15:15Z', '2026-04-04T15:30Z']],
  ['Pacific/Apia', '0 9 * * *', '2011-12-29T10:00Z', ['2011-12-29T19:00Z', '2011-12-30T10:00Z', '2011-12-30T19:00Z']],
  ['Pacific/Apia', '0 */6 * * *', '2011-12-30T04:00Z', ['2011-12-30T10:00Z', '2011-12-30T16:00Z']],
  ['Asia/Kathmandu', '@daily', '2026-01-01T00:00Z', ['2026-01-01T18:15Z', '2026-01-02T18:15Z']],
  ['America/Sao_Paulo', '0 0 * * *', '2018-11-03T12:00Z', ['2018-11-04T03:00Z', '2018-11-05T02:00Z']],
  ['Australia/Sydney', '30 2 * 10 *', '2099-10-03T12:00Z', ['2099-10-03T16:00Z', '2099-10-04T15:30Z']],
  ['UTC', '0 0 29 2 *', '2096-03-01T00:00Z', ['2104-02-29T00:00Z', '2108-02-29T00:00Z']],
  ['UTC', '0 0 */2 * MON', '2026-11-22T00:00Z', ['2026-11-23T00:00Z', '2026-12-07T00:00Z']],
  ['UTC', '0 0 13 * FRI', '2026-11-12T00:00Z', ['2026-11-13T00:00Z', '2026-11-20T00:00Z']],
  ['UTC', '0 0 30 2 *', '2000-01-01T00:00Z', []],
  ['UTC', '0 0 31 4,6,9,11 *', '2000-01-01T00:00Z', []],
]) test(`by hand: ${text} in ${zone} after ${from}`, async () => {
  const [{ slots, error }] = await ask([[zone, at(from), Math.max(wanted.length, 1), text]]);
  assert.equal(error, undefined);
  assert.deepEqual(slots.map((s) => new Date(s * 1000).toISOString().replace(':00.000Z', 'Z')), wanted);
});

test('what never comes, and what comes rarely, is known at once', async (t) => {
  const rare = ['0 0 30 2 *', '0 0 29 2 *', '0 0 */29 2 MON', '59 23 31 12 *', '0 0 31 2,4,6 *', '* * * * *'];
  const questions = Array.from({ length: 6000 }, (_, i) => [ZONES[i % ZONES.length], FROM + i * 86400, 3, rare[i % rare.length]]);
  const began = process.hrtime.bigint();
  const answers = await ask(questions);
  const ms = Number(process.hrtime.bigint() - began) / 1e6;
  assert.ok(answers.every(({ slots }, i) => (slots.length === 0) === ['0 0 30 2 *', '0 0 31 2,4,6 *'].includes(rare[i % rare.length])));
  assert.ok(ms < 3000, `${ms} ms`);
  report(t, 'rare schedules', { slots: questions.length * 3, ms: ms.toFixed(0) });
});

// What may be inserted ------------------------------------------------------------------------------

function bend(draw, text) {
  const bits = ['*', '/', '-', ',', ' ', '\t', '@', '0', '7', '8', '12', '31', '32', '59', '60', 'JAN', 'sun', 'Mo', 'ä', '"', '?', 'L', '#', '\v', '~', '!', '999999999999', '007', '@daily', '@Hourly'];
  const place = draw.below(text.length + 1);
  return text.slice(0, place) + (draw.below(4) > 0 ? draw.pick(bits) : '') + text.slice(place + draw.below(3));
}

test(`${EXPRESSIONS} right and wrong expressions: database and program say the same, word for word`, async (t) => {
  const draw = random('judgement');
  const texts = ['', ' ', '@daily', '\t@ANNUALLY ', '@ daily', '@reboot', '0 0 * * *'.padEnd(256), '0 0 * * *'.padEnd(257), '*'.repeat(257), `0 0 * * ${'1,'.repeat(100)}1`];
  while (texts.length < EXPRESSIONS) {
    let text = draw.below(10) === 0 ? draw.pick(['@daily', '@hourly', '@yearly']) : expression(draw);
    for (let n = draw.below(4); n > 0; n--) text = bend(draw, text);
    texts.push(text);
  }
  const answers = await ask(texts.map((text) => ['UTC', FROM, 0, text]));
  const rows = await stand.db.rows('SELECT cronward_cron_problem(text) AS problem FROM unnest($1::text[]) WITH ORDINALITY AS t(text, n) ORDER BY n', [texts]);
  const wrong = texts.flatMap((text, i) => (rows[i].problem === (answers[i].error ?? null) ? [] : [[text, rows[i].problem, answers[i].error]]));
  assert.deepEqual(wrong.slice(0, 10), [], `${wrong.length} differ`);
  const refused = answers.filter(({ error }) => error).length;
  assert.ok(refused > texts.length / 5 && refused < texts.length * 0.8, `${refused} refused`);
  // What is written is what was read.
  const again = await ask(answers.flatMap(({ text }) => (text ? [['UTC', FROM, 1, text]] : [])));
  assert.deepEqual(again.map(({ text }) => text), answers.flatMap(({ text }) => (text ? [text] : [])));
  report(t, 'judgement of expressions', { expressions: texts.length, refused });
});

test('time zones: what the database lets in, the program has a file for', async () => {
  const listed = (await stand.db.rows(`SELECT name FROM pg_timezone_names WHERE name !~ '^(posix|right|localtime|posixrules|Factory)'`)).map(({ name }) => name);
  const odd = (await stand.db.rows('SELECT abbrev FROM pg_timezone_abbrevs')).map(({ abbrev }) => abbrev);
  odd.push('', '/', 'Europe', 'Europe/', 'Europe/berlin', 'europe/Berlin', 'Europe/Berlin/', 'EUROPE/BERLIN', 'Europe/BERLIN', 'Foo/Bar', 'Foo/Bar5', 'Foo-3', 'EST5', 'UTC+3', 'Etc/GMT+15', 'Etc/GMT+19',
    '<+03>-3', '../UTC', 'Etc/../UTC', 'right/UTC', 'posix/UTC', 'tzdata.zi', 'Etc/UTC\n', ' UTC', 'A'.repeat(65), 'A/B/C/D', '12', '+03:00');
  assert.ok(listed.length > 400);
  const names = [...listed, ...odd];
  const rows = await stand.db.rows('SELECT cronward_time_zone_problem(zone) AS problem FROM unnest($1::text[]) WITH ORDINALITY AS t(zone, n) ORDER BY n', [names]);
  const answers = await ask(names.map((zone) => [zone.replace('\n', '\r'), FROM, 0, '@daily']));
  assert.deepEqual(listed.filter((_, i) => rows[i].problem || answers[i].error), []);
  assert.deepEqual(odd.filter((name, i) => !rows[i + listed.length].problem && !listed.includes(name)), []);
});
