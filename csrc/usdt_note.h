/*
 * usdt_note: the USDT probes that a file tells of in .note.stapsdt.
 *
 * Read one after the other and in bounds; the strings stay in the file's own section.
 */
#ifndef CRUMB_USDT_NOTE_H
#define CRUMB_USDT_NOTE_H

#include <stdbool.h>
#include <stdint.h>

#include "elf_file.h"

/* Three addresses and three strings, as the note has them. */
struct usdt_note {
	uint64_t location, base, semaphore;
	const char *provider, *name, *arguments;
};

struct usdt_notes {
	struct elf_bytes bytes;
	uint64_t at;
	uint64_t base; /* where .stapsdt.base is: what a linker that moved all left to tell by */
};

/* 0, and nothing to read when the file has no such section; or an errno and why. */
int crumb_usdt_open(struct usdt_notes *notes, const struct elf_file *file, char *reason);

/* The next probe; false at the end. */
bool crumb_usdt_next(struct usdt_notes *notes, struct usdt_note *note);

/* Where a probe lies: its instruction in the file and by the file's addresses, its semaphore (0: none). */
struct usdt_place {
	uint64_t offset, address, semaphore;
};

/* False when the note is wrong. */
bool crumb_usdt_locate(const struct usdt_notes *notes, const struct elf_file *file,
		       const struct usdt_note *note, struct usdt_place *place);

#endif
