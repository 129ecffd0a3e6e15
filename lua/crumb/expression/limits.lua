--- limits: how large a rule may be; bpf/wire.h and bpf/maps.h have the same numbers.

return {
	STEPS = 128,
	SLOTS = 20,
	CELLS = 24,
	SAVES = 8,
	KEYS = 4,
	AGGREGATES = 8,
	ROW_CELLS = 7,
	TEXTS = 8,
	TEXT_BYTES = 64,
	COMM_BYTES = 15,
	PIECE_BYTES = 4096,
	SAVED_BYTES = 254, -- two of the 256 tell whether a string was cut
	RECORD_BYTES = 8192,
	RECORD_HEAD = 56,
	STACK_BYTES = 127 * 8,
	PATTERN_PARTS = 63,
	SET_VALUES = 10000,
	BUCKETS = 65533,
	SMALL_WORDS = 3,
	EXPRESSION_BYTES = 4096,
}
