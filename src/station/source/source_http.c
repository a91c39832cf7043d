/* SPDX-License-Identifier: Apache-2.0 */
/* A camera that is fed: somebody posts picture files to /api/v1/cameras/NAME/frame. */
#include "station/source/source_http.h"

#include <stdio.h>
#include <stdlib.h>

#include "station/source/pacer.h"

#define QUEUE_MOST 64

struct settings {
	int queue, frame_kib;
};

static const struct assay__option options[] = {
	{.name = "queue",
	 .type = ASSAY__OPTION_INT,
	 .fallback = "4",
	 .min = 1,
	 .max = QUEUE_MOST,
	 .help = "pictures that may wait; one more is refused with 503, and counts as nothing",
	 .offset = offsetof(struct settings, queue)},
	{.name = "frame_kib",
	 .type = ASSAY__OPTION_INT,
	 .fallback = "0",
	 .min = 0,
	 .max = 1048576,
	 .unit = "KiB",
	 .help = "memory for one decoded picture; 0: as the largest that a recipe was taught from",
	 .offset = offsetof(struct settings, frame_kib)},
};

struct waiting {
	struct assay_image image;
	int64_t taken_us;
	uint64_t trigger_id;
	char code[ASSAY__PART_CODE_CHARS];
};

struct assay__source {
	struct assay__pacer pacer;
	const char *name;
	struct assay__source *next;
	size_t picture_bytes;
	uint64_t frame_id;
	int capacity, count, first;
	struct waiting ring[QUEUE_MOST];
};

/* All that are open: feeders know a camera by its name alone. Names are unique in a configuration. */
static pthread_mutex_t open_mutex = PTHREAD_MUTEX_INITIALIZER;
static struct assay__source *open_sources;

/* Under open_mutex. */
static struct assay__source *find(const char *name)
{
	struct assay__source *source = open_sources;

	while (source && strcmp(source->name, name))
		source = source->next;
	return source;
}

bool assay__source_http_has(const char *camera)
{
	bool has;

	pthread_mutex_lock(&open_mutex);
	has = find(camera) != NULL;
	pthread_mutex_unlock(&open_mutex);
	return has;
}

static size_t tight_bytes(const struct assay_image *image)
{
	return (size_t)image->width_px * (size_t)image->height_px * (size_t)image->channels *
		   (size_t)(image->depth_bits / 8);
}

static int put(struct assay__source *source, const struct assay_image *image, uint64_t trigger_id, const char *code,
			   struct assay_error *error)
{
	struct waiting *place;
	int rc = 0;

	if (tight_bytes(image) > source->picture_bytes)
		return assay__fail(error, ASSAY_E_LIMIT, -1,
						   "camera %s: %d x %d px take %zu bytes, a frame has %zu; see frame_kib", source->name,
						   image->width_px, image->height_px, tight_bytes(image), source->picture_bytes);
	pthread_mutex_lock(&source->pacer.mutex);
	if (source->count == source->capacity) {
		source->pacer.health.missed++;
		rc = assay__fail(error, ASSAY_E_FULL, -1, "camera %s: %d pictures are waiting already", source->name,
						 source->count);
	} else {
		place = &source->ring[(source->first + source->count++) % QUEUE_MOST];
		*place = (struct waiting){.image = *image, .taken_us = assay__clock_us(), .trigger_id = trigger_id};
		snprintf(place->code, sizeof(place->code), "%s", code ? code : "");
		pthread_cond_broadcast(&source->pacer.changed);
	}
	pthread_mutex_unlock(&source->pacer.mutex);
	return rc;
}

int assay__source_http_push(const char *camera, const struct assay_image *image, uint64_t trigger_id, const char *code,
							struct assay_error *error)
{
	struct assay__source *source;
	int rc;

	pthread_mutex_lock(&open_mutex);
	source = find(camera);
	rc = source
			 ? put(source, image, trigger_id, code, error)
			 : assay__fail(error, ASSAY_E_ARGUMENT, -1, "there is no camera of that name that takes posted pictures");
	pthread_mutex_unlock(&open_mutex);
	return rc;
}

static int push_open(const char *name, const void *settings, const struct assay__source_need *need,
					 struct assay__source **out, size_t *picture_bytes, struct assay_error *error)
{
	const struct settings *set = settings;
	struct assay__source *source = assay__calloc(NULL, 1, sizeof(*source));
	int rc = source ? assay__pacer_open(&source->pacer, 0, error)
					: assay__fail(error, ASSAY_E_NOMEM, -1, "out of memory for camera %s", name);

