// Archival and expiry against one hand-written statement in psql over the same rows: wall time of
// both processes, on copies of the same database.
import { must } from '../lib/process.mjs';
import { cronwardRun } from './cronward.mjs';
import { clusterStart, databaseCopy, templateMake } from './database.mjs';
import { undisturbed } from './machine.mjs';

// Rows that stay, so that neither may take the whole table.
const FRESH_SHARE = 0.25;

const cases = {
  'data-archival': {
    fill: `INSERT INTO platform_events (event_type, payload, created_at)
           SELECT 'order.paid', jsonb_build_object('order', gen_random_uuid(), 'number', n, 'note', repeat('x', 100)),
                  now() - CASE WHEN n <= $1::int THEN interval '100 days' ELSE interval '1 day' END + n * interval '1 millisecond'
             FROM generate_series(1, $2::int) n`,
    statement: `WITH gone AS (
                  DELETE FROM platform_events e
                   WHERE created_at < now() - interval '90 days'
                     AND NOT EXISTS (SELECT FROM webhook_deliveries d WHERE d.event_id = e.id AND d.next_retry_at IS NOT NULL)
                  RETURNING id, event_type, payload, created_at)
                INSERT INTO platform_events_archive (id, event_type, payload, created_at) SELECT * FROM gone`,
    done: 'SELECT count(*) FROM platform_events_archive',
  },
  'notification-expiry': {
    fill: `INSERT INTO platform_notifications (user_id, title, expires_at)
           SELECT gen_random_uuid(), 'Your order ' || n || ' has been sent',
                  now() + CASE WHEN n <= $1::int THEN interval '-1 hour' ELSE interval '1 day' END + n * interval '1 microsecond'
             FROM generate_series(1, $2::int) n`,
    statement: `UPDATE platform_notifications SET status = 'dismissed', dismissed_at = now()
                 WHERE status <> 'dismissed' AND expires_at <= now()`,
    done: `SELECT count(*) FROM platform_notifications WHERE status = 'dismissed'`,
  },
};

export async function sets({ results, rounds, quick }) {
  const count = quick ? 20_000 : 200_000;
  const cluster = await clusterStart(results, 'PostgreSQL of archival and expiry');
  for (const [worker, { fill, statement, done }] of Object.entries(cases)) {
    const template = await templateMake(cluster, async (query) => {
      await query(fill, [count, count * (1 + FRESH_SHARE)]);
      await query('VACUUM ANALYZE');
    });
    const rates = { cronward: [], psql: [] };
    const contestants = {
      cronward: async (database) => (await cronwardRun(database, worker)).wallMs,
      psql: (database) => psqlMs(database, statement),
    };
    for (let round = 0; round < rounds; round++) {
      for (const [name, work] of Object.entries(contestants)) {
        const database = await databaseCopy(template);
        rates[name].push(count / (await undisturbed(() => work(database))) * 1000);
        const moved = await database.value(done);
        if (moved !== count) throw new Error(`${worker}: ${name} took ${moved} rows, not ${count}`);
        await database.drop();
      }
      results.round(Object.fromEntries(Object.entries(rates).map(([name, values]) => [name, values.at(-1)])));
    }
    results.ratio({
      what: `${worker}, ${count.toLocaleString('en-US')} rows`,
      ours: rates.cronward, reference: 'one statement in psql', theirs: rates.psql, unit: '/s', target: { least: 0.8 },
    });
  }
  results.settings('cronward of archival and expiry', '--budget=3600');
  await cluster.stop();
}

async function psqlMs(database, statement) {
  const began = process.hrtime.bigint();
  await must('psql', ['-X', '-q', '-v', 'ON_ERROR_STOP=1', '-c', statement, database.url], { timeoutMs: 600_000 });
  return Number(process.hrtime.bigint() - began) / 1e6;
}
