/* usdt_note: see usdt_note.h. */
#include "usdt_note.h"

#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define NOTES_MAX (64u << 20)
#define NT_STAPSDT 3

int crumb_usdt_open(struct usdt_notes *notes, const struct elf_file *file, char *reason)
{
	GElf_Shdr header;
	Elf_Scn *section = crumb_elf_by_name(file, ".note.stapsdt", &header);
	int err;

	reason[0] = 0;
	memset(notes, 0, sizeof(*notes));
	if (!section)
		return 0;
	err = crumb_elf_bytes(file, section, &notes->bytes, reason);
	if (!err && notes->bytes.size > NOTES_MAX) {
		snprintf(reason, ELF_REASON, "they are larger than %u bytes", NOTES_MAX);
		err = EFBIG;
	}
	if (!err && crumb_elf_by_name(file, ".stapsdt.base", &header))
		notes->base = header.sh_addr;
	return err;
}

static bool next_string(const struct elf_bytes *bytes, uint64_t *at, const char **string)
{
	size_t length;

	*string = crumb_elf_string(bytes, *at, &length);
	if (!*string)
		return false;
	*at += length + 1;
	return true;
}

static bool parse(const struct elf_bytes *description, struct usdt_note *note)
{
	uint64_t numbers[3], at = sizeof(numbers);

	if (description->size < sizeof(numbers))
		return false;
	memcpy(numbers, description->data, sizeof(numbers));
	note->location = numbers[0];
	note->base = numbers[1];
	note->semaphore = numbers[2];
	if (!next_string(description, &at, &note->provider) ||
	    !next_string(description, &at, &note->name))
		return false;
	if (!next_string(description, &at, &note->arguments))
		note->arguments = "";
	return true;
}

/* Each step goes on by at least one header. */
bool crumb_usdt_next(struct usdt_notes *notes, struct usdt_note *note)
{
	const struct elf_bytes *bytes = &notes->bytes;
	bool found = false;

	while (!found && bytes->size - notes->at >= sizeof(Elf64_Nhdr)) {
		struct elf_bytes description;
		Elf64_Nhdr header;
		uint64_t name, text, end;

		memcpy(&header, bytes->data + notes->at, sizeof(header));
		name = notes->at + sizeof(header);
		text = name + (((uint64_t)header.n_namesz + 3) & ~3ull);
		end = text + header.n_descsz;
		if (end > bytes->size)
			return false;
		description = (struct elf_bytes){ bytes->data + text, header.n_descsz };
		found = header.n_type == NT_STAPSDT && header.n_namesz == sizeof("stapsdt") &&
			!memcmp(bytes->data + name, "stapsdt", sizeof("stapsdt")) &&
			parse(&description, note);
		end = (end + 3) & ~3ull;
		notes->at = end < bytes->size ? end : bytes->size;
	}
	return found;
}

/* Where in the file a variable lies that programs can write to. */
static bool data_offset(const struct elf_file *file, uint64_t address, uint64_t *offset)
{
	GElf_Phdr header;
	size_t count;

	if (elf_getphdrnum(file->elf, &count))
		return false;
	for (size_t i = 0; i < count; i++) {
		if (!gelf_getphdr(file->elf, (int)i, &header) || header.p_type != PT_LOAD ||
		    !(header.p_flags & PF_W))
			continue;
		if (address >= header.p_vaddr && address - header.p_vaddr < header.p_filesz) {
			*offset = address - header.p_vaddr + header.p_offset;
			return true;
		}
	}
	return false;
}

bool crumb_usdt_locate(const struct usdt_notes *notes, const struct elf_file *file,
		       const struct usdt_note *note, struct usdt_place *place)
{
	uint64_t moved = notes->base ? notes->base - note->base : 0;

	place->address = note->location + moved;
	place->semaphore = 0;
	if (!crumb_elf_offset(file, place->address, &place->offset))
		return false;
	return !note->semaphore || data_offset(file, note->semaphore + moved, &place->semaphore);
}
