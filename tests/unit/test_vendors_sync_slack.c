/*
 * Slack: what is asked, and what answers mean, which is never told by their status alone.
 */
#include "arena_fixture.h"
#include "base/conf.h"
#include "http/http.h"
#include "vendors/oauth.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { CHANNEL, MESSAGE, USER };

#define NOW_S 1800000000
#define TOKEN "xoxe.xoxb-1-abcdefghij"

static char slack_url[] = "https://slack.example", client_id[] = "123.456";
static char client_secret[] = "0123456789abcdef";
static struct conf conf;

static int
set_up(void **state)
{
	conf.slack_url = slack_url;
	conf.slack_client_id = client_id;
	conf.secrets[SECRET_SLACK_CLIENT].current.value = client_secret;
	conf.secrets[SECRET_SLACK_CLIENT].current.len = strlen(client_secret);
	return make_arena(state);
}

static struct sync_ask
ask_of(int stream)
{
	return (struct sync_ask){
		.conf = &conf,
		.stream = &sync_slack.streams[stream],
		.token = TOKEN,
		.part = stream == MESSAGE ? "C1" : NULL,
		.size = 200,
	};
}

static const char *
url_of(struct sync_ask ask)
{
	static struct http_request q;

	http_request_reset(&q);
	sync_slack.ask(arena, &ask, &q);
	assert_null(q.refused);
	assert_null(q.body);
	assert_int_equal(q.reply_max, SYNC_REPLY_MAX);
	assert_int_equal(q.headers_count, 2);
	assert_string_equal(q.headers[0], "accept: application/json");
	assert_string_equal(q.headers[1], "authorization: Bearer " TOKEN);
	assert_int_equal(strncmp(q.url, "https://slack.example/api/", 26), 0);
	return q.url + 26;
}

static struct sync_answer
read_answer(const struct sync_ask *ask, int status, const char *body)
{
	const struct http_reply reply = {
		.status = status,
		.error = "timed out",
		.retry_after = status == 200 || status == 429 || status == 503 ? "7" : NULL,
		.body = body,
		.body_len = strlen(body),
	};
	struct sync_answer answer;

	sync_slack.read(arena, ask, &reply, NOW_S, &answer);
	if (answer.outcome != SYNC_PAGE)
		assert_true(*answer.says);
	return answer;
}

static void
each_stream_has_its_method(void **state)
{
	struct sync_ask ask = ask_of(CHANNEL);

	(void)state;
	assert_string_equal(
	    url_of(ask), "conversations.list?limit=200&types=public_channel%2Cprivate_channel");
	ask.is_narrow = true;
	ask.page = "dGVhbTpDMQ==";
	assert_string_equal(url_of(ask),
	    "conversations.list?limit=200&types=public_channel&cursor=dGVhbTpDMQ%3D%3D");
	ask = ask_of(USER);
	ask.size = 5;
	assert_string_equal(url_of(ask), "users.list?limit=5");
	ask = ask_of(MESSAGE);
	ask.since = "1512085950.000216";
	ask.page = "a+b&c";
	assert_string_equal(url_of(ask),
	    "conversations.history?limit=200&channel=C1&oldest=1512085950.000216"
	    "&cursor=a%2Bb%26c");
}

static void
what_is_no_ts_is_not_asked_with(void **state)
{
	static const char *const others[] = { "", "1512085950", "1512085950.0002161",
		"1512085950.00021", "151208595.000216", "15120859500.000216", "1512085950,000216",
		"-512085950.000216", "1512085950.00021x", "1.512085950e9" };
	struct sync_ask ask = ask_of(MESSAGE);

	(void)state;
	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++) {
		ask.since = others[i];
		assert_string_equal(url_of(ask), "conversations.history?limit=200&channel=C1");
	}
}

