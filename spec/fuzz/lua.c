/*
 * Readers in Lua: SCRIPT returns a function that takes the bytes.  What it raises is a finding.
 *
 * The fuzzer learns by a hook which lines were run.
 */
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>

#include "fuzz.h"

#define COUNTERS 8192

__attribute__((section("__libfuzzer_extra_counters"))) static uint8_t counters[COUNTERS];

int luaopen_crumb_binaries(lua_State *L);
int luaopen_crumb_core(lua_State *L);
int luaopen_crumb_instructions(lua_State *L);

static void line_cb(lua_State *L, lua_Debug *at)
{
	lua_getinfo(L, "S", at);
	counters[((uintptr_t)at->source / 16 + (size_t)at->currentline) % COUNTERS]++;
}

static lua_State *start(void)
{
	lua_State *L = luaL_newstate();

	luaL_openlibs(L);
	luaL_requiref(L, "crumb.binaries", luaopen_crumb_binaries, 0);
	luaL_requiref(L, "crumb.core", luaopen_crumb_core, 0);
	luaL_requiref(L, "crumb.instructions", luaopen_crumb_instructions, 0);
	lua_settop(L, 0);
	if (luaL_dofile(L, SCRIPT)) {
		fprintf(stderr, "%s\n", lua_tostring(L, -1));
		exit(2);
	}
	lua_sethook(L, line_cb, LUA_MASKLINE, 0);
	return L;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static lua_State *L;

	if (!L)
		L = start();
	lua_pushvalue(L, 1);
	lua_pushlstring(L, (const char *)data, size);
	if (lua_pcall(L, 1, 0, 0)) {
		fprintf(stderr, "runtime error: %s\n", lua_tostring(L, -1));
		abort();
	}
	return 0;
}
