// Items a second of sync-integrations, and the most memory that it takes, against a Node script that
// does the same with undici and pg (peer_sync.mjs): a first sync, everything is new.
import { randomBytes } from 'node:crypto';
import path from 'node:path';
import { memoryKb, must, start } from '../lib/process.mjs';
import { program, root } from '../lib/program.mjs';
import { cronwardEnv, cronwardSettings, lastRunMs } from './cronward.mjs';
import { clusterStart, databaseCopy, templateMake } from './database.mjs';
import { undisturbed } from './machine.mjs';
import { median } from './results.mjs';
import { VendorPages } from './vendor_pages.mjs';

const BUDGET_S = 3600;
const LOOK_MS = 5;
const KB_PER_MB = 1024;
// As many at once as the program has by default; more connections made it no faster.
const peer = { concurrency: 32, connections: 4 };

export async function sync({ results, rounds, quick }) {
  const accounts = quick ? 8 : 40;
  const cluster = await clusterStart(results, 'PostgreSQL of syncs');
  const key = `bench:${randomBytes(32).toString('base64')}`;
  const each = { google_calendar: 2500, github: 1000 };
  const pages = await VendorPages.start({ events: each.google_calendar, issues: each.github });
  for (const provider of Object.keys(each)) {
    const count = accounts * each[provider];
    const template = await templateMake(cluster, (query) => accountsFill(query, provider, accounts));
    const contestants = {
      ours: (database) => ourSync(database, pages, key),
      arrays: (database) => peerSync(database, pages, provider, 'arrays'),
      json: (database) => peerSync(database, pages, provider, 'json'),
    };
    const rates = { ours: [], arrays: [], json: [] };
    const memory = { ours: [], arrays: [], json: [] };
    for (let round = 0; round < rounds; round++) {
      for (const [name, work] of Object.entries(contestants)) {
        const database = await databaseCopy(template);
        const { ms, kb } = await undisturbed(() => work(database));
        await mustBeThere(database, count);
        await database.drop();
        rates[name].push(count / ms * 1000);
        memory[name].push(kb / KB_PER_MB);
      }
      results.round({ ours: rates.ours.at(-1), arrays: rates.arrays.at(-1), json: rates.json.at(-1),
        'our MB': memory.ours.at(-1), 'arrays MB': memory.arrays.at(-1), 'json MB': memory.json.at(-1) });
    }
    const what = `${count.toLocaleString('en-US')} items of ${provider}, first sync`;
    results.ratio({ what, ours: rates.ours, reference: 'Node script, undici and pg, arrays', theirs: rates.arrays, unit: '/s', target: { least: 2 } });
    results.ratio({ what, ours: rates.ours, reference: 'the same, one JSON text a page', theirs: rates.json, unit: '/s' });
    results.ratio({ what: `${what}: peak memory`, ours: memory.ours, reference: 'Node script, arrays', theirs: memory.arrays, unit: 'MB', target: { most: 0.25 } });
  }
  await pages.stop();
  await flat({ results, rounds, cluster, key, quick });
  results.settings('cronward of syncs', { ...cronwardSettings, '--budget': BUDGET_S });
  results.settings('peer of syncs', JSON.stringify(peer));
  await cluster.stop();
}

// The same number of accounts with one page each, and with many.
async function flat({ results, rounds, cluster, key, quick }) {
  const accounts = 4;
  const sizes = { few: 250, many: quick ? 2500 : 25_000 };
  const peaks = { few: [], many: [] };
  const template = await templateMake(cluster, (query) => accountsFill(query, 'google_calendar', accounts));
  for (const [name, events] of Object.entries(sizes)) {
    const pages = await VendorPages.start({ events, issues: 1 });
    for (let round = 0; round < rounds; round++) {
      const database = await databaseCopy(template);
      peaks[name].push((await ourSync(database, pages, key)).kb / KB_PER_MB);
      await mustBeThere(database, accounts * events);
      await database.drop();
    }
    await pages.stop();
  }
  results.ratio({
    what: `peak memory, ${(accounts * sizes.many).toLocaleString('en-US')} items`, ours: peaks.many,
    reference: `${(accounts * sizes.few).toLocaleString('en-US')} items`, theirs: peaks.few.map(() => median(peaks.few)), unit: 'MB', target: { most: 1.2 },
  });
}

async function accountsFill(query, provider, count) {
  await query(`INSERT INTO user_integrations (user_id, provider, access_token, token_expires_at)
               SELECT gen_random_uuid(), $1, 'token-' || n, now() + interval '1 day' FROM generate_series(1, $2::int) n`, [provider, count]);
  await query('VACUUM ANALYZE');
}

// Time by the run's row; memory as the kernel has counted it, looked at until the process ends.
async function ourSync(database, pages, key) {
  const child = start(program(), ['run', 'sync-integrations', '--budget', String(BUDGET_S)], {
    env: cronwardEnv(database, { ENCRYPTION_KEYS: key, GITHUB_BASE_URL: pages.url, GOOGLE_BASE_URL: pages.url }),
  });
  let kb = 0;
  const look = setInterval(() => {
    try {
      kb = Math.max(kb, memoryKb(child.pid, 'VmHWM') || 0);
    } catch {
      // It has ended between two looks.
    }
  }, LOOK_MS);
  const { code } = await child.ended;
  clearInterval(look);
  if (code !== 0) throw new Error(`sync-integrations ended ${code}`);
  return { ms: await lastRunMs(database, 'sync-integrations'), kb };
}

async function peerSync(database, pages, provider, write) {
  const out = await must(process.execPath, [path.join(root, 'tests/bench/peer_sync.mjs'),
    JSON.stringify({ url: database.url, vendors: pages.url, provider, write, ...peer })], { timeoutMs: 600_000 });
  const [ms, kb] = out.split(' ').map(Number);
  return { ms, kb };
}

async function mustBeThere(database, count) {
  const found = await database.value('SELECT count(*)::int FROM integration_items');
  if (found !== count) throw new Error(`${found} of ${count} items are there`);
}
