// Whatever README and deploy/ name exists: commands with their options, make targets, paths,
// settings, routes.  Each finder takes a text and what is known, and answers with what is wrong.
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { must, run } from './process.mjs';
import { root } from './program.mjs';

// Names that look like settings and are none, with the reason.
const OTHER_VARIABLES = {
  NAME_FILE: 'stands for any secret', NAME_PREVIOUS: 'stands for any secret',
  REDIS_URL: 'README says that it is not needed',
  DATABASE_PASSWORD: 'a credential of the service, a file', CRONWARD_SECRETS: 'of deploy/service, a folder',
  FUZZ_S: 'of tests/tests.mk', CRONWARD_TEST_SEED: 'of tests/lib/random.mjs',
  CRONWARD_URL: 'of deploy/callers/vercel, set there',
  CREDENTIALS_DIRECTORY: 'of systemd',
  BENCH_QUICK: 'of tests/bench/run',
};
// The first are those of a provider of events, whatever its name.
const OTHER_VARIABLE_FORMS = /^[A-Z][A-Z0-9_]*_WEBHOOK_(SECRET(_PREVIOUS)?(_FILE)?|SCHEME|HEADER)$|^(PG|AF_|O_|SO_|PR_|EPOLL|SIG_|HTTP_|FCGI_|SQL_|CURLOPT_|HAVE_|DEB_|GITHUB_|CONTENT_|REQUEST_|REMOTE_|DOCUMENT_|QUERY_|SERVER_|SCRIPT_)/;

// What is made when the program is installed or runs: a pattern and who makes it.
const MADE_AT_RUN_TIME = [
  [/^(\.\/)?var(\/|$)/, 'deploy/local up'],
  [/^\/run\/cronward(\/|$)/, 'cronward@.socket'],
  [/^\/etc\/cronward\/(secrets|credentials|tls)(\/|$)/, 'deploy/service/setup, and the operator'],
  [/^\/etc\/cronward(\/(ring\.env|header(-workers|-jobs)?|deliver))?\/?$/, 'the operator, for a caller of his own'],
  [/^\/etc\/(nginx|cron\.d|systemd|logrotate\.d|apt|init\.d|postgresql-common)(\/|$)/, 'Debian, or a package of its'],
  [/^\/run\/(systemd|postgresql)(\/|$)/, 'Debian, or a package of its'],
  [/^\/run\/secrets(\/|$)/, 'Docker'],
  [/^\/usr\/lib\/cronward\/(entrypoint|healthy)$/, 'deploy/docker/Dockerfile'],
  [/^secrets\.d\//, 'deploy/docker/make-secrets'],
  [/^\/run\/cronwardctl\./, 'deploy/service/cronwardctl'],
  [/^(log|tls|secrets)\/$/, 'deploy/local, below VAR'],
  [/^(\.github\/workflows|app\/api)\//, "the caller's own project"],
  [/^\/var\/(lib$|lib\/cronward(-|$)|log\/(nginx|cronward)|lib\/(postgresql|apt)|spool)/, 'deploy/local, nginx, PostgreSQL'],
  [/^(\.\/)?build(\/|$)/, 'make'],
  [/^\/(usr\/(bin|sbin|share\/dpkg|lib\/postgresql|pgsql)|dev|proc|sys|tmp|bin|sbin|root)(\/|$|-)/, 'Debian'],
  [/^\/usr\/local\/?$/, 'Debian'],
  [/node_modules/, 'npm'],
];

// Routes that nginx already knows and the program will.
const ROUTES_TO_COME = [/^\/api\/session/, /^\/dashboard/, /^\/metrics/];
// Of the caller's own project: deploy/callers/vercel.
const ROUTES_OF_CALLERS = [/^\/api\/cronward$/];

const folderOf = (at) => path.dirname(at);
const escape = (text) => text.replaceAll(/[.+?^$()|[\]\\]/g, '\\$&');

// The parts of a text that are meant for a machine: of Markdown its code, of others the lines that
// are no comments, and what comments have in backticks.
export function codeOf(at, text) {
  const spans = (from) => [...from.matchAll(/`([^`\n]+)`/g)].map(([, code]) => code);
  if (at.endsWith('.md')) {
    const blocks = [...text.matchAll(/^```(\w*)\n([^]*?)^```/gm)];
    const rest = text.replaceAll(/^```\w*\n[^]*?^```/gm, '');
    return [...blocks.filter(([, kind]) => !['js', 'python', 'sql', 'json'].includes(kind)).flatMap(([, , block]) => block.split('\n')), ...spans(rest)];
  }
  return text.split('\n').flatMap((line) => (/^\s*(#|--|\/\/|\*|;)/.test(line) ? spans(line) : [line, ...spans(line)]));
}

// `cronward SUB WORD --option`: each stands in what the program says of itself.
export function wrongCommands(at, text, known) {
  const wrong = [];
  const calls = codeOf(at, text).flatMap((line) => [...line.matchAll(/(?:^\s*|[(;|&] *|\bexec +|bin\/|^\.B )(?:cronward|cronwardctl|"?\$PROGRAM"?) +([a-z][a-z-]+)((?: [^\s|;&<>)"'`]+)*)/g)]);
  for (const [, name, rest] of calls) {
    const help = known.help[name];
    if (help === undefined) {
      wrong.push(`cronward ${name}: there is no such command`);
      continue;
    }
    const [word] = rest.trim().split(/\s+/);
    if (/^[a-z][a-z.-]+$/.test(word) && !new RegExp(`(^|[\\s|])${escape(word)}([\\s|,]|$)`, 'm').test(help) && !known.workers.includes(word) && known.help[word] === undefined)
      wrong.push(`cronward ${name} ${word}: not in its --help`);
    for (const [, option] of rest.matchAll(/(?:^|\s|\[)(--[a-z][a-z-]*)/g))
      if (option !== '--help' && !new RegExp(`(^|[\\s[|])${option}([\\s\\]…,]|$)`, 'm').test(help)) wrong.push(`cronward ${name} ${option}: not in its --help`);
  }
  return wrong;
}

