/*
 * sync_counts - which users and integrations a run has worked on, each counted once.
 *
 * An integration may have several turns in a run, and may fail in one and succeed in the next.
 */
#ifndef CRONWARD_WORKERS_SYNC_COUNTS_H
#define CRONWARD_WORKERS_SYNC_COUNTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	SYNC_COUNT_ID = 16,
};

struct sync_count {
	unsigned char id[SYNC_COUNT_ID]; /* of a uuid */
	bool is_used, has_failed;
	int group;
};

/* All zero is an empty one. */
struct sync_counts {
	struct sync_count *all;
	size_t used, room;
};

void sync_counts_finish(struct sync_counts *c);
/* Counts ${uuid}, of ${group}, if it is new, and notes whether its last turn has failed. */
void sync_counts_add(struct sync_counts *c, const char *uuid, int group, bool has_failed);
/* How many there are in ${group}; with ${only_failed} those that have failed. */
int64_t sync_counts_of(const struct sync_counts *c, int group, bool only_failed);

#endif
