/*
 * map_batch: many elements at a time.
 *
 * A batch walks the buckets of a hash map, so it ends, and meets every key that stayed, however
 * the map changes meanwhile.  Other maps are walked from key to key; such a walk begins anew when
 * the key that it stands on is deleted, so it is made in one go and remembers what it has met.
 */
#include <errno.h>
#include <string.h>

#include "map.h"

#define WALKS 4
#define BATCH_LIMIT (1 << 20)

/*
 * map:lookup_batch(count [, position]) -> keys, values, next position | nil, message, errno
 * The position is an opaque string; none comes back at the end.
 */
static int l_map_lookup_batch(lua_State *L)
{
	struct map *map = handle_check(L, 1, MAP);
	size_t bytes = map_value_bytes(L, map), length = 0, size;
	lua_Integer asked = luaL_checkinteger(L, 2);
	const char *position = luaL_optlstring(L, 3, NULL, &length);
	__u32 count = (__u32)asked;
	char *keys, *values, *next;
	int err;

	map_elements_fd(L, 1);
	luaL_argcheck(L, asked >= 1 && asked <= BATCH_LIMIT, 2, "out of range");
	/* The kernel's position is a key, or a bucket's number. */
	size = map->shape.key_size > sizeof(__u32) ? map->shape.key_size : sizeof(__u32);
	luaL_argcheck(L, !position || length == size, 3, "not a position");
	keys = lua_newuserdatauv(L, (size_t)count * map->shape.key_size + 1, 0);
	values = lua_newuserdatauv(L, (size_t)count * bytes + 1, 0);
	next = lua_newuserdatauv(L, size, 0);
	memset(next, 0, size);
	err = bpf_map_lookup_batch(map_fd(L, 1), (void *)position, next, keys, values, &count,
				   NULL);
	if (err && err != -ENOENT)
		return err == -ENOSPC ? handle_fail(L, err, "") : map_fail(L, err, "read");
	lua_createtable(L, (int)count, 0);
	lua_createtable(L, (int)count, 0);
	for (__u32 i = 0; i < count; i++) {
		map_push_key(L, map, keys + (size_t)i * map->shape.key_size);
		lua_rawseti(L, -3, (lua_Integer)i + 1);
		map_push_value(L, map, values + i * bytes, bytes);
		lua_rawseti(L, -2, (lua_Integer)i + 1);
	}
	if (err)
		return 2;
	lua_pushlstring(L, next, size);
	return 3;
}

/* The list of keys at `arg`, encoded one behind the other; their number in *count. */
static char *check_keys(lua_State *L, int arg, const struct map *map, __u32 *count)
{
	size_t length;
	char *keys;

	luaL_checktype(L, arg, LUA_TTABLE);
	length = lua_rawlen(L, arg);
	luaL_argcheck(L, length <= BATCH_LIMIT, arg, "too many keys for one batch");
	keys = lua_newuserdatauv(L, length * map->shape.key_size + 1, 0);
	for (size_t i = 0; i < length; i++) {
		lua_rawgeti(L, arg, (lua_Integer)i + 1);
		map_encode_key(L, lua_gettop(L), map, keys + i * map->shape.key_size);
		lua_pop(L, 1);
	}
	*count = (__u32)length;
	return keys;
}

/* map:update_batch(keys, values [, flags]) -> number written | nil, message, errno */
static int l_map_update_batch(lua_State *L)
{
	struct map *map = handle_check(L, 1, MAP);
	size_t bytes = map_value_bytes(L, map);
	LIBBPF_OPTS(bpf_map_batch_opts, options, .elem_flags = map_check_flags(L, 4));
	__u32 count;
	char *keys, *values;
	int err;

	map_elements_fd(L, 1);
	luaL_checktype(L, 3, LUA_TTABLE);
	keys = check_keys(L, 2, map, &count);
	luaL_argcheck(L, lua_rawlen(L, 3) == count, 3, "not one value for each key");
	values = lua_newuserdatauv(L, count * bytes + 1, 0);
	for (__u32 i = 0; i < count; i++) {
		lua_rawgeti(L, 3, (lua_Integer)i + 1);
		map_encode_value(L, -1, map, values + i * bytes, bytes);
		lua_pop(L, 1);
	}
	err = count ? bpf_map_update_batch(map_fd(L, 1), keys, values, &count, &options) : 0;
	if (err)
		return map_fail(L, err,
				lua_pushfstring(L, "after %d elements: update", (int)count));
	lua_pushinteger(L, count);
	return 1;
}

/* map:delete_batch(keys) -> number deleted | nil, message, errno */
static int l_map_delete_batch(lua_State *L)
{
	struct map *map = handle_check(L, 1, MAP);
	__u32 count;
	char *keys;
	int err;

	map_elements_fd(L, 1);
	keys = check_keys(L, 2, map, &count);
	err = count ? bpf_map_delete_batch(map_fd(L, 1), keys, &count, NULL) : 0;
	if (err)
		return map_fail(L, err,
				lua_pushfstring(L, "after %d elements: delete from", (int)count));
	lua_pushinteger(L, count);
	return 1;
}

/* Appends a key to the lists at `keys` and `raw` unless it is in the set at `met`. */
static void append_key(lua_State *L, const struct map *map, const char *key, int keys)
{
	const int raw = keys + 1, met = keys + 2;
	lua_Integer n;

	lua_pushlstring(L, key, map->shape.key_size);
	lua_pushvalue(L, -1);
	if (lua_rawget(L, met) == LUA_TNIL) {
		n = (lua_Integer)lua_rawlen(L, raw) + 1;
		lua_pushvalue(L, -2);
		lua_pushboolean(L, 1);
		lua_rawset(L, met);
		lua_pushvalue(L, -2);
		lua_rawseti(L, raw, n);
		map_push_key(L, map, key);
		lua_rawseti(L, keys, n);
	}
	lua_settop(L, met);
}

/*
 * map:keys() -> list of keys, list of the same as raw strings | nil, message, errno
 * A trie that changes under a walk may end it early: another walk follows until one finds nothing new.
 */
static int l_map_keys(lua_State *L)
{
	struct map *map = handle_check(L, 1, MAP);
	__u64 steps = 16 * (__u64)map->shape.max_entries + 1024;
	size_t before = 0, found;
	char *key, *next;
	bool begun = false;
	int err, walks = 0;

	map_elements_fd(L, 1);
	lua_settop(L, 1);
	key = lua_newuserdatauv(L, (size_t)map->shape.key_size + 1, 0);
	next = lua_newuserdatauv(L, (size_t)map->shape.key_size + 1, 0);
	lua_newtable(L);
	lua_newtable(L);
	lua_newtable(L);
	for (; steps; steps--) {
		err = bpf_map_get_next_key(map_fd(L, 1), begun ? key : NULL, next);
		found = lua_rawlen(L, 5);
		if (err == -ENOENT && found > before && ++walks < WALKS) {
			before = found;
			begun = false;
			continue;
		}
		if (err)
			break;
		begun = true;
		memcpy(key, next, map->shape.key_size);
		append_key(L, map, key, 4);
	}
	if (!steps)
		return handle_fail(L, EAGAIN, "read map %s: it changes faster than it can be read",
				   map_name(L, 1));
	if (err != -ENOENT)
		return map_fail(L, err, "read the keys of");
	lua_pop(L, 1);
	return 2;
}

const luaL_Reg map_batch_methods[] = {
	{ "delete_batch", l_map_delete_batch },
	{ "keys", l_map_keys },
	{ "lookup_batch", l_map_lookup_batch },
	{ "update_batch", l_map_update_batch },
	{ NULL, NULL },
};
