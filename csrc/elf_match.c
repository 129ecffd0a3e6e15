/* elf_match: see elf_match.h. */
#include "elf_match.h"

#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "elf_demangled.h"
#include "elf_vector.h"
#include "glob.h"

static int reserve(struct elf_matches *matches)
{
	size_t room = matches->room ? 2 * matches->room : 64;
	struct elf_match *list;

	if (matches->count < matches->room)
		return 0;
	if (matches->count >= ELF_PLACES_MAX)
		return E2BIG;
	list = reallocarray(matches->list, room, sizeof(*list));
	if (!list)
		return ENOMEM;
	matches->list = list;
	matches->room = room;
	return 0;
}

static struct elf_match match_of(const struct elf_file *file, struct elf_window *window,
				 const struct elf_symbol *symbol)
{
	struct elf_match match = { .symbol = symbol };

	if (!crumb_elf_offset(file, symbol->value, &match.offset))
		match.kind = ELF_OUTSIDE;
	else if (ELF64_ST_TYPE(symbol->info) == STT_GNU_IFUNC)
		match.kind = ELF_IFUNC;
	else if (crumb_elf_vector(file, window, match.offset))
		match.kind = ELF_VECTOR;
	return match;
}

static int compare_cb(const void *left, const void *right)
{
	const struct elf_match *a = left, *b = right;

	if (a->kind != b->kind)
		return a->kind < b->kind ? -1 : 1;
	if (a->offset != b->offset)
		return a->offset < b->offset ? -1 : 1;
	return crumb_symbol_compare(a->symbol, b->symbol);
}

static bool same(const struct elf_match *a, const struct elf_match *b)
{
	return a->kind == b->kind && a->offset == b->offset &&
	       a->symbol->length == b->symbol->length &&
	       !memcmp(a->symbol->name, b->symbol->name, a->symbol->length);
}

/* .symtab repeats what .dynsym has. */
static void drop_repeated(struct elf_matches *matches)
{
	size_t kept = 0;

	for (size_t i = 0; i < matches->count; i++)
		if (!kept || !same(&matches->list[kept - 1], &matches->list[i]))
			matches->list[kept++] = matches->list[i];
	matches->count = kept;
}

static bool is_meant(struct elf_symbols *symbols, uint32_t index, const struct glob *pattern)
{
	const struct elf_symbol *symbol = &symbols->list[index];
	const struct elf_name *name;

	if (crumb_glob_match(pattern, symbol->name, symbol->length))
		return true;
	name = crumb_symbol_demangled(symbols, index);
	return name &&
	       (crumb_glob_match(pattern, name->text, name->bare) ||
		(name->length > name->bare && crumb_glob_match(pattern, name->text, name->length)));
}

int crumb_elf_match(struct elf_matches *matches, struct elf_symbols *symbols,
		    const struct elf_file *file, const struct glob *pattern)
{
	struct elf_window window = { 0 };

	for (uint32_t i = 0; i < symbols->count; i++) {
		const struct elf_symbol *symbol = &symbols->list[i];
		int err;

		if (symbol->imported || (pattern && !is_meant(symbols, i, pattern)))
			continue;
		err = reserve(matches);
		if (err)
			return err;
		matches->list[matches->count++] = match_of(file, &window, symbol);
	}
	if (matches->count)
		qsort(matches->list, matches->count, sizeof(*matches->list), compare_cb);
	drop_repeated(matches);
	return 0;
}

void crumb_elf_matches_free(struct elf_matches *matches)
{
	free(matches->list);
	memset(matches, 0, sizeof(*matches));
}
