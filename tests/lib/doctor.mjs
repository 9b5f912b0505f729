// What tests of cronward doctor have in common: a cluster that each may spoil, and what was found there.
import assert from 'node:assert/strict';
import { after, beforeEach } from 'node:test';
import { Cluster } from './postgres.mjs';
import { cleanEnv, run } from './process.mjs';
import { program } from './program.mjs';
import { Stand } from './stand.mjs';

// Ends with the test file that it was made for.
export async function examined() {
  const cluster = await Cluster.create();
  const stand = await Stand.create({ cluster });
  after(async () => {
    await stand.end();
    await cluster.stop();
  });
  beforeEach(async () => {
    await stand.db.rows('TRUNCATE app_webhooks, webhook_deliveries, cron_locks, cron_job_executions');
  });
  return { cluster, stand, doctor: (options) => doctor(stand, options) };
}

// What it found, by check; the whole answer besides.
async function doctor(stand, { env = {}, args = [], wrap = [] } = {}) {
  const [command, ...words] = [...wrap, program(), 'doctor', '--json', ...args];
  const done = await run(command, words, { env: cleanEnv(stand.env(env)) });
  const report = JSON.parse(done.stdout);
  assert.equal(done.code, report.ok ? 0 : 1, done.stdout + done.stderr);
  assert.equal(report.ok, report.failed === 0);
  return {
    ...report,
    of: (check) => report.findings.filter((one) => one.check === check),
    // The only finding of a check at this level, or the one that matches.
    one(check, level, pattern = /^/) {
      const found = report.findings.filter((one) => one.check === check && one.level === level && pattern.test(one.found));
      assert.equal(found.length, 1, `${check} ${level} ${pattern}: ${JSON.stringify(this.of(check))}`);
      assert.equal(typeof found[0].todo, level === 'ok' ? 'object' : 'string');
      return found[0];
    },
    none(check, level) {
      assert.deepEqual(this.of(check).filter((one) => one.level === level), []);
    },
  };
}
