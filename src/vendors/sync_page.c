/*
 * sync_page - judging by the status first, and by the body where a vendor has more to say.
 */
#include "vendors/sync_page.h"

#include "base/arena.h"
#include "base/json.h"
#include "base/text.h"
#include "http/echo.h"
#include "http/http.h"

#include <stdio.h>
#include <string.h>

enum {
	PAGE_NAME_MAX = 64,
	/* Of a body's words: no secret that begins where they are shown ends behind these. */
	PAGE_WORDS_MAX = 8192,
};

enum { STATUS_UNAUTHORIZED = 401, STATUS_TIMED_OUT = 408, STATUS_TOO_MANY = 429 };

#define PAGE_NAME_CHARS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"

enum { SAYS_ERROR, SAYS_CODE, SAYS_MESSAGE, SAYS_DESCRIPTION, SAYS__MAX };
static const char *const says_member[SAYS__MAX] = {
	[SAYS_ERROR] = "error", /* OAuth's and Slack's name, or Google's object */
	[SAYS_CODE] = "code",   /* Notion's name */
	[SAYS_MESSAGE] = "message",
	[SAYS_DESCRIPTION] = "error_description",
};

static struct json_span page_root(struct arena *, const struct http_reply *);
static enum sync_outcome page_judge(int status);
static const char *page_name(struct json_span value, char *to, size_t room);
static const char *page_words(
    struct arena *, const struct http_reply *, struct json_span root, struct json_span words);

void
sync_page_ask(struct arena *a, const struct sync_ask *ask, struct http_request *q)
{
	q->reply_max = SYNC_REPLY_MAX;
	http_authorize(a, q, "Bearer", ask->token);
}

bool
sync_page_open(struct arena *a, const struct sync_ask *ask, const struct http_reply *reply,
    int64_t now_unix_s, struct sync_answer *ret_answer, struct json_span *ret_root)
{
	const char *const hidden[] = { ask->token, NULL };
	bool is_success = reply->status / 100 == 2;

	*ret_answer = (struct sync_answer){ .outcome = SYNC_PAGE, .wait_s = -1 };
	*ret_root = (struct json_span){ .at = NULL };
	if (is_success && reply->truncated) {
		sync_page_garble(reply, "longer than a page may be", ret_answer);
		ret_answer->outcome = SYNC_SMALLER;
		return false;
	}
	*ret_root = page_root(ask->stream ? a : NULL, reply);
	if (is_success && ret_root->at)
		return true;
	if (is_success) {
		sync_page_garble(reply, reply->body_len ? "no sound JSON" : "empty", ret_answer);
		return false;
	}
	ret_answer->outcome = page_judge(reply->status);
	/* Of something between them and us: no word about the token, which is not to be burnt. */
	if (ret_answer->outcome == SYNC_EXPIRED && !ret_root->at)
		ret_answer->outcome = SYNC_FAILED;
	ret_answer->wait_s = sync_wait_s(reply, now_unix_s);
	sync_say(a, reply, *ret_root, hidden, ret_answer->says);
	return false;
}

void
sync_page_garble(const struct http_reply *reply, const char *why, struct sync_answer *ret_answer)
{
	*ret_answer = (struct sync_answer){ .outcome = SYNC_FAILED, .wait_s = -1 };
	snprintf(ret_answer->says, sizeof(ret_answer->says), "HTTP %d, and the answer is %s",
	    reply->status, why);
}

