/*
 * kernel_names: class crumb.KernelNames: the kernel's functions by name, glob and address.
 *
 * What is found is copied out before Lua is called, since that may close the handle.  What can be
 * probed, and what to say of what is not there, is Lua's to know (lua/crumb/names/kernel.lua).
 */
#include <errno.h>
#include <string.h>

#include "core.h"
#include "kallsyms.h"

#define CLASS "crumb.KernelNames"
#define FOUND "crumb.KernelFound"

struct kernel_names {
	struct handle handle;
	struct kallsyms symbols;
};

/* A handle, though nobody sees it: a memory error while rows are pushed must free them. */
struct found {
	struct handle handle;
	struct kallsyms_found rows;
};

static int release(struct handle *handle)
{
	crumb_kallsyms_free(&((struct kernel_names *)handle)->symbols);
	return 0;
}

static int found_release(struct handle *handle)
{
	crumb_kallsyms_found_free(&((struct found *)handle)->rows);
	return 0;
}

/* core.kernel_names(path?) -> crumb.KernelNames, which reads the file at the first question */
int l_kernel_names(lua_State *L)
{
	struct kernel_names *names;

	if (!lua_isnoneornil(L, 1))
		handle_check_text(L, 1);
	lua_settop(L, 1);
	names = handle_new(L, CLASS, sizeof(*names), 0);
	names->handle.release = release;
	if (lua_isnil(L, 1))
		lua_pushliteral(L, "/proc/kallsyms");
	else
		lua_pushvalue(L, 1);
	lua_setiuservalue(L, -2, HANDLE_KEPT);
	return 1;
}

/* Pushes the path, which is good as long as it stands there. */
static const char *push_path(lua_State *L)
{
	lua_getiuservalue(L, 1, HANDLE_KEPT);
	return lua_tostring(L, -1);
}

static int fail(lua_State *L, int err, const char *path)
{
	if (err != -EACCES)
		return handle_fail(L, err, "read %s", path);
	return handle_fail(L, err, "read the addresses and names of %s", path);
}

/* Nothing that allocates comes between this and the question. */
static int loaded(lua_State *L, struct kernel_names **names)
{
	const char *path = push_path(L);

	*names = handle_check(L, 1, CLASS);
	return crumb_kallsyms_load(&(*names)->symbols, path);
}

/* names:load() -> true | nil, message, errno: reads the file where that has not been done */
static int l_load(lua_State *L)
{
	struct kernel_names *names;
	int err = loaded(L, &names);

	if (err)
		return fail(L, err, lua_tostring(L, -1));
	lua_pushboolean(L, 1);
	return 1;
}

/* names:refresh() -> whether the file was read (again) | nil, message, errno */
static int l_refresh(lua_State *L)
{
	struct kernel_names *names = handle_check(L, 1, CLASS);
	const char *path = push_path(L);
	int err = crumb_kallsyms_refresh(&names->symbols, path);

	if (err < 0)
		return fail(L, err, path);
	lua_pushboolean(L, err);
	return 1;
}

/* names:mark(path) -> true | nil, message, errno */
static int l_mark(lua_State *L)
{
	const char *path = handle_check_text(L, 2);
	struct kernel_names *names;
	int err = loaded(L, &names);

	if (!err)
		err = crumb_kallsyms_mark(&names->symbols, path);
	if (err)
		return handle_fail(L, err, "read %s", path);
	lua_pushboolean(L, 1);
	return 1;
}

static void push_row(lua_State *L, const struct kallsyms_found *rows, size_t i)
{
	const struct kallsyms_copy *row = &rows->list[i];

	lua_createtable(L, 0, 3 + (row->module != 0) + row->marked);
	lua_pushlstring(L, rows->text + row->name, row->length);
	lua_setfield(L, -2, "symbol");
	if (row->address) {
		lua_pushinteger(L, (lua_Integer)row->address);
		lua_setfield(L, -2, "address");
	}
	if (row->size) {
		lua_pushinteger(L, (lua_Integer)row->size);
		lua_setfield(L, -2, "size");
	}
	if (row->module) {
		lua_pushstring(L, rows->text + row->module);
		lua_setfield(L, -2, "module");
	}
	if (row->marked) {
		lua_pushboolean(L, 1);
		lua_setfield(L, -2, "marked");
	}
}

