/*
 * The ring of keys: what parses, what is refused and how it is told, and that a file which is
 * damaged, emptied or gone leaves the keys in force.
 */
#include "base/keyring.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "secret_files.h"

/* 00 01 .. 1f, and 32 times ff; and with a byte less and a byte more. */
#define A_KEY "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
#define B_KEY "//////////////////////////////////////////8="
#define SHORT_KEY "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHg=="
#define LONG_KEY "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8g"
#define ID_32 "abcdefghijklmnopqrstuvwxyz_-0123"

#define ALLOWED "; allowed: id:base64-of-32-bytes, newest first"
#define NO_ID " does not begin with an id of 1-32 letters, digits, _ or - and a colon" ALLOWED
#define NO_KEY " is not 32 bytes in base64 (make one with `openssl rand -base64 32`)" ALLOWED

static int
setup(void **state)
{
	(void)state;
	unsetenv("ENCRYPTION_KEYS");
	unsetenv("ENCRYPTION_KEYS_FILE");
	unlink(path);
	return 0;
}

/* The ids in their order, with a space between them. */
static void
has_ids(const struct keyring *ring, const char *ids)
{
	char found[KEYRING_KEYS_MAX * (KEYRING_ID_MAX + 1) + 1] = "";
	size_t len = 0;

	for (size_t i = 0; i < ring->count; i++)
		len += (size_t)snprintf(
		    found + len, sizeof(found) - len, "%s%s", i ? " " : "", ring->keys[i].id);
	assert_string_equal(found, ids);
}

static void
parses(const char *text, const char *ids)
{
	struct err e = { .code = ERR_OK };
	struct keyring ring = { .count = 0 };

	if (keyring_parse(&ring, text, strlen(text), &e) != 0)
		fail_msg("%s: %s", text, e.message);
	has_ids(&ring, ids);
	assert_string_equal(e.message, "");
}

/* With this message, and the keys that were there stay. */
static void
refused(const char *text, size_t len, const char *message)
{
	struct err e = { .code = ERR_OK };
	struct keyring ring = { .count = 0 };
	struct keyring before;

	assert_int_equal(keyring_parse(&ring, "old:" A_KEY, strlen("old:" A_KEY), NULL), 0);
	before = ring;
	assert_int_equal(keyring_parse(&ring, text, len, &e), -1);
	assert_int_equal(e.code, ERR_NOT_CONFIGURED);
	assert_string_equal(e.message, message);
	assert_memory_equal(&ring, &before, sizeof(ring));
	assert_int_equal(keyring_parse(&ring, text, len, NULL), -1);
	assert_memory_equal(&ring, &before, sizeof(ring));
}

static void
refused_text(const char *text, const char *message)
{
	refused(text, strlen(text), message);
}

static void
keys_are_separated_by_commas_spaces_or_lines(void **state)
{
	(void)state;
	parses("k1:" A_KEY, "k1");
	parses("k2:" A_KEY ",k1:" B_KEY, "k2 k1");
	parses("k2:" A_KEY " k1:" B_KEY, "k2 k1");
	parses("k2:" A_KEY "\nk1:" B_KEY "\n", "k2 k1");
	parses("k2:" A_KEY "\r\nk1:" B_KEY "\r\n", "k2 k1");
	parses(" ,\t\r\n,k9:" A_KEY " , \r\n,\tk1:" B_KEY ", k5:" A_KEY ",,", "k9 k1 k5");
	parses(ID_32 ":" A_KEY, ID_32);
	parses("Z:" A_KEY " z:" A_KEY " -:" A_KEY " _:" A_KEY " 0:" A_KEY, "Z z - _ 0");
	/* As `openssl rand -base64 32 | tr -d =` has it. */
	parses("k1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8", "k1");
}

