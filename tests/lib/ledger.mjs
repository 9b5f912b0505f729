// What was asked for, what arrived, and what a process held when it was killed: kept outside of
// the program, so that the oracle need believe nobody.
export class Ledger {
  enqueued = new Set(); // ids of items
  requests = new Map(); // id -> requests that a receiver got
  accepted = new Map(); // id -> requests that it answered 2xx
  exposures = new Map(); // id -> kills at which the item was claimed and not yet settled
  kills = 0;

  enqueue(ids) {
    for (const id of ids) this.enqueued.add(String(id));
  }

  // A request as a Receiver emits it; `accepted` is what the receiver was told to answer.
  receive(id, accepted = true) {
    add(this.requests, String(id));
    if (accepted) add(this.accepted, String(id));
  }

  // Whoever held these items is dead, and they were not settled: each may be sent once more.
  expose(ids) {
    this.kills++;
    for (const id of ids) add(this.exposures, String(id));
  }

  // Everything that this receiver gets from now on.  `idOf` reads the item's id out of webhook-id.
  follow(receiver, { idOf = (id) => id, accepts = () => true } = {}) {
    receiver.on('request', (one) => this.receive(idOf(one.id), accepts(one)));
  }

  get requestsTotal() {
    return [...this.requests.values()].reduce((sum, n) => sum + n, 0);
  }
}

function add(map, key) {
  map.set(key, (map.get(key) ?? 0) + 1);
}

// The rows' end, in the words of the oracle.
export const deliveryRows = `
  SELECT id::text, attempts, lost, status, next_retry_at IS NOT NULL AS open, last_error,
         CASE WHEN status = 'delivered' THEN 'done' WHEN status = 'failed' AND next_retry_at IS NULL THEN 'dead'
              WHEN status = 'processing' THEN 'taken' ELSE 'waiting' END AS state,
         (SELECT count(*)::int FROM webhook_attempts a WHERE a.delivery_id = d.id) AS logged
    FROM webhook_deliveries d`;

