/* execute: runs a program to its end, without a shell, and brings back what it wrote. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core.h"

#define CHILD "crumb.Child"

enum { INPUT, OUTPUT, ERRORS, STREAMS };

/* The streams of a child are files in memory: nothing can block, however much it writes. */
struct child {
	struct handle handle;
	int streams[STREAMS];
	pid_t pid; /* 0: none, or waited for */
};

static int child_release(struct handle *handle)
{
	struct child *child = (struct child *)handle;

	for (int i = 0; i < STREAMS; i++)
		if (child->streams[i] > 0)
			close(child->streams[i]);
	while (child->pid && waitpid(child->pid, NULL, 0) < 0 && errno == EINTR)
		continue;
	return 0;
}

static int write_all(int fd, const char *bytes, size_t length)
{
	while (length) {
		ssize_t put = write(fd, bytes, length);

		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return errno;
		bytes += put;
		length -= (size_t)put;
	}
	return 0;
}

static int start(struct child *child, char **argv, const char *input, size_t length)
{
	posix_spawn_file_actions_t actions;
	int err;

	for (int i = 0; i < STREAMS; i++) {
		int fd = memfd_create("crumb", MFD_CLOEXEC);

		if (fd < 0)
			return errno;
		/* Above the standard ones, which may be closed here: they are overwritten in turn. */
		child->streams[i] = fcntl(fd, F_DUPFD_CLOEXEC, STREAMS);
		err = errno;
		close(fd);
		if (child->streams[i] < 0)
			return err;
	}
	err = write_all(child->streams[INPUT], input, length);
	if (err)
		return err;
	if (lseek(child->streams[INPUT], 0, SEEK_SET))
		return errno;
	err = posix_spawn_file_actions_init(&actions);
	if (err)
		return err;
	for (int i = 0; i < STREAMS && !err; i++)
		err = posix_spawn_file_actions_adddup2(&actions, child->streams[i], i);
	if (!err)
		err = posix_spawnp(&child->pid, argv[0], &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	return err;
}

static void push_stream(lua_State *L, int fd)
{
	luaL_Buffer buffer;
	struct stat stat;
	ssize_t got = 0;

	stat.st_size = 0;
	fstat(fd, &stat);
	char *bytes = luaL_buffinitsize(L, &buffer, (size_t)stat.st_size + 1);

	got = pread(fd, bytes, (size_t)stat.st_size, 0);
	luaL_pushresultsize(&buffer, got > 0 ? (size_t)got : 0);
}

/* core.execute(argv, input) -> exit status, output, errors | nil, message, errno */
int l_execute(lua_State *L)
{
	size_t length, count;
	const char *input = luaL_optlstring(L, 2, "", &length);
	struct child *child;
	char **argv;
	int err, status = 0;

	luaL_checktype(L, 1, LUA_TTABLE);
	count = lua_rawlen(L, 1);
	luaL_argcheck(L, count > 0, 1, "no program");
	argv = lua_newuserdatauv(L, (count + 1) * sizeof(*argv), 0);
	for (size_t i = 0; i < count; i++) {
		if (lua_rawgeti(L, 1, (lua_Integer)i + 1) != LUA_TSTRING)
			return luaL_argerror(L, 1, "not a list of strings");
		argv[i] = (char *)lua_tostring(L, -1); /* the list keeps it */
		lua_pop(L, 1);
	}
	argv[count] = NULL;
	child = handle_new(L, CHILD, sizeof(*child), 0);
	lua_toclose(L, -1);
	child->handle.release = child_release;
	err = start(child, argv, input, length);
	if (err)
		return handle_fail(L, err, "run %s", argv[0]);
	while (waitpid(child->pid, &status, 0) < 0) {
		if (errno != EINTR)
			return handle_fail(L, errno, "wait for %s", argv[0]);
	}
	child->pid = 0;
	lua_pushinteger(L, WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
	push_stream(L, child->streams[OUTPUT]);
	push_stream(L, child->streams[ERRORS]);
	return 3;
}

void execute_register(lua_State *L)
{
	static const luaL_Reg methods[] = { { NULL, NULL } };

	handle_class(L, CHILD, methods);
}
