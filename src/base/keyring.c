/*
 * keyring - the keys that secrets in the database are sealed with.
 */
#include "base/keyring.h"

#include "base/crypto.h"

#include <stdlib.h>
#include <string.h>

static const char keyring_id_characters[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";
static const char keyring_separators[] = ", \t\r\n";

static int keyring_read(struct keyring *ring, struct err *e);
static int keyring_add(
    struct keyring *fresh, const char *setting, const char *entry, size_t len, struct err *e);

int
keyring_load(struct keyring *ring, struct err *e)
{
	char *value = getenv("ENCRYPTION_KEYS");
	const char *path = getenv("ENCRYPTION_KEYS_FILE");
	size_t len = value ? strlen(value) : 0, text_len = len;
	int rc = 0;

	*ring = (struct keyring){ .count = 0 };
	if (value)
		secret_trim(value, &text_len);
	if (text_len > 0 && path && *path) {
		rc = err_set(e, ERR_NOT_CONFIGURED,
		    "ENCRYPTION_KEYS and ENCRYPTION_KEYS_FILE are both set; set one");
	} else if (path && *path) {
		secret_file_init(&ring->file, path);
		rc = keyring_read(ring, e);
	} else if (text_len > 0) {
		rc = keyring_parse(ring, value, len, e);
	}
	if (value) {
		crypto_wipe(value, len);
		unsetenv("ENCRYPTION_KEYS");
	}
	return rc;
}

void
keyring_finish(struct keyring *ring)
{
	secret_file_finish(&ring->file);
	crypto_wipe(ring, sizeof(*ring));
}

void
keyring_refresh(struct keyring *ring)
{
	if (secret_file_change(&ring->file) == SECRET_FILE_CHANGED)
		keyring_read(ring, NULL);
}

int
keyring_parse(struct keyring *ring, const char *text, size_t len, struct err *e)
{
	const char *setting = ring->file.path ? "ENCRYPTION_KEYS_FILE" : "ENCRYPTION_KEYS";
	struct keyring fresh = { .count = 0 };
	int rc = 0;

	if (memchr(text, '\0', len))
		return err_set(e, ERR_NOT_CONFIGURED, "%s: holds a NUL", setting);
	while (rc == 0 && *(text += strspn(text, keyring_separators))) {
		len = strcspn(text, keyring_separators);
		rc = keyring_add(&fresh, setting, text, len, e);
		text += len;
	}
	/* None at all is a mistake, and must not take the place of those in force. */
	if (rc == 0 && fresh.count == 0)
		rc = err_set(e, ERR_NOT_CONFIGURED, "%s: holds no key", setting);
	if (rc == 0) {
		ring->count = fresh.count;
		memcpy(ring->keys, fresh.keys, sizeof(ring->keys));
	}
	crypto_wipe(&fresh, sizeof(fresh));
	return rc;
}

size_t
keyring_id_len(const char *text)
{
	return strspn(text, keyring_id_characters);
}

const struct keyring_key *
keyring_find(const struct keyring *ring, const char *id, size_t len)
{
	for (size_t i = 0; i < ring->count; i++)
		if (strlen(ring->keys[i].id) == len && memcmp(ring->keys[i].id, id, len) == 0)
			return &ring->keys[i];
	return NULL;
}

static int
keyring_read(struct keyring *ring, struct err *e)
{
	struct secret_text text = { .len = 0 };
	const char *fault = secret_file_read(ring->file.path, &text);
	int rc = fault ? err_set(e, ERR_NOT_CONFIGURED, "ENCRYPTION_KEYS_FILE: \"%s\": %s",
			     ring->file.path, fault)
		       : keyring_parse(ring, text.bytes, text.len, e);

	if (rc == 0)
		secret_file_keep(&ring->file, &text);
	secret_text_wipe(&text);
	return rc;
}

/* What stands in the message is the entry's number, for even a wrong entry may hold a key. */
static int
keyring_add(
    struct keyring *fresh, const char *setting, const char *entry, size_t len, struct err *e)
{
	size_t id_len = keyring_id_len(entry);
	struct keyring_key *key = &fresh->keys[fresh->count];
	const char *fault = NULL;

	if (fresh->count == KEYRING_KEYS_MAX)
		return err_set(e, ERR_NOT_CONFIGURED, "%s: holds more than %d keys", setting,
		    KEYRING_KEYS_MAX);
	if (id_len == 0 || id_len > KEYRING_ID_MAX || id_len >= len || entry[id_len] != ':')
		fault = "does not begin with an id of 1-32 letters, digits, _ or - and a colon";
	else if (keyring_find(fresh, entry, id_len))
		fault = "has the id of another one";
	else if (crypto_base64_decode(key->bytes, sizeof(key->bytes), entry + id_len + 1,
		     len - id_len - 1) != KEYRING_KEY_BYTES)
		fault = "is not 32 bytes in base64 (make one with `openssl rand -base64 32`)";
	if (fault)
		return err_set(e, ERR_NOT_CONFIGURED,
		    "%s: key %zu %s; allowed: id:base64-of-32-bytes, newest first", setting,
		    fresh->count + 1, fault);
	memcpy(key->id, entry, id_len);
	fresh->count++;
	return 0;
}
