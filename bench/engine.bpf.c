/*
 * What one would write by hand for the jobs that bench/engine.lua gives to the engine: it reads the
 * cookie, finds what is to be done there, does it, and accounts for the hit.
 */
#include "kernel.h"

struct account {
	__u64 filtered, counted, sent, lost;
};

struct job {
	__u32 uid;
};

struct event {
	__u64 time;
	__u64 cookie;
	__u32 pid, tid;
	__u32 uid, gid;
	char comm[16];
	__u64 value;
};

struct event *event_type;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 64);
	__type(key, __u32);
	__type(value, struct job);
} jobs SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 64);
	__type(key, __u32);
	__type(value, struct account);
} accounts SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, __u64);
	__type(value, __u64);
} counts SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 24);
} events SEC(".maps");

static __always_inline struct account *account_of(__u64 cookie)
{
	__u32 number = cookie;

	return bpf_map_lookup_elem(&accounts, &number);
}

static __always_inline int count(void *context, __u64 cookie, __u64 key)
{
	struct account *account = account_of(cookie);
	__u64 *found = bpf_map_lookup_elem(&counts, &key), one = 1;

	if (!account)
		return 0;
	if (found)
		__sync_fetch_and_add(found, 1);
	else if (bpf_map_update_elem(&counts, &key, &one, BPF_NOEXIST))
		return __sync_fetch_and_add(&account->lost, 1) * 0;
	__sync_fetch_and_add(&account->counted, 1);
	return 0;
}

SEC("tracepoint") int empty(void *context)
{
	return 0;
}

SEC("tracepoint") int miss(void *context)
{
	__u32 number = bpf_get_attach_cookie(context), uid;
	struct job *job = bpf_map_lookup_elem(&jobs, &number);
	struct account *account = account_of(number);

	if (!job || !account)
		return 0;
	uid = bpf_get_current_uid_gid();
	if (uid != job->uid) {
		__sync_fetch_and_add(&account->filtered, 1);
		return 0;
	}
	__sync_fetch_and_add(&account->counted, 1);
	return 0;
}

SEC("tracepoint") int count_by_cookie(void *context)
{
	__u64 cookie = bpf_get_attach_cookie(context);

	return count(context, cookie, cookie);
}

SEC("tracepoint") int count_by_pid(void *context)
{
	return count(context, bpf_get_attach_cookie(context), bpf_get_current_pid_tgid() >> 32);
}

SEC("tracepoint") int send_event(void *context)
{
	__u64 cookie = bpf_get_attach_cookie(context), ids;
	struct account *account = account_of(cookie);
	struct event *event;

	if (!account)
		return 0;
	event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);
	if (!event) {
		__sync_fetch_and_add(&account->lost, 1);
		return 0;
	}
	event->time = bpf_ktime_get_ns();
	event->cookie = cookie;
	ids = bpf_get_current_pid_tgid();
	event->pid = ids >> 32;
	event->tid = ids;
	ids = bpf_get_current_uid_gid();
	event->uid = ids;
	event->gid = ids >> 32;
	bpf_get_current_comm(event->comm, sizeof(event->comm));
	bpf_probe_read_kernel(&event->value, sizeof(event->value), context + 16);
	bpf_ringbuf_submit(event, BPF_RB_NO_WAKEUP);
	__sync_fetch_and_add(&account->sent, 1);
	return 0;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
