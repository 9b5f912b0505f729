/*
 * Which request is next, and what an answer changes.
 */
#include "sync_steps.h"

/* A first pass over boxes on two pages and docs on one. */
static void
first_pass(void)
{
	begin(&vendor_boxes, "{}");
	asks("box", NULL, NULL, NULL);
	take(page("b2", NULL, "e1"));
	writes("page", 1, true);
	begin_again();
	asks("box", "b2", NULL, NULL);
	take(page(NULL, NULL, "e2"));
	writes("page", 2, true);
	begin_again();
	sweeps("box", NULL);
	assert_int_equal(written.page, 2);
	begin_again();
	asks("doc", NULL, NULL, NULL);
	take(page(NULL, "s1", "d1"));
	writes("page", 1, true);
	sweeps("doc", NULL);
	is_over();
}

static void
reads_the_whole_first_and_then_what_has_changed(void **unused)
{
	(void)unused;
	first_pass();
	now_s += HOUR_S;
	begin_again();
	asks("box", NULL, NULL, "e1");
	take(outcome(SYNC_SAME));
	writes(NULL, 0, false);
	begin_again();
	asks("box", "b2", NULL, "e2");
	take(outcome(SYNC_SAME));
	/* The ETag was of another list. */
	asks("doc", NULL, "s1", NULL);
	take(page("d2", "s2", "d3"));
	writes("page", 1, false);
	asks("doc", "d2", "s1", NULL);
	take(page(NULL, "s1", "d4"));
	writes("page", 2, false);
	is_over();
	begin_again();
	asks("box", NULL, NULL, "e1");
	take(outcome(SYNC_SAME));
	take(outcome(SYNC_SAME));
	/* The greatest that was said. */
	asks("doc", NULL, "s2", NULL);
	take(page(NULL, "s2", "d5"));
	begin_again();
	take((asks("box", NULL, NULL, "e1"), outcome(SYNC_SAME)));
	take((asks("box", "b2", NULL, "e2"), outcome(SYNC_SAME)));
	asks("doc", NULL, "s2", "d5");
	take(outcome(SYNC_SAME));
	is_over();
}

static void
reads_the_whole_again_when_it_is_due(void **unused)
{
	(void)unused;
	first_pass();
	now_s += WHOLE_H * HOUR_S - 1;
	begin_again();
	asks("box", NULL, NULL, "e1");
	now_s += 1;
	asks("box", NULL, NULL, "e1");
	begin_again();
	asks("box", NULL, NULL, NULL);
	take(page(NULL, NULL, "e1"));
	sweeps("box", NULL);
	asks("doc", NULL, NULL, NULL);
	take(page("d2", "s2", NULL));
	/* It takes so long that the next one is due later. */
	now_s += 3 * HOUR_S;
	asks("doc", "d2", NULL, NULL);
	take(page(NULL, NULL, NULL));
	take((asks("doc", NULL, "s2", NULL), page(NULL, NULL, NULL)));
	sweeps("doc", NULL);
	is_over();
	now_s += 26 * HOUR_S;
	begin_again();
	take((asks("box", NULL, NULL, NULL), page(NULL, NULL, NULL)));
	sweeps("box", NULL);
	asks("doc", NULL, "s2", NULL);
	/* Only on resync. */
	whole_h = 0;
	now_s += 1000 * HOUR_S;
	take(page(NULL, NULL, NULL));
	begin_again();
	take((asks("box", NULL, NULL, NULL), page(NULL, NULL, NULL)));
	sweeps("box", NULL);
	asks("doc", NULL, "s2", NULL);
}

/* It says no since. */
static void
an_empty_list_is_read_whole_again(void **unused)
{
	(void)unused;
	begin(&vendor_boxes, NULL);
	take((asks("box", NULL, NULL, NULL), page(NULL, NULL, NULL)));
	sweeps("box", NULL);
	take((asks("doc", NULL, NULL, NULL), page("d2", NULL, NULL)));
	take((asks("doc", "d2", NULL, NULL), page(NULL, NULL, NULL)));
	sweeps("doc", NULL);
	is_over();
	begin_again();
	take((asks("box", NULL, NULL, NULL), page(NULL, NULL, NULL)));
	sweeps("box", NULL);
	asks("doc", NULL, NULL, NULL);
}

static void
what_is_told_to_be_gone_needs_no_whole_pass(void **unused)
{
	char *result;

	(void)unused;
	begin(&vendor_dates, "{}");
	asks("date", NULL, NULL, NULL);
	take(page("p2", NULL, NULL));
	take(page(NULL, "token1", NULL));
	sweeps("date", NULL);
	is_over();
	now_s += 1000 * HOUR_S;
	begin_again();
	asks("date", NULL, "token1", NULL);
	take(page(NULL, "token2", NULL));
	writes("page", 1, false);
	result = sync_state_result(&state, &written);
	assert_non_null(strstr(result, "\"gone\":{\"state\":\"off\"}"));
	free(result);
	is_over();
	begin_again();
	asks("date", NULL, "token2", NULL);
	take(outcome(SYNC_RESTART));
	writes(NULL, 0, false);
	begin_again();
	asks("date", NULL, NULL, NULL);
	take(page(NULL, "token3", NULL));
	writes("page", 1, true);
	sweeps("date", NULL);
	is_over();
}

