// What stands in for Google Calendar and GitHub: pages that lie there as files, behind one nginx, so
// that it takes as little of the machine as can be.  Every account lists the same things.
import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { tempFolder } from '../lib/clean.mjs';
import { freePort } from '../lib/ports.mjs';
import { until } from '../lib/wait.mjs';
import { nginxStart, nginxText, RECEIVER_ADDRESS } from './receiver.mjs';

export const EVENTS_PER_PAGE = 250;
export const ISSUES_PER_PAGE = 100;

// Texts that are no two alike, as people's are, so that nothing packs better than it would.
const words = (seed, length) => createHash('sha512').update(String(seed)).digest('base64').repeat(Math.ceil(length / 88)).slice(0, length);
const stamp = (n) => new Date(Date.UTC(2026, 0, 1) + n * 60_000).toISOString();

// An event of some 1.1 KB.
function event(n) {
  const person = (i) => ({ email: `person${n + i}@example.com`, displayName: `Person ${n + i}`, responseStatus: 'accepted' });
  return {
    kind: 'calendar#event', etag: `"${3_000_000_000_000_000 + n}"`, id: `event${String(n).padStart(9, '0')}`, status: 'confirmed',
    htmlLink: `https://www.google.com/calendar/event?eid=${words(`link${n}`, 60)}`, created: stamp(n), updated: stamp(n),
    summary: `Meeting ${n}`, description: words(n, 240), location: words(`place${n}`, 40),
    creator: { email: 'me@example.com', self: true }, organizer: { email: 'me@example.com', self: true },
    start: { dateTime: stamp(n), timeZone: 'Europe/Berlin' }, end: { dateTime: stamp(n + 60), timeZone: 'Europe/Berlin' },
    iCalUID: `event${n}@google.com`, sequence: 0, attendees: [person(1), person(2), person(3)], reminders: { useDefault: true }, eventType: 'default',
  };
}

// An issue of some 4 KB, most of which is its repository.
function issue(n) {
  const api = 'https://api.github.com/repos/acme/shop';
  const user = { login: `user${n}`, id: n, node_id: words(`u${n}`, 20), avatar_url: `https://avatars.example.com/u/${n}`, url: `https://api.github.com/users/user${n}`, type: 'User', site_admin: false };
  const urls = Object.fromEntries(['forks', 'keys', 'collaborators', 'teams', 'hooks', 'issue_events', 'events', 'assignees', 'branches', 'tags', 'blobs', 'git_tags',
    'git_refs', 'trees', 'statuses', 'languages', 'stargazers', 'contributors', 'subscribers', 'subscription', 'commits', 'comments', 'contents', 'compare', 'merges',
    'archive', 'downloads', 'issues', 'pulls', 'milestones', 'labels', 'releases', 'deployments'].map((what) => [`${what}_url`, `${api}/${what}{/id}`]));
  return {
    url: `${api}/issues/${n}`, id: 1_000_000_000 + n, node_id: words(`i${n}`, 24), number: n, title: `Issue ${n}: ${words(n, 40)}`, user, state: 'open',
    labels: [{ id: 1, name: 'bug', color: 'd73a4a', default: true }], assignee: user, assignees: [user], comments: n % 7, created_at: stamp(n), updated_at: stamp(n),
    closed_at: null, body: words(`body${n}`, 600), reactions: { total_count: 0, '+1': 0, '-1': 0 },
    repository: { id: 1, full_name: 'acme/shop', private: true, owner: user, description: words('shop', 80), ...urls, default_branch: 'main' },
  };
}

const pagesOf = (count, size) => Array.from({ length: Math.ceil(count / size) }, (_, page) =>
  Array.from({ length: Math.min(size, count - page * size) }, (_, i) => page * size + i));

export class VendorPages {
  #server;

  // Each account has `events` events and `issues` issues.
  static async start({ events, issues }) {
    const pages = new VendorPages();
    const folder = tempFolder('vendors');
    const port = await freePort();
    pages.url = `http://${RECEIVER_ADDRESS}:${port}`;
    mkdirSync(path.join(folder, 'pages'));
    const write = (name, body) => writeFileSync(path.join(folder, 'pages', name), JSON.stringify(body));
    const calendar = pagesOf(events, EVENTS_PER_PAGE);
    calendar.forEach((page, i) => write(`events-${i || ''}`, {
      kind: 'calendar#events', etag: '"1"', summary: 'me@example.com', timeZone: 'Europe/Berlin', accessRole: 'owner', defaultReminders: [],
      ...(i + 1 < calendar.length ? { nextPageToken: String(i + 1) } : { nextSyncToken: 'next' }), items: page.map(event),
    }));
    const lists = pagesOf(issues, ISSUES_PER_PAGE);
    // The newest first, as they are asked for.
    lists.forEach((page, i) => write(`issues-${i === 0 ? '' : i + 1}`, page.map((n) => issue(issues - n))));
    write('none', []);
    const links = lists.slice(1).map((_, i) => `"${i === 0 ? '' : i + 1}" '<${pages.url}/issues?page=${i + 2}>; rel="next"';`);
    const conf = path.join(folder, 'nginx.conf');
    const file = (name) => `default_type application/json; try_files /pages/${name} =404;`;
    writeFileSync(conf, nginxText(folder, [
      `map $arg_page $next { default ''; ${links.join(' ')} }`,
      `server {
        listen ${RECEIVER_ADDRESS}:${port} backlog=1024;
        root ${folder};
        location = /calendar/v3/calendars/primary/events { ${file('events-$arg_pageToken')} }
        location = /issues { add_header Link $next; ${file('issues-$arg_page')} }
        location = /user/repos { ${file('none')} }
        location = /notifications { ${file('none')} }
      }`,
    ]));
    pages.#server = nginxStart(folder, conf);
    await until(async () => (await fetch(`${pages.url}/user/repos`).catch(() => ({}))).status === 200, { what: 'the vendors' });
    return pages;
  }

  stop() {
    return this.#server.stop();
  }
}
