// What stand-ins have in common of vendors whose accounts are synced.  Each has many accounts, known by
// their access tokens, with lists, limits and tokens of their own; the orders are a referee's
// (`fault`, `act`), with `account` for one of them, or `each` for every account once.
//
// A stand-in of its own has routes(), listsOf(sizes, account), and how it says no.
import { randomBytes } from 'node:crypto';
import { random } from './random.mjs';
import { Vendor } from './vendor.mjs';

const RECORDED_MAX = 20_000;
const NOTHING = { requests: 0, bytes: 0, things: 0, same: 0, early: 0, overlaps: 0, limited: 0, refused: 0, refreshes: 0, lateRefreshes: 0, refreshOverlaps: 0 };
const BEGAN = Date.UTC(2026, 0, 1), APART_MS = 60_000;

// Things of one kind, told apart by `n` and known by `rev` and `at` (ms); what is gone keeps its place.
export class Things {
  #live;
  #sorted;

  constructor(kind, render, count = 0, { keepsTime = false } = {}) {
    Object.assign(this, { kind, render, all: [], rev: 0, keepsTime });
    this.grow(count);
  }

  grow(count, at) {
    const added = [];
    for (let i = 0; i < count; i++) {
      const one = { n: this.all.length, rev: 0, at: at ?? BEGAN + this.all.length * APART_MS, gone: false, seq: ++this.rev };
      this.all.push(one);
      added.push(one);
    }
    this.#differs();
    return added;
  }

  change(n) {
    const one = this.all[n];
    Object.assign(one, { rev: one.rev + 1, at: this.keepsTime ? one.at : Date.now(), seq: ++this.rev, text: undefined });
    this.#differs();
    return one;
  }

  remove(n) {
    Object.assign(this.all[n], { gone: true, rev: this.all[n].rev + 1, seq: ++this.rev });
    this.#differs();
    return this.all[n];
  }

  #differs() {
    this.#live = undefined;
    this.#sorted = undefined;
  }

  get live() {
    this.#live ??= this.all.filter((one) => !one.gone);
    return this.#live;
  }

  // Those that are there, the latest first.
  get latest() {
    this.#sorted ??= [...this.live].sort((a, b) => b.at - a.at || b.n - a.n);
    return this.#sorted;
  }

  // One thing, made once; as one piece, not as the many that it was put together of.
  one(thing) {
    thing.text ??= Buffer.from(this.render(thing)).toString();
    return thing.text;
  }

  text(things) {
    return things.map((thing) => this.one(thing)).join(',');
  }
}

// So many requests in so long, told apart by whom they concern.
class Limit {
  #windows = new Map();

  constructor({ requests, window_s: seconds }) {
    Object.assign(this, { requests, ms: seconds * 1000 });
  }

  // Takes one; what is left, or for how many seconds there is none.
  take(key) {
    const now = Date.now();
    let window = this.#windows.get(key);
    if (!window || now >= window.until) this.#windows.set(key, window = { used: 0, until: now + this.ms });
    if (window.used >= this.requests) return { left: -1, wait_s: Math.max(1, Math.ceil((window.until - now) / 1000)) };
    return { left: this.requests - ++window.used, until: window.until };
  }
}

export class Synced extends Vendor {
  expires_s = 28_800;
  client = { client_id: 'stand-in-client-id', client_secret: `stand-in-client-secret-${randomBytes(8).toString('hex')}` };
  // NULL, or { requests, window_s } of an account, and of all together.
  limit = null;
  limitOfAll = null;

  async reset() {
    await super.reset();
    this.accounts = new Map();
    this.byAccess = new Map();
    this.byRefresh = new Map();
    this.strangers = 0; // requests with tokens that nobody has
    this.violated = [];
    this.mischances = undefined;
    this.byRule = undefined;
    this.met = 0;
  }

  // An account under this name, with lists of these sizes; its tokens.
  async add(name, sizes = {}) {
    const { limit = this.limit, ...rest } = sizes;
    const account = { name, generation: 0, used: 0, isExpired: false, isRevoked: false, notBefore: 0, under: 0, refreshing: 0, met: new Set(), limit: limit && new Limit(limit),
      counts: { ...NOTHING } };
    account.lists = this.listsOf(rest, account);
    this.accounts.set(name, account);
    return this.renew(account, rest);
  }

  async addMany(list) {
    const made = [];
    for (const { name, ...sizes } of list) made.push(await this.add(name, sizes));
    return made;
  }

