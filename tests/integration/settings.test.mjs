// Every setting with wrong values: the program stops with one line that names the setting, says
// what is allowed, and never shows a secret.
import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { tempFolder } from '../lib/clean.mjs';
import { Pool } from '../lib/pool.mjs';
import { cleanEnv, run } from '../lib/process.mjs';
import { program } from '../lib/program.mjs';
import { many } from '../lib/wait.mjs';

const base = { DATABASE_URL: 'postgresql:///x?host=/nonexistent' };
const config = (env, args = []) => run(program(), ['config', ...args], { env: cleanEnv({ ...base, ...env }) });

const table = (await config({}, ['--markdown'])).stdout.trim().split('\n').slice(2).map((line) => {
  const [, name, fallback, allowed, help] = line.split('|').map((cell) => cell.trim());
  return { name: name.replaceAll('`', ''), fallback, allowed, help };
});
const folder = tempFolder('settings');
writeFileSync(path.join(folder, 'empty'), '');
writeFileSync(path.join(folder, 'good'), 'a-secret-of-sixteen-or-more\n');
mkdirSync(path.join(folder, 'folder'));
mkdirSync(path.join(folder, 'open'));
chmodSync(path.join(folder, 'open'), 0o777);
const SECRET_TEXT = 'Hush-Hush-Hush-0123456789';

// Values that must be refused, by what the table says is allowed.
function wrongValues({ name, allowed }) {
  const range = /^(-?\d+)-(\d+)$/.exec(allowed);
  if (range) {
    const [, low, high] = range;
    return ['banana', `${low}x`, `x${low}`, ` ${low}`, `${low} `, `+${low}`, `${low}.5`, '0x10', '1e3', String(BigInt(low) - 1n), String(BigInt(high) + 1n),
      '99999999999999999999999', '-99999999999999999999999', '٣', '1,000', '\u0001'];
  }
  if (name.endsWith('_FILE')) return ['/nonexistent/file', path.join(folder, 'folder'), ...(name === 'EGRESS_CA_FILE' ? [] : [])];
  if (name.endsWith('_WEBHOOK_HEADER')) return ['x_sign', 'x sign', 'x:', '"', 'é', 'x'.repeat(64), 'x-sign\n'];
  if (name === 'EMAIL_FROM') return ['shop', 'shop@', '@example.com', 'a b@example.com', 'Shop <shop@example.com', 'a@b, c@d', 'Shop, Inc. <a@b>', 'a@b\r\nBcc: c@d', `${'x'.repeat(250)}@b.cd`];
  if (/_BASE_URL$|^APP_URL$/.test(name)) return ['example.com', 'ftp://example.com', 'https://', 'https://h/path', 'https://me@h', 'https://h?x'];
  const label = /^up to (\d+) letters/.exec(allowed);
  if (label) return ['a b', 'é', 'a/b', '"', 'x'.repeat(Number(label[1]) + 1)];
  if (/ or /.test(allowed) && !/libpq/.test(allowed)) return ['banana', 'ARCHIVE ', 'archivedelete', '0', 'true'];
  switch (name) {
    case 'DATABASE_URL':
      return ['postgresql://[::1', 'postgresql://x/%zz', 'host=a nonsense', 'postgresql:///x?nonsense=1', "host='", 'nonsense'];
    case 'WEBHOOK_RETRY_SCHEDULE':
      return ['banana', '5', '5s,', ',5s', '5s,,5m', '0s', '31d', '5s;5m', '5 s', '-5s', '5y', '99999999999d', Array(33).fill('1s').join(',')];
    case 'EGRESS_ALLOW':
      return ['banana', '10.0.0.0/33', '10.0.0.0/-1', '10.0.0/8', '::1/129', '10.0.0.0/8,', '10.0.0.0/8 ::1', '10.0.0.0/', '/8', '10.0.0.256',
        Array(33).fill('10.0.0.1').join(',')];
    case 'PROCESSOR_DIR':
      return ['/nonexistent', path.join(folder, 'good'), path.join(folder, 'open'), 'relative', '.', `/${'x'.repeat(5000)}`];
    case 'ENCRYPTION_KEYS': {
      const key = `:${'A'.repeat(43)}=`;
      return ['banana', key, 'k1', 'k1:', 'k1:short', `k1${key}k2${key}`, `k1${key},k1${key}`, `k 1${key}`, `${'k'.repeat(33)}${key}`, `k1:${'A'.repeat(43)}!`,
        Array.from({ length: 17 }, (_, i) => `k${i}${key}`).join(',')];
    }
    default:
      return [];
  }
}

