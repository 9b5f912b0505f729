// The life of the Debian package in a bare Debian 12: README's section "Install", command by command.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readFileSync, writeFileSync, copyFileSync, mkdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { Chroot, makeBase, whyNot } from '../lib/chroot.mjs';
import { tempFolder } from '../lib/clean.mjs';
import { makeDeb, version } from '../lib/package.mjs';
import { must } from '../lib/process.mjs';
import { root as project } from '../lib/program.mjs';
import { until } from '../lib/wait.mjs';
import { newSecret, refusal } from '../lib/webhooks.mjs';

const HOST = 'cron.example.com';
const RECEIVER = '127.0.0.2';
const RECEIVER_PORT = 8088;
const POOLS = { workers: 14, api: 4, inbound: 4, async: 2 };
const env = { DEBIAN_FRONTEND: 'noninteractive' };

const section = /^## Install\n([^]*?)^## /m.exec(readFileSync(path.join(project, 'README.md'), 'utf8'))[1];
const blocks = [...section.matchAll(/^```sh\n([^]*?)^```/gm)].map(([, text]) => text);
const skip = await whyNot();

let c;
let debs;
let retired;
let loads;
const packages = {};
const received = [];
const secret = newSecret();

// The package again, as of a later version: what it is called, and what its program says.  It is compiled once.
async function later(deb) {
  const next = version.replaceAll(/\d/g, '9');
  assert.notEqual(next, version);
  const tree = path.join(tempFolder('later'), 'tree');
  await must('dpkg-deb', ['-R', deb, tree]);
  const change = (at, from, to) => {
    const text = readFileSync(path.join(tree, at), 'latin1');
    assert.ok(text.includes(from), `${at}: ${from}`);
    writeFileSync(path.join(tree, at), text.replaceAll(from, to), 'latin1');
  };
  change('usr/bin/cronward', `cronward ${version}\0`, `cronward ${next}\0`);
  change('DEBIAN/control', `\nVersion: ${version}\n`, `\nVersion: ${next}\n`);
  await must('bash', ['-c', "cd \"$1\" && sed -n 's/^[0-9a-f]*  //p' DEBIAN/md5sums | xargs -d '\\n' md5sum >md5sums && mv md5sums DEBIAN/", 'bash', tree]);
  const made = path.join(path.dirname(tree), path.basename(deb).replace(version, next));
  await must('dpkg-deb', ['--root-owner-group', '-Zxz', '-z1', '-b', tree, made]);
  return { made, version: next };
}

// The only package in the folder from which README installs.
function offer(file) {
  rmSync(debs, { recursive: true, force: true });
  mkdirSync(debs, { recursive: true });
  copyFileSync(file, path.join(debs, path.basename(file)));
}

before(async () => {
  if (skip) return;
  [packages.first] = await Promise.all([makeDeb(), makeBase()]);
  packages.second = await later(packages.first);
  const tree = tempFolder('checkout');
  debs = path.join(tree, 'build/deb');
  c = await Chroot.start({ host: HOST, binds: { '/root/cronward': tree } });
  offer(packages.first);
  await c.write('/etc/apt/apt.conf.d/99tests', 'APT::Get::Assume-Yes "true";\nquiet "1";\n');
  await c.must('apt-get update && apt-get install systemd-standalone-tmpfiles', { env });
  await c.neighbour(process.execPath, [path.join(project, 'tests/lib/listener.mjs'), RECEIVER, String(RECEIVER_PORT)],
    (line) => received.push(JSON.parse(line)));
});
after(() => c?.end());

// Commands of README as root's shell would run them: the first that fails ends them.
const shell = (text) => c.run(`set -eo pipefail\n${text}`, { env, cwd: '/root/cronward', timeoutMs: 180_000 });

async function follow(text) {
  const done = await shell(text);
  assert.equal(done.code, 0, `${text}\nended ${done.code}\n${done.stdout}${done.stderr}`);
  return done.stdout;
}

const sql = (text) => c.must('psql -qXAt cronward', { user: 'postgres', input: text });
const active = async (unit) => (await c.run(`systemctl is-active ${unit}`)).stdout.trim();
const secretNow = () => c.read('/etc/cronward/secrets/CRON_JOB_API_KEY');

// Status of a call with this secret, over TLS, from inside.
async function ringWith(value) {
  const done = await c.run(`curl -s -o /dev/null -w '%{http_code}' -X POST -H @- --cacert /etc/cronward/tls/cert.pem \
    'https://${HOST}/api/workers/notificationExpiry?busy=200'`, { input: `Authorization: Bearer ${value.trim()}` });
  return Number(done.stdout);
}

