/*
 * btf: the userdata class crumb.Btf: the types of a file or of the kernel, for scripts.
 *
 * It opens BTF and names types; what a type is in Lua is codec's.
 */
#ifndef CRUMB_BTF_H
#define CRUMB_BTF_H

#include <lua.h>

/* Makes the class. */
void btf_register(lua_State *L);

/* core.btf(path | { bytes = s, name = s }) -> crumb.Btf | nil, message, errno; (): the kernel's */
int l_btf_open(lua_State *L);

#endif
