/*
 * mail_compose - what a row of email_queue leaves out its template gives: subject, html, text.
 *
 * Everything that could end a header, open another one or name another receiver is a fault, whoever
 * wrote it: address, subject, reply_to, names and values of headers, fields of templates.
 *
 * Tables: email_queue, email_templates.  Tests: tests/integration/mail_compose.test.mjs.
 */
#include "workers/mail_compose.h"

#include "base/arena.h"
#include "base/mail_headers.h"
#include "base/mailbox.h"
#include "base/template.h"
#include "base/text.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* One row on its way. */
struct mail_row {
	struct arena *memory;
	const json_t *row;
	json_t *data, *headers; /* ours */
	struct mail *mail;
	struct resend_mail ready;
};

static void mail_compose_one(struct mail_row *);
static int mail_take_addresses(struct mail_row *);
static int mail_take_headers(struct mail_row *);
static int mail_take_template(struct mail_row *);
static int mail_take_data(struct mail_row *);
static int mail_fill(struct mail_row *, const char *part, enum template_form, const char **place);
static int mail_check_content(struct mail_row *);
static const char *mail_text(const struct mail_row *, const char *key);
static int mail_fail_address(
    struct mail_row *, const char *key, const char *address, const char *fault);
static int mail_fail(struct mail_row *, const char *fault);

int
mails_compose(struct arena *a, const char *from, const char *rows, struct mails *ret, struct err *e)
{
	size_t i = 0;
	json_t *row = NULL;

	*ret = (struct mails){ .rows = json_loads(rows, 0, NULL) };
	if (!json_is_array(ret->rows))
		return err_set(e, ERR_INTERNAL, "the rows cannot be read: they are no UTF-8");
	ret->count = json_array_size(ret->rows);
	ret->all = arena_alloc(a, ret->count * sizeof *ret->all + 1);
	ret->ready = arena_alloc(a, ret->count * sizeof *ret->ready + 1);
	ret->headers = json_array();
	json_array_foreach(ret->rows, i, row)
	{
		struct mail_row m = {
			.memory = a, .row = row, .mail = &ret->all[i], .ready.from = from
		};

		m.mail->id = arena_text(a, mail_text(&m, "id"));
		mail_compose_one(&m);
		json_decref(m.data);
		json_array_append_new(ret->headers, m.headers);
		if (!m.mail->fault)
			ret->ready[ret->fit++] = m.ready;
	}
	return 0;
}

void
mails_finish(struct mails *m)
{
	json_decref(m->headers);
	json_decref(m->rows);
	m->rows = NULL;
	m->headers = NULL;
	m->ready = NULL;
}

static void
mail_compose_one(struct mail_row *m)
{
	const char *fault = mail_text(m, "fault");

#ifdef CRONWARD_TEST_POISON
	/* A row that kills its process, for the tests; no other build has this. */
	if (strcmp(mail_text(m, "subject") ? mail_text(m, "subject") : "", "cronward-test-abort") ==
	    0)
		abort();
#endif
	if (fault)
		mail_fail(m, fault);
	else if (mail_take_addresses(m) == 0 && mail_take_headers(m) == 0 &&
		 mail_take_template(m) == 0)
		mail_check_content(m);
}

static int
mail_take_addresses(struct mail_row *m)
{
	const char *fault;

	m->ready.to = mail_text(m, "to");
	m->ready.reply_to = mail_text(m, "reply_to");
	if (!m->ready.to)
		return mail_fail(m, "to_address is empty");
	fault = mailbox_fault(m->ready.to);
	if (fault)
		return mail_fail_address(m, "to_address", m->ready.to, fault);
	fault = m->ready.reply_to ? mailbox_fault(m->ready.reply_to) : NULL;
	if (fault)
		return mail_fail_address(m, "reply_to", m->ready.reply_to, fault);
	return 0;
}

static int
mail_take_headers(struct mail_row *m)
{
	const char *text = mail_text(m, "headers");
	struct err e = { .code = ERR_OK };

	m->headers =
	    text ? json_loads(text, JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL, NULL) : NULL;
	if (text && !m->headers)
		return mail_fail(m, "headers cannot be read");
	if (mail_headers_check(m->headers, &e) != 0)
		return mail_fail(m, e.message);
	m->ready.headers = json_object_size(m->headers) > 0 ? m->headers : NULL;
	return 0;
}

static int
mail_take_template(struct mail_row *m)
{
	const char *name = mail_text(m, "template");

	m->ready.subject = mail_text(m, "subject");
	m->ready.html = mail_text(m, "html");
	m->ready.text = mail_text(m, "text");
	if (!name)
		return 0;
	if (!json_is_true(json_object_get(m->row, "is_known")))
		return mail_fail(
		    m, arena_format(
			   m->memory, "there is no template \"%.128s\" in email_templates", name));
	if (mail_take_data(m) != 0 ||
	    mail_fill(m, "subject", TEMPLATE_HEADER, &m->ready.subject) != 0 ||
	    mail_fill(m, "html", TEMPLATE_HTML, &m->ready.html) != 0)
		return -1;
	return mail_fill(m, "text", TEMPLATE_TEXT, &m->ready.text);
}

static int
mail_take_data(struct mail_row *m)
{
	const char *text = mail_text(m, "data");

	m->data = text ? json_loads(text, JSON_DECODE_ANY, NULL) : json_object();
	if (!m->data) /* A whole number of more digits than a computer's. */
		m->data = json_loads(text, JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL, NULL);
	return json_is_object(m->data) ? 0 : mail_fail(m, "data is no object that can be read");
}

/* Where the row leaves ${part} out, the template's, with its fields filled in. */
static int
mail_fill(struct mail_row *m, const char *part, enum template_form form, const char **place)
{
	struct err e = { .code = ERR_OK };
	const char *source;

	if (*place)
		return 0;
	source = mail_text(m, arena_format(m->memory, "template_%s", part));
	if (!source)
		return 0;
	*place = template_render(m->memory, source, form, m->data, &e);
	if (!*place)
		return mail_fail(m, arena_format(m->memory, "template \"%.128s\", %s, %s",
					mail_text(m, "template"), part, e.message));
	if (!**place)
		*place = NULL;
	return 0;
}

static int
mail_check_content(struct mail_row *m)
{
	if (!m->ready.subject)
		return mail_fail(m, "it has no subject");
	if (text_has_control(m->ready.subject, strlen(m->ready.subject)))
		return mail_fail(m, "subject holds a control character");
	if (strlen(m->ready.subject) > TEMPLATE_HEADER_MAX)
		return mail_fail(m, arena_format(m->memory, "subject is longer than %d bytes",
					TEMPLATE_HEADER_MAX));
	if (!m->ready.html && !m->ready.text)
		return mail_fail(m, "it has neither html nor text");
	return 0;
}

/* NULL where it is empty or not there. */
static const char *
mail_text(const struct mail_row *m, const char *key)
{
	const char *text = json_string_value(json_object_get(m->row, key));

	return text && *text ? text : NULL;
}

/* Is -1, like the next one.  Of an address that is too long its fault is to be read as well. */
static int
mail_fail_address(struct mail_row *m, const char *key, const char *address, const char *fault)
{
	return mail_fail(
	    m, arena_format(m->memory, "%s \"%.*s\" %s", key, MAILBOX_ADDRESS_MAX, address, fault));
}

static int
mail_fail(struct mail_row *m, const char *fault)
{
	char *clean = arena_alloc(m->memory, MAIL_FAULT_MAX);

	text_clean(clean, MAIL_FAULT_MAX, fault, strlen(fault));
	m->mail->fault = clean;
	return -1;
}
