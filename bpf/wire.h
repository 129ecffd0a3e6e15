/*
 * wire: what the engine, the C module and Lua agree on.
 *
 * Lua reads the layouts from the engine's BTF, so no offset stands twice.  How the parts play
 * together is told in doc/design/0002-tracer.md.
 */
#ifndef CRUMB_WIRE_H
#define CRUMB_WIRE_H

#include <linux/types.h>

enum limit {
	MAX_STEPS = 128,
	MAX_SLOTS = 20,
	MAX_CELLS = 24,
	MAX_SAVES = 8,
	MAX_KEYS = 6, /* four of the rule's, and the site */
	MAX_AGGREGATES = 8,
	MAX_TEXTS = 8,
	TEXT_BYTES = 64, /* of a string that is compared, or is a key */
	PIECE_BYTES = 4096, /* of one string or one piece of memory in a record */
	SAVED_BYTES = 256, /* of the strings that a pair keeps */
	STACK_FRAMES = 127,
	SMALL_WORDS = 4, /* of a key of the tables that are looked up fast */
	LARGE_WORDS = 36,
	ROW_CELLS = 7,
	SCRATCHES_A_CPU = 4, /* a preempted hit holds one, so few in a row are taken */
};

/*
 * The kernel's cookie is a site's number (the low 32 bits), the role of this hit there (the next
 * 8), and above them what else is to be known of it.
 */
enum role {
	ROLE_HIT, /* complete in itself */
	ROLE_OPEN, /* begins a pair: a call's entry, or the `from` of a span */
	ROLE_RETURN, /* ends a call */
	ROLE_TO, /* ends a span */
	ROLE_GOROUTINE =
		1 << 8, /* beside the two of a call: whose it is is told by its goroutine */
};

/* A place that fires.  `body` is published by one 32-bit store; 0: disabled. */
struct site {
	__u32 body;
	__u32 gauge; /* the site whose account holds the ticks and the budget of its cookie */
	__u64 cookie; /* the script's */
};

/*
 * What became of a site's hits, one atomic add each:
 *   hits = filtered + sampled_out + limited + repeated + aggregated + sent + lost
 *        + pending + unreturned
 *   pending = opened - closed - abandoned,  unreturned = abandoned + refused
 */
struct account {
	__u64 filtered;
	__u64 sampled_out;
	__u64 limited;
	__u64 aggregated;
	__u64 sent;
	__u64 lost;
	__u64 opened; /* pairs begun */
	__u64 closed; /* pairs that came to their end, of whatever outcome */
	__u64 abandoned; /* pairs that never will: begun anew, or swept by user space */
	__u64 refused; /* pairs for which there was no room */
	__u64 unmatched; /* ends without a beginning: no hits of this site's */
	__u64 rows_lost; /* by the aggregates of a rule that sends events too */
	__u64 ticks; /* for `sample` */
	__u64 spent; /* for `limit`: the second in the upper half, and how many in it */
	__u64 repeated; /* of a rule that reports once: after the report, or while it is made */
	__u64 seen; /* enum seen */
};

/* How far the one report of a site is.  One that is lost is none: then the next hit is reported. */
enum seen {
	SEEN_NOT,
	SEEN_NOW, /* somebody makes it */
	SEEN_DONE,
};

/* Steps compute values into slots and choose the way; they only ever go forward. */
enum op {
	/* slot = */
	OP_CONSTANT, /* value */
	OP_REGISTER, /* the frame's register a */
	OP_CONTEXT, /* what lies `value` bytes into the hook's context; width */
	OP_BUILTIN, /* enum builtin a */
	OP_LOAD, /* what lies at slot a + value; width; kernel or user space by the address */
	OP_ADD, /* slot a and (FLAG_CONSTANT: value, otherwise slot b) */
	OP_SUB,
	OP_MUL,
	OP_DIV, /* by a nonzero constant, towards zero */
	OP_MOD, /* what OP_DIV leaves, with the dividend's sign */
	OP_AND,
	OP_OR,
	OP_XOR,
	OP_SHL,
	OP_SHR,
	OP_CONVERT, /* slot a as an integer of `width` */
	/* go on at `yes` or `no`; a value that cannot be read is always `no` */
	OP_EQ, /* slot a and (FLAG_CONSTANT: value, otherwise slot b) */
	OP_LT,
	OP_LE,
	OP_IN, /* slot a in the set number `value` */
	OP_FOLLOWED, /* this process in the family number `value` */
	/*
	 * The text is a string's first b bytes, or all of it (b is 0).  When that is longer than
	 * TEXT_BYTES it is equal to none, in no set, and only like a pattern with a star behind.
	 */
	OP_TEXT_EQ, /* the text is body.texts[value] */
	OP_TEXT_LIKE, /* the text matches the pattern number `value` */
	OP_TEXT_IN, /* the text is in the set of texts number `value` */
	/* the end */
	OP_ACCEPT,
	OP_REJECT,
};

