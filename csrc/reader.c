/*
 * reader: the iterators over a ring's records, as tables, as positional values or as bytes.
 *
 * Which bytes make which value is resolved once, when the reader is made.
 */
#include <limits.h>
#include <string.h>

#include "ring.h"

#define CHECK_EVERY 256 /* records between two looks at the clock */

/* What one source's records are read with. */
struct plan {
	uint32_t first, count; /* of reader.fields, and of the keys' list */
	unsigned long end; /* the position to stop at */
};

struct reader {
	struct ring *ring;
	int64_t deadline; /* ns of crumb_now(), INT64_MAX: none */
	uint32_t until_check;
	bool tables;
	size_t turn; /* the source to look at first, so that none starves */
	size_t sources;
	struct plan *plans;
	struct field *fields;
};

/* The upvalues of an iterator. */
enum { UP_READER = 1, UP_RING, UP_KEYS, UP_MAPS, UP_PAUSE };

static int push_record(lua_State *L, const struct reader *reader, const struct source *source,
		       const void *record, uint32_t length)
{
	const struct plan *plan = &reader->plans[source - reader->ring->sources];
	const struct field *field = reader->fields + plan->first;

	if (!source->btf) {
		lua_pushlstring(L, record, length);
		return 1;
	}
	if (!plan->count) {
		codec_push(L, source->btf, source->type, record, length);
		return 1;
	}
	if (!reader->tables) {
		luaL_checkstack(L, (int)plan->count + 4, NULL);
		for (uint32_t i = 0; i < plan->count; i++)
			codec_push_field(L, source->btf, field + i, record, length);
		return (int)plan->count;
	}
	lua_createtable(L, 0, (int)plan->count);
	for (uint32_t i = 0; i < plan->count; i++) {
		lua_rawgeti(L, lua_upvalueindex(UP_KEYS), (lua_Integer)(plan->first + i) + 1);
		codec_push_field(L, source->btf, field + i, record, length);
		lua_rawset(L, -3);
	}
	return 1;
}

/* Takes the next record of one source, past those that are no events; 0: there is none. */
static int take(lua_State *L, struct reader *reader, struct source *source)
{
	unsigned long end = reader->plans[source - reader->ring->sources].end;
	const void *record;
	uint32_t length;
	int results;

	while (source->position < end && crumb_source_peek(source, &record, &length)) {
		if (length & BPF_RINGBUF_DISCARD_BIT) {
			reader->ring->discarded++;
		} else if (length < source->least) {
			reader->ring->malformed++;
		} else {
			results = push_record(L, reader, source, record, length);
			crumb_source_advance(source, length);
			reader->ring->delivered++;
			return results;
		}
		crumb_source_advance(source, length);
	}
	return 0;
}

static bool time_is_up(struct reader *reader)
{
	if (--reader->until_check)
		return false;
	reader->until_check = CHECK_EVERY;
	return crumb_interrupted() || crumb_now() >= reader->deadline;
}

static int l_reader_next(lua_State *L)
{
	struct reader *reader = lua_touserdata(L, lua_upvalueindex(UP_READER));
	struct ring *ring = reader->ring;

	lua_settop(L, 0);
	for (;;) {
		if (!ring->handle.release || time_is_up(reader))
			return 0;
		for (size_t i = 0; i < reader->sources; i++) {
			size_t turn = reader->turn;
			int results = take(L, reader, &ring->sources[turn]);

			reader->turn = turn + 1 < reader->sources ? turn + 1 : 0;
			if (results && reader->tables) {
				lua_rawgeti(L, lua_upvalueindex(UP_MAPS), (lua_Integer)turn + 1);
				return results + 1;
			}
			if (results)
				return results;
		}
		lua_pushvalue(L, lua_upvalueindex(UP_PAUSE));
		lua_pushinteger(L, (lua_Integer)ring->delivered);
		lua_call(L, 1, 1);
		if (!lua_toboolean(L, -1))
			return 0;
		lua_settop(L, 0);
	}
}

/* Appends the names of a struct's members to the list on the top of the stack; those of its
 * anonymous members stand beside its own. */
static void append_members(lua_State *L, const struct btf *btf, uint32_t id, int depth)
{
	const struct btf_type *type = btf__type_by_id(btf, (uint32_t)btf__resolve_type(btf, id));

	if (!type || !btf_is_composite(type) || depth > 8)
		return;
	for (uint32_t i = 0; i < btf_vlen(type); i++) {
		const char *name = btf__name_by_offset(btf, btf_members(type)[i].name_off);

		if (name && *name) {
			lua_pushstring(L, name);
			lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
		} else {
			append_members(L, btf, btf_members(type)[i].type, depth + 1);
		}
	}
}

