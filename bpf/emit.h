/*
 * emit: a record of what a rule captures, made in the scratch slot and copied to the ring.
 *
 * Pieces are strings, memory and stacks; a cell tells where its piece lies.  The same is done for
 * what a pair keeps until its end.
 */
#ifndef CRUMB_EMIT_H
#define CRUMB_EMIT_H

#include "decide.h"

/* The cell of a string of `length` bytes at `at`; `most` is where it was to be cut. */
static __always_inline __u64 string_cell(__u32 at, long length, __u32 most)
{
	bool cut = length > most + 1;

	return PIECE(at, cut ? most : (length > 0 ? length - 1 : 0), cut);
}

/* Where a piece begins, with room behind it for the largest one. */
static __always_inline char *place(struct scratch *scratch, __u64 at)
{
	return scratch->record + at_most(at, RECORD_BYTES);
}

static __always_inline bool has_room(__u64 at, __u64 size)
{
	return at + size <= RECORD_BYTES;
}

static __always_inline bool put_string(struct scratch *scratch, __u32 at, __u64 from, __u32 most,
				       __u64 *cell)
{
	__u64 size = at_most(most, PIECE_BYTES) + 2;
	long length = read_string(place(scratch, at), size, from);

	*cell = string_cell(at, length, size - 2);
	return length >= 0 && has_room(at, (__u16)(*cell >> 16));
}

static __always_inline bool put_bytes(struct scratch *scratch, __u32 at, __u64 from, __u64 wanted,
				      __u32 most, __u64 *cell)
{
	__u64 length = (__s64)wanted < 0 ? 0 : wanted;
	__u64 size = at_most(at_most(length, most), PIECE_BYTES);

	*cell = PIECE(at, size, length > size);
	return has_room(at, size) && (!size || !read_memory(place(scratch, at), size, from));
}

static __always_inline bool put_copy(struct scratch *scratch, __u32 at, const void *from,
				     __s32 bytes, __u64 *cell)
{
	__u64 size = at_most(bytes < 0 ? 0 : bytes, PIECE_BYTES);

	*cell = PIECE(at, size, 0);
	return bytes >= 0 && has_room(at, size) &&
	       (!size || !bpf_probe_read_kernel(place(scratch, at), size, from));
}

/* A cell of the pair: its value, or its piece, at a new place. */
static __always_inline bool put_saved(struct scratch *scratch, const struct body *body, __u32 at,
				      __u32 which, __u64 *cell)
{
	__u64 kept;
	__u32 from, size;

	if (which >= MAX_SAVES || scratch->pair.failed >> which & 1)
		return false;
	kept = scratch->pair.cells[which];
	if (body->saved[which].kind == OUTPUT_SLOT) {
		*cell = kept;
		return true;
	}
	from = (__u16)kept;
	size = (__u16)(kept >> 16);
	if (from > SAVED_BYTES || size > SAVED_BYTES || from + size > SAVED_BYTES)
		return false;
	if (!put_copy(scratch, at, scratch->pair.bytes + from, size, cell))
		return false;
	*cell |= kept & PIECE(0, 0, 1);
	return true;
}

static __always_inline bool put(struct frame *frame, struct body *body, struct scratch *scratch,
				const struct output *output, __u32 at, __u64 *cell)
{
	__u32 from = output->slot;
	struct stack *stack;

	if (output->kind == OUTPUT_SAVED)
		return WITH(PAIRS) && put_saved(scratch, body, at, from, cell);
	if (output->kind == OUTPUT_KSTACK || output->kind == OUTPUT_USTACK) {
		if (!WITH(STACKS))
			return false;
		stack = output->kind == OUTPUT_KSTACK ? &scratch->kstack : &scratch->ustack;
		return put_copy(scratch, at, stack->frames, stack->bytes, cell);
	}
	if (slot_failed(frame, from))
		return false;
	switch (output->kind) {
	case OUTPUT_STRING:
		return put_string(scratch, at, slot(frame, from), output->size, cell);
	case OUTPUT_BYTES:
		if (slot_failed(frame, output->length))
			return false;
		return put_bytes(scratch, at, slot(frame, from), slot(frame, output->length),
				 output->size, cell);
	default:
		*cell = slot(frame, from);
		return true;
	}
}

