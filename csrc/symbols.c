/*
 * symbols: class crumb.Symbolizer: addresses of processes -> names.
 *
 * What is found is copied out before Lua is called, since that may close the symbolizer.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "binaries.h"
#include "process.h"
#include "watch.h"

#define CLASS "crumb.Symbolizer"

struct symbolizer {
	struct handle handle;
	struct processes processes;
	struct watch *watches;
};

static int release(struct handle *handle)
{
	struct symbolizer *symbolizer = (struct symbolizer *)handle;

	crumb_watch_free(&symbolizer->watches);
	crumb_processes_free(&symbolizer->processes);
	return 0;
}

/* binaries.symbolizer() -> crumb.Symbolizer */
int l_symbolizer(lua_State *L)
{
	struct symbolizer *symbolizer = handle_new(L, CLASS, sizeof(*symbolizer), 0);

	symbolizer->handle.release = release;
	return 1;
}

static void push_text(lua_State *L, const char *text)
{
	if (*text)
		lua_pushstring(L, text);
	else
		lua_pushnil(L);
}

/* The process at argument 2; NULL, and what to return. */
static struct process *get_process(lua_State *L, struct symbolizer *symbolizer, int *results)
{
	lua_Integer pid = luaL_checkinteger(L, 2);
	struct process *process = NULL;
	int err = ESRCH; /* of 0 too: what is idle, or of another PID namespace */

	crumb_watch_drain(&symbolizer->watches, &symbolizer->processes);
	if (pid > 0 && pid <= INT32_MAX)
		err = crumb_process_get(&symbolizer->processes, (pid_t)pid, &process);
	if (err)
		*results = handle_fail(L, err, "read the maps of process %d", (int)pid);
	return process;
}

/* symbolizer:user(pid, address) -> name?, offset, module, file?, line? | nil alone: not mapped */
static int l_user(lua_State *L)
{
	struct symbolizer *symbolizer = handle_check(L, 1, CLASS);
	uint64_t address = (uint64_t)luaL_checkinteger(L, 3);
	struct place *place = lua_newuserdatauv(L, sizeof(*place), 0);
	struct process *process;
	int results = 0;

	symbolizer = handle_check(L, 1, CLASS);
	process = get_process(L, symbolizer, &results);
	if (!process)
		return results;
	if (!crumb_process_find(&symbolizer->processes, process, address, place)) {
		lua_pushnil(L);
		return 1;
	}
	push_text(L, place->name);
	lua_pushinteger(L, (lua_Integer)place->offset);
	push_text(L, place->module);
	push_text(L, place->file);
	if (*place->file)
		lua_pushinteger(L, place->line);
	else
		lua_pushnil(L);
	return 5;
}

/* symbolizer:remember(pid) -> serial: another number when it has something else mapped */
static int l_remember(lua_State *L)
{
	struct symbolizer *symbolizer = handle_check(L, 1, CLASS);
	int results = 0;
	const struct process *process = get_process(L, symbolizer, &results);

	if (!process)
		return results;
	lua_pushinteger(L, (lua_Integer)process->serial);
	return 1;
}

/* symbolizer:watch(pid) -> true | nil, message, errno: what it maps is known from now on, its children's too */
static int l_watch(lua_State *L)
{
	struct symbolizer *symbolizer = handle_check(L, 1, CLASS);
	lua_Integer pid = luaL_checkinteger(L, 2);
	int err;

	luaL_argcheck(L, pid > 0 && pid <= INT32_MAX, 2, "not a process id");
	err = crumb_watch(&symbolizer->watches, (pid_t)pid);
	if (err)
		return handle_fail(L, -err, "watch process %d", (int)pid);
	lua_pushboolean(L, 1);
	return 1;
}

void symbols_register(lua_State *L)
{
	static const luaL_Reg methods[] = {
		{ "remember", l_remember },
		{ "user", l_user },
		{ "watch", l_watch },
		{ NULL, NULL },
	};

	handle_class(L, CLASS, methods);
}
