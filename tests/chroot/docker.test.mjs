// The Dockerfile's steps in bare Debian roots, and what compose.yaml would start in them.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readFileSync, readdirSync, statSync } from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { parse } from 'yaml';
import { Chroot, makeBase, whyNot } from '../lib/chroot.mjs';
import { tempFolder } from '../lib/clean.mjs';
import { buildImages, contextOf, readDockerfile } from '../lib/dockerfile.mjs';
import { must } from '../lib/process.mjs';
import { root as project } from '../lib/program.mjs';
import { until } from '../lib/wait.mjs';

const HOST = 'cron.example.com';
const folder = path.join(project, 'deploy/docker');
const compose = parse(readFileSync(path.join(folder, 'compose.yaml'), 'utf8'), { merge: true });
const POOLS = ['workers', 'api', 'inbound', 'async'];
const skip = await whyNot();

let images;
let postgres;
let secrets;

// What the product's file may hold, and is read by this test.
const known = {
  service: ['image', 'build', 'restart', 'read_only', 'tmpfs', 'cap_drop', 'security_opt', 'secrets', 'volumes', 'depends_on',
    'stop_grace_period', 'environment', 'command', 'healthcheck', 'ports'],
  build: ['context', 'dockerfile', 'target'],
};

test('compose.yaml names what is there and nothing that it does not need', () => {
  for (const [name, service] of Object.entries(compose.services)) {
    assert.deepEqual(Object.keys(service).filter((key) => !known.service.includes(key)), [], name);
    for (const one of service.secrets ?? []) assert.ok(compose.secrets[one.source ?? one], `${name}: ${JSON.stringify(one)}`);
    for (const one of service.volumes ?? []) assert.ok(one.split(':')[0] in compose.volumes, `${name}: ${one}`);
    for (const one of Array.isArray(service.depends_on) ? service.depends_on : Object.keys(service.depends_on ?? {}))
      assert.ok(compose.services[one], `${name}: ${one}`);
    if (!service.build) continue;
    assert.deepEqual(Object.keys(service.build).filter((key) => !known.build.includes(key)), []);
    assert.equal(path.resolve(folder, service.build.context), project);
    assert.equal(path.resolve(project, service.build.dockerfile), path.join(folder, 'Dockerfile'));
    assert.ok(readDockerfile(path.join(folder, 'Dockerfile')).some((stage) => stage.name === service.build.target));
  }
  assert.deepEqual(POOLS.map((pool) => compose.services[pool].environment.POOL), POOLS);
  // Secrets are files, and in no setting.
  const texts = Object.values(compose.services).flatMap((service) => Object.entries(service.environment ?? {}));
  assert.deepEqual(texts.filter(([name]) => /SECRET|KEY|PASSWORD/.test(name) && !name.endsWith('_FILE')), []);
});

before(async () => {
  if (skip) return;
  await makeBase();
  const stages = readDockerfile(path.join(folder, 'Dockerfile'));
  const context = await contextOf(project, path.join(folder, 'Dockerfile.dockerignore'));
  // As README has it, in a tree of its own.
  await must(path.join(context, 'deploy/docker/make-secrets'), [HOST]);
  secrets = path.join(context, 'deploy/docker');
  const sockets = tempFolder('sockets');
  // One network, as a compose file's services have one.
  postgres = await Chroot.start({ host: 'postgres' });
  // The image of PostgreSQL's is not here: Debian's server, told by the same variables.
  const installed = postgres.must('apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends postgresql', { timeoutMs: 200_000 });
  images = await buildImages(stages, context, (name) => ({
    host: name, net: postgres, binds: name === 'build' ? {} : { '/run/cronward': sockets },
  }));
  await installed;
});

after(async () => {
  for (const root of [...Object.values(images ?? {}).map((image) => image.root), postgres]) await root?.end();
});

const secretText = (name) => readFileSync(path.join(secrets, compose.secrets[name].file), 'utf8');

// A service's secrets where it looks for them.
async function handOver(root, service) {
  for (const one of service.secrets ?? [])
    await root.write(one.target ?? `/run/secrets/${one}`, secretText(one.source ?? one), 0o444);
  await root.must('echo 127.0.0.1 postgres >>/etc/hosts');
}

// As the shell that calls Docker has them, or what the file says instead.
const outside = { APP_URL: `https://${HOST}` };
const environment = (service) => Object.fromEntries(Object.entries(service.environment ?? {})
  .map(([name, value]) => [name, value.replace(/\$\{(\w+):-([^}]*)\}/, (_, variable, instead) => outside[variable] ?? instead)]));

// The words that Docker would make of image and service, with what `cap_drop` and `security_opt` take.
function inContainer(image, service, words) {
  const bound = service.cap_drop ? ['setpriv', '--no-new-privs', '--bounding-set=-all', '--inh-caps=-all', '--'] : [];
  const who = image.user ? ['bash', '-c', 'user=$1; shift; exec setpriv --reuid="$user" --regid="$(id -g "$user")" --init-groups -- "$@"', 'bash', image.user] : [];
  return image.root.enter([...who, ...bound, ...words], { env: { ...image.env, ...environment(service) }, cwd: image.cwd });
}

const running = {};

