/*
 * Cursors that the application, or bad luck, has written.
 */
#include "workers/sync_cursor.h"

#include "base/text.h"
#include "sync_vendors.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void
reads(const struct sync_vendor *v, const char *text, const char *wanted)
{
	json_t *cursor = sync_cursor_read(v, text);
	char *got = json_dumps(cursor, JSON_COMPACT | JSON_SORT_KEYS);

	if (strcmp(got, wanted) != 0)
		fail_msg("%s is read as %s, and not as %s", text, got, wanted);
	free(got);
	json_decref(cursor);
}

static void
what_is_sound_is_kept(void **unused)
{
	static const char *const sound[] = {
		"{}",
		"{\"at\":\"doc\"}",
		"{\"at\":\"box\",\"began\":5,\"is_all\":true,\"is_whole\":true,\"page\":\"q\","
		"\"pages\":2,"
		"\"streams\":{\"box\":{\"is_changed\":true,\"pages\":[{\"etag\":\"e\",\"sum\":"
		"\"1\"},"
		"{\"page\":\"p\",\"sum\":\"2\"}]}}}",
		"{\"at\":\"doc\",\"began\":5,\"is_whole\":true,\"pages\":3,\"rounds\":1,"
		"\"streams\":{"
		"\"doc\":{\"noted\":3,\"since\":\"s\"}}}",
		"{\"streams\":{\"doc\":{\"noted\":3,\"since\":\"s\"}}}",
		"{\"at\":\"doc\",\"began\":5,\"etag\":\"e\",\"page\":\"p\",\"streams\":{\"doc\":"
		"{\"since\":\"s\",\"size\":5,\"skip_until\":1,\"whole_at\":1,\"whole_s\":0}},"
		"\"until\":\"t\"}",
		"{\"at\":\"doc\",\"began\":5,\"is_due\":true,\"is_whole\":true,\"streams\":{"
		"\"doc\":{}}}",
	};

	(void)unused;
	for (size_t i = 0; i < sizeof sound / sizeof *sound; i++)
		reads(&vendor_boxes, sound[i], sound[i]);
	reads(&vendor_rooms,
	    "{\"at\":\"word\",\"began\":5,\"is_all\":true,\"is_whole\":true,\"part\":\"R1\","
	    "\"streams\":{\"word\":{\"parts\":{\"R1\":{},\"R2\":{\"since\":\"s\"}}}}}",
	    "{\"at\":\"word\",\"began\":5,\"is_all\":true,\"is_whole\":true,\"part\":\"R1\","
	    "\"streams\":{\"word\":{\"parts\":{\"R1\":{},\"R2\":{\"since\":\"s\"}}}}}");
	reads(&vendor_rooms,
	    "{\"at\":\"word\",\"began\":5,\"streams\":{\"word\":{\"drop\":[\"R1\"],\"parts\":"
	    "{\"R1\":{}}}}}",
	    "{\"at\":\"word\",\"began\":5,\"streams\":{\"word\":{\"drop\":[\"R1\"],\"parts\":"
	    "{\"R1\":{}}}}}");
}

static void
what_nobody_asked_for_is_left_behind(void **unused)
{
	(void)unused;
	reads(&vendor_boxes,
	    "{\"github_since\":\"x\",\"streams\":{\"issue\":7,\"doc\":{\"a\":[1]}}}",
	    "{\"streams\":{\"doc\":{}}}");
	/* In front of a stream nothing of one is known. */
	reads(&vendor_boxes, "{\"at\":\"doc\",\"page\":\"p\",\"pages\":3,\"is_whole\":true}",
	    "{\"at\":\"doc\"}");
	reads(&vendor_boxes, "{\"page\":\"p\",\"began\":3,\"rounds\":1}", "{}");
}

