/*
 * template - texts with {{field}}s in them, which a JSON object fills in.
 *
 * {{name}} and {{order.number}} stand for a value of the object: a text, a number or a boolean.
 * There is nothing else: no conditions, no loops, no code, and what a value holds is not looked
 * through again.
 */
#ifndef CRONWARD_BASE_TEMPLATE_H
#define CRONWARD_BASE_TEMPLATE_H

#include "base/err.h"

#include <jansson.h>

struct arena;

enum {
	TEMPLATE_RESULT_MAX = 1024 * 1024, /* bytes */
	TEMPLATE_HEADER_MAX = 900,         /* of a result that becomes a header */
	TEMPLATE_FIELD_MAX = 128,
};

enum template_form {
	TEMPLATE_TEXT,   /* values as they are */
	TEMPLATE_HTML,   /* & < > " ' of values escaped, for text and for quoted attributes */
	TEMPLATE_HEADER, /* values as they are; no control character, no line break */
};

/*
 * ${source} with its fields filled in from ${data}, in ${a}.  NULL with ${e}: "line 3: {{name}} is
 * not in data"; say of which template, and of what part of it, before that.
 */
const char *template_render(struct arena *a, const char *source, enum template_form form,
    const json_t *data, struct err *e);

#endif
