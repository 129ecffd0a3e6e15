/*
 * kallsyms: the kernel's functions by address, from /proc/kallsyms.
 *
 * Read whole and sorted at the first question.  The kernel's own text stays as it is; what lies
 * beyond it (modules, BPF programs) comes and goes, and is looked up in a table that is fresh.
 */
#ifndef CRUMB_KALLSYMS_H
#define CRUMB_KALLSYMS_H

#include <stddef.h>
#include <stdint.h>

#define KALLSYMS_NAME 512

struct kallsym {
	uint64_t address;
	uint32_t name, module; /* in the text; module 0: none */
	uint32_t rank; /* of several at one address the least is its name */
};

struct kallsyms {
	char *text;
	struct kallsym *list;
	size_t count;
	uint64_t start, end; /* of the kernel's own text */
	int64_t read_at;
};

/* 0 and the name; -ENOENT: nobody knows; -EACCES: addresses are hidden; or another negative errno. */
int crumb_kallsyms_find(struct kallsyms *symbols, uint64_t address, char name[KALLSYMS_NAME],
			char module[KALLSYMS_NAME], uint64_t *offset);
void crumb_kallsyms_free(struct kallsyms *symbols);

#endif