enum flag {
	FLAG_CONSTANT = 1, /* the second operand is `value` */
	FLAG_SIGNED = 2, /* of LT, LE, DIV, MOD, SHR, and of what LOAD, CONTEXT and CONVERT make */
	FLAG_NOT = 4, /* yes and no change places, but for what cannot be read */
	FLAG_COMM = 8, /* the text is the task's comm, not the string at slot a */
	FLAG_BUILTIN = 16, /* of a comparison: `a` is a builtin, not a slot */
};

enum builtin {
	BUILTIN_PID,
	BUILTIN_TID,
	BUILTIN_UID,
	BUILTIN_GID,
	BUILTIN_CPU,
	BUILTIN_TIME, /* ns of CLOCK_MONOTONIC */
	BUILTIN_COOKIE,
	BUILTIN_SITE,
	BUILTIN_LATENCY, /* ns since the pair began */
	BUILTIN_CGROUP, /* version 2's id */
	BUILTIN_TASK, /* the address of the task_struct */
	BUILTIN_CONTEXT, /* the address of the hook's context */
	BUILTIN_COMM_LOW, /* the bytes 0 to 7 of comm, and 8 to 15 */
	BUILTIN_COMM_HIGH,
};

/* Of a pair's end these are its beginning's; other registers are read in the hook's context. */
enum reg {
	REG_ARG0,
	REG_ARG1,
	REG_ARG2,
	REG_ARG3,
	REG_ARG4,
	REG_ARG5,
	REG_COUNT,
};

/* Where the way ends, without a step of its own. */
enum verdict {
	ACCEPTED = 254,
	REJECTED = 255,
};

struct step {
	__u8 op;
	__u8 to; /* a slot */
	__u8 a, b; /* slots, or what the op says */
	__u8 width; /* bytes: 1, 2, 4, 8 */
	__u8 flags;
	__u8 yes,
		no; /* the steps to go on at, or enum verdict; after a computation it is the next one */
	__s64 value;
};

enum output_kind {
	OUTPUT_SLOT, /* the cell is the slot's value */
	OUTPUT_STRING, /* the string at the slot's address, at most `size` bytes */
	OUTPUT_BYTES, /* so many bytes at the slot's address as the slot `length` says, at most `size` */
	OUTPUT_KSTACK, /* addresses of 8 bytes; of a pair's cell the number of the stack in `stacks` */
	OUTPUT_USTACK,
	OUTPUT_SAVED, /* the pair's cell number `slot`, with the piece it names */
};

struct output {
	__u8 kind;
	__u8 slot;
	__u8 length; /* a slot */
	__u8 pad;
	__u32 size;
};

enum key_kind {
	KEY_SLOT = 1, /* one word */
	KEY_SITE, /* one word */
	KEY_COMM, /* two */
	KEY_STRING, /* eight: the string at the slot's address, cut after 64 bytes */
	KEY_KSTACK, /* one: the number of a stack in `stacks` */
	KEY_USTACK,
	KEY_SAVED_STRING, /* eight: the pair's cell number `slot` */
};

struct key {
	__u8 kind;
	__u8 slot;
	__u8 size; /* of a string: how many of its bytes there are at most; 0: TEXT_BYTES are kept */
	__u8 pad;
};

enum aggregate_op {
	AGGREGATE_COUNT = 1, /* the row's own count */
	AGGREGATE_SUM,
	AGGREGATE_MIN,
	AGGREGATE_MAX,
	AGGREGATE_HIST, /* rows of their own, one a bucket: negative, 0, 1, 2-3, 4-7, … */
	AGGREGATE_LHIST, /* below min, min to min + step - 1, …, max and above */
};

struct aggregate {
	__u8 op;
	__u8 slot;
	__u8 cell; /* of the row */
	__u8 pad[5];
	__s64 min, max, step;
};

enum body_flag {
	BODY_EVENT = 1, /* send the record of `outputs` */
	BODY_ROW = 2, /* one row a key, for count, sum, min and max */
	BODY_SMALL = 4, /* keys of SMALL_WORDS */
	BODY_KSTACK = 8, /* somebody wants it */
	BODY_USTACK = 16,
	BODY_CALL =
		32, /* its pairs are calls, known by thread and stack pointer, not by key_slots */
	BODY_SCRATCH =
		64, /* its outlets need a scratch slot: events, stacks, keys that are not small */
	BODY_STACK_KEYS = 128,
	BODY_ONCE = 256, /* each site reports one hit, the first that is accepted */
	BODY_BEGINS = 512, /* a call whose return begins a span */
};

