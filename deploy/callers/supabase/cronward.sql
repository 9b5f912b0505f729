-- Rings cronward's workers from PostgreSQL with pg_cron and pg_net; README.md beside it comes first.
-- cron.schedule() changes a job that has the name already: run it as often as you like.

select cron.schedule(name, schedule, format($ring$
  select net.http_post(
    url := (select decrypted_secret from vault.decrypted_secrets where name = 'cronward_app_url')
      || %L,
    body := '{}'::jsonb,
    headers := jsonb_build_object(
      'Content-Type', 'application/json',
      'Authorization', 'Bearer '
        || (select decrypted_secret from vault.decrypted_secrets where name = %L)),
    timeout_milliseconds := 30000)
$ring$, path, secret))
from (values
  ('cronward-webhook-retry', '*/5 * * * *', '/api/workers/webhookRetry?busy=200', 'cronward_workers_secret'),
  ('cronward-notification-expiry', '*/5 * * * *', '/api/workers/notificationExpiry?busy=200', 'cronward_workers_secret'),
  ('cronward-data-archival', '0 0 * * *', '/api/workers/dataArchival?busy=200', 'cronward_workers_secret'),
  ('cronward-job-queue', '* * * * *', '/api/jobs/worker?busy=200', 'cronward_jobs_secret'),
  ('cronward-whatsapp-webhook-retry', '*/5 * * * *', '/api/v1/jobs/webhook-retry?busy=200', 'cronward_secret'),
  ('cronward-retry-webhooks', '*/10 * * * *', '/api/cron/retry-webhooks?busy=200', 'cronward_secret'),
  ('cronward-process-email-queue', '*/2 * * * *', '/api/cron/process-email-queue?busy=200', 'cronward_secret'),
  ('cronward-cleanup-reservations', '*/5 * * * *', '/api/cron/cleanup-reservations?busy=200', 'cronward_secret'),
  ('cronward-whatsapp-health-check', '0 2 * * *', '/api/v1/jobs/whatsapp-health-check?busy=200', 'cronward_secret'),
  ('cronward-sync-integrations-15min', '*/15 * * * *', '/api/cron/sync-integrations?interval=15min&busy=200', 'cronward_secret'),
  ('cronward-sync-integrations-30min', '*/30 * * * *', '/api/cron/sync-integrations?interval=30min&busy=200', 'cronward_secret')
) as job (name, schedule, path, secret);
