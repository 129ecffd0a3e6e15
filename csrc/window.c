/*
 * window: the elements of a mmapable array, as memory that programs and the script share.
 *
 * A store is one instruction, so that a program sees the old value or the new one, and all that
 * was stored before.  The window keeps the memory: the map's handle may close before it.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core.h"
#include "integer.h"
#include "map.h"

#define STRIDE 8 /* bytes: what the kernel rounds the size of an element up to */

struct window {
	struct handle handle;
	char *memory;
	size_t bytes;
	uint64_t count, size; /* elements, and the bytes of each that are values */
	uint64_t step; /* bytes from one element to the next */
};

static int window_release(struct handle *handle)
{
	struct window *window = (struct window *)handle;

	return munmap(window->memory, window->bytes) ? errno : 0;
}

/* core.window(map) -> Window | nil, message, errno: a mmapable array as memory */
int l_window_open(lua_State *L)
{
	const struct map *map = handle_check(L, 1, MAP);
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);
	struct window *window;
	void *memory;

	luaL_argcheck(L, map->shape.type == BPF_MAP_TYPE_ARRAY, 1, "not an array");
	luaL_argcheck(L, map->shape.flags & BPF_F_MMAPABLE, 1,
		      "the array is not mmapable (BPF_F_MMAPABLE)");
	window = handle_new(L, WINDOW, sizeof(*window), 0);
	window->count = map->shape.max_entries;
	window->size = map->shape.value_size;
	window->step = (window->size + STRIDE - 1) / STRIDE * STRIDE;
	window->bytes = (window->count * window->step + page - 1) / page * page;
	lua_pushinteger(L, (lua_Integer)window->count);
	handle_set_field(L, -2, "count");
	lua_pushinteger(L, (lua_Integer)window->size);
	handle_set_field(L, -2, "size");
	memory = mmap(NULL, window->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, map_fd(L, 1), 0);
	if (memory == MAP_FAILED)
		return handle_fail(L, errno, "map %s into memory", map_name(L, 1));
	window->memory = memory;
	window->handle.release = window_release;
	return 1;
}

static uint64_t check_index(lua_State *L, int arg, const struct window *window)
{
	lua_Integer index = luaL_checkinteger(L, arg);

	if (index < 0 || (uint64_t)index >= window->count)
		luaL_argerror(L, arg,
			      lua_pushfstring(L, "no element %I: there are %I, from 0", index,
					      (lua_Integer)window->count));
	return (uint64_t)index;
}

/* The offset at `arg` of a value of so many bytes: inside the element, and aligned. */
static uint64_t check_offset(lua_State *L, int arg, const struct window *window, uint64_t width)
{
	lua_Integer offset = luaL_checkinteger(L, arg);

	if (offset < 0 || (uint64_t)offset > window->size ||
	    width > window->size - (uint64_t)offset)
		luaL_argerror(L, arg,
			      lua_pushfstring(L, "%I bytes at %I are outside an element of %I",
					      (lua_Integer)width, offset,
					      (lua_Integer)window->size));
	luaL_argcheck(L, (uint64_t)offset % width == 0, arg, "not aligned");
	return (uint64_t)offset;
}

static uint64_t check_width(lua_State *L, int arg, lua_Integer least)
{
	lua_Integer width = luaL_checkinteger(L, arg);

	luaL_argcheck(L, width >= least && width <= 8 && !(width & (width - 1)), arg,
		      least > 1 ? "a width is 4 or 8" : "a width is 1, 2, 4 or 8");
	return (uint64_t)width;
}

/* The value at `arg`, which fits `width` bytes, signed or not. */
static uint64_t check_value(lua_State *L, int arg, uint64_t width)
{
	int64_t value = 0;
	const char *reason = integer_read(L, arg, &value);

	if (reason)
		luaL_argerror(L, arg, reason);
	luaL_argcheck(L, width == 8 || (value >= INT32_MIN && value <= UINT32_MAX), arg,
		      "it does not fit 4 bytes");
	return (uint64_t)value;
}

static void store(char *at, uint64_t width, uint64_t value)
{
	if (width == 8)
		__atomic_store_n((uint64_t *)at, value, __ATOMIC_RELEASE);
	else
		__atomic_store_n((uint32_t *)at, (uint32_t)value, __ATOMIC_RELEASE);
}

