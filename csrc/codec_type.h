/*
 * codec_type: what a BTF type is to the codec, for codec_*.c and btf.c alone.
 *
 * Every number here comes from BTF that may lie, so each is checked against the type that
 * holds it; whether it also lies inside the bytes at hand is the reader's and writer's to check.
 */
#ifndef CRUMB_CODEC_TYPE_H
#define CRUMB_CODEC_TYPE_H

#include <bpf/btf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "nearest.h"

#define TYPE_DEPTH 32 /* levels of nesting, and of typedefs in a row */
#define TYPE_NAME_BYTES 512 /* names are cut to fit */

enum shape {
	SHAPE_NONE, /* has no bytes that can be read: void, functions, forward declarations */
	SHAPE_INT,
	SHAPE_BOOL,
	SHAPE_POINTER,
	SHAPE_ENUM, /* 1, 2, 4 or 8 bytes */
	SHAPE_FLOAT,
	SHAPE_RAW, /* __int128, long double: their bytes are their value */
	SHAPE_ARRAY,
	SHAPE_STRUCT,
	SHAPE_UNION,
};

/* A type without its typedefs and qualifiers. */
struct type {
	const struct btf_type *t;
	uint32_t id;
	enum shape shape;
	bool is_signed;
	uint8_t bits_from, bits; /* an integer that BTF says is narrower than its bytes */
	uint64_t size;
};

/* A type at a place: in its parent, or at the beginning. */
struct slot {
	struct type type;
	uint64_t offset;
	uint8_t bit_offset, bit_size; /* bit_size 0: no bitfield */
	bool open; /* nothing follows: a flexible end may take what is left */
};

/*
 * What one call may still cost.  Members of a hostile type can overlap and nest so that they
 * multiply; those of an honest one are bounded by its bytes.
 */
struct budget {
	uint64_t left;
};

static inline struct budget budget_for(size_t size)
{
	return (struct budget){ (1u << 20) + 64 * (uint64_t)size };
}

static inline bool budget_spend(struct budget *budget, uint64_t cost)
{
	if (cost > budget->left)
		return false;
	budget->left -= cost;
	return true;
}

/* 0 or a negative errno. */
int type_resolve(const struct btf *btf, uint32_t id, struct type *type);

/* The slot of the type at `bits` bits into its parent, `bit_size` of them when it is a bitfield. */
int slot_at(const struct btf *btf, uint32_t id, uint64_t bits, unsigned int bit_size,
	    struct slot *slot);

/* The slot of a member; -ERANGE when it is not inside its parent. */
int slot_member(const struct btf *btf, const struct type *parent, bool open, unsigned int index,
		struct slot *slot);

/* The slot of each element of an array, at offset 0. */
int slot_element(const struct btf *btf, const struct type *array, struct slot *slot);

/* How many bytes the slot needs from its offset on, a flexible end left out. */
uint64_t slot_bytes(const struct btf *btf, const struct slot *slot);

/* How many elements there are in `window` bytes. */
uint64_t slot_count(const struct slot *array, const struct slot *element, uint64_t window);

/* Whether it is T[] at the end. */
bool slot_is_flexible(const struct slot *slot);

/* Whether an array of it is a string; `text`: of characters, not of bytes. */
bool slot_is_byte(const struct btf *btf, const struct slot *element, bool *text);

static inline bool slot_holds_members(const struct slot *slot)
{
	return slot->type.shape == SHAPE_STRUCT || slot->type.shape == SHAPE_UNION;
}

/* The integer of `bits` (1 to 64) bits from `from` on, sign-extended when it has one. */
int64_t bits_load(const void *data, unsigned int from, unsigned int bits, bool is_signed);

void bits_store(void *data, unsigned int from, unsigned int bits, uint64_t value);

static inline bool bits_fit(int64_t value, unsigned int bits, bool is_signed)
{
	if (bits >= 64)
		return true;
	if (is_signed)
		return value >= -(1ll << (bits - 1)) && value < 1ll << (bits - 1);
	return value >= 0 && value < 1ll << bits;
}

/* How many bits of the slot are its integer. */
static inline unsigned int slot_bits(const struct slot *slot)
{
	return slot->bit_size ? slot->bit_size : (unsigned int)slot->type.size * 8;
}

/* "" when the BTF has none. */
const char *type_string(const struct btf *btf, uint32_t offset);

/* "" for an anonymous member. */
const char *type_member_name(const struct btf *btf, const struct type *parent, unsigned int index);

/* One enumerator, as the integer that its bits are. */
int64_t type_enumerator(const struct btf *btf, const struct type *type, unsigned int index,
			const char **name);

/* Whether an integer of so many bits is the enumerator: old BTF does not tell the sign. */
static inline bool type_enumerator_is(int64_t enumerator, unsigned int bits, int64_t value)
{
	return (bits_fit(enumerator, bits, true) || bits_fit(enumerator, bits, false)) &&
	       !(((uint64_t)enumerator ^ (uint64_t)value) << (64 - bits));
}

/* "struct ids *", "char[16]", "pid_t"; returns `buffer`. */
const char *type_name(const struct btf *btf, uint32_t id, char buffer[TYPE_NAME_BYTES]);

/* The id of a type by name; when there is none, `nearest` (may be NULL) has been offered all. */
int32_t type_find(const struct btf *btf, const char *name, struct nearest *nearest);

/*
 * Finds a member by name, anonymous ones searched; the slot's offset is from the parent's
 * beginning.  false: none; `nearest` (may be NULL) has then been offered all names.
 */
bool type_find_member(const struct btf *btf, const struct slot *parent, const char *name,
		      size_t length, struct nearest *nearest, struct slot *slot);

#endif
