-- Secrets may be sealed (README, "Sealed secrets"); plain ones are found at once.

CREATE INDEX IF NOT EXISTS app_webhooks_plain_secret ON app_webhooks (id) WHERE NOT starts_with(secret, 'cw1.');
CREATE INDEX IF NOT EXISTS app_webhooks_plain_previous_secret ON app_webhooks (id)
	WHERE previous_secret <> '' AND NOT starts_with(previous_secret, 'cw1.');
COMMENT ON COLUMN app_webhooks.secret IS 'plain, or sealed by cronward (cw1.…)';
