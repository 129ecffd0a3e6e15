/* dwarf_file: see dwarf_file.h. */
#include "dwarf_file.h"

#include <dwarf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEBUG_MAX (1ull << 30) /* bytes in all sections: libdw reads them whole */
#define UNITS_MAX (1u << 20)
#define RANGES_MAX (4u << 20)
#define CHILDREN_MAX (16u << 20) /* that are looked at for the functions of one unit */
#define NESTED 32 /* namespaces and classes */

#define refuse(reason, err, ...) (snprintf(reason, DWARF_REASON, __VA_ARGS__), (err))

static bool is_debug(const char *name)
{
	return !strncmp(name, ".debug_", 7) || !strncmp(name, ".zdebug_", 8);
}

/* The name of a section with debug information that the file holds; or NULL. */
static const char *debug_name(const struct elf_bytes *names, Elf_Scn *section, GElf_Shdr *header)
{
	const char *name;
	size_t length;

	if (!gelf_getshdr(section, header) || header->sh_type == SHT_NOBITS)
		return NULL;
	name = crumb_elf_string(names, header->sh_name, &length);
	return name && is_debug(name) ? name : NULL;
}

/* Holds what libdw is about to read against the file and the limit. */
static int check_sections(const struct elf_file *elf, char *reason)
{
	struct elf_bytes names;
	Elf_Scn *section = NULL;
	uint64_t total = 0;
	size_t index;
	bool info = false;
	GElf_Shdr header;
	int err;

	if (elf_getshdrstrndx(elf->elf, &index))
		return refuse(reason, ENODATA, "the file has no sections");
	err = crumb_elf_linked(elf, (uint32_t)index, &names, reason);
	if (err)
		return err;
	while ((section = elf_nextscn(elf->elf, section))) {
		const char *name = debug_name(&names, section, &header);

		if (!name)
			continue;
		if (header.sh_offset > elf->size || header.sh_size > elf->size - header.sh_offset)
			return refuse(reason, ENOEXEC, "%s ends past the end of the file", name);
		info = info || strstr(name, "debug_info");
		total += header.sh_size;
	}
	if (!info)
		return refuse(reason, ENODATA,
			      "the file has no debug information (no .debug_info)");
	if (total > DEBUG_MAX)
		return refuse(reason, EFBIG, "its debug information is larger than 1 GiB");
	return 0;
}

static bool holds_strings(const char *name)
{
	static const char *const kinds[] = { "debug_str", "debug_line_str", "debug_info",
					     "debug_types" };

	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		const char *at = strstr(name, kinds[i]);

		if (at && (!at[strlen(kinds[i])] || at[strlen(kinds[i])] == '.'))
			return true;
	}
	return false;
}

/*
 * libdw hands out strings that end where their section does, and not before: a last byte of
 * zero, which an honest section has, ends them all.
 */
static void end_strings(const struct elf_file *elf)
{
	char reason[ELF_REASON];
	struct elf_bytes names;
	Elf_Scn *section = NULL;
	GElf_Shdr header;
	size_t index;

	if (elf_getshdrstrndx(elf->elf, &index) ||
	    crumb_elf_linked(elf, (uint32_t)index, &names, reason))
		return;
	while ((section = elf_nextscn(elf->elf, section))) {
		const char *name = debug_name(&names, section, &header);
		Elf_Data *data = name && holds_strings(name) ? elf_getdata(section, NULL) : NULL;

		if (data && data->d_buf && data->d_size)
			((char *)data->d_buf)[data->d_size - 1] = 0;
	}
}

int crumb_dwarf_open(struct dwarf_file *file, const struct elf_file *elf, char *reason)
{
	int err;

	memset(file, 0, sizeof(*file));
	if (elf->fd < 0)
		return refuse(reason, EBADF, "the file is closed");
	err = check_sections(elf, reason);
	if (err)
		return err;
	file->dwarf = dwarf_begin_elf(elf->elf, DWARF_C_READ, NULL);
	if (!file->dwarf)
		return refuse(reason, ENOEXEC, "its debug information: %s", dwarf_errmsg(-1));
	end_strings(elf);
	return 0;
}

void crumb_dwarf_close(struct dwarf_file *file)
{
	if (file->dwarf)
		dwarf_end(file->dwarf);
	free(file->ranges);
	free(file->functions);
	memset(file, 0, sizeof(*file));
}

static bool add_range(struct dwarf_file *file, uint64_t low, uint64_t high, Dwarf_Off unit)
{
	if (file->count == file->room) {
		size_t room = file->room ? 2 * file->room : 256;
		struct dwarf_range *ranges =
			room <= RANGES_MAX ? realloc(file->ranges, room * sizeof(*ranges)) : NULL;

		if (!ranges)
			return false;
		file->ranges = ranges;
		file->room = room;
	}
	file->ranges[file->count++] = (struct dwarf_range){ low, high, unit };
	return true;
}

