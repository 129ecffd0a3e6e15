/* decide: the steps of a body, which compute into slots and choose the way. */
#ifndef CRUMB_DECIDE_H
#define CRUMB_DECIDE_H

#include "family.h"
#include "text.h"

/* What take_step() answers with the number where a text is to be compared, on a stack of its own. */
#define TEXT_STEP 0x100

static __always_inline __u64 narrowed(__u64 value, __u32 width, bool is_signed)
{
	__u32 unused = width < 8 ? 64 - 8 * width : 0;

	value <<= unused & 63;
	return is_signed ? (__u64)((__s64)value >> (unused & 63)) : value >> (unused & 63);
}

static __always_inline long load(__u64 *value, __u64 from, const struct step *step)
{
	__u64 width = at_most(step->width, 8);
	long err;

	*value = 0;
	err = read_memory(value, width, from);
	*value = narrowed(*value, width, step->flags & FLAG_SIGNED);
	return err;
}

static __always_inline __u64 comm_word(__u32 which)
{
	__u64 comm[2] = {}; /* older kernels write up to the end of the name only */

	bpf_get_current_comm(comm, sizeof(comm));
	return which ? comm[1] : comm[0];
}

static __always_inline __u64 cookie(const struct frame *frame)
{
	__u32 number = frame->site;
	struct site *site = bpf_map_lookup_elem(&sites, &number);

	return site ? site->cookie : 0;
}

__noinline __u64 builtin(struct frame *frame, __u32 which)
{
	if (!frame)
		return 0;
	switch (which) {
	case BUILTIN_PID:
		return pid_tgid() >> 32;
	case BUILTIN_TID:
		return (__u32)pid_tgid();
	case BUILTIN_UID:
		return (__u32)bpf_get_current_uid_gid();
	case BUILTIN_GID:
		return bpf_get_current_uid_gid() >> 32;
	case BUILTIN_CPU:
		return bpf_get_smp_processor_id();
	case BUILTIN_TIME:
		return now(frame);
	case BUILTIN_COOKIE:
		return cookie(frame);
	case BUILTIN_SITE:
		return frame->site;
	case BUILTIN_LATENCY:
		return now(frame) - frame->began;
	case BUILTIN_CGROUP:
		return bpf_get_current_cgroup_id();
	case BUILTIN_TASK:
		return bpf_get_current_task();
	case BUILTIN_CONTEXT:
		return frame->context;
	case BUILTIN_COMM_LOW:
		return comm_word(0);
	case BUILTIN_COMM_HIGH:
		return comm_word(1);
	}
	return 0;
}

static __always_inline __u64 magnitude(__u64 value, bool is_signed)
{
	return is_signed && (__s64)value < 0 ? -value : value;
}

/* BPF divides unsigned numbers only. */
static __always_inline __u64 divided(__u64 a, __u64 b, bool is_signed, bool rest)
{
	__u64 dividend = magnitude(a, is_signed), divisor = magnitude(b, is_signed);
	__u64 result = dividend / divisor;

	if (rest)
		result = dividend - result * divisor;
	if (is_signed && (__s64)(rest ? a : a ^ b) < 0)
		result = -result;
	return result;
}

static __always_inline __u64 calculated(const struct step *step, __u64 a, __u64 b)
{
	bool is_signed = step->flags & FLAG_SIGNED;

	switch (step->op) {
	case OP_ADD:
		return a + b;
	case OP_SUB:
		return a - b;
	case OP_MUL:
		return a * b;
	case OP_DIV:
	case OP_MOD:
		return divided(a, b, is_signed, step->op == OP_MOD);
	case OP_AND:
		return a & b;
	case OP_OR:
		return a | b;
	case OP_XOR:
		return a ^ b;
	case OP_SHL:
		return b < 64 ? a << b : 0;
	case OP_SHR:
		if (is_signed)
			return (__s64)a >> (b < 64 ? b : 63);
		return b < 64 ? a >> b : 0;
	default: /* OP_CONVERT */
		return narrowed(a, step->width, is_signed);
	}
}

/* The operand `a`; false: it could not be computed. */
static __always_inline bool first_operand(struct frame *frame, const struct step *step, __u64 *a)
{
	if (step->op == OP_BUILTIN || step->flags & FLAG_BUILTIN) {
		*a = builtin(frame, step->a);
		return true;
	}
	*a = slot(frame, step->a);
	return !slot_failed(frame, step->a);
}

