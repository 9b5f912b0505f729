/*
 * processors - the list.  A new processor is a line here, a word in job_types' CHECK, and a file.
 */
#include "processors/processor.h"

#include <stddef.h>

const struct processor *const processors[] = {
	&processor_http,
	&processor_sql,
	&processor_apollo,
	&processor_plugin,
	NULL,
};
