/* handle: see handle.h. */
#include "handle.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "log.h"

void *handle_new(lua_State *L, const char *class, size_t size, int owner)
{
	struct handle *handle;

	owner = owner ? lua_absindex(L, owner) : 0;
	handle = lua_newuserdatauv(L, size, HANDLE_VALUES);
	memset(handle, 0, size);
	luaL_setmetatable(L, class);
	if (owner) {
		lua_pushvalue(L, owner);
		lua_setiuservalue(L, -2, HANDLE_OWNER);
	}
	return handle;
}

void handle_own(lua_State *L, int index, enum handle_rank rank)
{
	int top = lua_gettop(L);

	struct handle *owner;

	index = lua_absindex(L, index);
	lua_getiuservalue(L, index, HANDLE_OWNER);
	owner = lua_touserdata(L, -1);
	if (lua_getiuservalue(L, -1, HANDLE_CHILDREN) != LUA_TTABLE) {
		lua_pop(L, 1);
		lua_newtable(L);
		lua_pushvalue(L, -1);
		lua_setiuservalue(L, -3, HANDLE_CHILDREN);
	}
	lua_pushvalue(L, index);
	lua_pushinteger(L, rank);
	lua_rawset(L, -3);
	if (!owner->release)
		luaL_error(L, "the owner was closed meanwhile");
	lua_settop(L, top);
}

/* Lets the owner of the handle at 1 forget it. */
static void disown(lua_State *L)
{
	if (lua_getiuservalue(L, 1, HANDLE_OWNER) == LUA_TUSERDATA &&
	    lua_getiuservalue(L, -1, HANDLE_CHILDREN) == LUA_TTABLE) {
		lua_pushvalue(L, 1);
		if (lua_rawget(L, -2) != LUA_TNIL) {
			lua_pushvalue(L, 1);
			lua_pushnil(L);
			lua_rawset(L, -4);
		}
	}
	lua_settop(L, 1);
}

/* Closes what the handle at 1 owns; returns the first error. */
static int close_children(lua_State *L)
{
	int err, first = 0;

	if (lua_getiuservalue(L, 1, HANDLE_CHILDREN) != LUA_TTABLE) {
		lua_settop(L, 1);
		return 0;
	}
	for (int rank = RANK_LINK; rank <= RANK_LAST; rank++) {
		lua_pushnil(L);
		while (lua_next(L, 2)) {
			if (lua_tointeger(L, -1) == rank) {
				err = handle_release(lua_touserdata(L, -2));
				first = first ? first : err;
			}
			lua_pop(L, 1);
		}
	}
	lua_pushnil(L);
	lua_setiuservalue(L, 1, HANDLE_CHILDREN);
	lua_settop(L, 1);
	return first;
}

void *handle_check(lua_State *L, int arg, const char *class)
{
	struct handle *handle = luaL_checkudata(L, arg, class);

	if (!handle->release)
		luaL_argerror(L, arg, lua_pushfstring(L, "this %s is closed", class));
	return handle;
}

const char *handle_check_text(lua_State *L, int arg)
{
	size_t length;
	const char *text = luaL_checklstring(L, arg, &length);

	luaL_argcheck(L, strlen(text) == length, arg, "it holds a NUL");
	return text;
}

void *handle_test(lua_State *L, int index, const char *class)
{
	struct handle *handle = luaL_testudata(L, index, class);

	return handle && handle->release ? handle : NULL;
}

int handle_release(struct handle *handle)
{
	int (*release)(struct handle *) = handle->release;

	handle->release = NULL;
	return release ? release(handle) : 0;
}

void handle_set_field(lua_State *L, int index, const char *key)
{
	index = lua_absindex(L, index);
	if (lua_getiuservalue(L, index, HANDLE_FIELDS) != LUA_TTABLE) {
		lua_pop(L, 1);
		lua_newtable(L);
		lua_pushvalue(L, -1);
		lua_setiuservalue(L, index, HANDLE_FIELDS);
	}
	lua_insert(L, -2);
	lua_setfield(L, -2, key);
	lua_pop(L, 1);
}

static const char *class_of(lua_State *L)
{
	return lua_tostring(L, lua_upvalueindex(1));
}

static int l_handle_close(lua_State *L)
{
	struct handle *handle = luaL_checkudata(L, 1, class_of(L));
	int err, child_err;

	lua_settop(L, 1);
	if (!handle->release) {
		lua_pushboolean(L, 1);
		return 1;
	}
	child_err = close_children(L);
	err = handle_release(handle);
	disown(L);
	err = err ? err : child_err;
	if (err)
		return handle_fail(L, err, "close %s", class_of(L));
	lua_pushboolean(L, 1);
	return 1;
}

