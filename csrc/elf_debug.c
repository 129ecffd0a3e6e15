/* elf_debug: see elf_debug.h. */
#define _GNU_SOURCE
#include "elf_debug.h"

#include <elf.h>
#include <errno.h>
#include <limits.h>
#include <lzma.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file.h"

#define ROOT "/usr/lib/debug"
#define UNPACKED_MAX (128ull << 20)
#define UNPACKER_MAX (64ull << 20) /* memory for it */
#define SUMMED_MAX (256ll << 20) /* bytes of a debug file that are read for its checksum */

size_t crumb_build_id(const struct elf_file *file, unsigned char id[BUILD_ID_MAX])
{
	char reason[ELF_REASON];
	struct elf_bytes bytes;
	GElf_Shdr section;
	Elf64_Nhdr note;
	Elf_Scn *found = crumb_elf_by_name(file, ".note.gnu.build-id", &section);

	if (!found || crumb_elf_bytes(file, found, &bytes, reason) ||
	    bytes.size < sizeof(note) + sizeof(ELF_NOTE_GNU))
		return 0;
	memcpy(&note, bytes.data, sizeof(note));
	if (note.n_type != NT_GNU_BUILD_ID || note.n_namesz != sizeof(ELF_NOTE_GNU) ||
	    memcmp(bytes.data + sizeof(note), ELF_NOTE_GNU, sizeof(ELF_NOTE_GNU)) ||
	    note.n_descsz > BUILD_ID_MAX ||
	    note.n_descsz > bytes.size - sizeof(note) - sizeof(ELF_NOTE_GNU))
		return 0;
	memcpy(id, bytes.data + sizeof(note) + sizeof(ELF_NOTE_GNU), note.n_descsz);
	return note.n_descsz;
}

/* What is looked for. */
struct search {
	const struct elf_file *file;
	unsigned char id[BUILD_ID_MAX];
	size_t id_size;
	char directory[PATH_MAX]; /* of the file, with a slash */
	const char *link; /* the debug file's name, or NULL */
	uint32_t sum;
};

static uint32_t sum_of(int fd)
{
	static const size_t step = 64 << 10;
	unsigned char *buffer = malloc(step);
	uint32_t sum = 0;
	off_t at = 0;
	ssize_t got;

	if (!buffer)
		return 0;
	while ((got = pread(fd, buffer, step, at)) > 0) {
		sum = lzma_crc32(buffer, (size_t)got, sum);
		at += got;
	}
	free(buffer);
	return sum;
}

static bool is_same_file(int fd, const struct stat *status)
{
	struct stat other;

	return !fstat(fd, &other) && other.st_dev == status->st_dev &&
	       other.st_ino == status->st_ino;
}

/* A build id is of the very file; without one, the checksum tells. */
static bool belongs(const struct search *search, const struct elf_file *debug)
{
	unsigned char id[BUILD_ID_MAX];

	if (search->id_size)
		return crumb_build_id(debug, id) == search->id_size &&
		       !memcmp(id, search->id, search->id_size);
	return debug->size <= SUMMED_MAX && sum_of(debug->fd) == search->sum;
}

static int try(const struct search *search, const char *path, struct elf_file *debug)
{
	char reason[ELF_REASON];
	struct stat status;
	int fd = crumb_open_regular(path, &status, reason);

	if (fd < 0)
		return ENOENT;
	if (is_same_file(search->file->fd, &status)) {
		close(fd);
		return ENOENT;
	}
	if (crumb_elf_open_debug(debug, fd, reason))
		return ENOENT;
	if (belongs(search, debug))
		return 0;
	crumb_elf_close(debug);
	return ENOENT;
}

/* By where the descriptor says that the file is, since a path may be a symbolic link. */
static void find_directory(struct search *search)
{
	char link[32], *end;
	struct stat status;
	ssize_t length;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", search->file->fd);
	length = readlink(link, search->directory, sizeof(search->directory) - 1);
	search->directory[length < 0 ? 0 : length] = 0;
	if (length <= 0 || stat(search->directory, &status) ||
	    !is_same_file(search->file->fd, &status))
		snprintf(search->directory, sizeof(search->directory), "%s",
			 search->file->path ? search->file->path : "");
	end = strrchr(search->directory, '/');
	if (end)
		end[1] = 0;
	else
		strcpy(search->directory, "./");
}

