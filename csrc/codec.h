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
 *   union                  table of every member when read, of exactly one when written
 *   __int128, and any type as a whole: a string of exactly its size stands for its raw bytes
 * A member that a table leaves out is 0, as in C.  What does not fit is refused, and named.
 */
#ifndef CRUMB_CODEC_H
#define CRUMB_CODEC_H

#include <bpf/btf.h>
#include <lua.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum field_kind {
	FIELD_U8, FIELD_U16, FIELD_U32, FIELD_U64,	/* FIELD_U64: pointers too */
	FIELD_S8, FIELD_S16, FIELD_S32, FIELD_S64,
	FIELD_TYPED,					/* everything else: by codec_push */
};

/* Where one member of a record lies, resolved once and read many times. */
struct field {
	enum field_kind kind;
	uint32_t type;		/* BTF id, for FIELD_TYPED */
	uint32_t offset;	/* bytes; for a bitfield, of the bytes that hold it */
	uint8_t bit_offset;	/* of a bitfield */
	uint8_t bit_size;	/* 0: no bitfield */
	bool flexible;		/* T[] at the end: takes the rest of the record */
};

/* The size of a type in bytes (without a flexible end), or a negative errno. */
int64_t crumb_type_size(const struct btf *btf, uint32_t type);

/* The id of "struct event", "event", "unsigned int", "union x", "enum e", a typedef's name; or -ENOENT. */
int32_t crumb_type_id(const struct btf *btf, const char *name);

/* Resolves the member `path` ("pid", "task.tgid", "slots[2]") of a struct, anonymous members searched; false: none. */
bool crumb_field(const struct btf *btf, uint32_t type, const char *path, struct field *field);

/* Pushes one Lua value made of `size` bytes at `data`; raises when the bytes are too few for the type. */
void codec_push(lua_State *L, const struct btf *btf, uint32_t type, const void *data, size_t size);

/* Pushes one member of the record of `size` bytes at `data`. */
void codec_push_field(lua_State *L, const struct btf *btf, const struct field *field,
		      const void *data, size_t size);

/*
 * Writes the Lua value at `index` as the type into the `size` bytes at `out`.
 * Raises an error that begins with `what` and the member's path: "value.uid: 1.5 is not an integer".
 */
void codec_read(lua_State *L, int index, const struct btf *btf, uint32_t type, void *out,
		size_t size, const char *what);

#endif
