/* prototype: see prototype.h. */
#include "prototype.h"

#include <string.h>

#include "codec_type.h"
#include "core.h"

#define PROBES 1024 /* more names in one place of the hash are no accident */

struct functions {
	uint32_t mask;
	uint32_t ids[]; /* 0: free */
};

static uint32_t hash(const char *text)
{
	uint32_t value = 2166136261u;

	while (*text)
		value = (value ^ (unsigned char)*text++) * 16777619u;
	return value;
}

/* The place of the name, or of the free one where it would be; NULL: the hash is crowded there. */
static uint32_t *place(struct functions *functions, const struct btf *btf, const char *name)
{
	uint32_t at = hash(name);

	for (int i = 0; i < PROBES; i++, at++) {
		uint32_t *id = &functions->ids[at & functions->mask];

		if (!*id || !strcmp(type_string(btf, btf__type_by_id(btf, *id)->name_off), name))
			return id;
	}
	return NULL;
}

static uint32_t count_functions(const struct btf *btf)
{
	uint32_t count = 0;

	for (uint32_t id = 1; id < btf__type_cnt(btf); id++)
		count += btf_is_func(btf__type_by_id(btf, id));
	return count;
}

/* Pushes the hash of the functions of the handle at `index`, made at the first call. */
static struct functions *functions_push(lua_State *L, int index, const struct btf *btf)
{
	struct functions *functions;
	uint32_t size = 1;
	int types;

	lua_getiuservalue(L, index, HANDLE_KEPT);
	types = lua_gettop(L);
	if (lua_getiuservalue(L, types, TYPES_FUNCTIONS) == LUA_TUSERDATA)
		return lua_touserdata(L, -1);
	while (size < 2 * (uint64_t)count_functions(btf))
		size *= 2;
	functions = lua_newuserdatauv(L, sizeof(*functions) + size * sizeof(*functions->ids), 0);
	functions->mask = size - 1;
	memset(functions->ids, 0, size * sizeof(*functions->ids));
	for (uint32_t id = 1; id < btf__type_cnt(btf); id++) {
		const struct btf_type *t = btf__type_by_id(btf, id);
		uint32_t *at;

		if (!btf_is_func(t))
			continue;
		at = place(functions, btf, type_string(btf, t->name_off));
		if (at && !*at)
			*at = id;
	}
	lua_pushvalue(L, -1);
	lua_setiuservalue(L, types, TYPES_FUNCTIONS);
	return functions;
}

static const struct btf_type *prototype_of(const struct btf *btf, uint32_t id)
{
	struct type type;

	if (type_resolve(btf, id, &type))
		return NULL;
	if (btf_is_ptr(type.t) && type_resolve(btf, type.t->type, &type))
		return NULL;
	return btf_is_func_proto(type.t) ? type.t : NULL;
}

const struct btf_type *prototype_find(lua_State *L, int index, const struct btf *btf,
				      const char *name)
{
	int top = lua_gettop(L);
	struct functions *functions = functions_push(L, index, btf);
	const uint32_t *at = place(functions, btf, name);
	const struct btf_type *found = NULL;

	if (at && *at) {
		found = prototype_of(btf, btf__type_by_id(btf, *at)->type);
	} else {
		int32_t id = type_find(btf, name, NULL);

		found = id > 0 ? prototype_of(btf, (uint32_t)id) : NULL;
	}
	lua_settop(L, top);
	return found;
}