static void
a_page_has_things_and_maybe_another_one(void **state)
{
	static const struct {
		const char *body, *next;
		size_t len; /* of the things */
	} all[] = {
		{ "{\"ok\":true,\"members\":[{\"id\":\"U1\"}],"
		  "\"response_metadata\":{\"next_cursor\":\"dXNlcg==\"}}",
		    "dXNlcg==", 13 },
		{ "{\"ok\": true, \"members\": [ ],"
		  "\"response_metadata\":{\"next_cursor\":\"a\\/b\"}}",
		    "a/b", 3 },
		{ "{\"ok\":true,\"members\":[],\"response_metadata\":{\"next_cursor\":\"\"}}", NULL,
		    2 },
		{ "{\"ok\":true,\"members\":[],\"response_metadata\":{\"next_cursor\":null}}", NULL,
		    2 },
		{ "{\"ok\":true,\"members\":[],\"response_metadata\":{}}", NULL, 2 },
		{ "{\"ok\":true,\"members\":[],\"response_metadata\":null}", NULL, 2 },
		{ "{\"members\":[],\"ok\":true,\"cache_ts\":1,\"warning\":\"superfluous_charset\"}",
		    NULL, 2 },
	};
	const struct sync_ask ask = ask_of(USER);

	(void)state;
	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
		const struct sync_answer answer = read_answer(&ask, 200, all[i].body);

		assert_int_equal(answer.outcome, SYNC_PAGE);
		assert_int_equal(answer.items.len, all[i].len);
		assert_int_equal(answer.items.at[0], '[');
		assert_null(answer.since);
		assert_null(answer.etag);
		assert_false(answer.is_known);
		assert_int_equal(answer.parts_count, 0);
		if (all[i].next)
			assert_string_equal(answer.next, all[i].next);
		else
			assert_null(answer.next);
	}
}

static void
joined_channels_in_use_are_parts(void **state)
{
	const struct sync_ask ask = ask_of(CHANNEL);
	const struct sync_answer answer = read_answer(&ask, 200,
	    "{\"ok\":true,\"channels\":["
	    "{\"id\":\"C1\",\"is_member\":true,\"is_archived\":false,\"topic\":{\"id\":\"X\"}},"
	    "{\"id\":\"C2\",\"is_member\":false},"
	    "{\"id\":\"C3\",\"is_member\":true,\"is_archived\":true},"
	    "{\"id\":\"C4\"},null,7,[],"
	    "{\"id\":\"C5\",\"is_member\":\"true\"},"
	    "{\"id\":\"C/6\",\"is_member\":true},"
	    "{\"id\":\"\",\"is_member\":true},"
	    "{\"id\":7,\"is_member\":true},"
	    "{\"id\":\"C23456789012345678901234567890123\",\"is_member\":true},"
	    "{\"is_member\":true,\"id\":\"G8\"}]}");

	(void)state;
	assert_int_equal(answer.outcome, SYNC_PAGE);
	assert_int_equal(answer.parts_count, 2);
	assert_string_equal(answer.parts[0], "C1");
	assert_string_equal(answer.parts[1], "G8");
}

static void
the_first_message_is_the_newest(void **state)
{
	static const struct {
		const char *messages, *since;
	} all[] = {
		{ "[{\"text\":\"b\",\"ts\":\"1767225601.000101\"},{\"ts\":\"1767225600.000001\"}]",
		    "1767225601.000101" },
		{ "[]", NULL },
		{ "[{\"text\":\"no ts\"}]", NULL },
		{ "[{\"ts\":1767225601.000101}]", NULL },
		{ "[{\"ts\":\"176722560.000101\"}]", NULL },
		{ "[{\"ts\":\"1767225601.000101 \"}]", NULL },
		{ "[\"1767225601.000101\"]", NULL },
		{ "[{\"ts\":\"1800000000.999999\"}]", "1800000000.999999" },
		{ "[{\"ts\":\"9999999999.000000\"}]", "1800000000.000000" },
	};
	const struct sync_ask ask = ask_of(MESSAGE);
	char body[256];

	(void)state;
	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
		struct sync_answer answer;

		snprintf(body, sizeof(body), "{\"ok\":true,\"messages\":%s}", all[i].messages);
		answer = read_answer(&ask, 200, body);
		assert_int_equal(answer.outcome, SYNC_PAGE);
		if (all[i].since)
			assert_string_equal(answer.since, all[i].since);
		else
			assert_null(answer.since);
	}
}

