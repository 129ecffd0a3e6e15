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

/*
 * A kernel that does not report a cookie leaves its place as it was, or refuses a question that
 * has something there: so each is asked for twice, over different bits, and taken when the
 * answers are one.
 */
static const __u64 MARKS[2] = { 0, ~0ULL };

/* The two lists at `sites` and `cookies` that `count` places have room for; whether there was an answer. */
static bool read_lists(int fd, bool uprobe, __u32 count, __u64 *sites, __u64 *cookies, char *path)
{
	struct uapi_link_info info = { .type = 0 };

	if (uprobe) {
		info.uprobe_multi.offsets = address_of(sites);
		info.uprobe_multi.cookies = address_of(cookies);
		info.uprobe_multi.count = count;
		info.uprobe_multi.path = address_of(path);
		info.uprobe_multi.path_size = NAME_BYTES;
	} else {
		info.kprobe_multi.addresses = address_of(sites);
		info.kprobe_multi.cookies = address_of(cookies);
		info.kprobe_multi.count = count;
	}
	return !read_info(fd, &info);
}

/* The lists are read by further questions, once their length is known. */
static void push_multi(lua_State *L, int fd, const struct uapi_link_info *first)
{
	char path[NAME_BYTES] = "";
	bool uprobe = first->type == UAPI_LINK_UPROBE_MULTI;
	__u32 count = uprobe ? first->uprobe_multi.count : first->kprobe_multi.count;
	size_t bytes;
	__u64 *sites, *cookies[2];

	if (count > LIST_LIMIT)
		count = LIST_LIMIT;
	bytes = sizeof(__u64) * (count + 1);
	sites = lua_newuserdatauv(L, 3 * bytes, 0);
	lua_insert(L, -2);
	for (int i = 0; i < 2; i++) {
		cookies[i] = sites + (i + 1) * (count + 1);
		memset(cookies[i], (int)MARKS[i], bytes);
		if (!count || !read_lists(fd, uprobe, count, sites, cookies[i], path))
			count = 0;
	}
	if (count) {
		set_integer(L, "count", count);
		push_list(L, uprobe ? "offsets" : "addresses", sites, count);
		if (!memcmp(cookies[0], cookies[1], sizeof(__u64) * count))
			push_list(L, "cookies", cookies[0], count);
		if (uprobe)
			set_string(L, "path", path);
		else
			set_integer(L, "missed", first->kprobe_multi.missed);
	}
	lua_remove(L, -2);
}

/* Where the cookie of this link would be; NULL for kinds that have none. */
static __u64 *cookie_place(struct uapi_link_info *info, __u32 type, __u32 kind)
{
	switch (type) {
	case UAPI_LINK_RAW_TRACEPOINT:
		return &info->raw_tracepoint.cookie;
	case UAPI_LINK_TRACING:
		return &info->tracing.cookie;
	case UAPI_LINK_PERF_EVENT:
		break;
	default:
		return NULL;
	}
	switch (kind) {
	case UAPI_PERF_UPROBE:
	case UAPI_PERF_URETPROBE:
		return &info->perf_event.uprobe.cookie;
	case UAPI_PERF_KPROBE:
	case UAPI_PERF_KRETPROBE:
		return &info->perf_event.kprobe.cookie;
	case UAPI_PERF_TRACEPOINT:
		return &info->perf_event.tracepoint.cookie;
	case UAPI_PERF_EVENT:
		return &info->perf_event.event.cookie;
	default:
		return NULL;
	}
}

static void push_cookie(lua_State *L, int fd, const struct uapi_link_info *first)
{
	__u64 cookies[2];

	for (int i = 0; i < 2; i++) {
		struct uapi_link_info info = { .type = 0 };
		__u64 *place = cookie_place(&info, first->type, first->perf_event.type);

		if (!place)
			return;
		*place = MARKS[i];
		if (read_info(fd, &info))
			return;
		cookies[i] = *place;
	}
	if (cookies[0] == cookies[1])
		set_integer(L, "cookie", cookies[0]);
}

static void push_perf_event(lua_State *L, const struct uapi_link_info *info, const char *name)
{
	static const char *const kinds[] = { "unknown",   "uprobe",     "uretprobe", "kprobe",
					     "kretprobe", "tracepoint", "event" };
	__u32 kind = info->perf_event.type;

	set_string(L, "kind", kind <= UAPI_PERF_EVENT ? kinds[kind] : kinds[0]);
	switch (kind) {
	case UAPI_PERF_UPROBE:
	case UAPI_PERF_URETPROBE:
		set_integer(L, "offset", info->perf_event.uprobe.offset);
		break;
	case UAPI_PERF_KPROBE:
	case UAPI_PERF_KRETPROBE:
		set_integer(L, "offset", info->perf_event.kprobe.offset);
		set_integer(L, "missed", info->perf_event.kprobe.missed);
		break;
	case UAPI_PERF_TRACEPOINT:
		break;
	case UAPI_PERF_EVENT:
		set_integer(L, "config", info->perf_event.event.config);
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
		break;
	case UAPI_LINK_TRACING:
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
	push_cookie(L, fd, &info);
	return 1;
}
