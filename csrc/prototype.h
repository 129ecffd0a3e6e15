/*
 * prototype: the functions in BTF by name.
 *
 * The kernel's BTF holds tens of thousands; one hash of them is made at the first question, and
 * lives as long as the BTF.
 */
#ifndef CRUMB_PROTOTYPE_H
#define CRUMB_PROTOTYPE_H

#include <bpf/btf.h>
#include <lua.h>

/*
 * The prototype of the function, or of the typedef of a function (pointer), of that name; NULL:
 * none.  The crumb.Btf at `index` keeps the hash.
 */
const struct btf_type *prototype_find(lua_State *L, int index, const struct btf *btf,
				      const char *name);

#endif
