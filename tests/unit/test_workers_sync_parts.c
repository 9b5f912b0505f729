/*
 * Streams that are read part by part, such as the messages of channels.
 */
#include "sync_steps.h"

static struct sync_answer
rooms(const char *const *names, size_t count, const char *next)
{
	struct sync_answer answer = page(next, NULL, NULL);

	answer.parts = names;
	answer.parts_count = count;
	return answer;
}

/* Of the words of ${part}. */
static void
asks_words(const char *part, const char *at, const char *since)
{
	asks("word", at, since, NULL);
	assert_string_equal(ask.part, part);
}

/* Nothing is listed of the words of ${part}, so all of them go. */
static void
drops(const char *part)
{
	assert_int_equal(sync_state_next(&state, now_s, &ask), SYNC_SWEEP);
	sync_state_sweep(&state, now_s, &written);
	store();
	writes("page", 1, true);
	assert_string_equal(written.part, part);
	begin_again();
	sweeps("word", part);
}

static void
parts_are_read_one_by_one(void **unused)
{
	static const char *const first[] = { "R2", "R1", "", "a:b", "R2" }, *const second[] = {
		"R3"
	};

	(void)unused;
	begin(&vendor_rooms, "{}");
	asks("room", NULL, NULL, NULL);
	take(rooms(first, 5, "r2"));
	begin_again();
	take((asks("room", "r2", NULL, NULL), rooms(second, 1, NULL)));
	sweeps("room", NULL);
	begin_again();
	asks_words("R1", NULL, NULL);
	take(page("w2", "t1", NULL));
	assert_string_equal(written.part, "R1");
	begin_again();
	asks_words("R1", "w2", NULL);
	take(page(NULL, "t0", NULL));
	writes("page", 2, true);
	begin_again();
	sweeps("word", "R1");
	asks_words("R2", NULL, NULL);
	take(outcome(SYNC_SKIP));
	begin_again();
	asks_words("R3", NULL, NULL);
	take(page(NULL, NULL, NULL));
	sweeps("word", "R3");
	take((asks("man", NULL, NULL, NULL), page(NULL, NULL, NULL)));
	sweeps("man", NULL);
	is_over();
}

static void
parts_that_are_named_no_more_go(void **unused)
{
	static const char *const all[] = { "R1", "R2", "R3" };

	(void)unused;
	begin(&vendor_rooms, "{}");
	take((asks("room", NULL, NULL, NULL), rooms(all, 3, NULL)));
	sweeps("room", NULL);
	for (int i = 0; i < 3; i++) {
		asks_words(all[i], NULL, NULL);
		take(page(NULL, i == 2 ? NULL : "t1", NULL));
		sweeps("word", all[i]);
	}
	take((asks("man", NULL, NULL, NULL), page(NULL, NULL, NULL)));
	sweeps("man", NULL);
	begin_again();
	take((asks("room", NULL, NULL, NULL), rooms(&all[1], 2, NULL)));
	sweeps("room", NULL);
	begin_again();
	drops("R1");
	begin_again();
	asks_words("R2", NULL, "t1");
	take(page(NULL, NULL, NULL));
	writes("page", 1, false);
	/* It said no since. */
	asks_words("R3", NULL, NULL);
	take(page(NULL, NULL, NULL));
	sweeps("word", "R3");
	take((asks("man", NULL, NULL, NULL), page(NULL, NULL, NULL)));
	sweeps("man", NULL);
	begin_again();
	take((asks("room", NULL, NULL, NULL), rooms(NULL, 0, NULL)));
	sweeps("room", NULL);
	drops("R2");
	drops("R3");
	asks("man", NULL, NULL, NULL);
}

/* What a page names is asked of it each time, also where nothing else of it is of interest. */
static void
parts_of_pages_that_are_as_they_were_stay(void **unused)
{
	static const char *const first[] = { "R1" }, *const second[] = { "R2" };

	(void)unused;
	begin(&vendor_rooms, "{}");
	for (int pass = 0; pass < 2; pass++) {
		struct sync_answer one = page_of("one", "r2", NULL),
				   two = page_of("two", NULL, NULL);

		one.etag = "e1";
		one.parts = first;
		two.parts = second;
		one.parts_count = two.parts_count = 1;
		take((asks("room", NULL, NULL, NULL), one));
		take((asks("room", "r2", NULL, NULL), two));
		writes(pass == 0 ? "page" : NULL, 2, true);
		begin_again();
		if (pass == 0)
			sweeps("room", NULL);
		for (int i = 0; i < 2; i++) {
			asks_words(i == 0 ? "R1" : "R2", NULL, pass == 0 ? NULL : "t1");
			take(page(NULL, "t1", NULL));
			if (pass == 0)
				sweeps("word", i == 0 ? "R1" : "R2");
		}
		take((asks("man", NULL, NULL, NULL), page(NULL, NULL, NULL)));
		sweeps("man", NULL);
		is_over();
		begin_again();
	}
}

static void
less_is_asked_for_once(void **unused)
{
	(void)unused;
	begin(&vendor_rooms, "{}");
	asks("room", NULL, NULL, NULL);
	assert_false(ask.is_narrow);
	take(outcome(SYNC_NARROW));
	begin_again();
	asks("room", NULL, NULL, NULL);
	assert_true(ask.is_narrow);
	refuses(outcome(SYNC_NARROW), "less was asked for, and is too much as well");
	now_s += 24 * HOUR_S;
	begin(&vendor_rooms, "{\"streams\": {\"room\": {\"narrow_until\": 1800000001}}}");
	asks("room", NULL, NULL, NULL);
	assert_false(ask.is_narrow);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(parts_are_read_one_by_one),
		TEST(parts_that_are_named_no_more_go),
		TEST(parts_of_pages_that_are_as_they_were_stay),
		TEST(less_is_asked_for_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
