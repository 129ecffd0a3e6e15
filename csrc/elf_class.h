/* elf_class: what the files that make up class crumb.Elf share; others open it by elf_check. */
#ifndef CRUMB_ELF_CLASS_H
#define CRUMB_ELF_CLASS_H

#include <lauxlib.h>
#include <lua.h>

#include "elf_file.h"
#include "elf_symbols.h"
#include "gopclntab.h"

#define ELF "crumb.Elf"

/* Go's table of a file, read at the first question about it. */
struct elf_go {
	struct gopclntab table;
	bool asked;
	int err; /* ENOENT: there is none */
	char reason[ELF_REASON];
};

/*
 * What was read of the file, in a userdata that the handle keeps: a close in the middle of a
 * method gives back the descriptor, and no memory.
 */
struct elf {
	struct elf_file file;
	struct elf_symbols symbols;
	bool indexed;
	struct elf_go go;
};

/* Of the open handle at 1; its memory stays as long as the handle is on the stack. */
struct elf *elf_check_content(lua_State *L);

/* Reads the symbols at the first question about them; 0 or how many values were pushed. */
int elf_index(lua_State *L, struct elf *elf);

/* The file of the open handle at `arg`; it stays as long as the handle is on the stack. */
const struct elf_file *elf_check(lua_State *L, int arg);

/* Of the open handle at `arg`. */
const struct elf_go *elf_go(lua_State *L, int arg);

/* Returns nil, "what: reason", errno to Lua. */
int elf_fail(lua_State *L, int err, const char *what, const char *reason);

/* Appends the string on the top to `list`, unless `seen` has it; pops it. */
void elf_append_once(lua_State *L, int list, int seen, lua_Integer *count);

/* Sets `demangled` in the table on the top, if the symbol has such a name; and `full`, if it is longer. */
void elf_set_demangled(lua_State *L, struct elf *elf, const struct elf_symbol *symbol, bool full);

int l_elf_functions(lua_State *L);
void elf_functions_register(lua_State *L);

extern const luaL_Reg elf_about_methods[], elf_code_methods[], elf_note_methods[];

#endif
