/*
 * aggregate: rows of a table, found by a key of a few words and added to atomically.
 *
 * Short keys are made on the stack, long ones in the scratch slot.
 */
#ifndef CRUMB_AGGREGATE_H
#define CRUMB_AGGREGATE_H

#include "decide.h"

#define WORDS_OF_TEXT (TEXT_BYTES / 8)
#define RAISES 8 /* tries to raise a maximum that others raise too */

#define FRAMES_AT_ONCE 16

/* Goes on hashing with a few frames; behind the last one they are 0. */
__noinline __u64 hash_frames(struct stack *stack, __u64 hash, __u32 first)
{
	if (!stack)
		return 0;
	for (int i = 0; i < FRAMES_AT_ONCE; i++) {
		__u64 at = first + i;

		barrier_var(at);
		if (at >= STACK_FRAMES)
			break;
		hash = (hash ^ stack->frames[at]) * 0x9e3779b97f4a7c15;
		hash ^= hash >> 32;
	}
	return hash;
}

/* A number for what the frames are, never 0. */
static __always_inline __u64 stack_hash(struct stack *stack)
{
	__u64 hash = stack->pid ^ 0xcbf29ce484222325;

	for (__u32 first = 0; first < STACK_FRAMES; first += FRAMES_AT_ONCE) {
		if (8 * first >= stack->bytes)
			break;
		hash = hash_frames(stack, hash, first);
	}
	return hash ? hash : 1;
}

/* Adds a stack, and tells user space of its process: the number, or 0 when there is no room. */
static __always_inline __u64 new_stack(void *known, const struct stack *stack, __u64 number)
{
	__u32 pid = stack->pid;

	if (bpf_map_update_elem(known, &number, stack, BPF_NOEXIST))
		return bpf_map_lookup_elem(known, &number) ? number : 0;
	if (pid)
		bpf_map_update_elem(&newcomers, &pid, &number, BPF_ANY);
	return number;
}

/* Keeps a stack that was read in `stacks`, and its number in the scratch slot. */
__noinline int keep_stack(struct frame *frame, __u32 kind)
{
	struct scratch *scratch;
	struct stack *stack;
	__u64 number = 0;
	__u32 first = 0;
	void *known;

	if (!frame)
		return 0;
	scratch = scratch_of(frame);
	if (!scratch)
		return 0;
	known = bpf_map_lookup_elem(&stacks, &first);
	stack = kind == KEY_KSTACK ? &scratch->kstack : &scratch->ustack;
	if (kind == KEY_USTACK)
		stack->pid = pid_tgid() >> 32;
	if (known && stack->bytes > 0) {
		number = stack_hash(stack);
		if (!bpf_map_lookup_elem(known, &number))
			number = new_stack(known, stack, number);
	}
	if (kind == KEY_KSTACK)
		scratch->kstack_number = number;
	else
		scratch->ustack_number = number;
	return 1;
}

/* The number of the stack; 0: there is none, or no room was for it. */
static __always_inline __u64 stack_number(const struct frame *frame, __u32 kind)
{
	struct scratch *scratch = scratch_of(frame);

	if (!scratch)
		return 0;
	return kind == KEY_KSTACK ? scratch->kstack_number : scratch->ustack_number;
}

/* The word of a key that has one; 0 for what cannot be read. */
static __always_inline __u64 key_word(const struct frame *frame, const struct key *key)
{
	switch (key->kind) {
	case KEY_SITE:
		return frame->site;
	case KEY_KSTACK:
	case KEY_USTACK:
		return stack_number(frame, key->kind);
	default:
		return slot_failed(frame, key->slot) ? 0 : slot(frame, key->slot);
	}
}

/* Whether the word of a key stands for what could not be read. */
static __always_inline bool is_unread(const struct frame *frame, const struct key *key, __u64 word)
{
	bool stack = key->kind == KEY_KSTACK || key->kind == KEY_USTACK;
	bool slot = key->kind == KEY_SLOT;

	return !word & (stack | (slot & slot_failed(frame, key->slot)));
}

/* The key that fits the stack; the keys that could not be read, one a bit. */
static __always_inline __u32 small_key(struct frame *frame, struct body *body,
				       struct small_key *key)
{
	__u32 failed = 0, at = 0;

	for (int i = 0; i < SMALL_WORDS - 1; i++) {
		if (i >= body->keys || at > SMALL_WORDS - 2)
			break;
		if (body->by[i].kind == KEY_COMM) {
			bpf_get_current_comm(&key->words[at], 16);
			at += 2;
			continue;
		}
		key->words[at] = key_word(frame, &body->by[i]);
		failed |= is_unread(frame, &body->by[i], key->words[at]) << i;
		at++;
	}
	return failed;
}