  // New tokens; those before are dead, but a refresh token lives on where it does not burn.
  renew(account, { classic = account.isClassic } = {}) {
    account.generation++;
    account.isClassic = Boolean(classic);
    account.isExpired = false;
    account.access_token = this.tokenOf(classic ? 'classic' : 'access', account);
    this.byAccess.set(account.access_token, account);
    if (!classic && (this.burns || !account.refresh_token)) {
      account.refresh_token = this.tokenOf('refresh', account);
      this.byRefresh.set(account.refresh_token, account);
    }
    return { access_token: account.access_token, refresh_token: account.refresh_token ?? null, expires_in: this.expires_s };
  }

  tokenOf(what, account) {
    return `${this.prefixes[what]}${account.name.replaceAll(/\W/g, '')}x${account.generation}x${randomBytes(12).toString('hex')}`;
  }

  async setLimit(name, limit) {
    this.accounts.get(name).limit = limit && new Limit(limit);
  }

  async setLimits({ account = this.limit, all = null } = {}) {
    for (const one of this.accounts.values()) one.limit = account && new Limit(account);
    this.byRule = all && new Limit(all);
  }

  // Chances of these faults for each request for things: { percent, faults: [{ fault, … }] }.
  async storm(order) {
    this.mischances = order && { ...order, draw: random(`storm ${this.constructor.name}`) };
  }

  async fault(fault) {
    if (fault.fault === 'token-expired') return this.act({ action: 'expire', ...fault });
    await super.fault(fault);
    return undefined;
  }

  async clearFaults() {
    const left = this.faults.length;
    this.faults = [];
    return left;
  }

  // { action, account, kind, index, count }: without an account the first one.
  async act({ action, account: name, ...order }) {
    const account = name === undefined ? this.accounts.values().next().value : this.accounts.get(name);
    const actions = {
      expire: () => { account.isExpired = true; },
      revoke: () => {
        account.isRevoked = true;
      },
      seed: () => { account.lists = this.listsOf(order, account); },
      renew: () => this.renew(account),
      grow: () => this.#list(account, order).grow(order.count ?? 1, Date.now()).length,
      change: () => this.#list(account, order).change(order.index ?? 0).n,
      remove: () => this.#list(account, order).remove(order.index ?? 0).n,
      ...this.actions?.(account, order),
    };
    if (!actions[action]) throw new Error(`no action ${action}`);
    return actions[action]();
  }

