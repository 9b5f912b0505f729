/*
 * sync_counts - which users and integrations a run has worked on, each counted once.
 *
 * A table with open addressing: 24 bytes for each, and twice as many places.
 */
#include "workers/sync_counts.h"

#include "base/arena.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum {
	COUNTS_ROOM = 256,
};

static void counts_id(const char *uuid, unsigned char id[static SYNC_COUNT_ID]);
static struct sync_count *counts_find(
    struct sync_count *all, size_t room, const unsigned char id[static SYNC_COUNT_ID], int group);
static void counts_grow(struct sync_counts *);

void
sync_counts_finish(struct sync_counts *c)
{
	free(c->all);
	*c = (struct sync_counts){ 0 };
}

void
sync_counts_add(struct sync_counts *c, const char *uuid, int group, bool has_failed)
{
	unsigned char id[SYNC_COUNT_ID];
	struct sync_count *one;

	if (c->used >= c->room / 2)
		counts_grow(c);
	counts_id(uuid, id);
	one = counts_find(c->all, c->room, id, group);
	if (!one->is_used) {
		memcpy(one->id, id, sizeof id);
		one->is_used = true;
		one->group = group;
		c->used++;
	}
	one->has_failed = has_failed;
}

int64_t
sync_counts_of(const struct sync_counts *c, int group, bool only_failed)
{
	int64_t count = 0;

	for (size_t i = 0; i < c->room; i++)
		count += c->all[i].is_used && c->all[i].group == group &&
			 (!only_failed || c->all[i].has_failed);
	return count;
}

/* Its digits, two to a byte. */
static void
counts_id(const char *uuid, unsigned char id[static SYNC_COUNT_ID])
{
	size_t digits = 0;

	memset(id, 0, SYNC_COUNT_ID);
	for (; *uuid && digits < (size_t)2 * SYNC_COUNT_ID; uuid++) {
		int c = tolower((unsigned char)*uuid);

		if (!isxdigit(c))
			continue;
		id[digits / 2] =
		    (unsigned char)(id[digits / 2] << 4 | (isdigit(c) ? c - '0' : c - 'a' + 10));
		digits++;
	}
}

/* Its place, or the free one where it belongs.  What is of two groups may have one id. */
static struct sync_count *
counts_find(
    struct sync_count *all, size_t room, const unsigned char id[static SYNC_COUNT_ID], int group)
{
	uint64_t hash = 14695981039346656037U; /* FNV-1a */
	size_t at;

	for (int i = 0; i < SYNC_COUNT_ID; i++)
		hash = (hash ^ id[i]) * 1099511628211U;
	for (at = hash % room; all[at].is_used; at = (at + 1) % room)
		if (all[at].group == group && memcmp(all[at].id, id, SYNC_COUNT_ID) == 0)
			break;
	return &all[at];
}

static void
counts_grow(struct sync_counts *c)
{
	size_t room = c->room > 0 ? 2 * c->room : COUNTS_ROOM;
	struct sync_count *all = mem_zero(room, sizeof *all);

	for (size_t i = 0; i < c->room; i++)
		if (c->all[i].is_used)
			*counts_find(all, room, c->all[i].id, c->all[i].group) = c->all[i];
	free(c->all);
	c->all = all;
	c->room = room;
}
