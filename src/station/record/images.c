/* SPDX-License-Identifier: Apache-2.0 */
#include "station/record/images.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "station/record/database.h"
#include "station/record/place.h"

#define DISK_CHECK_US 200000
#define LOST_PAUSE_US 1000000

struct list {
	struct assay__image_slot *first, *last;
	int count;
};

struct assay__images {
	const struct assay_allocator *allocator;
	char dir[ASSAY__RECORD_PATH_CHARS];
	void (*wake)(void *ctx);
	void *ctx;
	size_t held_most_bytes, queue_most_bytes;
	uint64_t reserve_bytes;
	int64_t held_most_us;
	pthread_t thread;
	pthread_mutex_t lock; /* of all below */
	pthread_cond_t work, idle;
	struct list unused, ring, queue, done;
	size_t held_bytes, queue_bytes; /* of slots in use */
	bool busy, closing, disk_low;
	int64_t disk_checked_us, lost_us, last_refused_us;
	uint64_t refused;
};

static void append(struct list *list, struct assay__image_slot *slot)
{
	slot->next = NULL;
	if (list->last)
		list->last->next = slot;
	else
		list->first = slot;
	list->last = slot;
	list->count++;
}

static struct assay__image_slot *take_first(struct list *list)
{
	struct assay__image_slot *slot = list->first;
	if (!slot)
		return NULL;
	list->first = slot->next;
	if (!list->first)
		list->last = NULL;
	list->count--;
	slot->next = NULL;
	return slot;
}

/* The lock is held. */
static void give_back(struct assay__images *images, struct assay__image_slot *slot)
{
	if (slot->held)
		images->held_bytes -= slot->bytes;
	else
		images->queue_bytes -= slot->bytes;
	append(&images->unused, slot);
}

/* Whether the disk has room for what waits and `more`; asks it a few times a second at most. The lock is held. */
static bool disk_has_room(struct assay__images *images, size_t more)
{
	int64_t now = assay__clock_us();
	if (images->lost_us && now - images->lost_us < LOST_PAUSE_US)
		return false;
	if (now - images->disk_checked_us >= DISK_CHECK_US || images->disk_low) {
		struct statvfs disk;
		images->disk_checked_us = now;
		images->disk_low = statvfs(images->dir, &disk) != 0 ||
						   (uint64_t)disk.f_bavail * disk.f_frsize < images->reserve_bytes + images->queue_bytes + more;
	}
	return !images->disk_low;
}

static void copy_pixels(const struct assay_image *from, struct assay__image_slot *slot)
{
	size_t row = (size_t)from->width_px * (size_t)from->channels * (size_t)(from->depth_bits / 8);
	uint8_t *pixels = slot->image.pixels;
	slot->image = *from;
	slot->image.pixels = pixels;
	slot->image.stride_bytes = row;
	for (int y = 0; y < from->height_px; y++)
		memcpy(pixels + (size_t)y * row, from->pixels + (size_t)y * from->stride_bytes, row);
}

/* An unused slot with room, a larger one made of an unused one, or a new one. The lock is held. */
static struct assay__image_slot *find_slot(struct assay__images *images, size_t bytes)
{
	struct assay__image_slot *slot = take_first(&images->unused);
	if (!slot) {
		slot = assay__calloc(images->allocator, 1, sizeof(*slot));
		if (!slot)
			return NULL;
	}
	if (slot->capacity_bytes < bytes) {
		assay__free(images->allocator, slot->image.pixels);
		slot->image.pixels = assay__alloc(images->allocator, bytes);
		slot->capacity_bytes = slot->image.pixels ? bytes : 0;
		if (!slot->image.pixels) {
			append(&images->unused, slot);
			return NULL;
		}
	}
	return slot;
}

/* Forgets held pictures that are too old, or the oldest to make room. The lock is held. */
static void shorten_ring(struct assay__images *images, int64_t now_us, size_t more)
{
	while (images->ring.first && (now_us - images->ring.first->clock_us > images->held_most_us ||
								  images->held_bytes + more > images->held_most_bytes))
		give_back(images, take_first(&images->ring));
}