function startService(name, image) {
  const service = compose.services[name];
  const words = inContainer(image, service, [...image.entrypoint, ...(service.command ?? image.command)]);
  // Through a pipe, as Docker reads it: node's own are sockets, which /dev/stdout cannot open.
  const child = spawn('bash', ['-c', 'set -o pipefail; "$@" 2>&1 | cat', 'bash', ...words], { stdio: ['ignore', 'pipe', 'inherit'] });
  const said = [];
  child.stdout.on('data', (part) => said.push(part));
  const ended = new Promise((resolve) => child.once('close', resolve));
  running[name] = { ended, said: () => Buffer.concat(said).toString() };
  return running[name];
}

const answers = async (words) => {
  const [command, ...args] = words;
  return (await must(command, args).then(() => ({ ok: true }), (e) => ({ why: e.message })));
};

async function healthy(name, image) {
  await until(async () => {
    const { ok, why } = await answers(inContainer(image, compose.services[name], image.health));
    if (!ok) throw new Error(`${why}\n${running[name].said().slice(-2000)}`);
    return true;
  }, { what: `${name} to be healthy`, timeoutMs: 30_000, everyMs: 200 });
}

test('the images have what they need, run by nobody, and no secret', { skip }, async () => {
  const { cronward, nginx } = images;
  assert.equal(cronward.user, 'cronward');
  assert.deepEqual(cronward.env, { POOL: 'workers' });
  assert.equal((await cronward.root.run('command -v gcc make')).stdout, '');
  assert.match(await cronward.root.must('cronward version'), /^cronward \d/);
  assert.equal(await cronward.root.must('stat -c "%a %U:%G" /run/cronward'), '750 cronward:www-data\n');
  assert.deepEqual(nginx.ports, ['443', '80']);
  for (const { root } of [cronward, nginx])
    for (const name of readdirSync(path.join(secrets, 'secrets.d')).filter((one) => statSync(path.join(secrets, 'secrets.d', one)).size > 0)) {
      const value = readFileSync(path.join(secrets, 'secrets.d', name), 'utf8').split('\n').filter((line) => !line.startsWith('-----'))[0];
      const found = await root.run('grep -rlF -f - /etc /usr/lib/cronward /run /root /src 2>/dev/null', { input: value });
      assert.equal(found.stdout, '', name);
    }
});

test('postgres starts as the compose file wants it', { skip }, async () => {
  const service = compose.services.postgres;
  await handOver(postgres, service);
  const { POSTGRES_USER: user, POSTGRES_DB: database, POSTGRES_PASSWORD_FILE: file } = service.environment;
  await postgres.must(`pg_dropcluster --stop 15 main; bin=/usr/lib/postgresql/15/bin; install -d -o postgres /srv/data
    runuser -u postgres -- $bin/initdb -D /srv/data -U ${user} -E UTF8 --locale=C.UTF-8 --auth=scram-sha-256 --pwfile=${file} --no-sync
    runuser -u postgres -- $bin/pg_ctl -D /srv/data -o '-c listen_addresses=* -c fsync=off' -l /srv/data/log -w start
    PGPASSWORD=$(cat ${file}) createdb -h 127.0.0.1 -U ${user} ${database}`);
  await postgres.must(service.healthcheck.test.slice(1).join(' '));
});

test('migrate ends well, once and again', { skip }, async () => {
  await handOver(images.cronward.root, compose.services.migrate);
  // As `read_only` has it: the sockets' volume alone can be written to.
  assert.equal(compose.services.migrate.read_only, true);
  await images.cronward.root.must('mount -o remount,ro /run && mount -o remount,ro /');
  for (const wanted of [/applied 0001/, /schema is at version/]) {
    const { ended, said } = startService('migrate', images.cronward);
    assert.equal(await ended, 0, said());
    assert.match(said(), wanted);
  }
});

test('the four pools and nginx are healthy', { skip }, async () => {
  for (const pool of POOLS) startService(pool, images.cronward);
  for (const pool of POOLS) await healthy(pool, images.cronward);
  assert.equal(await images.cronward.root.must('stat -c "%a %U:%G" /run/cronward/api.sock'), '660 cronward:www-data\n');
  await handOver(images.nginx.root, compose.services.nginx);
  startService('nginx', images.nginx);
  await healthy('nginx', images.nginx);
});

test('a ring through nginx is answered, and a wrong secret is not', { skip }, async () => {
  const ring = (secret) => images.nginx.root.must(`curl -s -X POST -w ' %{http_code}' --cacert /etc/cronward/tls/cert.pem --resolve ${HOST}:443:127.0.0.1 -H @- \
    https://${HOST}/api/workers/webhookRetry`, { input: `Authorization: Bearer ${secret}` });
  assert.match(await ring(secretText('CRON_JOB_API_KEY').trim()), /^\{"retried":0,"succeeded":0,"failed":0,.* 200$/);
  assert.match(await ring('0123456789abcdef'), / 401$/);
  await until(() => running.nginx.said().includes('"worker":"webhook-retry"'), { what: 'the access log on standard output' });
});

test('a command runs as README has it', { skip }, async () => {
  const [command, ...args] = inContainer(images.cronward, compose.services.api, [...images.cronward.entrypoint, 'status']);
  assert.match(await must(command, args), /webhook-retry/);
});

test('pools and nginx end when they are told to', { skip }, async () => {
  await images.cronward.root.must(`kill -TERM $(grep -lx multiwatch /proc/[0-9]*/comm | cut -d/ -f3)`);
  for (const pool of POOLS) assert.equal(await running[pool].ended, 0, running[pool].said());
  await images.nginx.root.must(`kill -${images.nginx.stopSignal.replace('SIG', '')} $(cat /run/nginx.pid)`);
  assert.equal(await running.nginx.ended, 0, running.nginx.said());
});
