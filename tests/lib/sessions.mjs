// A stand whose tests speak SQL from many sessions at once; it ends with its test file.
import { after } from 'node:test';
import pg from 'pg';
import { Stand } from './stand.mjs';

// `rows` asks on any of the pool's sessions; what needs one for itself takes it from `pool`.
export async function manySessions() {
  const stand = await Stand.create();
  const pool = new pg.Pool({ connectionString: stand.db.url, max: 16, allowExitOnIdle: true });
  pool.on('error', () => {}); // the database is dropped under idle connections
  after(async () => {
    await pool.end();
    await stand.end();
  });
  return { stand, db: stand.db, pool, rows: async (sql, values) => (await pool.query(sql, values)).rows };
}
