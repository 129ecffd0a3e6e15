/*
 * codec_find: types and members by the names that people write.  No Lua.
 *
 * What the names stand for is codec_type's.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "codec.h"
#include "codec_type.h"

#define VISITS (1u << 20) /* members looked at in search of one */

struct search {
	const struct btf *btf;
	const char *name;
	size_t length;
	struct nearest *nearest;
	struct budget budget;
	struct slot *slot;
};

static bool search_members(struct search *search, const struct type *parent, bool open,
			   uint64_t offset, int depth)
{
	unsigned int i;

	if (depth == TYPE_DEPTH)
		return false;
	for (i = 0; i < btf_vlen(parent->t); i++) {
		const char *name = type_member_name(search->btf, parent, i);
		struct slot member;

		if (!budget_spend(&search->budget, 1))
			return false;
		if (*name) {
			if (!strncmp(name, search->name, search->length) && !name[search->length]) {
				if (slot_member(search->btf, parent, open, i, search->slot))
					return false;
				search->slot->offset += offset;
				return true;
			}
			if (search->nearest)
				crumb_nearest_offer(search->nearest, name);
			continue;
		}
		if (slot_member(search->btf, parent, open, i, &member) ||
		    !slot_holds_members(&member))
			continue;
		if (search_members(search, &member.type, member.open, offset + member.offset,
				   depth + 1))
			return true;
	}
	return false;
}

bool type_find_member(const struct btf *btf, const struct slot *parent, const char *name,
		      size_t length, struct nearest *nearest, struct slot *slot)
{
	struct search search = { btf, name, length, nearest, { VISITS }, slot };

	return length && search_members(&search, &parent->type, parent->open, parent->offset, 0);
}

static void name_append(char *buffer, const char *text)
{
	size_t used = strlen(buffer);

	snprintf(buffer + used, TYPE_NAME_BYTES - used, "%s", text);
}

static const char *keyword_of(const struct btf_type *t)
{
	switch (btf_kind(t)) {
	case BTF_KIND_STRUCT:
		return "struct ";
	case BTF_KIND_UNION:
		return "union ";
	case BTF_KIND_ENUM:
	case BTF_KIND_ENUM64:
		return "enum ";
	case BTF_KIND_FWD:
		return btf_kflag(t) ? "union " : "struct ";
	case BTF_KIND_CONST:
		return "const ";
	case BTF_KIND_VOLATILE:
		return "volatile ";
	default:
		return "";
	}
}

static void name_write(const struct btf *btf, uint32_t id, char *buffer, int depth)
{
	const struct btf_type *t = btf__type_by_id(btf, id), *at;
	char dimension[16];
	int i;

	if (!t || depth == TYPE_DEPTH) {
		name_append(buffer, "?");
		return;
	}
	name_append(buffer, keyword_of(t));
	if (btf_is_array(t)) {
		for (at = t, i = 0; at && btf_is_array(at) && i < TYPE_DEPTH; i++) {
			id = btf_array(at)->type;
			at = btf__type_by_id(btf, id);
		}
		name_write(btf, id, buffer, depth + 1);
		for (at = t; at && btf_is_array(at) && i-- > 0;
		     at = btf__type_by_id(btf, btf_array(at)->type)) {
			snprintf(dimension, sizeof(dimension), "[%u]", btf_array(at)->nelems);
			name_append(buffer, dimension);
		}
	} else if (btf_is_ptr(t)) {
		name_write(btf, t->type, buffer, depth + 1);
		name_append(buffer, buffer[0] && buffer[strlen(buffer) - 1] == '*' ? "*" : " *");
	} else if (btf_is_void(t)) {
		name_append(buffer, "void");
	} else if (btf_is_func_proto(t) || btf_is_func(t)) {
		name_append(buffer, "function");
	} else if (btf_is_mod(t) || btf_is_var(t)) {
		name_write(btf, t->type, buffer, depth + 1);
	} else {
		const char *name = type_string(btf, t->name_off);

		name_append(buffer, *name ? name : "(anonymous)");
	}
}

const char *type_name(const struct btf *btf, uint32_t id, char buffer[TYPE_NAME_BYTES])
{
	buffer[0] = 0;
	name_write(btf, id, buffer, 0);
	return buffer;
}

/* How well a kind answers to a name without a keyword: C's own order first.  0: not at all. */
static int kind_rank(const struct btf_type *t)
{
	switch (btf_kind(t)) {
	case BTF_KIND_INT:
	case BTF_KIND_FLOAT:
		return 5;
	case BTF_KIND_TYPEDEF:
		return 4;
	case BTF_KIND_STRUCT:
		return 3;
	case BTF_KIND_UNION:
		return 2;
	case BTF_KIND_ENUM:
	case BTF_KIND_ENUM64:
		return 1;
	default:
		return 0;
	}
}

