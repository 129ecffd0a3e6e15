/* engine: the engine's BPF object, carried in the module, so that tracing needs no compiler and no file. */
#include "core.h"

/* The assembler reads it from the folder that make runs in. */
__asm__(".section .rodata\n"
	".balign 8\n"
	"engine_start: .incbin \"build/engine.bpf.o\"\n"
	"engine_end: .byte 0\n"
	".previous\n");

extern const char engine_start[], engine_end[];

/* core.engine() -> the bytes of the engine's object, for core.object */
int l_engine(lua_State *L)
{
	lua_pushlstring(L, engine_start, (size_t)(engine_end - engine_start));
	return 1;
}
