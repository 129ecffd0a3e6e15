/*
 * glob: see glob.h.
 *
 * A pattern is cut at its stars into pieces of fixed length: the first and the last lie at the
 * name's ends, and each other one is taken where it is found first, from left to right.  What a
 * later place of an earlier piece could match, the first one can too, so nothing is tried twice.
 */
#define _GNU_SOURCE
#include "glob.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core.h"

#define CLASS "crumb.Glob"

/* What a part of a pattern takes: the byte of that value, any byte, or SET + the number of a set. */
enum { ANY = 256, SET };

struct set {
	uint64_t bytes[4];
};

struct piece {
	size_t start, length; /* of its parts; each takes one byte */
	bool plain; /* they are all bytes */
};

struct glob {
	size_t count; /* of pieces: one more than there are stars, without the empty ones between stars */
	struct piece *pieces;
	uint32_t *parts;
	char *bytes; /* the parts again, where they are bytes */
	struct set *sets;
};

static void set_add(struct set *set, unsigned char first, unsigned char last)
{
	unsigned int byte;

	for (byte = first; byte <= last; byte++)
		set->bytes[byte / 64] |= 1ull << byte % 64;
}

/* The set between a "[" and the "]" that closes it, whose length is given. */
static void set_fill(struct set *set, const char *at, size_t length)
{
	bool negated = *at == '!' || *at == '^';
	size_t i, word;

	for (i = negated; i < length; i++) {
		if (i + 2 < length && at[i + 1] == '-') {
			set_add(set, (unsigned char)at[i], (unsigned char)at[i + 2]);
			i += 2;
		} else {
			set_add(set, (unsigned char)at[i], (unsigned char)at[i]);
		}
	}
	for (word = 0; negated && word < 4; word++)
		set->bytes[word] = ~set->bytes[word];
}

/* The length of what stands in a set that begins at `at`, after its "["; 0: it is not closed. */
static size_t set_length(const char *at, const char *end)
{
	const char *first = at < end && (*at == '!' || *at == '^') ? at + 1 : at;
	const char *close = NULL;

	/* A "]" that comes first is a member. */
	if (first + 1 < end)
		close = memchr(first + 1, ']', (size_t)(end - first - 1));
	return close ? (size_t)(close - at) : 0;
}

/* Ends the last piece at `used` and begins another, in its place where it is empty between stars. */
static void piece_end(struct glob *glob, size_t used)
{
	struct piece *piece = &glob->pieces[glob->count - 1];

	piece->length = used - piece->start;
	if (!piece->length && glob->count > 1)
		glob->count--;
	glob->pieces[glob->count++] = (struct piece){ .start = used, .plain = true };
}

static void parse(struct glob *glob, const char *at, const char *end)
{
	size_t used = 0, sets = 0, length;

	glob->count = 1;
	glob->pieces[0].plain = true;
	for (; at < end; at++) {
		if (*at == '*') {
			piece_end(glob, used);
			continue;
		}
		length = *at == '[' ? set_length(at + 1, end) : 0;
		if (length) {
			set_fill(&glob->sets[sets], at + 1, length);
			glob->parts[used] = SET + (uint32_t)sets++;
			at += length + 1;
		} else {
			glob->parts[used] = *at == '?' ? ANY : (unsigned char)*at;
			glob->bytes[used] = *at;
		}
		if (glob->parts[used] >= ANY)
			glob->pieces[glob->count - 1].plain = false;
		used++;
	}
	glob->pieces[glob->count - 1].length = used - glob->pieces[glob->count - 1].start;
}

struct glob *crumb_glob_compile(const char *pattern, size_t length)
{
	struct glob *glob = calloc(1, sizeof(*glob));
	size_t pieces = 1, sets = 0, i;

	for (i = 0; i < length; i++) {
		pieces += pattern[i] == '*';
		sets += pattern[i] == '[';
	}
	if (!glob || length >= UINT32_MAX - SET) {
		free(glob);
		return NULL;
	}
	glob->pieces = calloc(pieces, sizeof(*glob->pieces));
	glob->parts = calloc(length + 1, sizeof(*glob->parts));
	glob->bytes = calloc(length + 1, 1);
	glob->sets = calloc(sets + 1, sizeof(*glob->sets));
	if (!glob->pieces || !glob->parts || !glob->bytes || !glob->sets) {
		crumb_glob_free(glob);
		return NULL;
	}
	parse(glob, pattern, pattern + length);
	return glob;
}

void crumb_glob_free(struct glob *glob)
{
	if (!glob)
		return;
	free(glob->pieces);
	free(glob->parts);
	free(glob->bytes);
	free(glob->sets);
	free(glob);
}

static bool takes(const struct glob *glob, uint32_t part, unsigned char byte)
{
	if (part < ANY)
		return part == byte;
	return part == ANY || (glob->sets[part - SET].bytes[byte / 64] >> byte % 64 & 1);
}

/* Whether a piece, as long as it is, lies at `name`. */
static bool lies(const struct glob *glob, const struct piece *piece, const char *name)
{
	const uint32_t *parts = glob->parts + piece->start;
	size_t i;

	if (piece->plain)
		return !memcmp(glob->bytes + piece->start, name, piece->length);
	for (i = 0; i < piece->length; i++)
		if (!takes(glob, parts[i], (unsigned char)name[i]))
			return false;
	return true;
}

/* Where a piece lies first from `at` on; NULL: nowhere. */
static const char *find(const struct glob *glob, const struct piece *piece, const char *at,
			const char *end)
{
	if (piece->plain)
		return memmem(at, (size_t)(end - at), glob->bytes + piece->start, piece->length);
	for (; piece->length <= (size_t)(end - at); at++)
		if (lies(glob, piece, at))
			return at;
	return NULL;
}

bool crumb_glob_match(const struct glob *glob, const char *name, size_t length)
{
	const struct piece *first = glob->pieces, *last = first + glob->count - 1, *piece;
	const char *at, *end;

	if (first == last)
		return length == first->length && lies(glob, first, name);
	if (length < first->length || length - first->length < last->length)
		return false;
	end = name + length - last->length;
	if (!lies(glob, first, name) || !lies(glob, last, end))
		return false;
	at = name + first->length;
	for (piece = first + 1; piece < last; piece++) {
		at = find(glob, piece, at, end);
		if (!at)
			return false;
		at += piece->length;
	}
	return true;
}

struct compiled {
	struct handle handle;
	struct glob *glob;
};

static int release(struct handle *handle)
{
	crumb_glob_free(((struct compiled *)handle)->glob);
	return 0;
}

int l_glob(lua_State *L)
{
	size_t length;
	const char *pattern = luaL_checklstring(L, 1, &length);
	struct compiled *compiled = handle_new(L, CLASS, sizeof(*compiled), 0);

	compiled->glob = crumb_glob_compile(pattern, length);
	if (!compiled->glob)
		return luaL_error(L, "not enough memory");
	compiled->handle.release = release;
	return 1;
}

const struct glob *glob_check(lua_State *L, int arg)
{
	return ((const struct compiled *)handle_check(L, arg, CLASS))->glob;
}

/* glob:match(name) -> boolean */
static int l_match(lua_State *L)
{
	const struct glob *glob = glob_check(L, 1);
	size_t length;
	const char *name = luaL_checklstring(L, 2, &length);

	lua_pushboolean(L, crumb_glob_match(glob, name, length));
	return 1;
}

void glob_register(lua_State *L)
{
	static const luaL_Reg methods[] = { { "match", l_match }, { NULL, NULL } };

	handle_class(L, CLASS, methods);
}
