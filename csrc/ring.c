/*
 * ring: BPF ring buffers, pulled.
 *
 * A reader takes one record at a time: it decodes the record, hands its place back to the
 * kernel, then returns to Lua.  So no Lua runs while a record is held, an error in a handler
 * neither loses nor repeats one, and a handler may poll, yield or close as it likes.
 * When to wait and when to stop is decided in Lua (lua/crumb/bpf/ring.lua).
 */
#define _GNU_SOURCE
#include "ring.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "codec_type.h"

#define BUSY_NAP 200000 /* ns: a producer holds the head for less than that */

static void source_close(struct source *source, size_t page)
{
	if (source->consumer)
		munmap(source->consumer, page);
	if (source->producer)
		munmap((void *)source->producer, page + 2 * (source->mask + 1));
	if (source->fd >= 0)
		close(source->fd);
}

static int ring_release(struct handle *handle)
{
	struct ring *ring = (struct ring *)handle;

	while (ring->count)
		source_close(&ring->sources[--ring->count], ring->page);
	free(ring->sources);
	ring->sources = NULL;
	close(ring->epoll);
	close(ring->timer);
	return 0;
}

/* Part of the ring's descriptor; 0 or an errno. */
static int open_timer(struct ring *ring)
{
	struct epoll_event event = { .events = EPOLLIN };
	int err;

	ring->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (ring->timer < 0)
		return errno;
	err = epoll_ctl(ring->epoll, EPOLL_CTL_ADD, ring->timer, &event) ? errno : 0;
	if (err)
		close(ring->timer);
	return err;
}

/* core.ring(owner): an empty ring of an Object */
int l_ring_open(lua_State *L)
{
	struct ring *ring;
	int err;

	handle_check(L, 1, OBJECT);
	ring = handle_new(L, RING, sizeof(*ring), 1);
	lua_newtable(L); /* the handles of its maps, which keep the types of its records */
	lua_setiuservalue(L, -2, HANDLE_KEPT);
	lua_newtable(L);
	handle_set_field(L, -2, "maps");
	handle_own(L, -1, RANK_RING);
	ring->page = (size_t)sysconf(_SC_PAGESIZE);
	ring->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (ring->epoll < 0)
		return handle_fail(L, errno, "open a ring");
	err = open_timer(ring);
	if (err) {
		close(ring->epoll);
		return handle_fail(L, err, "open a ring");
	}
	ring->handle.release = ring_release;
	return 1;
}

static int source_map(struct source *source, size_t page)
{
	size_t size = source->mask + 1;
	void *pages;

	pages = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED, source->fd, 0);
	if (pages == MAP_FAILED)
		return errno;
	source->consumer = pages;
	pages = mmap(NULL, page + 2 * size, PROT_READ, MAP_SHARED, source->fd, (off_t)page);
	if (pages == MAP_FAILED)
		return errno;
	source->producer = pages;
	source->data = (const unsigned char *)pages + page;
	source->limit = *source->consumer;
	return 0;
}

/* Gives the source the type `name` of its map's object. */
static void source_type(lua_State *L, struct source *source, const struct map *map,
			const char *name)
{
	struct nearest nearest;
	int64_t size;
	int32_t id;

	if (!map->btf) {
		luaL_argerror(L, 3, "the map has no BTF: its records are raw bytes");
		return;
	}
	id = type_find(map->btf, name, &nearest);
	if (id <= 0) {
		luaL_argerror(L, 3,
			      lua_pushfstring(L, "no type '%s' in the object's BTF%s", name,
					      nearest_push(L, &nearest)));
		return;
	}
	size = crumb_type_size(map->btf, (uint32_t)id);
	luaL_argcheck(L, size >= 0, 3, "values of this type cannot be read");
	source->btf = map->btf;
	source->type = (uint32_t)btf__resolve_type(map->btf, (uint32_t)id);
	source->least = (uint64_t)size;
}

/* Whether the list at `index` has the value at `value`. */
static bool has(lua_State *L, int index, int value)
{
	bool equal = false;

	for (lua_Integer i = 1; !equal && lua_rawgeti(L, index, i) != LUA_TNIL; i++) {
		equal = lua_rawequal(L, -1, value);
		lua_pop(L, 1);
	}
	return equal;
}

