/*
 * Passes over whole lists: what is written of them, and what comes before a sweep.
 */
#include "sync_steps.h"

/* A first pass over boxes on two pages, "one" and "two", and docs on one. */
static void
first_pass(void)
{
	begin(&vendor_boxes, "{}");
	take((asks("box", NULL, NULL, NULL), page_of("one", "b2", "e1")));
	writes("page", 1, true);
	take((asks("box", "b2", NULL, NULL), page_of("two", NULL, "e2")));
	writes("page", 2, true);
	sweeps("box", NULL);
	take((asks("doc", NULL, NULL, NULL), page(NULL, "s1", NULL)));
	sweeps("doc", NULL);
	is_over();
	begin_again();
}

/* No sweep of boxes is next. */
static void
is_at_docs(void)
{
	begin_again();
	take((asks("doc", NULL, "s1", NULL), page(NULL, NULL, NULL)));
	is_over();
	begin_again();
}

static void
sweeps_pages(int64_t pages)
{
	sweeps("box", NULL);
	assert_int_equal(written.page, pages);
	is_at_docs();
}

static void
pages_that_are_as_they_were_are_not_written(void **unused)
{
	(void)unused;
	first_pass();
	/* The same things under another ETag and at another place, which count from now on. */
	take((asks("box", NULL, NULL, "e1"), page_of("one", "b9", "e3")));
	writes(NULL, 1, true);
	begin_again();
	take((asks("box", "b9", NULL, NULL), page_of("two", NULL, "e4")));
	writes(NULL, 2, true);
	is_at_docs();
	take((asks("box", NULL, NULL, "e3"), outcome(SYNC_SAME)));
	begin_again();
	take((asks("box", "b9", NULL, "e4"), outcome(SYNC_SAME)));
	writes(NULL, 0, false);
	is_at_docs();
	/* One that has changed is written alone. */
	take((asks("box", NULL, NULL, "e3"), outcome(SYNC_SAME)));
	take((asks("box", "b9", NULL, "e4"), page_of("new", NULL, "e5")));
	writes("page", 2, true);
	begin_again();
	sweeps_pages(2);
	take((asks("box", NULL, NULL, "e3"), page_of("new as well", "b9", NULL)));
	writes("page", 1, true);
	begin_again();
	take((asks("box", "b9", NULL, "e5"), outcome(SYNC_SAME)));
	sweeps_pages(2);
	take((asks("box", NULL, NULL, NULL), page_of("new as well", "b9", NULL)));
	writes(NULL, 1, true);
}

static void
lists_grow_and_shrink(void **unused)
{
	(void)unused;
	first_pass();
	take((asks("box", NULL, NULL, "e1"), outcome(SYNC_SAME)));
	/* The last page was full, and one has come behind it. */
	take((asks("box", "b2", NULL, "e2"),
	    (struct sync_answer){ .outcome = SYNC_SAME, .next = "b3" }));
	take((asks("box", "b3", NULL, NULL), page_of("three", NULL, "e3")));
	writes("page", 3, true);
	sweeps_pages(3);
	/* Nothing of what is left has changed. */
	take((asks("box", NULL, NULL, "e1"), page_of("one", NULL, "e1")));
	writes(NULL, 1, true);
	begin_again();
	sweeps_pages(1);
	take((asks("box", NULL, NULL, "e1"), page_of("one", "b2", "e1")));
	take((asks("box", "b2", NULL, NULL), page_of("two", NULL, "e2")));
	writes("page", 2, true);
	sweeps_pages(2);
}

