/*
 * codec: BTF-typed bytes <-> Lua values.
 *
 * What a type is in Lua:
 *   int, pointer           integer (64 bits, the same bits); bool: boolean
 *   enum, enum64           its name, or the number when it has none; both are taken
 *   float, double          float
 *   char[n]                string up to the first NUL; __u8[n], signed char[n]: all n bytes
 *   T[n]                   list, from 1; nested for more dimensions
 *   struct                 table by member; anonymous members belong to their parent
 *   union                  table of every member when read, of at most one when written
 *   __int128, and any type as a whole: a string of exactly its size stands for its raw bytes
 * A member that a table leaves out is 0, as in C.  What does not fit is refused, and named.
 *
 * BTF comes out of files that nobody has checked.  Whatever it says, nothing here reads or
 * writes outside the bytes it was given, nests without end, or works without end.
 */
#ifndef CRUMB_CODEC_H
#define CRUMB_CODEC_H

#include <bpf/btf.h>
#include <lua.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* The integers in this order: the low two bits are the logarithm of the width. */
enum field_kind {
	FIELD_U8,
	FIELD_U16,
	FIELD_U32,
	FIELD_U64, /* FIELD_U64: pointers too */
	FIELD_S8,
	FIELD_S16,
	FIELD_S32,
	FIELD_S64,
	FIELD_TYPED, /* everything else: by codec_push */
};

/* Where one member of a record lies, resolved once and read many times. */
struct field {
	enum field_kind kind;
	uint32_t type; /* BTF id, for FIELD_TYPED */
	uint32_t offset; /* bytes; for a bitfield, of the bytes that hold it */
	uint8_t bit_offset; /* of a bitfield */
	uint8_t bit_size; /* 0: no bitfield */
	bool flexible; /* T[], or a struct or union that may end in one: takes the rest */
};

/* The size of a type in bytes (without a flexible end), or a negative errno. */
int64_t crumb_type_size(const struct btf *btf, uint32_t type);

/*
 * Resolves the member `path` ("pid", "task.tgid", "slots[2]") of a struct, anonymous members
 * searched; false: none.  Elements are counted from 1, so a path is what Lua would write.
 */
bool crumb_field(const struct btf *btf, uint32_t type, const char *path, struct field *field);

/*
 * Pushes one Lua value made of `size` bytes at `data`; raises when the bytes are too few for
 * the type.  A struct with a flexible end may stop anywhere after its fixed members.
 */
void codec_push(lua_State *L, const struct btf *btf, uint32_t type, const void *data, size_t size);

/* codec_push_field for what is no integer inside the record. */
void codec_push_typed(lua_State *L, const struct btf *btf, const struct field *field,
		      const void *data, size_t size);

/*
 * Pushes one member of the record of `size` bytes at `data`.  The caller sees to a free slot
 * on the stack: this is what a ring costs per record.
 */
static inline void codec_push_field(lua_State *L, const struct btf *btf, const struct field *field,
				    const void *data, size_t size)
{
	const unsigned char *at = (const unsigned char *)data + field->offset;
	uint64_t u64;
	uint32_t u32;
	uint16_t u16;

	if (field->kind == FIELD_TYPED ||
	    (size_t)field->offset + (1u << (field->kind & 3)) > size) {
		codec_push_typed(L, btf, field, data, size);
		return;
	}
	switch (field->kind) {
	case FIELD_U8:
		lua_pushinteger(L, *at);
		break;
	case FIELD_S8:
		lua_pushinteger(L, (int8_t)*at);
		break;
	case FIELD_U16:
		memcpy(&u16, at, sizeof(u16));
		lua_pushinteger(L, u16);
		break;
	case FIELD_S16:
		memcpy(&u16, at, sizeof(u16));
		lua_pushinteger(L, (int16_t)u16);
		break;
	case FIELD_U32:
		memcpy(&u32, at, sizeof(u32));
		lua_pushinteger(L, u32);
		break;
	case FIELD_S32:
		memcpy(&u32, at, sizeof(u32));
		lua_pushinteger(L, (int32_t)u32);
		break;
	default:
		memcpy(&u64, at, sizeof(u64));
		lua_pushinteger(L, (lua_Integer)u64);
		break;
	}
}

/*
 * Writes the Lua value at `index` as the type into the `size` bytes at `out`, all of them:
 * what the value does not set is 0, padding too.
 * Raises an error that begins with `what` and the member's path, without a position:
 * "value.uid: 1.5 is not an integer".
 */
void codec_read(lua_State *L, int index, const struct btf *btf, uint32_t type, void *out,
		size_t size, const char *what);

#endif