enum assay__keep assay__images_take(struct assay__images *images, const struct assay_image *image,
									const uint8_t hash[ASSAY_HASH_BYTES], uint64_t sequence, int view,
									enum assay__keep wanted, int64_t clock_us, struct assay__image_slot **out)
{
	struct assay__image_slot *slot = NULL;
	size_t bytes =
		(size_t)image->width_px * (size_t)image->height_px * (size_t)image->channels * (size_t)(image->depth_bits / 8);
	bool held = wanted == ASSAY__KEEP_HELD, room;
	*out = NULL;
	pthread_mutex_lock(&images->lock);
	if (held) {
		shorten_ring(images, clock_us, bytes);
		room = images->held_bytes + bytes <= images->held_most_bytes;
	} else {
		room = images->queue_bytes + bytes <= images->queue_most_bytes && disk_has_room(images, bytes);
	}
	if (room)
		slot = find_slot(images, bytes);
	if (slot) {
		*(held ? &images->held_bytes : &images->queue_bytes) += bytes;
	} else if (!held) {
		images->refused++;
		images->last_refused_us = assay__clock_us();
	}
	pthread_mutex_unlock(&images->lock);
	if (!slot)
		return held ? ASSAY__KEEP_NO : ASSAY__KEEP_REFUSED;
	copy_pixels(image, slot);
	slot->sequence = sequence;
	slot->view = view;
	memcpy(slot->hash, hash, ASSAY_HASH_BYTES);
	slot->bytes = bytes;
	slot->held = held;
	slot->clock_us = clock_us;
	slot->state = ASSAY__IMAGE_PENDING;
	slot->file_bytes = 0;
	*out = slot;
	return wanted;
}

void assay__images_commit(struct assay__images *images, struct assay__image_slot *slot)
{
	pthread_mutex_lock(&images->lock);
	append(slot->held ? &images->ring : &images->queue, slot);
	if (!slot->held)
		pthread_cond_signal(&images->work);
	pthread_mutex_unlock(&images->lock);
}

void assay__images_drop(struct assay__images *images, struct assay__image_slot *list)
{
	pthread_mutex_lock(&images->lock);
	while (list) {
		struct assay__image_slot *next = list->next;
		give_back(images, list);
		list = next;
	}
	pthread_mutex_unlock(&images->lock);
}

struct assay__image_slot *assay__images_unhold(struct assay__images *images, int64_t since_us)
{
	struct list wanted = {0};
	pthread_mutex_lock(&images->lock);
	struct assay__image_slot *slot;
	while ((slot = take_first(&images->ring))) {
		if (slot->clock_us < since_us) {
			give_back(images, slot);
			continue;
		}
		/* from here on it counts as waiting for the disk */
		slot->held = false;
		images->held_bytes -= slot->bytes;
		images->queue_bytes += slot->bytes;
		append(&wanted, slot);
	}
	pthread_mutex_unlock(&images->lock);
	return wanted.first;
}

struct assay__image_slot *assay__images_done(struct assay__images *images)
{
	pthread_mutex_lock(&images->lock);
	struct assay__image_slot *list = images->done.first;
	images->done = (struct list){0};
	pthread_mutex_unlock(&images->lock);
	return list;
}

void assay__images_count(struct assay__images *images, int *waiting, uint64_t *refused, int64_t *last_refused_us,
						 bool *disk_low)
{
	pthread_mutex_lock(&images->lock);
	*waiting = images->queue.count + images->busy;
	*refused = images->refused;
	*last_refused_us = images->last_refused_us;
	*disk_low = images->disk_low;
	pthread_mutex_unlock(&images->lock);
}

/* Encodes and writes under a name in images/new, then renames: a file in its place is whole. */
static void write_slot(struct assay__images *images, struct assay__image_slot *slot)
{
	char name[ASSAY__PLACE_PATH_CHARS], fresh[ASSAY__RECORD_PATH_CHARS], path[ASSAY__RECORD_PATH_CHARS];
	uint8_t *png = NULL;
	size_t size = 0;
	struct assay_error error;
	assay__place_image(slot->sequence, slot->view, name);
	int rc = assay__record_path(images->dir, name, path, &error);
	if (rc == 0)
		rc = assay__record_path(images->dir, "images/new/", fresh, &error);
	if (rc == 0)
		rc = assay_image_encode_png(&slot->image, images->allocator, &png, &size, &error);
	errno = 0;
	if (rc == 0) {
		size_t used = strlen(fresh);
		snprintf(fresh + used, sizeof(fresh) - used, "%s", strrchr(name, '/') + 1);
		rc = assay__place_fresh(fresh, png, size, 0666, &error);
	}
	if (rc == 0) {
		char *slash = strrchr(path, '/');
		*slash = '\0';
		rc = assay__place_folder(path, &error);
		*slash = '/';
	}
	if (rc == 0 && rename(fresh, path)) {
		rc = ASSAY_E_IO;
		unlink(fresh);
	}
	slot->error_number = rc ? (errno ? errno : rc == ASSAY_E_NOMEM ? ENOMEM : EIO) : 0;
	slot->state = rc ? ASSAY__IMAGE_LOST : ASSAY__IMAGE_KEPT;
	slot->file_bytes = rc ? 0 : (int64_t)size;
	if (rc == 0)
		assay__place_sync_folder(path);
	assay__free(images->allocator, png);
}

