/*
 * elf_debug: where the symbols lie that were taken out of a file: in a separate debug file, or
 * packed into the file itself (.gnu_debugdata).
 *
 * What is found is another ELF file that nobody vouches for; nothing that it refers to is opened.
 */
#ifndef CRUMB_ELF_DEBUG_H
#define CRUMB_ELF_DEBUG_H

#include <stddef.h>

#include "elf_file.h"

#define BUILD_ID_MAX 64

/* How many bytes the file's build id has; 0: it has none. */
size_t crumb_build_id(const struct elf_file *file, unsigned char id[BUILD_ID_MAX]);

/*
 * Opens the debug file that belongs to a file, by its build id or else by its debug link, and
 * gives its path, which the caller frees.  ENOENT: there is none.
 */
int crumb_debug_file(struct elf_file *debug, const struct elf_file *file, char **path);

/* Unpacks and opens .gnu_debugdata.  ENOENT: there is none. */
int crumb_debug_data(struct elf_file *debug, const struct elf_file *file);

#endif
