// Sealing in many processes: a nonce that comes twice would give two secrets away, so none does;
// and what is wrong in any part opens nothing, at all times.
import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';
import { must } from '../lib/process.mjs';
import { program } from '../lib/program.mjs';
import { report, size } from '../lib/sizes.mjs';

const SEALS = size(80_000, 1_000_000);
const nonces = path.join(path.dirname(program()), 'tests/fault/nonces');

const sealMany = async (...args) => JSON.parse(await must(nonces, args.map(String), { timeoutMs: 600_000 }));

test(`${SEALS} values sealed in 8 forked processes: no nonce twice, and nothing wrong opens`, async (t) => {
  const began = Date.now();
  const seen = await sealMany(SEALS);
  const seconds = (Date.now() - began) / 1000;
  assert.equal(seen.sealed, SEALS);
  assert.equal(seen.processes, 8);
  assert.equal(seen.opened, SEALS);
  assert.equal(seen.equal, 0);
  const kinds = Object.entries(seen.wrong);
  assert.ok(kinds.length >= 8);
  for (const [kind, { tried, refused }] of kinds) {
    assert.ok(tried >= SEALS / 10, `${kind}: tried ${tried} times`);
    assert.equal(refused, tried, `a wrong ${kind} opened something`);
  }
  const wrong = kinds.reduce((sum, [, { refused }]) => sum + refused, 0);
  report(t, 'sealing in forked processes', { sealed: SEALS, 'equal nonces': seen.equal, 'wrong ones refused': `${wrong} of ${SEALS}`, seconds: seconds.toFixed(1) });
});

test('a nonce that came twice would be seen', async () => {
  assert.equal((await sealMany(800, 'planted')).equal, 1);
});