static void
places_that_are_known_no_more_are_asked_for_anew(void **unused)
{
	(void)unused;
	begin(&vendor_dates, "{}");
	for (int i = 0; i < 3; i++) {
		take((asks("date", NULL, NULL, NULL), page("p2", NULL, NULL)));
		take((asks("date", "p2", NULL, NULL), outcome(SYNC_RESTART)));
	}
	take((asks("date", NULL, NULL, NULL), page("p2", NULL, NULL)));
	asks("date", "p2", NULL, NULL);
	refuses(outcome(SYNC_RESTART), "places are not known any more, 3 times in a row");
	begin(&vendor_dates, "{}");
	asks("date", NULL, NULL, NULL);
	refuses(outcome(SYNC_RESTART), "a place that was not asked for is not known any more");
}

static void
pages_get_smaller(void **unused)
{
	(void)unused;
	begin(&vendor_dates, "{}");
	asks("date", NULL, NULL, NULL);
	assert_int_equal(ask.size, 10);
	take(page("p2", NULL, NULL));
	take((asks("date", "p2", NULL, NULL), outcome(SYNC_SMALLER)));
	begin_again();
	asks("date", NULL, NULL, NULL);
	assert_int_equal(ask.size, 5);
	refuses(outcome(SYNC_SMALLER), "a page of 5 is longer than 4 MB");
}

static void
streams_are_passed_over(void **unused)
{
	struct sync_answer polls = page(NULL, "s1", NULL);

	(void)unused;
	begin(&vendor_boxes, "{}");
	asks("box", NULL, NULL, NULL);
	take(page("b2", NULL, "e1"));
	take(outcome(SYNC_SKIP));
	polls.poll_s = 60;
	take((asks("doc", NULL, NULL, NULL), polls));
	sweeps("doc", NULL);
	is_over();
	now_s += 59;
	begin_again();
	is_over();
	now_s += 1;
	begin_again();
	take((asks("doc", NULL, "s1", NULL), page(NULL, NULL, NULL)));
	is_over();
	now_s += 24 * HOUR_S - 60;
	begin_again();
	asks("box", NULL, NULL, NULL);
}

static void
what_cannot_be_is_refused(void **unused)
{
	enum {
		MANY = 1000,
	};
	char *longest = calloc(1, SYNC_PLACE_MAX + 2), *many = calloc(3, MANY + 2);

	(void)unused;
	begin(&vendor_boxes, "{}");
	asks("box", NULL, NULL, NULL);
	refuses(outcome(SYNC_SAME), "unchanged, it says, but was not asked for that");
	refuses(page("\xff", NULL, NULL), "where to go on is no text of at most 2048 bytes");
	memset(longest, 'x', SYNC_PLACE_MAX + 1);
	refuses(page(longest, NULL, NULL), "where to go on is no text of at most 2048 bytes");
	longest[SYNC_PLACE_MAX] = '\0';
	take(page(longest, longest, longest));
	asks("box", longest, NULL, NULL);
	refuses(page(longest, NULL, NULL), "the next page is the same one again");
	refuses(outcome(SYNC_FAILED), "an answer that says nothing of what was asked for");
	many[0] = '[';
	for (size_t i = 0; i <= MANY; i++)
		memcpy(many + 1 + 3 * i, "{},", 3);
	many[3 * (MANY + 1)] = ']';
	refuses(page_of(many, NULL, NULL), "a page has more than 1000 things");
	many[3 * MANY] = ']';
	many[3 * MANY + 1] = '\0';
	take(page_of(many, NULL, NULL));
	free(many);
	free(longest);
}

static void
a_since_that_cannot_be_kept_is_none(void **unused)
{
	(void)unused;
	begin(&vendor_dates, "{}");
	take((asks("date", NULL, NULL, NULL), page(NULL, "\xc3", NULL)));
	sweeps("date", NULL);
	begin_again();
	asks("date", NULL, NULL, NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(reads_the_whole_first_and_then_what_has_changed),
		TEST(reads_the_whole_again_when_it_is_due),
		TEST(an_empty_list_is_read_whole_again),
		TEST(what_is_told_to_be_gone_needs_no_whole_pass),
		TEST(places_that_are_known_no_more_are_asked_for_anew),
		TEST(pages_get_smaller),
		TEST(streams_are_passed_over),
		TEST(what_cannot_be_is_refused),
		TEST(a_since_that_cannot_be_kept_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
