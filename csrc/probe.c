/*
 * probe: what this kernel can do, found out by doing it with a program of two instructions.
 *
 * An attach type that loads may still refuse to attach, and a hook may exist without cookies,
 * so each question is asked as far as the kernel's last word.  Which kernel brought what is
 * written down in lua/crumb/bpf/features.lua.
 */
#include <errno.h>
#include <linux/perf_event.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "core.h"
#include "uapi.h"

static const struct bpf_insn program[] = {
	{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 0 },
	{ .code = BPF_JMP | BPF_EXIT },
};

/* A hook whose programs may not ask for a cookie would drop the one it is given. */
static const struct bpf_insn cookie_program[] = {
	{ .code = BPF_JMP | BPF_CALL, .imm = UAPI_FUNC_GET_ATTACH_COOKIE },
	{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 0 },
	{ .code = BPF_JMP | BPF_EXIT },
};

/* A descriptor, or a negative errno. */
static int load(enum bpf_prog_type type, int attach_type, int btf_id, bool with_cookie)
{
	LIBBPF_OPTS(bpf_prog_load_opts, options,
		    .expected_attach_type = (enum bpf_attach_type)attach_type,
		    .attach_btf_id = (__u32)btf_id);
	int fd = with_cookie
			 ? bpf_prog_load(type, "crumb_probe", "GPL", cookie_program,
					 sizeof(cookie_program) / sizeof(*cookie_program), &options)
			 : bpf_prog_load(type, "crumb_probe", "GPL", program,
					 sizeof(program) / sizeof(*program), &options);

	return fd < 0 ? -errno : fd;
}

/* Closes both, and returns 0, or the errno of a link that is none. */
static int finish(int program_fd, int link)
{
	int err = link < 0 ? -errno : 0;

	if (link >= 0)
		close(link);
	close(program_fd);
	return err;
}

/*
 * Whether a multi link could be made, asked for a place that is none: only a kernel that has it
 * looks so far.  EINVAL would be the answer of one that does not know the attach type.
 */
static int probe_multi(int attach_type, int answer, const struct bpf_link_create_opts *options)
{
	int fd = load(BPF_PROG_TYPE_KPROBE, attach_type, 0, false), err;

	if (fd < 0)
		return fd;
	err = finish(fd, bpf_link_create(fd, 0, (enum bpf_attach_type)attach_type, options));
	return err == answer ? 0 : err;
}

static int probe_kprobe_multi(void)
{
	LIBBPF_OPTS(bpf_link_create_opts, options, .kprobe_multi.cnt = 1,
		    .kprobe_multi.addrs = (const unsigned long *)1);

	return probe_multi(UAPI_TRACE_KPROBE_MULTI, -EFAULT, &options);
}

static int probe_uprobe_multi(void)
{
	const unsigned long offset = 0;
	LIBBPF_OPTS(bpf_link_create_opts, options, .uprobe_multi.path = "/",
		    .uprobe_multi.offsets = &offset, .uprobe_multi.cnt = 1);

	return probe_multi(UAPI_TRACE_UPROBE_MULTI, -EBADF, &options);
}

static int open_raw(int program_fd, const char *name, __u64 cookie)
{
	struct uapi_raw_tracepoint_open attr;

	memset(&attr, 0, sizeof(attr));
	attr.name = (__u64)(uintptr_t)name;
	attr.prog_fd = (__u32)program_fd;
	attr.cookie = cookie;
	return (int)syscall(__NR_bpf, BPF_RAW_TRACEPOINT_OPEN, &attr, sizeof(attr));
}

/* By a tracepoint that hardly ever fires. */
static int probe_raw_tracepoint(bool with_cookie)
{
	int fd = load(BPF_PROG_TYPE_RAW_TRACEPOINT, 0, 0, with_cookie);

	return fd < 0 ? fd : finish(fd, open_raw(fd, "task_rename", with_cookie));
}

