/* elf_file: see elf_file.h. */
#include "elf_file.h"

#include <elf.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file.h"

#ifndef EM_LOONGARCH
#define EM_LOONGARCH 258
#endif

#if defined(__x86_64__)
#define MACHINE EM_X86_64
#elif defined(__aarch64__)
#define MACHINE EM_AARCH64
#elif defined(__riscv)
#define MACHINE EM_RISCV
#elif defined(__powerpc64__)
#define MACHINE EM_PPC64
#elif defined(__loongarch__)
#define MACHINE EM_LOONGARCH
#else
#error "crumb does not know this machine's ELF number"
#endif

#define SEGMENTS_MAX 128 /* each symbol is held against them; programs have a dozen */

static const struct {
	unsigned number;
	const char *name;
} machines[] = {
	{ EM_386, "i386" },        { EM_X86_64, "x86_64" }, { EM_ARM, "arm" },
	{ EM_AARCH64, "aarch64" }, { EM_RISCV, "riscv" },   { EM_S390, "s390x" },
	{ EM_PPC, "powerpc" },     { EM_PPC64, "ppc64" },   { EM_MIPS, "mips" },
	{ EM_SPARCV9, "sparc64" }, { EM_BPF, "bpf" },       { EM_LOONGARCH, "loongarch" },
};

#define refuse(reason, err, ...) (snprintf(reason, ELF_REASON, __VA_ARGS__), (err))

static const char *machine_name(unsigned number)
{
	for (size_t i = 0; i < sizeof(machines) / sizeof(*machines); i++)
		if (machines[i].number == number)
			return machines[i].name;
	return "unknown";
}

const char *crumb_elf_machine(void)
{
	return machine_name(MACHINE);
}

static bool within(uint64_t offset, uint64_t length, uint64_t size)
{
	return offset <= size && length <= size - offset;
}

static int open_regular(struct elf_file *file, const char *path, char *reason)
{
	struct stat status;
	int fd = crumb_open_regular(path, &status, reason);

	if (fd < 0)
		return -fd;
	file->fd = fd;
	file->path = strdup(path);
	return file->path ? 0 : ENOMEM;
}

int crumb_elf_read(const struct elf_file *file, void *to, size_t length, uint64_t offset)
{
	ssize_t got;

	if (!within(offset, length, file->size))
		return ENOEXEC;
	do
		got = pread(file->fd, to, length, (off_t)offset);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return errno;
	return (size_t)got == length ? 0 : EIO;
}

static int check_identity(const struct elf_file *file, const unsigned char *ident, char *reason)
{
	if (file->size < SELFMAG || memcmp(ident, ELFMAG, SELFMAG) != 0)
		return refuse(reason, ENOEXEC, "it is not an ELF file");
	if (file->size < sizeof(Elf64_Ehdr))
		return refuse(reason, ENOEXEC,
			      "it is truncated: %" PRIu64 " bytes hold no ELF header", file->size);
	if (ident[EI_CLASS] == ELFCLASS32)
		return refuse(reason, ENOEXEC, "it is a 32-bit binary; crumb takes 64-bit ones");
	if (ident[EI_CLASS] != ELFCLASS64)
		return refuse(reason, ENOEXEC, "its ELF class %u is unknown", ident[EI_CLASS]);
	if (ident[EI_DATA] != ELFDATA2LSB)
		return refuse(reason, ENOEXEC, "its byte order is another machine's");
	if (ident[EI_VERSION] != EV_CURRENT)
		return refuse(reason, ENOEXEC, "its ELF version %u is unknown", ident[EI_VERSION]);
	return 0;
}

static int check_type(const Elf64_Ehdr *header, char *reason)
{
	if (header->e_machine != MACHINE)
		return refuse(
			reason, ENOEXEC, "it is for another machine (%s, number %u); this is %s",
			machine_name(header->e_machine), header->e_machine, crumb_elf_machine());
	if (header->e_type == ET_REL)
		return refuse(reason, ENOEXEC, "it is an object file, not a program or a library");
	if (header->e_type == ET_CORE)
		return refuse(reason, ENOEXEC, "it is a core dump, not a program or a library");
	if (header->e_type != ET_EXEC && header->e_type != ET_DYN)
		return refuse(reason, ENOEXEC, "its ELF type %u is neither program nor library",
			      header->e_type);
	return 0;
}

