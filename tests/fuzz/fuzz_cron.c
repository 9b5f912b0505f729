/*
 * Cron expressions: what is read is written so that it is read as the same, what is refused says
 * why, and slots go up.  The first byte chooses where the clock stands.
 */
#include "fuzz.h"

#include "base/arena.h"
#include "base/cron.h"
#include "base/cron_next.h"
#include "base/zone.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static void fuzz_written(const struct cron *cron);
static void fuzz_slots(const struct cron *cron, const struct zone *zone, int64_t from_s);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct zones *zones;
	struct err e = { .code = ERR_OK };
	struct cron cron;
	char *text;

	if (size == 0)
		return 0;
	if (!zones)
		zones = zones_create();
	text = mem_alloc(size);
	memcpy(text, data + 1, size - 1);
	text[size - 1] = '\0';
	if (cron_parse(text, &cron, &e)) {
		must(e.code == ERR_OK);
		fuzz_written(&cron);
		fuzz_slots(&cron, zones_find(zones, data[0] % 2 ? "UTC" : "Europe/Berlin", NULL),
		    (int64_t)data[0] * 40000000 - 1000000000);
	} else {
		must(e.code == ERR_BAD_REQUEST && strncmp(e.message, "cron: ", 6) == 0);
	}
	free(text);
	return 0;
}

static void
fuzz_written(const struct cron *cron)
{
	struct text written = { .at = NULL };
	struct cron again;

	for (enum cron_field field = 0; field < CRON__MAX; field++)
		must(cron->fields[field] != 0 && (cron->fields[field] & ~cron_every(field)) == 0);
	cron_add(cron, &written);
	must(cron_parse(written.at, &again, NULL));
	must(memcmp(cron, &again, sizeof(again)) == 0);
	text_finish(&written);
}

static void
fuzz_slots(const struct cron *cron, const struct zone *zone, int64_t from_s)
{
	struct cron_window window = { from_s + 1, from_s, 3 };
	int64_t slots[8], latest[3], s = from_s;
	size_t count = 0, kept;

	must(zone != NULL);
	for (; count < 8; count++) {
		slots[count] = cron_next(cron, zone, s);
		must(slots[count] > s);
		s = slots[count];
		if (s == CRON_NEVER)
			break;
		must(s % 60 == 0);
		window.to_s = s;
	}
	kept = cron_latest(cron, zone, &window, latest);
	must(kept == (count < 3 ? count : 3));
	for (size_t i = 0; i < kept; i++)
		must(latest[i] == slots[count - kept + i]);
}
