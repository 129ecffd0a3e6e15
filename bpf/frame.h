/*
 * frame: what is known of one hit, on the stack of the program that serves it.
 *
 * Global functions take it by its address, so each is verified once.  They take nothing else of
 * the program's: what lies in the hook's context is read at the address in `context`.
 */
#ifndef CRUMB_FRAME_H
#define CRUMB_FRAME_H

#include "maps.h"

#define NO_SCRATCH 0xffffffff

struct frame {
	__u64 context; /* an address */
	__u64 registers[REG_COUNT];
	union { /* the stack is short */
		__u64 place; /* that tells one call of a thread from another: the stack pointer at its entry,
				or goroutine_place() */
		__u64 began; /* of the pair, once it is found */
	};
	__u64 now; /* 0: not asked yet */
	__u32 site; /* whose hit it is: of a pair's end, that of its beginning */
	__u32 failed; /* the slots that could not be computed, one a bit */
	__u32 scratch; /* the number of the slot that was taken, or NO_SCRATCH */
	__u32 body; /* the number of the one that decided */
	__u64 slots[MAX_SLOTS];
};

/* The slots are not cleared: a body reads none that it has not computed. */
static __always_inline void new_frame(struct frame *frame)
{
	__builtin_memset(frame, 0, offsetof(struct frame, slots));
}

static __always_inline __u64 now(struct frame *frame)
{
	if (!frame->now)
		frame->now = bpf_ktime_get_ns();
	return frame->now;
}

/* The barrier: what is checked must be the register that the verifier sees used. */
static __always_inline __u64 at_most(__u64 value, __u64 most)
{
	barrier_var(value);
	if (value > most)
		value = most;
	return value;
}

static __always_inline __u64 slot(const struct frame *frame, __u64 number)
{
	barrier_var(number);
	return number < MAX_SLOTS ? frame->slots[number] : 0;
}

static __always_inline void set_slot(struct frame *frame, __u64 number, __u64 value, bool known)
{
	barrier_var(number);
	if (number >= MAX_SLOTS)
		return;
	frame->slots[number] = value;
	frame->failed = (frame->failed & ~(1u << number)) | (__u32)!known << number;
}

static __always_inline bool slot_failed(const struct frame *frame, __u32 number)
{
	return frame->failed >> (number & 31) & 1;
}

/* The kernel's addresses are negative numbers. */
static __always_inline long read_memory(void *to, __u32 size, __u64 from)
{
	if ((__s64)from < 0)
		return bpf_probe_read_kernel(to, size, (void *)from);
	return bpf_probe_read_user(to, size, (void *)from);
}

/* The length with the NUL, at most `size`, or a negative errno. */
static __always_inline long read_string(void *to, __u32 size, __u64 from)
{
	if ((__s64)from < 0)
		return bpf_probe_read_kernel_str(to, size, (void *)from);
	return bpf_probe_read_user_str(to, size, (void *)from);
}

/* Takes a scratch slot for the frame; whether there was one. */
__noinline int take_scratch(struct frame *frame)
{
	__u32 first = bpf_get_smp_processor_id() * SCRATCHES_A_CPU;

	if (!frame)
		return 0;
#pragma clang loop unroll(disable)
	for (int i = 0; i < SCRATCH_TRIES; i++) {
		__u32 number = first + i;
		struct scratch *scratch = bpf_map_lookup_elem(&scratches, &number);

		if (!scratch) /* behind the last processor's */
			return 0;
		if (!__sync_val_compare_and_swap(&scratch->busy, 0, 1)) {
			frame->scratch = number;
			return 1;
		}
	}
	return 0;
}

static __always_inline struct scratch *scratch_of(const struct frame *frame)
{
	__u32 number = frame->scratch;

	return bpf_map_lookup_elem(&scratches, &number);
}

static __always_inline void give_scratch_back(const struct frame *frame)
{
	struct scratch *scratch = bpf_map_lookup_elem(&scratches, &frame->scratch);

	if (scratch)
		__sync_lock_test_and_set(&scratch->busy, 0);
}

#endif