void
sync_say(struct arena *a, const struct http_reply *reply, struct json_span root,
    const char *const *hidden, char ret_says[static SYNC_SAYS_MAX])
{
	struct json_span found[SAYS__MAX], words, inner;
	char buffer[PAGE_NAME_MAX + 1];
	const char *name, *shown;
	char *line;

	if (reply->status == 0) {
		text_clean(ret_says, SYNC_SAYS_MAX, reply->error, strlen(reply->error));
		return;
	}
	json_members(root, says_member, SAYS__MAX, found);
	inner = json_first(json_member(found[SAYS_ERROR], "errors"));
	name = page_name(found[SAYS_ERROR], buffer, sizeof(buffer));
	if (!name)
		name = page_name(found[SAYS_CODE], buffer, sizeof(buffer));
	if (!name)
		name = page_name(json_member(inner, "reason"), buffer, sizeof(buffer));
	words = found[SAYS_MESSAGE];
	if (!words.at)
		words = found[SAYS_DESCRIPTION];
	if (!words.at)
		words = json_member(found[SAYS_ERROR], "message");
	shown = page_words(a, reply, root, words);
	line = arena_format(a, "HTTP %d%s%s%s%s", reply->status, name ? " " : "", name ? name : "",
	    *shown ? ": " : "", shown);
	/* Whole first: a token that the end of the line cuts would not be known again. */
	for (; *hidden; hidden++)
		echo_hide(line, *hidden);
	text_clean(ret_says, SYNC_SAYS_MAX, line, strlen(line));
}

int64_t
sync_wait_s(const struct http_reply *reply, int64_t now_unix_s)
{
	int64_t wait_s = http_retry_after_s(reply->retry_after, now_unix_s);

	if (wait_s == 0)
		return 1;
	return wait_s < SYNC_WAIT_MAX_S ? wait_s : SYNC_WAIT_MAX_S;
}

const char *
sync_text(struct arena *a, struct json_span value, size_t max)
{
	/* Written with escapes it is longer than what it says. */
	size_t room = value.len < max ? value.len : max;
	char *text = arena_alloc(a, room + 1);

	if (!json_string_of(value, text, room + 1) || !*text || !text_is_visible(text))
		return NULL;
	return text;
}

/*
 * None unless all of the body is there, and sound.  What a user has written may hold what no
 * database takes; he would be read no further than that, so it is replaced in a copy in ${a}. NULL:
 * tokens are taken as they are, and not copied.
 */
static struct json_span
page_root(struct arena *a, const struct http_reply *reply)
{
	const struct json_span none = { .at = NULL };
	char *mended;

	if (reply->truncated)
		return none;
	if (!json_fault(reply->body, reply->body_len, NULL))
		return (struct json_span){ .at = reply->body, .len = reply->body_len };
	if (!a)
		return none;
	mended = arena_copy(a, reply->body, reply->body_len);
	json_mend(mended, reply->body_len);
	if (json_fault(mended, reply->body_len, NULL))
		return none;
	return (struct json_span){ .at = mended, .len = reply->body_len };
}

static enum sync_outcome
page_judge(int status)
{
	if (status == STATUS_UNAUTHORIZED)
		return SYNC_EXPIRED;
	if (status == STATUS_TOO_MANY)
		return SYNC_LIMITED;
	if (status / 100 == 3 || (status / 100 == 4 && status != STATUS_TIMED_OUT))
		return SYNC_REFUSED;
	return SYNC_FAILED;
}

/* NULL: nothing that looks like one. */
static const char *
page_name(struct json_span value, char *to, size_t room)
{
	if (!json_string_of(value, to, room) || !*to || to[strspn(to, PAGE_NAME_CHARS)] != '\0')
		return NULL;
	return to;
}

/* "": a page for browsers, or JSON of another form, says nothing to people. */
static const char *
page_words(
    struct arena *a, const struct http_reply *reply, struct json_span root, struct json_span words)
{
	char *text = arena_alloc(a, PAGE_WORDS_MAX);
	size_t len = reply->body_len < PAGE_WORDS_MAX - 1 ? reply->body_len : PAGE_WORDS_MAX - 1;

	if (root.at) {
		json_string_of(words, text, PAGE_WORDS_MAX);
		return text;
	}
	memcpy(text, reply->body, len);
	return text[strspn(text, " \t\r\n")] == '<' ? "" : text;
}
