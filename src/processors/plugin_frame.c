/*
 * plugin_frame - what a process says, read as if it lied.
 */
#include "plugin_parts.h"

#include "cronward/processor.h"

#include <string.h>
#include <time.h>

enum {
	US_PER_S = 1000000,
	NS_PER_US = 1000,
};

enum plugin_verdict
plugin_frame_read(const char *at, size_t len, struct plugin_frame *ret_frame, size_t *ret_used)
{
	struct plugin_head head;
	size_t rest;

	if (len < sizeof(head))
		return PLUGIN_FRAME_MORE;
	memcpy(&head, at, sizeof(head));
	if (head.len < sizeof(head) || head.len > PLUGIN_FRAME_MAX)
		return PLUGIN_FRAME_BAD;
	rest = head.len - sizeof(head);
	if (head.word >= PLUGIN_WORD__MAX || head.level > CRONWARD_ERROR ||
	    head.outcome > CRONWARD_FAIL || head.text_len > rest)
		return PLUGIN_FRAME_BAD;
	if (len < head.len)
		return PLUGIN_FRAME_MORE;
	*ret_frame = (struct plugin_frame){ .head = head };
	if (head.has_text) {
		ret_frame->text = at + sizeof(head);
		ret_frame->text_len = head.text_len;
	}
	if (rest > head.text_len) {
		ret_frame->data = at + sizeof(head) + head.text_len;
		ret_frame->data_len = rest - head.text_len;
	}
	*ret_used = head.len;
	return PLUGIN_FRAME_WHOLE;
}

int
plugin_ring_take(struct plugin_shared *shared, uint32_t *read, struct text *to)
{
	uint32_t written = atomic_load(&shared->written), there = written - *read;
	uint32_t from = *read % PLUGIN_RING, first;

	if (there == 0)
		return 0;
	if (there > PLUGIN_RING)
		return -1;
	first = there < PLUGIN_RING - from ? there : PLUGIN_RING - from;
	text_add(to, (const char *)shared->ring + from, first);
	text_add(to, (const char *)shared->ring, there - first);
	*read = written;
	atomic_store_explicit(&shared->read, written, memory_order_release);
	return 0;
}

size_t
plugin_ring_put(struct plugin_shared *shared, uint32_t *written, const void *from, size_t len)
{
	uint32_t taken = atomic_load_explicit(&shared->read, memory_order_acquire);
	size_t room = PLUGIN_RING - (*written - taken), at = *written % PLUGIN_RING, first;

	if (len > room)
		len = room;
	first = len < PLUGIN_RING - at ? len : PLUGIN_RING - at;
	memcpy(shared->ring + at, from, first);
	memcpy(shared->ring, (const char *)from + first, len - first);
	*written += (uint32_t)len;
	return len;
}

int64_t
plugin_now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * US_PER_S + now.tv_nsec / NS_PER_US;
}
