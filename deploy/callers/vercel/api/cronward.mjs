// Vercel Cron rings this function; it rings cronward at APP_URL with the same secret, /api/workers
// with CRON_JOB_API_KEY and /api/jobs with WORKER_SECRET_TOKEN where these are set.
import { createHash, timingSafeEqual } from 'node:crypto';

const TIMEOUT_MS = 35_000;

export async function GET(request) {
  const { APP_URL, CRON_SECRET } = process.env;
  if (!APP_URL || !CRON_SECRET) return refuse(503, 'not_configured', 'APP_URL and CRON_SECRET must be set');
  const shown = request.headers.get('authorization') ?? '';
  if (!same(shown, `Bearer ${CRON_SECRET}`)) return refuse(401, 'unauthorized', 'Unauthorized');
  const target = targetOf(new URL(request.url).searchParams, APP_URL);
  if (!target) return refuse(400, 'bad_request', 'route must be a path such as /api/workers/webhookRetry');
  try {
    const answer = await fetch(target, {
      method: 'POST',
      headers: { authorization: `Bearer ${secretOf(target.pathname)}`, 'user-agent': request.headers.get('user-agent') ?? 'vercel-cron/1.0' },
      redirect: 'manual',
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    return new Response(await answer.text(), {
      status: answer.status,
      headers: { 'content-type': answer.headers.get('content-type') ?? 'text/plain', 'cache-control': 'no-store' },
    });
  } catch (error) {
    // The error's own words may name addresses inside.
    return error.name === 'TimeoutError' ? refuse(504, 'unavailable', 'cronward gave no answer in time')
      : refuse(502, 'unavailable', 'cronward could not be reached');
  }
}

// The route and whatever else the cron job's path says; nothing but a path of APP_URL's host.
function targetOf(parameters, app) {
  const route = parameters.get('route') ?? '';
  if (!/^\/api(\/[\w-]+)+$/.test(route)) return undefined;
  const target = new URL(route, app);
  for (const [name, value] of parameters) if (name !== 'route') target.searchParams.append(name, value);
  target.searchParams.set('busy', '200');
  return target;
}

function secretOf(path) {
  const { CRON_SECRET, CRON_JOB_API_KEY, WORKER_SECRET_TOKEN } = process.env;
  const own = path.startsWith('/api/workers/') ? CRON_JOB_API_KEY : path.startsWith('/api/jobs/') ? WORKER_SECRET_TOKEN : '';
  return own || CRON_SECRET;
}

// Digests are of one length: the time tells nothing of either text.
function same(a, b) {
  return timingSafeEqual(digest(a), digest(b));
}

function digest(text) {
  return createHash('sha256').update(text).digest();
}

function refuse(status, code, error) {
  return Response.json({ success: false, error, code, run: null }, { status, headers: { 'cache-control': 'no-store' } });
}
