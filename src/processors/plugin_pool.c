/*
 * plugin_pool - which process gets which item, and when there are more processes.
 *
 * Short jobs go to a process many at a time, so that they cost no switch each, and stay with one
 * process while it keeps up.  Long ones are spread: a process gets none ahead, and another is
 * started while there is a place.  Which they are is measured, job by job; what was sent ahead and
 * has not begun when a job turns out to be long is taken back.
 */
#include "plugin_pool.h"

#include "base/arena.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	US_PER_MS = 1000,
	US_PER_S = 1000000,
	NS_PER_S = 1000000000,
	POOL_AHEAD_US = 4 * US_PER_MS,    /* work that a process may have in its queue */
	POOL_KEEPS_UP_US = 1 * US_PER_MS, /* work that is no reason for another process */
	POOL_LONG_US = 10 * US_PER_MS,    /* a job that is under way for so long gets no company */
	POOL_FAULT_US = 5 * US_PER_S,     /* how long a fault is believed */
	POOL_ENDED_MIN = 256,
	POOL_DOORBELL = 256, /* bytes of one read */
	POOL_END_MS = 100,
};

static int pool_busy(void *self);
static bool pool_has_room(void *self, const char *target, int places);
static int pool_poll_fds(void *self, struct pollfd *fds, int max);
static void pool_pump(void *self);
static struct item *pool_next(void *self, enum verdict *ret_verdict);
static void pool_stop(void *self, struct item *item, enum verdict verdict);
static struct plugin_shelf *pool_shelf(struct plugin_pool *p, const char *name);
static bool pool_shelf_is_faulty(struct plugin_shelf *shelf);
static struct plugin_child *pool_choose(
    struct plugin_pool *p, struct plugin_shelf *shelf, int places, int64_t now_us);
static int pool_depth(
    const struct plugin_shelf *shelf, const struct plugin_child *c, int64_t now_us);
static void pool_start(struct plugin_pool *p, struct plugin_shelf *shelf, int64_t now_us);
static void pool_child_pump(struct plugin_pool *p, struct plugin_child *c, int64_t now_us);
static void pool_child_listen(struct plugin_child *c);
static void pool_reap(struct plugin_pool *p, int64_t now_us);
static void pool_dismiss_idle(struct plugin_pool *p, const struct plugin_shelf *shelf);
static void pool_stop_child(
    struct plugin_pool *p, struct plugin_child *c, struct item *item, enum verdict verdict);
static bool pool_file_is_same(struct plugin_shelf *shelf);

const char plugin_name_rule[] =
    "the name of a plug-in is 1 to 64 of a-z, 0-9, '_', '-' and '.', and "
    "does not begin with '.'; correct job_types.target";

bool
plugin_name_is_sound(const char *name)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789_-.";
	size_t len = strspn(name, allowed);

	return len > 0 && len <= PLUGIN_NAME_MAX && name[len] == '\0' && name[0] != '.';
}

void
plugin_pool_init(struct plugin_pool *p)
{
	p->places = 1;
	p->always_ready = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
	p->carrier = (struct flow_carrier){
		.self = p,
		.busy = pool_busy,
		.has_room = pool_has_room,
		.poll_fds = pool_poll_fds,
		.pump = pool_pump,
		.next = pool_next,
		.stop = pool_stop,
	};
}

enum verdict
plugin_pool_hand(struct plugin_pool *p, const char *name, struct item *item)
{
	int64_t now_us = plugin_now_us();
	struct plugin_shelf *shelf = pool_shelf(p, name);
	struct plugin_child *c;

	if (pool_shelf_is_faulty(shelf))
		return item_hold(item, shelf->fault);
	c = pool_choose(p, shelf, p->places, now_us);
	if (!c)
		return VERDICT_BACK;
	if (plugin_child_hand(c, item, now_us))
		return VERDICT_CARRY;
	item_fail(item, "the payload is longer than the %d MB that a plug-in is given",
	    PLUGIN_JOB_MAX >> 20);
	return VERDICT_DEAD;
}

