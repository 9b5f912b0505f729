/*
 * nonces - seals in forked processes: whether a nonce comes twice, and whether anything opens that
 * should not.
 *
 *	nonces COUNT [planted]
 *
 * Seals once, so that the generator of random bytes and the cipher's context exist before the
 * fork, then COUNT times in 8 processes that are forked from there.  Each value is opened again,
 * and each is refused in one of the ways below, which take turns.  `planted` makes one nonce of the
 * second process equal to one of the first, to show that it would be seen.  Prints JSON.
 */
#include "base/arena.h"
#include "base/crypto.h"
#include "base/keyring.h"
#include "base/seal.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	PROCESSES = 8,
	NONCE_BYTES = 12,
	NONCE_CHARACTERS = 16, /* in base64 */
	HEAD_LEN = 7,          /* "cw1.k1." */
};

enum wrong {
	WRONG_KEY_ID,
	WRONG_KEY,
	WRONG_NONCE,
	WRONG_TEXT,
	WRONG_TAG,
	WRONG_TABLE,
	WRONG_COLUMN,
	WRONG_ROW,
	WRONG__MAX,
};

static const char *const wrong_names[WRONG__MAX] = {
	[WRONG_KEY_ID] = "key id",
	[WRONG_KEY] = "key",
	[WRONG_NONCE] = "nonce",
	[WRONG_TEXT] = "ciphertext",
	[WRONG_TAG] = "tag",
	[WRONG_TABLE] = "table",
	[WRONG_COLUMN] = "column",
	[WRONG_ROW] = "row",
};

/* Of one process, in memory that all of them share. */
struct tally {
	size_t opened;
	size_t tried[WRONG__MAX], refused[WRONG__MAX];
};

struct shared {
	struct tally tallies[PROCESSES];
	unsigned char nonces[][NONCE_BYTES];
};

static void seal_many(struct tally *tally, unsigned char (*nonces)[NONCE_BYTES], size_t count);
static void seal_one(
    struct arena *a, struct tally *tally, unsigned char nonce[static NONCE_BYTES], size_t i);
static bool wrong_is_refused(struct arena *a, const char *sealed, enum wrong wrong);
static void bend(char *sealed, size_t byte);
static bool all_ended_well(void);
static int nonce_order(const void *a, const void *b);
static void print(const struct shared *all, size_t count, size_t equal);

static const struct seal_place place = { "app_webhooks", "secret", "7" };
static const char secret[] = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
static struct keyring ring = {
	.count = 2,
	.keys = { { .id = "k1", .bytes = { 1 } }, { .id = "k2", .bytes = { 1 } } },
};
/* Another key under the same id. */
static struct keyring other_ring = { .count = 1, .keys = { { .id = "k1", .bytes = { 2 } } } };

int
main(int argc, char **argv)
{
	size_t each = argc > 1 ? strtoul(argv[1], NULL, 10) / PROCESSES : 0;
	size_t count = each * PROCESSES, equal = 0;
	size_t bytes = sizeof(struct shared) + count * NONCE_BYTES;
	struct shared *all;
	struct arena *a;

	if (each == 0 || (argc > 2 && strcmp(argv[2], "planted") != 0)) {
		fprintf(stderr, "usage: nonces COUNT [planted], COUNT at least %d\n", PROCESSES);
		return 2;
	}
	all = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	a = arena_create();
	if (all == MAP_FAILED || !seal_close(a, &ring, &place, secret, NULL))
		return 1;
	arena_destroy(a);
	for (size_t i = 0; i < PROCESSES; i++) {
		pid_t pid = fork();

		if (pid < 0)
			return 1;
		if (pid == 0) {
			seal_many(&all->tallies[i], all->nonces + i * each, each);
			_exit(0);
		}
	}
	if (!all_ended_well())
		return 1;
	if (argc > 2)
		memcpy(all->nonces[each], all->nonces[0], NONCE_BYTES);
	qsort(all->nonces, count, NONCE_BYTES, nonce_order);
	for (size_t i = 1; i < count; i++)
		equal += nonce_order(all->nonces[i - 1], all->nonces[i]) == 0;
	print(all, count, equal);
	munmap(all, bytes);
	return 0;
}

static void
seal_many(struct tally *tally, unsigned char (*nonces)[NONCE_BYTES], size_t count)
{
	struct arena *a = arena_create();

	for (size_t i = 0; i < count; i++) {
		seal_one(a, tally, nonces[i], i);
		arena_reset(a);
	}
	arena_destroy(a);
}

static void
seal_one(struct arena *a, struct tally *tally, unsigned char nonce[static NONCE_BYTES], size_t i)
{
	const char *sealed = seal_close(a, &ring, &place, secret, NULL);
	const char *plain = sealed ? seal_open(a, &ring, &place, sealed, NULL) : NULL;
	enum wrong wrong = i % WRONG__MAX;

	if (!plain || crypto_base64_decode(
			  nonce, NONCE_BYTES, sealed + HEAD_LEN, NONCE_CHARACTERS) != NONCE_BYTES)
		_exit(1);
	tally->opened += strcmp(plain, secret) == 0;
	tally->tried[wrong]++;
	tally->refused[wrong] += wrong_is_refused(a, sealed, wrong);
}

static bool
wrong_is_refused(struct arena *a, const char *sealed, enum wrong wrong)
{
	const struct keyring *with = wrong == WRONG_KEY ? &other_ring : &ring;
	struct seal_place at = place;
	char *bent = arena_text(a, sealed);

	switch (wrong) {
	case WRONG_KEY_ID:
		bent[HEAD_LEN - 2] = '2';
		break;
	case WRONG_NONCE:
		bend(bent, HEAD_LEN);
		break;
	case WRONG_TEXT:
		bend(bent, HEAD_LEN + NONCE_CHARACTERS);
		break;
	case WRONG_TAG:
		bend(bent, strlen(bent) - 4);
		break;
	case WRONG_TABLE:
		at.table = "app_webhook";
		break;
	case WRONG_COLUMN:
		at.column = "previous_secret";
		break;
	case WRONG_ROW:
		at.row = "8";
		break;
	case WRONG_KEY:
	case WRONG__MAX:
		break;
	}
	return seal_open(a, with, &at, bent, NULL) == NULL;
}

/* Another character of base64, so that the form stays right. */
static void
bend(char *sealed, size_t byte)
{
	sealed[byte] = sealed[byte] == 'A' ? 'B' : 'A';
}

static bool
all_ended_well(void)
{
	bool well = true;
	int status;

	for (int i = 0; i < PROCESSES; i++)
		well = wait(&status) > 0 && status == 0 && well;
	return well;
}

static int
nonce_order(const void *a, const void *b)
{
	return memcmp(a, b, NONCE_BYTES);
}

static void
print(const struct shared *all, size_t count, size_t equal)
{
	struct tally sum = { .opened = 0 };

	for (size_t i = 0; i < PROCESSES; i++) {
		sum.opened += all->tallies[i].opened;
		for (size_t w = 0; w < WRONG__MAX; w++) {
			sum.tried[w] += all->tallies[i].tried[w];
			sum.refused[w] += all->tallies[i].refused[w];
		}
	}
	printf("{\"sealed\": %zu, \"processes\": %d, \"equal\": %zu, \"opened\": %zu, \"wrong\": {",
	    count, PROCESSES, equal, sum.opened);
	for (size_t w = 0; w < WRONG__MAX; w++)
		printf("%s\"%s\": {\"tried\": %zu, \"refused\": %zu}", w ? ", " : "",
		    wrong_names[w], sum.tried[w], sum.refused[w]);
	printf("}}\n");
}
