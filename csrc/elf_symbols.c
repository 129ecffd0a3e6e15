/* elf_symbols: see elf_symbols.h. */
#include "elf_symbols.h"

#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "elf_debug.h"
#include "elf_demangled.h"
#include "gopclntab.h"

#define SYMBOLS_MAX (8u << 20)
#define VERSION_INDEX 0x7fff /* the rest of a versym is the bit for "hidden" */
#define NONE UINT32_MAX

/* One symbol table with what belongs to it. */
struct table {
	struct elf_bytes symbols;
	struct elf_bytes strings;
	struct elf_bytes versions; /* of .dynsym */
	bool dynamic;
};

static uint32_t hash(const char *name, size_t length)
{
	uint32_t h = 2166136261u;

	for (size_t i = 0; i < length; i++)
		h = (h ^ (unsigned char)name[i]) * 16777619u;
	return h;
}

/* Copies a record out: tables of a hostile file are aligned to nothing. */
static bool record(const struct elf_bytes *bytes, uint64_t at, void *to, size_t length)
{
	if (at > bytes->size || length > bytes->size - at)
		return false;
	memcpy(to, bytes->data + at, length);
	return true;
}

static void set_version(struct elf_symbols *symbols, unsigned index, const char *name,
			const char *library)
{
	index &= VERSION_INDEX;
	if (index > VER_NDX_GLOBAL && name)
		symbols->versions[index] = (struct elf_version){ name, library };
}

/* `steps` is as many as fit beside one another: overlapping ones would take long. */
static void read_definitions(struct elf_symbols *symbols, const struct elf_bytes *bytes,
			     const struct elf_bytes *strings)
{
	uint64_t at = 0, steps = bytes->size / sizeof(Elf64_Verdef);
	Elf64_Verdef definition;
	Elf64_Verdaux aux;
	size_t length;

	while (steps-- && record(bytes, at, &definition, sizeof(definition))) {
		if (!(definition.vd_flags & VER_FLG_BASE) &&
		    record(bytes, at + definition.vd_aux, &aux, sizeof(aux)))
			set_version(symbols, definition.vd_ndx,
				    crumb_elf_string(strings, aux.vda_name, &length), NULL);
		if (!definition.vd_next)
			break;
		at += definition.vd_next;
	}
}

/* `steps` is what both chains together may take: overlapping ones would cost the square. */
static void read_needs(struct elf_symbols *symbols, const struct elf_bytes *bytes,
		       const struct elf_bytes *strings)
{
	uint64_t at = 0, steps = bytes->size / sizeof(Elf64_Vernaux);
	Elf64_Verneed need;
	Elf64_Vernaux aux;
	size_t length;

	while (steps && steps-- && record(bytes, at, &need, sizeof(need))) {
		const char *library = crumb_elf_string(strings, need.vn_file, &length);
		uint64_t place = at + need.vn_aux;

		while (steps && steps-- && record(bytes, place, &aux, sizeof(aux))) {
			set_version(symbols, aux.vna_other,
				    crumb_elf_string(strings, aux.vna_name, &length), library);
			if (!aux.vna_next)
				break;
			place += aux.vna_next;
		}
		if (!need.vn_next)
			break;
		at += need.vn_next;
	}
}

/* Versions only make an answer better, so a broken table of them is passed over. */
static int read_versions(struct elf_symbols *symbols, const struct elf_file *file,
			 struct table *dynamic)
{
	static const uint32_t types[] = { SHT_GNU_verdef, SHT_GNU_verneed };
	char reason[ELF_REASON];
	struct elf_bytes bytes, strings;
	GElf_Shdr header;
	Elf_Scn *section = crumb_elf_by_type(file, SHT_GNU_versym, &header);

	if (!section || crumb_elf_bytes(file, section, &dynamic->versions, reason))
		return 0;
	symbols->version_count = VERSION_INDEX + 1;
	symbols->versions = calloc(symbols->version_count, sizeof(*symbols->versions));
	if (!symbols->versions)
		return ENOMEM;
	for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++) {
		section = crumb_elf_by_type(file, types[i], &header);
		if (!section || crumb_elf_bytes(file, section, &bytes, reason) ||
		    crumb_elf_linked(file, header.sh_link, &strings, reason))
			continue;
		if (types[i] == SHT_GNU_verdef)
			read_definitions(symbols, &bytes, &strings);
		else
			read_needs(symbols, &bytes, &strings);
	}
	return 0;
}

