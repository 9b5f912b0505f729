-- Tables that an application had before cronward came, and since when both have them: what was in
-- them by then is the application's history, and not for data-archival to prune.

CREATE TABLE IF NOT EXISTS cronward_adopted (
	name text PRIMARY KEY,
	at timestamptz NOT NULL DEFAULT clock_timestamp()
);
