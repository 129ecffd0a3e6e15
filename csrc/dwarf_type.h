/*
 * dwarf_type: a type of DWARF, as crumb.Btf describes one.
 *
 * Every chain and every number comes from a file that may lie: chains are cut, and counts bounded.
 * No Lua.
 */
#ifndef CRUMB_DWARF_TYPE_H
#define CRUMB_DWARF_TYPE_H

#include <elfutils/libdw.h>
#include <stdbool.h>
#include <stdint.h>

#define DWARF_NAME 512 /* names are cut to fit */
#define DWARF_DEPTH 32 /* levels of nesting, and of typedefs in a row */
#define DWARF_CHILDREN (1u << 20) /* that one question looks at */

enum dwarf_shape {
	DWARF_NONE, /* has no bytes that can be read */
	DWARF_INT,
	DWARF_BOOL,
	DWARF_POINTER,
	DWARF_ENUM,
	DWARF_FLOAT,
	DWARF_RAW,
	DWARF_ARRAY,
	DWARF_STRUCT,
	DWARF_UNION,
};

/* A type without its typedefs and qualifiers. */
struct dwarf_type {
	Dwarf_Die die;
	enum dwarf_shape shape;
	bool is_signed;
	bool floating; /* of DWARF_RAW: it is passed like a floating-point number */
	bool variants; /* of which not all members are always there: a Rust enum */
	uint64_t size;
	uint64_t count; /* of an array's elements, over all its dimensions */
};

/* A member, its place counted from the beginning of the struct that was asked about. */
struct dwarf_member {
	const char *name;
	Dwarf_Die type;
	uint64_t offset;
	unsigned int bits, bit_offset; /* bits 0: no bitfield */
};

/* Walks over the members; those of anonymous ones and of base classes are the struct's. */
struct dwarf_walk {
	struct {
		Dwarf_Die at;
		uint64_t offset;
	} levels[DWARF_DEPTH];
	int depth;
	uint32_t left; /* children that may still be looked at */
};

/*
 * A type's number: its place in the file; 0 is void.  NULL: there is no such place.
 */
int64_t crumb_dwarf_id(Dwarf *dwarf, const Dwarf_Die *die);
Dwarf_Die *crumb_dwarf_die(Dwarf *dwarf, int64_t id, Dwarf_Die *die);

/* The type that the die is of; false: void. */
bool crumb_dwarf_type_of(Dwarf_Die *die, Dwarf_Die *type);

void crumb_dwarf_resolve(Dwarf_Die *die, struct dwarf_type *type);

/* Whether it is a C++ object that is never passed by value. */
bool crumb_dwarf_by_reference(const struct dwarf_type *type);

/* An enumerator's value; false: it has none. */
bool crumb_dwarf_value(Dwarf_Die *enumerator, int64_t *value);

/* The name as C writes it: "const char *", "struct file"; "void" for NULL. */
const char *crumb_dwarf_name(Dwarf_Die *die, char name[DWARF_NAME]);

void crumb_dwarf_walk(const struct dwarf_type *type, struct dwarf_walk *walk);
bool crumb_dwarf_next(struct dwarf_walk *walk, struct dwarf_member *member);

/* The definition of "struct name" in whichever unit has one. */
bool crumb_dwarf_find(Dwarf *dwarf, const char *name, Dwarf_Die *found);

/* A type that is only declared becomes what another unit defines by its name, if one does. */
void crumb_dwarf_complete(Dwarf *dwarf, struct dwarf_type *type);

#endif
