rockspec_format = "3.0"
package = "crumb"
version = "scm-1"
source = { url = "git+file://." }
description = {
	summary = "Tracing Linux from Lua with BPF attach cookies",
	detailed = [[
		One BPF program attached to thousands of functions, and a 64-bit cookie that tells it which
		one fired and what to do there: loading, attaching, maps and ring buffers from Lua.]],
	license = "MIT",
	labels = { "bpf", "tracing", "linux" },
}
supported_platforms = { "linux" }
dependencies = { "lua ~> 5.4", "lpeg >= 1.0", "argparse >= 0.7" }
external_dependencies = {
	LIBBPF = { header = "bpf/libbpf.h", library = "bpf" },
	LIBELF = { header = "gelf.h", library = "elf" },
	CAPSTONE = { header = "capstone/capstone.h", library = "capstone" },
	LIBDW = { header = "elfutils/libdw.h", library = "dw" },
	LIBLZMA = { header = "lzma.h", library = "lzma" },
	LIBIBERTY = { header = "libiberty/demangle.h" },
}
build = {
	type = "make",
	build_target = "module",
	install_target = "install",
	build_variables = {
		CFLAGS = "$(CFLAGS)",
		LUA = "$(LUA)",
		LUA_CFLAGS = "-I$(LUA_INCDIR)",
	},
	install_variables = {
		LUADIR = "$(LUADIR)",
		LIBDIR = "$(LIBDIR)",
		BINDIR = "$(BINDIR)",
		-- It is deployed from there to the tree.
		LUA_FROM_BIN = "../share/lua/5.4",
		LIB_FROM_BIN = "../lib/lua/5.4",
		CFLAGS = "$(CFLAGS)",
		LUA = "$(LUA)",
		LUA_CFLAGS = "-I$(LUA_INCDIR)",
	},
}
-- A wrapper would start it with LUA_INIT and LUA_PATH.
deploy = { wrap_bin_scripts = false }
