/*
 * codec_read: Lua values -> bytes.
 *
 * Tables are read raw: what a value is must not depend on what a metamethod does meanwhile.
 */
#include <lauxlib.h>
#include <math.h>
#include <string.h>

#include "codec.h"
#include "codec_type.h"
#include "integer.h"

/* The way to a value, on the C stack; it becomes text only when something is wrong. */
struct path {
	const struct path *up; /* NULL: the value itself */
	const char *name; /* NULL: an element */
	lua_Integer index;
};

struct read {
	lua_State *L;
	const struct btf *btf;
	struct budget budget;
	const char *what;
};

static void read_value(struct read *read, const struct slot *slot, int index, unsigned char *out,
		       uint64_t window, const struct path *path, int depth);

static void add_path(luaL_Buffer *buffer, const struct path *path)
{
	if (!path->up)
		return;
	add_path(buffer, path->up);
	if (path->name) {
		luaL_addchar(buffer, '.');
		luaL_addstring(buffer, path->name);
	} else {
		lua_pushfstring(buffer->L, "[%I]", path->index);
		luaL_addvalue(buffer);
	}
}

/* "value.uid: trouble" */
static _Noreturn void refuse(struct read *read, const struct path *path, const char *trouble)
{
	luaL_Buffer buffer;

	luaL_checkstack(read->L, 8, NULL);
	luaL_buffinit(read->L, &buffer);
	luaL_addstring(&buffer, read->what);
	add_path(&buffer, path);
	luaL_addstring(&buffer, ": ");
	luaL_addstring(&buffer, trouble);
	luaL_pushresult(&buffer);
	lua_error(read->L);
	__builtin_unreachable();
}

static void spend(struct read *read, const struct path *path, uint64_t cost)
{
	if (!budget_spend(&read->budget, cost))
		refuse(read, path, "the type has too many members; is the BTF damaged?");
}

static const char *name_of(struct read *read, const struct slot *slot)
{
	char name[TYPE_NAME_BYTES];

	type_name(read->btf, slot->type.id, name);
	if (slot->bit_size)
		return lua_pushfstring(read->L, "%s:%d", name, slot->bit_size);
	return lua_pushstring(read->L, name);
}

static _Noreturn void refuse_type(struct read *read, const struct slot *slot, int index,
				  const struct path *path, const char *expected)
{
	lua_State *L = read->L;
	const char *name = name_of(read, slot);

	if (lua_type(L, index) == LUA_TSTRING)
		refuse(read, path,
		       lua_pushfstring(L, "expected %s for %s, got a string of %I bytes", expected,
				       name, (lua_Integer)lua_rawlen(L, index)));
	refuse(read, path,
	       lua_pushfstring(L, "expected %s for %s, got %s", expected, name,
			       luaL_typename(L, index)));
}

static int64_t read_integer(struct read *read, const struct slot *slot, int index,
			    const struct path *path)
{
	lua_State *L = read->L;
	int64_t value = 0;
	const char *reason, *text;

	if (lua_type(L, index) != LUA_TNUMBER)
		refuse_type(read, slot, index, path, "an integer");
	reason = integer_read(L, index, &value);
	if (!reason)
		return value;
	text = luaL_tolstring(L, index, NULL);
	refuse(read, path,
	       lua_pushfstring(L, strncmp(reason, "not ", 4) ? "%s: %s" : "%s is %s", text,
			       reason));
}

static _Noreturn void refuse_range(struct read *read, const struct slot *slot, int64_t value,
				   const struct path *path)
{
	refuse(read, path,
	       lua_pushfstring(read->L, "%I does not fit %s", (lua_Integer)value,
			       name_of(read, slot)));
}

static void read_int(struct read *read, const struct slot *slot, int index, unsigned char *out,
		     const struct path *path)
{
	int64_t value = read_integer(read, slot, index, path);
	unsigned int bits = slot_bits(slot);

	if (!bits_fit(value, bits, slot->type.is_signed))
		refuse_range(read, slot, value, path);
	bits_store(out, slot->bit_offset, bits, (uint64_t)value);
}

/* A word of four letters is a mistyped name, not the four bytes of a number. */
static bool is_name(const char *text)
{
	size_t length = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				     "0123456789_");

	return length && !text[length];
}

static bool read_raw(struct read *read, const struct slot *slot, int index, unsigned char *out,
		     uint64_t window)
{
	size_t length;
	const char *bytes;

	if (slot->bit_size || lua_type(read->L, index) != LUA_TSTRING)
		return false;
	bytes = lua_tolstring(read->L, index, &length);
	if (length > window || (length != slot->type.size && !(slot->open && length == window)))
		return false;
	memcpy(out, bytes, length);
	return true;
}

static _Noreturn void refuse_name(struct read *read, const struct slot *slot, const char *name,
				  const struct path *path)
{
	struct nearest nearest;
	unsigned int i;

	crumb_nearest_begin(&nearest, name);
	for (i = 0; i < btf_vlen(slot->type.t); i++) {
		const char *enumerator;

		type_enumerator(read->btf, &slot->type, i, &enumerator);
		crumb_nearest_offer(&nearest, enumerator);
	}
	refuse(read, path,
	       lua_pushfstring(read->L, "no '%s' in %s%s", name, name_of(read, slot),
			       nearest_push(read->L, &nearest)));
}

