/* kallsyms_find: answers from what kallsyms.c read: by name, glob and address. */
#include "kallsyms.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lines.h"

#define FUNCTION_MAX (1u << 20) /* bytes; what lies further behind a symbol is not in it */
#define ENTRY_MAX 64 /* bytes of a function before the place where ftrace comes in */
#define ADDRESS 16 /* digits */

/* FNV-1a. */
static uint32_t hash_of(const char *name, size_t length)
{
	uint32_t hash = 2166136261u;
	size_t i;

	for (i = 0; i < length; i++)
		hash = (hash ^ (unsigned char)name[i]) * 16777619u;
	return hash;
}

/* Made from the end, so that each chain is in the list's order. */
static int make_index(struct kallsyms *symbols)
{
	size_t size = 1, i;

	while (size < symbols->count)
		size *= 2;
	symbols->heads = calloc(size, sizeof(*symbols->heads));
	if (!symbols->heads)
		return -ENOMEM;
	symbols->mask = (uint32_t)size - 1;
	for (i = symbols->count; i-- > 0;) {
		struct kallsym *symbol = &symbols->list[i];
		uint32_t *head;

		if (!symbol->length)
			continue;
		head = &symbols->heads[hash_of(symbols->names + symbol->name, symbol->length) &
				       symbols->mask];
		symbol->next = *head;
		*head = (uint32_t)i + 1;
	}
	return 0;
}

/* The next function of a name after `symbol`, which is NULL for the first one. */
static struct kallsym *next_named(const struct kallsyms *symbols, const struct kallsym *symbol,
				  const char *name, size_t length)
{
	uint32_t at = symbol ? symbol->next : symbols->heads[hash_of(name, length) & symbols->mask];

	for (; at; at = symbols->list[at - 1].next) {
		struct kallsym *other = &symbols->list[at - 1];

		if (other->length == length && !memcmp(symbols->names + other->name, name, length))
			return other;
	}
	return NULL;
}

