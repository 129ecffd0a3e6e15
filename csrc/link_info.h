/* link_info: what the kernel says of a link, cookies included where it does. */
#ifndef CRUMB_LINK_INFO_H
#define CRUMB_LINK_INFO_H

#include <lua.h>

/* Pushes { type, id, program, … } of the link `fd`, or nil, message, errno; returns their number. */
int link_info_push(lua_State *L, int fd);

#endif
