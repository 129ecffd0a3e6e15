/* process: see process.h. */
#define _GNU_SOURCE
#include "process.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core.h"

#define PROCESSES_MAX 128
#define TOLD_MAX 1024
#define IMAGES_MAX 256 /* each holds a descriptor */
#define MAPPINGS_MAX 65536
#define SAME 10000000 /* ns: no pid comes round in so short a time */
#define LOOK_AGAIN 100000000 /* ns between looks at the maps for an address that is not there */

struct identity {
	uint64_t began;
	dev_t device;
	ino_t inode;
};

/* 0 or a negative errno.  Who has ended but is not waited for has no program any more: zeros. */
static int identify(pid_t pid, struct identity *identity)
{
	char path[64], text[1024];
	struct stat status;
	size_t got;
	char *at;
	FILE *file;

	memset(identity, 0, sizeof(*identity));
	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	file = fopen(path, "re");
	if (!file)
		return errno == ENOENT ? -ESRCH : -errno;
	got = fread(text, 1, sizeof(text) - 1, file);
	fclose(file);
	text[got] = 0;
	/* The name may hold anything; of what follows it the 20th word is the beginning. */
	at = strrchr(text, ')');
	for (int i = 0; at && i < 20; i++)
		at = strchr(at + 1, ' ');
	if (!at)
		return -ESRCH;
	identity->began = strtoull(at, NULL, 10);
	snprintf(path, sizeof(path), "/proc/%d/exe", pid);
	if (!stat(path, &status)) {
		identity->device = status.st_dev;
		identity->inode = status.st_ino;
	}
	return 0;
}

static void release_image(struct processes *all, struct image *image)
{
	struct image **link = &all->images;

	if (!image || --image->users)
		return;
	while (*link != image)
		link = &(*link)->next;
	*link = image->next;
	all->image_count--;
	crumb_image_free(image);
}

static void free_mappings(struct processes *all, struct mappings *mappings)
{
	for (size_t i = 0; i < mappings->count; i++) {
		release_image(all, mappings->list[i].image);
		free(mappings->list[i].path);
	}
	free(mappings->list);
	memset(mappings, 0, sizeof(*mappings));
}

static void forget(struct processes *all, struct process *process)
{
	struct process **link = &all->list;

	while (*link != process)
		link = &(*link)->next;
	*link = process->next;
	all->count--;
	free_mappings(all, &process->now);
	free_mappings(all, &process->before);
	free(process);
}

/* Of the others the one that was not used for the longest time goes; false: there is none. */
static bool make_room(struct processes *all, const struct process *keep)
{
	struct process *oldest = NULL;

	for (struct process *process = all->list; process; process = process->next)
		if (process != keep && (!oldest || process->used < oldest->used))
			oldest = process;
	if (oldest)
		forget(all, oldest);
	return oldest;
}

static struct image *find_image(const struct processes *all, const struct stat *status)
{
	int64_t modified = (int64_t)status->st_mtim.tv_sec * 1000000000 + status->st_mtim.tv_nsec;

	for (struct image *image = all->images; image; image = image->next)
		if (image->inode == status->st_ino && image->device == status->st_dev &&
		    image->modified == modified)
			return image;
	return NULL;
}

/* The image of a file, with one user more; NULL: it cannot be read, or there is no room. */
static struct image *take_image(struct processes *all, const struct process *process,
				const char *path)
{
	struct image *image;
	struct stat status;

	if (stat(path, &status))
		return NULL;
	image = find_image(all, &status);
	if (!image) {
		while (all->image_count >= IMAGES_MAX)
			if (!make_room(all, process))
				return NULL;
		image = crumb_image_open(path);
		if (!image)
			return NULL;
		image->next = all->images;
		all->images = image;
		all->image_count++;
	}
	image->users++;
	return image;
}

/*
 * The very file that is mapped, wherever it is now and in whatever container; who may not follow
 * the kernel's own links to it takes the path as the process sees it, and holds it against the
 * inode.
 */
static struct image *open_mapped(struct processes *all, const struct process *process,
				 const struct mapping *mapping, ino_t inode)
{
	char path[PLACE_TEXT + 64];
	struct image *image;
	struct stat status;

	snprintf(path, sizeof(path), "/proc/%d/map_files/%" PRIx64 "-%" PRIx64, process->pid,
		 mapping->start, mapping->end);
	image = take_image(all, process, path);
	if (image)
		return image;
	snprintf(path, sizeof(path), "/proc/%d/root%s", process->pid, mapping->path);
	if (stat(path, &status) || status.st_ino != inode)
		return NULL;
	return take_image(all, process, path);
}

