/*
 * family: which processes are followed with their children.
 *
 * The keys are the kernel's numbers of processes.  A script in a PID namespace of its own does not
 * know them: it marks those that are there by its own numbers, with OF_NAMESPACE, and each process
 * takes its marks over when it hits, forks or ends.  A mark is taken, not deleted: the script may
 * add to it at that moment.
 */
#ifndef CRUMB_FAMILY_H
#define CRUMB_FAMILY_H

#include "maps.h"

/* Tells process and thread as the script's PID namespace numbers them; 0 for those of others. */
static __always_inline __u64 pid_tgid(void)
{
	struct bpf_pidns_info ids = {};

	if (!pidns_ino)
		return bpf_get_current_pid_tgid();
	if (bpf_get_ns_current_pid_tgid(pidns_dev, pidns_ino, &ids, sizeof(ids)))
		return 0;
	return (__u64)ids.tgid << 32 | ids.pid;
}

static __always_inline void take_marks(__u32 tgid)
{
	__u32 number = pid_tgid() >> 32 | OF_NAMESPACE;
	__u64 *marks = bpf_map_lookup_elem(&family, &number), *known, taken;

	if (!marks || !*marks)
		return;
	taken = __sync_fetch_and_and(marks, 0);
	if (!bpf_map_update_elem(&family, &tgid, &taken, BPF_NOEXIST))
		return;
	known = bpf_map_lookup_elem(&family, &tgid);
	if (known)
		__sync_fetch_and_or(known, taken);
}

/* The families of this process, one a bit. */
static __always_inline __u64 families(void)
{
	__u32 tgid = bpf_get_current_pid_tgid() >> 32;
	__u64 *known;

	if (pidns_ino)
		take_marks(tgid);
	known = bpf_map_lookup_elem(&family, &tgid);
	return known ? *known : 0;
}

#endif
