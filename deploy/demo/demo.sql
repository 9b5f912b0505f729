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

-- Events of Telebirr's that this shop has stored itself: two to be booked, of which one cannot be; and one
-- of WhatsApp's that nobody handles.
CREATE TABLE IF NOT EXISTS demo_payments (event_id text PRIMARY KEY, amount numeric NOT NULL, booked_at timestamptz NOT NULL DEFAULT now());
CREATE OR REPLACE FUNCTION demo_paid(event jsonb) RETURNS void LANGUAGE sql AS $$
	INSERT INTO demo_payments (event_id, amount) VALUES (event ->> 'event_id', (event #>> '{payload,amount}')::numeric)
$$;
INSERT INTO event_handlers (provider, type_pattern, action) SELECT 'telebirr', 'payment.*', 'demo_paid'
 WHERE NOT EXISTS (SELECT FROM event_handlers WHERE provider = 'telebirr' AND action = 'demo_paid');
INSERT INTO webhook_events (provider, event_id, event_type, payload, status, error_message)
SELECT 'telebirr', gen_random_uuid(), 'payment.succeeded', jsonb_build_object('amount', amount), 'failed', 'the shop was away'
  FROM unnest(ARRAY['17', 'as much as you like']) amount;
INSERT INTO whatsapp_webhook_logs (eventtype, payload, processingerror) VALUES ('messages', '{"from": "Ada"}', 'the shop was away');

-- A mail to an address of Resend's that takes everything; sent once there is a key.
INSERT INTO email_queue (to_address, template, data) SELECT 'delivered@resend.dev', 'welcome', '{"app": "the demo", "name": "Ada", "url": "https://localhost/"}'
 WHERE NOT EXISTS (SELECT FROM email_queue WHERE to_address = 'delivered@resend.dev' AND status = 'pending');

-- Twenty mugs more than are promised; three holds of which two have expired.
INSERT INTO inventory_items (id, sku, on_hand) VALUES ('00000000-0000-4000-8000-0000000de101', 'demo-mug', 20)
ON CONFLICT (id) DO UPDATE SET on_hand = inventory_items.reserved + 20;
WITH held AS MATERIALIZED (
	SELECT n, reserve_item('00000000-0000-4000-8000-0000000de101', n) AS id FROM generate_series(1, 3) n
)
SELECT count(*) FROM held;
UPDATE inventory_reservations SET expires_at = now() - interval '1 minute'
 WHERE item_id = '00000000-0000-4000-8000-0000000de101' AND status = 'active' AND quantity < 3;

-- A number of WhatsApp's whose token nobody has stored, and an account at GitHub whose user has to connect it again:
-- neither is a reason to ask anybody.  What was synced of it before is still there.
INSERT INTO whatsapp_connections (id, wabaid, phonenumberid) VALUES ('00000000-0000-4000-8000-0000000de201', '102290129340398', '106540352242922')
ON CONFLICT DO NOTHING;
INSERT INTO user_integrations (id, user_id, provider, status, last_error)
VALUES ('00000000-0000-4000-8000-0000000de301', '00000000-0000-4000-8000-0000000de302', 'github', 'needs_reauth', 'GitHub accepts the token no longer')
ON CONFLICT DO NOTHING;
INSERT INTO integration_items (integration_id, kind, external_id, data)
SELECT '00000000-0000-4000-8000-0000000de301', 'issue', n::text, jsonb_build_object('id', n, 'title', 'Issue ' || n) FROM generate_series(1, 3) n
ON CONFLICT DO NOTHING;

COMMIT;
