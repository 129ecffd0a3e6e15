/*
 * elf_demangled: the symbols of a file by their demangled names, made when they are asked for and
 * kept as long as the symbols.
 */
#ifndef CRUMB_ELF_DEMANGLED_H
#define CRUMB_ELF_DEMANGLED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "elf_symbols.h"

struct elf_name {
	uint16_t length;
	uint16_t bare; /* see struct demangled */
	bool rust;
	char text[];
};

/* The demangled name of symbol number `index`, or NULL: it has none. */
const struct elf_name *crumb_symbol_demangled(struct elf_symbols *symbols, uint32_t index);

/* So much of a demangled name is shown: Rust's without its hash. */
size_t crumb_name_shown(const struct elf_name *name);

/*
 * As crumb_symbols_find, of the symbols whose demangled name is this, with or without parameters
 * (or Rust's hash).
 */
size_t crumb_symbols_find_demangled(struct elf_symbols *symbols, const char *text, size_t length,
				    uint32_t *found);

/* Gives back the demangled names. */
void crumb_symbols_forget_demangled(struct elf_symbols *symbols);

#endif