static void
every_error_has_its_outcome(void **state)
{
	static const struct {
		const char *error;
		enum sync_outcome outcome;
	} all[] = {
		{ "token_expired", SYNC_EXPIRED },
		{ "invalid_auth", SYNC_EXPIRED },
		{ "not_authed", SYNC_EXPIRED },
		{ "token_revoked", SYNC_REVOKED },
		{ "account_inactive", SYNC_REVOKED },
		{ "missing_scope", SYNC_SKIP },
		{ "channel_not_found", SYNC_SKIP },
		{ "not_in_channel", SYNC_SKIP },
		{ "is_archived", SYNC_SKIP },
		{ "invalid_cursor", SYNC_RESTART },
		{ "invalid_ts_oldest", SYNC_RESTART },
		{ "ratelimited", SYNC_LIMITED },
		{ "internal_error", SYNC_FAILED },
		{ "fatal_error", SYNC_FAILED },
		{ "request_timeout", SYNC_FAILED },
		{ "service_unavailable", SYNC_FAILED },
		{ "invalid_arguments", SYNC_REFUSED },
		{ "ekm_access_denied", SYNC_REFUSED },
		{ "something new", SYNC_REFUSED },
	};
	struct sync_ask ask = ask_of(MESSAGE);
	char body[128], says[128];

	(void)state;
	ask.page = "x";
	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
		struct sync_answer answer;
		bool waits = all[i].outcome == SYNC_LIMITED || all[i].outcome == SYNC_FAILED;

		snprintf(body, sizeof(body), "{\"ok\":false,\"error\":\"%s\"}", all[i].error);
		answer = read_answer(&ask, 200, body);
		assert_int_equal(answer.outcome, all[i].outcome);
		assert_int_equal(answer.wait_s, waits ? 7 : -1);
		assert_false(answer.is_everybodys);
		snprintf(says, sizeof(says), "HTTP 200 %s", all[i].error);
		assert_string_equal(
		    answer.says, i + 1 < sizeof(all) / sizeof(*all) ? says : "HTTP 200");
	}
}

static void
less_is_asked_for_once(void **state)
{
	static const char body[] =
	    "{\"ok\":false,\"error\":\"missing_scope\",\"needed\":\"groups:read\"}";
	struct sync_ask ask = ask_of(CHANNEL);
	struct sync_answer answer = read_answer(&ask, 200, body);

	(void)state;
	assert_int_equal(answer.outcome, SYNC_NARROW);
	assert_string_equal(answer.says, "HTTP 200 missing_scope, needs groups:read");
	ask.is_narrow = true;
	assert_int_equal(read_answer(&ask, 200, body).outcome, SYNC_SKIP);
	ask = ask_of(USER);
	assert_int_equal(read_answer(&ask, 200, body).outcome, SYNC_SKIP);
}

static void
what_has_no_beginning_is_not_begun_again(void **state)
{
	static const char body[] = "{\"ok\":false,\"error\":\"invalid_cursor\"}";
	struct sync_ask ask = ask_of(MESSAGE);

	(void)state;
	assert_int_equal(read_answer(&ask, 200, body).outcome, SYNC_REFUSED);
	ask.since = "1767225601.000101";
	assert_int_equal(read_answer(&ask, 200, body).outcome, SYNC_RESTART);
}

