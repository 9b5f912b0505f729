// webhook-retry against a receiver that others wrote: it verifies signatures with the reference
// library of Standard Webhooks and refuses what the specification does not allow.  The project's own
// receivers put the same scenarios to the worker without it.
import assert from 'node:assert/strict';
import { after, beforeEach, test } from 'node:test';
import { noReferee, Referee } from '../lib/referee.mjs';
import { Stand } from '../lib/stand.mjs';

if (noReferee) {
  test('the referee', { skip: noReferee }, () => {});
} else {
  const stand = await Stand.create({ env: { EGRESS_ALLOW: '127.0.0.1/32', WEBHOOK_TIMEOUT_S: '1', WEBHOOK_RETRY_SCHEDULE: '1s', MAX_WEBHOOK_RETRIES: '3' } });
  const referee = await Referee.start('webhooks');
  await stand.startPool({ size: 1 });
  after(async () => {
    await referee.stop();
    await stand.end();
  });

  const given = referee.credentials;
  beforeEach(async () => {
    await referee.reset();
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
      await referee.fault({ ...fault, count: 1 });
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
    await referee.fault({ fault: 'reset', count: 1 });
    const [id] = await stand.enqueue(1);
    await stand.drain();
    const requests = await referee.requests();
    assert.deepEqual(requests.map((request) => request.headers['webhook-id']), [id, id]);
    assert.equal((await stand.delivery(id)).status, 'delivered');
  });
}
