/*
 * What cron-job.org answers.  The first byte says to which request; the rest is the reply's body.
 */
#include "fuzz.h"

#include "base/arena.h"
#include "vendors/cron_job_org.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define FUZZ_SECRET "f-secret-of-sixteen-or-more"

static void fuzz_jobs(const char *body, size_t len);
static void fuzz_job(const char *body, size_t len);
static void fuzz_id(const char *body, size_t len);
static void fuzz_nodes(const char *body, size_t len);
static void fuzz_tell(void *owner, const char *name, const char *from, const char *to);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *body;

	if (size == 0)
		return 0;
	/* Of exactly its size, so that the sanitizer sees one byte too many. */
	body = mem_alloc(size);
	memcpy(body, data + 1, size - 1);
	if (data[0] % 4 == 0)
		fuzz_jobs(body, size - 1);
	else if (data[0] % 4 == 1)
		fuzz_job(body, size - 1);
	else if (data[0] % 4 == 2)
		fuzz_id(body, size - 1);
	else
		fuzz_nodes(body, size - 1);
	free(body);
	return 0;
}

static void
fuzz_jobs(const char *body, size_t len)
{
	struct err e = { .code = ERR_OK };
	json_auto_t *jobs = cjo_read_jobs(body, len, &e);
	const json_t *job;
	size_t i;

	must(!jobs == (e.code != ERR_OK));
	json_array_foreach(jobs, i, job)
	{
		must(cjo_id(job) > 0 && cjo_url(job));
	}
}

/* Whatever a job was, what is sent makes it what is wanted. */
static void
fuzz_job(const char *body, size_t len)
{
	const struct cjo_note note = { fuzz_tell, NULL };
	struct cjo_wish wish = { "https://a.example/b?busy=200", "t", FUZZ_SECRET,
		{ .fields = { 0 } } };
	struct err e = { .code = ERR_OK };
	json_auto_t *job = cjo_read_job(body, len, &e);
	json_auto_t *change = NULL, *more = NULL;

	must(!job == (e.code != ERR_OK));
	if (!job)
		return;
	must(cron_parse("*/5 3 * * *", &wish.schedule, NULL));
	change = cjo_change(&wish, job, &note);
	if (change)
		json_object_update(job, change);
	more = cjo_change(&wish, job, &note);
	must(more == NULL);
}

static void
fuzz_id(const char *body, size_t len)
{
	struct err e = { .code = ERR_OK };
	int64_t id = cjo_read_id(body, len, &e);

	must(id >= 0 && (id == 0) == (e.code != ERR_OK));
}

/* Nothing that would end a directive of nginx. */
static void
fuzz_nodes(const char *body, size_t len)
{
	struct err e = { .code = ERR_OK };
	json_auto_t *nodes = cjo_read_nodes(body, len, &e);
	const json_t *node;
	size_t i;

	must(!nodes == (e.code != ERR_OK));
	json_array_foreach(nodes, i, node)
	{
		const char *text = json_string_value(node);

		must(*text && text[strspn(text, "0123456789abcdefABCDEF.:")] == '\0');
	}
}

/* Fit for a terminal, and without the secret. */
static void
fuzz_tell(void *owner, const char *name, const char *from, const char *to)
{
	(void)owner;
	must(name && *name);
	if (!from)
		return;
	must(!strstr(from, FUZZ_SECRET) && !strstr(to, FUZZ_SECRET));
	for (; *from; from++)
		must((unsigned char)*from >= ' ' && *from != 0x7f);
}
