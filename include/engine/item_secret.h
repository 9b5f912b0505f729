/*
 * item_secret - the secret that an item's receiver shares with us.
 */
#ifndef CRONWARD_ENGINE_ITEM_SECRET_H
#define CRONWARD_ENGINE_ITEM_SECRET_H

#include "engine/flow.h"
#include "engine/sealed_columns.h"

struct run;
struct sign_keys;

struct item_secret {
	enum sealed_column_id column;
	const char *owner; /* the row that has it */
	const char *value; /* as it stands there, plain or sealed */
	const char *whose; /* for people: "the endpoint" */
};

/*
 * Adds the key of ${secret} to ${keys}, which the caller wipes.  VERDICT_SEND; or, with the item's
 * error, VERDICT_HOLD where it does not open, which says nothing about the receiver: the item waits
 * until the key is there; VERDICT_DEAD where it opens and is no key, which is its row's fault.
 */
enum verdict item_secret_key(
    struct run *r, struct item *item, const struct item_secret *secret, struct sign_keys *keys);

#endif
