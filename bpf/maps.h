/*
 * maps: what the engine keeps, and what user space makes for it at first use.
 *
 * Tables, sets and rings are inner maps: they come, go and are exchanged while programs run.
 */
#ifndef CRUMB_MAPS_H
#define CRUMB_MAPS_H

#include "kernel.h"
#include "wire.h"

#define BODIES 512
#define PATTERNS 128
#define SCRATCH_TRIES (2 * SCRATCHES_A_CPU) /* the next processor's too */
#define RECORD_BYTES 8192

/* Types that BTF would leave out: what inner maps are of, and what only user space reads. */
struct wire {
	enum limit limit;
	enum role role;
	enum op op;
	enum verdict verdict;
	enum flag flag;
	enum builtin builtin;
	enum reg reg;
	enum output_kind output_kind;
	enum key_kind key_kind;
	enum aggregate_op aggregate_op;
	enum body_flag body_flag;
	enum seen seen;
	enum bell bell;
	enum family_key family_key;
	enum feature feature;
	struct text text;
	struct small_key small_key;
	struct large_key large_key;
	struct row row;
	struct pair_key pair_key;
	struct pair pair;
	struct stack stack;
	struct record record;
} * wire_types;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 16384);
	__type(key, __u32);
	__type(value, struct site);
} sites SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 16384); /* as sites */
	__type(key, __u32);
	__type(value, struct account);
} accounts SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, BODIES);
	__type(key, __u32);
	__type(value, struct body);
} bodies SEC(".maps");

/* The pairs that will end by each body. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, BODIES);
	__type(key, __u32);
	__type(value, __u64);
} references SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, PATTERNS);
	__type(key, __u32);
	__type(value, struct pattern);
} patterns SEC(".maps");

/* Processes that are followed with their children: a bit for each family. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 16384);
	__type(key, __u32);
	__type(value, __u64);
} family SEC(".maps");

/* Processes that have left a new stack in `stacks`, and its number. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, __u32);
	__type(value, __u64);
} newcomers SEC(".maps");

#define HASH(name, key_type, value_type)                                                           \
	struct name {                                                                              \
		__uint(type, BPF_MAP_TYPE_HASH);                                                   \
		__uint(max_entries, 1);                                                            \
		__type(key, key_type);                                                             \
		__type(value, value_type);                                                         \
	}

#define INNER(name, count, of)                                                                     \
	struct {                                                                                   \
		__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);                                          \
		__uint(max_entries, count);                                                        \
		__type(key, __u32);                                                                \
		__array(values, of);                                                               \
	} name SEC(".maps")

HASH(set_map, __u64, __u8);
HASH(text_set_map, struct text, __u8);
HASH(small_table_map, struct small_key, struct row);
HASH(large_table_map, struct large_key, struct row);
HASH(pair_map, struct pair_key, struct pair);
HASH(stack_map, __u64, struct stack);

/* Every trace has one ring from the start: to put one in a map of maps takes a grace period. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} first_ring SEC(".maps");

struct ring_map {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
};

INNER(sets, 512, struct set_map);
INNER(text_sets, 512, struct text_set_map);
INNER(small_tables, 512, struct small_table_map);
INNER(large_tables, 512, struct large_table_map);
INNER(rings, 16, struct ring_map);
INNER(pairs, 1, struct pair_map);
INNER(stacks, 1, struct stack_map);

/* What is too large for the stack of a hit; taken by `busy`, so that a preempted hit keeps its own. */
struct scratch {
	__u64 busy;
	struct stack kstack, ustack;
	__u64 kstack_number, ustack_number;
	struct pair pair;
	struct large_key key;
	/* A struct record, and room for a piece that turns out not to fit. */
	char record[RECORD_BYTES + PIECE_BYTES + 2] __attribute__((aligned(8)));
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 9 * SCRATCHES_A_CPU); /* one processor's more than there are */
	__type(key, __u32);
	__type(value, struct scratch);
} scratches SEC(".maps");

volatile __u32 bell; /* enum bell */
volatile __u32 task_pid_at; /* where in the kernel's task_struct its number is */

/* Who holds one may begin and end the spans whose keys have that hash. */
#define LOCKS 256 /* a power of two */
__u32 locks[LOCKS] __attribute__((aligned(64)));

/* The PID namespace whose numbers the script knows; 0: the first, which has the kernel's own. */
const volatile __u64 pidns_dev, pidns_ino;

/* Of each copy of the object its own: the program that serves the hits of the one that is attached. */
struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} serving SEC(".maps");

/* Of each copy of the object its own: enum feature.  The verifier leaves out the others. */
const volatile __u32 features SEC(".rodata.copy");

#ifdef FEW
#define BUILT FEATURE_FEW
#else
#define BUILT 0xffffffff
#endif

#define WITH(feature) (BUILT & FEATURE_##feature && features & FEATURE_##feature)

#endif
