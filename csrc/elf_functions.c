/*
 * elf_functions: elf:functions(pattern), the places that a pattern means and what has none.
 *
 * A binary has tens of thousands of functions, so each costs one table here and no call of Lua's.
 */
#include <errno.h>
#include <lauxlib.h>
#include <lua.h>
#include <string.h>

#include "binaries.h"
#include "demangle.h"
#include "elf_class.h"
#include "elf_demangled.h"
#include "elf_match.h"
#include "elf_vector.h"
#include "glob.h"

#define SEARCH "crumb.ElfSearch"

/* What a search has allocated; closed at its end, or by the collector after an error. */
struct search {
	struct glob *pattern;
	struct elf_matches matches;
};

static int l_search_gc(lua_State *L)
{
	struct search *search = luaL_checkudata(L, 1, SEARCH);

	crumb_glob_free(search->pattern);
	crumb_elf_matches_free(&search->matches);
	memset(search, 0, sizeof(*search));
	return 0;
}

static struct search *push_search(lua_State *L)
{
	struct search *search = lua_newuserdatauv(L, sizeof(*search), 0);

	memset(search, 0, sizeof(*search));
	luaL_setmetatable(L, SEARCH);
	lua_toclose(L, -1);
	return search;
}

static void push_name(lua_State *L, const struct elf_symbol *symbol)
{
	lua_pushlstring(L, symbol->name, symbol->length);
}

void elf_set_demangled(lua_State *L, struct elf *elf, const struct elf_symbol *symbol, bool full)
{
	uint32_t index = (uint32_t)(symbol - elf->symbols.list);
	const struct elf_name *name = crumb_symbol_demangled(&elf->symbols, index);

	if (!name)
		return;
	lua_pushlstring(L, name->text, crumb_name_shown(name));
	lua_setfield(L, -2, "demangled");
	if (!full || crumb_name_shown(name) == name->length)
		return;
	lua_pushlstring(L, name->text, name->length);
	lua_setfield(L, -2, "full");
}

/* The names of one place, where it has more than one. */
static void set_names(lua_State *L, const struct elf_match *match, size_t count)
{
	lua_createtable(L, (int)count, 0);
	for (size_t i = 0; i < count; i++) {
		push_name(L, match[i].symbol);
		lua_rawseti(L, -2, (lua_Integer)i + 1);
	}
	lua_setfield(L, -2, "names");
}

/* Room for a few fields more, since a site is made of it. */
static void push_place(lua_State *L, struct elf *elf, const struct elf_match *match, size_t names)
{
	lua_createtable(L, 0, 8);
	push_name(L, match->symbol);
	lua_setfield(L, -2, "symbol");
	lua_pushinteger(L, (lua_Integer)match->offset);
	lua_setfield(L, -2, "offset");
	lua_pushinteger(L, (lua_Integer)match->symbol->value);
	lua_setfield(L, -2, "address");
	lua_pushinteger(L, (lua_Integer)match->symbol->size);
	lua_setfield(L, -2, "size");
	elf_set_demangled(L, elf, match->symbol, false);
	if (names > 1)
		set_names(L, match, names);
}

static const char *const reasons[] = {
	[ELF_IFUNC] = "it is an IFUNC",
	[ELF_OUTSIDE] = "it lies in no executable segment",
	[ELF_VECTOR] = ELF_VECTOR_REASON,
};

static void push_skipped(lua_State *L, struct elf *elf, const struct elf_match *match)
{
	lua_createtable(L, 0, 4);
	elf_set_demangled(L, elf, match->symbol, false);
	push_name(L, match->symbol);
	lua_setfield(L, -2, "symbol");
	lua_pushstring(L, reasons[match->kind]);
	lua_setfield(L, -2, "reason");
}

static size_t names_at(const struct elf_matches *matches, size_t from)
{
	size_t end = from + 1;

	while (end < matches->count && matches->list[end].kind == ELF_PLACE &&
	       matches->list[end].offset == matches->list[from].offset)
		end++;
	return end - from;
}

static void push_places(lua_State *L, struct elf *elf, const struct elf_matches *matches)
{
	lua_Integer places = 0, skipped = 0;
	size_t i = 0;

	lua_createtable(L, (int)matches->count, 0);
	for (size_t names; i < matches->count && matches->list[i].kind == ELF_PLACE; i += names) {
		names = names_at(matches, i);
		push_place(L, elf, &matches->list[i], names);
		lua_rawseti(L, -2, ++places);
	}
	lua_newtable(L);
	for (; i < matches->count; i++) {
		push_skipped(L, elf, &matches->list[i]);
		lua_rawseti(L, -2, ++skipped);
	}
}

/* elf:functions(pattern | nil) -> places, skipped | nil, message, errno */
int l_elf_functions(lua_State *L)
{
	struct elf *elf = elf_check_content(L);
	size_t length = 0;
	const char *pattern = luaL_optlstring(L, 2, NULL, &length);
	struct search *search;
	int failed = elf_index(L, elf), err;

	if (failed)
		return failed;
	search = push_search(L);
	if (pattern) {
		search->pattern = crumb_glob_compile(pattern, length);
		if (!search->pattern)
			return luaL_error(L, "not enough memory");
	}
	err = crumb_elf_match(&search->matches, &elf->symbols, &elf->file, search->pattern);
	if (err)
		return elf_fail(L, err, "list the functions",
				err == E2BIG ? "more than 1,048,576 match" : "");
	push_places(L, elf, &search->matches);
	return 2;
}

/* binaries.demangle(name) -> as C++ or Rust write it | nil alone: it is no such name */
int l_demangle(lua_State *L)
{
	size_t length;
	const char *name = luaL_checklstring(L, 1, &length);
	struct demangled demangled;

	if (crumb_demangle(name, length, &demangled))
		lua_pushlstring(L, demangled.text,
				demangled.rust ? demangled.bare : demangled.length);
	else
		lua_pushnil(L);
	return 1;
}

void elf_functions_register(lua_State *L)
{
	if (luaL_newmetatable(L, SEARCH)) {
		lua_pushcfunction(L, l_search_gc);
		lua_setfield(L, -2, "__gc");
		lua_pushcfunction(L, l_search_gc);
		lua_setfield(L, -2, "__close");
	}
	lua_pop(L, 1);
}
