// What README shows of sealing in Node and Python works as it stands there: both ways, with the
// program and with each other.
import assert from 'node:assert/strict';
import { randomBytes, randomUUID } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, test } from 'node:test';
import { tempFolder } from '../lib/clean.mjs';
import { cleanEnv, must, run } from '../lib/process.mjs';
import { program, root } from '../lib/program.mjs';
import { Stand } from '../lib/stand.mjs';
import { newSecret } from '../lib/webhooks.mjs';

const readme = readFileSync(path.join(root, 'README.md'), 'utf8');
const example = (name) => path.join(root, 'deploy/examples', name);
const newKey = (id) => `${id}:${randomBytes(32).toString('base64')}`;
const [old, newest] = [newKey('2026-10'), newKey('2026-11')];
const keys = `${newest},${old}`;
const place = (row, column = 'secret') => ({ table: 'app_webhooks', column, row });

// The one block of this language in README's section, as a file.
function snippet(language, name) {
  const section = readme.split(/^## /m).find((part) => part.startsWith('Sealed secrets\n'));
  const blocks = [...section.matchAll(new RegExp(`^\`\`\`${language}\\n([^]*?)^\`\`\``, 'gm'))].map(([, text]) => text);
  assert.equal(blocks.length, 1, `README has ${blocks.length} blocks in ${language}`);
  assert.ok(readFileSync(example(name), 'utf8').includes(blocks[0]), `deploy/examples/${name} has what README shows`);
  const file = path.join(tempFolder(), name);
  writeFileSync(file, blocks[0]);
  return file;
}

const node = await import(snippet('js', 'seal.mjs'));
const pythonFile = snippet('python', 'seal.py');

// The python3 that has the library.  Debian's package belongs to /usr/bin/python3, and another may
// come before it on PATH.
async function findPython() {
  for (const name of ['python3', '/usr/bin/python3']) {
    const done = await run(name, ['-c', 'import cryptography']).catch(() => ({ code: 1 }));
    if (done.code === 0) return name;
  }
  return undefined;
}
const python = await findPython();
const withPython = { skip: python ? false : 'python3-cryptography is not installed' };

// Each of `jobs` is { act, ring, at, text }; answers { value } or { error }.
const pythonDoes = (jobs) => must(python, ['-c', `
import importlib.util, json, sys
spec = importlib.util.spec_from_file_location("seal", sys.argv[1])
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
def done(job):
    try:
        return {"value": getattr(module, job["act"])(job["ring"], job["at"], job["text"])}
    except Exception as e:
        return {"error": type(e).__name__ + ": " + str(e)}
json.dump([done(job) for job in json.load(sys.stdin)], sys.stdout)`, pythonFile], { input: JSON.stringify(jobs) }).then(JSON.parse);

const cronward = (args, input, ring = keys) => run(program(), args, { env: cleanEnv({ ENCRYPTION_KEYS: ring }), input });
const placeArgs = ({ table, column, row }) => ['--table', table, '--column', column, '--row', row];

// What the program does, in the form of the snippets; `open` only says whether it does.
async function programSeals(ring, at, text) {
  const done = await cronward(['seal', ...placeArgs(at)], text, ring);
  assert.equal(done.code, 0, done.stderr);
  return done.stdout.trimEnd();
}
const programCheck = (ring, at, sealed) => cronward(['seal', ...placeArgs(at), '--check'], sealed, ring);

const secrets = [newSecret(), 'x', 'a b\tc "\\', 'Zürich €😀', 'y'.repeat(65536)];

test('what the program seals, Node opens, and the other way round', async () => {
  for (const secret of secrets) {
    const at = place(randomUUID());
    const sealed = await programSeals(keys, at, secret);
    assert.match(sealed, /^cw1\.2026-11\.[\w+/]+=*$/);
    assert.equal(node.open(keys, at, sealed), secret);
    const checked = await programCheck(keys, at, node.seal(keys, at, secret));
    assert.deepEqual([checked.code, checked.stdout.trim()], [0, 'opens with the key 2026-11'], checked.stderr);
    const earlier = await programCheck(keys, at, node.seal(old, at, secret));
    assert.deepEqual([earlier.code, earlier.stdout.trim()], [0, 'opens with the key 2026-10'], earlier.stderr);
  }
});

test('what the program and Node seal, Python opens, and the other way round', withPython, async () => {
  const at = place(randomUUID(), 'previous_secret');
  const opening = [];
  for (const text of secrets) {
    opening.push({ act: 'open', ring: keys, at, text: await programSeals(keys, at, text) });
    opening.push({ act: 'open', ring: keys, at, text: node.seal(old, at, text) });
  }
  assert.deepEqual(await pythonDoes(opening), secrets.flatMap((value) => [{ value }, { value }]));
  const sealed = await pythonDoes(secrets.map((text) => ({ act: 'seal', ring: keys, at, text })));
  for (const [i, { value }] of sealed.entries()) {
    assert.equal(node.open(keys, at, value), secrets[i]);
    const checked = await programCheck(keys, at, value);
    assert.equal(checked.code, 0, checked.stderr);
  }
});

// How a value is spoilt, and with which keys and place it is opened then.
const at = place(randomUUID());
const bend = (text, i) => text.slice(0, i) + (text[i] === 'A' ? 'B' : 'A') + text.slice(i + 1);
const spoilt = {
  'another row': [(sealed) => sealed, keys, place(randomUUID())],
  'another column': [(sealed) => sealed, keys, { ...at, column: 'previous_secret' }],
  'another key of that id': [(sealed) => sealed, newKey('2026-11'), at],
  'a key that is not there': [(sealed) => sealed, old, at],
  'another key id': [(sealed) => sealed.replace('2026-11', '2026-10'), keys, at],
  'a bent nonce': [(sealed) => bend(sealed, 13), keys, at],
  'a bent tag': [(sealed) => bend(sealed, sealed.length - 5), keys, at],
  'no text': [(sealed) => sealed.slice(0, 12), keys, at],
  'a text cut short': [(sealed) => sealed.slice(0, 40), keys, at],
  'another form': [(sealed) => sealed.replace('cw1', 'cw2'), keys, at],
  'nothing at all': [() => '', keys, at],
  'a plain secret': [() => newSecret(), keys, at],
};
const spoiltOnes = [];
for (const [what, [spoil, ring, where]] of Object.entries(spoilt)) {
  test(`${what}: opens nowhere`, async () => {
    const sealed = spoil(node.seal(keys, at, newSecret()));
    assert.throws(() => node.open(ring, where, sealed), { message: /./ });
    spoiltOnes.push({ act: 'open', ring, at: where, text: sealed });
    const checked = await programCheck(ring, where, sealed);
    assert.equal(checked.code, 1, checked.stdout);
    assert.match(checked.stderr, /^cronward: app_webhooks\.\w+ /);
    assert.equal(checked.stdout, '');
  });
}

test('none of these opens in Python', withPython, async () => {
  assert.equal(spoiltOnes.length, Object.keys(spoilt).length);
  for (const [i, { error }] of (await pythonDoes(spoiltOnes)).entries())
    assert.match(String(error), /^(InvalidTag|ValueError|Error): /, JSON.stringify(spoiltOnes[i]));
});

test('without a key or a secret nothing is sealed', async () => {
  for (const [ring, secret] of [['', 'x'], [keys, '']]) {
    assert.throws(() => node.seal(ring, at, secret), /no key, or nothing to seal/);
    if (python) assert.match((await pythonDoes([{ act: 'seal', ring, at, text: secret }]))[0].error, /no key, or nothing to seal/);
    const done = await cronward(['seal', ...placeArgs(at)], secret, ring);
    assert.deepEqual([done.code, done.stdout], [1, '']);
  }
  const again = await cronward(['seal', ...placeArgs(at)], node.seal(keys, at, 'x'));
  assert.deepEqual([again.code, again.stdout], [1, '']);
  assert.match(again.stderr, /sealed already/);
});

for (const [name, command] of [['seal.mjs', process.execPath], ['seal.py', python]]) {
  test(`deploy/examples/${name} is a command`, command ? {} : withPython, async () => {
    const file = path.join(tempFolder(), 'keys');
    writeFileSync(file, `${newest}\r\n${old}\r\n`);
    const secret = newSecret();
    const args = [example(name), 'seal', at.table, at.column, at.row];
    const sealed = await must(command, args, { env: cleanEnv({ ENCRYPTION_KEYS_FILE: file }), input: `${secret}\n` });
    assert.equal(node.open(keys, at, sealed.trimEnd()), secret);
    args[1] = 'open';
    const opened = await must(command, args, { env: cleanEnv({ ENCRYPTION_KEYS: keys }), input: sealed });
    assert.equal(opened, `${secret}\n`);
    for (const [env, changed, message] of [
      [{ ENCRYPTION_KEYS: keys }, [...args.slice(0, 4), randomUUID()], /./],
      [{ ENCRYPTION_KEYS: newKey('2026-11') }, args, /./],
      [{}, args, /a key that is not here/],
      [{ ENCRYPTION_KEYS: keys }, args.slice(0, 4), /usage: /],
      [{ ENCRYPTION_KEYS: keys }, [args[0], 'main', ...args.slice(2)], /usage: /],
    ]) {
      const done = await run(command, changed, { env: cleanEnv(env), input: sealed });
      assert.deepEqual([done.code, done.stdout], [1, '']);
      assert.ok(done.stderr.startsWith(`${name}: `) && done.stderr.split('\n').length === 2, done.stderr);
      assert.match(done.stderr.slice(name.length + 2), message);
    }
  });
}

test('an endpoint whose secret the application sealed gets its deliveries signed with it', async () => {
  const stand = await Stand.create({ env: { ENCRYPTION_KEYS: keys } });
  after(() => stand.end());
  await stand.startPool({ size: 1 });
  const sealers = [['node', node.seal], ['program', programSeals], ...(python ? [['python', async (ring, at, text) => (await pythonDoes([{ act: 'seal', ring, at, text }]))[0].value]] : [])];
  for (const [name, seal] of sealers) {
    const [id, secret] = [randomUUID(), newSecret()];
    await stand.endpoint(`/ok/${name}`, { id, url: stand.receiver.url(`/ok/${name}`, secret), secret: await seal(keys, place(id), secret) });
  }
  await stand.enqueue(1);
  const answer = await stand.call('webhook-retry');
  assert.equal(answer.json.succeeded, sealers.length, answer.body);
  for (const [name] of sealers) {
    const [request, ...more] = stand.receiver.to(`/ok/${name}`);
    assert.equal(more.length, 0);
    assert.equal(request.refusal, undefined, name);
  }
  // And the other way round: what was sealed here, all at once, opens in the application.
  const plain = newSecret();
  const { id } = await stand.endpoint('/ok/plain', { secret: plain, previous_secret: 'the one before' });
  const done = await stand.cli(['seal', '--all']);
  assert.equal(done.code, 0, done.stderr);
  const row = await stand.db.one('SELECT secret, previous_secret FROM app_webhooks WHERE id = $1', [id]);
  assert.equal(node.open(keys, place(id), row.secret), plain);
  assert.equal(node.open(keys, place(id, 'previous_secret'), row.previous_secret), 'the one before');
});
