/* SPDX-License-Identifier: Apache-2.0 */
/* A folder as a camera: its pictures in the order of their names, once or again and again, or those that arrive in it. */
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "station/source/pacer.h"

#define PATH_CHARS 4096
#define FILES_MOST 1000000

struct settings {
	const char *path;
	double rate_hz;
	bool loop, watch;
	int frame_kib;
};

static const struct assay__option options[] = {
	{.name = "path",
	 .required = true,
	 .type = ASSAY__OPTION_PATH,
	 .help = "the folder; jpg, jpeg, png, bmp, tif, tiff, pgm, ppm and pnm in it count, folders in it do not",
	 .offset = offsetof(struct settings, path)},
	{.name = "rate_hz",
	 .type = ASSAY__OPTION_DOUBLE,
	 .fallback = "2",
	 .min = 0,
	 .max = 1000000,
	 .unit = "Hz",
	 .help = "pictures a second where the trigger is `free`; 0: as fast as they can be read",
	 .offset = offsetof(struct settings, rate_hz)},
	{.name = "loop",
	 .type = ASSAY__OPTION_FLAG,
	 .fallback = "no",
	 .help = "after the last picture begin again; without it the camera has then ended",
	 .offset = offsetof(struct settings, loop)},
	{.name = "watch",
	 .type = ASSAY__OPTION_FLAG,
	 .fallback = "no",
	 .help =
		 "take the pictures that are written or moved into the folder from now on; those already there are left alone",
	 .offset = offsetof(struct settings, watch)},
	{.name = "frame_kib",
	 .type = ASSAY__OPTION_INT,
	 .fallback = "0",
	 .min = 0,
	 .max = 1048576,
	 .unit = "KiB",
	 .help = "memory for one decoded picture; 0: as the largest that a recipe was taught from",
	 .offset = offsetof(struct settings, frame_kib)},
};

struct assay__source {
	struct assay__pacer pacer;
	const struct settings *settings;
	bool free_run;
	size_t picture_bytes;
	char **names;
	int count, at;
	uint64_t next;
	int inotify_fd, wake_fd;
	/* of one read of inotify, taken apart name by name */
	_Alignas(struct inotify_event) char heard[16384];
	size_t heard_bytes, heard_at;
};