static void read_enum(struct read *read, const struct slot *slot, int index, unsigned char *out,
		      uint64_t window, const struct path *path)
{
	const struct type *type = &slot->type;
	const char *name = NULL, *enumerator;
	unsigned int bits = slot_bits(slot), i;
	bool negative = false, is_string = lua_type(read->L, index) == LUA_TSTRING;
	int64_t value;

	if (is_string)
		name = lua_tostring(read->L, index);
	spend(read, path, btf_vlen(type->t) / 64);
	for (i = 0; i < btf_vlen(type->t); i++) {
		value = type_enumerator(read->btf, type, i, &enumerator);
		negative |= value < 0;
		if (!is_string || strcmp(name, enumerator) ||
		    lua_rawlen(read->L, index) != strlen(name))
			continue;
		if (!bits_fit(value, bits, true) && !bits_fit(value, bits, false))
			refuse_range(read, slot, value, path);
		bits_store(out, slot->bit_offset, bits, (uint64_t)value);
		return;
	}
	if (is_string && !is_name(name) && read_raw(read, slot, index, out, window))
		return;
	if (is_string)
		refuse_name(read, slot, name, path);
	value = read_integer(read, slot, index, path);
	if (!bits_fit(value, bits, type->is_signed) && !(negative && bits_fit(value, bits, true)))
		refuse_range(read, slot, value, path);
	bits_store(out, slot->bit_offset, bits, (uint64_t)value);
}

static void read_float(struct read *read, const struct slot *slot, int index, unsigned char *out,
		       const struct path *path)
{
	lua_Number number;
	float single;

	if (lua_type(read->L, index) != LUA_TNUMBER)
		refuse_type(read, slot, index, path, "a number");
	number = lua_tonumber(read->L, index);
	if (slot->type.size == sizeof(single)) {
		single = (float)number;
		if (isinf(single) && !isinf(number))
			refuse(read, path,
			       lua_pushfstring(read->L, "%f does not fit %s", number,
					       name_of(read, slot)));
		memcpy(out, &single, sizeof(single));
	} else {
		memcpy(out, &number, sizeof(number));
	}
}

static void read_string(struct read *read, const struct slot *slot, int index, unsigned char *out,
			uint64_t count, bool text, const struct path *path)
{
	size_t length;
	const char *bytes;

	if (lua_type(read->L, index) != LUA_TSTRING)
		refuse_type(read, slot, index, path, "a string");
	bytes = lua_tolstring(read->L, index, &length);
	if (length > count)
		refuse(read, path,
		       lua_pushfstring(read->L, "a string of %I bytes does not fit %s",
				       (lua_Integer)length, name_of(read, slot)));
	if (text && length < count && memchr(bytes, 0, length))
		refuse(read, path, "a NUL in the string would end it");
	memcpy(out, bytes, length);
}

static void read_array(struct read *read, const struct slot *slot, int index, unsigned char *out,
		       uint64_t window, const struct path *path, int depth)
{
	lua_State *L = read->L;
	struct path at = { path, NULL, 0 };
	struct slot element;
	uint64_t count;
	bool text;

	if (slot_element(read->btf, &slot->type, &element))
		refuse(read, path, "elements that cannot be written");
	count = slot_count(slot, &element, window);
	if (slot_is_byte(read->btf, &element, &text)) {
		read_string(read, slot, index, out, count, text, path);
		return;
	}
	if (read_raw(read, slot, index, out, window))
		return;
	if (!lua_istable(L, index))
		refuse_type(read, slot, index, path, "a list");
	for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) {
		if (!lua_isinteger(L, -2))
			refuse(read, path,
			       lua_pushfstring(L, "expected a list for %s, got the key '%s'",
					       name_of(read, slot), luaL_tolstring(L, -2, NULL)));
		at.index = lua_tointeger(L, -2);
		if (at.index < 1 || (uint64_t)at.index > count)
			refuse(read, &at,
			       lua_pushfstring(L, "%s has the elements 1 to %I",
					       name_of(read, slot), (lua_Integer)count));
		read_value(read, &element, lua_gettop(L),
			   out + (uint64_t)(at.index - 1) * element.type.size + element.offset,
			   element.type.size - element.offset, &at, depth + 1);
	}
}

/* Refuses keys that are no member. */
static void check_keys(struct read *read, const struct slot *slot, int index,
		       const struct path *path)
{
	lua_State *L = read->L;

	for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) {
		struct nearest nearest;
		struct slot member;
		size_t length;
		const char *key;

		if (lua_type(L, -2) != LUA_TSTRING)
			refuse(read, path,
			       lua_pushfstring(L, "no member %s in %s", luaL_tolstring(L, -2, NULL),
					       name_of(read, slot)));
		key = lua_tolstring(L, -2, &length);
		if (strlen(key) != length)
			refuse(read, path,
			       lua_pushfstring(L, "no member '%s' with a NUL behind it in %s", key,
					       name_of(read, slot)));
		if (type_find_member(read->btf, slot, key, length, NULL, &member))
			continue;
		crumb_nearest_begin(&nearest, key);
		type_find_member(read->btf, slot, key, length, &nearest, &member);
		refuse(read, path,
		       lua_pushfstring(L, "no member '%s' in %s%s", key, name_of(read, slot),
				       nearest_push(L, &nearest)));
	}
}