	if (rc) {
		assay__free(NULL, source);
		return rc;
	}
	source->name = name;
	source->capacity = set->queue;
	source->picture_bytes = set->frame_kib ? (size_t)set->frame_kib * 1024 : need->picture_bytes;
	snprintf(source->pacer.health.text, sizeof(source->pacer.health.text), "takes posted pictures");
	pthread_mutex_lock(&open_mutex);
	source->next = open_sources;
	open_sources = source;
	pthread_mutex_unlock(&open_mutex);
	*picture_bytes = source->picture_bytes;
	*out = source;
	return 0;
}

static int push_start(struct assay__source *source, struct assay_error *error)
{
	(void)source;
	(void)error;
	return 0;
}

/* Asked: the part's picture is the next that waits or comes. One may come a moment before its trigger, so none is forgotten. */
static int push_trigger(struct assay__source *source, struct assay_error *error)
{
	(void)source;
	(void)error;
	return 0;
}

static int push_wait(struct assay__source *source, int timeout_ms, struct assay__picture *picture,
					 struct assay_error *error)
{
	int64_t end_us = assay__clock_us() + (int64_t)timeout_ms * 1000;
	struct waiting taken = {0};
	size_t row;
	int rc = 0;

	pthread_mutex_lock(&source->pacer.mutex);
	while (!source->count && !source->pacer.interrupted && assay__clock_us() < end_us)
		assay__cond_wait(&source->pacer.changed, &source->pacer.mutex, end_us);
	if (source->count) {
		taken = source->ring[source->first];
		source->first = (source->first + 1) % QUEUE_MOST;
		source->count--;
		source->pacer.health.pictures++;
		source->pacer.health.last_us = taken.taken_us;
	}
	source->pacer.interrupted = false;
	pthread_mutex_unlock(&source->pacer.mutex);
	if (!taken.image.pixels)
		return ASSAY_E_CANCELLED;
	picture->taken_us = taken.taken_us;
	picture->trigger_id = taken.trigger_id;
	picture->camera_frame_id = ++source->frame_id;
	memcpy(picture->code, taken.code, sizeof(picture->code));
	picture->image = (struct assay_image){0};
	if (tight_bytes(&taken.image) > picture->capacity_bytes) {
		rc = assay__fail(error, ASSAY_E_LIMIT, -1, "camera %s: the picture is larger than a frame; see frame_kib",
						 source->name);
	} else {
		row = tight_bytes(&taken.image) / (size_t)taken.image.height_px;
		for (int y = 0; y < taken.image.height_px; y++)
			memcpy(picture->pixels + (size_t)y * row, taken.image.pixels + (size_t)y * taken.image.stride_bytes, row);
		picture->image = taken.image;
		picture->image.stride_bytes = row;
		picture->image.pixels = picture->pixels;
	}
	assay_image_free(&taken.image, NULL);
	return rc;
}

static void push_interrupt(struct assay__source *source)
{
	assay__pacer_interrupt(&source->pacer);
}

static void push_health(struct assay__source *source, struct assay__source_health *out)
{
	assay__pacer_health(&source->pacer, out);
}

static void push_close(struct assay__source *source)
{
	struct assay__source **at = &open_sources;

	pthread_mutex_lock(&open_mutex);
	while (*at != source)
		at = &(*at)->next;
	*at = source->next;
	pthread_mutex_unlock(&open_mutex);
	for (; source->count; source->count--, source->first = (source->first + 1) % QUEUE_MOST)
		assay_image_free(&source->ring[source->first].image, NULL);
	assay__pacer_close(&source->pacer);
	assay__free(NULL, source);
}

extern const struct assay__source_ops assay__source_http;
const struct assay__source_ops assay__source_http = {
	.type = "http_push",
	.help = "Pictures that somebody posts to /api/v1/cameras/NAME/frame, as JPEG, PNG, BMP, TIFF, PGM or PPM. With the "
			"trigger "
			"`free` each one is a part; `trigger_id` and `code` in the address become the part's.",
	.options = options,
	.option_count = (int)(sizeof(options) / sizeof(options[0])),
	.settings_size = sizeof(struct settings),
	.open = push_open,
	.start = push_start,
	.trigger = push_trigger,
	.wait = push_wait,
	.interrupt = push_interrupt,
	.health = push_health,
	.close = push_close,
};
