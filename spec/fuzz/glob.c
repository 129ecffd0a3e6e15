/* Globs: the first byte is the pattern's length, and the name follows it.  A slower matcher must agree. */
#include "../../csrc/glob.h"

#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

#define PATTERN_MAX 48
#define TEXT_MAX 192

/* Whether the set of a "[" that stands before `at` takes the byte; moves `at` behind its "]". */
static bool set_takes(const char **at, const char *end, unsigned char byte)
{
	const char *first = *at, *close;
	bool negated = first < end && (*first == '!' || *first == '^'), found = false;

	first += negated;
	for (close = first + 1; close < end && *close != ']'; close++)
		;
	*at = close + 1;
	while (first < close) {
		bool range = close - first > 2 && first[1] == '-';

		found |= byte >= (unsigned char)*first &&
			 byte <= (unsigned char)first[range ? 2 : 0];
		first += range ? 3 : 1;
	}
	return found != negated;
}

static bool closed(const char *at, const char *end)
{
	at += at < end && (*at == '!' || *at == '^');
	return at < end && memchr(at + 1, ']', (size_t)(end - at - 1));
}

/* reached[i]: the pattern up to here takes the first i bytes of the name. */
static bool matches(const char *at, const char *end, const char *name, size_t length)
{
	bool reached[TEXT_MAX + 1] = { true };

	while (at < end) {
		bool next[TEXT_MAX + 1] = { false };
		const char *after = at + 1;

		for (size_t i = 0; i <= length; i++) {
			const char *set = at + 1;
			bool takes = *at == '?';

			if (*at == '*') {
				next[i] = reached[i] || (i && next[i - 1]);
				continue;
			}
			if (i == length && *at != '[')
				break;
			if (*at == '[' && closed(set, end)) {
				takes = set_takes(&set, end,
						  (unsigned char)name[i < length ? i : 0]);
				after = set;
			} else if (i < length && !takes) {
				takes = *at == name[i];
			}
			if (i < length)
				next[i + 1] = reached[i] && takes;
		}
		memcpy(reached, next, sizeof(reached));
		at = after;
	}
	return reached[length];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t length = size ? data[0] : 0;
	const char *pattern = (const char *)data + 1, *name;
	struct glob *glob;
	bool answer;

	if (!size || length > size - 1)
		return 0;
	name = pattern + length;
	size -= 1 + length;
	glob = crumb_glob_compile(pattern, length);
	if (!glob)
		return 0;
	answer = crumb_glob_match(glob, name, size);
	crumb_glob_free(glob);
	if (length <= PATTERN_MAX && size && size <= TEXT_MAX &&
	    answer != matches(pattern, pattern + length, name, size))
		abort();
	return 0;
}
