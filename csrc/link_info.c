/* link_info: see link_info.h. */
#include "link_info.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "handle.h"
#include "uapi.h"

#define NAME_BYTES 512
#define LIST_LIMIT (1u << 20) /* sites of one multi link: the kernel's own limit */

static void set_integer(lua_State *L, const char *key, __u64 value)
{
	lua_pushinteger(L, (lua_Integer)value);
	lua_setfield(L, -2, key);
}

static void set_string(lua_State *L, const char *key, const char *value)
{
	lua_pushstring(L, value);
	lua_setfield(L, -2, key);
}

static __u64 address_of(const void *pointer)
{
	return (__u64)(uintptr_t)pointer;
}

static int read_info(int fd, struct uapi_link_info *info)
{
	__u32 size = sizeof(*info);

	return bpf_link_get_info_by_fd(fd, (struct bpf_link_info *)info, &size) ? errno : 0;
}

static void push_list(lua_State *L, const char *key, const __u64 *values, __u32 count)
{
	lua_createtable(L, (int)count, 0);
	for (__u32 i = 0; i < count; i++) {
		lua_pushinteger(L, (lua_Integer)values[i]);
		lua_rawseti(L, -2, (lua_Integer)i + 1);
	}
	lua_setfield(L, -2, key);
}

/* The lists are read by a second question, once their length is known. */
static void push_multi(lua_State *L, int fd, const struct uapi_link_info *first)
{
	struct uapi_link_info info = { .type = 0 };
	char path[NAME_BYTES] = "";
	bool uprobe = first->type == UAPI_LINK_UPROBE_MULTI;
	__u32 count = uprobe ? first->uprobe_multi.count : first->kprobe_multi.count;
	__u64 *sites, *cookies;

	if (count > LIST_LIMIT)
		count = LIST_LIMIT;
	sites = lua_newuserdatauv(L, 2 * sizeof(__u64) * (count + 1), 0);
	lua_insert(L, -2);
	cookies = sites + count;
	memset(sites, 0, 2 * sizeof(__u64) * (count + 1));
	if (uprobe) {
		info.uprobe_multi.offsets = address_of(sites);
		info.uprobe_multi.cookies = address_of(cookies);
		info.uprobe_multi.count = count;
		info.uprobe_multi.path = address_of(path);
		info.uprobe_multi.path_size = sizeof(path);
	} else {
		info.kprobe_multi.addresses = address_of(sites);
		info.kprobe_multi.cookies = address_of(cookies);
		info.kprobe_multi.count = count;
		set_integer(L, "missed", first->kprobe_multi.missed);
	}
	if (count && !read_info(fd, &info)) {
		push_list(L, uprobe ? "offsets" : "addresses", sites, count);
		push_list(L, "cookies", cookies, count);
		if (uprobe)
			set_string(L, "path", path);
	}
	set_integer(L, "count", count);
	lua_remove(L, -2);
}

static void push_perf_event(lua_State *L, const struct uapi_link_info *info, const char *name)
{
	static const char *const kinds[] = { "unknown", "uprobe", "uretprobe", "kprobe",
					     "kretprobe", "tracepoint", "event" };
	__u32 kind = info->perf_event.type;

	set_string(L, "kind", kind <= UAPI_PERF_EVENT ? kinds[kind] : kinds[0]);
	switch (kind) {
	case UAPI_PERF_UPROBE:
	case UAPI_PERF_URETPROBE:
		set_integer(L, "offset", info->perf_event.uprobe.offset);
		set_integer(L, "cookie", info->perf_event.uprobe.cookie);
		break;
	case UAPI_PERF_KPROBE:
	case UAPI_PERF_KRETPROBE:
		set_integer(L, "offset", info->perf_event.kprobe.offset);
		set_integer(L, "missed", info->perf_event.kprobe.missed);
		set_integer(L, "cookie", info->perf_event.kprobe.cookie);
		break;
	case UAPI_PERF_TRACEPOINT:
		set_integer(L, "cookie", info->perf_event.tracepoint.cookie);
		break;
	case UAPI_PERF_EVENT:
		set_integer(L, "config", info->perf_event.event.config);
		set_integer(L, "cookie", info->perf_event.event.cookie);
		return;
	default:
		return;
	}
	set_string(L, "name", name);
}

/* Where a name may be returned, the question must say where to. */
static int read_with_name(int fd, struct uapi_link_info *info, char *name)
{
	__u32 type, kind;
	int err = read_info(fd, info);

	if (err)
		return err;
	type = info->type;
	kind = info->perf_event.type;
	if (type == UAPI_LINK_RAW_TRACEPOINT) {
		memset(info, 0, sizeof(*info));
		info->raw_tracepoint.name = address_of(name);
		info->raw_tracepoint.name_size = NAME_BYTES;
		return read_info(fd, info);
	}
	if (type == UAPI_LINK_PERF_EVENT && kind >= UAPI_PERF_UPROBE &&
	    kind <= UAPI_PERF_TRACEPOINT) {
		memset(info, 0, sizeof(*info));
		info->perf_event.uprobe.name = address_of(name); /* the same place in all three */
		info->perf_event.uprobe.name_size = NAME_BYTES;
		return read_info(fd, info);
	}
	return 0;
}

int link_info_push(lua_State *L, int fd)
{
	static const char *const types[] = {
		[UAPI_LINK_RAW_TRACEPOINT] = "raw_tracepoint",
		[UAPI_LINK_TRACING] = "tracing",
		[UAPI_LINK_PERF_EVENT] = "perf_event",
		[UAPI_LINK_KPROBE_MULTI] = "kprobe_multi",
		[UAPI_LINK_UPROBE_MULTI] = "uprobe_multi",
	};
	struct uapi_link_info info = { .type = 0 };
	char name[NAME_BYTES] = "";
	int err = read_with_name(fd, &info, name);

	if (err)
		return handle_fail(L, err, "read the state of a link");
	lua_newtable(L);
	set_integer(L, "id", info.id);
	set_integer(L, "program", info.prog_id);
	if (info.type < sizeof(types) / sizeof(*types) && types[info.type])
		set_string(L, "type", types[info.type]);
	else
		set_integer(L, "type", info.type);
	switch (info.type) {
	case UAPI_LINK_RAW_TRACEPOINT:
		set_string(L, "name", name);
		set_integer(L, "cookie", info.raw_tracepoint.cookie);
		break;
	case UAPI_LINK_TRACING:
		set_integer(L, "cookie", info.tracing.cookie);
		set_integer(L, "btf_id", info.tracing.btf_id);
		break;
	case UAPI_LINK_PERF_EVENT:
		push_perf_event(L, &info, name);
		break;
	case UAPI_LINK_KPROBE_MULTI:
	case UAPI_LINK_UPROBE_MULTI:
		push_multi(L, fd, &info);
		break;
	}
	return 1;
}
