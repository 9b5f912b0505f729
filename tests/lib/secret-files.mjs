// Files of secrets, written in every way in which people and machines replace one.
import { closeSync, existsSync, lstatSync, mkdirSync, openSync, renameSync, rmSync, symlinkSync, writeFileSync, writeSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { tempFolder } from './clean.mjs';

// Between two writes of one program.
const WRITES_MS = 30;

export class SecretFiles {
  folder = tempFolder('secrets');
  // For how long a file was left half written, at most: where nothing runs in time, too long.
  halfMs = 0;
  #versions = 0;

  path(name) {
    return path.join(this.folder, name);
  }

  // Written beside it, then put in its place: what mv and most tools do.
  rename(name, text) {
    writeFileSync(`${this.path(name)}.new`, text, { mode: 0o600 });
    this.#replace(name);
  }

  // What `echo text > name` does.
  rewrite(name, text) {
    this.#whole(name);
    writeFileSync(this.path(name), text, { mode: 0o600 });
  }

  // The same by a program that writes twice, while others read.
  async halves(name, text) {
    this.#whole(name);
    const began = Date.now();
    const file = openSync(this.path(name), 'w', 0o600);
    const half = Math.ceil(text.length / 2);
    await pause(WRITES_MS);
    writeSync(file, text.slice(0, half));
    await pause(WRITES_MS);
    writeSync(file, text.slice(half));
    closeSync(file);
    this.halfMs = Math.max(this.halfMs, Date.now() - began);
  }

  // A link that points to a new version.
  link(name, text) {
    const at = `v${++this.#versions}`;
    mkdirSync(this.path(at));
    writeFileSync(path.join(this.path(at), name), text, { mode: 0o600 });
    this.#point(name, path.join(at, name));
  }

  // As Kubernetes keeps a secret's keys: NAME -> ..data/NAME, and ..data is switched for all at once.
  volume(texts) {
    const at = `..v${++this.#versions}`;
    mkdirSync(this.path(at));
    for (const [name, text] of Object.entries(texts)) writeFileSync(path.join(this.path(at), name), text, { mode: 0o600 });
    symlinkSync(at, this.path('..data.new'));
    this.#replace('..data');
    for (const name of Object.keys(texts)) this.#point(name, path.join('..data', name));
  }

  remove(name) {
    rmSync(this.path(name), { recursive: true, force: true });
  }

  #point(name, target) {
    symlinkSync(target, `${this.path(name)}.new`);
    this.#replace(name);
  }

  #replace(name) {
    renameSync(`${this.path(name)}.new`, this.path(name));
  }

  // Rewriting is of a file of its own, not of what a link points to.
  #whole(name) {
    if (existsSync(this.path(name)) && lstatSync(this.path(name)).isSymbolicLink()) this.remove(name);
  }
}
