/* elf_code: what the code of an ELF file is, its bytes and Go's functions; methods of crumb.Elf. */
#include <errno.h>
#include <string.h>

#include "elf_class.h"
#include "elf_vector.h"
#include "handle.h"

#define CODE_MAX (16 << 20)

/* elf:code(offset, size) -> its bytes | nil, message, errno */
static int l_code(lua_State *L)
{
	const struct elf_file *file = elf_check(L, 1);
	uint64_t offset = (uint64_t)luaL_checkinteger(L, 2);
	lua_Integer size = luaL_checkinteger(L, 3);
	luaL_Buffer buffer;
	char *bytes;
	int err;

	luaL_argcheck(L, size > 0, 3, "expected 1 byte or more");
	if (size > CODE_MAX)
		return elf_fail(L, EFBIG, "read the code", "it has more than 16 MiB");
	if (!crumb_elf_executable(file, offset) ||
	    !crumb_elf_executable(file, offset + (uint64_t)size - 1))
		return elf_fail(L, EINVAL, "read the code", "it lies in no executable segment");
	bytes = luaL_buffinitsize(L, &buffer, (size_t)size);
	err = crumb_elf_read(file, bytes, (size_t)size, offset);
	if (err)
		return elf_fail(L, err, "read the code", "");
	luaL_pushresultsize(&buffer, (size_t)size);
	return 1;
}

/* elf:refused(offset) -> why no uprobe is put there, or nil */
static int l_refused(lua_State *L)
{
	const struct elf_file *file = elf_check(L, 1);
	struct elf_window window = { 0 };

	if (crumb_elf_vector(file, &window, (uint64_t)luaL_checkinteger(L, 2)))
		lua_pushliteral(L, ELF_VECTOR_REASON);
	else
		lua_pushnil(L);
	return 1;
}

/* elf:start() -> where in the file the program begins, or nil: it is none */
static int l_start(lua_State *L)
{
	const struct elf_file *file = elf_check(L, 1);
	uint64_t offset;
	GElf_Ehdr header;

	if (!gelf_getehdr(file->elf, &header) || !header.e_entry ||
	    !crumb_elf_offset(file, header.e_entry, &offset))
		lua_pushnil(L);
	else
		lua_pushinteger(L, (lua_Integer)offset);
	return 1;
}

/* The last function that begins at or before an address, or UINT32_MAX. */
static uint32_t search(const struct gopclntab *table, uint64_t address)
{
	uint32_t low = 0, high = table->count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		struct go_function function;

		crumb_gopclntab_function(table, middle, &function);
		if (function.address <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low - 1;
}

static const char *const versions[] = {
	[GO_1_2] = "1.2", [GO_1_16] = "1.16", [GO_1_18] = "1.18", [GO_1_20] = "1.20"
};

/* elf:go_function(offset) -> { name, offset, size, assembly, version } | nil, message, errno */
static int l_go_function(lua_State *L)
{
	const struct elf_file *file = elf_check(L, 1);
	const struct elf_go *go = elf_go(L, 1);
	uint64_t offset = (uint64_t)luaL_checkinteger(L, 2), address;
	struct go_function function = { 0 };
	uint32_t index;

	if (go->err)
		return elf_fail(L, go->err, "read Go's functions", go->reason);
	index = crumb_elf_address(file, offset, &address) ? search(&go->table, address)
							  : UINT32_MAX;
	if (index != UINT32_MAX)
		crumb_gopclntab_function(&go->table, index, &function);
	if (!function.size || address - function.address >= function.size)
		return elf_fail(L, ENOENT, "find a Go function", "none lies there");
	lua_createtable(L, 0, 5);
	lua_pushlstring(L, function.name, function.length);
	lua_setfield(L, -2, "name");
	lua_pushinteger(L, (lua_Integer)(offset - (address - function.address)));
	lua_setfield(L, -2, "offset");
	lua_pushinteger(L, (lua_Integer)function.size);
	lua_setfield(L, -2, "size");
	lua_pushboolean(L, function.assembly);
	lua_setfield(L, -2, "assembly");
	lua_pushstring(L, versions[go->table.version]);
	lua_setfield(L, -2, "version");
	return 1;
}

const luaL_Reg elf_code_methods[] = {
	{ "code", l_code },       { "go_function", l_go_function },
	{ "refused", l_refused }, { "start", l_start },
	{ NULL, NULL },
};
