/* lines: see lines.h. */
#include "lines.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "file.h"

#define ROOM (2 * LINE_MAX_BYTES)

struct lines {
	int fd;
	size_t used;
	char text[ROOM + 1];
};

/* Hands out the lines that are complete, and moves the beginning of the next one to the front. */
static int take(struct lines *lines, line_fn *take_cb, void *context)
{
	char *line = lines->text, *stop = lines->text + lines->used, *end;
	int result = 0;

	while (!result && (end = memchr(line, '\n', (size_t)(stop - line)))) {
		*end = 0;
		result = take_cb(context, line, (size_t)(end - line));
		line = end + 1;
	}
	lines->used = (size_t)(stop - line);
	memmove(lines->text, line, lines->used);
	return result ? result : lines->used < LINE_MAX_BYTES ? 0 : -EINVAL;
}

static int read_lines(struct lines *lines, line_fn *take_cb, void *context)
{
	int result = 0;

	while (!result) {
		ssize_t got = read(lines->fd, lines->text + lines->used, ROOM - lines->used);

		if (got < 0 && errno != EINTR)
			return -errno;
		if (!got)
			break;
		lines->used += got > 0 ? (size_t)got : 0;
		result = take(lines, take_cb, context);
	}
	if (result || !lines->used)
		return result;
	lines->text[lines->used++] = '\n'; /* the last line may lack it */
	return take(lines, take_cb, context);
}

int crumb_each_line(const char *path, line_fn *take_cb, void *context)
{
	struct lines *lines = malloc(sizeof(*lines));
	char reason[FILE_REASON];
	struct stat status;
	int result;

	if (!lines)
		return -ENOMEM;
	lines->used = 0;
	lines->fd = crumb_open_regular(path, &status, reason);
	result = lines->fd;
	if (result >= 0) {
		result = read_lines(lines, take_cb, context);
		close(lines->fd);
	}
	free(lines);
	return result;
}
