/*
 * save: a file written whole, by who may be root, perhaps in a folder where others write too.
 *
 * It is made beside its place and then takes it, so that a reader finds the old file or the new one,
 * and nothing is written through a link.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core.h"

/*
 * What stands there already may be a plain file; its mode is 0 where there is none; 0 or an errno,
 * with the reason
 */
static int check_place(const char *path, struct stat *old, const char **reason)
{
	if (lstat(path, old)) {
		old->st_mode = 0;
		return errno == ENOENT ? 0 : errno;
	}
	if (S_ISREG(old->st_mode))
		return 0;
	if (S_ISDIR(old->st_mode))
		return EISDIR;
	if (S_ISLNK(old->st_mode))
		*reason = "it is a link, which is not followed: name the file itself";
	else
		*reason = "it is not a regular file";
	return S_ISLNK(old->st_mode) ? ELOOP : EINVAL;
}

static int write_all(int fd, const char *bytes, size_t length)
{
	while (length) {
		ssize_t done = write(fd, bytes, length);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return errno;
		bytes += done;
		length -= (size_t)done;
	}
	return 0;
}

/* Who may read what stood there may read the new one, and nobody else. */
static int inherit(int fd, const struct stat *old)
{
	if (!old->st_mode)
		return 0;
	return fchown(fd, old->st_uid, old->st_gid) || fchmod(fd, old->st_mode & 07777) ? errno : 0;
}

/* Makes the file at `beside`, which then becomes `path`, unless there are no bytes; 0 or an errno. */
static int make(const char *path, const char *beside, const struct stat *old, const char *bytes,
		size_t length)
{
	mode_t mode = old->st_mode ? 0600 : 0666;
	int fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode), err;

	if (fd < 0)
		return errno;
	err = inherit(fd, old);
	if (!err)
		err = write_all(fd, bytes, length);
	if (close(fd) && !err)
		err = errno;
	if (!err && bytes && rename(beside, path))
		err = errno;
	if (err || !bytes)
		unlink(beside);
	return err;
}

static int crumb_save(const char *path, const char *bytes, size_t length, const char **reason)
{
	char beside[PATH_MAX];
	struct stat old;
	unsigned int number;
	int err = check_place(path, &old, reason);

	if (err)
		return err;
	if (getrandom(&number, sizeof(number), 0) != sizeof(number))
		return errno;
	if (snprintf(beside, sizeof(beside), "%s.%08x", path, number) >= (int)sizeof(beside))
		return ENAMETOOLONG;
	return make(path, beside, &old, bytes, length);
}

/* core.save(path[, bytes]) -> true | nil, message, errno; without bytes: could it be written? */
int l_save(lua_State *L)
{
	const char *path = handle_check_text(L, 1), *reason = NULL;
	size_t length = 0;
	const char *bytes = luaL_optlstring(L, 2, NULL, &length);
	int err = crumb_save(path, bytes, length, &reason);

	if (!err) {
		lua_pushboolean(L, 1);
		return 1;
	}
	if (!reason)
		return handle_fail(L, err, "write %s", path);
	lua_pushnil(L);
	lua_pushfstring(L, "write %s: %s", path, reason);
	lua_pushinteger(L, err);
	return 3;
}
