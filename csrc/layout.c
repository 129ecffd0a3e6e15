/* layout: see layout.h. */
#include "layout.h"

#include "core.h"

bool crumb_record_fits(const struct layout *layout, const struct record *record, uint32_t length)
{
	const uint32_t pieces = (uint32_t)sizeof(*record) + 8 * layout->count;

	if (length < pieces)
		return false;
	for (uint32_t i = 0; i < layout->count; i++) {
		uint64_t cell = record->cells[i];
		uint32_t at = crumb_piece_at(cell);

		if (layout->cells[i].kind == CELL_INTEGER || !crumb_cell_read(record, i))
			continue;
		if (cell >> 33 || at < pieces || at > length ||
		    crumb_piece_length(cell) > length - at)
			return false;
	}
	return true;
}

/* Takes the description of one cell on the top of the stack, and pops it. */
static void read_cell(lua_State *L, struct cell *cell, int names, int converters, lua_Integer place)
{
	static const char *const kinds[] = { "integer", "string", "bytes", NULL };
	int description = lua_gettop(L);

	luaL_argcheck(L, lua_istable(L, description), 1, "a cell is a table");
	lua_getfield(L, description, "kind");
	cell->kind = (uint8_t)luaL_checkoption(L, -1, NULL, kinds);
	luaL_argcheck(L, lua_getfield(L, description, "name") == LUA_TSTRING, 1,
		      "a cell's name is a string");
	lua_rawseti(L, names, place);
	switch (lua_getfield(L, description, "convert")) {
	case LUA_TNIL:
		lua_pushboolean(L, 0);
		lua_rawseti(L, converters, place);
		break;
	case LUA_TFUNCTION:
		cell->converted = true;
		lua_pushvalue(L, -1);
		lua_rawseti(L, converters, place);
		break;
	default:
		luaL_argerror(L, 1, "a cell's convert is a function");
	}
	lua_settop(L, description - 1);
}

/* core.layout{ { name =, kind = "integer" | "string" | "bytes", convert = function | nil }, … } -> Layout */
int l_layout(lua_State *L)
{
	enum { CELLS = 1, RESULT, NAMES, CONVERTERS };
	struct layout *layout;
	lua_Unsigned count;

	luaL_checktype(L, CELLS, LUA_TTABLE);
	lua_settop(L, CELLS);
	count = lua_rawlen(L, CELLS);
	luaL_argcheck(L, count <= MAX_CELLS, CELLS, "too many cells");
	layout = lua_newuserdatauv(L, sizeof(*layout), LAYOUT_VALUES);
	*layout = (struct layout){ .count = (uint32_t)count };
	luaL_setmetatable(L, LAYOUT);
	lua_createtable(L, (int)count, 0);
	lua_createtable(L, (int)count, 0);
	for (uint32_t i = 0; i < count; i++) {
		lua_rawgeti(L, CELLS, i + 1);
		read_cell(L, &layout->cells[i], NAMES, CONVERTERS, i + 1);
	}
	lua_setiuservalue(L, RESULT, LAYOUT_CONVERTERS);
	lua_setiuservalue(L, RESULT, LAYOUT_NAMES);
	return 1;
}

void layout_register(lua_State *L)
{
	luaL_newmetatable(L, LAYOUT);
	lua_pop(L, 1);
}
