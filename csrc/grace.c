/*
 * grace: waits until what was published before is all that any program sees.
 *
 * A program that is not sleepable runs inside a read-side section of RCU, and the kernel answers
 * this call when every section that had begun is over: it takes some 10 ms, so batch what waits.
 */
#include <errno.h>
#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core.h"

/* core.grace() -> true | nil, message, errno */
int l_grace(lua_State *L)
{
	if (syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0))
		return handle_fail(L, errno, "wait for a grace period (membarrier)");
	lua_pushboolean(L, 1);
	return 1;
}
