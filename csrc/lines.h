/*
 * lines: a file's lines, one after the other, without ever holding the whole file.
 *
 * For the lists that the kernel writes: they are long, and it takes its time over them.
 */
#ifndef CRUMB_LINES_H
#define CRUMB_LINES_H

#include <stddef.h>

#define LINE_MAX_BYTES (32u << 10)

/* Takes a line: a NUL stands where it ended; returns 0 to go on, or what crumb_each_line() shall return. */
typedef int line_fn(void *context, char *line, size_t length);

/* 0; a negative errno (-EINVAL: a line is longer than LINE_MAX_BYTES); or what `take_cb` returned. */
int crumb_each_line(const char *path, line_fn *take_cb, void *context);

#endif
