/*
 * sync - what the vendors whose accounts are synced have in common: how they are asked for one
 * page of what they list, how their answers read, and how a token is refreshed.
 *
 * A vendor lists things of several kinds, each a stream.  It knows nothing of where the things are
 * kept, nor of what was asked before: that is the worker's part (workers/sync_state.h).
 */
#ifndef CRONWARD_VENDORS_SYNC_H
#define CRONWARD_VENDORS_SYNC_H

#include "base/json_find.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena;
struct conf;
struct http_reply;
struct http_request;
struct oauth;

enum {
	SYNC_SAYS_MAX = 320,
	SYNC_REPLY_MAX = 4 << 20, /* bytes of a page; what is longer is asked for in smaller ones */
	SYNC_STREAMS_MAX = 4,
	SYNC_SIZE_MIN = 5, /* things of a page, when it cannot get smaller */
};

/* Things of one kind, as a vendor lists them. */
struct sync_stream {
	const char *kind; /* integration_items.kind */
	/* The member that tells one from the others: a text or a whole number. */
	const char *id;
	/* NULL, or a JSON object: a thing that has all of its members is not there any more. */
	const char *gone;
	int size_max; /* things of a page */
	/* What it lists is always the whole, so that what is not listed is gone.  Others list what
	 * has changed since, and are read as a whole now and then for what is gone ... */
	bool is_whole;
	bool tells_gone; /* ... but not where a change tells that, too */
	/* Each page has an ETag, and is not sent again while it fits. */
	bool has_etags;
	/* Listed once for each part that the answers of an earlier stream have named, such as the
	 * messages of a channel; their ids are "PART:ID". */
	bool has_parts;
	/* NULL, or the kind whose things are parts of this one's: they go with it. */
	const char *parts_kind;
};

struct sync_ask {
	const struct conf *conf; /* addresses, and who we are */
	const struct sync_stream *stream;
	const char *token; /* the access token, plain */
	const char *part;  /* of streams that have parts */
	const char *page;  /* where to go on, as an answer said it; NULL: at the beginning */
	const char *since; /* what was read before, as its last answer said it; NULL: the whole */
	const char *etag;  /* NULL: none */
	int size;          /* things of a page, stream->size_max at most */
	bool is_narrow;    /* SYNC_NARROW was answered before */
};

enum sync_outcome {
	SYNC_PAGE,    /* things, and where to go on */
	SYNC_SAME,    /* nothing has changed since the ETag */
	SYNC_NARROW,  /* ask for less: what is asked for besides is not allowed */
	SYNC_SKIP,    /* this stream, or part, is not to be had with this token: no error */
	SYNC_RESTART, /* page or since are not known any more: read the whole */
	SYNC_SMALLER, /* the answer was too long: ask for smaller pages */
	SYNC_LIMITED, /* too many requests: again after wait_s */
	/* The access token is not accepted (any more): refresh it; without a refresh token this is
	 * what REVOKED is. */
	SYNC_EXPIRED,
	SYNC_REVOKED, /* nor will it be: the user has to connect again */
	SYNC_FAILED,  /* no answer, or an error of theirs: may be asked again */
	SYNC_REFUSED, /* asked again it would say the same: no permission, or a defect of ours */
	SYNC_OUTCOME__MAX
};

struct sync_answer {
	enum sync_outcome outcome;
	/* PAGE.  Texts and spans live in the arena, or in the reply's body. */
	struct json_span items; /* the array, which json_fault() has found sound; none: empty */
	const char *next;       /* where to go on; NULL: this was the last page */
	/* What the next pass is to ask with, if this one gets through: of those that the pages of a
	 * pass say, the greatest as a text.  NULL: this page does not say. */
	const char *since;
	bool is_known;            /* what would follow was read before: no need to go on */
	const char *etag;         /* of this page; NULL: none */
	const char *const *parts; /* for a later stream that has parts */
	size_t parts_count;
	int64_t poll_s; /* not to be asked again for so long; 0: nothing about that */
	/* LIMITED, FAILED: seconds that it asks for; -1: it does not say. */
	int64_t wait_s;
	bool is_everybodys; /* LIMITED: it concerns all accounts of this vendor */
	/* Unless PAGE or SAME: what went wrong, fit for a row, without the token. */
	char says[SYNC_SAYS_MAX];
};

enum sync_refresh_outcome {
	SYNC_REFRESHED,
	SYNC_REFRESH_DEAD,   /* it is not accepted: the user has to connect again */
	SYNC_REFRESH_OURS,   /* client id or secret are not: nobody's token is refreshed */
	SYNC_REFRESH_FAILED, /* it was not asked, or says so: the refresh token is as before */
	SYNC_REFRESH_LOST,   /* no answer, or none that can be read: it may be used up */
	SYNC_REFRESH_OUTCOME__MAX
};

struct sync_tokens {
	enum sync_refresh_outcome outcome;
	const char *access;   /* in the arena; the caller wipes both */
	const char *refresh;  /* NULL: the one that was used stays good */
	int64_t expires_in_s; /* 0: it does not say */
	int64_t wait_s;       /* FAILED, LOST: as above */
	bool is_of_account;   /* FAILED, LOST: the vendor may well answer others */
	char says[SYNC_SAYS_MAX];
};

struct sync_vendor {
	const char *name;                             /* user_integrations.provider */
	const char *label;                            /* for people */
	struct sync_stream streams[SYNC_STREAMS_MAX]; /* in the order in which they are read ... */
	int streams_count;
	int64_t pause_ms; /* between two requests of one account */
	/* The refresh token dies with its answer, which has the next one. */
	bool burns;
	/* A user agent's and all other headers, too; url and body in ${a}.  q->refused is set where
	 * something can be no header. */
	void (*ask)(struct arena *a, const struct sync_ask *ask, struct http_request *q);
	/* At ${now_unix_s}.  reply->is_ours and reply->refused are the caller's to judge. */
	void (*read)(struct arena *a, const struct sync_ask *ask, const struct http_reply *reply,
	    int64_t now_unix_s, struct sync_answer *ret_answer);
	/* Where its tokens are refreshed, and in whose name; texts in ${a} and the settings. */
	struct oauth (*oauth)(struct arena *a, const struct conf *conf);
	const char *(*base_url)(const struct conf *conf);
};

extern const struct sync_vendor sync_github, sync_notion, sync_slack, sync_google_calendar;

#endif
