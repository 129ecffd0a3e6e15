/* map: what map.c, map_batch.c and map_create.c share. */
#ifndef CRUMB_MAP_H
#define CRUMB_MAP_H

#include "core.h"

/* The size of a value as the system calls take it: for all CPUs in a per-CPU map. */
size_t map_value_bytes(lua_State *L, const struct map *map);

/* Lua values to bytes; raise an error that names the part that does not fit. */
void map_encode_key(lua_State *L, int index, const struct map *map, void *out);
void map_encode_value(lua_State *L, int index, const struct map *map, void *out, size_t bytes);

/* Bytes to one Lua value on the stack. */
void map_push_key(lua_State *L, const struct map *map, const void *data);
void map_push_value(lua_State *L, const struct map *map, const void *data, size_t bytes);

/* Gives the map on the top of the stack the types that the object or map at `keeper` has. */
void map_keep_types(lua_State *L, struct map *map, int keeper);

/*
 * The descriptor of the map at `index` whose elements are wanted; raises for a ring buffer.
 * It is good until something else is allocated (handle.h).
 */
int map_elements_fd(lua_State *L, int index);

/* Returns nil, message, errno to Lua for an operation on the map at 1. */
int map_fail(lua_State *L, int err, const char *what);

/* Pushes the name of the map at `index` and returns it. */
const char *map_name(lua_State *L, int index);

bool map_is_array(const struct map *map);
__u64 map_check_flags(lua_State *L, int arg);

/* Pushes an open map without a descriptor yet; `owner` is its object's index, or 0. */
struct map *map_new(lua_State *L, int owner);

/* Gives the map on the top of the stack its name, type and sizes as fields. */
void map_set_fields(lua_State *L, const struct map *map, const char *name);

extern const luaL_Reg map_batch_methods[];
extern const luaL_Reg map_create_methods[];

#endif
