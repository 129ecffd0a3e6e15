/*
 * uapi: the parts of linux/bpf.h that are newer than the headers crumb is built with.
 *
 * Numbers and layouts as the kernel fixed them; each with the kernel that brought it.
 */
#ifndef CRUMB_UAPI_H
#define CRUMB_UAPI_H

#include <linux/types.h>

/* enum bpf_attach_type */
enum {
	UAPI_TRACE_KPROBE_MULTI = 42, /* 5.18 */
	UAPI_TRACE_UPROBE_MULTI = 48, /* 6.6 */
};

/* enum bpf_func_id */
enum {
	UAPI_FUNC_GET_ATTACH_COOKIE = 174, /* 5.15 */
};

/* enum bpf_link_type */
enum {
	UAPI_LINK_RAW_TRACEPOINT = 1,
	UAPI_LINK_TRACING = 2,
	UAPI_LINK_PERF_EVENT = 7,
	UAPI_LINK_KPROBE_MULTI = 8,
	UAPI_LINK_UPROBE_MULTI = 12,
};

/* enum bpf_perf_event_type, 6.6 */
enum {
	UAPI_PERF_UPROBE = 1,
	UAPI_PERF_URETPROBE,
	UAPI_PERF_KPROBE,
	UAPI_PERF_KRETPROBE,
	UAPI_PERF_TRACEPOINT,
	UAPI_PERF_EVENT,
};

/* The argument of BPF_RAW_TRACEPOINT_OPEN; the cookie since 6.10. */
struct uapi_raw_tracepoint_open {
	__aligned_u64 name;
	__u32 prog_fd;
	__u32 pad;
	__aligned_u64 cookie;
};

/* struct bpf_link_info, with the members that crumb reads. */
struct uapi_link_info {
	__u32 type, id, prog_id, pad;
	union {
		struct {
			__aligned_u64 name;
			__u32 name_size, pad;
			__u64 cookie; /* 6.17 */
		} raw_tracepoint;
		struct {
			__u32 attach_type, object_id, btf_id, pad;
			__u64 cookie; /* 6.17 */
		} tracing;
		struct { /* 6.6 */
			__aligned_u64 addresses;
			__u32 count, flags;
			__u64 missed; /* 6.7 */
			__aligned_u64 cookies; /* 6.9 */
		} kprobe_multi;
		struct { /* 6.8 */
			__aligned_u64 path, offsets, semaphores, cookies;
			__u32 path_size, count, flags, pid;
		} uprobe_multi;
		struct { /* 6.6 */
			__u32 type, pad;
			union {
				struct {
					__aligned_u64 name;
					__u32 name_size, offset;
					__u64 cookie; /* 6.9 */
				} uprobe;
				struct {
					__aligned_u64 name;
					__u32 name_size, offset;
					__u64 address, missed, cookie; /* 6.9 */
				} kprobe;
				struct {
					__aligned_u64 name;
					__u32 name_size, pad;
					__u64 cookie; /* 6.9 */
				} tracepoint;
				struct {
					__u64 config;
					__u32 type, pad;
					__u64 cookie; /* 6.9 */
				} event;
			};
		} perf_event;
		char room[240]; /* for what later kernels add */
	};
};

#endif
