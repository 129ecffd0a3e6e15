/* elf_class: what the files that make up class crumb.Elf share; others open it by elf_check. */
#ifndef CRUMB_ELF_CLASS_H
#define CRUMB_ELF_CLASS_H

#include <lauxlib.h>
#include <lua.h>

#include "elf_file.h"
#include "gopclntab.h"

#define ELF "crumb.Elf"

/* The file of the open handle at `arg`; it stays as long as the handle is on the stack. */
const struct elf_file *elf_check(lua_State *L, int arg);

/* Go's table of the open handle's file, read at the first question about it. */
struct elf_go {
	struct gopclntab table;
	bool asked;
	int err; /* ENOENT: there is none */
	char reason[ELF_REASON];
};
const struct elf_go *elf_go(lua_State *L, int arg);

/* Returns nil, "what: reason", errno to Lua. */
int elf_fail(lua_State *L, int err, const char *what, const char *reason);

/* Appends the string on the top to `list`, unless `seen` has it; pops it. */
void elf_append_once(lua_State *L, int list, int seen, lua_Integer *count);

extern const luaL_Reg elf_code_methods[], elf_note_methods[];

#endif
