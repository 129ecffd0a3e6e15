/*
 * global: the global variables of an object, by name.
 *
 * They are members of the maps that libbpf makes of .data, .bss and .rodata.  The same memory
 * serves while there is no map (its first content) and afterwards (the map itself).
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "codec.h"
#include "core.h"

struct variable {
	struct bpf_map *map;
	__u32 type, offset;
	size_t size;
	char *memory;
};

static bool find_in(const struct btf *btf, struct bpf_map *map, const char *name,
		    struct variable *out)
{
	const struct btf_type *section = btf__type_by_id(btf, bpf_map__btf_value_type_id(map));
	size_t room = bpf_map__value_size(map), unused;
	char *memory = bpf_map__initial_value(map, &unused);

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
		*out = (struct variable){
			.map = map,
			.type = variable->type,
			.offset = place->offset,
			.size = place->size,
			.memory = memory + place->offset,
		};
		return true;
	}
	return false;
}

static bool find(struct object *object, const char *name, struct variable *out)
{
	struct bpf_map *map;

	if (!object->types->btf)
		return false;
	bpf_object__for_each_map (map, object->bpf)
		if (bpf_map__is_internal(map) && find_in(object->types->btf, map, name, out))
			return true;
	return false;
}

int crumb_share_globals(struct bpf_map *map)
{
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);
	int protection = PROT_READ;
	size_t size;
	void *memory = bpf_map__initial_value(map, &size);

	if (!memory || !(bpf_map__map_flags(map) & BPF_F_MMAPABLE))
		return 0;
	if (!(bpf_map__map_flags(map) & BPF_F_RDONLY_PROG))
		protection |= PROT_WRITE;
	size = (bpf_map__value_size(map) + page - 1) / page * page;
	if (mmap(memory, size, protection, MAP_SHARED | MAP_FIXED, bpf_map__fd(map), 0) == memory)
		return 0;
	return errno;
}

/* Whether the map is there: by its object's load, or as another's. */
static bool exists(const struct variable *variable)
{
	return bpf_map__fd(variable->map) >= 0;
}

/* Whether its memory is the map's: not so where a section has only static variables. */
static bool is_shared(const struct variable *variable)
{
	return !exists(variable) || (bpf_map__map_flags(variable->map) & BPF_F_MMAPABLE);
}

/* object:get_global(name) -> true, value | false: no such global */
static int l_get_global(lua_State *L)
{
	struct object *object = handle_check(L, 1, OBJECT);
	const char *name = handle_check_text(L, 2);
	const struct types *types = object->types;
	struct variable variable;
	const __u32 first = 0;
	size_t room;
	char *copy;

	if (!find(object, name, &variable)) {
		lua_pushboolean(L, 0);
		return 1;
	}
	room = bpf_map__value_size(variable.map);
	copy = lua_newuserdatauv(L, room + 1, 0);
	handle_check(L, 1, OBJECT); /* as it was, and so is what was found */
	if (is_shared(&variable))
		memcpy(copy + variable.offset, variable.memory, variable.size);
	else if (bpf_map_lookup_elem(bpf_map__fd(variable.map), &first, copy))
		return luaL_error(L, "read global %s: %s", name, strerror(errno));
	lua_pushboolean(L, 1);
	codec_push(L, types->btf, variable.type, copy + variable.offset, variable.size);
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
	const char *name = handle_check_text(L, 2);
	struct variable variable;
	void *value;

	luaL_checkany(L, 3);
	if (!find(object, name, &variable)) {
		lua_pushboolean(L, 0);
		return 1;
	}
	value = lua_newuserdatauv(L, variable.size + 1, 0);
	codec_read(L, 3, object->types->btf, variable.type, value, variable.size, name);
	handle_check(L, 1, OBJECT);
	if (exists(&variable) && (bpf_map__map_flags(variable.map) & BPF_F_RDONLY_PROG))
		return luaL_error(L, "global %s is constant (%s): set it before object:load()",
				  name, bpf_map__name(variable.map));
	if (!is_shared(&variable))
		return luaL_error(L,
				  "global %s is in a section of static variables only (%s): "
				  "set it before object:load(), or make one of them global",
				  name, bpf_map__name(variable.map));
	store(variable.memory, value, variable.size);
	lua_pushboolean(L, 1);
	return 1;
}

static void append_names(lua_State *L, const struct btf *btf, __u32 id)
{
	const struct btf_type *section = btf__type_by_id(btf, id);

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
	const struct types *types = object->types;
	struct bpf_map *map;
	size_t count = 0;
	__u32 *sections;

	if (types->btf)
		bpf_object__for_each_map (map, object->bpf)
			count++;
	sections = lua_newuserdatauv(L, (count + 1) * sizeof(*sections), 0);
	handle_check(L, 1, OBJECT);
	count = 0;
	if (types->btf)
		bpf_object__for_each_map (map, object->bpf)
			if (bpf_map__is_internal(map))
				sections[count++] = bpf_map__btf_value_type_id(map);
	lua_newtable(L);
	for (size_t i = 0; i < count; i++)
		append_names(L, types->btf, sections[i]);
	return 1;
}

const luaL_Reg global_methods[] = {
	{ "get_global", l_get_global },
	{ "global_names", l_global_names },
	{ "set_global", l_set_global },
	{ NULL, NULL },
};