/* libelf allocates what the section count says, so the count is held against the file first. */
static int check_sections(const struct elf_file *file, const Elf64_Ehdr *header, char *reason)
{
	uint64_t count = header->e_shnum;
	Elf64_Shdr first;

	if (!header->e_shoff)
		return 0;
	if (header->e_shentsize != sizeof(Elf64_Shdr))
		return refuse(reason, ENOEXEC, "its section headers have %u bytes, not %zu",
			      header->e_shentsize, sizeof(Elf64_Shdr));
	if (!within(header->e_shoff, sizeof(first), file->size))
		count = UINT64_MAX / sizeof(first);
	else if (!count) {
		int err = crumb_elf_read(file, &first, sizeof(first), header->e_shoff);

		if (err)
			return err;
		count = first.sh_size;
	}
	if (count > file->size / sizeof(first) ||
	    !within(header->e_shoff, count * sizeof(first), file->size))
		return refuse(reason, ENOEXEC,
			      "it is truncated: its section headers end past its %" PRIu64 " bytes",
			      file->size);
	return 0;
}

static int check_header(const struct elf_file *file, char *reason)
{
	Elf64_Ehdr header = { 0 };
	size_t length = file->size < sizeof(header) ? file->size : sizeof(header);
	int err = crumb_elf_read(file, &header, length, 0);

	if (err)
		return err;
	err = check_identity(file, header.e_ident, reason);
	if (!err)
		err = check_type(&header, reason);
	if (err)
		return err;
	if (!header.e_phnum || header.e_phentsize != sizeof(Elf64_Phdr))
		return refuse(reason, ENOEXEC, "it has no program headers");
	if (!within(header.e_phoff, (uint64_t)header.e_phnum * sizeof(Elf64_Phdr), file->size))
		return refuse(reason, ENOEXEC,
			      "it is truncated: its program headers end past its %" PRIu64 " bytes",
			      file->size);
	return check_sections(file, &header, reason);
}

static int read_segments(struct elf_file *file, char *reason)
{
	GElf_Phdr header;
	size_t count;

	if (elf_getphdrnum(file->elf, &count))
		return refuse(reason, ENOEXEC, "its program headers: %s", elf_errmsg(-1));
	if (count > SEGMENTS_MAX)
		return refuse(reason, ENOEXEC, "it has %zu program headers, more than %d", count,
			      SEGMENTS_MAX);
	file->segments = calloc(count ? count : 1, sizeof(*file->segments));
	if (!file->segments)
		return ENOMEM;
	for (size_t i = 0; i < count; i++) {
		if (!gelf_getphdr(file->elf, (int)i, &header))
			return refuse(reason, ENOEXEC, "program header %zu: %s", i, elf_errmsg(-1));
		if (header.p_type != PT_LOAD)
			continue;
		if (!within(header.p_offset, header.p_filesz, file->size))
			return refuse(reason, ENOEXEC,
				      "it is truncated, or holds only debug information: segment "
				      "%zu ends past its %" PRIu64 " bytes",
				      i, file->size);
		if (header.p_flags & PF_X)
			file->segments[file->segment_count++] =
				(struct elf_segment){ header.p_vaddr, header.p_offset,
						      header.p_filesz };
	}
	return 0;
}

/* libelf reads the headers at the first question; asked here, a later failure is one of reading. */
static int read_sections(const struct elf_file *file, char *reason)
{
	Elf_Scn *section = NULL;
	GElf_Shdr header;

	while ((section = elf_nextscn(file->elf, section)))
		if (!gelf_getshdr(section, &header))
			return refuse(reason, ENOEXEC, "section header %zu: %s",
				      elf_ndxscn(section), elf_errmsg(-1));
	return 0;
}

static int check(struct elf_file *file, char *reason)
{
	struct stat status;
	int err;

	if (fstat(file->fd, &status))
		return errno;
	file->size = (uint64_t)status.st_size;
	if (!file->size)
		return refuse(reason, ENOEXEC, "the file is empty");
	err = check_header(file, reason);
	if (err)
		return err;
	elf_version(EV_CURRENT);
	file->elf = elf_begin(file->fd, ELF_C_READ, NULL);
	if (!file->elf || elf_kind(file->elf) != ELF_K_ELF)
		return refuse(reason, ENOEXEC, "libelf refuses it: %s", elf_errmsg(-1));
	return read_sections(file, reason);
}

static void begin(struct elf_file *file, int fd, char *reason)
{
	memset(file, 0, sizeof(*file));
	file->fd = fd;
	reason[0] = 0;
}

int crumb_elf_open(struct elf_file *file, const char *path, char *reason)
{
	int err;

	begin(file, -1, reason);
	err = open_regular(file, path, reason);
	if (!err)
		err = check(file, reason);
	if (!err)
		err = read_segments(file, reason);
	if (err)
		crumb_elf_close(file);
	return err;
}

int crumb_elf_open_debug(struct elf_file *file, int fd, char *reason)
{
	int err;

	begin(file, fd, reason);
	err = check(file, reason);
	if (err)
		crumb_elf_close(file);
	return err;
}

