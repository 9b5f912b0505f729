/* Items that go on: turns, rests, leases, memory, and what is written of them. */
#include "flow_work.h"

enum {
	LARGE_BYTES = 3 << 20,
};

static void
turns_go_round_and_each_is_written_before_the_next(void **state)
{
	static const struct table_row rows[] = {
		{ .name = "A", .turns = 3 },
		{ .name = "B", .turns = 1 },
		{ .name = "C", .turns = 2, .is_bare = true },
	};

	(void)state;
	assert_int_equal(work(rows, 3, (struct flow_limits){ 0 }, 1), 0);
	assert_string_equal(table.steps.at, "A1 B1 C1 A2 C2 A3 ");
	assert_int_equal(run.processed, 3);
	assert_int_equal(run.succeeded, 3);
	assert_int_equal(run.tally[0], 6);
	assert_int_equal(table.lost_leases, 0);
	assert_false(run.more);
}

static void
what_is_claimed_later_comes_in_between(void **state)
{
	static const struct table_row rows[] = {
		{ .name = "A", .turns = 3 },
		{ .name = "B", .turns = 1, .url = "http://b/" },
		{ .name = "C", .turns = 1, .url = "http://b/" },
		{ .name = "D", .turns = 1 },
	};

	(void)state;
	assert_int_equal(
	    work(rows, 4, (struct flow_limits){ .batch_size = 1, .batch_max = 1 }, 2), 0);
	assert_string_equal(table.steps.at, "A1 B1 C1 A2 D1 A3 ");
}

/* Whoever goes on is the same item still. */
static void
only_so_many_items_are_claimed(void **state)
{
	static const struct table_row rows[] = {
		{ .name = "A", .turns = 3 },
		{ .name = "B", .turns = 2 },
		{ .name = "C", .turns = 1 },
	};

	(void)state;
	assert_int_equal(work(rows, 3, (struct flow_limits){ .items_max = 2 }, 2), 0);
	assert_string_equal(table.steps.at, "A1 B1 A2 B2 A3 ");
	assert_int_equal(table.rows[2].began, 0);
	assert_true(run.more);
}

static void
a_rest_is_kept_and_not_overslept(void **state)
{
	static const struct table_row rows[] = {
		{ .name = "A", .turns = 2, .rest_ms = 5000 },
		{ .name = "B", .turns = 3, .rest_ms = 15 },
	};

	(void)state;
	assert_int_equal(work(rows, 2, (struct flow_limits){ 0 }, 1), 0);
	assert_string_equal(table.steps.at, "A1 B1 B2 B3 A2 ");
	assert_in_range(table.now_ms - run.mono_began_ms, 5000, 5020);
}

/* With FLOW_SETTLE_DELAY_MS for each, nine turns of B took longer than the rest of A. */
static void
ends_do_not_wait_for_company(void **state)
{
	static const struct table_row rows[] = {
		{ .name = "A", .turns = 2, .rest_ms = 200 },
		{ .name = "B", .turns = 9 },
	};

	(void)state;
	assert_int_equal(work(rows, 2, (struct flow_limits){ 0 }, 1), 0);
	assert_string_equal(table.steps.at, "A1 B1 B2 B3 B4 B5 B6 B7 B8 B9 A2 ");
}

static void
leases_are_an_items_own(void **state)
{
	static const struct table_row rows[] = {
		{ .name = "A", .turns = 30 },
		{ .name = "B", .turns = 12, .rest_ms = 400 },
	};

	(void)state;
	table.reply_ms = 100;
	assert_int_equal(work(rows, 2, (struct flow_limits){ .wait_max_ms = 1000 }, 1), 0);
	assert_int_equal(run.succeeded, 2);
	assert_int_equal(table.rows[0].released + table.rows[1].released, 0);
}

/* A row is claimed by somebody else while its second turn is under way. */
static void
who_has_lost_the_lease_is_let_go_of(void **state)
{
	static const struct table_row rows[] = {
		{ .name = "A", .turns = 9, .is_stolen = true },
		{ .name = "B", .turns = 3 },
	};

	(void)state;
	assert_int_equal(work(rows, 2, (struct flow_limits){ 0 }, 1), 0);
	assert_string_equal(table.steps.at, "A1 B1 A2 B2 B3 ");
	assert_int_equal(table.rows[0].released, 0);
	assert_int_equal(table.lost_leases, 1);
	assert_int_equal(run.processed, 1);
}

static void
a_rest_beyond_the_lease_is_handed_back(void **state)
{
	static const struct table_row rows[] = {
		{ .name = "A", .turns = 2, .rest_ms = 1001 },
		{ .name = "B", .turns = 2, .rest_ms = 900 },
	};

	(void)state;
	assert_int_equal(work(rows, 2, (struct flow_limits){ .wait_max_ms = 1000 }, 1), 0);
	assert_string_equal(table.steps.at, "A1 B1 B2 ");
	assert_int_equal(table.rows[0].released, 1);
	assert_int_equal(table.rows[1].released, 0);
	/* At once: it might as well be claimed by others. */
	assert_in_range(table.now_ms - run.mono_began_ms, 900, 1000);
}

