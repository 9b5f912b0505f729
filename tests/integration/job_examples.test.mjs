// deploy/examples/jobs.mjs, as somebody who comes from another queue would start it.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createServer } from 'node:http';
import path from 'node:path';
import { after, test } from 'node:test';
import { atExit } from '../lib/clean.mjs';
import { Jobs } from '../lib/jobs.mjs';
import { cleanEnv } from '../lib/process.mjs';
import { root } from '../lib/program.mjs';
import { until } from '../lib/wait.mjs';
import { newSecret } from '../lib/webhooks.mjs';

const jobs = await Jobs.create();
const pool = await jobs.stand.startPool();
after(() => jobs.end());

// What nginx does: calls back go to the pool.
const front = createServer(async (request, response) => {
  const chunks = await request.toArray();
  const reply = await pool.call(request.method, request.url, { headers: { authorization: request.headers.authorization }, body: Buffer.concat(chunks).toString() });
  response.writeHead(reply.status).end(reply.body);
}).listen(0, '127.0.0.2');
after(() => front.close());

const secret = newSecret();
const example = spawn(process.execPath, [path.join(root, 'deploy/examples/jobs.mjs')],
  { env: cleanEnv({ JOB_SECRET: secret, PORT: '0', HOST: '127.0.0.2' }), stdio: ['ignore', 'pipe', 'inherit'] });
atExit(() => example.kill());
after(() => example.kill());
const url = String((await example.stdout.iterator().next()).value).trim();

test('it carries out what it knows, at once or behind a 202, and refuses the rest', async () => {
  for (const name of ['hello', 'report', 'unheard_of', 'forged'])
    await jobs.type(name, 'http', url, { secret: name === 'forged' ? newSecret() : secret });
  const [hello, report, unheard, forged] = [await jobs.add('hello', { payload: { name: 'Grace' } }), await jobs.add('report', { payload: { day: '2026-11-22' } }),
    await jobs.add('unheard_of'), await jobs.add('forged')];
  await jobs.run({ env: { APP_URL: `http://127.0.0.2:${front.address().port}` } });
  await until(async () => (await jobs.job(report)).status === 'completed', { what: 'the call back' });
  assert.deepEqual([(await jobs.job(hello)).result, (await jobs.job(report)).result], [{ hello: 'Grace' }, { day: '2026-11-22' }]);
  assert.ok((await jobs.logs(report)).some(({ message }) => message === 'half of it'));
  assert.deepEqual([(await jobs.job(unheard)).status, (await jobs.job(unheard)).error_message], ['failed', 'HTTP 410: nobody here carries out unheard_of']);
  assert.deepEqual([(await jobs.job(forged)).status, (await jobs.job(forged)).error_message], ['pending', 'HTTP 401: the signature is wrong']);
});