/* It does not change when one comes behind it. */
static void
of_a_last_page_that_is_full_no_etag_is_believed(void **unused)
{
	static const char full[] = "[0,1,2,3,4,5,6,7,8,9]";

	(void)unused;
	first_pass();
	take((asks("box", NULL, NULL, "e1"), outcome(SYNC_SAME)));
	take((asks("box", "b2", NULL, "e2"), page_of(full, NULL, "e4")));
	sweeps_pages(2);
	take((asks("box", NULL, NULL, "e1"), outcome(SYNC_SAME)));
	take((asks("box", "b2", NULL, NULL), page_of(full, NULL, "e4")));
	writes(NULL, 2, true);
	is_at_docs();
	take((asks("box", NULL, NULL, "e1"), outcome(SYNC_SAME)));
	take((asks("box", "b2", NULL, NULL), page_of(full, "b3", "e4")));
	writes(NULL, 2, true);
	take((asks("box", "b3", NULL, NULL), page_of("three", NULL, "e5")));
	writes("page", 3, true);
	sweeps_pages(3);
	/* With one behind it, it is a page like any other. */
	take((asks("box", NULL, NULL, "e1"), outcome(SYNC_SAME)));
	take((asks("box", "b2", NULL, "e4"), outcome(SYNC_SAME)));
}

static void
what_was_written_is_swept_even_if_the_pass_broke_off(void **unused)
{
	(void)unused;
	whole_h = 0;
	first_pass();
	take((asks("box", NULL, NULL, "e1"), page_of("new", "b2", "e3")));
	begin_again();
	take((asks("box", "b2", NULL, "e2"), outcome(SYNC_SKIP)));
	is_at_docs();
	now_s += 24 * HOUR_S;
	take((asks("box", NULL, NULL, "e3"), outcome(SYNC_SAME)));
	begin_again();
	take((asks("box", "b2", NULL, "e2"), outcome(SYNC_SAME)));
	sweeps_pages(2);
}

static void
a_pass_that_is_due_believes_nothing(void **unused)
{
	(void)unused;
	first_pass();
	now_s += WHOLE_H * HOUR_S - 1;
	/* Passes in between do not put it off. */
	take((asks("box", NULL, NULL, "e1"), outcome(SYNC_SAME)));
	take((asks("box", "b2", NULL, "e2"), outcome(SYNC_SAME)));
	is_at_docs();
	now_s += 1;
	take((asks("box", NULL, NULL, NULL), page_of("one", "b2", "e1")));
	writes("page", 1, true);
	begin_again();
	take((asks("box", "b2", NULL, NULL), page_of("two", NULL, "e2")));
	writes("page", 2, true);
	sweeps("box", NULL);
	take((asks("doc", NULL, NULL, NULL), page(NULL, "s1", NULL)));
	sweeps("doc", NULL);
	begin_again();
	take((asks("box", NULL, NULL, "e1"), outcome(SYNC_SAME)));
	/* Nor does one that has to begin anew, or reads pages of another size. */
	take((asks("box", "b2", NULL, "e2"), outcome(SYNC_RESTART)));
	begin_again();
	take((asks("box", NULL, NULL, NULL), page_of("one", "b2", "e1")));
	writes("page", 1, true);
	take((asks("box", "b2", NULL, NULL), outcome(SYNC_SMALLER)));
	take((asks("box", NULL, NULL, NULL), page_of("one", NULL, "e1")));
	writes("page", 1, true);
	sweeps_pages(1);
}

static void
pages_behind_those_that_are_known_are_written_each_time(void **unused)
{
	char next[16], items[16];

	(void)unused;
	begin(&vendor_boxes, NULL);
	for (int pass = 0; pass < 2; pass++) {
		for (int i = 0; i < SYNC_KNOWN_MAX + 2; i++) {
			assert_int_equal(sync_state_next(&state, now_s, &ask), SYNC_ASK);
			/* Of the last one, its ETag would not tell whether more follows. */
			same_text(ask.etag, pass > 0 && i < SYNC_KNOWN_MAX - 1 ? "e" : NULL);
			snprintf(next, sizeof next, "b%d", i);
			snprintf(items, sizeof items, "%d", i);
			take(page_of(items, i < SYNC_KNOWN_MAX + 1 ? next : NULL, "e"));
			writes(pass > 0 && i < SYNC_KNOWN_MAX ? NULL : "page", i + 1, true);
			begin_again();
		}
		sweeps("box", NULL);
		assert_int_equal(written.page, SYNC_KNOWN_MAX + 2);
		take((asks("doc", NULL, pass > 0 ? "s1" : NULL, NULL), page(NULL, "s1", NULL)));
		if (pass == 0)
			sweeps("doc", NULL);
		is_over();
		begin_again();
	}
}

