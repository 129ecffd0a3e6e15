/*
 * kallsyms: the kernel's functions, from /proc/kallsyms: names -> addresses, addresses -> names.
 *
 * Read at the first question and kept.  The kernel's own text stays as it is; what lies beyond it
 * (modules, BPF programs) comes and goes, and is looked up in a table that is fresh.
 */
#ifndef CRUMB_KALLSYMS_H
#define CRUMB_KALLSYMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "glob.h"
#include "nearest.h"

#define KALLSYMS_NAME 512

/* A function; or what is none, of which only the address is kept: functions before it end there. */
struct kallsym {
	uint64_t address; /* 0: hidden from this user */
	uint32_t name, module; /* where in the names; module 0: none */
	uint32_t next; /* of those with the same hash: its number + 1 */
	uint16_t length; /* of the name; 0: it is no function */
	uint8_t rank; /* of several at one address the least is its name */
	bool marked; /* it is in the list that crumb_kallsyms_mark() read */
};

struct kallsyms {
	char *names; /* NULL: not read yet */
	struct kallsym *list; /* by address, and as they came */
	uint32_t *heads; /* of the chains by hash, numbers + 1; NULL: nobody asked for a name yet */
	size_t used, room; /* of the names */
	size_t count, entries;
	uint32_t mask;
	uint32_t module; /* of the line before */
	uint64_t start, end; /* of the kernel's own text */
	bool visible; /* addresses are shown */
	bool marked;
	int64_t read_at;
};

/* Copies of functions, which outlive the table. */
struct kallsyms_found {
	struct kallsyms_copy {
		uint64_t address; /* 0: hidden */
		uint64_t size; /* up to the next symbol; 0: not known */
		size_t name, length, module; /* in the text; module 0: none */
		bool marked;
	} * list;
	char *text;
	size_t count, entries, used, room;
};

/* All return 0 or a negative errno; -EACCES: this user may not see what is asked for. */

/* Reads the file where that has not been done. */
int crumb_kallsyms_load(struct kallsyms *symbols, const char *path);

/* Reads the file again where what there is may be old; 1: that was done. */
int crumb_kallsyms_refresh(struct kallsyms *symbols, const char *path);

void crumb_kallsyms_free(struct kallsyms *symbols);

/*
 * Marks the functions of a list "NAME" or "NAME [MODULE]", a line each, as ftrace's are, or with the
 * ADDRESS where ftrace comes in before it; once for each reading.
 */
int crumb_kallsyms_mark(struct kallsyms *symbols, const char *path);

/* The function that holds an address; -ENOENT: nobody knows. */
int crumb_kallsyms_at(const struct kallsyms *symbols, uint64_t address, char name[KALLSYMS_NAME],
		      char module[KALLSYMS_NAME], uint64_t *offset);

/* Whether an address that may lie in a module or a BPF program needs a table that is fresh. */
bool crumb_kallsyms_is_own(const struct kallsyms *symbols, uint64_t address);

/* The functions of that name; that a glob matches (NULL: all); that begin at an address. */
int crumb_kallsyms_find(struct kallsyms *symbols, const char *name, size_t length,
			struct kallsyms_found *found);
int crumb_kallsyms_match(const struct kallsyms *symbols, const struct glob *glob,
			 struct kallsyms_found *found);
int crumb_kallsyms_starting(const struct kallsyms *symbols, uint64_t address,
			    struct kallsyms_found *found);

void crumb_kallsyms_found_free(struct kallsyms_found *found);

/* Offers all functions; what is near are copies in `room`. */
void crumb_kallsyms_nearest(const struct kallsyms *symbols, struct nearest *nearest,
			    char room[NEAREST_BEST][KALLSYMS_NAME]);

#endif
