/*
 * nearest: which of the names that exist a mistyped one was meant to be.
 *
 * Near is what few edits reach (at most a third of the name's length, at least one) and what
 * begins with the name.  Candidates are offered one by one and must outlive the search.
 */
#ifndef CRUMB_NEAREST_H
#define CRUMB_NEAREST_H

#include <lua.h>
#include <stddef.h>
#include <stdint.h>

#define NEAREST_BEST 3

struct nearest {
	const char *name;
	size_t length;
	uint64_t letters; /* which characters occur, folded to 64 */
	int limit; /* more edits than this are of no interest (any more) */
	int count;
	struct {
		const char *name;
		int edits;
	} best[NEAREST_BEST]; /* the nearest first */
};

void crumb_nearest_begin(struct nearest *nearest, const char *name);

void crumb_nearest_offer(struct nearest *nearest, const char *candidate);

/* Pushes " (nearest: a, b)", or "" when nothing is near, and returns it. */
const char *nearest_push(lua_State *L, const struct nearest *nearest);

/* core.nearest(name, names) -> list of at most three of them, and nearest_push's text */
int l_nearest(lua_State *L);

#endif
