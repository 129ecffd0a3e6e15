/*
 * elf_vector: whether a place in a file holds an instruction that x86's uprobes take for another.
 *
 * The kernel tells what it has to emulate by the opcode's byte and forgets the prefix: to it the
 * 0x7a of EVEX's vpbroadcastb is a jump, the 0x57 of VEX's vxorps a push.  The traced program then
 * goes wrong in silence, so no instruction with a VEX, EVEX, XOP or REX2 prefix is probed.
 */
#ifndef CRUMB_ELF_VECTOR_H
#define CRUMB_ELF_VECTOR_H

#include <stdbool.h>
#include <stdint.h>

#include "elf_file.h"

#define ELF_VECTOR_REASON                                                                          \
	"it begins with a vector instruction, which the kernel would emulate as another one"

/* What was last read of the file, so that neighbours cost one reading. */
struct elf_window {
	uint64_t start, length;
	unsigned char bytes[4096];
};

/* The window is zero at first.  What cannot be read holds none. */
bool crumb_elf_vector(const struct elf_file *file, struct elf_window *window, uint64_t offset);

#endif
