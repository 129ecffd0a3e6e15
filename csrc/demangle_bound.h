/* demangle_bound: whether a parsed C++ name can be printed in reasonable time. */
#ifndef CRUMB_DEMANGLE_BOUND_H
#define CRUMB_DEMANGLE_BOUND_H

#include <stdbool.h>
#include <stddef.h>

struct demangle_component;

/* `base` is where the `count` components of the tree lie. */
bool crumb_demangle_bounded(const struct demangle_component *tree,
			    const struct demangle_component *base, size_t count);

#endif