static int read_table(const struct elf_file *file, uint32_t type, struct table *table, char *reason)
{
	GElf_Shdr header;
	Elf_Scn *section = crumb_elf_by_type(file, type, &header);
	int err;

	memset(table, 0, sizeof(*table));
	table->dynamic = type == SHT_DYNSYM;
	if (!section)
		return 0;
	err = crumb_elf_bytes(file, section, &table->symbols, reason);
	if (!err)
		err = crumb_elf_linked(file, header.sh_link, &table->strings, reason);
	if (!err && header.sh_entsize != sizeof(Elf64_Sym)) {
		snprintf(reason, ELF_REASON, "its symbols have %llu bytes, not %zu",
			 (unsigned long long)header.sh_entsize, sizeof(Elf64_Sym));
		err = ENOEXEC;
	}
	if (!err && table->symbols.size / sizeof(Elf64_Sym) > SYMBOLS_MAX) {
		snprintf(reason, ELF_REASON, "it has more than %u symbols", SYMBOLS_MAX);
		err = EFBIG;
	}
	return err;
}

static bool is_function(const Elf64_Sym *symbol)
{
	unsigned type = ELF64_ST_TYPE(symbol->st_info);

	return symbol->st_name && (type == STT_FUNC || type == STT_GNU_IFUNC);
}

static uint32_t count_functions(const struct table *table)
{
	uint32_t count = 0;
	Elf64_Sym symbol;

	for (uint64_t at = 0; record(&table->symbols, at, &symbol, sizeof(symbol));
	     at += sizeof(symbol))
		count += is_function(&symbol);
	return count;
}

static void take_version(const struct elf_symbols *symbols, const struct table *table,
			 uint64_t index, struct elf_symbol *to)
{
	uint16_t number;

	if (!symbols->versions ||
	    !record(&table->versions, index * sizeof(number), &number, sizeof(number)))
		return;
	to->version = symbols->versions[number & VERSION_INDEX].name;
	to->library = to->imported ? symbols->versions[number & VERSION_INDEX].library : NULL;
	to->standard = to->version && !(number & ~VERSION_INDEX);
}

static bool take_symbol(const struct elf_symbols *symbols, const struct table *table,
			uint64_t index, struct elf_symbol *to)
{
	Elf64_Sym from;
	const char *name, *mark;
	size_t length;

	if (!record(&table->symbols, index * sizeof(from), &from, sizeof(from)))
		return false;
	name = is_function(&from) ? crumb_elf_string(&table->strings, from.st_name, &length) : NULL;
	if (!name || !length)
		return false;
	*to = (struct elf_symbol){ .name = name,
				   .value = from.st_value,
				   .size = from.st_size,
				   .info = from.st_info,
				   .dynamic = table->dynamic,
				   .imported = from.st_shndx == SHN_UNDEF,
				   .length = (uint16_t)length };
	mark = strchr(name + 1, '@');
	if (mark) {
		to->length = (uint16_t)(mark - name);
		to->standard = mark[1] == '@';
		to->version = mark + 1 + to->standard;
	} else if (table->dynamic) {
		take_version(symbols, table, index, to);
	}
	return true;
}

/*
 * Overlapping names could make a small file cost hours; a true one shares few of its bytes.
 */
static int fill(struct elf_symbols *symbols, const struct table *table, char *reason)
{
	uint64_t total = table->symbols.size / sizeof(Elf64_Sym);
	uint64_t budget = 8 * (table->symbols.size + table->strings.size);

	for (uint64_t i = 0; i < total; i++) {
		struct elf_symbol *to = &symbols->list[symbols->count];

		if (!take_symbol(symbols, table, i, to))
			continue;
		if (to->length > budget) {
			snprintf(reason, ELF_REASON, "its symbols' names overlap beyond reason");
			return ENOEXEC;
		}
		budget -= to->length;
		symbols->count++;
	}
	return 0;
}

static int make_index(struct elf_symbols *symbols)
{
	uint32_t size = 16;

	while (size < symbols->count)
		size *= 2;
	symbols->heads = malloc(size * sizeof(*symbols->heads));
	if (!symbols->heads)
		return ENOMEM;
	memset(symbols->heads, 0xff, size * sizeof(*symbols->heads));
	symbols->mask = size - 1;
	/* From the end, so that a chain is in the list's order: .dynsym first. */
	for (uint32_t i = symbols->count; i-- > 0;) {
		struct elf_symbol *symbol = &symbols->list[i];
		uint32_t *head =
			&symbols->heads[hash(symbol->name, symbol->length) & symbols->mask];

		symbol->next = *head;
		*head = i;
	}
	return 0;
}

/* The names that the file itself does not have only make it better known: what is wrong with them is passed over. */
static void read_elsewhere(struct elf_symbols *symbols, const struct elf_file *file,
			   struct table *table, struct gopclntab *go)
{
	char reason[ELF_REASON];

	if (!crumb_debug_file(&symbols->debug, file, &symbols->debug_path)) {
		if (!read_table(&symbols->debug, SHT_SYMTAB, table, reason) && table->symbols.size)
			symbols->source = ELF_DEBUG_FILE;
		else
			crumb_elf_close(&symbols->debug);
	}
	if (!symbols->source && !crumb_debug_data(&symbols->debug, file)) {
		if (!read_table(&symbols->debug, SHT_SYMTAB, table, reason) && table->symbols.size)
			symbols->source = ELF_DEBUG_DATA;
		else
			crumb_elf_close(&symbols->debug);
	}
	crumb_elf_leave(&symbols->debug);
	if (!symbols->source)
		memset(table, 0, sizeof(*table));
	if (!symbols->source && !crumb_gopclntab_open(go, file, reason))
		symbols->source = ELF_GO;
}

