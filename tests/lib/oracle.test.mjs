// The oracle must see what is planted: a judge that always nods proves nothing.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Ledger } from './ledger.mjs';
import { judge, mustHold } from './oracle.mjs';

// Three items: one done, one dead after two tries, one waiting after one.
function goodCase() {
  const ledger = new Ledger();
  ledger.enqueue([1, 2, 3]);
  ledger.receive(1);
  ledger.receive(2, false);
  ledger.receive(2, false);
  ledger.receive(3, false);
  const rows = [
    { id: '1', state: 'done', attempts: 1, logged: 1, open: false },
    { id: '2', state: 'dead', attempts: 2, logged: 2, open: false },
    { id: '3', state: 'waiting', attempts: 1, logged: 1, open: true },
  ];
  return { ledger, rows };
}

function violationsOf(change) {
  const one = goodCase();
  change(one);
  return judge(one.ledger, one.rows).violations.join('\n');
}

test('a run in order passes, and is counted', () => {
  const { ledger, rows } = goodCase();
  const verdict = mustHold(ledger, rows);
  assert.deepEqual(
    [verdict.enqueued, verdict.done, verdict.dead, verdict.waiting, verdict.duplicates], [3, 1, 1, 1, 0]);
});

const planted = [
  ['a lost item', ({ rows }) => rows.pop(), /1 items were lost: 3/],
  ['a row that appeared', ({ rows }) => rows.push({ id: '9', state: 'waiting', attempts: 0 }), /nobody enqueued: 9/],
  ['a row twice', ({ rows }) => rows.push({ ...rows[0] }), /id of another/],
  ['done without a delivery', ({ ledger }) => ledger.accepted.delete('1'), /done without a delivery: 1/],
  ['done although the receiver refused', ({ rows }) => { rows[1].state = 'done'; }, /done without a delivery: 2/],
  ['a delivery out of nowhere', ({ ledger }) => ledger.receive(7), /deliveries are of items that nobody enqueued: 7/],
  ['an item left taken', ({ rows }) => { rows[2].state = 'taken'; }, /still taken: 3/],
  ['a duplicate without a kill', ({ ledger }) => ledger.receive(1), /sent again without a reason: 1/],
  ['two duplicates for one kill', ({ ledger }) => { ledger.expose([1]); ledger.receive(1); ledger.receive(1); }, /sent again/],
  ['a duplicate of what the kill did not meet', ({ ledger }) => { ledger.expose([2, 3]); ledger.receive(1); }, /sent again/],
  ['a try without its record', ({ rows }) => { rows[1].logged = 1; }, /records of attempts: 2/],
  ['a dead item that is still due', ({ rows }) => { rows[1].open = true; }, /taken again: 2/],
  ['a waiting item that is due never', ({ rows }) => { rows[2].open = false; }, /never be taken: 3/],
  ['a state of another language', ({ rows }) => { rows[0].state = 'lunch'; }, /state that is none: 1/],
];
for (const [what, plant, seen] of planted)
  test(`the oracle sees ${what}`, () => assert.match(violationsOf(plant), seen));

test('mustHold throws on each of them', () => {
  for (const [what, plant] of planted) {
    const one = goodCase();
    plant(one);
    assert.throws(() => mustHold(one.ledger, one.rows), undefined, what);
  }
});

test('a duplicate that a kill explains is counted and passes', () => {
  const { ledger, rows } = goodCase();
  ledger.expose([1, 3]);
  ledger.receive(1);
  const verdict = mustHold(ledger, rows);
  assert.deepEqual([verdict.duplicates, verdict.kills], [1, 1]);
});

test('an item may be taken while its run goes on, where the test says so', () => {
  const { ledger, rows } = goodCase();
  rows[2].state = 'taken';
  assert.equal(mustHold(ledger, rows, { mayBeTaken: true }).taken, 1);
});
