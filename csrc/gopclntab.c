/*
 * gopclntab: see gopclntab.h.
 *
 * The header has a magic, two zeros, the size of the smallest instruction and of a pointer, then
 * words: how many functions and files there are, from 1.18 on the address of the code, and where the
 * parts begin.  Before 1.16 there is one part, and the first word is all.
 */
#include "gopclntab.h"

#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define FUNCTIONS_MAX (8u << 20)
#define HEADER_BYTES 72
#define HEADER_TEXT 24 /* where 1.18 has the address of the code */
#define MODULE_TEXT 176 /* where the runtime's moduledata has it, since 1.16 */
#define FLAG_ASSEMBLY 4 /* of a function's record */

#if defined(__x86_64__)
#define RELATIVE R_X86_64_RELATIVE
#elif defined(__aarch64__)
#define RELATIVE R_AARCH64_RELATIVE
#elif defined(__riscv)
#define RELATIVE R_RISCV_RELATIVE
#elif defined(__powerpc64__)
#define RELATIVE R_PPC64_RELATIVE
#else
#define RELATIVE 3 /* LoongArch's */
#endif

#define refuse(reason, err, ...) (snprintf(reason, ELF_REASON, __VA_ARGS__), (err))

/* Copies out: nothing in a hostile file is aligned. */
static bool get(const struct elf_bytes *bytes, uint64_t at, void *to, uint64_t length)
{
	if (at > bytes->size || length > bytes->size - at)
		return false;
	memcpy(to, bytes->data + at, length);
	return true;
}

static enum go_version version_of(const struct elf_bytes *bytes, uint64_t at)
{
	unsigned char head[8];
	uint32_t magic;

	if (!get(bytes, at, head, sizeof(head)) || head[4] || head[5] || head[7] != 8 ||
	    (head[6] != 1 && head[6] != 2 && head[6] != 4))
		return 0;
	memcpy(&magic, head, sizeof(magic));
	switch (magic) {
	case 0xfffffffb:
		return GO_1_2;
	case 0xfffffffa:
		return GO_1_16;
	case 0xfffffff0:
		return GO_1_18;
	case 0xfffffff1:
		return GO_1_20;
	default:
		return 0;
	}
}

static bool relative(const struct gopclntab *table)
{
	return table->version >= GO_1_18;
}

/* The bytes of one number in `places`. */
static uint64_t width(const struct gopclntab *table)
{
	return relative(table) ? 4 : 8;
}

/* The number there, in a table whose places are known to lie within it. */
static uint64_t number_at(const struct gopclntab *table, uint64_t number)
{
	uint64_t value = 0; /* little-endian: a short one fills the lower half */

	get(&table->bytes, table->places + number * width(table), &value, width(table));
	return value;
}

static bool read_header(struct gopclntab *table, uint64_t *text)
{
	uint64_t words[(HEADER_BYTES - 8) / 8] = { 0 };

	*text = 0;
	if (table->version == GO_1_2) {
		if (!get(&table->bytes, 8, words, 8))
			return false;
		table->places = 16;
		table->records = table->names = 0;
	} else if (!get(&table->bytes, 8, words, sizeof(words))) {
		return false;
	} else if (table->version == GO_1_16) {
		table->names = words[2];
		table->places = table->records = words[6];
	} else {
		*text = words[2];
		table->names = words[3];
		table->places = table->records = words[7];
	}
	if (!words[0] || words[0] > FUNCTIONS_MAX || table->places > table->bytes.size ||
	    (2 * words[0] + 1) * width(table) > table->bytes.size - table->places)
		return false;
	table->count = (uint32_t)words[0];
	return true;
}

/* The table of a position-independent program that another linker made has no section of its own. */
static bool find_within(struct elf_bytes *bytes, uint64_t *address)
{
	for (uint64_t at = -*address & 7; at + HEADER_BYTES <= bytes->size; at += 8) {
		struct gopclntab table = { .bytes = { bytes->data + at, bytes->size - at },
					   .version = version_of(bytes, at) };
		uint64_t text;

		if (table.version && read_header(&table, &text)) {
			*bytes = table.bytes;
			*address += at;
			return true;
		}
	}
	return false;
}

/* The bytes and the address of a section; 0, ENOENT or another errno. */
static int find_section(const struct elf_file *file, const char *name, struct elf_bytes *bytes,
			uint64_t *address, char *reason)
{
	GElf_Shdr header;
	Elf_Scn *section = crumb_elf_by_name(file, name, &header);
	int err = section ? crumb_elf_bytes(file, section, bytes, reason) : ENOENT;

	if (err)
		return err;
	*address = header.sh_addr;
	return bytes->size ? 0 : ENOENT; /* a debug file has the headers alone */
}

/* Sets the table's bytes, version and address; 0 or an errno. */
static int find_table(struct gopclntab *table, const struct elf_file *file, uint64_t *address,
		      char *reason)
{
	GElf_Shdr mark;
	int err = find_section(file, ".gopclntab", &table->bytes, address, reason);

	if (err == ENOENT)
		err = find_section(file, ".data.rel.ro.gopclntab", &table->bytes, address, reason);
	if (err == ENOENT && crumb_elf_by_name(file, ".go.buildinfo", &mark)) {
		err = find_section(file, ".data.rel.ro", &table->bytes, address, reason);
		if (!err && !find_within(&table->bytes, address))
			err = ENOENT;
	}
	if (err)
		return err;
	table->version = version_of(&table->bytes, 0);
	return table->version ? 0 : refuse(reason, ENOEXEC, "its Go table has an unknown form");
}

