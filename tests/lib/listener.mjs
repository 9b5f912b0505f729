// A receiver as a program of its own, for networks that the tests' process is not in:
// node tests/lib/listener.mjs ADDRESS PORT.  Answers 200 and prints each request as a line of JSON.
import http from 'node:http';

const [address, port] = process.argv.slice(2);

http.createServer((request, response) => {
  const parts = [];
  request.on('data', (part) => parts.push(part));
  request.on('end', () => {
    const { method, url, headers } = request;
    console.log(JSON.stringify({ method, url, headers, body: Buffer.concat(parts).toString() }));
    response.end('ok');
  });
}).listen(Number(port), address, () => console.log('{}'));

// Whoever started us is gone.
process.stdin.resume().once('end', () => process.exit(0));