/* Up to the end of a whole pass over docs on two pages, whose first one says s1. */
static void
two_pages_of_docs(int64_t poll_s)
{
	struct sync_answer last = page_of("last", NULL, "d2");

	begin(&vendor_boxes, "{}");
	take((asks("box", NULL, NULL, NULL), page(NULL, NULL, NULL)));
	sweeps("box", NULL);
	take((asks("doc", NULL, NULL, NULL), page("d2", "s1", "d1")));
	writes("page", 1, true);
	begin_again();
	last.poll_s = poll_s;
	take((asks("doc", "d2", NULL, NULL), last));
	writes("page", 2, true);
	if (poll_s == 0)
		begin_again();
}

static void
what_changed_meanwhile_is_read_before_the_sweep(void **unused)
{
	struct sync_answer known = page("d9", "s2", NULL);

	(void)unused;
	two_pages_of_docs(0);
	known.is_known = true;
	take((asks("doc", NULL, "s1", NULL), known));
	writes("page", 3, true);
	begin_again();
	sweeps("doc", NULL);
	assert_int_equal(written.page, 3);
	is_over();
	begin_again();
	take((asks("box", NULL, NULL, NULL), page(NULL, NULL, NULL)));
	sweeps("box", NULL);
	take((asks("doc", NULL, "s2", NULL), page(NULL, NULL, NULL)));
	writes("page", 1, false);
	is_over();
}

static void
it_is_read_until_nothing_can_have_been_passed_over(void **unused)
{
	static const char *const since[] = { "s1", "s2", "s3" };

	(void)unused;
	two_pages_of_docs(0);
	take((asks("doc", NULL, "s1", NULL), page("d4", "s2", NULL)));
	begin_again();
	take((asks("doc", "d4", "s1", NULL), page(NULL, NULL, NULL)));
	writes("page", 4, true);
	take((asks("doc", NULL, "s2", NULL), page(NULL, NULL, NULL)));
	sweeps("doc", NULL);
	assert_int_equal(written.page, 5);
	/* But not for ever. */
	two_pages_of_docs(0);
	for (int i = 0; i < 3; i++) {
		take((asks("doc", NULL, since[i], NULL),
		    page("d4", i < 2 ? since[i + 1] : NULL, NULL)));
		begin_again();
		take((asks("doc", "d4", since[i], NULL), page(NULL, NULL, NULL)));
		writes("page", 4 + 2 * i, true);
		begin_again();
	}
	sweeps("doc", NULL);
	is_over();
}

static void
who_wants_to_be_left_alone_is_asked_in_the_next_pass(void **unused)
{
	(void)unused;
	two_pages_of_docs(60);
	is_over();
	begin_again();
	now_s += 60;
	take((asks("box", NULL, NULL, NULL), page(NULL, NULL, NULL)));
	sweeps("box", NULL);
	begin_again();
	take((asks("doc", NULL, "s1", NULL), page("d3", "s2", NULL)));
	writes("page", 3, true);
	/* A place that is not known any more: all of it again, and its pages from 1 on. */
	take((asks("doc", "d3", "s1", NULL), outcome(SYNC_RESTART)));
	begin_again();
	take((asks("doc", NULL, NULL, NULL), page(NULL, "s3", NULL)));
	writes("page", 1, true);
	sweeps("doc", NULL);
	is_over();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(pages_that_are_as_they_were_are_not_written),
		TEST(lists_grow_and_shrink),
		TEST(of_a_last_page_that_is_full_no_etag_is_believed),
		TEST(what_was_written_is_swept_even_if_the_pass_broke_off),
		TEST(a_pass_that_is_due_believes_nothing),
		TEST(pages_behind_those_that_are_known_are_written_each_time),
		TEST(what_changed_meanwhile_is_read_before_the_sweep),
		TEST(it_is_read_until_nothing_can_have_been_passed_over),
		TEST(who_wants_to_be_left_alone_is_asked_in_the_next_pass),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
