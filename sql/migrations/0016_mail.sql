-- Mail: what the queue needs beyond its first form, and templates.

SELECT cronward_add_column('email_queue', 'reply_to', 'text');
SELECT cronward_add_column('email_queue', 'headers', 'jsonb', $$NOT NULL DEFAULT '{}'$$);
SELECT cronward_add_column('email_queue', 'batch_id', 'uuid');
SELECT cronward_add_column('email_queue', 'is_single', 'boolean', 'NOT NULL DEFAULT false');
SELECT cronward_add_column('email_queue', 'sent_at', 'timestamptz');
SELECT cronward_add_column('email_queue', 'dead_at', 'timestamptz');
COMMENT ON COLUMN email_queue.reply_to IS 'where answers go; NULL: to whom it is from';
COMMENT ON COLUMN email_queue.headers IS 'more headers, such as {"List-Unsubscribe": "<https://…>"}';
COMMENT ON COLUMN email_queue.batch_id IS 'the first mail of those that go out with one request: its waits_until and lease stand for all, and the request is repeated whole, under one idempotency key';
COMMENT ON COLUMN email_queue.is_single IS 'goes out alone: the request that it was part of was refused for one of them';

-- Lanes are priorities: rows of a higher one that are not due yet are never walked over.
CREATE INDEX IF NOT EXISTS email_queue_due ON email_queue (priority, waits_until, id) WHERE waits_until IS NOT NULL;
CREATE INDEX IF NOT EXISTS email_queue_suspect ON email_queue (lost, waits_until, id) WHERE lost > 0 AND waits_until IS NOT NULL;
CREATE INDEX IF NOT EXISTS email_queue_batch ON email_queue (batch_id) WHERE batch_id IS NOT NULL;
CREATE INDEX IF NOT EXISTS email_queue_dead ON email_queue (dead_at, id) WHERE dead_at IS NOT NULL;

CREATE TABLE IF NOT EXISTS email_templates (
	name text PRIMARY KEY CHECK (name <> ''),
	subject text NOT NULL,
	html text,
	text text,
	updated_at timestamptz NOT NULL DEFAULT now(),
	CHECK (html IS NOT NULL OR text IS NOT NULL)
);
COMMENT ON TABLE email_templates IS '{{field}} stands for a value of email_queue.data: escaped in html, as it is in subject and text';

-- scheduled_for says when a mail is due; what the application changes of a mail that waits counts.
CREATE OR REPLACE FUNCTION cronward_mail_comes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF NEW.status IN ('sent', 'failed') THEN
		NEW.waits_until := NULL;
		NEW.lease_until := NULL;
		NEW.claim_token := NULL;
	ELSIF NEW.status = 'pending' AND NEW.batch_id IS NULL THEN
		NEW.waits_until := GREATEST(NEW.scheduled_for, NEW.next_attempt_at, clock_timestamp());
	END IF;
	RETURN NEW;
END
$$;
CREATE OR REPLACE TRIGGER email_queue_comes BEFORE INSERT ON email_queue
	FOR EACH ROW WHEN (NEW.status <> 'pending' OR NEW.scheduled_for > NEW.waits_until OR NEW.next_attempt_at > NEW.waits_until)
	EXECUTE FUNCTION cronward_mail_comes();
CREATE OR REPLACE TRIGGER email_queue_is_changed BEFORE UPDATE ON email_queue
	FOR EACH ROW WHEN ((OLD.status <> NEW.status OR OLD.scheduled_for <> NEW.scheduled_for)
		AND OLD.waits_until IS NOT DISTINCT FROM NEW.waits_until AND OLD.claim_token IS NOT DISTINCT FROM NEW.claim_token
		AND OLD.lease_until IS NOT DISTINCT FROM NEW.lease_until AND OLD.batch_id IS NOT DISTINCT FROM NEW.batch_id)
	EXECUTE FUNCTION cronward_mail_comes();