static __always_inline bool put_text(struct frame *frame, struct scratch *scratch,
				     const struct key *key, __u64 *words)
{
	__u32 from = key->slot, most = key->size;
	__s64 length;

	barrier_var(most);
	if (!most || most > TEXT_BYTES)
		most = TEXT_BYTES;
	if (key->kind == KEY_STRING) {
		if (slot_failed(frame, from))
			return false;
		/* One byte more than is kept, so that a text may fill its words. */
		length = read_string(words, most + 1, slot(frame, from));
		words[WORDS_OF_TEXT] = 0;
		return length >= 0;
	}
	if (!WITH(PAIRS) || from >= MAX_SAVES || scratch->pair.failed >> from & 1)
		return false;
	length = (__u16)(scratch->pair.cells[from] >> 16);
	from = (__u16)scratch->pair.cells[from];
	length = at_most(length, TEXT_BYTES);
	if (from + length > SAVED_BYTES)
		return false;
	return !length || !bpf_probe_read_kernel(words, length, scratch->pair.bytes + from);
}

/* One key of a long row key, at word `at`: where the next one begins, or -1: it has no room. */
__noinline int large_key_part(struct frame *frame, struct body *body, __u32 number, __u32 at)
{
	struct scratch *scratch;
	struct key *key;
	bool known;

	/* Two words and the last one fit. */
	if (!frame || !body || number >= MAX_KEYS || at > LARGE_WORDS - 3)
		return -1;
	scratch = scratch_of(frame);
	if (!scratch)
		return -1;
	key = &body->by[number];
	if (key->kind == KEY_COMM) {
		bpf_get_current_comm(&scratch->key.words[at], 16);
		return at + 2;
	}
	if (key->kind == KEY_STRING || key->kind == KEY_SAVED_STRING) {
		if (at > LARGE_WORDS - 1 - WORDS_OF_TEXT)
			return -1;
		known = put_text(frame, scratch, key, &scratch->key.words[at]);
		at += WORDS_OF_TEXT;
	} else {
		scratch->key.words[at] = key_word(frame, key);
		known = !is_unread(frame, key, scratch->key.words[at]);
		at++;
	}
	return known ? at : at | 0x100;
}

static __always_inline __u32 large_key(struct frame *frame, struct body *body,
				       struct scratch *scratch)
{
	__u32 failed = 0;
	int at = 0;

	__builtin_memset(&scratch->key, 0, sizeof(scratch->key));
	for (int i = 0; i < MAX_KEYS; i++) {
		if (i >= body->keys)
			break;
		at = large_key_part(frame, body, i, at);
		if (at < 0)
			break;
		if (at & 0x100)
			failed |= 1 << i;
		at &= 0xff;
	}
	return failed;
}

/* The row of a key, which is made when there is none; NULL: the table is full. */
static __always_inline struct row *row_of(void *table, void *key, __u32 number)
{
	struct row *row = bpf_map_lookup_elem(table, key);
	struct body *body;

	if (row)
		return row;
	/* Older kernels take no value from memory that only a caller knows to be a map's. */
	body = bpf_map_lookup_elem(&bodies, &number);
	if (!body)
		return NULL;
	bpf_map_update_elem(table, key, body->identity, BPF_NOEXIST);
	return bpf_map_lookup_elem(table, key);
}

/* The row of the key that was made, with this last word. */
static __always_inline struct row *find_row(struct frame *frame, struct body *body,
					    struct small_key *key, __u64 last)
{
	__u32 number = body->table;
	__u64 at = body->key_words;
	struct scratch *scratch;
	void *table;

	barrier_var(at);
	if (body->flags & BODY_SMALL) {
		table = bpf_map_lookup_elem(&small_tables, &number);
		if (!table || at >= SMALL_WORDS)
			return NULL;
		key->words[at] = last;
		return row_of(table, key, frame->body);
	}
	table = bpf_map_lookup_elem(&large_tables, &number);
	scratch = scratch_of(frame);
	if (!table || !scratch || at >= LARGE_WORDS)
		return NULL;
	scratch->key.words[at] = last;
	return row_of(table, &scratch->key, frame->body);
}

