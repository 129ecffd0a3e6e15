/*
 * attach: one function per hook, each adding one kernel link, with its cookies, to a Link.
 *
 * Each returns true, or nil, why, errno: the caller in Lua knows what was attempted on what.
 * Which hook, which sites and which cookies is decided in Lua (lua/crumb/bpf/attach.lua); here
 * a cookie is only passed on.  A symbol of a program file never reaches libbpf: it gets a
 * descriptor's path and an offset.
 */
#include <errno.h>
#include <linux/perf_event.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core.h"
#include "integer.h"
#include "log.h"
#include "uapi.h"

/*
 * The link at 1, ready to take one more part.  It is asked for last: what allocates before may run
 * a finalizer that closes it.
 */
static struct link *ready_link(lua_State *L)
{
	struct link *link = handle_check(L, 1, LINK);
	int err;

	if (!link->program)
		luaL_argerror(L, 1, "a pinned link takes no more attachments");
	err = crumb_link_reserve(link);
	if (err)
		luaL_error(L, "not enough memory");
	crumb_log_reset();
	return link;
}

static __u64 check_cookie(lua_State *L, int arg)
{
	int64_t cookie = 0;
	const char *reason = integer_read(L, arg, &cookie);

	if (reason)
		luaL_argerror(L, arg, lua_pushfstring(L, "cookie: %s", reason));
	return (__u64)cookie;
}

static int finish(lua_State *L, struct link *link, struct bpf_link *kernel_link)
{
	if (!kernel_link)
		return handle_fail_log(L, errno, "");
	crumb_link_add(link, kernel_link, bpf_link__fd(kernel_link));
	lua_pushboolean(L, 1);
	return 1;
}

/* link:attach_kprobe(function, offset, cookie, returns); without a function, `offset` is an address */
static int l_attach_kprobe(lua_State *L)
{
	struct link *link;
	const char *function = lua_isnil(L, 2) ? NULL : handle_check_text(L, 2);
	LIBBPF_OPTS(bpf_kprobe_opts, options, .offset = (size_t)luaL_checkinteger(L, 3),
		    .bpf_cookie = check_cookie(L, 4), .retprobe = lua_toboolean(L, 5));

	link = ready_link(L);
	return finish(L, link, bpf_program__attach_kprobe_opts(link->program, function, &options));
}

/* link:attach_ksyscall(name, cookie, returns) */
static int l_attach_ksyscall(lua_State *L)
{
	struct link *link;
	const char *name = handle_check_text(L, 2);
	LIBBPF_OPTS(bpf_ksyscall_opts, options, .bpf_cookie = check_cookie(L, 3),
		    .retprobe = lua_toboolean(L, 4));

	link = ready_link(L);
	return finish(L, link, bpf_program__attach_ksyscall(link->program, name, &options));
}

/* The list of integers at `arg` as an array that Lua owns; its length in *count. */
static __u64 *check_integers(lua_State *L, int arg, size_t *count)
{
	__u64 *values;

	luaL_checktype(L, arg, LUA_TTABLE);
	*count = lua_rawlen(L, arg);
	values = lua_newuserdatauv(L, (*count + 1) * sizeof(*values), 0);
	for (size_t i = 0; i < *count; i++) {
		int64_t value = 0;
		const char *reason;

		lua_rawgeti(L, arg, (lua_Integer)i + 1);
		reason = integer_read(L, -1, &value);
		if (reason)
			luaL_argerror(L, arg, lua_pushfstring(L, "[%d]: %s", (int)i + 1, reason));
		values[i] = (__u64)value;
		lua_pop(L, 1);
	}
	return values;
}

/* The integers at `arg`, exactly `count` of them. */
static __u64 *check_for_each(lua_State *L, int arg, size_t count, const char *what)
{
	size_t given;
	__u64 *values = check_integers(L, arg, &given);

	if (given != count)
		luaL_argerror(L, arg, lua_pushfstring(L, "not one %s for each site", what));
	return values;
}

