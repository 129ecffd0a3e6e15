/* btf_file: see btf_file.h. */
#include "btf_file.h"

#include <errno.h>
#include <gelf.h>
#include <libelf.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "file.h"

#define RAW_BYTES (1 << 28) /* no BTF is larger */

static bool is_raw(const void *bytes, size_t size)
{
	uint16_t magic = 0;

	if (size >= sizeof(magic))
		memcpy(&magic, bytes, sizeof(magic));
	return magic == BTF_MAGIC || magic == __builtin_bswap16(BTF_MAGIC);
}

/* The section .BTF, or NULL. */
static Elf_Data *find_section(Elf *elf)
{
	Elf_Scn *section = NULL;
	size_t names;

	if (elf_getshdrstrndx(elf, &names))
		return NULL;
	while ((section = elf_nextscn(elf, section))) {
		GElf_Shdr header;
		const char *name;

		if (!gelf_getshdr(section, &header))
			continue;
		name = elf_strptr(elf, names, header.sh_name);
		if (name && !strcmp(name, BTF_ELF_SEC))
			return header.sh_type == SHT_PROGBITS ? elf_rawdata(section, NULL) : NULL;
	}
	return NULL;
}

static int open_raw(const void *bytes, size_t size, struct btf **btf)
{
	if (size > RAW_BYTES)
		return -E2BIG;
	*btf = btf__new(bytes, (uint32_t)size);
	if (!*btf)
		return -errno;
	if (btf__endianness(*btf) == BTF_LITTLE_ENDIAN)
		return 0;
	btf__free(*btf);
	*btf = NULL;
	return -EPROTO;
}

static int open_elf(Elf *elf, struct btf **btf)
{
	Elf_Data *data;
	int err = -ENOEXEC;

	if (elf && elf_kind(elf) == ELF_K_ELF) {
		data = find_section(elf);
		err = data && data->d_buf ? open_raw(data->d_buf, data->d_size, btf) : -ENODATA;
	}
	elf_end(elf);
	return err;
}

int crumb_btf_from_bytes(const void *bytes, size_t size, struct btf **btf)
{
	if (is_raw(bytes, size))
		return open_raw(bytes, size, btf);
	elf_version(EV_CURRENT);
	/* libelf wants a pointer that is not const, and does not write when it reads. */
	return open_elf(elf_memory((char *)(uintptr_t)bytes, size), btf);
}

static int open_descriptor(int fd, off_t size, struct btf **btf)
{
	unsigned char magic[2] = { 0 };
	ssize_t got;
	void *bytes;
	int err;

	if (pread(fd, magic, sizeof(magic), 0) != sizeof(magic))
		return -ENOEXEC;
	if (!is_raw(magic, sizeof(magic)))
		return open_elf(elf_begin(fd, ELF_C_READ, NULL), btf);
	if (size > RAW_BYTES)
		return -E2BIG;
	bytes = malloc((size_t)size);
	if (!bytes)
		return -ENOMEM;
	got = pread(fd, bytes, (size_t)size, 0);
	err = got < 0 ? -errno : open_raw(bytes, (size_t)got, btf);
	free(bytes);
	return err;
}

int crumb_btf_from_file(const char *path, struct btf **btf, char *reason)
{
	struct stat status;
	int fd = crumb_open_regular(path, &status, reason);
	int err;

	if (fd < 0)
		return fd;
	elf_version(EV_CURRENT);
	err = open_descriptor(fd, status.st_size, btf);
	close(fd);
	return err;
}
