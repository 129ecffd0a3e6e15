/*
 * goroutine: whose call it is in Go, where a stack moves and a call goes on in another thread.
 *
 * A goroutine is known by the address of its descriptor, which a register holds in all of Go's own
 * functions from 1.18 on.  The distance from its stack's upper end, which the descriptor's second
 * word tells, stays the same when the stack is copied.
 */
#ifndef CRUMB_GOROUTINE_H
#define CRUMB_GOROUTINE_H

#include "kernel.h"

#if defined(__TARGET_ARCH_x86)
#define GOROUTINE_REGISTER r14
#elif defined(__TARGET_ARCH_arm64)
#define GOROUTINE_REGISTER regs[28]
#endif

#define STACK_END 8 /* in the descriptor */

/* Neither the kernel's addresses nor those of processes have this bit alone of the two highest. */
#define GOROUTINE_PLACE (1ull << 62)
#define NO_GOROUTINE_PLACE GOROUTINE_PLACE /* at the end itself there is no call */

static __always_inline bool is_goroutine_place(__u64 place)
{
	return place >> 62 == 1;
}

#ifdef GOROUTINE_REGISTER
#ifdef __TARGET_ARCH_arm64
typedef struct user_pt_regs go_regs;
#else
typedef struct pt_regs go_regs;
#endif

/* The goroutine of a hit with that context, whose address it is. */
static __always_inline __u64 goroutine_of(__u64 context)
{
	__u64 goroutine = 0;

	bpf_probe_read_kernel(&goroutine, sizeof(goroutine),
			      (void *)(context + offsetof(go_regs, GOROUTINE_REGISTER)));
	return goroutine;
}

/* Sets the place of a call on its goroutine's stack. */
static __always_inline void set_goroutine_place(const struct pt_regs *context, __u64 *place)
{
	__u64 goroutine = ((const go_regs *)context)->GOROUTINE_REGISTER;
	__u64 sp = PT_REGS_SP(context);

	if (bpf_probe_read_user(place, sizeof(*place), (void *)(goroutine + STACK_END)))
		*place = NO_GOROUTINE_PLACE;
	else
		*place = ((*place - sp) & (GOROUTINE_PLACE - 1)) | GOROUTINE_PLACE;
}
#else
static __always_inline __u64 goroutine_of(__u64 context)
{
	return 0;
}

static __always_inline void set_goroutine_place(const struct pt_regs *context, __u64 *place)
{
	*place = NO_GOROUTINE_PLACE;
}
#endif

#endif
