/*
 * handle: the userdata that every resource of crumb.core lives in.
 *
 * A handle is made closed, then opened, so that a memory error between the two leaks nothing.
 * One function is its close, its __close and its __gc.  A handle may have an owner: the owner
 * keeps it alive (dropping a link's handle does not detach), and closes it before itself.
 */
#ifndef CRUMB_HANDLE_H
#define CRUMB_HANDLE_H

#include <lauxlib.h>
#include <lua.h>
#include <stddef.h>

/* The first member of every handle.  release() frees the resource and returns 0 or an errno. */
struct handle {
	int (*release)(struct handle *handle); /* NULL: closed */
};

/* The user values of every handle. */
enum {
	HANDLE_OWNER = 1, /* the owning handle, or nil */
	HANDLE_FIELDS, /* table: what handle.name reads when no method has that name */
	HANDLE_CHILDREN, /* table: owned handle -> its rank, or nil */
	HANDLE_KEPT, /* what must live as long as this userdata, closed or not */
	HANDLE_VALUES = HANDLE_KEPT,
};

/*
 * Any call that allocates may run a __gc metamethod of the script, and that may close any handle.
 * So what a resource points to is used before such a call, or checked again after it, or kept.
 */

/* Owned handles are closed by rank, so that nothing fires into what has gone. */
enum handle_rank { RANK_LINK = 1, RANK_RING, RANK_PART, RANK_LAST = RANK_PART };

/* Pushes a new, zeroed, closed handle; `owner` is its owner's index, or 0. */
void *handle_new(lua_State *L, const char *class, size_t size, int owner);

/* Anchors the handle at `index` in its owner until either is closed. */
void handle_own(lua_State *L, int index, enum handle_rank rank);

/* The open handle at `arg`; raises when it is of another class or closed. */
void *handle_check(lua_State *L, int arg, const char *class);

/* The string at `arg`, which C may read up to its NUL: raises when another one is inside. */
const char *handle_check_text(lua_State *L, int arg);

/* The open handle at `index`, or NULL. */
void *handle_test(lua_State *L, int index, const char *class);

/* Releases once; returns 0 or an errno. */
int handle_release(struct handle *handle);

/* Pops a value and makes it what handle[key] reads. */
void handle_set_field(lua_State *L, int index, const char *key);

/*
 * Makes the metatable `class` with the methods, and close, closed, __index, __close, __gc,
 * __tostring and __name.
 */
void handle_class(lua_State *L, const char *class, const luaL_Reg *methods);

/* core.methods(class) -> the table of its methods, to which Lua adds its own; its metatable */
int l_handle_methods(lua_State *L);

/* core.set_field(handle, key, value): what handle[key] reads from now on */
int l_handle_set_field(lua_State *L);

/* Returns nil, "message: why" (without a message: "why"), errno (positive) to Lua. */
int handle_fail(lua_State *L, int err, const char *format, ...);

/* The same for a call of libbpf that failed: the end of its log follows. */
int handle_fail_log(lua_State *L, int err, const char *format, ...);

#endif
