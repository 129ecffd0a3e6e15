/* standard: the descriptors that every program takes for granted. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "core.h"

/*
 * core.standard(): opens those of the descriptors 0 to 2 that are closed, so that no file that is
 * opened later gets one.  They are opened the wrong way round: using them goes on to fail.
 */
int l_standard(lua_State *L)
{
	for (int fd = 0; fd <= STDERR_FILENO; fd++) {
		if (fcntl(fd, F_GETFD) >= 0)
			continue;
		if (open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) != fd)
			return luaL_error(L, "open /dev/null as descriptor %d: %s", fd,
					  strerror(errno));
	}
	return 0;
}
