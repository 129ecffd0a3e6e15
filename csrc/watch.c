/* watch: see watch.h. */
#define _GNU_SOURCE
#include "watch.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PAGES 16 /* of a buffer */

struct buffer {
	int fd;
	struct perf_event_mmap_page *page; /* and the records behind it */
};

struct watch {
	struct watch *next;
	pid_t pid;
	size_t page_size;
	size_t count;
	struct buffer buffers[]; /* of each processor */
};

/* A record in the order of time; its bytes lie in the batch. */
struct told {
	uint64_t time;
	size_t at;
};

struct batch {
	struct told *told;
	size_t count, room;
	char *bytes;
	size_t size, space;
};

struct mmap_record {
	struct perf_event_header header;
	uint32_t pid, tid;
	uint64_t start, length, offset;
	uint32_t major, minor;
	uint64_t inode, generation;
	uint32_t protection, flags;
	char path[];
};

struct task_record {
	struct perf_event_header header;
	uint32_t pid, parent; /* of a fork; of a new name the thread stands second */
};

/* Behind each record: PERF_SAMPLE_TID and PERF_SAMPLE_TIME. */
struct trailer {
	uint32_t pid, tid;
	uint64_t time;
};

static int open_buffer(struct buffer *buffer, pid_t pid, int cpu, size_t page_size)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_SW_DUMMY,
		.sample_type = PERF_SAMPLE_TID | PERF_SAMPLE_TIME,
		.sample_id_all = 1,
		.inherit = 1,
		.mmap = 1,
		.mmap2 = 1,
		.comm = 1,
		.comm_exec = 1,
		.task = 1,
		.watermark = 1,
		.wakeup_watermark = 1,
	};
	void *page;

	buffer->fd = (int)syscall(SYS_perf_event_open, &attr, pid, cpu, -1, PERF_FLAG_FD_CLOEXEC);
	if (buffer->fd < 0)
		return errno == ENODEV ? 0 : -errno; /* the processor is not online */
	page = mmap(NULL, (PAGES + 1) * page_size, PROT_READ | PROT_WRITE, MAP_SHARED, buffer->fd,
		    0);
	if (page == MAP_FAILED)
		return -errno;
	buffer->page = page;
	return 0;
}

static void free_watch(struct watch *watch)
{
	for (size_t i = 0; i < watch->count; i++) {
		if (watch->buffers[i].page)
			munmap(watch->buffers[i].page, (PAGES + 1) * watch->page_size);
		if (watch->buffers[i].fd >= 0)
			close(watch->buffers[i].fd);
	}
	free(watch);
}

int crumb_watch(struct watch **list, pid_t pid)
{
	long count = sysconf(_SC_NPROCESSORS_CONF);
	struct watch *watch;
	int err = 0;

	for (watch = *list; watch; watch = watch->next)
		if (watch->pid == pid)
			return 0;
	if (count < 1)
		return -EINVAL;
	watch = calloc(1, sizeof(*watch) + (size_t)count * sizeof(watch->buffers[0]));
	if (!watch)
		return -ENOMEM;
	watch->pid = pid;
	watch->page_size = (size_t)sysconf(_SC_PAGESIZE);
	while (!err && watch->count < (size_t)count) {
		err = open_buffer(&watch->buffers[watch->count], pid, (int)watch->count,
				  watch->page_size);
		watch->count++;
	}
	if (err) {
		free_watch(watch);
		return err;
	}
	watch->next = *list;
	*list = watch;
	return 0;
}

static bool make_room(struct batch *batch, size_t size)
{
	if (batch->count == batch->room) {
		size_t room = batch->room ? 2 * batch->room : 64;
		struct told *told = realloc(batch->told, room * sizeof(*told));

		if (!told)
			return false;
		batch->told = told;
		batch->room = room;
	}
	if (batch->size + size > batch->space) {
		size_t space = 2 * batch->space + size;
		char *bytes = realloc(batch->bytes, space);

		if (!bytes)
			return false;
		batch->bytes = bytes;
		batch->space = space;
	}
	return true;
}