/* What a body may want of the program that serves its sites. */
enum feature {
	FEATURE_PAIRS = 1, /* calls and spans */
	FEATURE_STEPS = 2,
	FEATURE_ARITHMETIC = 4, /* and these three are what some steps do */
	FEATURE_COMPARISONS = 8,
	FEATURE_TEXTS = 16,
	FEATURE_EVENTS = 32,
	FEATURE_TABLES = 64,
	FEATURE_STACKS = 128,
	/* Enough for most events: programs with no more are an object of their own, and load sooner. */
	FEATURE_FEW = FEATURE_STEPS | FEATURE_ARITHMETIC | FEATURE_COMPARISONS | FEATURE_EVENTS,
};

/*
 * What to do at a site: a rule, compiled for the places where its values lie.  Immutable from
 * when it is published until nothing can refer to it any more.
 */
struct body {
	__u32 generation; /* never used again; events carry it */
	__u32 flags;
	__u32 sample; /* one in so many; 0: all */
	__u32 limit; /* a second; 0: all */
	__u32 ring; /* index in `rings`; 0: `first_ring` */
	__u32 table; /* index in `small_tables` or `large_tables` */
	__u32 owner; /* of the pairs of a span: its number, which is no other site's or span's */
	__u32 partner; /* the body that decides at the pair's end */
	__u32 to; /* of a call whose return begins a span: the body that decides at its end */
	__u8 open_start; /* the steps that decide whether a pair begins */
	__u8 key_start; /* the steps that compute key_slots, of both ends of a span */
	__u8 start; /* the steps that decide and compute for the outlets */
	__u8 key_slots[2];
	__u8 cells, saves, keys, aggregates;
	__u8 key_words; /* of all keys, without the last word */
	__u8 pad[6];
	__u32 needed; /* slots, one a bit, without which the aggregates can do nothing */
	struct step steps[MAX_STEPS];
	struct output outputs[MAX_CELLS]; /* with BODY_BEGINS: what the span's pair keeps */
	struct output
		saved[MAX_SAVES]; /* kept in the pair; its scalars are the slots 0 … at the end */
	struct key by[MAX_KEYS];
	struct aggregate aggregate[MAX_AGGREGATES];
	char texts[MAX_TEXTS][TEXT_BYTES];
	__s64 identity[ROW_CELLS + 1]; /* a new row */
};

/*
 * A glob as a nondeterministic automaton of up to 63 states, one a bit.  A text matches when
 * `accept` is among the states after its last byte; the first state is bit 0.
 */
struct pattern {
	__u64 next[256]; /* by byte: the states that a state one below goes on to */
	__u64 stay; /* the states that any byte leaves as they are */
	__u64 accept;
};

/* How a text is found in a set of texts, and compared: with zeros to its end. */
struct text {
	char bytes[TEXT_BYTES];
};

struct pair_key {
	__u32 owner;
	__u32 process; /* of a goroutine's call; 0: all else */
	__u64 a, b; /* of a call: thread and stack pointer, or goroutine and its stack's depth */
};

/* In a cell: where a piece lies in its record (or pair), how long it is, whether it was cut. */
#define PIECE(at, length, cut) ((__u64)(at) | (__u64)(length) << 16 | (__u64)(cut) << 32)

struct pair {
	__u64 time;
	__u32 site;
	__u32 body; /* which decides at the end */
	__u64 args[6];
	__u32 failed; /* a bit for each cell that could not be read */
	__u32 pad;
	__u64 cells[MAX_SAVES];
	char bytes[SAVED_BYTES];
};

/* The last word: which aggregate and bucket (0: the row itself), and which keys could not be read. */
#define ROW_WORD(failed, aggregate, bucket)                                                        \
	((__u64)(failed) << 32 | (__u64)(aggregate) << 16 | (__u64)(bucket))

struct small_key {
	__u64 words[SMALL_WORDS];
};

struct large_key {
	__u64 words[LARGE_WORDS];
};

struct row {
	__s64 count;
	__s64 cells[ROW_CELLS];
};

struct stack {
	__u32 pid; /* 0: of the kernel */
	__s32 bytes; /* of the frames; negative: it could not be read */
	__u64 frames[STACK_FRAMES]; /* the innermost first, and 0 behind the last */
};

/* An event: this, then a cell of 8 bytes for each output, then the pieces. */
struct record {
	__u64 time;
	__u32 generation;
	__u32 site;
	__u32 pid, tid;
	__u32 uid, gid;
	char comm[16];
	__u32 failed; /* a bit for each cell that could not be read */
	__u32 cpu;
	__u64 cells[];
};

/* In a key of `family`: the number is of the script's PID namespace. */
enum family_key {
	OF_NAMESPACE = 0x40000000,
};

/* What the reader wants: the program that finds it armed disarms it and wakes him. */
enum bell {
	BELL_OFF,
	BELL_NOW,
	BELL_NEARLY_FULL, /* when a ring is three quarters full */
};

#endif
