/* directory: the names in one folder, which Lua cannot list. */
#include <dirent.h>
#include <errno.h>
#include <string.h>

#include "core.h"
#include "glob.h"

#define CLASS "crumb.Directory"
#define ENTRIES_MAX (1 << 20)

/* A handle, though nobody sees it: a memory error while names are pushed must close it. */
struct directory {
	struct handle handle;
	DIR *stream;
};

static int release(struct handle *handle)
{
	return closedir(((struct directory *)handle)->stream) ? errno : 0;
}

/* Whether a name is asked for: any, or what the glob at argument 2 matches. */
static bool is_wanted(lua_State *L, const char *name)
{
	if (!strcmp(name, ".") || !strcmp(name, ".."))
		return false;
	return lua_isnil(L, 2) || crumb_glob_match(glob_check(L, 2), name, strlen(name));
}

/* core.directory(path, glob?) -> list of names without "." and ".." | nil, message, errno */
int l_directory(lua_State *L)
{
	const char *path = handle_check_text(L, 1);
	struct directory *directory;
	struct dirent *entry;
	lua_Integer count = 0, seen = 0;

	lua_settop(L, 2);
	directory = handle_new(L, CLASS, sizeof(*directory), 0);
	lua_toclose(L, -1);
	directory->stream = opendir(path);
	if (!directory->stream)
		return handle_fail(L, errno, "list %s", path);
	directory->handle.release = release;
	lua_newtable(L);
	while (errno = 0, (entry = readdir(directory->stream))) {
		if (seen++ == ENTRIES_MAX)
			return handle_fail(L, EFBIG, "list %s", path);
		if (!is_wanted(L, entry->d_name))
			continue;
		lua_pushstring(L, entry->d_name);
		lua_rawseti(L, -2, ++count);
	}
	if (errno)
		return handle_fail(L, errno, "list %s", path);
	return 1;
}

void directory_register(lua_State *L)
{
	static const luaL_Reg methods[] = { { NULL, NULL } };

	handle_class(L, CLASS, methods);
}