static void
the_bytes_are_the_ones_that_were_given(void **state)
{
	static const char text[] = "k2:" B_KEY "\nk1:" A_KEY "\n";
	struct keyring ring = { .count = 0 };
	unsigned char ones[KEYRING_KEY_BYTES];
	const struct keyring_key *key;

	(void)state;
	memset(ones, 0xff, sizeof(ones));
	assert_int_equal(keyring_parse(&ring, text, strlen(text), NULL), 0);
	assert_memory_equal(ring.keys[0].bytes, ones, sizeof(ones));
	key = keyring_find(&ring, "k1.", 2);
	assert_ptr_equal(key, &ring.keys[1]);
	for (int i = 0; i < KEYRING_KEY_BYTES; i++)
		assert_int_equal(key->bytes[i], i);
	assert_null(keyring_find(&ring, "k1.", 3));
	assert_null(keyring_find(&ring, "k", 1));
	assert_null(keyring_find(&ring, "", 0));
	assert_null(keyring_find(&ring, "K1", 2));
	assert_null(keyring_find(&ring, "k1\0", 3));
	assert_int_equal(keyring_id_len("k1.x"), 2);
	assert_int_equal(keyring_id_len(ID_32 "x:"), 33);
	assert_int_equal(keyring_id_len(""), 0);
	assert_int_equal(keyring_id_len("\xc3\xa9"), 0);
	keyring_finish(&ring);
	assert_int_equal(ring.count, 0);
	assert_null(keyring_find(&ring, "k1", 2));
}

static void
wrong_entries_are_refused_by_their_number(void **state)
{
	(void)state;
	refused_text("", "ENCRYPTION_KEYS: holds no key");
	refused_text(" ,\r\n", "ENCRYPTION_KEYS: holds no key");
	refused("k1:" A_KEY "\0", strlen("k1:" A_KEY) + 1, "ENCRYPTION_KEYS: holds a NUL");
	refused("\0", 1, "ENCRYPTION_KEYS: holds a NUL");
	refused_text(A_KEY, "ENCRYPTION_KEYS: key 1" NO_ID);
	refused_text(":" A_KEY, "ENCRYPTION_KEYS: key 1" NO_ID);
	refused_text("k1", "ENCRYPTION_KEYS: key 1" NO_ID);
	refused_text("k1=" A_KEY, "ENCRYPTION_KEYS: key 1" NO_ID);
	refused_text("k.1:" A_KEY, "ENCRYPTION_KEYS: key 1" NO_ID);
	refused_text("\xef\xbb\xbfk1:" A_KEY, "ENCRYPTION_KEYS: key 1" NO_ID);
	refused_text(ID_32 "x:" A_KEY, "ENCRYPTION_KEYS: key 1" NO_ID);
	refused_text("k1:" A_KEY " :" A_KEY, "ENCRYPTION_KEYS: key 2" NO_ID);
	refused_text("k1 :" A_KEY, "ENCRYPTION_KEYS: key 1" NO_ID);
	refused_text("k1:", "ENCRYPTION_KEYS: key 1" NO_KEY);
	refused_text("k1: " A_KEY, "ENCRYPTION_KEYS: key 1" NO_KEY);
	refused_text("k1::" A_KEY, "ENCRYPTION_KEYS: key 1" NO_KEY);
	refused_text("k1:" SHORT_KEY, "ENCRYPTION_KEYS: key 1" NO_KEY);
	refused_text("k1:" LONG_KEY, "ENCRYPTION_KEYS: key 1" NO_KEY);
	refused_text("k1:" A_KEY "=", "ENCRYPTION_KEYS: key 1" NO_KEY);
	refused_text("k1:" A_KEY ";k2:" B_KEY, "ENCRYPTION_KEYS: key 1" NO_KEY);
	refused_text("k2:" A_KEY ",k1:" A_KEY A_KEY, "ENCRYPTION_KEYS: key 2" NO_KEY);
	/* The alphabet of URLs, and hexadecimal. */
	refused_text(
	    "k1:__________________________________________8=", "ENCRYPTION_KEYS: key 1" NO_KEY);
	refused_text("k1:000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
	    "ENCRYPTION_KEYS: key 1" NO_KEY);
	refused_text("k1:" A_KEY ",k2:" B_KEY ",k1:" B_KEY,
	    "ENCRYPTION_KEYS: key 3 has the id of another one" ALLOWED);
}

static void
sixteen_keys_are_the_most(void **state)
{
	char text[17 * 64];
	size_t len = 0;

	(void)state;
	for (int i = 1; i <= 17; i++) {
		len += (size_t)snprintf(text + len, sizeof(text) - len, "k%d:" A_KEY ",", i);
		if (i == 16)
			parses(text, "k1 k2 k3 k4 k5 k6 k7 k8 k9 k10 k11 k12 k13 k14 k15 k16");
	}
	refused_text(text, "ENCRYPTION_KEYS: holds more than 16 keys");
}

