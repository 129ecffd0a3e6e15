/*
 * map: one BPF map, element by element; map_batch.c does many at a time.
 *
 * Keys and values are written and read as the map's BTF says (codec.h), or as raw strings.
 * nil alone from a lookup means "no such key".
 */
#include "map.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "codec.h"
#include "integer.h"
#include "log.h"

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
	const char *type = libbpf_bpf_map_type_str(map->type);

	lua_pushstring(L, name);
	handle_set_field(L, -2, "name");
	lua_pushstring(L, type ? type : "unknown");
	handle_set_field(L, -2, "type");
	lua_pushinteger(L, map->key_size);
	handle_set_field(L, -2, "key_size");
	lua_pushinteger(L, map->value_size);
	handle_set_field(L, -2, "value_size");
	lua_pushinteger(L, map->max_entries);
	handle_set_field(L, -2, "max_entries");
}

struct map *map_new(lua_State *L, int owner)
{
	struct map *map = handle_new(L, MAP, sizeof(*map), owner);

	map->fd = -1;
	map->handle.release = map_release;
	return map;
}

void map_push(lua_State *L, int owner, struct bpf_map *bpf, const struct btf *btf)
{
	struct map *map = map_new(L, owner);

	map->bpf = bpf;
	map->btf = btf;
	map->type = bpf_map__type(bpf);
	map->key_size = bpf_map__key_size(bpf);
	map->value_size = bpf_map__value_size(bpf);
	map->max_entries = bpf_map__max_entries(bpf);
	map->key_type = btf ? bpf_map__btf_key_type_id(bpf) : 0;
	map->value_type = btf ? bpf_map__btf_value_type_id(bpf) : 0;
	map_set_fields(L, map, bpf_map__name(bpf));
	handle_own(L, -1, RANK_PART);
}

int map_fd(lua_State *L, struct map *map)
{
	int fd = map->bpf ? bpf_map__fd(map->bpf) : map->fd;

	if (fd < 0)
		luaL_error(L, "map %s is not there yet: call object:load() first",
			   bpf_map__name(map->bpf));
	return fd;
}

static bool is_per_cpu(const struct map *map)
{
	return map->type == BPF_MAP_TYPE_PERCPU_HASH || map->type == BPF_MAP_TYPE_PERCPU_ARRAY ||
	       map->type == BPF_MAP_TYPE_LRU_PERCPU_HASH;
}

static size_t cpu_stride(const struct map *map)
{
	return (map->value_size + 7) / 8 * 8;
}

/* Values that are descriptors: what is stored, and the class that is taken for it. */
static const char *descriptor_class(const struct map *map)
{
	switch (map->type) {
	case BPF_MAP_TYPE_PROG_ARRAY:
		return PROGRAM;
	case BPF_MAP_TYPE_ARRAY_OF_MAPS:
	case BPF_MAP_TYPE_HASH_OF_MAPS:
		return MAP;
	default:
		return NULL;
	}
}

size_t map_value_bytes(lua_State *L, const struct map *map)
{
	int cpus = is_per_cpu(map) ? libbpf_num_possible_cpus() : 1;

	if (cpus < 1)
		luaL_error(L, "the number of CPUs cannot be read");
	return is_per_cpu(map) ? cpu_stride(map) * (size_t)cpus : map->value_size;
}

/* Whether an integer can be stored in `size` bytes, signed or unsigned. */
static bool fits(int64_t integer, size_t size)
{
	int bits = (int)(8 * size);

	if (size >= sizeof(integer))
		return size == sizeof(integer);
	return integer >> bits == 0 || integer >> (bits - 1) == -1;
}

static void encode(lua_State *L, int index, const struct map *map, __u32 type, void *out,
		   size_t size, const char *what)
{
	size_t length;
	const char *bytes;
	int64_t integer;
	const char *reason;

	if (type) {
		codec_read(L, index, map->btf, type, out, size, what);
		return;
	}
	if (lua_type(L, index) == LUA_TSTRING) {
		bytes = lua_tolstring(L, index, &length);
		if (length != size)
			luaL_error(L, "%s: %d bytes were given, %d are needed", what, (int)length,
				   (int)size);
		memcpy(out, bytes, size);
		return;
	}
	reason = integer_read(L, index, &integer);
	if (reason)
		luaL_error(L, "%s: %s (or %d raw bytes: the map has no BTF)", what, reason,
			   (int)size);
	if (!fits(integer, size))
		luaL_error(L, "%s: %I does not fit %d bytes", what, (LUAI_UACINT)integer,
			   (int)size);
	memcpy(out, &integer, size);
}

void map_encode_key(lua_State *L, int index, const struct map *map, void *out)
{
	if (map->key_size)
		encode(L, index, map, map->key_type, out, map->key_size, "key");
	else if (!lua_isnoneornil(L, index))
		luaL_error(L, "key: a %s has none; pass nil", libbpf_bpf_map_type_str(map->type));
}

