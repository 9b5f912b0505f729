// The units under a systemd that is PID 1: what they promise of sandbox, restarts and ends.
import assert from 'node:assert/strict';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { Machine } from '../lib/boot.mjs';
import { makeDeb } from '../lib/package.mjs';
import { must } from '../lib/process.mjs';
import { root } from '../lib/program.mjs';
import { until } from '../lib/wait.mjs';
import { newSecret } from '../lib/webhooks.mjs';

const POOLS = { workers: 14, api: 4, inbound: 4, async: 2 };
const RESTARTS = 4;
const DEB = '/root/cronward.deb';

let skip;
const m = await Machine.boot().catch((e) => { skip = `systemd cannot run here: ${e.message}`; });
after(() => m?.end());

// What is sent to /slow is answered when somebody asks for /release.
const receiver = `
  const held = [];
  require('http').createServer((request, response) => {
    request.resume().on('end', () => (request.url === '/slow' ? held.push(response) : response.end()));
    if (request.url === '/release') held.forEach((one) => one.end());
    require('fs').appendFileSync('/root/received', request.url + '\\n');
  }).listen(8088, '127.0.0.2');`;

const sql = (text) => m.must('setpriv --reuid=cronward --regid=cronward --init-groups psql -h /run/postgresql -U cronward -d cronward -XqAt', { input: text });
const property = (unit, name) => m.must(`systemctl show -p ${name} --value ${unit}`);
// The processes of a pool, as their command names them.
const processes = async (pool) => (await m.run(`pgrep -u cronward -P $(systemctl show -p MainPID --value cronward@${pool}) -x cronward`)).stdout.split('\n').filter(Boolean);
const full = (pool) => until(async () => (await processes(pool)).length === POOLS[pool], { what: `${pool} to be full`, everyMs: 50 });
const call = (method, at, more = '') => m.must(`curl -sk --max-time 40 -X ${method} -w ' %{http_code}' -H "Authorization: Bearer $(cat /etc/cronward/secrets/CRON_JOB_API_KEY)" ${more} https://127.0.0.1${at}`);

// Calls one after the other while `work` is under way; the statuses that were not 200.
async function failuresDuring(work) {
  const loop = m.run('while [ ! -e /root/enough ]; do curl -sk -o /dev/null --max-time 20 -w "%{http_code}\\n" https://127.0.0.1/readyz; done; rm /root/enough', { timeoutMs: 120_000 });
  try {
    await work();
  } finally {
    await m.must('touch /root/enough');
  }
  // 429 is nginx's limit of calls from one address, which a fast machine reaches; no pool had them.
  const statuses = (await loop).stdout.trim().split('\n').filter((status) => status !== '429');
  assert.ok(statuses.length > 20, `${statuses.length} calls`);
  return statuses.filter((status) => status !== '200');
}

before(async () => {
  if (skip) return;
  await m.write(DEB, { file: await makeDeb() });
  await m.write('/etc/dpkg/dpkg.cfg.d/unsafe-io', { text: 'force-unsafe-io\n' });
  await m.must(`rm -rf /etc/nginx/sites-enabled/* /etc/postgresql-common/createcluster.d && mkdir -p /srv/pg /run/postgresql
    chown postgres /srv/pg /run/postgresql && cd / && bin=$(ls -d /usr/lib/postgresql/*/bin | tail -n 1)
    setpriv --reuid=postgres --regid=postgres --init-groups $bin/initdb -D /srv/pg -U postgres --auth=peer >/dev/null
    systemd-run --unit=pg -p User=postgres $bin/postgres -D /srv/pg -c listen_addresses= -c unix_socket_directories=/run/postgresql`);
  const admin = (text) => m.must(`cd /; setpriv --reuid=postgres --regid=postgres --init-groups psql -h /run/postgresql -U postgres -d postgres -Xqc "${text}"`);
  await until(() => admin('CREATE ROLE cronward LOGIN').then(() => true), { what: 'PostgreSQL', timeoutMs: 30_000, everyMs: 100 });
  await admin('CREATE DATABASE cronward OWNER cronward');
  await m.write('/root/receiver.cjs', { text: receiver });
  await m.must('echo 127.0.0.2 receiver.test >>/etc/hosts; systemd-run --unit=receiver "$(command -v node)" /root/receiver.cjs');
});

