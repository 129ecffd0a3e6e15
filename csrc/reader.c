/*
 * reader: the iterators over a ring's records, as tables, as positional values or as bytes.
 *
 * Which bytes make which value is resolved once, when the reader is made.
 */
#include <limits.h>
#include <string.h>

#include "ring.h"

#define SMALL 1024 /* bytes of a record that is copied to the C stack */
#define FIELD_LIMIT 200 /* values in a row; keys of tables, which are upvalues */
#define VISITS 4096 /* members looked at for their names */

/* What one source's records are read with.  Its types outlive the source: the ring keeps them. */
struct plan {
	const struct btf *btf; /* NULL: raw bytes */
	uint32_t type;
	uint64_t least; /* bytes: a shorter record is malformed */
	uint32_t first, count; /* of reader.fields, and of the keys */
	uint64_t need; /* bytes: in a shorter record some field lies behind the end */
	bool plain; /* integers only: nothing is allocated */
	unsigned long end; /* the position to stop at */
};

struct reader {
	struct ring *ring;
	struct pace pace;
	bool tables;
	int slots; /* of the stack that a record takes */
	size_t turn; /* the source to look at first, so that none starves */
	size_t count;
	struct plan *plans; /* of each source that the ring had */
	struct field *fields;
};

/* The upvalues of an iterator; behind them come the keys of tables. */
enum { UP_READER = 1, UP_RING, UP_MAPS, UP_PAUSE, UP_KEYS };

/* The bytes of a record that a field takes. */
static uint64_t field_end(const struct btf *btf, const struct field *field)
{
	int64_t size = field->bit_size ? (field->bit_offset + field->bit_size + 7) / 8
				       : crumb_type_size(btf, field->type);

	return field->offset + (uint64_t)(size > 0 ? size : 0);
}

/* false stands for what a record is too short for: nil would end a loop. */
static inline void push_field(lua_State *L, const struct btf *btf, const struct field *field,
			      const void *record, uint32_t length, bool whole)
{
	if (whole || field_end(btf, field) <= length)
		codec_push_field(L, btf, field, record, length);
	else
		lua_pushboolean(L, 0);
}

/* Pushes the values of a record, or sets them in the table on the top of the stack. */
static inline int push_values(lua_State *L, const struct reader *reader, const struct plan *plan,
			      const void *record, uint32_t length, bool whole)
{
	const struct field *field = reader->fields + plan->first, *end = field + plan->count;
	const struct btf *btf = plan->btf;
	int key = lua_upvalueindex(UP_KEYS + (int)plan->first);

	if (!reader->tables) {
		for (; field < end; field++)
			push_field(L, btf, field, record, length, whole);
		return (int)plan->count;
	}
	for (; field < end; field++) {
		lua_pushvalue(L, key--);
		push_field(L, btf, field, record, length, whole);
		lua_rawset(L, -3);
	}
	return 1;
}

/*
 * Pushes what a copy of a record holds.  This allocates, so a __gc metamethod may run in it that
 * closes the ring or takes the next record: it must not look at the source.
 */
static int push_record(lua_State *L, const struct reader *reader, const struct plan *plan,
		       const void *record, uint32_t length)
{
	if (!plan->btf) {
		lua_pushlstring(L, record, length);
		return 1;
	}
	if (!plan->count) {
		codec_push(L, plan->btf, plan->type, record, length);
		return 1;
	}
	if (reader->tables)
		lua_createtable(L, 0, (int)plan->count);
	return push_values(L, reader, plan, record, length, length >= plan->need);
}

/* Takes the record at the head, which has been copied: an error from here on cannot repeat it. */
static int take_copy(lua_State *L, const struct reader *reader, const struct plan *plan,
		     struct source *source, const void *record, uint32_t length)
{
	int results;

	crumb_source_advance(source, length);
	reader->ring->malformed++; /* unless it can be read */
	results = push_record(L, reader, plan, record, length);
	reader->ring->malformed--;
	reader->ring->delivered++;
	return results;
}

enum { NOTHING = 0, NO_EVENT = -1 };