static int l_handle_closed(lua_State *L)
{
	struct handle *handle = luaL_checkudata(L, 1, class_of(L));

	lua_pushboolean(L, !handle->release);
	return 1;
}

static int l_handle_tostring(lua_State *L)
{
	struct handle *handle = luaL_checkudata(L, 1, class_of(L));

	lua_pushfstring(L, handle->release ? "%s: %p" : "%s: %p (closed)", class_of(L),
			(void *)handle);
	return 1;
}

/* Upvalue 1: the class; 2: its methods. */
static int l_handle_index(lua_State *L)
{
	luaL_checkudata(L, 1, class_of(L));
	lua_settop(L, 2);
	lua_pushvalue(L, 2);
	if (lua_rawget(L, lua_upvalueindex(2)) != LUA_TNIL)
		return 1;
	if (lua_getiuservalue(L, 1, HANDLE_FIELDS) != LUA_TTABLE)
		return 0;
	lua_pushvalue(L, 2);
	lua_rawget(L, -2);
	return 1;
}

static void set_function(lua_State *L, int table, const char *key, const char *class,
			 lua_CFunction function)
{
	lua_pushstring(L, class);
	lua_pushcclosure(L, function, 1);
	lua_setfield(L, table, key);
}

void handle_class(lua_State *L, const char *class, const luaL_Reg *methods)
{
	int meta, table;

	if (!luaL_newmetatable(L, class)) {
		lua_pop(L, 1);
		return;
	}
	meta = lua_gettop(L);
	lua_newtable(L);
	table = lua_gettop(L);
	set_function(L, table, "close", class, l_handle_close);
	set_function(L, table, "closed", class, l_handle_closed);
	luaL_setfuncs(L, methods, 0);
	lua_pushstring(L, class);
	lua_pushvalue(L, table);
	lua_pushcclosure(L, l_handle_index, 2);
	lua_setfield(L, meta, "__index");
	lua_setfield(L, meta, "methods");
	set_function(L, meta, "__close", class, l_handle_close);
	set_function(L, meta, "__gc", class, l_handle_close);
	set_function(L, meta, "__tostring", class, l_handle_tostring);
	lua_pop(L, 1);
}

int l_handle_methods(lua_State *L)
{
	const char *class = luaL_checkstring(L, 1);

	if (luaL_getmetatable(L, class) != LUA_TTABLE ||
	    lua_getfield(L, -1, "methods") != LUA_TTABLE)
		return luaL_argerror(L, 1, "no such class");
	lua_insert(L, -2);
	return 2;
}

int l_handle_set_field(lua_State *L)
{
	luaL_argcheck(L, lua_isuserdata(L, 1) && luaL_getmetafield(L, 1, "methods"), 1,
		      "not a handle");
	lua_settop(L, 3);
	handle_set_field(L, 1, luaL_checkstring(L, 2));
	return 0;
}

/* The kernel's own ENOTSUPP, which it should not let out and strerror does not know. */
#define KERNEL_ENOTSUPP 524

static int fail(lua_State *L, int err, const char *log, const char *format, va_list args)
{
	if (err == KERNEL_ENOTSUPP)
		err = EOPNOTSUPP;
	luaL_checkstack(L, 8, NULL);
	log = lua_pushstring(L, log); /* the buffer is libbpf's: what runs from here on may print */
	lua_pushnil(L);
	if (*format) {
		lua_pushvfstring(L, format, args);
		lua_pushliteral(L, ": ");
	} else {
		lua_pushliteral(L, "");
		lua_pushliteral(L, "");
	}
	lua_pushfstring(L, "%s%s%s", crumb_log_errno(err), *log ? "\n" : "", log);
	lua_concat(L, 3);
	lua_pushinteger(L, err);
	return 3;
}

int handle_fail(lua_State *L, int err, const char *format, ...)
{
	va_list args;
	int results;

	va_start(args, format);
	results = fail(L, err < 0 ? -err : err, "", format, args);
	va_end(args);
	return results;
}

int handle_fail_log(lua_State *L, int err, const char *format, ...)
{
	va_list args;
	int results;

	va_start(args, format);
	results = fail(L, err < 0 ? -err : err, crumb_log_text(), format, args);
	va_end(args);
	return results;
}
