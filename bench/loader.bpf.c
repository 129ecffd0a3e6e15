/* loader: what a small tracer loads: a program that counts hits by its cookie. */
#include "kernel.h"

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, __u64);
	__type(value, __u64);
} hits SEC(".maps");

SEC("tracepoint")
int count(void *ctx)
{
	__u64 cookie = bpf_get_attach_cookie(ctx), zero = 0, *hit;

	bpf_map_update_elem(&hits, &cookie, &zero, BPF_NOEXIST);
	hit = bpf_map_lookup_elem(&hits, &cookie);
	if (hit)
		__sync_fetch_and_add(hit, 1);
	return 0;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