  #list(account, { kind }) {
    const list = kind === undefined ? Object.values(account.lists)[0] : account.lists[kind];
    if (!list) throw new Error(`no list ${kind}`);
    return list;
  }

  // How long its lists have become, with what is gone.
  async sizes(name) {
    return Object.fromEntries(Object.entries(this.accounts.get(name).lists).map(([kind, { all }]) => [kind, all.length]));
  }

  // What there is of an account, as it would be kept: [{ kind, id, data }] as JSON.
  async holds(name) {
    const account = this.accounts.get(name);
    return `[${Object.values(account.lists).flatMap((list) => this.kept(list, account).map((one) => `{"kind":"${list.stored ?? list.kind}","id":${JSON.stringify(this.idOf(list, one))},"data":${list.one(one)}}`)).join(',')}]`;
  }

  kept(list) {
    return list.live;
  }

  // Counts of one account, or of all together.
  async counts(name) {
    if (name !== undefined) return { ...this.accounts.get(name).counts };
    const total = { ...NOTHING };
    for (const { counts } of this.accounts.values()) for (const [key, n] of Object.entries(counts)) total[key] += n;
    return { ...total, strangers: this.strangers, faults: this.met };
  }

  async forget() {
    for (const { counts } of this.accounts.values()) for (const key of Object.keys(counts)) counts[key] = 0;
    this.all = [];
    this.violated = [];
    this.strangers = 0;
    this.met = 0;
  }

  // What was done that a vendor does not allow, each once.
  async violationsSeen() {
    return [...new Set(this.violated)];
  }

  // `generation` counts its access tokens, `used` is the last of them that was used.
  async tokens(name) {
    const { access_token: access, refresh_token: refresh = null, isExpired, isRevoked, generation, used } = this.accounts.get(name);
    return { access, refresh, isExpired, isRevoked, generation, used };
  }

  begins(one, response) {
    if (this.all.length >= RECORDED_MAX) this.all = [];
    one.isRefresh = this.isRefresh(one);
    one.account = one.isRefresh ? this.byRefresh.get(this.refreshTokenOf(one)) : this.byAccess.get(one.headers.authorization?.replace(/^Bearer /, ''));
    const { account } = one;
    if (!account) {
      this.strangers++;
      return;
    }
    const key = one.isRefresh ? 'refreshing' : 'under';
    if (account[key]++ > 0) account.counts[one.isRefresh ? 'refreshOverlaps' : 'overlaps']++;
    response.once('close', () => account[key]--);
    if (!one.isRefresh) account.counts.requests++;
    // Recorded requests name it; the account itself is no part of them.
    Object.defineProperty(one, 'account', { value: account, enumerable: false });
    one.of = account.name;
  }

  earlyMs(one) {
    if (!one.account || one.isRefresh) return 0;
    const early = Math.max(0, Math.max(this.notBefore, one.account.notBefore) - Date.now());
    if (early > 0) one.account.counts.early++;
    return early;
  }

  waits(one, seconds) {
    if (one.account) one.account.notBefore = Date.now() + seconds * 1000;
  }

  violations(one, url) {
    const found = this.departures(one, url);
    for (const text of found) this.violated.push(`${one.method} ${one.path}: ${text}`);
    return found;
  }

  next(one) {
    const at = this.faults.findIndex((fault) => this.#concerns(fault, one));
    const fault = this.faults[at];
    if (fault?.each) {
      one.account.met.add(fault);
      return fault;
    }
    if (fault) {
      if (--fault.count <= 0) this.faults.splice(at, 1);
      return fault;
    }
    return this.#mischance(one);
  }

  #concerns(fault, { path, account, isRefresh }) {
    if (!fault.match && fault.each && isRefresh) return false;
    if (fault.match && !path.includes(fault.match)) return false;
    if (fault.account && fault.account !== account?.name) return false;
    if (fault.each) return Boolean(account) && !account.met.has(fault) && account.counts.requests > (fault.after ?? 0);
    return !(fault.after > 0 && fault.after-- > 0);
  }

  #mischance(one) {
    const { mischances } = this;
    if (!mischances || one.isRefresh || !one.account || mischances.draw.fraction() * 100 >= mischances.percent) return undefined;
    this.met++;
    return mischances.draw.pick(mischances.faults);
  }

  answer(one, url) {
    if (one.isRefresh) return this.#refresh(one, url);
    const { account } = one;
    if (!account || account.isExpired || account.isRevoked || one.headers.authorization !== `Bearer ${account.access_token}`) {
      if (account) account.counts.refused++;
      return this.unauthorized(account);
    }
    account.used = account.generation;
    const answer = this.routes()[`${one.method} ${one.path}`](one, url, account);
    // What has not changed costs nothing.
    const over = answer.status === 304 ? null : this.#over(one);
    if (over) return over;
    if (answer.status === 304) account.counts.same++;
    account.counts.bytes += answer.body?.length ?? 0;
    account.counts.things += answer.things ?? 0;
    return this.finish(answer, account);
  }

  finish(answer) {
    return answer;
  }

  #over(one) {
    const { account } = one;
    const own = account.limit?.take(account);
    account.left = own?.left;
    if (own?.left < 0) {
      account.counts.limited++;
      const says = this.limited(own.wait_s, account);
      if (says.isTold) this.waits(one, says.wait_s ?? own.wait_s);
      return says;
    }
    const all = this.byRule?.take('all');
    if (!(all?.left < 0)) return null;
    account.counts.limited++;
    return this.limited(all.wait_s, account, true);
  }

  #refresh(one) {
    const token = this.refreshTokenOf(one), account = this.byRefresh.get(token);
    const isOurs = this.isClient(one);
    if (isOurs && account) account.counts[account.refresh_token === token && !account.isRevoked ? 'refreshes' : 'lateRefreshes']++;
    if (!isOurs) return this.strangeClient();
    if (!account || account.refresh_token !== token || account.isRevoked) return this.deadRefresh();
    return this.refreshed(this.renew(account));
  }
}

// How an ETag is made of what a page shows.
export function etagOf(list, things) {
  let hash = 2166136261;
  for (const { n, rev } of things) hash = Math.imul(Math.imul(hash ^ n, 16777619) ^ rev, 16777619);
  return `W/"${(hash >>> 0).toString(16)}${list.kind.length}${things.length}"`;
}

export const stamp = (ms) => new Date(ms).toISOString().replace(/\.\d+Z$/, 'Z');

// Texts as people write them: of every sort of letter, quotes, and what looks like markup.
const WORDS = ['plain', 'Grüße ✓', 'a "quoted" one', 'back\\slash / slash', '<b>&amp;</b>', '日本語のタイトル', 'emoji 🧪', 'tab\tand\nline', ''];
export const words = (n) => JSON.stringify(`${WORDS[n % WORDS.length]} ${n}`);