/* "55d0-55d8 r-xp 00001000 08:01 1234      /usr/bin/app"; false: not executable, or no such line. */
static bool parse_line(char *line, struct mapping *mapping, ino_t *inode)
{
	unsigned long long number;
	char permissions[8];
	int path = 0;

	line[strcspn(line, "\n")] = 0;
	if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %7s %" SCNx64 " %*s %llu %n", &mapping->start,
		   &mapping->end, permissions, &mapping->offset, &number, &path) < 5 ||
	    !path || permissions[2] != 'x')
		return false;
	*inode = (ino_t)number;
	mapping->image = NULL;
	mapping->path = strdup(line[path] ? line + path : "[anon]");
	return mapping->path;
}

static bool append(struct mappings *to, size_t *room, const struct mapping *mapping)
{
	if (to->count == *room) {
		size_t larger = *room ? 2 * *room : 64;
		struct mapping *list =
			larger <= MAPPINGS_MAX ? realloc(to->list, larger * sizeof(*list)) : NULL;

		if (!list)
			return false;
		to->list = list;
		*room = larger;
	}
	to->list[to->count++] = *mapping;
	return true;
}

/* 0 or a negative errno; `to` is freed in any case by the caller. */
static int read_mappings(struct processes *all, struct process *process, struct mappings *to)
{
	char path[64], *line = NULL;
	struct mapping mapping;
	size_t size = 0, room = 0;
	ino_t inode;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/maps", process->pid);
	file = fopen(path, "re");
	if (!file)
		return -errno;
	while (getline(&line, &size, file) > 0) {
		if (!parse_line(line, &mapping, &inode))
			continue;
		if (mapping.path[0] == '/')
			mapping.image = open_mapped(all, process, &mapping, inode);
		if (!append(to, &room, &mapping)) {
			release_image(all, mapping.image);
			free(mapping.path);
			break;
		}
	}
	free(line);
	fclose(file);
	return 0;
}

/* What it has mapped now; who has ended keeps what he had. */
static void look(struct processes *all, struct process *process)
{
	struct mappings mappings = { NULL, 0 };

	process->looked = crumb_now();
	if (read_mappings(all, process, &mappings) || !mappings.count) {
		free_mappings(all, &mappings);
		return;
	}
	free_mappings(all, &process->before);
	process->before = process->now;
	process->now = mappings;
	process->serial = ++all->serial;
}

static bool is_same(const struct process *process, const struct identity *identity)
{
	if (process->began != identity->began)
		return false;
	return !identity->inode ||
	       (process->inode == identity->inode && process->device == identity->device);
}

static struct process *make(struct processes *all, pid_t pid, const struct identity *identity)
{
	struct process *process = calloc(1, sizeof(*process));

	if (!process)
		return NULL;
	while (all->count >= PROCESSES_MAX && make_room(all, process))
		continue;
	process->pid = pid;
	process->began = identity->began;
	process->device = identity->device;
	process->inode = identity->inode;
	process->next = all->list;
	all->list = process;
	all->count++;
	look(all, process);
	return process;
}

static struct process *find(struct process *process, pid_t pid)
{
	while (process && process->pid != pid)
		process = process->next;
	return process;
}

static void free_told(struct processes *all, struct process **link)
{
	struct process *process = *link;

	*link = process->next;
	free_mappings(all, &process->now);
	free_mappings(all, &process->before);
	free(process);
}

/* What was told of that process, made when it is the first; NULL: there is no memory. */
static struct process *told_of(struct processes *all, pid_t pid)
{
	struct process *process = find(all->told, pid), **link = &all->told;
	size_t count = 0;

	if (process)
		return process;
	/* The last is the oldest. */
	while (*link && ++count < TOLD_MAX)
		link = &(*link)->next;
	if (*link)
		free_told(all, link);
	process = calloc(1, sizeof(*process));
	if (!process)
		return NULL;
	process->pid = pid;
	process->next = all->told;
	all->told = process;
	return process;
}

/* Where a mapping goes, in the place of all that it covers in part. */
static size_t clear_range(struct processes *all, struct mappings *in, const struct mapping *mapping)
{
	size_t first = 0, behind;

	while (first < in->count && in->list[first].end <= mapping->start)
		first++;
	for (behind = first; behind < in->count && in->list[behind].start < mapping->end;
	     behind++) {
		release_image(all, in->list[behind].image);
		free(in->list[behind].path);
	}
	memmove(in->list + first, in->list + behind, (in->count - behind) * sizeof(*in->list));
	in->count -= behind - first;
	return first;
}

