/*
 * elf_mutator: changes of ELF files that a reader notices.
 *
 * Most bytes of a file are code, which nobody reads.  Half of the changes go where the headers say
 * that something lies: a field there is overwritten with a number from its surroundings or an
 * extreme.
 */
#include <elf.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed);

static size_t up_to(size_t most)
{
	return most < RAND_MAX ? (size_t)rand() % (most + 1) : (size_t)rand();
}

/* A place in the file header, in a program or section header, or in what a section header names. */
static size_t choose(const uint8_t *data, size_t size)
{
	Elf64_Ehdr file;
	Elf64_Shdr section;
	size_t at;

	memcpy(&file, data, sizeof(file));
	switch (up_to(5)) {
	case 0:
		return up_to(sizeof(file));
	case 1:
		return file.e_phoff + up_to(file.e_phnum * sizeof(Elf64_Phdr));
	case 2:
		return file.e_shoff + up_to(file.e_shnum * sizeof(Elf64_Shdr));
	default:
		at = file.e_shoff + up_to(file.e_shnum) * sizeof(section);
		if (at > size || size - at < sizeof(section))
			return up_to(size);
		memcpy(&section, data + at, sizeof(section));
		return section.sh_offset + up_to(section.sh_size);
	}
}

static uint64_t number(size_t size)
{
	static const uint64_t extremes[] = { 0,
					     1,
					     2,
					     8,
					     24,
					     0xff,
					     0xffff,
					     0x7fffffff,
					     0xffffffff,
					     INT64_MAX,
					     UINT64_MAX,
					     SHT_SYMTAB,
					     SHT_DYNSYM,
					     SHT_GNU_verdef,
					     SHT_GNU_verneed,
					     SHT_GNU_versym,
					     SHT_NOTE };

	switch (up_to(3)) {
	case 0:
		return size - 64 + up_to(128);
	case 1:
		return up_to(size);
	default:
		return extremes[up_to(sizeof(extremes) / sizeof(*extremes) - 1)];
	}
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed)
{
	srand(seed);
	if (size < sizeof(Elf64_Ehdr) || up_to(1))
		return LLVMFuzzerMutate(data, size, max_size);
	for (size_t changes = 1 + up_to(3); changes; changes--) {
		size_t at = choose(data, size) & ~(size_t)up_to(7), length = (size_t)1 << up_to(3);
		uint64_t value = number(size);

		if (at <= size && length <= size - at)
			memcpy(data + at, &value, length);
	}
	return size;
}
