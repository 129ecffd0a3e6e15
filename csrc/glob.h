/*
 * glob: which names a pattern means: `*` any bytes, `?` one, `[a-z]` one of these, `[!a-z]` none of these.
 *
 * An unclosed "[" is itself.  Patterns and names may hold any bytes, NUL too.  Names come from files
 * that nobody vouches for: matching takes at most the time of pattern times name, and no memory.
 */
#ifndef CRUMB_GLOB_H
#define CRUMB_GLOB_H

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>

struct glob;

/* NULL: no memory. */
struct glob *crumb_glob_compile(const char *pattern, size_t length);

bool crumb_glob_match(const struct glob *glob, const char *name, size_t length);

void crumb_glob_free(struct glob *glob);

/* The glob of the open crumb.Glob at `arg`; raises when it is none. */
const struct glob *glob_check(lua_State *L, int arg);

/* core.glob(pattern) -> crumb.Glob */
int l_glob(lua_State *L);

void glob_register(lua_State *L);

#endif