test('installed, it is enabled and waits for a database to be named', { skip }, async () => {
  const done = await m.must(`dpkg -i ${DEB} 2>&1`);
  assert.match(done, /name the database in \/etc\/cronward\/cronward\.env/);
  assert.equal(await m.must('systemctl is-enabled cronward.target'), 'enabled');
  assert.equal((await m.run('systemctl is-active cronward.target')).stdout.trim(), 'inactive');
  assert.equal(await m.must('cd /etc/cronward && stat -c "%n %a %U:%G" cronward.env secrets secrets/CRON_SECRET credentials credentials/* /run/cronward'), [
    'cronward.env 640 root:cronward', 'secrets 750 root:cronward', 'secrets/CRON_SECRET 640 root:cronward', 'credentials 700 root:root',
    'credentials/DATABASE_PASSWORD 600 root:root', 'credentials/ENCRYPTION_KEYS 600 root:root', '/run/cronward 751 root:www-data'].join('\n'));
});

test('started, all pools run in their sandbox', { skip }, async () => {
  await m.must(`cat >>/etc/cronward/cronward.env && cronwardctl migrate && systemctl start cronward.target`,
    { input: 'DATABASE_URL=postgresql:///cronward?host=/run/postgresql&user=cronward\nEGRESS_ALLOW=127.0.0.2\nAPP_URL="https://127.0.0.1"\n' });
  for (const pool of Object.keys(POOLS)) {
    await full(pool);
    const [pid] = await processes(pool);
    const status = await m.must(`cat /proc/${pid}/status`);
    for (const line of [/^Seccomp:\t2$/m, /^NoNewPrivs:\t1$/m, /^CapBnd:\t0+$/m, /^CapEff:\t0+$/m, /^Umask:\t0077$/m]) assert.match(status, line, pool);
    assert.match(await m.must(`cat /proc/${pid}/limits`), /^Max core file size +0 +0 /m);
    assert.equal(await m.must(`stat -c '%a %U:%G' /run/cronward/${pool}.sock`), '660 cronward:www-data');
  }
});

// systemd makes a socket, then gives it to its owner by name: what stands there by then is given.
test('who has the account of the service cannot have systemd give it a file of root\'s', { skip }, async () => {
  await m.must('echo secret >/root/victim && chmod 600 /root/victim && chmod 711 /root');
  for (const move of ['ln -s /root/victim /run/cronward/link', 'mv -f /run/cronward/api.sock /run/cronward/old', 'rm -f /run/cronward/api.sock'])
    assert.match((await m.run(`setpriv --reuid=cronward --regid=cronward --init-groups ${move}`)).stderr, /Permission denied/, move);
  assert.match(await m.must('cronwardctl doctor || true'), /\/run\/cronward\/api\.sock answers$/m);
  const stranger = await m.run('setpriv --reuid=postgres --regid=postgres --clear-groups curl -s --unix-socket /run/cronward/api.sock http://x/');
  assert.equal(stranger.code, 7, 'a stranger connects to nothing');
});