/* Without branches, of which the verifier would follow every combination. */
static __always_inline __u32 log2_bucket(__s64 value)
{
	__u64 left = value, shift, bucket = 0;

	for (int bits = 5; bits >= 0; bits--) {
		shift = (left >> (1 << bits)) != 0;
		barrier_var(shift);
		shift <<= bits;
		left >>= shift;
		bucket += shift;
	}
	return value > 0 ? 2 + bucket : !value;
}

static __always_inline __u32 linear_bucket(const struct aggregate *aggregate, __s64 value)
{
	__u64 step = aggregate->step, min = aggregate->min;

	if (value < aggregate->min)
		return 0;
	if (value < aggregate->max)
		return 1 + ((__u64)value - min) / step;
	return 2 + ((__u64)aggregate->max - 1 - min) / step;
}

/* Raises a cell to a value, or with the bits of both turned over, lowers it. */
static __always_inline bool raise(__s64 *cell, __s64 value, __s64 turn)
{
#pragma clang loop unroll(disable)
	for (int i = 0; i < RAISES; i++) {
		__s64 before = *(volatile __s64 *)cell;

		if ((value ^ turn) <= (before ^ turn))
			return true;
		if (__sync_val_compare_and_swap(cell, before, value) == before)
			return true;
	}
	return false;
}

/* Counts in a bucket of the aggregate `number`, a row of its own; whether there was room. */
static __always_inline int add_to_bucket(struct frame *frame, struct body *body,
					 const struct small_key *given, __u32 number, __u32 failed)
{
	struct aggregate *aggregate = &body->aggregate[number];
	struct small_key key = *given;
	__s64 value = slot(frame, aggregate->slot);
	struct row *row;
	__u32 bucket;

	bucket = aggregate->op == AGGREGATE_HIST ? log2_bucket(value)
						 : linear_bucket(aggregate, value);
	row = find_row(frame, body, &key, ROW_WORD(failed, number, bucket + 1));
	if (!row)
		return 0;
	__sync_fetch_and_add(&row->count, 1);
	return 1;
}

/* Adds to one cell of the row; whether that was done. */
__noinline int add_to_row(struct frame *frame, struct aggregate *aggregate, struct row *row)
{
	__s64 value;
	__u32 cell;

	if (!frame || !aggregate || !row)
		return 0;
	value = slot(frame, aggregate->slot);
	cell = aggregate->cell;
	if (cell >= ROW_CELLS)
		return 0;
	switch (aggregate->op) {
	case AGGREGATE_SUM:
		__sync_fetch_and_add(&row->cells[cell], value);
		return 1;
	case AGGREGATE_MIN:
	case AGGREGATE_MAX:
		return raise(&row->cells[cell], value, aggregate->op == AGGREGATE_MIN ? -1 : 0);
	default:
		return 1;
	}
}

/* Makes the key in the scratch slot; the keys that could not be read, one a bit. */
__noinline int make_large_key(struct frame *frame, struct body *body)
{
	struct scratch *scratch;

	if (!frame || !body)
		return 0;
	scratch = scratch_of(frame);
	return scratch ? large_key(frame, body, scratch) : 0;
}

/*
 * Adds by the aggregate `which`, to the row or to a bucket; whether that was done.  Above 32 bits
 * stand the keys that could not be read: a global function takes five arguments at most.
 */
__noinline int add_one(struct frame *frame, struct body *body, struct small_key *key,
		       struct row *row, __u64 which)
{
	__u32 number = which;

	if (!frame || !body || !key || number >= MAX_AGGREGATES)
		return 0;
	if (body->aggregate[number].op >= AGGREGATE_HIST)
		return add_to_bucket(frame, body, key, number, which >> 32);
	return row ? add_to_row(frame, &body->aggregate[number], row) : 0;
}

/* Adds the hit to its table; whether all of it was. */
__noinline int aggregate(struct frame *frame, struct body *body)
{
	struct small_key key = {};
	struct row *row = NULL;
	__u64 failed;
	int whole = 1;

	if (!frame || !body || (frame->failed & body->needed))
		return 0;
	failed = body->flags & BODY_SMALL ? small_key(frame, body, &key)
					  : (__u32)make_large_key(frame, body);
	if (body->flags & BODY_ROW) {
		row = find_row(frame, body, &key, ROW_WORD(failed, 0, 0));
		if (!row)
			return 0;
		__sync_fetch_and_add(&row->count, 1);
	}
	for (int i = 0; i < MAX_AGGREGATES; i++) {
		if (i >= body->aggregates)
			break;
		whole &= add_one(frame, body, &key, row, failed << 32 | i);
	}
	return whole;
}

#endif
