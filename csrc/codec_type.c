/* codec_type: see codec_type.h.  Sizes, places and members; no Lua. */
#include "codec_type.h"

#include <errno.h>
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "bitfields are counted from the low bit");

/* The type behind typedefs and qualifiers, or NULL. */
static const struct btf_type *skip_names(const struct btf *btf, uint32_t *id)
{
	int depth;

	for (depth = 0; depth < TYPE_DEPTH; depth++) {
		const struct btf_type *t = btf__type_by_id(btf, *id);

		if (!t || !(btf_is_mod(t) || btf_is_typedef(t)))
			return t;
		*id = t->type;
	}
	return NULL;
}

static bool is_word(uint64_t size)
{
	return size == 1 || size == 2 || size == 4 || size == 8;
}

static int resolve_int(struct type *type)
{
	unsigned int encoding = btf_int_encoding(type->t);
	unsigned int from = btf_int_offset(type->t), bits = btf_int_bits(type->t);

	type->size = type->t->size;
	type->is_signed = encoding & BTF_INT_SIGNED;
	if (!is_word(type->size)) {
		type->shape = SHAPE_RAW;
		return 0;
	}
	type->shape = encoding & BTF_INT_BOOL ? SHAPE_BOOL : SHAPE_INT;
	if (!bits || from + bits > type->size * 8)
		return -EINVAL;
	if (bits != type->size * 8) {
		type->bits_from = from;
		type->bits = bits;
	}
	return 0;
}

/* Arrays of arrays are counted in a loop, so that their depth costs no stack. */
static int resolve_array(const struct btf *btf, struct type *type)
{
	const struct btf_type *t = type->t;
	struct type element;
	uint64_t count = 1;
	uint32_t id = type->id;
	int depth, err;

	for (depth = 0; btf_is_array(t); depth++) {
		if (depth == TYPE_DEPTH)
			return -ELOOP;
		count *= btf_array(t)->nelems;
		if (count > UINT32_MAX)
			return -E2BIG;
		id = btf_array(t)->type;
		t = skip_names(btf, &id);
		if (!t)
			return -EINVAL;
	}
	err = type_resolve(btf, id, &element);
	if (err)
		return err;
	if (element.shape == SHAPE_NONE)
		return -EINVAL;
	type->size = count * element.size;
	return type->size > UINT32_MAX ? -E2BIG : 0;
}

int type_resolve(const struct btf *btf, uint32_t id, struct type *type)
{
	const struct btf_type *t = skip_names(btf, &id);

	*type = (struct type){ .t = t, .id = id };
	if (!t)
		return -EINVAL;
	switch (btf_kind(t)) {
	case BTF_KIND_INT:
		return resolve_int(type);
	case BTF_KIND_PTR:
		type->shape = SHAPE_POINTER;
		type->size = 8; /* BPF's, whatever the BTF says of "long" */
		return 0;
	case BTF_KIND_ENUM:
	case BTF_KIND_ENUM64:
		type->shape = SHAPE_ENUM;
		type->size = t->size;
		type->is_signed = btf_kflag(t);
		return is_word(t->size) ? 0 : -EINVAL;
	case BTF_KIND_FLOAT:
		type->shape = t->size == 4 || t->size == 8 ? SHAPE_FLOAT : SHAPE_RAW;
		type->size = t->size;
		return 0;
	case BTF_KIND_ARRAY:
		type->shape = SHAPE_ARRAY;
		return resolve_array(btf, type);
	case BTF_KIND_STRUCT:
	case BTF_KIND_UNION:
		type->shape = btf_is_union(t) ? SHAPE_UNION : SHAPE_STRUCT;
		type->size = t->size;
		return 0;
	default:
		return 0;
	}
}

int slot_at(const struct btf *btf, uint32_t id, uint64_t bits, unsigned int bit_size,
	    struct slot *slot)
{
	struct type *type = &slot->type;
	int err = type_resolve(btf, id, type);

	slot->open = false;
	slot->bit_size = 0;
	if (err)
		return err;
	if (!bit_size && type->bits) {
		bits += type->bits_from;
		bit_size = type->bits;
	}
	slot->offset = bits / 8;
	slot->bit_offset = bits % 8;
	if (!bit_size)
		return slot->bit_offset ? -EINVAL : 0;
	if (type->shape != SHAPE_INT && type->shape != SHAPE_BOOL && type->shape != SHAPE_ENUM)
		return -EINVAL;
	if (bit_size > type->size * 8)
		return -EINVAL;
	if (slot->bit_offset || bit_size != type->size * 8)
		slot->bit_size = bit_size;
	return 0;
}

