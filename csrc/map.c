/*
 * map: one BPF map, element by element; map_batch.c does many at a time.
 *
 * nil alone from a lookup means "no such key".  How keys and values become bytes is map_value.c's.
 */
#include "map.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static int map_release(struct handle *handle)
{
	struct map *map = (struct map *)handle;

	if (!map->bpf && map->fd >= 0)
		close(map->fd);
	map->fd = -1;
	return 0;
}

void map_set_fields(lua_State *L, const struct map *map, const char *name)
{
	const char *type = libbpf_bpf_map_type_str(map->shape.type);

	lua_pushstring(L, name);
	handle_set_field(L, -2, "name");
	lua_pushstring(L, type ? type : "unknown");
	handle_set_field(L, -2, "type");
	lua_pushinteger(L, map->shape.key_size);
	handle_set_field(L, -2, "key_size");
	lua_pushinteger(L, map->shape.value_size);
	handle_set_field(L, -2, "value_size");
	lua_pushinteger(L, map->shape.max_entries);
	handle_set_field(L, -2, "max_entries");
}

struct map *map_new(lua_State *L, int owner)
{
	struct map *map = handle_new(L, MAP, sizeof(*map), owner);

	map->fd = -1;
	map->handle.release = map_release;
	return map;
}

/* The id of a type whose values the codec knows, or 0. */
static __u32 value_type(const struct btf *btf, __u32 id)
{
	const struct btf_type *type = btf && id ? btf__type_by_id(btf, id) : NULL;

	return type && !btf_is_datasec(type) ? id : 0;
}

static struct map_shape shape_of(const struct bpf_map *bpf, const struct btf *btf)
{
	return (struct map_shape){
		.type = bpf_map__type(bpf),
		.key_size = bpf_map__key_size(bpf),
		.value_size = bpf_map__value_size(bpf),
		.max_entries = bpf_map__max_entries(bpf),
		.flags = bpf_map__map_flags(bpf),
		.key_type = value_type(btf, bpf_map__btf_key_type_id(bpf)),
		.value_type = value_type(btf, bpf_map__btf_value_type_id(bpf)),
	};
}

void map_keep_types(lua_State *L, struct map *map, int keeper)
{
	const struct types *types;

	lua_getiuservalue(L, keeper, HANDLE_KEPT);
	types = lua_touserdata(L, -1);
	lua_setiuservalue(L, -2, HANDLE_KEPT);
	map->btf = types->btf;
}

void map_push(lua_State *L, int owner, struct bpf_map *bpf)
{
	struct map *map = map_new(L, owner);

	map->bpf = bpf;
	map_keep_types(L, map, owner);
	map->shape = shape_of(bpf, map->btf);
	if (bpf_map__inner_map(bpf))
		map->inner = shape_of(bpf_map__inner_map(bpf), map->btf);
	map_set_fields(L, map, bpf_map__name(bpf));
	handle_own(L, -1, RANK_PART);
}

int map_fd(lua_State *L, int index)
{
	struct map *map = handle_check(L, index, MAP);
	int fd = map->bpf ? bpf_map__fd(map->bpf) : map->fd;

	if (fd < 0)
		luaL_error(L, "map %s is not there yet: call object:load() first",
			   map_name(L, index));
	return fd;
}

int map_elements_fd(lua_State *L, int index)
{
	const struct map *map = handle_check(L, index, MAP);

	if (map->shape.type == BPF_MAP_TYPE_RINGBUF || map->shape.type == BPF_MAP_TYPE_USER_RINGBUF)
		luaL_error(L, "map %s is a %s: it has no elements; read it with object:ring",
			   map_name(L, index), libbpf_bpf_map_type_str(map->shape.type));
	return map_fd(L, index);
}

const char *map_name(lua_State *L, int index)
{
	lua_getiuservalue(L, index, HANDLE_FIELDS);
	lua_getfield(L, -1, "name");
	lua_replace(L, -2);
	return lua_tostring(L, -1);
}

