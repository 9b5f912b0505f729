// Where the builds of the program lie.  CRONWARD_BUILD names another release build.
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '');

const folders = {
  release: process.env.CRONWARD_BUILD ?? 'build/release',
  sanitized: 'build/address-undefined',
  poison: 'build/poison',
};

// A build by its name, or any program by its absolute path.
export function program(build = 'release') {
  return path.isAbsolute(build) ? build : path.resolve(root, folders[build], 'cronward');
}

// What the sanitizers are to do: stop at the first finding and say where.
export const sanitizerEnv = {
  ASAN_OPTIONS: 'abort_on_error=1:detect_leaks=1:allocator_may_return_null=1:disable_coredump=1',
  UBSAN_OPTIONS: 'halt_on_error=1:print_stacktrace=1',
  LSAN_OPTIONS: 'report_objects=1',
};
