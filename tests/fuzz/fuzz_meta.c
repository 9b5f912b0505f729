/*
 * What Meta answers.  The first byte says which status, request and headers the reply has, the rest
 * is its body and its headers' value.
 */
#include "fuzz.h"

#include "base/text.h"
#include "http/http.h"
#include "vendors/meta.h"

static const char fuzz_token[] = "EAA|12345678", fuzz_app[] = "87654321|abcdefghij";

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const int statuses[] = { 0, 200, 200, 200, 302, 400, 401, 403, 404, 429, 500, 999 };
	struct meta_request request = { .token = fuzz_token, .id = "1" };
	struct http_reply reply = { .status = 0 };
	struct meta_answer answer;
	char *body;

	if (size == 0)
		return 0;
	body = fuzz_string(data + 1, size - 1);
	request.subject = data[0] & 16 ? META_TOKEN : META_PHONE_NUMBER;
	request.app_token = data[0] & 32 ? fuzz_app : NULL;
	reply.status = statuses[(data[0] & 15) % (sizeof statuses / sizeof *statuses)];
	reply.error = reply.status == 0 ? body : NULL;
	reply.kept[0] = data[0] & 64 ? body : NULL;
	reply.kept[1] = data[0] & 128 ? body : NULL;
	reply.retry_after = reply.kept[1];
	reply.body = body;
	reply.body_len = size - 1;

	meta_read(&request, &reply, 1800000000, &answer);
	must(answer.outcome >= META_FINE && answer.outcome < META_OUTCOME__MAX);
	must(answer.outcome != META_FINE || !*answer.says);
	must(answer.outcome != META_FINE || reply.status == 200);
	must(text_is_utf8(answer.says, strlen(answer.says)));
	must(!strstr(answer.says, "12345678"));
	must(!request.app_token || !strstr(answer.says, "abcdefghij"));
	must(answer.outcome == META_LIMITED ? answer.wait_s >= 1 && answer.wait_s <= 86400
					    : answer.wait_s == 0);
	must(answer.app_usage >= -1 && answer.account_usage >= -1);
	must(answer.code >= 0 && answer.subcode >= 0);
	must(answer.expires_at_s >= 0 && answer.data_access_expires_at_s >= 0);
	must(!answer.is_of_asker || (request.subject == META_TOKEN && request.app_token));
	free(body);
	return 0;
}
