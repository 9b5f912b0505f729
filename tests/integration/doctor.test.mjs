// cronward doctor on this host: each check is made to warn or fail for real, and says what to do about it.
// What it finds in the database is in doctor_database.test.mjs, what in front of nginx in doctor_front.test.mjs.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { chmodSync, mkdirSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { tempFolder } from '../lib/clean.mjs';
import { examined } from '../lib/doctor.mjs';

const DAY_MS = 86_400_000;

const { stand, doctor } = await examined();
const folder = tempFolder('doctor');

function file(name, text, { mode = 0o640, ageDays = 0 } = {}) {
  const at = path.join(folder, name);
  writeFileSync(at, text);
  chmodSync(at, mode);
  const when = new Date(Date.now() - ageDays * DAY_MS - 1000);
  utimesSync(at, when, when);
  return at;
}

// A secret as a generator makes it, the same in each run.
const strong = (name) => createHash('sha256').update(name).digest('base64url');

// The secrets of the environment, out of the way.
const unset = { CRON_JOB_API_KEY: '' };
const another = { WORKER_SECRET_TOKEN: strong('worker'), CRON_SECRET: strong('cron') }; // what this test is not about

test('a healthy installation has nothing that fails, and everything is looked at', async () => {
  const found = await doctor();
  assert.deepEqual(found.findings.filter((one) => one.level === 'fail'), []);
  assert.deepEqual([...new Set(found.findings.map((one) => one.check))],
    ['settings', 'database', 'server', 'encryption', 'pooler', 'clock', 'schema', 'role', 'privileges', 'connections', 'transactions', 'vacuum',
      'locks', 'runs', 'jobs', 'events', 'mail', 'integrations', 'whatsapp', 'secrets', 'keys', 'pools', 'files', 'front', 'allowlist', 'egress', 'names', 'proxies']);
  const plain = await stand.cli(['doctor']);
  assert.equal(plain.code, 0, plain.stdout);
  const lines = plain.stdout.trim().split('\n');
  for (const line of lines.slice(0, -2)) assert.match(line, /^(ok  |warn|fail)  [a-z]+ +\S/);
  for (const line of lines.filter((one) => /^(warn|fail)/.test(one))) assert.match(line, / → ./);
  assert.match(lines.at(-1), /^\d+ ok, \d+ to look at, 0 failed$/);
});

test('wrong words, and help', async () => {
  assert.equal((await stand.cli(['doctor', 'x'])).code, 2);
  assert.equal((await stand.cli(['doctor', '--nonsense'])).code, 2);
  assert.match((await stand.cli(['doctor', '--help'])).stdout, /--sockets[^]*Exit codes/);
});

test('a setting that does not parse is told in the program\'s own words, and the rest is looked at', async () => {
  const found = await doctor({ env: { RUN_BUDGET_S: 'x', EGRESS_ALLOW: '' } });
  assert.match(found.one('settings', 'fail').found, /^RUN_BUDGET_S: "x" is not a whole number; allowed: 1-3600/);
  found.one('schema', 'ok');
});

test('types of jobs: functions and plug-ins that are missing', async () => {
  (await doctor()).one('jobs', 'ok', /^every type has/);
  await stand.db.rows(`INSERT INTO job_types (job_type, processor, target) VALUES ('lost', 'sql', 'nowhere'), ('odd', 'sql', 'a b('), ('built', 'plugin', 'thing'),
    ('posted', 'http', 'app.example.com/jobs'), ('fine', 'http', 'HTTPS://app.example.com/jobs'), ('enriched', 'apollo', 'lead')`);
  let found = await doctor();
  assert.equal(found.one('jobs', 'fail', /lost/).found, 'the type lost names the function nowhere(jsonb), which is not there');
  assert.match(found.one('jobs', 'fail', /built/).found, /plug-in thing, and PROCESSOR_DIR is unset/);
  assert.equal(found.one('jobs', 'fail', /posted/).found, 'the target of the type posted is app.example.com/jobs, which is no http or https URL');
  assert.equal(found.one('jobs', 'fail', /enriched/).found, 'the target of the type enriched is lead, which is neither account nor contact');
  await stand.db.rows(`DELETE FROM job_types WHERE job_type IN ('posted', 'fine', 'enriched')`);
  const plugins = path.join(folder, 'plugins');
  mkdirSync(plugins, { mode: 0o755 });
  found = await doctor({ env: { PROCESSOR_DIR: plugins } });
  assert.match(found.one('jobs', 'fail', /built/).found, /thing\.so cannot be read$/);
  writeFileSync(path.join(plugins, 'thing.so'), '');
  await stand.db.rows(`CREATE FUNCTION nowhere(job jsonb) RETURNS jsonb LANGUAGE sql AS 'SELECT job'`);
  (await doctor({ env: { PROCESSOR_DIR: plugins } })).none('jobs', 'fail');
  await stand.db.rows(`DELETE FROM job_types WHERE job_type IN ('lost', 'odd', 'built'); DROP FUNCTION nowhere`);
});