/* Opens a source at the end of the ring's; 0 or an errno. */
static int append_source(struct ring *ring, struct source *source, int map_fd)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLET }; /* for ring:rest */
	struct source *sources;
	int err;

	sources = realloc(ring->sources, (ring->count + 1) * sizeof(*sources));
	if (!sources)
		return ENOMEM;
	ring->sources = sources;
	source->fd = fcntl(map_fd, F_DUPFD_CLOEXEC, 0);
	err = source->fd < 0 ? errno : source_map(source, ring->page);
	if (!err && epoll_ctl(ring->epoll, EPOLL_CTL_ADD, source->fd, &event))
		err = errno;
	if (err)
		source_close(source, ring->page);
	else
		sources[ring->count++] = *source;
	return err;
}

/* ring:add_map(map, type name or nil) -> the ring | nil, message, errno */
static int l_ring_add_map(lua_State *L)
{
	struct map *map = handle_check(L, 2, MAP);
	const char *type = lua_isnoneornil(L, 3) ? NULL : handle_check_text(L, 3);
	struct source source = { .fd = -1, .mask = map->shape.max_entries - 1 };
	struct ring *ring = handle_check(L, 1, RING);
	int err, fd;

	luaL_argcheck(L, map->shape.type == BPF_MAP_TYPE_RINGBUF, 2, "not a ring buffer map");
	if (type)
		source_type(L, &source, map, type);
	lua_settop(L, 2);
	lua_getiuservalue(L, 1, HANDLE_KEPT);
	lua_getfield(L, 1, "maps");
	luaL_checktype(L, 4, LUA_TTABLE);
	luaL_argcheck(L, !has(L, 3, 2), 2, "the ring has this map already");
	fd = map_fd(L, 2);
	handle_check(L, 1, RING); /* what was allocated may have closed it */
	/* Both lists first: what they hold too much is harmless, too little is not. */
	for (int list = 3; list <= 4; list++) {
		lua_pushvalue(L, 2);
		lua_rawseti(L, list, (lua_Integer)ring->count + 1);
	}
	err = append_source(ring, &source, fd);
	if (err) {
		lua_pushnil(L);
		lua_rawseti(L, 4, (lua_Integer)ring->count + 1);
		lua_pushnil(L);
		lua_rawseti(L, 3, (lua_Integer)ring->count + 1);
		return handle_fail(L, err, "read ring buffer %s", map_name(L, 2));
	}
	lua_settop(L, 1);
	return 1;
}

/* Whether a record waits; *busy when its producer has not finished it. */
static bool pending(struct ring *ring, bool *busy)
{
	const void *record;
	uint32_t length;

	for (size_t i = 0; i < ring->count; i++) {
		struct source *source = &ring->sources[i];

		if (crumb_source_peek(source, &record, &length))
			return true;
		*busy |= *source->consumer < source->limit;
	}
	return false;
}

/*
 * ring:wait(nanoseconds [, rung]) -> true: there may be records | false: not in that time | nil: a signal came
 * rung: only a program that wakes the reader ends it, not what waits already.
 */
static int l_ring_wait(lua_State *L)
{
	struct ring *ring = handle_check(L, 1, RING);
	int64_t left = luaL_checkinteger(L, 2);
	bool rung = lua_toboolean(L, 3), busy = false;
	struct pollfd epoll = { .fd = ring->epoll, .events = POLLIN };
	struct timespec limit;
	int ready;

	/* Who asks to be woken stores that first: the program must see it, or its record be seen here. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (!rung && pending(ring, &busy)) {
		lua_pushboolean(L, 1);
		return 1;
	}
	if (busy && left > BUSY_NAP)
		left = BUSY_NAP;
	limit.tv_sec = left > 0 ? left / 1000000000 : 0;
	limit.tv_nsec = left > 0 ? left % 1000000000 : 0;
	/* The descriptor is ready as long as an unfinished record is at the head. */
	ready = ppoll(&epoll, busy ? 0 : 1, &limit, NULL);
	if (ready < 0) {
		if (errno != EINTR)
			return luaL_error(L, "wait for a ring: %s", strerror(errno));
		lua_pushnil(L);
		return 1;
	}
	lua_pushboolean(L, pending(ring, &busy));
	return 1;
}

