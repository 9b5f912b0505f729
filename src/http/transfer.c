/*
 * transfer - one request in the air: curl's handle, its callbacks, the reply's bytes.
 *
 * All that is the same for every request is set once; a request sets its URL, body and headers,
 * and its timeout where that differs from the one before.  What a hostile receiver sends is
 * counted here: curl 7.88 enforces CURLOPT_MAXFILESIZE neither on chunked nor on packed bodies.
 */
#include "transfer.h"

#include "base/arena.h"
#include "base/conf.h"
#include "base/text.h"
#include "http/guard.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

enum {
	TRANSFER_BODY_KEPT_MAX = 4096, /* a longer buffer is given back after its reply */
	TRANSFER_KEPT_BYTES_MIN = 256,
	TRANSFER_CONNECTION_S_MAX = 60,
	TRANSFER_CA_S_MAX = 3600,
	TRANSFER_BUFFER_BYTES = 16 * 1024,
};

struct transfer_option {
	CURLoption option;
	long value;
};

static int transfer_set_numbers(CURL *);
static int transfer_set_texts(CURL *, const struct conf *);
static int transfer_set_callbacks(struct transfer *, CURLSH *);
static CURLcode transfer_set_timeout(struct transfer *, int64_t timeout_ms);
static CURLcode transfer_set_body(struct transfer *, const struct http_request *);
static CURLcode transfer_set_method(struct transfer *, enum http_method);
static struct curl_slist *transfer_headers(struct transfer *, const struct http_request *);
static bool transfer_has_header(
    const struct transfer *, const struct curl_slist *end, const char *name);
static curl_socket_t transfer_open(void *, curlsocktype, struct curl_sockaddr *);
static void transfer_note_address(struct transfer *, const struct sockaddr *);
static size_t transfer_read_header(char *, size_t, size_t, void *);
static void transfer_keep(struct transfer *, const char *line, size_t len);
static void transfer_keep_value(struct transfer *, size_t which, const char *, size_t);
static void transfer_forget_kept(struct transfer *);
static void transfer_note(char to[static TRANSFER_VALUE_MAX], const char *, size_t);
static size_t transfer_trim(const char **value, size_t len);
static size_t transfer_read_body(char *, size_t, size_t, void *);

static const struct transfer_option transfer_numbers[] = {
	{ CURLOPT_FOLLOWLOCATION, 0 },
	{ CURLOPT_NETRC, CURL_NETRC_IGNORED },
	{ CURLOPT_DISALLOW_USERNAME_IN_URL, 1 },
	{ CURLOPT_SSL_VERIFYPEER, 1 },
	{ CURLOPT_SSL_VERIFYHOST, 2 },
	{ CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2 },
	{ CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_2TLS },
	{ CURLOPT_CA_CACHE_TIMEOUT, TRANSFER_CA_S_MAX },
	{ CURLOPT_NOSIGNAL, 1 },
	/* Else a lookup that has timed out is waited for, and all other transfers with it. */
	{ CURLOPT_QUICK_EXIT, 1 },
	/* The certificate of a kept connection is not looked at again. */
	{ CURLOPT_MAXAGE_CONN, TRANSFER_CONNECTION_S_MAX },
	{ CURLOPT_MAXLIFETIME_CONN, TRANSFER_CONNECTION_S_MAX },
	{ CURLOPT_BUFFERSIZE, TRANSFER_BUFFER_BYTES },
	{ CURLOPT_UPLOAD_BUFFERSIZE, TRANSFER_BUFFER_BYTES },
};

/*
 * What goes with every request unless the caller has a header of that name.  The agent stands
 * here because curl builds CURLOPT_USERAGENT anew each time; an empty value takes out what curl
 * would send by itself: a wait for 100 Continue, a wrong guess at the type.
 */
static const struct transfer_own_header {
	const char *name;
	char *line; /* curl's list has no const */
} transfer_own_headers[TRANSFER_OWN_HEADERS] = {
	{ "user-agent:", (char[]){ "User-Agent: cronward/" CRONWARD_VERSION } },
	{ "content-type:", (char[]){ "Content-Type:" } },
	{ "expect:", (char[]){ "Expect:" } },
};

static const char *const transfer_methods[HTTP_METHOD__MAX] = {
	[HTTP_PUT] = "PUT",
	[HTTP_PATCH] = "PATCH",
	[HTTP_DELETE] = "DELETE",
};