/* A list with a value for each CPU; what it leaves out is 0. */
static void encode_per_cpu(lua_State *L, int index, const struct map *map, char *out, size_t bytes)
{
	size_t cpus = bytes / cpu_stride(map);

	if (lua_type(L, index) != LUA_TTABLE || lua_rawlen(L, index) > cpus)
		luaL_error(L, "value: expected a list of up to %d values, one for each CPU",
			   (int)cpus);
	memset(out, 0, bytes);
	for (size_t i = 0; i < cpus; i++) {
		if (lua_rawgeti(L, index, (lua_Integer)i + 1) != LUA_TNIL)
			encode(L, lua_gettop(L), map, map->value_type, out + i * cpu_stride(map),
			       map->value_size, lua_pushfstring(L, "value[%d]", (int)i + 1));
		lua_settop(L, lua_gettop(L) - 1);
	}
}

static void encode_descriptor(lua_State *L, int index, const struct map *map, const char *class,
			      void *out)
{
	struct program *program = handle_test(L, index, PROGRAM);
	struct map *inner = handle_test(L, index, MAP);
	int fd = -1;

	if (program && !strcmp(class, PROGRAM))
		fd = bpf_program__fd(program->bpf);
	else if (inner && !strcmp(class, MAP))
		fd = map_fd(L, inner);
	else
		luaL_error(L, "value: a %s takes an open %s", libbpf_bpf_map_type_str(map->type),
			   class);
	if (fd < 0)
		luaL_error(L, "value: the program is not loaded");
	memcpy(out, &fd, sizeof(fd));
}

void map_encode_value(lua_State *L, int index, const struct map *map, void *out, size_t bytes)
{
	const char *class = descriptor_class(map);
	size_t length;

	index = lua_absindex(L, index);
	if (class) {
		encode_descriptor(L, index, map, class, out);
	} else if (lua_type(L, index) == LUA_TSTRING && is_per_cpu(map) &&
		   (lua_tolstring(L, index, &length), length == bytes)) {
		memcpy(out, lua_tostring(L, index), bytes);
	} else if (is_per_cpu(map)) {
		encode_per_cpu(L, index, map, out, bytes);
	} else {
		encode(L, index, map, map->value_type, out, bytes, "value");
	}
}

static void decode(lua_State *L, const struct map *map, __u32 type, const void *data, size_t size)
{
	if (type)
		codec_push(L, map->btf, type, data, size);
	else
		lua_pushlstring(L, data, size);
}

void map_push_key(lua_State *L, const struct map *map, const void *data)
{
	__u32 index;

	if (!map->key_type && map->key_size == sizeof(index) && map_is_array(map)) {
		memcpy(&index, data, sizeof(index));
		lua_pushinteger(L, index);
		return;
	}
	decode(L, map, map->key_type, data, map->key_size);
}

bool map_is_array(const struct map *map)
{
	switch (map->type) {
	case BPF_MAP_TYPE_ARRAY:
	case BPF_MAP_TYPE_PERCPU_ARRAY:
	case BPF_MAP_TYPE_PROG_ARRAY:
	case BPF_MAP_TYPE_ARRAY_OF_MAPS:
	case BPF_MAP_TYPE_PERF_EVENT_ARRAY:
		return true;
	default:
		return false;
	}
}

/* The addresses of a stack, up to the first 0. */
static void push_stack(lua_State *L, const char *data, size_t bytes)
{
	__u64 address;

	lua_newtable(L);
	for (size_t i = 0; (i + 1) * sizeof(address) <= bytes; i++) {
		memcpy(&address, data + i * sizeof(address), sizeof(address));
		if (!address)
			break;
		lua_pushinteger(L, (lua_Integer)address);
		lua_rawseti(L, -2, (lua_Integer)i + 1);
	}
}

void map_push_value(lua_State *L, const struct map *map, const void *data, size_t bytes)
{
	size_t cpus = bytes / (map->value_size ? cpu_stride(map) : 1);
	__u32 id;

	if (descriptor_class(map)) {
		memcpy(&id, data, sizeof(id));
		lua_pushinteger(L, id);
	} else if (map->type == BPF_MAP_TYPE_STACK_TRACE) {
		push_stack(L, data, bytes);
	} else if (is_per_cpu(map)) {
		lua_createtable(L, (int)cpus, 0);
		for (size_t i = 0; i < cpus; i++) {
			decode(L, map, map->value_type, (const char *)data + i * cpu_stride(map),
			       map->value_size);
			lua_rawseti(L, -2, (lua_Integer)i + 1);
		}
	} else {
		decode(L, map, map->value_type, data, bytes);
	}
}

