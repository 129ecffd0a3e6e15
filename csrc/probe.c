/*
 * probe: what this kernel can do, found out by doing it with a program of two instructions.
 *
 * An attach type that loads may still refuse to attach, and a hook may exist without cookies,
 * so each question is asked as far as the kernel's last word.  Which kernel brought what is
 * written down in lua/crumb/bpf/features.lua.
 */
#include <errno.h>
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

/* A descriptor, or a negative errno. */
static int load(enum bpf_prog_type type, int attach_type, int btf_id)
{
	LIBBPF_OPTS(bpf_prog_load_opts, options,
		.expected_attach_type = (enum bpf_attach_type)attach_type,
		.attach_btf_id = (__u32)btf_id,
	);
	int fd = bpf_prog_load(type, "crumb_probe", "GPL", program,
			       sizeof(program) / sizeof(*program), &options);

	return fd < 0 ? -errno : fd;
}

/* Whether a multi link could be made: with nothing to attach to, EINVAL is the answer of a kernel that can. */
static int probe_multi(int attach_type)
{
	int fd = load(BPF_PROG_TYPE_KPROBE, attach_type, 0), link, err;

	if (fd < 0)
		return fd;
	link = bpf_link_create(fd, 0, (enum bpf_attach_type)attach_type, NULL);
	err = link < 0 ? -errno : 0;
	if (link >= 0)
		close(link);
	close(fd);
	return err == -EINVAL ? 0 : err;
}

static int open_raw(int program_fd, const char *name, __u64 cookie)
{
	struct uapi_raw_tracepoint_open attr;
	int link;

	memset(&attr, 0, sizeof(attr));
	attr.name = (__u64)(uintptr_t)name;
	attr.prog_fd = (__u32)program_fd;
	attr.cookie = cookie;
	link = (int)syscall(__NR_bpf, BPF_RAW_TRACEPOINT_OPEN, &attr, sizeof(attr));
	if (link < 0)
		return -errno;
	close(link);
	return 0;
}

/* By a tracepoint that hardly ever fires. */
static int probe_raw_tracepoint(__u64 cookie)
{
	int fd = load(BPF_PROG_TYPE_RAW_TRACEPOINT, 0, 0), err;

	if (fd < 0)
		return fd;
	err = open_raw(fd, "task_rename", cookie);
	close(fd);
	return err;
}

/* fentry of a function that only the kernel's own tests call. */
static int probe_trace(__u64 cookie)
{
	LIBBPF_OPTS(bpf_link_create_opts, options, .tracing.cookie = cookie);
	int id = libbpf_find_vmlinux_btf_id("bpf_fentry_test1", BPF_TRACE_FENTRY);
	int fd, link, err;

	if (id < 0)
		return id;
	fd = load(BPF_PROG_TYPE_TRACING, BPF_TRACE_FENTRY, id);
	if (fd < 0)
		return fd;
	link = bpf_link_create(fd, 0, BPF_TRACE_FENTRY, &options);
	err = link < 0 ? -errno : 0;
	if (link >= 0)
		close(link);
	close(fd);
	return err;
}

/* BPF_LINK_CREATE on a perf event, without which no perf hook takes a cookie: no such descriptor is the good answer. */
static int probe_perf_link(void)
{
	int fd = load(BPF_PROG_TYPE_TRACEPOINT, 0, 0), link, err;

	if (fd < 0)
		return fd;
	link = bpf_link_create(fd, -1, BPF_PERF_EVENT, NULL);
	err = link < 0 ? -errno : 0;
	if (link >= 0)
		close(link);
	close(fd);
	return err == -EBADF ? 0 : err;
}

/* core.probe(what) -> true | nil, message, errno */
int l_probe(lua_State *L)
{
	static const char *const names[] = { "perf_link", "kprobe.multi", "uprobe.multi",
					     "rawtracepoint", "rawtracepoint cookie",
					     "fentry", "fentry cookie", "ring", NULL };
	int err;

	switch (luaL_checkoption(L, 1, NULL, names)) {
	case 0:
		err = probe_perf_link();
		break;
	case 1:
		err = probe_multi(UAPI_TRACE_KPROBE_MULTI);
		break;
	case 2:
		err = probe_multi(UAPI_TRACE_UPROBE_MULTI);
		break;
	case 3:
		err = probe_raw_tracepoint(0);
		break;
	case 4:
		err = probe_raw_tracepoint(1);
		break;
	case 5:
		err = probe_trace(0);
		break;
	case 6:
		err = probe_trace(1);
		break;
	default:
		err = libbpf_probe_bpf_map_type(BPF_MAP_TYPE_RINGBUF, NULL) > 0 ? 0 : -EINVAL;
	}
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
