/* link: what holds a program to its sites; attach.c makes the kernel's links that it is made of. */
#include <errno.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "core.h"
#include "link_info.h"
#include "log.h"

/* One link of the kernel; or, for USDT, of libbpf's alone. */
struct link_part {
	struct bpf_link *link; /* NULL where libbpf has no call: the descriptor is ours */
	int fd; /* -1: none, since it is several kernel links */
};

static int part_close(struct link_part *part)
{
	if (part->link)
		return -bpf_link__destroy(part->link);
	return close(part->fd) ? errno : 0;
}

/* The newest first, so that a partly detached link never has a gap before its end. */
static int link_release(struct handle *handle)
{
	struct link *link = (struct link *)handle;
	int err, first = 0;

	while (link->count) {
		err = part_close(&link->parts[--link->count]);
		first = first ? first : err;
	}
	free(link->parts);
	link->parts = NULL;
	link->room = 0;
	return first;
}

void link_push(lua_State *L, int owner, struct bpf_program *program)
{
	struct link *link = handle_new(L, LINK, sizeof(*link), owner);

	link->program = program;
	link->handle.release = link_release;
	if (owner)
		handle_own(L, -1, RANK_LINK);
}

int crumb_link_reserve(struct link *link)
{
	size_t room = link->room ? link->room * 2 : 1;
	struct link_part *parts;

	if (link->count < link->room)
		return 0;
	parts = realloc(link->parts, room * sizeof(*parts));
	if (!parts)
		return ENOMEM;
	link->parts = parts;
	link->room = room;
	return 0;
}

void crumb_link_add(struct link *link, struct bpf_link *kernel_link, int fd)
{
	link->parts[link->count++] = (struct link_part){ .link = kernel_link, .fd = fd };
}

/* The descriptor of a part, or a negative errno. */
static int part_fd(const struct link_part *part)
{
	return part->fd < 0 ? -EOPNOTSUPP : part->fd;
}

static int fail_usdt(lua_State *L, const char *what)
{
	return handle_fail(L, EOPNOTSUPP,
			   "%s: of a USDT attachment libbpf makes several kernel links, and keeps "
			   "them to itself",
			   what);
}

static struct link_part *check_part(lua_State *L, int arg, struct link *link)
{
	lua_Integer i = luaL_optinteger(L, arg, 1);

	luaL_argcheck(L, i >= 1 && (size_t)i <= link->count, arg, "the link has no such part");
	return &link->parts[i - 1];
}

/* link:drop(part) -> true | nil, message, errno: closes one kernel link; those behind it move up */
static int l_link_drop(lua_State *L)
{
	struct link *link = handle_check(L, 1, LINK);
	struct link_part *part = check_part(L, 2, link), gone = *part;
	int err;

	link->count--;
	memmove(part, part + 1, (size_t)(link->parts + link->count - part) * sizeof(*part));
	err = part_close(&gone);
	if (err)
		return handle_fail(L, err, "close a part of a link");
	lua_pushboolean(L, 1);
	return 1;
}

static int l_link_length(lua_State *L)
{
	lua_pushinteger(L, (lua_Integer)((struct link *)handle_check(L, 1, LINK))->count);
	return 1;
}

/* link:fd([part]) -> integer | nil, message, errno */
static int l_link_fd(lua_State *L)
{
	struct link *link = handle_check(L, 1, LINK);
	int fd = part_fd(check_part(L, 2, link));

	if (fd < 0)
		return fail_usdt(L, "descriptor of a link");
	lua_pushinteger(L, fd);
	return 1;
}

/* link:raw_info([part]) -> table | nil, message, errno */
static int l_link_raw_info(lua_State *L)
{
	struct link *link = handle_check(L, 1, LINK);
	int fd = part_fd(check_part(L, 2, link));

	return fd < 0 ? fail_usdt(L, "read the state of a link") : link_info_push(L, fd);
}

/* Whether a file made at `path` would be in a bpffs: 1, 0, or a negative errno. */
static int in_bpffs(const char *path)
{
	const char *slash = strrchr(path, '/');
	char *folder =
		slash ? strndup(path, slash > path ? (size_t)(slash - path) : 1) : strdup(".");
	struct statfs fs;
	int err = 0;

	if (!folder)
		return -ENOMEM;
	if (statfs(folder, &fs))
		err = -errno;
	free(folder);
	return err ? err : fs.f_type == BPF_FS_MAGIC;
}

/*
 * link:pin_part(part, path) -> true | nil, message, errno
 * By the descriptor: libbpf would remember the path, and take no second one when it is gone.
 */
static int l_link_pin_part(lua_State *L)
{
	struct link *link = handle_check(L, 1, LINK);
	int fd = part_fd(check_part(L, 2, link));
	const char *path = handle_check_text(L, 3);
	int there;

	if (fd < 0)
		return fail_usdt(L, lua_pushfstring(L, "pin link at %s", path));
	there = in_bpffs(path);
	if (there < 0)
		return handle_fail(L, there, "pin link at %s", path);
	if (!there)
		return handle_fail(L, EINVAL,
				   "pin link at %s: a link is pinned in a bpffs only, such as "
				   "/sys/fs/bpf (mount -t bpf bpffs /sys/fs/bpf)",
				   path);
	if (bpf_obj_pin(fd, path))
		return handle_fail(L, errno, "pin link at %s", path);
	lua_pushboolean(L, 1);
	return 1;
}

/* core.pinned_link(path) -> Link | nil, message, errno */
int l_link_open_pin(lua_State *L)
{
	const char *path = handle_check_text(L, 1);
	struct bpf_link *kernel_link;
	struct link *link;
	int err;

	lua_settop(L, 1);
	link_push(L, 0, NULL);
	link = lua_touserdata(L, -1);
	err = crumb_link_reserve(link);
	if (err)
		return handle_fail(L, err, "open pinned link %s", path);
	crumb_log_reset();
	kernel_link = bpf_link__open(path);
	if (!kernel_link)
		return handle_fail_log(L, errno, "open pinned link %s", path);
	crumb_link_add(link, kernel_link, bpf_link__fd(kernel_link));
	lua_createtable(L, 1, 0);
	lua_pushvalue(L, 1);
	lua_rawseti(L, -2, 1);
	handle_set_field(L, -2, "pins"); /* link:detach() removes it */
	return 1;
}

void link_register(lua_State *L)
{
	static const luaL_Reg methods[] = {
		{ "drop", l_link_drop },
		{ "fd", l_link_fd },
		{ "raw_info", l_link_raw_info },
		{ "pin_part", l_link_pin_part },
		{ NULL, NULL },
	};

	handle_class(L, LINK, methods);
	luaL_getmetatable(L, LINK);
	lua_pushcfunction(L, l_link_length);
	lua_setfield(L, -2, "__len");
	lua_getfield(L, -1, "methods");
	luaL_setfuncs(L, attach_methods, 0);
	lua_pop(L, 2);
}
