/*
 * zone - time zones from TZif files.
 *
 * A file has its data twice: with 32 bits, which are skipped, and with 64.  Behind the changes that
 * it lists comes a rule for all later years.  Nothing is read that the counts in its heads do not
 * cover, and the counts are compared with the file's length before anything is.
 */
#include "base/zone.h"

#include "base/arena.h"
#include "zone_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ZONE_FOLDER "/usr/share/zoneinfo/"

enum {
	ZONE_HEAD = 44,        /* bytes */
	ZONE_HEAD_VERSION = 4, /* where in it */
	ZONE_HEAD_COUNTS = 20,
	ZONE_TIME_32 = 4,
	ZONE_TIME_64 = 8,
	ZONE_TYPE = 6, /* bytes of an offset, whether it is summer's, and its name's place */
	ZONE_RULE_MAX = 128,
	ZONE_OFFSET_MAX_S = 26 * 3600,
	ZONE_PARTS_MAX = 3,
};

/* The counts of a head, in its order. */
enum zone_count {
	ZONE_COUNT_UT,
	ZONE_COUNT_STD,
	ZONE_COUNT_LEAP,
	ZONE_COUNT_TIMES,
	ZONE_COUNT_TYPES,
	ZONE_COUNT_CHARS,
	ZONE_COUNT__MAX
};

/* Bytes that are still to be read. */
struct zone_bytes {
	const unsigned char *at;
	size_t len;
};

struct zone_change {
	int64_t at_s; /* INT64_MIN: before all others */
	int32_t offset_s;
};

struct zone {
	char name[ZONE_NAME_MAX + 1];
	struct zone *next;
	struct zone_change *changes;
	size_t count;          /* at least 1 */
	struct zone_rule rule; /* from the last change on */
	bool has_rule;
};

/* The latest found first. */
struct zones {
	struct zone *first;
};

static struct zone *zone_load(const char *name, struct err *);
static ssize_t zone_slurp(const char *path, unsigned char *to, size_t room);
static bool zone_read_head(struct zone_bytes *, uint32_t counts[static ZONE_COUNT__MAX]);
static size_t zone_data_len(const uint32_t counts[static ZONE_COUNT__MAX], size_t time_len);
static bool zone_read_changes(
    struct zone *, const unsigned char *data, const uint32_t counts[static ZONE_COUNT__MAX]);
static bool zone_read_rule(struct zone *, const struct zone_bytes *);
static uint64_t zone_number(const unsigned char *at, size_t len);

struct zones *
zones_create(void)
{
	return mem_zero(1, sizeof(struct zones));
}

void
zones_destroy(struct zones *all)
{
	if (!all)
		return;
	for (struct zone *z = all->first, *next; z; z = next) {
		next = z->next;
		zone_destroy(z);
	}
	free(all);
}

const struct zone *
zones_find(struct zones *all, const char *name, struct err *e)
{
	struct zone *z;

	for (z = all->first; z; z = z->next)
		if (strcmp(z->name, name) == 0)
			return z;
	z = zone_load(name, e);
	if (z) {
		z->next = all->first;
		all->first = z;
	}
	return z;
}

struct zone_span
zone_span_at(const struct zone *z, int64_t unix_s)
{
	size_t low = 0, high = z->count;
	struct zone_span span;

	/* The last one that is not after it. */
	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;

		if (z->changes[middle].at_s <= unix_s)
			low = middle;
		else
			high = middle;
	}
	if (high < z->count || !z->has_rule)
		return (struct zone_span){ z->changes[low].at_s,
			high < z->count ? z->changes[high].at_s : INT64_MAX,
			z->changes[low].offset_s };
	span = zone_rule_span(&z->rule, unix_s);
	if (span.from_s < z->changes[low].at_s)
		span.from_s = z->changes[low].at_s;
	return span;
}

bool
zone_name_is_fit(const char *name)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				      "0123456789_+-";
	int parts = 0;

	if (strnlen(name, ZONE_NAME_MAX + 1) > ZONE_NAME_MAX)
		return false;
	for (;; name++) {
		if (++parts > ZONE_PARTS_MAX || *name < 'A' || *name > 'Z')
			return false;
		name += strspn(name, letters);
		if (*name != '/')
			return *name == '\0';
	}
}

struct zone *
zone_read(const unsigned char *bytes, size_t len, struct err *e)
{
	struct zone_bytes rest = { bytes, len };
	struct zone *z = mem_zero(1, sizeof(*z));
	uint32_t counts[ZONE_COUNT__MAX];
	size_t data_len = 0;
	bool is_good = zone_read_head(&rest, counts);

	if (is_good) {
		data_len = zone_data_len(counts, ZONE_TIME_32);
		is_good = data_len <= rest.len;
	}
	if (is_good) {
		rest = (struct zone_bytes){ rest.at + data_len, rest.len - data_len };
		is_good = zone_read_head(&rest, counts);
	}
	if (is_good) {
		data_len = zone_data_len(counts, ZONE_TIME_64);
		is_good = data_len <= rest.len && zone_read_changes(z, rest.at, counts);
	}
	if (is_good) {
		rest = (struct zone_bytes){ rest.at + data_len, rest.len - data_len };
		is_good = zone_read_rule(z, &rest);
	}
	if (is_good)
		return z;
	zone_destroy(z);
	err_set(e, ERR_INTERNAL, "time zone: no TZif file of version 2 or later");
	return NULL;
}

void
zone_destroy(struct zone *z)
{
	if (!z)
		return;
	free(z->changes);
	free(z);
}

