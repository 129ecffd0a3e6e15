/*
 * engine: the programs that the tracer attaches.
 *
 * Each of those that serve fills a frame from its hook's context and asks for what only the context
 * gives, the stacks; all else is in the headers, one for each stage of a hit.
 */
#include "kernel.h"

#include <linux/sched.h>

#include "account.h"
#include "aggregate.h"
#include "emit.h"
#include "pair.h"

static __always_inline void keep_stacks(struct frame *frame)
{
	keep_stack(frame, KEY_KSTACK);
	keep_stack(frame, KEY_USTACK);
}

/* Sends and adds what the rule accepted; the outcome. */
static __always_inline __u32 deliver(struct frame *frame, struct body *body)
{
	__u32 flags = body->flags, outcome = OUTCOME(aggregated);
	bool whole = true;

	if (WITH(STACKS) && flags & BODY_STACK_KEYS)
		keep_stacks(frame);
	if (WITH(TABLES) && (body->aggregates || flags & BODY_ROW))
		whole = aggregate(frame, body);
	if (!whole)
		outcome = OUTCOME(lost);
	if (WITH(EVENTS) && flags & BODY_EVENT) {
		if (!whole)
			count_hit(frame, OUTCOME(rows_lost));
		outcome = emit(frame, body) ? OUTCOME(lost) : OUTCOME(sent);
	}
	return outcome;
}

/* Needs the context, which no global function takes. */
static __always_inline void read_stacks(void *context, struct frame *frame, __u32 flags)
{
	struct scratch *scratch = bpf_map_lookup_elem(&scratches, &frame->scratch);

	if (!scratch)
		return;
	scratch->kstack.bytes = scratch->ustack.bytes = 0;
	if (flags & BODY_KSTACK)
		scratch->kstack.bytes = bpf_get_stack(context, scratch->kstack.frames,
						      sizeof(scratch->kstack.frames), 0);
	if (flags & BODY_USTACK) {
		scratch->ustack.bytes =
			bpf_get_stack(context, scratch->ustack.frames,
				      sizeof(scratch->ustack.frames), BPF_F_USER_STACK);
	}
}

/* What follows when a rule's steps have accepted the hit. */
static __always_inline void outlets(void *context, struct frame *frame, struct body *body)
{
	__u32 outcome = OUTCOME(lost);

	if ((body->sample | body->limit) && !admitted(frame, body))
		return;
	if (body->flags & BODY_ONCE && repeats(frame, true))
		return;
	if (!(body->flags & BODY_SCRATCH) || frame->scratch != NO_SCRATCH || take_scratch(frame)) {
		if (WITH(STACKS) && body->flags & (BODY_KSTACK | BODY_USTACK))
			read_stacks(context, frame, body->flags);
		outcome = deliver(frame, body);
	}
	count_hit(frame, outcome);
	if (body->flags & BODY_ONCE)
		reported(frame, outcome != OUTCOME(lost));
}

/* Begins a span, or with `CALL` among the body's flags a call, whose stacks are those of its end. */
static __always_inline void begin(void *context, struct frame *frame, struct body *body)
{
	__u32 flags = body->flags & (BODY_CALL | BODY_STACK_KEYS);

	if (!accepts(frame, body, body->open_start) ||
	    (!(flags & BODY_CALL) && !has_key(frame, body))) {
		count_hit(frame, OUTCOME(filtered));
		return;
	}
	/* Without a scratch slot it counts the pair as refused. */
	if (take_scratch(frame) && WITH(STACKS) && flags == BODY_STACK_KEYS) {
		read_stacks(context, frame, body->flags);
		keep_stacks(frame);
	}
	open_pair(frame, body, false);
}

/* A call has returned, and its span begins. */
static __always_inline void begin_at_return(void *context, struct frame *frame, struct body *body)
{
	if (WITH(STACKS) && body->flags & BODY_STACK_KEYS) {
		read_stacks(context, frame, body->flags);
		keep_stacks(frame);
	}
	open_pair(frame, body, true);
}

/* The number of the body that decides at the end of a pair; 0: there is no pair. */
static __always_inline __u32 end(struct frame *frame, struct body *body, __u32 role)
{
	if (role == ROLE_RETURN) {
		/* Who reports once soon begins no more of them. */
		if ((!body || body->flags & BODY_ONCE) && !has_pairs(frame->site))
			return 0;
		body = NULL;
	} else if (!body || !accepts(frame, body, body->key_start) || !has_key(frame, body)) {
		count_hit(frame, OUTCOME(unmatched));
		return 0;
	}
	take_scratch(frame);
	return close_pair(frame, body);
}

