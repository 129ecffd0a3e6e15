/* Filter map: the cookie is the key of the filter, which lies in a map and can be changed at any time. */
#include "kernel.h"

struct filter {
	__u32 uid;
	__u32 gid;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, __u64);
	__type(value, struct filter);
} filters SEC(".maps");

struct event {
	__u64 cookie;
	__u32 uid;
	__u32 gid;
	__u32 pid;
	char comm[16];
};

struct event *event_type; /* Lua reads the records by this type */

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 18);
} events SEC(".maps");

__u64 lost;

SEC("uprobe")
int on_hit(struct pt_regs *ctx)
{
	__u64 cookie = bpf_get_attach_cookie(ctx), uid_gid = bpf_get_current_uid_gid();
	struct filter *filter = bpf_map_lookup_elem(&filters, &cookie);
	struct event *event;

	if (!filter || filter->uid != (__u32)uid_gid || filter->gid != uid_gid >> 32)
		return 0;
	event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);
	if (!event) {
		__sync_fetch_and_add(&lost, 1);
		return 0;
	}
	event->cookie = cookie;
	event->uid = uid_gid;
	event->gid = uid_gid >> 32;
	event->pid = bpf_get_current_pid_tgid() >> 32;
	bpf_get_current_comm(event->comm, sizeof(event->comm));
	bpf_ringbuf_submit(event, 0);
	return 0;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
