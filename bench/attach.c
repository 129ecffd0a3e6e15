/*
 * attach: the plain system call that crumb's ways of attaching are compared with, as a module for
 * attaching.lua: the offsets and the cookies are ready before the time begins.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define UPROBE_MULTI                                                                               \
	((enum bpf_attach_type)48) /* in the kernel from 6.6 on; the headers may be older */

static lua_Integer clock_now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (lua_Integer)time.tv_sec * 1000000000 + time.tv_nsec;
}

/* attach(program's fd, path, first offset, bytes between two, how many) -> nanoseconds to attach, to detach */
static int l_attach(lua_State *L)
{
	int program = (int)luaL_checkinteger(L, 1), link;
	unsigned long first = (unsigned long)luaL_checkinteger(L, 3);
	unsigned long stride = (unsigned long)luaL_checkinteger(L, 4);
	__u32 count = (__u32)luaL_checkinteger(L, 5);
	unsigned long *offsets = lua_newuserdatauv(L, count * sizeof(*offsets), 0);
	__u64 *cookies = lua_newuserdatauv(L, count * sizeof(*cookies), 0);
	LIBBPF_OPTS(bpf_link_create_opts, options, .uprobe_multi.path = luaL_checkstring(L, 2),
		    .uprobe_multi.offsets = offsets, .uprobe_multi.cookies = cookies,
		    .uprobe_multi.cnt = count);
	lua_Integer start, attached, end;

	for (__u32 i = 0; i < count; i++) {
		offsets[i] = first + i * stride;
		cookies[i] = i + 1;
	}
	start = clock_now();
	link = bpf_link_create(program, 0, UPROBE_MULTI, &options);
	attached = clock_now();
	if (link < 0)
		return luaL_error(L, "attach: %s", strerror(-link));
	close(link);
	end = clock_now();
	lua_pushinteger(L, attached - start);
	lua_pushinteger(L, end - attached);
	return 2;
}

int luaopen_attach(lua_State *L)
{
	lua_pushcfunction(L, l_attach);
	return 1;
}
