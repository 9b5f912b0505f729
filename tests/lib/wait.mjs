// Waiting for something to become true, never for time to pass.  A test that must let time pass
// waits for a clock: `until(() => Date.now() >= t)`.
import { setTimeout as pause } from 'node:timers/promises';

// The first truthy value of `probe`, asked again and again; throws after `timeoutMs`.
export async function until(probe, { what = 'a condition', timeoutMs = 10_000, everyMs = 10 } = {}) {
  const end = Date.now() + timeoutMs;
  let last;
  for (;;) {
    try {
      const value = await probe();
      if (value) return value;
      last = undefined;
    } catch (e) {
      last = e;
    }
    if (Date.now() >= end)
      throw new Error(`waited ${timeoutMs} ms in vain for ${what}${last ? `: ${last.message}` : ''}`, { cause: last });
    await pause(everyMs);
  }
}

// `promise`, or an error after `timeoutMs`.
export async function within(timeoutMs, promise, what = 'an answer') {
  const stop = new AbortController();
  const late = pause(timeoutMs, undefined, { signal: stop.signal }).then(
    () => { throw new Error(`${what} took longer than ${timeoutMs} ms`); },
    () => new Promise(() => {}));
  try {
    return await Promise.race([promise, late]);
  } finally {
    stop.abort();
  }
}

// Calls `work` again and again on `lanes` lanes until the answer is called, which gives all results,
// or the test `t` ends.  A `work` that fails ends its lane and fails the answer.
export function load(t, lanes, work) {
  let going = true;
  const results = [];
  const lane = async () => {
    while (going) results.push(await work());
  };
  const all = Promise.all(Array.from({ length: lanes }, lane));
  all.catch(() => {});
  t.after(() => { going = false; });
  return async () => {
    going = false;
    await all;
    return results;
  };
}

// `count` times `work(i)`, at most `lanes` at once; the results in order.
export async function many(count, lanes, work) {
  const results = new Array(count);
  let next = 0;
  const lane = async () => {
    while (next < count) {
      const i = next++;
      results[i] = await work(i);
    }
  };
  await Promise.all(Array.from({ length: Math.min(lanes, count) }, lane));
  return results;
}
