/*
 * file: opens a file that may be anything, and is to be nothing but a regular one.
 *
 * Nothing at the path holds the opener up or is set off by it: no FIFO, no terminal, no device.
 */
#ifndef CRUMB_FILE_H
#define CRUMB_FILE_H

#include <sys/stat.h>

#define FILE_REASON 64 /* bytes for a reason, at least */

/* A descriptor to read from; or a negative errno, and why in `reason` ("" where that says it all). */
int crumb_open_regular(const char *path, struct stat *status, char *reason);

#endif
