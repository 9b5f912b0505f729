/*
 * apollo_question - what a job asks Apollo.io for, from its payload and the row that it names.
 */
#include "apollo_parts.h"

#include "base/arena.h"
#include "base/text.h"

#include <string.h>

enum {
	QUESTION_FIELD_MAX = 1000, /* bytes of what is asked by */
};

static const char *question_kind(struct enrich *, const struct job_type *);
static const char *question_missing(struct enrich *, const json_t *context);
static const char *question_fill(struct enrich *);
static const char *question_field(struct enrich *, enum apollo_field);
static const char *question_domain(struct enrich *);

static const struct enrich_kind question_kinds[] = {
	{ "account", "account_id", APOLLO_ORGANIZATION, APOLLO_DOMAIN },
	{ "contact", "contact_id", APOLLO_PERSON, APOLLO_EMAIL },
};

const char *
enrich_read(struct enrich *e, const struct job_type *type, const json_t *context)
{
	const char *wrong = question_kind(e, type);

	if (!wrong)
		wrong = question_missing(e, context);
	return wrong ? wrong : question_fill(e);
}

const char *
enrich_by(const struct enrich *e)
{
	struct text names = { .at = NULL };
	const char *copy;

	for (int i = 0; i < APOLLO_FIELD__MAX; i++)
		if (e->question.fields[i] && *e->question.fields[i])
			text_add_format(
			    &names, "%s%s", names.len > 0 ? ", " : "", apollo_field_name[i]);
	copy = arena_copy(e->item->memory, names.at, names.len);
	text_finish(&names);
	return copy;
}

static const char *
question_kind(struct enrich *e, const struct job_type *type)
{
	for (size_t i = 0; i < sizeof question_kinds / sizeof *question_kinds; i++)
		if (strcmp(type->target, question_kinds[i].target) == 0)
			e->kind = &question_kinds[i];
	return e->kind ? NULL
		       : arena_format(e->item->memory,
			     "the target of job type %s is \"%s\"; allowed are account and "
			     "contact",
			     type->name, type->target);
}

/* What the job lacks to be asked at all, or NULL. */
static const char *
question_missing(struct enrich *e, const json_t *context)
{
	struct arena *a = e->item->memory;
	const char *what = e->kind->target, *id;

	if (!json_is_object(e->payload))
		return arena_format(
		    a, "the payload is no object; allowed is {\"%s\": …}", e->kind->id);
	id = json_string_value(json_object_get(e->payload, e->kind->id));
	if (!id || !text_is_uuid(id))
		return arena_format(a, "payload.%s is %s; allowed is the id of a row of %ss",
		    e->kind->id, json_object_get(e->payload, e->kind->id) ? "no uuid" : "missing",
		    what);
	if (!e->workspace)
		return "the job has no workspace_id, so there is no key to ask with";
	e->row = json_object_get(context, "row");
	if (!json_is_object(e->row))
		return arena_format(a, "there is no %s %s in workspace %s", what, id, e->workspace);
	e->stored_key = json_string_value(json_object_get(context, "key"));
	if (!e->stored_key || !*e->stored_key)
		return arena_format(a,
		    "workspace %s has no key for Apollo.io; put one into "
		    "workspace_settings.apollo_api_key_encrypted",
		    e->workspace);
	return NULL;
}

/* Fills in the question; what is wrong with the payload, or NULL. */
static const char *
question_fill(struct enrich *e)
{
	const json_t *reveal = json_object_get(e->payload, "reveal_personal_emails");
	const char *wrong = NULL;

	e->question.subject = e->kind->subject;
	for (int i = 0; !wrong && i < APOLLO_FIELD__MAX; i++)
		if (apollo_takes(e->kind->subject, i))
			wrong = question_field(e, i);
	if (!wrong)
		wrong = question_domain(e);
	if (wrong)
		return wrong;
	if (reveal && !json_is_boolean(reveal) && !json_is_null(reveal))
		return "payload.reveal_personal_emails is neither true nor false";
	e->question.reveal_personal_emails = json_is_true(reveal);
	wrong = apollo_question_lacks(&e->question);
	return wrong ? arena_format(e->item->memory,
			   "neither the payload nor the %s says enough to ask Apollo.io by: it "
			   "takes %s",
			   e->kind->target, wrong)
		     : NULL;
}

/* From the payload, else from the row; an empty text says nothing. */
static const char *
question_field(struct enrich *e, enum apollo_field field)
{
	const char *name = apollo_field_name[field], *text;
	const json_t *given = json_object_get(e->payload, name);

	if (given && !json_is_string(given) && !json_is_null(given))
		return arena_format(
		    e->item->memory, "payload.%s is no text; allowed is a text or null", name);
	text = json_string_value(given);
	/* The id of a row is not the vendor's. */
	if ((!text || !*text) && field != APOLLO_ID)
		text = json_string_value(json_object_get(e->row, name));
	if (text && strlen(text) > QUESTION_FIELD_MAX)
		return arena_format(e->item->memory,
		    "%s is longer than %d bytes, the most to ask Apollo.io by", name,
		    QUESTION_FIELD_MAX);
	e->question.fields[field] = text;
	return NULL;
}

static const char *
question_domain(struct enrich *e)
{
	const char *text = e->question.fields[APOLLO_DOMAIN];

	if (!text || !*text)
		return NULL;
	e->question.fields[APOLLO_DOMAIN] = apollo_domain(e->item->memory, text);
	return e->question.fields[APOLLO_DOMAIN]
		   ? NULL
		   : arena_format(e->item->memory,
			 "the domain \"%.100s\" is none; allowed is one such as example.com", text);
}
