/* directory: the names in one folder, which Lua cannot list. */
#include <dirent.h>
#include <errno.h>
#include <string.h>

#include "core.h"

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

/* core.directory(path) -> list of names without "." and ".." | nil, message, errno */
int l_directory(lua_State *L)
{
	const char *path = handle_check_text(L, 1);
	struct directory *directory;
	struct dirent *entry;
	lua_Integer count = 0;

	directory = handle_new(L, CLASS, sizeof(*directory), 0);
	lua_toclose(L, -1);
	directory->stream = opendir(path);
	if (!directory->stream)
		return handle_fail(L, errno, "list %s", path);
	directory->handle.release = release;
	lua_newtable(L);
	while (errno = 0, (entry = readdir(directory->stream))) {
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		if (count == ENTRIES_MAX)
			return handle_fail(L, EFBIG, "list %s", path);
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
