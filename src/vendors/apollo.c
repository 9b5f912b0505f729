/*
 * apollo - asking and reading; docs.apollo.io/reference, with what its description leaves open.
 *
 * Limits are per team and endpoint, in windows of a minute, an hour and a day.  Replies tell how
 * much of each is left, though not when it ends; a 429 says for how long to wait.
 */
#include "vendors/apollo.h"

#include "base/arena.h"
#include "base/json.h"
#include "base/text.h"
#include "http/form.h"
#include "http/http.h"

#include <ctype.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	APOLLO_WAIT_MAX_S = 24 * 3600,
	APOLLO_WAIT_S = 60, /* after a 429 that does not say for how long */
	APOLLO_DOMAIN_MAX = 253,
	APOLLO_LEFT_MAX = 1000000000,
	STATUS_TOO_MANY = 429,
};

static char *apollo_url(struct arena *, const char *base_url, const struct apollo_question *);
static char *apollo_body(struct arena *, const struct apollo_question *);
static bool apollo_knows(const struct apollo_question *, enum apollo_field);
static bool apollo_is_domain(const char *);
static void apollo_read_left(const struct http_reply *, struct apollo_answer *);
static void apollo_read_found(
    struct arena *, enum apollo_subject, const struct http_reply *, struct apollo_answer *);
static json_t *apollo_parse(const struct http_reply *);
static const char *apollo_dump(struct arena *, const json_t *);
static void apollo_read_limited(
    const struct http_reply *, int64_t now_unix_s, struct apollo_answer *);
static void apollo_read_nothing(const struct http_reply *, struct apollo_answer *);
static void apollo_say_status(const struct http_reply *, struct apollo_answer *);
static void apollo_garble(struct apollo_answer *, const char *why);

const char *const apollo_subject_name[APOLLO_SUBJECT__MAX] = {
	[APOLLO_ORGANIZATION] = "organization",
	[APOLLO_PERSON] = "person",
};

const char *const apollo_field_name[APOLLO_FIELD__MAX] = {
	[APOLLO_DOMAIN] = "domain",
	[APOLLO_NAME] = "name",
	[APOLLO_WEBSITE] = "website",
	[APOLLO_LINKEDIN_URL] = "linkedin_url",
	[APOLLO_EMAIL] = "email",
	[APOLLO_FIRST_NAME] = "first_name",
	[APOLLO_LAST_NAME] = "last_name",
	[APOLLO_ORGANIZATION_NAME] = "organization_name",
	[APOLLO_ID] = "id",
};

/*
 * Headers that tell what is left of a window, and when to look again once nothing is: a few times
 * in its length, since nobody says when it began.
 */
static const struct apollo_window {
	const char *header;
	int64_t again_s;
} apollo_windows[] = {
	{ "x-minute-requests-left:", 60 },
	{ "x-hourly-requests-left:", 600 },
	{ "x-24-hour-requests-left:", 3600 },
};

#define APOLLO_WINDOWS (sizeof(apollo_windows) / sizeof(apollo_windows[0]))
_Static_assert(APOLLO_WINDOWS <= (size_t)HTTP_KEPT_MAX, "each header is kept");

bool
apollo_takes(enum apollo_subject subject, enum apollo_field field)
{
	if (field == APOLLO_DOMAIN || field == APOLLO_NAME || field == APOLLO_LINKEDIN_URL)
		return true;
	return (field == APOLLO_WEBSITE) == (subject == APOLLO_ORGANIZATION);
}

const char *
apollo_question_lacks(const struct apollo_question *question)
{
	bool has_name =
	    apollo_knows(question, APOLLO_NAME) ||
	    (apollo_knows(question, APOLLO_FIRST_NAME) && apollo_knows(question, APOLLO_LAST_NAME));

	if (question->subject == APOLLO_ORGANIZATION) {
		for (int i = 0; i < APOLLO_FIELD__MAX; i++)
			if (apollo_takes(APOLLO_ORGANIZATION, i) && apollo_knows(question, i))
				return NULL;
		return "a domain, website, linkedin_url or name";
	}
	if (apollo_knows(question, APOLLO_EMAIL) || apollo_knows(question, APOLLO_LINKEDIN_URL) ||
	    apollo_knows(question, APOLLO_ID))
		return NULL;
	/* By a name alone some other person of that name is found, and paid for. */
	if (has_name && (apollo_knows(question, APOLLO_DOMAIN) ||
			    apollo_knows(question, APOLLO_ORGANIZATION_NAME)))
		return NULL;
	return "an email, a linkedin_url, an id, or a name with a domain or organization_name";
}

