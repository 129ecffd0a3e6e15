/* demangle: see demangle.h. */
#include "demangle.h"

#include <libiberty/demangle.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include "demangle_bound.h"

#define HARMLESS 64 /* a name this short cannot stand for a large tree */
#define HASH 17 /* letters of what ends a Rust name of the older scheme: h and 16 digits */

/* A function's own return type is left out: names begin with the name. */
#define OPTIONS (DMGL_PARAMS | DMGL_ANSI | DMGL_RET_DROP)

struct sink {
	struct demangled *to;
	size_t work; /* calls, and what they gave */
	char name[MANGLED_MAX + 1];
	size_t length;
	jmp_buf enough;
};

static bool within(const struct sink *sink, const char *data)
{
	return data >= sink->name && data <= sink->name + sink->length;
}

/*
 * The library cannot be told to stop, so it is left by a jump.  It holds memory only while it gives
 * the letters of a Rust name that are not ASCII, which are two bytes at least.
 */
static void take_cb(const char *data, size_t length, void *opaque)
{
	struct sink *sink = opaque;

	sink->work += length + 1;
	if (sink->work > 2 * DEMANGLED_MAX || sink->to->length + length > DEMANGLED_MAX) {
		sink->work = 2 * DEMANGLED_MAX;
		if (!sink->to->rust || length < 2 || within(sink, data))
			longjmp(sink->enough, 1);
		return;
	}
	if (length)
		memcpy(sink->to->text + sink->to->length, data, length);
	sink->to->length += (uint16_t)length;
}

static bool is_number(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/*
 * Lifetimes that are bound by a function or a trait are counted, and the count is a loop's: one of
 * more than one digit is no program's.
 */
static bool binds_many(const char *name)
{
	for (const char *at = name; (at = strchr(at, 'G')); at++)
		if (at > name && (at[-1] == 'F' || at[-1] == 'D') && is_number(at[1]) &&
		    is_number(at[2]))
			return true;
	return false;
}

static bool print_rust(struct sink *sink)
{
	if (setjmp(sink->enough))
		return false;
	return rust_demangle_callback(sink->name, 0, take_cb, sink) &&
	       sink->work < 2 * DEMANGLED_MAX && sink->to->length;
}

static bool print_cxx(struct sink *sink, struct demangle_component *tree)
{
	if (setjmp(sink->enough))
		return false;
	return cplus_demangle_print_callback(OPTIONS, tree, take_cb, sink) && sink->to->length;
}

/* Appends "::h0123456789abcdef", which tells apart what is written alike. */
static void append_hash(struct sink *sink)
{
	const char *end = NULL;

	sink->to->bare = sink->to->length;
	for (const char *at = sink->name; (at = strstr(at, "17h")); at++)
		if (strlen(at) > HASH + 2 && at[HASH + 2] == 'E')
			end = at + 2;
	if (!end || sink->name[1] == 'R')
		return;
	memcpy(sink->to->text + sink->to->length, "::", 2);
	memcpy(sink->to->text + sink->to->length + 2, end, HASH);
	sink->to->length += 2 + HASH;
}

static bool demangle_rust(struct sink *sink)
{
	sink->to->rust = true;
	if ((sink->name[1] == 'R' && binds_many(sink->name)) || !print_rust(sink))
		return false;
	append_hash(sink);
	return true;
}

/* A clone's name stays whole. */
uint16_t crumb_bare_length(const char *text, size_t length)
{
	size_t end = length, depth = 0;

	while (end && text[end - 1] && strchr(" &abcdefghijklmnopqrstuvwxyz", text[end - 1]))
		end--;
	if (!end || text[end - 1] != ')')
		return (uint16_t)length;
	for (; end; end--) {
		if (text[end - 1] == ')')
			depth++;
		else if (text[end - 1] == '(' && !--depth)
			return (uint16_t)(end > 1 ? end - 1 : length);
	}
	return (uint16_t)length;
}

static bool demangle_cxx(struct sink *sink)
{
	void *memory = NULL;
	struct demangle_component *tree =
		cplus_demangle_v3_components(sink->name, OPTIONS, &memory);
	bool done;

	if (!tree)
		return false;
	sink->to->rust = false;
	done = (sink->length <= HARMLESS ||
		crumb_demangle_bounded(tree, memory, 2 * sink->length)) &&
	       print_cxx(sink, tree);
	free(memory);
	if (done)
		sink->to->bare = crumb_bare_length(sink->to->text, sink->to->length);
	return done;
}

bool crumb_is_mangled(const char *name, size_t length)
{
	return length > 3 && name[0] == '_' && (name[1] == 'Z' || name[1] == 'R');
}

bool crumb_demangle(const char *name, size_t length, struct demangled *to)
{
	struct sink sink;
	bool done;

	if (!crumb_is_mangled(name, length) || length > MANGLED_MAX || memchr(name, 0, length))
		return false;
	memcpy(sink.name, name, length);
	sink.name[length] = 0;
	sink.length = length;
	sink.to = to;
	sink.work = 0;
	to->length = 0;
	done = demangle_rust(&sink);
	if (!done && name[1] == 'Z') {
		sink.work = 0;
		to->length = 0;
		done = demangle_cxx(&sink);
	}
	if (done)
		to->text[to->length] = 0;
	return done && !memchr(to->text, 0, to->length);
}