const char *map_name(lua_State *L, int index)
{
	lua_getiuservalue(L, index, HANDLE_FIELDS);
	lua_getfield(L, -1, "name");
	lua_replace(L, -2);
	return lua_tostring(L, -1);
}

/* lookup and lookup_and_delete: the key at 2. */
static int lookup(lua_State *L, bool take)
{
	struct map *map = handle_check(L, 1, MAP);
	int fd = map_fd(L, map), err;
	size_t bytes = map_value_bytes(L, map);
	char *key, *value;

	lua_settop(L, 2);
	key = lua_newuserdatauv(L, map->key_size + 1, 0);
	value = lua_newuserdatauv(L, bytes + 1, 0);
	memset(value, 0, bytes + 1);
	map_encode_key(L, 2, map, key);
	err = take ? bpf_map_lookup_and_delete_elem(fd, map->key_size ? key : NULL, value) :
		     bpf_map_lookup_elem(fd, map->key_size ? key : NULL, value);
	if (err == -ENOENT) {
		lua_pushnil(L);
		return 1;
	}
	if (err)
		return handle_fail(L, err, "look up in map %s", map_name(L, 1));
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
	int fd = map_fd(L, map), err;
	size_t bytes = map_value_bytes(L, map);
	__u64 flags = map_check_flags(L, 4);
	char *key, *value;

	luaL_checkany(L, 3);
	lua_settop(L, 3);
	key = lua_newuserdatauv(L, map->key_size + 1, 0);
	value = lua_newuserdatauv(L, bytes + 1, 0);
	map_encode_key(L, 2, map, key);
	map_encode_value(L, 3, map, value, bytes);
	err = bpf_map_update_elem(fd, map->key_size ? key : NULL, value, flags);
	if (err)
		return handle_fail(L, err, "update map %s", map_name(L, 1));
	lua_pushboolean(L, 1);
	return 1;
}

/* map:delete(key) -> true | false: no such key | nil, message, errno */
static int l_map_delete(lua_State *L)
{
	struct map *map = handle_check(L, 1, MAP);
	int fd = map_fd(L, map), err;
	char *key;

	lua_settop(L, 2);
	key = lua_newuserdatauv(L, map->key_size + 1, 0);
	map_encode_key(L, 2, map, key);
	err = bpf_map_delete_elem(fd, key);
	if (err && err != -ENOENT)
		return handle_fail(L, err, "delete from map %s", map_name(L, 1));
	lua_pushboolean(L, !err);
	return 1;
}

/* map:next_key([key]) -> key | nil at the end | nil, message, errno */
static int l_map_next_key(lua_State *L)
{
	struct map *map = handle_check(L, 1, MAP);
	int fd = map_fd(L, map), err;
	char *key, *next;

	lua_settop(L, 2);
	key = lua_newuserdatauv(L, map->key_size + 1, 0);
	next = lua_newuserdatauv(L, map->key_size + 1, 0);
	if (!lua_isnil(L, 2))
		map_encode_key(L, 2, map, key);
	err = bpf_map_get_next_key(fd, lua_isnil(L, 2) ? NULL : key, next);
	if (err == -ENOENT) {
		lua_pushnil(L);
		return 1;
	}
	if (err)
		return handle_fail(L, err, "read the keys of map %s", map_name(L, 1));
	map_push_key(L, map, next);
	return 1;
}

/* map:key_bytes(key) -> string: the key as the kernel sees it */
static int l_map_key_bytes(lua_State *L)
{
	struct map *map = handle_check(L, 1, MAP);
	char *key = lua_newuserdatauv(L, map->key_size + 1, 0);

	map_encode_key(L, 2, map, key);
	lua_pushlstring(L, key, map->key_size);
	return 1;
}

static int l_map_fd(lua_State *L)
{
	lua_pushinteger(L, map_fd(L, handle_check(L, 1, MAP)));
	return 1;
}

/* map:pin(path) -> true | nil, message, errno */
static int l_map_pin(lua_State *L)
{
	int fd = map_fd(L, handle_check(L, 1, MAP));
	const char *path = luaL_checkstring(L, 2);

	if (bpf_obj_pin(fd, path))
		return handle_fail(L, errno, "pin map %s at %s", map_name(L, 1), path);
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
	map->max_entries = bpf_map__max_entries(map->bpf);
	lua_pushinteger(L, map->max_entries);
	handle_set_field(L, 1, "max_entries");
	lua_settop(L, 1);
	return 1;
}

void map_register(lua_State *L)
{
	static const luaL_Reg methods[] = {
		{ "delete", l_map_delete },
		{ "fd", l_map_fd },
		{ "key_bytes", l_map_key_bytes },
		{ "lookup", l_map_lookup },
		{ "lookup_and_delete", l_map_lookup_and_delete },
		{ "next_key", l_map_next_key },
		{ "pin", l_map_pin },
		{ "set_max_entries", l_map_set_max_entries },
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
