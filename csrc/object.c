/*
 * object: a BPF object file, from opened to loaded.
 *
 * The bytes come from Lua, so a path is opened in one place only (file.c).  Members are handed
 * out as handles that the object owns, and that close with it.
 */
#include <elf.h>
#include <errno.h>
#include <string.h>

#include "core.h"
#include "log.h"

#define TYPES "crumb.Types"

static int object_release(struct handle *handle)
{
	struct object *object = (struct object *)handle;

	bpf_object__close(object->bpf);
	object->bpf = NULL;
	return 0;
}

/* What libbpf would say less clearly, or NULL. */
static const char *not_bpf(const char *bytes, size_t length)
{
	Elf64_Ehdr header;

	if (length == 0)
		return "the file is empty";
	if (length < SELFMAG || memcmp(bytes, ELFMAG, SELFMAG))
		return "not an ELF file";
	if (length < sizeof(header))
		return "a truncated ELF file";
	memcpy(&header, bytes, sizeof(header));
	if (header.e_ident[EI_CLASS] != ELFCLASS64)
		return "not a 64-bit ELF file";
	if (header.e_machine != EM_BPF)
		return "an ELF file for another machine, not for BPF (compile with clang -target "
		       "bpf)";
	if (header.e_ident[EI_DATA] != ELFDATA2LSB)
		return "a BPF file of the other byte order (compile with -target bpfel)";
	return NULL;
}

static int l_types_gc(lua_State *L)
{
	struct types *types = luaL_checkudata(L, 1, TYPES);

	btf__free(types->btf);
	types->btf = NULL;
	return 0;
}

/* Made before the object, so that its finalizer comes after those of all that uses it. */
struct types *types_push(lua_State *L)
{
	struct types *types = lua_newuserdatauv(L, sizeof(*types), TYPES_VALUES);

	types->btf = NULL;
	luaL_setmetatable(L, TYPES);
	return types;
}

static int copy_btf(const struct bpf_object *object, struct types *types)
{
	const struct btf *btf = bpf_object__btf(object);
	const void *bytes;
	__u32 size;

	if (!btf)
		return 0;
	bytes = btf__raw_data(btf, &size);
	if (!bytes)
		return errno;
	types->btf = btf__new(bytes, size);
	return types->btf ? 0 : errno;
}

static void push_members(lua_State *L, struct object *object)
{
	struct bpf_program *program;
	struct bpf_map *map;
	int owner = lua_gettop(L);

	lua_newtable(L);
	bpf_object__for_each_program (program, object->bpf) {
		program_push(L, owner, program);
		lua_setfield(L, -2, bpf_program__name(program));
	}
	handle_set_field(L, owner, "programs");
	lua_newtable(L);
	bpf_object__for_each_map (map, object->bpf) {
		map_push(L, owner, map);
		lua_setfield(L, -2, bpf_map__name(map));
	}
	handle_set_field(L, owner, "maps");
	lua_pushstring(L, bpf_object__name(object->bpf));
	handle_set_field(L, owner, "name");
}

/* core.object(bytes, name, path) -> Object; the path is what errors call it */
int l_object_open(lua_State *L)
{
	size_t length;
	const char *bytes = luaL_checklstring(L, 1, &length);
	const char *name = handle_check_text(L, 2);
	const char *path = handle_check_text(L, 3);
	const char *reason = not_bpf(bytes, length);
	struct object *object;
	struct types *types;
	int err;

	if (reason) {
		lua_pushnil(L);
		lua_pushfstring(L, "open %s: %s", path, reason);
		lua_pushinteger(L, ENOEXEC);
		return 3;
	}
	types = types_push(L);
	object = handle_new(L, OBJECT, sizeof(*object), 0);
	object->types = types;
	lua_insert(L, -2);
	lua_setiuservalue(L, -2, HANDLE_KEPT);
	crumb_log_reset();
	LIBBPF_OPTS(bpf_object_open_opts, options, .object_name = name);
	object->bpf = bpf_object__open_mem(bytes, length, &options);
	if (!object->bpf)
		return handle_fail_log(L, errno, "open %s", path);
	object->handle.release = object_release;
	err = copy_btf(object->bpf, types);
	if (err)
		return handle_fail_log(L, err, "read the BTF of %s", path);
	push_members(L, object);
	return 1;
}

/* object:raw_load() -> the object */
static int l_object_load(lua_State *L)
{
	struct object *object = handle_check(L, 1, OBJECT);
	struct bpf_map *map;
	int err;

	if (object->loaded)
		return luaL_error(L, "%s is loaded already", bpf_object__name(object->bpf));
	crumb_log_reset();
	err = bpf_object__load(object->bpf);
	if (err)
		return handle_fail_log(L, err, "load %s", bpf_object__name(object->bpf));
	object->loaded = true;
	bpf_object__for_each_map (map, object->bpf) {
		if (bpf_map__is_internal(map))
			err = crumb_share_globals(map);
		if (err)
			return handle_fail(L, err, "share the globals in %s", bpf_map__name(map));
	}
	lua_settop(L, 1);
	return 1;
}

static int l_object_loaded(lua_State *L)
{
	lua_pushboolean(L, ((struct object *)handle_check(L, 1, OBJECT))->loaded);
	return 1;
}

void object_register(lua_State *L)
{
	static const luaL_Reg methods[] = {
		{ "raw_load", l_object_load },
		{ "loaded", l_object_loaded },
		{ NULL, NULL },
	};

	handle_class(L, OBJECT, methods);
	if (luaL_newmetatable(L, TYPES)) {
		lua_pushcfunction(L, l_types_gc);
		lua_setfield(L, -2, "__gc");
	}
	lua_pop(L, 1);
	lua_pushcfunction(L, l_handle_methods);
	lua_pushstring(L, OBJECT);
	lua_call(L, 1, 1);
	luaL_setfuncs(L, global_methods, 0);
	lua_pop(L, 1);
}
