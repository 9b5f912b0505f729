/*
 * job_schedules - recurring jobs: the part of job-queue that makes them.
 *
 * A schedule (a row of job_schedules) has a slot whenever its cron expression comes round in its
 * time zone (base/cron_next.h).  A slot becomes one job, whoever runs how often and is killed
 * where: its job is made in the statement that moves the schedule on, and only if the schedule is
 * as it was when its slots were computed.
 */
#ifndef CRONWARD_WORKERS_JOB_SCHEDULES_H
#define CRONWARD_WORKERS_JOB_SCHEDULES_H

#include <stdint.h>

struct run;

enum {
	/* A slot that is seen so late is not missed: a run comes once a minute, and may itself be
	 * late. */
	JOB_SCHEDULE_GRACE_S = 90,
};

/*
 * Makes the jobs of all slots that have come, by the database's clock.  What is wrong with one
 * schedule goes into its last_error and stops no other.  Nothing else may be in the air on r->db.
 * 0, or -1 with run->err: the database failed; what was made stays.
 */
int job_schedules_run(struct run *r);
/*
 * For a run that goes on, after job_schedules_run(): in how many ms the next slot comes, INT64_MAX
 * if none does.  0, or -1 with run->err.
 */
int job_schedules_next(struct run *r, int64_t *ret_in_ms);

#endif
