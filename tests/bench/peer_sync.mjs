// The peer: what a team would write in Node to sync integrations, with undici and pg.
//
//	node peer_sync.mjs '{"url": DATABASE, "vendors": URL, "provider": NAME, "write": "arrays" or "json", "concurrency": N, "connections": N}'
//
// Each account goes page after page; a page's things and the account's cursor are written by one
// statement before the next page is asked for: as two arrays, which is how node-postgres' users are
// told to insert batches, or as one JSON text, which was the fastest of what was tried.  Prints the milliseconds from the first query to the
// last commit, and the most memory that it had, in kB.
import pg from 'pg';
import { Pool } from 'undici';

const options = JSON.parse(process.argv[2]);
const client = new Pool(options.vendors, { connections: options.concurrency });
const database = new pg.Pool({ connectionString: options.url, max: options.connections });

const [things, valuesOf] = {
  arrays: ['SELECT $1, $2, t.id, t.data FROM unnest($4::text[], $6::jsonb[]) AS t (id, data)',
    (list) => [list.map(({ id }) => String(id)), list.map((thing) => JSON.stringify(thing))]],
  json: [`SELECT $1, $2, e ->> 'id', e FROM jsonb_array_elements($4::jsonb) e`, (list) => [JSON.stringify(list)]],
}[options.write];
const WRITE = {
  name: 'write',
  text: `WITH cursor AS (UPDATE user_integrations SET cursor = $3, last_synced_at = CASE WHEN $5::boolean THEN now() END WHERE id = $1)
         INSERT INTO integration_items (integration_id, kind, external_id, data)
         ${things}
         ON CONFLICT (integration_id, kind, external_id) DO UPDATE SET data = EXCLUDED.data, updated_at = now()
           WHERE integration_items.data IS DISTINCT FROM EXCLUDED.data`,
};

async function get(token, target) {
  const reply = await client.request({
    path: target, method: 'GET', headersTimeout: 10_000, bodyTimeout: 10_000,
    headers: { authorization: `Bearer ${token}`, 'user-agent': 'peer/1.0.0', accept: 'application/json' },
  });
  const body = await reply.body.json();
  if (reply.statusCode !== 200) throw new Error(`${target} answered ${reply.statusCode}`);
  return { headers: reply.headers, body };
}

function write(id, kind, cursor, list, isLast) {
  const [first, ...more] = valuesOf(list);
  return database.query({ ...WRITE, values: [id, kind, JSON.stringify(cursor), first, isLast, ...more] });
}

const providers = {
  async google_calendar({ id, access_token: token }) {
    for (let page; ;) {
      const { body } = await get(token, `/calendar/v3/calendars/primary/events?maxResults=250${page ? `&pageToken=${encodeURIComponent(page)}` : ''}`);
      page = body.nextPageToken;
      await write(id, 'event', { page, syncToken: body.nextSyncToken }, body.items, !page);
      if (!page) return;
    }
  },
  async github({ id, access_token: token }) {
    const lists = { repository: '/user/repos?per_page=100', issue: '/issues?filter=all&state=all&sort=updated&direction=desc&per_page=100', notification: '/notifications?all=true&per_page=50' };
    for (const [kind, first] of Object.entries(lists)) {
      for (let next = first; next;) {
        const { headers, body } = await get(token, next);
        const link = /<([^>]+)>; rel="next"/.exec(headers.link ?? '')?.[1];
        next = link && new URL(link).pathname + new URL(link).search;
        await write(id, kind, { next }, body, kind === 'notification' && !next);
      }
    }
  },
};

async function lane(accounts) {
  for (let account; (account = accounts.pop());) await providers[options.provider](account);
}

await database.query('SELECT 1');
const began = process.hrtime.bigint();
const { rows } = await database.query(`SELECT id, access_token FROM user_integrations WHERE provider = $1 AND status = 'active'`, [options.provider]);
await Promise.all(Array.from({ length: options.concurrency }, () => lane(rows)));
const ms = Number(process.hrtime.bigint() - began) / 1e6;
await database.end();
await client.close();
console.log(`${ms.toFixed(3)} ${process.resourceUsage().maxRSS}`);