static struct found *new_found(lua_State *L)
{
	struct found *found = handle_new(L, FOUND, sizeof(*found), 0);

	lua_toclose(L, -1);
	found->handle.release = found_release;
	return found;
}

static int push_found(lua_State *L, const struct found *found)
{
	size_t i;

	lua_createtable(L, (int)found->rows.count, 0);
	for (i = 0; i < found->rows.count; i++) {
		push_row(L, &found->rows, i);
		lua_rawseti(L, -2, (lua_Integer)i + 1);
	}
	return 1;
}

static int finish(lua_State *L, int err, const struct found *found)
{
	if (!err)
		return push_found(L, found);
	lua_getiuservalue(L, 1, HANDLE_KEPT);
	return fail(L, err, lua_tostring(L, -1));
}

/* names:find(name) -> list of { symbol =, address =, size =, module =, marked = } | nil, message, errno */
static int l_find(lua_State *L)
{
	size_t length;
	const char *name = luaL_checklstring(L, 2, &length);
	struct found *found = new_found(L);
	struct kernel_names *names;
	int err = loaded(L, &names);

	if (!err)
		err = crumb_kallsyms_find(&names->symbols, name, length, &found->rows);
	return finish(L, err, found);
}

/* names:match(pattern?) -> such a list, by address; without a pattern of all */
static int l_match(lua_State *L)
{
	size_t length;
	const char *pattern = luaL_optlstring(L, 2, NULL, &length);
	struct found *found = new_found(L);
	struct kernel_names *names;
	struct glob *glob;
	int err = loaded(L, &names);

	glob = pattern && !err ? crumb_glob_compile(pattern, length) : NULL;
	if (pattern && !err && !glob)
		err = -ENOMEM;
	if (!err)
		err = crumb_kallsyms_match(&names->symbols, glob, &found->rows);
	crumb_glob_free(glob);
	return finish(L, err, found);
}

/* names:starting(address) -> such a list, of those that begin there */
static int l_starting(lua_State *L)
{
	uint64_t address = (uint64_t)luaL_checkinteger(L, 2);
	struct found *found = new_found(L);
	struct kernel_names *names;
	int err = loaded(L, &names);

	if (!err)
		err = crumb_kallsyms_starting(&names->symbols, address, &found->rows);
	return finish(L, err, found);
}

/* names:at(address) -> name, offset, module? | nil alone: nobody knows | nil, message, errno */
static int l_at(lua_State *L)
{
	uint64_t address = (uint64_t)luaL_checkinteger(L, 2), offset;
	char name[KALLSYMS_NAME], module[KALLSYMS_NAME];
	struct kernel_names *names = handle_check(L, 1, CLASS);
	const char *path = push_path(L);
	int err = 0;

	if (!names->symbols.names || !crumb_kallsyms_is_own(&names->symbols, address))
		err = crumb_kallsyms_refresh(&names->symbols, path);
	if (err >= 0)
		err = crumb_kallsyms_at(&names->symbols, address, name, module, &offset);
	if (err == -ENOENT) {
		lua_pushnil(L);
		return 1;
	}
	if (err)
		return fail(L, err, path);
	lua_pushstring(L, name);
	lua_pushinteger(L, (lua_Integer)offset);
	if (*module)
		lua_pushstring(L, module);
	else
		lua_pushnil(L);
	return 3;
}

/* names:nearest(name) -> what core.nearest says of it among all functions | nil, message, errno */
static int l_names_nearest(lua_State *L)
{
	const char *name = handle_check_text(L, 2);
	char room[NEAREST_BEST][KALLSYMS_NAME];
	struct nearest nearest;
	struct kernel_names *names;
	int err = loaded(L, &names);

	if (err)
		return finish(L, err, NULL);
	crumb_nearest_begin(&nearest, name);
	crumb_kallsyms_nearest(&names->symbols, &nearest, room);
	nearest_push(L, &nearest);
	return 1;
}

void kernel_names_register(lua_State *L)
{
	static const luaL_Reg methods[] = {
		{ "at", l_at },           { "find", l_find },         { "load", l_load },
		{ "mark", l_mark },       { "match", l_match },       { "near", l_names_nearest },
		{ "refresh", l_refresh }, { "starting", l_starting }, { NULL, NULL },
	};
	static const luaL_Reg none[] = { { NULL, NULL } };

	handle_class(L, CLASS, methods);
	handle_class(L, FOUND, none);
}
