// A TCP proxy in front of a Unix socket that can lose its way: what a network does to a database.
import net from 'node:net';
import { atExit } from './clean.mjs';

export async function startProxy(target) {
  const links = new Set();
  const proxy = { mode: 'pass' };
  const server = net.createServer((client) => {
    const upstream = net.connect(target);
    const pair = [client, upstream];
    links.add(pair);
    for (const one of pair) one.unref();
    const end = () => {
      links.delete(pair);
      for (const one of pair) one.destroy();
    };
    for (const [from, to] of [[client, upstream], [upstream, client]]) {
      from.on('data', (part) => proxy.mode === 'pass' && to.write(part));
      from.on('close', () => proxy.mode === 'pass' && end());
      from.on('error', end);
    }
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  server.unref();
  proxy.port = server.address().port;
  // Swallows what is sent, in both directions, and says nothing.
  proxy.blackhole = () => { proxy.mode = 'blackhole'; };
  // Passes again; connections that were caught in the hole are reset.
  proxy.heal = () => {
    proxy.mode = 'pass';
    for (const [client, upstream] of links) {
      client.resetAndDestroy();
      upstream.destroy();
    }
    links.clear();
  };
  proxy.stop = atExit(() => {
    proxy.heal();
    server.close();
  });
  return proxy;
}
