/*
 * dwarf_object: whether C++ passes an object by its address.
 *
 * clang says so; gcc does not, so it is told from what copies and destroys the object: a member
 * function of its own for that, a virtual one, or a part that has one.
 */
#include <dwarf.h>
#include <string.h>

#include "dwarf_type.h"

/* Newer than the header may be. */
#define LANG_C_PLUS_PLUS_17 0x2a
#define LANG_C_PLUS_PLUS_20 0x2b

#define NESTED 8
#define LOOKS 65536 /* at children, for one answer */

static bool number_of(Dwarf_Die *die, unsigned int name, uint64_t *value)
{
	Dwarf_Attribute attribute;
	Dwarf_Word word;

	if (!dwarf_attr(die, name, &attribute) || dwarf_formudata(&attribute, &word))
		return false;
	*value = word;
	return true;
}

static bool is_set(Dwarf_Die *die, unsigned int name)
{
	Dwarf_Attribute attribute;
	bool value;

	return dwarf_attr(die, name, &attribute) && !dwarf_formflag(&attribute, &value) && value;
}

/* Whether a parameter is a reference to the class. */
static bool refers_to(Dwarf_Die *parameter, const Dwarf_Die *class)
{
	Dwarf_Die type;
	int tag;

	if (!crumb_dwarf_type_of(parameter, &type))
		return false;
	tag = dwarf_tag(&type);
	if (tag != DW_TAG_reference_type && tag != DW_TAG_rvalue_reference_type)
		return false;
	if (!crumb_dwarf_type_of(&type, &type))
		return false;
	if (dwarf_tag(&type) == DW_TAG_const_type && !crumb_dwarf_type_of(&type, &type))
		return false;
	return type.addr == class->addr;
}

/* Whether the first parameter behind `this` is a reference to the class. */
static bool takes_itself(Dwarf_Die *function, const Dwarf_Die *class)
{
	Dwarf_Die child;

	if (dwarf_child(function, &child))
		return false;
	for (int i = 0; i < NESTED; i++) {
		if (dwarf_tag(&child) == DW_TAG_formal_parameter &&
		    !is_set(&child, DW_AT_artificial))
			return refers_to(&child, class);
		if (dwarf_siblingof(&child, &child))
			break;
	}
	return false;
}

/* Whether a member function copies, moves or destroys, in a way that its author wrote. */
static bool is_special(Dwarf_Die *function, Dwarf_Die *class)
{
	const char *name = dwarf_diename(function), *own = dwarf_diename(class);
	uint64_t value;
	size_t length;

	if (number_of(function, DW_AT_virtuality, &value) && value)
		return true;
	if (!name || !own || is_set(function, DW_AT_deleted))
		return false;
	if (number_of(function, DW_AT_defaulted, &value) && value == DW_DEFAULTED_in_class)
		return false;
	if (name[0] == '~')
		return !is_set(function, DW_AT_artificial);
	length = strcspn(own, "<");
	return strlen(name) == length && !strncmp(name, own, length) &&
	       !is_set(function, DW_AT_artificial) && takes_itself(function, class);
}

static bool by_reference(Dwarf_Die *class, int depth, uint32_t *left)
{
	Dwarf_Die child, type;
	uint64_t value;

	if (number_of(class, DW_AT_calling_convention, &value))
		return value == DW_CC_pass_by_reference;
	if (depth == NESTED || dwarf_child(class, &child))
		return false;
	while (*left && (*left)--) {
		int tag = dwarf_tag(&child);

		if (tag == DW_TAG_subprogram && is_special(&child, class))
			return true;
		if (tag == DW_TAG_inheritance && number_of(&child, DW_AT_virtuality, &value) &&
		    value)
			return true;
		if ((tag == DW_TAG_member && !is_set(&child, DW_AT_external)) ||
		    tag == DW_TAG_inheritance) {
			struct dwarf_type part;

			if (crumb_dwarf_type_of(&child, &type)) {
				crumb_dwarf_resolve(&type, &part);
				if (part.shape == DWARF_STRUCT &&
				    by_reference(&part.die, depth + 1, left))
					return true;
			}
		}
		if (dwarf_siblingof(&child, &child))
			break;
	}
	return false;
}

bool crumb_dwarf_by_reference(const struct dwarf_type *type)
{
	uint32_t left = LOOKS;
	Dwarf_Die class = type->die, unit;

	if (type->shape != DWARF_STRUCT || !dwarf_diecu(&class, &unit, NULL, NULL))
		return false;
	switch (dwarf_srclang(&unit)) {
	case DW_LANG_C_plus_plus:
	case DW_LANG_C_plus_plus_03:
	case DW_LANG_C_plus_plus_11:
	case DW_LANG_C_plus_plus_14:
	case LANG_C_PLUS_PLUS_17:
	case LANG_C_PLUS_PLUS_20:
		return by_reference(&class, 0, &left);
	default:
		return false;
	}
}
