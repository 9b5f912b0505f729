// PgBouncer in front of a cluster, in transaction mode: every transaction may meet another backend.
import { chownSync, mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { tempFolder } from './clean.mjs';
import { freePort } from './ports.mjs';
import { account, run, start } from './process.mjs';
import { until } from './wait.mjs';

export async function startPgbouncer(db, { poolSize = 2, mode = 'transaction' } = {}) {
  const folder = tempFolder('bouncer');
  const sockets = path.join(folder, 's');
  mkdirSync(sockets);
  if (account) for (const one of [folder, sockets]) chownSync(one, account.uid, account.gid);
  const port = await freePort();
  const config = path.join(folder, 'ini');
  writeFileSync(path.join(folder, 'users'), '"cronward" ""\n');
  writeFileSync(config, `[databases]
${db.name} = host=${db.cluster.socketFolder} dbname=${db.name} user=cronward
[pgbouncer]
pool_mode = ${mode}
default_pool_size = ${poolSize}
max_client_conn = 200
listen_addr =
listen_port = ${port}
unix_socket_dir = ${sockets}
auth_type = trust
auth_file = ${path.join(folder, 'users')}
ignore_startup_parameters =
logfile = ${path.join(folder, 'log')}
admin_users = cronward
server_reset_query =
`);
  const server = start('pgbouncer', [config], { log: path.join(folder, 'out'), lowered: true, deathSignal: 'KILL' });
  const url = `postgresql://cronward@/${db.name}?host=${encodeURIComponent(sockets)}&port=${port}`;
  await until(async () => (await run('psql', ['-X', '-qAt', '-c', 'SELECT 1', url])).code === 0,
    { what: 'PgBouncer', timeoutMs: 10_000, everyMs: 50 });
  return { url, stop: () => server.stop('SIGTERM', 2000) };
}
