/*
 * Google Calendar: what is asked, and what its answers mean.
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

static char client_secret[] = "client-secret", client_id[] = "app.googleusercontent.example";
static char google_url[] = "https://www.google.example", oauth_url[] = "https://oauth2.example";
static struct conf conf = {
	.google_url = google_url,
	.google_oauth_url = oauth_url,
	.google_client_id = client_id,
	.secrets = {
		[SECRET_GOOGLE_CLIENT] = {
			.current = { .value = client_secret, .len = sizeof(client_secret) - 1,
				.len_min = SECRET_LENGTH_LEAST },
		},
	},
};
static const struct sync_ask first_page = {
	.conf = &conf,
	.stream = &sync_google_calendar.streams[0],
	.token = "ya29.0123456789",
	.size = 250,
};

#define EVENTS_URL "https://www.google.example/calendar/v3/calendars/primary/events"

static void
asks_for_events(void **state)
{
	struct sync_ask ask = first_page;
	struct http_request q;

	(void)state;
	http_request_reset(&q);
	sync_google_calendar.ask(arena, &ask, &q);
	assert_null(q.refused);
	assert_null(q.body);
	assert_string_equal(q.url, EVENTS_URL "?maxResults=250&singleEvents=false");
	assert_int_equal(q.headers_count, 2);
	assert_string_equal(q.headers[1], "authorization: Bearer ya29.0123456789");
	ask.page = "cGFnZQ==";
	ask.size = 125;
	sync_google_calendar.ask(arena, &ask, &q);
	assert_string_equal(
	    q.url, EVENTS_URL "?maxResults=125&singleEvents=false&pageToken=cGFnZQ%3D%3D");
	ask.since = "CP&+/=";
	sync_google_calendar.ask(arena, &ask, &q);
	assert_string_equal(q.url, EVENTS_URL "?maxResults=125&singleEvents=false"
					      "&syncToken=CP%26%2B%2F%3D&pageToken=cGFnZQ%3D%3D");
}

static struct http_reply
reply_of(int status, const char *body)
{
	return (struct http_reply){
		.status = status,
		.error = "the connection failed",
		.body = body,
		.body_len = strlen(body),
	};
}

static struct sync_answer
read_reply(const struct sync_ask *ask, struct http_reply reply)
{
	struct sync_answer answer;

	sync_google_calendar.read(arena, ask, &reply, 1800000000, &answer);
	assert_int_equal(answer.outcome == SYNC_PAGE, !*answer.says);
	return answer;
}

static void
pages_end_with_a_token_for_the_next_pass(void **state)
{
	/* The second has no status, the third little else. */
	static const char items[] = "[{\"id\":\"a\",\"status\":\"confirmed\"},{\"id\":\"b\"},"
				    "{\"id\":\"c\",\"status\":\"cancelled\"}]";
	struct sync_answer answer;
	char body[256];

	(void)state;
	snprintf(body, sizeof(body),
	    "{\"kind\":\"calendar#events\",\"items\": %s ,\"nextPageToken\":\"p\\u003d\"}", items);
	answer = read_reply(&first_page, reply_of(200, body));
	assert_int_equal(answer.outcome, SYNC_PAGE);
	assert_int_equal(answer.items.len, strlen(items));
	assert_memory_equal(answer.items.at, items, strlen(items));
	assert_string_equal(answer.next, "p=");
	assert_null(answer.since);

	answer = read_reply(&first_page,
	    reply_of(200, "{\"nextSyncToken\":\"s=\",\"nextPageToken\":null,\"items\":[ ]}"));
	assert_int_equal(answer.outcome, SYNC_PAGE);
	assert_null(answer.items.at);
	assert_null(answer.next);
	assert_string_equal(answer.since, "s=");
	answer = read_reply(&first_page, reply_of(200, "{\"nextSyncToken\":\"s\"}"));
	assert_int_equal(answer.outcome, SYNC_PAGE);
	assert_null(answer.items.at);
}