/* Of a function that only the kernel's own tests call, or the tracepoint from above. */
static int probe_trace(enum bpf_attach_type type, bool with_cookie)
{
	LIBBPF_OPTS(bpf_link_create_opts, options, .tracing.cookie = with_cookie);
	int id = libbpf_find_vmlinux_btf_id(
		type == BPF_TRACE_RAW_TP ? "task_rename" : "bpf_fentry_test1", type);
	int fd;

	if (id < 0)
		return id;
	fd = load(BPF_PROG_TYPE_TRACING, type, id, with_cookie);
	if (fd < 0)
		return fd;
	return finish(fd, type == BPF_TRACE_RAW_TP ? open_raw(fd, NULL, with_cookie)
						   : bpf_link_create(fd, 0, type, &options));
}

/* BPF_LINK_CREATE on a perf event, without which no perf hook takes a cookie: no such descriptor is the good answer. */
static int probe_perf_link(void)
{
	int fd = load(BPF_PROG_TYPE_TRACEPOINT, 0, 0, false), err;

	if (fd < 0)
		return fd;
	err = finish(fd, bpf_link_create(fd, -1, BPF_PERF_EVENT, NULL));
	return err == -EBADF ? 0 : err;
}

/* Whether the machine counts cycles: a virtual one often does not. */
static int probe_hardware(void)
{
	struct perf_event_attr attr;
	int fd;

	memset(&attr, 0, sizeof(attr));
	attr.size = sizeof(attr);
	attr.type = PERF_TYPE_HARDWARE;
	attr.config = PERF_COUNT_HW_CPU_CYCLES;
	attr.disabled = 1;
	fd = (int)syscall(__NR_perf_event_open, &attr, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

static int probe_ring(void)
{
	return libbpf_probe_bpf_map_type(BPF_MAP_TYPE_RINGBUF, NULL) > 0 ? 0 : -EINVAL;
}

static int probe_raw_plain(void)
{
	return probe_raw_tracepoint(false);
}
static int probe_raw_cookie(void)
{
	return probe_raw_tracepoint(true);
}
static int probe_tp_btf_plain(void)
{
	return probe_trace(BPF_TRACE_RAW_TP, false);
}
static int probe_tp_btf_cookie(void)
{
	return probe_trace(BPF_TRACE_RAW_TP, true);
}
static int probe_fentry_plain(void)
{
	return probe_trace(BPF_TRACE_FENTRY, false);
}
static int probe_fentry_cookie(void)
{
	return probe_trace(BPF_TRACE_FENTRY, true);
}

/* core.probe(what) -> true | nil, message, errno */
int l_probe(lua_State *L)
{
	static const char *const names[] = {
		"perf_link",
		"kprobe.multi",
		"uprobe.multi",
		"rawtracepoint",
		"rawtracepoint cookie",
		"tp_btf",
		"tp_btf cookie",
		"fentry",
		"fentry cookie",
		"hardware",
		"ring",
		NULL,
	};
	static int (*const probes[])(void) = {
		probe_perf_link,     probe_kprobe_multi, probe_uprobe_multi,  probe_raw_plain,
		probe_raw_cookie,    probe_tp_btf_plain, probe_tp_btf_cookie, probe_fentry_plain,
		probe_fentry_cookie, probe_hardware,     probe_ring,
	};
	int err = probes[luaL_checkoption(L, 1, NULL, names)]();

	if (err)
		return handle_fail(L, err, "try %s", lua_tostring(L, 1));
	lua_pushboolean(L, 1);
	return 1;
}

/* core.versions() -> libbpf's version, the kernel's release, the machine */
int l_versions(lua_State *L)
{
	struct utsname name;

	if (uname(&name))
		return luaL_error(L, "uname: %s", strerror(errno));
	lua_pushfstring(L, "%d.%d", (int)libbpf_major_version(), (int)libbpf_minor_version());
	lua_pushstring(L, name.release);
	lua_pushstring(L, name.machine);
	return 3;
}
