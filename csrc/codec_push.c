/*
 * codec_push: bytes -> Lua values.
 *
 * Every slot is checked against the bytes that are left before one of them is read.
 */
#include <lauxlib.h>
#include <string.h>

#include "codec.h"
#include "codec_type.h"

#define HINT 256 /* a table is made with room for no more, whatever BTF promises */

struct push {
	lua_State *L;
	const struct btf *btf;
	struct budget budget;
};

static void push_value(struct push *push, const struct slot *slot, const unsigned char *data,
		       uint64_t window, int depth);

/* An error that says what kind of trouble it is with which type. */
static _Noreturn void fail(struct push *push, uint32_t id, const char *trouble)
{
	char name[TYPE_NAME_BYTES];

	luaL_checkstack(push->L, 4, NULL);
	lua_pushfstring(push->L, "%s: %s", type_name(push->btf, id, name), trouble);
	lua_error(push->L);
	__builtin_unreachable();
}

static void spend(struct push *push, const struct slot *slot, uint64_t cost)
{
	if (!budget_spend(&push->budget, cost))
		fail(push, slot->type.id,
		     "more values than its bytes can hold; is the BTF damaged?");
}

static void push_enum(struct push *push, const struct slot *slot, const unsigned char *data)
{
	const struct type *type = &slot->type;
	unsigned int bits = slot_bits(slot), i;
	int64_t value = bits_load(data, slot->bit_offset, bits, type->is_signed);

	spend(push, slot, btf_vlen(type->t) / 64);
	for (i = 0; i < btf_vlen(type->t); i++) {
		const char *name;
		int64_t enumerator = type_enumerator(push->btf, type, i, &name);

		if (type_enumerator_is(enumerator, bits, value) && *name) {
			lua_pushstring(push->L, name);
			return;
		}
	}
	lua_pushinteger(push->L, value);
}

static void push_float(lua_State *L, const unsigned char *data, uint64_t size)
{
	float single;
	double number;

	if (size == sizeof(single)) {
		memcpy(&single, data, sizeof(single));
		number = (double)single;
	} else {
		memcpy(&number, data, sizeof(number));
	}
	lua_pushnumber(L, number);
}

static void push_bytes(struct push *push, const struct slot *slot, const unsigned char *data,
		       uint64_t size, bool text)
{
	if (text)
		size = strnlen((const char *)data, size);
	spend(push, slot, size);
	lua_pushlstring(push->L, (const char *)data, size);
}

static void push_array(struct push *push, const struct slot *slot, const unsigned char *data,
		       uint64_t window, int depth)
{
	struct slot element;
	uint64_t count, i;
	bool text;

	if (slot_element(push->btf, &slot->type, &element))
		fail(push, slot->type.id, "elements that cannot be read");
	count = slot_count(slot, &element, window);
	if (slot_is_byte(push->btf, &element, &text)) {
		push_bytes(push, slot, data, count, text);
		return;
	}
	spend(push, slot, count);
	lua_createtable(push->L, count < HINT ? (int)count : HINT, 0);
	for (i = 0; i < count; i++) {
		push_value(push, &element, data + i * element.type.size + element.offset,
			   element.type.size - element.offset, depth + 1);
		lua_rawseti(push->L, -2, (lua_Integer)i + 1);
	}
}

/* Sets the members of a struct or union in the table at the top. */
static void push_members(struct push *push, const struct slot *parent, const unsigned char *data,
			 uint64_t window, int depth)
{
	unsigned int i, count = btf_vlen(parent->type.t);

	/* Arrays take levels without asking; resolve_array() bounds them. */
	if (depth >= TYPE_DEPTH)
		fail(push, parent->type.id, "nested too deeply");
	luaL_checkstack(push->L, 4, NULL);
	for (i = 0; i < count; i++) {
		const char *name = type_member_name(push->btf, &parent->type, i);
		struct slot member;

		spend(push, parent, 1);
		if (slot_member(push->btf, &parent->type, parent->open, i, &member))
			fail(push, parent->type.id,
			     lua_pushfstring(
				     push->L,
				     "member '%s' is not where it could be; is the BTF damaged?",
				     name));
		if (!*name && !slot_holds_members(&member))
			continue;
		if (member.offset > window)
			fail(push, parent->type.id, "too few bytes");
		if (*name) {
			push_value(push, &member, data + member.offset, window - member.offset,
				   depth + 1);
			lua_setfield(push->L, -2, name);
		} else {
			push_members(push, &member, data + member.offset, window - member.offset,
				     depth + 1);
		}
	}
}

/* `data` is the slot's own beginning, `window` the bytes from there to the parent's end. */
static void push_value(struct push *push, const struct slot *slot, const unsigned char *data,
		       uint64_t window, int depth)
{
	const struct type *type = &slot->type;
	lua_State *L = push->L;

	if (slot_bytes(push->btf, slot) > window)
		fail(push, type->id,
		     lua_pushfstring(L, "%I bytes are too few, it has %I", (lua_Integer)window,
				     (lua_Integer)slot_bytes(push->btf, slot)));
	luaL_checkstack(L, 4, NULL);
	switch (type->shape) {
	case SHAPE_INT:
	case SHAPE_POINTER:
		lua_pushinteger(
			L, bits_load(data, slot->bit_offset, slot_bits(slot), type->is_signed));
		break;
	case SHAPE_BOOL:
		lua_pushboolean(L, bits_load(data, slot->bit_offset, slot_bits(slot), false) != 0);
		break;
	case SHAPE_ENUM:
		push_enum(push, slot, data);
		break;
	case SHAPE_FLOAT:
		push_float(L, data, type->size);
		break;
	case SHAPE_RAW:
		push_bytes(push, slot, data, type->size, false);
		break;
	case SHAPE_ARRAY:
		push_array(push, slot, data, window, depth);
		break;
	case SHAPE_STRUCT:
	case SHAPE_UNION:
		lua_createtable(L, 0, btf_vlen(type->t) < HINT ? btf_vlen(type->t) : HINT);
		push_members(push, slot, data, slot->open ? window : type->size, depth);
		break;
	default:
		fail(push, type->id, "has no bytes to read");
	}
}

void codec_push(lua_State *L, const struct btf *btf, uint32_t type, const void *data, size_t size)
{
	struct push push = { L, btf, budget_for(size) };
	struct slot slot;

	luaL_checkstack(L, 4, NULL);
	if (slot_at(btf, type, 0, 0, &slot))
		fail(&push, type, "no type that can be read");
	if (slot.offset > size)
		fail(&push, type, "too few bytes");
	slot.open = true;
	push_value(&push, &slot, (const unsigned char *)data + slot.offset, size - slot.offset, 0);
}

void codec_push_typed(lua_State *L, const struct btf *btf, const struct field *field,
		      const void *data, size_t size)
{
	struct push push = { L, btf, budget_for(size) };
	struct slot slot;

	luaL_checkstack(L, 4, NULL);
	if (slot_at(btf, field->type, 0, 0, &slot))
		fail(&push, field->type, "no type that can be read");
	if (field->offset > size)
		fail(&push, field->type, "lies behind the record's end");
	slot.offset = field->offset;
	slot.bit_offset = field->bit_offset;
	slot.bit_size = field->bit_size;
	slot.open = field->flexible;
	push_value(&push, &slot, (const unsigned char *)data + slot.offset, size - slot.offset, 0);
}