/* Does what the site's rule says.  The frame's own numbers are the keys: the stack is short. */
static __always_inline void hit(void *context, struct frame *frame, __u64 bits)
{
	__u32 role = bits >> 32 & 0xff;
	bool pair_ends = WITH(PAIRS) && role >= ROLE_RETURN;
	struct site *site;
	struct body *body;

	frame->site = bits;
	site = bpf_map_lookup_elem(&sites, &frame->site);
	if (!site)
		return;
	frame->body = *(volatile __u32 *)&site->body;
	if (!frame->body && role != ROLE_RETURN)
		return;
	frame->context = (__u64)context;
	frame->scratch = NO_SCRATCH;
	body = frame->body ? bpf_map_lookup_elem(&bodies, &frame->body) : NULL;
	if (pair_ends) {
		frame->body = end(frame, body, role);
		body = frame->body ? bpf_map_lookup_elem(&bodies, &frame->body) : NULL;
	}
	if (body && body->flags & BODY_ONCE && !pair_ends && repeats(frame, false))
		return;
	if (body && WITH(PAIRS) && role == ROLE_OPEN) {
		begin(context, frame, body);
	} else if (body) {
		if (!accepts(frame, body, body->start))
			count_hit(frame, OUTCOME(filtered));
		else if (WITH(PAIRS) && body->flags & BODY_BEGINS)
			begin_at_return(context, frame, body);
		else
			outlets(context, frame, body);
		if (pair_ends)
			refer(frame->body, -1);
	}
	if (frame->scratch != NO_SCRATCH)
		give_scratch_back(frame);
}

/* Copied one by one: folded together they would be arithmetic on the context's pointer. */
static __always_inline void read_registers(struct pt_regs *regs, struct frame *frame)
{
	frame->registers[REG_ARG0] = PT_REGS_PARM1(regs);
	frame->registers[REG_ARG1] = PT_REGS_PARM2(regs);
	frame->registers[REG_ARG2] = PT_REGS_PARM3(regs);
	frame->registers[REG_ARG3] = PT_REGS_PARM4(regs);
	frame->registers[REG_ARG4] = PT_REGS_PARM5(regs);
	frame->registers[REG_ARG5] = PT_REGS_PARM6(regs);
}

/* Where x86 returns, the return address has been taken from the stack. */
#if defined(__TARGET_ARCH_x86)
#define RETURN_POPS 8
#else
#define RETURN_POPS 0
#endif

/*
 * From 6.13 on the kernel gives such a program one stack a processor, but for programs with tail
 * calls.  At a uprobe another thread may come in between, and then the two would share it.  So here
 * is a tail call, which is never made: no kernel's cookie has the bit.
 */
static __always_inline void keep_own_stack(struct pt_regs *regs, __u64 bits)
{
	if (bits >> 63)
		bpf_tail_call(regs, &serving, 0);
}

static __always_inline int serve_registers(struct pt_regs *regs)
{
	__u64 bits = bpf_get_attach_cookie(regs);
	struct frame frame;

	keep_own_stack(regs, bits);
	new_frame(&frame);
	read_registers(regs, &frame);
	if (bits >> 32 & ROLE_GOROUTINE)
		set_goroutine_place(regs, &frame.place);
	else
		frame.place =
			PT_REGS_SP(regs) - ((bits >> 32 & 0xff) == ROLE_RETURN ? RETURN_POPS : 0);
	hit(regs, &frame, bits);
	return 0;
}

static __always_inline int serve_context(void *context)
{
	struct frame frame;

	new_frame(&frame);
	hit(context, &frame, bpf_get_attach_cookie(context));
	return 0;
}

/* A call's entry and its return see one context. */
static __always_inline int serve_trampoline(void *context)
{
	struct frame frame;

	new_frame(&frame);
	frame.place = (__u64)context;
	hit(context, &frame, bpf_get_attach_cookie(context));
	return 0;
}

/*
 * What is attached goes on to what serves the hit: that is small when the rules there want little,
 * and is exchanged, between two hits, for one that can do more when a rule wants that.
 */
#define HOOK(section, name, serve)                                                                 \
	SEC(section) int on_##name(void *context)                                                  \
	{                                                                                          \
		bpf_tail_call(context, &serving, 0);                                               \
		return 0;                                                                          \
	}                                                                                          \
	SEC(section) int serve_##name(void *context)                                               \
	{                                                                                          \
		return serve(context);                                                             \
	}

HOOK("kprobe", probe, serve_registers)
HOOK("kprobe.multi", kprobe_multi, serve_registers)
HOOK("uprobe.multi", uprobe_multi, serve_registers)
HOOK("tracepoint", tracepoint, serve_context)
HOOK("raw_tp", raw_tp, serve_context)
HOOK("perf_event", perf_event, serve_context)
HOOK("fentry", fentry, serve_trampoline)
HOOK("fexit", fexit, serve_trampoline)

/* A task's own number, that of its process when it is the first thread; 0: it cannot be read. */
static __always_inline __u32 number_of(__u64 task)
{
	__u32 number;

	return bpf_probe_read_kernel(&number, sizeof(number), (void *)(task + task_pid_at))
		       ? 0
		       : number;
}

/*
 * The children of those that are followed are followed.  These are raw tracepoints, since the
 * kernel leaves out others while anything else of BPF goes on on the CPU.
 */
SEC("raw_tp") int on_fork(struct bpf_raw_tracepoint_args *context)
{
	__u64 mask = families();
	__u32 child = number_of(context->args[0]);

	if (mask && child && !(context->args[1] & CLONE_THREAD))
		bpf_map_update_elem(&family, &child, &mask, BPF_ANY);
	return 0;
}

/* Who ends takes its marks over, so that they go with it. */
SEC("raw_tp") int on_exit(void *context)
{
	families();
	return 0;
}

/* A process is one until its last thread has ended, whoever ends first: then it is forgotten. */
SEC("raw_tp") int on_free(struct bpf_raw_tracepoint_args *context)
{
	__u32 number = number_of(context->args[0]);

	bpf_map_delete_elem(&family, &number);
	return 0;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
