// Whether claims stay as fast as they are: with many rows waiting, on a table that was never
// analyzed, and while another session holds an old snapshot.
import { newSecret } from '../lib/webhooks.mjs';
import { cronwardRun, cronwardSettings } from './cronward.mjs';
import { clusterStart, databaseCopy, endpointsFill, eventsFill, templateMake } from './database.mjs';
import { undisturbed } from './machine.mjs';
import { Receiver } from './receiver.mjs';
import { rounded } from './results.mjs';

const ENDPOINTS = 8;
const BATCH = 500;
const PARTS = 8;

export async function flat({ results, rounds, quick }) {
  const receiver = await Receiver.start(ENDPOINTS, results);
  const endpoints = receiver.urls.map((url) => ({ url, secret: newSecret() }));
  await manyWaiting({ results, rounds, quick, endpoints });
  await oldSnapshot({ results, rounds, quick, endpoints });
  await receiver.stop();
}

// What the program's own claim and settle statements take, planning included, as the server
// counts them in a run that ends at RUN_MAX deliveries.
async function manyWaiting({ results, rounds, quick, endpoints }) {
  const runMax = quick ? 1000 : 5000;
  const sizes = quick ? { few: 2000, many: 20_000 } : { few: 10_000, many: 1_000_000 };
  // Without autovacuum a table that was never analyzed stays so.
  const cluster = await clusterStart(results, 'PostgreSQL of many waiting', {
    shared_preload_libraries: 'pg_stat_statements',
    'pg_stat_statements.track_planning': 'on',
    autovacuum: 'off',
  });
  const template = (count, isAnalyzed) => templateMake(cluster, async (query) => {
    await query('CREATE EXTENSION pg_stat_statements');
    await endpointsFill(query, endpoints);
    await eventsFill(query, count / ENDPOINTS);
    if (isAnalyzed) await query('VACUUM ANALYZE');
  });
  const few = await template(sizes.few, true);
  const never = await template(sizes.many, false);
  const many = await databaseCopy(never);
  await many.session((query) => query('VACUUM ANALYZE'));
  const templates = { few, many, never };
  const claims = { few: [], many: [], never: [] };
  const batches = { few: [], many: [], never: [] };
  for (let round = 0; round < rounds; round++) {
    for (const [name, made] of Object.entries(templates)) {
      const database = await databaseCopy(made);
      await cluster.admin('CHECKPOINT');
      await undisturbed(() => cronwardRun(database, 'webhook-retry', { WEBHOOK_RUN_MAX: String(runMax) }));
      const ms = await statementsMs(database, runMax);
      claims[name].push(ms.claim);
      batches[name].push(ms.claim + ms.settle);
      await database.drop();
    }
    results.round(Object.fromEntries(Object.entries(batches).map(([name, values]) => [name, values.at(-1)])));
  }
  const million = sizes.many.toLocaleString('en-US');
  const reference = `with ${sizes.few.toLocaleString('en-US')} waiting, analyzed`;
  for (const [name, state] of [['many', 'analyzed'], ['never', 'never analyzed']]) {
    const unit = `ms per ${BATCH}`;
    results.ratio({
      what: `claim, ${million} waiting, ${state}`,
      ours: claims[name], reference, theirs: claims.few, unit, target: { most: 1.5 },
    });
    results.ratio({
      what: `claim and settle, ${million} waiting, ${state}`,
      ours: batches[name], reference, theirs: batches.few, unit, target: { most: 1.5 },
    });
  }
  results.settings('cronward of many waiting', { ...cronwardSettings, WEBHOOK_RUN_MAX: runMax });
  await cluster.stop();
}

async function statementsMs(database, rows) {
  const statements = ['claim', 'settle'].map(async (name) => {
    const found = await database.one(`
      SELECT sum(total_plan_time + total_exec_time) AS ms, sum(calls)::int AS calls
        FROM pg_stat_statements s JOIN pg_database d ON d.oid = s.dbid
       WHERE d.datname = current_database() AND query LIKE $1`, [`%/* webhook_retry_${name} */%`]);
    if (!found.calls) throw new Error(`the server has seen no statement webhook_retry_${name}`);
    return [name, found.ms / rows * BATCH];
  });
  return Object.fromEntries(await Promise.all(statements));
}

// Deliveries a second in the last eighth of a run against its first, by the times of attempts.
async function oldSnapshot({ results, rounds, quick, endpoints }) {
  const count = quick ? 16_000 : 200_000;
  const cluster = await clusterStart(results, 'PostgreSQL of old snapshot');
  const template = await templateMake(cluster, async (query) => {
    await endpointsFill(query, endpoints);
    await eventsFill(query, count / ENDPOINTS);
    await query('VACUUM ANALYZE');
  });
  const rates = { first: [], last: [], all: [] };
  for (let round = 0; round < rounds; round++) {
    const database = await databaseCopy(template);
    await database.session(async (query) => {
      await query('BEGIN ISOLATION LEVEL REPEATABLE READ');
      await query('SELECT count(*) FROM webhook_deliveries');
      await undisturbed(() => cronwardRun(database, 'webhook-retry'));
      await query('ROLLBACK');
    });
    const { first, last, all } = await eighths(database, count);
    rates.first.push(first);
    rates.last.push(last);
    rates.all.push(all);
    await database.drop();
    results.round({ first, last, all });
  }
  results.ratio({
    what: `old snapshot, last eighth of ${count.toLocaleString('en-US')}`,
    ours: rates.last, reference: 'first eighth', theirs: rates.first, unit: '/s', target: { least: 0.85 },
  });
  results.settings('cronward of old snapshot', cronwardSettings);
  results.remark(`old snapshot: over the whole run ${rates.all.map(rounded).join(', ')} /s`);
  await cluster.stop();
}

// A settle gives all its attempts nearly one time; between two settles, the rows of the later one
// were sent and settled.
async function eighths(database, count) {
  const settles = await database.rows(`
    SELECT extract(epoch FROM max(at))::float8 AS at, sum(count(*)) OVER (ORDER BY xmin::text::bigint)::int AS rows
      FROM webhook_attempts GROUP BY xmin ORDER BY rows`);
  if (settles.at(-1)?.rows !== count) throw new Error(`${settles.at(-1)?.rows ?? 0} attempts, not ${count}`);
  const rate = (from, to) => (to.rows - from.rows) / (to.at - from.at);
  const firstEnd = settles.find(({ rows }) => rows >= count / PARTS);
  const lastStart = settles.find(({ rows }) => rows >= count - count / PARTS);
  return { first: rate(settles[0], firstEnd), last: rate(lastStart, settles.at(-1)), all: rate(settles[0], settles.at(-1)) };
}
