/* dwarf_type: see dwarf_type.h. */
#include "dwarf_type.h"

#include <dwarf.h>
#include <string.h>

#define OLD_TYPES (1ull << 62) /* of a number: it lies in .debug_types */
#define OFFSET_MOST (1u << 30)

int64_t crumb_dwarf_id(Dwarf *dwarf, const Dwarf_Die *die)
{
	uint64_t offset = dwarf_dieoffset((Dwarf_Die *)die);
	Dwarf_Die same;

	if (offset >= OLD_TYPES)
		return 0;
	if (dwarf_offdie(dwarf, offset, &same) && same.addr == die->addr)
		return (int64_t)offset;
	return (int64_t)(offset | OLD_TYPES);
}

Dwarf_Die *crumb_dwarf_die(Dwarf *dwarf, int64_t id, Dwarf_Die *die)
{
	uint64_t offset = (uint64_t)id & ~OLD_TYPES;

	if (id <= 0)
		return NULL;
	return (uint64_t)id & OLD_TYPES ? dwarf_offdie_types(dwarf, offset, die)
					: dwarf_offdie(dwarf, offset, die);
}

bool crumb_dwarf_type_of(Dwarf_Die *die, Dwarf_Die *type)
{
	Dwarf_Attribute attribute;

	return dwarf_attr_integrate(die, DW_AT_type, &attribute) &&
	       dwarf_formref_die(&attribute, type);
}

static bool get_number(Dwarf_Die *die, unsigned int name, uint64_t *value)
{
	Dwarf_Attribute attribute;
	Dwarf_Word word;

	if (!dwarf_attr_integrate(die, name, &attribute) || dwarf_formudata(&attribute, &word))
		return false;
	*value = word;
	return true;
}

static bool has(Dwarf_Die *die, unsigned int name)
{
	Dwarf_Attribute attribute;

	return dwarf_attr(die, name, &attribute);
}

static bool is_name(int tag)
{
	switch (tag) {
	case DW_TAG_typedef:
	case DW_TAG_const_type:
	case DW_TAG_volatile_type:
	case DW_TAG_restrict_type:
	case DW_TAG_atomic_type:
		return true;
	default:
		return false;
	}
}

/* The type behind typedefs and qualifiers; false: void, or nothing that ends. */
static bool peel(Dwarf_Die *die)
{
	for (int depth = 0; depth < DWARF_DEPTH; depth++) {
		Dwarf_Die next;

		if (!is_name(dwarf_tag(die)))
			return true;
		if (!crumb_dwarf_type_of(die, &next))
			return false;
		*die = next;
	}
	return false;
}

static void resolve_base(struct dwarf_type *type)
{
	uint64_t encoding = 0;
	bool word = type->size == 1 || type->size == 2 || type->size == 4 || type->size == 8;

	get_number(&type->die, DW_AT_encoding, &encoding);
	switch (encoding) {
	case DW_ATE_boolean:
		type->shape = word ? DWARF_BOOL : DWARF_RAW;
		break;
	case DW_ATE_float:
		type->shape = type->size == 4 || type->size == 8 ? DWARF_FLOAT : DWARF_RAW;
		type->floating = true;
		break;
	case DW_ATE_complex_float:
		type->shape = DWARF_RAW;
		type->floating = true;
		break;
	case DW_ATE_signed:
	case DW_ATE_signed_char:
		type->is_signed = true;
		/* fallthrough */
	case DW_ATE_unsigned:
	case DW_ATE_unsigned_char:
	case DW_ATE_UTF:
	case DW_ATE_address:
		type->shape = word ? DWARF_INT : DWARF_RAW;
		break;
	default:
		type->shape = type->size ? DWARF_RAW : DWARF_NONE;
	}
}