test('inbound events without a handler, and handlers without their function', async () => {
  (await doctor()).one('events', 'ok', /^every provider/);
  await stand.db.rows(`INSERT INTO webhook_events (provider, event_id, status) SELECT p, n, 'processed' FROM unnest('{awash,cbe,telebirr}'::text[]) p, generate_series(1, 2) n`);
  await stand.db.rows(`INSERT INTO whatsapp_webhook_logs (event_id, eventtype) VALUES ('1', 'messages')`);
  await stand.db.rows(`INSERT INTO event_handlers (provider, action, is_active) VALUES ('awash', 'https://shop.example/events', true), ('cbe', 'pg_catalog.jsonb_typeof', false), ('telebirr', 'nowhere.at_all', true)`);
  const found = await doctor();
  assert.deepEqual(found.of('events').map((one) => [one.level, /^handler \d+, of telebirr|of \w+/.exec(one.found)[0].replace(/\d+/, 'n')]),
    [['fail', 'handler n, of telebirr'], ['warn', 'of cbe'], ['warn', 'of whatsapp']]);
  assert.match(found.one('events', 'fail').todo, /^CREATE FUNCTION nowhere\.at_all\(event jsonb\)/);
  await stand.db.rows(`CREATE SCHEMA nowhere; CREATE FUNCTION nowhere.at_all(event jsonb) RETURNS void LANGUAGE sql AS ''`);
  await stand.db.rows(`UPDATE event_handlers SET is_active = true`);
  const one = (await doctor()).one('events', 'warn');
  await stand.db.rows(one.todo.replace('a function, or a URL', 'https://shop.example/whatsapp'));
  (await doctor()).one('events', 'ok');
  await stand.db.rows('DROP SCHEMA nowhere CASCADE; TRUNCATE webhook_events, whatsapp_webhook_logs, event_handlers');
});

