/*
 * pair: what begins at one hit and ends at another: calls, and the spans of a key.
 *
 * A pair names the body that decides at its end, and is counted where it began.  A call's key is
 * its thread's alone; that of a span is anybody's, so what is done to it is done under a lock.
 * Only user space takes pairs out without: who takes one out is who succeeds to delete it.
 */
#ifndef CRUMB_PAIR_H
#define CRUMB_PAIR_H

#include "account.h"
#include "aggregate.h"
#include "emit.h"
#include "goroutine.h"

static __always_inline void refer(__u32 body, __s64 by)
{
	__u64 *pairs_of = bpf_map_lookup_elem(&references, &body);

	if (pairs_of)
		__sync_fetch_and_add(pairs_of, by);
}

/* A call's owner is its site, so that the sites of one rule share a body. */
static __always_inline struct pair_key call_key(const struct frame *frame)
{
	struct pair_key key = { .owner = frame->site,
				.a = bpf_get_current_pid_tgid(),
				.b = frame->place };

	if (is_goroutine_place(frame->place)) {
		key.process = key.a >> 32;
		key.a = goroutine_of(frame->context);
	}
	return key;
}

static __always_inline struct pair_key span_key(const struct frame *frame, const struct body *body)
{
	return (struct pair_key){ .owner = body->owner,
				  .a = slot(frame, body->key_slots[0]),
				  .b = slot(frame, body->key_slots[1]) };
}

/* Whether the key of a span's pairs could be read. */
static __always_inline bool has_key(const struct frame *frame, const struct body *body)
{
	return !(slot_failed(frame, body->key_slots[0]) || slot_failed(frame, body->key_slots[1]));
}

#define LOCK_TRIES 32 /* a microsecond or two: longer than others hold it, but for the preempted */
#define NO_LOCK LOCKS

static __always_inline __u32 lock_of(const struct pair_key *key)
{
	return ((key->a ^ key->b << 32 ^ key->b >> 32 ^ key->owner) * 0x9e3779b97f4a7c15) >> 56;
}

/* Whether the lock could be had: a program cannot wait for one that it interrupts. */
__noinline int lock(__u32 number)
{
#pragma clang loop unroll(disable)
	for (int i = 0; i < LOCK_TRIES; i++) {
		if (!__sync_val_compare_and_swap(&locks[number & (LOCKS - 1)], 0, 1))
			return 1;
	}
	return 0;
}

static __always_inline void unlock(__u32 number)
{
	__sync_lock_test_and_set(&locks[number & (LOCKS - 1)], 0);
}

/* Removes the pair that an earlier beginning left under the key. */
static __always_inline void abandon(void *known, struct pair_key *key)
{
	struct pair *old = bpf_map_lookup_elem(known, key);
	__u32 site, body;

	if (!old)
		return;
	site = old->site;
	body = old->body;
	if (bpf_map_delete_elem(known, key))
		return;
	count(site, OUTCOME(abandoned));
	refer(body, -1);
}

/* What a beginning keeps: a call's entry, or what begins a span. */
static __always_inline struct output *saved_of(struct body *body, __u32 number, bool begins)
{
	barrier_var(number);
	if (number >= MAX_SAVES)
		return NULL;
	return begins ? &body->outputs[number] : &body->saved[number];
}

/* Keeps one value of the beginning; how many bytes of pieces there are then. */
__noinline int save_cell(struct frame *frame, struct body *body, __u32 number, __u32 at,
			 bool begins)
{
	struct scratch *scratch;
	struct output *output;
	__u64 cell, size, to = at_most(at, SAVED_BYTES - 2);
	long length;

	if (!frame || !body || number >= MAX_SAVES)
		return at;
	scratch = scratch_of(frame);
	output = saved_of(body, number, begins);
	if (!scratch || !output)
		return at;
	if (output->kind == OUTPUT_KSTACK || output->kind == OUTPUT_USTACK) {
		cell = output->kind == OUTPUT_KSTACK ? scratch->kstack_number
						     : scratch->ustack_number;
		scratch->pair.cells[number] = cell;
		scratch->pair.failed |= (__u32)!cell << number;
		return at;
	}
	cell = slot(frame, output->slot);
	if (slot_failed(frame, output->slot)) {
		scratch->pair.failed |= 1 << number;
	} else if (output->kind == OUTPUT_STRING) {
		size = at_most(output->size, SAVED_BYTES - 2 - to);
		size = at_most(size, SAVED_BYTES) + 2; /* what the verifier does not conclude */
		length = read_string(scratch->pair.bytes + to, size, cell);
		if (length < 0)
			scratch->pair.failed |= 1 << number;
		cell = string_cell(to, length, size - 2);
		at += (__u16)(cell >> 16);
	}
	scratch->pair.cells[number] = cell;
	return at;
}