/* Copies bytes out of the ring, whose end may lie between them. */
static void copy_out(char *to, const char *ring, size_t size, uint64_t from, size_t length)
{
	size_t at = from % size, first = length < size - at ? length : size - at;

	memcpy(to, ring + at, first);
	memcpy(to + first, ring, length - first);
}

static void read_buffer(const struct watch *watch, const struct buffer *buffer, struct batch *batch)
{
	const char *ring = (const char *)buffer->page + watch->page_size;
	size_t size = PAGES * watch->page_size;
	uint64_t head, tail;
	struct perf_event_header header;
	struct trailer trailer;

	if (!buffer->page)
		return;
	head = __atomic_load_n(&buffer->page->data_head, __ATOMIC_ACQUIRE);
	for (tail = buffer->page->data_tail; tail < head; tail += header.size) {
		copy_out((char *)&header, ring, size, tail, sizeof(header));
		if (header.size < sizeof(header) + sizeof(trailer) || header.size > head - tail ||
		    !make_room(batch, header.size))
			break;
		copy_out(batch->bytes + batch->size, ring, size, tail, header.size);
		memcpy(&trailer, batch->bytes + batch->size + header.size - sizeof(trailer),
		       sizeof(trailer));
		batch->told[batch->count++] = (struct told){ trailer.time, batch->size };
		batch->size += header.size;
	}
	__atomic_store_n(&buffer->page->data_tail, head, __ATOMIC_RELEASE);
}

static int by_time(const void *a, const void *b)
{
	const struct told *left = a, *right = b;

	return (left->time > right->time) - (left->time < right->time);
}

static void tell_mapping(struct processes *all, const char *bytes, size_t size)
{
	struct mmap_record record;
	struct mapping mapping = { 0 };
	char *path;

	if (size <= sizeof(record) + sizeof(struct trailer))
		return;
	memcpy(&record, bytes, sizeof(record));
	path = strndup(bytes + sizeof(record), size - sizeof(record) - sizeof(struct trailer));
	if (!path || record.start + record.length < record.start) {
		free(path);
		return;
	}
	mapping.start = record.start;
	mapping.end = record.start + record.length;
	mapping.offset = record.offset;
	mapping.path = strcmp(path, "//anon") ? path : "[anon]";
	crumb_process_maps(all, (pid_t)record.pid, &mapping, (ino_t)record.inode);
	free(path);
}

static void tell(struct processes *all, const char *bytes)
{
	struct perf_event_header header;
	struct task_record task;

	memcpy(&header, bytes, sizeof(header));
	memcpy(&task, bytes, sizeof(task));
	if (header.type == PERF_RECORD_MMAP2)
		tell_mapping(all, bytes, header.size);
	else if (header.type == PERF_RECORD_COMM && header.misc & PERF_RECORD_MISC_COMM_EXEC)
		crumb_process_execs(all, (pid_t)task.pid);
	else if (header.type == PERF_RECORD_FORK && task.pid != task.parent)
		crumb_process_forks(all, (pid_t)task.parent, (pid_t)task.pid);
}

/* Whether nobody is left whom it could hear of. */
static bool has_ended(const struct watch *watch)
{
	for (size_t i = 0; i < watch->count; i++) {
		struct pollfd event = { .fd = watch->buffers[i].fd, .events = POLLIN };

		if (event.fd >= 0 && (poll(&event, 1, 0) < 1 || !(event.revents & POLLHUP)))
			return false;
	}
	return true;
}

void crumb_watch_drain(struct watch **list, struct processes *all)
{
	struct batch batch = { 0 };

	while (*list) {
		struct watch *watch = *list;
		bool ended = has_ended(watch);

		for (size_t i = 0; i < watch->count; i++)
			read_buffer(watch, &watch->buffers[i], &batch);
		if (ended) {
			*list = watch->next;
			free_watch(watch);
		} else {
			list = &watch->next;
		}
	}
	if (batch.count)
		qsort(batch.told, batch.count, sizeof(*batch.told), by_time);
	for (size_t i = 0; i < batch.count; i++)
		tell(all, batch.bytes + batch.told[i].at);
	free(batch.told);
	free(batch.bytes);
}

void crumb_watch_free(struct watch **list)
{
	while (*list) {
		struct watch *watch = *list;

		*list = watch->next;
		free_watch(watch);
	}
}