const char *
apollo_domain(struct arena *a, const char *text)
{
	const char *scheme = strstr(text, "://"), *user;
	char *domain;
	size_t len;

	text += strspn(text, " \t\r\n");
	if (scheme && scheme >= text && strcspn(text, "/?#@") > (size_t)(scheme - text))
		text = scheme + 3;
	len = strcspn(text, "/?# \t\r\n");
	user = memrchr(text, '@', len);
	if (user) {
		len -= (size_t)(user + 1 - text);
		text = user + 1;
	}
	if (memchr(text, ':', len))
		len = (size_t)((const char *)memchr(text, ':', len) - text);
	domain = arena_copy(a, text, len);
	while (len > 0 && domain[len - 1] == '.')
		domain[--len] = '\0';
	for (size_t i = 0; i < len; i++)
		domain[i] = (char)tolower((unsigned char)domain[i]);
	if (strncmp(domain, "www.", 4) == 0 && strchr(domain + 4, '.'))
		domain += 4;
	return apollo_is_domain(domain) ? domain : NULL;
}

void
apollo_ask(struct arena *a, const char *base_url, const char *key,
    const struct apollo_question *question, struct http_request *q)
{
	q->url = apollo_url(a, base_url, question);
	if (question->subject == APOLLO_PERSON) {
		char *body = apollo_body(a, question);

		q->body = body;
		q->body_len = strlen(body);
		http_header(q, "content-type", "application/json");
	}
	q->reply_max = APOLLO_REPLY_MAX;
	for (size_t i = 0; i < APOLLO_WINDOWS; i++)
		q->keep[i] = apollo_windows[i].header;
	http_header(q, "accept", "application/json");
	http_header(q, "x-api-key", key);
}

void
apollo_read(struct arena *a, enum apollo_subject subject, const struct http_reply *reply,
    int64_t now_unix_s, struct apollo_answer *ret_answer)
{
	*ret_answer = (struct apollo_answer){ .wait_s = -1, .left = -1 };
	apollo_read_left(reply, ret_answer);
	if (reply->status == 0) {
		apollo_read_nothing(reply, ret_answer);
	} else if (reply->status / 100 == 2) {
		apollo_read_found(a, subject, reply, ret_answer);
	} else if (reply->status == STATUS_TOO_MANY) {
		apollo_read_limited(reply, now_unix_s, ret_answer);
	} else {
		/* "No error is worth retrying but 429 and 5xx." */
		ret_answer->outcome = reply->status / 100 == 5 ? APOLLO_FAILED : APOLLO_REFUSED;
		ret_answer->wait_s = http_retry_after_s(reply->retry_after, now_unix_s);
		apollo_say_status(reply, ret_answer);
	}
}

struct pace_told
apollo_told(const struct apollo_answer *answer)
{
	return (struct pace_told){
		.left = answer->left,
		.window_s = answer->window_s,
		.wait_s = answer->outcome == APOLLO_LIMITED ? answer->wait_s : 0,
	};
}

static char *
apollo_url(struct arena *a, const char *base_url, const struct apollo_question *question)
{
	struct text url = { .at = NULL };
	char *copy, separator = '?';

	text_add_text(&url, base_url);
	text_add_text(&url, question->subject == APOLLO_PERSON ? "/api/v1/people/match"
							       : "/api/v1/organizations/enrich");
	for (int i = 0; question->subject == APOLLO_ORGANIZATION && i < APOLLO_FIELD__MAX; i++) {
		if (!apollo_takes(APOLLO_ORGANIZATION, i) || !apollo_knows(question, i))
			continue;
		text_add_char(&url, separator);
		text_add_text(&url, apollo_field_name[i]);
		text_add_char(&url, '=');
		text_add_text(&url, form_escape(a, question->fields[i]));
		separator = '&';
	}
	copy = arena_copy(a, url.at, url.len);
	text_finish(&url);
	return copy;
}

static char *
apollo_body(struct arena *a, const struct apollo_question *question)
{
	json_auto_t *body = json_object();
	char *text, *copy;

	for (int i = 0; i < APOLLO_FIELD__MAX; i++)
		if (apollo_takes(APOLLO_PERSON, i) && apollo_knows(question, i))
			json_object_set_new(
			    body, apollo_field_name[i], json_string(question->fields[i]));
	if (question->reveal_personal_emails)
		json_object_set_new(body, "reveal_personal_emails", json_true());
	text = json_dumps(body, JSON_COMPACT);
	copy = arena_text(a, text ? text : "{}");
	free(text);
	return copy;
}

static bool
apollo_knows(const struct apollo_question *question, enum apollo_field field)
{
	return question->fields[field] && *question->fields[field];
}

