// What the figures were made on.
import os from 'node:os';
import { run } from '../lib/process.mjs';

export async function machine() {
  const cpus = os.cpus();
  const memoryGb = Math.round(os.totalmem() / 2 ** 30);
  const versions = [
    ['PostgreSQL', 'psql', ['--version'], /([\d.]+)/],
    ['nginx', '/usr/sbin/nginx', ['-v'], /nginx\/([\d.]+)/],
    ['libcurl', 'curl-config', ['--version'], /libcurl ([\d.]+)/],
  ].map(async ([name, command, args, pattern]) => {
    const { stdout, stderr } = await run(command, args).catch(() => ({ stdout: '', stderr: '' }));
    return `${name} ${pattern.exec(stdout + stderr)?.[1] ?? 'not found'}`;
  });
  return `${cpus.length} cores (${cpus[0].model.trim()}), ${memoryGb} GB, Linux ${os.release()}; `
    + `${(await Promise.all(versions)).join(', ')}, Node ${process.version.slice(1)}`;
}

// Others on the machine make figures worse; a reader can see whether there were any.
export function whatIsBusy() {
  return `load average ${os.loadavg()[0].toFixed(2)} on ${os.cpus().length} cores`;
}
