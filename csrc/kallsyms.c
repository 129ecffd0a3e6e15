/* kallsyms: see kallsyms.h. */
#include "kallsyms.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core.h"

#define TEXT_MAX (256u << 20)
#define FUNCTION_MAX (1u << 20) /* bytes; what lies further behind a symbol is not in it */
#define FRESH 1000000000 /* ns */

/* The file's text with a NUL after it, the caller's; NULL and errno. */
static char *read_text(void)
{
	size_t room = 16u << 20, used = 0;
	int fd = open("/proc/kallsyms", O_RDONLY | O_CLOEXEC), err = errno;
	char *text = fd < 0 ? NULL : malloc(room);
	ssize_t got = -1;

	while (text) {
		got = read(fd, text + used, room - used - 1);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			break;
		used += (size_t)got;
		if (room - used > 1)
			continue;
		room *= 2;
		char *larger = room <= TEXT_MAX ? realloc(text, room) : NULL;

		if (!larger)
			break;
		text = larger;
	}
	if (fd >= 0) {
		err = got < 0 ? errno : ENOMEM;
		close(fd);
	}
	if (text && !got) {
		text[used] = 0;
		return text;
	}
	free(text);
	errno = err;
	return NULL;
}

static uint32_t rank_of(char type)
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

/* Cuts "ffffffff81000000 T name\t[module]" into strings; false: it is no function with an address. */
static bool parse_line(struct kallsyms *symbols, char *line, struct kallsym *symbol)
{
	char *name, *module;

	symbol->address = strtoull(line, &name, 16);
	if (!symbol->address || name[0] != ' ' || !name[1] || name[2] != ' ')
		return false;
	symbol->rank = rank_of(name[1]);
	name += 3;
	module = strchr(name, '\t');
	symbol->module = 0;
	if (module) {
		*module++ = 0;
		module[strcspn(module, "]")] = 0;
		symbol->module = (uint32_t)(module + (*module == '[') - symbols->text);
	} else if (!strcmp(name, "_stext")) {
		symbols->start = symbol->address;
	} else if (!strcmp(name, "_etext")) {
		symbols->end = symbol->address;
	}
	symbol->name = (uint32_t)(name - symbols->text);
	return symbol->rank;
}

static int compare_cb(const void *left, const void *right)
{
	const struct kallsym *a = left, *b = right;

	if (a->address != b->address)
		return a->address < b->address ? -1 : 1;
	if (a->rank != b->rank)
		return a->rank < b->rank ? -1 : 1;
	return a->name < b->name ? -1 : 1;
}

static int load(struct kallsyms *symbols)
{
	size_t lines = 0;
	char *line, *end;

	symbols->text = read_text();
	if (!symbols->text)
		return -errno;
	for (line = symbols->text; (line = strchr(line, '\n')); line++)
		lines++;
	symbols->list = malloc((lines + 1) * sizeof(*symbols->list));
	if (!symbols->list)
		return -ENOMEM;
	for (line = symbols->text; (end = strchr(line, '\n')); line = end + 1) {
		*end = 0;
		symbols->count += parse_line(symbols, line, &symbols->list[symbols->count]);
	}
	qsort(symbols->list, symbols->count, sizeof(*symbols->list), compare_cb);
	symbols->read_at = crumb_now();
	return symbols->count ? 0 : -EACCES;
}

static int reload(struct kallsyms *symbols)
{
	int err;

	crumb_kallsyms_free(symbols);
	err = load(symbols);
	if (err)
		crumb_kallsyms_free(symbols);
	return err;
}

void crumb_kallsyms_free(struct kallsyms *symbols)
{
	free(symbols->text);
	free(symbols->list);
	memset(symbols, 0, sizeof(*symbols));
}

/* The last symbol at or before the address; NULL: there is none. */
static const struct kallsym *before(const struct kallsyms *symbols, uint64_t address)
{
	size_t low = 0, high = symbols->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (symbols->list[middle].address <= address)
			low = middle + 1;
		else
			high = middle;
	}
	if (!low)
		return NULL;
	low--;
	while (low && symbols->list[low - 1].address == symbols->list[low].address)
		low--;
	return &symbols->list[low];
}

int crumb_kallsyms_find(struct kallsyms *symbols, uint64_t address, char name[KALLSYMS_NAME],
			char module[KALLSYMS_NAME], uint64_t *offset)
{
	bool own = symbols->count && address >= symbols->start && address < symbols->end;
	const struct kallsym *found;
	int err;

	if (!symbols->count || (!own && crumb_now() - symbols->read_at > FRESH)) {
		err = reload(symbols);
		if (err)
			return err;
	}
	found = before(symbols, address);
	if (!found || address - found->address >= FUNCTION_MAX || found->address == symbols->end)
		return -ENOENT;
	snprintf(name, KALLSYMS_NAME, "%s", symbols->text + found->name);
	snprintf(module, KALLSYMS_NAME, "%s", found->module ? symbols->text + found->module : "");
	*offset = address - found->address;
	return 0;
}
