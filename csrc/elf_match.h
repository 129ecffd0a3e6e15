/*
 * elf_match: the functions of a file whose names a pattern means, in the order of their places.
 *
 * A pattern is held against the name in the file, and the demangled one with and without its
 * parameters.  Only what can be probed has a place: IFUNCs, what lies outside of the executable segments
 * and vector instructions come last.  No Lua.
 */
#ifndef CRUMB_ELF_MATCH_H
#define CRUMB_ELF_MATCH_H

#include <stddef.h>
#include <stdint.h>

#include "elf_file.h"
#include "elf_symbols.h"

#define ELF_PLACES_MAX (1u << 20)

struct glob;

enum elf_match_kind { ELF_PLACE, ELF_IFUNC, ELF_OUTSIDE, ELF_VECTOR };

struct elf_match {
	const struct elf_symbol *symbol;
	uint64_t offset; /* in the file */
	enum elf_match_kind kind;
};

/* Each name of a place once; the first of a place is its best. */
struct elf_matches {
	struct elf_match *list;
	size_t count, room;
};

/* 0 or an errno: E2BIG, more than ELF_PLACES_MAX match.  Without a pattern, all that is defined. */
int crumb_elf_match(struct elf_matches *matches, struct elf_symbols *symbols,
		    const struct elf_file *file, const struct glob *pattern);
void crumb_elf_matches_free(struct elf_matches *matches);

#endif
