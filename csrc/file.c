/* file: reads a file whole, without being held up or misled by what lies at the path. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core.h"

#define FILE_LIMIT (64 << 20)

static const char *not_regular(const struct stat *stat)
{
	if (S_ISDIR(stat->st_mode))
		return "it is a directory";
	if (S_ISREG(stat->st_mode))
		return stat->st_size > FILE_LIMIT ? "it is larger than 64 MiB" : NULL;
	return "it is not a regular file";
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

/* core.read(path) -> bytes | nil, message, errno */
int l_read(lua_State *L)
{
	const char *path = luaL_checkstring(L, 1);
	const char *reason;
	struct file *file;
	struct stat status;
	luaL_Buffer buffer;
	ssize_t got;

	handle_class(L, "crumb.File", (const luaL_Reg[]){ { NULL, NULL } });
	file = handle_new(L, "crumb.File", sizeof(*file), 0);
	lua_toclose(L, -1);
	/* Looked at before, since opening a device may do something; and after, since it may be another. */
	for (int opened = 0; opened < 2; opened++) {
		if (opened) {
			file->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
			if (file->fd < 0)
				return handle_fail(L, errno, "read %s", path);
			file->handle.release = file_release;
		}
		if (opened ? fstat(file->fd, &status) : stat(path, &status))
			return handle_fail(L, errno, "read %s", path);
		reason = not_regular(&status);
		if (!reason)
			continue;
		lua_pushnil(L);
		lua_pushfstring(L, "read %s: %s", path, reason);
		lua_pushinteger(L, EINVAL);
		return 3;
	}
	got = read_all(file->fd, luaL_buffinitsize(L, &buffer, (size_t)status.st_size + 1),
		       (size_t)status.st_size);
	if (got < 0)
		return handle_fail(L, errno, "read %s", path);
	luaL_pushresultsize(&buffer, (size_t)got);
	return 1;
}