void
plugin_pool_rest(struct plugin_pool *p)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN };

	pool_reap(p, plugin_now_us());
	for (struct plugin_shelf *shelf = p->shelves; shelf; shelf = shelf->next) {
		shelf->fault[0] = '\0';
		shelf->deaths = 0;
		shelf->is_careful = false;
	}
	p->run = NULL;
	/* Those that go while nobody looks leave no zombie. */
	sigaction(SIGCHLD, &ignore, NULL);
}

void
plugin_pool_wake(struct plugin_pool *p)
{
	struct sigaction usual = { .sa_handler = SIG_DFL };

	sigaction(SIGCHLD, &usual, NULL);
	for (struct plugin_shelf *shelf = p->shelves; shelf; shelf = shelf->next)
		if (!pool_file_is_same(shelf))
			pool_dismiss_idle(p, shelf);
	for (struct plugin_child *c = p->children; c; c = c->sibling)
		if (plugin_child_is_over(c))
			plugin_child_kill(c, PLUGIN_DISMISSED);
	pool_reap(p, plugin_now_us());
}

void
plugin_pool_finish(struct plugin_pool *p)
{
	while (p->children) {
		struct plugin_child *c = p->children;

		p->children = c->sibling;
		plugin_child_kill(c, PLUGIN_DISMISSED);
		while (!plugin_child_is_over(c))
			poll(&(struct pollfd){ .fd = c->pidfd, .events = POLLIN }, 1, POOL_END_MS);
		plugin_child_destroy(c);
	}
	while (p->shelves) {
		struct plugin_shelf *shelf = p->shelves;

		p->shelves = shelf->next;
		free(shelf);
	}
	free(p->ended);
	if (p->always_ready >= 0)
		close(p->always_ready);
}

void
plugin_pool_ended(struct plugin_pool *p, struct item *item, enum verdict verdict)
{
	if (p->ended_at == p->ended_count)
		p->ended_at = p->ended_count = 0;
	if (p->ended_count == p->ended_room) {
		p->ended_room = p->ended_room ? 2 * p->ended_room : POOL_ENDED_MIN;
		p->ended = mem_grow(p->ended, p->ended_room * sizeof(*p->ended));
	}
	item->carried = NULL;
	p->ended[p->ended_count++] = (struct plugin_ended){ item, verdict };
}

static int
pool_busy(void *self)
{
	const struct plugin_pool *p = self;
	int busy = 0;

	for (const struct plugin_child *c = p->children; c; c = c->sibling)
		busy += c->live > 0;
	return busy;
}

/* Asking starts a process where one is needed. */
static bool
pool_has_room(void *self, const char *target, int places)
{
	struct plugin_pool *p = self;
	const char *colon = strchr(target, ':');
	struct plugin_shelf *shelf = pool_shelf(p, colon ? colon + 1 : target);
	int64_t now_us;
	int starting = 0;

	p->places = places;
	/* Its items are told what is wrong. */
	if (pool_shelf_is_faulty(shelf))
		return true;
	now_us = plugin_now_us();
	if (pool_choose(p, shelf, places, now_us))
		return true;
	for (const struct plugin_child *c = p->children; c; c = c->sibling) {
		/* One that is dying is replaced when its item is out. */
		if (c->shelf == shelf && c->state == PLUGIN_STARTING)
			return false;
		if (c->shelf == shelf && c->state == PLUGIN_OPEN && c->live > 0 &&
		    shelf->average_us >= 0 && shelf->average_us * c->live < POOL_KEEPS_UP_US &&
		    !(c->has_begun && now_us - c->began_us > POOL_LONG_US))
			return false;
		starting += c->state == PLUGIN_STARTING;
	}
	if (places - starting > 0)
		pool_start(p, shelf, now_us);
	return pool_shelf_is_faulty(shelf);
}

static int
pool_poll_fds(void *self, struct pollfd *fds, int max)
{
	struct plugin_pool *p = self;
	bool is_ready = p->ended_at < p->ended_count;
	int count = 0;

	for (struct plugin_child *c = p->children; c; c = c->sibling) {
		if (c->state == PLUGIN_OPEN && c->live == 0)
			continue;
		if (c->state == PLUGIN_OPEN)
			plugin_child_flush(c);
		/* First say that we sleep, then look: it looks and says in the other order. */
		atomic_store(&c->shared->parent_sleeps, 1);
		is_ready |= atomic_load(&c->shared->written) != c->read;
		if (count + 1 >= max)
			continue;
		if (c->state == PLUGIN_DYING)
			fds[count++] = (struct pollfd){ .fd = c->pidfd, .events = POLLIN };
		else
			fds[count++] = (struct pollfd){ .fd = c->socket,
				.events =
				    (short)(c->out.len > c->out_at ? POLLIN | POLLOUT : POLLIN) };
	}
	if (is_ready && count < max)
		fds[count++] = (struct pollfd){ .fd = p->always_ready, .events = POLLIN };
	return count;
}

