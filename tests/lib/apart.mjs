// Stand-ins in a process of their own, so that what they cost is not the test's.  `startApart` gives an
// object for each, whose methods are the stand-in's and answer by promises; the process ends with ours.
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { atExit } from './clean.mjs';

const file = fileURLToPath(import.meta.url);

const stand = {
  github: async () => (await import('./github.mjs')).GitHub,
  notion: async () => (await import('./notion.mjs')).Notion,
  slack: async () => (await import('./slack.mjs')).Slack,
  google: async () => (await import('./google.mjs')).Google,
};

// What a caller has to know of one.
const told = ({ origin, client, burns, prefixes }) => ({ origin, client, burns, prefixes });

async function serveAll() {
  const made = {};
  process.on('disconnect', () => process.exit(0));
  process.on('message', async ({ id, name, method, args }) => {
    try {
      if (method === 'start') {
        made[name] = await (await stand[name]()).start(...args);
        process.send({ id, result: told(made[name]) });
      } else process.send({ id, result: await made[name][method](...args) });
    } catch (e) {
      process.send({ id, error: e.stack });
    }
  });
}

// { github, notion, … }, each with `origin`, `client`, and the stand-in's methods.
export async function startApart(...names) {
  const child = fork(file, [], { serialization: 'advanced', stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
  const waiting = new Map();
  let last = 0;
  const stop = atExit(() => child.kill('SIGKILL'));
  const hold = () => (waiting.size > 0 ? child.channel?.ref() : child.channel?.unref());
  child.unref();
  child.on('message', ({ id, result, error }) => {
    const { resolve, reject } = waiting.get(id);
    waiting.delete(id);
    hold();
    if (error) reject(new Error(error));
    else resolve(result);
  });
  child.on('exit', () => {
    for (const { reject } of waiting.values()) reject(new Error('the process of the stand-ins has ended'));
    waiting.clear();
  });
  const ask = (name, method, ...args) => new Promise((resolve, reject) => {
    waiting.set(++last, { resolve, reject });
    hold();
    child.send({ id: last, name, method, args }, (e) => e && reject(e));
  });
  const made = {};
  for (const name of names) {
    const facts = await ask(name, 'start');
    made[name] = new Proxy({ ...facts, name, stop, pid: child.pid }, {
      // Not a promise, whoever awaits it.
      get: (target, key) => (key in target ? target[key] : typeof key === 'string' && key !== 'then' ? (...args) => ask(name, key, ...args) : undefined),
    });
  }
  return made;
}

if (process.send && process.argv[1] === file) await serveAll();