static void fill_go(struct elf_symbols *symbols, const struct gopclntab *go)
{
	for (uint32_t i = 0; i < go->count; i++) {
		struct go_function function;

		crumb_gopclntab_function(go, i, &function);
		if (function.length && function.length <= ELF_STRING_MAX)
			symbols->list[symbols->count++] = (struct elf_symbol){
				.name = function.name,
				.length = (uint16_t)function.length,
				.value = function.address,
				.size = function.size,
				.info = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC),
			};
	}
}

static int load(struct elf_symbols *symbols, const struct elf_file *file, char *reason)
{
	struct gopclntab go = { 0 };
	struct table tables[2];
	size_t functions;
	int err = read_table(file, SHT_DYNSYM, &tables[0], reason);

	if (!err)
		err = read_table(file, SHT_SYMTAB, &tables[1], reason);
	if (!err)
		err = read_versions(symbols, file, &tables[0]);
	if (err)
		return err;
	symbols->exports = tables[0].symbols.size;
	if (tables[1].symbols.size)
		symbols->source = ELF_SYMTAB;
	else
		read_elsewhere(symbols, file, &tables[1], &go);
	functions = count_functions(&tables[0]) + count_functions(&tables[1]) + go.count;
	symbols->list = calloc(functions + 1, sizeof(*symbols->list));
	if (!symbols->list)
		return ENOMEM;
	err = fill(symbols, &tables[0], reason);
	if (!err && fill(symbols, &tables[1], reason) && symbols->source == ELF_SYMTAB)
		err = ENOEXEC;
	fill_go(symbols, &go);
	return err ? err : make_index(symbols);
}

int crumb_symbols_load(struct elf_symbols *symbols, const struct elf_file *file, char *reason)
{
	int err;

	memset(symbols, 0, sizeof(*symbols));
	symbols->debug.fd = -1;
	reason[0] = 0;
	err = load(symbols, file, reason);
	if (err)
		crumb_symbols_free(symbols);
	return err;
}

void crumb_symbols_free(struct elf_symbols *symbols)
{
	free(symbols->list);
	free(symbols->heads);
	free(symbols->versions);
	crumb_symbols_forget_demangled(symbols);
	if (symbols->debug.elf)
		crumb_elf_close(&symbols->debug);
	free(symbols->debug_path);
	memset(symbols, 0, sizeof(*symbols));
}

static bool repeats(const struct elf_symbol *symbol, const struct elf_symbol *earlier)
{
	return symbol->value == earlier->value && symbol->imported == earlier->imported &&
	       (!symbol->version ||
		(earlier->version && !strcmp(symbol->version, earlier->version)));
}

void crumb_symbols_add(const struct elf_symbols *symbols, uint32_t index, uint32_t *found,
		       size_t *count)
{
	size_t earlier = 0;

	while (earlier < *count && !repeats(&symbols->list[index], &symbols->list[found[earlier]]))
		earlier++;
	if (earlier == *count)
		found[(*count)++] = index;
}

uint32_t crumb_symbols_first(const struct elf_symbols *symbols, uint32_t index)
{
	const struct elf_symbol *symbol = &symbols->list[index];
	uint32_t i = symbols->heads[hash(symbol->name, symbol->length) & symbols->mask];

	while (i != index && (symbols->list[i].length != symbol->length ||
			      memcmp(symbols->list[i].name, symbol->name, symbol->length)))
		i = symbols->list[i].next;
	return i;
}

size_t crumb_symbols_find(const struct elf_symbols *symbols, const char *name, size_t length,
			  uint32_t *found)
{
	size_t count = 0;

	if (!symbols->count)
		return 0;
	for (uint32_t i = symbols->heads[hash(name, length) & symbols->mask];
	     i != NONE && count < ELF_MATCHES_MAX; i = symbols->list[i].next) {
		const struct elf_symbol *symbol = &symbols->list[i];

		if (symbol->length == length && !memcmp(symbol->name, name, length))
			crumb_symbols_add(symbols, i, found, &count);
	}
	return count;
}

static int rank_of(const struct elf_symbol *symbol)
{
	unsigned binding = ELF64_ST_BIND(symbol->info);

	return binding == STB_GLOBAL ? 0 : binding == STB_WEAK ? 1 : 2;
}

int crumb_symbol_compare(const struct elf_symbol *a, const struct elf_symbol *b)
{
	int rank = rank_of(a) - rank_of(b);

	if (rank)
		return rank;
	if (a->length != b->length)
		return a->length - b->length;
	return memcmp(a->name, b->name, a->length);
}
