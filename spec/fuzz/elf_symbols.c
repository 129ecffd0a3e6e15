/* The symbols of an ELF file, with their versions, and the places of those that a pattern means. */
#include "../../csrc/elf_symbols.h"

#include "../../csrc/elf_match.h"

#include "fuzz.h"

static void look_up(const struct elf_file *file, const struct elf_symbols *symbols)
{
	static uint32_t found[ELF_MATCHES_MAX];

	for (uint32_t i = 0; i < symbols->count; i++) {
		const struct elf_symbol *symbol = &symbols->list[i];
		uint64_t place;

		fuzz_read(symbol->name, symbol->length);
		if (symbol->version)
			fuzz_read(symbol->version, 1);
		if (symbol->library)
			fuzz_read(symbol->library, 1);
		if (i < 64)
			crumb_symbols_find(symbols, symbol->name, symbol->length, found);
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char reason[ELF_REASON];
	struct elf_symbols symbols;
	struct elf_file file;

	if (crumb_elf_open(&file, fuzz_file(data, size), reason))
		return 0;
	if (!crumb_symbols_load(&symbols, &file, reason)) {
		look_up(&file, &symbols);
		match(&file, &symbols);
		crumb_symbols_free(&symbols);
	}
	crumb_elf_close(&file);
	return 0;
}
