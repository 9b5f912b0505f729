/*
 * sync_vendors - vendors that nobody has heard of, one for each way of listing things.
 */
#ifndef CRONWARD_TESTS_SYNC_VENDORS_H
#define CRONWARD_TESTS_SYNC_VENDORS_H

#include "vendors/sync.h"

enum { BOX, DOC };        /* of vendor_boxes */
enum { ROOM, WORD, MAN }; /* of vendor_rooms */
enum { DATE };            /* of vendor_dates */

static const struct sync_vendor vendor_boxes = {
	.name = "boxes",
	.label = "Boxes",
	.streams = {
		[BOX] = { .kind = "box", .id = "id", .size_max = 10, .is_whole = true, .has_etags = true },
		[DOC] = { .kind = "doc", .id = "id", .size_max = 10, .has_etags = true },
	},
	.streams_count = 2,
};

static const struct sync_vendor vendor_rooms = {
	.name = "rooms",
	.label = "Rooms",
	.streams = {
		[ROOM] = { .kind = "room", .id = "id", .size_max = 10, .is_whole = true, .parts_kind = "word" },
		[WORD] = { .kind = "word", .id = "ts", .size_max = 10, .has_parts = true },
		[MAN] = { .kind = "man", .id = "id", .size_max = 10, .is_whole = true },
	},
	.streams_count = 3,
};

static const struct sync_vendor vendor_dates = {
	.name = "dates",
	.label = "Dates",
	.streams = {
		[DATE] = { .kind = "date", .id = "id", .gone = "{\"state\": \"off\"}", .size_max = 10, .tells_gone = true },
	},
	.streams_count = 1,
};

#endif
