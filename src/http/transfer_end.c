/*
 * transfer_end - how a transfer ended, in words that fit on a row and help who reads them.
 *
 * A text names what went wrong and never the URL, so it cannot hold a token that stood there.
 */
#include "transfer.h"

#include "base/text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static bool transfer_is_whole(const struct transfer *, CURLcode, long status);
static void transfer_explain(struct transfer *, CURLcode);
static void transfer_say(struct transfer *, const char *what, const char *detail);
static void transfer_explain_timeout(struct transfer *);
static void transfer_duration(char *, size_t, int64_t ms);
static int transfer_errno(const struct transfer *, CURLcode);
static bool transfer_is_ours(int os_errno);
static const char *transfer_os_error(const struct transfer *, CURLcode);
static const char *transfer_tls_detail(const char *);
static const char *transfer_text(CURLcode);
static int64_t transfer_certificate_end(const struct transfer *);
static void transfer_time(struct transfer *);
static int32_t transfer_ms(const struct transfer *, CURLINFO);

struct transfer_code {
	CURLcode code;
	const char *text;
};

static const struct transfer_code transfer_codes[] = {
	{ CURLE_UNSUPPORTED_PROTOCOL, "the reply is not HTTP" },
	{ CURLE_URL_MALFORMAT, "the URL is not valid" },
	{ CURLE_COULDNT_RESOLVE_HOST, "the host name does not resolve" },
	{ CURLE_WEIRD_SERVER_REPLY, "the reply is not HTTP" },
	{ CURLE_PARTIAL_FILE, "the connection was closed in the middle of the reply" },
	{ CURLE_OUT_OF_MEMORY, "a header of the reply is too long" },
	{ CURLE_SSL_CACERT_BADFILE, "the file EGRESS_CA_FILE names holds no certificates" },
	{ CURLE_GOT_NOTHING, "the connection was closed without a reply" },
	{ CURLE_LOGIN_DENIED, "the URL holds credentials" },
	{ CURLE_HTTP2, "the reply is not valid HTTP/2" },
	{ CURLE_HTTP2_STREAM, "the receiver reset the HTTP/2 stream" },
};

void
transfer_end(struct transfer *t, CURLcode code)
{
	long status = 0;

	curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
	t->reply = (struct http_reply){ .body = "", .certificate_ends_s = -1 };
	transfer_time(t);
	if (transfer_is_whole(t, code, status)) {
		t->reply.status = (int)status;
		t->reply.truncated = t->truncated;
		t->reply.retry_after = t->retry_after[0] ? t->retry_after : NULL;
		t->reply.hsts = t->hsts[0] ? t->hsts : NULL;
		for (size_t i = 0; i < HTTP_KEPT_MAX; i++)
			t->reply.kept[i] = t->kept_at[i] ? t->kept + t->kept_at[i] - 1 : NULL;
		memcpy(t->reply.is_kept_short, t->is_kept_short, sizeof t->is_kept_short);
		t->reply.certificate_ends_s = transfer_certificate_end(t);
		t->reply.body = t->body_len ? t->body : "";
		t->reply.body_len = t->body_len;
		return;
	}
	t->reply.refused = t->refused > 0 && t->opened == 0;
	t->reply.is_ours = transfer_is_ours(transfer_errno(t, code));
	/* curl says the same of a header beyond its own limit, which then has begun to come. */
	if (code == CURLE_OUT_OF_MEMORY && t->reply.timing.first_byte_ms < 0)
		t->reply.is_ours = true;
	if (code == CURLE_URL_MALFORMAT || code == CURLE_LOGIN_DENIED)
		t->reply.refused = true;
	t->reply.is_unsent = (t->tls ? t->reply.timing.tls_ms : t->reply.timing.connect_ms) < 0;
	transfer_explain(t, code);
	t->reply.error = t->error;
}