static void
what_is_no_page_is_not_taken_for_an_empty_one(void **state)
{
	static const char *const bodies[] = { "{}", "[]", "null", "{\"items\":[]}",
		"{\"items\":{},\"nextSyncToken\":\"s\"}",
		"{\"items\":\"[]\",\"nextSyncToken\":\"s\"}",
		"{\"items\":[],\"nextPageToken\":\"\",\"nextSyncToken\":\"s\"}",
		"{\"items\":[],\"nextPageToken\":7}", "{\"items\":[],\"nextSyncToken\":\"a b\"}",
		"{\"items\":[],\"nextPageToken\":\"same\"}" };
	struct sync_ask ask = first_page;
	char longer[1024];

	(void)state;
	ask.page = "same";
	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++)
		assert_int_equal(read_reply(&ask, reply_of(200, bodies[i])).outcome, SYNC_FAILED);
	snprintf(longer, sizeof(longer), "{\"nextSyncToken\":\"%0640d\"}", 0);
	assert_int_equal(read_reply(&ask, reply_of(200, longer)).outcome, SYNC_PAGE);
	snprintf(longer, sizeof(longer), "{\"nextSyncToken\":\"%0641d\"}", 0);
	assert_int_equal(read_reply(&ask, reply_of(200, longer)).outcome, SYNC_FAILED);
}

#define ERROR(domain, reason, words)                                                               \
	"{\"error\":{\"errors\":[{\"domain\":\"" domain "\",\"reason\":\"" reason                  \
	"\",\"message\":\"" words "\"}],\"code\":400,\"message\":\"" words "\"}}"
#define QUOTA "Quota exceeded for quota metric 'Queries' and limit 'Queries per minute"

static void
reasons_tell_limits_from_permissions(void **state)
{
	static const struct {
		int status;
		enum sync_outcome outcome;
		const char *body, *retry_after;
		int64_t wait_s;
		bool is_everybodys;
	} answers[] = {
		{ 401, SYNC_EXPIRED, ERROR("global", "authError", "Invalid Credentials"), NULL, -1,
		    false },
		{ 403, SYNC_LIMITED,
		    ERROR("usageLimits", "userRateLimitExceeded", "User Rate Limit Exceeded"), NULL,
		    -1, false },
		{ 403, SYNC_LIMITED,
		    ERROR("usageLimits", "rateLimitExceeded", "Rate Limit Exceeded"), "3", 3,
		    false },
		{ 403, SYNC_LIMITED,
		    ERROR("usageLimits", "rateLimitExceeded", QUOTA " per user' of service"), NULL,
		    -1, false },
		{ 403, SYNC_LIMITED,
		    ERROR("usageLimits", "rateLimitExceeded", QUOTA "' of service"), NULL, -1,
		    true },
		{ 403, SYNC_LIMITED,
		    ERROR("usageLimits", "quotaExceeded", "Calendar usage limits exceeded."), NULL,
		    -1, false },
		{ 403, SYNC_LIMITED,
		    ERROR("usageLimits", "dailyLimitExceeded", "Daily Limit Exceeded"), NULL, -1,
		    true },
		{ 429, SYNC_LIMITED,
		    ERROR("usageLimits", "rateLimitExceeded", "Rate Limit Exceeded"), NULL, -1,
		    false },
		{ 429, SYNC_LIMITED, "", "0", 1, false },
		{ 403, SYNC_REFUSED,
		    ERROR("global", "insufficientPermissions", "Insufficient Permission"), NULL, -1,
		    false },
		{ 403, SYNC_REFUSED,
		    ERROR("usageLimits", "accessNotConfigured", "Access Not Configured."), NULL, -1,
		    false },
		{ 403, SYNC_REFUSED, "<html>", NULL, -1, false },
		{ 403, SYNC_REFUSED, "{\"error\":\"userRateLimitExceeded\"}", NULL, -1, false },
		{ 404, SYNC_REFUSED, ERROR("global", "notFound", "Not Found"), NULL, -1, false },
		{ 302, SYNC_REFUSED, "", NULL, -1, false },
		{ 500, SYNC_FAILED, ERROR("global", "backendError", "Backend Error"), NULL, -1,
		    false },
		{ 503, SYNC_FAILED, "", "9", 9, false },
		{ 0, SYNC_FAILED, "", NULL, -1, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		struct http_reply reply = reply_of(answers[i].status, answers[i].body);
		struct sync_answer answer;

		reply.retry_after = answers[i].retry_after;
		answer = read_reply(&first_page, reply);
		if (answer.outcome != answers[i].outcome || answer.wait_s != answers[i].wait_s ||
		    answer.is_everybodys != answers[i].is_everybodys)
			fail_msg("answer %zu: outcome %d, wait %d", i, answer.outcome,
			    (int)answer.wait_s);
	}
	assert_string_equal(read_reply(&first_page, reply_of(404, answers[13].body)).says,
	    "HTTP 404 notFound: Not Found");
}

static void
places_that_are_not_known_any_more_are_forgotten(void **state)
{
	static const char *const bodies[] = {
		"{\"error\":{\"errors\":[{\"reason\":\"invalid\",\"location\":\"pageToken\"}]}}",
		"{\"error\":{\"errors\":[{\"reason\":\"invalid\",\"location\":\"syncToken\"}]}}",
		ERROR("global", "invalid", "Invalid page token value."),
		ERROR("calendar", "invalid", "Invalid sync token value."),
	};
	struct http_reply gone =
	    reply_of(410, ERROR("calendar", "fullSyncRequired", "Sync token is no longer valid."));
	struct sync_ask page = first_page, since = first_page;

	(void)state;
	page.page = "p";
	since.since = "s";
	assert_int_equal(read_reply(&page, gone).outcome, SYNC_RESTART);
	assert_int_equal(read_reply(&since, gone).outcome, SYNC_RESTART);
	/* There is nothing to forget. */
	assert_int_equal(read_reply(&first_page, gone).outcome, SYNC_FAILED);
	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
		assert_int_equal(read_reply(&page, reply_of(400, bodies[i])).outcome, SYNC_RESTART);
		assert_int_equal(
		    read_reply(&first_page, reply_of(400, bodies[i])).outcome, SYNC_FAILED);
	}
	assert_int_equal(
	    read_reply(&page, reply_of(400, ERROR("global", "badRequest", "Bad Request"))).outcome,
	    SYNC_REFUSED);
	assert_int_equal(read_reply(&page, reply_of(400, "")).outcome, SYNC_REFUSED);
}

