/* elf_demangled: see elf_demangled.h. */
#include "elf_demangled.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "demangle.h"

#define BLOCK (256u << 10)
#define BLOCKS_MAX 2048 /* 512 MiB of names */

/* A file's names have half a second, and each some times what names of programs take. */
#define TIME_BASE 500000000
#define TIME_EACH 5000

struct elf_name_block {
	struct elf_name_block *next;
	size_t used;
	_Alignas(struct elf_name) char bytes[BLOCK];
};

static const struct elf_name no_name;

static struct elf_name *reserve(struct elf_symbols *symbols, size_t length)
{
	size_t size = (sizeof(struct elf_name) + length + 1 + 1) & ~(size_t)1;
	struct elf_name_block *block = symbols->blocks;

	if (!block || BLOCK - block->used < size) {
		if (symbols->block_count == BLOCKS_MAX)
			return NULL;
		block = malloc(sizeof(*block));
		if (!block)
			return NULL;
		block->used = 0;
		block->next = symbols->blocks;
		symbols->blocks = block;
		symbols->block_count++;
	}
	block->used += size;
	return (struct elf_name *)(block->bytes + block->used - size);
}

static int64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000000 + time.tv_nsec;
}

static bool demangle_timed(struct elf_symbols *symbols, const struct elf_symbol *symbol,
			   struct demangled *to)
{
	int64_t from = now();
	bool done = crumb_demangle(symbol->name, symbol->length, to);

	symbols->demangling += now() - from;
	symbols->demangled_count++;
	return done;
}

/* What there is no memory or no time for stays mangled. */
static const struct elf_name *make_name(struct elf_symbols *symbols,
					const struct elf_symbol *symbol)
{
	struct demangled demangled;
	struct elf_name *name;

	if (symbols->demangling > TIME_BASE + (int64_t)symbols->demangled_count * TIME_EACH ||
	    !demangle_timed(symbols, symbol, &demangled))
		return &no_name;
	name = reserve(symbols, demangled.length);
	if (!name)
		return &no_name;
	name->length = demangled.length;
	name->bare = demangled.bare;
	name->rust = demangled.rust;
	memcpy(name->text, demangled.text, (size_t)demangled.length + 1);
	return name;
}

const struct elf_name *crumb_symbol_demangled(struct elf_symbols *symbols, uint32_t index)
{
	const struct elf_symbol *symbol = &symbols->list[index];

	if (!crumb_is_mangled(symbol->name, symbol->length))
		return NULL;
	if (!symbols->demangled)
		symbols->demangled = calloc(symbols->count, sizeof(void *));
	if (!symbols->demangled)
		return NULL;
	if (!symbols->demangled[index])
		symbols->demangled[index] = make_name(symbols, symbol);
	return symbols->demangled[index] == &no_name ? NULL : symbols->demangled[index];
}

size_t crumb_name_shown(const struct elf_name *name)
{
	return name->rust ? name->bare : name->length;
}

bool crumb_means_demangled(const char *text, size_t length)
{
	return !crumb_is_mangled(text, length);
}

static bool is_called(const struct elf_name *name, const char *text, size_t length)
{
	return name && (name->length == length || name->bare == length) &&
	       !memcmp(name->text, text, length);
}

size_t crumb_symbols_find_demangled(struct elf_symbols *symbols, const char *text, size_t length,
				    uint32_t *found)
{
	size_t count = 0;

	if (!crumb_means_demangled(text, length))
		return 0;
	for (uint32_t i = 0; i < symbols->count && count < ELF_MATCHES_MAX; i++)
		if (is_called(crumb_symbol_demangled(symbols, i), text, length))
			crumb_symbols_add(symbols, i, found, &count);
	return count;
}

void crumb_symbols_forget_demangled(struct elf_symbols *symbols)
{
	while (symbols->blocks) {
		struct elf_name_block *block = symbols->blocks;

		symbols->blocks = block->next;
		free(block);
	}
	free(symbols->demangled);
}