static void
the_environment_gives_and_is_wiped(void **state)
{
	static char entry[] = "ENCRYPTION_KEYS=k2:" A_KEY ",k1:" B_KEY;
	static char wrong[] = "ENCRYPTION_KEYS=k2:" SHORT_KEY;
	struct err e = { .code = ERR_OK };
	struct keyring ring;

	(void)state;
	putenv(entry);
	assert_int_equal(keyring_load(&ring, &e), 0);
	has_ids(&ring, "k2 k1");
	assert_null(getenv("ENCRYPTION_KEYS"));
	for (size_t i = strlen("ENCRYPTION_KEYS="); i < sizeof(entry); i++)
		assert_int_equal(entry[i], 0);
	keyring_refresh(&ring);
	has_ids(&ring, "k2 k1");
	keyring_finish(&ring);

	putenv(wrong);
	assert_int_equal(keyring_load(&ring, &e), -1);
	assert_string_equal(e.message, "ENCRYPTION_KEYS: key 1" NO_KEY);
	assert_null(getenv("ENCRYPTION_KEYS"));
	for (size_t i = strlen("ENCRYPTION_KEYS="); i < sizeof(wrong); i++)
		assert_int_equal(wrong[i], 0);
	keyring_finish(&ring);
}

static void
nothing_set_is_a_ring_without_keys(void **state)
{
	struct err e = { .code = ERR_OK };
	struct keyring ring;

	(void)state;
	assert_int_equal(keyring_load(&ring, &e), 0);
	assert_int_equal(ring.count, 0);
	keyring_refresh(&ring);
	keyring_finish(&ring);

	setenv("ENCRYPTION_KEYS", " \n", 1);
	setenv("ENCRYPTION_KEYS_FILE", "", 1);
	assert_int_equal(keyring_load(&ring, &e), 0);
	assert_int_equal(ring.count, 0);
	assert_null(getenv("ENCRYPTION_KEYS"));
	keyring_finish(&ring);

	/* An empty one beside a file does not stand against it. */
	write_text("k1:" A_KEY);
	setenv("ENCRYPTION_KEYS", " ", 1);
	setenv("ENCRYPTION_KEYS_FILE", path, 1);
	assert_int_equal(keyring_load(&ring, &e), 0);
	has_ids(&ring, "k1");
	keyring_finish(&ring);
}

/* Loads, and wants it refused with exactly this message. */
static void
load_refused(const char *message)
{
	struct err e = { .code = ERR_OK };
	struct keyring ring;

	assert_int_equal(keyring_load(&ring, &e), -1);
	assert_int_equal(e.code, ERR_NOT_CONFIGURED);
	assert_string_equal(e.message, message);
	assert_int_equal(ring.count, 0);
	assert_null(getenv("ENCRYPTION_KEYS"));
	keyring_finish(&ring);
}

static void
wrong_settings_are_refused(void **state)
{
	char message[256];

	(void)state;
	setenv("ENCRYPTION_KEYS_FILE", path, 1);
	snprintf(message, sizeof(message),
	    "ENCRYPTION_KEYS_FILE: \"%s\": No such file or directory", path);
	load_refused(message);
	write_text("k1:" A_KEY);
	setenv("ENCRYPTION_KEYS", "k1:" A_KEY, 1);
	load_refused("ENCRYPTION_KEYS and ENCRYPTION_KEYS_FILE are both set; set one");
	setenv("ENCRYPTION_KEYS", ",", 1);
	unsetenv("ENCRYPTION_KEYS_FILE");
	load_refused("ENCRYPTION_KEYS: holds no key");
	setenv("ENCRYPTION_KEYS_FILE", path, 1);
	write_text(" ,\n");
	load_refused("ENCRYPTION_KEYS_FILE: holds no key");
	write_file(path, "k1:" A_KEY "\0", strlen("k1:" A_KEY) + 1);
	load_refused("ENCRYPTION_KEYS_FILE: holds a NUL");
	write_text("k1:" A_KEY "\r\nk2:" SHORT_KEY "\r\n");
	load_refused("ENCRYPTION_KEYS_FILE: key 2" NO_KEY);
}