/* What an errno of the map's means, where strerror would mislead; or NULL. */
static const char *explain(lua_State *L, const struct map *map, int err)
{
	switch (err) {
	case -E2BIG:
	case -ENOSPC:
		return lua_pushfstring(L,
				       map_is_array(map)
					       ? "the key is out of range: it has %I elements"
					       : "it is full: it has room for %I elements",
				       (LUAI_UACINT)map->shape.max_entries);
	case -EEXIST:
		return "the key is there already";
	case -ENOENT:
		return "there is no such key";
	default:
		return NULL;
	}
}

int map_fail(lua_State *L, int err, const char *what)
{
	const char *name = map_name(L, 1);
	const char *reason = explain(L, lua_touserdata(L, 1), err);

	if (!reason)
		return handle_fail(L, err, "%s map %s", what, name);
	lua_pushnil(L);
	lua_pushfstring(L, "%s map %s: %s", what, name, reason);
	lua_pushinteger(L, -err);
	return 3;
}

/* Room for a key, and the key at `index` in it; NULL for a map without keys. */
static char *check_key(lua_State *L, int index, const struct map *map)
{
	char *key = lua_newuserdatauv(L, (size_t)map->shape.key_size + 1, 0);

	map_encode_key(L, index, map, key);
	return map->shape.key_size ? key : NULL;
}

/* lookup and lookup_and_delete: the key at 2. */
static int lookup(lua_State *L, bool take)
{
	struct map *map = handle_check(L, 1, MAP);
	size_t bytes = map_value_bytes(L, map);
	char *key, *value;
	int fd, err;

	map_elements_fd(L, 1);
	lua_settop(L, 2);
	key = check_key(L, 2, map);
	value = lua_newuserdatauv(L, bytes + 1, 0);
	memset(value, 0, bytes + 1);
	fd = map_fd(L, 1);
	err = take ? bpf_map_lookup_and_delete_elem(fd, key, value)
		   : bpf_map_lookup_elem(fd, key, value);
	if (err == -ENOENT) {
		lua_pushnil(L);
		return 1;
	}
	if (err)
		return map_fail(L, err, "look up in");
	map_push_value(L, map, value, bytes);
	return 1;
}

/* map:lookup(key) -> value | nil | nil, message, errno */
static int l_map_lookup(lua_State *L)
{
	return lookup(L, false);
}

/* map:lookup_and_delete(key) -> value | nil | nil, message, errno */
static int l_map_lookup_and_delete(lua_State *L)
{
	return lookup(L, true);
}

__u64 map_check_flags(lua_State *L, int arg)
{
	static const char *const names[] = { "any", "noexist", "exist", NULL };

	return (__u64)luaL_checkoption(L, arg, "any", names); /* BPF_ANY, BPF_NOEXIST, BPF_EXIST */
}

/* map:update(key, value [, "any" | "noexist" | "exist"]) -> true | nil, message, errno */
static int l_map_update(lua_State *L)
{
	struct map *map = handle_check(L, 1, MAP);
	size_t bytes = map_value_bytes(L, map);
	__u64 flags = map_check_flags(L, 4);
	char *key, *value;
	int err;

	map_elements_fd(L, 1);
	luaL_checkany(L, 3);
	lua_settop(L, 3);
	key = check_key(L, 2, map);
	value = lua_newuserdatauv(L, bytes + 1, 0);
	map_encode_value(L, 3, map, value, bytes);
	err = bpf_map_update_elem(map_fd(L, 1), key, value, flags);
	if (err)
		return map_fail(L, err, "update");
	lua_pushboolean(L, 1);
	return 1;
}

/* map:delete(key) -> true | false: no such key | nil, message, errno */
static int l_map_delete(lua_State *L)
{
	struct map *map = handle_check(L, 1, MAP);
	char *key;
	int err;

	map_elements_fd(L, 1);
	lua_settop(L, 2);
	key = check_key(L, 2, map);
	if (!key)
		return luaL_error(L, "a %s has no keys: take its elements with pop",
				  libbpf_bpf_map_type_str(map->shape.type));
	err = bpf_map_delete_elem(map_fd(L, 1), key);
	if (err && err != -ENOENT)
		return map_fail(L, err, "delete from");
	lua_pushboolean(L, !err);
	return 1;
}

