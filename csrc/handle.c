/* handle: see handle.h. */
#include "handle.h"

#include <stdarg.h>
#include <string.h>

#include "log.h"

void *handle_new(lua_State *L, const char *class, size_t size, int values)
{
	struct handle *handle = lua_newuserdatauv(L, size, values);

	memset(handle, 0, size);
	luaL_setmetatable(L, class);
	return handle;
}

void *handle_any(lua_State *L, int arg, const char *class)
{
	return luaL_checkudata(L, arg, class);
}

void *handle_check(lua_State *L, int arg, const char *class)
{
	struct handle *handle = luaL_checkudata(L, arg, class);

	if (!handle->release)
		luaL_argerror(L, arg, lua_pushfstring(L, "the %s is closed", class));
	return handle;
}

int handle_release(struct handle *handle)
{
	int (*release)(struct handle *) = handle->release;

	handle->release = NULL;
	return release ? release(handle) : 0;
}

/* Upvalue 1: the class. */
static int l_handle_close(lua_State *L)
{
	const char *class = lua_tostring(L, lua_upvalueindex(1));
	int err = handle_release(luaL_checkudata(L, 1, class));

	if (err)
		return handle_fail(L, err, "close %s", class);
	lua_pushboolean(L, 1);
	return 1;
}

static int l_handle_closed(lua_State *L)
{
	struct handle *handle = luaL_checkudata(L, 1, lua_tostring(L, lua_upvalueindex(1)));

	lua_pushboolean(L, !handle->release);
	return 1;
}

static int l_handle_tostring(lua_State *L)
{
	const char *class = lua_tostring(L, lua_upvalueindex(1));
	struct handle *handle = luaL_checkudata(L, 1, class);

	lua_pushfstring(L, handle->release ? "%s: %p" : "%s: closed", class, (void *)handle);
	return 1;
}

static void set_method(lua_State *L, int table, const char *key, const char *class, lua_CFunction f)
{
	lua_pushstring(L, class);
	lua_pushcclosure(L, f, 1);
	lua_setfield(L, table, key);
}

void handle_class(lua_State *L, const char *class, const luaL_Reg *methods)
{
	int meta;

	if (!luaL_newmetatable(L, class)) {
		lua_pop(L, 1);
		return;
	}
	meta = lua_gettop(L);
	lua_newtable(L);
	luaL_setfuncs(L, methods, 0);
	set_method(L, meta + 1, "close", class, l_handle_close);
	set_method(L, meta + 1, "closed", class, l_handle_closed);
	lua_setfield(L, meta, "__index");
	set_method(L, meta, "__close", class, l_handle_close);
	set_method(L, meta, "__gc", class, l_handle_close);
	set_method(L, meta, "__tostring", class, l_handle_tostring);
	lua_pop(L, 1);
}

int handle_fail(lua_State *L, int err, const char *format, ...)
{
	va_list args;

	err = err < 0 ? -err : err;
	luaL_checkstack(L, 6, NULL);
	lua_pushnil(L);
	va_start(args, format);
	lua_pushvfstring(L, format, args);
	va_end(args);
	lua_pushfstring(L, "%s: %s", lua_tostring(L, -1), crumb_log_errno(err));
	lua_remove(L, -2);
	lua_pushinteger(L, err);
	return 3;
}
