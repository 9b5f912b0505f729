-- What is old in the archives is found by its age (ARCHIVE_RETENTION_DAYS).

CREATE INDEX IF NOT EXISTS platform_events_archive_age ON platform_events_archive (archived_at, id);
CREATE INDEX IF NOT EXISTS platform_notifications_archive_age ON platform_notifications_archive (archived_at, id);
