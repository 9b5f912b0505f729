-- Rings cronward's workers from PostgreSQL with pg_cron and pg_net; README.md beside it comes first.
-- cron.schedule() changes a job that has the name already: run it as often as you like.

select cron.schedule('cronward-webhook-retry', '*/5 * * * *', $ring$
  select net.http_post(
    url := (select decrypted_secret from vault.decrypted_secrets where name = 'cronward_app_url')
      || '/api/workers/webhookRetry?busy=200',
    body := '{}'::jsonb,
    headers := jsonb_build_object(
      'Content-Type', 'application/json',
      'Authorization', 'Bearer '
        || (select decrypted_secret from vault.decrypted_secrets where name = 'cronward_secret')),
    timeout_milliseconds := 30000)
$ring$);

select cron.schedule('cronward-notification-expiry', '*/5 * * * *', $ring$
  select net.http_post(
    url := (select decrypted_secret from vault.decrypted_secrets where name = 'cronward_app_url')
      || '/api/workers/notificationExpiry?busy=200',
    body := '{}'::jsonb,
    headers := jsonb_build_object(
      'Content-Type', 'application/json',
      'Authorization', 'Bearer '
        || (select decrypted_secret from vault.decrypted_secrets where name = 'cronward_secret')),
    timeout_milliseconds := 30000)
$ring$);

select cron.schedule('cronward-data-archival', '0 0 * * *', $ring$
  select net.http_post(
    url := (select decrypted_secret from vault.decrypted_secrets where name = 'cronward_app_url')
      || '/api/workers/dataArchival?busy=200',
    body := '{}'::jsonb,
    headers := jsonb_build_object(
      'Content-Type', 'application/json',
      'Authorization', 'Bearer '
        || (select decrypted_secret from vault.decrypted_secrets where name = 'cronward_secret')),
    timeout_milliseconds := 30000)
$ring$);

select cron.schedule('cronward-job-queue', '* * * * *', $ring$
  select net.http_post(
    url := (select decrypted_secret from vault.decrypted_secrets where name = 'cronward_app_url')
      || '/api/jobs/worker?busy=200',
    body := '{}'::jsonb,
    headers := jsonb_build_object(
      'Content-Type', 'application/json',
      'Authorization', 'Bearer '
        || (select decrypted_secret from vault.decrypted_secrets where name = 'cronward_jobs_secret')),
    timeout_milliseconds := 30000)
$ring$);
