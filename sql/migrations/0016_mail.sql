-- Mail: what the queue needs beyond its first form, and templates.

SELECT cronward_add_column('email_queue', 'reply_to', 'text');
SELECT cronward_add_column('email_queue', 'headers', 'jsonb', $$NOT NULL DEFAULT '{}'$$);
SELECT cronward_add_column('email_queue', 'batch_id', 'uuid');
SELECT cronward_add_column('email_queue', 'is_single', 'boolean', 'NOT NULL DEFAULT false');
SELECT cronward_add_column('email_queue', 'sent_at', 'timestamptz');
SELECT cronward_add_column('email_queue', 'dead_at', 'timestamptz');
SELECT cronward_add_column('email_queue', 'unsure_since', 'timestamptz');
SELECT cronward_add_column('email_queue', 'resends', 'integer', 'NOT NULL DEFAULT 0');
COMMENT ON COLUMN email_queue.reply_to IS 'where answers go; NULL: to whom it is from';
COMMENT ON COLUMN email_queue.headers IS 'more headers, such as {"List-Unsubscribe": "<https://…>"}';
COMMENT ON COLUMN email_queue.batch_id IS 'names the request that it goes out with; one row of a batch has a finite waits_until, and its lease stands for all';
COMMENT ON COLUMN email_queue.is_single IS 'goes out alone: the request that it was part of was refused, or it is tried anew after it had ended';
COMMENT ON COLUMN email_queue.unsure_since IS 'since when it may have been sent: a request with it was not answered; NULL: it was not';
COMMENT ON COLUMN email_queue.resends IS 'how often it was made pending again after it had been sent: each makes another mail of it, of another idempotency key';

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

-- scheduled_for says when a mail is due, and what the application makes of a mail that waits counts:
-- ended by its status it waits for nothing, in the hands of an application's own process
-- (status processing) for nobody else, and one that had ended and is pending again is tried anew,
-- alone; one that had failed under the key that it had, so that it is sent once even if it had been
-- sent without our knowing.  What is on its way cannot be made pending, and what may have been sent already keeps its
-- time: it goes out as it went before, or it might arrive twice.
CREATE OR REPLACE FUNCTION cronward_mail_comes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF NEW.status <> 'pending' THEN
		NEW.waits_until := NULL;
		NEW.lease_until := NULL;
		NEW.claim_token := NULL;
		NEW.batch_id := NULL;
	ELSE
		NEW.waits_until := GREATEST(NEW.scheduled_for, NEW.next_attempt_at, clock_timestamp());
	END IF;
	RETURN NEW;
END
$$;
CREATE OR REPLACE TRIGGER email_queue_comes BEFORE INSERT ON email_queue
	FOR EACH ROW WHEN (NEW.status <> 'pending' OR NEW.scheduled_for > NEW.waits_until OR NEW.next_attempt_at > NEW.waits_until)
	EXECUTE FUNCTION cronward_mail_comes();

CREATE OR REPLACE FUNCTION cronward_mail_is_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF OLD.claim_token IS NOT NULL AND NEW.status = 'pending' THEN
		NEW.status := OLD.status;
	ELSIF NEW.status IS DISTINCT FROM OLD.status THEN
		NEW.lease_until := NULL;
		NEW.claim_token := NULL;
		NEW.batch_id := NULL;
		NEW.waits_until := CASE WHEN NEW.status = 'pending' THEN GREATEST(NEW.scheduled_for, clock_timestamp()) END;
		IF NEW.status = 'pending' THEN
			NEW.resends := OLD.resends + (OLD.status = 'sent')::integer;
			NEW.attempts := 0;
			NEW.lost := 0;
			NEW.is_single := true;
			NEW.unsure_since := NULL;
			NEW.next_attempt_at := NULL;
			NEW.dead_at := NULL;
			NEW.sent_at := NULL;
		END IF;
	ELSIF NEW.status = 'pending' AND OLD.waits_until IS NOT NULL AND NEW.unsure_since IS NULL THEN
		NEW.batch_id := NULL;
		NEW.waits_until := GREATEST(NEW.scheduled_for, NEW.next_attempt_at, clock_timestamp());
	END IF;
	RETURN NEW;
END
$$;
CREATE OR REPLACE TRIGGER email_queue_is_changed BEFORE UPDATE ON email_queue
	FOR EACH ROW WHEN ((OLD.status IS DISTINCT FROM NEW.status OR OLD.scheduled_for <> NEW.scheduled_for)
		AND OLD.waits_until IS NOT DISTINCT FROM NEW.waits_until AND OLD.claim_token IS NOT DISTINCT FROM NEW.claim_token
		AND OLD.lease_until IS NOT DISTINCT FROM NEW.lease_until AND OLD.batch_id IS NOT DISTINCT FROM NEW.batch_id)
	EXECUTE FUNCTION cronward_mail_is_changed();

