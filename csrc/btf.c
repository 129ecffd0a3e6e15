/*
 * btf: the userdata class crumb.Btf: the types of a file or of the kernel, for scripts.
 *
 * It opens BTF and names types; what a type is in Lua is codec's.
 */
#include <bpf/btf.h>
#include <errno.h>
#include <lauxlib.h>
#include <string.h>

#include "btf_file.h"
#include "codec.h"
#include "codec_type.h"
#include "core.h"
#include "file.h"
#include "log.h"
#include "prototype.h"

#define CLASS "crumb.Btf"
#define VALUE_BYTES (1 << 28) /* no value that a script encodes is larger */

struct btf_handle {
	struct handle handle;
	const struct types *types; /* kept: they outlive a close in the middle of a method */
};

static int btf_release(struct handle *handle)
{
	(void)handle;
	return 0;
}

static int fail_open(lua_State *L, int err, const char *name, const char *reason)
{
	const char *log = crumb_log_text();

	if (*reason)
		log = "";
	else if (err == -ENODATA)
		reason = "it has no section .BTF; compile it with -g";
	else if (err == -ENOEXEC)
		reason = "it is no ELF file and no BTF";
	else if (err == -EPROTO)
		reason = "it is for a big-endian machine";
	else
		reason = crumb_log_errno(-err);
	lua_pushnil(L);
	lua_pushfstring(L, *log ? "read the BTF of %s: %s (%s)" : "read the BTF of %s: %s", name,
			reason, log);
	lua_pushinteger(L, -err);
	return 3;
}

/* Checks { bytes = s, name = s }; leaves both on the stack, and returns their place. */
static int check_options(lua_State *L, int arg)
{
	for (lua_pushnil(L); lua_next(L, arg); lua_pop(L, 1)) {
		const char *key = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "";

		if (strcmp(key, "bytes") && strcmp(key, "name"))
			luaL_argerror(L, arg, "the options are bytes and name");
		if (lua_type(L, -1) != LUA_TSTRING)
			luaL_argerror(L, arg, lua_pushfstring(L, "%s is a string", key));
	}
	lua_getfield(L, arg, "bytes");
	if (lua_isnil(L, -1))
		luaL_argerror(L, arg, "bytes is missing");
	lua_getfield(L, arg, "name");
	if (lua_isnil(L, -1)) {
		lua_pushliteral(L, "the bytes");
		lua_replace(L, -2);
	}
	return lua_gettop(L) - 1;
}

/* core.btf(path | { bytes = s, name = s }) -> crumb.Btf | nil, message, errno; (): the kernel's */
int l_btf_open(lua_State *L)
{
	bool kernel = lua_isnone(L, 1);
	const char *name = "the kernel", *bytes = NULL;
	char reason[FILE_REASON] = "";
	struct btf_handle *handle;
	struct types *types;
	size_t size = 0;
	int err;

	if (!kernel && lua_istable(L, 1)) {
		int at = check_options(L, 1);

		bytes = lua_tolstring(L, at, &size);
		name = lua_tostring(L, at + 1);
	} else if (!kernel) {
		luaL_argexpected(L, lua_type(L, 1) == LUA_TSTRING, 1, "path or table");
		name = lua_tostring(L, 1);
		luaL_argcheck(L, strlen(name) == lua_rawlen(L, 1), 1, "a NUL in the path");
	}
	types = types_push(L);
	handle = handle_new(L, CLASS, sizeof(*handle), 0);
	handle->types = types;
	lua_insert(L, -2);
	lua_setiuservalue(L, -2, HANDLE_KEPT);
	crumb_log_reset();
	if (kernel) {
		types->btf = btf__load_vmlinux_btf();
		err = types->btf ? 0 : -errno;
	} else {
		err = bytes ? crumb_btf_from_bytes(bytes, size, &types->btf)
			    : crumb_btf_from_file(name, &types->btf, reason);
	}
	if (err)
		return fail_open(L, err, name, reason);
	handle->handle.release = btf_release;
	return 1;
}

/* The types, which stay as long as the handle is on the stack, at 1. */
static const struct btf *check_btf(lua_State *L)
{
	return ((struct btf_handle *)handle_check(L, 1, CLASS))->types->btf;
}

/* The type at argument 2, a name or an id; 0 and what to return when there is none. */
static uint32_t check_type(lua_State *L, const struct btf *btf)
{
	struct nearest nearest;
	const char *name;
	int32_t id;

	if (lua_isinteger(L, 2)) {
		lua_Integer number = lua_tointeger(L, 2);

		luaL_argcheck(L, number > 0 && number < btf__type_cnt(btf), 2, "no such type id");
		return (uint32_t)number;
	}
	luaL_argexpected(L, lua_type(L, 2) == LUA_TSTRING, 2, "a type's name or id");
	name = lua_tostring(L, 2);
	id = type_find(btf, name, NULL);
	if (id > 0)
		return (uint32_t)id;
	type_find(btf, name, &nearest);
	lua_pushnil(L);
	lua_pushfstring(L, "no type '%s'%s", name, nearest_push(L, &nearest));
	lua_remove(L, -2);
	lua_pushinteger(L, ENOENT);
	return 0;
}