static int compare_cb(const void *left, const void *right)
{
	const struct dwarf_range *a = left, *b = right;

	return a->low < b->low ? -1 : a->low > b->low;
}

/* Made at the first question about an address: many compilers leave .debug_aranges out. */
static void make_ranges(struct dwarf_file *file)
{
	Dwarf_CU *unit = NULL;
	Dwarf_Die die;
	uint8_t kind;

	file->indexed = true;
	for (uint32_t i = 0; i < UNITS_MAX; i++) {
		Dwarf_Addr base, low, high;
		ptrdiff_t at = 0;

		if (dwarf_get_units(file->dwarf, unit, &unit, NULL, &kind, &die, NULL))
			break;
		if (kind != DW_UT_compile)
			continue;
		while ((at = dwarf_ranges(&die, at, &base, &low, &high)) > 0)
			if (low < high && !add_range(file, low, high, dwarf_dieoffset(&die)))
				break;
	}
	if (file->count)
		qsort(file->ranges, file->count, sizeof(*file->ranges), compare_cb);
}

bool crumb_dwarf_unit(struct dwarf_file *file, uint64_t address, Dwarf_Die *unit)
{
	size_t low = 0, high;

	if (!file->dwarf)
		return false;
	if (!file->indexed)
		make_ranges(file);
	high = file->count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (file->ranges[middle].low <= address)
			low = middle + 1;
		else
			high = middle;
	}
	if (!low || address >= file->ranges[low - 1].high)
		return false;
	return dwarf_offdie(file->dwarf, file->ranges[low - 1].unit, unit);
}

static bool holds_functions(int tag)
{
	return tag == DW_TAG_namespace || tag == DW_TAG_module || tag == DW_TAG_class_type ||
	       tag == DW_TAG_structure_type || tag == DW_TAG_union_type;
}

/* Of a function in several pieces the first is where it begins. */
static bool begins_at(Dwarf_Die *die, uint64_t *address)
{
	Dwarf_Addr base, low, high;

	if (!dwarf_lowpc(die, &low) || dwarf_ranges(die, 0, &base, &low, &high) > 0) {
		*address = low;
		return true;
	}
	return false;
}

static bool add_function(struct dwarf_file *file, Dwarf_Die *die)
{
	uint64_t address;

	if (!begins_at(die, &address))
		return true;
	if (file->function_count == file->function_room) {
		size_t room = file->function_room ? 2 * file->function_room : 64;
		struct dwarf_function *functions =
			realloc(file->functions, room * sizeof(*functions));

		if (!functions)
			return false;
		file->functions = functions;
		file->function_room = room;
	}
	file->functions[file->function_count++] =
		(struct dwarf_function){ address, dwarf_dieoffset(die) };
	return true;
}

static int compare_function_cb(const void *left, const void *right)
{
	const struct dwarf_function *a = left, *b = right;

	return a->address < b->address ? -1 : a->address > b->address;
}

/* The functions of one unit, by address. */
static void list_functions(struct dwarf_file *file, Dwarf_Die *unit)
{
	uint32_t left = CHILDREN_MAX;
	Dwarf_Die levels[NESTED];
	int depth = 0;

	file->unit = dwarf_dieoffset(unit);
	file->function_count = 0;
	if (dwarf_child(unit, &levels[0]))
		return;
	while (depth >= 0 && left--) {
		Dwarf_Die die = levels[depth];
		int tag = dwarf_tag(&die);

		if (dwarf_siblingof(&die, &levels[depth]))
			depth--;
		if (tag == DW_TAG_subprogram && !add_function(file, &die))
			break;
		if (holds_functions(tag) && depth + 1 < NESTED &&
		    !dwarf_child(&die, &levels[depth + 1]))
			depth++;
	}
	if (file->function_count)
		qsort(file->functions, file->function_count, sizeof(*file->functions),
		      compare_function_cb);
}

bool crumb_dwarf_function(struct dwarf_file *file, uint64_t address, Dwarf_Die *unit,
			  Dwarf_Die *function)
{
	size_t low = 0, high;

	if (!crumb_dwarf_unit(file, address, unit))
		return false;
	if (!file->functions || file->unit != dwarf_dieoffset(unit))
		list_functions(file, unit);
	high = file->function_count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (file->functions[middle].address < address)
			low = middle + 1;
		else
			high = middle;
	}
	return low < file->function_count && file->functions[low].address == address &&
	       dwarf_offdie(file->dwarf, file->functions[low].die, function);
}

bool crumb_dwarf_line(struct dwarf_file *file, uint64_t address, char *name, size_t size, int *line)
{
	Dwarf_Line *found;
	const char *source;
	Dwarf_Die unit;

	if (!crumb_dwarf_unit(file, address, &unit))
		return false;
	found = dwarf_getsrc_die(&unit, address);
	source = found ? dwarf_linesrc(found, NULL, NULL) : NULL;
	if (!source || dwarf_lineno(found, line))
		return false;
	snprintf(name, size, "%s", source);
	return true;
}
