/*
 * map_value: Lua values <-> the bytes of a map's keys and values.
 *
 * They are written and read as the map's BTF says (codec.h), or as raw strings.
 */
#include <string.h>

#include "codec.h"
#include "integer.h"
#include "map.h"

static bool is_per_cpu(const struct map *map)
{
	switch (map->shape.type) {
	case BPF_MAP_TYPE_PERCPU_HASH:
	case BPF_MAP_TYPE_PERCPU_ARRAY:
	case BPF_MAP_TYPE_LRU_PERCPU_HASH:
	case BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE:
		return true;
	default:
		return false;
	}
}

static size_t cpu_stride(const struct map *map)
{
	return ((size_t)map->shape.value_size + 7) / 8 * 8;
}

/* Values that are descriptors: what is stored, and the class that is taken for it. */
static const char *descriptor_class(const struct map *map)
{
	switch (map->shape.type) {
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
	return is_per_cpu(map) ? cpu_stride(map) * (size_t)cpus : map->shape.value_size;
}

/* Whether an integer can be stored in `size` bytes, signed or unsigned. */
static bool fits(int64_t integer, size_t size)
{
	int bits = (int)(8 * size);

	if (size == 0 || size >= sizeof(integer))
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
	if (map->shape.key_size)
		encode(L, index, map, map->shape.key_type, out, map->shape.key_size, "key");
	else if (!lua_isnoneornil(L, index))
		luaL_error(L, "key: a %s has none; pass nil",
			   libbpf_bpf_map_type_str(map->shape.type));
}

/* A list with a value for each CPU; what it leaves out is 0. */
static void encode_per_cpu(lua_State *L, int index, const struct map *map, char *out, size_t bytes)
{
	size_t cpus = bytes / cpu_stride(map);
	int top = lua_gettop(L);

	if (lua_type(L, index) != LUA_TTABLE || lua_rawlen(L, index) > cpus)
		luaL_error(L, "value: expected a list of up to %d values, one for each CPU",
			   (int)cpus);
	memset(out, 0, bytes);
	for (size_t i = 0; i < cpus; i++) {
		const char *what = lua_pushfstring(L, "value[%d]", (int)i + 1);

		if (lua_rawgeti(L, index, (lua_Integer)i + 1) != LUA_TNIL)
			encode(L, top + 2, map, map->shape.value_type, out + i * cpu_stride(map),
			       map->shape.value_size, what);
		lua_settop(L, top);
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
		fd = map_fd(L, index);
	else
		luaL_error(L, "value: a %s takes an open %s",
			   libbpf_bpf_map_type_str(map->shape.type), class);
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
		encode(L, index, map, map->shape.value_type, out, bytes, "value");
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

	if (!map->shape.key_type && map->shape.key_size == sizeof(index) &&
	    (map_is_array(map) || map->shape.type == BPF_MAP_TYPE_STACK_TRACE)) {
		memcpy(&index, data, sizeof(index));
		lua_pushinteger(L, index);
		return;
	}
	decode(L, map, map->shape.key_type, data, map->shape.key_size);
}

bool map_is_array(const struct map *map)
{
	switch (map->shape.type) {
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
	size_t cpus = bytes / (map->shape.value_size ? cpu_stride(map) : 1);
	__u32 id;

	if (descriptor_class(map)) {
		memcpy(&id, data, sizeof(id));
		lua_pushinteger(L, id);
	} else if (map->shape.type == BPF_MAP_TYPE_STACK_TRACE) {
		push_stack(L, data, bytes);
	} else if (is_per_cpu(map)) {
		lua_createtable(L, (int)cpus, 0);
		for (size_t i = 0; i < cpus; i++) {
			decode(L, map, map->shape.value_type,
			       (const char *)data + i * cpu_stride(map), map->shape.value_size);
			lua_rawseti(L, -2, (lua_Integer)i + 1);
		}
	} else {
		decode(L, map, map->shape.value_type, data, bytes);
	}
}
