/*
 * foreign - what statements need that run an application's own code: to be heard, and to be ended.
 */
#include "db_parts.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>

enum {
	DB_CANCEL_ERROR_MAX = 256, /* as libpq's manual has it */
};

static int db_cancel_start(PGcancel *);
static void *db_cancel_work(void *cancel);

void
db_on_notice(struct db *db, void (*hear)(void *cookie, const PGresult *notice), void *cookie)
{
	db->hear = hear;
	db->hear_cookie = cookie;
}

/*
 * A request to cancel is a connection of its own, which PQcancel makes and waits for, for minutes
 * where the host is gone: so it is for a thread that nobody waits for.
 */
int
db_cancel(struct db *db, struct err *e)
{
	PGcancel *cancel = db->conn ? PQgetCancel(db->conn) : NULL;
	int why;

	if (!cancel)
		return err_set(e, ERR_DATABASE, DB_ERR_PREFIX " connection lost");
	why = db_cancel_start(cancel);
	if (why == 0)
		return 0;
	PQfreeCancel(cancel);
	return err_set(e, ERR_INTERNAL, "no thread to cancel a statement: %s", strerror(why));
}

/* 0, and ${cancel} is the thread's; or an errno. */
static int
db_cancel_start(PGcancel *cancel)
{
	sigset_t all, before;
	pthread_t thread;
	int why;

	/* Signals are for the thread that waits for them. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	why = pthread_create(&thread, NULL, db_cancel_work, cancel);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (why == 0)
		pthread_detach(thread);
	return why;
}

static void *
db_cancel_work(void *cancel)
{
	char why[DB_CANCEL_ERROR_MAX];

	/* What was not cancelled ends by its time-out. */
	PQcancel(cancel, why, sizeof why);
	PQfreeCancel(cancel);
	return NULL;
}
