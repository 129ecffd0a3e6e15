/* cgroup: by what number the kernel knows the cgroup that a folder stands for. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "core.h"

/* 0 or a negative errno; -ENOTSUP: a folder of another file system. */
static int identify(const char *path, ino_t *id, int *version)
{
	int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC), err = 0;
	struct stat status;
	struct statfs system;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &status) || fstatfs(fd, &system))
		err = -errno;
	else if (system.f_type == CGROUP2_SUPER_MAGIC)
		*version = 2;
	else if (system.f_type == CGROUP_SUPER_MAGIC)
		*version = 1;
	else
		err = -ENOTSUP;
	*id = status.st_ino;
	close(fd);
	return err;
}

/* core.cgroup(path) -> id, version 1 or 2 | nil, message, errno */
int l_cgroup(lua_State *L)
{
	const char *path = handle_check_text(L, 1);
	int version = 0, err;
	ino_t id = 0;

	err = identify(path, &id, &version);
	if (err == -ENOTSUP)
		return handle_fail(L, EINVAL, "%s is no folder of a cgroup file system", path);
	if (err)
		return handle_fail(L, err, "open the cgroup %s", path);
	lua_pushinteger(L, (lua_Integer)id);
	lua_pushinteger(L, version);
	return 2;
}
