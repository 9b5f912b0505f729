// Thousands of WhatsApp's tokens in one run, and a run that is killed in the middle: every connection is
// checked, and every check has one row.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Health, JOB } from '../lib/health.mjs';
import { Meta } from '../lib/meta.mjs';
import { cleanEnv, isAlive, killNow, start } from '../lib/process.mjs';
import { program } from '../lib/program.mjs';
import { random } from '../lib/random.mjs';
import { report, size } from '../lib/sizes.mjs';
import { until } from '../lib/wait.mjs';

const TOKENS = size(600, 5000);
const KILLED = size(300, 1000);
const KILLS = size(1, 12);
const ANSWER_MS = 50;

const vendor = await Meta.start();
const health = await Health.ofFile(vendor, { env: { VENDOR_TIMEOUT_S: '10' } });
const { db } = health;

async function fill(count) {
  for (let n = 1; n <= count; n++) vendor.add({ token: `EAAmany${n}x0000000000`, number: String(1e9 + n) });
  await db.rows(`INSERT INTO whatsapp_connections (phonenumberid) SELECT (1000000000 + n)::text FROM generate_series(1, ${count}) n`);
  await db.rows(`INSERT INTO whatsapp_configs SELECT id, 'EAAmany' || (phonenumberid::bigint - 1000000000) || 'x0000000000' FROM whatsapp_connections`);
  vendor.delayMs = ANSWER_MS;
}

// Connections that have not exactly one row of a check since ${since}.
const uneven = (since) => db.value(
  `SELECT count(*)::int FROM whatsapp_connections c
    WHERE 1 <> (SELECT count(*) FROM whatsapp_health h WHERE h.connection_id = c.id AND h.lastcheck >= $1)`, [since]);

test(`${TOKENS} tokens in one run, at a vendor that answers in ${ANSWER_MS} ms`, async (t) => {
  await fill(TOKENS);
  const since = await db.value('SELECT clock_timestamp()'), reply = await health.run({ LOG_LEVEL: 'info' });
  assert.deepEqual([reply.checked, reply.healthy, reply.run.more], [TOKENS, TOKENS, false]);
  assert.ok(reply.run.durationMs <= 20_000, `${reply.run.durationMs} ms`);
  assert.equal(await uneven(since), 0);
  assert.equal((await vendor.requests()).length, 2 * TOKENS);
  report(t, 'WhatsApp tokens checked in one run', { tokens: TOKENS, 'answer ms': ANSWER_MS, seconds: (reply.run.durationMs / 1000).toFixed(1) });
});

test('killed in mid-run: the next run checks every connection, and each check has one row', async (t) => {
  const draw = random('health');
  let lost = 0;
  await fill(KILLED);
  for (let n = 1; n <= KILLS; n++) {
    const before = (await vendor.requests()).length, enough = before + draw.between(1, 2 * KILLED - 200);
    const child = start(program(), ['run', JOB], { env: cleanEnv(health.stand.env()) });
    await until(() => vendor.all.length >= enough || !isAlive(child.pid), { everyMs: 1, timeoutMs: 30_000 });
    killNow(child.pid);
    await until(() => !isAlive(child.pid), { everyMs: 1 });
    await health.stand.backendsGone();
    lost += await db.value('SELECT count(*)::int FROM whatsapp_connections WHERE lease_until IS NOT NULL');
    // A row and the connection's health are written together, or not at all.
    assert.deepEqual(await db.rows(`SELECT id FROM whatsapp_connections c WHERE (lasthealthcheckat IS NULL) <> (NOT EXISTS (SELECT FROM whatsapp_health h WHERE h.connection_id = c.id))`), []);
    await health.expire();
    const since = await db.value('SELECT clock_timestamp()'), reply = await health.run({ LOG_LEVEL: 'info' });
    assert.deepEqual([reply.checked, reply.healthy, reply.run.more], [KILLED, KILLED, false]);
    assert.equal(await uneven(since), 0);
    assert.ok((await vendor.requests()).length - before <= 4 * KILLED, 'nothing is asked more than once in a run');
    assert.deepEqual(await db.rows('SELECT DISTINCT lost, claim_token FROM whatsapp_connections'), [{ lost: 0, claim_token: null }]);
  }
  assert.ok(lost > 0, 'something was in the air');
  report(t, 'WhatsApp health checks killed', { tokens: KILLED, kills: KILLS, lost });
});
