// A stand-in of Meta's Graph API: tokens, what they are for, limits, and faults.
import { Vendor } from './vendor.mjs';

const APP = { id: '1234567890', secret: 'stand-in-app-secret-0123456789ab' };
const FIELDS = { number: ['id', 'verified_name', 'display_phone_number', 'quality_rating', 'code_verification_status', 'name_status'], account: ['id', 'name'] };

const refusal = (status, code, message, more = {}, headers = {}) => ({ status, headers,
  body: { error: { message, type: 'OAuthException', code, ...more, fbtrace_id: 'AStandInTrace' } } });
const epoch = () => Math.floor(Date.now() / 1000);

export class Meta extends Vendor {
  credentials = { access_token: 'EAAstandintoken0000000000001', app_access_token: `${APP.id}|${APP.secret}`, phone_number_id: '106853218861309', waba_id: '1234567890123456' };
  app = APP;

  async reset() {
    await super.reset();
    this.tokens = new Map();
    this.objects = new Map(); // id -> { kind, token }
    this.delayMs = 0; // of every answer
    this.knowsApp = true;
    this.appUsage = undefined;
    const { access_token: token, phone_number_id: number, waba_id: account } = this.credentials;
    this.add({ token, number, account });
  }

  // A token and what it is for; `facts`: expires_at, data_access_expires_at (seconds), dead (a subcode),
  // denied, quality, usage (of the account, in percent), throttled (minutes).
  add({ token, number, account, ...facts }) {
    this.tokens.set(token, facts);
    if (number) this.objects.set(number, { kind: 'number', token });
    if (account) this.objects.set(account, { kind: 'account', token });
  }

  next(one) {
    return super.next(one) ?? (this.delayMs > 0 ? { fault: 'slow', ms: this.delayMs } : undefined);
  }

  violations({ method, path, headers }, url) {
    const found = [];
    if (method !== 'GET' || !/^\/v\d+\.\d+\/(debug_token|\d+)$/.test(path)) return [`no such operation: ${method} ${path}`];
    if (!/^[\w-]+\/\d+\.\d+\.\d+/.test(headers['user-agent'] ?? '')) found.push('no user agent');
    if (!/^Bearer \S+$/.test(headers.authorization ?? '')) found.push('nobody asks');
    const isToken = path.endsWith('/debug_token');
    for (const name of url.searchParams.keys()) if (name !== (isToken ? 'input_token' : 'fields')) found.push(`no such parameter: ${name}`);
    if (isToken && !url.searchParams.get('input_token')) found.push('no token to ask about');
    return found;
  }

  answer({ path, headers }, url) {
    const bearer = headers.authorization.slice('Bearer '.length), id = path.split('/').at(-1);
    const asker = this.tokens.get(bearer), isApp = bearer === this.credentials.app_access_token && this.knowsApp;
    const usage = this.#usage(asker);
    if (!(id === 'debug_token' && isApp)) {
      if (!asker) return { ...refusal(401, 190, 'Invalid OAuth access token - Cannot parse access token'), headers: usage };
      if (asker.dead) return refusal(401, 190, `Error validating access token ${bearer}`, { error_subcode: asker.dead }, usage);
      if (asker.throttled) return refusal(400, 80007, '(#80007) There have been too many calls from this WhatsApp Business account.', { is_transient: true },
        { ...usage, 'x-business-use-case-usage': JSON.stringify({ 1: [{ type: 'whatsapp', call_count: 100, estimated_time_to_regain_access: asker.throttled }] }) });
    }
    if (id === 'debug_token') return { headers: usage, body: { data: this.#facts(url.searchParams.get('input_token')) } };
    if (asker.denied) return refusal(403, 200, "(#200) You don't have permission to access this resource", {}, usage);
    const object = this.objects.get(id);
    if (object?.token !== bearer) return refusal(400, 100, `Unsupported get request. Object with ID '${id}' does not exist`, { error_subcode: 33 }, usage);
    return this.#describe(id, object, asker, url, usage);
  }

  #usage(asker) {
    return {
      ...(this.appUsage !== undefined && { 'x-app-usage': JSON.stringify({ call_count: this.appUsage, total_time: 1, total_cputime: 2 }) }),
      ...(asker?.usage !== undefined && { 'x-business-use-case-usage': JSON.stringify({ 1234: [{ type: 'whatsapp', call_count: 3, total_time: asker.usage, total_cputime: 1, estimated_time_to_regain_access: 0 }] }) }),
    };
  }

  #facts(token) {
    const facts = this.tokens.get(token);
    if (!facts) return { error: { code: 190, message: 'Invalid OAuth access token.' }, is_valid: false, scopes: [] };
    const { dead, expires_at: at = 0, data_access_expires_at: accessAt = 0 } = facts;
    return { app_id: APP.id, type: 'SYSTEM_USER', issued_at: epoch() - 86400, scopes: [], user_id: '1', expires_at: at, data_access_expires_at: accessAt,
      is_valid: !dead, ...(dead && { error: { code: 190, message: 'Error validating access token', subcode: dead } }) };
  }

  #describe(id, { kind }, { quality = 'GREEN' }, url, headers) {
    const whole = { id, name: 'A business', verified_name: 'A shop', display_phone_number: '+1 555', quality_rating: quality, code_verification_status: 'VERIFIED', name_status: 'APPROVED' };
    const fields = (url.searchParams.get('fields') ?? 'id').split(',');
    const wrong = fields.find((name) => !FIELDS[kind].includes(name));
    if (wrong) return refusal(400, 100, `(#100) Tried accessing nonexisting field (${wrong})`);
    return { headers, body: Object.fromEntries(fields.map((name) => [name, whole[name]])) };
  }

  error(status, { fault, minutes = 1 }) {
    if (status < 400) return { status, headers: { location: '/elsewhere' }, body: '' };
    if (fault === 'token-expired') {
      this.tokens.get(this.credentials.access_token).dead = 463;
      return refusal(401, 190, 'Error validating access token: Session has expired', { error_subcode: 463 });
    }
    if (fault === 'business-rate-limit')
      return refusal(400, 80007, '(#80007) There have been too many calls from this WhatsApp Business account.', { is_transient: true },
        { 'x-business-use-case-usage': JSON.stringify({ [this.credentials.waba_id]: [{ type: 'whatsapp', call_count: 100, total_cputime: 25, total_time: 25, estimated_time_to_regain_access: minutes }] }) });
    if (status === 429) return refusal(429, 4, '(#4) Application request limit reached', { error_subcode: 2446079, is_transient: true });
    if (status === 401) return refusal(401, 190, 'Invalid OAuth access token.');
    if (status === 403) return refusal(403, 200, "(#200) You don't have permission to access this resource", { error_subcode: 1349174 });
    if (status >= 500) return refusal(status, 2, 'An unexpected error has occurred. Please retry your request later.', { is_transient: true });
    return refusal(status, 100, '(#100) Invalid parameter');
  }
}