// Texts that are too long or hold what no header can carry are faults; short ones only close routes.
const isSecretText = ({ name, allowed }) => /characters/.test(allowed) && !name.endsWith('_FILE');

test('the table names every setting of the contract for this part', () => {
  const names = table.map((row) => row.name);
  for (const name of ['RETENTION_DAYS', 'MAX_WEBHOOK_RETRIES', 'WEBHOOK_RETRY_BACKOFF_BASE', 'NOTIFICATION_EXPIRY_BATCH_SIZE', 'DATA_ARCHIVAL_BATCH_SIZE',
    'CRON_JOB_API_KEY', 'CRON_SECRET', 'DATABASE_URL', 'DATABASE_PASSWORD_FILE', 'RUN_BUDGET_S', 'ASYNC_BUDGET_S', 'WEBHOOK_TIMEOUT_S', 'WEBHOOK_RUN_MAX',
    'NOTIFICATION_EXPIRY_RUN_MAX', 'DATA_ARCHIVAL_RUN_MAX', 'WEBHOOK_BATCH_SIZE', 'WEBHOOK_MAX_CONCURRENT', 'WEBHOOK_HOST_CONCURRENT',
    'WEBHOOK_DISABLE_AFTER_HOURS', 'ARCHIVE_MODE', 'EGRESS_ALLOW', 'POOL_WORKERS', 'POOL_API', 'POOL_INBOUND', 'POOL_ASYNC', 'WEBHOOK_RETRY_SCHEDULE'])
    assert.ok(names.includes(name), name);
  const wanted = { RETENTION_DAYS: '90', MAX_WEBHOOK_RETRIES: '5', WEBHOOK_RETRY_BACKOFF_BASE: '2', NOTIFICATION_EXPIRY_BATCH_SIZE: '1000',
    DATA_ARCHIVAL_BATCH_SIZE: '10000', RUN_BUDGET_S: '20', ASYNC_BUDGET_S: '300', WEBHOOK_TIMEOUT_S: '10', WEBHOOK_BATCH_SIZE: '500',
    WEBHOOK_MAX_CONCURRENT: '64', WEBHOOK_HOST_CONCURRENT: '16', WEBHOOK_DISABLE_AFTER_HOURS: '120', ARCHIVE_MODE: 'archive', POOL_API: '4' };
  for (const [name, fallback] of Object.entries(wanted)) assert.equal(table.find((row) => row.name === name).fallback, fallback, name);
});

// The presets of providers have the same rows: one of them takes all wrong values, the others one.
const isAgain = ({ name }) => /^(TELEBIRR|CBE|AWASH)_/.test(name);

