// Finds secrets in whatever form they may have been written down.
import { readFileSync, readdirSync, statSync } from 'node:fs';
import path from 'node:path';

export class Needles {
  #list = [];

  // `text` as it is given and as base64; `bytes`, what it stands for, raw and in other notations.
  add(name, text, bytes) {
    const forms = { plain: Buffer.from(text), base64: Buffer.from(Buffer.from(text).toString('base64').replaceAll('=', '')) };
    if (bytes) Object.assign(forms, { raw: bytes, hex: Buffer.from(bytes.toString('hex')), 'raw base64': Buffer.from(bytes.toString('base64')) });
    for (const [form, needle] of Object.entries(forms)) this.#list.push({ name: `${name} (${form})`, needle });
  }

  get names() {
    return this.#list.map((one) => one.name);
  }

  // The names of all that `hay` holds.
  in(hay) {
    const bytes = Buffer.isBuffer(hay) ? hay : Buffer.from(hay);
    return this.#list.filter((one) => bytes.includes(one.needle)).map((one) => one.name);
  }

  // "file: name" for each file under `folder`; `skip` says which not to open.
  inFiles(folder, skip = () => false) {
    const found = [];
    let files = 0;
    const walk = (at) => {
      for (const name of readdirSync(at)) {
        const file = path.join(at, name);
        const is = statSync(file, { throwIfNoEntry: false });
        if (!is || skip(file)) continue;
        if (is.isDirectory()) walk(file);
        if (!is.isFile()) continue;
        files++;
        found.push(...this.in(readFileSync(file)).map((one) => `${file}: ${one}`));
      }
    };
    walk(folder);
    return { found, files };
  }
}
