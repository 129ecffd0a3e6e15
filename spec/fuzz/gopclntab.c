/* Go's table of functions in an ELF file. */
#include "../../csrc/gopclntab.h"

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char reason[ELF_REASON];
	struct go_function function;
	struct gopclntab table;
	struct elf_file file;

	if (crumb_elf_open(&file, fuzz_file(data, size), reason))
		return 0;
	if (!crumb_gopclntab_open(&table, &file, reason)) {
		for (uint32_t i = 0; i < table.count; i++) {
			crumb_gopclntab_function(&table, i, &function);
			fuzz_read(function.name, function.length + 1);
		}
	}
	crumb_elf_close(&file);
	return 0;
}
