/* map_create: maps that no object declares: made on their own, as an inner map, or opened from a pin. */
#include <errno.h>
#include <string.h>

#include "log.h"
#include "map.h"

static __u32 check_u32_field(lua_State *L, int arg, const char *key)
{
	lua_Integer value;

	lua_getfield(L, arg, key);
	if (!lua_isinteger(L, -1) || lua_tointeger(L, -1) < 0 || lua_tointeger(L, -1) > UINT32_MAX)
		luaL_argerror(L, arg, lua_pushfstring(L, "%s: expected an integer from 0 to 2^32-1",
						      key));
	value = lua_tointeger(L, -1);
	lua_pop(L, 1);
	return (__u32)value;
}

static enum bpf_map_type check_type(lua_State *L, int arg)
{
	const char *wanted, *name;

	lua_getfield(L, arg, "type");
	wanted = lua_tostring(L, -1);
	for (int type = 1; wanted && (name = libbpf_bpf_map_type_str(type)); type++) {
		if (!strcmp(name, wanted)) {
			lua_pop(L, 1);
			return type;
		}
	}
	return luaL_argerror(L, arg, lua_pushfstring(L, "type: no map type '%s'",
						     wanted ? wanted : "nil"));
}

/* Creates what the map on the top of the stack describes. */
static int create(lua_State *L, struct map *map, const char *name, __u32 flags)
{
	LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = flags);

	map_set_fields(L, map, name);
	crumb_log_reset();
	map->fd = bpf_map_create(map->type, name, map->key_size, map->value_size,
				 map->max_entries, &options);
	if (map->fd < 0)
		return handle_fail_log(L, errno, "create map %s", name);
	return 1;
}

/* core.map{ type =, name =, key_size =, value_size =, max_entries = } -> Map | nil, message, errno */
int l_map_create(lua_State *L)
{
	struct map *map;
	const char *name;

	luaL_checktype(L, 1, LUA_TTABLE);
	lua_getfield(L, 1, "name");
	name = luaL_optstring(L, -1, "crumb");
	map = map_new(L, 0);
	map->type = check_type(L, 1);
	map->key_size = check_u32_field(L, 1, "key_size");
	map->value_size = check_u32_field(L, 1, "value_size");
	map->max_entries = check_u32_field(L, 1, "max_entries");
	return create(L, map, name, 0);
}

/* map:create_inner() -> Map: a new map of the kind that this map of maps declares for its inner ones */
static int l_map_create_inner(lua_State *L)
{
	struct map *outer = handle_check(L, 1, MAP), *map;
	struct bpf_map *inner = outer->bpf ? bpf_map__inner_map(outer->bpf) : NULL;

	if (!inner)
		return luaL_error(L, "map %s declares no inner map", map_name(L, 1));
	lua_getiuservalue(L, 1, HANDLE_OWNER); /* its BTF is the object's: it closes with it */
	map = map_new(L, -1);
	handle_own(L, -1, RANK_PART);
	map->type = bpf_map__type(inner);
	map->key_size = bpf_map__key_size(inner);
	map->value_size = bpf_map__value_size(inner);
	map->max_entries = bpf_map__max_entries(inner);
	map->btf = outer->btf;
	map->key_type = map->btf ? bpf_map__btf_key_type_id(inner) : 0;
	map->value_type = map->btf ? bpf_map__btf_value_type_id(inner) : 0;
	return create(L, map, "inner", bpf_map__map_flags(inner));
}

/* core.pinned_map(path) -> Map | nil, message, errno.  Without BTF: raw keys and values. */
int l_map_open_pin(lua_State *L)
{
	const char *path = luaL_checkstring(L, 1);
	struct map *map = map_new(L, 0);
	struct bpf_map_info info;
	__u32 size = sizeof(info);

	map->fd = bpf_obj_get(path);
	if (map->fd < 0)
		return handle_fail(L, errno, "open pinned map %s", path);
	memset(&info, 0, sizeof(info));
	if (bpf_map_get_info_by_fd(map->fd, &info, &size))
		return handle_fail(L, errno, "read pinned map %s", path);
	map->type = info.type;
	map->key_size = info.key_size;
	map->value_size = info.value_size;
	map->max_entries = info.max_entries;
	info.name[sizeof(info.name) - 1] = 0;
	map_set_fields(L, map, info.name);
	return 1;
}

const luaL_Reg map_create_methods[] = {
	{ "create_inner", l_map_create_inner },
	{ NULL, NULL },
};
