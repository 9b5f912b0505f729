/*
 * request - filling in a request, and judging whether it may go at all.
 *
 * URLs and header values come from rows that others wrote.  What would change the framing of a
 * request, point it at something other than a web server, or carry a password in its address is
 * refused here, before curl sees it.
 */
#include "transfer.h"

#include "base/arena.h"
#include "base/crypto.h"
#include "base/text.h"

#include <limits.h>
#include <string.h>

static bool request_has_control(const char *);
static bool request_is_token(const char *);
static size_t request_scheme_len(const char *url);
static bool request_is_letter(char);

/* RFC 9110, 5.6.2: what the name of a header is made of. */
static const bool request_token[UCHAR_MAX + 1] = {
	['0' ... '9'] = true,
	['A' ... 'Z'] = true,
	['a' ... 'z'] = true,
	['!'] = true,
	['#' ... '\''] = true, /* #$%&' */
	['*'] = true,
	['+'] = true,
	['-'] = true,
	['.'] = true,
	['^' ... '`'] = true, /* ^_` */
	['|'] = true,
	['~'] = true,
};

/* Who says how long a message is says where the next one begins: curl's alone to say. */
static const char *const request_framing[] = { "content-length", "transfer-encoding", "expect",
	NULL };

void
http_request_reset(struct http_request *q)
{
	/* The header text is left as it is: headers_len says how much of it counts. */
	q->url = NULL;
	q->method = HTTP_BY_BODY;
	q->body = NULL;
	q->body_len = 0;
	q->reply_max = 0;
	q->timeout_ms = 0;
	q->is_once = false;
	q->inspect = false;
	memset(q->keep, 0, sizeof(q->keep));
	q->headers_count = 0;
	q->headers_len = 0;
	q->refused = NULL;
}

void
http_header(struct http_request *q, const char *name, const char *value)
{
	size_t name_len = strlen(name), value_len;
	char *at = q->headers_text + q->headers_len;

	if (!request_is_token(name))
		q->refused = "the name of a header is not valid";
	else if (text_is_among_nocase(name, request_framing))
		q->refused = "a header is part of the message's framing";
	else if (request_has_control(value))
		q->refused = "a header value holds a control character";
	if (q->refused)
		return;
	value += strspn(value, " ");
	value_len = strlen(value);
	while (value_len > 0 && value[value_len - 1] == ' ')
		value_len--;
	/* ": " and NUL. */
	if (q->headers_count == HTTP_HEADERS_MAX ||
	    name_len + value_len + 3 > HTTP_HEADER_BYTES_MAX - q->headers_len) {
		q->refused = "too many headers, or too long ones";
		return;
	}
	memcpy(at, name, name_len);
	/* To curl "Name:" means to leave it out, and "Name;" is how to send it without a value. */
	memcpy(at + name_len, value_len ? ": " : ";", 2);
	if (value_len) {
		memcpy(at + name_len + 2, value, value_len);
		at[name_len + 2 + value_len] = '\0';
	}
	q->headers[q->headers_count++] = at;
	q->headers_len += strlen(at) + 1;
}

void
http_authorize(struct arena *a, struct http_request *q, const char *scheme, const char *credentials)
{
	char *value = arena_format(a, "%s %s", scheme, credentials);

	http_header(q, "authorization", value);
	crypto_wipe(value, strlen(value));
}

size_t
http_origin_len(const char *url)
{
	size_t scheme_len = request_scheme_len(url), authority_len;

	if (scheme_len == 0)
		return 0;
	authority_len = strcspn(url + scheme_len, "/?#");
	return authority_len ? scheme_len + authority_len : 0;
}

const char *
request_refusal(const struct http_request *q)
{
	size_t origin_len;

	if (q->refused)
		return q->refused;
	if (!q->url || !*q->url)
		return "there is no URL";
	if (strnlen(q->url, HTTP_URL_MAX + 1) > HTTP_URL_MAX)
		return "the URL is longer than 2048 bytes";
	if (request_has_control(q->url) || strchr(q->url, ' '))
		return "the URL holds a space or control character";
	if (strncasecmp(q->url, "http://", 7) != 0 && strncasecmp(q->url, "https://", 8) != 0)
		return "the URL is neither http nor https";
	origin_len = http_origin_len(q->url);
	if (origin_len == 0)
		return "the URL names no host";
	if (memchr(q->url, '@', origin_len))
		return "the URL holds credentials";
	return NULL;
}

static bool
request_has_control(const char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s < ' ' || *s == 0x7f)
			return true;
	return false;
}

static bool
request_is_token(const char *s)
{
	if (!*s)
		return false;
	for (; *s; s++)
		if (!request_token[(unsigned char)*s])
			return false;
	return true;
}

/* The length of "scheme://" at the start of ${url} (RFC 3986, 3.1), or 0. */
static size_t
request_scheme_len(const char *url)
{
	size_t len = 0;

	if (!request_is_letter(*url))
		return 0;
	while (request_is_letter(url[len]) || (url[len] >= '0' && url[len] <= '9') ||
	       url[len] == '+' || url[len] == '-' || url[len] == '.')
		len++;
	return strncmp(url + len, "://", 3) == 0 ? len + 3 : 0;
}

static bool
request_is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
