/*
 * elf_file: an ELF file that nobody vouches for, opened once and read in bounds.
 *
 * The file is read, never mapped: one that is truncated under us gives an error, not SIGBUS.
 * Sizes and places in the file are claims until they have been compared with its length.
 */
#ifndef CRUMB_ELF_FILE_H
#define CRUMB_ELF_FILE_H

#include <gelf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ELF_REASON 192 /* bytes for a reason */
#define ELF_STRING_MAX 4096 /* longer names are passed over */
#define ELF_SECTION_MAX (1ull << 30)

/* An executable PT_LOAD. */
struct elf_segment {
	uint64_t vaddr;
	uint64_t offset;
	uint64_t size;
};

struct elf_file {
	int fd;
	char *path; /* as it was opened; NULL: by a descriptor */
	char *debug_root; /* where separate debug files lie; NULL: the usual place */
	Elf *elf;
	uint64_t size;
	struct elf_segment *segments;
	size_t segment_count;
};

struct elf_bytes {
	const char *data;
	uint64_t size;
};

/* 0, or an errno and why in `reason` ("" where the errno says it all). */
int crumb_elf_open(struct elf_file *file, const char *path, char *reason);
void crumb_elf_close(struct elf_file *file);

/*
 * The same of a file that holds what was taken out of another one, so its segments are not in it.
 * Takes the descriptor, in any case.
 */
int crumb_elf_open_debug(struct elf_file *file, int fd, char *reason);

/*
 * Gives back the descriptor alone: what has been read stays, and what has not gives an error.
 * 0 or an errno.
 */
int crumb_elf_leave(struct elf_file *file);

/* Reads so many bytes at that offset, or none: 0 or an errno, ENOEXEC where the file ends before. */
int crumb_elf_read(const struct elf_file *file, void *to, size_t length, uint64_t offset);

/* The name of the one machine whose files are taken. */
const char *crumb_elf_machine(void);

/* The file offset of an address in an executable segment. */
bool crumb_elf_offset(const struct elf_file *file, uint64_t vaddr, uint64_t *offset);

/* The other way round. */
bool crumb_elf_address(const struct elf_file *file, uint64_t offset, uint64_t *vaddr);

/* Whether these bytes of the file are mapped executable. */
bool crumb_elf_executable(const struct elf_file *file, uint64_t offset);

/* The first section of that type or name with its header, or NULL. */
Elf_Scn *crumb_elf_by_type(const struct elf_file *file, uint32_t type, GElf_Shdr *header);
Elf_Scn *crumb_elf_by_name(const struct elf_file *file, const char *name, GElf_Shdr *header);

/* The bytes of a section, valid until the file is closed; 0 or an errno and why. */
int crumb_elf_bytes(const struct elf_file *file, Elf_Scn *section, struct elf_bytes *bytes,
		    char *reason);

/* The bytes of the section with that index. */
int crumb_elf_linked(const struct elf_file *file, uint32_t index, struct elf_bytes *bytes,
		     char *reason);

/* The string at `at`, or NULL when it does not end within the table or is over-long. */
const char *crumb_elf_string(const struct elf_bytes *table, uint64_t at, size_t *length);

#endif
