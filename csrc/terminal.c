/*
 * terminal: whether a descriptor is one, how large it is, and its keys as they are pressed; and
 * waiting for them and for other things at once.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "core.h"

#define KEYS "crumb.Keys"

struct keys {
	struct handle handle;
	int fd;
	struct termios before;
};

/* core.terminal(fd) -> rows, columns; nil alone: it is no terminal.  0 by 0: of a size that nobody knows */
int l_terminal(lua_State *L)
{
	struct winsize size;

	if (ioctl((int)luaL_checkinteger(L, 1), TIOCGWINSZ, &size))
		return 0;
	lua_pushinteger(L, size.ws_row);
	lua_pushinteger(L, size.ws_col);
	return 2;
}

static int keys_release(struct handle *handle)
{
	struct keys *keys = (struct keys *)handle;

	return tcsetattr(keys->fd, TCSANOW, &keys->before) ? errno : 0;
}

/*
 * core.keys(fd) -> Keys | nil, message, errno: until it is closed, what is typed is not shown, and
 * comes key by key; Ctrl-C stays what it is
 */
int l_keys(lua_State *L)
{
	int fd = (int)luaL_checkinteger(L, 1);
	struct keys *keys = handle_new(L, KEYS, sizeof(*keys), 0);
	struct termios raw;

	keys->fd = fd;
	if (tcgetattr(fd, &keys->before))
		return handle_fail(L, errno, "keys of descriptor %d", fd);
	raw = keys->before;
	raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	raw.c_cc[VMIN] = 0;
	raw.c_cc[VTIME] = 0;
	if (tcsetattr(fd, TCSANOW, &raw))
		return handle_fail(L, errno, "keys of descriptor %d", fd);
	keys->handle.release = keys_release;
	return 1;
}

/* keys:read() -> the bytes that were typed since the last time, at most a line's worth */
static int l_keys_read(lua_State *L)
{
	struct keys *keys = handle_check(L, 1, KEYS);
	struct pollfd wait = { .fd = keys->fd, .events = POLLIN };
	char bytes[128];
	ssize_t count = 0;

	if (poll(&wait, 1, 0) > 0)
		count = read(keys->fd, bytes, sizeof(bytes));
	lua_pushlstring(L, bytes, count > 0 ? (size_t)count : 0);
	return 1;
}

#define WAITS 8 /* descriptors at most */

/*
 * core.await(timeout, fd...) -> a boolean for each descriptor: whether there is something to read;
 * nil stands for none.
 * It ends when a signal comes, too.
 */
int l_await(lua_State *L)
{
	struct pollfd waits[WAITS];
	int64_t left = (int64_t)luaL_checkinteger(L, 1);
	int count = lua_gettop(L) - 1;
	struct timespec timeout = { 0 };

	luaL_argcheck(L, count <= WAITS, WAITS + 2, "these are too many");
	if (left > 0) {
		timeout.tv_sec = (time_t)(left / 1000000000);
		timeout.tv_nsec = (long)(left % 1000000000);
	}
	for (int i = 0; i < count; i++)
		waits[i] = (struct pollfd){ .fd = (int)luaL_optinteger(L, i + 2, -1),
					    .events = POLLIN };
	if (ppoll(waits, (nfds_t)count, &timeout, NULL) < 0) {
		if (errno != EINTR)
			return luaL_error(L, "wait: %s", strerror(errno));
		for (int i = 0; i < count; i++)
			waits[i].revents = 0;
	}
	for (int i = 0; i < count; i++)
		lua_pushboolean(L, waits[i].revents != 0);
	return count;
}

void terminal_register(lua_State *L)
{
	static const luaL_Reg methods[] = {
		{ "read", l_keys_read },
		{ NULL, NULL },
	};

	handle_class(L, KEYS, methods);
}
