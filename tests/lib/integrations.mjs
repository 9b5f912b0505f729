// Integrations against whoever plays GitHub, Notion, Slack and Google Calendar: rows, runs, and whether
// what is kept is what the vendor has.
import assert from 'node:assert/strict';
import { createCipheriv, createDecipheriv, randomBytes, randomUUID } from 'node:crypto';
import { startApart } from './apart.mjs';
import { cleanEnv, start } from './process.mjs';
import { program } from './program.mjs';
import { expireRowLeases, Stand } from './stand.mjs';
import { until } from './wait.mjs';

export const PROVIDERS = ['github', 'notion', 'slack', 'google_calendar'];
const nameOf = (provider) => (provider === 'google_calendar' ? 'google' : provider);
const WAITS = { everyMs: 25, timeoutMs: 15_000 };

export class Integrations {
  rows = [];
  said = '';

  // On a stand of its own, with stand-ins in a process of their own unless `vendors` are given.
  static async create({ vendors, env = {}, ...options } = {}) {
    const all = new Integrations();
    all.vendors = vendors ?? await startApart('github', 'notion', 'slack', 'google');
    all.key = { id: 'k1', bytes: randomBytes(32) };
    all.stand = await Stand.create({ ...options, env: { ...settingsOf(all.vendors), ENCRYPTION_KEYS: `k1:${all.key.bytes.toString('base64')}`, EGRESS_ALLOW: '127.0.0.1/32,127.0.0.2/32',
      VENDOR_TIMEOUT_S: '3', RUN_BUDGET_S: '20', LOG_LEVEL: 'debug', ...env } });
    all.db = all.stand.db;
    return all;
  }

  async end() {
    await this.stand.end();
    for (const vendor of Object.values(this.vendors)) await vendor.stop();
  }

  vendor(provider) {
    return this.vendors[nameOf(provider)];
  }

  each(work) {
    return Promise.all(Object.values(this.vendors).map(work));
  }

  // Rows of the tables, accounts and what was counted.
  async reset() {
    await this.db.rows('DELETE FROM user_integrations');
    await this.db.rows('TRUNCATE platform_events, cron_job_executions CASCADE');
    await this.each((vendor) => vendor.reset());
    this.rows = [];
    this.said = '';
  }

  // An account each, and its row: [{ provider, user, isSealed, expiresInS, columns, …sizes }]; the rows' ids.
  async add(list) {
    const made = [];
    for (const { provider, user = randomUUID(), isSealed = false, expiresInS, columns = {}, ...sizes } of list) {
      const id = randomUUID(), tokens = await this.vendor(provider).add(id, sizes);
      const kept = (column) => (isSealed && tokens[column] ? this.seal(id, column, tokens[column]) : tokens[column]);
      const expires = expiresInS ?? tokens.expires_in;
      made.push({ id, user_id: user, provider, access_token: kept('access_token'), refresh_token: kept('refresh_token') ?? null,
        token_expires_at: expires === null || !tokens.refresh_token ? null : new Date(Date.now() + expires * 1000), ...columns });
    }
    await this.db.rows(`INSERT INTO user_integrations (id, user_id, provider, access_token, refresh_token, token_expires_at)
      SELECT id, user_id, provider, access_token, refresh_token, token_expires_at FROM jsonb_to_recordset($1::jsonb)
        AS r (id uuid, user_id uuid, provider text, access_token text, refresh_token text, token_expires_at timestamptz)`, [JSON.stringify(made)]);
    const added = made.map(({ id, provider, user_id: user }) => ({ id, provider, user }));
    this.rows.push(...added);
    return added.map(({ id }) => id);
  }

  // The format of include/base/seal.h.
  seal(row, column, plain) {
    const nonce = randomBytes(12), cipher = createCipheriv('aes-256-gcm', this.key.bytes, nonce);
    cipher.setAAD(Buffer.from(['cw1', this.key.id, 'user_integrations', column, row].join('\n')));
    const bytes = Buffer.concat([nonce, cipher.update(plain, 'utf8'), cipher.final(), cipher.getAuthTag()]);
    return `cw1.${this.key.id}.${bytes.toString('base64')}`;
  }

