/*
 * image: a file that processes have mapped, and what lies at its offsets: functions and lines.
 *
 * The file is elf_file's: read in bounds, never mapped.  No Lua.
 */
#ifndef CRUMB_IMAGE_H
#define CRUMB_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "dwarf_file.h"
#include "elf_file.h"
#include "elf_symbols.h"

#define PLACE_TEXT 4096

/* What an address is; texts that are not known are "". */
struct place {
	char name[PLACE_TEXT];
	uint64_t offset; /* in the function; without one, in the file */
	char module[PLACE_TEXT];
	char file[PLACE_TEXT];
	int line;
};

struct image {
	struct image *next;
	dev_t device;
	ino_t inode;
	int64_t modified; /* ns: a file that was written anew is another one */
	size_t users;
	struct elf_file file;
	struct elf_symbols symbols;
	uint32_t *order; /* of the symbols that are defined here, by value */
	uint32_t count;
	struct dwarf_file dwarf;
	bool indexed, opened_dwarf;
};

/* An image of no users; NULL: it is no file that can be read. */
struct image *crumb_image_open(const char *path);
void crumb_image_free(struct image *image);

/* Fills name, offset, file and line. */
void crumb_image_find(struct image *image, uint64_t file_offset, struct place *place);

#endif
