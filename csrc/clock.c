/* clock: what time it is. */
#include <time.h>

#include "core.h"

int64_t crumb_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* core.now() -> nanoseconds of CLOCK_MONOTONIC, the clock of bpf_ktime_get_ns() */
int l_now(lua_State *L)
{
	lua_pushinteger(L, crumb_now());
	return 1;
}

/* core.wall() -> nanoseconds of CLOCK_REALTIME */
int l_wall(lua_State *L)
{
	struct timespec wall;

	clock_gettime(CLOCK_REALTIME, &wall);
	lua_pushinteger(L, (lua_Integer)wall.tv_sec * 1000000000 + wall.tv_nsec);
	return 1;
}
