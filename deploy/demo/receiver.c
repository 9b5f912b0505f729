/*
 * receiver - the demo's webhook endpoint: checks each signature and tells what it got.
 *
 *	demo-receiver SECRETS
 *
 * SECRETS is a file with a line "/path whsec_..." per endpoint.  Listens on a free port of
 * 127.0.0.1 and writes "listening PORT" to standard output, then one line per request:
 * "verified" or "refused: why", path, webhook-id and body.  Written from the text of Standard
 * Webhooks, apart from the program that signs, so that one mistake cannot hide in both.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
	ENDPOINTS_MAX = 16,
	PATH_MAX_BYTES = 64,
	SECRET_MAX_BYTES = 128,
	KEY_MAX_BYTES = 96,
	REQUEST_MAX_BYTES = 256 * 1024,
	BODY_SHOWN_BYTES = 200,
	TOLERANCE_S = 300, /* how old or how early a signature may be */
	IDLE_S = 60,
};

struct endpoint {
	char path[PATH_MAX_BYTES];
	unsigned char key[KEY_MAX_BYTES];
	int key_len;
};

/* One request as it stands in the buffer; the header block is NUL-terminated. */
struct request {
	char path[PATH_MAX_BYTES];
	const char *headers;
	const char *body;
	size_t body_len;
};

static struct endpoint endpoints[ENDPOINTS_MAX];
static int endpoints_count;

static int endpoints_read(const char *file);
static int base64_decode(unsigned char *to, int room, const char *from);
static int listen_anywhere(void);
static void serve(int fd);
static size_t request_take(int fd, char *buffer, size_t have);
static bool request_parse(struct request *q, char *headers, const char *body, size_t body_len);
static const char *request_fault(const struct request *q);
static bool signature_matches(const struct endpoint *e, const struct request *q, const char *id,
    const char *timestamp, const char *signatures);
static bool header_find(const char *headers, const char *name, char *to, size_t room);
static void request_tell(const struct request *q, const char *fault);

int
main(int argc, char **argv)
{
	int listener, fd;

	if (argc != 2 || endpoints_read(argv[1]) != 0) {
		fprintf(stderr, "usage: demo-receiver SECRETS\n");
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	signal(SIGCHLD, SIG_IGN); /* the kernel reaps */
	listener = listen_anywhere();
	while (listener >= 0) {
		fd = accept(listener, NULL, NULL);
		if (fd < 0)
			continue;
		if (fork() == 0) {
			close(listener);
			serve(fd);
			_exit(0);
		}
		close(fd);
	}
	perror("demo-receiver");
	return 1;
}

static int
endpoints_read(const char *file)
{
	char path[PATH_MAX_BYTES], secret[SECRET_MAX_BYTES];
	FILE *f = fopen(file, "re");

	if (!f)
		return -1;
	while (
	    endpoints_count < ENDPOINTS_MAX && fscanf(f, "%63s whsec_%127s", path, secret) == 2) {
		struct endpoint *e = &endpoints[endpoints_count++];

		memcpy(e->path, path, sizeof(path));
		e->key_len = base64_decode(e->key, KEY_MAX_BYTES, secret);
	}
	fclose(f);
	return endpoints_count > 0 ? 0 : -1;
}

/* The number of bytes, 0 when it does not parse. */
static int
base64_decode(unsigned char *to, int room, const char *from)
{
	int len = (int)strlen(from), padding = 0, n;

	while (padding < 2 && padding < len && from[len - 1 - padding] == '=')
		padding++;
	if (len == 0 || len % 4 != 0 || len / 4 * 3 > room)
		return 0;
	n = EVP_DecodeBlock(to, (const unsigned char *)from, len);
	return n < 0 ? 0 : n - padding;
}

static int
listen_anywhere(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)) != 0 || listen(fd, 128) != 0 ||
	    getsockname(fd, (struct sockaddr *)&at, &len) != 0)
		return -1;
	printf("listening %u\n", (unsigned)ntohs(at.sin_port));
	fflush(stdout);
	return fd;
}

/* Requests of one connection, one after the other, until the peer leaves or sends nonsense. */
static void
serve(int fd)
{
	static const char reply[] = "HTTP/1.1 204 No Content\r\n\r\n";
	static const char refusal[] = "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n";
	static char buffer[REQUEST_MAX_BYTES + 1];
	struct timeval idle = { .tv_sec = IDLE_S };
	size_t have = 0, used;

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &idle, sizeof(idle));
	while ((have = request_take(fd, buffer, have)) > 0) {
		char *headers_end = strstr(buffer, "\r\n\r\n");
		char *body = headers_end + 4;
		struct request q;
		const char *fault, *text;
		char length[16] = "0";

		headers_end[2] = '\0';
		header_find(buffer, "Content-Length", length, sizeof(length));
		if (!request_parse(&q, buffer, body, strtoul(length, NULL, 10)))
			break;
		fault = request_fault(&q);
		request_tell(&q, fault);
		text = fault ? refusal : reply;
		if (write(fd, text, strlen(text)) < 0)
			break;
		used = (size_t)(body - buffer) + q.body_len;
		have -= used;
		memmove(buffer, buffer + used, have);
	}
}

