/* account: what became of each hit, and the measures by which hits are thinned. */
#ifndef CRUMB_ACCOUNT_H
#define CRUMB_ACCOUNT_H

#include "frame.h"

#define OUTCOME(name) (__builtin_offsetof(struct account, name) / 8)

static __always_inline void count(__u32 site, __u32 outcome)
{
	struct account *account = bpf_map_lookup_elem(&accounts, &site);

	if (account && outcome < sizeof(*account) / 8)
		__sync_fetch_and_add((__u64 *)account + outcome, 1);
}

/* The same for the hit of a frame on this very stack, which is a key as it is. */
static __always_inline void count_hit(const struct frame *frame, __u32 outcome)
{
	struct account *account = bpf_map_lookup_elem(&accounts, &frame->site);

	if (account && outcome < sizeof(*account) / 8)
		__sync_fetch_and_add((__u64 *)account + outcome, 1);
}

/* Whether the frame's site has made its one report, or is about to; the hit is counted then. */
static __always_inline bool repeats(const struct frame *frame, bool claim)
{
	struct account *account = bpf_map_lookup_elem(&accounts, &frame->site);

	if (!account)
		return false;
	if (!*(volatile __u64 *)&account->seen &&
	    !(claim && __sync_val_compare_and_swap(&account->seen, SEEN_NOT, SEEN_NOW)))
		return false;
	__sync_fetch_and_add(&account->repeated, 1);
	return true;
}

/* The report that was claimed is made, or lost. */
static __always_inline void reported(const struct frame *frame, bool made)
{
	struct account *account = bpf_map_lookup_elem(&accounts, &frame->site);

	if (account)
		*(volatile __u64 *)&account->seen = made ? SEEN_DONE : SEEN_NOT;
}

#define SPENT_BITS 32

/* One word tells the second and what was spent in it, so that no hit counts in two. */
static __always_inline bool within_limit(struct account *gauge, struct frame *frame, __u32 limit)
{
	__u64 second = now(frame) / 1000000000 << SPENT_BITS;
	__u64 before = *(volatile __u64 *)&gauge->spent;

	/* Who is late, or loses to who begins the same second, counts in that one. */
	if (before < second &&
	    __sync_val_compare_and_swap(&gauge->spent, before, second | 1) == before)
		return true;
	return (__u32)__sync_fetch_and_add(&gauge->spent, 1) < limit;
}

/* Whether a hit that the rule accepted goes on to the outlets; if not, it is counted. */
__noinline int admitted(struct frame *frame, struct body *body)
{
	struct account *gauge;
	struct site *site;
	__u32 number;

	if (!frame || !body)
		return 0;
	number = frame->site;
	site = bpf_map_lookup_elem(&sites, &number);
	number = site ? site->gauge : 0;
	gauge = bpf_map_lookup_elem(&accounts, &number);
	if (!gauge)
		return 1;
	if (body->sample > 1 && __sync_fetch_and_add(&gauge->ticks, 1) % body->sample) {
		count(frame->site, OUTCOME(sampled_out));
		return 0;
	}
	if (body->limit && !within_limit(gauge, frame, body->limit)) {
		count(frame->site, OUTCOME(limited));
		return 0;
	}
	return 1;
}

#endif
