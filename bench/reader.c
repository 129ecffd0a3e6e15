/*
 * reader: the plain C reader that crumb's are compared with, as a module for reading.lua.
 *
 * It is libbpf's ring_buffer__consume() with a callback that does nothing.  It runs in the same
 * process as crumb's readers and on the same ring, filled in the same way, so that nothing
 * else differs.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <lauxlib.h>
#include <string.h>
#include <time.h>

static int nothing_cb(void *context, void *record, size_t size)
{
	(void)context, (void)record, (void)size;
	return 0;
}

/* The process's own time, as os.clock() has it: waiting for a processor is nobody's cost. */
static lua_Integer clock_now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
	return (lua_Integer)time.tv_sec * 1000000000 + time.tv_nsec;
}

/* reader.fill(program's fd): runs the program once */
static int l_fill(lua_State *L)
{
	LIBBPF_OPTS(bpf_test_run_opts, options);
	int err = bpf_prog_test_run_opts((int)luaL_checkinteger(L, 1), &options);

	return err ? luaL_error(L, "fill the ring: %s", strerror(-err)) : 0;
}

/* reader.consume(map's fd) -> records, nanoseconds */
static int l_consume(lua_State *L)
{
	struct ring_buffer *ring =
		ring_buffer__new((int)luaL_checkinteger(L, 1), nothing_cb, NULL, NULL);
	lua_Integer start, end;
	int records;

	if (!ring)
		return luaL_error(L, "open the ring");
	start = clock_now();
	records = ring_buffer__consume(ring);
	end = clock_now();
	ring_buffer__free(ring);
	lua_pushinteger(L, records);
	lua_pushinteger(L, end - start);
	return 2;
}

int luaopen_reader(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{ "consume", l_consume },
		{ "fill", l_fill },
		{ NULL, NULL },
	};

	luaL_newlib(L, functions);
	return 1;
}
