/*
 * layout: what one generation's records hold: the cells of struct record (bpf/wire.h) by name.
 */
#ifndef CRUMB_LAYOUT_H
#define CRUMB_LAYOUT_H

#include <lua.h>
#include <stdbool.h>
#include <stdint.h>

#include "../bpf/wire.h"

#define LAYOUT "crumb.Layout"

enum cell_kind { CELL_INTEGER, CELL_STRING, CELL_BYTES };

struct cell {
	uint8_t kind;
	bool converted; /* by a function of Lua's */
};

struct layout {
	uint32_t count;
	struct cell cells[MAX_CELLS];
};

/* The user values of a layout: lists by cell, from 1. */
enum { LAYOUT_NAMES = 1, LAYOUT_CONVERTERS, LAYOUT_VALUES = LAYOUT_CONVERTERS };

/* Whether a record of `length` bytes has all its cells, and their pieces, inside itself. */
bool crumb_record_fits(const struct layout *layout, const struct record *record, uint32_t length);

/* Whether the cell could be read. */
static inline bool crumb_cell_read(const struct record *record, uint32_t cell)
{
	return !(record->failed >> cell & 1);
}

/* What a cell says of its piece. */
static inline uint32_t crumb_piece_at(uint64_t cell)
{
	return cell & 0xffff;
}

static inline uint32_t crumb_piece_length(uint64_t cell)
{
	return cell >> 16 & 0xffff;
}

static inline bool crumb_piece_cut(uint64_t cell)
{
	return cell >> 32;
}

#endif
