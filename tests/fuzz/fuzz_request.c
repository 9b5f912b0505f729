/*
 * FastCGI parameters -> request: path, query, headers, Prefer, secrets, body.
 *
 * An input is lines "NAME=value" up to an empty line, then the body.  Beyond "it does not crash":
 * what is kept is bounded and fit to be shown, and nobody gets in who does not know the secret.
 */
#include "fuzz.h"

#include "base/arena.h"
#include "base/conf.h"
#include "base/log.h"
#include "base/text.h"
#include "gateway/auth.h"
#include "gateway/reply.h"
#include "gateway/request.h"
#include "gateway/route.h"

#include "../unit/fake_fcgi.h"

#include <stdlib.h>
#include <string.h>

#define SECRET "the-secret-of-the-fuzzer"

enum {
	LINES_MAX = 64,
	BODY_STEP = 7,
};

static struct conf conf;
static struct arena *arena;

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	struct err e = { .code = ERR_OK };

	(void)argc;
	(void)argv;
	setenv("CRON_SECRET", SECRET, 1);
	must(conf_load(&conf, &e) == 0);
	arena = arena_create();
	return 0;
}

/* Splits ${text} into parameters; where the body starts. */
static char *
split(char *text, char *params[LINES_MAX + 1])
{
	char *line;
	int count = 0;

	while ((line = strsep(&text, "\n")) && *line)
		if (count < LINES_MAX)
			params[count++] = line;
	params[count] = NULL;
	return text;
}

static void
check_read(const struct request *q)
{
	size_t len = strlen(q->path);
	char rest[REQUEST_PATH_MAX];

	must(len < REQUEST_PATH_MAX && (len <= 1 || q->path[len - 1] != '/'));
	must(text_is_utf8(q->caller, strlen(q->caller)));
	must(text_is_utf8(q->method_text, strlen(q->method_text)));
	must(q->wait_ms >= 0 && q->wait_ms <= 3600 * 1000);
	route_find(q->path, rest);
	must(strlen(rest) < REQUEST_PATH_MAX);
	if (route_fits("/api/jobs/{id}/logs", q->path, rest))
		must(rest[0] != '\0' && !strchr(rest, '/'));
	request_prefers(q, "respond-async");
}

static void
check_secret(const struct request *q, const uint8_t *data, size_t size)
{
	struct err e = { .code = ERR_OK };
	unsigned matched = 0;
	int rc = auth_check(&conf, q, AUTH_SECRET(SECRET_CRON_JOB_API_KEY), &matched, &e);

	if (rc == 0)
		must(matched != 0 && memmem(data, size, SECRET, strlen(SECRET)) != NULL);
	else
		must(e.code == ERR_UNAUTHORIZED);
}

static void
check_error(const struct err *e)
{
	struct reply p = { .status = 0 };

	reply_err(&p, arena, e, NULL);
	must(p.status == err_info[e->code].status);
	must(p.body_len + p.headers_len < REPLY_WORKER_MAX);
}

static void
check_query_and_body(struct request *q, char *body)
{
	struct fake_body from;
	FCGX_Stream *in = fake_body(&from, body, body ? strlen(body) : 0, BODY_STEP);
	struct err e = { .code = ERR_OK };
	const char *value = NULL;

	if (request_query(q, arena, &e) == 0)
		request_parameter(q, "busy", &value, &e);
	must(q->parameters_count <= REQUEST_PARAMETERS_MAX);
	if (e.code != ERR_OK)
		check_error(&e);
	err_clear(&e);
	if (request_body(q, in, arena, &e) == 0)
		must(q->body_len <= REQUEST_BODY_MAX && strlen(q->body) == q->body_len);
	else
		check_error(&e);
	request_drain(in);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1), *params[LINES_MAX + 1], *body;
	struct request q;

	memcpy(text, data, size);
	text[size] = '\0';
	body = split(text, params);
	request_read(&q, params);
	check_read(&q);
	check_secret(&q, data, size);
	check_query_and_body(&q, body);
	arena_reset(arena);
	free(text);
	return 0;
}
