/*
 * process: what processes have mapped executable, kept after they have ended.
 *
 * A process is its pid, when it began, and its program, so that a pid that is used again, or a
 * process that runs another program, is not mistaken.  No Lua.
 */
#ifndef CRUMB_PROCESS_H
#define CRUMB_PROCESS_H

#include "image.h"

struct mapping {
	uint64_t start, end; /* addresses */
	uint64_t offset; /* in the file */
	struct image *image; /* NULL: no file that can be read */
	char *path;
};

struct mappings {
	struct mapping *list; /* by address */
	size_t count;
};

struct process {
	struct process *next;
	pid_t pid;
	uint64_t began; /* in the kernel's ticks */
	dev_t device; /* of its program */
	ino_t inode;
	struct mappings now,
		before; /* what it had mapped when last looked at, and the time before */
	int64_t checked, looked; /* ns: when it was seen to be the same; when `now` was read */
	uint64_t used; /* the clock of its last use */
	uint64_t serial; /* of `now`, never used again */
};

struct processes {
	struct process *list;
	struct process *
		told; /* what the kernel told of those that are watched, also when they have ended */
	struct image *images;
	size_t count, image_count;
	uint64_t clock, serial;
};

/* The process of that pid, from now on or from earlier; 0 or a negative errno: -ESRCH none. */
int crumb_process_get(struct processes *all, pid_t pid, struct process **process);

/* What lies at the address; false: nothing that is mapped executable. */
bool crumb_process_find(struct processes *all, struct process *process, uint64_t address,
			struct place *place);

/* The kernel tells: a process has mapped a file executable, runs another program, has a child. */
void crumb_process_maps(struct processes *all, pid_t pid, const struct mapping *mapping,
			ino_t inode);
void crumb_process_execs(struct processes *all, pid_t pid);
void crumb_process_forks(struct processes *all, pid_t parent, pid_t child);

void crumb_processes_free(struct processes *all);

#endif
