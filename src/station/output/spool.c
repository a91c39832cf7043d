/* SPDX-License-Identifier: Apache-2.0 */
#include "station/output/spool.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "station/output/spool_frame.h"

#define SEGMENT_BYTES (1 << 20)
#define MEMORY_BYTES (8 << 20)
#define SYNC_EVERY_US 1000000

struct segment {
	uint64_t first; /* number of its first message */
	uint64_t next;	/* one past its last readable message */
	int64_t size_bytes;
};

/* A message that waits in memory; numbers follow those on disk. */
struct kept {
	struct kept *next;
	uint64_t number;
	size_t size_bytes;
	uint8_t bytes[];
};

struct assay__spool {
	const struct assay_allocator *allocator;
	struct assay__spool_options options;
	char folder[1024];
	int folder_fd, done_fd, write_fd, read_fd;
	struct segment *segments; /* oldest first; the last one is written to */
	int segment_count, segment_capacity;
	uint64_t first, next;
	uint64_t read_segment, read_number; /* where read_fd stands: in that segment, before that message */
	int64_t disk_bytes;
	int64_t unsynced_us; /* since when something is unsynced; 0: nothing */
	struct kept *kept_head, **kept_tail;
	int kept_count;
	int64_t kept_bytes;
	uint64_t lost;
};

static void segment_name(uint64_t first, char out[32])
{
	snprintf(out, 32, "%020" PRIu64 ".seg", first);
}

static int fail_folder(const struct assay__spool *spool, const char *what, struct assay_error *error)
{
	int err = errno;
	return assay__fail(error, ASSAY_E_IO, -1, "%s: %s: %s", spool->options.folder, what, strerror(err));
}

static int add_segment(struct assay__spool *spool, struct segment segment)
{
	if (spool->segment_count == spool->segment_capacity) {
		int capacity = spool->segment_capacity ? spool->segment_capacity * 2 : 16;
		struct segment *grown = assay__calloc(spool->allocator, (size_t)capacity, sizeof(*grown));
		if (!grown)
			return ASSAY_E_NOMEM;
		if (spool->segment_count > 0)
			memcpy(grown, spool->segments, (size_t)spool->segment_count * sizeof(*grown));
		assay__free(spool->allocator, spool->segments);
		spool->segments = grown;
		spool->segment_capacity = capacity;
	}
	spool->segments[spool->segment_count++] = segment;
	spool->disk_bytes += segment.size_bytes;
	return ASSAY_OK;
}

static void drop_segment(struct assay__spool *spool)
{
	char name[32];
	segment_name(spool->segments[0].first, name);
	unlinkat(spool->folder_fd, name, 0);
	spool->disk_bytes -= spool->segments[0].size_bytes;
	spool->segment_count--;
	memmove(spool->segments, spool->segments + 1, (size_t)spool->segment_count * sizeof(*spool->segments));
}

static void close_reader(struct assay__spool *spool)
{
	if (spool->read_fd >= 0)
		close(spool->read_fd);
	spool->read_fd = -1;
}

static void note_done(struct assay__spool *spool)
{
	uint8_t bytes[12];
	assay__frame_put_u64(bytes, spool->first - 1);
	assay__frame_put_u32(bytes + 8, assay__frame_crc32(0, bytes, 8));
	/* Not noted means sent again after a restart, which at-least-once allows. */
	if (pwrite(spool->done_fd, bytes, sizeof(bytes), 0) < 0)
		return;
}

static uint64_t read_done(struct assay__spool *spool)
{
	uint8_t bytes[12];
	if (pread(spool->done_fd, bytes, sizeof(bytes), 0) != sizeof(bytes) ||
		assay__frame_crc32(0, bytes, 8) != assay__frame_u32(bytes + 8))
		return 0;
	return assay__frame_u64(bytes);
}

static int compare_numbers(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return (x > y) - (x < y);
}

