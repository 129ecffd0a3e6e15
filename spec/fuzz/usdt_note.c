/* The USDT notes of an ELF file. */
#include "../../csrc/usdt_note.h"

#include <string.h>

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char reason[ELF_REASON];
	struct usdt_notes notes;
	struct usdt_note note;
	struct elf_file file;
	struct usdt_place place;

	if (crumb_elf_open(&file, fuzz_file(data, size), reason))
		return 0;
	if (!crumb_usdt_open(&notes, &file, reason)) {
		while (crumb_usdt_next(&notes, &note)) {
			fuzz_read(note.provider, strlen(note.provider));
			fuzz_read(note.name, strlen(note.name));
			fuzz_read(note.arguments, strlen(note.arguments));
			crumb_usdt_locate(&notes, &file, &note, &place);
		}
	}
	crumb_elf_close(&file);
	return 0;
}
