/*
 * elf_symbols: the functions that an ELF file names, indexed by name.
 *
 * Read once from .dynsym and .symtab; where the latter was taken out, from the first of these that
 * there is: the separate debug file's, the one packed into .gnu_debugdata, Go's own table.  The
 * names stay in the files' tables, so the index must not outlive the file.  In symbol tables a name
 * ends before its first '@': what follows is its version.
 */
#ifndef CRUMB_ELF_SYMBOLS_H
#define CRUMB_ELF_SYMBOLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "elf_file.h"

#define ELF_MATCHES_MAX 4096

struct elf_version {
	const char *name; /* NULL: none with this number */
	const char *library; /* whose it is, for imported symbols; or NULL */
};

struct elf_symbol {
	const char *name;
	uint64_t value;
	uint64_t size;
	const char *version; /* or NULL */
	const char *library; /* where an imported one lives, or NULL */
	uint32_t next; /* of the same hash; UINT32_MAX ends */
	uint16_t length; /* of the name, without version */
	uint8_t info; /* st_info */
	bool dynamic; /* from .dynsym */
	bool imported;
	bool standard; /* the version that a bare name means: foo@@VERSION */
};

/* Where names that are not exported come from. */
enum elf_source { ELF_NO_SOURCE, ELF_SYMTAB, ELF_DEBUG_FILE, ELF_DEBUG_DATA, ELF_GO };

struct elf_symbols {
	enum elf_source source;
	struct elf_file debug; /* the one that holds the symbols; its descriptor is given back */
	char *debug_path; /* of a separate debug file */
	bool exports; /* there is a .dynsym */
	struct elf_symbol *list;
	uint32_t count;
	uint32_t *heads;
	uint32_t mask;
	struct elf_version *versions;
	uint32_t version_count;
	const struct elf_name **demangled; /* of list; see elf_demangled */
	uint32_t demangled_count;
	int64_t demangling; /* nanoseconds that it took */
	struct elf_name_block *blocks;
	size_t block_count;
};

struct elf_name;
struct elf_name_block;

/* 0, or an errno and why in `reason`.  A file without symbol tables has no symbols. */
int crumb_symbols_load(struct elf_symbols *symbols, const struct elf_file *file, char *reason);
void crumb_symbols_free(struct elf_symbols *symbols);

/*
 * The indices of the symbols of that name, at most ELF_MATCHES_MAX; what .symtab repeats of
 * .dynsym is left out.
 */
size_t crumb_symbols_find(const struct elf_symbols *symbols, const char *name, size_t length,
			  uint32_t *found);

/* The first symbol of the same name: .dynsym's, where both tables have it. */
uint32_t crumb_symbols_first(const struct elf_symbols *symbols, uint32_t index);

/* Adds a symbol to those found, unless it repeats one of them. */
void crumb_symbols_add(const struct elf_symbols *symbols, uint32_t index, uint32_t *found,
		       size_t *count);

/*
 * Which of two names of one place is the better: the exported one, then the shorter; qsort's way.
 */
int crumb_symbol_compare(const struct elf_symbol *a, const struct elf_symbol *b);

#endif
