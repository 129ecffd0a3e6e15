/* integer: see integer.h. */
#include "integer.h"

#include <lauxlib.h>
#include <math.h>

#define EXACT 9007199254740992.0 /* 2^53: above it a float no longer holds every integer */

const char *integer_read(lua_State *L, int index, int64_t *out)
{
	lua_Number number;

	if (lua_type(L, index) != LUA_TNUMBER)
		return "expected an integer";
	if (lua_isinteger(L, index)) {
		*out = lua_tointeger(L, index);
		return NULL;
	}
	number = lua_tonumber(L, index);
	if (number != floor(number) || isinf(number))
		return "not an integer";
	if (fabs(number) >= EXACT)
		return "a float this large may have lost bits; write it in hexadecimal";
	*out = (int64_t)number;
	return NULL;
}

int l_integer(lua_State *L)
{
	int64_t value;
	const char *reason;

	luaL_checkany(L, 1);
	reason = integer_read(L, 1, &value);
	if (reason) {
		lua_pushnil(L);
		lua_pushstring(L, reason);
		return 2;
	}
	lua_pushinteger(L, value);
	return 1;
}