/* Takes the next record of one source and pushes its values, how many it returns. */
static int take(lua_State *L, struct reader *reader, size_t turn)
{
	struct ring *ring = reader->ring;
	struct source *source = &ring->sources[turn];
	const struct plan *plan = &reader->plans[turn];
	unsigned long position = *source->consumer;
	unsigned char small[SMALL];
	void *copy = small;
	const void *record;
	uint32_t length;
	int results;

	if (position >= plan->end || !crumb_source_peek(source, &record, &length))
		return NOTHING;
	if ((length & BPF_RINGBUF_DISCARD_BIT) || length < plan->least) {
		crumb_source_skip(ring, source, length);
		return NO_EVENT;
	}
	if (!plan->plain || length < plan->need) {
		if (length > SMALL)
			copy = lua_newuserdatauv(L, length, 0);
		if (length > SMALL && !crumb_is_next(ring, turn, position))
			return NO_EVENT;
		memcpy(copy, record, length);
		return take_copy(L, reader, plan, &ring->sources[turn], copy, length);
	}
	if (reader->tables) {
		lua_createtable(L, 0, (int)plan->count);
		if (!crumb_is_next(ring, turn, position))
			return NO_EVENT;
	}
	/* Nothing is allocated from here on, so the record can be read where it lies. */
	results = push_values(L, reader, plan, record, length, true);
	crumb_source_advance(&ring->sources[turn], length);
	ring->delivered++;
	return results;
}

static int take_any(lua_State *L, struct reader *reader)
{
	for (size_t i = 0; i < reader->count; i++) {
		size_t turn = reader->turn;
		int results = take(L, reader, turn);

		reader->turn = turn + 1 < reader->count ? turn + 1 : 0;
		if (results > 0 && reader->tables) {
			lua_rawgeti(L, lua_upvalueindex(UP_MAPS), (lua_Integer)turn + 1);
			return results + 1;
		}
		if (results != NOTHING)
			return results;
	}
	return NOTHING;
}

static int l_reader_next(lua_State *L)
{
	struct reader *reader = lua_touserdata(L, lua_upvalueindex(UP_READER));
	struct ring *ring = reader->ring;

	for (;;) {
		int results;

		lua_settop(L, 0);
		if (!ring->handle.release || crumb_interrupted() || crumb_time_is_up(&reader->pace))
			return 0;
		if (reader->slots > LUA_MINSTACK)
			luaL_checkstack(L, reader->slots, NULL);
		results = take_any(L, reader);
		if (results > 0)
			return results;
		if (results == NO_EVENT)
			continue;
		lua_pushvalue(L, lua_upvalueindex(UP_PAUSE));
		lua_pushinteger(L, (lua_Integer)ring->delivered);
		lua_call(L, 1, 1);
		if (!lua_toboolean(L, -1))
			return 0;
	}
}

/*
 * Appends the names of a struct's members to the list on the top of the stack; those of its
 * anonymous members stand beside its own.  false: they are too many.
 */
static bool append_members(lua_State *L, const struct btf *btf, uint32_t id, int depth, int *visits)
{
	const struct btf_type *type = btf__type_by_id(btf, (uint32_t)btf__resolve_type(btf, id));

	if (!type || !btf_is_composite(type))
		return true;
	if (depth > 8)
		return false;
	for (uint32_t i = 0; i < btf_vlen(type); i++) {
		const char *name = btf__name_by_offset(btf, btf_members(type)[i].name_off);

		if (--*visits < 0)
			return false;
		if (name && *name) {
			lua_pushstring(L, name);
			lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
		} else if (!append_members(L, btf, btf_members(type)[i].type, depth + 1, visits)) {
			return false;
		}
	}
	return true;
}

/*
 * Pushes the list of the fields to read by one plan: the list at `fields`, or all.  None at all:
 * the record is decoded as a whole, which is slower.
 */
static void push_names(lua_State *L, const struct plan *plan, int fields, uint32_t room)
{
	int visits = VISITS;

	if (fields) {
		if (!plan->btf)
			luaL_error(L, "the records of this ring are raw bytes: give it their type");
		lua_pushvalue(L, fields);
		return;
	}
	lua_newtable(L);
	if (plan->btf && append_members(L, plan->btf, plan->type, 0, &visits) &&
	    lua_rawlen(L, -1) <= room)
		return;
	lua_pop(L, 1);
	lua_newtable(L);
}

