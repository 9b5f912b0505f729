/* Items that go on, with several settlements in the air. */
#include "flow_work.h"

enum {
	PAGE_BYTES = 100 << 10, /* so large that two are shared out */
	LARGE_BYTES = 3 << 20,  /* ... and that each goes alone */
};

static void
another_is_opened_when_all_are_busy_and_not_before(void **state)
{
	static const struct table_row rows[] = {
		{ .name = "A", .turns = 3 },
		{ .name = "B", .turns = 3, .rest_ms = 15 },
	};

	(void)state;
	assert_int_equal(work(rows, 2, (struct flow_limits){ .writers_max = 3 }, 2), 0);
	assert_int_equal(run.succeeded, 2);
	assert_int_equal(table.links_asked, 1);
	assert_string_equal(table.settled.at, "AB A A B B ");
}

/* What keeps the first one then is soon over. */
static void
none_is_opened_for_a_look(void **state)
{
	static const struct table_row rows[] = {
		{ .name = "A", .turns = 40, .rest_ms = 7 },
		{ .name = "B", .turns = 1 },
	};

	(void)state;
	table.look_ms = 20;
	assert_int_equal(work(rows, 2, (struct flow_limits){ .writers_max = 3 }, 2), 0);
	assert_int_equal(run.succeeded, 2);
	assert_int_equal(table.links_asked, 1);
}

static void
several_are_in_the_air_and_never_more(void **state)
{
	static const struct table_row rows[] = {
		{ .name = "A", .turns = 9 },
		{ .name = "B", .turns = 9, .rest_ms = 1 },
		{ .name = "C", .turns = 9, .rest_ms = 2 },
		{ .name = "D", .turns = 9, .rest_ms = 3 },
		{ .name = "E", .turns = 9, .rest_ms = 4 },
	};

	(void)state;
	table.settle_ms = 10;
	assert_int_equal(work(rows, 5, (struct flow_limits){ .writers_max = 3 }, 5), 0);
	assert_int_equal(run.succeeded, 5);
	assert_int_equal(run.tally[0], 45);
	assert_int_equal(table.in_the_air_most, 3);
	assert_int_equal(table.links_asked, 3);
	assert_int_equal(table.lost_leases, 0);
}

/* The second one is opened for B, C and D while A is in the air, and takes half of the four. */
static void
what_has_ended_is_shared_out_evenly(void **state)
{
	static const struct table_row rows[] = {
		{ .name = "A", .turns = 2, .bulk_len = PAGE_BYTES },
		{ .name = "B", .turns = 4, .bulk_len = PAGE_BYTES, .rest_ms = 5 },
		{ .name = "C", .turns = 4, .bulk_len = PAGE_BYTES, .rest_ms = 5 },
		{ .name = "D", .turns = 4, .bulk_len = PAGE_BYTES, .rest_ms = 5 },
	};

	(void)state;
	table.settle_ms = 10;
	assert_int_equal(work(rows, 4, (struct flow_limits){ .writers_max = 2 }, 4), 0);
	assert_string_equal(table.settled.at, "ABCD A BC D B C D BC D ");
}

static void
small_ends_are_not_worth_a_statement_each(void **state)
{
	static const struct table_row rows[] = {
		{ .name = "A", .turns = 2 },
		{ .name = "B", .turns = 4, .rest_ms = 5 },
		{ .name = "C", .turns = 4, .rest_ms = 5 },
		{ .name = "D", .turns = 4, .rest_ms = 5 },
	};

	(void)state;
	table.settle_ms = 10;
	assert_int_equal(work(rows, 4, (struct flow_limits){ .writers_max = 2 }, 4), 0);
	assert_string_equal(table.settled.at, "ABCD A BCD BCD BCD ");
}

/* One place: whose page is written goes behind all that wait. */
static void
turns_stay_fair(void **state)
{
	static const struct table_row rows[] = {
		{ .name = "A", .turns = 3, .bulk_len = PAGE_BYTES },
		{ .name = "B", .turns = 3, .bulk_len = PAGE_BYTES },
		{ .name = "C", .turns = 3, .bulk_len = PAGE_BYTES },
		{ .name = "D", .turns = 3, .bulk_len = PAGE_BYTES },
		{ .name = "E", .turns = 3, .bulk_len = PAGE_BYTES },
	};

	(void)state;
	table.reply_ms = 3;
	table.settle_ms = 7;
	assert_int_equal(work(rows, 5, (struct flow_limits){ .writers_max = 3 }, 1), 0);
	assert_string_equal(table.steps.at, "A1 B1 C1 D1 E1 A2 B2 C2 D2 E2 A3 B3 C3 D3 E3 ");
	assert_int_equal(table.in_the_air_most, 3);
}