/*
 * ring:rest(nanoseconds): from now on the descriptor is readable when a program has woken the reader, or when this time is
 * over, and not by what waits already.
 */
static int l_ring_rest(lua_State *L)
{
	struct ring *ring = handle_check(L, 1, RING);
	int64_t left = luaL_checkinteger(L, 2);
	struct itimerspec limit = { 0 };
	struct epoll_event events[8];
	const int most = sizeof(events) / sizeof(*events);

	left = left < 1 ? 1 : left;
	if (left < INT64_MAX) {
		limit.it_value.tv_sec = left / 1000000000;
		limit.it_value.tv_nsec = left % 1000000000;
	}
	timerfd_settime(ring->timer, 0, &limit, NULL);
	/* What is edge-triggered is forgotten when it has been told. */
	while (epoll_wait(ring->epoll, events, most, 0) == most)
		;
	return 0;
}

/* ring:fd() -> an epoll descriptor, readable when records wait */
static int l_ring_fd(lua_State *L)
{
	lua_pushinteger(L, ((struct ring *)handle_check(L, 1, RING))->epoll);
	return 1;
}

static void set_integer(lua_State *L, const char *key, uint64_t value)
{
	lua_pushinteger(L, (lua_Integer)value);
	lua_setfield(L, -2, key);
}

/* ring:stats() -> { delivered =, malformed =, discarded =, pending = bytes } */
static int l_ring_stats(lua_State *L)
{
	struct ring *ring = handle_check(L, 1, RING);
	uint64_t bytes = 0;

	for (size_t i = 0; i < ring->count; i++)
		bytes += __atomic_load_n(ring->sources[i].producer, __ATOMIC_ACQUIRE) -
			 *ring->sources[i].consumer;
	lua_newtable(L);
	set_integer(L, "delivered", ring->delivered);
	set_integer(L, "malformed", ring->malformed);
	set_integer(L, "discarded", ring->discarded);
	set_integer(L, "pending", bytes);
	return 1;
}

/* ring:mark() -> where what has been written by now ends, for ring:passed */
static int l_ring_mark(lua_State *L)
{
	struct ring *ring = handle_check(L, 1, RING);
	luaL_Buffer buffer;

	luaL_buffinit(L, &buffer);
	for (size_t i = 0; i < ring->count; i++) {
		unsigned long end = __atomic_load_n(ring->sources[i].producer, __ATOMIC_ACQUIRE);

		luaL_addlstring(&buffer, (const char *)&end, sizeof(end));
		handle_check(L, 1, RING);
	}
	luaL_pushresult(&buffer);
	return 1;
}

/* ring:passed(mark) -> whether all that had been written then has been read */
static int l_ring_passed(lua_State *L)
{
	struct ring *ring = handle_check(L, 1, RING);
	unsigned long end;
	bool passed = true;
	size_t length;
	const char *mark = luaL_checklstring(L, 2, &length);

	luaL_argcheck(L, length <= ring->count * sizeof(end), 2, "a mark of another ring");
	for (size_t i = 0; i < length / sizeof(end); i++) {
		memcpy(&end, mark + i * sizeof(end), sizeof(end));
		passed = passed && (long)(*ring->sources[i].consumer - end) >= 0;
	}
	lua_pushboolean(L, passed);
	return 1;
}

void ring_register(lua_State *L)
{
	static const luaL_Reg methods[] = {
		{ "add_map", l_ring_add_map }, { "fd", l_ring_fd },
		{ "mark", l_ring_mark },       { "passed", l_ring_passed },
		{ "reader", l_ring_reader },   { "rest", l_ring_rest },
		{ "stats", l_ring_stats },     { "trail", l_ring_trail },
		{ "wait", l_ring_wait },       { NULL, NULL },
	};

	handle_class(L, RING, methods);
}
