/*
 * trail: the iterator over the engine's records; event.c makes events of them.
 *
 * A record is copied and its place handed back before any of it becomes Lua's, so that whatever
 * runs meanwhile (converters, finalizers, errors of memory) neither repeats nor loses another.
 */
#include <string.h>

#include "event.h"

#define SMALL 1024 /* bytes of a record that is copied to the C stack */

/* Takes the next record of one source and pushes what it returns. */
static int take(lua_State *L, struct trail *trail, size_t turn)
{
	struct ring *ring = trail->ring;
	struct source *source = &ring->sources[turn];
	unsigned long position = *source->consumer;
	uint64_t small[SMALL / sizeof(uint64_t)];
	void *copy = small;
	const void *record;
	uint32_t length;
	int results;

	if ((trail->ends && position >= trail->ends[turn]) ||
	    !crumb_source_peek(source, &record, &length))
		return NOTHING;
	if ((length & BPF_RINGBUF_DISCARD_BIT) || length < sizeof(struct record)) {
		crumb_source_skip(ring, source, length);
		return NO_EVENT;
	}
	if (length > SMALL) {
		copy = lua_newuserdatauv(L, length, 0);
		if (!crumb_is_next(ring, turn, position))
			return NO_EVENT;
	} else {
		lua_pushnil(L);
	}
	memcpy(copy, record, length);
	crumb_source_advance(&ring->sources[turn], length);
	ring->malformed++; /* unless it can be read */
	results = event_push(L, trail, copy, length);
	if (results == NO_EVENT)
		return NO_EVENT;
	ring->malformed--;
	ring->delivered++;
	return results;
}

static int take_any(lua_State *L, struct trail *trail)
{
	const size_t count = trail->ends ? trail->count : trail->ring->count;

	for (size_t i = 0; i < count; i++) {
		const size_t turn = trail->turn < count ? trail->turn : 0;
		int results = take(L, trail, turn);

		trail->turn = turn + 1;
		if (results != NOTHING)
			return results;
	}
	return NOTHING;
}

/* The functions that it calls may yield: it goes on after them here. */
static int go_on(lua_State *L, int status, lua_KContext paused)
{
	struct trail *trail = lua_touserdata(L, lua_upvalueindex(UP_TRAIL));
	struct ring *ring = trail->ring;

	(void)status;
	for (;;) {
		int results;

		if (paused && !lua_toboolean(L, -1))
			return 0;
		lua_settop(L, 0);
		if (!ring->handle.release || crumb_interrupted() || crumb_time_is_up(&trail->pace))
			return 0;
		if (trail->fields > LUA_MINSTACK / 2)
			luaL_checkstack(L, trail->fields + LUA_MINSTACK, NULL);
		results = take_any(L, trail);
		if (results > 0)
			return results;
		paused = results == NOTHING;
		if (results == FOREIGN) {
			lua_pushvalue(L, lua_upvalueindex(UP_OTHER));
			lua_pushvalue(L, EVENT_AT);
			lua_callk(L, 1, 0, false, go_on);
		} else if (paused) {
			lua_pushvalue(L, lua_upvalueindex(UP_PAUSE));
			lua_pushinteger(L, (lua_Integer)ring->delivered);
			lua_callk(L, 1, 1, true, go_on);
		}
	}
}

static int l_trail_next(lua_State *L)
{
	return go_on(L, LUA_OK, false);
}

/* Pushes options[name], which is of the type, or nil where that may be. */
static void push_option(lua_State *L, int options, const char *name, int type, bool may_miss)
{
	int given = lua_getfield(L, options, name);

	if (given != type && !(may_miss && given == LUA_TNIL))
		luaL_argerror(L, options,
			      lua_pushfstring(L, "%s: %s expected, got %s", name,
					      lua_typename(L, type), lua_typename(L, given)));
}