/* The list of names at `arg` as an array that Lua owns; the list keeps the names. */
static const char **check_names(lua_State *L, int arg, size_t *count)
{
	const char **names;

	luaL_checktype(L, arg, LUA_TTABLE);
	*count = lua_rawlen(L, arg);
	names = lua_newuserdatauv(L, (*count + 1) * sizeof(*names), 0);
	for (size_t i = 0; i < *count; i++) {
		if (lua_rawgeti(L, arg, (lua_Integer)i + 1) != LUA_TSTRING)
			luaL_argerror(L, arg, "not a list of names");
		names[i] = lua_tostring(L, -1);
		lua_pop(L, 1);
	}
	return names;
}

/* link:attach_kprobe_multi(functions or addresses, cookies, returns) */
static int l_attach_kprobe_multi(lua_State *L)
{
	struct link *link;
	LIBBPF_OPTS(bpf_kprobe_multi_opts, options, .retprobe = lua_toboolean(L, 4));
	bool named;

	luaL_checktype(L, 2, LUA_TTABLE);
	named = lua_rawgeti(L, 2, 1) == LUA_TSTRING;
	lua_pop(L, 1);
	if (named)
		options.syms = check_names(L, 2, &options.cnt);
	else
		options.addrs = (const unsigned long *)check_integers(L, 2, &options.cnt);
	options.cookies = check_for_each(L, 3, options.cnt, "cookie");
	link = ready_link(L);
	return finish(L, link,
		      bpf_program__attach_kprobe_multi_opts(link->program, NULL, &options));
}

/* link:attach_uprobe(path, offset, cookie, returns, pid, semaphore) */
static int l_attach_uprobe(lua_State *L)
{
	struct link *link;
	const char *path = handle_check_text(L, 2);
	size_t offset = (size_t)luaL_checkinteger(L, 3);
	LIBBPF_OPTS(bpf_uprobe_opts, options, .bpf_cookie = check_cookie(L, 4),
		    .retprobe = lua_toboolean(L, 5),
		    .ref_ctr_offset = (size_t)luaL_optinteger(L, 7, 0));

	link = ready_link(L);
	return finish(L, link,
		      bpf_program__attach_uprobe_opts(link->program,
						      (pid_t)luaL_optinteger(L, 6, -1), path,
						      offset, &options));
}

/* link:attach_uprobe_multi(path, offsets, cookies, returns, pid, semaphores); of these 0 is none */
static int l_attach_uprobe_multi(lua_State *L)
{
	struct link *link;
	const char *path = handle_check_text(L, 2);
	size_t count;
	const __u64 *offsets = check_integers(L, 3, &count);
	LIBBPF_OPTS(bpf_uprobe_multi_opts, options, .offsets = (const unsigned long *)offsets,
		    .cookies = check_for_each(L, 4, count, "cookie"), .cnt = count,
		    .retprobe = lua_toboolean(L, 5));

	if (!lua_isnoneornil(L, 7))
		options.ref_ctr_offsets =
			(const unsigned long *)check_for_each(L, 7, count, "semaphore");
	link = ready_link(L);
	return finish(L, link,
		      bpf_program__attach_uprobe_multi(link->program,
						       (pid_t)luaL_optinteger(L, 6, -1), path, NULL,
						       &options));
}

/* link:attach_usdt(path, provider, name, cookie, pid) */
static int l_attach_usdt(lua_State *L)
{
	struct link *link;
	const char *path = handle_check_text(L, 2);
	const char *provider = handle_check_text(L, 3);
	const char *name = handle_check_text(L, 4);
	LIBBPF_OPTS(bpf_usdt_opts, options, .usdt_cookie = check_cookie(L, 5));
	pid_t pid = (pid_t)luaL_optinteger(L, 6, -1);
	struct bpf_link *libbpf_link;

	link = ready_link(L);
	libbpf_link = bpf_program__attach_usdt(link->program, pid, path, provider, name, &options);
	if (!libbpf_link)
		return handle_fail_log(L, errno, "");
	crumb_link_add(link, libbpf_link, -1);
	lua_pushboolean(L, 1);
	return 1;
}