static void
other_statuses_are_no_word_of_slacks(void **state)
{
	static const struct {
		int status;
		const char *body;
		enum sync_outcome outcome;
		int64_t wait_s;
	} all[] = {
		{ 0, "", SYNC_FAILED, -1 },
		{ 401, "", SYNC_FAILED, -1 },
		{ 401, "{\"ok\":false,\"error\":\"invalid_auth\"}", SYNC_EXPIRED, -1 },
		{ 403, "<html>", SYNC_REFUSED, -1 },
		{ 302, "", SYNC_REFUSED, -1 },
		{ 429, "{\"ok\":false,\"error\":\"ratelimited\"}", SYNC_LIMITED, 7 },
		{ 429, "", SYNC_LIMITED, 7 },
		{ 500, "{\"ok\":false,\"error\":\"invalid_auth\"}", SYNC_FAILED, -1 },
		{ 503, "<html>", SYNC_FAILED, 7 },
		{ 500, "{\"ok\":true,\"members\":[]}", SYNC_FAILED, -1 },
		{ 403, "{\"ok\":true,\"members\":[]}", SYNC_REFUSED, -1 },
	};
	const struct sync_ask ask = ask_of(USER);

	(void)state;
	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
		const struct sync_answer answer = read_answer(&ask, all[i].status, all[i].body);

		assert_int_equal(answer.outcome, all[i].outcome);
		assert_int_equal(answer.wait_s, all[i].wait_s);
	}
}

static void
answers_of_another_form_may_be_asked_for_again(void **state)
{
	static const char *const bodies[] = { "", "ok", "<html>", "[]", "null", "{}",
		"{\"ok\":true}", "{\"ok\":\"true\",\"members\":[]}", "{\"ok\":1,\"members\":[]}",
		"{\"ok\":true,\"members\":null}", "{\"ok\":true,\"members\":{}}",
		"{\"ok\":true,\"channels\":[]}", "{\"ok\":false}", "{\"ok\":false,\"error\":\"\"}",
		"{\"ok\":false,\"error\":7}", "{\"ok\":true,\"members\":[\"\\x\"]}",
		"{\"ok\":true,\"members\":[}",
		"{\"ok\":true,\"members\":[],\"response_metadata\":{\"next_cursor\":7}}",
		"{\"ok\":true,\"members\":[],\"response_metadata\":{\"next_cursor\":\"a b\"}}",
		"{\"ok\":true,\"members\":[],\"response_metadata\":{\"next_cursor\":\"here\"}}" };
	struct sync_ask ask = ask_of(USER);

	(void)state;
	ask.page = "here";
	for (size_t i = 0; i < sizeof(bodies) / sizeof(*bodies); i++) {
		const struct sync_answer answer = read_answer(&ask, 200, bodies[i]);

		assert_int_equal(answer.outcome, SYNC_FAILED);
		assert_null(answer.next);
		assert_null(answer.items.at);
	}
}

static void
long_things_are_no_cursor_and_no_page(void **state)
{
	struct sync_ask ask = ask_of(USER);
	struct http_reply reply = { .status = 200, .truncated = true, .body = "{", .body_len = 1 };
	struct sync_answer answer;
	char cursor[2050], body[2200];

	(void)state;
	sync_slack.read(arena, &ask, &reply, NOW_S, &answer);
	assert_int_equal(answer.outcome, SYNC_SMALLER);
	memset(cursor, 'a', sizeof(cursor));
	for (size_t len = 2048; len <= 2049; len++) {
		snprintf(body, sizeof(body),
		    "{\"ok\":true,\"members\":[],\"response_metadata\":{\"next_cursor\":\"%.*s\"}}",
		    (int)len, cursor);
		assert_int_equal(
		    read_answer(&ask, 200, body).outcome, len == 2048 ? SYNC_PAGE : SYNC_FAILED);
	}
}

static void
the_token_is_not_repeated(void **state)
{
	const struct sync_ask ask = ask_of(USER);
	char body[512];

	(void)state;
	snprintf(body, sizeof(body),
	    "{\"ok\":false,\"error\":\"missing_scope\",\"needed\":\"%s\",\"message\":\"%0280d "
	    "%s\"}",
	    TOKEN, 0, TOKEN);
	assert_null(strstr(read_answer(&ask, 200, body).says, "abcdefgh"));
	assert_null(strstr(read_answer(&ask, 403, body).says, "abcdefgh"));
}