// An event that the endpoint of this test wants, and a ring as README has it.
async function deliver() {
  received.length = 0;
  await sql(`INSERT INTO platform_events (event_type, payload) VALUES ('order.paid', '{"order": 42}')`);
  const answer = JSON.parse(await follow(ring));
  assert.equal(answer.succeeded, 1, JSON.stringify(answer));
  assert.equal(received.length, 1);
  assert.equal(refusal(secret, received[0].headers, received[0].body), undefined);
}

const keysInUse = async () => (await sql('SELECT DISTINCT split_part(secret, \'.\', 2) FROM app_webhooks')).trim();

// Calls go on until the answer is called, which says what they were answered with.
async function load(name, request) {
  const [command, ...args] = c.enter(['bash', '-c', `echo $$ >/run/${name}.pid
    exec curl -s --rate 10/s -w '%{stderr}%{http_code}\\n' ${request}`]);
  const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  let text = '';
  child.stderr.on('data', (part) => { text += part; });
  const statuses = () => text.split('\n').slice(0, -1);
  const ended = new Promise((resolve) => child.once('close', resolve));
  await until(() => statuses().length > 0, { what: 'the first answer' });
  return async () => {
    const count = statuses().length;
    await until(() => statuses().length > count + 5, { what: 'calls after it' });
    await c.must(`kill $(cat /run/${name}.pid)`);
    await ended;
    return statuses();
  };
}

const ring = blocks.find((text) => text.includes('/api/workers/webhookRetry'));

