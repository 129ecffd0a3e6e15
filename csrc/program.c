/* program: one BPF program of an object. */
#include <errno.h>
#include <string.h>

#include "core.h"
#include "log.h"

static int program_release(struct handle *handle)
{
	(void)handle; /* the object's */
	return 0;
}

void program_push(lua_State *L, int owner, struct bpf_program *bpf)
{
	struct program *program = handle_new(L, PROGRAM, sizeof(*program), owner);
	const char *type = libbpf_bpf_prog_type_str(bpf_program__type(bpf));
	enum bpf_attach_type attach = bpf_program__expected_attach_type(bpf);

	program->bpf = bpf;
	program->handle.release = program_release;
	lua_pushstring(L, bpf_program__name(bpf));
	handle_set_field(L, -2, "name");
	lua_pushstring(L, bpf_program__section_name(bpf));
	handle_set_field(L, -2, "section");
	lua_pushstring(L, type);
	handle_set_field(L, -2, "type");
	/* Type 0 is what programs have whose type says it all. */
	lua_pushstring(L, attach ? libbpf_bpf_attach_type_str(attach) : NULL);
	handle_set_field(L, -2, "attach_type");
	handle_own(L, -1, RANK_PART);
}

/* program:fd() -> integer */
static int l_program_fd(lua_State *L)
{
	struct program *program = handle_check(L, 1, PROGRAM);
	int fd = bpf_program__fd(program->bpf);

	if (fd < 0)
		return luaL_error(L, "program %s is not loaded", bpf_program__name(program->bpf));
	lua_pushinteger(L, fd);
	return 1;
}

static void must_not_be_loaded(lua_State *L, struct program *program, const char *what)
{
	if (bpf_program__fd(program->bpf) >= 0)
		luaL_error(L, "program %s is loaded: %s before object:load()",
			   bpf_program__name(program->bpf), what);
}

/* program:set_autoload(boolean) */
static int l_program_set_autoload(lua_State *L)
{
	struct program *program = handle_check(L, 1, PROGRAM);

	luaL_checktype(L, 2, LUA_TBOOLEAN);
	must_not_be_loaded(L, program, "choose what is loaded");
	bpf_program__set_autoload(program->bpf, lua_toboolean(L, 2));
	lua_settop(L, 1);
	return 1;
}

/* program:set_attach_target(function) */
static int l_program_set_attach_target(lua_State *L)
{
	struct program *program = handle_check(L, 1, PROGRAM);
	const char *function = handle_check_text(L, 2);
	int err;

	must_not_be_loaded(L, program, "set its target");
	crumb_log_reset();
	err = bpf_program__set_attach_target(program->bpf, 0, function);
	if (err)
		return handle_fail_log(L, err, "set target %s of program %s", function,
				       bpf_program__name(program->bpf));
	lua_settop(L, 1);
	return 1;
}

static void set_integer(lua_State *L, const char *key, __u64 value)
{
	lua_pushinteger(L, (lua_Integer)value);
	lua_setfield(L, -2, key);
}

/* program:info() -> { id, run_count, run_time, recursion_misses, verified_instructions } */
static int l_program_info(lua_State *L)
{
	struct program *program = handle_check(L, 1, PROGRAM);
	struct bpf_prog_info info;
	__u32 size = sizeof(info);
	int fd = bpf_program__fd(program->bpf);

	if (fd < 0)
		return luaL_error(L, "program %s is not loaded", bpf_program__name(program->bpf));
	memset(&info, 0, sizeof(info));
	if (bpf_prog_get_info_by_fd(fd, &info, &size))
		return handle_fail(L, errno, "read the state of program %s",
				   bpf_program__name(program->bpf));
	lua_newtable(L);
	set_integer(L, "id", info.id);
	set_integer(L, "run_count", info.run_cnt);
	set_integer(L, "run_time", info.run_time_ns);
	set_integer(L, "recursion_misses", info.recursion_misses);
	set_integer(L, "verified_instructions", info.verified_insns);
	return 1;
}

/* program:link() -> an empty Link, to which attachments are added */
static int l_program_link(lua_State *L)
{
	struct program *program = handle_check(L, 1, PROGRAM);

	if (bpf_program__fd(program->bpf) < 0)
		return luaL_error(L, "program %s is not loaded: call object:load() first",
				  bpf_program__name(program->bpf));
	lua_getiuservalue(L, 1, HANDLE_OWNER);
	link_push(L, lua_gettop(L), program->bpf);
	return 1;
}

void program_register(lua_State *L)
{
	static const luaL_Reg methods[] = {
		{ "fd", l_program_fd },
		{ "info", l_program_info },
		{ "link", l_program_link },
		{ "set_autoload", l_program_set_autoload },
		{ "set_attach_target", l_program_set_attach_target },
		{ NULL, NULL },
	};

	handle_class(L, PROGRAM, methods);
}
