/* dwarf_name: what types are called, and which type is called so. */
#include <dwarf.h>
#include <stdio.h>
#include <string.h>

#include "dwarf_type.h"

#define FIND_MOST (4u << 20) /* children that are looked at for a type's name */

static const char *keyword_of(int tag)
{
	switch (tag) {
	case DW_TAG_structure_type:
	case DW_TAG_class_type:
		return "struct ";
	case DW_TAG_union_type:
		return "union ";
	case DW_TAG_enumeration_type:
		return "enum ";
	default:
		return "";
	}
}

/* What is written behind the name of the type that it is made of. */
static const char *mark_of(int tag)
{
	switch (tag) {
	case DW_TAG_pointer_type:
		return "*";
	case DW_TAG_reference_type:
		return "&";
	case DW_TAG_rvalue_reference_type:
		return "&&";
	case DW_TAG_array_type:
		return "[]";
	default:
		return NULL;
	}
}

static const char *qualifier_of(int tag)
{
	switch (tag) {
	case DW_TAG_const_type:
		return "const ";
	case DW_TAG_volatile_type:
		return "volatile ";
	default:
		return "";
	}
}

/* Qualifiers that are not written. */
static bool is_silent(int tag)
{
	return tag == DW_TAG_restrict_type || tag == DW_TAG_atomic_type;
}

/* Stars are written from the outermost in, names from the innermost out: the marks are turned round. */
const char *crumb_dwarf_name(Dwarf_Die *die, char name[DWARF_NAME])
{
	const char *marks[DWARF_DEPTH], *base = "void", *keyword = "";
	char qualifiers[64] = "";
	Dwarf_Die at, next;
	size_t used;
	int count = 0;

	if (die)
		at = *die;
	for (int depth = 0; die && depth < DWARF_DEPTH; depth++) {
		int tag = dwarf_tag(&at);
		const char *own = dwarf_diename(&at), *mark = mark_of(tag);

		if (mark) {
			marks[count++] = mark;
			qualifiers[0] = 0;
		} else if (*qualifier_of(tag) || is_silent(tag)) {
			used = strlen(qualifiers);
			snprintf(qualifiers + used, sizeof(qualifiers) - used, "%s",
				 qualifier_of(tag));
		} else {
			keyword = keyword_of(tag);
			base = own ? own : "(anonymous)";
			break;
		}
		if (!crumb_dwarf_type_of(&at, &next))
			break;
		at = next;
	}
	snprintf(name, DWARF_NAME, "%s%s%s%s", qualifiers, keyword, base, count ? " " : "");
	while (count--) {
		used = strlen(name);
		snprintf(name + used, DWARF_NAME - used, "%s", marks[count]);
	}
	return name;
}

bool crumb_dwarf_find(Dwarf *dwarf, const char *name, Dwarf_Die *found)
{
	char own[DWARF_NAME];
	Dwarf_CU *unit = NULL;
	uint32_t left = FIND_MOST;
	Dwarf_Die top;
	uint8_t kind;

	while (!dwarf_get_units(dwarf, unit, &unit, NULL, &kind, &top, NULL) && left) {
		Dwarf_Die at;

		if (dwarf_child(&top, &at))
			continue;
		do {
			if (*keyword_of(dwarf_tag(&at)) && !dwarf_hasattr(&at, DW_AT_declaration) &&
			    !strcmp(crumb_dwarf_name(&at, own), name)) {
				*found = at;
				return true;
			}
		} while (--left && !dwarf_siblingof(&at, &at));
	}
	return false;
}

void crumb_dwarf_complete(Dwarf *dwarf, struct dwarf_type *type)
{
	char name[DWARF_NAME];
	Dwarf_Die found;

	if (dwarf_hasattr(&type->die, DW_AT_declaration) && dwarf_diename(&type->die) &&
	    crumb_dwarf_find(dwarf, crumb_dwarf_name(&type->die, name), &found))
		crumb_dwarf_resolve(&found, type);
}