/* window:get(index, offset, width) -> integer, without a sign but of 8 bytes */
static int l_window_get(lua_State *L)
{
	const struct window *window = handle_check(L, 1, WINDOW);
	uint64_t index = check_index(L, 2, window), width = check_width(L, 4, 1);
	const char *at = window->memory + index * window->step + check_offset(L, 3, window, width);
	uint64_t value;

	switch (width) {
	case 1:
		value = __atomic_load_n((const uint8_t *)at, __ATOMIC_ACQUIRE);
		break;
	case 2:
		value = __atomic_load_n((const uint16_t *)at, __ATOMIC_ACQUIRE);
		break;
	case 4:
		value = __atomic_load_n((const uint32_t *)at, __ATOMIC_ACQUIRE);
		break;
	default:
		value = __atomic_load_n((const uint64_t *)at, __ATOMIC_ACQUIRE);
		break;
	}
	lua_pushinteger(L, (lua_Integer)value);
	return 1;
}

/* window:set(index, offset, width, value) */
static int l_window_set(lua_State *L)
{
	struct window *window = handle_check(L, 1, WINDOW);
	uint64_t index = check_index(L, 2, window), width = check_width(L, 4, 4);
	uint64_t offset = check_offset(L, 3, window, width), value = check_value(L, 5, width);

	store(window->memory + index * window->step + offset, width, value);
	return 0;
}

/*
 * window:store(indices, offset, width, values): in each of these elements, the value at the same
 * place of a list, or the one value
 */
static int l_window_store(lua_State *L)
{
	struct window *window = handle_check(L, 1, WINDOW);
	uint64_t width = check_width(L, 4, 4), offset = check_offset(L, 3, window, width);
	const bool listed = lua_istable(L, 5);
	uint64_t value = listed ? 0 : check_value(L, 5, width);
	lua_Integer count;

	luaL_checktype(L, 2, LUA_TTABLE);
	lua_settop(L, 5);
	count = (lua_Integer)lua_rawlen(L, 2);
	luaL_argcheck(L, !listed || (lua_Integer)lua_rawlen(L, 5) == count, 5,
		      "not one value for each element");
	for (lua_Integer i = 1; i <= count; i++) {
		uint64_t index;

		lua_rawgeti(L, 2, i);
		index = check_index(L, -1, window);
		if (listed) {
			lua_rawgeti(L, 5, i);
			value = check_value(L, -1, width);
			lua_pop(L, 1);
		}
		store(window->memory + index * window->step + offset, width, value);
		lua_pop(L, 1);
	}
	return 0;
}

/* window:sum(indices, offset) -> integer: of the 8 bytes there in each of these elements */
static int l_window_sum(lua_State *L)
{
	const struct window *window = handle_check(L, 1, WINDOW);
	uint64_t offset = check_offset(L, 3, window, 8), sum = 0;
	lua_Integer count;

	luaL_checktype(L, 2, LUA_TTABLE);
	count = (lua_Integer)lua_rawlen(L, 2);
	for (lua_Integer i = 1; i <= count; i++) {
		const char *at;

		lua_rawgeti(L, 2, i);
		at = window->memory + check_index(L, -1, window) * window->step + offset;
		sum += __atomic_load_n((const uint64_t *)at, __ATOMIC_ACQUIRE);
		lua_pop(L, 1);
	}
	lua_pushinteger(L, (lua_Integer)sum);
	return 1;
}

/* window:add(index, offset, value): to 8 bytes, atomically */
static int l_window_add(lua_State *L)
{
	struct window *window = handle_check(L, 1, WINDOW);
	uint64_t index = check_index(L, 2, window), offset = check_offset(L, 3, window, 8);
	uint64_t value = check_value(L, 4, 8);

	__atomic_fetch_add((uint64_t *)(window->memory + index * window->step + offset), value,
			   __ATOMIC_RELEASE);
	return 0;
}

/* window:bytes(indices) -> string: the values of these elements, one after the other */
static int l_window_bytes(lua_State *L)
{
	const struct window *window = handle_check(L, 1, WINDOW);
	lua_Integer count;
	luaL_Buffer buffer;
	char *to;

	luaL_checktype(L, 2, LUA_TTABLE);
	lua_settop(L, 2);
	count = (lua_Integer)lua_rawlen(L, 2);
	to = luaL_buffinitsize(L, &buffer, (size_t)count * window->size);
	for (lua_Integer i = 0; i < count; i++) {
		lua_rawgeti(L, 2, i + 1);
		memcpy(to + (uint64_t)i * window->size,
		       window->memory + check_index(L, -1, window) * window->step, window->size);
		lua_pop(L, 1);
	}
	luaL_pushresultsize(&buffer, (size_t)count * window->size);
	return 1;
}

void window_register(lua_State *L)
{
	static const luaL_Reg methods[] = {
		{ "add", l_window_add }, { "bytes", l_window_bytes }, { "get", l_window_get },
		{ "set", l_window_set }, { "store", l_window_store }, { "sum", l_window_sum },
		{ NULL, NULL },
	};

	handle_class(L, WINDOW, methods);
}
