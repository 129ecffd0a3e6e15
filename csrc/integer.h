/*
 * integer: the one rule by which a Lua value becomes a 64-bit integer.
 *
 * u64 travels as a Lua integer with the same bits.  A float is taken only where no bit can
 * have been lost (|x| <= 2^53 and whole): cookies and keys must never be silently rounded.
 */
#ifndef CRUMB_INTEGER_H
#define CRUMB_INTEGER_H

#include <lua.h>
#include <stddef.h>
#include <stdint.h>

/* NULL and *out, or the reason why the value at `index` is no integer. */
const char *integer_read(lua_State *L, int index, int64_t *out);

/* core.integer(value) -> integer | nil, reason */
int l_integer(lua_State *L);

#endif