void crumb_process_maps(struct processes *all, pid_t pid, const struct mapping *mapping,
			ino_t inode)
{
	struct process *process = told_of(all, pid);
	struct mapping made = *mapping, *list;
	struct mappings *now;
	struct stat status;
	size_t at;

	if (!process || process->now.count >= MAPPINGS_MAX || mapping->start >= mapping->end)
		return;
	now = &process->now;
	list = realloc(now->list, (now->count + 1) * sizeof(*list));
	made.path = list ? strdup(mapping->path) : NULL;
	if (list)
		now->list = list;
	if (!made.path)
		return;
	made.image = NULL;
	if (made.path[0] == '/' && !stat(made.path, &status) && status.st_ino == inode)
		made.image = take_image(all, process, made.path);
	at = clear_range(all, now, &made);
	memmove(now->list + at + 1, now->list + at, (now->count - at) * sizeof(*list));
	now->list[at] = made;
	now->count++;
	process->serial = ++all->serial;
}

void crumb_process_execs(struct processes *all, pid_t pid)
{
	struct process *process = told_of(all, pid);

	/* Of stacks from before the names may still be asked for. */
	if (!process || !process->now.count)
		return;
	free_mappings(all, &process->before);
	process->before = process->now;
	memset(&process->now, 0, sizeof(process->now));
}

void crumb_process_forks(struct processes *all, pid_t parent, pid_t child)
{
	struct process *from = find(all->told, parent), *to;
	struct mapping *list;

	to = from ? told_of(all, child) : NULL;
	if (!to)
		return;
	free_mappings(all, &to->now);
	from = find(all->told, parent); /* which may have been the oldest */
	list = from && from->now.count ? calloc(from->now.count, sizeof(*list)) : NULL;
	if (!list)
		return;
	to->now.list = list;
	for (size_t i = 0; i < from->now.count; i++) {
		list[i] = from->now.list[i];
		list[i].path = strdup(list[i].path);
		if (!list[i].path)
			break;
		if (list[i].image)
			list[i].image->users++;
		to->now.count++;
	}
	to->serial = ++all->serial;
}

int crumb_process_get(struct processes *all, pid_t pid, struct process **process)
{
	struct process *known = find(all->list, pid), *told = find(all->told, pid);
	struct identity identity;
	int err = 0;

	if (!known || crumb_now() - known->checked > SAME) {
		err = identify(pid, &identity);
		/* Who has ended has no program; of him all is known that was told. */
		if ((err || !identity.inode) && told && told->now.count) {
			*process = told;
			return 0;
		}
		if (err && !known)
			return err;
		if (known && !err && !is_same(known, &identity)) {
			forget(all, known);
			known = NULL;
		}
		if (!known)
			known = make(all, pid, &identity);
		if (!known)
			return -ENOMEM;
		known->checked = crumb_now();
	}
	if (!known->now.count) {
		/* A thread of the kernel's, or somebody whose maps this user may not read. */
		forget(all, known);
		return -EACCES;
	}
	known->used = ++all->clock;
	*process = known;
	return 0;
}

static const struct mapping *mapping_at(const struct mappings *mappings, uint64_t address)
{
	size_t low = 0, high = mappings->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (mappings->list[middle].start <= address)
			low = middle + 1;
		else
			high = middle;
	}
	if (!low || address >= mappings->list[low - 1].end)
		return NULL;
	return &mappings->list[low - 1];
}

bool crumb_process_find(struct processes *all, struct process *process, uint64_t address,
			struct place *place)
{
	const struct mapping *mapping = mapping_at(&process->now, address);
	const struct process *told = find(all->told, process->pid);

	if (!mapping && process != told && crumb_now() - process->looked > LOOK_AGAIN) {
		look(all, process);
		mapping = mapping_at(&process->now, address);
	}
	if (!mapping)
		mapping = mapping_at(&process->before, address);
	if (!mapping && told)
		mapping = mapping_at(&told->now, address);
	if (!mapping && told)
		mapping = mapping_at(&told->before, address);
	if (!mapping)
		return false;
	memset(place, 0, sizeof(*place));
	snprintf(place->module, sizeof(place->module), "%s", mapping->path);
	place->offset = address - mapping->start + mapping->offset;
	if (mapping->image)
		crumb_image_find(mapping->image, place->offset, place);
	return true;
}

void crumb_processes_free(struct processes *all)
{
	while (all->list)
		forget(all, all->list);
	while (all->told)
		free_told(all, &all->told);
}
