/*
 * sync_cursor - what is known of an integration between two requests, as JSON.
 *
 * {"at": "issue",            the stream under way; absent: between passes
 *  "began": 1764000000,      when its pass began; absent: it has not yet
 *  "is_whole": true,         all is listed, and what is not is gone
 *  "page": "...",            where to go on
 *  "pages": 3,               how many have been taken
 *  "until": "...",           what the next pass is to ask with
 *  "etag": "...",            of the first page
 *  "is_due": true,           the sweep is next
 *  "rounds": 1,              how often what changed meanwhile has been read
 *  "part": "C1",             of a stream that has parts
 *  "is_all": true,           ... each of which is read whole; or no page counts as unchanged
 *  "todo": ["C1"],           parts that this stream has named so far
 *  "swept": "C1:17",         how far a long sweep is: the settle statement's alone
 *  "streams": {"issue": {
 *    "since": "...",         what was read before
 *    "etag": "...",          of the first page since then
 *    "whole_at": 1764000000, when it was read whole, and how long that took
 *    "whole_s": 12,
 *    "pages": [{"page": "...", "etag": "...", "sum": "..."}],
 *                            of a list that is always whole: what of each page is stored, and
 *                            noted for the sweep; the sum is of its things
 *    "is_changed": true,     ... pages were written, and no sweep has come since
 *    "noted": 3,             pages of a whole pass; what changed meanwhile is yet to be read
 *    "size": 50,             things of a page, where all that is allowed was too much
 *    "narrow_until": n, "skip_until": n, "not_before": n,
 *    "parts": {"C1": {"since": "..."}},
 *    "drop": ["C2"]}}}       of them: not named any more, and to be swept
 *
 * Times are seconds since 1970.
 */
#ifndef CRONWARD_WORKERS_SYNC_CURSOR_H
#define CRONWARD_WORKERS_SYNC_CURSOR_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct sync_stream;
struct sync_vendor;

enum {
	SYNC_CURSOR_MAX = 8 << 20, /* bytes of its text */
	SYNC_PLACE_MAX = 2048,     /* of a page, a since, an ETag */
	SYNC_PART_MAX = 64,        /* of a part's name, with a NUL */
	SYNC_PARTS_MAX = 10000,
	SYNC_KNOWN_MAX = 100,     /* pages that are known; those behind are written each time */
	SYNC_PAGES_MAX = 1000000, /* of one pass */
};

/* ${text} as a cursor of ${v}, bounded and consistent; {} where it is not.  The caller's. */
json_t *sync_cursor_read(const struct sync_vendor *v, const char *text);

/* Whether what changes while ${stream} is read whole may come to be listed in front of it. */
bool sync_cursor_moves(const struct sync_stream *stream);
/* The stream that is under way; NULL: none. */
const struct sync_stream *sync_cursor_stream(const struct sync_vendor *v, const json_t *cursor);
/* What is known of ${stream}; made where nothing is. */
json_t *sync_cursor_of(json_t *cursor, const struct sync_stream *stream);

/* Members of a cursor or of a part of it; NULL, 0 or false where there are none. */
const char *sync_cursor_text(const json_t *from, const char *name);
int64_t sync_cursor_number(const json_t *from, const char *name);
bool sync_cursor_says(const json_t *from, const char *name);
/* Sets a member; NULL, 0 and false take it away.  A text that cannot be kept counts as NULL. */
void sync_cursor_set_text(json_t *to, const char *name, const char *text);
void sync_cursor_set_number(json_t *to, const char *name, int64_t number);
void sync_cursor_set(json_t *to, const char *name, bool says);
/* Takes the members ${names} away, ended by NULL. */
void sync_cursor_forget(json_t *from, const char *const *names);
/* Those that belong to the pass of one stream. */
extern const char *const sync_cursor_of_pass[];

/*
 * Whether ${text} can be kept: no longer than SYNC_PLACE_MAX, and UTF-8 without control characters,
 * which no header may hold.
 */
bool sync_cursor_fits(const char *text);
/* Whether ${name} can be the name of a part: "PART:ID" tells whose a thing is. */
bool sync_cursor_is_part(const char *name);

#endif
