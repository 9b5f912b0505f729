// Verification of Standard Webhooks (standardwebhooks.com, 1.0.0), written from the specification
// and not from the program: what a careful receiver does.
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';

const TOLERANCE_S = 300;

export function newSecret() {
  return `whsec_${randomBytes(24).toString('base64')}`;
}

function keyOf(secret) {
  return secret.startsWith('whsec_') ? Buffer.from(secret.slice(6), 'base64') : Buffer.from(secret);
}

export function signatureOf(secret, id, timestamp, body) {
  return createHmac('sha256', keyOf(secret)).update(`${id}.${timestamp}.`).update(body).digest();
}

// undefined, or why a receiver with this secret refuses the request.
export function refusal(secret, headers, body, nowMs = Date.now()) {
  const id = headers['webhook-id'];
  const timestamp = headers['webhook-timestamp'];
  if (!id) return 'no webhook-id';
  if (!/^\d+$/.test(timestamp ?? '')) return 'webhook-timestamp is no number';
  if (Math.abs(nowMs / 1000 - Number(timestamp)) > TOLERANCE_S) return 'webhook-timestamp is too far away';
  const wanted = signatureOf(secret, id, timestamp, body);
  for (const one of (headers['webhook-signature'] ?? '').split(' ')) {
    const [version, text] = one.split(',');
    const given = Buffer.from(text ?? '', 'base64');
    if (version === 'v1' && given.length === wanted.length && timingSafeEqual(given, wanted)) return undefined;
  }
  return 'no signature fits';
}
