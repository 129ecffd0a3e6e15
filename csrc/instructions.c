/*
 * instructions: the C module crumb.instructions, which tells where instructions begin and what they do.
 *
 * It stands beside crumb.core because Capstone, which decodes x86-64, is large and seldom wanted.
 * On arm64 every instruction is a word, so what is sought is known by its bits.
 */
#include <capstone/capstone.h>
#include <lauxlib.h>
#include <lua.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define DECODER "crumb.Decoder"
#define LONGEST 16 /* bytes of an instruction */

#if defined(__aarch64__)
#define MACHINE "aarch64"
#else
#define MACHINE "x86_64"
#endif

enum machine { X86_64, AARCH64 };
static const char *const names[] = { "x86_64", "aarch64", NULL };

/* Kept for the next call: to open one costs as much as a function. */
struct decoder {
	csh handle;
	cs_insn *decoded;
};

/* A way through code, and the instruction that it has come to. */
struct walk {
	struct decoder *decoder;
	enum machine machine;
	const uint8_t *code, *next;
	size_t left;
	size_t at, size;
	uint8_t bytes[LONGEST]; /* zeros behind the last one */
};

static int l_close(lua_State *L)
{
	struct decoder *decoder = luaL_checkudata(L, 1, DECODER);

	if (decoder->decoded)
		cs_free(decoder->decoded, 1);
	if (decoder->handle)
		cs_close(&decoder->handle);
	memset(decoder, 0, sizeof(*decoder));
	return 0;
}

static bool crumb_decoder_open(struct decoder *decoder)
{
	if (!decoder->handle && cs_open(CS_ARCH_X86, CS_MODE_64, &decoder->handle) != CS_ERR_OK)
		return false;
	if (!decoder->decoded)
		decoder->decoded = cs_malloc(decoder->handle);
	return decoder->decoded != NULL;
}

static bool crumb_decode(struct walk *walk)
{
	uint64_t address = 0;

	if (walk->machine == X86_64)
		return cs_disasm_iter(walk->decoder->handle, &walk->next, &walk->left, &address,
				      walk->decoder->decoded);
	if (walk->left < 4)
		return false;
	walk->next += 4;
	walk->left -= 4;
	return true;
}

/* Whether there is one more; false with bytes left: they are no instruction. */
static bool crumb_next(struct walk *walk)
{
	const uint8_t *begin = walk->next;

	if (!crumb_decode(walk))
		return false;
	walk->at = (size_t)(begin - walk->code);
	walk->size = (size_t)(walk->next - begin);
	memset(walk->bytes, 0, sizeof(walk->bytes));
	memcpy(walk->bytes, begin, walk->size < LONGEST ? walk->size : LONGEST);
	return true;
}

static uint32_t crumb_word(const struct walk *walk)
{
	uint32_t word;

	memcpy(&word, walk->bytes, sizeof(word));
	return word;
}

static bool crumb_returns(const struct walk *walk)
{
	unsigned id;

	if (walk->machine == AARCH64)
		return (crumb_word(walk) & 0xfffffc1f) == 0xd65f0000;
	id = walk->decoder->decoded->id;
	return id == X86_INS_RET || id == X86_INS_RETF || id == X86_INS_RETFQ;
}

/* Whether it always goes on elsewhere, and the distance from its own beginning. */
static bool crumb_jumps(const struct walk *walk, int64_t *distance)
{
	const uint8_t *bytes = walk->bytes;
	uint32_t word = crumb_word(walk);
	int32_t far;

	if (walk->machine == AARCH64) {
		*distance = (int64_t)((int32_t)(word << 6) >> 6) * 4;
		return word >> 26 == 5;
	}
	memcpy(&far, bytes + 1, sizeof(far));
	*distance = (int64_t)walk->size + (bytes[0] == 0xe9 ? far : (int8_t)bytes[1]);
	return bytes[0] == 0xe9 || bytes[0] == 0xeb;
}

/* Whether it reads one of the goroutine's two limits of the stack. */
static bool crumb_reads_limit(const struct walk *walk)
{
	const uint8_t *bytes = walk->bytes;
	uint32_t word = crumb_word(walk);

	/* ldr x16, [x28, #16 or #24] */
	if (walk->machine == AARCH64)
		return word == 0xf9400b90 || word == 0xf9400f90;
	/* cmp rsp or r12, [r14 + 16 or 24] */
	return (bytes[0] == 0x49 || bytes[0] == 0x4d) && bytes[1] == 0x3b && bytes[2] == 0x66 &&
	       (bytes[3] == 16 || bytes[3] == 24);
}

/* Whether it goes on elsewhere where the limit is passed. */
static bool crumb_branches(const struct walk *walk)
{
	const uint8_t *bytes = walk->bytes;

	if (walk->machine == AARCH64)
		return (crumb_word(walk) & 0xff00001f) == 0x54000009; /* b.ls */
	return bytes[0] == 0x76 || (bytes[0] == 0x0f && bytes[1] == 0x86); /* jbe */
}

