/*
 * cron_batch - what the program makes of schedules, a line each.
 *
 *	zone TAB seconds since 1970 TAB number of slots TAB expression
 *
 * on stdin gives on stdout, in the same order, either
 *
 *	ok TAB the expression as it is written TAB slots after that time, with spaces between
 *	error TAB message
 *
 * Fewer slots than were asked for: no more come.
 */
#include "base/cron.h"
#include "base/cron_next.h"
#include "base/zone.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	BATCH_LINE_MAX = 4096,
	BATCH_COLUMNS = 4,
};

static void answer(struct zones *zones, char *const columns[static BATCH_COLUMNS]);

int
main(void)
{
	struct zones *zones = zones_create();
	char line[BATCH_LINE_MAX];

	while (fgets(line, sizeof(line), stdin)) {
		char *columns[BATCH_COLUMNS] = { line };

		line[strcspn(line, "\n")] = '\0';
		for (int i = 1; i < BATCH_COLUMNS; i++) {
			char *tab = strchr(columns[i - 1], '\t');

			if (!tab)
				return 2;
			*tab = '\0';
			columns[i] = tab + 1;
		}
		answer(zones, columns);
	}
	zones_destroy(zones);
	return 0;
}

static void
answer(struct zones *zones, char *const columns[static BATCH_COLUMNS])
{
	struct err e = { .code = ERR_OK };
	struct text written = { .at = NULL };
	const struct zone *zone = zones_find(zones, columns[0], &e);
	int64_t slot = strtoll(columns[1], NULL, 10);
	struct cron cron;

	if (!zone || !cron_parse(columns[3], &cron, &e)) {
		printf("error\t%s\n", e.message);
		return;
	}
	cron_add(&cron, &written);
	printf("ok\t%s\t", written.at);
	text_finish(&written);
	for (long count = strtol(columns[2], NULL, 10); count > 0; count--) {
		slot = cron_next(&cron, zone, slot);
		if (slot == CRON_NEVER)
			break;
		printf("%lld ", (long long)slot);
	}
	putchar('\n');
}