static void
pool_pump(void *self)
{
	struct plugin_pool *p = self;
	int64_t now_us = plugin_now_us();

	for (struct plugin_child *c = p->children; c; c = c->sibling)
		pool_child_pump(p, c, now_us);
	pool_reap(p, now_us);
}

static struct item *
pool_next(void *self, enum verdict *ret_verdict)
{
	struct plugin_pool *p = self;
	const struct plugin_ended *ended;

	if (p->ended_at == p->ended_count)
		return NULL;
	ended = &p->ended[p->ended_at++];
	*ret_verdict = ended->verdict;
	return ended->item;
}

static void
pool_stop(void *self, struct item *item, enum verdict verdict)
{
	struct plugin_pool *p = self;

	for (struct plugin_child *c = p->children; c; c = c->sibling)
		if (!item || item->carried == c)
			pool_stop_child(p, c, item, verdict);
}

static void
pool_stop_child(
    struct plugin_pool *p, struct plugin_child *c, struct item *item, enum verdict verdict)
{
	if (c->live == 0 || c->state == PLUGIN_DYING)
		return;
	plugin_answer_take(p, c, plugin_now_us());
	if (item && item->carried != c)
		return; /* it had just ended */
	plugin_answer_recall(p, c);
	if (c->live == 0 || (item && item->carried != c))
		return;
	c->stop_verdict = verdict;
	plugin_child_kill(c, PLUGIN_STOPPED);
}

/* A new one where the name has not been seen; the last one that was asked for comes first. */
static struct plugin_shelf *
pool_shelf(struct plugin_pool *p, const char *name)
{
	struct plugin_shelf *shelf, **at;

	for (at = &p->shelves; (shelf = *at); at = &shelf->next)
		if (strcmp(shelf->name, name) == 0)
			break;
	if (shelf && at != &p->shelves) {
		*at = shelf->next;
	} else if (!shelf) {
		shelf = mem_zero(1, sizeof(*shelf));
		shelf->average_us = -1;
		snprintf(shelf->name, sizeof(shelf->name), "%s", name);
		snprintf(shelf->path, sizeof(shelf->path), "%s/%s.so", p->directory, name);
	} else {
		return shelf;
	}
	shelf->next = p->shelves;
	p->shelves = shelf;
	return shelf;
}

/* A fault is forgotten after a while: somebody may have put it right. */
static bool
pool_shelf_is_faulty(struct plugin_shelf *shelf)
{
	if (shelf->fault[0] && plugin_now_us() - shelf->fault_us > POOL_FAULT_US) {
		shelf->fault[0] = '\0';
		shelf->deaths = 0;
	}
	return shelf->fault[0] != '\0';
}

/* The process that gets the next item of ${shelf}'s, where ${places} more may be busy. */
static struct plugin_child *
pool_choose(struct plugin_pool *p, struct plugin_shelf *shelf, int places, int64_t now_us)
{
	struct plugin_child *busy = NULL, *idle = NULL;

	for (struct plugin_child *c = p->children; c; c = c->sibling) {
		if (c->shelf != shelf || c->state != PLUGIN_OPEN || !plugin_child_has_slot(c))
			continue;
		if (c->live == 0)
			idle = c;
		else if (c->live < pool_depth(shelf, c, now_us) && (!busy || c->live < busy->live))
			busy = c;
	}
	if (idle && places > 0 && !plugin_child_listens(idle)) {
		plugin_child_kill(idle, PLUGIN_DISMISSED);
		idle = NULL;
	}
	if (busy && (places <= 0 || !idle || busy->live * shelf->average_us < POOL_KEEPS_UP_US))
		return busy;
	return places > 0 ? idle : NULL;
}

