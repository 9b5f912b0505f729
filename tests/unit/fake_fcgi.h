/*
 * fake_fcgi - libfcgi's streams over memory, so that a request needs no socket.
 */
#ifndef CRONWARD_TESTS_FAKE_FCGI_H
#define CRONWARD_TESTS_FAKE_FCGI_H

#include <fcgiapp.h>
#include <stddef.h>
#include <string.h>

enum {
	FAKE_OUT_MAX = 16 * 1024,
};

/* A body that comes in pieces of ${step} bytes, then ends, or breaks when ${breaks}. */
struct fake_body {
	FCGX_Stream stream;
	unsigned char *at;
	size_t left, step;
	int breaks;
};

static inline void
fake_body_fill(FCGX_Stream *stream)
{
	struct fake_body *body = stream->data;
	size_t n = body->left < body->step ? body->left : body->step;

	if (n == 0) {
		stream->isClosed = 1;
		stream->FCGI_errno = body->breaks ? FCGX_PROTOCOL_ERROR : 0;
		return;
	}
	stream->rdNext = body->at;
	stream->stop = stream->wrNext = body->at + n;
	body->at += n;
	body->left -= n;
}

static inline FCGX_Stream *
fake_body(struct fake_body *body, void *at, size_t len, size_t step)
{
	*body = (struct fake_body){ .at = at, .left = len, .step = step };
	body->stream = (FCGX_Stream){
		.isReader = 1,
		.fillBuffProc = fake_body_fill,
		.data = body,
	};
	return &body->stream;
}

/* Takes what is written; NUL-terminated in ${text} by fake_out_text(). */
struct fake_out {
	FCGX_Stream stream;
	unsigned char text[FAKE_OUT_MAX + 1];
};

static inline void
fake_out_full(FCGX_Stream *stream, int last)
{
	(void)last;
	stream->isClosed = 1;
}

static inline FCGX_Stream *
fake_out(struct fake_out *out)
{
	memset(out, 0, sizeof(*out));
	out->stream.wrNext = out->text;
	out->stream.stop = out->stream.rdNext = out->text + FAKE_OUT_MAX;
	out->stream.emptyBuffProc = fake_out_full;
	return &out->stream;
}

#endif
