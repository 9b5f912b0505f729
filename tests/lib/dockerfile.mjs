// Builds the stages of a Dockerfile in bare Debian roots, instruction by instruction.  It knows those
// that ours uses; another is an error.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { parse } from 'yaml';
import { Chroot } from './chroot.mjs';
import { tempFolder } from './clean.mjs';
import { must } from './process.mjs';

// [{ name, from, steps: [[instruction, text]] }]
export function readDockerfile(file) {
  const stages = [];
  const text = readFileSync(file, 'utf8').replace(/^#.*\n/gm, '').replace(/\\\n/g, '');
  for (const line of text.split('\n').filter((one) => one.trim())) {
    const [, instruction, rest] = /^([A-Z]+) +(.*)$/.exec(line) ?? [];
    if (!instruction) throw new Error(`${file}: what is this: ${line}`);
    if (instruction === 'FROM') {
      const [, from, name] = /^(\S+) AS (\S+)$/.exec(rest);
      stages.push({ name, from, steps: [] });
    } else {
      stages.at(-1).steps.push([instruction, rest]);
    }
  }
  return stages;
}

// What `docker build` would send: the tree without what the ignore file names.
export async function contextOf(tree, ignoreFile) {
  const context = tempFolder('context');
  const excludes = readFileSync(ignoreFile, 'utf8').trim().split('\n').map((one) => `--exclude=./${one}`);
  await must('bash', ['-c', 'set -o pipefail; from=$1 to=$2; shift 2; tar -C "$from" "$@" -c . | tar -C "$to" -x', 'bash', tree, context, ...excludes]);
  return context;
}

// The exec form as words, the shell form as /bin/sh would get it.
const words = (text) => (text.startsWith('[') ? parse(text) : ['/bin/sh', '-c', text]);

const instructions = {
  async RUN(image, text) {
    await image.root.must(text, { env: image.env, user: image.user, cwd: image.cwd, shell: ['/bin/sh', '-c'], timeoutMs: 200_000 });
  },
  async COPY(image, text, stages) {
    const [first, ...rest] = text.split(/ +/);
    const from = /^--from=(.+)$/.exec(first)?.[1];
    const names = from ? rest : [first, ...rest];
    const to = names.pop();
    const at = path.posix.join(image.cwd, to) + (to.endsWith('/') || to === '.' ? '/' : '');
    // Between two stages by a folder that both see.
    const hand = from ? `/mnt/hand/${from}-${image.name}` : '/mnt/context';
    for (const name of names) {
      const source = path.posix.join(hand, name);
      if (from) await stages[from].root.must(`mkdir -p ${path.posix.dirname(source)} && cp -a ${name.replace(/\/$/, '')} ${path.posix.dirname(source)}/`);
      // A folder is copied as what is in it.
      await image.root.must(`at=${at}; case $at in */) mkdir -p $at;; *) mkdir -p $(dirname $at);; esac
        if [ -d ${source} ]; then mkdir -p $at && cp -R --preserve=mode,links ${source}/. $at; else cp --preserve=mode ${source} $at; fi`);
    }
  },
  async WORKDIR(image, text) {
    image.cwd = path.posix.join(image.cwd, text);
    await image.root.must(`mkdir -p ${image.cwd}`);
  },
  ENV(image, text) {
    for (const [, name, value] of text.matchAll(/(\w+)=(\S+)/g)) image.env[name] = value;
  },
  USER(image, text) { image.user = text; },
  CMD(image, text) { image.command = words(text); },
  ENTRYPOINT(image, text) { image.entrypoint = words(text); },
  HEALTHCHECK(image, text) { image.health = words(/CMD (.*)$/.exec(text)[1]); },
  VOLUME(image, text) { image.volumes.push(text); },
  EXPOSE(image, text) { image.ports.push(...text.split(' ')); },
  STOPSIGNAL(image, text) { image.stopSignal = text; },
};

// All stages, by name.  `start(name)`: what Chroot.start is to be told of a stage.
export async function buildImages(stages, context, start) {
  const hand = tempFolder('hand');
  const images = {};
  for (const { name, steps } of stages) {
    const options = await start(name, images);
    const root = await Chroot.start({ ...options, binds: { '/mnt/context': context, '/mnt/hand': hand, ...options.binds } });
    // Nothing starts by itself in a container, and debian's image says so.
    await root.write('/usr/sbin/policy-rc.d', '#!/bin/sh\nexit 101\n', 0o755);
    await root.must('rmdir /run/systemd/system && apt-get update');
    const image = { name, root, env: {}, cwd: '/', entrypoint: [], command: [], volumes: [], ports: [] };
    images[name] = image;
    for (const [instruction, text] of steps) {
      if (!instructions[instruction]) throw new Error(`no test knows the instruction ${instruction}`);
      await instructions[instruction](image, text, images);
    }
  }
  // What an image of Docker's would not have.
  for (const { root } of Object.values(images)) await root.must('umount /mnt/context && rm -rf /mnt/hand/* && umount /mnt/hand');
  return images;
}
