/* kallsyms: reads the file; see kallsyms.h. */
#include "kallsyms.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core.h"
#include "lines.h"

#define TEXT_MAX (256u << 20)
#define FIRST_ROOM (1u << 20)
#define FIRST_ENTRIES (1u << 15)
#define FRESH 1000000000 /* ns */

static uint8_t rank_of(char type)
{
	switch (type) {
	case 'T':
		return 1;
	case 'W':
	case 'w':
		return 2;
	case 't':
		return 3;
	default:
		return 0;
	}
}

/* Keeps a text with a NUL after it; its place, or 0: no memory. */
static uint32_t keep(struct kallsyms *symbols, const char *text, size_t length)
{
	size_t at = symbols->used;

	if (symbols->room - at <= length) {
		size_t room = symbols->room * 2 + length;
		char *names = room <= TEXT_MAX ? realloc(symbols->names, room) : NULL;

		if (!names)
			return 0;
		symbols->names = names;
		symbols->room = room;
	}
	memcpy(symbols->names + at, text, length);
	symbols->names[at + length] = 0;
	symbols->used += length + 1;
	return (uint32_t)at;
}

static struct kallsym *append(struct kallsyms *symbols)
{
	if (symbols->count == symbols->entries) {
		size_t entries = symbols->entries * 2;
		struct kallsym *list = realloc(symbols->list, entries * sizeof(*list));

		if (!list)
			return NULL;
		symbols->list = list;
		symbols->entries = entries;
	}
	symbols->list[symbols->count] = (struct kallsym){ 0 };
	return &symbols->list[symbols->count++];
}

/* Without a branch between digits and letters, which nobody can predict; NULL: there is none. */
static const char *parse_address(const char *at, uint64_t *address)
{
	const char *start = at;

	for (*address = 0; at - start < 16; at++) {
		unsigned int byte = (unsigned char)*at;

		if (!((byte - '0' < 10) | ((byte | 0x20) - 'a' < 6)))
			break;
		*address = *address << 4 | ((byte & 15) + (byte >> 6) * 9);
	}
	return at > start ? at : NULL;
}

/* The module's place, for "[module]"; those of one module follow one another. */
static uint32_t keep_module(struct kallsyms *symbols, const char *at, const char *end)
{
	const char *close;
	size_t length;

	at += at < end && *at == '[';
	close = memchr(at, ']', (size_t)(end - at));
	length = (size_t)((close ? close : end) - at);
	if (!symbols->module || strncmp(symbols->names + symbols->module, at, length) ||
	    symbols->names[symbols->module + length])
		symbols->module = keep(symbols, at, length);
	return symbols->module;
}

/* "ffffffff81000000 T name\t[module]" */
static int line_cb(void *context, char *line, size_t length)
{
	struct kallsyms *symbols = context;
	const char *name, *tab, *end = line + length;
	struct kallsym *symbol;
	uint64_t address;
	uint8_t rank;

	name = parse_address(line, &address);
	if (!name || end - name < 4 || name[0] != ' ' || name[2] != ' ')
		return 0;
	rank = rank_of(name[1]);
	name += 3;
	tab = memchr(name, '\t', (size_t)(end - name));
	length = (size_t)((tab ? tab : end) - name);
	if (!length || length >= KALLSYMS_NAME || (!rank && !address))
		return 0;
	symbol = append(symbols);
	if (!symbol)
		return -ENOMEM;
	symbol->address = address;
	symbol->rank = rank;
	symbol->name = (uint32_t)symbols->used; /* also its turn among those with its address */
	if (!rank)
		return 0;
	if (tab)
		symbol->module = keep_module(symbols, tab + 1, end);
	symbol->name = keep(symbols, name, length);
	if (!symbol->name || (tab && !symbol->module))
		return -ENOMEM;
	symbol->length = (uint16_t)length;
	symbols->visible |= address != 0;
	if (!tab && length == strlen("_stext") && !memcmp(name, "_stext", length))
		symbols->start = address;
	if (!tab && length == strlen("_etext") && !memcmp(name, "_etext", length))
		symbols->end = address;
	return 0;
}

static int compare_cb(const void *left, const void *right)
{
	const struct kallsym *a = left, *b = right;

	if (a->address != b->address)
		return a->address < b->address ? -1 : 1;
	return a->name < b->name ? -1 : a->name > b->name;
}

/* The kernel's own come sorted, and are most of them: only what modules come before is moved. */
static void sort(struct kallsyms *symbols)
{
	struct kallsym *list = symbols->list;
	size_t sorted = 1, first, i;

	while (sorted < symbols->count && compare_cb(&list[sorted - 1], &list[sorted]) <= 0)
		sorted++;
	first = sorted;
	for (i = sorted; i < symbols->count; i++)
		while (first && compare_cb(&list[first - 1], &list[i]) > 0)
			first--;
	if (first < symbols->count)
		qsort(list + first, symbols->count - first, sizeof(*list), compare_cb);
}

/* What was taken in advance is given back. */
static void trim(struct kallsyms *symbols)
{
	char *names = realloc(symbols->names, symbols->used);
	struct kallsym *list = realloc(symbols->list, (symbols->count + 1) * sizeof(*list));

	symbols->names = names ? names : symbols->names;
	symbols->list = list ? list : symbols->list;
}

static int read_file(struct kallsyms *symbols, const char *path)
{
	int err;

	symbols->room = FIRST_ROOM;
	symbols->entries = FIRST_ENTRIES;
	symbols->names = malloc(symbols->room);
	symbols->list = malloc(symbols->entries * sizeof(*symbols->list));
	if (!symbols->names || !symbols->list)
		return -ENOMEM;
	symbols->names[0] = 0;
	symbols->used = 1; /* 0 is nobody's place */
	err = crumb_each_line(path, line_cb, symbols);
	if (err)
		return err;
	if (symbols->used == 1)
		return -EACCES;
	sort(symbols);
	trim(symbols);
	symbols->read_at = crumb_now();
	return 0;
}

int crumb_kallsyms_load(struct kallsyms *symbols, const char *path)
{
	int err = symbols->names ? 0 : read_file(symbols, path);

	if (err)
		crumb_kallsyms_free(symbols);
	return err;
}

int crumb_kallsyms_refresh(struct kallsyms *symbols, const char *path)
{
	int err;

	if (symbols->names && crumb_now() - symbols->read_at <= FRESH)
		return 0;
	crumb_kallsyms_free(symbols);
	err = crumb_kallsyms_load(symbols, path);
	return err ? err : 1;
}

void crumb_kallsyms_free(struct kallsyms *symbols)
{
	free(symbols->names);
	free(symbols->list);
	free(symbols->heads);
	memset(symbols, 0, sizeof(*symbols));
}