/* Resolves the keys of one plan; the list of all keys is at `keys`. */
static void resolve(lua_State *L, struct reader *reader, struct plan *plan, int keys)
{
	plan->need = plan->least;
	plan->plain = plan->count;
	for (uint32_t n = plan->first; n < plan->first + plan->count; n++) {
		struct field *field = &reader->fields[n];
		uint64_t end;

		lua_rawgeti(L, keys, (lua_Integer)n + 1);
		if (!crumb_field(plan->btf, plan->type, handle_check_text(L, -1), field))
			luaL_error(L, "the records of this ring have no field '%s'",
				   lua_tostring(L, -1));
		lua_pop(L, 1);
		end = field_end(plan->btf, field);
		if (end > plan->need)
			plan->need = end;
		plan->plain = plan->plain && field->kind != FIELD_TYPED;
	}
}

/* Appends the list on the top of the stack to the list at `keys`, and pops it. */
static uint32_t append_list(lua_State *L, int keys)
{
	uint32_t length = (uint32_t)lua_rawlen(L, -1);
	lua_Integer before = (lua_Integer)lua_rawlen(L, keys);

	for (uint32_t n = 1; n <= length; n++) {
		lua_rawgeti(L, -1, n);
		handle_check_text(L, -1);
		lua_rawseti(L, keys, before + n);
	}
	lua_pop(L, 1);
	return length;
}

/* Pushes the closure of what lies at these indices. */
static void push_iterator(lua_State *L, int reader_at, int ring, int pause, int keys)
{
	const struct reader *reader = lua_touserdata(L, reader_at);
	int count = reader->tables ? (int)lua_rawlen(L, keys) : 0;

	luaL_checkstack(L, UP_KEYS + count, NULL);
	lua_pushvalue(L, reader_at);
	lua_pushvalue(L, ring);
	lua_getiuservalue(L, ring, HANDLE_KEPT);
	lua_pushvalue(L, pause);
	for (int i = 1; i <= count; i++)
		lua_rawgeti(L, keys, i);
	lua_pushcclosure(L, l_reader_next, UP_KEYS - 1 + count);
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

	luaL_argcheck(L, !fields || lua_rawlen(L, fields) <= FIELD_LIMIT, FIELDS,
		      "too many fields");
	luaL_checktype(L, PAUSE, LUA_TFUNCTION);
	lua_settop(L, SNAPSHOT);
	reader = lua_newuserdatauv(L, sizeof(*reader), 2);
	memset(reader, 0, sizeof(*reader));
	lua_newtable(L);
	reader->ring = ring;
	reader->pace.deadline = luaL_optinteger(L, DEADLINE, INT64_MAX);
	reader->tables = !fields;
	reader->slots = fields ? (int)lua_rawlen(L, fields) + 4 : 0;
	reader->count = ring->count;
	reader->plans = lua_newuserdatauv(L, (reader->count + 1) * sizeof(*reader->plans), 0);
	lua_setiuservalue(L, READER, 1);
	handle_check(L, RING_AT, RING);
	for (size_t i = 0; i < reader->count; i++) {
		const struct source *source = &ring->sources[i];

		reader->plans[i] = (struct plan){
			.btf = source->btf,
			.type = source->type,
			.least = source->least,
			.end = lua_toboolean(L, SNAPSHOT)
				       ? __atomic_load_n(source->producer, __ATOMIC_ACQUIRE)
				       : ULONG_MAX,
		};
	}
	for (size_t i = 0; i < reader->count; i++) {
		push_names(L, &reader->plans[i], fields, FIELD_LIMIT - total);
		reader->plans[i].first = total;
		reader->plans[i].count = append_list(L, KEYS);
		total += reader->plans[i].count;
	}
	reader->fields = lua_newuserdatauv(L, (total + 1) * sizeof(*reader->fields), 0);
	lua_setiuservalue(L, READER, 2);
	for (size_t i = 0; i < reader->count; i++)
		resolve(L, reader, &reader->plans[i], KEYS);
	push_iterator(L, READER, RING_AT, PAUSE, KEYS);
	return 1;
}
