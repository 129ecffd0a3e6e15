/* namespace: the PID namespace of this process, as programs ask for it. */
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core.h"

#define FIRST_INODE 0xeffffffc /* PROC_PID_INIT_INO, the same on every kernel */

/* Whether /proc numbers processes as this process does: it may still be the outer namespace's. */
static bool is_ours(void)
{
	char text[16];
	ssize_t length = readlink("/proc/self", text, sizeof(text) - 1);

	if (length < 0)
		return false;
	text[length] = 0;
	return strtol(text, NULL, 10) == getpid();
}

/*
 * core.pid_namespace() -> device, inode, for bpf_get_ns_current_pid_tgid (0, 0: the first
 * namespace), whether /proc is the namespace's own
 */
int l_pid_namespace(lua_State *L)
{
	struct stat status;
	bool own = !stat("/proc/self/ns/pid", &status) && status.st_ino != FIRST_INODE;

	lua_pushinteger(L, own ? (lua_Integer)status.st_dev : 0);
	lua_pushinteger(L, own ? (lua_Integer)status.st_ino : 0);
	lua_pushboolean(L, is_ours());
	return 3;
}
