/*
 * apollo_parts - what the files of the processor apollo share; nobody else includes it.
 *
 *	apollo.c           what a job goes through: asked, answered, held back
 *	apollo_question.c  what it asks, and whether it can be asked at all
 */
#ifndef CRONWARD_PROCESSORS_APOLLO_PARTS_H
#define CRONWARD_PROCESSORS_APOLLO_PARTS_H

#include "processors/processor.h"
#include "vendors/apollo.h"

#include <jansson.h>

/* What the two kinds of rows differ in. */
struct enrich_kind {
	const char *target; /* job_types.target, and the effect that settle knows */
	const char *id;     /* of the payload */
	enum apollo_subject subject;
	enum apollo_field by; /* what an enrichment tells of its question */
};

/* A job on its way through one step. */
struct enrich {
	struct run *run;
	struct item *item;
	const struct enrich_kind *kind;
	const json_t *payload, *row;
	const char *workspace, *stored_key;
	struct apollo_question question;
};

/*
 * Reads what ${e} asks for: its kind, its row, its key and its question, from payload and context.
 * NULL, or what is wrong with the job, its type or its workspace.
 */
const char *enrich_read(struct enrich *e, const struct job_type *type, const json_t *context);

/* The names of what it is asked by, and none of the values, which may be a person's. */
const char *enrich_by(const struct enrich *e);

#endif
