/*
 * secret_timing - whether a wrong secret's first byte shows in the time of the refusal.
 *
 *	secret_timing SOCKET PATH SECRET COUNT
 *
 * Sends COUNT calls of each of two classes straight to a FastCGI socket: secrets of the right
 * length whose first byte alone is right, and secrets of which no byte is right.  The classes take
 * turns in random order.  Timed is what lies between the request's first byte out and the reply's
 * first byte in, on a connection that stands already.  Prints, as JSON, count, mean and deviation
 * of both classes in ns, the difference of the means and Welch's t; once for all calls and once
 * without the slowest hundredth, which is the scheduler's.
 */
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum {
	RECORD_BYTES = 8,
	REQUEST_MAX = 4096,
	TEXT_MAX = 512,
	REPLY_MAX = 8192,
};

enum kind { FIRST_RIGHT, ALL_WRONG, KINDS };

enum fcgi_type {
	FCGI_BEGIN = 1,
	FCGI_PARAMS = 4,
	FCGI_STDIN = 5,
};

struct request {
	size_t len;
	unsigned char bytes[REQUEST_MAX];
};

struct sample {
	int64_t ns;
	enum kind kind;
};

struct moments {
	double count, mean, m2;
};

static void request_build(struct request *q, const char *path, const char *secret, enum kind kind);
static void record_add(struct request *q, enum fcgi_type type, const void *content, size_t len);
static size_t param_put(unsigned char *to, const char *name, const char *value);
static bool samples_take(struct sample *samples, size_t count, const struct sockaddr_un *to,
    const struct request *requests);
static int64_t request_time(const struct sockaddr_un *to, const struct request *q);
static bool reply_is_401(int fd, const char *start, size_t len);
static int sample_order(const void *a, const void *b);
static void samples_print(const char *name, const struct sample *samples, size_t count);
static void moments_add(struct moments *m, double x);
static int64_t now_ns(void);

int
main(int argc, char **argv)
{
	if (argc != 5 || strlen(argv[2]) >= TEXT_MAX || strlen(argv[3]) >= TEXT_MAX) {
		fprintf(stderr, "usage: secret_timing SOCKET PATH SECRET COUNT\n");
		return 2;
	}
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	snprintf(to.sun_path, sizeof(to.sun_path), "%s", argv[1]);
	struct request requests[KINDS];
	for (enum kind kind = 0; kind < KINDS; kind++)
		request_build(&requests[kind], argv[2], argv[3], kind);

	size_t count = strtoul(argv[4], NULL, 10) * KINDS;
	struct sample *samples = calloc(count, sizeof(*samples));
	if (samples == NULL || !samples_take(samples, count, &to, requests)) {
		free(samples);
		return 1;
	}
	qsort(samples, count, sizeof(*samples), sample_order);
	printf("{");
	samples_print("all", samples, count);
	printf(", ");
	samples_print("fastest99", samples, count - count / 100);
	printf("}\n");
	free(samples);
	return 0;
}

static void
request_build(struct request *q, const char *path, const char *secret, enum kind kind)
{
	char bearer[sizeof("Bearer ") + TEXT_MAX];
	size_t scheme_len = strlen("Bearer ");
	snprintf(bearer, sizeof(bearer), "Bearer %.*s", TEXT_MAX - 1, secret);
	/* Turning one bit of a byte makes it wrong and keeps it a character. */
	for (char *at = bearer + scheme_len + (kind == FIRST_RIGHT); *at != '\0'; at++)
		*at ^= 1;
	const char *const params[][2] = {
		{ "REQUEST_METHOD", "POST" },
		{ "REQUEST_URI", path },
		{ "DOCUMENT_URI", path },
		{ "SCRIPT_NAME", path },
		{ "QUERY_STRING", "" },
		{ "CONTENT_TYPE", "" },
		{ "CONTENT_LENGTH", "0" },
		{ "SERVER_PROTOCOL", "HTTP/1.1" },
		{ "GATEWAY_INTERFACE", "CGI/1.1" },
		{ "REMOTE_ADDR", "127.0.0.1" },
		{ "HTTP_HOST", "localhost" },
		{ "HTTP_AUTHORIZATION", bearer },
	};
	unsigned char text[REQUEST_MAX / 2];
	size_t len = 0;
	for (size_t i = 0; i < sizeof(params) / sizeof(params[0]); i++)
		len += param_put(text + len, params[i][0], params[i][1]);
	q->len = 0;
	/* Role responder, no keep-alive. */
	record_add(q, FCGI_BEGIN, (const unsigned char[]){ 0, 1, 0, 0, 0, 0, 0, 0 }, 8);
	record_add(q, FCGI_PARAMS, text, len);
	record_add(q, FCGI_PARAMS, NULL, 0);
	record_add(q, FCGI_STDIN, NULL, 0);
}

