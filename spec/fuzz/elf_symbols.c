/*
 * The symbols of an ELF file, with their versions, their demangled names and the places of those
 * that a pattern means; then those of a file that has no symbols and has this one as debug file.
 */
#define _GNU_SOURCE
#include "../../csrc/elf_symbols.h"

#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../csrc/elf_debug.h"
#include "../../csrc/elf_demangled.h"
#include "../../csrc/elf_match.h"
#include "fuzz.h"

static void look_up(const struct elf_file *file, struct elf_symbols *symbols)
{
	static uint32_t found[ELF_MATCHES_MAX];

	for (uint32_t i = 0; i < symbols->count; i++) {
		const struct elf_symbol *symbol = &symbols->list[i];
		const struct elf_name *name = crumb_symbol_demangled(symbols, i);
		uint64_t place;

		fuzz_read(symbol->name, symbol->length);
		if (symbol->version)
			fuzz_read(symbol->version, 1);
		if (symbol->library)
			fuzz_read(symbol->library, 1);
		if (name)
			fuzz_read(name->text, name->length + 1);
		if (i < 32)
			crumb_symbols_find(symbols, symbol->name, symbol->length, found);
		if (i < 4 && name)
			crumb_symbols_find_demangled(symbols, name->text, name->bare, found);
		if (crumb_elf_offset(file, symbol->value, &place))
			crumb_elf_address(file, place, &place);
	}
}

static void match(const struct elf_file *file, struct elf_symbols *symbols)
{
	struct elf_matches matches = { 0 };

	crumb_elf_match(&matches, symbols, file, NULL);
	for (size_t i = 0; i < matches.count; i++)
		fuzz_read(matches.list[i].symbol->name, matches.list[i].symbol->length);
	crumb_elf_matches_free(&matches);
}

static void read_symbols(const struct elf_file *file)
{
	char reason[ELF_REASON];
	struct elf_symbols symbols;

	if (crumb_symbols_load(&symbols, file, reason))
		return;
	look_up(file, &symbols);
	match(file, &symbols);
	crumb_symbols_free(&symbols);
}

/* Makes a table of symbols one of nothing; false: there is none. */
static bool strip(uint8_t *data, size_t size)
{
	static const uint32_t nothing = SHT_NULL;
	Elf64_Ehdr header;
	Elf64_Shdr section;
	bool found = false;

	memcpy(&header, data, sizeof(header));
	for (size_t i = 0; i < header.e_shnum; i++) {
		size_t at = header.e_shoff + i * sizeof(section);

		if (at > size || size - at < sizeof(section))
			break;
		memcpy(&section, data + at, sizeof(section));
		if (section.sh_type != SHT_SYMTAB)
			continue;
		memcpy(data + at + offsetof(Elf64_Shdr, sh_type), &nothing, sizeof(nothing));
		found = true;
	}
	return found;
}

/* The path of a build id's debug file; its folders are there. */
static void debug_path(const char *root, const unsigned char *id, size_t size, char path[256])
{
	int at = snprintf(path, 256, "%s/.build-id/", root);

	mkdir(root, 0700);
	mkdir(path, 0700);
	at += snprintf(path + at, 4, "%02x/", id[0]);
	mkdir(path, 0700);
	for (size_t i = 1; i < size; i++)
		at += snprintf(path + at, 3, "%02x", id[i]);
	strcpy(path + at, ".debug");
}

static void read_debug(struct elf_file *file, const uint8_t *data, size_t size)
{
	unsigned char id[BUILD_ID_MAX];
	size_t length = crumb_build_id(file, id);
	char root[32], path[256];
	FILE *debug;

	if (length < 2)
		return;
	snprintf(root, sizeof(root), "/dev/shm/fuzz-%d", getpid());
	debug_path(root, id, length, path);
	debug = fopen(path, "w");
	if (debug) {
		fwrite(data, 1, size, debug);
		fclose(debug);
		file->debug_root = strdup(root);
		read_symbols(file);
	}
	unlink(path);
	for (int folder = 0; folder < 3; folder++) {
		*strrchr(path, '/') = 0;
		rmdir(path);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char reason[ELF_REASON];
	struct elf_file file;
	uint8_t *stripped;

	if (crumb_elf_open(&file, fuzz_file(data, size), reason))
		return 0;
	read_symbols(&file);
	crumb_elf_close(&file);
	stripped = malloc(size);
	memcpy(stripped, data, size);
	if (strip(stripped, size) && !crumb_elf_open(&file, fuzz_file(stripped, size), reason)) {
		read_debug(&file, data, size);
		crumb_elf_close(&file);
	}
	free(stripped);
	return 0;
}