for (const row of table) {
  test(`${row.name}: wrong values stop the program with one clear line`, async () => {
    const values = isAgain(row) ? wrongValues(row).slice(0, 1) : wrongValues(row);
    assert.ok(values.length > 0 || isSecretText(row), `no wrong value is known for ${row.name} (${row.allowed})`);
    await many(values.length, 2, async (i) => {
      const done = await config({ [row.name]: values[i] });
      const said = done.stderr.trim();
      assert.notEqual(done.code, 0, `${row.name}=${JSON.stringify(values[i])} was taken`);
      assert.ok(done.code < 128, `${row.name}=${JSON.stringify(values[i])} ended ${done.code}`);
      assert.equal(said.split('\n').length, 1, said);
      assert.ok(said.includes(row.name), said);
      assert.equal(done.stdout, '');
    });
  });

  if (isSecretText(row) && !isAgain(row)) {
    test(`${row.name}: too long or unfit for a header is refused without being shown; short is not refused`, async () => {
      for (const value of [`${SECRET_TEXT}${'x'.repeat(5000)}`]) {
        const done = await config({ [row.name]: value });
        assert.notEqual(done.code, 0);
        assert.ok(!done.stderr.includes(SECRET_TEXT), done.stderr);
        assert.ok(done.stderr.includes(row.name), done.stderr);
      }
      const short = await config({ [row.name]: 'short' });
      assert.equal(short.code, 0, short.stderr);
      assert.match(short.stdout, new RegExp(`^${row.name}\\s+too short`, 'm'));
    });
  }
}

test('the edges of every range are taken', async () => {
  const ranges = table.filter((row) => /^-?\d+-\d+$/.test(row.allowed));
  for (const pick of [0, 1]) {
    const env = Object.fromEntries(ranges.map((row) => [row.name, row.allowed.split('-')[pick]]));
    const done = await config(env);
    assert.equal(done.code, 0, done.stderr);
  }
});

test('the defaults work, and an empty value is none', async () => {
  assert.equal((await config({})).code, 0);
  const done = await config(Object.fromEntries(table.filter((row) => row.name !== 'DATABASE_URL').map((row) => [row.name, ''])));
  assert.equal(done.code, 0, done.stderr);
});

test('values in force are shown, secrets and passwords are not', async () => {
  const done = await config({
    CRON_SECRET: SECRET_TEXT, CRON_JOB_API_KEY_FILE: path.join(folder, 'good'), RETENTION_DAYS: '77',
    DATABASE_URL: `postgresql://me:${SECRET_TEXT}@h/x`, EGRESS_ALLOW: '10.0.0.0/8,::1', WEBHOOK_RETRY_SCHEDULE: '5s,5m',
  });
  assert.equal(done.code, 0, done.stderr);
  assert.ok(!done.stdout.includes(SECRET_TEXT));
  assert.ok(!done.stdout.includes('a-secret-of-sixteen'));
  assert.match(done.stdout, /^CRON_SECRET\s+set/m);
  assert.match(done.stdout, /^RETENTION_DAYS\s+77\s+90/m);
  assert.match(done.stdout, /^EGRESS_ALLOW\s+10\.0\.0\.0\/8,::1/m);
});

test('providers that the table does not name are shown where they are set, and their secrets never', async () => {
  const done = await config({
    STRIPE_WEBHOOK_SECRET: SECRET_TEXT, MY_BANK_WEBHOOK_SECRET_FILE: path.join(folder, 'good'), MY_BANK_WEBHOOK_SCHEME: 'hmac-sha256-base64',
    MY_BANK_WEBHOOK_HEADER: 'X-Bank-Sign', MY_BANK_WEBHOOK_SECRET_PREVIOUS: 'short', RESEND_API_KEY: 're_mock_key',
  });
  assert.equal(done.code, 0, done.stderr);
  for (const [name, value] of [['STRIPE_WEBHOOK_SECRET', 'set'], ['STRIPE_WEBHOOK_SCHEME', 'stripe'], ['STRIPE_WEBHOOK_HEADER', 'stripe-signature'],
    ['MY_BANK_WEBHOOK_SECRET', 'unset'], ['MY_BANK_WEBHOOK_SECRET_FILE', 'set'], ['MY_BANK_WEBHOOK_SECRET_PREVIOUS', 'too short'],
    ['MY_BANK_WEBHOOK_SCHEME', 'hmac-sha256-base64'], ['MY_BANK_WEBHOOK_HEADER', 'x-bank-sign'], ['RESEND_API_KEY', 'set']])
    assert.match(done.stdout, new RegExp(`^${name} +${value} `, 'm'));
  for (const hidden of [SECRET_TEXT, 'a-secret-of-sixteen', 're_mock_key', 'GITHUB_WEBHOOK']) assert.ok(!done.stdout.includes(hidden), hidden);
  for (const [name, value, said] of [['MY_BANK_WEBHOOK_SCHEME', 'banana', 'is unknown'], ['MY_BANK_WEBHOOK_HEADER', 'a_b', "is no header's name"],
    ['MY_BANK_WEBHOOK_SECRET', SECRET_TEXT.repeat(200), 'holds more than 4096 bytes'], ['MY_BANK_WEBHOOK_SECRET_FILE', '/nonexistent/file', 'No such file']]) {
    const wrong = await config({ [name]: value });
    assert.notEqual(wrong.code, 0, name);
    assert.ok(wrong.stderr.includes(`${name}: `) && wrong.stderr.includes(said) && !wrong.stderr.includes(SECRET_TEXT), wrong.stderr);
  }
});

