/* file: see file.h; and reads a file whole. */
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core.h"

#define CLASS "crumb.File"
#define FILE_LIMIT (64 << 20)

static int check_kind(const struct stat *status, char *reason)
{
	const char *kind = "it is not a regular file";

	if (S_ISREG(status->st_mode))
		return 0;
	if (S_ISDIR(status->st_mode))
		kind = "it is a directory";
	else if (S_ISFIFO(status->st_mode))
		kind = "it is a FIFO, not a file";
	else if (S_ISSOCK(status->st_mode))
		kind = "it is a socket, not a file";
	else if (S_ISCHR(status->st_mode) || S_ISBLK(status->st_mode))
		kind = "it is a device, not a file";
	snprintf(reason, FILE_REASON, "%s", kind);
	return S_ISDIR(status->st_mode) ? -EISDIR : -EINVAL;
}

/* Looked at before, since opening a device may do something; and after, since it may be another. */
int crumb_open_regular(const char *path, struct stat *status, char *reason)
{
	int fd, err;

	reason[0] = 0;
	if (stat(path, status))
		return -errno;
	err = check_kind(status, reason);
	if (err)
		return err;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return -errno;
	err = fstat(fd, status) ? -errno : check_kind(status, reason);
	if (!err)
		return fd;
	close(fd);
	return err;
}

struct file {
	struct handle handle;
	int fd;
};

static int file_release(struct handle *handle)
{
	return close(((struct file *)handle)->fd) ? errno : 0;
}

static int fail(lua_State *L, int err, const char *path, const char *reason)
{
	if (!*reason)
		return handle_fail(L, err, "read %s", path);
	lua_pushnil(L);
	lua_pushfstring(L, "read %s: %s", path, reason);
	lua_pushinteger(L, err);
	return 3;
}

#define CHUNK 4096

/* Adds what is left of a file, whose size may change or be told by nobody; 0 or an errno. */
static int read_all(int fd, luaL_Buffer *buffer, size_t expected)
{
	size_t done = 0;
	ssize_t got;

	do {
		size_t wanted = done <= expected ? expected + 1 - done : CHUNK;

		got = read(fd, luaL_prepbuffsize(buffer, wanted), wanted);
		if (got < 0 && errno != EINTR)
			return errno;
		if (got > 0) {
			luaL_addsize(buffer, (size_t)got);
			done += (size_t)got;
		}
	} while (got && done <= FILE_LIMIT);
	return done > FILE_LIMIT ? EFBIG : 0;
}

/* core.read(path) -> bytes | nil, message, errno */
int l_read(lua_State *L)
{
	size_t length;
	const char *path = luaL_checklstring(L, 1, &length);
	char reason[FILE_REASON];
	struct file *file;
	struct stat status;
	luaL_Buffer buffer;
	int err = EFBIG;

	luaL_argcheck(L, length == strlen(path), 1, "the path holds a NUL");
	file = handle_new(L, CLASS, sizeof(*file), 0);
	lua_toclose(L, -1);
	file->fd = crumb_open_regular(path, &status, reason);
	if (file->fd < 0)
		return fail(L, -file->fd, path, reason);
	file->handle.release = file_release;
	if (status.st_size <= FILE_LIMIT) {
		luaL_buffinit(L, &buffer);
		err = read_all(file->fd, &buffer, (size_t)status.st_size);
	}
	if (err)
		return fail(L, err, path, err == EFBIG ? "it is larger than 64 MiB" : "");
	luaL_pushresult(&buffer);
	return 1;
}

void file_register(lua_State *L)
{
	static const luaL_Reg methods[] = { { NULL, NULL } };

	handle_class(L, CLASS, methods);
}