int
transfer_init(struct transfer *t, const struct conf *conf, CURLSH *share)
{
	t->conf = conf;
	t->easy = curl_easy_init();
	if (!t->easy)
		return -1;
	if (transfer_set_numbers(t->easy) != 0 || transfer_set_texts(t->easy, conf) != 0)
		return -1;
	return transfer_set_callbacks(t, share);
}

void
transfer_finish(struct transfer *t)
{
	if (t->easy)
		curl_easy_cleanup(t->easy);
	free(t->body);
	free(t->kept);
	t->easy = NULL;
	t->body = NULL;
	t->kept = NULL;
}

int
transfer_begin(struct transfer *t, const struct http_request *q)
{
	t->tls = strncasecmp(q->url, "https:", 6) == 0;
	t->reply_max = q->reply_max ? q->reply_max : HTTP_REPLY_MAX;
	/* It takes some work at each handshake, so it is not asked for without need. */
	if (t->inspect != q->inspect &&
	    curl_easy_setopt(t->easy, CURLOPT_CERTINFO, q->inspect ? 1L : 0L) != CURLE_OK)
		return -1;
	t->inspect = q->inspect;
	memcpy(t->keep, q->keep, sizeof(t->keep));
	if (curl_easy_setopt(t->easy, CURLOPT_URL, q->url) == CURLE_OK &&
	    curl_easy_setopt(t->easy, CURLOPT_FRESH_CONNECT, q->is_once ? 1L : 0L) == CURLE_OK &&
	    curl_easy_setopt(t->easy, CURLOPT_HTTPHEADER, transfer_headers(t, q)) == CURLE_OK &&
	    transfer_set_body(t, q) == CURLE_OK && transfer_set_method(t, q->method) == CURLE_OK &&
	    transfer_set_timeout(t, q->timeout_ms) == CURLE_OK)
		return 0;
	return -1;
}

void
transfer_reset(struct transfer *t)
{
	if (t->body_room > TRANSFER_BODY_KEPT_MAX) {
		free(t->body);
		t->body = NULL;
		t->body_room = 0;
	}
	t->owner = NULL;
	t->opened = 0;
	t->refused = 0;
	t->socket_errno = 0;
	t->header_bytes = 0;
	t->headers_too_long = false;
	t->truncated = false;
	t->body_len = 0;
	t->retry_after[0] = '\0';
	t->hsts[0] = '\0';
	transfer_forget_kept(t);
	free(t->kept);
	t->kept = NULL;
	t->kept_room = 0;
	t->refused_address[0] = '\0';
	t->error[0] = '\0';
	t->detail[0] = '\0';
}

static int
transfer_set_numbers(CURL *easy)
{
	size_t i;

	for (i = 0; i < sizeof(transfer_numbers) / sizeof(*transfer_numbers); i++)
		if (curl_easy_setopt(easy, transfer_numbers[i].option, transfer_numbers[i].value) !=
		    CURLE_OK)
			return -1;
	return 0;
}

static int
transfer_set_texts(CURL *easy, const struct conf *conf)
{
	if (curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https") != CURLE_OK ||
	    curl_easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS_STR, "http,https") != CURLE_OK ||
	    curl_easy_setopt(easy, CURLOPT_PROXY, "") != CURLE_OK ||
	    curl_easy_setopt(easy, CURLOPT_NOPROXY, "*") != CURLE_OK)
		return -1;
	/* With a folder curl reads all certificates anew for each connection, 30 ms of it. */
	if (curl_easy_setopt(easy, CURLOPT_CAPATH, NULL) != CURLE_OK)
		return -1;
	if (conf->egress_ca_file &&
	    curl_easy_setopt(easy, CURLOPT_CAINFO, conf->egress_ca_file) != CURLE_OK)
		return -1;
	return 0;
}

static int
transfer_set_callbacks(struct transfer *t, CURLSH *share)
{
	CURL *easy = t->easy;

	if (curl_easy_setopt(easy, CURLOPT_SHARE, share) != CURLE_OK ||
	    curl_easy_setopt(easy, CURLOPT_PRIVATE, t) != CURLE_OK ||
	    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, t->detail) != CURLE_OK ||
	    curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, transfer_open) != CURLE_OK ||
	    curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, t) != CURLE_OK ||
	    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, transfer_read_header) != CURLE_OK ||
	    curl_easy_setopt(easy, CURLOPT_HEADERDATA, t) != CURLE_OK ||
	    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, transfer_read_body) != CURLE_OK ||
	    curl_easy_setopt(easy, CURLOPT_WRITEDATA, t) != CURLE_OK)
		return -1;
	return 0;
}