/* Compilers write negative ones in a signed form, and others in any, with the highest bit set or not. */
bool crumb_dwarf_value(Dwarf_Die *enumerator, int64_t *value)
{
	Dwarf_Attribute attribute;
	Dwarf_Sword number;
	Dwarf_Word bits;
	int form;

	if (!dwarf_attr(enumerator, DW_AT_const_value, &attribute))
		return false;
	form = (int)dwarf_whatform(&attribute);
	if (form == DW_FORM_sdata || form == DW_FORM_implicit_const) {
		if (dwarf_formsdata(&attribute, &number))
			return false;
		*value = number;
	} else {
		if (dwarf_formudata(&attribute, &bits))
			return false;
		*value = (int64_t)bits;
	}
	return true;
}

static bool is_signed_enum(Dwarf_Die *die)
{
	struct dwarf_type of;
	Dwarf_Die child, type;
	int64_t value;

	if (crumb_dwarf_type_of(die, &type) && dwarf_tag(&type) == DW_TAG_base_type) {
		crumb_dwarf_resolve(&type, &of);
		return of.is_signed;
	}
	if (dwarf_child(die, &child))
		return false;
	for (uint32_t i = 0; i < DWARF_CHILDREN; i++) {
		if (crumb_dwarf_value(&child, &value) && value < 0)
			return true;
		if (dwarf_siblingof(&child, &child))
			break;
	}
	return false;
}

/* The elements of all dimensions; 0 where it is not said how many there are. */
static uint64_t count_elements(Dwarf_Die *array)
{
	uint64_t count = 1, one;
	Dwarf_Die child;

	if (dwarf_child(array, &child))
		return 0;
	for (int i = 0; i < DWARF_DEPTH; i++) {
		if (get_number(&child, DW_AT_count, &one))
			;
		else if (get_number(&child, DW_AT_upper_bound, &one) && one < UINT32_MAX)
			one++;
		else
			return 0;
		if (one > UINT32_MAX || count * one > UINT32_MAX)
			return 0;
		count *= one;
		if (dwarf_siblingof(&child, &child))
			break;
	}
	return count;
}

static bool has_variants(Dwarf_Die *die)
{
	Dwarf_Die child;

	if (dwarf_child(die, &child))
		return false;
	for (uint32_t i = 0; i < DWARF_CHILDREN; i++) {
		if (dwarf_tag(&child) == DW_TAG_variant_part)
			return true;
		if (dwarf_siblingof(&child, &child))
			break;
	}
	return false;
}

static void resolve_array(struct dwarf_type *type, int depth);

static void resolve(Dwarf_Die *die, struct dwarf_type *type, int depth)
{
	Dwarf_Die target;

	memset(type, 0, sizeof(*type));
	type->die = *die;
	if (!peel(&type->die))
		return;
	get_number(&type->die, DW_AT_byte_size, &type->size);
	switch (dwarf_tag(&type->die)) {
	case DW_TAG_base_type:
		resolve_base(type);
		break;
	case DW_TAG_pointer_type:
	case DW_TAG_reference_type:
	case DW_TAG_rvalue_reference_type:
	case DW_TAG_unspecified_type: /* C++'s nullptr_t; what else is called so has no size either */
		type->shape = DWARF_POINTER;
		type->size = 8;
		break;
	case DW_TAG_ptr_to_member_type:
		type->shape = DWARF_INT;
		type->is_signed = true;
		type->size = 8;
		if (crumb_dwarf_type_of(&type->die, &target) &&
		    dwarf_tag(&target) == DW_TAG_subroutine_type) {
			type->shape = DWARF_RAW;
			type->size = 16;
		}
		break;
	case DW_TAG_enumeration_type:
		type->shape =
			type->size == 1 || type->size == 2 || type->size == 4 || type->size == 8
				? DWARF_ENUM
				: DWARF_NONE;
		type->is_signed = is_signed_enum(&type->die);
		break;
	case DW_TAG_array_type:
		resolve_array(type, depth);
		break;
	case DW_TAG_structure_type:
	case DW_TAG_class_type:
	case DW_TAG_union_type:
		if (has(&type->die, DW_AT_declaration))
			break;
		type->shape =
			dwarf_tag(&type->die) == DW_TAG_union_type ? DWARF_UNION : DWARF_STRUCT;
		type->variants = has_variants(&type->die);
		break;
	default:
		break;
	}
}