static const struct table_row many_rows[] = {
	{ .name = "A", .turns = 6, .bulk_len = PAGE_BYTES },
	{ .name = "B", .turns = 6, .bulk_len = PAGE_BYTES, .rest_ms = 2 },
	{ .name = "C", .turns = 6, .bulk_len = PAGE_BYTES, .rest_ms = 4 },
	{ .name = "D", .turns = 6, .bulk_len = PAGE_BYTES, .rest_ms = 6 },
};

/* Whichever it is, and however many are in the air: the others write what it had. */
static void
one_that_is_lost_is_replaced_by_none(void **state)
{
	(void)state;
	for (int lost = 1; lost <= 20; lost++) {
		table_end(state);
		table_make(state);
		table.settle_ms = 10;
		table.loses_settlement = lost;
		assert_int_equal(
		    work(many_rows, 4, (struct flow_limits){ .writers_max = 3 }, 4), 0);
		assert_int_equal(run.succeeded, 4);
		assert_int_equal(table.loses_settlement, 0);
		assert_int_equal(table.lost_leases, 0);
		/* The run's own is connected again, and no other one opened. */
		if (table.lost_link != run.db)
			assert_int_equal(table.links_made, table.links_after_loss);
		for (int i = 0; i < 4; i++)
			assert_int_equal(table.rows[i].written, 6);
	}
}

/* Two are needed, and three allowed: B's is lost. */
static void
none_is_opened_after_a_loss(void **state)
{
	static const struct table_row rows[] = {
		{ .name = "A", .turns = 40 },
		{ .name = "B", .turns = 9, .rest_ms = 5 },
	};

	(void)state;
	table.settle_ms = 10;
	table.loses_settlement = 3;
	assert_int_equal(work(rows, 2, (struct flow_limits){ .writers_max = 3 }, 2), 0);
	assert_int_equal(run.succeeded, 2);
	assert_ptr_not_equal(table.lost_link, run.db);
	assert_int_equal(table.links_made, 2);
}

static void
one_that_cannot_be_had_is_asked_for_once(void **state)
{
	(void)state;
	table.settle_ms = 10;
	table.links_limit = 2;
	assert_int_equal(work(many_rows, 4, (struct flow_limits){ .writers_max = 8 }, 4), 0);
	assert_int_equal(run.succeeded, 4);
	assert_int_equal(table.in_the_air_most, 2);
	assert_int_equal(table.links_asked, 3);
}

static void
all_that_were_lost_are_written_when_the_database_is_back(void **state)
{
	(void)state;
	table.settle_ms = 10;
	table.gone_ms = table.now_ms + 45;
	table.back_again_ms = table.now_ms + 2000;
	assert_int_equal(work(many_rows, 4, (struct flow_limits){ .writers_max = 3 }, 4), 0);
	assert_int_equal(table.links_most, 3);
	assert_int_equal(run.succeeded, 4);
	assert_int_equal(table.lost_leases, 0);
	assert_in_range(table.now_ms - run.mono_began_ms, 2000, 4000);
}

static void
all_that_were_lost_are_let_go_of_at_the_hard_end(void **state)
{
	(void)state;
	table.settle_ms = 10;
	table.gone_ms = table.now_ms + 45;
	table.back_again_ms = INT64_MAX;
	run.soft_end_ms = table.now_ms + 500;
	run.hard_end_ms = table.now_ms + 9000;
	assert_int_equal(work(many_rows, 4, (struct flow_limits){ .writers_max = 3 }, 4), -1);
	assert_int_equal(run.err.code, ERR_DATABASE);
	assert_int_equal(run.succeeded, 0);
	assert_in_range(table.now_ms - run.mono_began_ms, 9000, 9500);
}