/* Reads the members that the table at `index` has; returns the name of one of them, or NULL. */
static const char *read_members(struct read *read, const struct slot *parent, int index,
				unsigned char *out, uint64_t window, const struct path *path,
				int depth)
{
	const char *found = NULL;
	unsigned int i;

	if (depth >= TYPE_DEPTH)
		refuse(read, path, "the type is nested too deeply");
	luaL_checkstack(read->L, 8, NULL);
	for (i = 0; i < btf_vlen(parent->type.t); i++) {
		struct path at = { path, type_member_name(read->btf, &parent->type, i), 0 };
		const char *got = NULL;
		struct slot member;

		spend(read, path, 1);
		if (slot_member(read->btf, &parent->type, parent->open, i, &member) ||
		    member.offset > window)
			refuse(read, &at, "not where it could be; is the BTF damaged?");
		if (*at.name) {
			lua_pushstring(read->L, at.name);
			if (lua_rawget(read->L, index) != LUA_TNIL) {
				got = at.name;
				read_value(read, &member, lua_gettop(read->L), out + member.offset,
					   window - member.offset, &at, depth + 1);
			}
			lua_pop(read->L, 1);
		} else if (slot_holds_members(&member)) {
			got = read_members(read, &member, index, out + member.offset,
					   window - member.offset, path, depth + 1);
		}
		if (got && found && parent->type.shape == SHAPE_UNION)
			refuse(read, path,
			       lua_pushfstring(
				       read->L,
				       "'%s' and '%s' are members of one union; give one of them",
				       found, got));
		if (got && !found)
			found = got;
	}
	return found;
}

static void read_struct(struct read *read, const struct slot *slot, int index, unsigned char *out,
			uint64_t window, const struct path *path, int depth)
{
	if (!lua_istable(read->L, index))
		refuse_type(read, slot, index, path, "a table");
	check_keys(read, slot, index, path);
	read_members(read, slot, index, out, slot->open ? window : slot->type.size, path, depth);
}

/* `out` is the slot's own beginning, zeroed; `window` the bytes from there to the parent's end. */
static void read_value(struct read *read, const struct slot *slot, int index, unsigned char *out,
		       uint64_t window, const struct path *path, int depth)
{
	lua_State *L = read->L;

	if (slot_bytes(read->btf, slot) > window)
		refuse(read, path,
		       lua_pushfstring(L, "%I bytes are too few for %s", (lua_Integer)window,
				       name_of(read, slot)));
	spend(read, path, 1);
	luaL_checkstack(L, 8, NULL);
	if (slot->type.shape == SHAPE_ENUM) {
		read_enum(read, slot, index, out, window, path);
		return;
	}
	if (slot->type.shape == SHAPE_ARRAY) {
		read_array(read, slot, index, out, window, path, depth);
		return;
	}
	if (slot->type.shape != SHAPE_NONE && read_raw(read, slot, index, out, window))
		return;
	switch (slot->type.shape) {
	case SHAPE_INT:
	case SHAPE_POINTER:
		read_int(read, slot, index, out, path);
		break;
	case SHAPE_BOOL:
		if (!lua_isboolean(L, index))
			refuse_type(read, slot, index, path, "a boolean");
		bits_store(out, slot->bit_offset, slot_bits(slot), lua_toboolean(L, index));
		break;
	case SHAPE_FLOAT:
		read_float(read, slot, index, out, path);
		break;
	case SHAPE_STRUCT:
	case SHAPE_UNION:
		read_struct(read, slot, index, out, window, path, depth);
		break;
	case SHAPE_RAW:
		refuse_type(
			read, slot, index, path,
			lua_pushfstring(L, "a string of %I bytes", (lua_Integer)slot->type.size));
	default:
		refuse(read, path,
		       lua_pushfstring(L, "%s has no bytes to write", name_of(read, slot)));
	}
}

void codec_read(lua_State *L, int index, const struct btf *btf, uint32_t type, void *out,
		size_t size, const char *what)
{
	struct read read = { L, btf, budget_for(size), what };
	const struct path path = { NULL, NULL, 0 };
	struct slot slot;

	index = lua_absindex(L, index);
	memset(out, 0, size);
	luaL_checkstack(L, 8, NULL);
	if (slot_at(btf, type, 0, 0, &slot) || slot.offset > size) {
		char name[TYPE_NAME_BYTES];

		refuse(&read, &path,
		       lua_pushfstring(L, "%s cannot be written", type_name(btf, type, name)));
	}
	slot.open = true;
	read_value(&read, &slot, index, (unsigned char *)out + slot.offset, size - slot.offset,
		   &path, 0);
}
