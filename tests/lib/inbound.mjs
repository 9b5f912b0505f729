// Providers that send events: how each signs, written from the vendors' own descriptions and not
// from the program.
import { createHmac, randomBytes } from 'node:crypto';
import { newSecret, signatureOf } from './webhooks.mjs';

const nowS = () => Math.floor(Date.now() / 1000);
const hmac = (secret, encoding, ...parts) => parts.reduce((mac, part) => mac.update(part), createHmac('sha256', secret)).digest(encoding);

// The headers that a body is sent with, by scheme.
export const signers = {
  'hmac-sha256-hex': (secret, body) => ({ 'x-webhook-signature': hmac(secret, 'hex', body) }),
  'hmac-sha256-base64': (secret, body) => ({ 'x-webhook-signature': hmac(secret, 'base64', body) }),
  standard: (secret, body, { id = `msg_${randomBytes(8).toString('hex')}`, at = nowS() } = {}) => ({
    'webhook-id': id, 'webhook-timestamp': String(at), 'webhook-signature': `v1,${signatureOf(secret, id, at, body).toString('base64')}`,
  }),
  stripe: (secret, body, { at = nowS() } = {}) => ({ 'stripe-signature': `t=${at},v1=${hmac(secret, 'hex', `${at}.`, body)}` }),
  meta: (secret, body) => ({ 'x-hub-signature-256': `sha256=${hmac(secret, 'hex', body)}` }),
};

// Where each of them sends to: the preset ones, some that settings name, and Meta.
export const providers = Object.fromEntries([
  ['payment', 'hmac-sha256-hex', '/api/payments/webhook'], ['telebirr', 'hmac-sha256-hex'], ['cbe', 'hmac-sha256-hex'], ['awash', 'hmac-sha256-hex'],
  ['base', 'hmac-sha256-base64'], ['standard', 'standard'], ['stripe', 'stripe'], ['github', 'meta'], ['whatsapp', 'meta', '/api/whatsapp/webhook'],
].map(([name, scheme, at = `/api/payments/webhook/${name}`]) => [name, { name, scheme, at, secret: scheme === 'standard' ? newSecret() : `${name}-${randomBytes(16).toString('hex')}` }]));

// What the program is told of them.
export function providerEnv() {
  const env = { WHATSAPP_VERIFY_TOKEN: 'the-verify-token-of-meta', META_APP_SECRET: providers.whatsapp.secret };
  for (const { name, scheme, secret } of Object.values(providers)) {
    if (name === 'whatsapp') continue;
    env[`${name.toUpperCase()}_WEBHOOK_SECRET`] = secret;
    if (['base', 'standard'].includes(name)) env[`${name.toUpperCase()}_WEBHOOK_SCHEME`] = scheme;
  }
  return env;
}

// The headers of an event of this provider; `headers` are sent besides, and win.
export function signed(provider, body, { secret = provider.secret, headers = {}, ...options } = {}) {
  return { ...signers[provider.scheme](secret, Buffer.from(body), options), ...headers };
}

// Sends an event to a pool as nginx would pass it on.
export function send(pool, provider, body, { headers, secret, at, id, timestamp, ...options } = {}) {
  return pool.call('POST', at ?? provider.at, { headers: signed(provider, body, { secret, headers, id, at: timestamp }), body, ...options });
}
