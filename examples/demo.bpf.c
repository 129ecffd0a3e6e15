/* The demo's one program: counts the hits of each cookie, filters them, and sends an event when asked to. */
#include "kernel.h"

const volatile __u32 self; /* the demo's own process is left out */

struct rule {
	union {
		char comm[16]; /* whose calls count; empty: everyone's */
		__u64 words[2];
	};
	__s64 events; /* so many of the next hits are sent */
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, __u64); /* the cookie */
	__type(value, struct rule);
} rules SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, __u64); /* the cookie */
	__type(value, __u64);
} hits SEC(".maps");

struct event {
	__u64 cookie;
	__u64 sp;
	__u32 pid;
	__u32 stack_length;
	char comm[16];
	__u8 stack[50];
};

struct event *event_type; /* Lua reads the records by this type */

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 16);
} events SEC(".maps");

static __always_inline void emit(struct pt_regs *ctx, __u64 cookie, __u32 pid)
{
	struct event *event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);

	if (!event)
		return;
	event->cookie = cookie;
	event->sp = PT_REGS_SP(ctx);
	event->pid = pid;
	bpf_get_current_comm(event->comm, sizeof(event->comm));
	event->stack_length = sizeof(event->stack);
	if (bpf_probe_read_user(event->stack, sizeof(event->stack), (void *)event->sp))
		event->stack_length = 0;
	bpf_ringbuf_submit(event, 0);
}

static __always_inline int hit(struct pt_regs *ctx)
{
	__u64 cookie = bpf_get_attach_cookie(ctx), *count;
	__u64 comm[2] = {}; /* older kernels write up to the end of the name only */
	struct rule *rule = bpf_map_lookup_elem(&rules, &cookie);
	__u32 pid = bpf_get_current_pid_tgid() >> 32;

	if (!rule || pid == self)
		return 0;
	bpf_get_current_comm(comm, sizeof(comm));
	if (rule->words[0] && (rule->words[0] != comm[0] || rule->words[1] != comm[1]))
		return 0;
	count = bpf_map_lookup_elem(&hits, &cookie);
	if (count)
		__sync_fetch_and_add(count, 1);
	if (rule->events > 0 && __sync_fetch_and_add(&rule->events, -1) > 0)
		emit(ctx, cookie, pid);
	return 0;
}

/* The demo loads one of these: kernels from 6.6 on attach to any number of functions at once. */
SEC("uprobe.multi") int on_hit_multi(struct pt_regs *ctx)
{
	return hit(ctx);
}
SEC("uprobe") int on_hit(struct pt_regs *ctx)
{
	return hit(ctx);
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
