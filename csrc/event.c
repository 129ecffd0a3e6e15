/*
 * event: see event.h.
 *
 * Every push may run a finalizer, which may take the next record by the same iterator.  So what is
 * decoded by is on the stack, and the caches are changed only when nothing more is allocated.
 */
#include "event.h"

#include <string.h>

/* Where a positional value comes from: a fixed one, a cell (FIXED + its number), or the site. */
#define OF_SITE 255

const char *const event_fixed_names[FIXED] = { "time", "pid", "tid", "uid", "gid", "comm", "cpu" };

static uint8_t find_column(lua_State *L, int names, const struct layout *layout, int field)
{
	const char *name = lua_tostring(L, field);

	/* A cell may take the place of a fixed one. */
	for (uint32_t i = 0; i < layout->count; i++) {
		bool equal;

		lua_rawgeti(L, names, i + 1);
		equal = lua_rawequal(L, -1, field);
		lua_pop(L, 1);
		if (equal)
			return (uint8_t)(FIXED + i);
	}
	for (int i = 0; i < FIXED; i++)
		if (!strcmp(name, event_fixed_names[i]))
			return (uint8_t)i;
	return OF_SITE;
}

/* Pushes a new plan and its names at their places, and keeps them; NULL: there is no such layout. */
static const struct plan *make_plan(lua_State *L, struct trail *trail, uint32_t generation)
{
	const struct layout *layout;
	const uint32_t slot = generation % PLANS;
	struct plan *plan;

	lua_rawgeti(L, lua_upvalueindex(UP_LAYOUTS), generation);
	layout = luaL_testudata(L, -1, LAYOUT);
	if (!layout)
		return NULL;
	plan = lua_newuserdatauv(L, sizeof(*plan), 1);
	plan->layout = *layout;
	lua_insert(L, PLAN_AT);
	lua_getiuservalue(L, NAMES_AT, LAYOUT_CONVERTERS);
	lua_setiuservalue(L, PLAN_AT, 1);
	lua_getiuservalue(L, NAMES_AT, LAYOUT_NAMES);
	lua_replace(L, NAMES_AT);
	for (int i = 0; i < trail->fields; i++) {
		lua_rawgeti(L, lua_upvalueindex(UP_FIELDS), i + 1);
		plan->columns[i] = find_column(L, NAMES_AT, &plan->layout, lua_gettop(L));
		lua_pop(L, 1);
	}
	lua_pushvalue(L, PLAN_AT);
	lua_rawseti(L, lua_upvalueindex(UP_PLANS), 2 * slot + 1);
	lua_pushvalue(L, NAMES_AT);
	lua_rawseti(L, lua_upvalueindex(UP_PLANS), 2 * slot + 2);
	trail->generations[slot] = generation;
	trail->plans[slot] = plan;
	return plan;
}

/* Pushes the plan of a generation, which it keeps, and the names of its cells. */
static inline const struct plan *push_plan(lua_State *L, struct trail *trail, uint32_t generation)
{
	const uint32_t slot = generation % PLANS;

	if (trail->generations[slot] != generation || !trail->plans[slot])
		return make_plan(L, trail, generation);
	lua_rawgeti(L, lua_upvalueindex(UP_PLANS), 2 * slot + 1);
	lua_rawgeti(L, lua_upvalueindex(UP_PLANS), 2 * slot + 2);
	return trail->plans[slot];
}

static void push_comm(lua_State *L, struct trail *trail, const char *comm)
{
	struct comm name;
	uint32_t slot;

	memcpy(&name.low, comm, sizeof(name.low));
	memcpy(&name.high, comm + sizeof(name.low), sizeof(name.high));
	slot = (name.low * 0x9e3779b97f4a7c15u ^ name.high * 0xc2b2ae3d27d4eb4fu) >> 32 &
	       (COMMS - 1);
	if (trail->comms[slot].low == name.low && trail->comms[slot].high == name.high) {
		lua_rawgeti(L, lua_upvalueindex(UP_COMMS), slot + 1);
		return;
	}
	lua_pushlstring(L, comm, strnlen(comm, sizeof(name)));
	lua_pushvalue(L, -1);
	lua_rawseti(L, lua_upvalueindex(UP_COMMS), slot + 1);
	trail->comms[slot] = name;
}

static inline void push_fixed(lua_State *L, struct trail *trail, const struct record *record,
			      int which)
{
	switch (which) {
	case FIXED_TIME:
		lua_pushinteger(L, (lua_Integer)record->time);
		break;
	case FIXED_PID:
		lua_pushinteger(L, record->pid);
		break;
	case FIXED_TID:
		lua_pushinteger(L, record->tid);
		break;
	case FIXED_UID:
		lua_pushinteger(L, record->uid);
		break;
	case FIXED_GID:
		lua_pushinteger(L, record->gid);
		break;
	case FIXED_COMM:
		push_comm(L, trail, record->comm);
		break;
	default:
		lua_pushinteger(L, record->cpu);
		break;
	}
}

