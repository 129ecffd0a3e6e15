/* ring: the rings of ring.c, and how reader.c takes records from them. */
#ifndef CRUMB_RING_H
#define CRUMB_RING_H

#include <linux/bpf.h>
#include <stdint.h>
#include <time.h>

#include "codec.h"
#include "core.h"
#include "map.h"

/* One ring buffer map, mapped into memory as the kernel lays it out. */
struct source {
	int fd; /* ours: the mapping outlives the map's handle */
	unsigned long *consumer; /* the next record's position, on a page that the kernel reads */
	const unsigned long *producer; /* a page of its own, before the data */
	const unsigned char *data; /* mapped twice in a row, so that no record is split */
	unsigned long mask;
	unsigned long limit; /* the producer's position when last looked at */
	const struct btf *btf; /* NULL: records are raw bytes */
	uint32_t type;
	uint64_t least; /* bytes: a shorter record is malformed */
};

struct ring {
	struct handle handle;
	int epoll, timer;
	size_t page;
	struct source *sources;
	size_t count;
	uint64_t delivered, malformed, discarded;
};

/*
 * Finds the record at the head without taking it; false when there is none, or it is unfinished.
 * The position is the map's and not ours, so that two rings on one map never take a record twice.
 */
static inline bool crumb_source_peek(struct source *source, const void **record, uint32_t *length)
{
	unsigned long position = *source->consumer;
	const unsigned char *header;

	if (position >= source->limit) {
		source->limit = __atomic_load_n(source->producer, __ATOMIC_ACQUIRE);
		if (position >= source->limit)
			return false;
	}
	header = source->data + (position & source->mask);
	*length = __atomic_load_n((const uint32_t *)header, __ATOMIC_ACQUIRE);
	*record = header + BPF_RINGBUF_HDR_SZ;
	return !(*length & BPF_RINGBUF_BUSY_BIT);
}

/* Hands the place of the record at the head, of the peeked length, back to the kernel. */
static inline void crumb_source_advance(struct source *source, uint32_t length)
{
	length &= ~(BPF_RINGBUF_BUSY_BIT | BPF_RINGBUF_DISCARD_BIT);
	__atomic_store_n(source->consumer,
			 *source->consumer + ((length + BPF_RINGBUF_HDR_SZ + 7) & ~7ul),
			 __ATOMIC_RELEASE);
}

/* Counts and passes the record at the head, which is no event. */
static inline void crumb_source_skip(struct ring *ring, struct source *source, uint32_t length)
{
	if (length & BPF_RINGBUF_DISCARD_BIT)
		ring->discarded++;
	else
		ring->malformed++;
	crumb_source_advance(source, length);
}

/* Whether the next record is still the one at `position`, after something was allocated. */
static inline bool crumb_is_next(const struct ring *ring, size_t turn, unsigned long position)
{
	return ring->handle.release && *ring->sources[turn].consumer == position;
}

/* When an iterator is to end. */
struct pace {
	int64_t deadline; /* ns of crumb_now(), INT64_MAX: none */
	uint32_t since_check; /* records since the last look at the clock */
};

#define CHECK_EVERY 8

/* The coarse clock is behind by a tick at most, and costs a fifth. */
static inline bool crumb_time_is_up(struct pace *pace)
{
	struct timespec now;

	if (pace->deadline == INT64_MAX || ++pace->since_check < CHECK_EVERY)
		return false;
	pace->since_check = 0;
	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec >= pace->deadline;
}

/* ring:reader(fields | nil, pause [, deadline]) -> iterator; in reader.c */
int l_ring_reader(lua_State *L);

/* ring:trail{ … } -> iterator; in trail.c */
int l_ring_trail(lua_State *L);

#endif
