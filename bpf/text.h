/* text: strings compared where they are read. */
#ifndef CRUMB_TEXT_H
#define CRUMB_TEXT_H

#include "frame.h"

#define LONGER 1 /* a text has more bytes than are compared, and was not cut on purpose */

/* Two bytes more than are compared: a NUL, and one to tell what goes on behind. */
struct read_text {
	union {
		char bytes[TEXT_BYTES + 8];
		__u64 words[TEXT_BYTES / 8 + 1];
		struct text text;
	};
};

/* Reads the text of a step with zeros to its end: 0, LONGER when it goes on, or a negative errno. */
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
		return 0;
	}
	if (slot_failed(frame, step->a))
		return -1;
	length = read_string(text->bytes, most + 2, slot(frame, step->a));
	if (length == most + 2) {
		text->bytes[most] = 0;
		return step->b ? 0 : LONGER;
	}
	return length < 0 ? length : 0;
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

/* Of a text that goes on only the beginning is known: whatever follows, a last star takes it. */
static __always_inline bool text_like(const struct read_text *text, __u32 number, bool longer)
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
	if (longer)
		states &= pattern->stay;
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
				       const struct step *step, long extent)
{
	__u32 number = step->value;

	if (extent < 0)
		return -1;
	if (step->op == OP_TEXT_LIKE)
		return text_like(text, number, extent == LONGER);
	if (extent == LONGER)
		return 0;
	if (step->op == OP_TEXT_IN)
		return text_in(text, number);
	return number < MAX_TEXTS && text_equal(text, body->texts[number]);
}

/* Takes the step of that number, which compares a text: the step to go on at. */
__noinline int compare_text(struct frame *frame, struct body *body, __u32 number)
{
	struct read_text text = {};
	struct step *step;
	long extent;

	if (!frame || !body)
		return REJECTED;
	step = &body->steps[number & (MAX_STEPS - 1)];
	extent = read_text(&text, frame, step);
	return way_on(step, text_answer(&text, body, step, extent));
}

#endif