/* Pushes the list of the fields to read from each source: the list at `fields`, or all. */
static void push_names(lua_State *L, const struct source *source, int fields)
{
	if (fields && source->btf) {
		lua_pushvalue(L, fields);
		return;
	}
	lua_newtable(L);
	if (source->btf)
		append_members(L, source->btf, source->type, 0);
}

/* Resolves the keys of one plan; the list of all keys is at `keys`. */
static void resolve(lua_State *L, struct reader *reader, size_t i, int keys)
{
	const struct source *source = &reader->ring->sources[i];
	const struct plan *plan = &reader->plans[i];

	for (uint32_t n = plan->first; n < plan->first + plan->count; n++) {
		lua_rawgeti(L, keys, (lua_Integer)n + 1);
		if (!crumb_field(source->btf, source->type, luaL_checkstring(L, -1),
				 &reader->fields[n]))
			luaL_error(L, "the records of this ring have no field '%s'",
				   lua_tostring(L, -1));
		lua_pop(L, 1);
	}
}

/* Appends the list on the top of the stack to the list at `keys`, and pops it. */
static uint32_t append_list(lua_State *L, int keys)
{
	uint32_t length = (uint32_t)lua_rawlen(L, -1);
	lua_Integer before = (lua_Integer)lua_rawlen(L, keys);

	for (uint32_t n = 1; n <= length; n++) {
		lua_rawgeti(L, -1, n);
		luaL_checkstring(L, -1);
		lua_rawseti(L, keys, before + n);
	}
	lua_pop(L, 1);
	return length;
}

/*
 * ring:reader(fields | nil, pause [, deadline [, snapshot]]) -> iterator
 *
 * With a list of fields the iterator gives their values; with nil a table (the bytes, where the
 * source has no type) and its map.  When no record waits it calls
 * pause(delivered), and ends when that returns false.  It ends too at the deadline (ns,
 * CLOCK_MONOTONIC), on Ctrl-C (crumb.Interrupt), when the ring is closed, and, with snapshot,
 * after the records that had come by now.
 */
int l_ring_reader(lua_State *L)
{
	enum { RING_AT = 1, FIELDS, PAUSE, DEADLINE, SNAPSHOT, READER, KEYS };
	struct ring *ring = handle_check(L, RING_AT, RING);
	int fields = lua_istable(L, FIELDS) ? FIELDS : 0;
	uint32_t total = 0;
	struct reader *reader;

	luaL_checktype(L, PAUSE, LUA_TFUNCTION);
	lua_settop(L, SNAPSHOT);
	reader = lua_newuserdatauv(L, sizeof(*reader), 2);
	memset(reader, 0, sizeof(*reader));
	lua_newtable(L);
	reader->ring = ring;
	reader->deadline = luaL_optinteger(L, DEADLINE, INT64_MAX);
	reader->until_check = CHECK_EVERY;
	reader->tables = !fields;
	reader->sources = ring->count;
	reader->plans = lua_newuserdatauv(L, (ring->count + 1) * sizeof(*reader->plans), 0);
	lua_setiuservalue(L, READER, 1);
	for (size_t i = 0; i < ring->count; i++) {
		struct plan *plan = &reader->plans[i];

		push_names(L, &ring->sources[i], fields);
		plan->first = total;
		plan->count = append_list(L, KEYS);
		plan->end = lua_toboolean(L, SNAPSHOT) ?
				    __atomic_load_n(ring->sources[i].producer, __ATOMIC_ACQUIRE) :
				    ULONG_MAX;
		total += plan->count;
	}
	reader->fields = lua_newuserdatauv(L, (total + 1) * sizeof(*reader->fields), 0);
	lua_setiuservalue(L, READER, 2);
	for (size_t i = 0; i < ring->count; i++)
		resolve(L, reader, i, KEYS);
	lua_pushvalue(L, READER);
	lua_pushvalue(L, RING_AT);
	lua_pushvalue(L, KEYS);
	lua_getfield(L, RING_AT, "maps");
	lua_pushvalue(L, PAUSE);
	lua_pushcclosure(L, l_reader_next, UP_PAUSE);
	return 1;
}