static void
what_is_damaged_is_begun_anew(void **unused)
{
	static const char *const damaged[] = {
		"",
		"null",
		"[]",
		"\"2026-11-22T00:00:00Z\"",
		"{\"at\":\"doc\"",
		"{\"at\":\"nothing\"}",
		"{\"at\":5}",
		"{\"at\":\"nothing\",\"began\":5}",
		"{\"at\":\"doc\",\"began\":-5,\"is_whole\":true}",
		"{\"at\":\"doc\",\"began\":5.5,\"is_whole\":true}",
		"{\"at\":\"doc\",\"began\":9007199254740992,\"is_whole\":true}",
		"{\"at\":\"doc\",\"began\":5,\"is_whole\":1}",
		"{\"at\":\"doc\",\"began\":5,\"is_whole\":true,\"pages\":1000001}",
		"{\"at\":\"doc\",\"began\":5,\"is_whole\":true,\"page\":{}}",
		"{\"streams\":{\"doc\":{\"since\":\"s\",\"etag\":\"a\\nb\"}}}",
		"{\"streams\":{\"box\":{\"pages\":{}}}}",
		"{\"streams\":{\"box\":{\"pages\":[{}]}}}",
		"{\"streams\":{\"box\":{\"pages\":[{\"etag\":\"e\"}]}}}",
		"{\"streams\":{\"box\":{\"pages\":[{\"sum\":\"1\"},{\"sum\":\"2\"}]}}}",
		"{\"streams\":{\"box\":{\"pages\":[{\"page\":\"p\",\"sum\":\"1\"}]}}}",
		"{\"at\":\"doc\",\"began\":5,\"is_whole\":true,\"todo\":[\"a:b\"]}",
		"{\"at\":\"doc\",\"began\":5,\"is_whole\":true,\"todo\":[\"\"]}",
		"{\"at\":\"doc\",\"began\":5,\"is_whole\":true,\"todo\":[5]}",
		/* Not whole, and it is not known since when. */
		"{\"at\":\"doc\",\"began\":5}",
		"{\"at\":\"doc\",\"began\":5,\"is_due\":true,\"streams\":{\"doc\":{\"since\":\"s\"}"
		"}}",
		"{\"at\":\"box\",\"began\":5,\"streams\":{\"box\":{\"since\":\"s\"}}}",
		"{\"at\":\"box\",\"began\":5}",
		/* Pages that were noted: of what, since when, and how many. */
		"{\"streams\":{\"box\":{\"noted\":3,\"since\":\"s\"}}}",
		"{\"streams\":{\"doc\":{\"noted\":3}}}",
		"{\"streams\":{\"doc\":{\"noted\":1000001,\"since\":\"s\"}}}",
		"{\"at\":\"doc\",\"began\":5,\"pages\":3,\"streams\":{\"doc\":{\"noted\":3,"
		"\"since\":\"s\"}"
		"}}",
		"{\"at\":\"doc\",\"began\":5,\"is_whole\":true,\"pages\":2,\"streams\":{\"doc\":{"
		"\"noted\":"
		"3,\"since\":\"s\"}}}",
		"{\"streams\":[]}",
		"{\"streams\":{\"doc\":[]}}",
		"{\"streams\":{\"doc\":{\"since\":5}}}",
		"{\"streams\":{\"doc\":{\"size\":4}}}",
		"{\"streams\":{\"doc\":{\"size\":11}}}",
		"{\"streams\":{\"doc\":{\"whole_at\":\"5\"}}}",
	};
	static const char *const damaged_rooms[] = {
		"{\"streams\":{\"word\":{\"parts\":[]}}}",
		"{\"streams\":{\"word\":{\"parts\":{\"R1\":5}}}}",
		"{\"streams\":{\"word\":{\"parts\":{\"R:1\":{}}}}}",
		"{\"streams\":{\"word\":{\"parts\":{\"R1\":{\"since\":5}}}}}",
		"{\"streams\":{\"word\":{\"drop\":5}}}",
		"{\"at\":\"word\",\"began\":5,\"is_whole\":true}",
		"{\"at\":\"word\",\"began\":5,\"is_whole\":true,\"part\":\"R1\"}",
		"{\"at\":\"word\",\"began\":5,\"part\":\"R1\",\"streams\":{\"word\":{\"parts\":{"
		"\"R1\":{}}}}}",
	};

	(void)unused;
	for (size_t i = 0; i < sizeof damaged / sizeof *damaged; i++)
		reads(&vendor_boxes, damaged[i], "{}");
	for (size_t i = 0; i < sizeof damaged_rooms / sizeof *damaged_rooms; i++)
		reads(&vendor_rooms, damaged_rooms[i], "{}");
	reads(&vendor_boxes, NULL, "{}");
}

/* parts[0], then ${count} times parts[1], a number and parts[2], then parts[3]. */
static json_t *
read_many(const struct sync_vendor *v, const char *const parts[4], size_t count)
{
	struct text text = { 0 };
	json_t *cursor;

	text_add_text(&text, parts[0]);
	for (size_t i = 0; i < count; i++)
		text_add_format(&text, "%s%s%zu%s", i > 0 ? "," : "", parts[1], i, parts[2]);
	text_add_text(&text, parts[3]);
	cursor = sync_cursor_read(v, text.at);
	text_finish(&text);
	return cursor;
}

static size_t
kept(json_t *cursor)
{
	size_t members = json_object_size(cursor);

	json_decref(cursor);
	return members;
}

static void
there_are_bounds(void **unused)
{
	static const char *const parts[] = { "{\"streams\":{\"word\":{\"parts\":{", "\"", "\":{}",
		"}}}}" };
	static const char *const drop[] = { "{\"streams\":{\"word\":{\"drop\":[", "\"", "\"",
		"]}}}" };
	static const char *const pages[] = {
		"{\"streams\":{\"box\":{\"pages\":[{\"sum\":\"1\"},",
		"{\"sum\":\"1\",\"page\":\"",
		"\"}",
		"]}}}",
	};
	char *longest = calloc(1, SYNC_CURSOR_MAX + 3);

	(void)unused;
	assert_int_equal(kept(read_many(&vendor_rooms, parts, SYNC_PARTS_MAX)), 1);
	assert_int_equal(kept(read_many(&vendor_rooms, parts, SYNC_PARTS_MAX + 1)), 0);
	assert_int_equal(kept(read_many(&vendor_rooms, drop, SYNC_PARTS_MAX)), 1);
	assert_int_equal(kept(read_many(&vendor_rooms, drop, SYNC_PARTS_MAX + 1)), 0);
	assert_int_equal(kept(read_many(&vendor_boxes, pages, SYNC_KNOWN_MAX - 1)), 1);
	assert_int_equal(kept(read_many(&vendor_boxes, pages, SYNC_KNOWN_MAX)), 0);
	memset(longest, ' ', SYNC_CURSOR_MAX + 1);
	memcpy(longest, "{\"at\":\"doc\"}", strlen("{\"at\":\"doc\"}"));
	assert_int_equal(kept(sync_cursor_read(&vendor_boxes, longest)), 0);
	longest[SYNC_CURSOR_MAX] = '\0';
	assert_int_equal(kept(sync_cursor_read(&vendor_boxes, longest)), 1);
	free(longest);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_sound_is_kept),
		cmocka_unit_test(what_nobody_asked_for_is_left_behind),
		cmocka_unit_test(what_is_damaged_is_begun_anew),
		cmocka_unit_test(there_are_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
