/* Filter by uid: the cookie is the uid that the kernel lets through. */
#include "kernel.h"

struct event {
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
	__u64 uid_gid = bpf_get_current_uid_gid();
	__u32 uid = uid_gid; /* the low half; compared whole, only members of group 0 would match */
	struct event *event;

	if (uid != bpf_get_attach_cookie(ctx))
		return 0;
	event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);
	if (!event) {
		__sync_fetch_and_add(&lost, 1);
		return 0;
	}
	event->uid = uid;
	event->gid = uid_gid >> 32;
	event->pid = bpf_get_current_pid_tgid() >> 32;
	bpf_get_current_comm(event->comm, sizeof(event->comm));
	bpf_ringbuf_submit(event, 0);
	return 0;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
