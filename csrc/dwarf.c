/*
 * dwarf: class crumb.Dwarf: the functions and types that a file's debug information tells of.
 *
 * It describes types as crumb.Btf does, so that expressions read both alike.
 */
#include <dwarf.h>
#include <errno.h>
#include <string.h>

#include "binaries.h"
#include "dwarf_file.h"
#include "dwarf_type.h"
#include "elf_file.h"
#include "log.h"

#define CLASS "crumb.Dwarf"
#define CONTENT "crumb.DwarfContent"
#define PARAMETERS_MAX 64

/*
 * What was read, in a userdata that the handle keeps: a close in the middle of a method gives
 * back the descriptor, and no memory.
 */
struct content {
	struct elf_file elf;
	struct dwarf_file file;
};

struct dwarf_handle {
	struct handle handle;
	struct content *content;
};

static int release(struct handle *handle)
{
	return crumb_elf_leave(&((struct dwarf_handle *)handle)->content->elf);
}

static int l_content_gc(lua_State *L)
{
	struct content *content = luaL_checkudata(L, 1, CONTENT);

	crumb_dwarf_close(&content->file);
	crumb_elf_close(&content->elf);
	return 0;
}

static struct content *push_content(lua_State *L)
{
	struct content *content = lua_newuserdatauv(L, sizeof(*content), 0);

	memset(content, 0, sizeof(*content));
	content->elf.fd = -1;
	luaL_setmetatable(L, CONTENT);
	return content;
}

/* binaries.dwarf(path) -> crumb.Dwarf | nil, message, errno */
int l_dwarf_open(lua_State *L)
{
	const char *path = handle_check_text(L, 1);
	struct content *content = push_content(L);
	char reason[ELF_REASON] = "";
	struct dwarf_handle *handle = handle_new(L, CLASS, sizeof(*handle), 0);
	int err;

	handle->content = content;
	lua_insert(L, -2);
	lua_setiuservalue(L, -2, HANDLE_KEPT);
	err = crumb_elf_open(&content->elf, path, reason);
	if (!err)
		err = crumb_dwarf_open(&content->file, &content->elf, reason);
	if (err) {
		crumb_elf_close(&content->elf);
		lua_pushnil(L);
		lua_pushfstring(L, "read the debug information of %s: %s", path,
				*reason ? reason : crumb_log_errno(err));
		lua_pushinteger(L, err);
		return 3;
	}
	handle->handle.release = release;
	return 1;
}

static struct content *check(lua_State *L)
{
	return ((struct dwarf_handle *)handle_check(L, 1, CLASS))->content;
}

static void set_string(lua_State *L, const char *key, const char *value)
{
	lua_pushstring(L, value);
	lua_setfield(L, -2, key);
}

static void set_integer(lua_State *L, const char *key, uint64_t value)
{
	lua_pushinteger(L, (lua_Integer)value);
	lua_setfield(L, -2, key);
}

static void set_true(lua_State *L, const char *key, bool value)
{
	if (!value)
		return;
	lua_pushboolean(L, 1);
	lua_setfield(L, -2, key);
}

/* Sets the name of a type at `key`, and its number at "id"; NULL is void. */
static void set_type(lua_State *L, Dwarf *dwarf, const char *key, Dwarf_Die *die)
{
	char name[DWARF_NAME];

	set_string(L, key, crumb_dwarf_name(die, name));
	set_integer(L, "id", die ? (uint64_t)crumb_dwarf_id(dwarf, die) : 0);
}

static void set_type_of(lua_State *L, Dwarf *dwarf, const char *key, Dwarf_Die *die)
{
	Dwarf_Die type;

	set_type(L, dwarf, key, crumb_dwarf_type_of(die, &type) ? &type : NULL);
}

static void push_members(lua_State *L, Dwarf *dwarf, const struct dwarf_type *type)
{
	struct dwarf_walk *walk = lua_newuserdatauv(L, sizeof(*walk), 0);
	struct dwarf_member member;
	lua_Integer count = 0;

	crumb_dwarf_walk(type, walk);
	lua_newtable(L);
	while (crumb_dwarf_next(walk, &member)) {
		lua_createtable(L, 0, 6);
		set_string(L, "name", member.name);
		set_type(L, dwarf, "type", &member.type);
		set_integer(L, "offset", member.offset);
		if (member.bits) {
			set_integer(L, "bits", member.bits);
			set_integer(L, "bit_offset", member.bit_offset);
		}
		lua_rawseti(L, -2, ++count);
	}
	lua_remove(L, -2);
}