// [name, what its block holds, what is done before, what is true after].
const steps = [
  ['the package installs', 'apt install', {
    // A bare Debian has no compiler: the package comes from outside.
    text: (block) => block.replace(/^make deb\n/, ''),
    async after() {
      assert.equal(await active('cronward.target'), 'inactive');
      assert.equal(await active('postgresql@15-main'), 'active');
      const modes = await c.must("cd /etc/cronward && stat -c '%n %a %U:%G' secrets secrets/CRON_SECRET credentials credentials/ENCRYPTION_KEYS cronward.env");
      assert.equal(modes, 'secrets 750 root:cronward\nsecrets/CRON_SECRET 640 root:cronward\n'
        + 'credentials 700 root:root\ncredentials/ENCRYPTION_KEYS 600 root:root\ncronward.env 640 root:cronward\n');
      assert.match(await secretNow(), /^[0-9a-f]{64}\n$/);
    },
  }],
  ['settings and database', 'createdb', {
    async after() {
      assert.equal(await sql('SELECT count(*) FROM webhook_deliveries'), '0\n');
      // The receiver is on this host, which webhooks may not reach unless they are told so.
      await c.must(`echo 'EGRESS_ALLOW=${RECEIVER}/32' >>/etc/cronward/cronward.env`);
    },
  }],
  ['four pools start', 'enable --now', {
    async after() {
      for (const [pool, size] of Object.entries(POOLS)) {
        assert.equal(await active(`cronward@${pool}`), 'active');
        assert.equal(await c.must(`stat -c '%a %U:%G' /run/cronward/${pool}.sock`), '660 cronward:www-data\n');
        const count = () => c.run(`grep -slx cronward /proc/[0-9]*/comm | wc -l`).then((done) => Number(done.stdout));
        await until(async () => await count() >= size, { what: `the processes of ${pool}`, timeoutMs: 20_000 });
      }
      assert.equal(await c.must('stat -c "%a %U:%G" /run/cronward'), '751 root:www-data\n');
      assert.equal((await c.run('systemctl is-enabled cronward.target')).stdout, 'enabled\n');
    },
  }],
  ['the site is enabled', 'sites-enabled', {
    async after() {
      assert.equal(await c.must('stat -c %a /etc/cronward/tls/key.pem'), '600\n');
      const ready = () => c.run(`curl -sS -w '%{http_code}' -o /dev/null --cacert /etc/cronward/tls/cert.pem https://${HOST}/readyz`);
      await until(async () => {
        const { stdout, stderr } = await ready();
        if (stdout !== '200') throw new Error(`${stdout} ${stderr}`);
        return true;
      }, { what: '/readyz', timeoutMs: 20_000 });
    },
  }],
  ['a ring over TLS', 'webhookRetry', {
    after: async (printed) => {
      const { retried, succeeded, failed, message, run } = JSON.parse(printed);
      assert.deepEqual({ retried, succeeded, failed }, { retried: 0, succeeded: 0, failed: 0 });
      assert.equal(typeof message, 'string');
      assert.equal(run.worker, 'webhook-retry');
      await sql(`INSERT INTO app_webhooks (url, secret, events) VALUES ('http://${RECEIVER}:${RECEIVER_PORT}/hook', '${secret}', '{order.*}')`);
      await deliver();
      assert.equal(await keysInUse(), 'k1');
      // What it finds is our own doing: a certificate that nobody signed, a receiver on this host.
      const doctor = await c.run('cronwardctl doctor');
      assert.deepEqual([...doctor.stdout.matchAll(/^(?:fail|warn) +(\S+)/gm)].map(([, what]) => what).sort(), ['egress', 'front'], doctor.stdout);
    },
  }],
  ['a secret is rotated, both are good', 'CRON_JOB_API_KEY_PREVIOUS\nopenssl', {
    async before() { retired = await secretNow(); },
    async after() {
      const fresh = await secretNow();
      assert.notEqual(fresh, retired);
      await until(async () => await ringWith(fresh) === 200, { what: 'the new secret to be good', timeoutMs: 1000 });
      assert.equal(await ringWith(retired), 200);
    },
  }],
  ['the old secret is retired within a second', 'truncate', {
    async after() {
      await until(async () => await ringWith(retired) === 401, { what: 'the old secret to be refused', timeoutMs: 1000 });
      assert.equal(await ringWith(await secretNow()), 200);
    },
  }],
  ['rekey: all is sealed with the new key', 'cronwardctl rekey', {
    async after() {
      assert.equal(await keysInUse(), 'k2');
      await deliver();
    },
  }],
  ['the old key goes', 'sed -i', {
    async after() {
      assert.match(await c.read('/etc/cronward/credentials/ENCRYPTION_KEYS'), /^k2:[A-Za-z0-9+/]{43}=\n$/);
      await deliver();
    },
  }],
  ['an upgrade refuses no call', 'apt install', {
    async before() {
      offer(packages.second.made);
      await c.write('/run/header', `Authorization: Bearer ${await secretNow()}`, 0o600);
      loads = [
        await load('workers', `-X POST -H @/run/header --cacert /etc/cronward/tls/cert.pem 'https://${HOST}/api/workers/webhookRetry?busy=200&n=[1-9999]'`),
        await load('ready', `--cacert /etc/cronward/tls/cert.pem 'https://${HOST}/readyz?n=[1-9999]'`),
      ];
    },
    async after() {
      await until(async () => (await c.run(`ls -l /proc/[0-9]*/exe 2>/dev/null | grep '/usr/bin/cronward (deleted)'`)).stdout === '',
        { what: 'the old program to be gone', timeoutMs: 30_000 });
      for (const stop of loads) {
        const statuses = await stop();
        assert.ok(statuses.length > 10, `only ${statuses.length} calls`);
        assert.deepEqual(statuses.filter((status) => status !== '200'), []);
      }
      assert.equal(await c.must('cronward version'), `cronward ${packages.second.version}\n`);
      assert.match(await c.read('/etc/cronward/cronward.env'), /^DATABASE_URL=/m);
      await deliver();
    },
  }],
  ['removing keeps /etc', 'apt remove', {
    async after() {
      assert.equal(await c.has('/usr/bin/cronward'), false);
      assert.equal(await c.has('/run/cronward'), false);
      assert.equal((await c.run(`grep -slx cronward /proc/[0-9]*/comm`)).stdout, '');
      for (const at of ['cronward.env', 'secrets/CRON_SECRET', 'credentials/ENCRYPTION_KEYS', 'tls/key.pem'])
        assert.equal(await c.has(`/etc/cronward/${at}`), true, at);
      await c.must('nginx -t');
    },
  }],
  ['purging leaves nothing', 'apt purge', {
    async after() {
      const left = await c.must(`find / -xdev \\( -path /root/cronward -o -path /srv -o -path /var/cache/apt -o -path /var/lib/postgresql \\) -prune \
        -o -iname '*cronward*' -print`);
      assert.equal(left, '');
      assert.equal((await c.run('getent passwd cronward; getent group cronward')).stdout, '');
      await c.must('nginx -t');
      assert.ok(Number(await sql('SELECT count(*) FROM webhook_deliveries')) > 0, 'the database is not touched');
    },
  }],
];

test('README has a block for each step, in this order', () => {
  assert.deepEqual(blocks.map((text, i) => text.includes(steps[i]?.[1])), steps.map(() => true));
});

// One that failed leaves nothing for the next to stand on.
let going = true;
for (const [i, [name, , step]] of steps.entries()) {
  test(`README, Install: ${name}`, { skip }, async (t) => {
    assert.ok(going, 'a step before it failed');
    going = false;
    try {
      await step.before?.();
      const printed = await follow((step.text ?? ((text) => text))(blocks[i]));
      await step.after(printed);
      going = true;
    } finally {
      if (!going) t.diagnostic((await c.run('tail -n 20 /run/log/*.log')).stdout);
    }
  });
}
