/*
 * template - one pass over the source; what a value holds goes straight into the result.
 */
#include "base/template.h"

#include "base/arena.h"
#include "base/text.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	TEMPLATE_NUMBER_MAX = 40, /* characters of a number, with the NUL */
};

#define TEMPLATE_FIELD_CHARS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-."
#define TEMPLATE_SPACE " \t\r\n"

struct template
{
	enum template_form form;
	const json_t *data;
	const char *source, *at;            /* all of it, and where the reading is */
	char field[TEMPLATE_FIELD_MAX + 1]; /* the one being filled in; empty: none */
	struct text result;
};

static int template_work(struct template *, struct err *);
static int template_field(struct template *, struct err *);
static int template_read_name(struct template *, const char *close, struct err *);
static const json_t *template_find(const struct template *);
static int template_put_value(struct template *, const json_t *value, struct err *);
static void template_number(const json_t *number, char to[TEMPLATE_NUMBER_MAX]);
static int template_put(struct template *, const char *from, size_t len, struct err *);
static int template_put_html(struct template *, const char *from, size_t len, struct err *);
static const char *template_entity(char);
static const char *template_fault(const struct template *, const char *from, size_t len);
static int template_err(const struct template *, const char *what, struct err *);

const char *
template_render(
    struct arena *a, const char *source, enum template_form form, const json_t *data, struct err *e)
{
	struct template t = { .form = form, .data = data, .source = source, .at = source };
	const char *result = NULL;

	if (template_work(&t, e) == 0)
		result = arena_copy(a, t.result.at ? t.result.at : "", t.result.len);
	text_finish(&t.result);
	return result;
}

static int
template_work(struct template *t, struct err *e)
{
	const char *open;

	while ((open = strstr(t->at, "{{"))) {
		if (template_put(t, t->at, (size_t)(open - t->at), e))
			return -1;
		t->at = open;
		if (template_field(t, e))
			return -1;
	}
	return template_put(t, t->at, strlen(t->at), e);
}

static int
template_field(struct template *t, struct err *e)
{
	const char *close = strstr(t->at, "}}");
	const json_t *value;

	if (!close)
		return template_err(t, "a {{ has no }} behind it", e);
	if (template_read_name(t, close, e))
		return -1;
	value = template_find(t);
	if (!value)
		return template_err(t, "is not in the data", e);
	if (template_put_value(t, value, e))
		return -1;
	t->at = close + 2;
	t->field[0] = '\0';
	return 0;
}

static int
template_read_name(struct template *t, const char *close, struct err *e)
{
	const char *name = t->at + 2;
	size_t len;

	name += strspn(name, TEMPLATE_SPACE);
	len = strspn(name, TEMPLATE_FIELD_CHARS);
	if (len == 0 || name + len + strspn(name + len, TEMPLATE_SPACE) != close)
		return template_err(t,
		    "between {{ and }} stands no field: letters, digits, _ and -, with dots "
		    "between parts",
		    e);
	if (len > TEMPLATE_FIELD_MAX)
		return template_err(t, "the name of a field is longer than 128 characters", e);
	memcpy(t->field, name, len);
	t->field[len] = '\0';
	return 0;
}

/* NULL: there is none. */
static const json_t *
template_find(const struct template *t)
{
	const json_t *at = t->data;
	const char *part = t->field;

	for (;;) {
		size_t len = strcspn(part, ".");
		char name[TEMPLATE_FIELD_MAX + 1];

		memcpy(name, part, len);
		name[len] = '\0';
		at = json_object_get(at, name);
		if (part[len] == '\0')
			return at;
		part += len + 1;
	}
}

static int
template_put_value(struct template *t, const json_t *value, struct err *e)
{
	char number[TEMPLATE_NUMBER_MAX];

	switch (json_typeof(value)) {
	case JSON_STRING:
		return template_put(t, json_string_value(value), json_string_length(value), e);
	case JSON_INTEGER:
	case JSON_REAL:
		template_number(value, number);
		return template_put(t, number, strlen(number), e);
	case JSON_TRUE:
		return template_put(t, "true", 4, e);
	case JSON_FALSE:
		return template_put(t, "false", 5, e);
	case JSON_NULL:
		return template_err(t, "is null in the data", e);
	case JSON_OBJECT:
		return template_err(t, "is an object in the data: name a field of it", e);
	case JSON_ARRAY:
		break;
	}
	return template_err(t, "is a list in the data, which cannot be shown", e);
}

/* With as few digits as tell it apart from every other number. */
static void
template_number(const json_t *number, char to[TEMPLATE_NUMBER_MAX])
{
	double real = json_real_value(number);

	if (json_is_integer(number)) {
		snprintf(to, TEMPLATE_NUMBER_MAX, "%" PRId64, (int64_t)json_integer_value(number));
		return;
	}
	for (int digits = 15; digits <= 17; digits++) {
		snprintf(to, TEMPLATE_NUMBER_MAX, "%.*g", digits, real);
		if (strtod(to, NULL) == real)
			return;
	}
}

/* From the source, or of the field that is being filled in. */
static int
template_put(struct template *t, const char *from, size_t len, struct err *e)
{
	const char *fault = template_fault(t, from, len);

	if (fault)
		return template_err(t, fault, e);
	if (t->form == TEMPLATE_HTML && *t->field)
		return template_put_html(t, from, len, e);
	text_add(&t->result, from, len);
	return 0;
}

static int
template_put_html(struct template *t, const char *from, size_t len, struct err *e)
{
	while (len > 0) {
		const char *entity = template_entity(*from);
		size_t plain = 0;

		while (plain < len && !template_entity(from[plain]))
			plain++;
		text_add(&t->result, from, plain);
		if (plain == 0) {
			text_add_text(&t->result, entity);
			plain = 1;
		}
		from += plain;
		len -= plain;
	}
	if (t->result.len > TEMPLATE_RESULT_MAX)
		return template_err(t, "makes the result longer than 1 MB", e);
	return 0;
}

/* Those that could end a text or a quoted attribute of HTML; NULL: stands for itself. */
static const char *
template_entity(char c)
{
	switch (c) {
	case '&':
		return "&amp;";
	case '<':
		return "&lt;";
	case '>':
		return "&gt;";
	case '"':
		return "&quot;";
	case '\'':
		return "&#39;";
	}
	return NULL;
}

/* What keeps ${from} out of the result, or NULL. */
static const char *
template_fault(const struct template *t, const char *from, size_t len)
{
	size_t max = t->form == TEMPLATE_HEADER ? TEMPLATE_HEADER_MAX : TEMPLATE_RESULT_MAX;

	if (len > max - t->result.len)
		return t->form == TEMPLATE_HEADER ? "makes the result longer than 900 bytes"
						  : "makes the result longer than 1 MB";
	if (memchr(from, '\0', len))
		return "holds a NUL";
	return t->form == TEMPLATE_HEADER && text_has_control(from, len)
		   ? "holds a line break or another control character"
		   : NULL;
}

static int
template_err(const struct template *t, const char *what, struct err *e)
{
	int line = 1;

	for (const char *at = t->source; at < t->at; at++)
		line += *at == '\n';
	if (*t->field)
		return err_set(e, ERR_BAD_REQUEST, "line %d: {{%s}} %s", line, t->field, what);
	return err_set(e, ERR_BAD_REQUEST, "line %d: %s", line, what);
}
