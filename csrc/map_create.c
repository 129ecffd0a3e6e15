/* map_create: maps that no object declares: made on their own, as an inner map, or opened from a pin. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "integer.h"
#include "log.h"
#include "map.h"

static __u32 check_u32_field(lua_State *L, int arg, const char *key)
{
	int64_t value = -1;

	lua_getfield(L, arg, key);
	if (integer_read(L, -1, &value) || value < 0 || value > UINT32_MAX)
		luaL_argerror(L, arg,
			      lua_pushfstring(L, "%s: expected an integer from 0 to 2^32-1", key));
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
	return luaL_argerror(L, arg,
			     lua_pushfstring(L, "type: no map type '%s'", wanted ? wanted : "nil"));
}

/* Creates what the map on the top of the stack describes. */
static int create(lua_State *L, struct map *map, const char *name,
		  struct bpf_map_create_opts *options)
{
	map_set_fields(L, map, name);
	options->map_flags = map->shape.flags;
	crumb_log_reset();
	map->fd = bpf_map_create(map->shape.type, name, map->shape.key_size, map->shape.value_size,
				 map->shape.max_entries, options);
	if (map->fd < 0)
		return handle_fail_log(L, errno, "create map %s", name);
	return 1;
}

/* The size of a ring buffer as the kernel takes it, as libbpf rounds it up for objects. */
static __u32 ring_size(__u32 wanted)
{
	__u64 size = (__u64)sysconf(_SC_PAGESIZE);

	while (size < wanted)
		size *= 2;
	return size <= UINT32_MAX ? (__u32)size : wanted;
}

/* core.map{ type, name, key_size, value_size, max_entries, flags, inner } -> Map | nil, message, errno */
int l_map_create(lua_State *L)
{
	LIBBPF_OPTS(bpf_map_create_opts, options);
	struct map *map;
	const char *name;
	int inner = 0;

	luaL_checktype(L, 1, LUA_TTABLE);
	lua_settop(L, 1);
	if (lua_getfield(L, 1, "inner") != LUA_TNIL)
		inner = lua_gettop(L);
	lua_getfield(L, 1, "name");
	name = handle_check_text(L, -1);
	map = map_new(L, 0);
	map->shape.flags = check_u32_field(L, 1, "flags");
	map->shape.type = check_type(L, 1);
	map->shape.key_size = check_u32_field(L, 1, "key_size");
	map->shape.value_size = check_u32_field(L, 1, "value_size");
	map->shape.max_entries = check_u32_field(L, 1, "max_entries");
	if (map->shape.type == BPF_MAP_TYPE_RINGBUF)
		map->shape.max_entries = ring_size(map->shape.max_entries);
	if (inner)
		options.inner_map_fd = (__u32)map_fd(L, inner);
	return create(L, map, name, &options);
}

/* Takes what the table at `arg` says of a new inner map; whether its elements are raw bytes. */
static bool check_inner(lua_State *L, int arg, struct map_shape *shape)
{
	bool raw;

	luaL_checktype(L, arg, LUA_TTABLE);
	for (lua_pushnil(L); lua_next(L, arg); lua_pop(L, 1)) {
		const char *name = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "";

		if (strcmp(name, "max_entries") && strcmp(name, "raw"))
			luaL_argerror(L, arg, "an inner map's options are max_entries and raw");
	}
	if (lua_getfield(L, arg, "max_entries") != LUA_TNIL) {
		shape->max_entries = check_u32_field(L, arg, "max_entries");
		if (shape->type == BPF_MAP_TYPE_RINGBUF)
			shape->max_entries = ring_size(shape->max_entries);
	}
	lua_getfield(L, arg, "raw");
	raw = lua_toboolean(L, -1);
	lua_pop(L, 2);
	return raw;
}

/*
 * map:create_inner([{ max_entries = n, raw = boolean }]) -> Map: a new map of the kind that this
 * map of maps declares for its inner ones.  The kernel takes other sizes than the declared one, but
 * of arrays.  raw: keys and values are bytes, whatever their types.
 */
static int l_map_create_inner(lua_State *L)
{
	LIBBPF_OPTS(bpf_map_create_opts, options);
	struct map *outer = handle_check(L, 1, MAP), *map;
	struct map_shape shape = outer->inner;
	struct object *object;
	bool raw;

	if (!outer->inner.type)
		return luaL_error(L, "map %s declares no inner map", map_name(L, 1));
	raw = !lua_isnoneornil(L, 2) && check_inner(L, 2, &shape);
	map = map_new(L, 0);
	map_keep_types(L, map, 1);
	map->shape = shape;
	map_fd(L, 1);
	lua_getiuservalue(L, 1, HANDLE_OWNER);
	object = handle_check(L, -1, OBJECT);
	lua_pop(L, 1);
	/* With the same BTF as libbpf gave the first one: 6.1 takes no map without it for its equal. */
	if (map->shape.value_type && bpf_object__btf_fd(object->bpf) >= 0) {
		options.btf_fd = (__u32)bpf_object__btf_fd(object->bpf);
		options.btf_key_type_id = map->shape.key_type;
		options.btf_value_type_id = map->shape.value_type;
	}
	if (raw) {
		map->shape.key_type = map->shape.value_type = 0;
		map->btf = NULL;
	}
	return create(L, map, "inner", &options);
}

/* What is pinned may be a program or a link, and the kernel answers the same question for all. */
static bool is_map(int fd)
{
	static const char map[] = "anon_inode:bpf-map";
	char link[64] = "", path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return readlink(path, link, sizeof(link) - 1) > 0 && !strcmp(link, map);
}

/* core.pinned_map(path) -> Map | nil, message, errno.  Without BTF: raw keys and values. */
int l_map_open_pin(lua_State *L)
{
	const char *path = handle_check_text(L, 1);
	struct map *map = map_new(L, 0);
	struct bpf_map_info info;
	__u32 size = sizeof(info);

	map->fd = bpf_obj_get(path);
	if (map->fd < 0)
		return handle_fail(L, errno, "open pinned map %s", path);
	if (!is_map(map->fd))
		return handle_fail(L, EINVAL, "open pinned map %s: it is no map", path);
	memset(&info, 0, sizeof(info));
	if (bpf_map_get_info_by_fd(map->fd, &info, &size))
		return handle_fail(L, errno, "read pinned map %s", path);
	map->shape.type = info.type;
	map->shape.key_size = info.key_size;
	map->shape.value_size = info.value_size;
	map->shape.max_entries = info.max_entries;
	info.name[sizeof(info.name) - 1] = 0;
	map_set_fields(L, map, info.name);
	return 1;
}

const luaL_Reg map_create_methods[] = {
	{ "create_inner", l_map_create_inner },
	{ NULL, NULL },
};