static void
the_refresh_token_stays(void **state)
{
	const struct oauth who = sync_google_calendar.oauth(arena, &conf);
	struct http_reply reply = reply_of(
	    200, "{\"access_token\":\"ya29.2\",\"expires_in\":3599,\"token_type\":\"Bearer\"}");
	struct sync_tokens tokens;
	struct http_request q;

	(void)state;
	assert_true(oauth_is_known(&who));
	assert_false(sync_google_calendar.burns);
	http_request_reset(&q);
	oauth_ask(arena, &who, "1//r", &q);
	assert_null(q.refused);
	assert_string_equal(q.url, "https://oauth2.example/token");
	assert_string_equal(q.body, "grant_type=refresh_token&refresh_token=1%2F%2Fr"
				    "&client_id=app.googleusercontent.example"
				    "&client_secret=client-secret");
	oauth_read(arena, &who, "1//r", &reply, 0, &tokens);
	assert_int_equal(tokens.outcome, SYNC_REFRESHED);
	assert_string_equal(tokens.access, "ya29.2");
	assert_null(tokens.refresh);
}

#define WITH_ARENA(fn) cmocka_unit_test_setup_teardown(fn, make_arena, free_arena)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_ARENA(asks_for_events),
		WITH_ARENA(pages_end_with_a_token_for_the_next_pass),
		WITH_ARENA(what_is_no_page_is_not_taken_for_an_empty_one),
		WITH_ARENA(reasons_tell_limits_from_permissions),
		WITH_ARENA(places_that_are_not_known_any_more_are_forgotten),
		WITH_ARENA(the_refresh_token_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