test('calls are answered, webhooks delivered and secrets sealed in there', { skip }, async () => {
  await m.must(`mkdir -p /etc/cronward/tls && cd /etc/cronward/tls && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 \
    -nodes -days 2 -keyout key.pem -out cert.pem -subj /CN=127.0.0.1 2>/dev/null && ln -s ../sites-available/cronward /etc/nginx/sites-enabled/ && \
    systemd-run --unit=site -p Type=forking nginx`);
  await sql(`INSERT INTO app_webhooks (url, secret, events) VALUES ('http://receiver.test:8088/quick', '${newSecret()}', '{quick}'),
    ('http://receiver.test:8088/slow', '${newSecret()}', '{slow}'); INSERT INTO platform_events (event_type, payload) VALUES ('quick', '{}');`);
  assert.match(await call('POST', '/api/workers/webhookRetry'), /^\{"retried":1,"succeeded":1,.* 200$/);
  assert.equal(await m.must('cat /root/received'), '/quick');
  assert.match(await sql("SELECT secret FROM app_webhooks WHERE events = '{quick}'"), /^cw1\.k1\./);
  for (const at of ['notificationExpiry', 'dataArchival']) assert.match(await call('GET', `/api/workers/${at}`), / 200$/);
  assert.match(await call('POST', '/api/workers/notificationExpiry', '-H "Prefer: respond-async"'), / 202$/);
});

test('plug-ins run in there, and are stopped when their time is over', { skip }, async () => {
  await must('make', ['-s', 'plugins'], { cwd: root });
  await m.write('/usr/lib/cronward/processors/act.so', { file: path.join(root, 'build/plugins/act.so') });
  await m.must(`chmod 644 /usr/lib/cronward/processors/act.so; cp -r /usr/share/doc/cronward/examples/processor /root/example && cd /root/example
    make -s >/dev/null && make -s install PROCESSOR_DIR=/usr/lib/cronward/processors
    cp -p /etc/cronward/cronward.env /root/without && echo PROCESSOR_DIR=/usr/lib/cronward/processors >>/etc/cronward/cronward.env`);
  await m.must('systemctl restart cronward@workers.service');
  await full('workers');
  await sql(`INSERT INTO job_types (job_type, processor, target) VALUES ('act', 'plugin', 'act'), ('words', 'plugin', 'word_count');
    INSERT INTO jobs (job_type, payload, timeout_s) VALUES ('words', '{"text": "in the sandbox"}', 5), ('act', '{"act": "segv"}', 5), ('act', '{"act": "bomb"}', 1);`);
  const reply = await m.must('curl -sk --max-time 40 -X POST -H "Authorization: Bearer $(cat /etc/cronward/secrets/WORKER_SECRET_TOKEN)" https://127.0.0.1/api/jobs/worker');
  assert.match(reply, /"processed":3,"succeeded":1,"failed":2/);
  assert.equal(await sql("SELECT COALESCE(result ->> 'words', error_message) FROM jobs ORDER BY 1"),
    ['3', 'its process was killed by signal 11 (Segmentation fault)', 'timed out after 1 s'].join('\n'));
  const kept = (await m.run('pgrep -u cronward -f "^cronward processor-child"')).stdout.split('\n').filter(Boolean);
  assert.ok(kept.length >= 1 && kept.length <= 3, `${kept.length} processes of plug-ins`);
  await m.must('mv /root/without /etc/cronward/cronward.env; rm /usr/lib/cronward/processors/*; systemctl restart cronward@workers.service');
  await full('workers');
  assert.equal((await m.run('pgrep -u cronward -f "^cronward processor-child"')).stdout, '');
});

test('a secret is rotated without a restart', { skip }, async () => {
  const before_ = await processes('workers');
  await m.must('cd /etc/cronward/secrets && cp -p CRON_JOB_API_KEY new && echo another-secret-of-this-test >new && cp CRON_JOB_API_KEY /root/old && mv new CRON_JOB_API_KEY');
  assert.match(await call('POST', '/api/workers/notificationExpiry'), / 200$/);
  const old = await m.must('curl -sk -o /dev/null -w "%{http_code}" -X POST -H "Authorization: Bearer $(cat /root/old)" https://127.0.0.1/api/workers/notificationExpiry');
  assert.equal(old, '401');
  assert.deepEqual(await processes('workers'), before_);
});

test('cronwardctl sees what the service sees, and nothing of its caller', { skip }, async () => {
  assert.match(await m.must('DATABASE_URL=postgresql:///elsewhere PGHOST=/nowhere RUN_BUDGET_S=x cronwardctl migrate'), /^schema is at version \d+$/m);
  assert.match(await m.must('cronwardctl config'), /^ENCRYPTION_KEYS_FILE +set: k1 /m);
  assert.equal((await m.run('cronwardctl nonsense')).code, 2);
  const other = await m.run('setpriv --reuid=postgres --clear-groups cronwardctl config');
  assert.deepEqual([other.code, other.stderr], [1, "cronwardctl: only root may read the service's secrets\n"]);
  assert.equal((await m.run('ls -d /run/cronwardctl.*')).stdout, '');
});

test('restarts and reloads, one upon the other, refuse nobody', { skip }, async () => {
  const failures = await failuresDuring(async () => {
    for (let i = 0; i < RESTARTS; i++) await m.must('systemctl restart cronward@api && systemctl reload cronward@api');
  });
  assert.deepEqual(failures, []);
  await full('api');
});

test('a reload replaces every process and keeps the supervisor', { skip }, async () => {
  const main = await property('cronward@workers', 'MainPID');
  const old = await processes('workers');
  await m.must('systemctl reload cronward@workers');
  await until(async () => {
    const now = await processes('workers');
    return now.length === POOLS.workers && now.every((pid) => !old.includes(pid));
  }, { what: 'new processes', everyMs: 50 });
  assert.equal(await property('cronward@workers', 'MainPID'), main);
});

test('killed again and again, processes and supervisor are replaced', { skip }, async () => {
  for (let i = 0; i < 6; i++) {
    const main = await property('cronward@api', 'MainPID');
    if (main !== '0') await m.run(`kill -KILL ${i % 2 ? main : (await processes('api'))[0] ?? main}`);
    await full('api');
  }
  assert.equal(await m.must('systemctl is-active cronward@api'), 'active');
  assert.ok(Number(await property('cronward@api', 'NRestarts')) >= 3);
  assert.match(await call('GET', '/readyz'), / 200$/);
});

test('a stop waits for the call under way, and that call gets its answer', { skip }, async () => {
  await sql("INSERT INTO platform_events (event_type, payload) VALUES ('slow', '{}')");
  const answer = call('POST', '/api/workers/webhookRetry');
  await until(async () => (await m.must('cat /root/received')).endsWith('/slow'), { what: 'the delivery' });
  await m.must('systemctl restart --no-block cronward@workers');
  await until(async () => (await processes('workers')).length === 1, { what: 'the idle processes to end', everyMs: 50 });
  assert.equal(await property('cronward@workers', 'ActiveState'), 'deactivating');
  await m.must('curl -sf http://receiver.test:8088/release');
  await full('workers');
  assert.match(await answer, /^\{"retried":1,"succeeded":1,.* 200$/);
  assert.match(await call('GET', '/readyz'), / 200$/);
});

test('what is wrong with a setting is said, and mended without more ado', { skip }, async () => {
  await m.must("echo POOL_API=many >>/etc/cronward/cronward.env && systemctl restart cronward@api");
  await until(async () => (await m.must('journalctl -u cronward@api --no-pager -o cat')).includes('POOL_API: "many" is not a whole number'), { what: 'the complaint' });
  await m.must("sed -i '/^POOL_API=/d' /etc/cronward/cronward.env");
  await full('api');
  assert.match(await call('GET', '/readyz'), / 200$/);
});

test('a package that is installed over itself renews the processes and refuses nobody', { skip }, async () => {
  const main = await property('cronward@api', 'MainPID');
  const old = await processes('api');
  const failures = await failuresDuring(async () => {
    assert.match(await m.must(`dpkg -i ${DEB} 2>&1`), /schema is at version/);
    await full('api');
  });
  assert.deepEqual(failures, []);
  assert.equal(await property('cronward@api', 'MainPID'), main);
  assert.ok((await processes('api')).every((pid) => !old.includes(pid)));
});

test('a database that is away stops no upgrade, and changes nothing', { skip }, async () => {
  const old = await processes('api');
  await m.must("cd /etc/cronward && cp -p cronward.env /root/ && sed -i 's|^DATABASE_URL=.*|DATABASE_URL=postgresql:///app?host=/nowhere|' cronward.env");
  assert.match(await m.must(`dpkg -i ${DEB} 2>&1`), /database cannot be reached: [^]*the database was not migrated; the message above says why/);
  assert.equal(await m.must('dpkg-query -W -f "\\${db:Status-Status}" cronward'), 'installed');
  assert.deepEqual(await processes('api'), old);
  assert.match(await call('GET', '/readyz'), / 200$/);
  await m.must('mv /root/cronward.env /etc/cronward/');
});

test('no call of the program hit the sandbox', { skip }, async () => {
  const journal = await m.must("journalctl -u 'cronward@*' --no-pager -o cat");
  assert.doesNotMatch(journal, /SIGSYS|core-dump|Operation not permitted|Read-only file system|status=31/);
});

test('stopped, nothing is left running; removed and purged, nothing is left', { skip }, async () => {
  const began = Date.now();
  await m.must("systemctl stop cronward.target 'cronward@*'");
  assert.ok(Date.now() - began < 10_000);
  assert.equal((await m.run('pgrep -u cronward')).stdout, '');
  assert.equal(await m.must('ls /run/cronward'), '');
  await m.must('systemctl start cronward.target');
  await full('api');
  await m.must('dpkg -r cronward');
  assert.equal((await m.run('pgrep -u cronward')).stdout, '');
  await m.must('test -s /etc/cronward/secrets/CRON_SECRET && ! test -e /run/cronward && ! test -e /usr/bin/cronward');
  await m.must('rm /etc/cronward/tls/*.pem; dpkg -P cronward');
  await m.must('! test -e /etc/cronward && ! test -L /etc/nginx/sites-enabled/cronward && ! getent passwd cronward');
});
