/* flow_host: turns, limits and queues per host, on items that no database has seen. */
#include "../../src/engine/flow_parts.h"

#include "base/arena.h"
#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
	ITEMS_MAX = 64,
	LIMIT_MAX = 6,
};

static const struct http_reply REPLY_OK = { .status = 200 };
static const struct http_reply REPLY_BUSY = { .status = 429 };
static const struct http_reply REPLY_FAILED = { .status = 500 };
static const struct http_reply REPLY_NONE = { .status = 0 };
static const struct http_reply REPLY_REFUSED = { .status = 0, .refused = true };

struct fixture {
	struct arena *memory;
	struct flow_hosts *hosts;
	struct flow_batch *batch;
};

static int
fixture_make(void **state)
{
	struct fixture *f = mem_zero(1, sizeof *f);

	f->memory = arena_create();
	f->hosts = arena_alloc(f->memory, sizeof *f->hosts);
	flow_hosts_init(f->hosts, f->memory, LIMIT_MAX);
	f->batch = mem_zero(1, sizeof *f->batch + ITEMS_MAX * sizeof *f->batch->items);
	for (int i = 0; i < ITEMS_MAX; i++)
		f->batch->items[i].batch = f->batch;
	*state = f;
	return 0;
}

static int
fixture_end(void **state)
{
	struct fixture *f = *state;

	free(f->batch);
	arena_destroy(f->memory);
	free(f);
	return 0;
}

static void
lease_all(struct fixture *f, int64_t at_ms)
{
	for (int i = 0; i < ITEMS_MAX; i++)
		f->batch->items[i].leased_ms = at_ms;
}

static void
queue(struct fixture *f, int from, int count, const char *url)
{
	for (int i = from; i < from + count; i++)
		flow_hosts_queue(f->hosts, &f->batch->items[i], url, NULL);
}

static int
start_all(struct fixture *f)
{
	int started = 0;

	while (flow_hosts_next(f->hosts, 1))
		started++;
	return started;
}

static void
test_a_host_starts_with_few_and_grows_to_its_limit(void **state)
{
	struct fixture *f = *state;
	struct flow_host *host = NULL;

	queue(f, 0, 20, "http://a/x");
	host = f->batch->items[0].host;
	assert_int_equal(start_all(f), FLOW_HOST_START);
	for (int i = 0; i < 10; i++) {
		flow_hosts_landed(f->hosts, host, &REPLY_OK);
		start_all(f);
	}
	assert_int_equal(host->limit, LIMIT_MAX);
	assert_int_equal(host->inflight, LIMIT_MAX);
}

static void
test_paths_and_queries_share_their_host(void **state)
{
	struct fixture *f = *state;

	queue(f, 0, 1, "http://a/x");
	queue(f, 1, 1, "http://a?y");
	queue(f, 2, 1, "http://a");
	queue(f, 3, 1, "https://a/x");
	assert_ptr_equal(f->batch->items[0].host, f->batch->items[1].host);
	assert_ptr_equal(f->batch->items[0].host, f->batch->items[2].host);
	assert_ptr_not_equal(f->batch->items[0].host, f->batch->items[3].host);
}

static void
test_hosts_take_turns(void **state)
{
	struct fixture *f = *state;

	queue(f, 0, 3, "http://a/");
	queue(f, 3, 3, "http://b/");
	for (int i = 0; i < 3; i++) {
		assert_ptr_equal(flow_hosts_next(f->hosts, 1), &f->batch->items[i]);
		assert_ptr_equal(flow_hosts_next(f->hosts, 1), &f->batch->items[3 + i]);
	}
	assert_null(flow_hosts_next(f->hosts, 1));
}

static void
test_too_much_and_no_answer_halve_a_host(void **state)
{
	struct fixture *f = *state;
	struct flow_host *host = NULL;

	queue(f, 0, 20, "http://a/");
	host = f->batch->items[0].host;
	start_all(f);
	flow_hosts_landed(f->hosts, host, &REPLY_FAILED);
	assert_int_equal(host->limit, FLOW_HOST_START);
	flow_hosts_landed(f->hosts, host, &REPLY_REFUSED);
	assert_int_equal(host->limit, FLOW_HOST_START);
	flow_hosts_landed(f->hosts, host, &REPLY_BUSY);
	assert_int_equal(host->limit, FLOW_HOST_START / 2);
	flow_hosts_landed(f->hosts, host, &REPLY_NONE);
	assert_int_equal(host->limit, FLOW_HOST_START / 4);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(start_all(f), 1);
		flow_hosts_landed(f->hosts, host, &REPLY_NONE);
		assert_int_equal(host->limit, 1);
	}
}

static void
test_a_full_host_leaves_its_turn_to_others(void **state)
{
	struct fixture *f = *state;

	queue(f, 0, 20, "http://hangs/");
	assert_int_equal(start_all(f), FLOW_HOST_START);
	queue(f, 20, 2, "http://well/");
	assert_int_equal(start_all(f), 2);
	assert_int_equal(f->hosts->waiting, 20 - FLOW_HOST_START);
}

