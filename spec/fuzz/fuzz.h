/*
 * fuzz: what the harnesses share.
 *
 * A harness is one C file with LLVMFuzzerTestOneInput; `make fuzz` runs each for a while.  What it
 * answers does not matter: a crash, a report of a sanitizer, or a unit that takes seconds is what
 * is looked for.
 */
#ifndef CRUMB_FUZZ_H
#define CRUMB_FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The path of a regular file with these bytes, until the next call. */
const char *fuzz_file(const uint8_t *data, size_t size);

/* Reads every byte of a string that a reader gave: a sanitizer tells if it is not there. */
void fuzz_read(const char *text, size_t length);

#endif
