/*
 * modules: crumb's modules in Lua, carried in this one: the command starts without looking for a
 * hundred files.
 */
#include <stdlib.h>
#include <string.h>

#include "core.h"

static const struct module {
	char name[40];
	unsigned int at, size;
} modules[] = {
#include "modules.h"
};

/* The assembler reads them from the folder that make runs in. */
__asm__(".section .rodata\n"
	"modules_code: .incbin \"build/modules\"\n"
	".previous\n");

extern const char modules_code[];

static int compare_cb(const void *name, const void *module)
{
	return strcmp(name, ((const struct module *)module)->name);
}

/* core.module(name) -> its chunk | nothing; a searcher for package.searchers */
int l_module(lua_State *L)
{
	const char *name = luaL_checkstring(L, 1);
	const struct module *found = bsearch(name, modules, sizeof(modules) / sizeof(*modules),
					     sizeof(*modules), compare_cb);

	if (!found)
		return 0;
	if (luaL_loadbufferx(L, modules_code + found->at, found->size, name, "b"))
		return lua_error(L);
	return 1;
}