/* Raises for a type that has no bytes. */
static size_t check_size(lua_State *L, const struct btf *btf, uint32_t id)
{
	int64_t size = crumb_type_size(btf, id);
	char name[TYPE_NAME_BYTES];

	if (size < 0)
		luaL_argerror(L, 2, lua_pushfstring(L, "%s has no size", type_name(btf, id, name)));
	return (size_t)size;
}

/* btf:encode(type, value [, size]) -> bytes */
static int l_encode(lua_State *L)
{
	const struct btf *btf = check_btf(L);
	uint32_t id = check_type(L, btf);
	lua_Integer size;
	luaL_Buffer buffer;
	char *out;

	if (!id)
		return 3;
	luaL_checkany(L, 3);
	if (lua_isnoneornil(L, 4))
		size = (lua_Integer)check_size(L, btf, id);
	else
		size = luaL_checkinteger(L, 4);
	luaL_argcheck(L, size >= 0 && size <= VALUE_BYTES, lua_isnoneornil(L, 4) ? 2 : 4,
		      "too large a value");
	lua_settop(L, 4);
	out = luaL_buffinitsize(L, &buffer, (size_t)size);
	codec_read(L, 3, btf, id, out, (size_t)size, "value");
	luaL_pushresultsize(&buffer, (size_t)size);
	return 1;
}

/* btf:decode(type, bytes [, path]) -> value */
static int l_decode(lua_State *L)
{
	const struct btf *btf = check_btf(L);
	uint32_t id = check_type(L, btf);
	const char *bytes, *path;
	struct field field;
	size_t size;

	if (!id)
		return 3;
	bytes = luaL_checklstring(L, 3, &size);
	path = luaL_optstring(L, 4, NULL);
	if (!path) {
		codec_push(L, btf, id, bytes, size);
		return 1;
	}
	if (!crumb_field(btf, id, path, &field)) {
		char name[TYPE_NAME_BYTES];

		return luaL_argerror(
			L, 4,
			lua_pushfstring(L, "no member '%s' in %s", path, type_name(btf, id, name)));
	}
	codec_push_field(L, btf, &field, bytes, size);
	return 1;
}

/* btf:size(type) -> bytes */
static int l_size(lua_State *L)
{
	const struct btf *btf = check_btf(L);
	uint32_t id = check_type(L, btf);

	if (!id)
		return 3;
	lua_pushinteger(L, (lua_Integer)check_size(L, btf, id));
	return 1;
}

static void set_integer(lua_State *L, const char *key, lua_Integer value)
{
	lua_pushinteger(L, value);
	lua_setfield(L, -2, key);
}

static void set_type(lua_State *L, const struct btf *btf, const char *key, uint32_t id)
{
	char name[TYPE_NAME_BYTES];

	lua_pushstring(L, type_name(btf, id, name));
	lua_setfield(L, -2, key);
	set_integer(L, "id", id);
}

struct listing {
	lua_State *L;
	const struct btf *btf;
	struct budget budget;
	lua_Integer count;
};

/* Adds the members to the list at the top, anonymous ones as their parent's, like codec does. */
static void list_members(struct listing *listing, const struct slot *parent, int depth)
{
	lua_State *L = listing->L;
	unsigned int i;

	luaL_checkstack(L, 4, NULL);
	for (i = 0; i < btf_vlen(parent->type.t); i++) {
		const char *name = type_member_name(listing->btf, &parent->type, i);
		struct slot member;

		if (depth == TYPE_DEPTH || !budget_spend(&listing->budget, 1))
			luaL_error(L, "more members than its bytes can hold; is the BTF damaged?");
		if (slot_member(listing->btf, &parent->type, parent->open, i, &member))
			luaL_error(L, "member '%s' is not where it could be; is the BTF damaged?",
				   name);
		member.offset += parent->offset;
		if (!*name) {
			if (slot_holds_members(&member))
				list_members(listing, &member, depth + 1);
			continue;
		}
		lua_createtable(L, 0, 6);
		lua_pushstring(L, name);
		lua_setfield(L, -2, "name");
		set_type(L, listing->btf, "type", btf_members(parent->type.t)[i].type);
		set_integer(L, "offset", (lua_Integer)member.offset);
		if (member.bit_size) {
			set_integer(L, "bits", member.bit_size);
			set_integer(L, "bit_offset", member.bit_offset);
		}
		lua_rawseti(L, -2, ++listing->count);
	}
}