/* B's second page, wherever it travels, and nothing that travels with it or beside it. */
static void
a_value_that_is_refused_is_found(void **state)
{
	(void)state;
	table.settle_ms = 10;
	table.refused = "[\"B\",2";
	assert_int_equal(work(many_rows, 4, (struct flow_limits){ .writers_max = 2 }, 4), -1);
	assert_int_equal(table.rows[1].written, 1);
	assert_int_equal(table.rows[1].released, 0);
	for (int i = 0; i < 4; i++)
		if (i != 1)
			assert_int_equal(table.rows[i].released, 1);
	assert_int_equal(table.lost_leases, 0);
}

/* What is in the air then is written, and handed back. */
static void
at_the_end_all_are_waited_for(void **state)
{
	(void)state;
	table.settle_ms = 40;
	run.soft_end_ms = table.now_ms + 100;
	assert_int_equal(work(many_rows, 4, (struct flow_limits){ .writers_max = 3 }, 4), 0);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(table.rows[i].released, 1);
		assert_in_range(table.rows[i].written, 1, 5);
	}
	assert_int_equal(table.in_the_air_most, 3);
	assert_int_equal(run.processed, 0);
	assert_in_range(table.now_ms - run.mono_began_ms, 100, 190);
}

/* F brings nothing that could be brought again. */
static void
what_is_large_is_handed_back_at_the_hard_end(void **state)
{
	static const struct table_row rows[] = {
		{ .name = "A", .turns = 9, .bulk_len = LARGE_BYTES },
		{ .name = "F", .turns = 1, .is_bare = true },
		{ .name = "B", .turns = 9, .bulk_len = LARGE_BYTES },
		{ .name = "C", .turns = 1, .bulk_len = LARGE_BYTES },
		{ .name = "D", .turns = 9, .bulk_len = LARGE_BYTES },
		{ .name = "E", .turns = 9, .bulk_len = LARGE_BYTES },
	};

	(void)state;
	for (int late_ms = -300; late_ms <= 100; late_ms += 400) {
		table_end(state);
		table_make(state);
		table.settle_ms = 10;
		table.large_ms = 690;
		run.soft_end_ms = table.now_ms + 500;
		run.hard_end_ms = table.now_ms + 5500;
		table.reply_ms = 5500 + late_ms;
		assert_int_equal(work(rows, 6, (struct flow_limits){ .writers_max = 3 }, 6), 0);
		assert_int_equal(run.succeeded, 1);
		for (int i = 0; i < 6; i++) {
			assert_int_equal(table.rows[i].written, i == 1);
			assert_int_equal(table.rows[i].released, i != 1);
		}
		assert_true(run.more);
		assert_in_range(table.now_ms - run.mono_began_ms, 5500, 5500 + 500 + 200);
	}
}

/* B ends while A is being written, and waits for that. */
static void
none_is_opened_for_what_is_left(void **state)
{
	static const struct table_row rows[] = {
		{ .name = "A", .turns = 9 },
		{ .name = "B", .turns = 9, .rest_ms = 20 },
	};

	(void)state;
	table.reply_ms = 50;
	table.settle_ms = 30;
	run.soft_end_ms = table.now_ms + 110;
	assert_int_equal(work(rows, 2, (struct flow_limits){ .writers_max = 3 }, 2), 0);
	assert_string_equal(table.settled.at, "AB A B ");
	assert_int_equal(table.links_asked, 1);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, table_make, table_end)
	const struct CMUnitTest tests[] = {
		TEST(another_is_opened_when_all_are_busy_and_not_before),
		TEST(none_is_opened_for_a_look),
		TEST(several_are_in_the_air_and_never_more),
		TEST(what_has_ended_is_shared_out_evenly),
		TEST(small_ends_are_not_worth_a_statement_each),
		TEST(turns_stay_fair),
		TEST(one_that_is_lost_is_replaced_by_none),
		TEST(none_is_opened_after_a_loss),
		TEST(one_that_cannot_be_had_is_asked_for_once),
		TEST(all_that_were_lost_are_written_when_the_database_is_back),
		TEST(all_that_were_lost_are_let_go_of_at_the_hard_end),
		TEST(a_value_that_is_refused_is_found),
		TEST(at_the_end_all_are_waited_for),
		TEST(what_is_large_is_handed_back_at_the_hard_end),
		TEST(none_is_opened_for_what_is_left),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