static struct zone *
zone_load(const char *name, struct err *e)
{
	char path[sizeof(ZONE_FOLDER) + ZONE_NAME_MAX];
	unsigned char *bytes;
	struct zone *z = NULL;
	ssize_t len;

	if (!zone_name_is_fit(name)) {
		err_set(e, ERR_BAD_REQUEST,
		    "time zone: allowed are names of IANA's such as UTC or Europe/Berlin");
		return NULL;
	}
	snprintf(path, sizeof(path), ZONE_FOLDER "%s", name);
	bytes = mem_alloc(ZONE_FILE_MAX);
	len = zone_slurp(path, bytes, ZONE_FILE_MAX);
	if (len >= 0) {
		z = zone_read(bytes, (size_t)len, e);
	} else if (strcmp(name, "UTC") == 0) {
		/* Needs no file, so that it is there without the package. */
		z = mem_zero(1, sizeof(*z));
		z->changes = mem_zero(1, sizeof(*z->changes));
		z->changes[0].at_s = INT64_MIN;
		z->count = 1;
	} else {
		err_set(e, ERR_BAD_REQUEST,
		    "time zone %s: cannot read " ZONE_FOLDER " (package tzdata): %s", name,
		    strerror(errno));
	}
	free(bytes);
	if (z)
		snprintf(z->name, sizeof(z->name), "%s", name);
	return z;
}

/* The file's length, or -1 with errno. */
static ssize_t
zone_slurp(const char *path, unsigned char *to, size_t room)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	ssize_t len, total = 0;

	if (fd < 0)
		return -1;
	do {
		len = read(fd, to + total, room - (size_t)total);
		if (len > 0)
			total += len;
	} while (len > 0 || (len < 0 && errno == EINTR));
	if (len < 0)
		total = -1;
	close(fd);
	return total;
}

/* Takes the head off ${bytes}. */
static bool
zone_read_head(struct zone_bytes *bytes, uint32_t counts[static ZONE_COUNT__MAX])
{
	if (bytes->len < ZONE_HEAD || memcmp(bytes->at, "TZif", 4) != 0 ||
	    bytes->at[ZONE_HEAD_VERSION] < '2')
		return false;
	for (size_t i = 0; i < ZONE_COUNT__MAX; i++) {
		counts[i] = (uint32_t)zone_number(bytes->at + ZONE_HEAD_COUNTS + 4 * i, 4);
		/* Nothing is smaller than a byte, and sums stay far from overflowing. */
		if (counts[i] > ZONE_FILE_MAX)
			return false;
	}
	bytes->at += ZONE_HEAD;
	bytes->len -= ZONE_HEAD;
	/* Local time that counts leap seconds is not the one that PostgreSQL knows. */
	return counts[ZONE_COUNT_TYPES] > 0 && counts[ZONE_COUNT_LEAP] == 0;
}

/* Of what follows a head, without leap seconds. */
static size_t
zone_data_len(const uint32_t counts[static ZONE_COUNT__MAX], size_t time_len)
{
	return counts[ZONE_COUNT_TIMES] * (time_len + 1) +
	       (size_t)counts[ZONE_COUNT_TYPES] * ZONE_TYPE + counts[ZONE_COUNT_CHARS] +
	       counts[ZONE_COUNT_STD] + counts[ZONE_COUNT_UT];
}

/* Times in order, the type of each, and the types; those that change no offset are left out. */
static bool
zone_read_changes(
    struct zone *z, const unsigned char *data, const uint32_t counts[static ZONE_COUNT__MAX])
{
	size_t times = counts[ZONE_COUNT_TIMES];
	const unsigned char *indexes = data + times * ZONE_TIME_64;
	const unsigned char *types = indexes + times;
	struct zone_change *last;

	z->changes = mem_zero(times + 1, sizeof(*z->changes));
	last = z->changes;
	/* Before the first change it is the first type. */
	*last = (struct zone_change){ INT64_MIN, (int32_t)zone_number(types, 4) };
	for (size_t i = 0; i < times; i++) {
		int64_t at_s = (int64_t)zone_number(data + i * ZONE_TIME_64, ZONE_TIME_64);
		int32_t offset_s;

		if (indexes[i] >= counts[ZONE_COUNT_TYPES] || at_s <= last->at_s)
			return false;
		offset_s = (int32_t)zone_number(types + (size_t)indexes[i] * ZONE_TYPE, 4);
		if (offset_s > ZONE_OFFSET_MAX_S || offset_s < -ZONE_OFFSET_MAX_S)
			return false;
		*++last = (struct zone_change){ at_s, offset_s };
	}
	z->count = times + 1;
	return z->changes[0].offset_s <= ZONE_OFFSET_MAX_S &&
	       z->changes[0].offset_s >= -ZONE_OFFSET_MAX_S;
}

/* A line of its own behind the data; an empty one says that the last offset stays. */
static bool
zone_read_rule(struct zone *z, const struct zone_bytes *bytes)
{
	char text[ZONE_RULE_MAX];
	const unsigned char *end;
	size_t len;

	if (bytes->len < 2 || *bytes->at != '\n')
		return false;
	end = memchr(bytes->at + 1, '\n', bytes->len - 1);
	if (!end)
		return false;
	len = (size_t)(end - bytes->at) - 1;
	if (len == 0)
		return true;
	if (len >= sizeof(text) || memchr(bytes->at, '\0', len + 1))
		return false;
	memcpy(text, bytes->at + 1, len);
	text[len] = '\0';
	z->has_rule = true;
	return zone_rule_read(text, &z->rule);
}

/* As the network has it. */
static uint64_t
zone_number(const unsigned char *at, size_t len)
{
	uint64_t number = 0;

	for (size_t i = 0; i < len; i++)
		number = number << 8 | at[i];
	return number;
}