void
transfer_end_unsent(struct transfer *t, const char *why, bool refused)
{
	t->reply = (struct http_reply){
		.error = why,
		.refused = refused,
		.is_ours = !refused,
		.is_unsent = true,
		.body = "",
		.timing = { -1, -1, -1, -1, -1 },
		.certificate_ends_s = -1,
	};
}

/* A body that we cut ourselves is a reply like any other, but for its end. */
static bool
transfer_is_whole(const struct transfer *t, CURLcode code, long status)
{
	if (status < 100 || status > 999 || t->headers_too_long)
		return false;
	if (code == CURLE_OK || t->truncated)
		return true;
	/*
	 * Over HTTP/2 a receiver may answer before it has read the whole request (RFC 9113, 8.1).
	 * curl 7.88 then fails to send the rest after all of the reply has come; it is the only
	 * case in which it gives this code without a word.
	 */
	return code == CURLE_HTTP2_STREAM && t->detail[0] == '\0';
}

static void
transfer_explain(struct transfer *t, CURLcode code)
{
	if (t->headers_too_long)
		transfer_say(t, "the headers of the reply are longer than", "64 KB");
	else if (t->reply.refused && t->refused > 0)
		snprintf(t->error, sizeof(t->error),
		    "address %s is not public (EGRESS_ALLOW has no range for it)",
		    t->refused_address);
	else if (code == CURLE_OPERATION_TIMEDOUT)
		transfer_explain_timeout(t);
	else if (code == CURLE_COULDNT_CONNECT)
		transfer_say(t, "could not connect:", transfer_os_error(t, code));
	else if (code == CURLE_SEND_ERROR || code == CURLE_RECV_ERROR)
		transfer_say(t, "the connection failed:", transfer_os_error(t, code));
	else if (code == CURLE_PEER_FAILED_VERIFICATION)
		transfer_say(t, "certificate not accepted:", transfer_tls_detail(t->detail));
	else if (code == CURLE_SSL_CONNECT_ERROR)
		transfer_say(t, "TLS failed:", transfer_tls_detail(t->detail));
	else
		snprintf(t->error, sizeof(t->error), "%s", transfer_text(code));
}

/* ${detail} may hold what the receiver sent. */
static void
transfer_say(struct transfer *t, const char *what, const char *detail)
{
	char clean[HTTP_ERROR_MAX / 2];

	text_clean(clean, sizeof(clean), detail, strlen(detail));
	snprintf(t->error, sizeof(t->error), "%s %s", what, clean);
}

/* Which of the steps it was that took all the time. */
static void
transfer_explain_timeout(struct transfer *t)
{
	const struct http_timing *timing = &t->reply.timing;
	int64_t connect_ms = t->timeout_ms;
	const char *what;
	char limit[32];

	if (connect_ms > TRANSFER_CONNECT_MS_MAX)
		connect_ms = TRANSFER_CONNECT_MS_MAX;
	if (timing->name_lookup_ms < 0)
		what = "looking up the host name timed out after";
	else if (t->tls && timing->tls_ms < 0)
		/* curl 7.88 tells the time of connecting once TLS stands, too. */
		what = "could not connect with TLS: timed out after";
	else if (timing->connect_ms < 0)
		what = "could not connect: timed out after";
	else
		what = NULL;
	transfer_duration(limit, sizeof(limit), what ? connect_ms : t->timeout_ms);
	if (what)
		transfer_say(t, what, limit);
	else
		snprintf(t->error, sizeof(t->error), "timed out after %s (%s)", limit,
		    timing->first_byte_ms >= 0 ? "the answer did not end"
					       : "no answer from the receiver");
}

static void
transfer_duration(char *to, size_t room, int64_t ms)
{
	if (ms % 1000 == 0)
		snprintf(to, room, "%" PRId64 " s", ms / 1000);
	else
		snprintf(to, room, "%" PRId64 " ms", ms);
}

/*
 * What the system said; 0: nothing.  curl keeps the number of an earlier request of the handle, so
 * it is asked only where this one has got one: where a socket could not be connected, or where
 * curl's words, which are of this one, say the same.
 */
