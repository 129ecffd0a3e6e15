/*
 * elf: class crumb.Elf, the names and offsets of one ELF file.
 *
 * Lua's side of elf_file and elf_symbols.  It answers what the file says; what a name means to
 * a user (versions, globs, who is nearest) is decided in crumb.names.binary.
 */
#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "binaries.h"
#include "elf_class.h"
#include "elf_demangled.h"
#include "elf_file.h"
#include "elf_symbols.h"
#include "log.h"

#define CONTENT "crumb.ElfContent"

struct elf_handle {
	struct handle handle;
	struct elf *elf;
};

static int release(struct handle *handle)
{
	return crumb_elf_leave(&((struct elf_handle *)handle)->elf->file);
}

static int l_content_gc(lua_State *L)
{
	struct elf *elf = luaL_checkudata(L, 1, CONTENT);

	crumb_symbols_free(&elf->symbols);
	crumb_elf_close(&elf->file);
	return 0;
}

/* Made before the handle, so that its finalizer comes after the handle's. */
static struct elf *push_content(lua_State *L)
{
	struct elf *elf = lua_newuserdatauv(L, sizeof(*elf), 0);

	memset(elf, 0, sizeof(*elf));
	elf->file.fd = -1;
	luaL_setmetatable(L, CONTENT);
	return elf;
}

int elf_fail(lua_State *L, int err, const char *what, const char *reason)
{
	lua_pushnil(L);
	lua_pushfstring(L, "%s: %s", what, *reason ? reason : crumb_log_errno(err));
	lua_pushinteger(L, err);
	return 3;
}

/* binaries.elf(path, debug) -> crumb.Elf | nil, message, errno; debug: where separate debug files lie */
int l_elf_open(lua_State *L)
{
	size_t length;
	const char *path = luaL_checklstring(L, 1, &length);
	const char *debug = luaL_optstring(L, 2, NULL);
	char reason[ELF_REASON];
	struct elf_handle *handle;
	struct elf *elf;
	int err;

	luaL_argcheck(L, length == strlen(path), 1, "the path holds a NUL");
	elf = push_content(L);
	handle = handle_new(L, ELF, sizeof(*handle), 0);
	handle->elf = elf;
	lua_insert(L, -2);
	lua_setiuservalue(L, -2, HANDLE_KEPT);
	err = crumb_elf_open(&elf->file, path, reason);
	if (err)
		return elf_fail(L, err, lua_pushfstring(L, "open %s", path), reason);
	if (debug)
		elf->file.debug_root = strdup(debug);
	handle->handle.release = release;
	return 1;
}

struct elf *elf_check_content(lua_State *L)
{
	return ((struct elf_handle *)handle_check(L, 1, ELF))->elf;
}

const struct elf_file *elf_check(lua_State *L, int arg)
{
	return &((struct elf_handle *)handle_check(L, arg, ELF))->elf->file;
}

const struct elf_go *elf_go(lua_State *L, int arg)
{
	struct elf *elf = ((struct elf_handle *)handle_check(L, arg, ELF))->elf;

	if (!elf->go.asked)
		elf->go.err = crumb_gopclntab_open(&elf->go.table, &elf->file, elf->go.reason);
	elf->go.asked = true;
	return &elf->go;
}

int elf_index(lua_State *L, struct elf *elf)
{
	char reason[ELF_REASON];
	int err;

	if (elf->indexed)
		return 0;
	err = crumb_symbols_load(&elf->symbols, &elf->file, reason);
	if (err)
		return elf_fail(L, err, "read the symbols", reason);
	elf->indexed = true;
	return 0;
}

static const char *binding(unsigned char info)
{
	switch (ELF64_ST_BIND(info)) {
	case STB_LOCAL:
		return "local";
	case STB_WEAK:
		return "weak";
	default:
		return "global";
	}
}

static void l_set_string(lua_State *L, const char *key, const char *value)
{
	lua_pushstring(L, value);
	lua_setfield(L, -2, key);
}

static void l_set_integer(lua_State *L, const char *key, uint64_t value)
{
	lua_pushinteger(L, (lua_Integer)value);
	lua_setfield(L, -2, key);
}

static void l_set_boolean(lua_State *L, const char *key, bool value)
{
	lua_pushboolean(L, value);
	lua_setfield(L, -2, key);
}

static void l_push_symbol(lua_State *L, struct elf *elf, const struct elf_symbol *symbol)
{
	bool resolver = ELF64_ST_TYPE(symbol->info) == STT_GNU_IFUNC;
	uint64_t offset;

	lua_createtable(L, 0, 12);
	lua_pushlstring(L, symbol->name, symbol->length);
	lua_setfield(L, -2, "name");
	elf_set_demangled(L, elf, symbol, true);
	l_set_integer(L, "value", symbol->value);
	l_set_integer(L, "size", symbol->size);
	if (!symbol->imported && crumb_elf_offset(&elf->file, symbol->value, &offset))
		l_set_integer(L, "offset", offset);
	l_set_string(L, "bind", binding(symbol->info));
	l_set_string(L, "type", resolver ? "ifunc" : "func");
	l_set_string(L, "table",
		     symbol->dynamic                 ? "dynsym"
		     : elf->symbols.source == ELF_GO ? "gopclntab"
						     : "symtab");
	l_set_boolean(L, "imported", symbol->imported);
	if (symbol->version) {
		l_set_string(L, "version", symbol->version);
		l_set_boolean(L, "default", symbol->standard);
	}
	if (symbol->library)
		l_set_string(L, "library", symbol->library);
}