static __always_inline void fill_pair(struct frame *frame, struct body *body, struct pair *pair,
				      bool begins)
{
	__u32 at = 0, saves = begins ? body->cells : body->saves;

	pair->time = now(frame);
	pair->site = frame->site;
	pair->body = begins ? body->to : body->partner;
	for (int i = 0; i < 6; i++)
		pair->args[i] = frame->registers[REG_ARG0 + i];
	pair->failed = 0;
	for (int i = 0; i < MAX_SAVES; i++) {
		if (i >= saves)
			break;
		at = save_cell(frame, body, i, at, begins);
	}
}

/* Puts the pair that was made in the scratch slot under its key; 0, or a negative errno. */
static __always_inline int put_pair(struct scratch *scratch, struct pair_key *key)
{
	__u32 first = 0;
	void *known = bpf_map_lookup_elem(&pairs, &first);
	int err;

	if (!known)
		return -1;
	err = bpf_map_update_elem(known, key, &scratch->pair, BPF_NOEXIST);
	if (!err)
		return 0;
	abandon(known, key);
	return bpf_map_update_elem(known, key, &scratch->pair, BPF_NOEXIST);
}

/* Begins a pair and counts it; `begins`: not that of the call that has returned, but a span. */
__noinline int open_pair(struct frame *frame, struct body *body, bool begins)
{
	struct scratch *scratch;
	struct pair_key key;
	__u32 locked = NO_LOCK, partner;
	int err = -1;

	if (!frame || !body)
		return 0;
	scratch = scratch_of(frame);
	if (!scratch || (!begins && frame->place == NO_GOROUTINE_PLACE)) {
		count(frame->site, OUTCOME(refused));
		return 0;
	}
	if (body->flags & BODY_CALL && !begins) {
		key = call_key(frame);
	} else {
		key = span_key(frame, body);
		locked = lock_of(&key);
	}
	fill_pair(frame, body, &scratch->pair, begins);
	partner = scratch->pair.body;
	refer(partner, 1);
	if (locked == NO_LOCK || lock(locked)) {
		err = put_pair(scratch, &key);
		if (locked != NO_LOCK)
			unlock(locked);
	}
	if (err)
		refer(partner, -1);
	count(frame->site, err ? OUTCOME(refused) : OUTCOME(opened));
	return 0;
}

/* Makes the frame that of the pair: its site, its arguments, and its scalars as the first slots. */
static __always_inline void restore(struct frame *frame, const struct pair *pair)
{
	frame->site = pair->site;
	frame->began = pair->time;
	frame->failed = pair->failed;
	for (int i = 0; i < 6; i++)
		frame->registers[REG_ARG0 + i] = pair->args[i];
	for (int i = 0; i < MAX_SAVES; i++)
		frame->slots[i] = pair->cells[i];
}

#define NO_PAIR 0xffffffff

/*
 * Takes the pair of the key out, into the scratch slot and the frame: the number of the body that
 * decides, 0: there is no slot, so the pair is lost, or NO_PAIR.  Whose attempt to delete it
 * succeeds, has it.
 */
static __always_inline __u32 take_pair(struct frame *frame, struct pair_key *key)
{
	struct scratch *scratch = scratch_of(frame);
	__u32 first = 0, body;
	struct pair *pair;
	void *known = bpf_map_lookup_elem(&pairs, &first);

	pair = known ? bpf_map_lookup_elem(known, key) : NULL;
	if (!pair)
		return NO_PAIR;
	body = pair->body;
	if (scratch)
		bpf_probe_read_kernel(&scratch->pair, sizeof(*pair), pair);
	first = pair->site;
	if (bpf_map_delete_elem(known, key))
		return NO_PAIR;
	count(first, OUTCOME(closed));
	if (scratch) {
		restore(frame, &scratch->pair);
		return body;
	}
	count(first, OUTCOME(lost));
	refer(body, -1);
	return 0;
}

/*
 * The end of a pair: the number of the body that decides, or 0: nothing is to be done.  `body` is
 * the one that the steps for the key of a span were taken from; NULL: it is a call.
 */
__noinline int close_pair(struct frame *frame, struct body *body)
{
	struct pair_key key;
	__u32 locked, taken = NO_PAIR;

	if (!frame)
		return 0;
	if (!body) {
		key = call_key(frame);
		taken = take_pair(frame, &key);
	} else {
		key = span_key(frame, body);
		locked = lock_of(&key);
		if (lock(locked)) {
			taken = take_pair(frame, &key);
			unlock(locked);
		}
	}
	if (taken != NO_PAIR)
		return taken;
	count(frame->site, OUTCOME(unmatched));
	return 0;
}

/* Whether any pair that began at the site has not ended; in this order none is missed. */
static __always_inline bool has_pairs(__u32 site)
{
	volatile struct account *account = bpf_map_lookup_elem(&accounts, &site);
	__u64 ended;

	if (!account)
		return false;
	ended = account->closed;
	ended += account->abandoned;
	return account->opened != ended;
}

#endif
