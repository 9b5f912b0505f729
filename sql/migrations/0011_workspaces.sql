-- Who may read which jobs.

SELECT;
