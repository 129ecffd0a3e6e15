/*
 * event: one of the engine's records as an event table or as positional values; for trail.c, the
 * iterator.
 */
#ifndef CRUMB_EVENT_H
#define CRUMB_EVENT_H

#include "layout.h"
#include "ring.h"

#define FIELD_LIMIT 64
#define PLANS 64 /* layouts of records that come by turns; powers of two */
#define COMMS 16

/* What every event has, in the order of their keys. */
enum { FIXED_TIME, FIXED_PID, FIXED_TID, FIXED_UID, FIXED_GID, FIXED_COMM, FIXED_CPU, FIXED };

extern const char *const event_fixed_names[FIXED];

/* How one layout's records are read; never changed, so that what decodes by it may be interrupted. */
struct plan {
	struct layout layout;
	uint8_t columns[FIELD_LIMIT];
};

/* A task's name whose string is known, by its bytes. */
struct comm {
	uint64_t low, high;
};

struct trail {
	struct ring *ring;
	struct pace pace;
	bool owned; /* others' records go to the function `other` */
	int fields; /* -1: tables */
	size_t turn; /* the source to look at first, so that none starves */
	size_t count; /* sources of a snapshot, with the positions to stop at */
	const unsigned long *ends; /* NULL: none */
	uint32_t generations[PLANS];
	const struct plan *plans[PLANS]; /* kept by the list of plans */
	struct comm comms[COMMS];
};

/* The upvalues of an iterator; behind them come the keys of the fixed fields. */
enum {
	UP_TRAIL = 1,
	UP_RING,
	UP_LAYOUTS,
	UP_SITES,
	UP_FIELDS,
	UP_OWNER,
	UP_OTHER,
	UP_PAUSE,
	UP_PLANS, /* list: each plan, and the names of its cells */
	UP_COMMS, /* list of strings */
	UP_INDEX, /* "__index" */
	UP_TRUNCATED, /* "truncated" */
	UP_KEYS,
};

/* What lies on the stack while a record is decoded. */
enum { COPY_AT = 1, PLAN_AT, NAMES_AT, SITE_AT, EVENT_AT };

/* What became of a source's next record, unless it is so many values. */
enum { NOTHING = 0, NO_EVENT = -1, FOREIGN = -2 };

/*
 * Pushes what an iterator returns of a copy of a record: so many values.  FOREIGN: an event, at
 * EVENT_AT, of another owner.  NO_EVENT: the record is malformed.
 */
int event_push(lua_State *L, struct trail *trail, const struct record *record, uint32_t length);

#endif
