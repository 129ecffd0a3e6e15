/* image: see image.h. */
#define _GNU_SOURCE
#include "image.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "elf_demangled.h"

#define NESTED 16 /* so many symbols are looked at for one that reaches as far as the address */

struct image *crumb_image_open(const char *path)
{
	struct image *image = calloc(1, sizeof(*image));
	char reason[ELF_REASON];
	struct stat status;

	if (!image)
		return NULL;
	if (crumb_elf_open(&image->file, path, reason)) {
		free(image);
		return NULL;
	}
	if (fstat(image->file.fd, &status)) {
		crumb_image_free(image);
		return NULL;
	}
	image->device = status.st_dev;
	image->inode = status.st_ino;
	image->modified = (int64_t)status.st_mtim.tv_sec * 1000000000 + status.st_mtim.tv_nsec;
	return image;
}

void crumb_image_free(struct image *image)
{
	crumb_dwarf_close(&image->dwarf);
	crumb_symbols_free(&image->symbols);
	free(image->order);
	crumb_elf_close(&image->file);
	free(image);
}

static int compare_cb(const void *left, const void *right, void *context)
{
	const struct elf_symbol *list = context;
	uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;

	if (list[a].value != list[b].value)
		return list[a].value < list[b].value ? -1 : 1;
	return crumb_symbol_compare(&list[a], &list[b]);
}

/* What cannot be read has no symbols. */
static void make_index(struct image *image)
{
	struct elf_symbols *symbols = &image->symbols;
	char reason[ELF_REASON];

	image->indexed = true;
	if (crumb_symbols_load(symbols, &image->file, reason))
		return;
	image->order = malloc((symbols->count + 1) * sizeof(*image->order));
	if (!image->order)
		return;
	for (uint32_t i = 0; i < symbols->count; i++)
		if (!symbols->list[i].imported)
			image->order[image->count++] = i;
	qsort_r(image->order, image->count, sizeof(*image->order), compare_cb, symbols->list);
}

static const struct elf_symbol *at(const struct image *image, uint32_t index)
{
	return &image->symbols.list[image->order[index]];
}

/* Whether the symbol reaches to the address; one without size reaches to the next. */
static bool covers(const struct elf_symbol *symbol, uint64_t address)
{
	return !symbol->size || address - symbol->value < symbol->size;
}

static const struct elf_symbol *find(const struct image *image, uint64_t address)
{
	uint32_t low = 0, high = image->count;
	const struct elf_symbol *found = NULL;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (at(image, middle)->value <= address)
			low = middle + 1;
		else
			high = middle;
	}
	/* From the nearest back: of those at one place the first that reaches wins. */
	for (int i = 0; i < NESTED && low; i++) {
		const struct elf_symbol *symbol = at(image, --low);

		if (found && found->value != symbol->value)
			break;
		if (covers(symbol, address))
			found = symbol;
	}
	return found;
}

/* C++ and Rust as they are written, without parameters: a stack is read, and not given as a target. */
static void name_place(struct image *image, const struct elf_symbol *symbol, struct place *place)
{
	const struct elf_name *name =
		crumb_symbol_demangled(&image->symbols, (uint32_t)(symbol - image->symbols.list));

	if (name)
		snprintf(place->name, sizeof(place->name), "%.*s", name->bare, name->text);
	else
		snprintf(place->name, sizeof(place->name), "%.*s", symbol->length, symbol->name);
}

void crumb_image_find(struct image *image, uint64_t file_offset, struct place *place)
{
	const struct elf_symbol *symbol;
	char reason[DWARF_REASON];
	uint64_t address;

	place->offset = file_offset;
	if (!crumb_elf_address(&image->file, file_offset, &address))
		return;
	if (!image->indexed)
		make_index(image);
	symbol = find(image, address);
	if (symbol) {
		name_place(image, symbol, place);
		place->offset = address - symbol->value;
	}
	if (!image->opened_dwarf) {
		image->opened_dwarf = true;
		crumb_dwarf_open(&image->dwarf, &image->file, reason);
	}
	crumb_dwarf_line(&image->dwarf, address, place->file, sizeof(place->file), &place->line);
}