static void list_enumerators(lua_State *L, const struct btf *btf, const struct type *type)
{
	unsigned int i;

	for (i = 0; i < btf_vlen(type->t); i++) {
		const char *name;
		int64_t value = type_enumerator(btf, type, i, &name);

		lua_createtable(L, 0, 2);
		lua_pushstring(L, name);
		lua_setfield(L, -2, "name");
		set_integer(L, "value", value);
		lua_rawseti(L, -2, (lua_Integer)i + 1);
	}
}

static void describe_shape(lua_State *L, const struct btf *btf, const struct slot *slot)
{
	struct listing listing = { L, btf, budget_for(slot->type.size), 0 };
	const struct type *type = &slot->type;

	switch (type->shape) {
	case SHAPE_STRUCT:
	case SHAPE_UNION:
		lua_newtable(L);
		list_members(&listing, slot, 0);
		lua_setfield(L, -2, "members");
		break;
	case SHAPE_ENUM:
		lua_newtable(L);
		list_enumerators(L, btf, type);
		lua_setfield(L, -2, "values");
		break;
	case SHAPE_ARRAY:
		set_integer(L, "count", btf_array(type->t)->nelems);
		lua_newtable(L);
		set_type(L, btf, "name", btf_array(type->t)->type);
		lua_setfield(L, -2, "element");
		break;
	case SHAPE_POINTER:
		lua_newtable(L);
		set_type(L, btf, "name", type->t->type);
		lua_setfield(L, -2, "element");
		break;
	default:
		break;
	}
}

/* btf:type(type) -> { name, id, kind, size, members = {{ name, type, id, offset, bits }} } */
static int l_type(lua_State *L)
{
	static const char *const kinds[] = {
		[SHAPE_NONE] = "none",       [SHAPE_INT] = "int",     [SHAPE_BOOL] = "bool",
		[SHAPE_POINTER] = "pointer", [SHAPE_ENUM] = "enum",   [SHAPE_FLOAT] = "float",
		[SHAPE_RAW] = "raw",         [SHAPE_ARRAY] = "array", [SHAPE_STRUCT] = "struct",
		[SHAPE_UNION] = "union",
	};
	const struct btf *btf = check_btf(L);
	uint32_t id = check_type(L, btf);
	struct slot slot;

	if (!id)
		return 3;
	lua_settop(L, 2);
	lua_createtable(L, 0, 8);
	set_type(L, btf, "name", id);
	if (slot_at(btf, id, 0, 0, &slot)) {
		lua_getfield(L, -1, "name");
		return luaL_error(L, "%s cannot be read; is the BTF damaged?", lua_tostring(L, -1));
	}
	lua_pushstring(L, kinds[slot.type.shape]);
	lua_setfield(L, -2, "kind");
	if (slot.type.shape != SHAPE_NONE)
		set_integer(L, "size", (lua_Integer)slot.type.size);
	if (slot.type.shape == SHAPE_INT || slot.type.shape == SHAPE_ENUM) {
		lua_pushboolean(L, slot.type.is_signed);
		lua_setfield(L, -2, "signed");
	}
	slot.open = true;
	describe_shape(L, btf, &slot);
	return 1;
}

/* btf:prototype(name) -> { parameters = {{ name, type, id }}, returns = { type, id } } */
static int l_prototype(lua_State *L)
{
	const struct btf *btf = check_btf(L);
	const char *name = handle_check_text(L, 2);
	const struct btf_type *t = prototype_find(L, 1, btf, name);

	if (!t)
		return handle_fail(L, ENOENT, "no function '%s' in the BTF", name);
	lua_createtable(L, 0, 2);
	lua_createtable(L, btf_vlen(t), 0);
	for (unsigned int i = 0; i < btf_vlen(t); i++) {
		const struct btf_param *param = &btf_params(t)[i];

		lua_createtable(L, 0, 3);
		lua_pushstring(L, type_string(btf, param->name_off));
		lua_setfield(L, -2, "name");
		set_type(L, btf, "type", param->type);
		lua_rawseti(L, -2, (lua_Integer)i + 1);
	}
	lua_setfield(L, -2, "parameters");
	lua_createtable(L, 0, 2);
	set_type(L, btf, "type", t->type);
	lua_setfield(L, -2, "returns");
	return 1;
}

void btf_register(lua_State *L)
{
	static const luaL_Reg methods[] = {
		{ "encode", l_encode }, { "decode", l_decode },       { "size", l_size },
		{ "type", l_type },     { "prototype", l_prototype }, { NULL, NULL },
	};

	handle_class(L, CLASS, methods);
}
