/*
 * private: a file of one's own, such as a history, in a folder of one's own.
 *
 * Who is root may have another's home, and others may have put something at the path: a file or
 * folder of anyone else is not written to, and a link is not followed.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core.h"

#define FOLDER (O_RDONLY | O_DIRECTORY | O_CLOEXEC)
#define OTHERS (S_IWGRP | S_IWOTH)

/* What an errno is not enough for. */
static const char *const links = "it is a link, which is not followed";
static const char *const foreign = "it belongs to another user";
static const char *const irregular = "it is no regular file";
static const char *const writable = "others may write to it";

static const char *crumb_unfit(int fd, mode_t kind)
{
	struct stat status;

	if (fstat(fd, &status))
		return strerror(errno);
	if ((status.st_mode & S_IFMT) != kind)
		return irregular;
	if (status.st_uid != geteuid())
		return foreign;
	return status.st_mode & OTHERS ? writable : NULL;
}

/* Opens a folder's child, which is made when it is missing; the folder is closed.  -1 and why. */
static int crumb_step(int folder, const char *name, const char **why)
{
	int fd;

	if (mkdirat(folder, name, 0700) && errno != EEXIST) {
		*why = strerror(errno);
		close(folder);
		return -1;
	}
	fd = openat(folder, name, FOLDER);
	*why = fd < 0 ? strerror(errno) : crumb_unfit(fd, S_IFDIR);
	close(folder);
	if (*why && fd >= 0)
		close(fd);
	return *why ? -1 : fd;
}

/* The folder of a path below `base`; the path is cut at its slashes.  -1 and why. */
static int crumb_descend(const char *base, char **path, const char **why)
{
	int fd = open(base, FOLDER);
	char *slash;

	*why = fd < 0 ? strerror(errno) : crumb_unfit(fd, S_IFDIR);
	if (*why) {
		if (fd >= 0)
			close(fd);
		return -1;
	}
	while (fd >= 0 && (slash = strchr(*path, '/'))) {
		*slash = 0;
		fd = crumb_step(fd, *path, why);
		*path = slash + 1;
	}
	return fd;
}

static int crumb_open_private(const char *base, char *path, int flags, const char **why)
{
	int folder = crumb_descend(base, &path, why), fd;

	if (folder < 0)
		return -1;
	fd = openat(folder, path, flags | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC,
		    0600);
	if (fd < 0)
		*why = errno == ELOOP ? links : strerror(errno);
	close(folder);
	if (fd < 0)
		return -1;
	*why = crumb_unfit(fd, S_IFREG);
	if (!*why)
		return fd;
	close(fd);
	return -1;
}

static int l_close_file(lua_State *L)
{
	luaL_Stream *stream = luaL_checkudata(L, 1, LUA_FILEHANDLE);

	return luaL_fileresult(L, fclose(stream->f) == 0, NULL);
}

/*
 * core.private(base, path, mode) -> a file of Lua's | nil, message: `mode` is "r", "a" or "w"; the
 * file and its folders below `base` are made when they are missing
 */
int l_private(lua_State *L)
{
	static const char *const modes[] = { "r", "a", "w", NULL };
	static const int flags[] = { O_RDONLY, O_WRONLY | O_APPEND, O_WRONLY };
	const char *base = handle_check_text(L, 1), *path = handle_check_text(L, 2), *why = NULL;
	int mode = luaL_checkoption(L, 3, NULL, modes), fd;
	char *copy = strcpy(lua_newuserdatauv(L, strlen(path) + 1, 0), path);
	luaL_Stream *stream = lua_newuserdatauv(L, sizeof(*stream), 0);

	stream->closef = NULL;
	luaL_setmetatable(L, LUA_FILEHANDLE);
	fd = crumb_open_private(base, copy, flags[mode], &why);
	if (fd >= 0 && mode == 2 && ftruncate(fd, 0)) {
		why = strerror(errno);
		close(fd);
		fd = -1;
	}
	stream->f = fd >= 0 ? fdopen(fd, modes[mode]) : NULL;
	if (stream->f) {
		stream->closef = l_close_file;
		return 1;
	}
	if (fd >= 0) {
		why = strerror(errno);
		close(fd);
	}
	lua_pushnil(L);
	lua_pushfstring(L, "%s/%s: %s", base, path, why);
	return 2;
}