/* How many jobs ${c} may have. */
static int
pool_depth(const struct plugin_shelf *shelf, const struct plugin_child *c, int64_t now_us)
{
	int64_t depth;

	if (shelf->average_us < 0 || shelf->is_careful ||
	    (c->has_begun && now_us - c->began_us > POOL_LONG_US))
		return 1;
	depth = POOL_AHEAD_US / (shelf->average_us + 1);
	return depth < 1 ? 1 : depth > PLUGIN_SLOTS ? PLUGIN_SLOTS : (int)depth;
}

static void
pool_start(struct plugin_pool *p, struct plugin_shelf *shelf, int64_t now_us)
{
	struct plugin_child *c;

	if (p->children_count >= p->children_max) {
		pool_dismiss_idle(p, NULL);
		return;
	}
	if (!p->directory[0]) {
		plugin_shelf_fault(
		    shelf, "PROCESSOR_DIR is not set; it names the folder that holds plug-ins");
		return;
	}
	if (!plugin_name_is_sound(shelf->name)) {
		plugin_shelf_fault(shelf, "%s", plugin_name_rule);
		return;
	}
	pool_file_is_same(shelf);
	c = plugin_child_start(shelf, now_us);
	if (!c) {
		plugin_shelf_fault(shelf, "no process for it: %s", strerror(errno));
		return;
	}
	c->sibling = p->children;
	p->children = c;
	p->children_count++;
}

static void
pool_child_pump(struct plugin_pool *p, struct plugin_child *c, int64_t now_us)
{
	if (c->state == PLUGIN_DYING || (c->state == PLUGIN_OPEN && c->live == 0))
		return;
	atomic_store_explicit(&c->shared->parent_sleeps, 0, memory_order_relaxed);
	plugin_answer_take(p, c, now_us);
	pool_child_listen(c);
	if (c->state == PLUGIN_STARTING &&
	    now_us - c->since_us > (int64_t)PLUGIN_SETUP_MS * US_PER_MS)
		plugin_child_kill(c, PLUGIN_IDLED);
	plugin_answer_watch(p, c, now_us);
	if (c->state == PLUGIN_OPEN)
		plugin_child_flush(c);
}

/* Bytes say nothing but that we were to wake up; their end says that it is gone. */
static void
pool_child_listen(struct plugin_child *c)
{
	char bytes[POOL_DOORBELL];
	ssize_t n = recv(c->socket, bytes, sizeof(bytes), MSG_DONTWAIT);

	if (n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR)))
		return;
	plugin_child_doom(c);
}

/* Those that were killed, and those that went, too. */
static void
pool_reap(struct plugin_pool *p, int64_t now_us)
{
	struct plugin_child **at = &p->children, *c;

	while ((c = *at)) {
		plugin_child_execute(c, now_us);
		if (c->state != PLUGIN_DYING || !plugin_child_is_over(c)) {
			at = &c->sibling;
			continue;
		}
		plugin_answer_last(p, c, now_us);
		*at = c->sibling;
		p->children_count--;
		plugin_child_destroy(c);
	}
}

/* Ends those that are idle: all of ${shelf}, or, where it is NULL, one of any. */
static void
pool_dismiss_idle(struct plugin_pool *p, const struct plugin_shelf *shelf)
{
	for (struct plugin_child *c = p->children; c; c = c->sibling) {
		if (c->state != PLUGIN_OPEN || c->live > 0 || (shelf && c->shelf != shelf))
			continue;
		plugin_child_kill(c, PLUGIN_DISMISSED);
		if (!shelf)
			return;
	}
}

/* Whether the plug-in's file is what it was when this was asked last. */
static bool
pool_file_is_same(struct plugin_shelf *shelf)
{
	struct stat st = { 0 };
	int64_t changed_ns;
	bool is_same;

	if (stat(shelf->path, &st) != 0)
		st = (struct stat){ 0 };
	changed_ns = (int64_t)st.st_ctim.tv_sec * NS_PER_S + st.st_ctim.tv_nsec;
	is_same = st.st_dev == shelf->device && st.st_ino == shelf->inode &&
		  changed_ns == shelf->changed_ns;
	shelf->device = st.st_dev;
	shelf->inode = st.st_ino;
	shelf->changed_ns = changed_ns;
	return is_same;
}
