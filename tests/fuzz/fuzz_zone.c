/*
 * Files of time zones: every second is in the span that is found for it, spans lie side by side,
 * and a search for slots ends in whatever zone.
 */
#include "fuzz.h"

#include "base/arena.h"
#include "base/cron.h"
#include "base/cron_next.h"
#include "base/zone.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static void fuzz_spans(const struct zone *zone, int64_t at_s);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err e = { .code = ERR_OK };
	/* Of exactly its size, so that the sanitizer sees one byte too many. */
	unsigned char *bytes = mem_alloc(size);
	struct zone *zone;
	struct cron cron;

	memcpy(bytes, data, size);
	zone = zone_read(bytes, size, &e);
	free(bytes);
	must(!zone == (e.code != ERR_OK));
	if (!zone)
		return 0;
	must(cron_parse("30 2 * * *", &cron, NULL));
	for (int64_t at_s = -4000000000; at_s < 6000000000; at_s += 777777777) {
		int64_t slot = cron_next(&cron, zone, at_s);

		fuzz_spans(zone, at_s);
		must(slot > at_s);
	}
	zone_destroy(zone);
	return 0;
}

static void
fuzz_spans(const struct zone *zone, int64_t at_s)
{
	struct zone_span span = zone_span_at(zone, at_s), next;

	must(span.from_s <= at_s && at_s < span.to_s);
	must(span.offset_s >= -26 * 3600 && span.offset_s <= 26 * 3600);
	if (span.to_s > INT64_C(100000000000))
		return;
	next = zone_span_at(zone, span.to_s);
	must(next.from_s == span.to_s);
}
