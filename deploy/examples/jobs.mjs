#!/usr/bin/env node
// Carries out jobs of the processor `http` in Node, without a package (src/processors/README.md, "http"):
//
//   JOB_SECRET=whsec_… PORT=8080 node jobs.mjs
//
// with rows of job_types whose target is http://HOST:8080/ and whose secret is JOB_SECRET.  What a
// handler returns is the job's result, what it throws its error.
import { createHmac, timingSafeEqual } from 'node:crypto';
import { createServer } from 'node:http';

const { JOB_SECRET = '', PORT = '8080', HOST = '127.0.0.1' } = process.env;
const key = Buffer.from(JOB_SECRET.replace(/^whsec_/, ''), 'base64');
const OLDEST_S = 300;

// One for each job_type.
const handlers = {
  hello: async ({ payload }) => ({ hello: payload.name }),
  // More than the request may take: it goes on behind a 202, and reports back.
  report: async (job, { later }) => later(async (progress) => {
    await progress(50, 'half of it');
    return { day: job.payload.day };
  }),
};

function isSigned(headers, body) {
  const { 'webhook-id': id, 'webhook-timestamp': at, 'webhook-signature': signatures = '' } = headers;
  const wanted = createHmac('sha256', key).update(`${id}.${at}.${body}`).digest();
  return Math.abs(Date.now() / 1000 - at) < OLDEST_S && signatures.split(' ').some((signature) => {
    const given = Buffer.from(signature.replace(/^v1,/, ''), 'base64');
    return given.length === wanted.length && timingSafeEqual(given, wanted);
  });
}

// 409 says that somebody wants the job stopped, or that this try of it is over.
async function report({ 'cronward-callback-url': url, 'cronward-callback-token': token }, verb, body) {
  const reply = await fetch(`${url}/${verb}`, { method: 'POST', headers: { authorization: `Bearer ${token}` }, body: JSON.stringify(body) });
  if (!reply.ok) throw new Error(`${verb}: ${reply.status} ${await reply.text()}`);
}

async function answer(request, body) {
  if (key.length === 0 || !isSigned(request.headers, body)) return [401, 'the signature is wrong'];
  const job = JSON.parse(body);
  let work;
  if (!Object.hasOwn(handlers, job.type)) return [410, `nobody here carries out ${job.type}`];
  const result = await handlers[job.type](job, { later: (f) => { work = f; } });
  if (!work) return [200, JSON.stringify(result ?? null)];
  work((progress, message) => report(request.headers, 'progress', { progress, message }))
    .then((done) => report(request.headers, 'complete', { result: done }), (error) => report(request.headers, 'fail', { error: error.message, stack: error.stack }))
    .catch((error) => console.error(error.message));
  return [202, ''];
}

createServer((request, response) => {
  const chunks = [];
  request.on('data', (chunk) => chunks.push(chunk));
  request.on('end', () => answer(request, Buffer.concat(chunks))
    .catch((error) => [500, error.message])
    .then(([status, text]) => response.writeHead(status, { 'content-type': status === 200 ? 'application/json' : 'text/plain' }).end(text)));
}).listen(Number(PORT), HOST, function listening() { console.log(`http://${HOST}:${this.address().port}/`); });
