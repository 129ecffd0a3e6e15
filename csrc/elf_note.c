/* elf_note: methods of crumb.Elf: USDT probes, and the variables that their arguments are relative to. */
#include <string.h>

#include "elf_class.h"
#include "usdt_note.h"

#define PLACES_MAX 65536

/* elf:usdt() -> each "provider:name" once */
static int l_usdt(lua_State *L)
{
	const struct elf_file *file = elf_check(L, 1);
	char reason[ELF_REASON];
	struct usdt_notes notes;
	struct usdt_note note;
	lua_Integer count = 0;
	int err = crumb_usdt_open(&notes, file, reason), list;

	if (err)
		return elf_fail(L, err, "read the USDT notes", reason);
	lua_newtable(L);
	list = lua_gettop(L);
	lua_newtable(L);
	while (crumb_usdt_next(&notes, &note)) {
		lua_pushfstring(L, "%s:%s", note.provider, note.name);
		elf_append_once(L, list, list + 1, &count);
	}
	lua_settop(L, list);
	return 1;
}

static void push_place(lua_State *L, const struct usdt_note *note, const struct usdt_place *place)
{
	lua_createtable(L, 0, 6);
	lua_pushinteger(L, (lua_Integer)place->offset);
	lua_setfield(L, -2, "offset");
	lua_pushinteger(L, (lua_Integer)place->address);
	lua_setfield(L, -2, "address");
	if (place->semaphore) {
		lua_pushinteger(L, (lua_Integer)place->semaphore);
		lua_setfield(L, -2, "semaphore");
	}
	lua_pushstring(L, note->provider);
	lua_setfield(L, -2, "provider");
	lua_pushstring(L, note->name);
	lua_setfield(L, -2, "name");
	lua_pushstring(L, note->arguments);
	lua_setfield(L, -2, "arguments");
}

/* elf:usdt_probes([provider, name]) -> places, and how many notes are wrong */
static int l_usdt_probes(lua_State *L)
{
	const struct elf_file *file = elf_check(L, 1);
	const char *provider = luaL_optstring(L, 2, NULL), *name = luaL_optstring(L, 3, NULL);
	lua_Integer count = 0, wrong = 0;
	char reason[ELF_REASON];
	struct usdt_place place;
	struct usdt_notes notes;
	struct usdt_note note;
	int err = crumb_usdt_open(&notes, file, reason);

	if (err)
		return elf_fail(L, err, "read the USDT notes", reason);
	lua_newtable(L);
	while (count < PLACES_MAX && crumb_usdt_next(&notes, &note)) {
		if ((provider && strcmp(note.provider, provider)) ||
		    (name && strcmp(note.name, name)))
			continue;
		if (crumb_usdt_locate(&notes, file, &note, &place)) {
			push_place(L, &note, &place);
			lua_rawseti(L, -2, ++count);
		} else {
			wrong++;
		}
	}
	lua_pushinteger(L, wrong);
	return 2;
}

/* A symbol of a variable, which is not each thread's own; NULL: it is none. */
static const char *variable(const struct elf_bytes *strings, const Elf64_Sym *symbol)
{
	unsigned type = ELF64_ST_TYPE(symbol->st_info);
	size_t length;

	if (symbol->st_shndx == SHN_UNDEF || (type != STT_OBJECT && type != STT_NOTYPE))
		return NULL;
	return crumb_elf_string(strings, symbol->st_name, &length);
}

/* Tells in the table at `found` the values of the names that it has as keys. */
static int find_variables(lua_State *L, int found, const struct elf_file *file, uint32_t type,
			  char *reason)
{
	struct elf_bytes symbols, strings;
	GElf_Shdr header;
	Elf_Scn *section = crumb_elf_by_type(file, type, &header);
	Elf64_Sym symbol;
	const char *name;
	int err;

	if (!section)
		return 0;
	err = crumb_elf_bytes(file, section, &symbols, reason);
	if (!err)
		err = crumb_elf_linked(file, header.sh_link, &strings, reason);
	for (uint64_t at = 0; !err && symbols.size - at >= sizeof(symbol); at += sizeof(symbol)) {
		memcpy(&symbol, symbols.data + at, sizeof(symbol));
		name = variable(&strings, &symbol);
		if (!name)
			continue;
		/* True until it is found; false when it is found in two places. */
		if (lua_getfield(L, found, name) == LUA_TNUMBER &&
		    lua_tointeger(L, -1) != (lua_Integer)symbol.st_value) {
			lua_pushboolean(L, 0);
			lua_setfield(L, found, name);
		} else if (lua_isboolean(L, -1) && lua_toboolean(L, -1)) {
			lua_pushinteger(L, (lua_Integer)symbol.st_value);
			lua_setfield(L, found, name);
		}
		lua_pop(L, 1);
	}
	return err;
}

/* elf:variables(names) -> { name = address, or false: several, or true: none } | nil, message, errno */
static int l_variables(lua_State *L)
{
	const struct elf_file *file = elf_check(L, 1);
	char reason[ELF_REASON] = "";
	int err;

	luaL_checktype(L, 2, LUA_TTABLE);
	lua_settop(L, 2);
	lua_newtable(L);
	for (lua_Integer i = 1; lua_rawgeti(L, 2, i) == LUA_TSTRING; i++) {
		lua_pushboolean(L, 1);
		lua_rawset(L, 3);
	}
	lua_settop(L, 3);
	err = find_variables(L, 3, file, SHT_SYMTAB, reason);
	if (!err)
		err = find_variables(L, 3, file, SHT_DYNSYM, reason);
	return err ? elf_fail(L, err, "read the symbols", reason) : 1;
}

const luaL_Reg elf_note_methods[] = {
	{ "usdt", l_usdt },
	{ "usdt_probes", l_usdt_probes },
	{ "variables", l_variables },
	{ NULL, NULL },
};