/* The section has a name, padding to four bytes, and the checksum. */
static void read_link(struct search *search)
{
	char reason[ELF_REASON];
	struct elf_bytes bytes;
	GElf_Shdr header;
	Elf_Scn *section = crumb_elf_by_name(search->file, ".gnu_debuglink", &header);
	const char *name;
	size_t length, at;

	if (!section || crumb_elf_bytes(search->file, section, &bytes, reason))
		return;
	name = crumb_elf_string(&bytes, 0, &length);
	if (!name || !length || length > NAME_MAX || strchr(name, '/') || !strcmp(name, ".") ||
	    !strcmp(name, ".."))
		return;
	at = (length + 1 + 3) & ~(size_t)3;
	if (bytes.size < at + sizeof(search->sum))
		return;
	memcpy(&search->sum, bytes.data + at, sizeof(search->sum));
	search->link = name;
}

static int by_id(const struct search *search, const char *root, char *path, struct elf_file *debug)
{
	int at;

	if (search->id_size < 2)
		return ENOENT;
	at = snprintf(path, PATH_MAX, "%s/.build-id/%02x/", root, search->id[0]);
	for (size_t i = 1; i < search->id_size && at < PATH_MAX; i++)
		at += snprintf(path + at, PATH_MAX - (size_t)at, "%02x", search->id[i]);
	if (at >= PATH_MAX - (int)sizeof(".debug"))
		return ENOENT;
	strcpy(path + at, ".debug");
	return try(search, path, debug);
}

static int by_link(const struct search *search, const char *root, char *path,
		   struct elf_file *debug)
{
	const char *const places[][2] = {
		{ search->directory, "" },
		{ search->directory, ".debug/" },
		{ root, search->directory },
	};
	int err = ENOENT;

	for (size_t i = 0; search->link && err && i < sizeof(places) / sizeof(*places); i++)
		if (snprintf(path, PATH_MAX, "%s%s%s", places[i][0], places[i][1], search->link) <
		    PATH_MAX)
			err = try(search, path, debug);
	return err;
}

int crumb_debug_file(struct elf_file *debug, const struct elf_file *file, char **path)
{
	const char *root = file->debug_root ? file->debug_root : ROOT;
	struct search search = { .file = file };
	char text[PATH_MAX];
	int err;

	if (file->fd < 0)
		return ENOENT;
	search.id_size = crumb_build_id(file, search.id);
	read_link(&search);
	if (search.link)
		find_directory(&search);
	err = by_id(&search, root, text, debug);
	if (err)
		err = by_link(&search, root, text, debug);
	if (err)
		return err;
	*path = strdup(text);
	if (*path)
		return 0;
	crumb_elf_close(debug);
	return ENOMEM;
}

static int write_all(int fd, const unsigned char *bytes, size_t size)
{
	while (size) {
		ssize_t done = write(fd, bytes, size);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return errno;
		bytes += done;
		size -= (size_t)done;
	}
	return 0;
}

static int unpack(lzma_stream *stream, int fd)
{
	static const size_t step = 64 << 10;
	unsigned char *buffer = malloc(step);
	lzma_ret result = LZMA_OK;
	int err = buffer ? 0 : ENOMEM;

	while (!err && result == LZMA_OK) {
		stream->next_out = buffer;
		stream->avail_out = step;
		result = lzma_code(stream, LZMA_FINISH);
		if (result != LZMA_OK && result != LZMA_STREAM_END)
			err = result == LZMA_MEM_ERROR ? ENOMEM : EINVAL;
		else if (stream->total_out > UNPACKED_MAX)
			err = EFBIG;
		else
			err = write_all(fd, buffer, step - stream->avail_out);
	}
	free(buffer);
	return err;
}

/* Into a file without a name, which is read as any other. */
int crumb_debug_data(struct elf_file *debug, const struct elf_file *file)
{
	lzma_stream stream = LZMA_STREAM_INIT;
	char reason[ELF_REASON];
	struct elf_bytes bytes;
	GElf_Shdr header;
	Elf_Scn *section = crumb_elf_by_name(file, ".gnu_debugdata", &header);
	int fd, err;

	if (!section || crumb_elf_bytes(file, section, &bytes, reason) || !bytes.size)
		return ENOENT;
	if (lzma_stream_decoder(&stream, UNPACKER_MAX, 0) != LZMA_OK)
		return ENOMEM;
	fd = memfd_create("crumb", MFD_CLOEXEC);
	if (fd < 0) {
		lzma_end(&stream);
		return errno;
	}
	stream.next_in = (const unsigned char *)bytes.data;
	stream.avail_in = bytes.size;
	err = unpack(&stream, fd);
	lzma_end(&stream);
	if (!err)
		return crumb_elf_open_debug(debug, fd, reason);
	close(fd);
	return err;
}
