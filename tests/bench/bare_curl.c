/*
 * bare_curl - posts the lines of a file with a curl_multi loop and nothing else: no database, no
 * signing, no guard.  What libcurl itself allows; make bench names it as a reference.
 *
 *	bare_curl FILE INFLIGHT URL...
 *
 * Each line is one body; line n goes to URL number n modulo their count, at most INFLIGHT at once.
 * The headers have the names and lengths of the program's.  Prints the milliseconds from the
 * first request to the last reply; exits 1 when any reply was not 200.
 */
#include <curl/curl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
	HEADER_MAX = 128,
};

struct bodies {
	char *text;
	char **lines;
	size_t count;
};

struct post {
	CURL *easy;
	struct curl_slist *headers;
};

struct sender {
	CURLM *multi;
	const struct bodies *bodies;
	char **urls;
	size_t urls_count;
	size_t next; /* the first body not yet sent */
	size_t done;
	size_t failed;
};

static int bodies_read(struct bodies *b, const char *path);
static int bodies_split(struct bodies *b, size_t len);
static void send_all(struct sender *s, size_t inflight);
static CURL *easy_create(struct post *p);
static void post_start(struct sender *s, struct post *p);
static struct curl_slist *headers_of(size_t n);
static void replies_take(struct sender *s);
static size_t body_drop(char *at, size_t size, size_t count, void *unused);
static double now_ms(void);

int
main(int argc, char **argv)
{
	if (argc < 4) {
		fprintf(stderr, "usage: bare_curl FILE INFLIGHT URL...\n");
		return 2;
	}
	struct bodies bodies = { 0 };
	if (bodies_read(&bodies, argv[1]) != 0) {
		perror(argv[1]);
		return 1;
	}
	curl_global_init(CURL_GLOBAL_DEFAULT);
	struct sender s = { .multi = curl_multi_init(),
		.bodies = &bodies,
		.urls = argv + 3,
		.urls_count = (size_t)argc - 3 };
	double began_ms = now_ms();
	send_all(&s, strtoul(argv[2], NULL, 10));
	printf("%.3f\n", now_ms() - began_ms);
	if (s.failed != 0)
		fprintf(stderr, "bare_curl: %zu of %zu failed\n", s.failed, s.done);
	curl_multi_cleanup(s.multi);
	curl_global_cleanup();
	free(bodies.lines);
	free(bodies.text);
	return s.failed == 0 ? 0 : 1;
}

static int
bodies_read(struct bodies *b, const char *path)
{
	FILE *f = fopen(path, "r");
	if (f == NULL)
		return -1;
	size_t room = 0;
	ssize_t len = getdelim(&b->text, &room, '\0', f);
	fclose(f);
	return len < 0 ? -1 : bodies_split(b, (size_t)len);
}

static int
bodies_split(struct bodies *b, size_t len)
{
	for (size_t i = 0; i < len; i++)
		b->count += b->text[i] == '\n';
	b->lines = calloc(b->count, sizeof(*b->lines));
	if (b->lines == NULL)
		return -1;
	char *at = b->text;
	for (size_t i = 0; i < b->count; i++) {
		char *end = strchr(at, '\n');
		*end = '\0';
		b->lines[i] = at;
		at = end + 1;
	}
	return 0;
}

static void
send_all(struct sender *s, size_t inflight)
{
	struct post *posts = calloc(inflight, sizeof(*posts));
	if (posts == NULL)
		abort();
	for (size_t i = 0; i < inflight && s->next < s->bodies->count; i++) {
		posts[i].easy = easy_create(&posts[i]);
		post_start(s, &posts[i]);
	}
	while (s->done < s->bodies->count) {
		int running;
		size_t before = s->done;
		curl_multi_perform(s->multi, &running);
		replies_take(s);
		/* What was just refilled must be sent before anything is waited for. */
		if (s->done == before)
			curl_multi_poll(s->multi, NULL, 0, 1000, NULL);
	}
	for (size_t i = 0; i < inflight; i++) {
		curl_slist_free_all(posts[i].headers);
		curl_easy_cleanup(posts[i].easy);
	}
	free(posts);
}

static CURL *
easy_create(struct post *p)
{
	CURL *easy = curl_easy_init();
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_POST, 1L);
	curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, 10000L);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, body_drop);
	curl_easy_setopt(easy, CURLOPT_PRIVATE, p);
	return easy;
}

static void
post_start(struct sender *s, struct post *p)
{
	size_t n = s->next++;
	const char *body = s->bodies->lines[n];
	curl_slist_free_all(p->headers);
	p->headers = headers_of(n + 1);
	curl_easy_setopt(p->easy, CURLOPT_URL, s->urls[n % s->urls_count]);
	curl_easy_setopt(p->easy, CURLOPT_HTTPHEADER, p->headers);
	curl_easy_setopt(p->easy, CURLOPT_POSTFIELDS, body);
	curl_easy_setopt(p->easy, CURLOPT_POSTFIELDSIZE, (long)strlen(body));
	curl_multi_add_handle(s->multi, p->easy);
}

static struct curl_slist *
headers_of(size_t n)
{
	char id[HEADER_MAX];
	snprintf(id, sizeof(id), "webhook-id: %zu", n);
	static const char *const fixed[] = {
		"webhook-timestamp: 1700000000",
		"webhook-signature: v1,AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
		"Content-Type: application/json",
		"User-Agent: cronward/bench",
		"Expect:",
	};
	struct curl_slist *headers = curl_slist_append(NULL, id);
	for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++)
		headers = curl_slist_append(headers, fixed[i]);
	return headers;
}

static void
replies_take(struct sender *s)
{
	CURLMsg *m;
	int left;
	while ((m = curl_multi_info_read(s->multi, &left)) != NULL) {
		if (m->msg != CURLMSG_DONE)
			continue;
		CURL *easy = m->easy_handle;
		CURLcode result = m->data.result;
		long status = 0;
		struct post *p = NULL;
		curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
		curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&p);
		s->failed += result != CURLE_OK || status != 200;
		s->done++;
		curl_multi_remove_handle(s->multi, easy);
		if (s->next < s->bodies->count)
			post_start(s, p);
	}
}

static size_t
body_drop(char *at, size_t size, size_t count, void *unused)
{
	(void)at;
	(void)unused;
	return size * count;
}

static double
now_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}