-- Five templates for a start; the rows are the team's to change, and stay as they are from then on.
-- All have one frame: a hidden first line for the list of mails, tables and styles in place for old
-- mail programs, dark colours where those are asked for.  app is the application's name as people
-- know it, url where the button leads, expires a time such as "24 hours"; date and total are texts as
-- people read them (a number 19.90 would be shown as 19.9); items and message may have several lines.
COMMENT ON COLUMN email_templates.name IS 'fields of those that come along: welcome: app, name, url; verification: app, name, url, expires; password_reset: app, name, url, expires; receipt: app, name, number, date, items, total, url; notification: app, name, title, message, url';

INSERT INTO email_templates (name, subject, html, text)
SELECT t.name, t.subject,
       replace(replace(replace(replace(replace(replace(replace(frame.html, '@title@', t.subject), '@first@', t.first),
               '@heading@', t.heading), '@content@', t.content), '@button@', t.button), '@note@', t.note),
               '@font@', $$font-family:-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif$$),
       t.plain
  FROM (VALUES ($$<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="supported-color-schemes" content="light dark">
<title>@title@</title>
<style>
:root { color-scheme: light dark; supported-color-schemes: light dark; }
@media (max-width: 480px) {
	.pad { padding: 28px 22px !important; }
	.out { padding: 16px 10px !important; }
}
@media (prefers-color-scheme: dark) {
	.page { background-color: #14171a !important; }
	.card { background-color: #1e2327 !important; border-color: #333a41 !important; }
	.ink { color: #e6e9ec !important; }
	.pale { color: #a3adb8 !important; }
	.line { border-color: #333a41 !important; }
	.link { color: #8ab4f8 !important; }
}
</style>
</head>
<body class="page" style="margin:0;padding:0;background-color:#f4f5f7;-webkit-text-size-adjust:100%">
<div style="display:none;max-height:0;overflow:hidden;opacity:0;font-size:1px;line-height:1px;color:#f4f5f7">@first@</div>
<table class="page" role="presentation" width="100%" cellpadding="0" cellspacing="0" border="0" bgcolor="#f4f5f7" style="background-color:#f4f5f7">
<tr><td class="out" align="center" style="padding:32px 16px">
<!--[if mso]><table role="presentation" width="600" align="center" cellpadding="0" cellspacing="0" border="0"><tr><td><![endif]-->
<table role="presentation" width="100%" cellpadding="0" cellspacing="0" border="0" style="max-width:600px;margin:0 auto">
<tr><td class="pale" style="padding:0 4px 14px;@font@;font-size:15px;line-height:20px;font-weight:600;color:#52606d">{{app}}</td></tr>
<tr><td>
<table class="card" role="presentation" width="100%" cellpadding="0" cellspacing="0" border="0" bgcolor="#ffffff" style="background-color:#ffffff;border:1px solid #e4e7eb;border-radius:8px">
<tr><td class="pad ink" style="padding:36px 40px;@font@;font-size:16px;line-height:25px;color:#1f2933;word-wrap:break-word;overflow-wrap:anywhere">
<h1 class="ink" style="margin:0 0 18px;font-size:22px;line-height:30px;font-weight:600;color:#1f2933">@heading@</h1>
@content@
<table role="presentation" cellpadding="0" cellspacing="0" border="0" style="margin:26px 0 24px">
<tr><td align="center" bgcolor="#1f5fbf" style="border-radius:6px;background-color:#1f5fbf">
<a href="{{url}}" style="display:inline-block;padding:12px 24px;@font@;font-size:16px;line-height:22px;font-weight:600;color:#ffffff;text-decoration:none;border:1px solid #1f5fbf;border-radius:6px">@button@</a>
</td></tr>
</table>
<p class="pale" style="margin:0;font-size:14px;line-height:21px;color:#52606d">@note@</p>
</td></tr>
</table>
</td></tr>
<tr><td class="pale" style="padding:16px 4px 0;@font@;font-size:13px;line-height:19px;color:#52606d;word-wrap:break-word;overflow-wrap:anywhere">
If the button does not work, open this address:<br><a class="link" href="{{url}}" style="color:#1f5fbf;word-break:break-all">{{url}}</a>
</td></tr>
</table>
<!--[if mso]></td></tr></table><![endif]-->
</td></tr>
</table>
</body>
</html>
$$)) frame (html),
       (VALUES
('welcome', 'Welcome to {{app}}', 'Your account is ready.', 'Welcome, {{name}}',
$$<p style="margin:0">It is good to have you here. Your account at {{app}} is ready, and everything else begins with the button below.</p>$$,
'Get started', 'You get this mail because somebody made an account at {{app}} with this address.',
$$Welcome, {{name}}

It is good to have you here. Your account at {{app}} is ready, and
everything else begins here:

{{url}}

You get this mail because somebody made an account at {{app}} with this
address.

{{app}}
$$),
('verification', 'Confirm your address for {{app}}', 'One click, and your address is confirmed.', 'Confirm your address',
$$<p style="margin:0 0 16px">Hello {{name}},</p>
<p style="margin:0">Please confirm that this address is yours, so that {{app}} can reach you by mail.</p>$$,
'Confirm address', 'The link works for {{expires}}. If you did not sign up at {{app}}, there is nothing you need to do.',
$$Hello {{name}},

Please confirm that this address is yours, so that {{app}} can reach you
by mail:

{{url}}

The link works for {{expires}}. If you did not sign up at {{app}}, there
is nothing you need to do.

{{app}}
$$),
('password_reset', 'Choose a new password for {{app}}', 'This is where you choose a new password.', 'Choose a new password',
$$<p style="margin:0 0 16px">Hello {{name}},</p>
<p style="margin:0">We got a request for a new password for your account at {{app}}. You can choose one here.</p>$$,
'Choose a password', 'The link works for {{expires}}. If you did not ask for it, your password stays as it is, and there is nothing you need to do. Nobody from {{app}} will ever ask you for this link.',
$$Hello {{name}},

We got a request for a new password for your account at {{app}}. You can
choose one here:

{{url}}

The link works for {{expires}}. If you did not ask for it, your password
stays as it is, and there is nothing you need to do. Nobody from {{app}}
will ever ask you for this link.

{{app}}
$$),
('receipt', 'Receipt {{number}} from {{app}}', '{{total}}, paid on {{date}}. Thank you.', 'Thank you, {{name}}',
$$<p style="margin:0 0 20px">This is your receipt from {{app}}.</p>
<table role="presentation" width="100%" cellpadding="0" cellspacing="0" border="0">
<tr>
<td class="pale line" valign="top" style="@font@;font-size:15px;line-height:23px;padding:10px 16px 10px 0;border-top:1px solid #e4e7eb;color:#52606d;white-space:nowrap">Receipt</td>
<td class="ink line" valign="top" align="right" style="@font@;font-size:15px;line-height:23px;padding:10px 0;border-top:1px solid #e4e7eb;color:#1f2933">{{number}}</td>
</tr>
<tr>
<td class="pale line" valign="top" style="@font@;font-size:15px;line-height:23px;padding:10px 16px 10px 0;border-top:1px solid #e4e7eb;color:#52606d;white-space:nowrap">Date</td>
<td class="ink line" valign="top" align="right" style="@font@;font-size:15px;line-height:23px;padding:10px 0;border-top:1px solid #e4e7eb;color:#1f2933">{{date}}</td>
</tr>
<tr>
<td class="ink line" colspan="2" style="@font@;font-size:15px;line-height:23px;padding:14px 0;border-top:1px solid #e4e7eb;color:#1f2933;white-space:pre-line">{{items}}</td>
</tr>
<tr>
<td class="ink line" valign="top" style="@font@;font-size:15px;line-height:23px;padding:12px 16px 0 0;border-top:2px solid #cbd2d9;font-weight:600;color:#1f2933">Total</td>
<td class="ink line" valign="top" align="right" style="@font@;font-size:15px;line-height:23px;padding:12px 0 0;border-top:2px solid #cbd2d9;font-weight:600;color:#1f2933">{{total}}</td>
</tr>
</table>$$,
'View the order', 'Please keep this mail: it is your proof of payment.',
$$Thank you, {{name}}

This is your receipt from {{app}}.

Receipt: {{number}}
Date:    {{date}}

{{items}}

Total:   {{total}}

The order: {{url}}

Please keep this mail: it is your proof of payment.

{{app}}
$$),
('notification', '{{title}}', '{{message}}', '{{title}}',
$$<p style="margin:0 0 16px">Hello {{name}},</p>
<p style="margin:0;white-space:pre-line">{{message}}</p>$$,
'Open {{app}}', 'You get this mail because you have an account at {{app}}.',
$${{title}}

Hello {{name}},

{{message}}

{{url}}

You get this mail because you have an account at {{app}}.

{{app}}
$$)
       ) t (name, subject, first, heading, content, button, note, plain)
    ON CONFLICT (name) DO NOTHING;