static void
test_drain_takes_what_is_old_and_leaves_the_rest(void **state)
{
	struct fixture *f = *state;
	struct flow_list drained = { .count = 0 };

	lease_all(f, 1000);
	/* One that goes on stands among them, its lease renewed. */
	f->batch->items[2].leased_ms = 1001;
	queue(f, 0, 5, "http://a/");
	flow_hosts_drain(f->hosts, 1000, &drained);
	assert_int_equal(drained.count, 0);
	flow_hosts_drain(f->hosts, 1001, &drained);
	assert_int_equal(drained.count, 4);
	assert_int_equal(f->hosts->waiting, 1);
	flow_hosts_drain(f->hosts, 1002, &drained);
	assert_ptr_equal(drained.last, &f->batch->items[2]);
	assert_int_equal(f->hosts->waiting, 0);
	assert_int_equal(start_all(f), 0);
}

static void
test_a_slow_host_is_full_and_its_queue_stands(void **state)
{
	struct fixture *f = *state;
	struct text origins = { .at = NULL };

	lease_all(f, clock_mono_ms());
	queue(f, 0, 10, "http://A.example/");
	queue(f, 10, 3, "http://b/");
	start_all(f);
	assert_int_equal(flow_hosts_slow(f->hosts, &origins), 10 - FLOW_HOST_START);
	assert_string_equal(origins.at, "{}");
	lease_all(f, clock_mono_ms() - FLOW_SLOW_MS - 1);
	queue(f, 20, 2, "http://c/");
	assert_int_equal(flow_hosts_slow(f->hosts, &origins), 2);
	assert_non_null(strstr(origins.at, "http://a.example"));
	assert_null(strstr(origins.at, "http://b"));
	assert_null(strstr(origins.at, "http://c"));
	text_finish(&origins);
}

static void
test_letter_case_makes_no_other_host(void **state)
{
	struct fixture *f = *state;

	queue(f, 0, 1, "http://a.example/x");
	queue(f, 1, 1, "HTTP://A.Example/x");
	assert_ptr_equal(f->batch->items[0].host, f->batch->items[1].host);
}

static void
test_what_did_not_begin_is_the_next_one_again(void **state)
{
	struct fixture *f = *state;
	struct flow_item *first = NULL;

	f->hosts->by_urgency = true;
	queue(f, 0, 3, "https://a.example/");
	first = flow_hosts_next(f->hosts, 9);
	flow_hosts_put_back(f->hosts, first);
	assert_int_equal(f->hosts->waiting, 3);
	assert_int_equal(first->host->inflight, 0);
	first->host->not_before_ms = 0;
	for (int i = 0; i < 3; i++)
		assert_ptr_equal(flow_hosts_next(f->hosts, 9), &f->batch->items[i]);
	/* Nor is an end lost where it was the last one. */
	flow_hosts_put_back(f->hosts, &f->batch->items[2]);
	first->host->not_before_ms = 0;
	queue(f, 3, 1, "https://a.example/");
	assert_ptr_equal(flow_hosts_next(f->hosts, 9), &f->batch->items[2]);
	assert_ptr_equal(flow_hosts_next(f->hosts, 9), &f->batch->items[3]);
}

/* Else who puts back without a pause would be asked for ever, and nothing else would move. */
static void
test_what_was_put_back_is_not_asked_again_at_once(void **state)
{
	struct fixture *f = *state;
	struct flow_item *item = NULL;

	f->hosts->by_urgency = true;
	queue(f, 0, 1, "https://a.example/");
	item = flow_hosts_next(f->hosts, 9);
	item->host->not_before_ms = clock_mono_ms() + 60000;
	flow_hosts_put_back(f->hosts, item);
	assert_true(item->host->not_before_ms > clock_mono_ms() + FLOW_PUT_BACK_MS);
	item->host->not_before_ms = 0;
	item = flow_hosts_next(f->hosts, 9);
	flow_hosts_put_back(f->hosts, item);
	assert_true(item->host->not_before_ms >= clock_mono_ms() + FLOW_PUT_BACK_MS / 2);
	assert_null(flow_hosts_next(f->hosts, 9));
}

static void
test_a_paused_host_gets_nothing_and_others_do(void **state)
{
	struct fixture *f = *state;
	struct flow_item *item = NULL;

	f->hosts->by_urgency = true;
	queue(f, 0, 2, "https://a.example/");
	item = flow_hosts_next(f->hosts, 9);
	queue(f, 2, 1, "https://b.example/");
	flow_hosts_pause(f->hosts, item->host, 60000);
	/* A shorter one does not cut it short. */
	flow_hosts_pause(f->hosts, item->host, 1);
	assert_ptr_equal(flow_hosts_next(f->hosts, 9), &f->batch->items[2]);
	assert_null(flow_hosts_next(f->hosts, 9));
	item->host->not_before_ms = clock_mono_ms();
	assert_ptr_equal(flow_hosts_next(f->hosts, 9), &f->batch->items[1]);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_make, fixture_end)
	const struct CMUnitTest tests[] = {
		TEST(test_a_host_starts_with_few_and_grows_to_its_limit),
		TEST(test_paths_and_queries_share_their_host),
		TEST(test_hosts_take_turns),
		TEST(test_too_much_and_no_answer_halve_a_host),
		TEST(test_a_full_host_leaves_its_turn_to_others),
		TEST(test_drain_takes_what_is_old_and_leaves_the_rest),
		TEST(test_a_slow_host_is_full_and_its_queue_stands),
		TEST(test_letter_case_makes_no_other_host),
		TEST(test_what_did_not_begin_is_the_next_one_again),
		TEST(test_what_was_put_back_is_not_asked_again_at_once),
		TEST(test_a_paused_host_gets_nothing_and_others_do),
	};

	return cmocka_run_group_tests_name("engine/flow_host", tests, NULL, NULL);
}
