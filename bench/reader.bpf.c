/* reader: fills a ring with records of 32 bytes.  It is run, not attached: see reader.c. */
#include "kernel.h"

#define RECORDS 100000 /* of 40 bytes, with their headers: just under 4 MiB */

struct record {
	__u64 cookie;
	__u64 time;
	__u32 pid;
	__u32 tid;
	__u32 uid;
	__u32 size;
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4 << 20);
} records SEC(".maps");

struct record unused; /* for its BTF */

static long submit(__u32 i, void *unused_context)
{
	struct record *record = bpf_ringbuf_reserve(&records, sizeof(*record), 0);

	if (!record)
		return 1;
	record->cookie = 0x100000000ull + i;
	record->time = i * 1000ull;
	record->pid = i & 1023;
	record->tid = i;
	record->uid = 1000;
	record->size = i * 7;
	bpf_ringbuf_submit(record, BPF_RB_NO_WAKEUP);
	return 0;
}

SEC("syscall")
int fill(void *ctx)
{
	bpf_loop(RECORDS, submit, NULL, 0);
	return 0;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