/* Takes "struct ", "union " or "enum " off the name and returns the rank that it asks for. */
static int take_keyword(const char **name)
{
	static const struct {
		const char *word;
		int rank;
	} keywords[] = { { "struct ", 3 }, { "union ", 2 }, { "enum ", 1 } };
	size_t i;

	for (i = 0; i < sizeof(keywords) / sizeof(keywords[0]); i++) {
		size_t length = strlen(keywords[i].word);

		if (strncmp(*name, keywords[i].word, length))
			continue;
		*name += length;
		*name += strspn(*name, " ");
		return keywords[i].rank;
	}
	return 0;
}

int32_t type_find(const struct btf *btf, const char *name, struct nearest *nearest)
{
	uint32_t id, count = btf__type_cnt(btf), found = 0;
	int wanted = take_keyword(&name), best = 0;

	if (nearest)
		crumb_nearest_begin(nearest, name);
	for (id = 1; *name && id < count; id++) {
		const struct btf_type *t = btf__type_by_id(btf, id);
		int rank = t ? kind_rank(t) : 0;

		if (rank <= best || (wanted && rank != wanted))
			continue;
		if (!strcmp(type_string(btf, t->name_off), name)) {
			best = rank;
			found = id;
		} else if (nearest) {
			crumb_nearest_offer(nearest, type_string(btf, t->name_off));
		}
	}
	return found ? (int32_t)found : -ENOENT;
}

int64_t crumb_type_size(const struct btf *btf, uint32_t id)
{
	struct type type;
	int err = type_resolve(btf, id, &type);

	if (err)
		return err;
	return type.shape == SHAPE_NONE ? -EINVAL : (int64_t)type.size;
}

/* Reads "12]" behind a "[". */
static bool path_index(const char **path, uint64_t *index)
{
	const char *at = *path;

	for (*index = 0; *at >= '0' && *at <= '9'; at++) {
		*index = *index * 10 + (uint64_t)(*at - '0');
		if (*index > UINT32_MAX)
			return false;
	}
	if (at == *path || *at != ']')
		return false;
	*path = at + 1;
	return true;
}

static bool step_element(const struct btf *btf, const char **path, struct slot *slot)
{
	struct slot element;
	uint64_t index;

	if (slot->type.shape != SHAPE_ARRAY || !path_index(path, &index) || !index)
		return false;
	if (!slot_is_flexible(slot) && index > btf_array(slot->type.t)->nelems)
		return false;
	if (slot_element(btf, &slot->type, &element))
		return false;
	/* What BTF calls narrower than its bytes has its place in them. */
	element.offset += slot->offset + (index - 1) * element.type.size;
	*slot = element;
	return true;
}

static bool step_member(const struct btf *btf, const char **path, struct slot *slot)
{
	size_t length = strcspn(*path, ".[");
	struct slot parent = *slot;

	if (!slot_holds_members(&parent) ||
	    !type_find_member(btf, &parent, *path, length, NULL, slot))
		return false;
	*path += length;
	return true;
}

static enum field_kind field_kind(const struct slot *slot)
{
	static const enum field_kind of_size[2][9] = {
		{ [1] = FIELD_U8, [2] = FIELD_U16, [4] = FIELD_U32, [8] = FIELD_U64 },
		{ [1] = FIELD_S8, [2] = FIELD_S16, [4] = FIELD_S32, [8] = FIELD_S64 },
	};

	if (slot->bit_size || (slot->type.shape != SHAPE_INT && slot->type.shape != SHAPE_POINTER))
		return FIELD_TYPED;
	return of_size[slot->type.is_signed][slot->type.size];
}

bool crumb_field(const struct btf *btf, uint32_t type, const char *path, struct field *field)
{
	const char *start = path;
	struct slot slot;

	if (slot_at(btf, type, 0, 0, &slot) || !*path)
		return false;
	slot.open = true;
	while (*path) {
		bool taken;

		if (*path == '[') {
			path++;
			taken = step_element(btf, &path, &slot);
		} else {
			if (path != start && *path++ != '.')
				return false;
			taken = step_member(btf, &path, &slot);
		}
		if (!taken)
			return false;
	}
	if (slot.type.shape == SHAPE_NONE || slot.offset > INT32_MAX)
		return false;
	*field = (struct field){
		.kind = field_kind(&slot),
		.type = slot.type.id,
		.offset = (uint32_t)slot.offset,
		.bit_offset = slot.bit_offset,
		.bit_size = slot.bit_size,
		.flexible = slot.open && (slot_holds_members(&slot) || slot_is_flexible(&slot)),
	};
	return true;
}