static CURLcode
transfer_set_timeout(struct transfer *t, int64_t timeout_ms)
{
	int64_t connect_ms;
	CURLcode code;

	/* To curl 0 is no limit at all. */
	if (timeout_ms < 1)
		timeout_ms = 1;
	else if (timeout_ms > TRANSFER_TIMEOUT_MS_MAX)
		timeout_ms = TRANSFER_TIMEOUT_MS_MAX;
	if (timeout_ms == t->timeout_ms)
		return CURLE_OK;
	t->timeout_ms = timeout_ms;
	connect_ms = timeout_ms < TRANSFER_CONNECT_MS_MAX ? timeout_ms : TRANSFER_CONNECT_MS_MAX;
	code = curl_easy_setopt(t->easy, CURLOPT_TIMEOUT_MS, (long)timeout_ms);
	if (code != CURLE_OK)
		return code;
	return curl_easy_setopt(t->easy, CURLOPT_CONNECTTIMEOUT_MS, (long)connect_ms);
}

static CURLcode
transfer_set_body(struct transfer *t, const struct http_request *q)
{
	CURLcode code;

	if (!q->body)
		return curl_easy_setopt(t->easy, CURLOPT_HTTPGET, 1L);
	code = curl_easy_setopt(t->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)q->body_len);
	if (code != CURLE_OK)
		return code;
	/* Not copied, and makes it a POST. */
	return curl_easy_setopt(t->easy, CURLOPT_POSTFIELDS, q->body);
}

/* After the body, which decides where no method is named. */
static CURLcode
transfer_set_method(struct transfer *t, enum http_method method)
{
	if (method == HTTP_BY_BODY && !t->named)
		return CURLE_OK;
	t->named = method != HTTP_BY_BODY;
	return curl_easy_setopt(t->easy, CURLOPT_CUSTOMREQUEST, transfer_methods[method]);
}

/* Copies the headers, for the caller fills in the same request again and again. */
static struct curl_slist *
transfer_headers(struct transfer *t, const struct http_request *q)
{
	struct curl_slist *node = t->header_nodes;
	char *text = t->headers_text;
	size_t i;

	memcpy(text, q->headers_text, q->headers_len);
	for (i = 0; i < q->headers_count; i++) {
		node->data = text;
		node->next = node + 1;
		node++;
		text += strlen(text) + 1;
	}
	for (i = 0; i < TRANSFER_OWN_HEADERS; i++) {
		if (transfer_has_header(t, node, transfer_own_headers[i].name))
			continue;
		node->data = transfer_own_headers[i].line;
		node->next = node + 1;
		node++;
	}
	if (node == t->header_nodes)
		return NULL;
	node[-1].next = NULL;
	return t->header_nodes;
}

/* Whether a node before ${end} begins with ${name}, letter case aside. */
static bool
transfer_has_header(const struct transfer *t, const struct curl_slist *end, const char *name)
{
	const struct curl_slist *node;

	for (node = t->header_nodes; node < end; node++)
		if ((node->data[0] | 0x20) == name[0] && text_has_prefix_nocase(node->data, name))
			return true;
	return false;
}

/* The one place that every connection passes, with the address that it really goes to. */
static curl_socket_t
transfer_open(void *at, curlsocktype purpose, struct curl_sockaddr *a)
{
	struct transfer *t = at;
	int fd;

	(void)purpose;
	if (!guard_allows(t->conf, &a->addr, a->addrlen)) {
		t->refused++;
		transfer_note_address(t, &a->addr);
		return CURL_SOCKET_BAD;
	}
	fd = socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);
	if (fd < 0) {
		t->socket_errno = errno;
		return CURL_SOCKET_BAD;
	}
	t->opened++;
	return fd;
}

static void
transfer_note_address(struct transfer *t, const struct sockaddr *a)
{
	const void *bytes = a->sa_family == AF_INET6
				? (const char *)a + offsetof(struct sockaddr_in6, sin6_addr)
				: (const char *)a + offsetof(struct sockaddr_in, sin_addr);

	if (a->sa_family == AF_INET || a->sa_family == AF_INET6)
		inet_ntop(a->sa_family, bytes, t->refused_address, sizeof(t->refused_address));
}