static int l_find(lua_State *L)
{
	struct elf *elf = elf_check_content(L);
	size_t length, count;
	const char *name = luaL_checklstring(L, 2, &length);
	uint32_t found[ELF_MATCHES_MAX];
	int failed = elf_index(L, elf);

	if (failed)
		return failed;
	count = crumb_symbols_find(&elf->symbols, name, length, found);
	if (!count)
		count = crumb_symbols_find_demangled(&elf->symbols, name, length, found);
	lua_createtable(L, (int)count, 0);
	for (size_t i = 0; i < count; i++) {
		l_push_symbol(L, elf, &elf->symbols.list[found[i]]);
		lua_rawseti(L, -2, (lua_Integer)i + 1);
	}
	return 1;
}

void elf_append_once(lua_State *L, int list, int seen, lua_Integer *count)
{
	lua_pushvalue(L, -1);
	if (lua_rawget(L, seen) == LUA_TNIL) {
		lua_pushvalue(L, -2);
		lua_pushboolean(L, 1);
		lua_rawset(L, seen);
		lua_pushvalue(L, -2);
		lua_rawseti(L, list, ++*count);
	}
	lua_pop(L, 2);
}

/* elf:names(demangled) -> a list; demangled: without parameters, in place of mangled ones */
static int l_names(lua_State *L)
{
	struct elf *elf = elf_check_content(L);
	bool demangled = lua_toboolean(L, 2);
	int failed = elf_index(L, elf), list, seen;
	lua_Integer count = 0;

	if (failed)
		return failed;
	lua_newtable(L);
	lua_newtable(L);
	list = lua_gettop(L) - 1;
	seen = list + 1;
	for (uint32_t i = 0; i < elf->symbols.count; i++) {
		const struct elf_symbol *symbol = &elf->symbols.list[i];
		const struct elf_name *name;

		if (symbol->imported)
			continue;
		name = demangled ? crumb_symbol_demangled(&elf->symbols, i) : NULL;
		if (name)
			lua_pushlstring(L, name->text, name->bare);
		else
			lua_pushlstring(L, symbol->name, symbol->length);
		elf_append_once(L, list, seen, &count);
	}
	lua_settop(L, list);
	return 1;
}

static int l_offset(lua_State *L)
{
	struct elf *elf = elf_check_content(L);
	uint64_t offset;

	if (crumb_elf_offset(&elf->file, (uint64_t)luaL_checkinteger(L, 2), &offset))
		lua_pushinteger(L, (lua_Integer)offset);
	else
		lua_pushnil(L);
	return 1;
}

static int l_executable(lua_State *L)
{
	struct elf *elf = elf_check_content(L);

	lua_pushboolean(L, crumb_elf_executable(&elf->file, (uint64_t)luaL_checkinteger(L, 2)));
	return 1;
}

static int l_path(lua_State *L)
{
	struct elf *elf = elf_check_content(L);

	lua_pushfstring(L, "/proc/self/fd/%d", elf->file.fd);
	return 1;
}

/* elf:identity() -> a string that no other file has, nor this one when it was written to */
static int l_identity(lua_State *L)
{
	const struct elf *elf = elf_check_content(L);
	char text[128];
	struct stat status;

	if (fstat(elf->file.fd, &status))
		return handle_fail(L, errno, "look at the file");
	snprintf(text, sizeof(text), "%llx:%llx:%llx:%llx.%lx", (unsigned long long)status.st_dev,
		 (unsigned long long)status.st_ino, (unsigned long long)status.st_size,
		 (unsigned long long)status.st_mtim.tv_sec, (unsigned long)status.st_mtim.tv_nsec);
	lua_pushstring(L, text);
	return 1;
}

static int l_machine(lua_State *L)
{
	elf_check_content(L);
	lua_pushstring(L, crumb_elf_machine());
	return 1;
}

void elf_register(lua_State *L)
{
	static const luaL_Reg methods[] = {
		{ "executable", l_executable },
		{ "find", l_find },
		{ "functions", l_elf_functions },
		{ "identity", l_identity },
		{ "machine", l_machine },
		{ "names", l_names },
		{ "offset", l_offset },
		{ "path", l_path },
		{ NULL, NULL },
	};

	handle_class(L, ELF, methods);
	luaL_getmetatable(L, ELF);
	lua_getfield(L, -1, "methods");
	luaL_setfuncs(L, elf_about_methods, 0);
	luaL_setfuncs(L, elf_code_methods, 0);
	luaL_setfuncs(L, elf_note_methods, 0);
	lua_pop(L, 2);
	elf_functions_register(L);
	if (luaL_newmetatable(L, CONTENT)) {
		lua_pushcfunction(L, l_content_gc);
		lua_setfield(L, -2, "__gc");
	}
	lua_pop(L, 1);
}