/* What a function of Lua's makes of the value on the top of the stack; false for nil. */
static void convert(lua_State *L, uint32_t cell, uint32_t pid)
{
	lua_getiuservalue(L, PLAN_AT, 1);
	lua_rawgeti(L, -1, cell + 1);
	lua_replace(L, -2);
	lua_insert(L, -2);
	lua_pushinteger(L, pid);
	lua_call(L, 2, 1);
	if (lua_isnil(L, -1)) {
		lua_pop(L, 1);
		lua_pushboolean(L, 0);
	}
}

static inline void push_cell(lua_State *L, const struct plan *plan, const struct record *record,
			     uint32_t which)
{
	const struct cell *cell = &plan->layout.cells[which];
	const uint64_t value = record->cells[which];
	const char *piece = (const char *)record + crumb_piece_at(value);

	if (!crumb_cell_read(record, which)) {
		lua_pushboolean(L, 0);
		return;
	}
	switch (cell->kind) {
	case CELL_STRING:
		lua_pushlstring(L, piece, strnlen(piece, crumb_piece_length(value)));
		break;
	case CELL_BYTES:
		lua_pushlstring(L, piece, crumb_piece_length(value));
		break;
	default:
		lua_pushinteger(L, (lua_Integer)value);
		break;
	}
	if (cell->converted)
		convert(L, which, record->pid);
}

/* What sites[number].__index has by the name of this field; false for nil, which would end a loop. */
static void push_of_site(lua_State *L, int field)
{
	lua_pushvalue(L, lua_upvalueindex(UP_INDEX));
	if (lua_rawget(L, SITE_AT) == LUA_TTABLE) {
		lua_rawgeti(L, lua_upvalueindex(UP_FIELDS), field + 1);
		if (lua_rawget(L, -2) != LUA_TNIL) {
			lua_replace(L, -2);
			return;
		}
		lua_pop(L, 1);
	}
	lua_pop(L, 1);
	lua_pushboolean(L, 0);
}

static int push_fields(lua_State *L, struct trail *trail, const struct plan *plan,
		       const struct record *record)
{
	for (int i = 0; i < trail->fields; i++) {
		const uint8_t column = plan->columns[i];

		if (column < FIXED)
			push_fixed(L, trail, record, column);
		else if (column == OF_SITE)
			push_of_site(L, i);
		else
			push_cell(L, plan, record, column - FIXED);
	}
	return trail->fields;
}

/* Sets what pieces of the event were cut, if any were. */
static void set_truncated(lua_State *L, const struct plan *plan, const struct record *record)
{
	bool any = false;

	for (uint32_t i = 0; i < plan->layout.count; i++) {
		if (plan->layout.cells[i].kind == CELL_INTEGER || !crumb_cell_read(record, i) ||
		    !crumb_piece_cut(record->cells[i]))
			continue;
		if (!any) {
			lua_pushvalue(L, lua_upvalueindex(UP_TRUNCATED));
			lua_newtable(L);
			any = true;
		}
		lua_rawgeti(L, NAMES_AT, i + 1);
		lua_pushboolean(L, 1);
		lua_rawset(L, -3);
	}
	if (any)
		lua_rawset(L, EVENT_AT);
}

static void push_table(lua_State *L, struct trail *trail, const struct plan *plan,
		       const struct record *record)
{
	lua_createtable(L, 0, FIXED + (int)plan->layout.count);
	for (int i = 0; i < FIXED; i++) {
		lua_pushvalue(L, lua_upvalueindex(UP_KEYS + i));
		push_fixed(L, trail, record, i);
		lua_rawset(L, EVENT_AT);
	}
	for (uint32_t i = 0; i < plan->layout.count; i++) {
		lua_rawgeti(L, NAMES_AT, i + 1);
		push_cell(L, plan, record, i);
		lua_rawset(L, EVENT_AT);
	}
	set_truncated(L, plan, record);
	lua_pushvalue(L, SITE_AT);
	lua_setmetatable(L, EVENT_AT);
}

/* Whether the record of the site at SITE_AT is this iterator's own. */
static inline bool is_own(lua_State *L, const struct trail *trail)
{
	bool own;

	if (!trail->owned)
		return true;
	lua_rawgeti(L, SITE_AT, 1);
	own = lua_rawequal(L, -1, lua_upvalueindex(UP_OWNER));
	lua_pop(L, 1);
	return own;
}

int event_push(lua_State *L, struct trail *trail, const struct record *record, uint32_t length)
{
	const struct plan *plan = push_plan(L, trail, record->generation);
	bool own;

	if (!plan || !crumb_record_fits(&plan->layout, record, length))
		return NO_EVENT;
	if (lua_geti(L, lua_upvalueindex(UP_SITES), record->site) != LUA_TTABLE)
		return NO_EVENT;
	own = is_own(L, trail);
	if (own && trail->fields >= 0)
		return push_fields(L, trail, plan, record);
	push_table(L, trail, plan, record);
	return own ? 1 : FOREIGN;
}
