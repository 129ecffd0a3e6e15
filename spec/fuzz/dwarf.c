/* Debug information: units, functions, lines, and the types of what functions give. libdw reads it. */
#include "../../csrc/dwarf_file.h"

#include <string.h>

#include "../../csrc/dwarf_type.h"
#include "fuzz.h"

#define FUNCTIONS 32
#define MEMBERS 64
#define DEPTH 4

static void read_type(Dwarf *dwarf, Dwarf_Die *die, int depth)
{
	char name[DWARF_NAME];
	struct dwarf_type type;
	struct dwarf_walk walk;
	struct dwarf_member member;

	fuzz_read(crumb_dwarf_name(die, name), 1);
	crumb_dwarf_resolve(die, &type);
	crumb_dwarf_complete(dwarf, &type);
	crumb_dwarf_by_reference(&type);
	crumb_dwarf_walk(&type, &walk);
	for (int i = 0; i < MEMBERS && crumb_dwarf_next(&walk, &member); i++)
		if (depth < DEPTH)
			read_type(dwarf, &member.type, depth + 1);
}

static void read_function(struct dwarf_file *file, uint64_t address)
{
	Dwarf_Die unit, function, child, type;
	char name[DWARF_NAME];
	int line;

	crumb_dwarf_line(file, address, name, sizeof(name), &line);
	if (!crumb_dwarf_function(file, address, &unit, &function))
		return;
	if (crumb_dwarf_type_of(&function, &type))
		read_type(file->dwarf, &type, 0);
	if (dwarf_child(&function, &child))
		return;
	for (int i = 0; i < MEMBERS; i++) {
		if (crumb_dwarf_type_of(&child, &type))
			read_type(file->dwarf, &type, 0);
		if (dwarf_siblingof(&child, &child))
			break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char reason[ELF_REASON];
	struct dwarf_file file;
	struct elf_file elf;
	Dwarf_Die unit, found;

	if (crumb_elf_open(&elf, fuzz_file(data, size), reason))
		return 0;
	if (!crumb_dwarf_open(&file, &elf, reason)) {
		crumb_dwarf_unit(&file, 0, &unit);
		for (size_t i = 0; i < file.count && i < FUNCTIONS; i++) {
			uint64_t addresses[FUNCTIONS];
			size_t count = 0;

			read_function(&file, file.ranges[i].low);
			for (; count < file.function_count && count < FUNCTIONS; count++)
				addresses[count] = file.functions[count].address;
			while (count--)
				read_function(&file, addresses[count]);
		}
		crumb_dwarf_find(file.dwarf, "inner", &found);
		crumb_dwarf_close(&file);
	}
	crumb_elf_close(&elf);
	return 0;
}