static bool is_picture(const char *name)
{
	static const char *const ends[] = {"jpg", "jpeg", "png", "bmp", "tif", "tiff", "pgm", "ppm", "pnm"};
	const char *dot = strrchr(name, '.');

	if (name[0] == '.' || !dot)
		return false;
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		if (!strcasecmp(dot + 1, ends[i]))
			return true;
	return false;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int add_name(struct assay__source *source, int *capacity, const char *name)
{
	if (source->count == *capacity) {
		int more = *capacity ? *capacity * 2 : 64;
		char **grown = more <= FILES_MOST ? realloc(source->names, (size_t)more * sizeof(*grown)) : NULL;

		if (!grown)
			return -1;
		source->names = grown;
		*capacity = more;
	}
	source->names[source->count] = strdup(name);
	return source->names[source->count] ? (source->count++, 0) : -1;
}

static int list(struct assay__source *source, struct assay_error *error)
{
	const char *path = source->settings->path;
	DIR *folder = opendir(path);
	struct dirent *entry;
	int capacity = 0, rc = 0;

	if (!folder)
		return assay__fail(error, ASSAY_E_IO, -1, "%s: cannot read this folder: %s", path, strerror(errno));
	while (!rc && (entry = readdir(folder)))
		if (is_picture(entry->d_name) && add_name(source, &capacity, entry->d_name))
			rc = assay__fail(error, ASSAY_E_NOMEM, -1, "%s: out of memory for its names", path);
	closedir(folder);
	if (!rc && !source->count)
		rc = assay__fail(error, ASSAY_E_ARGUMENT, -1, "%s: there is no picture in it; `watch: yes` waits for some",
						 path);
	if (!rc)
		qsort(source->names, (size_t)source->count, sizeof(*source->names), by_name);
	return rc;
}

static int watch(struct assay__source *source, struct assay_error *error)
{
	source->inotify_fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (source->inotify_fd < 0 ||
		inotify_add_watch(source->inotify_fd, source->settings->path, IN_CLOSE_WRITE | IN_MOVED_TO | IN_ONLYDIR) < 0)
		return assay__fail(error, ASSAY_E_IO, -1, "%s: cannot watch this folder: %s", source->settings->path,
						   strerror(errno));
	return 0;
}

static void folder_close(struct assay__source *source)
{
	for (int i = 0; i < source->count; i++)
		free(source->names[i]);
	free(source->names);
	if (source->inotify_fd >= 0)
		close(source->inotify_fd);
	if (source->wake_fd >= 0)
		close(source->wake_fd);
	assay__pacer_close(&source->pacer);
	assay__free(NULL, source);
}

static int folder_open(const char *name, const void *settings, const struct assay__source_need *need,
					   struct assay__source **out, size_t *picture_bytes, struct assay_error *error)
{
	const struct settings *set = settings;
	struct assay__source *source = assay__calloc(NULL, 1, sizeof(*source));
	int rc = source ? assay__pacer_open(&source->pacer, set->rate_hz, error)
					: assay__fail(error, ASSAY_E_NOMEM, -1, "out of memory for camera %s", name);

	if (rc) {
		assay__free(NULL, source);
		return rc;
	}
	source->settings = set;
	source->free_run = need->free_run;
	source->inotify_fd = -1;
	source->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	source->picture_bytes = set->frame_kib ? (size_t)set->frame_kib * 1024 : need->picture_bytes;
	if (source->wake_fd < 0)
		rc = assay__fail(error, ASSAY_E_IO, -1, "cannot make an eventfd: %s", strerror(errno));
	else if (strlen(set->path) > PATH_CHARS - 300)
		rc = assay__fail(error, ASSAY_E_ARGUMENT, -1, "path: longer than %d bytes", PATH_CHARS - 300);
	else
		rc = set->watch ? watch(source, error) : list(source, error);
	if (rc) {
		folder_close(source);
		return rc;
	}
	snprintf(source->pacer.health.text, sizeof(source->pacer.health.text), "%s %.60s",
			 set->watch ? "watches" : "replays", set->path);
	*picture_bytes = source->picture_bytes;
	*out = source;
	return 0;
}

static int folder_start(struct assay__source *source, struct assay_error *error)
{
	(void)source;
	(void)error;
	return 0;
}

static int folder_trigger(struct assay__source *source, struct assay_error *error)
{
	(void)source;
	(void)error;
	return 0;
}

/* The next name heard of; NULL: none yet. */
static const char *heard_name(struct assay__source *source)
{
	while (source->heard_at < source->heard_bytes) {
		const struct inotify_event *event = (const struct inotify_event *)(source->heard + source->heard_at);

		source->heard_at += sizeof(*event) + event->len;
		if (event->mask & IN_Q_OVERFLOW) {
			pthread_mutex_lock(&source->pacer.mutex);
			source->pacer.health.missed++;
			pthread_mutex_unlock(&source->pacer.mutex);
		}
		if (event->len && is_picture(event->name))
			return event->name;
	}
	ssize_t got = read(source->inotify_fd, source->heard, sizeof(source->heard));
	source->heard_at = 0;
	source->heard_bytes = got > 0 ? (size_t)got : 0;
	return NULL;
}

/* Waits for a name in the watched folder. NULL: none in time, or interrupted. */
static const char *wait_name(struct assay__source *source, int timeout_ms)
{
	int64_t end_us = assay__clock_us() + (int64_t)timeout_ms * 1000;

	for (;;) {
		const char *name = heard_name(source);
		int64_t left_us = end_us - assay__clock_us();
		struct pollfd polled[2] = {{.fd = source->inotify_fd, .events = POLLIN},
								   {.fd = source->wake_fd, .events = POLLIN}};
		uint64_t drop;

		if (name)
			return name;
		if (source->heard_bytes)
			continue;
		if (left_us <= 0)
			return NULL;
		if (poll(polled, 2, (int)((left_us + 999) / 1000)) < 0 && errno != EINTR)
			return NULL;
		if (polled[1].revents) {
			(void)!read(source->wake_fd, &drop, sizeof(drop));
			return NULL;
		}
	}
}

/* Waits for the moment of the next name. Returns 0, CANCELLED or CLOSED. */
static int next_name(struct assay__source *source, int timeout_ms, const char **name)
{
	if (source->settings->watch) {
		*name = wait_name(source, timeout_ms);
		return *name ? 0 : ASSAY_E_CANCELLED;
	}
	if (source->at == source->count && !source->settings->loop) {
		pthread_mutex_lock(&source->pacer.mutex);
		source->pacer.health.state = ASSAY__SOURCE_ENDED;
		pthread_mutex_unlock(&source->pacer.mutex);
		return ASSAY_E_CLOSED;
	}
	if (source->free_run && !assay__pacer_next(&source->pacer, timeout_ms))
		return ASSAY_E_CANCELLED;
	if (source->at == source->count)
		source->at = 0;
	*name = source->names[source->at++];
	return 0;
}

static int load(struct assay__source *source, const char *name, struct assay__picture *picture,
				struct assay_error *error)
{
	struct assay_image image;
	char path[PATH_CHARS];
	size_t row, bytes;
	int rc;

	snprintf(path, sizeof(path), "%s/%s", source->settings->path, name);
	rc = assay_image_load(path, NULL, &image, error);
	if (rc)
		return rc;
	row = (size_t)image.width_px * (size_t)image.channels * (size_t)(image.depth_bits / 8);
	bytes = row * (size_t)image.height_px;
	if (bytes > picture->capacity_bytes) {
		rc = assay__fail(error, ASSAY_E_LIMIT, -1, "%s: %d x %d px take %zu bytes, a frame has %zu; see frame_kib",
						 path, image.width_px, image.height_px, bytes, picture->capacity_bytes);
	} else {
		for (int y = 0; y < image.height_px; y++)
			memcpy(picture->pixels + (size_t)y * row, image.pixels + (size_t)y * image.stride_bytes, row);
		picture->image = image;
		picture->image.stride_bytes = row;
		picture->image.pixels = picture->pixels;
	}
	assay_image_free(&image, NULL);
	return rc;
}

static int folder_wait(struct assay__source *source, int timeout_ms, struct assay__picture *picture,
					   struct assay_error *error)
{
	const char *name;
	int rc = next_name(source, timeout_ms, &name);

	if (rc)
		return rc;
	/* Reading the file stands for the exposure: the moment is when it began. */
	picture->taken_us = assay__clock_us();
	picture->image = (struct assay_image){0};
	picture->camera_frame_id = ++source->next;
	picture->trigger_id = 0;
	snprintf(picture->code, sizeof(picture->code), "%s", strlen(name) < sizeof(picture->code) ? name : "");
	picture->named = true;
	rc = load(source, name, picture, error);
	assay__pacer_count(&source->pacer, rc != 0);
	/* Codes of their own meaning to the pipeline; a file never returns them. */
	if (rc == ASSAY_E_CANCELLED || rc == ASSAY_E_CLOSED)
		rc = ASSAY_E_IO;
	return rc;
}

static void folder_interrupt(struct assay__source *source)
{
	uint64_t one = 1;

	assay__pacer_interrupt(&source->pacer);
	(void)!write(source->wake_fd, &one, sizeof(one));
}

static void folder_health(struct assay__source *source, struct assay__source_health *out)
{
	assay__pacer_health(&source->pacer, out);
}

extern const struct assay__source_ops assay__source_folder;
const struct assay__source_ops assay__source_folder = {
	.type = "folder",
	.help = "Pictures of a folder, in the order of their names or as they arrive. A file that cannot be read is a part "
			"that is "
			"FAULT broken and names it.",
	.options = options,
	.option_count = (int)(sizeof(options) / sizeof(options[0])),
	.settings_size = sizeof(struct settings),
	.open = folder_open,
	.start = folder_start,
	.trigger = folder_trigger,
	.wait = folder_wait,
	.interrupt = folder_interrupt,
	.health = folder_health,
	.close = folder_close,
};