/* link:attach_tracepoint(category, name, cookie) */
static int l_attach_tracepoint(lua_State *L)
{
	struct link *link;
	const char *category = handle_check_text(L, 2);
	const char *name = handle_check_text(L, 3);
	LIBBPF_OPTS(bpf_tracepoint_opts, options, .bpf_cookie = check_cookie(L, 4));

	link = ready_link(L);
	return finish(L, link,
		      bpf_program__attach_tracepoint_opts(link->program, category, name, &options));
}

/* link:attach_raw_tracepoint(name, cookie).  By the system call: libbpf takes a cookie from 1.5 on. */
static int l_attach_raw_tracepoint(lua_State *L)
{
	struct link *link;
	const char *name = handle_check_text(L, 2);
	struct uapi_raw_tracepoint_open attr;
	int fd;

	memset(&attr, 0, sizeof(attr));
	attr.cookie = check_cookie(L, 3);
	link = ready_link(L);
	attr.name = (__u64)(uintptr_t)name;
	attr.prog_fd = (__u32)bpf_program__fd(link->program);
	fd = (int)syscall(__NR_bpf, BPF_RAW_TRACEPOINT_OPEN, &attr, sizeof(attr));
	if (fd < 0)
		return handle_fail(L, errno, "");
	crumb_link_add(link, NULL, fd);
	lua_pushboolean(L, 1);
	return 1;
}

/* link:attach_trace(cookie): fentry, fexit, fmod_ret, tp_btf, to the function the program was loaded for */
static int l_attach_trace(lua_State *L)
{
	struct link *link;
	LIBBPF_OPTS(bpf_trace_opts, options, .cookie = check_cookie(L, 2));

	link = ready_link(L);
	return finish(L, link, bpf_program__attach_trace_opts(link->program, &options));
}

/*
 * link:attach_perf_event(type, config, period, is_frequency, cpu, cookie, pid)
 * The link owns the event's descriptor from success on; before, it is ours.
 */
static int l_attach_perf_event(lua_State *L)
{
	struct link *link;
	LIBBPF_OPTS(bpf_perf_event_opts, options, .bpf_cookie = check_cookie(L, 7));
	struct perf_event_attr attr;
	struct bpf_link *kernel_link;
	pid_t pid = (pid_t)luaL_optinteger(L, 8, -1);
	int cpu = (int)luaL_checkinteger(L, 6);
	int fd, err;

	memset(&attr, 0, sizeof(attr));
	attr.size = sizeof(attr);
	attr.type = (__u32)luaL_checkinteger(L, 2);
	attr.config = (__u64)luaL_checkinteger(L, 3);
	attr.sample_period = (__u64)luaL_checkinteger(L, 4);
	attr.freq = lua_toboolean(L, 5);
	link = ready_link(L);
	fd = (int)syscall(__NR_perf_event_open, &attr, pid, cpu, -1, PERF_FLAG_FD_CLOEXEC);
	if (fd < 0)
		return handle_fail(L, errno, "open a perf event");
	kernel_link = bpf_program__attach_perf_event_opts(link->program, fd, &options);
	if (!kernel_link) {
		err = errno;
		close(fd);
		errno = err;
	}
	return finish(L, link, kernel_link);
}

const luaL_Reg attach_methods[] = {
	{ "attach_kprobe", l_attach_kprobe },
	{ "attach_kprobe_multi", l_attach_kprobe_multi },
	{ "attach_ksyscall", l_attach_ksyscall },
	{ "attach_perf_event", l_attach_perf_event },
	{ "attach_raw_tracepoint", l_attach_raw_tracepoint },
	{ "attach_trace", l_attach_trace },
	{ "attach_tracepoint", l_attach_tracepoint },
	{ "attach_uprobe", l_attach_uprobe },
	{ "attach_uprobe_multi", l_attach_uprobe_multi },
	{ "attach_usdt", l_attach_usdt },
	{ NULL, NULL },
};
