/*
 * What Resend answers, and what a mail makes of a request.  The first byte says which status and
 * headers the reply has, the rest is its body; or it is '@', and the rest is the mail's subject.
 */
#include "fuzz.h"

#include "base/arena.h"
#include "base/text.h"
#include "http/http.h"
#include "vendors/resend.h"

#include <stdlib.h>
#include <string.h>

static void fuzz_answer(struct arena *a, uint8_t which, const char *body, size_t len);
static void fuzz_mail(struct arena *a, const char *subject);

static const char fuzz_key[] = "re_12345678";

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *a;
	char *body;

	if (size == 0)
		return 0;
	a = arena_create();
	body = fuzz_string(data + 1, size - 1);
	if (data[0] == '@')
		fuzz_mail(a, body);
	else
		fuzz_answer(a, data[0], body, size - 1);
	free(body);
	arena_destroy(a);
	return 0;
}

static void
fuzz_answer(struct arena *a, uint8_t which, const char *body, size_t len)
{
	static const int statuses[] = { 200, 200, 302, 400, 401, 403, 409, 413, 422, 422, 429, 429,
		451, 500, 503, 999 };
	const struct resend_request request = {
		.api_key = fuzz_key,
		.count = which & 16 ? 2 : 1,
		.is_batch = which & 16,
	};
	const struct http_reply reply = {
		.status = statuses[which % 16],
		.retry_after = which & 32 ? body : NULL,
		.kept = { which & 64 ? body : NULL, which & 64 ? body : NULL,
		    which & 128 ? body : NULL },
		.body = body,
		.body_len = len,
	};
	struct resend_answer answer;

	resend_read(a, &request, &reply, 1800000000, &answer);
	must((answer.outcome == RESEND_SENT) == (answer.ids != NULL));
	for (size_t i = 0; answer.ids && i < request.count; i++)
		must(*answer.ids[i] && strlen(answer.ids[i]) <= 128);
	must((answer.outcome == RESEND_SENT) == !*answer.says);
	must(text_is_utf8(answer.says, strlen(answer.says)));
	must(!strstr(answer.says, fuzz_key));
	must(answer.wait_s >= -1 && answer.wait_s <= 3600);
	if (answer.outcome == RESEND_LIMITED || answer.outcome == RESEND_QUOTA ||
	    answer.outcome == RESEND_CONCURRENT)
		must(answer.wait_s >= 1);
	must(answer.told.left >= -1 && answer.told.limit >= 0);
	must(answer.told.window_s >= 1 && answer.told.window_s <= 3600);
}

/* The request says what the mail does, or there is none. */
static void
fuzz_mail(struct arena *a, const char *subject)
{
	const struct resend_mail mail = {
		.from = "a@b.example", .to = subject, .subject = subject
	};
	const struct resend_request request = {
		.base_url = "https://api.example",
		.api_key = fuzz_key,
		.idempotency_key = "k",
		.mails = &mail,
		.count = 1,
		.is_batch = true,
	};
	struct http_request q;
	json_t *root, *first;

	http_request_reset(&q);
	resend_ask(a, &request, &q);
	must((q.refused == NULL) == text_is_utf8(subject, strlen(subject)));
	if (q.refused)
		return;
	root = json_loadb(q.body, q.body_len, 0, NULL);
	first = json_array_get(root, 0);
	must(json_array_size(root) == 1 && json_object_size(first) == 3);
	must(strcmp(json_string_value(json_object_get(first, "subject")), subject) == 0);
	json_decref(root);
}