static void push_enumerators(lua_State *L, const struct dwarf_type *type)
{
	Dwarf_Die die = type->die, child;
	lua_Integer count = 0;
	uint32_t left = DWARF_CHILDREN;

	lua_newtable(L);
	if (dwarf_child(&die, &child))
		return;
	do {
		const char *name = dwarf_diename(&child);
		int64_t value;

		if (!name || !crumb_dwarf_value(&child, &value))
			continue;
		lua_createtable(L, 0, 2);
		set_string(L, "name", name);
		set_integer(L, "value", (uint64_t)value);
		lua_rawseti(L, -2, ++count);
	} while (--left && !dwarf_siblingof(&child, &child));
}

static void push_shape(lua_State *L, Dwarf *dwarf, struct dwarf_type *type)
{
	switch (type->shape) {
	case DWARF_INT:
		lua_pushboolean(L, type->is_signed);
		lua_setfield(L, -2, "signed");
		break;
	case DWARF_ENUM:
		lua_pushboolean(L, type->is_signed);
		lua_setfield(L, -2, "signed");
		push_enumerators(L, type);
		lua_setfield(L, -2, "values");
		break;
	case DWARF_ARRAY:
		set_integer(L, "count", type->count);
		/* fallthrough */
	case DWARF_POINTER:
		lua_createtable(L, 0, 2);
		set_type_of(L, dwarf, "name", &type->die);
		lua_setfield(L, -2, "element");
		break;
	case DWARF_STRUCT:
	case DWARF_UNION:
		push_members(L, dwarf, type);
		lua_setfield(L, -2, "members");
		break;
	default:
		break;
	}
	set_true(L, "floating", type->floating);
	set_true(L, "by_reference", crumb_dwarf_by_reference(type));
	set_true(L, "variants", type->variants);
}

/* dwarf:type(id | name) -> as btf:type, and floating, by_reference, variants */
static int l_type(lua_State *L)
{
	static const char *const kinds[] = {
		[DWARF_NONE] = "none",       [DWARF_INT] = "int",     [DWARF_BOOL] = "bool",
		[DWARF_POINTER] = "pointer", [DWARF_ENUM] = "enum",   [DWARF_FLOAT] = "float",
		[DWARF_RAW] = "raw",         [DWARF_ARRAY] = "array", [DWARF_STRUCT] = "struct",
		[DWARF_UNION] = "union",
	};
	Dwarf *dwarf = check(L)->file.dwarf;
	struct dwarf_type type;
	Dwarf_Die die;

	if (lua_type(L, 2) == LUA_TSTRING) {
		if (!crumb_dwarf_find(dwarf, lua_tostring(L, 2), &die))
			return handle_fail(L, ENOENT, "no type '%s'", lua_tostring(L, 2));
	} else if (!crumb_dwarf_die(dwarf, luaL_checkinteger(L, 2), &die)) {
		return luaL_argerror(L, 2, "no such type id");
	}
	crumb_dwarf_resolve(&die, &type);
	if (type.shape == DWARF_NONE)
		crumb_dwarf_complete(dwarf, &type);
	lua_createtable(L, 0, 8);
	set_type(L, dwarf, "name", &die);
	set_string(L, "kind", kinds[type.shape]);
	if (type.shape != DWARF_NONE)
		set_integer(L, "size", type.size);
	push_shape(L, dwarf, &type);
	return 1;
}

/* By whose convention a unit's functions are called; NULL: by one that is not known. */
static const char *convention_of(Dwarf_Die *unit)
{
	Dwarf_Attribute attribute;
	const char *producer;

	switch (dwarf_srclang(unit)) {
	case DW_LANG_Rust:
		return "rust";
	case DW_LANG_Go:
		producer = dwarf_attr(unit, DW_AT_producer, &attribute)
				   ? dwarf_formstring(&attribute)
				   : NULL;
		return producer && strstr(producer, "regabi") ? "go" : NULL;
	default:
		return "c";
	}
}

