// The Debian package of this tree, built once for all who ask.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { tempFolder } from './clean.mjs';
import { cleanEnv, must } from './process.mjs';
import { root } from './program.mjs';

export const version = /^VERSION := (\S+)$/m.exec(readFileSync(path.join(root, 'Makefile'), 'utf8'))[1];
const env = cleanEnv({ PATH: `${process.env.PATH}:/usr/sbin:/sbin` });

// Its path.  `make deb` builds it; where it has been built of the same files, that takes no time.
export async function makeDeb() {
  const made = await must(path.join(root, 'deploy/make-deb'), [version], { env, timeoutMs: 200_000 });
  return made.trim().split('\n').pop();
}

// What `make install` would put there, with PREFIX and SYSCONFDIR in a folder of its own, so that
// every path that the files name exists.  Run as somebody who lets nobody read his files.
export async function installTree(program, at = tempFolder('installed')) {
  const sysconf = path.join(at, 'etc');
  const said = await must('bash', ['-c', 'umask 077; exec "$@"', 'bash', path.join(root, 'deploy/install-files'), '', at, sysconf, program], { env });
  return { at, sysconf, said };
}
