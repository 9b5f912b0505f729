// Servers that others wrote: they play vendors, check each request against what the vendor publishes,
// and answer with faults on demand.  They lie beside the checkout where they are there at all
// (VENDORS names another place).
import { cpSync, existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { tempFolder } from './clean.mjs';
import { must, start } from './process.mjs';
import { root } from './program.mjs';
import { until } from './wait.mjs';

const home = path.resolve(root, process.env.VENDORS ?? '../shared/vendors');

// Why its tests are skipped, or false.
export const noReferee = existsSync(path.join(home, 'server/package.json')) ? false : 'no referee beside this checkout';

export class Referee {
  // Plays this vendor, at `origin`.
  static async start(vendor) {
    return (await Referee.startAll(vendor))[vendor];
  }

  // One process that plays them all; a referee for each, by its name.
  static async startAll(...vendors) {
    const folder = tempFolder('referee');
    for (const part of ['server', 'specs'])
      cpSync(path.join(home, part), path.join(folder, part),
        { recursive: true, filter: (from) => !from.includes('node_modules') });
    const cwd = path.join(folder, 'server');
    const env = { PATH: process.env.PATH, HOME: folder };
    await must('npm', ['ci', '--no-audit', '--no-fund'], { cwd, env: { ...process.env, HOME: folder }, timeoutMs: 120_000 });
    const ready = path.join(folder, 'ready.json');
    const ports = Object.fromEntries(vendors.map((vendor) => [`MOCK_PORT_${vendor.toUpperCase()}`, '0']));
    const child = start(process.execPath, ['src/main.mjs'], { cwd, log: path.join(folder, 'log'),
      env: { ...env, MOCK_PORT: '0', MOCK_VENDORS: vendors.join(','), ...ports, MOCK_READY_FILE: ready } });
    const bound = await until(() => existsSync(ready) && JSON.parse(readFileSync(ready, 'utf8')), { what: 'the referee', timeoutMs: 20_000 });
    const all = {};
    for (const vendor of vendors) {
      const referee = Object.assign(new Referee(), { vendor, process: child, port: bound.port, origin: `http://127.0.0.1:${bound.vendors[vendor]}` });
      ({ credentials: referee.credentials } = await referee.ask('GET', '_control'));
      all[vendor] = referee;
    }
    return all;
  }

  async ask(method, what, body) {
    const answer = await fetch(`http://127.0.0.1:${this.port}/${what}/${this.vendor}`,
      { method, body: body && JSON.stringify(body), headers: { 'content-type': 'application/json' } });
    if (!answer.ok) throw new Error(`${method} ${what}: ${answer.status}`);
    const text = await answer.text();
    return text ? JSON.parse(text) : undefined;
  }

  // The next requests meet this fault.
  fault(fault) {
    return this.ask('POST', '_control', fault);
  }

  // Does what it can do besides, such as { action: 'seed', count: 250 }.
  act(action) {
    return this.ask('POST', '_control', action);
  }

  requests() {
    return this.ask('GET', '_requests');
  }

  // Resend's: what it has accepted.
  async sent() {
    return (await this.ask('POST', '_control', { action: 'sent' })).sent;
  }

  async reset() {
    await this.ask('DELETE', '_control');
    await this.ask('DELETE', '_requests');
  }

  stop() {
    return this.process.stop('SIGKILL');
  }
}