test('integrations whose tokens cannot be sealed or refreshed, and those that wait for new ones', async () => {
  const ring = { ENCRYPTION_KEYS: `k1:${'A'.repeat(43)}=` };
  assert.equal((await doctor()).one('integrations', 'ok').found, 'there are none');
  await stand.db.rows(`INSERT INTO user_integrations (user_id, provider, status, access_token, refresh_token)
    SELECT gen_random_uuid(), provider, status, 'a', refresh FROM (VALUES ('github', 'active', NULL), ('slack', 'active', 'r'), ('slack', 'active', 'r'),
      ('notion', 'needs_reauth', 'r'), ('google_calendar', 'active', 'r')) i (provider, status, refresh)`);
  assert.match((await doctor()).one('integrations', 'fail').found, /^5 integrations have tokens, and there is no key/);
  let found = await doctor({ env: { ...ring, GOOGLE_CLIENT_ID: 'us.example' } });
  found.none('integrations', 'fail');
  assert.match(found.one('integrations', 'warn', /^slack/).found, /2 have refresh tokens, and SLACK_CLIENT_ID is not set/);
  assert.match(found.one('integrations', 'warn', /^google/).found, /GOOGLE_CLIENT_SECRET is not set/);
  assert.match(found.one('integrations', 'warn', /^notion/).todo, /--provider notion --status needs_reauth$/);
  await stand.db.rows(`DELETE FROM user_integrations WHERE status = 'needs_reauth'`);
  found = await doctor({ env: { ...ring, GOOGLE_CLIENT_ID: 'us', GOOGLE_CLIENT_SECRET: 'x'.repeat(20), SLACK_CLIENT_ID: 'us', SLACK_CLIENT_SECRET: 'y'.repeat(20) } });
  assert.equal(found.one('integrations', 'ok').found, 'tokens can be sealed, and refreshed');
  await stand.db.rows(`UPDATE user_integrations SET attempts = 5 WHERE provider = 'slack'`);
  assert.match((await doctor()).one('integrations', 'warn', /^slack: . have failed/).todo, /list --provider slack --status active/);
  await stand.db.rows('TRUNCATE user_integrations');
  await stand.db.rows(`INSERT INTO whatsapp_connections (phonenumberid, healthstatus) VALUES ('1', 'error'), ('2', 'warning')`);
  assert.match((await doctor()).one('whatsapp', 'warn').found, /^active connections with healthstatus error: 1$/);
  await stand.db.rows('TRUNCATE whatsapp_connections CASCADE');
  assert.match((await doctor({ env: { META_APP_ID: '1' } })).one('whatsapp', 'warn').found, /^META_APP_ID is set without META_APP_SECRET/);
  (await doctor({ env: { META_APP_ID: '1', META_APP_SECRET: 'z'.repeat(32) } })).one('whatsapp', 'ok', /in the application's name/);
  (await doctor()).one('whatsapp', 'ok', /META_APP_ID is unset/);
});

test('mail that waits while it cannot be sent', async () => {
  const [key, from] = [{ RESEND_API_KEY: strong('resend') }, { EMAIL_FROM: 'Shop <orders@shop.example>' }];
  const level = async (env) => {
    const [{ level, found, todo }] = (await doctor({ env })).of('mail');
    return [level, `${todo}`.split('=')[0], / 503(.*)/.exec(found)?.[1]];
  };
  assert.deepEqual(await level({}), ['ok', 'null', undefined]);
  assert.deepEqual(await level({ ...key, ...from }), ['ok', 'null', undefined]);
  assert.deepEqual(await level(from), ['warn', 'RESEND_API_KEY', '']);
  await stand.db.rows(`INSERT INTO email_queue (to_address, subject, text) VALUES ('a@example.com', 's', 't'), ('b@example.com', 's', 't')`);
  assert.deepEqual(await level({}), ['warn', 'RESEND_API_KEY', '; mails that wait: 2']);
  assert.deepEqual(await level(key), ['warn', 'EMAIL_FROM', '; mails that wait: 2']);
  await stand.db.rows('TRUNCATE email_queue');
});

test('what others wrote into rows cannot drive a terminal', async () => {
  const hostile = 'a\u001b[31m\u009b31mz';
  await stand.db.rows(`INSERT INTO cron_locks (name, holder, acquired_at, expires_at) VALUES ($1, gen_random_uuid(), now(), now())`, [hostile]);
  await stand.db.rows(`INSERT INTO cron_job_executions (id, job_name, status, error_message, caller) VALUES (gen_random_uuid(), 'data-archival', 'failure', $1, $1)`, [hostile]);
  for (const args of [['doctor'], ['doctor', '--json'], ['status'], ['status', '--json'], ['locks', 'list'], ['locks', 'list', '--json']]) {
    const { stdout } = await stand.cli(args);
    assert.match(stdout, /31m.*z/, args.join(' '));
    assert.doesNotMatch(stdout.replaceAll('\n', ''), /[\u0000-\u001f\u007f-\u009f]/, args.join(' '));
  }
});

test('locks beyond their expiry and runs that nobody does', async () => {
  const id = await stand.db.value(`INSERT INTO cron_job_executions (id, job_name) VALUES (gen_random_uuid(), 'data-archival') RETURNING id`);
  await stand.db.rows(`INSERT INTO cron_locks (name, holder, acquired_at, expires_at) VALUES ('data-archival', $1, now(), now() + interval '1 hour')`, [id]);
  let found = await doctor();
  found.one('locks', 'ok');
  found.one('runs', 'ok');
  await stand.expireLocks();
  found = await doctor();
  assert.match(found.one('locks', 'warn').todo, /cronward locks clear data-archival/);
  assert.match(found.one('runs', 'warn').found, new RegExp(`^run ${id} of data-archival`));
  assert.equal((await stand.cli(['run', 'data-archival'])).code, 0);
  found = await doctor();
  found.one('locks', 'ok');
  found.one('runs', 'ok');
});

test("the host's clock", async () => {
  const at = (offset) => doctor({ wrap: ['faketime', '-f', offset] });
  assert.match((await at('+5s')).one('clock', 'warn').found, /\b[45]\.\d s ahead/);
  assert.match((await at('-5s')).one('clock', 'warn').found, /\b[45]\.\d s behind/);
  assert.match((await at('+10m')).one('clock', 'fail').found, /timestamps of signatures/);
});

test('secrets: unset, short, of an example, weak, alike', async () => {
  const found = async (env) => {
    const one = await doctor({ env: { ...unset, ...another, ...env } });
    for (const value of Object.values(env).filter(Boolean)) assert.ok(!JSON.stringify(one.findings).includes(value), 'a value is shown');
    return one;
  };
  (await found({ CRON_SECRET: '' })).one('secrets', 'fail', /^CRON_JOB_API_KEY is unset: \d+ routes answer 503/);
  const instead = await found({ CRON_SECRET: strong('a'), WORKER_SECRET_TOKEN: '' });
  instead.none('secrets', 'fail');
  for (const name of ['CRON_JOB_API_KEY', 'WORKER_SECRET_TOKEN']) instead.one('secrets', 'ok', new RegExp(`^${name} is unset; CRON_SECRET takes its place$`));
  const short = (await found({ CRON_JOB_API_KEY: 'k9w2xq7rt4' })).one('secrets', 'fail', /^CRON_JOB_API_KEY/);
  assert.match(short.found, /shorter than 16 characters/);
  for (const known of ['changeme-changeme-changeme-changeme', 'Your-Secret-Key-0123456789-abcdefghij', 'dev-secret-token-please-9876543210x'])
    assert.match((await found({ CRON_JOB_API_KEY: known })).one('secrets', 'fail').found, /words of an example/);
  const issued = (await found({ CRON_SECRET: strong('a'), CRON_JOB_ORG_API_KEY: 'your-api-key-from-the-settings' })).one('secrets', 'fail');
  assert.match(issued.todo, /who issued it/);
  assert.match((await found({ CRON_JOB_API_KEY: strong('b').slice(0, 20) })).one('secrets', 'warn').found, /shorter than 32/);
  assert.match((await found({ CRON_JOB_API_KEY: 'qz'.repeat(20) })).one('secrets', 'warn').found, /different characters/);
  assert.match((await found({ CRON_JOB_API_KEY: strong('c'), CRON_SECRET: strong('c') })).one('secrets', 'warn').found, /are the same/);
});

test('secrets of providers of events, and of vendors', async () => {
  const found = (env) => doctor({ env });
  const none = await found({});
  for (const [name, without] of [['META_APP_SECRET', 'takes no events'], ['WHATSAPP_VERIFY_TOKEN', 'cannot register'], ['RESEND_API_KEY', 'mail stays']])
    none.one('secrets', 'ok', new RegExp(`^${name} is unset: .*${without}`));
  assert.deepEqual(none.of('secrets').filter((one) => /_WEBHOOK_/.test(one.found)), []);
  const short = (await found({ CBE_WEBHOOK_SECRET: 'k9w2xq7rt4' })).one('secrets', 'fail');
  assert.match(short.found, /^CBE_WEBHOOK_SECRET is shorter than 16 characters: \/api\/payments\/webhook\/cbe takes no events$/);
  assert.match(short.todo, /who issued it/);
  assert.match((await found({ PAYMENT_WEBHOOK_SECRET: 'your-webhook-secret' })).one('secrets', 'fail').found, /^PAYMENT_WEBHOOK_SECRET holds the words of an example/);
  assert.match((await found({ ZED_WEBHOOK_SCHEME: 'meta' })).one('secrets', 'fail').found, /^ZED_WEBHOOK_SECRET is unset: \/api\/payments\/webhook\/zed takes no events$/);
  const damaged = { ZED_WEBHOOK_SCHEME: 'standard', ZED_WEBHOOK_SECRET: `whsec_${strong('zed')}-` };
  assert.match((await found(damaged)).one('secrets', 'fail').found, /^ZED_WEBHOOK_SECRET is neither base64 behind "whsec_" nor .*: no event of zed can be verified$/);
  const alike = { STRIPE_WEBHOOK_SECRET: strong('stripe'), META_APP_SECRET: strong('stripe'), RESEND_API_KEY: 're_mock_key' };
  assert.match((await found(alike)).one('secrets', 'warn').found, /^META_APP_SECRET and STRIPE_WEBHOOK_SECRET are the same/);
  assert.match((await found({ RESEND_API_KEY: 're_mock' })).one('secrets', 'fail').found, /^RESEND_API_KEY is shorter than 8 characters: mail stays/);
  const open = { GITHUB_WEBHOOK_SECRET_FILE: file('github', strong('github'), { mode: 0o644, ageDays: 100 }) };
  assert.match((await found(open)).one('secrets', 'fail').found, /^GITHUB_WEBHOOK_SECRET_FILE: everybody/);
  assert.match((await found(open)).one('secrets', 'warn').found, /^GITHUB_WEBHOOK_SECRET is 100 days old/);
});

test('secrets in files: who may read them, how old they are, a rotation without an end', async () => {
  const key = (options) => file('key', strong('key'), options);
  const found = (options, env = {}) => doctor({ env: { ...unset, ...another, CRON_JOB_API_KEY_FILE: key(options), ...env } });
  assert.match((await found({ ageDays: 12 })).one('secrets', 'ok', /from a file/).found, /from a file, 12 days old/);
  assert.match((await found({ ageDays: 91 })).one('secrets', 'warn').found, /91 days old/);
  assert.match((await found({ mode: 0o644 })).one('secrets', 'fail').found, /CRON_JOB_API_KEY_FILE: everybody on this host may read/);
  assert.match((await found({ mode: 0o660 })).one('secrets', 'warn').found, /group .* may write/);
  const before = (ageDays, text = strong('before')) => ({ CRON_JOB_API_KEY_PREVIOUS_FILE: file('before', text, { ageDays }) });
  assert.match((await found({ ageDays: 3 }, before(200))).one('secrets', 'ok', /rotated/).found, /for 3 days/);
  assert.match((await found({ ageDays: 8 }, before(200))).one('secrets', 'warn').found, /PREVIOUS is still accepted, after 8 days/);
  assert.match((await found({}, before(0, strong('key')))).one('secrets', 'warn').found, /nothing was rotated/);
  assert.match((await found({}, { CRON_JOB_API_KEY_PREVIOUS: strong('e') })).one('secrets', 'warn').found, /both are accepted/);
  const password = file('password', 'unused', { mode: 0o604 });
  assert.match((await found({}, { DATABASE_PASSWORD_FILE: password })).one('secrets', 'fail').found, /^DATABASE_PASSWORD_FILE: everybody/);
});

test('the key ring: none, plain values, an older key, a key that is gone', async () => {
  const ring = (...ids) => ids.map((id) => `${id}:${createHash('sha256').update(id).digest('base64')}`).join('\n');
  const keys = (text, options) => ({ ENCRYPTION_KEYS_FILE: file('keys', text, { mode: 0o600, ...options }) });
  await stand.endpoint('/ok/keys');
  (await doctor()).one('keys', 'warn', /there are no keys/);
  let found = await doctor({ env: keys(ring('k1'), { ageDays: 40 }) });
  assert.match(found.one('keys', 'ok').found, /holds k1, .* 40 days old/);
  assert.equal(found.one('keys', 'warn', /app_webhooks\.secret: 1 still plain/).todo, 'cronward seal --all');
  assert.equal((await stand.cli(['seal', '--all'], { env: keys(ring('k1')) })).code, 0);
  found = await doctor({ env: keys(ring('k1')) });
  found.none('keys', 'warn');
  found.one('keys', 'ok', /app_webhooks\.secret: 1 sealed with key "k1"/);
  assert.equal((await doctor({ env: keys(ring('k2', 'k1')) })).one('keys', 'warn').todo, 'cronward rekey');
  assert.match((await doctor({ env: keys(ring('k2')) })).one('keys', 'fail').found, /"k1", which is not in the ring/);
  // To make new ones would lose what is sealed: nobody is told so when the old ones are only damaged.
  for (const damaged of ['', 'k1:abc']) {
    found = await doctor({ env: keys(damaged) });
    found.one('settings', 'fail', /^ENCRYPTION_KEYS_FILE: /);
    found.none('keys', 'warn');
  }
  const another = `k1:${createHash('sha256').update('another').digest('base64')}`;
  assert.match((await doctor({ env: keys(another) })).one('keys', 'fail').found, /^1 of the first 1 values: .* another key of that id/);
  assert.match((await doctor({ env: keys(ring('k1'), { mode: 0o644 }) })).one('secrets', 'fail').found, /^ENCRYPTION_KEYS_FILE: everybody/);
});

test('a name that is almost a setting', async () => {
  assert.match((await doctor({ env: { POOL_WORKES: '9' } })).one('settings', 'warn').found, /^POOL_WORKES is no setting; POOL_WORKERS is one$/);
  assert.match((await doctor({ env: { CBE_WEBHOOK_SECERT: 'x' } })).one('settings', 'warn').found, /^CBE_WEBHOOK_SECERT is no setting; CBE_WEBHOOK_SECRET is one$/);
  // A provider's own, however near another's.
  for (const name of ['KBE_WEBHOOK_SCHEME', 'TELEBIR_WEBHOOK_SCHEME']) (await doctor({ env: { [name]: 'meta' } })).none('settings', 'warn');
  for (const name of ['POOL_WORKERS', 'POOL', 'WORKERS', 'POOLS_OF_WORKERS']) (await doctor({ env: { [name]: '9' } })).none('settings', 'warn');
});

test('pools: too small, sockets that answer, nobody behind a socket, one that says nothing', { timeout: 60_000 }, async () => {
  assert.match((await doctor({ env: { POOL_WORKERS: '3' } })).one('pools', 'warn', /POOL_WORKERS is 3/).todo, /POOL_WORKERS/);
  assert.doesNotMatch(JSON.stringify(await doctor({ env: { POOL_WORKERS: 'seven' } })), /POOL_WORKERS is|processes for worker calls/);
  const pool = await stand.startPool({ size: 1 });
  const sockets = path.join(folder, 'sockets');
  mkdirSync(sockets);
  for (const name of ['workers', 'api']) symlinkSync(pool.socket, path.join(sockets, `${name}.sock`));
  let found = await doctor({ args: ['--sockets', sockets] });
  for (const name of ['workers', 'api']) found.one('pools', 'ok', new RegExp(`${name}.sock answers`));
  for (const name of ['inbound', 'async']) assert.match(found.one('pools', 'fail', new RegExp(name)).found, /No such file/);
  const [child] = pool.processes();
  process.kill(child, 'SIGSTOP');
  found = await doctor({ args: ['--sockets', sockets] });
  process.kill(child, 'SIGCONT');
  assert.match(found.one('pools', 'fail', /workers\.sock/).found, /none is answered within 2 s/);
  await pool.stop();
  found = await doctor({ args: ['--sockets', sockets] });
  found.one('pools', 'fail', /workers\.sock: /);
  assert.match((await doctor({ wrap: ['prlimit', '--nofile=100:100'] })).one('files', 'warn').found, /may open 100 files/);
});

test('the allowlist', async () => {
  const found = async (text) => doctor({ args: ['--allow', file('allow.conf', text, { mode: 0o644 })] });
  const known = ['116.203.134.67', '116.203.129.16', '23.88.105.37', '128.140.8.200'].map((one) => `allow ${one};\n`);
  assert.match((await found(`# allow all;\n${known.join('')}allow 127.0.0.1; deny all;`)).one('allowlist', 'ok').found, /names 5 addresses/);
  assert.match((await found('allow all;\ndeny all;\n')).one('allowlist', 'warn').found, /every address/);
  assert.match((await found('allow 192.0.2.1;\n')).one('allowlist', 'warn').found, /no "deny all"/);
  assert.match((await found(`${known.slice(1).join('')}deny all;`)).one('allowlist', 'warn').found, /lacks 116\.203\.134\.67/);
  assert.match((await found(`${known.join('')}allow 195.201.26.157;\ndeny all;`)).one('allowlist', 'warn').found, /no longer calls from/);
  assert.match((await doctor({ args: ['--allow', path.join(folder, 'none')] })).one('allowlist', 'warn').found, /No such file/);
});

test('egress: ranges that open too much, certificates, names, proxies', async () => {
  const egress = (ranges) => doctor({ env: { EGRESS_ALLOW: ranges } });
  for (const [ranges, pattern] of [['127.0.0.0/8', /this host's own services/], ['::1', /this host's own/], ['169.254.169.254', /169\.254\.169\.254/],
    ['0.0.0.0/0', /everything/], ['::/0', /everything/], ['fe80::/10', /link-local/]])
    assert.match((await egress(ranges)).one('egress', 'warn').found, pattern, ranges);
  (await egress('10.0.0.0/8,fd00::/8')).one('egress', 'ok');
  const none = file('none.pem', 'no certificate\n');
  assert.match((await doctor({ env: { EGRESS_CA_FILE: none } })).one('egress', 'fail').found, /holds no certificate/);

  await stand.endpoint('/x', { url: 'http://127.0.0.9:1/x' });
  assert.match((await egress('10.0.0.0/8')).one('names', 'warn').found, /private addresses alone/);
  (await egress('127.0.0.9')).one('names', 'ok');
  await stand.db.rows(`UPDATE app_webhooks SET url = 'https://no-such-name.invalid/x'`);
  assert.match((await doctor()).one('names', 'warn').found, /does not resolve/);
  assert.match((await doctor({ env: { https_proxy: 'http://127.0.0.1:1' } })).one('proxies', 'warn').found, /^https_proxy is set/);
});
