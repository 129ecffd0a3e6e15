/*
 * syscall: the names of system calls, by number, as the headers have them that crumb was built with.
 */
#include <sys/syscall.h>

#include "core.h"

static const char *const names[] = {
#include "syscall_names.h"
/* Newer than many headers. */
#if defined(__x86_64__) && !defined(__NR_uretprobe)
	[335] = "uretprobe",
#endif
#if defined(__x86_64__) && !defined(__NR_uprobe)
	[336] = "uprobe",
#endif
};

/* core.syscalls() -> { [number] = name } */
int l_syscalls(lua_State *L)
{
	lua_Integer count = sizeof(names) / sizeof(names[0]);

	lua_createtable(L, (int)count, 1);
	for (lua_Integer number = 0; number < count; number++) {
		if (!names[number])
			continue;
		lua_pushstring(L, names[number]);
		lua_rawseti(L, -2, number);
	}
	return 1;
}
