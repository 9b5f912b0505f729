/*
 * word_count - counts the words of {"text": "…"}: {"words": 3, "longest": 7}.
 *
 * It has no JSON library: what it does not understand it says, and the job fails for good.
 */
#include <cronward/processor.h>

#include <ctype.h>
#include <stdio.h>
#include <string.h>

static int
word_count_process(struct cronward_context *c, const struct cronward_job *job)
{
	const char *at = strstr(job->payload, "\"text\"");
	size_t words = 0, longest = 0, len = 0, from;
	char result[64];

	at = at ? strchr(at + sizeof("\"text\"") - 1, '"') : NULL;
	if (!at)
		return c->fail(c, "the payload has no text: {\"text\": \"…\"}");
	from = (size_t)(++at - job->payload);
	for (; *at && *at != '"'; at++) {
		/* \n and \t are spaces; other escapes are part of their word. */
		int is_space =
		    isspace((unsigned char)*at) || (*at == '\\' && (at[1] == 'n' || at[1] == 't'));

		if (*at == '\\')
			at++;
		words += !is_space && len == 0;
		len = is_space ? 0 : len + 1;
		if (len > longest)
			longest = len;
		if (((size_t)(at - job->payload) & 0xffff) == 0)
			c->progress(c,
			    (int)(100 * ((size_t)(at - job->payload) - from) / job->payload_len));
	}
	if (words == 0)
		c->log(c, CRONWARD_WARN, "there is no word in it");
	snprintf(result, sizeof(result), "{\"words\": %zu, \"longest\": %zu}", words, longest);
	return c->result_text(c, result);
}

CRONWARD_PROCESSOR(.name = "word_count", .process = word_count_process);