static void
a_new_file_counts_without_a_restart(void **state)
{
	struct err e = { .code = ERR_OK };
	struct keyring ring;

	(void)state;
	write_text("k1:" A_KEY "\r\n");
	setenv("ENCRYPTION_KEYS_FILE", path, 1);
	assert_int_equal(keyring_load(&ring, &e), 0);
	has_ids(&ring, "k1");
	/* The same length each time. */
	for (int i = 0; i < 6; i++) {
		write_text(i % 2 ? "k1:" A_KEY "\r\n" : "k2:" B_KEY "\r\n");
		keyring_refresh(&ring);
		has_ids(&ring, i % 2 ? "k1" : "k2");
		assert_int_equal(ring.keys[0].bytes[0], i % 2 ? 0 : 0xff);
	}
	write_text("k3:" A_KEY ",k2:" B_KEY ",k1:" A_KEY);
	keyring_refresh(&ring);
	has_ids(&ring, "k3 k2 k1");
	write_file(path_next, "k3:" A_KEY, strlen("k3:" A_KEY));
	assert_int_equal(rename(path_next, path), 0);
	keyring_refresh(&ring);
	has_ids(&ring, "k3");
	assert_null(keyring_find(&ring, "k1", 2));
	/* Nothing of the keys that went is left behind the last one. */
	for (size_t i = 1; i < KEYRING_KEYS_MAX; i++)
		for (size_t j = 0; j < KEYRING_KEY_BYTES; j++)
			assert_int_equal(ring.keys[i].bytes[j], 0);
	keyring_finish(&ring);
}

static void
a_broken_file_keeps_the_keys(void **state)
{
	static const char *const broken[] = { "", "\n \n", ",", "k2", "k2:" SHORT_KEY,
		"k2:" B_KEY ",k3:x", "k2:" B_KEY ",k2:" B_KEY };
	struct err e = { .code = ERR_OK };
	struct keyring ring;
	char *big = malloc(SECRET_FILE_MAX + 1);

	(void)state;
	assert_non_null(big);
	write_text("k1:" A_KEY);
	setenv("ENCRYPTION_KEYS_FILE", path, 1);
	assert_int_equal(keyring_load(&ring, &e), 0);
	for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
		write_text(broken[i]);
		keyring_refresh(&ring);
		has_ids(&ring, "k1");
	}
	write_file(path, "k2:" B_KEY "\0", strlen("k2:" B_KEY) + 1);
	keyring_refresh(&ring);
	has_ids(&ring, "k1");
	memset(big, '\n', SECRET_FILE_MAX + 1);
	memcpy(big, "k2:" B_KEY, strlen("k2:" B_KEY));
	write_file(path, big, SECRET_FILE_MAX + 1);
	keyring_refresh(&ring);
	has_ids(&ring, "k1");
	unlink(path);
	keyring_refresh(&ring);
	has_ids(&ring, "k1");
	mkdir(path, 0700);
	keyring_refresh(&ring);
	has_ids(&ring, "k1");
	rmdir(path);
	mkfifo(path, 0600);
	keyring_refresh(&ring);
	has_ids(&ring, "k1");
	unlink(path);
	assert_int_equal(ring.keys[0].bytes[31], 31);
	/* The longest file there may be, made whole again. */
	write_file(path, big, SECRET_FILE_MAX);
	keyring_refresh(&ring);
	has_ids(&ring, "k2");
	keyring_finish(&ring);
	free(big);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(keys_are_separated_by_commas_spaces_or_lines, setup),
		cmocka_unit_test_setup(the_bytes_are_the_ones_that_were_given, setup),
		cmocka_unit_test_setup(wrong_entries_are_refused_by_their_number, setup),
		cmocka_unit_test_setup(sixteen_keys_are_the_most, setup),
		cmocka_unit_test_setup(the_environment_gives_and_is_wiped, setup),
		cmocka_unit_test_setup(nothing_set_is_a_ring_without_keys, setup),
		cmocka_unit_test_setup(wrong_settings_are_refused, setup),
		cmocka_unit_test_setup(a_new_file_counts_without_a_restart, setup),
		cmocka_unit_test_setup(a_broken_file_keeps_the_keys, setup),
	};

	return cmocka_run_group_tests(tests, files_setup, files_teardown);
}
