// Randomness that can be had again: CRONWARD_TEST_SEED=n repeats a run.
export const seed = Number(process.env.CRONWARD_TEST_SEED ?? Date.now() % 1_000_000_007);

// A generator of its own for each purpose, so that one test's draws do not shift another's.
export function random(purpose) {
  let state = seed >>> 0;
  for (const c of String(purpose)) state = (Math.imul(state, 31) + c.codePointAt(0)) >>> 0;
  const next = () => {
    // mulberry32
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
  return {
    fraction: next,
    below: (n) => Math.floor(next() * n),
    between: (low, high) => low + Math.floor(next() * (high - low + 1)),
    pick: (list) => list[Math.floor(next() * list.length)],
    bytes: (n) => Buffer.from(Array.from({ length: n }, () => Math.floor(next() * 256))),
  };
}
