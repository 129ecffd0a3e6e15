/*
 * start: starts a program and measures it up to the first byte that it writes, or to a text at its
 * terminal, as a module for starting.lua and command.lua.
 *
 * The program then finds its input at the end, and is waited for: what it had attached is gone
 * when the next one starts.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <pty.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ARGUMENTS 16

static lua_Integer clock_now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (lua_Integer)time.tv_sec * 1000000000 + time.tv_nsec;
}

/* The most memory that the process had so far, in KiB; ru_maxrss would count its parent's. */
static long peak(pid_t pid)
{
	char path[64], line[256];
	long kilobytes = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	file = fopen(path, "re");
	while (file && fgets(line, sizeof(line), file) &&
	       sscanf(line, "VmHWM: %ld", &kilobytes) != 1)
		;
	if (file)
		fclose(file);
	return kilobytes;
}

static int spawn(char **words, const int in[2], const int out[2], pid_t *pid)
{
	posix_spawn_file_actions_t actions;
	int err;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, in[0], STDIN_FILENO);
	posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
	err = posix_spawnp(pid, words[0], &actions, NULL, words, environ);
	posix_spawn_file_actions_destroy(&actions);
	close(in[0]);
	close(out[1]);
	return err;
}

/* start.piped(program, arguments ...) -> nanoseconds, KiB */
static int l_piped(lua_State *L)
{
	char *words[ARGUMENTS + 1] = { NULL };
	int count = lua_gettop(L), in[2], out[2], err, status;
	lua_Integer begin, end;
	long kilobytes = 0;
	ssize_t got = 0;
	pid_t pid;
	char byte;

	if (count < 1 || count > ARGUMENTS)
		return luaL_argerror(L, 1, "expected 1 to 16 words");
	for (int i = 0; i < count; i++)
		words[i] = (char *)luaL_checkstring(L, i + 1);
	if (pipe2(in, O_CLOEXEC) || pipe2(out, O_CLOEXEC))
		return luaL_error(L, "make a pipe: %s", strerror(errno));
	begin = clock_now();
	err = spawn(words, in, out, &pid);
	if (!err)
		got = read(out[0], &byte, 1);
	end = clock_now();
	if (got == 1)
		kilobytes = peak(pid);
	close(in[1]);
	if (!err)
		waitpid(pid, &status, 0);
	close(out[0]);
	if (err)
		return luaL_error(L, "start %s: %s", words[0], strerror(err));
	if (got != 1)
		return luaL_error(L, "%s attached nothing", words[0]);
	lua_pushinteger(L, end - begin);
	lua_pushinteger(L, kilobytes);
	return 2;
}

/* start.terminal(text, program) -> nanoseconds until it wrote this text to its terminal */
static int l_terminal(lua_State *L)
{
	const char *text = luaL_checkstring(L, 1), *program = luaL_checkstring(L, 2);
	lua_Integer begin = clock_now(), end = 0;
	char seen[4096] = "";
	size_t length = 0;
	int terminal, status;
	ssize_t got = 1;
	pid_t pid = forkpty(&terminal, NULL, NULL, NULL);

	if (pid < 0)
		return luaL_error(L, "make a terminal: %s", strerror(errno));
	if (!pid) {
		execl(program, program, (char *)NULL);
		_exit(127);
	}
	while (!end && got > 0 && length < sizeof(seen) - 1) {
		got = read(terminal, seen + length, sizeof(seen) - 1 - length);
		length += got > 0 ? (size_t)got : 0;
		seen[length] = 0;
		if (strstr(seen, text))
			end = clock_now();
	}
	kill(pid, SIGKILL); /* it has attached nothing */
	close(terminal);
	waitpid(pid, &status, 0);
	if (!end)
		return luaL_error(L, "%s wrote no '%s'", program, text);
	lua_pushinteger(L, end - begin);
	return 1;
}

int luaopen_start(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{ "piped", l_piped },
		{ "terminal", l_terminal },
		{ NULL, NULL },
	};

	luaL_newlib(L, functions);
	return 1;
}