/* Called with each whole line of headers, those of 1xx replies and trailers among them. */
static size_t
transfer_read_header(char *line, size_t one, size_t len, void *at)
{
	static const char retry_after[] = "retry-after:", hsts[] = "strict-transport-security:";
	static const char status[] = "HTTP/";
	struct transfer *t = at;

	(void)one;
	t->header_bytes += len;
	if (t->header_bytes > HTTP_REPLY_MAX) {
		t->headers_too_long = true;
		return 0;
	}
	transfer_keep(t, line, len);
	if (len >= sizeof(status) - 1 && memcmp(line, status, sizeof(status) - 1) == 0) {
		t->retry_after[0] = '\0';
		transfer_forget_kept(t);
	} else if (len >= sizeof(retry_after) - 1 &&
		   strncasecmp(line, retry_after, sizeof(retry_after) - 1) == 0)
		transfer_note(t->retry_after, line + sizeof(retry_after) - 1,
		    len - (sizeof(retry_after) - 1));
	else if (t->inspect && len >= sizeof(hsts) - 1 &&
		 strncasecmp(line, hsts, sizeof(hsts) - 1) == 0)
		transfer_note(t->hsts, line + sizeof(hsts) - 1, len - (sizeof(hsts) - 1));
	return len;
}

static void
transfer_keep(struct transfer *t, const char *line, size_t len)
{
	for (size_t i = 0; i < HTTP_KEPT_MAX && t->keep[i]; i++) {
		size_t name_len = strlen(t->keep[i]);

		if (len >= name_len && strncasecmp(line, t->keep[i], name_len) == 0)
			transfer_keep_value(t, i, line + name_len, len - name_len);
	}
}

static void
transfer_keep_value(struct transfer *t, size_t which, const char *value, size_t len)
{
	size_t room = t->kept_room;

	len = transfer_trim(&value, len);
	if (t->kept_at[which] || len == 0)
		return;
	t->is_kept_short[which] =
	    len > HTTP_KEPT_VALUE_MAX || t->kept_len + len + 1 > HTTP_KEPT_BYTES_MAX;
	if (t->is_kept_short[which])
		return;
	while (room < t->kept_len + len + 1)
		room = room ? room * 2 : TRANSFER_KEPT_BYTES_MIN;
	if (room > t->kept_room)
		t->kept = mem_grow(t->kept, room);
	t->kept_room = room;
	t->kept_at[which] = t->kept_len + 1;
	memcpy(t->kept + t->kept_len, value, len);
	t->kept[t->kept_len + len] = '\0';
	t->kept_len += len + 1;
}

static void
transfer_forget_kept(struct transfer *t)
{
	memset(t->kept_at, 0, sizeof(t->kept_at));
	memset(t->is_kept_short, 0, sizeof(t->is_kept_short));
	t->kept_len = 0;
}

/* Keeps the first one; what is longer than a date is no date. */
static void
transfer_note(char to[static TRANSFER_VALUE_MAX], const char *value, size_t len)
{
	len = transfer_trim(&value, len);
	if (len >= TRANSFER_VALUE_MAX || to[0] != '\0')
		return;
	memcpy(to, value, len);
	to[len] = '\0';
}

/* Takes the white space around ${*value} off; returns what is left of ${len}. */
static size_t
transfer_trim(const char **value, size_t len)
{
	while (len > 0 && strchr(" \t\r\n", (*value)[len - 1]))
		len--;
	while (len > 0 && (**value == ' ' || **value == '\t')) {
		(*value)++;
		len--;
	}
	return len;
}

static size_t
transfer_read_body(char *from, size_t one, size_t len, void *at)
{
	struct transfer *t = at;
	size_t room = t->reply_max - t->body_len;

	(void)one;
	if (len > room) {
		/* Less than was given ends the transfer. */
		t->truncated = true;
		len = room;
	}
	if (t->body_len + len + 1 > t->body_room) {
		size_t need = t->body_room ? t->body_room : 512;

		while (need < t->body_len + len + 1)
			need *= 2;
		t->body = mem_grow(t->body, need);
		t->body_room = need;
	}
	memcpy(t->body + t->body_len, from, len);
	t->body_len += len;
	t->body[t->body_len] = '\0';
	return len;
}