static __always_inline bool is_piece(const struct body *body, const struct output *output)
{
	__u32 which = output->slot;

	if (output->kind == OUTPUT_SAVED)
		return which < MAX_SAVES && body->saved[which].kind != OUTPUT_SLOT;
	return output->kind != OUTPUT_SLOT;
}

/* Fills one cell of the record that is `at` bytes long; how long it is then. */
__noinline int put_cell(struct frame *frame, struct body *body, __u32 number, __u32 at)
{
	struct scratch *scratch;
	struct output *output;
	struct record *record;
	__u64 cell = 0;

	if (!frame || !body || number >= MAX_CELLS)
		return at;
	scratch = scratch_of(frame);
	if (!scratch)
		return at;
	record = (struct record *)scratch->record;
	output = &body->outputs[number];
	if (!put(frame, body, scratch, output, at, &cell)) {
		record->failed |= 1u << number;
		cell = 0;
	}
	record->cells[number] = cell;
	if (is_piece(body, output))
		at += (__u16)(cell >> 16);
	return at;
}

#define CELLS_AT_ONCE 6

/* Fills a few cells of the record that is `at` bytes long; how long it is then. */
__noinline int put_cells(struct frame *frame, struct body *body, __u32 first, __u32 at)
{
	if (!frame || !body)
		return at;
	for (int i = 0; i < CELLS_AT_ONCE; i++) {
		if (first + i >= body->cells)
			break;
		at = put_cell(frame, body, first + i, at);
	}
	return at;
}

/* Wakes the reader when he asked for it; the last look at the bell comes after the record. */
static __always_inline void ring_the_bell(void *ring)
{
	__u32 armed = bell;
	void *nothing;

	if (armed == BELL_OFF)
		return;
	if (armed == BELL_NEARLY_FULL && bpf_ringbuf_query(ring, BPF_RB_AVAIL_DATA) <
						 bpf_ringbuf_query(ring, BPF_RB_RING_SIZE) / 4 * 3)
		return;
	/* What wakes him is taken first: without room for it the bell stays armed. */
	nothing = bpf_ringbuf_reserve(ring, 8, 0);
	if (nothing)
		bpf_ringbuf_discard(nothing,
				    __sync_val_compare_and_swap(&bell, armed, BELL_OFF) == armed
					    ? BPF_RB_FORCE_WAKEUP
					    : BPF_RB_NO_WAKEUP);
}

static __always_inline int send(void *ring, struct scratch *scratch, __u32 size)
{
	int err = bpf_ringbuf_output(ring, scratch->record, size, BPF_RB_NO_WAKEUP);

	ring_the_bell(ring);
	return err;
}

/* Makes the record and sends it; 0, or a negative errno. */
__noinline int emit(struct frame *frame, struct body *body)
{
	struct scratch *scratch;
	struct record *record;
	__u64 ids;
	__u32 at, number;
	void *ring;

	if (!frame || !body)
		return -1;
	scratch = scratch_of(frame);
	if (!scratch)
		return -1;
	record = (struct record *)scratch->record;
	record->time = now(frame);
	record->generation = body->generation;
	record->site = frame->site;
	ids = pid_tgid();
	record->pid = ids >> 32;
	record->tid = ids;
	ids = bpf_get_current_uid_gid();
	record->uid = ids;
	record->gid = ids >> 32;
	/* Older kernels write up to the end of the name only. */
	__builtin_memset(record->comm, 0, sizeof(record->comm));
	bpf_get_current_comm(record->comm, sizeof(record->comm));
	record->failed = 0;
	record->cpu = bpf_get_smp_processor_id();
	at = sizeof(struct record) + 8 * body->cells;
	for (__u32 first = 0; first < MAX_CELLS; first += CELLS_AT_ONCE) {
		if (first >= body->cells)
			break;
		at = put_cells(frame, body, first, at);
	}
	if (at > RECORD_BYTES)
		return -1;
	number = body->ring;
	if (!number)
		return send(&first_ring, scratch, at);
	ring = bpf_map_lookup_elem(&rings, &number);
	return ring ? send(ring, scratch, at) : -1;
}

#endif
