/* core: what the files of crumb.core offer one another. */
#ifndef CRUMB_CORE_H
#define CRUMB_CORE_H

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <lua.h>
#include <stdbool.h>

#include "handle.h"

#if LIBBPF_MAJOR_VERSION < 1 || (LIBBPF_MAJOR_VERSION == 1 && LIBBPF_MINOR_VERSION < 3)
#error "crumb needs libbpf 1.3 or newer (on Debian 12: from bookworm-backports; see make deps)"
#endif

#define OBJECT "crumb.Object"
#define PROGRAM "crumb.Program"
#define MAP "crumb.Map"
#define LINK "crumb.Link"
#define RING "crumb.Ring"
#define WINDOW "crumb.Window"
#define INTERRUPT "crumb.Interrupt"

struct object {
	struct handle handle;
	struct bpf_object *bpf;
	const struct types *types;
	bool loaded;
};

/*
 * A copy of an object's BTF, in a userdata that the object, its maps and their rings keep: what
 * they are in the middle of decoding outlives the object's close.
 */
struct types {
	struct btf *btf; /* NULL: the object has none */
};

/* The user values of such a userdata. */
enum { TYPES_FUNCTIONS = 1, /* the index of prototype.c, or nil */ TYPES_VALUES = TYPES_FUNCTIONS };

/* Pushes a userdata of no types yet; made before what keeps it, so that it is finalized after. */
struct types *types_push(lua_State *L);

/* A program of an object: open as long as the object is. */
struct program {
	struct handle handle;
	struct bpf_program *bpf;
};

/* What a map is made of; the types are 0 where keys or values are raw bytes. */
struct map_shape {
	enum bpf_map_type type;
	__u32 key_size, value_size, max_entries, flags;
	__u32 key_type, value_type;
};

/* A map of an object, or one that was made or opened on its own. */
struct map {
	struct handle handle;
	struct bpf_map *bpf; /* NULL: not of an object */
	const struct btf
		*btf; /* of key_type and value_type; NULL: raw bytes.  Kept: struct types */
	int fd; /* of a map without an object, or -1 */
	struct map_shape shape;
	struct map_shape
		inner; /* what a map of maps declares for its inner ones; libbpf forgets it */
};

/* One attachment of a program, made of as many kernel links as it took. */
struct link {
	struct handle handle;
	struct bpf_program *program; /* NULL: opened from a pin */
	struct link_part *parts;
	size_t count, room;
};

/* The descriptor of the open map at `index`; raises while its object is not loaded. */
int map_fd(lua_State *L, int index);

/* Pushes the handle of a program or map of the object at `owner`. */
void program_push(lua_State *L, int owner, struct bpf_program *program);
void map_push(lua_State *L, int owner, struct bpf_map *map);

/* Pushes an empty link of a program, owned by the object at `owner`. */
void link_push(lua_State *L, int owner, struct bpf_program *program);

/* Makes room for one more kernel link, so that none is made that cannot be kept; 0 or an errno. */
int crumb_link_reserve(struct link *link);

/* Takes over a kernel link, held by libbpf or by a bare descriptor. */
void crumb_link_add(struct link *link, struct bpf_link *kernel_link, int fd);

/*
 * Puts the map itself where its first content was, as libbpf does from 1.6 on: from now on the
 * script and the programs share the global variables.  0 or an errno.
 */
int crumb_share_globals(struct bpf_map *map);

/* Whether Ctrl-C came since the outermost crumb.Interrupt was taken. */
bool crumb_interrupted(void);

/* CLOCK_MONOTONIC in nanoseconds. */
int64_t crumb_now(void);

/* Each file's classes and functions. */
void object_register(lua_State *L);
void program_register(lua_State *L);
void map_register(lua_State *L);
void link_register(lua_State *L);
void ring_register(lua_State *L);
void interrupt_register(lua_State *L);
void terminal_register(lua_State *L);
void directory_register(lua_State *L);
void execute_register(lua_State *L);
void file_register(lua_State *L);
void btf_register(lua_State *L);
void window_register(lua_State *L);
void kernel_names_register(lua_State *L);
void layout_register(lua_State *L);
void spawn_register(lua_State *L);

extern const luaL_Reg attach_methods[]; /* of crumb.Link */
extern const luaL_Reg global_methods[]; /* of crumb.Object */

int l_object_open(lua_State *L);
int l_map_create(lua_State *L);
int l_map_open_pin(lua_State *L);
int l_link_open_pin(lua_State *L);
int l_ring_open(lua_State *L);
int l_await(lua_State *L);
int l_guard(lua_State *L);
int l_interrupt(lua_State *L);
int l_interrupted(lua_State *L);
int l_termination(lua_State *L);
int l_terminated(lua_State *L);
int l_syscalls(lua_State *L);
int l_terminal(lua_State *L);
int l_keys(lua_State *L);
int l_now(lua_State *L);
int l_wall(lua_State *L);
int l_execute(lua_State *L);
int l_process(lua_State *L);
int l_program(lua_State *L);
int l_read(lua_State *L);
int l_save(lua_State *L);
int l_directory(lua_State *L);
int l_private(lua_State *L);
int l_probe(lua_State *L);
int l_versions(lua_State *L);
int l_btf_open(lua_State *L);
int l_module(lua_State *L);
int l_nearest(lua_State *L);
int l_engine(lua_State *L);
int l_window_open(lua_State *L);
int l_grace(lua_State *L);
int l_kernel_names(lua_State *L);
int l_layout(lua_State *L);
int l_spawn(lua_State *L);
int l_standard(lua_State *L);

int l_cgroup(lua_State *L);

/* core.pid_namespace() -> device, inode, ours */
int l_pid_namespace(lua_State *L);

#endif
