-- Recurring jobs.

SELECT;