static int l_map_fd(lua_State *L)
{
	lua_pushinteger(L, map_fd(L, 1));
	return 1;
}

/* map:pin(path) -> true | nil, message, errno */
static int l_map_pin(lua_State *L)
{
	const char *path = handle_check_text(L, 2);
	int err = bpf_obj_pin(map_fd(L, 1), path);

	if (err)
		return handle_fail(L, err, "pin map %s at %s", map_name(L, 1), path);
	lua_pushboolean(L, 1);
	return 1;
}

/* map:set_max_entries(n), before its object is loaded */
static int l_map_set_max_entries(lua_State *L)
{
	struct map *map = handle_check(L, 1, MAP);
	lua_Integer entries = luaL_checkinteger(L, 2);
	int err;

	luaL_argcheck(L, entries > 0 && entries <= UINT32_MAX, 2, "out of range");
	if (!map->bpf || bpf_map__fd(map->bpf) >= 0)
		return luaL_error(L, "map %s exists already: set its size before object:load()",
				  map_name(L, 1));
	err = bpf_map__set_max_entries(map->bpf, (__u32)entries);
	if (err)
		return handle_fail(L, err, "set the size of map %s", map_name(L, 1));
	map->shape.max_entries = bpf_map__max_entries(map->bpf);
	lua_pushinteger(L, map->shape.max_entries);
	handle_set_field(L, 1, "max_entries");
	lua_settop(L, 1);
	return 1;
}

/* What the map at 1 takes from the one at 2, or raises. */
static void check_same(lua_State *L, const struct map *map, const struct map *other)
{
	if (!map->bpf || bpf_map__fd(map->bpf) >= 0)
		luaL_error(L, "map %s exists already: share before object:load()", map_name(L, 1));
	if (map->shape.type != other->shape.type || map->shape.key_size != other->shape.key_size ||
	    map->shape.value_size != other->shape.value_size ||
	    map->shape.flags != other->shape.flags)
		luaL_error(L, "map %s cannot be map %s: type, sizes or flags differ",
			   map_name(L, 1), map_name(L, 2));
}

/*
 * map:share(other) -> the map | nil, message, errno.  Before its object is loaded: from now on it
 * is the other one.  Of global variables the script's view is the other's too.
 */
static int l_map_share(lua_State *L)
{
	struct map *map = handle_check(L, 1, MAP);
	const struct map *other = handle_check(L, 2, MAP);
	int err;

	lua_settop(L, 2);
	check_same(L, map, other);
	lua_pushinteger(L, other->shape.max_entries);
	handle_set_field(L, 1, "max_entries");
	map->shape.max_entries = other->shape.max_entries;
	err = bpf_map__reuse_fd(map->bpf, map_fd(L, 2));
	if (!err && bpf_map__is_internal(map->bpf))
		err = crumb_share_globals(map->bpf);
	if (err)
		return handle_fail(L, err, "share map %s", map_name(L, 2));
	lua_settop(L, 1);
	return 1;
}

void map_register(lua_State *L)
{
	static const luaL_Reg methods[] = {
		{ "delete", l_map_delete },
		{ "fd", l_map_fd },
		{ "lookup", l_map_lookup },
		{ "lookup_and_delete", l_map_lookup_and_delete },
		{ "pin", l_map_pin },
		{ "set_max_entries", l_map_set_max_entries },
		{ "share", l_map_share },
		{ "update", l_map_update },
		{ NULL, NULL },
	};

	handle_class(L, MAP, methods);
	lua_pushcfunction(L, l_handle_methods);
	lua_pushstring(L, MAP);
	lua_call(L, 1, 1);
	luaL_setfuncs(L, map_batch_methods, 0);
	luaL_setfuncs(L, map_create_methods, 0);
	lua_pop(L, 1);
}
