/* elf_note: the USDT probes that a file tells of in .note.stapsdt. */
#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "elf_class.h"
#include "elf_file.h"

#define NOTES_MAX (64u << 20)
#define PLACES_MAX 65536
#define NT_STAPSDT 3

/* A note's description: three addresses, then three strings. */
struct probe {
	uint64_t location, base, semaphore;
	const char *provider, *name, *arguments;
};

static bool next_string(const struct elf_bytes *bytes, uint64_t *at, const char **string)
{
	size_t length;

	*string = crumb_elf_string(bytes, *at, &length);
	if (!*string)
		return false;
	*at += length + 1;
	return true;
}

static bool parse(const struct elf_bytes *description, struct probe *probe)
{
	uint64_t numbers[3], at = sizeof(numbers);

	if (description->size < sizeof(numbers))
		return false;
	memcpy(numbers, description->data, sizeof(numbers));
	probe->location = numbers[0];
	probe->base = numbers[1];
	probe->semaphore = numbers[2];
	if (!next_string(description, &at, &probe->provider) ||
	    !next_string(description, &at, &probe->name))
		return false;
	if (!next_string(description, &at, &probe->arguments))
		probe->arguments = "";
	return true;
}

/* The next note's probe; false at the end.  It moves `at` on by at least one header. */
static bool next_probe(const struct elf_bytes *notes, uint64_t *at, struct probe *probe)
{
	bool found = false;

	while (!found && notes->size - *at >= sizeof(Elf64_Nhdr)) {
		struct elf_bytes description;
		Elf64_Nhdr header;
		uint64_t name, text, end;

		memcpy(&header, notes->data + *at, sizeof(header));
		name = *at + sizeof(header);
		text = name + (((uint64_t)header.n_namesz + 3) & ~3ull);
		end = text + header.n_descsz;
		if (end > notes->size)
			return false;
		description = (struct elf_bytes){ notes->data + text, header.n_descsz };
		found = header.n_type == NT_STAPSDT && header.n_namesz == sizeof("stapsdt") &&
			!memcmp(notes->data + name, "stapsdt", sizeof("stapsdt")) &&
			parse(&description, probe);
		end = (end + 3) & ~3ull;
		*at = end < notes->size ? end : notes->size;
	}
	return found;
}

/* 0, and no bytes when the file has no such section; or an errno and why. */
static int find_notes(const struct elf_file *file, struct elf_bytes *notes, char *reason)
{
	GElf_Shdr header;
	Elf_Scn *section = crumb_elf_by_name(file, ".note.stapsdt", &header);
	int err;

	reason[0] = 0;
	*notes = (struct elf_bytes){ NULL, 0 };
	if (!section)
		return 0;
	err = crumb_elf_bytes(file, section, notes, reason);
	if (!err && notes->size > NOTES_MAX) {
		snprintf(reason, ELF_REASON, "they are larger than %u bytes", NOTES_MAX);
		err = EFBIG;
	}
	return err;
}

/* elf:usdt() -> each "provider:name" once */
static int l_usdt(lua_State *L)
{
	const struct elf_file *file = elf_check(L, 1);
	char reason[ELF_REASON];
	struct elf_bytes notes;
	struct probe probe;
	lua_Integer count = 0;
	uint64_t at = 0;
	int err = find_notes(file, &notes, reason), list;

	if (err)
		return elf_fail(L, err, "read the USDT notes", reason);
	lua_newtable(L);
	list = lua_gettop(L);
	lua_newtable(L);
	while (next_probe(&notes, &at, &probe)) {
		lua_pushfstring(L, "%s:%s", probe.provider, probe.name);
		elf_append_once(L, list, list + 1, &count);
	}
	lua_settop(L, list);
	return 1;
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

/*
 * Where in the file the probe's instruction and semaphore lie (0: none); false when the note is
 * wrong.  `base` is where .stapsdt.base is: what a linker that moved everything left to tell by.
 */
static bool locate(const struct elf_file *file, const struct probe *probe, uint64_t base,
		   uint64_t *offset, uint64_t *semaphore)
{
	uint64_t moved = base ? base - probe->base : 0;

	*semaphore = 0;
	if (!crumb_elf_offset(file, probe->location + moved, offset))
		return false;
	return !probe->semaphore || data_offset(file, probe->semaphore + moved, semaphore);
}

static void push_place(lua_State *L, const struct probe *probe, uint64_t offset, uint64_t semaphore)
{
	lua_createtable(L, 0, 3);
	lua_pushinteger(L, (lua_Integer)offset);
	lua_setfield(L, -2, "offset");
	if (semaphore) {
		lua_pushinteger(L, (lua_Integer)semaphore);
		lua_setfield(L, -2, "semaphore");
	}
	lua_pushstring(L, probe->arguments);
	lua_setfield(L, -2, "arguments");
}

/* elf:usdt_probes(provider, name) -> {{ offset, semaphore?, arguments }}, and how many are wrong */
static int l_usdt_probes(lua_State *L)
{
	const struct elf_file *file = elf_check(L, 1);
	const char *provider = luaL_checkstring(L, 2), *name = luaL_checkstring(L, 3);
	uint64_t at = 0, base = 0, offset, semaphore;
	lua_Integer count = 0, wrong = 0;
	char reason[ELF_REASON];
	struct elf_bytes notes;
	struct probe probe;
	GElf_Shdr header;
	int err = find_notes(file, &notes, reason);

	if (err)
		return elf_fail(L, err, "read the USDT notes", reason);
	if (crumb_elf_by_name(file, ".stapsdt.base", &header))
		base = header.sh_addr;
	lua_newtable(L);
	while (count < PLACES_MAX && next_probe(&notes, &at, &probe)) {
		if (strcmp(probe.provider, provider) || strcmp(probe.name, name))
			continue;
		if (locate(file, &probe, base, &offset, &semaphore)) {
			push_place(L, &probe, offset, semaphore);
			lua_rawseti(L, -2, ++count);
		} else {
			wrong++;
		}
	}
	lua_pushinteger(L, wrong);
	return 2;
}

const luaL_Reg elf_note_methods[] = {
	{ "usdt", l_usdt },
	{ "usdt_probes", l_usdt_probes },
	{ NULL, NULL },
};