/* A name with a dot, in ASCII or with characters of its own language. */
static bool
apollo_is_domain(const char *s)
{
	size_t len = strlen(s);

	if (len > APOLLO_DOMAIN_MAX || *s == '.' || !strchr(s, '.') || strstr(s, ".."))
		return false;
	for (; *s; s++)
		if (!isalnum((unsigned char)*s) && *s != '-' && *s != '.' && (*s & 0x80) == 0)
			return false;
	return true;
}

/* The window with the least left, and among equals the longest. */
static void
apollo_read_left(const struct http_reply *reply, struct apollo_answer *answer)
{
	for (size_t i = 0; i < APOLLO_WINDOWS; i++) {
		int64_t left = 0;

		/* A window without a limit has no number. */
		if (!reply->kept[i] || !text_to_int64(reply->kept[i], 0, APOLLO_LEFT_MAX, &left))
			continue;
		if (answer->left < 0 || left <= answer->left) {
			answer->left = left;
			answer->window_s = apollo_windows[i].again_s;
		}
	}
}

static void
apollo_read_found(struct arena *a, enum apollo_subject subject, const struct http_reply *reply,
    struct apollo_answer *answer)
{
	const char *name = apollo_subject_name[subject];
	json_auto_t *root = reply->truncated ? NULL : apollo_parse(reply);
	const json_t *object = json_object_get(root, name);

	if (reply->truncated) {
		apollo_garble(answer, "longer than 512 KB");
	} else if (!json_is_object(root)) {
		apollo_garble(answer, reply->body_len ? "no JSON object" : "empty");
	} else if (!object || json_is_null(object) ||
		   (json_is_object(object) && json_object_size(object) == 0)) {
		answer->outcome = APOLLO_UNKNOWN;
	} else if (!json_is_object(object)) {
		apollo_garble(answer, "of another form than the documented one");
	} else {
		answer->outcome = APOLLO_FOUND;
		answer->object = apollo_dump(a, object);
		if (!answer->object)
			apollo_garble(answer, "too deep, or holds a number that cannot be stored");
	}
}

/* The caller's; NULL: no JSON. */
static json_t *
apollo_parse(const struct http_reply *reply)
{
	json_t *root = json_loadb(reply->body, reply->body_len, 0, NULL);

	/* Whole numbers beyond 64 bits are the only ones that suffer from being read so. */
	return root ? root
		    : json_loadb(reply->body, reply->body_len, JSON_DECODE_INT_AS_REAL, NULL);
}

static const char *
apollo_dump(struct arena *a, const json_t *object)
{
	char *text = json_dumps(object, JSON_COMPACT);
	const char *copy = NULL;

	if (text && !json_fault(text, strlen(text), NULL))
		copy = arena_text(a, text);
	free(text);
	return copy;
}

static void
apollo_read_limited(
    const struct http_reply *reply, int64_t now_unix_s, struct apollo_answer *answer)
{
	int64_t wait_s = http_retry_after_s(reply->retry_after, now_unix_s);

	if (wait_s < 0)
		wait_s = answer->left == 0 ? answer->window_s : APOLLO_WAIT_S;
	if (wait_s < 1)
		wait_s = 1;
	answer->outcome = APOLLO_LIMITED;
	answer->wait_s = wait_s < APOLLO_WAIT_MAX_S ? wait_s : APOLLO_WAIT_MAX_S;
	apollo_say_status(reply, answer);
}

/* A reply that had begun was a reply: the question was read, and maybe paid for. */
static void
apollo_read_nothing(const struct http_reply *reply, struct apollo_answer *answer)
{
	answer->outcome = reply->timing.first_byte_ms >= 0 ? APOLLO_GARBLED : APOLLO_FAILED;
	snprintf(answer->says, sizeof(answer->says), "%s", reply->error);
}

/* The status and the vendor's words: JSON's "error" or "message", or a plain text. */
static void
apollo_say_status(const struct http_reply *reply, struct apollo_answer *answer)
{
	json_auto_t *root = apollo_parse(reply);
	const json_t *error = json_object_get(root, "error");
	const char *words;
	char clean[APOLLO_SAYS_MAX - 32];
	size_t words_len;

	if (!json_is_string(error))
		error = json_object_get(root, "message");
	words = json_is_string(error) ? json_string_value(error) : reply->body;
	words_len = json_is_string(error) ? json_string_length(error) : reply->body_len;
	/* A page for browsers, or JSON of another form, says nothing to people. */
	if (!json_is_string(error) && (root || (words_len > 0 && *words == '<')))
		words_len = 0;
	text_clean(clean, sizeof(clean), words, words_len);
	snprintf(answer->says, sizeof(answer->says), "HTTP %d%s%s", reply->status,
	    *clean ? ": " : "", clean);
}

static void
apollo_garble(struct apollo_answer *answer, const char *why)
{
	answer->outcome = APOLLO_GARBLED;
	snprintf(answer->says, sizeof(answer->says), "the answer is %s", why);
}