/* Pushes the list of fields, copied, or nil; how many, or -1. */
static int push_field_list(lua_State *L, int options)
{
	int given, count;

	push_option(L, options, "fields", LUA_TTABLE, true);
	if (lua_isnil(L, -1))
		return -1;
	given = lua_gettop(L);
	luaL_argcheck(L, lua_rawlen(L, given) >= 1 && lua_rawlen(L, given) <= FIELD_LIMIT, options,
		      "fields: none, or too many");
	count = (int)lua_rawlen(L, given);
	lua_createtable(L, count, 0);
	for (int i = 1; i <= count; i++) {
		luaL_argcheck(L, lua_rawgeti(L, given, i) == LUA_TSTRING, options,
			      "fields: not a list of strings");
		lua_rawseti(L, -2, i);
	}
	lua_replace(L, given);
	return count;
}

/* Pushes a list of so many equal values, made full so that setting one allocates nothing. */
static void push_filled(lua_State *L, int count, const char *value)
{
	lua_createtable(L, count, 0);
	for (int i = 1; i <= count; i++) {
		lua_pushstring(L, value);
		lua_rawseti(L, -2, i);
	}
}

/* Notes where the records end that have come by now; kept by the trail at `index`. */
static void take_snapshot(lua_State *L, int index, struct trail *trail)
{
	const size_t count = trail->ring->count;
	unsigned long *ends = lua_newuserdatauv(L, (count + 1) * sizeof(*ends), 0);

	lua_setiuservalue(L, index, 1);
	for (size_t i = 0; i < count && i < trail->ring->count; i++)
		ends[i] = __atomic_load_n(trail->ring->sources[i].producer, __ATOMIC_ACQUIRE);
	trail->count = count < trail->ring->count ? count : trail->ring->count;
	trail->ends = ends;
}

/*
 * ring:trail{ layouts =, sites =, pause =, fields =, owner =, other =, deadline =, snapshot = } -> iterator
 *
 * Without fields the iterator gives an event, with fields their values, false for what the record
 * has not.  With an owner those of other owners go to other(event).  pause, deadline and snapshot
 * are as in ring:reader; maps that are added to the ring meanwhile are read too.
 */
int l_ring_trail(lua_State *L)
{
	enum { RING_AT = 1, OPTIONS, TRAIL };
	struct ring *ring = handle_check(L, RING_AT, RING);
	struct trail *trail;
	int fields;

	luaL_checktype(L, OPTIONS, LUA_TTABLE);
	lua_settop(L, OPTIONS);
	trail = lua_newuserdatauv(L, sizeof(*trail), 1);
	memset(trail, 0, sizeof(*trail));
	trail->ring = ring;
	lua_getfield(L, OPTIONS, "deadline");
	trail->pace.deadline = lua_isnil(L, -1) ? INT64_MAX : luaL_checkinteger(L, -1);
	lua_getfield(L, OPTIONS, "snapshot");
	if (lua_toboolean(L, -1))
		take_snapshot(L, TRAIL, trail);
	lua_settop(L, TRAIL);

	luaL_checkstack(L, UP_KEYS + FIXED + LUA_MINSTACK, NULL);
	lua_pushvalue(L, RING_AT); /* from here on the upvalues, in their order */
	push_option(L, OPTIONS, "layouts", LUA_TTABLE, false);
	push_option(L, OPTIONS, "sites", LUA_TTABLE, false);
	fields = push_field_list(L, OPTIONS);
	lua_getfield(L, OPTIONS, "owner");
	trail->owned = !lua_isnil(L, -1);
	push_option(L, OPTIONS, "other", LUA_TFUNCTION, !trail->owned);
	push_option(L, OPTIONS, "pause", LUA_TFUNCTION, false);
	push_filled(L, 2 * PLANS, "");
	push_filled(L, COMMS, "");
	lua_pushliteral(L, "__index");
	lua_pushliteral(L, "truncated");
	for (int i = 0; i < FIXED; i++)
		lua_pushstring(L, event_fixed_names[i]);
	trail->fields = fields;
	handle_check(L, RING_AT, RING);
	lua_pushcclosure(L, l_trail_next, UP_KEYS - 1 + FIXED);
	return 1;
}
