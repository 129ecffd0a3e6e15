/* log: see log.h. */
#define _GNU_SOURCE
#include "log.h"

#include <bpf/libbpf.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOG_BYTES 16384

static __thread char text[LOG_BYTES];
static __thread size_t used;
static __thread bool dropped;

/* Keeps the end: the verifier says last why it refused. */
static void append(const char *bytes, size_t length)
{
	if (length > LOG_BYTES - 1) {
		bytes += length - (LOG_BYTES - 1);
		length = LOG_BYTES - 1;
		dropped = true;
	}
	if (used + length > LOG_BYTES - 1) {
		size_t drop = used + length - (LOG_BYTES - 1);

		memmove(text, text + drop, used - drop);
		used -= drop;
		dropped = true;
	}
	memcpy(text + used, bytes, length);
	used += length;
	text[used] = 0;
}

static int print_cb(enum libbpf_print_level level, const char *format, va_list args)
{
	static const char prefix[] = "libbpf: ";
	va_list again;
	char *line = NULL;
	int length;
	size_t skip = 0;

	if (level == LIBBPF_DEBUG)
		return 0;
	va_copy(again, args);
	length = vasprintf(&line, format, again);
	va_end(again);
	if (length < 0)
		return 0;
	if (!strncmp(line, prefix, sizeof(prefix) - 1))
		skip = sizeof(prefix) - 1;
	append(line + skip, (size_t)length - skip);
	free(line);
	return 0;
}

void crumb_log_install(void)
{
	libbpf_set_print(print_cb);
}

void crumb_log_reset(void)
{
	used = 0;
	dropped = false;
	text[0] = 0;
}

/* What was dropped may have ended in the middle of a line. */
static const char *first_whole_line(void)
{
	const char *newline = dropped ? memchr(text, '\n', used) : NULL;

	return newline ? newline + 1 : text;
}

const char *crumb_log_text(void)
{
	while (used && text[used - 1] == '\n')
		text[--used] = 0;
	return first_whole_line();
}

const char *crumb_log_errno(int err)
{
	static __thread char message[256];

	libbpf_strerror(err, message, sizeof(message));
	return message;
}