test('a pool says which secrets of events are too short, and nothing of those that are unset', async (t) => {
  const pool = await Pool.start({ env: { ...base, CBE_WEBHOOK_SECRET: 'short', ZED_WEBHOOK_SECRET: 'short', PAYMENT_WEBHOOK_SECRET: SECRET_TEXT, META_APP_SECRET: 'short' }, size: 1 });
  t.after(() => pool.stop());
  const { until } = await import('../lib/wait.mjs');
  await until(() => pool.log().includes('event=start'));
  const closed = pool.log().split('\n').flatMap((line) => /(\w+) is shorter than 16 characters: .*: (\S+)"/.exec(line)?.slice(1).join(' ') ?? []);
  assert.deepEqual(closed, ['CBE_WEBHOOK_SECRET /api/payments/webhook/cbe', 'ZED_WEBHOOK_SECRET /api/payments/webhook/zed', 'META_APP_SECRET /api/whatsapp/webhook']);
  assert.ok(!/PAYMENT_|TELEBIRR_|STRIPE_|VERIFY_TOKEN/.test(pool.log()), pool.log());
});

test('a password in a bad DATABASE_URL is not shown', async () => {
  for (const url of [`postgresql://me:${SECRET_TEXT}@[::1/x`, `postgresql://me:${SECRET_TEXT}%zz@h/x`, `host=h password=${SECRET_TEXT} nonsense`]) {
    const done = await config({ DATABASE_URL: url });
    assert.notEqual(done.code, 0, url);
    assert.ok(!done.stderr.includes(SECRET_TEXT), done.stderr);
  }
});

test('every command that needs settings stops on a wrong one', async () => {
  for (const args of [['migrate'], ['run', 'webhook-retry'], ['dead', 'list'], ['config']]) {
    const done = await run(program(), args, { env: cleanEnv({ ...base, RETENTION_DAYS: 'never' }) });
    assert.notEqual(done.code, 0, args.join(' '));
    assert.match(done.stderr, /RETENTION_DAYS/);
    assert.equal(done.stderr.trim().split('\n').length, 1, done.stderr);
  }
});

test('a pool with a wrong setting says so about once a second, and not 1,600 times', async (t) => {
  const pool = await Pool.start({ env: { ...base, RETENTION_DAYS: 'never' }, size: 1 });
  t.after(() => pool.stop());
  const began = Date.now();
  const { until } = await import('../lib/wait.mjs');
  const lines = () => pool.log().split('\n').filter((line) => line.includes('RETENTION_DAYS'));
  await until(() => lines().length >= 2, { timeoutMs: 5000 });
  await until(() => Date.now() - began > 2500);
  assert.ok(lines().length <= 4, `${lines().length} lines in 2.5 s`);
});
