/*
 * core: the entry of the C module crumb.core.
 *
 * Thin C over libbpf: no policy, no parsing of what users write, nothing printed.
 * The Lua in lua/crumb/bpf is its only intended caller.
 */
#include "core.h"

#include "codec.h"
#include "glob.h"
#include "integer.h"
#include "log.h"

static const luaL_Reg functions[] = {
	{ "await", l_await },
	{ "btf", l_btf_open },
	{ "cgroup", l_cgroup },
	{ "directory", l_directory },
	{ "engine", l_engine },
	{ "execute", l_execute },
	{ "glob", l_glob },
	{ "grace", l_grace },
	{ "guard", l_guard },
	{ "integer", l_integer },
	{ "interrupt", l_interrupt },
	{ "interrupted", l_interrupted },
	{ "kernel_names", l_kernel_names },
	{ "keys", l_keys },
	{ "layout", l_layout },
	{ "map", l_map_create },
	{ "methods", l_handle_methods },
	{ "module", l_module },
	{ "nearest", l_nearest },
	{ "now", l_now },
	{ "object", l_object_open },
	{ "pid_namespace", l_pid_namespace },
	{ "pinned_link", l_link_open_pin },
	{ "pinned_map", l_map_open_pin },
	{ "private", l_private },
	{ "probe", l_probe },
	{ "process", l_process },
	{ "program", l_program },
	{ "read", l_read },
	{ "ring", l_ring_open },
	{ "save", l_save },
	{ "set_field", l_handle_set_field },
	{ "spawn", l_spawn },
	{ "standard", l_standard },
	{ "syscalls", l_syscalls },
	{ "terminal", l_terminal },
	{ "terminated", l_terminated },
	{ "termination", l_termination },
	{ "versions", l_versions },
	{ "wall", l_wall },
	{ "window", l_window_open },
	{ NULL, NULL },
};

__attribute__((visibility("default"))) int luaopen_crumb_core(lua_State *L)
{
	crumb_log_install();
	btf_register(L);
	directory_register(L);
	execute_register(L);
	file_register(L);
	glob_register(L);
	interrupt_register(L);
	kernel_names_register(L);
	layout_register(L);
	link_register(L);
	map_register(L);
	object_register(L);
	program_register(L);
	ring_register(L);
	spawn_register(L);
	terminal_register(L);
	window_register(L);
	luaL_newlib(L, functions);
	return 1;
}
