// A stand-in of Resend: mails alone and in batches, idempotency keys, its limits, and its faults.
import { Vendor } from './vendor.mjs';

const KEY = 're_stand_in_key';
const FIELDS = ['from', 'to', 'subject', 'html', 'text', 'reply_to', 'headers', 'cc', 'bcc', 'scheduled_at', 'attachments', 'tags', 'topic_id'];
const WINDOW_MS = 1000;

export class Resend extends Vendor {
  credentials = { api_key: KEY };

  async reset() {
    await super.reset();
    this.keys = new Map(); // idempotency key -> { path, body, answer }
    this.accepted = []; // in order: { id, key, ...mail }
    this.limit = 1000; // requests of a window
    this.window = { at: 0, used: 0 };
    this.tooMany = 0;
    this.mischance = undefined; // (one) => fault or undefined: more faults, by whatever a test draws
  }

  // The mails that it would have delivered.
  async sent() {
    return this.accepted;
  }

  next(one) {
    return super.next(one) ?? (one.violations.length === 0 ? this.mischance?.(one) : undefined);
  }

  violations({ method, path, headers, body }) {
    const found = [];
    if (method !== 'POST' || !['/emails', '/emails/batch'].includes(path)) return [`no such operation: ${method} ${path}`];
    if (!/^[\w-]+\/\d+\.\d+\.\d+/.test(headers['user-agent'] ?? '')) found.push('no user agent');
    if (headers['content-type'] !== 'application/json') found.push('the body is not said to be JSON');
    const key = headers['idempotency-key'] ?? '';
    if (key.length < 1 || key.length > 256) found.push('no idempotency key, or a long one');
    const all = JSON.parse(body);
    if (Array.isArray(all) !== (path === '/emails/batch')) found.push('a list where a mail belongs, or a mail where a list does');
    if (Array.isArray(all) && (all.length < 1 || all.length > 100)) found.push(`a batch of ${all.length}`);
    for (const mail of [all].flat()) {
      for (const name of Object.keys(mail)) if (!FIELDS.includes(name)) found.push(`no such field: ${name}`);
      if (typeof mail.from !== 'string' || typeof mail.subject !== 'string') found.push('from and subject are required');
      for (const text of [mail.from, mail.to, mail.subject, mail.reply_to, ...Object.entries(mail.headers ?? {}).flat()].flat())
        if (/[\0-\x1f]/.test(text ?? '')) found.push('a control character in a header');
    }
    return found;
  }

  answer({ path, headers, body }) {
    if (headers.authorization !== `Bearer ${this.credentials.api_key}`) return this.error(403, { name: 'invalid_api_key', message: 'API key is invalid' });
    const limits = this.#limits();
    if (limits.over) return limits.over;
    const key = headers['idempotency-key'], earlier = this.keys.get(key);
    if (earlier) {
      if (earlier.body !== body || earlier.path !== path) return this.error(409, { name: 'invalid_idempotent_request', message: 'Same idempotency key used with a different request payload.' });
      return { body: earlier.answer, headers: limits.headers };
    }
    const all = [JSON.parse(body)].flat();
    const wrong = all.map(problem).find(Boolean);
    if (wrong) return { ...this.error(...wrong), headers: limits.headers };
    const ids = all.map((mail) => this.#accept(mail, key));
    const answer = path === '/emails' ? ids[0] : { data: ids };
    this.keys.set(key, { path, body, answer });
    return { body: answer, headers: limits.headers };
  }

  #accept(mail, key) {
    const id = `49a3999c-0ce1-4ea6-ab68-${String(this.accepted.length).padStart(12, '0')}`;
    this.accepted.push({ id, key, ...mail });
    return { id };
  }

  #limits() {
    const now = Date.now();
    if (now - this.window.at >= WINDOW_MS) this.window = { at: now, used: 0 };
    if (this.window.used >= this.limit) {
      this.tooMany++;
      return { over: this.error(429, { retry_after: 1 }) };
    }
    this.window.used++;
    return { headers: { 'ratelimit-limit': String(this.limit), 'ratelimit-remaining': String(this.limit - this.window.used), 'ratelimit-reset': '1' } };
  }

  error(status, { name, message, retry_after: after = 1 } = {}) {
    if (status < 400) return { status, headers: { location: '/elsewhere' }, body: '' };
    const names = { 400: 'validation_error', 401: 'missing_api_key', 403: 'invalid_api_key', 404: 'not_found', 405: 'method_not_allowed',
      409: 'concurrent_idempotent_requests', 422: 'validation_error', 429: 'rate_limit_exceeded', 451: 'security_error', 500: 'internal_server_error' };
    const headers = status === 429 ? { 'retry-after': String(after), 'ratelimit-limit': '5', 'ratelimit-remaining': '0', 'ratelimit-reset': String(after) } : {};
    return { status, headers, body: { statusCode: status, name: name ?? names[status] ?? 'application_error', message: message ?? (status >= 500 ? 'An unexpected error occurred.' : 'The request could not be processed.') } };
  }
}

// What Resend takes no mail for, though its form is right.
function problem(mail) {
  const address = /<([^>]+)>$/.exec(mail.from)?.[1] ?? mail.from;
  if (!mail.html && !mail.text) return [422, { name: 'missing_required_field', message: 'Missing `html` or `text` field.' }];
  if (address.endsWith('@unverified.example')) return [403, { name: 'validation_error', message: 'The unverified.example domain is not verified.' }];
  const bad = [mail.to].flat().find((to) => to.includes('@blocked.example'));
  if (bad) return [422, { name: 'validation_error', message: `Invalid \`to\` field: ${bad} is on the suppression list.` }];
  return null;
}
