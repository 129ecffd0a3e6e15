/* One mangled name, of C++ or of either scheme of Rust, by the first byte. */
#include "../../csrc/demangle.h"

#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const begins[] = { "_Z", "_R", "_ZN", "" };
	static struct demangled demangled;
	char name[MANGLED_MAX + 8];
	size_t length;

	if (!size)
		return 0;
	length = strlen(begins[*data & 3]);
	memcpy(name, begins[*data & 3], length);
	size = size - 1 < MANGLED_MAX ? size - 1 : MANGLED_MAX;
	memcpy(name + length, data + 1, size);
	if (!crumb_demangle(name, length + size, &demangled))
		return 0;
	if (demangled.bare > demangled.length || strlen(demangled.text) != demangled.length)
		abort();
	fuzz_read(demangled.text, demangled.length);
	return 0;
}