/* Who would rest for longer, who is under way and who never began when the time is up. */
static void
at_the_end_all_is_handed_back(void **state)
{
	static const struct table_row rows[] = {
		{ .name = "A", .turns = 99, .rest_ms = 3000 },
		{ .name = "B", .turns = 99, .rest_ms = 50 },
		{ .name = "C", .turns = 99 },
		{ .name = "D", .turns = 99 },
	};

	(void)state;
	table.reply_ms = 300;
	run.soft_end_ms = table.now_ms + 800;
	assert_int_equal(work(rows, 4, (struct flow_limits){ 0 }, 1), 0);
	assert_string_equal(table.steps.at, "A1 B1 C1 ");
	for (int i = 0; i < 4; i++)
		assert_int_equal(table.rows[i].released, 1);
	assert_in_range(table.now_ms - run.mono_began_ms, 800, 1000);
	assert_true(run.more);
}

static void
a_rest_beyond_the_end_is_not_waited_for(void **state)
{
	static const struct table_row rows[] = { { .name = "A", .turns = 2, .rest_ms = 9000 } };

	(void)state;
	run.soft_end_ms = table.now_ms + 8000;
	assert_int_equal(work(rows, 1, (struct flow_limits){ 0 }, 1), 0);
	assert_int_equal(table.rows[0].released, 1);
	assert_in_range(table.now_ms - run.mono_began_ms, 1, 1000);
	assert_true(run.more);
}

/* B is refused alone when A rests already and C is still to be written. */
static void
an_error_ends_rests_too(void **state)
{
	static const struct table_row rows[] = {
		{ .name = "A", .turns = 2, .rest_ms = 9000 },
		{ .name = "B", .turns = 2 },
		{ .name = "C", .turns = 2 },
	};

	(void)state;
	table.refused = "[\"B\",1";
	assert_int_equal(work(rows, 3, (struct flow_limits){ 0 }, 3), -1);
	assert_string_equal(table.steps.at, "A1 B1 C1 ");
	assert_int_equal(table.rows[0].released, 1);
	assert_int_equal(table.rows[1].released, 0);
	assert_int_equal(table.rows[2].released, 1);
}

static void
what_was_committed_unheard_goes_on(void **state)
{
	static const struct table_row rows[] = {
		{ .name = "A", .turns = 3 },
		{ .name = "B", .turns = 1 },
	};

	(void)state;
	table.loses_settlement = 1;
	assert_int_equal(work(rows, 2, (struct flow_limits){ 0 }, 2), 0);
	assert_string_equal(table.steps.at, "A1 B1 A2 A3 ");
	assert_int_equal(run.succeeded, 2);
	assert_int_equal(table.lost_leases, 0);
}

/* All end at once; the table checks whose is whose. */
static void
bulk_is_aligned_and_bounded(void **state)
{
	static const struct table_row rows[] = {
		{ .name = "A", .turns = 1, .bulk_len = 1 << 20 },
		{ .name = "B", .turns = 1, .is_bare = true },
		{ .name = "C", .turns = 2, .bulk_len = LARGE_BYTES },
		{ .name = "D", .turns = 1, .bulk_len = 2 * LARGE_BYTES },
		{ .name = "E", .turns = 2 },
	};

	(void)state;
	assert_int_equal(work(rows, 5, (struct flow_limits){ 0 }, 5), 0);
	assert_int_equal(run.succeeded, 5);
	assert_int_equal(run.tally[0], 7);
	/* A and B; C; D; E; then the second ones of C and E. */
	assert_int_equal(table.settlements, 5);
	assert_in_range(table.bulk_most, 2 * LARGE_BYTES, 2 * LARGE_BYTES + 64);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, table_make, table_end)
	const struct CMUnitTest tests[] = {
		TEST(turns_go_round_and_each_is_written_before_the_next),
		TEST(what_is_claimed_later_comes_in_between),
		TEST(only_so_many_items_are_claimed),
		TEST(a_rest_is_kept_and_not_overslept),
		TEST(ends_do_not_wait_for_company),
		TEST(leases_are_an_items_own),
		TEST(who_has_lost_the_lease_is_let_go_of),
		TEST(a_rest_beyond_the_lease_is_handed_back),
		TEST(at_the_end_all_is_handed_back),
		TEST(a_rest_beyond_the_end_is_not_waited_for),
		TEST(an_error_ends_rests_too),
		TEST(what_was_committed_unheard_goes_on),
		TEST(bulk_is_aligned_and_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
