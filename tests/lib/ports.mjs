// TCP ports that nobody uses.
import net from 'node:net';

const given = new Set();

// A port that was free a moment ago; never the same twice in one process.
export async function freePort(host = '127.0.0.1') {
  for (;;) {
    const port = await new Promise((resolve, reject) => {
      const server = net.createServer();
      server.once('error', reject);
      server.listen(0, host, () => {
        const found = server.address().port;
        server.close(() => resolve(found));
      });
    });
    if (!given.has(port)) {
      given.add(port);
      return port;
    }
  }
}
