// A private PostgreSQL: its own data folder, a Unix socket and nothing else.
//
// A test run has one cluster (tests/check.mjs starts it and names it in CRONWARD_TEST_PG); a test
// file that is run alone makes its own.  Tests that stop or restart the server always do.
import { randomBytes } from 'node:crypto';
import { chmodSync, chownSync, existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import pg from 'pg';
import { tempFolder } from './clean.mjs';
import { account, cleanEnv, must, run, start } from './process.mjs';
import { program } from './program.mjs';
import { until } from './wait.mjs';

const TEMPLATE = 'cronward_template';
const USER = 'cronward';

// For tests that make databases by the hundred and never cut the power: nothing need reach the disk.
export const hasty = { fsync: 'off', full_page_writes: 'off' };

// bigint as a number: no test counts past 2^53.
pg.types.setTypeParser(20, Number);

export function binary(name) {
  const root = '/usr/lib/postgresql';
  const versions = existsSync(root) ? readdirSync(root).map(Number).filter(Boolean).sort((a, b) => b - a) : [];
  for (const version of versions) {
    const found = `${root}/${version}/bin/${name}`;
    if (existsSync(found)) return found;
  }
  return name;
}

export class Cluster {
  #folder;
  #server;
  #settings;
  #template;
  #wrap;

  constructor(folder, settings = {}, wrap = []) {
    this.#folder = folder;
    this.#settings = settings;
    this.#wrap = wrap;
    this.socketFolder = path.join(folder, 's');
  }

  // A new cluster, started; the settings are postgresql.conf's, the server runs behind the words of
  // `wrap`.
  static async create(settings = {}, { wrap = [] } = {}) {
    const cluster = new Cluster(tempFolder('pg'), settings, wrap);
    await cluster.#initialise();
    await cluster.start();
    return cluster;
  }

  // The one of the whole test run.
  static running(socketFolder) {
    return new Cluster(path.dirname(socketFolder));
  }

  async #initialise() {
    for (const folder of [this.#folder, this.socketFolder]) {
      mkdirSync(folder, { recursive: true });
      if (account) chownSync(folder, account.uid, account.gid);
    }
    chmodSync(this.#folder, 0o700);
    await must(binary('initdb'),
      ['-D', path.join(this.#folder, 'data'), '-U', USER, '-A', 'trust', '-E', 'UTF8', '--locale=C.UTF-8', '--no-sync'],
      { lowered: true });
  }

  async start() {
    const settings = {
      listen_addresses: '',
      unix_socket_directories: this.socketFolder,
      max_connections: '200',
      log_min_messages: 'warning',
      log_line_prefix: '%m [%p] %a ',
      ...this.#settings,
    };
    const [command, ...words] = [...this.#wrap, binary('postgres')];
    this.#server = start(command,
      [...words, '-D', path.join(this.#folder, 'data'), ...Object.entries(settings).flatMap(([k, v]) => ['-c', `${k}=${v}`])],
      { log: path.join(this.#folder, 'log'), lowered: true, deathSignal: 'INT' });
    await this.ready();
  }

  async ready() {
    await until(async () => {
      if (!this.#server.running) throw new Error('PostgreSQL ended; see its log');
      return (await run(binary('pg_isready'), ['-h', this.socketFolder, '-q'])).code === 0;
    }, { what: 'PostgreSQL', timeoutMs: 30_000, everyMs: 20 });
  }

  // SIGINT is its fast shutdown.
  async stop() {
    await this.#server?.stop('SIGINT', 30_000);
  }

  // As a power cut to the processes: postmaster and all backends at once.
  async crash() {
    await this.#server.stop('SIGQUIT', 10_000);
  }

  // Restarts as a standby of nobody: it can be read, and is not the primary.
  async becomeStandby() {
    await this.stop();
    writeFileSync(path.join(this.#folder, 'data/standby.signal'), '');
    await this.start();
  }

  get pid() {
    return this.#server?.pid;
  }

  get logFile() {
    return path.join(this.#folder, 'log');
  }

  url(database) {
    return `postgresql://${USER}@/${database}?host=${encodeURIComponent(this.socketFolder)}`;
  }

  // SQL outside of any test's database.
  async admin(sql) {
    const client = new pg.Client({ host: this.socketFolder, user: USER, database: 'postgres' });
    await client.connect();
    try {
      return (await client.query(sql)).rows;
    } finally {
      await client.end();
    }
  }

  // Migrates the database that all others are copies of, by the program itself.
  async makeTemplate() {
    await this.admin(`CREATE DATABASE ${TEMPLATE}`);
    await must(program(), ['migrate'], { env: cleanEnv({ DATABASE_URL: this.url(TEMPLATE) }) });
    await this.admin(`ALTER DATABASE ${TEMPLATE} WITH ALLOW_CONNECTIONS false IS_TEMPLATE true`);
  }

  async #haveTemplate() {
    if ((await this.admin(`SELECT 1 FROM pg_database WHERE datname = '${TEMPLATE}'`)).length === 0)
      await this.makeTemplate();
  }

  // A database of its own for a test file: migrated, or with nothing in it.
  async database({ empty = false } = {}) {
    const name = `t_${randomBytes(6).toString('hex')}`;
    if (!empty) await (this.#template ??= this.#haveTemplate());
    await this.admin(`CREATE DATABASE ${name}${empty ? '' : ` TEMPLATE ${TEMPLATE}`}`);
    return new Database(this, name);
  }
}

// A database and the test's own connections to it.
export class Database {
  #pool;

  constructor(cluster, name) {
    this.cluster = cluster;
    this.name = name;
    this.url = cluster.url(name);
    this.#pool = new pg.Pool({
      host: cluster.socketFolder, user: USER, database: name, max: 4, allowExitOnIdle: true,
      application_name: 'test',
    });
    this.#pool.on('error', () => {}); // the server may be restarted under idle connections
  }

  async rows(sql, values) {
    return (await this.#pool.query(sql, values)).rows;
  }

  async one(sql, values) {
    const found = await this.rows(sql, values);
    if (found.length !== 1) throw new Error(`${found.length} rows, not one, of ${sql}`);
    return found[0];
  }

  // The only column of the only row.
  async value(sql, values) {
    return Object.values(await this.one(sql, values))[0];
  }

  // A connection that stays the same, for transactions and session settings.
  async session(work) {
    const client = await this.#pool.connect();
    try {
      return await work(async (sql, values) => (await client.query(sql, values)).rows);
    } finally {
      client.release(true);
    }
  }

  // Ends every connection that is not the test's own; the number of them.
  async terminateOthers() {
    return this.value(
      `SELECT count(pg_terminate_backend(pid))::int AS n FROM pg_stat_activity
        WHERE datname = current_database() AND application_name <> 'test' AND pid <> pg_backend_pid()`);
  }

  async drop() {
    await this.#pool.end();
    await this.cluster.admin(`DROP DATABASE IF EXISTS ${this.name} WITH (FORCE)`);
  }
}

let shared;

// The cluster of this test run; made here when nobody else has.
export async function sharedCluster() {
  shared ??= process.env.CRONWARD_TEST_PG
    ? Promise.resolve(Cluster.running(process.env.CRONWARD_TEST_PG)) : Cluster.create();
  return shared;
}