static void resolve_array(struct dwarf_type *type, int depth)
{
	struct dwarf_type element;
	Dwarf_Die die;

	if (depth == DWARF_DEPTH || !crumb_dwarf_type_of(&type->die, &die))
		return;
	resolve(&die, &element, depth + 1);
	if (element.shape == DWARF_NONE || element.size > UINT32_MAX)
		return;
	type->count = count_elements(&type->die);
	type->size = type->count * element.size;
	type->shape = DWARF_ARRAY;
	if (has(&type->die, DW_AT_GNU_vector)) {
		type->shape = DWARF_RAW;
		type->floating = true;
	}
}

void crumb_dwarf_resolve(Dwarf_Die *die, struct dwarf_type *type)
{
	resolve(die, type, 0);
}

void crumb_dwarf_walk(const struct dwarf_type *type, struct dwarf_walk *walk)
{
	Dwarf_Die die = type->die;

	walk->depth = -1;
	walk->left = DWARF_CHILDREN;
	if ((type->shape == DWARF_STRUCT || type->shape == DWARF_UNION) &&
	    !dwarf_child(&die, &walk->levels[0].at)) {
		walk->depth = 0;
		walk->levels[0].offset = 0;
	}
}

/* Where the member lies in its parent; false: it is static, or only the object knows. */
static bool place_member(Dwarf_Die *die, struct dwarf_member *member)
{
	uint64_t at = 0, bits = 0, place, size;
	struct dwarf_type type;

	if (has(die, DW_AT_data_member_location)) {
		if (!get_number(die, DW_AT_data_member_location, &at))
			return false;
	} else if (has(die, DW_AT_external) || has(die, DW_AT_declaration)) {
		return false;
	}
	if (at > OFFSET_MOST)
		return false;
	member->offset = at;
	member->bits = member->bit_offset = 0;
	if (!get_number(die, DW_AT_bit_size, &bits))
		return true;
	if (!bits || bits > 64)
		return false;
	if (!get_number(die, DW_AT_data_bit_offset, &place)) {
		crumb_dwarf_resolve(&member->type, &type);
		if (!get_number(die, DW_AT_byte_size, &size))
			size = type.size;
		if (!get_number(die, DW_AT_bit_offset, &place) || size > 8 ||
		    place + bits > 8 * size)
			return false;
		place = 8 * at + 8 * size - place - bits;
	}
	if (place / 8 > OFFSET_MOST)
		return false;
	member->offset = place / 8;
	member->bits = (unsigned int)bits;
	member->bit_offset = (unsigned int)(place % 8);
	return true;
}

/* The children of an anonymous member or a base class come next. */
static void descend(struct dwarf_walk *walk, const struct dwarf_member *member)
{
	struct dwarf_type type;
	Dwarf_Die die = member->type, child;

	if (walk->depth + 1 == DWARF_DEPTH)
		return;
	crumb_dwarf_resolve(&die, &type);
	if ((type.shape != DWARF_STRUCT && type.shape != DWARF_UNION) ||
	    dwarf_child(&type.die, &child))
		return;
	walk->depth++;
	walk->levels[walk->depth].at = child;
	walk->levels[walk->depth].offset = member->offset;
}

bool crumb_dwarf_next(struct dwarf_walk *walk, struct dwarf_member *member)
{
	while (walk->depth >= 0 && walk->left--) {
		Dwarf_Die die = walk->levels[walk->depth].at;
		uint64_t offset = walk->levels[walk->depth].offset;
		int tag = dwarf_tag(&die);

		if (dwarf_siblingof(&die, &walk->levels[walk->depth].at))
			walk->depth--;
		if ((tag != DW_TAG_member && tag != DW_TAG_inheritance) ||
		    !crumb_dwarf_type_of(&die, &member->type) || !place_member(&die, member))
			continue;
		member->offset += offset;
		member->name = dwarf_diename(&die);
		if (tag == DW_TAG_member && member->name && *member->name)
			return member->offset <= OFFSET_MOST;
		descend(walk, member);
	}
	return false;
}
