/*
 * demangle_bound: see demangle_bound.h.
 *
 * What repeats is written once and referred to, so a short name can stand for a tree that no one
 * could walk; and libiberty walks silently where it looks for packs.  So the tree's size is
 * reckoned first: each component once, by adding up what it is made of.
 */
#include "demangle_bound.h"

#include <libiberty/demangle.h>
#include <stdint.h>
#include <string.h>

#include "demangle.h"

#define COMPONENTS_MAX (2 * MANGLED_MAX)
#define SIZE_MAX_WALKED 4000000u /* components, at some nanoseconds each */

struct tree {
	const struct demangle_component *base;
	size_t count;
	uint32_t parameter; /* what a template's parameter may stand for */
	uint32_t argument; /* the largest list of a template's arguments */
	bool any_template; /* a conversion's parameters may be of any template */
	uint32_t sizes[COMPONENTS_MAX]; /* 0: not yet known */
	uint16_t depths[COMPONENTS_MAX]; /* of functions within template arguments of functions */
};

/* What points to a component of this tree. */
static const struct demangle_component *part(const struct tree *tree,
					     const struct demangle_component *component)
{
	uintptr_t at = (uintptr_t)component, base = (uintptr_t)tree->base;

	if (at < base || at - base >= tree->count * sizeof(*component) ||
	    (at - base) % sizeof(*component))
		return NULL;
	return component;
}

/* These are made of no others: where a part would be they have a text or a number, or what was in that memory before. */
static bool is_leaf(const struct demangle_component *component)
{
	switch (component->type) {
	case DEMANGLE_COMPONENT_NAME:
	case DEMANGLE_COMPONENT_OPERATOR:
	case DEMANGLE_COMPONENT_BUILTIN_TYPE:
	case DEMANGLE_COMPONENT_EXTENDED_BUILTIN_TYPE:
	case DEMANGLE_COMPONENT_SUB_STD:
	case DEMANGLE_COMPONENT_TEMPLATE_PARAM:
	case DEMANGLE_COMPONENT_FUNCTION_PARAM:
	case DEMANGLE_COMPONENT_NUMBER:
	case DEMANGLE_COMPONENT_CHARACTER:
	case DEMANGLE_COMPONENT_UNNAMED_TYPE:
		return true;
	default:
		return false;
	}
}

/* The parts of a component; NULL: it has no such part. */
static void parts_of(const struct tree *tree, const struct demangle_component *component,
		     const struct demangle_component *parts[2])
{
	parts[0] = parts[1] = NULL;
	if (is_leaf(component))
		return;
	switch (component->type) {
	case DEMANGLE_COMPONENT_CTOR:
		parts[1] = part(tree, component->u.s_ctor.name);
		break;
	case DEMANGLE_COMPONENT_DTOR:
		parts[1] = part(tree, component->u.s_dtor.name);
		break;
	case DEMANGLE_COMPONENT_EXTENDED_OPERATOR:
		parts[1] = part(tree, component->u.s_extended_operator.name);
		break;
	case DEMANGLE_COMPONENT_LAMBDA:
	case DEMANGLE_COMPONENT_DEFAULT_ARG:
		parts[0] = part(tree, component->u.s_unary_num.sub);
		break;
	case DEMANGLE_COMPONENT_FIXED_TYPE:
		parts[0] = part(tree, component->u.s_fixed.length);
		break;
	default:
		parts[0] = part(tree, component->u.s_binary.left);
		parts[1] = part(tree, component->u.s_binary.right);
	}
}

/* The template of a function, behind its qualifiers; or NULL. */
static const struct demangle_component *template_of(const struct tree *tree,
						    const struct demangle_component *function)
{
	const struct demangle_component *parts[2], *name;

	parts_of(tree, function, parts);
	name = parts[0];
	for (size_t i = 0; name && i < tree->count; i++) {
		if (name->type == DEMANGLE_COMPONENT_TEMPLATE)
			return name;
		parts_of(tree, name, parts);
		if (name->type != DEMANGLE_COMPONENT_LOCAL_NAME && parts[1])
			return NULL;
		name = parts[name->type == DEMANGLE_COMPONENT_LOCAL_NAME];
	}
	return NULL;
}

static uint32_t add(uint32_t a, uint32_t b)
{
	return a + b > SIZE_MAX_WALKED ? SIZE_MAX_WALKED : a + b;
}

static uint32_t weigh(struct tree *tree, const struct demangle_component *component)
{
	const struct demangle_component *parts[2];
	const struct demangle_component *template = NULL;
	size_t i = (size_t)(component - tree->base);
	uint32_t size = 1;

	if (tree->sizes[i])
		return tree->sizes[i];
	tree->sizes[i] = SIZE_MAX_WALKED; /* what holds itself has no end */
	parts_of(tree, component, parts);
	for (int side = 0; side < 2; side++) {
		if (!parts[side])
			continue;
		size = add(size, weigh(tree, parts[side]));
		if (tree->depths[parts[side] - tree->base] > tree->depths[i])
			tree->depths[i] = tree->depths[parts[side] - tree->base];
	}
	if (component->type == DEMANGLE_COMPONENT_TEMPLATE_PARAM)
		size = add(size, tree->parameter);
	else if (component->type == DEMANGLE_COMPONENT_CONVERSION)
		tree->any_template = true;
	else if (component->type == DEMANGLE_COMPONENT_TYPED_NAME)
		template = template_of(tree, component);
	else if (component->type == DEMANGLE_COMPONENT_TEMPLATE && tree->any_template)
		template = component;
	if (template) {
		const struct demangle_component *list;

		parts_of(tree, template, parts);
		list = parts[1];
		tree->depths[i]++;
		if (list && tree->sizes[list - tree->base] > tree->argument)
			tree->argument = tree->sizes[list - tree->base];
	}
	tree->sizes[i] = size;
	return size;
}

/*
 * A parameter stands for an argument, in which parameters may stand that are of a function
 * further out: as many times as functions lie within one another.
 */
bool crumb_demangle_bounded(const struct demangle_component *root,
			    const struct demangle_component *base, size_t count)
{
	struct tree tree;
	uint32_t size;

	if (count > COMPONENTS_MAX)
		return false;
	tree.base = base;
	tree.count = count;
	tree.parameter = 0;
	tree.any_template = false;
	if (part(&tree, root) != root)
		return false;
	for (unsigned round = 0;; round++) {
		bool any_template = tree.any_template;
		unsigned depth;

		memset(tree.sizes, 0, count * sizeof(*tree.sizes));
		memset(tree.depths, 0, count * sizeof(*tree.depths));
		tree.argument = 0;
		size = weigh(&tree, root);
		depth = tree.depths[root - base];
		if (any_template != tree.any_template)
			continue;
		if (size >= SIZE_MAX_WALKED || round > depth || tree.argument == tree.parameter)
			return size < SIZE_MAX_WALKED;
		tree.parameter = tree.argument;
	}
}
