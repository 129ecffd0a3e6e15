/* binaries: what the files of crumb.binaries offer its entry: their classes and functions. */
#ifndef CRUMB_BINARIES_H
#define CRUMB_BINARIES_H

#include "handle.h"

void dwarf_register(lua_State *L);
void elf_register(lua_State *L);
void symbols_register(lua_State *L);

int l_demangle(lua_State *L);
int l_dwarf_open(lua_State *L);
int l_elf_open(lua_State *L);
int l_symbolizer(lua_State *L);

#endif
