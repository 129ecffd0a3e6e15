/* engine: the engine's BPF objects, carried in the module, so that tracing needs no compiler and no file. */
#include "core.h"

/* The assembler reads them from the folder that make runs in. */
__asm__(".section .rodata\n"
	".balign 8\n"
	"engine_start: .incbin \"build/engine.bpf.o\"\n"
	"engine_end: .byte 0\n"
	".balign 8\n"
	"engine_few_start: .incbin \"build/engine_few.bpf.o\"\n"
	"engine_few_end: .byte 0\n"
	".previous\n");

extern const char engine_start[], engine_end[], engine_few_start[], engine_few_end[];

/* core.engine(few) -> the bytes of the engine's object, or of that with few features, for core.object */
int l_engine(lua_State *L)
{
	const char *start = engine_start, *end = engine_end;

	if (lua_toboolean(L, 1)) {
		start = engine_few_start;
		end = engine_few_end;
	}
	lua_pushlstring(L, start, (size_t)(end - start));
	return 1;
}
