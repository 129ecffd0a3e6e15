/* Event context: one program for any number of functions; its cookie says which one it is in. */
#include "kernel.h"

#define STACK_BYTES 50

struct event {
	__u64 cookie;
	__u64 sp;
	__u32 pid;
	__u32 stack_length; /* 0: the stack could not be read */
	char comm[16];
	__u8 stack[STACK_BYTES];
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
	struct event *event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);

	if (!event) {
		__sync_fetch_and_add(&lost, 1);
		return 0;
	}
	event->cookie = bpf_get_attach_cookie(ctx);
	event->sp = PT_REGS_SP(ctx);
	event->pid = bpf_get_current_pid_tgid() >> 32;
	bpf_get_current_comm(event->comm, sizeof(event->comm));
	event->stack_length = STACK_BYTES;
	if (bpf_probe_read_user(event->stack, STACK_BYTES, (void *)event->sp))
		event->stack_length = 0;
	bpf_ringbuf_submit(event, 0);
	return 0;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
