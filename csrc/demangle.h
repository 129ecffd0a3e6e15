/*
 * demangle: names as C++ and Rust write them, from those that their linkers know.
 *
 * The names come from files that nobody vouches for: one that is long, or whose demangled form
 * would be, or that would take long, stays as it is.  No Lua.
 */
#ifndef CRUMB_DEMANGLE_H
#define CRUMB_DEMANGLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MANGLED_MAX 1024 /* longer ones are left: libiberty's own limit for its stack */
#define DEMANGLED_MAX 8192

struct demangled {
	uint16_t length;
	uint16_t bare; /* so much of it is the name without parameters, or without Rust's hash */
	bool rust;
	char text[DEMANGLED_MAX + 32]; /* ends with a NUL */
};

/* Whether a name begins as mangled ones do. */
bool crumb_is_mangled(const char *name, size_t length);

/* So much of a demangled C++ name is its name: without parameters and what follows them. */
uint16_t crumb_bare_length(const char *text, size_t length);

/* False: it is no mangled name, or none to be demangled in bounds. */
bool crumb_demangle(const char *name, size_t length, struct demangled *to);

#endif
