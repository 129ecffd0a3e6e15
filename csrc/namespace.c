/* namespace: the PID namespace of this process, as programs ask for it. */
#include <errno.h>
#include <sys/stat.h>

#include "core.h"

#define FIRST_INODE 0xeffffffc /* PROC_PID_INIT_INO, the same on every kernel */

/* core.pid_namespace() -> device, inode, for bpf_get_ns_current_pid_tgid; 0, 0: the first namespace */
int l_pid_namespace(lua_State *L)
{
	struct stat status;
	bool own = !stat("/proc/self/ns/pid", &status) && status.st_ino != FIRST_INODE;

	lua_pushinteger(L, own ? (lua_Integer)status.st_dev : 0);
	lua_pushinteger(L, own ? (lua_Integer)status.st_ino : 0);
	return 2;
}
