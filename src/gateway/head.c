/*
 * head - walks over the records of a request's head without keeping any of it.
 *
 * FastCGI 1.0: a record is a header of eight bytes (version, type, request id in two, length in
 * two, padding, reserved), the content and the padding.  The contents of all PARAMS records
 * together are one stream of pairs: length of the name, length of the value (one byte each, or
 * four with the top bit set), name, value.  An empty PARAMS record ends the stream.
 */
#include "gateway/head.h"

#include <stdbool.h>

enum {
	RECORD_HEADER = 8,
	RECORD_VERSION = 1,
	RECORD_BEGIN_REQUEST = 1,
	RECORD_PARAMS = 4,
	RECORD_STDIN = 5,
	BEGIN_BODY = 8,
	ROLE_RESPONDER = 1,
	LENGTH_SHORT = 1,
	LENGTH_LONG = 4,
	LENGTH_IS_LONG = 0x80,
};

struct record {
	unsigned type, id;
	size_t len, padding;
	const unsigned char *content;
};

/* Where in the stream of pairs the walk is. */
struct pairs {
	unsigned char lengths[2 * LENGTH_LONG];
	size_t lengths_have;
	size_t left; /* of name and value together */
};

static bool record_read(struct record *, const unsigned char *at, size_t len);
static bool pairs_walk(struct pairs *, const unsigned char *at, size_t len);
static size_t pairs_lengths_want(const struct pairs *);
static size_t pairs_length(const unsigned char *at);
static bool head_rest_is_stdin(const unsigned char *at, size_t len, unsigned id);

enum head_verdict
head_check(const unsigned char *at, size_t len)
{
	struct pairs pairs = { .left = 0 };
	struct record r;
	size_t done = 0;
	unsigned id = 0;

	/* The first byte tells a peer that speaks something else. */
	if (len > 0 && at[0] != RECORD_VERSION)
		return HEAD_BAD;
	while (len - done >= RECORD_HEADER) {
		if (!record_read(&r, at + done, len - done))
			return HEAD_BAD;
		if (r.type != (id == 0 ? RECORD_BEGIN_REQUEST : RECORD_PARAMS) || r.id == 0 ||
		    (id != 0 && r.id != id))
			return HEAD_BAD;
		if (id == 0 && r.len != BEGIN_BODY)
			return HEAD_BAD;
		if (len - done - RECORD_HEADER < r.len + r.padding)
			return HEAD_MORE;
		done += RECORD_HEADER + r.len + r.padding;
		if (id == 0) {
			if (r.content[0] != 0 || r.content[1] != ROLE_RESPONDER)
				return HEAD_BAD;
			id = r.id;
		} else if (r.len == 0) {
			return pairs.left == 0 && pairs.lengths_have == 0 &&
				       head_rest_is_stdin(at + done, len - done, id)
				   ? HEAD_WHOLE
				   : HEAD_BAD;
		} else if (!pairs_walk(&pairs, r.content, r.len)) {
			return HEAD_BAD;
		}
	}
	return HEAD_MORE;
}

/* Reads a header; the content may not be there yet.  ${len} is at least RECORD_HEADER. */
static bool
record_read(struct record *r, const unsigned char *at, size_t len)
{
	if (len < RECORD_HEADER || at[0] != RECORD_VERSION)
		return false;
	r->type = at[1];
	r->id = (unsigned)at[2] << 8 | at[3];
	r->len = (size_t)at[4] << 8 | at[5];
	r->padding = at[6];
	r->content = at + RECORD_HEADER;
	return true;
}

/* Walks on over ${len} bytes of the stream; false when a pair cannot fit into a head. */
static bool
pairs_walk(struct pairs *p, const unsigned char *at, size_t len)
{
	while (len > 0) {
		size_t step = p->left < len ? p->left : len;

		p->left -= step;
		at += step;
		len -= step;
		if (len == 0)
			break;
		p->lengths[p->lengths_have++] = *at++;
		len--;
		if (p->lengths_have < pairs_lengths_want(p))
			continue;
		p->left =
		    pairs_length(p->lengths) +
		    pairs_length(
			p->lengths + (p->lengths[0] & LENGTH_IS_LONG ? LENGTH_LONG : LENGTH_SHORT));
		if (p->left > HEAD_MAX)
			return false;
		p->lengths_have = 0;
	}
	return true;
}

/* How many bytes the two lengths take, as far as those that are there can tell. */
static size_t
pairs_lengths_want(const struct pairs *p)
{
	size_t name = p->lengths[0] & LENGTH_IS_LONG ? LENGTH_LONG : LENGTH_SHORT;

	if (p->lengths_have <= name)
		return name + 1;
	return name + (p->lengths[name] & LENGTH_IS_LONG ? LENGTH_LONG : LENGTH_SHORT);
}

static size_t
pairs_length(const unsigned char *at)
{
	if (!(at[0] & LENGTH_IS_LONG))
		return at[0];
	return ((size_t)at[0] & 0x7f) << 24 | (size_t)at[1] << 16 | (size_t)at[2] << 8 | at[3];
}

/* Whether each record whose header can be seen is a STDIN of this request. */
static bool
head_rest_is_stdin(const unsigned char *at, size_t len, unsigned id)
{
	struct record r;
	size_t step;

	while (len >= RECORD_HEADER) {
		if (!record_read(&r, at, len) || r.type != RECORD_STDIN || r.id != id)
			return false;
		step = RECORD_HEADER + r.len + r.padding;
		if (step > len)
			break;
		at += step;
		len -= step;
	}
	return true;
}
