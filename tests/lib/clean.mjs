// What a test process starts or makes is undone when it ends: in reverse order, by pid, and also
// when a test failed or somebody pressed Ctrl-C.  Everything here is synchronous, because it runs
// in the process' exit handler.
import { mkdtempSync, rmSync, chmodSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

const undo = [];
let folder;

// Has `fn` called when the process ends; the answer calls it at once instead.
export function atExit(fn) {
  const entry = { fn };
  undo.push(entry);
  return () => {
    const call = entry.fn;
    entry.fn = undefined;
    return call?.();
  };
}

// A folder of this process that other accounts may pass through but not list.
export function tempFolder(name = '') {
  if (!folder) {
    folder = mkdtempSync(path.join(tmpdir(), 'cw-'));
    chmodSync(folder, 0o711);
    const made = folder;
    undo.unshift({ fn: () => rmSync(made, { recursive: true, force: true, maxRetries: 5 }) });
  }
  if (!name) return folder;
  const made = mkdtempSync(path.join(folder, name + '-'));
  chmodSync(made, 0o711);
  return made;
}

function undoAll() {
  for (const entry of undo.splice(0).reverse()) {
    try {
      entry.fn?.();
    } catch (e) {
      process.stderr.write(`cleaning up: ${e.message}\n`);
    }
  }
}

process.on('exit', undoAll);
// Whoever started us may be killed without a word.
const parent = process.ppid;
setInterval(() => process.ppid !== parent && process.exit(143), 500).unref();
// Node 20 may spin for ever when it frees sockets that were reset (resetAndDestroy) while they were
// being shut down.  Everything is done by then; the last of the exit handlers leaves at once.
process.once('beforeExit', () => process.on('exit', (code) => process.reallyExit(code)));
for (const [signal, code] of [['SIGINT', 130], ['SIGTERM', 143], ['SIGHUP', 129]])
  process.once(signal, () => process.exit(code));