/* Reads until a whole request lies in the buffer; the bytes there, 0 when none will come. */
static size_t
request_take(int fd, char *buffer, size_t have)
{
	for (;;) {
		char length[16] = "0", *end;
		ssize_t n;

		buffer[have] = '\0';
		if ((end = strstr(buffer, "\r\n\r\n")) != NULL) {
			size_t head = (size_t)(end - buffer) + 4, body;

			end[2] = '\0';
			header_find(buffer, "Content-Length", length, sizeof(length));
			end[2] = '\r';
			body = strtoul(length, NULL, 10);
			if (body > REQUEST_MAX_BYTES)
				return 0;
			if (have >= head + body)
				return have;
		}
		if (have == REQUEST_MAX_BYTES)
			return 0;
		n = read(fd, buffer + have, REQUEST_MAX_BYTES - have);
		if (n <= 0)
			return 0;
		have += (size_t)n;
	}
}

static bool
request_parse(struct request *q, char *headers, const char *body, size_t body_len)
{
	*q = (struct request){ .body = body, .body_len = body_len };
	if (sscanf(headers, "POST %63s HTTP/1.1", q->path) != 1)
		return false;
	q->headers = headers;
	return true;
}

/* NULL, or why the request is not believed. */
static const char *
request_fault(const struct request *q)
{
	char id[128], timestamp[32], signatures[512];
	const struct endpoint *e = NULL;
	long long sent;
	int i;

	for (i = 0; i < endpoints_count; i++)
		if (strcmp(endpoints[i].path, q->path) == 0)
			e = &endpoints[i];
	if (!e)
		return "no such endpoint";
	if (!header_find(q->headers, "webhook-id", id, sizeof(id)) ||
	    !header_find(q->headers, "webhook-timestamp", timestamp, sizeof(timestamp)) ||
	    !header_find(q->headers, "webhook-signature", signatures, sizeof(signatures)))
		return "a webhook- header is missing";
	sent = strtoll(timestamp, NULL, 10);
	if (llabs((long long)time(NULL) - sent) > TOLERANCE_S)
		return "too old or too early";
	if (!signature_matches(e, q, id, timestamp, signatures))
		return "wrong signature";
	return NULL;
}

static bool
signature_matches(const struct endpoint *e, const struct request *q, const char *id,
    const char *timestamp, const char *signatures)
{
	unsigned char mac[EVP_MAX_MD_SIZE], given[KEY_MAX_BYTES];
	unsigned mac_len = 0;
	char one[KEY_MAX_BYTES], *message;
	size_t head = strlen(id) + strlen(timestamp) + 2;
	bool matches = false;
	int skip;

	message = malloc(head + q->body_len + 1);
	if (!message || e->key_len == 0) {
		free(message);
		return false;
	}
	snprintf(message, head + 1, "%s.%s.", id, timestamp);
	memcpy(message + head, q->body, q->body_len);
	HMAC(EVP_sha256(), e->key, e->key_len, (unsigned char *)message, head + q->body_len, mac,
	    &mac_len);
	free(message);
	for (; sscanf(signatures, " v1,%95s%n", one, &skip) == 1; signatures += skip)
		if (base64_decode(given, KEY_MAX_BYTES, one) == (int)mac_len)
			matches |= CRYPTO_memcmp(given, mac, mac_len) == 0;
	return matches;
}

/* Copies the value of ${name}; false when it is missing or too long. */
static bool
header_find(const char *headers, const char *name, char *to, size_t room)
{
	size_t name_len = strlen(name), len;
	const char *line = headers;

	while ((line = strstr(line, "\r\n")) != NULL) {
		line += 2;
		if (strncasecmp(line, name, name_len) != 0 || line[name_len] != ':')
			continue;
		line += name_len + 1;
		line += strspn(line, " \t");
		len = strcspn(line, "\r\n");
		if (len >= room)
			return false;
		memcpy(to, line, len);
		to[len] = '\0';
		return true;
	}
	return false;
}

/* One write, so that lines of several connections do not mix. */
static void
request_tell(const struct request *q, const char *fault)
{
	char id[128] = "-", line[1024], body[BODY_SHOWN_BYTES + 1];
	size_t i, len = q->body_len < BODY_SHOWN_BYTES ? q->body_len : BODY_SHOWN_BYTES;
	int n;

	for (i = 0; i < len; i++)
		body[i] = (char)((unsigned char)q->body[i] < ' ' ? ' ' : q->body[i]);
	body[len] = '\0';
	header_find(q->headers, "webhook-id", id, sizeof(id));
	n = snprintf(line, sizeof(line), "%s%s %s %s %s\n", fault ? "refused: " : "verified",
	    fault ? fault : "", q->path, id, body);
	if (write(STDOUT_FILENO, line, (size_t)n) < 0)
		_exit(1);
}
