/* The text of /proc/kallsyms, and the same text as a list of what can be traced. */
#include "../../csrc/kallsyms.h"

#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

static void read_found(struct kallsyms_found *found)
{
	for (size_t i = 0; i < found->count; i++) {
		fuzz_read(found->text + found->list[i].name, found->list[i].length + 1);
		if (found->list[i].module)
			fuzz_read(found->text + found->list[i].module, 1);
	}
	crumb_kallsyms_found_free(found);
}

static void ask(struct kallsyms *symbols)
{
	char name[KALLSYMS_NAME], module[KALLSYMS_NAME], room[NEAREST_BEST][KALLSYMS_NAME];
	struct kallsyms_found found = { 0 };
	struct nearest nearest;
	uint64_t offset;

	crumb_kallsyms_match(symbols, NULL, &found);
	read_found(&found);
	for (size_t i = 0; i < symbols->count && i < 32; i++) {
		const struct kallsym symbol = symbols->list[i];

		crumb_kallsyms_at(symbols, symbol.address + i, name, module, &offset);
		crumb_kallsyms_starting(symbols, symbol.address, &found);
		read_found(&found);
		crumb_kallsyms_find(symbols, symbols->names + symbol.name, symbol.length, &found);
		read_found(&found);
	}
	crumb_nearest_begin(&nearest, "main");
	crumb_kallsyms_nearest(symbols, &nearest, room);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct kallsyms symbols = { 0 };
	const char *path = fuzz_file(data, size);

	if (!crumb_kallsyms_load(&symbols, path)) {
		crumb_kallsyms_mark(&symbols, path);
		ask(&symbols);
	}
	crumb_kallsyms_free(&symbols);
	return 0;
}
