/*
 * elf_about: what an ELF file says of itself: its language, its build id, where its names come from
 * and which libraries it needs; methods of crumb.Elf.
 */
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "elf_class.h"
#include "elf_debug.h"
#include "elf_demangled.h"

static bool is_go(const struct elf *elf)
{
	static const char *const marks[] = { ".go.buildinfo", ".note.go.buildid", ".gopclntab" };
	GElf_Shdr header;

	for (size_t i = 0; i < sizeof(marks) / sizeof(*marks); i++)
		if (crumb_elf_by_name(&elf->file, marks[i], &header))
			return true;
	return false;
}

static int l_is_go(lua_State *L)
{
	lua_pushboolean(L, is_go(elf_check_content(L)));
	return 1;
}

/* What the file names is only what it exports. */
static int l_stripped(lua_State *L)
{
	struct elf *elf = elf_check_content(L);
	bool stripped;

	stripped = elf_index(L, elf) || elf->symbols.source == ELF_NO_SOURCE;
	lua_pushboolean(L, stripped);
	return 1;
}

/* elf:build_id() -> hexadecimal | nil alone */
static int l_build_id(lua_State *L)
{
	const struct elf *elf = elf_check_content(L);
	unsigned char id[BUILD_ID_MAX];
	char text[2 * BUILD_ID_MAX + 1] = "";
	size_t size = crumb_build_id(&elf->file, id);

	for (size_t i = 0; i < size; i++)
		snprintf(text + 2 * i, 3, "%02x", id[i]);
	if (size)
		lua_pushstring(L, text);
	else
		lua_pushnil(L);
	return 1;
}

/* elf:sources() -> a list of tables' names and of files | nil, message, errno */
static int l_sources(lua_State *L)
{
	static const char *const names[] = { [ELF_SYMTAB] = ".symtab",
					     [ELF_DEBUG_DATA] = ".gnu_debugdata",
					     [ELF_GO] = ".gopclntab" };
	struct elf *elf = elf_check_content(L);
	int failed = elf_index(L, elf);
	lua_Integer count = 0;

	if (failed)
		return failed;
	lua_newtable(L);
	if (elf->symbols.exports) {
		lua_pushliteral(L, ".dynsym");
		lua_rawseti(L, -2, ++count);
	}
	if (elf->symbols.source) {
		lua_pushstring(L, elf->symbols.source == ELF_DEBUG_FILE
					  ? elf->symbols.debug_path
					  : names[elf->symbols.source]);
		lua_rawseti(L, -2, ++count);
	}
	return 1;
}

static bool holds(const struct elf_bytes *bytes, const char *text)
{
	return memmem(bytes->data, bytes->size, text, strlen(text)) != NULL;
}

/* By what the compilers left in .comment; NULL: that says nothing. */
static const char *compiled_from(const struct elf *elf)
{
	char reason[ELF_REASON];
	struct elf_bytes bytes;
	GElf_Shdr header;
	Elf_Scn *section = crumb_elf_by_name(&elf->file, ".comment", &header);

	if (!section || crumb_elf_bytes(&elf->file, section, &bytes, reason) || !bytes.size)
		return NULL;
	if (holds(&bytes, "rustc version"))
		return "rust";
	return holds(&bytes, "GCC:") || holds(&bytes, "clang version") ? "c" : NULL;
}

/* By its functions: one of Rust's is enough, then one of C++. */
static const char *written_in(struct elf *elf)
{
	const char *language = NULL;

	for (uint32_t i = 0; i < elf->symbols.count; i++) {
		const struct elf_symbol *symbol = &elf->symbols.list[i];
		const struct elf_name *name;

		if (symbol->imported)
			continue;
		name = crumb_symbol_demangled(&elf->symbols, i);
		if (name && name->rust)
			return "rust";
		if (name)
			language = "c++";
	}
	return language;
}

/* Pushes a list of the strings that entries of that tag name. */
static int l_dynamic(lua_State *L, const struct elf *elf, Elf64_Sxword tag)
{
	char reason[ELF_REASON] = "";
	struct elf_bytes bytes, strings;
	GElf_Shdr header;
	Elf_Scn *section = crumb_elf_by_type(&elf->file, SHT_DYNAMIC, &header);
	lua_Integer count = 0;
	Elf64_Dyn entry;
	int err;

	lua_newtable(L);
	if (!section)
		return 1;
	err = crumb_elf_bytes(&elf->file, section, &bytes, reason);
	if (!err)
		err = crumb_elf_linked(&elf->file, header.sh_link, &strings, reason);
	if (err)
		return elf_fail(L, err, "read the dynamic section", reason);
	for (uint64_t at = 0; bytes.size - at >= sizeof(entry); at += sizeof(entry)) {
		const char *name;
		size_t length;

		memcpy(&entry, bytes.data + at, sizeof(entry));
		if (entry.d_tag == DT_NULL)
			break;
		if (entry.d_tag != tag)
			continue;
		name = crumb_elf_string(&strings, entry.d_un.d_val, &length);
		if (!name)
			continue;
		lua_pushlstring(L, name, length);
		lua_rawseti(L, -2, ++count);
	}
	return 1;
}

/* Whether it asks for a library whose name begins so. */
static bool needs(lua_State *L, const struct elf *elf, const char *library)
{
	int top = lua_gettop(L);
	bool found = false;

	if (l_dynamic(L, elf, DT_NEEDED) == 1)
		for (lua_Integer i = 1; !found && lua_rawgeti(L, top + 1, i) == LUA_TSTRING; i++) {
			found = !strncmp(lua_tostring(L, -1), library, strlen(library));
			lua_pop(L, 1);
		}
	lua_settop(L, top);
	return found;
}

static int l_needed(lua_State *L)
{
	return l_dynamic(L, elf_check_content(L), DT_NEEDED);
}

/* The name by which programs ask for this library, or nil alone. */
static int l_soname(lua_State *L)
{
	int pushed = l_dynamic(L, elf_check_content(L), DT_SONAME);

	if (pushed == 1)
		lua_rawgeti(L, -1, 1);
	return pushed;
}

/* elf:language() -> "go" | "rust" | "c++" | "c" | nil alone: it cannot be told */
static int l_language(lua_State *L)
{
	struct elf *elf = elf_check_content(L);
	const char *language = is_go(elf) ? "go" : compiled_from(elf);

	if (!language || !strcmp(language, "c")) {
		const char *written = NULL;

		if (!elf_index(L, elf))
			written = written_in(elf);
		if (written)
			language = written;
		else if (needs(L, elf, "libstdc++.so") || needs(L, elf, "libc++.so"))
			language = "c++";
	}
	lua_pushstring(L, language);
	return 1;
}

const luaL_Reg elf_about_methods[] = {
	{ "build_id", l_build_id }, { "is_go", l_is_go },   { "language", l_language },
	{ "needed", l_needed },     { "soname", l_soname }, { "sources", l_sources },
	{ "stripped", l_stripped }, { NULL, NULL },
};