/* The number of the first symbol after the address. */
static size_t after(const struct kallsyms *symbols, uint64_t address)
{
	size_t low = 0, high = symbols->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (symbols->list[middle].address <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct marking {
	struct kallsyms *symbols;
	size_t lines;
};

static void mark_named(const struct kallsyms *symbols, const char *line, size_t length)
{
	const char *space = memchr(line, ' ', length);
	size_t name = space ? (size_t)(space - line) : length;
	const char *module = space && space[1] == '[' ? space + 2 : "";
	size_t module_length = strcspn(module, "]");
	struct kallsym *symbol = NULL;

	while ((symbol = next_named(symbols, symbol, line, name))) {
		const char *own = symbols->names + symbol->module;

		if (symbol->module
			    ? strlen(own) == module_length && !memcmp(own, module, module_length)
			    : !module_length)
			symbol->marked = true;
	}
}

/* Where ftrace comes in: at a function's first instruction, or soon after it. */
static void mark_at(const struct kallsyms *symbols, uint64_t address)
{
	size_t at = after(symbols, address);
	uint64_t start = at ? symbols->list[at - 1].address : 0;

	if (!start || address - start > ENTRY_MAX)
		return;
	for (; at && symbols->list[at - 1].address == start && !symbols->list[at - 1].marked; at--)
		symbols->list[at - 1].marked = true;
}

/* "ffffffff81000004 name …" or "name …" */
static int mark_cb(void *context, char *line, size_t length)
{
	struct marking *marking = context;
	char *end;
	uint64_t address =
		length > ADDRESS + 1 && line[ADDRESS] == ' ' ? strtoull(line, &end, 16) : 0;

	marking->lines++;
	if (address && end == line + ADDRESS && end[1] != '[')
		mark_at(marking->symbols, address);
	else
		mark_named(marking->symbols, line, length);
	return 0;
}

int crumb_kallsyms_mark(struct kallsyms *symbols, const char *path)
{
	struct marking marking = { symbols, 0 };
	int err;

	if (symbols->marked)
		return 0;
	err = symbols->heads ? 0 : make_index(symbols);
	if (!err)
		err = crumb_each_line(path, mark_cb, &marking);
	if (!err && !marking.lines)
		err = -ENODATA;
	symbols->marked = !err;
	return err;
}

bool crumb_kallsyms_is_own(const struct kallsyms *symbols, uint64_t address)
{
	return address >= symbols->start && address < symbols->end;
}

int crumb_kallsyms_at(const struct kallsyms *symbols, uint64_t address, char name[KALLSYMS_NAME],
		      char module[KALLSYMS_NAME], uint64_t *offset)
{
	const struct kallsym *best = NULL, *symbol;
	size_t at = after(symbols, address);

	if (!symbols->visible)
		return -EACCES;
	for (; at; at--) {
		symbol = &symbols->list[at - 1];
		if (best && symbol->address != best->address)
			break;
		if (!best || (symbol->rank && (!best->rank || symbol->rank <= best->rank)))
			best = symbol;
	}
	if (!best || !best->rank || address - best->address >= FUNCTION_MAX ||
	    best->address == symbols->end)
		return -ENOENT;
	snprintf(name, KALLSYMS_NAME, "%s", symbols->names + best->name);
	snprintf(module, KALLSYMS_NAME, "%s", best->module ? symbols->names + best->module : "");
	*offset = address - best->address;
	return 0;
}

/* Keeps a text with a NUL after it; its place, or 0: no memory. */
static size_t copy_text(struct kallsyms_found *found, const char *text, size_t length)
{
	size_t at = found->used ? found->used : 1;

	if (found->room < at + length + 1) {
		size_t room = (at + length) * 2;
		char *larger = realloc(found->text, room);

		if (!larger)
			return 0;
		found->text = larger;
		found->room = room;
	}
	memcpy(found->text + at, text, length);
	found->text[at + length] = 0;
	found->used = at + length + 1;
	return at;
}

static uint64_t size_of(const struct kallsyms *symbols, const struct kallsym *symbol)
{
	const struct kallsym *next = symbol + 1, *end = symbols->list + symbols->count;

	if (!symbol->address)
		return 0;
	while (next < end && next->address == symbol->address)
		next++;
	if (next == end || next->address - symbol->address > FUNCTION_MAX)
		return 0;
	return next->address - symbol->address;
}

static int copy(const struct kallsyms *symbols, const struct kallsym *symbol,
		struct kallsyms_found *found)
{
	const char *module = symbols->names + symbol->module;
	struct kallsyms_copy *to;

	if (found->count == found->entries) {
		size_t entries = found->entries ? found->entries * 2 : 16;

		to = realloc(found->list, entries * sizeof(*to));
		if (!to)
			return -ENOMEM;
		found->list = to;
		found->entries = entries;
	}
	to = &found->list[found->count];
	to->address = symbol->address;
	to->size = size_of(symbols, symbol);
	to->length = symbol->length;
	to->marked = symbol->marked;
	to->name = copy_text(found, symbols->names + symbol->name, symbol->length);
	to->module = symbol->module ? copy_text(found, module, strlen(module)) : 0;
	if (!to->name || (symbol->module && !to->module))
		return -ENOMEM;
	found->count++;
	return 0;
}

int crumb_kallsyms_find(struct kallsyms *symbols, const char *name, size_t length,
			struct kallsyms_found *found)
{
	const struct kallsym *symbol = NULL;
	int err = symbols->heads ? 0 : make_index(symbols);

	while (!err && (symbol = next_named(symbols, symbol, name, length)))
		err = copy(symbols, symbol, found);
	return err;
}

int crumb_kallsyms_match(const struct kallsyms *symbols, const struct glob *glob,
			 struct kallsyms_found *found)
{
	size_t i;
	int err = 0;

	for (i = 0; !err && i < symbols->count; i++) {
		const struct kallsym *symbol = &symbols->list[i];

		if (symbol->length &&
		    (!glob ||
		     crumb_glob_match(glob, symbols->names + symbol->name, symbol->length)))
			err = copy(symbols, symbol, found);
	}
	return err;
}

int crumb_kallsyms_starting(const struct kallsyms *symbols, uint64_t address,
			    struct kallsyms_found *found)
{
	size_t at = address ? after(symbols, address - 1) : symbols->count;
	int err = symbols->visible ? 0 : -EACCES;

	for (; !err && at < symbols->count && symbols->list[at].address == address; at++)
		if (symbols->list[at].length)
			err = copy(symbols, &symbols->list[at], found);
	return err;
}

void crumb_kallsyms_found_free(struct kallsyms_found *found)
{
	free(found->list);
	free(found->text);
	memset(found, 0, sizeof(*found));
}

void crumb_kallsyms_nearest(const struct kallsyms *symbols, struct nearest *nearest,
			    char room[NEAREST_BEST][KALLSYMS_NAME])
{
	size_t i;
	int best;

	for (i = 0; i < symbols->count; i++)
		if (symbols->list[i].length)
			crumb_nearest_offer(nearest, symbols->names + symbols->list[i].name);
	for (best = 0; best < nearest->count; best++) {
		snprintf(room[best], KALLSYMS_NAME, "%s", nearest->best[best].name);
		nearest->best[best].name = room[best];
	}
}
