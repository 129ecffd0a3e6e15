/*
 * global: the global variables of an object, by name.
 *
 * They are members of the maps that libbpf makes of .data, .bss and .rodata.  The same memory
 * serves before the load (its first content) and after it (the map itself, shared).
 */
#include <errno.h>
#include <string.h>

#include "codec.h"
#include "core.h"

struct variable {
	const char *section; /* the name of its map: "filter.rodata" */
	__u32 type;
	void *memory;
	size_t size;
	bool constant;
};

static bool find_in(const struct btf *btf, struct bpf_map *map, const char *name,
		    struct variable *out)
{
	const struct btf_type *section = btf__type_by_id(btf, bpf_map__btf_value_type_id(map));
	size_t room;
	char *memory = bpf_map__initial_value(map, &room);

	if (!section || !btf_is_datasec(section) || !memory)
		return false;
	for (int i = 0; i < btf_vlen(section); i++) {
		const struct btf_var_secinfo *place = &btf_var_secinfos(section)[i];
		const struct btf_type *variable = btf__type_by_id(btf, place->type);
		const char *found;

		if (!variable || !btf_is_var(variable))
			continue;
		found = btf__name_by_offset(btf, variable->name_off);
		if (!found || strcmp(found, name) || place->offset > room ||
		    place->size > room - place->offset)
			continue;
		out->section = bpf_map__name(map);
		out->type = variable->type;
		out->memory = memory + place->offset;
		out->size = place->size;
		out->constant = strstr(out->section, ".rodata") != NULL;
		return true;
	}
	return false;
}

static bool find(struct object *object, const char *name, struct variable *out)
{
	const struct btf *btf = bpf_object__btf(object->bpf);
	struct bpf_map *map;

	if (!btf)
		return false;
	bpf_object__for_each_map(map, object->bpf)
		if (bpf_map__is_internal(map) && find_in(btf, map, name, out))
			return true;
	return false;
}

/* object:get_global(name) -> true, value | false: no such global */
static int l_get_global(lua_State *L)
{
	struct object *object = handle_check(L, 1, OBJECT);
	struct variable variable;

	lua_pushboolean(L, 0);
	if (!find(object, luaL_checkstring(L, 2), &variable))
		return 1;
	lua_pushboolean(L, 1);
	codec_push(L, bpf_object__btf(object->bpf), variable.type, variable.memory,
		   variable.size);
	return 2;
}

/* Programs may be reading it: what fits a register is written in one piece. */
static void store(void *memory, const void *value, size_t size)
{
	if (size == sizeof(__u64) && (uintptr_t)memory % size == 0)
		__atomic_store_n((__u64 *)memory, *(const __u64 *)value, __ATOMIC_RELEASE);
	else if (size == sizeof(__u32) && (uintptr_t)memory % size == 0)
		__atomic_store_n((__u32 *)memory, *(const __u32 *)value, __ATOMIC_RELEASE);
	else
		memcpy(memory, value, size);
}

/* object:set_global(name, value) -> true | false: no such global */
static int l_set_global(lua_State *L)
{
	struct object *object = handle_check(L, 1, OBJECT);
	const char *name = luaL_checkstring(L, 2);
	struct variable variable;
	void *value;

	luaL_checkany(L, 3);
	if (!find(object, name, &variable)) {
		lua_pushboolean(L, 0);
		return 1;
	}
	if (variable.constant && object->loaded)
		return luaL_error(L, "global %s is constant (%s): set it before object:load()", name,
				  variable.section);
	value = lua_newuserdatauv(L, variable.size + 1, 0);
	codec_read(L, 3, bpf_object__btf(object->bpf), variable.type, value, variable.size, name);
	store(variable.memory, value, variable.size);
	lua_pushboolean(L, 1);
	return 1;
}

static void append_names(lua_State *L, const struct btf *btf, struct bpf_map *map)
{
	const struct btf_type *section = btf__type_by_id(btf, bpf_map__btf_value_type_id(map));

	if (!section || !btf_is_datasec(section))
		return;
	for (int i = 0; i < btf_vlen(section); i++) {
		const struct btf_type *variable =
			btf__type_by_id(btf, btf_var_secinfos(section)[i].type);

		if (!variable || !btf_is_var(variable))
			continue;
		lua_pushstring(L, btf__name_by_offset(btf, variable->name_off));
		lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
	}
}

/* object:global_names() -> list */
static int l_global_names(lua_State *L)
{
	struct object *object = handle_check(L, 1, OBJECT);
	const struct btf *btf = bpf_object__btf(object->bpf);
	struct bpf_map *map;

	lua_newtable(L);
	if (!btf)
		return 1;
	bpf_object__for_each_map(map, object->bpf)
		if (bpf_map__is_internal(map))
			append_names(L, btf, map);
	return 1;
}

const luaL_Reg global_methods[] = {
	{ "get_global", l_get_global },
	{ "global_names", l_global_names },
	{ "set_global", l_set_global },
	{ NULL, NULL },
};
