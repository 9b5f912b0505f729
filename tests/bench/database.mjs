// The cluster of the bench, databases that are copies of each other, and what is put into them.
import { Cluster, Database } from '../lib/postgres.mjs';

// Durability is the server's default: fsync and synchronous_commit are on.  Checkpoints are made
// before a measurement, so that none falls into it.
const settings = {
  shared_buffers: '512MB',
  max_wal_size: '8GB',
  checkpoint_timeout: '1h',
};

// A cluster; `more` are further settings.  All that differ from the server's defaults are shown.
export async function clusterStart(results, name, more = {}) {
  const cluster = await Cluster.create({ ...settings, ...more });
  const changed = await cluster.admin(`
    SELECT name, current_setting(name) AS value FROM pg_settings
     WHERE source = 'command line' AND name NOT IN ('data_directory', 'config_file', 'hba_file', 'ident_file', 'unix_socket_directories')
     ORDER BY name`);
  results.settings(name, Object.fromEntries(changed.map((row) => [row.name, row.value || "''"])));
  return cluster;
}

// A migrated database as `fill` leaves it, to be copied; nobody stays connected to it.
export async function templateMake(cluster, fill) {
  const template = await cluster.database();
  await template.session(fill);
  return template;
}

let copies = 0;

// A copy, file by file; a checkpoint is part of making it.
export async function databaseCopy(template) {
  const name = `copy_${++copies}`;
  await template.cluster.admin(`CREATE DATABASE ${name} TEMPLATE ${template.name} STRATEGY file_copy`);
  return new Database(template.cluster, name);
}

// Endpoints that want every event.
export async function endpointsFill(query, endpoints) {
  await query(`INSERT INTO app_webhooks (url, secret)
               SELECT * FROM unnest($1::text[], $2::text[])`,
  [endpoints.map(({ url }) => url), endpoints.map(({ secret }) => secret)]);
}

// Events of some 250 bytes as a receiver gets them; the trigger makes one delivery an endpoint.
export async function eventsFill(query, count) {
  await query(`INSERT INTO platform_events (event_type, payload)
               SELECT 'order.paid', jsonb_build_object('order', gen_random_uuid(), 'number', n, 'note', repeat('x', 100))
                 FROM generate_series(1, $1::int) n`, [count]);
}

// What the program sends for each delivery, in the order in which they are due.
export const bodiesOfDeliveries = `
  SELECT '{"type":"' || e.event_type || '","timestamp":"'
         || to_char(e.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') || '","data":' || e.payload || '}' AS body
    FROM webhook_deliveries d JOIN platform_events e ON e.id = d.event_id
   ORDER BY d.next_retry_at, d.id`;
