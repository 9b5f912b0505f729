// webhook-retry against a receiver that others wrote: it verifies signatures with the reference
// library of Standard Webhooks and refuses what the specification does not allow.  It lies beside
// the checkout where it is there at all (VENDORS names another place); the project's own receivers
// put the same scenarios to the worker without it.
import assert from 'node:assert/strict';
import { cpSync, existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { after, beforeEach, test } from 'node:test';
import { tempFolder } from '../lib/clean.mjs';
import { must, start } from '../lib/process.mjs';
import { root } from '../lib/program.mjs';
import { Stand } from '../lib/stand.mjs';
import { until } from '../lib/wait.mjs';

const vendors = path.resolve(root, process.env.VENDORS ?? '../shared/vendors');
const skip = existsSync(path.join(vendors, 'server/package.json')) ? false : 'no referee beside this checkout';

class Referee {
  static async start() {
    const folder = tempFolder('referee');
    for (const part of ['server', 'specs'])
      cpSync(path.join(vendors, part), path.join(folder, part),
        { recursive: true, filter: (from) => !from.includes('node_modules') });
    const cwd = path.join(folder, 'server');
    const env = { PATH: process.env.PATH, HOME: folder };
    await must('npm', ['ci', '--no-audit', '--no-fund'], { cwd, env: { ...process.env, HOME: folder }, timeoutMs: 120_000 });
    const ready = path.join(folder, 'ready.json');
    const referee = new Referee();
    referee.process = start(process.execPath, ['src/main.mjs'],
      { cwd, log: path.join(folder, 'log'), env: { ...env, MOCK_PORT: '0', MOCK_VENDORS: 'webhooks', MOCK_READY_FILE: ready } });
    referee.port = await until(() => existsSync(ready) && JSON.parse(readFileSync(ready, 'utf8')).port,
      { what: 'the referee', timeoutMs: 20_000 });
    ({ credentials: referee.credentials } = await referee.ask('GET', '_control'));
    return referee;
  }

  async ask(method, what, body) {
    const answer = await fetch(`http://127.0.0.1:${this.port}/${what}/webhooks`,
      { method, body: body && JSON.stringify(body), headers: { 'content-type': 'application/json' } });
    assert.ok(answer.ok, `${method} ${what}: ${answer.status}`);
    const text = await answer.text();
    return text ? JSON.parse(text) : undefined;
  }

  requests() {
    return this.ask('GET', '_requests');
  }
}

if (skip) {
  test('the referee', { skip }, () => {});
} else {
  const stand = await Stand.create({ env: { EGRESS_ALLOW: '127.0.0.1/32', WEBHOOK_TIMEOUT_S: '1', WEBHOOK_RETRY_SCHEDULE: '1s', MAX_WEBHOOK_RETRIES: '3' } });
  const referee = await Referee.start();
  await stand.startPool({ size: 1 });
  after(async () => {
    await referee.process.stop('SIGKILL');
    await stand.end();
  });

  const given = referee.credentials;
  beforeEach(async () => {
    await referee.ask('DELETE', '_control');
    await referee.ask('DELETE', '_requests');
    await stand.db.rows('DELETE FROM app_webhooks');
    await stand.endpoint(given.path, { url: `http://127.0.0.1:${referee.port}/webhooks${given.path}`, secret: given.secret });
  });

  test('every delivery is what the specification allows', async () => {
    const ids = await stand.enqueue(50, { type: 'order.paid', payload: { text: 'Grüße ✓ "quoted" \\ \u2028' } });
    const { json } = await stand.call('webhook-retry');
    assert.deepEqual([json.retried, json.succeeded, json.failed], [50, 50, 0]);
    const requests = await referee.requests();
    assert.deepEqual(requests.flatMap((request) => request.violations ?? []), []);
    assert.deepEqual(requests.map((request) => request.headers['webhook-id']).sort(), [...ids].sort());
  });

  for (const fault of [
    { fault: '429', retry_after: 2 }, { fault: '503', retry_after: 1 }, { fault: '500' },
    { fault: 'timeout', ms: 5000 }, { fault: '302', location: 'http://127.0.0.1:1/' },
  ])
    test(`${fault.fault}: tried again, then delivered, under one id`, async () => {
      await referee.ask('POST', '_control', { ...fault, count: 1 });
      const [id] = await stand.enqueue(1);
      assert.deepEqual(await stand.call('webhook-retry').then(({ json }) => [json.succeeded, json.failed]), [0, 1]);
      const row = await stand.delivery(id);
      assert.equal(row.status, 'pending');
      if (fault.retry_after)
        assert.ok(row.next_retry_at - Date.now() > (fault.retry_after - 1) * 1000, 'Retry-After is kept');
      await stand.makeDue();
      assert.deepEqual(await stand.call('webhook-retry').then(({ json }) => [json.succeeded, json.failed]), [1, 0]);
      const requests = await referee.requests();
      assert.deepEqual(requests.map((request) => request.headers['webhook-id']), [id, id]);
      assert.deepEqual(requests.flatMap((request) => request.violations ?? []), []);
      assert.equal((await stand.delivery(id)).status, 'delivered');
    });

  // libcurl itself sends again, once and on a new connection, when one that it reused turns out to
  // be dead: at least once, under the same id.
  test('reset: delivered in the end, under one id', async () => {
    await referee.ask('POST', '_control', { fault: 'reset', count: 1 });
    const [id] = await stand.enqueue(1);
    await stand.drain();
    const requests = await referee.requests();
    assert.deepEqual(requests.map((request) => request.headers['webhook-id']), [id, id]);
    assert.equal((await stand.delivery(id)).status, 'delivered');
  });
}