static int
transfer_errno(const struct transfer *t, CURLcode code)
{
	const char *text;
	long os_errno = 0;

	curl_easy_getinfo(t->easy, CURLINFO_OS_ERRNO, &os_errno);
	text = os_errno ? strerrordesc_np((int)os_errno) : NULL;
	if ((code == CURLE_COULDNT_CONNECT && t->opened > 0) || (text && strstr(t->detail, text)))
		return (int)os_errno;
	return t->socket_errno;
}

/* Errors that say nothing about the receiver. */
static bool
transfer_is_ours(int os_errno)
{
	return os_errno == EMFILE || os_errno == ENFILE || os_errno == ENOMEM ||
	       os_errno == ENOBUFS;
}

static const char *
transfer_os_error(const struct transfer *t, CURLcode code)
{
	int os_errno = transfer_errno(t, code);
	const char *text = os_errno ? strerrordesc_np(os_errno) : NULL;

	/* Below HTTP, such as TLS, curl knows no number but has words. */
	return text ? text : transfer_tls_detail(t->detail);
}

/* curl's words without the heading that ours repeats. */
static const char *
transfer_tls_detail(const char *detail)
{
	static const char *const headings[] = { "SSL certificate problem: ", "SSL: " };
	size_t i;

	for (i = 0; i < sizeof(headings) / sizeof(*headings); i++)
		if (strncmp(detail, headings[i], strlen(headings[i])) == 0)
			return detail + strlen(headings[i]);
	return *detail ? detail : "no reason given";
}

static const char *
transfer_text(CURLcode code)
{
	size_t i;

	for (i = 0; i < sizeof(transfer_codes) / sizeof(*transfer_codes); i++)
		if (transfer_codes[i].code == code)
			return transfer_codes[i].text;
	return curl_easy_strerror(code);
}

/* Of the server's own certificate, the first of its chain. */
static int64_t
transfer_certificate_end(const struct transfer *t)
{
	static const char name[] = "Expire date:";
	struct curl_certinfo *chain = NULL;

	if (!t->inspect || !t->tls ||
	    curl_easy_getinfo(t->easy, CURLINFO_CERTINFO, &chain) != CURLE_OK || !chain ||
	    chain->num_of_certs == 0)
		return -1;
	for (const struct curl_slist *fact = chain->certinfo[0]; fact; fact = fact->next)
		if (strncmp(fact->data, name, sizeof(name) - 1) == 0)
			return (int64_t)curl_getdate(fact->data + sizeof(name) - 1, NULL);
	return -1;
}

static void
transfer_time(struct transfer *t)
{
	struct http_timing *to = &t->reply.timing;

	to->name_lookup_ms = transfer_ms(t, CURLINFO_NAMELOOKUP_TIME_T);
	to->connect_ms = transfer_ms(t, CURLINFO_CONNECT_TIME_T);
	to->tls_ms = transfer_ms(t, CURLINFO_APPCONNECT_TIME_T);
	to->first_byte_ms = transfer_ms(t, CURLINFO_STARTTRANSFER_TIME_T);
	to->total_ms = transfer_ms(t, CURLINFO_TOTAL_TIME_T);
	/* A kept connection was there before the request was: these steps took no time. */
	if (to->name_lookup_ms >= 0 && t->opened == 0 && t->refused == 0 && t->socket_errno == 0) {
		to->connect_ms = 0;
		to->tls_ms = t->tls ? 0 : -1;
	}
}

/* curl rounds a step that took place up to a microsecond, so 0 is one that did not. */
static int32_t
transfer_ms(const struct transfer *t, CURLINFO info)
{
	curl_off_t us = 0;

	if (curl_easy_getinfo(t->easy, info, &us) != CURLE_OK || us <= 0)
		return -1;
	return us / 1000 < INT32_MAX ? (int32_t)(us / 1000) : INT32_MAX;
}