int slot_member(const struct btf *btf, const struct type *parent, bool open, unsigned int index,
		struct slot *slot)
{
	const struct btf_type *t = parent->t;
	uint64_t bytes;
	int err = slot_at(btf, btf_members(t)[index].type, btf_member_bit_offset(t, index),
			  btf_member_bitfield_size(t, index), slot);

	if (err)
		return err;
	bytes = slot->type.size;
	if (slot->bit_size)
		bytes = (slot->bit_offset + slot->bit_size + 7u) / 8;
	if (slot->offset + bytes > parent->size)
		return -ERANGE;
	slot->open = open && (btf_is_union(t) || index + 1u == btf_vlen(t));
	return 0;
}

int slot_element(const struct btf *btf, const struct type *array, struct slot *slot)
{
	return slot_at(btf, btf_array(array->t)->type, 0, 0, slot);
}

bool slot_is_flexible(const struct slot *slot)
{
	return slot->open && slot->type.shape == SHAPE_ARRAY && !btf_array(slot->type.t)->nelems;
}

/* The flexible array at the end of the slot, its offset counted from the slot's own. */
static bool find_flexible(const struct btf *btf, const struct slot *slot, uint64_t *offset)
{
	struct slot at = *slot;
	int depth;

	*offset = 0;
	for (depth = 0; depth < TYPE_DEPTH; depth++) {
		struct type parent = at.type;

		if (slot_is_flexible(&at))
			return true;
		if (!at.open || parent.shape != SHAPE_STRUCT || !btf_vlen(parent.t) ||
		    slot_member(btf, &parent, true, btf_vlen(parent.t) - 1, &at))
			return false;
		*offset += at.offset;
	}
	return false;
}

uint64_t slot_bytes(const struct btf *btf, const struct slot *slot)
{
	uint64_t offset;

	if (slot->bit_size)
		return (slot->bit_offset + slot->bit_size + 7u) / 8;
	if (slot->open && find_flexible(btf, slot, &offset))
		return offset;
	return slot->type.size;
}

uint64_t slot_count(const struct slot *array, const struct slot *element, uint64_t window)
{
	if (slot_is_flexible(array))
		return element->type.size ? window / element->type.size : 0;
	return btf_array(array->type.t)->nelems;
}

bool slot_is_byte(const struct btf *btf, const struct slot *element, bool *text)
{
	const struct type *type = &element->type;

	if (type->shape != SHAPE_INT || type->size != 1 || element->bit_size)
		return false;
	*text = !strcmp(type_string(btf, type->t->name_off), "char");
	return true;
}

int64_t bits_load(const void *data, unsigned int from, unsigned int bits, bool is_signed)
{
	const unsigned char *at = data;
	uint64_t value = 0;
	unsigned int have;

	/* The ninth byte that 64 bits can reach into has only bits that the first one spares. */
	for (have = 0; have < from + bits && have < 64; have += 8)
		value |= (uint64_t)*at++ << have;
	value >>= from;
	if (from + bits > 64)
		value |= (uint64_t)*at << (64 - from);
	if (bits == 64)
		return (int64_t)value;
	value &= (1ull << bits) - 1;
	if (is_signed && value >> (bits - 1))
		value |= ~0ull << bits;
	return (int64_t)value;
}

void bits_store(void *data, unsigned int from, unsigned int bits, uint64_t value)
{
	unsigned char *at = data;

	while (bits) {
		unsigned int count = bits < 8 - from ? bits : 8 - from;
		unsigned int mask = ((1u << count) - 1) << from;

		*at = (unsigned char)((*at & ~mask) | ((value << from) & mask));
		value >>= count;
		bits -= count;
		from = 0;
		at++;
	}
}

const char *type_string(const struct btf *btf, uint32_t offset)
{
	const char *name = btf__name_by_offset(btf, offset);

	return name ? name : "";
}

const char *type_member_name(const struct btf *btf, const struct type *parent, unsigned int index)
{
	return type_string(btf, btf_members(parent->t)[index].name_off);
}

int64_t type_enumerator(const struct btf *btf, const struct type *type, unsigned int index,
			const char **name)
{
	const struct btf_type *t = type->t;

	if (btf_kind(t) == BTF_KIND_ENUM64) {
		*name = type_string(btf, btf_enum64(t)[index].name_off);
		return (int64_t)btf_enum64_value(&btf_enum64(t)[index]);
	}
	*name = type_string(btf, btf_enum(t)[index].name_off);
	if (type->size == 8 && !type->is_signed)
		return (uint32_t)btf_enum(t)[index].val;
	return btf_enum(t)[index].val;
}
