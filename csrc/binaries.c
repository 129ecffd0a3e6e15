/*
 * binaries: the entry of the C module crumb.binaries: what programs, libraries and their debug
 * information tell.
 *
 * It is apart from crumb.core since its libraries are large, and tracing often goes without.
 */
#include "binaries.h"

static const luaL_Reg functions[] = {
	{ "demangle", l_demangle },
	{ "dwarf", l_dwarf_open },
	{ "elf", l_elf_open },
	{ "symbolizer", l_symbolizer },
	{ NULL, NULL },
};

__attribute__((visibility("default"))) int luaopen_crumb_binaries(lua_State *L)
{
	dwarf_register(L);
	elf_register(L);
	symbols_register(L);
	luaL_newlib(L, functions);
	return 1;
}
