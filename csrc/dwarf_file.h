/*
 * dwarf_file: the debug information of an ELF file, and which unit an address belongs to.
 *
 * libdw reads it out of elf_file's descriptor: nothing is mapped, and no server is asked.
 */
#ifndef CRUMB_DWARF_FILE_H
#define CRUMB_DWARF_FILE_H

#include <elfutils/libdw.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "elf_file.h"

#define DWARF_REASON 192

/* The addresses from low to high - 1 belong to the unit. */
struct dwarf_range {
	uint64_t low, high;
	Dwarf_Off unit;
};

/* Where a function begins. */
struct dwarf_function {
	uint64_t address;
	Dwarf_Off die;
};

struct dwarf_file {
	Dwarf *dwarf; /* NULL: none */
	struct dwarf_range *ranges;
	size_t count, room;
	bool indexed;
	Dwarf_Off unit; /* whose functions these are: the last one that was asked about */
	struct dwarf_function *functions;
	size_t function_count, function_room;
};

/* 0, or an errno and why.  The file must stay open as long. */
int crumb_dwarf_open(struct dwarf_file *file, const struct elf_file *elf, char *reason);
void crumb_dwarf_close(struct dwarf_file *file);

/* The unit that holds the code at the address, as the file has it. */
bool crumb_dwarf_unit(struct dwarf_file *file, uint64_t address, Dwarf_Die *unit);

/* The function that begins at the address. */
bool crumb_dwarf_function(struct dwarf_file *file, uint64_t address, Dwarf_Die *unit,
			  Dwarf_Die *function);

/* The source line of the address; false, and nothing written, when it is not known. */
bool crumb_dwarf_line(struct dwarf_file *file, uint64_t address, char *name, size_t size,
		      int *line);

#endif