export function wrongTargets(at, text, known) {
  return codeOf(at, text).flatMap((line) => [...line.matchAll(/(?:^\s*[+@]*|[(;&|] *)(?:make|\$\(MAKE\))((?:\s+(?:-\w+|[A-Z_]+=\S*|--[\w-]+))*)\s+([a-z][a-z-]*)/g)])
    .map(([, , name]) => name).filter((name) => name !== 'it' && !known.targets.has(name)).map((name) => `make ${name}: there is no such target`);
}

// A path of which parts are the reader's, as a pattern: *, {x}, $x, …, and words in capitals.
function pathPattern(name) {
  return new RegExp(`^${escape(name.replaceAll(/\$\{?\w+\}?|\{\w+\}|…|\*|NNNN_name|\b[A-Z]{4,}\b|X{6,}|\bx\b/g, '\0')).replaceAll('\0', '[^/]*')}/?$`);
}

function pathExists(at, name, known) {
  if (MADE_AT_RUN_TIME.some(([pattern]) => pattern.test(name))) return true;
  if (name.startsWith('/')) {
    const pattern = pathPattern(name);
    return known.installed.some((one) => pattern.test(one));
  }
  const clean = name.replace(/^\.\//, '').replace(/:\d+$/, '');
  return [clean, path.join(folderOf(at), clean)].some((one) => existsSync(path.join(root, one)) || known.tree.some((file) => pathPattern(one).test(file)));
}

const EXTENSIONS = /\.(md|sh|mjs|js|c|h|conf|in|sql|json|yml|env|mk|py|service|socket|target|timer)$/;

export function wrongPaths(at, text, known) {
  const names = new Set();
  // Absolute ones stand out wherever they are.
  for (const [name] of text.matchAll(/(?<![\w:/.@}*~)?-])\/(?:etc|usr|run|var|lib)\/[\w@./*…{}$-]*[\w*…}/]/g)) names.add(name);
  if (at.endsWith('.md'))
    for (const line of codeOf(at, text))
      for (const word of line.split(/[\s,|"'=()<>;]+/).map((one) => one.replace(/[.:]$/, '')))
        if (/^[\w.@*$-]+(\/[\w.@*…${}-]*)+$/.test(word) && !/^\d/.test(word) && !/^[\w-]+\.(com|org|host|io)\//.test(word) && (/\/$/.test(word) || EXTENSIONS.test(word) || /^(\.\/)?(src|include|sql|nginx|deploy|tests|build|var)\//.test(word)))
          names.add(word);
  return [...names].filter((name) => !pathExists(at, name, known)).map((name) => `${name}: is neither in the tree nor installed nor made`);
}

export function wrongSettings(at, text, known) {
  const names = new Set([...text.matchAll(/(?<![\w$./-])([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)(?![\w(*])/g)].map(([, name]) => name));
  return [...names].filter((name) => !known.settings.has(name) && !known.variables.has(name) && !(name in OTHER_VARIABLES) && !OTHER_VARIABLE_FORMS.test(name))
    .map((name) => `${name}: is no setting and no variable of deploy/README.md`);
}

export function wrongRoutes(at, text, known) {
  const names = [...text.matchAll(/(?<![\w.}-])(?:https?:\/\/[\w.$:{}-]+|\$\{?\w+\}?)?(\/(?:api|healthz|readyz|metrics)(?:\/[\w:{}$*<>.-]*)*)/g)].map(([, name]) => name.replace(/[.…]+$/, ''));
  return [...new Set(names)].filter((name) => {
    const fixed = name.replace(/(\/(?:[:{$*<].*)?)?$/, '');
    if ([...ROUTES_TO_COME, ...ROUTES_OF_CALLERS].some((one) => one.test(name))) return false;
    // Itself, the folder of one, or one with an id in it.
    return !known.routes.some((route) => route === fixed || route.startsWith(`${fixed}/`) || (route.endsWith('/') && name.startsWith(route))
      || new RegExp(`^${route.split(/\{\w+\}/).map(escape).join('[\\w-]+')}$`).test(name));
  }).map((name) => `${name}: src/gateway/route.c has no such route`);
}

// nginx logs the path of a route, and of nothing else that is as long as a secret.
export function unloggedRoutes(site, known) {
  const patterns = [...site.matchAll(/^\t"~(\^\/api[^"]*)" (?:\$uri|"[^"$]*");$/gm)].map(([, one]) => new RegExp(one));
  return known.routes.filter((route) => route.length > 15 && !patterns.some((one) => one.test(route))).map((route) => `${route}: nginx/cronward.conf.in does not log it`);
}

// Settings that a page does not name.
export function missingSettings(page, known) {
  return [...known.settings].filter((name) => !new RegExp(`\\b${name}\\b`).test(page.replaceAll('\\', '')));
}

function filesUnder(folder, prefix = '') {
  return readdirSync(folder).filter((name) => name !== 'node_modules').flatMap((name) => {
    const at = path.join(folder, name);
    return statSync(at).isDirectory() ? [`${prefix}${name}/`, ...filesUnder(at, `${prefix}${name}/`)] : [`${prefix}${name}`];
  });
}

async function installedFiles(program) {
  const files = [];
  for (const prefix of ['/usr', '/usr/local']) {
    const folder = mkdtempSync(path.join(tmpdir(), 'cw-installed-'));
    try {
      await must(path.join(root, 'deploy/install-files'), [folder, prefix, '/etc', program], { cwd: root, env: { ...process.env } });
      files.push(...filesUnder(folder).map((one) => `/${one}`));
      files.man ??= filesUnder(folder).filter((one) => /man1\/cronward\.1(\.gz)?$/.test(one)).map((one) => readFileSync(path.join(folder, one), 'utf8'))[0];
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }
  return files;
}

// What there is, asked of the program, make, and the tree.
export async function knownNames(program) {
  const ask = async (...args) => (await run(program, args, { env: { PATH: process.env.PATH } })).stdout;
  const commands = [...(await ask('--help')).matchAll(/^ {2}([a-z]+) {2,}/gm)].map(([, name]) => name);
  const help = {};
  for (const name of commands) help[name] = await ask(name, '--help');
  const table = await ask('config', '--markdown');
  const deploy = readFileSync(path.join(root, 'deploy/README.md'), 'utf8');
  const database = await run('make', ['-pnq', '-C', root], { env: { ...process.env }, timeoutMs: 60_000 });
  const installed = await installedFiles(program);
  return {
    help,
    installed,
    man: installed.man ?? '',
    settings: new Set([...table.matchAll(/^\| `([A-Z0-9_]+)`/gm)].map(([, name]) => name)),
    variables: new Set([...deploy.matchAll(/^\| ([A-Z_, ]+) \|/gm)].flatMap(([, names]) => names.split(', '))),
    targets: new Set([...database.stdout.matchAll(/^([a-z][a-z-]*):/gm)].map(([, name]) => name)),
    tree: ['src', 'include', 'sql', 'nginx', 'deploy', 'tests'].flatMap((folder) => filesUnder(path.join(root, folder), `${folder}/`)),
    routes: [...readFileSync(path.join(root, 'src/gateway/route.c'), 'utf8').matchAll(/\.path = "([^"]+)"/g)].map(([, route]) => route),
    workers: readdirSync(path.join(root, 'src/workers')).flatMap((name) => [...readFileSync(path.join(root, 'src/workers', name), 'utf8').matchAll(/\.name = "([a-z-]+)"/g)])
      .map(([, name]) => name),
  };
}

// The pages and files that are held to it.
export function namingFiles() {
  const pages = ['README.md', 'sql/README.md', 'tests/README.md', 'tests/bench/README.md', 'tests/schemas/README.md'];
  const all = ['deploy', 'nginx'].flatMap((folder) => filesUnder(path.join(root, folder), `${folder}/`)).filter((at) => !at.endsWith('/'));
  return [...pages, ...all, 'Makefile', 'tests/tests.mk'].filter((at) => existsSync(path.join(root, at)));
}

export function wrongNames(at, text, known) {
  // Variables of scripts and of C are theirs.
  const settings = /\.(md|env|service|yml|json|in)$/.test(at) && !at.startsWith('nginx/') ? wrongSettings(at, text, known) : [];
  return [...wrongCommands(at, text, known), ...wrongTargets(at, text, known), ...wrongPaths(at, text, known), ...settings, ...wrongRoutes(at, text, known)]
    .map((fault) => `${at}: ${fault}`);
}

// A wrong name of each kind in a file of each kind: what the search must find.
export const plantedNames = [
  ['README.md', '`cronward frobnicate`'], ['README.md', '`cronward run --nonsense`'], ['README.md', '`cronward dead lsit`'],
  ['README.md', '```sh\ncronwardctl migrat\n```'], ['README.md', '`make chek`'], ['README.md', '`src/nothing.c`'], ['README.md', '`nginx/cronward/allowed.conf`'],
  ['README.md', 'it is in /etc/cronward/nothing.env'], ['README.md', 'set CRON_SECERT_FILE'], ['README.md', 'POST /api/workers/webhookRetri'],
  ['README.md', 'https://your.host/readiness and https://your.host/api/worker/webhookRetry'],
  ['deploy/x', 'exec /usr/bin/cronward srv'], ['deploy/systemd/x.service', 'Environment=WEBHOOK_RETRYS=1'], ['deploy/x.sh', '\tmake instal'],
  ['README.md', 'POST /api/payments/webhok/stripe'], ['deploy/x.sh', 'cat /usr/lib/cronward/polo'], ['deploy/callers/x.yml', 'run: curl "$APP_URL/api/workers/dataArchive"'],
];
