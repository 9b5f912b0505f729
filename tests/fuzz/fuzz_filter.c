/*
 * A query of /api/jobs: filters and lists of queues.  What is taken is fit for a statement: UTF-8
 * without control characters, of a bounded length.
 *
 * An input is a query string.
 */
#include "fuzz.h"

#include "base/arena.h"
#include "base/text.h"
#include "gateway/filter.h"
#include "gateway/request.h"

#include <stdlib.h>
#include <string.h>

static struct arena *arena;

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	arena = arena_create();
	return 0;
}

static void
check_filters(const struct request *q)
{
	static const char *const others[] = { "limit", "cursor", NULL };
	struct filter filters[] = {
		{ .name = "status", .kind = FILTER_STATUS },
		{ .name = "type", .kind = FILTER_NAME },
		{ .name = "workspace", .kind = FILTER_UUID },
		{ .name = "created_after", .kind = FILTER_TIME },
	};
	struct err e = { .code = ERR_OK };

	if (filter_take_query(filters, sizeof(filters) / sizeof(filters[0]), others, q, &e) != 0) {
		must(e.code == ERR_BAD_REQUEST && text_is_utf8(e.message, strlen(e.message)));
		return;
	}
	for (size_t i = 0; i < sizeof(filters) / sizeof(filters[0]); i++)
		if (filters[i].value)
			must(filter_is_text(filters[i].value, FILTER_NAME_MAX) &&
			     text_is_utf8(filters[i].value, strlen(filters[i].value)));
	if (filters[2].value)
		must(text_is_uuid(filters[2].value));
}

static void
check_queues(const struct request *q)
{
	struct err e = { .code = ERR_OK };
	const char *queues = NULL;

	if (filter_queues(q, arena, &queues, &e) != 0)
		must(e.code == ERR_BAD_REQUEST && !queues);
	else if (queues)
		must(text_is_utf8(queues, strlen(queues)) && queues[0] == '{' &&
		     queues[strlen(queues) - 1] == '}');
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char name[] = "QUERY_STRING=";
	char *param = malloc(sizeof(name) + size), *params[] = { param, NULL };
	struct err e = { .code = ERR_OK };
	struct request q;

	memcpy(param, name, sizeof(name) - 1);
	memcpy(param + sizeof(name) - 1, data, size);
	param[sizeof(name) - 1 + size] = '\0';
	request_read(&q, params);
	if (request_query(&q, arena, &e) == 0) {
		check_filters(&q);
		check_queues(&q);
	}
	arena_reset(arena);
	free(param);
	return 0;
}
