/* elf_note: Lua's side of usdt_note, methods of crumb.Elf. */
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

static void push_place(lua_State *L, const struct usdt_note *note, uint64_t offset,
		       uint64_t semaphore)
{
	lua_createtable(L, 0, 3);
	lua_pushinteger(L, (lua_Integer)offset);
	lua_setfield(L, -2, "offset");
	if (semaphore) {
		lua_pushinteger(L, (lua_Integer)semaphore);
		lua_setfield(L, -2, "semaphore");
	}
	lua_pushstring(L, note->arguments);
	lua_setfield(L, -2, "arguments");
}

/* elf:usdt_probes(provider, name) -> {{ offset, semaphore?, arguments }}, and how many are wrong */
static int l_usdt_probes(lua_State *L)
{
	const struct elf_file *file = elf_check(L, 1);
	const char *provider = luaL_checkstring(L, 2), *name = luaL_checkstring(L, 3);
	uint64_t offset, semaphore;
	lua_Integer count = 0, wrong = 0;
	char reason[ELF_REASON];
	struct usdt_notes notes;
	struct usdt_note note;
	int err = crumb_usdt_open(&notes, file, reason);

	if (err)
		return elf_fail(L, err, "read the USDT notes", reason);
	lua_newtable(L);
	while (count < PLACES_MAX && crumb_usdt_next(&notes, &note)) {
		if (strcmp(note.provider, provider) || strcmp(note.name, name))
			continue;
		if (crumb_usdt_locate(&notes, file, &note, &offset, &semaphore)) {
			push_place(L, &note, offset, semaphore);
			lua_rawseti(L, -2, ++count);
		} else {
			wrong++;
		}
	}
	lua_pushinteger(L, wrong);
	return 2;
}

const luaL_Reg elf_note_methods[] = {
	{ "usdt", l_usdt },
	{ "usdt_probes", l_usdt_probes },
	{ NULL, NULL },
};
