/* Stack dump: the cookie says how many bytes of the user stack this place is worth. */
#include "kernel.h"

struct event {
	__u64 ip;
	__u64 sp;
	__u32 pid;
	__u32 length; /* 0: the stack could not be read */
	char comm[16];
	__u8 stack[256];
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
	__u64 length = bpf_get_attach_cookie(ctx);

	if (!event) {
		__sync_fetch_and_add(&lost, 1);
		return 0;
	}
	event->ip = PT_REGS_IP(ctx);
	event->sp = PT_REGS_SP(ctx);
	event->pid = bpf_get_current_pid_tgid() >> 32;
	bpf_get_current_comm(event->comm, sizeof(event->comm));
	/* The verifier must see that no cookie can lead past the record. */
	if (length > sizeof(event->stack))
		length = sizeof(event->stack);
	if (bpf_probe_read_user(event->stack, length, (void *)event->sp))
		length = 0;
	event->length = length;
	bpf_ringbuf_submit(event, 0);
	return 0;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
