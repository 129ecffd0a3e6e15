/* events: fills a ring with the engine's records of two cells.  It is run, not attached: see reader.c. */
#include "kernel.h"
#include "wire.h"

#define RECORDS 100000 /* of 80 bytes, with their headers: just under 8 MiB */

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 8 << 20);
} records SEC(".maps");

static long submit(__u32 i, void *unused)
{
	struct record *record =
		bpf_ringbuf_reserve(&records, sizeof(*record) + 2 * sizeof(__u64), 0);

	if (!record)
		return 1;
	record->time = i * 1000ull;
	record->generation = 1 + (i & 1);
	record->site = 1 + (i & 7);
	record->pid = i & 1023;
	record->tid = i;
	record->uid = 1000;
	record->gid = 1000;
	__builtin_memcpy(record->comm, "nginx\0\0\0\0\0\0\0\0\0\0", 16);
	record->comm[5] = '0' + (i & 3);
	record->failed = 0;
	record->cpu = i & 1;
	record->cells[0] = i * 7;
	record->cells[1] = i;
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
