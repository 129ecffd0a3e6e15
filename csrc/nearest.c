/* nearest: see nearest.h. */
#include "nearest.h"

#include <lauxlib.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define LONGEST 255 /* longer names are compared by their beginning only */
#define FAR (LONGEST + 1)

static uint64_t letters_of(const char *name, size_t *length)
{
	const unsigned char *at = (const unsigned char *)name;
	uint64_t letters = 0;

	for (; *at; at++)
		letters |= 1ull << (*at & 63);
	*length = (size_t)(at - (const unsigned char *)name);
	return letters;
}

static int min(int a, int b)
{
	return a < b ? a : b;
}

/* One row of the optimal string alignment's matrix, inside the band; returns its least value. */
static int row_fill(const char *a, const char *b, int i, int from, int to, const int *before,
		    const int *above, int *row)
{
	int least = FAR, j;

	row[from - 1] = from == 1 ? i : FAR;
	for (j = from; j <= to; j++) {
		int edits = above[j - 1] + (a[i - 1] != b[j - 1]);

		edits = min(edits, min(above[j], row[j - 1]) + 1);
		if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
			edits = min(edits, before[j - 2] + 1);
		row[j] = edits;
		least = min(least, edits);
	}
	row[to + 1] = FAR;
	return least;
}

/* Edits between a and b, or FAR as soon as they are more than `limit`. */
static int distance(const char *a, int a_length, const char *b, int b_length, int limit)
{
	int rows[3][LONGEST + 3];
	int i, j;

	for (j = 0; j <= b_length; j++)
		rows[0][j] = j;
	for (i = 1; i <= a_length; i++) {
		int from = i - limit > 1 ? i - limit : 1;
		int to = min(i + limit, b_length);
		int least = row_fill(a, b, i, from, to, rows[(i + 1) % 3], rows[(i + 2) % 3],
				     rows[i % 3]);

		if (least > limit)
			return FAR;
	}
	return rows[a_length % 3][b_length] > limit ? FAR : rows[a_length % 3][b_length];
}

static int edits_to(const struct nearest *nearest, const char *candidate)
{
	size_t length;
	uint64_t letters = letters_of(candidate, &length);
	int difference = abs((int)(length - nearest->length));

	if (nearest->length > 1 && length >= nearest->length &&
	    !memcmp(candidate, nearest->name, nearest->length))
		return min(difference, FAR - 1);
	if (length > LONGEST || nearest->length > LONGEST || difference > nearest->limit)
		return FAR;
	/* A character that the other lacks costs an edit of its own. */
	if (__builtin_popcountll(letters & ~nearest->letters) > nearest->limit ||
	    __builtin_popcountll(nearest->letters & ~letters) > nearest->limit)
		return FAR;
	return distance(nearest->name, (int)nearest->length, candidate, (int)length,
			nearest->limit);
}

static bool is_before(int edits, const char *name, int other_edits, const char *other)
{
	return edits != other_edits ? edits < other_edits : strcmp(name, other) < 0;
}

void crumb_nearest_begin(struct nearest *nearest, const char *name)
{
	memset(nearest, 0, sizeof(*nearest));
	nearest->name = name;
	nearest->letters = letters_of(name, &nearest->length);
	nearest->limit = nearest->length > LONGEST ? LONGEST / 3 : (int)nearest->length / 3;
	if (!nearest->limit)
		nearest->limit = 1;
}

void crumb_nearest_offer(struct nearest *nearest, const char *candidate)
{
	int edits = edits_to(nearest, candidate);
	int at = nearest->count, i;

	if (edits == FAR || !*candidate)
		return;
	for (i = 0; i < nearest->count; i++)
		if (!strcmp(nearest->best[i].name, candidate))
			return;
	while (at > 0 &&
	       is_before(edits, candidate, nearest->best[at - 1].edits, nearest->best[at - 1].name))
		at--;
	if (at == NEAREST_BEST)
		return;
	if (nearest->count < NEAREST_BEST)
		nearest->count++;
	for (i = nearest->count - 1; i > at; i--)
		nearest->best[i] = nearest->best[i - 1];
	nearest->best[at].name = candidate;
	nearest->best[at].edits = edits;
	if (nearest->count == NEAREST_BEST)
		nearest->limit = min(nearest->limit, nearest->best[NEAREST_BEST - 1].edits);
}

/* Names come from files that others wrote, and hints go to terminals. */
static void push_harmless(lua_State *L, const char *name)
{
	luaL_Buffer shown;

	luaL_buffinit(L, &shown);
	for (; *name; name++) {
		if (*name >= ' ' && *name <= '~') {
			luaL_addchar(&shown, *name);
		} else {
			lua_pushfstring(L, "\\x%c%c", "0123456789abcdef"[*name >> 4 & 15],
					"0123456789abcdef"[*name & 15]);
			luaL_addvalue(&shown);
		}
	}
	luaL_pushresult(&shown);
}

const char *nearest_push(lua_State *L, const struct nearest *nearest)
{
	int i;

	luaL_checkstack(L, LUA_MINSTACK, NULL);
	if (!nearest->count)
		return lua_pushliteral(L, "");
	lua_pushliteral(L, " (nearest: ");
	for (i = 0; i < nearest->count; i++) {
		push_harmless(L, nearest->best[i].name);
		lua_pushstring(L, i + 1 < nearest->count ? ", " : ")");
		lua_concat(L, 3);
	}
	return lua_tostring(L, -1);
}

int l_nearest(lua_State *L)
{
	struct nearest nearest;
	lua_Integer i, count;

	crumb_nearest_begin(&nearest, luaL_checkstring(L, 1));
	luaL_checktype(L, 2, LUA_TTABLE);
	count = (lua_Integer)lua_rawlen(L, 2);
	for (i = 1; i <= count; i++) {
		/* Strings only: a number would be turned into one that nobody keeps. */
		if (lua_rawgeti(L, 2, i) != LUA_TSTRING)
			return luaL_argerror(L, 2, "expected a list of strings");
		crumb_nearest_offer(&nearest, lua_tostring(L, -1));
		lua_pop(L, 1);
	}
	lua_createtable(L, nearest.count, 0);
	for (i = 0; i < nearest.count; i++) {
		lua_pushstring(L, nearest.best[i].name);
		lua_rawseti(L, -2, i + 1);
	}
	nearest_push(L, &nearest);
	return 2;
}