/*
 * What the dynamic linker will write at an address; 0: nothing.  Sections that overlap could make a
 * small file cost all memory, since each is read.
 */
static uint64_t relocated(const struct elf_file *file, uint64_t address)
{
	char reason[ELF_REASON];
	Elf_Scn *section = NULL;
	struct elf_bytes bytes;
	GElf_Shdr header;
	Elf64_Rela entry;
	uint64_t budget = file->size;

	while ((section = elf_nextscn(file->elf, section))) {
		if (!gelf_getshdr(section, &header) || header.sh_type != SHT_RELA ||
		    header.sh_size > budget || crumb_elf_bytes(file, section, &bytes, reason))
			continue;
		budget -= header.sh_size;
		for (uint64_t at = 0; get(&bytes, at, &entry, sizeof(entry)); at += sizeof(entry))
			if (entry.r_offset == address && ELF64_R_TYPE(entry.r_info) == RELATIVE)
				return (uint64_t)entry.r_addend;
	}
	return 0;
}

/* From 1.26 on the header does not tell, but the moduledata has a section of its own. */
static uint64_t text_of_module(const struct elf_file *file)
{
	char reason[ELF_REASON];
	struct elf_bytes bytes;
	uint64_t address, text = 0;

	if (find_section(file, ".go.module", &bytes, &address, reason) ||
	    !get(&bytes, MODULE_TEXT, &text, sizeof(text)))
		return 0;
	return text ? text : relocated(file, address + MODULE_TEXT);
}

static int find_text(struct gopclntab *table, const struct elf_file *file, uint64_t text,
		     uint64_t address, char *reason)
{
	uint64_t offset;

	if (!relative(table))
		return 0;
	if (!text)
		text = relocated(file, address + HEADER_TEXT);
	if (!text)
		text = text_of_module(file);
	table->text = text;
	return text && crumb_elf_offset(file, text, &offset)
		       ? 0
		       : refuse(reason, ENOEXEC,
				"its Go table does not tell where the code begins");
}

static bool read_function(const struct gopclntab *table, uint32_t index,
			  struct go_function *function)
{
	uint64_t entry = number_at(table, 2ull * index), end = number_at(table, 2ull * index + 2);
	uint64_t record = number_at(table, 2ull * index + 1), name_at = width(table);
	uint64_t flag_at = table->version == GO_1_18 ? 37 : 41;
	uint8_t flag = 0;
	uint32_t name;
	size_t length;

	if (end < entry || end > UINT64_MAX - table->text ||
	    record > table->bytes.size - table->records)
		return false;
	record += table->records;
	if (!get(&table->bytes, record + name_at, &name, sizeof(name)) ||
	    (relative(table) && !get(&table->bytes, record + flag_at, &flag, sizeof(flag))))
		return false;
	function->name = crumb_elf_string(&table->bytes, table->names + name, &length);
	function->length = length;
	function->address = table->text + entry;
	function->size = end - entry;
	function->assembly = flag & FLAG_ASSEMBLY;
	return function->name;
}

/*
 * The first and the last function lie in code, and so do those between.  Overlapping names could
 * make a small file cost hours; a true one shares few of its bytes.
 */
static int check(const struct gopclntab *table, const struct elf_file *file, char *reason)
{
	uint64_t budget = 8 * table->bytes.size, offset, last = 0;
	struct go_function function;
	bool inside = true;

	for (uint32_t i = 0; i < table->count && inside; i++) {
		if (!read_function(table, i, &function) || function.length > budget)
			return refuse(reason, ENOEXEC, "its Go table is damaged at function %u", i);
		budget -= function.length;
		if (i == 0)
			inside = crumb_elf_offset(file, function.address, &offset);
		if (function.size)
			last = function.address + function.size - 1;
	}
	return inside && crumb_elf_offset(file, last, &offset)
		       ? 0
		       : refuse(reason, ENOEXEC, "its Go table lies outside of its code");
}

static int open_checked(struct gopclntab *table, const struct elf_file *file, char *reason)
{
	uint64_t address, text;
	int err = find_table(table, file, &address, reason);

	if (err)
		return err;
	if (!read_header(table, &text) || table->names > table->bytes.size)
		return refuse(reason, ENOEXEC, "its Go table is truncated");
	err = find_text(table, file, text, address, reason);
	return err ? err : check(table, file, reason);
}

int crumb_gopclntab_open(struct gopclntab *table, const struct elf_file *file, char *reason)
{
	int err;

	memset(table, 0, sizeof(*table));
	reason[0] = 0;
	err = open_checked(table, file, reason);
	if (err)
		memset(table, 0, sizeof(*table));
	return err;
}

void crumb_gopclntab_function(const struct gopclntab *table, uint32_t index,
			      struct go_function *function)
{
	memset(function, 0, sizeof(*function));
	if (index < table->count)
		read_function(table, index, function);
}