#define CHECK_WITHIN 8 /* instructions from the first one on */

/*
 * Where a Go function's check of its stack ends, 0: it has none.  A function whose check fails is
 * begun anew when the stack has grown, so only what comes behind is passed once a call.
 */
struct check {
	unsigned seen;
	bool limit;
	size_t end;
};

static void crumb_follow_check(struct check *check, const struct walk *walk)
{
	if (check->end || check->seen++ >= CHECK_WITHIN)
		return;
	if (check->limit && crumb_branches(walk))
		check->end = walk->at + walk->size;
	check->limit = check->limit || crumb_reads_limit(walk);
}

/* What fills the gap to the next function is no part of this one, and on arm64 no instruction. */
static void crumb_trim(struct walk *walk)
{
	static const uint8_t zeros[4];

	while (walk->machine == AARCH64 && walk->left >= 4 && walk->left % 4 == 0 &&
	       !memcmp(walk->code + walk->left - 4, zeros, 4))
		walk->left -= 4;
}

static struct walk l_walk(lua_State *L, int machine_at)
{
	struct decoder *decoder = lua_touserdata(L, lua_upvalueindex(1));
	size_t size;
	const char *code = luaL_checklstring(L, 1, &size);
	enum machine machine = luaL_checkoption(L, machine_at, MACHINE, names);

	if (machine == X86_64 && !crumb_decoder_open(decoder))
		luaL_error(L, "Capstone cannot be opened");
	return (struct walk){ .decoder = decoder,
			      .machine = machine,
			      .code = (const uint8_t *)code,
			      .next = (const uint8_t *)code,
			      .left = size };
}

static int l_no_instruction(lua_State *L, const struct walk *walk)
{
	lua_pushnil(L);
	lua_pushfstring(L,
			"there is data in the code: what lies %d bytes into it is no instruction",
			(int)(walk->next - walk->code));
	return 2;
}

/* instructions.scan(code, machine?) -> { returns =, check =, leaves = } | nil, message */
static int l_scan(lua_State *L)
{
	struct walk walk = l_walk(L, 2);
	struct check check = { 0 };
	lua_Integer count = 0;
	int64_t distance;
	size_t end;

	crumb_trim(&walk);
	end = walk.left;
	lua_newtable(L);
	lua_newtable(L);
	while (walk.left && crumb_next(&walk)) {
		size_t at = walk.at;

		crumb_follow_check(&check, &walk);
		if (crumb_returns(&walk)) {
			lua_pushinteger(L, (lua_Integer)at);
			lua_rawseti(L, -2, ++count);
		} else if (crumb_jumps(&walk, &distance) &&
			   (distance < -(int64_t)at || distance >= (int64_t)(end - at))) {
			lua_pushinteger(L, (lua_Integer)at);
			lua_setfield(L, -3, "leaves");
		}
	}
	if (walk.left)
		return l_no_instruction(L, &walk);
	lua_setfield(L, -2, "returns");
	lua_pushinteger(L, (lua_Integer)check.end);
	lua_setfield(L, -2, "check");
	return 1;
}

/* instructions.check(code, machine?) -> where a Go function's check of its stack ends, or 0 */
static int l_check(lua_State *L)
{
	struct walk walk = l_walk(L, 2);
	struct check check = { 0 };

	while (check.seen < CHECK_WITHIN && !check.end && crumb_next(&walk))
		crumb_follow_check(&check, &walk);
	lua_pushinteger(L, (lua_Integer)check.end);
	return 1;
}

/* instructions.around(code, offset, machine?) -> first, next | nil, message */
static int l_around(lua_State *L)
{
	struct walk walk = l_walk(L, 3);
	lua_Integer offset = luaL_checkinteger(L, 2);

	luaL_argcheck(L, offset >= 0 && (size_t)offset < walk.left, 2,
		      "it lies outside of the code");
	while (crumb_next(&walk)) {
		size_t next = (size_t)(walk.next - walk.code);

		if (next <= (size_t)offset)
			continue;
		lua_pushinteger(L, (lua_Integer)walk.at);
		lua_pushinteger(L, (lua_Integer)next);
		return 2;
	}
	return l_no_instruction(L, &walk);
}

__attribute__((visibility("default"))) int luaopen_crumb_instructions(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{ "scan", l_scan },
		{ "around", l_around },
		{ "check", l_check },
		{ NULL, NULL },
	};
	struct decoder *decoder;

	luaL_newlibtable(L, functions);
	decoder = lua_newuserdatauv(L, sizeof(*decoder), 0);
	memset(decoder, 0, sizeof(*decoder));
	if (luaL_newmetatable(L, DECODER)) {
		lua_pushcfunction(L, l_close);
		lua_setfield(L, -2, "__gc");
	}
	lua_setmetatable(L, -2);
	luaL_setfuncs(L, functions, 1);
	return 1;
}