/* Numbers of the segments in the folder, ascending; *out is from malloc. */
static int list_segments(struct assay__spool *spool, uint64_t **out, int *out_count, struct assay_error *error)
{
	uint64_t *numbers = NULL;
	int count = 0, capacity = 0;
	int fd = openat(spool->folder_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *folder = fd < 0 ? NULL : fdopendir(fd);
	if (!folder) {
		int code = fail_folder(spool, "cannot be listed", error);
		if (fd >= 0)
			close(fd);
		return code;
	}
	for (struct dirent *entry; (entry = readdir(folder));) {
		char wanted[32];
		uint64_t number = strtoull(entry->d_name, NULL, 10);
		segment_name(number, wanted);
		if (number == 0 || strcmp(wanted, entry->d_name) != 0)
			continue;
		if (count == capacity) {
			capacity = capacity ? capacity * 2 : 64;
			uint64_t *grown = reallocarray(numbers, (size_t)capacity, sizeof(*grown));
			if (!grown) {
				free(numbers);
				closedir(folder);
				return assay__fail(error, ASSAY_E_NOMEM, -1, "%s: out of memory", spool->options.folder);
			}
			numbers = grown;
		}
		numbers[count++] = number;
	}
	closedir(folder);
	if (count > 0)
		qsort(numbers, (size_t)count, sizeof(*numbers), compare_numbers);
	*out = numbers;
	*out_count = count;
	return ASSAY_OK;
}

/* Walks the frames of a segment; what follows the last whole one is cut off if `cut`. */
static int scan_segment(struct assay__spool *spool, uint64_t first, bool cut, struct segment *out,
						struct assay_error *error)
{
	char name[32];
	segment_name(first, name);
	int fd = openat(spool->folder_fd, name, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return fail_folder(spool, name, error);
	struct stat info;
	*out = (struct segment){.first = first, .next = first};
	while (assay__frame_skip(fd, out->next) == ASSAY_OK)
		out->next++;
	off_t end = lseek(fd, 0, SEEK_CUR);
	if (cut && end >= 0 && ftruncate(fd, end) < 0)
		end = -1;
	out->size_bytes = end >= 0 && fstat(fd, &info) == 0 ? info.st_size : 0;
	close(fd);
	return ASSAY_OK;
}

static int take_up(struct assay__spool *spool, struct assay_error *error)
{
	uint64_t *numbers = NULL;
	int count = 0;
	int err = list_segments(spool, &numbers, &count, error);
	uint64_t done = read_done(spool);
	spool->first = spool->next = done + 1;
	for (int i = 0; !err && i < count; i++) {
		struct segment segment;
		err = scan_segment(spool, numbers[i], i == count - 1, &segment, error);
		if (!err && segment.next == segment.first) {
			char name[32];
			segment_name(segment.first, name);
			unlinkat(spool->folder_fd, name, 0);
			continue;
		}
		if (!err && (err = add_segment(spool, segment)))
			assay__fail(error, ASSAY_E_NOMEM, -1, "%s: out of memory", spool->options.folder);
		if (!err && segment.next > spool->next)
			spool->next = segment.next;
	}
	free(numbers);
	if (err)
		return err;
	/* Segments end where the next begins; between them messages are missing only if the disk lost them. */
	while (spool->segment_count > 0 && spool->segments[0].next <= spool->first)
		drop_segment(spool);
	if (spool->segment_count > 0 && spool->segments[0].first > spool->first) {
		spool->lost += done ? spool->segments[0].first - spool->first : 0;
		spool->first = spool->segments[0].first;
	}
	return ASSAY_OK;
}

static int open_folder(struct assay__spool *spool, struct assay_error *error)
{
	const char *folder = spool->options.folder;
	if (mkdir(folder, 0700) < 0 && errno != EEXIST)
		return fail_folder(spool, "cannot be made", error);
	spool->folder_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (spool->folder_fd < 0)
		return fail_folder(spool, "cannot be opened", error);
	spool->done_fd = openat(spool->folder_fd, "done", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (spool->done_fd < 0)
		return fail_folder(spool, "done cannot be opened", error);
	return take_up(spool, error);
}

int assay__spool_open(const struct assay__spool_options *options, const struct assay_allocator *allocator,
					  struct assay__spool **out, struct assay_error *error)
{
	struct assay__spool *spool = assay__calloc(allocator, 1, sizeof(*spool));
	if (!spool)
		return assay__fail(error, ASSAY_E_NOMEM, -1, "out of memory for a spool");
	spool->allocator = allocator;
	spool->options = *options;
	if (options->folder) {
		if (strlen(options->folder) >= sizeof(spool->folder)) {
			assay__free(allocator, spool);
			return assay__fail(error, ASSAY_E_LIMIT, -1, "the path of a spool is longer than %zu bytes",
							   sizeof(spool->folder) - 1);
		}
		memcpy(spool->folder, options->folder, strlen(options->folder) + 1);
		spool->options.folder = spool->folder;
	}
	if (!spool->options.segment_bytes)
		spool->options.segment_bytes = SEGMENT_BYTES;
	if (!spool->options.memory_bytes)
		spool->options.memory_bytes = MEMORY_BYTES;
	spool->folder_fd = spool->done_fd = spool->write_fd = spool->read_fd = -1;
	spool->first = spool->next = 1;
	spool->kept_tail = &spool->kept_head;
	int err = options->folder ? open_folder(spool, error) : ASSAY_OK;
	if (err) {
		assay__spool_close(spool);
		return err;
	}
	*out = spool;
	return ASSAY_OK;
}

void assay__spool_close(struct assay__spool *spool)
{
	if (!spool)
		return;
	if (spool->write_fd >= 0) {
		fdatasync(spool->write_fd);
		close(spool->write_fd);
	}
	close_reader(spool);
	if (spool->done_fd >= 0)
		close(spool->done_fd);
	if (spool->folder_fd >= 0)
		close(spool->folder_fd);
	while (spool->kept_head) {
		struct kept *kept = spool->kept_head;
		spool->kept_head = kept->next;
		assay__free(spool->allocator, kept);
	}
	assay__free(spool->allocator, spool->segments);
	assay__free(spool->allocator, spool);
}

static int start_segment(struct assay__spool *spool)
{
	char name[32];
	segment_name(spool->next, name);
	int fd = openat(spool->folder_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
	if (fd < 0)
		return ASSAY_E_IO;
	if (add_segment(spool, (struct segment){.first = spool->next, .next = spool->next})) {
		close(fd);
		unlinkat(spool->folder_fd, name, 0);
		return ASSAY_E_NOMEM;
	}
	if (spool->write_fd >= 0) {
		if (spool->options.sync != ASSAY__SPOOL_SYNC_NEVER)
			fdatasync(spool->write_fd);
		close(spool->write_fd);
	}
	spool->write_fd = fd;
	if (spool->options.sync != ASSAY__SPOOL_SYNC_NEVER)
		fsync(spool->folder_fd);
	return ASSAY_OK;
}

/* The oldest segments go until there is room; the one being written stays. */
static void keep_limit(struct assay__spool *spool, int64_t more)
{
	while (spool->options.limit_bytes > 0 && spool->segment_count > 1 &&
		   spool->disk_bytes + more > spool->options.limit_bytes) {
		uint64_t after = spool->segments[1].first;
		if (after > spool->first) {
			spool->lost += after - spool->first;
			spool->first = after;
			note_done(spool);
		}
		drop_segment(spool);
	}
}

static int append_disk(struct assay__spool *spool, const void *bytes, size_t size_bytes)
{
	struct segment *last = spool->segment_count > 0 ? &spool->segments[spool->segment_count - 1] : NULL;
	keep_limit(spool, (int64_t)size_bytes + ASSAY__FRAME_HEAD_BYTES);
	/* Numbers run without gaps within a segment; after some that waited in memory a new one begins. */
	if (spool->write_fd < 0 || !last || last->size_bytes >= spool->options.segment_bytes || last->next != spool->next) {
		int err = start_segment(spool);
		if (err)
			return err;
	}
	last = &spool->segments[spool->segment_count - 1];
	int err = assay__frame_write(spool->write_fd, spool->next, bytes, size_bytes);
	if (err) {
		/* Half a frame must not stay in front of later ones. */
		if (ftruncate(spool->write_fd, last->size_bytes) < 0) {
			close(spool->write_fd);
			spool->write_fd = -1;
		}
		return err;
	}
	last->next = ++spool->next;
	last->size_bytes += (int64_t)size_bytes + ASSAY__FRAME_HEAD_BYTES;
	spool->disk_bytes += (int64_t)size_bytes + ASSAY__FRAME_HEAD_BYTES;
	if (spool->options.sync == ASSAY__SPOOL_SYNC_ALWAYS)
		fdatasync(spool->write_fd);
	else if (spool->options.sync == ASSAY__SPOOL_SYNC_SECOND && !spool->unsynced_us)
		spool->unsynced_us = assay__clock_us();
	return ASSAY_OK;
}

static int append_memory(struct assay__spool *spool, const void *bytes, size_t size_bytes)
{
	if (spool->kept_bytes + (int64_t)(size_bytes + sizeof(struct kept)) > spool->options.memory_bytes)
		return ASSAY_E_FULL;
	struct kept *kept = assay__alloc(spool->allocator, sizeof(*kept) + size_bytes);
	if (!kept)
		return ASSAY_E_NOMEM;
	*kept = (struct kept){.number = spool->next++, .size_bytes = size_bytes};
	memcpy(kept->bytes, bytes, size_bytes);
	*spool->kept_tail = kept;
	spool->kept_tail = &kept->next;
	spool->kept_count++;
	spool->kept_bytes += (int64_t)(size_bytes + sizeof(*kept));
	return ASSAY_OK;
}

int assay__spool_append(struct assay__spool *spool, const void *bytes, size_t size_bytes)
{
	if (size_bytes == 0 || size_bytes > ASSAY__SPOOL_MESSAGE_BYTES)
		return ASSAY_E_LIMIT;
	/* Once some wait in memory, later ones queue behind them. */
	if (spool->options.folder && spool->kept_count == 0 && append_disk(spool, bytes, size_bytes) == ASSAY_OK)
		return ASSAY_OK;
	return append_memory(spool, bytes, size_bytes);
}

uint64_t assay__spool_first(const struct assay__spool *spool)
{
	return spool->first;
}

uint64_t assay__spool_next(const struct assay__spool *spool)
{
	return spool->next;
}

static int read_memory(const struct assay__spool *spool, uint64_t number, void *out, size_t size_bytes, size_t *used)
{
	const struct kept *kept = spool->kept_head;
	while (kept && kept->number != number)
		kept = kept->next;
	if (!kept)
		return ASSAY_E_FORMAT;
	if (kept->size_bytes > size_bytes)
		return ASSAY_E_LIMIT;
	memcpy(out, kept->bytes, kept->size_bytes);
	*used = kept->size_bytes;
	return ASSAY_OK;
}

/* Brings read_fd before message `number` of segment s. */
static int seek_reader(struct assay__spool *spool, const struct segment *s, uint64_t number)
{
	if (spool->read_fd < 0 || spool->read_segment != s->first || spool->read_number > number) {
		char name[32];
		close_reader(spool);
		segment_name(s->first, name);
		spool->read_fd = openat(spool->folder_fd, name, O_RDONLY | O_CLOEXEC);
		if (spool->read_fd < 0)
			return ASSAY_E_FORMAT;
		spool->read_segment = spool->read_number = s->first;
	}
	for (; spool->read_number < number; spool->read_number++) {
		if (assay__frame_skip(spool->read_fd, spool->read_number)) {
			close_reader(spool);
			return ASSAY_E_FORMAT;
		}
	}
	return ASSAY_OK;
}

int assay__spool_read(struct assay__spool *spool, uint64_t number, void *out, size_t size_bytes, size_t *used_bytes)
{
	assert(number >= spool->first && number < spool->next);
	const struct segment *found = NULL;
	if (spool->kept_head && number >= spool->kept_head->number)
		return read_memory(spool, number, out, size_bytes, used_bytes);
	for (int i = 0; i < spool->segment_count && !found; i++)
		if (number >= spool->segments[i].first && number < spool->segments[i].next)
			found = &spool->segments[i];
	if (!found)
		return ASSAY_E_FORMAT;
	int err = seek_reader(spool, found, number);
	if (err)
		return err;
	err = assay__frame_read(spool->read_fd, number, out, size_bytes, used_bytes);
	if (err)
		close_reader(spool);
	else
		spool->read_number = number + 1;
	return err;
}

void assay__spool_done(struct assay__spool *spool, uint64_t number)
{
	assert(number < spool->next);
	if (number < spool->first)
		return;
	spool->first = number + 1;
	while (spool->kept_head && spool->kept_head->number <= number) {
		struct kept *kept = spool->kept_head;
		spool->kept_head = kept->next;
		if (!spool->kept_head)
			spool->kept_tail = &spool->kept_head;
		spool->kept_count--;
		spool->kept_bytes -= (int64_t)(kept->size_bytes + sizeof(*kept));
		assay__free(spool->allocator, kept);
	}
	if (!spool->options.folder)
		return;
	note_done(spool);
	/* The segment being written stays until the next one is begun. */
	while (spool->segment_count > 0 && spool->segments[0].next <= spool->first &&
		   (spool->segment_count > 1 || spool->write_fd < 0 ||
			spool->segments[0].size_bytes >= spool->options.segment_bytes)) {
		if (spool->segment_count == 1 && spool->write_fd >= 0) {
			close(spool->write_fd);
			spool->write_fd = -1;
		}
		drop_segment(spool);
	}
}

int assay__spool_sync(struct assay__spool *spool)
{
	if (!spool->unsynced_us)
		return -1;
	int64_t left_us = spool->unsynced_us + SYNC_EVERY_US - assay__clock_us();
	if (left_us > 0)
		return (int)(left_us / 1000) + 1;
	if (spool->write_fd >= 0)
		fdatasync(spool->write_fd);
	spool->unsynced_us = 0;
	return -1;
}

uint64_t assay__spool_lost(const struct assay__spool *spool)
{
	return spool->lost;
}

int64_t assay__spool_disk_bytes(const struct assay__spool *spool)
{
	return spool->disk_bytes;
}

int assay__spool_in_memory(const struct assay__spool *spool)
{
	return spool->kept_count;
}