static void
record_add(struct request *q, enum fcgi_type type, const void *content, size_t len)
{
	unsigned char *at = q->bytes + q->len;
	const unsigned char head[RECORD_BYTES] = { 1, (unsigned char)type, 0, 1,
		(unsigned char)(len >> 8), (unsigned char)len, 0, 0 };
	memcpy(at, head, sizeof(head));
	if (len > 0)
		memcpy(at + sizeof(head), content, len);
	q->len += sizeof(head) + len;
}

static size_t
param_put(unsigned char *to, const char *name, const char *value)
{
	unsigned char *at = to;
	const char *const texts[] = { name, value };
	for (int i = 0; i < 2; i++) {
		size_t len = strlen(texts[i]);
		if (len < 128) {
			*at++ = (unsigned char)len;
		} else {
			const unsigned char four[] = { 0x80, 0, (unsigned char)(len >> 8),
				(unsigned char)len };
			memcpy(at, four, sizeof(four));
			at += sizeof(four);
		}
	}
	for (int i = 0; i < 2; i++) {
		memcpy(at, texts[i], strlen(texts[i]));
		at += strlen(texts[i]);
	}
	return (size_t)(at - to);
}

static bool
samples_take(struct sample *samples, size_t count, const struct sockaddr_un *to,
    const struct request *requests)
{
	srandom((unsigned)now_ns());
	for (size_t i = 0; i < count; i++) {
		/* Pairs in random order: both classes see the same weather. */
		if (i % KINDS == 0)
			samples[i].kind = (random() >> 8) & 1 ? FIRST_RIGHT : ALL_WRONG;
		else
			samples[i].kind =
			    samples[i - 1].kind == ALL_WRONG ? FIRST_RIGHT : ALL_WRONG;
		samples[i].ns = request_time(to, &requests[samples[i].kind]);
		if (samples[i].ns < 0)
			return false;
	}
	return true;
}

/* -1: the call was not refused as it must be. */
static int64_t
request_time(const struct sockaddr_un *to, const struct request *q)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (const struct sockaddr *)to, sizeof(*to)) != 0) {
		perror(to->sun_path);
		return -1;
	}
	int64_t ns = -1;
	char reply[REPLY_MAX];
	int64_t began_ns = now_ns();
	if (write(fd, q->bytes, q->len) == (ssize_t)q->len) {
		ssize_t got = read(fd, reply, sizeof(reply) - 1);
		ns = now_ns() - began_ns;
		if (got <= 0 || !reply_is_401(fd, reply, (size_t)got)) {
			fprintf(stderr, "secret_timing: a call was not answered with 401\n");
			ns = -1;
		}
	}
	close(fd);
	return ns;
}

/* Reads the reply to its end, as nginx does. */
static bool
reply_is_401(int fd, const char *start, size_t len)
{
	bool found = memmem(start, len, "Status: 401", strlen("Status: 401")) != NULL;
	char rest[REPLY_MAX];
	while (read(fd, rest, sizeof(rest)) > 0)
		;
	return found;
}

static int
sample_order(const void *a, const void *b)
{
	const struct sample *x = a, *y = b;
	return (x->ns > y->ns) - (x->ns < y->ns);
}

static void
samples_print(const char *name, const struct sample *samples, size_t count)
{
	struct moments m[KINDS] = { 0 };
	for (size_t i = 0; i < count; i++)
		moments_add(&m[samples[i].kind], (double)samples[i].ns);
	double variance[KINDS] = { 0 };
	for (enum kind kind = 0; kind < KINDS; kind++)
		variance[kind] = m[kind].m2 / (m[kind].count - 1);
	double difference = m[FIRST_RIGHT].mean - m[ALL_WRONG].mean;
	double t = difference / sqrt(variance[FIRST_RIGHT] / m[FIRST_RIGHT].count +
				     variance[ALL_WRONG] / m[ALL_WRONG].count);
	printf("\"%s\": {\"firstRight\": {\"count\": %.0f, \"mean\": %.1f, \"deviation\": %.1f}, "
	       "\"allWrong\": {\"count\": %.0f, \"mean\": %.1f, \"deviation\": %.1f}, "
	       "\"difference\": %.1f, \"t\": %.3f}",
	    name, m[FIRST_RIGHT].count, m[FIRST_RIGHT].mean, sqrt(variance[FIRST_RIGHT]),
	    m[ALL_WRONG].count, m[ALL_WRONG].mean, sqrt(variance[ALL_WRONG]), difference, t);
}

/* Welford: the sum of squares does not lose its digits. */
static void
moments_add(struct moments *m, double x)
{
	m->count++;
	double from_mean = x - m->mean;
	m->mean += from_mean / m->count;
	m->m2 += from_mean * (x - m->mean);
}

static int64_t
now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}