/*
 * Whether the compiler passes the arguments otherwise than the function's type says.  clang also
 * marks so what it only calls in a faster way: the two cannot be told apart.
 */
static bool is_changed(Dwarf_Die *function)
{
	Dwarf_Attribute attribute;
	Dwarf_Word value;

	return dwarf_attr_integrate(function, DW_AT_calling_convention, &attribute) &&
	       !dwarf_formudata(&attribute, &value) && value == DW_CC_nocall;
}

/* Go has its results among the parameters. */
static bool is_result(Dwarf_Die *parameter)
{
	Dwarf_Attribute attribute;
	bool result;

	return dwarf_attr(parameter, DW_AT_variable_parameter, &attribute) &&
	       !dwarf_formflag(&attribute, &result) && result;
}

/* The register, by DWARF's number, that holds a parameter at the function's entry; -1: none is told. */
static int register_of(Dwarf_Die *parameter, uint64_t entry)
{
	Dwarf_Attribute attribute;
	Dwarf_Op *operations;
	size_t count;

	if (!dwarf_attr(parameter, DW_AT_location, &attribute) ||
	    dwarf_getlocation_addr(&attribute, entry, &operations, &count, 1) != 1 || count != 1)
		return -1;
	if (operations->atom >= DW_OP_reg0 && operations->atom <= DW_OP_reg31)
		return operations->atom - DW_OP_reg0;
	return -1;
}

static void push_parameters(lua_State *L, Dwarf *dwarf, Dwarf_Die *function, uint64_t entry)
{
	lua_Integer count = 0;
	uint32_t left = DWARF_CHILDREN;
	Dwarf_Die child;

	lua_newtable(L);
	if (dwarf_child(function, &child))
		return;
	do {
		Dwarf_Attribute attribute;
		const char *name;
		int number;

		if (dwarf_tag(&child) != DW_TAG_formal_parameter || is_result(&child))
			continue;
		name = dwarf_attr_integrate(&child, DW_AT_name, &attribute)
			       ? dwarf_formstring(&attribute)
			       : NULL;
		lua_createtable(L, 0, 3);
		set_string(L, "name", name ? name : "");
		set_type_of(L, dwarf, "type", &child);
		number = register_of(&child, entry);
		if (number >= 0)
			set_integer(L, "register", (uint64_t)number);
		lua_rawseti(L, -2, ++count);
	} while (--left && count < PARAMETERS_MAX && !dwarf_siblingof(&child, &child));
}

/* dwarf:prototype(offset) -> as btf:prototype, and convention, changed, of parameters the register */
static int l_prototype(lua_State *L)
{
	struct content *content = check(L);
	uint64_t offset = (uint64_t)luaL_checkinteger(L, 2), address;
	Dwarf *dwarf = content->file.dwarf;
	Dwarf_Die unit, function;

	if (!crumb_elf_address(&content->elf, offset, &address))
		return handle_fail(L, ENOENT, "the offset lies in no executable segment");
	if (!crumb_dwarf_function(&content->file, address, &unit, &function)) {
		lua_pushnil(L);
		lua_pushliteral(L, "the file's debug information tells of no function there");
		lua_pushinteger(L, ENOENT);
		return 3;
	}
	lua_createtable(L, 0, 4);
	push_parameters(L, dwarf, &function, address);
	lua_setfield(L, -2, "parameters");
	lua_createtable(L, 0, 2);
	set_type_of(L, dwarf, "type", &function);
	lua_setfield(L, -2, "returns");
	lua_pushstring(L, convention_of(&unit));
	lua_setfield(L, -2, "convention");
	set_true(L, "changed", is_changed(&function));
	return 1;
}

void dwarf_register(lua_State *L)
{
	static const luaL_Reg methods[] = {
		{ "prototype", l_prototype },
		{ "type", l_type },
		{ NULL, NULL },
	};

	handle_class(L, CLASS, methods);
	if (luaL_newmetatable(L, CONTENT)) {
		lua_pushcfunction(L, l_content_gc);
		lua_setfield(L, -2, "__gc");
	}
	lua_pop(L, 1);
}
