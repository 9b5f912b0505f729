#!/usr/bin/env node
// Seals secrets as cronward does, and opens them (README.md, "Sealed secrets").  To import, or
//
//   node seal.mjs seal TABLE COLUMN ROW < secret
//   node seal.mjs open TABLE COLUMN ROW < sealed
//
// with the keys in ENCRYPTION_KEYS or in the file that ENCRYPTION_KEYS_FILE names.
import { readFileSync, realpathSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';

const ring = (keys) => keys.split(/[\s,]+/).filter(Boolean).map((key) => key.split(':'));
const cipher = (create, [id, key], nonce, { table, column, row }) =>
  create('aes-256-gcm', Buffer.from(key, 'base64'), nonce)
    .setAAD(Buffer.from(['cw1', id, table, column, row].join('\n')));

export function seal(keys, at, plain) {
  const [newest] = ring(keys);
  if (!newest || !plain) throw new Error('there is no key, or nothing to seal');
  const nonce = randomBytes(12);
  const c = cipher(createCipheriv, newest, nonce, at);
  const bytes = Buffer.concat([nonce, c.update(plain, 'utf8'), c.final(), c.getAuthTag()]);
  return `cw1.${newest[0]}.${bytes.toString('base64')}`;
}

export function open(keys, at, sealed) {
  const [version, id, text = ''] = sealed.split('.');
  const key = ring(keys).find(([known]) => known === id);
  const bytes = Buffer.from(text, 'base64');
  if (version !== 'cw1' || !key || bytes.length < 29) throw new Error('not sealed, or with a key that is not here');
  const c = cipher(createDecipheriv, key, bytes.subarray(0, 12), at).setAuthTag(bytes.subarray(-16));
  return Buffer.concat([c.update(bytes.subarray(12, -16)), c.final()]).toString();
}

function main([act, table, column, row]) {
  const acts = { seal, open };
  if (!acts[act] || !row) throw new Error('usage: node seal.mjs seal|open TABLE COLUMN ROW');
  const { ENCRYPTION_KEYS, ENCRYPTION_KEYS_FILE } = process.env;
  const keys = ENCRYPTION_KEYS || (ENCRYPTION_KEYS_FILE ? readFileSync(ENCRYPTION_KEYS_FILE, 'utf8') : '');
  const text = readFileSync(0, 'utf8').replace(/[\r\n]+$/, '');
  console.log(acts[act](keys, { table, column, row }, text));
}

if (process.argv[1] && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  try {
    main(process.argv.slice(2));
  } catch (e) {
    const why = /unable to authenticate/.test(e.message) ? 'does not open: wrong key, wrong place or changed since' : e.message;
    console.error(`seal.mjs: ${why}`);
    process.exitCode = 1;
  }
}
