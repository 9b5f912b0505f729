// The judge of every fault test.  Given the ledger and the rows as they ended:
//
//   enqueued = done + dead + waiting, and nothing is still taken;
//   each done item was delivered at least once, and none is done without a delivery;
//   nothing was delivered that nobody enqueued;
//   an item was sent more often than it was settled only by kills that met it in the air.
//
// Rows are { id, state: done|dead|waiting|taken, attempts, logged, open }.  A `logged` that is not
// undefined must equal `attempts`: a try is counted and recorded together or not at all.
import assert from 'node:assert/strict';

const SHOWN = 5;

export function judge(ledger, rows, { mayBeTaken = false } = {}) {
  const violations = [];
  const accuse = (what, ids) => {
    if (ids.length > 0)
      violations.push(`${ids.length} ${what}: ${ids.slice(0, SHOWN).join(', ')}${ids.length > SHOWN ? ', …' : ''}`);
  };
  const byId = new Map(rows.map((row) => [String(row.id), row]));
  const inState = (state) => rows.filter((row) => row.state === state);
  const idsOf = (list) => list.map((row) => String(row.id));
  const requests = (id) => ledger.requests.get(id) ?? 0;

  accuse('items were lost', [...ledger.enqueued].filter((id) => !byId.has(id)));
  accuse('items appeared that nobody enqueued', idsOf(rows).filter((id) => !ledger.enqueued.has(id)));
  if (byId.size !== rows.length) violations.push(`${rows.length - byId.size} rows have the id of another`);
  accuse('rows have a state that is none', idsOf(rows.filter((row) => !['done', 'dead', 'waiting', 'taken'].includes(row.state))));
  if (!mayBeTaken) accuse('items are still taken', idsOf(inState('taken')));

  accuse('items are done without a delivery', idsOf(inState('done')).filter((id) => !ledger.accepted.get(id)));
  accuse('deliveries are of items that nobody enqueued', [...ledger.requests.keys()].filter((id) => !ledger.enqueued.has(id)));
  accuse('finished items would be taken again',
    idsOf(rows.filter((row) => row.open === true && ['done', 'dead'].includes(row.state))));
  accuse('waiting items would never be taken', idsOf(rows.filter((row) => row.open === false && row.state === 'waiting')));
  accuse('items have other attempts than records of attempts',
    idsOf(rows.filter((row) => row.logged !== undefined && row.logged !== row.attempts)));

  // What was sent and never settled.  Each kill explains one such request of an item it met.
  const unsettled = rows.map((row) => [String(row.id), Math.max(0, requests(String(row.id)) - row.attempts)]);
  accuse('items were sent again without a reason',
    unsettled.filter(([id, n]) => n > (ledger.exposures.get(id) ?? 0)).map(([id]) => id));

  return {
    violations,
    enqueued: ledger.enqueued.size,
    done: inState('done').length,
    dead: inState('dead').length,
    waiting: inState('waiting').length,
    taken: inState('taken').length,
    requests: ledger.requestsTotal,
    duplicates: unsettled.reduce((sum, [, n]) => sum + n, 0),
    kills: ledger.kills,
  };
}

// The verdict, or a failed assertion that names every violation.
export function mustHold(ledger, rows, options) {
  const verdict = judge(ledger, rows, options);
  assert.equal(verdict.enqueued, verdict.done + verdict.dead + verdict.waiting + verdict.taken,
    `enqueued ${verdict.enqueued}, not done ${verdict.done} + dead ${verdict.dead} + waiting ${verdict.waiting}: ${verdict.violations.join('; ')}`);
  assert.deepEqual(verdict.violations, []);
  return verdict;
}
