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

/* Reads up to `size` bytes of a file that may shrink meanwhile; -1 and errno on failure. */
static ssize_t read_all(int fd, char *out, size_t size)
{
	size_t done = 0;

	while (done < size) {
		ssize_t got = read(fd, out + done, size - done);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -1;
		if (got == 0)
			break;
		done += (size_t)got;
	}
	return (ssize_t)done;
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

/* core.read(path) -> bytes | nil, message, errno */
int l_read(lua_State *L)
{
	size_t length;
	const char *path = luaL_checklstring(L, 1, &length);
	char reason[FILE_REASON];
	struct file *file;
	struct stat status;
	luaL_Buffer buffer;
	ssize_t got;

	luaL_argcheck(L, length == strlen(path), 1, "the path holds a NUL");
	file = handle_new(L, CLASS, sizeof(*file), 0);
	lua_toclose(L, -1);
	file->fd = crumb_open_regular(path, &status, reason);
	if (file->fd < 0)
		return fail(L, -file->fd, path, reason);
	file->handle.release = file_release;
	if (status.st_size > FILE_LIMIT)
		return fail(L, EFBIG, path, "it is larger than 64 MiB");
	got = read_all(file->fd, luaL_buffinitsize(L, &buffer, (size_t)status.st_size + 1),
		       (size_t)status.st_size);
	if (got < 0)
		return fail(L, errno, path, "");
	luaL_pushresultsize(&buffer, (size_t)got);
	return 1;
}

void file_register(lua_State *L)
{
	static const luaL_Reg methods[] = { { NULL, NULL } };

	handle_class(L, CLASS, methods);
}
