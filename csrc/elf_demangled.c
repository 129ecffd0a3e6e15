/* elf_demangled: see elf_demangled.h. */
#define _GNU_SOURCE
#include "elf_demangled.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "demangle.h"

#define BLOCK (256u << 10)
#define BLOCKS_MAX 2048 /* 512 MiB of names */

/* A file's names have half a second, and each some times what names of programs take. */
#define TIME_BASE 500000000
#define TIME_EACH 5000
#define TIME_LONG 100000

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

static int64_t now(clockid_t clock)
{
	struct timespec time;

	clock_gettime(clock, &time);
	return time.tv_sec * 1000000000 + time.tv_nsec;
}

/* What took long is timed again by the processor's clock, which is dear: another process may have had its turn. */
static bool demangle_timed(struct elf_symbols *symbols, const struct elf_symbol *symbol,
			   struct demangled *to)
{
	int64_t from = now(CLOCK_MONOTONIC), took;
	bool done = crumb_demangle(symbol->name, symbol->length, to);

	took = now(CLOCK_MONOTONIC) - from;
	if (took > TIME_LONG) {
		from = now(CLOCK_THREAD_CPUTIME_ID);
		done = crumb_demangle(symbol->name, symbol->length, to);
		took = now(CLOCK_THREAD_CPUTIME_ID) - from;
	}
	symbols->demangling += took;
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
	if (!symbols->demangled[index]) {
		uint32_t first = crumb_symbols_first(symbols, index);

		if (!symbols->demangled[first])
			symbols->demangled[first] = make_name(symbols, symbol);
		symbols->demangled[index] = symbols->demangled[first];
	}
	return symbols->demangled[index] == &no_name ? NULL : symbols->demangled[index];
}

size_t crumb_name_shown(const struct elf_name *name)
{
	return name->rust ? name->bare : name->length;
}

/* What C++ has letters for, so that a mangled name does not spell it. */
static bool is_abbreviated(const char *word, size_t length)
{
	static const char *const words[] = { "allocator", "string",   "istream",
					     "ostream",   "iostream", "operator" };

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (length >= strlen(words[i]) &&
		    !memcmp(word + length - strlen(words[i]), words[i], strlen(words[i])))
			return true;
	return false;
}

/*
 * The function's own name in a demangled one, which its mangled name spells; NULL where that is
 * not sure.  So of many symbols few are demangled to find one.
 */
static const char *own_word(const char *text, size_t length, size_t *word)
{
	size_t end = crumb_bare_length(text, length), at = end;

	while (at && (isalnum((unsigned char)text[at - 1]) || text[at - 1] == '_'))
		at--;
	*word = end - at;
	if (at == end || (at && text[at - 1] != ':') || is_abbreviated(text + at, *word))
		return NULL;
	return text + at;
}

static bool is_called(const struct elf_name *name, const char *text, size_t length)
{
	return name && (name->length == length || name->bare == length) &&
	       !memcmp(name->text, text, length);
}

size_t crumb_symbols_find_demangled(struct elf_symbols *symbols, const char *text, size_t length,
				    uint32_t *found)
{
	size_t count = 0, size;
	const char *word;

	if (!length || length > DEMANGLED_MAX || crumb_is_mangled(text, length))
		return 0;
	word = own_word(text, length, &size);
	for (uint32_t i = 0; i < symbols->count && count < ELF_MATCHES_MAX; i++) {
		const struct elf_symbol *symbol = &symbols->list[i];

		if (word && !memmem(symbol->name, symbol->length, word, size))
			continue;
		if (is_called(crumb_symbol_demangled(symbols, i), text, length))
			crumb_symbols_add(symbols, i, found, &count);
	}
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
