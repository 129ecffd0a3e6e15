/*
 * kernel: the few kernel types that BPF programs here need, instead of a vmlinux.h.
 *
 * A structure has only the members that are read; CO-RE finds where they lie on the running
 * kernel.  Numbers come from the kernel's own uapi headers.
 */
#ifndef CRUMB_KERNEL_H
#define CRUMB_KERNEL_H

#include <linux/bpf.h>
#include <linux/bpf_perf_event.h>
#include <linux/ptrace.h>
#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>

#include <bpf/bpf_helpers.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

#define RELOCATED __attribute__((preserve_access_index))

struct task_struct {
	int pid, tgid;
	struct task_struct *real_parent;
} RELOCATED;

/* The arguments of a raw tracepoint, and of fentry and fexit programs. */
struct bpf_raw_tracepoint_args;

#endif
