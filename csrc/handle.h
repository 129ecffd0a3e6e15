/*
 * handle: the userdata that every resource of crumb.core lives in.
 *
 * A handle is made closed, then opened, so that a memory error between the two
 * leaks nothing.  One function is its close, its __close and its __gc.
 */
#ifndef CRUMB_HANDLE_H
#define CRUMB_HANDLE_H

#include <lua.h>
#include <lauxlib.h>
#include <stddef.h>

/* The first member of every handle.  release() frees the resource and returns 0 or an errno. */
struct handle {
	int (*release)(struct handle *handle);	/* NULL: closed */
};

/* Pushes a new, zeroed, closed handle with `values` user values. */
void *handle_new(lua_State *L, const char *class, size_t size, int values);

/* The open handle at `arg`; raises when it is of another class or closed. */
void *handle_check(lua_State *L, int arg, const char *class);

/* The handle at `arg`, open or closed; raises when it is of another class. */
void *handle_any(lua_State *L, int arg, const char *class);

/* Releases once; returns 0 or an errno. */
int handle_release(struct handle *handle);

/*
 * Makes the metatable `class` with the methods, and close, closed, __close, __gc, __tostring
 * and __name.  Leaves nothing on the stack.
 */
void handle_class(lua_State *L, const char *class, const luaL_Reg *methods);

/* Returns nil, "message: why", errno (positive) to Lua.  Call it before anything that changes errno. */
int handle_fail(lua_State *L, int err, const char *format, ...);

#endif
