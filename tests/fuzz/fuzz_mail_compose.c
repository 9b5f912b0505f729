/*
 * Rows of email_queue, their columns apart by NULs: what goes into a request has one receiver and
 * nothing that ends a header, and the same row makes always the same bytes.
 */
#include "fuzz.h"

#include "base/arena.h"
#include "base/text.h"
#include "http/http.h"
#include "vendors/resend.h"
#include "workers/mail_compose.h"

#include <string.h>

static char *fuzz_rows(const char *columns, size_t size);
static const char *fuzz_body(struct arena *a, const char *rows);
static void fuzz_check(const char *body);

static const char *const fuzz_columns[] = { "to", "subject", "text", "html", "reply_to", "headers",
	"template", "data", "template_subject", "template_html", "template_text", NULL };

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *a = arena_create();
	char *columns = arena_copy(a, (const char *)data, size);
	char *rows = fuzz_rows(columns, size);
	const char *body = fuzz_body(a, rows), *again = fuzz_body(a, rows);

	must(!body == !again && (!body || strcmp(body, again) == 0));
	if (body)
		fuzz_check(body);
	free(rows);
	arena_destroy(a);
	return 0;
}

/* As sql/mail.sql has it; what is no UTF-8 is not there, for PostgreSQL would not have it. */
static char *
fuzz_rows(const char *columns, size_t size)
{
	json_auto_t *rows = json_pack("[{s:s,s:b}]", "id", "an id", "is_known", 1);
	const char *at = columns;

	for (int i = 0; fuzz_columns[i] && at < columns + size; i++) {
		json_object_set_new(json_array_get(rows, 0), fuzz_columns[i], json_string(at));
		at += strlen(at) + 1;
	}
	return json_dumps(rows, JSON_COMPACT);
}

/* NULL: it cannot be sent, and says why. */
static const char *
fuzz_body(struct arena *a, const char *rows)
{
	struct mails m;
	struct resend_request request = {
		.base_url = "https://api.resend.com",
		.api_key = "key",
		.idempotency_key = "key",
		.is_batch = true,
	};
	struct http_request q;

	http_request_reset(&q);
	must(mails_compose(a, "shop@example.com", rows, &m, NULL) == 0);
	must(m.count == 1 && (m.fit == 1) == (m.all[0].fault == NULL));
	if (m.fit == 1) {
		request.mails = m.ready;
		request.count = 1;
		resend_ask(a, &request, &q);
		must(!q.refused && q.body);
	} else {
		must(*m.all[0].fault && strlen(m.all[0].fault) < MAIL_FAULT_MAX &&
		     text_is_utf8(m.all[0].fault, strlen(m.all[0].fault)));
	}
	mails_finish(&m);
	return q.body;
}

static void
fuzz_check(const char *body)
{
	json_auto_t *root = json_loads(body, 0, NULL);
	const json_t *mail = json_array_get(root, 0);
	const json_t *to = json_object_get(mail, "to");
	const char *address = json_string_value(json_array_get(to, 0));
	const char *subject = json_string_value(json_object_get(mail, "subject"));

	must(json_array_size(root) == 1 && json_array_size(to) == 1);
	must(address && strchr(address, '@') && !strpbrk(address, "\r\n\t\v\f"));
	must(subject && *subject && !strpbrk(subject, "\r\n\t\v\f"));
	must(json_object_get(mail, "html") || json_object_get(mail, "text"));
}