static void *write_images(void *arg)
{
	struct assay__images *images = arg;
	pthread_mutex_lock(&images->lock);
	for (;;) {
		struct assay__image_slot *slot = take_first(&images->queue);
		if (!slot) {
			images->busy = false;
			pthread_cond_broadcast(&images->idle);
			if (images->closing)
				break;
			pthread_cond_wait(&images->work, &images->lock);
			continue;
		}
		images->busy = true;
		pthread_mutex_unlock(&images->lock);
		write_slot(images, slot);
		pthread_mutex_lock(&images->lock);
		images->lost_us = slot->state == ASSAY__IMAGE_LOST ? assay__clock_us() : 0;
		append(&images->done, slot);
		pthread_mutex_unlock(&images->lock);
		images->wake(images->ctx);
		pthread_mutex_lock(&images->lock);
	}
	pthread_mutex_unlock(&images->lock);
	return NULL;
}

bool assay__images_drain(struct assay__images *images, int timeout_ms)
{
	int64_t deadline = assay__clock_deadline_us(timeout_ms);
	bool in_time = true;
	pthread_mutex_lock(&images->lock);
	while ((images->queue.first || images->busy) && in_time)
		in_time = assay__cond_wait(&images->idle, &images->lock, deadline);
	pthread_mutex_unlock(&images->lock);
	return in_time;
}

static void free_list(struct assay__images *images, struct list *list)
{
	struct assay__image_slot *slot;
	while ((slot = take_first(list))) {
		assay__free(images->allocator, slot->image.pixels);
		assay__free(images->allocator, slot);
	}
}

void assay__images_close(struct assay__images *images)
{
	if (!images)
		return;
	pthread_mutex_lock(&images->lock);
	/* what still waits stays pending in the record and is settled as lost at the next open */
	struct list left = images->queue;
	images->queue = (struct list){0};
	images->closing = true;
	pthread_cond_signal(&images->work);
	pthread_mutex_unlock(&images->lock);
	pthread_join(images->thread, NULL);
	free_list(images, &left);
	free_list(images, &images->unused);
	free_list(images, &images->ring);
	free_list(images, &images->done);
	pthread_cond_destroy(&images->work);
	pthread_cond_destroy(&images->idle);
	pthread_mutex_destroy(&images->lock);
	assay__free(images->allocator, images);
}

/* What a crash left half written. */
static int clear_new(const char *dir, struct assay_error *error)
{
	char path[ASSAY__RECORD_PATH_CHARS];
	int rc = assay__record_path(dir, "images", path, error);
	if (rc == 0)
		rc = assay__place_folder(path, error);
	if (rc == 0)
		rc = assay__record_path(dir, "images/new", path, error);
	if (rc == 0)
		rc = assay__place_folder(path, error);
	DIR *folder = rc ? NULL : opendir(path);
	if (rc == 0 && !folder)
		rc = assay__fail(error, ASSAY_E_IO, -1, "cannot read the folder %s: %s", path, strerror(errno));
	if (rc)
		return rc;
	for (struct dirent *entry; (entry = readdir(folder));)
		if (entry->d_name[0] != '.')
			unlinkat(dirfd(folder), entry->d_name, 0);
	closedir(folder);
	return 0;
}

static bool start_thread(struct assay__images *images)
{
	sigset_t all, before;
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before);
	bool started = pthread_create(&images->thread, NULL, write_images, images) == 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return started;
}

int assay__images_open(const char *dir, const struct assay__record_settings *settings,
					   const struct assay_allocator *allocator, void (*wake)(void *ctx), void *ctx,
					   struct assay__images **out, struct assay_error *error)
{
	int rc = clear_new(dir, error);
	if (rc)
		return rc;
	struct assay__images *images = assay__calloc(allocator, 1, sizeof(*images));
	if (!images)
		return assay__fail(error, ASSAY_E_NOMEM, -1, "no memory for the image writer");
	images->allocator = allocator;
	snprintf(images->dir, sizeof(images->dir), "%s", dir);
	images->wake = wake;
	images->ctx = ctx;
	images->held_most_bytes = settings->keep_stop_s ? (size_t)settings->stop_memory_mb << 20 : 0;
	images->held_most_us = (int64_t)settings->keep_stop_s * 1000000;
	images->queue_most_bytes = (size_t)settings->image_memory_mb << 20;
	images->reserve_bytes = (uint64_t)settings->disk_reserve_mb << 20;
	images->disk_checked_us = INT64_MIN / 2;
	bool lock = pthread_mutex_init(&images->lock, NULL) == 0;
	bool work = lock && pthread_cond_init(&images->work, NULL) == 0;
	bool idle = work && assay__cond_init(&images->idle) == 0;
	if (idle && start_thread(images)) {
		*out = images;
		return 0;
	}
	if (idle)
		pthread_cond_destroy(&images->idle);
	if (work)
		pthread_cond_destroy(&images->work);
	if (lock)
		pthread_mutex_destroy(&images->lock);
	assay__free(allocator, images);
	return assay__fail(error, ASSAY_E_IO, -1, "the system gives no thread for the image writer");
}
