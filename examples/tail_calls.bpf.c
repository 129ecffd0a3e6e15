/* Tail calls: the low half of the cookie is a slot of a program array, and what lies there acts. */
#include "kernel.h"

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 64);
	__type(key, __u32);
	__type(value, __u32);
} actions SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, __u64);
	__type(value, __u64);
} counts SEC(".maps");

struct event {
	__u64 cookie;
	__u32 pid;
	char comm[16];
};

struct event *event_type; /* Lua reads the records by this type */

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 18);
} events SEC(".maps");

__u64 lost, idle;

/* The only program that is attached. */
SEC("uprobe")
int on_hit(struct pt_regs *ctx)
{
	bpf_tail_call(ctx, &actions, (__u32)bpf_get_attach_cookie(ctx));
	__sync_fetch_and_add(&idle, 1); /* here only when the slot is empty */
	return 0;
}

/* An action: the whole cookie is still there. */
SEC("uprobe")
int count(struct pt_regs *ctx)
{
	__u64 cookie = bpf_get_attach_cookie(ctx);
	__u64 *hits = bpf_map_lookup_elem(&counts, &cookie);

	if (hits)
		__sync_fetch_and_add(hits, 1);
	return 0;
}

/* Another. */
SEC("uprobe")
int emit(struct pt_regs *ctx)
{
	struct event *event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);

	if (!event) {
		__sync_fetch_and_add(&lost, 1);
		return 0;
	}
	event->cookie = bpf_get_attach_cookie(ctx);
	event->pid = bpf_get_current_pid_tgid() >> 32;
	bpf_get_current_comm(event->comm, sizeof(event->comm));
	bpf_ringbuf_submit(event, 0);
	return 0;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