  open(row, column, sealed) {
    const [version, id, text] = sealed.split('.'), bytes = Buffer.from(text, 'base64');
    assert.deepEqual([version, id], ['cw1', this.key.id]);
    const decipher = createDecipheriv('aes-256-gcm', this.key.bytes, bytes.subarray(0, 12));
    decipher.setAAD(Buffer.from(['cw1', id, 'user_integrations', column, row].join('\n')));
    decipher.setAuthTag(bytes.subarray(-16));
    return decipher.update(bytes.subarray(12, -16), undefined, 'utf8') + decipher.final('utf8');
  }

  // What was used is stored: of each account that is active, the tokens that its vendor last gave, if
  // one of them was used.  How many are lost, and how many have to connect again.
  async mustHaveTokens() {
    const found = { lost: 0, reauth: 0, refreshed: 0 };
    for (const row of await this.db.rows('SELECT id, provider, status, access_token, refresh_token FROM user_integrations')) {
      const theirs = await this.vendor(row.provider).tokens(row.id);
      found.refreshed += theirs.generation - 1;
      if (row.status === 'needs_reauth') {
        found.reauth++;
        continue;
      }
      const ours = Object.fromEntries(['access_token', 'refresh_token'].filter((column) => row[column])
        .map((column) => [column, row[column].startsWith('cw1.') ? this.open(row.id, column, row[column]) : row[column]]));
      const isSame = ours.access_token === theirs.access && (theirs.refresh === null || ours.refresh_token === theirs.refresh);
      if (!isSame) found.lost++;
      assert.ok(isSame || theirs.used < theirs.generation, `${row.provider} ${row.id}: a token was used that is not stored`);
    }
    return found;
  }

  // One run by the command line; its reply.
  async run({ budget = 20, env = {}, mayFail = false, args = [] } = {}) {
    const done = await this.stand.cli(['run', 'sync-integrations', '--budget', String(budget), ...args], { env, timeoutMs: (budget + 40) * 1000 });
    this.said += done.stdout + done.stderr;
    if (!mayFail) assert.equal(done.code, 0, done.stderr.slice(-2000));
    return done.stdout ? JSON.parse(done.stdout) : { error: done.stderr };
  }

  startRun(budget = 60) {
    return start(program(), ['run', 'sync-integrations', '--budget', String(budget)], { env: cleanEnv(this.stand.env()), log: this.log });
  }

  row(id) {
    return this.db.one('SELECT *, extract(epoch FROM waits_until - clock_timestamp())::float AS wait_s FROM user_integrations WHERE id = $1', [id]);
  }

  // As if the caller came again after its interval.
  makeAllDue() {
    return this.db.rows(`UPDATE user_integrations SET waits_until = clock_timestamp() WHERE waits_until IS NOT NULL AND lease_until IS NULL`);
  }

  // Those that have not been through since, and wait for longer than a vendor has said, wait no longer.
  makeUnfinishedDue(since) {
    return this.db.rows(`UPDATE user_integrations SET waits_until = clock_timestamp()
      WHERE waits_until > clock_timestamp() + interval '5 s' AND lease_until IS NULL AND (last_synced_at IS NULL OR last_synced_at < $1)`, [since]);
  }

  unfinished(since) {
    return this.db.value(`SELECT count(*)::int FROM user_integrations WHERE waits_until IS NOT NULL AND (last_synced_at IS NULL OR last_synced_at < $1)`, [since]);
  }

  now() {
    return this.db.value('SELECT clock_timestamp()::text');
  }

  // Runs until every integration has been through once; the replies.  What has to wait does, or, with
  // `passes`, time passes for it.
  async pass({ budget = 20, runsMax = 60, passes = false, ...options } = {}) {
    await this.makeAllDue();
    const since = await this.now(), replies = [];
    while (replies.length < runsMax) {
      replies.push(await this.run({ budget, ...options }));
      if (await this.unfinished(since) === 0) return replies;
      if (passes) await this.makeUnfinishedDue(since);
      await until(() => this.db.value(`SELECT count(*)::int FROM user_integrations
        WHERE waits_until <= clock_timestamp() AND (last_synced_at IS NULL OR last_synced_at < $1)`, [since]), { what: 'an integration to be due', ...WAITS });
    }
    const left = await this.db.rows('SELECT id, provider, last_error, attempts, waits_until, cursor FROM user_integrations WHERE last_synced_at IS NULL OR last_synced_at < $1 LIMIT 3', [since]);
    throw new Error(`after ${runsMax} runs ${await this.unfinished(since)} integrations are not through: ${JSON.stringify(left)}`);
  }

