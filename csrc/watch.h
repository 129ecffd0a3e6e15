/*
 * watch: hears from the kernel what processes map, as it happens, by perf events.  No Lua.
 */
#ifndef CRUMB_WATCH_H
#define CRUMB_WATCH_H

#include "process.h"

struct watch;

/* Watches a process and its children to come; 0 or a negative errno. */
int crumb_watch(struct watch **list, pid_t pid);

/* Tells what has happened since the last time; what has ended is watched no more. */
void crumb_watch_drain(struct watch **list, struct processes *all);

void crumb_watch_free(struct watch **list);

#endif
