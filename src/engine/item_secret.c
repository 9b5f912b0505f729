/*
 * item_secret - opens a secret for as long as it takes to make a key of it.
 */
#include "engine/item_secret.h"

#include "base/crypto.h"
#include "engine/run.h"
#include "http/sign.h"

#include <assert.h>
#include <string.h>

enum verdict
item_secret_key(
    struct run *r, struct item *item, const struct item_secret *secret, struct sign_keys *keys)
{
	const struct sealed_column *column = &sealed_columns[secret->column];
	struct err e = { .code = ERR_OK };
	const char *plain =
	    sealed_open(item->memory, r->keyring, column, secret->owner, secret->value, &e);
	int rc;

	assert(keys->count < SIGN_KEYS_MAX);
	if (!plain)
		return item_hold(item, e.message);
	rc = sign_key_parse(&keys->keys[keys->count], plain);
	if (plain != secret->value)
		crypto_wipe((char *)plain, strlen(plain));
	if (rc == 0) {
		keys->count++;
		return VERDICT_SEND;
	}
	item_fail(item, "%s's %s is neither whsec_ and base64 nor a short text", secret->whose,
	    column->column);
	return VERDICT_DEAD;
}
