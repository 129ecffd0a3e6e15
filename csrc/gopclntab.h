/*
 * gopclntab: Go's own table of functions, which stays in a stripped program.
 *
 * The runtime needs it for its stack traces, so a linker never leaves it out.  It gives names and
 * places and knows nothing of their meaning.  What it gives lies in the file's memory, and is valid
 * until the file is closed.
 */
#ifndef CRUMB_GOPCLNTAB_H
#define CRUMB_GOPCLNTAB_H

#include <stdbool.h>
#include <stdint.h>

#include "elf_file.h"

/* By what the table looks like, which has changed more seldom than Go. */
enum go_version {
	GO_1_2 = 1,
	GO_1_16,
	GO_1_18,
	GO_1_20,
};

struct gopclntab {
	struct elf_bytes bytes; /* from the table's header on */
	enum go_version version;
	uint32_t count;
	uint64_t text; /* the address that those of functions are counted from */
	uint64_t places; /* in bytes: pairs of an address and where the function's record lies */
	uint64_t records; /* that these are counted from */
	uint64_t names;
};

struct go_function {
	const char *name; /* ends with a NUL */
	uint64_t length; /* of the name */
	uint64_t address;
	uint64_t size; /* up to the next function, so with what fills the gap */
	bool assembly; /* written by hand; known from Go 1.18 on */
};

/*
 * 0, ENOENT where the file has no such table, or another errno and why in `reason`.  The whole
 * table has been checked then: places ascend within executable code, and all names can be read in
 * the time of the table's size.
 */
int crumb_gopclntab_open(struct gopclntab *table, const struct elf_file *file, char *reason);

/* The function number `index`, below `count`, by address. */
void crumb_gopclntab_function(const struct gopclntab *table, uint32_t index,
			      struct go_function *function);

#endif
