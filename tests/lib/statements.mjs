// The program's SQL as the build embeds it: name, number of parameters, text.
import { mustSync } from './process.mjs';
import { root } from './program.mjs';
import { readdirSync } from 'node:fs';
import path from 'node:path';

export function statements() {
  const folder = path.join(root, 'sql');
  const files = readdirSync(folder).filter((name) => name.endsWith('.sql')).sort().map((name) => path.join(folder, name));
  const list = mustSync('awk', ['-f', path.join(folder, 'embed.awk'), ...files]);
  return [...list.matchAll(/^SQL\(\w+, "(\w+)", (\d+),((?:\s*"(?:\\.|[^"\\])*")+)\)$/gm)].map(([, name, params, quoted]) => ({
    name,
    params: Number(params),
    text: [...quoted.matchAll(/"((?:\\.|[^"\\])*)"/g)]
      .map(([, part]) => part.replace(/\\(.)/g, (_, c) => (c === 'n' ? '\n' : c))).join(''),
  }));
}
