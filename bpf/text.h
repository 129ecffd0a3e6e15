/* text: strings compared where they are read. */
#ifndef CRUMB_TEXT_H
#define CRUMB_TEXT_H

#include "frame.h"

/* Two bytes more than are compared: a NUL, and one to tell what goes on behind. */
struct read_text {
	union {
		char bytes[TEXT_BYTES + 8];
		__u64 words[TEXT_BYTES / 8 + 1];
		struct text text;
	};
};

/* Reads the text of a step with zeros to its end: its length, or a negative errno. */
static __always_inline long read_text(struct read_text *text, const struct frame *frame,
				      const struct step *step)
{
	__u32 most = step->b;
	long length;

	/* Checked on the very register that the verifier follows. */
	barrier_var(most);
	if (!most || most > TEXT_BYTES)
		most = TEXT_BYTES;

	if (step->flags & FLAG_COMM) {
		bpf_get_current_comm(text->bytes, 16);
		return 16;
	}
	if (slot_failed(frame, step->a))
		return -1;
	length = read_string(text->bytes, most + 2, slot(frame, step->a));
	if (length == most + 2)
		text->bytes[most] = 0; /* it was cut */
	return length;
}

static __always_inline bool text_equal(const struct read_text *text, const char *wanted)
{
	const __u64 *words = (const __u64 *)wanted;

	for (int i = 0; i < TEXT_BYTES / 8; i++)
		if (text->words[i] != words[i])
			return false;
	return true;
}

#define BYTES_AT_ONCE 8

/* Feeds a few bytes to the automaton; where the text has ended, it stays as it is. */
__noinline __u64 feed(struct pattern *pattern, __u64 bytes, __u64 states)
{
	if (!pattern)
		return 0;
	for (int i = 0; i < BYTES_AT_ONCE; i++) {
		__u8 byte = bytes >> 8 * i;

		if (!byte)
			break;
		states = (states << 1 & pattern->next[byte]) | (states & pattern->stay);
	}
	return states;
}

static __always_inline bool text_like(const struct read_text *text, __u32 number)
{
	struct pattern *pattern = bpf_map_lookup_elem(&patterns, &number);
	__u64 states = 1;

	if (!pattern)
		return false;
	for (int i = 0; i < TEXT_BYTES / BYTES_AT_ONCE; i++) {
		if (!text->words[i])
			break;
		states = feed(pattern, text->words[i], states);
	}
	return states & pattern->accept;
}

static __always_inline bool text_in(struct read_text *text, __u32 number)
{
	void *set = bpf_map_lookup_elem(&text_sets, &number);

	return set && bpf_map_lookup_elem(set, &text->text);
}

/* The step to go on at after a comparison; a negative answer: there was nothing to compare. */
static __always_inline __u32 way_on(const struct step *step, int answer)
{
	if (answer < 0)
		return step->no;
	return answer != !!(step->flags & FLAG_NOT) ? step->yes : step->no;
}

static __always_inline int text_answer(struct read_text *text, const struct body *body,
				       const struct step *step, long length)
{
	__u32 number = step->value;

	if (length < 0)
		return -1;
	if (step->op == OP_TEXT_LIKE)
		return text_like(text, number);
	if (step->op == OP_TEXT_IN)
		return text_in(text, number);
	return number < MAX_TEXTS && length <= TEXT_BYTES + 1 &&
	       text_equal(text, body->texts[number]);
}

/* Takes the step of that number, which compares a text: the step to go on at. */
__noinline int compare_text(struct frame *frame, struct body *body, __u32 number)
{
	struct read_text text = {};
	struct step *step;
	long length;

	if (!frame || !body)
		return MAX_STEPS;
	step = &body->steps[number & (MAX_STEPS - 1)];
	length = read_text(&text, frame, step);
	return way_on(step, text_answer(&text, body, step, length));
}

#endif
