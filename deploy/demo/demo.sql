-- Rows for `make demo`, as the role cronward; safe to run again and again.  Wants the variables
-- receiver (its URL), orders_secret and billing_secret.
BEGIN;

-- Two endpoints.  The receiver's port changes with each start of it.
INSERT INTO app_webhooks (id, url, secret, events) VALUES
	('00000000-0000-4000-8000-0000000de001', :'receiver' || '/orders', :'orders_secret', '{order.*}'),
	('00000000-0000-4000-8000-0000000de002', :'receiver' || '/billing', :'billing_secret', '{order.paid}')
ON CONFLICT (id) DO UPDATE SET url = excluded.url, secret = excluded.secret, is_active = true;

-- Twelve deliveries: four events go to one endpoint, four to both.
INSERT INTO platform_events (event_type, payload)
SELECT kind, jsonb_build_object('order', n, 'amount', n * 10)
  FROM generate_series(1, 4) n, unnest(ARRAY['order.created', 'order.paid']) kind;

-- Five notifications past their date, two that still count.
INSERT INTO platform_notifications (user_id, title, expires_at)
SELECT gen_random_uuid(), 'Offer ' || n, now() + CASE WHEN n <= 5 THEN make_interval(mins => -n) ELSE make_interval(days => n) END
  FROM generate_series(1, 7) n;

-- What archival is for: nobody subscribes to demo.visit, so nothing is open.
INSERT INTO platform_events (event_type, payload, created_at)
SELECT 'demo.visit', jsonb_build_object('visitor', n), now() - make_interval(days => 4000 + n)
  FROM generate_series(1, 20) n;
INSERT INTO platform_notifications (user_id, title, status, created_at)
SELECT gen_random_uuid(), 'Welcome ' || n, 'read', now() - make_interval(days => 4000 + n)
  FROM generate_series(1, 10) n;

-- Three jobs for a function of the database's; the last one waits for the others, as a workflow does.
CREATE OR REPLACE FUNCTION demo_greet(job jsonb) RETURNS jsonb LANGUAGE sql AS
	$$ SELECT jsonb_build_object('greeting', 'Hello ' || (job #>> '{payload,name}')) $$;
INSERT INTO job_types (job_type, processor, target) VALUES ('demo.greet', 'sql', 'demo_greet') ON CONFLICT DO NOTHING;
WITH first AS MATERIALIZED (
	SELECT array_agg(enqueue_job('demo.greet', jsonb_build_object('name', name))) AS ids FROM unnest(ARRAY['Ada', 'Grace']) name
)
SELECT enqueue_job('demo.greet', '{"name": "everybody"}', depends_on => ids) FROM first;

-- And one every morning at half past six.
INSERT INTO job_schedules (name, cron, time_zone, job_type, payload)
VALUES ('demo.morning', '30 6 * * *', 'Europe/Berlin', 'demo.greet', '{"name": "early birds"}') ON CONFLICT DO NOTHING;

COMMIT;
