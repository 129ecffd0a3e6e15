/* elf_vector: see elf_vector.h. */
#include "elf_vector.h"

#include <string.h>

#define LONGEST 15 /* bytes of an instruction */

#if defined(__x86_64__)

/* The bytes of one instruction or what is left of the file; NULL: they cannot be read. */
static const unsigned char *bytes_at(const struct elf_file *file, struct elf_window *window,
				     uint64_t offset, uint64_t *length)
{
	uint64_t left = offset < file->size ? file->size - offset : 0;

	*length = left < LONGEST ? left : LONGEST;
	if (offset < window->start || offset - window->start > window->length ||
	    *length > window->length - (offset - window->start)) {
		window->start = offset;
		window->length = left < sizeof(window->bytes) ? left : sizeof(window->bytes);
		if (crumb_elf_read(file, window->bytes, window->length, offset)) {
			window->length = 0;
			return NULL;
		}
	}
	return window->bytes + (offset - window->start);
}

static bool is_vector(const unsigned char *at, const unsigned char *end)
{
	static const char legacy[] = { 0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0x67 };

	while (at < end && memchr(legacy, *at, sizeof(legacy)))
		at++;
	if (at == end)
		return false;
	switch (*at) {
	case 0xc4: /* VEX */
	case 0xc5:
	case 0x62: /* EVEX */
	case 0xd5: /* REX2 */
		return true;
	case 0x8f: /* XOP, or a pop, which has zeros there */
		return at + 1 < end && (at[1] & 0x38);
	default:
		return false;
	}
}

bool crumb_elf_vector(const struct elf_file *file, struct elf_window *window, uint64_t offset)
{
	uint64_t length;
	const unsigned char *at = bytes_at(file, window, offset, &length);

	return at && is_vector(at, at + length);
}

#else

bool crumb_elf_vector(const struct elf_file *file, struct elf_window *window, uint64_t offset)
{
	(void)file, (void)window, (void)offset;
	return false;
}

#endif