  async expire() {
    await expireRowLeases(this.db, 'user_integrations');
    await this.stand.expireLocks();
  }

  // Item by item: what is kept is what the vendor has.
  async mustBeEqual(rows = this.rows) {
    let items = 0;
    for (const { id, provider } of rows) {
      const held = await this.vendor(provider).holds(id);
      const wrong = await this.db.rows(`
        WITH held AS (SELECT e->>'kind' AS kind, e->>'id' AS id, e->'data' AS data FROM jsonb_array_elements($2::jsonb) e)
        SELECT COALESCE(h.kind, i.kind) AS kind, COALESCE(h.id, i.external_id) AS id, h.data AS theirs, i.data AS ours
          FROM held h FULL JOIN (SELECT * FROM integration_items WHERE integration_id = $1) i ON i.kind = h.kind AND i.external_id = h.id
         WHERE h.data IS DISTINCT FROM i.data`, [id, held]);
      assert.equal(wrong.length, 0, `${provider} ${id}: ${wrong.length} items: ${JSON.stringify(wrong.slice(0, 2)).slice(0, 1500)}`);
      items += await this.db.value('SELECT count(*)::int FROM integration_items WHERE integration_id = $1', [id]);
    }
    return items;
  }

  // Which versions of which items there are.
  versions() {
    return this.db.one(`SELECT count(*)::int AS items, md5(string_agg(xmin::text || external_id, ',' ORDER BY integration_id, kind, external_id)) AS all FROM integration_items`);
  }

  async counts(provider) {
    if (provider) return this.vendor(provider).counts();
    const total = {};
    for (const counts of await this.each((vendor) => vendor.counts())) for (const [key, n] of Object.entries(counts)) total[key] = (total[key] ?? 0) + n;
    return total;
  }

  forget() {
    return this.each((vendor) => vendor.forget());
  }

  // Nothing that a vendor does not allow, nothing before its time, one request of an account at a time,
  // and no token where it can be read.
  async mustBeFair({ mayBeEarly = false, mayOverlap = false } = {}) {
    assert.deepEqual((await this.each((vendor) => vendor.violationsSeen())).flat(), []);
    for (const [name, vendor] of Object.entries(this.vendors)) {
      const { early, overlaps, refreshOverlaps, strangers } = await vendor.counts();
      assert.deepEqual({ name, early: mayBeEarly ? 0 : early, overlaps: mayOverlap ? 0 : overlaps + refreshOverlaps, strangers }, { name, early: 0, overlaps: 0, strangers: 0 });
    }
    await this.mustBeSecret();
    return this.counts();
  }

  async mustBeSecret() {
    const kept = JSON.stringify(await this.db.rows(`SELECT row_to_json(e)::text AS text FROM cron_job_executions e UNION ALL SELECT row_to_json(u)::text FROM user_integrations u
      UNION ALL SELECT row_to_json(p)::text FROM platform_events p UNION ALL SELECT row_to_json(c)::text FROM cron_locks c`)) + this.said;
    for (const { client, prefixes } of Object.values(this.vendors)) {
      assert.ok(!kept.includes(client.client_secret), 'a client secret is repeated');
      for (const prefix of Object.values(prefixes ?? {})) assert.ok(!new RegExp(`${prefix.replaceAll('.', '\\.')}[0-9a-z]{20}`).test(kept), `a token is repeated: ${prefix}…`);
    }
  }

  events() {
    return this.db.rows(`SELECT event_type, payload FROM platform_events WHERE event_type = 'integration.needs_reauth' ORDER BY id`);
  }
}

// Where they are, and who we are to them.
export function settingsOf(vendors) {
  const env = {};
  for (const [name, { origin, client }] of Object.entries(vendors)) {
    const setting = name.toUpperCase();
    Object.assign(env, { [`${setting}_BASE_URL`]: origin, [`${setting}_CLIENT_ID`]: client.client_id, [`${setting}_CLIENT_SECRET`]: client.client_secret });
    if (['github', 'google'].includes(name)) env[`${setting}_OAUTH_BASE_URL`] = origin;
  }
  return env;
}
