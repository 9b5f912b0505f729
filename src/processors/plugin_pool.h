/*
 * plugin_pool - the processes of plug-ins as their parent sees them; for plugin*.c and their tests.
 */
#ifndef CRONWARD_PLUGIN_POOL_H
#define CRONWARD_PLUGIN_POOL_H

#include "engine/flow.h"
#include "plugin_parts.h"

enum {
	PLUGIN_NAME_MAX = 64,
	PLUGIN_FAULT_MAX = 768,
	PLUGIN_OUTPUTS = 2, /* standard output and standard error */
};

enum plugin_state {
	PLUGIN_STARTING, /* until it says that it is ready */
	PLUGIN_OPEN,
	PLUGIN_DYING, /* killed or gone: to be reaped, and then its items come back */
};

/* Why a process was killed; PLUGIN_BY_ITSELF: it was not. */
enum plugin_why {
	PLUGIN_BY_ITSELF,
	PLUGIN_TIMED_OUT,
	PLUGIN_STOPPED,  /* its job was to be stopped */
	PLUGIN_BABBLED,  /* said what makes no sense */
	PLUGIN_HUNG_UP,  /* closed its socket */
	PLUGIN_IDLED,    /* did not begin what it was sent */
	PLUGIN_DISMISSED /* is not needed any more */
};

/* A plug-in: what is known of it from its jobs so far. */
struct plugin_shelf {
	char name[PLUGIN_NAME_MAX + 1];
	char path[PATH_MAX + PLUGIN_NAME_MAX + sizeof("/.so")];
	char fault[PLUGIN_FAULT_MAX]; /* why it cannot be used; "": nothing is known against it */
	int64_t fault_us;
	int64_t average_us; /* of a job; below 0: not known */
	int deaths;         /* processes that ended without doing a job, one after the other */
	/* One has written where it should not, and who it was is lost: no jobs ahead any more. */
	bool is_careful;
	/* Of the file that its processes have loaded. */
	dev_t device;
	ino_t inode;
	int64_t changed_ns;
	struct plugin_shelf *next;
};

struct plugin_child {
	struct plugin_shelf *shelf;
	enum plugin_state state;
	enum plugin_why why;
	int64_t doomed_us; /* PLUGIN_HUNG_UP: killed then, unless it ends by itself; 0: it was */
	bool was_ready;
	enum verdict stop_verdict; /* PLUGIN_STOPPED: of the job that had begun */
	pid_t pid;
	int pidfd, socket, outputs[PLUGIN_OUTPUTS]; /* -1: none */
	int status;                                 /* of waitpid(), when it was reaped */
	struct plugin_shared *shared;
	uint32_t read; /* of the ring */
	struct text in, out;
	size_t out_at;
	int64_t since_us; /* when it was started, last got work while idle, or ended a job */
	/* Jobs that it has: numbers from first to next, but those without an item. */
	uint32_t first, next;
	int live;
	bool has_begun; /* the first of them */
	bool is_alone;  /* it has been handed to a process that had no other */
	int64_t began_us, noted_us;
	int percent; /* that was noted; below 0: none */
	struct item *items[PLUGIN_SLOTS];
	int64_t handed_us[PLUGIN_SLOTS];
	struct plugin_child *sibling;
};

/* How an item ended, until next() takes it. */
struct plugin_ended {
	struct item *item;
	enum verdict verdict;
};

struct plugin_pool {
	char directory[PATH_MAX]; /* "": none is set */
	int children_max;
	int places;            /* that there were when room was asked for last */
	const struct run *run; /* that it serves; NULL: it rests */
	/* item_note() and job_again(), unless a test has its own. */
	void (*note)(struct item *item, const struct item_note *note);
	enum verdict (*again)(struct item *item, int64_t wait_s);
	struct plugin_shelf *shelves;
	struct plugin_child *children;
	int children_count;
	struct plugin_ended *ended;
	size_t ended_at, ended_count, ended_room;
	int always_ready; /* a descriptor that poll() finds ready; -1: not yet made */
	struct flow_carrier carrier;
};

/* plugin_pool.c */
/* Whether ${name} may be that of a plug-in. */
bool plugin_name_is_sound(const char *name);
extern const char plugin_name_rule[];
/* ${p} is all zero but for directory, children_max, run and the two functions. */
void plugin_pool_init(struct plugin_pool *p);
/* Hands ${item} to a process of plug-in ${name}.  VERDICT_CARRY, or how it ended at once. */
enum verdict plugin_pool_hand(struct plugin_pool *p, const char *name, struct item *item);
/* Between two runs: forgets faults, reaps, lets the system reap from now on. */
void plugin_pool_rest(struct plugin_pool *p);
/* The first use after a rest: looks after processes and files. */
void plugin_pool_wake(struct plugin_pool *p);
void plugin_pool_finish(struct plugin_pool *p);
/* For plugin_child.c and plugin_answer.c. */
void plugin_pool_ended(struct plugin_pool *p, struct item *item, enum verdict verdict);

/* plugin_answer.c: what processes say, and what becomes of their items. */
/* Takes all that ${c} has said. */
void plugin_answer_take(struct plugin_pool *p, struct plugin_child *c, int64_t now_us);
/* Looks at the job that has begun: its progress, its time. */
void plugin_answer_watch(struct plugin_pool *p, struct plugin_child *c, int64_t now_us);
/* ${c} was reaped: its items come back. */
void plugin_answer_last(struct plugin_pool *p, struct plugin_child *c, int64_t now_us);
/* Takes back what ${c} has not begun. */
void plugin_answer_recall(struct plugin_pool *p, struct plugin_child *c);
/* Says what is wrong with ${shelf} from now on. */
void plugin_shelf_fault(struct plugin_shelf *shelf, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* plugin_child.c */
/* NULL with errno when the system has no place for it. */
struct plugin_child *plugin_child_start(struct plugin_shelf *shelf, int64_t now_us);
/* Queues ${item}, for which there is a slot; false: its payload is too long. */
bool plugin_child_hand(struct plugin_child *c, struct item *item, int64_t now_us);
/* Whether one more item has a slot. */
bool plugin_child_has_slot(const struct plugin_child *c);
/* Whether it is there and listens, as far as can be seen without waiting. */
bool plugin_child_listens(const struct plugin_child *c);
/* Writes what can be written. */
void plugin_child_flush(struct plugin_child *c);
/* It has closed its socket: if it has not just ended it will be killed. */
void plugin_child_doom(struct plugin_child *c);
/* Kills it and all that it has started. */
void plugin_child_kill(struct plugin_child *c, enum plugin_why why);
/* Kills one that was doomed when its time has come. */
void plugin_child_execute(struct plugin_child *c, int64_t now_us);
/* Whether it has ended; it has been reaped then. */
bool plugin_child_is_over(struct plugin_child *c);
/* "its process was killed by signal 11 (Segmentation fault)".  Returns ${to}. */
char *plugin_child_obituary(const struct plugin_child *c, char *to, size_t room);
/* What it has printed and not said: in ${to}, PLUGIN_OUTPUT_MAX bytes.  How many. */
size_t plugin_child_printed(const struct plugin_child *c, int output, char *to);
void plugin_child_destroy(struct plugin_child *c);

#endif