/* The operand `b`, likewise. */
static __always_inline bool second_operand(const struct frame *frame, const struct step *step,
					   __u64 *b)
{
	if (step->flags & FLAG_CONSTANT || step->op == OP_CONVERT) {
		*b = step->value;
		return true;
	}
	*b = slot(frame, step->b);
	return !slot_failed(frame, step->b);
}

/* The value of a step; its failure is that of what it is made of. */
static __always_inline bool compute(struct frame *frame, const struct step *step, __u64 *value)
{
	bool known = first_operand(frame, step, value);
	__u64 b;

	switch (step->op) {
	case OP_BUILTIN:
		return true;
	case OP_CONSTANT:
		*value = step->value;
		return true;
	case OP_REGISTER:
		*value = step->a < REG_COUNT ? frame->registers[step->a] : 0;
		return true;
	case OP_CONTEXT:
	case OP_LOAD:
		if (step->op == OP_CONTEXT) {
			*value = frame->context;
			known = true;
		}
		return known && !load(value, *value + step->value, step);
	default:
		if (!WITH(ARITHMETIC))
			return false;
		known &= second_operand(frame, step, &b);
		*value = calculated(step, *value, b);
		return known;
	}
}

static __always_inline bool in_set(__u64 value, __u32 number)
{
	void *set = bpf_map_lookup_elem(&sets, &number);

	return set && bpf_map_lookup_elem(set, &value);
}

static __always_inline bool followed(__u32 number)
{
	return families() >> (number & 63) & 1;
}

/* What makes signed numbers compare as unsigned ones do. */
#define SIGN (1ull << 63)

/* 1 or 0, or negative when a value could not be read. */
static __always_inline int compare(struct frame *frame, const struct step *step)
{
	__u64 a, b, bias = step->flags & FLAG_SIGNED ? SIGN : 0;

	if (step->op == OP_FOLLOWED)
		return followed(step->value);
	if (!first_operand(frame, step, &a))
		return -1;
	if (step->op == OP_IN)
		return in_set(a, step->value);
	if (!second_operand(frame, step, &b))
		return -1;
	if (step->op == OP_EQ)
		return a == b;
	a ^= bias;
	b ^= bias;
	return step->op == OP_LT ? a < b : a <= b;
}

/* The number of the step to go on at, or a verdict. */
__noinline int take_step(struct frame *frame, struct body *body, __u32 number)
{
	struct step *step;
	__u64 value = 0;
	bool known;
	int answer;

	if (!frame || !body)
		return REJECTED;
	step = &body->steps[number & (MAX_STEPS - 1)];
	if (step->op >= OP_ACCEPT)
		return step->op == OP_ACCEPT ? ACCEPTED : REJECTED;
	if (step->op >= OP_TEXT_EQ)
		return TEXT_STEP | (number & (MAX_STEPS - 1));
	if (WITH(COMPARISONS) && step->op >= OP_EQ) {
		answer = compare(frame, step);
		return way_on(step, answer);
	}
	known = compute(frame, step, &value);
	set_slot(frame, step->to, value, known);
	return step->yes;
}

/* In one comparison: the verifier follows each in each turn of a loop. */
static __always_inline bool is_verdict(__u32 number)
{
	return number - ACCEPTED <= REJECTED - ACCEPTED;
}

#define STEPS_AT_ONCE 8

/* Takes a few steps: the number to go on at. */
__noinline int take_steps(struct frame *frame, struct body *body, __u32 number)
{
	if (!frame || !body)
		return REJECTED;
	for (int i = 0; i < STEPS_AT_ONCE; i++) {
		if (is_verdict(number))
			break;
		number = WITH(TEXTS) && number & TEXT_STEP ? compare_text(frame, body, number)
							   : take_step(frame, body, number);
	}
	return number;
}

/*
 * Whether the steps from this one on accept the hit.  In two levels, since the verifier walks
 * through each turn of a loop, and through a global function once.
 */
__noinline int decide(struct frame *frame, struct body *body, __u32 number)
{
	if (!frame || !body)
		return 0;
	for (int i = 0; i < 2 * MAX_STEPS / STEPS_AT_ONCE; i++) {
		if (is_verdict(number))
			break;
		number = take_steps(frame, body, number);
	}
	return number == ACCEPTED;
}

/* The same, and faster for the many rules that are decided by one step or none. */
static __always_inline bool accepts(struct frame *frame, struct body *body, __u32 number)
{
	if (!WITH(STEPS) || is_verdict(number))
		return number == ACCEPTED;
	number = take_step(frame, body, number);
	return is_verdict(number) ? number == ACCEPTED : decide(frame, body, number);
}

#endif