int crumb_elf_leave(struct elf_file *file)
{
	int fd = file->fd;

	if (fd < 0)
		return 0;
	if (file->elf)
		elf_cntl(file->elf, ELF_C_FDDONE);
	file->fd = -1;
	return close(fd) ? errno : 0;
}

void crumb_elf_close(struct elf_file *file)
{
	crumb_elf_leave(file);
	free(file->path);
	free(file->debug_root);
	free(file->segments);
	if (file->elf)
		elf_end(file->elf);
	memset(file, 0, sizeof(*file));
	file->fd = -1;
}

bool crumb_elf_offset(const struct elf_file *file, uint64_t vaddr, uint64_t *offset)
{
	for (size_t i = 0; i < file->segment_count; i++) {
		const struct elf_segment *s = &file->segments[i];

		if (vaddr >= s->vaddr && vaddr - s->vaddr < s->size) {
			*offset = vaddr - s->vaddr + s->offset;
			return true;
		}
	}
	return false;
}

bool crumb_elf_address(const struct elf_file *file, uint64_t offset, uint64_t *vaddr)
{
	for (size_t i = 0; i < file->segment_count; i++) {
		const struct elf_segment *s = &file->segments[i];

		if (offset >= s->offset && offset - s->offset < s->size) {
			*vaddr = offset - s->offset + s->vaddr;
			return true;
		}
	}
	return false;
}

bool crumb_elf_executable(const struct elf_file *file, uint64_t offset)
{
	uint64_t vaddr;

	return crumb_elf_address(file, offset, &vaddr);
}

Elf_Scn *crumb_elf_by_type(const struct elf_file *file, uint32_t type, GElf_Shdr *header)
{
	Elf_Scn *section = NULL;

	while ((section = elf_nextscn(file->elf, section)))
		if (gelf_getshdr(section, header) && header->sh_type == type)
			return section;
	return NULL;
}

Elf_Scn *crumb_elf_by_name(const struct elf_file *file, const char *name, GElf_Shdr *header)
{
	char reason[ELF_REASON];
	struct elf_bytes names;
	Elf_Scn *section = NULL;
	size_t index, length;

	if (elf_getshdrstrndx(file->elf, &index) ||
	    crumb_elf_linked(file, (uint32_t)index, &names, reason))
		return NULL;
	while ((section = elf_nextscn(file->elf, section))) {
		const char *found;

		if (!gelf_getshdr(section, header))
			continue;
		found = crumb_elf_string(&names, header->sh_name, &length);
		if (found && !strcmp(found, name))
			return section;
	}
	return NULL;
}

int crumb_elf_bytes(const struct elf_file *file, Elf_Scn *section, struct elf_bytes *bytes,
		    char *reason)
{
	GElf_Shdr header;
	Elf_Data *data;

	*bytes = (struct elf_bytes){ NULL, 0 };
	if (!gelf_getshdr(section, &header))
		return refuse(reason, ENOEXEC, "a section header: %s", elf_errmsg(-1));
	if (header.sh_type == SHT_NOBITS || header.sh_size == 0)
		return 0;
	if (header.sh_flags & SHF_COMPRESSED)
		return refuse(reason, ENOEXEC, "section %zu is compressed", elf_ndxscn(section));
	if (!within(header.sh_offset, header.sh_size, file->size))
		return refuse(reason, ENOEXEC,
			      "it is truncated: section %zu ends past its %" PRIu64 " bytes",
			      elf_ndxscn(section), file->size);
	if (header.sh_size > ELF_SECTION_MAX)
		return refuse(reason, EFBIG, "section %zu is larger than 1 GiB",
			      elf_ndxscn(section));
	data = elf_rawdata(section, NULL);
	if (!data || !data->d_buf || data->d_size != header.sh_size)
		return refuse(reason, EIO, "section %zu cannot be read: %s", elf_ndxscn(section),
			      elf_errmsg(-1));
	bytes->data = data->d_buf;
	bytes->size = data->d_size;
	return 0;
}

int crumb_elf_linked(const struct elf_file *file, uint32_t index, struct elf_bytes *bytes,
		     char *reason)
{
	Elf_Scn *section = elf_getscn(file->elf, index);

	*bytes = (struct elf_bytes){ NULL, 0 };
	if (!section || !index)
		return refuse(reason, ENOEXEC, "it has no section %u", index);
	return crumb_elf_bytes(file, section, bytes, reason);
}

const char *crumb_elf_string(const struct elf_bytes *table, uint64_t at, size_t *length)
{
	uint64_t most;
	const char *end;

	if (at >= table->size)
		return NULL;
	most = table->size - at;
	if (most > ELF_STRING_MAX)
		most = ELF_STRING_MAX;
	end = memchr(table->data + at, 0, most);
	if (!end)
		return NULL;
	*length = (size_t)(end - (table->data + at));
	return table->data + at;
}