static void
tokens_are_refreshed_in_the_name_of_the_app(void **state)
{
	struct oauth who = sync_slack.oauth(arena, &conf);
	struct http_request q;

	(void)state;
	http_request_reset(&q);
	oauth_ask(arena, &who, "xoxe-1-a/b", &q);
	assert_null(q.refused);
	assert_string_equal(q.url, "https://slack.example/api/oauth.v2.access");
	assert_string_equal(q.body, "grant_type=refresh_token&refresh_token=xoxe-1-a%2Fb");
	/* 123.456:0123456789abcdef */
	assert_string_equal(q.headers[q.headers_count - 1],
	    "authorization: Basic MTIzLjQ1NjowMTIzNDU2Nzg5YWJjZGVm");
	assert_true(oauth_is_known(&who));
	conf.slack_client_id = NULL;
	who = sync_slack.oauth(arena, &conf);
	assert_false(oauth_is_known(&who));
	http_request_reset(&q);
	oauth_ask(arena, &who, "xoxe-1-a/b", &q);
	assert_non_null(q.refused);
	conf.slack_client_id = client_id;
	assert_string_equal(sync_slack.base_url(&conf), slack_url);
}

static void
an_answer_to_a_refresh_has_tokens_or_an_error(void **state)
{
	static const struct {
		const char *body;
		enum sync_refresh_outcome outcome;
	} all[] = {
		{ "{\"ok\":true,\"access_token\":\"xoxe.xoxb-2\",\"expires_in\":43200,"
		  "\"refresh_token\":\"xoxe-2\",\"token_type\":\"bot\"}",
		    SYNC_REFRESHED },
		{ "{\"ok\":false,\"error\":\"invalid_refresh_token\"}", SYNC_REFRESH_DEAD },
		{ "{\"ok\":false,\"error\":\"bad_client_secret\"}", SYNC_REFRESH_OURS },
		{ "{\"ok\":false,\"error\":\"invalid_client_id\"}", SYNC_REFRESH_OURS },
		{ "{\"ok\":false,\"error\":\"internal_error\"}", SYNC_REFRESH_FAILED },
		{ "{\"ok\":false,\"error\":\"ratelimited\"}", SYNC_REFRESH_FAILED },
		{ "{\"ok\":true}", SYNC_REFRESH_LOST },
		{ "<html>", SYNC_REFRESH_LOST },
	};
	const struct oauth who = sync_slack.oauth(arena, &conf);

	(void)state;
	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
		const struct http_reply reply = {
			.status = 200,
			.body = all[i].body,
			.body_len = strlen(all[i].body),
		};
		struct sync_tokens tokens;

		oauth_read(arena, &who, "xoxe-1", &reply, NOW_S, &tokens);
		assert_int_equal(tokens.outcome, all[i].outcome);
		if (i > 0)
			continue;
		assert_string_equal(tokens.access, "xoxe.xoxb-2");
		assert_string_equal(tokens.refresh, "xoxe-2");
		assert_int_equal(tokens.expires_in_s, 43200);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_stream_has_its_method),
		cmocka_unit_test(what_is_no_ts_is_not_asked_with),
		cmocka_unit_test(a_page_has_things_and_maybe_another_one),
		cmocka_unit_test(joined_channels_in_use_are_parts),
		cmocka_unit_test(the_first_message_is_the_newest),
		cmocka_unit_test(every_error_has_its_outcome),
		cmocka_unit_test(less_is_asked_for_once),
		cmocka_unit_test(what_has_no_beginning_is_not_begun_again),
		cmocka_unit_test(other_statuses_are_no_word_of_slacks),
		cmocka_unit_test(answers_of_another_form_may_be_asked_for_again),
		cmocka_unit_test(long_things_are_no_cursor_and_no_page),
		cmocka_unit_test(the_token_is_not_repeated),
		cmocka_unit_test(tokens_are_refreshed_in_the_name_of_the_app),
		cmocka_unit_test(an_answer_to_a_refresh_has_tokens_or_an_error),
	};

	return cmocka_run_group_tests(tests, set_up, free_arena);
}
